//! Documents into sequences of one length, for trainers that take sequences as they lie.
//!
//! | method | what is cut | what is padded | memory |
//! |---|---|---|---|
//! | [`Method::Concat`] | whatever lies across the end of a sequence | the last sequence | a sequence |
//! | [`Method::NextFit`] | documents longer than a sequence | what the next document does not fit in | a sequence |
//! | [`Method::BestFit`] | documents longer than a sequence | what no piece of a window fits in | a window of documents |
//!
//! Where sequences begin anew is written beside them, a row for each (`NAME.pieces.parquet`; in Parquet the same columns stand
//! beside the ids): `seq_lengths`, tokens of each piece, from which positions, `cu_seqlens` and attention masks follow; `documents`, the
//! numbers of the documents they are of; `offsets`, where in these they begin.
//!
//! Source of best-fit packing: Ding et al. 2024, "Fewer Truncations Improve Language Modeling", arXiv:2404.10830.

mod fit;
mod write;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::form::{Target, Tokens};
use crate::work::{Job, refuse_modes};
use crate::{DType, Document, Error, Result, Vocabulary, Written};
use fit::Piece;
use write::PackWriter;

/// Tokens that best fit looks at together: a number of its own, so that sequences do not depend on the memory there is.
const WINDOW_TOKENS: usize = 16 << 20;

/// How documents become sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// One behind the other, cut where a sequence is full.
    Concat,
    /// One behind the other, a new sequence begun where the next document does not fit in whole.
    NextFit,
    /// The longest first, each to the sequence in which it leaves the least room.
    #[default]
    BestFit,
}

/// What sequences are to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// How documents are put together.
    pub method: Method,
    /// Tokens of a sequence.
    pub length: usize,
    /// The id that fills what is left of a sequence; without one it is left short.
    pub pad: Option<u32>,
}

/// What came of packing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Packed {
    /// The sequences, as documents.
    pub written: Written,
    /// Documents packed, without those that have no token.
    pub documents: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Documents that would fit in a sequence and were cut.
    pub cut_documents: u64,
    /// Documents longer than a sequence, which are cut whatever the method.
    pub long_documents: u64,
    /// Tokens of room that no piece has: padded, or left out.
    pub empty_tokens: u64,
}

impl Packed {
    /// Documents that were cut though they would fit, of all documents, in [0, 1].
    pub fn cut_fraction(&self) -> f64 {
        self.cut_documents as f64 / self.documents.max(1) as f64
    }

    /// Room that no piece has, of all room, in [0, 1].
    pub fn empty_fraction(&self) -> f64 {
        self.empty_tokens as f64 / (self.tokens + self.empty_tokens).max(1) as f64
    }
}

/// Packs the documents of sets, one set behind the other, into sequences at `out`. The same sequences for any memory and threads.
///
/// # Errors
/// If the length is zero or the padding does not fit the number type, a set is damaged, or the disk refuses.
pub fn pack(sets: &[Box<dyn Tokens>], target: &Target, out: &Path, packing: Packing, job: &Job<'_>) -> Result<Packed> {
    if packing.length == 0 || i32::try_from(packing.length).is_err() {
        return Err(Error::dataset(out, format!("sequences of {} tokens cannot be", packing.length)));
    }
    refuse_modes(sets, out)?;
    // Ends of documents lie anywhere in a sequence, and what fills it up may be no token at all.
    let vocabulary = Vocabulary { tokenizer: target.vocabulary.tokenizer.clone(), ..Vocabulary::default() };
    let target = &Target { vocabulary, ..target.clone() };
    let mut packer = Packer::new(target, out, packing)?;
    for set in sets {
        set.for_each(&mut |document| {
            packer.add(document)?;
            if packer.bytes.len() >= WINDOW_TOKENS * target.dtype.bytes() {
                packer.write(false)?;
            }
            job.tick(document.bytes.len() as u64)
        })?;
    }
    packer.write(true)?;
    packer.finish()
}

/// The documents of a window on their way into sequences.
struct Packer {
    packing: Packing,
    dtype: DType,
    writer: PackWriter,
    /// Tokens of the documents that wait.
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// The number of the next document.
    number: u64,
    padding: Vec<u8>,
    counts: Counts,
}

/// What [`Packed`] tells.
#[derive(Default)]
struct Counts {
    documents: u64,
    tokens: u64,
    cut_documents: u64,
    long_documents: u64,
    empty_tokens: u64,
}

impl Packer {
    fn new(target: &Target, out: &Path, packing: Packing) -> Result<Self> {
        let mut padding = Vec::new();
        if let Some(pad) = packing.pad {
            target.dtype.encode(&vec![pad; packing.length], &mut padding)?;
        }
        Ok(Self {
            packing,
            dtype: target.dtype,
            writer: PackWriter::create(target, out)?,
            bytes: Vec::new(),
            pieces: Vec::new(),
            number: 0,
            padding,
            counts: Counts::default(),
        })
    }

    fn add(&mut self, document: &Document<'_>) -> Result<()> {
        let (number, length) = (self.number, self.packing.length);
        self.number += 1;
        document.check()?;
        let start = self.bytes.len() / self.dtype.bytes();
        document.dtype.convert(document.bytes, self.dtype, &mut self.bytes)?;
        let tokens = document.tokens() as usize;
        if tokens == 0 {
            return Ok(());
        }
        self.counts.documents += 1;
        self.counts.tokens += tokens as u64;
        self.counts.long_documents += u64::from(tokens > length);
        for offset in (0..tokens).step_by(length) {
            let piece = length.min(tokens - offset);
            let fits = tokens <= length;
            self.pieces.push(Piece { at: start + offset, tokens: piece, document: number, offset, fits });
        }
        Ok(())
    }

    /// Writes the sequences of a window; what may go on in the next one stays.
    fn write(&mut self, last: bool) -> Result<()> {
        let (pieces, length) = (std::mem::take(&mut self.pieces), self.packing.length);
        let mut packs = match self.packing.method {
            Method::Concat => fit::concat(&pieces, length),
            Method::NextFit => fit::next_fit(&pieces, length),
            Method::BestFit => fit::best_fit(&pieces, length),
        };
        let open = |pack: &Vec<Piece>| pack.iter().map(|piece| piece.tokens).sum::<usize>() < length;
        let stays = if last || self.packing.method == Method::BestFit { None } else { packs.pop_if(|pack| open(pack)) };
        for pack in &packs {
            self.sequence(pack)?;
        }
        let width = self.dtype.bytes();
        let mut bytes = Vec::new();
        for piece in stays.into_iter().flatten() {
            self.pieces.push(Piece { at: bytes.len() / width, ..piece });
            bytes.extend_from_slice(&self.bytes[piece.at * width..(piece.at + piece.tokens) * width]);
        }
        self.bytes = bytes;
        Ok(())
    }

    fn sequence(&mut self, pack: &[Piece]) -> Result<()> {
        let width = self.dtype.bytes();
        let mut bytes = Vec::with_capacity(self.packing.length * width);
        for piece in pack {
            bytes.extend_from_slice(&self.bytes[piece.at * width..(piece.at + piece.tokens) * width]);
            // A cut of the method's own is one that is not at a multiple of the length.
            self.counts.cut_documents += u64::from(!piece.offset.is_multiple_of(self.packing.length) && piece.fits);
        }
        self.counts.empty_tokens += (self.packing.length - bytes.len() / width) as u64;
        let room = self.padding.len().saturating_sub(bytes.len());
        bytes.extend_from_slice(&self.padding[..room]);
        self.writer.add(&bytes, pack)
    }

    fn finish(self) -> Result<Packed> {
        let Counts { documents, tokens, cut_documents, long_documents, empty_tokens } = self.counts;
        let written = self.writer.finish()?;
        Ok(Packed { written, documents, tokens, cut_documents, long_documents, empty_tokens })
    }
}

#[cfg(test)]
mod tests;
