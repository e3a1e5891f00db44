//! Repeated n-grams, against a set in the place of the filter and cases by hand.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::collections::HashSet;

use support::passes::{Left, left_by};
use support::texts::{corpus, with_ids};
use yuan_dedup::{NgramCompat, NgramRemoval, RepeatedNgrams};

const MEMORY: u64 = 1 << 28;

/// DCLM's rule with a set in the place of the filter.
fn naive_bff(texts: &[String], ngram: usize, threshold: f64) -> Vec<Option<String>> {
    let mut seen: HashSet<Vec<&str>> = HashSet::new();
    let mut left = Vec::new();
    for text in texts {
        let mut starts: Vec<usize> = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at));
        starts.push(text.len());
        let (mut kept, mut all, mut all_seen) = (String::new(), 0.0, 0.0);
        for window in starts.windows(2) {
            let paragraph = &text[window[0]..window[1]];
            // Words of these texts, and the full stop, which UAX #29 cuts off; a Han character is a word.
            let mut words: Vec<&str> = Vec::new();
            for run in paragraph.split_whitespace() {
                let mut start = 0;
                for (at, one) in run.char_indices() {
                    if one == '.' || !one.is_ascii() {
                        words.extend((at > start).then(|| &run[start..at]));
                        words.push(&run[at..at + one.len_utf8()]);
                        start = at + one.len_utf8();
                    }
                }
                words.extend((start < run.len()).then(|| &run[start..]));
            }
            let grams: Vec<Vec<&str>> = words.windows(ngram).map(<[&str]>::to_vec).collect();
            let found = grams.iter().filter(|gram| seen.contains(*gram)).count() as f64;
            all += grams.len() as f64;
            all_seen += found;
            if found / grams.len() as f64 > threshold {
                continue;
            }
            kept.push_str(paragraph);
            seen.extend(grams);
        }
        let goes = all_seen / all > threshold || kept.trim().is_empty();
        left.push((!goes).then_some(kept));
    }
    left
}

#[test]
fn the_filter_does_what_a_set_would() {
    let folder = tempfile::tempdir().unwrap();
    let texts = corpus(1500);
    let documents = with_ids(&texts);
    for threshold in [0.3, 0.8] {
        // So few false positives that there is none.
        let config = RepeatedNgrams {
            ngram: 5,
            threshold,
            false_positive_rate: 1e-9,
            compat: NgramCompat::Dclm,
            ..RepeatedNgrams::default()
        };
        let left = left_by(&config, &documents, 4, MEMORY, 2, folder.path());
        let mut changed = 0;
        for ((left, expected), text) in left.iter().zip(naive_bff(&texts, 5, threshold)).zip(&texts) {
            changed += usize::from(expected.as_ref() != Some(text));
            match left {
                Left::Kept(left) => assert_eq!(Some(left), expected.as_ref()),
                Left::Dropped(_) => assert_eq!(expected, None),
            }
        }
        assert!(changed > 300, "{changed}");
    }
}

#[test]
fn cases_of_bff_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b, c) = ("a b c d e f", "g h i j k l", "m n o p q r");
    // Three 4-grams in six words.
    let config = |compat, remove| RepeatedNgrams {
        ngram: 4,
        remove,
        compat,
        false_positive_rate: 1e-9,
        ..RepeatedNgrams::default()
    };
    let left = |config: RepeatedNgrams, texts: &[String]| -> Vec<Option<String>> {
        let documents: Vec<(u64, &str)> = (0..).zip(texts.iter().map(String::as_str)).collect();
        let left = left_by(&config, &documents, 2, MEMORY, 1, folder.path());
        left.into_iter().map(|left| if let Left::Kept(text) = left { Some(text) } else { None }).collect()
    };
    let texts = [format!("{a}\n{b}"), format!("{c}\n{a}"), format!("{a}\n{b}"), format!("{a}\nx")];
    let kept = |text: &str| Some(text.to_owned());
    // The second has half of its n-grams seen: its line goes with the line end before it. The last is short but for what goes.
    let both = left(config(NgramCompat::Dclm, NgramRemoval::Both), &texts);
    assert_eq!(both, [kept(&texts[0]), kept(c), None, None]);
    let paragraphs = left(config(NgramCompat::Dclm, NgramRemoval::Paragraphs), &texts);
    assert_eq!(paragraphs, [kept(&texts[0]), kept(c), None, kept("\nx")]);
    let documents = left(config(NgramCompat::Dclm, NgramRemoval::Documents), &texts);
    assert_eq!(documents, [kept(&texts[0]), kept(&texts[1]), None, None]);
    // A line twice in one document: the second time all is seen.
    let own = left(config(NgramCompat::None, NgramRemoval::Both), &[format!("{a}\n{b}\n{a}\n")]);
    assert_eq!(own, [kept(&format!("{a}\n{b}"))]);
    // At the threshold itself nothing goes: four of five.
    let exactly = left(
        config(NgramCompat::Dclm, NgramRemoval::Both),
        &["1 2 3 4 5 6 7".to_owned(), "1 2 3 4 5 6 7 8".to_owned(), "2 3 4 5 6 7 8 9 0".to_owned()],
    );
    assert_eq!(exactly[1], kept("1 2 3 4 5 6 7 8"));
    // Case and marks count for DCLM alone.
    let spelt = [a.to_owned(), a.to_uppercase()];
    assert_eq!(left(config(NgramCompat::Dclm, NgramRemoval::Both), &spelt)[1], kept(&spelt[1]));
    assert_eq!(left(config(NgramCompat::None, NgramRemoval::Both), &spelt)[1], None);
}

#[test]
fn a_filter_that_does_not_fit_says_which_rate_would() {
    let folder = tempfile::tempdir().unwrap();
    let texts = corpus(300);
    let documents = with_ids(&texts);
    let config = RepeatedNgrams { expected_ngrams: 1_000_000, ..RepeatedNgrams::default() };
    let error = support::passes::try_reduce(&config, &documents, 2, 600_000, folder.path()).unwrap_err();
    assert!(error.to_string().contains("a filter of 1000000 n-grams with 0.01 false positives takes"), "{error}");
    let hint = error.hint().unwrap();
    let rate: f64 = hint.rsplit("to ").next().and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap();
    assert!((0.05..0.2).contains(&rate), "{hint}");
    let achievable = RepeatedNgrams { false_positive_rate: rate, ..config };
    support::passes::try_reduce(&achievable, &documents, 2, 600_000, folder.path()).unwrap();
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let ngrams = |config: RepeatedNgrams| config.validate().unwrap_err().to_string();
    let config = RepeatedNgrams::default;
    assert_eq!(
        ngrams(RepeatedNgrams { ngram: 0, ..config() }),
        "`repeated_ngrams`: `ngram` is 0, it must be at least 1"
    );
    assert!(ngrams(RepeatedNgrams { false_positive_rate: 0.0, ..config() }).contains("more than 0"));
}
