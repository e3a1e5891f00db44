//! What is asked for: sources, and the phases made of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pass::DTypeChoice;
use crate::{Error, Result};

/// The key of a phase's `languages` for all that it does not name.
pub(super) const OTHERS: &str = "*";

/// A recipe of `mix`: which token sets become which phases of a training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// What the orders of all documents are made of: the same seed, the same mix. Default 0.
    #[serde(default)]
    pub seed: u64,
    /// `mixed`: each phase is written as a set of its own, shuffled. `blend`: only the plan and, for each phase, the string of
    /// weights and prefixes for Megatron's `--data-path`. Default `mixed`.
    #[serde(default)]
    pub write: Write,
    /// How phases are written.
    #[serde(default)]
    pub output: MixOutput,
    /// What there is to mix.
    #[serde(default, rename = "source")]
    pub sources: Vec<Source>,
    /// The phases of the training, in order: each goes on in its sources where the one before stopped.
    #[serde(default, rename = "phase")]
    pub phases: Vec<Phase>,
}

/// What is written for a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// Its documents, shuffled, as a set of its own.
    #[default]
    Mixed,
    /// The weights of its sources.
    Blend,
}

/// How phases are written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MixOutput {
    /// Number type of the tokens: `u16`, `i32`, or `auto`, the widest of the sources'. Default `auto`.
    pub dtype: DTypeChoice,
    /// Sets of about as many tokens for each phase, `tokens-00000-of-00004`; 0 is one set, `tokens`. Default 0.
    pub shards: u32,
}

/// Documents that are mixed as one: whole sets, or those of their documents that `languages`, `sources` and `ids` all name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name, by which phases speak of it.
    pub name: String,
    /// Token sets: prefixes, `.bin` or `.idx` files, globs, or folders (read to the bottom). A relative path starts at the recipe's
    /// folder.
    pub paths: Vec<String>,
    /// Only documents of these languages, as the file of documents has them (`zh` is both scripts, `und` those of no language).
    /// Default all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Only documents from these sources, as the file of documents has them (by default the input file's name); `*` stands for
    /// any letters. Default all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Only documents with such ids; `*` stands for any letters. Default all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// `static` sources (books, encyclopaedias, papers) may be repeated; `dynamic` ones (web, news) are thinned out at
    /// most: a mix that would repeat them is refused. Default `static` (YAYI 2, arXiv:2312.14862, section 2.2).
    #[serde(default)]
    pub kind: Kind,
}

/// Whether a source may be repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It may.
    #[default]
    Static,
    /// There is always more of it: it may not.
    Dynamic,
}

/// A phase of a training. One that says nothing but its name takes each source once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name, and that of its folder.
    pub name: String,
    /// Its tokens. By default those that `epochs` and `budgets` come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Shares ∝ tokens^alpha, where `weights` or `languages` give none: 1 as large as they are, 0 all alike (XLM-R and, by its
    /// citation, PolyLM 0.3). Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// What `alpha` weighs: each `source`, or each `language`. Default `source`.
    #[serde(default)]
    pub by: By,
    /// Shares of the sources, as numbers of any scale: of the phase's tokens less what `epochs` and `budgets` take. Sources
    /// without a number take no part. Default by `alpha`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
    /// Shares of the languages; `"*"` is all others. Within a language sources share by their weights, or by their tokens of
    /// it. Default: what the sources have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub languages: BTreeMap<String, f64>,
    /// How many times a source is taken, instead of a share: 0.5 is every second document, 2 all of them twice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub epochs: BTreeMap<String, f64>,
    /// Tokens of a source, instead of a share.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<String, u64>,
}

/// What is weighed by its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Sources.
    #[default]
    Source,
    /// Languages.
    Language,
}

impl Source {
    /// Whether it is a part of its sets.
    pub(super) fn is_slice(&self) -> bool {
        !(self.languages.is_empty() && self.sources.is_empty() && self.ids.is_empty())
    }
}

impl Mix {
    /// Lets relative paths start at a folder.
    pub fn start_at(&mut self, base: &std::path::Path) {
        for path in self.sources.iter_mut().flat_map(|source| &mut source.paths) {
            *path = base.join(&*path).to_string_lossy().into_owned();
        }
    }

    /// Looks for what cannot be meant, whatever the sets hold.
    ///
    /// # Errors
    /// [`Error::Recipe`] with the setting.
    pub fn check(&self) -> Result<()> {
        for (list, empty) in [("source", self.sources.is_empty()), ("phase", self.phases.is_empty())] {
            if empty {
                let way_out = format!("a mix has at least one `[[{list}]]` with a `name`");
                return Err(wrong(list, format!("there is no `[[{list}]]`")).hinting(way_out));
            }
        }
        unique("source", self.sources.iter().map(|source| &source.name))?;
        unique("phase", self.phases.iter().map(|phase| &phase.name))?;
        for (place, source) in self.sources.iter().enumerate() {
            if source.paths.is_empty() {
                let problem = format!("source `{}` names no path", source.name);
                return Err(wrong(format!("source.{place}.paths"), problem));
            }
        }
        self.phases.iter().enumerate().try_for_each(|(place, phase)| self.check_phase(place, phase))
    }

    fn check_phase(&self, place: usize, phase: &Phase) -> Result<()> {
        let at = |setting: String, problem: String| {
            wrong(format!("phase.{place}.{setting}"), format!("phase `{}`: {problem}", phase.name))
        };
        let name = &phase.name;
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', ':']) || name == "plan.json" {
            return Err(at("name".into(), "this can be no folder's name".into()));
        }
        let weights = phase.weights.keys().map(|name| ("weights", name));
        let epochs = phase.epochs.keys().map(|name| ("epochs", name));
        let named = weights.chain(epochs).chain(phase.budgets.keys().map(|name| ("budgets", name)));
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (setting, source) in named {
            if !self.sources.iter().any(|known| known.name == *source) {
                let names: Vec<_> = self.sources.iter().map(|source| format!("`{}`", source.name)).collect();
                let problem = format!("`{setting}`: there is no source `{source}`");
                let hint = format!("there are {}", names.join(", "));
                return Err(at(format!("{setting}.{source}"), problem).hinting(hint));
            }
            if let Some(other) = seen.insert(source, setting) {
                let problem = format!("source `{source}` stands in `{other}` and in `{setting}`");
                return Err(at(format!("{setting}.{source}"), problem).hinting("leave it in one of them"));
            }
        }
        for (setting, numbers) in
            [("weights", &phase.weights), ("languages", &phase.languages), ("epochs", &phase.epochs)]
        {
            if let Some((name, number)) = numbers.iter().find(|(_, number)| !number.is_finite() || **number < 0.0) {
                let problem = format!("`{setting}`: `{name}` must be 0 or more, not {number}");
                return Err(at(format!("{setting}.{name}"), problem));
            }
            if !numbers.is_empty() && setting != "epochs" && numbers.values().all(|number| *number == 0.0) {
                return Err(at(setting.into(), format!("`{setting}` are all zero")));
            }
        }
        if let Some(alpha) = phase.alpha.filter(|alpha| !(0.0..=1.0).contains(alpha)) {
            return Err(at("alpha".into(), format!("`alpha` must be in [0, 1], not {alpha}")));
        }
        let both = |one: &str, other: &str, hint: &str| {
            Err(at(one.into(), format!("`{one}` and `{other}` say the same in two ways")).hinting(hint))
        };
        let by_language = phase.by == By::Language;
        if by_language && phase.alpha.is_none() {
            return Err(at("by".into(), "`by` is of `alpha`, which is not given".into()).hinting("add `alpha = 0.3`"));
        }
        if by_language && !phase.languages.is_empty() {
            return both("by", "languages", "`alpha` by source goes with `languages`");
        }
        if !by_language && phase.alpha.is_some() && !phase.weights.is_empty() {
            return both("alpha", "weights", "leave one of them out");
        }
        let fixed = !(phase.epochs.is_empty() && phase.budgets.is_empty());
        if fixed && (by_language || !phase.languages.is_empty()) {
            let problem = "shares of languages cannot hold beside `epochs` and `budgets`".into();
            return Err(at(if by_language { "by" } else { "languages" }.into(), problem)
                .hinting("give the sources `weights`, or leave the languages out"));
        }
        let shares = !phase.weights.is_empty() || !phase.languages.is_empty() || phase.alpha.is_some();
        if shares && phase.tokens.is_none() {
            return Err(at("name".into(), "its sources have shares, but of how many tokens?".into())
                .hinting("add `tokens = 1_000_000_000`"));
        }
        Ok(())
    }
}

fn unique<'n>(list: &str, names: impl Iterator<Item = &'n String>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for (place, name) in names.enumerate() {
        if !seen.insert(name) {
            return Err(wrong(format!("{list}.{place}.name"), format!("there are two {list}s `{name}`")));
        }
    }
    Ok(())
}

/// An error in a setting, found by its names and places: `phase.0.weights.books`.
pub(super) fn wrong(setting: impl Into<String>, problem: impl Into<String>) -> Error {
    Error::Recipe { setting: setting.into(), problem: problem.into(), hint: None }
}

/// Where a phase lies in the folder of a mix.
pub(super) fn tokens_of(folder: &std::path::Path, phase: &str) -> PathBuf {
    folder.join(phase).join("tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(phase: Phase) -> String {
        let source = |name: &str| Source { name: name.into(), paths: vec!["a".into()], ..Source::default() };
        let mix = Mix { sources: vec![source("a"), source("b")], phases: vec![phase], ..Mix::default() };
        match mix.check() {
            Err(Error::Recipe { setting, problem, .. }) => format!("{setting}: {problem}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_setting() {
        let phase = Phase { name: "p".into(), tokens: Some(10), ..Phase::default() };
        let of = |names: &[(&str, f64)]| names.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect();
        assert_eq!(told(phase.clone()), "Ok(())");
        let with = |change: &dyn Fn(&mut Phase)| {
            let mut phase = phase.clone();
            change(&mut phase);
            told(phase)
        };
        assert!(
            with(&|phase| phase.weights = of(&[("c", 1.0)]))
                .starts_with("phase.0.weights.c: phase `p`: `weights`: there is no")
        );
        assert!(with(&|phase| phase.weights = of(&[("a", 0.0)])).ends_with("`weights` are all zero"));
        assert!(with(&|phase| phase.languages = of(&[("zh", -1.0)])).ends_with("`zh` must be 0 or more, not -1"));
        assert!(with(&|phase| phase.alpha = Some(f64::NAN)).starts_with("phase.0.alpha"));
        let both = with(&|phase| {
            phase.epochs = of(&[("a", 1.0)]);
            phase.budgets = [("a".to_owned(), 5)].into();
        });
        assert_eq!(both, "phase.0.budgets.a: phase `p`: source `a` stands in `epochs` and in `budgets`");
        assert!(with(&|phase| phase.by = By::Language).contains("`by` is of `alpha`"));
        let shares_of_nothing = with(&|phase| {
            phase.tokens = None;
            phase.weights = of(&[("a", 1.0)]);
        });
        assert!(shares_of_nothing.contains("of how many tokens"), "{shares_of_nothing}");
        assert!(with(&|phase| phase.name = "../p".into()).contains("no folder's name"));
    }
}
