//! What a pass over a batch tells.

use yuan_kernels::training::probabilities;

/// How well a batch was predicted, and how its tokens were spread over experts. Of several batches: [`Loss::add`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loss {
    /// Weighted sum of the negative natural logarithms of the probabilities of what was to be predicted.
    pub sum: f64,
    /// Sum of the weights: without weights between 0 and 1, the tokens predicted.
    pub weight: f64,
    /// Auxiliary loss of the routers, all layers together and times its coefficient, times `weight`.
    pub balance: f64,
    /// What the router of each layer did; empty for a dense model.
    pub routers: Vec<RouterLoad>,
}

/// How a router spread its tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouterLoad {
    /// Tokens that each expert saw.
    pub tokens: Vec<u64>,
    /// Sum over tokens of the entropy, in nats, of the softmax over all logits: 0 where one expert is certain, ln(experts)
    /// where all are alike.
    pub entropy: f64,
    /// Tokens routed.
    pub routed: u64,
}

impl Loss {
    /// Nats a token; 0 where nothing was predicted.
    pub fn mean(&self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }

    /// Auxiliary loss of the routers, coefficient included, as a mean over batches.
    pub fn mean_balance(&self) -> f64 {
        if self.weight > 0.0 { self.balance / self.weight } else { 0.0 }
    }

    /// Adds what another batch told.
    pub fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        self.weight += other.weight;
        self.balance += other.balance;
        self.routers.resize_with(self.routers.len().max(other.routers.len()), RouterLoad::default);
        for (router, other) in self.routers.iter_mut().zip(&other.routers) {
            router.tokens.resize(router.tokens.len().max(other.tokens.len()), 0);
            router.tokens.iter_mut().zip(&other.tokens).for_each(|(tokens, other)| *tokens += other);
            router.entropy += other.entropy;
            router.routed += other.routed;
        }
    }
}

impl RouterLoad {
    /// How evenly experts are used, in [0, 1]: the entropy of their shares of the tokens over that of equal shares. 1 for a
    /// single expert or no token.
    pub fn evenness(&self) -> f64 {
        let all = self.tokens.iter().sum::<u64>() as f64;
        if all == 0.0 || self.tokens.len() < 2 {
            return 1.0;
        }
        let shares = self.tokens.iter().filter(|tokens| **tokens > 0).map(|tokens| *tokens as f64 / all);
        shares.map(|share| -share * libm::log(share)).sum::<f64>() / libm::log(self.tokens.len() as f64)
    }

    /// Tokens of the busiest expert over the mean of all: 1 where all are used alike.
    pub fn busiest(&self) -> f64 {
        let (all, most) = (self.tokens.iter().sum::<u64>(), self.tokens.iter().max().copied().unwrap_or(0));
        if all == 0 { 1.0 } else { most as f64 * self.tokens.len() as f64 / all as f64 }
    }

    /// Mean entropy of a token's choice, in nats.
    pub fn mean_entropy(&self) -> f64 {
        if self.routed == 0 { 0.0 } else { self.entropy / self.routed as f64 }
    }
}

/// Completes what is told of a router by the entropy of its choices; gives the auxiliary loss of load balance, without its coefficient:
/// `experts · Σₑ share of the assignments · mean probability` (Fedus et al. 2021, arXiv:2101.03961, equations 4 to 6, for more than one
/// expert a token as Megatron has it), 1 where all is even.
pub(crate) fn balance(logits: &[f32], experts: usize, top_k: usize, load: &mut RouterLoad) -> f64 {
    let (sums, entropy) = probabilities(logits, experts);
    load.entropy = entropy;
    let rows = load.routed as f64;
    let products = sums.iter().zip(&load.tokens).map(|(sum, tokens)| sum * *tokens as f64);
    experts as f64 * products.sum::<f64>() / (rows * rows * top_k as f64)
}

/// What rows are to predict.
pub(crate) struct Predictions {
    /// Rows that count.
    pub rows: Vec<u32>,
    /// Their targets.
    pub targets: Vec<u32>,
    /// What each counts in the loss.
    pub weights: Vec<f32>,
}

impl Predictions {
    /// Those whose weight is not 0.
    pub fn new(targets: &[u32], weights: &[f32]) -> Self {
        let rows: Vec<u32> = (0..).zip(weights).filter(|(_, weight)| **weight > 0.0).map(|(row, _)| row).collect();
        let take = |row: &u32| *row as usize;
        let targets = rows.iter().map(take).map(|row| targets[row]).collect();
        let weights = rows.iter().map(take).map(|row| weights[row]).collect();
        Self { rows, targets, weights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_add_up_and_even_loads_are_even() {
        let router = |tokens: [u64; 2]| RouterLoad { tokens: tokens.into(), entropy: 1.0, routed: 2 };
        let mut all = Loss::default();
        assert_eq!((all.mean(), all.mean_balance()), (0.0, 0.0));
        all.add(&Loss { sum: 3.0, weight: 1.0, balance: 0.5, routers: vec![router([4, 0])] });
        assert_eq!((all.routers[0].evenness(), all.routers[0].busiest()), (0.0, 2.0));
        all.add(&Loss { sum: 1.0, weight: 3.0, balance: 1.5, routers: vec![router([0, 4])] });
        assert_eq!((all.mean(), all.mean_balance()), (1.0, 0.5));
        assert_eq!((all.routers[0].evenness(), all.routers[0].busiest()), (1.0, 1.0));
        assert_eq!(all.routers[0].mean_entropy(), 0.5);
        assert_eq!(RouterLoad::default().evenness(), 1.0);
    }
}
