//! The bytes of a model: a mapped file, or memory of our own.

use std::fs::File;
use std::io::{Read, Seek};
use std::ops::{Deref, DerefMut};
use std::path::Path;

use memmap2::{Mmap, MmapMut, MmapOptions};

use crate::error::{Error, Result};

/// How a binary model gets into memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Load {
    /// Mapped and shared with other processes; pages come from disk when first looked at.
    Lazy,
    /// Mapped and shared, with all pages read ahead at once.
    #[default]
    Populate,
    /// Read into memory of this process, in huge pages where the system has them: not shared, opened in the time of a
    /// copy, and faster where the model is much larger than the processor's caches.
    Read,
}

/// A model's bytes.
#[derive(Debug)]
pub(crate) enum Storage {
    File(Mmap),
    Memory(MmapMut),
    /// Part of the program.
    Static(&'static [u8]),
}

impl Deref for Storage {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        match self {
            Storage::File(map) => map,
            Storage::Memory(map) => map,
            Storage::Static(bytes) => bytes,
        }
    }
}

impl Storage {
    /// The bytes of an open file.
    pub(crate) fn open(path: &Path, file: &mut File, load: Load) -> Result<Storage> {
        if load == Load::Read {
            let length = file.metadata().map_err(Error::io("read", path))?.len();
            let mut image = Image::new(path, length as usize)?;
            file.rewind().map_err(Error::io("read", path))?;
            file.read_exact(&mut image).map_err(Error::io("read", path))?;
            return Ok(Storage::Memory(image.map));
        }
        let mut options = MmapOptions::new();
        if load == Load::Populate {
            options.populate();
        }
        // SAFETY: the mapping is read-only. A file that another process shortens or rewrites while it is mapped is the
        // one thing that breaks this; `Model::open` says so, and KenLM has the same condition.
        let map = unsafe { options.map(&*file) }.map_err(Error::io("map", path))?;
        #[cfg(target_os = "linux")]
        {
            // A hint: where the file system has huge pages for files, they are used.
            let _ = map.advise(memmap2::Advice::HugePage);
            let _ = map.advise(memmap2::Advice::Random);
        }
        Ok(Storage::File(map))
    }
}

/// Zeroed memory in which a model is built; pages that are never written cost nothing.
#[derive(Debug)]
pub(crate) struct Image {
    map: MmapMut,
}

impl Image {
    /// `length` zeroed bytes; `path` is what the memory is for.
    pub(crate) fn new(path: &Path, length: usize) -> Result<Image> {
        let map = MmapMut::map_anon(length.max(1)).map_err(Error::io("find memory for", path))?;
        #[cfg(target_os = "linux")]
        {
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Image { map })
    }

    /// As a model's bytes.
    pub(crate) fn into_storage(self) -> Storage {
        Storage::Memory(self.map)
    }
}

impl Deref for Image {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl DerefMut for Image {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.map
    }
}
