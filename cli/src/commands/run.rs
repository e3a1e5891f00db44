//! `run`, `clean`, `dedup`, `decontaminate`: a recipe, written down or put together from flags.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context as _;
use indicatif::HumanDuration;
use yuan_dedup::{
    Action, DecontaminateConfig, Exact, ExactKey, IndexMode, Keep, Linkage, Minhash, MinhashDatatrove, Remove,
    RepeatedSubstrings, Simhash,
};
use yuan_pipeline::{Error, Plan, Progress, RunOptions, Summary};

use super::{memory, say, threads};
use crate::Done;
use crate::args::{CleanArgs, DecontaminateArgs, DedupArgs, DedupMethod, Global, ResumeArgs, RunArgs};
use crate::hints::usage;
use crate::presets::{Preset, with_compat};
use crate::progress::shown;
use crate::recipe::{Recipe, StageConfig, base_of};
use crate::{report, summary};

pub fn run(args: &RunArgs, global: &Global) -> anyhow::Result<Done> {
    let recipe = Recipe::read(&args.recipe, &args.set)?;
    execute(&recipe, &base_of(&args.recipe), &args.out, &args.resume, global)
}

pub fn clean(args: &CleanArgs, global: &Global) -> anyhow::Result<Done> {
    let mut stages = args.preset.map_or_else(clean_stages, Preset::stages);
    for stage in &mut stages {
        if let StageConfig::LanguageId(language) = stage
            && !args.lang.is_empty()
        {
            if let Some(wrong) = args.lang.iter().find_map(|code| yuan_filters::check_identified(code).err()) {
                let (problem, hint) = wrong.split_once('\n').unwrap_or((&wrong, ""));
                return Err(usage(format!("`--lang`: {problem}"), hint.to_owned()));
            }
            language.keep.clone_from(&args.lang);
        }
    }
    if let Some(peer) = &args.compat {
        stages = with_compat(stages, peer)?;
    }
    let recipe = Recipe { input: args.input.input(), output: args.output.output(), stages, ..Recipe::default() };
    execute(&recipe, Path::new(""), &args.output.out, &args.output.resume, global)
}

/// The stages of `clean`.
pub fn clean_stages() -> Vec<StageConfig> {
    vec![
        StageConfig::Normalize(Default::default()),
        StageConfig::LanguageId(Default::default()),
        // What is kept does not depend on the order of the two; the cheaper one spares the other work.
        StageConfig::GopherQuality(Default::default()),
        StageConfig::GopherRepetition(Default::default()),
    ]
}

pub fn dedup(args: &DedupArgs, global: &Global) -> anyhow::Result<Done> {
    if let Some(peer) = &args.compat {
        return dedup_as(peer, args, global);
    }
    let has_index = args.update.is_some() || args.against.is_some();
    let methods: &[DedupMethod] = match args.method.as_slice() {
        // Every copy is to be in the index: one of them may be needed when another is taken out.
        [] if has_index => &[DedupMethod::Minhash],
        [] => &[DedupMethod::Exact, DedupMethod::Minhash],
        methods => methods,
    };
    let given = [
        ("--threshold", args.threshold.is_some()),
        ("--linkage", args.linkage.is_some()),
        ("--keep", args.keep.is_some()),
        ("--cluster-size", args.cluster_size.is_some()),
        ("--update", args.update.is_some()),
        ("--against", args.against.is_some()),
    ];
    if let Some((flag, _)) = given.iter().find(|(_, given)| *given)
        && !methods.contains(&DedupMethod::Minhash)
    {
        return Err(usage(format!("`{flag}` is for near-duplicates"), "add `--method minhash`".to_owned()));
    }
    let given = [("--min-length", args.min_length.is_some()), ("--remove", args.remove.is_some())];
    if let Some((flag, _)) = given.iter().find(|(_, given)| *given)
        && !methods.contains(&DedupMethod::Substring)
    {
        return Err(usage(format!("`{flag}` is for repeated passages"), "add `--method substring`".to_owned()));
    }
    let substrings = repeated_substrings(args)?;
    let minhash = near_duplicates(args)?;
    let stages = methods
        .iter()
        .map(|method| match method {
            DedupMethod::Exact => StageConfig::Exact(Exact { within: args.within.clone(), ..Exact::default() }),
            DedupMethod::Url => {
                let exact = Exact { key: ExactKey::Url, within: args.within.clone(), ..Exact::default() };
                StageConfig::Exact(exact)
            }
            DedupMethod::Minhash => StageConfig::Minhash(minhash.clone()),
            DedupMethod::Simhash => StageConfig::Simhash(Simhash { within: args.within.clone(), ..Simhash::default() }),
            DedupMethod::Substring => StageConfig::RepeatedSubstrings(substrings.clone()),
        })
        .collect();
    let recipe = Recipe { input: args.input.input(), output: args.output.output(), stages, ..Recipe::default() };
    execute(&recipe, Path::new(""), &args.output.out, &args.output.resume, global)
}

/// A peer's MinHash, alone.
fn dedup_as(peer: &str, args: &DedupArgs, global: &Global) -> anyhow::Result<Done> {
    if args.language.is_some() && peer != "datatrove" {
        return Err(usage(format!("`--language` is not for `--compat {peer}`"), "leave it out".to_owned()));
    }
    let stage = match peer {
        "datatrove" => StageConfig::MinhashDatatrove(MinhashDatatrove {
            language: args.language.unwrap_or_default(),
            ..MinhashDatatrove::default()
        }),
        "text-dedup" => StageConfig::MinhashTextDedup(Default::default()),
        _ => StageConfig::MinhashDataJuicer(Default::default()),
    };
    let (input, output) = (args.input.input(), args.output.output());
    let recipe = Recipe { input, output, stages: vec![stage], ..Recipe::default() };
    execute(&recipe, Path::new(""), &args.output.out, &args.output.resume, global)
}

/// The settings of `minhash` that the options ask for.
fn near_duplicates(args: &DedupArgs) -> anyhow::Result<Minhash> {
    let mut minhash = Minhash::default();
    if let Some(threshold) = args.threshold {
        minhash.threshold = threshold;
    }
    if args.linkage.as_deref() == Some("components") {
        minhash.linkage = Linkage::Components;
    }
    match args.keep.as_deref() {
        None | Some("first") => {}
        Some("longest") => minhash.keep = Keep::Longest,
        Some(column) => {
            minhash.keep = Keep::Highest;
            minhash.keep_column = column.to_owned();
        }
    }
    minhash.within.clone_from(&args.within);
    minhash.cluster_size_column = args.cluster_size.clone().unwrap_or_default();
    if let Some(index) = &args.update {
        minhash.index = index.to_string_lossy().into_owned();
        minhash.crawl = args.crawl.clone().unwrap_or_else(|| name_of(&args.output.out));
        minhash.id_column.clone_from(&args.input.read.id_field);
    }
    if let Some(index) = &args.against {
        minhash.index = index.to_string_lossy().into_owned();
        minhash.index_mode = IndexMode::Against;
    }
    minhash.validate().map_err(|error| usage(error.to_string(), None))?;
    Ok(minhash)
}

/// The settings of `repeated_substrings` that the options ask for.
fn repeated_substrings(args: &DedupArgs) -> anyhow::Result<RepeatedSubstrings> {
    let default = RepeatedSubstrings::default();
    let substrings = RepeatedSubstrings {
        min_length: args.min_length.unwrap_or(default.min_length),
        remove: if args.remove.as_deref() == Some("all") { Remove::All } else { Remove::Repeats },
        within: args.within.clone(),
        ..default
    };
    substrings.validate().map_err(|error| usage(error.to_string(), None))?;
    Ok(substrings)
}

pub fn decontaminate(args: &DecontaminateArgs, global: &Global) -> anyhow::Result<Done> {
    let default = DecontaminateConfig::default();
    let words = args.ngram.unwrap_or(default.words);
    let characters = args.characters.unwrap_or(default.characters);
    let config = DecontaminateConfig {
        eval_files: args.evals.clone(),
        fields: args.fields.clone(),
        words,
        characters,
        // A shorter n-gram is the shortest text, too.
        min_words: default.min_words.min(words),
        min_characters: default.min_characters.min(characters),
        max_documents: args.max_documents.unwrap_or(default.max_documents),
        min_overlap: args.min_overlap.unwrap_or(default.min_overlap),
        action: match args.action.as_str() {
            "cut" => Action::Cut,
            "report" => Action::Report,
            _ => Action::Drop,
        },
        ..default
    };
    let stages = vec![StageConfig::Decontaminate(config)];
    let recipe = Recipe { input: args.input.input(), output: args.output.output(), stages, ..Recipe::default() };
    execute(&recipe, Path::new(""), &args.output.out, &args.output.resume, global)
}

/// Runs a recipe in a folder, then prints the summary and writes the report.
pub fn execute(
    recipe: &Recipe,
    base: &Path,
    folder: &Path,
    resume: &ResumeArgs,
    global: &Global,
) -> anyhow::Result<Done> {
    let start = Instant::now();
    let summary = engine(recipe, base, folder, resume, global)?;
    finish(&summary, folder, start, global)
}

/// Prints the summary of a run and writes its report.
pub fn finish(summary: &Summary, folder: &Path, start: Instant, global: &Global) -> anyhow::Result<Done> {
    say(global, &summary::text(summary));
    if summary.kept.documents == 0 && summary.finished {
        say(global, "warning: no document came through");
    }
    let page = report::write(summary, &folder.join("report.html"))?;
    let done = if summary.finished { "done" } else { "stopped where you asked" };
    say(
        global,
        &format!(
            "{done} in {}; {} and {}",
            HumanDuration(start.elapsed()),
            folder.join("out").display(),
            page.display()
        ),
    );
    Ok(ending(summary, folder, global))
}

/// Exit status 3, with a word, if records were set aside.
pub fn ending(summary: &Summary, folder: &Path, global: &Global) -> Done {
    let set_aside: u64 = summary.set_aside.iter().map(|(_, tally)| tally.documents).sum();
    if set_aside == 0 {
        return Done::All;
    }
    say(global, &format!("{set_aside} records were set aside: see {}", folder.join("set_aside").display()));
    Done::SetAside
}

/// Runs a recipe in a folder.
pub fn engine(
    recipe: &Recipe,
    base: &Path,
    folder: &Path,
    resume: &ResumeArgs,
    global: &Global,
) -> anyhow::Result<Summary> {
    let plan = sound(recipe.plan(base, folder))?;
    run_plan(&plan, recipe, base, resume, global)
}

/// Runs a plan in its folder and leaves the recipe it came from there.
pub fn run_plan(
    plan: &Plan,
    recipe: &Recipe,
    base: &Path,
    resume: &ResumeArgs,
    global: &Global,
) -> anyhow::Result<Summary> {
    let folder = &plan.folder;
    yuan_pipeline::check_folder(plan)?;
    // It tells a run that has begun from a folder that holds somebody's recipe.
    let work = folder.join("work");
    std::fs::create_dir_all(&work).map_err(Error::io("create", &work))?;
    let threads = threads(global);
    let options = RunOptions {
        threads,
        memory: memory(global),
        keep_work: resume.keep_work,
        from: resume.from.clone(),
        until: resume.until.clone(),
    };
    let cancelled = cancel_on_signals()?;
    let progress = Progress::default();
    // `explain` and `report` rebuild the stages from it, also of a run that was stopped.
    if !folder.join("recipe.toml").exists() {
        write_recipe(recipe, base, folder)?;
    }
    shown(global, &progress, || yuan_pipeline::run(plan, &options, &progress, &cancelled))?;
    write_recipe(recipe, base, folder)?;
    Ok(Summary::read(folder)?)
}

/// A recipe that cannot be planned is a mistake of its writer: exit status 2.
pub fn sound<T>(planned: Result<T, Error>) -> anyhow::Result<T> {
    planned.map_err(|error| usage(error.to_string(), error.hint()))
}

/// The recipe as run, with every default spelt out and paths that stand by themselves.
fn write_recipe(recipe: &Recipe, base: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut recipe = recipe.clone();
    for path in &mut recipe.input.paths {
        if path != "-" {
            *path = absolute(Path::new(path)).to_string_lossy().into_owned();
        }
    }
    let made: Vec<PathBuf> = recipe.stages.iter().filter_map(StageConfig::makes).map(Path::to_path_buf).collect();
    for stage in &mut recipe.stages {
        stage.place_files(&absolute(base), &made);
    }
    let text = toml::to_string(&recipe).context("the recipe as run")?;
    let path = folder.join("recipe.toml");
    std::fs::write(&path, text).map_err(Error::io("write", &path))?;
    Ok(())
}

/// The name of a folder, whatever way its path is written.
pub fn name_of(folder: &Path) -> String {
    let path = absolute(folder);
    let name = path.components().next_back().map(|name| name.as_os_str().to_string_lossy().into_owned());
    name.unwrap_or_default()
}

fn absolute(path: &Path) -> PathBuf {
    // The folder of `r.toml` is the empty path, which the library refuses.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The first Ctrl-C asks workers to finish their units; a second ends the process at once.
pub fn cancel_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let cancelled = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, cancelled.clone())?;
        signal_hook::flag::register(signal, cancelled.clone())?;
    }
    Ok(cancelled)
}
