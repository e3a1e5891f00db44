//! A model of `yuan-model` and its tokenizer as what `yuan-eval` evaluates.

use std::collections::VecDeque;
use std::path::Path;

use yuan_eval::{Error, LanguageModel, Likelihood, Request, Result, Take, Writing, Written};
use yuan_model::continuations::{Continuations, Continued};
use yuan_model::generate::{Generation, Sampling, StopRules, Stopped, generate};
use yuan_model::{Encode as _, Model};

use crate::args::{EvalTasksArgs, Global};
use crate::commands::model::{describe_files, identity, never, open, tokenizer_file};
use crate::encoder::ModelTokenizer;
use crate::hints::usage;

/// A model on this machine.
pub struct Local {
    model: Model,
    tokenizer: ModelTokenizer,
    identity: String,
    /// Ids that end a text.
    ends: Vec<u32>,
    /// Ids that are never written.
    never: Vec<u32>,
    /// Texts that are written at a time.
    batch: usize,
    batch_tokens: usize,
}

impl Local {
    /// Opens a model and its tokenizer.
    pub fn open(path: &Path, args: &EvalTasksArgs, global: &Global) -> anyhow::Result<Self> {
        // What is wrong with the model is told before what is wrong with its tokenizer, and both before the weights are read.
        let description = describe_files(path)?;
        let file = tokenizer_file(path, args.tokenizer.as_deref())?;
        // `<sep>` and `<eod>` of prompts are control tokens.
        let tokenizer = ModelTokenizer::parsing_special(&file)?;
        let vocab_size = description.config.vocab_size();
        if tokenizer.vocab_size() > vocab_size {
            let (most, file) = (tokenizer.vocab_size() - 1, file.display());
            let problem = format!("`{file}` has ids up to {most}, and the model has {vocab_size} tokens");
            return Err(usage(problem, "name the model's own with `--tokenizer FILE`".to_owned()));
        }
        let mut ends = description.eos.clone();
        ends.extend(description.config.eod());
        let never = never(&description, &tokenizer, &ends);
        let identity = identity(path, Some(&file), &args.run)?;
        let model = open(path, &args.run, global)?;
        Ok(Self {
            model,
            tokenizer,
            identity,
            ends,
            never,
            batch: args.batch.get(),
            batch_tokens: args.batch_tokens.max(1),
        })
    }

    /// What tells it apart from other models: its name and a hash of its files' ends.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.tokenizer.encode(text, &mut ids).map_err(|error| Error::Model(error.into()))?;
        Ok(ids)
    }

    fn positions(&self) -> usize {
        self.model.config().max_positions()
    }

    /// The tokens of a context with its continuation, and how many of them are the continuation's.
    fn pair(&self, context: &str, continuation: &str) -> Result<(Vec<u32>, usize)> {
        if context.is_empty() {
            let eod = self.model.config().eod();
            let eod =
                eod.ok_or_else(|| failed("nothing stands before the text, and the model names no end of document"))?;
            let mut ids = self.encode(continuation)?;
            let count = ids.len();
            ids.insert(0, eod);
            return Ok((ids, count));
        }
        let bare = context.trim_end();
        let whole = self.encode(&[context, continuation].concat())?;
        let before = self.encode(bare)?.len();
        // What nothing stands before is not predicted.
        let count = whole.len().saturating_sub(before).min(whole.len().saturating_sub(1));
        Ok((whole, count))
    }
}

fn failed(problem: impl Into<String>) -> Error {
    Error::Model(problem.into().into())
}

fn of_model(error: yuan_model::Error) -> Error {
    Error::Model(Box::new(error))
}

impl Local {
    /// Continues prompts that are written in the same way, numbered from the first's number on.
    fn written(&self, requests: &[Request<'_>], how: &Writing) -> Result<Vec<Written>> {
        let positions = self.positions();
        // The end of a prompt is what matters: its beginning goes, if both do not fit.
        let most = positions - how.max_new_tokens.clamp(1, positions.div_ceil(2));
        let generation = Generation {
            sampling: Sampling {
                temperature: how.temperature,
                top_k: how.top_k,
                top_p: how.top_p,
                repetition_penalty: 1.0,
                seed: how.seed,
            },
            stop: StopRules { ids: self.ends.clone(), strings: how.stop.clone(), max_new_tokens: how.max_new_tokens },
            max_positions: positions,
            never: self.never.clone(),
        };
        let mut cut = Vec::new();
        let mut ids = Vec::new();
        for request in requests {
            let all = self.encode(request.prompt)?;
            cut.push(all.len() > most);
            ids.push(all[all.len().saturating_sub(most)..].to_vec());
        }
        let piece = |id: u32| self.tokenizer.tokenizer().token_bytes(id).unwrap_or_default();
        let first = requests.first().map_or(0, |request| request.number as usize);
        let texts =
            generate(self.model.engine(), &ids, first, &generation, &piece, &mut |_, _| {}).map_err(of_model)?;
        let texts = texts.into_iter().zip(&ids).zip(cut);
        Ok(texts
            .map(|((text, prompt), is_cut)| Written {
                has_ended: text.stopped != Stopped::Length,
                prompt_tokens: prompt.len(),
                tokens: text.ids.len(),
                is_cut,
                text: text.text,
            })
            .collect())
    }

    /// Scores continuations some at a time; what is known goes on at once, until it is told not to.
    fn scored(&self, pairs: &[(&str, &str)], take: &mut Take<'_, Likelihood>) -> Result<(), (usize, Error)> {
        let mut continuations = Continuations::new(self.model.engine(), self.batch_tokens);
        // The pair of each that waits, and whether its context lost its beginning.
        let mut waiting: VecDeque<(usize, bool)> = VecDeque::new();
        let known = |waiting: &mut VecDeque<(usize, bool)>, scored: Vec<Continued>| {
            let places = waiting.drain(..scored.len()).zip(scored);
            let found = places.map(|((place, is_cut), Continued { log_prob, is_greedy, tokens })| {
                (place, Ok(Likelihood { log_prob, is_greedy, tokens, is_cut }))
            });
            found.collect::<Vec<_>>()
        };
        for (place, (context, continuation)) in pairs.iter().enumerate() {
            let failed_here = |error| (place, error);
            let (ids, count) = self.pair(context, continuation).map_err(failed_here)?;
            if count == 0 {
                return Err(failed_here(failed(format!("the continuation `{continuation}` has no tokens"))));
            }
            // The model reads all tokens but the last, as many as it was trained for.
            let start = ids.len().saturating_sub(self.positions() + 1);
            let ids = ids[start..].to_vec();
            let count = count.min(ids.len() - 1);
            let scored = continuations.push(ids, count).map_err(of_model).map_err(failed_here)?;
            if !scored.is_empty() && !take(known(&mut waiting, scored)) {
                return Ok(());
            }
            waiting.push_back((place, start > 0));
        }
        let scored = continuations.finish().map_err(|error| (pairs.len().saturating_sub(1), of_model(error)))?;
        take(known(&mut waiting, scored));
        Ok(())
    }
}

impl LanguageModel for Local {
    fn write(&mut self, requests: &[Request<'_>], take: &mut Take<'_, Written>) {
        let mut place = 0;
        for alike in requests
            .chunk_by(|a, b| std::ptr::eq(a.how, b.how) && (a.number + 1 == b.number || a.how.temperature == 0.0))
        {
            for part in alike.chunks(self.batch) {
                let written = match self.written(part, part[0].how) {
                    Ok(texts) => texts.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                };
                if !take((place..).zip(written).collect()) {
                    return;
                }
                place += part.len();
            }
        }
    }

    fn likelihoods(&mut self, pairs: &[(&str, &str)], take: &mut Take<'_, Likelihood>) {
        if pairs.is_empty() {
            return;
        }
        if let Err((place, error)) = self.scored(pairs, take) {
            take(vec![(place, Err(error))]);
        }
    }
}
