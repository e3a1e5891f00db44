//! What is asked of a model for items, and the lines that its answers come to.

use std::sync::atomic::AtomicBool;

use super::gather::{Finish, gather};
use super::vote::vote;
use super::{Line, Output, Settings, programs};
use crate::tasks::{Ask, Choice, Item, Judge};
use crate::{Error, LanguageModel, Likelihood, Request, Result, Writing, Written};

/// Texts for each item, and those with tests for its programs.
pub(super) fn write(
    model: &mut dyn LanguageModel,
    items: &[&Item],
    settings: &Settings,
    stop: &AtomicBool,
    finish: &mut Finish<'_, Line>,
) -> Result<()> {
    // What is drawn for an item has a seed of its own, so that it is the same in any company.
    let seeded = |id: &str, how: Writing| {
        let hash = blake3::hash(format!("{} {id}", how.seed).as_bytes());
        Writing { seed: u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes")), ..how }
    };
    let is_drawn = settings.temperature > 0.0;
    let (mut hows, mut for_tests) = (Vec::new(), Vec::new());
    for item in items {
        if let Ask::Write { max_new_tokens, .. } = &item.ask
            && (is_drawn || hows.is_empty())
        {
            hows.push(seeded(&item.id, settings.writing(*max_new_tokens)));
        }
        if let (Judge::Program(program), true) = (&item.judge, settings.tests > 0) {
            let id = format!("{} tests", item.id);
            for_tests.push((programs::ask_for_tests(prompt(item), program), seeded(&id, programs::writing(settings))));
        }
    }
    let mut requests = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let how = &hows[if is_drawn { place } else { 0 }];
        let texts = (0..settings.samples as u64).map(|number| Request { prompt: prompt(item), how, number });
        requests.extend(texts);
        if let Some((prompt, how)) = for_tests.get(place) {
            requests.extend((0..settings.tests as u64).map(|number| Request { prompt, how, number }));
        }
    }
    let count = settings.samples + if for_tests.is_empty() { 0 } else { settings.tests };
    let made = &mut |number: usize, seconds, texts: Result<Vec<Written>>| {
        finish(number, seconds, texts.map(|texts| written(items[number], texts, settings.samples)))
    };
    gather(items.iter().map(|_| count), stop, |take| model.write(&requests, take), made)
}

/// The likelihoods of each item's options.
pub(super) fn choose(
    model: &mut dyn LanguageModel,
    items: &[&Item],
    stop: &AtomicBool,
    finish: &mut Finish<'_, Line>,
) -> Result<()> {
    let all = items.iter().flat_map(|item| choices(item));
    let pairs: Vec<(&str, &str)> = all.map(|choice| (&*choice.context, choice.continuation.as_str())).collect();
    let made = &mut |number: usize, seconds, likelihoods: Result<Vec<Likelihood>>| {
        let item = items[number];
        let line = likelihoods.and_then(|likelihoods| {
            if let Some(place) = likelihoods.iter().position(|it| it.log_prob.is_nan()) {
                let problem = format!("option {place} of item `{}` has a probability that is no number", item.id);
                return Err(Error::Model(problem.into()));
            }
            Ok(Line::of_choices(item, choices(item), &likelihoods))
        });
        finish(number, seconds, line)
    };
    gather(items.iter().map(|item| choices(item).len()), stop, |take| model.likelihoods(&pairs, take), made)
}

fn choices(item: &Item) -> &[Choice] {
    match &item.ask {
        Ask::Choose(choices) => choices,
        Ask::Write { .. } => &[],
    }
}

fn prompt(item: &Item) -> &str {
    match &item.ask {
        Ask::Write { prompt, .. } => prompt,
        Ask::Choose(_) => "",
    }
}

/// The line of an item that was answered in words: so many texts, and behind them those with tests.
fn written(item: &Item, texts: Vec<Written>, samples: usize) -> Line {
    let prompt = prompt(item);
    let mut line = Line::of(item);
    line.prompt_hash = blake3::hash(prompt.as_bytes()).to_hex()[..16].to_owned();
    line.tokens = texts.iter().map(|text| text.tokens).sum();
    if let (Judge::Program(program), Some(tests)) = (&item.judge, texts.get(samples..)) {
        line.tests = programs::tests(program, tests);
    }
    for text in texts.into_iter().take(samples) {
        let judged = item.judge.judge(prompt, &text.text, text.has_ended);
        line.prompt_tokens = text.prompt_tokens;
        line.is_cut |= text.is_cut;
        line.outputs.push(Output {
            text: text.text,
            answer: judged.answer,
            correct: judged.is_correct,
            has_ended: text.has_ended,
        });
    }
    let chosen = match &item.judge {
        Judge::Program(_) => 0,
        _ => vote(line.outputs.iter().map(|output| output.answer.as_deref())),
    };
    line.choose(chosen);
    line
}
