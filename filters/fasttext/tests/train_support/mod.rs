//! What the tests of training share.

#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use yuan_fasttext::Loss;
use yuan_fasttext::quantize::{QuantiseOptions, Retrain};
use yuan_fasttext::train::TrainOptions;

/// A file of the fixtures, decompressed.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/fasttext_train").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if name.ends_with(".zst") { zstd::decode_all(bytes.as_slice()).unwrap() } else { bytes }
}

/// FNV-1a, 64 bits.
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |value, &byte| (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Options as fastText's command line has them: names with a dash and values.
fn pairs(options: &str) -> impl Iterator<Item = (&str, &str)> {
    let words: Vec<&str> = options.split_whitespace().collect();
    let flag = |word: &str| ["-qnorm", "-qout", "-retrain"].contains(&word);
    let mut at = 0;
    std::iter::from_fn(move || {
        let name = *words.get(at)?;
        let value = if flag(name) { "" } else { words[at + 1] };
        at += if flag(name) { 1 } else { 2 };
        Some((name, value))
    })
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &str) -> T {
    value.parse().unwrap()
}

pub fn train_options(options: &str, vectors: &Path) -> TrainOptions {
    let mut train = TrainOptions::default();
    for (name, value) in pairs(options) {
        match name {
            "-dim" => train.args.dim = number(value),
            "-epoch" => train.args.epoch = number(value),
            "-minn" => train.args.minn = number(value),
            "-maxn" => train.args.maxn = number(value),
            "-bucket" => train.args.bucket = number(value),
            "-wordNgrams" => train.args.word_ngrams = number(value),
            "-minCount" => train.args.min_count = number(value),
            "-minCountLabel" => train.min_count_label = number(value),
            "-neg" => train.args.neg = number(value),
            "-lrUpdateRate" => train.args.lr_update_rate = number(value),
            "-lr" => train.learning_rate = f64::from(number::<f32>(value)),
            "-seed" => train.seed = number(value),
            "-thread" => train.threads = number(value),
            "-label" => train.label_prefix = value.into(),
            "-pretrainedVectors" => train.pretrained_vectors = Some(PathBuf::from(vectors)),
            "-loss" => {
                train.args.loss = match value {
                    "hs" => Loss::Hs,
                    "ns" => Loss::Ns,
                    "ova" => Loss::Ova,
                    other => panic!("{other}"),
                }
            }
            other => panic!("{other}"),
        }
    }
    train
}

pub fn quantise_options(options: &str) -> QuantiseOptions {
    let mut quantise = QuantiseOptions::default();
    let mut retrain = Retrain::default();
    for (name, value) in pairs(options) {
        match name {
            "-qnorm" => quantise.quantise_norms = true,
            "-qout" => quantise.quantise_output = true,
            "-dsub" => quantise.piece_length = number(value),
            "-cutoff" => quantise.cutoff = Some(number(value)),
            "-epoch" => retrain.epoch = number(value),
            "-lr" => retrain.learning_rate = f64::from(number::<f32>(value)),
            "-retrain" => {}
            other => panic!("{other}"),
        }
    }
    quantise.retrain = options.contains("-retrain").then_some(retrain);
    quantise
}
