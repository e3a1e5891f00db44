//! Rotary position embeddings: the angles by which queries and keys are turned.

/// How positions turn queries and keys (Su et al. 2021, arXiv:2104.09864, in the half-rotation of GPT-NeoX).
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the geometric series of frequencies.
    pub base: f64,
    /// Values of a head that are turned, from its first on; even. The others pass through.
    pub width: usize,
    /// The precision in which angles are computed.
    pub precision: RopePrecision,
    /// Frequencies stretched for longer contexts.
    pub yarn: Option<Yarn>,
}

/// The precision of angles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RopePrecision {
    /// Angles in fp32, as Megatron and vLLM compute them.
    #[default]
    F32,
    /// Frequencies, positions and angles rounded to bfloat16, as Yuan2.0-M32's Hugging Face file has it: positions
    /// above 256 are no longer told apart exactly.
    Bf16,
}

/// YaRN (Peng et al. 2023, arXiv:2309.00071).
#[derive(Clone, Debug, PartialEq)]
pub struct Yarn {
    /// How many times longer the context is than the one trained on.
    pub factor: f64,
    /// Positions of the context trained on.
    pub original_positions: usize,
    /// Rotations above which a frequency stays. Default 32.
    pub beta_fast: f64,
    /// Rotations below which a frequency is divided by `factor`. Default 1.
    pub beta_slow: f64,
    /// By what cos and sin are multiplied. Default 0.1 ln(factor) + 1.
    pub attention_factor: f64,
    /// How frequencies between those that stay and those that are divided are found.
    pub blend: Blend,
}

/// What becomes of a frequency of which a share, between 0 and 1, is stretched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blend {
    /// The frequency and its `factor`-th part are averaged, as in the paper and in transformers.
    #[default]
    Frequencies,
    /// The wave lengths are averaged: it is divided by `share * factor + 1 - share`. Yuan's fork of vLLM (`use_yarn`).
    WaveLengths,
}

impl Yarn {
    /// The defaults for a context `factor` times as long as the original one.
    pub fn new(factor: f64, original_positions: usize) -> Self {
        let attention_factor = if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 };
        Self {
            factor,
            original_positions,
            beta_fast: 32.0,
            beta_slow: 1.0,
            attention_factor,
            blend: Blend::Frequencies,
        }
    }
}
