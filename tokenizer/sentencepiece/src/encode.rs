//! From a text to ids, pieces or pieces with their places.

use crate::bpe::BpeScratch;
use crate::model::{Cutter, Model};
use crate::unigram::{UNKNOWN, UnigramScratch};
use crate::words;

/// What encoding needs for a while, to be used again for the next text: buffers of a few times the longest text, and for
/// BPE models 2 MiB of results for short strings seen before.
///
/// One for each thread. It may be used with one model after the other; with BPE models it then forgets what it has learnt.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    normalized: String,
    places: Vec<usize>,
    raw: Vec<u32>,
    unigram: UnigramScratch,
    bpe: BpeScratch,
    /// Whose results are remembered.
    model: u64,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its id; the unknown piece's for what is not in the vocabulary.
    pub id: u32,
    /// Its text, as normalized: `▁the`. For a byte of an unknown character, the byte piece's: `<0xE4>`.
    pub piece: &'a str,
    /// The bytes of the original text that it comes from. Of several byte pieces the last has the whole character, the
    /// others are empty, as is what normalizing put in.
    pub place: std::ops::Range<usize>,
}

impl Model {
    /// Appends the ids of `text` to `ids`, as `EncodeAsIds` gives them.
    ///
    /// Neighbouring unknown characters are one unknown id; with byte fallback each of their bytes has an id. Time grows
    /// with the bytes, for unigram models at worst times the longest piece.
    ///
    /// # Example
    /// ```no_run
    /// # fn main() -> Result<(), yuan_sentencepiece::Error> {
    /// let model = yuan_sentencepiece::Model::open("zh.sp.model")?;
    /// let mut scratch = yuan_sentencepiece::Scratch::default();
    /// let mut ids = Vec::new();
    /// for text in ["今天天气很好。", "明天呢？"] {
    ///     ids.clear();
    ///     model.encode_ids(text, &mut scratch, &mut ids);
    ///     println!("{ids:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn encode_ids(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        self.cut(text, scratch, false);
        let Scratch { normalized, raw, .. } = scratch;
        if !raw.contains(&UNKNOWN) {
            ids.extend_from_slice(raw);
            return;
        }
        match (self.vocabulary.bytes(), self.vocabulary.unknown()) {
            (None, unknown) => {
                let unknown = unknown.unwrap_or(UNKNOWN);
                let mut previous = None;
                for &id in raw.iter() {
                    if id != UNKNOWN || previous != Some(UNKNOWN) {
                        ids.push(if id == UNKNOWN { unknown } else { id });
                    }
                    previous = Some(id);
                }
            }
            (Some(bytes), _) => self.walk(raw, normalized, |id, piece, _| match id {
                UNKNOWN => ids.extend(piece.bytes().map(|byte| bytes[usize::from(byte)])),
                id => ids.push(id),
            }),
        }
    }

    /// The ids of `text`, with buffers of its own: for a text now and then. See [`Model::encode_ids`].
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        self.encode_ids(text, &mut Scratch::default(), &mut ids);
        ids
    }

    /// Calls `each` with the pieces of `text`, as `EncodeAsPieces` gives them: an unknown piece is the unknown
    /// characters themselves. Joined by spaces they are what KenLM models of CCNet are trained on.
    pub fn encode_pieces(&self, text: &str, scratch: &mut Scratch, mut each: impl FnMut(&str)) {
        self.cut(text, scratch, false);
        self.pieces(&scratch.raw, &scratch.normalized, |_, piece, _, _| each(piece));
    }

    /// Calls `each` with the pieces of `text` and where in `text` they come from.
    pub fn encode_places(&self, text: &str, scratch: &mut Scratch, mut each: impl FnMut(Piece<'_>)) {
        self.cut(text, scratch, true);
        let places = &scratch.places;
        self.pieces(&scratch.raw, &scratch.normalized, |id, piece, start, end| {
            each(Piece { id, piece, place: places[start]..places[end] });
        });
    }

    /// The normalized text that pieces are cut from: `▁Hello▁world`.
    pub fn normalize(&self, text: &str) -> String {
        let mut normalized = String::new();
        self.normalizer.normalize(text, Some(&self.symbols), &mut normalized, None);
        normalized
    }

    /// The normalized text, and for each of its bytes and its end the place in `text`, in bytes, that it comes from.
    /// Empty places for an empty text.
    pub fn normalize_with_places(&self, text: &str) -> (String, Vec<usize>) {
        let (mut normalized, mut places) = (String::new(), Vec::new());
        self.normalizer.normalize(text, Some(&self.symbols), &mut normalized, Some(&mut places));
        (normalized, places)
    }

    /// Fills `scratch.normalized`, `scratch.raw` and, if wanted, `scratch.places`.
    fn cut(&self, text: &str, scratch: &mut Scratch, with_places: bool) {
        let Scratch { normalized, places, raw, unigram, bpe, model } = scratch;
        self.normalizer.normalize(text, Some(&self.symbols), normalized, with_places.then_some(places));
        raw.clear();
        match &self.cutter {
            Cutter::Unigram(cutter) => cutter.encode(normalized, unigram, raw),
            Cutter::Bpe(cutter) => {
                if *model != self.number {
                    bpe.forget();
                    *model = self.number;
                }
                cutter.encode(&self.vocabulary, &self.symbols, normalized, bpe, raw);
            }
            Cutter::Word => words::encode_words(&self.vocabulary, normalized, raw),
            Cutter::Char => words::encode_characters(&self.vocabulary, &self.symbols, normalized, raw),
        }
    }

    /// Calls `each` with an id or [`UNKNOWN`], its text and where in `normalized` it begins.
    fn walk(&self, raw: &[u32], normalized: &str, mut each: impl FnMut(u32, &str, usize)) {
        let mut at = 0;
        for &id in raw {
            let rest = &normalized[at..];
            let length = match (id, &self.cutter) {
                (UNKNOWN, Cutter::Word) => words::first_word(rest),
                (UNKNOWN, _) => words::first_character(rest),
                (id, _) => self.vocabulary.piece(id).len(),
            };
            each(id, &rest[..length], at);
            at += length;
        }
    }

    /// Calls `each` with ids and texts as given to users, and where in `normalized` they begin and end.
    fn pieces(&self, raw: &[u32], normalized: &str, mut each: impl FnMut(u32, &str, usize, usize)) {
        // Where a run of unknown characters began that is still growing.
        let mut run = None;
        let unknown = self.vocabulary.unknown().unwrap_or(UNKNOWN);
        self.walk(raw, normalized, |id, piece, start| {
            if id == UNKNOWN {
                match self.vocabulary.bytes() {
                    Some(bytes) => {
                        let end = start + piece.len();
                        let ids = piece.bytes().map(|byte| bytes[usize::from(byte)]);
                        for (id, after) in ids.zip(start + 1..) {
                            each(id, self.vocabulary.piece(id), start, if after == end { end } else { start });
                        }
                    }
                    None => run = run.or(Some(start)),
                }
                return;
            }
            if let Some(begin) = run.take() {
                each(unknown, &normalized[begin..start], begin, start);
            }
            each(id, piece, start, start + piece.len());
        });
        if let Some(begin) = run {
            each(unknown, &normalized[begin..], begin, normalized.len());
        }
    }
}
