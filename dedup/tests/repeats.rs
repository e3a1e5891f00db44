//! Repeats across the corpus, against slow oracles and other programs.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::collections::{HashMap, HashSet};

use support::passes::{Left, left_by};
use support::texts::{corpus, with_ids};
use yuan_dedup::{
    NgramCompat, RepeatedCompat, RepeatedNgrams, RepeatedText, RepeatedUnit, UnitMatching, UnitNormalization,
};
use yuan_pipeline::Pass;

const MEMORY: u64 = 1 << 28;

/// Letters alone, in lower case, digits as 0: for these texts that is what `letters` means.
fn letters(unit: &str) -> String {
    unit.chars()
        .filter(|one| one.is_alphanumeric())
        .map(|one| if one.is_ascii_digit() { '0' } else { one })
        .collect::<String>()
        .to_lowercase()
}

/// Sentences of these texts: each ends in `.` or `。`, a space or line end behind it.
fn sentences(text: &str) -> Vec<&str> {
    text.split_inclusive(['.', '。']).map(str::trim).filter(|sentence| !sentence.is_empty()).collect()
}

/// What is left of each document as lists of units, by counting in memory.
fn naive(texts: &[String], units: impl Fn(&str) -> Vec<String>, least: usize, keep: usize) -> Vec<Vec<String>> {
    let keys: Vec<Vec<Option<String>>> = texts
        .iter()
        .map(|text| units(text).iter().map(|unit| (unit.chars().count() >= least).then(|| letters(unit))).collect())
        .collect();
    let mut documents: HashMap<&str, HashSet<usize>> = HashMap::new();
    for (document, keys) in keys.iter().enumerate() {
        keys.iter().flatten().for_each(|key| {
            documents.entry(key).or_default().insert(document);
        });
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut left = Vec::new();
    for (text, keys) in texts.iter().zip(&keys) {
        let mut kept = Vec::new();
        for (unit, key) in units(text).into_iter().zip(keys) {
            let stays = match key {
                None => true,
                Some(key) if keep == 0 && documents[key.as_str()].len() > 1 => false,
                Some(key) => {
                    let count = seen.entry(key).or_default();
                    *count += 1;
                    *count <= keep.max(1)
                }
            };
            if stays {
                kept.push(unit);
            }
        }
        left.push(kept);
    }
    left
}

fn owned(units: Vec<&str>) -> Vec<String> {
    units.into_iter().map(str::to_owned).collect()
}

#[test]
fn what_is_left_is_what_counting_in_memory_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let texts = corpus(900);
    let documents = with_ids(&texts);
    type Units = fn(&str) -> Vec<String>;
    let lines: Units = |text| owned(text.lines().filter(|line| !line.is_empty()).collect());
    let paragraphs: Units = |text| owned(text.split("\n\n").filter(|part| !part.is_empty()).collect());
    let by_sentence: Units = |text| owned(sentences(text));
    for (unit, units) in
        [(RepeatedUnit::Line, lines), (RepeatedUnit::Paragraph, paragraphs), (RepeatedUnit::Sentence, by_sentence)]
    {
        for (keep_first, min_characters) in [(1, 20), (1, 0), (0, 12), (3, 0)] {
            let config = RepeatedText { unit, keep_first, min_characters, ..RepeatedText::default() };
            let left = left_by(&config, &documents, 7, MEMORY, 2, folder.path());
            let expected = naive(&texts, units, min_characters, keep_first);
            let mut changed = 0;
            for ((document, expected), text) in left.iter().zip(&expected).zip(&texts) {
                match document {
                    Left::Kept(left) => assert_eq!(&units(left), expected, "{unit:?} {keep_first}\n{text}"),
                    Left::Dropped(code) => assert!(*code == "nothing_left" && expected.is_empty(), "{code}"),
                }
                changed += usize::from(expected.len() < units(text).len());
            }
            assert!(changed > 20, "{unit:?}: {changed}");
        }
    }
}

#[test]
fn spans_are_cut_where_any_earlier_document_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut texts = corpus(300);
    for number in (100..300).step_by(7) {
        // A run out of an earlier document.
        let run: Vec<&str> = sentences(&texts[number - 60]).into_iter().take(5).collect();
        let mixed = [&sentences(&texts[number])[..1], &run[..], &sentences(&texts[number])[1..]].concat().join(" ");
        texts[number] = mixed;
    }
    let config =
        RepeatedText { unit: RepeatedUnit::Span, span_sentences: 2, min_characters: 0, ..RepeatedText::default() };
    let left = left_by(&config, &with_ids(&texts), 5, MEMORY, 2, folder.path());
    let mut seen = HashSet::new();
    let mut changed = 0;
    for (left, text) in left.iter().zip(&texts) {
        let all = sentences(text);
        let mut cut = vec![false; all.len()];
        for (at, span) in all.windows(2).enumerate() {
            if !seen.insert((letters(span[0]), letters(span[1]))) {
                cut[at..at + 2].fill(true);
            }
        }
        let expected: Vec<&str> = all.iter().zip(&cut).filter(|(_, cut)| !**cut).map(|(one, _)| *one).collect();
        changed += usize::from(expected.len() < all.len());
        match left {
            Left::Kept(left) => assert_eq!(sentences(left), expected),
            Left::Dropped(_) => assert!(expected.is_empty()),
        }
    }
    assert!(changed > 20, "{changed}");
}

#[test]
fn sentences_that_begin_or_end_alike() {
    let folder = tempfile::tempdir().unwrap();
    let texts = [
        "本公司保留最终解释权，详情请致电客服热线。今天天气很好，我们去公园散步了。",
        "本公司保留最终解释权，如有疑问请联系我们。昨天下雨，所以我们没有去公园散步了。",
        "大家好，今天天气很好，我们去公园散步了。本公司保留最终解释权。",
    ]
    .map(str::to_owned);
    let left = |matching, affix_characters| {
        let config = RepeatedText {
            unit: RepeatedUnit::Sentence,
            matching,
            affix_characters,
            min_characters: 0,
            ..RepeatedText::default()
        };
        let documents = [(0, texts[0].as_str()), (1, texts[1].as_str()), (2, texts[2].as_str())];
        let left = left_by(&config, &documents, 3, MEMORY, 1, folder.path());
        left.into_iter().map(|left| if let Left::Kept(text) = left { text } else { String::new() }).collect::<Vec<_>>()
    };
    use UnitMatching::{PrefixAndSuffix, PrefixOrSuffix};
    // The first ten letters of the first two documents, the last eleven of the first and the third are the same.
    let first = &texts[0];
    assert_eq!(
        left(PrefixOrSuffix, 10),
        [first.as_str(), "昨天下雨，所以我们没有去公园散步了。", "本公司保留最终解释权。"]
            .map(|text| if text.starts_with("本公司保留最终解释权。") { "" } else { text }),
    );
    assert_eq!(left(PrefixOrSuffix, 5)[1], "");
    assert_eq!(left(PrefixAndSuffix, 10), texts.clone());
    assert_eq!(left(PrefixOrSuffix, 18), texts.clone());
}

#[test]
fn paragraphs_that_are_alike() {
    let folder = tempfile::tempdir().unwrap();
    let words = |seed: usize, count: usize| -> Vec<String> {
        (0..count).map(|at| format!("w{}", (seed * 7919 + at * 104_729) % 99_991)).collect()
    };
    // Paragraphs of a hundred words; every fourth is an earlier one with a word changed, every fifth with every fourth word.
    let mut paragraphs: Vec<Vec<String>> = Vec::new();
    for number in 0..400 {
        let mut own = words(number + 1, 100);
        if number > 20 && number % 4 == 0 {
            own.clone_from(&paragraphs[number - 19]);
            own[number % 100] = "changed".into();
        } else if number > 20 && number % 5 == 0 {
            own.clone_from(&paragraphs[number - 18]);
            (0..100).step_by(4).for_each(|at| own[at] = "changed".into());
        }
        paragraphs.push(own);
    }
    let texts: Vec<String> = paragraphs
        .chunks(4)
        .map(|four| four.iter().map(|one| one.join(" ")).collect::<Vec<_>>().join("\n\n"))
        .collect();
    let shingles = |paragraph: &str| -> HashSet<Vec<String>> {
        owned(paragraph.split(' ').collect()).windows(5).map(<[String]>::to_vec).collect()
    };
    let config = RepeatedText {
        unit: RepeatedUnit::Paragraph,
        matching: UnitMatching::Similar,
        bands: 40,
        rows_per_band: 3,
        threshold: 0.7,
        ..RepeatedText::default()
    };
    let documents = with_ids(&texts);
    let left = left_by(&config, &documents, 4, MEMORY, 2, folder.path());
    let mut kept: Vec<HashSet<Vec<String>>> = Vec::new();
    let mut cut = 0;
    for (left, text) in left.iter().zip(&texts) {
        let mut expected = Vec::new();
        for paragraph in text.split("\n\n") {
            let own = shingles(paragraph);
            let jaccard = |other: &HashSet<Vec<String>>| {
                let common = own.intersection(other).count() as f64;
                common / (own.len() as f64 + other.len() as f64 - common)
            };
            if kept.iter().any(|other| jaccard(other) >= 0.7) {
                cut += 1;
            } else {
                kept.push(own);
                expected.push(paragraph);
            }
        }
        match left {
            Left::Kept(left) => assert_eq!(left.split("\n\n").collect::<Vec<_>>(), expected),
            Left::Dropped(_) => assert!(expected.is_empty()),
        }
    }
    assert!(cut > 60, "{cut}");
}

fn passes() -> Vec<(&'static str, Box<dyn Pass>)> {
    let text = |unit, matching| {
        let config = RepeatedText { unit, matching, min_characters: 8, affix_characters: 9, ..RepeatedText::default() };
        Box::new(RepeatedText { min_tokens: 8, threshold: 0.6, bands: 20, rows_per_band: 3, ..config })
    };
    use UnitMatching::{Exact, PrefixOrSuffix, Similar};
    vec![
        ("lines", text(RepeatedUnit::Line, Exact)),
        ("paragraphs", text(RepeatedUnit::Paragraph, Exact)),
        ("sentences", text(RepeatedUnit::Sentence, Exact)),
        ("affixes", text(RepeatedUnit::Sentence, PrefixOrSuffix)),
        ("none kept", Box::new(RepeatedText { keep_first: 0, min_characters: 5, ..RepeatedText::default() })),
        ("alike", text(RepeatedUnit::Paragraph, Similar)),
        ("ccnet", Box::new(RepeatedText { compat: RepeatedCompat::Ccnet, ..RepeatedText::default() })),
        ("spans", text(RepeatedUnit::Span, Exact)),
        ("datatrove", Box::new(RepeatedText { compat: RepeatedCompat::Datatrove, ..RepeatedText::default() })),
        ("n-grams", Box::new(RepeatedNgrams { ngram: 5, threshold: 0.5, ..RepeatedNgrams::default() })),
        ("bff", Box::new(RepeatedNgrams { ngram: 5, compat: NgramCompat::Dclm, ..RepeatedNgrams::default() })),
        ("dolma", Box::new(RepeatedNgrams { ngram: 5, compat: NgramCompat::Dolma, ..RepeatedNgrams::default() })),
    ]
}

#[test]
fn what_is_left_depends_on_neither_units_nor_threads_nor_memory() {
    let folder = tempfile::tempdir().unwrap();
    let texts = corpus(2500);
    let documents = with_ids(&texts);
    for (name, pass) in passes() {
        let expected = left_by(pass.as_ref(), &documents, 1, MEMORY, 1, folder.path());
        assert!(
            expected.iter().zip(&texts).filter(|(left, text)| **left != Left::Kept((*text).clone())).count() > 20,
            "{name}"
        );
        // Ranges are cut at 120 000 bytes, and runs spilled; a filter must fit.
        let little = if ["n-grams", "bff", "dolma"].contains(&name) { 300_000 } else { 120_000 };
        for (units, memory, threads) in [(1, MEMORY, 8), (3, little, 1), (40, MEMORY, 2), (151, little, 3)] {
            let left = left_by(pass.as_ref(), &documents, units, memory, threads, folder.path());
            assert!(left == expected, "{name}: {units} units, {memory} bytes, {threads} threads");
        }
    }
}

#[test]
fn once_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let texts = corpus(1200);
    let documents = with_ids(&texts);
    for (name, pass) in passes() {
        // Sentences that are left may stand together as spans that others have; the order of n-grams put in differs.
        if ["spans", "datatrove", "n-grams", "bff", "dolma"].contains(&name) {
            continue;
        }
        let first = left_by(pass.as_ref(), &documents, 3, MEMORY, 2, folder.path());
        let kept: Vec<(u64, &str)> = documents
            .iter()
            .zip(&first)
            .filter_map(
                |(&(doc_id, _), left)| if let Left::Kept(text) = left { Some((doc_id, text.as_str())) } else { None },
            )
            .collect();
        let again = left_by(pass.as_ref(), &kept, 2, MEMORY, 2, folder.path());
        assert!(kept.iter().zip(&again).all(|((_, text), left)| *left == Left::Kept((*text).into())), "{name}");
    }
}

#[test]
fn a_line_that_fits_no_memory_is_followed_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let line = "A line that everybody has, at the foot of the page";
    let texts: Vec<String> =
        (0..6000).map(|n| format!("Something of its own, number {}{n}\n{line}", "x".repeat(n % 40))).collect();
    let documents = with_ids(&texts);
    for keep_first in [0, 1, 2] {
        let config = RepeatedText { keep_first, normalization: UnitNormalization::None, ..RepeatedText::default() };
        // Room for 1024 records.
        let left = left_by(&config, &documents, 9, 45_000, 1, folder.path());
        for (number, (left, text)) in left.iter().zip(&texts).enumerate() {
            let expected = if number < keep_first { text } else { text.split('\n').next().unwrap() };
            assert_eq!(*left, Left::Kept(expected.into()), "{number}");
        }
    }
}

#[test]
fn a_document_of_which_too_little_is_left_goes() {
    let folder = tempfile::tempdir().unwrap();
    let footer = "This is a footer that many pages of this site have in common.";
    let texts = [
        format!("{footer}\nFirst page, longer than all others by far, to be kept."),
        format!("{footer}\nShort page."),
        footer.to_owned(),
    ];
    let codes = |config: RepeatedText| -> Vec<&'static str> {
        let documents: Vec<(u64, &str)> = (0..).zip(texts.iter().map(String::as_str)).collect();
        left_by(&config, &documents, 2, MEMORY, 1, folder.path())
            .into_iter()
            .map(|left| if let Left::Dropped(code) = left { code } else { "" })
            .collect()
    };
    let config = RepeatedText::default;
    assert_eq!(codes(config()), ["", "", "nothing_left"]);
    let fraction = RepeatedText { min_remaining_fraction: 0.3, ..config() };
    assert_eq!(codes(fraction), ["", "too_small_part_left", "nothing_left"]);
    let characters = RepeatedText { min_remaining_characters: 12, ..config() };
    assert_eq!(codes(characters), ["", "too_few_characters_left", "nothing_left"]);
    let words = RepeatedText { min_remaining_words: 3, ..config() };
    assert_eq!(codes(words), ["", "too_few_words_left", "nothing_left"]);
    let sentences = RepeatedText { min_remaining_sentences: 2, ..config() };
    assert_eq!(codes(sentences), ["", "too_few_sentences_left", "nothing_left"]);
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let text = |config: RepeatedText| config.validate().unwrap_err().to_string();
    let config = RepeatedText::default;
    assert!(config().validate().is_ok());
    assert_eq!(
        text(RepeatedText { span_sentences: 0, ..config() }),
        "`repeated_text`: `span_sentences` is 0, it must be at least 1"
    );
    let similar = || RepeatedText { matching: UnitMatching::Similar, ..config() };
    assert!(text(RepeatedText { unit: RepeatedUnit::Span, ..similar() }).contains("not for spans"));
    assert!(text(RepeatedText { keep_first: 0, ..similar() }).contains("`keep_first` is 0"));
    assert_eq!(text(RepeatedText { bands: 0, ..similar() }), "`repeated_text`: `bands` is 0, it must be at least 1");
    assert!(text(RepeatedText { min_remaining_fraction: 1.5, ..config() }).contains("`min_remaining_fraction` is 1.5"));
}
