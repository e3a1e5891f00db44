//! A run: steps, evaluations and checkpoints, until all is done or it is told to stop.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use yuan_model::DType;

use super::{Companion, EvaluationLine, Folder, HeldOut, Line, Log, Progress, Reading, Saved, StepLine, Trainer};
use crate::Result;

/// What is done how often, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Every {
    /// Steps between evaluations; 0 for the one at the end alone.
    pub evaluate: u64,
    /// Tokens of each set that an evaluation on the way predicts; the one at the end reads everything.
    pub evaluation_tokens: u64,
    /// Steps between checkpoints; 0 for none but the last.
    pub save: u64,
    /// Checkpoints kept.
    pub keep: usize,
    /// When to stop, if before the last step.
    pub until: Option<Instant>,
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
    /// The lines it has.
    pub lines: Vec<Line>,
    /// Tokens read before now.
    pub tokens: u64,
    /// Seconds of work before now.
    pub seconds: f64,
}

impl Run<'_> {
    /// Goes on until the last step, the time is over, or `stopped` is set; a checkpoint is left in each case. `on_line` sees each new
    /// line of the log.
    ///
    /// # Errors
    /// As of [`Trainer::step`] and [`Reading::evaluate`], and if the disk refuses.
    pub fn go(&mut self, stopped: &AtomicBool, on_line: &mut dyn FnMut(&Line)) -> Result<Ended> {
        let steps = self.trainer.plan().schedule.steps;
        // Longest step so far: the next one is not begun if it would not be done in time. One is taken in any case, so that a run
        // comes to its end in whatever pieces.
        let mut longest = None;
        // Of a run that was stopped while it evaluated.
        if self.is_due(self.every.evaluate) && !self.evaluate(false, stopped, on_line)? {
            return Ok(Ended::Stopped);
        }
        while self.trainer.done() < steps {
            let is_late = |longest: Duration| self.every.until.is_some_and(|until| Instant::now() + longest > until);
            if longest.is_some_and(is_late) {
                self.save()?;
                return Ok(Ended::OutOfTime);
            }
            let start = Instant::now();
            let Some(step) = self.trainer.step(stopped)? else {
                self.save()?;
                return Ok(Ended::Stopped);
            };
            let took = start.elapsed();
            longest = longest.max(Some(took));
            self.tokens += step.tokens;
            self.seconds += took.as_secs_f64();
            let line = StepLine::new(&step, self.tokens, self.seconds, took.as_secs_f64());
            self.tell(Line::Step(line), on_line)?;
            if self.is_due(self.every.evaluate) && !self.evaluate(false, stopped, on_line)? {
                self.save()?;
                return Ok(Ended::Stopped);
            }
            if self.is_due(self.every.save) || self.trainer.done() == steps {
                self.save()?;
            }
            if stopped.load(Ordering::Relaxed) {
                self.save()?;
                return Ok(Ended::Stopped);
            }
        }
        if !self.evaluate(true, stopped, on_line)? {
            return Ok(Ended::Stopped);
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
    fn evaluate(&mut self, is_final: bool, stopped: &AtomicBool, on_line: &mut dyn FnMut(&Line)) -> Result<bool> {
        let step = self.trainer.done();
        let limit = (!is_final).then_some(self.every.evaluation_tokens);
        for documents in self.held_out {
            let name = documents.name();
            let is_same =
                |line: &EvaluationLine| (line.step, line.is_final, line.evaluation.as_str()) == (step, is_final, name);
            if self.lines.iter().filter_map(Line::as_evaluation).any(is_same) {
                continue;
            }
            let start = Instant::now();
            let found = self.reading.evaluate(self.trainer.network_mut(), documents.as_ref(), limit, stopped)?;
            let Some(found) = found else { return Ok(false) };
            let took = start.elapsed().as_secs_f64();
            self.seconds += took;
            self.tell(Line::Evaluation(EvaluationLine::new(step, name, is_final, &found, took)), on_line)?;
        }
        Ok(true)
    }

    fn tell(&mut self, line: Line, on_line: &mut dyn FnMut(&Line)) -> Result<()> {
        self.log.write(&line)?;
        on_line(&line);
        self.lines.push(line);
        Ok(())
    }

    /// Writes a checkpoint, unless there is one of this step or no step was taken.
    fn save(&mut self) -> Result<()> {
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
        self.checkpoints.write(progress, saved)?;
        self.checkpoints.prune(self.every.keep)
    }
}
