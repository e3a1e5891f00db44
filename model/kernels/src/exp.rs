//! eˣ and SiLU, the same bits on every CPU.
//!
//! Libraries of mathematics differ in the last bit between systems; here every operation is one that IEEE 754 rounds exactly, in
//! a fixed order, without a branch or a table, so that LLVM turns loops over [`exp`] into vectors of any width.

use crate::isa::multiversion;

/// eˣ, at most 1 ulp from the exact value; subnormal results and the ends are right too (`inf` from 88.73, 0 below −103.98, NaN
/// stays NaN).
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2, eʳ = 1 + r + r²·q(r) with q of degree 4 (minimax, 3·10⁻⁹), scaled by 2ⁿ in two halves.
/// Call it in a loop of a function compiled for the CPU's instructions: elsewhere on x86-64, `mul_add` is a call.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_145_75;
    const LN_2_LOW: f32 = 1.428_606_8e-6;
    let c = if x > 89.0 { 89.0 } else { x };
    let c = if c < -104.0 { -104.0 } else { c };
    let shifted = c.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2_HIGH, c);
    let r = n.mul_add(-LN_2_LOW, r);
    let q = 1.381_460_7e-3_f32.mul_add(r, 8.368_719e-3);
    let q = q.mul_add(r, 4.166_839e-2);
    let q = q.mul_add(r, 1.666_652_1e-1);
    let q = q.mul_add(r, 4.999_999_4e-1);
    let p = q.mul_add(r * r, r) + 1.0;
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    let y = p * power(half) * power(n.wrapping_sub(half));
    if x.is_nan() { f32::NAN } else { y }
}

/// x / (1 + e⁻ˣ), at most 2 ulp from the exact value for x ≥ −88, within 4·10⁻³⁷ below; −∞ gives NaN, as in PyTorch.
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

multiversion! {
    /// Replaces each x by eˣ.
    pub fn exp_in_place(xs: &mut [f32]) {
        for x in xs {
            *x = exp(*x);
        }
    }

    /// Replaces each x by silu(x).
    pub fn silu_in_place(xs: &mut [f32]) {
        for x in xs {
            *x = silu(*x);
        }
    }

    /// Replaces each x by silu(x)·y, y its neighbour in `ys`.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn silu_times(xs: &mut [f32], ys: &[f32]) {
        assert_eq!(xs.len(), ys.len(), "silu_times: as many factors as values");
        for (x, y) in xs.iter_mut().zip(ys) {
            *x = silu(*x) * y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Isa, force};

    /// Every 997th float, and the neighbourhoods of the ends.
    fn floats() -> Vec<f32> {
        let mut all: Vec<f32> = (0..=u32::MAX).step_by(997).map(f32::from_bits).collect();
        for end in [0.0_f32, 1.0, 88.722_84, -87.336_55, -103.972_08, -104.0, 89.0] {
            all.extend((0..2000_u32).map(|i| f32::from_bits(end.to_bits().wrapping_add(i).wrapping_sub(1000))));
        }
        all
    }

    fn ulps(got: f32, exact: f64) -> f64 {
        let near = exact as f32;
        if near.is_infinite() || got.is_infinite() {
            return if near == got { 0.0 } else { f64::INFINITY };
        }
        let up = f32::from_bits(near.abs().to_bits() + 1) as f64 - near.abs() as f64;
        (got as f64 - exact).abs() / up
    }

    #[test]
    fn exp_is_within_an_ulp_and_silu_within_two() {
        let (mut worst_exp, mut worst_silu) = (0.0_f64, 0.0_f64);
        for x in floats() {
            if x.is_nan() {
                assert!(exp(x).is_nan() && silu(x).is_nan());
                continue;
            }
            let wide = x as f64;
            worst_exp = worst_exp.max(ulps(exp(x), wide.exp()));
            let exact = wide / (1.0 + (-wide).exp());
            if x >= -88.0 {
                worst_silu = worst_silu.max(ulps(silu(x), exact));
            } else if x.is_finite() {
                assert!((silu(x) as f64 - exact).abs() < 4e-37, "silu({x:e})");
            }
        }
        assert!(worst_exp <= 1.0, "{worst_exp}");
        assert!(worst_silu <= 2.0, "{worst_silu}");
    }

    #[test]
    fn every_path_gives_the_bits_of_the_scalar() {
        let all = floats();
        for isa in Isa::all() {
            let (mut e, mut s, mut t) = (all.clone(), all.clone(), all.clone());
            force(isa, || {
                exp_in_place(&mut e);
                silu_in_place(&mut s);
                silu_times(&mut t, &all);
            });
            for (i, &x) in all.iter().enumerate() {
                let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                assert!(same(e[i], exp(x)), "{isa:?}: exp({x:e})");
                assert!(same(s[i], silu(x)), "{isa:?}: silu({x:e})");
                assert!(same(t[i], silu(x) * x), "{isa:?}: silu({x:e})·x");
            }
        }
    }
}
