//! Damaged models of every kind: each gives an error or a model that answers, with memory in proportion to its size.
//!
//! The only test of its file, as memory is counted for the whole process. `YUAN_FUZZ_CASES` sets the number of cases
//! (3,000 without it).

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without")]
#![allow(clippy::print_stderr, reason = "a long run says what it did")]

#[path = "support/layout.rs"]
mod layout;
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use layout::{Field, fields};
use support::{MODELS, fixture};
use yuan_fasttext::{Model, Scratch};

/// Counts the bytes that are allocated, and the most of them at a time.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        // SAFETY: the contract is the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the contract is the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Memory that opening a model and asking it may take: entries of no letters take the most, in the dictionary's table.
fn bound(file: usize) -> usize {
    8 * file + (1 << 18)
}

struct Random(u64);

impl Random {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

const EXTREMES: [i64; 22] = [
    0,
    1,
    -1,
    2,
    3,
    7,
    11,
    127,
    255,
    256,
    65_535,
    1 << 20,
    1 << 30,
    i32::MAX as i64 - 1,
    i32::MAX as i64,
    i32::MIN as i64,
    u32::MAX as i64,
    1 << 40,
    1 << 61,
    i64::MAX,
    i64::MIN,
    f32::NAN.to_bits() as i64,
];

fn mutate(bytes: &mut Vec<u8>, fields: &[Field], random: &mut Random) {
    match random.below(10) {
        // Cut at the beginning of a part, or a few bytes beside it.
        0 | 1 => bytes.truncate((random.of(fields).at + random.below(4)).saturating_sub(random.below(4))),
        2 => bytes.truncate(random.below(bytes.len())),
        // Numbers replaced.
        3..=6 => {
            for _ in 0..=random.below(2) {
                let field = random.of(&fields[..fields.len() - 1]);
                let value = match random.below(4) {
                    0 => random.next() as i64,
                    1 => i64::from(bytes[field.at]) + random.of(&[-1, 1]),
                    _ => random.of(&EXTREMES),
                };
                bytes[field.at..field.at + field.width].copy_from_slice(&value.to_le_bytes()[..field.width]);
            }
        }
        // Bytes replaced near the beginning, where settings and dictionary are.
        7 | 8 => {
            for _ in 0..=random.below(8) {
                let end = bytes.len().min(2_000);
                let at = random.below(end);
                bytes[at] = random.next() as u8;
            }
        }
        // Bytes replaced anywhere; sometimes a piece is doubled or dropped.
        _ => {
            for _ in 0..=random.below(32) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            if random.below(3) == 0 {
                let start = random.below(bytes.len());
                let piece = start..(start + random.below(64)).min(bytes.len());
                let copy = if random.below(2) == 0 { bytes[piece.clone()].repeat(2) } else { Vec::new() };
                bytes.splice(piece, copy);
            }
        }
    }
}

/// Opens a model and asks it everything; false if it does not open.
fn ask(bytes: Vec<u8>, texts: &[Vec<u8>]) -> bool {
    let model = match Model::from_bytes(bytes) {
        Ok(model) => model,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let mut scratch = Scratch::new();
    for text in texts {
        let _ = model.predict(&mut scratch, text, 3, 0.0);
        let _ = model.predict(&mut scratch, text, usize::MAX, -1.0);
        let _ = model.label_probability(&mut scratch, text, 1);
        let _ = model.text_vector(&mut scratch, text);
        let _ = model.word_vector(&mut scratch, text);
    }
    let mut written = Vec::new();
    model.write_to(&mut written).unwrap();
    true
}

#[test]
fn damaged_models_are_refused_or_answer() {
    let cases: usize = std::env::var("YUAN_FUZZ_CASES").map_or(3_000, |cases| cases.parse().unwrap());
    let texts: Vec<Vec<u8>> = {
        let lines = fixture("lines.txt");
        let mut texts: Vec<Vec<u8>> = lines.split(|&byte| byte == b'\n').step_by(61).map(<[u8]>::to_vec).collect();
        texts.push(b"the __label__zh </s>".to_vec());
        texts.push([0x80, 0xff, b'<', b'>', b' ', 0xe4].to_vec());
        texts
    };
    let models: Vec<(Vec<u8>, Vec<Field>)> =
        MODELS.iter().map(|name| fixture(name)).map(|bytes| (bytes.clone(), fields(&bytes))).collect();

    let check = |bytes: Vec<u8>, what: &dyn Fn() -> String, slowest: &mut Duration| {
        let size = bytes.len();
        let copies = 2 * size; // the bytes themselves, and those that are written
        let before = NOW.load(Relaxed) - bytes.capacity();
        MOST.store(NOW.load(Relaxed), Relaxed);
        let start = Instant::now();
        let opened = ask(bytes, &texts);
        *slowest = (*slowest).max(start.elapsed());
        let taken = MOST.load(Relaxed).saturating_sub(before);
        assert!(taken <= bound(size) + copies, "{}: {taken} bytes for a file of {size}", what());
        opened
    };

    let mut slowest = Duration::ZERO;
    let (mut opened, mut done) = (0, 0);
    // Every number's first byte is an end once.
    for (name, (bytes, fields)) in MODELS.iter().zip(&models) {
        for field in fields {
            let whole = field.at == bytes.len();
            let ok = check(bytes[..field.at].to_vec(), &|| format!("{name} cut at {}", field.at), &mut slowest);
            assert_eq!(ok, whole, "{name} cut at {}", field.at);
            done += 1;
        }
    }
    let cut = done;
    for case in cut..cases {
        let mut random = Random(case as u64);
        let at = random.below(models.len());
        let (mut bytes, fields) = (models[at].0.clone(), &models[at].1);
        mutate(&mut bytes, fields, &mut random);
        opened += usize::from(check(bytes, &|| format!("case {case} of {}", MODELS[at]), &mut slowest));
    }
    let done = cut.max(cases);
    // Both ways are taken, or the cases are too harmless or too brutal to say anything.
    assert!(opened > done / 20 && opened < done * 3 / 4, "{opened} of {done} opened");
    eprintln!("{done} damaged models, {opened} of them opened, the slowest took {slowest:?}");
}
