//! Sorting records beyond memory: runs on disk, merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

use yuan_pipeline::{Error, Result};

/// Takes records of `width` numbers, in any order. Holds at most `memory` bytes, and a file of 64 KiB for each run that
/// did not fit.
pub(crate) struct Sorter {
    width: usize,
    /// Records held.
    capacity: usize,
    /// The files of runs are this path and a number.
    path: PathBuf,
    records: Vec<u64>,
    runs: usize,
}

/// The records in their order, number by number.
pub(crate) enum Sorted {
    Held { width: usize, records: Vec<u64>, order: Vec<(u64, u32)>, next: usize },
    Merged { runs: Vec<Run>, heap: BinaryHeap<Reverse<(Vec<u64>, usize)>>, current: Vec<u64> },
}

/// A sorted run on disk.
pub(crate) struct Run {
    path: PathBuf,
    file: BufReader<File>,
    left: u64,
}

impl Sorter {
    pub(crate) fn new(width: usize, memory: u64, path: PathBuf) -> Self {
        let capacity = (memory / (width as u64 * 8 + 16)).clamp(256, u32::MAX.into()) as usize;
        Self { width, capacity, path, records: Vec::new(), runs: 0 }
    }

    pub(crate) fn push(&mut self, record: &[u64]) -> Result<()> {
        debug_assert_eq!(record.len(), self.width);
        if self.records.len() >= self.capacity * self.width {
            self.spill()?;
        }
        self.records.extend_from_slice(record);
        Ok(())
    }

    fn order(&self) -> Vec<(u64, u32)> {
        let records = || self.records.chunks_exact(self.width);
        let mut order: Vec<(u64, u32)> = records().zip(0..).map(|(record, number)| (record[0], number)).collect();
        let rest = |number: u32| &self.records[number as usize * self.width + 1..][..self.width - 1];
        order.sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| rest(one.1).cmp(rest(other.1))));
        order
    }

    fn run(&self, number: usize) -> PathBuf {
        self.path.with_added_extension(number.to_string())
    }

    fn spill(&mut self) -> Result<()> {
        let path = self.run(self.runs);
        let mut file = BufWriter::with_capacity(1 << 16, File::create(&path).map_err(Error::io("create", &path))?);
        let mut write = || -> std::io::Result<()> {
            for (_, number) in self.order() {
                let record = &self.records[number as usize * self.width..][..self.width];
                record.iter().try_for_each(|word| file.write_all(&word.to_le_bytes()))?;
            }
            file.flush()
        };
        write().map_err(Error::io("write", &path))?;
        self.runs += 1;
        self.records.clear();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Sorted> {
        if self.runs == 0 {
            let order = self.order();
            return Ok(Sorted::Held { width: self.width, records: self.records, order, next: 0 });
        }
        self.spill()?;
        self.records = Vec::new();
        let mut runs = Vec::with_capacity(self.runs);
        let mut heap = BinaryHeap::new();
        for number in 0..self.runs {
            let path = self.run(number);
            let file = File::open(&path).map_err(Error::io("read", &path))?;
            let bytes = file.metadata().map_err(Error::io("read", &path))?.len();
            let left = bytes / (8 * self.width as u64);
            let mut run = Run { path, file: BufReader::with_capacity(1 << 16, file), left };
            let mut record = vec![0; self.width];
            if run.read(&mut record)? {
                heap.push(Reverse((record, number)));
            }
            runs.push(run);
        }
        Ok(Sorted::Merged { runs, heap, current: Vec::new() })
    }
}

impl Run {
    /// Whether there was one more record.
    fn read(&mut self, record: &mut [u64]) -> Result<bool> {
        if self.left == 0 {
            std::fs::remove_file(&self.path).map_err(Error::io("remove", &self.path))?;
            return Ok(false);
        }
        self.left -= 1;
        for word in record {
            let mut bytes = [0; 8];
            self.file.read_exact(&mut bytes).map_err(Error::io("read", &self.path))?;
            *word = u64::from_le_bytes(bytes);
        }
        Ok(true)
    }
}

impl Sorted {
    /// The next record.
    pub(crate) fn next(&mut self) -> Result<Option<&[u64]>> {
        match self {
            Self::Held { width, records, order, next } => {
                let Some((_, number)) = order.get(*next) else { return Ok(None) };
                *next += 1;
                Ok(Some(&records[*number as usize * *width..][..*width]))
            }
            Self::Merged { runs, heap, current } => {
                let Some(Reverse((record, number))) = heap.pop() else { return Ok(None) };
                let mut following = std::mem::replace(current, record);
                following.resize(current.len(), 0);
                if runs[number].read(&mut following)? {
                    heap.push(Reverse((following, number)));
                }
                Ok(Some(current))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_in_order_however_much_memory_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let records: Vec<[u64; 3]> = (0..3000_u64).map(|n| [n * 7919 % 50, n * 31 % 11, n % 7]).collect();
        let mut expected = records.clone();
        expected.sort_unstable();
        for memory in [1, 40 * 700, 1 << 20] {
            let mut sorter = Sorter::new(3, memory, folder.path().join("run"));
            records.iter().for_each(|record| sorter.push(record).unwrap());
            let mut sorted = sorter.finish().unwrap();
            let mut found = Vec::new();
            while let Some(record) = sorted.next().unwrap() {
                found.push([record[0], record[1], record[2]]);
            }
            assert_eq!(found, expected, "{memory}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "runs are gone");
        }
    }
}
