//! What a run says of evaluation sets: how many items of each the corpus has text of.

use std::fmt::Write as _;

use indicatif::HumanCount;
use yuan_pipeline::{StepSummary, Summary, Tally};

use crate::report::{escape, percent};

/// A step's sets, with the items found (as documents) of so many (as bytes).
fn sets(step: &StepSummary) -> Vec<(&str, &Tally)> {
    let of_kind = step.tallies.iter().filter(|(kind, _, _)| kind == "contaminated_items");
    of_kind.map(|(_, set, items)| (set.as_str(), items)).collect()
}

/// For the summary: the sets of which something was found.
pub fn text(summary: &Summary) -> String {
    let mut out = String::new();
    for step in &summary.steps {
        let sets = sets(step);
        if sets.is_empty() {
            continue;
        }
        let documents = step.tally("contaminated").documents;
        let (found, all) = sets.iter().fold((0, 0), |sum, (_, items)| (sum.0 + items.documents, sum.1 + items.bytes));
        let (documents, found, all) = (HumanCount(documents), HumanCount(found), HumanCount(all));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:<20} {documents} documents have text of {found} of {all} items", "evaluation sets");
        for (set, items) in sets.iter().filter(|(_, items)| items.documents > 0) {
            let _ = writeln!(out, "{:>20}   {set}: {} of {}", "", HumanCount(items.documents), HumanCount(items.bytes));
        }
    }
    out
}

/// For the report: all sets.
pub fn html(out: &mut String, summary: &Summary) -> anyhow::Result<()> {
    for step in &summary.steps {
        let sets = sets(step);
        if sets.is_empty() {
            continue;
        }
        out.push_str(
            "<h2>Evaluation sets</h2><table><tr><th>set<th class=n>items found<th class=n>of<th class=n>share</tr>",
        );
        for (set, items) in sets {
            write!(
                out,
                "<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{:.1} %</tr>",
                escape(set),
                HumanCount(items.documents),
                HumanCount(items.bytes),
                percent(items.documents, items.bytes)
            )?;
        }
        out.push_str("</table>");
    }
    Ok(())
}
