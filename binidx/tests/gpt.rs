//! What Megatron-Core and Yuan's fork read of a dataset, array by array and sample by sample.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use yuan_binidx::gpt::blend::{exhaustive, normalize, requests, weighted};
use yuan_binidx::gpt::{
    Blend, Dataset, Flavour, Loss, NO_PAD, Part, Rules, SampleIndex, Sampling, Settings, ShuffleIndex, Split,
    TrainingData, cache,
};
use yuan_binidx::{DType, Reader, Writer, npy};
use yuan_random_state::RandomState;

const PARTS: [Part; 3] = [Part::Train, Part::Valid, Part::Test];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/binidx/gpt")
}

fn expected(name: &str) -> Value {
    serde_json::from_slice(&fs::read(fixtures().join(name)).unwrap()).unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn integers(value: &Value) -> Vec<i64> {
    list(value).iter().map(|number| number.as_i64().unwrap()).collect()
}

fn flags(value: &Value) -> Vec<bool> {
    list(value).iter().map(|number| number.as_f64().unwrap() != 0.0).collect()
}

fn range(value: &Value) -> Range<usize> {
    let bounds = integers(value);
    bounds[0] as usize..bounds[1] as usize
}

/// The rows of a sample index as JSON has them.
fn rows(index: &SampleIndex) -> Value {
    match index {
        SampleIndex::I32(rows) => json!(rows),
        SampleIndex::I64(rows) => json!(rows),
    }
}

fn order(index: &ShuffleIndex) -> Value {
    match index {
        ShuffleIndex::U32(samples) => json!(samples),
        ShuffleIndex::I64(samples) => json!(samples),
    }
}

#[test]
fn the_arrays_and_samples_are_megatrons() {
    let expected = expected("gpt_dataset.json");
    let rules = Rules {
        eod: expected["eod"].as_i64().unwrap(),
        pad: NO_PAD,
        reset_position_ids: true,
        reset_attention_mask: true,
        loss: Loss::NotAfterEod,
    };
    for case in list(&expected["cases"]) {
        let name = &case["name"];
        let extra = &case["extra"];
        let sampling = Sampling {
            sequence_length: case["sequence_length"].as_u64().unwrap() as usize,
            seed: case["seed"].as_u64().unwrap() as u32,
            samples: case["num_samples"].as_u64(),
            extra_token: extra["add_extra_token_to_sequence"] != false,
            keep_partial: extra["drop_last_partial_validation_sequence"] == false,
        };
        let reader = Reader::open(fixtures().join(case["corpus"].as_str().unwrap())).unwrap();
        let dataset = Dataset::new(reader, range(&case["documents"]), sampling).unwrap();
        let indices = dataset.indices();
        assert_eq!(json!(indices.epoch_tokens), case["tokens_per_epoch"], "{name}");
        assert_eq!(json!(indices.epochs), case["num_epochs"], "{name}");
        assert_eq!(json!(dataset.len()), case["length"], "{name}");
        assert_eq!(json!(indices.document_index), case["document_index"], "{name}");
        assert_eq!(rows(&indices.sample_index), case["sample_index"], "{name}");
        assert_eq!(order(&indices.shuffle_index), case["shuffle_index"], "{name}");
        for sample in list(&case["samples"]) {
            let place = sample["index"].as_u64().unwrap() as usize;
            let text = dataset.text(place, rules.pad).unwrap();
            let ours = rules.sample(&text, sampling.extra_token);
            assert_eq!(json!(ours.tokens), sample["tokens"], "{name} {place}");
            assert_eq!(json!(ours.labels), sample["labels"], "{name} {place}");
            assert_eq!(ours.loss_mask, flags(&sample["loss_mask"]), "{name} {place}");
            assert_eq!(json!(ours.position_ids), sample["position_ids"], "{name} {place}");
            let pieces = dataset.pieces(place).unwrap();
            let tokens: usize = pieces.iter().map(|piece| piece.tokens).sum();
            assert!(tokens <= text.len() && text[tokens..].iter().all(|token| *token == NO_PAD), "{name} {place}");
        }
        assert!(dataset.pieces(dataset.len()).is_none());
        assert!(dataset.text(dataset.len(), NO_PAD).unwrap_err().to_string().contains("no sample"));
    }
}

#[test]
fn masks_are_the_forks() {
    let expected = expected("ltor_masks.json");
    let eod = expected["eod"].as_i64().unwrap();
    let sep = expected["sep"].as_i64().unwrap();
    for case in list(&expected["cases"]) {
        let name = &case["name"];
        let text = integers(&case["text"]);
        let loss = if case["sft_stage"] == true { Loss::Answers { sep } } else { Loss::OnAll };
        let plain = Rules { eod, pad: NO_PAD, reset_position_ids: true, reset_attention_mask: true, loss };
        let ours = plain.sample(&text, true);
        assert_eq!(ours.loss_mask, flags(&case["loss_mask"]), "{name}");
        assert_eq!(json!(ours.position_ids), case["position_ids_reset"], "{name}");
        let masked: Vec<Vec<bool>> = list(&case["attention_mask_reset_true_means_masked"]).iter().map(flags).collect();
        assert_eq!(ours.attention_mask(), masked, "{name}");
        let after_eod = Rules { loss: Loss::NotAfterEod, ..plain }.sample(&text, true);
        assert_eq!(after_eod.loss_mask, flags(&case["loss_mask_eod_mask_loss"]), "{name}");
    }
}

#[test]
fn splits_are_megatrons() {
    for (text, case) in expected("splits.json").as_object().unwrap() {
        let split = Split::parse(text).unwrap();
        assert_eq!(json!(split.fractions()), case["vector"], "{text}");
        for (bounds, theirs) in split.bounds().into_iter().zip(list(&case["matrix"])) {
            let theirs = theirs.as_array().map(|pair| (pair[0].as_f64().unwrap(), pair[1].as_f64().unwrap()));
            assert_eq!(bounds, theirs, "{text}");
        }
        for (count, ranges) in case["document_ranges"].as_object().unwrap() {
            for (part, theirs) in PARTS.into_iter().zip(list(ranges)) {
                let theirs = (!theirs.is_null()).then(|| range(theirs));
                assert_eq!(split.sequences(part, count.parse().unwrap()), theirs, "{text} of {count}");
            }
        }
    }
}

#[test]
fn blends_are_megatrons() {
    let expected = expected("blending.json");
    for case in list(&expected["blend"]) {
        let ours = if case["kind"] == "weights" {
            let weights: Vec<f64> = list(&case["weights"]).iter().map(|weight| weight.as_f64().unwrap()).collect();
            weighted(&weights, case["size"].as_u64().unwrap()).unwrap()
        } else {
            let sizes: Vec<u64> = list(&case["sizes"]).iter().map(|size| size.as_u64().unwrap()).collect();
            exhaustive(&sizes).unwrap()
        };
        assert_eq!(json!(ours.dataset_index), case["dataset_index"], "{case}");
        assert_eq!(json!(ours.dataset_sample_index), case["dataset_sample_index"], "{case}");
    }
    let sizes = &expected["sizes_per_dataset"]["([0.1, 0.2, 0.7], [1000, 7, 3])"];
    for (at, samples) in [1000, 7, 3].into_iter().enumerate() {
        for (name, surplus) in [("no_surplus", 0.0), ("surplus_0_005", 0.005)] {
            let theirs: Vec<i64> = list(&sizes[name]).iter().map(|of_parts| integers(of_parts)[at]).collect();
            assert_eq!(json!(requests(&[0.1, 0.2, 0.7], samples, surplus)), json!(theirs), "{samples} {name}");
        }
    }
}

/// Sequences of random lengths, many of them without tokens; every token is its place.
fn random_set(folder: &Path, name: &str, random: &mut RandomState) -> String {
    let prefix = folder.join(name);
    let mut writer = Writer::create(&prefix, DType::I32).unwrap();
    let mut next = 1;
    for _ in 0..3 + random.interval(20) {
        let length = if random.event(0.3) { 0 } else { random.interval(40) as u32 };
        writer.add_document(&(next..next + length).collect::<Vec<_>>(), &[length as usize]).unwrap();
        next += length;
    }
    writer.add_document(&[next, next + 1], &[2]).unwrap();
    writer.finish().unwrap();
    prefix.to_str().unwrap().to_owned()
}

/// All tokens of the order of documents, end to end.
fn stream(dataset: &Dataset) -> Vec<i64> {
    let sequences = dataset.indices().document_index.iter();
    sequences.flat_map(|sequence| dataset.reader().sequence(*sequence as usize).unwrap().ids()).collect()
}

#[test]
fn samples_of_random_sets_are_cut_from_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = RandomState::new(17);
    let mut partial = 0;
    for round in 0..200 {
        let prefix = random_set(folder.path(), "random", &mut random);
        let sampling = Sampling {
            sequence_length: 1 + random.interval(30) as usize,
            seed: round,
            samples: random.event(0.5).then(|| random.interval(40)),
            extra_token: random.event(0.7),
            keep_partial: random.event(0.5),
        };
        let reader = Reader::open(&prefix).unwrap();
        let sequences = 0..reader.sequence_count();
        let dataset = match Dataset::new(reader, sequences, sampling) {
            Ok(dataset) => dataset,
            Err(error) => {
                assert!(error.to_string().contains("where Megatron-Core gives up"), "{error}");
                continue;
            }
        };
        let stream = stream(&dataset);
        let length = sampling.sequence_length + usize::from(sampling.extra_token);
        for place in 0..dataset.len() {
            let sample = dataset.indices().shuffle_index.get(place).unwrap();
            let start = sample * sampling.sequence_length;
            let mut text = stream[start..stream.len().min(start + length)].to_vec();
            partial += usize::from(text.len() < length);
            text.resize(length, NO_PAD);
            assert_eq!(dataset.text(place, NO_PAD).unwrap(), text, "{sampling:?}");
        }
    }
    assert!(partial > 10, "{partial} partial samples were seen");
}

#[test]
fn a_blend_takes_what_it_asked_for() {
    let blend = Blend::parse(&["3", &corpus("corpusA"), "7", &corpus("corpusB")]).unwrap();
    let data = TrainingData::build(&blend, &Settings::new(16, Some(100))).unwrap();
    assert_eq!((data.len(), data.read(), data.drawn(100)), (100, 100, vec![30, 70]));
    assert_eq!(data.datasets()[0].sampling().samples, Some(31));
    assert_eq!(data.blended().unwrap().weights, normalize(&[0.3, 0.7]));
    let mut next = [0, 0];
    for place in 0..100 {
        let (dataset, sample) = data.locate(place).unwrap();
        assert_eq!(sample, next[dataset]);
        next[dataset] += 1;
    }
    assert_eq!(data.locate(100), None);
    // Yuan's fork builds and draws 31 and 71 of them.
    let yuan = Settings { flavour: Flavour::Yuan, ..Settings::new(16, Some(100)) };
    assert_eq!(TrainingData::build(&blend, &yuan).unwrap().len(), 102);
}

fn corpus(name: &str) -> String {
    fixtures().join(name).to_str().unwrap().to_owned()
}

#[test]
fn what_a_trainer_would_refuse_is_refused() {
    let said = |arguments: &[&str], settings: &Settings| {
        let blend = Blend::parse(arguments).unwrap();
        TrainingData::build(&blend, settings).err().unwrap().to_string()
    };
    let (a, b) = (corpus("corpusA"), corpus("corpusB"));
    assert!(said(&["1", &a, "2", &b], &Settings::new(16, None)).contains("weights need a number of samples"));
    let yuan = Settings { flavour: Flavour::Yuan, ..Settings::new(16, Some(5)) };
    assert!(said(&[&a, &b], &yuan).contains("needs a weight"));
    let test = Settings { split: Some(Split::parse("1,1,0").unwrap()), part: Part::Test, ..Settings::new(16, None) };
    assert!(said(&[&a], &test).contains("leaves none of its 37 sequences to `test`"));
    assert!(said(&[&a, &b], &Settings::new(900, None)).contains("not a sample of this length"));
    // Ten sets of a tenth of a sample each get a whole one, and the blend is so much longer.
    let small = ["0.01", a.as_str()].repeat(10);
    let oversampled = [&small[..], &["0.9", b.as_str()]].concat();
    let error = said(&oversampled, &Settings::new(16, Some(10)));
    assert!(error.contains("the blend draws 17 samples of it, but 12 are built"), "{error}");
}

#[test]
fn the_cache_has_the_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let blend = Blend::parse(&[corpus("corpusA"), corpus("corpusC")]).unwrap();
    let settings = Settings { split: Some(Split::parse("9,1").unwrap()), ..Settings::new(16, None) };
    let data = TrainingData::build(&blend, &settings).unwrap();
    let files = cache::write(&data, &json!({"class": "none"}), folder.path()).unwrap();
    assert_eq!(files.len(), 4 + 4 + 3);
    let (shape, documents) = npy::read::<i32>(&files[1]).unwrap();
    assert_eq!((shape.len(), &documents), (1, &data.datasets()[0].indices().document_index));
    assert_eq!(npy::read::<i32>(&files[2]).unwrap().0, [data.datasets()[0].len() + 1, 2]);
    assert_eq!(npy::read::<i16>(&files[9]).unwrap().1, data.blended().unwrap().index.dataset_index);
    let yuan = Settings { flavour: Flavour::Yuan, ..Settings::new(16, Some(5)) };
    let yuan = TrainingData::build(&Blend::parse(&[corpus("corpusA")]).unwrap(), &yuan).unwrap();
    assert!(cache::write(&yuan, &json!({}), folder.path()).unwrap_err().to_string().contains("Megatron-Core's"));
}
