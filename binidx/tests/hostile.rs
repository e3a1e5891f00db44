//! Files with damage drawn at random, through everything that reads them: no panic, no document that was not there.
//!
//! `YUAN_FUZZ_CASES=100000 cargo test -p yuan-binidx --test hostile` for a long run; 400 cases otherwise.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod support;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use support::job;
use xxhash_rust::xxh3::xxh3_64_with_seed;
use yuan_binidx::form::{Form, Target, Tokens};
use yuan_binidx::gpt::{Indices, Sampling};
use yuan_binidx::pack::{Method, Packing, pack};
use yuan_binidx::work::{
    Cut, Expected, Removal, RepairOptions, concat, convert, find, locate, remove, repair, shuffle, split, verify,
};
use yuan_binidx::{About, DType, TokenSet, Vocabulary, Writer, bin_path, documents, idx_path};

fn cases() -> u64 {
    std::env::var("YUAN_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

fn write(prefix: &Path, known: bool) -> BTreeSet<Vec<i64>> {
    let mut writer = Writer::create(prefix, DType::U16).unwrap();
    if known {
        let vocabulary = Vocabulary { tokenizer: None, vocab_size: Some(1_000), eod: Some(3) };
        writer = writer.with_documents(vocabulary).unwrap();
    }
    let mut texts = BTreeSet::from([Vec::new()]);
    for number in 0..30_u32 {
        let mut tokens: Vec<u32> = (0..number % 9).map(|place| 10 + 20 * number + place).collect();
        tokens.push(3);
        if number % 7 > 0 {
            let (first, second) = tokens.split_at(tokens.len() / 2);
            [first, second].iter().filter(|part| !part.is_empty()).for_each(|part| writer.add_sequence(part).unwrap());
            texts.insert(tokens.iter().map(|token| i64::from(*token)).collect());
        }
        let id = format!("id {number}");
        let about = About { id: Some(&id), source: "s", file: "f", row: u64::from(number), ..About::default() };
        writer.end_document_about(&about).unwrap();
    }
    writer.finish().unwrap();
    texts
}

/// Flips bits, cuts, repeats, overwrites with numbers that mean something.
fn damage(bytes: &mut Vec<u8>, seed: u64) {
    let draw = |what: u64, below: usize| (xxh3_64_with_seed(&what.to_le_bytes(), seed) % below.max(1) as u64) as usize;
    for round in 0..1 + draw(0, 3) as u64 {
        let at = draw(10 * round + 1, bytes.len());
        match draw(10 * round + 2, 5) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << draw(10 * round + 3, 8),
            2 => bytes.extend_from_within(at..),
            3 => {
                let numbers = [0, 1, u64::MAX, u64::MAX / 2, 1 << 31, 1 << 32, 0x8000_0000_0000_0000];
                let number = numbers[draw(10 * round + 4, numbers.len())].to_le_bytes();
                let end = bytes.len().min(at + 8);
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            _ => {
                let other = draw(10 * round + 5, bytes.len());
                let end = bytes.len().min(at + 12).min(bytes.len().saturating_sub(12).max(at));
                let piece = bytes[at..end].to_vec();
                let other = other.min(bytes.len().saturating_sub(piece.len()));
                bytes[other..other + piece.len()].copy_from_slice(&piece);
            }
        }
    }
}

fn read(prefix: &Path) -> Vec<Vec<i64>> {
    let set = TokenSet::open(prefix).unwrap();
    let mut texts = Vec::new();
    set.for_each(0..set.reader().document_count(), |_, document| {
        texts.push(document.ids());
        Ok(())
    })
    .unwrap();
    texts
}

/// Everything there is, on a set that may be anything.
fn work_on(prefix: &Path, folder: &Path) {
    let out = folder.join("out");
    let _ = verify(prefix, Expected::default(), &job());
    let _ = concat(&[prefix, prefix], &out, Some(DType::I32), &job());
    let _ = split(prefix, &out, &Cut::Parts(3), &job());
    let ids = HashSet::from(["id 5".to_owned()]);
    let removal = Removal { ids: ids.clone(), documents: BTreeSet::from([2]) };
    let _ = remove(prefix, Some(&out), &removal, &job());
    let target = |form| Target {
        form,
        dtype: DType::I32,
        documents: true,
        marks: true,
        vocabulary: Vocabulary::default(),
        column: "input_ids".into(),
    };
    let sets = || -> Option<Vec<Box<dyn Tokens>>> { Some(vec![Box::new(TokenSet::open(prefix).ok()?)]) };
    if let Some(sets) = sets() {
        let _ = shuffle(&sets, &target(Form::Megatron), &out, 1, folder.join("scratch"), &job());
        for form in [Form::Megatron, Form::Datatrove, Form::Olmo, Form::Parquet] {
            let _ = convert(&sets, &target(form), &out, &job());
        }
        let packing = Packing { method: Method::BestFit, length: 8, pad: Some(0) };
        let _ = pack(&sets, &target(Form::Megatron), &out, packing, &job());
    }
    if let Ok(set) = TokenSet::open(prefix) {
        for token in [0, 1, 57, u64::MAX] {
            let _ = locate(&set, token);
        }
        let _ = find(&set, &ids);
        let index = set.reader().index();
        let sampling =
            Sampling { sequence_length: 5, seed: 1, samples: Some(40), extra_token: true, keep_partial: false };
        let _ = Indices::build(index, 0..index.sequence_count(), &sampling);
    }
}

#[test]
fn damaged_sets_end_in_errors_and_repair_invents_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut outcomes = [0; 2];
    for known in [false, true] {
        let prefix = folder.path().join(format!("set-{known}"));
        let texts = write(&prefix, known);
        let files: Vec<PathBuf> = [bin_path(&prefix), idx_path(&prefix), documents::documents_path(&prefix)]
            .into_iter()
            .filter(|path| path.exists())
            .collect();
        let whole: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
        for case in 0..cases() / 2 {
            let place = (case % files.len() as u64) as usize;
            let mut bytes = whole[place].clone();
            damage(&mut bytes, case);
            fs::write(&files[place], &bytes).unwrap();
            work_on(&prefix, folder.path());
            let out = folder.path().join("repaired");
            let options = RepairOptions { eod: Some(3), dtype: Some(DType::U16) };
            let repaired = repair(&prefix, &out, options, &job());
            outcomes[usize::from(repaired.is_ok())] += 1;
            // With hashes nothing comes out that did not go in; without, lengths and pointers cannot vouch for bytes.
            if known && repaired.is_ok() && TokenSet::open(&out).unwrap().documents().is_some() {
                for document in read(&out) {
                    assert!(texts.contains(&document), "case {case}: {document:?}");
                }
            }
            fs::write(&files[place], &whole[place]).unwrap();
        }
    }
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

#[test]
fn legacy_sets_with_damage_end_in_errors() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/binidx/tntidx_i32");
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("legacy");
    fs::copy(bin_path(&fixture), bin_path(&prefix)).unwrap();
    let whole = fs::read(idx_path(&fixture)).unwrap();
    for case in 0..cases() / 4 {
        let mut bytes = whole.clone();
        damage(&mut bytes, case);
        fs::write(idx_path(&prefix), &bytes).unwrap();
        work_on(&prefix, folder.path());
    }
}

#[test]
fn one_wrong_length_costs_one_document() {
    let folder = tempfile::tempdir().unwrap();
    for known in [false, true] {
        let prefix = folder.path().join(format!("set-{known}"));
        write(&prefix, known);
        let texts = read(&prefix);
        let mut idx = fs::read(idx_path(&prefix)).unwrap();
        // The length of sequence 8, which has one token more now.
        idx[34 + 4 * 8] += 1;
        fs::write(idx_path(&prefix), &idx).unwrap();
        let out = folder.path().join("out");
        let repaired = repair(&prefix, &out, RepairOptions::default(), &job()).unwrap();
        // Rows know better; pointers show that the document is not what its lengths say.
        assert_eq!(repaired.lost_documents, u64::from(!known));
        let saved = read(&out);
        assert_eq!(saved.len(), texts.len() - usize::from(!known));
        assert!(saved.iter().all(|document| texts.contains(document)));
    }
}
