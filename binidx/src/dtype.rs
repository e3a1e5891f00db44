//! The number types a dataset can hold.

use std::fmt;

use serde::Serialize;

use crate::{Error, Result};

/// The number type of the tokens of a dataset, as one code in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// Code 1.
    U8,
    /// Code 2.
    I8,
    /// Code 3.
    I16,
    /// Code 4: what Megatron takes when it knows no vocabulary size.
    I32,
    /// Code 5.
    I64,
    /// Code 6.
    F64,
    /// Code 7.
    F32,
    /// Code 8: what Megatron takes for a vocabulary of less than 65,500 tokens.
    U16,
}

impl DType {
    /// In the order of their codes, from 1.
    const ALL: [Self; 8] = [Self::U8, Self::I8, Self::I16, Self::I32, Self::I64, Self::F64, Self::F32, Self::U16];

    /// The type of a code, if there is one.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// The code of the type.
    pub fn code(self) -> u8 {
        self as u8 + 1
    }

    /// Bytes of one token.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// The type that Megatron writes: `u16` for a vocabulary known to be under 65,500 tokens, else `i32`.
    ///
    /// Source: `DType.optimal_dtype` of megatron-core 0.16.1.
    pub fn for_vocabulary(vocab_size: Option<u64>) -> Self {
        match vocab_size {
            Some(size) if size < 65_500 => Self::U16,
            _ => Self::I32,
        }
    }

    /// The largest token id that can be written.
    pub fn max_token(self) -> u32 {
        match self {
            Self::U8 => u32::from(u8::MAX),
            Self::I8 => i8::MAX as u32,
            Self::I16 => i16::MAX as u32,
            Self::U16 => u32::from(u16::MAX),
            Self::I32 => i32::MAX as u32,
            // 2²⁴: from there on a `f32` skips whole numbers.
            Self::F32 => 1 << 24,
            Self::I64 | Self::F64 => u32::MAX,
        }
    }

    /// Appends the tokens to `bytes`, in this type.
    ///
    /// # Errors
    /// [`Error::TokenRange`] for the first id that does not fit.
    pub fn encode(self, tokens: &[u32], bytes: &mut Vec<u8>) -> Result<()> {
        let max = self.max_token();
        if let Some(position) = tokens.iter().position(|token| *token > max) {
            return Err(Error::TokenRange { token: tokens[position], position, dtype: self });
        }
        bytes.reserve(tokens.len() * self.bytes());
        match self {
            Self::U8 | Self::I8 => bytes.extend(tokens.iter().map(|token| *token as u8)),
            Self::I16 | Self::U16 => {
                bytes.extend(tokens.iter().flat_map(|token| (*token as u16).to_le_bytes()));
            }
            Self::I32 => bytes.extend(tokens.iter().flat_map(|token| token.to_le_bytes())),
            Self::I64 => {
                bytes.extend(tokens.iter().flat_map(|token| i64::from(*token).to_le_bytes()));
            }
            Self::F32 => {
                bytes.extend(tokens.iter().flat_map(|token| (*token as f32).to_le_bytes()));
            }
            Self::F64 => {
                bytes.extend(tokens.iter().flat_map(|token| f64::from(*token).to_le_bytes()));
            }
        }
        Ok(())
    }

    /// The token of exactly [`Self::bytes`] bytes; fractions are cut off.
    pub(crate) fn decode(self, bytes: &[u8]) -> i64 {
        fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
            bytes.try_into().expect("the caller cuts tokens of the dtype's size")
        }
        match self {
            Self::U8 => i64::from(bytes[0]),
            Self::I8 => i64::from(bytes[0] as i8),
            Self::I16 => i64::from(i16::from_le_bytes(array(bytes))),
            Self::U16 => i64::from(u16::from_le_bytes(array(bytes))),
            Self::I32 => i64::from(i32::from_le_bytes(array(bytes))),
            Self::I64 => i64::from_le_bytes(array(bytes)),
            Self::F32 => f32::from_le_bytes(array(bytes)) as i64,
            Self::F64 => f64::from_le_bytes(array(bytes)) as i64,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::U16 => "u16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_comes_back_from_its_type() {
        for code in 0..=u8::MAX {
            assert_eq!(DType::from_code(code).is_some(), (1..=8).contains(&code), "{code}");
            if let Some(dtype) = DType::from_code(code) {
                assert_eq!(dtype.code(), code);
            }
        }
    }

    #[test]
    fn the_largest_token_comes_back_and_the_next_is_refused() {
        for dtype in DType::ALL {
            let max = dtype.max_token();
            let mut bytes = Vec::new();
            dtype.encode(&[0, 1, max], &mut bytes).unwrap();
            let back: Vec<i64> = bytes.chunks_exact(dtype.bytes()).map(|token| dtype.decode(token)).collect();
            assert_eq!(back, [0, 1, i64::from(max)], "{dtype}");
            if let Some(next) = max.checked_add(1) {
                let error = dtype.encode(&[0, next], &mut bytes).unwrap_err();
                assert!(matches!(error, Error::TokenRange { position: 1, .. }), "{error}");
            }
        }
    }
}
