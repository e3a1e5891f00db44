//! Case tables: `tests/cases/STAGE.toml`. A new case needs no new code.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, LargeStringArray};
use arrow_schema::{DataType, Field};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use yuan_filters::*;
use yuan_pipeline::{Batch, Result, Stage};

/// One document and what becomes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The stage's settings, its defaults where absent.
    #[serde(default)]
    config: toml::Table,
    #[serde(default)]
    text: String,
    /// How often the text is said.
    #[serde(default = "once")]
    times: usize,
    /// Columns that the document brings, texts or numbers.
    #[serde(default)]
    columns: BTreeMap<String, toml::Value>,
    /// Why the document goes; absent where it stays.
    reason: Option<String>,
    /// The text that comes out; absent where it is the one that was given.
    expected: Option<String>,
    /// Columns that the stage adds.
    #[serde(default)]
    added: BTreeMap<String, String>,
}

fn once() -> usize {
    1
}

impl Case {
    fn batch(&self) -> Batch {
        let batch = Batch::of_texts(&[self.text.repeat(self.times)]);
        self.columns.iter().fold(batch, |batch, (name, value)| {
            let column: ArrayRef = match value {
                toml::Value::String(text) => Arc::new(LargeStringArray::from_iter_values([text])),
                toml::Value::Float(number) => Arc::new(Float64Array::from_iter_values([*number])),
                other => panic!("`{}`: a column of {other}", self.name),
            };
            let kind: DataType = column.data_type().clone();
            batch.annotate(Field::new(name, kind, true), column).expect("one row")
        })
    }

    /// What is wrong, if anything is.
    fn fault(&self, stage: &dyn Stage) -> Option<String> {
        let batch = self.batch();
        let given = batch.document(0).text().to_owned();
        let explained = stage.explain(&batch.document(0));
        let judged = stage.process(batch).expect("processed");
        let reason = judged.reason(0).map(|reason| reason.code);
        let document = judged.document(0);
        if reason != self.reason.as_deref() {
            return Some(format!("{reason:?} and not {:?}: {explained:?}", self.reason));
        }
        // What `explain` tells is what decides, but for a text of which nothing is left: no check is asked about it.
        // Stages that only rewrite have nothing to tell.
        let first = explained.iter().find(|finding| finding.drops).map(|finding| finding.rule);
        let tells = stage.tunable().is_some() || !explained.is_empty();
        if tells && reason != Some("empty_text") && first != reason {
            return Some(format!("explained as {first:?}, dropped as {reason:?}"));
        }
        let expected = self.expected.as_ref().unwrap_or(&given);
        if (reason.is_none() || self.expected.is_some()) && document.text() != expected {
            return Some(format!("{:?} and not {expected:?}", document.text()));
        }
        let other = self.added.iter().find(|(name, value)| document.str(name).as_deref() != Some(value.as_str()));
        other.map(|(name, value)| format!("`{name}` is {:?} and not {value:?}", document.str(name)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

fn check_built<C: DeserializeOwned, S: Stage>(stage: &str, build: impl Fn(C) -> Result<S>) {
    let path = support::root().join("tests/cases").join(format!("{stage}.toml"));
    let text = std::fs::read_to_string(&path).expect("the case table is there");
    let cases: Cases = toml::from_str(&text).unwrap_or_else(|error| panic!("{stage}: {error}"));
    assert!(cases.case.len() > 10, "{stage}");
    let faults: Vec<String> = cases
        .case
        .iter()
        .filter_map(|case| {
            let config: C = case.config.clone().try_into().unwrap_or_else(|error| panic!("{}: {error}", case.name));
            let fault = case.fault(&build(config).expect("built"))?;
            Some(format!("{}: {fault}", case.name))
        })
        .collect();
    assert!(faults.is_empty(), "{stage}: {faults:#?}");
}

fn check<S: Stage + DeserializeOwned>(stage: &str) {
    check_built(stage, Ok::<S, yuan_pipeline::Error>);
}

/// A test for each stage, named as the stage and its table.
macro_rules! tables {
    ($($name:ident $stage:ty;)*) => {
        $(#[test] fn $name() { check::<$stage>(stringify!($name)); })*
    };
}

tables! {
    boilerplate_lines BoilerplateLines;
    c4 C4;
    c4_paragraphs C4Paragraphs;
    ccnet_text CcNetText;
    chinese_variant ChineseVariant;
    chinese_web_text ChineseWebText;
    code Code;
    data_juicer DataJuicer;
    fineweb FineWeb;
    gopher_quality GopherQuality;
    gopher_repetition GopherRepetition;
    madlad Madlad;
    normalize Normalize;
    polylm PolyLm;
    refinedweb_lines RefinedWebLines;
    repair_text RepairText;
    roots Roots;
    yayi2 Yayi2;
}

#[test]
fn fasttext() {
    check_built("fasttext", FastTextConfig::build);
}

#[test]
fn keep_where() {
    check_built("keep_where", |config: KeepWhereConfig| config.build());
}

#[test]
fn kenlm() {
    check_built("kenlm", KenLmConfig::build);
}

#[test]
fn language_id() {
    check_built("language_id", |config: LanguageId| config.build());
}

#[test]
fn bad_words() {
    check_built("bad_words", BadWordsConfig::build);
}

#[test]
fn pii() {
    check_built("pii", |config: PiiConfig| config.build_with(Some("a secret for tests")));
}

#[test]
fn toxicity() {
    check_built("toxicity", ToxicityConfig::build);
}

#[test]
fn url_filter() {
    check_built("url_filter", UrlFilterConfig::build);
}

/// Every table is read by a test.
#[test]
fn no_table_is_forgotten() {
    let source = include_str!("cases.rs");
    for entry in std::fs::read_dir(support::root().join("tests/cases")).expect("the tables") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let is_read = source.contains(&format!("    {name} ")) || source.contains(&format!("fn {name}()"));
        assert!(is_read, "{name}");
    }
}
