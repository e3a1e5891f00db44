//! Training supervised models.
//!
//! With one thread the model is the one that `fasttext supervised -thread 1` writes, byte for byte: the same random numbers, the same
//! order of equal words in the dictionary, the same order of every sum. That holds for all losses, n-grams and pretrained vectors, on
//! the C library of the C++ program; another C library's `exp`, `log` and `pow` may differ in their last bit. With more threads, or
//! with weights, there is no such model to equal.
//!
//! fastText fills a tenth of the input matrix with random numbers for each thread, so with one thread nine tenths start from 0. Version
//! 0.9.3 does not set those to 0: in a process that has freed memory before (a second training in Python) its model depends on what was
//! there, up to "Encountered NaN". Here they are 0, as in 0.9.2 and as in a fresh process of 0.9.3.
//!
//! | step | file |
//! |---|---|
//! | what can be set | `options.rs` |
//! | where examples come from, their tokens | `source.rs`, `tokens.rs` |
//! | counting words, their order | `vocabulary.rs`, `pretrained.rs` |
//! | examples as numbers, read in every epoch | `encoded.rs`, `features.rs` |
//! | the matrices, alone and shared | `weights.rs`, `access.rs`, `shared.rs` |
//! | losses | `loss.rs`, `exponential.rs` |
//! | the loop over examples | `schedule.rs`, `worker.rs`, `kernels.rs` |

mod access;
mod encoded;
mod exponential;
mod features;
pub(crate) mod kernels;
mod loss;
pub(crate) mod options;
mod pretrained;
pub(crate) mod schedule;
mod shared;
mod source;
mod tokens;
mod vocabulary;
pub(crate) mod weights;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub use options::{LabelWeights, TrainOptions};
pub use source::{Example, ExampleSource, LabelledText, LineFile, Lines, Walk};
pub use worker::Progress;

use schedule::Schedule;
use tokens::TokenReader;
use vocabulary::Vocabulary;
use weights::Weights;

use crate::{Error, Model, Result};

/// Trains a supervised model on examples.
///
/// `progress` is called about ten times a second while the matrices are trained and once at the end; the training ends with
/// [`Error::Cancelled`] soon after `cancel` becomes true.
///
/// Memory: the distinct words while they are counted, the encoded examples (4 bytes for each token; at most
/// [`TrainOptions::memory_bytes`], then a file), and the two matrices, `4 · dim · (words + bucket + labels)` bytes, which become the
/// model's without a copy.
///
/// # Errors
/// What the source gives; [`Error::Option`], [`Error::Example`], [`Error::NothingToLearn`] for what nothing can be learnt from;
/// [`Error::Diverged`] where the numbers become NaN: lower the learning rate.
///
/// # Example
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use yuan_fasttext::train::{Lines, TrainOptions, train};
///
/// let lines = "__label__good a fine text\n__label__bad buy buy buy\n".repeat(50);
/// let mut options = TrainOptions::default();
/// options.args.dim = 8;
/// let model = train(Lines(lines.as_bytes()), &options, |_| {}, &AtomicBool::new(false))?;
/// assert_eq!(model.dictionary().label_count(), 2);
/// # Ok::<(), yuan_fasttext::Error>(())
/// ```
pub fn train(
    mut examples: impl ExampleSource,
    options: &TrainOptions,
    mut progress: impl FnMut(&Progress),
    cancel: &AtomicBool,
) -> Result<Model> {
    let args = options.checked_args()?;
    let keep_going = || if cancel.load(Relaxed) { Err(Error::Cancelled) } else { Ok(()) };
    let mut vocabulary = count(&mut examples, options, &keep_going)?;
    let columns = args.dim as usize;
    vocabulary.keep(i64::from(args.min_count), options.min_count_label);
    let vectors = match &options.pretrained_vectors {
        Some(path) => Some(pretrained::read(path, columns, &options.label_prefix)?),
        None => None,
    };
    if let Some(vectors) = &vectors {
        pretrained::add_words(vectors, &mut vocabulary);
    }
    let dictionary = vocabulary.into_dictionary(&args)?;
    let mut input = Weights::zeros(dictionary.word_count() + args.bucket as usize, columns)?;
    input.fill_uniform((1.0 / f64::from(args.dim)) as f32, options.threads, options.seed);
    if let Some(vectors) = vectors {
        pretrained::copy_rows(&vectors, &dictionary, &mut input);
    }
    let mut output = Weights::zeros(dictionary.label_count(), columns)?;
    let schedule = Schedule {
        label_weights: &options.label_weights,
        learning_rate: options.learning_rate,
        threads: options.threads,
        seed: options.seed,
        memory_bytes: options.memory_bytes,
        spill_directory: options.spill_directory.as_deref(),
    };
    schedule.run(&mut examples, &args, &dictionary, (&mut input, &mut output), &mut progress, cancel)?;
    Model::from_parts(args, dictionary, input.into_matrix()?.into(), output.into_matrix()?.into())
}

/// Counts the tokens of all examples.
fn count(
    examples: &mut dyn ExampleSource,
    options: &TrainOptions,
    keep_going: &dyn Fn() -> Result<()>,
) -> Result<Vocabulary> {
    let mut reader = TokenReader::new(&options.label_prefix);
    let mut vocabulary = Vocabulary::new(&options.label_prefix);
    examples.visit(&mut |example| {
        keep_going()?;
        reader.read(example, |token, _| {
            vocabulary.add(token);
            Ok(())
        })
    })?;
    Ok(vocabulary)
}
