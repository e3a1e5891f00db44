//! A folder of its own for each test, the binary, and real documents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder that is gone when the test is over.
pub struct Dir(tempfile::TempDir);

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(&path, bytes).expect("written");
        path
    }

    /// The binary, started in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yuan-data"));
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("the binary starts");
        Ran { output, arguments: arguments.join(" ") }
    }

    /// Runs the binary, which must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.status(), 0, "`yuan-data {}`\n{}", ran.arguments, ran.stderr());
        ran
    }

    /// The documents of `out/` (or another folder of JSON lines in zstd) of a run.
    pub fn documents(&self, folder: &str) -> Vec<Value> {
        lines(&self.path(folder)).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// What a command did.
pub struct Ran {
    pub output: Output,
    arguments: String,
}

impl Ran {
    pub fn status(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Fails unless the command failed with this status and said all of this on stderr.
    pub fn fails(&self, status: i32, said: &[&str]) {
        let stderr = self.stderr();
        assert_eq!(self.status(), status, "`yuan-data {}`\n{stderr}", self.arguments);
        assert!(!stderr.contains("panicked"), "`yuan-data {}`\n{stderr}", self.arguments);
        for words in said {
            assert!(stderr.contains(words), "`yuan-data {}` did not say `{words}`:\n{stderr}", self.arguments);
        }
    }
}

/// All lines of all files below a folder, in order of name.
pub fn lines(folder: &Path) -> Vec<String> {
    files(folder)
        .into_iter()
        .flat_map(|(name, bytes)| {
            let bytes = if name.ends_with(".zst") {
                zstd::decode_all(bytes.as_slice()).expect("zstd")
            } else if name.ends_with(".gz") {
                let mut text = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes.as_slice()), &mut text)
                    .expect("gzip");
                text
            } else {
                bytes
            };
            String::from_utf8(bytes).expect("UTF-8").lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// The files below a folder with their bytes.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.to_string_lossy().into_owned(), std::fs::read(&path).expect("read"));
            }
        }
    }
    found
}

/// The files of a run that a user keeps, by their names inside the run folder.
pub fn results(run: &Path) -> BTreeMap<String, Vec<u8>> {
    ["out", "dropped", "set_aside", "tokenizer.json"]
        .iter()
        .flat_map(|name| {
            let path = run.join(name);
            if path.is_file() {
                BTreeMap::from([(path.to_string_lossy().into_owned(), std::fs::read(&path).expect("read"))])
            } else {
                files(&path)
            }
        })
        .map(|(path, bytes)| (path.strip_prefix(&*run.to_string_lossy()).expect("inside").to_owned(), bytes))
        .collect()
}

/// The first `count` documents of the bundled corpus as JSON lines.
pub fn corpus(count: usize) -> String {
    let bytes = include_bytes!("../../cli/demo/corpus.jsonl.zst");
    let text = String::from_utf8(zstd::decode_all(bytes.as_slice()).expect("zstd")).expect("UTF-8");
    text.lines().take(count).flat_map(|line| [line, "\n"]).collect()
}

/// The first `count` documents and `again` of them once more, each with an address that others have.
pub fn copies(count: usize, again: usize) -> String {
    let text = corpus(count) + &corpus(again);
    let lines = text.lines().enumerate().map(|(number, line)| {
        let mut document: Value = serde_json::from_str(line).expect("JSON");
        document["url"] = format!("https://example.org/{}", number * 7 % (count - count / 7)).into();
        document.to_string() + "\n"
    });
    lines.collect()
}

/// The beginnings of every `step`th of the first `count` documents as items of an evaluation set.
pub fn evaluation_items(count: usize, step: usize) -> String {
    let item = |line: &str| {
        let document: Value = serde_json::from_str(line).expect("JSON");
        let text: String = document["text"].as_str().expect("a text").chars().take(200).collect();
        serde_json::json!({ "question": text }).to_string() + "\n"
    };
    corpus(count).lines().step_by(step).map(item).collect()
}

/// The beginnings of the first `count` documents, `chars` characters of each.
pub fn beginnings(count: usize, chars: usize) -> String {
    let shortened = |line: &str| {
        let mut document: Value = serde_json::from_str(line).expect("JSON");
        document["text"] = document["text"].as_str().expect("a text").chars().take(chars).collect::<String>().into();
        document.to_string() + "\n"
    };
    corpus(count).lines().map(shortened).collect()
}

/// A fixture of the models.
pub fn model_fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model").join(name)
}

/// Puts a tiny model with random weights into a folder, and a tokenizer of 500 tokens learnt of the bundled corpus. Documents
/// end with token 0 for both.
pub fn tiny_model(dir: &Dir, fixture: &str, folder: &str) {
    let fixture = model_fixture(fixture);
    let read = |name: &str| std::fs::read(fixture.join(name)).expect("a fixture");
    let mut config: Value = serde_json::from_slice(&read("config.json")).expect("JSON");
    for name in ["eod_token", "eos_token_id", "bos_token_id"] {
        if !config[name].is_null() {
            config[name] = 0.into();
        }
    }
    dir.file(&format!("{folder}/model.safetensors"), read("model.safetensors"));
    dir.file("learnt-from.jsonl", corpus(40));
    let tokenizer = format!("{folder}/tokenizer.json");
    let size = ["--vocab-size", "500", "--reserved", "0", "-q"];
    dir.ok(&[&["train-tokenizer", "learnt-from.jsonl", "-o", &tokenizer][..], &size].concat());
    dir.file(&format!("{folder}/config.json"), config.to_string());
}

/// Two parts of a text of lines, cut at a line end near `at`.
pub fn halves(text: &str, at: usize) -> (&str, &str) {
    text.split_at(text.as_bytes()[..at].iter().rposition(|byte| *byte == b'\n').expect("lines") + 1)
}

/// A recipe over `inputs` with these stages.
pub fn recipe(inputs: &[&Path], unit_bytes: usize, stages: &[&str]) -> String {
    let inputs: Vec<String> = inputs.iter().map(|path| format!("{:?}", path.to_string_lossy())).collect();
    let stages: String = stages.iter().map(|stage| format!("\n[[stage]]\n{stage}\n")).collect();
    format!(
        "[input]\npaths = [{}]\nunit_bytes = {unit_bytes}\n\n[output]\nkeep_dropped = true\nfile_bytes = 300000\n{stages}",
        inputs.join(", ")
    )
}
