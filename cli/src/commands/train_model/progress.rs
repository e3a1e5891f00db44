//! How far a training is, on a terminal or as lines.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use yuan_train::training::{EvaluationLine, Line, StepLine};

use crate::args::{Global, ProgressKind};

/// Time between two lines off a terminal.
const LINES_EVERY: Duration = Duration::from_secs(30);

/// What is shown of a training.
pub struct Shown {
    kind: ProgressKind,
    bar: ProgressBar,
    steps: u64,
    start: Instant,
    /// Steps taken when it was opened.
    before: u64,
    said: Option<Instant>,
}

impl Shown {
    /// Shows a run of so many steps of which some are taken.
    pub fn new(global: &Global, steps: u64, done: u64) -> anyhow::Result<Self> {
        let kind = match global.progress {
            _ if global.quiet => ProgressKind::None,
            ProgressKind::Auto if std::io::stderr().is_terminal() => ProgressKind::Bar,
            ProgressKind::Auto => ProgressKind::Plain,
            other => other,
        };
        let target =
            if kind == ProgressKind::Bar { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{bar:32} step {human_pos} of {human_len}  {msg}")?;
        let bar = ProgressBar::with_draw_target(Some(steps), target).with_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        bar.set_position(done);
        Ok(Self { kind, bar, steps, start: Instant::now(), before: done, said: None })
    }

    /// Shows a new line of the log.
    #[expect(clippy::print_stderr, reason = "this is where progress is written")]
    pub fn line(&mut self, line: &Line) {
        let is_due = self.said.is_none_or(|said| said.elapsed() >= LINES_EVERY);
        match (self.kind, line) {
            (ProgressKind::None | ProgressKind::Auto, _) => {}
            (ProgressKind::Bar, Line::Step(step)) => {
                self.bar.set_position(step.step);
                self.bar.set_message(self.text(step));
            }
            (ProgressKind::Bar, Line::Evaluation(found)) => self.bar.println(evaluation(found)),
            (ProgressKind::Plain, Line::Evaluation(found)) => eprintln!("{}", evaluation(found)),
            (ProgressKind::Plain, Line::Step(step)) if is_due => {
                self.said = Some(Instant::now());
                eprintln!("  step {} of {}  {}", HumanCount(step.step), HumanCount(self.steps), self.text(step));
            }
            (ProgressKind::Json, line) if is_due || matches!(line, Line::Evaluation(_)) => {
                if matches!(line, Line::Step(_)) {
                    self.said = Some(Instant::now());
                }
                // Numbers and names: it can always be written.
                eprintln!("{}", serde_json::to_string(line).unwrap_or_default());
            }
            (ProgressKind::Plain | ProgressKind::Json, _) => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn text(&self, step: &StepLine) -> String {
        let taken = step.step.saturating_sub(self.before).max(1);
        let left = self.start.elapsed().mul_f64(self.steps.saturating_sub(step.step) as f64 / taken as f64);
        format!("loss {:.4}, {:.0} tokens/s, {} left", step.loss, step.tokens_per_second, HumanDuration(left))
    }
}

fn evaluation(found: &EvaluationLine) -> String {
    let loss = found.loss.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.4}"));
    let bits = found.bits_per_byte.map_or_else(String::new, |bits| format!(", {bits:.4} bits/byte"));
    format!("step {}: {} loss {loss}{bits}", HumanCount(found.step), found.evaluation)
}
