//! A whole text to ids: added tokens, normalising, pieces.

use super::added::{AddedTokens, Part};
use super::normalize::{Normalized, nfc};
use super::output::{Output, Sink};
use super::{Bpe, Scratch};
use crate::pretokenize::Splitter;

/// What a byte-level BPE tokenizer does to a text, without Hugging Face's machinery.
pub(crate) struct Direct {
    /// Added tokens that are found in the text as it is.
    pub added: AddedTokens,
    /// Added tokens that are found between them after normalising.
    pub added_normalized: AddedTokens,
    /// Whether text is brought into normalisation form C.
    pub nfc: bool,
    /// Whether a space is put before text that begins without one.
    pub prefix_space: bool,
    pub splitter: Splitter,
    /// Whether the pieces always end where a letter is followed by white space or a Chinese mark.
    pub cuts_after_words: bool,
    pub bpe: Bpe,
}

/// A part of a text after normalising.
enum Section<'s> {
    /// An added token's id, and what it takes of the original text.
    Added { id: u32, start: usize, end: usize },
    /// Text to be cut into pieces, and where it comes from.
    Text(&'s str, Origin<'s>),
}

/// Where the bytes of a section stood.
struct Origin<'s> {
    /// Where the text that was normalised began.
    start: usize,
    normalized: Option<&'s Normalized>,
    /// Where the section begins in the normalised text.
    offset: usize,
}

impl Origin<'_> {
    fn of(&self, place: usize, is_end: bool) -> usize {
        let place = self.offset + place;
        self.start + self.normalized.map_or(place, |normalized| normalized.origin(place, is_end))
    }
}

impl Direct {
    /// Whether these are the added tokens it knows.
    pub(crate) fn has_added(&self, count: usize, is_added: impl Fn(u32) -> bool) -> bool {
        let mut ids = self.added.ids().chain(self.added_normalized.ids());
        self.added.ids().count() + self.added_normalized.ids().count() == count && ids.all(is_added)
    }

    /// Hands the ids of a text to a sink.
    pub(crate) fn encode(&self, text: &str, parse_special: bool, scratch: &mut Scratch, sink: &mut impl Sink) {
        let Scratch { work, buffer, prefixed, .. } = scratch;
        work.prepare(self.bpe.number());
        let mut output = Output::new(buffer, sink);
        self.sections(text, parse_special, |section| match section {
            Section::Added { id, .. } => output.all(&[id]),
            Section::Text(text, _) => {
                let text = self.prefixed(text, prefixed);
                let bytes = text.as_bytes();
                self.splitter.split(text, |piece| {
                    let start = piece.as_ptr() as usize - bytes.as_ptr() as usize;
                    self.bpe.encode(bytes, start, start + piece.len(), work, &mut output);
                });
                self.bpe.finish(bytes, work, &mut output);
            }
        });
        output.flush();
    }

    /// Appends the ids of a text, and of each the bytes of the text it stands for.
    pub(crate) fn encode_with_offsets(
        &self,
        text: &str,
        parse_special: bool,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
        offsets: &mut Vec<(usize, usize)>,
    ) {
        let Scratch { work, buffer, prefixed, .. } = scratch;
        work.prepare(self.bpe.number());
        self.sections(text, parse_special, |section| match section {
            Section::Added { id, start, end } => {
                ids.push(id);
                offsets.push((start, end));
            }
            Section::Text(section, origin) => {
                let text = self.prefixed(section, prefixed);
                let bytes = text.as_bytes();
                let first = ids.len();
                let mut output = Output::new(buffer, ids);
                self.splitter.split(text, |piece| {
                    let start = piece.as_ptr() as usize - bytes.as_ptr() as usize;
                    self.bpe.encode(bytes, start, start + piece.len(), work, &mut output);
                });
                self.bpe.finish(bytes, work, &mut output);
                output.flush();
                // The space put before is nowhere in the text.
                let before = text.len() - section.len();
                let mut start = 0;
                for id in &ids[first..] {
                    let end = start + self.bpe.token_bytes(*id) as usize;
                    offsets.push((origin.of(start.max(before) - before, false), origin.of(end - before, true)));
                    start = end;
                }
            }
        });
    }

    /// The pieces between the added tokens of a text, control tokens among these.
    pub(crate) fn pieces(&self, text: &str, mut piece: impl FnMut(&str)) {
        let mut room = String::new();
        self.sections(text, true, |section| {
            if let Section::Text(text, _) = section {
                self.splitter.split(self.prefixed(text, &mut room), &mut piece);
            }
        });
    }

    /// Appends the ids of a piece.
    pub(crate) fn encode_piece(&self, piece: &[u8], scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let Scratch { work, buffer, .. } = scratch;
        work.prepare(self.bpe.number());
        let mut output = Output::new(buffer, ids);
        if !piece.is_empty() {
            self.bpe.encode(piece, 0, piece.len(), work, &mut output);
        }
        self.bpe.finish(piece, work, &mut output);
        output.flush();
    }

    fn prefixed<'t>(&self, text: &'t str, room: &'t mut String) -> &'t str {
        if !self.prefix_space || text.starts_with(' ') {
            return text;
        }
        room.clear();
        room.push(' ');
        room.push_str(text);
        room
    }

    fn sections(&self, text: &str, parse_special: bool, mut section: impl FnMut(Section<'_>)) {
        self.added.split(text, parse_special, |part| match part {
            Part::Added { id, start, end } => section(Section::Added { id, start, end }),
            Part::Text { start, end } if self.nfc || !self.added_normalized.is_empty() => {
                let normalized = if self.nfc { nfc(&text[start..end]) } else { None };
                let normalized = normalized.as_ref();
                let text = normalized.map_or(&text[start..end], |normalized| &normalized.text);
                self.added_normalized.split(text, parse_special, |part| match part {
                    Part::Added { id, start: from, end: to } => {
                        let origin = Origin { start, normalized, offset: 0 };
                        section(Section::Added { id, start: origin.of(from, false), end: origin.of(to, true) });
                    }
                    Part::Text { start: from, end: to } => {
                        section(Section::Text(&text[from..to], Origin { start, normalized, offset: from }));
                    }
                });
            }
            Part::Text { start, end } => {
                section(Section::Text(&text[start..end], Origin { start, normalized: None, offset: 0 }));
            }
        });
    }
}
