//! A run: steps, evaluations and checkpoints, until all is done or it is told to stop.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use yuan_model::DType;

use super::{Companion, EvaluationLine, Folder, HeldOut, Line, Log, Progress, Reading, Saved, StepLine, Trainer};
use crate::{Error, Result};

/// What is done how often, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Every {
    /// Steps between evaluations; 0 for the one at the end alone.
    pub evaluate: u64,
    /// Tokens of each set that an evaluation on the way predicts, in whole documents from the first.
    pub evaluation_tokens: u64,
    /// Those of the one at the end; all of them if there is no number.
    pub final_tokens: Option<u64>,
    /// Steps between checkpoints; 0 for none but the last.
    pub save: u64,
    /// Checkpoints kept.
    pub keep: usize,
    /// When to stop, if before the end of it all. What is worth keeping is done in any case: a step, or the evaluation of a set.
    pub until: Option<Instant>,
}

/// What a run tells on its way.
#[derive(Clone, Copy, Debug)]
pub enum Event<'e> {
    /// A new line of the log.
    Line(&'e Line),
    /// All sets are evaluated; all evaluations the log tells of.
    Evaluated(&'e [EvaluationLine]),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps are taken.
    Finished,
    /// The time is over.
    OutOfTime,
    /// It was told to stop.
    Stopped,
}

/// A training on its way.
pub struct Run<'a> {
    /// What takes the steps.
    pub trainer: Trainer<'a>,
    /// Documents that are not trained on.
    pub held_out: &'a [Box<dyn HeldOut + 'a>],
    /// How they are read.
    pub reading: Reading,
    /// What is done how often.
    pub every: Every,
    /// Where checkpoints go.
    pub checkpoints: Folder,
    /// Where the finished model goes.
    pub model: PathBuf,
    /// The type of its numbers.
    pub dtype: DType,
    /// Files that go with it.
    pub companions: &'a [Companion],
    /// What the numbers depend on.
    pub settings: &'a Map<String, Value>,
    /// The version of the program.
    pub version: &'a str,
    /// The log.
    pub log: Log,
    /// The evaluations it tells of.
    pub evaluations: Vec<EvaluationLine>,
    /// Tokens read before now.
    pub tokens: u64,
    /// Seconds of work before now.
    pub seconds: f64,
}

/// One call of [`Run::go`].
struct Call<'c> {
    stop: &'c dyn Fn() -> bool,
    on_event: &'c mut dyn FnMut(Event<'_>),
    until: Option<Instant>,
    /// Longest step so far: the next one is not begun if it would not be done in time.
    longest: Duration,
    /// Whether something was done that is kept, so that a run comes to its end in whatever pieces.
    has_done: bool,
}

impl Call<'_> {
    /// Whether what needs so much time would not be done before the time is over.
    fn is_late(&self, needed: Duration) -> bool {
        self.has_done && self.until.is_some_and(|until| Instant::now() + needed > until)
    }

    /// Why it is to end here.
    fn ended(&self) -> Ended {
        if (self.stop)() { Ended::Stopped } else { Ended::OutOfTime }
    }
}

impl Run<'_> {
    /// Goes on until the finished model is written, the time is over, or `stop` says so. A checkpoint is left in each case, and also
    /// if something fails that leaves the network as it was: a text or document that cannot be had, a step to nowhere. `on_event`
    /// sees each new line of the log.
    ///
    /// # Errors
    /// As of [`Trainer::step`] and [`Reading::evaluate`], and if the disk refuses.
    pub fn go(&mut self, stop: &dyn Fn() -> bool, on_event: &mut dyn FnMut(Event<'_>)) -> Result<Ended> {
        let until = self.every.until;
        let mut call = Call { stop, on_event, until, longest: Duration::ZERO, has_done: false };
        let ended = self.work(&mut call);
        match ended {
            // Its last step has a checkpoint.
            Ok(Ended::Finished) => {}
            Ok(Ended::OutOfTime | Ended::Stopped) => self.save()?,
            // It can no longer be asked for what it has learnt.
            Err(Error::Device(_)) => {}
            // The first error counts. Older checkpoints are kept: this one may be of weights that have gone astray.
            Err(_) => drop(self.write_checkpoint()),
        }
        ended
    }

    fn work(&mut self, call: &mut Call) -> Result<Ended> {
        let steps = self.trainer.plan().schedule.steps;
        loop {
            // After a step, or of a run that was stopped while it evaluated.
            if self.is_due(self.every.evaluate) && !self.evaluate(false, call)? {
                return Ok(call.ended());
            }
            if self.trainer.done() >= steps {
                break;
            }
            if call.is_late(call.longest) {
                return Ok(Ended::OutOfTime);
            }
            let start = Instant::now();
            let Some(step) = self.trainer.step(call.stop)? else { return Ok(Ended::Stopped) };
            let took = start.elapsed();
            (call.longest, call.has_done) = (call.longest.max(took), true);
            self.tokens += step.tokens;
            self.seconds += took.as_secs_f64();
            let line = StepLine::new(&step, self.tokens, self.seconds, took.as_secs_f64());
            self.tell(&Line::Step(line), call)?;
            // Before anything that may fail or take long.
            if self.is_due(self.every.save) || self.trainer.done() == steps {
                self.save()?;
            }
            if (call.stop)() {
                return Ok(Ended::Stopped);
            }
        }
        if !self.evaluate(true, call)? {
            return Ok(call.ended());
        }
        self.log.sync()?;
        let state = self.trainer.network().state()?;
        let config = self.trainer.network().config();
        Folder::write_model(
            &self.model,
            Saved { config, state: &state, dtype: self.dtype, companions: self.companions },
        )?;
        Ok(Ended::Finished)
    }

    /// Whether something that is done every so many steps is to be done now. At the end everything is done anyway.
    fn is_due(&self, every: u64) -> bool {
        let done = self.trainer.done();
        every > 0 && done > 0 && done.is_multiple_of(every) && done < self.trainer.plan().schedule.steps
    }

    /// Evaluates what the log does not tell of this step yet; false if it was stopped.
    fn evaluate(&mut self, is_final: bool, call: &mut Call) -> Result<bool> {
        let step = self.trainer.done();
        let limit = if is_final { self.every.final_tokens } else { Some(self.every.evaluation_tokens) };
        let mut has_found = false;
        for documents in self.held_out {
            let is_told = |line: &EvaluationLine| {
                (line.step, line.is_final) == (step, is_final) && line.is_of(documents.as_ref())
            };
            if self.evaluations.iter().any(is_told) {
                continue;
            }
            let is_over = || (call.stop)() || call.is_late(Duration::ZERO);
            if is_over() {
                return Ok(false);
            }
            let start = Instant::now();
            let found = self.reading.evaluate(self.trainer.network_mut(), documents.as_ref(), limit, &is_over)?;
            let Some(found) = found else { return Ok(false) };
            let took = start.elapsed().as_secs_f64();
            self.seconds += took;
            (call.has_done, has_found) = (true, true);
            let line = EvaluationLine::new(step, documents.as_ref(), is_final, &found, took);
            self.evaluations.push(line.clone());
            self.tell(&Line::Evaluation(line), call)?;
        }
        if has_found {
            (call.on_event)(Event::Evaluated(&self.evaluations));
        }
        Ok(true)
    }

    fn tell(&mut self, line: &Line, call: &mut Call) -> Result<()> {
        self.log.write(line)?;
        (call.on_event)(Event::Line(line));
        Ok(())
    }

    /// Writes a checkpoint and removes those that are no longer kept.
    fn save(&mut self) -> Result<()> {
        self.write_checkpoint()?;
        self.checkpoints.prune(self.every.keep)
    }

    /// Writes a checkpoint, unless there is one of this step or no step was taken.
    fn write_checkpoint(&mut self) -> Result<()> {
        let step = self.trainer.done();
        if step == 0 || self.checkpoints.steps()?.contains(&step) {
            return Ok(());
        }
        self.log.sync()?;
        let progress = Progress {
            version: self.version.to_owned(),
            step,
            texts: step * self.trainer.plan().texts_per_step,
            tokens: self.tokens,
            seconds: self.seconds,
            settings: self.settings.clone(),
            ..Progress::default()
        };
        let state = self.trainer.network().state()?;
        let config = self.trainer.network().config();
        let saved = Saved { config, state: &state, dtype: self.dtype, companions: self.companions };
        self.checkpoints.write(progress, saved).map(drop)
    }
}
