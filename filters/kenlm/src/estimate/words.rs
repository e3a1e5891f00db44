//! The vocabulary while it grows: words as bytes, numbered as they first appear.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::options::{SENTENCE_END, SENTENCE_START, UNKNOWN};
use crate::error::{Error, Result};

/// Words and their ids. The first three are `<unk>`, `<s>` and `</s>`.
pub struct Words {
    bytes: Vec<u8>,
    /// Where each word ends in `bytes`.
    ends: Vec<usize>,
    table: HashTable<(u64, u32)>,
    /// Ids are below this.
    limit: u32,
}

impl Words {
    pub(crate) fn new() -> Words {
        Words::with_limit(u32::MAX)
    }

    /// A vocabulary of at most `limit` words.
    pub(crate) fn with_limit(limit: u32) -> Words {
        let mut words = Words { bytes: Vec::new(), ends: Vec::new(), table: HashTable::new(), limit };
        for (word, id) in [("<unk>", UNKNOWN), ("<s>", SENTENCE_START), ("</s>", SENTENCE_END)] {
            let hash = xxh3_64(word.as_bytes());
            words.append(word.as_bytes(), hash, id);
        }
        words
    }

    /// How many words there are, the three special ones included.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Never true: the special words are always there.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The word with this id.
    ///
    /// # Panics
    /// When there is no such word.
    pub fn word(&self, id: u32) -> &[u8] {
        word_at(&self.bytes, &self.ends, id)
    }

    /// The id of a word, when it is known.
    pub fn id(&self, word: &[u8]) -> Option<u32> {
        let hash = xxh3_64(word);
        self.table.find(hash, |entry| entry.0 == hash && self.word(entry.1) == word).map(|entry| entry.1)
    }

    /// The id of a word, which gets the next one when it is new.
    #[inline]
    pub(crate) fn id_or_insert(&mut self, word: &[u8]) -> Result<u32> {
        let hash = xxh3_64(word);
        let (bytes, ends) = (&self.bytes, &self.ends);
        if let Some(entry) = self.table.find(hash, |entry| entry.0 == hash && word_at(bytes, ends, entry.1) == word) {
            return Ok(entry.1);
        }
        if word.is_empty() || word.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0)) {
            let word = String::from_utf8_lossy(word);
            return Err(Error::Corpus { reason: format!("the word {word:?} is empty or has white space in it") });
        }
        let id = self.ends.len() as u32;
        if id >= self.limit {
            return Err(Error::Corpus {
                reason: format!(
                    "the vocabulary has more than {} words; split rare words into pieces or characters",
                    self.limit
                ),
            });
        }
        self.append(word, hash, id);
        Ok(id)
    }

    fn append(&mut self, word: &[u8], hash: u64, id: u32) {
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len());
        self.table.insert_unique(hash, (hash, id), |entry| entry.0);
    }
}

#[inline]
fn word_at<'a>(bytes: &'a [u8], ends: &[usize], id: u32) -> &'a [u8] {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &bytes[start..ends[id]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_by_first_appearance() {
        let mut words = Words::new();
        assert_eq!(words.id_or_insert(b"b").unwrap(), 3);
        assert_eq!(words.id_or_insert(b"a").unwrap(), 4);
        assert_eq!(words.id_or_insert(b"b").unwrap(), 3);
        assert_eq!(words.id_or_insert(b"</s>").unwrap(), SENTENCE_END);
        assert_eq!((words.id(b"a"), words.id(b"c"), words.len()), (Some(4), None, 5));
        assert_eq!(words.word(4), b"a");
    }

    #[test]
    fn a_full_vocabulary_is_an_error() {
        let mut words = Words::with_limit(4);
        words.id_or_insert(b"a").unwrap();
        let message = words.id_or_insert(b"b").unwrap_err().to_string();
        assert!(message.contains("more than 4 words"), "{message}");
    }
}
