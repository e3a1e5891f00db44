//! Requests that are made again where that may help, and errors that say what to do.

use std::time::Duration;

use serde_json::Value;
use ureq::{Agent, Body, http::Response};

use super::{Options, error};
use crate::{Error, Result};

/// Most bytes of an answer.
const MOST_BYTES: u64 = 256 << 20;
/// Longest pause before a request is made again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Characters of a server's complaint that are told.
const TOLD: usize = 500;

#[derive(Debug)]
pub(super) struct Http {
    agent: Agent,
    base: String,
    authorization: Option<String>,
    retries: u32,
}

/// Why a request failed.
struct Failure {
    problem: String,
    hint: Option<String>,
    /// Whether another try may do, and how long the server wants to be left alone.
    again: Option<Duration>,
}

impl Http {
    pub fn new(options: &Options) -> Result<Self> {
        let endpoint = options.endpoint.trim_end_matches('/');
        let has_scheme = endpoint.starts_with("http://") || endpoint.starts_with("https://");
        if !has_scheme || endpoint.split("//").nth(1).is_none_or(str::is_empty) {
            return Err(Error::request(
                format!("`{}` is no address of a server", options.endpoint),
                "write it as `http://localhost:8000/v1`",
            ));
        }
        let base = if endpoint.ends_with("/v1") { endpoint.to_owned() } else { format!("{endpoint}/v1") };
        let config = Agent::config_builder()
            .timeout_global(Some(options.timeout))
            .timeout_connect(Some(options.timeout.min(Duration::from_secs(30))))
            .http_status_as_error(false)
            .build();
        let authorization = options.api_key.as_ref().map(|key| format!("Bearer {key}"));
        Ok(Self { agent: config.into(), base, authorization, retries: options.retries })
    }

    /// An error of an address below the server's.
    pub fn error(&self, path: &str, problem: String, hint: Option<String>) -> Error {
        error(format!("{}{path}", self.base), problem, hint)
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        self.again_and_again(path, || {
            let mut request = self.agent.get(format!("{}{path}", self.base));
            if let Some(authorization) = &self.authorization {
                request = request.header("Authorization", authorization);
            }
            request.call()
        })
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        self.again_and_again(path, || {
            let mut request = self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
            if let Some(authorization) = &self.authorization {
                request = request.header("Authorization", authorization);
            }
            request.send(body.as_str())
        })
    }

    fn again_and_again(&self, path: &str, request: impl Fn() -> Result<Response<Body>, ureq::Error>) -> Result<Value> {
        let mut pause = Duration::from_millis(250);
        for tries in 0.. {
            let failure = match request().map_err(unreachable).and_then(read) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match failure.again {
                Some(wanted) if tries < self.retries => {
                    std::thread::sleep(pause.max(wanted).min(LONGEST_PAUSE));
                    pause *= 2;
                }
                again => {
                    let tried =
                        if again.is_some() && tries > 0 { format!(" ({} tries)", tries + 1) } else { String::new() };
                    return Err(self.error(path, failure.problem + &tried, failure.hint));
                }
            }
        }
        unreachable!("the last try returns")
    }
}

/// A server that was not reached, or broke off.
fn unreachable(error: ureq::Error) -> Failure {
    let hint = match &error {
        ureq::Error::Timeout(_) => "give it more time with `--timeout SECONDS`",
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "is it `http://` instead of `https://`?",
        _ => "is the server running there? `--endpoint URL` names it, as `http://localhost:8000/v1`",
    };
    let may_pass = !matches!(error, ureq::Error::BadUri(_) | ureq::Error::Tls(_) | ureq::Error::Rustls(_));
    Failure {
        problem: format!("it cannot be reached: {error}"),
        hint: Some(hint.to_owned()),
        again: may_pass.then_some(Duration::ZERO),
    }
}

/// What a server answered.
fn read(mut response: Response<Body>) -> Result<Value, Failure> {
    let status = response.status().as_u16();
    let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let wait = Duration::from_secs(wait.unwrap_or(0));
    let text = response.body_mut().with_config().limit(MOST_BYTES).read_to_string().map_err(unreachable)?;
    if status != 200 {
        let said: String = complaint(&text).chars().take(TOLD).collect();
        let hint = match status {
            401 | 403 => Some("give the key with `--api-key KEY`, or in the environment as OPENAI_API_KEY"),
            404 => Some("the server has no such address or model: `--endpoint URL`, `--model-name NAME`"),
            429 => Some("ask less at a time with `--concurrency 1`"),
            400 | 413 | 422 => Some("if the prompt is too long for it: fewer examples (`--shots N`), fewer new tokens"),
            _ => None,
        };
        let may_pass = matches!(status, 408 | 409 | 425 | 429 | 500 | 502 | 503 | 504);
        return Err(Failure {
            problem: format!("it answers {status}: {said}"),
            hint: hint.map(str::to_owned),
            again: may_pass.then_some(wait),
        });
    }
    serde_json::from_str(&text).map_err(|error| Failure {
        problem: format!("its answer is no JSON: {error}"),
        hint: Some("is it a server that speaks OpenAI's completions?".to_owned()),
        again: None,
    })
}

/// What a server says is wrong.
fn complaint(text: &str) -> String {
    let json: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let said = json["error"]["message"].as_str().or(json["message"].as_str()).or(json["detail"].as_str());
    said.map_or_else(|| text.trim().to_owned(), str::to_owned)
}
