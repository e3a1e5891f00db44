//! `eval tasks`: tasks asked of a model.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use yuan_eval::LanguageModel;
use yuan_eval::data::Data;
use yuan_eval::remote::{Options, Remote};
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
    let mut model: Box<dyn LanguageModel> = match (&args.model, &args.endpoint) {
        (Some(path), _) => {
            let local = Local::open(path, args, global)?;
            settings.model = local.identity().to_owned();
            Box::new(local)
        }
        (None, endpoint) => {
            let endpoint = endpoint.clone().unwrap_or_default();
            let remote = told(Remote::connect(Options {
                model: args.model_name.clone(),
                api_key: args.api_key.clone().filter(|key| !key.is_empty()),
                timeout: Duration::from_secs(args.timeout.max(1)),
                retries: args.retries,
                concurrency: args.concurrency,
                ..Options::of(endpoint.clone())
            }))?;
            settings.model = format!("{} at {endpoint}", remote.model());
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
        let summary = evaluation.run(task, &Data::new(&args.data), &args.out);
        bar.finish_and_clear();
        summaries.push(told(summary)?);
        write_summary(args, &summaries)?;
    }
    match args.json {
        true => print(&serde_json::to_string(&summaries)?)?,
        false => print(&table(&summaries))?,
    }
    Ok(Done::All)
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
        batch: args.batch,
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
    let limits = Limits { seconds: args.code_seconds.max(1), memory_bytes: args.code_memory, ..Limits::default() };
    let sandbox = told(Sandbox::new(&args.python, limits))?;
    say(global, &format!("programs of the model are run: {}", sandbox.isolation()));
    Ok(Some(sandbox))
}

/// What the tasks came to so far; those of an earlier command stay.
fn write_summary(args: &EvalTasksArgs, summaries: &[Summary]) -> anyhow::Result<()> {
    let path = args.out.join("summary.json");
    let known = fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
    let known: Vec<serde_json::Value> = known.unwrap_or_default();
    let is_known = |value: &serde_json::Value| {
        summaries.iter().any(|it| value["task"] == it.task && value["mode"] == it.mode && value["model"] == it.model)
    };
    let mut all: Vec<serde_json::Value> = known.into_iter().filter(|value| !is_known(value)).collect();
    for summary in summaries {
        all.push(serde_json::to_value(summary)?);
    }
    let file = tempfile::NamedTempFile::new_in(&args.out)?;
    fs::write(file.path(), serde_json::to_string_pretty(&all)? + "\n")?;
    file.persist(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(())
}
