//! When a generated text ends: at an id, at a string, at a length. Text is given on as soon as it cannot be cut again.

use std::sync::Arc;

use crate::{Error, Result};

/// What ends a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StopRules {
    /// Ids that end the text; their own text is left out.
    pub ids: Vec<u32>,
    /// Strings that end the text and are left out of it.
    pub strings: Vec<String>,
    /// Greatest number of new tokens; the last may be any.
    pub max_new_tokens: usize,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// At this id, most often the end of a document or of a turn.
    Id(u32),
    /// At the string of this number in [`StopRules::strings`].
    String(usize),
    /// At the greatest number of tokens.
    Length,
}

/// What one token brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Text that is settled now; the text of one token may come with a later one.
    pub text: String,
    /// Whether this was the last token, and why.
    pub stopped: Option<Stopped>,
}

/// One text on its way.
#[derive(Clone, Debug)]
pub struct Stop {
    rules: Arc<StopRules>,
    tokens: usize,
    /// The beginning of a character.
    bytes: Vec<u8>,
    /// Text that may be the beginning of a stop string.
    held: String,
    stopped: Option<Stopped>,
}

impl Stop {
    /// A text of which nothing is there yet.
    ///
    /// # Errors
    /// An empty stop string, which would end every text at once; no tokens allowed.
    pub fn new(rules: Arc<StopRules>) -> Result<Self> {
        if rules.strings.iter().any(String::is_empty) {
            return Err(Error::request("a stop string is empty: every text would end at once"));
        }
        if rules.max_new_tokens == 0 {
            return Err(Error::request("`max_new_tokens` is 0; it must be at least 1"));
        }
        Ok(Self { rules, tokens: 0, bytes: Vec::new(), held: String::new(), stopped: None })
    }

    /// Takes the next token: its id, and the bytes it stands for (a token may be a part of a character).
    ///
    /// The text ends where the first stop string is complete; of those complete at the same byte, the longest counts.
    /// Where tokens begin and end has no part in it. Bytes that are no UTF-8 become U+FFFD. After the end, nothing more
    /// comes. Time linear in the token and the longest stop string.
    pub fn push(&mut self, id: u32, piece: &[u8]) -> Step {
        if self.stopped.is_some() {
            return Step { text: String::new(), stopped: self.stopped };
        }
        self.tokens += 1;
        if self.rules.ids.contains(&id) {
            return self.end(Stopped::Id(id));
        }
        self.bytes.extend_from_slice(piece);
        self.decode();
        if let Some((start, string)) = self.find() {
            self.held.truncate(start);
            self.bytes.clear();
            return self.end(Stopped::String(string));
        }
        if self.tokens >= self.rules.max_new_tokens {
            return self.end(Stopped::Length);
        }
        let settled = self.held.len() - self.may_become();
        Step { text: self.held.drain(..settled).collect(), stopped: None }
    }

    /// What is held back, when generation ends for a reason of its own.
    pub fn finish(mut self) -> String {
        self.flush()
    }

    /// Ends the text.
    fn end(&mut self, why: Stopped) -> Step {
        self.stopped = Some(why);
        Step { text: self.flush(), stopped: self.stopped }
    }

    /// All text held, a broken character at its end included.
    fn flush(&mut self) -> String {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.bytes)));
        text
    }

    /// Moves whole characters from the bytes to the text.
    fn decode(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        for chunk in bytes.utf8_chunks() {
            self.held.push_str(chunk.valid());
            let broken = chunk.invalid();
            // Only at the end can more bytes mend it.
            if std::str::from_utf8(broken).is_err_and(|error| error.error_len().is_none())
                && bytes.as_ptr_range().end == broken.as_ptr_range().end
            {
                self.bytes.extend_from_slice(broken);
            } else if !broken.is_empty() {
                self.held.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// Where the stop string complete first begins in the held text, and its number.
    fn find(&self) -> Option<(usize, usize)> {
        let found = self.rules.strings.iter().enumerate();
        found
            .filter_map(|(nth, string)| self.held.find(string.as_str()).map(|start| (start + string.len(), start, nth)))
            .min()
            .map(|(_, start, nth)| (start, nth))
    }

    /// Bytes at the end of the held text that may become a stop string.
    fn may_become(&self) -> usize {
        let longest = |string: &String| {
            let starts = self.held.char_indices().map(|(at, _)| &self.held[at..]);
            let mut fitting = starts.filter(|end| end.len() < string.len() && string.starts_with(end));
            fitting.next().map_or(0, str::len)
        };
        self.rules.strings.iter().map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(strings: &[&str]) -> StopRules {
        StopRules { ids: vec![7], strings: strings.iter().map(|s| (*s).into()).collect(), max_new_tokens: 1000 }
    }

    /// The steps' texts joined by `|`, and why it stopped.
    fn steps(rules: &StopRules, pieces: &[&[u8]]) -> (String, Option<Stopped>) {
        let mut stop = Stop::new(Arc::new(rules.clone())).unwrap();
        let steps: Vec<Step> = pieces.iter().map(|piece| stop.push(1, piece)).collect();
        let texts: Vec<&str> = steps.iter().map(|step| step.text.as_str()).collect();
        (texts.join("|"), steps.last().and_then(|step| step.stopped))
    }

    #[test]
    fn a_stop_string_over_three_pieces() {
        let rules = rules(&["<eod>", "\n\n"]);
        assert_eq!(steps(&rules, &[b"one <", b"eo", b"d> two"]), ("one ||".into(), Some(Stopped::String(0))));
        // What looked like one is given on.
        assert_eq!(steps(&rules, &[b"one <", b"eo", b"f>\n", b"two"]), ("one ||<eof>|\ntwo".into(), None));
        assert_eq!(steps(&rules, &[b"a\n", b"\nb", b"c"]), ("a||".into(), Some(Stopped::String(1))));
    }

    #[test]
    fn where_pieces_end_has_no_part() {
        let rules = rules(&["abcd", "bc", "xbc"]);
        for text in ["zabcdz", "zxbcz", "ababcx"] {
            let whole = steps(&rules, &[text.as_bytes()]);
            for at in 1..text.len() {
                let (cut, stopped) = steps(&rules, &[&text.as_bytes()[..at], &text.as_bytes()[at..]]);
                assert_eq!((cut.replace('|', ""), stopped), whole, "{text} at {at}");
            }
        }
        assert_eq!(steps(&rules, &[b"zabcdz"]), ("za".into(), Some(Stopped::String(1))));
        assert_eq!(steps(&rules, &[b"zxbcz"]), ("z".into(), Some(Stopped::String(2))));
    }

    #[test]
    fn characters_come_whole() {
        let rules = rules(&["。"]);
        let text = "源计算".as_bytes();
        assert_eq!(steps(&rules, &[&text[..2], &text[2..7], &text[7..]]), ("|源计|算".into(), None));
        assert_eq!(steps(&rules, &[b"a\xe6\xba", b"b", b"\xff", b"\xe3\x80", b"\x82"]).0, "a|\u{fffd}b|\u{fffd}||");
        let mut stop = Stop::new(Arc::new(rules)).unwrap();
        assert_eq!(stop.push(1, b"a\xe6\xba").text, "a");
        assert_eq!(stop.finish(), "\u{fffd}");
    }

    #[test]
    fn ids_and_lengths() {
        let rules = rules(&["<eod>"]);
        let mut stop = Stop::new(Arc::new(rules)).unwrap();
        assert_eq!(stop.push(1, b"a<e").text, "a");
        let last = Step { text: "<e".into(), stopped: Some(Stopped::Id(7)) };
        assert_eq!(stop.push(7, b"<|im_end|>"), last);
        assert_eq!(stop.push(1, b"more"), Step { text: String::new(), ..last });
        let short = StopRules { max_new_tokens: 2, ..StopRules::default() };
        assert_eq!(steps(&short, &[b"a", b"b\xe6"]), ("a|b\u{fffd}".into(), Some(Stopped::Length)));
    }

    #[test]
    fn rules_that_make_no_sense() {
        assert!(Stop::new(rules(&[""]).into()).unwrap_err().to_string().contains("a stop string is empty"));
        assert_eq!(Stop::new(Arc::default()).unwrap_err().to_string(), "`max_new_tokens` is 0; it must be at least 1");
    }
}
