//! What is known of one item: a line of the file of results.

use serde::{Deserialize, Serialize};

use crate::Likelihood;
use crate::tasks::{Choice, Item, Judge};

/// A text that was written, and what was found in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The text.
    pub text: String,
    /// The answer in it; for a program the program.
    pub answer: Option<String>,
    /// Whether it is right; `None` for a program that was not run.
    pub correct: Option<bool>,
    /// Whether the text ended by itself.
    pub has_ended: bool,
}

/// What options came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// Log-probability of each; `None` for minus infinity.
    pub log_probs: Vec<Option<f64>>,
    /// Whether each was what the model would have written.
    pub greedy: Vec<bool>,
    /// Whether the likeliest for each character is right: lm-eval's `acc_norm`.
    pub correct_by_characters: bool,
    /// Whether the likeliest for each byte is right: lm-eval's `acc_bytes`.
    pub correct_by_bytes: bool,
}

/// What is known of one item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// The task.
    pub task: String,
    /// Its mode.
    pub mode: String,
    /// The item.
    pub id: String,
    /// The subject.
    pub group: Option<String>,
    /// What all of this depends on.
    pub fingerprint: String,
    /// A hash of the prompt, or of the options with their contexts.
    pub prompt_hash: String,
    /// The right answer.
    pub gold: String,
    /// The answer that counts: the only one, or the one chosen.
    pub answer: Option<String>,
    /// Whether it is right; `None` for a program that was not run.
    pub correct: Option<bool>,
    /// What the verdicts on programs depend on beside them: the test, what they may use, what runs them and holds them back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<String>,
    /// Why the server would not answer: the item is set aside, and asked again by the next command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
    /// Tests that the model wrote to choose among programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// The options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<Chosen>,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens written or scored.
    pub tokens: usize,
    /// Whether the prompt lost its beginning.
    pub is_cut: bool,
    /// Time, shared out among the items that were asked together.
    pub seconds: f64,
}

impl Line {
    /// A line of which nothing is known yet.
    pub(super) fn of(item: &Item) -> Self {
        Self { id: item.id.clone(), group: item.group.clone(), gold: item.judge.gold(), ..Self::default() }
    }

    /// What the likelihoods of an item's options come to.
    pub(super) fn of_choices(item: &Item, choices: &[Choice], likelihoods: &[Likelihood]) -> Self {
        let right = match &item.judge {
            Judge::Choice { gold } => gold.as_slice(),
            _ => &[],
        };
        let best = |length: &dyn Fn(&str) -> usize| {
            // Of equals the first, as numpy's argmax; an option without length has none.
            let scores = likelihoods.iter().zip(choices).map(|(it, choice)| it.log_prob / length(&choice.text) as f64);
            scores.enumerate().fold(None, |best: Option<(usize, f64)>, (place, score)| match best {
                Some((_, most)) if most >= score || score.is_nan() => best,
                _ => Some((place, score)),
            })
        };
        let is_right = |best: Option<(usize, f64)>| best.is_some_and(|(place, _)| right.contains(&place));
        let chosen = best(&|_| 1);
        let mut hash = blake3::Hasher::new();
        for choice in choices {
            for text in [&*choice.context, choice.continuation.as_str()] {
                hash.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            }
        }
        Self {
            prompt_hash: hash.finalize().to_hex()[..16].to_owned(),
            answer: chosen.map(|(place, _)| Judge::Choice { gold: vec![place] }.gold()),
            correct: Some(is_right(chosen)),
            choices: Some(Chosen {
                log_probs: likelihoods
                    .iter()
                    .map(|it| Some(it.log_prob).filter(|log_prob| log_prob.is_finite()))
                    .collect(),
                greedy: likelihoods.iter().map(|it| it.is_greedy).collect(),
                correct_by_characters: is_right(best(&|text| text.chars().count())),
                correct_by_bytes: is_right(best(&str::len)),
            }),
            tokens: likelihoods.iter().map(|it| it.tokens).sum(),
            is_cut: likelihoods.iter().any(|it| it.is_cut),
            ..Self::of(item)
        }
    }

    /// Without its texts, which no summary needs.
    pub(super) fn light(mut self) -> Self {
        for output in &mut self.outputs {
            (output.text, output.answer) = (String::new(), None);
        }
        self.tests = Vec::new();
        if let Some(chosen) = &mut self.choices {
            (chosen.log_probs, chosen.greedy) = (Vec::new(), Vec::new());
        }
        Self { gold: String::new(), answer: None, ..self }
    }

    /// Lets one of the texts count.
    pub(super) fn choose(&mut self, output: usize) {
        if let Some(output) = self.outputs.get(output) {
            self.answer.clone_from(&output.answer);
            self.correct = output.correct;
        }
    }
}
