//! The preview of a mix: every number of what would be written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::prepare::{Found, Mixture, Taken};
use super::recipe::{Kind, OTHERS};
use super::slice::key_of;
use crate::DType;

/// Times that a source can be repeated before repeats are worth much less than new tokens (Muennighoff et al. 2023,
/// arXiv:2305.16264, section 6).
const USEFUL_EPOCHS: f64 = 4.0;
/// Part of a target that may be missed without a word.
const TOLERANCE: f64 = 0.01;

/// What a mix comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The number type of what is written.
    pub dtype: DType,
    /// What there is, source by source.
    pub sources: Vec<SourcePlan>,
    /// What is taken, phase by phase.
    pub phases: Vec<PhasePlan>,
    /// What should be looked at before it is run.
    pub warnings: Vec<String>,
}

/// Documents and tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Documents, each as often as it comes.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
}

/// Amounts by language, `und` for documents of which none is known.
pub type ByLanguage = BTreeMap<String, Amount>;

/// A source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourcePlan {
    /// Its name.
    pub name: String,
    /// Whether it may be repeated.
    pub kind: Kind,
    /// The prefixes of its sets.
    pub sets: Vec<PathBuf>,
    /// What it has. Documents without a token take no part.
    pub available: Amount,
    /// How often it is taken in all phases together.
    pub epochs: f64,
    /// What it has, by language.
    pub languages: ByLanguage,
}

/// A phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhasePlan {
    /// Its name.
    pub name: String,
    /// Tokens that its recipe asks for.
    pub target: u64,
    /// What it gets: whole documents.
    pub taken: Amount,
    /// Its sources, those that give nothing among them.
    pub sources: Vec<PhaseSource>,
    /// Its languages.
    pub languages: ByLanguage,
}

/// A source in a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseSource {
    /// Its name.
    pub name: String,
    /// Tokens asked of it.
    pub target: u64,
    /// What it gives.
    pub taken: Amount,
    /// How often it is taken in this phase.
    pub epochs: f64,
    /// How often up to the end of this phase.
    pub epochs_so_far: f64,
    /// Its part of the phase's tokens, in [0, 1].
    pub share: f64,
    /// What it gives, by language.
    pub languages: ByLanguage,
}

impl Amount {
    pub(super) fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.tokens += other.tokens;
    }
}

/// The sum of amounts.
pub(super) fn sum<'a>(amounts: impl IntoIterator<Item = &'a Amount>) -> Amount {
    amounts.into_iter().fold(Amount::default(), |mut sum, amount| {
        sum.add(*amount);
        sum
    })
}

/// A part of a whole, 0 of nothing.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Mixture {
    /// Tells what was found.
    pub(super) fn tell(&mut self, found: &Found, taken: Taken) {
        let (mix, plan) = (&self.mix, &mut self.plan);
        for (source, settings) in mix.sources.iter().enumerate() {
            let languages = found.by_language.sources[source].iter();
            let languages: ByLanguage = languages
                .map(|(name, size)| (name.clone(), Amount { documents: size.documents, tokens: size.tokens }))
                .collect();
            let sets = self.inputs.sets.iter().filter(|set| set.sources.contains(&source));
            plan.sources.push(SourcePlan {
                name: settings.name.clone(),
                kind: settings.kind,
                sets: sets.map(|set| set.tokens.prefix().to_path_buf()).collect(),
                available: sum(languages.values()),
                epochs: 0.0,
                languages,
            });
        }
        let mut so_far = vec![0; mix.sources.len()];
        for ((phase, targets), taken) in mix.phases.iter().zip(&found.targets).zip(taken) {
            let mut languages = ByLanguage::new();
            let mut sources: Vec<PhaseSource> = Vec::new();
            for (source, of) in taken.into_iter().enumerate() {
                let available = plan.sources[source].available.tokens;
                let of: ByLanguage = of.into_iter().collect();
                of.iter().for_each(|(language, amount)| languages.entry(language.clone()).or_default().add(*amount));
                let taken = sum(of.values());
                so_far[source] += taken.tokens;
                plan.sources[source].epochs = ratio(so_far[source], available);
                sources.push(PhaseSource {
                    name: plan.sources[source].name.clone(),
                    target: targets[source].iter().sum(),
                    taken,
                    epochs: ratio(taken.tokens, available),
                    epochs_so_far: ratio(so_far[source], available),
                    share: 0.0,
                    languages: of,
                });
            }
            let taken = sum(languages.values());
            sources.iter_mut().for_each(|source| source.share = ratio(source.taken.tokens, taken.tokens));
            let target = phase.tokens.unwrap_or_else(|| sources.iter().map(|source| source.target).sum());
            plan.phases.push(PhasePlan { name: phase.name.clone(), target, taken, sources, languages });
        }
        self.plan.warnings = self.warnings(found);
    }

    /// What should be looked at.
    fn warnings(&self, found: &Found) -> Vec<String> {
        let (mix, plan, mut told) = (&self.mix, &self.plan, Vec::new());
        for (source, of) in found.ends.iter().enumerate() {
            for (group, ends) in of.iter().enumerate() {
                let epochs = ratio(ends.iter().map(|(_, tokens)| tokens).sum(), found.sizes[source][group].tokens);
                if epochs > USEFUL_EPOCHS {
                    let (name, of) = (&mix.sources[source].name, self.of_group(group));
                    told.push(format!(
                        "source `{name}`: what it has{of} is taken {epochs:.1} times in all; beyond {USEFUL_EPOCHS} times repeats \
                         teach little (Muennighoff et al. 2023)"
                    ));
                }
            }
        }
        for (phase, targets) in plan.phases.iter().zip(&found.targets) {
            let mut missed: Vec<String> = Vec::new();
            let mut miss = |what: String, target: u64, tokens: u64| {
                if tokens.abs_diff(target) as f64 > TOLERANCE * target as f64 {
                    missed.push(format!("{what}{tokens} of {target}"));
                }
            };
            miss(String::new(), phase.target, phase.taken.tokens);
            for source in &phase.sources {
                miss(format!("`{}` ", source.name), source.target, source.taken.tokens);
            }
            for (group, name) in self.groups.names.iter().enumerate().filter(|_| self.groups.names.len() > 1) {
                let target = targets.iter().map(|of| of[group]).sum();
                let is_of = |(language, _): &(&String, &Amount)| self.groups.of_language[*language] == group;
                let tokens = phase.languages.iter().filter(is_of).map(|(_, amount)| amount.tokens).sum();
                let what = if name == OTHERS { "other languages ".into() } else { format!("`{name}` ") };
                miss(what, target, tokens);
            }
            if !missed.is_empty() {
                told.push(format!(
                    "phase `{}` misses its tokens by more than {} %, as documents are whole: {}",
                    phase.name,
                    100.0 * TOLERANCE,
                    missed.join(", ")
                ));
            }
        }
        for ((one, other), documents) in &found.by_language.overlaps {
            let (one, other) = (&mix.sources[*one].name, &mix.sources[*other].name);
            told.push(format!("{documents} documents belong to `{one}` and to `{other}`: each takes them by itself"));
        }
        let there = &self.groups.of_language;
        let missing = |key: &&String| {
            let is = |own: &str| (own == **key).then_some("");
            **key != OTHERS && !there.keys().any(|language| key_of(language, is).is_some())
        };
        for phase in &mix.phases {
            let missing = phase.languages.keys().filter(missing);
            told.extend(missing.map(|key| {
                format!("phase `{}`: no document is of language `{key}`, its share stays empty", phase.name)
            }));
        }
        for source in &mix.sources {
            let missing = source.languages.iter().filter(missing);
            told.extend(missing.map(|key| format!("source `{}`: no document is of language `{key}`", source.name)));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_nothing_are_nothing() {
        assert_eq!([ratio(0, 0), ratio(5, 0), ratio(1, 4)], [0.0, 0.0, 0.25]);
        let two = [Amount { documents: 1, tokens: 5 }, Amount { documents: 2, tokens: 0 }];
        assert_eq!(sum(&two), Amount { documents: 3, tokens: 5 });
    }
}
