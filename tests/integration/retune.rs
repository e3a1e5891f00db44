//! Other thresholds on a finished run.

use serde_json::Value;

use crate::support::{Dir, corpus, evaluation_items, lines, results};

const RECIPE: &str = r#"
[input]
paths = ["in.jsonl"]
unit_bytes = 300000
[output]
measures = "sidecar"
[[stage]]
normalize = {}
[[stage]]
language_id = {}
[[stage]]
exact = {}
[[stage]]
gopher_quality = {}
[[stage]]
gopher_repetition = {}
"#;

/// A run that kept its measures.
fn run() -> Dir {
    let place = Dir::new();
    place.file("in.jsonl", corpus(900));
    place.file("r.toml", RECIPE);
    place.ok(&["run", "r.toml", "-o", "run", "-q"]);
    place
}

fn json(place: &Dir, arguments: &[&str]) -> Value {
    let ran = place.ok(arguments);
    serde_json::from_str(&ran.stdout()).expect("JSON")
}

const CHANGES: [&str; 4] =
    ["--set", "gopher_quality.min_words=20", "--set", "gopher_quality.languages.zh.min_alphabetic_word_fraction=0.5"];

#[test]
fn what_is_written_is_what_a_run_with_the_new_thresholds_writes() {
    let place = run();
    let told = json(&place, &[&["retune", "run", "--json", "-o", "retuned", "-q"], &CHANGES[..]].concat());
    place.ok(&[&["run", "r.toml", "-o", "fresh", "-q"], &CHANGES[..]].concat());
    let (retuned, fresh) = (results(&place.path("retuned")), results(&place.path("fresh")));
    let documents = |files: &std::collections::BTreeMap<String, Vec<u8>>| -> Vec<_> {
        files.iter().filter(|(name, _)| name.starts_with("/out")).map(|(_, bytes)| bytes.clone()).collect()
    };
    assert!(documents(&retuned) == documents(&fresh), "the documents differ");
    let kept = lines(&place.path("fresh/out")).len() as u64;
    assert_eq!(told["total"]["after"]["documents"], kept);
    assert!(told["back"].as_u64() > Some(10) && kept > told["total"]["before"]["documents"].as_u64().expect("a count"));
    // The reasons are those of the fresh run, too.
    let info = json(&place, &["info", "--json", "fresh"]);
    for step in info["steps"].as_array().expect("steps") {
        for (reason, count) in step["dropped"].as_object().expect("reasons") {
            let mut reasons = told["reasons"].as_array().expect("reasons").iter();
            let told = reasons.find(|told| told["step"] == step["name"] && told["reason"] == **reason);
            if step["name"] != "language_id" {
                assert_eq!(told.map(|told| &told["after"]), Some(&count["documents"]), "{reason}");
            }
        }
    }
    place
        .run(&["run", "r.toml", "-o", "retuned"])
        .fails(2, &["was made by `retune` from the run in `", "choose another folder"]);
    // It says where it is from, goes on where it was, and is not tuned itself.
    assert!(place.ok(&["info", "retuned"]).stdout().contains("made by `retune` from the run in "));
    assert!(
        json(&place, &["info", "retuned", "--json"])["retuned_from"].as_str().is_some_and(|run| run.ends_with("/run"))
    );
    place.ok(&[&["retune", "run", "-o", "retuned", "-q"], &CHANGES[..]].concat());
    place.run(&["retune", "run", "-o", "retuned"]).fails(2, &["`retuned` was made by another recipe"]);
    place
        .run(&["retune", "retuned"])
        .fails(2, &["keeps no measures of its own", "hint: give the thresholds to that one"]);
}

#[test]
fn without_a_change_nothing_changes() {
    let place = run();
    let told = json(&place, &["retune", "run", "--json"]);
    assert_eq!((&told["back"], &told["gone"]), (&0.into(), &0.into()));
    assert_eq!(told["total"]["before"], told["total"]["after"]);
    let text = place.ok(&["retune", "run"]);
    assert!(text.stdout().contains("by language") && text.stdout().contains("too_few_words"), "{}", text.stdout());
}

#[test]
fn measures_are_the_same_for_any_number_of_threads() {
    let place = run();
    place.ok(&["run", "r.toml", "-o", "one", "-q", "--threads", "1"]);
    let files = |run: &str| crate::support::files(&place.path(run)).into_values().collect::<Vec<_>>();
    assert!(files("run/measures") == files("one/measures"));
    assert!(!files("run/measures").is_empty());
}

#[test]
fn what_measures_cannot_tell_is_refused_with_the_way_out() {
    let place = run();
    let refuses = |change: &str, said: &[&str]| place.run(&["retune", "run", "--set", change]).fails(2, said);
    refuses(
        "normalize.form=nfkc",
        &["`normalize` has no thresholds", "`yuan-data run run/recipe.toml -o NEW --set normalize"],
    );
    refuses("input.paths=x", &["`input.paths` is no threshold"]);
    refuses(
        "gopher_qualty.min_words=3",
        &["the recipe has no stage `gopher_qualty`", "did you mean `gopher_quality`?"],
    );
    refuses("gopher_quality.min_words=abc", &["must be a whole number of 0 or more, not \"abc\""]);
    for number in ["nan", "inf", "7", "-1"] {
        let change = format!("gopher_quality.min_alphabetic_word_fraction={number}");
        refuses(&change, &["`gopher_quality.min_alphabetic_word_fraction` must be"]);
    }
    let of = |key: &str| format!("gopher_quality.languages.{key}.min_words=500");
    refuses(&of("zh-Hant"), &["thresholds are for `zh`, both variants"]);
    refuses(&of("cn"), &["is no language", "did you mean `zh`?"]);
    place.run(&["retune", "run", "--set", &of("zh"), "--set", &of("cmn")]).fails(2, &["two keys under `languages`"]);
    place.run(&["retune", "nosuch"]).fails(2, &["`nosuch` is no run folder"]);
    place.run(&["retune", "run", "--auto", "tentail"]).fails(2, &["did you mean `ten-tail`?"]);
    refuses("gopher_quality.stop_words=[]", &["`gopher_quality.stop_words` shapes what is measured"]);
    refuses("gopher_quality.min_word=3", &["has no field `min_word`", "did you mean `min_words`?"]);
    place.run(&["retune", "run", "--set", "gopher_quality.min_words=3", "-o", "run"]).fails(2, &["is the run itself"]);
    place.ok(&["clean", "in.jsonl", "-o", "plain", "-q"]);
    place.run(&["retune", "plain"]).fails(2, &["keeps no measures", "--measures sidecar"]);
}

/// Rules, then `exact`, over documents of which some come twice.
fn run_with_copies_behind() -> Dir {
    let place = Dir::new();
    place.file("in.jsonl", corpus(300) + &corpus(250));
    let recipe = RECIPE.replace("[[stage]]\nexact = {}\n", "") + "[[stage]]\nexact = {}\n";
    place.file("r.toml", &recipe);
    place.ok(&["run", "r.toml", "-o", "run", "-q"]);
    place
}

#[test]
fn what_later_steps_drop_is_told_and_adds_up_to_the_run() {
    let place = run_with_copies_behind();
    let (told, info) = (json(&place, &["retune", "run", "--json"]), json(&place, &["info", "run", "--json"]));
    assert_eq!((&told["run_kept"], &told["total"]["whole"]["documents"]), (&info["kept"]["documents"], &550.into()));
    let later = told["later"][0]["documents"].as_u64().expect("a count");
    assert!(later > 10 && told["later"][0]["step"] == "exact", "{}", told["later"]);
    assert_eq!(
        told["total"]["before"]["documents"].as_u64(),
        info["kept"]["documents"].as_u64().map(|kept| kept + later)
    );
    let text = place.ok(&["retune", "run"]).stdout();
    assert!(text.contains(&format!("later steps dropped: `exact` {later}; the run kept")), "{text}");
}

#[test]
fn every_document_is_told_once_whatever_dropped_it() {
    let place = Dir::new();
    place.file("in.jsonl", corpus(300) + &corpus(250));
    // `exact` stands between: its copies are dropped in the sweep of the rules, `language_id` before it.
    place.file("r.toml", RECIPE.replace("language_id = {}", "language_id = { keep = [\"zh\", \"en\"] }"));
    place.ok(&["run", "r.toml", "-o", "run", "-q"]);
    let told = json(&place, &["retune", "run", "--json", "--set", "gopher_quality.min_words=20"]);
    assert_eq!(told["total"]["whole"]["documents"], 550);
    for strata in ["languages", "sources"] {
        for amount in ["documents", "tokens_estimated"] {
            let strata = told[strata].as_object().expect("strata").values();
            let sum: u64 = strata.map(|stratum| stratum["whole"][amount].as_u64().expect("a count")).sum();
            assert_eq!(told["total"]["whole"][amount], sum, "{amount}");
        }
    }
    assert!(told["languages"]["zh"].is_object() && told["languages"]["zh-Hans"].is_null());
    assert!(told["earlier"][0]["step"] == "language_id" && told["earlier"][0]["documents"].as_u64() > Some(10));
    for reason in told["reasons"].as_array().expect("reasons") {
        assert_eq!(reason["alone"].is_null(), ["exact", "language_id"].iter().any(|step| reason["step"] == *step));
    }
}

#[test]
fn what_a_pass_behind_the_rules_would_decide_is_not_written() {
    let place = run_with_copies_behind();
    let change = |change| ["retune", "run", "--set", change, "-o", "new"];
    let back = place.run(&change("gopher_quality.min_words=20"));
    back.fails(2, &["`exact` comes after", "`yuan-data run run/recipe.toml -o new --set gopher_quality.min_words=20`"]);
    assert_eq!(back.stdout(), "", "it is said before anything else");
    place.run(&change("gopher_quality.min_words=400")).fails(2, &["`exact` comes after", "without the"]);
    assert!(!place.path("new").exists());
    place.ok(&["retune", "run", "-o", "same", "-q"]);
    assert!(place.documents("same/out") == place.documents("run/out"), "nothing comes back: nothing is undecided");
}

#[test]
fn proposals_are_strict_where_that_is_meant_and_explicit_values_win() {
    let place = run();
    let auto = ["retune", "run", "--auto", "ten-tail", "--min-documents", "50"];
    let own = ["--set", "gopher_quality.min_words=20"];
    let told = json(&place, &[&auto[..], &own, &["--json"]].concat());
    let proposals = told["proposals"].as_array().expect("proposals");
    let is =
        |proposal: &Value, name: &str| proposal["setting"].as_str().is_some_and(|setting| setting.starts_with(name));
    assert!(proposals.iter().filter(|proposal| is(proposal, "max_")).all(|it| it["proposed"].as_f64() > Some(0.0)));
    assert!(proposals.iter().any(|proposal| proposal["proposed"] == 1e-6), "a check that nobody fails becomes strict");
    assert!(proposals.len() > 20 && !proposals.iter().any(|proposal| is(proposal, "min_words")));
    assert!(told["notes"].to_string().contains("`--set` has it"));
    // `then` is what the options do.
    let options = place.ok(&[&auto[..], &own, &["--print-set", "-q"]].concat()).stdout();
    let options: Vec<&str> = options.split_whitespace().chain(own).collect();
    let tried = json(&place, &[&["retune", "run", "--json"], &options[..]].concat());
    assert_eq!((&tried["total"], &tried["reasons"]), (&told["total"], &told["reasons"]));
    let one =
        proposals.iter().find(|it| it["setting"] == "max_hash_ratio" && it["language"] == "en").expect("a proposal");
    let tried = json(&place, &["retune", "run", "--json", "--set", one["set"].as_str().expect("an option")]);
    let drops = tried["reasons"].as_array().expect("reasons").iter().filter(|reason| reason["reason"] == one["reason"]);
    assert!(drops.map(|reason| reason["after"].as_u64()).sum::<Option<u64>>() >= Some(1));
}

#[test]
fn where_nothing_is_proposed_the_reason_is_told() {
    let place = run();
    let auto = |run: &str, method: &str, least: &str| {
        place.ok(&["retune", run, "--auto", method, "--min-documents", least, "-q"]).stdout()
    };
    assert!(auto("run", "ten-tail", "100000").contains("no proposal for"), "too few documents");
    let english = corpus(900).lines().filter(|line| !line.contains("\"lang\": \"en\"")).count();
    assert!(english > 0 && auto("run", "mean-std", "50").contains("setting"));
    place.file("c.toml", RECIPE.replace("gopher_quality = {}", "gopher_quality = { compat = \"datatrove\" }"));
    place.ok(&["run", "c.toml", "-o", "compat", "-q"]);
    assert!(auto("compat", "ten-tail", "50").contains("no proposal for `gopher_quality`: it follows `datatrove`"));
    let told = json(&place, &["retune", "compat", "--json"]);
    assert_eq!((&told["back"], &told["gone"]), (&0.into(), &0.into()), "each step has the language it judged by");
    assert!(told["languages"]["zh"].is_object(), "languages are those of the documents");
}

#[test]
fn a_default_that_gives_way_is_told() {
    let place = run();
    let told = place.ok(&["retune", "run", "--set", "gopher_quality.min_alphabetic_word_fraction=0.8"]).stderr();
    assert!(told.contains("does not hold for") && told.contains("zh (0.7350)"), "{told}");
}

#[test]
fn nothing_is_written_among_files_of_others() {
    let place = run();
    place.file("full/notes.txt", "mine");
    place.file("mine/recipe.toml", "# mine");
    let refuses = |folder: &str, said: &str| place.run(&["retune", "run", "-o", folder]).fails(2, &[said]);
    refuses("full", "`full` is no run folder and not empty: it holds `notes.txt`");
    refuses("mine", "it holds `recipe.toml`");
    refuses("run/new", "lies inside the run");
    place.run(&["clean", "in.jsonl", "-o", "full"]).fails(2, &["is no run folder and not empty"]);
    place.ok(&["run", "r.toml", "-o", "plain", "-q", "--set", "output.measures=none"]);
    place.run(&["retune", "run", "-o", "plain"]).fails(2, &["holds a run that was not made by `retune`"]);
    place.file("crawl/a.jsonl", corpus(20));
    place.run(&["clean", "crawl", "-o", "crawl/clean"]).fails(2, &["lies in the input `crawl`"]);
    assert!(!place.path("crawl/clean").exists() && !place.path("run/new").exists());
}

#[test]
fn damaged_measures_and_changed_inputs_are_named() {
    let place = run();
    place.file("in.jsonl", corpus(899));
    place.run(&["retune", "run", "-o", "new"]).fails(2, &["has changed since: `", "in.jsonl`", "run the recipe again"]);
    let measures = crate::support::files(&place.path("run/measures"));
    let (name, bytes) = measures.last_key_value().expect("a file");
    std::fs::write(name, &bytes[..bytes.len() / 2]).expect("written");
    let ran = place.run(&["retune", "run"]);
    ran.fails(1, &["the measures of the run are damaged"]);
    assert!(!ran.stderr().contains("on-bad-record"));
}

#[test]
fn a_step_that_drops_nearly_all_or_nothing_is_told_and_can_stop_the_run() {
    let place = Dir::new();
    place.file("in.jsonl", corpus(300));
    place.file("r.toml", RECIPE.replace("gopher_quality = {}", "gopher_quality = { min_words = 100000000 }"));
    let ran = place.ok(&["run", "r.toml", "-o", "run"]);
    assert!(ran.stderr().contains("warning: `gopher_quality` dropped"), "{}", ran.stderr());
    assert!(ran.stderr().contains("(100.0 %)"), "{}", ran.stderr());
    place
        .run(&["run", "r.toml", "-o", "stopped", "--set", "rails.stop=true"])
        .fails(1, &["`gopher_quality` dropped", "max_dropped_fraction", "`yuan-data report stopped`"]);
    place.ok(&["run", "r.toml", "-o", "stopped"]);
    place.file("r.toml", RECIPE.replace("gopher_quality = {}", "gopher_quality = { min_words = 0, min_stop_words = 0, min_alphabetic_word_fraction = 0, min_mean_word_chars = 0, max_mean_word_chars = 0, max_bullet_line_fraction = 0, max_hash_ratio = 0, max_ellipsis_ratio = 0, max_ellipsis_line_fraction = 0 }"));
    let ran = place.ok(&["run", "r.toml", "-o", "off"]);
    assert!(ran.stderr().contains("`gopher_quality` dropped none of"), "{}", ran.stderr());
}

#[test]
fn what_passes_cut_and_add_is_written_as_the_run_had_it() {
    let place = Dir::new();
    place.file("in.jsonl", corpus(400) + &corpus(130));
    place.file("items.jsonl", evaluation_items(400, 20));
    let passes = [
        "minhash = { cluster_size_column = \"copies\" }",
        "repeated_text = { unit = \"paragraph\", matching = \"similar\" }",
        "repeated_ngrams = {}",
        "repeated_substrings = { min_length = 40 }",
        "decontaminate = { eval_files = [\"items.jsonl\"], action = \"cut\" }",
        "gopher_quality = {}",
    ];
    let input = "[input]\npaths = [\"in.jsonl\"]\nunit_bytes = 100000\n[output]\nmeasures = \"sidecar\"\n";
    let stages: String = passes.iter().map(|pass| format!("[[stage]]\n{pass}\n")).collect();
    place.file("r.toml", input.to_owned() + &stages);
    place.ok(&["run", "r.toml", "-o", "run", "-q"]);
    let cut = json(&place, &["info", "run", "--json"]);
    let cuts =
        cut["steps"].as_array().expect("steps").iter().filter(|step| step.to_string().contains("\"kind\":\"cut"));
    assert_eq!(cuts.count(), 4, "every pass that cuts has something to cut: {cut}");
    let change = ["--set", "gopher_quality.min_words=20"];
    place.ok(&[&["retune", "run", "-o", "retuned", "-q"], &change[..]].concat());
    place.ok(&[&["run", "r.toml", "-o", "fresh", "-q"], &change[..]].concat());
    assert!(lines(&place.path("fresh/out")).len() > lines(&place.path("run/out")).len());
    assert!(lines(&place.path("fresh/out"))[0].contains("\"copies\":"));
    let documents = |folder: &str| {
        let files = results(&place.path(folder)).into_iter();
        files.filter(|(name, _)| name.starts_with("/out")).collect::<Vec<_>>()
    };
    assert!(documents("retuned") == documents("fresh"), "the documents differ");
    std::fs::remove_file(place.path("run/outcomes/03-repeated_substrings")).expect("an outcome");
    let gone = [&["retune", "run", "-o", "other"], &change[..]].concat();
    place.run(&gone).fails(2, &["what `repeated_substrings` found in the run is gone", "hint: run the recipe again"]);
}
