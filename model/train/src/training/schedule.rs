//! The learning rate of each step.

/// How the learning rate falls from its peak, reached at the end of the warm-up, to its floor at the last step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Along half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983).
    #[default]
    Cosine,
    /// Along a line.
    Linear,
    /// Not at all.
    Constant,
    /// Not at all up to the last steps, then as 1 − √x (Hägele et al. 2024, arXiv:2405.18392).
    Wsd {
        /// How many steps are the last ones.
        decay_steps: u64,
    },
}

/// The learning rates of a run. Source: `OptimizerParamScheduler.get_lr` of megatron-core 0.16.1, asked after the step it is of:
/// the first step learns, and the last one with the floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f64,
    /// The last rate, but for [`Shape::Constant`].
    pub floor: f64,
    /// Steps over which the rate grows to the peak, in equal steps from 0.
    pub warmup: u64,
    /// Steps of the run.
    pub steps: u64,
    /// How it falls.
    pub shape: Shape,
}

impl Schedule {
    /// The rate of a step, from 1; of one behind the last, the last one's.
    pub fn rate(&self, step: u64) -> f64 {
        if step <= self.warmup {
            return self.peak * step as f64 / self.warmup as f64;
        }
        let decay = |first: u64| {
            let (done, all) = (step.min(self.steps).saturating_sub(first), self.steps.saturating_sub(first));
            if all == 0 { 1.0 } else { done as f64 / all as f64 }
        };
        let share = match self.shape {
            Shape::Constant => return self.peak,
            Shape::Linear => 1.0 - decay(self.warmup),
            Shape::Cosine => 0.5 * (libm::cos(std::f64::consts::PI * decay(self.warmup)) + 1.0),
            Shape::Wsd { decay_steps } => {
                let first = self.steps.saturating_sub(decay_steps).max(self.warmup);
                if step <= first { 1.0 } else { 1.0 - decay(first).sqrt() }
            }
        };
        self.floor + share * (self.peak - self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [u64; 11] = [1, 5, 10, 11, 40, 55, 70, 71, 85, 99, 100];

    fn assert_rates(shape: Shape, expected: [f64; 11]) {
        let schedule = Schedule { peak: 3e-3, floor: 3e-4, warmup: 10, steps: 100, shape };
        for (step, expected) in STEPS.into_iter().zip(expected) {
            let rate = schedule.rate(step);
            assert!((rate - expected).abs() < 1e-15, "{shape:?}, step {step}: {rate} and {expected}");
        }
        assert_eq!(schedule.rate(200), schedule.rate(100));
    }

    /// `OptimizerParamScheduler(init_lr=0, max_lr=3e-3, min_lr=3e-4, lr_warmup_steps=10, lr_decay_steps=100)` of megatron-core
    /// 0.16.1, after each of [`STEPS`]; the cosine is that of torch's `LambdaLR` too.
    #[test]
    fn rates_are_megatrons() {
        let up = [0.00030000000000000003, 0.0015, 0.003];
        let behind = |rest: [f64; 8]| {
            let mut all = [0.0; 11];
            all[..3].copy_from_slice(&up);
            all[3..].copy_from_slice(&rest);
            all
        };
        assert_rates(
            Shape::Cosine,
            behind([
                0.0029991776164757793,
                0.002325,
                0.00165,
                0.0009750000000000004,
                0.0009346089932851735,
                0.00048086570489100773,
                0.0003008223835242207,
                0.0003,
            ]),
        );
        assert_rates(
            Shape::Linear,
            behind([0.00297, 0.0021000000000000003, 0.00165, 0.0012000000000000001, 0.00117, 0.00075, 0.00033, 0.0003]),
        );
        assert_rates(Shape::Constant, behind([0.003; 8]));
        assert_rates(
            Shape::Wsd { decay_steps: 30 },
            behind([
                0.003,
                0.003,
                0.003,
                0.003,
                0.0025070496982453508,
                0.0010908116907963215,
                0.0003453813833245274,
                0.0003,
            ]),
        );
    }

    #[test]
    fn a_run_of_nothing_but_warm_up_or_without_it_has_rates() {
        let schedule = Schedule { peak: 1.0, floor: 0.1, warmup: 0, steps: 2, shape: Shape::Cosine };
        assert_eq!([schedule.rate(1), schedule.rate(2)], [0.55, 0.1]);
        let schedule = Schedule { warmup: 4, steps: 4, ..schedule };
        assert_eq!([schedule.rate(2), schedule.rate(4), schedule.rate(5)], [0.5, 1.0, 0.1]);
        let schedule = Schedule { shape: Shape::Wsd { decay_steps: 9 }, warmup: 1, ..schedule };
        assert_eq!([schedule.rate(1), schedule.rate(4)], [1.0, 0.1]);
    }
}
