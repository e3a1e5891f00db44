//! Case tables of the Gopher rules: `tests/cases/gopher_*.toml`.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use yuan_filters::{GopherQuality, GopherRepetition};
use yuan_pipeline::{Batch, Stage};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The stage's table, its defaults where absent.
    #[serde(default)]
    config: toml::Table,
    text: String,
    /// How often the text is said.
    #[serde(default = "once")]
    times: usize,
    /// Why the document goes; absent where it stays.
    reason: Option<String>,
}

fn once() -> usize {
    1
}

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

fn check<S: Stage + DeserializeOwned>(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases").join(file);
    let text = std::fs::read_to_string(&path).expect("the case table is there");
    let cases: Cases = toml::from_str(&text).expect("a case table");
    assert!(cases.case.len() > 10);
    for case in cases.case {
        let stage: S = case.config.try_into().expect("a configuration of the stage");
        let batch = Batch::of_texts(&[case.text.repeat(case.times)]);
        let explained = stage.explain(&batch.document(0));
        let judged = stage.process(batch).expect("judged");
        let reason = judged.reason(0).map(|reason| reason.code);
        assert_eq!(reason, case.reason.as_deref(), "{file}: {}", case.name);
        if reason != Some("empty_text") {
            let first = explained.iter().find(|finding| finding.drops).map(|finding| finding.rule);
            assert_eq!(first, reason, "{file}: {}: explain", case.name);
        }
    }
}

#[test]
fn gopher_quality() {
    check::<GopherQuality>("gopher_quality.toml");
}

#[test]
fn gopher_repetition() {
    check::<GopherRepetition>("gopher_repetition.toml");
}
