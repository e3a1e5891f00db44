//! Damaged model files give an error or a model that works: no panic, no hang, no memory out of proportion.
//!
//! A few thousand cases, the same every time; `YUAN_FUZZ_CASES=100000` for a longer run.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use yuan_sentencepiece::{Error, Model, Scratch};

/// Counts the bytes in use, and the most there ever were.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands every request to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(in_use, Ordering::Relaxed);
        // SAFETY: the caller's promise is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What loading may take beside 64 times the file: tables of fixed size.
const FIXED_BYTES: usize = 8 << 20;

const TEXTS: [&str; 6] = [
    "",
    "the cat said: 宝玉道，foo  x <sep>\u{301} e\u{301} ＡＢＣ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\0\u{1}\u{fffd}\u{10ffff}▁▁ ▁\t\u{3000}😀👍🏽",
    "的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的的",
    "ไทย العربية 日本語 한국어",
];

struct Random(u64);

impl Random {
    fn next(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit.max(1)
    }
}

fn use_it(bytes: &[u8], scratch: &mut Scratch, what: &str) -> bool {
    let start = Instant::now();
    let before = IN_USE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let model = Model::from_bytes(bytes);
    let taken = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    assert!(taken <= 64 * bytes.len() + FIXED_BYTES, "{what}: {taken} bytes for a file of {}", bytes.len());
    let loaded = match model {
        Ok(model) => {
            for text in TEXTS {
                let mut ids = Vec::new();
                model.encode_ids(text, scratch, &mut ids);
                assert!(ids.iter().all(|&id| (id as usize) < model.vocab_size()), "{what}: {ids:?}");
                let mut pieces = 0;
                model.encode_pieces(text, scratch, |_| pieces += 1);
                assert_eq!(pieces, ids.len(), "{what}");
                model.encode_places(text, scratch, |piece| assert!(text.len() >= piece.place.end, "{what}"));
                model.decode(&ids).unwrap();
            }
            let all: Vec<u32> = (0..model.vocab_size() as u32).collect();
            model.decode(&all).unwrap();
            true
        }
        Err(Error::Read { .. }) => panic!("{what}: nothing was to be read"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    };
    assert!(start.elapsed() < Duration::from_secs(60), "{what}: took {:?}", start.elapsed());
    loaded
}

/// A field of bytes: tag, length, content.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(content);
    out
}

fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
    let mut content = field(1, text.as_bytes());
    content.push(2 << 3 | 5);
    content.extend(score.to_le_bytes());
    content.extend([3 << 3, kind]);
    field(1, &content)
}

/// A model of a kind (1 unigram, 2 BPE, …) with these pieces beside the unknown one.
fn model(kind: u8, pieces: impl Iterator<Item = (String, f32, u8)>) -> Vec<u8> {
    let mut out = piece("<unk>", 0.0, 2);
    pieces.for_each(|(text, score, kind)| out.extend(piece(&text, score, kind)));
    out.extend(field(2, &[3 << 3, kind]));
    out
}

/// All in one test, as the counter of bytes is shared.
#[test]
fn damaged_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/sentencepiece");
    let cases: usize = std::env::var("YUAN_FUZZ_CASES").map_or(3000, |cases| cases.parse().unwrap());
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some_and(|extension| extension == "model"));
    names.sort();
    let files: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(name).unwrap()).collect();
    // Short ones first of all: they are read often in the time that one long one takes.
    let mut short: Vec<Vec<u8>> = (1..=4)
        .map(|kind| {
            let texts = ["a", "b", "ab", "▁", "▁a", "的", "的的", "aa", "aaaa", "foo", "<s>", "é", "▁▁"];
            let kinds = [1, 1, 1, 1, 1, 1, 5, 1, 5, 4, 3, 1, 1];
            model(kind, texts.iter().zip(kinds).map(|(text, kind)| (text.to_string(), -(text.len() as f32), kind)))
        })
        .collect();
    let charsmap = files.iter().zip(&names).find(|(_, name)| name.ends_with("bpe.model")).unwrap().0;
    short.push(charsmap.clone());
    let mut scratch = Scratch::default();
    for (file, name) in files.iter().zip(&names) {
        assert!(use_it(file, &mut scratch, &name.display().to_string()));
    }
    let mut random = Random(17);
    let mut loaded = 0;
    for case in 0..cases {
        let source = if case % 16 == 0 { &files[random.next(files.len())] } else { &short[case % short.len()] };
        let mut bytes = source.clone();
        match random.next(6) {
            0 => bytes.truncate(random.next(bytes.len())),
            1 => {
                for _ in 0..1 + random.next(4) {
                    let at = random.next(bytes.len());
                    bytes[at] = random.next(256) as u8;
                }
            }
            2 => {
                // Flags, lengths and the trie of rules lie near the end.
                let at = bytes.len() - 1 - random.next(bytes.len().min(4000));
                bytes[at] ^= 1 << random.next(8);
            }
            3 => {
                let (at, other) = (random.next(bytes.len()), random.next(bytes.len()));
                let end = (other + random.next(40)).min(bytes.len());
                let copied = bytes[other..end].to_vec();
                bytes.splice(at..at, copied);
            }
            4 => {
                let at = random.next(bytes.len());
                bytes.drain(at..(at + random.next(40)).min(source.len()));
            }
            _ => {
                let at = random.next(bytes.len());
                let end = (at + 8).min(bytes.len());
                bytes[at..end].fill([0, 0xff, 0x7f, 0x80][random.next(4)]);
            }
        }
        loaded += usize::from(use_it(&bytes, &mut scratch, &format!("case {case}")));
    }
    assert!(loaded > cases / 20, "{loaded} of {cases}: too few to have tested encoding");

    // Pieces that begin each other, scores at their limits, many characters.
    let long = |kind| model(kind, (1..2000).map(|length| ("a".repeat(length), -(length as f32), 1)));
    let same = |kind| model(kind, (1..2000).map(|length| ("a".repeat(length), 0.0, 1 + 3 * (length % 2) as u8)));
    let unused =
        |kind| model(kind, (1..300).map(|length| ("a".repeat(length), length as f32, if length > 1 { 5 } else { 1 })));
    let characters = |kind| model(kind, ('\u{100}'..'\u{20000}').map(|character| (character.to_string(), -1.0, 1)));
    let scores = |kind| {
        let scores = [f32::MAX, f32::MIN, 1e38, -1e38, 0.0, -0.0, f32::MIN_POSITIVE];
        model(
            kind,
            (0..700).map(|at| (format!("{}a", char::from_u32(0x4e00 + at).unwrap()), scores[at as usize % 7], 1)),
        )
    };
    for kind in 1..=4 {
        for (bytes, what) in [
            (long(kind), "long"),
            (same(kind), "same"),
            (unused(kind), "unused"),
            (characters(kind), "characters"),
            (scores(kind), "scores"),
        ] {
            assert!(use_it(&bytes, &mut scratch, &format!("{what}, kind {kind}")), "{what}, kind {kind}");
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let normal = |text: &str| (text.to_owned(), -1.0, 1);
    let with = |extra: &[u8]| [model(1, [normal("a")].into_iter()), extra.to_vec()].concat();
    for (bytes, part) in [
        (Vec::new(), "no unknown piece"),
        (b"not a model".to_vec(), "byte "),
        (model(1, [normal("a"), normal("a")].into_iter()), "piece 2: `a` is there twice"),
        (model(1, [normal("")].into_iter()), "piece 1: it is empty"),
        (model(1, [normal("a\0")].into_iter()), "piece 1: there is a zero byte in it"),
        (model(1, [normal(&"a".repeat(8000))].into_iter()), "piece 1: it has 8000 bytes"),
        (model(1, [("a".into(), f32::NAN, 1)].into_iter()), "piece 1: its score is NaN"),
        (model(1, [("a".into(), 0.0, 2)].into_iter()), "piece 1: a second unknown piece"),
        (model(1, [("<0x41>".into(), 0.0, 6)].into_iter()), "without byte_fallback"),
        (model(1, [].into_iter()), "none that a text could be cut into"),
        (with(&field(2, &[0x98, 2, 1])), "256 byte pieces"),
        (with(&field(1, &field(1, b"\xff"))), "piece 2: its text is not UTF-8"),
        (with(&field(3, &field(2, b"abc"))), "`normalizer_spec`: shorter than its first number"),
        (with(&field(3, &field(2, &[0, 4, 0, 0, 9]))), "`normalizer_spec`: its trie is longer than the field"),
        (
            with(&field(5, &field(2, &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))),
            "`denormalizer_spec`: its trie is not made",
        ),
        (with(&field(3, &field(2, &[&[0, 4, 0, 0][..], &[0; 1025]].concat()))), "its trie is damaged"),
    ] {
        let error = Model::from_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = Model::open("/no/such.model").unwrap_err().to_string();
    assert!(error.starts_with("cannot read `/no/such.model`"), "{error}");
}
