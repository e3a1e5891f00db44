//! Repeated lines and repeated runs of words, counted without making strings of them.
//!
//! Equality is that of 64-bit hashes, with fixed seeds. Most runs of words occur once, so two bit maps
//! ("seen", "seen again") first find the places where a repetition can begin, in memory that stays in the
//! processor's first cache; only those places reach the exact tables.

mod tables;

use std::cell::RefCell;

use xxhash_rust::xxh3::xxh3_64;

use crate::words::Span;
pub(super) use tables::BitMaps;
use tables::{HashCounts, HashSet};

/// Lends the tables that one thread uses for all its documents.
pub(super) fn with_n_grams<R>(use_them: impl FnOnce(&mut NGrams) -> R) -> R {
    thread_local! {
        static N_GRAMS: RefCell<NGrams> = RefCell::default();
    }
    N_GRAMS.with_borrow_mut(use_them)
}

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
    /// Counts pieces; uses the memory of `n_grams`.
    pub(super) fn of<'t>(pieces: impl Iterator<Item = &'t str> + Clone, n_grams: &mut NGrams) -> Self {
        let mut elements = Self::default();
        n_grams.known.clear(pieces.clone().count());
        for piece in pieces {
            elements.count += 1;
            if n_grams.known.insert(xxh3_64(piece.as_bytes())) {
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
    /// Places where repeated n-grams may begin, in order.
    places: Vec<u32>,
    /// A hash for each of these.
    keys: Vec<u64>,
    /// For each word, how many bytes from its start on occur nowhere else, in round numbers.
    bounds: Vec<u32>,
    seen: BitMaps,
    known: HashSet,
    counts: HashCounts,
}

/// So that this many bytes can be read from the start of any word.
const PADDING: usize = 48;

/// Words of up to this many bytes are copied and hashed without a call.
const SHORT: usize = 16;

impl NGrams {
    /// Takes in a text and where its words lie.
    pub(super) fn read(&mut self, text: &str, words: &[Span]) {
        let bytes = text.as_bytes();
        self.joined.clear();
        self.joined.resize(bytes.len() + PADDING + SHORT, 0);
        self.starts.clear();
        self.starts.reserve(words.len() + 1);
        let mut end = 0;
        for word in words {
            self.starts.push(end as u32);
            let range = word.range();
            let length = range.len();
            match bytes[range.start..].first_chunk::<SHORT>() {
                // What is too much is overwritten by the next word.
                Some(short) if length <= SHORT => self.joined[end..end + SHORT].copy_from_slice(short),
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
        self.chars.extend(self.starts.windows(2).map(|word| {
            let (start, end) = (word[0] as usize, word[1] as usize);
            chars += match end - start {
                length @ ..SHORT => {
                    let bytes = self.joined[start..start + SHORT].try_into().expect("sixteen bytes");
                    short_chars(u128::from_le_bytes(bytes), length)
                }
                _ => self.joined[start..end].iter().filter(|&&byte| byte & 0xC0 != 0x80).count() as u32,
            };
            chars
        }));
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
        let joined = &self.joined;
        let mut hashes = self.starts.windows(2).map(|word| hash_word(joined, word[0] as usize, word[1] as usize));
        let mut before = hashes.next().unwrap_or(0);
        self.keys.clear();
        self.keys.extend(hashes.map(|hash| mix(std::mem::replace(&mut before, hash), hash)));
        self.places.clear();
        self.places.extend(0..self.keys.len() as u32);
        self.seen.keep_repeated(&mut self.keys, &mut self.places, |_| ());
        std::array::from_fn(|index| {
            let n = index + 2;
            if words < n {
                return 0;
            }
            if n > 2 {
                join_neighbours(&mut self.keys, &mut self.places);
            }
            let (place, count) = self.counts.most_frequent(&mut self.keys, &mut self.places);
            (self.chars_of(place, n) + n - 1) * count
        })
    }

    /// For 5- to 10-grams joined by nothing: characters in those that occurred before, each place counted
    /// once: after a repeated n-gram the search goes on behind it.
    pub(super) fn duplicates(&mut self) -> [usize; 6] {
        let words = self.words();
        if words < 5 {
            return [0; 6];
        }
        self.find_bounds();
        self.places.clear();
        self.places.extend(0..=(words - 5) as u32);
        std::array::from_fn(|index| {
            let n = index + 5;
            let (starts, bounds) = (&self.starts, &self.bounds);
            // A longer n-gram can only be repeated where a shorter one could be.
            self.places.retain(|&place| {
                let place = place as usize;
                let bound = bounds[place];
                place + n <= words && starts[place + n] - starts[place] < bound
            });
            self.known.clear(self.places.len());
            let (mut repeated, mut next) = (0, 0);
            for &place in &self.places {
                let place = place as usize;
                if place < next {
                    continue;
                }
                let gram = self.starts[place] as usize..self.starts[place + n] as usize;
                if self.known.insert(xxh3_64(&self.joined[gram])) {
                    repeated += self.chars_of(place, n);
                    next = place + n;
                }
            }
            repeated
        })
    }

    /// Finds for each word the shortest of [`PREFIXES`] that, read from there, occurs nowhere else: a run
    /// of words that is at least as long cannot be repeated.
    fn find_bounds(&mut self) {
        let Self { joined, starts, places, keys, bounds, seen, .. } = self;
        let words = starts.len() - 1;
        bounds.clear();
        bounds.resize(words, u32::MAX);
        places.clear();
        places.extend(0..words as u32);
        keys.clear();
        keys.resize(words, 0);
        let mut before = 0;
        for prefix in PREFIXES {
            for (key, &place) in keys.iter_mut().zip(places.iter()) {
                let start = starts[place as usize] as usize;
                for eight in joined[start + before..start + prefix].as_chunks::<8>().0 {
                    *key = mix(*key, u64::from_le_bytes(*eight));
                }
            }
            seen.keep_repeated(keys, places, |place| bounds[place as usize] = prefix as u32);
            before = prefix;
        }
    }
}

/// Lengths in bytes.
const PREFIXES: [usize; 5] = [8, 16, 24, 32, 48];

#[inline]
fn hash_word(joined: &[u8], start: usize, end: usize) -> u64 {
    let length = end - start;
    if length > SHORT {
        return xxh3_64(&joined[start..end]);
    }
    let short = joined[start..start + SHORT].try_into().expect("sixteen bytes");
    let own = u128::from_le_bytes(short) & (u128::MAX >> (8 * (SHORT - length).min(15)));
    mix(own as u64 ^ (length as u64) << 56, (own >> 64) as u64)
}

/// The characters of a word of fewer than sixteen bytes, the first ones of these.
#[inline]
fn short_chars(bytes: u128, length: usize) -> u32 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let own = bytes & ((1 << (8 * length)) - 1);
    // A bit for each byte that goes on with a character (10xxxxxx).
    let marks = [own as u64, (own >> 64) as u64].map(|eight| eight >> 7 & !(eight >> 6) & LOW);
    let inside = (marks[0] + marks[1]).wrapping_mul(LOW) >> 56;
    length as u32 - inside as u32
}

/// Both halves of a product of 64-bit numbers, folded.
#[inline]
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b.rotate_left(29) ^ 0xD1B5_4A32_D192_ED03);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(b)
}

/// From places and hashes of n-grams that are repeated to those where an (n+1)-gram may be: it is repeated
/// only if both n-grams in it are.
pub(super) fn join_neighbours(keys: &mut Vec<u64>, places: &mut Vec<u32>) {
    let mut kept = 0;
    for at in 1..places.len() {
        if places[at] == places[at - 1] + 1 {
            places[kept] = places[at - 1];
            keys[kept] = mix(keys[at - 1], keys[at]);
            kept += 1;
        }
    }
    places.truncate(kept);
    keys.truncate(kept);
}

/// How many of the first `grams` n-grams of characters occur more than once among these, every copy counted.
pub(super) fn repeated_chars(tables: &mut NGrams, chars: &[char], n: usize, grams: usize) -> usize {
    const BASE: u64 = 0x9E37_79B9_7F4A_7C15;
    let top = (1..n).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let NGrams { keys, places, seen, counts, .. } = tables;
    keys.clear();
    let mut hash = 0_u64;
    for (at, &character) in chars.iter().enumerate().take(grams + n - 1) {
        if at >= n {
            hash = hash.wrapping_sub((chars[at - n] as u64 + 1).wrapping_mul(top));
        }
        hash = hash.wrapping_mul(BASE).wrapping_add(character as u64 + 1);
        if at + 1 >= n {
            keys.push(mix(hash, hash >> 32));
        }
    }
    keys.truncate(grams);
    places.clear();
    places.extend(0..keys.len() as u32);
    seen.keep_repeated(keys, places, |_| ());
    counts.count_repeated(keys)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

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
            let (n, mut at, mut repeated, mut known) = (index + 5, 0, 0, std::collections::HashSet::new());
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
            let long = "incomprehensibilities".repeat(1 + round % 4);
            let long = long.as_str();
            let kinds = ["a", "ab", "b", "aab", "的", "了不起", "ba", long, "é"];
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
    fn repeated_n_grams_of_characters_are_all_counted() {
        let count = |text: &str, n: usize| {
            let chars: Vec<char> = text.chars().collect();
            let grams = (chars.len() + 1).saturating_sub(n);
            repeated_chars(&mut NGrams::default(), &chars, n, grams)
        };
        assert_eq!(count("春夏秋冬春夏秋冬", 2), 6);
        assert_eq!(count("春夏秋冬春夏秋冬", 4), 2);
        assert_eq!(count("aaaa", 2), 3);
        assert_eq!((count("春夏秋冬", 2), count("春", 2), count("", 2)), (0, 0, 0));
    }

    #[test]
    fn later_copies_are_duplicates() {
        let elements = Elements::of(["a", "é", "é", "", "", "é"].into_iter(), &mut NGrams::default());
        assert_eq!(elements, Elements { count: 6, duplicates: 3, duplicate_chars: 2 });
    }
}
