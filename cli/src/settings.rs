//! Whether the settings of a recipe are of their kind and in their range, by the schemas that document them.
//!
//! It speaks where TOML's own messages name Rust types, and where a number is of the right type but makes no sense: a
//! fraction outside [0, 1], a negative threshold, NaN. Unknown names and words are left to serde, which knows them all.

use serde_json::Value;
use toml::Value as Toml;

/// A setting that is not what its schema says.
pub struct Mistake {
    /// Where it stands: `gopher_quality.languages.zh.min_words`.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The first setting of a recipe that is not what its schema says.
pub fn first_mistake(recipe: &toml::Table) -> Option<Mistake> {
    let schema = crate::stages::schema();
    let parts = recipe.iter().filter(|(name, _)| *name != "stage");
    let of_part = |(name, value): (&String, &Toml)| {
        let part = schema["properties"].get(name)?;
        wrong(&schema, part, None, name, value)
    };
    let stages = recipe.get("stage").and_then(Toml::as_array).into_iter().flatten();
    let of_stage = |stage: &Toml| {
        stage.as_table()?.iter().find_map(|(name, settings)| {
            let variants = schema["$defs"]["StageConfig"]["oneOf"].as_array()?;
            let config = variants.iter().find_map(|variant| variant["properties"].get(name))?;
            wrong(&schema, config, None, name, settings)
        })
    };
    parts.filter_map(of_part).next().or_else(|| stages.filter_map(of_stage).next())
}

/// Looks at a value, then at what it holds. Under `languages` that is the settings of `stage`, by language.
fn wrong(schema: &Value, node: &Value, stage: Option<&Value>, path: &str, value: &Toml) -> Option<Mistake> {
    let description = node["description"].as_str().unwrap_or_default();
    let node = match node["$ref"].as_str() {
        Some(reference) => &schema["$defs"][reference.rsplit('/').next()?],
        None => node,
    };
    let mistake = |problem: String| Some(Mistake { path: path.to_owned(), problem });
    let is = |kind: &str| node["type"] == kind || node["type"].as_array().is_some_and(|all| all.contains(&kind.into()));
    let known = ["integer", "number", "boolean", "string", "array", "object"].into_iter().find(|kind| is(kind))?;
    let fits = match value {
        Toml::Integer(number) => is("integer") && (*number >= 0 || node["minimum"] != 0) || is("number"),
        Toml::Float(_) => is("number"),
        Toml::Boolean(_) => is("boolean"),
        Toml::String(_) => is("string"),
        Toml::Array(_) => is("array"),
        Toml::Table(_) => is("object"),
        Toml::Datetime(_) => false,
    };
    if !fits {
        let wanted = match known {
            "integer" if node["minimum"] == 0 => "a whole number of 0 or more",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "`true` or `false`",
            "string" => "a word in quotes",
            "array" => "a list, as `[…]`",
            _ => "a table of settings, as `{ … }`",
        };
        return mistake(format!("must be {wanted}, not {value}"));
    }
    match value {
        Toml::Integer(number) if is("number") => out_of_range(path, description, *number as f64).and_then(mistake),
        Toml::Float(number) => out_of_range(path, description, *number).and_then(mistake),
        Toml::Array(values) => values.iter().find_map(|value| wrong(schema, &node["items"], None, path, value)),
        Toml::Table(settings) => settings.iter().find_map(|(name, value)| {
            let below = format!("{path}.{name}");
            match stage {
                Some(stage) => wrong(schema, stage, None, &below, value),
                None => {
                    let setting = node["properties"].get(name)?;
                    wrong(schema, setting, Some(node).filter(|_| name == "languages"), &below, value)
                }
            }
        }),
        _ => None,
    }
}

/// What is wrong with a number, if something is. `max_top_3_gram_char_fraction` and its like can exceed 1.
fn out_of_range(path: &str, description: &str, number: f64) -> Option<String> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let is_part = name.contains("fraction") && !name.starts_with("max_top_") || description.contains("in [0, 1]");
    let is_threshold = name.starts_with("min_") || name.starts_with("max_");
    if !number.is_finite() {
        Some(format!("must be a number, not {number}"))
    } else if is_part && !(0.0..=1.0).contains(&number) {
        Some(format!("must be in [0, 1], not {number}"))
    } else if is_threshold && number < 0.0 {
        Some(format!("must be 0 or more, not {number}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(setting: &str) -> String {
        let recipe = format!("[rails]\n{setting}\n");
        let recipe = if setting.starts_with('[') { setting } else { &recipe };
        let mistake = first_mistake(&recipe.parse().expect("TOML"));
        mistake.map_or_else(String::new, |mistake| format!("{} {}", mistake.path, mistake.problem))
    }

    #[test]
    fn kinds_and_ranges_are_told_in_plain_words() {
        assert_eq!(told("max_dropped_fraction = 1.5"), "rails.max_dropped_fraction must be in [0, 1], not 1.5");
        assert_eq!(told("max_dropped_fraction = 90"), "rails.max_dropped_fraction must be in [0, 1], not 90");
        assert_eq!(told("max_dropped_fraction = nan"), "rails.max_dropped_fraction must be a number, not NaN");
        assert_eq!(
            told("min_documents = \"abc\""),
            "rails.min_documents must be a whole number of 0 or more, not \"abc\""
        );
        assert_eq!(told("stop = 1"), "rails.stop must be `true` or `false`, not 1");
        let stage = |settings: &str| told(&format!("[[stage]]\ngopher_quality = {{ {settings} }}"));
        assert_eq!(stage("min_words = -1"), "gopher_quality.min_words must be a whole number of 0 or more, not -1");
        assert_eq!(
            stage("max_mean_word_chars = -1.5"),
            "gopher_quality.max_mean_word_chars must be 0 or more, not -1.5"
        );
        assert_eq!(
            stage("languages.zh.min_alphabetic_word_fraction = inf"),
            "gopher_quality.languages.zh.min_alphabetic_word_fraction must be a number, not inf"
        );
        assert_eq!(
            stage("languages.zh = 3"),
            "gopher_quality.languages.zh must be a table of settings, as `{ … }`, not 3"
        );
        assert_eq!(stage("stop_words = [\"a\", 3]"), "gopher_quality.stop_words must be a word in quotes, not 3");
        assert_eq!(stage("min_words = 3, max_mean_word_chars = 5, min_word = 1"), "", "serde tells unknown names");
        assert_eq!(
            told("[[stage]]\nlanguage_id = { min_score = 2 }"),
            "language_id.min_score must be in [0, 1], not 2"
        );
        assert_eq!(told("[[stage]]\ngopher_repetition = { max_top_2_gram_char_fraction = 1.2 }"), "");
    }
}
