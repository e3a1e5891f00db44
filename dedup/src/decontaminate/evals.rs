//! Evaluation sets as they lie on disk: files → items → the texts in them.
//!
//! | suffix (also `.gz`, `.zst`) | an item is |
//! |---|---|
//! | `.jsonl` `.ndjson` | a line: a JSON object, or a Python one |
//! | `.json` | a member of an array or of an object of objects; else a line |
//! | `.csv` `.tsv` | a row; the first one names the columns if it has a name that is known |
//! | `.parquet` | a row |
//! | `.txt` | a line; `<n>` is a line break in it, `[SEP]` stands between question and answer (Yuan's own sets) |

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use yuan_pipeline::{Error, Result};

use super::columnar;
use super::fields::Fields;
use super::lenient;

/// An item of an evaluation set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// Its number in its file, from 0.
    pub number: u64,
    /// Texts: question, choices, answer…
    pub texts: Vec<String>,
}

/// A file of items.
#[derive(Clone, Debug)]
pub(super) struct EvalFile {
    pub path: PathBuf,
    /// Its folder and its name without suffixes: `gsm8k/test`.
    pub set: String,
    pub items: Vec<Item>,
}

const SUFFIXES: [&str; 7] = ["jsonl", "ndjson", "json", "csv", "tsv", "parquet", "txt"];

/// Names of files in a folder that are no evaluation set.
const OTHERS: [&str; 5] = ["license", "licence", "readme", "copying", "notice"];

/// Reads all files that these paths name, folders to their bottom, in order of name.
///
/// # Errors
/// If a path is not there, a file cannot be read, or there is no item at all.
pub(super) fn read(paths: &[PathBuf], fields: &Fields) -> Result<Vec<EvalFile>> {
    if paths.is_empty() {
        return Err(refused("no evaluation set is named", "name files or folders in `eval_files` (`--evals`)"));
    }
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    files.dedup();
    let files = files.into_iter().map(|path| read_file(path, fields)).collect::<Result<Vec<_>>>()?;
    if files.iter().all(|file| file.items.is_empty()) {
        let names = paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ");
        return Err(refused(
            format!("{names}: no item has a text"),
            "name the fields that hold them in `fields` (`--fields question,answer`)",
        ));
    }
    Ok(files)
}

pub(super) fn refused(problem: impl Into<String>, hint: &str) -> Error {
    Error::Stage { stage: super::STAGE.into(), problem: problem.into(), hint: Some(hint.into()) }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>())
        .map_err(Error::io("list", folder))?;
    entries.sort();
    for path in entries {
        let name = name(&path).to_lowercase();
        if path.is_dir() {
            walk(&path, files)?;
        } else if suffix(&name).is_some() && !OTHERS.iter().any(|other| name.starts_with(other)) {
            files.push(path);
        }
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn without_compression(name: &str) -> &str {
    name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name)
}

fn suffix(name: &str) -> Option<&'static str> {
    let suffix = without_compression(name).rsplit_once('.')?.1;
    SUFFIXES.into_iter().find(|known| *known == suffix)
}

fn read_file(path: PathBuf, fields: &Fields) -> Result<EvalFile> {
    let name = name(&path);
    std::fs::metadata(&path).map_err(Error::io("read", &path))?;
    let Some(kind) = suffix(&name.to_lowercase()) else {
        return Err(refused(
            format!("`{}` is of no kind that is read", path.display()),
            "it must be .jsonl, .json, .csv, .tsv, .parquet or .txt, which may be compressed (.gz, .zst)",
        ));
    };
    let stem = without_compression(&name);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let parent = std::path::absolute(&path).ok().and_then(|path| Some(path.parent()?.file_name()?.to_owned()));
    let set = parent.map_or_else(|| stem.to_owned(), |parent| format!("{}/{stem}", parent.to_string_lossy()));
    let texts: Vec<Vec<String>> = if kind == "parquet" {
        columnar::rows(&path)?.iter().map(|row| fields.texts(row)).collect()
    } else {
        let text = text(&path)?;
        match kind {
            "txt" => text.lines().map(yuan_texts).collect(),
            "csv" => rows(&delimited(&text, ','), fields),
            "tsv" => rows(&delimited(&text, '\t'), fields),
            _ => objects(&path, &text, kind == "json")?.iter().map(|object| fields.texts(object)).collect(),
        }
    };
    let with_text = |texts: &Vec<String>| texts.iter().any(|text| !text.trim().is_empty());
    let items = (0_u64..).zip(texts).filter(|(_, texts)| with_text(texts));
    Ok(EvalFile { path, set, items: items.map(|(number, texts)| Item { number, texts }).collect() })
}

/// The file's text, decompressed. What is no UTF-8 becomes �.
fn text(path: &Path) -> Result<String> {
    let read = || {
        let mut file = BufReader::new(File::open(path)?);
        let mut bytes = Vec::new();
        match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("zst") => {
                let mut decoder = zstd::Decoder::with_buffer(file)?;
                decoder.window_log_max(31)?;
                decoder.read_to_end(&mut bytes)?;
            }
            Some("gz") => {
                flate2::bufread::MultiGzDecoder::new(file).read_to_end(&mut bytes)?;
            }
            _ => {
                file.read_to_end(&mut bytes)?;
            }
        }
        Ok(bytes)
    };
    let bytes = read().map_err(Error::io("read", path))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// A line of Yuan's sets.
fn yuan_texts(line: &str) -> Vec<String> {
    line.split("[SEP]").map(|part| part.replace("<n>", "\n")).collect()
}

/// The objects of a file of JSON.
fn objects(path: &Path, text: &str, is_one_value: bool) -> Result<Vec<Value>> {
    if is_one_value && let Ok(value) = serde_json::from_str::<Value>(text) {
        return Ok(match value {
            Value::Array(items) => items,
            // Items by their names, or lists of items by splits.
            Value::Object(map) if !map.is_empty() && map.values().all(Value::is_object) => {
                map.into_iter().map(|(_, item)| item).collect()
            }
            Value::Object(map) if !map.is_empty() && map.values().all(is_list_of_objects) => {
                map.into_iter().flat_map(|(_, items)| items.as_array().cloned().unwrap_or_default()).collect()
            }
            value => vec![value],
        });
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).or_else(|error| {
                lenient::value(line).ok_or_else(|| {
                    refused(
                        format!("line {} of `{}` is no JSON: {error}", number + 1, path.display()),
                        "mend it, or leave the file out",
                    )
                })
            })
        })
        .collect()
}

fn is_list_of_objects(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_object))
}

/// Rows of cells (RFC 4180): quoted cells may hold delimiters, line breaks and doubled quotes.
fn delimited(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut characters = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if cell.is_empty() => is_quoted = true,
            '\r' if !is_quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other if other == delimiter && !is_quoted => row.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}

/// The texts of each row, by the names in the first one; all cells if it names nothing that is known.
fn rows(rows: &[Vec<String>], fields: &Fields) -> Vec<Vec<String>> {
    let Some((names, items)) = rows.split_first() else { return Vec::new() };
    if !fields.are_in(names) {
        return rows.to_vec();
    }
    let known = |row: &Vec<String>| {
        names.iter().zip(row).filter(|(name, _)| fields.has(name)).map(|(_, cell)| cell.clone()).collect()
    };
    items.iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, content: &str, fields: &[&str]) -> Vec<(u64, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let fields: Vec<String> = fields.iter().map(|name| (*name).to_owned()).collect();
        let file = read(&[path], &Fields::new(&fields)).unwrap().remove(0);
        file.items.into_iter().map(|item| (item.number, item.texts)).collect()
    }

    #[test]
    fn all_kinds_of_files_are_read() {
        let lines = "{\"question\": \"Q\", \"options\": [\"(A)a\", \"(B)b\"], \"label\": \"A\", \"passage\": \"P\"}\n\n{\"id\": 3}\n{'query': 'it\\'s', 'ans1': \"x\", 'n': None}\n";
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(texts("a.jsonl", lines, &[]), [(0, own(&["Q", "(A)a", "(B)b"])), (2, own(&["it's", "x"]))]);
        assert_eq!(texts("a.jsonl", lines, &["passage"]), [(0, own(&["P"]))]);
        let array = "[{\"question\": \"Q\", \"mc1_targets\": {\"yes\": 1, \"no\": 0}}]";
        assert_eq!(texts("a.json", array, &[]), [(0, own(&["Q", "yes", "no"]))]);
        assert_eq!(texts("a.json", "{\"one\": {\"problem\": \"P\"}}", &[]), [(0, own(&["P"]))]);
        assert_eq!(texts("a.json", "{\"test\": [{\"problem\": \"P\"}]}", &[]), [(0, own(&["P"]))]);
        let table = "Type,Question,\"Best Answer\",Source\r\nx,\"Who, \"\"me\"\"?\nYes\",I,http\r\n";
        assert_eq!(texts("a.csv", table, &[]), [(0, own(&["Who, \"me\"?\nYes", "I"]))]);
        assert_eq!(texts("a.csv", "What is it?,1,2,3,4,B\n", &[])[0].1.len(), 6);
        assert_eq!(texts("a.tsv", "question\tanswer\na\tb\n", &[]), [(0, own(&["a", "b"]))]);
        assert_eq!(texts("a.txt", "one<n>two[SEP]B\n", &[]), [(0, own(&["one\ntwo", "B"]))]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            read(&[path], &Fields::new(&[])).unwrap_err().to_string()
        };
        assert!(message("a.jsonl", "{\"question\": \"q\"}\n{oops\n").contains("line 2 of"));
        assert!(message("a.docx", "x").contains("is of no kind that is read"));
        let missing = read(&[folder.path().join("none")], &Fields::new(&[])).unwrap_err().to_string();
        assert!(missing.contains("no such file or folder"), "{missing}");
        assert!(message("a.jsonl", "{\"id\": 1}").contains("no item has a text"));
        assert!(read(&[], &Fields::new(&[])).unwrap_err().to_string().contains("no evaluation set is named"));
        assert!(
            read(&[folder.path().join("gone.json")], &Fields::new(&[])).unwrap_err().to_string().contains("gone.json")
        );
    }

    #[test]
    fn licences_in_a_folder_are_no_evaluation_set() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("gsm8k")).unwrap();
        std::fs::write(folder.path().join("LICENSE.txt"), "Permission is hereby granted").unwrap();
        std::fs::write(folder.path().join("gsm8k/test.jsonl"), "{\"question\": \"q\"}").unwrap();
        let files = read(&[folder.path().into()], &Fields::new(&[])).unwrap();
        assert_eq!(files.iter().map(|file| file.set.as_str()).collect::<Vec<_>>(), ["gsm8k/test"]);
    }
}
