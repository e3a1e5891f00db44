//! `POST /v1/completions`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};
use yuan_model::generate::StopRules;

use super::check_name;
use super::fields::{Fields, LogProbs, Prompt, unsupported};
use super::made::{Made, all};
use super::sampling::{TOP, adjust, count, sampling, stop};
use super::spelling::{Columns, characters};
use crate::app::{App, now};
use crate::ask::{Asking, encode, room};
use crate::engine::{End, Event, Job};
use crate::http::{Lines, Problem, Request, Spent, answer, read_json, stream};

/// New tokens of a text for which nobody names a number, as OpenAI has it.
const USUAL: usize = 16;

/// A prompt, ready to be continued.
struct Ready {
    ids: Arc<[u32]>,
    /// As it was given, or what its tokens say.
    text: String,
    /// The character at which each token begins.
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
    jobs: Vec<Job>,
}

/// Answers a request.
///
/// # Errors
/// What is wrong with it, or keeps the model from answering.
pub async fn completions(State(app): State<Arc<App>>, request: Request) -> Result<Response<Body>, Problem> {
    let spent = request.extensions().get::<Arc<Spent>>().cloned().unwrap_or_default();
    let mut plan = plan(&app, read_json(&app, request).await?).await?;
    spent.read.fetch_add(plan.prompt_tokens(), Relaxed);
    let texts = plan.jobs.len();
    let asking = Asking::submit(&app, std::mem::take(&mut plan.jobs), spent)?;
    let answering = Answering { id: app.answer("cmpl"), created: now(), app, plan };
    if answering.plan.is_streamed {
        return Ok(stream(|lines| answering.write(asking, texts, lines)));
    }
    let made = all(asking, texts).await?;
    Ok(answer(StatusCode::OK, &answering.whole(made)))
}

async fn plan(app: &Arc<App>, mut fields: Fields) -> Result<Plan, Problem> {
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
    let (sampling, adjust, stop) = (sampling(app, &fields)?, adjust(app, &fields)?, stop(app, &mut fields)?);
    let echo = fields.echo.unwrap_or(false);
    let asked = fields.max_tokens.map(|count| count as usize);
    let mut prompts = Vec::with_capacity(given.len());
    let mut jobs = Vec::new();
    for prompt in given {
        let ready = ready(app, prompt).await?;
        let new = room(app, &ready.ids, (asked, "max_tokens"), Some(USUAL), "prompt")?;
        for _ in 0..best_of {
            jobs.push(Job {
                prompt: ready.ids.clone(),
                number: jobs.len() as u64,
                sampling: sampling.clone(),
                adjust: adjust.clone(),
                stop: (new > 0).then(|| StopRules { max_new_tokens: new, ..stop.clone() }),
                top: logprobs.or((best_of > n).then_some(0)),
                score_prompt: echo && logprobs.is_some(),
            });
        }
        prompts.push(ready);
    }
    let counts_usage = fields.stream_options.is_some_and(|options| options.include_usage == Some(true));
    Ok(Plan { prompts, n, best_of, echo, logprobs, is_streamed, counts_usage, jobs })
}

/// The tokens of a prompt, and where they begin.
async fn ready(app: &Arc<App>, prompt: Prompt) -> Result<Ready, Problem> {
    match prompt {
        Prompt::Text(text) => {
            let spelt = encode(app, text.clone(), "prompt").await?;
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
            Ok(Ready { ids: spelt.ids.into(), text, offsets })
        }
        Prompt::Ids(ids) => {
            let (mut bytes, mut offsets, mut at) = (Vec::new(), Vec::with_capacity(ids.len()), 0);
            for id in &ids {
                let piece = app.served.vocabulary.piece(*id).unwrap_or_default();
                offsets.push(at);
                at += characters(&piece);
                bytes.extend(piece);
            }
            Ok(Ready { ids: ids.into(), text: String::from_utf8_lossy(&bytes).into_owned(), offsets })
        }
    }
}

impl Plan {
    fn prompt_tokens(&self) -> u64 {
        self.prompts.iter().map(|prompt| prompt.ids.len() as u64).sum()
    }
}

/// A request that is being answered.
struct Answering {
    id: String,
    created: u64,
    app: Arc<App>,
    plan: Plan,
}

impl Answering {
    fn envelope(&self, choices: Vec<Value>) -> Value {
        json!({
            "id": self.id, "object": "text_completion", "created": self.created, "model": self.app.served.name,
            "choices": choices,
        })
    }

    fn usage(&self, written: usize) -> Value {
        let read = self.plan.prompt_tokens();
        json!({ "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written as u64 })
    }

    /// What is told of a text, or of the next part of one: its tokens begin at a character.
    fn choice(&self, index: usize, text: String, columns: Option<Columns>, end: Option<End>) -> Value {
        let (logprobs, reason) = (columns.map(Columns::json), end.map(End::name));
        json!({ "index": index, "text": text, "logprobs": logprobs, "finish_reason": reason })
    }

    /// The prompt's tokens, if they are told.
    fn echoed(&self, prompt: &Ready, made: &Made, columns: &mut Columns) {
        let scores = std::iter::once(None).chain(made.prompt.iter().map(Some));
        for ((id, score), offset) in prompt.ids.iter().zip(scores).zip(&prompt.offsets) {
            columns.push(&*self.app.served.vocabulary, *id, score, *offset);
        }
    }

    fn whole(&self, made: Vec<Made>) -> Value {
        let written = made.iter().map(|made| made.tokens.len()).sum();
        let mut choices = Vec::new();
        for (prompt, made) in self.plan.prompts.iter().zip(made.chunks(self.plan.best_of)) {
            let mut best: Vec<&Made> = made.iter().collect();
            if self.plan.best_of > self.plan.n {
                best.sort_by(|a, b| b.mean_log_prob().total_cmp(&a.mean_log_prob()));
            }
            for made in best.into_iter().take(self.plan.n) {
                let mut text = if self.plan.echo { prompt.text.clone() } else { String::new() };
                let columns = self.plan.logprobs.map(|_| {
                    let mut columns = Columns::default();
                    if self.plan.echo {
                        self.echoed(prompt, made, &mut columns);
                    }
                    let mut at = text.chars().count();
                    for (id, score) in &made.tokens {
                        columns.push(&*self.app.served.vocabulary, *id, score.as_ref(), at);
                        at += characters(&self.app.served.vocabulary.piece(*id).unwrap_or_default());
                    }
                    columns
                });
                text.push_str(&made.text);
                choices.push(self.choice(choices.len(), text, columns, made.end));
            }
        }
        let mut whole = self.envelope(choices);
        whole["usage"] = self.usage(written);
        whole
    }

    /// Writes an answer piece by piece.
    async fn write(self, mut asking: Asking, texts: usize, lines: Lines) {
        // Of each text: what is told of its prompt, whether that has been sent, the character it is at.
        let mut states: Vec<(Made, bool, usize)> = vec![(Made::default(), false, 0); texts];
        let (mut left, mut written) = (texts, 0);
        while left > 0 {
            let told = tokio::select! {
                () = lines.left() => return,
                told = asking.next() => told,
            };
            let (place, event) = match told {
                Ok(told) => told,
                Err(problem) => {
                    lines.send(&problem.json()).await;
                    return lines.done().await;
                }
            };
            let prompt = &self.plan.prompts[place / self.plan.best_of];
            let (made, is_begun, at) = &mut states[place];
            let mut columns = self.plan.logprobs.map(|_| Columns::default());
            let mut said = String::new();
            if !matches!(event, Event::Prompt(_)) && self.plan.echo && !std::mem::replace(is_begun, true) {
                said.push_str(&prompt.text);
                *at = prompt.text.chars().count();
                if let Some(columns) = &mut columns {
                    self.echoed(prompt, made, columns);
                }
            }
            let end = match event {
                Event::Prompt(scores) => {
                    made.prompt.extend(scores);
                    continue;
                }
                Event::Token { id, text, score, end } => {
                    written += 1;
                    said.push_str(&text);
                    if let Some(columns) = &mut columns {
                        columns.push(&*self.app.served.vocabulary, id, score.as_ref(), *at);
                        *at += characters(&self.app.served.vocabulary.piece(id).unwrap_or_default());
                    }
                    end
                }
                Event::Scored | Event::Failed(_) => Some(End::Length),
            };
            left -= usize::from(end.is_some());
            // A part of a character, or of what may end the text, comes with a later token.
            if said.is_empty() && columns.is_none() && end.is_none() {
                continue;
            }
            if !lines.send(&self.envelope(vec![self.choice(place, said, columns, end)])).await {
                return;
            }
        }
        if self.plan.counts_usage {
            let mut last = self.envelope(Vec::new());
            last["usage"] = self.usage(written);
            lines.send(&last).await;
        }
        lines.done().await;
    }
}
