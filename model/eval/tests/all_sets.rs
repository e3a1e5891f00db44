//! Every task on the whole evaluation sets, where they lie beside the project.
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::path::Path;

use yuan_eval::data::Data;
use yuan_eval::scorers::{Version, gsm8k};
use yuan_eval::tasks::{Mode, Shots, Task};

#[test]
fn every_set_that_is_there_is_read_whole() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/evals"));
    if !folder.exists() {
        eprintln!("skipped: no ../shared/corpora/evals");
        return;
    }
    let data = Data::new(folder);
    let counts = [
        ("gsm8k", Mode::M32, 1319),
        ("gsm8k-zh", Mode::Yuan, 1319),
        ("math", Mode::M32, 458),
        ("gaokao-mathqa", Mode::Yuan, 351),
        ("gaokao-mathqa", Mode::LogLikelihood, 351),
        ("gaokao-cloze", Mode::Yuan, 118),
        // 2,344 lines, each question twice, and 25 examples.
        ("arc-c", Mode::M32, 1172 - 25),
        ("arc-c", Mode::LogLikelihood, 1172),
        ("truthfulqa", Mode::LogLikelihood, 817),
        ("truthfulqa-zh", Mode::Yuan, 817),
        ("truthfulqa-zh", Mode::LogLikelihood, 817),
        ("humaneval", Mode::M32, 164),
        ("humaneval-shots", Mode::M32, 164),
        ("humaneval-zh", Mode::Yuan, 164),
    ];
    for (name, mode, count) in counts {
        let task = Task::find(name, Some(mode)).expect("a task");
        let items = task.items(&data, &Shots::default()).unwrap_or_else(|error| panic!("{name} {mode}: {error}"));
        assert_eq!(items.items.len(), count, "{name} {mode}");
    }
    for (name, mode) in [("mmlu", Mode::M32), ("mmlu", Mode::LogLikelihood), ("agieval", Mode::LogLikelihood)] {
        let task = Task::find(name, Some(mode)).expect("a task");
        let items = task.items(&data, &Shots::default()).unwrap_or_else(|error| panic!("{name} {mode}: {error}"));
        assert!(items.items.len() > 5000 && items.items.iter().all(|item| item.group.is_some()), "{name} {mode}");
    }
}

/// Answers of four real models to GSM8K, with verdicts on their last line `A: …` by its authors.
#[test]
fn real_answers_are_judged_as_their_authors_judged_them() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/evals"));
    if !folder.exists() {
        eprintln!("skipped: no ../shared/corpora/evals");
        return;
    }
    let file = Data::new(folder).file("gsm8k/example_model_solutions.jsonl").expect("a file");
    for version in [Version::M32, Version::Yuan2] {
        let (mut same, mut all, mut missed) = (0, 0, 0);
        for (_, object) in file.objects().expect("objects") {
            let truth = object["ground_truth"].as_str().expect("a solution");
            let gold = truth.rsplit("A:").next().unwrap_or("").trim().replace(',', "");
            for (_, answer) in object.as_object().expect("an object").iter().filter(|(_, it)| it.is_object()) {
                let text = answer["solution"].as_str().expect("a solution").replace('\n', "<n>");
                let verdict = gsm8k::is_correct(version, &format!("Q[SEP]{text}"), &gold).unwrap_or(false);
                let label = answer["is_correct"].as_bool().expect("a label");
                all += 1;
                same += usize::from(verdict == label);
                missed += usize::from(label && !verdict);
            }
        }
        eprintln!("{version:?}: {same} of {all} verdicts are the same, {missed} right answers are missed");
        assert!(all == 4 * 1319 && same * 1000 > all * 985, "{version:?}: {same} of {all}");
    }
}
