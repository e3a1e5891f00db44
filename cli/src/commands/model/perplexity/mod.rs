//! `model perplexity` and `eval perplexity`: how likely documents are.

mod kept;
mod run;
mod scorer;
mod server;
mod total;

use std::path::Path;

use yuan_model::perplexity::{Resets, Scoring, Windows};
use yuan_model::{Description, tokenizer_of};

use crate::Done;
use crate::args::{EvalPerplexityArgs, Global, PerplexityArgs, ScoringArgs};
use crate::commands::say;
use crate::encoder::ModelTokenizer;
use crate::hints::usage;
use kept::Kept;
use run::Run;
use scorer::Scorer;

pub fn perplexity(args: &PerplexityArgs, global: &Global) -> anyhow::Result<Done> {
    measure(&args.model, &args.inputs, &args.how, None, global)
}

/// By domains, in lm-eval's windows unless others are asked for, with results that are kept.
pub fn by_domains(args: &EvalPerplexityArgs, global: &Global) -> anyhow::Result<Done> {
    let mut how = args.how.clone();
    if how.stride.is_none() {
        how.compat.get_or_insert_with(|| "lm-eval".to_owned());
    }
    let (model, inputs) = match (&args.server.endpoint, args.given.split_first()) {
        (None, Some((model, inputs))) => (Some(model), inputs),
        _ => (None, &args.given[..]),
    };
    if inputs.is_empty() == how.tokens.is_empty() {
        let hint = "name files or folders of documents behind the model, or token sets with `--tokens PREFIX`";
        let problem = match inputs.is_empty() {
            true => "there are no documents to score",
            false => "there are documents and token sets: score one of them at a time",
        };
        return Err(usage(problem.to_owned(), hint.to_owned()));
    }
    match model {
        Some(model) => measure(Path::new(model), inputs, &how, Some(&args.out), global),
        None => server::measure(&args.server, inputs, &how, &args.out, global),
    }
}

fn measure(
    path: &Path,
    inputs: &[String],
    args: &ScoringArgs,
    out: Option<&Path>,
    global: &Global,
) -> anyhow::Result<Done> {
    // What is wrong with the model is told before what is wrong with its tokenizer, and both before the weights are read.
    let description = super::describe_files(path)?;
    let scoring = scoring(args, &description)?;
    let (window, trained) = (scoring.windows.length(), description.config.max_positions());
    if window > trained {
        say(global, &format!("warning: windows have {window} tokens, and the model was trained for {trained}"));
    }
    // Token sets need one only to tell their bytes.
    let file = match args.tokens.is_empty() {
        true => Some(super::tokenizer_file(path, args.tokenizer.as_deref())?),
        false => args.tokenizer.clone().or_else(|| tokenizer_of(path)),
    };
    let tokenizer = file.as_ref().map(|path| ModelTokenizer::load(path)).transpose()?;
    let kept = match out {
        Some(out) => Some(Kept::open(out, &super::identity(path, file.as_deref(), &args.run)?, &scoring)?),
        None => None,
    };
    let model = super::open(path, &args.run, global)?;
    let mut run = Run::new(Scorer::Model(&model), scoring, tokenizer.as_ref(), (inputs, args), global)?;
    run.kept = kept;
    run.eod = model.config().eod();
    run.finish(global)
}

fn scoring(args: &ScoringArgs, model: &Description) -> anyhow::Result<Scoring> {
    let (window, stride) = (args.window.unwrap_or(0), args.stride.unwrap_or(0));
    let mut scoring = super::asked(Scoring::of(model, &args.prefix, window, stride, args.batch_tokens), None)?;
    if args.reset_positions || args.reset_attention {
        let eod = model.config.eod().ok_or_else(|| {
            let hint = "leave out `--reset-positions` and `--reset-attention`";
            usage("the model names no token that documents end with".to_owned(), hint.to_owned())
        })?;
        scoring.resets = Resets { eod, positions: args.reset_positions, attention: args.reset_attention };
    }
    scoring.windows = as_peer(args, scoring.windows)?;
    Ok(scoring)
}

/// Windows as another tool cuts them, if one is named.
fn as_peer(args: &ScoringArgs, windows: Windows) -> anyhow::Result<Windows> {
    Ok(match args.compat.as_deref() {
        None => windows,
        Some("transformers") => windows.aligned(),
        Some("lm-eval") if args.stride.is_some() => {
            return Err(usage(
                "`--compat lm-eval` goes on by whole windows".to_owned(),
                "leave out `--stride`".to_owned(),
            ));
        }
        Some("lm-eval") => Windows::new(windows.length(), windows.length())?,
        Some(other) => return Err(usage(format!("`--compat {other}`: there are `lm-eval` and `transformers`"), None)),
    })
}
