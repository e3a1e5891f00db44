//! `write_binidx` as the engine runs it.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, LargeListArray};
use arrow_schema::Field;
use yuan_binidx::work::{Expected, verify};
use yuan_binidx::{DType, DTypeChoice, DocumentArray, Reader, WriteBinidx, loss_mask_prefix};
use yuan_pipeline::{Batch, Context, Pass, Result, Verdict};

mod support;

use support::job;

fn batch(documents: &[&[u32]], vocab_size: Option<u32>) -> Batch {
    batch_with(documents, vocab_size.map(|size| ("vocab_size", size)))
}

/// Documents, and what the column's metadata says.
fn batch_with(documents: &[&[u32]], said: Option<(&str, u32)>) -> Batch {
    let texts = vec!["text"; documents.len()];
    let tokens = LargeListArray::from_iter_primitive::<UInt32Type, _, _>(
        documents.iter().map(|tokens| Some(tokens.iter().map(|token| Some(*token)))),
    );
    let metadata: HashMap<_, _> =
        said.map(|(name, number)| (name.to_owned(), number.to_string())).into_iter().collect();
    let field = Field::new("tokens", tokens.data_type().clone(), false).with_metadata(metadata);
    Batch::of_texts(&texts).annotate(field, Arc::new(tokens) as ArrayRef).unwrap()
}

fn run(pass: &WriteBinidx, folder: &Path, units: &[Vec<Batch>]) -> Result<serde_json::Value> {
    let mut partials: Vec<PathBuf> = Vec::new();
    for (unit, batches) in units.iter().enumerate() {
        let partial = folder.join(format!("{unit}.partial"));
        let mut scan = pass.scan(&partial)?;
        batches.iter().try_for_each(|batch| scan.batch(batch))?;
        scan.finish()?;
        partials.push(partial);
    }
    let cancelled = AtomicBool::new(false);
    let context = Context::new(1 << 30, 1, folder.join("scratch"), &cancelled);
    let outcome = folder.join("outcome.json");
    pass.reduce(&partials, &outcome, &context)?;
    let tally = context.into_tallies()[&("tokens", "written".to_owned())];
    let outcome: serde_json::Value = serde_json::from_slice(&std::fs::read(outcome).unwrap()).unwrap();
    assert_eq!(outcome["tokens"], tally.bytes);
    assert_eq!(outcome["documents"], tally.documents);
    Ok(outcome)
}

#[test]
fn units_follow_one_another_and_marked_rows_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let pass = WriteBinidx { prefix: folder.path().join("new/set.v1"), ..WriteBinidx::default() };
    let marked = batch(&[&[1, 2, 0], &[3, 0], &[]], Some(100))
        .judge(|document| match document.doc_id() {
            1 => Verdict::drop("test", 1.0, 0.0),
            _ => Verdict::Keep,
        })
        .unwrap();
    let units = [vec![marked, batch(&[&[4, 5, 0]], Some(100))], vec![], vec![batch(&[&[99, 0]], Some(100))]];
    let outcome = run(&pass, folder.path(), &units).unwrap();
    let reader = Reader::open(folder.path().join("new/set.v1")).unwrap();
    let documents: Vec<Vec<i64>> = reader
        .documents()
        .map(|document| document.unwrap().iter().flat_map(|sequence| sequence.ids()).collect())
        .collect();
    assert_eq!(documents, [vec![1, 2, 0], vec![], vec![4, 5, 0], vec![99, 0]]);
    assert_eq!(reader.sequence_count(), 3, "a document without tokens has no sequence");
    assert_eq!(reader.index().dtype(), DType::U16);
    assert_eq!(
        (&outcome["dtype"], &outcome["documents"], &outcome["bin_bytes"]),
        (&"u16".into(), &4.into(), &16.into())
    );
    let expected = Expected { vocab_size: Some(100), eod: Some(0) };
    assert!(verify(folder.path().join("new/set.v1"), expected, &job()).unwrap().is_sound());
}

#[test]
fn the_dtype_follows_the_vocabulary_or_the_config() {
    for (vocab_size, choice, dtype) in [
        (Some(65_499), DTypeChoice::Auto, DType::U16),
        (Some(65_500), DTypeChoice::Auto, DType::I32),
        (None, DTypeChoice::Auto, DType::I32),
        (None, DTypeChoice::U16, DType::U16),
        (Some(10), DTypeChoice::I32, DType::I32),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("set");
        let pass = WriteBinidx { prefix: prefix.clone(), dtype: choice, ..WriteBinidx::default() };
        run(&pass, folder.path(), &[vec![batch(&[&[1]], vocab_size)]]).unwrap();
        assert_eq!(Reader::open(&prefix).unwrap().index().dtype(), dtype);
    }
}

#[test]
fn no_document_at_all_is_an_empty_set() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("set");
    let pass = WriteBinidx { prefix: prefix.clone(), ..WriteBinidx::default() };
    run(&pass, folder.path(), &[vec![]]).unwrap();
    assert_eq!(Reader::open(&prefix).unwrap().document_count(), 0);
    assert!(verify(&prefix, Expected::default(), &job()).unwrap().is_sound());
}

#[test]
fn a_lone_zero_for_documents_and_a_mask_beside_the_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("set");
    let pass = WriteBinidx {
        prefix: prefix.clone(),
        document_array: DocumentArray::Zero,
        loss_mask: true,
        ..WriteBinidx::default()
    };
    let documents: [&[u32]; 4] = [&[1, 2, 9, 3, 0], &[], &[4, 0], &[9, 5, 9, 0]];
    let error = run(&pass, folder.path(), &[vec![batch(&documents, None)]]).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("name one that it has with `sep` of `tokenize`"));
    run(&pass, folder.path(), &[vec![batch_with(&documents, Some(("sep", 9)))]]).unwrap();
    for (prefix, rows) in [
        (prefix.clone(), [vec![1, 2, 9, 3, 0], vec![4, 0], vec![9, 5, 9, 0]]),
        (loss_mask_prefix(&prefix), [vec![0, 0, 1, 1, 1], vec![1, 1], vec![1, 1, 1, 1]]),
    ] {
        let reader = Reader::open(&prefix).unwrap();
        let found: Vec<Vec<i64>> = reader
            .documents()
            .map(|document| document.unwrap().iter().flat_map(|sequence| sequence.ids()).collect())
            .collect();
        assert_eq!(found, rows);
        let idx = std::fs::read(prefix.with_extension("idx")).unwrap();
        assert_eq!((idx.len(), &idx[26..34]), (34 + 3 * 12 + 8, &1_u64.to_le_bytes()[..]), "one boundary, no document");
        assert_eq!(idx[17], if prefix.ends_with("set") { 4 } else { 1 });
    }
}

#[test]
fn an_id_that_does_not_fit_names_its_document() {
    let folder = tempfile::tempdir().unwrap();
    let pass = WriteBinidx { prefix: folder.path().join("set"), dtype: DTypeChoice::U16, ..WriteBinidx::default() };
    let error = run(&pass, folder.path(), &[vec![batch(&[&[1], &[2, 70_000]], None)]]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`write_binidx`: document 1 of input file 0: token id 70000 at position 1 does not fit in u16"
    );
}

#[test]
fn tokens_must_have_been_made() {
    let folder = tempfile::tempdir().unwrap();
    let pass = WriteBinidx { prefix: folder.path().join("set"), ..WriteBinidx::default() };
    let error = run(&pass, folder.path(), &[vec![Batch::of_texts(&["a"])]]).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("put `tokenize` before it"));
}

#[test]
fn a_damaged_partial_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pass = WriteBinidx { prefix: folder.path().join("set"), ..WriteBinidx::default() };
    run(&pass, folder.path(), &[vec![batch(&[&[1, 2]], None)]]).unwrap();
    let partial = folder.path().join("0.partial");
    let whole = std::fs::read(&partial).unwrap();
    let cancelled = AtomicBool::new(false);
    let context = Context::new(1 << 30, 1, folder.path().join("scratch"), &cancelled);
    for length in 0..whole.len() {
        std::fs::write(&partial, &whole[..length]).unwrap();
        let outcome = folder.path().join("outcome.json");
        assert!(pass.reduce(std::slice::from_ref(&partial), &outcome, &context).is_err(), "cut to {length}");
    }
}
