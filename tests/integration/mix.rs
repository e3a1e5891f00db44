//! `mix`: the recipes on tokens, and what is said of wrong ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::Value;

use crate::support::{Dir, corpus, files};

const CURRICULUM: &str = include_str!("../../recipes/polylm-curriculum.toml");
const STATIC: &str = include_str!("../../recipes/yayi2-mix.toml");

/// A folder with tokens where the recipes look for them: the demo's corpus, uncleaned, by a small tokenizer.
fn tokens() -> Dir {
    let dir = Dir::new();
    dir.file("corpus.jsonl", corpus(4_000));
    dir.file("sample.jsonl", corpus(150));
    let train = ["train-tokenizer", "sample.jsonl", "-o", "t/tokenizer.json", "--vocab-size", "900", "--quiet"];
    dir.ok(&train);
    dir.file(
        "tokens.toml",
        "[input]\npaths = [\"corpus.jsonl\"]\n[output]\ndocuments = false\n[[stage]]\nlanguage_id = {}\n\
         [[stage]]\ntokenize = { tokenizer = \"t/tokenizer.json\" }\n[[stage]]\nwrite_binidx = {}\n",
    );
    dir.ok(&["run", "tokens.toml", "-o", "demo", "--quiet"]);
    // Documents are few and long: shares come out in ten times as many tokens.
    dir.file("recipes/curriculum.toml", CURRICULUM.replace(" 160_000", " 1_600_000").replace(" 80_000", " 800_000"));
    dir.file("recipes/as_it_lies.toml", CURRICULUM);
    dir.file("recipes/static.toml", STATIC);
    dir
}

/// Documents and tokens of a set by language, from its file of documents.
fn by_language(prefix: &Path) -> BTreeMap<String, (u64, u64)> {
    let file = std::fs::File::open(prefix.with_extension("documents.parquet")).expect("the file of documents");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let names: Vec<String> =
        reader.metadata().file_metadata().schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
    let place = |name: &str| names.iter().position(|known| known == name).expect("a column");
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for row in reader.get_row_iter(None).expect("rows") {
        let row = row.expect("a row");
        let language = row.get_string(place("language")).map_or_else(|_| "und".to_owned(), Clone::clone);
        let (documents, tokens) = found.entry(language).or_default();
        (*documents, *tokens) = (*documents + 1, *tokens + row.get_ulong(place("tokens")).expect("a number"));
    }
    found
}

fn preview(dir: &Dir, recipe: &str) -> Value {
    serde_json::from_str(&dir.ok(&["mix", recipe, "--preview", "--json"]).stdout()).expect("JSON")
}

fn assert_planned(dir: &Dir, out: &str, plan: &Value) {
    for phase in plan["phases"].as_array().expect("phases") {
        let prefix = dir.path(out).join(phase["name"].as_str().expect("a name")).join("tokens");
        let planned: BTreeMap<String, (u64, u64)> = phase["languages"]
            .as_object()
            .expect("languages")
            .iter()
            .map(|(name, of)| {
                (name.clone(), (of["documents"].as_u64().expect("a number"), of["tokens"].as_u64().expect("a number")))
            })
            .collect();
        assert_eq!(by_language(&prefix), planned);
        let set = ["binidx", "info", &prefix.to_string_lossy(), "--json"];
        let info: Value = serde_json::from_str(&dir.ok(&set).stdout()).expect("JSON");
        assert_eq!((&info["documents"], &info["tokens"]), (&phase["taken"]["documents"], &phase["taken"]["tokens"]));
        dir.ok(&["binidx", "verify", &prefix.to_string_lossy(), "--tokenizer", "t/tokenizer.json", "--eod", "<eod>"]);
    }
}

#[test]
fn the_recipes_write_what_they_preview() {
    let dir = tokens();
    let plan = preview(&dir, "recipes/curriculum.toml");
    let share = |phase: usize| {
        let phase = &plan["phases"][phase];
        let of = |value: &Value| value["tokens"].as_u64().expect("a number") as f64;
        1.0 - of(&phase["languages"]["en"]) / of(&phase["taken"])
    };
    assert!((share(0) - 0.3).abs() < 0.02 && (share(1) - 0.6).abs() < 0.02, "{} {}", share(0), share(1));
    let ran = dir.ok(&["mix", "recipes/curriculum.toml", "-o", "out"]);
    let table = dir.ok(&["mix", "recipes/curriculum.toml", "--plan"]).stdout();
    assert!(ran.stderr().contains(table.trim_end()) && ran.stdout().is_empty(), "{}\n{table}", ran.stderr());
    assert_planned(&dir, "out", &plan);
    dir.ok(&["mix", "recipes/as_it_lies.toml", "-o", "small", "--quiet"]);
    assert_planned(&dir, "small", &preview(&dir, "recipes/as_it_lies.toml"));
    let plan = preview(&dir, "recipes/static.toml");
    dir.ok(&["mix", "recipes/static.toml", "-o", "static", "--quiet", "--threads", "1", "--memory", "64MiB"]);
    assert_planned(&dir, "static", &plan);
    let epochs = |source: &str| {
        let sources = plan["sources"].as_array().expect("sources");
        sources.iter().find(|of| of["name"] == source).expect("the source")["epochs"].as_f64().expect("a number")
    };
    assert!((epochs("encyclopaedias") - 2.5).abs() < 0.01 && (epochs("web") - 0.5).abs() < 0.01);
    // A finished folder is left as it is.
    let before = files(&dir.path("out"));
    dir.ok(&["mix", "recipes/curriculum.toml", "-o", "out", "--quiet"]);
    assert!(files(&dir.path("out")) == before);
    dir.run(&["mix", "recipes/curriculum.toml", "-o", "out", "--set", "phase.stage2.tokens=90000"])
        .fails(2, &["`out` was made by another recipe: `phase.stage2.tokens` was 800000, now 90000", "hint: choose"]);
    // Killed anywhere, it goes on to the same bytes.
    let whole = [("--threads", "1"), ("--threads", "2")];
    for (number, (flag, threads)) in whole.iter().cycle().take(8).enumerate() {
        let command = ["mix", "recipes/curriculum.toml", "-o", "killed", "--quiet", flag, threads];
        let mut child = dir.command(&command).spawn().expect("started");
        std::thread::sleep(Duration::from_millis(5 + 9 * number as u64));
        let _ = child.kill();
        child.wait().expect("gone");
    }
    dir.ok(&["mix", "recipes/curriculum.toml", "-o", "killed", "--quiet"]);
    let inside = |run: &str| -> BTreeMap<String, Vec<u8>> {
        let files = files(&dir.path(run)).into_iter();
        let short = |path: String| path.strip_prefix(&*dir.path(run).to_string_lossy()).expect("inside").to_owned();
        files.map(|(path, bytes)| (short(path), bytes)).filter(|(path, _)| !path.ends_with("blend.txt")).collect()
    };
    assert_eq!(inside("killed").keys().collect::<Vec<_>>(), inside("out").keys().collect::<Vec<_>>());
    assert!(inside("killed") == inside("out"));
}

#[test]
fn a_wrong_recipe_is_told_with_its_line() {
    let dir = Dir::new();
    dir.file("a.jsonl", "{\"text\": \"今天\", \"language\": \"zh\"}\n{\"text\": \"a\"}\n");
    dir.ok(&["train-tokenizer", "a.jsonl", "-o", "t.json", "--vocab-size", "700", "--quiet"]);
    dir.ok(&["tokenize", "a.jsonl", "-o", "set", "--tokenizer", "t.json", "--quiet"]);
    let told = |source: &str, phase: &str, said: &[&str]| {
        let text = format!("[[source]]\nname = \"a\"\n{source}\n[[phase]]\nname = \"one\"\n{phase}\n");
        dir.file("r.toml", text);
        dir.run(&["mix", "r.toml", "--preview"]).fails(2, said);
    };
    let paths = "paths = [\"set\"]";
    told(paths, "token = 5", &["`r.toml` line 6: there is no field `token` here", "hint: did you mean `tokens`?"]);
    told(
        paths,
        "tokens = \"5\"",
        &["`r.toml` line 6: `phase.0.tokens` must be a whole number of 0 or more, not \"5\""],
    );
    told(
        paths,
        "tokens = 5\nweights = { a = 1, b = 2 }",
        &["`r.toml` line 7: phase `one`: `weights`: there is no source `b`"],
    );
    told(paths, "tokens = 5\n\nweights = { a = 0 }", &["`r.toml` line 8: phase `one`: `weights` are all zero"]);
    told(paths, "epochs = { a = -1 }", &["`r.toml` line 6: phase `one`: `epochs`: `a` must be 0 or more, not -1"]);
    told(paths, "epochs = { a = 1 }\nbudgets = { a = 1 }", &["line 7", "stands in `epochs` and in `budgets`"]);
    told(paths, "weights = { a = 1 }", &["line 5", "of how many tokens?", "hint: add `tokens"]);
    told("paths = [\"none\"]", "", &["`r.toml` line 3: source `a`: no token set", "at `none`"]);
    told(&format!("{paths}\nlanguages = [\"fr\"]"), "", &["line 2: source `a` has no document with tokens"]);
    told(
        &format!("{paths}\nkind = \"dynamic\""),
        "epochs = { a = 2 }",
        &["line 4: source `a` is dynamic", "hint: lower its share"],
    );
    told(&format!("{paths}\nkind = \"dinamic\""), "", &["line 4", "unknown variant `dinamic`"]);
    dir.file("r.toml", format!("[[source]]\nname = \"a\"\n{paths}\n[[phase]]\nname = \"one\"\n"));
    dir.run(&["mix", "r.toml", "--preview", "--set", "phase.one.weights={b=1}", "--set", "phase.one.tokens=5"])
        .fails(2, &["there is no source `b`"]);
    dir.run(&["mix", "r.toml", "--preview", "--set", "phase.two.tokens=5"])
        .fails(2, &["there is no phase `two`, there are one"]);
    dir.run(&["mix", "r.toml"]).fails(2, &["--out"]);
    let schema: Value = serde_json::from_str(&dir.ok(&["mix", "--schema"]).stdout()).expect("JSON");
    let settings = schema["$defs"]["Phase"]["properties"].as_object().expect("settings");
    assert!(settings.values().all(|setting| setting["description"].is_string()), "{settings:?}");
    dir.file("full/of.txt", "things");
    dir.run(&["mix", "r.toml", "-o", "full"]).fails(2, &["`full` holds files and is no mix's folder", "hint: choose"]);
    dir.ok(&["mix", "r.toml", "-o", "out"]);
}
