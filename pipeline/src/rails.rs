//! Safety rails: a step that takes far too much of a source or language, or nothing at all, is told.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::batch::Tally;

/// When a run warns that a step drops too much or nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rails {
    /// Greatest fraction, in [0, 1], of the documents of one source or language that a step may drop without a
    /// warning. Default 0.9; 1 turns the warning off.
    pub max_dropped_fraction: f64,
    /// A source or language with fewer documents than this gives no warning. Default 100.
    pub min_documents: u64,
    /// Whether a step that judges documents and drops none at all is told. Default true.
    pub warn_if_nothing_dropped: bool,
    /// Whether the run stops with an error once the sweep with the first warning is done. Default false.
    pub stop: bool,
}

impl Default for Rails {
    fn default() -> Self {
        Self { max_dropped_fraction: 0.9, min_documents: 100, warn_if_nothing_dropped: true, stop: false }
    }
}

/// A step that dropped too much of something, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The step's name.
    pub step: String,
    /// `source`, `language`, or empty for all documents.
    pub stratum: String,
    /// Which source or language.
    pub name: String,
    /// Documents that came to the step.
    pub entered: u64,
    /// Documents that it dropped.
    pub dropped: u64,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { step, stratum, name, entered, dropped } = self;
        if *dropped == 0 {
            return write!(out, "`{step}` dropped none of {entered} documents");
        }
        let percent = 100.0 * *dropped as f64 / *entered as f64;
        write!(out, "`{step}` dropped {dropped} of the {entered} documents of {stratum} `{name}` ({percent:.1} %)")
    }
}

/// Documents by stratum (`source`, `language`) and name.
pub(crate) type ByStratum = BTreeMap<(String, String), u64>;

/// What came of one sweep, as far as rails ask.
#[derive(Debug, Default)]
pub(crate) struct Strata {
    /// Documents that came through the sweep.
    pub kept: ByStratum,
    /// The sweep's steps in order.
    pub steps: Vec<StepStrata>,
}

/// What one step dropped.
#[derive(Debug, Default)]
pub(crate) struct StepStrata {
    pub name: String,
    /// Whether dropping nothing is worth a word.
    pub is_expected_to_drop: bool,
    pub dropped: ByStratum,
    /// What it dropped beside because the recipe asks for it.
    pub asked: ByStratum,
}

impl Rails {
    /// The breaches of one sweep.
    pub(crate) fn breaches(&self, strata: &Strata) -> Vec<Breach> {
        let mut found = Vec::new();
        // What came to a step is what is left of it behind the sweep, and what it and later steps dropped.
        let mut entered = strata.kept.clone();
        for step in strata.steps.iter().rev() {
            let dropped = &step.dropped;
            for (key, count) in dropped.iter().chain(&step.asked) {
                *entered.entry(key.clone()).or_default() += count;
            }
            let breach = |(stratum, name): &(String, String), entered, dropped| Breach {
                step: step.name.clone(),
                stratum: stratum.clone(),
                name: name.clone(),
                entered,
                dropped,
            };
            let limit = self.max_dropped_fraction;
            let too_much = dropped.iter().filter_map(|(key, &count)| {
                let whole = entered[key];
                let breaks = whole >= self.min_documents && count as f64 > limit * whole as f64;
                breaks.then(|| breach(key, whole, count))
            });
            let mut of_step: Vec<Breach> = too_much.collect();
            let all: u64 = entered.iter().filter(|((stratum, _), _)| stratum == "source").map(|(_, count)| count).sum();
            let nothing = dropped.is_empty() && step.asked.is_empty();
            if nothing && step.is_expected_to_drop && self.warn_if_nothing_dropped && all >= self.min_documents {
                of_step.push(breach(&(String::new(), String::new()), all, 0));
            }
            found.splice(0..0, of_step);
        }
        found
    }
}

/// Sums counts whose kind is one of `kinds` into strata: `kept_source` and `kept_language`, say.
pub(crate) fn by_stratum<'a>(counts: impl Iterator<Item = (&'a str, &'a str, Tally)>, prefix: &str) -> ByStratum {
    let mut strata = BTreeMap::new();
    for (kind, key, tally) in counts {
        if let Some(stratum) = kind.strip_prefix(prefix) {
            *strata.entry((stratum.to_owned(), key.to_owned())).or_default() += tally.documents;
        }
    }
    strata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strata(kept: &[(&str, u64)], steps: &[(&str, &[(&str, u64)])]) -> Strata {
        let of = |counts: &[(&str, u64)]| -> ByStratum {
            counts.iter().map(|(name, count)| (("source".into(), (*name).into()), *count)).collect()
        };
        let step = |(name, dropped): &(&str, &[(&str, u64)])| StepStrata {
            name: (*name).into(),
            is_expected_to_drop: true,
            dropped: of(dropped),
            asked: ByStratum::new(),
        };
        Strata { kept: of(kept), steps: steps.iter().map(step).collect() }
    }

    #[test]
    fn what_comes_to_a_step_is_what_it_and_later_ones_drop_or_keep() {
        let rails = Rails { max_dropped_fraction: 0.5, min_documents: 10, ..Rails::default() };
        let strata = strata(&[("a", 10), ("b", 900)], &[("one", &[("a", 60), ("b", 50)]), ("two", &[("a", 30)])]);
        let told: Vec<String> = rails.breaches(&strata).iter().map(Breach::to_string).collect();
        assert_eq!(
            told,
            [
                "`one` dropped 60 of the 100 documents of source `a` (60.0 %)",
                "`two` dropped 30 of the 40 documents of source `a` (75.0 %)"
            ]
        );
    }

    #[test]
    fn what_the_recipe_asks_for_is_no_cause_for_a_warning() {
        let mut strata = strata(&[("a", 1)], &[("early", &[("a", 500)]), ("language", &[])]);
        strata.steps[1].asked = [(("source".into(), "a".into()), 499)].into();
        assert!(Rails::default().breaches(&strata).is_empty(), "500 of 1000 and 499 of 500 that were asked for");
    }

    #[test]
    fn dropping_nothing_is_told_unless_there_is_little() {
        let rails = Rails::default();
        assert_eq!(
            rails.breaches(&strata(&[("a", 100)], &[("one", &[])]))[0].to_string(),
            "`one` dropped none of 100 documents"
        );
        assert!(rails.breaches(&strata(&[("a", 99)], &[("one", &[])])).is_empty());
        let off = Rails { warn_if_nothing_dropped: false, ..rails };
        assert!(off.breaches(&strata(&[("a", 100)], &[("one", &[])])).is_empty());
    }
}
