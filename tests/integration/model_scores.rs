//! Documents scored by a neural model, in recipes and by `score`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::resume::kill_and_resume;
use crate::support::{Dir, beginnings, corpus, recipe, results, tiny_model};

/// A folder with the model `m` and short documents.
fn place(documents: usize) -> Dir {
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    dir.file("in.jsonl", beginnings(documents, 150));
    dir
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn scores_are_those_of_model_perplexity() {
    let dir = place(20);
    // Longer than the model's window, of one character, and of none.
    let whole = corpus(3);
    let small =
        "{\"id\": \"one\", \"text\": \"a\"}\n{\"id\": \"none\", \"text\": \"\"}\n{\"id\": 7, \"text\": \"bc\"}\n";
    dir.file("more.jsonl", whole + small);
    dir.ok(&["score", "in.jsonl", "more.jsonl", "-o", "run", "--moe", "tiny=m", "-q"]);
    let each = dir.ok(&["model", "perplexity", "m", "in.jsonl", "more.jsonl", "--each", "-q"]).stdout();
    let (documents, each) = (dir.documents("run/out"), json_lines(&each));
    assert_eq!((documents.len(), each.len()), (26, 26));
    for (document, told) in documents.iter().zip(&each) {
        let id = document["id"].as_str().map_or_else(|| document["id"].to_string(), str::to_owned);
        assert_eq!(told["id"], id);
        for (column, name) in [("tiny_perplexity", "perplexity"), ("tiny_bits_per_byte", "bits_per_byte")] {
            let told = told[name].as_f64().map(|number| number as f32);
            assert_eq!(document[column].as_f64().map(|number| number as f32), told, "{column} of {document}");
        }
        assert_eq!(document["tiny_perplexity"].is_null(), document["text"] == "");
        assert!(document["moe_perplexity"].is_null());
    }
    // By definition.
    for told in each.iter().filter(|told| told["tokens"] != 0) {
        let (log_prob, tokens, bytes) = (&told["log_prob"], &told["tokens"], &told["bytes"]);
        let bits = -number(log_prob) / std::f64::consts::LN_2 / number(bytes);
        assert!((number(&told["bits_per_byte"]) - bits).abs() < 1e-9 * bits);
        let perplexity = (-number(log_prob) / number(tokens)).exp();
        assert!((number(&told["perplexity"]) - perplexity).abs() < 1e-9 * perplexity);
    }
}

#[test]
fn beginnings_are_scored_as_documents_of_their_own() {
    let dir = place(12);
    // 100 bytes end within a character of some.
    let documents: Vec<Value> = json_lines(&std::fs::read_to_string(dir.path("in.jsonl")).expect("read"));
    let cut = |text: &str| (0..=100.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).expect("at 0");
    let begins = documents.iter().map(|document| {
        let text = document["text"].as_str().expect("a text");
        json!({ "id": document["id"], "text": text[..cut(text)] }).to_string() + "\n"
    });
    dir.file("begins.jsonl", begins.collect::<String>());
    assert!(documents.iter().any(|document| cut(document["text"].as_str().expect("a text")) < 100));
    dir.ok(&["score", "in.jsonl", "-o", "cut", "--moe", "m", "--moe-bytes", "100", "-q"]);
    dir.ok(&["score", "begins.jsonl", "-o", "begins", "--moe", "m", "-q"]);
    let (cut, begins) = (dir.documents("cut/out"), dir.documents("begins/out"));
    assert_eq!((cut.len(), begins.len()), (12, 12));
    for (cut, begins) in cut.iter().zip(&begins) {
        assert!(cut["text"].as_str() >= begins["text"].as_str() && cut["moe_bits_per_byte"].is_number(), "{cut}");
        for column in ["moe_bits_per_byte", "moe_perplexity"] {
            assert_eq!(cut[column], begins[column], "{column}");
        }
    }
    // The types of products are another question, and of a model that is not asked none.
    dir.ok(&["score", "in.jsonl", "-o", "rounded", "--moe", "m", "--precision", "bf16", "-q"]);
    assert!(dir.documents("rounded/out")[0]["moe_bits_per_byte"].is_number());
    dir.run(&["score", "in.jsonl", "-o", "no", "--precision", "bf16"]).fails(2, &["--moe"]);
}

#[test]
fn a_recipe_scores_what_cheaper_scores_leave_undecided() {
    let dir = place(60);
    let cheap = ["language_id = {}", "kenlm = { model = \"bundled\" }"];
    dir.file("cheap.toml", recipe(&[&dir.path("in.jsonl")], 5_000, &cheap));
    dir.ok(&["run", "cheap.toml", "-o", "cheap", "-q"]);
    let mut known: Vec<f64> =
        dir.documents("cheap/out").iter().filter_map(|document| document["kenlm_perplexity"].as_f64()).collect();
    known.sort_by(f64::total_cmp);
    let (low, high) = (known[known.len() / 4], known[known.len() * 3 / 4]);
    let moe = |settings: &str| {
        format!("moe = {{ model = \"m\", uncertain = {{ kenlm_perplexity = [{low}, {high}] }}{settings} }}")
    };
    let run = |name: &str, stages: &[&str]| {
        dir.file("r.toml", recipe(&[&dir.path("in.jsonl")], 5_000, &[&cheap[..], stages].concat()));
        dir.ok(&["run", "r.toml", "-o", name, "-q"]);
    };
    let settings = ", log_prob_column = \"log_prob\", count_column = \"count\"";
    run("scored", &[&moe(settings)]);
    let scored = dir.documents("scored/out");
    assert_eq!(scored.len(), 60);
    let is_inside = |document: &Value| {
        // Both ends are included, as they are spelt in the documents.
        document["kenlm_perplexity"].as_f64().is_none_or(|perplexity| (low..=high).contains(&perplexity))
    };
    let inside = scored.iter().filter(|document| is_inside(document)).count();
    assert!((20..50).contains(&inside), "{inside}");
    let mut values = Vec::new();
    for document in &scored {
        for column in ["moe_perplexity", "moe_bits_per_byte", "log_prob", "count"] {
            assert_eq!(document[column].is_number(), is_inside(document), "{column} of {document}");
        }
        if let Some(perplexity) = document["moe_perplexity"].as_f64() {
            let again = (-number(&document["log_prob"]) / number(&document["count"])).exp();
            assert!((again - perplexity).abs() < 1e-4 * again, "{document}");
            values.push(perplexity);
        }
    }
    values.sort_by(f64::total_cmp);
    // Half a step between two values, so that no rounding matters.
    let limit = (values[values.len() / 2] + values[values.len() / 2 - 1]) / 2.0;
    let above = values.iter().filter(|value| **value > limit).count();
    run("limited", &[&moe(&format!(", max_perplexity = {limit}"))]);
    let limited = dir.documents("limited/out");
    assert_eq!(limited.len(), 60 - above);
    let info: Value = serde_json::from_str(&dir.ok(&["info", "limited", "--json"]).stdout()).expect("JSON");
    let step = info["steps"].as_array().expect("steps").iter().find(|step| step["name"] == "moe").expect("the step");
    assert_eq!(step["dropped"]["high_perplexity"]["documents"], above);
    // The same by an expression, what has no score being kept, and on to tokens.
    let where_kept = format!("keep_where = {{ expression = \"moe_perplexity <= {limit}\", missing = \"keep\" }}");
    let tokens = "tokenize = { tokenizer = \"m/tokenizer.json\" }";
    let stages = [&*moe(""), &where_kept, tokens, "write_binidx = { prefix = \"tokens\" }"];
    run("kept", &stages);
    let info: Value =
        serde_json::from_str(&dir.ok(&["binidx", "info", "kept/out/tokens", "--json"]).stdout()).expect("JSON");
    assert_eq!(info["documents"], limited.len());
    // Buckets of the score; what has none is in none.
    run("cut", &[&moe(""), "buckets = { column = \"moe_perplexity\", min_documents = 1, drop = [\"tail\"] }"]);
    let cut = dir.documents("cut/out");
    assert!(cut.len() < 60 && cut.iter().any(|document| document["bucket"] == "head"), "{}", cut.len());
    // A misspelt column would have all documents scored.
    dir.file("r.toml", recipe(&[&dir.path("in.jsonl")], 5_000, &[&moe("").replace("kenlm_perplexity", "kenml")]));
    let told = dir.ok(&["run", "r.toml", "-o", "misspelt"]).stderr();
    assert!(told.contains("`moe` looks at `kenml`, which no document has"), "{told}");
}

#[test]
fn ids_of_an_earlier_step_are_scored_as_the_text() {
    let dir = place(12);
    let run = |name: &str, stages: &[&str]| {
        dir.file("r.toml", recipe(&[&dir.path("in.jsonl")], 50_000, stages));
        dir.run(&["run", "r.toml", "-o", name, "-q"])
    };
    assert_eq!(run("text", &["moe = { model = \"m\" }"]).status(), 0);
    let tokenize = "tokenize = { tokenizer = \"m/tokenizer.json\" }";
    assert_eq!(run("ids", &[tokenize, "moe = { model = \"m\", ids_column = \"tokens\" }"]).status(), 0);
    let of = |name: &str| -> Vec<Value> {
        dir.documents(&format!("{name}/out")).iter().map(|document| document["moe_perplexity"].clone()).collect()
    };
    assert_eq!(of("text"), of("ids"));
    run("none", &["moe = { model = \"m\", ids_column = \"tokens\" }"]).fails(2, &["tokens"]);
    // Of another tokenizer.
    let size = ["--vocab-size", "900", "--reserved", "0", "-q"];
    dir.ok(&[&["train-tokenizer", "learnt-from.jsonl", "-o", "large.json"][..], &size].concat());
    let tokenize = "tokenize = { tokenizer = \"large.json\" }";
    run("large", &[tokenize, "moe = { model = \"m\", ids_column = \"tokens\" }"])
        .fails(1, &["document ", "holds the token ", "and the model has 512", "hint: take ids of the model's own"]);
}

#[test]
fn bytes_are_the_same_for_any_number_of_threads() {
    let dir = place(50);
    let stages = [
        "language_id = {}",
        "moe = { model = \"m\", max_bits_per_byte = 20, languages = { zh = { max_bits_per_byte = 18 } } }",
    ];
    dir.file("r.toml", recipe(&[&dir.path("in.jsonl")], 4_000, &stages));
    let mut known = None;
    for threads in ["1", "2", "5"] {
        let run = format!("run-{threads}");
        dir.ok(&["run", "r.toml", "-o", &run, "--threads", threads, "-q"]);
        let now = results(&dir.path(&run));
        assert!(now.keys().any(|name| name.starts_with("/dropped")), "{:?}", now.keys());
        match &known {
            None => known = Some(now),
            Some(known) => assert!(*known == now, "differs with {threads} threads"),
        }
    }
    // Other units and other company for the documents.
    dir.file("r.toml", recipe(&[&dir.path("in.jsonl")], 1_000_000, &stages));
    dir.ok(&["run", "r.toml", "-o", "whole", "-q", "--set", "moe.batch_tokens=100"]);
    assert_eq!(dir.documents("whole/out"), dir.documents("run-1/out"));
}

#[test]
fn a_killed_run_ends_in_the_same_bytes() {
    let dir = place(40);
    let stages = ["language_id = {}", "moe = { model = \"m\", max_bits_per_byte = 20 }", "exact = {}"];
    dir.file("r.toml", recipe(&[&dir.path("in.jsonl")], 2_000, &stages));
    let start = Instant::now();
    dir.ok(&["run", "r.toml", "-o", "whole", "-q", "--threads", "2"]);
    let results = |run: &Path| -> BTreeMap<String, Vec<u8>> { results(run) };
    kill_and_resume(&dir, &results, &dir.path("whole"), start.elapsed(), 0x6a09_e667_f3bc_c908, &|| {});
}

#[test]
fn an_interrupted_run_ends_soon_in_the_middle_of_a_unit() {
    let dir = place(1);
    let input = dir.file("long.jsonl", beginnings(160, 300));
    let stages = ["moe = { model = \"m\", batch_tokens = 512 }"];
    dir.file("r.toml", recipe(&[&input], 100_000_000, &stages));
    dir.ok(&["run", "r.toml", "-o", "whole", "-q", "--threads", "1"]);
    let child = dir
        .command(&["run", "r.toml", "-o", "run", "--threads", "1"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    while !dir.path("run/manifest.sqlite").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("sent");
    let output = child.wait_with_output().expect("ended");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    // All is one unit: had it not stopped within it, it would have ended well.
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("the same command goes on from here"), "{stderr}");
    dir.ok(&["run", "r.toml", "-o", "run", "-q"]);
    assert!(results(&dir.path("run")) == results(&dir.path("whole")));
}

#[test]
fn thresholds_are_explained_and_tuned_without_the_model() {
    let dir = place(40);
    let stages = ["language_id = {}", "moe = { model = \"m\", max_bits_per_byte = 30 }"];
    let text = recipe(&[&dir.path("in.jsonl")], 5_000, &stages);
    dir.file("r.toml", text.replace("[output]\n", "[output]\nmeasures = \"sidecar\"\n"));
    dir.ok(&["run", "r.toml", "-o", "run", "-q"]);
    let documents = dir.documents("run/out");
    let mut values: Vec<f64> = documents.iter().filter_map(|document| document["moe_perplexity"].as_f64()).collect();
    assert_eq!(values.len(), 40);
    let explained = dir.ok(&["explain", "run", "0"]).stdout();
    let bits = number(&documents[0]["moe_bits_per_byte"]);
    assert!(explained.contains("high_bits_per_byte") && explained.contains(&format!("{bits:.3}")), "{explained}");
    values.sort_by(f64::total_cmp);
    let limit = f64::midpoint(values[9], values[10]);
    let change = ["--set", &format!("moe.max_perplexity={limit}")];
    dir.ok(&[&["run", "r.toml", "-o", "fresh", "-q"], &change[..]].concat());
    // Nothing is read of the model's weights.
    std::fs::rename(dir.path("m/model.safetensors"), dir.path("weights")).expect("moved");
    dir.run(&["run", "r.toml", "-o", "gone", "-q"]).fails(2, &["no weights"]);
    std::fs::rename(dir.path("weights"), dir.path("m/model.safetensors")).expect("moved");
    let told = dir.ok(&[&["retune", "run", "--json", "-o", "retuned", "-q"], &change[..]].concat()).stdout();
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["total"]["after"]["documents"], &told["gone"]), (&json!(10), &json!(30)));
    let written = |run: &str| -> Vec<_> {
        results(&dir.path(run)).into_iter().filter(|(name, _)| name.starts_with("/out")).collect()
    };
    assert!(written("retuned") == written("fresh"), "the documents differ");
    dir.run(&["retune", "run", "--set", "moe.window=64"]).fails(2, &["moe"]);
    dir.run(&["retune", "run", "--set", "moe.max_document_tokens=64"]).fails(2, &["moe"]);
    dir.run(&["retune", "run", "--set", "moe.max_document_bytes=64"]).fails(2, &["moe"]);
}

/// Changes the first number of a tensor in a safetensors file.
fn poison(path: &Path, tensor: &str, number: f32) {
    let mut bytes = std::fs::read(path).expect("read");
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let told: Value = serde_json::from_slice(&bytes[8..header]).expect("JSON");
    let start = header + told[tensor]["data_offsets"][0].as_u64().expect("an offset") as usize;
    bytes[start..start + 4].copy_from_slice(&number.to_le_bytes());
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn what_is_wrong_with_a_model_is_told_before_documents_are_read() {
    let dir = place(3);
    let weights = std::fs::read(dir.path("m/model.safetensors")).expect("weights");
    let config = std::fs::read_to_string(dir.path("m/config.json")).expect("a configuration");
    let score = |model: &str, more: &[&str]| {
        let ran = dir.run(&[&["score", "in.jsonl", "-o", "run", "-q", "--moe", model], more].concat());
        assert!(!dir.path("run/out").exists(), "{model} {more:?}");
        ran
    };
    score("nothing-here", &[]).fails(2, &["nothing-here", "No such file"]);
    // Not even where another model lies beside it.
    std::fs::copy(crate::support::model_fixture("gguf_logits/float.gguf"), dir.path("other.gguf")).expect("copied");
    score("nothing-here", &[]).fails(2, &["nothing-here", "No such file"]);
    dir.file("broken.gguf", "hello");
    score("broken.gguf", &[]).fails(2, &["broken.gguf", "no GGUF file"]);
    dir.file("empty/readme.txt", "nothing");
    score("empty", &[]).fails(2, &["empty/config.json"]);
    dir.file("bare/config.json", &config);
    dir.file("bare/tokenizer.json", std::fs::read(dir.path("m/tokenizer.json")).expect("a tokenizer"));
    score("bare", &[]).fails(2, &["bare", "it has no weights", "model.safetensors"]);
    dir.file("bare/model.safetensors", &weights[..weights.len() / 2]);
    score("bare", &[]).fails(2, &["bare/model.safetensors", "cut off"]);
    let text = String::from_utf8_lossy(&weights[..20_000]).into_owned();
    let at = text.find("layers.1.mlp.experts.3.w2").expect("a name of the header");
    let mut renamed = weights.clone();
    renamed[at + "layers.1.mlp.experts.".len()] = b'9';
    dir.file("bare/model.safetensors", renamed);
    score("bare", &[])
        .fails(2, &["tensor `model.layers.1.mlp.experts.3.w2.weight` is missing", "hint: is it a checkpoint"]);
    dir.file("bare/model.safetensors", &weights);
    dir.file("bare/config.json", config.replace("\"use_moe\"", "\"use_more\":1,\"use_moe\""));
    score("bare", &[]).fails(2, &["bare/config.json", "field `use_more` is not known"]);
    dir.file("bare/config.json", &config);
    std::fs::remove_file(dir.path("bare/tokenizer.json")).expect("removed");
    score("bare", &[])
        .fails(2, &["no tokenizer in `", "hint: set `tokenizer_file` (`score --moe-tokenizer FILE`), or `ids_column`"]);
    let size = ["--vocab-size", "900", "--reserved", "0", "-q"];
    dir.ok(&[&["train-tokenizer", "learnt-from.jsonl", "-o", "bare/tokenizer.json"][..], &size].concat());
    score("bare", &[]).fails(2, &["ids up to 899, the model 512 tokens", "hint: set `tokenizer_file`"]);
    for band in ["kenlm_perplexity", "a=1", "a=1..b", "a=3..1", "=1..2", "a=nan..1"] {
        score("m", &["--uncertain", band])
            .fails(2, &[&format!("`--uncertain {band}` is no band"), "hint: write a column"]);
    }
    score("m", &["--device", "gpu"]).fails(2, &["`gpu` is no device", "`cuda:0`"]);
    // No machine has so many.
    score("m", &["--device", "cuda:99"]).fails(2, &["hint: set `device` to `cpu`"]);
    let with = |setting: &str| {
        dir.file(
            "r.toml",
            recipe(&[&dir.path("in.jsonl")], 5_000, &[&format!("moe = {{ model = \"m\", {setting} }}")]),
        );
        dir.run(&["run", "r.toml", "-o", "run", "-q"])
    };
    with("window = 2000000").fails(2, &["`window` is 2000000", "at most 1048576"]);
    with("stride = 1000").fails(2, &["cannot go on by 1000"]);
    with("max_document_bytes = 9, ids_column = \"tokens\"").fails(2, &["`max_document_bytes` cuts text"]);
    with("prefix = \"512\"").fails(2, &["`prefix` is `512`"]);
    with("dtype = \"int8\"").fails(2, &["`dtype` is `int8`", "fp32"]);
    with("uncertain = { kenlm_perplexity = [3, 1] }").fails(2, &["`uncertain.kenlm_perplexity` is [3, 1]", "smaller"]);
    with("uncertain = { kenlm_perplexity = [nan, 1] }").fails(2, &["`uncertain.kenlm_perplexity`"]);
    with("perplexity_column = \"text\"").fails(2, &["`moe` would write its column `text` over the text"]);
    with("perplexity_column = \"a\", bits_column = \"a\"").fails(2, &["`moe` adds two columns `a`"]);
    with("languages.cn = { max_perplexity = 3 }").fails(2, &["`languages`: `cn` is no language", "did you mean `zh`?"]);
    let again = &["moe = { model = \"m\" }", "moe = { model = \"m\", bits_column = \"b\" }"];
    dir.file("r.toml", recipe(&[&dir.path("in.jsonl")], 5_000, again));
    dir.run(&["run", "r.toml", "-o", "run", "-q"])
        .fails(2, &["`moe_2` adds the column `moe_perplexity`, and `moe` before it does so too", "another name"]);
    with("perplexity = 3").fails(2, &["has no field `perplexity`"]);
    assert!(!dir.path("run/out").exists());
}

#[test]
fn a_model_that_gives_no_numbers_stops_the_run() {
    let dir = place(3);
    for (tensor, number) in [("model.norm.weight", f32::NAN), ("model.layers.1.mlp.experts.0.w1.weight", f32::INFINITY)]
    {
        let (weights, whole) = (dir.path("m/model.safetensors"), dir.path("whole.safetensors"));
        std::fs::copy(&weights, &whole).expect("copied");
        poison(&weights, tensor, number);
        let said = ["document ", "its probability is no number", "NaN or infinity"];
        dir.run(&["score", "in.jsonl", "-o", "run", "--moe", "m", "-q"]).fails(1, &said);
        dir.run(&["model", "perplexity", "m", "in.jsonl", "-q", "--each"]).fails(1, &said);
        std::fs::rename(&whole, &weights).expect("moved");
    }
}
