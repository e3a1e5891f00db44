//! Where the tokens lie on disk: Megatron-Core's `.bin`/`.idx` token datasets.
//!
//! A dataset is two files of one prefix. All numbers are little-endian and packed, so the `i64` arrays
//! may start at odd offsets. With S sequences and D document boundaries, `PREFIX.idx` is
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 9 | the magic `MMIDIDX\0\0` |
//! | 9 | 8 | `u64` version, 1 |
//! | 17 | 1 | `u8` dtype code: 1 u8, 2 i8, 3 i16, 4 i32, 5 i64, 6 f64, 7 f32, 8 u16 |
//! | 18 | 8 | `u64` S, sequences |
//! | 26 | 8 | `u64` D, length of the document array: documents + 1 |
//! | 34 | 4·S | `i32` `sequence_lengths`, in tokens |
//! | 34 + 4·S | 8·S | `i64` `sequence_pointers`: the sequence's first byte in `.bin` |
//! | 34 + 12·S | 8·D | `i64` `document_indices`: 0, then the sequences before the end of each document |
//! | 34 + 12·S + 8·D | S | optional: `i8` `sequence_modes` (multimodal sets; nothing in the header says so) |
//!
//! and `PREFIX.bin` is the tokens of all sequences, back to back. An empty document repeats a document
//! index; a sequence of no tokens is legal. Yuan's preprocessor leaves the document array at `[0]`: such
//! a set is read as one document for each sequence.
//!
//! Source: `megatron/core/datasets/indexed_dataset.py` of megatron-core 0.16.1, byte for byte.
//!
//! [`Reader`] maps a dataset, [`Writer`] streams one, [`concat()`] joins many, [`verify()`] looks for damage,
//! [`loss_mask()`] says which tokens are learnt, and [`WriteBinidx`] is the recipe's step.

mod concat;
mod dtype;
mod error;
mod index;
mod loss_mask;
mod pass;
mod reader;
mod verify;
mod writer;

pub use concat::concat;
pub use dtype::DType;
pub use error::{Error, Result};
pub use index::Index;
pub use loss_mask::{loss_mask, prompt_tokens};
pub use pass::{DTypeChoice, DocumentArray, WriteBinidx, loss_mask_prefix};
pub use reader::{Reader, Sequence, Summary, bin_path, idx_path};
pub use verify::{Expected, Problem, Verification, verify};
pub use writer::{Writer, Written};
