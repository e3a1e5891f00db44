//! The stage that ends the pass: cuts spans out of documents.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, LargeListArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use yuan_pipeline::{Batch, Columns, Error, Result, Stage, Verdict};

use super::spans::SpansOf;
use super::symbols::{SubstringUnit, TOKENS, tokens};
use super::{RepeatedSubstrings, STAGE};

/// Cuts the spans that the outcome names, and drops documents of which too little is left.
pub(super) struct CutSpans {
    pub config: RepeatedSubstrings,
    pub spans: SpansOf,
}

/// What the stage counts.
#[derive(Default)]
struct Cut {
    documents: u64,
    units: u64,
}

impl CutSpans {
    /// Why a document goes that has so many units left of so many.
    fn too_little(&self, left: usize, left_bytes: usize, bytes: usize) -> Option<Verdict> {
        let fraction = left_bytes as f64 / bytes.max(1) as f64;
        if left < self.config.min_left {
            return Some(Verdict::drop("too_little_left", left as f64, self.config.min_left as f64));
        }
        let least = self.config.min_left_fraction;
        (fraction < least).then(|| Verdict::drop("too_little_left", fraction, least))
    }

    fn cut_texts(&self, mut batch: Batch) -> Result<Batch> {
        let mut cut = Cut::default();
        let (mut texts, mut verdicts) = (BTreeMap::new(), BTreeMap::new());
        for document in batch.documents() {
            let text = document.text();
            let spans = self.spans.of(document.doc_id());
            let spans = match self.config.unit {
                SubstringUnit::Characters => self.config.cut_at.within(text, in_bytes(text, spans)),
                SubstringUnit::Bytes | SubstringUnit::Tokens => self.config.cut_at.within(text, spans),
            };
            if spans.is_empty() {
                continue;
            }
            if spans.last().is_some_and(|span| span.end > text.len()) {
                return Err(other_text());
            }
            let rest = without(text, &spans);
            cut.documents += 1;
            cut.units += (text.len() - rest.len()) as u64;
            let left = rest.chars().filter(|character| !character.is_whitespace()).count();
            match self.too_little(left, rest.len(), text.len()) {
                Some(verdict) => drop(verdicts.insert(document.row(), verdict)),
                None => drop(texts.insert(document.row(), rest)),
            }
        }
        if cut.documents > 0 {
            batch.tally("cut_out", "text", cut.documents, cut.units);
        }
        let batch = batch.judge(|document| verdicts.remove(&document.row()).unwrap_or(Verdict::Keep))?;
        batch.rewrite(|document| texts.remove(&document.row()))
    }

    fn cut_tokens(&self, mut batch: Batch) -> Result<Batch> {
        let mut cut = Cut::default();
        let mut verdicts = BTreeMap::new();
        let mut left: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for document in batch.documents() {
            let spans: Vec<Range<usize>> = self.spans.of(document.doc_id()).collect();
            let Some(last) = spans.last() else { continue };
            let ids = tokens(&batch, document.row())?;
            if last.end > ids.len() {
                return Err(other_text());
            }
            let mut rest = Vec::with_capacity(ids.len());
            kept(&spans, ids.len()).for_each(|kept| rest.extend_from_slice(&ids[kept]));
            cut.documents += 1;
            cut.units += (ids.len() - rest.len()) as u64;
            match self.too_little(rest.len(), rest.len(), ids.len()) {
                Some(verdict) => drop(verdicts.insert(document.row(), verdict)),
                None => drop(left.insert(document.row(), rest)),
            }
        }
        if cut.documents > 0 {
            batch.tally("cut_out", "tokens", cut.documents, cut.units);
        }
        if !left.is_empty() {
            let missing = || Error::stage(STAGE, format!("there is no column `{TOKENS}`"));
            let field = batch.field(TOKENS).ok_or_else(missing)?.clone();
            let lists = batch.column(TOKENS).and_then(|column| column.as_list_opt::<i64>()).ok_or_else(missing)?;
            let nulls = lists.nulls().cloned();
            let DataType::LargeList(item) = lists.data_type() else { return Err(missing()) };
            let item = item.clone();
            let mut ids: Vec<u32> = Vec::with_capacity(lists.values().len());
            let mut lengths = Vec::with_capacity(batch.rows());
            for row in 0..batch.rows() {
                let of_row = left.get(&row).map_or_else(|| tokens(&batch, row), |rest| Ok(rest))?;
                ids.extend_from_slice(of_row);
                lengths.push(of_row.len());
            }
            let offsets = OffsetBuffer::from_lengths(lengths);
            let column = LargeListArray::try_new(item, offsets, Arc::new(UInt32Array::from(ids)), nulls)?;
            batch = batch.annotate(field, Arc::new(column))?;
        }
        batch.judge(|document| verdicts.remove(&document.row()).unwrap_or(Verdict::Keep))
    }
}

impl Stage for CutSpans {
    fn columns(&self) -> Columns {
        match self.config.unit {
            SubstringUnit::Tokens => Columns::reads([TOKENS]),
            SubstringUnit::Bytes | SubstringUnit::Characters => Columns::default(),
        }
    }

    fn process(&self, batch: Batch) -> Result<Batch> {
        match self.config.unit {
            SubstringUnit::Tokens => self.cut_tokens(batch),
            SubstringUnit::Bytes | SubstringUnit::Characters => self.cut_texts(batch),
        }
    }
}

fn other_text() -> Error {
    Error::Stage {
        stage: STAGE.into(),
        problem: "a document is shorter than what was found in it".into(),
        hint: Some("the input has changed: run this step again from its start".into()),
    }
}

/// What is left between spans that are in order.
fn kept(spans: &[Range<usize>], end: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = std::iter::once(0).chain(spans.iter().map(|span| span.end));
    let ends = spans.iter().map(|span| span.start).chain([end]);
    starts.zip(ends).map(|(start, end)| start..end)
}

/// The text without these spans.
pub(crate) fn without(text: &str, spans: &[Range<usize>]) -> String {
    kept(spans, text.len()).map(|kept| &text[kept]).collect()
}

/// Spans in bytes, of spans in characters that are in order. O(text).
fn in_bytes(text: &str, spans: impl Iterator<Item = Range<usize>>) -> impl Iterator<Item = Range<usize>> {
    let mut places = text.char_indices().map(|(at, _)| at).chain([text.len()]).enumerate().peekable();
    let mut place = move |character: usize| {
        while places.next_if(|(number, _)| *number < character).is_some() {}
        places.peek().map_or(usize::MAX, |(_, at)| *at)
    };
    spans.map(move |span| place(span.start)..place(span.end))
}
