//! `train_kenlm`: n-gram language models learnt from the documents, one for each language.
//!
//! Source: Heafield et al. 2013, "Scalable Modified Kneser-Ney Language Model Estimation"; the models are those of KenLM's
//! `lmplz`. Reads `text`, `language` where it is there. The scan counts n-grams, unit by unit; the reduction adds the counts up
//! within the memory budget and estimates. The files depend on the documents and these settings alone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_kenlm::estimate::{DEFAULT_DISCOUNT_FALLBACK, Estimate, EstimateOptions, Estimator, SpecialSymbols};
use yuan_kenlm::{BuildOptions, ModelKind};
use yuan_pipeline::{Batch, Context, Error, Pass, Result, Scan};

use super::kenlm::{CARD, KenLmCard, KenLmModelCard};
use super::only_where::OnlyWhere;
use super::prepare::{Preparation, Spelling, Tokens};
use crate::rules::DocumentLanguage;
use crate::words::{Language, Words};

/// The step's name in a recipe.
const NAME: &str = "train_kenlm";

/// Learns n-gram language models from the documents, as KenLM's `lmplz` does, one for each language.
///
/// The folder written has a file for each language and a card, `kenlm.json`, by which the stage `kenlm` spells and cuts texts as
/// they were here. Train on good text: perplexity then says how unlike it a document is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainKenLmConfig {
    /// Documents learnt from: an expression as in `keep_where`, `source in ["wiki", "books"]`; `source` is what the input names
    /// as its source, else the file. Default empty: all.
    pub only_where: String,
    /// Languages learnt, as `["zh", "en"]`. Default empty: all that have `min_documents`.
    pub only_languages: Vec<String>,
    /// Fewest documents of a language for a model of it. Default 100.
    pub min_documents: u64,
    /// Length of the longest n-grams, in tokens, 1 to 16. Default 5 (CCNet).
    pub order: usize,
    /// N-grams seen this often or less are left out, for each order from the first; the last number holds for the orders behind
    /// it. Default [0, 0, 1]: of three tokens and more, those seen once. [] leaves none out.
    pub prune: Vec<u64>,
    /// How texts are spelt. Default `ccnet_fixed`.
    pub spelling: Spelling,
    /// What their tokens are. Default `units`.
    pub tokens: Tokens,
    /// The SentencePiece model, where the tokens are its pieces.
    pub sentencepiece_file: Option<PathBuf>,
    /// The kind of the files: `trie` (small), `probing` (twice as fast, three times as large) or `arpa` (text, zstd). Default
    /// `trie`.
    pub format: KenLmFormat,
    /// Bits of a probability and of a back-off weight in a trie, 2 to 25; 0 keeps them exact. Default 8.
    pub quantize_bits: u8,
    /// Whether a language whose counts give no discounts (small or artificial text) takes 0.5, 1 and 1.5, instead of ending the
    /// run. Default true.
    pub discount_fallback: bool,
    /// The folder written. Default `kenlm`.
    pub output: PathBuf,
}

/// The kind of a model file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KenLmFormat {
    /// A trie of bit-packed n-grams.
    #[default]
    Trie,
    /// Hash tables.
    Probing,
    /// Text, compressed by zstd.
    Arpa,
}

impl Default for TrainKenLmConfig {
    fn default() -> Self {
        Self {
            only_where: String::new(),
            only_languages: Vec::new(),
            min_documents: 100,
            order: 5,
            prune: vec![0, 0, 1],
            spelling: Spelling::CcNetFixed,
            tokens: Tokens::Units,
            sentencepiece_file: None,
            format: KenLmFormat::Trie,
            quantize_bits: 8,
            discount_fallback: true,
            output: "kenlm".into(),
        }
    }
}

fn wrong(problem: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Stage { stage: NAME.into(), problem: problem.into(), hint: Some(hint.into()) }
}

fn failed(error: yuan_kenlm::Error) -> Error {
    match error {
        yuan_kenlm::Error::Io { action, path, source } => Error::Io { action, path, source },
        other => Error::stage(NAME, other.to_string()),
    }
}

impl TrainKenLmConfig {
    /// Checks the settings and gets ready to scan.
    ///
    /// # Errors
    /// If a setting is out of range, or the SentencePiece model cannot be read.
    pub fn build(&self) -> Result<TrainKenLm> {
        self.options().validate().map_err(failed)?;
        if !(self.quantize_bits == 0 || (2..=25).contains(&self.quantize_bits)) {
            return Err(wrong(
                format!("`quantize_bits` is {}", self.quantize_bits),
                "it is 2 to 25, or 0 for exact values",
            ));
        }
        let named = |name: &String| {
            crate::language::language_of_key(name).map_err(|problem| {
                let (problem, hint) = problem.split_once('\n').unwrap_or((&problem, ""));
                wrong(format!("`only_languages`: {problem}"), hint)
            })
        };
        Ok(TrainKenLm(Arc::new(Shared {
            only: self.only_languages.iter().map(named).collect::<Result<_>>()?,
            only_where: OnlyWhere::new(NAME, &self.only_where)?,
            preparation: Preparation::new(self.spelling, self.tokens, self.sentencepiece_file.as_deref())?,
            config: self.clone(),
        })))
    }

    fn options(&self) -> EstimateOptions {
        EstimateOptions {
            order: self.order,
            prune: self.prune.iter().take(self.order).copied().collect(),
            // A document may well hold `<s>` or `<unk>`: it says something of the web, not of sentences.
            special_symbols: SpecialSymbols::Skip,
            discount_fallback: self.discount_fallback.then_some(DEFAULT_DISCOUNT_FALLBACK),
            ..EstimateOptions::default()
        }
    }

    fn build_options(&self, context: &Context<'_>) -> BuildOptions {
        let kind = match (self.format, self.quantize_bits) {
            (KenLmFormat::Probing, _) => ModelKind::Probing,
            (_, 0) => ModelKind::ArrayTrie,
            _ => ModelKind::QuantisedArrayTrie,
        };
        let bits = self.quantize_bits.clamp(2, 25);
        BuildOptions {
            kind,
            prob_bits: bits,
            backoff_bits: bits,
            memory: context.memory / 2,
            temporary_directory: Some(context.scratch.clone()),
            ..BuildOptions::default()
        }
    }
}

/// The pass of a [`TrainKenLmConfig`].
pub struct TrainKenLm(Arc<Shared>);

struct Shared {
    config: TrainKenLmConfig,
    only: Vec<Language>,
    only_where: OnlyWhere,
    preparation: Preparation,
}

/// A unit being scanned.
struct Unit {
    shared: Arc<Shared>,
    partial: PathBuf,
    languages: BTreeMap<String, Counts>,
}

/// What a unit has of a language.
struct Counts {
    documents: u64,
    estimator: Estimator,
}

impl Scan for Unit {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        let Shared { config, only, only_where, preparation } = &*self.shared;
        for document in batch.documents() {
            let language = document.measure::<DocumentLanguage>().0;
            if !(only.is_empty() || only.contains(&language)) || !only_where.holds(&document) {
                continue;
            }
            // Chinese is one language, whatever its script; a model of one of them is a matter of `only_where`.
            let counts = match self.languages.entry(language.code().to_owned()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let estimator = Estimator::new(config.options()).map_err(failed)?;
                    new.insert(Counts { documents: 0, estimator })
                }
            };
            counts.documents += 1;
            let words = preparation.uses_words_of_the_text().then(|| document.measure::<Words>());
            let mut result = Ok(());
            preparation.for_each_sentence(document.text(), language, words, |tokens| {
                if result.is_ok() {
                    result = counts.estimator.add_sentence(tokens);
                }
            });
            result.map_err(failed)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let mut parts = Vec::new();
        for (language, counts) in self.languages {
            let part = self.partial.with_extension(format!("{language}.counts"));
            counts.estimator.write_partial(&part).map_err(failed)?;
            parts.push((language, counts.documents, part));
        }
        pack(&self.partial, &parts).map_err(Error::io("write", &self.partial))?;
        parts.iter().try_for_each(|(_, _, part)| std::fs::remove_file(part).map_err(Error::io("remove", part)))
    }
}

/// Writes the counts of all languages into one file: for each the name, the documents, the length, the bytes.
fn pack(partial: &Path, parts: &[(String, u64, PathBuf)]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(partial)?);
    for (language, documents, part) in parts {
        let mut part = File::open(part)?;
        file.write_all(&[language.len() as u8])?;
        file.write_all(language.as_bytes())?;
        file.write_all(&documents.to_le_bytes())?;
        file.write_all(&part.metadata()?.len().to_le_bytes())?;
        std::io::copy(&mut part, &mut file)?;
    }
    file.flush()
}

/// Where the counts of a language are in a partial file.
struct Packed {
    partial: PathBuf,
    start: u64,
    length: u64,
}

/// What a partial file holds: language, documents, place.
fn packed(partial: &Path) -> std::io::Result<Vec<(String, u64, Packed)>> {
    let mut file = BufReader::new(File::open(partial)?);
    let mut found = Vec::new();
    let (mut at, mut length) = (0, [0; 1]);
    while file.read(&mut length)? > 0 {
        let mut name = vec![0; usize::from(length[0])];
        file.read_exact(&mut name)?;
        let mut number = || -> std::io::Result<u64> {
            let mut bytes = [0; 8];
            file.read_exact(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        };
        let (documents, length) = (number()?, number()?);
        let name = String::from_utf8(name).map_err(std::io::Error::other)?;
        at += 17 + name.len() as u64;
        found.push((name, documents, Packed { partial: partial.into(), start: at, length }));
        at += length;
        file.seek_relative(i64::try_from(length).map_err(std::io::Error::other)?)?;
    }
    Ok(found)
}

impl Packed {
    /// Copies the counts into a file of their own.
    fn unpack(&self, to: &Path) -> std::io::Result<()> {
        let mut file = File::open(&self.partial)?;
        file.seek(SeekFrom::Start(self.start))?;
        std::io::copy(&mut file.take(self.length), &mut File::create(to)?).map(drop)
    }
}

impl Pass for TrainKenLm {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        let (shared, partial) = (self.0.clone(), partial.to_path_buf());
        Ok(Box::new(Unit { shared, partial, languages: BTreeMap::new() }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let config = &self.0.config;
        let mut languages: BTreeMap<String, (u64, Vec<Packed>)> = BTreeMap::new();
        for partial in partials {
            for (language, documents, part) in packed(partial).map_err(Error::io("read", partial))? {
                let known = languages.entry(language).or_default();
                known.0 += documents;
                known.1.push(part);
            }
        }
        for (language, (documents, _)) in &languages {
            context.tally("documents", language, *documents, 0);
        }
        let wanted = |language: &str, documents: u64| {
            let named = self.0.only.iter().any(|only| only.code() == language);
            named || documents >= config.min_documents && language != "und"
        };
        languages.retain(|language, (documents, _)| wanted(language, *documents));
        if languages.is_empty() {
            let least = config.min_documents;
            return Err(wrong(
                format!("no language has {least} documents to learn from"),
                "give more documents, name the languages with `only_languages`, or set `min_documents` lower",
            ));
        }
        let folder = &config.output;
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let mut card = KenLmCard {
            order: config.order,
            spelling: config.spelling,
            tokens: config.tokens,
            languages: BTreeMap::new(),
        };
        for (language, (documents, parts)) in &languages {
            let model = self.learn(language, *documents, parts, context)?;
            context.tally("learnt", language, *documents, 0);
            card.languages.insert(language.clone(), model);
        }
        if let Some(pieces) = &config.sentencepiece_file {
            let name = PathBuf::from("sentencepiece.model");
            std::fs::copy(pieces, folder.join(&name)).map_err(Error::io("copy", pieces))?;
            card.languages.values_mut().for_each(|model| model.sentencepiece = Some(name.clone()));
        }
        let json = serde_json::to_vec_pretty(&card).expect("a card is plain values");
        let path = folder.join(CARD);
        std::fs::write(&path, &json).map_err(Error::io("write", &path))?;
        std::fs::write(outcome, &json).map_err(Error::io("write", outcome))
    }

    fn ends_in_stage(&self) -> bool {
        false
    }
}

impl TrainKenLm {
    /// Adds up a language's counts and writes its model.
    fn learn(&self, language: &str, documents: u64, parts: &[Packed], context: &Context<'_>) -> Result<KenLmModelCard> {
        let config = &self.0.config;
        let options = EstimateOptions {
            memory_bytes: context.memory / 2,
            temp_dir: context.scratch.clone(),
            threads: context.threads.max(1),
            ..config.options()
        };
        let mut estimator = Estimator::new(options).map_err(failed)?;
        let counts = context.scratch.join("counts");
        for part in parts {
            context.check()?;
            part.unpack(&counts).map_err(Error::io("write", &counts))?;
            estimator.add_partial(&counts).map_err(failed)?;
        }
        let estimate = estimator.finish().map_err(|error| match error {
            yuan_kenlm::Error::Corpus { reason } => wrong(format!("language `{language}`: {reason}"), DISCOUNTS),
            other => failed(other),
        })?;
        let statistics = estimate.statistics();
        let mut card = KenLmModelCard {
            file: PathBuf::new(),
            sentencepiece: None,
            documents,
            sentences: statistics.sentences,
            tokens: statistics.tokens,
            ngrams: estimate.counts(),
        };
        let folder = &config.output;
        if config.format == KenLmFormat::Arpa {
            card.file = format!("{language}.arpa.zst").into();
            write_arpa(&estimate, &folder.join(&card.file))?;
        } else {
            card.file = format!("{language}.bin").into();
            let file = folder.join(&card.file);
            estimate.build_binary(&file, &config.build_options(context)).map_err(failed)?;
        }
        Ok(card)
    }
}

/// What to do about counts that give no discounts.
const DISCOUNTS: &str = "give more text, or leave the language out with `only_languages`";

fn write_arpa(estimate: &Estimate, path: &Path) -> Result<()> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    let mut out = zstd::Encoder::new(file, 1).map_err(Error::io("write", path))?;
    estimate.write_arpa(&mut out).map_err(failed)?;
    out.finish().map(drop).map_err(Error::io("write", path))
}
