//! What a model is made of: read from `config.json` or from a GGUF file's metadata, or known by name.

mod qwen2_moe;
mod rope;
mod yuan;

pub use qwen2_moe::{Qwen2Moe, SlidingWindow};
pub use rope::{Rope, RopePrecision, Yarn};
pub use yuan::{Router, Yuan, YuanMoe};

/// The shape of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    /// Yuan 2.0 (dense) and Yuan2.0-M32 (mixture of experts).
    Yuan(Yuan),
    /// Qwen1.5-MoE and Qwen2-MoE.
    Qwen2Moe(Qwen2Moe),
}
