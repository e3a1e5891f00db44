//! Where the sections of a probing model lie.

use super::Cursor;
use super::header::Header;
use crate::probing::ProbingTable;
use crate::vocab::PROBING_ENTRY;

/// An n-gram of middle order in its table: key, probability, back-off.
pub(crate) const MIDDLE_ENTRY: usize = 16;
/// An n-gram of the highest order in its table: key, probability.
pub(crate) const LONGEST_ENTRY: usize = 12;
/// A word's probability and back-off.
pub(crate) const UNIGRAM_SIZE: usize = 8;
/// Version of the vocabulary that is read and written.
pub(crate) const VOCABULARY_VERSION: u32 = 0;

/// Sections of a probing model, as offsets into the file.
#[derive(Debug)]
pub(crate) struct ProbingLayout {
    /// Version (four bytes) and number of words (four bytes).
    pub(crate) vocabulary_header: usize,
    pub(crate) vocabulary: ProbingTable<PROBING_ENTRY>,
    /// One for each word, and one more.
    pub(crate) unigrams: usize,
    /// Of orders 2 to the last but one.
    pub(crate) middle: Vec<ProbingTable<MIDDLE_ENTRY>>,
    pub(crate) longest: ProbingTable<LONGEST_ENTRY>,
    /// Where the words begin, and the sections end.
    pub(crate) end: usize,
}

impl ProbingLayout {
    /// The sections for these counts; `None` if no memory could hold them.
    pub(crate) fn new(counts: &[u64], multiplier: f32) -> Option<ProbingLayout> {
        let mut cursor = Cursor::new(Header::size(counts.len()) as u64);
        let vocabulary_header = cursor.section(1, 8)?;
        let vocabulary = table(&mut cursor, counts[0], multiplier)?;
        let unigrams = cursor.section(counts[0].checked_add(1)?, UNIGRAM_SIZE as u64)?;
        let (longest, middle) = counts[1..].split_last()?;
        let middle = middle.iter().map(|&count| table(&mut cursor, count, multiplier)).collect::<Option<_>>()?;
        let longest = table(&mut cursor, *longest, multiplier)?;
        Some(ProbingLayout { vocabulary_header, vocabulary, unigrams, middle, longest, end: cursor.position() })
    }
}

fn table<const ENTRY: usize>(cursor: &mut Cursor, entries: u64, multiplier: f32) -> Option<ProbingTable<ENTRY>> {
    let buckets = ProbingTable::<ENTRY>::buckets(entries, multiplier);
    let offset = cursor.section(buckets, ENTRY as u64)?;
    Some(ProbingTable::new(offset, buckets))
}
