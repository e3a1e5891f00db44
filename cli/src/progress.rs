//! Progress on a terminal, or as lines.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use yuan_pipeline::Progress;

use crate::args::{Global, ProgressKind};

/// Time between two lines off a terminal.
const LINES_EVERY: Duration = Duration::from_secs(30);

/// A moment of a sweep.
struct Moment {
    documents: u64,
    bytes: u64,
    kept: u64,
    done: u64,
    total: u64,
    elapsed: Duration,
}

impl Moment {
    fn of(progress: &Progress, elapsed: Duration) -> Self {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            documents: load(&progress.documents),
            bytes: load(&progress.bytes),
            kept: load(&progress.kept),
            done: load(&progress.done),
            total: load(&progress.total),
            elapsed,
        }
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.elapsed.as_secs_f64().max(1e-3)
    }

    fn kept_percent(&self) -> f64 {
        100.0 * self.kept as f64 / self.documents.max(1) as f64
    }

    fn eta(&self) -> Option<Duration> {
        (self.done > 0 && self.total >= self.done)
            .then(|| self.elapsed.mul_f64((self.total - self.done) as f64 / self.done as f64))
    }

    fn line(&self) -> String {
        let mut line = format!(
            "{} documents, {} ({:.0} documents/s, {:.1} MB/s), {:.1} % kept",
            HumanCount(self.documents),
            HumanBytes(self.bytes),
            self.per_second(self.documents),
            self.per_second(self.bytes) / 1e6,
            self.kept_percent(),
        );
        if let Some(eta) = self.eta() {
            line.push_str(&format!(", {} left", HumanDuration(eta)));
        }
        line
    }
}

/// Runs `work` while showing `progress` the way the flags ask for.
pub fn shown<T>(global: &Global, progress: &Progress, work: impl FnOnce() -> T) -> T {
    let kind = match global.progress {
        _ if global.quiet => ProgressKind::None,
        ProgressKind::Auto if std::io::stderr().is_terminal() => ProgressKind::Bar,
        ProgressKind::Auto => ProgressKind::Plain,
        other => other,
    };
    if kind == ProgressKind::None {
        return work();
    }
    let finished = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let display = scope.spawn(|| {
            if kind == ProgressKind::Bar { bar(progress, &finished) } else { lines(progress, &finished, kind) }
        });
        let result = work();
        finished.store(true, Ordering::Relaxed);
        display.thread().unpark();
        result
    })
}

fn bar(progress: &Progress, finished: &AtomicBool) {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(8));
    let style =
        ProgressStyle::with_template("{prefix}\n  {bar:32} {percent:>3} %  {msg}").expect("the template is sound");
    bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    let mut label = String::new();
    let mut start = Instant::now();
    while !finished.load(Ordering::Relaxed) {
        let now = progress.label();
        if now != label {
            if !label.is_empty() {
                bar.println(format!("✓ {label}  {}", HumanDuration(start.elapsed())));
            }
            label = now;
            start = Instant::now();
            bar.set_prefix(label.clone());
        }
        let moment = Moment::of(progress, start.elapsed());
        bar.set_length(moment.total.max(1));
        bar.set_position(moment.done.min(moment.total));
        bar.set_message(moment.line());
        std::thread::park_timeout(Duration::from_millis(100));
    }
    bar.finish_and_clear();
}

#[expect(clippy::print_stderr, reason = "this is where progress is written")]
fn lines(progress: &Progress, finished: &AtomicBool, kind: ProgressKind) {
    let mut label = String::new();
    let mut start = Instant::now();
    let mut said = Instant::now();
    while !finished.load(Ordering::Relaxed) {
        let now = progress.label();
        if now != label {
            label = now;
            start = Instant::now();
            said = Instant::now();
            if kind == ProgressKind::Plain {
                eprintln!("{label}");
            }
        } else if said.elapsed() >= LINES_EVERY {
            said = Instant::now();
            let moment = Moment::of(progress, start.elapsed());
            if kind == ProgressKind::Plain {
                // A reduction counts no documents.
                let line =
                    if moment.total == 0 { format!("since {}", HumanDuration(start.elapsed())) } else { moment.line() };
                eprintln!("  {line}");
            } else {
                let line = serde_json::json!({
                    "sweep": label, "documents": moment.documents, "bytes": moment.bytes, "kept": moment.kept,
                    "done": moment.done, "total": moment.total, "seconds": moment.elapsed.as_secs_f64(),
                });
                eprintln!("{line}");
            }
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}
