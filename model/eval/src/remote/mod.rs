//! A model behind a server that speaks OpenAI's completions: vLLM, llama.cpp, this project's own.

mod http;
mod likelihood;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Error, LanguageModel, Likelihood, Result, Writing, Written};
use http::Http;

/// How a server is asked.
#[derive(Clone, Debug)]
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

impl Options {
    /// A server without a key: ten minutes for an answer, five retries, four requests at a time.
    pub fn of(endpoint: impl Into<String>) -> Self {
        let (timeout, retries, concurrency) = (Duration::from_secs(600), 5, 4);
        Self { endpoint: endpoint.into(), model: None, api_key: None, timeout, retries, concurrency }
    }
}

/// A model behind a server.
#[derive(Debug)]
pub struct Remote {
    http: Http,
    model: String,
    concurrency: usize,
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
        Ok(Self { http, model, concurrency: options.concurrency.max(1) })
    }

    /// The model's name on the server.
    pub fn model(&self) -> &str {
        &self.model
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

    /// Does something for each of some, several at a time; the results are in order. After a failure no more is begun.
    fn each<T: Sync, R: Send>(&self, all: &[T], work: impl Fn(usize, &T) -> Result<R> + Sync) -> Result<Vec<R>> {
        let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done: Vec<Mutex<Option<Result<R>>>> = all.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..self.concurrency.min(all.len()) {
                scope.spawn(|| {
                    while !has_failed.load(Ordering::Relaxed)
                        && let place = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(one) = all.get(place)
                    {
                        let result = work(place, one);
                        has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
                        *done[place].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(result);
                    }
                });
            }
        });
        let results = done.into_iter().map(|it| it.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
        let (mut found, mut error) = (Vec::new(), None);
        for result in results {
            match result {
                Some(Ok(result)) => found.push(result),
                Some(Err(one)) => error = error.or(Some(one)),
                // Left out, as another failed.
                None => {}
            }
        }
        error.map_or(Ok(found), Err)
    }
}

impl LanguageModel for Remote {
    fn write(&mut self, prompts: &[&str], how: &Writing) -> Result<Vec<Written>> {
        self.each(prompts, |place, prompt| {
            let mut body = json!({
                "model": self.model,
                "prompt": prompt,
                "max_tokens": how.max_new_tokens,
                "temperature": how.temperature,
                "top_p": how.top_p,
                // Servers read seeds as signed numbers of 64 bits.
                "seed": how.seed.wrapping_add(place as u64) & (i64::MAX as u64),
            });
            // Not OpenAI's: said only if it is asked for.
            if how.top_k > 0 {
                body["top_k"] = how.top_k.into();
            }
            if !how.stop.is_empty() {
                body["stop"] = json!(how.stop);
            }
            let answer = self.complete(&body)?;
            let text = answer["choice"]["text"]
                .as_str()
                .ok_or_else(|| self.http.error("/completions", "the answer has no `text`".to_owned(), None))?;
            let count = |name: &str| answer["usage"][name].as_u64().unwrap_or(0) as usize;
            Ok(Written {
                text: text.to_owned(),
                has_ended: answer["choice"]["finish_reason"] != "length",
                prompt_tokens: count("prompt_tokens"),
                tokens: count("completion_tokens"),
                is_cut: false,
            })
        })
    }

    fn likelihoods(&mut self, pairs: &[(&str, &str)]) -> Result<Vec<Likelihood>> {
        self.each(pairs, |_, (context, continuation)| {
            let prompt = format!("{context}{continuation}");
            // Servers write one token at least; what is read of is the prompt they give back.
            let body = json!({
                "model": self.model, "prompt": prompt, "max_tokens": 1, "temperature": 0, "echo": true, "logprobs": 1,
            });
            let answer = self.complete(&body)?;
            likelihood::read(&answer["choice"], context, &prompt)
                .map_err(|(problem, hint)| self.http.error("/completions", problem, hint))
        })
    }
}

/// An error of a server.
fn error(url: String, problem: String, hint: Option<String>) -> Error {
    Error::Remote { url, problem, hint }
}
