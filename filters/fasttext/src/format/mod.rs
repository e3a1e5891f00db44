//! The model file, `.bin` and `.ftz` alike: little-endian numbers one after the other, without alignment.
//!
//! | part | content |
//! |---|---|
//! | `magic`, `version` | `i32` 793712314, `i32` 11 or 12 |
//! | settings | twelve `i32` and `t` as `f64`, in the order of [`Args`](crate::Args) |
//! | `size`, `nwords`, `nlabels` | `i32` each |
//! | `ntokens`, `pruneidx_size` | `i64` each; the latter is -1 unless the model was pruned |
//! | `entries` | `size` times: the bytes of the word, a NUL, `i64` count, `u8` 0 for a word or 1 for a label |
//! | `pruneidx` | `pruneidx_size` times: `i32` bucket, `i32` new place |
//! | `quant` | `u8`: whether the input matrix is quantised |
//! | `input` | a matrix |
//! | `qout` | `u8`: whether the output matrix of a quantised model is quantised too |
//! | `output` | a matrix |
//!
//! A dense matrix: `i64` rows, `i64` columns, `f32` each. A quantised one: `u8` whether norms are apart, `i64` rows, `i64`
//! columns, `i32` bytes of codes, the codes, a quantiser; if norms are apart a byte for each row and a quantiser of
//! single numbers. A quantiser: `i32` vector length, pieces, length of a piece, length of the last piece; the centroids.
//!
//! Version 11 is version 12, but supervised models have no character n-grams whatever `maxn` says.

mod cursor;
mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

/// What a model file begins with.
const MAGIC: i32 = 793_712_314;
/// The version that is written.
const VERSION: i32 = 12;
/// The version whose supervised models have no character n-grams.
const VERSION_WITHOUT_SUBWORDS: i32 = 11;
