//! Angles of rotary position embeddings.

use std::sync::{PoisonError, RwLock};

use half::bf16;

use crate::config::{Blend, Rope, RopePrecision, Yarn};

/// Cosines and sines of some rows: `[rows, half]` each.
#[derive(Clone, Debug, Default)]
pub struct Angles {
    /// Half of the values of a head that are turned.
    pub half: usize,
    /// Cosines.
    pub cos: Vec<f32>,
    /// Sines.
    pub sin: Vec<f32>,
}

impl Rope {
    /// Radians by which a position turns each pair of values, in fp32 as the reference rounds them: `[width / 2]`.
    pub fn frequencies(&self) -> Vec<f32> {
        let half = self.width / 2;
        let plain = |place: usize| 1.0 / libm::powf(self.base as f32, (2 * place) as f32 / self.width as f32);
        match &self.yarn {
            None => (0..half).map(plain).collect(),
            Some(yarn) => {
                let shares = yarn.shares(self.width, self.base);
                (0..half).map(plain).zip(shares).map(|(plain, share)| yarn.stretch(plain, share)).collect()
            }
        }
    }

    /// By what cosines and sines are multiplied.
    pub fn scale(&self) -> f32 {
        self.yarn.as_ref().map_or(1.0, |yarn| yarn.attention_factor as f32)
    }
}

impl Yarn {
    /// How much of each frequency is divided by the factor, in [0, 1].
    fn shares(&self, width: usize, base: f64) -> impl Iterator<Item = f32> {
        let positions = self.original_positions as f64;
        let place = |rotations: f64| {
            width as f64 * libm::log(positions / (rotations * 2.0 * std::f64::consts::PI)) / (2.0 * libm::log(base))
        };
        let low = place(self.beta_fast).floor().max(0.0) as f32;
        let high = place(self.beta_slow).ceil().min(width as f64 - 1.0) as f32;
        let high = if low == high { high + 0.001 } else { high };
        (0..width / 2).map(move |place| ((place as f32 - low) / (high - low)).clamp(0.0, 1.0))
    }

    /// A frequency of which `share` is divided by the factor.
    fn stretch(&self, frequency: f32, share: f32) -> f32 {
        let factor = self.factor as f32;
        match self.blend {
            Blend::Frequencies => frequency / factor * share + frequency * (1.0 - share),
            Blend::WaveLengths => frequency / (share * factor + (1.0 - share)),
        }
    }
}

/// The angles of all positions so far, computed once.
#[derive(Debug)]
pub struct AngleTable {
    precision: RopePrecision,
    frequencies: Vec<f32>,
    scale: f32,
    known: RwLock<Angles>,
}

impl AngleTable {
    /// No position yet.
    pub fn new(rope: &Rope) -> Self {
        let mut table = Self {
            precision: rope.precision,
            frequencies: rope.frequencies(),
            scale: rope.scale(),
            known: RwLock::default(),
        };
        for frequency in &mut table.frequencies {
            *frequency = rope.precision.round(*frequency);
        }
        table
    }

    /// The angles of rows at these positions.
    pub fn rows(&self, positions: &[u32]) -> Angles {
        let half = self.frequencies.len();
        let needed = positions.iter().max().map_or(0, |last| *last as usize + 1) * half;
        if self.known.read().unwrap_or_else(PoisonError::into_inner).cos.len() < needed {
            self.extend(&mut self.known.write().unwrap_or_else(PoisonError::into_inner), needed);
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let gather = |table: &[f32]| {
            let row = |position: &u32| &table[*position as usize * half..][..half];
            positions.iter().flat_map(row).copied().collect()
        };
        Angles { half, cos: gather(&known.cos), sin: gather(&known.sin) }
    }

    fn extend(&self, known: &mut Angles, needed: usize) {
        let half = self.frequencies.len();
        for position in known.cos.len() / half..needed / half {
            let position = self.precision.round(position as f32);
            for frequency in &self.frequencies {
                let angle = f64::from(self.precision.round(position * frequency));
                known.cos.push(self.precision.round(libm::cos(angle) as f32 * self.scale));
                known.sin.push(self.precision.round(libm::sin(angle) as f32 * self.scale));
            }
        }
    }
}

impl RopePrecision {
    /// The nearest number of this precision.
    fn round(self, value: f32) -> f32 {
        match self {
            Self::F32 => value,
            Self::Bf16 => bf16::from_f32(value).to_f32(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: base 10000, 8 values, 64 positions, so that one turn is at place 4 · ln(64 / 2π) / ln 10000 = 1.008 and 32
    /// turns are before the first: the ramp goes from 0 to 2, and the second frequency, 0.1, is stretched by half.
    #[test]
    fn frequencies_or_wave_lengths_are_averaged() {
        let rope = |blend| {
            let yarn = Yarn { blend, ..Yarn::new(4.0, 64) };
            Rope { base: 10_000.0, width: 8, precision: RopePrecision::F32, yarn: Some(yarn) }.frequencies()
        };
        let near = |found: &[f32], expected: [f64; 4]| {
            found.iter().zip(expected).all(|(found, expected)| (f64::from(*found) / expected - 1.0).abs() < 1e-6)
        };
        assert!(near(&rope(Blend::Frequencies), [1.0, 0.1 * 0.625, 0.0025, 0.000_25]));
        assert!(near(&rope(Blend::WaveLengths), [1.0, 0.1 / 2.5, 0.0025, 0.000_25]));
    }
}
