//! `serve`: what is answered. Texts are those of `model generate`, probabilities those of `model perplexity`.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Dir, Ran};

use super::model_commands::{json_lines, qwen, yuan};

fn texts(answer: &Value) -> Vec<&str> {
    answer["choices"]
        .as_array()
        .expect("choices")
        .iter()
        .map(|choice| choice["text"].as_str().expect("a text"))
        .collect()
}

fn generated(ran: &Ran) -> Vec<String> {
    json_lines(ran).iter().map(|line| line["text"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn texts_are_those_of_generate() {
    let dir = yuan();
    let server = Server::start(&dir, &[]);
    let generate = |more: &[&str]| {
        let fixed = [
            "model",
            "generate",
            "m",
            "-n",
            "20",
            "--json",
            "-q",
            "-p",
            "The river",
            "-p",
            "今天天气",
            "-p",
            "def f():",
        ];
        generated(&dir.ok(&[&fixed[..], more].concat()))
    };
    let prompts = json!(["The river", "今天天气", "def f():"]);
    let greedy = server.complete(&json!({ "prompt": prompts, "max_tokens": 20, "temperature": 0 }));
    assert_eq!(texts(&greedy), generate(&[]));
    assert_eq!((&greedy["object"], &greedy["model"]), (&json!("text_completion"), &json!("m")));
    let usage = &greedy["usage"];
    assert_eq!(
        usage["total_tokens"].as_u64(),
        usage["prompt_tokens"].as_u64().zip(usage["completion_tokens"].as_u64()).map(|(a, b)| a + b)
    );
    // By lot: the number of a prompt in its request is that of `generate`.
    let lot = json!({ "prompt": prompts, "max_tokens": 20, "temperature": 2, "top_p": 0.9, "top_k": 50, "repetition_penalty": 1.2, "seed": 5 });
    let by_lot = server.complete(&lot);
    let expected = generate(&[
        "--temperature",
        "2",
        "--top-p",
        "0.9",
        "--top-k",
        "50",
        "--repetition-penalty",
        "1.2",
        "--seed",
        "5",
    ]);
    assert_eq!(texts(&by_lot), expected);
    assert_eq!(texts(&server.complete(&lot)), expected, "the seed decides");
    // Nobody's seed is nobody's.
    let any = json!({ "prompt": "The river", "max_tokens": 20, "temperature": 5, "n": 2 });
    let (one, other) = (server.complete(&any), server.complete(&any));
    assert!(texts(&one)[0] != texts(&one)[1] && texts(&one) != texts(&other));
    // Sixteen tokens unless it is said.
    assert_eq!(server.complete(&json!({ "prompt": "The river", "temperature": 0 }))["usage"]["completion_tokens"], 16);
    // The best of some is one of them.
    let some = json!({ "prompt": "A", "max_tokens": 6, "temperature": 2, "seed": 1, "n": 5, "logprobs": 0 });
    let some = server.complete(&some);
    let best =
        server.complete(&json!({ "prompt": "A", "max_tokens": 6, "temperature": 2, "seed": 1, "n": 2, "best_of": 5 }));
    let mean = |choice: &Value| {
        let all: Vec<f64> =
            choice["logprobs"]["token_logprobs"].as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    let mut ranked: Vec<&Value> = some["choices"].as_array().expect("choices").iter().collect();
    ranked.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    assert_eq!(
        texts(&best),
        [ranked[0]["text"].as_str().expect("a text"), ranked[1]["text"].as_str().expect("a text")]
    );
    assert_eq!(best["choices"][0]["logprobs"], Value::Null);
    let said = server.said();
    assert!(said.contains("POST /v1/completions 200 ") && said.contains(" tokens in, 60 out\n"), "{said}");
}

#[test]
fn texts_end_and_are_pushed_as_asked() {
    let dir = yuan();
    let server = Server::start(&dir, &[]);
    let ask = |more: Value| {
        let mut body = json!({ "prompt": "The river", "max_tokens": 30, "temperature": 0 });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        server.complete(&body)
    };
    let whole = ask(json!({}));
    let text = texts(&whole)[0];
    assert_eq!(whole["choices"][0]["finish_reason"], "length");
    let stop: String = text.chars().skip(text.chars().count() / 2).filter(|c| *c != '\u{fffd}').take(1).collect();
    let stopped = ask(json!({ "stop": ["no such text", stop] }));
    assert_eq!(
        (texts(&stopped)[0], &stopped["choices"][0]["finish_reason"]),
        (text.split(&stop).next().expect("a part"), &json!("stop"))
    );
    assert_eq!(ask(json!({ "stop": stop }))["choices"], stopped["choices"]);
    // A token that is pushed comes at once and for ever, one that is held down never; token 0 ends a text.
    let tokens = |answer: &Value| answer["choices"][0]["logprobs"]["tokens"].as_array().expect("tokens").clone();
    let pushed = ask(json!({ "logit_bias": { "70": 100 }, "max_tokens": 4, "logprobs": 0 }));
    assert_eq!(tokens(&pushed), vec![tokens(&pushed)[0].clone(); 4]);
    let ended = ask(json!({ "logit_bias": { "0": 100 } }));
    assert_eq!(
        (texts(&ended)[0], &ended["choices"][0]["finish_reason"], &ended["usage"]["completion_tokens"]),
        ("", &json!("stop"), &json!(1))
    );
    // Without repetition there is none.
    let shy = ask(
        json!({ "presence_penalty": 2, "frequency_penalty": 2, "logprobs": 0, "logit_bias": { "70": 5, "71": 5, "72": 5 } }),
    );
    let bold = ask(json!({ "logprobs": 0, "logit_bias": { "70": 5, "71": 5, "72": 5 } }));
    let different =
        |answer: &Value| tokens(answer).iter().map(Value::to_string).collect::<std::collections::BTreeSet<_>>().len();
    assert!(different(&shy) > different(&bold), "{shy} {bold}");
}

/// What `model perplexity` says of each token of a text.
fn per_token(dir: &Dir, text: &str, prefix: &str) -> Vec<f64> {
    dir.file("one.jsonl", json!({ "text": text }).to_string());
    let fixed =
        ["model", "perplexity", "m", "one.jsonl", "--each", "--per-token", "--window", "128", "-q", "--prefix", prefix];
    let line = json_lines(&dir.ok(&fixed)).remove(0);
    line["token_log_probs"].as_array().expect("a list").iter().map(|one| one.as_f64().expect("a number")).collect()
}

#[test]
fn probabilities_of_a_prompt_are_those_of_perplexity() {
    let texts = [
        "The river runs through the old town, as rivers do.",
        "今天天气很好，我们去长江边走走。",
        "naïve café \u{1f600}!",
    ];
    for (dir, starts_of_text) in [(yuan(), "eod"), (qwen(), "eod")] {
        let server = Server::start(&dir, &["--batch-tokens", "7"]);
        for text in texts {
            let ask = |prompt: Value, more: u64| {
                server.complete(
                    &json!({ "prompt": prompt, "max_tokens": more, "echo": true, "logprobs": 2, "temperature": 0 }),
                )["choices"][0]
                    .take()
            };
            let numbers = |choice: &Value| -> Vec<Option<f64>> {
                choice["logprobs"]["token_logprobs"].as_array().expect("a list").iter().map(Value::as_f64).collect()
            };
            let scored = ask(json!(text), 0);
            assert_eq!((&scored["text"], &scored["finish_reason"]), (&json!(text), &json!("length")));
            let expected: Vec<Option<f64>> =
                std::iter::once(None).chain(per_token(&dir, text, "none").into_iter().map(Some)).collect();
            assert_eq!(numbers(&scored), expected, "{text}");
            // Behind what documents end with, as `model perplexity` reads by default.
            let behind = ask(json!(format!("<eod>{text}")), 0);
            let expected: Vec<Option<f64>> =
                std::iter::once(None).chain(per_token(&dir, text, starts_of_text).into_iter().map(Some)).collect();
            assert_eq!(numbers(&behind), expected, "{text}");
            // A token more, as lm-eval asks.
            let more = ask(json!(text), 1);
            let logprobs = &more["logprobs"];
            let count = numbers(&scored).len();
            assert_eq!(numbers(&more)[..count], numbers(&scored));
            assert_eq!(numbers(&more).len(), count + 1);
            let (tokens, tops) = (&logprobs["tokens"], &logprobs["top_logprobs"]);
            let last: Vec<(&String, f64)> = tops[count]
                .as_object()
                .expect("a map")
                .iter()
                .map(|(name, value)| (name, value.as_f64().expect("a number")))
                .collect();
            assert_eq!(
                (last.len(), last[0].0.as_str(), Some(last[0].1)),
                (2, tokens[count].as_str().expect("a token"), numbers(&more)[count])
            );
            for at in 1..count {
                let own = tokens[at].as_str().expect("a token");
                let top = tops[at].as_object().expect("a map");
                assert!((2..=3).contains(&top.len()) && top[own] == logprobs["token_logprobs"][at], "{top:?} {own}");
                let greatest = top.values().filter_map(Value::as_f64).fold(f64::NEG_INFINITY, f64::max);
                assert!(numbers(&more)[at].is_some_and(|own| own <= greatest && own < 0.0));
            }
            // Where tokens begin, in characters.
            let offsets: Vec<usize> = logprobs["text_offset"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|at| Some(at.as_u64()? as usize))
                .collect();
            assert!(offsets.is_sorted() && offsets[0] == 0 && offsets[count] == text.chars().count(), "{offsets:?}");
            for (at, token) in offsets.iter().zip(tokens.as_array().expect("tokens")).take(count) {
                let token = token.as_str().expect("a token");
                let there: String = text.chars().skip(*at).collect();
                assert!(there.starts_with(token) || token.starts_with("bytes:\\x"), "{token:?} at {at}");
            }
        }
    }
}

#[test]
fn prompts_of_tokens_are_those_of_their_text() {
    let dir = yuan();
    let server = Server::start(&dir, &[]);
    let tokenizer = tokenizers::Tokenizer::from_file(dir.path("m/tokenizer.json")).expect("a tokenizer");
    let ids = tokenizer.encode("The river 今天", false).expect("tokens").get_ids().to_vec();
    let ask = |prompt: Value| {
        let body = json!({ "prompt": prompt, "max_tokens": 9, "temperature": 0, "echo": true, "logprobs": 1 });
        server.complete(&body)["choices"].take()
    };
    let by_text = ask(json!("The river 今天"));
    assert_eq!(ask(json!(ids)), by_text);
    assert_eq!(ask(json!([ids])), by_text);
    assert_eq!(ask(json!([ids, [1], "The river 今天"]))[2]["text"], by_text[0]["text"]);
}

#[test]
fn a_stream_says_what_a_whole_answer_says() {
    let dir = yuan();
    let server = Server::start(&dir, &["--batch-tokens", "3"]);
    for more in [
        json!({}),
        json!({ "echo": true, "logprobs": 3 }),
        json!({ "logprobs": 0, "n": 3, "stop": ["e"] }),
        json!({ "echo": true, "max_tokens": 0, "logprobs": 1 }),
    ] {
        let mut body = json!({ "prompt": ["The river", "今天天气"], "max_tokens": 25, "temperature": 1.5, "seed": 3 });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let whole = server.complete(&body);
        body["stream"] = true.into();
        body["stream_options"] = json!({ "include_usage": true });
        let answer = server.post("/v1/completions", &body);
        assert!(answer.status == 200 && answer.head.contains("content-type: text/event-stream"), "{answer:?}");
        let mut events = answer.events();
        let usage = events.pop().expect("usage");
        assert_eq!((&usage["usage"], &usage["choices"]), (&whole["usage"], &json!([])));
        assert!(events.iter().all(|event| event.get("usage") == Some(&Value::Null)));
        for choice in whole["choices"].as_array().expect("choices") {
            let parts: Vec<&Value> = events
                .iter()
                .map(|event| &event["choices"][0])
                .filter(|part| part["index"] == choice["index"])
                .collect();
            let text: String = parts.iter().map(|part| part["text"].as_str().expect("a text")).collect();
            assert_eq!(text, choice["text"].as_str().expect("a text"));
            assert_eq!(parts.last().expect("a part")["finish_reason"], choice["finish_reason"]);
            assert!(parts[..parts.len() - 1].iter().all(|part| part["finish_reason"].is_null()));
            for column in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
                let joined: Vec<&Value> =
                    parts.iter().filter_map(|part| part["logprobs"][column].as_array()).flatten().collect();
                let whole: Vec<&Value> = choice["logprobs"][column].as_array().into_iter().flatten().collect();
                assert_eq!(joined, whole, "{column}");
            }
        }
    }
}

#[test]
fn chats_are_written_by_the_template() {
    let dir = qwen();
    let server = Server::start(&dir, &["--name", "qwen"]);
    let generate =
        ["model", "generate", "m", "-n", "12", "--json", "-q", "--chat", "--system", "Be brief.", "-p", "Hi"];
    let expected = generated(&dir.ok(&generate)).remove(0);
    let body = json!({
        "model": "qwen", "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": [{ "type": "text", "text": "Hi" }] }],
        "max_completion_tokens": 12, "temperature": 0, "logprobs": true, "top_logprobs": 2,
    });
    let answer = server.post("/v1/chat/completions", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let whole = answer.json();
    let choice = &whole["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["message"]["role"]), (&json!(expected), &json!("assistant")));
    let told = choice["logprobs"]["content"].as_array().expect("a list");
    assert_eq!(
        (Some(told.len() as u64), &whole["object"]),
        (whole["usage"]["completion_tokens"].as_u64(), &json!("chat.completion"))
    );
    for token in told {
        assert_eq!(token["top_logprobs"].as_array().map(Vec::len), Some(2));
        assert_eq!(
            (&token["top_logprobs"][0]["token"], &token["top_logprobs"][0]["logprob"]),
            (&token["token"], &token["logprob"])
        );
    }
    let bytes: Vec<u8> = told
        .iter()
        .flat_map(|token| token["bytes"].as_array().expect("bytes"))
        .filter_map(|byte| Some(byte.as_u64()? as u8))
        .collect();
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
    let mut streamed = body.clone();
    streamed["stream"] = true.into();
    streamed["n"] = 2.into();
    let events = server.post("/v1/chat/completions", &streamed).events();
    assert_eq!(events[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    assert!(events.iter().all(|event| event.get("usage").is_none()));
    for index in 0..2 {
        let parts: Vec<&Value> =
            events.iter().map(|event| &event["choices"][0]).filter(|part| part["index"] == index).collect();
        let text: String = parts.iter().filter_map(|part| part["delta"]["content"].as_str()).collect();
        assert_eq!(text, expected);
        let last = parts.last().expect("a part");
        assert_eq!((&last["delta"], &last["finish_reason"]), (&json!({}), &choice["finish_reason"]));
        let tokens: Vec<&Value> =
            parts.iter().filter_map(|part| part["logprobs"]["content"].as_array()).flatten().collect();
        assert_eq!(tokens, told.iter().collect::<Vec<_>>());
    }
    let models = server.get("/v1/models").json();
    assert_eq!((&models["data"][0]["id"], &models["data"][0]["max_model_len"]), (&json!("qwen"), &json!(128)));
    assert_eq!(server.get("/v1/models/qwen").json(), models["data"][0]);
    let health = server.get("/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    // Without a number, up to the end of the context.
    let mut open = body;
    open.as_object_mut().expect("an object").remove("max_completion_tokens");
    open["logit_bias"] = json!({ "0": -100 });
    let usage = server.post("/v1/chat/completions", &open).json()["usage"].take();
    assert_eq!(usage["total_tokens"], 128, "{usage}");
}

#[test]
fn yuans_own_interface() {
    let dir = yuan();
    let server = Server::start(&dir, &[]);
    let ask = |body: Value| {
        let answer = server.raw(&server.request("PUT", "/yuan", "", &body.to_string()));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let generate = ["model", "generate", "m", "-n", "8", "--json", "-q", "-p", "The river", "-p", "今天天气"];
    let expected = generated(&dir.ok(&generate));
    let asked = json!({
        "ques_list": [{ "id": "a", "ques": "The river" }, { "ques": "今天天气" }], "tokens_to_generate": 8, "top_k": 1, "temperature": 1,
        "top_p": 0, "random_seed": 3, "logprobs": false, "no_log": true, "length_penalty": 1,
    });
    let whole = |question: &str, text: &str| format!("{question}{text}").trim().to_owned();
    assert_eq!(
        ask(asked),
        json!({
            "flag": true, "errCode": "0", "errMessage": "success", "exceptionMsg": "",
            "resData": { "output": [
                { "id": "a", "ans": whole("The river", &expected[0]) }, { "id": "0", "ans": whole("今天天气", &expected[1]) },
            ] },
        })
    );
    // Behind the last `<sep>` of the question stands the answer alone.
    let answered = ask(json!({ "ques_list": [{ "ques": "x<sep>The river" }], "tokens_to_generate": 3, "top_k": 1 }));
    assert!(
        answered["resData"]["output"][0]["ans"].as_str().is_some_and(|text| text.starts_with("The river")),
        "{answered}"
    );
    for (fields, said) in [
        (json!({}), "ques_list argument required"),
        (json!({ "ques_list": [] }), "ques_list is empty"),
        (json!({ "ques_list": [{ "ques": "a" }], "temperature": 0 }), "temperature must be a positive number"),
        (
            json!({ "ques_list": [{ "ques": "a" }], "temperature": "hot" }),
            "the type of temperature must be int or float",
        ),
        (json!({ "ques_list": [{ "ques": "a" }], "top_k": 1001 }), "top_k must be an integer, from 0 to 1000"),
        (json!({ "ques_list": [{ "ques": "a" }], "top_k": 5, "top_p": 0.5 }), "top_k and top_p cannot be set both"),
        (json!({ "ques_list": [{ "ques": "a" }], "top_p": 1.5 }), "top_p must be at least 0"),
        (json!({ "ques_list": [{ "ques": "a" }], "tokens_to_generate": 0 }), "tokens_to_generate must be an integer"),
        (json!({ "ques_list": [{ "ques": "a" }], "tokens_to_generate": 128 }), "should be at most 128"),
        (json!({ "ques_list": [{ "ques": "a" }], "random_seed": -1 }), "random_seed must be an integer"),
        (json!({ "ques_list": [{ "ques": "a" }], "beam_width": 2 }), "beam_width is not supported here"),
        (json!({ "ques_list": [{ "ques": "a" }], "add_BOS": true }), "add_BOS is not supported here"),
        (json!({ "ques_list": [{ "ques": "a" }], "logprobs": 1 }), "logprobs must be a boolean value"),
        (json!({ "ques_list": [{ "ques": "a" }], "stop_token": "x" }), "stop_token must be an integer"),
        (json!([]), "invalid type"),
    ] {
        let told = ask(fields.clone());
        assert_eq!(
            (&told["flag"], &told["errCode"], &told["resData"], &told["successMessage"]),
            (&json!(false), &json!(1), &json!({}), &json!(""))
        );
        assert!(told["exceptionMsg"].as_str().is_some_and(|told| told.contains(said)), "{fields}: {told}");
    }
    let broken = server.raw(&server.request("PUT", "/yuan", "", "{"));
    assert!(
        broken.status == 200 && broken.json()["exceptionMsg"].as_str().is_some_and(|told| told.contains("no JSON")),
        "{broken:?}"
    );
    assert_eq!(server.post("/yuan", &json!({})).status, 405);
}

/// The `openai` package as it is distributed. `YUAN_PYTHON` names a Python that has it.
#[test]
fn openais_own_client() {
    let python = std::env::var("YUAN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = std::process::Command::new(&python).args(["-c", "import openai"]).output();
    if !has.is_ok_and(|ran| ran.status.success()) {
        eprintln!("skipped: `{python}` has no openai (YUAN_PYTHON names one that has)");
        return;
    }
    let dir = qwen();
    let server = Server::start(&dir, &["--api-key", "sk-test"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle/openai_client.py");
    let ran = std::process::Command::new(python)
        .args([script, &format!("http://{}/v1", server.address), "sk-test"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{}", server.said());
    assert!(String::from_utf8_lossy(&ran.stdout).contains("all of it"), "{said}");
}
