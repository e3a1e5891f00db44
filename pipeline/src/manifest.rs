//! What is already done, in SQLite.
//!
//! A row is written only behind the rename of the file it speaks of, and a unit's row, its counts and its
//! samples go in together: whatever moment a run is killed at, the manifest speaks of whole units only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use crate::batch::Tally;
use crate::input::Shard;
use crate::{Error, Result};

/// Raised when the tables or the files beside them change shape.
const VERSION: u32 = 1;
/// Samples kept for each step and reason.
pub(crate) const SAMPLES: usize = 20;
/// The step number of counts that belong to no step.
pub(crate) const ENGINE: i64 = -1;
/// The kind of its counts of what reading passed over, and their keys.
pub(crate) const PASSED_OVER: &str = "passed_over";
pub(crate) const BLANK_LINES: &str = "blank lines";
pub(crate) const UNDECODABLE_BYTES: &str = "undecodable bytes";

const TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE shards(shard INTEGER PRIMARY KEY, path TEXT NOT NULL, bytes INTEGER NOT NULL, fingerprint TEXT NOT NULL, units INTEGER);
CREATE TABLE steps(step INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, config TEXT NOT NULL, sweep INTEGER NOT NULL);
CREATE TABLE sweeps(sweep INTEGER PRIMARY KEY, seconds REAL NOT NULL DEFAULT 0, units_done INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE units(sweep INTEGER, shard INTEGER, unit INTEGER, next_row INTEGER NOT NULL, end INTEGER NOT NULL,
  rows INTEGER NOT NULL, dropped INTEGER NOT NULL, set_aside INTEGER NOT NULL, scanned INTEGER NOT NULL,
  PRIMARY KEY(sweep, shard, unit)) WITHOUT ROWID;
CREATE TABLE counts(sweep INTEGER, step INTEGER, kind TEXT, key TEXT, documents INTEGER NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY(sweep, step, kind, key)) WITHOUT ROWID;
CREATE TABLE samples(sweep INTEGER, step INTEGER, reason TEXT, rank INTEGER, doc_id INTEGER, detail TEXT, text TEXT,
  PRIMARY KEY(sweep, step, reason, rank, doc_id)) WITHOUT ROWID;
CREATE TABLE files(kind TEXT, sweep INTEGER, number INTEGER, name TEXT NOT NULL, documents INTEGER NOT NULL, bytes INTEGER NOT NULL,
  xxh3 TEXT NOT NULL, last_shard INTEGER NOT NULL, last_unit INTEGER NOT NULL, PRIMARY KEY(kind, sweep, number)) WITHOUT ROWID;
";

/// The manifest of a run folder.
pub(crate) struct Manifest {
    path: PathBuf,
    connection: Connection,
}

/// A finished unit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UnitRow {
    pub shard: u32,
    pub unit: u32,
    pub next_row: u64,
    pub end: u64,
    /// Documents that go on.
    pub rows: u64,
    pub dropped: u64,
    pub set_aside: u64,
    /// Whether the unit has a partial file of the sweep's pass.
    pub scanned: bool,
}

/// Counts of one unit or one reduction: (step, kind, key).
pub(crate) type Counts = BTreeMap<(i64, &'static str, String), Tally>;

/// A document, as a person would want to see it: a dropped one of a step, or one that came through (of no step).
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub step: i64,
    /// The reason, or the language of a document that came through.
    pub reason: String,
    /// Samples of lowest rank are kept; a hash of the `doc_id`, so that any order of work keeps the same ones.
    pub rank: u64,
    pub doc_id: u64,
    pub detail: String,
    pub text: String,
}

/// A file of the run's output.
#[derive(Clone, Debug)]
pub(crate) struct FileRow {
    pub kind: &'static str,
    pub sweep: u32,
    pub number: u32,
    pub name: String,
    pub documents: u64,
    pub bytes: u64,
    pub xxh3: u64,
    pub last: (u32, u32),
}

/// A step as the run folder remembers it.
pub(crate) struct StepRow {
    pub name: String,
    pub version: u32,
    pub config: String,
}

impl Manifest {
    /// Opens or makes the manifest.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path).map_err(fail(path))?;
        let manifest = Self { path: path.to_path_buf(), connection };
        manifest.run(|sql| {
            sql.busy_timeout(std::time::Duration::from_secs(5))?;
            sql.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        })?;
        let version: u32 = manifest.run(|sql| sql.query_row("PRAGMA user_version", [], |row| row.get(0)))?;
        match version {
            0 => manifest
                .run(|sql| sql.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")))?,
            VERSION => {}
            other => {
                return Err(Error::OtherRun {
                    problem: format!("`{}` has version {other}, this program writes version {VERSION}", path.display()),
                    hint: "use the program that made the folder, or choose another folder with `-o`".into(),
                });
            }
        }
        Ok(manifest)
    }

    /// Opens the manifest of an existing run to read it.
    pub(crate) fn open_existing(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(Error::Plan {
                problem: format!(
                    "`{}` is no run folder: it has no `manifest.sqlite`",
                    path.parent().unwrap_or(path).display()
                ),
                hint: Some("name the folder given to `-o` of a run".into()),
            });
        }
        Self::open(path)
    }

    pub(crate) fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        work(&self.connection).map_err(fail(&self.path))
    }

    fn transaction<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let path = self.path.clone();
        let transaction = self.connection.transaction().map_err(fail(&path))?;
        let result = work(&transaction).map_err(fail(&path))?;
        transaction.commit().map_err(fail(&path))?;
        Ok(result)
    }

    pub(crate) fn meta(&self, key: &str) -> Result<Option<String>> {
        self.run(|sql| sql.query_row("SELECT value FROM meta WHERE key = ?", [key], |row| row.get(0)).optional())
    }

    pub(crate) fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        self.run(|sql| sql.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value]).map(drop))
    }

    pub(crate) fn steps(&self) -> Result<Vec<StepRow>> {
        self.run(|sql| {
            sql.prepare("SELECT name, version, config FROM steps ORDER BY step")?
                .query_map([], |row| Ok(StepRow { name: row.get(0)?, version: row.get(1)?, config: row.get(2)? }))?
                .collect()
        })
    }

    pub(crate) fn set_steps<'a>(&mut self, steps: impl Iterator<Item = (&'a str, u32, String, u32)>) -> Result<()> {
        self.transaction(|sql| {
            sql.execute("DELETE FROM steps", [])?;
            for (number, (name, version, config, sweep)) in steps.enumerate() {
                sql.execute(
                    "INSERT INTO steps VALUES (?, ?, ?, ?, ?)",
                    params![number as i64, name, version, config, sweep],
                )?;
            }
            Ok(())
        })
    }

    pub(crate) fn shards(&self) -> Result<Vec<(String, String)>> {
        self.run(|sql| {
            sql.prepare("SELECT path, fingerprint FROM shards ORDER BY shard")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    pub(crate) fn set_shards(&mut self, shards: &[Shard]) -> Result<()> {
        self.transaction(|sql| {
            sql.execute("DELETE FROM shards", [])?;
            let mut insert = sql.prepare("INSERT INTO shards VALUES (?, ?, ?, ?, NULL)")?;
            for (number, shard) in shards.iter().enumerate() {
                let fingerprint = format!("{:016x}", shard.fingerprint);
                insert.execute(params![
                    number as i64,
                    shard.absolute_path().to_string_lossy(),
                    shard.bytes as i64,
                    fingerprint
                ])?;
            }
            Ok(())
        })
    }

    /// How many units each shard has, for the shards that were read to their end.
    pub(crate) fn unit_totals(&self) -> Result<Vec<Option<u32>>> {
        self.run(|sql| {
            sql.prepare("SELECT units FROM shards ORDER BY shard")?.query_map([], |row| row.get(0))?.collect()
        })
    }

    pub(crate) fn set_unit_total(&self, shard: u32, units: u32) -> Result<()> {
        self.run(|sql| sql.execute("UPDATE shards SET units = ? WHERE shard = ?", [units, shard]).map(drop))
    }

    /// The finished units of a sweep in input order.
    pub(crate) fn units(&self, sweep: u32) -> Result<Vec<UnitRow>> {
        self.run(|sql| {
            sql.prepare(
                "SELECT shard, unit, next_row, end, rows, dropped, set_aside, scanned FROM units WHERE sweep = ? ORDER BY shard, unit",
            )?
            .query_map([sweep], |row| {
                Ok(UnitRow {
                    shard: row.get(0)?,
                    unit: row.get(1)?,
                    next_row: row.get::<_, i64>(2)? as u64,
                    end: row.get::<_, i64>(3)? as u64,
                    rows: row.get::<_, i64>(4)? as u64,
                    dropped: row.get::<_, i64>(5)? as u64,
                    set_aside: row.get::<_, i64>(6)? as u64,
                    scanned: row.get(7)?,
                })
            })?
            .collect()
        })
    }

    pub(crate) fn finish_unit(
        &mut self,
        sweep: u32,
        unit: &UnitRow,
        counts: &Counts,
        samples: &[Sample],
    ) -> Result<()> {
        self.transaction(|sql| {
            sql.execute(
                "INSERT INTO units VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    sweep,
                    unit.shard,
                    unit.unit,
                    unit.next_row as i64,
                    unit.end as i64,
                    unit.rows as i64,
                    unit.dropped as i64,
                    unit.set_aside as i64,
                    unit.scanned
                ],
            )?;
            add_counts(sql, sweep, counts)?;
            let mut insert = sql.prepare_cached("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)")?;
            let mut trim = sql.prepare_cached(
                "DELETE FROM samples WHERE sweep = ?1 AND step = ?2 AND reason = ?3 AND (rank, doc_id) NOT IN
                 (SELECT rank, doc_id FROM samples WHERE sweep = ?1 AND step = ?2 AND reason = ?3 ORDER BY rank, doc_id LIMIT ?4)",
            )?;
            for sample in samples {
                let rank = (sample.rank >> 1) as i64;
                insert.execute(params![sweep, sample.step, sample.reason, rank, sample.doc_id as i64, sample.detail, sample.text])?;
                trim.execute(params![sweep, sample.step, sample.reason, SAMPLES as i64])?;
            }
            Ok(())
        })
    }

    /// Documents that a step dropped.
    pub(crate) fn dropped_by(&self, step: usize) -> Result<u64> {
        let dropped: i64 = self.run(|sql| {
            sql.query_row(
                "SELECT coalesce(sum(documents), 0) FROM counts WHERE step = ? AND kind = 'dropped'",
                [step as i64],
                |row| row.get(0),
            )
        })?;
        Ok(dropped as u64)
    }

    pub(crate) fn sweep_done(&self, sweep: u32) -> Result<bool> {
        let done = self.run(|sql| {
            sql.query_row("SELECT done FROM sweeps WHERE sweep = ?", [sweep], |row| row.get::<_, bool>(0)).optional()
        })?;
        Ok(done.unwrap_or(false))
    }

    /// Adds to the time a sweep took; `units_done` once its units are, `done` once its pass is reduced too.
    pub(crate) fn note_sweep(&mut self, sweep: u32, seconds: f64, done: bool, counts: &Counts) -> Result<()> {
        self.transaction(|sql| {
            sql.execute("INSERT OR IGNORE INTO sweeps(sweep) VALUES (?)", [sweep])?;
            sql.execute(
                "UPDATE sweeps SET seconds = seconds + ?, done = max(done, ?) WHERE sweep = ?",
                params![seconds, done, sweep],
            )?;
            add_counts(sql, sweep, counts)
        })
    }

    pub(crate) fn files(&self, kind: &str, sweep: u32) -> Result<Vec<(u32, (u32, u32))>> {
        self.run(|sql| {
            sql.prepare("SELECT number, last_shard, last_unit FROM files WHERE kind = ? AND sweep = ? ORDER BY number")?
                .query_map(params![kind, sweep], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
                .collect()
        })
    }

    /// The names of the files of a kind that a sweep wrote, in order.
    pub(crate) fn names_of(&self, kind: &str, sweep: u32) -> Result<Vec<String>> {
        self.run(|sql| {
            sql.prepare("SELECT name FROM files WHERE kind = ? AND sweep = ? ORDER BY number")?
                .query_map(params![kind, sweep], |row| row.get(0))?
                .collect()
        })
    }

    pub(crate) fn next_file_number(&self, kind: &str) -> Result<u32> {
        self.run(|sql| {
            sql.query_row("SELECT coalesce(max(number) + 1, 0) FROM files WHERE kind = ?", [kind], |row| row.get(0))
        })
    }

    pub(crate) fn add_file(&self, file: &FileRow) -> Result<()> {
        self.run(|sql| {
            sql.execute(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    file.kind,
                    file.sweep,
                    file.number,
                    file.name,
                    file.documents as i64,
                    file.bytes as i64,
                    format!("{:016x}", file.xxh3),
                    file.last.0,
                    file.last.1
                ],
            )
            .map(drop)
        })
    }

    /// Kind and name of each output file of a sweep and those behind it.
    pub(crate) fn file_names_from(&self, sweep: u32) -> Result<Vec<(String, String)>> {
        self.run(|sql| {
            sql.prepare("SELECT kind, name FROM files WHERE sweep >= ?")?
                .query_map([sweep], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// All counts of a sweep: step, kind, key.
    pub(crate) fn counts(&self, sweep: u32) -> Result<Vec<(i64, String, String, Tally)>> {
        self.run(|sql| {
            sql.prepare(
                "SELECT step, kind, key, documents, bytes FROM counts WHERE sweep = ? ORDER BY step, kind, key",
            )?
            .query_map([sweep], |row| {
                let tally = Tally { documents: row.get::<_, i64>(3)? as u64, bytes: row.get::<_, i64>(4)? as u64 };
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, tally))
            })?
            .collect()
        })
    }

    /// Remembers what a sweep's rails say.
    pub(crate) fn set_warnings(&self, sweep: u32, warnings: &[String]) -> Result<()> {
        self.set_meta(&format!("warnings {sweep}"), &warnings.join("\n"))
    }

    /// What the rails of all sweeps say, in order.
    pub(crate) fn warnings(&self) -> Result<Vec<String>> {
        let texts: Vec<String> = self.run(|sql| {
            sql.prepare("SELECT value FROM meta WHERE key LIKE 'warnings %' ORDER BY CAST(substr(key, 10) AS INTEGER)")?
                .query_map([], |row| row.get(0))?
                .collect()
        })?;
        Ok(texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect())
    }

    /// Sums of a kind of count over a sweep: documents and bytes.
    pub(crate) fn sum(&self, sweep: u32, kind: &str) -> Result<Tally> {
        self.run(|sql| {
            sql.query_row(
                "SELECT coalesce(sum(documents), 0), coalesce(sum(bytes), 0) FROM counts WHERE sweep = ? AND kind = ?",
                params![sweep, kind],
                |row| Ok(Tally { documents: row.get::<_, i64>(0)? as u64, bytes: row.get::<_, i64>(1)? as u64 }),
            )
        })
    }

    /// Forgets a sweep and all behind it.
    pub(crate) fn forget_from(&mut self, sweep: u32) -> Result<()> {
        self.transaction(|sql| {
            for table in ["units", "counts", "samples", "sweeps", "files"] {
                sql.execute(&format!("DELETE FROM {table} WHERE sweep >= ?"), [sweep])?;
            }
            if sweep == 0 {
                sql.execute("UPDATE shards SET units = NULL", [])?;
            }
            sql.execute(
                "DELETE FROM meta WHERE key LIKE 'warnings %' AND CAST(substr(key, 10) AS INTEGER) >= ?",
                [sweep],
            )?;
            sql.execute("DELETE FROM meta WHERE key = 'finished'", []).map(drop)
        })
    }
}

fn add_counts(sql: &Connection, sweep: u32, counts: &Counts) -> rusqlite::Result<()> {
    let mut insert = sql.prepare_cached(
        "INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
         SET documents = documents + excluded.documents, bytes = bytes + excluded.bytes",
    )?;
    for ((step, kind, key), tally) in counts {
        insert.execute(params![sweep, step, kind, key, tally.documents as i64, tally.bytes as i64])?;
    }
    Ok(())
}

fn fail(path: &Path) -> impl Fn(rusqlite::Error) -> Error {
    let path = path.to_path_buf();
    move |source| {
        if let rusqlite::Error::SqliteFailure(error, _) = &source
            && error.code == rusqlite::ErrorCode::DiskFull
        {
            return Error::io("write", &path)(std::io::ErrorKind::StorageFull.into());
        }
        Error::Manifest { path: path.clone(), source }
    }
}
