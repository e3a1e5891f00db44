//! Passages that occur again, and text of evaluation sets, by the command line.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Dir, corpus, files, recipe, results};

/// So many words that repeat nothing, from the one numbered `start` on.
fn words(start: usize, count: usize) -> String {
    (start..start + count).map(|number| format!("w{}", number * 7919 % 100_003)).collect::<Vec<_>>().join(" ")
}

fn texts(dir: &Dir, run: &str) -> Vec<String> {
    let text = |document: &Value| document["text"].as_str().expect("a text").to_owned();
    dir.documents(&format!("{run}/out")).iter().map(text).collect()
}

#[test]
fn a_passage_stays_where_it_stands_first() {
    let dir = Dir::new();
    let passage = words(0, 40);
    let own = |number: usize| words(1_000 * number, 30);
    let pages = [format!("{} {passage}", own(1)), format!("{passage}\n{} ", own(2)), passage.clone()];
    let lines: String = pages.iter().map(|text| json!({ "text": text, "url": "x" }).to_string() + "\n").collect();
    dir.file("pages.jsonl", lines);
    let said = dir.ok(&["dedup", "pages.jsonl", "-o", "repeats", "--method", "substring", "--keep-dropped"]).stderr();
    assert_eq!(texts(&dir, "repeats"), [pages[0].clone(), format!("\n{} ", own(2))]);
    assert_eq!(dir.documents("repeats/out")[1]["url"], "x");
    let dropped = dir.documents("repeats/dropped");
    assert_eq!((dropped.len(), dropped[0]["drop_reason"].as_str()), (1, Some("too_little_left")), "{said}");
    assert!(said.contains("cut out of 2 documents"), "{said}");

    dir.ok(&["dedup", "pages.jsonl", "-o", "all", "--method", "substring", "--remove", "all"]);
    assert_eq!(texts(&dir, "all"), [format!("{} ", own(1)), format!("\n{} ", own(2))]);
    dir.ok(&["dedup", "pages.jsonl", "-o", "none", "--method", "substring", "--min-length", "2000"]);
    assert_eq!(texts(&dir, "none"), pages);
    // Once more changes nothing.
    dir.ok(&["dedup", "repeats/out", "-o", "again", "--method", "substring"]);
    assert_eq!(texts(&dir, "again"), texts(&dir, "repeats"));

    let refused = |more: &[&str], said: &str| {
        dir.run(&[&["dedup", "pages.jsonl", "-o", "run"], more].concat()).fails(2, &[said]);
    };
    refused(&["--min-length", "100"], "`--min-length` is for repeated passages");
    refused(&["--method", "substring", "--min-length", "0"], "`min_length` is 0");
}

#[test]
fn tokens_can_be_cut_before_they_are_written() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(60).repeat(2));
    let train = "train_tokenizer = { vocab_size = 600, reserved = 0 }";
    let cut = "repeated_substrings = { unit = \"tokens\", min_length = 50 }";
    dir.file("r.toml", recipe(&[&input], 60_000, &[train, "tokenize = {}", cut, "write_binidx = {}"]));
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    dir.file("w.toml", recipe(&[&input], 60_000, &[train, "tokenize = {}", "write_binidx = {}"]));
    dir.ok(&["run", "w.toml", "-o", "whole", "--quiet"]);
    let size = |run: &str| std::fs::metadata(dir.path(run).join("out/tokens.bin")).expect("tokens").len();
    assert!(size("run") <= size("whole") / 2, "{} {}", size("run"), size("whole"));
    dir.ok(&["binidx", "verify", "run/out/tokens"]);
    dir.file("n.toml", recipe(&[&input], 60_000, &[cut]));
    dir.run(&["plan", "n.toml"]).fails(2, &["tokens"]);
}

#[test]
fn threads_and_memory_change_no_byte() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(300) + &corpus(150));
    let evals = dir.file("evals/set.jsonl", evaluation_set());
    let decontaminate = format!("decontaminate = {{ eval_files = [{:?}] }}", evals.to_string_lossy());
    let stages = ["repeated_substrings = { min_length = 40, min_left = 0 }", decontaminate.as_str()];
    dir.file("r.toml", recipe(&[&input], 40_000, &stages));
    let run = |name: &str, more: &[&str]| {
        dir.ok(&[&["run", "r.toml", "-o", name, "--quiet"], more].concat());
        let outcomes = files(&dir.path(name).join("outcomes"));
        let outcomes: Vec<Vec<u8>> = outcomes.into_values().collect();
        (results(&dir.path(name)), outcomes)
    };
    let expected = run("one", &["--threads", "1"]);
    assert!(expected.0.keys().any(|name| name.contains("dropped")) && expected.1.len() == 5);
    assert!(run("four", &["--threads", "4"]) == expected);
    assert!(run("narrow", &["--threads", "3", "--memory", "64MiB"]) == expected);
}

/// The 40th document of the corpus as an item, and others.
fn evaluation_set() -> String {
    let corpus = corpus(40);
    let document: Value = serde_json::from_str(corpus.lines().last().expect("a document")).expect("JSON");
    let text: String = document["text"].as_str().expect("a text").chars().take(300).collect();
    let items = [json!({ "question": text, "answer": "B" }), json!({ "question": words(5_000, 20) })];
    items.iter().map(|item| item.to_string() + "\n").collect()
}

#[test]
fn text_of_an_evaluation_set_is_found_and_dropped_cut_or_told() {
    let dir = Dir::new();
    let items: Vec<String> = (0..3).map(|number| words(10_000 + 100 * number, 30)).collect();
    let lines: String = items.iter().map(|item| json!({ "question": item, "label": 1 }).to_string() + "\n").collect();
    dir.file("evals/quiz/test.jsonl", lines);
    dir.file("evals/LICENSE.txt", words(0, 100));
    let pages = [
        words(0, 50),
        format!("Before. {}. Behind.", items[1].to_uppercase().replace(' ', "\n")),
        format!("A piece: {}", words(10_005, 13)),
        format!("Too short a piece: {}", words(10_005, 12)),
    ];
    let lines: String = pages.iter().map(|text| json!({ "text": text }).to_string() + "\n").collect();
    dir.file("pages.jsonl", lines);
    let run = |name: &str, more: &[&str]| {
        let all = [&["decontaminate", "pages.jsonl", "-o", name, "--evals", "evals", "--keep-dropped"], more].concat();
        dir.ok(&all).stderr()
    };
    let said = run("drop", &[]);
    assert_eq!(texts(&dir, "drop"), [pages[0].clone(), pages[3].clone()]);
    assert!(said.contains("2 documents have text of 2 of 3 items") && said.contains("quiz/test: 2 of 3"), "{said}");
    let dropped = dir.documents("drop/dropped");
    assert_eq!(dropped[0]["drop_reason"], "contaminated");
    assert!(dropped[0].to_string().contains("quiz/test 1 (100 %)"), "{}", dropped[0]);
    let report = std::fs::read_to_string(dir.path("drop/report.html")).expect("a report");
    assert!(report.contains("quiz/test") && report.contains("Evaluation sets"));
    for table in ["matches.parquet", "items.parquet"] {
        assert!(dir.path("drop/outcomes/00-decontaminate").join(table).exists());
    }

    assert!(run("cut", &["--action", "cut"]).contains("cut out of 2 documents"));
    assert_eq!(texts(&dir, "cut")[1], "Before. Behind.");
    let said = run("told", &["--action", "report"]);
    assert!(said.contains("quiz/test: 2 of 3"), "{said}");
    assert_eq!(texts(&dir, "told"), pages);
    run("shorter", &["--ngram", "12"]);
    assert_eq!(texts(&dir, "shorter"), [pages[0].clone()]);
    run("most", &["--min-overlap", "0.5"]);
    assert_eq!(texts(&dir, "most").len(), 3);
    let explained = dir.ok(&["explain", "drop", "1"]).stdout();
    assert!(explained.contains("contaminated"), "{explained}");

    dir.run(&["decontaminate", "pages.jsonl", "-o", "run"]).fails(2, &["--evals"]);
    let gone = ["decontaminate", "pages.jsonl", "-o", "run", "--evals", "gone"];
    dir.run(&gone).fails(2, &["gone"]);
    assert!(!Path::new(&dir.path("run")).exists());
}
