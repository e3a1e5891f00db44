//! The output layer: probabilities of tokens without all logits in memory.

use super::Cuda;
use super::array::Array;
use super::driver::{Arg, Driver, Grid};
use crate::backend::Scored;
use crate::batch::check_ids;
use crate::{DType, Result};

/// Rows whose logits are in memory at once.
const ROWS: usize = 2048;
/// Tokens whose logits are: with so many rows 32 MiB, which stay in the cache of a large GPU until they are read.
const PART: usize = 4096;

impl<D: Driver> Cuda<D> {
    /// How well each row predicts its token, from fp32 logits whatever the type of the weights.
    pub(super) fn predict(&self, x: &Array<D>, head: &Array<D>, ids: &[u32]) -> Result<Vec<Scored>> {
        check_ids(ids, head.rows)?;
        let sent = self.send(ids, u32::to_le_bytes)?;
        // Maximum, sum of powers and own logit of each row.
        let running = self.driver.allocate(ids.len() * 12)?;
        let room = self.array_of(ROWS.min(ids.len()), PART.min(head.rows), DType::F32)?;
        for start in (0..ids.len()).step_by(ROWS) {
            let len = ROWS.min(ids.len() - start);
            for first in (0..head.rows).step_by(PART) {
                let logits = Array { columns: PART.min(head.rows - first), rows: len, ..room.clone() };
                self.product(x, (start, len), head, first, &logits, 0)?;
                let args = [
                    Arg::Address(D::address(&running) + 12 * start as u64),
                    logits.arg(),
                    Arg::Address(D::address(&sent) + 4 * start as u64),
                    Arg::Int(logits.columns as u32),
                    Arg::Int(first as u32),
                    Arg::Int(u32::from(first == 0)),
                ];
                self.launch("score_part", Grid::of(len), &args)?;
            }
        }
        let numbers = self.fetch(&running, ids.len() * 3, f32::from_le_bytes)?;
        let score = |[max, sum, own]: &[f32; 3]| Scored {
            log_prob: (f64::from(*own) - f64::from(*max) - libm::log(f64::from(*sum))) as f32,
            is_greedy: own >= max,
        };
        Ok(numbers.as_chunks().0.iter().map(score).collect())
    }

    /// Logits of all rows, `[rows, vocab]`.
    pub(super) fn all_logits(&self, x: &Array<D>, head: &Array<D>) -> Result<Vec<f32>> {
        /// Rows whose logits are on the device at once.
        const ROWS: usize = 256;
        let mut all = Vec::with_capacity(x.rows * head.rows);
        for start in (0..x.rows).step_by(ROWS) {
            let logits = self.array_of(ROWS.min(x.rows - start), head.rows, DType::F32)?;
            self.product(x, (start, logits.rows), head, 0, &logits, 0)?;
            all.extend(self.numbers(&logits)?);
        }
        Ok(all)
    }
}
