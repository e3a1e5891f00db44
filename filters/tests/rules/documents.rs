//! The documents that peers were asked about: named in `tests/fixtures/rules/documents.jsonl.zst`, their texts in the
//! shared corpora; the first ones with their texts in `sample.jsonl.zst`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use xxhash_rust::xxh64::xxh64;

use crate::support::{corpora, records, root, unpack};

/// One document.
pub struct Known {
    /// The corpus, such as `docs/zh_laws`.
    pub file: String,
    pub language: String,
    /// Whether a labelled corpus calls it good.
    pub label: Option<bool>,
    pub text: String,
}

/// A file of the peers' answers.
pub fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/rules").join(name)
}

fn string(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// What a peer said of each document, by the names of its columns.
pub struct Answers {
    columns: HashMap<String, usize>,
    rows: Vec<Value>,
}

impl Answers {
    /// Reads `PEER.jsonl.zst`.
    pub fn of(peer: &str) -> Self {
        let mut rows = records(&unpack(&fixture(&format!("{peer}.jsonl.zst"))));
        let names = rows.remove(0);
        let names = names.as_array().expect("names").iter().map(string);
        Self { columns: names.zip(0..).collect(), rows }
    }

    /// One answer.
    pub fn get(&self, document: usize, column: &str) -> &Value {
        &self.rows[document][self.columns[column]]
    }

    /// One answer that is a number; `None` for null.
    pub fn number(&self, document: usize, column: &str) -> Option<f64> {
        self.get(document, column).as_f64()
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

/// The documents whose texts are in the repository.
pub fn sample() -> Vec<Known> {
    let named = records(&unpack(&fixture("documents.jsonl.zst")));
    let texts = records(&unpack(&fixture("sample.jsonl.zst")));
    let pairs = std::iter::zip(named, texts);
    pairs
        .map(|(place, row)| Known {
            file: string(&place[0]),
            language: string(&row[0]),
            label: None,
            text: string(&row[1]),
        })
        .collect()
}

/// All documents, in order; the first ones where the shared corpora are not there.
pub fn documents() -> Vec<Known> {
    all().unwrap_or_else(sample)
}

/// All documents, in order; `None` where the shared corpora are not there.
pub fn all() -> Option<Vec<Known>> {
    let Some(corpora) = corpora() else {
        println!("skipped: no shared corpora here");
        return None;
    };
    let named = records(&unpack(&fixture("documents.jsonl.zst")));
    let mut wanted: HashMap<String, Vec<(usize, &Value)>> = HashMap::new();
    for (place, row) in named.iter().enumerate() {
        wanted.entry(string(&row[0])).or_default().push((place, row));
    }
    let mut found: Vec<Option<Known>> = named.iter().map(|_| None).collect();
    for (file, places) in &wanted {
        let texts = wholes(&corpora.join(file), file);
        for (place, row) in places {
            let (text, label) = &texts[&(string_or_none(&row[1]), string(&row[2]))];
            let range = |at: usize| row[at].as_u64().expect("a place") as usize;
            let text = text[range(3)..range(4)].to_owned();
            assert_eq!(format!("{:016x}", xxh64(text.as_bytes(), 0)), row[6], "{file}");
            found[*place] = Some(Known { file: file.clone(), language: string(&row[5]), label: *label, text });
        }
    }
    Some(found.into_iter().map(|known| known.expect("every document was found")).collect())
}

fn string_or_none(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Every text of a corpus by id and field, with its label.
fn wholes(path: &Path, file: &str) -> HashMap<(Option<String>, String), (String, Option<bool>)> {
    if file.starts_with("lang/") {
        let text = unpack(&path.with_extension("txt.zst"));
        return HashMap::from([((None, "text".to_owned()), (text, None))]);
    }
    let rows = records(&unpack(&path.with_extension("jsonl.zst")));
    if file == "web/page_lines" {
        let mut pages: HashMap<(Option<String>, String), (String, Option<bool>)> = HashMap::new();
        for row in rows {
            let (text, _) = pages.entry((string_or_none(&row["page"]), "text".to_owned())).or_default();
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(row["text"].as_str().expect("a text"));
        }
        return pages;
    }
    let mut texts = HashMap::new();
    for row in rows {
        let label = row["label"].as_str().map(|label| label == "high");
        for field in ["text", "gold_text", "html"] {
            if let Some(text) = row[field].as_str() {
                texts.insert((string_or_none(&row["id"]), field.to_owned()), (text.to_owned(), label));
            }
        }
    }
    texts
}
