//! Tokens for the models of `model`, which has no tokenizers.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use yuan_filters::BucketsConfig;
use yuan_model::{Description, Encode, MoeConfig, bundled, tokenizer_of};
use yuan_pipeline::{Error, Work};
use yuan_serve::{Spelt, Vocabulary};
use yuan_tokenizer::{Scratch, Tokenizer};

/// A model's tokenizer.
pub struct ModelTokenizer {
    tokenizer: Tokenizer,
    /// Scratches not in use, as many as there are cores at most: each remembers words.
    scratches: Mutex<Vec<Scratch>>,
}

impl ModelTokenizer {
    /// Loads a tokenizer's file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Ok(Self { tokenizer: load_tokenizer(path)?, scratches: Mutex::default() })
    }

    /// Loads a tokenizer's file; control tokens written out in a text are control tokens.
    pub fn parsing_special(path: &Path) -> Result<Self, Error> {
        Ok(Self { tokenizer: load_tokenizer(path)?.parsing_special(true), scratches: Mutex::default() })
    }

    /// The tokenizer a model's step names, or that of the model's folder or file; none if ids come from a column.
    pub fn of(config: &MoeConfig) -> Result<Option<Arc<dyn Encode>>, Error> {
        // What is no model the step tells itself: its file is not called a bad tokenizer here.
        let is_model = || Description::read(&config.model).is_ok();
        if config.ids_column.is_some() || config.tokenizer_file.is_none() && !is_model() {
            return Ok(None);
        }
        let path = config.tokenizer_file.clone().or_else(|| tokenizer_of(&config.model));
        path.map(|path| Ok(Arc::new(Self::load(&path)?) as Arc<dyn Encode>)).transpose()
    }

    /// Works with a scratch that nobody else is using.
    fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratches = self.scratches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = scratches.pop().unwrap_or_default();
        drop(scratches);
        let done = work(&mut scratch);
        let mut scratches = self.scratches.lock().unwrap_or_else(PoisonError::into_inner);
        if scratches.len() < available_parallelism().map_or(1, usize::from) {
            scratches.push(scratch);
        }
        done
    }

    /// The tokenizer itself.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
}

/// Loads a tokenizer's file, or the bundled model's.
pub fn load_tokenizer(path: &Path) -> Result<Tokenizer, Error> {
    match bundled::file(path) {
        Some(bytes) => Tokenizer::from_bytes(path, bytes),
        None => Tokenizer::load(path),
    }
}

/// Whether thresholds of `moe` are for languages that there are.
pub fn check_languages(config: &MoeConfig) -> Result<(), Error> {
    let only = config.only_languages.iter().map(|key| (key, "only_languages"));
    for (key, setting) in config.languages.keys().map(|key| (key, "languages")).chain(only) {
        if ["zh-Hans", "zh-Hant"].contains(&key.as_str()) {
            continue;
        }
        yuan_filters::language_of_key(key).map_err(|problem| {
            let (problem, hint) = problem.split_once('\n').unwrap_or((&problem, ""));
            Error::Stage { stage: "moe".into(), problem: format!("`{setting}`: {problem}"), hint: Some(hint.into()) }
        })?;
    }
    Ok(())
}

/// The work of `buckets`, which may cut by where the bundled model's scores of clean text lie.
pub fn buckets(config: &BucketsConfig) -> Result<Work, Error> {
    if config.cutoff_file.as_deref().is_none_or(|file| !bundled::is_bundled(file)) {
        return config.build();
    }
    if config.higher_is_better || !config.column.ends_with("_bits_per_byte") || config.by != "language" {
        let problem = format!("the bundled cut-offs are not of `{}` by `{}`", config.column, config.by);
        let hint = "they are bits per byte, by `language`, of `moe = { model = \"bundled\" }`: its column is `moe_bits_per_byte`";
        return Err(Error::Stage { stage: "buckets".into(), problem, hint: Some(hint.into()) });
    }
    config.build_of(bundled::CUTOFFS)
}

impl Encode for ModelTokenizer {
    fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), Error> {
        self.with_scratch(|scratch| self.tokenizer.encode_into(text, scratch, ids))
    }

    fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size() as usize
    }
}

impl Vocabulary for ModelTokenizer {
    fn encode(&self, text: &str) -> Result<Spelt, String> {
        let (mut ids, mut offsets) = (Vec::new(), Vec::new());
        let done =
            self.with_scratch(|scratch| self.tokenizer.encode_with_offsets(text, scratch, &mut ids, &mut offsets));
        done.map_err(|error| error.to_string())?;
        Ok(Spelt { ids, starts: offsets.into_iter().map(|(start, _)| start).collect() })
    }

    fn piece(&self, id: u32) -> Option<Vec<u8>> {
        self.tokenizer.token_bytes(id).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_scratches_stay_as_there_are_cores() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/tokenizer/tokenizer.json");
        let tokenizer = ModelTokenizer::load(Path::new(path)).unwrap();
        fn within(tokenizer: &ModelTokenizer, depth: usize) {
            tokenizer.with_scratch(|_| {
                if depth > 0 {
                    within(tokenizer, depth - 1)
                }
            });
        }
        let cores = available_parallelism().map_or(1, usize::from);
        within(&tokenizer, cores + 5);
        assert_eq!(tokenizer.scratches.lock().unwrap().len(), cores);
    }
}
