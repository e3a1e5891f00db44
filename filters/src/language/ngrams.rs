//! Tells the languages of one script apart: a linear classifier over hashed letter n-grams.
//!
//! Features as whichlang (0.1) and fastText have them, weights of our own: `ngrams.bin` holds 2¹⁴ buckets of 24
//! signed bytes, trained by `tests/fixtures/language/train.py`, which also says on what.

use std::ops::Range;
use std::sync::LazyLock;

/// Logits a row of the table has: the languages, padded to whole vectors.
const COLUMNS: usize = 24;
const BUCKET_BITS: u32 = 14;
/// Longest n-gram, in letters and edge spaces.
const LONGEST: usize = 4;
/// What stands for everything that is no letter.
const SPACE: u16 = b' ' as u16;

/// The languages told apart, in the order of the table's columns.
pub(super) const LANGUAGES: [&str; 23] = [
    "cs", "da", "de", "en", "es", "fi", "fr", "hu", "id", "it", "ms", "nl", "pl", "pt", "ro", "sv", "tr", "vi", "bg",
    "ru", "uk", "ar", "fa",
];

/// Letters that none of the languages of their alphabet uses, but neighbours of theirs do.
const FOREIGN: &str = "əħġżķņļģīėųįŭĝĉĵŵŷðþłľĺŕǆǉǌ ўјљњћђџѓќѕәғқңөұүһ ٹڈڑےںہھۓېۍځڅډړښڭۇۆۈەێڕ";

/// Scripts in which several of our languages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    Latin,
    Cyrillic,
    Arabic,
}

impl Alphabet {
    fn columns(self) -> Range<usize> {
        match self {
            Self::Latin => 0..18,
            Self::Cyrillic => 18..21,
            Self::Arabic => 21..23,
        }
    }

    fn of(code: u16) -> Self {
        match code {
            0x400..=0x52f => Self::Cyrillic,
            0x620..=0x6d5 => Self::Arabic,
            _ => Self::Latin,
        }
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let (scale, rows) = include_bytes!("ngrams.bin").split_first_chunk().expect("the table begins with its scale");
    let rows: &[[u8; COLUMNS]] = rows.as_chunks().0;
    assert_eq!(rows.len(), 1 << BUCKET_BITS, "the table was cut");
    Table { scale: f32::from_le_bytes(*scale), rows, letters: fold_table() }
});

struct Table {
    scale: f32,
    rows: &'static [[u8; COLUMNS]],
    letters: Box<[Letter; 0x2000]>,
}

/// A code point below U+2000, folded.
#[derive(Clone, Copy)]
struct Letter {
    /// Its lower case; a space for what is no letter of the three scripts.
    code: u16,
    foreign: bool,
}

fn fold_table() -> Box<[Letter; 0x2000]> {
    let mut letters = Box::new([Letter { code: SPACE, foreign: false }; 0x2000]);
    for code in 0..0x2000_u16 {
        let is_letter = matches!(code,
            0x41..=0x5a | 0x61..=0x7a | 0xc0..=0xd6 | 0xd8..=0xf6 | 0xf8..=0x24f | 0x1e00..=0x1eff
            | 0x400..=0x52f | 0x620..=0x64a | 0x66e..=0x6d3 | 0x6d5);
        let lower = char::from_u32(u32::from(code)).and_then(|letter| letter.to_lowercase().next());
        if let Some(lower) = lower.filter(|_| is_letter) {
            let folded = u16::try_from(lower as u32).unwrap_or(code);
            letters[usize::from(code)] = Letter { code: folded, foreign: FOREIGN.contains(lower) };
        }
    }
    letters
}

/// What the classifier makes of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    pub language: &'static str,
    /// Softmax over the languages of the alphabet, in [0, 1].
    pub probability: f32,
    /// Letters that none of the alphabet's languages uses, as a fraction.
    pub foreign_fraction: f32,
}

/// The likeliest of our languages for the letters of one alphabet; letters of others count as spaces.
///
/// Cost: four table rows a letter, no allocation.
pub(super) fn classify<'a>(texts: impl Iterator<Item = &'a str>, alphabet: Alphabet) -> Option<Guess> {
    let table = &*TABLE;
    let mut sums = Sums::default();
    let (mut letters, mut foreign) = (0_u32, 0_u32);
    for text in texts {
        let mut word = Word::default();
        // The closing space ends the last word.
        for character in text.chars().chain([' ']) {
            let letter =
                table.letters.get(character as usize).copied().unwrap_or(Letter { code: SPACE, foreign: false });
            if letter.code != SPACE && Alphabet::of(letter.code) == alphabet {
                letters += 1;
                foreign += u32::from(letter.foreign);
                word.push(letter.code, &mut sums, table);
            } else {
                word.end(&mut sums, table);
            }
        }
    }
    if letters == 0 {
        return None;
    }
    let logits = sums.means(table.scale);
    let columns = alphabet.columns();
    let logits = &logits[columns.clone()];
    let (best, top) =
        logits.iter().copied().enumerate().fold((0, f32::MIN), |best, next| if next.1 > best.1 { next } else { best });
    let total: f32 = logits.iter().map(|logit| (logit - top).exp()).sum();
    Some(Guess {
        language: LANGUAGES[columns.start + best],
        probability: total.recip(),
        foreign_fraction: foreign as f32 / letters as f32,
    })
}

/// The word under way: hashes of its last 1, 2, 3 and 4 letters, its opening space included.
struct Word {
    hashes: [u32; LONGEST],
    length: usize,
}

impl Default for Word {
    fn default() -> Self {
        Self { hashes: [extend(0, SPACE), 0, 0, 0], length: 1 }
    }
}

impl Word {
    fn push(&mut self, code: u16, sums: &mut Sums, table: &Table) {
        let [one, two, three, _] = self.hashes;
        self.hashes = [extend(0, code), extend(one, code), extend(two, code), extend(three, code)];
        self.length += 1;
        // A space by itself tells nothing.
        let shortest = usize::from(code == SPACE);
        for hash in &self.hashes[shortest..self.length.min(LONGEST)] {
            let bucket = hash.wrapping_mul(0x85eb_ca6b) >> (u32::BITS - BUCKET_BITS);
            sums.add(&table.rows[bucket as usize]);
        }
    }

    fn end(&mut self, sums: &mut Sums, table: &Table) {
        if self.length > 1 {
            self.push(SPACE, sums, table);
            *self = Self::default();
        }
    }
}

/// The hash of an n-gram with one more letter.
fn extend(hash: u32, code: u16) -> u32 {
    let mixed = (hash ^ u32::from(code)).wrapping_mul(0x9e37_79b1);
    mixed ^ (mixed >> 15)
}

/// Sums of rows: short ones, emptied into long ones before they can overflow.
#[derive(Default)]
struct Sums {
    short: [i16; COLUMNS],
    long: [i32; COLUMNS],
    rows: u32,
}

impl Sums {
    fn add(&mut self, row: &[u8; COLUMNS]) {
        for (sum, weight) in self.short.iter_mut().zip(row) {
            *sum += i16::from(weight.cast_signed());
        }
        self.rows += 1;
        // 256 rows of at least -127 stay within 16 bits.
        if self.rows.is_multiple_of(256) {
            self.empty();
        }
    }

    fn empty(&mut self) {
        for (long, short) in self.long.iter_mut().zip(&mut self.short) {
            *long += i32::from(std::mem::take(short));
        }
    }

    fn means(mut self, scale: f32) -> [f32; COLUMNS] {
        self.empty();
        self.long.map(|sum| sum as f32 * scale / self.rows as f32)
    }
}
