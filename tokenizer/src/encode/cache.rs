//! The tokens of short pieces seen before, in lines of 64 bytes: two entries of 15 bytes and 4 ids, or one of 31 and 8.
//!
//! A newer piece replaces an older one; in a line of two it comes first, and the older of the two goes. Nothing is
//! ever wrong by that, only slower.

/// An id and the number of ids share a word.
pub(crate) const ID_BITS: u32 = 29;
const ID: u32 = (1 << ID_BITS) - 1;

/// Words in a line of 64 bytes.
const LINE: usize = 8;
/// Lines of short pieces: 4 MiB.
const SHORT_LINES: usize = 1 << 16;
/// Lines of longer pieces: 1 MiB.
const LONG_LINES: usize = 1 << 14;

/// Most bytes of a piece with two and with four words.
pub(crate) const SHORT_BYTES: usize = 15;
pub(crate) const LONG_BYTES: usize = 31;

/// Lines that begin where the machine's do. Memory is taken when the first is asked for.
#[derive(Default)]
struct Lines {
    words: Box<[u64]>,
    first: usize,
}

impl Lines {
    fn prepare(&mut self, lines: usize) {
        if self.words.is_empty() {
            // Zeroed pages cost nothing until they are used.
            self.words = vec![0; (lines + 1) * LINE].into_boxed_slice();
            self.first = self.words.as_ptr().align_offset(64).min(LINE - 1);
        }
    }

    #[inline]
    fn line(&mut self, number: usize) -> &mut [u64; LINE] {
        let start = self.first + number * LINE;
        (&mut self.words[start..start + LINE]).try_into().expect("a line is so long")
    }
}

/// A piece in words: its bytes, zeros, and its length in the last byte. Never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Key<WORDS> {
    /// Of `text[start..start + length]`, up to `8 · WORDS − 1` bytes; `tag` (0 or 1) tells two kinds of pieces apart.
    #[inline]
    pub(crate) fn new(text: &[u8], start: usize, length: usize, tag: u8) -> Self {
        debug_assert!(length < 8 * WORDS);
        let mut words = [0; WORDS];
        if let Some((bytes, _)) = text[start..].split_at_checked(8 * WORDS) {
            for (at, word) in words.iter_mut().enumerate() {
                let bytes = bytes[8 * at..8 * at + 8].try_into().expect("eight bytes");
                let kept = length.saturating_sub(8 * at).min(8) as u32;
                let mask = u64::MAX.checked_shr(64 - 8 * kept).unwrap_or(0);
                *word = u64::from_le_bytes(bytes) & mask;
            }
        } else {
            for (at, byte) in text[start..start + length].iter().enumerate() {
                words[at / 8] |= u64::from(*byte) << (at % 8 * 8);
            }
        }
        words[WORDS - 1] |= (length as u64 | u64::from(tag) << 7) << 56;
        Self(words)
    }

    #[inline]
    fn hash(&self) -> u64 {
        let fold = |left: u64, right: u64| {
            let product = u128::from(left ^ 0xa076_1d64_78bd_642f) * u128::from(right ^ 0xe703_7ed1_a0b4_28db);
            product as u64 ^ (product >> 64) as u64
        };
        let mut hash = 0;
        for two in self.0.chunks_exact(2) {
            hash = fold(two[0] ^ hash, two[1]);
        }
        hash
    }
}

/// The ids of an entry: the first so many are meant.
#[derive(Clone, Copy)]
pub(crate) struct Ids<const IDS: usize> {
    pub ids: [u32; IDS],
    pub count: usize,
}

#[inline]
fn unpack<const IDS: usize>(words: &[u64]) -> Ids<IDS> {
    let mut ids = [0; IDS];
    for (at, id) in ids.iter_mut().enumerate() {
        *id = (words[at / 2] >> (at % 2 * 32)) as u32;
    }
    let count = (ids[0] >> ID_BITS) as usize + 1;
    ids[0] &= ID;
    Ids { ids, count }
}

fn pack(ids: &[u32], words: &mut [u64]) {
    words.fill(0);
    for (at, id) in ids.iter().enumerate() {
        words[at / 2] |= u64::from(*id) << (at % 2 * 32);
    }
    words[0] |= (ids.len() as u64 - 1) << ID_BITS;
}

/// The tokens of pieces seen before, for one thread.
#[derive(Default)]
pub(crate) struct Cache {
    short: Lines,
    long: Lines,
}

impl Cache {
    /// To be called before any other.
    pub(crate) fn prepare(&mut self) {
        self.short.prepare(SHORT_LINES);
        self.long.prepare(LONG_LINES);
    }

    /// The ids of a short piece.
    #[inline]
    pub(crate) fn short(&mut self, key: Key<2>) -> Option<Ids<4>> {
        let line = self.short.line(key.hash() as usize % SHORT_LINES);
        if line[..2] == key.0 {
            return Some(unpack(&line[2..4]));
        }
        if line[4..6] == key.0 {
            return Some(unpack(&line[6..8]));
        }
        None
    }

    /// Keeps the ids, if they are few enough.
    pub(crate) fn keep_short(&mut self, key: Key<2>, ids: &[u32]) {
        if (1..=4).contains(&ids.len()) {
            let line = self.short.line(key.hash() as usize % SHORT_LINES);
            line.copy_within(..4, 4);
            line[..2].copy_from_slice(&key.0);
            pack(ids, &mut line[2..4]);
        }
    }

    /// The ids of a longer piece.
    #[inline]
    pub(crate) fn long(&mut self, key: Key<4>) -> Option<Ids<8>> {
        let line = self.long.line(key.hash() as usize % LONG_LINES);
        (line[..4] == key.0).then(|| unpack(&line[4..]))
    }

    /// Keeps the ids, if they are few enough.
    pub(crate) fn keep_long(&mut self, key: Key<4>, ids: &[u32]) {
        if (1..=8).contains(&ids.len()) {
            let line = self.long.line(key.hash() as usize % LONG_LINES);
            line[..4].copy_from_slice(&key.0);
            pack(ids, &mut line[4..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_and_nothing_else() {
        let mut cache = Cache::default();
        cache.prepare();
        let text: Vec<u8> = (0..=255).chain([0; 40]).collect();
        for round in 0..2 {
            for length in 1..=LONG_BYTES {
                for start in (0..text.len() - length).step_by(37) {
                    for tag in [0, 1] {
                        let ids: Vec<u32> = (0..length as u32 % 11).map(|id| id ^ start as u32 ^ ID).collect();
                        let kept = round == 1;
                        if length <= SHORT_BYTES {
                            let key = Key::new(&text, start, length, tag);
                            let found = cache.short(key).map(|found| found.ids[..found.count].to_vec());
                            let expected = (kept && (1..=4).contains(&ids.len())).then(|| ids.clone());
                            // Zeros at the end are the same piece wherever they are.
                            assert!(found == expected || start > 255 - length, "{start} {length} {tag}");
                            cache.keep_short(key, &ids);
                        }
                        let key = Key::<4>::new(&text, start, length, tag);
                        cache.keep_long(key, &ids);
                        let found = cache.long(key).map(|found| found.ids[..found.count].to_vec());
                        assert_eq!(found, (1..=8).contains(&ids.len()).then_some(ids));
                    }
                }
            }
        }
    }

    #[test]
    fn a_piece_has_one_key_wherever_it_stands() {
        let near_the_end = b"...ab\0";
        let before = b"ab\0................................";
        for length in 1..=3 {
            assert!(Key::<2>::new(near_the_end, 3, length, 0) == Key::new(before, 0, length, 0));
            assert!(Key::<4>::new(near_the_end, 3, length, 1) == Key::new(before, 0, length, 1));
            assert!(Key::<2>::new(before, 0, length, 0) != Key::new(before, 0, length, 1));
            assert!(Key::<2>::new(before, 0, length, 0) != Key::new(before, 0, length + 1, 0));
        }
    }
}
