//! The files of evaluation sets: in a folder that the user names, plain or compressed.

pub mod csv;
mod options;
mod python;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Error, Result};

pub use options::{Options, split_options};
pub use python::{literal_map, prompt_of_driver};

/// Most bytes of a file, decompressed: the largest set has some MiB.
const MOST_BYTES: u64 = 1 << 30;

/// A folder of evaluation sets.
#[derive(Clone, Debug)]
pub struct Data {
    folder: PathBuf,
}

/// A file of a set, read.
#[derive(Clone, Debug)]
pub struct Text {
    /// Where it lies.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl Data {
    /// A folder laid out as `eval list` tells.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// The file of this name, or compressed as `.zst` or `.gz`; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or is above 1 GiB.
    pub fn find(&self, name: &str) -> Result<Option<Text>> {
        for ending in ["", ".zst", ".gz"] {
            let path = self.folder.join(format!("{name}{ending}"));
            if path.is_file() {
                return Text::read(&path).map(Some);
            }
        }
        Ok(None)
    }

    /// The file of this name.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn file(&self, name: &str) -> Result<Text> {
        self.find(name)?.ok_or_else(|| Error::NoData { folder: self.folder.clone(), name: name.to_owned() })
    }

    /// Names of the files of a folder with this ending, without it and without that of a compression, in order.
    ///
    /// # Errors
    /// If there are none.
    pub fn names(&self, folder: &str, ending: &str) -> Result<Vec<String>> {
        let path = self.folder.join(folder);
        let mut names = Vec::new();
        // A folder that is not there has no files.
        for entry in std::fs::read_dir(&path).into_iter().flatten() {
            let name = entry.map_err(|error| Error::io("read", &path, error))?.file_name();
            let name = name.to_string_lossy();
            let plain = name.strip_suffix(".zst").or_else(|| name.strip_suffix(".gz")).unwrap_or(&name);
            if let Some(stem) = plain.strip_suffix(ending).filter(|stem| !stem.to_uppercase().starts_with("LICENSE")) {
                names.push(stem.to_owned());
            }
        }
        if names.is_empty() {
            return Err(Error::NoData { folder: self.folder.clone(), name: format!("{folder}/*{ending}") });
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

impl Text {
    /// Reads a file, decompressed by its ending. Bytes that are no UTF-8 are GBK, which Yuan's Chinese sets were published in.
    ///
    /// # Errors
    /// If it cannot be read, is above 1 GiB, or neither UTF-8 nor GBK.
    pub fn read(path: &Path) -> Result<Self> {
        let failed = |error| Error::io("read", path, error);
        let file = File::open(path).map_err(failed)?;
        let stream: Box<dyn Read> = match path.extension().and_then(|ending| ending.to_str()) {
            Some("zst") => Box::new(zstd::Decoder::new(file).map_err(failed)?),
            Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
            _ => Box::new(file),
        };
        let mut bytes = Vec::new();
        stream.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(Error::data(path, None, "it is above 1 GiB: that is no evaluation set"));
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let (text, _, is_broken) = encoding_rs::GBK.decode(error.as_bytes());
                if is_broken {
                    return Err(Error::data(path, None, "it is neither UTF-8 nor GBK"));
                }
                text.into_owned()
            }
        };
        Ok(Self { path: path.to_path_buf(), text: text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned() })
    }

    /// Its lines that are not empty, stripped, with their numbers from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.split('\n').enumerate().map(|(number, line)| (number + 1, line.trim()));
        lines.filter(|(_, line)| !line.is_empty())
    }

    /// Its lines of the form `question[SEP]answer`.
    ///
    /// # Errors
    /// A line without `[SEP]`.
    pub fn pairs<'t>(&'t self) -> Result<Vec<(usize, &'t str, &'t str)>> {
        let pair = |(number, line): (usize, &'t str)| match line.split_once("[SEP]") {
            Some((question, answer)) => Ok((number, question, answer)),
            None => Err(self.wrong(number, "there is no `[SEP]` between question and answer")),
        };
        self.lines().map(pair).collect()
    }

    /// Its lines, each a JSON object.
    ///
    /// # Errors
    /// A line that is none.
    pub fn objects(&self) -> Result<Vec<(usize, Value)>> {
        let object = |(number, line)| match serde_json::from_str::<Value>(line) {
            Ok(object @ Value::Object(_)) => Ok((number, object)),
            Ok(_) => Err(self.wrong(number, "it is no JSON object")),
            Err(error) => Err(self.wrong(number, format!("it is no JSON: {error}"))),
        };
        self.lines().map(object).collect()
    }

    /// A line of it that is wrong.
    pub fn wrong(&self, line: usize, problem: impl Into<String>) -> Error {
        Error::data(&self.path, Some(line), problem)
    }

    /// A string of a line's object.
    ///
    /// # Errors
    /// If it is none.
    pub fn string<'a>(&self, line: usize, object: &'a Value, field: &str) -> Result<&'a str> {
        object[field].as_str().ok_or_else(|| self.wrong(line, format!("field `{field}` is no string")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_plain_or_compressed_in_utf8_or_gbk() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("written");
        write("a.txt.zst", &zstd::encode_all("一[SEP]1\n\n二[SEP]2".as_bytes(), 1).expect("compressed"));
        write("b.txt", &encoding_rs::GBK.encode("问题[SEP]3\r\n").0);
        write("c.txt", b"\xff\xff\xff");
        write("LICENSE.txt", b"");
        let data = Data::new(folder.path());
        assert_eq!(data.file("a.txt").expect("read").pairs().expect("pairs"), [(1, "一", "1"), (3, "二", "2")]);
        assert_eq!(data.file("b.txt").expect("read").pairs().expect("pairs"), [(1, "问题", "3")]);
        assert!(data.file("c.txt").expect_err("broken").to_string().contains("neither UTF-8 nor GBK"));
        assert_eq!(data.names("", ".txt").expect("names"), ["a", "b", "c"]);
        let missing = data.file("d.txt").expect_err("none");
        assert!(missing.to_string().starts_with("there is no `d.txt` in `") && missing.hint().is_some());
        write("e.txt", b"question\n");
        let odd = data.file("e.txt").expect("read").pairs().expect_err("odd").to_string();
        assert!(odd.contains("e.txt` line 1: there is no `[SEP]`"), "{odd}");
    }
}
