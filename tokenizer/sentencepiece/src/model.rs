//! A loaded model.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bpe::Bpe;
use crate::normalize::Normalizer;
use crate::specification::Specification;
use crate::symbols::Symbols;
use crate::unigram::Unigram;
use crate::vocabulary::Vocabulary;
use crate::{Error, ModelKind, PieceKind, Result};

/// A SentencePiece model: cuts texts into pieces and puts them together again. Shared by threads; each has a
/// [`Scratch`](crate::Scratch) of its own.
#[derive(Debug)]
pub struct Model {
    pub(crate) vocabulary: Vocabulary,
    pub(crate) symbols: Symbols,
    pub(crate) normalizer: Normalizer,
    pub(crate) denormalizer: Option<Normalizer>,
    pub(crate) cutter: Cutter,
    pub(crate) unknown_surface: String,
    /// Ids of bos, eos and pad.
    special: [Option<u32>; 3],
    /// Tells models apart.
    pub(crate) number: u64,
}

/// What a kind of model knows beyond its vocabulary.
#[derive(Debug)]
pub(crate) enum Cutter {
    Unigram(Box<Unigram>),
    Bpe(Bpe),
    Word,
    Char,
}

impl Model {
    /// Reads a `.model` file.
    ///
    /// # Errors
    /// [`Error::Read`] when the file cannot be read, [`Error::File`] when it is no usable model.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::from_bytes(&bytes).map_err(|source| Error::File { path: path.to_owned(), source: Box::new(source) })
    }

    /// Reads a `.model` file's bytes. Takes at most 64 times their memory and 8 MiB; real models about ten times.
    ///
    /// # Errors
    /// The variants of [`Error`] that speak of bytes, pieces and fields; whatever the C++ library refuses is refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let specification = Specification::read(bytes)?;
        let trainer = &specification.trainer;
        let vocabulary = Vocabulary::new(&specification)?;
        let user_defined = vocabulary.found_pieces().filter(|(_, _, kind)| *kind == PieceKind::UserDefined);
        let symbols = Symbols::new(user_defined.map(|(id, text, _)| (text, id)))?;
        let suffix = trainer.treat_whitespace_as_suffix;
        let normalizer = Normalizer::new(&specification.normalizer, "normalizer_spec", suffix, Some(&symbols))?;
        let denormalizer = specification.denormalizer.filter(|fields| !fields.charsmap.is_empty());
        let denormalizer = denormalizer.map(|fields| Normalizer::new(&fields, "denormalizer_spec", false, None));
        let cutter = match trainer.kind {
            ModelKind::Unigram => Cutter::Unigram(Box::new(Unigram::new(&vocabulary)?)),
            ModelKind::Bpe => Cutter::Bpe(Bpe::new(&vocabulary)),
            ModelKind::Word => Cutter::Word,
            ModelKind::Char => Cutter::Char,
        };
        let is_control = |id: &u32| vocabulary.kind(*id) == PieceKind::Control;
        let [_, bos, eos, pad] = trainer.special_pieces;
        let special = [bos, eos, pad].map(|piece| vocabulary.id(piece).filter(is_control));
        Ok(Self {
            symbols,
            normalizer,
            denormalizer: denormalizer.transpose()?,
            cutter,
            unknown_surface: trainer.unknown_surface.to_owned(),
            special,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            vocabulary,
        })
    }

    /// How the model cuts texts.
    pub fn kind(&self) -> ModelKind {
        match self.cutter {
            Cutter::Unigram(_) => ModelKind::Unigram,
            Cutter::Bpe(_) => ModelKind::Bpe,
            Cutter::Word => ModelKind::Word,
            Cutter::Char => ModelKind::Char,
        }
    }

    /// How many pieces there are; ids are below.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.len()
    }

    /// The text of a piece.
    pub fn piece(&self, id: u32) -> Option<&str> {
        ((id as usize) < self.vocab_size()).then(|| self.vocabulary.piece(id))
    }

    /// The score of a piece: in unigram models the logarithm of its probability, in BPE models minus its rank.
    pub fn score(&self, id: u32) -> Option<f32> {
        ((id as usize) < self.vocab_size()).then(|| self.vocabulary.score(id))
    }

    /// The kind of a piece.
    pub fn piece_kind(&self, id: u32) -> Option<PieceKind> {
        ((id as usize) < self.vocab_size()).then(|| self.vocabulary.kind(id))
    }

    /// The id of a piece; `None` for one that is not in the vocabulary (for which `PieceToId` gives the unknown id).
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.vocabulary.id(piece)
    }

    /// The id of what is not in the vocabulary; only models with byte fallback may be without.
    pub fn unknown_id(&self) -> Option<u32> {
        self.vocabulary.unknown()
    }

    /// The id of the beginning of a sequence (`<s>`), if there is such a control piece.
    pub fn bos_id(&self) -> Option<u32> {
        self.special[0]
    }

    /// The id of the end of a sequence (`</s>`), if there is such a control piece.
    pub fn eos_id(&self) -> Option<u32> {
        self.special[1]
    }

    /// The id of padding, if there is such a control piece.
    pub fn pad_id(&self) -> Option<u32> {
        self.special[2]
    }

    /// Whether unknown characters are given as bytes.
    pub fn has_byte_fallback(&self) -> bool {
        self.vocabulary.bytes().is_some()
    }

    /// The name of the normalizer's rules: `nmt_nfkc`, `identity`, …
    pub fn normalizer_name(&self) -> &str {
        self.normalizer.name()
    }
}
