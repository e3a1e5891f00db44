//! Bytes that many parts of a model share: of a memory map, of a vector, of the program itself.

use std::fmt;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A piece of bytes that stay where they are. Cloning is cheap and shares them.
#[derive(Clone)]
pub struct Bytes {
    storage: Storage,
    range: Range<usize>,
}

#[derive(Clone)]
enum Storage {
    Map(Arc<memmap2::Mmap>),
    Vector(Arc<Vec<u8>>),
    Static(&'static [u8]),
}

impl Bytes {
    /// The whole of a memory map.
    pub(crate) fn from_map(map: memmap2::Mmap) -> Self {
        Self { range: 0..map.len(), storage: Storage::Map(Arc::new(map)) }
    }

    /// A copy that begins at a page's start, on huge pages where the system has them: rows that are looked up all over a
    /// large matrix then cost no walk through the page tables each.
    pub(crate) fn copy_on_huge_pages(bytes: &[u8]) -> io::Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::from(Vec::new()));
        }
        let mut map = memmap2::MmapMut::map_anon(bytes.len())?;
        // A system without huge pages says no, and small ones do.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        map.copy_from_slice(bytes);
        Ok(Self::from_map(map.make_read_only()?))
    }

    /// The piece at `range`, which must lie within.
    pub(crate) fn piece(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len(), "a piece lies within its bytes");
        let start = self.range.start;
        Self { storage: self.storage.clone(), range: start + range.start..start + range.end }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(vector: Vec<u8>) -> Self {
        Self { range: 0..vector.len(), storage: Storage::Vector(Arc::new(vector)) }
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Self {
        Self { range: 0..bytes.len(), storage: Storage::Static(bytes) }
    }
}

impl<const LENGTH: usize> From<&'static [u8; LENGTH]> for Bytes {
    fn from(bytes: &'static [u8; LENGTH]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let all: &[u8] = match &self.storage {
            Storage::Map(map) => map,
            Storage::Vector(vector) => vector,
            Storage::Static(bytes) => bytes,
        };
        &all[self.range.clone()]
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.storage {
            Storage::Map(_) => "mapped",
            Storage::Vector(_) => "owned",
            Storage::Static(_) => "static",
        };
        write!(formatter, "{} {kind} bytes", self.len())
    }
}
