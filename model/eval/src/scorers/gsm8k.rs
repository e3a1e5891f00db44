//! GSM8K: the last number, or the right one standing by itself near the end.

use std::sync::LazyLock;

use fancy_regex::Regex;

use super::clean::without_last_newlines;
use super::patterns::{all, class, numbers, pattern, replace};
use super::standing::{count, is_digit, none_of, number, some_but};
use super::{Scored, Unscorable, Version, answer_of};

/// What may not follow the right answer, beside digits.
const AFTER_ANSWER: &str = "xyzXYZ.+-*/=()√₀²³‰¼½¾_×¬^,!:±÷∶∧∨∑∏∪∷≡≠><≤≥";
/// What may not follow a number, beside digits. Yuan 2.0 has more.
const AFTER_NUMBER: &str = "+-*/=()√₀²³‰¼½¾_×¬^:±÷∶∧∨∑∏∪∷≡≠><≤≥";

static BOXED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\boxed\{\s*([\d.,/]+)\s*\}\.?"));
static THREE_BRACES: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:\s*\}){3,}"));
static FRACTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\d?frac\{([\d,.]+)\}\{([\d,.]+)\}"));
static NUMBERS: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    ["xyzXYZ,!", ""].map(|more| {
        let after = class(&[more, AFTER_NUMBER].concat());
        pattern(&format!(r"{}(?![\d{after}])", numbers("[-+]", "")))
    })
});

/// The end of an answer, where the result is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The last part that has a digit.
    end: String,
    /// What the part before the last says, if the last has no `=`.
    before: Option<String>,
    /// Numbers of the end.
    numbers: Vec<String>,
}

impl Ending {
    /// Finds the end of a record's answer.
    ///
    /// # Errors
    /// A record without `[SEP]`.
    pub fn of(version: Version, record: &str) -> Scored<Self> {
        let record = replace(&BOXED, without_last_newlines(record), "$1")?;
        let mut answer = answer_of(&record)?.replace("<br>", "<n>");
        for (from, to) in [("\\!", ""), ("\\;", ""), ("\\,", ""), ("$$", " "), ("$", ""), (" ", ""), ("≈", "=")] {
            answer = answer.replace(from, to);
        }
        let parts: Vec<&str> = answer.split("<n>").collect();
        let (last, earlier) = parts.split_last().ok_or(Unscorable)?;
        let mut end = *last;
        let mut before = None;
        if let Some(previous) = earlier.last() {
            if !end.contains('=') {
                before = Some(format!("<n>{}", after_last_equals(previous)));
            }
            for part in earlier.iter().rev().take(2) {
                if end.is_empty() || end.contains(is_digit) {
                    break;
                }
                end = part;
            }
        }
        let end = match version {
            Version::M32 if end.contains('=') => format!("答案为：{}。", after_last_equals(end)),
            Version::M32 => end.to_owned(),
            Version::Yuan2 => format!("<n>{}", after_last_equals(end)),
        };
        let end = with_plain_fractions(&end.replace("\\\\%", "%").replace("\\%", "%"))?;
        let before = before.map(|text| with_plain_fractions(&text)).transpose()?;
        let numbers = &NUMBERS[usize::from(version == Version::M32)];
        let numbers = all(numbers, &end)?.into_iter().map(str::to_owned).collect();
        Ok(Self { end, before, numbers })
    }

    /// Whether `gold` is what it says.
    ///
    /// # Errors
    /// A division by zero, a right answer that is no number where numbers are compared.
    pub fn says(&self, gold: &str) -> Scored<bool> {
        let stands = |text: &str| count(text, gold, some_but("+-*/"), none_of(AFTER_ANSWER)) > 0;
        if stands(&self.end) {
            return Ok(true);
        }
        if self.numbers.is_empty() {
            return Ok(self.before.as_deref().is_some_and(stands));
        }
        let gold = number(&gold.replace([',', ' '], "")).ok_or(Unscorable)?;
        for text in self.numbers.iter().rev().take(3) {
            if value(text)? == gold {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The answer, for votes: the last number in one spelling.
    pub fn answer(&self) -> Option<String> {
        value(self.numbers.last()?).ok().map(|value| value.to_string())
    }
}

/// Whether a record's answer is right.
///
/// # Errors
/// As for [`Ending::of`] and [`Ending::says`].
pub fn is_correct(version: Version, record: &str, gold: &str) -> Scored<bool> {
    Ending::of(version, record)?.says(gold)
}

fn after_last_equals(text: &str) -> &str {
    text.rsplit('=').next().unwrap_or(text)
}

/// `\frac{a}{b}` of plain numbers as a/b; a text with three braces closing together stays.
fn with_plain_fractions(text: &str) -> Scored<String> {
    if !text.contains("frac") || !all(&THREE_BRACES, text)?.is_empty() {
        return Ok(text.to_owned());
    }
    Ok(replace(&FRACTION, text, "$1/$2")?.into_owned())
}

fn value(text: &str) -> Scored<f64> {
    let text = text.replace(',', "");
    let Some((above, below)) = text.split_once('/') else { return number(&text).ok_or(Unscorable) };
    match (number(above), number(below)) {
        (Some(above), Some(below)) if below != 0.0 => Ok(above / below),
        _ => Err(Unscorable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_are_for_the_last_number_in_one_spelling() {
        let answer = |text: &str| Ending::of(Version::M32, &format!("Q[SEP]{text}")).ok().and_then(|end| end.answer());
        assert_eq!(answer("5 + 5 = 1,0"), Some("0".into()), "no thousands");
        assert_eq!(answer("It is 1,234 dollars"), Some("1234".into()));
        assert_eq!((answer("7/2"), answer("1/0"), answer("none")), (Some("3.5".into()), None, None));
        assert_eq!(Ending::of(Version::M32, "no separator"), Err(Unscorable));
    }
}
