//! A recipe: the TOML file, and the plan it becomes.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Error, Input, Output, Plan, Rails};

use crate::hints::{did_you_mean, usage};
use crate::settings;
pub use crate::steps::StageConfig;

/// What to do with which documents: the whole of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Where the documents come from.
    pub input: Input,
    /// How they are written.
    #[serde(default)]
    pub output: Output,
    /// When a step that drops too much of a source or language, or nothing, is told.
    #[serde(default)]
    pub rails: Rails,
    /// What happens to them, in order.
    #[serde(default, rename = "stage")]
    pub stages: Vec<StageConfig>,
}

impl Recipe {
    /// Reads a recipe file and applies `path=value` changes.
    pub fn read(path: &Path, changes: &[String]) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let in_file = |line: Option<usize>| {
            let line = line.map_or_else(String::new, |line| format!(" line {line}"));
            format!("`{}`{line}", path.display())
        };
        let mut table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| mistake(&in_file(line_of_error(&text, &error)), &text, &error))?;
        changes.iter().try_for_each(|change| set(&mut table, change))?;
        if let Some(wrong) = settings::first_mistake(&table) {
            let change = changes.iter().rev().find(|change| is_below(&wrong.path, path_of(change)));
            let place =
                change.map_or_else(|| in_file(line_of(&text, &wrong.path)), |change| format!("`--set {change}`"));
            return Err(usage(format!("{place}: `{}` {}", wrong.path, wrong.problem), None));
        }
        let changed =
            if changes.is_empty() { text.clone() } else { toml::to_string(&table).context("the changed recipe")? };
        let mut recipe: Self = toml::from_str(&changed).map_err(|error| {
            let place = match guilty(&text, changes) {
                Some(change) => format!("`--set {change}`"),
                None => in_file(line_of_error(&changed, &error).filter(|_| changes.is_empty())),
            };
            mistake(&place, &changed, &error)
        })?;
        let base = base_of(path);
        for input in &mut recipe.input.paths {
            if input != "-" && Path::new(input).is_relative() {
                *input = base.join(&*input).to_string_lossy().into_owned();
            }
        }
        Ok(recipe)
    }

    /// The recipe with `path=value` changes.
    ///
    /// # Errors
    /// If a change names no setting, or its value is none for it.
    pub fn with(&self, changes: &[String]) -> anyhow::Result<Self> {
        let mut recipe = self.clone();
        for change in changes {
            let mut table = toml::Table::try_from(&recipe).context("the recipe")?;
            set(&mut table, change)?;
            if let Some(wrong) = settings::first_mistake(&table) {
                return Err(usage(format!("`--set {change}`: `{}` {}", wrong.path, wrong.problem), None));
            }
            let text = toml::to_string(&table).context("the changed recipe")?;
            recipe = toml::from_str(&text).map_err(|error| mistake(&format!("`--set {change}`"), &text, &error))?;
        }
        Ok(recipe)
    }

    /// The plan for a run in `folder`; paths of stages start at `base`.
    pub fn plan(&self, base: &Path, folder: &Path) -> Result<Plan, Error> {
        let mut made: Vec<PathBuf> = Vec::new();
        let mut steps = Vec::new();
        for stage in &self.stages {
            steps.push(stage.step(base, folder, &made)?);
            made.extend(stage.makes().map(Path::to_path_buf));
        }
        let mut seen: Vec<String> = Vec::new();
        for step in &mut steps {
            let times = seen.iter().filter(|name| **name == step.name).count();
            seen.push(step.name.clone());
            if times > 0 {
                step.name = format!("{}_{}", step.name, times + 1);
            }
        }
        Ok(Plan {
            input: self.input.clone(),
            output: self.output.clone(),
            rails: self.rails.clone(),
            steps,
            folder: folder.to_path_buf(),
            retuned_from: None,
        })
    }
}

/// The folder that a recipe's relative paths start at.
pub fn base_of(recipe: &Path) -> PathBuf {
    recipe.parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The first change without which the recipe can be read, and with which it cannot.
fn guilty<'c>(text: &str, changes: &'c [String]) -> Option<&'c String> {
    let mut table: toml::Table = text.parse().ok()?;
    let reads = |table: &toml::Table| toml::to_string(table).is_ok_and(|text| toml::from_str::<Recipe>(&text).is_ok());
    let mut sound = reads(&table);
    changes.iter().find(|change| {
        let was_sound = sound;
        sound = set(&mut table, change).is_ok() && reads(&table);
        was_sound && !sound
    })
}

/// `gopher_quality.min_words` of `gopher_quality.min_words=30`.
pub fn path_of(change: &str) -> &str {
    change.split('=').next().unwrap_or(change).trim()
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The line of a setting, the last word of whose path stands behind the first.
fn line_of(text: &str, path: &str) -> Option<usize> {
    let (head, last) = (path.split('.').next()?, path.rsplit('.').next()?);
    let has =
        |line: &str, word: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|known| known == word);
    let below = text.lines().enumerate().skip_while(|(_, line)| !has(line, head));
    below.filter(|(_, line)| has(line, last)).map(|(line, _)| line + 1).next()
}

/// The place in a recipe's list of the step that `--set` and the measures know by this name: `c4_2` is the second `c4`.
pub fn place_of<'s>(stages: impl Iterator<Item = &'s str>, step: &str) -> Option<usize> {
    let mut seen: Vec<&str> = Vec::new();
    for (place, name) in stages.enumerate() {
        let times = seen.iter().filter(|known| **known == name).count();
        if (times == 0 && name == step) || (times > 0 && format!("{name}_{}", times + 1) == step) {
            return Some(place);
        }
        seen.push(name);
    }
    None
}

/// Applies `minhash.bands=10` to a recipe: the first word is `input`, `output`, `rails` or a step.
fn set(table: &mut toml::Table, change: &str) -> anyhow::Result<()> {
    let wrong = || usage(format!("`--set {change}` is not PATH=VALUE"), "write `--set minhash.bands=10`".to_owned());
    let (path, value) = change.split_once('=').ok_or_else(wrong)?;
    let (head, key) = path.trim().split_once('.').ok_or_else(wrong)?;
    // A bare word is a string.
    let value = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("v"));
    let value = value.unwrap_or_else(|| toml::Value::String(change.split_once('=').expect("checked").1.into()));
    let target = if matches!(head, "input" | "output" | "rails") {
        Some(table.entry(head).or_insert_with(|| toml::Table::new().into()))
    } else {
        let stages = table.get_mut("stage").and_then(toml::Value::as_array_mut);
        let stages = stages.map_or(&mut [][..], Vec::as_mut_slice);
        let name = |stage: &toml::Value| stage.as_table().and_then(|stage| stage.keys().next().cloned());
        let names: Vec<String> = stages.iter().map(|stage| name(stage).unwrap_or_default()).collect();
        let Some(place) = place_of(names.iter().map(String::as_str), head) else {
            let known = ["input", "output", "rails"].into_iter().chain(names.iter().map(String::as_str));
            let hint = match did_you_mean(head, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("it has {}", listed(&names.iter().map(String::as_str).collect::<Vec<_>>())),
            };
            return Err(usage(format!("`--set {change}`: the recipe has no stage `{head}`"), hint));
        };
        stages[place].get_mut(&names[place])
    };
    let Some(mut target) = target else { return Err(wrong()) };
    for part in key.split('.') {
        let table = target.as_table_mut().ok_or_else(wrong)?;
        target = table.entry(part).or_insert_with(|| toml::Table::new().into());
    }
    *target = value;
    Ok(())
}

/// The line that TOML's error is about.
pub fn line_of_error(text: &str, error: &toml::de::Error) -> Option<usize> {
    error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1)
}

/// A TOML mistake at a place that is named to people, and the name that was probably meant.
pub fn mistake(place: &str, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let line = line_of_error(text, error);
    let stage = line.and_then(|line| stage_at(text, line));
    let message = error.message();
    let mut names = message.split('`').skip(1).step_by(2);
    let wrong = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    let (problem, listing) = if message.starts_with("unknown field") {
        match &stage {
            Some(stage) => {
                (format!("`{stage}` has no field `{wrong}`"), format!("`yuan-data stages {stage}` lists them all"))
            }
            None => (format!("there is no field `{wrong}` here"), format!("there are {}", listed(&known))),
        }
    } else if message.starts_with("unknown variant") && known.contains(&"gopher_quality") {
        (format!("there is no stage `{wrong}`"), "`yuan-data stages` lists them all".to_owned())
    } else {
        // Our own messages have the way out in a second line.
        let mut lines = message.lines();
        let first = lines.next().unwrap_or(message);
        return usage(format!("{place}: {first}"), lines.next().map(str::to_owned));
    };
    let hint = match did_you_mean(wrong, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? {listing}"),
        None => listing,
    };
    usage(format!("{place}: {problem}"), hint)
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The stage whose settings stand on a line of a recipe.
fn stage_at(text: &str, line: usize) -> Option<String> {
    let names = crate::stages::names();
    for text in text.lines().take(line).collect::<Vec<_>>().into_iter().rev() {
        let text = text.trim_start();
        if text.starts_with("[[stage]]") || ["[input", "[output", "[rails"].iter().any(|head| text.starts_with(head)) {
            return None;
        }
        let word = text.trim_start_matches("[stage.").split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        if names.contains(&word) {
            return Some(word.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_a_readable_list() {
        let text = "[input]\npaths = [\"a.jsonl\"]\n[[stage]]\nnormalize = {}\n[[stage]]\nminhash = { bands = 10 }\n";
        let recipe: Recipe = toml::from_str(text).expect("a recipe");
        assert_eq!(recipe.stages.iter().map(StageConfig::name).collect::<Vec<_>>(), ["normalize", "minhash"]);
    }

    #[test]
    fn a_misspelt_name_is_told_with_its_line_and_what_was_meant() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.toml");
        let try_recipe = |text: &str| {
            std::fs::write(&path, text).expect("written");
            let error = Recipe::read(&path, &[]).expect_err("a mistake");
            let usage = error.downcast::<crate::hints::Usage>().expect("a usage error");
            (usage.problem.rsplit("r.toml` ").next().expect("text").to_owned(), usage.hint.unwrap_or_default())
        };
        let (problem, hint) = try_recipe("[input]\npaths = []\n[[stage]]\nminhash = { bandz = 3 }\n");
        assert_eq!(problem, "line 4: `minhash` has no field `bandz`");
        assert!(hint.starts_with("did you mean `bands`?"), "{hint}");
        let (problem, hint) = try_recipe("[input]\npaths = []\n[[stage]]\nminhsh = {}\n");
        assert_eq!(problem, "line 4: there is no stage `minhsh`");
        assert!(hint.starts_with("did you mean `minhash`?"), "{hint}");
        let (problem, _) = try_recipe("[input]\npath = []\n");
        assert_eq!(problem, "line 2: there is no field `path` here");
    }

    #[test]
    fn a_setting_is_changed_from_outside() {
        let mut table: toml::Table = "[input]\npaths = []\n[[stage]]\nminhash = {}\n".parse().expect("TOML");
        set(&mut table, "minhash.bands=10").expect("set");
        set(&mut table, "input.text_field=body").expect("set");
        let recipe: Recipe = toml::from_str(&toml::to_string(&table).expect("TOML")).expect("a recipe");
        assert_eq!(recipe.input.text_field, "body");
        assert!(matches!(&recipe.stages[0], StageConfig::Minhash(minhash) if minhash.bands == 10));
        assert!(set(&mut table, "exact.key=text").is_err());
        let error = set(&mut table, "minhsh.bands=10").expect_err("refused").downcast::<crate::hints::Usage>();
        assert_eq!(error.expect("a usage error").hint.as_deref(), Some("did you mean `minhash`?"));
        let names = ["c4", "minhash", "c4"];
        assert_eq!(["c4", "c4_2", "c4_3"].map(|step| place_of(names.into_iter(), step)), [Some(0), Some(2), None]);
    }
}
