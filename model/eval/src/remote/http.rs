//! Requests that are made again where that may help, and errors that say what to do.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderValue, Response, Uri};
use ureq::{Agent, Body};

use super::Options;
use crate::{Error, Result};

/// Most bytes of an answer.
const MOST_BYTES: u64 = 256 << 20;
/// Longest pause before a request is made again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Characters of a server's complaint that are told.
const TOLD: usize = 500;

pub(super) struct Http {
    agent: Agent,
    /// The address with all that may be secret in it: a user's name and password, a query.
    base: String,
    query: String,
    /// The address that may be shown.
    shown: String,
    authorization: Option<HeaderValue>,
    retries: u32,
}

impl fmt::Debug for Http {
    /// Without what may be secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Http")
            .field("base", &self.shown)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// Why a request failed.
struct Failure {
    problem: String,
    hint: Option<String>,
    /// Whether another try may do, and how long the server wants to be left alone.
    again: Option<Duration>,
    /// Whether it is this request that the server will not do.
    is_refusal: bool,
}

impl Http {
    pub fn new(options: &Options) -> Result<Self> {
        // What is no address may hold a password all the same: it is not shown.
        let wrong = || Error::request("this is no address of a server", "write it as `http://localhost:8000/v1`");
        let uri: Uri = options.endpoint.trim().parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme)).ok_or_else(wrong)?;
        let authority = uri.authority().map(|authority| authority.as_str()).ok_or_else(wrong)?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.is_empty() || host.starts_with(':') {
            return Err(wrong());
        }
        let path = uri.path().trim_end_matches('/');
        let version = if path.ends_with("/v1") { "" } else { "/v1" };
        let address = |authority: &str| format!("{scheme}://{authority}{path}{version}");
        let config = Agent::config_builder()
            .timeout_global(Some(options.timeout))
            .timeout_connect(Some(options.timeout.min(Duration::from_secs(30))))
            .http_status_as_error(false)
            .build();
        let bearer = |key: &String| {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
                Error::request("the key holds characters that no header may", "is it the key, and in one line?")
            })?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        };
        Ok(Self {
            agent: config.into(),
            base: address(authority),
            query: uri.query().map_or_else(String::new, |query| format!("?{query}")),
            shown: address(host),
            authorization: options.api_key.as_ref().map(bearer).transpose()?,
            retries: options.retries,
        })
    }

    /// The address, without what may be secret.
    pub fn address(&self) -> &str {
        &self.shown
    }

    /// An error of an address below the server's.
    pub fn error(&self, path: &str, problem: String, hint: Option<String>) -> Error {
        Error::Remote { url: format!("{}{path}", self.shown), problem, hint }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}{}", self.base, self.query)
    }

    pub fn get(&self, path: &str) -> Result<Value> {
        self.again_and_again(path, || {
            let mut request = self.agent.get(self.url(path));
            if let Some(authorization) = &self.authorization {
                request = request.header("Authorization", authorization);
            }
            request.call()
        })
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        self.again_and_again(path, || {
            let mut request = self.agent.post(self.url(path)).content_type("application/json");
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
                    pause = longer(pause);
                }
                again => {
                    let tried =
                        if again.is_some() && tries > 0 { format!(" ({} tries)", tries + 1) } else { String::new() };
                    let problem = failure.problem + &tried;
                    return Err(match failure.is_refusal {
                        true => Error::Refused { url: format!("{}{path}", self.shown), problem, hint: failure.hint },
                        false => self.error(path, problem, failure.hint),
                    });
                }
            }
        }
        unreachable!("the last try returns")
    }
}

/// The pause behind one of this length.
fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

/// A server that was not reached, broke off, or says what cannot be read.
fn unreachable(error: ureq::Error) -> Failure {
    let told = |problem: String, hint: &str, again: Option<Duration>| Failure {
        problem,
        hint: Some(hint.to_owned()),
        again,
        is_refusal: false,
    };
    let reached = |problem: String| format!("it cannot be reached: {problem}");
    match error {
        ureq::Error::BodyExceedsLimit(most) => {
            told(format!("its answer has more than {most} bytes"), "ask for less: fewer new tokens", None)
        }
        // An address is not shown: it may hold a password.
        ureq::Error::BadUri(_) => {
            told(reached("its address is none".into()), "write it as `http://localhost:8000/v1`", None)
        }
        ureq::Error::Http(error) => {
            told(format!("it cannot be asked: {error}"), "is `--endpoint` an address, `--api-key` a key?", None)
        }
        error @ (ureq::Error::Tls(_) | ureq::Error::Rustls(_)) => {
            told(reached(error.to_string()), "is it `http://` instead of `https://`?", None)
        }
        error @ ureq::Error::Timeout(_) => {
            told(reached(error.to_string()), "give it more time with `--timeout SECONDS`", Some(Duration::ZERO))
        }
        error => told(
            reached(error.to_string()),
            "is the server running there? `--endpoint URL` names it, as `http://localhost:8000/v1`",
            Some(Duration::ZERO),
        ),
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
            is_refusal: matches!(status, 400 | 413 | 422),
        });
    }
    serde_json::from_str(&text).map_err(|error| Failure {
        problem: format!("its answer is no JSON: {error}"),
        hint: Some("is it a server that speaks OpenAI's completions?".to_owned()),
        again: None,
        is_refusal: false,
    })
}

/// What a server says is wrong.
fn complaint(text: &str) -> String {
    let json: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let said = json["error"]["message"].as_str().or(json["message"].as_str()).or(json["detail"].as_str());
    said.map_or_else(|| text.trim().to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_no_further() {
        let mut pauses = vec![Duration::from_millis(250)];
        for _ in 0..1000 {
            pauses.push(longer(*pauses.last().expect("one")));
        }
        assert_eq!(pauses[..3], [250, 500, 1000].map(Duration::from_millis));
        assert_eq!((pauses[7], pauses[8], pauses[1000]), (Duration::from_secs(32), LONGEST_PAUSE, LONGEST_PAUSE));
    }
}
