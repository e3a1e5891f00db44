//! Normalizing: what happens to a text before it is cut into pieces.
//!
//! Source: `Normalizer::Normalize` of SentencePiece 0.2.3. From left to right: a user-defined symbol stays as it is, else
//! the longest rule of the charsmap is applied, else a character is copied. Then spaces: those at both ends and repeated
//! ones go, the rest become `▁`, and one is put in front (or at the end), each if the model says so.

use crate::Result;
use crate::charsmap::Charsmap;
use crate::specification::NormalizerFields;
use crate::symbols::Symbols;

/// What a space becomes: U+2581, lower one eighth block.
pub(crate) const SPACE: &str = "\u{2581}";

/// A byte of ASCII that needs the long way.
const LONG_WAY: u8 = 0xff;

/// A model's normalizer, or its denormalizer.
#[derive(Clone, Debug)]
pub(crate) struct Normalizer {
    name: String,
    charsmap: Option<Charsmap>,
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    space: &'static str,
    space_as_suffix: bool,
    /// What each byte of ASCII becomes if ASCII follows it, or [`LONG_WAY`].
    ascii: [u8; 128],
}

impl Normalizer {
    /// Of the fields in `field`; `symbols` are those that [`Normalizer::normalize`] will be given.
    ///
    /// # Errors
    /// `Error::Charsmap` when the compiled rules are damaged.
    pub(crate) fn new(
        fields: &NormalizerFields<'_>,
        field: &'static str,
        space_as_suffix: bool,
        symbols: Option<&Symbols>,
    ) -> Result<Self> {
        let charsmap = if fields.charsmap.is_empty() { None } else { Some(Charsmap::read(fields.charsmap, field)?) };
        let ascii = std::array::from_fn(|byte| {
            let byte = byte as u8;
            if symbols.is_some_and(|symbols| symbols.may_begin(byte)) {
                return LONG_WAY;
            }
            let Some(charsmap) = &charsmap else { return byte };
            if charsmap.joins_ascii(byte) {
                return LONG_WAY;
            }
            match charsmap.longest(&[byte]).map(|(_, becomes)| becomes.as_bytes()) {
                None => byte,
                Some([byte]) if byte.is_ascii() => *byte,
                Some(_) => LONG_WAY,
            }
        });
        Ok(Self {
            name: fields.name.to_owned(),
            charsmap,
            add_dummy_prefix: fields.add_dummy_prefix,
            remove_extra_whitespaces: fields.remove_extra_whitespaces,
            space: if fields.escape_whitespaces { SPACE } else { " " },
            space_as_suffix,
            ascii,
        })
    }

    /// The rules' name: `nmt_nfkc`, `identity`, …
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether decoding takes the first space away.
    pub(crate) fn adds_dummy_prefix(&self) -> bool {
        self.add_dummy_prefix
    }

    /// Whether decoding takes all first spaces away.
    pub(crate) fn removes_extra_whitespaces(&self) -> bool {
        self.remove_extra_whitespaces
    }

    /// Puts the normalized text into `out`, and into `offsets`, if there, the place in `text` that each of its bytes
    /// comes from, with one more for the end. Both are emptied first. O(bytes).
    pub(crate) fn normalize(
        &self,
        text: &str,
        symbols: Option<&Symbols>,
        out: &mut String,
        offsets: Option<&mut Vec<usize>>,
    ) {
        let symbols = symbols.filter(|symbols| !symbols.is_empty());
        out.clear();
        match offsets {
            None => Walk { normalizer: self, symbols, out, offsets: NoOffsets }.run(text),
            Some(offsets) => {
                offsets.clear();
                Walk { normalizer: self, symbols, out, offsets }.run(text);
            }
        }
    }
}

/// Where places in the original text go.
trait Offsets {
    fn push(&mut self, place: usize, count: usize);
    /// Keeps the first `length` and returns the one after them.
    fn truncate(&mut self, length: usize) -> usize;
}

struct NoOffsets;

impl Offsets for NoOffsets {
    #[inline(always)]
    fn push(&mut self, _place: usize, _count: usize) {}
    fn truncate(&mut self, _length: usize) -> usize {
        0
    }
}

impl Offsets for &mut Vec<usize> {
    fn push(&mut self, place: usize, count: usize) {
        self.extend(std::iter::repeat_n(place, count));
    }
    fn truncate(&mut self, length: usize) -> usize {
        let place = self[length];
        Vec::truncate(self, length);
        place
    }
}

/// One text on its way through the normalizer.
struct Walk<'a, O> {
    normalizer: &'a Normalizer,
    symbols: Option<&'a Symbols>,
    out: &'a mut String,
    offsets: O,
}

impl<'a, O: Offsets> Walk<'a, O> {
    fn run(&mut self, text: &str) {
        let normalizer = self.normalizer;
        let mut at = 0;
        if normalizer.remove_extra_whitespaces {
            while at < text.len() {
                let (becomes, length) = self.prefix(text, at);
                if becomes != " " {
                    break;
                }
                at += length;
            }
        }
        if at == text.len() {
            return;
        }
        self.out.reserve(text.len() - at + text.len() / 4 + 8);
        if normalizer.add_dummy_prefix && !normalizer.space_as_suffix {
            self.space(at);
        }
        self.body(text, at);
        let mut end = text.len();
        if normalizer.remove_extra_whitespaces {
            while self.out.ends_with(normalizer.space) {
                let length = self.out.len() - normalizer.space.len();
                self.out.truncate(length);
                end = self.offsets.truncate(length);
            }
        }
        if normalizer.add_dummy_prefix && normalizer.space_as_suffix {
            self.space(end);
        }
        self.offsets.push(end, 1);
    }

    fn body(&mut self, text: &str, mut at: usize) {
        let normalizer = self.normalizer;
        let bytes = text.as_bytes();
        // After a space, or at the beginning, and spaces that follow are to go.
        let mut after_space = normalizer.remove_extra_whitespaces;
        while at < bytes.len() {
            let byte = bytes[at];
            if byte < 0x80 && bytes.get(at + 1).is_none_or(u8::is_ascii) {
                let becomes = normalizer.ascii[usize::from(byte)];
                if becomes == b' ' {
                    if !after_space {
                        self.space(at);
                    }
                    after_space = normalizer.remove_extra_whitespaces;
                    at += 1;
                    continue;
                }
                if becomes != LONG_WAY {
                    self.out.push(char::from(becomes));
                    self.offsets.push(at, 1);
                    after_space = false;
                    at += 1;
                    continue;
                }
            } else if let Some(character) = self.plain_character(text, at) {
                self.out.push_str(character);
                self.offsets.push(at, character.len());
                after_space = false;
                at += character.len();
                continue;
            }
            let (mut becomes, length) = self.prefix(text, at);
            if after_space {
                becomes = becomes.trim_start_matches(' ');
            }
            let mut parts = becomes.split(' ');
            let mut part = parts.next();
            while let Some(plain) = part {
                self.out.push_str(plain);
                self.offsets.push(at, plain.len());
                part = parts.next();
                if part.is_some() {
                    self.space(at);
                }
            }
            if !becomes.is_empty() {
                after_space = becomes.ends_with(' ') && normalizer.remove_extra_whitespaces;
            }
            at += length;
        }
    }

    fn space(&mut self, at: usize) {
        let space = self.normalizer.space;
        self.out.push_str(space);
        self.offsets.push(at, space.len());
    }

    /// The character at `at` if it has two or three bytes and nothing can happen to it.
    #[inline(always)]
    fn plain_character<'t>(&self, text: &'t str, at: usize) -> Option<&'t str> {
        let (character, length) = match text.as_bytes()[at..] {
            [a @ 0xe0..=0xef, b, c, ..] => {
                ((u32::from(a) & 0xf) << 12 | (u32::from(b) & 0x3f) << 6 | u32::from(c) & 0x3f, 3)
            }
            [a @ 0xc2..=0xdf, b, ..] => ((u32::from(a) & 0x1f) << 6 | u32::from(b) & 0x3f, 2),
            _ => return None,
        };
        let plain = self.normalizer.charsmap.as_ref().is_none_or(|charsmap| !charsmap.may_begin(character))
            && self.symbols.is_none_or(|symbols| !symbols.may_begin(text.as_bytes()[at]));
        if plain { text.get(at..at + length) } else { None }
    }

    /// What the beginning of `text[at..]`, which is not empty, becomes, and its length.
    fn prefix<'t>(&self, text: &'t str, at: usize) -> (&'t str, usize)
    where
        'a: 't,
    {
        let bytes = &text.as_bytes()[at..];
        if let Some((length, _)) = self.symbols.and_then(|symbols| symbols.longest(bytes))
            && let Some(symbol) = text.get(at..at + length)
        {
            return (symbol, length);
        }
        if let Some((length, becomes)) = self.normalizer.charsmap.as_ref().and_then(|charsmap| charsmap.longest(bytes))
        {
            return (becomes, length);
        }
        // Rules of a strange model may have ended inside a character; what is left of it is no character.
        match text.get(at..).and_then(|rest| rest.chars().next()) {
            Some(character) => (&text[at..at + character.len_utf8()], character.len_utf8()),
            None => ("\u{fffd}", 1),
        }
    }
}

/// The length of the character that `bytes` begin with, if they begin with one.
pub(crate) fn first_character(bytes: &[u8]) -> Option<usize> {
    let length = match bytes.first()? {
        0..=0x7f => return Some(1),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    std::str::from_utf8(bytes.get(..length)?).ok().map(|_| length)
}
