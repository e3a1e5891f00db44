//! Items are asked once, voted on, judged and summed up, with a model that answers by rote.

mod python;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use python::python;
use serde_json::Value;
use yuan_eval::data::Data;
use yuan_eval::run::{Evaluation, Settings, Summary};
use yuan_eval::sandbox::{Limits, Sandbox};
use yuan_eval::tasks::Task;
use yuan_eval::{Error, LanguageModel, Likelihood, Request, Result, Take, Written};

/// Texts by the ends of their prompts; of several, the next each time one is asked for in a call.
#[derive(Default)]
struct Rote {
    texts: HashMap<&'static str, Vec<&'static str>>,
    asked: usize,
    seeds: Vec<u64>,
    stop: Option<AtomicBool>,
}

impl LanguageModel for Rote {
    fn write(&mut self, requests: &[Request<'_>], take: &mut Take<'_, Written>) {
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (number, Request { prompt, how, .. }) in requests.iter().enumerate() {
            self.asked += 1;
            if self.seeds.last() != Some(&how.seed) {
                self.seeds.push(how.seed);
            }
            if let Some(stop) = &self.stop {
                stop.store(true, Ordering::Relaxed);
            }
            let (end, texts) = self.texts.iter().find(|(end, _)| prompt.ends_with(*end)).expect("it is known");
            let place = places.entry(end).or_default();
            *place += 1;
            let text = match texts[(*place - 1) % texts.len()] {
                "refused" => Err(Error::Refused { url: "there".into(), problem: "too long".into(), hint: None }),
                "broken" => Err(Error::Model("broken".into())),
                text => {
                    Ok(Written { text: text.to_owned(), has_ended: true, prompt_tokens: 5, tokens: 3, is_cut: false })
                }
            };
            if !take(vec![(number, text)]) {
                return;
            }
        }
    }

    fn likelihoods(&mut self, _: &[(&str, &str)], _: &mut Take<'_, Likelihood>) {
        unreachable!("texts are written")
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join("data").join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        Self(folder)
    }

    fn run(&self, task: &str, model: &mut Rote, settings: &Settings, sandbox: Option<&Sandbox>) -> Result<Summary> {
        settings.check()?;
        let stop = model.stop.take();
        let shared = AtomicBool::new(false);
        let mut evaluation =
            Evaluation { model, settings, sandbox, on_items: &mut |_, _| {}, stop: stop.as_ref().unwrap_or(&shared) };
        let data = Data::new(&self.0.path().join("data"));
        let task = Task::find(task, None).expect("a task");
        evaluation.run(task, task.items(&data, &settings.shots)?, &self.0.path().join("out"))
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.0.path().join("out").join(name)).expect("results");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

fn gsm8k() -> (Folder, Rote) {
    let folder = Folder::new(&[("gsm8k/yuan2-gsm8k_Cn.txt", "甲？[SEP]1\n乙？[SEP]2\n丙？[SEP]3\n")]);
    let texts = [
        ("甲？<sep>", vec!["是1。"]),
        ("乙？<sep>", vec!["是2", "是5", "是5", "没有"]),
        ("丙？<sep>", vec!["是4", "是3", "是3"]),
    ];
    (folder, Rote { texts: texts.into(), ..Rote::default() })
}

#[test]
fn items_are_asked_once() {
    let (folder, mut model) = gsm8k();
    let two = Settings { limit: Some(2), ..Settings::of("rote") };
    let first = folder.run("gsm8k-zh", &mut model, &two, None).expect("it runs");
    assert_eq!((first.items, first.items_of_set, model.asked), (2, 3, 2));
    assert_eq!(first.accuracy.expect("judged").correct, 2);
    let all = Settings { limit: None, ..two.clone() };
    let second = folder.run("gsm8k-zh", &mut model, &all, None).expect("it goes on");
    assert_eq!(
        (second.items, second.accuracy.expect("judged").correct, model.asked),
        (3, 2, 3),
        "only the third was asked"
    );
    folder.run("gsm8k-zh", &mut model, &all, None).expect("nothing is left");
    assert_eq!(model.asked, 3);
    // Another model, other tokens: other lines, beside the first ones.
    folder.run("gsm8k-zh", &mut model, &Settings { model: "other".into(), ..all.clone() }, None).expect("it runs");
    folder.run("gsm8k-zh", &mut model, &Settings { max_new_tokens: Some(9), ..all.clone() }, None).expect("it runs");
    assert_eq!(model.asked, 9);
    let lines = folder.lines("gsm8k-zh.yuan.jsonl");
    assert_eq!(lines.len(), 9);
    let line = &lines[0];
    assert_eq!(
        (&line["id"], &line["gold"], &line["answer"], &line["correct"]),
        (&"1".into(), &"1".into(), &"1".into(), &true.into())
    );
    assert_eq!(
        (&line["tokens"], &line["prompt_tokens"], &line["outputs"][0]["text"]),
        (&3.into(), &5.into(), &"是1。".into())
    );
    assert!(line["prompt_hash"].as_str().is_some_and(|hash| hash.len() == 16) && line["seconds"].is_number());
    let alone = Settings { model: "alone".into(), ..Settings::of("") };
    let company = folder.run("gsm8k-zh", &mut model, &alone, None).expect("all together");
    assert_eq!(company.accuracy, second.accuracy);
}

#[test]
fn what_is_stopped_is_kept() {
    let (folder, mut model) = gsm8k();
    model.stop = Some(AtomicBool::new(true));
    let settings = Settings::of("rote");
    assert!(matches!(folder.run("gsm8k-zh", &mut model, &settings, None), Err(Error::Stopped)));
    assert_eq!(folder.run("gsm8k-zh", &mut model, &settings, None).expect("it goes on").items, 3);
}

#[test]
fn an_item_that_is_refused_is_set_aside_and_a_failure_loses_none_of_the_others() {
    let (folder, mut model) = gsm8k();
    model.texts.insert("乙？<sep>", vec!["refused"]);
    let settings = Settings::of("rote");
    let found = folder.run("gsm8k-zh", &mut model, &settings, None).expect("it runs");
    assert_eq!((found.items, found.set_aside, found.unjudged), (3, 1, 0));
    assert_eq!(found.accuracy.expect("judged").items, 2, "no figure counts it");
    assert!(yuan_eval::run::table(&[found]).contains("1: there: too long"));
    assert_eq!(folder.lines("gsm8k-zh.yuan.jsonl")[1]["refused"], "there: too long");
    model.texts.insert("乙？<sep>", vec!["是2"]);
    let again = folder.run("gsm8k-zh", &mut model, &settings, None).expect("it runs");
    assert_eq!((again.set_aside, again.accuracy.expect("judged").items, model.asked), (0, 3, 4), "it alone is asked");
    let other = Settings { model: "other".into(), ..settings.clone() };
    model.texts.insert("丙？<sep>", vec!["broken"]);
    assert!(matches!(folder.run("gsm8k-zh", &mut model, &other, None), Err(Error::Model(_))));
    assert_eq!(folder.lines("gsm8k-zh.yuan.jsonl").len(), 6, "the first two are kept");
    let (folder, mut model) = gsm8k();
    model.texts.values_mut().for_each(|texts| *texts = vec!["refused"]);
    assert!(matches!(folder.run("gsm8k-zh", &mut model, &settings, None), Err(Error::Refused { .. })), "all are");
}

#[test]
fn most_samples_count() {
    let (folder, mut model) = gsm8k();
    let settings = Settings { samples: 4, temperature: 0.7, seed: 3, ..Settings::of("rote") };
    let found = folder.run("gsm8k-zh", &mut model, &settings, None).expect("it runs");
    // 乙: 2, 5, 5, none: 5 counts. 丙: 4, 3, 3, 4: of equals the first.
    assert_eq!((found.accuracy.expect("judged").correct, found.samples), (1, 4));
    assert!((found.of_samples.expect("several") - (1.0 + 0.25 + 0.5) / 3.0).abs() < 1e-12);
    let answers: Vec<Value> = folder.lines("gsm8k-zh.yuan.jsonl").iter().map(|line| line["answer"].clone()).collect();
    assert_eq!(answers, ["1", "5", "4"]);
    let seeds = model.seeds.clone();
    assert!(seeds[0] != seeds[1] && seeds[1] != seeds[2], "each item has its own");
    let again = Settings { model: "again".into(), limit: Some(2), ..settings.clone() };
    folder.run("gsm8k-zh", &mut model, &again, None).expect("it runs");
    assert_eq!(model.seeds[3..], seeds[..2], "and always the same");
    let wrong = |settings: Settings| settings.check().expect_err("it makes no sense").to_string();
    assert!(wrong(Settings { samples: 2, ..Settings::of("") }).contains("all samples are the same"));
    assert!(wrong(Settings { tests: 1, ..Settings::of("") }).contains("there is one"));
    assert!(wrong(Settings { temperature: -1.0, ..Settings::of("") }).contains("temperature is from 0"));
    assert!(wrong(Settings { samples: 0, ..Settings::of("") }).contains("at least 1"));
}

fn human_eval() -> Folder {
    let line = |prompt: &str| serde_json::json!({ "task_id": "T/0", "prompt": prompt }).to_string();
    let test = serde_json::json!({
        "task_id": "T/0", "prompt": "", "entry_point": "double", "test": "def check(f):\n    assert f(2) == 4\n    assert f(5) == 10\n",
    });
    let prompt = "Instruction: Double.\nResponse:\n```python\ndef double(x):\n";
    Folder::new(&[
        ("humaneval/yuan-m32-HumanEval-instructions.jsonl", &line(prompt)),
        ("humaneval/HumanEval.jsonl", &test.to_string()),
    ])
}

fn sandbox() -> Option<Sandbox> {
    let python = if cfg!(target_os = "linux") { python() } else { None };
    python.map(|python| Sandbox::new(&python, Limits::default()).expect("programs can be run"))
}

#[test]
fn programs_are_run_only_if_that_is_allowed_and_then_once() {
    let Some(sandbox) = sandbox() else { return };
    let folder = human_eval();
    let texts = [("def double(x):\n", vec!["    return 2 * x\n```\n"])];
    let mut model = Rote { texts: texts.into(), ..Rote::default() };
    let settings = Settings::of("rote");
    let unrun = folder.run("humaneval", &mut model, &settings, None).expect("it runs");
    assert_eq!((unrun.accuracy, unrun.unjudged, unrun.pass_at.len()), (None, 1, 0));
    assert!(yuan_eval::run::table(&[unrun]).contains("1 programs were not run: `--allow-code-execution`"));
    let run = folder.run("humaneval", &mut model, &settings, Some(&sandbox)).expect("it runs");
    assert_eq!((run.accuracy.expect("judged").correct, model.asked), (1, 1), "the text is not written again");
    assert_eq!(run.pass_at[&1], 1.0);
    assert_eq!(
        folder.lines("humaneval.m32.jsonl").iter().map(|line| line["correct"].clone()).collect::<Vec<_>>(),
        [Value::Null, true.into()]
    );
    let again = |model: &mut Rote, limits: Limits| {
        let sandbox = Sandbox::new(&python().expect("there is one"), limits).expect("programs can be run");
        folder.run("humaneval", model, &settings, Some(&sandbox)).expect("it runs");
        folder.lines("humaneval.m32.jsonl")
    };
    assert_eq!(again(&mut model, Limits::default()).len(), 2, "it is judged already");
    let lines = again(&mut model, Limits { seconds: 4, ..Limits::default() });
    assert_eq!((lines.len(), model.asked), (3, 1), "other limits may find another verdict, on the same text");
    assert!(lines[2]["judged_by"] != lines[1]["judged_by"] && lines[2]["judged_by"].is_string());
    assert_eq!((&lines[2]["outputs"], &lines[2]["fingerprint"]), (&lines[1]["outputs"], &lines[1]["fingerprint"]));
}

#[test]
fn tests_of_the_model_choose_among_its_programs() {
    let Some(sandbox) = sandbox() else { return };
    let folder = human_eval();
    let texts = [
        (
            "def double(x):\n",
            vec![
                "    return x + 2\n```\n",
                "    return 2 * x\n```\n",
                "    return 4\n```\n",
                "    while True: pass\n```\n",
            ],
        ),
        ("assert double(", vec!["2) == 4\nassert double(3) == 6\nassert double(5) == 10\nprint(1)\n"]),
    ];
    let mut model = Rote { texts: texts.into(), ..Rote::default() };
    let settings = Settings { samples: 4, temperature: 0.8, ..Settings::of("rote") };
    let first = folder.run("humaneval", &mut model, &settings, Some(&sandbox)).expect("it runs");
    assert_eq!(first.accuracy.expect("judged").correct, 0, "the first sample counts");
    assert!((first.pass_at[&1] - 0.25).abs() < 1e-12 && first.pass_at[&4] == 1.0, "{:?}", first.pass_at);
    let chosen =
        folder.run("humaneval", &mut model, &Settings { tests: 1, ..settings }, Some(&sandbox)).expect("it runs");
    assert_eq!(chosen.accuracy.expect("judged").correct, 1, "the second passes all its tests");
}
