//! Joins the parts of finished units into output files, in input order, while the sweep still runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::files::hash_file;
use crate::manifest::{FileRow, Manifest};
use crate::write::{self, OutputFormat};
use crate::{Error, Result};

/// One kind of output of one sweep.
pub(crate) struct Assembler {
    pub(crate) kind: &'static str,
    sweep: u32,
    format: OutputFormat,
    folder: PathBuf,
    parts: PathBuf,
    file_bytes: u64,
    /// Finished units with the rows of their parts that no file has taken yet.
    waiting: BTreeMap<(u32, u32), u64>,
    pending: Vec<(PathBuf, u64, u64)>,
    last: (u32, u32),
    number: u32,
}

impl Assembler {
    /// Takes up where the files in the manifest end.
    pub(crate) fn new(
        kind: &'static str,
        sweep: u32,
        format: OutputFormat,
        folder: PathBuf,
        parts: PathBuf,
        file_bytes: u64,
        manifest: &Manifest,
    ) -> Result<(Self, Option<(u32, u32)>)> {
        let taken = manifest.files(kind, sweep)?.last().map(|(_, last)| *last);
        let number = manifest.next_file_number(kind)?;
        let assembler = Self {
            kind,
            sweep,
            format,
            folder,
            parts,
            file_bytes,
            waiting: BTreeMap::new(),
            pending: Vec::new(),
            last: (0, 0),
            number,
        };
        Ok((assembler, taken))
    }

    /// Where a unit's part of this kind lies.
    pub(crate) fn part(&self, unit: (u32, u32)) -> PathBuf {
        part_path(&self.parts, self.kind, self.sweep, unit, self.format)
    }

    /// A unit is finished and has `rows` rows of this kind.
    pub(crate) fn add(&mut self, unit: (u32, u32), rows: u64) {
        if rows > 0 {
            self.waiting.insert(unit, rows);
        }
    }

    /// Takes parts of units before `frontier` and writes each file that is full.
    pub(crate) fn advance(&mut self, frontier: (u32, u32), manifest: &dyn Fn(&FileRow) -> Result<()>) -> Result<()> {
        while let Some(entry) = self.waiting.first_entry() {
            let unit = *entry.key();
            if unit >= frontier {
                break;
            }
            let rows = entry.remove();
            let path = self.part(unit);
            let bytes = std::fs::metadata(&path).map_err(Error::io("read", &path))?.len();
            if let Some((first, _, _)) = self.pending.first()
                && !write::may_join(first, &path, self.format)?
            {
                self.write(manifest)?;
            }
            self.pending.push((path, rows, bytes));
            self.last = unit;
            if self.pending.iter().map(|(_, _, bytes)| bytes).sum::<u64>() >= self.file_bytes {
                self.write(manifest)?;
            }
        }
        Ok(())
    }

    /// All units are finished: writes what is left.
    pub(crate) fn finish(&mut self, manifest: &dyn Fn(&FileRow) -> Result<()>) -> Result<()> {
        self.advance((u32::MAX, u32::MAX), manifest)?;
        if self.pending.is_empty() { Ok(()) } else { self.write(manifest) }
    }

    fn write(&mut self, manifest: &dyn Fn(&FileRow) -> Result<()>) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
        let name = format!("{}-{:05}.{}", self.kind, self.number, self.format.suffix());
        let target = self.folder.join(&name);
        let temporary = self.folder.join(format!(".{name}.tmp"));
        let paths: Vec<PathBuf> = self.pending.iter().map(|(path, _, _)| path.clone()).collect();
        write::join(&paths, &temporary, self.format)?;
        let (bytes, xxh3) = hash_file(&temporary).map_err(Error::io("read", &temporary))?;
        std::fs::rename(&temporary, &target).map_err(Error::io("rename", &temporary))?;
        sync_folder(&self.folder)?;
        manifest(&FileRow {
            kind: self.kind,
            sweep: self.sweep,
            number: self.number,
            name,
            documents: self.pending.iter().map(|(_, rows, _)| rows).sum(),
            bytes,
            xxh3,
            last: self.last,
        })?;
        for path in paths {
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        self.pending.clear();
        self.number += 1;
        Ok(())
    }
}

/// Where a unit's part of some kind lies until it is joined.
pub(crate) fn part_path(parts: &Path, kind: &str, sweep: u32, unit: (u32, u32), format: OutputFormat) -> PathBuf {
    parts.join(format!("{sweep}-{kind}-{:05}-{:06}.{}", unit.0, unit.1, format.suffix()))
}

/// Makes a rename in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", folder))?;
    let _ = folder;
    Ok(())
}

/// The first unit, in input order, that is not finished: everything before it may be joined.
pub(crate) struct Frontier {
    totals: Vec<Option<u32>>,
    done: BTreeSet<(u32, u32)>,
    at: (u32, u32),
}

impl Frontier {
    pub(crate) fn new(totals: Vec<Option<u32>>) -> Self {
        Self { totals, done: BTreeSet::new(), at: (0, 0) }
    }

    pub(crate) fn set_total(&mut self, shard: u32, units: u32) {
        self.totals[shard as usize] = Some(units);
    }

    pub(crate) fn add(&mut self, unit: (u32, u32)) {
        self.done.insert(unit);
    }

    /// Moves on as far as finished units reach.
    pub(crate) fn advance(&mut self) -> (u32, u32) {
        loop {
            if self.done.remove(&self.at) {
                self.at.1 += 1;
            } else if self.totals.get(self.at.0 as usize).copied().flatten().is_some_and(|total| self.at.1 >= total) {
                self.at = (self.at.0 + 1, 0);
            } else {
                return self.at;
            }
        }
    }
}
