//! The log of a training: a line of JSON for each step and each evaluation.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Evaluation, HeldOut, Step};
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
    /// What they are known by ([`HeldOut::key`]).
    #[serde(default)]
    pub key: String,
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
    /// The line of documents that were evaluated after a step, in `seconds`.
    pub(super) fn new(step: u64, documents: &dyn HeldOut, is_final: bool, found: &Evaluation, seconds: f64) -> Self {
        Self {
            step,
            evaluation: documents.name().to_owned(),
            key: documents.key().to_owned(),
            is_final,
            documents: found.documents,
            tokens: found.tokens,
            loss: found.loss(),
            perplexity: found.perplexity(),
            bits_per_byte: found.bits_per_byte(),
            seconds,
        }
    }

    /// Whether it is of these documents, not of others that had their name.
    pub fn is_of(&self, documents: &dyn HeldOut) -> bool {
        (self.evaluation.as_str(), self.key.as_str()) == (documents.name(), documents.key())
    }
}

/// A log that is written.
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens the log of a run that goes on behind a step, and shows `each` line up to there; what is said of later steps, which
    /// will be taken again, is removed. A log that is not there is begun. Memory: a line.
    ///
    /// # Errors
    /// If a line, other than one at the end that was cut off, is none, or the disk refuses.
    pub fn open(path: &Path, step: u64, each: &mut dyn FnMut(&Line)) -> Result<Self> {
        let mut temporary = path.to_path_buf();
        temporary.as_mut_os_string().push(".tmp");
        let mut file = BufWriter::new(File::create(&temporary).map_err(Error::io("write", &temporary))?);
        for_each(path, &mut |line, text| {
            if line.step() > step {
                return Ok(());
            }
            each(&line);
            // As it was: a number that is read and written again may be another in its last digit.
            file.write_all(text).and_then(|()| file.write_all(b"\n")).map_err(Error::io("write", &temporary))
        })?;
        let file = file.into_inner().map_err(|error| Error::io("write", &temporary)(error.into_error()))?;
        file.sync_all().map_err(Error::io("write", &temporary))?;
        fs::rename(&temporary, path).map_err(Error::io("rename", &temporary))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// All lines of a log; none if it is not there.
    ///
    /// # Errors
    /// As of [`open`](Self::open).
    pub fn read(path: &Path) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        for_each(path, &mut |line, _| {
            lines.push(line);
            Ok(())
        })?;
        Ok(lines)
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

/// Hands over each line of a log with its bytes.
fn for_each(path: &Path, each: &mut dyn FnMut(Line, &[u8]) -> Result<()>) -> Result<()> {
    let mut reader = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => BufReader::new(opened.map_err(Error::io("read", path))?),
    };
    let (mut bytes, mut number) = (Vec::new(), 0);
    loop {
        bytes.clear();
        reader.read_until(b'\n', &mut bytes).map_err(Error::io("read", path))?;
        // A kill may cut the last line, even a character of it.
        if bytes.pop_if(|byte| *byte == b'\n').is_none() {
            return Ok(());
        }
        number += 1;
        let line = serde_json::from_slice(&bytes)
            .map_err(|_| Error::damaged(path, format!("line {number} is no line of a log; remove it, or the file")))?;
        each(line, &bytes)?;
    }
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

    struct Chinese;

    impl HeldOut for Chinese {
        fn name(&self) -> &str {
            "中文"
        }

        fn key(&self) -> &str {
            "7"
        }

        fn for_each(&self, _: &mut crate::training::Take<'_>) -> Result<()> {
            Ok(())
        }
    }

    fn evaluation(step: u64) -> Line {
        Line::Evaluation(EvaluationLine::new(step, &Chinese, false, &Evaluation::default(), 0.5))
    }

    /// What a log says up to a step.
    fn opened(path: &Path, step: u64) -> (Log, Vec<Line>) {
        let mut lines = Vec::new();
        let log = Log::open(path, step, &mut |line| lines.push(line.clone())).unwrap();
        (log, lines)
    }

    #[test]
    fn what_is_taken_again_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let (mut log, lines) = opened(&path, 0);
        assert!(lines.is_empty());
        for line in [&step(1), &step(2), &evaluation(2), &step(3)] {
            log.write(line).unwrap();
        }
        log.sync().unwrap();
        // A kill in the middle of a line.
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"step\":4,\"tok").unwrap();
        let (mut log, lines) = opened(&path, 2);
        assert_eq!(lines, [step(1), step(2), evaluation(2)]);
        log.write(&step(3)).unwrap();
        assert_eq!(Log::read(&path).unwrap(), [step(1), step(2), evaluation(2), step(3)]);
        fs::write(&path, "{\"step\":1}\n{}\n").unwrap();
        let error = Log::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("is damaged: line 1 is no line of a log; remove it, or the file"), "{error}");
    }

    #[test]
    fn a_line_may_be_cut_off_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let whole = text(&step(1)) + &text(&evaluation(1));
        for end in text(&step(1)).len()..whole.len() {
            fs::write(&path, &whole.as_bytes()[..end]).unwrap();
            assert_eq!(opened(&path, 9).1, [step(1)], "{end}");
        }
        let found = evaluation(1);
        assert!(found.as_evaluation().unwrap().is_of(&Chinese));
        let other = EvaluationLine { key: "8".into(), ..found.as_evaluation().unwrap().clone() };
        assert!(!other.is_of(&Chinese));
        // Of before there were keys.
        let old = text(&found).replace(r#""key":"7","#, "");
        fs::write(&path, old).unwrap();
        assert_eq!(opened(&path, 9).1[0].as_evaluation().unwrap().key, "");
    }
}
