//! Texts without what is repeated in them, and whether enough of them is left.

use std::collections::BTreeMap;

use yuan_pipeline::{Batch, Detail, Document, Reason, Result, Stage, Verdict};

use super::unit::Piece;
use super::{Definition, RepeatedCompat, RepeatedText, simplified};
use crate::cuts::{Cuts, rewrite_cut};
use crate::shingle::{Shingles, token_hashes};

/// Cuts what an outcome names.
pub(super) struct CutRepeats {
    pub cuts: Cuts,
    pub config: RepeatedText,
    pub definition: Definition,
}

/// A text with something cut out of it.
struct Left {
    text: String,
    units_cut: u64,
    sentences: usize,
}

impl CutRepeats {
    /// The text without its repeats; `None` if it has none.
    fn left(&self, document: &Document<'_>) -> Option<Left> {
        let mut cuts = self.cuts.of(document.doc_id()).map(|(_, unit)| unit as usize).peekable();
        cuts.peek()?;
        let text = document.text();
        let pieces = self.definition.cutting.pieces(text);
        let mut is_cut = vec![false; pieces.len()];
        // A unit is a run of the pieces that can be part of one.
        let parts: Vec<usize> =
            (0..pieces.len()).filter(|&at| self.definition.blanks || !pieces[at].content.is_empty()).collect();
        for first in cuts {
            let at = parts.partition_point(|&part| part < first);
            parts[at..].iter().take(self.definition.run).for_each(|&part| is_cut[part] = true);
        }
        let units_cut = is_cut.iter().filter(|&&cut| cut).count() as u64;
        let text = match self.config.compat {
            RepeatedCompat::None => rejoined(text, &pieces, &is_cut),
            RepeatedCompat::Ccnet => {
                let kept = pieces.iter().zip(&is_cut).filter(|(_, cut)| !**cut);
                kept.map(|(piece, _)| &text[piece.content.clone()]).collect::<Vec<_>>().join("\n")
            }
            RepeatedCompat::Datatrove => {
                let mut left = String::with_capacity(text.len());
                let mut start = 0;
                for (piece, cut) in pieces.iter().zip(&is_cut) {
                    if !cut {
                        left.push_str(&text[start..piece.end]);
                    }
                    start = piece.end;
                }
                left.trim_start_matches(|one: char| one.is_whitespace() || matches!(one, '\u{1c}'..='\u{1f}')).into()
            }
        };
        let sentences = if self.definition.min_sentences > 0 {
            let cutting = match self.config.compat {
                RepeatedCompat::Datatrove => super::Cutting::DatatroveSentences,
                _ => super::Cutting::Sentences,
            };
            cutting.pieces(&text).len()
        } else {
            0
        };
        Some(Left { text, units_cut, sentences })
    }

    /// Whether enough is left of a document.
    fn judge(&self, before: &str, left: &Left) -> Verdict {
        if left.text.trim().is_empty() {
            return Verdict::Drop(Reason { code: "nothing_left", detail: Detail::None });
        }
        let below = |code, value: f64, least: f64| (value < least).then(|| Verdict::drop(code, value, least));
        let characters = left.text.chars().count() as f64;
        let fraction = characters / before.chars().count() as f64;
        let Definition { min_words, min_sentences, .. } = self.definition;
        let words = match self.config.compat {
            _ if min_words == 0 => 0,
            RepeatedCompat::Datatrove => simplified::words(&left.text),
            _ => {
                let mut tokens = Vec::new();
                token_hashes(&left.text, Shingles::Auto, &mut tokens);
                tokens.len()
            }
        };
        below("too_few_characters_left", characters, self.config.min_remaining_characters as f64)
            .or_else(|| below("too_small_part_left", fraction, self.config.min_remaining_fraction))
            .or_else(|| below("too_few_words_left", words as f64, min_words as f64))
            .or_else(|| below("too_few_sentences_left", left.sentences as f64, min_sentences as f64))
            .unwrap_or(Verdict::Keep)
    }
}

impl Stage for CutRepeats {
    fn process(&self, batch: Batch) -> Result<Batch> {
        let mut texts: BTreeMap<usize, String> = BTreeMap::new();
        let (mut documents, mut units, mut bytes) = (0, 0, 0);
        let batch = batch.judge(|document| {
            let Some(left) = self.left(&document) else { return Verdict::Keep };
            documents += 1;
            units += left.units_cut;
            bytes += document.text().len().saturating_sub(left.text.len()) as u64;
            let verdict = self.judge(document.text(), &left);
            if verdict == Verdict::Keep {
                texts.insert(document.row(), left.text);
            }
            verdict
        })?;
        rewrite_cut(batch, texts, (documents, units, bytes))
    }

    fn is_expected_to_drop(&self) -> bool {
        false
    }
}

/// The pieces that stay. Of several separators where something was cut, the one with most line ends stays, so that paragraphs
/// stay apart; blank lines around a line that was cut become one.
pub(crate) fn rejoined(text: &str, pieces: &[Piece], is_cut: &[bool]) -> String {
    let mut left = String::with_capacity(text.len());
    let lines = |separator: &str| separator.chars().filter(|one| matches!(one, '\n' | '\u{2028}' | '\u{2029}')).count();
    let (mut start, mut separator, mut blank, mut after_cut) = (0, "", true, false);
    for (piece, &cut) in pieces.iter().zip(is_cut) {
        let own = &text[piece.content.end.max(start)..piece.end];
        let is_blank = piece.content.is_empty();
        if cut || is_blank && blank && after_cut {
            if lines(own) > lines(separator) && !left.is_empty() {
                separator = own;
            }
            after_cut = true;
        } else {
            left.push_str(separator);
            left.push_str(&text[start..piece.content.end.max(start)]);
            separator = own;
            blank = is_blank;
            after_cut = false;
        }
        start = piece.end;
    }
    if after_cut {
        left.truncate(left.trim_end().len());
    } else {
        left.push_str(separator);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::super::unit::Cutting;
    use super::*;

    fn without(cutting: Cutting, text: &str, cut: &[usize]) -> String {
        let pieces = cutting.pieces(text);
        let is_cut: Vec<bool> = (0..pieces.len()).map(|at| cut.contains(&at)).collect();
        rejoined(text, &pieces, &is_cut)
    }

    #[test]
    fn what_is_left_keeps_its_lines_and_paragraphs() {
        assert_eq!(without(Cutting::Lines, "a\nb\r\nc\n", &[1]), "a\nc\n");
        assert_eq!(without(Cutting::Lines, "a\n\nb\n\nc", &[2]), "a\n\nc");
        assert_eq!(without(Cutting::Lines, "a\nb\n\nc", &[1]), "a\n\nc");
        assert_eq!(without(Cutting::Lines, "a\n\nb\n", &[2]), "a");
        assert_eq!(without(Cutting::Lines, "a\n\n  b", &[0]), "  b");
        assert_eq!(without(Cutting::Paragraphs, "a\nb\n\n\nc\n\nd\n", &[1]), "a\nb\n\n\nd\n");
        assert_eq!(without(Cutting::Sentences, "One. Two.\nThree. Four.", &[1]), "One.\nThree. Four.");
        assert_eq!(without(Cutting::Sentences, "一句。二句。三句。", &[1]), "一句。三句。");
        assert_eq!(without(Cutting::Lines, "a\nb", &[0, 1]), "");
        assert_eq!(without(Cutting::Lines, " a \n\n\n b\n", &[]), " a \n\n\n b\n");
    }
}
