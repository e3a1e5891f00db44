//! Small models of every kind, trained by the C++ tool: our numbers against those of the C++ library.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without")]

mod support;

use support::{MODELS, fixture};
use yuan_fasttext::{ALL_LABELS, Model, ModelKind, Scratch};

/// Most that a number may differ by where the system's `exp` and `log` are not glibc's.
const TOLERANCE: f32 = if cfg!(all(target_os = "linux", target_env = "gnu")) { 0.0 } else { 1e-6 };

fn number(bits: &str) -> f32 {
    f32::from_bits(u32::from_str_radix(bits, 16).unwrap())
}

/// Labels with probabilities of a line of expected output.
fn expected(line: &str) -> Vec<(&str, f32)> {
    let fields: Vec<&str> = line.split(' ').filter(|field| !field.is_empty()).collect();
    fields.as_chunks::<2>().0.iter().map(|[label, bits]| (*label, number(bits))).collect()
}

fn supervised() -> impl Iterator<Item = (&'static str, Model)> {
    let models = MODELS.into_iter().map(|name| (name, Model::from_bytes(fixture(name)).unwrap()));
    models.filter(|(_, model)| model.args().model == ModelKind::Supervised)
}

#[test]
fn labels_are_those_of_the_command_line_tool() {
    let text = fixture("lines.txt");
    let mut scratch = Scratch::new();
    for (name, model) in supervised() {
        let (most, threshold) = if model.dictionary().label_count() > 10 { (10, 0.02) } else { (ALL_LABELS, 0.3) };
        for (kind, k, threshold) in [("all", most, 0.0), ("best", 2, threshold)] {
            let answers = String::from_utf8(fixture(&format!("{name}.{kind}"))).unwrap();
            let mut input = text.as_slice();
            let (mut lines, mut numbers) = (0, 0);
            for (at, answer) in answers.lines().enumerate() {
                assert!(!input.is_empty(), "{name} {kind}: fewer lines than expected");
                let predictions = model.predict_line(&mut scratch, &mut input, k, threshold).unwrap();
                let expected = expected(answer);
                assert_eq!(predictions.len(), expected.len(), "{name} {kind}: line {at}");
                for (prediction, (label, probability)) in predictions.iter().zip(expected) {
                    let found = model.dictionary().label(prediction.label as usize);
                    assert_eq!(String::from_utf8_lossy(found), label, "{name} {kind}: line {at}");
                    let difference = (prediction.probability - probability).abs();
                    assert!(difference <= TOLERANCE, "{name} {kind}: line {at}: {label} {prediction:?} {probability}");
                    numbers += 1;
                }
                lines += 1;
            }
            assert!(input.is_empty(), "{name} {kind}: more lines than expected");
            assert!(lines > 300 && numbers > 100, "{name} {kind}: {lines} lines, {numbers} numbers");
        }
    }
}

#[test]
fn one_label_is_as_in_all() {
    let text = fixture("lines.txt");
    let mut scratch = Scratch::new();
    for (name, model) in supervised() {
        for line in text.split(|&byte| byte == b'\n').step_by(7) {
            let all = model.predict(&mut scratch, line, ALL_LABELS, 0.0).unwrap().to_vec();
            for label in (0..model.dictionary().label_count()).step_by(3) {
                let listed = all.iter().find(|prediction| prediction.label as usize == label);
                let alone = model.label_probability(&mut scratch, line, label).unwrap();
                assert_eq!(alone, listed.map_or(0.0, |prediction| prediction.probability), "{name}: {label}");
            }
        }
    }
}

#[test]
fn texts_are_lines_with_their_end() {
    let text = fixture("lines.txt");
    let (mut one, mut other) = (Scratch::new(), Scratch::new());
    for (name, model) in supervised() {
        for line in text.split(|&byte| byte == b'\n').step_by(5) {
            let with_end = [line, b"\n"].concat();
            let as_line = model.predict_line(&mut one, &mut with_end.as_slice(), 3, 0.0).unwrap();
            let as_text = model.predict(&mut other, line, 3, 0.0).unwrap();
            assert_eq!(as_line, as_text, "{name}");
            // Line feeds within a text are spaces.
            let broken: Vec<u8> = line.iter().map(|&byte| if byte == b' ' { b'\n' } else { byte }).collect();
            assert_eq!(model.predict(&mut other, broken, 3, 0.0).unwrap(), as_line, "{name}");
        }
    }
}

#[test]
fn vectors_are_those_of_the_library() {
    let (words, lines) = (fixture("words.txt"), fixture("lines.txt"));
    let mut scratch = Scratch::new();
    let mut check = |name: &str, kind: &str, inputs: Vec<&[u8]>| {
        let model = Model::from_bytes(fixture(name)).unwrap();
        let answers = String::from_utf8(fixture(&format!("{name}.{kind}"))).unwrap();
        assert_eq!(answers.lines().count(), inputs.len(), "{name} {kind}");
        for (input, answer) in inputs.into_iter().zip(answers.lines()) {
            let vector = match kind {
                "words" => model.word_vector(&mut scratch, input),
                _ => model.text_vector(&mut scratch, input),
            };
            let expected: Vec<f32> = answer.split(' ').map(number).collect();
            assert_eq!(vector, expected, "{name} {kind}: {}", String::from_utf8_lossy(input));
        }
    };
    for name in ["cbow.bin", "skipgram.bin"] {
        check(name, "words", words.strip_suffix(b"\n").unwrap().split(|&byte| byte == b'\n').collect());
        let labelled = |line: &&[u8]| !line.windows(9).any(|window| window == b"__label__");
        check(name, "vectors", lines.split(|&byte| byte == b'\n').filter(labelled).collect());
    }
}

#[test]
fn models_are_written_as_they_were_read() {
    for name in MODELS {
        let bytes = fixture(name);
        let model = Model::from_bytes(bytes.clone()).unwrap();
        let mut written = Vec::new();
        model.write_to(&mut written).unwrap();
        if name == "version11.bin" {
            // It becomes version 12, in which `maxn` says that there are no character n-grams.
            assert_eq!((written[4], bytes[4]), (12, 11));
            assert_eq!(model.args().maxn, 0);
            let maxn = 8 + 10 * 4..8 + 11 * 4;
            assert_eq!(written[8..maxn.start], bytes[8..maxn.start]);
            assert_eq!(written[maxn.clone()], [0; 4]);
            assert_eq!(written[maxn.end..], bytes[maxn.end..]);
        } else {
            assert!(written == bytes, "{name}");
        }
        let (args, dictionary, input, output) = model.into_parts();
        let mut again = Vec::new();
        Model::from_parts(args, dictionary, input, output).unwrap().write_to(&mut again).unwrap();
        assert!(again == written, "{name}");
    }
}

#[test]
fn files_are_mapped_and_written() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["softmax.bin", "pruned.ftz"] {
        let bytes = fixture(name);
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let copy = folder.path().join("copy");
        Model::open(&path).unwrap().write(&copy).unwrap();
        assert!(std::fs::read(&copy).unwrap() == bytes, "{name}");
    }
    let empty = folder.path().join("empty");
    std::fs::write(&empty, []).unwrap();
    let message = Model::open(&empty).unwrap_err().to_string();
    assert!(message.contains("empty") && message.contains("magic"), "{message}");
    assert!(Model::open(folder.path().join("none")).unwrap_err().to_string().starts_with("cannot open"));
}

#[test]
fn what_cannot_be_asked() {
    let mut scratch = Scratch::new();
    let model = Model::from_bytes(fixture("cbow.bin")).unwrap();
    let message = model.predict(&mut scratch, "a", 1, 0.0).unwrap_err().to_string();
    assert_eq!(message, "the model is cbow and has no labels; only a supervised model predicts");
    let model = Model::from_bytes(fixture("softmax.bin")).unwrap();
    assert_eq!(model.predict(&mut scratch, "a", 0, 0.0).unwrap_err().to_string(), "`k` is 0; ask for 1 label or more");
    assert!(model.label_probability(&mut scratch, "a", 5).is_err());
    assert_eq!(
        model.dictionary().label_id(b"__label__zh").map(|label| model.dictionary().label(label)),
        Some(&b"__label__zh"[..])
    );
}

#[test]
fn counts_that_promise_too_much() {
    let bytes = fixture("softmax.bin");
    // Two thousand million entries in a file of some bytes.
    let mut huge = bytes.clone();
    huge[64..68].copy_from_slice(&i32::MAX.to_le_bytes());
    huge[68..72].copy_from_slice(&(i32::MAX - 5).to_le_bytes());
    let message = Model::from_bytes(huge).unwrap_err().to_string();
    assert!(message.contains("`entries`"), "{message}");
    // Word n-grams without buckets.
    let mut no_buckets = bytes.clone();
    no_buckets[40..44].fill(0);
    let message = Model::from_bytes(no_buckets).unwrap_err().to_string();
    assert!(message.contains("`bucket`"), "{message}");
    // Vectors in text form are the usual mistake.
    let message = Model::from_bytes(b"2000 100\nthe 0.1 0.2".to_vec()).unwrap_err().to_string();
    assert!(message.contains(".vec"), "{message}");
    let message = Model::from_bytes([&bytes[..4], &[13, 0, 0, 0], &bytes[8..]].concat()).unwrap_err().to_string();
    assert!(message.contains("version 13"), "{message}");
}
