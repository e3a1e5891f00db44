//! A sample of a corpus whose size nobody knows yet: the documents of lowest hash, up to so many bytes.
//!
//! Each work unit writes the documents that can still be in the sample; the reduction takes just those
//! that are. A unit may write more than another run's, if it did not yet know of others' documents: the
//! sample is the same.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use xxhash_rust::xxh3::xxh3_64_with_seed;
use yuan_pipeline::{Batch, Document, Error, Result, Scan};

/// A document's place in the order of the sample: its hash, and its id for documents of one hash.
type Key = (u64, u64);

/// Documents of lowest key seen so far, as many as fill the sample.
#[derive(Default)]
struct Lowest {
    /// Bytes by key.
    documents: BTreeMap<Key, u64>,
    bytes: u64,
}

impl Lowest {
    /// Whether the document can be in a sample of `limit` bytes; later documents are compared with it.
    fn admit(&mut self, key: Key, bytes: u64, limit: u64) -> bool {
        if self.bytes >= limit && self.documents.last_key_value().is_some_and(|(last, _)| key > *last) {
            return false;
        }
        // A unit that is scanned again brings the same documents.
        if self.documents.insert(key, bytes).is_none() {
            self.bytes += bytes;
        }
        while let Some(last) = self.documents.last_entry()
            && self.bytes - last.get() >= limit
        {
            self.bytes -= last.remove();
        }
        true
    }
}

/// Shared by the work units of a run.
#[derive(Clone)]
pub(crate) struct Sampler {
    lowest: Arc<Mutex<Lowest>>,
    seed: u64,
    limit: u64,
}

impl Sampler {
    pub(crate) fn new(seed: u64, limit: u64) -> Self {
        Self { lowest: Arc::default(), seed, limit }
    }

    /// Starts the partial file of a unit.
    pub(crate) fn scan(&self, partial: &Path, balance_by: &str, only: &[String]) -> Result<Box<dyn Scan>> {
        let file = File::create(partial).map_err(Error::io("create", partial))?;
        let out = zstd::Encoder::new(BufWriter::new(file), 1).map_err(Error::io("write", partial))?;
        let (balance_by, only) = (balance_by.into(), only.to_vec());
        Ok(Box::new(Unit { sampler: self.clone(), balance_by, only, path: partial.to_path_buf(), out }))
    }

    fn key(&self, doc_id: u64) -> Key {
        (xxh3_64_with_seed(&doc_id.to_le_bytes(), self.seed), doc_id)
    }
}

/// A unit's candidates: hash, id, and lengths of the group's name and the text as `u64`, then these two; compressed.
struct Unit {
    sampler: Sampler,
    balance_by: String,
    only: Vec<String>,
    path: PathBuf,
    out: zstd::Encoder<'static, BufWriter<File>>,
}

impl Scan for Unit {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents().filter(|document| is_of(document, &self.only)) {
            let text = cut(document.text(), self.sampler.limit);
            let key = self.sampler.key(document.doc_id());
            let bytes = text.len() as u64;
            let admitted = !text.is_empty() && {
                let mut lowest = self.sampler.lowest.lock().expect("no holder panics");
                lowest.admit(key, bytes, self.sampler.limit)
            };
            if admitted {
                let group = group_of(&document, &self.balance_by);
                let numbers = [key.0, key.1, group.len() as u64, bytes].map(u64::to_le_bytes);
                for part in [numbers.as_flattened(), group.as_bytes(), text.as_bytes()] {
                    self.out.write_all(part).map_err(Error::io("write", &self.path))?;
                }
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let path = self.path;
        self.out.finish().and_then(|mut out| out.flush()).map_err(Error::io("write", path))
    }
}

/// The group that a document is of: what it has in this column or field.
pub(crate) fn group_of<'a>(document: &'a Document<'_>, balance_by: &str) -> Cow<'a, str> {
    match balance_by {
        "" => Cow::Borrowed(""),
        "source" => Cow::Owned(document.source().to_string()),
        name => document.str(name).unwrap_or_default(),
    }
}

/// Whether a document is in one of these languages, `zh` being also `zh-Hans`; any is if there are none.
pub(crate) fn is_of(document: &Document<'_>, languages: &[String]) -> bool {
    languages.is_empty()
        || document.str("language").is_some_and(|found| {
            let named = |name: &String| {
                found.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            };
            languages.iter().any(named)
        })
}

/// The text, or as much of it as fits.
fn cut(text: &str, limit: u64) -> &str {
    match usize::try_from(limit) {
        Ok(limit) if limit < text.len() => {
            let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end));
            &text[..end.unwrap_or_default()]
        }
        _ => text,
    }
}

/// What a reduction takes of the partial files.
pub(crate) struct Sample {
    partials: Vec<PathBuf>,
    /// Documents below this key are taken whole, this one up to so many bytes.
    last: (Key, u64),
    /// Documents taken.
    pub documents: u64,
    /// Their bytes, at most.
    pub bytes: u64,
}

impl Sample {
    /// Chooses from the units' candidates.
    pub(crate) fn choose(partials: &[PathBuf], limit: u64) -> Result<Self> {
        let mut candidates: Vec<(Key, u64)> = Vec::new();
        for partial in partials {
            for_each(partial, |key, _, text| {
                candidates.push((key, text.len() as u64));
                Ok(())
            })?;
        }
        candidates.sort_unstable();
        let mut sample = Self { partials: partials.to_vec(), last: ((0, 0), 0), documents: 0, bytes: 0 };
        for (key, bytes) in candidates {
            if sample.bytes == limit {
                break;
            }
            let bytes = bytes.min(limit - sample.bytes);
            sample.last = (key, bytes);
            sample.documents += 1;
            sample.bytes += bytes;
        }
        Ok(sample)
    }

    /// Hands over the texts with the names of their groups, in input order.
    pub(crate) fn for_each(&self, mut text: impl FnMut(&str, &str) -> Result<()>) -> Result<()> {
        let (last, bytes) = self.last;
        self.partials.iter().try_for_each(|partial| {
            for_each(partial, |key, group, whole| match key.cmp(&last) {
                std::cmp::Ordering::Less => text(group, whole),
                std::cmp::Ordering::Equal => text(group, cut(whole, bytes)),
                std::cmp::Ordering::Greater => Ok(()),
            })
        })
    }
}

fn for_each(partial: &Path, mut document: impl FnMut(Key, &str, &str) -> Result<()>) -> Result<()> {
    let file = File::open(partial).map_err(Error::io("read", partial))?;
    let mut decoder = zstd::Decoder::new(file).map(BufReader::new).map_err(Error::io("read", partial))?;
    let damaged = || Error::input(partial, "a damaged partial file of `train_tokenizer`");
    let (mut group, mut text) = (Vec::new(), Vec::new());
    loop {
        let mut head = [0; 32];
        match decoder.read(&mut head[..1]).map_err(Error::io("read", partial))? {
            0 => return Ok(()),
            _ => decoder.read_exact(&mut head[1..]).map_err(|_| damaged())?,
        }
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        for (part, bytes) in [(&mut group, number(16)), (&mut text, number(24))] {
            part.clear();
            // `take` reads what is there, whatever length a damaged file claims.
            let read = (&mut decoder).take(bytes).read_to_end(part);
            if read.map_err(Error::io("read", partial))? as u64 != bytes {
                return Err(damaged());
            }
        }
        let [group, text] = [&group, &text].map(|part| std::str::from_utf8(part).map_err(|_| damaged()));
        document((number(0), number(8)), group?, text?)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<String> {
        (0..200).map(|number| format!("文{}", "字".repeat(number * 7 % 30))).collect()
    }

    /// Units of `rows` documents, scanned in this order.
    fn sample(rows: usize, backwards: bool, limit: u64) -> (Vec<String>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let sampler = Sampler::new(7, limit);
        let texts = texts();
        let mut units: Vec<(PathBuf, Batch)> = Vec::new();
        for (unit, part) in texts.chunks(rows).enumerate() {
            let ids = ((unit * rows) as u64..).take(part.len());
            let ids = arrow_array::UInt64Array::from_iter_values(ids);
            let texts = arrow_array::LargeStringArray::from_iter_values(part);
            let batch = Batch::new(ids, texts, yuan_pipeline::Riders::None).unwrap();
            units.push((folder.path().join(unit.to_string()), batch));
        }
        let mut order: Vec<_> = units.iter().collect();
        if backwards {
            order.reverse();
        }
        for (path, batch) in order {
            let mut scan = sampler.scan(path, "", &[]).unwrap();
            scan.batch(batch).unwrap();
            scan.finish().unwrap();
        }
        let partials: Vec<PathBuf> = units.into_iter().map(|(path, _)| path).collect();
        let sample = Sample::choose(&partials, limit).unwrap();
        let mut chosen = Vec::new();
        sample
            .for_each(|_, text| {
                chosen.push(text.to_owned());
                Ok(())
            })
            .unwrap();
        assert_eq!(sample.documents, chosen.len() as u64);
        (chosen, sample.bytes)
    }

    #[test]
    fn the_sample_does_not_depend_on_units_or_their_order() {
        for limit in [3, 100, 1_000, 5_000] {
            let expected = sample(200, false, limit);
            assert_eq!(expected.1, limit);
            assert!(expected.0.iter().map(String::len).sum::<usize>() as u64 <= limit);
            for (rows, backwards) in [(1, false), (1, true), (7, true), (64, false)] {
                assert_eq!(sample(rows, backwards, limit), expected, "{rows} {backwards} {limit}");
            }
        }
        let (all, bytes) = sample(9, false, u64::MAX);
        assert_eq!(all, texts());
        assert_eq!(bytes as usize, texts().iter().map(String::len).sum::<usize>());
    }

    #[test]
    fn a_truncated_partial_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("partial");
        let mut scan = Sampler::new(0, 1_000).scan(&path, "", &[]).unwrap();
        scan.batch(&Batch::of_texts(&["one", "two"])).unwrap();
        scan.finish().unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        assert!(Sample::choose(&[path], 1_000).is_err());
    }
}
