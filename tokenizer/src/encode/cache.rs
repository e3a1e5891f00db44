//! The tokens of short pieces seen before, in lines of 64 bytes: two entries of 15 bytes and 4 ids, or one of 31 and 8.
//!
//! A newer piece replaces an older one; in a line of two it comes first, and the older of the two goes. Nothing is
//! ever wrong by that, only slower.

use super::pages::Table;

/// An id and the number of ids share a word.
pub(crate) const ID_BITS: u32 = 29;
const ID: u32 = (1 << ID_BITS) - 1;

/// Words in a line of 64 bytes.
const LINE: usize = 8;
/// Lines of short pieces: 8 MiB.
const SHORT_LINES: usize = 1 << 17;
/// Lines of longer pieces: 1 MiB.
const LONG_LINES: usize = 1 << 14;

/// Most bytes of a piece with two and with four words.
pub(crate) const SHORT_BYTES: usize = 15;
pub(crate) const LONG_BYTES: usize = 31;

/// Lines that begin where the machine's do. Memory is taken when the first is asked for.
#[derive(Default)]
struct Lines(Table<u64>);

impl Lines {
    fn prepare(&mut self, lines: usize) {
        if self.0.is_empty() {
            self.0 = Table::zeroed(lines * LINE);
        }
    }

    /// Asks for a line before it is needed.
    #[inline]
    fn prefetch(&self, number: usize) {
        self.0.prefetch(number * LINE);
    }

    #[inline]
    fn line(&mut self, number: usize) -> &mut [u64; LINE] {
        (&mut self.0[number * LINE..(number + 1) * LINE]).try_into().expect("a line is so long")
    }
}

/// A piece in words: its bytes, zeros, and its length in the last byte. Never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key<const WORDS: usize>([u64; WORDS]);

impl Default for Key<2> {
    fn default() -> Self {
        Self([0; 2])
    }
}

impl<const WORDS: usize> Key<WORDS> {
    /// Of `text[start..start + length]`, up to `8 · WORDS − 1` bytes; `tag` (0 or 1) tells two kinds of pieces apart.
    #[inline(always)]
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

/// The line of a short piece.
#[derive(Clone, Copy, Default)]
pub(crate) struct ShortPlace(u32);

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

    /// Where a short piece would be; what is there is brought near.
    #[inline]
    pub(crate) fn short_place(&self, key: Key<2>) -> ShortPlace {
        let line = key.hash() as usize % SHORT_LINES;
        self.short.prefetch(line);
        ShortPlace(line as u32)
    }

    /// The ids of a short piece.
    #[inline]
    pub(crate) fn short(&mut self, key: Key<2>, place: ShortPlace) -> Option<Ids<4>> {
        let line = self.short.line(place.0 as usize);
        if line[0] == key.0[0] && line[1] == key.0[1] {
            return Some(unpack(&line[2..4]));
        }
        if line[4] == key.0[0] && line[5] == key.0[1] {
            return Some(unpack(&line[6..8]));
        }
        None
    }

    /// Keeps the ids, if they are few enough.
    pub(crate) fn keep_short(&mut self, key: Key<2>, place: ShortPlace, ids: &[u32]) {
        if (1..=4).contains(&ids.len()) {
            let line = self.short.line(place.0 as usize);
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
        let text: Vec<u8> = (0..4_000_u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 27) as u8).collect();
        let mut kept = std::collections::HashMap::new();
        let (mut found_short, mut found_long) = (0, 0);
        for round in 0..2 {
            for length in 1..=LONG_BYTES {
                for start in (0..text.len() - length).step_by(7) {
                    for tag in [0, 1] {
                        let piece = (text[start..start + length].to_vec(), tag);
                        let ids: Vec<u32> =
                            (0..length as u32 % 11).map(|id| (id ^ start as u32 ^ round) & ID).collect();
                        if length <= SHORT_BYTES {
                            let key = Key::new(&text, start, length, tag);
                            let place = cache.short_place(key);
                            if let Some(found) = cache.short(key, place) {
                                found_short += 1;
                                assert!(kept[&piece] == found.ids[..found.count]);
                            }
                            cache.keep_short(key, place, &ids);
                            if (1..=4).contains(&ids.len()) {
                                let found = cache.short(key, place).unwrap();
                                assert!(found.ids[..found.count] == ids);
                                kept.insert(piece, ids);
                            }
                            continue;
                        }
                        let key = Key::<4>::new(&text, start, length, tag);
                        if let Some(found) = cache.long(key) {
                            found_long += 1;
                            assert!(kept[&piece] == found.ids[..found.count]);
                        }
                        cache.keep_long(key, &ids);
                        if (1..=8).contains(&ids.len()) {
                            let found = cache.long(key).unwrap();
                            assert!(found.ids[..found.count] == ids);
                            kept.insert(piece, ids);
                        }
                    }
                }
            }
        }
        assert!(found_short > 3_000 && found_long > 3_000, "{found_short} {found_long}");
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
