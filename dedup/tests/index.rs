//! An index over several crawls: what it keeps is what one run over all of them keeps.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use support::{Outcome, run};
use yuan_dedup::{Index, IndexMode, Linkage, Member, Minhash, Place, Selection, Similarity};
use yuan_pipeline::Context;

const MEMORY: u64 = 1 << 28;

/// Windows of one long line of words: neighbours are alike, and so on along the line.
fn windows(count: u64) -> Vec<String> {
    let word = |n: u64| format!("w{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40);
    (0..count)
        .map(|n| {
            let start = n * 2_654_435_761 % (count * 12);
            (start..start + 60 + n % 40).map(word).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn config(index: &Path, crawl: &str) -> Minhash {
    let index = index.to_string_lossy().into_owned();
    Minhash { index, crawl: crawl.into(), threshold: 0.4, bands: 30, rows_per_band: 3, ..Minhash::default() }
}

/// Ids as a run over these documents alone gives them: a hundred records to a file.
fn ids(texts: &[String]) -> Vec<(u64, &str)> {
    texts.iter().zip(0..).map(|(text, n)| ((n / 100) << 32 | (n % 100), text.as_str())).collect()
}

/// Runs each part as a crawl of its own, `c0`, `c1`, …
fn update(index: &Path, parts: &[&[String]], folder: &Path) -> Vec<Outcome> {
    let part = |(n, part): (usize, &&[String])| run(&config(index, &format!("c{n}")), &ids(part), 3, MEMORY, 2, folder);
    parts.iter().enumerate().map(part).collect()
}

fn members(index: &Path) -> Vec<Member> {
    let mut members = Vec::new();
    let take = |member| {
        members.push(member);
        Ok(())
    };
    Index::open(index).unwrap().members(take).unwrap();
    members
}

/// The place of the document of this number, where crawls have these sizes.
fn place(mut number: usize, sizes: &[usize]) -> Place {
    let mut crawl = 0;
    while number >= sizes[crawl] {
        number -= sizes[crawl];
        crawl += 1;
    }
    Place { crawl: format!("c{crawl}"), file: format!("file-{}", number / 100), record: number as u64 % 100 }
}

fn context<'a>(folder: &Path, cancelled: &'a AtomicBool) -> Context<'a> {
    let scratch = folder.join("scratch");
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir(&scratch).unwrap();
    Context::new(MEMORY, 2, scratch, cancelled)
}

fn shingles(text: &str) -> BTreeSet<Vec<&str>> {
    text.split(' ').collect::<Vec<_>>().windows(5).map(<[&str]>::to_vec).collect()
}

fn jaccard(one: &str, other: &str) -> f64 {
    let (one, other) = (shingles(one), shingles(other));
    one.intersection(&other).count() as f64 / one.union(&other).count() as f64
}

#[test]
fn crawl_after_crawl_keeps_what_one_run_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let texts = windows(600);
    let alone = Minhash { index: String::new(), crawl: String::new(), ..config(folder.path(), "") };
    let whole = run(&alone, &ids(&texts), 4, MEMORY, 2, folder.path());
    assert!(whole.dropped.len() > 150, "the texts have duplicates: {}", whole.dropped.len());
    let number = |doc_id: u64| ((doc_id >> 32) * 100 + doc_id % (1 << 32)) as usize;
    for (case, cuts) in [vec![], vec![250], vec![1, 2, 400], vec![100, 200, 300, 400, 500]].iter().enumerate() {
        let index = folder.path().join(format!("index-{case}"));
        let bounds: Vec<usize> = [0].iter().chain(cuts).chain(&[600]).copied().collect();
        let parts: Vec<&[String]> = bounds.windows(2).map(|pair| &texts[pair[0]..pair[1]]).collect();
        let sizes: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        let outcomes = update(&index, &parts, folder.path());
        let expected: BTreeMap<Place, Place> = whole
            .dropped
            .iter()
            .map(|(doc_id, keeper)| (place(number(*doc_id), &sizes), place(number(*keeper), &sizes)))
            .collect();
        let found: Vec<Member> = members(&index);
        assert_eq!(found.len(), 600);
        let dropped: BTreeMap<Place, Place> =
            found.into_iter().filter(|member| !member.kept).map(|member| (member.document, member.keeper)).collect();
        assert_eq!(dropped, expected, "{cuts:?}");
        // And so say the runs themselves.
        for (number, outcome) in outcomes.iter().enumerate() {
            let of_crawl = |places: &BTreeMap<Place, Place>| {
                places.keys().filter(|place| place.crawl == format!("c{number}")).count()
            };
            assert_eq!(outcome.dropped.len() + outcome.known.len(), of_crawl(&expected));
            for (doc_id, words) in &outcome.known {
                let own = Place {
                    crawl: format!("c{number}"),
                    file: format!("file-{}", doc_id >> 32),
                    record: doc_id % (1 << 32),
                };
                assert_eq!(*words, expected[&own].to_string());
            }
        }
    }
}

#[test]
fn the_index_depends_on_neither_units_nor_threads_nor_memory() {
    let folder = tempfile::tempdir().unwrap();
    let texts = windows(500);
    let mut seen: Option<BTreeMap<_, _>> = None;
    for (case, (units, memory, threads)) in [(1, MEMORY, 1), (7, 60_000, 3), (40, MEMORY, 2)].into_iter().enumerate() {
        let index = folder.path().join(format!("index-{case}"));
        let mut files = BTreeMap::new();
        for (crawl, part) in texts.chunks(200).enumerate() {
            let config = Minhash { linkage: Linkage::Components, ..config(&index, &format!("c{crawl}")) };
            let outcome = run(&config, &ids(part), units, memory, threads, folder.path());
            files.insert(format!("outcome {crawl}"), outcome.bytes);
        }
        for name in ["keys", "notes", "documents"] {
            for crawl in 1..=3 {
                let path = format!("crawls/{crawl:05}/{name}");
                let bytes = std::fs::read(index.join(&path)).unwrap();
                // What a document is connected with in its run is of no use later.
                files.insert(path, if name == "notes" { vec![bytes.len() as u8] } else { bytes });
            }
        }
        assert_eq!(Index::open(&index).unwrap().verify().unwrap(), Vec::<String>::new());
        match &seen {
            None => seen = Some(files),
            Some(seen) => {
                let differs = seen.iter().filter(|(name, bytes)| files[*name] != **bytes);
                let differs: Vec<&String> = differs.map(|(name, _)| name).collect();
                assert!(differs.is_empty(), "{units} units, {memory} bytes, {threads} threads: {differs:?}");
            }
        }
    }
}

#[test]
fn the_same_crawl_again_changes_nothing_and_another_of_its_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    let texts = windows(300);
    let first = update(&index, &[&texts[..150], &texts[150..]], folder.path());
    let before = members(&index);
    for (n, part) in [&texts[..150], &texts[150..]].into_iter().enumerate() {
        let again = run(&config(&index, &format!("c{n}")), &ids(part), 3, MEMORY, 1, folder.path());
        assert_eq!((&again.dropped, &again.known), (&first[n].dropped, &first[n].known));
    }
    assert_eq!(members(&index), before);

    let other = config(&index, "c1");
    let error = std::panic::catch_unwind(|| run(&other, &ids(&texts[..100]), 1, MEMORY, 1, folder.path()));
    assert!(error.is_err());
    let looking = Minhash { index_mode: IndexMode::Against, crawl: String::new(), ..config(&index, "") };
    let looked = run(&looking, &ids(&texts[..150]), 2, MEMORY, 1, folder.path());
    // All of them are in the index: those that were kept go for themselves, the others for those.
    assert_eq!((looked.known.len(), looked.dropped.len()), (150, 0));
    assert_eq!(members(&index), before);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    let texts = windows(60);
    update(&index, &[&texts], folder.path());
    let refused = |config: &Minhash| {
        let cancelled = AtomicBool::new(false);
        let partial = folder.path().join("partial");
        let scan = yuan_pipeline::Pass::scan(config, &partial).unwrap();
        scan.finish().unwrap();
        let outcome = folder.path().join("refused");
        let error =
            yuan_pipeline::Pass::reduce(config, &[partial], &outcome, &context(folder.path(), &cancelled)).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default())
    };
    let (problem, hint) = refused(&Minhash { bands: 20, ..config(&index, "x") });
    assert!(problem.contains("was made with `bands = 30`, the step has 20"), "{problem}");
    assert!(hint.contains("another index"), "{hint}");
    assert!(refused(&Minhash { threshold: 0.5, ..config(&index, "x") }).0.contains("`threshold = 0.4`"));
    let looking = Minhash { threshold: 0.5, index_mode: IndexMode::Against, ..config(&index, "") };
    assert!(yuan_pipeline::Pass::scan(&looking, &folder.path().join("other")).is_ok());
    let (problem, hint) = refused(&config(&index, "c0"));
    assert!(problem.contains("has a crawl `c0` already, of other documents"), "{problem}");
    assert!(hint.contains("--crawl NAME"), "{hint}");
    std::fs::write(folder.path().join("scratch").join("file"), "something").unwrap();
    assert!(refused(&config(folder.path(), "x")).0.contains("is no index and not empty"));
    let missing = Minhash { index_mode: IndexMode::Against, ..config(&folder.path().join("nothing"), "") };
    assert!(refused(&missing).0.contains("there is no index in"));
    std::fs::write(index.join("catalogue.sqlite"), "no database at all, just some text").unwrap();
    assert!(refused(&config(&index, "x")).0.contains("catalogue.sqlite"));
}

#[test]
fn damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    update(&index, &[&windows(100)], folder.path());
    let problems = || Index::open(&index).unwrap().verify().unwrap();
    assert!(problems().is_empty());
    let path = index.join("crawls/00001/keys");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(problems().len(), 1);
    assert!(problems()[0].contains("keys` is not what was written"), "{:?}", problems());
    std::fs::write(&path, &bytes[..400]).unwrap();
    assert!(problems()[0].contains("keys` has 400 bytes"), "{:?}", problems());
    std::fs::remove_file(&path).unwrap();
    assert!(problems()[0].contains("no such file"), "{:?}", problems());
}

/// What is kept when documents are taken out: those that stay stay, and the others go for the likest of them, or of those
/// before them in their own place.
fn naive_removal(
    texts: &BTreeMap<Place, &str>,
    before: &[Member],
    gone: &BTreeSet<Place>,
    config: &Minhash,
) -> BTreeMap<Place, Place> {
    let mut kept: Vec<&Place> = before
        .iter()
        .filter(|member| member.kept && !gone.contains(&member.document))
        .map(|member| &member.document)
        .collect();
    let mut signer = config.signer().unwrap();
    let mut keys = |place: &Place| {
        let mut keys = BTreeSet::new();
        signer.keys(texts[place], |key| {
            keys.insert(key);
        });
        keys
    };
    let mut keepers = BTreeMap::new();
    for member in before.iter().filter(|member| !gone.contains(&member.document)) {
        if member.kept || !gone.contains(&member.keeper) {
            keepers.insert(member.document.clone(), member.keeper.clone());
            continue;
        }
        let own = keys(&member.document);
        let mut best: Option<(f64, &Place)> = None;
        for other in &kept {
            let similarity = jaccard(texts[&member.document], texts[other]);
            let is_better = best.is_none_or(|(best, place)| similarity > best || similarity == best && *other < place);
            if similarity >= config.threshold && is_better && !keys(other).is_disjoint(&own) {
                best = Some((similarity, other));
            }
        }
        if best.is_none() {
            kept.push(&member.document);
        }
        keepers.insert(member.document.clone(), best.map_or(&member.document, |(_, keeper)| keeper).clone());
    }
    keepers
}

#[test]
fn documents_are_taken_out_and_the_next_best_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    let texts = windows(400);
    let sizes = [150, 50, 200];
    update(&index, &[&texts[..150], &texts[150..200], &texts[200..]], folder.path());
    let by_place: BTreeMap<Place, &str> =
        texts.iter().enumerate().map(|(number, text)| (place(number, &sizes), text.as_str())).collect();
    let mut before = members(&index);
    let cancelled = AtomicBool::new(false);
    let (mut promoted, mut moved) = (0, 0);
    for round in 0..4 {
        let gone: BTreeSet<Place> = before
            .iter()
            .enumerate()
            .filter(|(number, member)| number % 11 == round && (round > 1 || member.kept))
            .map(|(_, member)| member.document.clone())
            .collect();
        let ids: Vec<String> =
            gone.iter().map(Place::to_string).chain(["c0: file-9:4".into(), "no such".into()]).collect();
        let selection = Selection::Documents { ids, crawl: None };
        let removal = Index::open(&index).unwrap().remove(&selection, &context(folder.path(), &cancelled)).unwrap();
        assert_eq!(removal.documents, gone.len() as u64);
        assert_eq!(removal.removed.iter().cloned().collect::<BTreeSet<Place>>(), gone);
        assert_eq!(removal.missing, ["c0: file-9:4", "no such"]);
        let expected = naive_removal(&by_place, &before, &gone, &config(&index, "any"));
        let after = members(&index);
        let found: BTreeMap<Place, Place> =
            after.iter().map(|member| (member.document.clone(), member.keeper.clone())).collect();
        assert_eq!(found, expected);
        let was_kept: BTreeSet<&Place> =
            before.iter().filter(|member| member.kept).map(|member| &member.document).collect();
        let new: BTreeSet<&Place> = after.iter().filter(|member| member.kept).map(|member| &member.document).collect();
        assert_eq!(
            new.difference(&was_kept).copied().collect::<BTreeSet<&Place>>(),
            removal.promoted.iter().collect::<BTreeSet<&Place>>()
        );
        promoted += removal.promoted.len();
        moved += removal.moved.len();
        assert!(Index::open(&index).unwrap().verify().unwrap().is_empty());
        before = after;
    }
    assert!(promoted > 20 && moved > 5, "{promoted} promoted, {moved} moved");
    let folders = std::fs::read_dir(index.join("crawls")).unwrap().count();
    assert_eq!(folders, 3, "old files are removed");
    // What is gone is gone: the same documents come as new ones.
    let gone: Vec<String> = by_place
        .iter()
        .filter(|(place, _)| !before.iter().any(|member| member.document == **place))
        .map(|(_, text)| (*text).to_owned())
        .collect();
    let again = run(&config(&index, "again"), &ids(&gone), 1, MEMORY, 1, folder.path());
    let words = |place: &Place| again.known.values().any(|words| *words == place.to_string());
    assert!(!by_place.keys().any(|place| words(place) && !before.iter().any(|member| member.document == *place)));
}

#[test]
fn a_whole_crawl_is_taken_out() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index");
    let texts = windows(300);
    update(&index, &[&texts[..100], &texts[100..200], &texts[200..]], folder.path());
    let cancelled = AtomicBool::new(false);
    let context = context(folder.path(), &cancelled);
    let mut open = Index::open(&index).unwrap();
    let error = open.remove(&Selection::Crawl("c7".into()), &context).unwrap_err();
    assert!(error.to_string().contains("has no crawl `c7`"), "{error}");
    assert_eq!(error.hint().unwrap(), "its crawls are `c0`, `c1`, `c2`");
    let removal = open.remove(&Selection::Crawl("c0".into()), &context).unwrap();
    assert_eq!((removal.documents, removal.removed.len()), (100, 0));
    let names: Vec<String> = open.crawls().unwrap().into_iter().map(|crawl| crawl.name).collect();
    assert_eq!(names, ["c1", "c2"]);
    assert!(members(&index).iter().all(|member| member.document.crawl != "c0" && member.keeper.crawl != "c0"));
    let actions: Vec<(String, u64)> =
        open.history().unwrap().into_iter().map(|event| (event.action, event.documents)).collect();
    assert_eq!(actions[..3], [("update".into(), 100), ("update".into(), 100), ("update".into(), 100)]);
    assert_eq!(actions[3], ("remove".into(), 100));
    let promoted: u64 = actions[4..].iter().map(|(_, documents)| documents).sum();
    assert_eq!(promoted, removal.promoted.len() as u64);
}

#[test]
fn merged_indexes_are_as_if_one_had_seen_it_all() {
    let folder = tempfile::tempdir().unwrap();
    let texts = windows(500);
    for linkage in [Linkage::Star, Linkage::Components] {
        let path = |name: &str| folder.path().join(format!("{name}-{linkage:?}"));
        let add = |index: &Path, crawl: &str, part: &[String]| {
            let config = Minhash { linkage, similarity: Similarity::Jaccard, ..config(index, crawl) };
            run(&config, &ids(part), 2, MEMORY, 2, folder.path());
        };
        let (one, other, all) = (path("one"), path("other"), path("all"));
        let parts: Vec<&[String]> = texts.chunks(125).collect();
        for (number, part) in parts.iter().enumerate() {
            let crawl = format!("c{number}");
            add(if number < 2 { &one } else { &other }, &crawl, part);
            add(&all, &crawl, part);
        }
        let before: BTreeMap<Place, bool> =
            members(&other).into_iter().map(|member| (member.document, member.kept)).collect();
        let cancelled = AtomicBool::new(false);
        let mut index = Index::open(&one).unwrap();
        let merge = |index: &mut Index| {
            let mut changed = Vec::new();
            let take = |change| {
                changed.push(change);
                Ok(())
            };
            index.merge(&Index::open(&other).unwrap(), &context(folder.path(), &cancelled), take).unwrap();
            changed
        };
        let changed = merge(&mut index);
        let expected = members(&all);
        assert_eq!(members(&one), expected);
        let now = expected.iter().filter(|member| before.contains_key(&member.document));
        let differs: BTreeSet<&Place> =
            now.filter(|member| before[&member.document] != member.kept).map(|member| &member.document).collect();
        assert!(differs.len() > 10, "{}", differs.len());
        assert_eq!(changed.iter().map(|changed| &changed.document).collect::<BTreeSet<&Place>>(), differs);
        for change in &changed {
            let now = expected.iter().find(|member| member.document == change.document).unwrap();
            assert_eq!(change.keeper.as_ref(), (!now.kept).then_some(&now.keeper));
        }
        // Once more, nothing is new.
        let again = merge(&mut index);
        assert_eq!((again, members(&one)), (Vec::new(), expected));
        assert!(index.verify().unwrap().is_empty());
    }
}
