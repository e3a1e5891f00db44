//! Pages of one template are no copies of each other; pages in which a number changed are.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::fmt::Write;

use support::run;
use yuan_dedup::{Digits, Linkage, Minhash, Similarity};

const MEMORY: u64 = 1 << 28;
const TOWNS: usize = 40;

/// A forecast: 400 words, or 800 Chinese characters, that are the template's, and twelve numbers that are the town's own.
fn forecast(town: usize, language: &str) -> String {
    let mut number = town as u64 * 7919 + 13;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        number >> 33
    };
    let word = |at: usize| -> String {
        let mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let letter = |shift: u32| char::from(b'a' + (mixed >> shift) as u8 % 26);
        let han = |shift: u32| char::from_u32(0x4e00 + (mixed >> shift) as u32 % 5000).unwrap();
        match language {
            "en" => (0..6).map(|place| letter(8 + 8 * place)).chain([' ']).collect(),
            _ => [han(11), han(37)].iter().collect(),
        }
    };
    let mut text = String::from(if language == "en" { "radio " } else { "radio广播" });
    for part in 0..12 {
        (0..33).for_each(|at| text += &word(part * 33 + at));
        write!(text, "{} ", next() % 97).unwrap();
    }
    text
}

fn dropped(config: &Minhash, texts: &[String]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let documents: Vec<(u64, &str)> = texts.iter().zip(0..).map(|(text, id)| (id, text.as_str())).collect();
    run(config, &documents, 3, MEMORY, 2, folder.path()).dropped.len()
}

#[test]
fn pages_of_one_template_stay_and_copies_of_them_go() {
    for language in ["en", "zh"] {
        let towns: Vec<String> = (0..TOWNS).map(|town| forecast(town, language)).collect();
        for linkage in [Linkage::Star, Linkage::Components] {
            for similarity in [Similarity::Jaccard, Similarity::Containment] {
                let config = Minhash { linkage, similarity, min_number_agreement: 0.5, ..Minhash::default() };
                assert_eq!(dropped(&config, &towns), 0, "{config:?}");
                // Each once more with a word changed and a number more.
                let again = towns.iter().map(|text| text.replacen("radio", "television", 1) + "2017");
                let all: Vec<String> = towns.iter().cloned().chain(again).collect();
                assert_eq!(dropped(&config, &all), TOWNS, "{config:?}");
            }
        }
        let compares_none = Minhash { min_number_agreement: 0.0, ..Minhash::default() };
        assert!(dropped(&compares_none, &towns) > TOWNS / 2, "the words alone are alike");
        let masked = Minhash { digits: Digits::Mask, ..Minhash::default() };
        assert_eq!(dropped(&masked, &towns), TOWNS - 1);
        // Twelve numbers are too few to ask.
        let more = Minhash { min_numbers: 13, min_number_agreement: 0.5, ..Minhash::default() };
        assert_eq!(dropped(&more, &towns), dropped(&compares_none, &towns));
    }
}

#[test]
fn the_number_agreement_is_a_part() {
    let refused = Minhash { min_number_agreement: 1.5, ..Minhash::default() }.validate().unwrap_err().to_string();
    assert!(refused.contains("`min_number_agreement` is 1.5"), "{refused}");
    let refused = Minhash { min_number_agreement: 0.9, threshold: 0.0, ..Minhash::default() }.validate();
    assert!(refused.unwrap_err().to_string().contains("`min_number_agreement` and `index` need a threshold"));
    Minhash { min_number_agreement: 0.0, threshold: 0.0, digits: Digits::Mask, ..Minhash::default() }
        .validate()
        .unwrap();
}
