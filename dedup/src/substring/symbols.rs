//! What a text is a sequence of: bytes, characters or token ids.

use std::borrow::Cow;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Document, Error, Result};

/// What lengths are counted in, and what repetitions are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubstringUnit {
    /// Bytes of UTF-8. Cuts fall between characters all the same.
    #[default]
    Bytes,
    /// Characters (Unicode scalar values).
    Characters,
    /// Ids of the column `tokens`; it is what is cut then, and the text stays as it is.
    Tokens,
}

/// The column with the tokens.
pub(super) const TOKENS: &str = "tokens";

/// One unit of a sequence.
pub(super) trait Symbol: Copy + PartialEq + Send + 'static {
    /// Bytes of one unit in a file.
    const WIDTH: usize;

    /// The unit at this place of a sequence that was stored by [`Symbol::store`].
    fn stored(bytes: &[u8], at: usize) -> Self;

    /// Appends the units to `bytes`.
    fn store(units: &[Self], bytes: &mut Vec<u8>);

    /// The unit as a number that looks random.
    fn spread(self) -> u64;
}

impl Symbol for u8 {
    const WIDTH: usize = 1;

    #[inline(always)]
    fn stored(bytes: &[u8], at: usize) -> Self {
        bytes[at]
    }

    fn store(units: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(units);
    }

    #[inline(always)]
    fn spread(self) -> u64 {
        SPREAD_BYTES[usize::from(self)]
    }
}

impl Symbol for u32 {
    const WIDTH: usize = 4;

    #[inline(always)]
    fn stored(bytes: &[u8], at: usize) -> Self {
        u32::from_le_bytes(bytes[4 * at..4 * at + 4].try_into().expect("four bytes"))
    }

    fn store(units: &[Self], bytes: &mut Vec<u8>) {
        units.iter().for_each(|unit| bytes.extend_from_slice(&unit.to_le_bytes()));
    }

    #[inline(always)]
    fn spread(self) -> u64 {
        mixed(self as u64)
    }
}

const SPREAD_BYTES: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = mixed(byte as u64);
        byte += 1;
    }
    table
};

/// A bijection of which every bit depends on all bits (SplitMix64).
#[inline(always)]
pub(super) const fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A document as a sequence.
pub(super) enum Sequence<'a> {
    Bytes(&'a [u8]),
    Wide(Cow<'a, [u32]>),
}

impl<'a> Sequence<'a> {
    /// # Errors
    /// If tokens are asked for and there is no such column.
    pub(super) fn of(document: &Document<'a>, batch: &'a Batch, unit: SubstringUnit) -> Result<Self> {
        Ok(match unit {
            SubstringUnit::Bytes => Self::Bytes(document.text().as_bytes()),
            SubstringUnit::Characters => Self::Wide(document.text().chars().map(u32::from).collect()),
            SubstringUnit::Tokens => Self::Wide(Cow::Borrowed(tokens(batch, document.row())?)),
        })
    }
}

/// The tokens of a row.
pub(super) fn tokens(batch: &Batch, row: usize) -> Result<&[u32]> {
    let missing = || Error::Stage {
        stage: super::STAGE.into(),
        problem: format!("there is no column `{TOKENS}` of lists of u32"),
        hint: Some("put a step `tokenize` before it, or set `unit` to `bytes` or `characters`".into()),
    };
    let lists = batch.column(TOKENS).and_then(|column| column.as_list_opt::<i64>()).ok_or_else(missing)?;
    let values = lists.values().as_primitive_opt::<UInt32Type>().ok_or_else(missing)?;
    if values.null_count() > 0 {
        return Err(missing());
    }
    let offsets = lists.value_offsets();
    Ok(&values.values()[offsets[row] as usize..offsets[row + 1] as usize])
}
