//! What trainings came to: a line for each, so that none is done twice.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use yuan_eval::lines::Lines;

/// What a training came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The recipe's name.
    pub recipe: String,
    /// The seed of the training.
    pub seed: u32,
    /// What the training depends on.
    pub fingerprint: String,
    /// By domain.
    pub bits_per_byte: BTreeMap<String, f64>,
}

/// The file of outcomes, which one command at a time writes.
pub struct Results {
    lines: Lines,
    known: Vec<Outcome>,
}

impl Results {
    /// Reads what is known.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let mut known = Vec::new();
        let lines = Lines::open(path, &mut |outcome| known.push(outcome))?;
        Ok(Self { lines, known })
    }

    /// The outcome of a training that was done.
    pub fn find(&self, recipe: &str, seed: u32, fingerprint: &str) -> Option<&Outcome> {
        let is_it = |known: &&Outcome| known.recipe == recipe && known.seed == seed && known.fingerprint == fingerprint;
        self.known.iter().find(is_it)
    }

    /// Adds an outcome.
    pub fn append(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        self.lines.append(outcome)?;
        self.known.push(outcome.clone());
        Ok(())
    }
}
