//! `tokenize --compat yuan`: the files of Yuan 2.0's preprocessing; and what only `tokenize` itself has of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{Dir, corpus, files};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(repository().join("tests/fixtures/yuan").join(name)).expect("a fixture")
}

/// A small model that has none of Yuan's control tokens itself.
fn small_model() -> String {
    repository().join("tests/fixtures/sentencepiece/bpe.model").to_string_lossy().into_owned()
}

/// The bundled corpus as a Yuan text file, with every kind of line end and broken bytes between.
fn yuan_text(documents: usize) -> Vec<u8> {
    let ends: [&[u8]; 5] = [b"\n", b"\r\n", b"\r", b"\n<n>\n", b"\xff\n\xe4\xb8\n"];
    let mut bytes = Vec::new();
    for (line, number) in corpus(documents).lines().zip(0..) {
        let document: Value = serde_json::from_str(line).expect("JSON");
        let text = document["text"].as_str().expect("a text").replace('\r', "").replace('\n', "<n>");
        bytes.extend(text.replacen("<n>", "<sep>", number % 2).into_bytes());
        bytes.extend(ends[number % ends.len()]);
    }
    bytes
}

/// The datasets in a folder; nothing else may be there but their records and files of documents.
fn datasets(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = |path: String| Path::new(&path).file_name().expect("a name").to_string_lossy().into_owned();
    let (found, others): (BTreeMap<_, _>, _) = files(folder)
        .into_iter()
        .map(|(path, bytes)| (name(path), bytes))
        .partition(|(name, _)| name.ends_with(".bin") || name.ends_with(".idx"));
    let known = ["_document_context.json", ".documents.parquet"];
    let others: Vec<&String> = others.keys().filter(|name| !known.iter().any(|known| name.ends_with(known))).collect();
    assert!(others.is_empty(), "{others:?}");
    found
}

#[test]
fn the_bytes_of_yuans_own_program() {
    let model: PathBuf = repository().join("../shared/fixtures/yuan-tokenizer/model/tokenizer.model");
    if !model.exists() {
        eprintln!("skipped: no {}", model.display());
        return;
    }
    let dir = Dir::new();
    dir.file("in/part0.txt", fixture("part0.txt"));
    let model = model.to_string_lossy().into_owned();
    let command = ["tokenize", "in", "-o", "out", "--tokenizer", &model, "--compat", "yuan"];
    let ran = dir.ok(&[&command[..], &["--document-array", "zero"]].concat());
    let said = "9 documents, 109 tokens; 4 lines skipped, 0 bytes that are no UTF-8 dropped";
    assert!(ran.stderr().contains(said), "{}", ran.stderr());
    let found = datasets(&dir.path("out"));
    assert_eq!(found.len(), 2);
    for (name, bytes) in &found {
        assert!(*bytes == fixture(name), "{name}");
    }
    // With documents in the index, the same but for these.
    let documents = [&command[..2], &["-o", "documents"], &command[4..]].concat();
    dir.ok(&documents);
    let told = datasets(&dir.path("documents"));
    assert!(told["part0.txt_document_context.bin"] == found["part0.txt_document_context.bin"]);
    let prefix = "documents/part0.txt_document_context";
    assert!(dir.ok(&["binidx", "verify", prefix, "--tokenizer", &model]).stdout().contains("9 documents"));
    let idx = &told["part0.txt_document_context.idx"];
    let bounds: Vec<u8> = (0..10_i64).flat_map(i64::to_le_bytes).collect();
    assert!(idx.ends_with(&bounds));
}

#[test]
fn which_files_become_datasets() {
    let dir = Dir::new();
    let model = small_model();
    for name in ["b", ".hidden", "deeper/a.txt", "deeper/x.py", "y.python.txt", "pyx", "empty"] {
        dir.file(&format!("in/{name}"), if name == "empty" { "" } else { "one<n>two\nthree\n" });
    }
    let tokenize = |arguments: &[&str]| {
        let fixed = ["tokenize", "--tokenizer", &model, "--compat", "yuan"];
        dir.run(&[&fixed[..], arguments].concat())
    };
    let names = |folder: &str| -> Vec<String> {
        let found = datasets(&dir.path(folder))
            .into_keys()
            .filter_map(|name| name.strip_suffix("_document_context.bin").map(str::to_owned));
        found.collect()
    };
    assert_eq!(tokenize(&["in", "-o", "all"]).status(), 0);
    assert_eq!(names("all"), [".hidden", "a.txt", "b", "empty", "pyx"]);
    let info = dir.ok(&["binidx", "info", "all/empty_document_context", "--json"]).stdout();
    assert!(info.contains("\"documents\":0") && info.contains("\"i32\""), "int32 whatever the vocabulary: {info}");
    // In order of path: .hidden, b, deeper/a.txt, empty, pyx.
    assert_eq!(tokenize(&["in", "-o", "some", "--data-idx", "1-3"]).status(), 0);
    assert_eq!(names("some"), ["a.txt", "b"]);
    assert_eq!(tokenize(&["in", "-o", "one", "--data-idx", "0"]).status(), 0);
    assert_eq!(names("one"), [".hidden"]);
    assert_eq!(tokenize(&["in/deeper/x.py", "in/b", "-o", "named"]).status(), 0);
    assert_eq!(names("named"), ["b", "x.py"], "a file that is named is taken");
    tokenize(&["in", "-o", "x", "--data-idx", "3-6"]).fails(2, &["asks for file 5 of 5", "count from 0"]);
    for wrong in ["2-2", "a-b", "-1", "1-"] {
        tokenize(&["in", "-o", "x", &format!("--data-idx={wrong}")]).fails(2, &["A-B with A below B"]);
    }
    tokenize(&["-", "-o", "x"]).fails(2, &["standard input has no name"]);
    tokenize(&["nowhere", "-o", "x"]).fails(1, &["`nowhere`"]);
    tokenize(&["in/deeper/../deeper", "-o", "x", "--format", "text"]).fails(2, &["leave out `--format`"]);
    tokenize(&["in", "-o", "x", "--no-eod"]).fails(2, &["--no-eod"]);
    dir.file("only/a.py", "x");
    tokenize(&["only", "-o", "x"]).fails(2, &["no files of data", ".py"]);
    assert!(!dir.path("x").exists(), "nothing is written for what is refused");
}

#[test]
fn no_dataset_is_written_over_by_another_and_none_is_made_twice() {
    let dir = Dir::new();
    let model = small_model();
    let here = dir.file("in/one/part", "a\nb\n");
    dir.file("in/two/part", "c\n");
    let tokenize = |arguments: &[&str]| {
        let fixed = ["tokenize", "--tokenizer", &model, "--compat", "yuan"];
        dir.run(&[&fixed[..], arguments].concat())
    };
    tokenize(&["in", "-o", "out"])
        .fails(2, &["in/one/part", "in/two/part", "would both become `part_document_context`"]);
    assert_eq!(tokenize(&["in", "-o", "out", "--data-idx", "0"]).status(), 0);
    let made = datasets(&dir.path("out"));
    tokenize(&["in", "-o", "out", "--data-idx", "1"]).fails(2, &["is there already, made of", "in/one/part"]);
    tokenize(&["in/one", "-o", "out", "--loss-mask"]).fails(2, &["made with other settings"]);
    let again = tokenize(&["in/one", "-o", "out"]);
    assert!(again.stderr().contains("whole already") && again.stderr().contains("2 documents"), "{}", again.stderr());
    // A dataset that lost something is made again.
    let bin = dir.path("out/part_document_context.bin");
    std::fs::write(&bin, b"cut").expect("written");
    assert!(!tokenize(&["in/one", "-o", "out"]).stderr().contains("whole already"));
    assert_eq!(datasets(&dir.path("out")), made);
    std::fs::write(&here, "a\nb\nc\n").expect("written");
    tokenize(&["in/one", "-o", "out"]).fails(2, &["which has changed since", "remove it"]);
    std::fs::remove_file(dir.path("out/part_document_context.json")).expect("removed");
    tokenize(&["in/one", "-o", "out"]).fails(2, &["made by another program"]);
    assert_eq!(datasets(&dir.path("out")), made);
}

#[test]
fn threads_change_nothing_and_what_was_left_out_is_told() {
    let dir = Dir::new();
    let (model, text) = (small_model(), yuan_text(300));
    dir.file("in/a", [&text[..], &text, &text, &text, &text, &text].concat());
    let run = |out: &str, threads: &str| {
        let command = ["tokenize", "in", "-o", out, "--tokenizer", &model, "--compat", "yuan", "--threads", threads];
        let more = ["--loss-mask", "--fim-rate", "0.5", "--document-array", "zero"];
        let ran = dir.ok(&[&command[..], &more].concat());
        (datasets(&dir.path(out)), ran.stderr().lines().last().expect("a line").to_owned())
    };
    let (one, told) = run("one", "1");
    assert_eq!(one.len(), 4);
    assert_eq!((&one, &told), (&run("two", "2").0, &told));
    assert!(one == run("five", "5").0);
    // Two of ten line ends bring a line with nothing in it; three bytes in each of these that have broken ones.
    let expected = format!("{} lines skipped, {} bytes that are no UTF-8 dropped", 720, "1,080");
    assert!(told.starts_with("1 files: 1,800 documents") && told.ends_with(&expected), "{told}");
}

#[test]
fn a_killed_one_goes_on() {
    let dir = Dir::new();
    let (model, text) = (small_model(), yuan_text(300));
    for name in ["a", "b", "c"] {
        dir.file(&format!("in/{name}"), [&text[..], &text, &text, &text].concat());
    }
    let command = |out: &str| {
        let arguments =
            ["tokenize", "in", "-o", out, "--tokenizer", &model, "--compat", "yuan", "--loss-mask", "--quiet"];
        dir.command(&arguments)
    };
    let start = Instant::now();
    assert!(command("whole").status().expect("run").success());
    let (whole, expected) = (start.elapsed(), datasets(&dir.path("whole")));
    assert_eq!(expected.len(), 12);
    let mut kills = 0;
    for round in 1..40_u32 {
        let mut child = command("killed").spawn().expect("started");
        std::thread::sleep(whole.mul_f64(f64::from(round % 9 + 1) / 12.0).max(Duration::from_millis(1)));
        if let Some(status) = child.try_wait().expect("a status") {
            assert!(status.success());
            assert!(datasets(&dir.path("killed")) == expected, "after {kills} kills");
            std::fs::remove_dir_all(dir.path("killed")).expect("removed");
        } else {
            child.kill().expect("killed");
            child.wait().expect("gone");
            kills += 1;
        }
    }
    assert!(command("killed").status().expect("run").success());
    // A mask that is lost is made again, and nothing else.
    std::fs::remove_file(dir.path("killed/b_document_context_loss_mask.idx")).expect("removed");
    assert!(command("killed").status().expect("run").success());
    assert!(kills > 5 && datasets(&dir.path("killed")) == expected, "after {kills} kills");
}

#[test]
fn masks_and_other_settings_of_tokenize() {
    let dir = Dir::new();
    dir.file("in.txt", "ask me<sep>tell\nno question\n\nq1<sep>a1 q2<sep>a2\n");
    dir.file(
        "r.toml",
        format!(
            "[input]\npaths = [\"in.txt\"]\nformat = \"yuan-preprocess\"\n[output]\ndocuments = false\n\
             [[stage]]\ntokenize = {{ tokenizer = {:?}, compat = \"yuan\" }}\n[[stage]]\nwrite_binidx = {{ loss_mask = true }}\n",
            small_model()
        ),
    );
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    let mut told = Vec::new();
    for name in ["tokens", "tokens_loss_mask"] {
        let out = dir.ok(&["binidx", "cat", &format!("run/out/{name}")]).stdout();
        let rows: Vec<Vec<u32>> =
            out.lines().map(|line| line.split(' ').map(|id| id.parse().expect("an id")).collect()).collect();
        told.push(rows);
    }
    let sep = told[0][0].iter().zip(&told[1][0]).find(|(_, mask)| **mask == 1).expect("a separator").0;
    assert_eq!(told[0].len(), 3);
    for (document, mask) in told[0].iter().zip(&told[1]) {
        let prompt = document.iter().position(|id| id == sep).unwrap_or(0);
        assert!(
            mask.iter().enumerate().all(|(at, learnt)| *learnt == u32::from(at >= prompt)),
            "{document:?} {mask:?}"
        );
        assert_eq!(mask.len(), document.len());
    }
    assert_eq!(told[1].iter().map(|mask| mask.contains(&0)).collect::<Vec<_>>(), [true, false, true]);
    let help = dir.ok(&["tokenize", "--help"]).stdout();
    for flag in
        ["--compat", "--data-idx", "--document-array", "--loss-mask", "--fim-rate", "--fim-tokens", "_document_context"]
    {
        assert!(help.contains(flag), "{flag}");
    }
    let model = small_model();
    let plain = ["tokenize", "in.txt", "-o", "x", "--tokenizer", &model];
    let wrong = |arguments: &[&str], said: &[&str]| dir.run(&[&plain[..], arguments].concat()).fails(2, said);
    wrong(&["--data-idx", "0"], &["--compat"]);
    wrong(&["--compat", "llama"], &["yuan"]);
    wrong(&["--document-array", "nil"], &["documents, zero"]);
    wrong(&["--fim-seed", "1"], &["--fim-rate"]);
    wrong(&["--compat", "yuan", "--fim-rate", "1.5"], &["`fim_rate` must be in [0, 1], not 1.5"]);
    wrong(&["--compat", "yuan", "--fim-rate", "1", "--fim-tokens", "<a>,<b>"], &["takes three tokens, not 2"]);
    wrong(&["--compat", "yuan", "--fim-rate", "1", "--fim-tokens", "<a>,<b>,<c>"], &["has no token `<a>`"]);
    // A tokenizer without a separator has nothing to mask by.
    dir.file("corpus.jsonl", corpus(50));
    let bare = format!(
        "[input]\npaths = [\"corpus.jsonl\"]\n[[stage]]\ntokenize = {{ tokenizer = {model:?}, append_eod = false }}\n\
         [[stage]]\nwrite_binidx = {{ loss_mask = true }}\n"
    );
    dir.file("bare.toml", bare);
    dir.run(&["run", "bare.toml", "-o", "bare"]).fails(1, &["the tokenizer has no such token", "`sep` of `tokenize`"]);
}

#[test]
fn lines_that_are_too_large_are_told_every_time() {
    let dir = Dir::new();
    dir.file("in/part", format!("one\r{}\rtwo\n", "x".repeat(2000)));
    let model = small_model();
    let command =
        ["tokenize", "in", "-o", "out", "--tokenizer", &model, "--compat", "yuan", "--max-document-bytes", "1000"];
    for _ in 0..2 {
        let ran = dir.run(&command);
        ran.fails(3, &["2 documents", "1 records were set aside", "part_document_context.run"]);
    }
    // With room for it there is nothing to go on with.
    dir.run(&[&command[..8], &["--max-document-bytes", "3000"]].concat())
        .fails(2, &["remove `out/part_document_context.run`"]);
}
