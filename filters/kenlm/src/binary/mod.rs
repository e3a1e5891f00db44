//! KenLM's binary files: header, then the vocabulary, then the search structures, then the words.
//!
//! | file | what |
//! |---|---|
//! | `header.rs` | the fixed part: magic, reference values, order, kind, counts |
//! | `probing.rs` | where the sections of a probing model lie |
//! | `trie.rs` | where the sections of a trie lie |
//! | `storage.rs` | the bytes: a mapped file or anonymous memory |

pub(crate) mod header;
pub(crate) mod probing;
pub(crate) mod storage;
pub(crate) mod trie;

/// Hands out sections one after another; `None` once their sum no longer fits into memory addresses.
#[derive(Debug)]
pub(crate) struct Cursor {
    at: u64,
}

impl Cursor {
    pub(crate) fn new(at: u64) -> Cursor {
        Cursor { at }
    }

    /// A section of `count` items of `size` bytes: where it begins.
    pub(crate) fn section(&mut self, count: u64, size: u64) -> Option<usize> {
        let start = self.at;
        self.at = start.checked_add(count.checked_mul(size)?)?;
        // A sum of sections beyond `isize::MAX` cannot be in memory.
        isize::try_from(self.at).ok()?;
        usize::try_from(start).ok()
    }

    /// Where the next section would begin.
    pub(crate) fn position(&self) -> usize {
        self.at as usize
    }
}

/// What is said of sizes that no file has.
pub(crate) const SIZES_OVERFLOW: &str = "its header asks for more bytes than memory has addresses";
