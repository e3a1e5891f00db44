//! What a server serves, and under which limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::available_parallelism;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use blake3::Hash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use yuan_model::generate::ChatTemplate;

use crate::engine::Queue;
use crate::http::Problem;
use crate::metrics::Metrics;
use crate::vocabulary::Vocabulary;
use crate::{Error, Result};

/// Greatest number of texts of a request: prompts times `n`; that of Yuan's server.
pub const MOST_TEXTS: usize = 128;

/// The limits of a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// What clients must show as `Authorization: Bearer KEY`; `None` for nothing.
    pub key: Option<String>,
    /// Bytes of a request.
    pub max_body: usize,
    /// Greatest number of new tokens of a text; `None` for as many as there is room for.
    pub max_new_tokens: Option<usize>,
    /// Texts on their way at one time.
    pub max_texts: usize,
    /// Tokens that these may come to, prompts included: memory for keys and values.
    pub cache_tokens: usize,
    /// Tokens of prompts that are read in one step.
    pub batch_tokens: usize,
    /// Bytes of answers that are made, or made and not read yet; a request may ask for half of them.
    pub answer_bytes: usize,
    /// Texts that may wait.
    pub queue: usize,
    /// Time from a request to the end of its answer.
    pub timeout: Duration,
    /// Time for a client to send the head of a request, and again for its body, and to read what it is sent.
    pub client_timeout: Duration,
    /// Time for what runs when the server is asked to stop.
    pub grace: Duration,
}

impl Options {
    /// Checks that a server with these limits could do anything.
    ///
    /// # Errors
    /// A limit of nothing; a key that no header can hold.
    pub fn check(&self) -> Result<()> {
        let wrong = |problem: &str| Err(Error::Option { problem: problem.to_owned() });
        let limits = [self.max_body, self.max_texts, self.cache_tokens, self.batch_tokens, self.answer_bytes];
        if limits.contains(&0) || self.max_new_tokens == Some(0) {
            return wrong("a limit is 0: nothing could be asked");
        }
        if self.timeout.is_zero() || self.client_timeout.is_zero() {
            return wrong("a time is 0: nothing could be answered");
        }
        match &self.key {
            Some(key) if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                wrong("the API key must be printable ASCII without spaces, as it stands in a header")
            }
            _ => Ok(()),
        }
    }
}

/// A model as it is served.
pub struct Served {
    /// What requests call it.
    pub name: String,
    /// Its tokenizer.
    pub vocabulary: Arc<dyn Vocabulary>,
    /// How chats are written; without one they are refused.
    pub template: Option<ChatTemplate>,
    /// Tokens of a prompt and its text together.
    pub max_positions: usize,
    /// Rows of its embedding.
    pub vocab_size: usize,
    /// The tokens that texts end with.
    pub ends: Vec<u32>,
    /// Ids that are never chosen: they stand for no token.
    pub never: Vec<u32>,
}

/// Says a line to whoever runs the server.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What requests share.
pub struct App {
    pub served: Served,
    pub options: Options,
    pub queue: Queue,
    pub metrics: Arc<Metrics>,
    pub say: Say,
    /// Requests whose bodies are read, or read and not in the queue yet: so much memory is theirs.
    pub bodies: Arc<Semaphore>,
    /// Texts that are encoded and answers that are written: so many threads are theirs.
    pub workers: Arc<Semaphore>,
    pub started: u64,
    /// Memory of answers, in KiB.
    answers: Arc<Semaphore>,
    key: Option<Hash>,
    numbers: AtomicU64,
}

impl App {
    pub fn new(mut served: Served, options: Options, say: Say) -> Self {
        served.never.sort_unstable();
        let metrics = Arc::<Metrics>::default();
        let key = options.key.as_ref().map(|key| blake3::hash(key.as_bytes()));
        Self {
            queue: Queue::new(options.queue, metrics.clone()),
            served,
            metrics,
            say,
            bodies: Arc::new(Semaphore::new(64)),
            workers: Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))),
            answers: Arc::new(Semaphore::new(kilobytes(options.answer_bytes))),
            started: now(),
            options,
            key,
            numbers: AtomicU64::new(0),
        }
    }

    /// Whether a key opens the server. Hashes are compared in a time that does not depend on them.
    pub fn opens(&self, key: &[u8]) -> bool {
        self.key.is_none_or(|own| own == blake3::hash(key))
    }

    /// Whether a key is needed.
    pub fn is_locked(&self) -> bool {
        self.key.is_some()
    }

    /// Most tokens of a prompt and its text together.
    pub fn context(&self) -> usize {
        self.served.max_positions.min(self.options.cache_tokens)
    }

    /// Memory for an answer of so many bytes at most, until it is dropped.
    ///
    /// # Errors
    /// More than a request may have (400), or more than is there now (429).
    pub fn memory(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let most = kilobytes(self.options.answer_bytes / 2);
        let asked = kilobytes(bytes);
        if asked > most {
            let message = format!(
                "the answer may come to {asked} KiB, and this server makes {most} KiB at most: ask for fewer texts, tokens or \
                 log-probabilities"
            );
            return Err(Problem::new(StatusCode::BAD_REQUEST, message).code("answer_too_large"));
        }
        self.answers.clone().try_acquire_many_owned(asked as u32).map_err(|_| Problem::full())
    }

    /// The name of an answer, `cmpl-…`.
    pub fn answer(&self, prefix: &str) -> String {
        let number = self.numbers.fetch_add(1, Relaxed);
        format!("{prefix}-{:x}{:08x}", self.started, number)
    }

    /// A seed for those who name none.
    pub fn seed(&self) -> u64 {
        use std::hash::{BuildHasher as _, RandomState};
        RandomState::new().hash_one(self.numbers.fetch_add(1, Relaxed))
    }
}

/// Bytes as KiB, up to what a semaphore counts.
fn kilobytes(bytes: usize) -> usize {
    bytes.div_ceil(1 << 10).min(u32::MAX as usize)
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::vocabulary::Spelt;

    struct Nothing;

    impl Vocabulary for Nothing {
        fn encode(&self, _: &str) -> Result<Spelt, String> {
            Ok(Spelt::default())
        }

        fn piece(&self, _: u32) -> Option<Vec<u8>> {
            None
        }
    }

    /// A server whose model nobody asks.
    pub fn app(change: impl FnOnce(&mut Options)) -> Arc<App> {
        let minute = Duration::from_secs(60);
        let mut options = Options {
            key: None,
            max_body: 1 << 20,
            max_new_tokens: None,
            max_texts: 8,
            cache_tokens: 1000,
            batch_tokens: 100,
            answer_bytes: 1 << 20,
            queue: 100,
            timeout: minute,
            client_timeout: minute,
            grace: minute,
        };
        change(&mut options);
        options.check().unwrap();
        let served = Served {
            name: "nothing".into(),
            vocabulary: Arc::new(Nothing),
            template: None,
            max_positions: 1000,
            vocab_size: 10,
            ends: Vec::new(),
            never: Vec::new(),
        };
        Arc::new(App::new(served, options, Arc::new(|_| {})))
    }

    #[test]
    fn a_prompt_needs_room_where_nothing_is_made_too() {
        let app = app(|options| options.max_new_tokens = Some(500));
        let room = |tokens: usize, asked: Option<usize>, usual| {
            crate::ask::room(&app, &vec![1; tokens], (asked, "max_tokens"), usual, "prompt").map_err(|told| told.json())
        };
        assert_eq!(room(1000, Some(0), None), Ok(0));
        for (tokens, asked) in [(1001, Some(0)), (1000, Some(1)), (5000, Some(0)), (1000, None), (1001, None)] {
            let told = room(tokens, asked, Some(16)).unwrap_err();
            assert_eq!(told["error"]["code"], "context_length_exceeded", "{tokens} {asked:?}");
        }
        assert_eq!(
            (room(10, None, Some(16)), room(10, None, None), room(990, None, Some(16))),
            (Ok(16), Ok(500), Ok(10))
        );
        assert!(room(10, Some(501), None).is_err());
    }
}
