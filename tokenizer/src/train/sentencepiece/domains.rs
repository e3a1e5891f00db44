//! A vocabulary of several: one is learnt of each domain, and their probabilities are averaged by how much text each has.
//!
//! Source: Yuan 2.0 (arXiv:2311.15786) learnt 30,000 unigram pieces from each of 135 files, averaged the probabilities by the sizes of
//! the files, left out pieces with digits, letters and signs that no keyboard has and those of more than 7 characters, kept the
//! first 50,000, and added 9,000 single characters and 30,000 rare words. A piece that a domain has not learnt has there the
//! probability 0.

use std::collections::BTreeMap;
use std::path::PathBuf;

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Error, Result};

use crate::layout::PUNCTUATION;
use crate::train::NAME;

/// How the vocabularies of domains are put together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DomainsConfig {
    /// Pieces learnt of each domain, characters among them. Default 30000 (Yuan 2.0).
    pub vocab_size: u32,
    /// Most characters of a piece that is kept. Default 7 (Yuan 2.0).
    pub max_chars: u32,
    /// Whether pieces with digits, letters other than Han, spaces and signs that no keyboard has are left out. Default true
    /// (Yuan 2.0).
    pub han_only: bool,
    /// Pieces that are kept, the likeliest first. Default 50000 (Yuan 2.0).
    pub keep: u32,
    /// Single Han characters that are added, the most frequent first. Default 9000 (Yuan 2.0).
    pub characters: u32,
    /// A file of words that are added, one a line, such as rare ones of a dictionary. Default none.
    pub words_file: Option<PathBuf>,
}

impl Default for DomainsConfig {
    fn default() -> Self {
        Self { vocab_size: 30_000, max_chars: 7, han_only: true, keep: 50_000, characters: 9_000, words_file: None }
    }
}

/// Probabilities of pieces, averaged.
#[derive(Default)]
pub(super) struct Averaged {
    sums: BTreeMap<String, f64>,
    weight: f64,
}

impl Averaged {
    /// Adds the pieces of a domain, with logarithms of their probabilities. Domains are added in the order of their names.
    pub(super) fn add(&mut self, pieces: impl IntoIterator<Item = (String, f64)>, weight: f64) {
        self.weight += weight;
        for (piece, score) in pieces {
            *self.sums.entry(piece).or_default() += libm::exp(score) * weight;
        }
    }

    /// The pieces that are kept and those that are added, with logarithms of probabilities, the likeliest first; what is added and
    /// was not learnt has that of the last.
    ///
    /// `characters` are all characters, the most frequent first.
    ///
    /// # Errors
    /// If the file of words cannot be read.
    pub(super) fn choose(self, config: &DomainsConfig, characters: &[char]) -> Result<Vec<(String, f64)>> {
        let weight = self.weight;
        let all: BTreeMap<String, f64> =
            self.sums.into_iter().map(|(piece, sum)| (piece, libm::log(sum / weight))).collect();
        let is_kept = |piece: &str| {
            piece.chars().count() <= config.max_chars as usize
                && (!config.han_only || piece.chars().all(|char| is_han(char) || is_on_keyboard(char)))
        };
        let mut kept: Vec<(String, f64)> =
            all.iter().filter(|(piece, _)| is_kept(piece)).map(|(piece, score)| (piece.clone(), *score)).collect();
        // Of equal ones those of lower code points: the sort keeps the map's order.
        kept.sort_by(|one, other| other.1.total_cmp(&one.1));
        kept.truncate(config.keep as usize);
        let lowest = kept.last().map_or(0.0, |(_, score)| *score);
        let mut known: std::collections::HashSet<String> = kept.iter().map(|(piece, _)| piece.clone()).collect();
        let words = match &config.words_file {
            None => String::new(),
            Some(file) => std::fs::read_to_string(file).map_err(Error::io("read", file))?,
        };
        let frequent = characters.iter().filter(|char| is_han(**char)).take(config.characters as usize);
        let added = frequent.map(char::to_string).chain(words.lines().map(|word| word.trim().to_owned()));
        let start = kept.len();
        for piece in added.filter(|piece| !piece.is_empty() && !piece.contains(['\0', ' ', '\u{2581}'])) {
            if known.insert(piece.clone()) {
                let score = all.get(&piece).copied().unwrap_or(lowest).min(lowest);
                kept.push((piece, score));
            }
        }
        kept[start..].sort_by(|one, other| other.1.total_cmp(&one.1));
        Ok(kept)
    }
}

/// That no domain has text for it.
pub(super) fn no_domains() -> Error {
    Error::Stage {
        stage: NAME.into(),
        problem: "`domains` need `balance_by`, the column whose values are the domains, and `kind = \"unigram\"`"
            .into(),
        hint: Some("set `balance_by = \"source\"`: each file is a domain".into()),
    }
}

fn is_han(char: char) -> bool {
    CodePointMapData::<Script>::new().get(char) == Script::Han
        && CodePointMapData::<GeneralCategory>::new().get(char) == GeneralCategory::OtherLetter
}

/// Signs of ASCII, and those that a Chinese keyboard gives.
fn is_on_keyboard(char: char) -> bool {
    let sign = GeneralCategoryGroup::Punctuation.union(GeneralCategoryGroup::Symbol);
    let is_sign = sign.contains(CodePointMapData::<GeneralCategory>::new().get(char));
    is_sign && (char.is_ascii() || char == '·' || PUNCTUATION.iter().any(|mark| mark.contains(char)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn averaged() -> Averaged {
        let mut averaged = Averaged::default();
        let pieces = |pieces: &[(&str, f64)]| -> Vec<(String, f64)> {
            pieces.iter().map(|(piece, probability)| ((*piece).to_owned(), probability.ln())).collect()
        };
        averaged.add(pieces(&[("中国", 0.4), ("法律", 0.2), ("2", 0.2), ("a", 0.1), ("人民", 0.1)]), 300.0);
        averaged.add(
            pieces(&[("中国", 0.1), ("编程", 0.5), ("，", 0.2), (" 中国", 0.1), ("一二三四五六七八", 0.1)]),
            100.0,
        );
        averaged
    }

    #[test]
    fn probabilities_are_averaged_by_size() {
        let config = DomainsConfig { keep: 4, characters: 0, ..DomainsConfig::default() };
        let chosen = averaged().choose(&config, &[]).unwrap();
        let names: Vec<&str> = chosen.iter().map(|(piece, _)| piece.as_str()).collect();
        // (0.4 · 3 + 0.1) / 4, 0.2 · 3 / 4, 0.5 / 4, 0.1 · 3 / 4.
        assert_eq!(names, ["中国", "法律", "编程", "人民"]);
        for ((_, score), expected) in chosen.iter().zip([0.325_f64, 0.15, 0.125, 0.075]) {
            assert!((score.exp() - expected).abs() < 1e-12, "{}", score.exp());
        }
    }

    #[test]
    fn what_is_no_word_goes_and_characters_come() {
        let folder = tempfile::tempdir().unwrap();
        let words = folder.path().join("words.txt");
        std::fs::write(&words, "饕餮\n中国\n\n  魑魅 \n").unwrap();
        let config = DomainsConfig { characters: 2, words_file: Some(words), ..DomainsConfig::default() };
        let chosen = averaged().choose(&config, &['a', '的', '一', '是']).unwrap();
        let names: Vec<&str> = chosen.iter().map(|(piece, _)| piece.as_str()).collect();
        assert_eq!(names, ["中国", "法律", "编程", "人民", "，", "的", "一", "饕餮", "魑魅"]);
        assert!(chosen.is_sorted_by(|one, other| one.1 >= other.1));
        let all = DomainsConfig { han_only: false, characters: 0, max_chars: 8, ..DomainsConfig::default() };
        assert_eq!(averaged().choose(&all, &[]).unwrap().len(), 9);
        let missing = DomainsConfig { words_file: Some("none.txt".into()), ..DomainsConfig::default() };
        assert!(averaged().choose(&missing, &[]).unwrap_err().to_string().contains("none.txt"));
    }
}
