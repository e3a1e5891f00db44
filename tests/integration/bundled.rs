//! The model that is part of the program, wherever a model is named; buckets by its cut-offs.

use crate::support::{Dir, beginnings, corpus, recipe};

#[test]
fn documents_of_its_languages_are_scored_and_cut_by_clean_text() {
    let dir = Dir::new();
    dir.file("in.jsonl", beginnings(120, 300));
    let cut = ["--buckets", "--cutoffs", "bundled", "--percentiles", "50,95", "--drop", "tail", "--keep-dropped"];
    dir.ok(&[&["score", "in.jsonl", "-o", "run", "--moe", "bundled", "-q"][..], &cut].concat());
    let cutoffs = yuan_model::bundled::CUTOFFS;
    let mut rows = cutoffs.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = rows.next().expect("a head");
    let rows: Vec<_> = rows.collect();
    let bound = |language: &str, percentile: &str| -> f64 {
        let column = head.iter().position(|name| *name == language).expect("a column");
        let row = rows.iter().find(|row| row[0] == percentile).expect("a row");
        row[column].parse().expect("a number")
    };
    let mut seen = [0; 3];
    let documents = dir.documents("run/out").into_iter().chain(dir.documents("run/dropped"));
    for document in documents {
        let language = document["language"].as_str().unwrap_or_default();
        let primary = language.split('-').next().unwrap_or_default();
        let bits = document["moe_bits_per_byte"].as_f64();
        assert_eq!(bits.is_some(), ["zh", "zh-Hans", "en"].contains(&language), "{document}");
        let expected = match bits {
            None => "all",
            Some(bits) if bits < bound(primary, "50") => "head",
            Some(bits) if bits < bound(primary, "95") => "middle",
            Some(_) => "tail",
        };
        assert_eq!(document["bucket"], expected, "{document}");
        assert_eq!(document["drop_reason"] == "score_in_tail", expected == "tail", "{document}");
        let place = ["head", "middle", "tail"].iter().position(|name| *name == expected);
        place.into_iter().for_each(|place| seen[place] += 1);
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    // A recipe says the same.
    let stages = [
        "language_id = { min_score = 0.0 }",
        "moe = { model = \"bundled\" }",
        "buckets = { column = \"moe_bits_per_byte\", cutoff_file = \"bundled\", head_percentile = 50, middle_percentile = 95, drop = [\"tail\"] }",
    ];
    dir.file("r.toml", recipe(&[&dir.path("in.jsonl")], 1_000_000, &stages));
    dir.ok(&["run", "r.toml", "-o", "again", "-q"]);
    assert_eq!(dir.documents("again/out"), dir.documents("run/out"));
    // Languages can be chosen.
    let chosen = "moe = { model = \"bundled\", only_languages = [\"en\"] }";
    dir.file("en.toml", recipe(&[&dir.path("in.jsonl")], 1_000_000, &[stages[0], chosen]));
    dir.ok(&["run", "en.toml", "-o", "en", "-q"]);
    for document in dir.documents("en/out") {
        assert_eq!(document["moe_bits_per_byte"].is_number(), document["language"] == "en", "{document}");
    }
    dir.file("en.toml", recipe(&[&dir.path("in.jsonl")], 1_000_000, &[&chosen.replace("\"en\"", "\"cn\"")]));
    dir.run(&["run", "en.toml", "-o", "cn"]).fails(2, &["only_languages", "did you mean `zh`?"]);
    // The cut-offs are of one score.
    let other = stages[2].replace("moe_bits_per_byte", "moe_perplexity");
    dir.file("other.toml", recipe(&[&dir.path("in.jsonl")], 1_000_000, &[stages[0], stages[1], &other]));
    dir.run(&["run", "other.toml", "-o", "other"]).fails(2, &["not of `moe_perplexity`", "`moe_bits_per_byte`"]);
}

#[test]
fn every_command_takes_it() {
    let dir = Dir::new();
    dir.file("in.jsonl", beginnings(6, 200));
    assert!(dir.ok(&["model", "info", "bundled"]).stdout().contains("GPTQ int8"));
    let told = dir.ok(&["model", "perplexity", "bundled", "in.jsonl", "-q"]).stdout();
    dir.ok(&["model", "convert", "bundled", "-o", "copy", "-q"]);
    assert_eq!(dir.ok(&["model", "perplexity", "copy", "in.jsonl", "-q"]).stdout(), told);
    let evaluated = dir.ok(&["eval", "perplexity", "bundled", "in.jsonl", "-o", "read"]).stdout();
    assert!(evaluated.contains("bits"), "{evaluated}");
    let made = dir.ok(&["model", "generate", "bundled", "--prompt", "今天", "--max-new-tokens", "4", "-q"]).stdout();
    assert!(!made.is_empty());
    dir.file("more.jsonl", corpus(12));
    dir.ok(&["tokenize", "more.jsonl", "--tokenizer", "copy/tokenizer.json", "-o", "tokens", "-q"]);
    let train = ["--from", "bundled", "--steps", "1", "-L", "64", "--batch-tokens", "128", "--learning-rate", "1e-9"];
    dir.ok(&[&["train-model", "tokens", "-o", "trained", "-q"][..], &train].concat());
    dir.ok(&["model", "info", "trained/model"]);
    // A folder of that name is another thing.
    dir.run(&["model", "info", "./bundled"]).fails(2, &["there is no model `./bundled`"]);
}
