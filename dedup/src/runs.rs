//! Pairs of numbers, sorted in bounded memory.
//!
//! Each thread fills runs, sorts and spills them; at the end they are merged, at most 64 files at a time. Pairs are compared by
//! their first number, then by their second. Costs: 16 bytes a pair on disk, written once for every factor of 64 runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use yuan_pipeline::{Context, Error, Result};

use crate::files::number;
use crate::ranges::SMALL;

const PAIR_BYTES: usize = 16;
/// Files merged at a time: more would be many open files and small reads.
const FAN_IN: usize = 64;
const BUFFER_BYTES: usize = 1 << 14;

/// Sorted runs of all threads.
pub(crate) struct Runs<'a> {
    context: &'a Context<'a>,
    name: &'static str,
    /// Pairs in a run.
    capacity: usize,
    files: Mutex<Vec<PathBuf>>,
}

/// A run being filled by one thread.
#[derive(Default)]
pub(crate) struct Run {
    pairs: Vec<(u64, u64)>,
}

impl<'a> Runs<'a> {
    /// Runs in the scratch folder, files named `name`, of so many bytes in memory for all threads together.
    pub(crate) fn new(context: &'a Context<'a>, name: &'static str, bytes: u64, threads: usize) -> Self {
        let capacity = (bytes / threads.max(1) as u64 / PAIR_BYTES as u64).max(1024) as usize;
        Self { context, name, capacity, files: Mutex::default() }
    }

    pub(crate) fn push(&self, run: &mut Run, pair: (u64, u64)) -> Result<()> {
        if run.pairs.len() == self.capacity {
            self.spill(run)?;
        }
        run.pairs.push(pair);
        Ok(())
    }

    /// Writes what is left of a thread's run.
    pub(crate) fn finish(&self, mut run: Run) -> Result<()> {
        if run.pairs.is_empty() { Ok(()) } else { self.spill(&mut run) }
    }

    fn spill(&self, run: &mut Run) -> Result<()> {
        self.context.check()?;
        run.pairs.sort_unstable();
        run.pairs.dedup();
        let path = self.next_file();
        let mut out = Out::create(&path)?;
        run.pairs.drain(..).try_for_each(|pair| out.write(pair))?;
        out.finish()
    }

    fn next_file(&self) -> PathBuf {
        let mut files = self.files.lock().expect("no holder of the files panics");
        let path = self.context.scratch.join(format!("{}-{}", self.name, files.len()));
        files.push(path.clone());
        path
    }

    /// Hands all pairs to `take`, in order, each once.
    pub(crate) fn merge(self, take: impl FnMut((u64, u64)) -> Result<()>) -> Result<()> {
        let mut files = std::mem::take(&mut *self.files.lock().expect("no holder of the files panics"));
        let mut round = 0;
        while files.len() > FAN_IN {
            round += 1;
            let mut merged = Vec::new();
            for (number, group) in files.chunks(FAN_IN).enumerate() {
                let path = self.context.scratch.join(format!("{}-{round}-{number}", self.name));
                let mut out = Out::create(&path)?;
                self.merge_files(group, |pair| out.write(pair))?;
                out.finish()?;
                group.iter().try_for_each(|file| std::fs::remove_file(file).map_err(Error::io("remove", file)))?;
                merged.push(path);
            }
            files = merged;
        }
        self.merge_files(&files, take)
    }

    fn merge_files(&self, files: &[PathBuf], mut take: impl FnMut((u64, u64)) -> Result<()>) -> Result<()> {
        let mut runs = files.iter().map(|path| In::open(path)).collect::<Result<Vec<_>>>()?;
        let mut heads = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|pair| Reverse((pair, number))));
        }
        let (mut last, mut count) = (None, 0_u64);
        while let Some(Reverse((pair, number))) = heads.pop() {
            if last != Some(pair) {
                take(pair)?;
                last = Some(pair);
            }
            heads.extend(runs[number].next()?.map(|pair| Reverse((pair, number))));
            count += 1;
            if count.is_multiple_of(SMALL) {
                self.context.check()?;
            }
        }
        Ok(())
    }
}

struct Out<'a> {
    path: &'a Path,
    file: BufWriter<File>,
}

impl<'a> Out<'a> {
    fn create(path: &'a Path) -> Result<Self> {
        Ok(Self { path, file: BufWriter::new(File::create(path).map_err(Error::io("create", path))?) })
    }

    fn write(&mut self, (first, second): (u64, u64)) -> Result<()> {
        let mut bytes = [0; PAIR_BYTES];
        bytes[..8].copy_from_slice(&first.to_le_bytes());
        bytes[8..].copy_from_slice(&second.to_le_bytes());
        self.file.write_all(&bytes).map_err(Error::io("write", self.path))
    }

    fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(Error::io("write", self.path))
    }
}

struct In<'a> {
    path: &'a Path,
    file: BufReader<File>,
    left: u64,
}

impl<'a> In<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let left = file.metadata().map_err(Error::io("read", path))?.len() / PAIR_BYTES as u64;
        Ok(Self { path, file: BufReader::with_capacity(BUFFER_BYTES, file), left })
    }

    fn next(&mut self) -> Result<Option<(u64, u64)>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut bytes = [0; PAIR_BYTES];
        self.file.read_exact(&mut bytes).map_err(Error::io("read", self.path))?;
        Ok(Some((number(&bytes), number(&bytes[8..]))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn pairs_come_out_sorted_each_once_from_more_runs_than_are_merged_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let cancelled = AtomicBool::new(false);
        let context = Context::new(1 << 20, 2, folder.path().into(), &cancelled);
        let runs = Runs::new(&context, "pairs", 0, 2);
        let mut expected = BTreeSet::new();
        let (mut one, mut other) = (Run::default(), Run::default());
        for n in 0..150_000_u64 {
            let pair = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48, n % 7);
            expected.insert(pair);
            runs.push(if n % 3 == 0 { &mut one } else { &mut other }, pair).unwrap();
        }
        runs.finish(one).unwrap();
        runs.finish(other).unwrap();
        assert!(runs.files.lock().unwrap().len() > 2 * FAN_IN);
        let mut found = Vec::new();
        runs.merge(|pair| {
            found.push(pair);
            Ok(())
        })
        .unwrap();
        assert!(found.iter().eq(&expected));
    }
}
