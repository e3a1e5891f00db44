//! Documents that are alike: what goes, what is kept for it, what is told.

use serde_json::json;

use crate::support::{Dir, Ran};

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
