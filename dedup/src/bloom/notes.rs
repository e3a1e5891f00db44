//! What a scan notes: for each document with n-grams its `doc_id` and number of paragraphs, for each paragraph the number of
//! its hashes (the highest bit: whether the last one decides alone) and the hashes. Words of 8 bytes; the header counts them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use yuan_pipeline::{Error, Result};

use super::ngrams::Grams;
use crate::files::{Format, HEADER_BYTES, Writer, number};

const WHOLE: u64 = 1 << 63;

/// A partial file being written.
pub(super) struct Notes {
    writer: Writer,
    words: u64,
    /// The paragraphs of one document.
    document: Vec<u8>,
    paragraphs: u64,
    has_grams: bool,
}

impl Notes {
    pub(super) fn create(path: &Path) -> Result<Self> {
        Ok(Self { writer: Writer::create(path)?, words: 0, document: Vec::new(), paragraphs: 0, has_grams: false })
    }

    pub(super) fn paragraph(&mut self, grams: &Grams) {
        self.paragraphs += 1;
        self.has_grams |= !grams.hashes.is_empty();
        let whole = if grams.whole_decides { WHOLE } else { 0 };
        self.document.extend((grams.hashes.len() as u64 | whole).to_le_bytes());
        grams.hashes.iter().for_each(|hash| self.document.extend(hash.to_le_bytes()));
    }

    /// Ends the document whose paragraphs were noted; one without n-grams leaves nothing.
    pub(super) fn document(&mut self, doc_id: u64) -> Result<()> {
        if self.has_grams {
            self.writer.write(&doc_id.to_le_bytes())?;
            self.writer.write(&self.paragraphs.to_le_bytes())?;
            self.writer.write(&self.document)?;
            self.words += 2 + self.document.len() as u64 / 8;
        }
        self.document.clear();
        (self.paragraphs, self.has_grams) = (0, false);
        Ok(())
    }

    pub(super) fn finish(self, format: Format) -> Result<()> {
        self.writer.finish_with(format, self.words)
    }
}

/// A partial file being read.
pub(super) struct Noted {
    path: PathBuf,
    file: BufReader<File>,
    left: u64,
}

impl Noted {
    pub(super) fn open(path: &Path, format: Format) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let bytes = file.metadata().map_err(Error::io("read", path))?.len();
        let mut file = BufReader::with_capacity(1 << 18, file);
        let mut header = Vec::with_capacity(HEADER_BYTES);
        file.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(Error::io("read", path))?;
        let left = format.check(path, &header, bytes, 8)?;
        Ok(Self { path: path.into(), file, left })
    }

    /// Words of the file: a bound for the n-grams in it.
    pub(super) fn words(&self) -> u64 {
        self.left
    }

    fn word(&mut self) -> Result<u64> {
        self.left = self.left.checked_sub(1).ok_or_else(|| self.damaged())?;
        let mut bytes = [0; 8];
        self.file.read_exact(&mut bytes).map_err(Error::io("read", &self.path))?;
        Ok(number(&bytes))
    }

    /// The next document's `doc_id` and number of paragraphs.
    pub(super) fn next_document(&mut self) -> Result<Option<(u64, u64)>> {
        if self.left == 0 {
            return Ok(None);
        }
        Ok(Some((self.word()?, self.word()?)))
    }

    /// The next paragraph of the document.
    pub(super) fn next_paragraph(&mut self, grams: &mut Grams) -> Result<()> {
        let head = self.word()?;
        grams.whole_decides = head & WHOLE != 0;
        grams.hashes.clear();
        let mut hashes = head & !WHOLE;
        self.left = self.left.checked_sub(hashes).ok_or_else(|| self.damaged())?;
        let mut bytes = [0; 8 * 256];
        while hashes > 0 {
            let now = hashes.min(256) as usize;
            self.file.read_exact(&mut bytes[..8 * now]).map_err(Error::io("read", &self.path))?;
            grams.hashes.extend(bytes[..8 * now].as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)));
            hashes -= now as u64;
        }
        Ok(())
    }

    fn damaged(&self) -> Error {
        Error::Stage {
            stage: super::STAGE.into(),
            problem: format!("`{}` is damaged: a document goes beyond its end", self.path.display()),
            hint: Some("remove it and run the step again".into()),
        }
    }
}
