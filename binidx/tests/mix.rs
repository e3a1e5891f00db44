//! Mixes: what the plan says is what is on disk, and both are what sorting everything gives.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use yuan_binidx::mix::{Kind, Mix, Mixture, Phase, Plan, Source, Write};
use yuan_binidx::work::{Cut, Expected, Job, split, verify};
use yuan_binidx::{About, DType, Error, Reader, TokenSet, Vocabulary, Writer, shuffle_key};
use yuan_pipeline::Progress;

mod support;

use support::job;

/// A document of a set: record, language, tokens.
type Made = (u64, Option<&'static str>, Vec<u32>);

/// Numbers that look random and are the same each time.
fn scattered(of: u64) -> u64 {
    let z = (of ^ (of >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 20
}

/// So many documents of up to `longest` tokens with the end's id, 0; some without any. The languages take turns.
fn documents(seed: u64, count: u64, longest: u64, languages: &[Option<&'static str>]) -> Vec<Made> {
    let document = |row: u64| {
        let tokens = scattered(seed << 20 | row) % (longest + 1);
        let id =
            |token: u64| if token == 0 { 0 } else { 1 + (scattered(row << 30 | token << 8 | seed) % 59_999) as u32 };
        let ids = (0..tokens).rev().map(id).collect();
        (row, languages[(row % languages.len() as u64) as usize], ids)
    };
    (0..count).map(document).collect()
}

fn vocabulary(tokenizer: &str) -> Vocabulary {
    Vocabulary { tokenizer: Some(tokenizer.into()), vocab_size: Some(60_000), eod: Some(0) }
}

fn write(prefix: &Path, file: &str, dtype: DType, vocabulary: Vocabulary, documents: &[Made]) {
    std::fs::create_dir_all(prefix.parent().unwrap()).unwrap();
    let mut writer = Writer::create(prefix, dtype).unwrap().with_documents(vocabulary).unwrap();
    for (row, language, tokens) in documents {
        if !tokens.is_empty() {
            writer.add_sequence(tokens).unwrap();
        }
        let id = format!("{file}/{row}");
        let about = About { id: Some(&id), source: file, file, row: *row, language: *language, text_bytes: 1 };
        writer.end_document_about(&about).unwrap();
    }
    writer.finish().unwrap();
}

fn source(name: &str, paths: &[PathBuf]) -> Source {
    let paths = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    Source { name: name.into(), paths, ..Source::default() }
}

fn phase(name: &str, tokens: u64, weights: &[(&str, f64)]) -> Phase {
    let weights = weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
    Phase { name: name.into(), tokens: Some(tokens), weights, ..Phase::default() }
}

fn made(mix: &Mix, folder: &Path) -> Plan {
    let mixture = Mixture::prepare(mix.clone(), &job()).unwrap();
    mixture.write(folder, &job()).unwrap();
    mixture.plan().clone()
}

/// Record and file of each document of a set, in order, with its tokens.
fn read(prefix: &Path) -> Vec<((String, u64), Vec<i64>)> {
    let set = TokenSet::open(prefix).unwrap();
    let mut all = Vec::new();
    set.for_each(0..set.reader().document_count(), |number, document| {
        let ids = set.reader().document(number)?.iter().flat_map(|sequence| sequence.ids()).collect();
        all.push(((document.about.file.to_owned(), document.about.row), ids));
        Ok(())
    })
    .unwrap();
    all
}

/// What phases take of a source, from sorted lists: of each phase the records in order of name.
fn naive(seed: u64, file: &str, documents: &[Made], targets: &[u64]) -> Vec<Vec<(String, u64)>> {
    let documents: Vec<&Made> = documents.iter().filter(|(_, _, tokens)| !tokens.is_empty()).collect();
    let sequence = (0..).flat_map(|epoch| {
        let mut order = documents.clone();
        order.sort_by_key(|(row, ..)| shuffle_key(seed, &About { file, row: *row, ..About::default() }, epoch));
        order
    });
    let mut sequence = sequence.peekable();
    let phase = |target: &u64| {
        let (mut sum, mut taken) = (0, Vec::new());
        loop {
            let (row, _, tokens) = sequence.peek().unwrap();
            let with = sum + tokens.len() as u64;
            if with.abs_diff(*target) >= sum.abs_diff(*target) {
                break;
            }
            (sum, _) = (with, sequence.next());
            taken.push((file.to_owned(), *row));
        }
        taken.sort();
        taken
    };
    targets.iter().map(phase).collect()
}

/// Two sources, one of them in two sets of other number types.
struct Two {
    folder: tempfile::TempDir,
    books: Vec<Made>,
    web: Vec<Made>,
}

impl Two {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (books, web) = (documents(1, 400, 300, &[Some("en")]), documents(2, 1_500, 700, &[Some("en"), Some("zh")]));
        write(&folder.path().join("b/books"), "books", DType::U16, vocabulary("t"), &books);
        write(&folder.path().join("web"), "web", DType::I32, vocabulary("t"), &web);
        Self { folder, books, web }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mix(&self, phases: Vec<Phase>) -> Mix {
        let sources = vec![source("books", &[self.path("b")]), source("web", &[self.path("w*.idx")])];
        Mix { seed: 5, sources, phases, ..Mix::default() }
    }
}

/// The files of a mix but blends, which have absolute paths.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let inside = path.file_name().unwrap().to_owned();
            found.extend(files(&path).into_iter().map(|(name, bytes)| (Path::new(&inside).join(name), bytes)));
        } else if !path.ends_with("blend.txt") {
            found.insert(path.file_name().unwrap().into(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn phases_hold_what_sorting_everything_gives() {
    let two = Two::new();
    let mut last = phase("third", 0, &[]);
    (last.tokens, last.epochs) = (None, [("books".to_owned(), 1.5)].into());
    let phases =
        vec![phase("first", 60_000, &[("books", 1.0), ("web", 2.0)]), phase("second", 80_000, &[("books", 1.0)]), last];
    let mix = two.mix(phases);
    let out = two.path("out");
    let plan = made(&mix, &out);
    assert_eq!(plan.dtype, DType::I32);
    let all: u64 = two.books.iter().map(|(_, _, tokens)| tokens.len() as u64).sum();
    let books = naive(5, "books", &two.books, &[20_000, 80_000, (1.5 * all as f64).round() as u64]);
    let web = naive(5, "web", &two.web, &[40_000, 0, 0]);
    let by_place: BTreeMap<(String, u64), Vec<i64>> = [("books", &two.books), ("web", &two.web)]
        .iter()
        .flat_map(|(file, documents)| {
            documents
                .iter()
                .map(|(row, _, ids)| (((*file).to_owned(), *row), ids.iter().map(|id| i64::from(*id)).collect()))
        })
        .collect();
    for ((planned, books), web) in plan.phases.iter().zip(books).zip(web) {
        let prefix = out.join(&planned.name).join("tokens");
        let written = read(&prefix);
        assert!(written.iter().all(|(place, ids)| by_place[place] == *ids), "documents are whole");
        let mut places: Vec<(String, u64)> = written.iter().map(|(place, _)| place.clone()).collect();
        assert!(!places.is_sorted(), "shuffled");
        let close = places.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(close < 10, "repeats do not lie together: {close}");
        places.sort();
        assert_eq!(places, [books, web].concat(), "phase {}", planned.name);
        let tokens: u64 = written.iter().map(|(_, ids)| ids.len() as u64).sum();
        assert_eq!((places.len() as u64, tokens), (planned.taken.documents, planned.taken.tokens));
        let expected = Expected { vocab_size: Some(60_000), ..Expected::default() };
        let verified = verify(&prefix, expected, &job()).unwrap();
        assert!(verified.is_sound(), "{:?}", verified.problems);
        let set = TokenSet::open(&prefix).unwrap();
        assert_eq!(set.vocabulary(), vocabulary("t"));
        let blend = std::fs::read_to_string(out.join(&planned.name).join("blend.txt")).unwrap();
        assert_eq!(blend, format!("1 {}\n", prefix.display()));
    }
    let of = |phase: usize| (plan.phases[phase].sources[0].epochs_so_far * all as f64).round() as u64;
    let sum: u64 = plan.phases.iter().map(|phase| phase.sources[0].taken.tokens).sum();
    assert_eq!(of(2), sum);
    assert!(plan.warnings.iter().all(|warning| !warning.contains("repeats")), "{:?}", plan.warnings);
}

#[test]
fn the_same_bytes_whatever_memory_threads_and_cut() {
    let two = Two::new();
    let by_language = |tokens: Option<u64>| Phase {
        languages: [("zh".to_owned(), 0.5), ("*".to_owned(), 0.5)].into(),
        ..Phase { name: "second".into(), tokens, ..Phase::default() }
    };
    let mix = two.mix(vec![phase("first", 500_000, &[("books", 0.2), ("web", 0.8)]), by_language(Some(200_000))]);
    made(&mix, &two.path("one"));
    let expected = files(&two.path("one"));
    assert_eq!(expected.len(), 7, "{:?}", expected.keys());
    let (cancelled, progress) = (AtomicBool::new(false), Progress::default());
    for (name, memory, threads) in [("two", 1 << 20, 1), ("three", 1 << 30, 5)] {
        let job = Job { memory, threads, cancelled: &cancelled, progress: &progress };
        Mixture::prepare(mix.clone(), &job).unwrap().write(&two.path(name), &job).unwrap();
        assert!(files(&two.path(name)) == expected, "{name}");
    }
    // The same documents in other sets.
    std::fs::create_dir(two.path("cut")).unwrap();
    split(two.path("web"), &two.path("cut/part"), &Cut::Parts(3), &job()).unwrap();
    let mut cut = mix.clone();
    cut.sources[1].paths = vec![two.path("cut/part-*").to_string_lossy().into_owned()];
    made(&cut, &two.path("four"));
    let sets = |files: BTreeMap<PathBuf, Vec<u8>>| -> BTreeMap<PathBuf, Vec<u8>> {
        files.into_iter().filter(|(name, _)| !name.ends_with("plan.json")).collect()
    };
    assert!(sets(files(&two.path("four"))) == sets(expected));
}

#[test]
fn languages_get_their_shares_and_shards_are_the_set_in_pieces() {
    let two = Two::new();
    let languages = |shares: &[(&str, f64)]| shares.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect();
    let mut first = phase("first", 100_000, &[]);
    first.languages = languages(&[("zh", 0.3), ("*", 0.7)]);
    let mut second = phase("second", 100_000, &[]);
    second.languages = languages(&[("zh", 0.6), ("en", 0.4), ("fr", 0.0)]);
    let mix = two.mix(vec![first, second]);
    let plan = made(&mix, &two.path("whole"));
    for (phase, share) in plan.phases.iter().zip([0.3, 0.6]) {
        let zh = phase.languages["zh"].tokens as f64 / phase.taken.tokens as f64;
        assert!((zh - share).abs() < 0.01, "{zh}");
    }
    assert!(plan.warnings.iter().any(|warning| warning.contains("no document is of language `fr`")));
    let mut shards = mix.clone();
    shards.output.shards = 3;
    assert_eq!(made(&shards, &two.path("cut")).phases, plan.phases);
    for phase in ["first", "second"] {
        let part = |place| read(&two.path(&format!("cut/{phase}/tokens-{place:05}-of-00003")));
        assert_eq!([part(0), part(1), part(2)].concat(), read(&two.path(&format!("whole/{phase}/tokens"))));
        let blend = std::fs::read_to_string(two.path(&format!("cut/{phase}/blend.txt"))).unwrap();
        let weights: f64 = blend.split_whitespace().step_by(2).map(|weight| weight.parse::<f64>().unwrap()).sum();
        assert!((weights - 1.0).abs() < 1e-9 && blend.split_whitespace().count() == 6, "{blend}");
    }
}

#[test]
fn sources_are_parts_of_sets() {
    let two = Two::new();
    let mut zh = source("zh", &[two.path("web")]);
    zh.languages = vec!["zh".into()];
    let mut rows = source("rows", &[two.path("web"), two.path("b/books.bin")]);
    rows.ids = vec!["*/1*9".into()];
    rows.sources = vec!["web".into()];
    let phases = vec![Phase { name: "once".into(), ..Phase::default() }];
    let mix = Mix { sources: vec![zh, rows], phases, ..Mix::default() };
    let out = two.path("out");
    let plan = made(&mix, &out);
    let full = |keep: &dyn Fn(&Made) -> bool| {
        two.web.iter().filter(|document| !document.2.is_empty() && keep(document)).count() as u64
    };
    let is_row = |(row, ..): &Made| row.to_string().starts_with('1') && row.to_string().ends_with('9');
    let sources = &plan.phases[0].sources;
    assert_eq!(sources[0].taken.documents, full(&|document| document.1 == Some("zh")));
    assert_eq!(sources[1].taken.documents, full(&|document| is_row(document) && document.0 > 9));
    let both = full(&|document| is_row(document) && document.0 > 9 && document.1 == Some("zh"));
    assert!(
        plan.warnings.contains(&format!("{both} documents belong to `zh` and to `rows`: each takes them by itself")),
        "{:?}",
        plan.warnings
    );
    assert_eq!(read(&out.join("once/tokens")).len() as u64, plan.phases[0].taken.documents);
    let mut blend = mix.clone();
    blend.write = Write::Blend;
    let error = Mixture::prepare(blend, &job()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("`zh` is a part of its sets"), "{error}");
}

#[test]
fn blends_have_the_weights_of_whole_sets() {
    let two = Two::new();
    let mut mix = two.mix(vec![phase("one", 100_000, &[("books", 0.25), ("web", 0.75)])]);
    mix.write = Write::Blend;
    let plan = made(&mix, &two.path("out"));
    let blend = std::fs::read_to_string(two.path("out/one/blend.txt")).unwrap();
    let words: Vec<&str> = blend.split_whitespace().collect();
    let home = two.folder.path().canonicalize().unwrap();
    assert_eq!([Path::new(words[1]), Path::new(words[3])], [home.join("b/books"), home.join("web")]);
    let weight: f64 = words[0].parse().unwrap();
    assert!((weight - plan.phases[0].sources[0].share).abs() < 1e-9 && (weight - 0.25).abs() < 0.01, "{blend}");
    assert_eq!(std::fs::read_dir(two.path("out/one")).unwrap().count(), 1);
}

#[test]
fn sets_without_a_file_of_documents_are_known_by_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("bare");
    let mut writer = Writer::create(&prefix, DType::U16).unwrap();
    for length in [3, 0, 2, 4_u32] {
        writer.add_sequence(&(0..length).collect::<Vec<_>>()).unwrap();
        writer.end_document().unwrap();
    }
    writer.finish().unwrap();
    let mut all = Phase { name: "all".into(), ..Phase::default() };
    all.epochs = [("bare".to_owned(), 5.0)].into();
    let mix = Mix { sources: vec![source("bare", &[prefix])], phases: vec![all], ..Mix::default() };
    let out = folder.path().join("out");
    let plan = made(&mix, &out);
    assert_eq!((plan.phases[0].taken.documents, plan.phases[0].taken.tokens), (15, 45));
    assert_eq!(plan.phases[0].languages.keys().collect::<Vec<_>>(), ["und"]);
    assert!(
        plan.warnings[0].contains("5.0 times in all") && plan.warnings[0].contains("Muennighoff"),
        "{:?}",
        plan.warnings
    );
    assert_eq!(Reader::open(out.join("all/tokens")).unwrap().document_count(), 15);
}

#[test]
fn what_cannot_be_mixed_is_told() {
    let two = Two::new();
    let told = |change: &dyn Fn(&mut Mix)| {
        let mut mix = two.mix(vec![phase("one", 300_000, &[("books", 1.0)])]);
        change(&mut mix);
        Mixture::prepare(mix, &job()).map(|_| ()).unwrap_err()
    };
    let error = told(&|mix| mix.sources[0].kind = Kind::Dynamic);
    assert!(error.to_string().contains("source `books` is dynamic"), "{error}");
    assert!(error.hint().unwrap().contains("kind = \"static\""));
    assert!(matches!(error, Error::Recipe { setting, .. } if setting == "source.0.kind"));
    let error = told(&|mix| mix.sources[1].paths = vec!["none*".into()]);
    assert!(error.to_string().contains("source `web`: no token set"), "{error}");
    let error = told(&|mix| mix.sources[1].languages = vec!["fr".into()]);
    assert!(error.to_string().contains("source `web` has no document with tokens"), "{error}");
    write(&two.path("other"), "other", DType::U16, vocabulary("u"), &two.books);
    let error = told(&|mix| mix.sources[1].paths.push(two.path("other").to_string_lossy().into_owned()));
    let names = ["other", "books", "tokenizer is u", "is t"];
    assert!(names.iter().all(|name| error.to_string().contains(name)), "{error}");
    let error = told(&|mix| mix.phases[0].budgets = [("books".to_owned(), 5)].into());
    assert!(error.to_string().contains("stands in `weights` and in `budgets`"), "{error}");
}

#[test]
fn a_folder_goes_on_with_its_mix_and_no_other() {
    let two = Two::new();
    let mix = two.mix(vec![phase("one", 50_000, &[("books", 1.0)]), phase("two", 90_000, &[("web", 1.0)])]);
    let out = two.path("out");
    made(&mix, &two.path("undisturbed"));
    let expected = files(&two.path("undisturbed"));
    // Stopped before the first phase: nothing has its name.
    let (cancelled, progress) = (AtomicBool::new(false), Progress::default());
    let stopped = Job { cancelled: &cancelled, progress: &progress, ..job() };
    let mixture = Mixture::prepare(mix.clone(), &stopped).unwrap();
    cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(mixture.write(&out, &stopped), Err(Error::Cancelled)));
    assert_eq!(files(&out).into_keys().collect::<Vec<_>>(), [Path::new("plan.json")]);
    made(&mix, &out);
    assert!(files(&out) == expected);
    // A phase that lost a file is made again, the other one stays.
    let kept = out.join("one/tokens.bin");
    let time = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
    let before = time(&kept);
    std::fs::remove_file(out.join("two/tokens.idx")).unwrap();
    made(&mix, &out);
    assert!(files(&out) == expected && time(&kept) == before);
    let told = |change: &dyn Fn(&mut Mix)| {
        let mut mix = mix.clone();
        change(&mut mix);
        Mixture::prepare(mix, &job()).unwrap().write(&out, &job()).unwrap_err().to_string()
    };
    let error = told(&|mix| mix.phases[1].tokens = Some(80_000));
    assert!(error.ends_with("was made by another recipe: `phase.two.tokens` was 90000, now 80000"), "{error}");
    write(&two.path("b/more"), "more", DType::U16, vocabulary("t"), &two.books[..5]);
    assert!(told(&|_| ()).contains("b/more` is new"));
    std::fs::write(two.path("file"), "").unwrap();
    let error = Mixture::prepare(mix.clone(), &job()).unwrap().write(&two.path("b"), &job()).unwrap_err();
    assert!(error.to_string().contains("is no mix's folder"), "{error}");
    // Killed while it wrote its plan, it goes on.
    std::fs::create_dir(two.path("killed")).unwrap();
    std::fs::write(two.path("killed/plan.json.tmp"), "{\"rec").unwrap();
    Mixture::prepare(mix.clone(), &job()).unwrap().write(&two.path("killed"), &job()).unwrap();
    assert!(!two.path("killed/plan.json.tmp").exists());
}

#[test]
fn many_documents_are_walked_over_on_all_threads() {
    // More than one piece of a walk, of several row groups.
    let folder = tempfile::tempdir().unwrap();
    let many = documents(3, 600_000, 3, &[Some("zh"), Some("en"), None]);
    write(&folder.path().join("many"), "many", DType::U16, vocabulary("t"), &many);
    let mut half = Phase { name: "half".into(), ..Phase::default() };
    half.epochs = [("many".to_owned(), 0.5)].into();
    let mix =
        Mix { sources: vec![source("many", &[folder.path().join("many")])], phases: vec![half], ..Mix::default() };
    let planned = |threads| Mixture::prepare(mix.clone(), &Job { threads, ..job() }).unwrap().plan().clone();
    let plan = planned(1);
    assert_eq!(plan, planned(4));
    assert!(plan.phases[0].taken.tokens.abs_diff(plan.phases[0].target) <= 1, "documents are short");
    for of in plan.phases[0].languages.values() {
        let share = of.tokens as f64 / plan.phases[0].taken.tokens as f64;
        assert!((share - 1.0 / 3.0).abs() < 0.01, "{share}");
    }
}

#[test]
fn a_set_that_changes_after_the_plan_stops_the_mix() {
    let two = Two::new();
    let mix = two.mix(vec![phase("one", 50_000, &[("web", 1.0)])]);
    let mixture = Mixture::prepare(mix, &job()).unwrap();
    write(&two.path("web"), "web", DType::I32, vocabulary("t"), &documents(9, 1_400, 700, &[Some("en")]));
    assert!(mixture.write(&two.path("out"), &job()).is_err());
    let left: Vec<_> = std::fs::read_dir(two.path("out/one")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
