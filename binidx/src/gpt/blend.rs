//! Blends: which dataset the next sample comes from.

use std::fmt;

use crate::{Error, Result};

/// Datasets, and how much is drawn from each.
#[derive(Clone, Debug, PartialEq)]
pub struct Blend {
    /// Prefixes of `.bin` and `.idx`.
    pub prefixes: Vec<String>,
    /// A weight for each; without them, each dataset is read as it is.
    pub weights: Option<Vec<f64>>,
}

/// Where each sample of a blend comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlendIndex {
    /// The dataset of each sample.
    pub dataset_index: Vec<i16>,
    /// Which of the dataset's samples it is, in the dataset's order.
    pub dataset_sample_index: Vec<i64>,
}

impl Blend {
    /// Reads the arguments of Megatron's `--data-path`: weights and prefixes in turn if there is an even number of them and
    /// the first, third… are all numbers; else prefixes.
    ///
    /// Source: `get_blend_from_list` of megatron-core 0.16.1.
    ///
    /// # Errors
    /// If there is no argument, some weights are numbers and others not, or a weight is not above 0.
    pub fn parse<S: AsRef<str>>(arguments: &[S]) -> Result<Self> {
        let words: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        if words.is_empty() {
            return Err(Error::sampling("data_path", "no dataset: write `PREFIX` or `WEIGHT PREFIX WEIGHT PREFIX`"));
        }
        let plain = || Self { prefixes: words.iter().map(|word| word.trim().to_owned()).collect(), weights: None };
        if words.len() % 2 == 1 {
            return Ok(plain());
        }
        let weights: Vec<Option<f64>> = words.iter().step_by(2).map(|word| number(word)).collect();
        if weights.iter().all(Option::is_none) {
            return Ok(plain());
        }
        let weights = weights.iter().zip(words.iter().step_by(2)).map(|(weight, word)| match weight {
            Some(weight) if *weight > 0.0 && weight.is_finite() => Ok(*weight),
            Some(_) => Err(Error::sampling("data_path", format!("the weight `{word}` is not above 0"))),
            None => {
                Err(Error::sampling("data_path", format!("`{word}` is no weight: give every dataset one, or none")))
            }
        });
        let weights = weights.collect::<Result<Vec<_>>>()?;
        let prefixes = words.iter().skip(1).step_by(2).map(|word| word.trim().to_owned()).collect();
        Ok(Self { prefixes, weights: Some(weights) })
    }

    /// The arguments of Megatron's `--data-path` that say this.
    pub fn arguments(&self) -> Vec<String> {
        match &self.weights {
            None => self.prefixes.clone(),
            Some(weights) => {
                weights.iter().zip(&self.prefixes).flat_map(|(w, prefix)| [w.to_string(), prefix.clone()]).collect()
            }
        }
    }
}

/// The arguments with spaces between, as in a file for `--data-args-path`: prefixes have no spaces in them there.
impl fmt::Display for Blend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.arguments().join(" "))
    }
}

/// A number as Python's `float` reads it, underscores between digits included.
fn number(word: &str) -> Option<f64> {
    let word = word.trim().as_bytes();
    let digit = |at: usize| word.get(at).is_some_and(u8::is_ascii_digit);
    let placed = |at: usize| word[at] != b'_' || at > 0 && digit(at - 1) && digit(at + 1);
    let bare: Vec<u8> = word.iter().copied().filter(|byte| *byte != b'_').collect();
    (0..word.len()).all(placed).then(|| std::str::from_utf8(&bare).ok()?.parse().ok())?
}

/// Weights over their sum, to the last bit what `numpy` gives: from 8 numbers on it does not add them in order.
pub fn normalize(weights: &[f64]) -> Vec<f64> {
    let sum = numpy_sum(weights);
    weights.iter().map(|weight| weight / sum).collect()
}

/// `numpy.sum`: eight sums side by side, halves of more than 128 numbers for themselves.
fn numpy_sum(numbers: &[f64]) -> f64 {
    let count = numbers.len();
    if count < 8 {
        return numbers.iter().sum();
    }
    if count > 128 {
        let (left, right) = numbers.split_at(count / 2 - count / 2 % 8);
        return numpy_sum(left) + numpy_sum(right);
    }
    let mut sums = [0.0; 8];
    let mut eights = numbers.chunks_exact(8);
    for eight in &mut eights {
        sums.iter_mut().zip(eight).for_each(|(sum, number)| *sum += number);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    eights.remainder().iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, number| sum + number)
}

/// Samples that each dataset gives to a blend of `samples`, by weights that add up to 1; with a `surplus` of 0.005, the
/// samples that are built so that no dataset runs dry.
///
/// Source: `_get_size_per_split_per_dataset` of megatron-core 0.16.1.
pub fn requests(weights: &[f64], samples: u64, surplus: f64) -> Vec<u64> {
    weights.iter().map(|weight| ((samples as f64 * weight).ceil() * (1.0 + surplus)).ceil() as u64).collect()
}

/// The same in Yuan's fork of Megatron-LM, where what is built is what is drawn.
pub fn yuan_requests(weights: &[f64], samples: u64) -> Vec<u64> {
    weights.iter().map(|weight| (samples as f64 * weight * 1.005).ceil() as u64).collect()
}

/// Draws each next sample from the dataset that lags most behind its weight. Cost: O(samples · datasets).
///
/// Source: `build_blending_indices` of megatron-core 0.16.1.
///
/// # Errors
/// If there is no dataset, there are more than 32,766, or the index does not fit into memory.
pub fn weighted(weights: &[f64], samples: u64) -> Result<BlendIndex> {
    draw(weights, samples, |_, _| false)
}

/// Draws all samples of all datasets, each in proportion to its size. Cost: O(samples · datasets).
///
/// Source: `build_exhaustive_blending_indices` of megatron-core 0.16.1.
///
/// # Errors
/// As [`weighted`].
pub fn exhaustive(sizes: &[u64]) -> Result<BlendIndex> {
    let total = total(sizes);
    let weights: Vec<f64> = sizes.iter().map(|size| *size as f64 / total as f64).collect();
    draw(&weights, total, |dataset, drawn| drawn == sizes[dataset])
}

/// The sum of some sizes, or a number of samples that fits into no memory.
pub(crate) fn total(sizes: &[u64]) -> u64 {
    sizes.iter().fold(0, |total, size| total.saturating_add(*size))
}

fn draw(weights: &[f64], samples: u64, spent: impl Fn(usize, u64) -> bool) -> Result<BlendIndex> {
    if weights.is_empty() || weights.len() >= i16::MAX as usize {
        return Err(Error::sampling("data_path", format!("{} datasets: a blend has 1 to 32766", weights.len())));
    }
    let mut index = BlendIndex::default();
    let room = usize::try_from(samples).is_ok_and(|samples| {
        index.dataset_index.try_reserve_exact(samples).is_ok()
            && index.dataset_sample_index.try_reserve_exact(samples).is_ok()
    });
    if !room {
        return Err(Error::sampling("samples", format!("a blend of {samples} samples does not fit into memory")));
    }
    // Dataset, weight, samples drawn so far.
    let mut datasets: Vec<(usize, f64, u64)> =
        weights.iter().enumerate().map(|(at, weight)| (at, *weight, 0)).collect();
    datasets.retain(|(dataset, ..)| !spent(*dataset, 0));
    for sample in 0..samples {
        let asked = sample.max(1) as f64;
        let (mut most, mut lag) = (0, f64::NEG_INFINITY);
        for (at, (_, weight, drawn)) in datasets.iter().enumerate() {
            let behind = weight * asked - *drawn as f64;
            if behind > lag {
                (most, lag) = (at, behind);
            }
        }
        let (dataset, _, drawn) = &mut datasets[most];
        index.dataset_index.push(*dataset as i16);
        index.dataset_sample_index.push(*drawn as i64);
        *drawn += 1;
        if spent(*dataset, *drawn) {
            datasets.remove(most);
        }
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_prefixes_are_told_apart() {
        let blend = Blend::parse(&["0.3", "a", " 1_0e0 ", " b "]).unwrap();
        assert_eq!(blend, Blend { prefixes: vec!["a".into(), "b".into()], weights: Some(vec![0.3, 10.0]) });
        assert_eq!(blend.to_string(), "0.3 a 10 b");
        assert_eq!(Blend::parse(&blend.arguments()).unwrap(), blend);
        for plain in [&["a", "b"][..], &["1", "b", "c"], &["_1", "b"], &["1_", "b"]] {
            let blend = Blend::parse(plain).unwrap();
            assert_eq!((blend.weights, blend.prefixes.len()), (None, plain.len()));
        }
        for wrong in [&["1", "a", "b", "c"][..], &["0", "a", "1", "b"], &["nan", "a"], &["-1", "a"], &[]] {
            assert!(Blend::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sums_are_numpys() {
        // The bits of `numpy.sum(1 / numpy.arange(1, n + 1))`, NumPy 2.4. From 128 on, a sum in order differs.
        let sums = [
            (7, 0x4004_be2b_e2be_2be2),
            (8, 0x4005_be2b_e2be_2be2),
            (19, 0x400c_61c5_5451_3c25),
            (128, 0x4015_bb8a_e954_1ca7),
            (1003, 0x401d_f430_22d5_231a),
        ];
        for (count, sum) in sums {
            let numbers: Vec<f64> = (1..=count).map(|number| 1.0 / f64::from(number)).collect();
            assert_eq!(numpy_sum(&numbers).to_bits(), sum, "{count}");
        }
    }
}
