//! Lines of a text file, plain or compressed with gzip or zstd, in runs that lie side by side in memory.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// How much is read at once.
const BLOCK: usize = 1 << 20;
/// A line longer than this is not one of an n-gram.
const LONGEST_LINE: usize = 1 << 20;

/// A text file that is read line by line.
pub(crate) struct Lines {
    source: Box<dyn Read>,
    path: PathBuf,
    /// Bytes that were read; those from `start` on are not consumed yet.
    buffer: Vec<u8>,
    start: usize,
    /// End of the last whole line in the buffer; of the buffer when the source has ended.
    whole: usize,
    ended: bool,
    /// Lines consumed so far.
    line: u64,
    /// More bytes than this the file cannot decompress to.
    most_bytes: u64,
}

/// Deflate shrinks nothing by more than 1032 times; text that zstd shrinks so much is no list of different n-grams.
const MOST_COMPRESSION: u64 = 1100;

impl Lines {
    /// Opens a file; what it is compressed with is seen from its first bytes.
    pub(crate) fn open(path: &Path) -> Result<Lines> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let mut magic = Vec::with_capacity(4);
        file.by_ref().take(4).read_to_end(&mut magic).map_err(Error::io("read", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        let size = if metadata.is_file() { metadata.len() } else { u64::MAX };
        let whole = Cursor::new(magic.clone()).chain(file);
        let mut most_bytes = size.saturating_mul(MOST_COMPRESSION);
        let source: Box<dyn Read> = match magic[..] {
            [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                Box::new(zstd::stream::read::Decoder::new(whole).map_err(Error::io("decompress", path))?)
            }
            _ => {
                most_bytes = size;
                Box::new(whole)
            }
        };
        Ok(Lines { most_bytes, ..Lines::from_source(source, path) })
    }

    /// Text that comes from elsewhere, uncompressed; errors call it `path`.
    pub(crate) fn from_source(source: Box<dyn Read>, path: &Path) -> Lines {
        let (path, buffer) = (path.to_path_buf(), Vec::new());
        Lines { source, path, buffer, start: 0, whole: 0, ended: false, line: 0, most_bytes: u64::MAX }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// More bytes than this its text cannot have.
    pub(crate) fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    /// Number of the first line of [`Self::run`], from 1.
    pub(crate) fn line_number(&self) -> u64 {
        self.line + 1
    }

    /// An error about the `ahead`th line of the run.
    pub(crate) fn error(&self, ahead: u64, reason: impl Into<String>) -> Error {
        Error::Arpa { path: self.path.clone(), line: self.line_number() + ahead, reason: reason.into() }
    }

    /// The lines that are in memory: at least one, each with its line end (but perhaps the last of the file); nothing
    /// at the end of the file.
    pub(crate) fn run(&mut self) -> Result<&[u8]> {
        while self.start == self.whole && !self.ended {
            self.read_block()?;
        }
        Ok(&self.buffer[self.start..self.whole])
    }

    /// Takes `bytes` of the run, which are `lines` lines, as done with.
    pub(crate) fn consume(&mut self, bytes: usize, lines: u64) {
        self.start = (self.start + bytes).min(self.whole);
        self.line += lines;
    }

    /// Takes the next line, without its line end; `None` at the end of the file.
    pub(crate) fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        let run = self.run()?;
        if run.is_empty() {
            return Ok(None);
        }
        let (line, length) = first_line(run);
        let line = line.to_vec();
        self.consume(length, 1);
        Ok(Some(line))
    }

    fn read_block(&mut self) -> Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let kept = self.buffer.len();
        if kept > LONGEST_LINE {
            return Err(self.error(0, format!("it is longer than {LONGEST_LINE} bytes")));
        }
        let mut block = self.source.by_ref().take(BLOCK as u64);
        let read = block.read_to_end(&mut self.buffer).map_err(Error::io("read", &self.path))?;
        self.ended = read == 0;
        self.whole = match memchr::memrchr(b'\n', &self.buffer[kept..]) {
            _ if self.ended => self.buffer.len(),
            Some(at) => kept + at + 1,
            None => 0,
        };
        Ok(())
    }
}

/// The first line of a run without its line end (`\n` or `\r\n`), and its length with it.
pub(crate) fn first_line(run: &[u8]) -> (&[u8], usize) {
    let (line, length) = match memchr::memchr(b'\n', run) {
        Some(at) => (&run[..at], at + 1),
        None => (run, run.len()),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), length)
}
