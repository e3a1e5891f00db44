//! The words and labels of a model, and the features of a text.
//!
//! A *row* is the number of a feature in the input matrix: words come first, then the buckets of hashed n-grams.
//!
//! | step | file |
//! |---|---|
//! | words, labels, their numbers | here, `table.rs` |
//! | a word → rows of its character n-grams | `subwords.rs` |
//! | buckets that a pruned model kept | `pruning.rs` |
//! | a line → rows, labels | `line.rs`, `sink.rs` |

mod line;
mod pruning;
mod sink;
mod subwords;
mod table;

pub use line::Line;
pub use pruning::KeptBuckets;

use crate::hash::{Remainder, hash};
use crate::tokens::LABEL_PREFIX;
use crate::{Args, Error, Result};
pub(crate) use table::Table;

/// Whether an entry of a dictionary is a word or a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// A word: a row of the input matrix.
    Word = 0,
    /// A label: a row of a supervised model's output matrix.
    Label = 1,
}

/// A word or label with how often it was seen in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The bytes; labels with their prefix.
    pub word: &'a [u8],
    /// Times seen in training.
    pub count: i64,
    /// Word or label.
    pub kind: EntryKind,
}

/// The words and labels of a model in the order of their rows, words first, and how a text becomes rows.
#[derive(Clone, Debug)]
pub struct Dictionary {
    /// All words one after the other.
    letters: Vec<u8>,
    slots: Vec<Slot>,
    table: Table,
    word_count: usize,
    token_count: i64,
    label_prefix: Box<[u8]>,
    ngrams: Ngrams,
    kept_buckets: Option<KeptBuckets>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Where the word ends in the letters; it begins where the one before it ends.
    end: u32,
    hash: u32,
    count: i64,
}

/// The settings that n-grams are made by.
#[derive(Clone, Copy, Debug)]
struct Ngrams {
    shortest: usize,
    /// 0 if words have no character n-grams.
    longest: usize,
    /// 1 if there are no word n-grams.
    words: usize,
    bucket: Remainder,
}

impl Dictionary {
    /// An empty dictionary to which words and labels are added with [`push`](Self::push), words first.
    ///
    /// `token_count` is the number of tokens in the training text; `kept_buckets` is there if the model was pruned
    /// (`-cutoff`). The prefix of labels is `__label__`.
    ///
    /// # Errors
    /// Those of [`Args::validate`].
    pub fn new(args: &Args, token_count: i64, kept_buckets: Option<KeptBuckets>) -> Result<Self> {
        args.validate()?;
        Ok(Self {
            letters: Vec::new(),
            slots: Vec::new(),
            table: Table::default(),
            word_count: 0,
            token_count,
            label_prefix: LABEL_PREFIX.into(),
            ngrams: Ngrams {
                shortest: args.minn.max(1) as usize,
                longest: if args.has_subwords() { args.maxn as usize } else { 0 },
                words: args.word_ngrams.max(1) as usize,
                bucket: Remainder::new(args.bucket as u32),
            },
            kept_buckets,
        })
    }

    /// The dictionary with another prefix for labels. A prefix is not stored in models: a label there is told by its kind.
    pub fn with_label_prefix(mut self, prefix: &[u8]) -> Self {
        self.label_prefix = prefix.into();
        self
    }

    /// Adds a word or label behind the others. One that is there already is found under its new number from now on.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a word behind a label, and when the letters of all words exceed 4 GiB.
    pub fn push(&mut self, entry: Entry<'_>) -> Result<()> {
        let id = self.slots.len();
        match entry.kind {
            EntryKind::Word if self.word_count < id => {
                let problem = format!("entry {id} is a word behind labels; words come first");
                return Err(Error::malformed("entries", problem));
            }
            EntryKind::Word => self.word_count += 1,
            EntryKind::Label => {}
        }
        let too_many = || Error::malformed("entries", "the words take more than 4 GiB");
        let end = u32::try_from(self.letters.len() + entry.word.len()).map_err(|_| too_many())?;
        let id = u32::try_from(id).map_err(|_| too_many())?;
        self.letters.extend_from_slice(entry.word);
        let hash = hash(entry.word);
        self.slots.push(Slot { end, hash, count: entry.count });
        let (slots, letters) = (&self.slots, &self.letters);
        self.table.insert(hash, id, |other| word_of(slots, letters, other) == entry.word, |id| slots[id as usize].hash);
        Ok(())
    }

    /// Makes room for entries and their letters, so that [`push`](Self::push) need not.
    pub fn reserve(&mut self, entries: usize, letters: usize) {
        self.slots.reserve_exact(entries);
        self.letters.reserve_exact(letters);
        let slots = &self.slots;
        self.table.reserve(entries, |id| slots[id as usize].hash);
    }

    /// Words and labels.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is neither a word nor a label.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Words.
    pub fn word_count(&self) -> usize {
        self.word_count
    }

    /// Labels.
    pub fn label_count(&self) -> usize {
        self.slots.len() - self.word_count
    }

    /// Tokens of the training text.
    pub fn token_count(&self) -> i64 {
        self.token_count
    }

    /// The prefix that makes a token a label.
    pub fn label_prefix(&self) -> &[u8] {
        &self.label_prefix
    }

    /// The buckets that a pruned model kept; `None` if it was not pruned.
    pub fn kept_buckets(&self) -> Option<&KeptBuckets> {
        self.kept_buckets.as_ref()
    }

    /// The entry with this number. Panics when there is none.
    pub fn entry(&self, id: usize) -> Entry<'_> {
        Entry { word: self.word(id), count: self.slots[id].count, kind: self.kind(id) }
    }

    /// All entries in the order of their numbers.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        (0..self.len()).map(|id| self.entry(id))
    }

    /// The word or label with this number. Panics when there is none.
    #[inline]
    pub fn word(&self, id: usize) -> &[u8] {
        word_of(&self.slots, &self.letters, id as u32)
    }

    /// The label with this number, counted from 0, with its prefix. Panics when there is none.
    pub fn label(&self, label: usize) -> &[u8] {
        self.word(self.word_count + label)
    }

    /// The number of a label, counted from 0.
    pub fn label_id(&self, label: &[u8]) -> Option<usize> {
        (self.id(label)? as usize).checked_sub(self.word_count)
    }

    /// Times that each label was seen in training.
    pub fn label_counts(&self) -> impl ExactSizeIterator<Item = i64> {
        self.slots[self.word_count..].iter().map(|slot| slot.count)
    }

    /// Times that each word was seen in training.
    pub fn word_counts(&self) -> impl ExactSizeIterator<Item = i64> {
        self.slots[..self.word_count].iter().map(|slot| slot.count)
    }

    /// Whether the entry with this number is a word or a label.
    #[inline]
    pub fn kind(&self, id: usize) -> EntryKind {
        if id < self.word_count { EntryKind::Word } else { EntryKind::Label }
    }

    /// The number of a word or label.
    #[inline]
    pub fn id(&self, word: &[u8]) -> Option<u32> {
        self.id_hashed(word, hash(word))
    }

    /// The number of a word or label whose [`hash`] is known.
    #[inline]
    pub fn id_hashed(&self, word: &[u8], hash: u32) -> Option<u32> {
        self.table.find(hash, |id| {
            self.slots[id as usize].hash == hash && same(word_of(&self.slots, &self.letters, id), word)
        })
    }

    /// The hash of an entry. Panics when there is none.
    #[inline]
    pub fn hash_of(&self, id: usize) -> u32 {
        self.slots[id].hash
    }

    /// Rows of the input matrix that features of this dictionary can have: words, and buckets that n-grams fall into.
    pub fn rows_needed(&self, args: &Args) -> u64 {
        let buckets = match &self.kept_buckets {
            Some(kept) => kept.rows(),
            None if args.has_ngrams() => args.bucket as u64,
            None => 0,
        };
        self.word_count as u64 + buckets
    }
}

#[inline]
fn word_of<'a>(slots: &[Slot], letters: &'a [u8], id: u32) -> &'a [u8] {
    let id = id as usize;
    let start = if id == 0 { 0 } else { slots[id - 1].end as usize };
    &letters[start..slots[id].end as usize]
}

/// Whether two words are the same. Words are short: a call of `memcmp` would cost more than the comparison.
#[inline(always)]
fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let ((one, one_rest), (other, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    one.iter().zip(other).all(|(one, other)| u64::from_le_bytes(*one) == u64::from_le_bytes(*other))
        && one_rest.iter().zip(other_rest).all(|(one, other)| one == other)
}
