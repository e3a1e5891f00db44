//! GPTQ: a matrix of small integers packed along its inputs, scaled by groups of inputs.
//!
//! Source: Frantar et al. 2022, arXiv:2210.17323, in the layout of AutoGPTQ 0.7.1. A layer `[out, in]` is stored as
//! - `qweight` i32 `[in * bits / 32, out]`: the integers of successive inputs, the first in the lowest bits;
//! - `qzeros` i32 `[groups, out * bits / 32]`: the zeros of successive outputs, the first in the lowest bits;
//! - `scales` `[groups, out]`, most often f16;
//! - `g_idx` i32 `[in]`: the group of each input. Without it an input's group is its number divided by the group size.
//!
//! A weight is `scale * (q - zero)`: exact in f32 for f16 scales (AutoGPTQ rounds it to f16).

use std::path::Path;

use safetensors::Dtype;

use super::ggml::Kind;
use crate::{Error, Result};

/// Outputs unpacked together: the packed integers of one input lie side by side, those of one output far apart.
const ROWS: usize = 64;

/// Packed integers unpacked together.
const WORDS: usize = 16;

/// The tensors of a layer as they lie in a file, little-endian, and what its configuration says of them.
#[derive(Clone, Debug)]
pub struct Parts<B> {
    /// Bits of an integer: 4 or 8.
    pub bits: u32,
    /// Inputs that share a scale; `None` (-1 in `quantize_config.json`) if all do.
    pub group_size: Option<usize>,
    /// Columns of the matrix.
    pub in_features: usize,
    /// Rows of the matrix.
    pub out_features: usize,
    /// How zeros are stored.
    pub zeros: Zeros,
    /// The integers.
    pub qweight: B,
    /// The zeros.
    pub qzeros: B,
    /// The scales.
    pub scales: B,
    /// The type of the scales: F16, BF16 or F32.
    pub scales_type: Dtype,
    /// The group of each input, if stored; in any order.
    pub g_idx: Option<B>,
}

/// How zeros are stored (`checkpoint_format` in `quantize_config.json`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zeros {
    /// `gptq`, AutoGPTQ's: less one, in `bits` bits. The greatest number stored stands for 0, as AutoGPTQ's layer for
    /// plain groups reads it; its layer for `desc_act` and vLLM read 2^bits there.
    #[default]
    LessOne,
    /// `gptq_v2`: as they are.
    Plain,
}

/// A layer whose rows can be read. `B` holds bytes: a slice, a vector, a part of a mapped file.
#[derive(Clone, Debug)]
pub struct Gptq<B> {
    parts: Parts<B>,
    scales: Kind,
    groups: usize,
    /// The group of each input.
    group_of: Vec<u32>,
    /// Whether the inputs of each packed integer share a group.
    plain: bool,
}

impl<B: AsRef<[u8]>> Gptq<B> {
    /// Checks the tensors of the layer `name` of the file `path`, which errors name.
    ///
    /// # Errors
    /// Other bits than 4 and 8, sizes that do not fill whole integers, a tensor of another length than the sizes ask
    /// for, scales of another type than F16, BF16 and F32, a group in `g_idx` that has no scale.
    pub fn new(parts: Parts<B>, path: &Path, name: &str) -> Result<Self> {
        let wrong = |tensor: &str, problem: String| Err(Error::tensor(path, format!("{name}.{tensor}"), problem));
        if !matches!(parts.bits, 4 | 8) {
            return wrong("qweight", format!("has {} bits a weight; 4 and 8 can be read", parts.bits));
        }
        let packed = 32 / parts.bits as usize;
        let (inputs, outputs) = (parts.in_features, parts.out_features);
        if inputs == 0 || outputs == 0 || !inputs.is_multiple_of(packed) || !outputs.is_multiple_of(packed) {
            return wrong("qweight", format!("cannot be [{outputs}, {inputs}]: {packed} weights share an integer"));
        }
        let group_size = parts.group_size.unwrap_or(inputs);
        if group_size == 0 {
            return wrong("scales", "cannot have groups of 0 inputs".into());
        }
        let groups = inputs.div_ceil(group_size);
        let (scales, scale_bytes) = match parts.scales_type {
            Dtype::F16 => (Kind::F16, 2),
            Dtype::BF16 => (Kind::BF16, 2),
            Dtype::F32 => (Kind::F32, 4),
            other => return wrong("scales", format!("is of type {other:?}; F16, BF16 and F32 can be read")),
        };
        let lengths = [
            ("qweight", parts.qweight.as_ref().len(), [inputs / packed, outputs], 4),
            ("qzeros", parts.qzeros.as_ref().len(), [groups, outputs / packed], 4),
            ("scales", parts.scales.as_ref().len(), [groups, outputs], scale_bytes),
            ("g_idx", parts.g_idx.as_ref().map_or(inputs * 4, |bytes| bytes.as_ref().len()), [1, inputs], 4),
        ];
        for (tensor, found, [rows, columns], bytes) in lengths {
            if rows.checked_mul(columns).and_then(|count| count.checked_mul(bytes)) != Some(found) {
                let group =
                    if parts.group_size.is_some() { format!(", groups of {group_size}") } else { String::new() };
                return wrong(
                    tensor,
                    format!(
                        "has {found} bytes; a layer [{outputs}, {inputs}] of {} bits{group} has [{rows}, {columns}] of \
                         {bytes} bytes",
                        parts.bits
                    ),
                );
            }
        }
        let group_of: Vec<u32> = match &parts.g_idx {
            Some(bytes) => integers(bytes.as_ref()).collect(),
            // No more groups than inputs, and those number no more than the bytes of a tensor.
            None => (0..inputs).map(|input| (input / group_size) as u32).collect(),
        };
        if let Some(input) = group_of.iter().position(|&group| group as usize >= groups) {
            let group = group_of[input] as i32;
            return wrong("g_idx", format!("puts input {input} into group {group} of {groups}"));
        }
        let plain = group_of.chunks_exact(packed).all(|of_one| of_one.iter().all(|&group| group == of_one[0]));
        Ok(Self { parts, scales, groups, group_of, plain })
    }

    /// Columns of the matrix.
    pub fn in_features(&self) -> usize {
        self.parts.in_features
    }

    /// Rows of the matrix.
    pub fn out_features(&self) -> usize {
        self.parts.out_features
    }

    /// Gives rows of the matrix from `first_row` on to `out`, `[rows, in_features]`. Rows are unpacked fastest in runs
    /// of 64, from a multiple of 64 on: fewer touch as many cache lines.
    ///
    /// # Panics
    /// If `out` is not whole rows, or the matrix does not have them.
    pub fn read_rows(&self, first_row: usize, out: &mut [f32]) {
        let (inputs, outputs) = (self.parts.in_features, self.parts.out_features);
        let rows = out.len() / inputs;
        assert!(
            out.len().is_multiple_of(inputs) && first_row <= outputs && rows <= outputs - first_row,
            "{} weights from row {first_row} on of [{outputs}, {inputs}]",
            out.len()
        );
        let mut scales = Vec::with_capacity(ROWS * self.groups);
        for (nth, out) in out.chunks_mut(ROWS * inputs).enumerate() {
            let first = first_row + nth * ROWS;
            self.read_scales(first, out.len() / inputs, &mut scales);
            match (self.parts.bits, self.plain) {
                (4, true) => self.unpack::<4, 8, true>(first, &scales, out),
                (4, false) => self.unpack::<4, 8, false>(first, &scales, out),
                (_, true) => self.unpack::<8, 4, true>(first, &scales, out),
                (_, false) => self.unpack::<8, 4, false>(first, &scales, out),
            }
        }
    }

    /// Scale and zero of each group of each row, `[rows, groups]`.
    fn read_scales(&self, first: usize, rows: usize, scales: &mut Vec<(f32, i32)>) {
        let (bits, outputs) = (self.parts.bits as usize, self.parts.out_features);
        let bytes = self.scales.block_bytes();
        let zeros = self.parts.qzeros.as_ref();
        let (greatest, one) = ((1_u32 << bits) - 1, u32::from(self.parts.zeros == Zeros::LessOne));
        scales.clear();
        scales.resize(rows * self.groups, (0.0, 0));
        let mut of_group = [0.0; ROWS];
        for group in 0..self.groups {
            let at = (group * outputs + first) * bytes;
            self.scales.dequantise(&self.parts.scales.as_ref()[at..at + rows * bytes], &mut of_group[..rows]);
            for (row, scale) in of_group[..rows].iter().enumerate() {
                let bit = (first + row) * bits;
                let at = (group * (outputs * bits / 32) + bit / 32) * 4;
                let word = u32::from_le_bytes(*zeros[at..].first_chunk().expect("qzeros has a zero for every output"));
                let zero = ((word >> (bit % 32) & greatest) + one) & greatest;
                scales[row * self.groups + group] = (*scale, zero as i32);
            }
        }
    }

    /// [`unpack`], compiled for the widest vectors of this processor. All of them compute the same bits.
    fn unpack<const BITS: u32, const PACKED: usize, const PLAIN: bool>(
        &self,
        first: usize,
        scales: &[(f32, i32)],
        out: &mut [f32],
    ) {
        let packed = self.parts.qweight.as_ref();
        let outputs = self.parts.out_features;
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe {
                unpack_avx2::<BITS, PACKED, PLAIN>(packed, outputs, first, &self.group_of, self.groups, scales, out)
            };
        }
        unpack::<BITS, PACKED, PLAIN>(packed, outputs, first, &self.group_of, self.groups, scales, out);
    }
}

/// [`unpack`] in vectors of 32 bytes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn unpack_avx2<const BITS: u32, const PACKED: usize, const PLAIN: bool>(
    packed: &[u8],
    outputs: usize,
    first: usize,
    group_of: &[u32],
    groups: usize,
    scales: &[(f32, i32)],
    out: &mut [f32],
) {
    unpack::<BITS, PACKED, PLAIN>(packed, outputs, first, group_of, groups, scales, out);
}

/// Unpacks at most [`ROWS`] rows from `first` on. `PLAIN`: the inputs of a packed integer share a group.
#[inline(always)]
fn unpack<const BITS: u32, const PACKED: usize, const PLAIN: bool>(
    packed: &[u8],
    outputs: usize,
    first: usize,
    group_of: &[u32],
    groups: usize,
    scales: &[(f32, i32)],
    out: &mut [f32],
) {
    let inputs = group_of.len();
    let rows = out.len() / inputs;
    let greatest = (1_u32 << BITS) - 1;
    let mut words = [[0_u32; WORDS]; ROWS];
    for (nth, groups_of) in group_of.chunks(WORDS * PACKED).enumerate() {
        let (groups_of, _) = groups_of.as_chunks::<PACKED>();
        for column in 0..groups_of.len() {
            let at = ((nth * WORDS + column) * outputs + first) * 4;
            for (words, word) in words.iter_mut().zip(integers(&packed[at..at + rows * 4])) {
                words[column] = word;
            }
        }
        for (row, words) in words[..rows].iter().enumerate() {
            let scales = &scales[row * groups..][..groups];
            let from = row * inputs + nth * WORDS * PACKED;
            let (out, _) = out[from..from + groups_of.len() * PACKED].as_chunks_mut::<PACKED>();
            for ((out, word), groups) in out.iter_mut().zip(words).zip(groups_of) {
                let shared = scales[groups[0] as usize];
                for (nth, out) in out.iter_mut().enumerate() {
                    let (scale, zero) = if PLAIN { shared } else { scales[groups[nth] as usize] };
                    *out = scale * ((word >> (nth as u32 * BITS) & greatest) as i32 - zero) as f32;
                }
            }
        }
    }
}

/// The 32-bit integers of `bytes`.
#[inline(always)]
fn integers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts<Vec<u8>> {
        // Two outputs cannot share an integer of four: the smallest layer of 8 bits is [4, 4].
        Parts {
            bits: 8,
            group_size: Some(2),
            in_features: 4,
            out_features: 4,
            zeros: Zeros::LessOne,
            qweight: (0..16).collect(),
            qzeros: [[9, 9, 9, 255]; 2].concat(),
            scales: [1.0_f32, 1.0, 1.0, 2.0, 0.5, 0.5, 0.5, 0.5].iter().flat_map(|scale| scale.to_le_bytes()).collect(),
            scales_type: Dtype::F32,
            g_idx: None,
        }
    }

    fn problem(change: impl FnOnce(&mut Parts<Vec<u8>>)) -> String {
        let mut parts = parts();
        change(&mut parts);
        Gptq::new(parts, Path::new("model.safetensors"), "w1").unwrap_err().to_string()
    }

    #[test]
    fn a_layer_by_hand() {
        let layer = Gptq::new(parts(), Path::new("model.safetensors"), "w1").unwrap();
        let mut out = [0.0; 12];
        layer.read_rows(1, &mut out);
        // Row 1: 4, 5, 6, 7 less 10; the zero of row 3 is 0.
        assert_eq!(out, [-6.0, -5.0, -2.0, -1.5, -2.0, -1.0, 0.0, 0.5, 24.0, 26.0, 7.0, 7.5]);
        let plain = Gptq::new(Parts { zeros: Zeros::Plain, ..parts() }, Path::new("model.safetensors"), "w1").unwrap();
        plain.read_rows(1, &mut out[..4]);
        assert_eq!(out[..4], [-5.0, -4.0, -1.5, -1.0]);
    }

    #[test]
    fn errors_name_the_tensor() {
        assert_eq!(
            problem(|parts| parts.bits = 3),
            "`model.safetensors`: tensor `w1.qweight` has 3 bits a weight; 4 and 8 can be read"
        );
        assert_eq!(
            problem(|parts| parts.scales.truncate(31)),
            "`model.safetensors`: tensor `w1.scales` has 31 bytes; a layer [4, 4] of 8 bits, groups of 2 has [2, 4] of \
             4 bytes"
        );
        assert_eq!(
            problem(|parts| parts.g_idx = Some([0_i32, 0, -1, 1].iter().flat_map(|g| g.to_le_bytes()).collect())),
            "`model.safetensors`: tensor `w1.g_idx` puts input 2 into group -1 of 2"
        );
        assert_eq!(
            problem(|parts| parts.out_features = 6),
            "`model.safetensors`: tensor `w1.qweight` cannot be [6, 4]: 4 weights share an integer"
        );
        assert_eq!(
            problem(|parts| parts.scales_type = Dtype::I8),
            "`model.safetensors`: tensor `w1.scales` is of type I8; F16, BF16 and F32 can be read"
        );
    }
}
