//! The number types a dataset can hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The number type of the tokens of a dataset, as one code in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
        // Without a branch in it, eight at a time; the culprit is looked for only if there is one.
        if tokens.iter().fold(0, |largest, token| largest.max(*token)) > max {
            let position = tokens.iter().position(|token| *token > max).expect("the largest is above the limit");
            return Err(Error::TokenRange { token: tokens[position], position, dtype: self });
        }
        let start = bytes.len();
        bytes.resize(start + tokens.len() * self.bytes(), 0);
        let room = &mut bytes[start..];
        match self {
            Self::U8 | Self::I8 => fill(room, tokens, |token| [token as u8]),
            Self::I16 | Self::U16 => fill(room, tokens, |token| (token as u16).to_le_bytes()),
            Self::I32 => fill(room, tokens, u32::to_le_bytes),
            Self::I64 => fill(room, tokens, |token| i64::from(token).to_le_bytes()),
            Self::F32 => fill(room, tokens, |token| (token as f32).to_le_bytes()),
            Self::F64 => fill(room, tokens, |token| f64::from(token).to_le_bytes()),
        }
        Ok(())
    }

    /// Hands each token of `bytes`, whose length is a multiple of [`Self::bytes`], to `take`; fractions are cut off.
    #[inline]
    pub(crate) fn for_each(self, bytes: &[u8], mut take: impl FnMut(i64)) {
        match self {
            Self::U8 => bytes.iter().for_each(|byte| take(i64::from(*byte))),
            Self::I8 => bytes.iter().for_each(|byte| take(i64::from(*byte as i8))),
            Self::I16 => numbers(bytes).for_each(|token| take(i64::from(i16::from_le_bytes(token)))),
            Self::U16 => numbers(bytes).for_each(|token| take(i64::from(u16::from_le_bytes(token)))),
            Self::I32 => numbers(bytes).for_each(|token| take(i64::from(i32::from_le_bytes(token)))),
            Self::I64 => numbers(bytes).for_each(|token| take(i64::from_le_bytes(token))),
            Self::F32 => numbers(bytes).for_each(|token| take(f32::from_le_bytes(token) as i64)),
            Self::F64 => numbers(bytes).for_each(|token| take(f64::from_le_bytes(token) as i64)),
        }
    }

    /// Appends tokens of this type to `bytes` in another one.
    ///
    /// # Errors
    /// [`Error::TokenRange`] for the first token that the other type cannot hold; negative ones are no tokens.
    pub fn convert(self, tokens: &[u8], to: Self, bytes: &mut Vec<u8>) -> Result<()> {
        if self == to {
            bytes.extend_from_slice(tokens);
            return Ok(());
        }
        let mut ids = Vec::with_capacity(tokens.len() / self.bytes());
        let mut wrong = None;
        self.for_each(tokens, |token| match u32::try_from(token) {
            Ok(id) => ids.push(id),
            Err(_) => {
                wrong.get_or_insert((token, ids.len()));
                ids.push(0);
            }
        });
        if let Some((token, position)) = wrong {
            return Err(Error::NoToken { token, position });
        }
        to.encode(&ids, bytes)
    }

    /// The type of a name, as [`Self`] is displayed or as NumPy calls it (`int32`). Ids of `u32` are those of [`Self::I32`].
    pub fn from_name(name: &str) -> Option<Self> {
        if matches!(name, "u32" | "uint32") {
            return Some(Self::I32);
        }
        let names = ["uint8", "int8", "int16", "int32", "int64", "float64", "float32", "uint16"];
        Self::ALL
            .into_iter()
            .zip(names)
            .find(|(dtype, numpy)| name == *numpy || name == dtype.to_string())
            .map(|(d, _)| d)
    }

    /// Whether all tokens of `other` fit.
    pub fn holds(self, other: Self) -> bool {
        self == other || self.max_token() >= other.max_token()
    }
}

fn fill<const N: usize>(room: &mut [u8], tokens: &[u32], bytes: impl Fn(u32) -> [u8; N]) {
    let (slots, _) = room.as_chunks_mut();
    slots.iter_mut().zip(tokens).for_each(|(slot, token)| *slot = bytes(*token));
}

fn numbers<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
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
    fn a_name_comes_back_from_its_type() {
        for dtype in DType::ALL {
            assert_eq!(DType::from_name(&dtype.to_string()), Some(dtype));
        }
        assert_eq!((DType::from_name("uint16"), DType::from_name("bf16")), (Some(DType::U16), None));
    }

    #[test]
    fn tokens_are_the_same_in_another_type_or_are_refused() {
        for from in DType::ALL {
            let mut bytes = Vec::new();
            let largest = from.max_token();
            from.encode(&[0, 7, largest], &mut bytes).unwrap();
            for to in DType::ALL {
                let mut converted = Vec::new();
                let result = from.convert(&bytes, to, &mut converted);
                assert_eq!(result.is_ok(), to.holds(from), "{from} to {to}");
                if result.is_ok() {
                    let mut back = Vec::new();
                    to.for_each(&converted, |token| back.push(token));
                    assert_eq!(back, [0, 7, i64::from(largest)], "{from} to {to}");
                }
            }
        }
        let error = DType::I32.convert(&(-1_i32).to_le_bytes(), DType::I64, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, Error::NoToken { token: -1, position: 0 }), "{error}");
    }

    #[test]
    fn the_largest_token_comes_back_and_the_next_is_refused() {
        for dtype in DType::ALL {
            let max = dtype.max_token();
            let mut bytes = Vec::new();
            dtype.encode(&[0, 1, max], &mut bytes).unwrap();
            let mut back = Vec::new();
            dtype.for_each(&bytes, |token| back.push(token));
            assert_eq!(back, [0, 1, i64::from(max)], "{dtype}");
            if let Some(next) = max.checked_add(1) {
                let error = dtype.encode(&[0, next], &mut bytes).unwrap_err();
                assert!(matches!(error, Error::TokenRange { position: 1, .. }), "{error}");
            }
        }
    }
}
