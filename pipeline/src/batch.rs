//! A batch of documents in columns.

mod judging;

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::builder::LargeStringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, LargeStringArray, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, FieldRef, Schema};

pub(crate) use judging::StageMeasures;

use crate::document::{Document, Measure};
use crate::riders::Riders;
use crate::stage::{Reason, Verdict};
use crate::{Error, Result};

/// How many kinds of [`Measure`] one sweep can share.
const MEASURE_KINDS: usize = 16;

/// Documents in columns: `doc_id`, `text`, the columns added by stages, and the input's own columns, which
/// ride along untouched.
///
/// Three verbs: [`judge`](Self::judge) marks rows, [`rewrite`](Self::rewrite) changes text,
/// [`annotate`](Self::annotate) adds a column. Marked rows stay in place until the engine removes them, so
/// row numbers hold within a sweep.
pub struct Batch {
    doc_ids: UInt64Array,
    texts: LargeStringArray,
    added: Vec<(FieldRef, ArrayRef)>,
    riders: Riders,
    origin: Option<Arc<Origin>>,
    marks: Vec<Option<Mark>>,
    /// Rows dropped by what no threshold changes; kept apart from `marks` only while recording.
    fixed: Vec<Option<Mark>>,
    live: usize,
    stage: u16,
    /// Whether what the stage drops stays dropped under other thresholds: its model is made by the run itself.
    is_fixed: bool,
    recording: bool,
    keeps_values: bool,
    measured: Vec<StageMeasures>,
    measures: [OnceCell<MeasureColumn>; MEASURE_KINDS],
    tallies: BTreeMap<TallyKey, Tally>,
    exhibits: Vec<Exhibit>,
}

/// A row that a stage puts forward as a sample of something.
pub(crate) struct Exhibit {
    pub row: usize,
    pub label: Arc<str>,
    pub value: f64,
}

/// Where the documents of a batch are from.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The input file.
    pub path: PathBuf,
    /// Its name without folder and suffixes.
    pub name: String,
    /// The field that names each document's source, if the input has one.
    pub field: Option<String>,
    /// The field that holds each document's own id.
    pub id_field: String,
}

/// A row marked by a stage.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// The stage's place in the sweep.
    pub stage: u16,
    pub reason: Reason,
}

/// What a count is of: kind and key.
pub(crate) type TallyKey = (&'static str, String);

/// A count of documents and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Documents (or whatever the kind counts).
    pub documents: u64,
    /// Bytes of text (or whatever the kind sums).
    pub bytes: u64,
}

impl Tally {
    /// Adds to both counts.
    pub fn add(&mut self, documents: u64, bytes: u64) {
        self.documents += documents;
        self.bytes += bytes;
    }
}

struct MeasureColumn {
    kind: TypeId,
    name: &'static str,
    cells: Vec<OnceCell<Box<dyn Any + Send>>>,
    nanoseconds: Cell<u64>,
}

impl Batch {
    /// A batch of `texts` whose rows have these ids.
    ///
    /// # Errors
    /// If the columns differ in length or a text is null.
    pub fn new(doc_ids: UInt64Array, texts: LargeStringArray, riders: Riders) -> Result<Self> {
        let rows = texts.len();
        if doc_ids.len() != rows || riders.rows().is_some_and(|riders| riders != rows) || texts.null_count() > 0 {
            return Err(arrow_schema::ArrowError::InvalidArgumentError(format!(
                "a batch needs as many ids ({}) as texts ({rows}) and riders ({:?}), none of them null",
                doc_ids.len(),
                riders.rows(),
            ))
            .into());
        }
        Ok(Self {
            doc_ids,
            texts,
            added: Vec::new(),
            riders,
            origin: None,
            marks: vec![None; rows],
            fixed: Vec::new(),
            live: rows,
            stage: 0,
            is_fixed: false,
            recording: false,
            keeps_values: false,
            measured: Vec::new(),
            measures: Default::default(),
            tallies: BTreeMap::new(),
            exhibits: Vec::new(),
        })
    }

    /// A batch of literal texts with ids 0, 1, 2…, for tests and examples.
    pub fn of_texts<T: AsRef<str>>(texts: &[T]) -> Self {
        let ids = UInt64Array::from_iter_values(0..texts.len() as u64);
        let texts = LargeStringArray::from_iter_values(texts);
        Self::new(ids, texts, Riders::None).expect("as many ids as texts")
    }

    /// Rows, marked ones included.
    pub fn rows(&self) -> usize {
        self.texts.len()
    }

    /// Bytes of text, of marked rows too.
    pub fn text_bytes(&self) -> u64 {
        let offsets = self.texts.offsets();
        (offsets[offsets.len() - 1] - offsets[0]) as u64
    }

    /// Rows that no stage has marked.
    pub fn live_rows(&self) -> usize {
        self.live
    }

    /// The `doc_id` column.
    pub fn doc_ids(&self) -> &UInt64Array {
        &self.doc_ids
    }

    /// The `text` column.
    pub fn texts(&self) -> &LargeStringArray {
        &self.texts
    }

    /// A column that a stage of this run added.
    pub fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.added.iter().find(|(field, _)| field.name() == name).map(|(_, array)| array)
    }

    /// The Arrow field (with its metadata) of a column that a stage of this run added.
    pub fn field(&self, name: &str) -> Option<&FieldRef> {
        self.added.iter().find(|(field, _)| field.name() == name).map(|(field, _)| field)
    }

    /// All columns that stages of this run added, in the order they came.
    pub fn added(&self) -> &[(FieldRef, ArrayRef)] {
        &self.added
    }

    /// The input's own columns.
    pub fn riders(&self) -> &Riders {
        &self.riders
    }

    /// The row as a document, marked or not.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn document(&self, row: usize) -> Document<'_> {
        assert!(row < self.rows(), "row {row} of a batch of {}", self.rows());
        Document { batch: self, row }
    }

    /// The documents in work, in order: those no stage has marked.
    pub fn documents(&self) -> impl Iterator<Item = Document<'_>> {
        (0..self.rows()).filter(|row| self.is_in_work(*row)).map(|row| Document { batch: self, row })
    }

    /// The batch with every mark taken off, so that a stage can be asked about documents that another dropped.
    #[must_use]
    pub fn without_marks(mut self) -> Self {
        self.marks.fill(None);
        self.live = self.rows();
        self
    }

    /// Why the row was marked; `None` if it was not.
    pub fn reason(&self, row: usize) -> Option<&Reason> {
        self.marks[row].as_ref().map(|mark| &mark.reason)
    }

    /// Marks the documents that `verdict` drops. Documents already marked are not asked about.
    ///
    /// # Errors
    /// None today; a `Result` so that a stage can end in this call.
    pub fn judge(mut self, mut verdict: impl FnMut(Document<'_>) -> Verdict) -> Result<Self> {
        for row in 0..self.rows() {
            if self.is_in_work(row)
                && let Verdict::Drop(reason) = verdict(Document { batch: &self, row })
            {
                let mark = Mark { stage: self.stage, reason };
                if self.recording {
                    self.fixed[row] = Some(mark.clone());
                }
                self.set_mark(row, mark);
            }
        }
        Ok(self)
    }

    /// Whether stages still look at a row: it is not marked; in a batch that records its measures, no threshold
    /// would bring it back.
    fn is_in_work(&self, row: usize) -> bool {
        self.marks[row].is_none() || (self.recording && self.fixed[row].is_none())
    }

    /// The first mark of a row stays.
    fn set_mark(&mut self, row: usize, mark: Mark) {
        if self.marks[row].is_none() {
            self.marks[row] = Some(mark);
            self.live -= 1;
        }
    }

    /// Puts new texts, in order of their rows, in the place of old ones; what was measured is forgotten.
    fn replace_texts(&mut self, texts: Vec<(usize, String)>) {
        if texts.is_empty() {
            return;
        }
        let mut builder = LargeStringBuilder::with_capacity(self.rows(), self.text_bytes() as usize);
        let mut texts = texts.into_iter().peekable();
        for row in 0..self.rows() {
            match texts.next_if(|(at, _)| *at == row) {
                Some((_, text)) => builder.append_value(text),
                None => builder.append_value(self.texts.value(row)),
            }
        }
        self.texts = builder.finish();
        self.measures = Default::default();
    }

    /// Replaces the texts for which `rewrite` gives a new one; what was measured on a replaced batch is
    /// forgotten. Documents already marked are not asked about.
    ///
    /// # Errors
    /// None today; a `Result` so that a stage can end in this call.
    pub fn rewrite(mut self, mut rewrite: impl FnMut(Document<'_>) -> Option<String>) -> Result<Self> {
        let mut texts = Vec::new();
        for row in 0..self.rows() {
            if self.is_in_work(row)
                && let Some(text) = rewrite(Document { batch: &self, row })
            {
                texts.push((row, text));
            }
        }
        self.replace_texts(texts);
        Ok(self)
    }

    /// Adds a column, or replaces the one of the same name: one value for each row, marked rows included.
    ///
    /// # Errors
    /// If the column's length is not that of the batch.
    pub fn annotate(mut self, field: impl Into<FieldRef>, column: ArrayRef) -> Result<Self> {
        let field = field.into();
        if column.len() != self.rows() {
            return Err(arrow_schema::ArrowError::InvalidArgumentError(format!(
                "column `{}` has {} rows, the batch {}",
                field.name(),
                column.len(),
                self.rows()
            ))
            .into());
        }
        match self.added.iter_mut().find(|(known, _)| known.name() == field.name()) {
            Some(known) => *known = (field, column),
            None => self.added.push((field, column)),
        }
        Ok(self)
    }

    /// Adds to a named count that ends up in the manifest and the report.
    pub fn tally(&mut self, kind: &'static str, key: impl Into<String>, documents: u64, bytes: u64) {
        self.tallies.entry((kind, key.into())).or_default().add(documents, bytes);
    }

    /// Puts a row forward as a sample of what `label` names, with the value that made it one: the report shows a few of
    /// each label, chosen by a hash of their ids. Count them under the same label with [`tally`](Self::tally), kind `shown`.
    pub fn exhibit(&mut self, row: usize, label: Arc<str>, value: f64) {
        self.exhibits.push(Exhibit { row, label, value });
    }

    pub(crate) fn take_exhibits(&mut self) -> Vec<Exhibit> {
        std::mem::take(&mut self.exhibits)
    }

    pub(crate) fn take_tallies(&mut self) -> BTreeMap<TallyKey, Tally> {
        std::mem::take(&mut self.tallies)
    }

    pub(crate) fn set_stage(&mut self, stage: u16, is_fixed: bool) {
        self.stage = stage;
        self.is_fixed = is_fixed;
    }

    pub(crate) fn mark(&self, row: usize) -> Option<&Mark> {
        self.marks[row].as_ref()
    }

    /// Nanoseconds spent in measures since the last call, by name.
    pub(crate) fn take_measure_time(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.measures
            .iter()
            .filter_map(OnceCell::get)
            .map(|column| (column.name, column.nanoseconds.take()))
            .filter(|(_, nanoseconds)| *nanoseconds > 0)
    }

    /// The rows where `keep` is true, unmarked.
    pub(crate) fn filter(&self, keep: &BooleanArray) -> Result<Self> {
        self.choose(keep.true_count(), &|array| Ok(arrow_select::filter::filter(array, keep)?))
    }

    /// The rows, so many, that `of` takes of each column, unmarked.
    fn choose(&self, rows: usize, of: &dyn Fn(&dyn Array) -> Result<ArrayRef>) -> Result<Self> {
        let doc_ids = of(&self.doc_ids)?.as_primitive().clone();
        let texts = of(&self.texts)?.as_string::<i64>().clone();
        let mut batch = Self::new(doc_ids, texts, self.riders.choose(rows, of)?)?;
        for (field, array) in &self.added {
            batch.added.push((field.clone(), of(array)?));
        }
        batch.origin.clone_from(&self.origin);
        Ok(batch)
    }

    /// Ranges of rows with at most so many bytes of text, or of one row.
    pub(crate) fn cut(&self, bytes: u64) -> Vec<Range<usize>> {
        let mut cuts: Vec<Range<usize>> = Vec::new();
        let mut held = 0;
        for row in 0..self.rows() {
            let own = self.texts.value_length(row) as u64;
            match cuts.last_mut() {
                Some(last) if held + own <= bytes => {
                    last.end = row + 1;
                    held += own;
                }
                _ => {
                    cuts.push(row..row + 1);
                    held = own;
                }
            }
        }
        cuts
    }

    /// Some rows, unmarked; nothing is copied.
    pub(crate) fn part(&self, rows: Range<usize>) -> Result<Self> {
        self.choose(rows.len(), &|array| Ok(array.slice(rows.start, rows.len())))
    }

    /// The unmarked rows.
    pub(crate) fn compact(self) -> Result<Self> {
        if self.live == self.rows() {
            return Ok(self);
        }
        let keep: BooleanArray = self.marks.iter().map(|mark| Some(mark.is_none())).collect();
        self.filter(&keep)
    }

    pub(crate) fn set_origin(&mut self, origin: Arc<Origin>) {
        self.origin = Some(origin);
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    pub(crate) fn str_at(&self, column: &str, row: usize) -> Option<Cow<'_, str>> {
        match self.column(column) {
            Some(array) => string_value(array.as_ref(), row).map(Cow::Borrowed),
            None => self.riders.str_at(column, row),
        }
    }

    /// A string, or a whole number as it is spelt.
    pub(crate) fn id_at(&self, column: &str, row: usize) -> Option<Cow<'_, str>> {
        self.str_at(column, row).or_else(|| match self.column(column) {
            Some(array) => whole_number(array.as_ref(), row).map(Cow::Owned),
            None => self.riders.whole_number_at(column, row).map(Cow::Owned),
        })
    }

    pub(crate) fn f64_at(&self, column: &str, row: usize) -> Option<f64> {
        match self.column(column) {
            Some(array) => number_value(array.as_ref(), row),
            None => self.riders.f64_at(column, row),
        }
    }

    pub(crate) fn ids_at(&self, column: &str, row: usize) -> Option<&[u32]> {
        let lists = self.column(column)?.as_list_opt::<i64>()?;
        let ids = lists.values().as_primitive_opt::<UInt32Type>()?.values();
        let offsets = lists.value_offsets();
        (!lists.is_null(row)).then(|| &ids[offsets[row] as usize..offsets[row + 1] as usize])
    }

    pub(crate) fn measure_at<'a, M: Measure>(&'a self, document: Document<'a>) -> &'a M {
        let kind = TypeId::of::<M>();
        let column = self
            .measures
            .iter()
            .find_map(|slot| {
                let column = slot.get_or_init(|| MeasureColumn {
                    kind,
                    name: M::NAME,
                    cells: (0..self.rows()).map(|_| OnceCell::new()).collect(),
                    nanoseconds: Cell::new(0),
                });
                (column.kind == kind).then_some(column)
            })
            .expect("a sweep shares at most sixteen kinds of measures");
        let value = column.cells[document.row].get_or_init(|| {
            let start = Instant::now();
            let value = Box::new(M::of(&document));
            column.nanoseconds.set(column.nanoseconds.get() + start.elapsed().as_nanos() as u64);
            value
        });
        value.downcast_ref().expect("the column's kind was checked")
    }

    /// All columns as one Arrow record batch, for files between sweeps: `doc_id`, `text`, `added.*`, `riders.*`.
    pub(crate) fn to_record(&self) -> Result<RecordBatch> {
        let mut fields: Vec<FieldRef> = vec![
            Arc::new(Field::new("doc_id", DataType::UInt64, false)),
            Arc::new(Field::new("text", DataType::LargeUtf8, false)),
        ];
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.doc_ids.clone()), Arc::new(self.texts.clone())];
        for (field, array) in &self.added {
            fields.push(Arc::new(field.as_ref().clone().with_name(format!("added.{}", field.name()))));
            columns.push(array.clone());
        }
        let metadata = self.riders.append_to(&mut fields, &mut columns);
        Ok(RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, metadata)), columns)?)
    }

    /// The reverse of [`Batch::to_record`].
    pub(crate) fn from_record(record: &RecordBatch) -> Result<Self> {
        let missing = || Error::from(arrow_schema::ArrowError::SchemaError("not a file between sweeps".into()));
        let doc_ids = record.column_by_name("doc_id").and_then(|array| array.as_primitive_opt()).ok_or_else(missing)?;
        let texts = record.column_by_name("text").and_then(|array| array.as_string_opt()).ok_or_else(missing)?;
        let mut batch = Self::new(doc_ids.clone(), texts.clone(), Riders::from_record(record)?)?;
        for (field, array) in record.schema().fields().iter().zip(record.columns()) {
            if let Some(name) = field.name().strip_prefix("added.") {
                batch.added.push((Arc::new(field.as_ref().clone().with_name(name)), array.clone()));
            }
        }
        Ok(batch)
    }
}

/// The string at `row` of any Arrow string column.
pub(crate) fn string_value(array: &dyn Array, row: usize) -> Option<&str> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary_opt()?;
            let key = dictionary.normalized_keys()[row];
            string_value(dictionary.values().as_ref(), key)
        }
        _ => None,
    }
}

/// The whole number at `row` of an Arrow column of these, as it is spelt.
pub(crate) fn whole_number(array: &dyn Array, row: usize) -> Option<String> {
    use arrow_array::types as t;
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Int64 => array.as_primitive::<t::Int64Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<t::Int32Type>().value(row).to_string(),
        DataType::UInt64 => array.as_primitive::<t::UInt64Type>().value(row).to_string(),
        DataType::UInt32 => array.as_primitive::<t::UInt32Type>().value(row).to_string(),
        _ => return None,
    })
}

/// The number at `row` of any Arrow number column.
pub(crate) fn number_value(array: &dyn Array, row: usize) -> Option<f64> {
    use arrow_array::types as t;
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Float64 => array.as_primitive::<t::Float64Type>().value(row),
        DataType::Float32 => f64::from(array.as_primitive::<t::Float32Type>().value(row)),
        DataType::Int64 => array.as_primitive::<t::Int64Type>().value(row) as f64,
        DataType::Int32 => f64::from(array.as_primitive::<t::Int32Type>().value(row)),
        DataType::UInt64 => array.as_primitive::<t::UInt64Type>().value(row) as f64,
        DataType::UInt32 => f64::from(array.as_primitive::<t::UInt32Type>().value(row)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Length(usize);
    impl Measure for Length {
        const NAME: &'static str = "length";
        fn of(document: &Document<'_>) -> Self {
            Self(document.text().len())
        }
    }

    #[test]
    fn a_marked_row_stays_in_place_and_is_not_asked_again() {
        let batch = Batch::of_texts(&["one", "two", "three"]);
        let batch = batch.judge(|document| match document.text() {
            "two" => Verdict::drop("is_two", 2.0, 1.0),
            _ => Verdict::Keep,
        });
        let mut asked = Vec::new();
        let batch = batch
            .and_then(|batch| {
                batch.judge(|document| {
                    asked.push(document.doc_id());
                    Verdict::Keep
                })
            })
            .expect("judged");
        assert_eq!(asked, [0, 2]);
        assert_eq!((batch.rows(), batch.live_rows()), (3, 2));
        assert_eq!(batch.reason(1).map(|reason| reason.code), Some("is_two"));
        let batch = batch.compact().expect("compacted");
        assert_eq!(batch.doc_ids().values(), &[0, 2]);
    }

    #[test]
    fn a_rewrite_forgets_what_was_measured() {
        let batch = Batch::of_texts(&["one", "three"]);
        assert_eq!(batch.document(1).measure::<Length>().0, 5);
        let batch = batch.rewrite(|document| (document.text() == "three").then(|| "3".into())).expect("rewritten");
        assert_eq!(batch.document(1).measure::<Length>().0, 1);
        assert_eq!(batch.document(0).text(), "one");
    }

    #[test]
    fn a_batch_comes_back_from_its_record() {
        let names: ArrayRef = Arc::new(LargeStringArray::from(vec!["a", "b"]));
        let batch = Batch::of_texts(&["x", "y"])
            .annotate(Field::new("name", DataType::LargeUtf8, false), names)
            .expect("annotated");
        let back = Batch::from_record(&batch.to_record().expect("a record")).expect("a batch");
        assert_eq!(back.document(1).str("name").as_deref(), Some("b"));
        assert_eq!(back.document(1).text(), "y");
    }

    #[test]
    fn a_column_of_another_length_is_refused() {
        let names: ArrayRef = Arc::new(LargeStringArray::from(vec!["a"]));
        let error = Batch::of_texts(&["x", "y"]).annotate(Field::new("name", DataType::LargeUtf8, false), names);
        assert!(error.is_err_and(|error| error.to_string().contains("`name` has 1 rows, the batch 2")));
    }
}
