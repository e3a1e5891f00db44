//! A server of a few lines that answers as OpenAI's completions do, or as they should not.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use yuan_eval::remote::{Options, Remote};
use yuan_eval::{Error, LanguageModel, Likelihood, Request, Result, Writing, Written};

/// A request, as far as tests ask for it.
struct Asked {
    path: String,
    head: String,
    body: Value,
}

/// Answers with what a function makes of each request: status, headers, body. The thread ends with the test.
fn serve(answer: impl Fn(Asked) -> (u16, &'static str, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, answer) = (stream.expect("a stream"), answer.clone());
            std::thread::spawn(move || speak(stream, &*answer));
        }
    });
    format!("http://{address}")
}

fn speak(stream: TcpStream, answer: &dyn Fn(Asked) -> (u16, &'static str, String)) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let path = head.split(' ').nth(1).unwrap_or("").to_owned();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (status, headers, body) = answer(Asked { path, head, body });
    if status == 0 {
        return;
    }
    let mut stream = stream;
    let length = body.len();
    // A client that has gone needs no answer.
    let _ =
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}");
}

fn models() -> (u16, &'static str, String) {
    (200, "", json!({ "data": [{ "id": "tiny" }, { "id": "other" }] }).to_string())
}

/// The texts in the order of their prompts, or what failed first.
fn write(remote: &mut Remote, prompts: &[&str], how: &Writing) -> Result<Vec<Written>> {
    let mut found = Vec::new();
    let requests: Vec<Request<'_>> = prompts.iter().map(|prompt| Request { prompt, how, number: 0 }).collect();
    remote.write(&requests, &mut |results| {
        found.extend(results);
        true
    });
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, result)| result).collect()
}

fn likelihoods(remote: &mut Remote, pairs: &[(&str, &str)]) -> Result<Vec<Likelihood>> {
    let mut found = Vec::new();
    remote.likelihoods(pairs, &mut |results| {
        found.extend(results);
        true
    });
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, result)| result).collect()
}

fn options(endpoint: &str) -> Options {
    Options { retries: 2, timeout: Duration::from_secs(5), ..Options::of(endpoint) }
}

#[test]
fn texts_come_in_the_order_of_their_prompts() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let endpoint = serve(move |request| {
        if request.path == "/v1/models" {
            return models();
        }
        let prompt = request.body["prompt"].as_str().expect("a prompt").to_owned();
        // The first are slow.
        std::thread::sleep(Duration::from_millis(if prompt.as_str() < "5" { 60 } else { 5 }));
        kept.lock().expect("no panic").push((request.head, request.body));
        let choice = json!({ "text": format!("after {prompt}"), "finish_reason": if prompt == "3" { "length" } else { "stop" } });
        let usage = json!({ "prompt_tokens": 4, "completion_tokens": 2 });
        (200, "", json!({ "choices": [choice], "usage": usage }).to_string())
    });
    let mut remote = Remote::connect(Options { api_key: Some("secret".into()), ..options(&format!("{endpoint}/v1/")) })
        .expect("connected");
    assert_eq!(remote.model(), "tiny");
    let prompts = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let how = Writing { top_k: 40, stop: vec!["\n".into()], temperature: 0.5, seed: u64::MAX, ..Writing::greedy(7) };
    let texts = write(&mut remote, &prompts, &how).expect("texts");
    for (prompt, text) in prompts.iter().zip(&texts) {
        assert_eq!(text.text, format!("after {prompt}"));
        assert_eq!((text.has_ended, text.prompt_tokens, text.tokens), (*prompt != "3", 4, 2));
    }
    let seen = seen.lock().expect("no panic");
    let (head, body) = seen.iter().find(|(_, body)| body["prompt"] == "0").expect("asked");
    assert!(head.to_lowercase().contains("authorization: bearer secret") && head.starts_with("POST /v1/completions "));
    let expected = json!({
        "model": "tiny", "prompt": "0", "max_tokens": 7, "temperature": 0.5, "top_p": 1.0, "seed": i64::MAX, "top_k": 40, "stop": ["\n"],
    });
    assert_eq!(*body, expected);
}

/// A server of tokens that are bytes, with `<s>` before each prompt, and offsets that count it, as vLLM has them.
fn bytes_with_bos(request: Asked) -> (u16, &'static str, String) {
    let prompt = request.body["prompt"].as_str().expect("a prompt");
    let usage = json!({ "prompt_tokens": 1 + prompt.len() });
    if request.body["echo"] != json!(true) {
        return (200, "", json!({ "choices": [{ "text": "z" }], "usage": usage }).to_string());
    }
    // An x is unlikely.
    let log_prob = |byte: u8| if byte == b'x' { -3.0 } else { -0.25 };
    let all: Vec<u8> = prompt.bytes().chain([b'z']).collect();
    let numbers: Vec<Value> = [Value::Null].into_iter().chain(all.iter().map(|byte| log_prob(*byte).into())).collect();
    let tops: Vec<Value> =
        [Value::Null].into_iter().chain(all.iter().map(|byte| json!({ "own": log_prob(*byte), "e": -1.0 }))).collect();
    let tokens: Vec<String> =
        ["<s>".to_owned()].into_iter().chain(all.iter().map(|byte| format!("\\x{byte:02x}"))).collect();
    let offsets: Vec<usize> = (0..tokens.len()).map(|place| 3 + place).collect();
    let logprobs = json!({ "tokens": tokens, "token_logprobs": numbers, "top_logprobs": tops, "text_offset": offsets });
    (
        200,
        "",
        json!({ "choices": [{ "text": format!("{prompt}z"), "logprobs": logprobs }], "usage": usage }).to_string(),
    )
}

#[test]
fn tokens_of_likelihoods_are_counted_and_contexts_once() {
    let alone = Arc::new(AtomicUsize::new(0));
    let counted = alone.clone();
    let endpoint = serve(move |request| {
        if request.path == "/v1/models" {
            return models();
        }
        counted.fetch_add(usize::from(request.body["echo"].is_null()), Ordering::Relaxed);
        bytes_with_bos(request)
    });
    let mut remote = Remote::connect(options(&endpoint)).expect("connected");
    let pairs = [("问：", "源"), ("问：", "x"), ("q ", "x"), ("q", " ab"), ("", "abc")];
    let found = likelihoods(&mut remote, &pairs).expect("likelihoods");
    let figures: Vec<(f64, bool, usize)> = found.iter().map(|it| (it.log_prob, it.is_greedy, it.tokens)).collect();
    assert_eq!(figures, [(-0.75, true, 3), (-3.0, false, 1), (-3.25, false, 2), (-0.75, true, 3), (-0.75, true, 3)]);
    assert_eq!(alone.load(Ordering::Relaxed), 3, "each context once");
}

#[test]
fn what_may_pass_is_tried_again_and_the_rest_is_told() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let endpoint = serve(move |request| {
        if request.path == "/v1/models" {
            return models();
        }
        let nth = counted.fetch_add(1, Ordering::Relaxed);
        match request.body["prompt"].as_str().expect("a prompt") {
            "busy" if nth == 0 => (429, "Retry-After: 0\r\n", String::new()),
            "busy" if nth == 1 => (0, "", String::new()),
            "hours" if nth == 0 => (503, "Retry-After: Wed, 21 Oct 2065 07:28:00 GMT\r\n", String::new()),
            "down" => (503, "", json!({ "message": "loading" }).to_string()),
            "long" => (400, "", json!({ "error": { "message": "maximum context length is 32" } }).to_string()),
            "key" => (401, "", "no".into()),
            "html" => (200, "", "<html>".into()),
            "none" => (200, "", "{}".into()),
            "slow" => {
                std::thread::sleep(Duration::from_secs(3));
                (200, "", "{}".into())
            }
            _ => (200, "", json!({ "choices": [{ "text": "done", "finish_reason": "stop" }] }).to_string()),
        }
    });
    let mut remote = Remote::connect(options(&endpoint)).expect("connected");
    let mut ask = |prompt: &str| {
        tries.store(0, Ordering::Relaxed);
        let asked = write(&mut remote, &[prompt], &Writing::greedy(1));
        (asked, tries.load(Ordering::Relaxed))
    };
    let (busy, count) = ask("busy");
    assert_eq!((busy.expect("at last")[0].text.as_str(), count), ("done", 3));
    let (later, count) = ask("hours");
    assert_eq!((later.expect("a date is no number of seconds").len(), count), (1, 2));
    for (prompt, count, said, hint) in [
        ("down", 3, "it answers 503: loading (3 tries)", ""),
        ("long", 1, "it answers 400: maximum context length is 32", "--shots N"),
        ("key", 1, "it answers 401: no", "OPENAI_API_KEY"),
        ("html", 1, "its answer is no JSON", "OpenAI's completions"),
        ("none", 1, "has no `choices`", ""),
    ] {
        let (asked, tried) = ask(prompt);
        let error = asked.expect_err("it fails");
        assert!(error.to_string().starts_with(&format!("{endpoint}/v1/completions: ")), "{error}");
        assert!(error.to_string().contains(said) && tried == count, "{prompt}: {error} {tried}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{prompt}: {:?}", error.hint());
    }
    let hasty = Options { timeout: Duration::from_millis(300), retries: 0, ..options(&endpoint) };
    let error =
        write(&mut Remote::connect(hasty).expect("connected"), &["slow"], &Writing::greedy(1)).expect_err("too slow");
    assert!(error.hint().is_some_and(|hint| hint.contains("--timeout")), "{error}");
}

#[test]
fn tokens_of_ids_are_scored_and_a_failure_loses_none_of_the_others() {
    let endpoint = serve(|request| {
        if request.path == "/v1/models" {
            let about = json!([{ "id": "other", "max_model_len": 7 }, { "id": "tiny", "max_model_len": 50 }]);
            return (200, "", json!({ "data": about }).to_string());
        }
        let ids = request.body["prompt"].as_array().expect("ids").clone();
        assert_eq!((&request.body["echo"], &request.body["logprobs"]), (&json!(true), &json!(1)));
        if ids[0] == 9 {
            return (400, "", json!({ "message": "too long" }).to_string());
        }
        // A token of id 3 is unlikely, and a server may count a token more than it was given.
        let number = |id: &Value| if *id == 3 { json!(-2.0) } else { json!(-0.5) };
        let numbers: Vec<Value> =
            [Value::Null].into_iter().chain(ids[1..].iter().map(number)).chain([json!(-9.0)]).collect();
        let tops = vec![json!({ "a": -1.0 }); numbers.len()];
        let choice = json!({ "text": "", "logprobs": { "token_logprobs": numbers, "top_logprobs": tops } });
        let usage = json!({ "prompt_tokens": ids.len() + usize::from(ids[0] == 8) });
        (200, "", json!({ "choices": [choice], "usage": usage }).to_string())
    });
    let remote = Remote::connect(Options { model: Some("tiny".into()), concurrency: 1, ..options(&endpoint) });
    let remote = remote.expect("connected");
    assert_eq!(remote.max_tokens(), Some(50));
    let mut found = Vec::new();
    remote.tokens(&[vec![1, 2, 3], vec![9, 1], vec![8, 1], vec![5]], &mut |results| {
        found.extend(results);
        true
    });
    found.sort_by_key(|(place, _)| *place);
    let told: Vec<String> = found
        .iter()
        .map(|(_, result)| match result {
            Ok(tokens) => tokens.iter().map(|it| format!("{} {} ", it.log_prob, it.is_greedy)).collect(),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!((told[0].as_str(), told[3].as_str()), ("-0.5 true -2 false ", ""));
    assert!(told[1].contains("it answers 400: too long"), "{told:?}");
    assert!(told[2].contains("it was given 2 tokens, and counts 3"), "{told:?}");
}

#[test]
fn a_server_that_is_not_there_or_has_no_such_model_is_told() {
    let fails = |options: Options| Remote::connect(options).expect_err("it fails");
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let gone = fails(Options { retries: 0, ..options(&format!("http://{nobody}")) });
    assert!(
        gone.to_string().contains("cannot be reached") && gone.hint().is_some_and(|it| it.contains("--endpoint")),
        "{gone}"
    );
    let secret = fails(Options { retries: 0, ..options(&format!("http://me:pass@{nobody}/v1/?token=hidden")) });
    let told = format!("{secret} {secret:?}");
    assert!(told.contains(&format!("http://{nobody}/v1/models")), "{told}");
    assert!(!told.contains("pass") && !told.contains("hidden"), "{told}");
    let keyed = Options { api_key: Some("hidden".into()), ..options("http://me:pass@there") };
    assert!(!format!("{keyed:?}").contains("hidden") && !format!("{keyed:?}").contains("pass"));
    let broken = fails(Options { api_key: Some("hid\nden".into()), ..options("http://there") });
    assert!(broken.to_string().contains("no header may"), "{broken}");
    assert!(matches!(fails(options("localhost:8000")), Error::Request { .. }));
    assert!(matches!(fails(options("http://")), Error::Request { .. }));
    let endpoint = serve(|_| models());
    let other = fails(Options { model: Some("huge".into()), ..options(&endpoint) });
    assert_eq!(other.hint().as_deref(), Some("there are tiny, other"));
    assert_eq!(
        Remote::connect(Options { model: Some("other".into()), ..options(&endpoint) }).expect("known").model(),
        "other"
    );
    let silent = serve(|_| (200, "", "{}".into()));
    assert!(fails(options(&silent)).hint().is_some_and(|hint| hint.contains("--model-name")));
}
