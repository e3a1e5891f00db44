//! Vectors of words and of texts, and text files of vectors.

use std::io::BufRead;

use crate::tokens::END_OF_LINE;
use crate::{Error, Model, ModelKind, Result, Scratch};

impl Model {
    /// The vector of a word, known or not: the mean of the rows of the word and its character n-grams. Zeros for an
    /// unknown word without known n-grams.
    ///
    /// fastText's `get_word_vector`, with the same order of sums.
    pub fn word_vector(&self, scratch: &mut Scratch, word: impl AsRef<[u8]>) -> Vec<f32> {
        let mut vector = vec![0.0; self.input().columns()];
        self.add_word_vector(scratch, word.as_ref(), &mut vector);
        vector
    }

    /// The vector of a text.
    ///
    /// For a supervised model the mean of the rows of all its features, as in predictions. For others the mean of the
    /// vectors of its words, each divided by its length: fastText's `get_sentence_vector`, for which white space does not
    /// include NUL and the line end counts with supervised models only.
    pub fn text_vector(&self, scratch: &mut Scratch, text: impl AsRef<[u8]>) -> Vec<f32> {
        let mut sum = vec![0.0; self.input().columns()];
        if self.args().model == ModelKind::Supervised {
            self.dictionary().read_text(text.as_ref(), &mut scratch.line);
            if !scratch.line.rows.is_empty() {
                self.input().average_rows(&scratch.line.rows, &mut sum);
            }
            return sum;
        }
        let mut words = 0;
        let mut vector = vec![0.0; sum.len()];
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r');
        for word in text.as_ref().split(is_space).filter(|word| !word.is_empty()) {
            vector.fill(0.0);
            self.add_word_vector(scratch, word, &mut vector);
            let norm = vector.iter().fold(0.0f32, |sum, value| sum + value * value).sqrt();
            if norm > 0.0 {
                let factor = (1.0 / f64::from(norm)) as f32;
                sum.iter_mut().zip(&vector).for_each(|(sum, value)| *sum += value * factor);
                words += 1;
            }
        }
        if words > 0 {
            let factor = (1.0 / f64::from(words)) as f32;
            sum.iter_mut().for_each(|sum| *sum *= factor);
        }
        sum
    }

    /// Fills `vector`, which is zeros.
    fn add_word_vector(&self, scratch: &mut Scratch, word: &[u8], vector: &mut [f32]) {
        let rows = &mut scratch.line.rows;
        rows.clear();
        match self.dictionary().id(word) {
            Some(id) => self.dictionary().push_word(id, rows),
            None if word != END_OF_LINE => self.dictionary().push_subwords(word, rows),
            None => {}
        }
        // The number of a label is no row of words.
        rows.retain(|&row| (row as usize) < self.input().rows());
        if !rows.is_empty() {
            self.input().average_rows(rows, vector);
        }
    }
}

/// Words with their vectors, as `.vec` files have them.
#[derive(Clone, Debug, Default)]
pub struct TextVectors {
    /// The words in the order of the file.
    pub words: Vec<Vec<u8>>,
    /// Length of a vector.
    pub columns: usize,
    /// `[words, columns]`.
    pub values: Vec<f32>,
}

impl TextVectors {
    /// Reads a `.vec` file: a line with the number of words and the length of vectors, then for each word a line with the
    /// word and its numbers.
    ///
    /// Memory grows with what is read, not with what the first line promises.
    ///
    /// # Errors
    /// [`Error::Vectors`] with the line when it has too few or too many numbers or something else, when the file ends
    /// early, and when it cannot be read.
    pub fn read(mut input: impl BufRead) -> Result<Self> {
        let mut text = Vec::new();
        let mut line = 0;
        let malformed = |line, problem: String| Error::Vectors { line, problem };
        let mut next = |text: &mut Vec<u8>| {
            line += 1;
            text.clear();
            match input.read_until(b'\n', text) {
                Ok(0) => Err(malformed(line, "the file ends before it".into())),
                Ok(_) => Ok(line),
                Err(error) => Err(malformed(line, error.to_string())),
            }
        };
        next(&mut text)?;
        let header: Vec<usize> = fields(&text).filter_map(number).collect();
        let &[words, columns] = header.as_slice() else {
            return Err(malformed(1, "it is not the number of words and the length of vectors".into()));
        };
        let mut vectors = Self { columns, ..Self::default() };
        for _ in 0..words {
            let line = next(&mut text)?;
            let mut fields = fields(&text);
            let word = fields.next().ok_or_else(|| malformed(line, "it is empty".into()))?;
            vectors.words.push(word.to_vec());
            let before = vectors.values.len();
            for field in fields {
                let value = number(field)
                    .ok_or_else(|| malformed(line, format!("`{}` is not a number", String::from_utf8_lossy(field))))?;
                vectors.values.push(value);
            }
            let found = vectors.values.len() - before;
            if found != columns {
                return Err(malformed(line, format!("{found} numbers instead of {columns}")));
            }
        }
        Ok(vectors)
    }
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| byte.is_ascii_whitespace() || *byte == 0x0b).filter(|field| !field.is_empty())
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_text_vectors() {
        let vectors = TextVectors::read("2 3\n中文 1 -2.5 3e-2 \nb 0 0 1\n".as_bytes()).unwrap();
        assert_eq!(vectors.words, ["中文".as_bytes(), b"b"]);
        assert_eq!(vectors.values, [1.0, -2.5, 0.03, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn names_the_bad_line() {
        for (text, line) in
            [("", 1), ("x", 1), ("1 2", 2), ("1 2\na 1\n", 2), ("2 1\na 1\nb x\n", 3), ("99999999999 3\n", 2)]
        {
            let error = TextVectors::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(&format!("line {line} of")), "{error}");
        }
    }
}
