//! Sorting records of a few 32-bit numbers by the first of them, within a memory budget: what does not fit is sorted in
//! runs, which lie in a file without a name and are merged in the end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Most runs that are merged at once.
const FAN_IN: usize = 256;
/// Least bytes that are read from a run at once.
const LEAST_BLOCK: usize = 1 << 12;
/// Least numbers that are held in memory.
const LEAST_NUMBERS: u64 = 1 << 12;
/// Numbers that are converted and written at once.
const WRITE_BLOCK: usize = 1 << 13;

/// Takes records in any order.
pub(super) struct Sorter {
    shape: Shape,
    directory: PathBuf,
    /// Numbers that fit into memory.
    capacity: usize,
    buffer: Vec<u32>,
    runs: Option<Runs>,
}

#[derive(Clone, Copy)]
struct Shape {
    /// Numbers of a record.
    width: usize,
    /// The first so many of them are what records are sorted by.
    key: usize,
    /// Of records with equal keys, one is kept.
    unique: bool,
}

/// Sorted records, which can be read as often as needed.
pub(super) enum Sorted {
    Memory { records: Vec<u32>, width: usize },
    File { file: File, bytes: u64, width: usize, directory: PathBuf },
}

/// Runs of sorted records in one file.
struct Runs {
    file: File,
    /// Where each ends, in bytes.
    ends: Vec<u64>,
}

impl Sorter {
    /// A sorter of about `expected` records of `width` numbers in `memory` bytes.
    pub(super) fn new(width: usize, key: usize, expected: u64, memory: u64, directory: &Path) -> Sorter {
        let most = (memory / 4).max(LEAST_NUMBERS);
        let capacity = expected.saturating_mul(width as u64).min(most).max(width as u64) as usize;
        let capacity = capacity - capacity % width;
        let shape = Shape { width, key, unique: false };
        let buffer = Vec::with_capacity(capacity);
        Sorter { shape, directory: directory.to_path_buf(), capacity, buffer, runs: None }
    }

    /// As [`Self::new`], of records that are keys as a whole and are kept once each.
    pub(super) fn unique(width: usize, expected: u64, memory: u64, directory: &Path) -> Sorter {
        let mut sorter = Sorter::new(width, width, expected, memory, directory);
        sorter.shape.unique = true;
        sorter
    }

    /// Adds a record of the sorter's width.
    #[inline]
    pub(super) fn push(&mut self, record: impl IntoIterator<Item = u32>) -> Result<()> {
        if self.buffer.len() >= self.capacity {
            self.spill()?;
        }
        self.buffer.extend(record);
        Ok(())
    }

    /// Sorts what is left and merges the runs.
    pub(super) fn finish(mut self) -> Result<Sorted> {
        let width = self.shape.width;
        if self.runs.is_none() {
            self.shape.sort(&mut self.buffer);
            return Ok(Sorted::Memory { records: self.buffer, width });
        }
        self.spill()?;
        let memory = self.capacity * 4;
        self.buffer = Vec::new();
        let mut runs = self.runs.take().expect("a sorter that has spilled has runs");
        while runs.ends.len() > 1 {
            runs = merge_all(&runs, self.shape, memory, &self.directory)?;
        }
        let bytes = runs.ends.last().copied().unwrap_or(0);
        Ok(Sorted::File { file: runs.file, bytes, width, directory: self.directory })
    }

    fn spill(&mut self) -> Result<()> {
        self.shape.sort(&mut self.buffer);
        let failed = Error::io("write sorted records in", &self.directory);
        let runs = match &mut self.runs {
            Some(runs) => runs,
            None => self.runs.insert(Runs::new(&self.directory)?),
        };
        runs.file.seek(SeekFrom::End(0)).and_then(|_| write_numbers(&runs.file, &self.buffer)).map_err(failed)?;
        runs.end_run(self.buffer.len() as u64 * 4);
        self.buffer.clear();
        Ok(())
    }
}

impl Shape {
    fn sort(self, numbers: &mut Vec<u32>) {
        match self.width {
            1 => numbers.sort_unstable(),
            2 => sort_fixed::<2>(numbers, self.key),
            3 => sort_fixed::<3>(numbers, self.key),
            4 => sort_fixed::<4>(numbers, self.key),
            5 => sort_fixed::<5>(numbers, self.key),
            6 => sort_fixed::<6>(numbers, self.key),
            7 => sort_fixed::<7>(numbers, self.key),
            8 => sort_fixed::<8>(numbers, self.key),
            9 => sort_fixed::<9>(numbers, self.key),
            10 => sort_fixed::<10>(numbers, self.key),
            11 => sort_fixed::<11>(numbers, self.key),
            12 => sort_fixed::<12>(numbers, self.key),
            13 => sort_fixed::<13>(numbers, self.key),
            14 => sort_fixed::<14>(numbers, self.key),
            width => unreachable!("no record has {width} numbers"),
        }
        if self.unique {
            let mut kept = 0;
            for at in (0..numbers.len()).step_by(self.width) {
                if kept == 0 || numbers[kept - self.width..kept] != numbers[at..at + self.width] {
                    numbers.copy_within(at..at + self.width, kept);
                    kept += self.width;
                }
            }
            numbers.truncate(kept);
        }
    }
}

fn sort_fixed<const WIDTH: usize>(numbers: &mut [u32], key: usize) {
    let (records, _) = numbers.as_chunks_mut::<WIDTH>();
    match key {
        1 => records.sort_unstable_by_key(|record| record[0]),
        2 => records.sort_unstable_by_key(|record| pair(record)),
        _ => records.sort_unstable_by(|a, b| pair(a).cmp(&pair(b)).then_with(|| a[2..key].cmp(&b[2..key]))),
    }
}

#[inline(always)]
fn pair(record: &[u32]) -> u64 {
    u64::from(record[0]) << 32 | u64::from(record[1])
}

fn write_numbers(mut file: &File, numbers: &[u32]) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(WRITE_BLOCK * 4);
    for block in numbers.chunks(WRITE_BLOCK) {
        bytes.clear();
        bytes.extend(block.iter().flat_map(|number| number.to_le_bytes()));
        file.write_all(&bytes)?;
    }
    Ok(())
}

impl Runs {
    fn new(directory: &Path) -> Result<Runs> {
        let file = tempfile::tempfile_in(directory).map_err(Error::io("create a temporary file in", directory))?;
        Ok(Runs { file, ends: Vec::new() })
    }

    fn end_run(&mut self, bytes: u64) {
        self.ends.push(self.ends.last().copied().unwrap_or(0) + bytes);
    }
}

/// Merges each [`FAN_IN`] runs into one.
fn merge_all(runs: &Runs, shape: Shape, memory: usize, directory: &Path) -> Result<Runs> {
    let failed = || Error::io("write sorted records in", directory);
    let mut merged = Runs::new(directory)?;
    let mut start = 0;
    for ends in runs.ends.chunks(FAN_IN) {
        let block = (memory / (ends.len() + 1)).max(LEAST_BLOCK);
        let mut inputs = Vec::with_capacity(ends.len());
        for &end in ends {
            inputs.push(Records::of_file(&runs.file, start..end, shape.width, block, directory)?);
            start = end;
        }
        let mut written = 0;
        let mut output: Vec<u32> = Vec::with_capacity(WRITE_BLOCK + shape.width);
        let mut last: Vec<u32> = Vec::new();
        let mut heap: Vec<usize> = (0..inputs.len()).filter(|&at| inputs[at].peek().is_some()).collect();
        let less = |inputs: &[Records<'_>], a: usize, b: usize| {
            let key = |at: usize| inputs[at].peek().map(|record| &record[..shape.key]);
            key(a).cmp(&key(b)).then(a.cmp(&b)).is_lt()
        };
        for root in (0..heap.len()).rev() {
            sift_down(&mut heap, root, |a, b| less(&inputs, a, b));
        }
        while let Some(&smallest) = heap.first() {
            if let Some(record) = inputs[smallest].peek() {
                if !(shape.unique && last == record) {
                    output.extend_from_slice(record);
                }
                if shape.unique {
                    last.clear();
                    last.extend_from_slice(record);
                }
            }
            inputs[smallest].advance()?;
            if inputs[smallest].peek().is_none() {
                heap.swap_remove(0);
            }
            sift_down(&mut heap, 0, |a, b| less(&inputs, a, b));
            if output.len() >= WRITE_BLOCK {
                write_numbers(&merged.file, &output).map_err(failed())?;
                written += output.len() as u64 * 4;
                output.clear();
            }
        }
        write_numbers(&merged.file, &output).map_err(failed())?;
        merged.end_run(written + output.len() as u64 * 4);
    }
    Ok(merged)
}

fn sift_down(heap: &mut [usize], mut at: usize, less: impl Fn(usize, usize) -> bool) {
    loop {
        let mut smallest = at;
        for child in [2 * at + 1, 2 * at + 2] {
            if child < heap.len() && less(heap[child], heap[smallest]) {
                smallest = child;
            }
        }
        if smallest == at {
            return;
        }
        heap.swap(at, smallest);
        at = smallest;
    }
}

impl Sorted {
    /// Bytes that it holds in memory.
    pub(super) fn memory(&self) -> u64 {
        match self {
            Sorted::Memory { records, .. } => records.capacity() as u64 * 4,
            Sorted::File { .. } => 0,
        }
    }

    /// Number of records.
    pub(super) fn count(&self) -> u64 {
        match self {
            Sorted::Memory { records, width } => (records.len() / width) as u64,
            Sorted::File { bytes, width, .. } => bytes / (*width as u64 * 4),
        }
    }

    /// Reads from the start. One reader of a [`Sorted`] at a time.
    pub(super) fn records(&self) -> Result<Records<'_>> {
        match self {
            Sorted::Memory { records, width } => Ok(Records { source: Source::Memory(records), at: 0, width: *width }),
            Sorted::File { file, bytes, width, directory } => {
                Records::of_file(file, 0..*bytes, *width, 1 << 18, directory)
            }
        }
    }
}

/// Records one after another.
pub(super) struct Records<'s> {
    source: Source<'s>,
    /// Of the current record, in numbers.
    at: usize,
    width: usize,
}

enum Source<'s> {
    Memory(&'s [u32]),
    File { file: &'s File, left: std::ops::Range<u64>, block: Vec<u32>, most: usize, directory: &'s Path },
}

impl<'s> Records<'s> {
    fn of_file(
        file: &'s File,
        left: std::ops::Range<u64>,
        width: usize,
        most: usize,
        directory: &'s Path,
    ) -> Result<Records<'s>> {
        let most = (most / (4 * width)).max(1) * 4 * width;
        let source = Source::File { file, left, block: Vec::new(), most, directory };
        let mut records = Records { source, at: 0, width };
        records.fill()?;
        Ok(records)
    }

    /// The current record; `None` behind the last.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<&[u32]> {
        let numbers = match &self.source {
            Source::Memory(numbers) => numbers,
            Source::File { block, .. } => &block[..],
        };
        numbers.get(self.at..self.at + self.width)
    }

    /// Goes on to the next record.
    #[inline(always)]
    pub(super) fn advance(&mut self) -> Result<()> {
        self.at += self.width;
        match &self.source {
            Source::File { block, .. } if self.at >= block.len() => self.fill(),
            _ => Ok(()),
        }
    }

    fn fill(&mut self) -> Result<()> {
        let Source::File { file, left, block, most, directory } = &mut self.source else { return Ok(()) };
        self.at = 0;
        block.clear();
        let length = (left.end - left.start).min(*most as u64) as usize;
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(left.start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(Error::io("read sorted records in", directory))?;
        let (numbers, _) = bytes.as_chunks::<4>();
        block.extend(numbers.iter().map(|&number| u32::from_le_bytes(number)));
        left.start += length as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(sorted: &Sorted) -> Vec<Vec<u32>> {
        let mut records = sorted.records().unwrap();
        let mut all = Vec::new();
        while let Some(record) = records.peek() {
            all.push(record.to_vec());
            records.advance().unwrap();
        }
        all
    }

    #[test]
    fn sorting_on_disk_is_sorting() {
        let directory = std::env::temp_dir();
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % below) as u32
        };
        // Runs of 4096 numbers: 300 of them are more than are merged at once.
        let records: Vec<[u32; 2]> = (0..620_000u32).map(|at| [random(1 << 20), at]).collect();
        let mut sorter = Sorter::new(2, 1, records.len() as u64, 0, &directory);
        let mut unique = Sorter::unique(1, records.len() as u64, 0, &directory);
        for record in &records {
            sorter.push(*record).unwrap();
            unique.push([record[0]]).unwrap();
        }
        let (sorted, unique) = (sorter.finish().unwrap(), unique.finish().unwrap());
        assert_eq!((sorted.memory(), sorted.count()), (0, records.len() as u64));
        let mut expected: Vec<u32> = records.iter().map(|record| record[0]).collect();
        expected.sort_unstable();
        let found = all(&sorted);
        assert!(found.iter().map(|record| record[0]).eq(expected.iter().copied()));
        let mut places: Vec<u32> = found.iter().map(|record| record[1]).collect();
        places.sort_unstable();
        assert!(places.into_iter().eq(0..records.len() as u32));
        expected.dedup();
        assert!(all(&unique).into_iter().flatten().eq(expected));
    }
}
