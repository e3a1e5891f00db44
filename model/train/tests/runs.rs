//! Runs of a tiny model on a real text, from the first step to the model that is saved.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, json};
use yuan_model::config::Yuan;
use yuan_model::perplexity::{Resets, Scoring, Windows, score};
use yuan_model::{Config, DType, Model, Options, Place};
use yuan_train::training::{
    Borders, Ended, Every, Folder, HeldOut, Line, Log, Plan, Reading, Run, Schedule, Shape, Take, Text, Texts, Trainer,
};
use yuan_train::{Batch, Cause, Cpu, Network, Result, Update, cpu, initial};

const EOD: u32 = 500;
const LENGTH: usize = 48;

fn config() -> Yuan {
    match Config::named("yuan-moe-tiny") {
        Some(Config::Yuan(config)) => config,
        other => panic!("{other:?}"),
    }
}

fn network(seed: u64) -> Cpu {
    let config = config();
    let state = initial(&Config::Yuan(config.clone()), seed, yuan_train::DEVIATION);
    Cpu::new(&config, cpu::Options { balance: 0.01, ..cpu::Options::default() }, state).unwrap()
}

/// The bytes of the licence, a document for each paragraph.
fn documents() -> Vec<Vec<u32>> {
    let text = include_str!("../../../LICENSE");
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let paragraphs = text.split("\n\n").map(words).filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| paragraph.bytes().map(u32::from).collect()).collect()
}

/// The licence in texts of one length, one behind the other and from the start again.
struct Licence(Vec<u32>);

impl Licence {
    fn new() -> Self {
        Self(documents().into_iter().flat_map(|document| document.into_iter().chain([EOD])).collect())
    }
}

impl Texts for Licence {
    fn read(&self, place: u64, text: &mut Text) -> Result<(), Cause> {
        let at = |token: usize| self.0[(place as usize * LENGTH + token) % self.0.len()];
        text.ids = (0..=LENGTH).map(at).collect();
        text.weights = vec![1.0; LENGTH];
        Ok(())
    }
}

/// Some of its paragraphs, under a name.
struct Paragraphs(&'static str, Vec<Vec<u32>>);

impl HeldOut for Paragraphs {
    fn name(&self) -> &str {
        self.0
    }

    fn for_each(&self, take: &mut Take<'_>) -> Result<()> {
        for document in &self.1 {
            if !take(document, Some(document.len() as u64))? {
                break;
            }
        }
        Ok(())
    }
}

fn plan(steps: u64) -> Plan {
    Plan {
        texts_per_step: 3,
        texts_per_batch: 2,
        borders: Borders::Apart { eod: EOD },
        schedule: Schedule { peak: 3e-3, floor: 3e-4, warmup: 2, steps, shape: Shape::Cosine },
        update: Update::new(0.0),
    }
}

fn reading() -> Reading {
    Reading { prefix: EOD, windows: Windows::new(128, 64).unwrap(), batch_tokens: 100 }
}

/// Goes on in a folder until the end, or until the step after which it is told to stop.
fn train(folder: &Path, steps: u64, stop_after: Option<u64>) -> Ended {
    let checkpoints = Folder::new(folder.join("checkpoints"));
    let settings = Map::from_iter([("steps".to_owned(), json!(steps))]);
    let (mut network, texts) = (network(5), Licence::new());
    let (mut done, mut tokens, mut seconds) = (0, 0, 0.0);
    if let Some(step) = checkpoints.steps().unwrap().last() {
        let progress = checkpoints.progress(*step).unwrap();
        assert_eq!(progress.difference(&settings), None);
        network.restore(checkpoints.state(&progress, &Config::Yuan(config())).unwrap()).unwrap();
        (done, tokens, seconds) = (progress.step, progress.tokens, progress.seconds);
    }
    let held_out: [Box<dyn HeldOut>; 1] = [Box::new(Paragraphs("licence", documents()[..4].to_vec()))];
    let (log, lines) = Log::open(&folder.join("log.jsonl"), done).unwrap();
    let stopped = AtomicBool::new(false);
    let mut run = Run {
        trainer: Trainer::new(Box::new(network), &texts, plan(steps), done),
        held_out: &held_out,
        reading: reading(),
        every: Every { evaluate: 3, evaluation_tokens: 200, save: 2, keep: 2, until: None },
        checkpoints,
        model: folder.join("model"),
        dtype: DType::F32,
        companions: &[],
        settings: &settings,
        version: "test",
        log,
        lines,
        tokens,
        seconds,
    };
    run.go(&stopped, &mut |line| {
        if matches!(line, Line::Step(line) if Some(line.step) == stop_after) {
            stopped.store(true, Ordering::Relaxed);
        }
    })
    .unwrap()
}

/// The log without what depends on the clock.
fn told(folder: &Path) -> Vec<String> {
    let lines = Log::read(&folder.join("log.jsonl")).unwrap();
    let told = lines.into_iter().map(|line| match line {
        Line::Step(mut line) => {
            (line.seconds, line.tokens_per_second) = (0.0, 0.0);
            format!("{line:?}")
        }
        Line::Evaluation(mut line) => {
            line.seconds = 0.0;
            format!("{line:?}")
        }
    });
    told.collect()
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_bit_for_any_number_of_threads() {
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole");
    std::fs::create_dir(&whole).unwrap();
    let with = |threads: usize, folder: &Path, stop_after: Option<u64>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train(folder, 7, stop_after))
    };
    assert_eq!(with(1, &whole, None), Ended::Finished);
    let expected = told(&whole);
    // Seven steps, an evaluation after the third and the sixth, and the one at the end.
    assert_eq!(expected.len(), 10);
    for stop_after in 1..=7 {
        let folder = home.path().join(format!("stopped after {stop_after}"));
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(with(2, &folder, Some(stop_after)), Ended::Stopped);
        assert_eq!(with(1 + stop_after as usize % 2, &folder, None), Ended::Finished);
        assert_eq!(told(&folder), expected, "stopped after step {stop_after}");
        for file in ["model/model.safetensors", "checkpoints/step-00000007/optimizer.safetensors"] {
            assert!(bytes(&folder.join(file)) == bytes(&whole.join(file)), "{file}, stopped after step {stop_after}");
        }
        assert!(folder.join("checkpoints/step-00000006").exists());
    }
    // Killed between two checkpoints: what was logged behind the last is taken and told again.
    let killed = home.path().join("killed");
    std::fs::create_dir(&killed).unwrap();
    assert_eq!(with(2, &killed, Some(5)), Ended::Stopped);
    std::fs::remove_dir_all(killed.join("checkpoints/step-00000005")).unwrap();
    assert_eq!(with(2, &killed, None), Ended::Finished);
    assert_eq!(told(&killed), expected);
    // Once more, when all is done.
    assert_eq!(with(2, &killed, None), Ended::Finished);
    assert_eq!(told(&killed), expected);
}

#[test]
fn a_run_out_of_time_leaves_a_checkpoint() {
    let home = tempfile::tempdir().unwrap();
    let texts = Licence::new();
    let mut run = Run {
        trainer: Trainer::new(Box::new(network(5)), &texts, plan(1000), 0),
        held_out: &[],
        reading: reading(),
        every: Every {
            evaluate: 0,
            evaluation_tokens: 0,
            save: 0,
            keep: 1,
            until: Some(std::time::Instant::now() + std::time::Duration::from_millis(1500)),
        },
        checkpoints: Folder::new(home.path().join("c")),
        model: home.path().join("model"),
        dtype: DType::F32,
        companions: &[],
        settings: &Map::new(),
        version: "test",
        log: Log::open(&home.path().join("log.jsonl"), 0).unwrap().0,
        lines: Vec::new(),
        tokens: 0,
        seconds: 0.0,
    };
    assert_eq!(run.go(&AtomicBool::new(false), &mut |_| {}).unwrap(), Ended::OutOfTime);
    let step = run.trainer.done();
    assert!((1..1000).contains(&step), "{step}");
    assert_eq!(run.checkpoints.steps().unwrap(), [step]);
    assert!(!home.path().join("model").exists());
}

#[test]
fn what_is_evaluated_is_what_the_saved_model_says() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(train(home.path(), 7, None), Ended::Finished);
    let lines = Log::read(&home.path().join("log.jsonl")).unwrap();
    let found = lines.iter().rev().find_map(Line::as_evaluation);
    let found = found.expect("the last evaluation");
    let options = Options { place: Place::Cpu, ..Options::default() };
    let model = Model::open(&home.path().join("model"), options, &mut |_, _| {}).unwrap();
    let scoring = Scoring::of(model.description(), "eod", 0, 0, 100).unwrap();
    let documents: Vec<Vec<u32>> = documents()[..4].to_vec();
    assert!(documents.iter().any(|document| document.len() > 128), "one is longer than a window");
    let documents: Vec<&[u32]> = documents.iter().map(Vec::as_slice).collect();
    let scores = score(model.engine(), &documents, &scoring, None).unwrap();
    let (sum, tokens) = scores.iter().fold((0.0, 0), |sum, score| (sum.0 - score.log_prob, sum.1 + score.tokens));
    assert_eq!((found.tokens, found.documents, found.is_final), (tokens, 4, true));
    let loss = found.loss.unwrap();
    assert!((loss - sum / tokens as f64).abs() < 1e-4, "{loss} {}", sum / tokens as f64);
    assert_eq!(found.bits_per_byte.unwrap(), loss / std::f64::consts::LN_2);
}

/// A text of three documents, the first begun before it, the last going on behind it, is what the model says of each alone.
#[test]
fn documents_of_a_text_are_read_as_they_are_scored() {
    let [a, b, c] = [&documents()[3][..20], &documents()[4][..17], &documents()[5][..9]];
    let ids: Vec<u32> = a.iter().chain([&EOD]).chain(b).chain([&EOD]).chain(c).copied().collect();
    let text = Text { weights: vec![1.0; ids.len() - 1], ids };
    let mut network = network(2);
    let loss = |network: &mut Cpu, batch: &Batch| network.evaluate(batch).unwrap().sum;
    let mut apart = Batch::new();
    Borders::Apart { eod: EOD }.push(&text, &mut apart).unwrap();
    let found = loss(&mut network, &apart);
    let alone = |network: &mut Cpu, ids: &[u32]| {
        let mut batch = Batch::new();
        batch.push(&ids[..ids.len() - 1], &ids[1..], &vec![1.0; ids.len() - 1]).unwrap();
        loss(network, &batch)
    };
    let whole = |document: &[u32]| [&[EOD], document].concat();
    let expected = alone(&mut network, &[a, &[EOD]].concat())
        + alone(&mut network, &[whole(b).as_slice(), &[EOD]].concat())
        + alone(&mut network, &whole(c));
    assert!((found - expected).abs() < 1e-6 * expected, "{found} {expected}");
    // Together, even with resets, filtering runs on and the ends belong to what is before them.
    let mut together = Batch::new();
    Borders::Together(Resets { eod: EOD, positions: true, attention: true }).push(&text, &mut together).unwrap();
    assert!((loss(&mut network, &together) - expected).abs() > 1e-4);
}

#[test]
fn what_is_masked_is_not_learnt() {
    let gradients = |masked: u32| {
        let mut network = network(2);
        let mut batch = Batch::new();
        let targets = [2, masked, 4, 5];
        batch.push(&[1, 2, 3, 4], &targets, &[1.0, 0.0, 1.0, 1.0]).unwrap();
        let loss = network.accumulate(&batch, 1.0 / 3.0).unwrap();
        (loss.sum, loss.weight, network.gradients().unwrap())
    };
    let (sum, weight, found) = gradients(3);
    assert_eq!(weight, 3.0);
    let other = gradients(77);
    assert!(sum == other.0 && found == other.2);
    // A step in which nothing counts changes no more than weight decay does.
    struct Nothing;
    impl Texts for Nothing {
        fn read(&self, _: u64, text: &mut Text) -> Result<(), Cause> {
            *text = Text { ids: vec![1, 2, 3], weights: vec![0.0; 2] };
            Ok(())
        }
    }
    let mut trainer = Trainer::new(Box::new(network(2)), &Nothing, plan(4), 0);
    let step = trainer.step(&AtomicBool::new(false)).unwrap().expect("it is not stopped");
    assert_eq!((step.loss.weight, step.updated.gradient_norm), (0.0, 0.0));
}

#[test]
fn a_small_text_is_learnt_by_heart() {
    let texts = Licence::new();
    let schedule = Schedule { peak: 4e-3, floor: 4e-4, warmup: 5, steps: 200, shape: Shape::Cosine };
    // The same eight texts in every step.
    struct Same<'a>(&'a Licence);
    impl Texts for Same<'_> {
        fn read(&self, place: u64, text: &mut Text) -> Result<(), Cause> {
            self.0.read(20 + place % 8, text)
        }
    }
    let same = Same(&texts);
    let plan = Plan { texts_per_step: 8, texts_per_batch: 8, schedule, ..plan(200) };
    let mut trainer = Trainer::new(Box::new(network(1)), &same, plan, 0);
    let stopped = AtomicBool::new(false);
    let losses: Vec<f64> =
        (0..200).map(|_| trainer.step(&stopped).unwrap().expect("it is not stopped").loss.mean()).collect();
    assert!((losses[0] - 512_f64.ln()).abs() < 0.2, "{}", losses[0]);
    assert!(losses[199] < 0.3, "{losses:?}");
}
