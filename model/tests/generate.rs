//! Chats are written, and tokens kept, as Hugging Face's transformers does it.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use yuan_gguf::{Array, Header, Value as Gguf};
use yuan_model::generate::{ChatTemplate, Message, RenderOptions, Sampler, Sampling};

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model/generate").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn options(case: &Value) -> RenderOptions {
    RenderOptions {
        add_generation_prompt: case["add_generation_prompt"].as_bool().unwrap(),
        // 2024-02-29 13:04:05.
        now: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_211_845)),
        extra: case["extra"].as_object().unwrap().clone(),
    }
}

#[test]
fn chats_are_written_as_transformers_writes_them() {
    for case in fixture("chat.json").as_array().unwrap() {
        let template = ChatTemplate::new(case["template"].as_str().unwrap()).unwrap();
        let ours = template.render(case["messages"].as_array().unwrap(), &options(case));
        match case["prompt"].as_str() {
            Some(prompt) => assert_eq!(ours.unwrap(), prompt, "{}", case["name"]),
            None => {
                let ours = ours.unwrap_err().to_string();
                let refused = case["refused"].as_str().unwrap();
                assert!(ours.starts_with(&format!("the chat template fails: {refused} (line ")), "{ours}");
            }
        }
    }
}

#[test]
fn the_default_template_is_that_of_qwen2() {
    for case in fixture("chat.json").as_array().unwrap().iter().filter(|case| case["name"] == "qwen2") {
        let messages: Vec<Message> = case["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| Message::new(message["role"].as_str().unwrap(), message["content"].as_str().unwrap()))
            .collect();
        assert_eq!(ChatTemplate::chatml().render(&messages, &options(case)).unwrap(), case["prompt"].as_str().unwrap());
    }
}

#[test]
fn tokens_are_kept_as_transformers_keeps_them() {
    let fixture = fixture("sampling.json");
    let floats = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NEG_INFINITY)).collect()
    };
    let ids = |value: &Value| -> Vec<u32> {
        value.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
    };
    for case in fixture["cases"].as_array().unwrap() {
        let settings: Sampling = serde_json::from_value(case["settings"].clone()).unwrap();
        let row = usize::try_from(case["row"].as_u64().unwrap()).unwrap();
        let logits: Vec<f32> = floats(&fixture["logits"][row]).iter().map(|logit| *logit as f32).collect();
        let mut sampler = Sampler::new(settings).unwrap();
        let ours: Vec<_> = sampler.kept(&logits, &ids(&case["earlier"])).unwrap().to_vec();
        let possible: Vec<_> = ours.iter().filter(|token| logits[token.id as usize] > f32::NEG_INFINITY).collect();
        assert_eq!(possible.iter().map(|token| token.id).collect::<Vec<_>>(), ids(&case["kept"]), "{case}");
        for (token, theirs) in possible.iter().zip(floats(&case["probabilities"])) {
            assert!((token.probability - theirs).abs() <= 1e-6 * theirs, "{case}: {token:?} and {theirs}");
        }
    }
}

#[test]
fn templates_of_tokenizer_configs() {
    let path = Path::new("tokenizer_config.json");
    let read = |json: &str| ChatTemplate::from_tokenizer_config(json, path);
    let hello = [Message::new("user", "hello")];
    let render = |template: ChatTemplate| template.render(&hello, &RenderOptions::default()).unwrap();
    let template = read(
        r#"{"chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ unk_token }}.",
            "bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "unk_token": null}"#,
    );
    assert_eq!(render(template.unwrap().unwrap()), "<s>hello</s>.");
    let several =
        read(r#"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}"#);
    assert_eq!(render(several.unwrap().unwrap()), "d");
    assert!(read(r#"{"bos_token": "<s>"}"#).unwrap().is_none());
    let problem = |json: &str| read(json).unwrap_err().to_string();
    assert_eq!(
        problem(r#"{"chat_template": 3}"#),
        "`tokenizer_config.json`: field `chat_template` is neither a string nor a list of templates"
    );
    assert_eq!(
        problem(r#"{"chat_template": [{"name": "a", "template": "x"}, {"name": "b"}]}"#),
        "`tokenizer_config.json`: field `chat_template` names no template \"default\""
    );
    assert!(problem(r#"{"chat_template": "{% if %}"}"#).contains("field `chat_template` is no Jinja: "));
    assert!(problem("[]").starts_with("`tokenizer_config.json` is damaged"));
}

/// A folder with these files.
fn folder(files: &serde_json::Map<String, Value>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content.as_str().map_or_else(|| content.to_string(), str::to_owned))
            .unwrap();
    }
    folder
}

#[test]
fn templates_and_tokens_of_folders_are_those_that_transformers_finds() {
    for case in fixture("special_tokens.json").as_array().unwrap() {
        let folder = folder(case["files"].as_object().unwrap());
        fs::write(folder.path().join("model.safetensors"), "").unwrap();
        for model in [folder.path(), &folder.path().join("model.safetensors"), &folder.path().join("tokenizer.json")] {
            fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
            let template = ChatTemplate::of(model).unwrap().unwrap();
            let prompt = template.render(case["messages"].as_array().unwrap(), &RenderOptions::default()).unwrap();
            assert_eq!(prompt, case["prompt"].as_str().unwrap(), "{case}");
        }
    }
}

#[test]
fn files_that_hold_no_template_are_named() {
    let of = |name: &str, content: &str| {
        let files = serde_json::Map::from_iter([(name.to_owned(), Value::from(content))]);
        let folder = folder(&files);
        let found = ChatTemplate::of(folder.path()).map(|found| found.is_some());
        found.map_err(|error| error.to_string().replace(&*folder.path().to_string_lossy(), "m"))
    };
    assert_eq!(of("tokenizer_config.json", "{}"), Ok(false));
    assert_eq!(of("special_tokens_map.json", "{"), Ok(false), "without a template nobody asks for tokens");
    let problem = |name: &str, content: &str| of(name, content).unwrap_err();
    assert!(
        problem("chat_template.jinja", "{% for")
            .starts_with("`m/chat_template.jinja` is damaged or of another format: the chat template is no Jinja: ")
    );
    assert_eq!(
        problem("chat_template.jinja", &"x".repeat(70_000)),
        "`m/chat_template.jinja` is damaged or of another format: the chat template is longer than 65536 bytes"
    );
    assert!(
        problem("tokenizer_config.json", r#"{"chat_template": "{% for"}"#)
            .starts_with("`m/tokenizer_config.json`: field `chat_template` is no Jinja: ")
    );
    assert!(problem("tokenizer_config.json", "{\"a\"").starts_with("`m/tokenizer_config.json` is damaged"));
}

/// Keys as the gguf package of llama.cpp writes them.
#[test]
fn templates_of_gguf_files_have_their_tokens() {
    let texts = |texts: &[&str]| Gguf::Array(Array::String(texts.iter().map(ToString::to_string).collect()));
    let template = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}{{ unk_token }}";
    let with = |template: Gguf| Header {
        version: 3,
        metadata: vec![
            ("tokenizer.chat_template".into(), template),
            ("tokenizer.ggml.tokens".into(), texts(&["<s>", "a", "</s>", "<pad>"])),
            ("tokenizer.ggml.bos_token_id".into(), Gguf::U32(0)),
            ("tokenizer.ggml.eos_token_id".into(), Gguf::U32(2)),
            ("tokenizer.ggml.padding_token_id".into(), Gguf::U32(3)),
            ("tokenizer.ggml.unknown_token_id".into(), Gguf::U32(4_000_000_000)),
        ],
        tensors: Vec::new(),
        big_endian: false,
        data_start: 0,
    };
    let path = Path::new("m.gguf");
    let read = ChatTemplate::from_gguf(&with(Gguf::String(template.into())), path).unwrap().unwrap();
    let hello = [Message::new("user", "hello")];
    assert_eq!(read.render(&hello, &RenderOptions::default()).unwrap(), "<s>hello</s><pad>");
    let problem = |template| ChatTemplate::from_gguf(&with(template), path).unwrap_err().to_string();
    assert_eq!(problem(Gguf::Bool(true)), "`m.gguf`: field `tokenizer.chat_template` is no text");
    assert!(
        problem(Gguf::String("{% for".into())).starts_with("`m.gguf`: field `tokenizer.chat_template` is no Jinja")
    );
}

#[test]
fn hostile_templates_end_in_errors() {
    let problem = |source: &str| {
        let template = ChatTemplate::new(source).map_err(|error| error.to_string());
        template
            .and_then(|t| t.render(&[Message::new("user", "x")], &RenderOptions::default()).map_err(|e| e.to_string()))
    };
    for source in [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}",
        "{% for a in range(10000) %}{{ 'aaaaaaaaaa' * 1000 }}{% endfor %}",
        "{{ 'a' * 99999999999 }}",
        "{% set ns = namespace(x=[]) %}{% for a in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for a in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|tojson }}",
        "{% set ns = namespace(x=[]) %}{% for a in range(9999) %}{% set ns.x = {'a': ns.x} %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for a in range(99) %}{% for b in range(9999) %}{% set ns.x = [ns.x] %}\
         {% endfor %}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for a in range(99) %}{% for b in range(9999) %}{% set ns.x = {'a': ns.x} %}\
         {% endfor %}{% endfor %}",
        "{{ messages[0].content.nothing.more }}",
        "{{ messages|tojson(indent=999999999999) }}",
        "{{ 1 // 0 }}",
        "{% include 'chat' %}",
        "{% for",
        "{{ raise_exception(1) }}",
        "{{ strftime_now('%Q') }}",
    ] {
        let ours = problem(source).unwrap_err();
        assert!(ours.starts_with("the chat template "), "{source}: {ours}");
    }
    let sum = |terms: usize| problem(&format!("{{{{ 0{} }}}}", "+1".repeat(terms)));
    assert_eq!(sum(30_000).unwrap(), "30000");
    assert_eq!(sum(40_000).unwrap_err(), "the chat template is longer than 65536 bytes");
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(30_000), ")".repeat(30_000));
    assert!(problem(&deep).unwrap_err().starts_with("the chat template is no Jinja"));
}

#[test]
fn long_chats_have_fuel() {
    for case in fixture("chat.json").as_array().unwrap().iter().filter(|case| case["prompt"].is_string()) {
        let messages = case["messages"].as_array().unwrap();
        if case["name"] != "everything" && messages[0]["role"] == "user" && messages.len() == 2 {
            let template = ChatTemplate::new(case["template"].as_str().unwrap()).unwrap();
            let messages = vec![messages.as_slice(); 5_000].concat();
            let prompt = template.render(&messages, &options(case)).unwrap();
            assert!(prompt.matches("Hello there!").count() == 5_000, "{}", case["name"]);
        }
    }
}
