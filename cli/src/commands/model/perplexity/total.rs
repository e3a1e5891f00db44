//! What documents came to, by groups.

use indicatif::HumanCount;
use serde_json::{Value, json};
use yuan_model::perplexity::DocumentScore;

use super::run::Run;
use crate::commands::print;

/// What was found of some documents.
#[derive(Default)]
pub(super) struct Total {
    documents: u64,
    score: DocumentScore,
    bytes: Option<u64>,
}

impl Run<'_> {
    /// Prints the table, and keeps it.
    pub(super) fn report(&self) -> anyhow::Result<()> {
        let mut all = Total::default();
        for total in self.groups.values() {
            all.add(total.documents, &total.score, total.bytes);
        }
        let by = self.args.by.as_deref().unwrap_or(if self.args.tokens.is_empty() { "file" } else { "token set" });
        let rows = self.groups.iter().map(|(name, total)| (name.as_str(), total));
        let rows: Vec<(&str, &Total)> =
            if self.groups.len() > 1 { rows.chain([("total", &all)]).collect() } else { rows.collect() };
        let line = |(name, total): &(&str, &Total)| {
            let mut line = json!({ by: name, "documents": total.documents });
            describe(&mut line, &total.score, total.bytes);
            line
        };
        let mut table: Vec<Value> = rows.iter().map(line).collect();
        let mean = self.mean_of_domains().filter(|_| self.kept.is_some());
        if let Some((domains, perplexity, bits)) = mean {
            table.push(json!({ by: "mean", "domains": domains, "perplexity": perplexity, "bits_per_byte": bits }));
        }
        if let Some(kept) = &self.kept {
            kept.finish(&json!(table))?;
        }
        if self.args.json {
            return print(&json!(table).to_string());
        }
        if self.args.each {
            return Ok(());
        }
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(by.len());
        print(&format!(
            "{by:width$}  {:>10}  {:>12}  {:>12}  {:>10}",
            "documents", "tokens", "perplexity", "bits/byte"
        ))?;
        for (name, total) in rows {
            let (documents, tokens) =
                (HumanCount(total.documents).to_string(), HumanCount(total.score.tokens).to_string());
            let bits = number(total.bytes.and_then(|bytes| total.score.bits_per_byte(bytes)));
            let perplexity = number(total.score.perplexity());
            print(&format!("{name:width$}  {documents:>10}  {tokens:>12}  {perplexity:>12}  {bits:>10}"))?;
        }
        if let Some((_, perplexity, bits)) = mean {
            let (perplexity, bits) = (number(Some(perplexity)), number(bits));
            print(&format!("{:width$}  {:>10}  {:>12}  {perplexity:>12}  {bits:>10}", "mean", "", ""))?;
        }
        Ok(())
    }

    /// How many domains there are, and the means of their perplexities and bits per byte: small domains count as large ones do.
    fn mean_of_domains(&self) -> Option<(usize, f64, Option<f64>)> {
        let domains = || self.groups.values().filter(|total| total.score.tokens > 0);
        let count = domains().count();
        let mean = |sum: f64| sum / count as f64;
        let bits = domains().map(|total| total.score.bits_per_byte(total.bytes?)).sum::<Option<f64>>();
        let perplexity = domains().filter_map(|total| total.score.perplexity()).sum::<f64>();
        (count > 1).then(|| (count, mean(perplexity), bits.map(mean)))
    }
}

fn number(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.4}"))
}

impl Total {
    /// Counts documents in.
    pub(super) fn add(&mut self, documents: u64, score: &DocumentScore, bytes: Option<u64>) {
        self.bytes = match (self.documents, self.bytes, bytes) {
            (0, _, bytes) => bytes,
            (_, Some(sum), Some(bytes)) => Some(sum + bytes),
            _ => None,
        };
        self.documents += documents;
        self.score.log_prob += score.log_prob;
        self.score.tokens += score.tokens;
        self.score.greedy_tokens += score.greedy_tokens;
    }
}

/// Writes what a document or a group came to into its line.
pub(super) fn describe(line: &mut Value, score: &DocumentScore, bytes: Option<u64>) {
    line["tokens"] = score.tokens.into();
    line["bytes"] = json!(bytes);
    line["log_prob"] = score.log_prob.into();
    line["perplexity"] = json!(score.perplexity());
    line["bits_per_byte"] = json!(bytes.and_then(|bytes| score.bits_per_byte(bytes)));
    line["greedy_tokens"] = score.greedy_tokens.into();
}
