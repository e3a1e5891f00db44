//! Kill a pass in each of its phases and go on: the run folder is that of a run that nobody disturbed.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Dir, copies, evaluation_items, files, recipe};

const KILLED: i32 = 9;
/// A phase may be over before it is seen: so often it is tried again, and as often by its beginning.
const TRIES: usize = 12;

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
    /// Whether the run is in this phase. Putting together may take less than a millisecond: if `units` are given, that all of
    /// them are there for it is enough.
    fn is_seen(self, run: &Path, units: Option<usize>) -> bool {
        let sweep = run.join("work/sweep-0");
        let reduces = |partials: &str| match units {
            None => run.join("work/scratch").exists(),
            Some(units) => settled(&sweep.join(partials)) == units,
        };
        match self {
            Reading => settled(&sweep.join("partials")) > 0,
            Reducing => reduces("partials"),
            ReadingAgain => settled(&sweep.join("again")) > 0,
            ReducingAgain => sweep.join("again").exists() && reduces("again"),
            Writing => std::fs::read_dir(run.join("out")).is_ok_and(|mut files| files.next().is_some()),
        }
    }
}

/// Files of a folder that are whole: others end in `.tmp`.
fn settled(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_none())).count()
}

/// Starts the run in a new folder and kills it in this phase; whether it was still at work.
fn kill_in(dir: &Dir, phase: Phase, units: Option<usize>, delay: Duration) -> bool {
    let run = dir.path("killed");
    let _ = std::fs::remove_dir_all(&run);
    let mut child = dir.command(&RUN_KILLED).spawn().expect("started");
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            assert!(status.success(), "{status}");
            return false;
        }
        if phase.is_seen(&run, units) {
            let seen = Instant::now();
            while seen.elapsed() < delay {
                std::hint::spin_loop();
            }
            child.kill().expect("killed");
            let killed = child.wait().expect("gone").signal() == Some(KILLED);
            // With the last document written its work is done.
            return killed && !files(&run.join("work")).is_empty();
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
    dir.ok(&["run", "r.toml", "-o", "units", "--quiet", "--keep-work"]);
    let units = settled(&dir.path("units/work/sweep-0/partials"));
    assert!(units > 3, "{units}");
    for phase in phases {
        // At its beginning first, then somewhat later.
        let killed = (0..2 * TRIES).any(|number| {
            let delay = Duration::from_micros(number as u64 % 4 * 300);
            kill_in(&dir, *phase, (number >= TRIES).then_some(units), delay)
        });
        assert!(killed, "`{stage}` was never seen {phase:?}");
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
