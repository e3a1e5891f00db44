//! A file under a temporary name.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Bytes of each file's buffer.
pub(crate) const BUFFER_BYTES: usize = 1 << 18;

/// A file under a temporary name, removed unless it is given its own.
pub(crate) struct Part {
    path: PathBuf,
    out: BufWriter<File>,
    bytes: u64,
}

impl Part {
    /// Starts `path`.tmp.
    pub(crate) fn create(mut path: PathBuf) -> Result<Self> {
        path.as_mut_os_string().push(".tmp");
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&path);
        let out = BufWriter::with_capacity(BUFFER_BYTES, file.map_err(Error::io("create", &path))?);
        Ok(Self { path, out, bytes: 0 })
    }

    /// Where it lies for now.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// Hands whatever was written, from the start, to `take`, in pieces of a multiple of `unit` bytes.
    pub(crate) fn read_back(&mut self, unit: usize, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.out.flush().map_err(Error::io("write", &self.path))?;
        self.out.get_mut().rewind().map_err(Error::io("read", &self.path))?;
        let mut left = self.bytes;
        let mut file = self.out.get_ref();
        let mut buffer = vec![0; BUFFER_BYTES / unit * unit];
        while left > 0 {
            let piece = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.read_exact(&mut buffer[..piece]).map_err(Error::io("read", &self.path))?;
            take(&buffer[..piece])?;
            left -= piece as u64;
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> Result<()> {
        self.out.flush().map_err(Error::io("write", &self.path))?;
        self.out.get_ref().sync_all().map_err(Error::io("write", &self.path))
    }

    /// Gives the file its name: the temporary one without `.tmp`.
    pub(crate) fn name(&mut self) -> Result<()> {
        self.name_as(&self.path.with_extension(""))
    }

    /// Gives the file another name.
    pub(crate) fn name_as(&mut self, path: &Path) -> Result<()> {
        fs::rename(&self.path, path).map_err(Error::io("rename", &self.path))
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // A file that has its name is no longer there.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("replace", path)(error)),
        _ => Ok(()),
    }
}

/// Makes the renames in a file's folder last.
pub(crate) fn sync_folder(file: &Path) -> Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", folder))?;
    }
    Ok(())
}
