//! Building models from ARPA files: the same bytes as KenLM's `build_binary`.
//!
//! | file | what |
//! |---|---|
//! | `probing.rs` | hash tables |
//! | `words.rs` | the sorted vocabulary of a trie |
//! | `trie.rs` | tries: from the ARPA file to the bytes |
//! | `sort.rs` | sorting records within a memory budget |
//! | `merge.rs` | all orders of n-grams in the order of the trie, with blanks where one is missing |
//! | `blanks.rs` | probabilities of blanks |
//! | `levels.rs` | writing bit-packed records |
//! | `quantise.rs` | bins |
//! | `output.rs` | the bytes on their way to memory or to a file |

mod blanks;
mod levels;
mod merge;
mod output;
mod probing;
mod quantise;
mod sort;
mod trie;
mod words;

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::arpa::ArpaReader;
use crate::binary::header::ModelKind;
use crate::binary::trie::{MAX_QUANTISED_BITS, TrieSettings};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::vocab::{UNKNOWN, WordIndex};
use output::Target;

/// How a model is built. The defaults are those of KenLM's `build_binary`.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildOptions {
    /// The search structure; a probing model by default.
    pub kind: ModelKind,
    /// Buckets of a hash table for each of its entries, above 1 (`-p`); 1.5 by default. Tries only note it down.
    pub probing_multiplier: f32,
    /// Base-10 logarithm of the probability of `<unk>` where the file has none (`-u`); −100 by default.
    pub unknown_log10_prob: f32,
    /// Bits of a quantised probability, 1 to 25 (`-q`); 8 by default.
    pub prob_bits: u8,
    /// Bits of a quantised back-off, 2 to 25 (`-b`); 8 by default.
    pub backoff_bits: u8,
    /// At most so many bits of child pointers are taken into arrays of offsets (`-a`); 22 by default.
    pub pointer_bits: u8,
    /// Whether a file without `<s>` or `</s>` is taken (`-s`).
    pub allow_missing_sentence_markers: bool,
    /// Whether logarithms of probabilities above zero are taken for zero (`-i`) or are an error.
    pub allow_positive_probs: bool,
    /// Whether the words are written behind the model (all but `-v`); true by default.
    pub include_words: bool,
    /// Bytes for sorting the n-grams of a trie (`-S`); beyond that, sorted runs go to disk. 1 GiB by default. The
    /// vocabulary comes on top, and some 16 KiB for each order. A probing model larger than this is built in its file instead of in memory.
    pub memory: u64,
    /// Where sorted runs lie (`-T`); by default beside the output, or in the system's folder for temporary files.
    pub temporary_directory: Option<PathBuf>,
}

impl Default for BuildOptions {
    fn default() -> BuildOptions {
        BuildOptions {
            kind: ModelKind::Probing,
            probing_multiplier: 1.5,
            unknown_log10_prob: -100.0,
            prob_bits: 8,
            backoff_bits: 8,
            pointer_bits: 22,
            allow_missing_sentence_markers: false,
            allow_positive_probs: false,
            include_words: true,
            memory: 1 << 30,
            temporary_directory: None,
        }
    }
}

/// What building a model found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildReport {
    /// Number of n-grams for each n from 1 in the model; tries count blanks, and `<unk>` in any case.
    pub counts: Vec<u64>,
    /// Whether the file has no `<unk>`, so that [`BuildOptions::unknown_log10_prob`] stands for it.
    pub unknown_missing: bool,
    /// Number of n-grams whose probability was above one and was taken for one.
    pub positive_probs: u64,
}

/// Builds a binary model from an ARPA file (plain, gzip or zstd). The output appears under its name when it is whole.
///
/// # Errors
///
/// When the ARPA file is not as it should be; when a setting is out of range; when reading or writing fails.
pub fn build_binary(arpa: &Path, output: &Path, options: &BuildOptions) -> Result<BuildReport> {
    options.check()?;
    build_file(arpa, ArpaReader::open(arpa, options.allow_positive_probs)?, output, options)
}

/// Builds a binary model as [`build_binary`] does, from an uncompressed ARPA file that errors call `arpa`.
pub(crate) fn build_binary_from(
    source: Box<dyn Read>,
    arpa: &Path,
    output: &Path,
    options: &BuildOptions,
) -> Result<BuildReport> {
    options.check()?;
    build_file(arpa, ArpaReader::from_source(source, arpa, options.allow_positive_probs)?, output, options)
}

fn build_file(arpa: &Path, reader: ArpaReader, output: &Path, options: &BuildOptions) -> Result<BuildReport> {
    let mut target = Target::file(output, options)?;
    let report = build(arpa, reader, &mut target, options)?;
    target.finish(output)?;
    Ok(report)
}

impl Model {
    /// Builds a model in memory from an ARPA file (plain, gzip or zstd).
    ///
    /// # Errors
    ///
    /// As [`build_binary`].
    pub fn from_arpa(path: impl AsRef<Path>, options: &BuildOptions) -> Result<Model> {
        let path = path.as_ref();
        options.check()?;
        Model::build(path, ArpaReader::open(path, options.allow_positive_probs)?, options)
    }

    /// Builds a model in memory from an uncompressed ARPA file that errors call `path`.
    pub(crate) fn from_arpa_source(source: Box<dyn Read>, path: &Path, options: &BuildOptions) -> Result<Model> {
        options.check()?;
        Model::build(path, ArpaReader::from_source(source, path, options.allow_positive_probs)?, options)
    }

    fn build(path: &Path, reader: ArpaReader, options: &BuildOptions) -> Result<Model> {
        let mut target = Target::memory(path);
        build(path, reader, &mut target, options)?;
        let (bytes, words) = target.into_memory()?;
        Model::from_storage(path, bytes, options.include_words.then_some(words))
    }
}

fn build(arpa: &Path, reader: ArpaReader, target: &mut Target, options: &BuildOptions) -> Result<BuildReport> {
    match options.kind {
        ModelKind::Probing => probing::build(arpa, reader, target, options),
        _ => trie::build(arpa, reader, target, options),
    }
}

impl BuildOptions {
    fn check(&self) -> Result<()> {
        let setting = |option, reason: String| Err(Error::Setting { option, reason });
        if !(self.probing_multiplier > 1.0 && self.probing_multiplier.is_finite()) {
            return setting("probing_multiplier", format!("must be above 1, and it is {}", self.probing_multiplier));
        }
        // Two back-offs are set apart: zero that a longer n-gram begins with, and zero that none does.
        for (option, bits, least) in [("prob_bits", self.prob_bits, 1), ("backoff_bits", self.backoff_bits, 2)] {
            if !(least..=MAX_QUANTISED_BITS).contains(&bits) {
                return setting(option, format!("must be {least} to {MAX_QUANTISED_BITS}, and it is {bits}"));
            }
        }
        Ok(())
    }

    /// What lays a trie of this kind out.
    fn trie_settings(&self) -> TrieSettings {
        TrieSettings {
            quantised: self.kind.is_quantised().then_some((self.prob_bits, self.backoff_bits)),
            array_bits: self.kind.is_array_compressed().then_some(self.pointer_bits),
        }
    }

    /// Refuses a model whose sentence markers are missing.
    fn check_markers(&self, arpa: &Path, index: impl Fn(&[u8]) -> WordIndex) -> Result<()> {
        for marker in ["<s>", "</s>"] {
            if !self.allow_missing_sentence_markers && index(marker.as_bytes()) == UNKNOWN {
                let reason = format!("it has no `{marker}`: allow missing sentence markers, or add it to the 1-grams");
                return Err(Error::build(arpa, reason));
            }
        }
        Ok(())
    }
}

/// The message about a word of an n-gram that is not among the 1-grams.
fn unlisted(word: &[u8]) -> String {
    format!("the word `{}` is not among the 1-grams", String::from_utf8_lossy(word))
}
