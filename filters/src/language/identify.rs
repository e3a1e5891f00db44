//! The language of a text: its scripts first, then, where a script leaves a choice, a classifier.

use whatlang::{Detector, Lang};

use super::chinese;
use super::ngrams::{Alphabet, classify};
use super::script::{ALL, Script, Shares};

/// Windows a long text is sampled in.
const WINDOWS: usize = 16;
/// How far a window's edges move for it to begin and end between two words.
const EDGE_BYTES: usize = 24;
/// What the classifier reads of a sample: it needs less than the count of scripts does.
const CLASSIFIED_FRACTION: usize = 6;
/// But no less than this.
const MIN_CLASSIFIED_BYTES: usize = 672;
/// Kana from this share of kana and Han on make a text Japanese.
const JAPANESE_MIN_KANA_FRACTION: f32 = 0.15;
/// Hangul from this share of Hangul and Han on make a text Korean.
const KOREAN_MIN_HANGUL_FRACTION: f32 = 0.3;
/// Latin letters that are prose and not names, terms and code: so many times the other script's bytes, in another
/// language than English, and that with so much probability.
const PROSE_MIN_RATIO: f32 = 1.5;
const PROSE_MIN_PROBABILITY: f32 = 0.8;
/// The least share of a script that is written beside Latin letters in no known language.
const WRITTEN_MIN_FRACTION: f32 = 0.25;
/// The probability below which whatlang is asked about languages that our table does not have.
const SURE_PROBABILITY: f32 = 0.5;

/// A language and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Identified {
    /// ISO 639-1, else ISO 639-3; `zh-Hans` and `zh-Hant` for Chinese; `und` for a text without letters.
    pub language: &'static str,
    /// In [0, 1]: the share of the text's letters in the language's script times the classifier's probability.
    pub score: f32,
}

/// The language of a text, of which at most about `sample_bytes` are looked at, in windows spread evenly.
///
/// # Example
/// ```
/// assert_eq!(yuan_filters::identify("学而时习之", 2048).language, "zh-Hans");
/// ```
pub fn identify(text: &str, sample_bytes: usize) -> Identified {
    let shares = Shares::of(windows(text, sample_bytes));
    let total = shares.total();
    if total == 0.0 {
        return Identified { language: "und", score: 0.0 };
    }
    let part = (sample_bytes / CLASSIFIED_FRACTION).max(MIN_CLASSIFIED_BYTES.min(sample_bytes));
    let (script, bytes) = main_other_script(&shares);
    let latin = (shares.weight(Script::Latin), shares.bytes(Script::Latin));
    let weight = if script == Script::Han {
        EAST_ASIAN.map(|script| shares.weight(script)).iter().sum()
    } else {
        shares.weight(script)
    };
    if latin.0 > weight {
        let (language, probability) = among(Alphabet::Latin, text, sample_bytes, part);
        // Names and code that are no language's, around which someone writes in another script.
        if probability >= SURE_PROBABILITY || weight < WRITTEN_MIN_FRACTION * total {
            return Identified { language, score: latin.0 / total * probability };
        }
    } else if latin.1 >= PROSE_MIN_RATIO * bytes
        && let Some(guess) = classify(windows(text, part), Alphabet::Latin)
        && guess.language != "en"
        && guess.probability >= PROSE_MIN_PROBABILITY
    {
        let score = latin.1 / (latin.1 + bytes) * guess.probability;
        return Identified { language: guess.language, score };
    }
    let (language, probability) = match script {
        Script::Han => (east_asian(&shares, windows(text, part)), 1.0),
        Script::Cyrillic => among(Alphabet::Cyrillic, text, sample_bytes, part),
        Script::Arabic => among(Alphabet::Arabic, text, sample_bytes, part),
        Script::Devanagari => among(Alphabet::Devanagari, text, sample_bytes, part),
        script => (only_language(script), 1.0),
    };
    Identified { language, score: weight / total * probability }
}

/// The scripts that Japanese, Korean and Chinese are written in.
const EAST_ASIAN: [Script; 3] = [Script::Han, Script::Kana, Script::Hangul];

/// The script but Latin that most of a text is written in, and its bytes; the East Asian ones are one, `Han`.
fn main_other_script(shares: &Shares) -> (Script, f32) {
    let east_asian = EAST_ASIAN.map(|script| shares.bytes(script)).iter().sum();
    ALL.into_iter()
        .filter(|script| *script != Script::Latin && !EAST_ASIAN.contains(script))
        .map(|script| (script, shares.bytes(script)))
        .fold((Script::Han, east_asian), |best, next| if next.1 > best.1 { next } else { best })
}

fn east_asian<'a>(shares: &Shares, texts: impl Iterator<Item = &'a str>) -> &'static str {
    let [han, kana, hangul] = EAST_ASIAN.map(|script| shares.letters(script) as f32);
    match () {
        () if hangul >= KOREAN_MIN_HANGUL_FRACTION * (hangul + han) && hangul > kana => "ko",
        () if kana >= JAPANESE_MIN_KANA_FRACTION * (kana + han) => "ja",
        () => chinese::variant(texts),
    }
}

/// One of the languages of an alphabet; another one if the text does not look like ours and whatlang is sure.
fn among(alphabet: Alphabet, text: &str, sample_bytes: usize, part: usize) -> (&'static str, f32) {
    // In a mixed text the part may miss all letters of the alphabet.
    let guess = classify(windows(text, part), alphabet).or_else(|| classify(windows(text, sample_bytes), alphabet));
    let Some(guess) = guess else {
        return ("und", 0.0);
    };
    let ours = (guess.language, guess.probability);
    if guess.probability >= SURE_PROBABILITY || alphabet != Alphabet::Latin {
        return ours;
    }
    ask_whatlang(text, part).unwrap_or(ours)
}

/// What whatlang is sure of, if it is a language that our table does not have.
fn ask_whatlang(text: &str, sample_bytes: usize) -> Option<(&'static str, f32)> {
    let sample: String = windows(text, sample_bytes).collect();
    let info = Detector::new().detect(&sample).filter(whatlang::Info::is_reliable)?;
    let language = match info.lang() {
        Lang::Zul => "zu",
        Lang::Sna => "sn",
        Lang::Aka => "ak",
        _ => return None,
    };
    Some((language, info.confidence() as f32))
}

/// The one language (or by far the commonest one) of a script.
fn only_language(script: Script) -> &'static str {
    match script {
        Script::Greek => "el",
        Script::Armenian => "hy",
        Script::Hebrew => "he",
        Script::Thaana => "dv",
        Script::Bengali => "bn",
        Script::Gurmukhi => "pa",
        Script::Gujarati => "gu",
        Script::Oriya => "or",
        Script::Tamil => "ta",
        Script::Telugu => "te",
        Script::Kannada => "kn",
        Script::Malayalam => "ml",
        Script::Sinhala => "si",
        Script::Thai => "th",
        Script::Lao => "lo",
        Script::Tibetan => "bo",
        Script::Myanmar => "my",
        Script::Georgian => "ka",
        Script::Ethiopic => "am",
        Script::Khmer => "km",
        Script::Mongolian => "mn",
        _ => "und",
    }
}

/// The whole text, or windows of it that hold about `bytes` together: the first at its start, the last at its
/// end, the others evenly between, each beginning and ending at a space if there is one near.
pub(super) fn windows(text: &str, bytes: usize) -> impl Iterator<Item = &str> + Clone {
    let (count, size) = if text.len() <= bytes { (1, text.len()) } else { (WINDOWS, bytes / WINDOWS) };
    let room = text.len() - size;
    (0..count).map(move |window| {
        let at = boundary(text, room * window / (count - 1).max(1));
        let start = if at == 0 { 0 } else { space_from(text, at).unwrap_or(at) };
        let end = boundary(text, at + size);
        &text[start.min(end)..space_from(text, end).unwrap_or(end)]
    })
}

/// The first space close to `at` or after it.
fn space_from(text: &str, at: usize) -> Option<usize> {
    let near = &text.as_bytes()[at..text.len().min(at + EDGE_BYTES)];
    near.iter().position(|byte| matches!(byte, b' ' | b'\n')).map(|place| at + place)
}

/// The last character boundary up to `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_both_ends_and_no_more_than_asked() {
        let text = "甲".repeat(500) + &"乙".repeat(500);
        let sample: Vec<&str> = windows(&text, 240).collect();
        assert_eq!(sample.len(), WINDOWS);
        assert!(sample.concat().len() <= 240);
        assert!(sample[0].starts_with('甲') && sample[WINDOWS - 1].ends_with('乙'));
        assert_eq!(windows("短", 240).collect::<String>(), "短");
        assert_eq!(windows("", 0).collect::<String>(), "");
        assert_eq!(windows("甲乙", 1).collect::<String>(), "");
    }

    #[test]
    fn windows_hold_whole_words() {
        let text = "antidisestablishment of the people ".repeat(200);
        for window in windows(&text, 1024) {
            assert!(window.split_whitespace().all(|word| text.starts_with(word) || "of the people".contains(word)));
            assert!((1..=64 + 2 * EDGE_BYTES).contains(&window.len()));
        }
    }
}
