//! `eval perplexity`: by domains, of a model's files and behind a server.

use serde_json::{Value, json};

use crate::evaluation::answering;
use crate::server::Server;
use crate::support::{Dir, Ran, beginnings, tiny_model};

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout()).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout()))
}

fn lines(dir: &Dir, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.path(name)).expect("results");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn perplexity_is_told_by_domains_and_kept() {
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    dir.file("in.jsonl", beginnings(30, 200));
    let measure =
        |out: &str, more: &[&str]| {
            json(&dir.ok(
                &[&["eval", "perplexity", "m", "in.jsonl", "--by", "lang", "-o", out, "--json", "-q"], more].concat(),
            ))
        };
    let whole = measure("whole", &[]);
    let rows = whole.as_array().expect("rows");
    let mean = rows.last().expect("a mean");
    let domains: Vec<&Value> = rows.iter().filter(|row| row["lang"] != "total" && row["lang"] != "mean").collect();
    assert!(domains.len() > 2 && mean["lang"] == "mean" && mean["domains"] == domains.len(), "{whole}");
    let bits = |row: &Value| row["bits_per_byte"].as_f64().expect("a number");
    let sum: f64 = domains.iter().map(|row| bits(row)).sum();
    assert!((bits(mean) - sum / domains.len() as f64).abs() < 1e-12);
    // lm-eval's windows, as `model perplexity` has them.
    let other =
        json(&dir.ok(&["model", "perplexity", "m", "in.jsonl", "--by", "lang", "--compat", "lm-eval", "--json", "-q"]));
    assert_eq!(rows[..rows.len() - 1], other.as_array().expect("rows")[..]);
    assert_eq!(lines(&dir, "whole/perplexity.jsonl").len(), 30);
    let file: Value =
        serde_json::from_slice(&std::fs::read(dir.path("whole/perplexity.json")).expect("a table")).expect("JSON");
    assert_eq!(file, whole);
    // A part, a torn line, the rest: the same figures, and no document is scored twice.
    measure("parts", &["--limit", "11"]);
    let path = dir.path("parts/perplexity.jsonl");
    let torn = [std::fs::read(&path).expect("results"), b"{\"id\"".to_vec()].concat();
    std::fs::write(&path, torn).expect("written");
    assert_eq!(measure("parts", &[]), whole);
    assert_eq!(lines(&dir, "parts/perplexity.jsonl").len(), 30);
    assert_eq!(
        std::fs::read(&path).expect("results"),
        std::fs::read(dir.path("whole/perplexity.jsonl")).expect("results")
    );
    // What is known is told too; with its tokens it is scored again, and no line is written twice. Batches change no score.
    let each = |more: &[&str]| {
        let fixed = [
            "eval",
            "perplexity",
            "m",
            "in.jsonl",
            "--by",
            "lang",
            "-o",
            "parts",
            "--each",
            "-q",
            "--batch-tokens",
            "512",
        ];
        dir.ok(&[&fixed, more].concat()).stdout()
    };
    assert_eq!(each(&[]).lines().count(), 30);
    assert!(each(&["--per-token"]).lines().all(|line| line.contains("token_log_probs")));
    assert_eq!(lines(&dir, "parts/perplexity.jsonl").len(), 30);
    // Token sets, by sets.
    dir.ok(&["tokenize", "in.jsonl", "-o", "tokens", "--tokenizer", "m/tokenizer.json", "-q"]);
    let sets = json(&dir.ok(&["eval", "perplexity", "m", "--tokens", "tokens", "-o", "sets", "--json", "-q"]));
    let total = rows.iter().find(|row| row["lang"] == "total").expect("a total");
    assert!((bits(&sets[0]) - bits(total)).abs() < 1e-9, "{sets} {total}");
}

/// Documents of some words up to several windows, one that is empty, and one of a single character.
fn documents(dir: &Dir) {
    let more = [("", "zh"), ("源", "zh")].map(|(text, lang)| json!({ "text": text, "lang": lang }).to_string() + "\n");
    dir.file("in.jsonl", beginnings(12, 300) + &more.concat());
}

#[test]
fn a_server_finds_what_its_model_finds_here() {
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    documents(&dir);
    let server = Server::start(&dir, &["--max-positions", "50"]);
    let url = format!("http://{}/v1", server.address);
    let here =
        |out: &str, more: &[&str]| {
            json(&dir.ok(
                &[&["eval", "perplexity", "m", "in.jsonl", "--by", "lang", "-o", out, "--json", "-q"], more].concat(),
            ))
        };
    let there = |out: &str, more: &[&str]| {
        let fixed = ["eval", "perplexity", "in.jsonl", "--by", "lang", "-o", out, "--json", "-q"];
        let far = ["--endpoint", &url, "--tokenizer", "m/tokenizer.json"];
        dir.run(&[&fixed[..], &far, more].concat())
    };
    let agree = |here: &Value, there: &Value| {
        let [here, there] = [here, there].map(|table| table.as_array().expect("rows").clone());
        assert!(here.len() == there.len() && here.len() > 2, "{here:?} {there:?}");
        for (here, there) in here.iter().zip(&there) {
            for same in ["lang", "documents", "tokens", "bytes", "greedy_tokens", "domains"] {
                assert_eq!(here[same], there[same], "{here} {there}");
            }
            let bits = |row: &Value| row["bits_per_byte"].as_f64().expect("a number");
            assert!((bits(here) - bits(there)).abs() < 1e-4, "{here} {there}");
        }
    };
    // What the server reads, but for the token behind a window and one that it writes.
    let whole = there("there", &[]);
    assert_eq!(whole.status(), 0, "{}", whole.stderr());
    agree(&here("here", &["--window", "48"]), &json(&whole));
    agree(
        &here("here", &["--window", "20", "--stride", "7", "--prefix", "3"]),
        &json(&there("there", &["--window", "20", "--stride", "7", "--prefix", "3", "--concurrency", "1"])),
    );
    agree(
        &here("here", &["--window", "9", "--prefix", "none"]),
        &json(&there("there", &["--window", "9", "--prefix", "none"])),
    );
    // Lines are as those of files; what is known is not asked again.
    let [near, far] = ["here", "there"].map(|out| lines(&dir, &format!("{out}/perplexity.jsonl")));
    assert_eq!(near.len(), far.len());
    for (near, far) in near.iter().zip(&far) {
        assert_eq!((&near["id"], &near["tokens"], &near["bytes"]), (&far["id"], &far["tokens"], &far["bytes"]));
    }
    let before = std::fs::read(dir.path("there/perplexity.jsonl")).expect("results");
    let again = there("there", &[]);
    assert_eq!(again.stdout(), whole.stdout());
    assert_eq!(std::fs::read(dir.path("there/perplexity.jsonl")).expect("results"), before);
    // A part, and the rest.
    there("parts", &["--limit", "5"]);
    assert_eq!(lines(&dir, "parts/perplexity.jsonl").len(), 5);
    assert_eq!(there("parts", &[]).stdout(), whole.stdout());
    let part = &before[..std::fs::read(dir.path("parts/perplexity.jsonl")).expect("results").len()];
    assert_eq!(std::fs::read(dir.path("parts/perplexity.jsonl")).expect("results"), part);
    // Each token's number, as of files.
    let tokens = |ran: Ran| -> Vec<usize> {
        let count = |line: &str| {
            serde_json::from_str::<Value>(line).expect("JSON")["token_log_probs"].as_array().map_or(0, Vec::len)
        };
        ran.stdout().lines().map(count).collect()
    };
    let each = ["eval", "perplexity", "-o", "each", "--each", "--per-token", "-q"];
    let far = ["in.jsonl", "--endpoint", &url, "--tokenizer", "m/tokenizer.json"];
    assert_eq!(tokens(dir.ok(&[&each[..], &["m", "in.jsonl"]].concat())), tokens(dir.ok(&[&each[..], &far].concat())));
    // Token sets.
    dir.ok(&["tokenize", "in.jsonl", "-o", "tokens", "--tokenizer", "m/tokenizer.json", "-q"]);
    let set = ["eval", "perplexity", "-o", "sets", "--tokens", "tokens", "--json", "-q"];
    let near = json(&dir.ok(&[&set[..], &["m", "--window", "48"]].concat()));
    let far = json(&dir.ok(&[&set[..], &["--endpoint", &url, "--tokenizer", "m/tokenizer.json"]].concat()));
    let bits = |table: &Value| table[0]["bits_per_byte"].as_f64().expect("a number");
    assert!((bits(&near) - bits(&far)).abs() < 1e-4, "{near} {far}");
}

#[test]
fn what_a_server_cannot_score_is_told() {
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    documents(&dir);
    let server = Server::start(&dir, &["--max-positions", "50"]);
    let url = format!("http://{}/v1", server.address);
    let ask = |more: &[&str]| dir.run(&[&["eval", "perplexity", "-o", "out", "-q"], more].concat());
    let far = ["in.jsonl", "--endpoint", &url];
    let with = ["in.jsonl", "--endpoint", &url, "--tokenizer", "m/tokenizer.json"];
    ask(&far).fails(2, &["there is no tokenizer", "hint: name that of its model with `--tokenizer FILE`"]);
    ask(&[&with[..], &["--window", "49"]].concat()).fails(2, &["the server reads 50", "say `--window 48` or less"]);
    ask(&[&with[..], &["--reset-positions"]].concat()).fails(2, &["leave out `--reset-positions`"]);
    ask(&[&with[..], &["--prefix", "x"]].concat()).fails(2, &["`--prefix` is `x`"]);
    // An id that is none of the model's: what the server says.
    ask(&[&with[..], &["--prefix", "100000"]].concat()).fails(1, &["it answers 400"]);
    ask(&with[1..]).fails(2, &["there are no documents to score"]);
    ask(&["m"]).fails(2, &["there are no documents to score"]);
    ask(&[]).fails(2, &["[MODEL] [INPUT]..."]);
    ask(&[&with[..], &["--tokens", "set"]].concat()).fails(2, &["there are documents and token sets"]);
}

#[test]
fn a_document_that_fails_loses_none_of_the_others() {
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    let texts = ["一个", "two words", "wrong", "四", "five of them"];
    dir.file("in.jsonl", texts.map(|text| json!({ "id": text, "text": text }).to_string() + "\n").concat());
    let mended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_mended = mended.clone();
    // The third request that comes is refused.
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    let endpoint = answering(move |body| {
        let count = body["prompt"].as_array().expect("ids").len();
        if asked.fetch_add(1, relaxed) == 2 && !is_mended.load(relaxed) {
            return (400, json!({ "error": { "message": "not this one" } }));
        }
        let numbers: Vec<Value> = (0..=count).map(|place| if place == 0 { Value::Null } else { json!(-0.5) }).collect();
        let choice = json!({ "text": "", "logprobs": { "token_logprobs": numbers } });
        (200, json!({ "choices": [choice], "usage": { "prompt_tokens": count } }))
    });
    let ask = |more: &[&str]| {
        let far = ["--endpoint", &endpoint, "--tokenizer", "m/tokenizer.json", "--concurrency", "1", "--json", "-q"];
        dir.run(&[&["eval", "perplexity", "in.jsonl", "-o", "out"], &far[..], more].concat())
    };
    ask(&[]).fails(2, &["the server does not tell how many tokens it reads", "hint: name it with `--window N`"]);
    ask(&["--window", "100"]).fails(1, &["it answers 400: not this one", "fewer tokens with `--window N`"]);
    let ids = || lines(&dir, "out/perplexity.jsonl").iter().map(|line| line["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids()[..2], texts[..2], "those before it");
    mended.store(true, relaxed);
    let whole = ask(&["--window", "100"]);
    assert_eq!(whole.status(), 0, "{}", whole.stderr());
    let row = &json(&whole)[0];
    let nats = row["tokens"].as_f64().expect("a count") * 0.5;
    let bytes = texts.map(str::len).iter().sum::<usize>();
    assert_eq!((&row["documents"], &row["bytes"]), (&json!(5), &json!(bytes)));
    assert!(
        (row["bits_per_byte"].as_f64().expect("bits") - nats / std::f64::consts::LN_2 / bytes as f64).abs() < 1e-12
    );
    assert_eq!(ids().len(), 5, "no line twice");
}

/// lm-eval's client of the same server. `YUAN_PYTHON` names a Python that has lm-eval.
#[test]
fn lm_eval_finds_the_same_of_the_server() {
    let python = std::env::var("YUAN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle/lm_eval_rolling.py");
    let needs = "import aiohttp, tenacity, lm_eval.models.openai_completions";
    let has = std::process::Command::new(&python).args(["-c", needs]).output();
    if !has.is_ok_and(|ran| ran.status.success()) {
        eprintln!("skipped: `{python}` has no lm-eval (YUAN_PYTHON names one that has)");
        return;
    }
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    dir.file("in.jsonl", beginnings(12, 300));
    dir.file("hf/tokenizer.json", std::fs::read(dir.path("m/tokenizer.json")).expect("a tokenizer"));
    dir.file("hf/tokenizer_config.json", r#"{ "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<eod>" }"#);
    let server = Server::start(&dir, &["--max-positions", "50"]);
    let url = format!("http://{}/v1", server.address);
    dir.ok(&[
        "eval",
        "perplexity",
        "in.jsonl",
        "--endpoint",
        &url,
        "--tokenizer",
        "m/tokenizer.json",
        "-o",
        "out",
        "-q",
    ]);
    let ran = std::process::Command::new(&python)
        .args([script, &format!("{url}/completions"), "hf", "50", "in.jsonl"])
        .current_dir(dir.path(""))
        .output()
        .expect("it starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let expected: Vec<f64> = serde_json::from_slice(&ran.stdout).expect("numbers");
    let found = lines(&dir, "out/perplexity.jsonl");
    assert_eq!(found.len(), expected.len());
    for (line, expected) in found.iter().zip(expected) {
        let difference = line["log_prob"].as_f64().expect("a number") - expected;
        assert!(difference.abs() < 1e-9 * expected.abs(), "{line} {expected}");
    }
}
