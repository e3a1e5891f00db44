//! `model generate`: prompts are continued, chats are written by templates.

use serde_json::json;

use crate::support::{Dir, Ran, corpus, model_fixture};

use super::model_commands::{json_lines, qwen, yuan};

#[test]
fn prompts_are_continued_alike_alone_and_together() {
    let dir = yuan();
    let generate = |more: &[&str]| {
        let fixed = ["model", "generate", "m", "-n", "12", "--json", "-q"];
        json_lines(&dir.ok(&[&fixed[..], more].concat()))
    };
    let one = generate(&["-p", "The river"]);
    assert_eq!(one, generate(&["-p", "The river"]));
    assert_eq!((&one[0]["tokens"], &one[0]["stopped"]), (&json!(12), &json!("length")));
    let other = generate(&["-p", "今天天气"]);
    dir.file("prompts.jsonl", "The river\n\n{\"prompt\": \"今天天气\", \"more\": 1}\n");
    let both = generate(&["--prompts", "prompts.jsonl"]);
    assert_eq!((both.len(), &both[0]), (2, &one[0]));
    assert_eq!((&both[1]["text"], &both[1]["prompt"]), (&other[0]["text"], &json!(1)));
    assert_eq!(both, generate(&["-p", "The river", "-p", "今天天气", "--threads", "3"]));
    let plain = dir.ok(&["model", "generate", "m", "-n", "12", "-p", "The river", "-q"]).stdout();
    assert_eq!(plain, format!("{}\n", one[0]["text"].as_str().expect("a text")));
    // Chosen by lot, with a seed.
    let lot = |seed: &str| generate(&["-p", "The river", "--temperature", "3", "--top-k", "50", "--seed", seed]);
    assert_eq!(lot("1"), lot("1"));
    assert!(lot("1") != lot("2"));
    assert_eq!(generate(&["-p", "The river", "--temperature", "2", "--top-k", "1"]), one);
    // No further than the model's positions.
    let long = json_lines(&dir.ok(&["model", "generate", "m", "-n", "1000", "-p", "The river", "--json", "-q"]));
    let (prompt, tokens) = (long[0]["prompt_tokens"].as_u64(), long[0]["tokens"].as_u64());
    assert_eq!(prompt.zip(tokens).map(|(prompt, tokens)| prompt + tokens), Some(128));
}

#[test]
fn prompts_are_continued_alike_in_any_batch() {
    let dir = yuan();
    let lines = ["The river", "今天天气", "{\"prompt\": \"def main():\"}", "The river", "A", "Once upon a time there"];
    dir.file("prompts.jsonl", lines.join("\n"));
    let generate = |batch: &str| {
        let lot = ["--temperature", "2", "--seed", "3", "-n", "15", "--batch", batch, "-q"];
        let fixed = ["model", "generate", "m", "--prompts", "prompts.jsonl"];
        let as_json = json_lines(&dir.ok(&[&fixed[..], &lot, &["--json"]].concat()));
        (as_json, dir.ok(&[&fixed[..], &lot].concat()).stdout())
    };
    let (texts, told) = generate("64");
    assert_eq!(
        texts.iter().map(|text| text["prompt"].as_u64()).collect::<Vec<_>>(),
        (0..6).map(Some).collect::<Vec<_>>()
    );
    assert!(told.starts_with("── prompt 0\n") && told.contains("── prompt 5\n"), "{told}");
    for batch in ["1", "2", "5"] {
        assert_eq!(generate(batch), (texts.clone(), told.clone()), "{batch}");
    }
    // The same prompt under another number draws other lots.
    assert_ne!(texts[0]["text"], texts[3]["text"]);
}

/// GGUF files give rows that stand for no token a name, and say that they are unused.
#[test]
fn unused_tokens_of_a_gguf_file_are_never_drawn() {
    const KEY: &[u8] = b"tokenizer.ggml.token_type";
    let dir = Dir::new();
    let mut bytes = std::fs::read(model_fixture("gguf_logits/float.gguf")).expect("a fixture");
    // The key is followed by the types of the value and its elements, and their count.
    let place = bytes.windows(KEY.len()).position(|part| part == KEY).expect("types of tokens") + KEY.len() + 4 + 4 + 8;
    for id in (0..260).filter(|id| !(65..80).contains(id)) {
        bytes[place + 4 * id..][..4].copy_from_slice(&5_i32.to_le_bytes());
    }
    let fixed = ["-n", "40", "--temperature", "10000", "-p", "Hi", "-q"];
    let said = |model: &str| dir.ok(&[&["model", "generate", model][..], &fixed].concat()).stdout();
    std::fs::copy(model_fixture("gguf_logits/float.gguf"), dir.path("all.gguf")).expect("copied");
    dir.file("few.gguf", bytes);
    let few: std::collections::BTreeSet<char> = said("few.gguf").trim_end().chars().collect();
    assert!(
        few.len() > 5 && few.len() <= 15 && said("all.gguf").trim_end().chars().any(|c| !few.contains(&c)),
        "{few:?}"
    );
}

#[test]
fn texts_go_on_behind_what_the_model_was_trained_for_if_asked() {
    let dir = yuan();
    let run = |more: &[&str]| {
        let fixed = ["model", "generate", "m", "-n", "1000", "--json", "--progress", "none", "-p", "The river"];
        dir.run(&[&fixed[..], more].concat())
    };
    let tokens = |ran: &Ran| {
        let text = json_lines(ran).remove(0);
        text["prompt_tokens"].as_u64().zip(text["tokens"].as_u64()).map(|(prompt, text)| prompt + text)
    };
    let warned = |ran: &Ran| ran.stderr().matches("and the model was trained for 128: ").count();
    let trained = run(&[]);
    assert_eq!((tokens(&trained), warned(&trained)), (Some(128), 0), "{}", trained.stderr());
    let less = run(&["--max-positions", "40"]);
    assert_eq!((tokens(&less), warned(&less)), (Some(40), 0));
    let more = run(&["--max-positions", "150", "-p", "A second", "-p", "A third", "--batch", "1"]);
    assert_eq!((tokens(&more), warned(&more)), (Some(150), 1), "{}", more.stderr());
    assert!(more.stderr().contains("warning: prompt 0 comes to 150 tokens, and the model"), "{}", more.stderr());
    let text = |ran: &Ran| json_lines(ran)[0]["text"].as_str().expect("a text").trim_end_matches('\u{fffd}').to_owned();
    assert!(text(&more).starts_with(&text(&trained)) && text(&trained).starts_with(&text(&less)));
    // Room that is not used does no harm, and a long prompt is told before the weights are read.
    assert_eq!(warned(&run(&["--max-positions", "1000", "-n", "5"])), 0);
    std::fs::remove_file(dir.path("m/model.safetensors")).expect("removed");
    let long = run(&["--max-positions", "1000", "-p", &"word ".repeat(200)]);
    assert!(long.stderr().contains("warning: prompt 1 comes to ") && warned(&long) == 1, "{}", long.stderr());
    for wrong in ["0", "1048577", "x"] {
        run(&["--max-positions", wrong]).fails(2, &["--max-positions"]);
    }
    run(&["--batch", "0"]).fails(2, &["--batch"]);
}

#[test]
fn a_text_ends_before_a_stop_string() {
    let dir = qwen();
    let generate = |more: &[&str]| {
        let fixed = ["model", "generate", "m", "-p", "def main():", "-n", "40", "--json", "-q"];
        json_lines(&dir.ok(&[&fixed[..], more].concat())).remove(0)
    };
    let whole = generate(&[]);
    let text = whole["text"].as_str().expect("a text");
    let stop: String = text.chars().skip(text.chars().count() / 2).filter(|c| *c != '\u{fffd}').take(1).collect();
    assert!(!stop.is_empty(), "{text:?}");
    let stopped = generate(&["--stop", "no such text", "--stop", &stop]);
    let before = text.split(&stop).next().expect("a part");
    assert_eq!((stopped["text"].as_str(), &stopped["stopped"]), (Some(before), &json!({ "string": stop })));
    assert!(stopped["tokens"].as_u64() < whole["tokens"].as_u64());
}

#[test]
fn rows_that_stand_for_no_token_are_never_drawn() {
    let dir = yuan();
    // Three tokens of a letter, in a vocabulary of 512.
    let vocab = json!({ "<eod>": 0, "a": 1, "b": 2, "c": 5 });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "<eod>" },
    });
    dir.file("m/tokenizer.json", tokenizer.to_string());
    // Nearly any token, by lot.
    let fixed = ["model", "generate", "m", "--temperature", "10000", "-n", "20", "--json", "-q"];
    let texts = json_lines(&dir.ok(&[&fixed[..], &["-p", "a"].repeat(20)].concat()));
    let mut letters = 0;
    for text in &texts {
        let ends = u64::from(text["stopped"] == json!({ "id": 0 }));
        let said = text["text"].as_str().expect("a text");
        assert_eq!(Some(said.len() as u64 + ends), text["tokens"].as_u64(), "{text}");
        letters += said.len();
    }
    assert!(letters > 20 && texts.iter().any(|text| text["stopped"] == json!({ "id": 0 })), "{texts:?}");
}

#[test]
fn chats_are_written_by_the_template() {
    let dir = qwen();
    let generate = |more: &[&str]| {
        let fixed = ["model", "generate", "m", "-n", "5", "--json", "-q"];
        json_lines(&dir.ok(&[&fixed[..], more].concat()))
    };
    let written = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    let expected = generate(&["-p", written]);
    assert_eq!(generate(&["-p", "Hi", "--chat", "--system", "Be brief."]), expected);
    let messages = json!({ "messages": [
        { "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hi" },
    ] });
    dir.file("chats.jsonl", messages.to_string());
    assert_eq!(generate(&["--prompts", "chats.jsonl"]), expected);
    // The model's own.
    let template = "{% for message in messages %}[{{ message.role }}] {{ message.content }}{% endfor %}";
    dir.file("m/tokenizer_config.json", json!({ "chat_template": template }).to_string());
    assert_eq!(generate(&["-p", "Hi", "--chat"]), generate(&["-p", "[user] Hi"]));
    dir.file("m/tokenizer_config.json", json!({ "chat_template": "{% for" }).to_string());
    let broken = dir.run(&["model", "generate", "m", "-p", "Hi", "--chat"]);
    broken.fails(1, &["`m/tokenizer_config.json`: field `chat_template` is no Jinja"]);
    // Who does not chat needs none.
    generate(&["-p", "Hi"]);
    dir.file("m/tokenizer_config.json", "[1]");
    dir.run(&["model", "generate", "m", "-p", "Hi", "--chat"])
        .fails(1, &["`m/tokenizer_config.json` is damaged", "no JSON object"]);
    // Beside a template of its own the file holds special tokens, and `special_tokens_map.json` of the training others.
    dir.file("m/tokenizer_config.json", json!({ "bos_token": "The", "chat_template": "{% for" }).to_string());
    dir.file("m/chat_template.jinja", "{{ bos_token }} {{ messages[0].content }}{{ eos_token }}");
    assert_eq!(generate(&["-p", "river", "--chat"]), generate(&["-p", "The river<eod>"]));
    // A model given as its file of weights has what lies beside it.
    let by_file =
        dir.ok(&["model", "generate", "m/model.safetensors", "-n", "5", "--json", "-q", "-p", "river", "--chat"]);
    assert_eq!(json_lines(&by_file), generate(&["-p", "The river<eod>"]));
    dir.file("m/chat_template.jinja", "{% for");
    dir.run(&["model", "generate", "m", "-p", "Hi", "--chat"])
        .fails(1, &["`m/chat_template.jinja` is damaged or of another format: the chat template is no Jinja"]);
    dir.file("m/chat_template.jinja", "{{ raise_exception('be quiet') }}");
    dir.run(&["model", "generate", "m", "-p", "Hi", "--chat"])
        .fails(1, &["prompt 0 cannot be written as a chat", "the chat template fails: be quiet"]);
    let yuan = yuan();
    yuan.run(&["model", "generate", "m", "-p", "Hi", "--chat"])
        .fails(2, &["prompt 0 is a chat, and the model has no chat template", "hint: give prompts as texts"]);
    // The template lies with the tokenizer.
    yuan.file("t/tokenizer_config.json", json!({ "chat_template": "The {{ messages[0].content }}" }).to_string());
    std::fs::rename(yuan.path("m/tokenizer.json"), yuan.path("t/tokenizer.json")).expect("renamed");
    let generate = |more: &[&str]| {
        let fixed = ["model", "generate", "m", "--tokenizer", "t/tokenizer.json", "-n", "5", "-q", "-p"];
        yuan.ok(&[&fixed[..], more].concat()).stdout()
    };
    assert_eq!(generate(&["river", "--chat"]), generate(&["The river"]));
}

/// A GGUF file whose template is another one of no greater length.
fn with_template(dir: &Dir, name: &str, template: &str) {
    const OLD: &[u8] = b"{% for message in messages %}[{{ message.role }}] {{ message.content }}{% endfor %}";
    let mut bytes = std::fs::read(model_fixture("gguf_logits/float.gguf")).expect("a fixture");
    let place = bytes.windows(OLD.len()).position(|part| part == OLD).expect("a template");
    let padded = format!("{template}{:width$}", "", width = OLD.len() - template.len());
    bytes[place..place + OLD.len()].copy_from_slice(padded.as_bytes());
    dir.file(name, bytes);
}

#[test]
fn the_template_of_a_gguf_file_has_its_tokens_and_its_name() {
    let dir = Dir::new();
    // The end of a text is what the file says it is.
    with_template(&dir, "x.gguf", "[user] {{ messages[0].content }}{{ eos_token }}{{ bos_token }}{#-");
    with_template(&dir, "y.gguf", "{%- set text = messages[0].content %}[user] {{ text }}{{ eos_token }}{#- -#}");
    with_template(&dir, "z.gguf", "{%- set text = messages[0].content %}[user] {{ text }}{#- -#}");
    let told = |model: &str| {
        let fixed = ["model", "generate", model, "-n", "3", "--json", "-q", "-p", "Hi", "--chat"];
        json_lines(&dir.ok(&fixed)).remove(0)["prompt_tokens"].as_u64().expect("a count")
    };
    assert_eq!(told("y.gguf"), told("z.gguf") + 1);
    dir.run(&["model", "generate", "x.gguf", "-p", "Hi", "--chat"])
        .fails(1, &["`x.gguf`: field `tokenizer.chat_template` is no Jinja"]);
}

#[test]
fn prompts_that_cannot_be_continued_are_told() {
    let dir = yuan();
    let generate = |prompt: &str| dir.run(&["model", "generate", "m", "-q", "-p", prompt]);
    generate("").fails(2, &["prompt 0 has no tokens"]);
    generate(&"word ".repeat(200))
        .fails(2, &["prompt 0 has ", "and `max_positions` is 128", "hint: `--max-positions N` gives room"]);
    // By its line in a file.
    dir.file("prompts.txt", format!("\u{feff}{{\"prompt\": \"a\"}}\r\n\n{}\n", "word ".repeat(200)));
    let from_file = |name: &str| dir.run(&["model", "generate", "m", "-q", "-n", "1", "--json", "--prompts", name]);
    from_file("prompts.txt").fails(2, &["prompt 1 (line 3 of `prompts.txt`) has "]);
    dir.file("prompts.txt", "\u{feff}{\"prompt\": \"a\"}\r\na\r\n");
    let texts = json_lines(&from_file("prompts.txt"));
    assert_eq!((texts.len(), &texts[0]["text"]), (2, &texts[1]["text"]), "two prompts that are the same");
    dir.file("broken.txt", b"good\n\xff\xfe\n");
    from_file("broken.txt").fails(1, &["line 2 of `broken.txt` is not UTF-8"]);
    // The tokenizer of another model.
    dir.file("learnt.jsonl", corpus(60));
    let size = ["--vocab-size", "900", "--reserved", "0", "-q"];
    dir.ok(&[&["train-tokenizer", "learnt.jsonl", "-o", "other.json"][..], &size].concat());
    dir.run(&["model", "generate", "m", "-q", "-p", &corpus(3), "--tokenizer", "other.json"])
        .fails(2, &["prompt 0 has the token ", "and the model has 512", "hint: name the model's own tokenizer"]);
}
