//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use yuan_model::generate::RenderOptions;

use super::check_name;
use super::fields::{Fields, LogProbs, unsupported};
use super::made::Made;
use super::sampling::{TOP, adjust, count, of_length, sampling, stop};
use super::spelling::{ChatToken, List};
use super::telling::{Teller, Telling};
use crate::app::App;
use crate::ask::{Order, room};
use crate::engine::{End, Event, Job, TokenScore};
use crate::http::{Problem, Request, read_json};

/// What a request comes to.
struct Plan {
    prompt_tokens: usize,
    n: usize,
    tells_tokens: bool,
    is_streamed: bool,
    counts_usage: bool,
}

/// Answers a request.
///
/// # Errors
/// What is wrong with it, or keeps the model from answering.
pub async fn chat(State(app): State<Arc<App>>, request: Request) -> Result<Response<Body>, Problem> {
    let order = Order::of(&app, &request);
    let (fields, body) = read_json(&app, &order, request).await?;
    let (plan, jobs) = order.work(&app, |app| plan(app, fields)).await??;
    let asking = order.submit(&app, jobs, plan.prompt_tokens, false)?;
    drop(body);
    let telling = Telling::new::<Chat>(app, "chatcmpl", plan.prompt_tokens, plan.counts_usage);
    let chat = Chat { texts: plan.n, tells_tokens: plan.tells_tokens };
    telling.answer(chat, asking, plan.n, plan.is_streamed).await
}

/// What a request comes to, and what the model is asked for it.
fn plan(app: &App, mut fields: Fields) -> Result<(Plan, Vec<Job>), Problem> {
    check_name(app, fields.model.as_deref())?;
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
    let (sampling, adjust, mut stop) = (sampling(app, &fields)?, adjust(app, &fields)?, stop(app, &mut fields)?);
    let messages = messages(fields.messages.take())?;
    let spelt = app.served.vocabulary.encode(&render(app, &messages)?);
    let prompt: Arc<[u32]> = spelt.map_err(|problem| Problem::field("messages", problem))?.ids.into();
    let asked = match (fields.max_completion_tokens, fields.max_tokens) {
        (Some(count), _) => (Some(count as usize), "max_completion_tokens"),
        (None, count) => (count.map(|count| count as usize), "max_tokens"),
    };
    let new = room(app, &prompt, asked, None, "messages")?;
    let Some(stop) = of_length(&mut stop, new) else {
        return Err(Problem::field(asked.1, format!("`{}` is 0; it must be at least 1", asked.1)));
    };
    let prompt_tokens = prompt.len();
    let job = |number| Job {
        prompt: prompt.clone(),
        number,
        sampling: sampling.clone(),
        adjust: adjust.clone(),
        stop: Some(stop.clone()),
        top,
        score_prompt: false,
    };
    let jobs = (0..n as u64).map(job).collect();
    let plan = Plan {
        prompt_tokens,
        n,
        tells_tokens: top.is_some(),
        is_streamed: fields.stream.unwrap_or(false),
        counts_usage: fields.stream_options.is_some_and(|options| options.include_usage == Some(true)),
    };
    Ok((plan, jobs))
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
fn render(app: &App, messages: &[Map<String, Value>]) -> Result<String, Problem> {
    let template = app.served.template.as_ref().ok_or_else(|| {
        let message = "the model has no chat template: send prompts to `/v1/completions`";
        Problem::field("messages", message).code("no_chat_template")
    })?;
    let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
    template.render(messages, &options).map_err(|error| Problem::field("messages", error.to_string()))
}

/// What is told of a whole text, or of the next part of one.
#[derive(Serialize)]
struct Choice<'m, L> {
    index: usize,
    #[serde(flatten)]
    said: Said<'m>,
    logprobs: Option<LogProbsOf<L>>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
enum Said<'m> {
    #[serde(rename = "message")]
    Message { role: &'static str, content: &'m str, refusal: () },
    #[serde(rename = "delta")]
    Delta {
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'m str>,
    },
}

#[derive(Serialize)]
struct LogProbsOf<L> {
    content: L,
    refusal: (),
}

/// A chat that is being told.
struct Chat {
    texts: usize,
    tells_tokens: bool,
}

impl Chat {
    fn logprobs<'m>(
        &self,
        telling: &'m Telling,
        tokens: &'m [(u32, Option<TokenScore>)],
    ) -> Option<LogProbsOf<impl Serialize + use<'m>>> {
        let vocabulary = &*telling.app.served.vocabulary;
        let told = move |(id, score): &'m (u32, Option<TokenScore>)| {
            Some(ChatToken { vocabulary, id: *id, score: score.as_ref()? })
        };
        self.tells_tokens.then(|| LogProbsOf { content: List(tokens.iter().filter_map(told)), refusal: () })
    }

    /// An event of a stream.
    fn part(
        &self,
        telling: &Telling,
        index: usize,
        (role, content): (Option<&'static str>, Option<&str>),
        tokens: &[(u32, Option<TokenScore>)],
        end: Option<End>,
    ) -> Bytes {
        let logprobs = if tokens.is_empty() { None } else { self.logprobs(telling, tokens) };
        let said = Said::Delta { role, content };
        telling.event(Choice { index, said, logprobs, finish_reason: end.map(End::name) })
    }
}

impl Teller for Chat {
    const OBJECTS: [&'static str; 2] = ["chat.completion", "chat.completion.chunk"];

    fn whole(&self, telling: &Telling, made: &[Made]) -> Vec<u8> {
        let written = made.iter().map(|made| made.tokens.len()).sum();
        let choices = made.iter().enumerate().map(|(index, made)| {
            let said = Said::Message { role: "assistant", content: &made.text, refusal: () };
            let logprobs = self.logprobs(telling, &made.tokens);
            Choice { index, said, logprobs, finish_reason: made.end.map(End::name) }
        });
        telling.json(List(choices), written)
    }

    fn begin(&self, telling: &Telling) -> Vec<Bytes> {
        let part = |index| self.part(telling, index, (Some("assistant"), Some("")), &[], None);
        (0..self.texts).map(part).collect()
    }

    fn tell(&mut self, telling: &Telling, place: usize, told: Event) -> Vec<Bytes> {
        let Event::Token { id, text, score, end } = told else { return Vec::new() };
        let mut parts = Vec::new();
        if !text.is_empty() || self.tells_tokens {
            parts.push(self.part(telling, place, (None, Some(&text)), &[(id, score)], None));
        }
        if end.is_some() {
            parts.push(self.part(telling, place, (None, None), &[], end));
        }
        parts
    }
}
