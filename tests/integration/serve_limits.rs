//! `serve` among many clients, bad ones among them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::Dir;

use super::model_commands::yuan;

/// A text that goes on for long: what ends texts is held down.
fn long(prompt: &str, tokens: usize) -> Value {
    json!({ "prompt": prompt, "max_tokens": tokens, "logit_bias": { "0": -100 }, "seed": 1, "stream": true })
}

fn tiny() -> Dir {
    yuan()
}

#[test]
fn sixty_four_clients_get_what_each_gets_alone() {
    let dir = tiny();
    let server = Server::start(&dir, &["--max-concurrent", "24", "--batch-tokens", "16"]);
    let body = |number: usize| {
        json!({
            "prompt": format!("{} {number} of the river", "word ".repeat(number % 7)), "max_tokens": 6 + number % 11, "temperature": 1.5,
            "seed": number, "logprobs": 2, "echo": number.is_multiple_of(3),
        })
    };
    let alone: Vec<Value> = (0..64).map(|number| server.complete(&body(number))["choices"].take()).collect();
    let steps = server.metric("steps_total");
    let together: Vec<Value> = std::thread::scope(|scope| {
        let (server, body) = (&server, &body);
        let clients: Vec<_> =
            (0..64).map(|number| scope.spawn(move || server.complete(&body(number))["choices"].take())).collect();
        clients.into_iter().map(|client| client.join().expect("answered")).collect()
    });
    assert_eq!(together, alone);
    let less = server.metric("steps_total") - steps;
    assert!(less < steps, "texts are made together: {less} steps, {steps} one by one");
    server.wait("all are done", || server.metric("texts_running") == 0 && server.metric("cache_tokens_reserved") == 0);
}

#[test]
fn a_client_that_leaves_frees_its_place() {
    let dir = tiny();
    let server = Server::start(
        &dir,
        &["--max-concurrent", "2", "--max-positions", "1000000", "--cache-tokens", "2000000", "--memory", "8GiB"],
    );
    // One reads a stream, one waits for a whole answer: both leave.
    let mut streaming = server.connect();
    streaming
        .write_all(&server.request("POST", "/v1/completions", "", &long("The river", 500_000).to_string()))
        .expect("sent");
    let mut line = String::new();
    let mut lines = BufReader::new(streaming.try_clone().expect("cloned"));
    while !line.starts_with("data: ") {
        line.clear();
        assert!(lines.read_line(&mut line).expect("a line") > 0);
    }
    let mut whole = long("The river", 500_000);
    whole["stream"] = false.into();
    let mut waiting = server.connect();
    waiting.write_all(&server.request("POST", "/v1/completions", "", &whole.to_string())).expect("sent");
    server.wait("both are made", || server.metric("texts_running") == 2);
    // A third that waits for a place, and leaves before it has one.
    let mut third = server.connect();
    third.write_all(&server.request("POST", "/v1/completions", "", &whole.to_string())).expect("sent");
    server.wait("one waits", || server.metric("texts_waiting") == 1);
    drop((third, lines));
    streaming.shutdown(Shutdown::Both).expect("shut");
    drop(waiting);
    server.wait("places are free", || server.metric("texts_running") == 0);
    let answer = server.complete(&json!({ "prompt": "The river", "max_tokens": 3 }));
    assert_eq!(answer["usage"]["completion_tokens"], 3);
    server.wait("they are told of", || server.said().matches("client left").count() == 3);
    assert_eq!(server.metric("clients_left_total"), 3);
}

#[test]
fn requests_that_make_no_sense_are_told() {
    let dir = tiny();
    let server = Server::start(&dir, &["--max-body", "20kB", "--max-tokens", "50", "--name", "tiny"]);
    let told = |body: Value, param: &str, said: &str| {
        let path = if body.get("messages").is_some() { "/v1/chat/completions" } else { "/v1/completions" };
        let answer = server.post(path, &body);
        let (found, _, message) = answer.error();
        let expected = Some(param).filter(|param| !param.is_empty()).map(str::to_owned);
        assert!((answer.status, found) == (400, expected) && message.contains(said), "{body}: {answer:?}");
    };
    told(json!({}), "prompt", "`prompt` is missing");
    told(json!({ "prompt": "" }), "prompt", "no tokens");
    told(json!({ "prompt": [] }), "prompt", "empty list");
    told(json!({ "prompt": ["a", ""] }), "prompt", "no tokens");
    told(json!({ "prompt": [1, 512] }), "prompt", "the token 512, and the model has 512");
    told(json!({ "prompt": [1, "a"] }), "prompt", "beside prompts");
    told(json!({ "prompt": { "text": "a" } }), "prompt", "expected a text, a list of texts");
    told(json!({ "prompt": vec!["a"; 129] }), "prompt", "129 prompts");
    told(json!({ "prompt": "a", "n": 129 }), "n", "from 1 to 128");
    told(json!({ "prompt": "a", "n": 0 }), "n", "from 1 to 128");
    told(json!({ "prompt": "a", "n": 2, "best_of": 1 }), "best_of", "less than `n`");
    told(json!({ "prompt": "a", "best_of": 3, "stream": true }), "best_of", "cannot be streamed");
    told(json!({ "prompt": "a", "temperature": -1 }), "temperature", "at least 0");
    told(json!({ "prompt": "a", "temperature": "hot" }), "temperature", "invalid type: string");
    for cold in [1e-46, 1e-40, 9e-7] {
        told(json!({ "prompt": "a", "temperature": cold }), "temperature", "at least 0.000001");
        let asked = json!({ "ques_list": [{ "ques": "a" }], "temperature": cold, "tokens_to_generate": 2 }).to_string();
        let yuan = server.raw(&server.request("PUT", "/yuan", "", &asked)).json();
        assert_eq!((&yuan["flag"], &yuan["errCode"]), (&json!(false), &json!(1)), "{yuan}");
    }
    told(json!({ "prompt": "a", "top_p": 0 }), "top_p", "greater than 0");
    told(json!({ "prompt": "a", "top_k": -2 }), "top_k", "greater than 0");
    told(json!({ "prompt": "a", "repetition_penalty": 0 }), "repetition_penalty", "at least 0.01");
    told(json!({ "prompt": "a", "presence_penalty": 3 }), "presence_penalty", "at most 2");
    told(json!({ "prompt": "a", "logit_bias": { "512": 1 } }), "logit_bias", "no token's id");
    told(json!({ "prompt": "a", "logit_bias": { "1": 101 } }), "logit_bias", "at most 100");
    for id in ["+1", "01", "1.0", " 1", "-1", ""] {
        told(json!({ "prompt": "a", "logit_bias": { id: 1 } }), "logit_bias", &format!("`{id}` is no token's id"));
    }
    let biases: serde_json::Map<String, Value> = (0..1025).map(|id| (id.to_string(), json!(1))).collect();
    told(json!({ "prompt": "a", "logit_bias": biases }), "logit_bias", "1025 tokens; it must have 1024 at most");
    told(json!({ "prompt": "a", "logprobs": 21 }), "logprobs", "at most 20");
    told(json!({ "prompt": "a", "logprobs": true }), "logprobs", "it is a number");
    told(json!({ "prompt": "a", "stop": "" }), "stop", "1 to 1024 bytes");
    told(json!({ "prompt": "a", "stop": vec!["x"; 17] }), "stop", "at most 16");
    told(json!({ "prompt": "a", "max_tokens": -1 }), "max_tokens", "expected u32");
    told(json!({ "prompt": "a", "max_tokens": 51 }), "max_tokens", "50 at most");
    told(json!({ "prompt": "a", "suffix": "b" }), "suffix", "not supported");
    told(json!({ "prompt": "a", "top_logprobs": 2 }), "top_logprobs", "not supported");
    told(json!({ "prompt": "a", "min_p": 0.1 }), "min_p", "no field that this server knows");
    told(json!({ "prompt": "a", "stream_options": { "usage": true } }), "usage", "no field");
    told(json!({ "messages": [] }), "messages", "empty list");
    told(json!({ "messages": [{ "role": "user", "content": "a" }] }), "messages", "no chat template");
    told(json!({ "messages": [{ "content": "a" }] }), "messages[0].role", "must be a text");
    told(
        json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url" }] }] }),
        "messages[0].content",
        "no text",
    );
    told(json!({ "messages": [{ "role": "user", "content": "a" }], "tools": [{}] }), "tools", "not supported");
    told(json!({ "messages": [{ "role": "user", "content": "a" }], "echo": true }), "echo", "not supported");
    told(json!({ "messages": "a" }), "messages", "invalid type");
    let long = server.post("/v1/completions", &json!({ "prompt": "word ".repeat(200), "max_tokens": 20 }));
    let (param, code, message) = long.error();
    assert_eq!(
        (long.status, param.as_deref(), code.as_deref()),
        (400, Some("prompt"), Some("context_length_exceeded")),
        "{message}"
    );
    // Where nothing is to be made either: a prompt is read whole.
    for echo in [false, true] {
        let body = json!({ "prompt": "word ".repeat(200), "max_tokens": 0, "echo": echo, "logprobs": 1 });
        let long = server.post("/v1/completions", &body);
        assert_eq!((long.status, long.error().1.as_deref()), (400, Some("context_length_exceeded")), "{long:?}");
    }
    // Numbers nobody named are the server's own; those somebody named are not called too long together.
    let ask = |more: Value| {
        let mut body = json!({ "ques_list": [{ "ques": "The river" }], "top_k": 1 });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        server.raw(&server.request("PUT", "/yuan", "", &body.to_string())).json()
    };
    let many = ask(json!({ "tokens_to_generate": 51 }));
    assert_eq!((&many["flag"], &many["errCode"]), (&json!(false), &json!(1)));
    assert_eq!(many["exceptionMsg"], "tokens_to_generate is 51, and this server makes 50 at most");
    assert_eq!(ask(json!({}))["flag"], true);
    let other = server.post("/v1/completions", &json!({ "model": "gpt-4", "prompt": "a" }));
    assert_eq!((other.status, other.error().1.as_deref()), (404, Some("model_not_found")));
    assert_eq!(server.get("/v1/models/gpt-4").status, 404);

    let raw = |request: &str| server.raw(request.replace("HOST", &server.address).as_bytes());
    let broken = server.raw(&server.request("POST", "/v1/completions", "", "{\"prompt\":\n \"a\", }"));
    assert!(
        broken.status == 400 && broken.error().2.contains("no JSON: trailing comma at line 2 column 7"),
        "{broken:?}"
    );
    let empty = server.raw(&server.request("POST", "/v1/completions", "", ""));
    assert!(empty.status == 400 && empty.error().2.contains("EOF"), "{empty:?}");
    // A length of four, and what is no text.
    let binary = server.request("POST", "/v1/completions", "", "....");
    let binary = server.raw(&[&binary[..binary.len() - 4], b"\xff\x00\x1b{"].concat());
    assert!(binary.status == 400 && binary.error().2.contains("no JSON"), "{binary:?}");
    let broken_text = server.request("POST", "/v1/completions", "", "{\"prompt\": \"..\"}");
    let at = broken_text.len() - 4;
    let broken_text = server.raw(&[&broken_text[..at], b"\xff\xfe", &broken_text[at + 2..]].concat());
    assert!(broken_text.status == 400 && broken_text.error().2.contains("no JSON"), "{broken_text:?}");
    let deep = server.raw(&server.request(
        "POST",
        "/v1/completions",
        "",
        &format!("{{\"response_format\": {}", "[".repeat(15_000)),
    ));
    assert!(deep.status == 400 && deep.error().2.contains("recursion limit"), "{deep:?}");
    let wrong = server.get("/v1/completions");
    assert!(wrong.status == 405 && wrong.head.contains("allow: post"), "{wrong:?}");
    let nowhere = server.get("/v2/completions");
    assert_eq!((nowhere.status, nowhere.error().1.as_deref()), (404, Some("unknown_url")));
    let plain = raw(
        "POST /v1/completions HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
    );
    assert!(plain.status == 415 && plain.error().2.contains("`text/plain`"), "{plain:?}");
    for request in ["\x16\x03\x01\x02\x00\x01\x00\x01", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        let mut stream = server.connect();
        stream.write_all(format!("{request}\r\n\r\n").as_bytes()).expect("sent");
        let mut answer = Vec::new();
        // Answered with 400 or closed at once.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    }
    let head = raw(&format!(
        "GET /health HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nX-Long: {}\r\n\r\n",
        "a".repeat(100_000)
    ));
    assert_eq!(head.status, 431, "{head:?}");
    // Too long: said beforehand, or found out.
    let body = json!({ "prompt": "a".repeat(30_000) }).to_string();
    let large = server.raw(&server.request("POST", "/v1/completions", "", &body));
    assert_eq!((large.status, large.error().1.as_deref()), (413, Some("request_too_large")));
    let chunked = format!(
        "POST /v1/completions HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert_eq!(raw(&chunked).status, 413);
    assert_eq!(server.get("/health").status, 200, "it is still there");
    assert!(!server.get("/health").head.contains("access-control"));
}

#[test]
fn who_has_no_key_is_not_answered() {
    let dir = tiny();
    let server = Server::start(&dir, &["--api-key", "sk-right"]);
    let ask = |head: &str| server.raw(&server.request("GET", "/v1/models", head, ""));
    for head in [
        "",
        "Authorization: Bearer sk-wrong\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Basic sk-right\r\n",
        "Authorization: Bearer sk-right2\r\n",
    ] {
        let answer = ask(head);
        assert_eq!((answer.status, answer.error().1.as_deref()), (401, Some("invalid_api_key")), "{head}");
        assert!(answer.head.contains("www-authenticate: bearer"));
    }
    assert_eq!(ask("Authorization: Bearer sk-right\r\n").status, 200);
    assert_eq!(ask("authorization: bearer sk-right\r\n").status, 200);
    assert_eq!((server.get("/health").status, server.get("/metrics").status), (200, 401));
    assert!(!server.said().contains("sk-right"), "{}", server.said());
    assert!(!server.said().contains("warning: other machines"));
    let mut command = dir.command(&["serve", "m", "--api-key", "two words"]);
    assert_eq!(command.output().expect("it starts").status.code(), Some(2));
}

#[test]
fn what_waits_is_bounded() {
    let dir = tiny();
    let server = Server::start(
        &dir,
        &["--max-concurrent", "1", "--queue", "2", "--max-positions", "1000000", "--memory", "8GiB"],
    );
    let mut streaming = server.connect();
    streaming
        .write_all(&server.request("POST", "/v1/completions", "", &long("The river", 800_000).to_string()))
        .expect("sent");
    server.wait("one is made", || server.metric("texts_running") == 1);
    let short = json!({ "prompt": "a", "max_tokens": 2 });
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(&server.request("POST", "/v1/completions", "", &short.to_string())).expect("sent");
            stream
        })
        .collect();
    server.wait("two wait", || server.metric("texts_waiting") == 2);
    let full = server.post("/v1/completions", &short);
    assert_eq!((full.status, full.error().1.as_deref()), (429, Some("queue_full")));
    assert!(full.head.contains("retry-after: 1"), "{full:?}");
    // When the first leaves, those that waited are answered.
    streaming.shutdown(Shutdown::Both).expect("shut");
    for mut stream in waiting {
        let mut told = String::new();
        stream.read_to_string(&mut told).expect("read");
        assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    }
    assert_eq!(server.post("/v1/completions", &short).status, 200);
}

#[test]
fn a_stream_is_over_in_time_however_slowly_it_is_read() {
    let dir = tiny();
    let server = Server::start(&dir, &["--max-positions", "1000000", "--memory", "8GiB", "--timeout", "2"]);
    // One reads all there is, one goes on reading less than is made, so that there is always something to be told.
    let mut streams = [server.connect(), server.connect()];
    for stream in &mut streams {
        let asked = server.request("POST", "/v1/completions", "", &long("The river", 900_000).to_string());
        stream.write_all(&asked).expect("sent");
    }
    let is_over = AtomicBool::new(false);
    let told: Vec<String> = std::thread::scope(|scope| {
        let read = |(stream, is_slow): (&mut TcpStream, bool)| {
            let (mut told, mut some) = (Vec::new(), [0; 1024]);
            loop {
                let count = stream.read(&mut some).expect("read");
                told.extend_from_slice(&some[..count]);
                if count == 0 {
                    return String::from_utf8_lossy(&told).into_owned();
                }
                if is_slow && !is_over.load(Relaxed) {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        };
        let readers: Vec<_> =
            streams.iter_mut().zip([false, true]).map(|reader| scope.spawn(move || read(reader))).collect();
        server.wait("both are made", || server.metric("texts_running") == 2);
        server.wait("both are given up", || server.metric("texts_running") == 0);
        is_over.store(true, Relaxed);
        readers.into_iter().map(|reader| reader.join().expect("read")).collect()
    });
    for told in told {
        let end = &told[told.len() - 500..];
        assert!(end.contains("\"code\":\"timeout\"") && end.contains("data: [DONE]"), "{end}");
    }
    let whole = json!({ "prompt": "The river", "max_tokens": 900_000, "logit_bias": { "0": -100 } });
    let late = server.post("/v1/completions", &whole);
    assert_eq!((late.status, late.error().1.as_deref()), (504, Some("timeout")));
}

#[test]
fn memory_of_answers_is_bounded() {
    let dir = tiny();
    // An eighth of the budget is for answers, half of that for one.
    let server = Server::start(&dir, &["--max-positions", "50000", "--cache-tokens", "200000", "--memory", "64MiB"]);
    let many = json!({ "prompt": "The river", "max_tokens": 50, "n": 128, "logprobs": 20 });
    for (path, body) in [
        ("/v1/completions", many.clone()),
        ("/v1/completions", json!({ "prompt": vec![1; 1000], "max_tokens": 0, "n": 128, "echo": true })),
        ("/v1/completions", json!({ "prompt": "The river", "max_tokens": 300, "n": 1, "best_of": 128 })),
        ("/v1/completions", long("The river", 40_000)),
    ] {
        let refused = server.post(path, &body);
        let (_, code, message) = refused.error();
        assert_eq!((refused.status, code.as_deref()), (400, Some("answer_too_large")), "{body}: {refused:?}");
        assert!(message.contains("this server makes 4096 KiB at most"), "{message}");
    }
    assert_eq!(server.get("/metrics").status, 200);
    let mut fewer = many;
    fewer["n"] = 10.into();
    assert_eq!(server.post("/v1/completions", &fewer).status, 200);
    // Those whose answers nobody reads have their memory until they leave.
    let unread: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = server.connect();
            let body = long("The river", 20_000).to_string();
            stream.write_all(&server.request("POST", "/v1/completions", "", &body)).expect("sent");
            stream
        })
        .collect();
    server.wait("they are made", || server.metric("texts_running") == 2);
    let full = server.post("/v1/completions", &fewer);
    assert_eq!((full.status, full.error().1.as_deref()), (429, Some("queue_full")));
    drop(unread);
    server.wait("they have left", || server.metric("clients_left_total") == 2);
    server.wait("there is room", || server.post("/v1/completions", &fewer).status == 200);
}

#[test]
fn slow_clients_are_not_waited_for() {
    let dir = tiny();
    let server = Server::start(&dir, &["--client-timeout", "1", "--max-positions", "1000000", "--memory", "16GiB"]);
    let start = Instant::now();
    // A head that never ends, a body that never ends, an answer that is not read.
    let mut head = server.connect();
    head.write_all(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nX-").expect("sent");
    let mut body = server.connect();
    body.write_all(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"pro").expect("sent");
    let mut unread = server.connect();
    unread
        .write_all(&server.request("POST", "/v1/completions", "", &{
            let mut body = long("The river", 2_000);
            body["logprobs"] = 20.into();
            body["n"] = 64.into();
            body.to_string()
        }))
        .expect("sent");
    let mut said = String::new();
    head.read_to_string(&mut said).expect("closed");
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    said.clear();
    body.read_to_string(&mut said).expect("closed");
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("the body was not there after 1 seconds"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    server.wait("who does not read is given up", || {
        server.metric("texts_running") == 0 && server.said().contains("client left")
    });
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_server_that_stops_ends_what_it_has_begun() {
    let dir = tiny();
    let server = Server::start(&dir, &["--max-positions", "100000", "--grace", "300"]);
    let mut stream = server.connect();
    stream
        .write_all(&server.request("POST", "/v1/completions", "", &long("The river", 300).to_string()))
        .expect("sent");
    let mut first = [0; 400];
    stream.read_exact(&mut first).expect("it begins");
    let idle = server.connect();
    server.terminate();
    server.wait("it says so", || server.said().contains("stopping: "));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("all of it");
    let answer = [&first[..], &rest].concat();
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.contains("\"finish_reason\":\"length\"") && answer.contains("data: [DONE]"),
        "{}",
        &answer[answer.len() - 400..]
    );
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("POST /v1/completions 200 ") && said.contains(", 300 out\n"), "{said}");
    drop(idle);
}

#[test]
fn a_server_that_stops_does_not_wait_for_ever() {
    let dir = tiny();
    let server = Server::start(&dir, &["--max-positions", "1000000", "--grace", "0.5", "--memory", "8GiB"]);
    let mut stream = server.connect();
    stream
        .write_all(&server.request("POST", "/v1/completions", "", &long("The river", 900_000).to_string()))
        .expect("sent");
    let mut first = [0; 400];
    stream.read_exact(&mut first).expect("it begins");
    let mut waiting = server.connect();
    let mut whole = long("The river", 900_000);
    whole["stream"] = false.into();
    waiting.write_all(&server.request("POST", "/v1/completions", "", &whole.to_string())).expect("sent");
    server.wait("both are made", || server.metric("texts_running") == 2);
    let start = Instant::now();
    server.terminate();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("what there is");
    assert!(
        rest.contains("\"code\":\"server_stopping\"") && rest.contains("data: [DONE]"),
        "{}",
        &rest[rest.len() - 400..]
    );
    rest.clear();
    waiting.read_to_string(&mut rest).expect("what there is");
    assert!(rest.starts_with("HTTP/1.1 503"), "{rest}");
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let dir = tiny();
    let server = Server::start(&dir, &[]);
    let port = server.address.rsplit(':').next().expect("a port").to_owned();
    dir.run(&["serve", "m", "--port", &port]).fails(1, &["cannot listen at `127.0.0.1:", "in use"]);
    dir.run(&["serve", "m", "--host", "no.such.host.invalid"])
        .fails(1, &["cannot listen at `no.such.host.invalid:8000`"]);
    dir.run(&["serve", "no-model"]).fails(2, &["there is no model `no-model`"]);
    dir.run(&["serve", "m", "--timeout", "never"]).fails(2, &["`never` is no number of seconds"]);
    dir.run(&["serve", "m", "--max-body", "0"]).fails(2, &["a limit is 0"]);
    let open = Server::start(&dir, &["--host", "0.0.0.0", "--memory", "64MiB", "--cache-tokens", "100"]);
    assert!(open.said().contains("warning: other machines can reach this server"), "{}", open.said());
    assert!(
        open.said().contains("memory for 100 tokens of keys and values, and a text may have 128"),
        "{}",
        open.said()
    );
    let port = open.address.rsplit(':').next().expect("a port");
    assert!(TcpStream::connect(format!("127.0.0.1:{port}")).is_ok());
}
