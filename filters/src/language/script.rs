//! How much of a text is written in which script.

use std::sync::LazyLock;

/// Scripts that decide, or nearly decide, a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Script {
    /// No letter, or a mark that any script may use.
    None,
    Latin,
    Cyrillic,
    Arabic,
    Devanagari,
    Han,
    Kana,
    Hangul,
    Greek,
    Armenian,
    Hebrew,
    Thaana,
    Bengali,
    Gurmukhi,
    Gujarati,
    Oriya,
    Tamil,
    Telugu,
    Kannada,
    Malayalam,
    Sinhala,
    Thai,
    Lao,
    Tibetan,
    Myanmar,
    Georgian,
    Ethiopic,
    Khmer,
    Mongolian,
    /// Letters of any other script.
    Other,
}

/// Scripts there are.
const SCRIPTS: usize = Script::Other as usize + 1;

/// The script, in blocks of 16 code points: finer than any boundary that matters here.
static BLOCKS: LazyLock<Box<[Script]>> = LazyLock::new(|| (0..0x1000_u32).map(|block| derive(block << 4)).collect());

fn derive(code: u32) -> Script {
    use Script as S;
    match code {
        0x00c0..=0x024f | 0x1e00..=0x1eff | 0x2c60..=0x2c7f | 0xa720..=0xa7ff => S::Latin,
        0x0370..=0x03ff | 0x1f00..=0x1fff => S::Greek,
        0x0400..=0x052f | 0x2de0..=0x2dff | 0xa640..=0xa69f => S::Cyrillic,
        0x0530..=0x058f => S::Armenian,
        0x0590..=0x05ff => S::Hebrew,
        0x0620..=0x06ff | 0x0750..=0x077f | 0x08a0..=0x08ff | 0xfb50..=0xfdff | 0xfe70..=0xfeff => S::Arabic,
        0x0780..=0x07bf => S::Thaana,
        0x0900..=0x097f | 0xa8e0..=0xa8ff => S::Devanagari,
        0x0980..=0x09ff => S::Bengali,
        0x0a00..=0x0a7f => S::Gurmukhi,
        0x0a80..=0x0aff => S::Gujarati,
        0x0b00..=0x0b7f => S::Oriya,
        0x0b80..=0x0bff => S::Tamil,
        0x0c00..=0x0c7f => S::Telugu,
        0x0c80..=0x0cff => S::Kannada,
        0x0d00..=0x0d7f => S::Malayalam,
        0x0d80..=0x0dff => S::Sinhala,
        0x0e00..=0x0e7f => S::Thai,
        0x0e80..=0x0eff => S::Lao,
        0x0f00..=0x0fff => S::Tibetan,
        0x1000..=0x109f | 0xa9e0..=0xa9ff | 0xaa60..=0xaa7f => S::Myanmar,
        0x10a0..=0x10ff | 0x1c90..=0x1cbf | 0x2d00..=0x2d2f => S::Georgian,
        0x1100..=0x11ff | 0x3130..=0x318f | 0xa960..=0xa97f | 0xac00..=0xd7ff => S::Hangul,
        0x1200..=0x139f | 0x2d80..=0x2ddf | 0xab00..=0xab2f => S::Ethiopic,
        0x1780..=0x17ff | 0x19e0..=0x19ff => S::Khmer,
        0x1800..=0x18af => S::Mongolian,
        0x2e80..=0x2fdf | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff => S::Han,
        0x3040..=0x30ff | 0x31f0..=0x31ff | 0xff60..=0xff9f => S::Kana,
        0x07c0..=0x089f | 0x13a0..=0x177f | 0x18b0..=0x1c8f | 0x1cc0..=0x1cff | 0x2c00..=0x2c5f => S::Other,
        0x2c80..=0x2cff | 0x2d30..=0x2d7f | 0x3100..=0x312f | 0xa000..=0xa63f | 0xa6a0..=0xa6ff => S::Other,
        0xa800..=0xa8df | 0xa900..=0xa95f | 0xa980..=0xa9df | 0xaa00..=0xaa5f | 0xaa80..=0xaaff => S::Other,
        0xabc0..=0xabff => S::Other,
        _ => S::None,
    }
}

/// The weight of each script's letters in a text, each letter weighing what [`letter_weight`] says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    letters: [u32; SCRIPTS],
}

impl Shares {
    /// Counts the letters of the texts.
    ///
    /// Cost: ASCII goes by sixteen bytes at a time, the main block of Chinese by its lead byte; all else is one
    /// look-up a character.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut letters = [0_u32; SCRIPTS];
        for text in texts {
            count(text, &mut letters);
        }
        letters[Script::None as usize] = 0;
        Self { letters }
    }

    /// Letters of a script.
    pub fn letters(&self, script: Script) -> u32 {
        self.letters[script as usize]
    }

    /// The weight of a script's letters.
    pub fn weight(&self, script: Script) -> f32 {
        self.letters(script) as f32 * letter_weight(script)
    }

    /// The bytes of a script's letters, all counted as long as the script's commonest.
    pub fn bytes(&self, script: Script) -> f32 {
        self.letters(script) as f32 * letter_bytes(script)
    }

    /// The weight of all letters.
    pub fn total(&self) -> f32 {
        ALL.iter().map(|script| self.weight(*script)).sum()
    }
}

/// The script that most of a text is written in, and the weight of its letters; `None` without letters. Han and kana,
/// which Japanese mixes, are one.
pub(crate) fn main_script(text: &str) -> Option<(u8, f32)> {
    let mut shares = Shares::of(std::iter::once(text));
    shares.letters[Script::Han as usize] += std::mem::take(&mut shares.letters[Script::Kana as usize]);
    let weights = ALL.into_iter().map(|script| (script as u8, shares.weight(script)));
    weights.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, weight)| *weight > 0.0)
}

fn count(text: &str, letters: &mut [u32; SCRIPTS]) {
    let bytes = text.as_bytes();
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic();
    let (mut latin, mut han) = (0, 0);
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            0..0x80 => {
                while let Some(block) = bytes[at..].first_chunk::<16>()
                    && block.is_ascii()
                {
                    latin += block.iter().map(|byte| u8::from(is_letter(byte))).sum::<u8>() as u32;
                    at += 16;
                }
                while bytes.get(at).is_some_and(u8::is_ascii) {
                    latin += u32::from(is_letter(&bytes[at]));
                    at += 1;
                }
            }
            // U+5000 to U+9FFF.
            0xe5..=0xe9 => {
                han += 1;
                at += 3;
            }
            _ => {
                let character = text[at..].chars().next().expect("`at` is inside the text, on a boundary");
                letters[script_of(character) as usize] += 1;
                at += character.len_utf8();
            }
        }
    }
    letters[Script::Latin as usize] += latin;
    letters[Script::Han as usize] += han;
}

/// The script of a character outside ASCII.
fn script_of(character: char) -> Script {
    match character {
        '×' | '÷' => Script::None,
        // The middle dot and the long mark stand in Chinese names and drawings too.
        '・' | 'ー' | '゠' => Script::None,
        '々' | '〇' => Script::Han,
        '\u{20000}'..='\u{3ffff}' => Script::Han,
        _ => BLOCKS.get(character as usize >> 4).copied().unwrap_or(Script::None),
    }
}

/// How many Latin letters a letter weighs as much as. Most Latin letters in a text of another script belong to
/// names, code and formulas, and a Chinese word is one or two characters to five English letters: so a text is
/// Chinese from one character in eleven letters on. Chosen on technical articles full of code; English ones do
/// not come near.
fn letter_weight(script: Script) -> f32 {
    match script {
        Script::None => 0.0,
        Script::Latin => 1.0,
        Script::Han => 10.0,
        Script::Kana | Script::Hangul => 6.0,
        _ => 3.0,
    }
}

/// Bytes of a letter in UTF-8.
fn letter_bytes(script: Script) -> f32 {
    use Script as S;
    match script {
        S::None => 0.0,
        S::Latin => 1.0,
        S::Cyrillic | S::Arabic | S::Greek | S::Armenian | S::Hebrew | S::Thaana => 2.0,
        _ => 3.0,
    }
}

/// All scripts that have letters.
pub(super) const ALL: [Script; SCRIPTS - 1] = {
    use Script as S;
    [
        S::Latin,
        S::Cyrillic,
        S::Arabic,
        S::Devanagari,
        S::Han,
        S::Kana,
        S::Hangul,
        S::Greek,
        S::Armenian,
        S::Hebrew,
        S::Thaana,
        S::Bengali,
        S::Gurmukhi,
        S::Gujarati,
        S::Oriya,
        S::Tamil,
        S::Telugu,
        S::Kannada,
        S::Malayalam,
        S::Sinhala,
        S::Thai,
        S::Lao,
        S::Tibetan,
        S::Myanmar,
        S::Georgian,
        S::Ethiopic,
        S::Khmer,
        S::Mongolian,
        S::Other,
    ]
};
