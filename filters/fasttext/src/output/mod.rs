//! From the hidden vector to the probabilities of labels.
//!
//! | step | file |
//! |---|---|
//! | a label's score, its probability | here, `probabilities.rs` |
//! | hierarchical softmax: the tree, the way through it | `huffman.rs`, here |
//! | the `k` best labels | `heap.rs` |

mod heap;
mod huffman;
mod probabilities;

pub(crate) use heap::Scored;
pub use huffman::Huffman;
pub use probabilities::Sigmoid;

use crate::{Args, Dictionary, Error, Loss, Matrix, ModelKind, Result};
use probabilities::{exact_sigmoid, log, softmax};

/// What the output layer needs beside its matrix.
#[derive(Clone, Debug)]
pub(crate) enum OutputLayer {
    Softmax,
    /// One-vs-all and negative sampling: they differ in training alone.
    Sigmoids(Sigmoid),
    Tree(Huffman),
    /// Models of words are not asked for labels.
    Words,
}

/// How many labels are wanted, and how probable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub labels: usize,
    pub threshold: f32,
}

impl OutputLayer {
    pub fn new(args: &Args, dictionary: &Dictionary) -> Result<Self> {
        if args.model != ModelKind::Supervised {
            return Ok(Self::Words);
        }
        Ok(match args.loss {
            Loss::Softmax => Self::Softmax,
            Loss::Ova | Loss::Ns => Self::Sigmoids(Sigmoid::new()),
            Loss::Hs => Self::Tree(Huffman::new(dictionary.label_counts())?),
        })
    }

    /// Puts the best labels into `best`, from the most probable on. `scores` is room to work in, a number for each label.
    pub fn predict(
        &self,
        output: &Matrix,
        hidden: &[f32],
        wanted: Wanted,
        scores: &mut [f32],
        best: &mut Vec<Scored>,
    ) -> Result<()> {
        best.clear();
        if scores.is_empty() {
            return Ok(());
        }
        match self {
            Self::Words => {}
            Self::Tree(tree) => descend(tree, output, hidden, wanted, best)?,
            Self::Softmax | Self::Sigmoids(_) => {
                self.probabilities(output, hidden, scores)?;
                select(scores, wanted, best);
            }
        }
        heap::sort(best);
        Ok(())
    }

    /// The score of one label, the same number that [`predict`](Self::predict) gives for it; `None` where a tree's
    /// prediction does not reach the label.
    pub fn score(&self, output: &Matrix, hidden: &[f32], label: u32, scores: &mut [f32]) -> Result<Option<f32>> {
        match self {
            Self::Words => Ok(None),
            Self::Sigmoids(sigmoid) => {
                let probability = sigmoid.of(output.dot_row(label as usize, hidden));
                if probability.is_nan() { Err(Error::NotANumber) } else { Ok(Some(log(probability))) }
            }
            Self::Softmax => {
                self.probabilities(output, hidden, scores)?;
                Ok(Some(log(scores[label as usize])))
            }
            Self::Tree(tree) => {
                // Sums are made from the root down.
                let way: Vec<(usize, bool)> = tree.path(label).collect();
                let mut score = 0.0;
                for (row, right) in way.into_iter().rev() {
                    let [left_score, right_score] = branch(output, hidden, row, score)?;
                    score = if right { right_score } else { left_score };
                    if score < log(0.0) {
                        return Ok(None);
                    }
                }
                Ok(Some(score))
            }
        }
    }

    /// The probability of every label.
    fn probabilities(&self, output: &Matrix, hidden: &[f32], scores: &mut [f32]) -> Result<()> {
        for (label, score) in scores.iter_mut().enumerate() {
            *score = output.dot_row(label, hidden);
        }
        match self {
            Self::Sigmoids(sigmoid) => scores.iter_mut().for_each(|score| *score = sigmoid.of(*score)),
            _ => softmax(scores),
        }
        // One label's NaN is every label's with softmax, and its own with sigmoids.
        if scores.iter().any(|score| score.is_nan()) { Err(Error::NotANumber) } else { Ok(()) }
    }
}

/// Collects the most probable labels in a heap.
fn select(probabilities: &[f32], wanted: Wanted, best: &mut Vec<Scored>) {
    // Logarithms decide, which are coarser than probabilities; but a probability that is smaller by a hundred thousandth
    // has a smaller logarithm for sure.
    let mut hopeless = f32::NEG_INFINITY;
    for (label, &probability) in probabilities.iter().enumerate() {
        if probability < wanted.threshold || probability < hopeless {
            continue;
        }
        let score = log(probability);
        let full = best.len() == wanted.labels;
        if full && score < best[0].0 {
            continue;
        }
        heap::push(best, (score, label as u32));
        if full {
            heap::drop_smallest(best);
        }
        if best.len() == wanted.labels {
            let smallest = probabilities[best[0].1 as usize];
            hopeless = smallest - (smallest + 1e-5) * 1e-5;
        }
    }
}

/// Collects the most probable labels by walking down the tree, left before right, where there is hope.
fn descend(tree: &Huffman, output: &Matrix, hidden: &[f32], wanted: Wanted, best: &mut Vec<Scored>) -> Result<()> {
    let floor = log(wanted.threshold);
    let mut open: Vec<(u32, f32)> = tree.root().map(|root| (root, 0.0)).into_iter().collect();
    while let Some((node, score)) = open.pop() {
        let full = best.len() == wanted.labels;
        if score < floor || (full && score < best[0].0) {
            continue;
        }
        let Some((row, [left, right])) = tree.inner(node) else {
            heap::push(best, (score, node));
            if full {
                heap::drop_smallest(best);
            }
            continue;
        };
        let [left_score, right_score] = branch(output, hidden, row, score)?;
        open.push((right, right_score));
        open.push((left, left_score));
    }
    Ok(())
}

/// The scores of both sides below an inner node with this score.
#[inline]
fn branch(output: &Matrix, hidden: &[f32], row: usize, score: f32) -> Result<[f32; 2]> {
    let right = exact_sigmoid(output.dot_row(row, hidden));
    if right.is_nan() {
        return Err(Error::NotANumber);
    }
    Ok([score + log((1.0 - f64::from(right)) as f32), score + log(right)])
}
