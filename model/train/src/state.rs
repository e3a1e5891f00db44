//! What a checkpoint keeps of a network.

/// Parameters and the optimizer's moments: with it, training goes on to the bit as if it had not stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Steps taken, for the correction of the moments' bias.
    pub step: u64,
    /// The tensors, in the order of [`Network::parameters`](crate::Network::parameters).
    pub tensors: Vec<Named>,
}

/// One tensor with its moments, each of as many numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named {
    /// Hugging Face's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The parameters.
    pub values: Vec<f32>,
    /// Running mean of gradients; empty is all zero, as before the first step.
    pub first_moment: Vec<f32>,
    /// Running mean of squares of gradients; empty is all zero.
    pub second_moment: Vec<f32>,
}
