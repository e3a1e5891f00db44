//! `model`: looked at, checked, converted, asked.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Dir, Ran, beginnings, corpus, model_fixture, tiny_model};

pub fn yuan() -> Dir {
    let dir = Dir::new();
    tiny_model(&dir, "yuan-moe-tiny", "m");
    dir
}

pub fn qwen() -> Dir {
    let dir = Dir::new();
    tiny_model(&dir, "qwen2moe-tiny", "m");
    dir
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout()).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout()))
}

pub fn json_lines(ran: &Ran) -> Vec<Value> {
    ran.stdout().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_model_is_told_and_converted() {
    let dir = yuan();
    let info = json(&dir.ok(&["model", "info", "m", "--json"]));
    assert_eq!((&info["parameters"], &info["weights"]), (&json!(413_312), &json!({ "float32": 413_312 })));
    assert_eq!(info["active_parameters"], 413_312 - 2 * 6 * 3 * 64 * 96, "six of eight experts in two layers are idle");
    assert_eq!((&info["config"]["vocab_size"], &info["missing"]), (&json!(512), &json!([])));
    assert!(info["warnings"][0].as_str().is_some_and(|warning| warning.contains("`rotary_base`")), "{info}");
    let told = dir.ok(&["model", "info", "m", "-q"]);
    assert!(told.stdout().starts_with("Yuan, 2 layers of 64") && told.stderr().is_empty(), "{}", told.stdout());
    let named = json(&dir.ok(&["model", "info", "qwen1.5-moe-a2.7b", "--json"]));
    assert!((14.2e9..14.4e9).contains(&named["parameters"].as_f64().expect("a count")), "{named}");
    dir.run(&["model", "info", "yuan2-m33"])
        .fails(2, &["there is no model `yuan2-m33`", "hint: give a folder or a file, or one of the names yuan2-m32, "]);
    let out = dir.ok(&["model", "convert", "m", "-o", "half", "--dtype", "bf16", "-q"]);
    assert!(out.stdout().contains("half: 62 tensors, 413312 parameters, bfloat16"), "{}", out.stdout());
    let half = json(&dir.ok(&["model", "info", "half", "--json"]));
    assert_eq!((&half["weights"], &half["parameters"]), (&json!({ "bfloat16": 413_312 }), &json!(413_312)));
    let size = |folder: &str| std::fs::metadata(dir.path(folder).join("model.safetensors")).expect("a file").len();
    assert!(size("half") < size("m") * 11 / 20, "{} {}", size("half"), size("m"));
    // With the tokenizer it is a model that can be used.
    dir.file("in.jsonl", beginnings(5, 100));
    let bits = |model: &str| {
        let told = json(&dir.ok(&["model", "perplexity", model, "in.jsonl", "--json", "-q"]));
        told[0]["bits_per_byte"].as_f64().expect("a number")
    };
    let (whole, rounded) = (bits("m"), bits("half"));
    assert!((whole - rounded).abs() < 0.02 * whole && whole != rounded, "{whole} {rounded}");
    let out =
        dir.ok(&["model", "convert", "half", "-o", "wide", "--dtype", "fp32", "--max-shard-bytes", "500kB", "-q"]);
    assert!(out.stdout().contains("float32") && dir.path("wide/model.safetensors.index.json").exists());
    // A model given as its file of weights, or as the list of them, has the tokenizer beside it.
    assert_eq!(bits("m/model.safetensors"), whole);
    assert_eq!(bits("wide/model.safetensors.index.json"), rounded);
    dir.run(&["model", "convert", "m", "-o", "half"]).fails(1, &["`half` has weights already"]);
    dir.run(&["model", "convert", "m", "-o", "m"]).fails(1, &["name another"]);
}

#[test]
fn a_model_is_checked_with_what_lies_in_its_folder() {
    let dir = Dir::new();
    for name in ["config.json", "model.safetensors", "fixtures.safetensors"] {
        dir.file(&format!("m/{name}"), std::fs::read(model_fixture("yuan-moe-tiny").join(name)).expect("a fixture"));
    }
    let check = |more: &[&str]| dir.run(&[&["model", "check", "m", "-q"], more].concat());
    let good = check(&["--json"]);
    let told = json(&good);
    assert_eq!((good.status(), &told["wrong"]), (0, &json!(0)));
    assert!(told["values"].as_array().is_some_and(|values| values.len() > 50), "{told}");
    for tolerance in ["0", "nan", "1e-9"] {
        let bad = check(&["--tolerance", tolerance]);
        assert_eq!(bad.status(), 1, "{}", bad.stdout());
        assert!(bad.stdout().contains("above the tolerance"), "{}", bad.stdout());
    }
    // Another model than the one the values are of.
    let config = std::fs::read_to_string(dir.path("m/config.json")).expect("a configuration");
    dir.file("m/config.json", config.replace("\"norm_topk_prob\": true", "\"norm_topk_prob\": false"));
    let other = json(&check(&["--json"]));
    assert!(other["wrong"].as_u64() > Some(10), "{other}");
    std::fs::remove_file(dir.path("m/fixtures.safetensors")).expect("removed");
    check(&[]).fails(2, &["there is no `m/fixtures.safetensors`"]);
    dir.run(&["model", "check", "n"]).fails(2, &["there is no model `n`"]);
}

#[test]
fn a_gguf_file_is_checked_with_what_lies_beside_it() {
    let dir = Dir::new();
    let fixture = std::fs::read(model_fixture("gguf_logits/float.safetensors")).expect("a fixture");
    dir.file("m/a.gguf", std::fs::read(model_fixture("gguf_logits/float.gguf")).expect("a model"));
    dir.file("m/fixtures.safetensors", fixture.clone());
    for model in ["m", "m/a.gguf"] {
        let told = dir.ok(&["model", "check", model, "-q"]).stdout();
        assert!(told.contains("4 of 4 within"), "{told}");
    }
    dir.run(&["model", "check", "m", "--device", "cuda:99"]).fails(2, &["hint: take `--device cpu`"]);
    // The first logit is no number, which no tolerance lets pass.
    let header = 8 + u64::from_le_bytes(fixture[..8].try_into().expect("eight bytes")) as usize;
    let told: Value = serde_json::from_slice(&fixture[8..header]).expect("JSON");
    let place = header + told["seq0.logits"]["data_offsets"][0].as_u64().expect("an offset") as usize;
    let mut damaged = fixture.clone();
    damaged[place..place + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    dir.file("m/fixtures.safetensors", damaged);
    for tolerance in ["2e-4", "inf"] {
        let bad = dir.run(&["model", "check", "m", "-q", "--tolerance", tolerance]);
        assert_eq!(bad.status(), 1, "{}", bad.stdout());
        assert!(
            bad.stdout().contains("max |Δ| inf  1 are not finite, in the fixture or in the model"),
            "{}",
            bad.stdout()
        );
        assert!(bad.stdout().contains("3 of 4 within"), "{}", bad.stdout());
    }
    let told = json(&dir.run(&["model", "check", "m", "-q", "--json"]));
    let wrong = told["values"].as_array().expect("values").iter().find(|it| it["name"] == "seq0.logits");
    let wrong = wrong.expect("the logits");
    assert_eq!((&told["wrong"], &wrong["max_delta"]), (&json!(1), &Value::Null));
    assert!(wrong["problem"].as_str().is_some_and(|problem| problem.contains("not finite")), "{told}");
    dir.file("m/fixtures.safetensors", &fixture[..fixture.len() - 4]);
    dir.run(&["model", "check", "m"]).fails(1, &["`m/fixtures.safetensors` is damaged"]);
}

#[test]
fn texts_and_their_tokens_have_the_same_bits() {
    let dir = yuan();
    // One longer than a window, one empty.
    dir.file("in.jsonl", beginnings(25, 150) + &corpus(3) + "{\"text\": \"\"}\n");
    dir.ok(&["tokenize", "in.jsonl", "-o", "tokens", "--tokenizer", "m/tokenizer.json", "-q"]);
    let each = |more: &[&str]| json_lines(&dir.ok(&[&["model", "perplexity", "m", "--each", "-q"], more].concat()));
    let text = each(&["in.jsonl", "--per-token"]);
    let tokens = each(&["--tokens", "tokens", "--per-token"]);
    assert_eq!(text.len(), 29);
    let text: Vec<&Value> = text.iter().filter(|told| tokens.len() == 29 || told["tokens"] != 0).collect();
    assert_eq!(text.len(), tokens.len());
    for (text, tokens) in text.iter().zip(&tokens) {
        for name in ["id", "tokens", "bytes", "log_prob", "perplexity", "bits_per_byte", "token_log_probs"] {
            if name != "id" || text["bytes"] != 0 {
                assert_eq!(text[name], tokens[name], "{name}");
            }
        }
        let sum: f64 = text["token_log_probs"].as_array().expect("a list").iter().filter_map(Value::as_f64).sum();
        assert!((sum - text["log_prob"].as_f64().expect("a number")).abs() < 1e-6);
    }
    let total =
        |more: &[&str]| json(&dir.ok(&[&["model", "perplexity", "m", "--json", "-q"], more].concat()))[0].clone();
    let (text, tokens) = (total(&["in.jsonl"]), total(&["--tokens", "tokens"]));
    assert_eq!((&text["log_prob"], &text["tokens"]), (&tokens["log_prob"], &tokens["tokens"]));
    // By a field, and as many as were asked for.
    let by = json(&dir.ok(&["model", "perplexity", "m", "in.jsonl", "--by", "lang", "--json", "-q"]));
    let rows = by.as_array().expect("rows");
    let sum: u64 = rows.iter().filter(|row| row["lang"] != "total").filter_map(|row| row["tokens"].as_u64()).sum();
    assert!(rows.len() > 3 && Some(sum) == text["tokens"].as_u64(), "{by}");
    assert_eq!(total(&["in.jsonl", "--limit", "7"])["documents"], 7);
    // Without a tokenizer it is not known how many bytes there are.
    std::fs::remove_file(dir.path("m/tokenizer.json")).expect("removed");
    assert_eq!(total(&["--tokens", "tokens"])["bits_per_byte"], Value::Null);
    dir.run(&["model", "perplexity", "m", "in.jsonl"]).fails(2, &["no tokenizer in `m`", "`--tokenizer FILE`"]);
}

/// A set of tokens as Megatron writes it.
fn write_set(dir: &Dir, name: &str, documents: &[Vec<u16>]) {
    let tokens: Vec<u8> = documents.iter().flatten().flat_map(|id| id.to_le_bytes()).collect();
    dir.file(&format!("{name}.bin"), tokens);
    let count = documents.len() as u64;
    let mut index = b"MMIDIDX\0\0".to_vec();
    index.extend(1_u64.to_le_bytes());
    index.push(8);
    index.extend(count.to_le_bytes());
    index.extend((count + 1).to_le_bytes());
    index.extend(documents.iter().flat_map(|document| (document.len() as u32).to_le_bytes()));
    let starts = documents.iter().scan(0, |at, document| {
        let start = *at;
        *at += 2 * document.len() as u64;
        Some(start)
    });
    index.extend(starts.flat_map(u64::to_le_bytes));
    index.extend((0..=count).flat_map(u64::to_le_bytes));
    dir.file(&format!("{name}.idx"), index);
}

#[test]
fn windows_are_those_of_lm_eval_and_transformers() {
    let dir = Dir::new();
    let golden: Value =
        serde_json::from_slice(&std::fs::read(model_fixture("perplexity.json")).expect("a fixture")).expect("JSON");
    let texts = golden["texts"].as_array().expect("texts").iter().filter_map(Value::as_str);
    let documents: Vec<Vec<u16>> = texts.map(|text| text.bytes().map(u16::from).collect()).collect();
    write_set(&dir, "set", &documents);
    let (model, prefix) = (model_fixture("qwen2moe-tiny"), golden["prefix"].to_string());
    let model = model.to_string_lossy();
    let cases = golden["cases"].as_array().expect("cases").iter();
    let mut compared = 0;
    for case in cases {
        let by_lm_eval = case["by"] == "lm_eval";
        let (window, stride) = (case["length"].to_string(), case["stride"].to_string());
        let fixed = ["model", "perplexity", &model, "--tokens", "set", "--each", "--per-token"];
        let window = [&fixed[..], &["--window", &window]].concat();
        let mut ways = Vec::new();
        if by_lm_eval {
            let window = [&window[..], &["--prefix", &prefix]].concat();
            ways.push([&window[..], &["--stride", &stride]].concat());
            if case["length"] == case["stride"] {
                ways.push([&window[..], &["--compat", "lm-eval"]].concat());
            }
        } else {
            let peer = ["--prefix", "none", "--stride", &stride, "--compat", "transformers"];
            ways.push([&window[..], &peer].concat());
        }
        for way in ways {
            let found = json_lines(&dir.ok(&way));
            for (found, expected) in found.iter().zip(case["log_probs"].as_array().expect("documents")) {
                let (found, expected) = (found["token_log_probs"].as_array(), expected.as_array().expect("numbers"));
                let found = found.expect("a list");
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(expected) {
                    let (found, expected) = (found.as_f64().expect("a number"), expected.as_f64().expect("a number"));
                    assert!((found - expected).abs() < 2e-4, "{found} {expected}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 1000, "{compared}");
    // Longer than it was trained for is read, and said.
    let ran = dir.ok(&["model", "perplexity", &model, "--tokens", "set", "--window", "300"]);
    assert!(ran.stderr().contains("warning: windows have 300 tokens, and the model was trained for 128"));
    dir.run(&["model", "perplexity", &model, "--tokens", "set", "--compat", "lm-evl"])
        .fails(2, &["there are `lm-eval` and"]);
    write_set(&dir, "wrong", &[vec![3, 4], vec![5, 600, 7]]);
    dir.run(&["model", "perplexity", &model, "--tokens", "wrong"])
        .fails(2, &["document 1 of `wrong` holds the token 600, and the model has 512", "hint: score what"]);
    // Documents of one token, of none, and of an end alone.
    write_set(&dir, "short", &[vec![3], vec![], vec![511]]);
    let told = json_lines(&dir.ok(&["model", "perplexity", &model, "--tokens", "short", "--each", "-q"]));
    let counts: Vec<u64> = told.iter().filter_map(|told| told["tokens"].as_u64()).collect();
    assert_eq!(counts, [1, 0, 0]);
    assert!(told[0]["perplexity"].is_number() && told[1]["perplexity"].is_null());
}

/// A tensor of a safetensors file.
fn tensor(path: &Path, name: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("a fixture");
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let told: Value = serde_json::from_slice(&bytes[8..header]).expect("JSON");
    let place = |end: usize| header + told[name]["data_offsets"][end].as_u64().expect("an offset") as usize;
    bytes[place(0)..place(1)].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Its tokens are bytes, so that the text is what the reference read.
#[test]
fn a_gguf_file_is_a_model_with_its_tokenizer_and_template() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("folder")).expect("made");
    std::fs::copy(model_fixture("gguf_logits/float.gguf"), dir.path("folder/float.gguf")).expect("copied");
    let expected = tensor(&model_fixture("gguf_logits/float.safetensors"), "seq0.logprobs");
    let text = "The quick brown fox jumps over the lazy dog.";
    dir.file("in.jsonl", json!({ "text": text }).to_string());
    for model in ["folder", "folder/float.gguf"] {
        let fixed = ["model", "perplexity", model, "in.jsonl", "--prefix", "none", "--each", "--per-token", "-q"];
        let told = json_lines(&dir.ok(&fixed)).remove(0);
        let found = told["token_log_probs"].as_array().expect("a list");
        assert_eq!((found.len(), &told["bytes"]), (expected.len(), &json!(text.len())));
        for (found, expected) in found.iter().zip(&expected) {
            let found = found.as_f64().expect("a number");
            assert!((found - f64::from(*expected)).abs() < 2e-4, "{found} {expected}");
        }
        let generate = |prompt: &[&str]| {
            let fixed = ["model", "generate", model, "-n", "5", "--json", "-q"];
            dir.ok(&[&fixed[..], prompt].concat()).stdout()
        };
        assert_eq!(generate(&["-p", "Hi", "--chat"]), generate(&["-p", "[user] Hi"]));
        let run = format!("run-{}", model.len());
        dir.ok(&["score", "in.jsonl", "-o", &run, "--moe", &format!("g={model}"), "-q"]);
        assert!(dir.documents(&format!("{run}/out"))[0]["g_perplexity"].is_number());
    }
    let info = json(&dir.ok(&["model", "info", "folder", "--json"]));
    assert_eq!((&info["weights"], &info["config"]["vocab_size"]), (&json!({ "float32": 113_792 }), &json!(260)));
    dir.ok(&["model", "convert", "folder/float.gguf", "-o", "plain", "-q"]);
    let info = json(&dir.ok(&["model", "info", "plain", "--json"]));
    assert_eq!((&info["parameters"], &info["missing"]), (&json!(113_792), &json!([])));
}

#[test]
fn speed_is_measured_with_random_weights() {
    let dir = Dir::new();
    let bench = |more: &[&str]| {
        let fixed = ["model", "bench", "--random-weights", "yuan-moe-tiny", "--tokens", "500", "-q"];
        dir.run(&[&fixed[..], more].concat())
    };
    let told = json(&bench(&["--length", "100", "--json", "--device", "cpu", "--dtype", "fp32"]));
    assert_eq!((&told["tokens"], &told["device"], &told["dtype"]), (&json!(500), &json!("cpu"), &json!("float32")));
    assert!(told["tokens_per_second"].as_f64() > Some(0.0) && told["flop_per_token"].as_f64() > Some(3e5), "{told}");
    assert!(bench(&["--length", "50", "--peak", "0.1"]).stdout().contains("% of 0.1 TFLOP/s"));
    bench(&["--length", "0"]).fails(2, &["--length"]);
    bench(&["--device", "cuda:99"]).fails(2, &["hint: take `--device cpu`"]);
    let own = model_fixture("qwen2moe-tiny");
    dir.run(&["model", "bench", &own.to_string_lossy(), "--device", "cuda:99"])
        .fails(2, &["hint: take `--device cpu`"]);
    dir.run(&["model", "bench"]).fails(2, &["MODEL"]);
    dir.run(&["model", "bench", "--random-weights", "yuan3"]).fails(2, &["there is no model `yuan3`", "yuan2-m32"]);
}

#[test]
fn what_cannot_be_asked_is_told_before_the_weights_are_read() {
    let dir = yuan();
    dir.file("in.jsonl", beginnings(2, 50));
    // Whoever reads the weights finds none.
    std::fs::remove_file(dir.path("m/model.safetensors")).expect("removed");
    let perplexity = |more: &[&str]| dir.run(&[&["model", "perplexity", "m", "in.jsonl"], more].concat());
    perplexity(&[]).fails(1, &["it has no weights"]);
    perplexity(&["--window", "2000000"]).fails(2, &["`window` is 2000000", "at most 1048576"]);
    perplexity(&["--stride", "129"]).fails(2, &["cannot go on by 129"]);
    perplexity(&["--prefix", "512"]).fails(2, &["`prefix` is `512`"]);
    perplexity(&["--compat", "x"]).fails(2, &["there are `lm-eval` and `transformers`"]);
    perplexity(&["--compat", "lm-eval", "--stride", "3"]).fails(2, &["whole windows", "leave out `--stride`"]);
    perplexity(&["--per-token"]).fails(2, &["--each"]);
    perplexity(&["--device", "cuda:99"]).fails(2, &["hint: take `--device cpu`"]);
    perplexity(&["--dtype", "int8"]).fails(2, &["fp32"]);
    perplexity(&["--tokens", "set"]).fails(2, &["cannot be used with"]);
    dir.run(&["model", "perplexity", "m"]).fails(2, &["INPUT"]);
    dir.run(&["model", "perplexity", "n", "in.jsonl"]).fails(2, &["there is no model `n`", "hint: give a folder"]);
    dir.file("x.gguf", "hello");
    dir.run(&["model", "perplexity", "x.gguf", "in.jsonl"]).fails(1, &["`x.gguf`", "no GGUF file"]);
    let generate = |more: &[&str]| dir.run(&[&["model", "generate", "m"], more].concat());
    generate(&[]).fails(2, &["--prompt"]);
    generate(&["-p", "a"]).fails(1, &["it has no weights"]);
    generate(&["-p", "a", "--temperature", "-1"]).fails(2, &["`temperature` is -1"]);
    generate(&["-p", "a", "--top-p", "0"]).fails(2, &["`top_p` is 0"]);
    generate(&["-p", "a", "--repetition-penalty", "nan"]).fails(2, &["`repetition_penalty` is NaN"]);
    generate(&["-p", "a", "-n", "0"]).fails(2, &["`max_new_tokens` is 0"]);
    generate(&["-p", "a", "--stop", ""]).fails(2, &["a stop string is empty"]);
    generate(&["-p", "a", "--system", "b"]).fails(2, &["--chat"]);
    generate(&["--prompts", "none.jsonl"]).fails(1, &["cannot read `none.jsonl`"]);
    dir.file("broken.jsonl", "good\n{\"prompt\": \"a\"}\n{broken\n");
    generate(&["--prompts", "broken.jsonl"]).fails(1, &["line 3 of `broken.jsonl` is no JSON object"]);
    dir.file("other.jsonl", "{\"promt\": \"a\"}\n");
    generate(&["--prompts", "other.jsonl"]).fails(1, &["line 1 of `other.jsonl` has neither `prompt`"]);
    dir.file("blank.jsonl", "\n \n");
    generate(&["--prompts", "blank.jsonl"]).fails(2, &["there is no prompt"]);
}
