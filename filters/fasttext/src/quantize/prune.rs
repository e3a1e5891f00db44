//! Leaving out the rows with the least norms.

use crate::libstdcxx::hash_order::walk_order;
use crate::libstdcxx::sort::sort_by;
use crate::tokens::END_OF_LINE;
use crate::train::weights::Weights;
use crate::{Args, Dictionary, Entry, EntryKind, Error, KeptBuckets, Result};

/// Keeps the `cutoff` rows of the input with the greatest norms, `</s>` before all, with the words and buckets they belong to.
///
/// Words stay in their order; buckets follow in the order of falling norms.
///
/// # Errors
/// [`Error::NotANumber`] when the matrix holds NaN; [`Error::Malformed`] when the dictionary was pruned before.
pub(super) fn prune(
    dictionary: &Dictionary,
    args: &Args,
    input: &Weights,
    cutoff: usize,
) -> Result<(Dictionary, Weights)> {
    if dictionary.kept_buckets().is_some() {
        return Err(Error::Malformed { field: "pruneidx", problem: "a dense model was pruned before".into() });
    }
    let kept = greatest_rows(dictionary, input, cutoff)?;
    let word_count = dictionary.word_count() as u32;
    let mut words: Vec<u32> = kept.iter().copied().filter(|&row| row < word_count).collect();
    words.sort_unstable();
    let buckets: Vec<u32> = kept.iter().copied().filter(|&row| row >= word_count).map(|row| row - word_count).collect();

    let pairs = walk_order(&buckets).into_iter().map(|place| (buckets[place] as i32, place as i32)).collect();
    let mut pruned = Dictionary::new(args, dictionary.token_count(), Some(KeptBuckets::new(pairs)))?
        .with_label_prefix(dictionary.label_prefix());
    let labels = (dictionary.word_count()..dictionary.len()).map(|id| id as u32);
    for id in words.iter().copied().chain(labels) {
        let Entry { word, count, kind } = dictionary.entry(id as usize);
        debug_assert_eq!(kind == EntryKind::Word, id < word_count);
        pruned.push(Entry { word, count, kind })?;
    }

    let columns = input.columns();
    let mut matrix = Weights::zeros(kept.len(), columns)?;
    let rows = words.iter().copied().chain(buckets.iter().map(|bucket| bucket + word_count));
    for (new, old) in matrix.as_mut_slice().chunks_exact_mut(columns).zip(rows) {
        new.copy_from_slice(&input.as_slice()[old as usize * columns..][..columns]);
    }
    Ok((pruned, matrix))
}

/// The rows with the greatest norms in falling order, `</s>` first. Rows of equal norm come in the order of libstdc++'s sort.
fn greatest_rows(dictionary: &Dictionary, input: &Weights, cutoff: usize) -> Result<Vec<u32>> {
    let norms = norms(input)?;
    let end_of_line = dictionary.id(END_OF_LINE);
    let mut rows: Vec<u32> = (0..input.rows() as u32).collect();
    sort_by(&mut rows, &|&left, &right| {
        if Some(left) == end_of_line || Some(right) == end_of_line {
            return Some(right) != end_of_line;
        }
        norms[left as usize] > norms[right as usize]
    });
    rows.truncate(cutoff);
    Ok(rows)
}

/// The Euclidean length of each row; squares are `f32`, their sum is `f64`.
///
/// # Errors
/// [`Error::NotANumber`] when one is NaN.
pub(super) fn norms(matrix: &Weights) -> Result<Vec<f32>> {
    let norms: Vec<f32> = matrix
        .as_slice()
        .chunks_exact(matrix.columns())
        .map(|row| row.iter().fold(0.0, |sum, value| sum + f64::from(value * value)).sqrt() as f32)
        .collect();
    if norms.iter().any(|norm| norm.is_nan()) { Err(Error::NotANumber) } else { Ok(norms) }
}
