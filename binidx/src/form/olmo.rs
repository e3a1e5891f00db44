//! OLMo's `.npy`: numbers without a header, whatever the name says, and a table of documents.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Form, Sink, Tokens, convert, unsigned};
use crate::index::Mapping;
use crate::part::{Part, sync_folder};
use crate::{About, DType, Document, Error, Result, Vocabulary, Written};

/// Writes a set of OLMo's.
pub(super) struct OlmoWriter {
    path: PathBuf,
    dtype: DType,
    tokens: Part,
    table: GzEncoder<Part>,
    documents: u64,
    count: u64,
    encoded: Vec<u8>,
}

fn table_path(path: &Path) -> PathBuf {
    path.with_extension("csv.gz")
}

impl OlmoWriter {
    pub(super) fn create(prefix: &Path, dtype: DType) -> Result<Self> {
        let path = Form::Olmo.file(prefix);
        unsigned(&path, dtype)?;
        Ok(Self {
            tokens: Part::create(path.clone())?,
            table: GzEncoder::new(Part::create(table_path(&path))?, Compression::default()),
            path,
            dtype,
            documents: 0,
            count: 0,
            encoded: Vec::new(),
        })
    }
}

/// A field as Python's `csv` writes it.
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

impl Sink for OlmoWriter {
    fn add(&mut self, document: &Document<'_>) -> Result<()> {
        self.tokens.put(convert(document, self.dtype, &mut self.encoded)?)?;
        let (start, end) = (self.count, self.count + document.tokens());
        let about = &document.about;
        let (id, file) = (quoted(about.id.unwrap_or("")), quoted(about.file));
        // Dolma counts lines from 1.
        let written = write!(self.table, "{start},{end},{id},{file},{}\r\n", about.row.saturating_add(1));
        written.map_err(Error::io("write", table_path(&self.path)))?;
        self.documents += 1;
        self.count = end;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        let Self { path, dtype, mut tokens, table, documents, count, .. } = *self;
        let mut table = table.finish().map_err(Error::io("write", table_path(&path)))?;
        tokens.sync()?;
        table.sync()?;
        tokens.name()?;
        table.name()?;
        sync_folder(&path)?;
        Ok(Written {
            dtype,
            documents,
            sequences: documents,
            tokens: count,
            bin_bytes: tokens.bytes(),
            idx_bytes: table.bytes(),
            digest: None,
        })
    }
}

/// A set of OLMo's.
pub(super) struct OlmoSet {
    path: PathBuf,
    tokens: Mapping,
    dtype: DType,
}

impl OlmoSet {
    pub(super) fn open(path: &Path, dtype: Option<DType>) -> Result<Self> {
        let path = Form::Olmo.file(path);
        let tokens = Mapping::open(&path)?;
        if tokens.starts_with(b"\x93NUMPY") {
            return Err(Error::malformed(&path, "header", "OLMo's files have none, this is an array that NumPy saved"));
        }
        // Nothing says it but the places of the documents.
        let told = || match last_end(&path) {
            Ok(end) if end > 0 && end.checked_mul(4) == Some(tokens.len()) => DType::I32,
            _ => DType::U16,
        };
        Ok(Self { dtype: dtype.unwrap_or_else(told), path, tokens })
    }
}

impl Tokens for OlmoSet {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary::default()
    }

    fn for_each(&self, take: &mut dyn FnMut(&Document<'_>) -> Result<()>) -> Result<()> {
        let path = table_path(&self.path);
        let file = std::fs::File::open(&path).map_err(Error::io("read", &path))?;
        let mut table = BufReader::new(MultiGzDecoder::new(file));
        let source = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (mut row, mut fields, mut before) = (0_u64, Vec::new(), 0);
        while record(&mut table, &mut fields).map_err(Error::io("read", &path))? {
            let wrong = |problem: String| Error::malformed(&path, "documents", format!("row {row}: {problem}"));
            let number = |field: usize| fields.get(field).and_then(|field: &String| field.parse::<usize>().ok());
            let (Some(start), Some(end)) = (number(0), number(1)) else {
                return Err(wrong(format!("`{}` does not begin with two numbers", fields.join(","))));
            };
            let place = |token: usize| token.checked_mul(self.dtype.bytes());
            let bytes = place(start).zip(place(end)).and_then(|(start, end)| self.tokens.get(start..end));
            let length = end.checked_sub(start).and_then(|tokens| i32::try_from(tokens).ok());
            let (Some(length), Some(bytes)) = (length.filter(|_| start == before), bytes) else {
                let held = self.tokens.len() / self.dtype.bytes();
                return Err(wrong(format!("from token {start} to {end}, behind {before} and of {held} tokens")));
            };
            let text = |field: usize| fields.get(field).map(String::as_str).filter(|text| !text.is_empty());
            let about = About {
                id: text(2),
                source: &source,
                file: text(3).unwrap_or(&source),
                row: number(4).map_or(row, |line| (line as u64).saturating_sub(1)),
                ..About::default()
            };
            let lengths = [length];
            let lengths = if length == 0 { &[][..] } else { &lengths };
            let document = Document { bytes, dtype: self.dtype, lengths, modes: &[], about, xxh3: None };
            take(&document).map_err(|error| error.of_document(&self.path, row))?;
            (row, before) = (row + 1, end);
        }
        if before * self.dtype.bytes() == self.tokens.len() {
            return Ok(());
        }
        let held = self.tokens.len() / self.dtype.bytes();
        Err(Error::malformed(&path, "documents", format!("they end at token {before} of {held}")))
    }
}

/// Where the last document ends, in tokens.
fn last_end(path: &Path) -> std::io::Result<usize> {
    let mut table = BufReader::new(MultiGzDecoder::new(std::fs::File::open(table_path(path))?));
    let (mut fields, mut end) = (Vec::new(), 0);
    while record(&mut table, &mut fields)? {
        end = fields.get(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    }
    Ok(end)
}

/// Bytes of the longest record read.
const RECORD_BYTES: usize = 1 << 20;

/// Reads one record of a CSV file, in which a quoted field may hold line ends; false at the end.
fn record(table: &mut impl BufRead, fields: &mut Vec<String>) -> std::io::Result<bool> {
    fields.clear();
    let (mut line, mut quotes) = (Vec::new(), 0);
    loop {
        let before = line.len();
        let read = table.take(RECORD_BYTES as u64).read_until(b'\n', &mut line)?;
        quotes += line[before..].iter().filter(|byte| **byte == b'"').count();
        if read == 0 || quotes.is_multiple_of(2) {
            break;
        }
        if line.len() >= RECORD_BYTES {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a quotation mark is never closed"));
        }
    }
    let line = String::from_utf8_lossy(&line);
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Ok(false);
    }
    let (mut field, mut inside) = (String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if inside && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => inside = !inside,
            ',' if !inside => fields.push(std::mem::take(&mut field)),
            letter => field.push(letter),
        }
    }
    fields.push(field);
    Ok(true)
}
