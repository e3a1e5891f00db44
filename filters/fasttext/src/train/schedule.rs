//! From matrices to trained matrices: what training and retraining have in common.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::encoded::{Encoded, Spill};
use super::features::Features;
use super::loss::OutputLayer;
use super::options::LabelWeights;
use super::source::ExampleSource;
use super::weights::Weights;
use super::worker::{Job, Progress};
use crate::{Args, Dictionary, Error, Result};

/// How matrices are trained, beside what the model's settings say.
pub(crate) struct Schedule<'a> {
    pub label_weights: &'a LabelWeights,
    pub learning_rate: f64,
    pub threads: usize,
    pub seed: i32,
    pub memory_bytes: usize,
    pub spill_directory: Option<&'a Path>,
}

impl Schedule<'_> {
    /// Encodes the examples with the dictionary and trains both matrices on them for `args.epoch` epochs.
    pub(crate) fn run(
        &self,
        examples: &mut dyn ExampleSource,
        args: &Args,
        dictionary: &Dictionary,
        (input, output): (&mut Weights, &mut Weights),
        progress: &mut dyn FnMut(&Progress),
        cancel: &AtomicBool,
    ) -> Result<()> {
        let keep_going = || if cancel.load(Relaxed) { Err(Error::Cancelled) } else { Ok(()) };
        let spill = Spill { memory_bytes: self.memory_bytes, directory: self.spill_directory };
        let encoded = Encoded::new(examples, dictionary, spill, &keep_going)?;
        let counts: Vec<i64> = dictionary.label_counts().collect();
        let job = Job {
            encoded: &encoded,
            features: &Features::new(dictionary, args.has_subwords(), args.word_ngrams > 1),
            output_layer: &OutputLayer::new(args, &counts)?,
            label_weights: &self.weights_of(dictionary, &counts)?,
            learning_rate: self.learning_rate,
            epoch_tokens: dictionary.token_count(),
            epochs: i64::from(args.epoch),
            update_rate: i64::from(args.lr_update_rate),
            seed: self.seed,
            cancel,
        };
        job.run(self.threads, input, output, progress)
    }

    /// A weight for each label; none if all weigh the same.
    fn weights_of(&self, dictionary: &Dictionary, counts: &[i64]) -> Result<Vec<f32>> {
        match self.label_weights {
            LabelWeights::Equal => Ok(Vec::new()),
            LabelWeights::Balanced => {
                let mean = counts.iter().sum::<i64>() as f64 / counts.len() as f64;
                Ok(counts.iter().map(|&count| (mean / count.max(1) as f64) as f32).collect())
            }
            LabelWeights::Each(named) => {
                let refuse = |problem: String| Err(Error::Option { option: "label_weights", problem });
                let mut weights = vec![1.0; counts.len()];
                for (label, &weight) in named {
                    let id = dictionary
                        .label_id(label.as_bytes())
                        .or_else(|| dictionary.label_id(&[dictionary.label_prefix(), label.as_bytes()].concat()));
                    let Some(id) = id else {
                        return refuse(format!("no example has the label `{label}`"));
                    };
                    if !(weight >= 0.0 && weight.is_finite()) {
                        return refuse(format!("`{label}` weighs {weight}; weights are numbers from 0 up"));
                    }
                    weights[id] = weight;
                }
                Ok(weights)
            }
        }
    }
}
