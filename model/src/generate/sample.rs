//! Logits to the next token: greedy, temperature, top-k, top-p, repetition penalty.
//!
//! Applied in the order of Hugging Face's `generate`: repetition penalty, temperature, top-k, top-p; the kept tokens and
//! their probabilities are those of its processors (transformers 5.23). Two differences: a token before which exactly the
//! share `top_p` lies is kept, as Megatron has it; of equal logits at the border of `top_p` the lower ids are kept, where
//! torch's sort leaves the choice open.

use serde::{Deserialize, Serialize};

use super::nucleus::keep_share;
use super::random::uniform;
use crate::{Error, Result};

/// The least temperature but 0: logits divided by less may be no numbers.
pub const LEAST_TEMPERATURE: f64 = 1e-6;

/// How a token is chosen. The default samples from the model's own distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// What logits are divided by, at least 1e-6; 0 takes the likeliest token. Default 1.
    pub temperature: f64,
    /// Keeps the tokens whose logit is at least the k-th greatest; 0 keeps all, 1 takes the likeliest. Default 0.
    pub top_k: usize,
    /// Keeps the likeliest tokens before which at most this share of the probability lies; in (0, 1]. Default 1: all.
    pub top_p: f64,
    /// What positive logits of earlier tokens are divided by, and negative ones multiplied (arXiv:1909.05858); above 1
    /// repeats less. Default 1.
    pub repetition_penalty: f64,
    /// Other seeds, other texts. Default 0.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, repetition_penalty: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// Always the likeliest token; of equals, that of the lowest id.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Whether the likeliest token is taken, without a random number.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0 || self.top_k == 1
    }

    /// Whether tokens can be chosen so.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn check(&self) -> Result<()> {
        let wrong = |field: &str, value: f64, range: &str| {
            Err(Error::request(format!("`{field}` is {value}; it must be {range}")))
        };
        let is_warm = self.temperature >= LEAST_TEMPERATURE && (self.temperature as f32).is_finite();
        if !(self.temperature == 0.0 || is_warm) {
            return wrong("temperature", self.temperature, "0, which takes the likeliest token, or at least 0.000001");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return wrong("top_p", self.top_p, "in (0, 1]");
        }
        if !(self.repetition_penalty as f32 > 0.0 && (self.repetition_penalty as f32).is_finite()) {
            return wrong("repetition_penalty", self.repetition_penalty, "greater than 0, and finite");
        }
        Ok(())
    }
}

/// A token that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// The token.
    pub id: u32,
    /// Its probability among the kept.
    pub probability: f64,
}

/// Chooses tokens. One serves any number of sequences: it keeps nothing of them, only room to work in.
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    scores: Vec<f32>,
    work: Vec<f32>,
    seen: Vec<u64>,
    kept: Vec<Kept>,
}

impl Sampler {
    /// A sampler of these settings.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn new(sampling: Sampling) -> Result<Self> {
        sampling.check()?;
        Ok(Self { sampling, scores: Vec::new(), work: Vec::new(), seen: Vec::new(), kept: Vec::new() })
    }

    /// Goes on with other settings, in the same room.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn set(&mut self, sampling: &Sampling) -> Result<()> {
        sampling.check()?;
        self.sampling.clone_from(sampling);
        Ok(())
    }

    /// The settings.
    pub fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    /// The next token, from the logits of every token that exists (leave out rows that only pad the vocabulary, or set them to -∞), in
    /// order of id, and the tokens so far, the prompt's among them.
    ///
    /// The random number depends on the seed, `sequence` (its number) and `position` (of the token to come) alone: a
    /// batch chooses as its sequences do one by one under the same numbers. Time linear in the vocabulary unless `top_p` keeps thousands.
    ///
    /// # Errors
    /// As [`Sampler::kept`].
    pub fn next(&mut self, logits: &[f32], earlier: &[u32], sequence: u64, position: u64) -> Result<u32> {
        let seed = self.sampling.seed;
        let kept = self.kept(logits, earlier)?;
        if let [only] = kept {
            return Ok(only.id);
        }
        let mut rest = uniform(seed, sequence, position) * kept.iter().map(|token| token.probability).sum::<f64>();
        for token in kept {
            rest -= token.probability;
            if rest < 0.0 {
                return Ok(token.id);
            }
        }
        // Rounding has left a remainder: the last that is possible.
        let last = kept.iter().rfind(|token| token.probability > 0.0);
        Ok(last.expect("the likeliest token is kept and possible").id)
    }

    /// The tokens that may come next, in order of id, and their probabilities, which sum to 1; a single one if greedy.
    ///
    /// # Errors
    /// No logits, a logit that is not a number or +∞, none above -∞; an earlier token that has no logit; a temperature
    /// so small that a logit divided by it is no number.
    pub fn kept(&mut self, logits: &[f32], earlier: &[u32]) -> Result<&[Kept]> {
        self.scores.clear();
        self.scores.extend_from_slice(logits);
        if self.scores.iter().any(|score| score.is_nan() || *score == f32::INFINITY) {
            let id = self.scores.iter().position(|score| score.is_nan() || *score == f32::INFINITY).unwrap_or_default();
            return Err(Error::request(format!("the logit of token {id} is {}: the model is broken", logits[id])));
        }
        self.penalise(earlier)?;
        let Some((best, greatest)) = greatest(&self.scores) else {
            return Err(Error::request(format!("none of {} logits is above -inf", logits.len())));
        };
        self.kept.clear();
        if self.sampling.is_greedy() {
            self.kept.push(Kept { id: best, probability: 1.0 });
            return Ok(&self.kept);
        }
        let temperature = self.sampling.temperature as f32;
        let greatest = greatest / temperature;
        if !greatest.is_finite() {
            return Err(Error::request(format!(
                "`temperature` is {}, too small for these logits; 0 takes the likeliest token",
                self.sampling.temperature
            )));
        }
        self.scores.iter_mut().for_each(|score| *score /= temperature);
        let least = self.least();
        for (id, score) in (0..).zip(&self.scores) {
            if *score >= least {
                self.kept.push(Kept { id, probability: libm::exp(f64::from(*score) - f64::from(greatest)) });
            }
        }
        if self.sampling.top_p < 1.0 {
            keep_share(&mut self.kept, self.sampling.top_p);
        }
        let sum: f64 = self.kept.iter().map(|token| token.probability).sum();
        self.kept.iter_mut().for_each(|token| token.probability /= sum);
        Ok(&self.kept)
    }

    /// Applies the repetition penalty, once to each token.
    fn penalise(&mut self, earlier: &[u32]) -> Result<()> {
        let penalty = self.sampling.repetition_penalty as f32;
        if penalty == 1.0 {
            return Ok(());
        }
        self.seen.clear();
        self.seen.resize(self.scores.len().div_ceil(64), 0);
        for &id in earlier {
            let Some(score) = self.scores.get_mut(id as usize) else {
                return Err(Error::request(format!(
                    "the earlier token {id} lies outside the vocabulary of {} tokens",
                    self.scores.len()
                )));
            };
            let (word, bit) = (&mut self.seen[id as usize / 64], 1 << (id % 64));
            if *word & bit == 0 {
                *word |= bit;
                *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
            }
        }
        Ok(())
    }

    /// The k-th greatest score.
    fn least(&mut self) -> f32 {
        let k = self.sampling.top_k;
        if k == 0 || k >= self.scores.len() {
            return f32::NEG_INFINITY;
        }
        self.work.clone_from(&self.scores);
        *self.work.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
    }
}

/// The first of the greatest scores, if any is above -∞.
fn greatest(scores: &[f32]) -> Option<(u32, f32)> {
    let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let id = scores.iter().position(|score| *score == greatest)?;
    (greatest > f32::NEG_INFINITY).then_some((id as u32, greatest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(sampling: Sampling) -> Sampler {
        Sampler::new(sampling).unwrap()
    }

    #[test]
    fn greedy_takes_the_first_of_equals() {
        let logits = [0.0, 2.0, -1.0, 2.0];
        assert_eq!(sampler(Sampling::greedy()).next(&logits, &[], 0, 0).unwrap(), 1);
        assert_eq!(sampler(Sampling { top_k: 1, ..Sampling::default() }).next(&logits, &[], 0, 0).unwrap(), 1);
        let tired = Sampling { repetition_penalty: 1.5, ..Sampling::greedy() };
        assert_eq!(sampler(tired).next(&logits, &[1, 1], 0, 0).unwrap(), 3);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let problem = |sampling| Sampler::new(sampling).unwrap_err().to_string();
        assert_eq!(
            problem(Sampling { temperature: f64::NAN, ..Sampling::default() }),
            "`temperature` is NaN; it must be 0, which takes the likeliest token, or at least 0.000001"
        );
        for cold in [1e-46, 1e-40, 9.9e-7, f64::INFINITY] {
            assert!(problem(Sampling { temperature: cold, ..Sampling::default() }).contains("at least 0.000001"));
        }
        assert!(problem(Sampling { temperature: -1.0, ..Sampling::default() }).contains("`temperature` is -1"));
        assert_eq!(problem(Sampling { top_p: 0.0, ..Sampling::default() }), "`top_p` is 0; it must be in (0, 1]");
        assert!(problem(Sampling { top_p: 1.1, ..Sampling::default() }).contains("`top_p` is 1.1"));
        assert_eq!(
            problem(Sampling { repetition_penalty: 0.0, ..Sampling::default() }),
            "`repetition_penalty` is 0; it must be greater than 0, and finite"
        );
    }

    #[test]
    fn logits_that_mean_nothing_are_errors() {
        let problem = |logits: &[f32]| sampler(Sampling::default()).next(logits, &[], 0, 0).unwrap_err().to_string();
        assert_eq!(problem(&[0.0, f32::NAN]), "the logit of token 1 is NaN: the model is broken");
        assert_eq!(problem(&[f32::INFINITY]), "the logit of token 0 is inf: the model is broken");
        assert_eq!(problem(&[f32::NEG_INFINITY; 3]), "none of 3 logits is above -inf");
        assert_eq!(problem(&[]), "none of 0 logits is above -inf");
        let penalised = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        assert_eq!(
            sampler(penalised).next(&[0.0; 4], &[4], 0, 0).unwrap_err().to_string(),
            "the earlier token 4 lies outside the vocabulary of 4 tokens"
        );
        let cold = Sampling { temperature: LEAST_TEMPERATURE, ..Sampling::default() };
        assert_eq!(sampler(cold.clone()).next(&[5.0, 1e4], &[], 0, 0).unwrap(), 1);
        assert!(sampler(cold).next(&[1e35, 1.0], &[], 0, 0).unwrap_err().to_string().contains("too small"));
    }

    #[test]
    fn a_batch_chooses_as_its_sequences_do() {
        let logits: Vec<f32> = (0..100).map(|id| (id as f32 * 0.7).sin()).collect();
        let mut shared = sampler(Sampling { seed: 5, top_k: 40, ..Sampling::default() });
        let batch: Vec<u32> = (0..20).map(|i| shared.next(&logits, &[], i % 4, i / 4).unwrap()).collect();
        for (i, id) in (0..20).zip(&batch) {
            let mut alone = sampler(Sampling { seed: 5, top_k: 40, ..Sampling::default() });
            assert_eq!(alone.next(&logits, &[], i % 4, i / 4).unwrap(), *id);
        }
        assert!(batch.iter().any(|id| *id != batch[0]));
    }

    #[test]
    fn frequencies_are_the_probabilities() {
        let logits: Vec<f32> = (0..30).map(|id| (id as f32 * 1.3).cos() * 2.0).collect();
        let mut sampler = sampler(Sampling { temperature: 1.3, top_p: 0.9, seed: 11, ..Sampling::default() });
        let kept = sampler.kept(&logits, &[]).unwrap().to_vec();
        let draws = 200_000;
        let mut counts = [0_u32; 30];
        for position in 0..draws {
            counts[sampler.next(&logits, &[], 0, position).unwrap() as usize] += 1;
        }
        let chi_square: f64 = kept
            .iter()
            .map(|token| {
                let expected = token.probability * draws as f64;
                (f64::from(counts[token.id as usize]) - expected).powi(2) / expected
            })
            .sum();
        assert_eq!(counts.iter().filter(|count| **count > 0).count(), kept.len());
        // Of 16 degrees of freedom, one in a thousand lies above 39.3.
        assert_eq!(kept.len(), 17);
        assert!(chi_square < 39.3, "{chi_square}");
    }
}
