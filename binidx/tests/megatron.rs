//! Megatron-Core's own files read as it says, and our files are its files, byte for byte.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use yuan_binidx::work::{Expected, concat, verify};
use yuan_binidx::{DType, Error, Index, Reader, Writer, bin_path, idx_path};

mod support;

use support::job;

const MULTI: [&str; 2] = ["u16_multidoc", "i32_multidoc"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/binidx")
}

fn expected() -> Value {
    let json = fs::read(fixtures().join("expected.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn numbers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
}

fn dtype(name: &str) -> DType {
    match name {
        "uint16" => DType::U16,
        "int32" => DType::I32,
        other => panic!("no set is of {other}"),
    }
}

fn assert_same_files(ours: &Path, theirs: &Path) {
    for path in [bin_path, idx_path] {
        let (ours, theirs) = (path(ours), path(theirs));
        assert_eq!(fs::read(&ours).unwrap(), fs::read(&theirs).unwrap(), "{}", theirs.display());
    }
}

#[test]
fn megatrons_files_read_as_it_says() {
    let expected = expected();
    for name in [MULTI[0], MULTI[1], "i32_add_document", "i32_multimodal", "i32_merged"] {
        let set = &expected[name];
        let prefix = fixtures().join(name);
        let reader = Reader::open(&prefix).unwrap();
        let index = reader.index();
        assert_eq!(index.dtype(), dtype(set["dtype"].as_str().unwrap()), "{name}");
        assert_eq!(u64::from(index.dtype().code()), set["dtype_code"].as_u64().unwrap(), "{name}");
        let lengths: Vec<i64> = index.sequence_lengths().map(i64::from).collect();
        assert_eq!(lengths, numbers(&set["sequence_lengths"]), "{name}");
        let pointers: Vec<i64> = index.sequence_pointers().collect();
        assert_eq!(pointers, numbers(&set["sequence_pointers"]), "{name}");
        let documents: Vec<i64> = index.document_indices().collect();
        assert_eq!(documents, numbers(&set["document_indices"]), "{name}");
        let sequences = set["sequences"].as_array().unwrap();
        for (sequence, tokens) in sequences.iter().enumerate() {
            let ids: Vec<i64> = reader.sequence(sequence).unwrap().ids().collect();
            assert_eq!(ids, numbers(tokens), "{name} {sequence}");
        }
        assert_eq!(index.is_multimodal(), set.get("sequence_modes").is_some(), "{name}");
        if index.is_multimodal() {
            let modes: Vec<i64> = (0..index.sequence_count())
                .filter_map(|sequence| index.sequence_mode(sequence))
                .map(i64::from)
                .collect();
            assert_eq!(modes, numbers(&set["sequence_modes"]));
        }
        let found = verify(&prefix, Expected::default(), &job()).unwrap();
        assert!(found.is_sound(), "{name}: {found:?}");
        let summary = reader.summary().unwrap();
        assert_eq!(summary.tokens as i64, lengths.iter().sum::<i64>());
        assert_eq!(summary.documents as usize, documents.len() - 1);
    }
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let expected = expected();
    for name in MULTI {
        let set = &expected[name];
        let ours = folder.path().join(name);
        let mut writer = Writer::create(&ours, dtype(set["dtype"].as_str().unwrap())).unwrap();
        let mut sequences = set["sequences"].as_array().unwrap().iter();
        for bounds in numbers(&set["document_indices"]).windows(2) {
            for sequence in sequences.by_ref().take((bounds[1] - bounds[0]) as usize) {
                let tokens: Vec<u32> = numbers(sequence).into_iter().map(|token| token as u32).collect();
                writer.add_sequence(&tokens).unwrap();
            }
            writer.end_document().unwrap();
        }
        let written = writer.finish().unwrap();
        assert_same_files(&ours, &fixtures().join(name));
        assert_eq!(written.sequences, set["sequence_count"].as_u64().unwrap());
    }

    let ours = folder.path().join("i32_add_document");
    let mut writer = Writer::create(&ours, DType::I32).unwrap();
    writer.add_document(&[1, 2, 3, 4, 5, 6], &[2, 4]).unwrap();
    writer.add_document(&[9], &[1]).unwrap();
    writer.finish().unwrap();
    assert_same_files(&ours, &fixtures().join("i32_add_document"));

    let ours = folder.path().join("i32_merged");
    concat(&["i32_multidoc", "i32_add_document"].map(|name| fixtures().join(name)), &ours, None, &job()).unwrap();
    assert_same_files(&ours, &fixtures().join("i32_merged"));
    let ours = folder.path().join("i32_multimodal");
    concat(&[fixtures().join("i32_multimodal")], &ours, None, &job()).unwrap();
    assert_same_files(&ours, &fixtures().join("i32_multimodal"));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 10, "no temporary file stays: {left:?}");
}

#[test]
fn legacy_datasets_are_read() {
    let json = fs::read(fixtures().join("tntidx_expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&json).unwrap();
    let prefix = fixtures().join("tntidx_i32");
    let reader = Reader::open(&prefix).unwrap();
    let index = reader.index();
    assert!(index.is_legacy());
    assert_eq!(index.dtype(), dtype(expected["dtype"].as_str().unwrap()));
    assert_eq!(index.sequence_lengths().map(i64::from).collect::<Vec<_>>(), numbers(&expected["sizes"]));
    assert_eq!(index.document_indices().collect::<Vec<_>>(), numbers(&expected["doc_idx"]));
    let sequences: Vec<Vec<i64>> =
        (0..reader.sequence_count()).map(|sequence| reader.sequence(sequence).unwrap().ids().collect()).collect();
    let theirs: Vec<Vec<i64>> = expected["sequences"].as_array().unwrap().iter().map(numbers).collect();
    assert_eq!(sequences, theirs);
    let found = verify(&prefix, Expected::default(), &job()).unwrap();
    assert!(found.is_sound(), "{found:?}");

    let folder = tempfile::tempdir().unwrap();
    let current = folder.path().join("current");
    concat(&[&prefix], &current, None, &job()).unwrap();
    assert_eq!(fs::read(bin_path(&current)).unwrap(), fs::read(bin_path(&prefix)).unwrap());
    assert!(!Index::open(idx_path(&current)).unwrap().is_legacy());

    let whole = fs::read(idx_path(&prefix)).unwrap();
    let damaged = folder.path().join("damaged");
    fs::copy(bin_path(&prefix), bin_path(&damaged)).unwrap();
    for length in 0..whole.len() {
        fs::write(idx_path(&damaged), &whole[..length]).unwrap();
        assert!(!verify(&damaged, Expected::default(), &job()).unwrap().is_sound(), "cut to {length}");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x80;
        fs::write(idx_path(&damaged), &bytes).unwrap();
        let found = verify(&damaged, Expected::default(), &job()).unwrap();
        // Dimension offsets are of no matter where every item has one, nor is where the last one ends.
        let silent = (56..96).contains(&at) || (128..136).contains(&at);
        assert!(!found.is_sound() || silent, "byte {at}");
    }
}

#[test]
fn the_dtype_is_megatrons_choice() {
    for (size, name) in expected()["optimal_dtype"].as_object().unwrap() {
        assert_eq!(DType::for_vocabulary(size.parse().ok()), dtype(name.as_str().unwrap()), "{size}");
    }
}

#[test]
fn a_set_that_marks_no_documents_has_one_for_each_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("yuan");
    let mut writer = Writer::create(&prefix, DType::I32).unwrap();
    writer.add_sequence(&[5, 6]).unwrap();
    writer.add_sequence(&[7]).unwrap();
    writer.finish().unwrap();
    let reader = Reader::open(&prefix).unwrap();
    assert_eq!((reader.document_count(), reader.index().marks_documents()), (2, false));
    let ids: Vec<i64> = reader.document(1).unwrap()[0].ids().collect();
    assert_eq!(ids, [7]);
    assert!(verify(&prefix, Expected::default(), &job()).unwrap().is_sound());
    let joined = folder.path().join("joined");
    concat(&[&prefix, &prefix], &joined, None, &job()).unwrap();
    let joined = Reader::open(&joined).unwrap();
    assert_eq!(joined.index().document_indices().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn damage_to_any_byte_or_length_is_an_error_or_found() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("damaged");
    let whole = fs::read(idx_path(fixtures().join("u16_multidoc"))).unwrap();
    fs::copy(bin_path(fixtures().join("u16_multidoc")), bin_path(&prefix)).unwrap();
    let read_all = |bytes: &[u8]| {
        fs::write(idx_path(&prefix), bytes).unwrap();
        let found = verify(&prefix, Expected::default(), &job()).unwrap();
        if let Ok(reader) = Reader::open(&prefix) {
            let _ = reader.summary();
            reader.documents().for_each(drop);
            for sequence in 0..=reader.sequence_count() {
                let _ = reader.sequence(sequence);
            }
        }
        found.is_sound()
    };
    assert!(read_all(&whole));
    for length in 0..whole.len() {
        assert!(!read_all(&whole[..length]), "cut to {length}");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            let sound = read_all(&damaged);
            // What no reader can tell: a document boundary moved between its neighbours, and i16 for u16.
            let silent = (at == 17) || (130..186).contains(&at);
            assert!(!sound || silent, "bit {bit} of byte {at}");
        }
    }
    let mut huge = whole.clone();
    huge[18..34].fill(0xff);
    fs::write(idx_path(&prefix), huge).unwrap();
    let error = Index::open(idx_path(&prefix)).err().unwrap();
    assert!(matches!(error, Error::Malformed { field: "size", .. }), "{error}");
}

#[test]
fn ids_and_the_end_of_documents_are_checked_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("tokens");
    let mut writer = Writer::create(&prefix, DType::U16).unwrap();
    for document in [&[5_u32, 9, 0][..], &[], &[0], &[7, 0, 8]] {
        if !document.is_empty() {
            writer.add_sequence(document).unwrap();
        }
        writer.end_document().unwrap();
    }
    writer.finish().unwrap();
    let look = |vocab_size, eod| {
        let found = verify(&prefix, Expected { vocab_size, eod }, &job()).unwrap();
        found.problems.into_iter().map(|problem| problem.problem).collect::<Vec<_>>()
    };
    assert!(look(Some(10), None).is_empty());
    assert_eq!(look(Some(9), None), ["document 0 holds id 9 at token 1, outside the vocabulary"]);
    assert_eq!(
        look(None, Some(0)),
        ["document 3 ends in 8, not in 0", "document 3 holds the end-of-document id 1 times before its end"]
    );
    let mut short = fs::read(bin_path(&prefix)).unwrap();
    short.pop();
    fs::write(bin_path(&prefix), short).unwrap();
    assert_eq!(look(None, None)[0], "13 bytes, by the lengths 14");
}

#[test]
fn sets_that_do_not_fit_are_not_joined() {
    let folder = tempfile::tempdir().unwrap();
    let join = |names: &[&str]| {
        let parts: Vec<PathBuf> = names.iter().map(|name| fixtures().join(name)).collect();
        concat(&parts, folder.path().join("joined"), None, &job()).unwrap_err().to_string()
    };
    assert!(join(&MULTI).contains("it holds i32, the first dataset u16"));
    assert!(join(&["i32_multidoc", "i32_multimodal"]).contains("one is multimodal and the other not"));
    assert!(join(&[]).contains("no dataset was given"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}
