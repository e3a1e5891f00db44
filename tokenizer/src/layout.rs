//! Which ids of a new tokenizer are what, before any text is seen.

use std::collections::HashSet;

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

/// The ids of a tokenizer before its merges: special tokens, reserved slots, added tokens, byte symbols.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Special tokens and reserved slots.
    pub special: Vec<String>,
    /// Added tokens that are ordinary text.
    pub added: Vec<String>,
}

impl Layout {
    /// The layout of these tokens, a token named twice having its first place.
    ///
    /// # Errors
    /// The token that cannot be one, and why.
    pub(crate) fn new(
        special: &[String],
        reserved: u32,
        added: impl IntoIterator<Item = String>,
    ) -> Result<Self, String> {
        let mut known = HashSet::new();
        let mut first = |token: &String| known.insert(token.clone());
        let slots = (0..reserved).map(|slot| format!("<reserved_{slot}>"));
        let special: Vec<String> = special.iter().cloned().chain(slots).filter(&mut first).collect();
        let added: Vec<String> = added.into_iter().filter(&mut first).collect();
        match special.iter().chain(&added).find_map(|token| refusal(token)) {
            Some(refusal) => Err(refusal),
            None => Ok(Self { special, added }),
        }
    }

    /// Tokens before the first byte symbol.
    pub(crate) fn first_byte(&self) -> u32 {
        (self.special.len() + self.added.len()) as u32
    }

    /// Tokens before the first merge.
    pub(crate) fn first_merge(&self) -> u32 {
        self.first_byte() + 256
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
        let layout = Layout::new(&strings(&SPECIAL_TOKENS), 200, added).unwrap();
        assert_eq!(layout.special[..2], ["<eod>", "<pad>"]);
        assert_eq!(layout.special[18], "<reserved_0>");
        assert_eq!(layout.special.len(), 218);
        assert_eq!(layout.added.len(), 2 * HTML_TAGS.len() + HTML_VOID.len() + PUNCTUATION.len());
    }

    #[test]
    fn a_token_named_twice_has_one_place() {
        let layout = Layout::new(&strings(&["<a>", "<a>"]), 1, strings(&["<a>", "好"])).unwrap();
        assert_eq!(layout.special, ["<a>", "<reserved_0>"]);
        assert_eq!(layout.added, ["好"]);
        assert_eq!((layout.first_byte(), layout.first_merge()), (3, 259));
    }

    #[test]
    fn a_token_that_means_other_bytes_is_refused() {
        for (token, why) in [("·", "other bytes"), ("é<", "other bytes"), (",", "byte symbol"), ("", "empty")] {
            let error = Layout::new(&[], 0, strings(&[token])).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
