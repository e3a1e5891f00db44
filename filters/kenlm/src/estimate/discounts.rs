//! Counts of counts, and the discounts that they give.

use super::options::EstimateOptions;
use crate::error::{Error, Result};

/// What was counted for one order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OrderStatistics {
    /// N-grams of this order in the text; the unigrams include the three special words.
    pub ngrams: u64,
    /// Those that pruning left.
    pub kept: u64,
    /// How many have an adjusted count of 1, 2, 3 and 4.
    pub counts_of_counts: [u64; 4],
    /// What is taken off the adjusted counts 1, 2, and 3 or more.
    pub discounts: [f32; 3],
    /// Whether `discounts` are the fallback, since the text gave none.
    pub fell_back: bool,
}

impl OrderStatistics {
    #[inline]
    pub(crate) fn add(&mut self, adjusted_count: u64, pruned: bool) {
        self.ngrams += 1;
        self.kept += u64::from(!pruned);
        if (1..=4).contains(&adjusted_count) {
            self.counts_of_counts[adjusted_count as usize - 1] += 1;
        }
    }

    pub(crate) fn add_all(&mut self, other: &OrderStatistics) {
        self.ngrams += other.ngrams;
        self.kept += other.kept;
        for (to, from) in self.counts_of_counts.iter_mut().zip(other.counts_of_counts) {
            *to += from;
        }
    }

    /// Sets the discounts of n-grams of length `order`.
    pub(crate) fn set_discounts(&mut self, order: usize, options: &EstimateOptions) -> Result<()> {
        match (self.closed_form(order), options.discount_fallback) {
            (Ok(discounts), _) => self.discounts = discounts,
            (Err(_), Some(fallback)) => {
                self.discounts = fallback;
                self.fell_back = true;
            }
            (Err(reason), None) => return Err(Error::Corpus { reason }),
        }
        Ok(())
    }

    /// Equation 26 of Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling" (1998),
    /// in single precision and in the order of operations that `lmplz` has.
    fn closed_form(&self, order: usize) -> std::result::Result<[f32; 3], String> {
        let n = self.counts_of_counts;
        let way_out = "take repeated lines out of the text, add text, lower `order`, or give `discount_fallback` \
                       (0.5 1 1.5 is usual; class-based models need it)";
        if let Some(missing) = (0..3).find(|&index| n[index] == 0) {
            return Err(format!(
                "cannot compute Kneser-Ney discounts for {order}-grams: none has the adjusted count {}, so the text \
                 is small, repeated or artificial; {way_out}",
                missing + 1
            ));
        }
        let y = n[0] as f32 / (n[0] as f64 + 2.0 * n[1] as f64) as f32;
        let mut discounts = [0.0; 3];
        for (index, discount) in discounts.iter_mut().enumerate() {
            let count = (index + 1) as f32;
            *discount = count - (count + 1.0) * y * n[index + 1] as f32 / n[index] as f32;
            if !(0.0..=count).contains(discount) {
                return Err(format!(
                    "the Kneser-Ney discount for {order}-grams with the adjusted count {count} is {discount}, which is \
                     not from 0 to {count}, so the counts are not those of natural text; {way_out}"
                ));
            }
        }
        Ok(discounts)
    }
}

/// Takes the discount off a count.
#[inline]
pub(crate) fn discounted(count: u64, discounts: &[f32; 3]) -> f32 {
    match count {
        0 => 0.0,
        _ => count as f32 - discounts[(count.min(3) - 1) as usize],
    }
}
