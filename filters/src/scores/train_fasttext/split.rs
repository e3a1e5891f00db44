//! Which examples are learnt from, which are tested on, and which are left out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use yuan_pipeline::{Error, Result};

use super::examples::{Example, Unread, for_each};
use super::{TrainFastTextConfig, wrong};

/// What an example is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Learnt,
    Tested,
}

/// The sample, and its halves.
pub(super) struct Split {
    /// Examples of this rank and below are in the sample.
    last_rank: u64,
    /// Groups whose hash, from 0 to 2³², is below this are tested on.
    held_out_below: u64,
    /// By label: examples to learn from, to test on.
    pub labels: BTreeMap<String, (u64, u64)>,
    /// Examples in the sample, and their bytes.
    pub examples: u64,
    pub bytes: u64,
}

impl Split {
    /// Chooses the sample: the examples of lowest rank, up to `sample_bytes`.
    pub(super) fn of(config: &TrainFastTextConfig, partials: &[PathBuf]) -> Result<Self> {
        let mut ranks: Vec<(u64, u64)> = Vec::new();
        for_each(partials, |example| {
            ranks.push((example.rank, example.text.len() as u64));
            Ok::<(), Error>(())
        })?;
        ranks.sort_unstable();
        let mut bytes = 0;
        let last = ranks.iter().take_while(|(_, length)| {
            bytes += length;
            bytes <= config.sample_bytes
        });
        let last_rank = last.last().map_or(0, |(rank, _)| *rank);
        let held_out_below = (config.holdout_fraction * 2f64.powi(32)) as u64;
        let mut split = Self { last_rank, held_out_below, labels: BTreeMap::new(), examples: 0, bytes: 0 };
        for_each(partials, |example| {
            if let Some(part) = split.part(example) {
                let count = split.labels.entry(example.label.clone()).or_default();
                *(if part == Part::Learnt { &mut count.0 } else { &mut count.1 }) += 1;
                split.examples += 1;
                split.bytes += example.text.len() as u64;
            }
            Ok::<(), Error>(())
        })?;
        Ok(split)
    }

    /// What an example is for; `None` if it is not in the sample.
    pub(super) fn part(&self, example: &Example) -> Option<Part> {
        if example.rank > self.last_rank {
            return None;
        }
        Some(if example.group >> 32 < self.held_out_below { Part::Tested } else { Part::Learnt })
    }

    /// Whether there is something to learn.
    ///
    /// # Errors
    /// If there are no examples, or all have one label, or a label has none on one of the sides.
    pub(super) fn check(&self, config: &TrainFastTextConfig) -> Result<()> {
        let listed = || self.labels.keys().take(8).map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        if self.labels.is_empty() {
            let field = &config.label_field;
            return Err(wrong(
                format!("no document has a label in the field `{field}`"),
                "name the field with `label_field`, or give `good_files` and `bad_files`",
            ));
        }
        if self.labels.len() == 1 {
            let problem = format!("all {} documents have the label {}", self.examples, listed());
            return Err(wrong(problem, "a classifier tells at least two labels apart"));
        }
        let unlearnt = self.labels.iter().find(|(_, (learnt, _))| *learnt == 0);
        if let Some((label, (_, tested))) = unlearnt {
            return Err(wrong(
                format!("all {tested} documents with the label `{label}` were held out for the test"),
                "give more documents, or another `group_field`: all documents of a group are on one side",
            ));
        }
        Ok(())
    }

    /// Calls `seen` with the examples of a part, in order.
    pub(super) fn for_each<E: From<Unread>>(
        &self,
        partials: &[PathBuf],
        part: Part,
        mut seen: impl FnMut(&Example) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        for_each(partials, |example| if self.part(example) == Some(part) { seen(example) } else { Ok(()) })
    }
}
