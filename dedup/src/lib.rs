//! Have we seen this document before?
//!
//! Two passes, each of which ends in a stage that drops all but the first of the documents that are alike: [`Exact`]
//! compares whole texts, [`Minhash`] finds near-duplicates and verifies them. The stages name the document that is kept instead
//! ([`Detail::Document`](yuan_pipeline::Detail::Document)); [`keeper_of`] looks it up afterwards. Others cut out of documents
//! what the corpus has elsewhere: [`RepeatedText`] lines, paragraphs, sentences and runs of sentences, [`RepeatedNgrams`] lines by
//! their n-grams, [`RepeatedSubstrings`] any text that is long enough; [`Decontaminate`] finds text of evaluation sets.
//!
//! | step | files |
//! |---|---|
//! | text → tokens → shingles | `text.rs`, `shingle.rs` |
//! | address → one spelling of it | `url.rs` |
//! | shingles → signature → band keys | `minhash.rs`, its inner loop `lanes.rs` |
//! | keys of a work unit → partial file | `exact.rs`, `near.rs` (the passes), `files.rs` (the format) |
//! | shingles → fingerprint → those within a distance | `simhash/` |
//! | partial files → clusters → duplicates | `cluster.rs`, `document_set.rs`, `union_find.rs`, `sorter.rs` |
//! | numbers, which tell a template's pages apart | `numbers.rs` |
//! | candidates → the documents that are as alike as they must be | `verify/`: a second reading |
//! | duplicates → marked documents | `duplicates.rs` |
//! | documents of earlier runs | `index/` |
//! | how alike unrelated documents look | `background.rs` |
//! | what published pipelines do, bit for bit | `compat/` |
//! | text → what the corpus has more than once → cut documents | `substring/` |
//! | evaluation sets, text → contaminated documents | `decontaminate/` |

mod background;
mod bloom;
mod candidates;
mod cluster;
mod compat;
mod cuts;
mod decontaminate;
mod document_set;
mod duplicates;
mod exact;
mod files;
mod index;
mod lanes;
mod minhash;
mod near;
mod numbers;
mod parameters;
mod ranges;
mod repeats;
mod scope;
mod shingle;
mod simhash;
mod sorted;
mod sorter;
mod substring;
mod table;
mod text;
mod union_find;
mod url;
mod verify;

pub use background::{Background, background};
pub use bloom::{NgramCompat, NgramRemoval, RepeatedNgrams};
pub use compat::data_juicer::{DataJuicerPass, DataJuicerSigner, MinhashDataJuicer, Tokenization};
pub use compat::datatrove::{
    ClusterOptions, DatatrovePass, DatatroveSigner, DatatroveStep, MinhashDatatrove, ShingleHash, TextNorm,
    cluster_files, match_files,
};
pub use compat::text_dedup::{MinhashTextDedup, TextDedupHash, TextDedupPass, TextDedupSigner};
pub use compat::{WordCutter, WordLanguage};
pub use decontaminate::{Action, Decontaminate, DecontaminateConfig};
pub use duplicates::{Duplicates, keeper_of};
pub use exact::{Exact, ExactKey};
pub use index::{Changed, CrawlInfo, Event, Index, Member, Place, Removal, Selection};
pub use minhash::{Permutations, band_keys, candidate_probability, estimated_similarity};
pub use near::{IndexMode, Keep, Minhash, Signer};
pub use numbers::Digits;
pub use repeats::{RepeatedCompat, RepeatedText, RepeatedUnit, UnitMatching, UnitNormalization};
pub use shingle::{Shingles, shingle_hashes, token_hashes};
pub use simhash::{Simhash, SimhashCompat, Weights, hamming_distance};
pub use substring::{CutAt, Remove, RepeatedSubstrings, SubstringUnit};
pub use url::UrlRules;
pub use verify::{Linkage, Similarity};
