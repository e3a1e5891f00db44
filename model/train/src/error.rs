//! What can be wrong with a network in training or with what it is given.

/// The result of everything fallible in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A shape that cannot be trained.
    #[error("field `{field}` of the model's configuration {problem}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong with it, and what to do instead.
        problem: String,
    },
    /// A batch that fits neither itself nor the network.
    #[error("row {row} of the batch {problem}")]
    Batch {
        /// The row, from the batch's first.
        row: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A state that belongs to another network.
    #[error("tensor `{tensor}` {problem}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A number of the optimizer that makes no sense.
    #[error("`{name}` is {value}: {problem}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        problem: &'static str,
    },
    /// Gradients or the loss are infinite or no numbers. The gradients are cleared, parameters are as they were.
    #[error(
        "{what} at step {step} is no finite number: a smaller learning rate, a longer warm-up or clipping of gradients help"
    )]
    NotFinite {
        /// What it is.
        what: &'static str,
        /// The number of the step that was not taken, from 1.
        step: u64,
    },
    /// The device or its library refused.
    #[error("the device failed: {0}")]
    Device(String),
    /// What the model's crate says of it.
    #[error(transparent)]
    Model(#[from] yuan_model::Error),
}

impl Error {
    /// Something wrong with a row of a batch.
    pub(crate) fn batch(row: usize, problem: impl Into<String>) -> Self {
        Self::Batch { row, problem: problem.into() }
    }

    /// Something wrong with a tensor of a state.
    pub(crate) fn tensor(tensor: &str, problem: impl Into<String>) -> Self {
        Self::Tensor { tensor: tensor.to_owned(), problem: problem.into() }
    }
}
