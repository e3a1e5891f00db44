//! Perplexity against transformers, with the windows of lm-eval and of Hugging Face's recipe.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use yuan_model::perplexity::{DocumentScore, Resets, Scoring, Windows, score};
use yuan_model::{Model, Options, Place};

#[derive(Deserialize)]
struct Golden {
    prefix: u32,
    texts: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    by: String,
    length: usize,
    stride: usize,
    log_probs: Vec<Vec<f64>>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model")
}

fn model(place: Place) -> Model {
    Model::open(&fixtures().join("qwen2moe-tiny"), Options { place, ..Options::default() }, &mut |_, _| {}).unwrap()
}

fn golden() -> (Golden, Vec<Vec<u32>>) {
    let golden: Golden = serde_json::from_slice(&fs::read(fixtures().join("perplexity.json")).unwrap()).unwrap();
    let tokens = golden.texts.iter().map(|text| text.bytes().map(u32::from).collect()).collect();
    (golden, tokens)
}

fn run(model: &Model, tokens: &[Vec<u32>], scoring: &Scoring) -> (Vec<DocumentScore>, Vec<Vec<f32>>) {
    let documents: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
    let mut single = vec![Vec::new(); documents.len()];
    let mut on_token = |document: usize, token: usize, scored: yuan_model::backend::Scored| {
        let skipped = usize::from(scoring.prefix.is_none());
        assert_eq!(token, single[document].len() + skipped, "tokens come in their order");
        single[document].push(scored.log_prob);
    };
    let scores = score(model.engine(), &documents, scoring, Some(&mut on_token)).unwrap();
    (scores, single)
}

#[test]
fn rolling_windows_are_those_of_lm_eval_and_strides_those_of_transformers() {
    let (golden, tokens) = golden();
    for place in [Place::Cpu, Place::Candle] {
        let model = model(place);
        for case in &golden.cases {
            let windows = Windows::new(case.length, case.stride).unwrap();
            let (windows, prefix) = match case.by.as_str() {
                "lm_eval" => (windows, Some(golden.prefix)),
                _ => (windows.aligned(), None),
            };
            let (scores, single) =
                run(&model, &tokens, &Scoring { prefix, windows, batch_tokens: 256, resets: Resets::default() });
            for (number, (score, expected)) in scores.iter().zip(&case.log_probs).enumerate() {
                assert_eq!(score.tokens as usize, expected.len(), "{} {number}", case.by);
                let bytes = golden.texts[number].len() as u64;
                let expected_bits = -expected.iter().sum::<f64>() / 2.0_f64.ln() / bytes as f64;
                if let Some(bits) = score.bits_per_byte(bytes) {
                    assert!((bits - expected_bits).abs() <= 1e-4, "{} {number}: {bits} {expected_bits}", case.by);
                }
                for (found, expected) in single[number].iter().zip(expected) {
                    assert!((f64::from(*found) - expected).abs() <= 2e-4, "{} {number}: {found} {expected}", case.by);
                }
            }
        }
    }
}

#[test]
fn a_document_has_the_same_bits_in_any_company() {
    let (golden, tokens) = golden();
    let model = model(Place::Cpu);
    let scoring = |batch_tokens| Scoring {
        prefix: Some(golden.prefix),
        windows: Windows::new(100, 60).unwrap(),
        batch_tokens,
        resets: Resets::default(),
    };
    let (together, _) = run(&model, &tokens, &scoring(1 << 20));
    for batch_tokens in [1, 150, 400] {
        assert_eq!(run(&model, &tokens, &scoring(batch_tokens)).0, together);
    }
    for (tokens, expected) in tokens.iter().zip(&together) {
        assert_eq!(run(&model, std::slice::from_ref(tokens), &scoring(64)).0[0], *expected);
    }
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| run(&model, &tokens, &scoring(256)).0), together);
    }
}

#[test]
fn a_token_of_another_vocabulary_is_an_error() {
    let model = model(Place::Cpu);
    let windows = Windows::new(100, 100).unwrap();
    let scoring = Scoring { prefix: None, windows, batch_tokens: 64, resets: Resets::default() };
    for document in [[1, 512, 3], [1, 2, 512]] {
        let error = score(model.engine(), &[&document], &scoring, None).unwrap_err().to_string();
        assert!(error.contains("512") && error.contains("vocabulary"), "{error}");
    }
}

/// The text behind an end of document that nothing is seen across is scored as if it stood alone.
#[test]
fn packed_documents_can_be_parted() {
    let model = model(Place::Cpu);
    let (first, second) = (vec![5_u32, 6, 7, 8], vec![50_u32, 60, 70, 80, 90]);
    let packed = [&first[..], &[511], &second[..]].concat();
    let windows = Windows::new(100, 100).unwrap();
    let run_one = |ids: &[u32], positions, attention| {
        let resets = Resets { eod: 511, positions, attention };
        let scoring = Scoring { prefix: None, windows, batch_tokens: 64, resets };
        run(&model, &[ids.to_vec()], &scoring).1.remove(0)
    };
    let alone = run_one(&second, false, false);
    let parted = run_one(&packed, true, true);
    assert_eq!(parted[first.len() + 1..], alone);
    assert_ne!(run_one(&packed, true, false)[first.len() + 1..], alone);
    // Rotary positions are relative: without a reset of positions they differ by rounding only.
    let shifted = run_one(&packed, false, true);
    for (shifted, alone) in shifted[first.len() + 1..].iter().zip(&alone) {
        assert!((shifted - alone).abs() < 1e-4);
    }
}
