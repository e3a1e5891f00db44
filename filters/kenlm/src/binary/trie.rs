//! Where the sections of a trie lie, and how many bits its fields have.

use super::Cursor;
use super::header::Header;
use crate::bytes::{mask, required_bits};

/// A word's probability, back-off and the number of its first bigram.
pub(crate) const UNIGRAM_SIZE: usize = 16;
/// Version of the bins that is read and written.
pub(crate) const QUANTISER_VERSION: u8 = 2;
/// Version of the compressed pointers that is read and written.
pub(crate) const ARRAY_VERSION: u8 = 0;
/// Most bits of a quantised value.
pub(crate) const MAX_QUANTISED_BITS: u8 = 25;

/// What must be known beside the counts to lay a trie out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrieSettings {
    /// Bits of a probability and of a back-off, if they are rounded to bins; each 1 to 25.
    pub(crate) quantised: Option<(u8, u8)>,
    /// At most so many bits of child pointers are taken into the array of offsets.
    pub(crate) array_bits: Option<u8>,
}

/// Sections of a trie, as offsets into the file.
#[derive(Debug)]
pub(crate) struct TrieLayout {
    /// Number of hashes (eight bytes), then the hashes.
    pub(crate) vocabulary: usize,
    pub(crate) quantiser: Option<QuantiserLayout>,
    /// One for each word, and two more.
    pub(crate) unigrams: usize,
    /// Of orders 2 to the last but one.
    pub(crate) middle: Vec<LevelLayout>,
    pub(crate) longest: LevelLayout,
    /// Where the words begin, and the sections end.
    pub(crate) end: usize,
}

/// Tables of bins: eight bytes of header, then for each middle order the probabilities and the back-offs, then the
/// probabilities of the highest order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuantiserLayout {
    pub(crate) offset: usize,
    pub(crate) prob_bits: u8,
    pub(crate) backoff_bits: u8,
}

impl QuantiserLayout {
    /// Where the bins of the probabilities of a middle order (or the highest) begin; order 2 is level 0.
    #[inline(always)]
    pub(crate) fn probs(&self, level: usize) -> usize {
        self.offset + 8 + level * ((4 << self.prob_bits) + (4 << self.backoff_bits))
    }

    /// Where the bins of the back-offs of a middle order begin.
    #[inline(always)]
    pub(crate) fn backoffs(&self, level: usize) -> usize {
        self.probs(level) + (4 << self.prob_bits)
    }
}

/// The n-grams of one order, as records of `total_bits`: word, value, and for middle orders the low bits of the number
/// of the first child. There is one record more than there are n-grams.
#[derive(Clone, Debug)]
pub(crate) struct LevelLayout {
    /// Of the first record.
    pub(crate) offset: usize,
    pub(crate) entries: u64,
    pub(crate) word_bits: u8,
    pub(crate) value_bits: u8,
    /// Bits of the child pointer within the record; 0 at the highest order.
    pub(crate) next_bits: u8,
    pub(crate) total_bits: u8,
    pub(crate) word_mask: u64,
    pub(crate) next_mask: u64,
    /// High bits of the child pointers.
    pub(crate) array: Option<ArrayLayout>,
}

/// The numbers of the records at which the high bits of the child pointer go up by one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArrayLayout {
    /// Version and configured bits, one byte each; not aligned.
    pub(crate) header: usize,
    /// Of the first number, aligned to eight bytes.
    pub(crate) offset: usize,
    pub(crate) count: usize,
}

/// Where the sections begin whose first bytes hold the [`TrieSettings`].
pub(crate) struct Preamble {
    pub(crate) search: usize,
}

impl Preamble {
    /// Where the search structures begin, behind a vocabulary for these counts.
    pub(crate) fn new(counts: &[u64]) -> Option<Preamble> {
        let mut cursor = Cursor::new(Header::size(counts.len()) as u64);
        vocabulary(&mut cursor, counts)?;
        Some(Preamble { search: cursor.position() })
    }

    /// Where the header of the first array of offsets is.
    pub(crate) fn array_header(&self, counts: &[u64], quantised: Option<(u8, u8)>) -> Option<usize> {
        let mut cursor = Cursor::new(self.search as u64);
        if let Some(bits) = quantised {
            quantiser(&mut cursor, counts.len(), bits)?;
        }
        unigrams(&mut cursor, counts)?;
        Some(cursor.position())
    }
}

impl TrieLayout {
    /// The sections for these counts; `None` if no memory could hold them.
    pub(crate) fn new(counts: &[u64], settings: &TrieSettings) -> Option<TrieLayout> {
        let mut cursor = Cursor::new(Header::size(counts.len()) as u64);
        let vocabulary = vocabulary(&mut cursor, counts)?;
        let quantiser = match settings.quantised {
            Some(bits) => Some(quantiser(&mut cursor, counts.len(), bits)?),
            None => None,
        };
        let unigrams = unigrams(&mut cursor, counts)?;
        let word_bits = required_bits(counts[0]);
        let (middle_bits, longest_bits) = match settings.quantised {
            Some((prob_bits, backoff_bits)) => (prob_bits + backoff_bits, prob_bits),
            None => (63, 31),
        };
        let mut middle = Vec::with_capacity(counts.len() - 2);
        for pair in counts[1..].windows(2) {
            middle.push(middle_level(&mut cursor, pair[0], pair[1], word_bits, middle_bits, settings.array_bits)?);
        }
        let longest = level(&mut cursor, counts[counts.len() - 1], word_bits, longest_bits, 0, None)?;
        Some(TrieLayout { vocabulary, quantiser, unigrams, middle, longest, end: cursor.position() })
    }
}

fn vocabulary(cursor: &mut Cursor, counts: &[u64]) -> Option<usize> {
    cursor.section(counts[0].checked_add(1)?, 8)
}

fn quantiser(cursor: &mut Cursor, order: usize, (prob_bits, backoff_bits): (u8, u8)) -> Option<QuantiserLayout> {
    let (probs, backoffs) = (4u64 << prob_bits, 4u64 << backoff_bits);
    let offset = cursor.section(1, 8 + (order as u64 - 2) * (probs + backoffs) + probs)?;
    Some(QuantiserLayout { offset, prob_bits, backoff_bits })
}

fn unigrams(cursor: &mut Cursor, counts: &[u64]) -> Option<usize> {
    cursor.section(counts[0].checked_add(2)?, UNIGRAM_SIZE as u64)
}

/// A level of `entries` n-grams with `children` of the next order.
fn middle_level(
    cursor: &mut Cursor,
    entries: u64,
    children: u64,
    word_bits: u8,
    value_bits: u8,
    array_bits: Option<u8>,
) -> Option<LevelLayout> {
    // Child pointers are read as fields of at most 57 bits.
    if entries >= (1 << 57) - 1 || children >= 1 << 57 {
        return None;
    }
    let pointer_bits = required_bits(children);
    let Some(most) = array_bits else {
        return level(cursor, entries, word_bits, value_bits, pointer_bits, None);
    };
    let chopped = chopped_bits(entries + 1, children, most);
    let next_bits = pointer_bits - chopped;
    let count = (children >> next_bits) + 1;
    let header = cursor.section(1, 7 + 8)?;
    cursor.section(count, 8)?;
    let array = ArrayLayout { header, offset: header.next_multiple_of(8) + 8, count: usize::try_from(count).ok()? };
    level(cursor, entries, word_bits, value_bits, next_bits, Some(array))
}

fn level(
    cursor: &mut Cursor,
    entries: u64,
    word_bits: u8,
    value_bits: u8,
    next_bits: u8,
    array: Option<ArrayLayout>,
) -> Option<LevelLayout> {
    let total_bits = word_bits + value_bits + next_bits;
    let bits = entries.checked_add(1)?.checked_mul(u64::from(total_bits))?;
    // Eight bytes more, so that a field can be read as eight bytes wherever it begins.
    let offset = cursor.section(1, bits.div_ceil(8).checked_add(8)?)?;
    Some(LevelLayout {
        offset,
        entries,
        word_bits,
        value_bits,
        next_bits,
        total_bits,
        word_mask: mask(word_bits),
        next_mask: mask(next_bits),
        array,
    })
}

/// How many high bits of pointers up to `children`, held by `pointers` records, go into the array: where bits in the
/// array less bits saved in the records are fewest (Raj and Whittaker 2003, as KenLM computes it, overflow included).
fn chopped_bits(pointers: u64, children: u64, most: u8) -> u8 {
    let required = required_bits(children);
    let cost = |chopped: u8| {
        let array = (children >> (required - chopped)).wrapping_mul(64);
        array.wrapping_sub(pointers.wrapping_mul(u64::from(chopped))) as i64
    };
    let mut best = 0;
    for chopped in 1..=required.min(most) {
        if cost(chopped) < cost(best) {
            best = chopped;
        }
    }
    best
}
