//! A loaded tokenizer: text to ids and back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::{Error, Result};

use crate::encode::{Direct, Scratch, Sink, Stream};
use crate::files::{self, no_tokenizer};
use crate::huggingface::matcher;

/// A tokenizer from a Hugging Face `tokenizer.json`, from ranks of tiktoken (`.tiktoken`) or from the header of a GGUF file.
///
/// Texts are encoded without the tokens of a template, and what looks like a control token in a text,
/// `<eod>` say, is text: no document can end itself or begin a turn. [`Tokenizer::parsing_special`] changes
/// that. Ids are those of `tokenizers` with `encode_special_tokens` set accordingly; byte-level BPE
/// tokenizers without a normaliser take a [direct](Tokenizer::is_direct) way to the same ids.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    direct: Option<Direct>,
    parse_special: bool,
    /// Special tokens by name, and what finds them in a text.
    special: Vec<(String, u32)>,
    special_matcher: Option<AhoCorasick>,
    vocab_size: u32,
    fingerprint: String,
    path: PathBuf,
}

impl Tokenizer {
    /// Loads a `tokenizer.json`, or a file that comes to one: ranks of tiktoken are told by their first line, GGUF by its first bytes.
    ///
    /// Ranks name neither pattern nor control tokens: those of r50k_base, p50k_base, cl100k_base, o200k_base, Llama 3 and Qwen are known;
    /// beside others lies `FILE.json`, `{"pattern": "cl100k", "special_tokens": {"<|endoftext|>": 100257}}`. Of a GGUF file the header is read.
    ///
    /// # Errors
    /// If the file cannot be read, says too little, or `tokenizers` cannot make a tokenizer of it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let json = files::load(path)?;
        let inner = tokenizers::Tokenizer::from_bytes(&json)
            .map_err(|problem| no_tokenizer(path, &format!("is no tokenizer: {problem}")))?;
        let added = inner.get_added_tokens_decoder();
        let mut special: Vec<(String, u32)> =
            added.iter().filter(|(_, token)| token.special).map(|(id, token)| (token.content.clone(), *id)).collect();
        special.sort_unstable_by_key(|(_, id)| *id);
        // `tokenizers` gives ids of its own to added tokens whose ids leave a gap.
        let direct =
            Direct::from_json(&json).filter(|direct| direct.has_added(added.len(), |id| added.contains_key(&id)));
        let mut tokenizer = Self {
            special_matcher: matcher(special.iter().map(|(token, _)| token)).flatten(),
            vocab_size: inner.get_vocab(true).values().max().map_or(0, |id| id + 1),
            fingerprint: format!("{:016x}", xxh3_64(&json)),
            path: path.to_path_buf(),
            parse_special: false,
            special,
            direct,
            inner,
        };
        tokenizer.inner.set_encode_special_tokens(true);
        Ok(tokenizer)
    }

    /// Whether control tokens written out in a text become control tokens. Off at first.
    #[must_use]
    pub fn parsing_special(mut self, parse_special: bool) -> Self {
        self.parse_special = parse_special;
        // The name is theirs: "encode special tokens" as text, that is.
        self.inner.set_encode_special_tokens(!parse_special);
        self
    }

    /// The file it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// XXH3-64 of the `tokenizer.json` that the file is or comes to, in hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> u32 {
        self.vocab_size
    }

    /// The id of a token by its name: `<eod>`, or `Ġthe` in a byte-level vocabulary.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The name of a token.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The control tokens with their ids, in the order of the ids.
    pub fn special_tokens(&self) -> &[(String, u32)] {
        &self.special
    }

    /// All tokens with their ids, in the order of the ids.
    pub fn vocabulary(&self) -> Vec<(String, u32)> {
        let vocabulary: HashMap<String, u32> = self.inner.get_vocab(true);
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
        match &self.direct {
            Some(direct) => direct.encode(text, self.parse_special, scratch, sink),
            None => self.encode_by_library(text, false, |ids, _| sink.take(ids))?,
        }
        Ok(())
    }

    /// Appends the tokens of a text to `ids`, and to `offsets` the bytes of the text that each stands for, from and to.
    ///
    /// A token's bytes need not be whole characters. Where a text is normalised, all tokens of what was changed stand
    /// for all that was there; of a space that was put before the text, a token has none. Through the library (see
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
        match &self.direct {
            Some(direct) => direct.encode_with_offsets(text, self.parse_special, scratch, ids, offsets),
            None => self.encode_by_library(text, true, |part, places| {
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

    /// The text of these tokens, control tokens by their names, nothing cleaned up.
    ///
    /// # Errors
    /// If an id is none of the vocabulary, or the decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        if let Some(id) = ids.iter().find(|id| self.inner.id_to_token(**id).is_none()) {
            return Err(self.failed(format!("no token has id {id}")));
        }
        self.inner.decode(ids, false).map_err(|problem| self.failed(problem))
    }

    fn failed(&self, problem: impl std::fmt::Display) -> Error {
        Error::stage("tokenize", format!("`{}`: {problem}", self.path.display()))
    }

    /// Hands over ids, with offsets if these are wanted (else with zeros).
    fn encode_by_library(
        &self,
        text: &str,
        with_offsets: bool,
        mut take: impl FnMut(&[u32], &mut dyn Iterator<Item = (usize, usize)>),
    ) -> Result<()> {
        let encode = |text: &str| {
            let encoding =
                if with_offsets { self.inner.encode(text, false) } else { self.inner.encode_fast(text, false) };
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
