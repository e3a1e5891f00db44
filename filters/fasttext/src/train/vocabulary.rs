//! Counting words and labels, and putting them in fastText's order.

use crate::dictionary::Table;
use crate::hash::hash;
use crate::libstdcxx::sort::sort_by;
use crate::{Args, Dictionary, Entry, EntryKind, Error, Result};

/// Entries that fastText's table has room for. At three quarters of it, rare entries are thrown out.
const MAX_VOCABULARY: usize = 30_000_000;

/// Counts tokens as they come; the order of first appearance is kept, as equal counts are sorted from it.
///
/// Memory: the letters of all distinct tokens, and 40 bytes for each.
pub(super) struct Vocabulary {
    prefix: Vec<u8>,
    letters: Vec<u8>,
    entries: Vec<Counted>,
    table: Table,
    token_count: i64,
    /// Entries are thinned out above this many.
    limit: usize,
    threshold: i64,
}

#[derive(Clone, Copy)]
struct Counted {
    start: usize,
    length: u32,
    hash: u32,
    count: i64,
    kind: EntryKind,
}

impl Counted {
    fn word<'a>(&self, letters: &'a [u8]) -> &'a [u8] {
        &letters[self.start..self.start + self.length as usize]
    }
}

impl Vocabulary {
    /// An empty vocabulary, where tokens that start with `prefix` are labels.
    pub(super) fn new(prefix: &[u8]) -> Self {
        Self::with_room(prefix, MAX_VOCABULARY)
    }

    fn with_room(prefix: &[u8], room: usize) -> Self {
        Vocabulary {
            prefix: prefix.to_vec(),
            letters: Vec::new(),
            entries: Vec::new(),
            table: Table::default(),
            token_count: 0,
            limit: room / 4 * 3,
            threshold: 1,
        }
    }

    /// Counts a token. Above three quarters of 30 million entries, those seen least are thrown out, each time one more rarely seen.
    pub(super) fn add(&mut self, token: &[u8]) {
        self.add_unlimited(token);
        if self.entries.len() > self.limit {
            self.threshold += 1;
            self.keep(self.threshold, self.threshold);
        }
    }

    /// Counts a token that is kept however many there are: a word of pretrained vectors.
    pub(super) fn add_unlimited(&mut self, token: &[u8]) {
        self.token_count += 1;
        let hash = hash(token);
        let (entries, letters) = (&mut self.entries, &mut self.letters);
        if let Some(id) = self.table.find(hash, |id| entries[id as usize].word(letters) == token) {
            entries[id as usize].count += 1;
            return;
        }
        let kind = if token.starts_with(&self.prefix) { EntryKind::Label } else { EntryKind::Word };
        let id = entries.len() as u32;
        entries.push(Counted { start: letters.len(), length: token.len() as u32, hash, count: 1, kind });
        letters.extend_from_slice(token);
        self.table.insert(hash, id, |_| false, |id| entries[id as usize].hash);
    }

    /// Sorts words before labels and each by falling count, and leaves out what was seen too rarely.
    pub(super) fn keep(&mut self, min_count: i64, min_count_label: i64) {
        sort_by(&mut self.entries, &|left, right| {
            if left.kind == right.kind { left.count > right.count } else { left.kind == EntryKind::Word }
        });
        self.entries
            .retain(|entry| entry.count >= if entry.kind == EntryKind::Word { min_count } else { min_count_label });
        let mut letters = Vec::with_capacity(self.entries.iter().map(|entry| entry.length as usize).sum());
        for entry in &mut self.entries {
            let start = letters.len();
            letters.extend_from_slice(entry.word(&self.letters));
            entry.start = start;
        }
        self.letters = letters;
        self.table = Table::default();
        let entries = &self.entries;
        self.table.reserve(entries.len(), |_| 0);
        for (id, entry) in entries.iter().enumerate() {
            self.table.insert(entry.hash, id as u32, |_| false, |id| entries[id as usize].hash);
        }
    }

    /// The dictionary with these entries in this order.
    ///
    /// # Errors
    /// [`Error::NothingToLearn`] without words or with fewer than two labels.
    pub(super) fn into_dictionary(self, args: &Args) -> Result<Dictionary> {
        let labels = self.entries.iter().filter(|entry| entry.kind == EntryKind::Label).count();
        let refuse = |problem: String| Err(Error::NothingToLearn { problem });
        if self.token_count == 0 {
            return refuse("there are no examples".into());
        }
        if labels == self.entries.len() {
            return refuse(format!("no word was seen {} times; lower `min_count`", args.min_count));
        }
        match (labels, self.entries.last()) {
            (0, _) => {
                let prefix = String::from_utf8_lossy(&self.prefix);
                return refuse(format!("no example has a label that counts; labels begin with `{prefix}`"));
            }
            (1, Some(entry)) => {
                let label = String::from_utf8_lossy(entry.word(&self.letters)).into_owned();
                return refuse(format!("all examples have the label `{label}`; two labels are needed at least"));
            }
            _ => {}
        }
        let mut dictionary = Dictionary::new(args, self.token_count, None)?.with_label_prefix(&self.prefix);
        dictionary.reserve(self.entries.len(), self.letters.len());
        for entry in &self.entries {
            dictionary.push(Entry { word: entry.word(&self.letters), count: entry.count, kind: entry.kind })?;
        }
        Ok(dictionary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::next_token;

    fn fixture(name: &str) -> Vec<u8> {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/fasttext_train").join(name);
        zstd::decode_all(std::fs::read(path).unwrap().as_slice()).unwrap()
    }

    #[test]
    fn rare_entries_are_thrown_out_as_a_small_fasttext_does() {
        let mut vocabulary = Vocabulary::with_room(b"__label__", 2000);
        let text = fixture("many.txt.zst");
        let mut rest = text.as_slice();
        while let Some(token) = next_token(&mut rest) {
            vocabulary.add(token);
        }
        vocabulary.keep(1, 0);
        let entries = vocabulary.entries.iter().map(|entry| {
            let kind = if entry.kind == EntryKind::Label { "label" } else { "word" };
            format!("{} {} {kind}", String::from_utf8_lossy(entry.word(&vocabulary.letters)), entry.count)
        });
        let expected = String::from_utf8(fixture("small_room.txt.zst")).unwrap();
        assert_eq!(entries.collect::<Vec<_>>(), expected.lines().skip(1).collect::<Vec<_>>());
    }
}
