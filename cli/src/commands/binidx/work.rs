//! Sets made of sets.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use indicatif::{HumanBytes, HumanCount};
use yuan_binidx::form::{self, Reading, Target, Tokens};
use yuan_binidx::pack::Packing;
use yuan_binidx::work::{self, Cut, Removal, RepairOptions};
use yuan_binidx::{DType, Form, Written, loss_mask_prefix};
use yuan_pipeline::Error;

use super::look::missing;
use super::{job, prefix_of, read_ids, token_bytes};
use crate::Done;
use crate::args::{CutArgs, Global};
use crate::commands::say;
use crate::hints::usage;

pub fn repair(
    prefix: &Path,
    out: &Path,
    eod: Option<u32>,
    dtype: Option<DType>,
    global: &Global,
) -> anyhow::Result<Done> {
    let (prefix, out) = (prefix_of(prefix), place(out, &[prefix.to_path_buf()])?);
    let bytes = token_bytes(std::slice::from_ref(&prefix));
    let options = RepairOptions { eod, dtype };
    let repair = job(global, "repair", bytes, |job| work::repair(&prefix, &out, options, job))?;
    let lost = format!(
        "documents were told by {}; lost: {} documents, {} of tokens",
        repair.by,
        HumanCount(repair.lost_documents),
        HumanBytes(repair.lost_bytes)
    );
    say(global, &format!("{}\n{lost}", told(&out, &repair.written)));
    if repair.lost_documents == 0 {
        return Ok(Done::All);
    }
    if repair.by == "the file of documents" {
        say(
            global,
            "what its hashes do not vouch for is lost; to go by the index alone, put the .documents.parquet elsewhere",
        );
    }
    Ok(Done::SetAside)
}

pub fn concat(prefixes: &[PathBuf], out: &Path, dtype: Option<DType>, global: &Global) -> anyhow::Result<Done> {
    let prefixes: Vec<PathBuf> = prefixes.iter().map(|prefix| prefix_of(prefix)).collect();
    let out = place(out, &prefixes)?;
    let written = job(global, "concat", token_bytes(&prefixes), |job| work::concat(&prefixes, &out, dtype, job))?;
    say(global, &told(&out, &written));
    Ok(Done::All)
}

pub fn split(prefix: &Path, out: &Path, cut: &CutArgs, global: &Global) -> anyhow::Result<Done> {
    let (prefix, out) = (prefix_of(prefix), place(out, &[])?);
    let cut = match (cut.parts, cut.documents, cut.tokens, &cut.weights) {
        (Some(parts), ..) => Cut::Parts(parts),
        (_, Some(documents), ..) => Cut::Documents(documents),
        (_, _, Some(tokens), _) => Cut::Tokens(tokens),
        (_, _, _, Some(weights)) => Cut::Weights(weights.clone()),
        _ => return Err(usage("it is not said where to cut", "`--parts 4`, for one".to_owned())),
    };
    let bytes = token_bytes(std::slice::from_ref(&prefix));
    let sets = job(global, "split", bytes, |job| work::split(&prefix, &out, &cut, job))?;
    for (prefix, written) in &sets {
        say(global, &told(prefix, written));
    }
    Ok(Done::All)
}

pub fn remove(
    prefixes: &[PathBuf],
    ids: Option<&Path>,
    documents: &[u64],
    out: Option<&Path>,
    global: &Global,
) -> anyhow::Result<Done> {
    let prefixes: Vec<PathBuf> = prefixes.iter().map(|prefix| prefix_of(prefix)).collect();
    if prefixes.len() > 1 && (out.is_some() || !documents.is_empty()) {
        return Err(usage("`--out` and `--documents` are for one set", "give one PREFIX at a time".to_owned()));
    }
    let out = out.map(|out| place(out, &prefixes)).transpose()?;
    let prefixes = with_masks(&prefixes);
    if out.is_none() {
        // A link would be replaced, and what it leads to would stay.
        let files = prefixes.iter().flat_map(|prefix| [yuan_binidx::bin_path(prefix), yuan_binidx::idx_path(prefix)]);
        if let Some(link) = files.into_iter().find(|file| file.is_symlink()) {
            return Err(usage(format!("`{}` is a link", link.display()), "name the set that it leads to".to_owned()));
        }
    }
    let ids = ids.map(read_ids).transpose()?.unwrap_or_default();
    let removal = Removal { ids, documents: BTreeSet::from_iter(documents.iter().copied()) };
    let (mut removed, mut found) = ((0, 0), HashSet::new());
    for prefix in &prefixes {
        let bytes = token_bytes(std::slice::from_ref(prefix));
        // A mask goes beside what becomes of its set.
        let is_mask = out.is_some() && prefixes.iter().any(|set| loss_mask_prefix(set) == *prefix);
        let out = out.as_ref().map(|out| if is_mask { loss_mask_prefix(out) } else { out.clone() });
        let set = job(global, "remove", bytes, |job| work::remove(prefix, out.as_deref(), &removal, job))?;
        removed = (removed.0 + set.documents, removed.1 + set.tokens);
        found.extend(set.found);
        match set.written {
            Some(written) => say(
                global,
                &format!(
                    "{}; {} documents, {} tokens out",
                    told(out.as_deref().unwrap_or(prefix), &written),
                    HumanCount(set.documents),
                    HumanCount(set.tokens)
                ),
            ),
            None => say(global, &format!("{}: none of them is in it", prefix.display())),
        }
    }
    if prefixes.len() > 1 {
        say(global, &format!("{} documents, {} tokens out", HumanCount(removed.0), HumanCount(removed.1)));
    }
    let absent: HashSet<String> = removal.ids.difference(&found).cloned().collect();
    if absent.is_empty() {
        return Ok(Done::All);
    }
    say(global, &missing(&absent));
    Ok(Done::SetAside)
}

/// The sets, and the loss masks beside them, which are sets of the same documents.
fn with_masks(prefixes: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for prefix in prefixes {
        let mask = loss_mask_prefix(prefix);
        let beside = yuan_binidx::idx_path(&mask).is_file() && !prefixes.contains(&mask);
        all.extend(beside.then_some(mask));
        all.push(prefix.clone());
    }
    all
}

pub fn convert(
    sets: &[PathBuf],
    out: &Path,
    to: Option<Form>,
    from: Option<Form>,
    reading: &Reading,
    dtype: Option<DType>,
    global: &Global,
) -> anyhow::Result<Done> {
    let of_name = |path: &Path, flag: &str| {
        Form::of(path).ok_or_else(|| {
            let problem = format!("the name `{}` does not tell its form", path.display());
            usage(problem, format!("`{flag} megatron`, `datatrove`, `olmo` or `parquet`"))
        })
    };
    let to = to.map_or_else(|| of_name(out, "--to"), Ok)?;
    let mut opened: Vec<Box<dyn Tokens>> = Vec::new();
    for path in sets {
        // A bare prefix is Megatron's if its files are there.
        let form = match from.or_else(|| Form::of(path)) {
            Some(form) => form,
            None if yuan_binidx::idx_path(path).is_file() => Form::Megatron,
            None => of_name(path, "--from")?,
        };
        opened.push(form::open(path, form, reading)?);
    }
    let mut target = target(&opened, to, &reading.column);
    target.dtype = dtype.unwrap_or(target.dtype);
    let out = place(out, sets)?;
    let written = job(global, "convert", 0, |job| work::convert(&opened, &target, &out, job))?;
    say(global, &told(&to.file(&out), &written));
    Ok(Done::All)
}

pub fn shuffle(prefixes: &[PathBuf], out: &Path, seed: u64, global: &Global) -> anyhow::Result<Done> {
    let out = place(out, prefixes)?;
    let (sets, target) = megatron(prefixes, Form::Megatron, "input_ids")?;
    let folder = std::path::absolute(&out).map_err(Error::io("find", &out))?;
    let folder = folder.parent().unwrap_or(Path::new("/"));
    let scratch =
        tempfile::Builder::new().prefix(".shuffle-").tempdir_in(folder).map_err(Error::io("create", folder))?;
    let written = job(global, "shuffle", token_bytes(prefixes), |job| {
        work::shuffle(&sets, &target, &out, seed, scratch.path().to_path_buf(), job)
    });
    say(global, &told(&out, &written?));
    Ok(Done::All)
}

pub fn pack(
    prefixes: &[PathBuf],
    out: &Path,
    packing: Packing,
    to: Form,
    column: &str,
    global: &Global,
) -> anyhow::Result<Done> {
    let out = place(out, prefixes)?;
    let (sets, target) = megatron(prefixes, to, column)?;
    if let (Some(pad), Some(size)) = (packing.pad, target.vocabulary.vocab_size)
        && u64::from(pad) >= size
    {
        let hint = "`--pad` is one of its ids, such as that of `<pad>`".to_owned();
        return Err(usage(format!("id {pad} is not in the vocabulary of {size} tokens"), hint));
    }
    let packed =
        job(global, "pack", token_bytes(prefixes), |job| yuan_binidx::pack::pack(&sets, &target, &out, packing, job))?;
    say(
        global,
        &format!(
            "{}: {} sequences of {} tokens from {} documents\n{:.2} % of the documents are cut though they fit, {} are longer; {:.2} % of the room is {}",
            to.file(&out).display(),
            HumanCount(packed.written.sequences),
            HumanCount(packing.length as u64),
            HumanCount(packed.documents),
            100.0 * packed.cut_fraction(),
            HumanCount(packed.long_documents),
            100.0 * packed.empty_fraction(),
            if packing.pad.is_some() { "padding" } else { "left out" }
        ),
    );
    Ok(Done::All)
}

/// Opens Megatron's sets, to become one of this form in the widest of their number types.
fn megatron(prefixes: &[PathBuf], form: Form, column: &str) -> anyhow::Result<(Vec<Box<dyn Tokens>>, Target)> {
    let reading = Reading { dtype: None, column: String::new() };
    let sets: Vec<Box<dyn Tokens>> = prefixes
        .iter()
        .map(|prefix| form::open(&prefix_of(prefix), Form::Megatron, &reading))
        .collect::<yuan_binidx::Result<_>>()?;
    let target = target(&sets, form, column);
    Ok((sets, target))
}

/// What becomes of sets: the widest of their number types, and what is known of all of them.
fn target(sets: &[Box<dyn Tokens>], form: Form, column: &str) -> Target {
    let widest = sets.iter().map(|set| set.dtype()).reduce(|one, other| if one.holds(other) { one } else { other });
    let vocabulary = sets.iter().map(|set| set.vocabulary()).reduce(|one, other| one.common(&other));
    Target {
        form,
        dtype: widest.unwrap_or(DType::I32),
        documents: true,
        marks: true,
        vocabulary: vocabulary.unwrap_or_default(),
        column: column.to_owned(),
    }
}

/// A prefix to be written, in a folder that is made; never one of those that are read.
fn place(out: &Path, sets: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let out = prefix_of(out);
    let there = std::path::absolute(&out).map_err(Error::io("find", &out))?;
    let real = |prefix: &Path| std::fs::canonicalize(yuan_binidx::bin_path(prefix)).ok();
    for set in sets {
        let set = prefix_of(set);
        let is_same = std::path::absolute(&set).is_ok_and(|set| set == there);
        if is_same || real(&set).is_some_and(|set| real(&out) == Some(set)) {
            let problem = format!("`{}` is read and cannot be written at the same time", out.display());
            return Err(usage(problem, "give `--out` another name".to_owned()));
        }
    }
    if let Some(folder) = there.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    Ok(out)
}

fn told(prefix: &Path, written: &Written) -> String {
    format!(
        "{}: {} documents, {} tokens, {}, {}",
        prefix.display(),
        HumanCount(written.documents),
        HumanCount(written.tokens),
        written.dtype,
        HumanBytes(written.bin_bytes + written.idx_bytes)
    )
}
