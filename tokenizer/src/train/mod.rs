//! `train_tokenizer`: a tokenizer learnt from the corpus, or from a sample of it.
//!
//! Reads `text`. Each work unit leaves its distinct pieces with their counts as a sorted run (`runs.rs`); these are put together,
//! as many pieces as memory allows (`pieces.rs`), and merges learnt from them (`merges.rs`). With `sample_bytes` the documents
//! of lowest hash are chosen first (`sample.rs`). The file written depends on the documents, their ids, this config and, only if
//! not all pieces fit, on the memory; never on threads or units. Memory: the budget; on disk the distinct pieces of each unit.

mod base;
mod count;
mod cut;
mod extend;
mod merges;
mod pairs;
mod pieces;
mod runs;
mod sample;
mod sentencepiece;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::{Batch, Columns, Context, Error, Pass, Result, Scan};

use crate::Digits;
use crate::companions;
use crate::encode::Scratch;
use crate::han::HanCharacters;
use crate::huggingface::matcher;
use crate::layout::{ReservedPlace, SPECIAL_TOKENS};
use base::Base;
use count::Counter;
use cut::{Boundaries, Cutter, Source};
pub use cut::{ChineseWords, WordBoundaries};
pub(crate) use merges::Merges;
use merges::{Wanted, train};
use pieces::Budgeted;
use runs::{Group, RunWriter, Section, sections};
use sample::{Sample, Sampler, group_of, is_of};
pub use sentencepiece::DomainsConfig;

/// The step's name in a recipe.
const NAME: &str = "train_tokenizer";
/// Text handed to a counting thread at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Most groups of documents that are balanced.
const MAX_GROUPS: usize = 1000;
/// Weights of groups in counts are so fine.
const WEIGHT_UNIT: f64 = 1024.0;

/// What a tokenizer is, and how it is learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenizerKind {
    /// Byte-pair encoding over bytes, as of GPT-2, Llama 3 and Qwen: a `tokenizer.json`.
    #[default]
    ByteLevelBpe,
    /// Byte-pair encoding over characters with `▁` for spaces and bytes for rare characters, as of LLaMA, YAYI 2, PolyLM and Yuan:
    /// a SentencePiece `.model`, and a `tokenizer.json` of the same ids.
    SentencepieceBpe,
    /// A unigram language model (Kudo 2018, arXiv:1804.10959) over the same pieces of text: a `.model` and a `tokenizer.json`.
    Unigram,
}

/// Trains a tokenizer, byte-level BPE by default, and writes it as a Hugging Face `tokenizer.json` or a SentencePiece `.model`.
///
/// Ids: special tokens, reserved slots, added tokens, 256 bytes, what is learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainTokenizerConfig {
    /// `byte_level_bpe`, `sentencepiece_bpe` or `unigram`. The last two write `.model`, `.vocab` and `tokenizer.json` beside each other,
    /// have `<unk>` as id 0 unless it is among the special tokens, and cut texts where spaces begin, the script changes, and at digits.
    /// Default `byte_level_bpe`.
    pub kind: TokenizerKind,
    /// Tokens of all kinds. A sample too small for so many merges gives fewer. Default 81920 (YAYI 2,
    /// arXiv:2312.14862: 80,000 rounded up to a multiple of 128).
    pub vocab_size: u32,
    /// Control tokens, which text never becomes; they have the first ids, in this order. Default: those of
    /// Yuan 2.0 and Yuan 2.0-M32, from `<eod>` (0) to `<file_sep>` (17).
    pub special_tokens: Vec<String>,
    /// Slots `<|reserved_0|>`… for control tokens of later training. Default 200 (YAYI 2).
    pub reserved: u32,
    /// Where the slots have their ids: `front`, right behind the special tokens, or `back`, behind everything. Default `front`.
    pub reserved_place: ReservedPlace,
    /// The number of all tokens is made a multiple of this, at least 1, as embeddings are cut up: `vocab_size` is rounded up,
    /// and what the texts do not teach is filled with more slots at the back. Default 1; presets have 128 (YAYI 2, Yuan 2.0).
    pub vocab_multiple: u32,
    /// Han characters that are tokens whatever the corpus, and whose bytes are merged first: `none`, `simplified` (3,755 of level
    /// 1 of GB 2312), `traditional` (5,401 of level 1 of Big5), `all` of these, or `auto`: `simplified` in vocabularies of 16,384
    /// tokens and more. Default `auto`.
    pub han_characters: HanCharacters,
    /// With `sentencepiece_bpe` and `unigram`: characters have pieces of their own, the most frequent first, until they make up this
    /// share of the texts, above 0 and at most 1; others are spelled in bytes. Default 0.9995 (SentencePiece).
    pub character_coverage: f64,
    /// Whether opening and closing HTML tags without attributes are tokens of their own. Default true
    /// (YAYI 2).
    pub html_tags: bool,
    /// Whether Chinese punctuation marks are tokens of their own, so that no merge joins them to each other (YAYI 2). Marks that often
    /// stand together, `。”` and `……`, are then as many tokens: Chinese text is 3 % longer. Default false.
    pub punctuation: bool,
    /// Further strings that are tokens of their own wherever they stand. Default none.
    pub added_tokens: Vec<String>,
    /// What is cut into pieces that no merge crosses: `yuan` (Han apart from other scripts, punctuation apart from both), `gpt2`,
    /// `cl100k`, `llama3`, `qwen2`, `o200k`, `deepseek3`, as the tokenizers of these models do, or a regular expression, which is
    /// slower. Default `yuan`.
    pub pattern: String,
    /// With the pattern `yuan`, and with pieces of characters: `split` makes every digit a token, `groups` three of them, `keep` treats runs of digits like words. Default `split` (YAYI 2,
    /// PolyLM, LLaMA).
    pub digits: Digits,
    /// Fewest times a pair stands in the sample to be merged. Default 2 (Hugging Face's trainers take 0 or
    /// 2; one occurrence teaches nothing).
    pub min_frequency: u64,
    /// Most characters of a merged token. Default 16 (SentencePiece `max_sentencepiece_length`).
    pub max_token_chars: u32,
    /// Most bytes of text to learn from; documents are chosen by hash. 0 is all there is: where its distinct pieces do not fit into
    /// memory, rare ones are drawn by hash and stand for others. Default 0.
    pub sample_bytes: u64,
    /// Seed of the hash by which documents are chosen. Default 0.
    pub seed: u64,
    /// Pieces above so many bytes (unspaced text, encoded data) are cut at characters before they are counted; 0 only above 1 GiB. Default
    /// 1024: learning takes time by the square of a piece.
    pub max_piece_bytes: usize,
    /// The column or field whose values are balanced, such as `language` or `source`. Default empty: none.
    pub balance_by: String,
    /// With `balance_by`: a value of which there are n bytes of text counts as if there were n^alpha, from 0 (all alike) to 1 (as
    /// they come). Default 0.3 (XLM-R, arXiv:1911.02116, and PolyLM after it).
    pub alpha: f64,
    /// With `balance_by`: how many times texts of a value count, beside `alpha`: `{ zh = 2.0 }`. Default none.
    pub weights: BTreeMap<String, f64>,
    /// A tokenizer to go on with, in place of a new one: texts are cut by its pattern and added tokens and begin as the tokens that it
    /// makes of them; what is learnt has ids behind all of its own, which stay, as its merges do, and `vocab_size` counts all of them. A
    /// text then has as many tokens or fewer, and ids mean what they meant. Special and added tokens, slots, pattern and digits are its
    /// own. Byte-level BPE in any file that `tokenize` takes. Default none.
    pub extend: PathBuf,
    /// Which words no merge crosses: `none`, or Chinese ones as `jieba` cuts them. In training alone: texts are encoded by the pattern, and a
    /// merge that was never learnt crosses nothing. Chinese text is then a tenth longer. Default `none`.
    pub words: WordBoundaries,
    /// Whether no merge joins characters of two scripts, nor digits, punctuation or symbols to these or each other, whatever the pattern.
    /// In training alone, as `words`. Default false.
    pub script_boundaries: bool,
    /// With `kind = "unigram"` and `balance_by`: a vocabulary is learnt for each value of that column, and their probabilities are
    /// averaged by the bytes of each (Yuan 2.0). Default none: one is learnt from all.
    pub domains: Option<DomainsConfig>,
    /// With `sentencepiece_bpe` and `unigram`: a `.model` whose pieces come first and keep their ids and scores; what is learnt and not
    /// among them comes behind, `vocab_size` being without them (Yuan 2.0 joins its Chinese pieces to LLaMA's). Writes no
    /// `tokenizer.json`. Default empty: none.
    pub join_to: PathBuf,
    /// Languages whose documents are learnt from, by the column `language`: `zh` is also `zh-Hans`. Default empty: all documents.
    pub only_languages: Vec<String>,
    /// The file written; if its name is `tokenizer.json`, a `tokenizer_config.json` and a `special_tokens_map.json` are put beside it, so
    /// that `transformers` loads the folder. With `sentencepiece_bpe` and `unigram` it may end in `.model` as well. Default `tokenizer.json`.
    pub output: PathBuf,
}

impl Default for TrainTokenizerConfig {
    fn default() -> Self {
        Self {
            kind: TokenizerKind::ByteLevelBpe,
            vocab_size: 81_920,
            special_tokens: SPECIAL_TOKENS.map(Into::into).to_vec(),
            reserved: 200,
            reserved_place: ReservedPlace::Front,
            vocab_multiple: 1,
            han_characters: HanCharacters::Auto,
            character_coverage: 0.9995,
            html_tags: true,
            punctuation: false,
            added_tokens: Vec::new(),
            pattern: "yuan".into(),
            digits: Digits::Split,
            min_frequency: 2,
            max_token_chars: 16,
            sample_bytes: 0,
            seed: 0,
            max_piece_bytes: 1024,
            balance_by: String::new(),
            alpha: 0.3,
            weights: BTreeMap::new(),
            extend: PathBuf::new(),
            words: WordBoundaries::None,
            script_boundaries: false,
            domains: None,
            join_to: PathBuf::new(),
            only_languages: Vec::new(),
            output: "tokenizer.json".into(),
        }
    }
}

impl TrainTokenizerConfig {
    /// Lays out the ids, or loads the tokenizer to be extended, and gets ready to scan.
    ///
    /// # Errors
    /// If a token cannot be an added token, the vocabulary has no room for the ids that are given, a number is out of range, the
    /// tokenizer cannot be extended, or words are asked for, which [`Self::build_with`] takes.
    pub fn build(&self) -> Result<TrainTokenizer> {
        match self.words {
            WordBoundaries::None => self.build_within(None),
            WordBoundaries::Jieba => Err(Error::stage(NAME, "`words` need a dictionary, which this build is without")),
        }
    }

    /// As [`Self::build`], with what cuts Chinese words if these are asked for.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_with(&self, words: Arc<dyn ChineseWords>) -> Result<TrainTokenizer> {
        self.build_within((self.words == WordBoundaries::Jieba).then_some(words))
    }

    fn build_within(&self, words: Option<Arc<dyn ChineseWords>>) -> Result<TrainTokenizer> {
        self.check_numbers()?;
        let (learner, source) = match self.kind {
            TokenizerKind::ByteLevelBpe => {
                if self.domains.is_some() || !self.join_to.as_os_str().is_empty() {
                    let problem = "`domains` and `join_to` are for `kind = \"unigram\"` and `\"sentencepiece_bpe\"`";
                    return Err(Error::stage(NAME, problem));
                }
                let (base, source, merges) = Base::new(self)?;
                (Learner::Bytes { base, merges }, source)
            }
            _ => {
                if !self.extend.as_os_str().is_empty() {
                    let problem = format!("`extend` is for byte-level BPE, and `kind` is `{}`", self.kind.name());
                    let hint = "join_to = \"old.model\" puts what is learnt behind a model that is there".into();
                    return Err(Error::Stage { stage: NAME.into(), problem, hint: Some(hint) });
                }
                let plan = sentencepiece::Plan::new(self)?;
                let added = matcher(plan.names().iter())
                    .ok_or_else(|| Error::stage(NAME, "there are too many added tokens to look for"))?;
                (Learner::Pieces(Box::new(plan)), Source::Pieces { added, split_digits: self.digits == Digits::Split })
            }
        };
        let boundaries = Boundaries { words, scripts: self.script_boundaries };
        Ok(TrainTokenizer {
            sampler: (self.sample_bytes > 0).then(|| Sampler::new(self.seed, self.sample_bytes)),
            cutter: Arc::new(Cutter::new(source, boundaries, self.max_piece_bytes)),
            idle: Idle::default(),
            config: self.clone(),
            learner,
        })
    }

    fn check_numbers(&self) -> Result<()> {
        if self.vocab_multiple == 0 {
            return Err(Error::stage(NAME, "`vocab_multiple` is 0, it must be at least 1"));
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(Error::stage(NAME, format!("`alpha` is {}, it must be from 0 to 1", self.alpha)));
        }
        if let Some((value, weight)) = self.weights.iter().find(|(_, weight)| !(0.0..=1e6).contains(*weight)) {
            return Err(Error::stage(NAME, format!("`weights.{value}` is {weight}, it must be from 0 to 1000000")));
        }
        if self.balance_by.is_empty() && !self.weights.is_empty() {
            return Err(Error::stage(NAME, "`weights` need `balance_by`, the column whose values they are for"));
        }
        Ok(())
    }
}

/// What is learnt, over what.
enum Learner {
    /// Merges of bytes, at most so many, behind those that are there.
    Bytes { base: Base, merges: usize },
    /// Pieces of characters.
    Pieces(Box<sentencepiece::Plan>),
}

/// The pass of a [`TrainTokenizerConfig`].
pub struct TrainTokenizer {
    config: TrainTokenizerConfig,
    learner: Learner,
    cutter: Arc<Cutter>,
    idle: Idle,
    sampler: Option<Sampler>,
}

impl Pass for TrainTokenizer {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        let balance_by = &self.config.balance_by;
        match &self.sampler {
            Some(sampler) => sampler.scan(partial, balance_by, &self.config.only_languages),
            None => Ok(Box::new(CountScan {
                partial: partial.into(),
                balance_by: balance_by.clone(),
                only: self.config.only_languages.clone(),
                counts: Counts::new(self.cutter.clone(), self.idle.clone()),
            })),
        }
    }

    fn columns(&self) -> Columns {
        let reads_language = self.config.balance_by == "language" || !self.config.only_languages.is_empty();
        Columns::reads(reads_language.then_some("language"))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let config = &self.config;
        self.idle.lock().expect("no holder panics").clear();
        let paths = match self.sampler {
            Some(_) => self.count_sample(partials, context)?,
            None => partials.to_vec(),
        };
        let sections = paths.iter().map(|path| sections(path)).collect::<Result<Vec<_>>>()?.concat();
        let groups = groups(&sections, config)?;
        for (name, group) in &groups {
            context.tally("texts", name.clone(), group.documents, group.bytes);
        }
        let (base, merges) = match &self.learner {
            Learner::Bytes { base, merges } => (base, *merges),
            Learner::Pieces(plan) => {
                let (summary, bytes) = plan.reduce(sections, &groups, context)?;
                return self.write_summary(summary, &bytes, &groups, outcome);
            }
        };
        let weighed = sections.into_iter().map(|section| {
            let weight = groups[&section.group.name].weight;
            (section, weight)
        });
        // The tables of a training are not much smaller than this.
        let mut budgeted = Budgeted::new(context.memory.max(1 << 20));
        runs::merge(weighed.filter(|(_, weight)| *weight > 0).collect(), context, |piece, hash, count| {
            budgeted.push(piece, hash, count);
        })?;
        let distinct = budgeted.seen;
        let (pieces, threshold) = budgeted.finish();
        let kept = pieces.len();
        let forbidden = base.forbidden();
        let unit = if config.balance_by.is_empty() { 1 } else { WEIGHT_UNIT as u64 };
        let wanted = Wanted {
            tokens: merges,
            min_frequency: config.min_frequency.saturating_mul(unit),
            max_token_chars: config.max_token_chars,
            forbidden: &forbidden,
            spaces_in_front: false,
        };
        let mut scratch = Scratch::default();
        let encode = |piece: &[u8], symbols: &mut Vec<u32>| base.encode(piece, &mut scratch, symbols);
        let merges = train(pieces, base.merges().clone(), encode, &wanted, || context.check())?;
        let (tokenizer, vocab_size) = base.file(&merges, config.vocab_multiple);
        companions::write(&config.output, &tokenizer, base.path())?;
        let summary = json!({
            "tokenizer": config.output,
            "vocab_size": vocab_size,
            "merges": merges.rules.len() - base.merges().rules.len(),
            "distinct_pieces": distinct,
            "kept_pieces": kept,
            "least_exact_count": threshold,
        });
        self.write_summary(summary, &companions::pretty(&tokenizer), &groups, outcome)
    }

    fn ends_in_stage(&self) -> bool {
        false
    }
}

impl TrainTokenizer {
    /// Writes the outcome: what is known of the tokenizer, whose file has these bytes, and what it was learnt from.
    fn write_summary(
        &self,
        mut summary: Value,
        bytes: &[u8],
        groups: &BTreeMap<String, Weighed>,
        outcome: &Path,
    ) -> Result<()> {
        let unit = if self.config.balance_by.is_empty() { 1.0 } else { WEIGHT_UNIT };
        summary["documents"] = groups.values().map(|group| group.documents).sum::<u64>().into();
        summary["bytes"] = groups.values().map(|group| group.bytes).sum::<u64>().into();
        let group = |(name, group): (&String, &Weighed)| {
            json!({
                "name": name, "documents": group.documents, "bytes": group.bytes, "weight": group.weight as f64 / unit,
            })
        };
        summary["groups"] = groups.iter().map(group).collect();
        summary["xxh3"] = format!("{:016x}", xxh3_64(bytes)).into();
        let summary = serde_json::to_vec_pretty(&summary).expect("a JSON value is JSON");
        std::fs::write(outcome, summary).map_err(Error::io("write", outcome))
    }

    /// Counts the pieces of the sample on all threads; the runs that come of it.
    fn count_sample(&self, partials: &[PathBuf], context: &Context<'_>) -> Result<Vec<PathBuf>> {
        let sample = Sample::choose(partials, self.config.sample_bytes)?;
        context.tally("sample", "documents", sample.documents, sample.bytes);
        std::fs::create_dir_all(&context.scratch).map_err(Error::io("create", &context.scratch))?;
        let workers = context.threads.max(1);
        let (send, receive) = sync_channel::<Vec<(String, String)>>(workers);
        let receive = Mutex::new(receive);
        std::thread::scope(|scope| {
            let count = |worker| {
                let receive = &receive;
                scope.spawn(move || self.count_received(receive, worker, context))
            };
            let counting: Vec<_> = (0..workers).map(count).collect();
            let (mut chunk, mut bytes) = (Vec::new(), 0);
            let sent = sample.for_each(|group, text| {
                bytes += text.len();
                chunk.push((group.to_owned(), text.to_owned()));
                if bytes >= CHUNK_BYTES {
                    context.check()?;
                    bytes = 0;
                    // Workers that failed receive no more, and say why.
                    let _ = send.send(std::mem::take(&mut chunk));
                }
                Ok(())
            });
            let _ = send.send(chunk);
            drop(send);
            let counted = counting.into_iter().map(|worker| worker.join().expect("counting does not panic"));
            let runs = counted.collect::<Result<Vec<_>>>()?.concat();
            sent.map(|()| runs)
        })
    }

    /// Counts what it receives; a run whenever the counts take up its part of the memory.
    fn count_received(
        &self,
        receive: &Mutex<Receiver<Vec<(String, String)>>>,
        worker: usize,
        context: &Context<'_>,
    ) -> Result<Vec<PathBuf>> {
        let limit = (context.memory / 2 / context.threads.max(1) as u64).clamp(1 << 20, 1 << 31) as usize;
        let mut runs = Vec::new();
        let mut counts = Counts::new(self.cutter.clone(), self.idle.clone());
        loop {
            let received = receive.lock().expect("no holder panics").recv();
            let Ok(texts) = received else { break };
            for (group, text) in texts {
                counts.count(&group, &text)?;
                if counts.memory() > limit {
                    runs.push(context.scratch.join(format!("counts-{worker}-{}", runs.len())));
                    counts.write(&runs[runs.len() - 1])?;
                }
            }
        }
        runs.push(context.scratch.join(format!("counts-{worker}-{}", runs.len())));
        counts.write(&runs[runs.len() - 1])?;
        Ok(runs)
    }
}

/// Counts the pieces of a unit's texts.
struct CountScan {
    partial: PathBuf,
    balance_by: String,
    only: Vec<String>,
    counts: Counts,
}

impl Scan for CountScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents().filter(|document| is_of(document, &self.only)) {
            self.counts.count(&group_of(&document, &self.balance_by), document.text())?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.counts.write(&self.partial)
    }
}

/// Empty counters, whose memory the next unit takes over.
type Idle = Arc<Mutex<Vec<Counter>>>;

/// The counts of each group of documents.
struct Counts {
    cutter: Arc<Cutter>,
    idle: Idle,
    groups: BTreeMap<String, (Group, Counter)>,
}

impl Counts {
    fn new(cutter: Arc<Cutter>, idle: Idle) -> Self {
        Self { cutter, idle, groups: BTreeMap::new() }
    }

    fn count(&mut self, name: &str, text: &str) -> Result<()> {
        if !self.groups.contains_key(name) {
            if self.groups.len() == MAX_GROUPS {
                return Err(too_many_groups());
            }
            let group = Group { name: name.into(), ..Group::default() };
            let counter = self.idle.lock().expect("no holder panics").pop().unwrap_or_default();
            self.groups.insert(name.into(), (group, counter));
        }
        let (group, counter) = self.groups.get_mut(name).expect("it was put there");
        group.documents += 1;
        group.bytes += text.len() as u64;
        self.cutter.cut(text, |piece| counter.count(piece));
        Ok(())
    }

    fn memory(&self) -> usize {
        self.groups.values().map(|(_, counter)| counter.memory()).sum()
    }

    /// Writes them as a run and starts anew.
    fn write(&mut self, path: &Path) -> Result<()> {
        let mut run = RunWriter::create(path)?;
        for (_, (group, mut counter)) in std::mem::take(&mut self.groups) {
            run.section(&group, &mut counter)?;
            self.idle.lock().expect("no holder panics").push(counter);
        }
        run.finish()
    }
}

/// A group of all documents, and how many times each of its counts counts, in units.
struct Weighed {
    documents: u64,
    bytes: u64,
    weight: u64,
}

/// The groups of all sections, with their weights: those of `alpha`, with which the sum of all stays what it was, times those named.
fn groups(sections: &[Section], config: &TrainTokenizerConfig) -> Result<BTreeMap<String, Weighed>> {
    let mut groups: BTreeMap<String, Weighed> = BTreeMap::new();
    for Section { group, .. } in sections {
        let all = groups.entry(group.name.clone()).or_insert(Weighed { documents: 0, bytes: 0, weight: 1 });
        all.documents += group.documents;
        all.bytes += group.bytes;
    }
    if groups.len() > MAX_GROUPS {
        return Err(too_many_groups());
    }
    if config.balance_by.is_empty() {
        return Ok(groups);
    }
    if let Some(name) = config.weights.keys().find(|name| !groups.contains_key(*name)) {
        let known: Vec<String> = groups.keys().take(20).map(|name| format!("`{name}`")).collect();
        return Err(Error::Stage {
            stage: NAME.into(),
            problem: format!("`weights` name `{name}`, which no document has in `{}`", config.balance_by),
            hint: Some(format!("documents have {}", known.join(", "))),
        });
    }
    let total: f64 = groups.values().map(|group| group.bytes as f64).sum();
    let raised = |bytes: u64| if bytes == 0 { 0.0 } else { (bytes as f64 / total).powf(config.alpha) };
    let sum: f64 = groups.values().map(|group| raised(group.bytes)).sum();
    for (name, group) in &mut groups {
        if group.bytes > 0 {
            let balanced = raised(group.bytes) / sum * total / group.bytes as f64;
            let named = config.weights.get(name).copied().unwrap_or(1.0);
            group.weight = (balanced * named * WEIGHT_UNIT).round() as u64;
        }
    }
    Ok(groups)
}

fn too_many_groups() -> Error {
    Error::Stage {
        stage: NAME.into(),
        problem: format!("documents have more than {MAX_GROUPS} values in the column to balance by"),
        hint: Some("set `balance_by` to a column with few values, such as `language` or `source`".into()),
    }
}

/// Writes a file so that it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let mut file = File::create(&temporary).map_err(Error::io("create", &temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(Error::io("rename", &temporary))
}
