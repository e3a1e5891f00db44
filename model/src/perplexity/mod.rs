//! How likely documents are.

mod windows;

pub use windows::{Window, Windows};

use crate::backend::{Scored, Target};
use crate::batch::{Batch, first_keys_after_eod, positions_after_eod};
use crate::config::Description;
use crate::engine::Engine;
use crate::{Error, Result};

/// How likely one document is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DocumentScore {
    /// Sum of the natural logarithms of its tokens' probabilities.
    pub log_prob: f64,
    /// Tokens predicted.
    pub tokens: u64,
    /// Tokens predicted that no other was more likely than.
    pub greedy_tokens: u64,
}

impl DocumentScore {
    /// e to the mean of the negative logarithms; `None` for a document of which nothing was predicted.
    pub fn perplexity(&self) -> Option<f64> {
        (self.tokens > 0).then(|| libm::exp(-self.log_prob / self.tokens as f64))
    }

    /// Bits the model needs for each byte of a text of so many bytes; `None` for none.
    pub fn bits_per_byte(&self, bytes: u64) -> Option<f64> {
        (bytes > 0 && self.tokens > 0).then(|| -self.log_prob / std::f64::consts::LN_2 / bytes as f64)
    }

    /// Whether there is a score at all: NaN passes every threshold.
    ///
    /// # Errors
    /// If a probability is no number.
    pub fn check(&self) -> Result<()> {
        if self.log_prob.is_nan() {
            return Err(Error::request(
                "its probability is no number: the weights hold NaN or infinity, or fp16 overflows, which bf16 and fp32 do not",
            ));
        }
        Ok(())
    }

    fn add(&mut self, scored: Scored) {
        self.log_prob += f64::from(scored.log_prob);
        self.tokens += 1;
        self.greedy_tokens += u64::from(scored.is_greedy);
    }
}

/// How documents are read.
#[derive(Clone, Debug)]
pub struct Scoring {
    /// What stands before each document, so that its first token is predicted as well; usually the end of a document.
    pub prefix: Option<u32>,
    /// How long documents are cut.
    pub windows: Windows,
    /// Tokens the model reads at once; a window that is longer is read alone.
    pub batch_tokens: usize,
    /// What happens at an end of document within a sequence, as packed sequences have them.
    pub resets: Resets,
}

/// What happens behind an end of document within a sequence.
///
/// Yuan's trainer has the switches `reset_position_ids` (on) and `reset_attention_mask` (off); its Hugging Face file reads both, cuts
/// attention if they are both on, and never resets positions. Nothing of it is done unless it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resets {
    /// The token documents end with.
    pub eod: u32,
    /// Positions begin at 0 again.
    pub positions: bool,
    /// What lies before is not seen.
    pub attention: bool,
}

/// Longest window, in tokens, unless more is asked for: what is further back hardly helps to predict.
pub const LONGEST_DEFAULT_WINDOW: usize = 4096;

/// Longest window there is: beyond it a number is a slip of the pen.
const LONGEST_WINDOW: usize = 1 << 20;

impl Scoring {
    /// How a model's documents are read. `prefix` is `eod` (what the model's documents end with), `none` or an id; `window` 0 is what the
    /// model was trained for, at most 4096; more than it was trained for is read if it is asked for. `stride` 0 is half of the window.
    ///
    /// # Errors
    /// If one of them makes no sense for the model.
    pub fn of(
        description: &Description,
        prefix: &str,
        window: usize,
        stride: usize,
        batch_tokens: usize,
    ) -> Result<Self> {
        let config = &description.config;
        let prefix = match prefix {
            "none" => None,
            "eod" => Some(config.eod().ok_or_else(|| {
                Error::request("the model names no token that documents end with: set `prefix` to an id or `none`")
            })?),
            id => {
                let known = id.parse().ok().filter(|id: &u32| (*id as usize) < config.vocab_size());
                let wrong = || Error::request(format!("`prefix` is `{id}`: it is `eod`, `none` or a token's id"));
                Some(known.ok_or_else(wrong)?)
            }
        };
        if window > LONGEST_WINDOW {
            return Err(Error::request(format!(
                "`window` is {window}: it is at most {LONGEST_WINDOW}, and 0 is what the model was trained for, up to {LONGEST_DEFAULT_WINDOW}"
            )));
        }
        let window = if window == 0 { config.max_positions().min(LONGEST_DEFAULT_WINDOW) } else { window };
        let stride = if stride == 0 { window.div_ceil(2) } else { stride };
        let resets = Resets::default();
        Ok(Self { prefix, windows: Windows::new(window, stride)?, batch_tokens: batch_tokens.max(1), resets })
    }
}

/// Scores documents, in their order. `on_token`, if given, gets the document's number, the token's number in it and
/// how well it was predicted, token by token.
///
/// Documents are laid end to end without padding and see only themselves: a document gets the same score in any
/// company. Memory: activations of `batch_tokens` tokens, or of the longest window.
///
/// # Errors
/// If an id is not in the model's vocabulary, or the device fails.
pub fn score(
    engine: &dyn Engine,
    documents: &[&[u32]],
    scoring: &Scoring,
    mut on_token: Option<&mut dyn FnMut(usize, usize, Scored)>,
) -> Result<Vec<DocumentScore>> {
    let mut scores = vec![DocumentScore::default(); documents.len()];
    let mut pending = Pending::default();
    let mut take = |pending: &mut Pending| -> Result<()> {
        let scored = engine.score(&pending.batch, &pending.targets)?;
        for ((document, token), scored) in pending.places.iter().zip(scored) {
            scores[*document].add(scored);
            if let Some(on_token) = &mut on_token {
                on_token(*document, *token, scored);
            }
        }
        pending.clear();
        Ok(())
    };
    let mut text = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        text.clear();
        text.extend(scoring.prefix);
        text.extend_from_slice(document);
        let prefix = usize::from(scoring.prefix.is_some());
        for window in scoring.windows.of(text.len()) {
            if !pending.batch.is_empty() && pending.batch.len() + window.inputs.len() > scoring.batch_tokens {
                take(&mut pending)?;
            }
            pending.push(&text, &window, number, prefix, scoring.resets)?;
        }
    }
    take(&mut pending)?;
    Ok(scores)
}

/// Windows that wait to be read.
#[derive(Default)]
struct Pending {
    batch: Batch,
    targets: Vec<Target>,
    /// The document of each target and its place there.
    places: Vec<(usize, usize)>,
}

impl Pending {
    fn push(&mut self, text: &[u32], window: &Window, document: usize, prefix: usize, resets: Resets) -> Result<()> {
        let first_row = self.batch.len() + (window.targets.start - 1 - window.inputs.start);
        let inputs = &text[window.inputs.clone()];
        if resets.positions || resets.attention {
            let plain = || (0..inputs.len() as u32).collect();
            let positions = if resets.positions { positions_after_eod(inputs, resets.eod) } else { plain() };
            let none = || vec![0; inputs.len()];
            let first_keys = if resets.attention { first_keys_after_eod(inputs, resets.eod) } else { none() };
            self.batch.push_with(inputs, &positions, &first_keys)?;
        } else {
            self.batch.push(inputs);
        }
        for (row, place) in (first_row..).zip(window.targets.clone()) {
            self.targets.push(Target { row: row as u32, id: text[place] });
            self.places.push((document, place - prefix));
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.batch.clear();
        self.targets.clear();
        self.places.clear();
    }
}
