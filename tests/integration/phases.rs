//! Kill a pass in each of its phases and go on: the run folder is that of a run that nobody disturbed.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Dir, copies, evaluation_items, files, recipe};

const KILLED: i32 = 9;
/// A phase may be over before it is seen: so often it is tried again.
const TRIES: usize = 30;

/// Where a run is, by what lies in its folder. A folder that nothing was done in before is needed.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The first reading: a unit's partial result is there.
    Reading,
    /// The partial results are being put together.
    Reducing,
    /// The second reading: a unit's partial result is there.
    ReadingAgain,
    /// The partial results of the second reading are being put together.
    ReducingAgain,
    /// Documents are being written.
    Writing,
}

use Phase::{Reading, ReadingAgain, Reducing, ReducingAgain, Writing};

const ONCE: &[Phase] = &[Reading, Reducing, Writing];
const TWICE: &[Phase] = &[Reading, Reducing, ReadingAgain, ReducingAgain, Writing];

impl Phase {
    fn is_seen(self, run: &Path) -> bool {
        let sweep = run.join("work/sweep-0");
        let reduces = || run.join("work/scratch").exists();
        match self {
            Reading => settled(&sweep.join("partials")) > 0,
            Reducing => reduces(),
            ReadingAgain => settled(&sweep.join("again")) > 0,
            ReducingAgain => sweep.join("again").exists() && reduces(),
            Writing => std::fs::read_dir(run.join("out")).is_ok_and(|mut files| files.next().is_some()),
        }
    }
}

/// Files of a folder that have their name.
fn settled(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_none())).count()
}

/// Starts the run in a new folder and kills it in this phase; whether it was still alive.
fn kill_in(dir: &Dir, phase: Phase, delay: Duration) -> bool {
    let run = dir.path("killed");
    let _ = std::fs::remove_dir_all(&run);
    let mut child = dir.command(&RUN_KILLED).spawn().expect("started");
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            assert!(status.success(), "{status}");
            return false;
        }
        if phase.is_seen(&run) {
            let seen = Instant::now();
            while seen.elapsed() < delay {
                std::hint::spin_loop();
            }
            child.kill().expect("killed");
            return child.wait().expect("gone").signal() == Some(KILLED);
        }
    }
}

const RUN_KILLED: [&str; 7] = ["run", "r.toml", "-o", "killed", "--quiet", "--threads", "2"];

/// All that is in a run folder but the manifest and the report, which tell the time, by name.
fn all(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = |path: String| path.strip_prefix(&*run.to_string_lossy()).expect("inside").to_owned();
    let tells_time = |name: &String| name.starts_with("/manifest.sqlite") || name == "/report.html";
    files(run).into_iter().map(|(path, bytes)| (name(path), bytes)).filter(|(name, _)| !tells_time(name)).collect()
}

/// Kills the pass in each of `phases`, goes on, and compares. Something must have been dropped or cut.
fn killed_in_each(stage: &str, phases: &[Phase]) {
    let dir = Dir::new();
    let documents = copies(220, 70);
    let input = dir.file("a.jsonl", &documents);
    dir.file("evals/set.jsonl", evaluation_items(220, 9));
    dir.file("r.toml", recipe(&[&input], 60_000, &[stage]));
    let mut undisturbed = RUN_KILLED;
    undisturbed[3] = "whole";
    dir.ok(&undisturbed);
    let expected = all(&dir.path("whole"));
    assert!(expected.keys().any(|name| name.starts_with("/outcomes/")), "{:?}", expected.keys());
    assert!(dir.documents("whole/out") != documents.lines().map(json).collect::<Vec<_>>(), "`{stage}` does nothing");
    for phase in phases {
        // At its beginning first, then somewhat later.
        let killed = (0..TRIES).any(|number| kill_in(&dir, *phase, Duration::from_micros(number as u64 % 4 * 300)));
        assert!(killed, "`{stage}` was never seen {phase:?}");
        let left = all(&dir.path("killed"));
        assert!(left.keys().any(|name| name.starts_with("/work/")), "`{stage}` was over: {:?}", left.keys());
        dir.ok(&RUN_KILLED);
        let now = all(&dir.path("killed"));
        assert!(now.keys().eq(expected.keys()), "`{stage}`, {phase:?}: {:?}", now.keys());
        for (name, bytes) in &now {
            assert!(expected[name] == *bytes, "`{stage}`, {phase:?}: `{name}` differs");
        }
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).expect("JSON")
}

/// A test for each: they run beside each other.
macro_rules! killed {
    ($($name:ident: $stage:literal, $phases:expr;)*) => {
        $(#[test]
        fn $name() {
            killed_in_each($stage, $phases);
        })*
    };
}

killed! {
    exact_by_text: "exact = {}", ONCE;
    exact_by_address: "exact = { key = \"url\" }", ONCE;
    simhash: "simhash = { max_distance = 6 }", ONCE;
    decontaminate: "decontaminate = { eval_files = [\"evals\"] }", ONCE;
    decontaminate_cut: "decontaminate = { eval_files = [\"evals\"], action = \"cut\" }", ONCE;
    minhash: "minhash = {}", TWICE;
    minhash_unverified: "minhash = { threshold = 0 }", ONCE;
    minhash_datatrove: "minhash_datatrove = { folder = \"files\" }", ONCE;
    minhash_text_dedup: "minhash_text_dedup = {}", ONCE;
    minhash_data_juicer: "minhash_data_juicer = {}", ONCE;
    repeated_text: "repeated_text = {}", ONCE;
    repeated_paragraphs_alike: "repeated_text = { unit = \"paragraph\", matching = \"similar\" }", TWICE;
    repeated_ngrams: "repeated_ngrams = {}", ONCE;
    repeated_substrings: "repeated_substrings = { min_length = 40 }", TWICE;
}
