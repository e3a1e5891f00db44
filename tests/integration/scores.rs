//! Models learnt from documents, and the scores they give.

use serde_json::json;

use crate::support::{Dir, corpus, files, lines, recipe, results};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn a_model_is_that_of_lmplz_for_any_number_of_threads_and_units() {
    let dir = Dir::new();
    // Many documents, so that the counts of many units are added up; the text is that of one file.
    let text = String::from_utf8(fixture("kenlm_estimate/en.txt")).expect("UTF-8");
    let all: Vec<&str> = text.lines().collect();
    let document = |lines: &[&str]| json!({ "text": lines.join("\n"), "language": "en" }).to_string() + "\n";
    dir.file("a.jsonl", all.chunks(40).map(document).collect::<String>());
    let arpa = String::from_utf8(zstd::decode_all(&fixture("kenlm_estimate/en.o2.arpa.zst")[..]).expect("zstd"));
    let expected = arpa.expect("UTF-8");
    let settings = "only_languages = [\"en\"], order = 2, prune = [], spelling = \"kept\", tokens = \"white_space\", \
                    format = \"arpa\", discount_fallback = false";
    let stage = format!("train_kenlm = {{ {settings} }}");
    for threads in ["1", "3"] {
        dir.file("r.toml", recipe(&[&dir.path("a.jsonl")], 4_000, &[&stage]));
        let run = format!("run-{threads}");
        dir.ok(&["run", "r.toml", "-o", &run, "--threads", threads, "--quiet"]);
        let found = zstd::decode_all(&std::fs::read(dir.path(&run).join("kenlm/en.arpa.zst")).expect("a model")[..]);
        let found = String::from_utf8(found.expect("zstd")).expect("UTF-8");
        assert!(found == expected, "{} and {} bytes", found.len(), expected.len());
    }
}

/// Prose and notices, by label, with a page each.
fn labelled() -> String {
    let good = [
        "The committee met in spring to discuss the history of the river and its bridges.",
        "Researchers describe how the method was tested on several thousand samples of soil.",
        "这座城市的历史可以追溯到两千多年以前，城墙保存得相当完整。",
        "作者在书中详细介绍了实验的方法和所得的结果。",
    ];
    let bad = [
        "CLICK here now!!! buy cheap pills online free shipping best price",
        "win win win $$$ call now limited offer",
        "加微信领红包，点击链接免费领取，限时优惠！！！",
        "代开发票，诚信经营，联系电话，欢迎来电咨询",
    ];
    let row = |number: usize| {
        let (texts, label) = if number.is_multiple_of(2) { (good, "high") } else { (bad, "low") };
        let text = format!("{} {} {number}", texts[number / 2 % 4], texts[number / 3 % 4]);
        json!({ "id": number, "text": text, "label": label, "page": format!("p{}", number / 7) }).to_string() + "\n"
    };
    (0..600).map(row).collect()
}

#[test]
fn a_classifier_is_trained_tested_and_used() {
    let dir = Dir::new();
    dir.file("labelled.jsonl", labelled());
    let train = ["train-fasttext", "labelled.jsonl", "-o", "quality.bin", "--group-field", "page", "--holdout", "0.3"];
    let settings = ["--dim", "8", "--set", "buckets=5000", "--quiet"];
    let ran = dir.ok(&[&train[..], &settings].concat());
    assert!(ran.stdout().contains("The score is the probability of `high`"), "{}", ran.stdout());
    assert!(ran.stdout().contains("zh-Hans"), "a row for each language\n{}", ran.stdout());
    assert!(!dir.path("quality.bin.run").exists(), "the run folder is gone");
    let card: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path("quality.json")).expect("a card")).expect("JSON");
    assert!(card["test"][0]["auc"].as_f64().is_some_and(|auc| auc > 0.95), "{card:#}");
    // The same model again, with other threads and units.
    let first = std::fs::read(dir.path("quality.bin")).expect("a model");
    dir.ok(&[&train[..], &settings, &["--threads", "3"]].concat());
    assert!(first == std::fs::read(dir.path("quality.bin")).expect("a model"));
    // Used with the tokens and the label of its card.
    dir.ok(&[
        "score",
        "labelled.jsonl",
        "-o",
        "scored",
        "--fasttext",
        "quality.bin",
        "--keep-where",
        "quality > 0.5",
        "--quiet",
    ]);
    let kept = dir.documents("scored/out");
    let high = kept.iter().filter(|document| document["label"] == "high").count();
    assert!(kept.len() > 280 && high * 100 >= kept.len() * 98, "{high} of {}", kept.len());
    assert!(kept.iter().all(|document| document["quality"].as_f64().is_some_and(|score| score > 0.5)));
    // A name that no document has is told.
    let misspelt = ["--fasttext", "quality.bin", "--keep-where", "qualty > 0.5"];
    let told = dir.ok(&[&["score", "labelled.jsonl", "-o", "misspelt"][..], &misspelt].concat()).stderr();
    assert!(told.contains("`keep_where` looks at `qualty`, which no document has"), "{told}");
    // Quantised.
    dir.ok(&[&train[..2], &["-o", "small.ftz"], &settings].concat());
    let sizes = ["quality.bin", "small.ftz"].map(|name| std::fs::metadata(dir.path(name)).expect("a file").len());
    assert!(sizes[1] < sizes[0], "{sizes:?}");
    dir.ok(&["score", "labelled.jsonl", "-o", "scored-2", "--fasttext", "q=small.ftz:low", "--quiet"]);
    assert!(dir.documents("scored-2/out").iter().all(|document| document["q"].is_number()));
}

#[test]
fn good_files_and_bad_files_are_labels_too() {
    let dir = Dir::new();
    let (good, bad): (Vec<_>, Vec<_>) =
        labelled().lines().map(str::to_owned).partition(|line| line.contains("\"high\""));
    dir.file("good/a.jsonl", good.join("\n"));
    dir.file("bad.jsonl", bad.join("\n"));
    let train = ["train-fasttext", "-o", "m.bin", "--dim", "4", "--set", "buckets=1000", "--quiet"];
    let ran = dir.ok(&[&train[..], &["--good", "good", "--bad", "bad.jsonl"]].concat());
    assert!(ran.stdout().contains("\ngood"), "{}", ran.stdout());
    dir.run(&[&train[..], &["--good", "good", "--bad", "good/a.jsonl"]].concat());
    dir.run(&["train-fasttext", "bad.jsonl", "--quiet"]).fails(1, &["all 300 documents have the label `low`"]);
    dir.run(&["train-fasttext", "bad.jsonl", "--label-field", "nothing", "--quiet"])
        .fails(2, &["label_field = \"label\", now \"nothing\"", "remove `classifier.bin.run`"]);
    dir.run(&["train-fasttext", "bad.jsonl", "-o", "n.bin", "--label-field", "nothing", "--quiet"])
        .fails(1, &["no document has a label in the field `nothing`", "label_field"]);
    dir.run(&["train-fasttext", "--good", "good"]).fails(2, &["--bad"]);
    dir.run(&["train-fasttext", "bad.jsonl", "--set", "dimm=3"]).fails(2, &["did you mean `dim`?"]);
}

#[test]
fn language_models_are_learnt_and_head_and_tail_are_told_apart() {
    let dir = Dir::new();
    dir.file("corpus.jsonl", corpus(900));
    let stages = [
        "language_id = {}",
        "train_kenlm = { min_documents = 60, order = 3 }",
        "kenlm = { model = \"kenlm\" }",
        "buckets = { drop = [\"tail\"], min_documents = 60 }",
    ];
    let mut known = None;
    for threads in ["1", "3"] {
        let run = format!("run-{threads}");
        dir.file("r.toml", recipe(&[&dir.path("corpus.jsonl")], 100_000, &stages));
        dir.ok(&["run", "r.toml", "-o", &run, "--threads", threads, "--quiet"]);
        let models = files(&dir.path(&run).join("kenlm")).into_values().collect::<Vec<_>>();
        let now =
            (results(&dir.path(&run)), models, std::fs::read(dir.path(&run).join("cutoffs.csv")).expect("cut-offs"));
        match &known {
            None => known = Some(now),
            Some(known) => assert!(*known == now, "differs with {threads} threads"),
        }
    }
    let documents = dir.documents("run-1/out");
    let of = |bucket: &str| documents.iter().filter(|document| document["bucket"] == bucket).count();
    assert!(of("head") > 0 && of("middle") > 0 && of("tail") == 0, "{} {} {}", of("head"), of("middle"), of("tail"));
    let report = std::fs::read_to_string(dir.path("run-1/report.html")).expect("a report");
    assert!(report.contains("zh-Hans head") && report.contains("wrongly placed"), "samples of each bucket");
    // The models and the cut-offs, in another run.
    dir.ok(&["score", "corpus.jsonl", "-o", "again", "--kenlm", "run-1/kenlm", "--quiet"]);
    let scored = dir.documents("again/out");
    assert!(scored.iter().any(|document| document["kenlm_bits_per_byte"].as_f64().is_some_and(|bits| bits > 0.1)));
    let explained = dir.ok(&["explain", "run-1", "0"]).stdout();
    assert!(explained.contains("buckets"), "{explained}");
}

#[test]
fn models_that_cannot_be_used_are_told_with_the_way_out() {
    let dir = Dir::new();
    dir.file("a.jsonl", "{\"text\": \"a b c\"}\n");
    let broken = dir.file("broken.bin", b"\x2f\x4f\x4a\x2f");
    let score = |flag: &str, model: &str| dir.run(&["score", "a.jsonl", "-o", "run", flag, model, "--quiet"]);
    score("--fasttext", "none.bin").fails(2, &["none.bin"]);
    score("--fasttext", "broken.bin").fails(2, &["broken.bin"]);
    score("--kenlm", "broken.bin").fails(2, &["broken.bin"]);
    dir.file("empty/readme.txt", "nothing");
    score("--kenlm", "empty").fails(2, &["holds no model", "zh.bin"]);
    dir.run(&["score", "a.jsonl", "-o", "run"]).fails(2, &["nothing to score with", "--fasttext"]);
    dir.run(&["score", "a.jsonl", "-o", "run", "--fasttext", "broken.bin", "--keep-where", "quality = 3"])
        .fails(2, &[]);
    dir.run(&["train-kenlm", "a.jsonl", "--quiet"]).fails(1, &["no language has 100 documents", "only_languages"]);
    dir.run(&["train-kenlm", "a.jsonl", "--lang", "zz"]).fails(2, &["`zz` is no language"]);
    assert!(broken.exists() && lines(&dir.path("run/out")).is_empty());
}
