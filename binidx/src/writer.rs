//! Writing a dataset as a stream: what is held in memory does not grow with it.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use crate::index::{MAGIC, VERSION};
use crate::reader::with_suffix;
use crate::{DType, Error, Result, bin_path, idx_path};

/// Bytes of each file's buffer.
const BUFFER_BYTES: usize = 1 << 18;

/// Writes one dataset. The files appear under their names, whole and synced, when [`Writer::finish`]
/// returns; until then, and after a drop without it, what stood there stays.
///
/// The calls and the bytes they give are those of Megatron's `IndexedDatasetBuilder`.
pub struct Writer {
    prefix: PathBuf,
    dtype: DType,
    bin: Part,
    lengths: Part,
    boundaries: Part,
    sequences: u64,
    documents: u64,
    tokens: u64,
    /// Whether documents are not told in the index.
    untold: bool,
    encoded: Vec<u8>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The number type of the tokens.
    pub dtype: DType,
    /// Documents, empty ones included.
    pub documents: u64,
    /// Sequences.
    pub sequences: u64,
    /// Tokens.
    pub tokens: u64,
    /// Bytes of the `.bin` file.
    pub bin_bytes: u64,
    /// Bytes of the `.idx` file.
    pub idx_bytes: u64,
    /// XXH3-64 of the `.bin` file, in hexadecimal.
    pub bin_xxh3: String,
    /// XXH3-64 of the `.idx` file, in hexadecimal.
    pub idx_xxh3: String,
}

/// A temporary file beside the dataset, removed unless it was renamed.
struct Part {
    path: PathBuf,
    out: BufWriter<File>,
    hash: Xxh3,
    bytes: u64,
}

impl Part {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        let out = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { path, out, hash: Xxh3::new(), bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// Whatever was written, from the start.
    fn read_back(&mut self) -> Result<BufReader<&File>> {
        self.out.flush().map_err(Error::io("write", &self.path))?;
        self.out.get_mut().rewind().map_err(Error::io("read", &self.path))?;
        Ok(BufReader::with_capacity(BUFFER_BYTES, self.out.get_ref()))
    }

    fn append(&mut self, mut other: impl Read, other_path: &Path) -> Result<u64> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let before = self.bytes;
        loop {
            match other.read(&mut buffer) {
                Ok(0) => return Ok(self.bytes - before),
                Ok(read) => self.write(&buffer[..read])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", other_path)(error)),
            }
        }
    }

    fn sync(&mut self) -> Result<()> {
        self.out.flush().map_err(Error::io("write", &self.path))?;
        self.out.get_ref().sync_all().map_err(Error::io("write", &self.path))
    }

    fn digest(&self) -> String {
        format!("{:016x}", self.hash.digest())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // A part that was renamed is no longer there.
        let _ = fs::remove_file(&self.path);
    }
}

impl Writer {
    /// Starts `PREFIX.bin` and `PREFIX.idx`, in a folder that exists.
    ///
    /// # Errors
    /// If files cannot be made there.
    pub fn create(prefix: impl AsRef<Path>, dtype: DType) -> Result<Self> {
        let prefix = prefix.as_ref();
        let part = |suffix| Part::create(with_suffix(prefix, suffix));
        let mut boundaries = part(".idx.documents.tmp")?;
        boundaries.write(&0_i64.to_le_bytes())?;
        Ok(Self {
            prefix: prefix.to_path_buf(),
            dtype,
            bin: part(".bin.tmp")?,
            lengths: part(".idx.lengths.tmp")?,
            boundaries,
            sequences: 0,
            documents: 0,
            tokens: 0,
            untold: false,
            encoded: Vec::new(),
        })
    }

    /// Leaves the document array at `[0]`, as Yuan's preprocessor does, which never ends a document; documents are counted all the same.
    #[must_use]
    pub fn without_documents(mut self) -> Self {
        self.untold = true;
        self
    }

    /// The number type of the tokens.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Appends one sequence, which may be empty (`add_item`).
    ///
    /// # Errors
    /// If an id does not fit the dtype, the sequence is too long or the disk refuses.
    pub fn add_sequence(&mut self, tokens: &[u32]) -> Result<()> {
        self.add_tokens(tokens)?;
        self.add_length(tokens.len())
    }

    /// Ends the document (`end_document`): without a sequence since the last end, an empty one.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn end_document(&mut self) -> Result<()> {
        self.documents += 1;
        if self.untold {
            return Ok(());
        }
        self.boundaries.write(&(self.sequences as i64).to_le_bytes())
    }

    /// Appends a whole document of sequences of these lengths (`add_document`).
    ///
    /// # Errors
    /// As [`Self::add_sequence`], and if the lengths do not add up to the tokens.
    pub fn add_document(&mut self, tokens: &[u32], lengths: &[usize]) -> Result<()> {
        let sum = lengths.iter().sum();
        if sum != tokens.len() {
            return Err(Error::DocumentLength { lengths: sum, tokens: tokens.len() });
        }
        self.add_tokens(tokens)?;
        lengths.iter().try_for_each(|length| self.add_length(*length))?;
        self.end_document()
    }

    fn add_tokens(&mut self, tokens: &[u32]) -> Result<()> {
        self.encoded.clear();
        self.dtype.encode(tokens, &mut self.encoded)?;
        self.bin.write(&self.encoded)
    }

    /// Counts a sequence whose tokens are appended beside.
    pub(crate) fn add_length(&mut self, tokens: usize) -> Result<()> {
        let length = i32::try_from(tokens).map_err(|_| Error::SequenceLength { tokens })?;
        self.sequences += 1;
        self.tokens += tokens as u64;
        self.lengths.write(&length.to_le_bytes())
    }

    /// Appends tokens that are in the dtype already; gives their bytes.
    pub(crate) fn append_encoded(&mut self, tokens: impl Read, path: &Path) -> Result<u64> {
        self.bin.append(tokens, path)
    }

    /// Writes the index, syncs both files and gives them their names.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn finish(mut self) -> Result<Written> {
        let mut idx = Part::create(with_suffix(&self.prefix, ".idx.tmp"))?;
        idx.write(&MAGIC)?;
        idx.write(&VERSION.to_le_bytes())?;
        idx.write(&[self.dtype.code()])?;
        idx.write(&self.sequences.to_le_bytes())?;
        let told = if self.untold { 0 } else { self.documents };
        idx.write(&(told + 1).to_le_bytes())?;
        let lengths_path = self.lengths.path.clone();
        idx.append(self.lengths.read_back()?, &lengths_path)?;
        let mut lengths = self.lengths.read_back()?;
        let mut pointer = 0_i64;
        for _ in 0..self.sequences {
            let mut length = [0; 4];
            lengths.read_exact(&mut length).map_err(Error::io("read", &lengths_path))?;
            idx.write(&pointer.to_le_bytes())?;
            pointer += i64::from(i32::from_le_bytes(length)) * self.dtype.bytes() as i64;
        }
        let boundaries_path = self.boundaries.path.clone();
        idx.append(self.boundaries.read_back()?, &boundaries_path)?;
        self.bin.sync()?;
        idx.sync()?;

        let (bin_path, idx_path) = (bin_path(&self.prefix), idx_path(&self.prefix));
        // The index goes first and comes last, so that no index ever stands beside another set's tokens.
        match fs::remove_file(&idx_path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("replace", &idx_path)(error));
            }
            _ => {}
        }
        fs::rename(&self.bin.path, &bin_path).map_err(Error::io("rename", &self.bin.path))?;
        fs::rename(&idx.path, &idx_path).map_err(Error::io("rename", &idx.path))?;
        sync_folder(&idx_path)?;
        Ok(Written {
            dtype: self.dtype,
            documents: self.documents,
            sequences: self.sequences,
            tokens: self.tokens,
            bin_bytes: self.bin.bytes,
            idx_bytes: idx.bytes,
            bin_xxh3: self.bin.digest(),
            idx_xxh3: idx.digest(),
        })
    }
}

/// Makes the renames in a file's folder last.
fn sync_folder(file: &Path) -> Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", folder))?;
    }
    Ok(())
}
