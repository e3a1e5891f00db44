//! The `.idx` file: which bytes of the `.bin` file are which sequence, and which sequences a document.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::{DType, Error, Result};

/// The first nine bytes of an index.
pub(crate) const MAGIC: [u8; 9] = *b"MMIDIDX\0\0";
/// The only version there is.
pub(crate) const VERSION: u64 = 1;
/// Bytes before the first array.
pub(crate) const HEADER_BYTES: usize = 34;
/// The first eight bytes of a legacy index.
const LEGACY_MAGIC: [u8; 8] = *b"TNTIDX\0\0";
/// Bytes of the seven numbers, the magic among them, before the first array of a legacy index.
const LEGACY_HEADER_BYTES: usize = 56;

/// A file's bytes. Kept apart from `Mmap` because a file without bytes cannot be mapped everywhere.
pub(crate) struct Mapping(Option<Mmap>);

impl Mapping {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        if file.metadata().map_err(Error::io("read", path))?.len() == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the map is read as plain bytes, by copy; datasets are replaced by rename, never
        // changed in place, so the mapped file keeps its length.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("read", path))?;
        Ok(Self(Some(map)))
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Where the arrays of an index lie, and of what numbers they are.
#[derive(Clone, Copy)]
struct Layout {
    /// First bytes of lengths, pointers and document array.
    lengths: usize,
    pointers: usize,
    documents: usize,
    /// Whether lengths are `i64`, and pointers count tokens.
    legacy: bool,
}

/// A mapped `.idx` file whose header fits its size. The arrays are read by copy, so their alignment is
/// of no matter; their values are only checked where they are used and by [`verify`](crate::work::verify()).
pub struct Index {
    map: Mapping,
    path: PathBuf,
    dtype: DType,
    sequences: usize,
    boundaries: usize,
    multimodal: bool,
    layout: Layout,
}

impl Index {
    /// Maps the `.idx` file at `path`, of Megatron-Core's format or of the [legacy one](crate#the-legacy-format).
    ///
    /// # Errors
    /// If the file cannot be read, or magic, version, dtype code, counts, size or the ends of the
    /// document array are wrong.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = Mapping::open(path)?;
        let index = match map.starts_with(&LEGACY_MAGIC) {
            true => Self::legacy(path, map)?,
            false => Self::current(path, map)?,
        };
        let (sequences, boundaries) = (index.sequences, index.boundaries);
        match (index.document_index(0), index.document_index(index.boundaries.wrapping_sub(1))) {
            (Some(0), Some(last)) if last == sequences as i64 => Ok(index),
            (Some(0), Some(0)) if boundaries == 1 => Ok(index),
            (first, last) => Err(Error::malformed(
                path,
                "document_indices",
                format!(
                    "runs from {} to {}, not from 0 to the {sequences} sequences",
                    first.map_or("nothing".into(), |value| value.to_string()),
                    last.map_or("nothing".into(), |value| value.to_string()),
                ),
            )),
        }
    }

    fn current(path: &Path, map: Mapping) -> Result<Self> {
        let wrong = |field, problem: String| Error::malformed(path, field, problem);
        if map.len() < HEADER_BYTES {
            return Err(wrong("header", format!("{} bytes, a header has {HEADER_BYTES}", map.len())));
        }
        if map[..9] != MAGIC {
            return Err(wrong("magic", "neither `MMIDIDX` nor `TNTIDX`: no Megatron index".into()));
        }
        let number = |at: usize| u64::from_le_bytes(map[at..at + 8].try_into().expect("eight bytes"));
        if number(9) != VERSION {
            return Err(wrong("version", format!("{}, not {VERSION}", number(9))));
        }
        let dtype =
            DType::from_code(map[17]).ok_or_else(|| wrong("dtype", format!("code {}, known are 1 to 8", map[17])))?;
        let (sequences, boundaries) = (number(18), number(26));
        // 128 bits hold the size for any two counts of 64.
        let arrays = HEADER_BYTES as u128 + 12 * u128::from(sequences) + 8 * u128::from(boundaries);
        let multimodal = match map.len() as u128 {
            size if size == arrays => false,
            size if size == arrays + u128::from(sequences) => true,
            size => {
                let counted = format!("{sequences} sequences and {boundaries} document boundaries take {arrays}");
                return Err(wrong("size", format!("{size} bytes, but {counted}")));
            }
        };
        // The file's size has shown that both counts fit into memory.
        let (sequences, boundaries) = (sequences as usize, boundaries as usize);
        let pointers = HEADER_BYTES + 4 * sequences;
        let layout = Layout { lengths: HEADER_BYTES, pointers, documents: pointers + 8 * sequences, legacy: false };
        Ok(Self { path: path.to_path_buf(), dtype, sequences, boundaries, multimodal, layout, map })
    }

    fn legacy(path: &Path, map: Mapping) -> Result<Self> {
        let wrong = |field, problem: String| Error::malformed(path, field, problem);
        if map.len() < LEGACY_HEADER_BYTES {
            return Err(wrong("header", format!("{} bytes, a header has {LEGACY_HEADER_BYTES}", map.len())));
        }
        let number = |place: usize| u64::from_le_bytes(map[8 * place..8 * place + 8].try_into().expect("eight bytes"));
        let [version, code, element, items, sizes, boundaries] = [1, 2, 3, 4, 5, 6].map(number);
        if version != VERSION {
            return Err(wrong("version", format!("{version}, not {VERSION}")));
        }
        let dtype = u8::try_from(code).ok().and_then(DType::from_code);
        let dtype = dtype.ok_or_else(|| wrong("dtype", format!("code {code}, known are 1 to 8")))?;
        if element != dtype.bytes() as u64 {
            return Err(wrong("dtype", format!("{dtype} of {element} bytes")));
        }
        if sizes != items {
            return Err(wrong("size", format!("{items} items of {sizes} dimensions: only lists of tokens are read")));
        }
        let arrays = 16 * (u128::from(items) + 1) + 8 * u128::from(sizes) + 8 * u128::from(boundaries);
        if map.len() as u128 != LEGACY_HEADER_BYTES as u128 + arrays {
            let counted = format!("{items} items and {boundaries} document boundaries take {arrays} behind the header");
            return Err(wrong("size", format!("{} bytes, but {counted}", map.len())));
        }
        let (sequences, boundaries) = (items as usize, boundaries as usize);
        let pointers = LEGACY_HEADER_BYTES + 8 * (sequences + 1);
        let lengths = pointers + 8 * (sequences + 1);
        let layout = Layout { lengths, pointers, documents: lengths + 8 * sequences, legacy: true };
        Ok(Self { path: path.to_path_buf(), dtype, sequences, boundaries, multimodal: false, layout, map })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of the file.
    pub(crate) fn file(&self) -> &[u8] {
        &self.map
    }

    /// Its bytes.
    pub fn file_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// The number type of the tokens.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Sequences.
    pub fn sequence_count(&self) -> usize {
        self.sequences
    }

    /// Documents. Where [none are marked](Self::marks_documents), every sequence is one.
    pub fn document_count(&self) -> usize {
        if self.marks_documents() { self.boundaries - 1 } else { self.sequences }
    }

    /// Whether documents are marked at all: Yuan's preprocessor leaves the array at `[0]`.
    pub fn marks_documents(&self) -> bool {
        self.boundaries > 1 || self.sequences == 0
    }

    /// Whether there is a mode for each sequence.
    pub fn is_multimodal(&self) -> bool {
        self.multimodal
    }

    /// Whether the index is of the [legacy format](crate#the-legacy-format).
    pub fn is_legacy(&self) -> bool {
        self.layout.legacy
    }

    /// Tokens of a sequence, as written: a damaged file may have a negative number here.
    #[inline]
    pub fn sequence_length(&self, sequence: usize) -> Option<i32> {
        (sequence < self.sequences).then(|| match self.layout.legacy {
            false => i32::from_le_bytes(self.bytes(self.layout.lengths + 4 * sequence)),
            // No sequence of the current format is longer.
            true => i32::try_from(self.number(self.layout.lengths, sequence)).unwrap_or(-1),
        })
    }

    /// The first byte of a sequence in the `.bin` file, as written.
    #[inline]
    pub fn sequence_pointer(&self, sequence: usize) -> Option<i64> {
        (sequence < self.sequences).then(|| {
            let pointer = self.number(self.layout.pointers, sequence);
            if self.layout.legacy { pointer.saturating_mul(self.dtype.bytes() as i64) } else { pointer }
        })
    }

    /// An entry of the document array, as written.
    #[inline]
    pub fn document_index(&self, boundary: usize) -> Option<i64> {
        (boundary < self.boundaries).then(|| self.number(self.layout.documents, boundary))
    }

    /// The mode of a sequence, in a multimodal set.
    pub fn sequence_mode(&self, sequence: usize) -> Option<i8> {
        (self.multimodal && sequence < self.sequences)
            .then(|| self.map[self.layout.documents + 8 * self.boundaries + sequence] as i8)
    }

    /// All sequence lengths, as written.
    pub fn sequence_lengths(&self) -> impl Iterator<Item = i32> {
        (0..self.sequences).filter_map(|sequence| self.sequence_length(sequence))
    }

    /// All sequence pointers, as written.
    pub fn sequence_pointers(&self) -> impl Iterator<Item = i64> {
        (0..self.sequences).filter_map(|sequence| self.sequence_pointer(sequence))
    }

    /// The document array, as written.
    pub fn document_indices(&self) -> impl Iterator<Item = i64> {
        (0..self.boundaries).filter_map(|boundary| self.document_index(boundary))
    }

    /// The sequences of a document.
    ///
    /// # Errors
    /// If there is no such document or its boundaries do not lie in order within the sequences.
    pub fn document(&self, document: usize) -> Result<std::ops::Range<usize>> {
        if document >= self.document_count() {
            return Err(Error::malformed(
                &self.path,
                "document_indices",
                format!("no document {document}, there are {}", self.document_count()),
            ));
        }
        if !self.marks_documents() {
            return Ok(document..document + 1);
        }
        let bound = |at| self.document_index(at).and_then(|value| usize::try_from(value).ok());
        match (bound(document), bound(document + 1)) {
            (Some(start), Some(end)) if start <= end && end <= self.sequences => Ok(start..end),
            _ => Err(Error::malformed(
                &self.path,
                "document_indices",
                format!("document {document} does not lie within the {} sequences", self.sequences),
            )),
        }
    }

    fn number(&self, array: usize, place: usize) -> i64 {
        i64::from_le_bytes(self.bytes(array + 8 * place))
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.map[at..at + N].try_into().expect("the file's size was checked against its counts")
    }
}
