//! SentencePiece models (`.model`): reading, writing, normalizing, encoding and decoding, exact to the C++ library.
//!
//! ```
//! use yuan_sentencepiece::{Model, Scratch};
//!
//! # fn main() -> Result<(), yuan_sentencepiece::Error> {
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sentencepiece");
//! let model = Model::open(format!("{folder}/unigram.model"))?;
//! let mut scratch = Scratch::default();
//! let mut pieces = Vec::new();
//! model.encode_pieces("Hello  world", &mut scratch, |piece| pieces.push(piece.to_owned()));
//! assert_eq!(pieces.concat(), "▁Hello▁world");
//! assert_eq!(model.decode(&model.encode("Hello  world"))?, "Hello world");
//! # Ok(())
//! # }
//! ```
//!
//! All four kinds of model, user-defined symbols, byte fallback, unused pieces, compiled normalization and
//! denormalization rules, spaces as suffixes; writing files ([`ModelFile`]). Not here: training, sampling and n-best lists. What was compared with the
//! C++ library, and how fast both are: `tests/fixtures/sentencepiece/CONFORMANCE.md`.
//!
//! | file | what it does |
//! |---|---|
//! | `model` | [`Model`]: a loaded file, its pieces and special ids |
//! | `encode` | text → ids, pieces, places; [`Scratch`] |
//! | `decode` | ids → text |
//! | `normalize`, `charsmap` | what happens to a text first: compiled rules, spaces |
//! | `unigram` | Viterbi's algorithm over a trie, in an alphabet of its own |
//! | `bpe`, `segments`, `merge` | joining neighbours: where texts can be cut, what is remembered, the joining |
//! | `words` | word and character models |
//! | `vocabulary`, `symbols` | pieces by id and by text; user-defined symbols |
//! | `double_array`, `codepoints` | a trie in an array; numbers of characters |
//! | `specification`, `wire` | `ModelProto`; the protobuf wire format |
//! | `file` | [`ModelFile`]: a model file that is changed or written |
//! | `error` | [`Error`] |

mod bpe;
mod charsmap;
mod codepoints;
mod decode;
mod double_array;
mod encode;
mod error;
mod file;
mod merge;
mod model;
mod normalize;
mod segments;
mod specification;
mod symbols;
mod unigram;
mod vocabulary;
mod wire;
mod words;

pub use encode::{Piece, Scratch};
pub use error::{Error, Result};
pub use file::{FilePiece, ModelFile, NormalizerSpec, TrainerSpec};
pub use model::Model;
pub use specification::{ModelKind, PieceKind};
