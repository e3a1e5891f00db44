//! datatrove's `.ds`: tokens, the end of each document in tokens, and a few words about both.

use std::path::{Path, PathBuf};

use super::{Form, Sink, Tokens, convert, unsigned};
use crate::index::Mapping;
use crate::part::{Part, sync_folder};
use crate::{About, DType, Document, Error, Result, Vocabulary, Written};

/// Writes a set of datatrove's.
pub(super) struct DatatroveWriter {
    path: PathBuf,
    dtype: DType,
    tokens: Part,
    ends: Part,
    name: Option<String>,
    documents: u64,
    count: u64,
    encoded: Vec<u8>,
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.to_path_buf();
    path.as_mut_os_string().push(suffix);
    path
}

impl DatatroveWriter {
    pub(super) fn create(prefix: &Path, dtype: DType, vocabulary: &Vocabulary) -> Result<Self> {
        let path = Form::Datatrove.file(prefix);
        unsigned(&path, dtype)?;
        Ok(Self {
            tokens: Part::create(path.clone())?,
            ends: Part::create(beside(&path, ".index"))?,
            path,
            dtype,
            name: vocabulary.tokenizer.clone(),
            documents: 0,
            count: 0,
            encoded: Vec::new(),
        })
    }
}

impl Sink for DatatroveWriter {
    fn add(&mut self, document: &Document<'_>) -> Result<()> {
        self.tokens.put(convert(document, self.dtype, &mut self.encoded)?)?;
        self.documents += 1;
        self.count += document.tokens();
        self.ends.put(&self.count.to_le_bytes())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        let mut about = Part::create(beside(&self.path, ".metadata"))?;
        let width = self.dtype.bytes();
        // Without a name datatrove writes the size twice.
        let name = self.name.take().unwrap_or_else(|| format!("Unknown Tokenizer|{width}"));
        about.put(format!("{name}|{width}\n{}\n{}", self.count, metric(self.count)).as_bytes())?;
        for part in [&mut self.tokens, &mut self.ends, &mut about] {
            part.sync()?;
        }
        for part in [&mut self.tokens, &mut self.ends, &mut about] {
            part.name()?;
        }
        sync_folder(&self.path)?;
        Ok(Written {
            dtype: self.dtype,
            documents: self.documents,
            sequences: self.documents,
            tokens: self.count,
            bin_bytes: self.tokens.bytes(),
            idx_bytes: self.ends.bytes(),
            digest: None,
        })
    }
}

/// Three digits and a prefix of the metric system, as Python's `humanize.metric(count, unit="T")` says it.
fn metric(count: u64) -> String {
    let exponent = count.checked_ilog10().unwrap_or(0);
    let value = count as f64 / 10_f64.powi((exponent / 3 * 3) as i32);
    let prefix = ["", "k", "M", "G", "T", "P", "E"][exponent as usize / 3];
    format!("{value:.*} {prefix}T", 2 - exponent as usize % 3)
}

/// A set of datatrove's.
pub(super) struct DatatroveSet {
    path: PathBuf,
    tokens: Mapping,
    ends: Mapping,
    dtype: DType,
    name: Option<String>,
}

impl DatatroveSet {
    pub(super) fn open(path: &Path, dtype: Option<DType>) -> Result<Self> {
        let path = Form::Datatrove.file(path);
        let tokens = Mapping::open(&path)?;
        let ends_path = beside(&path, ".index");
        let ends = Mapping::open(&ends_path)?;
        let (mut name, mut width) = (None, None);
        if let Ok(about) = std::fs::read_to_string(beside(&path, ".metadata"))
            && let Some((tokenizer, size)) = about.lines().next().and_then(|line| line.rsplit_once('|'))
        {
            width = size.parse::<usize>().ok();
            name = (!tokenizer.starts_with("Unknown Tokenizer")).then(|| tokenizer.to_owned());
        }
        let dtype = dtype.or(match width {
            Some(2) => Some(DType::U16),
            Some(4) => Some(DType::I32),
            _ => None,
        });
        let dtype = dtype.ok_or_else(|| {
            Error::dataset(&path, "nothing says of how many bytes its tokens are")
                .hinting("say `--from-dtype u16` or `i32`")
        })?;
        let (whole, rest) = ends.as_chunks::<8>();
        let last = whole.last().map_or(0, |end| u64::from_le_bytes(*end));
        if !rest.is_empty() || last.checked_mul(dtype.bytes() as u64) != Some(tokens.len() as u64) {
            let problem = format!("documents end at token {last}, the file has {} bytes of {dtype}", tokens.len());
            return Err(Error::malformed(&ends_path, "index", problem));
        }
        Ok(Self { path, tokens, ends, dtype, name })
    }
}

impl Tokens for DatatroveSet {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary { tokenizer: self.name.clone(), ..Vocabulary::default() }
    }

    fn for_each(&self, take: &mut dyn FnMut(&Document<'_>) -> Result<()>) -> Result<()> {
        let file = self.path.to_string_lossy();
        let source = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let mut start = 0;
        for (row, end) in self.ends.as_chunks().0.iter().enumerate() {
            let end = u64::from_le_bytes(*end);
            let length = end.checked_sub(start).and_then(|tokens| i32::try_from(tokens).ok());
            let place = |token: u64| usize::try_from(token).ok()?.checked_mul(self.dtype.bytes());
            let bytes = length.and_then(|_| self.tokens.get(place(start)?..place(end)?));
            let (Some(length), Some(bytes)) = (length, bytes) else {
                let problem = format!("document {row} is from token {start} to {end}");
                return Err(Error::malformed(beside(&self.path, ".index"), "index", problem));
            };
            let about = About { source: &source, file: &file, row: row as u64, ..About::default() };
            let lengths = [length];
            let lengths = if length == 0 { &[][..] } else { &lengths };
            let document = Document { bytes, dtype: self.dtype, lengths, modes: &[], about, xxh3: None };
            take(&document).map_err(|error| error.of_document(&self.path, row as u64))?;
            start = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_as_in_python() {
        // `humanize.metric(count, unit="T")` of humanize 4.17.
        let said = [
            (0, "0.00 T"),
            (7, "7.00 T"),
            (999, "999 T"),
            (1_000, "1.00 kT"),
            (12_345, "12.3 kT"),
            (456_789_012, "457 MT"),
            (1_234_567_890_123, "1.23 TT"),
        ];
        for (count, words) in said {
            assert_eq!(metric(count), words);
        }
    }
}
