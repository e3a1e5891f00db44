//! Blocks of ggml, as GGUF files hold them: a few dozen weights share a scale.
//!
//! Source: `ggml-common.h` and the `dequantize_row_*` functions of ggml; the same bits as `gguf.quants.dequantize` of
//! gguf 0.19.0 (PyPI). Integers and f16 scales are little-endian. In the formats of 32 weights and in `IQ4` a byte holds
//! two weights half a run apart, not neighbours: weight `j` in its low half, weight `j + 16` in its high half.

mod floats;
mod small;
mod supers;
mod table;

/// Gives every block to a function, compiled for the widest vectors of this processor: all of them compute the same bits.
/// A macro, because a function handed over as a value would be called, not made part of the loop.
macro_rules! each {
    ($block:path, $bytes:expr, $out:expr) => {{
        #[inline(always)]
        fn portable(bytes: &[u8], out: &mut [f32]) {
            for (bytes, out) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
                $block(bytes, out);
            }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn avx2(bytes: &[u8], out: &mut [f32]) {
            portable(bytes, out);
        }
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { avx2($bytes, $out) };
        }
        portable($bytes, $out)
    }};
}

/// A format of weights in ggml, by its number in GGUF files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(non_camel_case_types, reason = "ggml's own names")]
pub enum Kind {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    BF16,
    /// 4 bits: `d (q - 8)`.
    Q4_0,
    /// 4 bits: `d q + m`.
    Q4_1,
    /// 5 bits: `d (q - 16)`.
    Q5_0,
    /// 5 bits: `d q + m`.
    Q5_1,
    /// 8 bits: `d q`, signed.
    Q8_0,
    /// 2 bits, 16 weights of a block of 256 share a scale and a least value of 4 bits each.
    Q2_K,
    /// 3 bits, signed; 16 weights share a scale of 6 bits.
    Q3_K,
    /// 4 bits; 32 weights share a scale and a least value of 6 bits each.
    Q4_K,
    /// 5 bits; 32 weights share a scale and a least value of 6 bits each.
    Q5_K,
    /// 6 bits, signed; 16 weights share a scale of 8 bits.
    Q6_K,
    /// 4 bits that choose among 16 unevenly spaced values.
    IQ4_NL,
    /// The same in blocks of 256; 32 weights share a scale of 6 bits.
    IQ4_XS,
    /// Microscaling: 4-bit floats (E2M1) that share a power of two.
    MXFP4,
}

impl Kind {
    /// Every format that can be read.
    pub const ALL: [Self; 16] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ4_NL,
        Self::IQ4_XS,
        Self::MXFP4,
    ];

    /// The format of a number in a GGUF file's list of tensors (`ggml_type`); `None` for those that cannot be read.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.facts().0 == number)
    }

    /// ggml's name.
    pub fn name(self) -> &'static str {
        self.facts().1
    }

    /// Weights in a block.
    pub fn block_len(self) -> usize {
        self.facts().2
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.facts().3
    }

    /// Number, name, weights in a block, bytes of a block.
    const fn facts(self) -> (u32, &'static str, usize, usize) {
        match self {
            Self::F32 => (0, "F32", 1, 4),
            Self::F16 => (1, "F16", 1, 2),
            Self::BF16 => (30, "BF16", 1, 2),
            Self::Q4_0 => (2, "Q4_0", 32, 18),
            Self::Q4_1 => (3, "Q4_1", 32, 20),
            Self::Q5_0 => (6, "Q5_0", 32, 22),
            Self::Q5_1 => (7, "Q5_1", 32, 24),
            Self::Q8_0 => (8, "Q8_0", 32, 34),
            Self::Q2_K => (10, "Q2_K", 256, 84),
            Self::Q3_K => (11, "Q3_K", 256, 110),
            Self::Q4_K => (12, "Q4_K", 256, 144),
            Self::Q5_K => (13, "Q5_K", 256, 176),
            Self::Q6_K => (14, "Q6_K", 256, 210),
            Self::IQ4_NL => (20, "IQ4_NL", 32, 18),
            Self::IQ4_XS => (23, "IQ4_XS", 256, 136),
            Self::MXFP4 => (39, "MXFP4", 32, 17),
        }
    }

    /// Gives the weights of `bytes`, whole blocks one after the other, to `out`.
    ///
    /// # Panics
    /// If `bytes` is not whole blocks, or `out` does not have as many weights as they hold.
    pub fn dequantise(self, bytes: &[u8], out: &mut [f32]) {
        let (_, name, block_len, block_bytes) = self.facts();
        assert!(
            bytes.len().is_multiple_of(block_bytes) && bytes.len() / block_bytes * block_len == out.len(),
            "{} bytes of {name} do not hold {} weights",
            bytes.len(),
            out.len()
        );
        match self {
            Self::F32 => each!(floats::f32, bytes, out),
            Self::F16 => each!(floats::f16, bytes, out),
            Self::BF16 => each!(floats::bf16, bytes, out),
            Self::Q4_0 => each!(small::q4_0, bytes, out),
            Self::Q4_1 => each!(small::q4_1, bytes, out),
            Self::Q5_0 => each!(small::q5_0, bytes, out),
            Self::Q5_1 => each!(small::q5_1, bytes, out),
            Self::Q8_0 => each!(small::q8_0, bytes, out),
            Self::Q2_K => each!(supers::q2_k, bytes, out),
            Self::Q3_K => each!(supers::q3_k, bytes, out),
            Self::Q4_K => each!(supers::q4_k, bytes, out),
            Self::Q5_K => each!(supers::q5_k, bytes, out),
            Self::Q6_K => each!(supers::q6_k, bytes, out),
            Self::IQ4_NL => each!(table::iq4_nl, bytes, out),
            Self::IQ4_XS => each!(table::iq4_xs, bytes, out),
            Self::MXFP4 => each!(table::mxfp4, bytes, out),
        }
    }
}

/// `LEN` bytes of a block from `at` on.
#[inline(always)]
fn part<const LEN: usize>(block: &[u8], at: usize) -> &[u8; LEN] {
    block[at..].first_chunk().expect("the parts of a block lie within it")
}

/// `LEN` weights of a block from `at` on.
#[inline(always)]
fn run<const LEN: usize>(out: &mut [f32], at: usize) -> &mut [f32; LEN] {
    out[at..].first_chunk_mut().expect("the runs of a block lie within it")
}

/// The f16 at `at`.
#[inline(always)]
fn scale(block: &[u8], at: usize) -> f32 {
    floats::half(u16::from_le_bytes(*part(block, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes() {
        assert_eq!(Kind::from_number(12), Some(Kind::Q4_K));
        assert_eq!(Kind::from_number(4), None);
        assert_eq!((Kind::Q4_K.name(), Kind::Q4_K.block_len(), Kind::Q4_K.block_bytes()), ("Q4_K", 256, 144));
    }

    #[test]
    #[should_panic(expected = "17 bytes of Q4_0 do not hold 32 weights")]
    fn half_a_block() {
        Kind::Q4_0.dequantise(&[0; 17], &mut [0.0; 32]);
    }

    #[test]
    fn the_portable_path_gives_the_same_bits() {
        let bytes: Vec<u8> = (0..210 * 8_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let (mut ours, mut portable) = (vec![0.0; 256 * 8], vec![0.0; 256 * 8]);
        Kind::Q6_K.dequantise(&bytes, &mut ours);
        for (bytes, out) in bytes.as_chunks().0.iter().zip(portable.as_chunks_mut().0) {
            supers::q6_k(bytes, out);
        }
        assert!(ours.iter().zip(&portable).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}
