//! The string of weights and prefixes from which Megatron mixes by itself.
//!
//! `W1 PREFIX1 W2 PREFIX2 …`, as `--data-path` takes it: each sample comes from a set with the probability of its weight, so
//! weights are shares of tokens. A set takes part as a whole or not at all; a mix of parts of sets must be written.

use std::path::{Path, PathBuf};

use super::inputs::Set;
use super::plan::ratio;
use super::prepare::Mixture;
use super::recipe::{By, Write, wrong};
use crate::Result;

/// Decimals of a weight.
const DECIMALS: usize = 10;

/// The string for sets of these shares.
pub(super) fn blend<'p>(sets: impl IntoIterator<Item = (f64, &'p Path)>) -> String {
    let weight = |share: f64| {
        let weight = format!("{share:.DECIMALS$}");
        weight.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let parts = sets.into_iter().filter(|(share, _)| *share > 0.0);
    let parts: Vec<String> = parts.map(|(share, prefix)| format!("{} {}", weight(share), prefix.display())).collect();
    parts.join(" ") + "\n"
}

impl Mixture {
    /// Whether all phases can be told as blends, if that is asked for.
    pub(super) fn check_blends(&self) -> Result<()> {
        if self.mix.write != Write::Blend {
            return Ok(());
        }
        let only_mixed = "write = \"mixed\" writes it as a set; or tokenize that part into a set of its own";
        for (place, (phase, plan)) in self.mix.phases.iter().zip(&self.plan.phases).enumerate() {
            for (source, settings) in plan.sources.iter().zip(&self.mix.sources).filter(|(of, _)| of.taken.tokens > 0) {
                if settings.is_slice() {
                    let number = self.mix.sources.iter().position(|known| known.name == settings.name).unwrap_or(0);
                    let problem =
                        format!("source `{}` is a part of its sets, and a blend is of whole sets", source.name);
                    return Err(wrong(format!("source.{number}.name"), problem).hinting(only_mixed));
                }
                let of_language = &self.groups.of_language;
                let mut groups: Vec<Option<&str>> = source
                    .languages
                    .keys()
                    .filter_map(|language| of_language.get(language))
                    .map(|group| match phase.by {
                        By::Language => Some(self.groups.names[*group].as_str()),
                        By::Source => self.groups.key_in(*group, phase),
                    })
                    .collect();
                groups.sort_unstable();
                groups.dedup();
                if groups.len() > 1 {
                    let problem = format!(
                        "phase `{}`: source `{}` has several languages, and a blend cannot weigh them",
                        phase.name, source.name
                    );
                    return Err(wrong(format!("phase.{place}.name"), problem).hinting(only_mixed));
                }
            }
        }
        Ok(())
    }

    /// The blend of a phase's sources: a source's share is shared by its sets as they are large.
    pub(super) fn blend_of(&self, phase: usize) -> String {
        let mut shares: Vec<(f64, PathBuf)> =
            self.inputs.sets.iter().map(|set| (0.0, set.tokens.prefix().to_path_buf())).collect();
        for (source, of) in self.plan.phases[phase].sources.iter().enumerate() {
            let is_its = |set: &Set| set.sources.contains(&source);
            let sets: Vec<u64> =
                self.inputs.sets.iter().map(|set| if is_its(set) { set.length() } else { 0 }).collect();
            for ((share, _), tokens) in shares.iter_mut().zip(&sets) {
                *share += of.share * ratio(*tokens, sets.iter().sum());
            }
        }
        blend(shares.iter().map(|(share, prefix)| (*share, prefix.as_path())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blend_is_weights_and_prefixes() {
        let sets = [(0.1 + 0.2, Path::new("a/b")), (0.0, Path::new("c")), (0.7, Path::new("d"))];
        assert_eq!(blend(sets), "0.3 a/b 0.7 d\n");
        assert_eq!(blend([(1.0, Path::new("one"))]), "1 one\n");
    }
}
