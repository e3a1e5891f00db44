//! The pieces: texts, scores and kinds by id, and ids by text.

use std::hash::{BuildHasher, RandomState};

use crate::specification::{ModelKind, PieceEntry, PieceKind, Specification};
use crate::{Error, Result};

/// The longest piece that the C++ library takes, in bytes, and one more.
const TOO_LONG: usize = 8000;
/// A piece that converters put into models by mistake; the C++ library ignores it if it is unused.
const ZERO: &str = "\0";

/// The pieces of a model.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    texts: String,
    /// Where each text ends in `texts`, with a 0 in front.
    ends: Vec<u32>,
    scores: Vec<f32>,
    kinds: Vec<PieceKind>,
    /// What a text can be cut into: for BPE all pieces, else without those that are only ever named.
    found: PieceTable,
    /// Control, unknown and byte pieces, unless the model is BPE.
    named: PieceTable,
    unknown: Option<u32>,
    /// Ids of `<0x00>` to `<0xFF>`, with byte fallback.
    bytes: Option<Box<[u32; 256]>>,
}

impl Vocabulary {
    /// Checks and collects the pieces.
    ///
    /// # Errors
    /// [`Error::Piece`] and [`Error::Pieces`] for what the C++ library does not load either.
    pub(crate) fn new(specification: &Specification<'_>) -> Result<Self> {
        let byte_fallback = specification.trainer.byte_fallback;
        let is_bpe = specification.trainer.kind == ModelKind::Bpe;
        let is_unigram = specification.trainer.kind == ModelKind::Unigram;
        let pieces = &specification.pieces;
        let mut vocabulary = Self {
            texts: String::with_capacity(pieces.iter().map(|piece| piece.text.len()).sum()),
            ends: vec![0],
            scores: pieces.iter().map(|piece| piece.score).collect(),
            kinds: Vec::new(),
            found: PieceTable::new(pieces.len()),
            named: PieceTable::new(0),
            unknown: None,
            bytes: None,
        };
        let mut bytes = [None; 256];
        for (id, mut piece) in pieces.iter().copied().enumerate() {
            let error = |what: String| Error::Piece { id, what };
            if byte_fallback && piece.text == ZERO {
                piece.kind = PieceKind::Unused;
            }
            check(&piece, is_unigram).map_err(error)?;
            vocabulary.texts.push_str(piece.text);
            let end = u32::try_from(vocabulary.texts.len());
            vocabulary.ends.push(end.map_err(|_| Error::Pieces("longer than 4 GiB together"))?);
            vocabulary.kinds.push(piece.kind);
            let number = u32::try_from(id).map_err(|_| Error::Pieces("more than 2³² of them"))?;
            match piece.kind {
                PieceKind::Unknown if vocabulary.unknown.is_some() => {
                    return Err(error("a second unknown piece".into()));
                }
                PieceKind::Unknown => vocabulary.unknown = Some(number),
                PieceKind::Byte if !byte_fallback => {
                    return Err(error(format!("byte piece `{}` in a model without byte_fallback", piece.text)));
                }
                PieceKind::Byte => {
                    let byte = byte_of(piece.text);
                    let byte = byte.ok_or_else(|| error(format!("`{}` is no byte such as `<0x0A>`", piece.text)))?;
                    bytes[usize::from(byte)] = Some(number);
                }
                _ => {}
            }
        }
        vocabulary.fill_tables(is_bpe)?;
        if byte_fallback {
            if bytes.contains(&None) {
                return Err(Error::Pieces("byte_fallback is set, but not all 256 byte pieces are there"));
            }
            vocabulary.bytes = Some(Box::new(bytes.map(|id| id.unwrap_or(0))));
        } else if vocabulary.unknown.is_none() {
            return Err(Error::Pieces("no unknown piece, and no byte_fallback either"));
        }
        Ok(vocabulary)
    }

    fn fill_tables(&mut self, is_bpe: bool) -> Result<()> {
        let mut found = std::mem::replace(&mut self.found, PieceTable::new(0));
        let mut named =
            PieceTable::new(if is_bpe { 0 } else { self.kinds.iter().filter(|kind| !is_found(**kind)).count() });
        for id in 0..self.len() as u32 {
            let (text, kind) = (self.piece(id), self.kind(id));
            if text == ZERO {
                continue;
            }
            let table = if is_bpe || is_found(kind) { &mut found } else { &mut named };
            if table.find(text.as_bytes(), self).is_some() {
                return Err(Error::Piece { id: id as usize, what: format!("`{text}` is there twice") });
            }
            table.insert(id, self);
        }
        (self.found, self.named) = (found, named);
        Ok(())
    }

    /// How many pieces there are.
    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// The text of a piece; `id` is below [`Vocabulary::len`].
    #[inline]
    pub(crate) fn piece(&self, id: u32) -> &str {
        &self.texts[self.ends[id as usize] as usize..self.ends[id as usize + 1] as usize]
    }

    #[inline]
    fn piece_bytes(&self, id: u32) -> &[u8] {
        &self.texts.as_bytes()[self.ends[id as usize] as usize..self.ends[id as usize + 1] as usize]
    }

    /// The score of a piece; `id` is below [`Vocabulary::len`].
    #[inline]
    pub(crate) fn score(&self, id: u32) -> f32 {
        self.scores[id as usize]
    }

    /// The kind of a piece; `id` is below [`Vocabulary::len`].
    #[inline]
    pub(crate) fn kind(&self, id: u32) -> PieceKind {
        self.kinds[id as usize]
    }

    /// The id of any piece with this text.
    pub(crate) fn id(&self, text: &str) -> Option<u32> {
        self.named.find(text.as_bytes(), self).or_else(|| self.find(text.as_bytes()))
    }

    /// The id of the piece with this text that a text can be cut into (for BPE: of any).
    #[inline]
    pub(crate) fn find(&self, text: &[u8]) -> Option<u32> {
        self.found.find(text, self)
    }

    /// The piece that stands for what is not in the vocabulary.
    pub(crate) fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// The ids of the bytes, if unknown characters are given as bytes.
    pub(crate) fn bytes(&self) -> Option<&[u32; 256]> {
        self.bytes.as_deref()
    }

    /// All ids, with texts and kinds, of what a text can be cut into or what is unused.
    pub(crate) fn found_pieces(&self) -> impl Iterator<Item = (u32, &str, PieceKind)> + Clone {
        let all = (0..self.len() as u32).map(|id| (id, self.piece(id), self.kind(id)));
        all.filter(|(_, text, kind)| is_found(*kind) && *text != ZERO)
    }
}

/// Whether pieces of this kind come from a text, rather than being named by a program.
pub(crate) fn is_found(kind: PieceKind) -> bool {
    matches!(kind, PieceKind::Normal | PieceKind::UserDefined | PieceKind::Unused)
}

fn check(piece: &PieceEntry<'_>, is_unigram: bool) -> std::result::Result<(), String> {
    if piece.text.is_empty() {
        return Err("it is empty".into());
    }
    if piece.text.len() >= TOO_LONG {
        return Err(format!("it has {} bytes, more than {}", piece.text.len(), TOO_LONG - 1));
    }
    if piece.text.contains('\0') && (piece.text != ZERO || piece.kind != PieceKind::Unused) {
        return Err("there is a zero byte in it".into());
    }
    if is_unigram && !piece.score.is_finite() {
        return Err(format!("its score is {}", piece.score));
    }
    Ok(())
}

/// The byte that a piece such as `<0x0A>` stands for.
pub(crate) fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_digit = |digit: u8| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit);
    if digits.len() != 2 || !digits.bytes().all(is_digit) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

/// Ids by text: open addressing over half-empty slots of 8 bytes; a part of the hash spares most comparisons.
///
/// Hashes begin with random numbers, so that no file can be made to fill one place.
#[derive(Clone, Debug)]
struct PieceTable {
    slots: Vec<(u32, u32)>,
    seeds: [u64; 2],
}

/// An empty slot's id.
const EMPTY: u32 = u32::MAX;

impl PieceTable {
    fn new(pieces: usize) -> Self {
        let random = RandomState::new();
        let slots = if pieces == 0 { 0 } else { (pieces * 2).next_power_of_two() };
        Self { slots: vec![(0, EMPTY); slots], seeds: [random.hash_one(0), random.hash_one(1)] }
    }

    #[inline]
    fn find(&self, text: &[u8], vocabulary: &Vocabulary) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let hash = hash(text, self.seeds);
        let mut at = hash as usize & mask;
        loop {
            let (part, id) = self.slots[at];
            if id == EMPTY {
                return None;
            }
            if part == (hash >> 32) as u32 && vocabulary.piece_bytes(id) == text {
                return Some(id);
            }
            at = (at + 1) & mask;
        }
    }

    /// Puts in a piece that is not there; there is room for as many as `new` was told.
    fn insert(&mut self, id: u32, vocabulary: &Vocabulary) {
        let mask = self.slots.len() - 1;
        let hash = hash(vocabulary.piece_bytes(id), self.seeds);
        let mut at = hash as usize & mask;
        while self.slots[at].1 != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = ((hash >> 32) as u32, id);
    }
}

/// A hash of some bytes, good in all its bits; one multiplication for up to 16 bytes.
#[inline]
pub(crate) fn hash(bytes: &[u8], seeds: [u64; 2]) -> u64 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let long = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    let short = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)));
    let length = bytes.len();
    let mut state = seeds[0];
    let (low, high) = match length {
        0 => (0, 0),
        1..=3 => (u64::from(bytes[0]) << 16 | u64::from(bytes[length / 2]) << 8 | u64::from(bytes[length - 1]), 0),
        4..=8 => (short(0), short(length - 4)),
        9..=16 => (long(0), long(length - 8)),
        _ => {
            let mut at = 0;
            while at + 16 < length {
                state = fold(state ^ long(at), seeds[1] ^ long(at + 8));
                at += 16;
            }
            (long(length - 16), long(length - 8))
        }
    };
    fold(fold(low ^ state, high ^ seeds[1]) ^ length as u64, 0x9e37_79b9_7f4a_7c15 ^ seeds[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bytes() {
        assert_eq!(byte_of("<0x0A>"), Some(10));
        assert_eq!(byte_of("<0xFF>"), Some(255));
        for other in ["<0x0a>", "<0x+1>", "<0x0A", "0x0A", "<0x00A>", ""] {
            assert_eq!(byte_of(other), None, "{other}");
        }
    }

    #[test]
    fn hashes_depend_on_every_byte_and_the_length() {
        // As random as those in use.
        const SEEDS: [u64; 2] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344];
        let mut seen = std::collections::HashSet::new();
        for length in 0..80 {
            let mut bytes = vec![7u8; length];
            assert!(seen.insert(hash(&bytes, SEEDS)), "length {length}");
            for at in 0..length {
                bytes[at] = 8;
                assert!(seen.insert(hash(&bytes, SEEDS)), "length {length}, byte {at}");
                bytes[at] = 7;
            }
        }
    }
}
