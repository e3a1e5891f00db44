//! Labels of texts.

use crate::matrix::divide;
use crate::output::{Scored, Wanted};
use crate::{Error, Line, Model, ModelKind, Result};

/// Ask for this many labels to get all of them.
pub const ALL_LABELS: usize = usize::MAX;

/// A label with its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The label's number: `model.dictionary().label(label)` is its name.
    pub label: u32,
    /// Its probability as fastText gives it; rounding takes it up to 1.00001.
    pub probability: f32,
}

/// Room to work in, used again for each text, so that predictions allocate nothing. Each thread has its own; any model
/// can use it.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub(crate) line: Line,
    pub(crate) hidden: Vec<f32>,
    scores: Vec<f32>,
    best: Vec<Scored>,
    predictions: Vec<Prediction>,
}

impl Scratch {
    /// Room without anything in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The features of the text that was predicted last.
    pub fn line(&self) -> &Line {
        &self.line
    }
}

impl Model {
    /// The `k` most probable labels of a text, from the most probable on, without those below `threshold`.
    ///
    /// The text is one line whatever line feeds it has, and a line end follows it: what `predict` of fastText's Python
    /// binding gives for the text with each line feed replaced by a space. A text without any feature has no labels.
    ///
    /// # Errors
    /// [`Error::NotSupervised`], [`Error::NoLabelsAsked`] for `k = 0`, [`Error::NotANumber`] where numbers of the model
    /// are damaged.
    ///
    /// # Example
    /// ```no_run
    /// let model = yuan_fasttext::Model::open("lid.176.ftz")?;
    /// let mut scratch = yuan_fasttext::Scratch::new();
    /// for prediction in model.predict(&mut scratch, "千里之行，始于足下。", 3, 0.0)? {
    ///     let label = String::from_utf8_lossy(model.dictionary().label(prediction.label as usize));
    ///     println!("{label} {}", prediction.probability);
    /// }
    /// # Ok::<(), yuan_fasttext::Error>(())
    /// ```
    pub fn predict<'s>(
        &self,
        scratch: &'s mut Scratch,
        text: impl AsRef<[u8]>,
        k: usize,
        threshold: f32,
    ) -> Result<&'s [Prediction]> {
        let Scratch { line, hidden, .. } = self.begin(scratch)?;
        self.dictionary().sum_text(text.as_ref(), line, self.input(), hidden);
        self.predict_sum(scratch, k, threshold)
    }

    /// Takes a line off the front of `input` and predicts its labels: what `fasttext predict-prob` does with a file.
    ///
    /// The last line of a file has no line end, and hence other features, unless a line feed closes it. The word `</s>`
    /// ends a line like a line feed.
    ///
    /// # Errors
    /// See [`predict`](Self::predict).
    pub fn predict_line<'s>(
        &self,
        scratch: &'s mut Scratch,
        input: &mut &[u8],
        k: usize,
        threshold: f32,
    ) -> Result<&'s [Prediction]> {
        let Scratch { line, hidden, .. } = self.begin(scratch)?;
        self.dictionary().sum_line(input, line, self.input(), hidden);
        self.predict_sum(scratch, k, threshold)
    }

    /// The probability of one label, counted from 0, for a text as in [`predict`](Self::predict).
    ///
    /// It is the number that `predict` gives for the label with [`ALL_LABELS`], and 0 where `predict` does not list it:
    /// for texts without features, and below 0.00001 with hierarchical softmax. Sigmoids and trees look at the rows of
    /// this label alone.
    ///
    /// # Errors
    /// See [`predict`](Self::predict); [`Error::Mismatch`] when there is no such label.
    pub fn label_probability(&self, scratch: &mut Scratch, text: impl AsRef<[u8]>, label: usize) -> Result<f32> {
        let labels = self.dictionary().label_count();
        let Scratch { line, hidden, .. } = self.begin(scratch)?;
        if label >= labels {
            return Err(Error::mismatch(format!("label {label} is asked for, there are {labels}")));
        }
        self.dictionary().sum_text(text.as_ref(), line, self.input(), hidden);
        if line.rows.is_empty() {
            return Ok(0.0);
        }
        divide(hidden, line.rows.len());
        let score = self.output_layer().score(self.output(), &scratch.hidden, label as u32, &mut scratch.scores)?;
        Ok(score.map_or(0.0, f32::exp))
    }

    /// Makes room for this model's vectors.
    fn begin<'s>(&self, scratch: &'s mut Scratch) -> Result<&'s mut Scratch> {
        if self.args().model != ModelKind::Supervised {
            return Err(Error::NotSupervised { model: self.args().model });
        }
        scratch.hidden.resize(self.input().columns(), 0.0);
        scratch.scores.resize(self.dictionary().label_count(), 0.0);
        Ok(scratch)
    }

    /// Predicts from the sum of the rows.
    fn predict_sum<'s>(&self, scratch: &'s mut Scratch, k: usize, threshold: f32) -> Result<&'s [Prediction]> {
        if k == 0 {
            return Err(Error::NoLabelsAsked);
        }
        let Scratch { line, hidden, scores, best, predictions } = scratch;
        predictions.clear();
        if !line.rows.is_empty() {
            divide(hidden, line.rows.len());
            let wanted = Wanted { labels: k, threshold };
            self.output_layer().predict(self.output(), hidden, wanted, scores, best)?;
            let prediction = |&(score, label): &Scored| Prediction { label, probability: score.exp() };
            predictions.extend(best.iter().map(prediction));
        }
        Ok(predictions)
    }
}
