//! `POST /v1/completions`.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use serde::Serialize;
use tokio::task::block_in_place;

use super::check_name;
use super::fields::{Fields, LogProbs, Prompt, unsupported};
use super::made::Made;
use super::sampling::{TOP, adjust, count, of_length, sampling, stop};
use super::spelling::{Columns, List, Told, characters};
use super::telling::{Teller, Telling};
use crate::app::App;
use crate::ask::{Order, room};
use crate::engine::{End, Event, Job, TokenScore};
use crate::http::{Problem, Request, read_json};

/// New tokens of a text for which nobody names a number, as OpenAI has it.
const USUAL: usize = 16;

/// A prompt, ready to be continued.
struct Ready {
    ids: Arc<[u32]>,
    /// As it was given, or what its tokens say; empty if it is not told.
    text: String,
    /// The character at which each token begins, if it is told.
    offsets: Vec<usize>,
}

/// What a request comes to.
struct Plan {
    prompts: Vec<Ready>,
    /// Texts told of each prompt, and texts made.
    n: usize,
    best_of: usize,
    echo: bool,
    /// Of how many of the likeliest tokens.
    logprobs: Option<usize>,
    is_streamed: bool,
    counts_usage: bool,
}

/// Answers a request.
///
/// # Errors
/// What is wrong with it, or keeps the model from answering.
pub async fn completions(State(app): State<Arc<App>>, request: Request) -> Result<Response<Body>, Problem> {
    let order = Order::of(&app, &request);
    let (fields, body) = read_json(&app, &order, request).await?;
    let (plan, jobs) = order.work(&app, |app| plan(app, fields)).await??;
    let prompt_tokens = plan.prompts.iter().map(|prompt| prompt.ids.len()).sum();
    let texts = jobs.len();
    let asking = order.submit(&app, jobs, prompt_tokens, plan.echo)?;
    drop(body);
    let is_streamed = plan.is_streamed;
    let telling = Telling::new::<Completion>(app, "cmpl", prompt_tokens, plan.counts_usage);
    let stages = vec![Stage::default(); if is_streamed { texts } else { 0 }];
    telling.answer(Completion { plan, stages }, asking, texts, is_streamed).await
}

/// What a request comes to, and what the model is asked for it.
fn plan(app: &App, mut fields: Fields) -> Result<(Plan, Vec<Job>), Problem> {
    check_name(app, fields.model.as_deref())?;
    fields.refuse_unsupported()?;
    for (name, is_given) in [
        ("messages", fields.messages.is_some()),
        ("top_logprobs", fields.top_logprobs.is_some()),
        ("max_completion_tokens", fields.max_completion_tokens.is_some()),
    ] {
        if is_given {
            return Err(unsupported(name));
        }
    }
    let given = fields.prompt.take().ok_or_else(|| Problem::field("prompt", "`prompt` is missing"))?.0;
    if given.is_empty() {
        return Err(Problem::field("prompt", "`prompt` is an empty list"));
    }
    let n = count("n", fields.n, given.len())?;
    let best_of = count("best_of", fields.best_of.or(fields.n), given.len())?;
    if best_of < n {
        return Err(Problem::field("best_of", format!("`best_of` is {best_of}, less than `n`, which is {n}")));
    }
    let is_streamed = fields.stream.unwrap_or(false);
    if is_streamed && best_of > n {
        return Err(Problem::field("best_of", "the best texts are known when all are made: they cannot be streamed"));
    }
    let logprobs = match fields.logprobs {
        None | Some(LogProbs::Switch(false)) => None,
        Some(LogProbs::Count(count)) if count <= TOP => Some(count as usize),
        Some(LogProbs::Count(count)) => {
            return Err(Problem::field("logprobs", format!("`logprobs` is {count}; it must be at most {TOP}")));
        }
        Some(LogProbs::Switch(true)) => {
            return Err(Problem::field("logprobs", "`logprobs` is true; of completions it is a number"));
        }
    };
    let (sampling, adjust, mut stop) = (sampling(app, &fields)?, adjust(app, &fields)?, stop(app, &mut fields)?);
    let echo = fields.echo.unwrap_or(false);
    let asked = fields.max_tokens.map(|count| count as usize);
    let mut prompts = Vec::with_capacity(given.len());
    let mut jobs = Vec::new();
    for prompt in given {
        let ready = ready(app, prompt, echo)?;
        let new = room(app, &ready.ids, (asked, "max_tokens"), Some(USUAL), "prompt")?;
        let stop = of_length(&mut stop, new);
        for _ in 0..best_of {
            jobs.push(Job {
                prompt: ready.ids.clone(),
                number: jobs.len() as u64,
                sampling: sampling.clone(),
                adjust: adjust.clone(),
                stop: stop.clone(),
                top: logprobs.or((best_of > n).then_some(0)),
                score_prompt: echo && logprobs.is_some(),
            });
        }
        prompts.push(ready);
    }
    let counts_usage = fields.stream_options.is_some_and(|options| options.include_usage == Some(true));
    Ok((Plan { prompts, n, best_of, echo, logprobs, is_streamed, counts_usage }, jobs))
}

/// The tokens of a prompt, and where they begin if it is told.
fn ready(app: &App, prompt: Prompt, is_told: bool) -> Result<Ready, Problem> {
    let vocabulary = &app.served.vocabulary;
    match prompt {
        Prompt::Text(text) => {
            let spelt = vocabulary.encode(&text).map_err(|problem| Problem::field("prompt", problem))?;
            let ids = spelt.ids.into();
            if !is_told {
                return Ok(Ready { ids, text: String::new(), offsets: Vec::new() });
            }
            let mut at = (0, 0);
            let offsets = spelt.starts.iter().map(|start| {
                // Starts are in order but for tokens that share a character.
                if *start < at.0 {
                    at = (0, 0);
                }
                at = (*start, at.1 + characters(&text.as_bytes()[at.0..*start]));
                at.1
            });
            let offsets = offsets.collect();
            Ok(Ready { ids, text, offsets })
        }
        Prompt::Ids(ids) => {
            let (mut bytes, mut offsets, mut at) = (Vec::new(), Vec::new(), 0);
            for id in ids.iter().filter(|_| is_told) {
                let piece = vocabulary.piece(*id).unwrap_or_default();
                offsets.push(at);
                at += characters(&piece);
                bytes.extend(piece);
            }
            Ok(Ready { ids: ids.into(), text: String::from_utf8_lossy(&bytes).into_owned(), offsets })
        }
    }
}

/// What is told of a text, or of the next part of one.
#[derive(Serialize)]
struct Choice<'m> {
    index: usize,
    text: String,
    logprobs: Option<Columns<'m>>,
    finish_reason: Option<&'static str>,
}

/// Where the stream of a text is.
#[derive(Clone, Default)]
struct Stage {
    /// The scores of its prompt.
    prompt: Arc<[TokenScore]>,
    /// Whether anything has been sent.
    is_begun: bool,
    /// The character at which its next token begins.
    at: usize,
}

/// A completion that is being told.
struct Completion {
    plan: Plan,
    /// Of each text, if they are streamed.
    stages: Vec<Stage>,
}

impl Completion {
    /// A choice that begins with its prompt, if that is told, and goes on with tokens.
    fn choice<'m>(
        &'m self,
        telling: &'m Telling,
        index: usize,
        prompt: Option<(&'m Ready, &'m [TokenScore])>,
        tokens: impl Iterator<Item = (u32, Option<&'m TokenScore>)>,
        (at, said): (usize, &str),
        end: Option<End>,
    ) -> Choice<'m> {
        let vocabulary = &*telling.app.served.vocabulary;
        let logprobs = self.plan.logprobs.map(|_| {
            let mut told = Vec::new();
            if let Some((prompt, scores)) = prompt {
                let scores = std::iter::once(None).chain(scores.iter().map(Some));
                let known = prompt.ids.iter().zip(scores).zip(&prompt.offsets);
                told.extend(known.map(|((id, score), offset)| Told { id: *id, score, offset: *offset }));
            }
            let mut offset = at;
            for (id, score) in tokens {
                told.push(Told { id, score, offset });
                offset += characters(&vocabulary.piece(id).unwrap_or_default());
            }
            Columns { vocabulary, told }
        });
        let text = prompt.map_or("", |(prompt, _)| &prompt.text).to_owned() + said;
        Choice { index, text, logprobs, finish_reason: end.map(End::name) }
    }
}

impl Teller for Completion {
    const OBJECTS: [&'static str; 2] = ["text_completion"; 2];

    fn whole(&self, telling: &Telling, made: &[Made]) -> Vec<u8> {
        let Plan { prompts, n, best_of, echo, .. } = &self.plan;
        let written = made.iter().map(|made| made.tokens.len()).sum();
        let mut told: Vec<(&Ready, &Made)> = Vec::new();
        for (prompt, made) in prompts.iter().zip(made.chunks(*best_of)) {
            let mut best: Vec<&Made> = made.iter().collect();
            if best_of > n {
                best.sort_by(|a, b| b.mean_log_prob().total_cmp(&a.mean_log_prob()));
            }
            told.extend(best.into_iter().take(*n).map(|made| (prompt, made)));
        }
        let choices = told.iter().enumerate().map(|(index, (prompt, made))| {
            let at = prompt.text.chars().count();
            let tokens = made.tokens.iter().map(|(id, score)| (*id, score.as_ref()));
            let prompt = echo.then_some((*prompt, &*made.prompt));
            self.choice(telling, index, prompt, tokens, (at, &made.text), made.end)
        });
        telling.json(List(choices), written)
    }

    fn tell(&mut self, telling: &Telling, place: usize, told: Event) -> Vec<Bytes> {
        let stage = &mut self.stages[place];
        let (token, said, end) = match told {
            Event::Prompt(scores) => {
                stage.prompt = scores;
                return Vec::new();
            }
            Event::Token { id, text, score, end } => (Some((id, score)), text, end),
            Event::Scored | Event::Failed(_) => (None, String::new(), Some(End::Length)),
        };
        let prompt = &self.plan.prompts[place / self.plan.best_of];
        let begins = self.plan.echo && !std::mem::replace(&mut stage.is_begun, true);
        if begins {
            stage.at = prompt.text.chars().count();
        }
        let (at, scores) = (stage.at, if begins { std::mem::take(&mut stage.prompt) } else { Arc::default() });
        if let Some((id, _)) = &token {
            stage.at += characters(&telling.app.served.vocabulary.piece(*id).unwrap_or_default());
        }
        // A part of a character, or of what may end the text, comes with a later token.
        if said.is_empty() && !begins && self.plan.logprobs.is_none() && end.is_none() {
            return Vec::new();
        }
        let write = || {
            let tokens = token.iter().map(|(id, score)| (*id, score.as_ref()));
            let prompt = begins.then_some((prompt, &*scores));
            telling.event(self.choice(telling, place, prompt, tokens, (at, &said), end))
        };
        // A prompt may be long.
        vec![if begins { block_in_place(write) } else { write() }]
    }
}
