//! Parts of mapped files.

use std::fmt;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::{Error, Result, bundled};

/// Bytes of a file, cheap to clone and to cut.
#[derive(Clone)]
pub(crate) struct Bytes {
    whole: Whole,
    range: Range<usize>,
}

/// What they are a part of.
#[derive(Clone)]
enum Whole {
    File(Arc<Mmap>),
    /// What the program brings along, or nothing: an empty file cannot be mapped.
    Static(&'static [u8]),
}

impl Bytes {
    /// Maps a whole file.
    pub(crate) fn map(path: &Path) -> Result<Self> {
        if let Some(bytes) = bundled::file(path) {
            return Ok(Self { whole: Whole::Static(bytes), range: 0..bytes.len() });
        }
        let file = File::open(path).map_err(|source| Error::io("read", path, source))?;
        let length = file.metadata().map_err(|source| Error::io("read", path, source))?.len();
        if length == 0 {
            return Ok(Self { whole: Whole::Static(&[]), range: 0..0 });
        }
        // SAFETY: the map is only read. A file that someone cuts while it is mapped ends the process with a signal;
        // files of weights are written once and left alone.
        let map = unsafe { Mmap::map(&file) }.map_err(|source| Error::io("map", path, source))?;
        Ok(Self { range: 0..map.len(), whole: Whole::File(Arc::new(map)) })
    }

    /// A part of these bytes, if they have it.
    pub(crate) fn cut(&self, start: u64, length: u64) -> Option<Self> {
        let end = start.checked_add(length).filter(|end| *end <= self.len() as u64)?;
        // Both are at most `len`, a `usize`.
        let range = self.range.start + start as usize..self.range.start + end as usize;
        Some(Self { whole: self.whole.clone(), range })
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let whole = match &self.whole {
            Whole::File(map) => &map[..],
            Whole::Static(bytes) => bytes,
        };
        &whole[self.range.clone()]
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes from {}", self.range.len(), self.range.start)
    }
}
