//! What training does beside repeating fastText: other sources, weights, threads, and inputs that nothing can be learnt from.

#![allow(clippy::unwrap_used)]

mod train_support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use train_support::{fixture, train_options};
use yuan_fasttext::evaluate::LabelReport;
use yuan_fasttext::quantize::{QuantiseOptions, Retrain, quantise};
use yuan_fasttext::train::{
    Example, ExampleSource, LabelWeights, LabelledText, LineFile, Lines, Progress, TrainOptions, Walk, train,
};
use yuan_fasttext::{ALL_LABELS, Error, Loss, Model, ModelKind, Scratch};

fn options(options: &str) -> TrainOptions {
    train_options(options, "".as_ref())
}

fn fit(source: impl ExampleSource, options: &TrainOptions) -> Result<Model, Error> {
    train(source, options, |_| {}, &AtomicBool::new(false))
}

fn bytes_of(model: &Model) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.write_to(&mut bytes).unwrap();
    bytes
}

/// Lines with one label each, first.
fn labelled() -> Vec<LabelledText> {
    let text = String::from_utf8(fixture("many.txt.zst")).unwrap();
    let row = |line: &str| {
        let (label, text) = line.split_once(' ').unwrap();
        let label = label.trim_start_matches("__label__").split('_').next().unwrap();
        LabelledText { labels: vec![label.into()], text: text.into(), weight: 1.0 }
    };
    text.lines().map(row).collect()
}

fn as_lines(texts: &[LabelledText]) -> Vec<u8> {
    let line = |example: &LabelledText| format!("__label__{} {}\n", example.labels[0], example.text);
    texts.iter().map(line).collect::<String>().into_bytes()
}

fn accuracy(model: &Model, texts: &[LabelledText]) -> f64 {
    let mut scratch = Scratch::new();
    let mut report = LabelReport::new();
    for example in texts {
        let label = model.dictionary().label_id(format!("__label__{}", example.labels[0]).as_bytes()).unwrap();
        let predictions = model.predict(&mut scratch, &example.text, 1, 0.0).unwrap();
        report.add(&[label], &predictions.iter().map(|best| best.label as usize).collect::<Vec<_>>());
    }
    report.accuracy().unwrap()
}

#[test]
fn every_source_gives_the_same_model() {
    let texts = labelled();
    let lines = as_lines(&texts);
    let options = options("-dim 6 -epoch 2 -wordNgrams 2 -bucket 500 -minCount 3 -minn 2 -maxn 2");
    let expected = bytes_of(&fit(Lines(&lines), &options).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("train.txt");
    std::fs::write(&path, &lines).unwrap();
    assert!(bytes_of(&fit(LineFile::new(&path), &options).unwrap()) == expected, "a file");
    assert!(bytes_of(&fit(texts.as_slice(), &options).unwrap()) == expected, "labels apart");
    let walk = Walk(|visit: &mut dyn FnMut(Example<'_>) -> Result<(), Error>| {
        // Labels that are named in full, and what looks like a label in the text.
        texts.iter().try_for_each(|example| {
            let label = format!("__label__{}", example.labels[0]);
            let text = format!("__label__evil {}", example.text);
            visit(Example::Labelled { labels: &[&label], text: &text, weight: 1.0 })
        })
    });
    assert!(bytes_of(&fit(walk, &options).unwrap()) == expected, "a walk");
    let mut spilled = options.clone();
    spilled.memory_bytes = 5000;
    spilled.spill_directory = Some(directory.path().to_owned());
    assert!(bytes_of(&fit(Lines(&lines), &spilled).unwrap()) == expected, "through a temporary file");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "the temporary file is gone");
}

#[test]
fn threads_learn_as_well() {
    let texts = labelled();
    for losses in ["-dim 16", "-dim 17 -loss ova", "-dim 16 -loss hs", "-dim 20 -loss ns"] {
        let mut options = options(&format!("{losses} -epoch 20 -lr 0.5 -minn 1 -maxn 2 -bucket 2000"));
        let alone = accuracy(&fit(texts.as_slice(), &options).unwrap(), &texts);
        options.threads = 3;
        let together = accuracy(&fit(texts.as_slice(), &options).unwrap(), &texts);
        assert!(alone > 0.9 && together > 0.9, "{losses}: {alone} alone, {together} together");
    }
}

#[test]
fn progress_is_told() {
    let texts = labelled();
    for threads in [1, 2] {
        let mut options = options("-dim 4 -epoch 2");
        options.threads = threads;
        let mut told: Vec<Progress> = Vec::new();
        train(texts.as_slice(), &options, |progress| told.push(*progress), &AtomicBool::new(false)).unwrap();
        let last = told.last().unwrap();
        assert_eq!(last.fraction, 1.0);
        assert!(last.loss > 0.0 && last.loss < 2.0 && last.tokens_per_second > 0.0 && last.learning_rate < 0.001);
        assert!(told.is_sorted_by(|one, other| one.fraction <= other.fraction));
    }
}

#[test]
fn weights_shift_the_balance() {
    let mut texts = labelled();
    texts.retain(|example| example.labels[0] == "zh" || example.labels[0] == "en");
    // Rare: one in eight.
    let mut rare = 0;
    texts.retain(|example| {
        rare += usize::from(example.labels[0] == "en");
        example.labels[0] == "zh" || rare % 8 == 0
    });
    texts.iter_mut().for_each(|example| example.text = "the same words".into());
    let probability_of_rare = |texts: &[LabelledText], weights: LabelWeights| {
        let mut options = options("-dim 4 -epoch 40 -lr 0.2");
        options.label_weights = weights;
        let model = fit(texts, &options).unwrap();
        let label = model.dictionary().label_id(b"__label__en").unwrap();
        let mut scratch = Scratch::new();
        let predictions = model.predict(&mut scratch, "the same words", ALL_LABELS, 0.0).unwrap();
        predictions.iter().find(|one| one.label as usize == label).unwrap().probability
    };
    let equal = probability_of_rare(&texts, LabelWeights::Equal);
    let balanced = probability_of_rare(&texts, LabelWeights::Balanced);
    assert!(equal < 0.2 && (0.35..0.65).contains(&balanced), "{equal} when equal, {balanced} when balanced");
    let each = |weight| LabelWeights::Each(HashMap::from([("en".to_owned(), weight)]));
    assert_eq!(probability_of_rare(&texts, each(1.0)), equal, "weights of 1 change nothing");
    assert!(probability_of_rare(&texts, each(0.0)) < 0.05);
    // The weight of an example does what the weight of its label does.
    let mut weighted = texts.clone();
    weighted.iter_mut().filter(|example| example.labels[0] == "en").for_each(|example| example.weight = 3.0);
    let named = probability_of_rare(&texts, each(3.0));
    assert_eq!(probability_of_rare(&weighted, LabelWeights::Equal), named);
    assert!(named > equal);
}

#[test]
fn nothing_to_learn_from() {
    let fails = |text: &str, expected: &str| {
        let error = fit(Lines(text.as_bytes()), &options("-dim 3")).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    };
    fails("", "there are no examples");
    fails(" \t ", "there are no examples");
    fails("no label\nat all\n", "no example has a label");
    fails("__label__a one\n__label__a two\n", "all examples have the label `__label__a`");
    fails("__label__a __label__b", "no word was seen 1 times");
    let mut rare = options("-dim 3 -minCount 9");
    let error = fit(Lines(b"__label__a one\n__label__b two\n"), &rare).unwrap_err().to_string();
    assert!(error.contains("no word was seen 9 times; lower `min_count`"), "{error}");
    rare.args.min_count = 1;
    rare.min_count_label = 3;
    let error = fit(Lines(b"__label__a one\n__label__b two\n"), &rare).unwrap_err().to_string();
    assert!(error.contains("no example has a label"), "{error}");
}

#[test]
fn settings_that_cannot_be_used() {
    let text = b"__label__a one two\n__label__b three four\n".as_slice();
    let fails = |change: fn(&mut TrainOptions), expected: &str| {
        let mut options = options("-dim 3");
        change(&mut options);
        let error = fit(Lines(text), &options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    fails(|options| options.learning_rate = 0.0, "`learning_rate` cannot be used: 0;");
    fails(|options| options.learning_rate = f64::NAN, "`learning_rate`");
    fails(|options| options.args.dim = 0, "dim");
    fails(|options| options.args.epoch = 0, "`epoch`");
    fails(|options| options.threads = 0, "`threads`");
    fails(|options| options.args.model = ModelKind::Cbow, "only supervised");
    fails(|options| (options.args.word_ngrams, options.args.bucket) = (2, 0), "0 buckets");
    fails(|options| options.label_prefix.clear(), "`label_prefix`");
    fails(|options| options.args.lr_update_rate = -1, "`lr_update_rate`");
    fails(|options| options.label_weights = LabelWeights::Each([("c".to_owned(), 1.0)].into()), "has the label `c`");
    fails(|options| options.label_weights = LabelWeights::Each([("a".to_owned(), -1.0)].into()), "weighs -1");
    let huge = |options: &mut TrainOptions| {
        (options.args.dim, options.args.bucket, options.args.maxn) = (1 << 30, i32::MAX, 3)
    };
    fails(huge, "no memory for a matrix");
}

#[test]
fn examples_that_cannot_be_used() {
    let fails = |labels: &[&str], weight: f32, expected: &str| {
        let good = LabelledText { labels: vec!["a".into()], text: "x".into(), weight: 1.0 };
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let texts = [good, LabelledText { labels, text: "y".into(), weight }];
        let error = fit(texts.as_slice(), &options("-dim 3")).unwrap_err().to_string();
        assert!(error.starts_with("example 2 cannot be used") && error.contains(expected), "{error}");
    };
    fails(&[""], 1.0, "one of its labels is empty");
    fails(&["__label__"], 1.0, "one of its labels is empty");
    fails(&["b c"], 1.0, "`b c` has white space");
    fails(&["b"], f32::NAN, "its weight is NaN");
    fails(&["b"], -1.0, "its weight is -1");
}

#[test]
fn numbers_that_diverge_are_an_error() {
    let texts = labelled();
    for threads in [1, 2] {
        let mut options = options("-dim 8 -epoch 30 -loss ova");
        options.learning_rate = 1e30;
        options.threads = threads;
        let result = fit(texts.as_slice(), &options);
        assert!(matches!(result, Err(Error::Diverged)), "{result:?}");
        options.args.loss = Loss::Softmax;
        let result = fit(texts.as_slice(), &options);
        assert!(matches!(result, Err(Error::Diverged)), "{result:?}");
    }
}

#[test]
fn pretrained_vectors_that_do_not_fit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vectors.vec");
    for (text, expected) in [
        ("1 4\nx 1 2 3 4\n", "vectors have length 4, but `dim` is 3"),
        ("1 3\n__label__x 1 2 3\n", "`__label__x` is a label"),
        ("1 3\nx 1 2\n", "line 2"),
        ("1 3\nx 1 2 inf\n", "line 2 of the vectors is malformed: a number is infinite"),
        ("9 3\nx 1 2 3\n", "line 3"),
        ("", "line 1"),
    ] {
        std::fs::write(&path, text).unwrap();
        let options = train_options("-dim 3 -pretrainedVectors VECTORS", &path);
        let error = fit(Lines(b"__label__a one\n__label__b two\n"), &options).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("vectors.vec"), "{error}");
    }
    let options = train_options("-dim 3 -pretrainedVectors VECTORS", &directory.path().join("none.vec"));
    assert!(matches!(fit(Lines(b"__label__a one\n__label__b two\n"), &options), Err(Error::Io { .. })));
}

#[test]
fn a_training_can_be_cancelled() {
    let texts = labelled();
    for threads in [1, 2] {
        let mut options = options("-dim 8 -epoch 1000000");
        options.threads = threads;
        let cancel = AtomicBool::new(false);
        let result = train(texts.as_slice(), &options, |_| cancel.store(true, Relaxed), &cancel);
        assert!(matches!(result, Err(Error::Cancelled)));
    }
    let cancelled = AtomicBool::new(true);
    assert!(matches!(train(texts.as_slice(), &options("-dim 8"), |_| {}, &cancelled), Err(Error::Cancelled)));
}

#[test]
fn quantising_what_cannot_be_quantised() {
    let texts = labelled();
    let model = fit(texts.as_slice(), &options("-dim 4 -epoch 1")).unwrap();
    let fails = |model: &Model, options: &QuantiseOptions, expected: &str| {
        let error = quantise(model, options, None, |_| {}, &AtomicBool::new(false)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let usual = QuantiseOptions::default();
    fails(&model, &QuantiseOptions { piece_length: 0, ..usual.clone() }, "`piece_length`");
    fails(&model, &QuantiseOptions { threads: 0, ..usual.clone() }, "`threads`");
    fails(&model, &QuantiseOptions { quantise_output: true, ..usual.clone() }, "a matrix of 2 rows is too small");
    fails(&model, &QuantiseOptions { cutoff: Some(255), ..usual.clone() }, "a matrix of 255 rows is too small");
    let retrain = Some(Retrain::default());
    fails(&model, &QuantiseOptions { cutoff: Some(300), retrain, ..usual.clone() }, "there are no examples");
    let retrain = Some(Retrain { learning_rate: 0.0, ..Retrain::default() });
    let options = QuantiseOptions { cutoff: Some(300), retrain, ..usual.clone() };
    let error = quantise(&model, &options, Some(&mut texts.as_slice()), |_| {}, &AtomicBool::new(false)).unwrap_err();
    assert!(error.to_string().contains("`learning_rate`"), "{error}");
    let cancelled = quantise(&model, &usual, None, |_| {}, &AtomicBool::new(true));
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    // A cutoff above the number of rows leaves all of them, as in fastText.
    let whole = QuantiseOptions { cutoff: Some(1 << 40), piece_length: 100, ..usual.clone() };
    let small = quantise(&model, &whole, None, |_| {}, &AtomicBool::new(false)).unwrap();
    assert!(small.is_quantised() && small.dictionary().kept_buckets().is_none());
    fails(&small, &usual, "it is quantised already");
}
