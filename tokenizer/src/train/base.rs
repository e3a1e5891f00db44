//! What a training begins with: the layout of a new tokenizer, or a tokenizer that is there already.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;
use yuan_pipeline::{Error, Result};

use super::cut::Source;
use super::extend::Extension;
use super::{Merges, NAME, TrainTokenizerConfig};
use crate::Digits;
use crate::bytes::bytes_in_order;
use crate::encode::Scratch;
use crate::han::Start;
use crate::huggingface::{matcher, pre_tokenizer_json, tokenizer_json};
use crate::layout::{Layout, PUNCTUATION, html};
use crate::pretokenize::{PreTokenizer, named, pattern};

/// What is known before any text is seen.
pub(super) enum Base {
    New(Box<New>),
    Old(Box<Extension>),
}

/// A tokenizer that is laid out anew.
pub(super) struct New {
    layout: Layout,
    patterns: Vec<String>,
    start: Start,
}

impl Base {
    /// The base, what cuts texts, and how many tokens are to be learnt.
    ///
    /// # Errors
    /// If settings do not go together, or leave no room for anything to be learnt.
    pub(super) fn new(config: &TrainTokenizerConfig) -> Result<(Self, Source, usize)> {
        let vocab_size = config.vocab_size.checked_next_multiple_of(config.vocab_multiple).unwrap_or(config.vocab_size);
        if config.extend.as_os_str().is_empty() { new(config, vocab_size) } else { old(config, vocab_size) }
    }

    /// What is known of merges.
    pub(super) fn merges(&self) -> &Merges {
        match self {
            Self::New(new) => &new.start.merges,
            Self::Old(old) => &old.merges,
        }
    }

    /// Appends the tokens that a piece has by these.
    pub(super) fn encode(&self, piece: &[u8], scratch: &mut Scratch, symbols: &mut Vec<u32>) {
        match self {
            Self::New(new) => new.start.encode(piece, symbols),
            Self::Old(old) => old.encode(piece, scratch, symbols),
        }
    }

    /// What no merge may make.
    pub(super) fn forbidden(&self) -> HashSet<Vec<u8>> {
        match self {
            Self::New(new) => new.layout.names().map(|token| token.clone().into()).collect(),
            Self::Old(old) => old.names.clone(),
        }
    }

    /// The `tokenizer.json` with what was learnt, and how many tokens it has.
    pub(super) fn file(&self, learnt: &Merges, multiple: u32) -> (Value, u32) {
        match self {
            Self::New(new) => {
                let mut layout = new.layout.clone();
                layout.fill(learnt.tokens.len() - 256, multiple);
                let size = layout.fixed() + learnt.tokens.len() as u32 - 256;
                (tokenizer_json(&layout, &new.patterns, learnt), size)
            }
            Self::Old(old) => old.file(learnt, multiple),
        }
    }

    /// The tokenizer that was there.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::New(_) => None,
            Self::Old(old) => Some(old.path()),
        }
    }
}

fn new(config: &TrainTokenizerConfig, vocab_size: u32) -> Result<(Base, Source, usize)> {
    let html = config.html_tags.then(html).into_iter().flatten();
    let punctuation = PUNCTUATION.iter().filter(|_| config.punctuation).map(ToString::to_string);
    let added = html.chain(punctuation).chain(config.added_tokens.iter().cloned());
    let layout = Layout::new(&config.special_tokens, (config.reserved, config.reserved_place), added)
        .map_err(|problem| Error::stage(NAME, problem))?;
    let start = Start::new(&bytes_in_order(), &config.han_characters.characters(vocab_size));
    let han = start.merges.rules.len() as u32;
    let needed = layout.fixed() + han;
    if vocab_size < needed {
        return Err(Error::Stage {
            stage: NAME.into(),
            problem: format!(
                "`vocab_size` is {vocab_size}, but {} special tokens and reserved slots, {} added tokens, 256 bytes and {han} for \
                 Han characters need {needed}",
                layout.special.len() + layout.back.len(),
                layout.added.len(),
            ),
            hint: Some(format!(
                "set `vocab_size` to more than {needed}, or fewer `reserved`, `special_tokens` or `added_tokens`, or \
                 `han_characters = \"none\"`"
            )),
        });
    }
    let names = layout.names().cloned().collect::<Vec<_>>();
    let added =
        matcher(names.iter()).ok_or_else(|| Error::stage(NAME, "there are too many added tokens to look for"))?;
    let patterns = match config.pattern.as_str() {
        "yuan" => vec![pattern(config.digits)],
        other if config.digits != Digits::Split => {
            return Err(Error::stage(NAME, format!("`digits` are for the pattern `yuan`, and `pattern` is `{other}`")));
        }
        other => named(other).unwrap_or_else(|| vec![other.to_owned()]),
    };
    let no_pattern = || Error::Stage {
        stage: NAME.into(),
        problem: format!("`pattern` is `{}`, no regular expression", config.pattern),
        hint: Some(
            "name `yuan`, `gpt2`, `cl100k`, `llama3`, `qwen2`, `o200k` or `deepseek3`, or give a regular expression"
                .into(),
        ),
    };
    let splitter = PreTokenizer::from_json(&pre_tokenizer_json(&patterns)).ok_or_else(no_pattern)?.splitter;
    let source = Source::New { added, splitter: Box::new(splitter) };
    Ok((Base::New(Box::new(New { layout, patterns, start })), source, (vocab_size - needed) as usize))
}

fn old(config: &TrainTokenizerConfig, vocab_size: u32) -> Result<(Base, Source, usize)> {
    let usual = TrainTokenizerConfig::default();
    let given = [
        ("special_tokens", config.special_tokens != usual.special_tokens),
        ("reserved", config.reserved != usual.reserved),
        ("reserved_place", config.reserved_place != usual.reserved_place),
        ("han_characters", config.han_characters != usual.han_characters),
        ("html_tags", config.html_tags != usual.html_tags),
        ("punctuation", config.punctuation != usual.punctuation),
        ("added_tokens", config.added_tokens != usual.added_tokens),
        ("pattern", config.pattern != usual.pattern),
        ("digits", config.digits != usual.digits),
    ];
    if let Some((name, _)) = given.iter().find(|(_, is_given)| *is_given) {
        return Err(Error::Stage {
            stage: NAME.into(),
            problem: format!("`{name}` and `extend` are both given, and the tokenizer that is extended has its own"),
            hint: Some(format!("leave out `{name}`")),
        });
    }
    let old = Extension::load(&config.extend)?;
    if vocab_size <= old.size {
        return Err(Error::Stage {
            stage: NAME.into(),
            problem: format!(
                "`vocab_size` is {vocab_size}, `{}` has {} tokens already",
                config.extend.display(),
                old.size
            ),
            hint: Some(format!(
                "set `vocab_size` to more than {}: it is the number of all tokens, old and new",
                old.size
            )),
        });
    }
    let source = Source::Old(old.direct.clone());
    let wanted = (vocab_size - old.size) as usize;
    Ok((Base::Old(Box::new(old)), source, wanted))
}
