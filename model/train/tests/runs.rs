//! Runs of a tiny model on a real text, from the first step to the model that is saved.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

use serde_json::{Map, json};
use yuan_model::config::Yuan;
use yuan_model::perplexity::{Resets, Scoring, Windows, score};
use yuan_model::{Config, DType, Model, Options, Place};
use yuan_train::training::{
    Borders, Ended, EvaluationLine, Event, Every, Folder, HeldOut, Line, Log, Plan, Reading, Run, Schedule, Shape,
    Take, Text, Texts, Trainer,
};
use yuan_train::{Batch, Cause, Cpu, Error, Network, Result, Update, cpu, initial};

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

/// Some of its paragraphs, under a name, with a key; they may be damaged.
struct Paragraphs {
    name: &'static str,
    key: &'static str,
    documents: Vec<Vec<u32>>,
    is_damaged: bool,
}

fn paragraphs(name: &'static str, key: &'static str, count: usize) -> Box<dyn HeldOut> {
    Box::new(Paragraphs { name, key, documents: documents()[..count].to_vec(), is_damaged: false })
}

impl HeldOut for Paragraphs {
    fn name(&self) -> &str {
        self.name
    }

    fn key(&self) -> &str {
        self.key
    }

    fn for_each(&self, take: &mut Take<'_>) -> Result<()> {
        for document in &self.documents {
            if !take(document, Some(document.len() as u64))? {
                break;
            }
        }
        match self.is_damaged {
            true => Err(Error::Data { what: self.name.to_owned(), source: "it ends here".into() }),
            false => Ok(()),
        }
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

/// A run in a folder.
struct Case<'a> {
    folder: &'a Path,
    texts: &'a dyn Texts,
    held_out: Vec<Box<dyn HeldOut>>,
    steps: u64,
    every: Every,
}

impl<'a> Case<'a> {
    fn new(folder: &'a Path, texts: &'a dyn Texts) -> Self {
        let every = Every { evaluate: 3, evaluation_tokens: 200, final_tokens: None, save: 2, keep: 2, until: None };
        Self { folder, texts, held_out: vec![paragraphs("licence", "1", 4)], steps: 7, every }
    }

    fn checkpoints(&self) -> Folder {
        Folder::new(self.folder.join("checkpoints"))
    }

    /// Goes on until the end, or until the step after which it is told to stop; the evaluations it knows of then.
    fn go(&self, stop_after: Option<u64>) -> Result<(Ended, Vec<EvaluationLine>)> {
        let checkpoints = self.checkpoints();
        let settings = Map::from_iter([("steps".to_owned(), json!(self.steps))]);
        let mut network = network(5);
        let (mut done, mut tokens, mut seconds) = (0, 0, 0.0);
        if let Some(step) = checkpoints.steps().unwrap().last() {
            let progress = checkpoints.progress(*step).unwrap();
            assert_eq!(progress.difference(&settings), None);
            network.restore(checkpoints.state(&progress, &Config::Yuan(config())).unwrap()).unwrap();
            (done, tokens, seconds) = (progress.step, progress.tokens, progress.seconds);
        }
        let mut evaluations = Vec::new();
        let log = Log::open(&self.folder.join("log.jsonl"), done, &mut |line| {
            evaluations.extend(line.as_evaluation().cloned());
        });
        let stopped = Cell::new(false);
        let mut run = Run {
            trainer: Trainer::new(Box::new(network), self.texts, plan(self.steps), done),
            held_out: &self.held_out,
            reading: reading(),
            every: self.every,
            checkpoints,
            model: self.folder.join("model"),
            dtype: DType::F32,
            companions: &[],
            settings: &settings,
            version: "test",
            log: log.unwrap(),
            evaluations,
            tokens,
            seconds,
        };
        let ended = run.go(&|| stopped.get(), &mut |event| {
            if matches!(event, Event::Line(Line::Step(line)) if Some(line.step) == stop_after) {
                stopped.set(true);
            }
        });
        Ok((ended?, run.evaluations))
    }
}

/// Goes on in a folder until the end, or until the step after which it is told to stop.
fn train(folder: &Path, stop_after: Option<u64>) -> Ended {
    Case::new(folder, &Licence::new()).go(stop_after).unwrap().0
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
fn the_last_evaluation_reads_everything_or_as_much_as_is_asked() {
    let texts = Licence::new();
    let last = |final_tokens: Option<u64>| {
        let home = tempfile::tempdir().unwrap();
        let mut case = Case::new(home.path(), &texts);
        case.every.final_tokens = final_tokens;
        let (_, evaluations) = case.go(None).unwrap();
        let last = evaluations.iter().find(|line| line.is_final).unwrap();
        (last.documents, last.tokens)
    };
    let (whole, part) = (last(None), last(Some(50)));
    assert!(part.0 < whole.0 && (50..whole.1).contains(&part.1), "{part:?} of {whole:?}");
    assert_eq!(last(Some(whole.1)), whole);
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_bit_for_any_number_of_threads() {
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole");
    std::fs::create_dir(&whole).unwrap();
    let with = |threads: usize, folder: &Path, stop_after: Option<u64>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train(folder, stop_after))
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

/// The last steps and their evaluations are as they would have been.
fn whole() -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(train(home.path(), None), Ended::Finished);
    told(home.path())
}

#[test]
fn a_run_that_is_out_of_time_at_once_takes_a_step_or_evaluates_a_set_in_each_call() {
    let (home, texts) = (tempfile::tempdir().unwrap(), Licence::new());
    let sets = || vec![paragraphs("a", "1", 4), paragraphs("b", "1", 2)];
    let mut case = Case { held_out: sets(), ..Case::new(home.path(), &texts) };
    case.every = Every { save: 0, keep: 1, until: Some(Instant::now()), ..case.every };
    for call in 1.. {
        let (ended, _) = case.go(None).unwrap();
        let lines = told(home.path());
        assert_eq!(lines.len(), call, "{lines:?}");
        let steps = lines.iter().filter(|line| line.starts_with("Step")).count() as u64;
        assert_eq!(case.checkpoints().steps().unwrap(), [steps]);
        if ended == Ended::Finished {
            break;
        }
        assert_eq!(ended, Ended::OutOfTime);
        assert!(!home.path().join("model").exists());
    }
    let at_once = tempfile::tempdir().unwrap();
    Case { held_out: sets(), ..Case::new(at_once.path(), &texts) }.go(None).unwrap();
    assert_eq!(told(home.path()), told(at_once.path()));
    assert_eq!(
        bytes(&home.path().join("model/model.safetensors")),
        bytes(&at_once.path().join("model/model.safetensors"))
    );
}

#[test]
fn a_set_of_many_batches_is_given_up_when_the_time_is_over() {
    let (home, texts) = (tempfile::tempdir().unwrap(), Licence::new());
    let mut case = Case { held_out: vec![paragraphs("long", "1", 30)], steps: 3, ..Case::new(home.path(), &texts) };
    case.every.until = Some(Instant::now());
    assert_eq!((0..3).map(|_| case.go(None).unwrap().0).collect::<Vec<_>>(), [Ended::OutOfTime; 3]);
    let found = case.go(None).unwrap();
    assert_eq!((found.0, found.1.len(), found.1[0].documents), (Ended::Finished, 1, 30));
    // Whoever stops it does not wait for a set.
    let mut network = network(5);
    let calls = Cell::new(0);
    let stop = || calls.replace(calls.get() + 1) == 2;
    assert_eq!(reading().evaluate(&mut network, case.held_out[0].as_ref(), None, &stop).unwrap(), None);
    assert_eq!(calls.get(), 3);
}

#[test]
fn what_fails_leaves_what_was_learnt() {
    let expected = whole();
    let texts = Licence::new();
    // A set that cannot be read.
    let home = tempfile::tempdir().unwrap();
    let mut case = Case::new(home.path(), &texts);
    case.every.save = 0;
    let sound = std::mem::take(&mut case.held_out);
    let damaged = Paragraphs { name: "licence", key: "1", documents: documents()[..1].to_vec(), is_damaged: true };
    case.held_out = vec![Box::new(damaged)];
    let error = case.go(None).unwrap_err().to_string();
    assert_eq!(error, "licence cannot be read: it ends here");
    assert_eq!(case.checkpoints().steps().unwrap(), [3]);
    case.held_out = sound;
    assert_eq!(case.go(None).unwrap().0, Ended::Finished);
    assert_eq!(told(home.path()), expected);
    // Texts that cannot be read, or are of tokens there are none of.
    struct Until<'a>(&'a Licence, u64, bool);
    impl Texts for Until<'_> {
        fn read(&self, place: u64, text: &mut Text) -> Result<(), Cause> {
            self.0.read(place, text)?;
            if place >= self.1 {
                if self.2 {
                    return Err("it is gone".into());
                }
                text.ids[7] = 512;
            }
            Ok(())
        }
    }
    for (is_gone, says) in [(true, "text 13 of the run cannot be read: it is gone"), (false, "holds the token 512")] {
        let home = tempfile::tempdir().unwrap();
        let texts = Until(&texts, 13, is_gone);
        let mut case = Case::new(home.path(), &texts);
        case.every = Every { save: 3, keep: 1, ..case.every };
        let error = case.go(None).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        // Four steps of three texts; the checkpoint before is not removed for one after a failure.
        assert_eq!(case.checkpoints().steps().unwrap(), [3, 4]);
        case.texts = texts.0;
        assert_eq!(case.go(None).unwrap().0, Ended::Finished);
        assert_eq!(told(home.path()), expected);
    }
}

#[test]
fn another_set_of_the_same_name_is_evaluated_and_told_apart() {
    let (home, texts) = (tempfile::tempdir().unwrap(), Licence::new());
    let case = Case::new(home.path(), &texts);
    let (_, found) = case.go(None).unwrap();
    assert_eq!(found.len(), 3);
    let case = Case { held_out: vec![paragraphs("licence", "2", 3)], ..case };
    let (ended, found) = case.go(None).unwrap();
    assert_eq!((ended, found.len()), (Ended::Finished, 4));
    let of = |key: &str| found.iter().rfind(|line| line.is_final && line.key == key).unwrap().documents;
    assert_eq!((of("1"), of("2")), (4, 3));
    assert!(found[3].is_of(case.held_out[0].as_ref()) && !found[2].is_of(case.held_out[0].as_ref()));
}

#[test]
fn a_step_that_is_not_taken_leaves_nothing_behind() {
    let texts = Licence::new();
    let mut whole = Trainer::new(Box::new(network(5)), &texts, plan(9), 0);
    let mut stopped = Trainer::new(Box::new(network(5)), &texts, plan(9), 0);
    for _ in 0..2 {
        whole.step(&|| false).unwrap().expect("it is not stopped");
        // Between the two batches of the step.
        let calls = Cell::new(0);
        assert!(stopped.step(&|| calls.replace(calls.get() + 1) == 1).unwrap().is_none());
        assert!(stopped.network().gradients().unwrap().iter().flatten().all(|it| *it == 0.0));
        stopped.step(&|| false).unwrap().expect("it is not stopped");
        assert!(stopped.network().state().unwrap() == whole.network().state().unwrap());
    }
}

#[test]
fn what_is_evaluated_is_what_the_saved_model_says() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(train(home.path(), None), Ended::Finished);
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
    let before = trainer.network().state().unwrap();
    let step = trainer.step(&|| false).unwrap().expect("it is not stopped");
    assert_eq!((step.loss.weight, step.updated.gradient_norm), (0.0, 0.0));
    let decayed = (1.0 - f64::from(step.learning_rate as f32) * f64::from(0.1_f32)) as f32;
    for (after, before) in trainer.network().state().unwrap().tensors.iter().zip(&before.tensors) {
        let keep = if before.shape.len() > 1 { decayed } else { 1.0 };
        let same = after.values.iter().zip(&before.values).all(|(after, before)| *after == before * keep);
        assert!(same, "{}", before.name);
    }
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
    let losses: Vec<f64> =
        (0..200).map(|_| trainer.step(&|| false).unwrap().expect("it is not stopped").loss.mean()).collect();
    assert!((losses[0] - 512_f64.ln()).abs() < 0.2, "{}", losses[0]);
    assert!(losses[199] < 0.3, "{losses:?}");
}
