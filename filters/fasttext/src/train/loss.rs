//! The output layers: from a hidden vector and a label to steps of output rows.

use super::access::Access;
use super::exponential::exponentials;
use super::kernels::Level;
use crate::libstdcxx::random::MinStdRand;
use crate::{Args, Error, Huffman, Loss, Result, Sigmoid};

/// An output layer with what it looks up; shared by all workers.
pub(super) struct OutputLayer {
    sigmoid: Sigmoid,
    logarithm: Vec<f32>,
    labels: usize,
    columns: usize,
    kind: Kind,
}

enum Kind {
    Softmax,
    OneVsAll,
    /// Labels in shares of the square root of their counts, and how many are drawn.
    Negatives(Vec<u32>, usize),
    Tree(Huffman),
}

/// Length of the table that negatives are drawn from; rounding makes it a little longer.
const NEGATIVES: f32 = 10_000_000.0;

/// What a worker needs while it trains on an example.
pub(super) struct Scratch {
    pub level: Level,
    pub hidden: Vec<f32>,
    pub gradient: Vec<f32>,
    generator: MinStdRand,
    scores: Vec<f32>,
    rows: Vec<u32>,
    turns: Vec<bool>,
}

impl Scratch {
    /// A number below `count`.
    pub(super) fn draw(&mut self, count: usize) -> usize {
        self.generator.uniform_int(count as u64 - 1) as usize
    }
}

impl OutputLayer {
    /// The layer for labels that were seen so often and vectors of `columns` elements.
    ///
    /// # Errors
    /// [`Error::NothingToLearn`] with fewer than two labels that were ever seen; [`Error::Malformed`] for counts that make no tree.
    pub(super) fn new(args: &Args, label_counts: &[i64]) -> Result<Self> {
        if label_counts.iter().filter(|count| **count > 0).count() < 2 {
            let problem = "fewer than two labels were seen in training".into();
            return Err(Error::NothingToLearn { problem });
        }
        let kind = match args.loss {
            Loss::Softmax => Kind::Softmax,
            Loss::Ova => Kind::OneVsAll,
            Loss::Ns => Kind::Negatives(negative_table(label_counts), args.neg.max(0) as usize),
            Loss::Hs => Kind::Tree(Huffman::new(label_counts.iter().copied())?),
        };
        Ok(OutputLayer {
            sigmoid: Sigmoid::new(),
            logarithm: logarithm_table(),
            labels: label_counts.len(),
            columns: args.dim as usize,
            kind,
        })
    }

    /// What a worker needs to train with this layer; its random numbers start from `seed`.
    pub(super) fn scratch(&self, seed: i64) -> Scratch {
        Scratch {
            level: Level::detect(),
            hidden: vec![0.0; self.columns],
            gradient: vec![0.0; self.columns],
            generator: MinStdRand::new(seed),
            scores: vec![0.0; self.labels],
            rows: Vec::new(),
            turns: Vec::new(),
        }
    }

    /// Whether each example has to do with all labels.
    pub(super) fn takes_all_labels(&self) -> bool {
        matches!(self.kind, Kind::Softmax | Kind::OneVsAll)
    }

    /// Whether an example with several labels is trained on all of them, not on one that is drawn.
    pub(super) fn takes_all_targets(&self) -> bool {
        matches!(self.kind, Kind::OneVsAll)
    }

    /// Moves the output rows towards `targets` with the learning rate `rate`, and adds up in `scratch.gradient` what the hidden vector
    /// should change by. All losses but one-vs-all look at the first target only. Returns the loss before.
    ///
    /// # Errors
    /// [`Error::Diverged`] when a score is NaN.
    pub(super) fn update(
        &self,
        access: &mut impl Access,
        targets: &[u32],
        rate: f32,
        scratch: &mut Scratch,
    ) -> Result<f32> {
        match &self.kind {
            Kind::Softmax => self.softmax(access, targets[0] as usize, rate, scratch),
            Kind::OneVsAll => self.one_vs_all(access, targets, rate, scratch),
            Kind::Negatives(table, count) => self.negatives(access, table, *count, targets[0], rate, scratch),
            Kind::Tree(tree) => self.tree(access, tree, targets[0], rate, scratch),
        }
    }

    fn softmax(&self, access: &mut impl Access, target: usize, rate: f32, scratch: &mut Scratch) -> Result<f32> {
        let Scratch { level, hidden, gradient, scores, .. } = scratch;
        access.scores(hidden, scores);
        check(scores)?;
        let greatest = scores.iter().fold(f32::NEG_INFINITY, |greatest, &score| greatest.max(score));
        scores.iter_mut().for_each(|score| *score -= greatest);
        exponentials(*level, scores);
        let sum = scores.iter().fold(0.0, |sum, score| sum + score);
        scores.iter_mut().for_each(|score| *score /= sum);
        let probability = scores[target];
        for (label, score) in scores.iter_mut().enumerate() {
            *score = rate * (f32::from(u8::from(label == target)) - *score);
        }
        access.step_all(scores, hidden, gradient);
        Ok(-self.log(probability))
    }

    fn one_vs_all(&self, access: &mut impl Access, targets: &[u32], rate: f32, scratch: &mut Scratch) -> Result<f32> {
        let Scratch { hidden, gradient, scores, .. } = scratch;
        access.scores(hidden, scores);
        check(scores)?;
        let mut loss = 0.0;
        for (label, score) in scores.iter_mut().enumerate() {
            let wanted = targets.contains(&(label as u32));
            *score = self.binary(*score, wanted, rate, &mut loss);
        }
        access.step_all(scores, hidden, gradient);
        Ok(loss)
    }

    fn negatives(
        &self,
        access: &mut impl Access,
        table: &[u32],
        count: usize,
        target: u32,
        rate: f32,
        scratch: &mut Scratch,
    ) -> Result<f32> {
        let Scratch { hidden, gradient, generator, rows, scores, .. } = scratch;
        rows.clear();
        rows.push(target);
        while rows.len() <= count {
            let label = table[generator.uniform_int(table.len() as u64 - 1) as usize];
            if label != target {
                rows.push(label);
            }
        }
        scores.resize(rows.len().max(scores.len()), 0.0);
        access.scores_of(rows, hidden, scores);
        let mut loss = 0.0;
        for (index, &row) in rows.iter().enumerate() {
            if rows[..index].contains(&row) {
                // An earlier step has moved this row.
                access.scores_of(&[row], hidden, &mut scores[index..=index]);
            }
            check(&scores[index..=index])?;
            let step = self.binary(scores[index], index == 0, rate, &mut loss);
            access.step_row(row as usize, step, hidden, gradient);
        }
        Ok(loss)
    }

    fn tree(
        &self,
        access: &mut impl Access,
        tree: &Huffman,
        target: u32,
        rate: f32,
        scratch: &mut Scratch,
    ) -> Result<f32> {
        let Scratch { hidden, gradient, rows, turns, scores, .. } = scratch;
        rows.clear();
        turns.clear();
        for (row, right) in tree.path(target) {
            rows.push(row as u32);
            turns.push(right);
        }
        scores.resize(rows.len().max(scores.len()), 0.0);
        access.scores_of(rows, hidden, scores);
        check(&scores[..rows.len()])?;
        let mut loss = 0.0;
        for ((&row, &right), &score) in rows.iter().zip(turns.iter()).zip(scores.iter()) {
            let step = self.binary(score, right, rate, &mut loss);
            access.step_row(row as usize, step, hidden, gradient);
        }
        Ok(loss)
    }

    /// The natural logarithm of a probability at the step of the table at or below it.
    fn log(&self, probability: f32) -> f32 {
        if probability > 1.0 { 0.0 } else { self.logarithm[(probability * LOGARITHM_STEPS as f32) as usize] }
    }

    /// The step of a row with this score, whose answer should be yes or no; its loss is added to `loss`.
    fn binary(&self, score: f32, wanted: bool, rate: f32, loss: &mut f32) -> f32 {
        let probability = self.sigmoid.of(score);
        *loss -= self.log(if wanted { probability } else { 1.0 - probability });
        rate * (f32::from(u8::from(wanted)) - probability)
    }
}

/// Steps of the table of logarithms.
const LOGARITHM_STEPS: usize = 512;

/// Logarithms as coarse as fastText's, for the loss that is reported.
fn logarithm_table() -> Vec<f32> {
    let argument = |step: usize| ((step as f64 + 1e-5) / LOGARITHM_STEPS as f64) as f32;
    (0..=LOGARITHM_STEPS).map(|step| argument(step).ln()).collect()
}

fn check(scores: &[f32]) -> Result<()> {
    if scores.iter().any(|score| score.is_nan()) { Err(Error::Diverged) } else { Ok(()) }
}

/// Each label as often as its share of the sum of square roots of counts, in the order of labels.
fn negative_table(counts: &[i64]) -> Vec<u32> {
    let root = |count: i64| (count as f64).powf(0.5);
    let sum = counts.iter().fold(0.0_f32, |sum, &count| (f64::from(sum) + root(count)) as f32);
    let mut table = Vec::new();
    for (label, &count) in counts.iter().enumerate() {
        let share = root(count) as f32 * NEGATIVES / sum;
        let mut filled = 0_u64;
        while (filled as f32) < share {
            table.push(label as u32);
            filled += 1;
        }
    }
    table
}
