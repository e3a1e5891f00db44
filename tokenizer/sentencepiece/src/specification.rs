//! What a `.model` file says: the fields of `ModelProto` that encoding and decoding depend on.
//!
//! Source: `sentencepiece_model.proto` of SentencePiece 0.2.3. As in protobuf 2, a field that comes twice keeps its last
//! value, a message that comes twice is merged, and a constant that an enumeration does not have counts as not set.

use crate::wire::{Reader, Value};
use crate::{Error, Result};

/// How a model cuts a normalized text into pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelKind {
    /// The likeliest sequence of pieces.
    #[default]
    Unigram,
    /// Byte-pair encoding: the best-scored neighbours are joined first.
    Bpe,
    /// Words between spaces.
    Word,
    /// Characters.
    Char,
}

/// What a piece is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PieceKind {
    /// A piece of text.
    #[default]
    Normal,
    /// Stands for everything that is not in the vocabulary.
    Unknown,
    /// Never found in a text: `<s>`, `</s>`.
    Control,
    /// Always one piece, wherever it stands in a text.
    UserDefined,
    /// In the file, never given.
    Unused,
    /// One byte of a character that is not in the vocabulary: `<0x0A>`.
    Byte,
}

/// A piece as it lies in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PieceEntry<'a> {
    pub(crate) text: &'a str,
    pub(crate) score: f32,
    pub(crate) kind: PieceKind,
}

/// What of `TrainerSpec` matters after training.
#[derive(Clone, Debug)]
pub(crate) struct TrainerFields<'a> {
    pub(crate) kind: ModelKind,
    pub(crate) treat_whitespace_as_suffix: bool,
    pub(crate) byte_fallback: bool,
    /// Strings of unk, bos, eos and pad; empty means the default.
    pub(crate) special_pieces: [&'a str; 4],
    pub(crate) unknown_surface: &'a str,
}

/// `NormalizerSpec`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormalizerFields<'a> {
    pub(crate) name: &'a str,
    pub(crate) charsmap: &'a [u8],
    pub(crate) add_dummy_prefix: bool,
    pub(crate) remove_extra_whitespaces: bool,
    pub(crate) escape_whitespaces: bool,
}

/// A whole model file, borrowed from its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Specification<'a> {
    pub(crate) pieces: Vec<PieceEntry<'a>>,
    pub(crate) trainer: TrainerFields<'a>,
    pub(crate) normalizer: NormalizerFields<'a>,
    pub(crate) denormalizer: Option<NormalizerFields<'a>>,
}

impl<'a> Specification<'a> {
    /// Reads a model file's bytes.
    ///
    /// # Errors
    /// [`Error::Wire`] where they are not protobuf, [`Error::Utf8`] and [`Error::Piece`] where a string is not text.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut specification = Self {
            pieces: Vec::new(),
            trainer: TrainerFields {
                kind: ModelKind::default(),
                treat_whitespace_as_suffix: false,
                byte_fallback: false,
                special_pieces: ["<unk>", "<s>", "</s>", "<pad>"],
                unknown_surface: " \u{2047} ",
            },
            normalizer: NormalizerFields::default(),
            denormalizer: None,
        };
        let mut reader = Reader::new(bytes);
        while let Some((number, value)) = reader.field()? {
            let Some(bytes) = value.bytes() else { continue };
            let message = reader.message(bytes);
            match number {
                1 => {
                    let piece = read_piece(message, specification.pieces.len())?;
                    specification.pieces.push(piece);
                }
                2 => specification.trainer.read(message)?,
                3 => specification.normalizer.read(message, "normalizer_spec")?,
                5 => specification.denormalizer.get_or_insert_default().read(message, "denormalizer_spec")?,
                _ => {}
            }
        }
        for (piece, default) in specification.trainer.special_pieces.iter_mut().zip(["<unk>", "<s>", "</s>", "<pad>"]) {
            if piece.is_empty() {
                *piece = default;
            }
        }
        Ok(specification)
    }
}

fn read_piece(mut reader: Reader<'_>, id: usize) -> Result<PieceEntry<'_>> {
    let mut piece = PieceEntry { text: "", score: 0.0, kind: PieceKind::Normal };
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (1, Value::Bytes(bytes)) => {
                let text = std::str::from_utf8(bytes);
                piece.text = text.map_err(|_| Error::Piece { id, what: "its text is not UTF-8".into() })?;
            }
            (2, _) => piece.score = value.float().unwrap_or(piece.score),
            (3, _) => {
                piece.kind = match value.int() {
                    Some(1) => PieceKind::Normal,
                    Some(2) => PieceKind::Unknown,
                    Some(3) => PieceKind::Control,
                    Some(4) => PieceKind::UserDefined,
                    Some(5) => PieceKind::Unused,
                    Some(6) => PieceKind::Byte,
                    _ => piece.kind,
                }
            }
            _ => {}
        }
    }
    Ok(piece)
}

impl<'a> TrainerFields<'a> {
    fn read(&mut self, mut reader: Reader<'a>) -> Result<()> {
        while let Some((number, value)) = reader.field()? {
            match number {
                3 => {
                    self.kind = match value.int() {
                        Some(1) => ModelKind::Unigram,
                        Some(2) => ModelKind::Bpe,
                        Some(3) => ModelKind::Word,
                        Some(4) => ModelKind::Char,
                        _ => self.kind,
                    }
                }
                24 => self.treat_whitespace_as_suffix = value.bool().unwrap_or(self.treat_whitespace_as_suffix),
                35 => self.byte_fallback = value.bool().unwrap_or(self.byte_fallback),
                44 => {
                    if let Some(text) = text(value, "trainer_spec.unk_surface")? {
                        self.unknown_surface = text;
                    }
                }
                45..=48 => {
                    const NAMES: [&str; 4] = [
                        "trainer_spec.unk_piece",
                        "trainer_spec.bos_piece",
                        "trainer_spec.eos_piece",
                        "trainer_spec.pad_piece",
                    ];
                    let which = number as usize - 45;
                    if let Some(text) = text(value, NAMES[which])? {
                        self.special_pieces[which] = text;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Default for NormalizerFields<'_> {
    fn default() -> Self {
        Self {
            name: "",
            charsmap: &[],
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
        }
    }
}

impl<'a> NormalizerFields<'a> {
    fn read(&mut self, mut reader: Reader<'a>, field: &'static str) -> Result<()> {
        while let Some((number, value)) = reader.field()? {
            match number {
                1 => self.name = text(value, field)?.unwrap_or(self.name),
                2 => self.charsmap = value.bytes().unwrap_or(self.charsmap),
                3 => self.add_dummy_prefix = value.bool().unwrap_or(self.add_dummy_prefix),
                4 => self.remove_extra_whitespaces = value.bool().unwrap_or(self.remove_extra_whitespaces),
                5 => self.escape_whitespaces = value.bool().unwrap_or(self.escape_whitespaces),
                _ => {}
            }
        }
        Ok(())
    }
}

fn text<'a>(value: Value<'a>, field: &'static str) -> Result<Option<&'a str>> {
    value.bytes().map(std::str::from_utf8).transpose().map_err(|_| Error::Utf8(field))
}
