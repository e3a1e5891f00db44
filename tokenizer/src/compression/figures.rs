//! What the report says: the structs that become its JSON, field by field.

use serde::{Deserialize, Serialize};

/// How well tokenizers compress a corpus: what `yuan-data compression --json` writes.
///
/// One object; every number follows from documents and tokenizers alone, so two runs over the same files write the same bytes,
/// whatever the threads. A fraction is in [0, 1]; what cannot be said (a mean of nothing, a baseline without tokens) is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Changes when a field changes its meaning or goes; 1 now.
    pub version: u32,
    /// Tokens of one sample: documents of a group, in the order of the corpus, are put together until they have so many.
    pub sample_tokens: u64,
    /// What documents are grouped by: a field's name, or `file`.
    pub group_by: String,
    /// Groups that were too many to be told apart, and are together in `(other)`: whether there were any.
    pub groups_cut: bool,
    /// Records that are no documents, if these were to be passed over.
    pub passed_over: u64,
    /// The tokenizer that `relative_tokens` compares with.
    pub baseline: String,
    /// One for each tokenizer, in the order given.
    pub tokenizers: Vec<TokenizerReport>,
}

/// One tokenizer's part of a [`Report`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenizerReport {
    /// The name given to it.
    pub name: String,
    /// The file or folder, as given.
    pub path: String,
    /// `byte-level BPE`, `BPE`, `Unigram`, `WordPiece`, `SentencePiece BPE`, `SentencePiece unigram`, ….
    pub kind: String,
    /// XXH3-64 of the file, in hexadecimal.
    pub fingerprint: String,
    /// Over all documents; `group` is empty.
    pub overall: Figures,
    /// Over the documents of each group: most bytes first, names where they are equal.
    pub groups: Vec<Figures>,
    /// What the vocabulary is made of and what the corpus uses of it.
    pub vocabulary: VocabularyReport,
}

/// How many tokens some documents have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The value that these documents share; `(none)` where the field is absent.
    pub group: String,
    /// Documents.
    pub documents: u64,
    /// Bytes of their texts in UTF-8.
    pub bytes: u64,
    /// Characters (Unicode scalar values) of their texts.
    pub characters: u64,
    /// Tokens, of texts alone: none for beginnings or ends.
    pub tokens: u64,
    /// YAYI 2's r = L_token / L_origin (arXiv:2312.14862) with lengths in characters. Lower is better, as with the next.
    pub tokens_per_character: Spread,
    /// The same with lengths in bytes.
    pub tokens_per_byte: Spread,
    /// Bytes / tokens.
    pub bytes_per_token: Option<f64>,
    /// Characters / tokens.
    pub characters_per_token: Option<f64>,
    /// Tokens / tokens of the baseline over the same texts (PolyLM, arXiv:2307.06018, with XLM-R as 1).
    pub relative_tokens: Option<f64>,
    /// Tokens that are one byte of a character of several bytes: what the vocabulary does not know.
    pub fallback_tokens: u64,
    /// `fallback_tokens` / `tokens`.
    pub fallback_fraction: Option<f64>,
    /// Unknown tokens. Each stands for any number of characters that are lost, so a tokenizer with many seems to compress well.
    pub unknown_tokens: u64,
    /// `unknown_tokens` / `tokens`.
    pub unknown_fraction: Option<f64>,
}

/// A ratio over all texts, and how it varies over samples of about `sample_tokens` tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Over all texts of the group.
    pub total: Option<f64>,
    /// Mean of the samples' ratios. Documents are never cut, so samples are longer than asked for, by less than a document; the
    /// last one, if it is shorter, counts only if it is the only one.
    pub mean: Option<f64>,
    /// Standard deviation of the samples' ratios (divided by n − 1); `null` for fewer than two.
    pub standard_deviation: Option<f64>,
    /// Samples.
    pub samples: u64,
}

/// What a vocabulary is made of, and what the corpus uses of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VocabularyReport {
    /// One more than the largest id: the sum of the next six.
    pub size: u64,
    /// Tokens that stand for text. In byte-level vocabularies a byte below 0x80 is one of them.
    pub text_tokens: u64,
    /// Tokens that stand for one byte: `<0x00>` to `<0xFF>`, or the bytes from 0x80 of a byte-level vocabulary.
    pub byte_tokens: u64,
    /// Control tokens, which no text becomes.
    pub special_tokens: u64,
    /// Slots kept free: names in brackets with `reserved`, `unused`, `extra_id`, `placeholder` or `dummy`, and pieces marked as unused.
    pub reserved_tokens: u64,
    /// Tokens for what is not in the vocabulary: 0 or 1.
    pub unknown_tokens: u64,
    /// Ids below the largest that no token has.
    pub missing_ids: u64,
    /// Text tokens that the corpus never has.
    pub unused_text_tokens: u64,
    /// `unused_text_tokens` / `text_tokens`.
    pub unused_text_fraction: Option<f64>,
    /// Byte tokens that the corpus never has. Of the bytes from 0x80, 13 are in no UTF-8 at all.
    pub unused_byte_tokens: u64,
    /// Text tokens whose bytes are no whole characters.
    pub incomplete_tokens: u64,
    /// Text tokens with Han characters and neither kana nor hangul.
    pub chinese_tokens: u64,
    /// `chinese_tokens` / `text_tokens`.
    pub chinese_fraction: Option<f64>,
    /// Those of them that the corpus has.
    pub chinese_used_tokens: u64,
    /// Longest text tokens of the vocabulary: most characters, then most bytes, then smallest id.
    pub longest: Vec<TokenFigure>,
    /// Longest text tokens that the corpus has.
    pub longest_used: Vec<TokenFigure>,
    /// Text tokens with characters of more than one kind (scripts, digits, punctuation, symbols; spaces aside).
    pub cross_script_tokens: u64,
    /// `cross_script_tokens` / `text_tokens`.
    pub cross_script_fraction: Option<f64>,
    /// These by the kinds they mix: most tokens first.
    pub cross_script: Vec<CrossScript>,
    /// Glitch-token candidates: text tokens that the corpus never has and that their own text does not become, neither alone nor
    /// beside a line break, a digit, a letter, a Chinese character or a comma. A model never sees them in training.
    pub unreachable: Candidates,
    /// Weaker candidates: text tokens that the corpus never has though it has both of two tokens that they can be made of. First
    /// those whose parts are used most (`parts_count`, the rarer part). In a small corpus most of them are merely rare.
    pub never_used_though_parts_are: Candidates,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenFigure {
    /// Its id.
    pub id: u32,
    /// Its text; U+FFFD where bytes are no whole characters.
    pub text: String,
    /// Characters of `text`.
    pub characters: u64,
    /// Bytes it stands for.
    pub bytes: u64,
    /// How often the corpus has it.
    pub count: u64,
    /// Of candidates: how often the corpus has the rarer of its two parts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parts_count: Option<u64>,
}

/// Tokens that mix the same kinds of characters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossScript {
    /// `Han + Latin`, `Latin + punctuation`, ….
    pub kinds: String,
    /// Tokens of the vocabulary.
    pub tokens: u64,
    /// Those of them that the corpus has.
    pub used_tokens: u64,
    /// How often it has them, together.
    pub count: u64,
    /// Those it has most often.
    pub examples: Vec<TokenFigure>,
}

/// Tokens that something seems wrong with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidates {
    /// How many.
    pub tokens: u64,
    /// `tokens` / `text_tokens`.
    pub fraction: Option<f64>,
    /// The first of them, at most 50.
    pub examples: Vec<TokenFigure>,
}

/// A quotient, if there is one.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
