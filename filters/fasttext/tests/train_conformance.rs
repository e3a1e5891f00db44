//! Training and quantising give the files that fastText writes, byte for byte.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod train_support;

use std::sync::atomic::AtomicBool;

use train_support::{digest, fixture, quantise_options, train_options};
use yuan_fasttext::Model;
use yuan_fasttext::quantize::quantise;
use yuan_fasttext::train::{Lines, train};

/// Digests hold where the C library is the one that the C++ program ran on: its `exp`, `log` and `pow` are part of the numbers.
const SAME_LIBRARY: bool = cfg!(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"));

fn bytes_of(model: &Model) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.write_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn models_are_those_of_fasttext() {
    if !SAME_LIBRARY {
        println!("skipped: the digests are of models that were trained with glibc on x86-64");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let vectors = directory.path().join("vectors.vec");
    std::fs::write(&vectors, fixture("vectors.txt.zst")).unwrap();
    let texts = [("train", fixture("train.txt.zst")), ("many", fixture("many.txt.zst"))];
    let table = String::from_utf8(fixture("models.tsv")).unwrap();
    let mut base = None;
    let mut wrong = Vec::new();
    for row in table.lines().skip(1) {
        let [name, text, options, length, expected] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        let text = &texts.iter().find(|(name, _)| *name == text).unwrap().1;
        let cancel = AtomicBool::new(false);
        let model = if name.ends_with(".bin") {
            let model = train(Lines(text), &train_options(options, &vectors), |_| {}, &cancel).unwrap();
            base = Some(model.clone());
            model
        } else {
            let model = base.as_ref().unwrap();
            quantise(model, &quantise_options(options), Some(&mut Lines(text)), |_| {}, &cancel).unwrap()
        };
        let bytes = bytes_of(&model);
        if (bytes.len().to_string().as_str(), format!("{:016x}", digest(&bytes)).as_str()) != (length, expected) {
            wrong.push(format!("{name} {options}"));
        }
    }
    assert_eq!(table.lines().count(), 24, "every model was tried");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn threads_do_not_change_a_quantised_model() {
    let text = fixture("train.txt.zst");
    let cancel = AtomicBool::new(false);
    let model = train(Lines(&text), &train_options("-dim 5 -epoch 1", "".as_ref()), |_| {}, &cancel).unwrap();
    let bytes = [1, 2, 5].map(|threads| {
        let mut options = quantise_options("-qnorm -cutoff 2000");
        options.threads = threads;
        bytes_of(&quantise(&model, &options, None, |_| {}, &cancel).unwrap())
    });
    assert!(bytes[0] == bytes[1] && bytes[0] == bytes[2]);
}
