//! The file of results: a line for each item, written as soon as it is known.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Line;
use crate::{Error, Result};

/// A file of results, and what it held.
pub(super) struct Results {
    path: PathBuf,
    file: File,
    /// By item and fingerprint; of several lines the last.
    known: HashMap<(String, String), Line>,
}

impl Results {
    /// Opens a file, or makes it. A last line that a kill has torn is cut off.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, error))?;
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io("read", path, error)),
        };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut known = HashMap::new();
        for (number, line) in
            text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty())
        {
            let line: Line = serde_json::from_slice(line).map_err(|error| {
                Error::data(
                    path,
                    Some(number + 1),
                    format!("it is no line of results: {error}; remove it, or name another `--out`"),
                )
            })?;
            known.insert((line.id.clone(), line.fingerprint.clone()), line);
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| Error::io("open", path, error))?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(|error| Error::io("mend", path, error))?;
        }
        Ok(Self { path: path.to_path_buf(), file, known })
    }

    /// The line of an item, if it is there with this fingerprint.
    pub fn take(&mut self, id: &str, fingerprint: &str) -> Option<Line> {
        self.known.remove(&(id.to_owned(), fingerprint.to_owned()))
    }

    /// Writes a line.
    pub fn append(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line).expect("a line has no keys but strings");
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(|error| Error::io("write", &self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_cut_off_and_the_rest_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/gsm8k.m32.jsonl");
        let line = |id: &str, fingerprint: &str, answer: &str| Line {
            id: id.into(),
            fingerprint: fingerprint.into(),
            answer: Some(answer.into()),
            ..Line::default()
        };
        let mut results = Results::open(&path).expect("made");
        for line in [line("1", "a", "x"), line("1", "a", "y"), line("2", "b", "z")] {
            results.append(&line).expect("written");
        }
        let whole = fs::read(&path).expect("read");
        fs::write(&path, [&whole[..], b"{\"task\": \"gs"].concat()).expect("torn");
        let mut results = Results::open(&path).expect("mended");
        assert_eq!(fs::read(&path).expect("read"), whole);
        assert_eq!(results.take("1", "a"), Some(line("1", "a", "y")), "the last one counts");
        assert_eq!((results.take("1", "a"), results.take("2", "a")), (None, None));
        results.append(&line("3", "a", "w")).expect("goes on");
        assert!(Results::open(&path).expect("whole").take("3", "a").is_some());
        fs::write(&path, "{\"id\": 3}\n").expect("spoilt");
        let wrong = Results::open(&path).err().expect("no line").to_string();
        assert!(wrong.contains("gsm8k.m32.jsonl` line 1: it is no line of results"), "{wrong}");
    }
}
