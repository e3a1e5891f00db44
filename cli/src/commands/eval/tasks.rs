//! `eval tasks`: tasks asked of a model.

use std::fs;

use anyhow::Context as _;
use yuan_eval::LanguageModel;
use yuan_eval::data::Data;
use yuan_eval::run::{Evaluation, Settings, Summary, table};
use yuan_eval::sandbox::{Limits, Sandbox};
use yuan_eval::tasks::{Shots, Task};

use super::local::Local;
use super::told;
use crate::Done;
use crate::args::{EvalTasksArgs, Global};
use crate::commands::model::bar;
use crate::commands::run::cancel_on_signals;
use crate::commands::{print, say};
use crate::hints::usage;

pub fn tasks(args: &EvalTasksArgs, global: &Global) -> anyhow::Result<Done> {
    let mut settings = settings(args);
    told(settings.check())?;
    if !args.data.is_dir() {
        let hint = "name the folder of the evaluation sets with `--data DIR`; `yuan-data eval list` tells their files";
        return Err(usage(format!("there is no folder `{}`", args.data.display()), hint.to_owned()));
    }
    let tasks = chosen(args, global)?;
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
        let items = told(task.items(&Data::new(&args.data), &settings.shots))?;
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
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        seed: args.seed,
        max_new_tokens: args.max_new_tokens.map(usize::from),
        tests: args.select_by_tests,
    }
}

/// The tasks that are named. `all` are those of the mode, or each in its own, whose files are there.
fn chosen(args: &EvalTasksArgs, global: &Global) -> anyhow::Result<Vec<&'static Task>> {
    if args.tasks.iter().any(|name| name != "all") {
        let named = args.tasks.iter().filter(|name| *name != "all");
        return named.map(|name| told(Task::find(name, args.mode))).collect();
    }
    let shots = Shots { count: args.shots, file: args.shots_from.clone() };
    let mut tasks = Vec::new();
    for name in Task::names() {
        let Ok(task) = Task::find(name, args.mode) else { continue };
        match task.items(&Data::new(&args.data), &shots) {
            Err(error @ yuan_eval::Error::NoData { .. }) => say(global, &format!("`{name}` is left out: {error}")),
            // What else is wrong is told when the task's turn comes.
            _ => tasks.push(task),
        }
    }
    Ok(tasks)
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
    let file = tempfile::NamedTempFile::new_in(&args.out)?;
    fs::write(file.path(), serde_json::to_string_pretty(&all)? + "\n")?;
    file.persist(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(())
}
