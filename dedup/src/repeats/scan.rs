//! Units → partial file: a record is the unit's hash, the document, and the unit's place in it.

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
use yuan_pipeline::{Batch, Result, Scan};

use super::unit::Piece;
use super::{Definition, RepeatedText, UnitMatching};
use crate::files::{Kind, Record, write_partial};
use crate::scope::scope;

/// Seeds of the hashes of prefixes, of suffixes, of both.
const PREFIX: u64 = 1;
const SUFFIX: u64 = 2;
const BOTH: u64 = 3;

pub(super) struct RepeatScan {
    config: RepeatedText,
    definition: Definition,
    partial: PathBuf,
    records: Vec<Record<2>>,
    keys: Keys,
}

impl RepeatScan {
    pub(super) fn new(config: &RepeatedText, partial: &Path) -> Self {
        Self {
            definition: config.definition(),
            config: config.clone(),
            partial: partial.into(),
            records: Vec::new(),
            keys: Keys::default(),
        }
    }
}

impl Scan for RepeatScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            let (doc_id, scope) = (document.doc_id(), scope(&document, &self.config.within));
            self.keys.of_text(document.text(), self.definition, self.config.affix_characters, |unit, key| {
                self.records.push(Record { key: [key ^ scope, doc_id], doc_id: unit.into() });
            });
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        write_partial(&self.partial, self.config.format(Kind::Units), &mut self.records)
    }
}

/// Hashes the units of texts, in space it keeps.
#[derive(Default)]
pub(super) struct Keys {
    /// What normalising leaves of the pieces, each followed by a space.
    normal: String,
    /// The pieces that can be part of a unit: place, where they end in `normal`.
    parts: Vec<(u32, usize)>,
}

impl Keys {
    /// Hands each unit's first piece and hash to `take`; two hashes if any of them makes it a repeat.
    pub(super) fn of_text(&mut self, text: &str, definition: Definition, affix: usize, mut take: impl FnMut(u32, u64)) {
        let pieces = definition.cutting.pieces(text);
        self.normal.clear();
        self.parts.clear();
        for (place, Piece { content, .. }) in (0_u32..u32::MAX).zip(&pieces) {
            let unit = &text[content.clone()];
            if unit.is_empty() && !definition.blanks
                || definition.run == 1 && !has_characters(unit, definition.min_characters)
            {
                continue;
            }
            definition.normalization.push(unit, &mut self.normal);
            self.parts.push((place, self.normal.len()));
            self.normal.push(' ');
        }
        let mut start = 0;
        for window in self.parts.windows(definition.run) {
            let (first, last) = (window[0], window[window.len() - 1]);
            let normal = &self.normal[start..last.1];
            start = first.1 + 1;
            if !definition.blanks && normal.bytes().all(|byte| byte == b' ') {
                continue;
            }
            if definition.run > 1 {
                let (from, to) = (&pieces[first.0 as usize].content, &pieces[last.0 as usize].content);
                if !has_characters(&text[from.start..to.end], definition.min_characters) {
                    continue;
                }
            }
            match definition.matching {
                UnitMatching::PrefixOrSuffix => {
                    let (prefix, suffix) = affixes(normal, affix);
                    take(first.0, xxh3_64_with_seed(prefix.as_bytes(), PREFIX));
                    take(first.0, xxh3_64_with_seed(suffix.as_bytes(), SUFFIX));
                }
                UnitMatching::PrefixAndSuffix => {
                    let (prefix, suffix) = affixes(normal, affix);
                    let both = xxh3_64_with_seed(prefix.as_bytes(), BOTH);
                    take(first.0, xxh3_64_with_seed(suffix.as_bytes(), both));
                }
                UnitMatching::Exact | UnitMatching::Similar => take(first.0, xxh3_64(normal.as_bytes())),
            }
        }
    }
}

/// Whether a text has as many characters as that; it counts no further.
pub(super) fn has_characters(text: &str, least: usize) -> bool {
    least == 0 || text.chars().nth(least - 1).is_some()
}

/// The first and the last characters of a text, all of it if it has fewer.
fn affixes(text: &str, characters: usize) -> (&str, &str) {
    let end = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let start = text.char_indices().rev().nth(characters - 1).map_or(0, |(at, _)| at);
    (&text[..end], &text[start..])
}
