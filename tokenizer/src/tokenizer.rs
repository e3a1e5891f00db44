//! A loaded tokenizer: text to ids and back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::{Error, Result};

use crate::bytes::from_symbols;
use crate::encode::{Direct, Scratch, Sink, Stream};
use crate::files::{self, no_tokenizer};
use crate::huggingface::matcher;
use crate::sentencepiece::{ControlTokens, SentencePiece};

/// A tokenizer from a Hugging Face `tokenizer.json`, from ranks of tiktoken (`.tiktoken`), from the header of a GGUF file, or from a
/// SentencePiece `.model` with the files beside it.
///
/// Texts are encoded without the tokens of a template, and what looks like a control token in a text,
/// `<eod>` say, is text: no document can end itself or begin a turn. [`Tokenizer::parsing_special`] changes
/// that. Ids are those of `tokenizers` with `encode_special_tokens` set accordingly; byte-level BPE
/// tokenizers without a normaliser take a [direct](Tokenizer::is_direct) way to the same ids. Those of a `.model` are the C++ library's
/// for each part of a text between added tokens.
pub struct Tokenizer {
    inner: Inner,
    direct: Option<Direct>,
    parse_special: bool,
    /// Special tokens by name, and what finds them in a text.
    special: Vec<(String, u32)>,
    special_matcher: Option<AhoCorasick>,
    vocab_size: u32,
    fingerprint: String,
    path: PathBuf,
}

/// The control tokens that Yuan's programs add, in their order.
const YUAN_CONTROL_TOKENS: [&str; 15] = [
    "<sep>",
    "<pad>",
    "<mask>",
    "<predict>",
    "<FIM_SUFFIX>",
    "<FIM_PREFIX>",
    "<FIM_MIDDLE>",
    "<commit_before>",
    "<commit_msg>",
    "<commit_after>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<empty_output>",
];

/// What a tokenizer is made of.
enum Inner {
    HuggingFace(Box<tokenizers::Tokenizer>),
    SentencePiece(Box<SentencePiece>),
}

impl Tokenizer {
    /// Loads a `tokenizer.json`, or a file that comes to one: ranks of tiktoken are told by their first line, GGUF by its first bytes; or a
    /// SentencePiece `.model` with the added tokens of `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` beside
    /// it, told by its first byte.
    ///
    /// Ranks name neither pattern nor control tokens: those of r50k_base, p50k_base, cl100k_base, o200k_base, Llama 3 and Qwen are known;
    /// beside others lies `FILE.json`, `{"pattern": "cl100k", "special_tokens": {"<|endoftext|>": 100257}}`. Of a GGUF file the header is read.
    ///
    /// # Errors
    /// If the file cannot be read, says too little, or is no tokenizer.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with(path.as_ref(), None)
    }

    /// Loads Yuan 2.0's `tokenizer.model` as its programs do: `<eod>` ends a text, and 15 control tokens have ids, whatever the files
    /// beside it say; those written out in a text are [parsed](Self::parsing_special). Another kind of tokenizer has to bring these
    /// tokens itself.
    ///
    /// Source: `tools/preprocess_data_yuan.py` of IEIT-Yuan/Yuan-2.0 with transformers 4.40.2, whose ids it gives
    /// (`tests/fixtures/yuan`).
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_yuan(path: impl AsRef<Path>) -> Result<Self> {
        let control = ControlTokens { eos: "<eod>", more: &YUAN_CONTROL_TOKENS };
        Ok(Self::load_with(path.as_ref(), Some(control))?.parsing_special(true))
    }

    /// A tokenizer from the bytes of a `tokenizer.json`, or of a SentencePiece `.model` that says everything itself; `path` is what
    /// errors name.
    ///
    /// # Errors
    /// If it is no tokenizer.
    pub fn from_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Self> {
        Self::of(path.as_ref(), bytes.to_vec(), None)
    }

    fn load_with(path: &Path, control: Option<ControlTokens>) -> Result<Self> {
        Self::of(path, files::load(path)?, control)
    }

    fn of(path: &Path, json: Vec<u8>, control: Option<ControlTokens>) -> Result<Self> {
        if json.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte != b'{') {
            return Ok(Self::of_pieces(path, SentencePiece::new(path, json, control)?));
        }
        let mut inner = tokenizers::Tokenizer::from_bytes(&json)
            .map_err(|problem| no_tokenizer(path, &format!("is no tokenizer: {problem}")))?;
        let added = inner.get_added_tokens_decoder();
        let mut special: Vec<(String, u32)> =
            added.iter().filter(|(_, token)| token.special).map(|(id, token)| (token.content.clone(), *id)).collect();
        special.sort_unstable_by_key(|(_, id)| *id);
        // `tokenizers` gives ids of its own to added tokens whose ids leave a gap.
        let direct =
            Direct::from_json(&json).filter(|direct| direct.has_added(added.len(), |id| added.contains_key(&id)));
        inner.set_encode_special_tokens(true);
        Ok(Self {
            special_matcher: matcher(special.iter().map(|(token, _)| token)).flatten(),
            vocab_size: inner.get_vocab(true).values().max().map_or(0, |id| id + 1),
            fingerprint: format!("{:016x}", xxh3_64(&json)),
            path: path.to_path_buf(),
            parse_special: false,
            special,
            direct,
            inner: Inner::HuggingFace(Box::new(inner)),
        })
    }

    fn of_pieces(path: &Path, pieces: SentencePiece) -> Self {
        Self {
            special_matcher: None,
            vocab_size: pieces.vocab_size(),
            fingerprint: pieces.fingerprint(),
            path: path.to_path_buf(),
            parse_special: false,
            special: pieces.special_tokens(),
            direct: None,
            inner: Inner::SentencePiece(Box::new(pieces)),
        }
    }

    /// Whether control tokens written out in a text become control tokens. Off at first.
    #[must_use]
    pub fn parsing_special(mut self, parse_special: bool) -> Self {
        self.parse_special = parse_special;
        if let Inner::HuggingFace(inner) = &mut self.inner {
            // The name is theirs: "encode special tokens" as text, that is.
            inner.set_encode_special_tokens(!parse_special);
        }
        self
    }

    /// The file it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// XXH3-64 of the `tokenizer.json` that the file is or comes to, in hexadecimal; of a `.model` also of the tokens that are added to it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> u32 {
        self.vocab_size
    }

    /// The id of a token by its name: `<eod>`, or `Ġthe` in a byte-level vocabulary.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        match &self.inner {
            Inner::HuggingFace(inner) => inner.token_to_id(token),
            Inner::SentencePiece(pieces) => pieces.token_to_id(token),
        }
    }

    /// The name of a token.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        match &self.inner {
            Inner::HuggingFace(inner) => inner.id_to_token(id),
            Inner::SentencePiece(pieces) => pieces.id_to_token(id).map(Into::into),
        }
    }

    /// The control tokens with their ids, in the order of the ids.
    pub fn special_tokens(&self) -> &[(String, u32)] {
        &self.special
    }

    /// All tokens with their ids, in the order of the ids.
    pub fn vocabulary(&self) -> Vec<(String, u32)> {
        let vocabulary: HashMap<String, u32> = match &self.inner {
            Inner::HuggingFace(inner) => inner.get_vocab(true),
            Inner::SentencePiece(pieces) => return pieces.vocabulary(),
        };
        let mut vocabulary: Vec<_> = vocabulary.into_iter().collect();
        vocabulary.sort_unstable_by_key(|(_, id)| *id);
        vocabulary
    }

    /// Whether texts are encoded without Hugging Face's machinery, many times as fast.
    pub fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// The tokens of a text.
    ///
    /// # Errors
    /// If the model cannot encode it: a word-level one, say, without a token for the unknown.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.encode_into(text, &mut Scratch::default(), &mut ids)?;
        Ok(ids)
    }

    /// Appends the tokens of a text to `ids`; for many texts, with one scratch for each thread.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_into(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) -> Result<()> {
        self.hand_over(text, scratch, ids)
    }

    /// How many tokens a text has, without keeping them.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn count(&self, text: &str, scratch: &mut Scratch) -> Result<u64> {
        let mut count = 0;
        self.hand_over(text, scratch, &mut count)?;
        Ok(count)
    }

    fn hand_over(&self, text: &str, scratch: &mut Scratch, sink: &mut impl Sink) -> Result<()> {
        match (&self.direct, &self.inner) {
            (Some(direct), _) => direct.encode(text, self.parse_special, scratch, sink),
            (None, Inner::SentencePiece(pieces)) => pieces.encode(text, self.parse_special, scratch, sink),
            (None, Inner::HuggingFace(inner)) => self.encode_by_library(inner, text, false, |ids, _| sink.take(ids))?,
        }
        Ok(())
    }

    /// Appends the tokens of a text to `ids`, and to `offsets` the bytes of the text that each stands for, from and to.
    ///
    /// A token's bytes need not be whole characters. Where a text is normalised, all tokens of what was changed stand
    /// for all that was there; of a space that was put before the text, a token has none. Of a `.model`, bytes of a character that
    /// was changed stand for the whole of it in the last, for nothing before it. Through the library (see
    /// [`Self::is_direct`]) offsets are the library's: whole characters, and none of a normalised control token.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_with_offsets(
        &self,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
        offsets: &mut Vec<(usize, usize)>,
    ) -> Result<()> {
        match (&self.direct, &self.inner) {
            (Some(direct), _) => direct.encode_with_offsets(text, self.parse_special, scratch, ids, offsets),
            (None, Inner::SentencePiece(pieces)) => {
                pieces.encode_with_offsets(text, self.parse_special, scratch, ids, offsets);
            }
            (None, Inner::HuggingFace(inner)) => self.encode_by_library(inner, text, true, |part, places| {
                ids.extend_from_slice(part);
                offsets.extend(places);
            })?,
        }
        Ok(())
    }

    /// For a document that comes in parts, or is too long to be held.
    pub fn stream(&self) -> Stream<'_> {
        Stream::new(self)
    }

    pub(crate) fn direct(&self) -> Option<&Direct> {
        self.direct.as_ref()
    }

    pub(crate) fn sentencepiece(&self) -> Option<&SentencePiece> {
        match &self.inner {
            Inner::HuggingFace(_) => None,
            Inner::SentencePiece(pieces) => Some(pieces),
        }
    }

    /// The text of these tokens, control tokens by their names, nothing cleaned up.
    ///
    /// # Errors
    /// If an id is none of the vocabulary, or the decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let no_token = |id: u32| self.failed(format!("no token has id {id}"));
        match &self.inner {
            Inner::HuggingFace(inner) => match ids.iter().find(|id| inner.id_to_token(**id).is_none()) {
                Some(id) => Err(no_token(*id)),
                None => inner.decode(ids, false).map_err(|problem| self.failed(problem)),
            },
            Inner::SentencePiece(pieces) => pieces.decode(ids).map_err(no_token),
        }
    }

    /// The bytes that a token adds to a text, which may be a part of a character: control tokens by their names.
    ///
    /// # Errors
    /// If the id is none of the vocabulary, or the decoder fails.
    pub fn token_bytes(&self, id: u32) -> Result<Vec<u8>> {
        let name = self.id_to_token(id).ok_or_else(|| self.failed(format!("no token has id {id}")))?;
        if self.special.iter().any(|(_, special)| *special == id) {
            return Ok(name.into_bytes());
        }
        match &self.inner {
            Inner::SentencePiece(pieces) => Ok(pieces.token_bytes(id, &name)),
            Inner::HuggingFace(_) => match from_symbols(&name).filter(|_| self.is_direct()) {
                Some(bytes) => Ok(bytes),
                None => Ok(self.decode(&[id])?.into_bytes()),
            },
        }
    }

    fn failed(&self, problem: impl std::fmt::Display) -> Error {
        Error::stage("tokenize", format!("`{}`: {problem}", self.path.display()))
    }

    /// Hands over ids, with offsets if these are wanted (else with zeros).
    fn encode_by_library(
        &self,
        inner: &tokenizers::Tokenizer,
        text: &str,
        with_offsets: bool,
        mut take: impl FnMut(&[u32], &mut dyn Iterator<Item = (usize, usize)>),
    ) -> Result<()> {
        let encode = |text: &str| {
            let encoding = if with_offsets { inner.encode(text, false) } else { inner.encode_fast(text, false) };
            encoding.map_err(|problem| self.failed(problem))
        };
        let whole = encode(text)?;
        // A model may hold a control token as an ordinary piece and find it in the text all the same.
        // Such a text is encoded in parts that each hold less than the token's name.
        let named = self.special_matcher.iter().filter(|_| !self.parse_special);
        let named: Vec<(usize, u32)> = named
            .flat_map(|matcher| matcher.find_iter(text))
            .map(|found| (found.start(), self.special[found.pattern().as_usize()].1))
            .collect();
        if !named.iter().any(|(_, special)| whole.get_ids().contains(special)) {
            take(whole.get_ids(), &mut whole.get_offsets().iter().copied());
            return Ok(());
        }
        let mut done = 0;
        let inside = named.iter().map(|(start, _)| start + text[*start..].chars().next().map_or(0, char::len_utf8));
        for end in inside.chain([text.len()]) {
            let part = encode(&text[done..end])?;
            take(part.get_ids(), &mut part.get_offsets().iter().map(|(from, to)| (from + done, to + done)));
            done = end;
        }
        Ok(())
    }
}
