//! `train_fasttext`: a fastText classifier learnt from labelled documents, with a held-out test.
//!
//! Reads `text`, `language` where it is there, and the label's field, or takes the label from the file a document is in. The
//! scan writes each labelled text as tokens; the reduction draws the sample, holds a part out, trains, and tests. With one
//! thread the model depends on the documents, their ids and these settings alone. Memory: the model (`dim` × 4 bytes for each
//! word and bucket) and the encoded examples, which spill to disk beyond `--memory`.

mod examples;
mod split;
mod test;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
use yuan_fasttext::quantize::{QuantiseOptions, Retrain, quantise};
use yuan_fasttext::train::{Example as Trained, LabelWeights, TrainOptions, Walk, train};
use yuan_fasttext::{Args, Loss, ModelKind};
use yuan_pipeline::{Batch, Context, Document, Error, Pass, Result, Scan};

use examples::{Example, Writer};
use split::{Part, Split};
use test::Test;

use super::card::ClassifierCard;
use super::fasttext::POSITIVE;
use super::prepare::{Preparation, Spelling, Tokens};
use crate::rules::DocumentLanguage;
use crate::words::Words;

/// The step's name in a recipe.
const NAME: &str = "train_fasttext";

/// Trains a fastText classifier on labelled documents, tests it on a part held out, and writes the model with a card beside
/// it.
///
/// The label of a document is in a field, or the files it is in are good or bad. The card (`quality.json` beside
/// `quality.bin`) has precision, recall and area under the curve for each language and a table of thresholds; the stage
/// `fasttext` reads from it how texts become tokens and which label counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainFastTextConfig {
    /// The field with the label: a string or a whole number. Documents without one are not learnt from. Default `label`.
    pub label_field: String,
    /// Files whose documents are `good`, whatever the field says: paths of the input.
    pub good_files: Vec<PathBuf>,
    /// Files whose documents are `bad`.
    pub bad_files: Vec<PathBuf>,
    /// The label whose probability is the score. Default: `good`, `high`, `hq`, `positive`, `pos` or `1`, if there is such a label;
    /// else, of two labels, the last in alphabetical order.
    pub positive_label: String,
    /// The field whose value keeps documents together: all of a value are learnt from, or all are tested on. A site, a book,
    /// a source. Default none: equal texts are kept together.
    pub group_field: String,
    /// Fraction of the documents, or groups, that are tested on, in [0, 1]. Default 0.1.
    pub holdout_fraction: f64,
    /// How texts are spelt. Default `lower_case`.
    pub spelling: Spelling,
    /// What their tokens are: `units`, `words`, `white_space`. Default `words`: in Chinese, classifiers of words do better than
    /// those of characters.
    pub tokens: Tokens,
    /// Most bytes of text to learn from; documents are chosen by hash. Default 1073741824 (1 GiB).
    pub sample_bytes: u64,
    /// Longest n-gram of words that is a feature. Default 2 (PolyLM's classifier, arXiv:2307.06018).
    pub word_ngrams: i32,
    /// Length of the vectors. Default 64.
    pub dim: i32,
    /// Passes over the examples. Default 5 (fastText).
    pub epoch: i32,
    /// The learning rate of the first example; it falls to 0. Default 0.1 (fastText).
    pub learning_rate: f64,
    /// Words seen fewer times are no features. Default 2.
    pub min_count: i32,
    /// Shortest n-gram of characters that is a feature. Default 0.
    pub min_char_ngram: i32,
    /// Longest n-gram of characters that is a feature; 0 for none. Default 0.
    pub max_char_ngram: i32,
    /// Rows that the n-grams share. Default 1000000.
    pub buckets: i32,
    /// `softmax`, `hierarchical_softmax`, `one_vs_all` (documents with several labels) or `negative_sampling`. Default `softmax`.
    pub loss: FastTextLoss,
    /// Whether all labels weigh the same, however many examples each has. Default true.
    pub balanced: bool,
    /// A file of word vectors (`.vec`) that words start from. Default none.
    pub vectors_file: Option<PathBuf>,
    /// Whether the model is quantised, to a tenth of its size and less; the file is then named `.ftz`. Default false.
    pub quantize: bool,
    /// Words and n-grams kept when quantising, those of longest vectors; 0 for all. Default 0.
    pub cutoff: usize,
    /// Threads that train. With more than 1 it goes faster and the model is never twice the same. Default 1.
    pub training_threads: usize,
    /// Where the random numbers start. Default 0.
    pub seed: i32,
    /// The file written. Default `classifier.bin`.
    pub output: PathBuf,
}

/// How the output layer of a classifier is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FastTextLoss {
    /// One label of all.
    #[default]
    Softmax,
    /// One label of very many.
    HierarchicalSoftmax,
    /// Each label by itself.
    OneVsAll,
    /// Each label by itself, against some others.
    NegativeSampling,
}

impl Default for TrainFastTextConfig {
    fn default() -> Self {
        Self {
            label_field: "label".into(),
            good_files: Vec::new(),
            bad_files: Vec::new(),
            positive_label: String::new(),
            group_field: String::new(),
            holdout_fraction: 0.1,
            spelling: Spelling::LowerCase,
            tokens: Tokens::Words,
            sample_bytes: 1 << 30,
            word_ngrams: 2,
            dim: 64,
            epoch: 5,
            learning_rate: 0.1,
            min_count: 2,
            min_char_ngram: 0,
            max_char_ngram: 0,
            buckets: 1_000_000,
            loss: FastTextLoss::Softmax,
            balanced: true,
            vectors_file: None,
            quantize: false,
            cutoff: 0,
            training_threads: 1,
            seed: 0,
            output: "classifier.bin".into(),
        }
    }
}

/// An error of this step, with the way out.
fn wrong(problem: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Stage { stage: NAME.into(), problem: problem.into(), hint: Some(hint.into()) }
}

fn failed(error: yuan_fasttext::Error) -> Error {
    match error {
        yuan_fasttext::Error::Io { action, path, source } => Error::Io { action, path, source },
        yuan_fasttext::Error::Cancelled => Error::Cancelled,
        other => Error::stage(NAME, other.to_string()),
    }
}

/// The label whose probability is the score.
fn positive_label(config: &TrainFastTextConfig, labels: &BTreeMap<String, (u64, u64)>) -> Result<String> {
    let listed = || labels.keys().take(12).map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
    if !config.positive_label.is_empty() {
        let wanted = label_name(&config.positive_label);
        return match labels.contains_key(&wanted) {
            true => Ok(wanted),
            false => Err(wrong(format!("no document has the label `{wanted}`"), format!("there are {}", listed()))),
        };
    }
    let known = POSITIVE.iter().find(|known| labels.contains_key(**known)).map(|known| (*known).to_owned());
    let last_of_two = || labels.keys().next_back().filter(|_| labels.len() == 2).cloned();
    known.or_else(last_of_two).ok_or_else(|| {
        let problem = format!("there are {} labels, and it is not said which one counts", labels.len());
        wrong(problem, format!("set `positive_label` to one of {}", listed()))
    })
}

impl TrainFastTextConfig {
    /// Checks the settings and gets ready to scan.
    ///
    /// # Errors
    /// If a setting is out of range or a file of `good_files` is one of `bad_files` too.
    pub fn build(&self) -> Result<TrainFastText> {
        if !(0.0..1.0).contains(&self.holdout_fraction) {
            let problem = format!("`holdout_fraction` is {}", self.holdout_fraction);
            return Err(wrong(problem, "it is a fraction below 1, such as 0.1; 0 trains without a test"));
        }
        if self.tokens == Tokens::SentencePiece {
            return Err(wrong(
                "tokens of SentencePiece are for `train_kenlm`",
                "take `words`, `units` or `white_space`",
            ));
        }
        if self.good_files.is_empty() != self.bad_files.is_empty() {
            return Err(wrong("it takes both, `good_files` and `bad_files`", "name the others as well"));
        }
        let real = |paths: &[PathBuf]| -> BTreeSet<PathBuf> {
            paths.iter().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())).collect()
        };
        let (good, bad) = (real(&self.good_files), real(&self.bad_files));
        if let Some(both) = good.intersection(&bad).next() {
            let problem = format!("`{}` is among the good files and among the bad ones", both.display());
            return Err(wrong(problem, "name it once"));
        }
        let preparation = Preparation::new(self.spelling, self.tokens, None)?;
        Ok(TrainFastText(Arc::new(Labeller { config: self.clone(), preparation, good, bad })))
    }

    fn options(&self, context: &Context<'_>) -> TrainOptions {
        let mut args = Args::new(ModelKind::Supervised);
        args.dim = self.dim;
        args.epoch = self.epoch;
        args.min_count = self.min_count;
        args.word_ngrams = self.word_ngrams;
        args.bucket = self.buckets;
        args.minn = self.min_char_ngram;
        args.maxn = self.max_char_ngram;
        args.loss = match self.loss {
            FastTextLoss::Softmax => Loss::Softmax,
            FastTextLoss::HierarchicalSoftmax => Loss::Hs,
            FastTextLoss::OneVsAll => Loss::Ova,
            FastTextLoss::NegativeSampling => Loss::Ns,
        };
        TrainOptions {
            args,
            learning_rate: self.learning_rate,
            threads: self.training_threads,
            seed: self.seed,
            pretrained_vectors: self.vectors_file.clone(),
            label_weights: if self.balanced { LabelWeights::Balanced } else { LabelWeights::Equal },
            memory_bytes: usize::try_from(context.memory / 2).unwrap_or(usize::MAX),
            spill_directory: Some(context.scratch.clone()),
            ..TrainOptions::default()
        }
    }
}

/// The pass of a [`TrainFastTextConfig`].
#[derive(Clone)]
pub struct TrainFastText(Arc<Labeller>);

/// Makes examples of documents.
struct Labeller {
    config: TrainFastTextConfig,
    preparation: Preparation,
    good: BTreeSet<PathBuf>,
    bad: BTreeSet<PathBuf>,
}

impl Labeller {
    /// The label of a document in one of the files given as good or bad.
    fn label_of_file(&self, file: Option<&Path>) -> Option<&'static str> {
        let path = file?.canonicalize().ok()?;
        // A folder may be named instead of its files.
        let holds = |files: &BTreeSet<PathBuf>| path.ancestors().any(|part| files.contains(part));
        if holds(&self.good) { Some("good") } else { holds(&self.bad).then_some("bad") }
    }

    fn label(&self, document: &Document<'_>) -> Option<String> {
        let field = &self.config.label_field;
        match document.str(field) {
            Some(label) => Some(label.into_owned()),
            None => document.f64(field).filter(|number| number.fract() == 0.0).map(|number| number.to_string()),
        }
    }

    fn example(&self, document: &Document<'_>, label: &str) -> Example {
        let language = document.measure::<DocumentLanguage>().0;
        let words = (self.config.tokens == Tokens::Words).then(|| document.measure::<Words>());
        let text = self.preparation.line(document.text(), language, words);
        let group = match self.config.group_field.as_str() {
            "" => xxh3_64(text.as_bytes()),
            field => document.str(field).map_or_else(|| xxh3_64(text.as_bytes()), |group| xxh3_64(group.as_bytes())),
        };
        let rank = xxh3_64_with_seed(&document.doc_id().to_le_bytes(), self.config.seed as u64);
        let language = document.str("language").map_or_else(|| language.code().to_owned(), Into::into);
        Example { label: label_name(label), language, group, rank, text }
    }
}

/// A label as fastText can hold it: without white space and without its prefix.
fn label_name(label: &str) -> String {
    let label = label.trim();
    label.strip_prefix("__label__").unwrap_or(label).split_whitespace().collect::<Vec<_>>().join("-")
}

/// A unit being scanned.
struct Unit {
    labeller: Arc<Labeller>,
    writer: Writer,
}

impl Scan for Unit {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        let mut file = None;
        for document in batch.documents() {
            // All documents of a batch are of one file.
            let of_file = *file.get_or_insert_with(|| self.labeller.label_of_file(document.file()));
            if let Some(label) = of_file.map(str::to_owned).or_else(|| self.labeller.label(&document)) {
                self.writer.write(&self.labeller.example(&document, &label))?;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.writer.finish()
    }
}

impl Pass for TrainFastText {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        Ok(Box::new(Unit { labeller: self.0.clone(), writer: Writer::create(partial)? }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let config = &self.0.config;
        let split = Split::of(config, partials)?;
        split.check(config)?;
        let positive = positive_label(config, &split.labels)?;
        context.tally("sample", "documents", split.examples, split.bytes);
        let mut source = Walk(|visit: &mut dyn FnMut(Trained<'_>) -> yuan_fasttext::Result<()>| {
            split.for_each(partials, Part::Learnt, |example| {
                visit(Trained::Labelled { labels: &[&example.label], text: &example.text, weight: 1.0 })
            })
        });
        let options = config.options(context);
        let mut model = train(&mut source, &options, |_| {}, context.cancelled()).map_err(failed)?;
        if config.quantize {
            let retrain = Retrain {
                threads: options.threads,
                seed: options.seed,
                label_weights: options.label_weights.clone(),
                memory_bytes: options.memory_bytes,
                spill_directory: options.spill_directory.clone(),
                ..Retrain::default()
            };
            let options = QuantiseOptions {
                quantise_norms: true,
                cutoff: Some(config.cutoff).filter(|cutoff| *cutoff > 0),
                retrain: (config.cutoff > 0).then_some(retrain),
                threads: context.threads.max(1),
                ..QuantiseOptions::default()
            };
            model = quantise(&model, &options, Some(&mut source), |_| {}, context.cancelled()).map_err(failed)?;
        }
        let mut test = Test::new(&model, &positive);
        split.for_each(partials, Part::Tested, |example| {
            context.check()?;
            test.add(example).map_err(failed)
        })?;
        let card = ClassifierCard {
            model: config.output.file_name().map(PathBuf::from).unwrap_or_default(),
            spelling: config.spelling,
            tokens: config.tokens,
            labels: test.labels(&split.labels),
            documents: split.labels.values().map(|(learnt, _)| learnt).sum(),
            bytes: split.bytes,
            test: test.groups(),
            positive_label: positive,
        };
        if let Some(folder) = config.output.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        // The model's file is renamed into its place when it is whole.
        model.write(&config.output).map_err(failed)?;
        let json = serde_json::to_vec_pretty(&card).expect("a card is plain values");
        let path = ClassifierCard::path(&config.output);
        std::fs::write(&path, &json).map_err(Error::io("write", &path))?;
        std::fs::write(outcome, &json).map_err(Error::io("write", outcome))
    }

    fn ends_in_stage(&self) -> bool {
        false
    }
}
