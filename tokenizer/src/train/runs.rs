//! Counted pieces on disk: sorted runs, and what they come to together.
//!
//! A run file has, for each group of documents in it (a language, say), a section:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `yuanruns` |
//! | 8 | bytes of the name of the group, then the name |
//! | 8, 8 | documents of the group, bytes of their text |
//! | 8, 8 | records that follow, bytes of them |
//! | … | records: count and length as LEB128, then the piece, in the order of their hashes |
//!
//! Numbers are little-endian. Memory while runs are merged: a buffer each, of 64 at a time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use yuan_pipeline::{Context, Error, Result};

use super::count::{Counter, hash};

const MAGIC: &[u8; 8] = b"yuanruns";
/// Most runs that are merged at once.
const FAN_IN: usize = 64;
const BUFFER_BYTES: usize = 64 << 10;

/// What is known of a group of documents beside its pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub name: String,
    pub documents: u64,
    pub bytes: u64,
}

/// A run file being written.
pub(crate) struct RunWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl RunWriter {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        Ok(Self { path: path.into(), file: BufWriter::with_capacity(BUFFER_BYTES, file) })
    }

    /// Writes a section of what was counted.
    pub(crate) fn section(&mut self, group: &Group, counter: &mut Counter) -> Result<()> {
        self.section_of(group, |record| counter.drain(record))
    }

    fn section_of(
        &mut self,
        group: &Group,
        pieces: impl FnOnce(&mut dyn FnMut(&[u8], u64) -> std::io::Result<()>) -> std::io::Result<()>,
    ) -> Result<()> {
        let file = &mut self.file;
        let write = || {
            file.write_all(MAGIC)?;
            file.write_all(&(group.name.len() as u64).to_le_bytes())?;
            file.write_all(group.name.as_bytes())?;
            file.write_all(&group.documents.to_le_bytes())?;
            file.write_all(&group.bytes.to_le_bytes())?;
            let sizes_at = file.stream_position()?;
            file.write_all(&[0; 16])?;
            let (mut records, mut bytes) = (0_u64, 0_u64);
            let mut head = Vec::with_capacity(20);
            pieces(&mut |piece, count| {
                head.clear();
                leb128(count, &mut head);
                leb128(piece.len() as u64, &mut head);
                records += 1;
                bytes += (head.len() + piece.len()) as u64;
                file.write_all(&head)?;
                file.write_all(piece)
            })?;
            file.seek(SeekFrom::Start(sizes_at))?;
            file.write_all(&records.to_le_bytes())?;
            file.write_all(&bytes.to_le_bytes())?;
            file.seek(SeekFrom::End(0)).map(drop)
        };
        write().map_err(Error::io("write", &self.path))
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(Error::io("write", &self.path))
    }
}

fn leb128(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A section of a run file.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    path: PathBuf,
    pub group: Group,
    at: u64,
    records: u64,
    bytes: u64,
}

/// The sections of a run file.
pub(crate) fn sections(path: &Path) -> Result<Vec<Section>> {
    let damaged =
        |_| Error::input(path, "a damaged partial file of `train_tokenizer`: remove it and run the step again");
    let mut file = BufReader::new(File::open(path).map_err(Error::io("read", path))?);
    let size = file.get_ref().metadata().map_err(Error::io("read", path))?.len();
    let refuse = || damaged(std::io::Error::other("damaged"));
    let mut sections = Vec::new();
    let mut at = 0;
    while at < size {
        let number = |file: &mut BufReader<File>| {
            let mut bytes = [0; 8];
            file.read_exact(&mut bytes).map_err(damaged).map(|()| u64::from_le_bytes(bytes))
        };
        if number(&mut file)?.to_le_bytes() != *MAGIC {
            return Err(refuse());
        }
        let name_bytes = number(&mut file)?;
        let mut name = Vec::new();
        (&mut file).take(name_bytes).read_to_end(&mut name).map_err(damaged)?;
        let name = String::from_utf8(name).ok().filter(|name| name.len() as u64 == name_bytes).ok_or_else(refuse)?;
        let group = Group { name, documents: number(&mut file)?, bytes: number(&mut file)? };
        let (records, bytes) = (number(&mut file)?, number(&mut file)?);
        let begin = file.stream_position().map_err(damaged)?;
        at = begin.checked_add(bytes).filter(|end| *end <= size).ok_or_else(refuse)?;
        file.seek(SeekFrom::Start(at)).map_err(damaged)?;
        sections.push(Section { path: path.into(), group, at: begin, records, bytes });
    }
    Ok(sections)
}

/// The records of a section, one after the other.
struct Records {
    path: PathBuf,
    file: std::io::Take<BufReader<File>>,
    left: u64,
    section: usize,
    hash: u64,
    piece: Vec<u8>,
    count: u64,
}

impl Records {
    /// At its first record, if there is one.
    fn open(section: &Section, number: usize) -> Result<Option<Self>> {
        let path = &section.path;
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        file.seek(SeekFrom::Start(section.at)).map_err(Error::io("read", path))?;
        let file = BufReader::with_capacity(BUFFER_BYTES, file).take(section.bytes);
        let path = path.clone();
        let mut records =
            Self { path, file, left: section.records, section: number, hash: 0, piece: Vec::new(), count: 0 };
        Ok(records.advance()?.then_some(records))
    }

    /// Goes on to its next record; whether there is one.
    fn advance(&mut self) -> Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        let mut read = || {
            self.count = read_leb128(&mut self.file)?;
            let bytes = read_leb128(&mut self.file)?;
            if bytes > super::cut::MAX_PIECE_BYTES as u64 {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            self.piece.clear();
            let found = (&mut self.file).take(bytes).read_to_end(&mut self.piece)?;
            if found as u64 == bytes { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
        };
        read().map_err(Error::io("read", &self.path))?;
        self.hash = hash(&self.piece);
        Ok(true)
    }

    fn key(&self) -> (u64, &[u8], usize) {
        (self.hash, &self.piece, self.section)
    }
}

fn read_leb128(file: &mut impl Read) -> std::io::Result<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        number |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(number);
        }
        shift += 7;
        if shift > 63 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Records {}

impl PartialOrd for Records {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The first comes last: the heap gives the greatest.
impl Ord for Records {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

/// Hands each piece of these sections once to `take`, with its hash and the sum of its counts, each multiplied by the weight of
/// its section. In the order of hashes.
pub(crate) fn merge(
    mut sections: Vec<(Section, u64)>,
    context: &Context<'_>,
    mut take: impl FnMut(&[u8], u64, u64),
) -> Result<()> {
    let mut merged = 0;
    while sections.len() > FAN_IN {
        let some: Vec<(Section, u64)> = sections.drain(..FAN_IN).collect();
        std::fs::create_dir_all(&context.scratch).map_err(Error::io("create", &context.scratch))?;
        let path = context.scratch.join(format!("pieces-{merged}"));
        merged += 1;
        let mut writer = RunWriter::create(&path)?;
        let mut failure = Ok(());
        writer.section_of(&Group::default(), |record| {
            let mut written = Ok(());
            failure = merge_at_once(some, context, |piece, _, count| {
                if written.is_ok() {
                    written = record(piece, count);
                }
            });
            written
        })?;
        failure?;
        writer.finish()?;
        // Its counts have their weights.
        sections.extend(self::sections(&path)?.into_iter().map(|section| (section, 1)));
    }
    merge_at_once(sections, context, &mut take)
}

fn merge_at_once(
    sections: Vec<(Section, u64)>,
    context: &Context<'_>,
    mut take: impl FnMut(&[u8], u64, u64),
) -> Result<()> {
    let weights: Vec<u64> = sections.iter().map(|(_, weight)| *weight).collect();
    let mut heap = BinaryHeap::with_capacity(sections.len());
    for (number, (section, _)) in sections.iter().enumerate() {
        heap.extend(Records::open(section, number)?);
    }
    let (mut piece, mut pieces): (Vec<u8>, u64) = (Vec::new(), 0);
    while let Some(first) = heap.peek() {
        piece.clear();
        piece.extend_from_slice(&first.piece);
        let (hash, mut count) = (first.hash, 0_u64);
        while let Some(mut next) = heap.peek_mut()
            && next.hash == hash
            && next.piece == piece
        {
            count = count.saturating_add(next.count.saturating_mul(weights[next.section]));
            if !next.advance()? {
                std::collections::binary_heap::PeekMut::pop(next);
            }
        }
        take(&piece, hash, count);
        pieces += 1;
        if pieces.is_multiple_of(1 << 16) {
            context.check()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn runs_come_to_the_sum_of_their_counts() {
        let folder = tempfile::tempdir().unwrap();
        let cancelled = AtomicBool::new(false);
        let context = Context::new(1 << 20, 1, folder.path().join("scratch"), &cancelled);
        for runs in [1, 5, 200] {
            let mut expected: BTreeMap<(u64, Vec<u8>), u64> = BTreeMap::new();
            let mut all = Vec::new();
            for run in 0..runs {
                let path = folder.path().join(format!("{run}"));
                let mut writer = RunWriter::create(&path).unwrap();
                for weight in [1, 7] {
                    let mut counter = Counter::default();
                    for number in 0..300_u64 {
                        let piece = format!("{}", number * (run + weight) % 211).into_bytes();
                        counter.count(&piece);
                        *expected.entry((hash(&piece), piece)).or_default() += weight;
                    }
                    let group = Group { name: format!("组{weight}"), documents: run, bytes: 900 };
                    writer.section(&group, &mut counter).unwrap();
                }
                writer.finish().unwrap();
                let sections = sections(&path).unwrap();
                assert_eq!(sections[1].group, Group { name: "组7".into(), documents: run, bytes: 900 });
                all.extend(sections.into_iter().zip([1, 7]));
            }
            let mut found = Vec::new();
            merge(all, &context, |piece, hash, count| found.push(((hash, piece.to_vec()), count))).unwrap();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_damaged_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let cancelled = AtomicBool::new(false);
        let context = Context::new(1 << 20, 1, folder.path().join("scratch"), &cancelled);
        let path = folder.path().join("run");
        let mut writer = RunWriter::create(&path).unwrap();
        let mut counter = Counter::default();
        ["one", "two", "三"].iter().for_each(|piece| counter.count(piece.as_bytes()));
        writer.section(&Group { name: "zh".into(), ..Group::default() }, &mut counter).unwrap();
        writer.finish().unwrap();
        let whole = std::fs::read(&path).unwrap();
        let read = || {
            let sections = sections(&path)?.into_iter().map(|section| (section, 1)).collect();
            merge(sections, &context, |_, _, _| {})
        };
        assert!(read().is_ok());
        for cut in 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(read().is_err(), "{cut}");
        }
        for place in [0, 8, 40, 48, 56] {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x55;
            std::fs::write(&path, &bytes).unwrap();
            let _ = read();
        }
    }
}
