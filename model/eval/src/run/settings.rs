//! How tasks are asked.

use crate::tasks::Shots;
use crate::{Error, Result, Writing};

/// How tasks are asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the model is: results of another one are none of this.
    pub model: String,
    /// Ask so many items of each task, the first ones.
    pub limit: Option<usize>,
    /// Examples before the question.
    pub shots: Shots,
    /// Texts for each item; more than one are voted on.
    pub samples: usize,
    /// What logits are divided by; 0 takes the likeliest token.
    pub temperature: f64,
    /// Choose among so many likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Choose among the likeliest tokens that make up this share.
    pub top_p: f64,
    /// Other seeds, other texts.
    pub seed: u64,
    /// Most new tokens, instead of the task's own.
    pub max_new_tokens: Option<usize>,
    /// Texts with tests that the model writes for each program, to choose among samples; 0 for none.
    pub tests: usize,
}

impl Settings {
    /// The greedy answers of a model.
    pub fn of(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            limit: None,
            shots: Shots::default(),
            samples: 1,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            seed: 0,
            max_new_tokens: None,
            tests: 0,
        }
    }

    /// What makes no sense.
    ///
    /// # Errors
    /// No samples, several without a temperature, a share or a temperature out of range.
    pub fn check(&self) -> Result<()> {
        let wrong = |problem: &str, hint: &'static str| Err(Error::request(problem, hint));
        if self.samples == 0 {
            return wrong("there is nothing to ask: `--samples` is at least 1", "leave it away for 1");
        }
        if !(0.0..=100.0).contains(&self.temperature) || !(0.0..=1.0).contains(&self.top_p) || self.top_p == 0.0 {
            return wrong("temperature is from 0 to 100, top-p above 0 and at most 1", "0.7 and 0.95 are usual");
        }
        if self.samples > 1 && self.temperature == 0.0 {
            return wrong("at temperature 0 all samples are the same", "say `--temperature 0.7` as well");
        }
        if self.tests > 0 && self.samples == 1 {
            return wrong(
                "tests choose among samples, and there is one",
                "say `--samples 10 --temperature 0.7` as well",
            );
        }
        Ok(())
    }

    /// How an item's texts are written, whose task has them so long.
    pub(super) fn writing(&self, max_new_tokens: usize) -> Writing {
        Writing {
            max_new_tokens: self.max_new_tokens.unwrap_or(max_new_tokens),
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            seed: self.seed,
            stop: Vec::new(),
        }
    }
}
