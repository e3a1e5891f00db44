//! `eval tasks`: tasks asked of a model.

use std::fs;

use anyhow::Context as _;
use yuan_eval::LanguageModel;
use yuan_eval::data::Data;
use yuan_eval::run::{Evaluation, Settings, Summary, table};
use yuan_eval::sandbox::{Limits, Sandbox};
use yuan_eval::tasks::{Items, Shots, Task};

use super::local::Local;
use super::told;
use crate::Done;
use crate::args::{EvalTasksArgs, Global};
use crate::commands::model::bar;
use crate::commands::run::cancel_on_signals;
use crate::commands::{print, say, write_whole};
use crate::hints::usage;

pub fn tasks(args: &EvalTasksArgs, global: &Global) -> anyhow::Result<Done> {
    let mut settings = settings(args);
    told(settings.check())?;
    if !args.data.is_dir() {
        let hint = "name the folder of the evaluation sets with `--data DIR`; `yuan-data eval list` tells their files";
        return Err(usage(format!("there is no folder `{}`", args.data.display()), hint.to_owned()));
    }
    let shots = settings.shots.clone();
    let mut tasks = with_items(args, chosen(args)?, &shots, global).peekable();
    // What is wrong with the first is told before a model is read; the items of one task at a time are in memory.
    match tasks.next_if(Result::is_err) {
        Some(wrong) => wrong.map(|_| ())?,
        None if tasks.peek().is_none() => {
            let problem = format!("there are no files of any task in `{}`", args.data.display());
            return Err(usage(problem, "`yuan-data eval list` tells the files of each task".to_owned()));
        }
        None => {}
    }
    let sandbox = sandbox(args, global)?;
    let mut model: Box<dyn LanguageModel> = match (&args.model, &args.server.endpoint) {
        (Some(path), _) => {
            let local = Local::open(path, args, global)?;
            settings.model = local.identity().to_owned();
            Box::new(local)
        }
        (None, _) => {
            let remote = super::connect(&args.server)?;
            settings.model = remote.name();
            Box::new(remote)
        }
    };
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make `{}`", args.out.display()))?;
    let stop = cancel_on_signals()?;
    let mut summaries = Vec::new();
    for task in tasks {
        let (task, items) = task?;
        let bar = bar(global, Some(1), "{msg} {bar:30} {pos} of {len}, {elapsed} (eta {eta})")?;
        bar.set_message(format!("{} ({})", task.name, task.mode));
        let mut evaluation = Evaluation {
            model: &mut *model,
            settings: &settings,
            sandbox: sandbox.as_ref(),
            on_items: &mut |done, all| {
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            },
            stop: &stop,
        };
        let summary = evaluation.run(task, items, &args.out);
        bar.finish_and_clear();
        summaries.push(told(summary)?);
        write_summary(args, &summaries)?;
    }
    match args.json {
        true => print(&serde_json::to_string(&summaries)?)?,
        false => print(&table(&summaries))?,
    }
    // What was refused is in the table with its reason.
    Ok(if summaries.iter().any(|summary| summary.set_aside > 0) { Done::SetAside } else { Done::All })
}

fn settings(args: &EvalTasksArgs) -> Settings {
    Settings {
        model: String::new(),
        limit: args.limit,
        shots: Shots { count: args.shots, file: args.shots_from.clone() },
        samples: args.samples,
        temperature: args.sampling.temperature,
        top_k: args.sampling.top_k,
        top_p: args.sampling.top_p,
        seed: args.sampling.seed,
        max_new_tokens: args.max_new_tokens.map(usize::from),
        tests: args.select_by_tests,
    }
}

/// The tasks that are named; `all` are those of the mode, or each in its own.
fn chosen(args: &EvalTasksArgs) -> anyhow::Result<Vec<&'static Task>> {
    if is_all(args) {
        return Ok(Task::names().into_iter().filter_map(|name| Task::find(name, args.mode).ok()).collect());
    }
    let named = args.tasks.iter().filter(|name| *name != "all");
    named.map(|name| told(Task::find(name, args.mode))).collect()
}

/// Whether no task is named.
fn is_all(args: &EvalTasksArgs) -> bool {
    args.tasks.iter().all(|name| name == "all")
}

/// Tasks with their items, each made when its turn comes. Of `all` those whose files are not there are left out.
fn with_items<'a>(
    args: &'a EvalTasksArgs,
    tasks: Vec<&'static Task>,
    shots: &'a Shots,
    global: &'a Global,
) -> impl Iterator<Item = anyhow::Result<(&'static Task, Items)>> + 'a {
    tasks.into_iter().filter_map(move |task| match task.items(&Data::new(&args.data), shots) {
        Err(error @ yuan_eval::Error::NoData { .. }) if is_all(args) => {
            say(global, &format!("`{}` is left out: {error}", task.name));
            None
        }
        items => Some(told(items).map(|items| (task, items))),
    })
}

fn sandbox(args: &EvalTasksArgs, global: &Global) -> anyhow::Result<Option<Sandbox>> {
    if !args.allow_code_execution {
        return Ok(None);
    }
    let limits = Limits { seconds: args.code_seconds, memory_bytes: args.code_memory, ..Limits::default() };
    let sandbox = match args.allow_code_to_write {
        true => Sandbox::or_writing(&args.python, limits),
        false => Sandbox::new(&args.python, limits),
    };
    let sandbox = told(sandbox)?;
    say(global, &format!("programs of the model are run: {}", sandbox.isolation()));
    Ok(Some(sandbox))
}

/// What the tasks came to so far; those of an earlier command stay.
fn write_summary(args: &EvalTasksArgs, summaries: &[Summary]) -> anyhow::Result<()> {
    let path = args.out.join("summary.json");
    let known: Vec<serde_json::Value> = match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).with_context(|| {
            format!("`{}` is no list of summaries: move it away, or name another `--out`", path.display())
        })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    };
    let new = summaries.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    let is_of = |a: &serde_json::Value, b: &serde_json::Value| {
        ["task", "mode", "model", "asked"].iter().all(|field| a[field] == b[field])
    };
    let mut all: Vec<_> = known.into_iter().filter(|value| !new.iter().any(|new| is_of(value, new))).collect();
    all.extend(new);
    Ok(write_whole(&path, serde_json::to_string_pretty(&all)? + "\n")?)
}
