//! Making models small: fewer features, and a byte for each piece of a row.
//!
//! The `.ftz` file is the one that `fasttext quantize` writes, byte for byte (with `-retrain`: when it retrains with one thread), on the
//! C library of the C++ program. Threads only share the work; they never change the result.
//!
//! | step | file |
//! |---|---|
//! | which rows stay (`-cutoff`) | `prune.rs` |
//! | 256 centroids for each piece | `kmeans.rs` |
//! | codes and norms of all rows (`-qnorm`) | `product.rs` |

mod kmeans;
mod product;
mod prune;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::train::options::{LabelWeights, check_rate, check_threads};
use crate::train::schedule::Schedule;
use crate::train::weights::Weights;
use crate::train::{ExampleSource, Progress};
use crate::{Error, Matrix, Model, ModelKind, Result};
use product::quantise_matrix;

/// How a model is quantised. The defaults are those of `fasttext quantize`, but for the threads.
#[derive(Clone, Debug)]
pub struct QuantiseOptions {
    /// Elements of a row that share a code. Default 2.
    pub piece_length: usize,
    /// Whether the lengths of rows are quantised apart (`-qnorm`). Default: no.
    pub quantise_norms: bool,
    /// Whether the output matrix is quantised as well (`-qout`), in pieces of 2; it needs 256 rows. Default: no.
    pub quantise_output: bool,
    /// How many rows of the input stay, those with the greatest norms and `</s>` (`-cutoff`). Default: all.
    pub cutoff: Option<usize>,
    /// How the rows that stay are trained once more (`-retrain`). Default: not at all.
    pub retrain: Option<Retrain>,
    /// Threads that look for nearest centroids. Default 1.
    pub threads: usize,
}

/// How a pruned model is trained once more before its rows are coded.
#[derive(Clone, Debug)]
pub struct Retrain {
    /// Passes over the examples. Default 5.
    pub epoch: i32,
    /// The learning rate of the first example. Default 0.05.
    pub learning_rate: f64,
    /// Threads that train; with more than 1 the model is never twice the same. Default 1.
    pub threads: usize,
    /// Where the random numbers start. Default 0.
    pub seed: i32,
    /// How much each label's examples weigh. Default: all the same.
    pub label_weights: LabelWeights,
    /// The encoded examples are kept in memory up to this size, and in a temporary file beyond. Default 1 GiB.
    pub memory_bytes: usize,
    /// Where the temporary file goes. Default: the system's directory for temporary files.
    pub spill_directory: Option<PathBuf>,
}

impl Default for QuantiseOptions {
    fn default() -> Self {
        QuantiseOptions {
            piece_length: 2,
            quantise_norms: false,
            quantise_output: false,
            cutoff: None,
            retrain: None,
            threads: 1,
        }
    }
}

impl Default for Retrain {
    fn default() -> Self {
        Retrain {
            epoch: 5,
            learning_rate: 0.05,
            threads: 1,
            seed: 0,
            label_weights: LabelWeights::Equal,
            memory_bytes: 1 << 30,
            spill_directory: None,
        }
    }
}

/// Quantises a supervised model.
///
/// `examples` are needed to train once more and not touched otherwise: `None` then. They should be those that the model was trained on.
/// `progress` tells about that training alone; `cancel` ends it, and the search for centroids, with [`Error::Cancelled`].
///
/// Memory: both matrices as they were and as they become. Time: 25 · 65,536 · 256 distances for each piece to find centroids, then 256
/// for each piece of each row.
///
/// # Errors
/// [`Error::Option`] for settings that cannot be met, among them matrices of fewer than 256 rows; those of
/// [`train`](crate::train::train) while training once more; [`Error::NotSupervised`].
pub fn quantise(
    model: &Model,
    options: &QuantiseOptions,
    examples: Option<&mut dyn ExampleSource>,
    mut progress: impl FnMut(&Progress),
    cancel: &AtomicBool,
) -> Result<Model> {
    let mut args = model.args().clone();
    let refuse = |option, problem: String| Err(Error::Option { option, problem });
    if args.model != ModelKind::Supervised {
        return Err(Error::NotSupervised { model: args.model });
    }
    let (Matrix::Dense(dense_input), Matrix::Dense(dense_output)) = (model.input(), model.output()) else {
        return refuse("model", "it is quantised already; start from its `.bin`".into());
    };
    if options.piece_length == 0 {
        return refuse("piece_length", "pieces of 0 elements; 2 is fastText's choice".into());
    }
    check_threads(options.threads)?;
    let mut dictionary = model.dictionary().clone();
    let mut input = Weights::copy_of(dense_input)?;
    let mut output = Weights::copy_of(dense_output)?;
    let cutoff = options.cutoff.filter(|&cutoff| cutoff > 0 && cutoff < input.rows());
    if let Some(cutoff) = cutoff {
        (dictionary, input) = prune::prune(&dictionary, &args, &input, cutoff)?;
        if let Some(retrain) = &options.retrain {
            let Some(examples) = examples else {
                return refuse("retrain", "there are no examples to train on".into());
            };
            check_rate(retrain.learning_rate)?;
            check_threads(retrain.threads)?;
            if retrain.epoch < 1 {
                return refuse("epoch", format!("{} passes over the examples; 1 at least", retrain.epoch));
            }
            args.epoch = retrain.epoch;
            let schedule = Schedule {
                label_weights: &retrain.label_weights,
                learning_rate: retrain.learning_rate,
                threads: retrain.threads,
                seed: retrain.seed,
                memory_bytes: retrain.memory_bytes,
                spill_directory: retrain.spill_directory.as_deref(),
            };
            schedule.run(examples, &args, &dictionary, (&mut input, &mut output), &mut progress, cancel)?;
        }
    }
    let stop = || cancel.load(Relaxed);
    let (pieces, norms) = (options.piece_length, options.quantise_norms);
    let input = quantise_matrix(input, pieces, norms, options.threads, &stop)?;
    let output: Matrix = if options.quantise_output {
        quantise_matrix(output, 2, norms, options.threads, &stop)?.into()
    } else {
        output.into_matrix()?.into()
    };
    Model::from_parts(args, dictionary, input.into(), output)
}
