//! `exp` of many numbers at once, rounded to `f32` exactly as the C library's `exp` in double precision would be.
//!
//! A polynomial in double precision is off by less than one part in 10¹⁴; rounding to `f32` hides that unless the value lies so near
//! the middle between two of them that the error could matter. There, about three times in ten million, the library is asked.

use super::kernels::for_each_level;

/// More than the greatest relative error of the polynomial and of the library together.
const ERROR: f64 = 1e-14;

/// Below this the result is no normal `f32`.
const LEAST: f32 = -87.0;

/// 1.5 · 2⁵²: added to a small number and taken away again it rounds to an integer, which lies in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// 1/k!, k = 13 … 2.
const COEFFICIENTS: [f64; 12] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];

/// ln 2 in two parts; the first has zeros at the end, so that its products with small integers are exact.
const LN_2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fefa_0000);
const LN_2_LOW: f64 = f64::from_bits(0x3d7c_f79a_bc9e_3b39);

for_each_level! {
    /// Replaces each value by `exp(f64(value))` rounded to `f32`. Values are at most 88.
    pub(super) fn exponentials(values: &mut [f32]) {
        for chunk in values.chunks_mut(16) {
            let mut low = [0.0_f32; 16];
            let mut high = [0.0_f32; 16];
            let mut inside = [0.0_f32; 16];
            inside[..chunk.len()].copy_from_slice(chunk);
            let mut library = false;
            for lane in 0..16 {
                let value = f64::from(inside[lane].max(LEAST));
                let shifted = value * std::f64::consts::LOG2_E + ROUNDER;
                let whole = shifted - ROUNDER;
                let rest = (value - whole * LN_2_HIGH) - whole * LN_2_LOW;
                let mut series = COEFFICIENTS[0];
                for coefficient in &COEFFICIENTS[1..] {
                    series = series * rest + coefficient;
                }
                let mantissa = series * (rest * rest) + rest + 1.0;
                let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52));
                let result = mantissa * power;
                low[lane] = (result * (1.0 - ERROR)) as f32;
                high[lane] = (result * (1.0 + ERROR)) as f32;
            }
            for (lane, value) in inside.iter().enumerate() {
                library |= low[lane].to_bits() != high[lane].to_bits() || value.is_nan() || *value < LEAST;
            }
            if library {
                for value in chunk {
                    *value = f64::from(*value).exp() as f32;
                }
            } else {
                let length = chunk.len();
                chunk.copy_from_slice(&low[..length]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::kernels::Level;

    #[test]
    fn every_result_is_the_librarys() {
        let mut values: Vec<f32> = (0..400_000).map(|index| -(index as f32) * 0.000_27).collect();
        values.extend([
            0.0,
            -0.0,
            -87.0,
            -87.1,
            -88.0,
            -100.0,
            -104.0,
            -200.0,
            f32::NEG_INFINITY,
            f32::MIN_POSITIVE,
            -1e-40,
            3.5,
            80.0,
        ]);
        let expected: Vec<u32> = values.iter().map(|&value| (f64::from(value).exp() as f32).to_bits()).collect();
        for level in Level::all() {
            let mut results = values.clone();
            exponentials(level, &mut results);
            for ((result, expected), value) in results.iter().zip(&expected).zip(&values) {
                assert_eq!(result.to_bits(), *expected, "exp({value}) on {level:?}");
            }
        }
    }
}
