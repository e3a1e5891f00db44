//! Random weights that lie nowhere.

use half::{bf16, f16};

use super::tensor::Tensor;
use crate::DType;

/// The deviation that all these models are initialised with.
const DEVIATION: f32 = 0.02;

/// Numbers of a tensor.
#[derive(Debug)]
pub(super) enum Random {
    /// All the same, a number that any type holds.
    Constant(f32, DType),
    /// Drawn by a hash of this and the number's place.
    Normal { key: u64, dtype: DType },
}

/// The tensor of a name: norms are 1, biases 0.
pub(super) fn tensor(name: &str, shape: Vec<usize>, seed: u64, dtype: DType) -> Tensor {
    let random = if name.ends_with("norm.weight") || name.ends_with("qk_weight") {
        Random::Constant(1.0, dtype)
    } else if name.ends_with("bias") {
        Random::Constant(0.0, dtype)
    } else {
        // FNV-1a, mixed with the seed.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let name = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
        Random::Normal { key: mix(name ^ mix(seed)), dtype }
    };
    Tensor::random(shape, random)
}

/// SplitMix64 (Steele et al. 2014).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Random {
    /// The type that holds the numbers as they are.
    pub(super) fn dtype(&self) -> DType {
        match self {
            Self::Constant(_, dtype) | Self::Normal { dtype, .. } => *dtype,
        }
    }

    /// Gives the numbers from `place` on.
    pub(super) fn read(&self, place: usize, out: &mut [f32]) {
        match *self {
            Self::Constant(number, _) => out.fill(number),
            Self::Normal { key, dtype } => {
                for (place, out) in (place as u64..).zip(out) {
                    let number = normal(mix(key.wrapping_add(place)));
                    *out = match dtype {
                        DType::F32 => number,
                        DType::F16 => f16::from_f32(number).to_f32(),
                        DType::BF16 => bf16::from_f32(number).to_f32(),
                    };
                }
            }
        }
    }
}

/// The sum of four uniform numbers of 16 bits, of mean 0 and the deviation above: normal enough, and fast.
fn normal(bits: u64) -> f32 {
    let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
    // Each has a variance of 1/12.
    (sum as f32 / 65536.0 - 2.0) * (DEVIATION * 1.732_050_8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_seed_name_and_place_alone() {
        let whole = tensor("a.weight", vec![64, 512], 1, DType::F32);
        let numbers = whole.to_vec();
        let mut rows = vec![0.0; 3 * 512];
        whole.read_rows(7, &mut rows);
        assert_eq!(rows, numbers[7 * 512..10 * 512]);
        assert_eq!(whole.slice_rows(7..10).to_vec(), rows);
        assert_ne!(tensor("b.weight", vec![64, 512], 1, DType::F32).to_vec(), numbers);
        assert_ne!(tensor("a.weight", vec![64, 512], 2, DType::F32).to_vec(), numbers);
        let mean = numbers.iter().sum::<f32>() / numbers.len() as f32;
        let deviation = (numbers.iter().map(|it| (it - mean).powi(2)).sum::<f32>() / numbers.len() as f32).sqrt();
        assert!(mean.abs() < 5e-4 && (deviation / DEVIATION - 1.0).abs() < 0.02, "{mean} {deviation}");
        assert_eq!(tensor("model.norm.weight", vec![4], 1, DType::BF16).to_vec(), [1.0; 4]);
        assert_eq!(tensor("q_proj.bias", vec![2], 1, DType::BF16).to_vec(), [0.0; 2]);
        let rounded = tensor("a.weight", vec![64, 512], 1, DType::BF16).to_vec();
        assert!(rounded.iter().zip(&numbers).all(|(a, b)| *a == bf16::from_f32(*b).to_f32()));
    }
}
