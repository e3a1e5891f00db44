//! The models of the shared fixtures, if they lie beside the project.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::PathBuf;

use yuan_fasttext::{Model, Scratch};

#[test]
fn labels_of_the_shared_models() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/fasttext"));
    let Ok(text) = std::fs::read(folder.join("test.txt")) else {
        return eprintln!("skipped: {} is not there", folder.display());
    };
    let mut scratch = Scratch::new();
    for name in ["softmax.bin", "hs.bin", "ova.bin", "softmax-plain.ftz", "softmax-qnorm-cutoff.ftz"] {
        let model = Model::open(folder.join(name)).unwrap();
        let answers = std::fs::read_to_string(folder.join(format!("{name}.pred.txt"))).unwrap();
        let mut input = text.as_slice();
        for answer in answers.lines() {
            let predictions = model.predict_line(&mut scratch, &mut input, 3, 0.0).unwrap();
            let fields: Vec<&str> = answer.split(' ').collect();
            assert_eq!(predictions.len() * 2, fields.len(), "{name}");
            for (prediction, field) in predictions.iter().zip(fields.chunks(2)) {
                let label = model.dictionary().label(prediction.label as usize);
                assert_eq!(String::from_utf8_lossy(label), field[0], "{name}: {answer}");
                // Printed with six digits (one beyond 1 to 0.00001), and by a build that joins multiplications with additions.
                let expected: f32 = field[1].parse().unwrap();
                assert!((prediction.probability - expected).abs() <= 6e-6, "{name}: {prediction:?} {answer}");
            }
        }
        assert!(input.is_empty(), "{name}");
        let mut written = Vec::new();
        model.write_to(&mut written).unwrap();
        assert!(written == std::fs::read(folder.join(name)).unwrap(), "{name}");
    }
}
