//! The log of a training: a line of JSON for each step and each evaluation.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Evaluation, Step};
use crate::{Error, Result, RouterLoad};

/// What a step was like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// Its number, from 1.
    pub step: u64,
    /// Tokens read since the run began.
    pub tokens: u64,
    /// Nats a token that counts, before the step was taken.
    pub loss: f64,
    /// Auxiliary loss of the routers, coefficient included.
    pub balance: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Euclidean norm of the gradients before clipping.
    pub gradient_norm: f64,
    /// Whether they were clipped.
    pub clipped: bool,
    /// Tokens a second.
    pub tokens_per_second: f64,
    /// Seconds of work since the run began, times in which it did not run left out.
    pub seconds: f64,
    /// Each layer's router; none for a dense model.
    pub routers: Vec<RouterLine>,
}

/// What a router did in a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterLine {
    /// How evenly experts are used, in [0, 1].
    pub evenness: f64,
    /// Tokens of the busiest expert over the mean of all.
    pub busiest: f64,
    /// Mean entropy of a token's choice, in nats.
    pub entropy: f64,
}

/// What was found of held-out documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationLine {
    /// Steps taken.
    pub step: u64,
    /// The name of the documents.
    pub evaluation: String,
    /// Whether these are all documents, after the last step.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Documents read.
    pub documents: u64,
    /// Tokens predicted.
    pub tokens: u64,
    /// Nats a token.
    pub loss: Option<f64>,
    /// e to the loss.
    pub perplexity: Option<f64>,
    /// Bits for each byte of text, if the bytes are known.
    pub bits_per_byte: Option<f64>,
    /// How long it took.
    pub seconds: f64,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// Of a step.
    Step(StepLine),
    /// Of an evaluation.
    Evaluation(EvaluationLine),
}

impl Line {
    /// Steps taken when it was written.
    pub fn step(&self) -> u64 {
        match self {
            Self::Step(line) => line.step,
            Self::Evaluation(line) => line.step,
        }
    }

    /// The step's line, if it is one.
    pub fn as_step(&self) -> Option<&StepLine> {
        if let Self::Step(line) = self { Some(line) } else { None }
    }

    /// The evaluation's line, if it is one.
    pub fn as_evaluation(&self) -> Option<&EvaluationLine> {
        if let Self::Evaluation(line) = self { Some(line) } else { None }
    }
}

impl StepLine {
    /// The line of a step, of a run that has read `tokens` in `seconds`, this step among them, which took `took` seconds.
    pub(super) fn new(step: &Step, tokens: u64, seconds: f64, took: f64) -> Self {
        let Step { loss, learning_rate, updated, tokens: own } = step;
        Self {
            step: updated.step,
            tokens,
            loss: loss.mean(),
            balance: loss.mean_balance(),
            learning_rate: *learning_rate,
            gradient_norm: updated.gradient_norm,
            clipped: updated.is_clipped,
            tokens_per_second: *own as f64 / took.max(1e-9),
            seconds,
            routers: loss.routers.iter().map(RouterLine::new).collect(),
        }
    }
}

impl RouterLine {
    fn new(router: &RouterLoad) -> Self {
        Self { evenness: router.evenness(), busiest: router.busiest(), entropy: router.mean_entropy() }
    }
}

impl EvaluationLine {
    pub(super) fn new(step: u64, name: &str, is_final: bool, found: &Evaluation, seconds: f64) -> Self {
        Self {
            step,
            evaluation: name.to_owned(),
            is_final,
            documents: found.documents,
            tokens: found.tokens,
            loss: found.loss(),
            perplexity: found.perplexity(),
            bits_per_byte: found.bits_per_byte(),
            seconds,
        }
    }
}

/// A log that is written.
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens the log of a run that goes on behind a step, and gives the lines up to there; what is said of later steps, which
    /// will be taken again, is removed. A log that is not there is begun.
    ///
    /// # Errors
    /// If a line, other than one at the end that was cut off, is none, or the disk refuses.
    pub fn open(path: &Path, step: u64) -> Result<(Self, Vec<Line>)> {
        let mut lines = read(path)?;
        lines.retain(|(line, _)| line.step() <= step);
        let mut temporary = path.to_path_buf();
        temporary.as_mut_os_string().push(".tmp");
        let mut file = File::create(&temporary).map_err(Error::io("write", &temporary))?;
        // As they were, to the byte.
        let text: String = lines.iter().flat_map(|(_, text)| [text.as_str(), "\n"]).collect();
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(Error::io("write", &temporary))?;
        fs::rename(&temporary, path).map_err(Error::io("rename", &temporary))?;
        Ok((Self { path: path.to_path_buf(), file }, lines.into_iter().map(|(line, _)| line).collect()))
    }

    /// The lines of a log; none if it is not there.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn read(path: &Path) -> Result<Vec<Line>> {
        Ok(read(path)?.into_iter().map(|(line, _)| line).collect())
    }

    /// Appends a line.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write(&mut self, line: &Line) -> Result<()> {
        self.file.write_all(text(line).as_bytes()).map_err(Error::io("write", &self.path))
    }

    /// Makes what was written last.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }
}

/// The lines of a log with their texts.
fn read(path: &Path) -> Result<Vec<(Line, String)>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(Error::io("read", path))?,
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let line = |(number, line): (usize, &str)| {
        let parsed = serde_json::from_str(line).map_err(|_| {
            let problem = format!("line {} is no line of a log; remove it, or the file", number + 1);
            Error::damaged(path, problem)
        });
        Ok((parsed?, line.to_owned()))
    };
    whole.lines().enumerate().map(line).collect()
}

fn text(line: &Line) -> String {
    let mut text = serde_json::to_string(line).expect("structs of numbers and texts can always be written");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> Line {
        let routers = vec![RouterLine { evenness: 0.1 + 0.2, busiest: 1.5, entropy: 2.0 }];
        Line::Step(StepLine {
            step,
            tokens: 64 * step,
            loss: 1.0 / 3.0,
            balance: 0.0,
            learning_rate: 1e-3,
            gradient_norm: 0.5,
            clipped: false,
            tokens_per_second: 1000.0,
            seconds: 0.25,
            routers,
        })
    }

    #[test]
    fn what_is_taken_again_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let (mut log, lines) = Log::open(&path, 0).unwrap();
        assert!(lines.is_empty());
        let evaluation = Line::Evaluation(EvaluationLine::new(2, "zh", false, &Evaluation::default(), 0.5));
        for line in [&step(1), &step(2), &evaluation, &step(3)] {
            log.write(line).unwrap();
        }
        log.sync().unwrap();
        // A kill in the middle of a line.
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"step\":4,\"tok").unwrap();
        let (mut log, lines) = Log::open(&path, 2).unwrap();
        assert_eq!(lines, [step(1), step(2), evaluation.clone()]);
        log.write(&step(3)).unwrap();
        assert_eq!(Log::read(&path).unwrap(), [step(1), step(2), evaluation, step(3)]);
        fs::write(&path, "{\"step\":1}\n{}\n").unwrap();
        let error = Log::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("is damaged: line 1 is no line of a log; remove it, or the file"), "{error}");
    }
}
