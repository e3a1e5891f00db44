//! Cutting a dataset into several.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Job;
use crate::reader::with_suffix;
use crate::{Error, Result, TokenSet, Writer, Written};

/// Parts that a set may be cut into by their number.
const MOST_PARTS: usize = 100_000;

/// Where a dataset is cut; documents stay whole and in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Cut {
    /// Into so many parts of about as many tokens.
    Parts(usize),
    /// After each so many documents.
    Documents(u64),
    /// Before the document with which a part would have more tokens; a longer document is a part of its own.
    Tokens(u64),
    /// Into parts whose tokens stand to each other as these weights.
    Weights(Vec<f64>),
}

/// `PREFIX-00000-of-00004`.
pub fn part_prefix(prefix: impl AsRef<Path>, part: usize, parts: usize) -> PathBuf {
    with_suffix(prefix.as_ref(), &format!("-{part:05}-of-{parts:05}"))
}

/// Cuts a dataset into several, `OUT-00000-of-0000N`, each with its file of documents if the set has one. Joined again they
/// are the set. Cost: a walk over the index, then one over the tokens.
///
/// # Errors
/// If nothing is to become of it (no parts, no weights), or the set is damaged.
pub fn split(prefix: impl AsRef<Path>, out: &Path, cut: &Cut, job: &Job<'_>) -> Result<Vec<(PathBuf, Written)>> {
    let set = TokenSet::open(prefix)?;
    super::concat::whole(&set)?;
    let tokens = document_tokens(&set)?;
    let ranges = cut.ranges(&tokens).map_err(|problem| Error::dataset(set.prefix(), problem))?;
    let parts = ranges.len();
    let index = set.reader().index();
    let mut written = Vec::with_capacity(parts);
    for (part, range) in ranges.into_iter().enumerate() {
        let prefix = part_prefix(out, part, parts);
        let mut writer = Writer::create(&prefix, index.dtype())?;
        if index.is_multimodal() {
            writer = writer.with_modes()?;
        }
        if !index.marks_documents() {
            writer = writer.without_marks();
        }
        if set.documents().is_some() {
            writer = writer.with_documents(set.vocabulary())?;
        }
        set.for_each(range, |_, document| {
            writer.add(document)?;
            job.tick(document.bytes.len() as u64)
        })?;
        written.push((prefix, writer.finish()?));
    }
    Ok(written)
}

/// Tokens of each document.
pub(crate) fn document_tokens(set: &TokenSet) -> Result<Vec<u64>> {
    let index = set.reader().index();
    (0..index.document_count())
        .map(|document| {
            index.document(document)?.map(|sequence| Ok(set.reader().sequence(sequence)?.len() as u64)).sum()
        })
        .collect()
}

impl Cut {
    /// The documents of each part, of documents of so many tokens.
    ///
    /// # Errors
    /// What is wrong with the cut.
    pub(crate) fn ranges(&self, tokens: &[u64]) -> Result<Vec<Range<usize>>, &'static str> {
        let ends: Vec<usize> = match self {
            Self::Parts(0) | Self::Documents(0) | Self::Tokens(0) => return Err("it cannot be cut into nothing"),
            Self::Parts(parts) if *parts > MOST_PARTS => return Err("that is more parts than there may be, 100,000"),
            Self::Weights(weights) => return weighted(weights, tokens),
            Self::Parts(parts) => return weighted(&vec![1.0; *parts], tokens),
            Self::Documents(documents) => {
                let step = usize::try_from(*documents).unwrap_or(usize::MAX).min(tokens.len().max(1));
                (1..=tokens.len().div_ceil(step)).map(|part| (part * step).min(tokens.len())).collect()
            }
            Self::Tokens(most) => {
                let (mut ends, mut sum) = (Vec::new(), 0_u64);
                for (document, count) in tokens.iter().enumerate() {
                    if sum > 0 && sum + count > *most {
                        ends.push(document);
                        sum = 0;
                    }
                    sum += count;
                }
                ends.push(tokens.len());
                ends
            }
        };
        let starts = std::iter::once(0).chain(ends.iter().copied());
        Ok(starts.zip(ends.iter().copied()).map(|(start, end)| start..end).collect())
    }
}

/// A document belongs to the part in which its first token lies.
fn weighted(weights: &[f64], tokens: &[u64]) -> Result<Vec<Range<usize>>, &'static str> {
    let sum: f64 = weights.iter().sum();
    if weights.iter().any(|weight| weight.is_nan() || *weight < 0.0) || !(sum > 0.0 && sum.is_finite()) {
        return Err("weights are numbers of which at least one is above zero and none below");
    }
    let total: u64 = tokens.iter().sum();
    let (mut document, mut token, mut shares) = (0, 0_u64, 0.0);
    let mut ranges = Vec::with_capacity(weights.len());
    for (part, weight) in weights.iter().enumerate() {
        shares += weight;
        // The last part takes what rounding leaves.
        let last = part + 1 == weights.len();
        let end = (shares / sum * total as f64).round() as u64;
        let start = document;
        while document < tokens.len() && (last || token < end) {
            token += tokens[document];
            document += 1;
        }
        ranges.push(start..document);
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(cut: Cut, tokens: &[u64]) -> Vec<usize> {
        cut.ranges(tokens).expect("a cut").into_iter().map(|range| range.end).collect()
    }

    #[test]
    fn parts_end_where_they_should() {
        let tokens = [10, 10, 10, 10, 0, 40];
        assert_eq!(ends(Cut::Parts(2), &tokens), [4, 6]);
        assert_eq!(ends(Cut::Parts(1), &tokens), [6]);
        assert_eq!(ends(Cut::Documents(4), &tokens), [4, 6]);
        assert_eq!(ends(Cut::Tokens(20), &tokens), [2, 5, 6], "an empty document stays with what is before it");
        assert_eq!(ends(Cut::Weights(vec![0.0, 3.0, 1.0]), &tokens), [0, 6, 6]);
        assert_eq!(ends(Cut::Parts(3), &[]), [0, 0, 0]);
        assert_eq!(ends(Cut::Documents(3), &[]), [] as [usize; 0]);
    }

    #[test]
    fn a_cut_into_nothing_is_refused() {
        let cuts = [Cut::Parts(0), Cut::Tokens(0), Cut::Weights(vec![]), Cut::Weights(vec![f64::NAN])];
        assert!(cuts.into_iter().all(|cut| cut.ranges(&[1]).is_err()));
    }
}
