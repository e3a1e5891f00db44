//! A model that answers: opened from a binary or an ARPA file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::binary::SIZES_OVERFLOW;
use crate::binary::header::{Header, ModelKind};
use crate::binary::probing::{ProbingLayout, VOCABULARY_VERSION};
use crate::binary::storage::{Load, Storage};
use crate::binary::trie::{ARRAY_VERSION, MAX_QUANTISED_BITS, Preamble, QUANTISER_VERSION, TrieLayout, TrieSettings};
use crate::build::BuildOptions;
use crate::bytes::{u32_at, u64_at};
use crate::error::{Error, Result};
use crate::search::probing::ProbingSearch;
use crate::search::trie::TrieSearch;
use crate::search::{Search, full_score};
use crate::state::{FullScore, SentenceScore, State};
use crate::vocab::{UNKNOWN, Vocabulary, VocabularyLayout, WordIndex};

/// An n-gram model. Shared freely between threads.
///
/// ```no_run
/// # fn main() -> yuan_kenlm::Result<()> {
/// let model = yuan_kenlm::Model::open("en.probing.bin")?;
/// let words: Vec<_> = ["this", "is", "it"].iter().map(|word| model.vocabulary().index(word.as_bytes())).collect();
/// let score = model.score_sentence(&words, true, true);
/// println!("{} {:.1}", score.log10_prob, score.perplexity());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Model {
    pub(crate) bytes: Storage,
    pub(crate) vocabulary: VocabularyLayout,
    pub(crate) structure: Structure,
    header: Header,
    words: Words,
    begin_sentence: State,
    path: PathBuf,
}

/// Where a model's words are.
#[derive(Debug)]
enum Words {
    Missing,
    /// From this offset to the end of the file.
    Behind(usize),
    Apart(Vec<u8>),
}

/// The search structure of a model.
#[derive(Debug)]
pub(crate) enum Structure {
    Probing(ProbingSearch),
    Trie(TrieSearch),
}

/// Runs `$body` with `$search` bound to the model's search structure, of whichever type it is.
macro_rules! with_search {
    ($model:expr, $search:ident => $body:expr) => {
        match &$model.structure {
            Structure::Probing($search) => $body,
            Structure::Trie($search) => $body,
        }
    };
}

impl Model {
    /// Opens a model: a binary file, mapped with its pages read ahead, or an ARPA file (plain, gzip or zstd), from which
    /// a probing model is built in memory with the default [`BuildOptions`].
    ///
    /// A mapped file must not be shortened or rewritten while the model is open: the process would be killed by the
    /// operating system (KenLM has the same condition). Put new models under new names.
    ///
    /// # Errors
    ///
    /// When the file cannot be read; when it is damaged, truncated, of another version or of an unsupported kind.
    pub fn open(path: impl AsRef<Path>) -> Result<Model> {
        Model::open_with(path, Load::default())
    }

    /// As [`Self::open`], saying how a binary model gets into memory.
    pub fn open_with(path: impl AsRef<Path>, load: Load) -> Result<Model> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let mut start = Vec::new();
        file.by_ref().take(64).read_to_end(&mut start).map_err(Error::io("read", path))?;
        if !Header::is_binary(&start) {
            return Model::from_arpa(path, &BuildOptions::default());
        }
        let bytes = Storage::open(path, &mut file, load)?;
        Model::from_storage(path, bytes, None)
    }

    /// A model from the bytes of a binary file that are part of the program: `include_bytes!`. `name` stands for the file in
    /// errors.
    ///
    /// # Errors
    /// As [`Self::open`] for a binary file.
    pub fn from_static(name: &str, bytes: &'static [u8]) -> Result<Model> {
        Model::from_storage(Path::new(name), Storage::Static(bytes), None)
    }

    /// A model from the bytes of a binary file, or from those of one in memory that has its words apart; `path` is its
    /// name in errors.
    pub(crate) fn from_storage(path: &Path, bytes: Storage, apart: Option<Vec<u8>>) -> Result<Model> {
        let header = Header::parse(path, &bytes)?;
        let (vocabulary, structure, end) = match header.kind {
            ModelKind::Probing => open_probing(path, &bytes, &header)?,
            _ => open_trie(path, &bytes, &header)?,
        };
        let words = match apart {
            Some(words) => Words::Apart(words),
            None if !header.has_words => Words::Missing,
            None if bytes[end..].starts_with(b"<unk>\0") => Words::Behind(end),
            None => {
                let reason = "its words do not begin with `<unk>` where its header says: rebuild it";
                return Err(Error::binary(path, reason));
            }
        };
        let begin_sentence = State::default();
        let path = path.to_path_buf();
        let mut model = Model { bytes, vocabulary, structure, header, words, begin_sentence, path };
        model.begin_sentence.length = 1;
        model.begin_sentence.words[0] = model.vocabulary.begin_sentence;
        model.begin_sentence.backoffs[0] =
            with_search!(model, search => search.unigram(&model.bytes, model.vocabulary.begin_sentence).0.backoff);
        Ok(model)
    }

    /// Highest order: n of the longest n-grams.
    pub fn order(&self) -> usize {
        self.header.counts.len()
    }

    /// The kind of its search structure.
    pub fn kind(&self) -> ModelKind {
        self.header.kind
    }

    /// Number of n-grams for each n from 1, as the file says. Tries count blanks, and `<unk>` in any case.
    pub fn counts(&self) -> &[u64] {
        &self.header.counts
    }

    /// The file it was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its words.
    pub fn vocabulary(&self) -> Vocabulary<'_> {
        let words = match &self.words {
            Words::Missing => None,
            Words::Behind(at) => self.bytes.get(*at..),
            Words::Apart(words) => Some(&words[..]),
        };
        Vocabulary { bytes: &self.bytes, layout: &self.vocabulary, words }
    }

    /// The state at the start of a sentence: behind `<s>`.
    pub fn begin_sentence_state(&self) -> State {
        self.begin_sentence
    }

    /// The state of no history at all.
    pub fn null_context_state(&self) -> State {
        State::default()
    }

    /// Scores `word` after `history`, and leaves the state behind it in `next`. A number that is no word's is scored as
    /// [`UNKNOWN`]. Equal to KenLM's `FullScore` in every bit.
    #[inline]
    pub fn full_score(&self, history: &State, word: WordIndex, next: &mut State) -> FullScore {
        let word = self.known(word);
        with_search!(self, search => full_score(search, &self.bytes, history, word, next))
    }

    /// Scores a sentence: the sum of the scores of its words, with `begin` behind `<s>`, with `end` and `</s>` at last.
    pub fn score_sentence(&self, words: &[WordIndex], begin: bool, end: bool) -> SentenceScore {
        let mut history = if begin { self.begin_sentence } else { State::default() };
        let mut next = State::default();
        let mut score = SentenceScore::default();
        for &word in words {
            let word = self.known(word);
            let full = self.full_score(&history, word, &mut next);
            score.add(full.log10_prob, word == UNKNOWN);
            std::mem::swap(&mut history, &mut next);
        }
        if end {
            // The end is not counted as unknown even where a model has no `</s>`, as in KenLM.
            let full = self.full_score(&history, self.vocabulary.end_sentence, &mut next);
            score.add(full.log10_prob, false);
        }
        score
    }

    /// The number itself, or [`UNKNOWN`] if no word has it.
    #[inline(always)]
    pub(crate) fn known(&self, word: WordIndex) -> WordIndex {
        if word < self.vocabulary.bound { word } else { UNKNOWN }
    }
}

impl SentenceScore {
    /// Adds a word's score.
    #[inline(always)]
    pub(crate) fn add(&mut self, log10_prob: f32, unknown: bool) {
        self.log10_prob += log10_prob;
        self.tokens += 1;
        if unknown {
            self.unknown += 1;
            self.unknown_log10_prob += f64::from(log10_prob);
        }
    }
}

type Opened = (VocabularyLayout, Structure, usize);

fn open_probing(path: &Path, bytes: &[u8], header: &Header) -> Result<Opened> {
    let layout = ProbingLayout::new(&header.counts, header.probing_multiplier)
        .ok_or_else(|| Error::binary(path, SIZES_OVERFLOW))?;
    check_size(path, bytes, layout.end)?;
    let version = u32_at(bytes, layout.vocabulary_header);
    if version != VOCABULARY_VERSION {
        let reason = format!("its vocabulary has version {version}, and {VOCABULARY_VERSION} is supported: rebuild it");
        return Err(Error::binary(path, reason));
    }
    let bound = u32_at(bytes, layout.vocabulary_header + 4);
    if u64::from(bound) > header.counts[0] + 1 {
        let reason = format!("its vocabulary has {bound} words, and its header {}", header.counts[0]);
        return Err(Error::binary(path, reason));
    }
    let vocabulary = VocabularyLayout::probing(bytes, layout.vocabulary, bound);
    let search = ProbingSearch::new(&layout, header.counts[0]);
    Ok((vocabulary, Structure::Probing(search), layout.end))
}

fn open_trie(path: &Path, bytes: &[u8], header: &Header) -> Result<Opened> {
    let settings = trie_settings(path, bytes, header)?;
    let layout = TrieLayout::new(&header.counts, &settings).ok_or_else(|| Error::binary(path, SIZES_OVERFLOW))?;
    check_size(path, bytes, layout.end)?;
    let hashes = u64_at(bytes, layout.vocabulary);
    if hashes > header.counts[0] {
        let reason = format!("its vocabulary has {hashes} words, and its header {}", header.counts[0]);
        return Err(Error::binary(path, reason));
    }
    let vocabulary = VocabularyLayout::sorted(bytes, layout.vocabulary + 8, hashes as u32);
    let end = layout.end;
    let search = TrieSearch::new(bytes, layout, header.counts[0]);
    Ok((vocabulary, Structure::Trie(search), end))
}

/// What stands at the start of the bins and of the first array of offsets.
fn trie_settings(path: &Path, bytes: &[u8], header: &Header) -> Result<TrieSettings> {
    let overflow = || Error::binary(path, SIZES_OVERFLOW);
    let preamble = Preamble::new(&header.counts).ok_or_else(overflow)?;
    let mut settings = TrieSettings::default();
    if header.kind.is_quantised() {
        check_size(path, bytes, preamble.search.saturating_add(8))?;
        let found = &bytes[preamble.search..preamble.search + 3];
        if found[0] != QUANTISER_VERSION {
            let reason =
                format!("its bins have version {}, and {QUANTISER_VERSION} is supported: rebuild it", found[0]);
            return Err(Error::binary(path, reason));
        }
        let (prob_bits, backoff_bits) = (found[1], found[2]);
        let supported = 1..=MAX_QUANTISED_BITS;
        if !supported.contains(&prob_bits) || !supported.contains(&backoff_bits) {
            let reason = format!(
                "it has probabilities of {prob_bits} bits and back-offs of {backoff_bits}, and 1 to \
                 {MAX_QUANTISED_BITS} are supported"
            );
            return Err(Error::binary(path, reason));
        }
        settings.quantised = Some((prob_bits, backoff_bits));
    }
    if header.kind.is_array_compressed() {
        // Without middle orders there is nothing to compress, and no header; any bits do.
        settings.array_bits = Some(0);
        if header.counts.len() > 2 {
            let at = preamble.array_header(&header.counts, settings.quantised).ok_or_else(overflow)?;
            check_size(path, bytes, at.saturating_add(2))?;
            if bytes[at] != ARRAY_VERSION {
                let reason =
                    format!("its pointers have version {}, and {ARRAY_VERSION} is supported: rebuild it", bytes[at]);
                return Err(Error::binary(path, reason));
            }
            settings.array_bits = Some(bytes[at + 1]);
        }
    }
    Ok(settings)
}

fn check_size(path: &Path, bytes: &[u8], needed: usize) -> Result<()> {
    if bytes.len() < needed {
        let reason =
            format!("it has {} bytes, and its header asks for at least {needed}: it is truncated", bytes.len());
        return Err(Error::binary(path, reason));
    }
    Ok(())
}
