//! A right answer that is one number.

use std::sync::LazyLock;

use fancy_regex::{Captures, Regex};

use super::super::patterns::{all, all_groups, class, is_in, numbers, pattern, replace};
use super::super::standing::{count, is_digit, none_of, number};
use super::super::{Scored, Unscorable};
use super::normal::{Gold, with_plain_fractions};
use super::{ANSWER, Answer};

/// Signs of mathematics.
const SIGNS: &str = "√₀²³‰¼½¾×¬^!π:±÷∶∧∨∑∏∪∷≡≠><≤≥";
/// What may not stand before the right answer, nor before a number.
const BEFORE: &str = "*+-/({^[_><≤≥√";
/// What may not follow the right answer.
const AFTER_ANSWER: &str = "}.+-*/=)]\\√₀²³‰¼½¾_×¬^!π±÷∶∧∨∑∏∪∷≡≠><≤≥";

/// Numbers that stand between other signs than these.
fn numbers_beside(before: &str, after: &str) -> Regex {
    pattern(&format!(r"(?<![\d{before}]){}(?![\d{after}])", numbers("-", "")))
}

static IN_QUESTION: LazyLock<Regex> =
    LazyLock::new(|| numbers_beside(&class("*+-/({[^><≤≥_√"), &class("}+)]-*/=√₀²³‰¼½¾_×¬^,!:±÷∶∧∨∑∏∪∷≡≠><≤≥")));
/// Behind "answer is" letters do not stand beside a number; elsewhere they may.
static IN_END: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    ["", "a-zA-Z"].map(|letters| {
        let (before, after) = (class(BEFORE), class(&["}+)-*/=_]", SIGNS].concat()));
        numbers_beside(&format!("{letters}{before}"), &format!("{letters}{after}"))
    })
});
static ANYWHERE: LazyLock<Regex> =
    LazyLock::new(|| numbers_beside(&class("*+-/({^[_"), &class(&["}+)-*/=]", SIGNS].concat())));
static PERCENT: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"(?<![\d{}])(-?\d+(?:\.\d+)?)%", class("*+-/({^[_"))));
static ROOT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?<![\d{+\-*/])\\sqrt\{[^}]*?\}(?![}+\-*/])"));
static LIST: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:-?\d+\s*[、，,]){2,}-?\s*\d+"));
static PI_FRACTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\frac\s*\{[^}]*?pi[^}]*?\}\s*\{[^}]*?\}"));
static PI_PARTS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\{([^}]*)\}"));
static INTEGER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^-?\d+$"));

/// What is stripped from numbers: braces and parentheses, spaces beside signs, indices of roots.
static STRIPPED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let number = numbers("-", r"-?\d+_\d+|");
    let signs = class(".*+-/(){}^[]_=√₀²³‰¼½¾×¬^!π:±÷∶∧∨∑∏∪∷≡≠><≤≥");
    vec![
        (pattern(r"(?<![a-z\d^])\{+(-?\d+\.?\d+/\d+\.?\d+)\}+(?!\d)"), "$1"),
        (pattern(&format!(r"(?<![a-z\d^}}])\{{+({number})\}}+(?!\d)")), "$1"),
        (pattern(&format!(r"(?<![a-z\d^}}])\(+({number})\)+(?!\d)")), "$1"),
        (pattern(r"\\sqrt\s*\{\[\}(?=\d+\])"), "\\sqrt["),
        (pattern(r"\\sqrt\s*\[\s*(\d+)s*\](\d+)"), "\\sqrt[$1]{$2}"),
        (pattern(&format!(r"(?<=[{signs}])\s+(?=[a-zA-Z\d])")), ""),
        (pattern(&format!(r"(?<=\d)\s+(?=[{signs}])")), ""),
    ]
});
static BRACED_IN_QUESTION: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"(?<![a-z\d^}}])[{{(]+({})[}})]+(?!\d)", numbers("-", r"-?\d+_\d+|"))));

pub(super) fn is_correct(answer: &Answer, gold: &Gold) -> Scored<bool> {
    let question = with_plain_fractions(&answer.question)?;
    let question = replace(&BRACED_IN_QUESTION, &question, "$1")?;
    let asked = all(&IN_QUESTION, &question)?;
    let end = ending(answer)?;
    let is_told = end.contains(ANSWER);
    let mut found: Vec<String> = all(&IN_END[usize::from(is_told)], &end)?.into_iter().map(str::to_owned).collect();
    if found.is_empty() {
        found = all(&ANYWHERE, &end)?.into_iter().map(str::to_owned).collect();
    }
    let mut is_readable = true;
    for percent in all_groups(&PERCENT, &end)? {
        // The published scorer reads whole percents only, and looks at nothing else once it met others.
        let Ok(whole) = percent.parse::<i64>() else {
            is_readable = false;
            break;
        };
        found.insert(0, (whole as f64 / 100.0).to_string());
    }
    if is_readable && end.contains("sqrt") {
        for root in all(&ROOT, &end)? {
            found.insert(0, root.to_owned());
        }
    }
    let is_letter = |char: Option<char>| is_told && char.is_some_and(|char| char.is_ascii_alphabetic());
    let dot = |char: Option<char>| is_told && char == Some('.');
    let (before, after) = (none_of(BEFORE), none_of(AFTER_ANSWER));
    let stands = match is_readable {
        true => count(
            &end,
            &gold.text,
            |char| before(char) && !is_letter(char) && !dot(char),
            |char| after(char) && !is_letter(char),
        ),
        false => 0,
    };
    if is_guess(gold, &end, &found, &asked, stands)? {
        return Ok(false);
    }
    Ok(stands > 0 || is_equal(gold, &found, &asked))
}

/// The part that has the answer.
fn ending(answer: &Answer) -> Scored<String> {
    let mut end = match &answer.told {
        Some(told) => told.clone(),
        None => {
            let says_nothing = |part: &str| {
                !part.is_empty() && !part.contains(is_digit) && !part.contains(ANSWER) && !part.contains("answer")
            };
            let backwards = (1..=answer.parts.len().min(3)).map(|nth| answer.last(nth));
            let mut chosen = "";
            for part in backwards {
                chosen = part;
                if !says_nothing(part) {
                    break;
                }
            }
            chosen.to_owned()
        }
    };
    if let Some((_, result)) = end.rsplit_once('=') {
        end = format!("{ANSWER}{result}。");
    }
    for (from, to) in [("\\\\%", "%"), ("\\%", "%"), ("\\leq", "≤"), ("\\le", "≤"), ("\\geq", "≥"), ("\\ge", "≥")]
    {
        end = end.replace(from, to);
    }
    if end.contains("度数") {
        end = with_degrees(&end)?;
    }
    end = with_plain_fractions(&end.replace("\\frac ", "\\frac").replace("\\pi", "π"))?;
    for (from, to) in &*STRIPPED {
        end = replace(from, &end, to)?.into_owned();
    }
    Ok(end)
}

/// The last fraction of π, where degrees are asked for, in degrees.
fn with_degrees(end: &str) -> Scored<String> {
    let Some(fraction) = all(&PI_FRACTION, end)?.last().map(|fraction| (*fraction).to_owned()) else {
        return Ok(end.to_owned());
    };
    let plain = fraction.replace(' ', "");
    let parts: Vec<Captures<'_>> = PI_PARTS.captures_iter(&plain).filter_map(Result::ok).collect();
    let part = |nth: usize| parts.get(nth).and_then(|part| part.get(1)).and_then(|part| arithmetic(part.as_str()));
    let (Some(above), Some(below)) = (part(0), part(1).filter(|below| *below != 0.0)) else { return Err(Unscorable) };
    Ok(end.replace(&fraction, &(above / below * 180.0 / std::f64::consts::PI).to_string()))
}

/// Whether the answer only enumerates, or changes its mind.
fn is_guess(gold: &Gold, end: &str, found: &[String], asked: &[&str], stands: usize) -> Scored<bool> {
    let is_plain = !gold.plain.is_empty() && gold.plain.chars().all(is_digit);
    if is_in(&INTEGER, &gold.plain)?
        && let Some(list) = all(&LIST, end)?.last()
    {
        let most = number(&gold.plain).ok_or(Unscorable)?;
        let items = |separator: char| list.split(separator).count() as f64;
        if items('、') > most || list.replace('，', "").split(',').count() as f64 > most {
            return Ok(true);
        }
    }
    let changed = matches!(found, [_, last] if !asked.contains(&last.as_str()) && *last != gold.plain);
    Ok(is_plain && (changed || stands > 5))
}

/// Whether one of the last three numbers is the right one, and none that the question gave.
fn is_equal(gold: &Gold, found: &[String], asked: &[&str]) -> bool {
    let text = gold.text.replace([',', ' ', '\\'], "");
    let Some((right, decimals)) = right(&text) else { return false };
    let mut is_right = false;
    for text in found.iter().rev().take(3) {
        if asked.contains(&text.as_str()) && *text != gold.plain {
            continue;
        }
        // What cannot be computed ends the comparison; what was found before it counts.
        let Some(value) = value(&text.replace([',', ' '], "")) else { return is_right };
        is_right |= rounded(value, decimals) == rounded(right, decimals);
    }
    is_right
}

/// The right number, and the decimals it is compared to.
fn right(text: &str) -> Option<(f64, usize)> {
    let value = value(text)?;
    let spelt = if text.contains('/') { value.to_string() } else { text.to_owned() };
    let decimals = spelt.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    Some((value, decimals.max(5)))
}

fn value(text: &str) -> Option<f64> {
    if let Some(radicand) = text.replace('\\', "").strip_prefix("sqrt{").and_then(|rest| rest.strip_suffix('}')) {
        // A fraction under a root is beyond the published scorer.
        return arithmetic(radicand).filter(|radicand| *radicand >= 0.0 && !text.contains('/')).map(f64::sqrt);
    }
    let Some((above, below)) = text.split_once('/') else {
        // Python takes no integer that begins with 0.
        let digits = text.trim_start_matches('-');
        let is_odd =
            digits.len() > 1 && digits.starts_with('0') && !digits.contains('.') && digits.contains(|it| it != '0');
        return number(text).filter(|_| !is_odd);
    };
    let (above, below) = (number(above)?, number(below)?);
    (below != 0.0).then_some(above / below)
}

fn rounded(value: f64, decimals: usize) -> f64 {
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

/// Sums and products of numbers and π.
fn arithmetic(text: &str) -> Option<f64> {
    let text = text.replace("\\pi", "π");
    let mut sum = 0.0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < text.len() {
        let sign = if bytes[at] == b'-' { -1.0 } else { 1.0 };
        if matches!(bytes[at], b'+' | b'-') {
            at += 1;
        }
        let end = text[at..].find(['+', '-']).map_or(text.len(), |end| at + end);
        let mut product = sign;
        for (nth, factor) in text[at..end].split('*').enumerate() {
            let mut quotients = factor.split('/').map(|part| match part {
                "π" => Some(std::f64::consts::PI),
                number_text => number(number_text).filter(|_| !number_text.is_empty()),
            });
            let first = quotients.next()??;
            let value = quotients.try_fold(first, |value, part| part.filter(|it| *it != 0.0).map(|it| value / it))?;
            product = if nth == 0 { sign * value } else { product * value };
        }
        sum += product;
        at = end;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::super::is_correct;
    use super::*;

    #[test]
    fn arithmetic_is_done_as_far_as_answers_need_it() {
        assert_eq!(arithmetic("2*3+4"), Some(10.0));
        assert_eq!(arithmetic("-6/3-1"), Some(-3.0));
        assert_eq!(arithmetic("5*\\pi"), Some(5.0 * std::f64::consts::PI));
        assert_eq!((arithmetic(""), arithmetic("2x"), arithmetic("1/0")), (None, None, None));
        assert_eq!((value("007"), value("sqrt{16}"), value("\\sqrt{1/4}")), (None, Some(4.0), None));
    }

    #[test]
    fn guesses_do_not_count() {
        let right = |text: &str, gold| is_correct(&format!("Q[SEP]{text}"), gold);
        assert_eq!(right("the answer is 1,2,3", "2"), Ok(false), "more than two are listed");
        assert_eq!(right("it is 4, or 9", "4"), Ok(false), "it ends with another");
        assert_eq!(right("so \\sqrt{16}", "4"), Ok(true));
        assert_eq!(right("the answer is 2.500001", "2.5"), Ok(true), "five decimals are compared");
        assert_eq!(right("the answer is 2.51", "2.5"), Ok(false));
    }
}
