//! A set in the making, or several of about as many tokens, with the loss mask beside it.

use std::path::{Path, PathBuf};

use crate::form::{Sink, Target};
use crate::reader::with_suffix;
use crate::work::part_prefix;
use crate::{DType, Document, Result, Vocabulary, Written, prompt_tokens};

/// The prefix of the loss mask that `write_binidx` writes beside a dataset.
pub fn loss_mask_prefix(prefix: &Path) -> PathBuf {
    with_suffix(prefix, "_loss_mask")
}

/// A mask is a dataset of the same documents.
fn mask_target(target: &Target) -> Target {
    Target {
        dtype: DType::U8,
        vocabulary: Vocabulary { vocab_size: Some(2), ..Vocabulary::default() },
        ..target.clone()
    }
}

/// What is needed for the loss mask of a document.
pub(crate) struct Mask {
    /// The separator, if there is a document.
    sep: Option<u32>,
    bytes: Vec<u8>,
    target: Target,
}

impl Mask {
    /// A mask of documents whose questions end in `sep`, beside a set like `target`.
    pub(crate) fn new(sep: Option<u32>, target: &Target) -> Self {
        Self { sep, bytes: Vec::new(), target: mask_target(target) }
    }

    fn add(&mut self, document: &Document<'_>, sink: &mut dyn Sink) -> Result<()> {
        let mut ids = Vec::with_capacity(document.tokens() as usize);
        document.dtype.for_each(document.bytes, |token| ids.push(token as u32));
        let asked = self.sep.map_or(0, |sep| prompt_tokens(&ids, sep));
        self.bytes.clear();
        self.bytes.resize(asked, 0);
        self.bytes.resize(ids.len(), 1);
        sink.add(&Document { bytes: &self.bytes, dtype: DType::U8, xxh3: None, ..*document })
    }
}

/// One set, or several of about as many tokens.
pub(crate) struct Sets<'a> {
    target: &'a Target,
    mask: Option<Mask>,
    prefix: &'a Path,
    shards: u32,
    tokens: u64,
    /// Tokens so far.
    at: u64,
    open: Box<dyn Sink>,
    open_mask: Option<Box<dyn Sink>>,
    written: Vec<Written>,
}

impl<'a> Sets<'a> {
    pub(crate) fn new(
        target: &'a Target,
        mask: Option<Mask>,
        prefix: &'a Path,
        shards: u32,
        tokens: u64,
    ) -> Result<Self> {
        let first = shard(prefix, 0, shards);
        let open_mask = mask.as_ref().map(|mask| mask.target.create(&loss_mask_prefix(&first))).transpose()?;
        let open = target.create(&first)?;
        Ok(Self { target, mask, prefix, shards, tokens, at: 0, open, open_mask, written: Vec::new() })
    }

    /// A document belongs to the shard in which its first token lies.
    pub(crate) fn add(&mut self, document: &Document<'_>) -> Result<()> {
        while (self.written.len() as u32) + 1 < self.shards {
            let end = u128::from(self.tokens) * (self.written.len() as u128 + 1) / u128::from(self.shards);
            if u128::from(self.at) < end {
                break;
            }
            self.next()?;
        }
        self.at += document.tokens();
        if let (Some(mask), Some(sink)) = (&mut self.mask, &mut self.open_mask) {
            mask.add(document, sink.as_mut())?;
        }
        self.open.add(document)
    }

    fn next(&mut self) -> Result<()> {
        let next = shard(self.prefix, self.written.len() as u32 + 1, self.shards);
        if let Some(mask) = &self.mask {
            let sink = mask.target.create(&loss_mask_prefix(&next))?;
            if let Some(full) = self.open_mask.replace(sink) {
                full.finish()?;
            }
        }
        let next = self.target.create(&next)?;
        self.written.push(std::mem::replace(&mut self.open, next).finish()?);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Vec<Written>> {
        while (self.written.len() as u32) + 1 < self.shards {
            self.next()?;
        }
        // The mask first, so that the tokens are there only when all is.
        if let Some(mask) = self.open_mask {
            mask.finish()?;
        }
        self.written.push(self.open.finish()?);
        Ok(self.written)
    }
}

pub(crate) fn shard(prefix: &Path, shard: u32, shards: u32) -> PathBuf {
    if shards == 0 { prefix.to_path_buf() } else { part_prefix(prefix, shard as usize, shards as usize) }
}
