//! Repeated lines and repeated runs of words, counted without making strings of them.
//!
//! Equality is that of 64-bit hashes, with fixed seeds. Most runs of words occur once, so two bit maps
//! ("seen", "seen again") first find the places where a repetition can begin, in memory that stays in the
//! processor's first cache; only those places reach the exact tables.

use xxhash_rust::xxh3::xxh3_64;

use crate::words::Span;

/// Pieces of a text that repeat earlier pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Elements {
    /// All pieces.
    pub(super) count: usize,
    /// Those that occurred before.
    pub(super) duplicates: usize,
    /// Characters in those.
    pub(super) duplicate_chars: usize,
}

impl Elements {
    /// Counts pieces; uses the table of `n_grams`.
    pub(super) fn of<'t>(pieces: impl Iterator<Item = &'t str>, n_grams: &mut NGrams) -> Self {
        let mut elements = Self::default();
        n_grams.hashes.clear();
        for piece in pieces {
            elements.count += 1;
            if n_grams.hashes.insert(xxh3_64(piece.as_bytes())) {
                elements.duplicates += 1;
                elements.duplicate_chars += piece.chars().count();
            }
        }
        elements
    }
}

/// The words of one document, joined, and tables that are reused from document to document.
#[derive(Default)]
pub(super) struct NGrams {
    /// The words' bytes without what lies between them, then [`PADDING`] bytes.
    joined: Vec<u8>,
    /// Where each word begins in `joined`; one more for the end.
    starts: Vec<u32>,
    /// How many characters come before each word; one more for the end.
    chars: Vec<u32>,
    /// Hashes of the words; then of the 2-grams, the 3-grams, in place.
    grams: Vec<u64>,
    places: Vec<u32>,
    seen: BitMaps,
    hashes: HashTable,
}

/// So that 16 bytes can be read from the start of any word.
const PADDING: usize = 16;

impl NGrams {
    /// Takes in a text and where its words lie.
    pub(super) fn read(&mut self, text: &str, words: &[Span]) {
        let bytes = text.as_bytes();
        self.joined.clear();
        self.joined.resize(bytes.len() + 2 * PADDING, 0);
        self.starts.clear();
        let mut end = 0;
        for word in words {
            self.starts.push(end as u32);
            let range = word.range();
            let length = range.len();
            match bytes.get(range.start..range.start + PADDING) {
                // A fixed length is copied without a call; what is too much is overwritten by the next word.
                Some(sixteen) if length <= PADDING => self.joined[end..end + PADDING].copy_from_slice(sixteen),
                _ => self.joined[end..end + length].copy_from_slice(&bytes[range]),
            }
            end += length;
        }
        self.starts.push(end as u32);
        self.joined.truncate(end + PADDING);
        self.joined[end..].fill(0);
        self.count_chars();
    }

    fn count_chars(&mut self) {
        self.chars.clear();
        if self.joined.is_ascii() {
            self.chars.extend_from_slice(&self.starts);
            return;
        }
        let mut chars = 0;
        self.chars.push(0);
        for word in self.starts.windows(2) {
            let bytes = &self.joined[word[0] as usize..word[1] as usize];
            chars += bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count() as u32;
            self.chars.push(chars);
        }
    }

    fn words(&self) -> usize {
        self.starts.len() - 1
    }

    fn chars_of(&self, place: usize, n: usize) -> usize {
        (self.chars[place + n] - self.chars[place]) as usize
    }

    /// For 2-, 3- and 4-grams joined by spaces: characters of the most frequent one (of equals the one seen
    /// first), times its count, even if that is 1; 0 where there are too few words.
    pub(super) fn top(&mut self) -> [usize; 3] {
        let words = self.words();
        self.grams.clear();
        for word in self.starts.windows(2) {
            self.grams.push(hash_word(&self.joined, word[0] as usize, word[1] as usize));
        }
        let mut tops = [0; 3];
        for n in 2..=4 {
            if words < n {
                break;
            }
            // The hash of an n-gram from those of the two (n-1)-grams in it.
            for place in 0..=words - n {
                self.grams[place] = mix(self.grams[place], self.grams[place + 1]);
            }
            self.grams.truncate(words - n + 1);
            if n == 2 {
                self.seen.find_repeated(&self.grams, &mut self.places);
            } else {
                keep_neighbours(&mut self.places);
            }
            let (place, count) = self.hashes.most_frequent(&self.grams, &mut self.places);
            tops[n - 2] = (self.chars_of(place, n) + n - 1) * count;
        }
        tops
    }

    /// For 5- to 10-grams joined by nothing: characters in those that occurred before, each place counted
    /// once: after a repeated n-gram the search goes on behind it.
    pub(super) fn duplicates(&mut self) -> [usize; 6] {
        let words = self.words();
        if words < 5 {
            return [0; 6];
        }
        self.find_starts();
        std::array::from_fn(|index| {
            let n = index + 5;
            self.hashes.clear();
            let (mut repeated, mut next) = (0, 0);
            for &place in &self.places {
                let place = place as usize;
                if place + n > words {
                    break;
                }
                if place < next {
                    continue;
                }
                let gram = &self.joined[self.starts[place] as usize..self.starts[place + n] as usize];
                if self.hashes.insert(xxh3_64(gram)) {
                    repeated += self.chars_of(place, n);
                    next = place + n;
                }
            }
            repeated
        })
    }

    /// Places where an n-gram of five or more words can begin that equals another: its first 16 bytes occur
    /// elsewhere too, or it may be shorter than that.
    fn find_starts(&mut self) {
        let words = self.words();
        self.grams.clear();
        for &start in &self.starts[..=words - 5] {
            let [low, high] = sixteen(&self.joined, start as usize);
            self.grams.push(mix(low, high));
        }
        self.seen.find_repeated(&self.grams, &mut self.places);
        let short = |place: usize| ((self.starts[place + 5] - self.starts[place]) as usize) < PADDING;
        let mut repeated = std::mem::take(&mut self.places).into_iter().peekable();
        self.places = (0..=words - 5)
            .filter(|&place| repeated.next_if_eq(&(place as u32)).is_some() || short(place))
            .map(|place| place as u32)
            .collect();
    }
}

fn sixteen(bytes: &[u8], start: usize) -> [u64; 2] {
    let sixteen: [u8; 16] = bytes[start..start + 16].try_into().expect("sixteen bytes");
    let both = u128::from_le_bytes(sixteen);
    [both as u64, (both >> 64) as u64]
}

#[inline]
fn hash_word(joined: &[u8], start: usize, end: usize) -> u64 {
    let length = end - start;
    if length > PADDING {
        return xxh3_64(&joined[start..end]);
    }
    let [low, high] = sixteen(joined, start);
    let both = u128::from(high) << 64 | u128::from(low);
    let own = both & (u128::MAX >> (8 * (PADDING - length).min(15)));
    mix(own as u64 ^ (length as u64) << 56, (own >> 64) as u64)
}

/// Both halves of a product of 64-bit numbers, folded.
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b.rotate_left(29) ^ 0xD1B5_4A32_D192_ED03);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(b)
}

/// Keeps the places whose right neighbour is there too: an n-gram is repeated only if both (n-1)-grams in
/// it are.
fn keep_neighbours(places: &mut Vec<u32>) {
    let mut kept = 0;
    for at in 0..places.len() {
        if places.get(at + 1) == Some(&(places[at] + 1)) {
            places[kept] = places[at];
            kept += 1;
        }
    }
    places.truncate(kept);
}

/// One bit for "seen", one for "seen again", by hash: never misses a repetition, sometimes invents one.
#[derive(Default)]
struct BitMaps {
    seen: Vec<u64>,
    again: Vec<u64>,
}

impl BitMaps {
    /// The places of hashes that occur more than once, in order.
    fn find_repeated(&mut self, hashes: &[u64], places: &mut Vec<u32>) {
        places.clear();
        let size = (hashes.len() / 4).next_power_of_two();
        for map in [&mut self.seen, &mut self.again] {
            map.clear();
            map.resize(size, 0);
        }
        let slot = |hash: u64| ((hash >> 6) as usize & (size - 1), 1 << (hash & 63));
        for &hash in hashes {
            let (word, bit) = slot(hash);
            self.again[word] |= self.seen[word] & bit;
            self.seen[word] |= bit;
        }
        for (place, &hash) in hashes.iter().enumerate() {
            let (word, bit) = slot(hash);
            if self.again[word] & bit != 0 {
                places.push(place as u32);
            }
        }
    }
}

/// A set of hashes with counts, in flat memory; grows as it fills.
#[derive(Default)]
struct HashTable {
    /// The hash (0 for free), how often it was met, where first.
    slots: Vec<(u64, u32, u32)>,
    filled: usize,
}

impl HashTable {
    fn clear(&mut self) {
        // A table grown by a huge document is not carried along, to be cleared for every small one.
        self.slots.clear();
        self.slots.resize(256, (0, 0, 0));
        self.filled = 0;
    }

    /// Whether the hash was there before.
    fn insert(&mut self, hash: u64) -> bool {
        let slot = self.slot_of(hash, 0);
        let before = slot.1 > 0;
        slot.1 = 1;
        before
    }

    fn slot_of(&mut self, hash: u64, place: u32) -> &mut (u64, u32, u32) {
        if self.filled * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = hash.max(1);
        let at = Self::find(&self.slots, hash);
        if self.slots[at].0 == 0 {
            self.filled += 1;
            self.slots[at] = (hash, 0, place);
        }
        &mut self.slots[at]
    }

    fn find(slots: &[(u64, u32, u32)], hash: u64) -> usize {
        let mask = slots.len() - 1;
        let mut at = (hash >> 20) as usize & mask;
        while slots[at].0 != 0 && slots[at].0 != hash {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let mut larger = vec![(0, 0, 0); self.slots.len() * 4];
        for slot in self.slots.iter().filter(|slot| slot.0 != 0) {
            let at = Self::find(&larger, slot.0);
            larger[at] = *slot;
        }
        self.slots = larger;
    }

    /// The first place and the count of the most frequent hash among `places`, of equals the first met.
    /// Keeps the places whose hash is met more than once; with none, every hash is met once and the first
    /// of all is the answer.
    fn most_frequent(&mut self, hashes: &[u64], places: &mut Vec<u32>) -> (usize, usize) {
        self.clear();
        let mut best = (0, 1);
        for &place in places.iter() {
            self.slot_of(hashes[place as usize], place).1 += 1;
        }
        for slot in &self.slots {
            if slot.1 > best.1 || (slot.1 == best.1 && slot.1 > 1 && slot.2 < best.0) {
                best = (slot.2, slot.1);
            }
        }
        places.retain(|&place| self.slots[Self::find(&self.slots, hashes[place as usize].max(1))].1 > 1);
        (best.0 as usize, best.1 as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    /// The definition, word for word, with strings.
    fn slow(words: &[String]) -> ([usize; 3], [usize; 6]) {
        let chars = |text: &str| text.chars().count();
        let top = std::array::from_fn(|index| {
            let mut counts: HashMap<String, (usize, usize)> = HashMap::new();
            for (place, gram) in words.windows(index + 2).enumerate() {
                counts.entry(gram.join(" ")).or_insert((0, place)).0 += 1;
            }
            let best = counts.iter().max_by_key(|(_, (count, place))| (*count, std::cmp::Reverse(*place)));
            best.map_or(0, |(gram, (count, _))| chars(gram) * count)
        });
        let duplicates = std::array::from_fn(|index| {
            let (n, mut at, mut repeated, mut known) = (index + 5, 0, 0, HashSet::new());
            while at + n <= words.len() {
                let gram = words[at..at + n].concat();
                at += if known.contains(&gram) { n } else { 1 };
                if !known.insert(gram.clone()) {
                    repeated += chars(&gram);
                }
            }
            repeated
        });
        (top, duplicates)
    }

    #[test]
    fn counts_equal_those_of_strings() {
        let mut state = 7u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut n_grams = NGrams::default();
        for round in 0..600 {
            // Few short words, so that n-grams cut at different places join to the same string.
            let kinds = ["a", "ab", "b", "aab", "的", "了不起", "ba", "incomprehensibilities", "é"];
            let words: Vec<String> =
                (0..random(120)).map(|_| kinds[random(2 + round % (kinds.len() - 1))].to_owned()).collect();
            let text = words.join(" ");
            let mut at = 0;
            let spans: Vec<Span> = words
                .iter()
                .map(|word| {
                    let span = Span { start: at as u32, end: (at + word.len()) as u32 };
                    at += word.len() + 1;
                    span
                })
                .collect();
            n_grams.read(&text, &spans);
            assert_eq!((n_grams.top(), n_grams.duplicates()), slow(&words), "{text}");
        }
    }

    #[test]
    fn later_copies_are_duplicates() {
        let elements = Elements::of(["a", "é", "é", "", "", "é"].into_iter(), &mut NGrams::default());
        assert_eq!(elements, Elements { count: 6, duplicates: 3, duplicate_chars: 2 });
    }
}
