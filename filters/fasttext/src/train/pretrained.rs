//! Word vectors in text form (`.vec`) that a training starts from.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::vocabulary::Vocabulary;
use super::weights::Weights;
use crate::{Dictionary, Error, Result, TextVectors};

/// Reads vectors of length `columns`.
///
/// # Errors
/// [`Error::Io`], and within [`Error::File`] the line with vectors of another length, a label, or a number that is none.
pub(super) fn read(path: &Path, columns: usize, label_prefix: &[u8]) -> Result<TextVectors> {
    let file = File::open(path).map_err(|source| Error::Io { action: "open", path: path.to_owned(), source })?;
    let refuse = |line: usize, problem: String| Err(Error::Vectors { line: line as u64, problem }.in_file(path));
    let vectors = TextVectors::read(BufReader::with_capacity(1 << 20, file)).map_err(|error| error.in_file(path))?;
    if vectors.columns != columns {
        let found = vectors.columns;
        return refuse(
            1,
            format!("its vectors have length {found}, but `dim` is {columns}; give both the same length"),
        );
    }
    if let Some(label) = vectors.words.iter().position(|word| word.starts_with(label_prefix)) {
        let word = String::from_utf8_lossy(&vectors.words[label]);
        return refuse(label + 2, format!("`{word}` is a label, pretrained vectors are of words; take it out"));
    }
    if let Some(number) = vectors.values.iter().position(|value| !value.is_finite()) {
        return refuse(number / columns + 2, "a number is infinite or NaN".into());
    }
    Ok(vectors)
}

/// Counts each word once more, so that all of them are in the dictionary.
pub(super) fn add_words(vectors: &TextVectors, vocabulary: &mut Vocabulary) {
    vectors.words.iter().for_each(|word| vocabulary.add_unlimited(word));
    vocabulary.keep(1, 0);
}

/// Writes the vectors into the rows of their words; of a word's vectors the last counts.
pub(super) fn copy_rows(vectors: &TextVectors, dictionary: &Dictionary, input: &mut Weights) {
    let columns = vectors.columns;
    let matrix = input.as_mut_slice();
    for (word, vector) in vectors.words.iter().zip(vectors.values.chunks_exact(columns)) {
        if let Some(id) = dictionary.id(word) {
            matrix[id as usize * columns..][..columns].copy_from_slice(vector);
        }
    }
}
