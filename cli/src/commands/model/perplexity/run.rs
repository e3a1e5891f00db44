//! Documents go by, and are scored some at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use indicatif::{HumanCount, ProgressBar};
use serde_json::{Value, json};
use yuan_binidx::TokenSet;
use yuan_model::Encode as _;
use yuan_model::perplexity::Scoring;

use super::kept::Kept;
use super::scorer::Scorer;
use super::total::{Total, describe};
use crate::Done;
use crate::args::{Global, ScoringArgs};
use crate::commands::model::bar;
use crate::commands::{done_but, print};
use crate::encoder::ModelTokenizer;
use crate::hints::usage;

/// Documents of a token set that are held at a time.
const HELD: usize = 256;

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

/// Documents that are scored.
pub(super) struct Run<'a> {
    /// Where results are kept.
    pub kept: Option<Kept>,
    scorer: Scorer<'a>,
    /// What the documents of token sets end with.
    pub eod: Option<u32>,
    inputs: &'a [String],
    pub(super) args: &'a ScoringArgs,
    scoring: Scoring,
    tokenizer: Option<&'a ModelTokenizer>,
    pending: Vec<Pending>,
    /// Tokens that wait, and one for each document.
    held: usize,
    scored: u64,
    bar: ProgressBar,
    pub(super) groups: BTreeMap<String, Total>,
}

impl<'a> Run<'a> {
    pub fn new(
        scorer: Scorer<'a>,
        scoring: Scoring,
        tokenizer: Option<&'a ModelTokenizer>,
        (inputs, args): (&'a [String], &'a ScoringArgs),
        global: &Global,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            kept: None,
            scorer,
            eod: None,
            inputs,
            args,
            scoring,
            tokenizer,
            pending: Vec::new(),
            held: 0,
            scored: 0,
            bar: bar(global, None, "{spinner} {msg}{human_pos} tokens ({per_sec}), {elapsed}")?,
            groups: BTreeMap::new(),
        })
    }

    /// Scores all documents, and tells what they came to.
    pub fn finish(mut self, global: &Global) -> anyhow::Result<Done> {
        let passed_over =
            if self.args.tokens.is_empty() { self.documents()? } else { self.token_sets().map(|()| 0)? };
        self.flush()?;
        self.bar.finish_and_clear();
        self.report()?;
        Ok(done_but(passed_over, global))
    }

    fn is_full(&self) -> bool {
        self.args.limit.is_some_and(|limit| self.scored + self.pending.len() as u64 >= limit)
    }

    fn push(&mut self, document: Pending) -> anyhow::Result<()> {
        if let Some(vocab_size) = self.scorer.vocab_size()
            && let Some(id) = document.ids.iter().find(|id| **id as usize >= vocab_size)
        {
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
        let input = self.args.read.input(self.inputs);
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
        let eod = self.eod;
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
        let Self { scorer, scoring, args, kept, bar, groups, scored, .. } = self;
        bar.set_message(format!("{} documents, ", HumanCount(*scored)));
        scorer.score(&documents, scoring, args.per_token, &mut |place, score, log_probs| {
            let document = &pending[place];
            score.check().with_context(|| document.to_string())?;
            let mut line = json!({ "id": document.name, "group": document.group });
            describe(&mut line, score, document.bytes);
            if let Some(kept) = kept {
                kept.append(line.clone(), &document.ids)?;
            }
            if args.each {
                if args.per_token {
                    line["token_log_probs"] = json!(log_probs);
                }
                bar.suspend(|| print(&line.to_string()))?;
            }
            bar.inc(score.tokens);
            groups.entry(document.group.clone()).or_default().add(1, score, document.bytes);
            Ok(())
        })
    }
}
