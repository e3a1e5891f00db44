//! One walk over a text, line by line: what is wrong with its characters, and which lines are no part of it.

use super::triggers::{Found, Trigger};
use crate::shape::{Kind, Kinds, is_letter};

/// What lines are held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineRules {
    /// Greatest part of a line's characters that may be garbled or missing.
    pub(super) max_faulty_fraction: f64,
    /// Most advertising phrases.
    pub(super) max_advertising_phrases: usize,
    /// Up to this many characters a line that holds an advertising or page phrase is nothing else.
    pub(super) max_phrase_line_chars: usize,
    /// Least part of letters.
    pub(super) min_letter_fraction: f64,
}

/// What was counted in a whole text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    /// Characters that are no white space.
    pub(super) visible: usize,
    /// Characters that are garbled.
    pub(super) garbled: usize,
    /// Marks that stand where a character is missing.
    pub(super) missing: usize,
    /// Characters that only repeat the one before.
    pub(super) redundant: usize,
    /// Characters of markup.
    pub(super) markup: usize,
    /// Advertising phrases.
    pub(super) advertising: usize,
    /// Brackets and quotation marks without a partner.
    pub(super) unpaired: usize,
    /// Punctuation.
    pub(super) marks: usize,
    /// Lines long enough to be a sentence.
    pub(super) long_lines: usize,
    /// Those of them that no punctuation ends.
    pub(super) unfinished: usize,
    /// Characters in lines that are no part of the text.
    pub(super) bad_line_chars: usize,
}

/// A line that is shorter than this may end without a mark: a heading, a list entry.
const SENTENCE_CHARS: usize = 20;

/// Brackets and quotation marks, by how many more were opened than closed; half and full width are one.
#[derive(Default)]
struct Pairs {
    brackets: [i32; 5],
    /// `„`, `“` and `”`, of which no two languages make the same pairs.
    quotation_marks: [usize; 3],
}

impl Pairs {
    fn add(&mut self, mark: char) {
        let (pair, step) = match mark {
            '(' | '（' => (0, 1),
            ')' | '）' => (0, -1),
            '[' | '［' | '【' => (1, 1),
            ']' | '］' | '】' => (1, -1),
            '《' => (2, 1),
            '》' => (2, -1),
            '「' => (3, 1),
            '」' => (3, -1),
            '『' => (4, 1),
            '』' => (4, -1),
            '„' => return self.quotation_marks[0] += 1,
            '“' => return self.quotation_marks[1] += 1,
            '”' => return self.quotation_marks[2] += 1,
            _ => return,
        };
        self.brackets[pair] += step;
    }

    /// Marks without a partner. `“…”`, `„…“`, `„…”` and `”…”` are all pairs to somebody, so that only a `„` or `“`
    /// too many, or an odd number of marks, is certain. `«` and `»` open and close at will and are not counted.
    fn unpaired(&self) -> usize {
        let [low, left, right] = self.quotation_marks;
        let surplus = low.saturating_sub(left + right).max(left.saturating_sub(low + right));
        let brackets: u32 = self.brackets.iter().map(|open| open.unsigned_abs()).sum();
        brackets as usize + surplus.max((low + left + right) % 2)
    }
}

/// Counts of one line.
#[derive(Default)]
struct Line {
    visible: usize,
    letters: usize,
    garbled: usize,
    missing: usize,
    advertising: usize,
    page: usize,
    ended: bool,
}

impl LineRules {
    /// Whether the line is no part of the text.
    fn is_bad(&self, line: &Line) -> bool {
        let faulty = (line.garbled + line.missing) as f64 > self.max_faulty_fraction * line.visible as f64;
        let advertising = line.advertising > self.max_advertising_phrases;
        let page = (line.advertising > 0 || line.page > 0) && line.visible <= self.max_phrase_line_chars && !line.ended;
        let wordless = (line.letters as f64) < self.min_letter_fraction * line.visible as f64 && line.visible > 4;
        line.visible > 0 && (faulty || advertising || page || wordless)
    }
}

/// Counts a text whose triggers are known; puts the bytes of each bad line, its end included, into `bad`.
pub(super) fn walk(text: &str, triggers: &[Trigger], rules: &LineRules, bad: &mut Vec<(usize, usize)>) -> Counts {
    bad.clear();
    let kinds = Kinds::get();
    let mut counts = Counts::default();
    let mut triggers = triggers.iter().peekable();
    let mut pairs = Pairs::default();
    let mut start = 0;
    for piece in text.split_inclusive('\n') {
        let mut line = Line::default();
        while let Some(trigger) = triggers.next_if(|trigger| trigger.start < start + piece.len()) {
            let chars = || text[trigger.start..trigger.end].chars().count();
            match trigger.found {
                Found::Advertising => line.advertising += 1,
                Found::Page => line.page += 1,
                Found::Garbled => line.garbled += chars(),
                Found::Markup => counts.markup += chars(),
            }
        }
        walk_line(piece, kinds, &mut line, &mut counts, &mut pairs);
        counts.visible += line.visible;
        counts.garbled += line.garbled;
        counts.missing += line.missing;
        counts.advertising += line.advertising;
        if line.visible >= SENTENCE_CHARS {
            counts.long_lines += 1;
            counts.unfinished += usize::from(!line.ended);
        }
        if rules.is_bad(&line) {
            counts.bad_line_chars += line.visible;
            bad.push((start, start + piece.len()));
        }
        start += piece.len();
    }
    counts.unpaired = pairs.unpaired();
    counts
}

fn walk_line(piece: &str, kinds: &Kinds, line: &mut Line, counts: &mut Counts, pairs: &mut Pairs) {
    let (mut before, mut run) = ('\n', 0);
    for character in piece.chars() {
        let kind = kinds.of(character);
        run = if character == before { run + 1 } else { 1 };
        before = character;
        if is_letter(kind) {
            line.visible += 1;
            line.letters += 1;
            line.ended = false;
            counts.redundant += usize::from(run > 4);
            continue;
        }
        if kind == Kind::Space as u8 || kind == Kind::Newline as u8 {
            continue;
        }
        line.visible += 1;
        if kind == Kind::Mark as u8 {
            line.letters += 1;
            // Doubled ones are slips of the keyboard; no script writes three.
            counts.redundant += usize::from(run > 2);
            continue;
        }
        if kind == Kind::Digit as u8 {
            line.ended = false;
            continue;
        }
        // Three marks of a kind are emphasis, an ellipsis or a code fence; more say nothing.
        counts.redundant += usize::from(run > 3);
        let is_mark = (Kind::Terminal as u8..=Kind::WidePunctuation as u8).contains(&kind);
        // A direction mark behind a full stop does not undo it.
        if kind != Kind::Invisible as u8 && kind != Kind::Joiner as u8 {
            line.ended = is_mark;
        }
        counts.marks += usize::from(is_mark);
        match character {
            '□' | '■' | '▯' | '〓' => line.missing += 1,
            '?' if run == 4 => line.missing += 4,
            '?' if run > 4 => line.missing += 1,
            _ => pairs.add(character),
        }
        let is_garbled = kind == Kind::Replacement as u8
            || kind == Kind::Private as u8
            || kind == Kind::Control as u8
            || kind == Kind::Other as u8;
        line.garbled += usize::from(is_garbled);
    }
}

/// The text without these pieces.
pub(super) fn without(text: &str, pieces: &[(usize, usize)]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for &(start, stop) in pieces {
        kept.push_str(&text[end..start]);
        end = stop;
    }
    kept + &text[end..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    const RULES: LineRules = LineRules {
        max_faulty_fraction: 0.1,
        max_advertising_phrases: 2,
        max_phrase_line_chars: 30,
        min_letter_fraction: 0.3,
    };

    fn walked(text: &str) -> (Counts, Vec<(usize, usize)>) {
        let (mut triggers, mut bad) = (Vec::new(), Vec::new());
        super::super::triggers::find(text, &Shape::of_text(text), &mut triggers);
        let counts = walk(text, &triggers, &RULES, &mut bad);
        (counts, bad)
    }

    #[test]
    fn lines_that_are_no_text_are_bad() {
        for line in [
            "锟斤拷锟斤拷锟斤拷",
            "上一篇：关于春天",
            "□□□□大会",
            "=====*****=====",
            "\u{fffd}\u{fffd}ab",
            "????? 2021",
        ] {
            let (_, bad) = walked(&format!("这是一句平常的话。\n{line}\n还有一句。"));
            assert_eq!(bad.len(), 1, "{line}");
            assert_eq!(without(&format!("a。\n{line}\nb。"), &walked(&format!("a。\n{line}\nb。")).1), "a。\nb。");
        }
        for line in ["他说：“上一篇文章写得很好。”", "The bill passed 52–48.", "ภาษาไทยเป็นภาษาที่มีระดับเสียง", "1. 第一项"]
        {
            assert!(walked(line).1.is_empty(), "{line}");
        }
    }

    #[test]
    fn characters_are_counted_by_what_is_wrong_with_them() {
        let (counts, _) = walked("太好了！！！！！！（真的\n哈哈哈哈哈哈哈");
        assert_eq!((counts.redundant, counts.unpaired), (3 + 3, 1));
        let (counts, _) = walked("价格&nbsp;为12元，<br/>其他□□不详");
        assert_eq!((counts.markup, counts.missing), (8, 2));
        let (counts, _) =
            walked("这一行写了很多字但是最后没有标点符号来结束它\n这一行写了很多字而且最后有标点符号来结束它。");
        assert_eq!((counts.long_lines, counts.unfinished), (2, 1));
        let (counts, _) = walked("אנשי העיירה חיים ליד הנהר.\u{200f}\nوهم يعلمون أن الماء سيرتفع.\u{200f}\u{200e}");
        assert_eq!((counts.long_lines, counts.unfinished), (2, 0));
        assert_eq!(walked("มี\u{e35}\u{e35}\u{e35} คิ\u{e34}").0.redundant, 2);
    }

    #[test]
    fn quotation_marks_pair_as_in_every_language() {
        for (text, unpaired) in [
            ("他说：“好。”她说：“好。”", 0),
            ("Er sagte: „Gut.“ Sie sagte: „Gut.“", 0),
            ("Rzekł: „Dobrze.” Rzekła: „Dobrze.”", 0),
            ("Han sade: ”Bra.” Hon sade: ”Bra.”", 0),
            ("Han sagde: »Godt.« »Ja.« « à »", 0),
            ("„Er las “Hamlet”“, sagte sie.", 0),
            ("“一“二“三“四", 4),
            ("„eins „zwei „drei“", 2),
            ("一” “二”", 1),
        ] {
            assert_eq!(walked(text).0.unpaired, unpaired, "{text}");
        }
    }
}
