//! `eval`: how good a language model is.

mod local;
mod server;
mod tasks;

use serde_json::json;
use yuan_eval::tasks::TASKS;

use super::print;
use crate::Done;
use crate::args::{EvalCommand, Global};
use crate::hints::usage;
pub use server::connect;

pub fn eval(command: &EvalCommand, global: &Global) -> anyhow::Result<Done> {
    match command {
        EvalCommand::List { json } => list(*json),
        EvalCommand::Tasks(args) => tasks::tasks(args, global),
        EvalCommand::Perplexity(args) => super::model::perplexity_by_domains(args, global),
    }
}

/// What was asked for, or what is wrong with it, with the way out.
pub fn told<T>(result: yuan_eval::Result<T>) -> anyhow::Result<T> {
    result.map_err(|error| match error {
        yuan_eval::Error::Request { problem, hint } => usage(problem, hint),
        error @ yuan_eval::Error::NoData { .. } => usage(error.to_string(), error.hint()),
        other => other.into(),
    })
}

fn list(as_json: bool) -> anyhow::Result<Done> {
    if as_json {
        let task = |task: &yuan_eval::tasks::Task| {
            json!({
                "task": task.name, "mode": task.mode.name(), "title": task.title, "shots": task.shots, "files": task.files,
            })
        };
        print(&json!(TASKS.iter().map(task).collect::<Vec<_>>()).to_string())?;
        return Ok(Done::All);
    }
    print(&format!("{:<16} {:<14} {:>5}  {}", "task", "mode", "shots", "what, and its files below --data"))?;
    for task in TASKS {
        let (name, mode) = (task.name, task.mode.name());
        print(&format!("{name:<16} {mode:<14} {:>5}  {}\n{:39}{}", task.shots, task.title, "", task.files))?;
    }
    Ok(Done::All)
}
