//! What YAYI 2's rules look for in a text: advertising and page phrases, garbled sequences, leftovers of markup.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::garbled;
use crate::lists::{Entry, Matching, WordList, advertising_phrases, entries};
use crate::shape::Shape;

/// The category of page phrases; those of advertising come before it.
const PAGE: u16 = 3;

/// Phrases of advertisements and of pages.
static PHRASES: LazyLock<WordList> = LazyLock::new(|| {
    let pages = entries(include_str!("../../../data/line_triggers.txt"), PAGE).expect("the list has no weights");
    let all: Vec<Entry> = advertising_phrases().into_iter().chain(pages).collect();
    WordList::new(&all, Matching::default()).expect("the lists are short")
});

/// What bytes of one encoding look like read as another: UTF-8 as Latin-1 or GBK, fill bytes of a debugger.
const GARBLED: [&str; 28] = [
    "锟斤拷",
    "锟斤",
    "烫烫烫",
    "屯屯屯",
    "锘�",
    "ï¿½",
    "ï»¿",
    "â€™",
    "â€œ",
    "â€\u{9d}",
    "â€“",
    "â€”",
    "â€¦",
    "Ã©",
    "Ã¨",
    "Ã¤",
    "Ã¶",
    "Ã¼",
    "Ã±",
    "Ã§",
    "Ã¡",
    "Ã\u{ad}",
    "Ã³",
    "Â ",
    "å¤§",
    "ç\u{9a}\u{84}",
    "æ\u{98}¯",
    "Ð°Ð",
];

/// What is left of markup and escapes; `\u` is an escape with four hexadecimal digits behind it.
const MARKUP: [&str; 31] = [
    "&nbsp", "&amp;", "&lt;", "&gt;", "&quot;", "&#", "&ldquo;", "&rdquo;", "&mdash;", "&hellip;", "<div", "</div",
    "<span", "</span", "<br", "<p>", "</p>", "<a href", "</a>", "<img", "<script", "</script", "<td", "</td", "<li>",
    "</li>", "<font", "</font", "\\u", "%E4%", "%E5%",
];

/// Garbled sequences, then markup.
static FAULTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .kind(Some(AhoCorasickKind::DFA))
        .build(GARBLED.iter().chain(&MARKUP))
        .expect("the patterns are few")
});

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A phrase of an advertisement.
    Advertising,
    /// A phrase of a page that is no part of its text.
    Page,
    /// A garbled sequence.
    Garbled,
    /// Markup or an escape.
    Markup,
}

/// Where something was found, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trigger {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) found: Found,
}

/// Fills in everything found in a text, in order.
pub(super) fn find(text: &str, shape: &Shape, triggers: &mut Vec<Trigger>) {
    triggers.clear();
    let no_words = || -> &crate::words::Words { unreachable!("no entry is checked against words") };
    PHRASES.find(text, no_words, |hit| {
        let found = if hit.category == PAGE { Found::Page } else { Found::Advertising };
        triggers.push(Trigger { start: hit.start, end: hit.end, found });
    });
    let phrases = triggers.len();
    let garbled = garbled::find(text, shape);
    for hit in FAULTS.find_iter(text) {
        let found = if hit.pattern().as_usize() < GARBLED.len() { Found::Garbled } else { Found::Markup };
        let (start, mut end) = (hit.start(), hit.end());
        if &text[start..end] == "\\u" {
            let is_escape = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
            if !text.as_bytes().get(end..end + 4).is_some_and(is_escape) {
                continue;
            }
            end += 4;
        }
        // What is garbled anyway is not counted twice.
        let at = garbled.partition_point(|known| known.end <= start);
        if garbled.get(at).is_none_or(|known| known.start >= end) {
            triggers.push(Trigger { start, end, found });
        }
    }
    triggers.extend(garbled.into_iter().map(|Range { start, end }| Trigger { start, end, found: Found::Garbled }));
    if triggers.len() > phrases {
        triggers.sort_unstable_by_key(|trigger| trigger.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_every_sort_are_found() {
        let found = |text: &str| {
            let mut triggers = Vec::new();
            find(text, &Shape::of_text(text), &mut triggers);
            triggers.iter().map(|trigger| trigger.found).collect::<Vec<_>>()
        };
        assert_eq!(found("加微信领取优惠，立即购买")[0], Found::Advertising);
        assert_eq!(found("上一篇：新闻"), [Found::Page]);
        assert_eq!(found("锟斤拷锟斤拷 itâ€™s"), [Found::Garbled; 3]);
        assert_eq!(found("a&nbsp;b<br/>"), [Found::Markup; 2]);
        assert_eq!(found("\\u0440\\u0435\\u043a\\u0430 It\\u2019s C:\\users"), [Found::Markup; 5]);
        assert_eq!(found("ÐŸÑ€Ð¸Ð²ÐµÑ‚"), [Found::Garbled; 6]);
        assert!(found("平常的一句话。An ordinary sentence.").is_empty());
    }
}
