//! What is asked for a text, and what is told of it.

use std::collections::HashMap;
use std::sync::Arc;

use yuan_model::generate::{Sampling, StopRules};

/// One text to be made, or one prompt to be scored.
#[derive(Clone, Debug)]
pub struct Job {
    /// The tokens before it; at least one. Texts that have the same list, not only an equal one, read it once.
    pub prompt: Arc<[u32]>,
    /// Its number in its request: with the seed it decides what is drawn.
    pub number: u64,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// What is added to logits before that.
    pub adjust: Arc<Adjust>,
    /// What ends it; `None` where nothing is to be made.
    pub stop: Option<Arc<StopRules>>,
    /// How many of the likeliest tokens are told of each token; `None` if not even its own probability is.
    pub top: Option<usize>,
    /// Whether the prompt's tokens are scored as well.
    pub score_prompt: bool,
}

impl Job {
    /// Tokens that it may come to.
    pub fn tokens(&self) -> usize {
        self.prompt.len() + self.stop.as_ref().map_or(0, |stop| stop.max_new_tokens)
    }
}

/// What is added to logits before a token is chosen, as OpenAI defines it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adjust {
    /// Taken from the logits of tokens that the text has.
    pub presence: f32,
    /// Taken from them for each time that the text has them.
    pub frequency: f32,
    /// Added to logits of some tokens.
    pub bias: Vec<(u32, f32)>,
}

impl Adjust {
    /// Changes logits; `counts` is how often the text, without its prompt, has a token.
    pub fn apply(&self, logits: &mut [f32], counts: &HashMap<u32, u32>) {
        for (id, bias) in &self.bias {
            if let Some(logit) = logits.get_mut(*id as usize) {
                *logit += bias;
            }
        }
        if self.presence == 0.0 && self.frequency == 0.0 {
            return;
        }
        for (id, count) in counts {
            if let Some(logit) = logits.get_mut(*id as usize) {
                *logit -= self.presence + self.frequency * *count as f32;
            }
        }
    }
}

/// How likely a token was to the model itself, before anything was adjusted.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenScore {
    /// Natural logarithm of its probability.
    pub log_prob: f32,
    /// The likeliest tokens and theirs, from the likeliest on.
    pub top: Vec<(u32, f32)>,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At a token or a string that ends it.
    Stop,
    /// At the greatest number of tokens.
    Length,
}

impl End {
    /// OpenAI's `finish_reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// What is told of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The scores of the prompt's tokens, from its second one on; texts of one prompt share them.
    Prompt(Arc<[TokenScore]>),
    /// The next token.
    Token {
        /// Its id.
        id: u32,
        /// What is settled of the text now.
        text: String,
        /// Its score, if that was asked for.
        score: Option<TokenScore>,
        /// Whether it was the last, and why.
        end: Option<End>,
    },
    /// A prompt that was only to be scored has been.
    Scored,
    /// The model cannot go on.
    Failed(String),
}

impl Event {
    /// Whether nothing more is told of the text.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Token { end: Some(_), .. } | Self::Scored | Self::Failed(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_count_the_text_and_biases_are_added() {
        let adjust = Adjust { presence: 0.5, frequency: 0.25, bias: vec![(1, 2.0), (9, 1.0)] };
        let mut logits = [1.0, 1.0, 1.0];
        adjust.apply(&mut logits, &HashMap::from([(0, 1), (1, 3), (7, 1)]));
        assert_eq!(logits, [0.25, 1.75, 1.0]);
    }
}
