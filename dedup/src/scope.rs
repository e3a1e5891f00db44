//! Which documents may be held against each other at all.

use xxhash_rust::xxh3::Xxh3;
use yuan_pipeline::Document;

/// A number for the values that a document has in these columns, 0 if there are none: keys of documents of different
/// values are made different by it. `source` is where the document is from.
pub(crate) fn scope(document: &Document<'_>, within: &[String]) -> u64 {
    if within.is_empty() {
        return 0;
    }
    let mut hash = Xxh3::new();
    for column in within {
        let value = if column == "source" { Some(document.source()) } else { document.str(column) };
        let value = value.as_deref().unwrap_or_default();
        hash.update(&(value.len() as u64).to_le_bytes());
        hash.update(value.as_bytes());
    }
    hash.digest()
}
