//! The bytes of a model being built: in memory, or in a file that gets its name at the end.

use std::fs::File;
use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use memmap2::MmapMut;
use tempfile::NamedTempFile;

use super::BuildOptions;
use crate::binary::header::Header;
use crate::binary::storage::{Image, Storage};
use crate::error::{Error, Result};

/// Where a model is built.
pub(super) struct Target {
    /// What errors name.
    path: PathBuf,
    /// The file under its temporary name.
    file: Option<NamedTempFile>,
    /// Larger images than this are built in the file.
    memory: u64,
    image: Option<Bytes>,
    /// What follows the image.
    words: Vec<u8>,
}

enum Bytes {
    Memory(Image),
    File(MmapMut),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Memory(image) => image,
            Bytes::File(map) => map,
        }
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Bytes::Memory(image) => image,
            Bytes::File(map) => map,
        }
    }
}

impl Target {
    /// A file beside `output`, which [`Self::finish`] will name so.
    pub(super) fn file(output: &Path, options: &BuildOptions) -> Result<Target> {
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new()
            .prefix(".building-")
            .tempfile_in(folder)
            .map_err(Error::io("create a file beside", output))?;
        let (path, memory) = (output.to_path_buf(), options.memory);
        Ok(Target { path, file: Some(file), memory, image: None, words: Vec::new() })
    }

    /// Memory; `path` is the ARPA file.
    pub(super) fn memory(path: &Path) -> Target {
        Target { path: path.to_path_buf(), file: None, memory: u64::MAX, image: None, words: Vec::new() }
    }

    /// Where sorted runs lie.
    pub(super) fn temporary_directory(&self, options: &BuildOptions) -> PathBuf {
        let beside = self.file.as_ref().and_then(|file| file.path().parent()).map(Path::to_path_buf);
        options.temporary_directory.clone().or(beside).unwrap_or_else(std::env::temp_dir)
    }

    /// An image of `length` zeroed bytes.
    pub(super) fn image(&mut self, length: usize) -> Result<&mut [u8]> {
        let image = match &self.file {
            Some(file) if length as u64 > self.memory => {
                let file = file.as_file();
                file.set_len(length as u64).map_err(Error::io("write", &self.path))?;
                Bytes::File(map(file).map_err(Error::io("map", &self.path))?)
            }
            _ => Bytes::Memory(Image::new(&self.path, length)?),
        };
        Ok(self.image.insert(image))
    }

    /// Whether this becomes a file.
    pub(super) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// Writes the header, with which the image is whole; `words` follow it.
    pub(super) fn finish_image(&mut self, header: &Header, words: Vec<u8>) {
        let image = self.image.as_mut().expect("the header is written into an image");
        header.write(image);
        self.words = if header.has_words || self.file.is_none() { words } else { Vec::new() };
    }

    /// Writes what is not in the file yet, and gives the file its name.
    pub(super) fn finish(self, output: &Path) -> Result<()> {
        let Target { file, image, words, .. } = self;
        let Some(mut file) = file else { return Ok(()) };
        let failed = || Error::io("write", output);
        match image {
            Some(Bytes::Memory(image)) => file.write_all(&image).map_err(failed())?,
            Some(Bytes::File(map)) => {
                map.flush().map_err(failed())?;
                use std::io::{Seek, SeekFrom};
                file.seek(SeekFrom::End(0)).map_err(failed())?;
            }
            None => {}
        }
        file.write_all(&words).map_err(failed())?;
        #[cfg(unix)]
        {
            // Temporary files are their owner's alone; a model is for everyone whom the folder is for.
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(failed())?;
        }
        file.as_file().sync_all().map_err(failed())?;
        file.persist(output).map_err(|error| failed()(error.error))?;
        Ok(())
    }

    /// The image, and the words, of a model in memory.
    pub(super) fn into_memory(self) -> Result<(Storage, Vec<u8>)> {
        let Target { path, image, words, .. } = self;
        let image = match image {
            Some(Bytes::Memory(image)) => image,
            _ => Image::new(&path, 0)?,
        };
        Ok((image.into_storage(), words))
    }
}

fn map(file: &File) -> std::io::Result<MmapMut> {
    // SAFETY: the file was made by this process under a name that nobody else knows, and is kept open.
    unsafe { MmapMut::map_mut(file) }
}
