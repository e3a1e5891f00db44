//! Recipes compared by models that are trained on their documents: `ablate`.

use serde_json::Value;

use crate::support::{Dir, Ran, corpus, model_fixture, recipe};

fn done(ran: Ran) -> Ran {
    assert_eq!(ran.status(), 0, "{}", ran.stderr());
    ran
}

/// What a table of `ablate` says of a recipe in a domain.
fn mean<'a>(table: &'a Value, recipe: usize, domain: &str, what: &str) -> &'a Value {
    &table["recipes"][recipe]["domains"][domain][what]
}

#[test]
fn recipes_are_compared_by_what_models_learn_of_them() {
    let dir = Dir::new();
    let lines: Vec<String> = corpus(90).lines().map(|line| line.to_owned() + "\n").collect();
    // Of the held-out documents one lies in the corpus, too.
    let longest = lines[10..].iter().max_by_key(|line| line.len()).expect("lines");
    dir.file("held.jsonl", lines[..10].concat() + longest);
    dir.file("in.jsonl", lines[10..].concat());
    // Letters that say nothing, as long as the documents.
    let noise: String = (0..200_u64)
        .map(|document| {
            let mut state = document + 1;
            let text: String = (0..400)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    char::from(b'a' + (state >> 59) as u8 % 26)
                })
                .collect();
            serde_json::json!({ "text": text }).to_string() + "\n"
        })
        .collect();
    dir.file("noise.jsonl", noise);
    dir.file("good.toml", recipe(&[&dir.path("in.jsonl")], 1_000_000, &["normalize = {}", "write_binidx = {}"]));
    dir.file("noise.toml", recipe(&[&dir.path("noise.jsonl")], 1_000_000, &["normalize = {}"]));
    dir.file("train.toml", "sequence_length = 64\nbatch_tokens = 512\nlearning_rate = 0.01\nsave_every = 5\n");
    let vocabulary = ["--vocab-size", "500", "--reserved", "0", "-q"];
    dir.ok(&[&["train-tokenizer", "in.jsonl", "-o", "t.json"][..], &vocabulary].concat());
    let config = std::fs::read_to_string(model_fixture("yuan-moe-tiny").join("config.json"));
    let mut config: Value = serde_json::from_str(&config.expect("a fixture")).expect("JSON");
    for name in ["eod_token", "eos_token_id", "bos_token_id"] {
        config[name] = 0.into();
    }
    dir.file("config.json", config.to_string());
    let common =
        ["--held-out", "web=held.jsonl", "--train", "train.toml", "--tokenizer", "t.json", "--config", "config.json"];
    let ask = |out: &str, more: &[&str]| {
        let args = ["ablate", "noise.toml", "good=good.toml", "-o", out, "--tokens", "20000", "-q"];
        dir.run(&[&args[..], &common, more].concat())
    };
    let told = done(ask("out", &["--seeds", "2"])).stdout();
    assert_eq!(told, std::fs::read_to_string(dir.path("out/ablation.md")).expect("a table"));
    let table = || -> Value {
        serde_json::from_slice(&std::fs::read(dir.path("out/ablation.json")).expect("a table")).expect("JSON")
    };
    let first = table();
    assert_eq!((&first["recipes"][0]["recipe"], &first["recipes"][1]["recipe"]), (&"noise".into(), &"good".into()));
    assert_eq!(
        (&first["recipes"][1]["documents_read"], &first["recipes"][1]["documents_kept"]),
        (&80.into(), &79.into())
    );
    let difference = mean(&first, 1, "web", "difference");
    assert!(difference["mean"].as_f64().expect("a number") < -0.5, "{first}");
    assert!(mean(&first, 0, "web", "difference").is_null());
    // What is known is not trained again, and another seed is one more training of each.
    let results = std::fs::read_to_string(dir.path("out/results.jsonl")).expect("results");
    assert_eq!(results.lines().count(), 4);
    assert!(!dir.path("out/good/seed-1234/checkpoints").exists() && !dir.path("out/good/seed-1234/model").exists());
    done(ask("out", &["--seeds", "3"]));
    let more = std::fs::read_to_string(dir.path("out/results.jsonl")).expect("results");
    assert!(more.starts_with(&results) && more.lines().count() == 6, "{more}");
    assert_eq!(table()["seeds"], 3);
    // The figures are those of the model that was trained.
    done(ask("kept", &["--seeds", "1", "--keep-models"]));
    let bits: f64 = serde_json::from_str::<Value>(results.lines().nth(1).expect("good"))
        .map(|line| line["bits_per_byte"]["web"].as_f64().expect("a number"))
        .expect("JSON");
    let read = ["--json", "-q"];
    let read =
        dir.ok(&[&["model", "perplexity", "kept/good/seed-1234/model", "held.jsonl"][..], &read].concat()).stdout();
    let read: Value = serde_json::from_str(&read).expect("JSON");
    let again = read[0]["bits_per_byte"].as_f64().expect("a number");
    // The way forward of a training adds up in another order, by which a router may choose otherwise where it nearly ties.
    assert!((again - bits).abs() < 1e-5 * bits, "{again} {bits}");
    // Mistakes are told before anything is done.
    dir.run(&["ablate", "good.toml", "-o", "x", "--held-out", "web=held.jsonl"]).fails(2, &["[NAME=]RECIPE"]);
    ask("x", &["--held-out", "web=held.jsonl"]).fails(2, &["two of them are called `web`"]);
    dir.run(&["ablate", "good.toml", "gone.toml", "-o", "x", "--held-out", "web=held.jsonl"]).fails(1, &["gone.toml"]);
    let bad = ["ablate", "good.toml", "noise.toml", "-o", "x", "--held-out", "web=held.jsonl", "--config", "gone"];
    dir.run(&bad).fails(2, &["there is no model `gone`"]);
    assert!(!dir.path("x").exists());
    // What is held out is found by its own field, and another shape of the same name is another model.
    let held = std::fs::read_to_string(dir.path("held.jsonl")).expect("held out");
    dir.file("held.jsonl", held.replace("\"text\":", "\"content\":"));
    config["num_hidden_layers"] = 1.into();
    dir.file("config.json", config.to_string());
    let few = ["--tokens", "2000", "--seeds", "1", "--text-field", "content"];
    let few = [&["ablate", "noise.toml", "good=good.toml", "-o", "few", "-q"][..], &common, &few].concat();
    dir.ok(&few);
    let table: Value =
        serde_json::from_slice(&std::fs::read(dir.path("few/ablation.json")).expect("a table")).expect("JSON");
    assert_eq!(table["recipes"][1]["documents_kept"], 79);
    let known = || std::fs::read_to_string(dir.path("few/results.jsonl")).expect("results").lines().count();
    dir.ok(&few);
    assert_eq!(known(), 2);
    config["num_hidden_layers"] = 2.into();
    dir.file("config.json", config.to_string());
    dir.ok(&few);
    assert_eq!(known(), 4);
    dir.run(&["ablate", "good.toml", "noise.toml", "-o", "x", "--held-out", "held.jsonl"])
        .fails(2, &["NAME=held.jsonl"]);
}
