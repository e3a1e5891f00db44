//! A file of results: a JSON line for each, written as soon as it is known.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// A file of results that this process alone appends to.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// Opens a file, or makes it with its folder, and hands over the lines that it has, in their order. A last line that a kill has torn
    /// is cut off. One line at a time is in memory.
    ///
    /// # Errors
    /// If another process has it open, if a line is no result, or the file cannot be read or written.
    pub fn open<T: DeserializeOwned>(path: &Path, take: &mut dyn FnMut(T)) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, error))?;
        let file = OpenOptions::new().create(true).read(true).append(true).open(path);
        let file = file.map_err(|error| Error::io("open", path, error))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(Error::request(
                    format!("another command is writing `{}`", path.display()),
                    "wait for it, or name another `--out`",
                ));
            }
            // A file system that has no locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut reader = BufReader::new(&file);
        let (mut line, mut whole, mut number) = (Vec::new(), 0, 0);
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(|error| Error::io("read", path, error))?;
            if line.last() != Some(&b'\n') {
                if read > 0 {
                    file.set_len(whole).map_err(|error| Error::io("mend", path, error))?;
                }
                break;
            }
            (whole, number) = (whole + read as u64, number + 1);
            if line.trim_ascii().is_empty() {
                continue;
            }
            take(serde_json::from_slice(&line).map_err(|error| {
                let problem = format!("it is no line of results: {error}; remove it, or name another `--out`");
                Error::data(path, Some(number), problem)
            })?);
        }
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// Writes a line.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_string(line).expect("a line has no keys but strings");
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(|error| Error::io("write", &self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_torn_line_is_cut_off_and_the_rest_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/gsm8k.m32.jsonl");
        let open = || {
            let mut known = Vec::new();
            Lines::open(&path, &mut |line: Value| known.push(line)).map(|lines| (lines, known))
        };
        let (mut lines, known) = open().expect("made");
        assert!(known.is_empty());
        lines.append(&json!({ "id": 1 })).expect("written");
        lines.append(&json!({ "id": 2 })).expect("written");
        let other = open().expect_err("one at a time");
        assert!(other.to_string().contains("another command is writing"), "{other}");
        drop(lines);
        let whole = fs::read(&path).expect("read");
        fs::write(&path, [&whole[..], b"{\"task\": \"gs"].concat()).expect("torn");
        let (mut lines, known) = open().expect("mended");
        assert_eq!((fs::read(&path).expect("read"), known.len()), (whole, 2));
        lines.append(&json!({ "id": 3 })).expect("goes on");
        drop(lines);
        assert_eq!(open().expect("whole").1, [json!({ "id": 1 }), json!({ "id": 2 }), json!({ "id": 3 })]);
        fs::write(&path, "\n{\"id\": }\n").expect("spoilt");
        let wrong = open().expect_err("no line").to_string();
        assert!(wrong.contains("gsm8k.m32.jsonl` line 2: it is no line of results"), "{wrong}");
    }
}
