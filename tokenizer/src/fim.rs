//! Filling in the middle: texts turned round so that a model learns to write what stands between two others.
//!
//! A text is cut at two of its characters into prefix, middle and suffix, each of which is encoded by itself, and becomes one of
//!
//! | | |
//! |---|---|
//! | PSM | `<FIM_PREFIX>` prefix `<FIM_SUFFIX>` suffix `<FIM_MIDDLE>` middle |
//! | SPM | `<FIM_PREFIX>` `<FIM_SUFFIX>` suffix `<FIM_MIDDLE>` prefix middle |
//!
//! Draws, in this order: `binomial(1, rate)`, whether the text is turned round at all; `randint(0, characters + 1, size=2)`, where it is
//! cut; `binomial(1, spm_rate)`, which of the two it becomes.
//!
//! Source: Bavarian et al. 2022, arXiv:2207.14255 (variant 2 of SPM), as the GPT dataset of Yuan 2.0's fork of Megatron-LM does it in each
//! sample it fetches; the draws are those of NumPy's `RandomState`.

use yuan_pipeline::Result;
use yuan_random_state::RandomState;

use crate::{Scratch, Tokenizer};

/// How texts are turned round, and the ids of the tokens between their parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Fim {
    /// The part of the texts, in [0, 1], that are turned round.
    pub rate: f64,
    /// The part of these, in [0, 1], that become SPM.
    pub spm_rate: f64,
    /// What stands before a prefix.
    pub prefix: u32,
    /// What stands before a suffix.
    pub suffix: u32,
    /// What stands before a middle, or a prefix with it.
    pub middle: u32,
}

impl Fim {
    /// A sample without end-of-document tokens, turned round or as it was. It is decoded to be cut: a control token in it is cut as its
    /// name, and a broken character at either end is U+FFFD.
    ///
    /// # Errors
    /// If an id is none of the vocabulary, or the tokenizer cannot encode a part.
    pub fn transform(&self, tokenizer: &Tokenizer, random: &mut RandomState, sample: &[u32]) -> Result<Vec<u32>> {
        if !random.event(self.rate) {
            return Ok(sample.to_vec());
        }
        let parts = Parts::cut(tokenizer, random, &tokenizer.decode(sample)?, &mut Scratch::default())?;
        let mut out = Vec::new();
        self.arrange(random.event(self.spm_rate), &parts, &mut out);
        Ok(out)
    }

    /// The same, of the sample's length: what is too long loses of its suffix, what is too short has `pad` behind its suffix. A sample with
    /// too short a suffix to lose so much stays as it was, and the last draw is not made.
    ///
    /// # Errors
    /// As [`Self::transform`].
    pub fn transform_to_length(
        &self,
        tokenizer: &Tokenizer,
        random: &mut RandomState,
        sample: &[u32],
        pad: u32,
    ) -> Result<Vec<u32>> {
        if !random.event(self.rate) {
            return Ok(sample.to_vec());
        }
        let mut parts = Parts::cut(tokenizer, random, &tokenizer.decode(sample)?, &mut Scratch::default())?;
        let length = parts.prefix.len() + parts.middle.len() + parts.suffix.len() + 3;
        if length > sample.len() && parts.suffix.len() <= length - sample.len() {
            return Ok(sample.to_vec());
        }
        let suffix = parts.suffix.len() + sample.len() - length;
        parts.suffix.resize(suffix, pad);
        let mut out = Vec::new();
        self.arrange(random.event(self.spm_rate), &parts, &mut out);
        Ok(out)
    }

    /// A sample of a training step, as Yuan's dataset turns it round: each piece that ends in `eod` by itself, then what is behind the last
    /// one, be it nothing; cut to the sample's length, or padded to it. An `eod` with nothing before it goes.
    ///
    /// # Errors
    /// As [`Self::transform`].
    pub fn transform_sample(
        &self,
        tokenizer: &Tokenizer,
        random: &mut RandomState,
        sample: &[u32],
        eod: u32,
        pad: u32,
    ) -> Result<Vec<u32>> {
        if self.rate == 0.0 {
            return Ok(sample.to_vec());
        }
        let mut out = Vec::with_capacity(sample.len());
        let mut pieces = sample.split(|id| *id == eod).peekable();
        while let Some(piece) = pieces.next() {
            let is_tail = pieces.peek().is_none();
            if is_tail || !piece.is_empty() {
                out.extend(self.transform(tokenizer, random, piece)?);
                out.extend((!is_tail).then_some(eod));
            }
        }
        out.resize(sample.len(), pad);
        Ok(out)
    }

    /// Appends the tokens of a text that is turned round; `false` and nothing if it is not, which the first draw says.
    ///
    /// # Errors
    /// If the tokenizer cannot encode a part.
    pub fn encode_into(
        &self,
        tokenizer: &Tokenizer,
        random: &mut RandomState,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<bool> {
        if !random.event(self.rate) {
            return Ok(false);
        }
        let parts = Parts::cut(tokenizer, random, text, scratch)?;
        self.arrange(random.event(self.spm_rate), &parts, ids);
        Ok(true)
    }

    fn arrange(&self, spm: bool, parts: &Parts, out: &mut Vec<u32>) {
        let Parts { prefix, middle, suffix } = parts;
        out.push(self.prefix);
        if !spm {
            out.extend(prefix);
        }
        out.push(self.suffix);
        out.extend(suffix);
        out.push(self.middle);
        if spm {
            out.extend(prefix);
        }
        out.extend(middle);
    }
}

/// The tokens of a text's three parts.
struct Parts {
    prefix: Vec<u32>,
    middle: Vec<u32>,
    suffix: Vec<u32>,
}

impl Parts {
    fn cut(tokenizer: &Tokenizer, random: &mut RandomState, text: &str, scratch: &mut Scratch) -> Result<Self> {
        let chars = text.chars().count();
        let [one, other] = [(); 2].map(|()| random.interval(chars as u64) as usize);
        let byte_of = |char: usize| text.char_indices().nth(char).map_or(text.len(), |(byte, _)| byte);
        let (start, end) = (byte_of(one.min(other)), byte_of(one.max(other)));
        let mut encode = |part: &str| -> Result<Vec<u32>> {
            let mut ids = Vec::new();
            tokenizer.encode_into(part, scratch, &mut ids)?;
            Ok(ids)
        };
        Ok(Self { prefix: encode(&text[..start])?, middle: encode(&text[start..end])?, suffix: encode(&text[end..])? })
    }
}
