//! Presets: the published recipes of `recipes/`, built in.

use clap::ValueEnum;

use crate::hints::{did_you_mean, usage};
use crate::recipe::{Recipe, StageConfig};

/// Whose definitions stages follow as `compat`.
const PEERS: [&str; 9] =
    ["datatrove", "c4", "fineweb", "dclm", "dolma", "ccnet", "roots", "data-juicer", "huggingface"];

/// A published recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Gopher's quality and repetition rules, in each document's language
    Gopher,
    /// C4: lines that end in punctuation, bad words, boilerplate
    C4,
    /// FineWeb: Gopher, C4 without its punctuation rule, FineWeb's own, personal data masked
    Fineweb,
    /// FineWeb-2: thresholds of each language
    Fineweb2,
    /// RefinedWeb: Gopher, then corrections line by line
    Refinedweb,
    /// DCLM's heuristic stage, exactly as it defines it
    Dclm,
    /// Yuan 2.0: Chinese and English web text, books and encyclopaedias beside code
    Yuan2,
    /// YAYI 2: standardise, clean by document, line, word and character, toxicity
    Yayi2,
    /// PolyLM: six families of rules in 18 languages, a classifier of English, perplexity
    Polylm,
    /// CCNet: perplexity to a model of good text, the best 60 percent of each language
    Ccnet,
    /// Source code, notebooks, commit messages
    Code,
}

impl Preset {
    fn toml(self) -> &'static str {
        match self {
            Self::Gopher => include_str!("../../recipes/gopher.toml"),
            Self::C4 => include_str!("../../recipes/c4.toml"),
            Self::Fineweb => include_str!("../../recipes/fineweb.toml"),
            Self::Fineweb2 => include_str!("../../recipes/fineweb2.toml"),
            Self::Refinedweb => include_str!("../../recipes/refinedweb.toml"),
            Self::Dclm => include_str!("../../recipes/dclm.toml"),
            Self::Yuan2 => include_str!("../../recipes/yuan2.toml"),
            Self::Yayi2 => include_str!("../../recipes/yayi2.toml"),
            Self::Polylm => include_str!("../../recipes/polylm.toml"),
            Self::Ccnet => include_str!("../../recipes/ccnet.toml"),
            Self::Code => include_str!("../../recipes/code.toml"),
        }
    }

    /// Its stages.
    pub fn stages(self) -> Vec<StageConfig> {
        let recipe: Recipe = toml::from_str(self.toml()).expect("every preset is read by a test");
        recipe.stages
    }
}

/// The stages with `compat = PEER` wherever a stage knows that peer's definition.
///
/// # Errors
/// If none of them does.
pub fn with_compat(stages: Vec<StageConfig>, peer: &str) -> anyhow::Result<Vec<StageConfig>> {
    let mut known: Vec<&'static str> = Vec::new();
    let changed = stages.into_iter().map(|stage| {
        let mut settings = serde_json::to_value(&stage).expect("settings are plain values");
        let own = &mut settings[stage.name()];
        if own.get("compat").is_none() {
            return stage;
        }
        own["compat"] = peer.into();
        match serde_json::from_value::<StageConfig>(settings) {
            Ok(changed) => {
                known.push(changed.name());
                changed
            }
            Err(_) => stage,
        }
    });
    let changed: Vec<StageConfig> = changed.collect();
    if known.is_empty() {
        let listing = format!(
            "the peers are {}; `yuan-data stages NAME` tells which of them a stage knows as `compat`",
            PEERS.join(", ")
        );
        let hint = match did_you_mean(peer, PEERS).filter(|meant| *meant != peer) {
            Some(meant) => format!("did you mean `{meant}`? {listing}"),
            None => listing,
        };
        return Err(usage(format!("no stage here knows the definition of `{peer}`"), hint));
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_planned() {
        for preset in Preset::value_variants() {
            let recipe = Recipe { stages: preset.stages(), ..Recipe::default() };
            assert!(recipe.stages.len() >= 3, "{preset:?}");
            let plan = recipe.plan(std::path::Path::new(""), std::path::Path::new("run")).expect("a plan");
            plan.sweeps().unwrap_or_else(|error| panic!("{preset:?}: {error}"));
        }
    }

    #[test]
    fn a_peer_is_followed_by_the_stages_that_know_it() {
        let stages = with_compat(Preset::Gopher.stages(), "datatrove").expect("known");
        let text = toml::to_string(&Recipe { stages, ..Recipe::default() }).expect("TOML");
        assert_eq!(text.matches("compat = \"datatrove\"").count(), 2);
        assert!(with_compat(Preset::Gopher.stages(), "nobody").is_err());
    }
}
