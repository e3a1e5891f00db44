//! The letter of an option in English answers: ARC and MMLU as Yuan2.0-M32 scores them.
//!
//! Ways to say it are tried in turn; the first that occurs decides, by its last occurrence.

use std::sync::LazyLock;

use fancy_regex::Regex;

use super::patterns::{all, all_groups, is_in, pattern, replace};
use super::{Scored, answer_of};

/// Spellings that are the letter and nothing else.
static UNWRAPPED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\\rm\s*\{([A-Z]+)\}", "$1"),
        (r"\\mathrm\s*\{([A-Z]+)\}", "$1"),
        (r"\\boxed\s*\{\s*([A-Z]+)\s*\}\s*", "$1"),
        (r"\\text\s*\{\(?([A-Z]+)\)?\}", "$1"),
        (r"<font[^>]*?>([A-K]+)</font>", "$1"),
        (r"\\textbf\s*\{\(([A-Z]+)\)\}", "$1."),
        (r"\\mathbf\s*\{([^{]*?)\}", "$1"),
    ]
    .map(|(from, to)| (pattern(from), to))
    .into()
});

/// "the best answer", in all words for best.
const BEST: &str = "(correct|most appropriate|most accurate|plausible|reasonable|best|closest)";
/// A letter and what ends it.
const LETTER: &str = r"([A-K])\s*[),:.]";

static SAID_TO_BE: LazyLock<Regex> = LazyLock::new(|| {
    let best = BEST.replacen('(', "(?:", 1);
    pattern(&format!(r"{best} (?:answer|option|Option|statement) (?:is|would be)[option\s<n>:*(]*?{LETTER}"))
});
/// The quotation stands between: "the best answer to "…" is B."; what was best is the first group.
static SAID_OF_QUOTED: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r#"{BEST} answer [\sa-z]*? "[^"]*?"[isoption\s<n>:*(]*?{LETTER}"#)));
static QUOTED_THEN_SAID: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r#"[oO]ption {LETTER}[\sa-z]*? "[^"]*?"[a-z\s]*?the correct answer"#)));
static OPTION_IS_CORRECT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[oO]ption ([A-K])(?:\s*[.)][\s:a-zA-Z]{0,10}|) is the correct answer"));
static ANSWER_IS: LazyLock<Regex> = LazyLock::new(|| pattern(r" answer (?:is|would be) .*?[A-K]\s*[).]"));
static LETTERS: LazyLock<Regex> = LazyLock::new(|| pattern("[A-K]"));
static INCORRECT_IS: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"incorrect statement (?:is|would be)[option\s<n>:*(]*?{LETTER}")));
static IN_PART: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:option|answer|Option|answer|)[a-z\s]*?([A-K])[\s.,:)]"));
static NONE_IS: LazyLock<Regex> = LazyLock::new(|| pattern(r"none of the [a-z\s*] options are correct."));

/// The letter, or letters, that a record's answer chooses; `None` if it chooses none.
///
/// # Errors
/// A record without `[SEP]`.
pub fn letters(record: &str) -> Scored<Option<String>> {
    let record = record.trim();
    let question = record.split("[SEP]").next().unwrap_or("");
    let is_negated = ["错误", "incorrect", "not true", "False", "无法推断"].iter().any(|word| question.contains(word));
    let mut answer = answer_of(record)?.replace('$', "");
    for (wide, letter) in [("Ａ", "A"), ("Ｂ", "B"), ("Ｃ", "C"), ("Ｄ", "D")] {
        answer = answer.replace(wide, letter);
    }
    for (wrapped, letter) in &*UNWRAPPED {
        answer = replace(wrapped, &answer, letter)?.into_owned();
    }
    if is_in(&NONE_IS, &answer)? {
        return Ok(None);
    }
    let Some(found) = find(&answer, is_negated)? else { return Ok(None) };
    let mut found: Vec<char> = found.chars().collect();
    found.sort_unstable();
    found.dedup();
    Ok(Some(found.into_iter().collect()))
}

fn find(answer: &str, is_negated: bool) -> Scored<Option<String>> {
    let last = |pattern: &Regex, text: &str| -> Scored<Option<String>> {
        Ok(all_groups(pattern, text)?.last().map(|letter| (*letter).to_owned()))
    };
    if let Some(letter) = last(&SAID_TO_BE, answer)? {
        return Ok(Some(letter));
    }
    let quoted = SAID_OF_QUOTED.captures_iter(answer).last().transpose().map_err(|_| super::Unscorable)?;
    if let Some(found) = quoted {
        // The published scorer finds no letter behind "closest".
        let is_read = found.get(1).is_some_and(|best| best.as_str() != "closest");
        return Ok(found.get(2).filter(|_| is_read).map(|letter| letter.as_str().to_owned()));
    }
    for pattern in [&*QUOTED_THEN_SAID, &*OPTION_IS_CORRECT] {
        if let Some(letter) = last(pattern, answer)? {
            return Ok(Some(letter));
        }
    }
    if let Some(said) = all(&ANSWER_IS, answer)?.last() {
        return Ok(all(&LETTERS, said)?.last().map(|letter| (*letter).to_owned()));
    }
    if is_negated {
        let all = all_groups(&INCORRECT_IS, answer)?;
        if !all.is_empty() {
            return Ok(Some(all.concat()));
        }
    }
    for part in answer.rsplit("<n>").take(2) {
        if let Some(letter) = last(&IN_PART, part)? {
            return Ok(Some(letter));
        }
    }
    Ok(None)
}

/// The right letter as a set's file has it, without "Answer:" and full stops.
pub fn gold(text: &str) -> String {
    let mut text = text.replace(' ', "");
    for word in ["Answer:", "Answer：", ".", "Answers:", "Answers："] {
        text = text.replace(word, "");
    }
    text.trim().to_owned()
}
