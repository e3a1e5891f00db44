//! Kill it anywhere and go on.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Dir, corpus, halves, recipe, results};

const STAGES: [&str; 7] = [
    "normalize = {}",
    "gopher_repetition = {}",
    "repeated_text = { unit = \"paragraph\", matching = \"similar\" }",
    "repeated_ngrams = {}",
    "exact = {}",
    "minhash = {}",
    "repeated_substrings = { min_length = 30 }",
];
const KILLS: usize = 12;

/// A small generator, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Kills runs at random moments until there were enough, and compares every finished run with `undisturbed`. Before each a world
/// is made anew.
pub fn kill_and_resume(
    dir: &Dir,
    results: &dyn Fn(&Path) -> BTreeMap<String, Vec<u8>>,
    undisturbed: &Path,
    whole: Duration,
    seed: u64,
    anew: &dyn Fn(),
) {
    let expected = results(undisturbed);
    let mut dice = Dice(seed);
    let mut kills = 0;
    while kills < KILLS {
        let run = dir.path("killed");
        let _ = std::fs::remove_dir_all(&run);
        anew();
        loop {
            let mut child =
                dir.command(&["run", "r.toml", "-o", "killed", "--quiet", "--threads", "2"]).spawn().expect("started");
            let moment = Instant::now() + Duration::from_micros(dice.roll(whole.as_micros() as u64 / 2));
            let status = loop {
                if let Some(status) = child.try_wait().expect("a status") {
                    break Some(status);
                }
                if Instant::now() >= moment {
                    child.kill().expect("killed");
                    child.wait().expect("gone");
                    break None;
                }
                std::thread::sleep(Duration::from_millis(1));
            };
            match status {
                None => kills += 1,
                Some(status) => {
                    assert!(status.success(), "after {kills} kills: {status}");
                    break;
                }
            }
        }
        let now = results(&run);
        assert!(now.keys().eq(expected.keys()), "after {kills} kills: {:?}", now.keys());
        for (name, bytes) in &now {
            assert!(expected[name] == *bytes, "`{name}` differs after {kills} kills");
        }
    }
}

fn kill_test(name: &str, bytes: Vec<u8>, seed: u64) {
    let dir = Dir::new();
    let input = dir.file(name, bytes);
    dir.file("r.toml", recipe(&[&input], 50_000, &STAGES));
    let start = Instant::now();
    dir.ok(&["run", "r.toml", "-o", "whole", "--quiet", "--threads", "2"]);
    kill_and_resume(&dir, &results, &dir.path("whole"), start.elapsed(), seed, &|| {});
}

#[test]
fn a_killed_run_that_adds_to_an_index_leaves_the_index_of_an_undisturbed_one() {
    let dir = Dir::new();
    let documents = corpus(500);
    let (earlier, later) = halves(&documents, documents.len() / 3);
    let earlier = dir.file("earlier.jsonl", earlier);
    // Something that the earlier crawl has.
    let input = dir.file("a.jsonl", format!("{later}{}", corpus(60)));
    dir.ok(&["dedup", &earlier.to_string_lossy(), "-o", "earlier", "--update", "before"]);
    let stage = "minhash = { index = \"seen\", crawl = \"a\", id_column = \"id\" }";
    dir.file("r.toml", recipe(&[&input], 50_000, &[stage]));
    let anew = || {
        let _ = std::fs::remove_dir_all(dir.path("seen"));
        let copied = std::process::Command::new("cp").arg("-r").args([dir.path("before"), dir.path("seen")]).status();
        assert!(copied.expect("copied").success());
    };
    // What is kept, and what the index says of it.
    let results = |run: &Path| {
        let mut results = results(run);
        assert!(dir.ok(&["index", "verify", "seen"]).stdout().contains("sound: 2 crawls"));
        results.insert("index".into(), dir.ok(&["index", "list", "seen"]).stdout().into_bytes());
        for name in ["keys", "notes", "documents", "ids"] {
            let path = format!("seen/crawls/00002/{name}");
            results.insert(name.into(), std::fs::read(dir.path(&path)).expect("a file of the index"));
        }
        results
    };
    anew();
    let start = Instant::now();
    dir.ok(&["run", "r.toml", "-o", "whole", "--quiet", "--threads", "2"]);
    let whole = start.elapsed();
    kill_and_resume(&dir, &results, &dir.path("whole"), whole, 0x8c5f_21b3_44d0_9e6b, &anew);
}

#[test]
fn a_killed_run_over_plain_input_ends_in_the_same_bytes() {
    kill_test("a.jsonl", corpus(300).into_bytes(), 0x9e37_79b9_7f4a_7c15);
}

#[test]
fn a_killed_run_over_compressed_input_ends_in_the_same_bytes() {
    kill_test("a.jsonl.zst", zstd::encode_all(corpus(300).as_bytes(), 1).expect("zstd"), 0x2545_f491_4f6c_dd1d);
}

#[test]
fn an_interrupted_run_says_how_to_go_on() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(3956));
    dir.file("r.toml", recipe(&[&input], 50_000, &STAGES));
    let child = dir
        .command(&["run", "r.toml", "-o", "run", "--threads", "1"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    // Signals are caught from before the manifest is made.
    while !dir.path("run/manifest.sqlite").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("sent");
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the same command goes on from here"));
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    dir.ok(&["run", "r.toml", "-o", "whole", "--quiet"]);
    assert!(results(&dir.path("run")) == results(&dir.path("whole")));
}

#[test]
fn a_finished_run_is_not_run_again() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(50));
    dir.file("r.toml", recipe(&[&input], 50_000, &STAGES));
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    let written = |path: &str| std::fs::metadata(dir.path(path)).and_then(|file| file.modified()).expect("a time");
    let before = written("run/out/documents-00000.jsonl.zst");
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    assert_eq!(before, written("run/out/documents-00000.jsonl.zst"));
}

#[test]
fn another_recipe_is_refused_with_what_to_type() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(50));
    dir.file("r.toml", recipe(&[&input], 50_000, &STAGES));
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet", "--keep-work"]);
    let changed = ["run", "r.toml", "-o", "run", "--quiet", "--set", "minhash.rows_per_band=6"];
    dir.run(&changed).fails(
        2,
        &[
            "`run` was made by another recipe: `minhash` had rows_per_band = 8, now 6",
            "hint: continue from there with `--from minhash`, or choose another folder with `-o`",
        ],
    );
    dir.ok(&[&changed[..], &["--from", "minhash", "--keep-work"]].concat());
    dir.ok(&["run", "r.toml", "-o", "fresh", "--quiet", "--set", "minhash.rows_per_band=6"]);
    // Without the documents before that step it cannot be continued from there.
    dir.run(&["run", "r.toml", "-o", "fresh"]).fails(2, &["hint: do it all again with `--from normalize`"]);
    assert!(results(&dir.path("run")) == results(&dir.path("fresh")));
    dir.file("a.jsonl", corpus(40));
    dir.run(&changed)
        .fails(2, &["made from other input or settings", "a.jsonl` has changed since", "--from normalize"]);
}

#[test]
fn a_run_stops_after_the_step_it_was_told_and_goes_on_from_there() {
    let dir = Dir::new();
    let input = dir.file("a.jsonl", corpus(200));
    dir.file("r.toml", recipe(&[&input], 50_000, &STAGES));
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet", "--until", "exact"]);
    assert!(!dir.path("run/out").exists());
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    dir.ok(&["run", "r.toml", "-o", "whole", "--quiet"]);
    assert!(results(&dir.path("run")) == results(&dir.path("whole")));
}
