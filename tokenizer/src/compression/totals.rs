//! Sums over documents, taken in the order of the corpus, so that samples are the same for any number of threads.

use std::collections::HashMap;

use super::figures::{Figures, Spread, ratio};

/// Groups that are told apart; documents of any further ones are together in [`OTHER`].
pub(super) const MAX_GROUPS: usize = 1024;
/// The group of groups that are too many.
pub(super) const OTHER: &str = "(other)";

/// What one text comes to by one tokenizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub tokens: u64,
    pub fallback: u64,
    pub unknown: u64,
}

/// A document's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub bytes: u64,
    pub characters: u64,
}

/// Documents in a row, measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Names of groups.
    pub groups: Vec<String>,
    /// Of each document its place in `groups`, and its size.
    pub documents: Vec<(usize, Size)>,
    /// Of each document, one after the other, what it comes to by each tokenizer.
    pub counts: Vec<Counts>,
}

/// All documents so far, or those of a group: one of these for each tokenizer.
#[derive(Clone, Debug, Default)]
struct Total {
    documents: u64,
    size: Size,
    counts: Counts,
    sample: Sample,
    per_character: Moments,
    per_byte: Moments,
}

/// The sample being filled.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    size: Size,
    tokens: u64,
}

/// Mean and variance, one value at a time (Welford 1962).
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn push(&mut self, value: f64) {
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
    }

    fn spread(mut self, total: Option<f64>, rest: Option<f64>) -> Spread {
        if self.count == 0
            && let Some(rest) = rest
        {
            self.push(rest);
        }
        Spread {
            total,
            mean: (self.count > 0).then_some(self.mean),
            standard_deviation: (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt()),
            samples: self.count,
        }
    }
}

impl Total {
    fn push(&mut self, size: Size, counts: Counts, sample_tokens: u64) {
        self.documents += 1;
        self.size.bytes += size.bytes;
        self.size.characters += size.characters;
        self.counts.tokens += counts.tokens;
        self.counts.fallback += counts.fallback;
        self.counts.unknown += counts.unknown;
        self.sample.size.bytes += size.bytes;
        self.sample.size.characters += size.characters;
        self.sample.tokens += counts.tokens;
        if self.sample.tokens >= sample_tokens && self.sample.size.characters > 0 {
            let Sample { size, tokens } = std::mem::take(&mut self.sample);
            self.per_character.push(tokens as f64 / size.characters as f64);
            self.per_byte.push(tokens as f64 / size.bytes as f64);
        }
    }

    fn figures(&self, group: &str, baseline: &Self) -> Figures {
        let Self { documents, size: Size { bytes, characters }, counts, sample, .. } = *self;
        let Counts { tokens, fallback, unknown } = counts;
        let per_character = ratio(tokens, characters);
        Figures {
            group: group.to_owned(),
            documents,
            bytes,
            characters,
            tokens,
            tokens_per_character: self
                .per_character
                .spread(per_character, ratio(sample.tokens, sample.size.characters)),
            tokens_per_byte: self.per_byte.spread(ratio(tokens, bytes), ratio(sample.tokens, sample.size.bytes)),
            bytes_per_token: ratio(bytes, tokens),
            characters_per_token: ratio(characters, tokens),
            relative_tokens: ratio(tokens, baseline.counts.tokens),
            fallback_tokens: fallback,
            fallback_fraction: ratio(fallback, tokens),
            unknown_tokens: unknown,
            unknown_fraction: ratio(unknown, tokens),
        }
    }
}

/// Sums by group and tokenizer.
pub(super) struct Totals {
    sample_tokens: u64,
    max_groups: usize,
    tokenizers: usize,
    overall: Vec<Total>,
    places: HashMap<String, usize>,
    groups: Vec<(String, Vec<Total>)>,
    /// Whether some groups are together in [`OTHER`].
    pub groups_cut: bool,
}

impl Totals {
    pub(super) fn new(tokenizers: usize, sample_tokens: u64, max_groups: usize) -> Self {
        Self {
            sample_tokens,
            max_groups,
            tokenizers,
            overall: vec![Total::default(); tokenizers],
            places: HashMap::new(),
            groups: Vec::new(),
            groups_cut: false,
        }
    }

    /// Takes in documents, which follow those taken in before.
    pub(super) fn push(&mut self, measured: &Measured) {
        let places: Vec<usize> = measured.groups.iter().map(|group| self.place(group)).collect();
        for ((group, size), counts) in measured.documents.iter().zip(measured.counts.chunks_exact(self.tokenizers)) {
            let of_group = &mut self.groups[places[*group]].1;
            for (totals, counts) in self.overall.iter_mut().zip(of_group).zip(counts) {
                totals.0.push(*size, *counts, self.sample_tokens);
                totals.1.push(*size, *counts, self.sample_tokens);
            }
        }
    }

    fn place(&mut self, group: &str) -> usize {
        if let Some(place) = self.places.get(group) {
            return *place;
        }
        let group = if self.groups.len() < self.max_groups { group } else { OTHER };
        self.groups_cut |= group == OTHER;
        if let Some(place) = self.places.get(group) {
            return *place;
        }
        let place = self.groups.len();
        self.groups.push((group.to_owned(), vec![Total::default(); self.tokenizers]));
        self.places.insert(group.to_owned(), place);
        place
    }

    pub(super) fn documents(&self) -> u64 {
        self.overall.first().map_or(0, |total| total.documents)
    }

    pub(super) fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(name, _)| name.as_str())
    }

    /// Puts groups in the order of the report.
    pub(super) fn sort(&mut self) {
        self.groups.sort_by(|(one, of_one), (other, of_other)| {
            let bytes = |totals: &[Total]| totals.first().map_or(0, |total| total.size.bytes);
            bytes(of_other).cmp(&bytes(of_one)).then_with(|| one.cmp(other))
        });
    }

    /// A tokenizer's figures, overall and by group.
    pub(super) fn figures(&self, tokenizer: usize, baseline: usize) -> (Figures, Vec<Figures>) {
        let groups = self.groups.iter().map(|(name, totals)| totals[tokenizer].figures(name, &totals[baseline]));
        (self.overall[tokenizer].figures("", &self.overall[baseline]), groups.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(group: usize, characters: u64, tokens: u64) -> Measured {
        Measured {
            groups: (0..=group).map(|group| format!("g{group}")).collect(),
            documents: vec![(group, Size { bytes: 3 * characters, characters })],
            counts: vec![Counts { tokens, fallback: 0, unknown: 0 }],
        }
    }

    #[test]
    fn samples_are_closed_when_they_have_enough_tokens() {
        let mut totals = Totals::new(1, 10, MAX_GROUPS);
        // 6 + 6 tokens of 30 characters, 10 of 10, and 3 that fill no sample.
        for (characters, tokens) in [(10, 6), (20, 6), (10, 10), (1, 3)] {
            totals.push(&document(0, characters, tokens));
        }
        let (overall, groups) = totals.figures(0, 0);
        let spread = &overall.tokens_per_character;
        assert_eq!((spread.samples, spread.mean), (2, Some((0.4 + 1.0) / 2.0)));
        // Two values that lie 0.3 from their mean: the root of 2 × 0.09 / 1.
        assert!((spread.standard_deviation.unwrap() - 0.18_f64.sqrt()).abs() < 1e-12);
        assert_eq!(spread.total, Some(25.0 / 41.0));
        assert_eq!(overall.tokens_per_byte.total, Some(25.0 / 123.0));
        assert_eq!(groups[0].tokens_per_character, *spread);
    }

    #[test]
    fn a_sample_that_is_too_short_counts_if_there_is_no_other() {
        let mut totals = Totals::new(1, 10, MAX_GROUPS);
        totals.push(&document(0, 8, 4));
        let spread = totals.figures(0, 0).0.tokens_per_character;
        assert_eq!((spread.mean, spread.standard_deviation, spread.samples), (Some(0.5), None, 1));
        assert_eq!(Totals::new(1, 10, 9).figures(0, 0).0.tokens_per_byte.mean, None);
    }

    #[test]
    fn groups_beyond_the_limit_are_together() {
        let mut totals = Totals::new(1, 10, 2);
        for group in [0, 1, 2, 3, 0] {
            let mut measured = document(group, 1 + group as u64, 1);
            measured.groups.drain(..group);
            measured.documents[0].0 = 0;
            totals.push(&measured);
        }
        totals.sort();
        let names: Vec<(String, u64)> =
            totals.figures(0, 0).1.into_iter().map(|figures| (figures.group, figures.documents)).collect();
        assert_eq!(names, [(OTHER.to_owned(), 2), ("g0".to_owned(), 2), ("g1".to_owned(), 1)]);
        assert!(totals.groups_cut);
    }
}
