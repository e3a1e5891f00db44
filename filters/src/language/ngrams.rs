//! Tells the languages of one script apart: letter n-grams and words, hashed to rows of a table, summed, and told
//! apart by a linear layer.
//!
//! The model of fastText (Joulin et al. 2016, arXiv:1607.01759) with two changes: no dictionary, since a word is
//! one more hash, and sums divided by n^¾ and not by n, so that a long text makes surer than a short one. The
//! numbers are in `ngrams.bin`; `MODEL_CARD.md` tells what they were trained on and what they are good for, and
//! `tests/fixtures/language/train.py` trains them. Sums are of integers and everything after is plain arithmetic:
//! results are the same on every machine.

use std::ops::Range;
use std::sync::LazyLock;

/// Rows of the table.
const ROWS: usize = 122_000;
/// Numbers in a row.
const DIMENSIONS: usize = 24;
/// Columns of the linear layer: the languages, padded to whole vectors.
const COLUMNS: usize = 64;
/// Longest n-gram, in letters and edge spaces.
const LONGEST: usize = 4;
/// What stands for everything that is no letter.
const SPACE: u16 = b' ' as u16;
/// What stands for marks that are read over.
const SKIPPED: u16 = 0;
/// Rows that are read together.
const PENDING: usize = 256;
/// Letters after which a passage is judged, at the next end of a word.
const PASSAGE_LETTERS: u32 = 96;

/// The languages told apart, in the order of the layer's columns.
pub(super) const LANGUAGES: [&str; 57] = [
    "cs", "da", "de", "en", "es", "fi", "fr", "hu", "id", "it", "ms", "nl", "pl", "pt", "ro", "sv", "tr", "vi", "sw",
    "af", "az", "ca", "cy", "eo", "et", "eu", "ga", "gl", "hr", "is", "jv", "la", "lt", "lv", "mt", "nb", "sk", "sl",
    "sq", "tk", "tl", "uz", "ku", // Latin
    "bg", "ru", "uk", "be", "sr", "mk", "kk", "ky", // Cyrillic
    "ar", "fa", "ur", // Arabic
    "hi", "mr", "ne", // Devanagari
];

/// Scripts in which several of our languages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    Latin,
    Cyrillic,
    Arabic,
    Devanagari,
}

impl Alphabet {
    fn columns(self) -> Range<usize> {
        match self {
            Self::Latin => 0..43,
            Self::Cyrillic => 43..51,
            Self::Arabic => 51..54,
            Self::Devanagari => 54..57,
        }
    }

    fn of(code: u16) -> Self {
        match code {
            0x400..=0x52f => Self::Cyrillic,
            0x600..=0x6ff => Self::Arabic,
            0x900..=0x97f => Self::Devanagari,
            _ => Self::Latin,
        }
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    const ROWS_BYTES: usize = ROWS * DIMENSIONS;
    const LAYER_BYTES: usize = (DIMENSIONS + 1) * LANGUAGES.len() * 4;
    let bytes: &[u8; ROWS_BYTES + LAYER_BYTES] = include_bytes!("ngrams.bin");
    let (rows, layer) = bytes.split_at(ROWS_BYTES);
    let numbers: Vec<f32> = layer.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let columns = |numbers: &[f32]| std::array::from_fn(|column| numbers.get(column).copied().unwrap_or(0.0));
    let mut layer = numbers.chunks_exact(LANGUAGES.len()).map(columns);
    let bias = layer.next().expect("the layer begins with its bias");
    let weights = std::array::from_fn(|_| layer.next().expect("a row of the layer for each dimension"));
    Table { rows: rows.as_chunks().0, weights, bias, letters: fold_table() }
});

struct Table {
    rows: &'static [[u8; DIMENSIONS]],
    weights: [[f32; COLUMNS]; DIMENSIONS],
    bias: [f32; COLUMNS],
    letters: Box<[u16; 0x2000]>,
}

/// Code points below U+2000 → the lower case; a space for what is no letter of the four scripts.
fn fold_table() -> Box<[u16; 0x2000]> {
    let mut letters = Box::new([SPACE; 0x2000]);
    for code in 0..0x2000_u16 {
        let is_letter = matches!(code,
            0x41..=0x5a | 0x61..=0x7a | 0xc0..=0xd6 | 0xd8..=0xf6 | 0xf8..=0x24f | 0x259 | 0x1e00..=0x1eff
            | 0x400..=0x481 | 0x48a..=0x52f
            | 0x620..=0x63f | 0x641..=0x64a | 0x66e..=0x66f | 0x671..=0x6d3 | 0x6d5
            | 0x900..=0x963 | 0x971..=0x97f);
        // Combining accents, the soft hyphen, the Arabic elongation and vowel marks.
        let is_skipped = matches!(code, 0x300..=0x36f | 0xad | 0x640 | 0x64b..=0x65f | 0x670);
        let lower = char::from_u32(u32::from(code)).and_then(|letter| letter.to_lowercase().next());
        match lower {
            Some(lower) if is_letter => letters[usize::from(code)] = u16::try_from(lower as u32).unwrap_or(code),
            _ if is_skipped => letters[usize::from(code)] = SKIPPED,
            _ => {}
        }
    }
    letters
}

/// What the classifier makes of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    pub language: &'static str,
    /// Mean probability of the language over the text's passages, in [0, 1].
    pub probability: f32,
}

/// The likeliest of our languages for the letters of one alphabet; letters of others count as spaces.
///
/// Every passage of about a hundred letters is judged by itself; the language is the one that the passages,
/// weighed by their letters, hold likeliest. A long text is thus as sure as its passages are, and not surer. A capital
/// behind a small letter begins a word: names in program code are words of English then.
///
/// Cost: four table rows a letter and one a word, no allocation.
pub(super) fn classify<'a>(texts: impl Iterator<Item = &'a str>, alphabet: Alphabet) -> Option<Guess> {
    let table = &*TABLE;
    let mut passages = Passages::new(alphabet, table);
    for text in texts {
        let mut word = Word::default();
        let mut after_small = false;
        // The closing space ends the last word.
        for character in text.chars().chain([' ']) {
            let letter = table.letters.get(character as usize).copied().unwrap_or(SPACE);
            if letter == SKIPPED {
                continue;
            }
            if letter != SPACE && Alphabet::of(letter) == alphabet {
                let is_capital = u32::from(letter) != character as u32;
                if is_capital && after_small && word.length > 1 {
                    word.end(&mut passages);
                }
                after_small = !is_capital;
                passages.letters += 1;
                word.push(letter, &mut passages);
            } else if word.length > 1 {
                word.end(&mut passages);
                if passages.letters >= PASSAGE_LETTERS {
                    passages.judge();
                }
            }
        }
    }
    passages.judge();
    passages.guess()
}

/// The word under way: hashes of its last 1 to 4 letters, its opening space included, and of the whole.
struct Word {
    hashes: [u32; LONGEST],
    whole: u32,
    length: usize,
}

impl Default for Word {
    fn default() -> Self {
        Self { hashes: [extend(0, SPACE), 0, 0, 0], whole: 7, length: 1 }
    }
}

impl Word {
    fn push(&mut self, letter: u16, passages: &mut Passages<'_>) {
        let [one, two, three, _] = self.hashes;
        self.hashes = [extend(0, letter), extend(one, letter), extend(two, letter), extend(three, letter)];
        self.length += 1;
        if letter != SPACE {
            self.whole = extend_word(self.whole, letter);
        }
        // A space by itself tells nothing.
        let shortest = usize::from(letter == SPACE);
        for hash in &self.hashes[shortest..self.length.min(LONGEST)] {
            passages.add(*hash);
        }
    }

    fn end(&mut self, passages: &mut Passages<'_>) {
        self.push(SPACE, passages);
        // Shorter ones are n-grams by themselves.
        if self.length > LONGEST {
            passages.add(self.whole);
        }
        *self = Self::default();
    }
}

/// The hash of an n-gram with one more letter.
fn extend(hash: u32, letter: u16) -> u32 {
    let mixed = (hash ^ u32::from(letter)).wrapping_mul(0x9e37_79b1);
    mixed ^ (mixed >> 15)
}

/// The hash of a word with one more letter.
fn extend_word(hash: u32, letter: u16) -> u32 {
    let mixed = (hash ^ u32::from(letter)).wrapping_mul(0xcc9e_2d51);
    mixed ^ (mixed >> 16)
}

/// The passage under way, and the probabilities found in those before it.
struct Passages<'a> {
    table: &'a Table,
    columns: Range<usize>,
    /// Places of rows to be added.
    pending: [u32; PENDING],
    waiting: usize,
    /// Sums of the rows added.
    sums: [i32; DIMENSIONS],
    rows: u32,
    letters: u32,
    /// Probabilities of the passages judged, times their letters.
    found: [f32; COLUMNS],
    all_letters: u32,
}

impl<'a> Passages<'a> {
    fn new(alphabet: Alphabet, table: &'a Table) -> Self {
        let (pending, sums, found) = ([0; PENDING], [0; DIMENSIONS], [0.0; COLUMNS]);
        let columns = alphabet.columns();
        Self { table, columns, pending, waiting: 0, sums, rows: 0, letters: 0, found, all_letters: 0 }
    }

    fn add(&mut self, hash: u32) {
        let mixed = u64::from(hash.wrapping_mul(0x85eb_ca6b));
        self.pending[self.waiting] = ((mixed * ROWS as u64) >> 32) as u32;
        self.waiting += 1;
        if self.waiting == PENDING {
            self.sum();
        }
    }

    /// Adds the rows that wait. They are read together, so that waiting for memory overlaps.
    fn sum(&mut self) {
        // 256 rows of at least -127 stay within 16 bits.
        let mut sums = [0_i16; DIMENSIONS];
        for place in &self.pending[..self.waiting] {
            for (sum, number) in sums.iter_mut().zip(&self.table.rows[*place as usize]) {
                *sum += i16::from(number.cast_signed());
            }
        }
        for (long, short) in self.sums.iter_mut().zip(sums) {
            *long += i32::from(short);
        }
        self.rows += self.waiting as u32;
        self.waiting = 0;
    }

    fn judge(&mut self) {
        if self.letters == 0 {
            return;
        }
        self.sum();
        let root = (self.rows as f32).sqrt();
        let scale = (root * root.sqrt()).recip();
        let mut logits = self.table.bias;
        for (sum, weights) in self.sums.iter().zip(&self.table.weights) {
            let sum = *sum as f32 * scale;
            for (logit, weight) in logits.iter_mut().zip(weights) {
                *logit += sum * weight;
            }
        }
        let logits = &mut logits[self.columns.clone()];
        let top = logits.iter().copied().fold(f32::MIN, f32::max);
        let mut total = 0.0;
        for logit in &mut *logits {
            *logit = exponential(*logit - top);
            total += *logit;
        }
        let weight = self.letters as f32 / total;
        for (found, likelihood) in self.found.iter_mut().zip(logits) {
            *found += *likelihood * weight;
        }
        self.all_letters += self.letters;
        (self.sums, self.rows, self.letters) = ([0; DIMENSIONS], 0, 0);
    }

    fn guess(&self) -> Option<Guess> {
        let found = self.found.iter().copied().enumerate();
        let (best, sum) = found.fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best });
        let probability = (sum / self.all_letters as f32).min(1.0);
        (self.all_letters > 0).then(|| Guess { language: LANGUAGES[self.columns.start + best], probability })
    }
}

/// e to the `power`, for powers of at most 0: within 1e-6 of it, and the same on every machine, which the libraries of
/// systems are not.
fn exponential(power: f32) -> f32 {
    let binary = (power * std::f32::consts::LOG2_E).max(-126.0);
    let whole = binary.floor();
    let rest = (binary - whole) * std::f32::consts::LN_2;
    // Taylor's series up to the seventh power; its rest is below 1e-6.
    let series = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let fraction = series.into_iter().fold(0.0, |sum, factor| sum * rest + factor);
    fraction * f32::from_bits(((whole as i32 + 127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_library() {
        for step in 0..2000 {
            let power = step as f32 * -0.04;
            assert!((exponential(power) - power.exp()).abs() <= 1e-6, "{power}");
        }
    }

    #[test]
    fn marks_are_read_over_and_case_does_not_matter() {
        let of = |text| classify(std::iter::once(text), Alphabet::Latin).expect("letters");
        let (plain, other) = (of("the weather was fine"), of("The wea\u{ad}ther WAS fine!"));
        assert_eq!((plain.language, plain.probability), (other.language, other.probability));
        assert!(classify(std::iter::once("學而時習之 123"), Alphabet::Latin).is_none());
        let (joined, spaced) = (of("getElementById setFontSize"), of("get element by id set font size"));
        assert_eq!((joined.language, joined.probability), (spaced.language, spaced.probability));
    }

    #[test]
    fn a_long_text_is_as_sure_as_its_passages() {
        let of = |text: &str| classify(std::iter::once(text), Alphabet::Latin).expect("letters");
        let passage = "The weather was fine, so we went out to see what the people of the town were doing all day, ";
        let once = of(&passage.repeat(2));
        let often = of(&passage.repeat(600));
        assert_eq!((once.language, often.language), ("en", "en"));
        assert!((once.probability - often.probability).abs() < 0.02, "{once:?} {often:?}");
    }
}
