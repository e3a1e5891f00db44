//! Sentences, by the marks that end them in each script. One walk over the characters.
//!
//! A sentence ends with its line. Within a line it ends at `。！？` and their like with what closes behind them; at `…` that no
//! lower-case letter follows; at `.`, `!` or `?` before white space, unless a lower-case letter follows, or the full stop stands
//! behind a single capital, one of a few titles, or a number that begins the sentence; and at `!` or `?` between letters of
//! scripts without spaces. The stages of rules cut alike; only here what repeats must be cut the same way twice, and nothing
//! is judged by the number of sentences.

use super::unit::{Piece, trimmed};
use crate::text::{Classes, Role};

/// Marks that end a sentence wherever they stand.
fn is_terminal(character: char) -> bool {
    matches!(
        character,
        '。' | '！' | '？' | '｡' | '．' | '︒' | '﹒' | '﹖' | '﹗' | '‼' | '⁇' | '⁈' | '⁉' // East Asian
        | '؟' | '۔' | '܀'
            ..='܂' // Arabic, Syriac
        | '।' | '॥' | '၊' | '။' | '។' | '៕' | '።' | '፧' | '፨' // India, Burma, Cambodia, Ethiopia
        | '։' | '᠃' | '᠉' | '᙮' | '꓿' | '꘎' | '꘏'
    )
}

fn is_closing(character: char) -> bool {
    matches!(
        character,
        '”' | '’'
            | '"'
            | '\''
            | '」'
            | '』'
            | '）'
            | ')'
            | '》'
            | '〉'
            | '】'
            | '〕'
            | ']'
            | '］'
            | '｝'
            | '}'
            | '»'
            | '›'
    )
}

fn is_ascii_mark(character: char) -> bool {
    matches!(character, '.' | '!' | '?')
}

const TITLES: [&str; 13] = ["Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Jr", "Sr", "vs", "No", "Fig", "cf", "Vol"];

/// Appends the sentences of a text.
pub(super) fn cut(text: &str, pieces: &mut Vec<Piece>) {
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let is_line_end = matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        if !is_line_end && !is_terminal(character) && !is_ascii_mark(character) && character != '…' {
            continue;
        }
        let mut end = at + character.len_utf8();
        let (mut always, mut stops_only) = (is_terminal(character), character == '.' || character == '…');
        if !is_line_end {
            while let Some(&(_, next)) = characters.peek() {
                let is_mark = is_terminal(next) || is_ascii_mark(next) || next == '…';
                if !is_mark && !is_closing(next) {
                    break;
                }
                always |= is_terminal(next);
                stops_only &= !is_mark || next == '.' || next == '…';
                end += next.len_utf8();
                characters.next();
            }
            if !always && !ends(text, start, at, end, character, stops_only) {
                continue;
            }
        }
        while let Some((_, space)) = characters.next_if(|(_, next)| next.is_whitespace()) {
            end += space.len_utf8();
        }
        pieces.push(Piece { content: trimmed(text, start..end), end });
        start = end;
    }
    if start < text.len() {
        pieces.push(Piece { content: trimmed(text, start..text.len()), end: text.len() });
    }
}

/// Whether marks that stand from `at` to `end`, the first of them `mark`, end the sentence that begins at `start`.
fn ends(text: &str, start: usize, at: usize, end: usize, mark: char, stops_only: bool) -> bool {
    let rest = &text[end..];
    let Some(next) = rest.chars().next() else { return true };
    let is_single = |character: char| Classes::get().of(character.into()).role() == Role::Single;
    let following = rest.trim_start().chars().next();
    if mark == '…' {
        return !following.is_some_and(char::is_lowercase);
    }
    if !next.is_whitespace() {
        return is_single(next) && (!stops_only || text[..at].ends_with(is_single));
    }
    if following.is_some_and(char::is_lowercase) {
        return false;
    }
    if !stops_only {
        return true;
    }
    let before = &text[start..at];
    let last = before.rsplit(|character: char| character.is_whitespace() || matches!(character, '(' | '.')).next();
    let last = last.unwrap_or_default();
    let mut letters = last.chars();
    let is_initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none();
    let is_number = last.len() == before.trim_start().len() && last.bytes().all(|byte| byte.is_ascii_digit());
    !(is_initial || is_number || TITLES.contains(&last))
}

#[cfg(test)]
mod tests {
    use super::super::unit::Cutting;

    fn sentences(text: &str) -> Vec<&str> {
        Cutting::Sentences.pieces(text).into_iter().map(|piece| &text[piece.content]).collect()
    }

    #[test]
    fn chinese_ends_at_its_marks_with_what_closes_them() {
        assert_eq!(
            sentences("下雨了。“真的吗？”他问……“真的！”好"),
            ["下雨了。", "“真的吗？”", "他问……", "“真的！”", "好"]
        );
        assert_eq!(sentences("他想……算了。（完。）下一句！？"), ["他想……", "算了。", "（完。）", "下一句！？"]);
        assert_eq!(sentences("好!真的.是的3.5元"), ["好!", "真的.", "是的3.5元"]);
        assert_eq!(sentences("雨です。「本当？」はい"), ["雨です。", "「本当？」", "はい"]);
    }

    #[test]
    fn other_scripts() {
        assert_eq!(sentences("It rains. “Really?” Yes!\nA title"), ["It rains.", "“Really?”", "Yes!", "A title"]);
        assert_eq!(
            sentences("Mr. J. S. Smith paid 3.5 dollars. He left... then came back. 2. Next"),
            ["Mr. J. S. Smith paid 3.5 dollars.", "He left... then came back.", "2. Next"]
        );
        assert_eq!(sentences("see e.g. this www.example.org?a=b"), ["see e.g. this www.example.org?a=b"]);
        assert_eq!(sentences("बारिश हो रही है। हाँ।"), ["बारिश हो रही है।", "हाँ।"]);
    }
}
