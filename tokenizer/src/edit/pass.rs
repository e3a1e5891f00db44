//! `prune_tokenizer`: what a corpus uses of a vocabulary, and a smaller one.
//!
//! Reads `text`. Each work unit leaves how often each id came, 8 bytes a token of the vocabulary; these are summed up.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use yuan_pipeline::{Batch, Context, Error, Pass, Result, Scan};

use super::prune;
use crate::train::write_whole;
use crate::{Scratch, Tokenizer};

/// The step's name in a recipe.
const NAME: &str = "prune_tokenizer";

/// Makes a tokenizer's vocabulary smaller: the tokens that the corpus uses least go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PruneTokenizerConfig {
    /// The `tokenizer.json` to begin with: byte-level BPE. Default `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// Tokens that stay, special and added ones, bytes and characters among them. Default 65536.
    pub vocab_size: u32,
    /// The file written; the file `….old_ids.json` beside it has the old id of each new one, to take over rows of embeddings.
    /// Default `tokenizer.json`.
    pub output: PathBuf,
}

impl Default for PruneTokenizerConfig {
    fn default() -> Self {
        Self { tokenizer: "tokenizer.json".into(), vocab_size: 65_536, output: "tokenizer.json".into() }
    }
}

impl PruneTokenizerConfig {
    /// Loads the tokenizer.
    ///
    /// # Errors
    /// If it cannot be loaded, or has no more tokens than are asked for.
    pub fn build(&self) -> Result<PruneTokenizer> {
        let tokenizer = Arc::new(Tokenizer::load(&self.tokenizer)?);
        let size = tokenizer.vocabulary().len();
        if self.vocab_size as usize >= size {
            return Err(Error::stage(
                NAME,
                format!("`vocab_size` is {}, `{}` has only {size} tokens", self.vocab_size, self.tokenizer.display()),
            ));
        }
        Ok(PruneTokenizer { config: self.clone(), tokenizer })
    }
}

/// The pass of a [`PruneTokenizerConfig`].
pub struct PruneTokenizer {
    config: PruneTokenizerConfig,
    tokenizer: Arc<Tokenizer>,
}

impl Pass for PruneTokenizer {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        Ok(Box::new(UsesScan {
            partial: partial.into(),
            tokenizer: self.tokenizer.clone(),
            scratch: Scratch::default(),
            ids: Vec::new(),
            uses: vec![0; self.tokenizer.vocab_size() as usize],
        }))
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let config = &self.config;
        let mut uses = vec![0_u64; self.tokenizer.vocab_size() as usize];
        for partial in partials {
            context.check()?;
            let bytes = std::fs::read(partial).map_err(Error::io("read", partial))?;
            if bytes.len() != 8 * uses.len() {
                return Err(Error::input(
                    partial,
                    "a damaged partial file of `prune_tokenizer`: remove it and run the step again",
                ));
            }
            let counts = bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
            uses.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
        let pruned = prune(&config.tokenizer, &config.output, &uses, config.vocab_size as usize)?;
        let tokens: u64 = uses.iter().sum();
        context.tally("tokens", "used", tokens, 0);
        context.tally("tokens", "used_of_those_that_went", pruned.uses_lost, 0);
        let mut beside = config.output.clone().into_os_string();
        beside.push(".old_ids.json");
        write_whole(Path::new(&beside), &serde_json::to_vec(&pruned.old_ids).expect("numbers are JSON"))?;
        let summary = json!({
            "tokenizer": config.output, "vocab_size": pruned.old_ids.len(),
            "tokens": tokens, "tokens_of_those_that_went": pruned.uses_lost,
        });
        let summary = serde_json::to_vec_pretty(&summary).expect("a JSON value is JSON");
        std::fs::write(outcome, summary).map_err(Error::io("write", outcome))
    }

    fn ends_in_stage(&self) -> bool {
        false
    }
}

struct UsesScan {
    partial: PathBuf,
    tokenizer: Arc<Tokenizer>,
    scratch: Scratch,
    ids: Vec<u32>,
    uses: Vec<u64>,
}

impl Scan for UsesScan {
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        for document in batch.documents() {
            self.ids.clear();
            self.tokenizer.encode_into(document.text(), &mut self.scratch, &mut self.ids)?;
            self.ids.iter().for_each(|id| self.uses[*id as usize] += 1);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let bytes: Vec<u8> = self.uses.iter().flat_map(|count| count.to_le_bytes()).collect();
        std::fs::write(&self.partial, bytes).map_err(Error::io("write", &self.partial))
    }
}
