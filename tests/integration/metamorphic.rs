//! What must not matter to a pass, and does not: how its input is cut into units, threads, memory, the order of files, and that
//! it has been run before.

use std::path::Path;

use crate::support::{Dir, copies, evaluation_items, lines, recipe};

/// What the order of input files changes.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Nothing: the same texts are left.
    Nothing,
    /// Which of those that are alike is left, not how many.
    Which,
    /// By definition what comes first decides.
    Decides,
}

use Order::{Decides, Nothing, Which};

/// Documents left and dropped by a stage, as lines.
struct Left {
    kept: Vec<String>,
    dropped: Vec<String>,
}

impl Left {
    /// The texts that are left, sorted.
    fn texts(&self) -> Vec<String> {
        let text = |line: &String| {
            let document: serde_json::Value = serde_json::from_str(line).expect("JSON");
            document["text"].as_str().expect("a text").to_owned()
        };
        let mut texts: Vec<String> = self.kept.iter().map(text).collect();
        texts.sort_unstable();
        texts
    }
}

fn run(dir: &Dir, name: &str, stage: &str, inputs: &[&Path], unit_bytes: usize, more: &[&str]) -> Left {
    dir.file("r.toml", recipe(inputs, unit_bytes, &[stage]));
    dir.ok(&[&["run", "r.toml", "-o", name, "--quiet"], more].concat());
    Left { kept: lines(&dir.path(name).join("out")), dropped: lines(&dir.path(name).join("dropped")) }
}

/// Holds the stage to what must not matter; `once` if what it left is left as it is by the same stage again.
fn holds(stage: &str, order: Order, once: bool) {
    let dir = Dir::new();
    let documents = copies(260, 80);
    let lines: Vec<&str> = documents.lines().collect();
    let part = |lines: &[&str]| lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
    let (one, other) = lines.split_at(110);
    let (one, other) = (dir.file("one.jsonl", part(one)), dir.file("other.jsonl", part(other)));
    dir.file("evals/set.jsonl", evaluation_items(260, 9));
    let whole = run(&dir, "whole", stage, &[&one, &other], 10_000_000, &["--threads", "1"]);
    let changed = whole.kept.iter().filter(|line| !lines.contains(&line.as_str())).count();
    assert!(whole.dropped.len() + changed > 5, "`{stage}` dropped {}, changed {changed}", whole.dropped.len());
    for (unit_bytes, more) in [(150_000, ["--threads", "8"]), (20_000, ["--threads", "3"])] {
        let name = format!("units-{unit_bytes}");
        let now = run(&dir, &name, stage, &[&one, &other], unit_bytes, &[&more[..], &["--memory", "64MiB"]].concat());
        assert!(now.kept == whole.kept && now.dropped == whole.dropped, "`{stage}`, units of {unit_bytes} bytes");
    }
    let turned = run(&dir, "turned", stage, &[&other, &one], 50_000, &[]);
    match order {
        Nothing => assert!(turned.texts() == whole.texts(), "`{stage}`: the order of files"),
        Which => assert_eq!(turned.kept.len(), whole.kept.len(), "`{stage}`: the order of files"),
        Decides => {}
    }
    if once {
        let left = dir.file("left.jsonl", whole.kept.join("\n") + "\n");
        let again = run(&dir, "again", stage, &[&left], 50_000, &[]);
        assert!(again.kept == whole.kept && again.dropped.is_empty(), "`{stage}` was not enough once");
    }
}

/// A test for each: they run beside each other.
macro_rules! holds {
    ($($name:ident: $stage:literal, $order:expr, $once:literal;)*) => {
        $(#[test]
        fn $name() {
            holds($stage, $order, $once);
        })*
    };
}

holds! {
    exact_text: "exact = { key = \"text\" }", Nothing, true;
    exact_normalized: "exact = {}", Which, true;
    exact_address: "exact = { key = \"url\" }", Which, true;
    simhash: "simhash = { max_distance = 6 }", Decides, true;
    minhash: "minhash = {}", Decides, true;
    minhash_of_components: "minhash = { linkage = \"components\" }", Which, true;
    minhash_unverified: "minhash = { threshold = 0 }", Which, true;
    minhash_datatrove: "minhash_datatrove = {}", Which, true;
    minhash_text_dedup: "minhash_text_dedup = {}", Which, true;
    minhash_data_juicer: "minhash_data_juicer = {}", Which, true;
    // A line that no other has any more is one; spans and n-grams of what is left may be others'.
    repeated_lines: "repeated_text = {}", Decides, true;
    repeated_lines_of_all: "repeated_text = { keep_first = 0 }", Nothing, true;
    repeated_paragraphs_alike: "repeated_text = { unit = \"paragraph\", matching = \"similar\" }", Decides, true;
    repeated_spans: "repeated_text = { unit = \"span\" }", Decides, false;
    repeated_ngrams: "repeated_ngrams = {}", Decides, false;
    // What stood on both sides of a cut may be a new repetition.
    repeated_substrings: "repeated_substrings = { min_length = 40 }", Decides, false;
    repeated_substrings_of_all: "repeated_substrings = { min_length = 40, remove = \"all\" }", Nothing, false;
    // N-grams that many documents have say nothing, and may be had by fewer afterwards: here none is.
    decontaminate: "decontaminate = { eval_files = [\"evals\"], max_documents = 1000000 }", Nothing, true;
    decontaminate_cut: "decontaminate = { eval_files = [\"evals\"], action = \"cut\", max_documents = 1000000 }", Nothing, true;
}
