//! Labels of texts.

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
        self.dictionary().read_text(text.as_ref(), &mut scratch.line);
        self.predict_rows(scratch, k, threshold)
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
        self.dictionary().read_line(input, &mut scratch.line);
        self.predict_rows(scratch, k, threshold)
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
        if self.args().model == ModelKind::Supervised && label >= labels {
            return Err(Error::mismatch(format!("label {label} is asked for, there are {labels}")));
        }
        self.dictionary().read_text(text.as_ref(), &mut scratch.line);
        if !self.prepare(scratch)? {
            return Ok(0.0);
        }
        let score = self.output_layer().score(self.output(), &scratch.hidden, label as u32, &mut scratch.scores)?;
        Ok(score.map_or(0.0, f32::exp))
    }

    fn predict_rows<'s>(&self, scratch: &'s mut Scratch, k: usize, threshold: f32) -> Result<&'s [Prediction]> {
        if k == 0 {
            return Err(Error::NoLabelsAsked);
        }
        scratch.predictions.clear();
        if self.prepare(scratch)? {
            let Scratch { hidden, scores, best, predictions, .. } = scratch;
            let wanted = Wanted { labels: k, threshold };
            self.output_layer().predict(self.output(), hidden, wanted, scores, best)?;
            let prediction = |&(score, label): &Scored| Prediction { label, probability: score.exp() };
            predictions.extend(best.iter().map(prediction));
        }
        Ok(&scratch.predictions)
    }

    /// Makes the hidden vector of the line's rows; false if there are none.
    fn prepare(&self, scratch: &mut Scratch) -> Result<bool> {
        if self.args().model != ModelKind::Supervised {
            return Err(Error::NotSupervised { model: self.args().model });
        }
        if scratch.line.rows.is_empty() {
            return Ok(false);
        }
        scratch.hidden.resize(self.input().columns(), 0.0);
        scratch.scores.resize(self.dictionary().label_count(), 0.0);
        self.input().average_rows(&scratch.line.rows, &mut scratch.hidden);
        Ok(true)
    }
}
