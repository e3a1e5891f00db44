//! What an index holds, in SQLite: `catalogue.sqlite`.
//!
//! Files of a crawl are written whole into a folder of their own before a transaction speaks of it, and folders that no row
//! speaks of are left from a kill: whatever moment a process is killed at, the catalogue tells of whole crawls only.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use yuan_pipeline::{Error, Result};

/// Raised when the tables, the files beside them or what a shingle is change.
const VERSION: u32 = 1;
/// "yuan", so that another program's database is told from ours.
const APPLICATION: u32 = 0x7975_616e;

const TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE crawls(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, folder TEXT NOT NULL, identity TEXT NOT NULL,
  documents INTEGER NOT NULL, kept INTEGER NOT NULL, removed INTEGER NOT NULL);
CREATE TABLE inputs(crawl INTEGER, number INTEGER, path TEXT NOT NULL, base INTEGER NOT NULL, records INTEGER NOT NULL,
  PRIMARY KEY(crawl, number)) WITHOUT ROWID;
CREATE TABLE files(crawl INTEGER, name TEXT, bytes INTEGER NOT NULL, xxh3 TEXT NOT NULL, PRIMARY KEY(crawl, name)) WITHOUT ROWID;
CREATE TABLE history(number INTEGER PRIMARY KEY, action TEXT NOT NULL, crawl TEXT NOT NULL, documents INTEGER NOT NULL,
  time TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')));
";

/// A crawl's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CrawlRow {
    pub number: u32,
    pub name: String,
    /// Below `crawls/`.
    pub folder: String,
    /// A hash of what it was made of.
    pub identity: u64,
    /// Documents that are in the index.
    pub documents: u64,
    /// Of these, the ones that no other is kept for.
    pub kept: u64,
    /// Documents taken out.
    pub removed: u64,
}

/// An input file of a crawl: its record n is the document of number `base` + n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputRow {
    /// Its number in the run.
    pub number: u32,
    pub path: String,
    pub base: u64,
    pub records: u64,
}

/// A file of a crawl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRow {
    pub name: String,
    pub bytes: u64,
    pub xxh3: u64,
}

/// A crawl that is new or differs, with its files, and its inputs if it is new.
pub(crate) type CrawlChange<'a> = (CrawlRow, Vec<FileRow>, Option<&'a [InputRow]>);

/// The catalogue of an index.
pub(crate) struct Catalogue {
    path: PathBuf,
    connection: Connection,
}

/// What changes at once.
#[derive(Default)]
pub(crate) struct Change<'a> {
    pub crawls: Vec<CrawlChange<'a>>,
    /// Crawls that go.
    pub gone: Vec<u32>,
    /// (what was done, to which crawl, documents)
    pub history: Vec<(&'static str, String, u64)>,
}

impl Catalogue {
    /// Opens the catalogue, or makes one if it may.
    pub(crate) fn open(path: &Path, create: bool) -> Result<Self> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
        let connection = Connection::open_with_flags(path, flags).map_err(fail(path))?;
        let catalogue = Self { path: path.into(), connection };
        let (version, application): (u32, u32) = catalogue.run(|sql| {
            sql.busy_timeout(std::time::Duration::from_secs(30))?;
            let pragma = |name| sql.query_row(name, [], |row| row.get(0));
            Ok((pragma("PRAGMA user_version")?, pragma("PRAGMA application_id")?))
        })?;
        match (version, application) {
            (0, 0) if create => catalogue.run(|sql| {
                sql.execute_batch(&format!(
                    "BEGIN; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
                ))
            })?,
            (VERSION, APPLICATION) => {}
            (_, APPLICATION) => {
                return Err(refuse(
                    format!(
                        "the index of `{}` has format version {version}, this program has {VERSION}",
                        path.display()
                    ),
                    "make a new index, or use the version of yuan-data that made it",
                ));
            }
            _ => return Err(refuse(format!("`{}` is no index", path.display()), "name another folder")),
        }
        Ok(catalogue)
    }

    pub(crate) fn meta(&self, key: &str) -> Result<Option<String>> {
        self.run(|sql| sql.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional())
    }

    pub(crate) fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        self.run(|sql| sql.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [key, value])).map(drop)
    }

    /// All crawls, in the order in which they came.
    pub(crate) fn crawls(&self) -> Result<Vec<CrawlRow>> {
        self.run(|sql| {
            let mut rows = sql.prepare(
                "SELECT number, name, folder, identity, documents, kept, removed FROM crawls ORDER BY number",
            )?;
            let rows = rows.query_map([], |row| {
                Ok(CrawlRow {
                    number: row.get(0)?,
                    name: row.get(1)?,
                    folder: row.get(2)?,
                    identity: hexadecimal(row.get(3)?),
                    documents: row.get::<_, i64>(4)? as u64,
                    kept: row.get::<_, i64>(5)? as u64,
                    removed: row.get::<_, i64>(6)? as u64,
                })
            })?;
            rows.collect()
        })
    }

    /// The input files of a crawl.
    pub(crate) fn inputs(&self, crawl: u32) -> Result<Vec<InputRow>> {
        self.run(|sql| {
            let mut rows =
                sql.prepare("SELECT number, path, base, records FROM inputs WHERE crawl = ?1 ORDER BY number")?;
            let rows = rows.query_map([crawl], |row| {
                Ok(InputRow {
                    number: row.get(0)?,
                    path: row.get(1)?,
                    base: row.get::<_, i64>(2)? as u64,
                    records: row.get::<_, i64>(3)? as u64,
                })
            })?;
            rows.collect()
        })
    }

    /// The files of a crawl.
    pub(crate) fn files(&self, crawl: u32) -> Result<Vec<FileRow>> {
        self.run(|sql| {
            let mut rows = sql.prepare("SELECT name, bytes, xxh3 FROM files WHERE crawl = ?1 ORDER BY name")?;
            let rows = rows.query_map([crawl], |row| {
                Ok(FileRow { name: row.get(0)?, bytes: row.get::<_, i64>(1)? as u64, xxh3: hexadecimal(row.get(2)?) })
            })?;
            rows.collect()
        })
    }

    /// What was done, to which crawl, with how many documents, when.
    pub(crate) fn history(&self) -> Result<Vec<(String, String, u64, String)>> {
        self.run(|sql| {
            let mut rows = sql.prepare("SELECT action, crawl, documents, time FROM history ORDER BY number")?;
            let rows =
                rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as u64, row.get(3)?)))?;
            rows.collect()
        })
    }

    /// Makes a change, whole or not at all.
    pub(crate) fn change(&mut self, change: &Change<'_>) -> Result<()> {
        let path = self.path.clone();
        let mut apply = || -> rusqlite::Result<()> {
            let sql = self.connection.transaction()?;
            for crawl in &change.gone {
                sql.execute("DELETE FROM crawls WHERE number = ?1", [crawl])?;
                sql.execute("DELETE FROM inputs WHERE crawl = ?1", [crawl])?;
                sql.execute("DELETE FROM files WHERE crawl = ?1", [crawl])?;
            }
            for (row, files, inputs) in &change.crawls {
                let identity = format!("{:016x}", row.identity);
                let counts = [row.documents as i64, row.kept as i64, row.removed as i64];
                sql.execute(
                    "INSERT OR REPLACE INTO crawls VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![row.number, row.name, row.folder, identity, counts[0], counts[1], counts[2]],
                )?;
                sql.execute("DELETE FROM files WHERE crawl = ?1", [row.number])?;
                for file in files {
                    let xxh3 = format!("{:016x}", file.xxh3);
                    sql.execute(
                        "INSERT INTO files VALUES (?1, ?2, ?3, ?4)",
                        params![row.number, file.name, file.bytes as i64, xxh3],
                    )?;
                }
                for input in inputs.iter().copied().flatten() {
                    sql.execute(
                        "INSERT INTO inputs VALUES (?1, ?2, ?3, ?4, ?5)",
                        params![row.number, input.number, input.path, input.base as i64, input.records as i64],
                    )?;
                }
            }
            for (action, crawl, documents) in &change.history {
                sql.execute(
                    "INSERT INTO history(action, crawl, documents) VALUES (?1, ?2, ?3)",
                    params![action, crawl, *documents as i64],
                )?;
            }
            sql.commit()
        };
        apply().map_err(fail(&path))
    }

    fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        work(&self.connection).map_err(fail(&self.path))
    }
}

fn hexadecimal(text: String) -> u64 {
    u64::from_str_radix(&text, 16).unwrap_or_default()
}

fn fail(path: &Path) -> impl Fn(rusqlite::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Stage {
        stage: "minhash".into(),
        problem: format!("cannot use the catalogue `{}` of the index: {source}", path.display()),
        hint: None,
    }
}

/// An error of an index with the way out.
pub(crate) fn refuse(problem: String, hint: &str) -> Error {
    Error::Stage { stage: "minhash".into(), problem, hint: Some(hint.into()) }
}
