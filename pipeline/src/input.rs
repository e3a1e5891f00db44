//! Which files hold the documents, and what they are.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

/// Where the documents come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// Files, folders (read to the bottom, in order of name), globs, or `-` for standard input. A relative
    /// path in a recipe starts at the recipe's folder.
    pub paths: Vec<String>,
    /// What the files are; by default each file's suffix tells.
    pub format: Option<Format>,
    /// The field or column that holds the text. Default `text`.
    pub text_field: String,
    /// The field or column that holds the document's own id, shown in messages. Default `id`.
    pub id_field: String,
    /// The field or column that says where a document is from, for counts by source (`rails`, `retune`). By
    /// default a document's source is its file. A field of few values, such as a site or a collection: counts are kept
    /// for each (up to 1024 in one work unit).
    pub source_field: Option<String>,
    /// What to do with a record that is no document: `stop` (default) ends the run with the record's place and
    /// the reason; `set_aside` keeps its bytes and the reason in `set_aside/`, counts it and goes on.
    pub on_bad_record: OnBadRecord,
    /// Largest record in bytes; larger ones are always set aside, whatever `on_bad_record` says. Default 64 MiB.
    pub max_document_bytes: u64,
    /// Size in bytes of the pieces that are worked on, resumed and counted as one. Default 4 MiB.
    pub unit_bytes: u64,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            format: None,
            text_field: "text".into(),
            id_field: "id".into(),
            source_field: None,
            on_bad_record: OnBadRecord::Stop,
            max_document_bytes: 64 << 20,
            unit_bytes: 4 << 20,
        }
    }
}

/// What to do with a record that is no document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRecord {
    /// End the run with an error.
    #[default]
    Stop,
    /// Keep its bytes and the reason in `set_aside/` and go on.
    SetAside,
}

/// What a file of documents is. Compression (gzip, zstd) is told by the file's first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow IPC, file or stream.
    Arrow,
    /// Plain text, one document a line.
    Text,
    /// Plain text, one document a file.
    TextFile,
    /// Yuan's text format: one document a line, `<n>` for a newline.
    Yuan,
    /// Yuan's text format as its `preprocess_data_yuan.py` reads it: bytes that are no UTF-8 are dropped, lines are stripped, `▃` goes and
    /// `[SEP]` is `<sep>`; for the same tokens, not for keeping the documents.
    YuanPreprocess,
}

impl Format {
    fn of_name(name: &str) -> Option<Self> {
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
        match name.rsplit_once('.')?.1 {
            "jsonl" | "json" | "ndjson" => Some(Self::Jsonl),
            "parquet" => Some(Self::Parquet),
            "arrow" | "feather" | "ipc" => Some(Self::Arrow),
            "txt" => Some(Self::Text),
            _ => None,
        }
    }
}

/// One input file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// What it holds.
    pub format: Format,
    /// Its size; 0 for standard input.
    pub bytes: u64,
    /// A hash of size, time of last change, and first and last 64 KiB.
    pub fingerprint: u64,
}

impl Shard {
    /// Whether this is standard input, which cannot be read twice.
    pub fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// The path as it holds from any folder; standard input stays `-`.
    pub(crate) fn absolute_path(&self) -> PathBuf {
        if self.is_stdin() {
            return self.path.clone();
        }
        std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone())
    }
}

impl Input {
    /// The files these inputs name, each once, in the order given (a folder's by name).
    ///
    /// # Errors
    /// If a path does not exist, names no readable file, or a file's kind cannot be told.
    pub fn shards(&self) -> Result<Vec<Shard>> {
        if self.paths.is_empty() {
            return Err(Error::NoInput { what: "no input is named".into() });
        }
        let mut files = Vec::new();
        for path in &self.paths {
            self.expand(path, &mut files)?;
        }
        let mut seen = std::collections::HashSet::new();
        files.retain(|(path, _)| seen.insert(path.clone()));
        if files.len() > u32::MAX as usize {
            return Err(Error::NoInput { what: format!("{} input files are more than 2³²", files.len()) });
        }
        files.into_iter().map(|(path, format)| self.shard(path, format)).collect()
    }

    fn expand(&self, path: &str, files: &mut Vec<(PathBuf, Format)>) -> Result<()> {
        if path == "-" {
            files.push((path.into(), self.format.unwrap_or(Format::Jsonl)));
            return Ok(());
        }
        let as_path = Path::new(path);
        if as_path.is_dir() {
            let before = files.len();
            self.walk(as_path, files)?;
            if files.len() == before {
                return Err(Error::NoInput { what: format!("`{path}` holds no file of documents ({KINDS})") });
            }
            return Ok(());
        }
        if as_path.exists() {
            files.push((as_path.into(), self.format_of(as_path)?));
            return Ok(());
        }
        if !path.contains(['*', '?', '[']) {
            return Err(Error::Io {
                action: "read",
                path: as_path.into(),
                source: std::io::ErrorKind::NotFound.into(),
            });
        }
        let matches =
            glob::glob(path).map_err(|error| Error::NoInput { what: format!("`{path}` is no pattern: {error}") })?;
        let before = files.len();
        for found in matches {
            let found = found.map_err(|error| {
                let path = error.path().to_path_buf();
                Error::io("list", path)(error.into())
            })?;
            if found.is_file() {
                let format = self.format_of(&found)?;
                files.push((found, format));
            }
        }
        if files.len() == before {
            return Err(Error::NoInput { what: format!("no file matches `{path}`") });
        }
        Ok(())
    }

    /// Adds a folder's files; files of unknown kind are passed over, as folders often hold a README.
    fn walk(&self, folder: &Path, files: &mut Vec<(PathBuf, Format)>) -> Result<()> {
        let entries = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(Error::io("list", folder))?;
        paths.sort();
        for path in paths {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
            if hidden {
                continue;
            }
            if path.is_dir() {
                self.walk(&path, files)?;
            } else if let Some(format) = self.format.or_else(|| Format::of_name(&path.to_string_lossy())) {
                files.push((path, format));
            }
        }
        Ok(())
    }

    fn format_of(&self, path: &Path) -> Result<Format> {
        self.format.or_else(|| Format::of_name(&path.to_string_lossy())).ok_or_else(|| Error::NoInput {
            what: format!("`{}` has no known suffix ({KINDS}): say what it is with `--format`", path.display()),
        })
    }

    fn shard(&self, path: PathBuf, format: Format) -> Result<Shard> {
        if path.as_os_str() == "-" {
            return Ok(Shard { path, format, bytes: 0, fingerprint: 0 });
        }
        let mut file = std::fs::File::open(&path).map_err(Error::io("read", &path))?;
        let metadata = file.metadata().map_err(Error::io("read", &path))?;
        let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let bytes = metadata.len();
        let mut hash = Xxh3::new();
        hash.update(&bytes.to_le_bytes());
        hash.update(&changed.map_or(0, |time| time.as_nanos() as u64).to_le_bytes());
        let mut block = Vec::new();
        (&mut file).take(EDGE).read_to_end(&mut block).map_err(Error::io("read", &path))?;
        hash.update(&block);
        if bytes > EDGE {
            block.clear();
            file.seek(SeekFrom::Start(bytes - EDGE)).map_err(Error::io("read", &path))?;
            file.take(EDGE).read_to_end(&mut block).map_err(Error::io("read", &path))?;
            hash.update(&block);
        }
        Ok(Shard { path, format, bytes, fingerprint: hash.digest() })
    }
}

/// How much of either end of a file its fingerprint looks at.
const EDGE: u64 = 64 << 10;
const KINDS: &str = ".jsonl, .json, .ndjson, .txt, also with .gz or .zst; .parquet, .arrow";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_in_order_of_name_and_its_other_files_are_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.jsonl", "a.parquet", "README.md", ".hidden.jsonl"] {
            std::fs::write(folder.path().join(name), "x").expect("written");
        }
        std::fs::create_dir(folder.path().join("sub")).expect("made");
        std::fs::write(folder.path().join("sub/c.txt.gz"), "x").expect("written");
        let input = Input { paths: vec![folder.path().display().to_string()], ..Input::default() };
        let found: Vec<_> = input
            .shards()
            .expect("shards")
            .into_iter()
            .map(|shard| (shard.path.file_name().expect("a name").to_string_lossy().into_owned(), shard.format))
            .collect();
        let expected = [("a.parquet", Format::Parquet), ("b.jsonl", Format::Jsonl), ("c.txt.gz", Format::Text)]
            .map(|(n, f)| (n.to_owned(), f));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_named_twice_is_read_once_and_an_unknown_suffix_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.jsonl");
        std::fs::write(&file, "{}").expect("written");
        let twice = vec![file.display().to_string(), format!("{}/*.jsonl", folder.path().display())];
        assert_eq!(Input { paths: twice, ..Input::default() }.shards().expect("shards").len(), 1);
        let odd = folder.path().join("a.odd");
        std::fs::write(&odd, "{}").expect("written");
        let error = Input { paths: vec![odd.display().to_string()], ..Input::default() }.shards();
        assert!(error.is_err_and(|error| error.to_string().contains("--format")));
    }
}
