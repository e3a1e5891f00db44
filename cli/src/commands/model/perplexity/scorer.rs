//! Who scores documents: a model on this machine, or one behind a server.

use anyhow::Context as _;
use yuan_eval::Error;
use yuan_eval::remote::{Remote, TokenScore};
use yuan_model::Model;
use yuan_model::backend::Scored;
use yuan_model::perplexity::{DocumentScore, Scoring, Window, score};

/// Takes a document's number, what it came to, and the log-probabilities of its tokens if they are wanted.
pub type Take<'t> = dyn FnMut(usize, &DocumentScore, &[f64]) -> anyhow::Result<()> + 't;

/// Who scores documents.
pub enum Scorer<'a> {
    Model(&'a Model),
    Server(&'a Remote),
}

impl Scorer<'_> {
    /// Tokens that it has, if that is known.
    pub fn vocab_size(&self) -> Option<usize> {
        match self {
            Self::Model(model) => Some(model.config().vocab_size()),
            Self::Server(_) => None,
        }
    }

    /// Scores documents and hands them over in their order; behind a failure those too that were scored by then.
    pub fn score(
        &self,
        documents: &[&[u32]],
        scoring: &Scoring,
        wants_tokens: bool,
        take: &mut Take<'_>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Model(model) => {
                let mut single = vec![Vec::new(); if wants_tokens { documents.len() } else { 0 }];
                let mut keep =
                    |document: usize, _: usize, scored: Scored| single[document].push(f64::from(scored.log_prob));
                let on_token: Option<&mut dyn FnMut(usize, usize, Scored)> =
                    if wants_tokens { Some(&mut keep) } else { None };
                let scores = score(model.engine(), documents, scoring, on_token)?;
                for (number, score) in scores.iter().enumerate() {
                    take(number, score, single.get(number).map_or(&[], Vec::as_slice))?;
                }
                Ok(())
            }
            Self::Server(remote) => on_server(remote, documents, scoring, wants_tokens, take),
        }
    }
}

/// A document of which windows are asked for.
struct Asked {
    /// The place of its first window among all.
    first: usize,
    /// Its windows, in its text behind the prefix.
    windows: Vec<Window>,
}

/// Windows of all documents are asked for together, several at a time.
fn on_server(
    remote: &Remote,
    documents: &[&[u32]],
    scoring: &Scoring,
    wants_tokens: bool,
    take: &mut Take<'_>,
) -> anyhow::Result<()> {
    let (mut asked, mut owners, mut prompts) = (Vec::new(), Vec::new(), Vec::new());
    for (number, document) in documents.iter().enumerate() {
        let text: Vec<u32> = scoring.prefix.into_iter().chain(document.iter().copied()).collect();
        let windows: Vec<Window> = scoring.windows.of(text.len()).collect();
        let first = prompts.len();
        prompts.extend(windows.iter().map(|window| text[window.inputs.start..window.targets.end].to_vec()));
        owners.resize(prompts.len(), number);
        asked.push(Asked { first, windows });
    }
    let mut found: Vec<Vec<TokenScore>> = vec![Vec::new(); prompts.len()];
    let mut hand_over = |document: usize, found: &[Vec<TokenScore>]| {
        let Asked { first, windows, .. } = &asked[document];
        take_whole(document, windows, &found[*first..][..windows.len()], wants_tokens, take)
    };
    // Those before it are handed over: the next document.
    let mut next = 0;
    let mut left: Vec<usize> = asked.iter().map(|document| document.windows.len()).collect();
    let mut failure: Option<anyhow::Error> = None;
    let mut on_results = |results: Vec<(usize, yuan_eval::Result<Vec<TokenScore>>)>| {
        for (place, result) in results {
            match result {
                Ok(tokens) => {
                    found[place] = tokens;
                    left[owners[place]] -= 1;
                }
                Err(error) => _ = failure.get_or_insert_with(|| refused(error)),
            }
        }
        while failure.is_none() && next < left.len() && left[next] == 0 {
            if let Err(error) = hand_over(next, &found) {
                failure = Some(error);
            }
            next += 1;
        }
        failure.is_none()
    };
    // Documents without a window are whole from the beginning.
    if on_results(Vec::new()) && !prompts.is_empty() {
        remote.tokens(&prompts, &mut on_results);
    }
    let Some(failure) = failure else { return Ok(()) };
    for document in (next..left.len()).filter(|document| left[*document] == 0) {
        hand_over(document, &found)?;
    }
    Err(failure)
}

/// A window that is too long for the server is what is wrong, not its document.
fn refused(error: Error) -> anyhow::Error {
    match error {
        Error::Refused { url, problem, .. } => {
            let hint = "if it is too long for the server: fewer tokens with `--window N`".to_owned();
            Error::Remote { url, problem, hint: Some(hint) }.into()
        }
        other => other.into(),
    }
}

/// Sums a document up, in the order of its tokens.
fn take_whole(
    document: usize,
    windows: &[Window],
    found: &[Vec<TokenScore>],
    wants_tokens: bool,
    take: &mut Take<'_>,
) -> anyhow::Result<()> {
    let mut score = DocumentScore::default();
    let mut single = Vec::new();
    for (window, tokens) in windows.iter().zip(found) {
        // Of a window's tokens the first is not predicted.
        let predicted = window.targets.start - window.inputs.start - 1;
        for token in tokens.get(predicted..).context("the answer tells fewer tokens than there are")? {
            score.log_prob += token.log_prob;
            score.tokens += 1;
            score.greedy_tokens += u64::from(token.is_greedy);
            if wants_tokens {
                single.push(token.log_prob);
            }
        }
    }
    take(document, &score, &single)
}
