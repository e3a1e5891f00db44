//! From a prompt to the queue, and what comes back.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::engine::{Event, Events, Job, Refused};
use crate::http::{Lines, Problem, Request, Spent};

/// Bytes that a token of an answer comes to: as an event, in what is made of it, and as JSON.
const TOKEN: usize = 192;

/// Bytes that each of the likeliest tokens told beside it comes to.
const TOP: usize = 96;

/// Until when a request is answered, and what it spends.
#[derive(Clone)]
pub struct Order {
    deadline: Instant,
    seconds: u64,
    spent: Arc<Spent>,
}

impl Order {
    /// Of a request that has just come.
    pub fn of(app: &App, request: &Request) -> Self {
        let timeout = app.options.timeout;
        let spent = request.extensions().get::<Arc<Spent>>().cloned().unwrap_or_default();
        Self { deadline: Instant::now() + timeout, seconds: timeout.as_secs(), spent }
    }

    /// Does something beside the threads that answer, which takes long; as much is done at one time as there are cores.
    ///
    /// # Errors
    /// If it is not done in time (504), or stops with a panic (500).
    pub async fn work<T: Send + 'static>(
        &self,
        app: &Arc<App>,
        work: impl FnOnce(&App) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let done = async {
            let permit = app.workers.clone().acquire_owned().await.map_err(|_| Problem::stopping())?;
            let app = app.clone();
            let done = spawn_blocking(move || {
                let done = work(&app);
                drop(permit);
                done
            });
            done.await.map_err(|error| Problem::failed(format!("the request cannot be worked on: {error}")))
        };
        timeout_at(self.deadline, done).await.map_err(|_| Problem::timeout(self.seconds))?
    }

    /// Queues the texts of a request, behind prompts of so many tokens. All tokens of its `echoed` prompts are told too, with each text.
    ///
    /// # Errors
    /// If the answer may become too long (400), too many wait (429) or the server stops (503).
    pub fn submit(self, app: &App, jobs: Vec<Job>, prompt_tokens: usize, is_echoed: bool) -> Result<Asking, Problem> {
        let memory = app.memory(jobs.iter().map(|job| answer_bytes(job, is_echoed)).fold(0, usize::saturating_add))?;
        let events = app.queue.submit(jobs).map_err(|refused| match refused {
            Refused::Full => Problem::full(),
            Refused::Stopping => Problem::stopping(),
        })?;
        self.spent.read.fetch_add(prompt_tokens as u64, Relaxed);
        Ok(Asking { events, order: self, memory })
    }
}

/// Bytes that the answer to a job may come to.
fn answer_bytes(job: &Job, is_echoed: bool) -> usize {
    let told = job.tokens() - if is_echoed { 0 } else { job.prompt.len() };
    told.saturating_mul(TOKEN + job.top.unwrap_or(0) * TOP)
}

/// Texts on their way for a request. When it is dropped, they are given up.
pub struct Asking {
    events: Events,
    order: Order,
    memory: OwnedSemaphorePermit,
}

impl Asking {
    /// What is told next, and of which text.
    ///
    /// # Errors
    /// If it takes too long (504), the server stops (503), or the model cannot go on (500).
    pub async fn next(&mut self) -> Result<(usize, Event), Problem> {
        let late = || Problem::timeout(self.order.seconds);
        // What is there already does not wait for the clock.
        if Instant::now() >= self.order.deadline {
            return Err(late());
        }
        match timeout_at(self.order.deadline, self.events.next()).await {
            Err(_) => Err(late()),
            Ok(None) => Err(Problem::stopping()),
            Ok(Some((_, Event::Failed(problem)))) => Err(Problem::failed(problem)),
            Ok(Some(told)) => {
                self.order.spent.written.fetch_add(u64::from(matches!(told.1, Event::Token { .. })), Relaxed);
                Ok(told)
            }
        }
    }

    /// Sends a part of the answer. `false` if the client has left.
    ///
    /// # Errors
    /// If it reads so slowly that the answer takes too long (504).
    pub async fn send(&self, lines: &Lines, part: Bytes) -> Result<bool, Problem> {
        let sent = timeout_at(self.order.deadline, lines.send(part)).await;
        sent.map_err(|_| Problem::timeout(self.order.seconds))
    }

    /// Until when the whole answer is to be written, and the memory it has.
    pub fn end(self) -> (Order, OwnedSemaphorePermit) {
        (self.order, self.memory)
    }
}

/// New tokens a text may have behind a prompt: what was `asked`, else `usual` or as many as there is room for.
///
/// # Errors
/// A prompt without tokens, with ids that the model does not know, or without room for so many tokens. `field` is where the prompt
/// stands, `wish` what the number of tokens is called.
pub fn room(
    app: &App,
    ids: &[u32],
    (asked, wish): (Option<usize>, &str),
    usual: Option<usize>,
    field: &str,
) -> Result<usize, Problem> {
    let (vocab_size, context) = (app.served.vocab_size, app.context());
    if ids.is_empty() {
        return Err(Problem::field(field, "the prompt has no tokens: there is nothing to continue"));
    }
    if let Some(id) = ids.iter().find(|id| **id as usize >= vocab_size) {
        return Err(Problem::field(field, format!("the prompt has the token {id}, and the model has {vocab_size}")));
    }
    let most = app.options.max_new_tokens.unwrap_or(usize::MAX);
    if let Some(asked) = asked.filter(|asked| *asked > most) {
        return Err(Problem::field(wish, format!("`{wish}` is {asked}, and this server makes {most} at most")));
    }
    let tokens = ids.len();
    let left = context.saturating_sub(tokens);
    let new = asked.unwrap_or_else(|| usual.unwrap_or(left).min(most).min(left).max(1));
    if tokens.saturating_add(new) > context {
        let message = format!(
            "the prompt has {tokens} tokens and the text {new}, and there is room for {context} of both together"
        );
        return Err(Problem::field(field, message).code("context_length_exceeded"));
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread::{available_parallelism, sleep};
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::{HeaderValue, StatusCode, header};
    use serde_json::Value;
    use yuan_model::generate::{Sampling, StopRules};

    use super::*;
    use crate::app::tests::app;
    use crate::http::read_json;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_is_worked_on_than_there_are_cores() {
        let app = app(|_| {});
        let order = Order::of(&app, &Request::default());
        let cores = available_parallelism().unwrap().get();
        // How much is being done now, and was at most.
        let counts = Arc::new(Mutex::new((0, 0)));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 * cores {
            let (app, order, counts) = (app.clone(), order.clone(), counts.clone());
            tasks.spawn(async move {
                let work = move |_: &App| {
                    let change = |by: isize| {
                        let mut counts = counts.lock().unwrap();
                        counts.0 += by;
                        counts.1 = counts.0.max(counts.1);
                    };
                    change(1);
                    sleep(Duration::from_millis(10));
                    change(-1);
                };
                order.work(&app, work).await.unwrap();
            });
        }
        while tasks.join_next().await.is_some() {}
        assert_eq!(*counts.lock().unwrap(), (0, cores as isize));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_is_over_in_time_before_it_is_queued_too() {
        let quick = app(|options| options.timeout = Duration::from_millis(20));
        let order = Order::of(&quick, &Request::default());
        let late = order.work(&quick, |_| sleep(Duration::from_millis(200))).await.unwrap_err();
        assert_eq!(late.status(), StatusCode::GATEWAY_TIMEOUT);
        let app = app(|_| {});
        let broken = Order::of(&app, &Request::default()).work(&app, |_| panic!("a word too long")).await;
        assert_eq!(broken.unwrap_err().status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bodies_wait_for_each_other_until_they_are_queued() {
        let app = app(|options| options.client_timeout = Duration::from_millis(20));
        let request = || {
            let mut request = Request::new(Body::from("[1]"));
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request
        };
        let read = async || read_json::<Value>(&app, &Order::of(&app, &request()), request()).await;
        let free = app.bodies.available_permits();
        let (_, first) = read().await.unwrap();
        let others = app.bodies.clone().try_acquire_many_owned(free as u32 - 1).unwrap();
        assert_eq!(read().await.unwrap_err().status(), StatusCode::TOO_MANY_REQUESTS);
        drop(first);
        assert_eq!(read().await.unwrap().0, serde_json::json!([1]));
        drop(others);
        assert_eq!(app.bodies.available_permits(), free);
    }

    #[tokio::test]
    async fn an_answer_has_memory_as_long_as_it_is_asked_for() {
        let app = app(|options| options.answer_bytes = 64 << 10);
        let job = |new: usize, top| Job {
            prompt: vec![1; 100].into(),
            number: 0,
            sampling: Sampling::greedy(),
            adjust: Arc::default(),
            stop: (new > 0).then(|| Arc::new(StopRules { max_new_tokens: new, ..StopRules::default() })),
            top,
            score_prompt: false,
        };
        let submit = |job: Job, count, is_echoed| {
            let order = Order::of(&app, &Request::default());
            order.submit(&app, vec![job; count], 100, is_echoed).map_err(|problem| problem.status())
        };
        // Half of all is 32 KiB: 170 tokens, or 56 with the four likeliest of each.
        let first = submit(job(170, None), 1, false).unwrap();
        for (job, count, is_echoed) in [
            (job(171, None), 1, false),
            (job(86, None), 2, false),
            (job(71, None), 1, true),
            (job(0, None), 2, true),
            (job(60, Some(4)), 1, false),
        ] {
            assert_eq!(submit(job, count, is_echoed).err(), Some(StatusCode::BAD_REQUEST));
        }
        let second = submit(job(56, Some(4)), 1, false).unwrap();
        assert_eq!(submit(job(100, None), 1, false).err(), Some(StatusCode::TOO_MANY_REQUESTS));
        drop(first);
        let third = submit(job(100, None), 1, false).unwrap();
        drop((second, third));
        assert!(
            submit(job(usize::MAX - 100, Some(20)), 1, false).is_err_and(|status| status == StatusCode::BAD_REQUEST)
        );
    }

    #[tokio::test]
    async fn what_is_there_already_comes_too_late_as_well() {
        let app = app(|options| options.timeout = Duration::from_millis(20));
        let prompt: Arc<[u32]> = vec![1].into();
        let job = Job {
            prompt: prompt.clone(),
            number: 0,
            sampling: Sampling::greedy(),
            adjust: Arc::default(),
            stop: None,
            top: None,
            score_prompt: true,
        };
        let order = Order::of(&app, &Request::default());
        let mut asking = order.submit(&app, vec![job], 1, false).map_err(|problem| problem.status()).unwrap();
        let ticket = app.queue.next(false, |_| true).unwrap();
        for _ in 0..2 {
            ticket.events.send((0, Event::Prompt(Arc::default()))).unwrap();
        }
        assert!(asking.next().await.is_ok());
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(asking.next().await.unwrap_err().status(), StatusCode::GATEWAY_TIMEOUT);
    }
}
