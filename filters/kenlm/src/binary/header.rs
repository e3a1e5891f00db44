//! The fixed part of a binary model (`lm/binary_format.cc` of KenLM, format version 5).

use std::path::Path;

use crate::bytes::{f32_at, put_f32, put_u32, put_u64, u32_at, u64_at};
use crate::error::{Error, Result};
use crate::state::MAX_ORDER;

/// The kind of search structure in a model. `build_binary`'s names: `probing`, `trie`, `trie -q`, `trie -a`, `trie -q -a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelKind {
    /// Hash tables: fastest, largest.
    Probing,
    /// Bit-packed sorted arrays.
    Trie,
    /// A trie whose probabilities and back-offs are rounded to tables of bins.
    QuantisedTrie,
    /// A trie whose child pointers are compressed with an array of offsets.
    ArrayTrie,
    /// Both.
    QuantisedArrayTrie,
}

impl ModelKind {
    /// Whether values are rounded to bins.
    pub fn is_quantised(self) -> bool {
        matches!(self, ModelKind::QuantisedTrie | ModelKind::QuantisedArrayTrie)
    }

    /// Whether child pointers are compressed.
    pub fn is_array_compressed(self) -> bool {
        matches!(self, ModelKind::ArrayTrie | ModelKind::QuantisedArrayTrie)
    }

    fn code(self) -> u32 {
        match self {
            ModelKind::Probing => 0,
            ModelKind::Trie => 2,
            ModelKind::QuantisedTrie => 3,
            ModelKind::ArrayTrie => 4,
            ModelKind::QuantisedArrayTrie => 5,
        }
    }

    /// Version of the search structure that is read and written.
    fn search_version(self) -> u32 {
        u32::from(self != ModelKind::Probing)
    }
}

/// What a binary model says about itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) kind: ModelKind,
    pub(crate) probing_multiplier: f32,
    pub(crate) has_words: bool,
    /// Number of n-grams for each n, from 1.
    pub(crate) counts: Vec<u64>,
}

const MAGIC_PREFIX: &[u8] = b"mmap lm http://kheafield.com/code format version";
const MAGIC: &[u8] = b"mmap lm http://kheafield.com/code format version 5\n\0";
const MAGIC_INCOMPLETE: &[u8] = b"mmap lm http://kheafield.com/code incomplete\n";
/// Magic and reference values.
const SANITY_SIZE: usize = 88;
/// Order, multiplier, kind, whether there are words, version of the search.
const FIXED_SIZE: usize = 20;

/// The magic and the values by which KenLM sees that a file is of this byte order and these types.
fn sanity() -> [u8; SANITY_SIZE] {
    let mut bytes = [0; SANITY_SIZE];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    put_f32(&mut bytes, 60, 1.0);
    put_f32(&mut bytes, 64, -0.5);
    put_u32(&mut bytes, 68, 1);
    put_u32(&mut bytes, 72, u32::MAX);
    put_u64(&mut bytes, 80, 1);
    bytes
}

impl Header {
    /// Bytes from the start of the file to the vocabulary.
    pub(crate) fn size(order: usize) -> usize {
        (SANITY_SIZE + FIXED_SIZE + 8 * order).next_multiple_of(8)
    }

    /// Whether a file that begins with these bytes claims to be a KenLM binary, of whatever version.
    pub(crate) fn is_binary(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC_PREFIX) || bytes.starts_with(MAGIC_INCOMPLETE)
    }

    /// The header at the start of a file for which [`Self::is_binary`] holds.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Header> {
        let damaged = |reason: String| Error::binary(path, reason);
        if bytes.starts_with(MAGIC_INCOMPLETE) {
            return Err(damaged("its building did not finish: build it again".into()));
        }
        if bytes.len() < SANITY_SIZE + FIXED_SIZE {
            return Err(damaged(format!("it ends after {} bytes, within the header", bytes.len())));
        }
        if bytes[..SANITY_SIZE] != sanity() {
            return Err(damaged(match version(bytes) {
                Some(5) | None => {
                    "its test values are not those of format version 5 on a 64-bit little-endian machine: \
                     rebuild it from the ARPA file"
                        .into()
                }
                Some(version) => {
                    format!("it has format version {version}, and 5 is supported: rebuild it from the ARPA file")
                }
            }));
        }
        let fixed = &bytes[SANITY_SIZE..SANITY_SIZE + FIXED_SIZE];
        let order = fixed[0] as usize;
        if !(2..=MAX_ORDER).contains(&order) {
            return Err(damaged(format!("it has order {order}, and 2 to {MAX_ORDER} are supported")));
        }
        let probing_multiplier = f32_at(fixed, 4);
        if !(1.0..f32::INFINITY).contains(&probing_multiplier) {
            return Err(damaged(format!("its probing multiplier is {probing_multiplier}, and it must be at least 1")));
        }
        let kind = match u32_at(fixed, 8) {
            0 => ModelKind::Probing,
            1 => {
                return Err(damaged(
                    "it is a probing model with rest costs, which are not supported: build it without `-r`".into(),
                ));
            }
            2 => ModelKind::Trie,
            3 => ModelKind::QuantisedTrie,
            4 => ModelKind::ArrayTrie,
            5 => ModelKind::QuantisedArrayTrie,
            other => return Err(damaged(format!("it has model type {other}, and 0 and 2 to 5 are supported"))),
        };
        let version = u32_at(fixed, 16);
        if version != kind.search_version() {
            let expected = kind.search_version();
            return Err(damaged(format!(
                "its search structure has version {version}, and {expected} is supported: rebuild it from the ARPA file"
            )));
        }
        let size = Header::size(order);
        if bytes.len() < size {
            return Err(damaged(format!("it ends after {} bytes, within the header of {size}", bytes.len())));
        }
        let counts: Vec<u64> = (0..order).map(|at| u64_at(bytes, SANITY_SIZE + FIXED_SIZE + 8 * at)).collect();
        if counts[0] >= u64::from(u32::MAX) {
            return Err(damaged(format!("it has {} words, and numbers of words have 32 bits", counts[0])));
        }
        Ok(Header { kind, probing_multiplier, has_words: fixed[12] != 0, counts })
    }

    /// Writes the header to the start of an image.
    pub(crate) fn write(&self, image: &mut [u8]) {
        image[..SANITY_SIZE].copy_from_slice(&sanity());
        let fixed = &mut image[SANITY_SIZE..];
        fixed[..FIXED_SIZE].fill(0);
        fixed[0] = self.counts.len() as u8;
        put_f32(fixed, 4, self.probing_multiplier);
        put_u32(fixed, 8, self.kind.code());
        fixed[12] = u8::from(self.has_words);
        put_u32(fixed, 16, self.kind.search_version());
        for (at, &count) in self.counts.iter().enumerate() {
            put_u64(fixed, FIXED_SIZE + 8 * at, count);
        }
    }

    /// Marks an image as unfinished, so that a build that is cut off leaves nothing that looks like a model.
    pub(crate) fn write_incomplete(image: &mut [u8]) {
        image[..MAGIC_INCOMPLETE.len()].copy_from_slice(MAGIC_INCOMPLETE);
    }
}

/// The format version that the magic names.
fn version(bytes: &[u8]) -> Option<u32> {
    let line = bytes.get(MAGIC_PREFIX.len()..)?;
    let line = &line[..line.iter().take(16).position(|&byte| byte == b'\n')?];
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_header_reads_back() {
        let header = Header {
            kind: ModelKind::QuantisedArrayTrie,
            probing_multiplier: 1.5,
            has_words: true,
            counts: vec![3, 1 << 40, 7],
        };
        let mut image = vec![0; Header::size(3)];
        header.write(&mut image);
        assert_eq!(Header::parse(Path::new("m"), &image).unwrap(), header);
    }
}
