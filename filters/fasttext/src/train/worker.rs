//! The loop over examples, and how far along it is.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::access::{Access, Alone};
use super::encoded::Encoded;
use super::features::Features;
use super::loss::{OutputLayer, Scratch};
use super::shared::Shared;
use super::weights::Weights;
use crate::{Error, Result};

/// How far a training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The part done, in [0, 1].
    pub fraction: f64,
    /// Tokens trained on in a second, by all threads together.
    pub tokens_per_second: f64,
    /// The learning rate by now.
    pub learning_rate: f64,
    /// Mean loss per example since the start, of one of the threads; NaN before the first is done.
    pub loss: f64,
}

/// Everything that workers share and do not change.
pub(crate) struct Job<'a> {
    pub encoded: &'a Encoded,
    pub features: &'a Features<'a>,
    pub output_layer: &'a OutputLayer,
    /// A weight for each label, or none if all weigh the same.
    pub label_weights: &'a [f32],
    pub learning_rate: f64,
    /// Tokens of an epoch, as the dictionary counted them.
    pub epoch_tokens: i64,
    pub epochs: i64,
    /// Tokens after which a worker tells how many it has done.
    pub update_rate: i64,
    pub seed: i32,
    pub cancel: &'a AtomicBool,
}

/// What workers tell each other.
struct Shares {
    tokens: AtomicI64,
    /// Somebody gave up.
    stop: AtomicBool,
    /// Bits of the mean loss of the worker that told last.
    loss: AtomicU64,
    start: Instant,
}

/// Time between two reports.
const REPORT: Duration = Duration::from_millis(100);

impl Job<'_> {
    fn goal(&self) -> i64 {
        self.epochs.saturating_mul(self.epoch_tokens)
    }

    /// Trains both matrices with so many threads, from the first example on until all epochs are done. `report` is called by this
    /// thread, about ten times a second and at the end.
    ///
    /// # Errors
    /// [`Error::Diverged`] and [`Error::Cancelled`]; the matrices are of no use then.
    pub(crate) fn run(
        &self,
        threads: usize,
        input: &mut Weights,
        output: &mut Weights,
        report: &mut dyn FnMut(&Progress),
    ) -> Result<()> {
        let shares = Shares {
            tokens: AtomicI64::new(0),
            stop: AtomicBool::new(false),
            loss: AtomicU64::new(f64::NAN.to_bits()),
            start: Instant::now(),
        };
        if threads == 1 {
            let mut last = shares.start;
            let mut access = Alone::new(input, output, self.output_layer.takes_all_labels());
            self.work(&mut access, 0, 1, &shares, &mut || {
                if last.elapsed() >= REPORT {
                    last = Instant::now();
                    report(&self.progress(&shares));
                }
            })?;
        } else {
            self.run_shared(threads, input, output, &shares, report)?;
        }
        report(&self.progress(&shares));
        Ok(())
    }

    fn run_shared(
        &self,
        threads: usize,
        input: &mut Weights,
        output: &mut Weights,
        shares: &Shares,
        report: &mut dyn FnMut(&Progress),
    ) -> Result<()> {
        let columns = input.columns();
        let (input, output) = (input.as_atomics(), output.as_atomics());
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|worker| {
                    scope.spawn(move || {
                        let mut access = Shared::new(columns, input, output);
                        let result = self.work(&mut access, worker, threads, shares, &mut || {});
                        if result.is_err() {
                            shares.stop.store(true, Relaxed);
                        }
                        result
                    })
                })
                .collect();
            let mut last = shares.start;
            while workers.iter().any(|worker| !worker.is_finished()) {
                std::thread::park_timeout(REPORT / 50);
                if last.elapsed() >= REPORT {
                    last = Instant::now();
                    report(&self.progress(shares));
                }
            }
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    /// Trains on examples in turn until all workers together have seen enough tokens.
    fn work(
        &self,
        access: &mut impl Access,
        worker: usize,
        workers: usize,
        shares: &Shares,
        report: &mut dyn FnMut(),
    ) -> Result<()> {
        let goal = self.goal();
        let mut scratch = self.output_layer.scratch(i64::from((worker as i32).wrapping_add(self.seed)));
        let (mut rows, mut hashes) = (Vec::new(), Vec::new());
        let (mut examples, mut loss) = (0_u64, 0.0_f64);
        let mut own_tokens = 0_i64;
        let mut cycle = self.encoded.cycle(worker, workers);
        loop {
            let done = shares.tokens.load(Relaxed);
            if done >= goal || shares.stop.load(Relaxed) {
                return Ok(());
            }
            let Some(example) = cycle.next() else { return Ok(()) };
            own_tokens += i64::from(example.tokens);
            if !example.labels.is_empty() {
                self.features.expand(example.words, &mut rows, &mut hashes);
                if !rows.is_empty() {
                    let rate = self.rate(done, goal) as f32 * example.weight;
                    loss += f64::from(self.learn(access, example.labels, &rows, rate, &mut scratch)?);
                    examples += 1;
                }
            }
            if own_tokens > self.update_rate {
                shares.tokens.fetch_add(own_tokens, Relaxed);
                own_tokens = 0;
                if self.cancel.load(Relaxed) {
                    return Err(Error::Cancelled);
                }
                if examples > 0 {
                    shares.loss.store((loss / examples as f64).to_bits(), Relaxed);
                    report();
                }
            }
        }
    }

    /// One step on one example. Returns its loss.
    fn learn(
        &self,
        access: &mut impl Access,
        labels: &[u32],
        rows: &[u32],
        mut rate: f32,
        scratch: &mut Scratch,
    ) -> Result<f32> {
        let drawn;
        let targets = if self.output_layer.takes_all_targets() {
            labels
        } else {
            drawn = scratch.draw(labels.len());
            &labels[drawn..=drawn]
        };
        if !self.label_weights.is_empty() {
            let sum: f32 = targets.iter().map(|&label| self.label_weights[label as usize]).sum();
            rate *= sum / targets.len() as f32;
        }
        access.average_rows(rows, &mut scratch.hidden);
        scratch.gradient.fill(0.0);
        let loss = self.output_layer.update(access, targets, rate, scratch)?;
        super::kernels::scale(scratch.level, &mut scratch.gradient, (1.0 / rows.len() as f64) as f32);
        access.add_to_rows(rows, &scratch.gradient);
        Ok(loss)
    }

    /// The learning rate after so many tokens: it falls linearly. The part done is rounded to `f32`, as fastText does.
    fn rate(&self, done: i64, goal: i64) -> f64 {
        self.learning_rate * (1.0 - f64::from(done as f32 / goal as f32))
    }

    fn progress(&self, shares: &Shares) -> Progress {
        let (done, goal) = (shares.tokens.load(Relaxed), self.goal());
        Progress {
            fraction: (done as f64 / goal.max(1) as f64).min(1.0),
            tokens_per_second: done as f64 / shares.start.elapsed().as_secs_f64().max(1e-9),
            learning_rate: self.rate(done, goal.max(1)).max(0.0),
            loss: f64::from_bits(shares.loss.load(Relaxed)),
        }
    }
}
