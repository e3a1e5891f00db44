//! One spelling for what is spelt in many ways.

use std::sync::LazyLock;

use fancy_regex::Regex;

use super::super::patterns::{all, class, numbers, pattern, replace};
use super::super::{Scored, Unscorable};

static NEWLINES: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:<n>\s*)+"));
static LAST_NEWLINES: LazyLock<Regex> = LazyLock::new(|| pattern("(?:<n>)+$"));
static BARE_SQRT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?<!\\)sqrt"));
static THREE_BRACES: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:\s*\}){3,}"));
static FRACTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\d?frac\{([\d,.\\pi]+)\}\{([\d,.]+)\}"));
static MIXED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\d+)\{(\d+)/(\d+)\}$"));
static BRACED_NUMBER: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"(?<![a-z\d^}}])\{{({})\}}(?!\d)", numbers("-", r"-?\d+_\d+|"))));
static BRACED_TERM: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?<![a-z\d^}])\{([\d=,\\._+\-*/()]+)\}(?!\d)"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    let before = class("*+-/{^(");
    let after = class("}).+-*/=√₀²³‰¼½¾_×¬^,!:±÷∶∧∨∑∏∪∷≡≠><≤≥");
    let body = r"(?:-?\d+/\d+|-?\d+\.\d+|\d{1,5}(?:,\d{3})+(?:\.\d+)*?|-?\d+)";
    pattern(&format!(r"(?<![\d{before}]){body}(?![\d{after}])"))
});

/// Spellings that mean the same in questions and answers.
const SAME: [(&str, &str); 8] = [
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("\\$", ""),
    ("$", ""),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    ("\\left", ""),
    ("\\right", ""),
];

fn respelt(text: &str, spellings: &[(&str, &str)]) -> String {
    spellings.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// What a model wrote behind `[SEP]`.
pub(super) fn answer(text: &str) -> Scored<String> {
    let text = text.trim().replace("<br>", "<n>");
    let text = respelt(&text, &[("\\!", ""), ("\\;", ""), ("\\,", ""), ("$", ""), ("≈", "="), ("</n>", "<n>")]);
    let text = respelt(&replace(&NEWLINES, &text, "<n>")?, &SAME);
    let text = respelt(
        &text,
        &[
            ("等于", "="),
            ("，", ","),
            ("\\(", ""),
            ("\\)", ""),
            ("\\]", ""),
            ("\\[", ""),
            ("\\cup", "∪"),
            ("<n>。", ""),
        ],
    );
    let text = replace(&LAST_NEWLINES, text.strip_suffix('.').unwrap_or(&text), "")?.into_owned();
    if text.contains("sqrt") { Ok(replace(&BARE_SQRT, &text, "\\sqrt")?.into_owned()) } else { Ok(text) }
}

/// The right answer.
pub(super) struct Gold {
    /// As the set has it, in one spelling.
    pub plain: String,
    /// With fractions as a/b and without braces that are not needed.
    pub text: String,
}

impl Gold {
    /// `answer` is what it will be looked for in: a mixed number becomes a fraction if it is one there.
    pub fn of(gold: &str, answer: &str) -> Scored<Self> {
        let gold = if gold.contains("sqrt") { with_braced_sqrt(gold)? } else { gold.to_owned() };
        let plain = respelt(&respelt(&gold, &SAME), &[(" ", ""), ("\\!", ""), ("\\mbox{inches}^2", "")]);
        let text = match plain.contains("frac") {
            // What cannot be mended stays as it is.
            true => with_plain_fractions(&with_braced_fractions(&plain).unwrap_or_else(|_| plain.clone()))?,
            false => plain.clone(),
        };
        let text = as_fraction(&text, answer)?.unwrap_or(text);
        let text = replace(&BRACED_NUMBER, &text, "$1")?;
        let text = replace(&BRACED_TERM, &text, "$1")?.into_owned();
        Ok(Self { plain, text })
    }

    /// Whether it is a number and nothing else.
    pub fn is_number(&self) -> Scored<bool> {
        Ok(all(&NUMBER, &self.text)? == [self.text.as_str()])
    }
}

/// A mixed number as a fraction, if the answer has it so.
fn as_fraction(text: &str, answer: &str) -> Scored<Option<String>> {
    let Some(found) = MIXED.captures(text).map_err(|_| Unscorable)? else { return Ok(None) };
    let part = |number| found.get(number).and_then(|part| part.as_str().parse::<u64>().ok());
    let (Some(whole), Some(above), Some(below)) = (part(1), part(2), part(3)) else { return Ok(None) };
    let above = whole.checked_mul(below).and_then(|product| product.checked_add(above)).ok_or(Unscorable)?;
    let fraction = format!("{above}/{below}");
    Ok(answer.contains(&fraction).then_some(fraction))
}

/// `\frac{a}{b}` of plain numbers as {a/b}; a text with three braces closing together stays.
pub(super) fn with_plain_fractions(text: &str) -> Scored<String> {
    if !text.contains("frac") || !all(&THREE_BRACES, text)?.is_empty() {
        return Ok(text.to_owned());
    }
    Ok(replace(&FRACTION, text, "{$1/$2}")?.into_owned())
}

/// `\sqrt3` as `\sqrt{3}`.
pub(super) fn with_braced_sqrt(text: &str) -> Scored<String> {
    let mut parts = text.split("\\sqrt");
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        out.push_str("\\sqrt");
        let first = part.chars().next().ok_or(Unscorable)?;
        if first == '{' {
            out.push_str(part);
        } else {
            out.extend(['{', first, '}']);
            out.push_str(&part[first.len_utf8()..]);
        }
    }
    Ok(out)
}

/// `\frac12` as `\frac{1}{2}`.
fn with_braced_fractions(text: &str) -> Scored<String> {
    let mut parts = text.split("\\frac");
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        out.push_str("\\frac");
        let mut chars = part.chars();
        match (chars.next().ok_or(Unscorable)?, chars.next()) {
            ('{', _) => out.push_str(part),
            (_, None) => return Ok(text.to_owned()),
            (above, Some('{')) => {
                out.extend(['{', above, '}']);
                out.push_str(&part[above.len_utf8()..]);
            }
            (above, Some(below)) => {
                out.extend(['{', above, '}', '{', below, '}']);
                out.push_str(chars.as_str());
            }
        }
    }
    Ok(out)
}
