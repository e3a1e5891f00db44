//! Byte-pair encoding: of all neighbours whose join is a piece, the best-scored are joined first, the leftmost of equals.
//!
//! The C++ library keeps the candidates of a whole text in one queue. Here a text is first cut wherever its two next
//! characters are neighbours in no piece: no join can ever reach across, and what happens on one side has no influence on
//! the other, so the pieces are the same. Such segments (words, where pieces do not span spaces; a few characters in
//! Chinese) are short, many come again and are found in a cache, and those that are not are merged in a small array.
//!
//! Unused pieces are joined like others, and taken apart again at the end: into the neighbours that were seen last to
//! make such a piece, anywhere in the text. Models that have any therefore go through one queue for the whole text.

use crate::codepoints::CodePoints;
use crate::merge::{self, MergeScratch};
use crate::segments::{Cache, Links};
use crate::specification::PieceKind;
use crate::symbols::Symbols;
use crate::unigram::UNKNOWN;
use crate::vocabulary::{self, Vocabulary};

/// What a BPE model knows beyond its vocabulary.
#[derive(Clone, Debug)]
pub(crate) struct Bpe {
    links: Links,
    /// Ids plus 1 of the pieces of one character.
    singles: CodePoints,
    priorities: Vec<u32>,
    /// No join of more bytes is a piece.
    longest: usize,
    has_unused: bool,
}

/// What encoding needs for a while.
#[derive(Clone, Debug, Default)]
pub(crate) struct BpeScratch {
    cache: Cache,
    merge: MergeScratch,
}

impl BpeScratch {
    /// Forgets what it learnt from another model.
    pub(crate) fn forget(&mut self) {
        self.cache.clear();
    }
}

impl Bpe {
    /// Collects which characters are neighbours in pieces.
    pub(crate) fn new(vocabulary: &Vocabulary) -> Self {
        let mut singles = CodePoints::new();
        for (id, text, _) in vocabulary.found_pieces() {
            let mut characters = text.chars();
            if let (Some(character), None) = (characters.next(), characters.next()) {
                *singles.get_mut(character) = id + 1;
            }
        }
        Self {
            singles,
            links: Links::new(vocabulary.found_pieces().map(|(_, text, _)| text)),
            priorities: (0..vocabulary.len() as u32).map(|id| priority(vocabulary.score(id))).collect(),
            longest: vocabulary.found_pieces().map(|(_, text, _)| text.len()).max().unwrap_or(0),
            has_unused: vocabulary.found_pieces().any(|(.., kind)| kind == PieceKind::Unused),
        }
    }

    /// Appends the ids of `text`'s pieces, [`UNKNOWN`] for each character that is in none.
    /// O(bytes × log bytes) at worst.
    pub(crate) fn encode(
        &self,
        vocabulary: &Vocabulary,
        symbols: &Symbols,
        text: &str,
        scratch: &mut BpeScratch,
        ids: &mut Vec<u32>,
    ) {
        let joins = Joins { bpe: self, vocabulary };
        if self.has_unused {
            merge::whole_text(&joins, symbols, text, ids);
            return;
        }
        // The segment being read begins at `start`; `previous` is its last character.
        let mut start = 0;
        let mut previous: Option<char> = None;
        let mut rest = text.chars();
        loop {
            let at = text.len() - rest.as_str().len();
            let Some(character) = rest.next() else { break };
            if symbols.may_begin(text.as_bytes()[at])
                && let Some((length, id)) = symbols.longest(&text.as_bytes()[at..])
            {
                self.segment(&joins, &text[start..at], previous, scratch, ids);
                ids.push(id);
                start = at + length;
                rest = text[start..].chars();
                previous = None;
                continue;
            }
            if previous.is_some_and(|previous| !self.links.has(previous, character)) {
                self.segment(&joins, &text[start..at], previous, scratch, ids);
                start = at;
            }
            previous = Some(character);
        }
        self.segment(&joins, &text[start..], previous, scratch, ids);
    }

    /// Appends the ids of a segment, of which `last` is the last character.
    #[inline(always)]
    fn segment(
        &self,
        joins: &Joins<'_>,
        segment: &str,
        last: Option<char>,
        scratch: &mut BpeScratch,
        ids: &mut Vec<u32>,
    ) {
        let Some(last) = last else { return };
        if segment.len() == last.len_utf8() {
            // 0 - 1 is UNKNOWN.
            ids.push(self.singles.get(last).wrapping_sub(1));
            return;
        }
        let BpeScratch { cache, merge } = scratch;
        cache.get_or(segment, ids, |ids| merge::segment(joins, segment, merge, ids));
    }
}

/// The rules: what may be joined to what.
pub(crate) struct Joins<'a> {
    bpe: &'a Bpe,
    vocabulary: &'a Vocabulary,
}

impl Joins<'_> {
    /// The piece that joining gives, with its priority (higher first), if it is one.
    #[inline]
    pub(crate) fn join(&self, bytes: &[u8]) -> Option<(u32, u32)> {
        if bytes.len() > self.bpe.longest {
            return None;
        }
        let id = self.vocabulary.find(bytes)?;
        vocabulary::is_found(self.vocabulary.kind(id)).then(|| (id, self.bpe.priorities[id as usize]))
    }

    /// The id given for something that nothing was joined to, or that was joined.
    #[inline]
    pub(crate) fn give(&self, bytes: &[u8]) -> u32 {
        let id = self.vocabulary.find(bytes).filter(|&id| vocabulary::is_found(self.vocabulary.kind(id)));
        id.unwrap_or(UNKNOWN)
    }

    /// Whether a piece is joined but not given.
    pub(crate) fn is_unused(&self, id: u32) -> bool {
        self.vocabulary.kind(id) == PieceKind::Unused
    }
}

/// Scores as numbers in the same order; -0.0 comes before 0.0, as the bits do.
fn priority(score: f32) -> u32 {
    let bits = score.to_bits();
    // 0 is left for what cannot be joined; only a NaN would have it.
    if bits >> 31 == 1 { (!bits).max(1) } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_in_the_order_of_scores() {
        let scores = [f32::NEG_INFINITY, -1e30, -2.0, -1.5, -0.0, 0.0, 1e-40, 1.5, 2.0, f32::INFINITY];
        assert!(scores.map(priority).is_sorted_by(|a, b| a < b));
    }
}
