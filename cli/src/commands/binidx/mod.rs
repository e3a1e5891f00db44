//! `binidx`: token datasets looked at and worked on.

mod look;
mod work;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use yuan_binidx::work::Job;
use yuan_pipeline::{Error, Progress};

use super::run::cancel_on_signals;
use super::{memory, threads};
use crate::Done;
use crate::args::{BinidxCommand, Global};
use crate::hints::usage;
use crate::progress::shown;

pub use look::{info, token_id};

pub fn binidx(command: &BinidxCommand, global: &Global) -> anyhow::Result<Done> {
    match command {
        BinidxCommand::Info { prefix, json } => look::info(prefix, *json),
        BinidxCommand::Cat { prefix, tokenizer, from, limit, json } => {
            look::cat(prefix, tokenizer.as_deref(), *from, *limit, *json)
        }
        BinidxCommand::Where { prefix, tokens, id, ids, json } => {
            look::locate(prefix, tokens, id, ids.as_deref(), *json, global)
        }
        BinidxCommand::Verify { prefixes, tokenizer, eod } => {
            look::verify(prefixes, tokenizer.as_deref(), eod.as_deref(), global)
        }
        BinidxCommand::Repair { prefix, out, eod, dtype } => work::repair(prefix, out, *eod, *dtype, global),
        BinidxCommand::Concat { prefixes, out, dtype } => work::concat(prefixes, out, *dtype, global),
        BinidxCommand::Split { prefix, out, cut } => work::split(prefix, out, cut, global),
        BinidxCommand::Remove { prefixes, ids, documents, out } => {
            work::remove(prefixes, ids.as_deref(), documents, out.as_deref(), global)
        }
        BinidxCommand::Convert { sets, out, to, from, from_dtype, dtype, column } => {
            let reading = yuan_binidx::form::Reading { dtype: *from_dtype, column: column.clone() };
            work::convert(sets, out, *to, *from, &reading, *dtype, global)
        }
        BinidxCommand::Pack { prefixes, out, length, method, pad, to, column } => {
            let packing = yuan_binidx::pack::Packing { method: *method, length: *length, pad: *pad };
            work::pack(prefixes, out, packing, *to, column, global)
        }
        BinidxCommand::Samples(args) => super::samples::samples(args),
        BinidxCommand::Shuffle { prefixes, out, seed } => work::shuffle(prefixes, out, *seed, global),
    }
}

/// `tokens` from `tokens`, `tokens.bin` or `tokens.idx`.
pub fn prefix_of(path: &Path) -> PathBuf {
    match path.extension() {
        Some(suffix) if suffix == "bin" || suffix == "idx" => path.with_extension(""),
        _ => path.to_path_buf(),
    }
}

/// Does work that tells how far it is and can be stopped.
fn job<T>(
    global: &Global,
    label: &str,
    bytes: u64,
    work: impl FnOnce(&Job<'_>) -> yuan_binidx::Result<T>,
) -> anyhow::Result<T> {
    let (cancelled, progress) = (cancel_on_signals()?, Progress::default());
    progress.start(label, bytes);
    let job = Job { memory: memory(global), threads: threads(global), cancelled: &cancelled, progress: &progress };
    Ok(shown(global, &progress, || work(&job))?)
}

/// Bytes of the sets' tokens, as far as they are there.
fn token_bytes(prefixes: &[PathBuf]) -> u64 {
    prefixes.iter().filter_map(|prefix| Some(std::fs::metadata(yuan_binidx::bin_path(prefix)).ok()?.len())).sum()
}

/// The ids of a file, one a line.
fn read_ids(file: &Path) -> anyhow::Result<HashSet<String>> {
    let text = std::fs::read_to_string(file).map_err(Error::io("read", file))?;
    let text = text.trim_start_matches('\u{feff}');
    let ids: HashSet<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if ids.is_empty() {
        return Err(usage(format!("`{}` names no document", file.display()), None));
    }
    Ok(ids)
}
