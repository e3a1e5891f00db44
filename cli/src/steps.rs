//! Every stage there is: one row each, from which recipes, plans and the catalogue are made.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use yuan_pipeline::{Columns, Error, Measured, Rules, Stage, Step, Work};

use crate::stages::{Entry, entry};

/// The work that a row's configuration becomes, by the word before its name.
macro_rules! work {
    (rules, $config:expr) => {
        Ok(Work::Stage(Arc::new($config)))
    };
    (stage, $config:expr) => {
        Ok(Work::Stage(Arc::new($config)))
    };
    (built, $config:expr) => {
        Ok(Work::Stage(Arc::new($config.build()?)))
    };
    (built_rules, $config:expr) => {
        Ok(Work::Stage(Arc::new($config.build()?)))
    };
    (pass, $config:expr) => {
        Ok(Work::Pass(Arc::new($config)))
    };
    (built_pass, $config:expr) => {
        Ok(Work::Pass(Arc::new($config.build()?)))
    };
    (stage_or_pass, $config:expr) => {
        $config.build()
    };
}

/// What a row's stage measures.
macro_rules! measures {
    (rules, $type:ty) => {
        <$type as Rules>::MEASURES
    };
    (built_rules, $config:ty, $type:ty) => {
        <$type as Rules>::MEASURES
    };
    ($other:ident, $type:ty) => {
        &[] as &[Measured]
    };
}

macro_rules! stages {
    ($($group:literal: $($work:ident $name:literal $variant:ident($type:ty $(=> $built:ty)?), $kind:literal, $columns:literal;)+)+) => {
        /// One step of a recipe: `[[stage]]`, then its name with its settings.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub enum StageConfig {
            $($(#[serde(rename = $name)] $variant($type),)+)+
        }

        impl StageConfig {
            /// Its name in a recipe.
            pub fn name(&self) -> &'static str {
                match self {
                    $($(Self::$variant(_) => $name,)+)+
                }
            }

            fn work(self) -> Result<Work, Error> {
                match self {
                    $($(Self::$variant(config) => work!($work, config),)+)+
                }
            }
        }

        /// All stages, in the order of a usual chain.
        pub fn catalogue() -> Vec<Entry> {
            vec![$($(entry::<$type>($group, $name, $kind, $columns, measures!($work, $type $(, $built)?)),)+)+]
        }
    };
}

stages! {
    "Text":
    stage "repair_text" RepairText(yuan_filters::RepairText), "rewrites the text, judges", "-";
    stage "normalize" Normalize(yuan_filters::Normalize), "rewrites the text", "-";
    stage "chinese_variant" ChineseVariant(yuan_filters::ChineseVariant), "rewrites the text",
        "reads `language` if it is there";
    stage "boilerplate_lines" BoilerplateLines(yuan_filters::BoilerplateLines), "rewrites the text, judges", "-";
    stage "ccnet_text" CcNetText(yuan_filters::CcNetText), "rewrites the text", "-";
    built "pii" Pii(yuan_filters::PiiConfig), "rewrites the text, judges", "-";
    "Language":
    stage "language_id" LanguageId(yuan_filters::LanguageId), "annotates, judges", "adds `language`, `language_score`";
    "Addresses and words":
    built "url_filter" UrlFilter(yuan_filters::UrlFilterConfig), "judges", "reads the document's URL";
    built_rules "bad_words" BadWords(yuan_filters::BadWordsConfig => yuan_filters::BadWords), "judges",
        "reads `language` if it is there";
    built_rules "toxicity" Toxicity(yuan_filters::ToxicityConfig => yuan_filters::Toxicity), "judges",
        "reads `language` if it is there, and a score if one is named";
    "Rules":
    rules "gopher_quality" GopherQuality(yuan_filters::GopherQuality), "judges", "reads `language` if it is there";
    rules "gopher_repetition" GopherRepetition(yuan_filters::GopherRepetition), "judges",
        "reads `language` if it is there";
    rules "c4" C4(yuan_filters::C4), "rewrites the text, judges", "reads `language` if it is there";
    rules "c4_paragraphs" C4Paragraphs(yuan_filters::C4Paragraphs), "judges", "reads `language` if it is there";
    rules "fineweb" FineWeb(yuan_filters::FineWeb), "judges", "reads `language` if it is there";
    rules "refinedweb_lines" RefinedWebLines(yuan_filters::RefinedWebLines), "rewrites the text, judges",
        "reads `language` if it is there";
    rules "roots" Roots(yuan_filters::Roots), "judges", "reads `language` if it is there";
    rules "data_juicer" DataJuicer(yuan_filters::DataJuicer), "judges", "reads `language` if it is there";
    rules "madlad" Madlad(yuan_filters::Madlad), "judges", "reads `language` if it is there";
    rules "chinese_web_text" ChineseWebText(yuan_filters::ChineseWebText), "judges",
        "reads `language` if it is there";
    rules "polylm" PolyLm(yuan_filters::PolyLm), "rewrites the text, judges", "reads `language` if it is there";
    rules "yayi2" Yayi2(yuan_filters::Yayi2), "rewrites the text, judges", "reads `language` if it is there";
    rules "code" Code(yuan_filters::Code), "rewrites the text, judges", "reads the field that holds the file's path";
    "Scores":
    stage_or_pass "buckets" Buckets(yuan_filters::BucketsConfig), "annotates, judges; sees the whole corpus if it learns",
        "reads a score; adds `bucket`";
    built "keep_where" KeepWhere(yuan_filters::KeepWhereConfig), "judges", "reads the columns of its expression";
    "Copies":
    pass "exact" Exact(yuan_dedup::Exact), "judges, sees the whole corpus", "-";
    pass "minhash" Minhash(yuan_dedup::Minhash), "judges, sees the whole corpus", "-";
    "Tokens":
    built_pass "train_tokenizer" TrainTokenizer(yuan_tokenizer::TrainTokenizerConfig),
        "sees the whole corpus, writes tokenizer.json", "-";
    built "tokenize" Tokenize(yuan_tokenizer::TokenizeConfig), "annotates", "adds `tokens`";
    pass "write_binidx" WriteBinidx(yuan_binidx::WriteBinidx), "sees the whole corpus, writes .bin and .idx",
        "reads `tokens`";
}

impl StageConfig {
    /// The step; `trained` is the tokenizer that an earlier step of the run writes.
    pub fn step(&self, base: &Path, folder: &Path, trained: Option<&Path>) -> Result<Step, Error> {
        let mut config = self.clone();
        config.place(base, folder, trained);
        let settings = serde_json::to_value(self).expect("settings are plain values");
        let work = match config {
            Self::LanguageId(stage) => {
                if let Some(wrong) = stage.keep.iter().find_map(|code| yuan_filters::check_identified(code).err()) {
                    let (problem, hint) = wrong.split_once('\n').unwrap_or((&wrong, ""));
                    let problem = format!("`language_id.keep`: {problem}");
                    return Err(Error::Plan { problem, hint: Some(hint.to_owned()) });
                }
                Work::Stage(Arc::new(stage))
            }
            Self::Minhash(pass) => {
                pass.validate()?;
                Work::Pass(Arc::new(pass))
            }
            Self::Tokenize(config) if Some(config.tokenizer.as_path()) == trained => Work::Deferred {
                columns: Columns::default().adding("tokens", tokens_type()),
                build: Box::new(move || config.build().map(|stage| Arc::new(stage) as Arc<dyn Stage>)),
            },
            config => config.work()?,
        };
        let config = settings.as_object().and_then(|object| object.values().next()).cloned().unwrap_or_default();
        Ok(Step { name: self.name().into(), config, version: 1, work })
    }

    /// Fills in where things are: what a run writes is in its folder, what it reads starts at `base`.
    fn place(&mut self, base: &Path, folder: &Path, trained: Option<&Path>) {
        self.place_files(base);
        match self {
            Self::TrainTokenizer(train) => train.output = folder.join(&train.output),
            Self::Tokenize(tokenize) => {
                let in_run = folder.join(&tokenize.tokenizer);
                let made_here = trained == Some(in_run.as_path());
                tokenize.tokenizer = if made_here { in_run } else { base.join(&tokenize.tokenizer) };
            }
            Self::Buckets(buckets) => buckets.cutoffs_output = folder.join(&buckets.cutoffs_output),
            Self::WriteBinidx(write) => write.prefix = folder.join("out").join(&write.prefix),
            _ => {}
        }
    }
}

impl StageConfig {
    /// Lets the paths of lists and models, settings named `files`, `…_file`, `…_files` or `model`, start at `base`.
    pub fn place_files(&mut self, base: &Path) {
        let mut settings = serde_json::to_value(&*self).expect("settings are plain values");
        if place(&mut settings[self.name()], false, base) {
            *self = serde_json::from_value(settings).expect("only paths have changed");
        }
    }
}

/// Whether a path was changed.
fn place(value: &mut Value, is_path: bool, base: &Path) -> bool {
    match value {
        Value::String(path) if is_path && Path::new(&*path).is_relative() => {
            *path = base.join(&*path).to_string_lossy().into_owned();
            true
        }
        Value::Array(values) => values.iter_mut().fold(false, |any, value| place(value, is_path, base) | any),
        Value::Object(fields) => fields.iter_mut().fold(false, |any, (name, value)| {
            let is_path = is_path || ["files", "model"].contains(&name.as_str()) || name.ends_with("_files");
            place(value, is_path || name.ends_with("_file"), base) | any
        }),
        _ => false,
    }
}

fn tokens_type() -> DataType {
    DataType::LargeList(Arc::new(Field::new("item", DataType::UInt32, false)))
}
