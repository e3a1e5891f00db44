//! What the pass leaves: a folder.
//!
//! | file | what |
//! |---|---|
//! | `documents` | contaminated documents in order: `doc_id`; the item that it has most of, and how much (f32), 4 bytes each |
//! | `spans` | what they have of items: `doc_id`, first and last byte, in the text in Unicode form C |
//! | `matches.parquet` | a row for each document and item: `doc_id`, `set`, `file`, `item`, `overlap` (in [0, 1]), `ngrams_found`, `ngrams`, `text` (the longest piece found, as the item spells it) |
//! | `items.parquet` | a row for each item that was found: `set`, `file`, `item`, `documents`, `max_overlap`, `text` (its beginning) |

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Float32Array, StringArray, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field};
use yuan_pipeline::{Context, Error, Result};

use super::{Evals, index::Entry};
use crate::duplicates::Pairs;
use crate::files::{Format, Kind, Writer};
use crate::substring::SpansOf;
use crate::table::Table;

const DOCUMENTS: &str = "documents";
const SPANS: &str = "spans";
/// Rows written at a time.
const ROWS: usize = 1 << 14;
/// Characters of a text that are shown.
const SHOWN: usize = 300;

/// An item that a document has something of.
#[derive(Clone, Copy)]
pub(super) struct Match {
    pub item: u32,
    /// n-grams found, of so many.
    pub found: u32,
    pub of: u32,
}

impl Match {
    fn overlap(&self) -> f32 {
        self.found as f32 / self.of as f32
    }
}

/// The folder being written.
pub(super) struct Outcome<'a> {
    evals: &'a Evals,
    format: Format,
    documents: Writer,
    spans: Writer,
    span_count: u64,
    matches: Table,
    rows: Vec<(u64, Match, String)>,
    items_path: PathBuf,
    /// For each item: documents, and the most that one of them has.
    items: Vec<(u32, f32)>,
    contaminated: u64,
}

impl<'a> Outcome<'a> {
    pub(super) fn create(evals: &'a Evals, format: Format, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let fields = vec![
            Field::new("doc_id", DataType::UInt64, false),
            Field::new("set", DataType::Utf8, false),
            Field::new("file", DataType::Utf8, false),
            Field::new("item", DataType::UInt64, false),
            Field::new("overlap", DataType::Float32, false),
            Field::new("ngrams_found", DataType::UInt32, false),
            Field::new("ngrams", DataType::UInt32, false),
            Field::new("text", DataType::Utf8, false),
        ];
        Ok(Self {
            evals,
            format,
            documents: Writer::create(&folder.join(DOCUMENTS))?,
            spans: Writer::create(&folder.join(SPANS))?,
            span_count: 0,
            matches: Table::create("decontaminate", &folder.join("matches.parquet"), fields)?,
            rows: Vec::new(),
            items_path: folder.join("items.parquet"),
            items: vec![(0, 0.0); evals.index.entries.len()],
            contaminated: 0,
        })
    }

    /// A contaminated document: its matches by item, all its n-grams, sorted, and where those of the matches are.
    pub(super) fn document(
        &mut self,
        doc_id: u64,
        matches: &[Match],
        found: &[u32],
        mut spans: Vec<(u64, u64)>,
    ) -> Result<()> {
        self.contaminated += 1;
        let mut most = matches[0];
        for of_item in matches {
            if of_item.overlap() > most.overlap() {
                most = *of_item;
            }
            let (documents, overlap) = &mut self.items[of_item.item as usize];
            *documents += 1;
            *overlap = overlap.max(of_item.overlap());
            let text = self.evals.index.longest(of_item.item, found, &self.evals.config);
            self.rows.push((doc_id, *of_item, shown(text)));
        }
        self.documents.pair(doc_id, u64::from(most.item) | u64::from(most.overlap().to_bits()) << 32)?;
        spans.sort_unstable();
        spans.dedup_by(|next, last| {
            let joins = next.0 <= last.1;
            if joins {
                last.1 = last.1.max(next.1);
            }
            joins
        });
        for (start, end) in spans {
            self.span_count += 1;
            [doc_id, start, end].iter().try_for_each(|word| self.spans.write(&word.to_le_bytes()))?;
        }
        if self.rows.len() >= ROWS { self.write_rows() } else { Ok(()) }
    }

    fn write_rows(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let entry = |item: u32| &self.evals.index.entries[item as usize];
        let set = |item: u32| &self.evals.sets[entry(item).file as usize];
        let all = || rows.iter().map(|(_, of_item, _)| of_item);
        self.matches.write(vec![
            Arc::new(rows.iter().map(|(doc_id, _, _)| *doc_id).collect::<UInt64Array>()),
            Arc::new(StringArray::from_iter_values(all().map(|of_item| &set(of_item.item).name))),
            Arc::new(StringArray::from_iter_values(all().map(|of_item| set(of_item.item).path.to_string_lossy()))),
            Arc::new(all().map(|of_item| entry(of_item.item).number).collect::<UInt64Array>()),
            Arc::new(all().map(Match::overlap).collect::<Float32Array>()),
            Arc::new(all().map(|of_item| of_item.found).collect::<UInt32Array>()),
            Arc::new(all().map(|of_item| of_item.of).collect::<UInt32Array>()),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, _, text)| text))),
        ])
    }

    pub(super) fn finish(mut self, context: &Context<'_>) -> Result<()> {
        self.write_rows()?;
        self.matches.finish()?;
        self.documents.finish(Format { kind: Kind::Contaminated, ..self.format })?;
        self.spans.finish_with(Format { kind: Kind::Spans, ..self.format }, self.span_count)?;
        let evals = self.evals;
        let found: Vec<(&Entry, u32, f32)> = evals
            .index
            .entries
            .iter()
            .zip(&self.items)
            .filter(|(_, (documents, _))| *documents > 0)
            .map(|(entry, (documents, overlap))| (entry, *documents, *overlap))
            .collect();
        let fields = vec![
            Field::new("set", DataType::Utf8, false),
            Field::new("file", DataType::Utf8, false),
            Field::new("item", DataType::UInt64, false),
            Field::new("documents", DataType::UInt32, false),
            Field::new("max_overlap", DataType::Float32, false),
            Field::new("text", DataType::Utf8, false),
        ];
        let mut table = Table::create("decontaminate", &self.items_path, fields)?;
        let set = |entry: &Entry| &evals.sets[entry.file as usize];
        for rows in found.chunks(ROWS) {
            let begin = |entry: &Entry| shown(entry.texts.first().map_or("", String::as_str));
            table.write(vec![
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &set(row.0).name))),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| set(row.0).path.to_string_lossy()))),
                Arc::new(rows.iter().map(|row| row.0.number).collect::<UInt64Array>()),
                Arc::new(rows.iter().map(|row| row.1).collect::<UInt32Array>()),
                Arc::new(rows.iter().map(|row| row.2).collect::<Float32Array>()),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| begin(row.0)))),
            ])?;
        }
        table.finish()?;
        context.tally("contaminated", "documents", self.contaminated, 0);
        let mut of_file = vec![0_u64; evals.sets.len()];
        found.iter().for_each(|(entry, _, _)| of_file[entry.file as usize] += 1);
        // Documents are items found, bytes all items of the set.
        for (set, count) in evals.sets.iter().zip(of_file) {
            context.tally("contaminated_items", set.name.clone(), count, set.items);
        }
        Ok(())
    }
}

/// The text, or its beginning.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The contaminated documents and their spans.
pub(super) fn open(folder: &Path, format: Format) -> Result<(Pairs, SpansOf)> {
    let documents = Pairs::open(&folder.join(DOCUMENTS), |_| Format { kind: Kind::Contaminated, ..format })?;
    Ok((documents, SpansOf::open(&folder.join(SPANS), format)?))
}
