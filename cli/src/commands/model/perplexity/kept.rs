//! Documents that were scored: a line for each, and what all came to.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use yuan_eval::lines::Lines;
use yuan_model::perplexity::{DocumentScore, Resets, Scoring};

use crate::commands::write_whole;

/// A folder of results.
pub struct Kept {
    folder: PathBuf,
    lines: Lines,
    /// What the scores depend on beside the document.
    settings: String,
    known: HashMap<u128, DocumentScore>,
}

impl Kept {
    /// Opens `perplexity.jsonl` of a folder, or makes it. A last line that a kill has torn is cut off.
    pub fn open(folder: &Path, model: &str, scoring: &Scoring) -> anyhow::Result<Self> {
        let path = folder.join("perplexity.jsonl");
        let (mut known, mut number, mut wrong) = (HashMap::new(), 0, None);
        let lines = Lines::open(&path, &mut |line: Value| {
            number += 1;
            match read(&line) {
                Some((fingerprint, score)) => _ = known.insert(fingerprint, score),
                None => _ = wrong.get_or_insert(number),
            }
        })?;
        if let Some(line) = wrong {
            let path = path.display();
            anyhow::bail!("line {line} of `{path}` is no line of results: remove it, or name another `--out`");
        }
        let settings = json!([model, settings(scoring)]).to_string();
        Ok(Self { folder: folder.to_path_buf(), lines, settings, known })
    }

    /// What the score of a document depends on.
    pub fn fingerprint(&self, ids: &[u32]) -> u128 {
        let mut hash = blake3::Hasher::new();
        hash.update(self.settings.as_bytes());
        for id in ids {
            hash.update(&id.to_le_bytes());
        }
        u128::from_be_bytes(hash.finalize().as_bytes()[..16].try_into().expect("sixteen bytes"))
    }

    /// The score of a document that was scored before.
    pub fn known(&self, fingerprint: u128) -> Option<&DocumentScore> {
        self.known.get(&fingerprint)
    }

    /// Writes the line of a document, unless it is there.
    pub fn append(&mut self, mut line: Value, ids: &[u32]) -> anyhow::Result<()> {
        let fingerprint = self.fingerprint(ids);
        if self.known.contains_key(&fingerprint) {
            return Ok(());
        }
        line["fingerprint"] = format!("{fingerprint:032x}").into();
        Ok(self.lines.append(&line)?)
    }

    /// Writes the table.
    pub fn finish(&self, table: &Value) -> anyhow::Result<()> {
        Ok(write_whole(&self.folder.join("perplexity.json"), serde_json::to_string_pretty(table)? + "\n")?)
    }
}

/// How documents are read, but for how many tokens are read at once, which changes no score.
fn settings(scoring: &Scoring) -> Value {
    let Scoring { prefix, windows, batch_tokens: _, resets: Resets { eod, positions, attention } } = scoring;
    json!({
        "prefix": prefix, "window": windows.length(), "stride": windows.stride(), "aligned": windows.is_aligned(),
        "resets": (*positions || *attention).then_some((eod, positions, attention)),
    })
}

fn read(line: &Value) -> Option<(u128, DocumentScore)> {
    let score = DocumentScore {
        // JSON has no infinity.
        log_prob: line.get("log_prob")?.as_f64().unwrap_or(f64::NEG_INFINITY),
        tokens: line["tokens"].as_u64()?,
        greedy_tokens: line["greedy_tokens"].as_u64()?,
    };
    Some((u128::from_str_radix(line["fingerprint"].as_str()?, 16).ok()?, score))
}
