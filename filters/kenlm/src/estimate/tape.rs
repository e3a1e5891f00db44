//! Sequences that are written once and read in order, in memory while the budget lasts and in one temporary file
//! afterwards.

use std::sync::Arc;

use super::store::Store;
use crate::error::{Error, Result};

/// What a tape holds.
pub(crate) trait Cell: Copy + Default + Send + Sync {
    const BYTES: usize;
    fn encode(cells: &[Self], bytes: &mut Vec<u8>);
    fn decode(bytes: &[u8], cells: &mut Vec<Self>);
}

impl Cell for u8 {
    const BYTES: usize = 1;
    fn encode(cells: &[u8], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(cells);
    }
    fn decode(bytes: &[u8], cells: &mut Vec<u8>) {
        cells.extend_from_slice(bytes);
    }
}

impl Cell for u32 {
    const BYTES: usize = 4;
    fn encode(cells: &[u32], bytes: &mut Vec<u8>) {
        bytes.extend(cells.iter().flat_map(|cell| cell.to_le_bytes()));
    }
    fn decode(bytes: &[u8], cells: &mut Vec<u32>) {
        cells.extend(bytes.chunks_exact(4).map(|cell| u32::from_le_bytes([cell[0], cell[1], cell[2], cell[3]])));
    }
}

enum Chunk<T> {
    Memory(Vec<T>),
    Disk { offset: u64, cells: usize },
}

impl<T: Cell> Chunk<T> {
    fn cells(&self) -> usize {
        match self {
            Chunk::Memory(cells) => cells.len(),
            Chunk::Disk { cells, .. } => *cells,
        }
    }

    fn release(&self, store: &Store) {
        match self {
            Chunk::Memory(cells) => store.release((cells.capacity() * T::BYTES) as u64),
            Chunk::Disk { offset, cells } => store.free(*offset, (cells * T::BYTES) as u64),
        }
    }
}

/// Cells in the order in which they were written.
pub(crate) struct Tape<T: Cell> {
    store: Arc<Store>,
    chunks: Vec<Chunk<T>>,
    cells: u64,
}

impl<T: Cell> Tape<T> {
    pub fn empty(store: &Arc<Store>) -> Tape<T> {
        Tape { store: store.clone(), chunks: Vec::new(), cells: 0 }
    }

    pub fn len(&self) -> u64 {
        self.cells
    }

    /// Puts another tape behind this one, without copying it.
    pub fn append(&mut self, mut other: Tape<T>) {
        self.chunks.append(&mut other.chunks);
        self.cells += std::mem::take(&mut other.cells);
    }

    /// Reads from the start.
    pub fn reader(&self) -> TapeReader<'_, T> {
        TapeReader { tape: self, next_chunk: 0, loaded: Vec::new(), bytes: Vec::new(), slice: &[], position: 0 }
    }

    /// Reads from cell number `start` on.
    pub fn reader_at(&self, start: u64) -> Result<TapeReader<'_, T>> {
        let mut reader = self.reader();
        let mut skip = start;
        while let Some(chunk) = self.chunks.get(reader.next_chunk) {
            if skip < chunk.cells() as u64 {
                break;
            }
            skip -= chunk.cells() as u64;
            reader.next_chunk += 1;
        }
        if skip > 0 {
            reader.load()?;
            reader.position = skip as usize;
        }
        Ok(reader)
    }
}

impl<T: Cell> Drop for Tape<T> {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            chunk.release(&self.store);
        }
    }
}

/// Writes a [`Tape`].
pub(crate) struct TapeWriter<T: Cell> {
    tape: Tape<T>,
    open: Vec<T>,
    chunk_cells: usize,
}

impl<T: Cell> TapeWriter<T> {
    /// `chunk_bytes`: how much is moved at once.
    pub fn new(store: &Arc<Store>, chunk_bytes: usize) -> TapeWriter<T> {
        TapeWriter { tape: Tape::empty(store), open: Vec::new(), chunk_cells: (chunk_bytes / T::BYTES).max(64) }
    }

    /// Cells written so far.
    pub fn len(&self) -> u64 {
        self.tape.cells + self.open.len() as u64
    }

    #[inline(always)]
    pub fn push(&mut self, cell: T) -> Result<()> {
        if self.open.len() == self.open.capacity() {
            self.make_room()?;
        }
        self.open.push(cell);
        Ok(())
    }

    #[cfg(test)]
    pub fn extend(&mut self, cells: &[T]) -> Result<()> {
        for cell in cells {
            self.push(*cell)?;
        }
        Ok(())
    }

    #[cold]
    fn make_room(&mut self) -> Result<()> {
        if self.open.len() >= self.chunk_cells {
            self.close()?;
        }
        // A short tape stays small.
        let cells = if self.tape.chunks.is_empty() { (self.open.len() * 4).max(64) } else { self.chunk_cells };
        self.open.reserve_exact(cells.min(self.chunk_cells) - self.open.len());
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let store = &self.tape.store;
        let cells = self.open.len();
        let chunk = if store.reserve((self.open.capacity() * T::BYTES) as u64) {
            Chunk::Memory(std::mem::take(&mut self.open))
        } else {
            let mut bytes = Vec::with_capacity(cells * T::BYTES);
            T::encode(&self.open, &mut bytes);
            let offset = store.write(&bytes)?;
            self.open.clear();
            Chunk::Disk { offset, cells }
        };
        self.tape.chunks.push(chunk);
        self.tape.cells += cells as u64;
        Ok(())
    }

    pub fn finish(mut self) -> Result<Tape<T>> {
        self.open.shrink_to_fit();
        self.close()?;
        Ok(self.tape)
    }
}

/// Reads a [`Tape`] from its start.
pub(crate) struct TapeReader<'a, T: Cell> {
    tape: &'a Tape<T>,
    next_chunk: usize,
    /// The chunk that was read from the file.
    loaded: Vec<T>,
    bytes: Vec<u8>,
    /// The chunk that is in memory; empty while `loaded` is read.
    slice: &'a [T],
    position: usize,
}

impl<T: Cell> TapeReader<'_, T> {
    /// The next cell; `None` at the end.
    #[inline(always)]
    pub fn next(&mut self) -> Result<Option<T>> {
        if let Some(&cell) = self.slice.get(self.position) {
            self.position += 1;
            return Ok(Some(cell));
        }
        self.next_slow()
    }

    /// The next cell of a tape that was made to hold one.
    #[inline(always)]
    pub fn expect(&mut self) -> Result<T> {
        if let Some(&cell) = self.slice.get(self.position) {
            self.position += 1;
            return Ok(cell);
        }
        self.next_slow()?.ok_or_else(damaged)
    }

    #[inline(never)]
    fn next_slow(&mut self) -> Result<Option<T>> {
        loop {
            if self.slice.is_empty() && self.position < self.loaded.len() {
                self.position += 1;
                return Ok(Some(self.loaded[self.position - 1]));
            }
            if !self.load()? {
                return Ok(None);
            }
            if let Some(&cell) = self.slice.first() {
                self.position = 1;
                return Ok(Some(cell));
            }
        }
    }

    fn load(&mut self) -> Result<bool> {
        let tape = self.tape;
        let Some(chunk) = tape.chunks.get(self.next_chunk) else { return Ok(false) };
        self.next_chunk += 1;
        self.position = 0;
        self.loaded.clear();
        self.slice = &[];
        match chunk {
            Chunk::Memory(cells) => self.slice = cells,
            Chunk::Disk { offset, cells } => {
                tape.store.read(*offset, cells * T::BYTES, &mut self.bytes)?;
                T::decode(&self.bytes, &mut self.loaded);
            }
        }
        Ok(true)
    }
}

/// What reading past what was written gives: partial counts that contradict each other.
pub(crate) fn damaged() -> Error {
    Error::Corpus { reason: "the counts contradict each other; make the partial counts again".to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_tape_reads_as_written_with_and_without_memory() {
        for limit in [0, 5000, 1 << 20] {
            let store = Store::new(limit, std::env::temp_dir());
            let mut writer = TapeWriter::<u32>::new(&store, 1000);
            for cell in 0..10_000u32 {
                writer.push(cell.wrapping_mul(2_654_435_761)).unwrap();
            }
            let mut tape = writer.finish().unwrap();
            let mut more = TapeWriter::<u32>::new(&store, 256);
            more.extend(&[1, 2, 3]).unwrap();
            tape.append(more.finish().unwrap());
            assert_eq!(tape.len(), 10_003);
            for start in [0, 1, 249, 250, 9_999, 10_001, 10_003] {
                let mut reader = tape.reader_at(start).unwrap();
                for cell in start..10_003 {
                    let expected =
                        if cell < 10_000 { (cell as u32).wrapping_mul(2_654_435_761) } else { cell as u32 - 9_999 };
                    assert_eq!(reader.next().unwrap(), Some(expected));
                }
                assert_eq!(reader.next().unwrap(), None);
            }
            assert_eq!(store.peak_temporary_bytes() > 0, limit < 1 << 20);
            drop(tape);
            assert_eq!(store.in_use(), (0, 0));
        }
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let store = Store::new(0, PathBuf::from("/nowhere/at/all"));
        let mut writer = TapeWriter::<u8>::new(&store, 64);
        writer.extend(&[0; 100]).unwrap_err();
    }
}
