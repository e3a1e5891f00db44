//! Files between sweeps: the record batches of one work unit, each by itself in LZ4.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | length of the batch as it is |
//! | 8 | length of what follows the header |
//! | 8 | XXH3 of what follows, with the first number as its seed |
//! | … | an LZ4 block: an Arrow IPC stream of the schema and one record batch |
//!
//! Arrow's own compression makes a frame of each column, and a new buffer of each when it is read; checked text is checked again.
//! Here a batch is one buffer that its columns point into, and as the checksum tells that it is what was written, nothing in it is
//! checked: a third of the time of Arrow's.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::write::PartWriter;
use crate::{Batch, Error, Result};

const HEADER_BYTES: usize = 24;
/// Alignment of a batch's buffers, which Arrow wants.
const ALIGNMENT: usize = 64;

/// A file between sweeps being written.
pub(crate) struct WorkPart {
    path: PathBuf,
    file: Option<File>,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl WorkPart {
    pub(crate) fn create(path: &Path) -> Self {
        Self { path: path.to_path_buf(), file: None, plain: Vec::new(), packed: Vec::new() }
    }
}

impl PartWriter for WorkPart {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let record = batch.to_record()?;
        self.plain.clear();
        let mut writer = StreamWriter::try_new(&mut self.plain, &record.schema())?;
        writer.write(&record)?;
        writer.finish()?;
        drop(writer);
        self.packed.resize(HEADER_BYTES + get_maximum_output_size(self.plain.len()), 0);
        let (header, body) = self.packed.split_at_mut(HEADER_BYTES);
        let length = compress_into(&self.plain, body).expect("there is room for the worst case");
        let plain = self.plain.len() as u64;
        let numbers = [plain, length as u64, xxh3_64_with_seed(&body[..length], plain)];
        for (place, number) in header.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        if self.file.is_none() {
            self.file = Some(File::create(&self.path).map_err(Error::io("create", &self.path))?);
        }
        let file = self.file.as_mut().expect("made above");
        file.write_all(&self.packed[..HEADER_BYTES + length]).map_err(Error::io("write", &self.path))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Reads a file between sweeps.
pub(crate) fn read_work(path: &Path, sink: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
    let damaged = |problem: &str| Error::Input { path: path.into(), problem: format!("it is damaged: {problem}") };
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut left = file.metadata().map_err(Error::io("read", path))?.len();
    let mut file = BufReader::with_capacity(256 << 10, file);
    let (mut header, mut packed) = ([0; HEADER_BYTES], Vec::new());
    while left > 0 {
        if left < HEADER_BYTES as u64 {
            return Err(damaged("it ends within a header"));
        }
        file.read_exact(&mut header).map_err(Error::io("read", path))?;
        left -= HEADER_BYTES as u64;
        let number = |place: usize| u64::from_le_bytes(header[8 * place..][..8].try_into().expect("eight bytes"));
        let (plain, length, checksum) = (number(0), number(1), number(2));
        // A byte of an LZ4 block stands for 255 at most.
        if length > left || plain > length.saturating_mul(256) {
            return Err(damaged("it ends within a batch"));
        }
        packed.resize(length as usize, 0);
        file.read_exact(&mut packed).map_err(Error::io("read", path))?;
        left -= length;
        if xxh3_64_with_seed(&packed, plain) != checksum {
            return Err(damaged("a checksum differs"));
        }
        let mut buffer = MutableBuffer::from_len_zeroed((plain as usize).next_multiple_of(ALIGNMENT));
        buffer.truncate(plain as usize);
        let found = decompress_into(&packed, buffer.as_slice_mut()).map_err(|error| damaged(&error.to_string()))?;
        if found as u64 != plain {
            return Err(damaged("a batch is shorter than it was"));
        }
        // SAFETY: the bytes are those that `WorkPart` wrote of a valid batch, as the checksum says.
        let mut decoder = unsafe { StreamDecoder::new().with_skip_validation(true) };
        let mut buffer = Buffer::from(buffer);
        let record = decoder.decode(&mut buffer)?.ok_or_else(|| damaged("a batch is missing"))?;
        sink(Batch::from_record(&record)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &Path) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        read_work(path, &mut |batch| {
            texts.extend(batch.documents().map(|document| document.text().to_owned()));
            Ok(())
        })?;
        Ok(texts)
    }

    #[test]
    fn what_is_written_is_read_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("work");
        let expected: Vec<String> = (0..3000).map(|n| format!("第{n}篇 text {}", "x".repeat(n % 97))).collect();
        let mut part = Box::new(WorkPart::create(&path));
        for texts in expected.chunks(1000) {
            part.write(&Batch::of_texts(texts)).unwrap();
        }
        part.finish().unwrap();
        assert_eq!(texts(&path).unwrap(), expected);
        let bytes = std::fs::read(&path).unwrap();
        for cut in [1, HEADER_BYTES - 1, HEADER_BYTES + 5, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(texts(&path).unwrap_err().to_string().contains("it is damaged"), "{cut}");
        }
        for place in (0..bytes.len()).step_by(7) {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1 << (place % 8);
            std::fs::write(&path, &bytes).unwrap();
            assert!(texts(&path).is_err(), "{place}");
        }
    }
}
