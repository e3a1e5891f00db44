//! Language identification by a fastText model: lid.176, GlotLID, OpenLID, NLLB's, or one of your own.

use std::cell::RefCell;
use std::path::Path;

use yuan_fasttext::{ALL_LABELS, Model, Scratch};
use yuan_pipeline::{Error, Result};

use super::chinese;
use super::labels::LanguageLabel;

/// A fastText model whose labels are languages.
pub(super) struct LanguageModel {
    model: Model,
    labels: Vec<LanguageLabel>,
}

/// A language as a model names it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named<'m> {
    pub language: &'m str,
    /// ISO 15924, where the label tells.
    pub script: Option<&'m str>,
    pub probability: f32,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

impl LanguageModel {
    /// Opens a model.
    ///
    /// # Errors
    /// If it cannot be read or is no classifier.
    pub fn open(path: &Path) -> Result<Self> {
        let model = Model::open(path).map_err(|error| Error::stage("language_id", error.to_string()))?;
        if model.args().model != yuan_fasttext::ModelKind::Supervised {
            return Err(Error::Stage {
                stage: "language_id".into(),
                problem: format!("`{}` holds word vectors, no classifier", path.display()),
                hint: Some("take a model such as lid.176.ftz".into()),
            });
        }
        let dictionary = model.dictionary();
        let label = |label| LanguageLabel::of(&String::from_utf8_lossy(dictionary.label(label)));
        let labels = (0..dictionary.label_count()).map(label).collect();
        Ok(Self { model, labels })
    }

    /// The languages it can name, each once; `zh` may come out as either script.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(|label| label.language.as_str())
    }

    /// The language of a text, its parts joined by spaces; `None` if the model knows nothing of it. Chinese whose script the
    /// label leaves open is told by its characters.
    ///
    /// Labels that mean the same language (`cmn_Hani` and `zho`, say) count together.
    pub fn identify<'t>(&self, parts: impl Iterator<Item = &'t str> + Clone) -> Option<Named<'_>> {
        let mut text = String::new();
        for part in parts.clone() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(part);
        }
        // What is damaged in a model's numbers shows as no prediction.
        let (best, probability) = SCRATCH.with_borrow_mut(|scratch| {
            let predictions = self.model.predict(scratch, &text, ALL_LABELS, 0.01).ok()?;
            let first = *predictions.first()?;
            let language = &self.labels[first.label as usize].language;
            let same = |label: u32| self.labels[label as usize].language == *language;
            let sum: f32 = predictions.iter().filter(|one| same(one.label)).map(|one| one.probability).sum();
            Some((first.label as usize, sum.min(1.0)))
        })?;
        let label = &self.labels[best];
        let language = match label.language.as_str() {
            "zh" => chinese::variant(parts),
            other => other,
        };
        Some(Named { language, script: label.script.as_deref(), probability })
    }
}
