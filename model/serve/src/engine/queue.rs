//! Texts that wait for the model, in the order in which they came.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::job::{Event, Job};
use crate::metrics::Metrics;

/// What is told of the texts of a request, by their places in it. As many events may lie here as the texts have tokens: whoever asks has
/// reserved memory for all of them, and the model never waits for a client.
#[derive(Debug)]
pub struct Events {
    told: UnboundedReceiver<(usize, Event)>,
    is_stopped: watch::Receiver<bool>,
}

impl Events {
    /// What is told next. `None` as soon as the server stops, whatever the model is doing.
    pub async fn next(&mut self) -> Option<(usize, Event)> {
        tokio::select! {
            biased;
            _ = self.is_stopped.wait_for(|is_stopped| *is_stopped) => None,
            told = self.told.recv() => told,
        }
    }
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too many wait already.
    Full,
    /// The server stops.
    Stopping,
}

/// A text that waits.
pub struct Ticket {
    /// What is asked for.
    pub job: Job,
    /// Tokens that it may come to.
    pub tokens: usize,
    /// Its place in its request.
    pub place: usize,
    /// Where its events go; closed when its client has left.
    pub events: UnboundedSender<(usize, Event)>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Ticket>,
    /// Nothing is taken any more, and what runs is given up.
    is_stopped: bool,
}

/// The queue before the model.
pub struct Queue {
    line: Mutex<Line>,
    changed: Condvar,
    most: usize,
    /// Tells who waits for events that none will come.
    stopped: watch::Sender<bool>,
    metrics: Arc<Metrics>,
}

impl Queue {
    /// A queue in which at most so many texts wait.
    pub fn new(most: usize, metrics: Arc<Metrics>) -> Self {
        Self { line: Mutex::default(), changed: Condvar::new(), most, stopped: watch::Sender::new(false), metrics }
    }

    /// Takes the texts of a request, all or none. A request that finds nobody waiting is taken however many texts it has.
    ///
    /// # Errors
    /// If too many wait already, or the server stops.
    pub fn submit(&self, jobs: Vec<Job>) -> Result<Events, Refused> {
        let mut line = self.lock();
        if line.is_stopped {
            return Err(Refused::Stopping);
        }
        if line.waiting.len() + jobs.len() > self.most.max(1) {
            // Those whose clients have left need no place.
            line.waiting.retain(|ticket| !ticket.events.is_closed());
            if !line.waiting.is_empty() && line.waiting.len() + jobs.len() > self.most.max(1) {
                return Err(Refused::Full);
            }
        }
        let (events, told) = unbounded_channel();
        let tickets = jobs.into_iter().enumerate();
        line.waiting.extend(tickets.map(|(place, job)| Ticket {
            tokens: job.tokens(),
            job,
            place,
            events: events.clone(),
        }));
        self.metrics.waiting.store(line.waiting.len() as u64, Relaxed);
        self.changed.notify_all();
        Ok(Events { told, is_stopped: self.stopped.subscribe() })
    }

    /// The next text for which `fits` holds, if it is the first in the line; texts whose clients have left are passed over.
    /// With nothing to do the caller `waits` for one. `None` if there is none now, or none will come any more.
    pub fn next(&self, waits: bool, fits: impl Fn(&Job) -> bool) -> Option<Ticket> {
        let mut line = self.lock();
        loop {
            while line.waiting.front().is_some_and(|ticket| ticket.events.is_closed()) {
                line.waiting.pop_front();
            }
            let next = match line.waiting.front() {
                Some(ticket) if fits(&ticket.job) => line.waiting.pop_front(),
                Some(_) => None,
                None if waits && !line.is_stopped => {
                    self.metrics.waiting.store(0, Relaxed);
                    line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                None => None,
            };
            self.metrics.waiting.store(line.waiting.len() as u64, Relaxed);
            return next;
        }
    }

    /// Takes nothing any more, and gives up what waits and what runs. Those who asked hear of it at once, the model behind its step.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
        let mut line = self.lock();
        line.is_stopped = true;
        line.waiting.clear();
        self.changed.notify_all();
    }

    /// Whether everything is to be given up.
    pub fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        // The line is whole between any two statements.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use yuan_model::generate::Sampling;

    use super::*;

    fn job(tokens: usize) -> Job {
        Job {
            prompt: vec![1; tokens].into(),
            number: 0,
            sampling: Sampling::greedy(),
            adjust: Arc::default(),
            stop: None,
            top: None,
            score_prompt: false,
        }
    }

    #[test]
    fn a_full_queue_refuses_and_those_who_left_make_room() {
        let queue = Queue::new(2, Arc::default());
        let first = queue.submit(vec![job(1)]).unwrap();
        let second = queue.submit(vec![job(2)]).unwrap();
        assert_eq!(queue.submit(vec![job(3)]).unwrap_err(), Refused::Full);
        drop(first);
        let third = queue.submit(vec![job(3)]).unwrap();
        assert_eq!(queue.next(false, |_| true).unwrap().job.tokens(), 2);
        drop((second, third));
        assert!(queue.next(false, |_| true).is_none());
        // More at once than may wait, but nobody does.
        let _many = queue.submit(vec![job(1), job(1), job(1)]).unwrap();
    }

    #[tokio::test]
    async fn the_first_in_the_line_is_not_overtaken() {
        let queue = Queue::new(9, Arc::default());
        let mut events = queue.submit(vec![job(5), job(1)]).unwrap();
        assert!(queue.next(true, |job| job.tokens() < 3).is_none());
        let running = queue.next(true, |_| true).unwrap();
        assert_eq!(running.job.tokens(), 5);
        queue.stop();
        assert_eq!(queue.submit(vec![job(1)]).unwrap_err(), Refused::Stopping);
        assert!(queue.next(true, |_| true).is_none());
        // What runs may take its time: who waits for it does not.
        running.events.send((0, Event::Scored)).unwrap();
        assert!(events.next().await.is_none());
    }
}
