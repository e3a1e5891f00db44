//! Requests and figures of multiple choice are lm-eval's (`tests/fixtures/eval/lm_eval.json`).

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use yuan_eval::data::Data;
use yuan_eval::run::{Evaluation, Settings};
use yuan_eval::tasks::{Ask, Mode, Shots, Task};
use yuan_eval::{LanguageModel, Likelihood, Request, Take, Written};

/// The log-likelihoods of a table.
struct Known(HashMap<(String, String), f64>);

impl LanguageModel for Known {
    fn write(&mut self, _: &[Request<'_>], _: &mut Take<'_, Written>) {
        unreachable!("options are chosen")
    }

    fn likelihoods(&mut self, pairs: &[(&str, &str)], take: &mut Take<'_, Likelihood>) {
        let known = |(context, continuation): &(&str, &str)| Likelihood {
            log_prob: self.0[&((*context).to_owned(), (*continuation).to_owned())],
            ..Likelihood::default()
        };
        take(pairs.iter().map(known).map(Ok).enumerate().collect());
    }
}

fn golden() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/eval/lm_eval.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON");
    golden["tasks"].as_array().expect("tasks").clone()
}

fn items(parts: &Value) -> Vec<&Value> {
    parts["parts"].as_array().expect("parts").iter().flat_map(|part| part["items"].as_array().expect("items")).collect()
}

#[test]
fn requests_and_figures_are_those_of_lm_eval() {
    let mut asked = Vec::new();
    // Figures that were compared, and whether characters and bytes found the same.
    let mut told = BTreeSet::new();
    for task in golden() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in task["files"].as_object().expect("files") {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text.as_str().expect("text")).expect("written");
        }
        let name = task["task"].as_str().expect("a name");
        let found = Task::find(name, Some(Mode::LogLikelihood)).expect("a task");
        let shots =
            Shots { count: task["shots"].as_u64().map(|count| count as usize).filter(|it| *it > 0), file: None };
        let data = Data::new(folder.path());
        let expected = items(&task);
        let mut table = HashMap::new();
        let built = found.items(&data, &shots).unwrap_or_else(|error| panic!("{name}: {error}")).items;
        assert_eq!(built.len(), expected.len(), "{name}");
        for (item, expected) in built.iter().zip(&expected) {
            let Ask::Choose(choices) = &item.ask else { panic!("{name} asks for texts") };
            let requests: Vec<Value> =
                choices.iter().map(|choice| serde_json::json!([&*choice.context, choice.continuation])).collect();
            assert_eq!(Value::from(requests), expected["requests"], "{name} {}", item.id);
            let numbers = expected["log_likelihoods"].as_array().expect("numbers");
            for (choice, number) in choices.iter().zip(numbers) {
                let pair = (choice.context.to_string(), choice.continuation.clone());
                table.insert(pair, number.as_f64().expect("a number"));
            }
        }
        let items = found.items(&data, &shots).expect("items");
        let settings = Settings { shots, ..Settings::of("known") };
        let mut evaluation = Evaluation {
            model: &mut Known(table),
            settings: &settings,
            sandbox: None,
            on_items: &mut |_, _| {},
            stop: &AtomicBool::new(false),
        };
        let summary = evaluation.run(found, items, folder.path()).expect("it runs");
        let sum = |figure: &str| expected.iter().filter_map(|item| item[figure].as_f64()).sum::<f64>() as usize;
        assert_eq!(summary.accuracy.expect("judged").correct, sum("acc"), "{name}");
        if expected[0]["acc_norm"].is_number() {
            assert_eq!(summary.by_characters.expect("judged").correct, sum("acc_norm"), "{name}");
        }
        if expected[0]["acc_bytes"].is_number() {
            assert_eq!(summary.by_bytes.expect("judged").correct, sum("acc_bytes"), "{name}");
        }
        let lines =
            std::fs::read_to_string(folder.path().join(format!("{name}.loglikelihood.jsonl"))).expect("results");
        for (line, expected) in lines.lines().zip(&expected) {
            let line: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(line["correct"], expected["acc"] == 1.0, "{name} {line}");
            for (figure, own) in [("acc_norm", "correct_by_characters"), ("acc_bytes", "correct_by_bytes")] {
                if expected[figure].is_number() {
                    assert_eq!(line["choices"][own], expected[figure] == 1.0, "{name} {line}");
                    told.insert((figure, expected["acc_norm"] == expected["acc_bytes"]));
                }
            }
        }
        asked.push(name.to_owned());
    }
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(asked, ["arc-c", "mmlu", "mmlu", "truthfulqa", "agieval", "ceval", "ceval", "cmmlu"]);
}
