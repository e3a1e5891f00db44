//! `eval`: tasks asked of tiny models with random weights, of files of both kinds and behind a server; perplexity by domains.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Dir, Ran, model_fixture, tiny_model};

/// A few items of each set.
fn sets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/eval/sets")
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout()).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout()))
}

fn lines(dir: &Dir, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.path(name)).expect("results");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// `eval tasks` of a model on the committed items.
fn asked(dir: &Dir, model: &str, out: &str, tasks: &[&str], more: &[&str]) -> Ran {
    let sets = sets();
    let data = sets.to_str().expect("a path");
    let command = [&["eval", "tasks"], tasks, &["--model", model, "--data", data, "-o", out, "-q"], more].concat();
    dir.run(&command)
}

/// What does not depend on time, nor on what a model is called.
fn figures(line: &Value) -> Value {
    let mut line = line.clone();
    for name in ["seconds", "fingerprint", "model"] {
        line.as_object_mut().expect("an object").remove(name);
    }
    line
}

/// A Qwen2-MoE with random weights, as the gguf package wrote it and as safetensors.
#[test]
fn all_tasks_are_asked_of_safetensors_and_gguf_alike() {
    let dir = Dir::new();
    dir.file("m.gguf", std::fs::read(model_fixture("gguf_logits/float.gguf")).expect("a model"));
    dir.ok(&["model", "convert", "m.gguf", "-o", "plain", "-q"]);
    let few = ["--limit", "2", "--max-new-tokens", "8", "--json"];
    let of_gguf = asked(&dir, "m.gguf", "gguf", &["all"], &few);
    assert_eq!(of_gguf.status(), 0, "{}", of_gguf.stderr());
    let of_folder = asked(&dir, "plain", "folder", &["all"], &[&few[..], &["--tokenizer", "m.gguf"]].concat());
    assert_eq!(of_folder.status(), 0, "{}", of_folder.stderr());
    let tasks = json(&of_gguf);
    let names: Vec<&str> = tasks.as_array().expect("tasks").iter().filter_map(|task| task["task"].as_str()).collect();
    assert_eq!(
        names.join(" "),
        "gsm8k gsm8k-zh math gaokao-mathqa gaokao-cloze agieval mmlu arc-c truthfulqa truthfulqa-zh humaneval humaneval-shots \
         humaneval-zh ceval cmmlu"
    );
    for task in tasks.as_array().expect("tasks") {
        assert_eq!(task["items"], 2, "{task}");
        assert!(task["tokens"].as_u64() > Some(0), "{task}");
        let (name, mode) = (task["task"].as_str().expect("a name"), task["mode"].as_str().expect("a mode"));
        let [gguf, folder] = ["gguf", "folder"].map(|out| lines(&dir, &format!("{out}/{name}.{mode}.jsonl")));
        let [gguf, folder] = [gguf, folder].map(|lines| lines.iter().map(figures).collect::<Vec<_>>());
        assert_eq!(gguf, folder, "{name}: the weights are the same");
    }
    // The other modes of the same tasks.
    let more = asked(&dir, "m.gguf", "gguf", &["all"], &[&few[..], &["--mode", "loglikelihood"]].concat());
    let names: Vec<Value> = json(&more).as_array().expect("tasks").iter().map(|task| task["task"].clone()).collect();
    assert_eq!(names, ["gaokao-mathqa", "agieval", "mmlu", "arc-c", "truthfulqa", "truthfulqa-zh", "ceval", "cmmlu"]);
    let summary: Value =
        serde_json::from_slice(&std::fs::read(dir.path("gguf/summary.json")).expect("a summary")).expect("JSON");
    assert_eq!(
        summary.as_array().map(Vec::len),
        Some(15 + 8 - 4),
        "agieval, truthfulqa, ceval and cmmlu have one mode"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |name: &str| std::fs::metadata(dir.path(name)).expect("a file").permissions().mode();
        assert_eq!(mode("gguf/summary.json"), mode("gguf/mmlu.m32.jsonl"), "who may read one may read the other");
    }
    // Figures of fewer items do not take the place of others.
    let fewer = asked(&dir, "m.gguf", "gguf", &["mmlu"], &["--limit", "1", "--max-new-tokens", "8"]);
    assert_eq!(fewer.status(), 0, "{}", fewer.stderr());
    let summary: Value =
        serde_json::from_slice(&std::fs::read(dir.path("gguf/summary.json")).expect("a summary")).expect("JSON");
    assert_eq!(summary.as_array().map(Vec::len), Some(20));
    std::fs::write(dir.path("gguf/summary.json"), "{").expect("spoilt");
    asked(&dir, "m.gguf", "gguf", &["mmlu"], &["--limit", "1", "--max-new-tokens", "8"])
        .fails(1, &["is no list of summaries"]);
}

#[test]
fn all_tasks_are_asked_of_the_bundled_model() {
    let dir = Dir::new();
    let few = ["--limit", "2", "--max-new-tokens", "8", "--device", "cpu", "--json"];
    for (mode, tasks) in [(&[][..], 15), (&["--mode", "loglikelihood"], 8)] {
        let ran = asked(&dir, "bundled", "out", &["all"], &[&few[..], mode].concat());
        assert_eq!(ran.status(), 0, "{}", ran.stderr());
        let told = json(&ran);
        let told = told.as_array().expect("tasks");
        assert_eq!(told.len(), tasks, "{told:?}");
        for task in told {
            // Programs are not run unless that is allowed.
            let is_judged = !task["task"].as_str().expect("a name").starts_with("humaneval");
            assert_eq!((&task["items"], task["accuracy"].is_object()), (&json!(2), is_judged), "{task}");
            assert!(task["model"].as_str().is_some_and(|model| model.starts_with("bundled")), "{task}");
        }
    }
}

#[test]
fn likelihoods_of_options_are_those_of_their_tokens() {
    let dir = Dir::new();
    tiny_model(&dir, "qwen2moe-tiny", "m");
    let context = "问题：太阳从哪边升起?\n回答：";
    let options = ["东边。", "西边。", "北边。"];
    let texts = [context.to_owned()].into_iter().chain(options.iter().map(|option| format!("{context}{option}")));
    dir.file("in.jsonl", texts.map(|text| json!({ "text": text }).to_string() + "\n").collect::<String>());
    let each = dir.ok(&["model", "perplexity", "m", "in.jsonl", "--prefix", "none", "--each", "--per-token", "-q"]);
    let each: Vec<Vec<f64>> = each
        .stdout()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["token_log_probs"].clone())
        .map(|numbers| numbers.as_array().expect("a list").iter().filter_map(Value::as_f64).collect())
        .collect();
    let asked = asked(&dir, "m", "out", &["truthfulqa-zh"], &["--mode", "loglikelihood", "--limit", "1"]);
    assert_eq!(asked.status(), 0, "{}", asked.stderr());
    let line = &lines(&dir, "out/truthfulqa-zh.loglikelihood.jsonl")[0];
    let found: Vec<f64> =
        line["choices"]["log_probs"].as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
    assert_eq!(found.len(), options.len());
    for (found, tokens) in found.iter().zip(&each[1..]) {
        let expected: f64 = tokens[each[0].len()..].iter().sum();
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
    let best = (0..3).max_by(|a, b| found[*a].total_cmp(&found[*b])).expect("an option");
    assert_eq!(line["answer"], ["A", "B", "C"][best]);
    assert_eq!(line["correct"], best == 0);
}

#[test]
fn a_command_goes_on_where_it_was_stopped() {
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    let ask = |out: &str, more: &[&str]| {
        asked(&dir, "m", out, &["gsm8k-zh,mmlu"], &[&["--max-new-tokens", "6"], more].concat())
    };
    assert_eq!(ask("whole", &[]).status(), 0);
    // The first item of each, then a torn line, then the rest.
    assert_eq!(ask("parts", &["--limit", "1", "--batch", "1"]).status(), 0);
    let path = dir.path("parts/mmlu.m32.jsonl");
    let torn = [std::fs::read(&path).expect("results"), b"{\"task\": \"mm".to_vec()].concat();
    std::fs::write(&path, torn).expect("written");
    let table = ask("parts", &[]);
    assert_eq!(table.status(), 0, "{}", table.stderr());
    for name in ["gsm8k-zh.yuan.jsonl", "mmlu.m32.jsonl"] {
        let [whole, parts] = ["whole", "parts"].map(|out| lines(&dir, &format!("{out}/{name}")));
        assert!(whole.len() >= 3);
        assert_eq!(
            whole.iter().map(figures).collect::<Vec<_>>(),
            parts.iter().map(figures).collect::<Vec<_>>(),
            "{name}: in any company"
        );
    }
    assert!(
        table.stdout().contains("mmlu (m32)") && table.stdout().contains("mean of 2 subjects"),
        "{}",
        table.stdout()
    );
    assert!(table.stdout().contains("prompts were too long and lost their beginning"), "{}", table.stdout());
    let before = std::fs::read(&path).expect("results");
    assert_eq!(ask("parts", &[]).status(), 0);
    assert_eq!(std::fs::read(&path).expect("results"), before, "nothing is left to ask");
}

#[test]
fn samples_are_drawn_by_seeds() {
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    let ask = |out: &str, more: &[&str]| {
        let fixed = ["--samples", "3", "--temperature", "0.9", "--max-new-tokens", "5"];
        let ran = asked(&dir, "m", out, &["gsm8k-zh"], &[&fixed[..], more].concat());
        assert_eq!(ran.status(), 0, "{}", ran.stderr());
        let texts = |line: &Value| line["outputs"].clone();
        lines(&dir, &format!("{out}/gsm8k-zh.yuan.jsonl")).iter().map(texts).collect::<Vec<Value>>()
    };
    let first = ask("a", &[]);
    assert!(first[0][0]["text"] != first[0][1]["text"] || first[0][1]["text"] != first[0][2]["text"], "{first:?}");
    assert_eq!(first, ask("b", &["--batch", "2"]));
    assert_ne!(first, ask("c", &["--seed", "1"]));
}

#[cfg(target_os = "linux")]
#[test]
fn programs_are_run_only_when_that_is_allowed() {
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    let few = ["--max-new-tokens", "5"];
    let unrun = asked(&dir, "m", "out", &["humaneval"], &few);
    assert!(unrun.stdout().contains("2 programs were not run: `--allow-code-execution`"), "{}", unrun.stdout());
    let sets = sets();
    let data = sets.to_str().expect("a path");
    asked(&dir, "m", "out", &["humaneval"], &["--select-by-tests", "2"]).fails(2, &["--allow-code-execution"]);
    asked(&dir, "m", "out", &["humaneval"], &["--allow-code-execution", "--python", "/no/python"])
        .fails(1, &["`/no/python` cannot be started", "hint: name a Python 3 with `--python PATH`"]);
    let python = std::env::var("YUAN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if std::process::Command::new(&python).arg("--version").output().is_err() {
        eprintln!("skipped: there is no `{python}` (YUAN_PYTHON names a Python 3)");
        return;
    }
    let run = dir.ok(&[
        &["eval", "tasks", "humaneval", "--model", "m", "--data", data, "-o", "out", "--allow-code-execution"][..],
        &["--python", &python],
        &few[..],
    ]
    .concat());
    assert!(
        run.stderr().contains("programs of the model are run: no processes, sockets or signals"),
        "{}",
        run.stderr()
    );
    assert!(run.stdout().contains("pass@1 0.00"), "{}", run.stdout());
}

#[test]
fn what_cannot_be_asked_is_told_before_a_model_is_read() {
    let dir = Dir::new();
    let ask = |tasks: &[&str], more: &[&str]| asked(&dir, "m", "out", tasks, more);
    ask(&["gsm9k"], &[]).fails(2, &["there is no task `gsm9k`", "did you mean `gsm8k`?"]);
    ask(&["gsm8k"], &["--mode", "yuan"]).fails(2, &["task `gsm8k` has no mode `yuan`", "hint: it has m32"]);
    ask(&["gsm8k"], &["--mode", "own"]).fails(2, &["there is no mode `own`: use yuan, m32 or loglikelihood"]);
    ask(&["gsm8k"], &["--samples", "3"]).fails(2, &["all samples are the same", "--temperature 0.7"]);
    ask(&["gsm8k"], &[]).fails(2, &["there is no model `m`"]);
    dir.run(&["eval", "tasks", "gsm8k", "--model", "m", "--data", "none", "-o", "out"])
        .fails(2, &["there is no folder `none`", "eval list"]);
    dir.run(&["eval", "tasks", "gsm8k", "--data", ".", "-o", "out"]).fails(2, &["--model", "--endpoint"]);
    tiny_model(&dir, "yuan-moe-tiny", "m");
    dir.run(&["eval", "tasks", "gsm8k", "--model", "m", "--data", ".", "-o", "out"])
        .fails(2, &["there is no `gsm8k/test.jsonl` in `.`", "hint: `--data DIR`"]);
    ask(&["mmlu"], &["--shots", "5"]).fails(2, &["this task is asked without examples"]);
    ask(&["mmlu"], &["--mode", "loglikelihood", "--shots", "5"]).fails(2, &["5 examples are asked for", "has 2"]);
    dir.run(&["eval", "tasks", "all", "--model", "m", "--data", ".", "-o", "out", "-q"])
        .fails(2, &["there are no files of any task in `.`", "eval list"]);
    for (flag, wrong, range) in [
        ("--code-seconds", ["0", "3601"], "1..=3600"),
        ("--timeout", ["0", "604801"], "1..=604800"),
        ("--concurrency", ["0", "1025"], "1..=1024"),
    ] {
        for wrong in wrong {
            ask(&["mmlu"], &[flag, wrong]).fails(2, &[&format!("{wrong} is not in {range}")]);
        }
    }
    ask(&["mmlu"], &["--batch", "0"]).fails(2, &["--batch"]);
    ask(&["mmlu"], &["--temperature", "101"]).fails(2, &["temperature is from 0 to 100"]);
    ask(&["mmlu"], &["--top-p", "0"]).fails(2, &["top-p above 0"]);
    let list = dir.ok(&["eval", "list"]);
    assert!(
        list.stdout().contains("gsm8k-zh") && list.stdout().contains("agieval/yuan2-mathcloze.txt"),
        "{}",
        list.stdout()
    );
    assert_eq!(json(&dir.ok(&["eval", "list", "--json"])).as_array().map(Vec::len), Some(19));
}

/// A server that answers requests for texts with what a function makes of their bodies.
pub fn answering(answer: impl Fn(&Value) -> (u16, Value) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a stream");
            let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
            let (mut length, mut line) = (0, String::new());
            while reader.read_line(&mut line).unwrap_or(0) > 0 && line != "\r\n" {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let (status, answer) = match length {
                0 => (200, json!({ "data": [{ "id": "far" }] })),
                _ => answer(&serde_json::from_slice(&body).expect("JSON")),
            };
            let answer = answer.to_string();
            let length = answer.len();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close");
            let _ = write!(stream, "{head}\r\n\r\n{answer}");
        }
    });
    format!("http://{address}/v1")
}

#[test]
fn a_model_behind_a_server_is_asked_too() {
    let dir = Dir::new();
    let sets = sets();
    let endpoint = answering(|_| {
        let choice = json!({ "text": "共有7个。", "finish_reason": "stop" });
        (200, json!({ "choices": [choice], "usage": { "completion_tokens": 3 } }))
    });
    let ask = |task: &str, more: &[&str]| {
        let data = sets.to_str().expect("a path");
        dir.run(&[&["eval", "tasks", task, "--endpoint", &endpoint, "--data", data, "-o", "out", "-q"], more].concat())
    };
    let told = json(&ask("gsm8k-zh", &["--json"]));
    assert_eq!((&told[0]["accuracy"]["correct"], &told[0]["accuracy"]["items"]), (&json!(1), &json!(3)), "{told}");
    assert_eq!(told[0]["model"], format!("far at {endpoint}"));
    ask("truthfulqa", &[]).fails(1, &["no log-probabilities of the prompt", "hint: it takes a server"]);
    ask("gsm8k-zh", &["--model-name", "near"]).fails(1, &["there is no model `near`", "hint: there are far"]);
}

/// The sets themselves, where they lie beside the project.
#[test]
fn all_tasks_are_asked_of_the_whole_sets() {
    let sets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/evals");
    if !sets.exists() {
        eprintln!("skipped: no ../shared/corpora/evals");
        return;
    }
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    let data = sets.to_str().expect("a path");
    for mode in ["", "--mode=loglikelihood"] {
        let few =
            ["--limit", "3", "--max-new-tokens", "16", "--json", "--model", "m", "--data", data, "-o", "out", "-q"];
        let mut command = vec!["eval", "tasks", "all"];
        command.extend(few);
        command.extend(Some(mode).filter(|mode| !mode.is_empty()));
        let told = json(&dir.ok(&command));
        let tasks = told.as_array().expect("tasks");
        assert!(tasks.len() >= 6 && tasks.iter().all(|task| task["items"] == 3), "{told}");
    }
}
