//! The settings of a training.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::tokens::is_separator;
use crate::{Args, Error, LABEL_PREFIX, Loss, ModelKind, Result};

/// How a supervised model is trained. The defaults are those of `fasttext supervised`, but for the threads.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// The settings that become part of the model: dimension, epochs, n-grams, buckets, loss and so on.
    ///
    /// Without character and word n-grams no buckets are made, whatever `bucket` says.
    pub args: Args,
    /// Labels seen fewer times are left out. Default 0: all are kept.
    pub min_count_label: i64,
    /// The learning rate of the first example, falling linearly to 0. Default 0.1.
    ///
    /// fastText's command line reads its rate as a 32-bit number; to repeat it bit for bit, give `f64::from(0.1_f32)`. Its Python
    /// binding takes the number as it is.
    pub learning_rate: f64,
    /// Threads that train. With 1, the default, the same input and seed always give the same model. With more, threads work on the
    /// same numbers without waiting for each other (Hogwild): faster, never twice the same.
    pub threads: usize,
    /// Where the random numbers start. Default 0.
    pub seed: i32,
    /// What a token begins with that is a label. Default `__label__`.
    pub label_prefix: Vec<u8>,
    /// A file of word vectors (`.vec`) that words start from; its words join the dictionary.
    pub pretrained_vectors: Option<PathBuf>,
    /// How much each label's examples weigh. Default: all the same.
    pub label_weights: LabelWeights,
    /// The encoded examples are kept in memory up to this size, and in a temporary file beyond. Default 1 GiB.
    pub memory_bytes: usize,
    /// Where the temporary file goes. Default: the system's directory for temporary files.
    pub spill_directory: Option<PathBuf>,
}

/// How much the examples of each label weigh: what their learning rate is multiplied with.
///
/// fastText has no such weights; with [`LabelWeights::Equal`] the model is the one that fastText would train. An example with several
/// labels has the weight of the label it is trained on, and the mean of all of them with [`Loss::Ova`], which trains on all.
#[derive(Clone, Debug, Default)]
pub enum LabelWeights {
    /// 1 for all.
    #[default]
    Equal,
    /// All labels together weigh the same: a label's weight is `examples / (labels · its examples)`, counted in label tokens.
    ///
    /// That is scikit-learn's `class_weight = "balanced"`. Weights above 1 raise the learning rate of rare labels, so lower the rate
    /// where a label is very rare.
    Balanced,
    /// A weight for each label, with or without the prefix; 1 for labels that are not named.
    Each(HashMap<String, f32>),
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            args: Args::new(ModelKind::Supervised),
            min_count_label: 0,
            learning_rate: 0.1,
            threads: 1,
            seed: 0,
            label_prefix: LABEL_PREFIX.to_vec(),
            pretrained_vectors: None,
            label_weights: LabelWeights::Equal,
            memory_bytes: 1 << 30,
            spill_directory: None,
        }
    }
}

impl TrainOptions {
    /// The settings as the model stores them: without n-grams there are no buckets.
    ///
    /// # Errors
    /// [`Error::Option`] for a setting that no model can be trained with.
    pub(super) fn checked_args(&self) -> Result<Args> {
        let mut args = self.args.clone();
        let refuse = |option, problem: String| Err(Error::Option { option, problem });
        if args.model != ModelKind::Supervised {
            return refuse("model", format!("only supervised models are trained here, not {}", args.model));
        }
        if args.word_ngrams <= 1 && args.maxn == 0 {
            args.bucket = 0;
        }
        args.validate()?;
        if args.epoch < 1 {
            return refuse("epoch", format!("{} passes over the examples; 1 at least", args.epoch));
        }
        if args.lr_update_rate < 0 {
            return refuse("lr_update_rate", format!("{} tokens; 0 at least", args.lr_update_rate));
        }
        if args.loss == Loss::Ns && args.neg < 0 {
            return refuse("neg", format!("{} negatives; 0 at least", args.neg));
        }
        check_rate(self.learning_rate)?;
        check_threads(self.threads)?;
        if self.label_prefix.is_empty() || self.label_prefix.iter().any(|&byte| is_separator(byte)) {
            return refuse(
                "label_prefix",
                "it is empty or has white space, so labels cannot be told from words".into(),
            );
        }
        Ok(args)
    }
}

/// Refuses a learning rate that trains nothing or loses its way at once.
pub(crate) fn check_rate(rate: f64) -> Result<()> {
    if rate.is_finite() && rate > 0.0 {
        return Ok(());
    }
    Err(Error::Option { option: "learning_rate", problem: format!("{rate}; a number above 0 is needed, such as 0.1") })
}

/// Refuses no threads, and more than any machine has.
pub(crate) fn check_threads(threads: usize) -> Result<()> {
    if (1..=4096).contains(&threads) {
        return Ok(());
    }
    Err(Error::Option { option: "threads", problem: format!("{threads}; 1 to 4096 are possible") })
}
