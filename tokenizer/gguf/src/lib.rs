//! Headers of GGUF files, the format of llama.cpp: metadata, and where each tensor lies.
//!
//! Nothing here knows what a key means. A file is, in this order (numbers little-endian, or big-endian in files whose version reads
//! so):
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `GGUF` |
//! | 4 | version, 2 or 3 |
//! | 8, 8 | tensors, pairs of metadata |
//! | … | pairs: key, type of the value, value |
//! | … | tensors: name, dimensions, type, offset |
//! | … | zeros up to a multiple of `general.alignment`, then the tensors' data |
//!
//! A string is a length of 8 bytes and UTF-8; an array a type, a length and its elements. Source: `docs/gguf.md` of ggml.
//!
//! ```
//! let mut file = b"GGUF".to_vec();
//! file.extend(3_u32.to_le_bytes());
//! file.extend(0_u64.to_le_bytes()); // no tensors
//! file.extend(1_u64.to_le_bytes()); // one pair
//! file.extend(4_u64.to_le_bytes());
//! file.extend(b"name");
//! file.extend(8_u32.to_le_bytes()); // a string
//! file.extend(2_u64.to_le_bytes());
//! file.extend("é".as_bytes());
//! let header = yuan_gguf::Header::read(&file[..])?;
//! assert_eq!(header.get("name").and_then(yuan_gguf::Value::as_str), Some("é"));
//! # Ok::<(), yuan_gguf::Error>(())
//! ```

mod read;
mod value;

use std::io::Read;

pub use value::{Array, Value};

/// The first bytes of a file.
pub const MAGIC: [u8; 4] = *b"GGUF";

/// Why a header cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It does not begin with [`MAGIC`].
    #[error("it is no GGUF file: its first bytes are not `GGUF`")]
    NoMagic,
    /// A version that is not read.
    #[error("it is a GGUF file of version {version}, and versions 2 and 3 are read: convert the model anew")]
    Version {
        /// As the file says.
        version: u32,
    },
    /// The file ends too early, or cannot be read.
    #[error("{place} cannot be read: {source}")]
    Io {
        /// What was being read.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// What is there cannot be.
    #[error("{place} {problem}")]
    Damaged {
        /// What was being read.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What stands before the data of the tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The version of the format.
    pub version: u32,
    /// Keys and values in the order of the file.
    pub metadata: Vec<(String, Value)>,
    /// The tensors in the order of the file.
    pub tensors: Vec<Tensor>,
    /// Whether numbers, those of the data as well, are big-endian.
    pub big_endian: bool,
    /// Where the data begins, in bytes from the beginning of the file.
    pub data_start: u64,
}

/// A tensor and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Elements along each axis, the one whose neighbours lie side by side first.
    pub shape: Vec<u64>,
    /// The number of ggml's type: 0 is f32, 1 f16, others are quantised.
    pub kind: u32,
    /// Where its data begins, in bytes from [`Header::data_start`].
    pub offset: u64,
}

impl Header {
    /// Reads the header; what comes after it is left alone but for a buffer. Memory: what the header has.
    ///
    /// # Errors
    /// If it is no such file, of a version that is not read, or damaged.
    pub fn read(source: impl Read) -> Result<Self, Error> {
        read::header(source)
    }

    /// The value of a key; of a key that comes twice the first.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }
}
