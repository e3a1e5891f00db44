//! What documents have of evaluation sets. The body of a partial file, in words of 8 bytes, for each document that has
//! something: its `doc_id`, the number of n-grams found, and for each of these two words: its number, and the bytes it covers
//! (first and last, u32 each) in the text in Unicode form C.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use yuan_pipeline::{Batch, Result, Scan};

use super::Evals;
use super::evals::refused;
use super::index::Hit;
use super::tokens::tokens;
use crate::files::{Format, HEADER_BYTES, Writer, mapped, number};
use crate::text::composed;
use crate::{Shingles, token_hashes};

/// A unit being scanned.
pub(super) struct DecontaminateScan {
    evals: Arc<Evals>,
    format: Format,
    writer: Writer,
    words: u64,
    hashes: Vec<u64>,
    hits: Vec<Hit>,
}

impl DecontaminateScan {
    pub(super) fn create(evals: Arc<Evals>, format: Format, partial: &Path) -> Result<Self> {
        let (hashes, hits) = Default::default();
        Ok(Self { evals, format, writer: Writer::create(partial)?, words: 0, hashes, hits })
    }

    fn word(&mut self, word: u64) -> Result<()> {
        self.words += 1;
        self.writer.write(&word.to_le_bytes())
    }

    fn note(&mut self, doc_id: u64, text: &str) -> Result<()> {
        let places = tokens(&composed(text));
        self.word(doc_id)?;
        self.word(self.hits.len() as u64)?;
        for at in 0..self.hits.len() {
            let Hit { ngram, start, length } = self.hits[at];
            let byte = |at: usize| u64::from(u32::try_from(at).unwrap_or(u32::MAX));
            let first = places.get(start as usize).map_or(0, |token| token.at.start);
            let last = places.get((start + length) as usize - 1).map_or(first, |token| token.at.end);
            self.word(ngram.into())?;
            self.word(byte(first) | byte(last) << 32)?;
        }
        Ok(())
    }
}

impl Scan for DecontaminateScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            self.hashes.clear();
            self.hits.clear();
            token_hashes(document.text(), Shingles::Auto, &mut self.hashes);
            self.evals.index.hits(&self.hashes, &mut self.hits);
            if !self.hits.is_empty() {
                self.note(document.doc_id(), document.text())?;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.writer.finish_with(self.format, self.words)
    }
}

/// What a document has.
#[derive(Clone, Copy)]
pub(super) struct Noted<'a> {
    pub doc_id: u64,
    body: &'a [u8],
}

impl Noted<'_> {
    /// n-grams, with their first and last byte.
    pub(super) fn hits(&self) -> impl Iterator<Item = (u32, u64, u64)> {
        self.body.chunks_exact(16).map(|words| {
            let at = number(&words[8..]);
            (number(words) as u32, at & 0xffff_ffff, at >> 32)
        })
    }
}

/// A partial file, mapped into memory.
pub(super) struct NotedFile {
    path: PathBuf,
    file: Mmap,
}

impl NotedFile {
    pub(super) fn open(path: &Path, format: Format) -> Result<Self> {
        let file = mapped(path, format, 8)?;
        Ok(Self { path: path.into(), file })
    }

    /// Hands all documents, in order, to `take`; n-grams have numbers below `ngrams`.
    pub(super) fn documents(&self, ngrams: usize, mut take: impl FnMut(Noted<'_>) -> Result<()>) -> Result<()> {
        let damaged = || {
            refused(
                format!("`{}` is damaged: a document goes beyond its end", self.path.display()),
                "remove it and run the step again",
            )
        };
        let mut rest = &self.file[HEADER_BYTES..];
        while !rest.is_empty() {
            let (head, body) = rest.split_at_checked(16).ok_or_else(damaged)?;
            let bytes = usize::try_from(number(&head[8..])).ok().and_then(|hits| hits.checked_mul(16));
            let (body, after) = bytes.and_then(|bytes| body.split_at_checked(bytes)).ok_or_else(damaged)?;
            let noted = Noted { doc_id: number(head), body };
            if noted.hits().any(|(ngram, _, _)| ngram as usize >= ngrams) {
                return Err(damaged());
            }
            take(noted)?;
            rest = after;
        }
        Ok(())
    }
}
