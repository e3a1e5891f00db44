//! The plan of a mix as people read it.

use std::fmt::Write as _;

use indicatif::HumanCount;
use yuan_binidx::mix::{PhasePlan, Plan};

/// Languages of a phase that are listed; the rest is one line.
const LISTED: usize = 12;

pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for phase in &plan.phases {
        of_phase(plan, phase, &mut out);
    }
    for warning in &plan.warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
    out
}

fn of_phase(plan: &Plan, phase: &PhasePlan, out: &mut String) {
    let count = |number: u64| HumanCount(number).to_string();
    let _ = writeln!(
        out,
        "phase {}: {} tokens of {} wanted, {} documents, {}",
        phase.name,
        count(phase.taken.tokens),
        count(phase.target),
        count(phase.taken.documents),
        plan.dtype
    );
    let languages = listed(phase);
    let names = phase.sources.iter().map(|source| source.name.as_str());
    let width = names.chain(languages.iter().map(|(name, ..)| name.as_str())).map(|name| name.chars().count());
    let width = width.max().unwrap_or(0).max("language".len());
    let _ = writeln!(
        out,
        "  {:<width$}  {:>15}  {:>15}  {:>15}  {:>11}  {:>7}  {:>7}  {:>6}",
        "source", "available", "target", "tokens", "documents", "epochs", "so far", "share"
    );
    for (source, of) in phase.sources.iter().zip(&plan.sources) {
        let _ = writeln!(
            out,
            "  {:<width$}  {:>15}  {:>15}  {:>15}  {:>11}  {:>7.3}  {:>7.3}  {:>5.1} %",
            source.name,
            count(of.available.tokens),
            count(source.target),
            count(source.taken.tokens),
            count(source.taken.documents),
            source.epochs,
            source.epochs_so_far,
            100.0 * source.share
        );
    }
    let blank = "";
    let _ = writeln!(
        out,
        "  {:<width$}  {blank:>15}  {blank:>15}  {:>15}  {:>11}  {blank:>7}  {blank:>7}  {:>6}",
        "language", "tokens", "documents", "share"
    );
    for (name, documents, tokens) in languages {
        let share = 100.0 * tokens as f64 / phase.taken.tokens.max(1) as f64;
        let _ = writeln!(
            out,
            "  {name:<width$}  {blank:>15}  {blank:>15}  {:>15}  {:>11}  {blank:>7}  {blank:>7}  {share:>5.1} %",
            count(tokens),
            count(documents)
        );
    }
    out.push('\n');
}

/// Languages with documents and tokens, the largest first.
fn listed(phase: &PhasePlan) -> Vec<(String, u64, u64)> {
    let mut rows: Vec<(String, u64, u64)> =
        phase.languages.iter().map(|(name, of)| (name.clone(), of.documents, of.tokens)).collect();
    rows.sort_by(|one, other| other.2.cmp(&one.2).then_with(|| one.0.cmp(&other.0)));
    if rows.len() > LISTED + 1 {
        let rest = rows.split_off(LISTED);
        let sum = rest.iter().fold((0, 0), |sum, row| (sum.0 + row.1, sum.1 + row.2));
        rows.push((format!("{} more", rest.len()), sum.0, sum.1));
    }
    rows
}
