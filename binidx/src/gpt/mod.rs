//! What Megatron's trainer reads at which step, without Megatron.
//!
//! A dataset is cut by sequences into [`Part`]s ([`split`]). The sequences of a part are laid end to end in a shuffled
//! order, as often as it takes, and cut into samples, which are shuffled again ([`index`]). A [`Dataset`] knows the tokens
//! of each sample ([`sample`]), [`Rules`] make of them what the model is given ([`masks`]), and a [`Blend`] draws from
//! several datasets ([`blend`]). [`TrainingData`] is all of it, from the arguments of a training run ([`training`]), and
//! [`cache`] writes it where Megatron-Core looks before it builds anything.
//!
//! Source: `megatron/core/datasets` of megatron-core 0.16.1, bit for bit, and Yuan's fork of Megatron-LM where it differs.
//! Not here: the fork's fill-in-the-middle, which is drawn in the order in which samples are fetched.
//!
//! ```
//! use yuan_binidx::gpt::{Blend, Settings, Split, TrainingData};
//!
//! # let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/binidx/gpt/corpusA");
//! let blend = Blend::parse(&[corpus])?;
//! let split = Split::parse("969,30,1")?;
//! let data = TrainingData::build(&blend, &Settings { split: Some(split), ..Settings::new(16, Some(20)) })?;
//! let (dataset, sample) = data.locate(0).expect("there are 20");
//! assert_eq!(data.datasets()[dataset].text(sample, -1)?.len(), 17);
//! # Ok::<(), yuan_binidx::Error>(())
//! ```

pub mod blend;
pub mod cache;
pub mod index;
pub mod masks;
pub mod sample;
pub mod split;
pub mod training;

pub use blend::{Blend, BlendIndex};
pub use index::{Indices, SampleIndex, Sampling, ShuffleIndex};
pub use masks::{Loss, NO_PAD, Rules, Sample};
pub use sample::{Dataset, Piece};
pub use split::{Part, Split};
pub use training::{Flavour, Settings, TrainingData};
