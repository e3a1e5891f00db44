//! A task is asked item by item; what is done is in the file of results and is not asked again.

mod line;
mod programs;
mod results;
mod summary;
mod vote;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::json;

pub use line::{Chosen, Line, Output};
pub use summary::{Figure, Summary, table};

use crate::data::Data;
use crate::sandbox::Sandbox;
use crate::tasks::{Ask, Choice, Item, Judge, Shots, Task};
use crate::{Error, LanguageModel, Result, Writing};
use results::Results;
use vote::vote;

/// What of results depends on, beside the task and the model: another number, other fingerprints.
const RULES: u32 = 1;

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
    /// Items that are asked together.
    pub batch: usize,
    /// Texts with tests that the model writes for each program, to choose among samples; 0 for none.
    pub tests: usize,
}

impl Settings {
    /// The greedy answers of a model, eight items together.
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
            batch: 8,
            tests: 0,
        }
    }

    /// What makes no sense.
    ///
    /// # Errors
    /// No samples, several without a temperature, a share or a temperature out of range.
    pub fn check(&self) -> Result<()> {
        let wrong = |problem: &str, hint: &'static str| Err(Error::request(problem, hint));
        if self.samples == 0 || self.batch == 0 {
            return wrong(
                "there is nothing to ask: `--samples` and `--batch` are at least 1",
                "leave them away for 1 and 8",
            );
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
    /// Asks a task and sums it up. Lines go to `TASK.MODE.jsonl` in a folder; those that are there are not asked again.
    ///
    /// # Errors
    /// If the task's data, the model, the sandbox or the file of results fails, or it was asked to stop; what is done stays.
    pub fn run(&mut self, task: &Task, data: &Data, out: &Path) -> Result<Summary> {
        let all = task.items(data, &self.settings.shots)?;
        let of = all.items.len();
        let asked: Vec<Item> = all.items.into_iter().take(self.settings.limit.unwrap_or(usize::MAX)).collect();
        let mut results = Results::open(&out.join(format!("{}.{}.jsonl", task.name, task.mode)))?;
        let prints: Vec<String> = asked.iter().map(|item| self.fingerprint(task, item)).collect();
        let mut lines: Vec<Option<Line>> =
            asked.iter().zip(&prints).map(|(item, print)| results.take(&item.id, print)).collect();
        for (line, item) in lines.iter_mut().zip(&asked) {
            self.judge_again(line, item, &mut results)?;
        }
        let open: Vec<usize> = (0..asked.len()).filter(|place| lines[*place].is_none()).collect();
        let mut done = asked.len() - open.len();
        (self.on_items)(done, asked.len());
        for places in open.chunks(self.settings.batch) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let items: Vec<&Item> = places.iter().map(|place| &asked[*place]).collect();
            let started = Instant::now();
            let mut found = self.ask(&items)?;
            let seconds = started.elapsed().as_secs_f64() / items.len() as f64;
            for ((line, place), item) in found.iter_mut().zip(places).zip(&items) {
                self.judge_programs(line, item)?;
                line.task = task.name.to_owned();
                line.mode = task.mode.name().to_owned();
                line.fingerprint.clone_from(&prints[*place]);
                line.seconds = seconds;
                results.append(line)?;
            }
            for (line, place) in found.into_iter().zip(places) {
                lines[*place] = Some(line);
            }
            done += items.len();
            (self.on_items)(done, asked.len());
        }
        let lines: Vec<Line> = lines.into_iter().flatten().collect();
        Ok(Summary::of(task, self.settings, &lines, of, all.examples))
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
                choices.iter().map(|choice| json!([choice.context, choice.continuation, choice.text])).collect()
            }
        };
        let all = json!([RULES, settings.model, task.name, task.mode.name(), item.id, ask, item.judge.gold()]);
        blake3::hash(all.to_string().as_bytes()).to_hex()[..32].to_owned()
    }

    fn ask(&mut self, items: &[&Item]) -> Result<Vec<Line>> {
        // The items of a task are all of one kind.
        match items.first().map(|item| &item.ask) {
            Some(Ask::Choose(_)) => self.choose(items),
            Some(Ask::Write { .. }) if self.settings.temperature > 0.0 => {
                items.iter().map(|item| self.sample(item)).collect()
            }
            Some(Ask::Write { max_new_tokens, .. }) => self.write(items, *max_new_tokens),
            None => Ok(Vec::new()),
        }
    }

    /// One text for each item, all items together.
    fn write(&mut self, items: &[&Item], max_new_tokens: usize) -> Result<Vec<Line>> {
        let prompts: Vec<&str> = items.iter().map(|item| prompt(item)).collect();
        let texts = self.model.write(&prompts, &self.settings.writing(max_new_tokens))?;
        Ok(items.iter().zip(texts).map(|(item, text)| written(item, vec![text])).collect())
    }

    /// Several texts for one item. Their seed is the item's own, so that they are the same in any company.
    fn sample(&mut self, item: &Item) -> Result<Line> {
        let Ask::Write { prompt, max_new_tokens } = &item.ask else { return Ok(Line::default()) };
        let mut how = self.settings.writing(*max_new_tokens);
        let hash = blake3::hash(format!("{} {}", how.seed, item.id).as_bytes());
        how.seed = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes"));
        let prompts = vec![prompt.as_str(); self.settings.samples];
        Ok(written(item, self.model.write(&prompts, &how)?))
    }

    fn choose(&mut self, items: &[&Item]) -> Result<Vec<Line>> {
        let choices = |item: &Item| match &item.ask {
            Ask::Choose(choices) => choices.clone(),
            Ask::Write { .. } => Vec::new(),
        };
        let choices: Vec<Vec<Choice>> = items.iter().map(|item| choices(item)).collect();
        let pairs: Vec<(&str, &str)> =
            choices.iter().flatten().map(|choice| (choice.context.as_str(), choice.continuation.as_str())).collect();
        let mut found = self.model.likelihoods(&pairs)?.into_iter();
        let mut lines = Vec::new();
        for (item, choices) in items.iter().zip(&choices) {
            let likelihoods: Vec<_> = found.by_ref().take(choices.len()).collect();
            if let Some(place) = likelihoods.iter().position(|it| it.log_prob.is_nan()) {
                let problem = format!("option {place} of item `{}` has a probability that is no number", item.id);
                return Err(Error::Model(problem.into()));
            }
            lines.push(Line::of_choices(item, choices, &likelihoods));
        }
        Ok(lines)
    }

    /// Runs the programs of a line that was written without a sandbox.
    fn judge_again(&mut self, line: &mut Option<Line>, item: &Item, results: &mut Results) -> Result<()> {
        if let Some(line) = line
            && line.correct.is_none()
            && self.sandbox.is_some()
        {
            self.judge_programs(line, item)?;
            results.append(line)?;
        }
        Ok(())
    }

    fn judge_programs(&mut self, line: &mut Line, item: &Item) -> Result<()> {
        match (&item.judge, self.sandbox) {
            (Judge::Program(program), Some(sandbox)) => {
                programs::judge(line, prompt(item), program, sandbox, self.model, self.settings)
            }
            _ => Ok(()),
        }
    }
}

fn prompt(item: &Item) -> &str {
    match &item.ask {
        Ask::Write { prompt, .. } => prompt,
        Ask::Choose(_) => "",
    }
}

/// The line of an item that was answered in words.
fn written(item: &Item, texts: Vec<crate::Written>) -> Line {
    let prompt = prompt(item);
    let mut line = Line::of(item);
    line.prompt_hash = blake3::hash(prompt.as_bytes()).to_hex()[..16].to_owned();
    for text in texts {
        let judged = item.judge.judge(prompt, &text.text, text.has_ended);
        line.prompt_tokens = text.prompt_tokens;
        line.tokens += text.tokens;
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
