//! A task is asked item by item; what is done is in the file of results and is not asked again.

mod ask;
mod gather;
mod line;
mod programs;
mod settings;
mod summary;
mod vote;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

pub use line::{Chosen, Line, Output};
pub use settings::Settings;
pub use summary::{Asked, Figure, Summary, table};

use crate::lines::Lines;
use crate::sandbox::Sandbox;
use crate::tasks::{Ask, Item, Items, Judge, Task};
use crate::{Error, LanguageModel, Result};

/// What results depend on, beside the task and the model: another number, other fingerprints.
const RULES: u32 = 2;
/// Items that a server refuses before any is done, after which it is taken to refuse all of them.
const REFUSALS: usize = 16;

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
            Some(Ask::Choose(_)) => ask::choose(*model, &items, stop, &mut finish)?,
            Some(Ask::Write { .. }) => ask::write(*model, &items, settings, stop, &mut finish)?,
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
