//! `model`: neural language models.

mod bench;
mod generate;
mod identity;
mod info;
mod perplexity;
mod serve;

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use yuan_model::check::{Comparison, FIXTURE, compare};
use yuan_model::convert;
use yuan_model::generate::ChatTemplate;
use yuan_model::weights::quantised::round::Packing;
use yuan_model::{Config, Description, Model, bundled, tokenizer_of};

use super::{print, say};
use crate::Done;
use crate::args::{ConvertArgs, Global, ModelCommand, ProgressKind, RunOnArgs};
use crate::encoder::ModelTokenizer;
use crate::hints::usage;

pub use identity::identity;
pub use perplexity::by_domains as perplexity_by_domains;
pub use serve::serve;

/// What to do where the device asked for is not there.
const NO_DEVICE: &str = "take `--device cpu`, or build this program with `--features cuda` where there is a GPU";

pub fn model(command: &ModelCommand, global: &Global) -> anyhow::Result<Done> {
    match command {
        ModelCommand::Info { model, json } => info::info(model, *json, global),
        ModelCommand::Check { model, tolerance, run, json } => check(model, *tolerance, run, *json, global),
        ModelCommand::Convert(args) => convert(args, global),
        ModelCommand::Perplexity(args) => perplexity::perplexity(args, global),
        ModelCommand::Generate(args) => generate::generate(args, global),
        ModelCommand::Bench { .. } => bench::bench(command, global),
    }
}

/// What was asked for, or why it makes no sense: a mistake on the command line.
pub(super) fn asked<T>(result: yuan_model::Result<T>, hint: Option<&str>) -> anyhow::Result<T> {
    result.map_err(|error| match error {
        yuan_model::Error::Request { problem } => usage(problem, hint.map(str::to_owned)),
        other => other.into(),
    })
}

/// Opens a model, and says what is odd about its files.
pub(super) fn open(path: &Path, run: &RunOnArgs, global: &Global) -> anyhow::Result<Model> {
    let model = loading(run, global, |on_layer| Model::open(path, run.options(), on_layer))?;
    for warning in &model.description().warnings {
        say(global, &format!("warning: {warning}"));
    }
    let unexpected = model.unexpected();
    if let Some(first) = unexpected.first() {
        let count = unexpected.len();
        say(global, &format!("warning: {count} tensors of the files are of no use to the model: `{first}`…"));
    }
    Ok(model)
}

/// Loads something to a device that is there, with a bar of the layers loaded.
fn loading<T>(
    run: &RunOnArgs,
    global: &Global,
    load: impl FnOnce(&mut dyn FnMut(usize, usize)) -> yuan_model::Result<T>,
) -> anyhow::Result<T> {
    asked(run.device.check(), Some(NO_DEVICE))?;
    let bar = bar(global, Some(1), "loading {bar:30} layer {pos} of {len}, {elapsed}")?;
    let loaded = load(&mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    Ok(loaded?)
}

/// A bar on a terminal, if any is wanted.
pub(super) fn bar(global: &Global, length: Option<u64>, template: &str) -> anyhow::Result<ProgressBar> {
    let is_shown = !global.quiet && matches!(global.progress, ProgressKind::Auto | ProgressKind::Bar);
    let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    Ok(ProgressBar::with_draw_target(length, target).with_style(ProgressStyle::with_template(template)?))
}

fn check(path: &Path, tolerance: f32, run: &RunOnArgs, as_json: bool, global: &Global) -> anyhow::Result<Done> {
    describe_files(path)?;
    let fixture = if path.is_dir() { path.join(FIXTURE) } else { path.with_file_name(FIXTURE) };
    if !fixture.exists() {
        let hint = "a fixture has inputs and what the reference implementation made of them".to_owned();
        return Err(usage(format!("there is no `{}` to compare with", fixture.display()), hint));
    }
    let model = open(path, run, global)?;
    let found = compare(model.engine(), model.config(), &fixture)?;
    // What is no number is not close, a tolerance neither.
    let is_close = |one: &&Comparison| one.problem.is_none() && one.max_delta <= tolerance;
    let wrong = found.len() - found.iter().filter(is_close).count();
    if as_json {
        let values: Vec<_> = found
            .iter()
            .map(|one| {
                let Comparison { name, count, max_delta, problem } = one;
                serde_json::json!({ "name": name, "count": count, "max_delta": max_delta, "problem": problem })
            })
            .collect();
        let device = model.place();
        print(
            &serde_json::json!({ "device": device, "tolerance": tolerance, "wrong": wrong, "values": values })
                .to_string(),
        )?;
    } else {
        let width = found.iter().map(|one| one.name.len()).max().unwrap_or(0);
        for one in &found {
            let mark = match &one.problem {
                Some(problem) => format!("  {problem}"),
                None if is_close(&one) => String::new(),
                None => "  above the tolerance".to_owned(),
            };
            print(&format!("{:width$}  {:>9} values  max |Δ| {:.1e}{mark}", one.name, one.count, one.max_delta))?;
        }
        print(&format!(
            "{} of {} within {tolerance:e} ({}, {})",
            found.len() - wrong,
            found.len(),
            model.place(),
            model.dtype().name()
        ))?;
    }
    Ok(if wrong == 0 && !found.is_empty() { Done::All } else { Done::Unsound })
}

fn convert(args: &ConvertArgs, global: &Global) -> anyhow::Result<Done> {
    let (path, out) = (args.model.as_path(), args.out.as_path());
    let config = args.config.as_deref().map(Config::read).transpose()?;
    let packing = args.bits.map(|bits| Packing { bits, group_size: args.group_size as usize });
    let options = convert::Options {
        dtype: args.dtype,
        packing,
        packs_embeddings: args.with_embeddings,
        max_shard_bytes: args.max_shard_bytes,
    };
    let report = if is_megatron(path) {
        convert::megatron(path, config.as_ref(), out, options)?
    } else {
        convert::weights(path, config.as_ref(), out, options)?
    };
    for warning in &report.warnings {
        say(global, &format!("warning: {warning}"));
    }
    if let Some(first) = report.unexpected.first() {
        say(global, &format!("warning: {} tensors were left out: `{first}`…", report.unexpected.len()));
    }
    let (total, tensors) = (report.config.parameters().total, report.tensors);
    let bits = args.bits.map_or_else(String::new, |bits| format!(", matrices of {bits} bits"));
    print(&format!(
        "{}: {tensors} tensors, {} parameters, {}{bits}",
        out.display(),
        info::count(total),
        report.dtype.name()
    ))?;
    Ok(Done::All)
}

/// Whether it is a checkpoint of Megatron's.
fn is_megatron(path: &Path) -> bool {
    path.join("latest_checkpointed_iteration.txt").exists()
}

/// Ids that are never drawn: they stand for no token. What ends a text, those of `ends`, needs no spelling.
pub(super) fn never(description: &Description, tokenizer: &ModelTokenizer, ends: &[u32]) -> Vec<u32> {
    let vocab_size = description.config.vocab_size() as u32;
    let unspelt = (0..vocab_size).filter(|id| tokenizer.tokenizer().id_to_token(*id).is_none());
    unspelt.chain(description.unused.iter().copied()).filter(|id| !ends.contains(id)).collect()
}

/// The file of a model's tokenizer: the one that is given, or the model's own.
pub(super) fn tokenizer_file(model: &Path, given: Option<&Path>) -> anyhow::Result<PathBuf> {
    given.map(Path::to_path_buf).or_else(|| tokenizer_of(model)).ok_or_else(|| {
        let problem = format!("there is no tokenizer in `{}`", model.display());
        usage(problem, "name the model's own with `--tokenizer FILE`".to_owned())
    })
}

/// How a model's chats are written: by its own template, by that beside its tokenizer, or by that of its kind.
fn template(model: &Path, tokenizer: &Path, config: &Config) -> anyhow::Result<Option<ChatTemplate>> {
    let of_kind = || matches!(config, Config::Qwen2Moe(_)).then(ChatTemplate::chatml);
    let own = ChatTemplate::of(model)?;
    Ok(own.map_or_else(|| ChatTemplate::of(tokenizer), |own| Ok(Some(own)))?.or_else(of_kind))
}

/// What the files of a model that can be run say of it.
pub(super) fn describe_files(path: &Path) -> anyhow::Result<Description> {
    if !bundled::exists(path) {
        let hint = "give a folder with `config.json` and weights, or a GGUF file".to_owned();
        return Err(usage(format!("there is no model `{}`", path.display()), hint));
    }
    Ok(Description::read(path)?)
}

/// What a path or a name says of a model.
fn describe(path: &Path) -> anyhow::Result<Description> {
    if !bundled::exists(path) {
        if let Some(config) = path.to_str().and_then(Config::named) {
            return Ok(Description::of(config));
        }
        let hint = format!("give a folder or a file, or one of the names {}", Config::NAMES.join(", "));
        return Err(usage(format!("there is no model `{}`", path.display()), hint));
    }
    if is_megatron(path) { Ok(convert::megatron_description(path)?) } else { Ok(Description::read(path)?) }
}
