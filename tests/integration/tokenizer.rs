//! Tokenizers that are changed by the binary.

use serde_json::Value;

use super::support::{Dir, corpus};

/// A folder with a corpus and a tokenizer of 1,200 tokens, of which 20 are slots from id 18 on.
fn trained() -> Dir {
    let dir = Dir::new();
    dir.file("corpus.jsonl", corpus(200));
    dir.ok(&[
        "train-tokenizer",
        "corpus.jsonl",
        "-o",
        "t/tokenizer.json",
        "--vocab-size",
        "1200",
        "--reserved",
        "20",
        "--quiet",
    ]);
    dir
}

#[test]
fn slots_get_names_unless_texts_have_them() {
    let dir = trained();
    let info = dir.ok(&["info", "t/tokenizer.json"]).stdout();
    assert!(info.contains("<eod> 0") && info.contains("20 slots, <|reserved_0|> 18 to <|reserved_19|> 37"), "{info}");
    // A text whose control tokens are taken for what they are.
    let text = "{\"text\": \"a<|reserved_3|>b\"}\n";
    dir.file("slots.jsonl", text);
    dir.file(
        "slots.toml",
        "[input]\npaths = [\"slots.jsonl\"]\n[output]\ndocuments = false\n\
         [[stage]]\ntokenize = { tokenizer = \"t/tokenizer.json\", parse_special = true }\n\
         [[stage]]\nwrite_binidx = { prefix = \"slots\" }\n",
    );
    dir.ok(&["run", "slots.toml", "-o", "run", "--quiet"]);
    let taken = ["tokenizer", "assign-reserved", "t/tokenizer.json", "<|im_start|>=21", "--unless-in", "run/out/slots"];
    dir.run(&taken).fails(2, &["token 21, to be named `<|im_start|>`, stands in document 0"]);
    assert!(dir.ok(&["info", "t/tokenizer.json"]).stdout().contains("20 slots"), "nothing is changed");
    let free = [
        "tokenizer",
        "assign-reserved",
        "t/tokenizer.json",
        "<|im_start|>=22",
        "<|im_end|>=23",
        "--unless-in",
        "run/out/slots",
    ];
    dir.ok(&free);
    let info: Value = serde_json::from_str(&dir.ok(&["info", "t/tokenizer.json", "--json"]).stdout()).expect("JSON");
    assert_eq!(info["reserved_slots"].as_array().map(Vec::len), Some(18));
    assert_eq!(info["special_tokens"][23]["name"], "<|im_end|>");
    dir.run(&["tokenizer", "assign-reserved", "t/tokenizer.json", "<x>=0"]).fails(1, &["has no reserved slot of id 0"]);
    dir.run(&["tokenizer", "assign-reserved", "t/tokenizer.json", "nonsense"]).fails(2, &["is not NAME=ID"]);
}

#[test]
fn tokens_are_counted_by_file_and_by_field() {
    let dir = trained();
    dir.file("more.jsonl", "{\"text\": \"今天天气\", \"language\": \"zh\"}\n{\"text\": \"\", \"language\": \"en\"}\n");
    let count = |arguments: &[&str]| -> Value {
        let command =
            [&["count", "corpus.jsonl", "more.jsonl", "--tokenizer", "t/tokenizer.json", "--json"], arguments].concat();
        serde_json::from_str(&dir.ok(&command).stdout()).expect("JSON")
    };
    let counted = count(&["--threads", "1"]);
    assert_eq!(counted, count(&["--threads", "3"]));
    // As many as are written, without the ends of documents.
    dir.ok(&[
        "tokenize",
        "corpus.jsonl",
        "more.jsonl",
        "-o",
        "tokens",
        "--tokenizer",
        "t/tokenizer.json",
        "--no-eod",
        "--quiet",
    ]);
    let info: Value = serde_json::from_str(&dir.ok(&["binidx", "info", "tokens", "--json"]).stdout()).expect("JSON");
    assert_eq!((&counted["total"]["documents"], &counted["total"]["tokens"]), (&info["documents"], &info["tokens"]));
    assert_eq!(counted["counted"][1]["bytes"], 12);
    let by_language = count(&["--by", "language"]);
    assert_eq!(by_language["total"]["tokens"], info["tokens"]);
    let of = |name: &str| {
        let rows = by_language["counted"].as_array().expect("rows");
        rows.iter().find(|row| row["language"] == name).map(|row| row["documents"].clone())
    };
    assert_eq!(of("en"), Some(1.into()));
    dir.file("bad.jsonl", "{\"text\": \"今天\"}\n{\"text\": 5}\n{broken\n");
    let bad = ["count", "bad.jsonl", "--tokenizer", "t/tokenizer.json"];
    dir.run(&bad).fails(1, &["document 1 of `bad.jsonl`"]);
    let set_aside = [&bad[..], &["--on-bad-record", "set-aside"]].concat();
    dir.run(&set_aside).fails(3, &["2 records are no documents and were passed over"]);
    let compression = ["compression", "bad.jsonl", "-t", "t/tokenizer.json", "--on-bad-record", "set-aside"];
    dir.run(&compression).fails(3, &["2 records are no documents and were passed over"]);
    let show = ["show", "bad.jsonl", "-n", "9", "--on-bad-record", "set-aside"];
    dir.run(&show).fails(3, &["2 records are no documents and were passed over"]);
    dir.run(&["count", "corpus.jsonl", "--tokenizer", "none.json"]).fails(1, &["none.json` is not there"]);
}

#[test]
fn a_vocabulary_gets_smaller_for_any_number_of_threads() {
    let dir = trained();
    let prune = |out: &str, threads: &str| {
        dir.ok(&[
            "tokenizer",
            "prune",
            "corpus.jsonl",
            "--tokenizer",
            "t/tokenizer.json",
            "-o",
            out,
            "--vocab-size",
            "900",
            "--threads",
            threads,
            "--quiet",
        ]);
        (
            std::fs::read(dir.path(out)).expect("read"),
            std::fs::read(dir.path(&format!("{out}.old_ids.json"))).expect("read"),
        )
    };
    let one = prune("one.json", "1");
    assert!(one == prune("three.json", "3"), "the same bytes");
    let old_ids: Vec<u32> = serde_json::from_slice(&one.1).expect("ids");
    assert_eq!(old_ids.len(), 900);
    assert!(old_ids.is_sorted() && old_ids[..38] == (0..38).collect::<Vec<_>>()[..]);
    dir.ok(&["tokenize", "corpus.jsonl", "-o", "tokens", "--tokenizer", "one.json", "--quiet"]);
    let text = dir.ok(&["binidx", "cat", "tokens", "--tokenizer", "one.json", "--limit", "1"]).stdout();
    let first: Value = serde_json::from_str(corpus(1).lines().next().expect("a line")).expect("JSON");
    assert!(text.contains(first["text"].as_str().expect("a text")), "{text}");
    let more = ["tokenizer", "prune", "corpus.jsonl", "--tokenizer", "one.json", "-o", "x.json", "--vocab-size", "901"];
    dir.run(&more).fails(2, &["has only 900 tokens"]);
}

fn json_of(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON")
}

#[test]
fn training_goes_on_with_a_tokenizer_for_any_number_of_threads() {
    let dir = trained();
    dir.file("more.jsonl", corpus(400).lines().skip(200).fold(String::new(), |all, line| all + line + "\n"));
    let extend = |out: &str, threads: &str| {
        let fixed = ["train-tokenizer", "more.jsonl", "--extend", "t/tokenizer.json", "--vocab-size", "1700"];
        dir.ok(&[&fixed[..], &["-o", out, "--threads", threads, "--quiet"]].concat());
        std::fs::read(dir.path(out)).expect("read")
    };
    let one = extend("one/tokenizer.json", "1");
    assert!(one == extend("three/tokenizer.json", "3"), "the same bytes");
    let (old, new) = (json_of(&dir.path("t/tokenizer.json")), json_of(&dir.path("one/tokenizer.json")));
    let vocab = |file: &Value| file["model"]["vocab"].as_object().expect("a vocabulary").clone();
    assert_eq!((vocab(&old).len(), vocab(&new).len()), (1200, 1700));
    assert!(vocab(&old).iter().all(|(token, id)| new["model"]["vocab"][token] == *id), "every old id stays");
    let merges = |file: &Value| file["model"]["merges"].as_array().expect("merges").clone();
    assert_eq!(merges(&new)[..merges(&old).len()], merges(&old)[..]);
    assert_eq!(
        json_of(&dir.path("one/special_tokens_map.json")),
        json_of(&dir.path("t/special_tokens_map.json")),
        "no control token is new"
    );
    let small =
        ["train-tokenizer", "more.jsonl", "--extend", "t/tokenizer.json", "--vocab-size", "1200", "-o", "x.json"];
    dir.run(&small).fails(2, &["has 1200 tokens already"]);
    let both = ["train-tokenizer", "more.jsonl", "--extend", "t/tokenizer.json", "--reserved", "3"];
    dir.run(&both).fails(2, &["--reserved"]);
}

#[test]
fn ranks_of_tiktoken_are_written_and_taken_everywhere() {
    let dir = trained();
    let said = dir.ok(&["tokenizer", "export", "t/tokenizer.json", "-o", "t.tiktoken"]);
    assert!(said.stderr().contains("ranks"), "{}", said.stderr());
    let count = |tokenizer: &str| -> Value {
        let counted = dir.ok(&["count", "corpus.jsonl", "--tokenizer", tokenizer, "--json"]).stdout();
        serde_json::from_str::<Value>(&counted).expect("JSON")["total"].take()
    };
    assert_eq!(count("t.tiktoken"), count("t/tokenizer.json"));
    assert!(dir.ok(&["info", "t.tiktoken"]).stdout().contains("a tokenizer of 1,200 tokens"));
    dir.ok(&["tokenizer", "export", "t.tiktoken", "--format", "huggingface", "-o", "back/tokenizer.json"]);
    assert_eq!(json_of(&dir.path("back/tokenizer.json"))["model"], json_of(&dir.path("t/tokenizer.json"))["model"]);
    let compared = dir.ok(&["compression", "corpus.jsonl", "-t", "j=t/tokenizer.json", "-t", "r=t.tiktoken"]).stdout();
    assert!(compared.contains("j ") && compared.contains("r "), "{compared}");
    std::fs::remove_file(dir.path("t.tiktoken.json")).expect("removed");
    dir.run(&["count", "corpus.jsonl", "--tokenizer", "t.tiktoken"]).fails(1, &["it does not say its pattern"]);
}

/// The Han tokens of several characters.
fn han_tokens(file: &Value) -> Vec<String> {
    let symbols: std::collections::HashMap<char, u8> = {
        let mut next = 0x100;
        (0..=255_u8)
            .map(|byte| match byte {
                0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => (char::from(byte), byte),
                _ => {
                    next += 1;
                    (char::from_u32(next - 1).expect("a character"), byte)
                }
            })
            .collect()
    };
    let vocab = file["model"]["vocab"].as_object().expect("a vocabulary");
    let text = |name: &String| {
        let bytes = name.chars().map(|char| symbols.get(&char).copied()).collect::<Option<Vec<u8>>>()?;
        String::from_utf8(bytes).ok()
    };
    let is_han =
        |text: &String| text.chars().count() > 1 && text.chars().all(|char| ('\u{4e00}'..='\u{9fff}').contains(&char));
    vocab.keys().filter_map(text).filter(is_han).collect()
}

#[test]
fn no_merge_crosses_a_word_or_a_script_if_asked() {
    let dir = Dir::new();
    let documents = corpus(600);
    dir.file("corpus.jsonl", &documents);
    let train = |name: &str, settings: &str| {
        dir.file(
            &format!("{name}.toml"),
            format!(
                "[input]\npaths = [\"corpus.jsonl\"]\n[output]\ndocuments = false\n[[stage]]\n\
                 train_tokenizer = {{ vocab_size = 6000, reserved = 0, html_tags = false, han_characters = \"none\"{settings} }}\n"
            ),
        );
        dir.ok(&["run", &format!("{name}.toml"), "-o", name, "--quiet"]);
        json_of(&dir.path(&format!("{name}/tokenizer.json")))
    };
    let (free, words) = (train("free", ""), train("words", ", words = \"jieba\""));
    assert_eq!(free["pre_tokenizer"], words["pre_tokenizer"], "encoding cuts as ever");
    // Every token of Han characters lies inside a word that the corpus has.
    let mut known = std::collections::HashSet::new();
    for line in documents.lines() {
        let document: Value = serde_json::from_str(line).expect("JSON");
        let text = document["text"].as_str().expect("a text");
        // Run by run, as training cuts.
        for run in text.split(|char: char| !('\u{3400}'..='\u{9fff}').contains(&char)) {
            for word in yuan_filters::Words::of_text(run, yuan_filters::Language::CHINESE).iter(run) {
                let places: Vec<usize> = word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
                for (first, start) in places.iter().enumerate() {
                    known.extend(places[first + 1..].iter().map(|end| word[*start..*end].to_owned()));
                }
            }
        }
    }
    let crossing =
        |file: &Value| han_tokens(file).into_iter().filter(|token| !known.contains(token)).collect::<Vec<_>>();
    assert_eq!(crossing(&words), [""; 0]);
    assert!(han_tokens(&words).len() > 300);
    assert!(crossing(&free).len() > 50, "without words some cross: {:?}", crossing(&free).len());
    // A pattern that takes signs and spaces along.
    let mixed = |name: &str| -> u64 {
        let report = dir.path(&format!("{name}.json"));
        let tokenizer = format!("t={name}/tokenizer.json");
        dir.ok(&[
            "compression",
            "corpus.jsonl",
            "-t",
            &tokenizer,
            "--json",
            report.to_str().expect("a path"),
            "--quiet",
        ]);
        let report = json_of(&report);
        let found = find(&report, "cross_script_tokens").expect("the figure");
        found.as_u64().expect("a number")
    };
    train("cl100k", ", pattern = \"cl100k\"");
    train("scripts", ", pattern = \"cl100k\", script_boundaries = true");
    assert!(mixed("cl100k") > 100);
    assert_eq!(mixed("scripts"), 0);
}

fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(fields) => fields.get(name).or_else(|| fields.values().find_map(|value| find(value, name))),
        Value::Array(values) => values.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}

#[test]
fn the_recipe_of_yayi_2_trains_what_it_says() {
    let dir = Dir::new();
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/../recipes/tokenizer/yayi2.toml");
    dir.ok(&["run", recipe, "-o", "run", "--quiet"]);
    let file = json_of(&dir.path("run/tokenizer.json"));
    let vocab = file["model"]["vocab"].as_object().expect("a vocabulary");
    assert!(vocab.len().is_multiple_of(128) && (10_000..=81_920).contains(&vocab.len()), "{}", vocab.len());
    assert_eq!((&vocab["<|reserved_0|>"], &vocab["<|reserved_199|>"]), (&19.into(), &218.into()));
    // Behind the control tokens and slots, cut out of texts by a pattern.
    let cut = file["pre_tokenizer"]["pattern"]["Regex"].as_str().expect("a pattern");
    for token in ["<p>", "</div>", "，", "……"] {
        assert!(cut.split('|').any(|own| own == token) && vocab[token].as_u64() > Some(218), "{token}");
    }
    let steps = file["normalizer"]["normalizers"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["type"] == "Prepend" || step["type"] == "Replace"), "only spaces change");
    // Two digits are never one token; the names of slots and bytes have some.
    let named = |token: &String| token.contains("reserved") || token.starts_with("<0x");
    let digits = |token: &String| token.chars().filter(char::is_ascii_digit).count();
    assert!(vocab.keys().filter(|token| !named(token)).all(|token| digits(token) < 2));
    dir.ok(&[
        "count",
        concat!(env!("CARGO_MANIFEST_DIR"), "/demo/corpus.jsonl.zst"),
        "--tokenizer",
        "run/tokenizer.json",
    ]);
}

#[test]
fn a_sentencepiece_model_is_a_tokenizer_everywhere() {
    let dir = Dir::new();
    dir.file("corpus.jsonl", corpus(200));
    for kind in ["sentencepiece_bpe", "unigram"] {
        let model = format!("{kind}/tokenizer.model");
        dir.ok(&[
            "train-tokenizer",
            "corpus.jsonl",
            "-o",
            &model,
            "--kind",
            kind,
            "--vocab-size",
            "5000",
            "--reserved",
            "20",
            "--quiet",
        ]);
        let info: Value = serde_json::from_str(&dir.ok(&["info", &model, "--json"]).stdout()).expect("JSON");
        assert_eq!(info["reserved_slots"].as_array().map(Vec::len), Some(20));
        assert_eq!(info["special_tokens"][1]["name"], "<eod>");
        let slot = info["reserved_slots"][3]["id"].as_u64().expect("an id");
        dir.ok(&["tokenizer", "assign-reserved", &model, &format!("<|im_start|>={slot}")]);
        for file in [&model, &format!("{kind}/tokenizer.json")] {
            let named: Value = serde_json::from_str(&dir.ok(&["info", file, "--json"]).stdout()).expect("JSON");
            let special = named["special_tokens"].as_array().expect("tokens");
            let given = special.iter().find(|token| token["id"] == slot).expect("it is special");
            assert_eq!(given["name"], "<|im_start|>", "{file}");
            assert_eq!(named["reserved_slots"].as_array().map(Vec::len), Some(19), "{file}");
        }
        let lines = std::fs::read_to_string(dir.path(&format!("{kind}/tokenizer.vocab"))).expect("read");
        assert!(lines.lines().nth(slot as usize).is_some_and(|line| line.starts_with("<|im_start|>\t")));
        let prefix = format!("{kind}/tokens");
        dir.ok(&["tokenize", "corpus.jsonl", "-o", &prefix, "--tokenizer", &model, "--quiet"]);
        let text = dir.ok(&["binidx", "cat", &prefix, "--tokenizer", &model, "--limit", "1"]).stdout();
        let first: Value = serde_json::from_str(corpus(1).lines().next().expect("a line")).expect("JSON");
        assert!(text.contains(first["text"].as_str().expect("a text")), "{text}");
        dir.ok(&["binidx", "verify", &prefix, "--tokenizer", &model, "--eod", "<eod>"]);
        // The same ids through the library of Hugging Face, and the same figures.
        let json = format!("{kind}/tokenizer.json");
        let count = |path: &str| -> Value {
            let printed = dir.ok(&["count", "corpus.jsonl", "--tokenizer", path, "--json"]).stdout();
            serde_json::from_str::<Value>(&printed).expect("JSON")["total"]["tokens"].clone()
        };
        assert_eq!(count(&model), count(&json), "{kind}");
        let report =
            dir.ok(&["compression", "corpus.jsonl", "-t", &format!("a={model}"), "-t", &format!("b={json}")]).stdout();
        assert!(report.contains("a ") && report.contains("b "), "{report}");
    }
    dir.run(&["train-tokenizer", "corpus.jsonl", "--kind", "bpe"])
        .fails(2, &["byte_level_bpe, sentencepiece_bpe, unigram"]);
    let join = [
        "tokenizer",
        "join",
        "sentencepiece_bpe/tokenizer.model",
        "unigram/tokenizer.model",
        "-o",
        "all.model",
        "--vocab-multiple",
        "128",
    ];
    let said = dir.ok(&join).stderr();
    assert!(said.contains("5000 of sentencepiece_bpe/tokenizer.model"), "{said}");
    let info: Value = serde_json::from_str(&dir.ok(&["info", "all.model", "--json"]).stdout()).expect("JSON");
    let size = info["vocab_size"].as_u64().expect("a number");
    assert!(size > 5000 && size.is_multiple_of(128), "{size}");
    dir.run(&["tokenizer", "join", "all.model", "corpus.jsonl", "-o", "x.model"]).fails(1, &["corpus.jsonl"]);
}

/// The recipes of `recipes/tokenizer`, on their own corpus cut short.
#[test]
fn published_tokenizers_are_trained() {
    let dir = Dir::new();
    dir.file("corpus.jsonl", corpus(1200));
    let recipes = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes/tokenizer");
    for (name, check) in [("polylm", "<s> 1, </s> 2, <pad> 3"), ("yuan", "<eod>")] {
        let recipe = recipes.join(format!("{name}.toml")).display().to_string();
        let input = format!("input.paths=[\"{}\"]", dir.path("corpus.jsonl").display());
        dir.ok(&["run", &recipe, "-o", name, "--set", &input, "--quiet"]);
        let model = format!("{name}/tokenizer.model");
        let info = dir.ok(&["info", &model]).stdout();
        assert!(info.contains(check), "{info}");
        let count = dir.ok(&["count", "corpus.jsonl", "--tokenizer", &model]).stdout();
        assert!(count.contains("corpus.jsonl"), "{count}");
    }
    let info: Value =
        serde_json::from_str(&dir.ok(&["info", "yuan/tokenizer.model", "--json"]).stdout()).expect("JSON");
    let vocab = info["vocab_size"].as_u64().expect("a number");
    assert!(vocab.is_multiple_of(128) && vocab > 1000, "{vocab}");
    // LLaMA's part keeps its ids.
    let lines = |path: &str| std::fs::read_to_string(dir.path(path)).expect("read");
    let (latin, all) = (lines("yuan/latin.vocab"), lines("yuan/tokenizer.vocab"));
    assert!(all.starts_with(&latin), "the first {} pieces", latin.lines().count());
}
