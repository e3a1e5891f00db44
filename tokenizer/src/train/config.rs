//! The settings of a training, and what is made ready before any text is read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Error, Result};

use super::base::Base;
use super::cut::{Boundaries, ChineseWords, Cutter, Source, WordBoundaries};
use super::sample::Sampler;
use super::sentencepiece::{DomainsConfig, Plan};
use super::{Idle, Learner, NAME, TrainTokenizer};
use crate::Digits;
use crate::han::HanCharacters;
use crate::huggingface::matcher;
use crate::layout::{ReservedPlace, SPECIAL_TOKENS};

/// What a tokenizer is, and how it is learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenizerKind {
    /// Byte-pair encoding over bytes, as of GPT-2, Llama 3 and Qwen: a `tokenizer.json`.
    #[default]
    ByteLevelBpe,
    /// Byte-pair encoding over characters with `▁` for spaces and bytes for rare characters, as of LLaMA, YAYI 2, PolyLM and Yuan:
    /// a SentencePiece `.model`, and a `tokenizer.json` of the same ids.
    SentencepieceBpe,
    /// A unigram language model (Kudo 2018, arXiv:1804.10959) over the same pieces of text: a `.model` and a `tokenizer.json`.
    Unigram,
}

/// Whose trainer is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrainerCompat {
    /// None: what is learnt is as the other settings say.
    #[default]
    None,
    /// `tokenizers`' `BpeTrainer` with `min_frequency`: the same merges from the same counts of pieces.
    Huggingface,
}

/// Trains a tokenizer, byte-level BPE by default, and writes it as a Hugging Face `tokenizer.json` or a SentencePiece `.model`.
///
/// Ids: special tokens, reserved slots, added tokens, 256 bytes, what is learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainTokenizerConfig {
    /// `byte_level_bpe`, `sentencepiece_bpe` or `unigram`. The last two write `.model`, `.vocab` and `tokenizer.json` beside each other,
    /// have `<unk>` as id 0 unless it is among the special tokens, and cut texts where spaces begin, the script changes, and at digits.
    /// Default `byte_level_bpe`.
    pub kind: TokenizerKind,
    /// Whose trainer is followed: with `huggingface`, which is for byte-level BPE, nothing is guaranteed or added by default
    /// (`han_characters`, `html_tags`, `punctuation`), and neither tokens nor pieces have a greatest length, whatever is said of these
    /// here. Default `none`.
    pub compat: TrainerCompat,
    /// Tokens of all kinds. A sample too small for so many merges gives fewer. Default 81920 (YAYI 2,
    /// arXiv:2312.14862: 80,000 rounded up to a multiple of 128).
    pub vocab_size: u32,
    /// Control tokens, which text never becomes; they have the first ids, in this order. Default: those of
    /// Yuan 2.0 and Yuan 2.0-M32, from `<eod>` (0) to `<file_sep>` (17).
    pub special_tokens: Vec<String>,
    /// Slots `<|reserved_0|>`… for control tokens of later training. Default 200 (YAYI 2).
    pub reserved: u32,
    /// Where the slots have their ids: `front`, right behind the special tokens, or `back`, behind everything. Default `front`.
    pub reserved_place: ReservedPlace,
    /// The number of all tokens is made a multiple of this, at least 1, as embeddings are cut up: `vocab_size` is rounded up,
    /// and what the texts do not teach is filled with more slots at the back. Default 1; presets have 128 (YAYI 2, Yuan 2.0).
    pub vocab_multiple: u32,
    /// Han characters that are tokens whatever the corpus, and whose bytes are merged first: `none`, `simplified` (3,755 of level
    /// 1 of GB 2312), `traditional` (5,401 of level 1 of Big5), `all` of these, or `auto`: `simplified` in vocabularies of 16,384
    /// tokens and more. Default `auto`.
    pub han_characters: HanCharacters,
    /// With `sentencepiece_bpe` and `unigram`: characters have pieces of their own, the most frequent first, until they make up this
    /// share of the texts, above 0 and at most 1; others are spelled in bytes. Default 0.9995 (SentencePiece).
    pub character_coverage: f64,
    /// Whether opening and closing HTML tags without attributes are tokens of their own. Default true
    /// (YAYI 2).
    pub html_tags: bool,
    /// Whether Chinese punctuation marks are tokens of their own, so that no merge joins them to each other (YAYI 2). Marks that often
    /// stand together, `。”` and `……`, are then as many tokens: Chinese text is 3 % longer. Default false.
    pub punctuation: bool,
    /// Further strings that are tokens of their own wherever they stand. Default none.
    pub added_tokens: Vec<String>,
    /// What is cut into pieces that no merge crosses: `yuan` (Han apart from other scripts, punctuation apart from both), `gpt2`,
    /// `cl100k`, `llama3`, `qwen2`, `o200k`, `deepseek3`, as the tokenizers of these models do, or a regular expression, which is
    /// slower. Default `yuan`.
    pub pattern: String,
    /// With the pattern `yuan`, and with pieces of characters: `split` makes every digit a token, `groups` three of them, `keep` treats runs of digits like words. Default `split` (YAYI 2,
    /// PolyLM, LLaMA).
    pub digits: Digits,
    /// Fewest times a pair stands in the sample to be merged. Default 2 (Hugging Face's trainers take 0 or
    /// 2; one occurrence teaches nothing).
    pub min_frequency: u64,
    /// Most characters of a merged token. Default 16 (SentencePiece `max_sentencepiece_length`).
    pub max_token_chars: u32,
    /// Most bytes of text to learn from; documents are chosen by hash. 0 is all there is: where its distinct pieces do not fit into
    /// memory, rare ones are drawn by hash and stand for others. Default 0.
    pub sample_bytes: u64,
    /// Seed of the hash by which documents are chosen. Default 0.
    pub seed: u64,
    /// Pieces above so many bytes (unspaced text, encoded data) are cut at characters before they are counted; 0 only above 1 GiB. Default
    /// 1024: learning takes time by the square of a piece.
    pub max_piece_bytes: usize,
    /// The column or field whose values are balanced, such as `language` or `source`. Default empty: none.
    pub balance_by: String,
    /// With `balance_by`: a value of which there are n bytes of text counts as if there were n^alpha, from 0 (all alike) to 1 (as
    /// they come). Default 0.3 (XLM-R, arXiv:1911.02116, and PolyLM after it).
    pub alpha: f64,
    /// With `balance_by`: how many times texts of a value count, beside `alpha`: `{ zh = 2.0 }`. Default none.
    pub weights: BTreeMap<String, f64>,
    /// A tokenizer to go on with, in place of a new one: texts are cut by its pattern and added tokens and begin as the tokens that it
    /// makes of them; what is learnt has ids behind all of its own, which stay, as its merges do, and `vocab_size` counts all of them. A
    /// text then has as many tokens or fewer, and ids mean what they meant. Special and added tokens, slots, pattern and digits are its
    /// own. Byte-level BPE in any file that `tokenize` takes. Default none.
    pub extend: PathBuf,
    /// Which words no merge crosses: `none`, or Chinese ones as `jieba` cuts them. In training alone: texts are encoded by the pattern, and a
    /// merge that was never learnt crosses nothing. Chinese text is then a tenth longer. Default `none`.
    pub words: WordBoundaries,
    /// Whether no merge joins characters of two scripts, nor digits, punctuation or symbols to these or each other, whatever the pattern.
    /// In training alone, as `words`. Default false.
    pub script_boundaries: bool,
    /// With `kind = "unigram"` and `balance_by`: a vocabulary is learnt for each value of that column, and their probabilities are
    /// averaged by the bytes of each (Yuan 2.0). Default none: one is learnt from all.
    pub domains: Option<DomainsConfig>,
    /// With `sentencepiece_bpe` and `unigram`: a `.model` whose pieces come first and keep their ids and scores; what is learnt and not
    /// among them comes behind, `vocab_size` being without them (Yuan 2.0 joins its Chinese pieces to LLaMA's). Writes no
    /// `tokenizer.json`. Default empty: none.
    pub join_to: PathBuf,
    /// Languages whose documents are learnt from, by the column `language`: `zh` is also `zh-Hans`. Default empty: all documents.
    pub only_languages: Vec<String>,
    /// The file written; if its name is `tokenizer.json`, a `tokenizer_config.json` and a `special_tokens_map.json` are put beside it, so
    /// that `transformers` loads the folder. With `sentencepiece_bpe` and `unigram` it may end in `.model` as well. Default `tokenizer.json`.
    pub output: PathBuf,
}

impl Default for TrainTokenizerConfig {
    fn default() -> Self {
        Self {
            kind: TokenizerKind::ByteLevelBpe,
            compat: TrainerCompat::None,
            vocab_size: 81_920,
            special_tokens: SPECIAL_TOKENS.map(Into::into).to_vec(),
            reserved: 200,
            reserved_place: ReservedPlace::Front,
            vocab_multiple: 1,
            han_characters: HanCharacters::Auto,
            character_coverage: 0.9995,
            html_tags: true,
            punctuation: false,
            added_tokens: Vec::new(),
            pattern: "yuan".into(),
            digits: Digits::Split,
            min_frequency: 2,
            max_token_chars: 16,
            sample_bytes: 0,
            seed: 0,
            max_piece_bytes: 1024,
            balance_by: String::new(),
            alpha: 0.3,
            weights: BTreeMap::new(),
            extend: PathBuf::new(),
            words: WordBoundaries::None,
            script_boundaries: false,
            domains: None,
            join_to: PathBuf::new(),
            only_languages: Vec::new(),
            output: "tokenizer.json".into(),
        }
    }
}

impl TrainTokenizerConfig {
    /// Lays out the ids, or loads the tokenizer to be extended, and gets ready to scan.
    ///
    /// # Errors
    /// If a token cannot be an added token, the vocabulary has no room for the ids that are given, a number is out of range, the
    /// tokenizer cannot be extended, or words are asked for, which [`Self::build_with`] takes.
    pub fn build(&self) -> Result<TrainTokenizer> {
        match self.words {
            WordBoundaries::None => self.build_within(None),
            WordBoundaries::Jieba => Err(Error::stage(NAME, "`words` need a dictionary, which this build is without")),
        }
    }

    /// As [`Self::build`], with what cuts Chinese words if these are asked for.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_with(&self, words: Arc<dyn ChineseWords>) -> Result<TrainTokenizer> {
        self.build_within((self.words == WordBoundaries::Jieba).then_some(words))
    }

    fn build_within(&self, words: Option<Arc<dyn ChineseWords>>) -> Result<TrainTokenizer> {
        self.check_numbers()?;
        if self.compat == TrainerCompat::Huggingface {
            return self.as_huggingface()?.build_within(words);
        }
        let (learner, source) = match self.kind {
            TokenizerKind::ByteLevelBpe => {
                if self.domains.is_some() || !self.join_to.as_os_str().is_empty() {
                    let problem = "`domains` and `join_to` are for `kind = \"unigram\"` and `\"sentencepiece_bpe\"`";
                    return Err(Error::stage(NAME, problem));
                }
                let (base, source, merges) = Base::new(self)?;
                (Learner::Bytes { base, merges }, source)
            }
            _ => {
                if !self.extend.as_os_str().is_empty() {
                    let problem = format!("`extend` is for byte-level BPE, and `kind` is `{}`", self.kind.name());
                    let hint = "join_to = \"old.model\" puts what is learnt behind a model that is there".into();
                    return Err(Error::Stage { stage: NAME.into(), problem, hint: Some(hint) });
                }
                let plan = Plan::new(self)?;
                let added = matcher(plan.names().iter())
                    .ok_or_else(|| Error::stage(NAME, "there are too many added tokens to look for"))?;
                (Learner::Pieces(Box::new(plan)), Source::Pieces { added, split_digits: self.digits == Digits::Split })
            }
        };
        let boundaries = Boundaries { words, scripts: self.script_boundaries };
        Ok(TrainTokenizer {
            sampler: (self.sample_bytes > 0).then(|| Sampler::new(self.seed, self.sample_bytes)),
            cutter: Arc::new(Cutter::new(source, boundaries, self.max_piece_bytes)),
            idle: Idle::default(),
            config: self.clone(),
            learner,
        })
    }

    /// Settings with which what is learnt is what `tokenizers`' trainer learns.
    fn as_huggingface(&self) -> Result<Self> {
        if self.kind != TokenizerKind::ByteLevelBpe {
            let problem =
                format!("`compat = \"huggingface\"` is for byte-level BPE, and `kind` is `{}`", self.kind.name());
            return Err(Error::stage(NAME, problem));
        }
        let peer = Self { compat: TrainerCompat::None, max_token_chars: u32::MAX, max_piece_bytes: 0, ..self.clone() };
        Ok(match self.extend.as_os_str().is_empty() {
            true => Self { han_characters: HanCharacters::None, html_tags: false, punctuation: false, ..peer },
            false => peer,
        })
    }

    fn check_numbers(&self) -> Result<()> {
        if self.vocab_multiple == 0 {
            return Err(Error::stage(NAME, "`vocab_multiple` is 0, it must be at least 1"));
        }
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(Error::stage(NAME, format!("`alpha` is {}, it must be from 0 to 1", self.alpha)));
        }
        if let Some((value, weight)) = self.weights.iter().find(|(_, weight)| !(0.0..=1e6).contains(*weight)) {
            return Err(Error::stage(NAME, format!("`weights.{value}` is {weight}, it must be from 0 to 1000000")));
        }
        if self.balance_by.is_empty() && !self.weights.is_empty() {
            return Err(Error::stage(NAME, "`weights` need `balance_by`, the column whose values they are for"));
        }
        Ok(())
    }
}
