//! The catalogue of stages, from the same words that document their settings in the source.

use schemars::JsonSchema;
use serde_json::{Value, json};

/// One stage of the catalogue.
pub struct Entry {
    /// Its name in a recipe.
    pub name: &'static str,
    /// Whether it judges each document alone or must see the whole corpus first.
    pub kind: &'static str,
    /// Columns it reads and adds, beside the text.
    pub columns: &'static str,
    schema: fn() -> Value,
    defaults: fn() -> Value,
}

fn entry<T: JsonSchema + Default + serde::Serialize>(
    name: &'static str,
    kind: &'static str,
    columns: &'static str,
) -> Entry {
    Entry {
        name,
        kind,
        columns,
        schema: || schemars::schema_for!(T).to_value(),
        defaults: || serde_json::to_value(T::default()).expect("settings are plain values"),
    }
}

/// All stages, in the order of a usual chain.
pub fn catalogue() -> Vec<Entry> {
    vec![
        entry::<yuan_filters::Normalize>("normalize", "rewrites the text", "-"),
        entry::<yuan_filters::LanguageId>("language_id", "annotates, judges", "adds `language`, `language_score`"),
        entry::<yuan_filters::GopherQuality>("gopher_quality", "judges", "reads `language` if it is there"),
        entry::<yuan_filters::GopherRepetition>("gopher_repetition", "judges", "reads `language` if it is there"),
        entry::<yuan_dedup::Exact>("exact", "judges, sees the whole corpus", "-"),
        entry::<yuan_dedup::Minhash>("minhash", "judges, sees the whole corpus", "-"),
        entry::<yuan_tokenizer::TrainTokenizerConfig>(
            "train_tokenizer",
            "sees the whole corpus, writes tokenizer.json",
            "-",
        ),
        entry::<yuan_tokenizer::TokenizeConfig>("tokenize", "annotates", "adds `tokens`"),
        entry::<yuan_binidx::WriteBinidx>(
            "write_binidx",
            "sees the whole corpus, writes .bin and .idx",
            "reads `tokens`",
        ),
    ]
}

/// The stages' names.
pub fn names() -> Vec<&'static str> {
    catalogue().into_iter().map(|entry| entry.name).collect()
}

/// A setting of a stage.
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its default as TOML would spell it.
    pub default: String,
    /// What it does.
    pub description: String,
}

impl Entry {
    /// What the stage does, in full.
    pub fn description(&self) -> String {
        (self.schema)()["description"].as_str().unwrap_or_default().to_owned()
    }

    /// The first sentence of it.
    pub fn headline(&self) -> String {
        let description = self.description();
        let paragraph = description.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        match paragraph.split_once(". ") {
            Some((sentence, _)) => sentence.to_owned(),
            None => paragraph.trim_end_matches('.').to_owned(),
        }
    }

    /// Its settings in order.
    pub fn settings(&self) -> Vec<Setting> {
        let (schema, defaults) = ((self.schema)(), (self.defaults)());
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        properties
            .into_iter()
            .map(|(name, property)| Setting {
                default: spell(&defaults[&name]),
                description: property["description"].as_str().unwrap_or_default().to_owned(),
                name,
            })
            .collect()
    }
}

/// The settings of a stage that are not its defaults, as a recipe would have them.
pub fn changed(name: &str, config: &Value) -> String {
    let entry = catalogue().into_iter().find(|entry| name.starts_with(entry.name));
    let defaults = entry.map(|entry| (entry.defaults)()).unwrap_or_default();
    let settings = config.as_object().into_iter().flatten();
    let changed = settings.filter(|(key, value)| defaults.get(*key) != Some(*value));
    let changed: Vec<_> = changed.map(|(key, value)| format!("{key} = {}", spell(value))).collect();
    if changed.is_empty() { "as by default".into() } else { changed.join(", ") }
}

/// A JSON value as a recipe would have it.
fn spell(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::Object(fields) if fields.is_empty() => "{}".into(),
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name} = {}", spell(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(spell).collect::<Vec<_>>().join(", ")),
        Value::Number(number) => match number.as_f64() {
            // Single-precision settings come out with digits nobody wrote.
            Some(float) if number.is_f64() => format!("{}", float as f32),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// The JSON schema of a recipe, for editors that complete TOML.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(crate::recipe::Recipe).to_value();
    schema["title"] = json!("yuan-data recipe");
    schema
}
