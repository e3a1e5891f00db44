//! The recipe of a mix, and where its settings stand.

use std::ops::Range;
use std::path::Path;

use anyhow::Context as _;
use toml::de::{DeTable, DeValue};
use yuan_binidx::mix::Mix;
use yuan_pipeline::Error;

use crate::hints::{did_you_mean, usage};
use crate::recipe::{base_of, line_of_error, mistake};

/// A recipe, and what is needed to speak of it.
pub struct Recipe {
    /// What it asks for; paths start at its folder.
    pub mix: Mix,
    file: String,
    text: String,
    changes: Vec<String>,
}

/// A setting in the text: its path (`phase.0.tokens`), the first byte of its key, and its value.
struct Place {
    path: String,
    key: usize,
    value: Range<usize>,
}

impl Recipe {
    /// Reads a recipe file and applies `path=value` changes.
    pub fn read(path: &Path, changes: &[String]) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let file = path.display().to_string();
        let parsed = toml::from_str(&text).map_err(|error| wrong(&file, &text, &error))?;
        let mut recipe = Self { mix: parsed, file, text, changes: changes.to_vec() };
        let mut table: toml::Table = recipe.text.parse().context("a recipe that was read")?;
        for change in changes {
            set(&mut table, change)?;
            let changed = toml::to_string(&table).context("the changed recipe")?;
            recipe.mix =
                toml::from_str(&changed).map_err(|error| mistake(&format!("`--set {change}`"), &changed, &error))?;
        }
        recipe.mix.start_at(&base_of(path));
        Ok(recipe)
    }

    /// A mistake in a setting, known by its path.
    pub fn mistake(&self, setting: &str, problem: &str, hint: Option<String>) -> anyhow::Error {
        let last = setting.rsplit('.').next().unwrap_or(setting);
        let change = self.changes.iter().rev().find(|change| {
            let path = crate::recipe::path_of(change);
            path.rsplit('.').next() == Some(last)
        });
        let place = match (change, line_of(&self.text, setting)) {
            (Some(change), _) => format!("`--set {change}`"),
            (None, Some(line)) => format!("`{}` line {line}", self.file),
            (None, None) => format!("`{}`", self.file),
        };
        let names = self.mix.sources.iter().map(|source| source.name.as_str());
        let meant = did_you_mean(last, names).filter(|_| problem.contains("there is no source"));
        let hint = match (meant, hint) {
            (Some(meant), Some(hint)) => Some(format!("did you mean `{meant}`? {hint}")),
            (_, hint) => hint,
        };
        usage(format!("{place}: {problem}"), hint)
    }
}

/// What TOML has to say of a text that is no recipe, in plain words.
fn wrong(file: &str, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let line = line_of_error(text, error).map_or_else(String::new, |line| format!(" line {line}"));
    let place = format!("`{file}`{line}");
    let said = error.message();
    let wanted = said.rsplit("expected ").next().map(|expected| match expected {
        "u64" | "u32" => "a whole number of 0 or more",
        "f64" => "a number",
        "a string" => "a word in quotes",
        "a sequence" => "a list, as `[…]`",
        _ => "a table of settings, as `{ … }`",
    });
    match (wanted, error.span()) {
        (Some(wanted), Some(span)) if said.starts_with("invalid type") || said.starts_with("invalid value") => {
            let path = places(text).into_iter().find(|place| place.value == span).map(|place| place.path);
            let path = path.unwrap_or_else(|| "this".into());
            usage(format!("{place}: `{path}` must be {wanted}, not {}", &text[span]), None)
        }
        _ => mistake(&place, text, error),
    }
}

/// The line of a setting, or of what it is nearest to: `phase.1.weights.books` where `weights` begin, if need be.
fn line_of(text: &str, setting: &str) -> Option<usize> {
    let places = places(text);
    let mut setting = setting;
    loop {
        if let Some(place) = places.iter().find(|place| place.path == setting) {
            return Some(text[..place.key].matches('\n').count() + 1);
        }
        setting = setting.rsplit_once('.')?.0;
    }
}

/// All settings of a text.
fn places(text: &str) -> Vec<Place> {
    let mut found = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        collect(table.get_ref(), "", &mut found);
    }
    found
}

fn collect(table: &DeTable<'_>, above: &str, found: &mut Vec<Place>) {
    for (key, value) in table {
        let path = format!("{above}{}", key.get_ref());
        found.push(Place { path: path.clone(), key: key.span().start, value: value.span() });
        match value.get_ref() {
            DeValue::Table(table) => collect(table, &format!("{path}."), found),
            DeValue::Array(values) => {
                for (number, value) in values.iter().enumerate() {
                    let path = format!("{path}.{number}");
                    found.push(Place { path: path.clone(), key: value.span().start, value: value.span() });
                    if let DeValue::Table(table) = value.get_ref() {
                        collect(table, &format!("{path}."), found);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Applies `phase.stage1.tokens=5`: sources and phases are known by their names.
fn set(table: &mut toml::Table, change: &str) -> anyhow::Result<()> {
    let wrong = |hint: String| usage(format!("`--set {change}` changes no setting"), hint);
    let way = || wrong("write `--set phase.stage1.tokens=5000000` or `--set seed=2`".to_owned());
    let (path, value) = change.split_once('=').ok_or_else(way)?;
    // A bare word is a string.
    let parsed = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("v"));
    let value = parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let (above, last) = path.trim().rsplit_once('.').unwrap_or(("", path.trim()));
    let mut table = table;
    let mut parts = above.split('.').filter(|part| !part.is_empty());
    while let Some(part) = parts.next() {
        let below = table.entry(part).or_insert_with(|| toml::Table::new().into());
        table = match below {
            toml::Value::Table(table) => table,
            toml::Value::Array(entries) => {
                let name = parts.next().ok_or_else(way)?;
                let names: Vec<String> =
                    entries.iter().filter_map(|entry| Some(entry.get("name")?.as_str()?.to_owned())).collect();
                let place = names.iter().position(|known| known == name);
                let entry = place.and_then(|place| entries.get_mut(place)).and_then(toml::Value::as_table_mut);
                entry.ok_or_else(|| match did_you_mean(name, names.iter().map(String::as_str)) {
                    Some(meant) => wrong(format!("there is no {part} `{name}`: did you mean `{meant}`?")),
                    None => wrong(format!("there is no {part} `{name}`, there are {}", names.join(", "))),
                })?
            }
            _ => return Err(way()),
        };
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "seed = 1\n[[source]]\nname = \"a\"\npaths = [\"x\"]\n\n[[phase]]\nname = \"one\"\n\
                        tokens = 5\n[[phase]]\nname = \"two\"\nweights = { a = 1 }\n";

    #[test]
    fn a_setting_is_found_in_the_text() {
        let lines = ["seed", "source.0.paths", "phase.0.tokens", "phase.1.weights.a", "phase.1.alpha", "epochs"];
        assert_eq!(lines.map(|setting| line_of(TEXT, setting)), [Some(1), Some(4), Some(8), Some(11), Some(9), None]);
    }

    #[test]
    fn phases_are_changed_by_name() {
        let mut table: toml::Table = TEXT.parse().expect("TOML");
        set(&mut table, "phase.two.tokens=7").expect("set");
        set(&mut table, "seed = 3").expect("set");
        set(&mut table, "source.a.kind=dynamic").expect("set");
        set(&mut table, "output.shards=2").expect("set");
        let mix: Mix = toml::from_str(&toml::to_string(&table).expect("TOML")).expect("a recipe");
        assert_eq!((mix.seed, mix.phases[1].tokens, mix.output.shards), (3, Some(7), 2));
        assert_eq!(mix.sources[0].kind, yuan_binidx::mix::Kind::Dynamic);
        for wrong in ["phase.tow.tokens=1", "nonsense", "seed.x=1", "phase.tokens=1"] {
            assert!(set(&mut table, wrong).is_err(), "{wrong}");
        }
    }
}
