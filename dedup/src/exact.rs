//! Exact deduplication: drops documents that say the same, letter for letter.
//!
//! Documents are compared by a 128-bit hash (XXH3) of their text; the first of each group stays. Among a million million
//! documents, a false match has a probability of about 10⁻¹⁵. Scan: one walk over the text, 24 bytes for each document.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;
use yuan_pipeline::{Batch, Context, Pass, Result, Scan, Stage};

use crate::cluster;
use crate::duplicates::{DropDuplicates, Duplicates};
use crate::files::{Format, Kind, Record, write_partial};
use crate::parameters::hash_of;
use crate::scope::scope;
use crate::text::composed;
use crate::url::UrlRules;

/// Drops every document whose text, or address, an earlier document has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Exact {
    /// What must be equal. Default `normalized`: copies of a page differ in line ends, indents, case and Unicode form far
    /// more often than they differ in these alone and are both worth keeping. Take `text` for source code, `url` for crawls that
    /// met the same page again: the first is kept.
    pub key: ExactKey,
    /// How addresses are compared, for `key = "url"`. Default: see `UrlRules`.
    pub url: UrlRules,
    /// Only documents with the same values in these columns or fields are copies of each other: `["source"]`,
    /// `["language", "crawl"]`. `source` is what the input names as its source, else the file. Default empty: all.
    pub within: Vec<String>,
}

/// What exact duplicates have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExactKey {
    /// Every byte of the text.
    Text,
    /// The text in Unicode form C and lower case, with each run of white space as one space and none at the ends.
    /// Punctuation and digits count. Texts of white space alone are never duplicates.
    #[default]
    Normalized,
    /// The document's address in the one spelling that [`UrlRules`] give it, whatever the text. A document without an
    /// address is a duplicate of nothing.
    Url,
}

impl Exact {
    /// The hash documents are compared by; `None` for documents without text (or without an address, if that is what `text`
    /// is by `key`), which are duplicates of nothing. `buffer` is scratch space.
    pub fn hash(&self, text: &str, buffer: &mut String) -> Option<u128> {
        let key = match self.key {
            ExactKey::Text => text,
            ExactKey::Url => {
                *buffer = self.url.normalize(text);
                buffer.as_str()
            }
            ExactKey::Normalized => {
                normalize(text, buffer);
                buffer.as_str()
            }
        };
        (!key.is_empty()).then(|| xxh3_128(key.as_bytes()))
    }

    fn format(&self) -> Format {
        Format { stage: "exact", kind: Kind::Keys, parameters: hash_of(self) }
    }
}

/// Writes what [`ExactKey::Normalized`] compares to `normalized`.
fn normalize(text: &str, normalized: &mut String) {
    normalized.clear();
    let text = composed(text);
    for word in text.split_whitespace() {
        if !normalized.is_empty() {
            normalized.push(' ');
        }
        if word.is_ascii() {
            let start = normalized.len();
            normalized.push_str(word);
            normalized[start..].make_ascii_lowercase();
        } else {
            for character in word.chars() {
                if is_uncased(character) {
                    normalized.push(character);
                } else {
                    normalized.extend(character.to_lowercase());
                }
            }
        }
    }
}

/// Whether the character is of the blocks from CJK radicals to Yi, which have no case: a short cut.
fn is_uncased(character: char) -> bool {
    ('\u{2e80}'..'\u{a640}').contains(&character)
}

impl Pass for Exact {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        Ok(Box::new(ExactScan {
            config: self.clone(),
            partial: partial.into(),
            records: Vec::new(),
            buffer: String::new(),
        }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        cluster::reduce::<2>(partials, self.format(), outcome, context)
    }

    fn stage(&self, outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        let duplicates = Duplicates::of_format(outcome, self.format())?;
        let (code, field) = match self.key {
            ExactKey::Url => ("same_url", Some(&self.url.field)),
            ExactKey::Text | ExactKey::Normalized => ("exact_duplicate", None),
        };
        let looks_at = self.within.iter().chain(field).cloned().collect();
        Ok(Some(Box::new(DropDuplicates { duplicates, code, looks_at, places: None })))
    }
}

struct ExactScan {
    config: Exact,
    partial: PathBuf,
    records: Vec<Record<2>>,
    buffer: String,
}

impl Scan for ExactScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let key = match self.config.key {
                ExactKey::Url => document.str(&self.config.url.field).unwrap_or_default(),
                ExactKey::Text | ExactKey::Normalized => document.text().into(),
            };
            if let Some(hash) = self.config.hash(&key, &mut self.buffer) {
                let scope = scope(&document, &self.config.within);
                let key = [(hash >> 64) as u64 ^ scope, hash as u64];
                self.records.push(Record { key, doc_id: document.doc_id() });
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        write_partial(&self.partial, self.config.format(), &mut self.records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(key: ExactKey, one: &str, other: &str) -> bool {
        let hash = |text| Exact { key, ..Exact::default() }.hash(text, &mut String::new());
        hash(one).is_some() && hash(one) == hash(other)
    }

    #[test]
    fn normalized_texts_differ_in_letters_digits_and_punctuation_alone() {
        use ExactKey::{Normalized, Text};
        for (one, other, equal) in [
            ("Hello, World", "hello,\r\n\t world ", true),
            ("CAFE\u{301}", "caf\u{e9}", true),
            ("你好\u{3000}世界", "你好 世界", true),
            ("你好世界", "你好 世界", false),
            ("1.5", "15", false),
            ("a b", "ab", false),
            ("", "", false),
            (" \n", "\t", false),
        ] {
            assert_eq!(same(Normalized, one, other), equal, "{one:?} {other:?}");
            assert!(!same(Text, one, other), "{one:?} {other:?}");
            assert_eq!(same(Text, one, one), !one.is_empty());
        }
    }

    #[test]
    fn the_uncased_blocks_have_no_case() {
        let mut characters = ('\0'..=char::MAX).filter(|&character| is_uncased(character));
        assert!(characters.all(|character| character.to_lowercase().eq([character])));
    }

    #[test]
    fn the_hash_is_xxh3_of_128_bits() {
        // XXH3_128bits of "a" as python-xxhash 3.8.2 gives it.
        let hash = Exact { key: ExactKey::Text, ..Exact::default() }.hash("a", &mut String::new());
        assert_eq!(hash, Some(0xa96f_af70_5af1_6834_e6c6_32b6_1e96_4e1f));
    }
}
