//! `train-model`: from documents to a model that other commands use.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Dir, beginnings, corpus, model_fixture};

/// Token sets of the bundled corpus and what a tiny model of them needs: `train`, `held`, `t.json`, `config.json`.
fn tokens() -> Dir {
    let dir = Dir::new();
    dir.file("learnt-from.jsonl", corpus(40));
    dir.ok(&["train-tokenizer", "learnt-from.jsonl", "-o", "t.json", "--vocab-size", "500", "--reserved", "0", "-q"]);
    let all = beginnings(90, 240);
    let lines: Vec<&str> = all.lines().collect();
    dir.file("train.jsonl", lines[..70].join("\n"));
    dir.file("held.jsonl", lines[70..].join("\n"));
    for name in ["train", "held"] {
        dir.ok(&["tokenize", &format!("{name}.jsonl"), "-o", name, "--tokenizer", "t.json", "-q"]);
    }
    let config = std::fs::read(model_fixture("yuan-moe-tiny").join("config.json")).expect("a fixture");
    let mut config: Value = serde_json::from_slice(&config).expect("JSON");
    for name in ["eod_token", "eos_token_id", "bos_token_id"] {
        if !config[name].is_null() {
            config[name] = 0.into();
        }
    }
    config["rotary_base"] = 10000.0.into();
    dir.file("config.json", config.to_string());
    dir
}

/// A short training.
const SHORT: [&str; 20] = [
    "train-model",
    "train",
    "--config",
    "config.json",
    "--tokenizer",
    "t.json",
    "--valid",
    "held=held",
    "--steps",
    "8",
    "-L",
    "64",
    "--batch-tokens",
    "256",
    "--micro-batch-tokens",
    "128",
    "--eval-every",
    "3",
    "--save-every",
    "2",
];

/// It with other flags, which take the places of those that are there.
fn short<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = SHORT[..2].to_vec();
    let flags = SHORT[2..].chunks(2).filter(|flag| !more.contains(&flag[0]));
    arguments.extend(flags.flatten());
    arguments.extend(more);
    arguments
}

/// The log without what depends on the clock.
fn told(dir: &Dir, folder: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.path(folder).join("log.jsonl")).expect("a log");
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        let fields = line.as_object_mut().expect("an object");
        fields.remove("seconds");
        fields.remove("tokens_per_second");
        line
    };
    text.lines().map(line).collect()
}

#[test]
fn a_model_is_trained_and_used() {
    let dir = tokens();
    let ran = dir.ok(&short(&["-o", "out"]));
    assert!(ran.stderr().contains("8 steps of 256 tokens, 2,048 in all"), "{}", ran.stderr());
    assert!(ran.stdout().starts_with("held out"), "{}", ran.stdout());
    let lines = told(&dir, "out");
    let steps: Vec<&Value> = lines.iter().filter(|line| line["evaluation"].is_null()).collect();
    assert_eq!(
        steps.iter().map(|line| line["step"].as_u64()).collect::<Vec<_>>(),
        (1..=8).map(Some).collect::<Vec<_>>()
    );
    let loss = |line: &Value| line["loss"].as_f64().expect("a loss");
    assert!((loss(steps[0]) - 512_f64.ln()).abs() < 0.3 && loss(steps[7]) < loss(steps[0]), "{lines:?}");
    assert_eq!((steps[7]["tokens"].as_u64(), steps[0]["routers"].as_array().map(Vec::len)), (Some(2048), Some(2)));
    // What was evaluated is what the saved model says.
    let last = lines.last().expect("a line");
    assert_eq!((&last["evaluation"], &last["final"]), (&json!("held"), &json!(true)));
    for model in ["out/model", "out/checkpoints/step-00000008"] {
        let ran = dir.ok(&["model", "perplexity", model, "--tokens", "held", "--json", "-q"]);
        let said: Value = serde_json::from_str(&ran.stdout()).expect("JSON");
        for name in ["perplexity", "bits_per_byte"] {
            let (said, told) = (said[0][name].as_f64().expect("a number"), last[name].as_f64().expect("a number"));
            assert!((said / told - 1.0).abs() < 1e-4, "{name}: {said} {told}");
        }
        assert_eq!((&said[0]["tokens"], &said[0]["documents"]), (&last["tokens"], &last["documents"]));
    }
    dir.ok(&["model", "info", "out/model"]);
    dir.ok(&["model", "generate", "out/model", "--prompt", "The", "--max-new-tokens", "4", "-q"]);
    let moe = ["score", "held.jsonl", "-o", "scored", "--moe", "yuan=out/model", "-q"];
    dir.ok(&moe);
    assert!(dir.documents("scored/out").iter().all(|document| document["yuan_perplexity"].is_number()));
    let page = std::fs::read_to_string(dir.path("out/report.html")).expect("a page");
    for part in ["<h2>Loss</h2>", "<h2>Routers</h2>", "<svg", "sequence_length = 64"] {
        assert!(page.contains(part), "{part}");
    }
    let kept = std::fs::read_dir(dir.path("out/checkpoints")).expect("checkpoints").count();
    assert_eq!(kept, 2);
    // What is in bf16 is half as large; training with it goes on from fp32.
    dir.ok(&short(&["-o", "half", "--save-dtype", "bf16", "-q"]));
    assert_eq!(told(&dir, "half"), lines);
    let size =
        |folder: &str| std::fs::metadata(dir.path(folder).join("model/model.safetensors")).expect("a file").len();
    assert!(size("half") < size("out") * 11 / 20);
    // From its weights on, elsewhere.
    let from = ["train-model", "train", "--from", "out/model", "--steps", "1", "-L", "64", "--batch-tokens", "256"];
    dir.ok(&[&from[..], &["-o", "on", "-q"]].concat());
    let on = told(&dir, "on");
    assert!(loss(&on[0]) < loss(steps[1]) && dir.path("on/model/tokenizer.json").exists(), "{on:?}");
    // It may be moved; another one is another.
    std::fs::rename(dir.path("out/model"), dir.path("moved")).expect("moved");
    let on = |model: &str| from.map(|word| if word == "out/model" { model.to_owned() } else { word.to_owned() });
    let again = |model: &str| {
        let arguments = on(model);
        dir.run(&arguments.iter().map(String::as_str).chain(["-o", "on", "-q"]).collect::<Vec<_>>())
    };
    assert_eq!(again("moved").status(), 0);
    again("out/checkpoints/step-00000006").fails(2, &["`on` began with the weights of another model"]);
}

#[test]
fn a_run_that_is_killed_or_stopped_ends_as_one_that_was_not() {
    let dir = tokens();
    dir.ok(&short(&["-o", "whole", "--threads", "1", "-q"]));
    let expected = told(&dir, "whole");
    let model = |folder: &str| std::fs::read(dir.path(folder).join("model/model.safetensors")).expect("a model");
    // Out of time at once, time and time again: a call takes a step or evaluates a set, after three steps, six and all.
    let mut calls = 0;
    while !dir.path("timed/model").exists() {
        dir.ok(&short(&["-o", "timed", "--time", "0.001s", "--threads", "2", "-q"]));
        calls += 1;
        assert_eq!(told(&dir, "timed").len(), calls);
    }
    assert_eq!(calls, 8 + 3);
    assert_eq!(told(&dir, "timed"), expected);
    assert!(model("timed") == model("whole"));
    for (signal, folder) in [("-KILL", "killed"), ("-INT", "stopped")] {
        let arguments = short(&["-o", folder, "--progress", "json"]);
        let mut child = dir.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("started");
        loop {
            let has_ended = child.try_wait().expect("it can be asked").is_some();
            if dir.path(folder).join("checkpoints").exists() {
                break;
            }
            assert!(!has_ended, "it ended before it was {folder}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let id = child.id().to_string();
        std::process::Command::new("kill").args([signal, &id]).status().expect("kill is there");
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("read");
        let status = child.wait().expect("ended");
        if signal == "-KILL" {
            assert_eq!(status.signal(), Some(9), "{said}");
        }
        if signal == "-INT" && !dir.path("stopped/model").exists() {
            assert_eq!(status.code(), Some(130), "{said}");
            assert!(said.contains("the same command goes on from here"), "{said}");
        }
        dir.ok(&short(&["-o", folder, "--threads", "2", "--eval-every", "3", "--save-every", "5", "-q"]));
        assert_eq!(told(&dir, folder), expected, "{folder}");
        assert!(model(folder) == model("whole"), "{folder}");
    }
}

#[test]
fn other_settings_are_refused_and_damage_is_told() {
    let dir = tokens();
    let begin = short(&["-o", "out", "-q"]);
    dir.ok(&begin);
    let with = |more: &[&str]| dir.run(&short(&[more, &["-o", "out", "-q"]].concat()));
    with(&["--learning-rate", "0.002"]).fails(
        2,
        &["`out` was made with other settings: `learning_rate` was 0.001, now 0.002", "--from out/checkpoints"],
    );
    with(&["--seed", "1"]).fails(2, &["`seed` was 1234, now 1"]);
    with(&["--documents", "together"]).fails(2, &["`documents` was \"apart\", now \"together\""]);
    let swapped: Vec<&str> = begin.iter().map(|word| if *word == "train" { "held" } else { *word }).collect();
    dir.run(&swapped).fails(2, &["`out` was made of other tokens"]);
    let config = std::fs::read_to_string(dir.path("config.json")).expect("a configuration");
    dir.file("config.json", config.replace("\"rotary_base\":10000.0", "\"rotary_base\":20000.0"));
    with(&[]).fails(2, &["was made with another config: `rotary_base` was 10000.0, now 20000.0"]);
    dir.file("config.json", config);
    // Those that change no number are taken: all is done already.
    assert_eq!(with(&["--keep", "1", "--eval-tokens", "10", "--save-every", "1", "--time", "1h"]).status(), 0);
    let path = dir.path("out/checkpoints/step-00000008/optimizer.safetensors");
    let mut bytes = std::fs::read(&path).expect("a file");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    with(&[]).fails(1, &["step-00000008/optimizer.safetensors` is damaged", "to go on from step 6"]);
    std::fs::remove_dir_all(dir.path("out/checkpoints/step-00000008")).expect("removed");
    assert_eq!(with(&[]).status(), 0);
}

#[test]
fn a_recipe_says_what_flags_say() {
    let dir = tokens();
    dir.ok(&short(&["-o", "flags", "-q"]));
    let recipe = "data = [\"train\"]\nconfig = \"config.json\"\ntokenizer = \"t.json\"\nsteps = 5\nsequence_length = 64\n\
                  batch_tokens = 256\nmicro_batch_tokens = 128\neval_every = 3\n[valid]\nheld = \"held\"\n";
    dir.file("train.toml", recipe);
    dir.ok(&["train-model", "--recipe", "train.toml", "--steps", "8", "-o", "recipe", "-q"]);
    assert_eq!(told(&dir, "recipe"), told(&dir, "flags"));
    // What was run lies beside the model, and can be run.
    dir.ok(&["train-model", "--recipe", "recipe/model/train.toml", "-o", "again", "-q"]);
    assert_eq!(told(&dir, "again"), told(&dir, "flags"));
    let told = |text: &str| {
        dir.file("wrong.toml", text);
        dir.run(&["train-model", "--recipe", "wrong.toml", "-o", "x"])
    };
    told(&recipe.replace("eval_every", "evl_every"))
        .fails(2, &["`wrong.toml` line 8: there is no field `evl_every` here", "did you mean `eval_every`?"]);
    told(&recipe.replace("steps = 5", "")).fails(2, &["how long is it to be trained?"]);
    told(&recipe.replace("[\"train\"]", "[]")).fails(2, &["there is nothing to train on"]);
    told(&recipe.replace("config = \"config.json\"", "config = \"yuan-moe-tony\"")).fails(2, &["there is no model"]);
    assert!(!dir.path("x").exists());
    let schema: Value = serde_json::from_str(&dir.ok(&["train-model", "--schema"]).stdout()).expect("JSON");
    assert!(schema["properties"]["floor_fraction"]["description"].is_string());
}

#[test]
fn what_does_not_fit_is_told_before_anything_runs() {
    let dir = tokens();
    let with = |more: &[&str]| dir.run(&short(&[more, &["-o", "out"]].concat()));
    if !cfg!(feature = "candle-cuda") {
        let told = ["this program does not train on `cuda:0`", "`--features candle-cuda`", "--device cpu"];
        with(&["--device", "cuda:0"]).fails(2, &told);
    }
    with(&["--device", "tpu"]).fails(2, &["`tpu` is no device"]);
    with(&["--batch-tokens", "300"]).fails(2, &["no multiple of 64", "--batch-tokens 256"]);
    with(&["-L", "4096"]).fails(2, &["the model is made for 128"]);
    with(&["--tokens", "5"]).fails(2, &["cannot be used with"]);
    with(&["--warmup-steps", "9"]).fails(2, &["`warmup_steps` is 9, and there are 8 steps"]);
    with(&["--schedule", "wsd", "--decay-steps", "9"]).fails(2, &["`decay_steps` is 9, and there are 8 steps"]);
    with(&["--floor-fraction", "2"]).fails(2, &["`floor_fraction` must be in [0, 1], not 2"]);
    with(&["--schedule", "constant", "--floor-fraction", "0.1"])
        .fails(2, &["`floor_fraction` is for a learning rate that"]);
    with(&["--balance=-1"]).fails(2, &["`balance` must be 0 or more, not -1"]);
    with(&["--beta1", "1"]).fails(2, &["`beta1` must be in [0, 1), not 1"]);
    with(&["--beta2", "0.999999999"]).fails(2, &["`beta2` must be in [0, 1), not 0.999999999"]);
    with(&["--micro-batch-tokens", "0"]).fails(2, &["`micro_batch_tokens` must be 1 or more, not 0"]);
    with(&["--pad", "512"]).fails(2, &["`pad` is 512, and the vocabulary has 512"]);
    with(&["--valid", "held", "--valid", "elsewhere/held"])
        .fails(2, &["`--valid` names two sets `held`: held and elsewhere/held", "--valid other=elsewhere/held"]);
    with(&["--valid", "nothing"]).fails(1, &["nothing.idx"]);
    with(&["--loss-mask"]).fails(1, &["train_loss_mask.idx"]);
    with(&["--reset-position-ids"]).fails(2, &["for documents together"]);
    let config = std::fs::read_to_string(dir.path("config.json")).expect("a configuration");
    dir.file("config.json", config.replace("\"eod_token\":0", "\"eod_token\":3"));
    with(&[]).fails(2, &["its documents end with token 0, and the model's with 3"]);
    let dense = std::fs::read(model_fixture("yuan-dense-tiny").join("config.json")).expect("a fixture");
    let mut dense: Value = serde_json::from_slice(&dense).expect("JSON");
    for name in ["eod_token", "eos_token_id", "bos_token_id"] {
        dense[name] = 0.into();
    }
    dir.file("dense.json", dense.to_string());
    with(&["--config", "dense.json", "--balance", "0.1"]).fails(2, &["`balance` is 0.1, and the model is dense"]);
    dense["use_shareqk"] = true.into();
    dir.file("dense.json", dense.to_string());
    with(&["--config", "dense.json"]).fails(2, &["field `use_shareqk` of the model's configuration is set"]);
    dir.file("config.json", config);
    dir.ok(&["train-tokenizer", "held.jsonl", "-o", "other.json", "--vocab-size", "450", "--reserved", "0", "-q"]);
    with(&["--tokenizer", "other.json"]).fails(2, &["its tokens are of another tokenizer"]);
    assert!(!dir.path("out").exists());
}

/// The same steps by candle's operations, stopped and gone on with.
#[test]
fn candle_trains_what_our_kernels_train() {
    let dir = tokens();
    dir.ok(&short(&["-o", "ours", "-q"]));
    dir.ok(&short(&["-o", "candles", "--device", "candle", "--time", "0.001s", "-q"]));
    dir.run(&short(&["-o", "candles", "-q"])).fails(2, &["`device` was \"candle\", now \"cpu\""]);
    dir.ok(&short(&["-o", "candles", "--device", "candle", "-q"]));
    let (ours, candles) = (told(&dir, "ours"), told(&dir, "candles"));
    assert_eq!(ours.len(), candles.len());
    for (ours, candles) in ours.iter().zip(&candles) {
        let [ours, candles] = [ours, candles].map(|line| line["loss"].as_f64().expect("a loss"));
        assert!((ours / candles - 1.0).abs() < 1e-3, "{ours} {candles}");
    }
    dir.ok(&["model", "info", "candles/model"]);
}

#[test]
fn one_process_trains_in_a_folder_and_sets_are_told_apart() {
    let dir = tokens();
    std::fs::create_dir(dir.path("out")).expect("a folder");
    let held = std::fs::File::create(dir.path("out/.lock")).expect("a file");
    held.lock().expect("it is free");
    let with = |more: &[&str]| dir.run(&short(&[&["-o", "out", "-q"], more].concat()));
    with(&[]).fails(2, &["another process works in `out`", "wait for it"]);
    drop(held);
    // Longer than any clock counts.
    assert_eq!(with(&["--time", "3e15h"]).status(), 0);
    let last = || told(&dir, "out").pop().expect("a line");
    let before = last();
    // All is done but the evaluation of what was not there before.
    let ran = with(&["--valid", "held=train"]);
    assert_eq!((ran.status(), ran.stdout().lines().count()), (0, 2), "{}", ran.stdout());
    let after = last();
    assert!(after["evaluation"] == "held" && after["key"] != before["key"] && after["tokens"] != before["tokens"]);
    let page = std::fs::read_to_string(dir.path("out/report.html")).expect("a page");
    assert_eq!(page.matches("<td>held<").count(), 1);
    assert_eq!(with(&[]).status(), 0);
    assert_eq!(last(), after, "it is told already");
}

#[test]
fn masks_and_weights_change_what_is_learnt() {
    let dir = tokens();
    let line = "{\"text\": \"what is it <sep> it is this one and no other one\"}\n";
    dir.file("asked.jsonl", line.repeat(60));
    dir.file(
        "asked.toml",
        "[input]\npaths = [\"asked.jsonl\"]\n[output]\ndocuments = false\n[[stage]]\n\
         tokenize = { tokenizer = \"t.json\", parse_special = true }\n[[stage]]\nwrite_binidx = { loss_mask = true }\n",
    );
    dir.ok(&["run", "asked.toml", "-o", "run", "-q"]);
    let train = |more: &[&str]| {
        let base =
            ["train-model", "--config", "config.json", "--steps", "2", "-L", "32", "--batch-tokens", "128", "-q"];
        dir.ok(&[&base[..], more].concat());
        told(&dir, more.last().expect("a folder"))[0]["loss"].clone()
    };
    let plain = train(&["run/out/tokens", "-o", "plain"]);
    let masked = ["run/out/tokens", "--loss-mask", "-o", "masked"];
    assert_ne!(plain, train(&masked));
    let path = dir.path("run/out/tokens_loss_mask.bin");
    let mut mask = std::fs::read(&path).expect("a mask");
    mask[0] ^= 1;
    std::fs::write(&path, mask).expect("written");
    let again = ["train-model", "--config", "config.json", "--steps", "2", "-L", "32", "--batch-tokens", "128"];
    dir.run(&[&again[..], &masked].concat()).fails(2, &["`masked` was made of other tokens"]);
    let mixed = train(&["0.5", "run/out/tokens", "0.5", "train", "-o", "mixed"]);
    assert!(mixed != plain && mixed != train(&["run/out/tokens", "train", "-o", "sizes"]));
    assert_ne!(plain, train(&["run/out/tokens", "--documents", "together", "--reset-position-ids", "-o", "together"]));
}
