//! The smallest set of likeliest tokens that holds a share of the probability, without sorting the vocabulary.

use std::cmp::Ordering;

use super::Kept;

/// Tokens sorted at first; eight times as many if they do not hold the share.
const FIRST: usize = 128;

/// Keeps the tokens before which, from the likeliest on, at most `share` of the probability lies: the first always, and
/// the one that passes the share (Holtzman et al. 2020, arXiv:1904.09751). Tokens equally likely come in order of id.
///
/// `tokens` are in order of id, before and after; their probabilities need not sum to 1. Time is linear unless thousands
/// of tokens make up the share.
pub fn keep_share(tokens: &mut Vec<Kept>, share: f64) {
    let enough = share * tokens.iter().map(|token| token.probability).sum::<f64>();
    let mut sorted = 0;
    let mut before = 0.0;
    let mut kept = 0;
    while sorted < tokens.len() {
        let next = (sorted * 8).clamp(FIRST, usize::MAX).min(tokens.len());
        let rest = &mut tokens[sorted..];
        let count = next - sorted;
        if count < rest.len() {
            rest.select_nth_unstable_by(count - 1, likelier);
        }
        rest[..count].sort_unstable_by(likelier);
        sorted = next;
        while kept < sorted && before <= enough {
            before += tokens[kept].probability;
            kept += 1;
        }
        if kept < sorted {
            break;
        }
    }
    tokens.truncate(kept);
    tokens.sort_unstable_by_key(|token| token.id);
}

/// Likelier tokens first, then lower ids.
fn likelier(a: &Kept, b: &Kept) -> Ordering {
    b.probability.total_cmp(&a.probability).then(a.id.cmp(&b.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sorting everything.
    fn slowly(mut tokens: Vec<Kept>, share: f64) -> Vec<Kept> {
        let enough = share * tokens.iter().map(|token| token.probability).sum::<f64>();
        tokens.sort_by(likelier);
        let mut before = 0.0;
        tokens.retain(|token| {
            let keep = before <= enough;
            before += token.probability;
            keep
        });
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    #[test]
    fn as_by_sorting() {
        for (size, flatness) in [(1, 1.0), (127, 9.0), (128, 0.1), (129, 50.0), (5_000, 3.0), (20_000, 2_000.0)] {
            let tokens: Vec<Kept> = (0..size)
                .map(|id| Kept { id, probability: (-f64::from(id * 7919 % size / 3) / flatness).exp() })
                .collect();
            for share in [1e-9, 0.1, 0.5, 0.9, 0.999] {
                let mut kept = tokens.clone();
                keep_share(&mut kept, share);
                assert_eq!(kept, slowly(tokens.clone(), share), "{share} of {size}");
            }
        }
    }

    #[test]
    fn ties_to_the_lowest_id() {
        let mut tokens: Vec<Kept> = (0..1000).map(|id| Kept { id, probability: 1.0 }).collect();
        keep_share(&mut tokens, 0.2995);
        assert_eq!(tokens.iter().map(|token| token.id).collect::<Vec<_>>(), (0..300).collect::<Vec<_>>());
    }
}
