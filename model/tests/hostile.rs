//! Files with damage drawn at random, through everything that reads them: an error or the numbers there are, no panic, and
//! no more memory than files of some KB can need.
//!
//! `YUAN_FUZZ_CASES=20000 cargo test -p yuan-model --test hostile` for a long run; 2000 cases otherwise.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use yuan_model::convert::{self, Options};
use yuan_model::weights::Weights;
use yuan_model::{Config, DType, Description};

/// Most bytes asked for at once, and held at a time, beyond what was held before.
const MOST_AT_ONCE: usize = 64 << 20;
const MOST_HELD: usize = 256 << 20;

/// The system's allocator, which notes what is asked of it.
struct Counting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        PEAK.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promises are those asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time: what another allocates would count.
static ALONE: Mutex<()> = Mutex::new(());

fn cases() -> u64 {
    std::env::var("YUAN_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2000)
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model")
}

/// SplitMix64.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Flips bits, cuts, repeats, overwrites with numbers that mean something; `head` bytes at both ends most often.
fn damage(bytes: &mut Vec<u8>, draw: &mut Draw, head: usize) {
    const NUMBERS: [u64; 10] =
        [0, 1, u64::MAX, u64::MAX / 2, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 62, 0x4000_0000_0000_0001, 0xffff_ffff];
    for _ in 0..1 + draw.below(3) {
        let length = bytes.len();
        let at = match draw.below(4) {
            0 => draw.below(length),
            1 => length - draw.below(head.min(length)).min(length),
            _ => draw.below(head.min(length)),
        };
        let at = at.min(length.saturating_sub(1));
        match draw.below(7) {
            0 => bytes.truncate(at),
            1 | 2 if length > 0 => bytes[at] ^= 1 << draw.below(8),
            3 if length > 0 => bytes[at] = draw.next() as u8,
            4 => {
                let end = length.min(at + draw.one(&[1, 2, 4, 8]));
                let number = draw.one(&NUMBERS).to_le_bytes();
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            5 => {
                let end = length.min(at + draw.below(64));
                let piece = bytes[at..end].to_vec();
                let to = draw.below(length);
                bytes.splice(to..to, piece);
            }
            _ => {
                let end = length.min(at + draw.below(24));
                bytes.drain(at..end);
            }
        }
    }
}

/// Puts other values in the place of numbers, words and names of a JSON text.
fn damage_json(text: &mut Vec<u8>, draw: &mut Draw) {
    const VALUES: [&str; 22] = [
        "0",
        "1",
        "2",
        "3",
        "4",
        "-1",
        "1.5",
        "1e308",
        "-0.0",
        "4294967296",
        "2147483648",
        "2147483647",
        "65536",
        "18446744073709551615",
        "99999999999999999999",
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "[0,0]",
        "\"yuan\"",
    ];
    for _ in 0..1 + draw.below(5) / 3 {
        let start = draw.below(text.len());
        let is_part = |byte: &u8| !b" \n,:{}[]".contains(byte);
        let Some(first) = text[start..].iter().position(is_part).map(|at| start + at) else { return };
        let last = text[first..].iter().position(|byte| !is_part(byte)).map_or(text.len(), |at| first + at);
        text.splice(first..last, draw.one(&VALUES).bytes());
    }
    if draw.below(6) == 0 {
        damage(text, draw, usize::MAX);
    }
}

/// Does something with damage drawn for each case; says of how many it was refused.
fn every_case(name: &str, cases: u64, mut one: impl FnMut(&mut Draw) -> bool) -> (u64, u64) {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut accepted = 0;
    for case in 0..cases {
        let before = HELD.load(Relaxed);
        LARGEST.store(0, Relaxed);
        PEAK.store(before, Relaxed);
        let done = catch_unwind(AssertUnwindSafe(|| one(&mut Draw(case ^ 0x5eed))));
        accepted += u64::from(*done.as_ref().unwrap_or(&false));
        assert!(done.is_ok(), "case {case} of {name} panics");
        let (largest, held) = (LARGEST.load(Relaxed), PEAK.load(Relaxed).saturating_sub(before));
        assert!(largest <= MOST_AT_ONCE, "case {case} of {name} asks for {largest} bytes at once");
        assert!(held <= MOST_HELD, "case {case} of {name} holds {held} bytes");
    }
    (accepted, cases - accepted)
}

/// Reads all there is.
fn read_weights(path: &Path) -> bool {
    let Ok(weights) = Weights::open(path) else { return false };
    let mut sum = 0.0;
    for (_, tensor) in weights.tensors() {
        sum += tensor.to_vec().iter().sum::<f32>();
        let row = tensor.slice_rows(tensor.rows() - 1..tensor.rows());
        sum += row.to_vec()[0];
        let _ = (tensor.kind(), tensor.bytes().map(<[u8]>::len));
    }
    let _ = (sum, weights.unexpected().len(), weights.get("model.norm.wait", &[16]).is_err());
    true
}

#[test]
fn configurations() {
    let files: Vec<PathBuf> =
        fs::read_dir(fixtures().join("config")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let texts: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    let (accepted, refused) = every_case("configurations", cases(), |draw| {
        let mut text = texts[draw.below(texts.len())].clone();
        damage_json(&mut text, draw);
        let Ok(text) = String::from_utf8(text) else { return false };
        let Ok(description) = Description::from_json(&text, Path::new("config.json")) else { return false };
        let config = description.config;
        let _ = (config.parameters(), config.tensors().count());
        let again = Config::from_json(&config.to_json(DType::BF16), Path::new("again.json")).unwrap();
        // Decimals may differ in their last bit.
        assert_eq!((again.parameters(), again.layers()), (config.parameters(), config.layers()));
        let weights = Weights::random(&config, 1, DType::F32);
        assert_eq!(weights.missing(&config), []);
        true
    });
    assert!(accepted > cases() / 100 && refused > cases() / 2, "{accepted} {refused}");
}

/// Files of a folder, one of which is damaged in each case.
fn folder(name: &str, share: u64, damaged: &str, head: usize) {
    let source = fixtures().join("weights").join(name);
    let target = tempfile::tempdir().unwrap();
    let mut wholes = Vec::new();
    for entry in fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        let copy = target.path().join(path.file_name().unwrap());
        fs::write(&copy, fs::read(&path).unwrap()).unwrap();
        if path.file_name().unwrap().to_string_lossy().ends_with(damaged) {
            wholes.push((copy, fs::read(&path).unwrap()));
        }
    }
    assert!(!wholes.is_empty());
    let (_, refused) = every_case(name, cases() / share, |draw| {
        let (path, whole) = &wholes[draw.below(wholes.len())];
        let mut bytes = whole.clone();
        match damaged {
            "json" => damage_json(&mut bytes, draw),
            _ => damage(&mut bytes, draw, head),
        }
        fs::write(path, &bytes).unwrap();
        let is_read = read_weights(target.path());
        let _ = Description::read(target.path());
        fs::write(path, whole).unwrap();
        is_read
    });
    assert!(refused > cases() / share / 5, "{name}: {refused} refused");
}

#[test]
fn safetensors_headers() {
    folder("joined_experts", 4, "safetensors", 2000);
    folder("transformers_shards", 8, "safetensors", 1500);
}

#[test]
fn indices() {
    folder("transformers_shards", 8, "json", 0);
    folder("torch_shards", 8, "json", 0);
}

#[test]
fn gguf_headers() {
    folder("gguf", 8, "gguf", 6000);
    folder("gguf_split", 8, "gguf", 4000);
}

#[test]
fn pickles() {
    folder("torch_single", 4, "bin", 6000);
    folder("stages", 4, "bin", 1500);
}

#[test]
fn checkpoints_of_megatron() {
    let source = fixtures().join("megatron/moe");
    let config = Config::read(&source).unwrap();
    let target = tempfile::tempdir().unwrap();
    let mut wholes = Vec::new();
    for rank in ["mp_rank_00", "mp_rank_01"] {
        let folder = target.path().join("iter_0000007").join(rank);
        fs::create_dir_all(&folder).unwrap();
        let whole = fs::read(source.join("t2p1/iter_0000007").join(rank).join("model_optim_rng.pt")).unwrap();
        wholes.push((folder.join("model_optim_rng.pt"), whole));
    }
    fs::write(target.path().join("latest_checkpointed_iteration.txt"), "7").unwrap();
    for (path, whole) in &wholes {
        fs::write(path, whole).unwrap();
    }
    let (_, refused) = every_case("megatron", cases() / 8, |draw| {
        let (path, whole) = &wholes[draw.below(2)];
        let mut bytes = whole.clone();
        damage(&mut bytes, draw, 6000);
        fs::write(path, &bytes).unwrap();
        let out = tempfile::tempdir().unwrap();
        let done = convert::megatron(target.path(), Some(&config), out.path(), Options::default());
        let _ = convert::megatron_description(target.path());
        fs::write(path, whole).unwrap();
        done.is_ok()
    });
    assert!(refused > cases() / 40, "{refused}");
}

/// Pickles whose few bytes stand for much: none may cost more than the file.
#[test]
fn bombs() {
    // Tuples of two that are twice the one before, lists in themselves, nesting without end, texts of 4 GB.
    let doubled: Vec<u8> =
        b"\x80\x02)q\x00".iter().copied().chain(b"h\x00h\x00\x86q\x00".repeat(5000)).chain(*b".").collect();
    let endless: Vec<u8> = b"\x80\x02]q\x00h\x00a.".to_vec();
    let nested: Vec<u8> = b"\x80\x02)".iter().copied().chain(b"\x85".repeat(1_000_000)).chain(*b".").collect();
    let dicts: Vec<u8> = b"\x80\x02}q\x00"
        .iter()
        .copied()
        .chain(b"}(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00uq\x00".repeat(40))
        .chain(*b".")
        .collect();
    let text: Vec<u8> = b"\x80\x02X\xff\xff\xff\xffabc.".to_vec();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let pickles = [doubled, endless, nested, dicts, text];
    let (accepted, _) = every_case("bombs", pickles.len() as u64, |draw| {
        let case = (draw.0 ^ 0x5eed) as usize;
        fs::write(&path, zip("archive/data.pkl", &pickles[case])).unwrap();
        let error = Weights::open(folder.path()).unwrap_err().to_string();
        let said =
            ["it has no tensors", "it has no tensors", "it has no tensors", "more dictionaries", "pickle ends early"];
        assert!(error.contains(said[case]), "{error}");
        false
    });
    assert_eq!(accepted, 0);
}

/// A zip archive with one entry.
fn zip(name: &str, data: &[u8]) -> Vec<u8> {
    let (name_length, length) = ((name.len() as u16).to_le_bytes(), (data.len() as u32).to_le_bytes());
    let common = |bytes: &mut Vec<u8>| {
        // Version, flags, method, time and date, checksum, sizes.
        bytes.extend([20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(length.iter().chain(&length));
        bytes.extend(name_length);
        bytes.extend([0, 0]);
    };
    let mut bytes = b"PK\x03\x04".to_vec();
    common(&mut bytes);
    bytes.extend(name.bytes());
    bytes.extend(data);
    let start = bytes.len();
    bytes.extend(b"PK\x01\x02\x14\x00");
    common(&mut bytes);
    bytes.extend([0; 14]);
    bytes.extend(name.bytes());
    let directory = (bytes.len() - start) as u32;
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    bytes.extend(directory.to_le_bytes());
    bytes.extend((start as u32).to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}
