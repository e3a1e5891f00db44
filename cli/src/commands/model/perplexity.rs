//! `model perplexity`: how likely documents are.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use indicatif::{HumanCount, ProgressBar};
use serde_json::{Value, json};
use yuan_binidx::TokenSet;
use yuan_model::backend::Scored;
use yuan_model::perplexity::{DocumentScore, Resets, Scoring, Windows, score};
use yuan_model::{Description, Encode as _, Model, tokenizer_of};

use super::kept::Kept;
use crate::Done;
use crate::args::{EvalPerplexityArgs, Global, PerplexityArgs};
use crate::commands::{done_but, print, say};
use crate::encoder::ModelTokenizer;
use crate::hints::usage;

/// Documents of a token set that are held at a time.
const HELD: usize = 256;

pub fn perplexity(args: &PerplexityArgs, global: &Global) -> anyhow::Result<Done> {
    measure(args, None, global)
}

/// By domains, in lm-eval's windows unless others are asked for, with results that are kept.
pub fn by_domains(args: &EvalPerplexityArgs, global: &Global) -> anyhow::Result<Done> {
    let mut inner = args.perplexity.clone();
    if inner.stride.is_none() {
        inner.compat.get_or_insert_with(|| "lm-eval".to_owned());
    }
    measure(&inner, Some(&args.out), global)
}

fn measure(args: &PerplexityArgs, out: Option<&Path>, global: &Global) -> anyhow::Result<Done> {
    // What is wrong with the model is told before what is wrong with its tokenizer, and both before the weights are read.
    let description = super::describe_files(&args.model)?;
    let scoring = scoring(args, &description)?;
    let (window, trained) = (scoring.windows.length(), description.config.max_positions());
    if window > trained {
        say(global, &format!("warning: windows have {window} tokens, and the model was trained for {trained}"));
    }
    let file = args.tokenizer.clone().or_else(|| tokenizer_of(&args.model));
    let tokenizer = file.as_ref().map(|path| ModelTokenizer::load(path)).transpose()?;
    if tokenizer.is_none() && args.tokens.is_empty() {
        let problem = format!("there is no tokenizer in `{}`", args.model.display());
        return Err(usage(problem, "name the model's own with `--tokenizer FILE`".to_owned()));
    }
    let kept = match out {
        Some(out) => Some(Kept::open(out, &super::identity(&args.model, file.as_deref(), &args.run)?, &scoring)?),
        None => None,
    };
    let model = super::open(&args.model, &args.run, global)?;
    let mut run = Run {
        scoring,
        kept,
        model: &model,
        args,
        tokenizer: tokenizer.as_ref(),
        pending: Vec::new(),
        held: 0,
        scored: 0,
        bar: super::bar(global, None, "{spinner} {msg}{human_pos} tokens ({per_sec}), {elapsed}")?,
        groups: BTreeMap::new(),
    };
    let passed_over = if args.tokens.is_empty() { run.documents()? } else { run.token_sets().map(|()| 0)? };
    run.flush()?;
    run.bar.finish_and_clear();
    run.report()?;
    Ok(done_but(passed_over, global))
}

fn scoring(args: &PerplexityArgs, model: &Description) -> anyhow::Result<Scoring> {
    let (window, stride) = (args.window.unwrap_or(0), args.stride.unwrap_or(0));
    let mut scoring = super::asked(Scoring::of(model, &args.prefix, window, stride, args.batch_tokens), None)?;
    if args.reset_positions || args.reset_attention {
        let eod = model.config.eod().ok_or_else(|| {
            let hint = "leave out `--reset-positions` and `--reset-attention`";
            usage("the model names no token that documents end with".to_owned(), hint.to_owned())
        })?;
        scoring.resets = Resets { eod, positions: args.reset_positions, attention: args.reset_attention };
    }
    match args.compat.as_deref() {
        None => {}
        Some("transformers") => scoring.windows = scoring.windows.aligned(),
        Some("lm-eval") if args.stride.is_some() => {
            return Err(usage(
                "`--compat lm-eval` goes on by whole windows".to_owned(),
                "leave out `--stride`".to_owned(),
            ));
        }
        Some("lm-eval") => scoring.windows = Windows::new(scoring.windows.length(), scoring.windows.length())?,
        Some(other) => return Err(usage(format!("`--compat {other}`: there are `lm-eval` and `transformers`"), None)),
    }
    Ok(scoring)
}

/// A document that waits for others.
struct Pending {
    name: Value,
    group: String,
    ids: Vec<u32>,
    /// Bytes of its text, if they are known.
    bytes: Option<u64>,
}

impl fmt::Display for Pending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "document {} of `{}`", self.name, self.group)
    }
}

/// What was found of some documents.
#[derive(Default)]
struct Total {
    documents: u64,
    score: DocumentScore,
    bytes: Option<u64>,
}

struct Run<'a> {
    kept: Option<Kept>,
    model: &'a Model,
    args: &'a PerplexityArgs,
    scoring: Scoring,
    tokenizer: Option<&'a ModelTokenizer>,
    pending: Vec<Pending>,
    /// Tokens that wait, and one for each document.
    held: usize,
    scored: u64,
    bar: ProgressBar,
    groups: BTreeMap<String, Total>,
}

impl Run<'_> {
    fn is_full(&self) -> bool {
        self.args.limit.is_some_and(|limit| self.scored + self.pending.len() as u64 >= limit)
    }

    fn push(&mut self, document: Pending) -> anyhow::Result<()> {
        let vocab_size = self.model.config().vocab_size();
        if let Some(id) = document.ids.iter().find(|id| **id as usize >= vocab_size) {
            let problem = format!("{document} holds the token {id}, and the model has {vocab_size}");
            return Err(usage(problem, "score what the model's own tokenizer made".to_owned()));
        }
        let known = self.kept.as_ref().and_then(|kept| kept.known(kept.fingerprint(&document.ids)).cloned());
        // What its tokens came to is not kept: where that is wanted it is scored again.
        if let Some(score) = known.filter(|_| !self.args.per_token) {
            // In the order of the documents, so that sums are the same bits.
            self.flush()?;
            self.scored += 1;
            if self.args.each {
                let mut line = json!({ "id": document.name, "group": document.group });
                describe(&mut line, &score, document.bytes);
                self.bar.suspend(|| print(&line.to_string()))?;
            }
            self.groups.entry(document.group).or_default().add(1, &score, document.bytes);
            return Ok(());
        }
        // An empty document counts too: memory is bounded.
        self.held += document.ids.len() + 1;
        self.pending.push(document);
        if self.held >= self.scoring.batch_tokens { self.flush() } else { Ok(()) }
    }

    fn documents(&mut self) -> anyhow::Result<u64> {
        let input = self.args.read.input(&self.args.inputs);
        let shards = input.shards()?;
        let mut failed = None;
        let passed_over = yuan_pipeline::for_each_batch(&input, &shards, &mut |shard, batch| {
            for document in batch.documents() {
                if self.is_full() {
                    return Ok(false);
                }
                let mut ids = Vec::new();
                if let Some(tokenizer) = self.tokenizer {
                    tokenizer.encode(document.text(), &mut ids)?;
                }
                let group = match &self.args.by {
                    None => shard.path.display().to_string(),
                    Some(field) => document.spelt(field).map_or_else(|| "-".to_owned(), std::borrow::Cow::into_owned),
                };
                let name = document.spelt(&input.id_field).map_or_else(|| json!(document.doc_id()), |id| json!(id));
                let bytes = Some(document.text().len() as u64);
                if let Err(error) = self.push(Pending { name, group, ids, bytes }) {
                    failed = Some(error);
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        failed.map_or(Ok(passed_over), Err)
    }

    fn token_sets(&mut self) -> anyhow::Result<()> {
        for prefix in &self.args.tokens {
            self.token_set(prefix).with_context(|| format!("token set `{}`", prefix.display()))?;
        }
        Ok(())
    }

    fn token_set(&mut self, prefix: &Path) -> anyhow::Result<()> {
        let set = TokenSet::open(prefix)?;
        let eod = self.model.config().eod();
        let count = set.reader().document_count();
        for start in (0..count).step_by(HELD) {
            let mut documents = Vec::new();
            set.for_each(start..count.min(start + HELD), |number, document| {
                let name = document.about.id.map_or_else(|| json!(number), |id| json!(id));
                documents.push((name, document.ids()));
                Ok(())
            })?;
            for (name, ids) in documents {
                if self.is_full() {
                    return Ok(());
                }
                let known =
                    |id: &i64| u32::try_from(*id).with_context(|| format!("document {name} holds the token {id}"));
                let mut ids = ids.iter().map(known).collect::<anyhow::Result<Vec<u32>>>()?;
                // What ends a document is none of its text.
                if eod.is_some() && ids.last() == eod.as_ref() {
                    ids.pop();
                }
                let text = self.tokenizer.map(|tokenizer| tokenizer.tokenizer().decode(&ids)).transpose()?;
                let bytes = text.map(|text| text.len() as u64);
                self.push(Pending { name, group: prefix.display().to_string(), ids, bytes })?;
            }
        }
        Ok(())
    }

    /// Scores the documents that wait.
    fn flush(&mut self) -> anyhow::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.held = 0;
        self.scored += pending.len() as u64;
        let documents: Vec<&[u32]> = pending.iter().map(|document| document.ids.as_slice()).collect();
        let mut single = vec![Vec::new(); if self.args.per_token { documents.len() } else { 0 }];
        let mut keep = |document: usize, _: usize, scored: Scored| single[document].push(scored.log_prob);
        let on_token: Option<&mut dyn FnMut(usize, usize, Scored)> =
            if self.args.per_token { Some(&mut keep) } else { None };
        let scores = score(self.model.engine(), &documents, &self.scoring, on_token)?;
        self.bar.set_message(format!("{} documents, ", HumanCount(self.scored)));
        for (place, (document, score)) in pending.iter().zip(scores).enumerate() {
            score.check().with_context(|| document.to_string())?;
            if self.args.each {
                let mut line = json!({ "id": document.name, "group": document.group });
                describe(&mut line, &score, document.bytes);
                if let Some(log_probs) = single.get(place) {
                    line["token_log_probs"] = json!(log_probs);
                }
                self.bar.suspend(|| print(&line.to_string()))?;
            }
            if let Some(kept) = &mut self.kept {
                let mut line = json!({ "id": document.name, "group": document.group });
                describe(&mut line, &score, document.bytes);
                kept.append(line, &document.ids)?;
            }
            self.bar.inc(score.tokens);
            let total = self.groups.entry(document.group.clone()).or_default();
            total.add(1, &score, document.bytes);
        }
        Ok(())
    }

    fn report(&self) -> anyhow::Result<()> {
        let mut all = Total::default();
        for total in self.groups.values() {
            all.add(total.documents, &total.score, total.bytes);
        }
        let by = self.args.by.as_deref().unwrap_or(if self.args.tokens.is_empty() { "file" } else { "token set" });
        let rows = self.groups.iter().map(|(name, total)| (name.as_str(), total));
        let rows: Vec<(&str, &Total)> =
            if self.groups.len() > 1 { rows.chain([("total", &all)]).collect() } else { rows.collect() };
        let line = |(name, total): &(&str, &Total)| {
            let mut line = json!({ by: name, "documents": total.documents });
            describe(&mut line, &total.score, total.bytes);
            line
        };
        let mut table: Vec<Value> = rows.iter().map(line).collect();
        let mean = self.mean_of_domains().filter(|_| self.kept.is_some());
        if let Some((domains, perplexity, bits)) = mean {
            table.push(json!({ by: "mean", "domains": domains, "perplexity": perplexity, "bits_per_byte": bits }));
        }
        if let Some(kept) = &self.kept {
            kept.finish(&json!(table))?;
        }
        if self.args.json {
            return print(&json!(table).to_string());
        }
        if self.args.each {
            return Ok(());
        }
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(by.len());
        print(&format!(
            "{by:width$}  {:>10}  {:>12}  {:>12}  {:>10}",
            "documents", "tokens", "perplexity", "bits/byte"
        ))?;
        for (name, total) in rows {
            let (documents, tokens) =
                (HumanCount(total.documents).to_string(), HumanCount(total.score.tokens).to_string());
            let bits = number(total.bytes.and_then(|bytes| total.score.bits_per_byte(bytes)));
            let perplexity = number(total.score.perplexity());
            print(&format!("{name:width$}  {documents:>10}  {tokens:>12}  {perplexity:>12}  {bits:>10}"))?;
        }
        if let Some((_, perplexity, bits)) = mean {
            let (perplexity, bits) = (number(Some(perplexity)), number(bits));
            print(&format!("{:width$}  {:>10}  {:>12}  {perplexity:>12}  {bits:>10}", "mean", "", ""))?;
        }
        Ok(())
    }

    /// How many domains there are, and the means of their perplexities and bits per byte: small domains count as large ones do.
    fn mean_of_domains(&self) -> Option<(usize, f64, Option<f64>)> {
        let domains = || self.groups.values().filter(|total| total.score.tokens > 0);
        let count = domains().count();
        let mean = |sum: f64| sum / count as f64;
        let bits = domains().map(|total| total.score.bits_per_byte(total.bytes?)).sum::<Option<f64>>();
        let perplexity = domains().filter_map(|total| total.score.perplexity()).sum::<f64>();
        (count > 1).then(|| (count, mean(perplexity), bits.map(mean)))
    }
}

fn number(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.4}"))
}

impl Total {
    fn add(&mut self, documents: u64, score: &DocumentScore, bytes: Option<u64>) {
        self.bytes = match (self.documents, self.bytes, bytes) {
            (0, _, bytes) => bytes,
            (_, Some(sum), Some(bytes)) => Some(sum + bytes),
            _ => None,
        };
        self.documents += documents;
        self.score.log_prob += score.log_prob;
        self.score.tokens += score.tokens;
        self.score.greedy_tokens += score.greedy_tokens;
    }
}

fn describe(line: &mut Value, score: &DocumentScore, bytes: Option<u64>) {
    line["tokens"] = score.tokens.into();
    line["bytes"] = json!(bytes);
    line["log_prob"] = score.log_prob.into();
    line["perplexity"] = json!(score.perplexity());
    line["bits_per_byte"] = json!(bytes.and_then(|bytes| score.bits_per_byte(bytes)));
    line["greedy_tokens"] = score.greedy_tokens.into();
}
