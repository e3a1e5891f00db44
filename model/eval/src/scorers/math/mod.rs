//! MATH as Yuan2.0-M32 scores it: a number, a list of numbers, a word or an expression, each found in its own way.

mod expression;
mod normal;
mod number;

use std::sync::LazyLock;

use fancy_regex::Regex;

use super::clean::without_last_newlines;
use super::patterns::{all, is_in, numbers, pattern, replace};
use super::standing::{count, is_digit, none_of, some_but};
use super::{Scored, Unscorable};
use normal::Gold;

static BOXED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\boxed\{\s*([\d.,/]+)\s*\}\.?"));
static LIST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:(?:-?\d+/\d+|-?\d+\.\d+|\d{1,5}(?:,\d{3})+(?:\.\d+)*?|-?\d+),?)+$"));
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?<=\\text\{)[^()}]+(?=\})"));
static OPTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\\text\{\(([A-F]+)\)\}$"));
static LAST_NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(&numbers("-", "")));

/// What may not stand before a list of numbers.
const BEFORE_LIST: &str = "+-*/^><≤≥";
/// What may not follow a list of numbers.
const AFTER_LIST: &str = ".+-*/=√₀²³‰¼½¾_×¬^!±÷∧∨∑∏∪∷≡≠><≤≥";
/// How the part that gives the answer begins, once it is known to.
const ANSWER: &str = "答案为";

/// An answer, cut up.
struct Answer {
    question: String,
    whole: String,
    parts: Vec<String>,
    /// What follows "answer is".
    told: Option<String>,
}

impl Answer {
    fn of(record: &str) -> Scored<Self> {
        let record = replace(&BOXED, without_last_newlines(record), "$1")?;
        let mut halves = record.split("[SEP]");
        let (Some(question), Some(answer), None) = (halves.next(), halves.next(), halves.next()) else {
            return Err(Unscorable);
        };
        let whole = normal::answer(answer)?;
        let behind = |mark: &str| whole.rsplit_once(mark).map(|(_, told)| format!("{ANSWER}：{told}。"));
        let told = behind(" answer is").or_else(|| behind("<n># Answer<n>"));
        let parts = whole.split("<n>").map(str::to_owned).collect();
        Ok(Self { question: question.to_owned(), whole, parts, told })
    }

    /// Whether it says the same again and again.
    fn is_stuck(&self) -> bool {
        let [.., third, second, _] = self.parts.as_slice() else { return false };
        let twice = format!("{third}<n>{second}");
        self.parts.len() > 10 && twice.chars().count() > 15 && self.whole.matches(&twice).count() > 8
    }

    /// What follows "answer is", or the last part.
    fn end(&self) -> &str {
        self.told.as_deref().unwrap_or_else(|| self.last(1))
    }

    /// The last part, the second-last, …; the first if there are not so many.
    fn last(&self, nth: usize) -> &str {
        self.parts.iter().nth_back(nth - 1).or(self.parts.first()).map_or("", String::as_str)
    }
}

/// Whether a record's answer is `gold`.
///
/// # Errors
/// A record that is not one question and one answer, arithmetic that cannot be done.
pub fn is_correct(record: &str, gold: &str) -> Scored<bool> {
    let answer = Answer::of(record)?;
    let gold = Gold::of(gold, &answer.whole)?;
    if answer.is_stuck() {
        return Ok(false);
    }
    if gold.is_number()? {
        number::is_correct(&answer, &gold)
    } else if is_in(&LIST, &gold.plain)? {
        Ok(is_list(&answer, &gold))
    } else if gold.plain.contains("\\text") {
        is_word(&answer, &gold)
    } else {
        expression::is_correct(&answer, &gold)
    }
}

/// What makes of a number beside it something else than a number.
const MATHEMATICS: &str = "+-*/^=(),;[]{}∪√π±<>≤≥∞\\";

/// The answer, for votes: the number in what gives the answer if it is the only one and there is no mathematics beside it, else all of it
/// without spaces.
pub fn vote(record: &str) -> Option<String> {
    let answer = Answer::of(record).ok()?;
    let end = answer.end();
    let end = if end.contains(is_digit) { end } else { answer.last(2) };
    let end = end.rsplit('=').next().unwrap_or(end);
    let plain: String = end.trim_start_matches(ANSWER).chars().filter(|char| !"：。 ".contains(*char)).collect();
    if plain.is_empty() {
        return None;
    }
    let numbers = all(&LAST_NUMBER, &plain).ok()?;
    if let [number] = numbers.as_slice()
        && let Some((before, behind)) = plain.split_once(&**number)
        && !is_mathematics(before, behind)
    {
        return Some(number.replace(',', ""));
    }
    Some(plain)
}

/// Whether a number between these is a part of something: a sign, or a letter by itself that touches it.
fn is_mathematics(before: &str, behind: &str) -> bool {
    let has_sign = [before, behind].iter().any(|text| text.contains(|char| MATHEMATICS.contains(char)));
    let is_variable = |touching: &mut dyn Iterator<Item = char>| {
        touching.next().is_some_and(|char| char.is_ascii_alphabetic())
            && !touching.next().is_some_and(|char| char.is_ascii_alphabetic())
    };
    has_sign || is_variable(&mut before.chars().rev()) || is_variable(&mut behind.chars())
}

fn is_list(answer: &Answer, gold: &Gold) -> bool {
    let plain = |text: &str| text.replace(',', "");
    let end = plain(&answer.end().replace(" and ", ",").replace(" or ", ",")).replace(' ', "");
    count(&end, &plain(&gold.plain), some_but(BEFORE_LIST), none_of(AFTER_LIST)) > 0
}

fn is_word(answer: &Answer, gold: &Gold) -> Scored<bool> {
    let end = answer.end();
    let mut is_right = false;
    if let Some(word) = all(&WORD, &gold.plain)?.first() {
        let times = end.to_lowercase().matches(&word.to_lowercase()).count();
        is_right = (1..=5).contains(&times) && !end.contains("无法确定");
    }
    let has_option = end.contains(|char| ('A'..='F').contains(&char));
    let end = if has_option || answer.parts.len() < 2 { end } else { answer.last(2) };
    if let Some(option) = OPTION.captures(&gold.plain).map_err(|_| Unscorable)?.and_then(|found| found.get(1)) {
        let option = option.as_str();
        let is_letter = |char: char| char.is_ascii_alphabetic();
        is_right = count(
            end,
            option,
            |char| char.is_some_and(|it| "（(".contains(it)),
            |char| char.is_some_and(|it| ")）".contains(it)),
        ) > 0
            || count(
                end,
                option,
                |char| char.is_some_and(|it| !is_letter(it)),
                |char| char.is_some_and(|it| !is_letter(it) && !"+-*/".contains(it)),
            ) > 0;
    }
    Ok(is_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_itself_is_wrong_though_it_says_the_right_thing() {
        let line = "and so the value of x is 7<n>which we have seen<n>";
        assert_eq!(is_correct(&format!("Q[SEP]{}it is 7", line.repeat(10)), "7"), Ok(false));
        assert_eq!(is_correct(&format!("Q[SEP]{}it is 7", line.repeat(3)), "7"), Ok(true));
    }

    #[test]
    fn votes_are_for_what_the_answer_comes_to() {
        assert_eq!(vote("Q[SEP]x = 3<n>The answer is $1,000$."), Some("1000".into()));
        assert_eq!(vote("Q[SEP]So y = \\frac{1}{2}"), Some("\\frac{1}{2}".into()));
        assert_eq!((vote("Q[SEP]"), vote("no separator")), (None, None));
        assert_eq!(vote("Q[SEP]The answer is 7 apples."), Some("7".into()));
        let differ = |a: &str, b: &str| {
            let [a, b] = [a, b].map(|text| vote(&format!("Q[SEP]The answer is {text}.")));
            assert!(a.is_some() && b.is_some() && a != b, "{a:?} {b:?}");
        };
        differ("(1, 2)", "(3, 2)");
        differ("x^2", "2");
        differ("3 + 2i", "2");
        differ("2x", "2");
        differ("[1, 5]", "5");
    }
}
