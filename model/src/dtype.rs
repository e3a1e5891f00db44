//! Floating-point types of weights and of computing.

use half::{bf16, f16};

/// A floating-point type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE single precision.
    #[default]
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single: its range, 8 bits of precision.
    BF16,
}

impl DType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::BF16];

    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// PyTorch's name: `float32`, `float16`, `bfloat16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
        }
    }

    /// The type of one of PyTorch's names, or of the short ones `fp32`, `fp16` and `bf16`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.strip_prefix("torch.").unwrap_or(name) {
            "float32" | "float" | "fp32" | "f32" => Some(Self::F32),
            "float16" | "half" | "fp16" | "f16" => Some(Self::F16),
            "bfloat16" | "bf16" => Some(Self::BF16),
            _ => None,
        }
    }

    /// Appends numbers in this type, little-endian, each rounded to the nearest, ties to even.
    pub fn append(self, numbers: &[f32], bytes: &mut Vec<u8>) {
        bytes.reserve(numbers.len() * self.bytes());
        match self {
            Self::F32 => numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes())),
            Self::F16 => numbers.iter().for_each(|number| bytes.extend(f16::from_f32(*number).to_le_bytes())),
            Self::BF16 => numbers.iter().for_each(|number| bytes.extend(bf16::from_f32(*number).to_le_bytes())),
        }
    }
}
