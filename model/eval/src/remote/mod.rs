//! A model behind a server that speaks OpenAI's completions: vLLM, llama.cpp, this project's own.

mod http;
mod likelihood;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Error, LanguageModel, Likelihood, Request, Result, Take, Writing, Written};
use http::Http;
use likelihood::{Echoed, Wrong};

/// How a server is asked.
#[derive(Clone)]
pub struct Options {
    /// The address, as `http://localhost:8000` or with `/v1`.
    pub endpoint: String,
    /// The model's name there; without one the first that the server tells.
    pub model: Option<String>,
    /// What the server wants to see.
    pub api_key: Option<String>,
    /// Time that an answer may take.
    pub timeout: Duration,
    /// How often a request is made again that failed for a reason that may pass.
    pub retries: u32,
    /// Requests at a time.
    pub concurrency: usize,
}

impl fmt::Debug for Options {
    /// Without address and key: both may hold what is secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, timeout, retries, concurrency, .. } = self;
        let mut told = formatter.debug_struct("Options");
        told.field("model", model).field("timeout", timeout).field("retries", retries);
        told.field("concurrency", concurrency).finish_non_exhaustive()
    }
}

impl Options {
    /// A server without a key: ten minutes for an answer, five retries, four requests at a time.
    pub fn of(endpoint: impl Into<String>) -> Self {
        let (timeout, retries, concurrency) = (Duration::from_secs(600), 5, 4);
        Self { endpoint: endpoint.into(), model: None, api_key: None, timeout, retries, concurrency }
    }
}

/// How well a token is predicted by those before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenScore {
    /// Natural logarithm of its probability.
    pub log_prob: f64,
    /// Whether no token is more likely.
    pub is_greedy: bool,
}

/// Tokens of texts that were counted, by a hash of the text: who counts first keeps the others waiting.
type Counts = Mutex<HashMap<blake3::Hash, Arc<Mutex<Option<usize>>>>>;

/// A model behind a server.
#[derive(Debug)]
pub struct Remote {
    http: Http,
    model: String,
    max_tokens: Option<usize>,
    concurrency: usize,
    counts: Counts,
}

impl Remote {
    /// Asks the server for its models.
    ///
    /// # Errors
    /// If the address is none, the server cannot be reached or refuses, or has no such model.
    pub fn connect(options: Options) -> Result<Self> {
        let http = Http::new(&options)?;
        let told = http.get("/models")?;
        let names: Vec<&str> =
            told["data"].as_array().into_iter().flatten().filter_map(|model| model["id"].as_str()).collect();
        let model = match &options.model {
            Some(name) if names.is_empty() || names.contains(&name.as_str()) => name.clone(),
            Some(name) => {
                let problem = format!("there is no model `{name}`");
                return Err(http.error("/models", problem, Some(format!("there are {}", names.join(", ")))));
            }
            None => match names.first() {
                Some(name) => (*name).to_owned(),
                None => {
                    let hint = "name the model with `--model-name NAME`".to_owned();
                    return Err(http.error("/models", "it tells no models".to_owned(), Some(hint)));
                }
            },
        };
        let about = told["data"].as_array().into_iter().flatten().find(|about| about["id"] == model.as_str());
        let max_tokens = about.and_then(|about| about["max_model_len"].as_u64()).map(|count| count as usize);
        Ok(Self { http, model, max_tokens, concurrency: options.concurrency.max(1), counts: Counts::default() })
    }

    /// Most tokens of a prompt and what is written behind it, if the server tells (`max_model_len`, as vLLM does).
    pub fn max_tokens(&self) -> Option<usize> {
        self.max_tokens
    }

    /// The model's name on the server.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What it is called in results: its name and the server's address, without what may be secret.
    pub fn name(&self) -> String {
        format!("{} at {}", self.model, self.http.address())
    }

    fn complete(&self, body: &Value) -> Result<Value> {
        let mut answer = self.http.post("/completions", body)?;
        match answer["choices"].get_mut(0) {
            Some(choice) => {
                let choice = choice.take();
                answer["choices"] = Value::Null;
                Ok(json!({ "choice": choice, "usage": answer["usage"] }))
            }
            None => Err(self.http.error("/completions", "the answer has no `choices`".to_owned(), None)),
        }
    }

    /// Does something for each of some, several at a time, and hands over each result when it is there.
    fn each<T: Sync, R: Send>(&self, all: &[T], work: impl Fn(&T) -> Result<R> + Sync, take: &mut Take<'_, R>) {
        let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        // Who takes slowly is waited for.
        let (sender, results) = sync_channel(self.concurrency);
        std::thread::scope(|scope| {
            for _ in 0..self.concurrency.min(all.len()) {
                let sender = sender.clone();
                let (work, next, is_over) = (&work, &next, &is_over);
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed)
                        && let place = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(one) = all.get(place)
                        && sender.send((place, work(one))).is_ok()
                    {}
                });
            }
            drop(sender);
            for result in results {
                is_over.fetch_or(!take(vec![result]), Ordering::Relaxed);
            }
        });
    }

    /// A prompt with the log-probabilities of its tokens.
    fn echo(&self, prompt: impl Into<Value>) -> Result<Value> {
        // Servers write one token at least; what is read of is the prompt they give back.
        self.complete(&json!({
            "model": self.model, "prompt": prompt.into(), "max_tokens": 1, "temperature": 0, "echo": true, "logprobs": 1,
        }))
    }

    fn wrong(&self, (problem, hint): Wrong) -> Error {
        self.http.error("/completions", problem, hint)
    }

    /// The tokens that the server makes of a text, with those it puts before it. Each text is asked for once.
    fn count(&self, text: &str) -> Result<usize> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(blake3::hash(text.as_bytes())).or_default().clone();
        drop(counts);
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = *count {
            return Ok(count);
        }
        let body = json!({ "model": self.model, "prompt": text, "max_tokens": 1, "temperature": 0 });
        let counted = match self.complete(&body) {
            // There is nothing in it but what a server puts before a text, if it does.
            Err(Error::Refused { .. }) if text.is_empty() => 0,
            answer => answer?["usage"]["prompt_tokens"].as_u64().ok_or_else(|| {
                self.wrong(("the answer has no `usage.prompt_tokens`, and others had".to_owned(), None))
            })? as usize,
        };
        *count = Some(counted);
        Ok(counted)
    }

    fn likelihood(&self, context: &str, continuation: &str) -> Result<Likelihood> {
        let prompt = format!("{context}{continuation}");
        // White space at the context's end belongs to the continuation.
        let bare = context.trim_end();
        let answer = self.echo(prompt.as_str())?;
        let echoed = Echoed::of(&answer["choice"], &answer["usage"]).map_err(|wrong| self.wrong(wrong))?;
        let places = match echoed.prompt_tokens {
            Some(all) => Ok((self.count(bare)?, all)),
            None => echoed.spelt(bare, &prompt),
        };
        places.and_then(|(from, to)| echoed.between(from, to)).map_err(|wrong| self.wrong(wrong))
    }

    /// How well each token of some texts but the first is predicted. The server is given their ids, and must tell of as many.
    pub fn tokens(&self, texts: &[Vec<u32>], take: &mut Take<'_, Vec<TokenScore>>) {
        let scored = |ids: &Vec<u32>| {
            let answer = self.echo(ids.as_slice())?;
            let echoed = Echoed::of(&answer["choice"], &answer["usage"]).map_err(|wrong| self.wrong(wrong))?;
            if let Some(count) = echoed.prompt_tokens.filter(|count| *count != ids.len()) {
                let hint =
                    "it takes a server that takes prompts as lists of ids, and leaves them as they are".to_owned();
                return Err(self.wrong((format!("it was given {} tokens, and counts {count}", ids.len()), Some(hint))));
            }
            let score = |place| echoed.token(place).map(|(log_prob, is_greedy)| TokenScore { log_prob, is_greedy });
            (1..ids.len()).map(score).collect::<Result<_, Wrong>>().map_err(|wrong| self.wrong(wrong))
        };
        self.each(texts, scored, take);
    }

    fn written(&self, Request { prompt, how, number }: &Request<'_>) -> Result<Written> {
        let Writing { max_new_tokens, temperature, top_k, top_p, seed, stop } = how;
        let mut body = json!({
            "model": self.model,
            "prompt": prompt,
            "max_tokens": max_new_tokens,
            "temperature": temperature,
            "top_p": top_p,
            // Servers read seeds as signed numbers of 64 bits.
            "seed": seed.wrapping_add(*number) & (i64::MAX as u64),
        });
        // Not OpenAI's: said only if it is asked for.
        if *top_k > 0 {
            body["top_k"] = (*top_k).into();
        }
        if !stop.is_empty() {
            body["stop"] = json!(stop);
        }
        let answer = self.complete(&body)?;
        let text = answer["choice"]["text"].as_str();
        let text = text.ok_or_else(|| self.http.error("/completions", "the answer has no `text`".to_owned(), None))?;
        let count = |name: &str| answer["usage"][name].as_u64().unwrap_or(0) as usize;
        Ok(Written {
            text: text.to_owned(),
            has_ended: answer["choice"]["finish_reason"] != "length",
            prompt_tokens: count("prompt_tokens"),
            tokens: count("completion_tokens"),
            is_cut: false,
        })
    }
}

impl LanguageModel for Remote {
    fn write(&mut self, requests: &[Request<'_>], take: &mut Take<'_, Written>) {
        self.each(requests, |request| self.written(request), take);
    }

    fn likelihoods(&mut self, pairs: &[(&str, &str)], take: &mut Take<'_, Likelihood>) {
        self.each(pairs, |(context, continuation)| self.likelihood(context, continuation), take);
    }
}
