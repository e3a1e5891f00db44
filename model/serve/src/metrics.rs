//! What a server counts, as Prometheus reads it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters and gauges.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Answers by the first digit of their status, 2 to 5.
    answers: [AtomicU64; 4],
    /// Requests whose client left before the end of the answer.
    pub left: AtomicU64,
    /// Texts on their way.
    pub running: AtomicU64,
    /// Texts that wait.
    pub waiting: AtomicU64,
    /// Tokens that texts on their way have room for.
    pub reserved: AtomicU64,
    /// Tokens of prompts read.
    pub read: AtomicU64,
    /// Tokens chosen.
    pub written: AtomicU64,
    /// Steps of the model.
    pub steps: AtomicU64,
}

impl Metrics {
    /// Counts an answer.
    pub fn answered(&self, status: u16) {
        let class = usize::from(status / 100).clamp(2, 5) - 2;
        self.answers[class].fetch_add(1, Relaxed);
    }

    /// The text format, version 0.0.4.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let mut write = |name: &str, kind: &str, help: &str, values: &[(&str, &AtomicU64)]| {
            let _ = writeln!(text, "# HELP yuan_data_{name} {help}\n# TYPE yuan_data_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(text, "yuan_data_{name}{labels} {}", value.load(Relaxed));
            }
        };
        let classes = ["{status=\"2xx\"}", "{status=\"3xx\"}", "{status=\"4xx\"}", "{status=\"5xx\"}"];
        let answers: Vec<(&str, &AtomicU64)> = classes.into_iter().zip(&self.answers).collect();
        write("requests_total", "counter", "Answers, by status.", &answers);
        write("clients_left_total", "counter", "Requests whose client left before the end.", &[("", &self.left)]);
        write("texts_running", "gauge", "Texts on their way.", &[("", &self.running)]);
        write("texts_waiting", "gauge", "Texts that wait.", &[("", &self.waiting)]);
        write(
            "cache_tokens_reserved",
            "gauge",
            "Tokens that texts on their way have room for.",
            &[("", &self.reserved)],
        );
        write("prompt_tokens_total", "counter", "Tokens of prompts read.", &[("", &self.read)]);
        write("generated_tokens_total", "counter", "Tokens chosen.", &[("", &self.written)]);
        write("steps_total", "counter", "Steps of the model.", &[("", &self.steps)]);
        text
    }
}
