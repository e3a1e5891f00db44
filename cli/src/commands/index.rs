//! `index`: what was seen in earlier crawls.

use std::fmt::Write as _;
use std::path::Path;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use yuan_dedup::{Index, Place, Selection};
use yuan_pipeline::{Context, Error};

use super::run::cancel_on_signals;
use super::{memory, print, say, threads};
use crate::Done;
use crate::args::{Global, IndexCommand};
use crate::hints::usage;

pub fn index(command: &IndexCommand, global: &Global) -> anyhow::Result<Done> {
    match command {
        IndexCommand::Info { index, json } => info(index, *json),
        IndexCommand::List { index } => list(index),
        IndexCommand::Verify { index } => verify(index),
        IndexCommand::Remove { index, ids, crawl } => remove(index, ids.as_deref(), crawl.as_deref(), global),
        IndexCommand::Merge { index, other } => merge(index, other, global),
    }
}

fn info(path: &Path, as_json: bool) -> anyhow::Result<Done> {
    let index = Index::open(path)?;
    let (crawls, history) = (index.crawls()?, index.history()?);
    if as_json {
        print(&json!({ "parameters": index.parameters(), "crawls": crawls, "history": history }).to_string())?;
        return Ok(Done::All);
    }
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:<24} {:>14} {:>14} {:>12} {:>7} {:>12}",
        "crawl", "documents", "kept", "taken out", "files", "size"
    );
    for crawl in &crawls {
        let _ = writeln!(
            out,
            "{:<24} {:>14} {:>14} {:>12} {:>7} {:>12}",
            crawl.name,
            HumanCount(crawl.documents).to_string(),
            HumanCount(crawl.kept).to_string(),
            HumanCount(crawl.removed).to_string(),
            HumanCount(crawl.inputs).to_string(),
            HumanBytes(crawl.bytes).to_string()
        );
    }
    let parameters = index.parameters().as_object().into_iter().flatten();
    let parameters: Vec<String> = parameters.map(|(name, value)| format!("{name} = {value}")).collect();
    let _ = writeln!(out, "\nmade with {}", parameters.join(", "));
    for event in history {
        let _ =
            writeln!(out, "{} {:<8} {:>12} of {}", event.time, event.action, HumanCount(event.documents), event.crawl);
    }
    print(&out)?;
    Ok(Done::All)
}

fn list(path: &Path) -> anyhow::Result<Done> {
    use std::io::Write;
    let index = Index::open(path)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let listed = index.members(|member| {
        let line = json!(member).to_string();
        out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(Error::io("write", "stdout"))
    });
    match listed {
        // A reader that left early is no failure.
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => Ok(Done::All),
        listed => {
            listed?;
            out.flush()?;
            Ok(Done::All)
        }
    }
}

fn verify(path: &Path) -> anyhow::Result<Done> {
    let index = Index::open(path)?;
    let problems = index.verify()?;
    for problem in &problems {
        print(problem)?;
    }
    if problems.is_empty() {
        let crawls = index.crawls()?;
        let documents = crawls.iter().map(|crawl| crawl.documents).sum();
        print(&format!("sound: {} crawls, {} documents", crawls.len(), HumanCount(documents)))?;
        return Ok(Done::All);
    }
    Ok(Done::Unsound)
}

fn remove(path: &Path, ids: Option<&Path>, crawl: Option<&str>, global: &Global) -> anyhow::Result<Done> {
    let selection = match (ids, crawl) {
        (Some(file), crawl) => {
            let text = std::fs::read_to_string(file).map_err(Error::io("read", file))?;
            let ids: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
            if ids.is_empty() {
                return Err(usage(format!("`{}` names no document", file.display()), None));
            }
            Selection::Documents { ids, crawl: crawl.map(str::to_owned) }
        }
        (None, Some(crawl)) => Selection::Crawl(crawl.to_owned()),
        (None, None) => {
            return Err(usage("no document is named", "give `--ids FILE` or `--crawl NAME`".to_owned()));
        }
    };
    let removal = in_scratch(path, global, |index, context| index.remove(&selection, context))?;
    let change = |what: &str, place: &Place| json!({ "change": what, "document": place });
    let moved = |(place, keeper, similarity): &(Place, Place, f32)| json!({ "change": "moved", "document": place, "keeper": keeper, "similarity": similarity });
    let lines = removal.removed.iter().map(|place| change("removed", place));
    let lines = lines.chain(removal.promoted.iter().map(|place| change("promoted", place)));
    let lines = lines.chain(removal.moved.iter().map(moved));
    let mut lines = lines.chain(removal.missing.iter().map(|id| json!({ "change": "missing", "id": id })));
    lines.try_for_each(|line: Value| tell(&line))?;
    say(
        global,
        &format!(
            "{} documents taken out, {} promoted, {} moved, {} not found",
            HumanCount(removal.documents),
            HumanCount(removal.promoted.len() as u64),
            HumanCount(removal.moved.len() as u64),
            HumanCount(removal.missing.len() as u64)
        ),
    );
    Ok(Done::All)
}

fn merge(path: &Path, other: &Path, global: &Global) -> anyhow::Result<Done> {
    let other = Index::open(other)?;
    let (mut dropped, mut promoted) = (0, 0);
    in_scratch(path, global, |index, context| {
        index.merge(&other, context, |change| {
            let line = match &change.keeper {
                Some(keeper) => {
                    dropped += 1;
                    json!({ "change": "dropped", "document": change.document, "keeper": keeper, "similarity": change.similarity })
                }
                None => {
                    promoted += 1;
                    json!({ "change": "promoted", "document": change.document })
                }
            };
            tell(&line)
        })
    })?;
    say(global, &format!("{} documents dropped now, {} promoted", HumanCount(dropped), HumanCount(promoted)));
    Ok(Done::All)
}

/// A line on stdout; a reader that left early is no reason to stop half-way.
fn tell(line: &Value) -> Result<(), Error> {
    match print(&line.to_string()).map_err(|error| error.downcast::<std::io::Error>()) {
        Err(Ok(source)) if source.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::io("write", "stdout")(source)),
        _ => Ok(()),
    }
}

/// Works on an index with a folder for what does not fit in memory; Ctrl-C leaves the index as it was.
fn in_scratch<T>(
    path: &Path,
    global: &Global,
    work: impl FnOnce(&mut Index, &Context<'_>) -> Result<T, Error>,
) -> anyhow::Result<T> {
    let mut index = Index::open(path)?;
    let cancelled = cancel_on_signals()?;
    let scratch = own_folder(path)?;
    let context = Context::new(memory(global), threads(global), scratch.clone(), &cancelled);
    let done = work(&mut index, &context);
    std::fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
    Ok(done?)
}

/// A folder of this process inside another.
fn own_folder(path: &Path) -> anyhow::Result<std::path::PathBuf> {
    let scratch = path.join(format!("scratch-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).map_err(Error::io("create", &scratch))?;
    Ok(scratch)
}
