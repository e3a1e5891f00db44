//! One text on its way: what it reads next, and what its logits come to.

use std::collections::HashMap;
use std::sync::Arc;

use yuan_model::backend::LogProbs;
use yuan_model::generate::{Sampler, Stop, Stopped};

use super::job::{End, Event, Job, TokenScore};
use super::queue::Ticket;
use crate::vocabulary::Vocabulary;

/// What all texts share.
pub struct Tools<'a> {
    /// Room to choose tokens in.
    pub sampler: Sampler,
    /// The model's tokenizer.
    pub vocabulary: &'a dyn Vocabulary,
    /// Ids that stand for no token, in order.
    pub never: &'a [u32],
}

/// What the logits behind a token come to.
pub enum Found {
    /// The prompt's next token has this score.
    Score(TokenScore),
    /// The next token of the text.
    Next(u32, Option<TokenScore>),
    /// Nothing that was asked for.
    Nothing,
    /// No token can be chosen, or the logits are no numbers.
    Failed(String),
}

/// A text on its way.
pub struct Text {
    ticket: Ticket,
    /// Prompt and text.
    ids: Vec<u32>,
    stop: Option<Stop>,
    /// How often the text has a token; empty where nobody asks.
    counts: HashMap<u32, u32>,
    /// Scores of the prompt's tokens until all are known.
    scores: Vec<TokenScore>,
    /// All of them.
    prompt_scores: Option<Arc<[TokenScore]>>,
    is_over: bool,
}

impl Text {
    /// Begins a text. `None`, with the reason told, if there is nothing to be done for it.
    pub fn begin(mut ticket: Ticket) -> Option<Self> {
        let stop = match ticket.job.stop.take().map(Stop::new).transpose() {
            Ok(stop) => stop,
            Err(error) => {
                let _ = ticket.events.send((ticket.place, Event::Failed(error.to_string())));
                return None;
            }
        };
        if stop.is_none() && (!ticket.job.score_prompt || ticket.job.prompt.len() < 2) {
            let _ = ticket.events.send((ticket.place, Event::Scored));
            return None;
        }
        let ids = ticket.job.prompt.to_vec();
        let (counts, scores) = (HashMap::new(), Vec::new());
        Some(Self { ticket, ids, stop, counts, scores, prompt_scores: None, is_over: false })
    }

    /// Whether nothing more is to be done, or nobody wants it any more.
    pub fn is_over(&self) -> bool {
        self.is_over || self.ticket.events.is_closed()
    }

    /// Whether another text has the same prompt, from the same request.
    pub fn shares_prompt(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.job().prompt, &other.job().prompt)
    }

    /// Tokens of its prompt.
    pub fn prompt_tokens(&self) -> usize {
        self.job().prompt.len()
    }

    /// Goes on from where another text of its prompt is.
    pub fn follow(&mut self, other: &Self) {
        if let Some(scores) = &other.prompt_scores {
            self.tell_prompt(scores.clone());
        }
    }

    /// The tokens it still has to read, of which `read` have been.
    pub fn unread(&self, read: usize) -> &[u32] {
        &self.ids[read..]
    }

    /// The first of its next `count` tokens whose logits are wanted.
    pub fn wanted(&self, read: usize, count: usize) -> usize {
        let is_scored = self.job().score_prompt && read + 1 < self.job().prompt.len();
        match read + count == self.ids.len() && self.stop.is_some() {
            _ if is_scored => 0,
            true => count.saturating_sub(1),
            false => count,
        }
    }

    /// What the logits behind the token at a place of prompt and text come to. They are changed.
    pub fn look(&self, at: usize, logits: &mut [f32], tools: &mut Tools<'_>) -> Found {
        let job = self.job();
        if at + 1 < job.prompt.len() {
            return match score(logits, self.ids[at + 1], job.top.unwrap_or(0), tools.never) {
                Some(score) => Found::Score(score),
                None => Found::Failed(NO_NUMBER.into()),
            };
        }
        if self.stop.is_none() || at + 1 < self.ids.len() {
            return Found::Nothing;
        }
        let own = job.top.map(|_| logits.to_vec());
        for id in tools.never {
            if let Some(logit) = logits.get_mut(*id as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        job.adjust.apply(logits, &self.counts);
        let chosen = tools.sampler.set(&job.sampling);
        let chosen = chosen.and_then(|()| tools.sampler.next(logits, &self.ids, job.number, self.ids.len() as u64));
        match (chosen, own) {
            (Err(error), _) => Found::Failed(error.to_string()),
            (Ok(id), None) => Found::Next(id, None),
            (Ok(id), Some(own)) => match score(&own, id, job.top.unwrap_or(0), tools.never) {
                Some(score) => Found::Next(id, Some(score)),
                None => Found::Failed(NO_NUMBER.into()),
            },
        }
    }

    /// Goes on with what was found.
    pub fn take(&mut self, found: Found, tools: &Tools<'_>) {
        match found {
            Found::Nothing => {}
            Found::Score(score) => {
                self.scores.push(score);
                if self.scores.len() + 1 == self.job().prompt.len() {
                    let scores = std::mem::take(&mut self.scores);
                    self.tell_prompt(scores.into());
                }
            }
            Found::Failed(problem) => self.fail(problem),
            Found::Next(id, score) => {
                self.ids.push(id);
                if self.job().adjust.presence != 0.0 || self.job().adjust.frequency != 0.0 {
                    *self.counts.entry(id).or_default() += 1;
                }
                let piece = tools.vocabulary.piece(id).unwrap_or_default();
                let stop = self.stop.as_mut().expect("only texts that are made have a next token");
                let step = stop.push(id, &piece);
                let end = step.stopped.map(|stopped| match stopped {
                    Stopped::Id(_) | Stopped::String(_) => End::Stop,
                    Stopped::Length => End::Length,
                });
                self.is_over = end.is_some();
                self.tell(Event::Token { id, text: step.text, score, end });
            }
        }
    }

    /// Ends it if there is nothing to be made and all is scored; `read` tokens have been read.
    pub fn end_step(&mut self, read: usize) {
        if self.stop.is_none() && read == self.ids.len() && !self.is_over {
            self.is_over = true;
            self.tell(Event::Scored);
        }
    }

    /// Ends it with a reason.
    pub fn fail(&mut self, problem: String) {
        if !self.is_over {
            self.is_over = true;
            self.tell(Event::Failed(problem));
        }
    }

    /// Tokens it may come to.
    pub fn reserved(&self) -> usize {
        self.ticket.tokens
    }

    fn job(&self) -> &Job {
        &self.ticket.job
    }

    fn tell_prompt(&mut self, scores: Arc<[TokenScore]>) {
        self.prompt_scores = Some(scores.clone());
        self.tell(Event::Prompt(scores));
    }

    fn tell(&self, event: Event) {
        // Who has left is not told.
        let _ = self.ticket.events.send((self.ticket.place, event));
    }
}

const NO_NUMBER: &str = "a probability is no number: the weights hold NaN or infinity, or fp16 overflows";

/// How likely a token is by these logits, and the likeliest ones; `None` if that is no number.
fn score(logits: &[f32], id: u32, top: usize, never: &[u32]) -> Option<TokenScore> {
    let log_probs = LogProbs::of(logits);
    let log_prob = log_probs.log_prob(*logits.get(id as usize)?);
    let top = likeliest(logits, top, never).into_iter().map(|(id, logit)| (id, log_probs.log_prob(logit)));
    (!log_prob.is_nan()).then(|| TokenScore { log_prob, top: top.collect() })
}

/// The tokens of the greatest logits, from the greatest on; of equals the lower id first.
fn likeliest(logits: &[f32], count: usize, never: &[u32]) -> Vec<(u32, f32)> {
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    if count == 0 {
        return best;
    }
    for (id, logit) in (0..).zip(logits) {
        let is_among = best.len() < count || best.last().is_some_and(|(_, least)| logit > least);
        if is_among && !logit.is_nan() && never.binary_search(&id).is_err() {
            best.insert(best.partition_point(|(_, other)| other >= logit), (id, *logit));
            best.truncate(count);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_are_those_of_a_sorted_list() {
        let logits: Vec<f32> = (0..500_u32).map(|id| ((id * 7919) % 97) as f32 / 7.0).collect();
        let never = [3, 8, 400];
        let mut sorted: Vec<(u32, f32)> =
            (0..).zip(logits.iter().copied()).filter(|(id, _)| !never.contains(id)).collect();
        sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        for count in [0, 1, 5, 20, 497, 600] {
            assert_eq!(likeliest(&logits, count, &never), sorted[..count.min(497)], "{count}");
        }
        assert!(score(&[1.0, f32::NAN], 0, 1, &[]).is_none());
        let even = score(&[2.0, 2.0], 1, 1, &[]).unwrap();
        assert_eq!((even.log_prob, even.top), (-std::f32::consts::LN_2, vec![(0, -std::f32::consts::LN_2)]));
    }
}
