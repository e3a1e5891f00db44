//! What a task came to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::vote::pass_at;
use super::{Line, Settings};
use crate::tasks::Task;

/// A share of items, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Items.
    pub items: usize,
    /// Of these right.
    pub correct: usize,
    /// The share, in [0, 1].
    pub accuracy: f64,
    /// Its standard error, as lm-eval gives it: √(p(1−p)/(n−1)); 0 for one item.
    pub standard_error: f64,
    /// An interval that holds the true share in 95 of 100 cases (Wilson's).
    pub interval: [f64; 2],
}

impl Figure {
    /// So many of so many; `None` of no items.
    pub fn of(correct: usize, items: usize) -> Option<Self> {
        if items == 0 {
            return None;
        }
        let (n, p) = (items as f64, correct as f64 / items as f64);
        let standard_error = if items == 1 { 0.0 } else { (p * (1.0 - p) / (n - 1.0)).sqrt() };
        /// The normal distribution's 97.5th percentile.
        const Z: f64 = 1.959_963_984_540_054;
        let centre = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let interval = [(centre - half).max(0.0), (centre + half).min(1.0)];
        Some(Self { items, correct, accuracy: p, standard_error, interval })
    }

    fn count<'l>(lines: impl Iterator<Item = &'l Line>, is_right: impl Fn(&Line) -> bool) -> Option<Self> {
        let (mut items, mut correct) = (0, 0);
        for line in lines {
            items += 1;
            correct += usize::from(is_right(line));
        }
        Self::of(correct, items)
    }
}

/// How a task was asked: what of [`Settings`] changes its figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// So many items and no more.
    pub limit: Option<usize>,
    /// Examples, where another number or file than the task's own was asked for.
    pub shots: Option<String>,
    /// Texts for each item.
    pub samples: usize,
    /// What logits are divided by.
    pub temperature: f64,
    /// Choose among so many likeliest tokens, among those of this share, by this seed: where anything is drawn.
    pub sampling: Option<(usize, f64, u64)>,
    /// Most new tokens, where others than the task's own were asked for.
    pub max_new_tokens: Option<usize>,
    /// Texts with tests for each program.
    pub tests: usize,
}

impl Asked {
    fn of(settings: &Settings) -> Self {
        let Settings { samples, temperature, max_new_tokens, tests, limit, .. } = *settings;
        let count = settings.shots.count.map(|count| count.to_string());
        let sampling = (settings.top_k, settings.top_p, settings.seed);
        Self {
            limit,
            shots: count.or_else(|| settings.shots.file.as_ref().map(|file| file.display().to_string())),
            samples,
            temperature,
            sampling: (temperature > 0.0).then_some(sampling),
            max_new_tokens,
            tests,
        }
    }
}

/// What a task came to.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The task.
    pub task: String,
    /// Its mode.
    pub mode: String,
    /// What was evaluated.
    pub model: String,
    /// Items of the set; fewer may have been asked.
    pub items_of_set: usize,
    /// Items that were asked.
    pub items: usize,
    /// How they were asked: figures of other settings are others.
    pub asked: Asked,
    /// Items that the server refused, which no figure counts.
    pub set_aside: usize,
    /// What it said, each reason once, with the items of each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refusals: BTreeMap<String, usize>,
    /// Items that are not judged: programs that were not run.
    pub unjudged: usize,
    /// The answers that count; `None` if nothing is judged.
    pub accuracy: Option<Figure>,
    /// The options likeliest for each character: lm-eval's `acc_norm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_characters: Option<Figure>,
    /// The options likeliest for each byte: lm-eval's `acc_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_bytes: Option<Figure>,
    /// Texts for each item.
    pub samples: usize,
    /// The share of all texts that are right, where there are several for each item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_samples: Option<f64>,
    /// The chance that one of so many programs passes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pass_at: BTreeMap<usize, f64>,
    /// By subjects.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Figure>,
    /// The mean over subjects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_of_groups: Option<f64>,
    /// Examples before the question.
    pub examples: Option<String>,
    /// Prompts that lost their beginning.
    pub cut: usize,
    /// Texts that ran into the greatest length.
    pub unended: usize,
    /// Tokens written or scored.
    pub tokens: usize,
    /// Time.
    pub seconds: f64,
}

impl Summary {
    pub(super) fn of(task: &Task, settings: &Settings, lines: &[Line], of: usize, examples: Option<String>) -> Self {
        let judged = || lines.iter().filter(|line| line.correct.is_some());
        let is_right = |line: &Line| line.correct == Some(true);
        let chosen = || lines.iter().filter(|line| line.choices.is_some());
        let by = |is_right: fn(&super::Chosen) -> bool| {
            Figure::count(chosen(), |line| line.choices.as_ref().is_some_and(is_right))
        };
        let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for line in judged() {
            if let Some(group) = &line.group {
                let (correct, items) = groups.entry(group.clone()).or_default();
                *items += 1;
                *correct += usize::from(is_right(line));
            }
        }
        let groups: BTreeMap<String, Figure> = groups
            .into_iter()
            .filter_map(|(group, (correct, items))| Figure::of(correct, items).map(|figure| (group, figure)))
            .collect();
        let mean = |sum: f64, count: usize| (count > 0).then(|| sum / count as f64);
        let samples = lines.iter().map(|line| line.outputs.len()).max().unwrap_or(0);
        let shares = judged()
            .filter(|line| !line.outputs.is_empty())
            .map(|line| passes(line) as f64 / line.outputs.len() as f64);
        let of_samples = if samples > 1 { mean(shares.sum(), judged().count()) } else { None };
        let texts = lines.iter().flat_map(|line| &line.outputs);
        let mut refusals = BTreeMap::new();
        for reason in lines.iter().filter_map(|line| line.refused.clone()) {
            *refusals.entry(reason).or_default() += 1;
        }
        let set_aside = refusals.values().sum();
        Self {
            task: task.name.to_owned(),
            mode: task.mode.name().to_owned(),
            model: settings.model.clone(),
            items_of_set: of,
            items: lines.len(),
            asked: Asked::of(settings),
            set_aside,
            refusals,
            unjudged: lines.len() - set_aside - judged().count(),
            accuracy: Figure::count(judged(), is_right),
            by_characters: by(|chosen| chosen.correct_by_characters),
            by_bytes: by(|chosen| chosen.correct_by_bytes),
            samples,
            of_samples,
            pass_at: if task.name.starts_with("humaneval") { pass_at_each(lines, samples) } else { BTreeMap::new() },
            mean_of_groups: mean(groups.values().map(|figure| figure.accuracy).sum(), groups.len()),
            groups,
            examples,
            cut: lines.iter().filter(|line| line.is_cut).count(),
            unended: texts.filter(|text| !text.has_ended).count(),
            tokens: lines.iter().map(|line| line.tokens).sum(),
            seconds: lines.iter().map(|line| line.seconds).sum(),
        }
    }
}

fn passes(line: &Line) -> usize {
    line.outputs.iter().filter(|output| output.correct == Some(true)).count()
}

/// pass@1, 10 and 100, and of all samples.
fn pass_at_each(lines: &[Line], samples: usize) -> BTreeMap<usize, f64> {
    let judged: Vec<&Line> = lines.iter().filter(|line| line.correct.is_some()).collect();
    let ks = [1, 10, 100, samples].into_iter().filter(|k| (1..=samples).contains(k) && !judged.is_empty());
    let estimate = |k: usize| {
        let sum: f64 = judged.iter().map(|line| pass_at(line.outputs.len(), passes(line), k)).sum();
        sum / judged.len() as f64
    };
    ks.map(|k| (k, estimate(k))).collect()
}

/// Summaries as a table for people.
pub fn table(summaries: &[Summary]) -> String {
    let name = |summary: &Summary| format!("{} ({})", summary.task, summary.mode);
    let width = summaries.iter().map(|summary| name(summary).len()).max().unwrap_or(0).max(4);
    let percent =
        |figure: Option<Figure>| figure.map_or_else(|| "-".to_owned(), |it| format!("{:.2}", 100.0 * it.accuracy));
    let mut out = format!(
        "{:width$}  {:>6}  {:>6}  {:>8}  {:>6}  {:>15}  {:>8}\n",
        "task", "items", "of", "correct", "± s.e.", "95 % interval", "by chars"
    );
    for summary in summaries {
        let error = summary.accuracy.map_or_else(|| "-".to_owned(), |it| format!("{:.2}", 100.0 * it.standard_error));
        let interval = summary.accuracy.map_or_else(
            || "-".to_owned(),
            |it| format!("{:.2} – {:.2}", 100.0 * it.interval[0], 100.0 * it.interval[1]),
        );
        let by_characters =
            if summary.by_characters.is_some() { percent(summary.by_characters) } else { String::new() };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{:width$}  {:>6}  {:>6}  {:>8}  {error:>6}  {interval:>15}  {by_characters:>8}",
            name(summary),
            summary.items,
            summary.items_of_set,
            percent(summary.accuracy),
        );
        let mut notes = Vec::new();
        if let Some(share) = summary.of_samples {
            notes.push(format!("of {} samples each {:.2}", summary.samples, 100.0 * share));
        }
        notes.extend(summary.pass_at.iter().map(|(k, chance)| format!("pass@{k} {:.2}", 100.0 * chance)));
        notes.extend(
            summary.mean_of_groups.map(|mean| format!("mean of {} subjects {:.2}", summary.groups.len(), 100.0 * mean)),
        );
        notes.extend(summary.examples.as_ref().map(|examples| format!("examples: {examples}")));
        if summary.unjudged > 0 {
            notes.push(format!("{} programs were not run: `--allow-code-execution`", summary.unjudged));
        }
        if summary.cut > 0 {
            notes.push(format!("{} prompts were too long and lost their beginning", summary.cut));
        }
        if summary.unended > 0 {
            notes.push(format!("{} texts ran into the greatest length", summary.unended));
        }
        if summary.set_aside > 0 {
            notes.push(format!(
                "{} items were refused and are set aside; the same command asks them again",
                summary.set_aside
            ));
            notes.extend(summary.refusals.iter().map(|(reason, items)| format!("  {items}: {reason}")));
        }
        for note in notes {
            let _ = writeln!(out, "  {note}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_their_errors() {
        let figure = Figure::of(30, 40).expect("items");
        assert_eq!((figure.accuracy, Figure::of(0, 0)), (0.75, None));
        assert!((figure.standard_error - (0.75f64 * 0.25 / 39.0).sqrt()).abs() < 1e-15);
        // Wilson's interval for 30 of 40, from its published formula with z = 1.96.
        assert!((figure.interval[0] - 0.5981).abs() < 1e-3 && (figure.interval[1] - 0.8581).abs() < 1e-3, "{figure:?}");
        let all = Figure::of(5, 5).expect("items");
        assert_eq!((all.standard_error, all.interval[1]), (0.0, 1.0));
        assert_eq!(Figure::of(0, 1).expect("an item").standard_error, 0.0);
    }
}
