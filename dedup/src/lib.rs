//! Have we seen this document before?
//!
//! Two passes, each of which ends in a stage that drops all but the first of the documents that are alike: [`Exact`]
//! compares whole texts, [`Minhash`] finds near-duplicates and verifies them. The stages name the document that is kept instead
//! ([`Detail::Document`](yuan_pipeline::Detail::Document)); [`keeper_of`] looks it up afterwards. A third,
//! [`RepeatedSubstrings`], cuts out of documents what the corpus says more than once; a fourth, [`Decontaminate`], finds text of
//! evaluation sets.
//!
//! | step | files |
//! |---|---|
//! | text → tokens → shingles | `text.rs`, `shingle.rs` |
//! | shingles → signature → band keys | `minhash.rs`, its inner loop `lanes.rs` |
//! | keys of a work unit → partial file | `exact.rs`, `near.rs` (the passes), `files.rs` (the format) |
//! | partial files → clusters → duplicates | `cluster.rs`, `document_set.rs`, `union_find.rs` |
//! | candidates → the documents that are as alike as they must be | `verify/`: a second reading |
//! | duplicates → marked documents | `duplicates.rs` |
//! | text → what the corpus has more than once → cut documents | `substring/` |
//! | evaluation sets, text → contaminated documents | `decontaminate/` |

mod cluster;
mod decontaminate;
mod document_set;
mod duplicates;
mod exact;
mod files;
mod lanes;
mod minhash;
mod near;
mod parameters;
mod scope;
mod shingle;
mod substring;
mod text;
mod union_find;
mod verify;

pub use decontaminate::{Action, Decontaminate, DecontaminateConfig};
pub use duplicates::{Duplicates, keeper_of};
pub use exact::{Exact, ExactKey};
pub use minhash::{Permutations, band_keys, candidate_probability, estimated_similarity};
pub use near::{Keep, Minhash, Signer};
pub use shingle::{Shingles, shingle_hashes, token_hashes};
pub use substring::{CutAt, Remove, RepeatedSubstrings, SubstringUnit};
pub use verify::{Linkage, Similarity};
