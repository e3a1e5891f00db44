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
        let mut bytes = std::mem::take(out).into_bytes();
        bytes.clear();
        match offsets {
            None => Walk { normalizer: self, symbols, out: &mut bytes, offsets: NoOffsets }.run(text.as_bytes()),
            Some(offsets) => {
                offsets.clear();
                Walk { normalizer: self, symbols, out: &mut bytes, offsets }.run(text.as_bytes());
            }
        }
        *out = String::from_utf8(bytes)
            .expect("characters, replacements and symbols are UTF-8, and stray bytes are replaced");
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
    out: &'a mut Vec<u8>,
    offsets: O,
}

impl<'a, O: Offsets> Walk<'a, O> {
    fn run(&mut self, text: &[u8]) {
        let normalizer = self.normalizer;
        let mut at = 0;
        if normalizer.remove_extra_whitespaces {
            while at < text.len() {
                let (becomes, length) = self.prefix(&text[at..]);
                if becomes != b" " {
                    break;
                }
                at += length;
            }
        }
        if at == text.len() {
            return;
        }
        self.out.reserve(text.len() - at + text.len() / 4 + 8);
        let prefix = normalizer.add_dummy_prefix && !normalizer.space_as_suffix;
        if prefix {
            self.space(at);
        }
        self.body(text, at);
        let mut end = text.len();
        if normalizer.remove_extra_whitespaces {
            while self.out.ends_with(normalizer.space.as_bytes()) {
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

    fn body(&mut self, text: &[u8], mut at: usize) {
        let normalizer = self.normalizer;
        // After a space, or at the beginning, and spaces that follow are to go.
        let mut after_space = normalizer.remove_extra_whitespaces;
        while at < text.len() {
            let byte = text[at];
            if byte < 0x80 && text.get(at + 1).is_none_or(u8::is_ascii) {
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
                    self.out.push(becomes);
                    self.offsets.push(at, 1);
                    after_space = false;
                    at += 1;
                    continue;
                }
            } else if let Some(length) = self.plain_character(&text[at..]) {
                self.out.extend_from_slice(&text[at..at + length]);
                self.offsets.push(at, length);
                after_space = false;
                at += length;
                continue;
            }
            let (mut becomes, length) = self.prefix(&text[at..]);
            while after_space && becomes.first() == Some(&b' ') {
                becomes = &becomes[1..];
            }
            for &byte in becomes {
                if byte == b' ' {
                    self.space(at);
                } else {
                    self.out.push(byte);
                    self.offsets.push(at, 1);
                }
            }
            if let Some(&last) = becomes.last() {
                after_space = last == b' ' && normalizer.remove_extra_whitespaces;
            }
            at += length;
        }
    }

    fn space(&mut self, at: usize) {
        let space = self.normalizer.space;
        self.out.extend_from_slice(space.as_bytes());
        self.offsets.push(at, space.len());
    }

    /// The length of the first character if it has two or three bytes and nothing can happen to it.
    #[inline(always)]
    fn plain_character(&self, text: &[u8]) -> Option<usize> {
        let (character, length) = match *text {
            [a @ 0xe0..=0xef, b @ 0x80..=0xbf, c @ 0x80..=0xbf, ..] => {
                ((u32::from(a) & 0xf) << 12 | (u32::from(b) & 0x3f) << 6 | u32::from(c) & 0x3f, 3)
            }
            [a @ 0xc2..=0xdf, b @ 0x80..=0xbf, ..] => ((u32::from(a) & 0x1f) << 6 | u32::from(b) & 0x3f, 2),
            _ => return None,
        };
        let plain = self.normalizer.charsmap.as_ref().is_none_or(|charsmap| !charsmap.may_begin(character));
        (plain && self.symbols.is_none_or(|symbols| !symbols.may_begin(text[0]))).then_some(length)
    }

    /// What the beginning of a text becomes, and its length. `text` is not empty.
    fn prefix<'t>(&self, text: &'t [u8]) -> (&'t [u8], usize)
    where
        'a: 't,
    {
        if let Some((length, _)) = self.symbols.and_then(|symbols| symbols.longest(text)) {
            return (&text[..length], length);
        }
        if let Some((length, becomes)) = self.normalizer.charsmap.as_ref().and_then(|charsmap| charsmap.longest(text)) {
            return (becomes.as_bytes(), length);
        }
        match first_character(text) {
            Some(length) => (&text[..length], length),
            None => ("\u{fffd}".as_bytes(), 1),
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
