//! The thread that owns the model: texts join, the model reads the next tokens of all, texts leave.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;

use yuan_model::engine::{Engine, Session};
use yuan_model::generate::{Sampler, Sampling};

use super::queue::Queue;
use super::text::{Text, Tools};
use crate::metrics::Metrics;
use crate::vocabulary::Vocabulary;

/// How much is on its way at one time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Texts.
    pub texts: usize,
    /// Tokens that they may come to, prompts included: keys and values of all of them are in memory.
    pub cache_tokens: usize,
    /// Tokens of prompts that are read in one step; those who write wait for it.
    pub batch_tokens: usize,
}

/// Works until the queue is stopped. `never` are ids that stand for no token, in order.
///
/// What a text is depends on nobody else: where logits are the same bits in any batch, on a CPU, so is it.
pub fn work(
    engine: &dyn Engine,
    queue: &Queue,
    vocabulary: &dyn Vocabulary,
    never: &[u32],
    limits: Limits,
    metrics: &Metrics,
) {
    let sampler = Sampler::new(Sampling::greedy()).expect("greedy settings are in their ranges");
    let mut tools = Tools { sampler, vocabulary, never };
    loop {
        let mut session = engine.session(0);
        let mut texts: Vec<Text> = Vec::new();
        let failed = loop {
            for place in (0..texts.len()).rev().filter(|place| texts[*place].is_over()).collect::<Vec<_>>() {
                session.remove(place);
                texts.remove(place);
            }
            // Whoever waits for the next text has none: what is counted is told before and behind it.
            tell(&texts, metrics);
            join(&mut texts, &mut *session, queue, limits);
            tell(&texts, metrics);
            if queue.is_stopped() {
                return;
            }
            if texts.is_empty() {
                continue;
            }
            // A panic is an error of ours, and those whose texts it took are told.
            let step = catch_unwind(AssertUnwindSafe(|| step(&mut *session, &mut texts, &mut tools, limits, metrics)));
            match step {
                Ok(Ok(())) => {}
                Ok(Err(error)) => break error.to_string(),
                Err(panic) => break format!("the model stopped with a panic: {}", said(&*panic)),
            }
        };
        texts.iter_mut().for_each(|text| text.fail(failed.clone()));
    }
}

/// Lets texts join that there is room for.
fn join(texts: &mut Vec<Text>, session: &mut dyn Session, queue: &Queue, limits: Limits) {
    while texts.len() < limits.texts {
        let (is_idle, room) = (texts.is_empty(), limits.cache_tokens.saturating_sub(reserved(texts)));
        // One that is alone fits: requests are held to the room before they wait.
        let Some(ticket) = queue.next(is_idle, |job| is_idle || job.tokens() <= room) else { return };
        if let Some(text) = Text::begin(ticket) {
            session.add(text.reserved());
            texts.push(text);
        }
    }
}

fn tell(texts: &[Text], metrics: &Metrics) {
    metrics.running.store(texts.len() as u64, Relaxed);
    metrics.reserved.store(reserved(texts) as u64, Relaxed);
}

fn reserved(texts: &[Text]) -> usize {
    texts.iter().map(Text::reserved).sum()
}

/// The text that reads the prompt of another which has read nothing. That one goes on from there when but the last token is left.
fn leader(texts: &[Text], read: &[usize], place: usize) -> Option<usize> {
    let prompt = texts[place].prompt_tokens();
    if read[place] > 0 || prompt < 2 {
        return None;
    }
    let leads = |other: &usize| {
        let is_first = if read[*other] == 0 { *other < place } else { read[*other] < prompt };
        is_first && texts[*other].shares_prompt(&texts[place])
    };
    (0..texts.len()).find(leads)
}

/// Lets texts go on from where others of their prompt are, and returns how many tokens of each have been read.
fn follow(session: &mut dyn Session, texts: &mut [Text]) -> yuan_model::Result<Vec<usize>> {
    let mut read: Vec<usize> = (0..texts.len()).map(|place| session.tokens(place)).collect();
    for place in 1..texts.len() {
        if let Some(leader) = leader(texts, &read, place)
            && read[leader] + 1 == texts[place].prompt_tokens()
        {
            session.copy(leader, place)?;
            read[place] = read[leader];
            let [leader, text] = texts.get_disjoint_mut([leader, place]).expect("nobody leads himself");
            text.follow(leader);
        }
    }
    Ok(read)
}

/// One step: a token of each text that writes, and of the prompts, from the oldest text on, as many as are read at once.
fn step(
    session: &mut dyn Session,
    texts: &mut [Text],
    tools: &mut Tools<'_>,
    limits: Limits,
    metrics: &Metrics,
) -> yuan_model::Result<()> {
    let read = follow(session, texts)?;
    let mut room = limits.batch_tokens.max(1);
    let mut parts: Vec<&[u32]> = Vec::with_capacity(texts.len());
    let mut from = Vec::with_capacity(texts.len());
    let leaders: Vec<Option<usize>> = (0..texts.len()).map(|place| leader(texts, &read, place)).collect();
    for (place, (text, read)) in texts.iter().zip(&read).enumerate() {
        let (mut part, of_prompt) = (text.unread(*read), text.prompt_tokens().saturating_sub(*read));
        if leaders[place].is_some() {
            part = &[];
        } else if leaders.contains(&Some(place)) {
            part = &part[..of_prompt - 1];
        }
        if part.len() > 1 {
            part = &part[..part.len().min(room)];
            room -= part.len();
        }
        metrics.read.fetch_add(part.len().min(of_prompt) as u64, Relaxed);
        parts.push(part);
        from.push(text.wanted(*read, part.len()));
    }
    let mut found = Vec::new();
    session.read_from(&parts, &from, &mut |place, token, logits| {
        found.push((place, texts[place].look(read[place] + token, logits, tools)));
    })?;
    let counts: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    for (place, found) in found {
        metrics.written.fetch_add(u64::from(matches!(found, super::text::Found::Next(..))), Relaxed);
        texts[place].take(found, tools);
    }
    for ((text, read), count) in texts.iter_mut().zip(read).zip(counts) {
        text.end_step(read + count);
    }
    metrics.steps.fetch_add(1, Relaxed);
    Ok(())
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason")
}

#[cfg(test)]
mod tests;
