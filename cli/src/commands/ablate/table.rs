//! The table: means over seeds, their intervals, and differences from the first recipe.

use std::fmt::Write as _;

use serde_json::json;

use super::data::{Corpus, HeldOut};
use super::results::Outcome;
use super::tokens;

/// 97.5 % quantiles of Student's t distribution by degrees of freedom, from 1.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// A mean with half the width of its 95 % interval, which one value has not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    pub mean: f64,
    pub half_width: Option<f64>,
}

impl Mean {
    /// Of independent values, by Student's t.
    ///
    /// # Panics
    /// If there is none.
    pub fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "a mean is of values");
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let half_width = (values.len() > 1).then(|| {
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
            // Beyond the table it is as good as normal.
            let t = T.get(values.len() - 2).copied().unwrap_or(1.96 + 2.4 / (count - 1.0));
            t * (variance / count).sqrt()
        });
        Self { mean, half_width }
    }

    /// Whether its interval leaves out 0.
    fn is_sure(self) -> bool {
        self.half_width.is_some_and(|half| self.mean.abs() > half)
    }

    fn text(self, signed: bool) -> String {
        let Self { mean, half_width } = self;
        let mean = if signed { format!("{mean:+.4}") } else { format!("{mean:.4}") };
        half_width.map_or(mean.clone(), |half| format!("{mean} ± {half:.4}"))
    }

    fn json(self) -> serde_json::Value {
        json!({ "mean": self.mean, "half_width": self.half_width })
    }
}

/// What is known of a recipe in a domain.
struct Cell {
    bits: Mean,
    /// From the first recipe, pair by pair of equal seeds.
    difference: Option<Mean>,
}

/// Recipes by domains.
pub struct Table<'a> {
    corpora: &'a [Corpus],
    domains: Vec<&'a str>,
    budget: u64,
    /// By recipe, then by domain, the mean of all domains last.
    cells: Vec<Vec<Cell>>,
    seeds: usize,
}

/// What the mean of all domains is called.
const ALL: &str = "mean of domains";

impl<'a> Table<'a> {
    /// The table of outcomes, as many of each recipe, in the order of their seeds.
    pub fn new(corpora: &'a [Corpus], domains: &'a [HeldOut], outcomes: &[Outcome], budget: u64) -> Self {
        let names: Vec<&str> = domains.iter().map(|domain| domain.name.as_str()).collect();
        let of = |recipe: &str| -> Vec<Vec<f64>> {
            let own: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.recipe == recipe).collect();
            let bits = |name: &str| own.iter().map(|outcome| outcome.bits_per_byte[name]).collect();
            let mut columns: Vec<Vec<f64>> = names.iter().map(|name| bits(name)).collect();
            let mean = |at: usize| columns.iter().map(|column| column[at]).sum::<f64>() / columns.len() as f64;
            columns.push((0..own.len()).map(mean).collect());
            columns
        };
        let first = of(&corpora[0].name);
        let row = |(number, corpus): (usize, &Corpus)| -> Vec<Cell> {
            let cell = |(values, first): (Vec<f64>, &Vec<f64>)| {
                let pairs: Vec<f64> = values.iter().zip(first).map(|(own, first)| own - first).collect();
                Cell { bits: Mean::of(&values), difference: (number > 0).then(|| Mean::of(&pairs)) }
            };
            of(&corpus.name).into_iter().zip(&first).map(cell).collect()
        };
        let cells = corpora.iter().enumerate().map(row).collect();
        Self { corpora, domains: names, budget, cells, seeds: first[0].len() }
    }

    fn columns(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().copied().chain([ALL])
    }

    /// For people.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let line = |text: &mut String, cells: &[String]| {
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        };
        line(&mut text, &["recipe", "documents read", "kept", "tokens", "read of them"].map(String::from));
        let _ = writeln!(text, "|---|---:|---:|---:|---:|");
        for corpus in self.corpora {
            let times = self.budget as f64 / corpus.count as f64;
            let cells = [tokens(corpus.read), tokens(corpus.kept), tokens(corpus.count), format!("{times:.2} times")];
            line(&mut text, &[std::slice::from_ref(&corpus.name), &cells[..]].concat());
        }
        let seeds = if self.seeds == 1 { "one seed: no intervals".to_owned() } else { format!("{} seeds", self.seeds) };
        let _ = writeln!(
            text,
            "\nBits per byte of held-out documents after {} tokens, less is better; {seeds}{}.\n",
            tokens(self.budget),
            if self.seeds == 1 { "" } else { ", ± 95 % intervals (Student's t)" }
        );
        let head: Vec<String> = ["recipe"].into_iter().chain(self.columns()).map(String::from).collect();
        let rule = |text: &mut String| {
            let _ = writeln!(text, "|---|{}", "---:|".repeat(self.domains.len() + 1));
        };
        line(&mut text, &head);
        rule(&mut text);
        for (corpus, cells) in self.corpora.iter().zip(&self.cells) {
            let cells: Vec<String> = cells.iter().map(|cell| cell.bits.text(false)).collect();
            line(&mut text, &[std::slice::from_ref(&corpus.name), &cells[..]].concat());
        }
        let _ = writeln!(
            text,
            "\nDifference from `{}`, seed by seed; bold where the interval leaves out 0.\n",
            self.corpora[0].name
        );
        line(&mut text, &head);
        rule(&mut text);
        for (corpus, cells) in self.corpora.iter().zip(&self.cells).skip(1) {
            let of = |cell: &Cell| {
                let difference = cell.difference.expect("all but the first have one");
                let text = difference.text(true);
                if difference.is_sure() { format!("**{text}**") } else { text }
            };
            line(
                &mut text,
                &[std::slice::from_ref(&corpus.name), &cells.iter().map(of).collect::<Vec<_>>()[..]].concat(),
            );
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> anyhow::Result<String> {
        let recipe = |(corpus, cells): (&Corpus, &Vec<Cell>)| {
            let domains = self.columns().zip(cells).map(|(name, cell)| {
                let difference = cell.difference.map(Mean::json);
                (name.to_owned(), json!({ "bits_per_byte": cell.bits.json(), "difference": difference }))
            });
            json!({
                "recipe": corpus.name, "documents_read": corpus.read, "documents_kept": corpus.kept,
                "tokens": corpus.count, "domains": domains.collect::<serde_json::Map<_, _>>(),
            })
        };
        let recipes: Vec<_> = self.corpora.iter().zip(&self.cells).map(recipe).collect();
        let all = json!({ "tokens_trained": self.budget, "seeds": self.seeds, "recipes": recipes });
        Ok(serde_json::to_string_pretty(&all)? + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_scipy() {
        // scipy.stats.t.interval(0.95, n - 1, loc=mean, scale=scipy.stats.sem(values))
        let mean = Mean::of(&[1.52, 1.49, 1.55]);
        assert!((mean.mean - 1.52).abs() < 1e-12);
        assert!((mean.half_width.expect("three") - 0.074524).abs() < 2e-5, "{mean:?}");
        let many: Vec<f64> = (0..40).map(f64::from).collect();
        assert!((Mean::of(&many).half_width.expect("forty") - 3.738788).abs() < 5e-3);
        assert_eq!(Mean::of(&[2.0]), Mean { mean: 2.0, half_width: None });
    }
}
