//! The probability of one of many, read part by part.

use crate::exp::exp;
use crate::isa::multiversion;
use crate::norm::{LANES, total};

/// The maximum and the sum of powers of the logits read so far, and the logit asked for.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    max: f32,
    sum: f32,
    own: f32,
}

impl Default for Running {
    fn default() -> Self {
        Self { max: f32::NEG_INFINITY, sum: 0.0, own: f32::NAN }
    }
}

impl Running {
    /// Reads the next logits; `own` is the place of the one asked for, if it is among them.
    pub fn read(&mut self, logits: &[f32], own: Option<usize>) {
        if let Some(own) = own.and_then(|own| logits.get(own)) {
            self.own = *own;
        }
        *self = read(*self, logits);
    }

    /// Natural logarithm of the probability of the one asked for; not a number if it was not read.
    pub fn log_prob(&self) -> f32 {
        self.log_prob_of(self.own)
    }

    /// The same of a logit that was read.
    pub fn log_prob_of(&self, logit: f32) -> f32 {
        // In f64, of which the logarithm rounds to one f32 on every system.
        (f64::from(logit) - f64::from(self.max) - libm::log(f64::from(self.sum))) as f32
    }

    /// Natural logarithm of the sum of e to all logits.
    pub fn log_sum(&self) -> f32 {
        (f64::from(self.max) + libm::log(f64::from(self.sum))) as f32
    }

    /// Whether no logit is larger than the one asked for.
    pub fn is_greedy(&self) -> bool {
        self.own >= self.max
    }
}

multiversion! {
    fn read(running: Running, logits: &[f32]) -> Running {
        let (whole, rest) = logits.as_chunks::<LANES>();
        let mut maxima = [running.max; LANES];
        for logits in whole {
            for (max, logit) in maxima.iter_mut().zip(logits) {
                *max = if *logit > *max { *logit } else { *max };
            }
        }
        let max = maxima.iter().chain(rest).fold(running.max, |max, other| if *other > max { *other } else { max });
        let mut sums = [0.0_f32; LANES];
        for logits in whole {
            for (sum, logit) in sums.iter_mut().zip(logits) {
                *sum += exp(*logit - max);
            }
        }
        for (sum, logit) in sums.iter_mut().zip(rest) {
            *sum += exp(*logit - max);
        }
        let before = if running.sum == 0.0 { 0.0 } else { running.sum * exp(running.max - max) };
        Running { max, sum: before + total(sums), own: running.own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Isa, force};

    #[test]
    fn parts_give_the_probability_of_the_whole() {
        let logits: Vec<f32> = (0..1000_u32).map(|place| ((place * 7919) % 1000) as f32 / 50.0 - 9.0).collect();
        let max = 10.98_f64;
        let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - max).exp()).sum();
        let mut all = Vec::new();
        for isa in Isa::all() {
            let mut running = Running::default();
            force(isa, || {
                running.read(&logits[..333], None);
                running.read(&logits[333..350], Some(4));
                running.read(&logits[350..], None);
            });
            let expected = f64::from(logits[337]) - max - sum.ln();
            assert!((f64::from(running.log_prob()) - expected).abs() < 1e-5, "{isa:?}");
            assert!(!running.is_greedy());
            assert_eq!(running.log_prob_of(logits[337]), running.log_prob());
            all.push(running.log_prob().to_bits());
        }
        assert!(all.iter().all(|bits| *bits == all[0]));
        let mut running = Running::default();
        running.read(&[1.0, 3.0, 3.0], Some(2));
        assert!(running.is_greedy());
        assert!(Running::default().log_prob().is_nan());
    }
}
