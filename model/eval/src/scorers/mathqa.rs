//! The letters of options in Chinese answers: AGIEval's Gaokao mathematics as Yuan 2.0 scores it.
//!
//! Ways to say it are tried in turn; the first that occurs decides, by its last occurrence. A question that asks for what is
//! wrong is answered by what is said to be wrong.

use std::sync::LazyLock;

use fancy_regex::Regex;

use super::clean::without_last_newlines;
use super::patterns::{all, all_groups, is_in, pattern, replace};
use super::{Scored, Unscorable, answer_of};

/// Words of questions that ask for what is wrong.
static NEGATED: LazyLock<Regex> = LazyLock::new(|| pattern("错误|不合理|不正确|不[是会]|不发生|False|无法推断"));

/// Slips of recognition, and spellings that are letters and nothing else.
static TIDIED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        ("<n>股癣|弧选|<n>个选", "故选"),
        (r"\\rm\s*\{([A-Z]+)\}", "$1"),
        ("(?<=[ABCD])[和、](?=[ABCD])", ""),
        (r"\\mathrm\s*\{\(?([A-Z]+)\)?\}", "$1."),
        (r"\\textbf\s*\{\(([A-Z]+)\)\}", "$1."),
        (r"\\mathbf\s*\{([^{]*?)\}", "$1"),
        (r"(?<=[：:])<n>(?=[ABCD]\.)", ""),
        (r"(?<=[：:])<n>(?=\([ABCD]\))", ""),
        ("([故应本题答案为是正确的选项择]{3,})<n>(?=[ABCD])", "$1"),
        (r"\\text\s*\{\(?([A-Z]+)\)?\}", "$1"),
        (r"<font[^>]*?>([ABCD]+)</font>", "$1"),
    ]
    .map(|(from, to)| (pattern(from), to))
    .into()
});

/// What may stand between words and the letters.
const OPENING: &str = r"[:：(（]*?";

/// Groups of words before the letters, with what closes them.
static NAMED: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let behind = |words: &[&str]| pattern(&format!("(?:{})({OPENING}[A-F]+)", words.join("|")));
    vec![
        behind(&["故选"]),
        behind(&[
            "故答案[为是][：:（(]",
            "故本题选择",
            "故答案应选",
            "答案选项[为是]",
            "正确选项[为是]",
            "正确答案[为是]",
            "正确说法[为是]",
            "答案[是为]选项",
        ]),
        behind(&[
            "故填[：:（(]",
            "答案[为是]",
            "故选择",
            "答案[：:（(]",
            "故应选",
            "所以选",
            "本题选",
            "因此选",
            "答案选",
        ]),
        behind(&[
            "故本题选",
            "故选项[为是]",
            "答案选[：:（(]",
            "故应选[：:（(]",
            "故答案选",
            "故此题选",
            "故选答案",
            "[此本]题选择",
            "答案选择",
            "答案应为",
        ]),
        behind(&[
            "本题应选择：",
            "本题的答案选",
            "正确的选项[为是]",
            "正确的说法[为是]",
            "正确的叙述[为是]",
            "正确的表述[是为]",
            "正确的做法[是为]",
            "正确的陈述[是为]",
        ]),
        pattern("(故[A-F]+[选项]?符合题意)"),
        pattern("(故[A-F]+入选)"),
        pattern("(选项[A-F]+符合)"),
        pattern("<n>[故选]([A-F]+)"),
        pattern("([A-F]+选项.{0,6}，故入选)"),
        pattern("(选[A-F]+[.。])"),
        behind(&["故为", "应选", "选择"]),
        pattern(r"(answeris\([ABCD]\))"),
    ]
});

static ALL_RIGHT: LazyLock<Regex> = LazyLock::new(|| pattern(r"选项([A-F]\.[^。？?!！：]*?)+?[都均]正确"));
static ALL_WRONG: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"选项([A-F]\.[^。？?!！：]*?)+?(?:[都均]不正确|没有正确|[都均]错误)"));
static NONE_FITS: LazyLock<Regex> = LazyLock::new(|| {
    pattern("选项A[中.][^B。？?！!]*?B[中.][^C。？?！!]*?C[中.][^D。？?！!]*?D[中.][^。？?！!]*?都不符合条件")
});
static RIGHT_IS: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"(正确的[\u{{4e00}}-\u{{9fa5}}]*?[是为]{OPENING}[A-F]+)")));
static WRONG_IS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let words = [
        "错误的叙述[为是]|说法错误的[为是]|错误的说法[是为]|叙述错误的[为是]|错误的表述[是为]|错误的做法[是为]",
        "不正确的[是为]",
        "错误的[是为]",
    ];
    let mut all = words.map(|words| pattern(&format!("((?:{words}){OPENING}[A-F]+)"))).to_vec();
    all.push(pattern("([A-F]选项理解有误)"));
    all
});
/// What a statement is judged to be: `正确` or `错误`.
static JUDGED: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    ["正确", "错误"].map(|verdict| pattern(&format!("(?:故|选项|){OPENING}[A-F]+[)）]?[是为选项]?{verdict}")))
});
static LETTER_AND_STOP: LazyLock<Regex> = LazyLock::new(|| pattern(r"[A-F]\."));
static LETTERS: LazyLock<Regex> = LazyLock::new(|| pattern("[A-F]+"));
static FOUR: LazyLock<Regex> = LazyLock::new(|| pattern("^[ABCD]+$"));

/// Letters beside words of answering, in one line.
static IN_LINE: LazyLock<Regex> = LazyLock::new(|| {
    let words = "[本此题的答案选项故是为择符合题目的入选符合题意正确错误应综上叙述说法]";
    let before = format!(r"{words}+[\u{{4e00}}-\u{{9fa5}}]*?[:：（(]?[A-E]+[^F-Za-z\d]+");
    let after = r"[A-E]+[.)][^F-Za-z\d]*?[^。？！]*?[正确错误符合选项得体]{2,}.*?$";
    pattern(&format!("{before}|{after}"))
});
static LONE: LazyLock<[Regex; 3]> = LazyLock::new(|| ["选项[ABCD]", "（[ABCD]）", r"[^ABCD][ABCD]\."].map(pattern));

/// The letters that a record's answer chooses, in order; `None` if it chooses none.
///
/// # Errors
/// A record without `[SEP]`.
pub fn letters(record: &str) -> Scored<Option<String>> {
    let record = without_last_newlines(record.trim());
    let question = record.split("[SEP]").next().unwrap_or("").replace(' ', "");
    let mut answer = answer_of(record)?.replace([' ', '$'], "");
    for (wide, letter) in [("Ａ", "A"), ("Ｂ", "B"), ("Ｃ", "C"), ("Ｄ", "D")] {
        answer = answer.replace(wide, letter);
    }
    let is_bare = is_in(&FOUR, &answer)?;
    for (from, to) in &*TIDIED {
        answer = replace(from, &answer, to)?.into_owned();
    }
    if is_in(&NONE_FITS, &answer)? {
        return Ok(None);
    }
    let said = match is_bare {
        true => Some(answer),
        false => find(&question, &answer)?,
    };
    let Some(said) = said else { return Ok(None) };
    Ok(Some(in_order(all(&LETTERS, &said)?.last().ok_or(Unscorable)?)))
}

/// The text that names the letters.
fn find(question: &str, answer: &str) -> Scored<Option<String>> {
    for way in &*NAMED {
        if let Some(said) = all_groups(way, answer)?.last() {
            return Ok(Some((*said).to_owned()));
        }
    }
    let (all_right, all_wrong) = (all_groups(&ALL_RIGHT, answer)?, all_groups(&ALL_WRONG, answer)?);
    let is_negated = is_in(&NEGATED, question)?;
    let ways = if is_negated { WRONG_IS.as_slice() } else { std::slice::from_ref(&*RIGHT_IS) };
    for way in ways {
        if let Some(said) = all_groups(way, answer)?.last() {
            return Ok(Some((*said).to_owned()));
        }
    }
    let mut judged = all(&JUDGED[usize::from(is_negated)], answer)?;
    if judged.is_empty()
        && let Some(list) = (if is_negated { &all_wrong } else { &all_right }).first()
    {
        judged = all(&LETTER_AND_STOP, list)?;
    }
    if !judged.is_empty() {
        let mut letters = String::new();
        for statement in judged {
            letters += all(&LETTERS, statement)?.first().ok_or(Unscorable)?;
        }
        return Ok(Some(in_order(&letters)));
    }
    if !all_right.is_empty() || !all_wrong.is_empty() {
        return Ok(None);
    }
    for line in answer.rsplit("<n>").take(2) {
        let said = all(&IN_LINE, line)?;
        let telling = said.iter().rev().find(|said| said.contains("答案") || said.contains("选项"));
        if let Some(said) = telling.or(said.last()) {
            return Ok(Some((*said).to_owned()));
        }
    }
    lone(question, answer)
}

/// An option that is named, but not said to be the answer: if it is the only one, or several may be chosen.
fn lone(question: &str, answer: &str) -> Scored<Option<String>> {
    let answer = format!("<n>{answer}");
    for way in &*LONE {
        let named = all(way, &answer)?;
        if named.is_empty() {
            continue;
        }
        if question.contains("多选题") {
            let mut letters = String::new();
            for option in named {
                letters += all(&LETTERS, option)?.last().ok_or(Unscorable)?;
            }
            return Ok(Some(letters));
        }
        return Ok(if named.len() == 1 { Some(named[0].to_owned()) } else { None });
    }
    Ok(None)
}

fn in_order(letters: &str) -> String {
    let mut letters: Vec<char> = letters.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    letters.into_iter().collect()
}

/// The right letters as a set's file has them: those behind `答案：`.
///
/// # Errors
/// A text without any.
pub fn gold(text: &str) -> Scored<String> {
    let text = text.replace(' ', "");
    let (_, behind) = text.split_once("答案：").ok_or(Unscorable)?;
    let letters: String = behind.chars().take_while(|letter| ('A'..='F').contains(letter)).collect();
    if letters.is_empty() { Err(Unscorable) } else { Ok(letters) }
}
