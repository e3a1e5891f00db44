//! The patterns that are written out, and how their regular expressions are told.
//!
//! A pattern is put together from alternatives each of which is spelled in a few ways in the files of real models;
//! whatever is spelled otherwise is left to the regex engine. The meaning is the one Oniguruma gives it, as
//! `tokenizers` does: `\p{N}{1,3}+` of tiktoken's spelling is there a run of any length.

use super::cl100k::Cl100k;
use super::classes::{LETTER, MARK};
use super::o200k::O200k;
use super::scan::Contractions;
use super::sets::{SetRun, blank_ends};
use super::{Digits, deepseek, gpt2, ours};

/// A pattern without a regex engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Ours(Digits),
    Gpt2,
    Cl100k(Cl100k),
    O200k(O200k),
    /// Three patterns in a row.
    DeepSeek3,
    Set(SetRun),
    /// `\s+$`.
    BlankEnds,
}

/// DeepSeek-V3's three patterns.
pub(super) const DEEPSEEK_3: [&str; 3] = [
    r"\p{N}{1,3}",
    "[一-龥\u{3040}-ゟ゠-ヿ]+",
    concat!(
        r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##,
        r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
];

/// The patterns by their names in settings, as the tokenizers of these models have them.
pub(crate) fn named(name: &str) -> Option<Vec<String>> {
    let patterns: &[&str] = match name {
        "gpt2" => &[r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
        "cl100k" | "llama3" => &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        "qwen2" => &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        "o200k" => &[concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
            r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        )],
        "deepseek3" => &DEEPSEEK_3,
        _ => return None,
    };
    Some(patterns.iter().map(ToString::to_string).collect())
}

/// GPT-2's contractions, then the rest of its pattern, as OpenAI and as tiktoken spell them.
const GPT2: ([&str; 2], [&str; 2]) = (
    ["'s|'t|'re|'ve|'m|'ll|'d|", "'(?:[sdmt]|ll|ve|re)|"],
    [
        r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        r" ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    ],
);

const CONTRACTIONS: &[(&str, Contractions)] = &[
    ("(?i:'s|'t|'re|'ve|'m|'ll|'d)", Contractions::Folded),
    ("'(?i:[sdmt]|ll|ve|re)", Contractions::Folded),
    ("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", Contractions::Ascii),
];

const DIGITS: &[(&str, usize)] = &[
    (r"\p{N}|", 1),
    (r"\p{N}{1}|", 1),
    (r"\p{N}{1,2}|", 2),
    (r"\p{N}{1,3}|", 3),
    (r"\p{N}{1,3}+|", usize::MAX),
    (r"\p{N}+|", usize::MAX),
];

const WORDS: &[(&str, u8)] = &[
    (r"[^\r\n\p{L}\p{N}]?\p{L}+|", LETTER),
    (r"[^\r\n\p{L}\p{N}]?+\p{L}+|", LETTER),
    (r"[^\r\n\p{L}\p{N}]?+\p{L}++|", LETTER),
    (r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|", LETTER | MARK),
];

/// With the characters that make a word, and whether line breaks are taken along.
const SIGNS: &[(&str, (u8, bool))] = &[
    (r" ?[^\s\p{L}\p{N}]+[\r\n]*|", (LETTER, true)),
    (r" ?[^\s\p{L}\p{N}]++[\r\n]*|", (LETTER, true)),
    (r" ?[^\s\p{L}\p{N}]++[\r\n]*+|", (LETTER, true)),
    (r" ?[^\s\p{L}\p{N}\r\n]+|", (LETTER, false)),
    (r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|", (LETTER | MARK, true)),
];

/// With whether all white space at the end is one piece.
const BLANKS: &[(&str, bool)] = &[
    (r"\s*[\r\n]+|\s+(?!\S)|\s+", false),
    (r"\s*[\r\n]|\s+(?!\S)|\s+", false),
    (r"\s++$|\s*[\r\n]|\s+(?!\S)|\s", true),
];

const CASED_WORDS: [&str; 2] = [
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
];

impl Known {
    /// The pattern of this regular expression, if it is written out.
    pub(super) fn of(pattern: &str) -> Option<Self> {
        if let Some(digits) =
            [Digits::Split, Digits::Groups, Digits::Keep].into_iter().find(|it| ours::pattern(*it) == pattern)
        {
            return Some(Self::Ours(digits));
        }
        // Some files hold the characters themselves.
        let pattern = &*pattern.replace('\r', r"\r").replace('\n', r"\n");
        let (contractions, rests) = GPT2;
        if contractions.into_iter().filter_map(|it| pattern.strip_prefix(it)).any(|rest| rests.contains(&rest)) {
            return Some(Self::Gpt2);
        }
        cl100k(pattern)
            .map(Self::Cl100k)
            .or_else(|| o200k(pattern).map(Self::O200k))
            .or_else(|| SetRun::of(pattern).map(Self::Set))
            .or_else(|| (pattern == r"\s+$").then_some(Self::BlankEnds))
    }

    /// [`DEEPSEEK_3`] in a row.
    pub(super) fn of_three(patterns: [&str; 3]) -> Option<Self> {
        let same = |(pattern, known): (&str, &str)| pattern.replace('\r', r"\r").replace('\n', r"\n") == *known;
        patterns.into_iter().zip(DEEPSEEK_3).all(same).then_some(Self::DeepSeek3)
    }

    /// Whether every character is in a match, whatever the text.
    pub(super) fn is_total(&self) -> bool {
        !matches!(self, Self::DeepSeek3 | Self::Set(_) | Self::BlankEnds)
    }

    /// Hands over the pieces in order.
    #[inline]
    pub(super) fn split<'t>(&self, text: &'t str, mut piece: impl FnMut(&'t str)) {
        match self {
            Self::Ours(Digits::Split) => cut(text, piece, |text, at| ours::piece(text, at, Digits::Split)),
            Self::Ours(Digits::Groups) => cut(text, piece, |text, at| ours::piece(text, at, Digits::Groups)),
            Self::Ours(Digits::Keep) => cut(text, piece, |text, at| ours::piece(text, at, Digits::Keep)),
            Self::Gpt2 => cut(text, piece, gpt2::piece),
            Self::Cl100k(kind) => cut(text, piece, |text, at| kind.piece(text, at)),
            Self::O200k(kind) => cut(text, piece, |text, at| kind.piece(text, at)),
            Self::DeepSeek3 => {
                let mut start = 0;
                deepseek::pieces(text.as_bytes(), |end| {
                    piece(&text[start..end]);
                    start = end;
                });
            }
            Self::Set(run) => run.split(text, piece),
            Self::BlankEnds => blank_ends(text, piece),
        }
    }
}

/// Hands over the pieces of a pattern that leaves nothing out.
#[inline(always)]
fn cut<'t>(text: &'t str, mut piece: impl FnMut(&'t str), end: impl Fn(&[u8], usize) -> usize) {
    let mut at = 0;
    while at < text.len() {
        let next = end(text.as_bytes(), at);
        piece(&text[at..next]);
        at = next;
    }
}

/// What the first of these stands for that the pattern goes on with.
fn take<T: Copy>(rest: &mut &str, spellings: &[(&str, T)]) -> Option<T> {
    let (after, meaning) =
        spellings.iter().find_map(|(spelling, meaning)| Some((rest.strip_prefix(spelling)?, *meaning)))?;
    *rest = after;
    Some(meaning)
}

fn cl100k(pattern: &str) -> Option<Cl100k> {
    let mut rest = pattern;
    let contractions = take(&mut rest, CONTRACTIONS);
    if contractions.is_some() {
        rest = rest.strip_prefix('|')?;
    }
    let word = take(&mut rest, WORDS)?;
    let digits = take(&mut rest, DIGITS)?;
    let (sign_word, sign_lines) = take(&mut rest, SIGNS)?;
    let whole_end = take(&mut rest, BLANKS)?;
    (rest.is_empty() && word == sign_word).then_some(Cl100k {
        contractions: contractions.unwrap_or(Contractions::None),
        digits,
        word,
        sign_lines,
        whole_end,
    })
}

fn o200k(pattern: &str) -> Option<O200k> {
    let [first, second] = CASED_WORDS;
    let mut rest = pattern.strip_prefix(first)?;
    let contractions = take(&mut rest, CONTRACTIONS);
    let optional = if contractions.is_some() { "?|" } else { "|" };
    rest = rest.strip_prefix(optional)?.strip_prefix(second)?;
    if take(&mut rest, CONTRACTIONS) != contractions {
        return None;
    }
    rest = rest.strip_prefix(optional)?;
    let digits = take(&mut rest, DIGITS)?;
    (rest == r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
        .then_some(O200k { contractions: contractions.unwrap_or(Contractions::None), digits })
}
