//! The score of a fastText classifier.
//!
//! Sources: Joulin et al. 2016 (arXiv:1607.01759); as a quality filter PolyLM (arXiv:2307.06018, section 2.2), DCLM
//! (arXiv:2406.11794), YAYI 2's toxicity classifier (arXiv:2312.14862). Reads `text`, `language` where it is there; adds the
//! score's column. Cost: one walk over the text and a row of the model for each word and n-gram.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_fasttext::{Model, Scratch};
use yuan_pipeline::{Check, Document, Error, Measured, Result, Rules};

use super::card::ClassifierCard;
use super::prepare::{Preparation, Spelling, Tokens};
use crate::rules::{DocumentLanguage, PerLanguage};
use crate::words::{Language, Words};

/// Scores documents with a fastText classifier, and drops those below `min_score` as `low_fasttext_score`, those above
/// `max_score` as `high_fasttext_score`.
///
/// The score, in [0, 1], is the probability of a label. A model that `train_fasttext` made says itself how texts become tokens
/// and which label counts; for any other the settings say it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FastTextConfig {
    /// The model: a `.bin` or `.ftz` file. Default `bundled`: a small classifier of Chinese and English that is part of this
    /// program, of encyclopaedias, books, laws and manuals against reviews, comments, spam and page boilerplate
    /// (`filters/models/MODEL_CARD.md`).
    pub model: PathBuf,
    /// The label whose probability is the score, with or without `__label__`; of several, the probabilities are added. Default:
    /// the one that the model's card names; of a model with two labels and no card, `good`, `high`, `hq`, `positive`, `pos` or `1`.
    pub labels: Vec<String>,
    /// The column with the score. Default `quality`.
    pub column: String,
    /// How texts are spelt. Default: as the model's card says, else `kept`.
    pub spelling: Option<Spelling>,
    /// What their tokens are. Default: as the model's card says, else `white_space`.
    pub tokens: Option<Tokens>,
    /// Languages whose documents are scored, as `["en"]`; others have no score and are not held to it. Default empty: all.
    pub only_languages: Vec<String>,
    /// Most characters of a document that are looked at, from its start; 0 for all. Default 0.
    pub sample_chars: usize,
    /// Least score kept. Default 0: off.
    pub min_score: f64,
    /// Greatest score kept. Default 0: off.
    pub max_score: f64,
    /// Thresholds for documents of one language: `languages.zh = { min_score = 0.4 }`. Default empty.
    pub languages: PerLanguage<Self>,
}

impl Default for FastTextConfig {
    fn default() -> Self {
        Self {
            model: BUNDLED.into(),
            labels: Vec::new(),
            column: "quality".into(),
            spelling: None,
            tokens: None,
            only_languages: Vec::new(),
            sample_chars: 0,
            min_score: 0.0,
            max_score: 0.0,
            languages: PerLanguage::default(),
        }
    }
}

/// The stage of a [`FastTextConfig`].
pub struct FastText {
    config: FastTextConfig,
    model: Model,
    /// The labels that count, by their numbers.
    labels: Vec<usize>,
    preparation: Preparation,
    only: Vec<Language>,
}

/// The name of the model that is part of the program.
const BUNDLED: &str = "bundled";

/// Names that a label of good documents has in models without a card.
pub(super) const POSITIVE: [&str; 6] = ["good", "high", "hq", "positive", "pos", "1"];

fn wrong(problem: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Stage { stage: "fasttext".into(), problem: problem.into(), hint: Some(hint.into()) }
}

impl FastTextConfig {
    /// Opens the model.
    ///
    /// # Errors
    /// If it cannot be read, is no classifier, or the label that counts is not known.
    pub fn build(self) -> Result<FastText> {
        if self.model.as_os_str().is_empty() {
            return Err(wrong("there is no `model`", "name a .bin or .ftz file; `yuan-data train-fasttext` makes one"));
        }
        let opened = |error: yuan_fasttext::Error| Error::stage("fasttext", error.to_string());
        let (model, card) = if self.model == Path::new(BUNDLED) {
            let model = Model::from_bytes(&include_bytes!("../../models/quality.ftz")[..]).map_err(opened)?;
            let card = serde_json::from_str(include_str!("../../models/quality.json"));
            (model, Some(card.expect("the card of the bundled model is checked by a test")))
        } else {
            (Model::open(&self.model).map_err(opened)?, ClassifierCard::beside(&self.model)?)
        };
        let names: Vec<String> = (0..model.dictionary().label_count())
            .map(|label| String::from_utf8_lossy(model.dictionary().label(label)).into_owned())
            .collect();
        let labels = self.wanted_labels(&names, card.as_ref())?;
        let spelling = self.spelling.or(card.as_ref().map(|card| card.spelling)).unwrap_or(Spelling::Kept);
        let tokens = self.tokens.or(card.as_ref().map(|card| card.tokens)).unwrap_or(Tokens::WhiteSpace);
        if tokens == Tokens::SentencePiece {
            return Err(wrong("tokens of SentencePiece are for `kenlm`", "take `words`, `units` or `white_space`"));
        }
        let preparation = Preparation::new(spelling, tokens, None)?;
        let only = self.only_languages.iter().map(|name| language_named(name)).collect::<Result<_>>()?;
        Ok(FastText { model, labels, preparation, only, config: self })
    }

    /// The checks that documents of a language are held to.
    pub fn checks(&self, language: &str) -> Vec<Check> {
        let language = Language::of_name(language).unwrap_or(Language::UNKNOWN);
        let own = self.languages.effective(self, "fasttext", language);
        let checks = [
            Check::at_least("low_fasttext_score", 0, own.min_score),
            Check::at_most("high_fasttext_score", 0, own.max_score),
        ];
        checks.into_iter().filter(|check| check.threshold > 0.0).collect()
    }

    fn wanted_labels(&self, names: &[String], card: Option<&ClassifierCard>) -> Result<Vec<usize>> {
        let bare = |name: &str| name.strip_prefix("__label__").unwrap_or(name).to_owned();
        let place = |wanted: &str| names.iter().position(|name| bare(name) == bare(wanted));
        let shown = || {
            let some: Vec<String> = names.iter().take(20).map(|name| format!("`{}`", bare(name))).collect();
            let more = if names.len() > 20 { format!(" and {} more", names.len() - 20) } else { String::new() };
            format!("the model's labels are {}{more}", some.join(", "))
        };
        let wanted: Vec<String> = match (self.labels.is_empty(), card) {
            (false, _) => self.labels.clone(),
            (true, Some(card)) => vec![card.positive_label.clone()],
            (true, None) => {
                let known = POSITIVE.iter().filter(|name| place(name).is_some() && names.len() == 2);
                let known: Vec<String> = known.map(|name| (*name).to_owned()).take(1).collect();
                if known.is_empty() {
                    return Err(wrong("it is not known which label counts", format!("set `labels`; {}", shown())));
                }
                known
            }
        };
        let of_name = |wanted: &String| {
            place(wanted).ok_or_else(|| wrong(format!("the model has no label `{}`", bare(wanted)), shown()))
        };
        wanted.iter().map(of_name).collect()
    }
}

fn language_named(name: &str) -> Result<Language> {
    crate::language::language_of_key(name).map_err(|problem| {
        let (problem, hint) = problem.split_once('\n').unwrap_or((&problem, ""));
        wrong(format!("`only_languages`: {problem}"), hint)
    })
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

impl FastText {
    /// The score of a text; `None` if it has no word that the model knows.
    ///
    /// # Errors
    /// If the model's numbers are damaged.
    fn score(&self, line: &str) -> yuan_fasttext::Result<f32> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut sum = 0.0;
            for label in &self.labels {
                sum += self.model.label_probability(scratch, line, *label)?;
            }
            Ok(sum.min(1.0))
        })
    }
}

/// The checks that hold for a language.
pub struct PreparedFastText {
    language: Language,
    is_scored: bool,
    checks: Vec<Check>,
}

impl Rules for FastText {
    type Prepared = PreparedFastText;

    const MEASURES: &'static [Measured] =
        &[Measured::fraction("score", "Probability of the label; none for languages that are not scored.")];

    fn language<'a>(&self, document: &Document<'a>) -> &'a str {
        document.measure::<DocumentLanguage>().0.code()
    }

    fn score_columns(&self) -> Vec<(usize, String)> {
        vec![(0, self.config.column.clone())]
    }

    fn is_expected_to_drop(&self) -> bool {
        let config = &self.config;
        config.min_score > 0.0 || config.max_score > 0.0 || config.languages.languages().next().is_some()
    }

    fn prepare(&self, language: &str) -> PreparedFastText {
        let language = Language::of_name(language).unwrap_or(Language::UNKNOWN);
        let checks = self.config.checks(language.code());
        PreparedFastText { language, is_scored: self.only.is_empty() || self.only.contains(&language), checks }
    }

    fn checks<'p>(&self, prepared: &'p PreparedFastText) -> &'p [Check] {
        &prepared.checks
    }

    fn measure(&self, prepared: &PreparedFastText, document: &Document<'_>, values: &mut [f64]) -> Option<String> {
        if !prepared.is_scored {
            return None;
        }
        let text = document.text();
        let end = match self.config.sample_chars {
            0 => text.len(),
            most => text.char_indices().nth(most).map_or(text.len(), |(at, _)| at),
        };
        let words =
            (self.preparation.uses_words_of_the_text() && end == text.len()).then(|| document.measure::<Words>());
        let line = self.preparation.line(&text[..end], prepared.language, words);
        // A model whose numbers are damaged gives no score; opening it has checked what can be checked.
        values[0] = self.score(&line).map_or(f64::NAN, f64::from);
        None
    }
}
