//! Damaged and hostile files: an error or a model, never a panic, a hang or an allocation beyond the file's size plus a
//! small bound; and a model that opens answers any question.
//!
//! `YUAN_FUZZ_CASES` sets the number of cases (3000 by default), `YUAN_FUZZ_SEED` the first seed.

#![allow(clippy::unwrap_used)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use support::fixtures;
use yuan_kenlm::{BuildOptions, Load, Model, ModelKind, Scorer, State, build_binary};

/// Counts the bytes that a thread has allocated and not freed, and their peak.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that is ending has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: all calls go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Numbers in a fixed sequence (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A number of the kind that breaks things.
    fn extreme(&mut self) -> u64 {
        let small = self.below(300) as u64;
        match self.below(8) {
            0 => 0,
            1 => 1,
            2 => u64::MAX - small,
            3 => 1 << self.below(64),
            4 => (1u64 << self.below(64)).wrapping_sub(1),
            5 => u64::from(u32::MAX) + small,
            6 => (1 << 57) - 2 + small % 4,
            _ => small,
        }
    }
}

fn cases() -> usize {
    std::env::var("YUAN_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(3000)
}

fn first_seed() -> u64 {
    std::env::var("YUAN_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// Words and numbers, known and not, in no good order.
fn ask(model: &Model, random: &mut Random) {
    let vocabulary = model.vocabulary();
    let _ = vocabulary.words().map(Iterator::count);
    for word in ["<unk>", "<s>", "</s>", "the", "of", "w1", "", "\u{4e00}"] {
        let _ = vocabulary.index(word.as_bytes());
    }
    let mut history = if random.below(2) == 0 { model.begin_sentence_state() } else { model.null_context_state() };
    let mut sentences: Vec<Vec<u32>> = vec![Vec::new()];
    for _ in 0..60 {
        let word = match random.below(8) {
            0 => random.next() as u32,
            1 => u32::MAX,
            2 => vocabulary.bound(),
            _ => random.below(vocabulary.bound().max(1) as usize + 1) as u32,
        };
        let mut next = State::default();
        let score = model.full_score(&history, word, &mut next);
        assert!((1..=model.order()).contains(&(score.ngram_length as usize)));
        assert!(next.words().len() < model.order());
        history = if random.below(9) == 0 { model.begin_sentence_state() } else { next };
        sentences.last_mut().unwrap().push(word);
        if random.below(7) == 0 {
            sentences.push(Vec::new());
        }
    }
    let mut scorer = Scorer::new(model);
    let batch = scorer.score_batch(sentences.iter().map(|sentence| &sentence[..]), true, true);
    for (sentence, batched) in sentences.iter().zip(batch) {
        let one = model.score_sentence(sentence, true, true);
        assert_eq!(one.log10_prob.to_bits(), batched.log10_prob.to_bits());
    }
}

/// Opens a file with these bytes and asks it; the peak of what was allocated must be in proportion.
fn open(folder: &Path, bytes: &[u8], seed: u64) -> bool {
    let path = folder.join("case.bin");
    std::fs::write(&path, bytes).unwrap();
    let base = LIVE.get();
    PEAK.set(base);
    let load = if seed.is_multiple_of(3) { Load::Read } else { Load::Lazy };
    let opened = Model::open_with(&path, load);
    if let Ok(model) = &opened {
        ask(model, &mut Random(seed));
    }
    let peak = (PEAK.get() - base) as usize;
    assert!(peak <= 12 * bytes.len() + (6 << 20), "seed {seed}: {peak} bytes for a file of {}", bytes.len());
    if let Err(error) = &opened {
        assert!(error.to_string().contains("case.bin"), "{error}");
    }
    opened.is_ok()
}

fn models() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let models: Vec<_> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    assert!(models.len() >= 20);
    models
}

/// Damages bytes in one of the ways that files are damaged.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    const COUNTS: usize = 108;
    match random.below(9) {
        0 => bytes.truncate(random.below(bytes.len() + 1)),
        1 => {
            for _ in 0..=random.below(40) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        2 => {
            // A count.
            let order = usize::from(bytes[88]).clamp(1, 6);
            let at = COUNTS + 8 * random.below(order);
            bytes[at..at + 8].copy_from_slice(&random.extreme().to_le_bytes());
        }
        3 => {
            // A count off by a little.
            let order = usize::from(bytes[88]).clamp(1, 6);
            let at = COUNTS + 8 * random.below(order);
            let count = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            let changed = count.wrapping_add(random.below(9) as u64).wrapping_sub(4);
            bytes[at..at + 8].copy_from_slice(&changed.to_le_bytes());
        }
        4 => {
            // Order, multiplier, kind, words, version.
            let at = 88 + random.below(20);
            bytes[at] = random.extreme() as u8;
        }
        5 => {
            let multipliers = [0.0, 1.0, 1.01, -1.0, 1e9, 3e38, f32::NAN, f32::INFINITY, 1e-40, 100.0];
            bytes[92..96].copy_from_slice(&multipliers[random.below(multipliers.len())].to_le_bytes());
        }
        6 => {
            // Eight bytes somewhere behind the header.
            let at = random.below(bytes.len() - 8);
            bytes[at..at + 8].copy_from_slice(&random.extreme().to_le_bytes());
        }
        7 => {
            // A stretch of one byte: full tables, pointers of all ones.
            let start = 88 + random.below(bytes.len() - 88);
            let end = start + random.below(bytes.len() - start + 1);
            bytes[start..end].fill([0, 1, 0x7f, 0x80, 0xff][random.below(5)]);
        }
        _ => {
            // Noise.
            let start = 140 + random.below(bytes.len() - 140);
            let end = start + random.below(bytes.len() - start + 1);
            bytes[start..end].iter_mut().for_each(|byte| *byte = random.next() as u8);
        }
    }
}

#[test]
fn damaged_binaries_are_refused_or_answer() {
    let models = models();
    let folder = tempfile::tempdir().unwrap();
    let mut opened = 0;
    for seed in first_seed()..first_seed() + cases() as u64 {
        let mut random = Random(seed);
        let mut bytes = models[random.below(models.len())].clone();
        for _ in 0..=random.below(2) {
            if bytes.len() > 200 {
                damage(&mut bytes, &mut random);
            }
        }
        opened += usize::from(open(folder.path(), &bytes, seed));
    }
    // Many kinds of damage leave a model that opens: those are the ones that count.
    assert!(opened > cases() / 8, "{opened} of {} opened", cases());
}

#[test]
fn no_truncated_binary_opens() {
    let folder = tempfile::tempdir().unwrap();
    let step = if cases() > 10_000 { 1 } else { 97 };
    for model in models().iter().filter(|model| model[100] == 1) {
        let words = model.windows(6).rposition(|window| window == b"<unk>\0").unwrap();
        for length in (0..words + 5).step_by(step) {
            assert!(!open(folder.path(), &model[..length], length as u64), "{length} bytes");
        }
    }
}

/// Changes to the text of an ARPA file.
fn damage_text(text: &mut Vec<u8>, random: &mut Random) {
    let lines: Vec<usize> = (0..text.len()).filter(|&at| at == 0 || text[at - 1] == b'\n').collect();
    let line = lines[random.below(lines.len())];
    let end = text[line..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |length| line + length + 1);
    match random.below(8) {
        0 => text.truncate(random.below(text.len() + 1)),
        1 => {
            let at = random.below(text.len());
            text[at] = random.next() as u8;
        }
        2 => drop(text.drain(line..end)),
        3 => {
            let copy = text[line..end].to_vec();
            let at = lines[random.below(lines.len())];
            text.splice(at..at, copy);
        }
        4 => {
            // Another number in the header.
            let at = text.windows(6).position(|window| window == b"ngram ").unwrap_or(0);
            let digit = at + text[at..].iter().position(|&byte| byte == b'=').unwrap_or(0) + 1;
            let number = random.extreme().to_string();
            text.splice(digit.min(text.len())..(digit + 1).min(text.len()), number.into_bytes());
        }
        5 => {
            let inserts: [&[u8]; 12] =
                [b"\t", b" ", b"\n", b"\r", b"\0", b"-", b"nan", b"inf", b"1e999", b"<unk>", b"\xff\xfe", b"\\end\\"];
            let at = random.below(text.len() + 1);
            text.splice(at..at, inserts[random.below(inserts.len())].iter().copied());
        }
        6 => {
            let other = lines[random.below(lines.len())];
            let (first, second) = (line.min(other), line.max(other));
            text[first..second].reverse();
        }
        _ => {
            let at = random.below(text.len());
            let long = vec![b'0' + random.below(10) as u8; random.below(5000)];
            text.splice(at..at, long);
        }
    }
}

#[test]
fn damaged_arpa_files_are_refused_or_built() {
    let texts: Vec<Vec<u8>> = ["tiny.o2.arpa", "tiny.o5.arpa", "blanks.arpa", "nomarkers.arpa", "positive.arpa"]
        .iter()
        .map(|name| std::fs::read(fixtures().join(name)).unwrap())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("case.arpa"), folder.path().join("case.bin"));
    let mut built = 0;
    for seed in first_seed()..first_seed() + cases() as u64 / 2 {
        let mut random = Random(seed ^ 0xa4a4);
        // Mostly the small ones.
        let choice = if random.below(5) == 0 { random.below(2) } else { 2 + random.below(3) };
        let mut text = texts[choice].clone();
        for _ in 0..random.below(3) {
            if text.len() > 100 {
                damage_text(&mut text, &mut random);
            }
        }
        std::fs::write(&input, &text).unwrap();
        let kinds = [
            ModelKind::Probing,
            ModelKind::Trie,
            ModelKind::QuantisedTrie,
            ModelKind::ArrayTrie,
            ModelKind::QuantisedArrayTrie,
        ];
        let options = BuildOptions {
            kind: kinds[random.below(kinds.len())],
            probing_multiplier: 3.0,
            prob_bits: 4,
            backoff_bits: 3,
            allow_missing_sentence_markers: true,
            allow_positive_probs: random.below(2) == 0,
            memory: if random.below(2) == 0 { 0 } else { 1 << 20 },
            ..BuildOptions::default()
        };
        let base = LIVE.get();
        PEAK.set(base);
        match build_binary(&input, &output, &options) {
            Ok(_) => {
                built += 1;
                let model = Model::open(&output).unwrap();
                ask(&model, &mut random);
            }
            Err(error) => assert!(error.to_string().contains("case.arpa"), "{error}"),
        }
        let peak = (PEAK.get() - base) as usize;
        assert!(peak <= 32 * text.len() + (8 << 20), "seed {seed}: {peak} bytes for {} bytes of text", text.len());
    }
    assert!(built > cases() / 20, "{built} built");
}
