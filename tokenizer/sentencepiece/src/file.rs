//! A model file in memory, to be changed or written: what `.model` says, with the fields owned.
//!
//! Source: `sentencepiece_model.proto` of SentencePiece 0.2.3; its C++ library loads what is written here.

use std::path::Path;

use crate::specification::{NormalizerFields, Specification};
use crate::{Error, ModelKind, PieceKind, Result};

/// A model file: pieces in the order of their ids, and how texts become pieces.
///
/// # Example
/// ```
/// use yuan_sentencepiece::{FilePiece, Model, ModelFile, ModelKind, PieceKind};
///
/// # fn main() -> Result<(), yuan_sentencepiece::Error> {
/// let piece = |text: &str, score, kind| FilePiece { text: text.into(), score, kind };
/// let mut file = ModelFile { pieces: vec![piece("<unk>", 0.0, PieceKind::Unknown)], ..ModelFile::default() };
/// file.trainer.kind = ModelKind::Bpe;
/// file.pieces.extend(["▁", "a", "b", "ab"].map(|text| piece(text, -(text.len() as f32), PieceKind::Normal)));
/// let model = Model::from_bytes(&file.to_bytes())?;
/// assert_eq!(model.encode("ab"), [1, 4]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFile {
    /// The pieces; a piece's id is its place.
    pub pieces: Vec<FilePiece>,
    /// `trainer_spec`.
    pub trainer: TrainerSpec,
    /// `normalizer_spec`.
    pub normalizer: NormalizerSpec,
    /// `denormalizer_spec`.
    pub denormalizer: Option<NormalizerSpec>,
}

/// A piece of a [`ModelFile`].
#[derive(Clone, Debug, PartialEq)]
pub struct FilePiece {
    /// Its text, `▁` for a space.
    pub text: String,
    /// In unigram models the logarithm of its probability, in BPE models minus its rank.
    pub score: f32,
    /// What it is.
    pub kind: PieceKind,
}

/// `TrainerSpec`: what encoding depends on, and what tells how a model was trained. The defaults are the format's.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerSpec {
    /// `model_type`.
    pub kind: ModelKind,
    /// `byte_fallback`: characters that are no pieces are given as the 256 byte pieces, which must all be there.
    pub byte_fallback: bool,
    /// `treat_whitespace_as_suffix`.
    pub treat_whitespace_as_suffix: bool,
    /// `unk_piece`, `bos_piece`, `eos_piece`, `pad_piece`. Their ids are those of the pieces with these texts.
    pub special_pieces: [String; 4],
    /// `unk_surface`: what an unknown piece decodes to.
    pub unknown_surface: String,
    /// `character_coverage`, in (0, 1].
    pub character_coverage: f32,
    /// `max_sentencepiece_length`, in characters.
    pub max_piece_chars: u32,
    /// `split_by_unicode_script`.
    pub split_by_unicode_script: bool,
    /// `split_by_number`.
    pub split_by_number: bool,
    /// `split_by_whitespace`.
    pub split_by_whitespace: bool,
    /// `split_digits`.
    pub split_digits: bool,
    /// `allow_whitespace_only_pieces`.
    pub allow_whitespace_only_pieces: bool,
}

/// `NormalizerSpec`. The defaults are the format's: rules of no name, a space put in front, spaces made one and taken off the ends.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalizerSpec {
    /// The rules' name: `identity`, `nmt_nfkc`, ….
    pub name: String,
    /// `precompiled_charsmap`: the rules, as the C++ library compiles them; empty for none.
    pub charsmap: Vec<u8>,
    /// `add_dummy_prefix`: whether a space is put in front of each text.
    pub add_dummy_prefix: bool,
    /// `remove_extra_whitespaces`.
    pub remove_extra_whitespaces: bool,
    /// `escape_whitespaces`: whether spaces become `▁`.
    pub escape_whitespaces: bool,
}

impl Default for TrainerSpec {
    fn default() -> Self {
        Self {
            kind: ModelKind::Unigram,
            byte_fallback: false,
            treat_whitespace_as_suffix: false,
            special_pieces: ["<unk>", "<s>", "</s>", "<pad>"].map(Into::into),
            unknown_surface: " \u{2047} ".into(),
            character_coverage: 0.9995,
            max_piece_chars: 16,
            split_by_unicode_script: true,
            split_by_number: true,
            split_by_whitespace: true,
            split_digits: false,
            allow_whitespace_only_pieces: false,
        }
    }
}

impl Default for NormalizerSpec {
    fn default() -> Self {
        NormalizerFields::default().into()
    }
}

impl NormalizerSpec {
    /// Texts stay what they are: no rules, every space kept, one put in front.
    pub fn identity() -> Self {
        Self { name: "identity".into(), remove_extra_whitespaces: false, ..Self::default() }
    }
}

impl From<NormalizerFields<'_>> for NormalizerSpec {
    fn from(fields: NormalizerFields<'_>) -> Self {
        Self {
            name: fields.name.into(),
            charsmap: fields.charsmap.into(),
            add_dummy_prefix: fields.add_dummy_prefix,
            remove_extra_whitespaces: fields.remove_extra_whitespaces,
            escape_whitespaces: fields.escape_whitespaces,
        }
    }
}

impl ModelFile {
    /// Reads a `.model` file. What only tells how it was trained is not kept.
    ///
    /// # Errors
    /// [`Error::Read`] when the file cannot be read, [`Error::File`] when it is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::from_bytes(&bytes).map_err(|source| Error::File { path: path.to_owned(), source: Box::new(source) })
    }

    /// Reads a `.model` file's bytes.
    ///
    /// # Errors
    /// Where they are not protobuf or a string is not UTF-8. Whether a model can be made of it, only
    /// [`Model::from_bytes`](crate::Model::from_bytes) tells.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let Specification { pieces, trainer, normalizer, denormalizer } = Specification::read(bytes)?;
        let pieces = pieces.iter().map(|it| FilePiece { text: it.text.into(), score: it.score, kind: it.kind });
        Ok(Self {
            pieces: pieces.collect(),
            trainer: TrainerSpec {
                kind: trainer.kind,
                byte_fallback: trainer.byte_fallback,
                treat_whitespace_as_suffix: trainer.treat_whitespace_as_suffix,
                special_pieces: trainer.special_pieces.map(Into::into),
                unknown_surface: trainer.unknown_surface.into(),
                ..TrainerSpec::default()
            },
            normalizer: normalizer.into(),
            denormalizer: denormalizer.map(Into::into),
        })
    }

    /// Adds the 256 byte pieces `<0x00>` to `<0xFF>`, and says so in the trainer's fields.
    pub fn push_bytes(&mut self) {
        self.trainer.byte_fallback = true;
        let pieces =
            (0..=255_u8).map(|byte| FilePiece { text: format!("<0x{byte:02X}>"), score: 0.0, kind: PieceKind::Byte });
        self.pieces.extend(pieces);
    }

    /// The file's bytes.
    ///
    /// Lists of control and user-defined symbols and the ids of special pieces, which the format has a second time in
    /// `trainer_spec`, are written as the pieces say.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut message = Vec::new();
        for piece in &self.pieces {
            message.clear();
            bytes(1, piece.text.as_bytes(), &mut message);
            float(2, piece.score, &mut message);
            if piece.kind != PieceKind::Normal {
                int(3, number(piece.kind), &mut message);
            }
            bytes(1, &message, &mut out);
        }
        bytes(2, &self.trainer_bytes(), &mut out);
        bytes(3, &self.normalizer.to_bytes(), &mut out);
        if let Some(denormalizer) = &self.denormalizer {
            bytes(5, &denormalizer.to_bytes(), &mut out);
        }
        out
    }

    /// Text and score of each piece, a line each: what the C++ trainer writes beside a model as `.vocab`.
    pub fn vocab_lines(&self) -> String {
        self.pieces.iter().map(|piece| format!("{}\t{}\n", piece.text, piece.score)).collect()
    }

    fn trainer_bytes(&self) -> Vec<u8> {
        let trainer = &self.trainer;
        let mut out = Vec::new();
        let kind = match trainer.kind {
            ModelKind::Unigram => 1,
            ModelKind::Bpe => 2,
            ModelKind::Word => 3,
            ModelKind::Char => 4,
        };
        int(3, kind, &mut out);
        int(4, self.pieces.len() as i64, &mut out);
        float(10, trainer.character_coverage, &mut out);
        int(20, i64::from(trainer.max_piece_chars), &mut out);
        for (field, flag) in [
            (21, trainer.split_by_unicode_script),
            (22, trainer.split_by_whitespace),
            (23, trainer.split_by_number),
            (24, trainer.treat_whitespace_as_suffix),
            (25, trainer.split_digits),
            (26, trainer.allow_whitespace_only_pieces),
            (35, trainer.byte_fallback),
        ] {
            int(field, i64::from(flag), &mut out);
        }
        for piece in self.of_kind(PieceKind::Control).filter(|text| !trainer.special_pieces[1..].contains(text)) {
            bytes(30, piece.as_bytes(), &mut out);
        }
        for piece in self.of_kind(PieceKind::UserDefined) {
            bytes(31, piece.as_bytes(), &mut out);
        }
        for (field, text) in (40..).zip(&trainer.special_pieces) {
            let id = self.pieces.iter().position(|piece| piece.text == *text);
            int(field, id.map_or(-1, |id| id as i64), &mut out);
        }
        bytes(44, trainer.unknown_surface.as_bytes(), &mut out);
        for (field, text) in (45..).zip(&trainer.special_pieces) {
            bytes(field, text.as_bytes(), &mut out);
        }
        out
    }

    fn of_kind(&self, kind: PieceKind) -> impl Iterator<Item = &String> {
        self.pieces.iter().filter(move |piece| piece.kind == kind).map(|piece| &piece.text)
    }
}

impl NormalizerSpec {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        bytes(1, self.name.as_bytes(), &mut out);
        bytes(2, &self.charsmap, &mut out);
        int(3, i64::from(self.add_dummy_prefix), &mut out);
        int(4, i64::from(self.remove_extra_whitespaces), &mut out);
        int(5, i64::from(self.escape_whitespaces), &mut out);
        out
    }
}

fn number(kind: PieceKind) -> i64 {
    match kind {
        PieceKind::Normal => 1,
        PieceKind::Unknown => 2,
        PieceKind::Control => 3,
        PieceKind::UserDefined => 4,
        PieceKind::Unused => 5,
        PieceKind::Byte => 6,
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An integer, a boolean or a constant of an enumeration.
fn int(field: u64, value: i64, out: &mut Vec<u8>) {
    varint(field << 3, out);
    // Negative numbers have ten bytes, as in protobuf.
    varint(value as u64, out);
}

fn float(field: u64, value: f32, out: &mut Vec<u8>) {
    varint(field << 3 | 5, out);
    out.extend(value.to_le_bytes());
}

/// Bytes, a string or a message.
fn bytes(field: u64, value: &[u8], out: &mut Vec<u8>) {
    varint(field << 3 | 2, out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Model, Scratch};

    fn fixtures() -> impl Iterator<Item = std::path::PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/sentencepiece");
        let files = std::fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("an entry").path());
        files.filter(|path| path.extension().is_some_and(|suffix| suffix == "model"))
    }

    #[test]
    fn what_is_written_is_read_back_and_encodes_the_same() {
        let texts = ["Hello  world", "宝玉道：“好。”", " <sep> a\tb\n１２ ﬁ", ""];
        let mut models = 0;
        for path in fixtures() {
            let file = ModelFile::open(&path).unwrap();
            let written = file.to_bytes();
            assert_eq!(ModelFile::from_bytes(&written).unwrap(), file, "{path:?}");
            let (before, after) = (Model::open(&path).unwrap(), Model::from_bytes(&written).unwrap());
            for text in texts {
                let ids = before.encode(text);
                assert_eq!(after.encode(text), ids, "{path:?}: {text:?}");
                assert_eq!(after.decode(&ids).unwrap(), before.decode(&ids).unwrap());
            }
            let special = |model: &Model| [model.unknown_id(), model.bos_id(), model.eos_id(), model.pad_id()];
            assert_eq!(special(&after), special(&before), "{path:?}");
            assert_eq!(file.vocab_lines().lines().count(), before.vocab_size());
            models += 1;
        }
        assert!(models >= 9, "{models} models");
    }

    #[test]
    fn numbers_are_spelled_as_in_protobuf() {
        let mut out = Vec::new();
        int(41, -1, &mut out);
        // The tag 41 << 3 in two bytes, then ten.
        assert_eq!(out, [0xc8, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        out.clear();
        bytes(1, b"ab", &mut out);
        assert_eq!(out, [0x0a, 2, b'a', b'b']);
    }

    #[test]
    fn byte_pieces_make_a_model_without_characters() {
        let mut file = ModelFile { normalizer: NormalizerSpec::identity(), ..ModelFile::default() };
        file.trainer.kind = ModelKind::Bpe;
        file.push_bytes();
        file.pieces.push(FilePiece { text: "\u{2581}".into(), score: 0.0, kind: PieceKind::Normal });
        let model = Model::from_bytes(&file.to_bytes()).unwrap();
        let mut ids = Vec::new();
        model.encode_ids("é", &mut Scratch::default(), &mut ids);
        assert_eq!(ids, [256, 0xc3, 0xa9]);
    }
}
