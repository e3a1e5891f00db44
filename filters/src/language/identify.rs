//! The language of a text: its scripts first, then, where a script leaves a choice, a classifier.

use whatlang::{Detector, Lang};

use super::chinese;
use super::ngrams::{Alphabet, classify};
use super::script::{ALL, Script, Shares};

/// Windows a long text is sampled in.
const WINDOWS: usize = 16;
/// What the classifier reads of a sample: it needs less than the count of scripts does.
const CLASSIFIED_FRACTION: usize = 4;
/// But no less than this.
const MIN_CLASSIFIED_BYTES: usize = 1024;
/// Kana from this share of kana and Han on make a text Japanese.
const JAPANESE_MIN_KANA_FRACTION: f32 = 0.15;
/// Hangul from this share of Hangul and Han on make a text Korean.
const KOREAN_MIN_HANGUL_FRACTION: f32 = 0.3;
/// Letters foreign to all languages of our table from which whatlang is asked, and the probability below which.
const MAX_FOREIGN_FRACTION: f32 = 0.01;
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
    let (han, kana, hangul) =
        (shares.letters(Script::Han), shares.letters(Script::Kana), shares.letters(Script::Hangul));
    let east_asian: f32 = [Script::Han, Script::Kana, Script::Hangul].iter().map(|script| shares.weight(*script)).sum();
    let (script, weight) = ALL
        .into_iter()
        .filter(|script| !matches!(script, Script::Han | Script::Kana | Script::Hangul))
        .map(|script| (script, shares.weight(script)))
        .fold((Script::Han, east_asian), |best, next| if next.1 > best.1 { next } else { best });
    let part = (sample_bytes / CLASSIFIED_FRACTION).max(MIN_CLASSIFIED_BYTES.min(sample_bytes));
    let (language, probability) = match script {
        Script::Han if hangul as f32 >= KOREAN_MIN_HANGUL_FRACTION * (hangul + han) as f32 && hangul > kana => {
            ("ko", 1.0)
        }
        Script::Han if kana as f32 >= JAPANESE_MIN_KANA_FRACTION * (kana + han) as f32 => ("ja", 1.0),
        Script::Han => (chinese::variant(windows(text, part)), 1.0),
        Script::Latin => among(Alphabet::Latin, text, sample_bytes, part),
        Script::Cyrillic => among(Alphabet::Cyrillic, text, sample_bytes, part),
        Script::Arabic => among(Alphabet::Arabic, text, sample_bytes, part),
        Script::Devanagari => ask_whatlang(text, part).unwrap_or(("hi", 1.0)),
        script => (only_language(script), 1.0),
    };
    Identified { language, score: weight / total * probability }
}

/// One of the languages of an alphabet; another one if the text does not look like ours and whatlang is sure.
fn among(alphabet: Alphabet, text: &str, sample_bytes: usize, part: usize) -> (&'static str, f32) {
    // In a mixed text the part may miss all letters of the alphabet.
    let guess = classify(windows(text, part), alphabet).or_else(|| classify(windows(text, sample_bytes), alphabet));
    let Some(guess) = guess else {
        return ("und", 0.0);
    };
    let ours = (guess.language, guess.probability);
    if guess.probability >= SURE_PROBABILITY && guess.foreign_fraction <= MAX_FOREIGN_FRACTION {
        return ours;
    }
    ask_whatlang(text, part).filter(|theirs| theirs.0 != guess.language).unwrap_or(ours)
}

/// What whatlang is sure of, if it is a language that our table does not have.
fn ask_whatlang(text: &str, sample_bytes: usize) -> Option<(&'static str, f32)> {
    let sample: String = windows(text, sample_bytes).collect();
    let info = Detector::new().detect(&sample).filter(whatlang::Info::is_reliable)?;
    Some((outside_code(info.lang())?, info.confidence() as f32))
}

/// The code of a language that shares its script with others and is not in our table.
fn outside_code(language: Lang) -> Option<&'static str> {
    Some(match language {
        Lang::Epo => "eo",
        Lang::Ukr | Lang::Rus | Lang::Bul | Lang::Ara | Lang::Pes => return None,
        Lang::Bel => "be",
        Lang::Srp => "sr",
        Lang::Mkd => "mk",
        Lang::Urd => "ur",
        Lang::Mar => "mr",
        Lang::Nep => "ne",
        Lang::Hrv => "hr",
        Lang::Slv => "sl",
        Lang::Slk => "sk",
        Lang::Cat => "ca",
        Lang::Nob => "nb",
        Lang::Lit => "lt",
        Lang::Lav => "lv",
        Lang::Est => "et",
        Lang::Aze => "az",
        Lang::Uzb => "uz",
        Lang::Tuk => "tk",
        Lang::Tgl => "tl",
        Lang::Afr => "af",
        Lang::Lat => "la",
        Lang::Jav => "jv",
        Lang::Zul => "zu",
        Lang::Sna => "sn",
        Lang::Aka => "ak",
        Lang::Cym => "cy",
        _ => return None,
    })
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
/// end, the others evenly between.
pub(super) fn windows(text: &str, bytes: usize) -> impl Iterator<Item = &str> + Clone {
    let (count, size) = if text.len() <= bytes { (1, text.len()) } else { (WINDOWS, bytes / WINDOWS) };
    let room = text.len() - size;
    (0..count).map(move |window| {
        let start = boundary(text, room * window / (count - 1).max(1));
        &text[start..boundary(text, start + size)]
    })
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
}
