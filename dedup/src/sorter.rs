//! Sorting records beyond memory: runs on disk, merged, at most 64 at a time. Costs: each record is written once, and once more for
//! every factor of 64 runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use yuan_pipeline::{Error, Result};

/// Files merged at a time: more would be many open files and small reads.
const FAN_IN: usize = 64;

/// Takes records of `width` numbers, in any order. Holds at most `memory` bytes, and a file of 64 KiB for each of the runs that are
/// merged.
pub(crate) struct Sorter {
    width: usize,
    /// Records held.
    capacity: usize,
    /// The files of runs are this path and a number.
    path: PathBuf,
    records: Vec<u64>,
    runs: Vec<PathBuf>,
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
        Self { width, capacity, path, records: Vec::new(), runs: Vec::new() }
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

    fn spill(&mut self) -> Result<()> {
        let mut run = Out::create(&self.path.with_added_extension(self.runs.len().to_string()))?;
        for (_, number) in self.order() {
            run.write(&self.records[number as usize * self.width..][..self.width])?;
        }
        self.runs.push(run.finish()?);
        self.records.clear();
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Sorted> {
        Sorted::of(vec![self])
    }
}

impl Sorted {
    /// The records of several sorters of one width, as of several threads.
    pub(crate) fn of(mut sorters: Vec<Sorter>) -> Result<Self> {
        if let [sorter] = sorters.as_mut_slice()
            && sorter.runs.is_empty()
        {
            let order = sorter.order();
            let (width, records) = (sorter.width, std::mem::take(&mut sorter.records));
            return Ok(Self::Held { width, records, order, next: 0 });
        }
        let mut runs = Vec::new();
        let (mut width, mut path) = (1, PathBuf::new());
        for mut sorter in sorters {
            if !sorter.records.is_empty() {
                sorter.spill()?;
            }
            runs.append(&mut sorter.runs);
            (width, path) = (sorter.width, sorter.path);
        }
        let mut merged = 0;
        while runs.len() > FAN_IN {
            let group: Vec<PathBuf> = runs.drain(..FAN_IN).collect();
            let mut run = Out::create(&path.with_added_extension(format!("merged-{merged}")))?;
            let mut sorted = Self::merging(group, width)?;
            while let Some(record) = sorted.next()? {
                run.write(record)?;
            }
            runs.push(run.finish()?);
            merged += 1;
        }
        Self::merging(runs, width)
    }

    fn merging(paths: Vec<PathBuf>, width: usize) -> Result<Self> {
        let mut runs = Vec::with_capacity(paths.len());
        let mut heap = BinaryHeap::new();
        for (number, path) in paths.into_iter().enumerate() {
            let file = File::open(&path).map_err(Error::io("read", &path))?;
            let bytes = file.metadata().map_err(Error::io("read", &path))?.len();
            let left = bytes / (8 * width as u64);
            let mut run = Run { path, file: BufReader::with_capacity(1 << 16, file), left };
            let mut record = vec![0; width];
            if run.read(&mut record)? {
                heap.push(Reverse((record, number)));
            }
            runs.push(run);
        }
        Ok(Self::Merged { runs, heap, current: Vec::new() })
    }

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

/// A run being written.
struct Out {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Out {
    fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        Ok(Self { path: path.into(), file: BufWriter::with_capacity(1 << 16, file) })
    }

    fn write(&mut self, record: &[u64]) -> Result<()> {
        let written = record.iter().try_for_each(|word| self.file.write_all(&word.to_le_bytes()));
        written.map_err(Error::io("write", &self.path))
    }

    fn finish(mut self) -> Result<PathBuf> {
        self.file.flush().map_err(Error::io("write", &self.path))?;
        Ok(self.path)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut sorted: Sorted) -> Vec<[u64; 3]> {
        let mut found = Vec::new();
        while let Some(record) = sorted.next().unwrap() {
            found.push([record[0], record[1], record[2]]);
        }
        found
    }

    #[test]
    fn records_come_in_order_however_much_memory_there_is() {
        let folder = tempfile::tempdir().unwrap();
        // With a byte of memory, more runs than are merged at a time.
        let records: Vec<[u64; 3]> = (0..40_000_u64).map(|n| [n * 7919 % 50, n * 31 % 11, n % 7]).collect();
        let mut expected = records.clone();
        expected.sort_unstable();
        for memory in [1, 40 * 7000, 1 << 24] {
            for threads in [1, 3] {
                let path = |thread: usize| folder.path().join(format!("run-{thread}"));
                let mut sorters: Vec<Sorter> =
                    (0..threads).map(|thread| Sorter::new(3, memory, path(thread))).collect();
                for (number, record) in records.iter().enumerate() {
                    sorters[number % threads].push(record).unwrap();
                }
                assert!(memory > 1 || sorters.iter().map(|sorter| sorter.runs.len()).sum::<usize>() > 2 * FAN_IN);
                assert_eq!(all(Sorted::of(sorters).unwrap()), expected, "{memory} {threads}");
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "runs are gone");
            }
        }
        assert_eq!(all(Sorted::of(Vec::new()).unwrap()), [[0; 3]; 0]);
    }
}
