//! `POST /v1/chat/completions`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use yuan_model::generate::{RenderOptions, StopRules};

use super::check_name;
use super::fields::{Fields, LogProbs, unsupported};
use super::made::{Made, all};
use super::sampling::{TOP, adjust, count, sampling, stop};
use super::spelling::chat_token;
use crate::app::{App, now};
use crate::ask::{Asking, encode, room};
use crate::engine::{End, Event, Job, TokenScore};
use crate::http::{Lines, Problem, Request, Spent, answer, read_json, stream};

/// Answers a request.
///
/// # Errors
/// What is wrong with it, or keeps the model from answering.
pub async fn chat(State(app): State<Arc<App>>, request: Request) -> Result<Response<Body>, Problem> {
    let spent = request.extensions().get::<Arc<Spent>>().cloned().unwrap_or_default();
    let mut fields: Fields = read_json(&app, request).await?;
    check_name(&app, fields.model.as_deref())?;
    fields.refuse_unsupported()?;
    for (name, is_given) in
        [("prompt", fields.prompt.is_some()), ("echo", fields.echo.is_some()), ("best_of", fields.best_of.is_some())]
    {
        if is_given {
            return Err(unsupported(name));
        }
    }
    let n = count("n", fields.n, 1)?;
    let top = top(&fields)?;
    let (sampling, adjust, stop) = (sampling(&app, &fields)?, adjust(&app, &fields)?, stop(&app, &mut fields)?);
    let messages = messages(fields.messages.take())?;
    let ids: Arc<[u32]> = encode(&app, render(&app, messages).await?, "messages").await?.ids.into();
    let asked = match (fields.max_completion_tokens, fields.max_tokens) {
        (Some(count), _) => (Some(count as usize), "max_completion_tokens"),
        (None, count) => (count.map(|count| count as usize), "max_tokens"),
    };
    let new = room(&app, &ids, asked, None, "messages")?;
    if new == 0 {
        return Err(Problem::field(asked.1, format!("`{}` is 0; it must be at least 1", asked.1)));
    }
    let rules = StopRules { max_new_tokens: new, ..stop };
    let job = |number| Job {
        prompt: ids.clone(),
        number,
        sampling: sampling.clone(),
        adjust: adjust.clone(),
        stop: Some(rules.clone()),
        top,
        score_prompt: false,
    };
    let jobs = (0..n as u64).map(job).collect();
    spent.read.fetch_add(ids.len() as u64, Relaxed);
    let asking = Asking::submit(&app, jobs, spent)?;
    let answering = Answering {
        id: app.answer("chatcmpl"),
        created: now(),
        prompt_tokens: ids.len(),
        tells_tokens: top.is_some(),
        counts_usage: fields.stream_options.is_some_and(|options| options.include_usage == Some(true)),
        app,
    };
    if fields.stream.unwrap_or(false) {
        return Ok(stream(move |lines| answering.write(asking, n, lines)));
    }
    let made = all(asking, n).await?;
    Ok(answer(StatusCode::OK, &answering.whole(made)))
}

/// Of how many of the likeliest tokens probabilities are told.
fn top(fields: &Fields) -> Result<Option<usize>, Problem> {
    let is_told = match fields.logprobs {
        None => false,
        Some(LogProbs::Switch(switch)) => switch,
        Some(LogProbs::Count(_)) => {
            return Err(Problem::field("logprobs", "`logprobs` is a number; of chats it is true or false"));
        }
    };
    match fields.top_logprobs {
        Some(count) if count > TOP => {
            Err(Problem::field("top_logprobs", format!("`top_logprobs` is {count}; it must be at most {TOP}")))
        }
        Some(count) if count > 0 && !is_told => {
            Err(Problem::field("top_logprobs", "`top_logprobs` is told with `logprobs`, which must be true"))
        }
        count => Ok(is_told.then(|| count.unwrap_or(0) as usize)),
    }
}

/// Messages as templates expect them: contents are texts.
fn messages(given: Option<Vec<Map<String, Value>>>) -> Result<Vec<Map<String, Value>>, Problem> {
    let mut messages = given.ok_or_else(|| Problem::field("messages", "`messages` is missing"))?;
    if messages.is_empty() {
        return Err(Problem::field("messages", "`messages` is an empty list"));
    }
    for (number, message) in messages.iter_mut().enumerate() {
        let wrong = |field: &str, said: &str| {
            Err(Problem::field(format!("messages[{number}].{field}"), format!("`messages[{number}].{field}` {said}")))
        };
        if !message.get("role").is_some_and(Value::is_string) {
            return wrong("role", "must be a text, as \"user\"");
        }
        for field in ["tool_calls", "function_call"] {
            if message.get(field).is_some_and(|value| !value.is_null()) {
                return wrong(field, "is not supported here");
            }
        }
        let text = match message.get("content") {
            Some(Value::String(_)) => continue,
            Some(Value::Array(parts)) => {
                let text = |part: &Value| (part["type"] == "text").then(|| part["text"].as_str().map(str::to_owned))?;
                match parts.iter().map(text).collect::<Option<String>>() {
                    Some(text) => text,
                    None => return wrong("content", "has parts that are no text: this model reads text alone"),
                }
            }
            _ => return wrong("content", "must be a text"),
        };
        message.insert("content".into(), text.into());
    }
    Ok(messages)
}

/// The prompt that a chat's template writes.
async fn render(app: &Arc<App>, messages: Vec<Map<String, Value>>) -> Result<String, Problem> {
    let app = app.clone();
    let written = tokio::task::spawn_blocking(move || {
        let none = || {
            let message = "the model has no chat template: send prompts to `/v1/completions`";
            Problem::field("messages", message).code("no_chat_template")
        };
        let template = app.served.template.as_ref().ok_or_else(none)?;
        let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        template.render(&messages, &options).map_err(|error| Problem::field("messages", error.to_string()))
    });
    written.await.map_err(|error| Problem::failed(format!("the chat template stopped: {error}")))?
}

/// A request that is being answered.
struct Answering {
    id: String,
    created: u64,
    app: Arc<App>,
    prompt_tokens: usize,
    tells_tokens: bool,
    counts_usage: bool,
}

impl Answering {
    fn envelope(&self, object: &str, choices: Vec<Value>) -> Value {
        json!({
            "id": self.id, "object": object, "created": self.created, "model": self.app.served.name, "choices": choices,
        })
    }

    fn usage(&self, written: usize) -> Value {
        let read = self.prompt_tokens;
        json!({ "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written })
    }

    fn logprobs(&self, tokens: &[(u32, Option<TokenScore>)]) -> Value {
        if !self.tells_tokens {
            return Value::Null;
        }
        let told = tokens
            .iter()
            .filter_map(|(id, score)| Some(chat_token(&*self.app.served.vocabulary, *id, score.as_ref()?)));
        json!({ "content": told.collect::<Vec<_>>(), "refusal": null })
    }

    fn whole(&self, made: Vec<Made>) -> Value {
        let written = made.iter().map(|made| made.tokens.len()).sum();
        let choices = made.into_iter().enumerate().map(|(index, made)| {
            json!({
                "index": index, "message": { "role": "assistant", "content": made.text, "refusal": null },
                "logprobs": self.logprobs(&made.tokens), "finish_reason": made.end.map(End::name),
            })
        });
        let mut whole = self.envelope("chat.completion", choices.collect());
        whole["usage"] = self.usage(written);
        whole
    }

    /// An event of a stream.
    fn part(&self, index: usize, delta: Value, logprobs: Value, end: Option<End>) -> Value {
        let choice =
            json!({ "index": index, "delta": delta, "logprobs": logprobs, "finish_reason": end.map(End::name) });
        self.envelope("chat.completion.chunk", vec![choice])
    }

    /// Writes an answer piece by piece.
    async fn write(self, mut asking: Asking, texts: usize, lines: Lines) {
        for index in 0..texts {
            if !lines.send(&self.part(index, json!({ "role": "assistant", "content": "" }), Value::Null, None)).await {
                return;
            }
        }
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
            let Event::Token { id, text, score, end } = event else { continue };
            written += 1;
            left -= usize::from(end.is_some());
            if !text.is_empty() || self.tells_tokens {
                let logprobs = self.logprobs(&[(id, score)]);
                if !lines.send(&self.part(place, json!({ "content": text }), logprobs, None)).await {
                    return;
                }
            }
            if end.is_some() && !lines.send(&self.part(place, json!({}), Value::Null, end)).await {
                return;
            }
        }
        if self.counts_usage {
            let mut last = self.envelope("chat.completion.chunk", Vec::new());
            last["usage"] = self.usage(written);
            lines.send(&last).await;
        }
        lines.done().await;
    }
}
