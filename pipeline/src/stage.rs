//! A local step: it looks at one batch of documents and keeps nothing between batches.

use std::borrow::Cow;

use arrow_schema::DataType;

use crate::{Batch, Document, Result, Tunable};

/// One local step. The same rows come out in the same order, some of them marked.
///
/// A stage never adds, removes or moves rows: it marks ([`Batch::judge`]), rewrites text
/// ([`Batch::rewrite`]) or adds a column ([`Batch::annotate`]). The engine drops marked rows, counts
/// them by reason and saves them if asked, so a stage cannot forget to count.
pub trait Stage: Send + Sync {
    /// Columns read and added; checked before anything runs.
    fn columns(&self) -> Columns {
        Columns::default()
    }

    /// Judges, rewrites or annotates one batch.
    ///
    /// # Errors
    /// Only for what makes going on pointless (a model that cannot run): a document that is merely bad
    /// is marked, never an error.
    fn process(&self, batch: Batch) -> Result<Batch>;

    /// What the stage measures on one document and how each measure compares with its threshold, in the
    /// order the stage checks them. Used by `yuan-data explain`; empty for stages that judge nothing.
    fn explain(&self, document: &Document<'_>) -> Vec<Finding> {
        let _ = document;
        Vec::new()
    }

    /// The stage's measures and thresholds, if it is [`Rules`](crate::Rules); `None` for any other.
    fn tunable(&self) -> Option<&dyn Tunable> {
        None
    }

    /// Bytes of text the stage should get at once, if more would keep it busy for long: between two batches a run can be
    /// stopped, and tells how far it is.
    fn batch_bytes(&self) -> Option<u64> {
        None
    }

    /// Reasons for which documents go because the recipe names what it wants (a language that is not kept): dropping
    /// all of a source or language for one of them is no cause for a warning.
    fn asked_for(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a run in which the stage drops no document at all is worth a warning.
    fn is_expected_to_drop(&self) -> bool {
        self.tunable().is_some()
    }
}

/// What a step reads from and adds to a batch, beyond `doc_id` and `text`, which every batch has.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Columns that must have been added by an earlier step.
    pub reads: Vec<Cow<'static, str>>,
    /// Columns this step adds, with their types.
    pub adds: Vec<(Cow<'static, str>, DataType)>,
}

impl Columns {
    /// A step that needs these columns from earlier steps.
    pub fn reads<C: Into<Cow<'static, str>>>(columns: impl IntoIterator<Item = C>) -> Self {
        Self { reads: columns.into_iter().map(Into::into).collect(), adds: Vec::new() }
    }

    /// Also adds this column.
    #[must_use]
    pub fn adding(mut self, name: impl Into<Cow<'static, str>>, data_type: DataType) -> Self {
        self.adds.push((name.into(), data_type));
        self
    }
}

/// A stage's judgement of one document.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The document stays.
    Keep,
    /// The document goes, for this reason.
    Drop(Reason),
}

impl Verdict {
    /// Drops for a measured value on the wrong side of a threshold.
    pub fn drop(code: &'static str, value: f64, threshold: f64) -> Self {
        Self::Drop(Reason { code, detail: Detail::Measure { value, threshold } })
    }
}

/// Why a document was dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// What is wrong with the document, in `snake_case`: `too_few_words`.
    pub code: &'static str,
    /// The evidence.
    pub detail: Detail,
}

/// The evidence behind a [`Reason`].
#[derive(Clone, Debug, PartialEq)]
pub enum Detail {
    /// The reason says it all.
    None,
    /// A measured value on the wrong side of a threshold.
    Measure {
        /// What was measured.
        value: f64,
        /// The threshold it was compared with.
        threshold: f64,
    },
    /// Another document, which is kept instead.
    Document(u64),
    /// A word or two: the language found, say.
    Text(String),
}

/// One measure of one document beside its threshold, for `explain`.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The reason code a document gets when this check fails.
    pub rule: &'static str,
    /// What was measured.
    pub value: f64,
    /// The threshold.
    pub threshold: f64,
    /// Whether the document stays if the value is at least (true) or at most (false) the threshold.
    pub at_least: bool,
    /// Whether this check alone drops the document.
    pub drops: bool,
}

impl Finding {
    /// How far the value is on the kept side of the threshold; below 0 if it drops the document.
    pub fn margin(&self) -> f64 {
        if self.at_least { self.value - self.threshold } else { self.threshold - self.value }
    }
}
