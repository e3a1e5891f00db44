//! Every stage there is: one row each, from which recipes, plans and the catalogue are made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use yuan_dedup::{DatatroveStep, IndexMode};
use yuan_pipeline::{Columns, Error, Measured, Rules, Stage, Step, Work};

use crate::commands::run::name_of;
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
    (checked_pass, $config:expr) => {{
        let pass = $config;
        pass.validate()?;
        Ok(Work::Pass(Arc::new(pass)))
    }};
    (built_pass, $config:expr) => {
        Ok(Work::Pass(Arc::new($config.build()?)))
    };
    (pass_with_words, $config:expr) => {
        Ok(Work::Pass(Arc::new($config.build(Arc::new(crate::words::PublishedWords))?)))
    };
    (pass_with_chinese_words, $config:expr) => {
        Ok(Work::Pass(Arc::new($config.build_with(Arc::new(crate::words::PublishedWords))?)))
    };
    (buckets, $config:expr) => {
        crate::encoder::buckets(&$config)
    };
    (model_rules, $config:expr) => {{
        crate::encoder::check_languages(&$config)?;
        let tokenizer = crate::encoder::ModelTokenizer::of(&$config)?;
        Ok(Work::Stage(Arc::new($config.build(tokenizer)?)))
    }};
}

/// What a row's stage measures.
macro_rules! measures {
    (rules, $type:ty) => {
        <$type as Rules>::MEASURES
    };
    (built_rules, $config:ty, $type:ty) => {
        <$type as Rules>::MEASURES
    };
    (model_rules, $config:ty, $type:ty) => {
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
    built "language_id" LanguageId(yuan_filters::LanguageId), "annotates, judges", "adds `language`, `language_score`";
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
    built_rules "fasttext" FastText(yuan_filters::FastTextConfig => yuan_filters::FastText), "annotates, judges",
        "reads `language` if it is there; adds `quality`";
    built_rules "kenlm" KenLm(yuan_filters::KenLmConfig => yuan_filters::KenLm), "annotates, judges",
        "reads `language` if it is there; adds `kenlm_perplexity`, `kenlm_bits_per_byte`";
    model_rules "moe" Moe(yuan_model::MoeConfig => yuan_model::Moe), "annotates, judges",
        "reads `language` if it is there, and ids and scores if they are named; adds `moe_perplexity`, `moe_bits_per_byte`";
    buckets "buckets" Buckets(yuan_filters::BucketsConfig), "annotates, judges; sees the whole corpus if it learns",
        "reads a score; adds `bucket`";
    built "keep_where" KeepWhere(yuan_filters::KeepWhereConfig), "judges", "reads the columns of its expression";
    "Copies":
    pass "exact" Exact(yuan_dedup::Exact), "judges, sees the whole corpus", "-";
    checked_pass "minhash" Minhash(yuan_dedup::Minhash), "judges, sees the whole corpus", "-";
    pass_with_words "minhash_datatrove" MinhashDatatrove(yuan_dedup::MinhashDatatrove), "judges, sees the whole corpus", "-";
    built_pass "minhash_text_dedup" MinhashTextDedup(yuan_dedup::MinhashTextDedup), "judges, sees the whole corpus", "-";
    built_pass "minhash_data_juicer" MinhashDataJuicer(yuan_dedup::MinhashDataJuicer), "judges, sees the whole corpus",
        "-";
    checked_pass "simhash" Simhash(yuan_dedup::Simhash), "judges, sees the whole corpus", "-";
    checked_pass "repeated_text" RepeatedText(yuan_dedup::RepeatedText), "rewrites the text, judges, sees the whole corpus", "-";
    checked_pass "repeated_ngrams" RepeatedNgrams(yuan_dedup::RepeatedNgrams), "rewrites the text, judges, sees the whole corpus",
        "-";
    checked_pass "repeated_substrings" RepeatedSubstrings(yuan_dedup::RepeatedSubstrings),
        "rewrites the text, judges, sees the whole corpus", "reads `tokens` if these are cut";
    built_pass "decontaminate" Decontaminate(yuan_dedup::DecontaminateConfig),
        "judges or rewrites the text, sees the whole corpus", "-";
    built_pass "train_fasttext" TrainFastText(yuan_filters::TrainFastTextConfig),
        "sees the whole corpus, writes a classifier", "reads the label's field";
    built_pass "train_kenlm" TrainKenLm(yuan_filters::TrainKenLmConfig),
        "sees the whole corpus, writes language models", "reads `language` if it is there";
    "Tokens":
    pass_with_chinese_words "train_tokenizer" TrainTokenizer(yuan_tokenizer::TrainTokenizerConfig),
        "sees the whole corpus, writes tokenizer.json or .model", "-";
    built_pass "prune_tokenizer" PruneTokenizer(yuan_tokenizer::PruneTokenizerConfig),
        "sees the whole corpus, writes tokenizer.json", "-";
    built "tokenize" Tokenize(yuan_tokenizer::TokenizeConfig), "annotates", "adds `tokens`";
    pass "write_binidx" WriteBinidx(yuan_binidx::WriteBinidx), "sees the whole corpus, writes .bin and .idx",
        "reads `tokens`";
}

impl StageConfig {
    /// The step; `made` are the files and folders that earlier steps of the run write, as their settings name them.
    pub fn step(&self, base: &Path, folder: &Path, made: &[PathBuf]) -> Result<Step, Error> {
        let mut config = self.clone();
        config.place(base, folder, made);
        let settings = serde_json::to_value(self).expect("settings are plain values");
        let later = self.model().is_some_and(|model| made.iter().any(|made| made == model));
        let work = match config {
            Self::Tokenize(config) if later => {
                let columns = Columns::default().adding("tokens", tokens_type());
                deferred(columns, move || Ok(Arc::new(config.build()?)))
            }
            Self::FastText(config) if later => {
                let columns = Columns::default().adding(config.column.clone(), DataType::Float32);
                deferred(columns, move || Ok(Arc::new(config.clone().build()?)))
            }
            Self::KenLm(config) if later => {
                let names =
                    [&config.perplexity_column, &config.bits_column].into_iter().filter(|name| !name.is_empty());
                let columns =
                    names.fold(Columns::default(), |columns, name| columns.adding(name.clone(), DataType::Float32));
                deferred(columns, move || Ok(Arc::new(config.clone().build()?)))
            }
            config => config.work()?,
        };
        let config = settings.as_object().and_then(|object| object.values().next()).cloned().unwrap_or_default();
        Ok(Step { name: self.name().into(), config, version: 1, work })
    }

    /// The file or folder that the step writes for others to use, as its settings name it.
    pub fn makes(&self) -> Option<&Path> {
        match self {
            Self::TrainTokenizer(train) => Some(&train.output),
            Self::PruneTokenizer(prune) => Some(&prune.output),
            Self::TrainFastText(train) => Some(&train.output),
            Self::TrainKenLm(train) => Some(&train.output),
            _ => None,
        }
    }

    /// The file or folder that the step works with, and that an earlier one may write.
    fn model(&self) -> Option<&Path> {
        match self {
            Self::Tokenize(tokenize) => Some(&tokenize.tokenizer),
            Self::TrainTokenizer(train) => Some(&train.join_to),
            Self::FastText(fasttext) => Some(&fasttext.model),
            Self::KenLm(kenlm) => Some(&kenlm.model),
            Self::Moe(moe) => Some(&moe.model),
            _ => None,
        }
    }

    fn model_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Tokenize(tokenize) => Some(&mut tokenize.tokenizer),
            Self::TrainTokenizer(train) => Some(&mut train.join_to),
            Self::FastText(fasttext) => Some(&mut fasttext.model),
            Self::KenLm(kenlm) => Some(&mut kenlm.model),
            Self::Moe(moe) => Some(&mut moe.model),
            _ => None,
        }
    }

    /// Fills in where things are: what a run writes is in its folder, what it reads starts at `base`.
    fn place(&mut self, base: &Path, folder: &Path, made: &[PathBuf]) {
        self.place_files(base, made);
        match self {
            Self::TrainTokenizer(train) => train.output = folder.join(&train.output),
            Self::PruneTokenizer(prune) => prune.output = folder.join(&prune.output),
            Self::TrainFastText(train) => train.output = folder.join(&train.output),
            Self::TrainKenLm(train) => train.output = folder.join(&train.output),
            Self::Buckets(buckets) => buckets.cutoffs_output = folder.join(&buckets.cutoffs_output),
            Self::WriteBinidx(write) => write.prefix = folder.join("out").join(&write.prefix),
            Self::Minhash(minhash)
                if !minhash.index.is_empty() && minhash.index_mode == IndexMode::Update && minhash.crawl.is_empty() =>
            {
                minhash.crawl = name_of(folder);
            }
            Self::MinhashDatatrove(minhash)
                if minhash.step != DatatroveStep::Filter && !minhash.folder.as_os_str().is_empty() =>
            {
                minhash.folder = folder.join(&minhash.folder);
            }
            _ => {}
        }
        if let Some(model) = self.model_mut()
            && made.contains(model)
        {
            *model = folder.join(&*model);
        }
    }

    /// Lets the paths of lists and models, settings named `files`, `…_file`, `…_files` or `model`, start at `base`, but for what
    /// the run itself makes.
    pub fn place_files(&mut self, base: &Path, made: &[PathBuf]) {
        if let Some(model) = self.model_mut()
            && !model.as_os_str().is_empty()
            && !yuan_model::bundled::is_bundled(model)
            && !made.contains(model)
        {
            *model = base.join(&*model);
        }
        if let Self::TrainTokenizer(train) = self
            && !train.extend.as_os_str().is_empty()
        {
            train.extend = base.join(&train.extend);
        }
        if let Self::MinhashDatatrove(minhash) = self
            && minhash.step == DatatroveStep::Filter
        {
            minhash.folder = base.join(&minhash.folder);
        }
        let mut settings = serde_json::to_value(&*self).expect("settings are plain values");
        if place(&mut settings[self.name()], false, base) {
            *self = serde_json::from_value(settings).expect("only paths have changed");
        }
        if let Self::LanguageId(language) = self
            && let Some(model) = &mut language.model
        {
            *model = base.join(&*model);
        }
        if let Self::Minhash(minhash) = self
            && !minhash.index.is_empty()
        {
            minhash.index = base.join(&minhash.index).to_string_lossy().into_owned();
        }
    }
}

fn deferred(columns: Columns, build: impl Fn() -> Result<Arc<dyn Stage>, Error> + Send + Sync + 'static) -> Work {
    Work::Deferred { columns, build: Box::new(build) }
}

/// Whether a path was changed.
fn place(value: &mut Value, is_path: bool, base: &Path) -> bool {
    match value {
        Value::String(path) if is_path && path != yuan_model::bundled::NAME && Path::new(&*path).is_relative() => {
            *path = base.join(&*path).to_string_lossy().into_owned();
            true
        }
        Value::Array(values) => values.iter_mut().fold(false, |any, value| place(value, is_path, base) | any),
        Value::Object(fields) => fields.iter_mut().fold(false, |any, (name, value)| {
            let is_path = is_path || name == "files" || name.ends_with("_files") || name.ends_with("_file");
            place(value, is_path, base) | any
        }),
        _ => false,
    }
}

fn tokens_type() -> DataType {
    DataType::LargeList(Arc::new(Field::new("item", DataType::UInt32, false)))
}
