//! A right answer that is an expression: it must stand in the answer as it is, or in one of its other spellings.

use std::sync::LazyLock;

use fancy_regex::Regex;

use super::super::patterns::{is_in, numbers, pattern, replace};
use super::super::standing::{count, is_digit, none_of};
use super::super::{Scored, Unscorable};
use super::normal::{Gold, with_braced_sqrt, with_plain_fractions};
use super::{ANSWER, Answer};

/// What may not stand before it, beside digits.
const BEFORE: &str = "+-*/^><≤≥∩∪{";
/// What may not follow it, beside digits.
const AFTER: &str = "+-*/=√₀}²³‰¼½¾_×¬^!±÷∧∨∑∏∪∷≡≠><≤≥";

static ROOT_SIGN: LazyLock<Regex> = LazyLock::new(|| pattern(r"√(?=\d)"));
/// Braces and parentheses that are not needed, taken away in this order.
static STRIPPED: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let number = numbers("-", r"\d+_\d+|");
    let braced = format!(r"(?<![a-z\d^}}])\{{({number})\}}(?!\d)");
    vec![
        pattern(r"(?<![a-z\d^])\{+(-?\d+\.?\d+/\d+\.?\d+)\}+(?!\d)"),
        pattern(&braced),
        pattern(&braced),
        pattern(&format!(r"(?<![a-z\d^}}])\(+({number})\)+(?!\d)")),
        pattern(r"(?<![a-z\d^}])[{(](\([\d=,._+\-*/()]+\))[})](?!\d)"),
        pattern(r"(?<![a-z\d^}])\{([\d=,\\._+\-*/()]+)\}(?!\d)"),
    ]
});
static COMPLEX: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(-?\d+)([+\-]\d+)([ij])$"));
static SOLVED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-zA-Z]=(\d+)$"));
static IN_BASE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\d+)_\d+$"));

pub(super) fn is_correct(answer: &Answer, gold: &Gold) -> Scored<bool> {
    let mut end = answer.end().to_owned();
    if !end.contains(is_digit) && answer.parts.len() > 1 {
        end = answer.last(2).to_owned();
    }
    if !gold.text.contains('=')
        && let Some((_, result)) = end.rsplit_once('=')
    {
        end = format!("{ANSWER}{result}。");
    }
    let end = end.replace('π', "\\pi").replace(' ', "");
    let end = replace(&ROOT_SIGN, &end, "\\sqrt")?.into_owned();
    let end = with_braced_sqrt(&end).unwrap_or(end);
    let mut end = with_plain_fractions(&end)?;
    for braces in &*STRIPPED {
        end = replace(braces, &end, "$1")?.into_owned();
    }
    let spellings = spellings(gold)?;
    Ok(spellings.iter().any(|spelling| count(&end, &spelling.replace(' ', ""), none_of(BEFORE), none_of(AFTER)) > 0))
}

/// The ways in which the right answer may be written.
fn spellings(gold: &Gold) -> Scored<Vec<String>> {
    let plain = gold.plain.replace("x\\in", "");
    let group = |pattern: &Regex, nth: usize| -> Scored<Option<String>> {
        let found = pattern.captures(&plain).map_err(|_| Unscorable)?;
        Ok(found.and_then(|found| found.get(nth).map(|group| group.as_str().to_owned())))
    };
    let other = if plain.contains("frac") {
        vec![gold.text.clone()]
    } else if gold.text == "\\cotx" {
        return Ok(["\\cotx", "1/tan(x)", "1/tanx"].map(str::to_owned).into());
    } else if is_in(&COMPLEX, &plain)? {
        let part = |nth| group(&COMPLEX, nth)?.and_then(|text| text.parse::<i64>().ok()).ok_or(Unscorable);
        let (real, imaginary) = (part(1)?, part(2)?);
        let unit = group(&COMPLEX, 3)?.unwrap_or_default();
        vec![format!("{imaginary}{unit}+{real}").replace("+-", "-")]
    } else {
        let number = match group(&SOLVED, 1)? {
            Some(number) => Some(number),
            None => group(&IN_BASE, 1)?,
        };
        number.into_iter().collect()
    };
    Ok([plain].into_iter().chain(other).collect())
}
