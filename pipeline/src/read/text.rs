//! Plain text and Yuan's text format.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{BatchBuilder, Payload, SetAside, ShardReader, Unit, lines};
use crate::input::{Input, OnBadRecord, Shard};
use crate::{Error, Result};

/// One document a line; blank lines are no documents. In Yuan's format a lone carriage return ends a line too
/// and `<n>` is a newline.
pub(super) fn parse_lines(bytes: &[u8], first_row: u64, yuan: bool, builder: &mut BatchBuilder<'_>) -> Result<()> {
    let mut unescaped = String::new();
    for (this, line) in (first_row..).zip(split_lines(bytes, yuan)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            builder.passed_over.blank_lines += 1;
            continue;
        }
        if line.len() as u64 > builder.input.max_document_bytes {
            builder.oversize(this, line);
            continue;
        }
        match std::str::from_utf8(line) {
            Err(error) => builder.bad(this, line, invalid_utf8(&error), false)?,
            Ok(text) if yuan && text.contains("<n>") => {
                unescaped.clear();
                for (index, part) in text.split("<n>").enumerate() {
                    if index > 0 {
                        unescaped.push('\n');
                    }
                    unescaped.push_str(part);
                }
                builder.push(this, &unescaped)?;
            }
            Ok(text) => builder.push(this, text)?,
        }
    }
    Ok(())
}

/// A whole file as one document.
pub(super) fn parse_whole(bytes: &[u8], builder: &mut BatchBuilder<'_>) -> Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) => builder.push(0, text),
        Err(error) => builder.bad(0, bytes, invalid_utf8(&error), false),
    }
}

pub(super) fn invalid_utf8(error: &std::str::Utf8Error) -> String {
    format!("it is not UTF-8 from byte {} on", error.valid_up_to())
}

pub(super) fn split_lines(bytes: &[u8], universal: bool) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = if universal { memchr::memchr2(b'\n', b'\r', rest) } else { memchr::memchr(b'\n', rest) };
        let Some(end) = end else { return Some(std::mem::take(&mut rest)) };
        let line = &rest[..end];
        let width = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
        Some(line)
    })
}

/// Carriage returns that end a line by themselves.
pub(super) fn lone_returns(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\r', bytes).filter(|at| bytes.get(at + 1) != Some(&b'\n')).count()
}

/// A file that is one document.
pub(super) struct WholeFile {
    shard: Shard,
    number: u32,
    max_document_bytes: u64,
    on_bad_record: OnBadRecord,
    oversize: Option<PathBuf>,
    done: bool,
}

impl WholeFile {
    pub(super) fn new(shard: &Shard, number: u32, input: &Input, oversize: Option<PathBuf>) -> Self {
        Self {
            shard: shard.clone(),
            number,
            max_document_bytes: input.max_document_bytes,
            on_bad_record: input.on_bad_record,
            oversize,
            done: false,
        }
    }

    fn read(&self) -> Result<(Vec<u8>, Vec<SetAside>)> {
        let path = &self.shard.path;
        let (mut stream, plain) = lines::open_stream(&self.shard, &Arc::new(AtomicU64::new(0)), 0)?;
        let mut bytes = Vec::new();
        let aside = |reason, bytes, file| vec![SetAside { row: 0, reason, bytes, file }];
        if let Err(error) = stream.by_ref().take(self.max_document_bytes + 1).read_to_end(&mut bytes) {
            if plain || self.on_bad_record == OnBadRecord::Stop {
                return Err(Error::input(path, error));
            }
            return Ok((Vec::new(), aside(format!("it cannot be decompressed: {error}"), bytes, None)));
        }
        if bytes.len() as u64 <= self.max_document_bytes {
            return Ok((bytes, Vec::new()));
        }
        let Some(folder) = &self.oversize else { return Err(super::too_large(path, 0, self.max_document_bytes)) };
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let kept = folder.join(format!("oversize-{:05}-0.bin", self.number));
        let mut file = File::create(&kept).map_err(Error::io("create", &kept))?;
        let written =
            std::io::copy(&mut bytes.as_slice().chain(stream), &mut file).map_err(Error::io("write", &kept))?;
        file.sync_data().map_err(Error::io("write", &kept))?;
        let reason =
            format!("the file has {written} bytes, more than max_document_bytes = {}", self.max_document_bytes);
        Ok((Vec::new(), aside(reason, Vec::new(), Some(kept))))
    }
}

impl ShardReader for WholeFile {
    fn next_unit(&mut self) -> Result<Option<Unit>> {
        if std::mem::replace(&mut self.done, true) || (self.shard.bytes == 0 && !self.shard.is_stdin()) {
            return Ok(None);
        }
        let (bytes, set_aside) = self.read()?;
        let weight = 8 * bytes.len() as u64;
        let payload = if set_aside.is_empty() { Payload::Whole(bytes) } else { Payload::Lines(Vec::new()) };
        Ok(Some(Unit {
            shard: self.number,
            index: 0,
            first_row: 0,
            end: 0,
            next_row: 1,
            weight,
            input_bytes: self.shard.bytes,
            payload,
            set_aside,
        }))
    }
}
