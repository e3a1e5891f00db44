//! Documents that are alike: what goes, what is kept for it, what is told.

use serde_json::json;

use crate::support::{Dir, Ran, corpus, recipe};

/// So many words of a text that repeats nothing, from the one numbered `start` on.
fn words(start: usize, count: usize) -> String {
    (start..start + count).map(|number| format!("w{}", number * 7919 % 100_003)).collect::<Vec<_>>().join(" ")
}

/// A page, the page cut short (similarity 220/236), another that begins in its middle (116/356), its copy, two short ones; and a
/// chain that leads away from a page in steps of 281/311: two steps are 266/326. All of these are found with a probability of
/// 0.9997 or more.
fn pages(first: usize) -> String {
    let chain = (0..4).map(|step| (10 + step, words(5_000 + 15 * step, 300), 0.5));
    let pages = [
        (1, words(0, 240), 0.3),
        (2, words(0, 224), 0.9),
        (3, words(120, 240), 0.5),
        (4, words(0, 240), 0.1),
        (5, "short".to_owned(), 0.5),
        (6, "short".to_owned(), 0.6),
    ];
    let line = |(id, text, quality)| json!({ "id": first + id, "text": text, "quality": quality }).to_string() + "\n";
    pages.into_iter().chain(chain).map(line).collect()
}

fn kept(dir: &Dir, run: &str) -> Vec<i64> {
    dir.documents(&format!("{run}/out")).iter().map(|document| document["id"].as_i64().expect("a number")).collect()
}

fn dedup(dir: &Dir, run: &str, more: &[&str]) -> Ran {
    dir.ok(&[&["dedup", "pages.jsonl", "-o", run, "--method", "minhash", "--keep-dropped"], more].concat())
}

#[test]
fn what_goes_is_alike_to_what_is_kept() {
    let dir = Dir::new();
    dir.file("pages.jsonl", pages(0));
    let said = dedup(&dir, "star", &["--threshold", "0.85"]).stderr();
    assert_eq!(kept(&dir, "star"), [1, 3, 5, 10, 12], "{said}");
    assert!(said.contains("by star 5, by connected components 6, without comparing 6"), "{said}");
    assert!(dir.documents("star/dropped").iter().all(|document| document["drop_reason"] == "near_duplicate"));
    let report = std::fs::read_to_string(dir.path("star/report.html")).expect("a report");
    assert!(report.contains("Documents that are alike") && report.contains("clusters by size"));

    dedup(&dir, "components", &["--threshold", "0.85", "--linkage", "components"]);
    assert_eq!(kept(&dir, "components"), [1, 3, 5, 10]);
    dedup(&dir, "strict", &["--threshold", "0.99"]);
    assert_eq!(kept(&dir, "strict"), [1, 2, 3, 5, 10, 11, 12, 13]);
    dedup(&dir, "unverified", &["--threshold", "0"]);
    assert_eq!(kept(&dir, "unverified"), [1, 3, 5, 10]);
    // Once more changes nothing.
    dir.ok(&["dedup", "star/out", "-o", "again", "--method", "minhash", "--threshold", "0.85"]);
    assert_eq!(kept(&dir, "again"), kept(&dir, "star"));
}

#[test]
fn the_longest_or_the_best_is_kept_and_stands_for_the_others() {
    let dir = Dir::new();
    dir.file("pages.jsonl", pages(0));
    dedup(&dir, "best", &["--threshold", "0.85", "--keep", "quality", "--cluster-size", "copies"]);
    let found: Vec<(i64, i64)> = dir
        .documents("best/out")
        .iter()
        .map(|document| (document["id"].as_i64().unwrap_or(0), document["copies"].as_i64().unwrap_or(0)))
        .collect();
    // All of the chain are equally good: the first are kept.
    assert_eq!(found, [(2, 3), (3, 1), (6, 2), (10, 2), (12, 2)]);
    dedup(&dir, "longest", &["--threshold", "0.85", "--keep", "longest"]);
    assert_eq!(kept(&dir, "longest")[..2], [1, 3]);
}

#[test]
fn sources_can_be_kept_apart_or_preferred() {
    let dir = Dir::new();
    dir.file("in/a.jsonl", pages(0));
    dir.file("in/b.jsonl", pages(100));
    let recipe = |settings: &str, exact: &str| {
        let stages =
            format!("[[stage]]\nexact = {{ {exact} }}\n[[stage]]\nminhash = {{ threshold = 0.85{settings} }}\n");
        dir.file("r.toml", format!("[input]\npaths = [\"in\"]\n{stages}"));
    };
    let apart = "within = [\"source\"]";
    recipe(&format!(", {apart}"), apart);
    dir.ok(&["run", "r.toml", "-o", "apart"]);
    assert_eq!(kept(&dir, "apart"), [1, 3, 5, 10, 12, 101, 103, 105, 110, 112]);
    recipe("", "within = [\"sorce\"]");
    let told = dir.ok(&["run", "r.toml", "-o", "misspelt"]).stderr();
    assert!(told.contains("`exact` looks at `sorce`, which no document has"), "{told}");
    recipe("", "");
    dir.ok(&["run", "r.toml", "-o", "together"]);
    assert_eq!(kept(&dir, "together"), [1, 3, 5, 10, 12]);
    recipe(", prefer_sources = [\"b\"]", apart);
    dir.ok(&["run", "r.toml", "-o", "preferred"]);
    assert_eq!(kept(&dir, "preferred"), [101, 103, 105, 110, 112]);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let dir = Dir::new();
    dir.file("pages.jsonl", pages(0));
    let refused = |more: &[&str], said: &[&str]| {
        dir.run(&[&["dedup", "pages.jsonl", "-o", "run"], more].concat()).fails(2, said);
        assert!(!dir.path("run").exists());
    };
    refused(&["--threshold", "1.5"], &["`threshold` is 1.5, it must be from 0 to 1"]);
    refused(&["--threshold", "0", "--keep", "longest"], &["`threshold` is 0, so that nothing is verified"]);
    refused(&["--method", "exact", "--linkage", "star"], &["`--linkage` is for near-duplicates", "--method minhash"]);
    refused(&["--linkage", "complete"], &["possible values: star, components"]);
}

/// The lines of stdout, as JSON.
fn said(ran: &Ran) -> Vec<serde_json::Value> {
    ran.stdout().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn crawl_after_crawl_goes_into_an_index() {
    let dir = Dir::new();
    let pages = |names: &[(&str, usize)]| -> String {
        names.iter().map(|(id, start)| json!({ "id": id, "text": words(*start, 240) }).to_string() + "\n").collect()
    };
    dir.file("january.jsonl", pages(&[("a", 0), ("b", 1000), ("c", 2000)]));
    dir.file("february.jsonl", pages(&[("d", 3000), ("e", 5), ("f", 3005), ("g", 10)]));
    dir.file("march.jsonl", pages(&[("h", 1000), ("i", 9000), ("j", 3000)]));
    let update = |crawl: &str| {
        let input = format!("{crawl}.jsonl");
        dir.ok(&["dedup", &input, "-o", crawl, "--update", "seen", "--keep-dropped"]).stderr()
    };
    let kept = |run: &str| -> Vec<String> {
        dir.documents(&format!("{run}/out")).iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect()
    };
    update("january");
    let words = update("february");
    assert!(words.contains("2 for documents of earlier crawls; 4 documents added to the index"), "{words}");
    assert_eq!(kept("february"), ["d"]);
    let dropped = dir.documents("february/dropped");
    assert_eq!(dropped[0]["drop_detail"], "january: january.jsonl:0", "{dropped:?}");
    // Looking changes nothing; a run that is done is not done again.
    dir.ok(&["dedup", "march.jsonl", "-o", "look", "--against", "seen"]);
    assert_eq!(kept("look"), ["i"]);
    update("february");
    let info: serde_json::Value =
        serde_json::from_str(&dir.ok(&["index", "info", "--json", "seen"]).stdout()).expect("JSON");
    assert_eq!(info["crawls"].as_array().map(Vec::len), Some(2));
    assert_eq!((&info["crawls"][1]["documents"], &info["crawls"][1]["kept"]), (&json!(4), &json!(1)));
    assert!(dir.ok(&["index", "info", "seen"]).stdout().contains("february"));
    // `a` is to be forgotten: `e` takes its place, and `g` is a copy of that.
    dir.file("forget.txt", "a\nnobody\n");
    let changes = said(&dir.ok(&["index", "remove", "seen", "--ids", "forget.txt"]));
    let place =
        |crawl: &str, record: u64| json!({ "crawl": crawl, "file": format!("{crawl}.jsonl"), "record": record });
    assert_eq!(changes[0], json!({ "change": "removed", "document": place("january", 0) }));
    assert_eq!(changes[1], json!({ "change": "promoted", "document": place("february", 1) }));
    assert_eq!(
        (&changes[2]["document"], &changes[2]["keeper"]),
        (&place("february", 3), &place("february", 1)),
        "{changes:?}"
    );
    assert_eq!(changes[3], json!({ "change": "missing", "id": "nobody" }));
    let listed = said(&dir.ok(&["index", "list", "seen"]));
    assert_eq!(listed.len(), 6);
    assert_eq!(listed.iter().filter(|member| member["kept"] == true).count(), 4);
    assert!(dir.ok(&["index", "verify", "seen"]).stdout().contains("sound: 2 crawls, 6 documents"));
    // An index of another crawl goes in.
    dir.ok(&["dedup", "march.jsonl", "-o", "march", "--update", "other"]);
    let changes = said(&dir.ok(&["index", "merge", "seen", "other"]));
    let dropped: Vec<&serde_json::Value> = changes.iter().map(|change| &change["document"]["record"]).collect();
    assert_eq!(dropped, [&json!(0), &json!(2)]);
    // A crawl of that name is there.
    dir.file("other/march.jsonl", pages(&[("x", 70_000)]));
    dir.run(&["dedup", "other/march.jsonl", "-o", "again", "--crawl", "march", "--update", "seen"])
        .fails(1, &["has a crawl `march` already, of other documents", "--crawl NAME"]);
    dir.ok(&["index", "remove", "seen", "--crawl", "march"]);
    dir.ok(&["dedup", "other/march.jsonl", "-o", "again", "--crawl", "march", "--update", "seen"]);
    assert_eq!(kept("again"), ["x"]);
    dir.run(&["dedup", "march.jsonl", "-o", "no", "--update", "seen", "--threshold", "0.9"])
        .fails(1, &["was made with `threshold = 0.7`, the step has 0.9"]);
    dir.run(&["index", "info", "january"]).fails(1, &["there is no index in `january`", "--update"]);
    std::fs::write(dir.path("other/crawls/00001/notes"), "cut").expect("written");
    assert_eq!(dir.run(&["index", "verify", "other"]).status(), 1);
}

#[test]
fn a_plan_tells_how_alike_unrelated_documents_look() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(600));
    dir.file("r.toml", recipe(&[&input], 50_000, &["language_id = {}", "minhash = {}"]));
    let said = dir.ok(&["plan", "r.toml"]).stdout();
    assert!(said.contains("minhash  zh-Hans: documents that are no duplicates are alike by 0.0"), "{said}");
    assert!(!said.contains("warning"), "{said}");
    // Single characters and words, and bands of one: everything is alike.
    let loose = ["--set", "minhash.ngram=1", "--set", "minhash.rows_per_band=2"];
    let said = dir.ok(&[&["plan", "r.toml"], &loose[..]].concat()).stdout();
    assert!(said.contains("warning: that is too many for zh-Hans: each is compared, which takes time"), "{said}");
    let unverified = [&["plan", "r.toml", "--set", "minhash.threshold=0"], &loose[..]].concat();
    assert!(dir.ok(&unverified).stdout().contains("documents go that are not alike"));
    // What it proposes can be set.
    let said = dir.ok(&["plan", "r.toml", "--set", "minhash.ngrams={ zh = 8 }"]).stdout();
    assert!(said.contains("ngrams = {\"zh\":8}") || said.contains("ngrams"), "{said}");
    dir.file("none.toml", recipe(&[&input], 50_000, &["minhash = { ngrams = { zh = 8 } }"]));
    dir.run(&["plan", "none.toml"]).fails(2, &["`language`"]);
}

#[test]
fn languages_can_have_shingles_of_their_own() {
    let dir = Dir::new();
    // One word in the middle differs: 112 of 117 windows of five are the same, 42 of 82 of forty.
    let page = |id: &str, language: &str, changed: bool| {
        let text = words(0, 60) + if changed { " this " } else { " that " } + &words(60, 60);
        json!({ "id": id, "text": text, "language": language }).to_string() + "\n"
    };
    let pages = page("a", "xx", false) + &page("b", "xx", true) + &page("c", "yy", false) + &page("d", "yy", false);
    dir.file("pages.jsonl", pages);
    let kept_with = |run: &str, settings: &str| {
        let text = format!(
            "[input]\npaths = [\"pages.jsonl\"]\n[[stage]]\nlanguage_id = {{}}\n[[stage]]\nminhash = {{ {settings} }}\n"
        );
        dir.file("r.toml", text);
        dir.ok(&["run", "r.toml", "-o", run, "--quiet"]);
        dir.documents(&format!("{run}/out"))
            .iter()
            .map(|it| it["id"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(kept_with("same", ""), ["a"]);
    // All are of one language to the identifier: long shingles have fewer in common.
    let language = dir.documents("same/out")[0]["language"].as_str().expect("a language").to_owned();
    assert_eq!(kept_with("long", &format!("threshold = 0.8, ngrams = {{ {language} = 40 }}")), ["a", "b"]);
}

#[test]
fn pages_of_one_address_are_kept_once() {
    let dir = Dir::new();
    let page =
        |id: usize, url: Option<&str>| json!({ "id": id, "text": format!("text {id}"), "url": url }).to_string() + "\n";
    let pages = [
        (1, Some("http://www.example.com/a/?utm_source=x#top")),
        (2, Some("https://example.com/a")),
        (3, Some("https://example.com/a?id=3")),
        (4, None),
        (5, None),
        (6, Some("")),
        (7, Some("HTTPS://Example.COM:443/b/../a?id=3&gclid=9")),
    ];
    dir.file("pages.jsonl", pages.into_iter().map(|(id, url)| page(id, url)).collect::<String>());
    dir.ok(&["dedup", "pages.jsonl", "-o", "run", "--method", "url", "--keep-dropped"]);
    assert_eq!(kept(&dir, "run"), [1, 3, 4, 5, 6]);
    assert!(dir.documents("run/dropped").iter().all(|document| document["drop_reason"] == "same_url"));
    let recipe =
        "[input]\npaths = [\"pages.jsonl\"]\n[[stage]]\nexact = { key = \"url\", url = { ignore_query = true } }\n";
    dir.file("r.toml", recipe);
    dir.ok(&["run", "r.toml", "-o", "query", "--quiet"]);
    assert_eq!(kept(&dir, "query"), [1, 4, 5, 6]);
    dir.file("r.toml", recipe.replace("ignore_query = true", "field = \"adress\""));
    let told = dir.ok(&["run", "r.toml", "-o", "misspelt"]).stderr();
    assert!(told.contains("`exact` looks at `adress`, which no document has"), "{told}");
}

#[test]
fn fingerprints_find_copies_with_a_word_changed() {
    let dir = Dir::new();
    let text = words(0, 400);
    let line = |id: usize, text: &str| json!({ "id": id, "text": text }).to_string() + "\n";
    let pages =
        [(1, text.clone()), (2, words(500, 400)), (3, text.replacen("w7919", "other", 1)), (4, text.to_uppercase())];
    dir.file("pages.jsonl", pages.iter().map(|(id, text)| line(*id, text)).collect::<String>());
    dir.ok(&["dedup", "pages.jsonl", "-o", "run", "--method", "simhash"]);
    assert_eq!(kept(&dir, "run"), [1, 2]);
    let recipe = "[input]\npaths = [\"pages.jsonl\"]\n[[stage]]\nsimhash = { max_distance = 40 }\n";
    dir.file("r.toml", recipe);
    dir.run(&["plan", "r.toml"]).fails(2, &["`max_distance` is 40"]);
}

#[test]
fn what_repeats_is_cut_out_and_told() {
    let dir = Dir::new();
    let footer = "所有权利保留，未经许可不得转载，请联系我们的编辑部。";
    let page = |id: usize, text: String| json!({ "id": id, "text": text, "site": id % 2 }).to_string() + "\n";
    let pages: String = (0..6)
        .map(|id| page(id, format!("{}\n{footer}", words(1000 * id, 30))))
        .chain([page(6, footer.into())])
        .collect();
    dir.file("pages.jsonl", pages);
    let recipe = |stage: &str| {
        dir.file(
            "r.toml",
            format!("[input]\npaths = [\"pages.jsonl\"]\n[output]\nkeep_dropped = true\n[[stage]]\n{stage}\n"),
        );
    };
    recipe("repeated_text = { min_remaining_characters = 5 }");
    let told = dir.ok(&["run", "r.toml", "-o", "lines"]).stderr();
    assert!(told.contains("6 places") && told.contains("cut out of 6 documents"), "{told}");
    let documents = dir.documents("lines/out");
    assert_eq!(documents.len(), 6);
    let ends = |at: usize| documents[at]["text"].as_str().is_some_and(|text| text.ends_with(footer));
    assert!(ends(0) && !(1..6).any(ends));
    let dropped = dir.documents("lines/dropped");
    assert_eq!((dropped.len(), &dropped[0]["drop_reason"]), (1, &json!("nothing_left")));
    assert_eq!(dropped[0]["text"], footer, "what is dropped is whole");
    // Once more changes nothing; paragraphs that are alike are found in a second reading.
    dir.ok(&["run", "r.toml", "-o", "again", "--set", "input.paths=[\"lines/out\"]"]);
    assert_eq!(dir.documents("again/out").len(), 6);
    recipe("repeated_text = { unit = \"paragraph\", matching = \"similar\", threshold = 0.5, min_tokens = 5 }");
    dir.ok(&["run", "r.toml", "-o", "alike"]);
    assert_eq!(dir.documents("alike/out").len(), 7);
    recipe("repeated_ngrams = { ngram = 8 }");
    dir.ok(&["run", "r.toml", "-o", "ngrams"]);
    assert_eq!(dir.documents("ngrams/out").len(), 6);
    recipe("repeated_text = { unit = \"span\", matching = \"similar\" }");
    dir.run(&["run", "r.toml", "-o", "refused"])
        .fails(2, &["`matching = \"similar\"` is for lines, paragraphs and sentences"]);
}
