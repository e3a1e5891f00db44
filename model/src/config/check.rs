//! Whether the parts of a shape fit each other, wherever it comes from.

use std::path::Path;

use super::{Config, Qwen2Moe, Rope, Yuan};
use crate::{Error, Result};

/// Most parameters that are believed: 64 times the largest model there is.
const MAX_PARAMETERS: u64 = 1 << 46;
/// Most tensors that are believed: large models have 50,000.
const MAX_TENSORS: u64 = 1 << 18;

impl Config {
    /// Refuses shapes that contradict themselves; `path` is named in errors.
    ///
    /// # Errors
    /// [`Error::Config`] with the name that Hugging Face has for the field.
    pub fn check(&self, path: &Path) -> Result<()> {
        let check = Check(path);
        match self {
            Self::Yuan(config) => check.yuan(config)?,
            Self::Qwen2Moe(config) => check.qwen2_moe(config)?,
        }
        let tensors = match self {
            Self::Yuan(config) => {
                (12 + config.moe.as_ref().map_or(0, |moe| 2 * moe.experts as u64)) * config.layers as u64
            }
            Self::Qwen2Moe(config) => (16 + 3 * config.experts as u64) * config.layers as u64,
        };
        if tensors > MAX_TENSORS {
            let problem =
                format!("is {}, which makes {tensors} tensors; at most {MAX_TENSORS} are read", self.layers());
            return Err(Error::config(path, "num_hidden_layers", problem));
        }
        let parameters = self.tensors().try_fold(0_u64, |sum, (name, shape)| {
            let elements = shape.iter().try_fold(1_u64, |product, axis| product.checked_mul(*axis as u64));
            let sum = elements.and_then(|elements| sum.checked_add(elements));
            sum.filter(|sum| *sum <= MAX_PARAMETERS).ok_or((name, shape))
        });
        match parameters {
            Ok(_) => Ok(()),
            Err((name, shape)) => {
                let problem = format!("and others make tensors of more than 2⁴⁶ numbers: `{name}` is {shape:?}");
                Err(Error::config(path, "hidden_size", problem))
            }
        }
    }
}

struct Check<'a>(&'a Path);

impl Check<'_> {
    fn that(&self, is_so: bool, field: &str, problem: impl FnOnce() -> String) -> Result<()> {
        if is_so { Ok(()) } else { Err(Error::config(self.0, field, problem())) }
    }

    fn divides(&self, field: &str, part: usize, other: &str, whole: usize) -> Result<()> {
        self.that(part > 0 && whole.is_multiple_of(part), field, || {
            format!("is {part}, which does not divide the `{other}` {whole}")
        })
    }

    fn token(&self, field: &str, token: u32, vocab_size: usize) -> Result<()> {
        self.that((token as usize) < vocab_size, field, || format!("is {token}, and `vocab_size` is {vocab_size}"))
    }

    fn rope(&self, rope: &Rope, head_dim: usize, width: &str) -> Result<()> {
        self.that(rope.width.is_multiple_of(2) && rope.width > 0, width, || {
            format!("makes {} values of each head turn, and an even number must", rope.width)
        })?;
        self.that(rope.width <= head_dim, width, || {
            format!("makes {} values of each head turn, and a head has {head_dim}", rope.width)
        })?;
        let Some(yarn) = &rope.yarn else { return Ok(()) };
        self.that(yarn.beta_fast >= yarn.beta_slow, "rope_scaling.beta_fast", || {
            format!("is {}, less than the `beta_slow` {}", yarn.beta_fast, yarn.beta_slow)
        })
    }

    fn yuan(&self, config: &Yuan) -> Result<()> {
        self.divides("num_attention_heads", config.heads, "hidden_size", config.hidden_size)?;
        self.divides("num_attention_heads", config.heads, "attention_projection_size", config.attention_width)?;
        self.that(config.hidden_size.is_multiple_of(2), "hidden_size", || {
            format!("is {}, and must be even: localized filtering halves it", config.hidden_size)
        })?;
        self.rope(&config.rope, config.head_dim(), "hidden_size / num_attention_heads")?;
        self.that(!config.share_qk || config.attention_width == config.hidden_size, "use_shareqk", || {
            format!("is true, and `attention_projection_size` {} is not `hidden_size`", config.attention_width)
        })?;
        for (field, token) in [("eod_token", config.eod), ("sep_token", config.sep), ("pad_token_id", config.pad)] {
            self.token(field, token, config.vocab_size)?;
        }
        let Some(moe) = &config.moe else { return Ok(()) };
        self.that((1..=moe.experts).contains(&moe.top_k), "moe_config.moe_top_k", || {
            format!("is {}, and there are {} experts", moe.top_k, moe.experts)
        })
    }

    fn qwen2_moe(&self, config: &Qwen2Moe) -> Result<()> {
        self.that(config.heads.checked_mul(config.head_dim).is_some(), "head_dim", || {
            format!("is {}, too much for {} heads", config.head_dim, config.heads)
        })?;
        self.divides("num_key_value_heads", config.kv_heads, "num_attention_heads", config.heads)?;
        self.rope(&config.rope, config.head_dim, "head_dim")?;
        for (field, token) in [("eos_token_id", config.eos), ("bos_token_id", config.bos)] {
            token.map_or(Ok(()), |token| self.token(field, token, config.vocab_size))?;
        }
        self.that(
            !config.sparse.contains(&true) || (1..=config.experts).contains(&config.top_k),
            "num_experts_per_tok",
            || format!("is {}, and there are {} experts", config.top_k, config.experts),
        )
    }
}
