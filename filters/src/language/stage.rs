//! The stage of `language_id`: columns and verdicts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Float32Builder, LargeStringBuilder, MapBuilder, StringBuilder};
use arrow_schema::{DataType, Field, Fields};
use yuan_pipeline::{Batch, Columns, Detail, Document, Error, Finding, Reason, Result, Stage, Verdict};

use super::identify::windows;
use super::lines::{Shares, letters};
use super::model::LanguageModel;
use super::script::Script;
use super::{LanguageId, ShortText, codes, identify, script};
use crate::words::Language;

/// The stage of a [`LanguageId`].
pub struct LanguageIdentifier {
    config: LanguageId,
    model: Option<LanguageModel>,
    /// Settings of languages that have their own.
    own: HashMap<Language, LanguageId>,
}

/// What is known of one document.
struct Known {
    language: Cow<'static, str>,
    score: f32,
    script: Option<Cow<'static, str>>,
    too_short: Option<usize>,
    shares: Option<Shares>,
}

impl LanguageId {
    /// Opens the model, if there is one, and checks the languages to keep.
    ///
    /// # Errors
    /// If the model cannot be read, or a language to keep is none that can be named.
    pub fn build(&self) -> Result<LanguageIdentifier> {
        let model = self.model.as_deref().map(LanguageModel::open).transpose()?;
        for kept in &self.keep {
            let checked = match &model {
                None => codes::check_identified(kept),
                Some(model) => codes::check_named(kept, model.languages()),
            };
            checked.map_err(|wrong| {
                let (problem, hint) = wrong.split_once('\n').unwrap_or((&wrong, ""));
                Error::Plan { problem: format!("`language_id.keep`: {problem}"), hint: Some(hint.to_owned()) }
            })?;
        }
        let own = self.languages.languages().map(|language| {
            let own = self.languages.effective(self, "language_id", language);
            (language, own)
        });
        Ok(LanguageIdentifier { own: own.collect(), model, config: self.clone() })
    }
}

impl LanguageIdentifier {
    /// The language of a text with its score, and the script if the model tells.
    fn identify(&self, text: &str) -> (Cow<'static, str>, f32, Option<Cow<'static, str>>) {
        let Some(model) = &self.model else {
            let found = identify(text, self.config.sample_bytes);
            return (Cow::Borrowed(found.language), found.score, None);
        };
        let sample = if self.config.sample_bytes == 0 { text.len() } else { self.config.sample_bytes };
        match model.identify(windows(text, sample)) {
            Some(found) if letters(text) > 0 => {
                let owned = |text: &str| Cow::Owned(text.to_owned());
                (owned(found.language), found.probability, found.script.map(owned))
            }
            _ => (Cow::Borrowed("und"), 0.0, None),
        }
    }

    fn known(&self, text: &str) -> Known {
        let config = &self.config;
        let short = (config.min_letters > 0).then(|| letters(text)).filter(|letters| *letters < config.min_letters);
        let (language, score, script) = match short {
            Some(_) => (Cow::Borrowed("und"), 0.0, None),
            None => self.identify(text),
        };
        let script = config.script.then(|| script.or_else(|| script_of(&language, text))).flatten();
        let shares = (config.shares || config.min_main_share > 0.0)
            .then(|| Shares::of(text, config.min_line_letters, &language, |line| self.identify(line).0));
        Known { language, score, script, too_short: short, shares }
    }

    /// The settings for documents of a language.
    fn settings(&self, language: &str) -> &LanguageId {
        let language = Language::of_name(language);
        language.and_then(|language| self.own.get(&language)).unwrap_or(&self.config)
    }

    fn judge(&self, known: &Known) -> Verdict {
        let settings = self.settings(&known.language);
        if let Some(letters) = known.too_short
            && self.config.short_text == ShortText::Drop
        {
            return Verdict::drop("too_short_to_identify", letters as f64, self.config.min_letters as f64);
        }
        if !self.config.keeps(&known.language) {
            let detail = Detail::Text(known.language.to_string());
            return Verdict::Drop(Reason { code: "language_not_kept", detail });
        }
        match settings.judge_score(&known.language, known.score) {
            Verdict::Keep => {}
            dropped => return dropped,
        }
        match &known.shares {
            Some(shares) if shares.of_language(&known.language) < settings.min_main_share => {
                let (share, least) = (shares.of_language(&known.language), settings.min_main_share);
                Verdict::drop("mixed_languages", f64::from(share), f64::from(least))
            }
            _ => Verdict::Keep,
        }
    }
}

/// The script's code, by the language where it has one way to be written, else by the letters of the text.
fn script_of(language: &str, text: &str) -> Option<Cow<'static, str>> {
    let code = match language {
        "zh-Hans" => "Hans",
        "zh-Hant" | "yue" => "Hant",
        "ja" => "Jpan",
        _ => {
            let shares = script::Shares::of(std::iter::once(text));
            let most = script::ALL.into_iter().max_by(|a, b| shares.weight(*a).total_cmp(&shares.weight(*b)));
            code_of(most.filter(|script| shares.weight(*script) > 0.0)?)?
        }
    };
    Some(Cow::Borrowed(code))
}

/// The code of a script in ISO 15924.
fn code_of(script: Script) -> Option<&'static str> {
    Some(match script {
        Script::Latin => "Latn",
        Script::Cyrillic => "Cyrl",
        Script::Arabic => "Arab",
        Script::Devanagari => "Deva",
        Script::Han => "Hani",
        Script::Kana => "Jpan",
        Script::Hangul => "Hang",
        Script::Greek => "Grek",
        Script::Armenian => "Armn",
        Script::Hebrew => "Hebr",
        Script::Thaana => "Thaa",
        Script::Bengali => "Beng",
        Script::Gurmukhi => "Guru",
        Script::Gujarati => "Gujr",
        Script::Oriya => "Orya",
        Script::Tamil => "Taml",
        Script::Telugu => "Telu",
        Script::Kannada => "Knda",
        Script::Malayalam => "Mlym",
        Script::Sinhala => "Sinh",
        Script::Thai => "Thai",
        Script::Lao => "Laoo",
        Script::Tibetan => "Tibt",
        Script::Myanmar => "Mymr",
        Script::Georgian => "Geor",
        Script::Ethiopic => "Ethi",
        Script::Khmer => "Khmr",
        Script::Mongolian => "Mong",
        Script::Other | Script::None => return None,
    })
}

/// The type of `language_shares`: language → share.
fn shares_type() -> DataType {
    let entries =
        Fields::from(vec![Field::new("keys", DataType::Utf8, false), Field::new("values", DataType::Float32, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

impl Stage for LanguageIdentifier {
    fn asked_for(&self) -> &'static [&'static str] {
        &["language_not_kept"]
    }

    fn columns(&self) -> Columns {
        let mut columns =
            Columns::default().adding("language", DataType::LargeUtf8).adding("language_score", DataType::Float32);
        if self.config.script {
            columns = columns.adding("language_script", DataType::LargeUtf8);
        }
        if self.config.shares {
            columns = columns.adding("language_shares", shares_type());
        }
        columns
    }

    fn process(&self, batch: Batch) -> Result<Batch> {
        let rows = batch.rows();
        let mut found: Vec<Option<Known>> = (0..rows).map(|_| None).collect();
        for document in batch.documents() {
            found[document.row()] = Some(self.known(document.text()));
        }
        let mut languages = LargeStringBuilder::with_capacity(rows, rows * 8);
        let mut scores = Float32Builder::with_capacity(rows);
        for known in &found {
            languages.append_option(known.as_ref().map(|known| &known.language));
            scores.append_option(known.as_ref().map(|known| known.score));
        }
        let mut batch = batch
            .annotate(Field::new("language", DataType::LargeUtf8, true), Arc::new(languages.finish()))?
            .annotate(Field::new("language_score", DataType::Float32, true), Arc::new(scores.finish()))?;
        if self.config.script {
            let mut scripts = LargeStringBuilder::with_capacity(rows, rows * 4);
            found
                .iter()
                .for_each(|known| scripts.append_option(known.as_ref().and_then(|known| known.script.as_ref())));
            batch =
                batch.annotate(Field::new("language_script", DataType::LargeUtf8, true), Arc::new(scripts.finish()))?;
        }
        if self.config.shares {
            batch = batch.annotate(Field::new("language_shares", shares_type(), true), shares_column(&found)?)?;
        }
        batch.judge(|document| match &found[document.row()] {
            Some(known) => self.judge(known),
            None => Verdict::Keep,
        })
    }

    fn explain(&self, document: &Document<'_>) -> Vec<Finding> {
        let known = self.known(document.text());
        let settings = self.settings(&known.language);
        let finding = |rule, value: f64, threshold: f64| Finding {
            rule,
            value,
            threshold,
            at_least: true,
            drops: value < threshold,
        };
        let mut findings = Vec::new();
        if let Some(letters) = known.too_short {
            let mut finding = finding("too_short_to_identify", letters as f64, self.config.min_letters as f64);
            finding.drops = self.config.short_text == ShortText::Drop;
            findings.push(finding);
        }
        let kept = f64::from(u8::from(self.config.keeps(&known.language)));
        findings.push(finding("language_not_kept", kept, 1.0));
        // A text without letters has no score that is looked at.
        if known.language != "und" {
            findings.push(finding("low_language_score", f64::from(known.score), f64::from(settings.min_score)));
        }
        if let Some(shares) = known.shares.filter(|_| settings.min_main_share > 0.0) {
            let share = f64::from(shares.of_language(&known.language));
            findings.push(finding("mixed_languages", share, f64::from(settings.min_main_share)));
        }
        findings
    }
}

fn shares_column(found: &[Option<Known>]) -> Result<ArrayRef> {
    let mut column = MapBuilder::new(None, StringBuilder::new(), Float32Builder::new());
    for known in found {
        let shares = known.as_ref().and_then(|known| known.shares.as_ref());
        for (language, share) in shares.into_iter().flat_map(Shares::iter) {
            column.keys().append_value(language);
            column.values().append_value(share);
        }
        column.append(shares.is_some())?;
    }
    Ok(Arc::new(column.finish()))
}
