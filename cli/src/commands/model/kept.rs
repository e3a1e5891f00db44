//! Documents that were scored: a line for each, and what all came to.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;
use yuan_model::perplexity::{DocumentScore, Scoring};

/// A folder of results.
pub struct Kept {
    folder: PathBuf,
    file: File,
    /// What the scores depend on beside the document.
    settings: String,
    known: HashMap<String, DocumentScore>,
}

impl Kept {
    /// Opens `perplexity.jsonl` of a folder, or makes it. A last line that a kill has torn is cut off.
    pub fn open(folder: &Path, model: &str, scoring: &Scoring) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let path = folder.join("perplexity.jsonl");
        let doing = |what: &str| format!("cannot {what} `{}`", path.display());
        let text = if path.exists() { fs::read(&path).with_context(|| doing("read"))? } else { Vec::new() };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let file = OpenOptions::new().create(true).append(true).open(&path).with_context(|| doing("open"))?;
        if whole < text.len() {
            file.set_len(whole as u64).with_context(|| doing("mend"))?;
        }
        let mut known = HashMap::new();
        for (number, line) in
            text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty())
        {
            let read = serde_json::from_slice(line).ok().as_ref().and_then(read);
            let (fingerprint, score) = read.with_context(|| {
                let (path, line) = (path.display(), number + 1);
                format!("line {line} of `{path}` is no line of results: remove it, or name another `--out`")
            })?;
            known.insert(fingerprint, score);
        }
        let settings = format!("{model} {scoring:?}");
        Ok(Self { folder: folder.to_path_buf(), file, settings, known })
    }

    /// What the score of a document depends on.
    pub fn fingerprint(&self, ids: &[u32]) -> String {
        let mut hash = blake3::Hasher::new();
        hash.update(self.settings.as_bytes());
        for id in ids {
            hash.update(&id.to_le_bytes());
        }
        hash.finalize().to_hex()[..32].to_owned()
    }

    /// The score of a document that was scored before.
    pub fn known(&self, fingerprint: &str) -> Option<&DocumentScore> {
        self.known.get(fingerprint)
    }

    /// Writes the line of a document.
    pub fn append(&mut self, mut line: Value, ids: &[u32]) -> anyhow::Result<()> {
        line["fingerprint"] = self.fingerprint(ids).into();
        self.file.write_all(format!("{line}\n").as_bytes()).context("cannot write `perplexity.jsonl`")
    }

    /// Writes the table.
    pub fn finish(&self, table: &Value) -> anyhow::Result<()> {
        let file = tempfile::NamedTempFile::new_in(&self.folder)?;
        fs::write(file.path(), serde_json::to_string_pretty(table)? + "\n")?;
        file.persist(self.folder.join("perplexity.json")).context("cannot write `perplexity.json`")?;
        Ok(())
    }
}

fn read(line: &Value) -> Option<(String, DocumentScore)> {
    let score = DocumentScore {
        // JSON has no infinity.
        log_prob: line.get("log_prob")?.as_f64().unwrap_or(f64::NEG_INFINITY),
        tokens: line["tokens"].as_u64()?,
        greedy_tokens: line["greedy_tokens"].as_u64()?,
    };
    Some((line["fingerprint"].as_str()?.to_owned(), score))
}
