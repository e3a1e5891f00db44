//! A task is asked item by item; what is done is in the file of results and is not asked again.

mod gather;
mod line;
mod programs;
mod summary;
mod vote;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

pub use line::{Chosen, Line, Output};
pub use summary::{Asked, Figure, Summary, table};

use crate::lines::Lines;
use crate::sandbox::Sandbox;
use crate::tasks::{Ask, Choice, Item, Items, Judge, Shots, Task};
use crate::{Error, LanguageModel, Likelihood, Request, Result, Writing, Written};
use gather::{Finish, gather};
use vote::vote;

/// What results depend on, beside the task and the model: another number, other fingerprints.
const RULES: u32 = 2;
/// Items that a server refuses before any is done, after which it is taken to refuse all of them.
const REFUSALS: usize = 16;

/// How tasks are asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the model is: results of another one are none of this.
    pub model: String,
    /// Ask so many items of each task, the first ones.
    pub limit: Option<usize>,
    /// Examples before the question.
    pub shots: Shots,
    /// Texts for each item; more than one are voted on.
    pub samples: usize,
    /// What logits are divided by; 0 takes the likeliest token.
    pub temperature: f64,
    /// Choose among so many likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Choose among the likeliest tokens that make up this share.
    pub top_p: f64,
    /// Other seeds, other texts.
    pub seed: u64,
    /// Most new tokens, instead of the task's own.
    pub max_new_tokens: Option<usize>,
    /// Texts with tests that the model writes for each program, to choose among samples; 0 for none.
    pub tests: usize,
}

impl Settings {
    /// The greedy answers of a model.
    pub fn of(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            limit: None,
            shots: Shots::default(),
            samples: 1,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            seed: 0,
            max_new_tokens: None,
            tests: 0,
        }
    }

    /// What makes no sense.
    ///
    /// # Errors
    /// No samples, several without a temperature, a share or a temperature out of range.
    pub fn check(&self) -> Result<()> {
        let wrong = |problem: &str, hint: &'static str| Err(Error::request(problem, hint));
        if self.samples == 0 {
            return wrong("there is nothing to ask: `--samples` is at least 1", "leave it away for 1");
        }
        if !(0.0..=100.0).contains(&self.temperature) || !(0.0..=1.0).contains(&self.top_p) || self.top_p == 0.0 {
            return wrong("temperature is from 0 to 100, top-p above 0 and at most 1", "0.7 and 0.95 are usual");
        }
        if self.samples > 1 && self.temperature == 0.0 {
            return wrong("at temperature 0 all samples are the same", "say `--temperature 0.7` as well");
        }
        if self.tests > 0 && self.samples == 1 {
            return wrong(
                "tests choose among samples, and there is one",
                "say `--samples 10 --temperature 0.7` as well",
            );
        }
        Ok(())
    }

    fn writing(&self, max_new_tokens: usize) -> Writing {
        Writing {
            max_new_tokens: self.max_new_tokens.unwrap_or(max_new_tokens),
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            seed: self.seed,
            stop: Vec::new(),
        }
    }
}

/// What an evaluation works with.
pub struct Evaluation<'a> {
    /// What is evaluated.
    pub model: &'a mut dyn LanguageModel,
    /// How.
    pub settings: &'a Settings,
    /// What runs programs; without it they stay unjudged.
    pub sandbox: Option<&'a Sandbox>,
    /// Called with the items done and all of them.
    pub on_items: &'a mut dyn FnMut(usize, usize),
    /// Set when it is to stop.
    pub stop: &'a AtomicBool,
}

impl Evaluation<'_> {
    /// Asks the items of a task and sums it up. Lines go to `TASK.MODE.jsonl` in a folder as soon as they are known; items whose lines
    /// are there are not asked again. An item that a server refuses is set aside, unless it refuses them all.
    ///
    /// Memory: the items, and the texts of those that are under way.
    ///
    /// # Errors
    /// If the model, the sandbox or the file of results fails, or it was asked to stop; what is done stays.
    pub fn run(&mut self, task: &Task, items: Items, out: &Path) -> Result<Summary> {
        let Items { items: mut asked, examples } = items;
        let of = asked.len();
        asked.truncate(self.settings.limit.unwrap_or(usize::MAX));
        let prints: Vec<String> = asked.iter().map(|item| self.fingerprint(task, item)).collect();
        let wanted: HashMap<&str, usize> = prints.iter().map(String::as_str).zip(0..).collect();
        let mut lines: Vec<Option<Line>> = vec![None; asked.len()];
        let mut results = Lines::open(&out.join(format!("{}.{}.jsonl", task.name, task.mode)), &mut |line: Line| {
            if let Some(place) = wanted.get(line.fingerprint.as_str()).filter(|_| line.refused.is_none()) {
                let keeps_texts = self.verdict(&asked[*place]).is_some_and(|verdict| line.judged_by != Some(verdict));
                lines[*place] = Some(if keeps_texts { line } else { line.light() });
            }
        })?;
        for (line, item) in lines.iter_mut().zip(&asked) {
            self.judge_again(line, item, &mut results)?;
        }
        self.ask(task, &asked, &prints, &mut lines, &mut results)?;
        let lines: Vec<Line> = lines.into_iter().flatten().collect();
        Ok(Summary::of(task, self.settings, &lines, of, examples))
    }

    /// What the line of an item depends on.
    fn fingerprint(&self, task: &Task, item: &Item) -> String {
        let settings = self.settings;
        let ask = match &item.ask {
            Ask::Write { prompt, max_new_tokens } => json!({
                "prompt": prompt,
                "max_new_tokens": settings.max_new_tokens.unwrap_or(*max_new_tokens),
                "samples": settings.samples,
                "temperature": settings.temperature,
                "sampling": (settings.temperature > 0.0).then_some((settings.top_k, settings.top_p, settings.seed)),
                "tests": settings.tests,
            }),
            Ask::Choose(choices) => {
                choices.iter().map(|choice| json!([&*choice.context, choice.continuation, choice.text])).collect()
            }
        };
        let all = json!([RULES, settings.model, task.name, task.mode.name(), item.id, ask, item.judge.gold()]);
        blake3::hash(all.to_string().as_bytes()).to_hex()[..32].to_owned()
    }

    /// Asks the items without a line.
    fn ask(
        &mut self,
        task: &Task,
        asked: &[Item],
        prints: &[String],
        lines: &mut [Option<Line>],
        results: &mut Lines,
    ) -> Result<()> {
        let open: Vec<usize> = (0..asked.len()).filter(|place| lines[*place].is_none()).collect();
        let before = asked.len() - open.len();
        (self.on_items)(before, asked.len());
        if self.stop.load(Ordering::Relaxed) && !open.is_empty() {
            return Err(Error::Stopped);
        }
        let items: Vec<&Item> = open.iter().map(|place| &asked[*place]).collect();
        let (mut done, mut refused) = (0, 0);
        let mut refusal = None;
        let Self { model, settings, sandbox, on_items, stop } = self;
        let mut finish = |number: usize, seconds: f64, made: Result<Line>| -> Result<()> {
            let place = open[number];
            let mut line = match made {
                Ok(line) => line,
                Err(error @ Error::Refused { .. }) => {
                    refused += 1;
                    let line = Line { refused: Some(error.to_string()), ..Line::of(&asked[place]) };
                    refusal.get_or_insert(error);
                    line
                }
                Err(error) => return Err(error),
            };
            if let (Judge::Program(program), Some(sandbox), None) = (&asked[place].judge, *sandbox, &line.refused) {
                programs::judge(&mut line, program, sandbox)?;
            }
            line.task = task.name.to_owned();
            line.mode = task.mode.name().to_owned();
            line.fingerprint.clone_from(&prints[place]);
            line.seconds = seconds;
            results.append(&line)?;
            lines[place] = Some(line.light());
            done += 1;
            on_items(before + done, asked.len());
            if refused == done
                && (refused == REFUSALS || refused == asked.len())
                && let Some(refusal) = refusal.take()
            {
                return Err(refusal);
            }
            Ok(())
        };
        // The items of a task are all of one kind.
        match items.first().map(|item| &item.ask) {
            Some(Ask::Choose(_)) => choose(*model, &items, stop, &mut finish)?,
            Some(Ask::Write { .. }) => write(*model, &items, settings, stop, &mut finish)?,
            None => {}
        }
        if done < open.len() {
            return Err(Error::Stopped);
        }
        Ok(())
    }

    /// Runs the programs of a line that was written without a sandbox, or judged by another test or sandbox.
    fn judge_again(&self, line: &mut Option<Line>, item: &Item, results: &mut Lines) -> Result<()> {
        let Some(known) = line else { return Ok(()) };
        if let (Judge::Program(program), Some(sandbox)) = (&item.judge, self.sandbox)
            && known.judged_by != self.verdict(item)
        {
            programs::judge(known, program, sandbox)?;
            results.append(known)?;
            *line = line.take().map(Line::light);
        }
        Ok(())
    }

    /// What the verdict on an item's programs would depend on here; `None` if there is nothing to be run.
    fn verdict(&self, item: &Item) -> Option<String> {
        match (&item.judge, self.sandbox) {
            (Judge::Program(program), Some(sandbox)) => Some(programs::judged_by(program, sandbox)),
            _ => None,
        }
    }
}

/// Texts for each item, and those with tests for its programs.
fn write(
    model: &mut dyn LanguageModel,
    items: &[&Item],
    settings: &Settings,
    stop: &AtomicBool,
    finish: &mut Finish<'_, Line>,
) -> Result<()> {
    // What is drawn for an item has a seed of its own, so that it is the same in any company.
    let seeded = |id: &str, how: Writing| {
        let hash = blake3::hash(format!("{} {id}", how.seed).as_bytes());
        Writing { seed: u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes")), ..how }
    };
    let is_drawn = settings.temperature > 0.0;
    let (mut hows, mut for_tests) = (Vec::new(), Vec::new());
    for item in items {
        if let Ask::Write { max_new_tokens, .. } = &item.ask
            && (is_drawn || hows.is_empty())
        {
            hows.push(seeded(&item.id, settings.writing(*max_new_tokens)));
        }
        if let (Judge::Program(program), true) = (&item.judge, settings.tests > 0) {
            let id = format!("{} tests", item.id);
            for_tests.push((programs::ask_for_tests(prompt(item), program), seeded(&id, programs::writing(settings))));
        }
    }
    let mut requests = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let how = &hows[if is_drawn { place } else { 0 }];
        let texts = (0..settings.samples as u64).map(|number| Request { prompt: prompt(item), how, number });
        requests.extend(texts);
        if let Some((prompt, how)) = for_tests.get(place) {
            requests.extend((0..settings.tests as u64).map(|number| Request { prompt, how, number }));
        }
    }
    let count = settings.samples + if for_tests.is_empty() { 0 } else { settings.tests };
    let made = &mut |number: usize, seconds, texts: Result<Vec<Written>>| {
        finish(number, seconds, texts.map(|texts| written(items[number], texts, settings.samples)))
    };
    gather(items.iter().map(|_| count), stop, |take| model.write(&requests, take), made)
}

/// The likelihoods of each item's options.
fn choose(
    model: &mut dyn LanguageModel,
    items: &[&Item],
    stop: &AtomicBool,
    finish: &mut Finish<'_, Line>,
) -> Result<()> {
    let all = items.iter().flat_map(|item| choices(item));
    let pairs: Vec<(&str, &str)> = all.map(|choice| (&*choice.context, choice.continuation.as_str())).collect();
    let made = &mut |number: usize, seconds, likelihoods: Result<Vec<Likelihood>>| {
        let item = items[number];
        let line = likelihoods.and_then(|likelihoods| {
            if let Some(place) = likelihoods.iter().position(|it| it.log_prob.is_nan()) {
                let problem = format!("option {place} of item `{}` has a probability that is no number", item.id);
                return Err(Error::Model(problem.into()));
            }
            Ok(Line::of_choices(item, choices(item), &likelihoods))
        });
        finish(number, seconds, line)
    };
    gather(items.iter().map(|item| choices(item).len()), stop, |take| model.likelihoods(&pairs, take), made)
}

fn choices(item: &Item) -> &[Choice] {
    match &item.ask {
        Ask::Choose(choices) => choices,
        Ask::Write { .. } => &[],
    }
}

fn prompt(item: &Item) -> &str {
    match &item.ask {
        Ask::Write { prompt, .. } => prompt,
        Ask::Choose(_) => "",
    }
}

/// The line of an item that was answered in words: so many texts, and behind them those with tests.
fn written(item: &Item, texts: Vec<Written>, samples: usize) -> Line {
    let prompt = prompt(item);
    let mut line = Line::of(item);
    line.prompt_hash = blake3::hash(prompt.as_bytes()).to_hex()[..16].to_owned();
    line.tokens = texts.iter().map(|text| text.tokens).sum();
    if let (Judge::Program(program), Some(tests)) = (&item.judge, texts.get(samples..)) {
        line.tests = programs::tests(program, tests);
    }
    for text in texts.into_iter().take(samples) {
        let judged = item.judge.judge(prompt, &text.text, text.has_ended);
        line.prompt_tokens = text.prompt_tokens;
        line.is_cut |= text.is_cut;
        line.outputs.push(Output {
            text: text.text,
            answer: judged.answer,
            correct: judged.is_correct,
            has_ended: text.has_ended,
        });
    }
    let chosen = match &item.judge {
        Judge::Program(_) => 0,
        _ => vote(line.outputs.iter().map(|output| output.answer.as_deref())),
    };
    line.choose(chosen);
    line
}
