//! Added tokens: found wherever they stand in a text, the leftmost, of these the longest.
//!
//! What `tokenizers`' `AddedVocabulary` does, flags and all.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::trie::Trie;

/// Most bytes that tokens may begin with for a text to be looked through for these bytes alone.
const MAX_FIRST_BYTES: usize = 8;
/// Most bytes of a token for that: longer ones could make it quadratic.
const MAX_TRIE_BYTES: usize = 256;

/// A token beside the model's.
#[derive(Clone, Debug)]
pub(crate) struct AddedToken {
    pub id: u32,
    pub content: String,
    pub special: bool,
    /// Is none inside a word.
    pub single_word: bool,
    /// Takes along the white space before and behind it.
    pub lstrip: bool,
    pub rstrip: bool,
}

/// Tokens that are looked for together.
pub(crate) struct AddedTokens {
    tokens: Vec<AddedToken>,
    finder: Finder,
    /// Tokens by their text.
    trie: Trie,
    any_flags: bool,
}

enum Finder {
    Nothing,
    /// Looks at places with one of few bytes only.
    FirstBytes(Vec<u8>),
    Automaton(AhoCorasick),
}

/// Part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// An added token's id, and what it takes.
    Added {
        id: u32,
        start: usize,
        end: usize,
    },
    Text {
        start: usize,
        end: usize,
    },
}

impl AddedTokens {
    /// Finds these. `None` if two are of the same text, or they are too many.
    pub(crate) fn new(mut tokens: Vec<AddedToken>) -> Option<Self> {
        tokens.sort_unstable_by(|one, next| one.content.cmp(&next.content));
        if tokens.windows(2).any(|two| two[0].content == two[1].content)
            || tokens.iter().any(|token| token.content.is_empty())
        {
            return None;
        }
        let mut first: Vec<u8> = tokens.iter().map(|token| token.content.as_bytes()[0]).collect();
        first.dedup();
        let numbered: Vec<(&[u8], u32)> = tokens.iter().map(|token| token.content.as_bytes()).zip(0..).collect();
        let trie = Trie::new(&numbered)?;
        let finder = if tokens.is_empty() {
            Finder::Nothing
        } else if first.len() <= MAX_FIRST_BYTES && trie.longest_bytes() <= MAX_TRIE_BYTES {
            Finder::FirstBytes(first)
        } else {
            Finder::Automaton(automaton(tokens.iter().map(|token| &token.content))?)
        };
        let any_flags = tokens.iter().any(|token| token.single_word || token.lstrip || token.rstrip);
        Some(Self { tokens, finder, trie, any_flags })
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.tokens.iter().map(|token| token.id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Bytes of the longest.
    pub(crate) fn longest_bytes(&self) -> usize {
        self.trie.longest_bytes()
    }

    /// Takes a text apart; special tokens are text unless `parse_special`. Parts of no bytes are left out.
    pub(crate) fn split(&self, text: &str, parse_special: bool, mut part: impl FnMut(Part)) {
        let mut done = 0;
        // White space that was looked through, so that it is looked through once.
        let mut spaces = 0..0;
        self.find(text.as_bytes(), |number, start, end| {
            let token = &self.tokens[number];
            if token.special && !parse_special {
                return;
            }
            let (mut start, mut end) = (start, end);
            if self.any_flags {
                if token.single_word && (ends_in_word(&text[..start]) || starts_with_word(&text[end..])) {
                    return;
                }
                if token.lstrip {
                    // White space before may be the previous token's already.
                    start = done + text.get(done..start).map_or(0, |before| before.trim_end().len());
                }
                if token.rstrip {
                    if !spaces.contains(&end) {
                        spaces = end..text.len() - text[end..].trim_start().len();
                    }
                    end = spaces.end.max(end);
                }
            }
            if done < start {
                part(Part::Text { start: done, end: start });
            }
            part(Part::Added { id: token.id, start, end });
            done = end;
        });
        if done < text.len() {
            part(Part::Text { start: done, end: text.len() });
        }
    }

    /// Whether any token, taken or not, holds or touches a place of a text.
    pub(crate) fn touch(&self, text: &[u8], place: usize) -> bool {
        let first = place.saturating_sub(self.longest_bytes());
        (first..=place).any(|at| self.trie.longest(&text[at..]).is_some_and(|(_, length)| at + length >= place))
    }

    /// All tokens in a text, none over another: number, start, end.
    fn find(&self, text: &[u8], mut found: impl FnMut(usize, usize, usize)) {
        match &self.finder {
            Finder::Nothing => {}
            Finder::FirstBytes(first) => {
                let mut free = 0;
                each_place(text, first, |at| {
                    if at >= free
                        && let Some((number, length)) = self.trie.longest(&text[at..])
                    {
                        free = at + length;
                        found(number as usize, at, free);
                    }
                });
            }
            Finder::Automaton(automaton) => {
                for token in automaton.find_iter(text) {
                    found(token.pattern().as_usize(), token.start(), token.end());
                }
            }
        }
    }
}

/// Finds the leftmost of some strings, of these the longest.
pub(crate) fn automaton<'a>(strings: impl ExactSizeIterator<Item = &'a String>) -> Option<AhoCorasick> {
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).kind(Some(AhoCorasickKind::DFA)).build(strings).ok()
}

/// Calls back with every place of a text that holds one of up to eight bytes.
fn each_place(text: &[u8], wanted: &[u8], mut place: impl FnMut(usize)) {
    const BLOCK: usize = 16;
    let mut needles = [wanted[0]; MAX_FIRST_BYTES];
    needles[..wanted.len()].copy_from_slice(wanted);
    let count = wanted.len();
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    for (number, block) in blocks.iter().enumerate() {
        // Plain enough for any compiler to take all sixteen bytes at once.
        let mut hits = [0_u8; BLOCK];
        for needle in &needles[..count] {
            for (hit, byte) in hits.iter_mut().zip(block) {
                *hit |= u8::from(byte == needle) << 7;
            }
        }
        let mut mask = u128::from_le_bytes(hits);
        while mask != 0 {
            place(number * BLOCK + mask.trailing_zeros() as usize / 8);
            mask &= mask - 1;
        }
    }
    let start = blocks.len() * BLOCK;
    for (at, byte) in rest.iter().enumerate() {
        if needles.contains(byte) {
            place(start + at);
        }
    }
}

/// Whether a text ends in a character of a word.
fn ends_in_word(text: &str) -> bool {
    text.chars().next_back().is_some_and(is_word)
}

fn starts_with_word(text: &str) -> bool {
    text.chars().next().is_some_and(is_word)
}

/// `\w` as the library's regex engine has it.
fn is_word(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_alphanumeric() || char == '_';
    }
    regex_syntax::try_is_word_character(char).unwrap_or_else(|_| char.is_alphanumeric())
}
