//! Files of lines, plain or compressed, cut into units at line ends.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Payload, SetAside, ShardReader, Start, Unit};
use crate::input::{Format, Input, OnBadRecord, Shard};
use crate::{Error, Result};

/// How much is read at a time while looking for the end of a line.
const STEP: u64 = 64 << 10;

/// Cuts a file of lines: a unit ends with the first line end at or after `unit_bytes`, so the cuts depend on
/// the file's content alone.
pub(crate) struct LineUnits {
    source: Box<dyn Read + Send>,
    consumed: Arc<AtomicU64>,
    path: PathBuf,
    number: u32,
    /// A lone carriage return ends a line too.
    universal_newlines: bool,
    seekable: bool,
    unit_bytes: usize,
    max_document_bytes: u64,
    on_bad_record: OnBadRecord,
    /// Where records too large go; outside a run there is no such place, and they are errors.
    oversize: Option<PathBuf>,
    buffer: Vec<u8>,
    ended: bool,
    index: u32,
    row: u64,
    offset: u64,
    reported: u64,
}

impl LineUnits {
    pub(super) fn open(
        shard: &Shard,
        number: u32,
        input: &Input,
        start: Start,
        oversize: Option<PathBuf>,
    ) -> Result<Self> {
        let consumed = Arc::new(AtomicU64::new(0));
        let (source, seekable) = open_stream(shard, &consumed, start.offset)?;
        let start = if seekable { start } else { Start::default() };
        Ok(Self {
            source,
            consumed,
            path: shard.path.clone(),
            number,
            universal_newlines: matches!(shard.format, Format::Yuan | Format::YuanPreprocess),
            seekable,
            unit_bytes: input.unit_bytes.max(1) as usize,
            max_document_bytes: input.max_document_bytes,
            on_bad_record: input.on_bad_record,
            oversize,
            buffer: Vec::new(),
            ended: false,
            index: start.index,
            row: start.row,
            offset: start.offset,
            reported: 0,
        })
    }

    /// Reads up to `bytes` more into the buffer. Damage ends the stream: it is an error, or set aside later.
    fn fill(&mut self, bytes: u64) -> Result<Option<String>> {
        let before = self.buffer.len();
        self.buffer.reserve(bytes.min(self.unit_bytes as u64 + STEP) as usize);
        match self.source.by_ref().take(bytes).read_to_end(&mut self.buffer) {
            Ok(_) => {
                self.ended = ((self.buffer.len() - before) as u64) < bytes;
                Ok(None)
            }
            Err(error) if self.seekable => Err(Error::io("read", &self.path)(error)),
            Err(error) => {
                self.ended = true;
                Ok(Some(describe_damage(&error)))
            }
        }
    }

    /// The end of the first line that ends at or after `from`. Of a return that is the last byte so far nobody knows yet.
    fn line_end(&self, from: usize) -> Option<usize> {
        let rest = self.buffer.get(from..)?;
        if !self.universal_newlines {
            return memchr::memchr(b'\n', rest).map(|end| from + end + 1);
        }
        let end = from + memchr::memchr2(b'\n', b'\r', rest)?;
        match (self.buffer[end], self.buffer.get(end + 1)) {
            (b'\n', _) => Some(end + 1),
            (_, Some(next)) => Some(end + 1 + usize::from(*next == b'\n')),
            (_, None) => None,
        }
    }

    /// Where the last line of the buffer starts, which has no end as yet.
    fn last_line(&self) -> usize {
        let end = match self.universal_newlines {
            true => memchr::memrchr2(b'\n', b'\r', &self.buffer),
            false => memchr::memrchr(b'\n', &self.buffer),
        };
        end.map_or(0, |end| end + 1)
    }

    fn rows_in(&self, bytes: &[u8]) -> u64 {
        let feeds = memchr::memchr_iter(b'\n', bytes).count();
        let returns = if self.universal_newlines { super::text::lone_returns(bytes) } else { 0 };
        let unfinished = match bytes.last() {
            None | Some(b'\n') => 0,
            Some(b'\r') if self.universal_newlines => 0,
            Some(_) => 1,
        };
        (feeds + returns + unfinished) as u64
    }

    fn unit(&mut self, bytes: Vec<u8>, set_aside: Vec<SetAside>, skipped: u64) -> Unit {
        let first_row = self.row;
        self.offset += bytes.len() as u64 + skipped;
        self.row += self.rows_in(&bytes) + u64::from(skipped > 0);
        let consumed = self.consumed.load(Ordering::Relaxed);
        let input_bytes = consumed - self.reported;
        self.reported = consumed;
        let unit = Unit {
            shard: self.number,
            index: self.index,
            first_row,
            end: if self.seekable { self.offset } else { 0 },
            next_row: self.row,
            weight: 2 * bytes.len() as u64 + 8 * longest_line(&bytes, self.unit_bytes, self.universal_newlines),
            input_bytes,
            payload: Payload::Lines(bytes),
            set_aside,
        };
        self.index += 1;
        unit
    }

    /// A line is larger than any document may be: its bytes go to a file of their own, unseen by anyone.
    fn set_aside_oversize(&mut self, line_start: usize) -> Result<Unit> {
        let line: Vec<u8> = self.buffer.split_off(line_start);
        let bytes = std::mem::take(&mut self.buffer);
        let row = self.row + self.rows_in(&bytes);
        let Some(folder) = &self.oversize else {
            return Err(super::too_large(&self.path, row, self.max_document_bytes));
        };
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let path = folder.join(format!("oversize-{:05}-{row}.bin", self.number));
        let mut file = File::create(&path).map_err(Error::io("create", &path))?;
        let mut total = 0;
        let mut pending = line;
        let damage = loop {
            let end = match self.universal_newlines {
                true => memchr::memchr2(b'\n', b'\r', &pending),
                false => memchr::memchr(b'\n', &pending),
            };
            let part = &pending[..end.map_or(pending.len(), |end| end + 1)];
            file.write_all(part).map_err(Error::io("write", &path))?;
            total += part.len() as u64;
            if let Some(end) = end {
                let is_return = pending[end] == b'\r';
                self.buffer = pending.split_off(end + 1);
                if is_return {
                    // A return and a newline are one end.
                    let damage = if self.buffer.is_empty() && !self.ended { self.fill(1)? } else { None };
                    if self.buffer.first() == Some(&b'\n') {
                        self.buffer.remove(0);
                        file.write_all(b"\n").map_err(Error::io("write", &path))?;
                        total += 1;
                    }
                    break damage;
                }
                break None;
            }
            if self.ended {
                break None;
            }
            debug_assert!(self.buffer.is_empty());
            self.buffer = std::mem::take(&mut pending);
            self.buffer.clear();
            let damage = self.fill(1 << 20)?;
            pending = std::mem::take(&mut self.buffer);
            if damage.is_some() {
                break damage;
            }
        };
        file.sync_data().map_err(Error::io("write", &path))?;
        let mut reason =
            format!("the record has {total} bytes, more than max_document_bytes = {}", self.max_document_bytes);
        if let Some(damage) = damage {
            reason = format!("{reason}, and {damage}");
        }
        let set_aside = vec![SetAside { row, reason, bytes: Vec::new(), file: Some(path) }];
        Ok(self.unit(bytes, set_aside, total))
    }
}

impl ShardReader for LineUnits {
    fn next_unit(&mut self) -> Result<Option<Unit>> {
        let mut damage = None;
        // Where the search for the unit's end goes on.
        let mut from = self.unit_bytes - 1;
        loop {
            if !self.ended && self.buffer.len() <= from + usize::from(self.universal_newlines) {
                let wanted = (self.unit_bytes.saturating_sub(self.buffer.len()) as u64).max(STEP);
                damage = self.fill(wanted)?;
            }
            if self.buffer.len() > from {
                if let Some(end) = self.line_end(from) {
                    let rest = self.buffer.split_off(end);
                    let bytes = std::mem::replace(&mut self.buffer, rest);
                    if damage.is_none() {
                        return Ok(Some(self.unit(bytes, Vec::new(), 0)));
                    }
                    // Damage behind a whole unit: the rest of the buffer is looked at below.
                    let rest = std::mem::replace(&mut self.buffer, bytes);
                    self.buffer.extend_from_slice(&rest);
                }
                let undecided = self.universal_newlines && self.buffer.last() == Some(&b'\r');
                from = self.buffer.len() - usize::from(undecided);
            }
            let line_start = self.last_line();
            if (self.buffer.len() - line_start) as u64 > self.max_document_bytes && damage.is_none() {
                return self.set_aside_oversize(line_start).map(Some);
            }
            if self.ended {
                break;
            }
        }
        let Some(damage) = damage else {
            let bytes = std::mem::take(&mut self.buffer);
            return Ok((!bytes.is_empty()).then(|| self.unit(bytes, Vec::new(), 0)));
        };
        // The stream is damaged: what came whole before that is kept, the broken record is not a document.
        let line_start = self.last_line();
        let broken = self.buffer.split_off(line_start);
        let row = self.row + self.rows_in(&self.buffer);
        if self.on_bad_record == OnBadRecord::Stop {
            return Err(Error::input(&self.path, format!("{damage}, behind document {row}")));
        }
        let skipped = (broken.len() as u64).max(1);
        let set_aside = vec![SetAside { row, reason: damage, bytes: broken, file: None }];
        let bytes = std::mem::take(&mut self.buffer);
        Ok(Some(self.unit(bytes, set_aside, skipped)))
    }
}

/// The longest line of a unit; only units that outgrew their size can hold one worth knowing.
fn longest_line(bytes: &[u8], unit_bytes: usize, universal_newlines: bool) -> u64 {
    if bytes.len() <= 2 * unit_bytes {
        return unit_bytes.min(bytes.len()) as u64;
    }
    let mut start = 0;
    let mut longest = 0;
    let returns = if universal_newlines { b'\r' } else { b'\n' };
    for end in memchr::memchr2_iter(b'\n', returns, bytes) {
        longest = longest.max(end - start);
        start = end;
    }
    longest.max(bytes.len() - start) as u64
}

/// The stream of a file's decompressed bytes, and whether it was entered at `offset`.
pub(super) fn open_stream(
    shard: &Shard,
    consumed: &Arc<AtomicU64>,
    offset: u64,
) -> Result<(Box<dyn Read + Send>, bool)> {
    let path = &shard.path;
    if shard.is_stdin() {
        let mut stdin = BufReader::with_capacity(256 << 10, std::io::stdin());
        let magic = std::io::BufRead::fill_buf(&mut stdin).map_err(Error::io("read", path))?;
        let compression = Compression::of(magic);
        return Ok((compression.decode(stdin, path)?, false));
    }
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let mut magic = Vec::new();
    (&mut file).take(4).read_to_end(&mut magic).map_err(Error::io("read", path))?;
    let compression = Compression::of(&magic);
    let name = path.to_string_lossy();
    for (suffix, expected) in [(".gz", Compression::Gzip), (".zst", Compression::Zstd)] {
        if name.ends_with(suffix) && compression != expected && !magic.is_empty() {
            return Err(Error::input(path, format!("it is no {suffix} file: its first bytes are {magic:02x?}")));
        }
    }
    let entered = if compression == Compression::None { offset } else { 0 };
    file.seek(SeekFrom::Start(entered)).map_err(Error::io("read", path))?;
    let counted = Counted { file, consumed: consumed.clone() };
    Ok(match compression {
        Compression::None => (Box::new(counted), true),
        other => (other.decode(BufReader::with_capacity(256 << 10, counted), path)?, false),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a skippable frame before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    fn decode<R: std::io::BufRead + Send + 'static>(self, source: R, path: &PathBuf) -> Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::None => Box::new(source),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source).map_err(Error::io("read", path))?;
                decoder.window_log_max(31).map_err(Error::io("read", path))?;
                Box::new(decoder)
            }
        })
    }
}

struct Counted {
    file: File,
    consumed: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.consumed.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

fn describe_damage(error: &std::io::Error) -> String {
    if error.kind() == ErrorKind::UnexpectedEof {
        "the compressed stream is cut short".into()
    } else {
        format!("the compressed stream is damaged ({error})")
    }
}
