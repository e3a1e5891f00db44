//! Documents in the order of a hash, in bounded memory.
//!
//! Documents go to 64 buckets by the first bits of their keys; a bucket that fits is sorted and handed on, a larger one is dealt
//! out again by the next bits. The order is that of the keys, whatever the memory. Cost: one writing and one reading of all bytes
//! where there are more than 256 MiB, and another for buckets larger than half of the memory.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;

use xxhash_rust::xxh3::Xxh3;

use crate::documents::About;
use crate::work::Job;
use crate::{DType, Document, Error, Result};

/// Bits of a key that choose a bucket.
const BITS: u32 = 6;
/// Levels of buckets after which keys have no bits left.
const LEVELS: u32 = 64 / BITS;
/// Key, ordinal, and bytes of a record.
const HEAD_BYTES: usize = 24;
/// Bytes held before they go to files, however much memory there is: a system clears memory more slowly than it takes files.
const HELD_BYTES: usize = 256 << 20;
/// Bytes of the pieces that a bucket grows by.
const PIECE_BYTES: usize = 1 << 18;

/// The key by which a document is put in order: a hash of the seed, of where it is from, and of how often it was there before.
///
/// The place in a file is what stays the same however many threads, shards and sets there are.
pub fn shuffle_key(seed: u64, about: &About<'_>, epoch: u64) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(about.file.as_bytes());
    hash.update(&about.row.to_le_bytes());
    hash.update(&epoch.to_le_bytes());
    hash.digest()
}

/// Documents on their way into another order.
pub(crate) struct Shuffle<'a> {
    folder: PathBuf,
    job: &'a Job<'a>,
    level: u32,
    buckets: Vec<Bucket>,
    /// Bytes in pieces.
    held: usize,
    /// Documents so far: the order of those with one key.
    ordinal: u64,
}

#[derive(Default)]
struct Bucket {
    /// Whole records; a piece is never moved once it is full.
    pieces: Vec<Vec<u8>>,
    file: Option<(PathBuf, File)>,
    /// Bytes in pieces and file.
    bytes: u64,
}

impl Bucket {
    /// Room for a record of so many bytes.
    fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.pieces.last().is_none_or(|piece| piece.capacity() - piece.len() < bytes) {
            self.pieces.push(Vec::with_capacity(bytes.max(PIECE_BYTES)));
        }
        self.pieces.last_mut().expect("it was just made")
    }
}

impl<'a> Shuffle<'a> {
    /// An empty one, with a folder for what does not fit in memory, made when it is needed.
    pub(crate) fn new(folder: PathBuf, job: &'a Job<'a>) -> Self {
        Self::at(folder, job, 0)
    }

    fn at(folder: PathBuf, job: &'a Job<'a>, level: u32) -> Self {
        let mut buckets = Vec::new();
        buckets.resize_with(1 << BITS, Bucket::default);
        Self { folder, job, level, buckets, held: 0, ordinal: 0 }
    }

    fn room(&self) -> usize {
        usize::try_from(self.job.memory / 2).unwrap_or(usize::MAX).max(1 << 20)
    }

    /// Takes a document that is to come at its key.
    pub(crate) fn add(&mut self, key: u64, document: &Document<'_>) -> Result<()> {
        let ordinal = self.ordinal;
        self.ordinal += 1;
        let bytes = HEAD_BYTES + record_bytes(document);
        self.put(key, bytes, |piece| {
            piece.extend_from_slice(&key.to_le_bytes());
            piece.extend_from_slice(&ordinal.to_le_bytes());
            piece.extend_from_slice(&((bytes - HEAD_BYTES) as u64).to_le_bytes());
            write_document(document, piece);
        })
    }

    fn put(&mut self, key: u64, bytes: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let place = (key << (BITS * self.level) >> (64 - BITS)) as usize;
        let bucket = &mut self.buckets[place];
        let piece = bucket.room(bytes);
        let before = piece.len();
        write(piece);
        debug_assert_eq!(piece.len() - before, bytes);
        bucket.bytes += bytes as u64;
        self.held += bytes;
        if self.held > self.room().min(HELD_BYTES) { self.spill() } else { Ok(()) }
    }

    /// Empties all pieces into their files.
    fn spill(&mut self) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
        for (number, bucket) in self.buckets.iter_mut().enumerate().filter(|(_, bucket)| !bucket.pieces.is_empty()) {
            if bucket.file.is_none() {
                let path = self.folder.join(format!("{}-{number:02}", self.level));
                let file = File::options().create(true).truncate(true).read(true).write(true).open(&path);
                bucket.file = Some((path.clone(), file.map_err(Error::io("create", &path))?));
            }
            let (path, file) = bucket.file.as_mut().expect("it was just made");
            for piece in std::mem::take(&mut bucket.pieces) {
                file.write_all(&piece).map_err(Error::io("write", &*path))?;
            }
        }
        self.held = 0;
        self.job.check()
    }

    /// Hands all documents to `take`, in the order of their keys.
    pub(crate) fn finish(mut self, take: &mut dyn FnMut(&Document<'_>) -> Result<()>) -> Result<()> {
        let room = self.room() as u64;
        // What lies in memory stays there only if nothing else has to.
        if self.buckets.iter().any(|bucket| bucket.file.is_some()) {
            self.spill()?;
        }
        let mut all = Vec::new();
        for bucket in std::mem::take(&mut self.buckets) {
            let Bucket { pieces, file, bytes } = bucket;
            let Some((path, _)) = &file else {
                in_order(&pieces, take)?;
                continue;
            };
            let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(Error::io("read", path))?);
            if bytes <= room || self.level + 1 >= LEVELS {
                all.clear();
                all.reserve_exact(bytes as usize);
                reader.read_to_end(&mut all).map_err(Error::io("read", path))?;
                in_order(std::slice::from_ref(&all), take)?;
            } else {
                all = Vec::new();
                let mut finer = Self::at(self.folder.join(format!("{}", self.level + 1)), self.job, self.level + 1);
                let mut record = Vec::new();
                let mut left = bytes;
                while left > 0 {
                    record.resize(HEAD_BYTES, 0);
                    reader.read_exact(&mut record).map_err(Error::io("read", path))?;
                    let rest = number(&record, 16) as usize;
                    record.resize(HEAD_BYTES + rest, 0);
                    reader.read_exact(&mut record[HEAD_BYTES..]).map_err(Error::io("read", path))?;
                    finer.put(number(&record, 0), record.len(), |piece| piece.extend_from_slice(&record))?;
                    left -= record.len() as u64;
                }
                finer.finish(take)?;
            }
            std::fs::remove_file(path).map_err(Error::io("remove", path))?;
            self.job.check()?;
        }
        Ok(())
    }
}

/// Eight bytes of a record as a number.
fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Hands records to `take` by key and ordinal.
fn in_order(pieces: &[Vec<u8>], take: &mut dyn FnMut(&Document<'_>) -> Result<()>) -> Result<()> {
    let mut places = Vec::new();
    for (number_of_piece, piece) in pieces.iter().enumerate() {
        let mut at = 0;
        while at < piece.len() {
            places.push((number(piece, at), number(piece, at + 8), number_of_piece, at));
            at += HEAD_BYTES + number(piece, at + 16) as usize;
        }
    }
    places.sort_unstable();
    let mut scratch = (Vec::new(), Vec::new());
    places.into_iter().try_for_each(|(_, _, piece, at)| {
        let piece = &pieces[piece];
        let record = &piece[at + HEAD_BYTES..at + HEAD_BYTES + number(piece, at + 16) as usize];
        take(&read_document(record, &mut scratch))
    })
}

/// Bytes of a document in a bucket.
fn record_bytes(document: &Document<'_>) -> usize {
    let about = &document.about;
    let texts = [about.id, Some(about.source), Some(about.file), about.language];
    let texts: usize = texts.iter().map(|text| 8 + text.map_or(0, str::len)).sum();
    let numbers = 2 + 3 * 8 + 2 * 8 + 4 * document.lengths.len() + document.modes.len();
    numbers + texts + document.bytes.len()
}

/// Appends a document as it lies in a bucket.
fn write_document(document: &Document<'_>, buffer: &mut Vec<u8>) {
    let about = &document.about;
    let mut put = |bytes: &[u8]| buffer.extend_from_slice(bytes);
    put(&[document.dtype.code(), u8::from(document.xxh3.is_some())]);
    put(&document.xxh3.unwrap_or(0).to_le_bytes());
    put(&about.row.to_le_bytes());
    put(&about.text_bytes.to_le_bytes());
    for text in [about.id, Some(about.source), Some(about.file), about.language] {
        // A length above all is no text.
        put(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        put(text.unwrap_or("").as_bytes());
    }
    put(&(document.lengths.len() as u64).to_le_bytes());
    document.lengths.iter().for_each(|length| put(&length.to_le_bytes()));
    put(&(document.modes.len() as u64).to_le_bytes());
    document.modes.iter().for_each(|mode| put(&mode.to_le_bytes()));
    put(document.bytes);
}

/// A document as [`write_document`] has put it.
fn read_document<'a>(record: &'a [u8], scratch: &'a mut (Vec<i32>, Vec<i8>)) -> Document<'a> {
    let mut at = 0;
    let mut take = |bytes: usize| {
        at += bytes;
        &record[at - bytes..at]
    };
    let head = take(2);
    let (dtype, hashed) = (DType::from_code(head[0]).expect("a code that was written"), head[1] == 1);
    let mut next = || u64::from_le_bytes(take(8).try_into().expect("eight bytes"));
    let (xxh3, row, text_bytes) = (next(), next(), next());
    let [id, source, file, language] = [(); 4].map(|()| {
        let length = u64::from_le_bytes(take(8).try_into().expect("eight bytes"));
        let text = |length| std::str::from_utf8(take(length)).expect("a text that was written");
        (length != u64::MAX).then_some(length as usize).map(text)
    });
    let (lengths, modes) = scratch;
    let count = u64::from_le_bytes(take(8).try_into().expect("eight bytes")) as usize;
    lengths.clear();
    lengths.extend(take(4 * count).as_chunks().0.iter().map(|length| i32::from_le_bytes(*length)));
    let count = u64::from_le_bytes(take(8).try_into().expect("eight bytes")) as usize;
    modes.clear();
    modes.extend(take(count).iter().map(|mode| mode.cast_signed()));
    Document {
        bytes: &record[at..],
        dtype,
        lengths,
        modes,
        about: About {
            id,
            source: source.unwrap_or_default(),
            file: file.unwrap_or_default(),
            row,
            language,
            text_bytes,
        },
        xxh3: hashed.then_some(xxh3),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use yuan_pipeline::Progress;

    use super::*;

    /// Documents with all they can have, and what becomes of them in so much memory.
    fn shuffled(memory: u64, keys: &[u64]) -> Vec<(u64, String)> {
        let (cancelled, progress) = (AtomicBool::new(false), Progress::default());
        let job = Job { memory, threads: 1, cancelled: &cancelled, progress: &progress };
        let folder = tempfile::tempdir().unwrap();
        let mut shuffle = Shuffle::new(folder.path().join("buckets"), &job);
        for (row, key) in (0..).zip(keys) {
            let bytes: Vec<u8> = (0..20_000_u32).map(|byte| (byte as u8).wrapping_add(row as u8)).collect();
            let id = format!("id {row}");
            let about = About {
                id: (row % 3 > 0).then_some(&*id),
                source: "源",
                file: "a/b",
                row,
                language: (row % 2 > 0).then_some("zh"),
                text_bytes: 7 * row,
            };
            let lengths = [4_000, 1_000];
            let xxh3 = (row % 2 == 0).then_some(row);
            let document =
                Document { bytes: &bytes, dtype: DType::I32, lengths: &lengths, modes: &[1, -1], about, xxh3 };
            shuffle.add(*key, &document).unwrap();
        }
        let mut seen = Vec::new();
        let mut take = |document: &Document<'_>| {
            assert_eq!(document.bytes[0], document.about.row as u8);
            seen.push((document.about.row, format!("{:?}", Document { bytes: &document.bytes[..3], ..*document })));
            Ok(())
        };
        shuffle.finish(&mut take).unwrap();
        assert!(std::fs::read_dir(folder.path().join("buckets")).map_or(0, Iterator::count) <= 1, "only folders stay");
        seen
    }

    #[test]
    fn the_order_is_that_of_the_keys_in_any_memory() {
        let keys: Vec<u64> =
            (0..400_u64).map(|row| if row % 7 == 0 { 5 } else { row.wrapping_mul(0x9e37_79b9_7f4a_7c15) }).collect();
        let mut expected: Vec<(u64, u64)> = keys.iter().copied().zip(0..).collect();
        expected.sort_unstable();
        let expected: Vec<u64> = expected.into_iter().map(|(_, row)| row).collect();
        let in_memory = shuffled(1 << 30, &keys);
        assert_eq!(in_memory.iter().map(|(row, _)| *row).collect::<Vec<_>>(), expected);
        // Some 8 MB through 1 MiB: files, and a second level for the crowded key.
        assert_eq!(shuffled(1 << 20, &keys), in_memory);
    }
}
