//! Fixtures that tests share.

use std::path::PathBuf;

/// All models that the C++ tool trained, see `tests/fixtures/fasttext/PROVENANCE.md`.
#[allow(dead_code)]
pub const MODELS: [&str; 16] = [
    "softmax.bin",
    "words.bin",
    "hs.bin",
    "ova.bin",
    "ns.bin",
    "many.bin",
    "wide.bin",
    "cbow.bin",
    "skipgram.bin",
    "plain.ftz",
    "pruned.ftz",
    "pruned_words.ftz",
    "qout.ftz",
    "qout_qnorm.ftz",
    "wide_qnorm.ftz",
    "version11.bin",
];

/// The content of a compressed fixture.
pub fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/fasttext"));
    let path = folder.join(format!("{name}.zst"));
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    zstd::decode_all(file).unwrap()
}
