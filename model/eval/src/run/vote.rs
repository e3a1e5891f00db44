//! Which of several answers counts, and how often programs pass.

/// The text whose answer counts: the first with the answer that most have. A text without an answer has no vote, unless all have none.
pub(super) fn vote<'a>(answers: impl Iterator<Item = Option<&'a str>>) -> usize {
    let answers: Vec<Option<&str>> = answers.collect();
    let votes = |place: &usize| {
        answers.iter().filter(|answer| answers[*place].is_some() && **answer == answers[*place]).count()
    };
    let most = (0..answers.len()).map(|place| votes(&place)).max();
    (0..answers.len()).find(|place| Some(votes(place)) == most).unwrap_or(0)
}

/// The chance that one of `k` programs passes, estimated without bias from `samples` of which `passed` do (Chen et al. 2021,
/// arXiv:2107.03374): 1 − C(n−c, k) / C(n, k).
pub(super) fn pass_at(samples: usize, passed: usize, k: usize) -> f64 {
    if samples - passed < k {
        return 1.0;
    }
    1.0 - (samples - passed + 1..=samples).map(|n| 1.0 - k as f64 / n as f64).product::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_votes_count_and_of_equals_the_first() {
        let of = |answers: &[Option<&str>]| vote(answers.iter().copied());
        assert_eq!(of(&[Some("1"), Some("2"), Some("2")]), 1);
        assert_eq!(of(&[Some("1"), Some("2")]), 0);
        assert_eq!(of(&[None, None, Some("3")]), 2, "no answer is no vote");
        assert_eq!((of(&[None, None]), of(&[])), (0, 0));
    }

    #[test]
    fn passes_are_estimated_without_bias() {
        // C(n−c, k) / C(n, k), counted.
        let choose = |n: usize, k: usize| (0..k).fold(1.0, |product, i| product * (n - i) as f64 / (i + 1) as f64);
        for (n, c, k) in [(10, 3, 1), (10, 3, 5), (200, 20, 100), (5, 0, 3), (5, 5, 1), (5, 3, 3)] {
            let expected = if n - c < k { 1.0 } else { 1.0 - choose(n - c, k) / choose(n, k) };
            assert!((pass_at(n, c, k) - expected).abs() < 1e-12, "{n} {c} {k}");
        }
    }
}
