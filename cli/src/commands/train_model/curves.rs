//! The steps of a training as the points of its curves: a bounded number of them, however many steps there are.

use std::collections::VecDeque;

use yuan_train::training::{RouterLine, StepLine};

/// Points of a curve, and at most twice as many.
const POINTS: usize = 600;
/// The steps whose loss is told as that of now.
const RECENT: usize = 50;

/// What is drawn of a step.
#[derive(Clone, Copy)]
pub enum Value {
    Step,
    Loss,
    LearningRate,
    GradientNorm,
    Speed,
    Evenness,
    LeastEven,
    Busiest,
    BusiestOfAll,
}

const VALUES: usize = Value::BusiestOfAll as usize + 1;

/// Steps, in their order: a point is the mean of as many as are at once.
#[derive(Default)]
pub struct Curves {
    points: Vec<[f64; VALUES]>,
    at_once: u64,
    /// Sums of the steps that do not make a point yet.
    open: [f64; VALUES],
    waiting: u64,
    steps: u64,
    recent: VecDeque<f64>,
    last: Option<StepLine>,
}

impl Curves {
    /// Adds the next step.
    pub fn add(&mut self, step: &StepLine) {
        self.at_once = self.at_once.max(1);
        self.open.iter_mut().zip(values(step)).for_each(|(sum, value)| *sum += value);
        self.waiting += 1;
        if self.waiting == self.at_once {
            self.points.push(self.open.map(|sum| sum / self.at_once as f64));
            (self.open, self.waiting) = ([0.0; VALUES], 0);
        }
        if self.points.len() == 2 * POINTS {
            let mean = |pair: &[[f64; VALUES]]| std::array::from_fn(|value| (pair[0][value] + pair[1][value]) / 2.0);
            self.points = self.points.chunks_exact(2).map(mean).collect();
            self.at_once *= 2;
        }
        self.steps += 1;
        self.recent.push_back(step.loss);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        self.last = Some(step.clone());
    }

    /// How many steps there are.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The last step.
    pub fn last(&self) -> Option<&StepLine> {
        self.last.as_ref()
    }

    /// The mean loss of the last steps, and how many these are.
    pub fn recent(&self) -> (f64, usize) {
        (self.recent.iter().sum::<f64>() / self.recent.len().max(1) as f64, self.recent.len())
    }

    /// A value over steps.
    pub fn of(&self, value: Value) -> Vec<(f64, f64)> {
        let open = self.open.map(|sum| sum / self.waiting as f64);
        let all = self.points.iter().chain((self.waiting > 0).then_some(&open));
        all.map(|point| (point[Value::Step as usize], point[value as usize])).collect()
    }
}

/// The values of a step, in their order.
fn values(step: &StepLine) -> [f64; VALUES] {
    let routers = &step.routers;
    let mean = |of: fn(&RouterLine) -> f64| routers.iter().map(of).sum::<f64>() / routers.len().max(1) as f64;
    [
        step.step as f64,
        step.loss,
        step.learning_rate,
        step.gradient_norm,
        step.tokens_per_second,
        mean(|router| router.evenness),
        routers.iter().map(|router| router.evenness).fold(1.0, f64::min),
        mean(|router| router.busiest),
        routers.iter().map(|router| router.busiest).fold(1.0, f64::max),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u64) -> StepLine {
        let router = |evenness: f64| RouterLine { evenness, busiest: 2.0 - evenness, entropy: 1.0 };
        StepLine {
            step: number,
            tokens: number,
            loss: (number % 2) as f64,
            balance: 0.0,
            learning_rate: 1e-3,
            gradient_norm: 1.0,
            clipped: false,
            tokens_per_second: 10.0,
            seconds: 1.0,
            routers: vec![router(0.75), router(0.25)],
        }
    }

    #[test]
    fn many_steps_become_means() {
        let mut curves = Curves::default();
        assert!(curves.of(Value::Loss).is_empty() && curves.last().is_none());
        let mut known = 0;
        for number in 1..=10_000 {
            curves.add(&step(number));
            known = known.max(curves.of(Value::Loss).len());
        }
        assert!(known <= 2 * POINTS);
        let loss = curves.of(Value::Loss);
        // 10,000 steps are 625 points of 16.
        assert_eq!((loss.len(), loss[0], loss[624]), (625, (8.5, 0.5), (9992.5, 0.5)));
        assert_eq!((curves.of(Value::Evenness)[3].1, curves.of(Value::LeastEven)[3].1), (0.5, 0.25));
        assert_eq!((curves.of(Value::Busiest)[3].1, curves.of(Value::BusiestOfAll)[3].1), (1.5, 1.75));
        assert_eq!((curves.recent(), curves.steps()), ((0.5, 50), 10_000));
        curves.add(&step(10_001));
        assert_eq!(curves.of(Value::Loss).last(), Some(&(10_001.0, 1.0)));
    }
}
