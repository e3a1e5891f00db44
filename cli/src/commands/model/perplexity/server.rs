//! How likely documents are to a model behind a server.
//!
//! Tokens are made here and sent as ids, so that windows are lm-eval's (`lm_eval/models/api_models.py` 0.4.13, `loglikelihood_rolling`): a
//! request is a window, the token behind it and one that the server writes.

use std::path::Path;

use yuan_eval::remote::Remote;
use yuan_model::perplexity::{LONGEST_DEFAULT_WINDOW, Resets, Scoring, Windows};

use super::kept::Kept;
use super::run::Run;
use super::scorer::Scorer;
use crate::Done;
use crate::args::{Global, ScoringArgs, ServerArgs};
use crate::commands::eval::connect;
use crate::commands::model::asked;
use crate::encoder::ModelTokenizer;
use crate::hints::usage;

/// Tokens that a request has beside a window's: the one behind it, and one that is written.
const BESIDE: usize = 2;
/// Windows that are held for each request that is under way, so that none waits for others.
const AHEAD: usize = 4;

/// Scores documents, or token sets, and keeps the results.
pub fn measure(
    server: &ServerArgs,
    inputs: &[String],
    args: &ScoringArgs,
    out: &Path,
    global: &Global,
) -> anyhow::Result<Done> {
    let wrong = |problem: &str, hint: &str| Err(usage(problem.to_owned(), hint.to_owned()));
    if args.reset_positions || args.reset_attention {
        return wrong(
            "a server reads a text from one end to the other",
            "leave out `--reset-positions` and `--reset-attention`",
        );
    }
    let Some(file) = &args.tokenizer else {
        return wrong(
            "windows are cut by the server's tokens, and there is no tokenizer",
            "name that of its model with `--tokenizer FILE`",
        );
    };
    let tokenizer = ModelTokenizer::load(file)?;
    let eod = end_of_document(&tokenizer);
    let prefix = prefix(args, eod, file)?;
    let remote = connect(server)?;
    let length = length(args, &remote)?;
    let windows = asked(Windows::new(length, args.stride.unwrap_or(length.div_ceil(2))), None)?;
    let windows = super::as_peer(args, windows)?;
    let batch_tokens = args.batch_tokens.max(AHEAD * usize::from(server.concurrency) * length);
    let scoring = Scoring { prefix, windows, batch_tokens, resets: Resets::default() };
    let kept = Kept::open(out, &remote.name(), &scoring)?;
    let mut run = Run::new(Scorer::Server(&remote), scoring, Some(&tokenizer), (inputs, args), global)?;
    run.kept = Some(kept);
    run.eod = eod;
    run.finish(global)
}

/// The token that documents end with, by its name in the families of models that name one.
fn end_of_document(tokenizer: &ModelTokenizer) -> Option<u32> {
    let names = ["<eod>", "<|endoftext|>", "<|end_of_text|>", "</s>"];
    names.iter().find_map(|name| tokenizer.tokenizer().token_to_id(name))
}

fn prefix(args: &ScoringArgs, eod: Option<u32>, file: &Path) -> anyhow::Result<Option<u32>> {
    match args.prefix.as_str() {
        "none" => Ok(None),
        "eod" => eod.map(Some).ok_or_else(|| {
            let problem = format!("`{}` has no token that documents are known to end with", file.display());
            usage(problem, "name it with `--prefix ID`, or say `--prefix none`".to_owned())
        }),
        id => id
            .parse()
            .map(Some)
            .map_err(|_| usage(format!("`--prefix` is `{id}`: it is `eod`, `none` or a token's id"), None)),
    }
}

/// Tokens of a window: those asked for, or as many as the server reads, at most 4096.
fn length(args: &ScoringArgs, remote: &Remote) -> anyhow::Result<usize> {
    let most = remote.max_tokens().map(|most| most.saturating_sub(BESIDE));
    match (args.window.filter(|window| *window > 0), most) {
        (Some(window), Some(most)) if window > most => {
            let problem = format!(
                "windows have {window} tokens, and the server reads {}: those of a window, the one behind it and one that it writes",
                most + BESIDE
            );
            Err(usage(problem, format!("say `--window {most}` or less, or leave it out")))
        }
        (Some(window), _) => Ok(window),
        (None, Some(most)) => Ok(most.min(LONGEST_DEFAULT_WINDOW)),
        (None, None) => {
            let hint = "name it with `--window N`: two less than it reads".to_owned();
            Err(usage("the server does not tell how many tokens it reads".to_owned(), hint))
        }
    }
}
