//! How likely a text is to an n-gram language model.
//!
//! Sources: Heafield 2011 (KenLM); Wenzek et al. 2020 (CCNet, arXiv:1911.00359), facebookresearch/cc_net, `perplexity.py`
//! (`DocLM`). Reads `text` and `language`; adds columns with perplexity and bits per byte. One walk over the text, a look into
//! the model for each token.

mod models;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_kenlm::Scorer;
use yuan_pipeline::{Check, Document, Error, Measured, Result, Rules};

pub(crate) use self::models::CARD;
pub use self::models::{KenLmCard, KenLmModelCard};
use self::models::{LanguageModel, Wanted};
use super::prepare::{Spelling, Tokens};
use crate::rules::{DocumentLanguage, PerLanguage};
use crate::words::{Language, Words};

fn wrong(problem: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Stage { stage: "kenlm".into(), problem: problem.into(), hint: Some(hint.into()) }
}

/// Scores documents with n-gram language models, one for each language, and drops those that are too unlikely as
/// `high_perplexity`, `high_bits_per_byte` or `many_unknown_tokens`, those too likely as `low_perplexity`.
///
/// Perplexity is that of a token, the ends of sentences among them; how much is much depends on the tokens and the language.
/// Bits per byte can be compared between tokens, and are less unlike between languages. A document in a language without a
/// model has no score, and is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KenLmConfig {
    /// A folder that `train_kenlm` wrote; a folder with files by language, as `zh.bin` or cc_net's `zh.arpa.bin` and
    /// `zh.sp.model`; or one file for all languages. Binary models of KenLM (probing and trie) or ARPA, also `.gz`, `.zst`.
    /// Default `bundled`: small models of Chinese and English that are part of this program (`filters/models/MODEL_CARD.md`).
    pub model: PathBuf,
    /// The SentencePiece model, where the tokens are its pieces and the folder does not have it.
    pub sentencepiece_file: Option<PathBuf>,
    /// How texts are spelt. Default: as the models' card says; `ccnet` for a folder of cc_net's; else `ccnet_fixed`.
    pub spelling: Option<Spelling>,
    /// What their tokens are. Default: as the models' card says; `sentencepiece` where its model is there; else `units`.
    pub tokens: Option<Tokens>,
    /// Follow cc_net exactly: its spelling with its faults, so that a document is one sentence, and perplexities rounded to
    /// tenths. Default none.
    pub compat: Option<KenLmCompat>,
    /// The column with the perplexity. Default `kenlm_perplexity`.
    pub perplexity_column: String,
    /// The column with the bits per byte of text; empty for none. Default `kenlm_bits_per_byte`.
    pub bits_column: String,
    /// Greatest perplexity kept. Default 0: off.
    pub max_perplexity: f64,
    /// Least perplexity kept: text that repeats itself is very likely. Default 0: off.
    pub min_perplexity: f64,
    /// Most bits per byte kept. Default 0: off.
    pub max_bits_per_byte: f64,
    /// Greatest fraction of tokens, in [0, 1], that the model does not know. Default 0: off.
    pub max_unknown_fraction: f64,
    /// Thresholds for documents of one language: `languages.zh = { max_perplexity = 800 }`. Default empty.
    pub languages: PerLanguage<Self>,
}

/// Whose definition of perplexity is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KenLmCompat {
    /// facebookresearch/cc_net.
    #[serde(rename = "ccnet")]
    CcNet,
}

impl Default for KenLmConfig {
    fn default() -> Self {
        Self {
            model: models::BUNDLED.into(),
            sentencepiece_file: None,
            spelling: None,
            tokens: None,
            compat: None,
            perplexity_column: "kenlm_perplexity".into(),
            bits_column: "kenlm_bits_per_byte".into(),
            max_perplexity: 0.0,
            min_perplexity: 0.0,
            max_bits_per_byte: 0.0,
            max_unknown_fraction: 0.0,
            languages: PerLanguage::default(),
        }
    }
}

/// The stage of a [`KenLmConfig`].
pub struct KenLm {
    config: KenLmConfig,
    models: BTreeMap<String, LanguageModel>,
}

impl KenLmConfig {
    /// Opens the models.
    ///
    /// # Errors
    /// If there is none, or one cannot be read.
    pub fn build(self) -> Result<KenLm> {
        if self.model.as_os_str().is_empty() {
            let hint = "name a folder or file; `yuan-data train-kenlm` makes one";
            return Err(wrong("there is no `model`", hint));
        }
        let exact = self.compat.map(|KenLmCompat::CcNet| Spelling::CcNet);
        let wanted = Wanted {
            spelling: exact.or(self.spelling),
            tokens: self.tokens,
            sentencepiece: self.sentencepiece_file.as_deref(),
        };
        Ok(KenLm { models: models::open(&self.model, wanted)?, config: self })
    }

    /// The checks that documents of a language are held to.
    pub fn checks(&self, language: &str) -> Vec<Check> {
        let language = Language::of_name(language).unwrap_or(Language::UNKNOWN);
        let own = self.languages.effective(self, "kenlm", language);
        let checks = [
            Check::at_most("high_perplexity", PERPLEXITY, own.max_perplexity),
            Check::at_least("low_perplexity", PERPLEXITY, own.min_perplexity),
            Check::at_most("high_bits_per_byte", BITS, own.max_bits_per_byte),
            Check::at_most("many_unknown_tokens", UNKNOWN, own.max_unknown_fraction),
        ];
        checks.into_iter().filter(|check| check.threshold > 0.0).collect()
    }
}

/// What a model says of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TextScore {
    /// Sum of the base-10 logarithms of the tokens' probabilities.
    pub log10_prob: f64,
    /// Tokens, an end for each sentence among them.
    pub tokens: u64,
    /// Tokens that the model does not know.
    pub unknown: u64,
}

impl TextScore {
    /// Perplexity of a token.
    pub fn perplexity(&self) -> f64 {
        10f64.powf(-self.log10_prob / self.tokens as f64)
    }

    /// Bits for each of the text's bytes.
    pub fn bits_per_byte(&self, bytes: usize) -> f64 {
        -self.log10_prob * std::f64::consts::LOG2_10 / bytes as f64
    }
}

impl LanguageModel {
    fn score(&self, text: &str, language: Language, words: Option<&Words>) -> TextScore {
        let vocabulary = self.model.vocabulary();
        let (mut indices, mut ends) = (Vec::new(), Vec::new());
        self.preparation.for_each_sentence(text, language, words, |tokens| {
            indices.extend(tokens.iter().map(|token| vocabulary.index(token.as_bytes())));
            ends.push(indices.len());
        });
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let sentences = starts.zip(&ends).map(|(start, end)| &indices[start..*end]);
        let mut score = TextScore::default();
        for of_sentence in Scorer::new(&self.model).score_batch(sentences, true, true) {
            score.log10_prob += f64::from(of_sentence.log10_prob);
            score.tokens += u64::from(of_sentence.tokens);
            score.unknown += u64::from(of_sentence.unknown);
        }
        score
    }
}

impl KenLm {
    /// The model for documents of a language: its own, the one of both scripts of Chinese, or the one for all.
    fn model(&self, name: &str) -> Option<&LanguageModel> {
        let primary = name.split(['-', '_']).next().unwrap_or(name);
        let variant = name.replace('-', "_").to_lowercase();
        [name, variant.as_str(), primary, ""].into_iter().find_map(|name| self.models.get(name))
    }

    /// What the model of a language says of a text; `None` if there is none, or nothing to score.
    pub fn score(&self, text: &str, language: &str) -> Option<TextScore> {
        let known = Language::of_name(language).unwrap_or(Language::UNKNOWN);
        let score = self.model(language)?.score(text, known, None);
        (score.tokens > 0).then_some(score)
    }
}

/// The language and the checks that hold for it.
pub struct PreparedKenLm {
    language: Language,
    checks: Vec<Check>,
}

const PERPLEXITY: usize = 0;
const BITS: usize = 1;
const UNKNOWN: usize = 2;

impl Rules for KenLm {
    type Prepared = PreparedKenLm;

    const MEASURES: &'static [Measured] = &[
        Measured::ratio("perplexity", "Perplexity of a token; none for languages without a model."),
        Measured::ratio("bits_per_byte", "Bits for each byte of the text."),
        Measured::fraction("unknown_fraction", "Part of the tokens that the model does not know."),
    ];

    fn language<'a>(&self, document: &Document<'a>) -> &'a str {
        document.measure::<DocumentLanguage>().0.code()
    }

    fn score_columns(&self) -> Vec<(usize, String)> {
        let columns = [(PERPLEXITY, &self.config.perplexity_column), (BITS, &self.config.bits_column)];
        columns.into_iter().filter(|(_, name)| !name.is_empty()).map(|(place, name)| (place, name.clone())).collect()
    }

    fn is_expected_to_drop(&self) -> bool {
        let config = &self.config;
        let thresholds =
            [config.max_perplexity, config.min_perplexity, config.max_bits_per_byte, config.max_unknown_fraction];
        thresholds.iter().any(|threshold| *threshold > 0.0) || config.languages.languages().next().is_some()
    }

    fn prepare(&self, language: &str) -> PreparedKenLm {
        let language = Language::of_name(language).unwrap_or(Language::UNKNOWN);
        PreparedKenLm { language, checks: self.config.checks(language.code()) }
    }

    fn checks<'p>(&self, prepared: &'p PreparedKenLm) -> &'p [Check] {
        &prepared.checks
    }

    fn measure(&self, prepared: &PreparedKenLm, document: &Document<'_>, values: &mut [f64]) -> Option<String> {
        let name = document.str("language");
        let model = self.model(name.as_deref().unwrap_or(prepared.language.code()))?;
        let text = document.text();
        let words = model.preparation.uses_words_of_the_text().then(|| document.measure::<Words>());
        let score = model.score(text, prepared.language, words);
        if score.tokens == 0 {
            return None;
        }
        let perplexity = match self.config.compat {
            // Python's `round(perplexity, 1)`.
            Some(KenLmCompat::CcNet) => format!("{:.1}", score.perplexity()).parse().unwrap_or(f64::INFINITY),
            None => score.perplexity(),
        };
        // What the columns hold is what is compared.
        values[PERPLEXITY] = f64::from(perplexity as f32);
        values[BITS] = f64::from(score.bits_per_byte(text.len()) as f32);
        values[UNKNOWN] = score.unknown as f64 / score.tokens as f64;
        None
    }
}
