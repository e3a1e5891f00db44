//! Texts as they come in.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::ask::{Asking, Order};
use crate::engine::{End, Event, TokenScore};
use crate::http::Problem;

/// A text, and how likely it and its prompt are.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// Of the prompt's tokens, from the second on.
    pub prompt: Arc<[TokenScore]>,
    /// Its tokens.
    pub tokens: Vec<(u32, Option<TokenScore>)>,
    /// What they say.
    pub text: String,
    /// Why it ended; `None` while it goes on.
    pub end: Option<End>,
}

impl Made {
    /// Takes what is told of it.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Prompt(scores) => self.prompt = scores,
            Event::Token { id, text, score, end } => {
                self.tokens.push((id, score));
                self.text.push_str(&text);
                self.end = end;
            }
            Event::Scored => self.end = Some(End::Length),
            Event::Failed(_) => unreachable!("what fails is told to who asks"),
        }
    }

    /// The mean of the logarithms of its tokens' probabilities.
    pub fn mean_log_prob(&self) -> f64 {
        let scores = self.tokens.iter().filter_map(|(_, score)| Some(f64::from(score.as_ref()?.log_prob)));
        scores.sum::<f64>() / self.tokens.len().max(1) as f64
    }
}

/// Waits for all texts of a request. Gives until when and in which memory the answer is to be written too.
///
/// # Errors
/// As of [`Asking::next`].
pub async fn all(mut asking: Asking, count: usize) -> Result<(Vec<Made>, Order, OwnedSemaphorePermit), Problem> {
    let mut made = vec![Made::default(); count];
    let mut left = count;
    while left > 0 {
        let (place, event) = asking.next().await?;
        left -= usize::from(event.is_last());
        made[place].take(event);
    }
    let (order, memory) = asking.end();
    Ok((made, order, memory))
}
