//! The memory budget, and the temporary file that takes what exceeds it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::error::{Error, Result};

/// The memory budget and the temporary file that takes what exceeds it.
pub(crate) struct Store {
    limit: u64,
    used: AtomicU64,
    folder: PathBuf,
    spill: Mutex<Spill>,
}

#[derive(Default)]
struct Spill {
    file: Option<File>,
    /// End of the file.
    end: u64,
    /// Where slots of a length are free again.
    free: HashMap<u64, Vec<u64>>,
    used: u64,
    peak: u64,
}

impl Store {
    pub fn new(limit: u64, folder: PathBuf) -> Arc<Store> {
        Arc::new(Store { limit, used: AtomicU64::new(0), folder, spill: Mutex::default() })
    }

    /// Takes `bytes` of the budget, if they are left.
    pub fn reserve(&self, bytes: u64) -> bool {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed);
        if used + bytes > self.limit {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Takes `bytes` of the budget even when it is exceeded: memory that there is no way around.
    pub fn take(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives memory back.
    pub fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The budget.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The most bytes that the temporary file held at one time.
    pub fn peak_temporary_bytes(&self) -> u64 {
        self.lock().peak
    }

    /// Bytes in memory and in the file.
    #[cfg(test)]
    pub fn in_use(&self) -> (u64, u64) {
        (self.used.load(Ordering::Relaxed), self.lock().used)
    }

    fn lock(&self) -> MutexGuard<'_, Spill> {
        // A thread that panicked leaves the spill's fields whole: each change is a single assignment.
        self.spill.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Writes to the temporary file and gives the place.
    pub fn write(&self, bytes: &[u8]) -> Result<u64> {
        let mut spill = self.lock();
        let length = bytes.len() as u64;
        if spill.file.is_none() {
            spill.file = Some(tempfile::tempfile_in(&self.folder).map_err(Error::io("create", &self.folder))?);
        }
        let free = spill.free.get_mut(&length).and_then(Vec::pop);
        let offset = free.unwrap_or(spill.end);
        spill.end = spill.end.max(offset + length);
        spill.used += length;
        spill.peak = spill.peak.max(spill.used);
        let Some(file) = spill.file.as_mut() else { return Ok(offset) };
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.write_all(bytes))
            .map_err(Error::io("write a temporary file in", &self.folder))?;
        Ok(offset)
    }

    /// Reads what [`write`](Store::write) wrote.
    pub fn read(&self, offset: u64, length: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let mut spill = self.lock();
        bytes.resize(length, 0);
        let Some(file) = spill.file.as_mut() else { return Ok(()) };
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(bytes))
            .map_err(Error::io("read a temporary file in", &self.folder))
    }

    /// Gives a place in the file back.
    pub fn free(&self, offset: u64, length: u64) {
        let mut spill = self.lock();
        spill.free.entry(length).or_default().push(offset);
        spill.used -= length;
    }
}
