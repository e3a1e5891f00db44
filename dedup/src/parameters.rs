//! A config as one number, to tell files made with another one.

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

/// The hash of a config's JSON.
pub(crate) fn hash_of(config: &impl Serialize) -> u64 {
    xxh3_64(&serde_json::to_vec(config).expect("a config is plain numbers and names"))
}
