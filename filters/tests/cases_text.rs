//! The case tables of `normalize` and `language_id`: a new case needs no new code.

use std::path::Path;

use serde::de::DeserializeOwned;
use yuan_filters::{LanguageId, Normalize};
use yuan_pipeline::{Batch, Stage};

/// One case of a table.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "no_config")]
    config: toml::Value,
    text: String,
    /// The text, or the language, that comes out.
    expected: Option<String>,
    /// The reason the document goes.
    drop: Option<String>,
}

fn no_config() -> toml::Value {
    toml::Value::Table(toml::Table::new())
}

/// Runs every case of a table; `outcome` is what a document that stays is compared by.
fn check<S: Stage + DeserializeOwned>(table: &str, outcome: impl Fn(&Batch) -> String) {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cases")).join(table);
    let text = std::fs::read_to_string(path).expect("the case table");
    let mut tables: std::collections::BTreeMap<String, Vec<Case>> = toml::from_str(&text).expect("a case table");
    let cases = tables.remove("case").expect("cases");
    for case in &cases {
        let stage: S = case.config.clone().try_into().unwrap_or_else(|error| panic!("`{}`: {error}", case.name));
        let batch = stage.process(Batch::of_texts(&[&case.text])).expect("processed");
        let reason = batch.reason(0).map(|reason| reason.code);
        assert_eq!(reason, case.drop.as_deref(), "`{}`", case.name);
        if let Some(expected) = &case.expected {
            assert_eq!(&outcome(&batch), expected, "`{}`", case.name);
        }
        assert!(case.expected.is_some() || case.drop.is_some(), "`{}` expects nothing", case.name);
    }
}

#[test]
fn normalize() {
    check::<Normalize>("normalize.toml", |batch| batch.document(0).text().to_owned());
}

#[test]
fn language_id() {
    check::<LanguageId>("language_id.toml", |batch| {
        batch.document(0).str("language").expect("a language").into_owned()
    });
}
