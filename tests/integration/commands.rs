//! Each command as a user meets it.

use serde_json::Value;

use crate::support::{Dir, corpus, recipe};

#[test]
fn a_wrong_flag_and_a_wrong_name_are_understood() {
    let dir = Dir::new();
    dir.file("a.jsonl", corpus(3));
    dir.run(&["clean", "a.jsonl", "-o", "run", "--thread", "2"]).fails(2, &["--threads"]);
    dir.run(&["claen"]).fails(2, &["clean"]);
    dir.run(&["stages", "gopher_qualty"])
        .fails(2, &["there is no stage `gopher_qualty`", "did you mean `gopher_quality`?"]);
    dir.file("r.toml", "[input]\npaths = [\"a.jsonl\"]\n\n[[stage]]\ngopher_quality = { min_word = 3 }\n");
    dir.run(&["run", "r.toml", "-o", "run"]).fails(
        2,
        &[
            "error: `r.toml` line 5: `gopher_quality` has no field `min_word`",
            "hint: did you mean `min_words`? `yuan-data stages gopher_quality` lists them all",
        ],
    );
    dir.file("r.toml", "[input]\npaths = [\"a.jsonl\"]\n\n[[stage]]\n[stage.gopher_quality]\nmin_words = \"abc\"\n");
    dir.run(&["run", "r.toml", "-o", "run"]).fails(
        2,
        &["error: `r.toml` line 6: `gopher_quality.min_words` must be a whole number of 0 or more, not \"abc\""],
    );
    dir.file("r.toml", "[input]\npaths = [\"a.jsonl\"]\n\n[[stage]]\nlanguage_id = { keep = [\"chinese\"] }\n");
    dir.run(&["run", "r.toml", "-o", "run"]).fails(2, &["`chinese` is no language", "did you mean `zh`?"]);
    dir.run(&["clean", "a.jsonl", "-o", "run", "--lang", "en,zhh"])
        .fails(2, &["`zhh` is no language", "did you mean `zh`?"]);
    dir.run(&["run", "r.toml", "-o", "run", "--set", "rails.max_dropped_fraction=1.5"])
        .fails(2, &["must be in [0, 1], not 1.5"]);
    dir.run(&["clean", "a.jsonl", "-o", "run", "--threads", "0"]).fails(2, &["at least 1 worker"]);
    dir.run(&["clean", "a.jsonl", "-o", "run", "--compat", "datatrov"]).fails(2, &["did you mean `datatrove`?"]);
    assert!(!dir.path("run").exists());
    let both = dir.ok(&["stages", "Gopher"]).stdout();
    assert!(both.contains("gopher_quality") && both.contains("gopher_repetition"));
    assert!(dir.ok(&["stages", "GOPHER_QUALITY"]).stdout().contains("min_words = 50"));
    dir.file("r.toml", "[input]\npaths = [\"a.jsonl\"]\n\n[[stage]]\nwrite_binidx = {}\n");
    dir.run(&["plan", "r.toml"])
        .fails(2, &["`write_binidx` needs the column `tokens`", "hint: put `tokenize` before it"]);
    dir.run(&["run", "r.toml", "-o", "run", "--from", "minhsh"])
        .fails(2, &["`write_binidx` needs the column `tokens`"]);
}

#[test]
fn a_plan_shows_the_sweeps_and_reads_nothing() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(3));
    dir.file(
        "r.toml",
        recipe(&[&input], 1000, &["normalize = {}", "exact = {}", "minhash = { bands = 10 }", "language_id = {}"]),
    );
    let plan = dir.ok(&["plan", "r.toml"]).stdout();
    let sweeps: Vec<&str> = plan.lines().filter(|line| line.starts_with("sweep")).collect();
    assert_eq!(
        sweeps,
        [
            "sweep 1  normalize → exact (scan)",
            "sweep 2  exact (apply) → minhash (scan twice)",
            "sweep 3  minhash (apply) → language_id → write jsonl.zst"
        ]
    );
    assert!(!dir.path("RUN").exists());
}

#[test]
fn the_chain_on_its_own_files() {
    let dir = Dir::new();
    dir.file("a.jsonl", corpus(600));
    dir.ok(&["clean", "a.jsonl", "-o", "clean", "--keep-dropped", "--quiet"]);
    let (kept, dropped) = (dir.documents("clean/out"), dir.documents("clean/dropped"));
    assert_eq!(kept.len() + dropped.len(), 600);
    assert!(kept.iter().all(|document| document["language"].is_string()));
    assert!(dropped.iter().all(|document| document["dropped_by"].is_string() && document["drop_reason"].is_string()));
    dir.ok(&["dedup", "clean/out", "-o", "dedup", "--quiet"]);
    dir.ok(&[
        "train-tokenizer",
        "dedup/out",
        "-o",
        "t/tokenizer.json",
        "--vocab-size",
        "1500",
        "--reserved",
        "50",
        "--quiet",
    ]);
    dir.ok(&["tokenize", "dedup/out", "-o", "tokens/corpus", "--tokenizer", "t/tokenizer.json", "--quiet"]);
    assert!(!dir.path("tokens/corpus.run").exists(), "the run folder is gone when the files are there");
    let info: Value =
        serde_json::from_str(&dir.ok(&["binidx", "info", "tokens/corpus", "--json"]).stdout()).expect("JSON");
    assert_eq!(info["documents"], dir.documents("dedup/out").len());
    assert_eq!(info["dtype"], "u16");
    dir.ok(&["binidx", "verify", "tokens/corpus", "--tokenizer", "t/tokenizer.json", "--eod", "<eod>"]);
    let text =
        dir.ok(&["binidx", "cat", "tokens/corpus.bin", "--tokenizer", "t/tokenizer.json", "--limit", "1"]).stdout();
    let first = dir.documents("dedup/out")[0]["text"].as_str().expect("a text").to_owned();
    assert!(text.contains(&format!("{first}<eod>")), "{text}");
    // A token beyond the vocabulary is found.
    let mut bytes = std::fs::read(dir.path("tokens/corpus.bin")).expect("read");
    bytes[0..2].copy_from_slice(&60_000u16.to_le_bytes());
    std::fs::write(dir.path("tokens/corpus.bin"), bytes).expect("written");
    assert_eq!(dir.run(&["binidx", "verify", "tokens/corpus", "--tokenizer", "t/tokenizer.json"]).status(), 1);
}

#[test]
fn the_demo_recipe_ends_in_a_report_and_its_sums_hold() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(500));
    let stages = [
        "normalize = {}",
        "language_id = {}",
        "exact = {}",
        "minhash = {}",
        "gopher_repetition = {}",
        "gopher_quality = {}",
    ];
    dir.file("r.toml", recipe(&[&input], 100_000, &stages));
    let said = dir.ok(&["run", "r.toml", "-o", "run"]).stderr();
    assert!(said.contains("gopher_quality") && said.contains("report.html"), "{said}");
    let summary: Value = serde_json::from_str(&dir.ok(&["info", "run", "--json"]).stdout()).expect("JSON");
    let dropped: u64 = summary["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .flat_map(|step| step["dropped"].as_object().expect("reasons").values())
        .map(|reason| reason["documents"].as_u64().expect("a count"))
        .sum();
    assert_eq!(summary["read"]["documents"], 500);
    assert_eq!(summary["kept"]["documents"].as_u64().expect("a count") + dropped, 500);
    assert_eq!(summary["kept"]["documents"], dir.documents("run/out").len());
    assert_eq!(dropped as usize, dir.documents("run/dropped").len());
    let page = std::fs::read_to_string(dir.path("run/report.html")).expect("a report");
    assert!(page.contains("<svg") && page.contains("too_few_words"));
    assert!(
        !["<script src", "<link", " src="].iter().any(|outside| page.contains(outside)),
        "the page needs nothing else"
    );
}

#[test]
fn explain_tells_every_measure_and_the_duplicates_partner() {
    let dir = Dir::new();
    let text = corpus(300);
    let first = text.lines().next().expect("a line");
    let input = dir.file("a.jsonl", format!("{text}{first}\n"));
    dir.file("r.toml", recipe(&[&input], 100_000, &["normalize = {}", "exact = {}", "gopher_quality = {}"]));
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    let copy: u64 = dir
        .documents("run/dropped")
        .iter()
        .filter(|document| document["duplicate_of"] == 0)
        .filter_map(|document| document["doc_id"].as_u64())
        .max()
        .expect("the copy was dropped");
    assert_eq!(copy, 300);
    let told = dir.ok(&["explain", "run", &copy.to_string()]).stdout();
    assert!(
        told.contains("document 300 of ") && told.contains("DROPS: exact_duplicate (of 0, document 0 of "),
        "{told}"
    );
    assert!(told.contains("must be ≥ 50"), "{told}");
    dir.file("x.txt", "Too short.");
    let told: Value = serde_json::from_str(&dir.ok(&["explain", "--text", "x.txt", "--json"]).stdout()).expect("JSON");
    let quality = told["stages"]
        .as_array()
        .expect("stages")
        .iter()
        .find(|stage| stage["stage"] == "gopher_quality")
        .expect("the stage");
    assert_eq!(quality["dropped"]["reason"], "too_few_words");
    dir.run(&["explain", "run", "99999999999999"]).fails(2, &["the run has no document 99999999999999"]);
}

#[test]
fn a_run_is_explained_from_any_folder_and_no_pass_speaks_of_what_it_never_saw() {
    let dir = Dir::new();
    let text = corpus(200);
    let passage = "A passage of a hundred bytes and more that two documents have, letter for letter, from its beginning to its end.";
    let with_passage = |number: usize| serde_json::json!({ "text": format!("{} {number}. {passage}", "Words of its own. ".repeat(5)) });
    let first = text.lines().next().expect("a line");
    let more = format!("{first}\n{}\n{}\n", with_passage(1), with_passage(2));
    dir.file("a.jsonl", text.clone() + &more);
    dir.file("items.jsonl", serde_json::json!({ "question": passage.to_uppercase() }).to_string());
    let stages = "[[stage]]\nexact = {}\n[[stage]]\nrepeated_substrings = {}\n[[stage]]\ndecontaminate = { eval_files = [\"items.jsonl\"] }\n";
    // Everything is where the recipe is, and its name is given without a folder.
    dir.file("r.toml", format!("[input]\npaths = [\"a.jsonl\"]\n{stages}"));
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    std::fs::create_dir(dir.path("elsewhere")).expect("made");
    let explained = |doc_id: &str, more: &[&str]| {
        let arguments = [&["explain", "../run", doc_id], more].concat();
        let output = dir.command(&arguments).current_dir(dir.path("elsewhere")).output().expect("started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let copy = explained("200", &[]);
    assert!(copy.contains("exact               DROPS: exact_duplicate (of 0"), "{copy}");
    assert!(copy.contains("repeated_substrings never saw it\ndecontaminate       never saw it\n"), "{copy}");
    let told: Value = serde_json::from_str(&explained("200", &["--json"])).expect("JSON");
    let seen: Vec<&Value> = told["stages"].as_array().expect("stages").iter().map(|stage| &stage["seen"]).collect();
    assert_eq!(seen, [true, false, false]);
    let kept = explained("201", &[]);
    assert!(kept.contains("exact               keeps\nrepeated_substrings keeps\n"), "{kept}");
    assert!(kept.contains("decontaminate       DROPS: contaminated ("), "{kept}");
    let cut = explained("202", &[]);
    let sizes = cut.lines().find_map(|line| line.strip_prefix("repeated_substrings changes the text: "));
    let sizes: Vec<usize> = sizes.expect("it was cut").split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(sizes[0] - sizes[1] >= passage.len(), "{cut}");
    let plan = dir.ok(&["plan", "r.toml"]).stdout();
    assert!(plan.contains("exact (apply) → repeated_substrings (scan twice)"), "{plan}");
    assert!(plan.contains("  decontaminate       pass   eval_files"), "{plan}");
}

#[test]
fn show_and_info_read_what_a_run_wrote() {
    let dir = Dir::new();
    dir.file("a.jsonl", corpus(100));
    let shown = dir.ok(&["show", "a.jsonl", "-n", "2", "--chars", "20", "--columns", "lang"]).stdout();
    assert_eq!(shown.matches("── ").count(), 2);
    assert!(shown.contains("lang="));
    let sample = |_| dir.ok(&["show", "a.jsonl", "--sample", "3"]).stdout();
    assert_eq!(sample(0), sample(1));
    let korean = dir.ok(&["show", "a.jsonl", "--where", "lang=ko", "--columns", "lang"]).stdout();
    assert_eq!(korean.matches("── ").count(), korean.matches("lang=ko").count());
    let told = dir.run(&["show", "a.jsonl", "-n", "100", "--max-document-bytes", "2KiB"]);
    told.fails(1, &["cannot read document", "more than max_document_bytes = 2048"]);
    dir.run(&["show", "a.jsonl", "--where", "lang=xx"]).fails(2, &["no document to show"]);
    let info: Value = serde_json::from_str(&dir.ok(&["info", "a.jsonl", "--json"]).stdout()).expect("JSON");
    assert_eq!(info["documents"], 100);
}

#[test]
fn every_stage_is_in_the_catalogue_with_a_word_on_each_setting() {
    let dir = Dir::new();
    let list = dir.ok(&["stages"]).stdout();
    for stage in [
        "normalize",
        "language_id",
        "gopher_quality",
        "gopher_repetition",
        "exact",
        "minhash",
        "minhash_datatrove",
        "minhash_text_dedup",
        "minhash_data_juicer",
        "simhash",
        "train_tokenizer",
        "tokenize",
        "write_binidx",
    ] {
        assert!(list.contains(stage), "{stage}");
        let told = dir.ok(&["stages", stage]).stdout();
        let settings: Vec<&str> = told
            .lines()
            .filter(|line| line.starts_with("  ") && line.contains(" = ") && !line.starts_with("      "))
            .collect();
        assert!(!settings.is_empty(), "{told}");
        for setting in settings {
            let after = told.split(setting).nth(1).expect("it stands there");
            assert!(after.trim_start_matches('\n').starts_with("      "), "`{stage}`: `{setting}` has no word on it");
        }
    }
    serde_json::from_str::<Value>(&dir.ok(&["stages", "--schema"]).stdout()).expect("a schema");
    assert!(dir.ok(&["completions", "bash"]).stdout().contains("yuan-data"));
    assert!(dir.ok(&["man"]).stdout().contains(".TH yuan-data"));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let dir = Dir::new();
    dir.file("a.jsonl", corpus(200));
    let mut child = dir
        .command(&["show", "a.jsonl", "-n", "200", "--chars", "0"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
