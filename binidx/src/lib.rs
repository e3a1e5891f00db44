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
//! # The legacy format
//!
//! `TNTIDX` (`lazy` and `cached` datasets of fairseq, early Megatron and Yuan's fork) is read, not written: the magic `TNTIDX\0\0`,
//! `u64` version 1, `u64` dtype code, `u64` bytes of a token, `u64` items L, `u64` N, `u64` D, then `i64` arrays: dimension offsets
//! (L + 1), data offsets in tokens (L + 1), sizes (N = L: lists of tokens), document array (D).
//!
//! # The map
//!
//! | module | what it answers |
//! |---|---|
//! | `dtype`, `index`, `reader` | What do the files hold? ([`Reader`] maps them) |
//! | `writer`, `part`, `replace` | How are they written? ([`Writer`] streams them) |
//! | [`documents`] | Whose tokens are these? |
//! | `set` | A dataset as its documents: [`TokenSet`] |
//! | [`work`] | Join, cut, look for damage, mend, take out, look up |
//! | [`form`] | How do others keep tokens? |
//! | [`mix`] | Which documents are trained on when, and how often? |
//! | [`gpt`], [`npy`] | What does Megatron's trainer read at which step? |
//! | `shuffle` | Another order, in bounded memory |
//! | [`pack`] | Sequences of one length, with where documents begin in them |
//! | `loss_mask` | Which tokens of fine-tuning documents are learnt? |
//! | `pass` | [`WriteBinidx`], the recipe's step |

pub mod documents;
mod dtype;
mod error;
pub mod form;
pub mod gpt;
mod index;
mod loss_mask;
pub mod mix;
pub mod npy;
pub mod pack;
mod part;
mod pass;
mod reader;
mod replace;
mod set;
mod sets;
mod shuffle;
pub mod work;
mod writer;

pub use documents::{About, Documents, Vocabulary};
pub use dtype::DType;
pub use error::{Error, Result};
pub use form::Form;
pub use index::Index;
pub use loss_mask::{loss_mask, prompt_tokens};
pub use pass::{DTypeChoice, DocumentArray, WriteBinidx};
pub use reader::{Reader, Sequence, Summary, bin_path, idx_path};
pub use set::{Document, TokenSet};
pub use sets::loss_mask_prefix;
pub use shuffle::shuffle_key;
pub use writer::{Writer, Written};
