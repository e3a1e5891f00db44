//! Which ids of a new tokenizer are what, before any text is seen.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::from_symbols;

/// Control tokens of a new tokenizer, end of document first.
///
/// Source: the tokens that Yuan 2.0 and Yuan 2.0-M32 register. `<s>`, `</s>` and `<unk>` are left out: a
/// document's end is `<eod>`, and a byte-level vocabulary knows every text.
pub const SPECIAL_TOKENS: [&str; 18] = [
    "<eod>",
    "<pad>",
    "<sep>",
    "<mask>",
    "<predict>",
    "<FIM_SUFFIX>",
    "<FIM_PREFIX>",
    "<FIM_MIDDLE>",
    "<commit_before>",
    "<commit_msg>",
    "<commit_after>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<empty_output>",
    "<repo_name>",
    "<file_sep>",
];

/// Elements of which a new tokenizer knows the opening tag without attributes and the closing tag.
///
/// Source: YAYI 2 (arXiv:2312.14862) adds HTML tags by hand and prints no list; these are the elements
/// that carry text in HTML's section 4 (sections, grouping, text-level, embedded, tables, forms).
pub const HTML_TAGS: [&str; 64] = [
    "html",
    "head",
    "title",
    "body",
    "main",
    "header",
    "footer",
    "nav",
    "section",
    "article",
    "aside",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "p",
    "div",
    "span",
    "pre",
    "code",
    "blockquote",
    "ol",
    "ul",
    "li",
    "dl",
    "dt",
    "dd",
    "figure",
    "figcaption",
    "a",
    "em",
    "strong",
    "small",
    "cite",
    "q",
    "abbr",
    "time",
    "var",
    "samp",
    "kbd",
    "sub",
    "sup",
    "i",
    "b",
    "u",
    "mark",
    "del",
    "ins",
    "table",
    "caption",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "td",
    "th",
    "form",
    "label",
    "button",
    "select",
    "option",
    "textarea",
];

/// Tags of elements that have no end, and entities.
const HTML_VOID: [&str; 10] = ["<br>", "<br/>", "<br />", "<hr>", "<hr/>", "&nbsp;", "&lt;", "&gt;", "&amp;", "&quot;"];

/// Punctuation of Chinese text. ASCII signs need no entry, being byte symbols; `·` cannot have one,
/// being the symbol of another byte.
///
/// Source: the marks of GB/T 15834-2011 and their half-width and vertical relatives in common use.
pub const PUNCTUATION: [&str; 36] = [
    "，", "。", "、", "；", "：", "？", "！", "…", "……", "—", "——", "～", "“", "”", "‘", "’", "（", "）", "《", "》",
    "〈", "〉", "【", "】", "〔", "〕", "「", "」", "『", "』", "［", "］", "｛", "｝", "￥", "％",
];

/// Where reserved slots have their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReservedPlace {
    /// Right behind the special tokens, before everything that is learnt.
    #[default]
    Front,
    /// Behind everything else.
    Back,
}

/// The name of a reserved slot.
pub(crate) fn reserved_name(slot: u32) -> String {
    format!("<|reserved_{slot}|>")
}

/// The ids of a tokenizer but its merges: special tokens, reserved slots, added tokens, byte symbols; behind the merges slots
/// again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Special tokens, and reserved slots at the front.
    pub special: Vec<String>,
    /// Added tokens that are ordinary text.
    pub added: Vec<String>,
    /// Reserved slots at the back.
    pub back: Vec<String>,
    reserved: u32,
}

impl Layout {
    /// The layout of these tokens, a token named twice having its first place.
    ///
    /// # Errors
    /// The token that cannot be one, and why.
    pub(crate) fn new(
        special: &[String],
        reserved: (u32, ReservedPlace),
        added: impl IntoIterator<Item = String>,
    ) -> Result<Self, String> {
        let layout = Self::of_names(special, reserved, added);
        match layout.special.iter().chain(&layout.added).find_map(|token| refusal(token)) {
            Some(refusal) => Err(refusal),
            None => Ok(layout),
        }
    }

    /// The same for pieces of characters.
    ///
    /// # Errors
    /// The token that cannot be one, and why.
    pub(crate) fn of_pieces(
        special: &[String],
        reserved: (u32, ReservedPlace),
        added: impl IntoIterator<Item = String>,
    ) -> Result<Self, String> {
        let layout = Self::of_names(special, reserved, added);
        let refused = layout.names().find(|token| {
            token.is_empty() || token.contains(['\0', '\u{2581}']) || token.chars().all(|char| char == ' ')
        });
        match refused {
            Some(token) => {
                Err(format!("`{token}` cannot be an added token: it is empty, spaces, or has U+0000 or U+2581 in it"))
            }
            None => Ok(layout),
        }
    }

    fn of_names(
        special: &[String],
        (reserved, place): (u32, ReservedPlace),
        added: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut known = HashSet::new();
        let mut first = |token: &String| known.insert(token.clone());
        let slots: Vec<String> = (0..reserved).map(reserved_name).collect();
        let (front, back) = match place {
            ReservedPlace::Front => (slots, Vec::new()),
            ReservedPlace::Back => (Vec::new(), slots),
        };
        let special: Vec<String> = special.iter().cloned().chain(front).filter(&mut first).collect();
        let back: Vec<String> = back.into_iter().filter(&mut first).collect();
        let added: Vec<String> = added.into_iter().filter(&mut first).collect();
        Self { special, added, back, reserved }
    }

    /// Tokens before the first byte symbol.
    pub(crate) fn first_byte(&self) -> u32 {
        (self.special.len() + self.added.len()) as u32
    }

    /// Tokens that are no merges.
    pub(crate) fn fixed(&self) -> u32 {
        self.first_byte() + 256 + self.back.len() as u32
    }

    /// All tokens that are not learnt, but the bytes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.special.iter().chain(&self.added).chain(&self.back)
    }

    /// Adds reserved slots at the back until the number of all tokens, of which so many are merges, is a multiple of `multiple`.
    pub(crate) fn fill(&mut self, merges: usize, multiple: u32) {
        while !(self.fixed() + merges as u32).is_multiple_of(multiple) {
            self.back.push(reserved_name(self.reserved));
            self.reserved += 1;
        }
    }
}

/// All HTML tokens.
pub(crate) fn html() -> impl Iterator<Item = String> {
    HTML_TAGS
        .iter()
        .flat_map(|tag| [format!("<{tag}>"), format!("</{tag}>")])
        .chain(HTML_VOID.iter().map(ToString::to_string))
}

/// Why this cannot be an added token: its name would mean other bytes in a byte-level vocabulary.
fn refusal(token: &str) -> Option<String> {
    if token.is_empty() {
        return Some("an added token cannot be empty".into());
    }
    let bytes = from_symbols(token)?;
    if bytes.len() == 1 && token.is_ascii() {
        return Some(format!("`{token}` is a byte symbol and needs no added token"));
    }
    (bytes != token.as_bytes())
        .then(|| format!("`{token}` cannot be an added token: its characters are the symbols of other bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(tokens: &[&str]) -> Vec<String> {
        tokens.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_lists_are_layouts() {
        let added = html().chain(strings(&PUNCTUATION));
        let layout = Layout::new(&strings(&SPECIAL_TOKENS), (200, ReservedPlace::Front), added).unwrap();
        assert_eq!(layout.special[..2], ["<eod>", "<pad>"]);
        assert_eq!(layout.special[18], "<|reserved_0|>");
        assert_eq!(layout.special.len(), 218);
        assert_eq!(layout.added.len(), 2 * HTML_TAGS.len() + HTML_VOID.len() + PUNCTUATION.len());
    }

    #[test]
    fn a_token_named_twice_has_one_place() {
        let layout =
            Layout::new(&strings(&["<a>", "<a>"]), (1, ReservedPlace::Front), strings(&["<a>", "好"])).unwrap();
        assert_eq!(layout.special, ["<a>", "<|reserved_0|>"]);
        assert_eq!(layout.added, ["好"]);
        assert_eq!((layout.first_byte(), layout.fixed()), (3, 259));
    }

    #[test]
    fn slots_at_the_back_fill_up_to_a_multiple() {
        let place = ReservedPlace::Back;
        let mut layout = Layout::new(&strings(&["<a>", "<|reserved_1|>"]), (3, place), strings(&["好"])).unwrap();
        assert_eq!(layout.special, ["<a>", "<|reserved_1|>"]);
        assert_eq!(layout.back, ["<|reserved_0|>", "<|reserved_2|>"]);
        layout.fill(1000, 128);
        assert_eq!(layout.fixed() + 1000, 1280);
        assert_eq!(layout.back[2], "<|reserved_3|>");
        let known: HashSet<&String> = layout.names().collect();
        assert_eq!(known.len() + 256 + 1000, 1280, "each has a name of its own");
    }

    #[test]
    fn a_token_that_means_other_bytes_is_refused() {
        for (token, why) in [("·", "other bytes"), ("é<", "other bytes"), (",", "byte symbol"), ("", "empty")] {
            let error = Layout::new(&[], (0, ReservedPlace::Front), strings(&[token])).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
