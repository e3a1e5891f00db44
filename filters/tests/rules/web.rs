//! Do the web rules agree with the tools that they come from, document by document?
//!
//! `tests/fixtures/rules/*.jsonl.zst` holds what the tools say of documents of the shared corpora; every class of
//! disagreement is named in `tests/fixtures/rules/CONFORMANCE_WEB.md`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use yuan_filters::{
    C4, C4Paragraphs, CasiaCompat, ChineseWebText, DatatroveCompat, DclmCompat, FineWeb, GopherCompat, GopherQuality,
    GopherRepetition, RefinedWebLines,
};

use crate::documents::{Answers, Known, documents};
use crate::judged::{ask, short_hash};

static DOCUMENTS: LazyLock<Vec<Known>> = LazyLock::new(documents);

/// Documents asked about, and disagreements by what was asked.
#[derive(Default)]
struct Tally(BTreeMap<String, [usize; 2]>);

impl Tally {
    fn add(&mut self, what: &str, document: usize, agrees: bool, told: impl FnOnce() -> String) {
        let counts = self.0.entry(what.to_owned()).or_default();
        counts[0] += 1;
        counts[1] += usize::from(!agrees);
        if !agrees && std::env::var_os("SHOW").is_some() {
            println!("{what} {document} {}: {}", DOCUMENTS[document].language, told());
        }
    }

    /// At most so many disagree; what is not named agrees everywhere.
    fn check(&self, allowed: &[(&str, usize)]) {
        for (what, [all, other]) in &self.0 {
            println!("{what}: {all} asked, {other} disagree");
        }
        // Where the shared corpora are not there, only the first documents are asked about.
        for (what, [all, other]) in &self.0 {
            let most = allowed.iter().find(|(name, _)| name == what).map_or(0, |(_, most)| *most);
            assert!(other <= &most, "{what}: {other} of {all} disagree");
        }
    }
}

/// Whether a value is the one that was rounded to five decimals.
fn is_close(ours: f64, theirs: Option<f64>) -> bool {
    theirs.map_or(ours.is_nan() || ours == 0.0, |theirs| (ours - theirs).abs() <= 6e-6)
}

#[test]
fn c4_as_datatrove_has_it() {
    let answers = Answers::of("datatrove");
    let mut tally = Tally::default();
    for (at, Known { language, text, .. }) in DOCUMENTS.iter().take(answers.len()).enumerate() {
        if answers.get(at, "words").is_null() {
            continue;
        }
        for (prefix, drop_unterminated_lines) in [("c4", true), ("c4_no_terminal_punctuation", false)] {
            let rules = C4 { compat: DatatroveCompat::Datatrove, drop_unterminated_lines, ..C4::default() };
            let (values, reason, made) = ask(&rules, text);
            let verdict = answers.get(at, &format!("{prefix}_verdict")).as_str();
            if verdict == Some("ValueError") {
                continue;
            }
            let of = if language == "en" { "English" } else { "other languages" };
            tally.add(&format!("{prefix} verdict, {of}"), at, reason == verdict, || format!("{reason:?} {verdict:?}"));
            if verdict.is_none() && reason.is_none() {
                let theirs = answers.get(at, &format!("{prefix}_text")).as_str().expect("a hash");
                let agrees = short_hash(&made) == theirs || (made.is_empty() && theirs.is_empty());
                tally.add(&format!("{prefix} text"), at, agrees, || made.chars().take(200).collect());
            }
            if reason == verdict && values[1].is_finite() {
                let theirs = answers.number(at, &format!("{prefix}_lines"));
                tally.add(&format!("{prefix} lines"), at, theirs == Some(values[1]), || {
                    format!("{} {theirs:?}", values[1])
                });
            }
        }
        let rules = C4Paragraphs { compat: DatatroveCompat::Datatrove, ..C4Paragraphs::default() };
        let kept = ask(&rules, text).1.is_none();
        tally.add("c4_paragraphs", at, answers.get(at, "c4_paragraphs").as_bool() == Some(kept), String::new);
    }
    tally.check(&[("c4 verdict, other languages", 50), ("c4_no_terminal_punctuation verdict, other languages", 664)]);
}

#[test]
fn fineweb_as_datatrove_has_it() {
    let answers = Answers::of("datatrove");
    let mut tally = Tally::default();
    let known = [
        ("empty", "empty_text"),
        ("line_punct_ratio", "too_few_terminal_lines"),
        ("short_line_ratio", "short_lines"),
        ("char_dup_ratio", "duplicate_lines"),
        ("list_ratio", "too_many_newlines"),
    ];
    let ours = |verdict: Option<&str>| {
        verdict
            .map(|theirs| known.iter().find(|(known, _)| *known == theirs).map_or(theirs, |(_, ours)| ours).to_owned())
    };
    for (at, Known { language, text, .. }) in DOCUMENTS.iter().take(answers.len()).enumerate() {
        if answers.get(at, "words").is_null() {
            continue;
        }
        let rules = FineWeb { compat: DatatroveCompat::Datatrove, ..FineWeb::default() };
        let (values, reason, _) = ask(&rules, text);
        for (place, column) in ["line_punctuation", "short_lines", "duplicate_line_chars"].into_iter().enumerate() {
            let theirs = answers.number(at, &format!("fineweb_{column}"));
            tally.add(column, at, is_close(values[place + 1], theirs), || format!("{} {theirs:?}", values[place + 1]));
        }
        if language == "en" {
            let theirs = answers.number(at, "fineweb_newlines_per_word");
            tally.add("newlines_per_word", at, is_close(values[4], theirs), || format!("{} {theirs:?}", values[4]));
            let verdict = ours(answers.get(at, "fineweb_verdict").as_str());
            tally.add("verdict, English", at, reason.map(str::to_owned) == verdict, || {
                format!("{reason:?} {verdict:?}")
            });
        }
        if language.starts_with("zh") {
            let reason = ask(&FineWeb::default(), text).1.map(str::to_owned);
            let verdict = ours(answers.get(at, "fineweb_verdict_fineweb2_zh").as_str());
            tally.add("ours, Chinese", at, reason == verdict, || format!("{reason:?} {verdict:?}"));
        }
    }
    tally.check(&[("ours, Chinese", 406)]);
}

#[test]
fn line_rules_as_dclm_has_them() {
    let answers = Answers::of("dclm");
    let mut tally = Tally::default();
    let off = RefinedWebLines {
        max_upper_case_fraction: 0.0,
        drop_digit_lines: false,
        drop_counter_lines: false,
        min_line_words: 0,
        max_edge_line_words: 0,
        compat: DclmCompat::Dclm,
        ..RefinedWebLines::default()
    };
    let own = RefinedWebLines { compat: DclmCompat::Dclm, ..RefinedWebLines::default() };
    let alone = [
        ("lines_newline_removal", off.clone()),
        ("lines_uppercase", RefinedWebLines { max_upper_case_fraction: 0.5, ..off.clone() }),
        ("lines_numeric", RefinedWebLines { drop_digit_lines: true, ..off.clone() }),
        ("lines_counter", RefinedWebLines { drop_counter_lines: true, ..off.clone() }),
        ("lines_two_words", RefinedWebLines { min_line_words: 2, ..off }),
        ("refinedweb_lines", own.clone()),
    ];
    for (at, Known { text, .. }) in DOCUMENTS.iter().take(answers.len()).enumerate() {
        for (column, rules) in &alone {
            // Newlines go in all of ours.
            if text.contains("\n\n\n") && !matches!(*column, "lines_newline_removal" | "refinedweb_lines") {
                continue;
            }
            let made = ask(rules, text).2;
            let theirs = match answers.get(at, column).as_str() {
                None => short_hash(text),
                Some("") => short_hash(""),
                Some(hash) => hash.to_owned(),
            };
            tally.add(column, at, short_hash(&made) == theirs, || {
                format!("{:?}", made.chars().take(300).collect::<String>())
            });
        }
        let (values, reason, _) = ask(&own, text);
        let removed = answers.number(at, "words_removed");
        if removed.is_some() {
            tally.add("words removed", at, is_close(values[2], removed), || format!("{} {removed:?}", values[2]));
        }
        let kept = answers.get(at, "refinedweb").as_bool() == Some(true);
        tally.add("kept", at, reason.is_none() == kept, || format!("{reason:?} {removed:?}"));
    }
    tally.check(&[]);
}

#[test]
fn gopher_as_dclm_has_it() {
    let answers = Answers::of("dclm");
    let mut tally = Tally::default();
    let reasons = [
        ("page_length", "too_few_words too_many_words"),
        ("word_length", "short_words long_words"),
        ("symbol_ratio", "too_many_symbols"),
        ("bullet_count", "bullet_lines"),
        ("ellipsis_count", "ellipsis_lines"),
        ("alphabetic_word_ratio", "too_few_alphabetic_words"),
        ("stop_word", "too_few_stop_words"),
    ];
    for (at, Known { text, .. }) in DOCUMENTS.iter().take(answers.len()).enumerate() {
        let rules = GopherQuality { compat: GopherCompat::Dclm, ..GopherQuality::default() };
        let (values, reason, _) = ask(&rules, text);
        let number = |column| answers.number(at, column);
        let lines = number("lines").unwrap_or_default().max(1.0);
        let expected = [
            (0, "words", number("words")),
            (1, "mean_word_length", number("mean_word_length")),
            (2, "symbol_ratio", number("symbol_ratio")),
            (4, "bullet_lines", number("bullet_lines").map(|count| count / lines)),
            (5, "ellipsis_lines", number("ellipsis_lines").map(|count| count / lines)),
            (6, "alphabetic", number("non_alphabetic_words").map(|fraction| 1.0 - fraction)),
        ];
        for (place, column, theirs) in expected {
            let agrees = theirs.is_none() || is_close(values[place], theirs);
            tally.add(column, at, agrees, || format!("{} {theirs:?}", values[place]));
        }
        let verdict = answers.get(at, "quality").as_str();
        let theirs = verdict.map(|theirs| reasons.iter().find(|(known, _)| *known == theirs).expect("a known one").1);
        let agrees = match (reason, theirs) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => theirs.contains(ours),
            _ => false,
        };
        tally.add("quality", at, agrees, || format!("{reason:?} {verdict:?}"));

        let rules = GopherRepetition { compat: GopherCompat::Dclm, ..GopherRepetition::default() };
        let (values, reason, _) = ask(&rules, text);
        let columns = ["paragraph", "paragraph_chars", "line", "line_chars"].map(str::to_owned).into_iter();
        for (place, column) in columns.chain((2..=10).map(|n| format!("{n}_gram"))).enumerate() {
            let theirs = answers.number(at, &column);
            // With one line or paragraph nothing is compared; ours is 0 there as well.
            tally.add(&column, at, is_close(values[place + 1], theirs), || format!("{} {theirs:?}", values[place + 1]));
        }
        let kept = answers.get(at, "repetition").as_bool() == Some(true);
        tally.add("repetition", at, reason.is_none() == kept, || format!("{reason:?} {kept}"));
    }
    tally.check(&[]);
}

#[test]
fn gopher_as_dolma_has_it() {
    let answers = Answers::of("dolma");
    let mut tally = Tally::default();
    for (at, Known { text, .. }) in DOCUMENTS.iter().take(answers.len()).enumerate() {
        let rules = GopherQuality { compat: GopherCompat::Dolma, ..GopherQuality::default() };
        let quality = ask(&rules, text).0;
        let rules = GopherRepetition { compat: GopherCompat::Dolma, ..GopherRepetition::default() };
        let repetition = ask(&rules, text).0;
        let columns = [
            (quality[0], "word_count".to_owned()),
            (quality[1], "median_word_length".to_owned()),
            (quality[2], "symbol_to_word_ratio".to_owned()),
            (quality[4], "fraction_of_lines_starting_with_bullet_point".to_owned()),
            (quality[5], "fraction_of_lines_ending_with_ellipsis".to_owned()),
            (quality[6], "fraction_of_words_with_alpha_character".to_owned()),
            (quality[7], "required_word_count".to_owned()),
            (repetition[3], "fraction_of_duplicate_lines".to_owned()),
            (repetition[4], "fraction_of_characters_in_duplicate_lines".to_owned()),
        ];
        let grams = (2..=10).map(|n| {
            let kind = if n <= 4 { "most_common" } else { "duplicate" };
            (repetition[n + 3], format!("fraction_of_characters_in_{kind}_{n}grams"))
        });
        for (ours, column) in columns.into_iter().chain(grams) {
            let theirs = answers.number(at, &column);
            tally.add(&column, at, is_close(ours, theirs), || format!("{ours} {theirs:?}"));
        }
    }
    tally.check(&[]);
}

#[test]
fn chinese_web_text_as_its_program_has_it() {
    let answers = Answers::of("chinesewebtext");
    let mut tally = Tally::default();
    let rules = ChineseWebText { compat: CasiaCompat::Casia, ..ChineseWebText::default() };
    for (at, Known { text, .. }) in DOCUMENTS.iter().take(answers.len()).enumerate() {
        let Some(verdict) = answers.get(at, "verdict").as_str() else { continue };
        let (values, reason, _) = ask(&rules, text);
        for (place, column) in [(1, "chars_per_line"), (2, "han_fraction"), (5, "repeated_13_grams")] {
            let theirs = answers.number(at, column);
            tally.add(column, at, is_close(values[place], theirs), || format!("{} {theirs:?}", values[place]));
        }
        let theirs = answers.number(at, "changed_by_simplifying") == Some(1.0);
        tally.add("traditional", at, (values[3] > 0.0) == theirs, || format!("{} {theirs}", values[3]));
        let folder = match reason {
            None => "remain",
            Some("too_short" | "short_lines") => "length",
            Some("too_few_han" | "traditional_chinese") => "character",
            Some(_) => "duplication",
        };
        // The list of words is not ours.
        if verdict != "sensitive" {
            tally.add("verdict", at, folder == verdict, || format!("{folder} {verdict}"));
        }
    }
    tally.check(&[("traditional", 113), ("verdict", 107)]);
}
