//! What models are trained on and what they read: token sets, made by runs in folders of their own.

use std::path::{Path, PathBuf};

use yuan_binidx::WriteBinidx;
use yuan_dedup::DecontaminateConfig;
use yuan_pipeline::{Input, Output, Summary};
use yuan_tokenizer::TokenizeConfig;

use super::{run_folder, tokens};
use crate::args::{Global, ResumeArgs};
use crate::commands::{run, say};
use crate::hints::usage;
use crate::recipe::{Recipe, StageConfig, base_of};

/// Held-out documents of a domain.
pub struct HeldOut {
    pub name: String,
    /// The files they come from.
    pub files: String,
    /// Prefix of their token set.
    pub tokens: PathBuf,
}

/// What a recipe makes.
pub struct Corpus {
    pub name: String,
    /// Prefix of its token set.
    pub tokens: PathBuf,
    /// Documents read and kept.
    pub read: u64,
    pub kept: u64,
    /// Tokens of those that are kept.
    pub count: u64,
}

impl HeldOut {
    /// Tokenizes the files of a domain.
    pub fn tokenize(
        name: String,
        files: &str,
        text_field: &str,
        tokenizer: &Path,
        out: &Path,
        global: &Global,
    ) -> anyhow::Result<Self> {
        let input = Input { paths: vec![files.to_owned()], text_field: text_field.to_owned(), ..Input::default() };
        let recipe = Recipe { input, output: no_documents(), stages: to_tokens(tokenizer)?, ..Recipe::default() };
        let folder = run_folder(out, "held-out", &name);
        let summary = run::engine(&recipe, Path::new(""), &folder, &ResumeArgs::default(), global)?;
        let (documents, count) = written(&summary);
        if count == 0 {
            return Err(usage(format!("`{files}` has no text to hold out"), None));
        }
        say(global, &format!("{name}: {documents} documents held out, {} tokens", tokens(count)));
        Ok(Self { name, files: files.to_owned(), tokens: folder.join("out/tokens") })
    }
}

impl Corpus {
    /// Runs a recipe up to its documents, drops those with text of what is held out, and tokenizes the rest.
    pub fn make(
        name: String,
        path: &Path,
        held_out: &[HeldOut],
        text_field: &str,
        tokenizer: &Path,
        out: &Path,
        global: &Global,
    ) -> anyhow::Result<Self> {
        let mut recipe = Recipe::read(path, &[])?;
        let is_of_tokens = |stage: &StageConfig| {
            use StageConfig::{PruneTokenizer, Tokenize, TrainTokenizer, WriteBinidx};
            matches!(stage, TrainTokenizer(_) | PruneTokenizer(_) | Tokenize(_) | WriteBinidx(_))
        };
        if recipe.stages.iter().any(is_of_tokens) {
            say(global, &format!("{name}: its tokens are made with the tokenizer of all, not by its own steps"));
        }
        recipe.stages.retain(|stage| !is_of_tokens(stage));
        let eval_files = held_out.iter().map(|set| std::path::absolute(&set.files)).collect::<Result<_, _>>()?;
        let fields = vec![text_field.to_owned()];
        recipe.stages.push(StageConfig::Decontaminate(DecontaminateConfig {
            eval_files,
            fields,
            ..Default::default()
        }));
        recipe.stages.extend(to_tokens(tokenizer)?);
        recipe.output = no_documents();
        let folder = run_folder(out, &name, "data");
        let summary = run::engine(&recipe, &base_of(path), &folder, &ResumeArgs::default(), global)?;
        let (kept, count) = written(&summary);
        if count == 0 {
            return Err(usage(format!("`{}` keeps no document", path.display()), None));
        }
        let read = summary.read.documents;
        say(global, &format!("{name}: {kept} of {read} documents, {} tokens", tokens(count)));
        Ok(Self { name, tokens: folder.join("out/tokens"), read, kept, count })
    }
}

fn no_documents() -> Output {
    Output { documents: false, ..Output::default() }
}

fn to_tokens(tokenizer: &Path) -> anyhow::Result<Vec<StageConfig>> {
    let tokenizer = std::path::absolute(tokenizer)?;
    Ok(vec![
        StageConfig::Tokenize(TokenizeConfig { tokenizer, ..TokenizeConfig::default() }),
        StageConfig::WriteBinidx(WriteBinidx { shuffle: true, ..WriteBinidx::default() }),
    ])
}

/// Documents and tokens that a run has written.
pub fn written(summary: &Summary) -> (u64, u64) {
    let mut tallies = summary.steps.iter().flat_map(|step| &step.tallies);
    let written = tallies.find(|(kind, key, _)| kind == "tokens" && key == "written");
    written.map_or((0, 0), |(_, _, tally)| (tally.documents, tally.bytes))
}
