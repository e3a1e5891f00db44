//! How many tokens of what a phase wants.
//!
//! Pure sums over sizes: tokens by source and [group of languages](super::slice::Groups) go in, targets come out.

use super::recipe::{By, Phase, Source};
use super::slice::Groups;
use super::stretch::Size;
use crate::Result;
use crate::mix::recipe::wrong;

/// Most tokens of a phase: up to 2⁵³ shares are exact.
const MOST_TOKENS: f64 = 9_007_199_254_740_992.0;

/// Sizes or targets, by source and group: `[sources][groups]`.
pub(super) type Table<T> = Vec<Vec<T>>;

/// The targets of a phase in tokens; their sum is what its recipe asks for, but for languages that are not there.
///
/// # Errors
/// If what it fixes exceeds its tokens, nothing is left to share, or its shares go to sources without a document.
pub(super) fn targets(
    place: usize,
    phase: &Phase,
    sources: &[Source],
    groups: &Groups,
    sizes: &Table<Size>,
) -> Result<Table<u64>> {
    let at = |setting: &str, problem: String| {
        wrong(format!("phase.{place}.{setting}"), format!("phase `{}`: {problem}", phase.name))
    };
    let mut wanted: Table<f64> = vec![vec![0.0; groups.names.len()]; sources.len()];
    let plain = phase.tokens.is_none() && phase.epochs.is_empty() && phase.budgets.is_empty();
    let mut fixed = 0.0;
    for (number, source) in sources.iter().enumerate() {
        let tokens: u64 = sizes[number].iter().map(|size| size.tokens).sum();
        let budget = phase.budgets.get(&source.name).map(|budget| *budget as f64 / tokens as f64);
        let times = phase.epochs.get(&source.name).copied().or(budget).or(plain.then_some(1.0));
        for (wanted, size) in wanted[number].iter_mut().zip(&sizes[number]) {
            *wanted = size.tokens as f64 * times.unwrap_or(0.0);
            fixed += *wanted;
        }
    }
    if let Some(tokens) = phase.tokens {
        let left = tokens as f64 - fixed;
        if left < -0.5 {
            let problem = format!("`epochs` and `budgets` come to {fixed:.0} tokens, `tokens` is {tokens}");
            return Err(at("tokens", problem).hinting("raise `tokens`, or leave it out"));
        }
        if left >= 0.5 {
            let shares = shares(phase, sources, groups, sizes);
            if shares.iter().flatten().all(|share| *share == 0.0) {
                let problem = format!("no source is left to give {left:.0} of its {tokens} tokens");
                return Err(at("tokens", problem).hinting("give a source a share, or leave `tokens` out"));
            }
            let cells = wanted.iter_mut().flatten().zip(shares.iter().flatten());
            cells.for_each(|(wanted, share)| *wanted += share * left);
        }
    }
    let sum: f64 = wanted.iter().flatten().sum();
    if sum > MOST_TOKENS {
        return Err(at("name", format!("it asks for {sum:e} tokens, more than can be counted")));
    }
    Ok(whole(&wanted))
}

/// What of the free tokens goes where. They sum to 1, or less if a language that has a share is not there.
fn shares(phase: &Phase, sources: &[Source], groups: &Groups, sizes: &Table<Size>) -> Table<f64> {
    let alpha = phase.alpha.unwrap_or(1.0);
    let by_language = phase.by == By::Language;
    let size = |source: usize, group: usize| sizes[source][group].tokens as f64;
    let all = 0..groups.names.len();
    // What a source weighs that has so many tokens.
    let weight = |source: usize, tokens: f64| {
        let name = &sources[source].name;
        if tokens == 0.0 || phase.epochs.contains_key(name) || phase.budgets.contains_key(name) {
            0.0
        } else if !phase.weights.is_empty() {
            phase.weights.get(name).copied().unwrap_or(0.0)
        } else {
            tokens.powf(if by_language { 1.0 } else { alpha })
        }
    };
    // Parts of the phase that are shared by themselves: share of the whole, and the groups.
    let parts: Vec<(f64, Vec<usize>)> = if !phase.languages.is_empty() {
        let sum: f64 = phase.languages.values().sum();
        let of = |key: &String| all.clone().filter(|group| groups.key_in(*group, phase) == Some(key)).collect();
        phase.languages.iter().map(|(key, share)| (share / sum, of(key))).collect()
    } else if by_language {
        let of = |group: usize| {
            let takes_part = |source: &usize| weight(*source, size(*source, group)) > 0.0;
            let tokens: f64 = (0..sources.len()).filter(takes_part).map(|source| size(source, group)).sum();
            if tokens > 0.0 { tokens.powf(alpha) } else { 0.0 }
        };
        let weights: Vec<f64> = all.map(of).collect();
        let sum: f64 = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        weights.iter().enumerate().map(|(group, weight)| (weight / sum, vec![group])).collect()
    } else {
        vec![(1.0, all.collect())]
    };
    let mut shares = vec![vec![0.0; groups.names.len()]; sources.len()];
    for (share, groups) in parts {
        let tokens: Vec<f64> =
            (0..sources.len()).map(|source| groups.iter().map(|group| size(source, *group)).sum()).collect();
        let sum: f64 = tokens.iter().enumerate().map(|(source, tokens)| weight(source, *tokens)).sum();
        for (source, tokens) in tokens.iter().enumerate() {
            let of_source = weight(source, *tokens);
            if share > 0.0 && of_source > 0.0 {
                for group in &groups {
                    shares[source][*group] += share * of_source / sum * size(source, *group) / tokens;
                }
            }
        }
    }
    shares
}

/// Whole numbers whose sums, from the first on, are nowhere off by more than a half.
fn whole(wanted: &Table<f64>) -> Table<u64> {
    let (mut sum, mut given) = (0.0, 0_u64);
    let mut next = |wanted: &f64| {
        sum += wanted;
        let of = (sum.round() as u64).saturating_sub(given);
        given += of;
        of
    };
    wanted.iter().map(|of| of.iter().map(&mut next).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sources: 900 tokens of `en` and 100 of `zh`; 200 of `zh`.
    fn targets_of(settings: impl FnOnce(&mut Phase)) -> Result<Table<u64>> {
        let mut phase = Phase { name: "p".into(), tokens: Some(1_000), ..Phase::default() };
        settings(&mut phase);
        let source = |name: &str| Source { name: name.into(), ..Source::default() };
        let groups = Groups {
            names: vec!["en".into(), "zh".into()],
            of_language: [("en".to_owned(), 0), ("zh".to_owned(), 1)].into(),
        };
        let size = |tokens| Size { documents: 1, tokens, longest: tokens };
        let sizes = vec![vec![size(900), size(100)], vec![size(0), size(200)]];
        targets(0, &phase, &[source("web"), source("books")], &groups, &sizes)
    }

    fn of(names: &[(&str, f64)]) -> std::collections::BTreeMap<String, f64> {
        names.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
    }

    #[test]
    fn shares_are_by_weight_size_language_and_alpha() {
        let ok = |settings: &dyn Fn(&mut Phase)| targets_of(|phase| settings(phase)).unwrap();
        assert_eq!(ok(&|_| ()), [[750, 83], [0, 167]], "as large as they are");
        assert_eq!(ok(&|phase| phase.tokens = None), [[900, 100], [0, 200]], "once");
        assert_eq!(ok(&|phase| phase.weights = of(&[("web", 1.0), ("books", 1.0)])), [[450, 50], [0, 500]]);
        assert_eq!(ok(&|phase| phase.weights = of(&[("books", 7.0)])), [[0, 0], [0, 1_000]]);
        assert_eq!(ok(&|phase| phase.alpha = Some(0.0)), [[450, 50], [0, 500]]);
        // 1000^0.5 : 200^0.5 = 31.62 : 14.14.
        assert_eq!(ok(&|phase| phase.alpha = Some(0.5)), [[622, 69], [0, 309]]);
        assert_eq!(ok(&|phase| phase.languages = of(&[("zh", 0.6), ("*", 0.4)])), [[400, 200], [0, 400]]);
        let by_both = ok(&|phase| {
            phase.languages = of(&[("zh", 6.0), ("en", 4.0)]);
            phase.weights = of(&[("web", 1.0), ("books", 3.0)]);
        });
        assert_eq!(by_both, [[400, 150], [0, 450]]);
        // 900^0.3 : 300^0.3 = 7.696 : 5.535.
        let by_language = ok(&|phase| (phase.alpha, phase.by) = (Some(0.3), By::Language));
        assert_eq!(by_language, [[582, 139], [0, 279]]);
    }

    #[test]
    fn what_is_fixed_goes_first() {
        let ok = |settings: &dyn Fn(&mut Phase)| targets_of(|phase| settings(phase)).unwrap();
        let fixed = ok(&|phase| phase.epochs = of(&[("books", 2.5)]));
        assert_eq!(fixed, [[450, 50], [0, 500]]);
        let only_fixed = ok(&|phase| {
            phase.tokens = None;
            phase.budgets = [("web".to_owned(), 500)].into();
        });
        assert_eq!(only_fixed, [[450, 50], [0, 0]]);
        let too_much = targets_of(|phase| phase.epochs = of(&[("books", 6.0)])).unwrap_err().to_string();
        assert_eq!(too_much, "phase `p`: `epochs` and `budgets` come to 1200 tokens, `tokens` is 1000");
        let too_little =
            targets_of(|phase| phase.epochs = of(&[("books", 2.0), ("web", 0.1)])).unwrap_err().to_string();
        assert_eq!(too_little, "phase `p`: no source is left to give 500 of its 1000 tokens");
        let endless = targets_of(|phase| (phase.tokens, phase.epochs) = (None, of(&[("books", 1e300)]))).unwrap_err();
        assert_eq!(endless.to_string(), "phase `p`: it asks for 2e302 tokens, more than can be counted");
    }

    #[test]
    fn the_share_of_a_language_that_is_not_there_stays_empty() {
        let table = targets_of(|phase| phase.languages = of(&[("zh", 0.5), ("fr", 0.5)])).unwrap();
        assert_eq!(table, [[0, 167], [0, 333]]);
    }
}
