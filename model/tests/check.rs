//! Fixtures that are damaged or of another model: told by tensor, never passed over.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use yuan_model::check::{Comparison, FIXTURE, compare};
use yuan_model::weights::Weights;
use yuan_model::{Model, Options, Place, Result};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model").join(name)
}

fn open(path: &Path) -> Model {
    Model::open(path, Options { place: Place::Cpu, ..Options::default() }, &mut |_, _| {}).unwrap()
}

/// A fixture to be changed: type, shape and bytes by name.
struct Tensors(BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    /// Some of the tensors of a model's fixture.
    fn of(model: &str, names: &[&str]) -> Self {
        let bytes = std::fs::read(folder(model).join(FIXTURE)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |name: &&str| {
            let view = file.tensor(name).unwrap();
            ((*name).to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        Self(names.iter().map(tensor).collect())
    }

    fn with(mut self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.0.insert(name.to_owned(), (Dtype::F32, shape.to_vec(), bytes));
        self
    }

    fn with_ids(mut self, name: &str, shape: &[usize], ids: &[i64]) -> Self {
        let bytes = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        self.0.insert(name.to_owned(), (Dtype::I64, shape.to_vec(), bytes));
        self
    }

    /// Another first value.
    fn first(mut self, name: &str, value: f32) -> Self {
        self.0.get_mut(name).unwrap().2[..4].copy_from_slice(&value.to_le_bytes());
        self
    }

    fn compare(&self, model: &Model) -> Result<Vec<Comparison>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FIXTURE);
        let views = self.0.iter().map(|(name, (dtype, shape, bytes))| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize_to_file(views, None, &path).unwrap();
        compare(model.engine(), model.config(), &path)
    }
}

/// The comparison of a value, which failed.
fn problem(found: &[Comparison], name: &str) -> String {
    let found = found.iter().find(|it| it.name == name).unwrap();
    assert_eq!(found.max_delta, f32::INFINITY);
    found.problem.clone().unwrap()
}

const DECODE: [&str; 5] = [
    "seq1.input_ids",
    "decode.prefill_len",
    "decode.layer0.k_cache",
    "decode.layer0.v_cache",
    "decode.layer0.lf_memory",
];

#[test]
fn what_is_no_number_is_not_close() {
    let model = open(&folder("yuan-moe-tiny"));
    let good = Tensors::of("yuan-moe-tiny", &DECODE).compare(&model).unwrap();
    assert!(good.len() == 3 && good.iter().all(|it| it.problem.is_none() && it.max_delta < 2e-4), "{good:#?}");
    for value in [f32::NAN, f32::INFINITY] {
        let names = ["decode.layer0.k_cache", "decode.layer0.v_cache"];
        let damaged = names.into_iter().fold(Tensors::of("yuan-moe-tiny", &DECODE), |it, name| it.first(name, value));
        let found = damaged.compare(&model).unwrap();
        for name in names {
            assert_eq!(problem(&found, name), "1 are not finite, in the fixture or in the model");
        }
        let names = ["seq0.input_ids", "seq0.logits", "seq0.logprobs", "seq0.layer0.attn_out"];
        let damaged = names[1..].iter().fold(Tensors::of("yuan-moe-tiny", &names), |it, name| it.first(name, value));
        let found = damaged.compare(&model).unwrap();
        names[1..].iter().for_each(|name| drop(problem(&found, name)));
        // The last text of the batch is not padded.
        let names =
            ["batch_left.input_ids", "batch_left.attention_mask", "batch_left.position_ids", "batch_left.logits"];
        let damaged = Tensors::of("yuan-moe-tiny", &names).with("batch_left.logits", &[3, 40, 64], &[value; 7680]);
        assert!(
            problem(&damaged.compare(&model).unwrap(), names[3])
                .ends_with("are not finite, in the fixture or in the model")
        );
    }
}

#[test]
fn what_is_of_another_length_is_not_close() {
    let model = open(&folder("yuan-moe-tiny"));
    let found = Tensors::of("yuan-moe-tiny", &DECODE)
        .with("decode.layer0.k_cache", &[4, 10, 32], &[0.0; 1280])
        .with("decode.layer0.v_cache", &[0], &[])
        .with("decode.layer0.lf_memory", &[3, 64], &[0.0; 192])
        .with("decode.layer1.x_cache", &[1], &[0.0])
        .with("decode.step_logits", &[1, 64], &[0.0; 64])
        .with("seq1.layer1.no_such", &[1], &[0.0])
        .with("seq1.logprobs", &[0], &[])
        .compare(&model)
        .unwrap();
    assert_eq!(problem(&found, "decode.layer0.k_cache"), "the fixture has 1280 values, the model 1408");
    assert_eq!(problem(&found, "decode.layer0.v_cache"), "the fixture has 0 values, the model 1408");
    assert_eq!(problem(&found, "decode.layer0.lf_memory"), "the fixture has 192 values, the model 64");
    assert_eq!(problem(&found, "decode.step_logits"), "the fixture has 64 values, the model 1216");
    assert_eq!(problem(&found, "seq1.logprobs"), "the fixture has 0 values, the model 28");
    for name in ["decode.layer1.x_cache", "seq1.layer1.no_such"] {
        assert_eq!(problem(&found, name), "the model computes nothing of this name");
    }
    let batch = ["batch_left.input_ids", "batch_left.attention_mask", "batch_left.position_ids"];
    let batch = || Tensors::of("yuan-moe-tiny", &batch);
    let found = batch().with("batch_left.logits", &[1, 64], &[0.0; 64]).compare(&model).unwrap();
    assert_eq!(problem(&found, "batch_left.logits"), "the fixture has 64 values, the model 7680");
    // Where all is padding, nothing is shown.
    let all_padding = batch().with_ids("batch_left.attention_mask", &[3, 40], &[0; 120]);
    let found = all_padding.with("batch_left.logits", &[3, 40, 64], &[0.0; 7680]).compare(&model).unwrap();
    assert_eq!(problem(&found, "batch_left.logits"), "there is nothing to compare");
}

#[test]
fn a_damaged_fixture_is_told_by_tensor() {
    let model = open(&folder("yuan-moe-tiny"));
    let decode = || Tensors::of("yuan-moe-tiny", &DECODE);
    let text = || Tensors::of("yuan-moe-tiny", &["seq0.input_ids"]);
    let batch = || {
        let names =
            ["batch_left.input_ids", "batch_left.attention_mask", "batch_left.position_ids", "batch_left.logits"];
        Tensors::of("yuan-moe-tiny", &names)
    };
    let (length, ids) = ("decode.prefill_len", "seq0.input_ids");
    let cases = [
        (decode().with_ids(length, &[0], &[]), length, "is [], and must be one number, from 1 to the 29 tokens"),
        (decode().with_ids(length, &[2], &[3, 4]), length, "is [3, 4], and must be one number"),
        (decode().with_ids(length, &[1], &[0]), length, "is [0], and must be one number, from 1 to"),
        (decode().with_ids(length, &[1], &[30]), length, "has 30, and must have whole numbers from 0 to 29"),
        (decode().with_ids(length, &[1], &[-1]), length, "has -1, and must have"),
        (decode().with(length, &[1], &[2.5]), length, "has 2.5, and must have"),
        (decode().with(length, &[1], &[f32::NAN]), length, "has NaN, and must have"),
        (
            decode().with_ids("seq1.input_ids", &[1, 2], &[3, 4]),
            length,
            "needs a text `seq1.input_ids`, and there is none",
        ),
        (Tensors::of("yuan-moe-tiny", &[length]), length, "needs a text `seq1.input_ids`, and there is none"),
        (
            decode().with("decode.layer2.k_cache", &[1], &[0.0]),
            "decode.layer2.k_cache",
            "the model has 2, counted from 0",
        ),
        (
            decode().with("decode.layerX.k_cache", &[1], &[0.0]),
            "decode.layerX.k_cache",
            "names a layer that is not there",
        ),
        (text().with("seq0.layer-1.mlp_out", &[1], &[0.0]), "seq0.layer-1.mlp_out", "names a layer that is not there"),
        (text().with_ids(ids, &[0], &[]), ids, "is [0], and neither `[tokens]` nor `[texts, tokens]`"),
        (text().with_ids(ids, &[], &[3]), ids, "is [], and neither"),
        (text().with_ids(ids, &[1, 1, 2], &[3, 4]), ids, "is [1, 1, 2], and neither"),
        (text().with_ids(ids, &[0, 1 << 40], &[]), ids, "is [0, 1099511627776], and neither"),
        (text().with_ids(ids, &[1 << 40, 0], &[]), ids, "is [1099511627776, 0], and neither"),
        (text().with_ids(ids, &[1], &[512]), ids, "has 512, and must have whole numbers from 0 to 511"),
        (text().with("seq0.logits", &[13, 7], &[0.0; 91]), "seq0.logits", "its rows must divide the vocabulary of 512"),
        (text().with("seq0.logits", &[13, 0], &[]), "seq0.logits", "is [13, 0], and"),
        (text().with("seq0.logits", &[], &[0.0]), "seq0.logits", "is [], and"),
        (
            batch().with_ids("batch_left.attention_mask", &[3, 39], &[1; 117]),
            "batch_left.attention_mask",
            "is [3, 39], and `batch_left.input_ids` is [3, 40]",
        ),
        (batch().with_ids("batch_left.attention_mask", &[40, 3], &[2; 120]), "batch_left.attention_mask", "has 2, and"),
        (batch().with_ids("batch_left.position_ids", &[40], &[1; 40]), "batch_left.position_ids", "is [40], and"),
        (
            batch().with_ids("batch_left.position_ids", &[3, 40], &[128; 120]),
            "batch_left.position_ids",
            "from 0 to 127",
        ),
        (batch().with("batch_left.logits", &[1, 1024], &[0.0; 1024]), "batch_left.logits", "is [1, 1024], and"),
        (batch().with("batch_left.logits", &[5, 0], &[]), "batch_left.logits", "is [5, 0], and"),
        (text().with("rope.cos", &[], &[1.0]), "rope.cos", "is [], and must be `[positions, 16]`"),
        (text().with("rope.sin", &[16], &[1.0; 16]), "rope.sin", "is [16], and must be `[positions, 16]`"),
        (text().with("rope.cos", &[1 << 40, 0], &[]), "rope.cos", "is [1099511627776, 0], and must be"),
    ];
    for (damaged, tensor, said) in cases {
        let error = damaged.compare(&model).unwrap_err().to_string();
        let named = error.contains(FIXTURE) && error.contains(&format!("`: tensor `{tensor}` "));
        assert!(named && error.contains(said), "{error}");
    }
    let mut bytes = text();
    bytes.0.insert("seq0.logits".to_owned(), (Dtype::U8, vec![3], vec![0; 3]));
    let error = bytes.compare(&model).unwrap_err().to_string();
    assert!(error.contains("`seq0.logits` is neither of F32 nor of I64"), "{error}");
}

/// Tensors drawn at random in the place of those that are there: an error or comparisons, whatever they hold.
#[test]
fn no_fixture_makes_it_panic() {
    let mut state = 0x5eed_u64;
    let mut draw = |end: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 33) as usize % end
    };
    for (name, others) in [
        (
            "yuan-moe-tiny",
            ["decode.prefill_len", "decode.layer0.k_cache", "decode.layer0.lf_memory", "decode.step_logits"],
        ),
        (
            "qwen2moe-tiny",
            ["rope.inv_freq", "batch_left.logits_at_real_tokens", "seq0.logprobs", "seq0.layer0.router_topk_idx"],
        ),
    ] {
        let model = open(&folder(name));
        let both =
            ["seq0.input_ids", "seq0.logits", "seq1.input_ids", "batch_left.input_ids", "batch_left.attention_mask"];
        let names: Vec<&str> = both.into_iter().chain(others).collect();
        let (mut refused, mut failed) = (0, 0);
        for _ in 0..200 {
            let mut tensors = Tensors::of(name, &names);
            for _ in 0..1 + draw(2) {
                let mut shape: Vec<usize> = (0..draw(4)).map(|_| [0, 1, 2, 3, 11, 13, 32, 40][draw(8)]).collect();
                let own = &tensors.0[names[draw(names.len())]].1;
                shape = if draw(3) == 0 { own.clone() } else { shape };
                let count = shape.iter().product();
                let kind = draw(3);
                let mut value = || match kind {
                    0 => [-1.0, 0.0, 1.0, 0.5, 511.0, 512.0, 1e30, f32::NAN][draw(8)],
                    1 => draw(2) as f32,
                    _ => draw(500) as f32,
                };
                let values: Vec<f32> = (0..count).map(|_| value()).collect();
                let place = ["rope.cos", "decode1.prefill_len", "batch_left.position_ids", "reset.seq0.logits"];
                let place = if draw(4) == 0 { place[draw(4)] } else { names[draw(names.len())] };
                tensors = match draw(2) {
                    0 => tensors.with(place, &shape, &values),
                    _ => tensors.with_ids(place, &shape, &values.iter().map(|value| *value as i64).collect::<Vec<_>>()),
                };
            }
            match tensors.compare(&model) {
                Ok(found) => failed += usize::from(found.iter().any(|it| it.max_delta > 2e-4)),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 50 && failed > 20, "{refused} {failed}");
    }
}

#[test]
fn reference_values_are_no_weights() {
    let together = tempfile::tempdir().unwrap();
    let of = |name: &str| folder("gguf_logits").join(name);
    std::fs::copy(of("float.safetensors"), together.path().join(FIXTURE)).unwrap();
    let error = Weights::open(together.path()).unwrap_err().to_string();
    assert!(error.contains("it has no weights"), "{error}");
    std::fs::copy(of("float.gguf"), together.path().join("float.gguf")).unwrap();
    let model = open(together.path());
    let found = compare(model.engine(), model.config(), &together.path().join(FIXTURE)).unwrap();
    assert!(found.len() == 4 && found.iter().all(|it| it.max_delta < 2e-4), "{found:#?}");
}

#[test]
fn a_session_reads_one_list_of_tokens_for_each_sequence() {
    let model = open(&folder("yuan-moe-tiny"));
    for (sequences, lists) in [(2, 3), (2, 1), (0, 1), (1, 0)] {
        let mut session = model.engine().session(sequences);
        let error = session.read(&vec![&[3_u32][..]; lists]).unwrap_err().to_string();
        let said = format!("{lists} lists of tokens cannot be read by {sequences} sequences");
        assert!(error.contains(&said), "{error}");
    }
    let mut session = model.engine().session(2);
    session.read(&[&[3, 4], &[5]]).unwrap();
    assert_eq!((session.tokens(0), session.tokens(1)), (2, 1));
    for (sequence, layer) in [(0, 2), (2, 0)] {
        let error = session.memory(sequence, layer).unwrap_err().to_string();
        assert!(error.contains("there are 2 layers and 2 sequences"), "{error}");
    }
}
