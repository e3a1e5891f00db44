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
            session.add();
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

/// One step: a token of each text that writes, and of the prompts, from the oldest text on, as many as are read at once.
fn step(
    session: &mut dyn Session,
    texts: &mut [Text],
    tools: &mut Tools<'_>,
    limits: Limits,
    metrics: &Metrics,
) -> yuan_model::Result<()> {
    let mut room = limits.batch_tokens.max(1);
    let read: Vec<usize> = (0..texts.len()).map(|place| session.tokens(place)).collect();
    let mut parts: Vec<&[u32]> = Vec::with_capacity(texts.len());
    let mut from = Vec::with_capacity(texts.len());
    for (text, read) in texts.iter().zip(&read) {
        let mut part = text.unread(*read);
        if part.len() > 1 {
            part = &part[..part.len().min(room)];
            room -= part.len();
            metrics.read.fetch_add(part.len() as u64, Relaxed);
        }
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
