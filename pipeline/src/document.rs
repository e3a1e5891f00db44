//! A borrowed view of one row, so that a filter never sees Arrow.

use std::any::Any;
use std::borrow::Cow;
use std::path::Path;

use crate::Batch;

/// One document of a [`Batch`]: its text, and its columns by name.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) row: usize,
}

impl<'a> Document<'a> {
    /// The document's place in the corpus: `input file << 32 | record`, never renumbered.
    pub fn doc_id(&self) -> u64 {
        self.batch.doc_ids().value(self.row)
    }

    /// The row within the batch.
    pub fn row(&self) -> usize {
        self.row
    }

    /// The text.
    pub fn text(&self) -> &'a str {
        self.batch.texts().value(self.row)
    }

    /// A string column, or a field of the input record; `None` where it is absent, null or no string.
    ///
    /// Cost: a column is a slice; a field of a JSON record is looked up in the record's bytes.
    pub fn str(&self, column: &str) -> Option<Cow<'a, str>> {
        self.batch.str_at(column, self.row)
    }

    /// A column or a field of the input record as it is spelt: a string, or a whole number; `None` where it is neither.
    pub fn spelt(&self, column: &str) -> Option<Cow<'a, str>> {
        self.batch.id_at(column, self.row)
    }

    /// A number column, or a field of the input record; `None` where it is absent, null or no number.
    pub fn f64(&self, column: &str) -> Option<f64> {
        self.batch.f64_at(column, self.row)
    }

    /// A list of token ids, as `tokenize` adds it; `None` where the column is absent or holds something else.
    pub fn ids(&self, column: &str) -> Option<&'a [u32]> {
        self.batch.ids_at(column, self.row)
    }

    /// The document's own id, as the field that the input names for it says: a string, or a whole number as it is
    /// spelt. `None` where there is none, and outside a run.
    pub fn id(&self) -> Option<Cow<'a, str>> {
        self.batch.id_at(&self.batch.origin()?.id_field, self.row)
    }

    /// Where the document is from: what the field that the input names as its source says (`(none)` where it is
    /// absent), else the name of its file without folder and suffixes. Empty outside a run.
    pub fn source(&self) -> Cow<'a, str> {
        let Some(origin) = self.batch.origin() else { return Cow::Borrowed("") };
        match &origin.field {
            None => Cow::Borrowed(&origin.name),
            Some(field) => self.str(field).unwrap_or(Cow::Borrowed("(none)")),
        }
    }

    /// The input file it was read from; `None` outside a run.
    pub fn file(&self) -> Option<&'a Path> {
        self.batch.origin().map(|origin| origin.path.as_path())
    }

    /// What `M` measures on this document's text: computed once, shared by all stages of a sweep until a
    /// stage rewrites the text.
    pub fn measure<M: Measure>(&self) -> &'a M {
        self.batch.measure_at(*self)
    }
}

/// Something several rules need to know of a text: its words, say.
pub trait Measure: Any + Send + Sized {
    /// Its name in the time table of a run.
    const NAME: &'static str;

    /// Measures one document.
    fn of(document: &Document<'_>) -> Self;
}
