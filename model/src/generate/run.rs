//! Texts from prompts: what a model has read is remembered, so that each new token costs one row.

use std::sync::Arc;

use super::{Sampler, Sampling, Stop, StopRules, Stopped};
use crate::engine::{Engine, Session};
use crate::{Error, Result};

/// Tokens of prompts that are read at once.
const READ: usize = 4096;

/// How texts are made.
#[derive(Clone, Debug)]
pub struct Generation {
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// What ends a text.
    pub stop: StopRules,
    /// Most tokens of a prompt and its text together; what a model was trained for, or more at one's own risk.
    pub max_positions: usize,
    /// Ids that are never chosen: rows that pad a vocabulary stand for no token. In any order.
    pub never: Vec<u32>,
}

impl Generation {
    /// Whether a prompt can be continued; `name` is what errors call it.
    ///
    /// # Errors
    /// If it is empty or leaves no room for a token.
    pub fn check(&self, name: &str, prompt: &[u32]) -> Result<()> {
        if prompt.is_empty() {
            return Err(Error::request(format!("{name} has no tokens: there is nothing to continue")));
        }
        if prompt.len() >= self.max_positions {
            let (tokens, most) = (prompt.len(), self.max_positions);
            return Err(Error::request(format!(
                "{name} has {tokens} tokens, and `max_positions` is {most}: there is no room for a text"
            )));
        }
        Ok(())
    }
}

/// A text that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// Its tokens, the one it stopped at among them.
    pub ids: Vec<u32>,
    /// What they say, without what it stopped at.
    pub text: String,
    /// Why it ended.
    pub stopped: Stopped,
}

/// A text on its way.
struct Text {
    /// Its prompt's number.
    number: usize,
    /// Prompt and text.
    ids: Vec<u32>,
    prompt: usize,
    said: String,
    stop: Stop,
    stopped: Option<Stopped>,
}

/// Continues prompts, all of them together, and numbers them from `first` on. `piece` gives the bytes of a token, `on_text`
/// gets what a text, by the number of its prompt, has more to say.
///
/// What is drawn depends on the logits, the seed and the prompt's number. Where logits are the same bits in any batch, on
/// [`Place::Cpu`](crate::Place), a prompt gets the same text alone and in company as long as its number stays the same, and a
/// greedy text whatever its number.
///
/// Memory: keys and values of all tokens of all prompts and texts. Give many prompts a part at a time.
///
/// # Errors
/// If a prompt is empty or leaves no room for a token, a setting makes no sense, or the device fails.
pub fn generate(
    engine: &dyn Engine,
    prompts: &[Vec<u32>],
    first: usize,
    how: &Generation,
    piece: &dyn Fn(u32) -> Vec<u8>,
    on_text: &mut dyn FnMut(usize, &str),
) -> Result<Vec<Generated>> {
    let mut sampler = Sampler::new(how.sampling.clone())?;
    let rules = Arc::new(how.stop.clone());
    let mut texts = Vec::with_capacity(prompts.len());
    for (number, prompt) in (first..).zip(prompts) {
        how.check(&format!("prompt {number}"), prompt)?;
        texts.push(Text {
            number,
            ids: prompt.clone(),
            prompt: prompt.len(),
            said: String::new(),
            stop: Stop::new(rules.clone())?,
            stopped: None,
        });
    }
    let mut session = engine.session(texts.len());
    let mut logits = read_prompts(&mut *session, &texts)?;
    let mut done: Vec<Option<Generated>> = vec![None; texts.len()];
    while !texts.is_empty() {
        let vocab = logits.len() / texts.len();
        for (text, logits) in texts.iter_mut().zip(logits.chunks_exact_mut(vocab)) {
            for id in &how.never {
                if let Some(logit) = logits.get_mut(*id as usize) {
                    *logit = f32::NEG_INFINITY;
                }
            }
            let id = sampler.next(logits, &text.ids, text.number as u64, text.ids.len() as u64)?;
            text.ids.push(id);
            let step = text.stop.push(id, &piece(id));
            if !step.text.is_empty() {
                on_text(text.number, &step.text);
                text.said.push_str(&step.text);
            }
            text.stopped = step.stopped.or((text.ids.len() >= how.max_positions).then_some(Stopped::Length));
        }
        for place in (0..texts.len()).rev().filter(|place| texts[*place].stopped.is_some()).collect::<Vec<_>>() {
            session.remove(place);
            let mut text = texts.remove(place);
            let rest = text.stop.finish();
            if !rest.is_empty() {
                on_text(text.number, &rest);
                text.said.push_str(&rest);
            }
            let ids = text.ids.split_off(text.prompt);
            let stopped = text.stopped.unwrap_or(Stopped::Length);
            done[text.number - first] = Some(Generated { ids, text: text.said, stopped });
        }
        if !texts.is_empty() {
            let last: Vec<&[u32]> = texts.iter().map(|text| &text.ids[text.ids.len() - 1..]).collect();
            logits = session.read(&last)?;
        }
    }
    Ok(done.into_iter().flatten().collect())
}

/// Reads all prompts, so many tokens at once, and returns the logits behind each.
fn read_prompts(session: &mut dyn Session, texts: &[Text]) -> Result<Vec<f32>> {
    let mut behind: Vec<Vec<f32>> = vec![Vec::new(); texts.len()];
    while let Some(first) = (0..texts.len()).find(|place| behind[*place].is_empty()) {
        let mut room = READ;
        let mut parts: Vec<&[u32]> = vec![&[]; texts.len()];
        for (place, text) in texts.iter().enumerate().skip(first) {
            let rest = &text.ids[session.tokens(place)..];
            parts[place] = &rest[..rest.len().min(room)];
            room -= parts[place].len();
        }
        let logits = session.read(&parts)?;
        let read: Vec<usize> = (0..texts.len()).filter(|place| !parts[*place].is_empty()).collect();
        for (place, logits) in read.iter().zip(logits.chunks_exact(logits.len() / read.len())) {
            if session.tokens(*place) == texts[*place].ids.len() {
                behind[*place] = logits.to_vec();
            }
        }
    }
    Ok(behind.concat())
}
