//! How many real documents each stage keeps, language by language.
//!
//! `SHOW_RATIOS=1 cargo test -p yuan-filters --test rules thresholds -- --nocapture` prints the tables of
//! `tests/fixtures/rules/THRESHOLDS_RATIOS.md`.

use std::collections::BTreeMap;

use yuan_filters::{DataJuicer, PolyLm, Roots, Yayi2};
use yuan_pipeline::{Finding, Rules};

use crate::documents::{Known, all};
use crate::judged::Judge;

const LANGUAGES: [&str; 18] =
    ["zh", "en", "ru", "es", "fr", "pt", "de", "it", "nl", "pl", "ar", "tr", "he", "ja", "ko", "th", "vi", "id"];

/// What a document is to be: edited prose and manuals are clean; comments, spam and pages with their boilerplate are not.
fn is_clean(known: &Known) -> Option<bool> {
    match known.file.as_str() {
        "docs/mix_webdata_samples" => None,
        file if file.starts_with("docs/") || file.starts_with("lang/") => Some(true),
        "web/articles_zyte" | "web/newspaper_pages" => None,
        file if file.starts_with("quality/") => known.label,
        _ => Some(false),
    }
}

type Findings = Vec<(&'static str, f64, bool)>;

/// Every check of a document, taken for one of this language.
type Judging = Box<dyn FnMut(&Known, &str) -> Vec<Finding>>;

fn judging(rules: impl Rules + 'static) -> Judging {
    let mut judge = Judge::new(rules);
    Box::new(move |known, code| judge.findings(&known.text, code))
}

fn judged(stage: &mut Judging, known: &Known, code: &str) -> Findings {
    stage(known, code).into_iter().map(|found| (found.rule, found.value, found.drops)).collect()
}

fn quantile(sorted: &[f64], at: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * at).round() as usize]
}

#[test]
fn clean_documents_of_every_language_stay() {
    let Some(documents) = all() else { return };
    let show = std::env::var("SHOW_RATIOS").is_ok();
    let mut stages: [(&str, Judging); 4] = [
        ("roots", judging(Roots::default())),
        ("data_juicer", judging(DataJuicer::default())),
        ("polylm", judging(PolyLm::default())),
        ("yayi2", judging(Yayi2::default())),
    ];
    let mut failures = Vec::new();
    for (name, stage) in &mut stages {
        for code in LANGUAGES {
            let of_language = documents.iter().filter(|known| known.language.split('-').next() == Some(code));
            let (mut clean, mut other): (Vec<Findings>, Vec<Findings>) = (Vec::new(), Vec::new());
            for known in of_language {
                match is_clean(known) {
                    Some(true) if known.text.chars().count() >= 100 => clean.push(judged(stage, known, code)),
                    Some(false) => other.push(judged(stage, known, code)),
                    _ => {}
                }
            }
            let dropped = |all: &[Findings]| all.iter().filter(|findings| findings.iter().any(|found| found.2)).count();
            let kept = 1.0 - dropped(&clean) as f64 / clean.len().max(1) as f64;
            if show {
                println!(
                    "| {name} | {code} | {} | {:.2} | {} | {:.1} |",
                    clean.len(),
                    100.0 * kept,
                    other.len(),
                    100.0 * dropped(&other) as f64 / other.len().max(1) as f64
                );
                tell(&clean, &other);
            }
            if kept < 0.97 {
                failures.push(format!(
                    "{name} keeps {:.2} % of {} clean documents of {code}",
                    100.0 * kept,
                    clean.len()
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Categories of YAYI 2 and the corpora that are of one.
const CATEGORIES: [(&str, &[&str]); 5] = [
    ("encyclopaedia", &["docs/zh_wikiqa", "docs/zh_oiwiki", "docs/en_wikitext2", "docs/multi_osguide"]),
    ("qa", &["docs/zh_medqa"]),
    ("news", &["docs/zh_lctt", "docs/en_nltk"]),
    ("books", &["docs/zh_novels", "docs/zh_classical", "docs/en_books", "docs/zh_laws", "docs/zh_d2l", "docs/en_d2l"]),
    (
        "code",
        &[
            "docs/en_cppdocs",
            "docs/en_powershell",
            "docs/en_peps",
            "docs/en_rustrfcs",
            "docs/en_eips",
            "docs/zh_paddle",
            "docs/zh_pydocs",
            "docs/zh_tidb",
            "docs/zh_vue",
            "docs/zh_react",
            "docs/multi_otel",
            "docs/multi_yii2",
        ],
    ),
];

/// `DERIVE_RATIOS=1`: prints the thresholds with which nearly all clean documents stay, for
/// `tests/oracle/ratio_thresholds.py`, which writes them into `filters/data/built_in_ratios.json`.
#[test]
fn thresholds_for_clean_documents() {
    if std::env::var("DERIVE_RATIOS").is_err() {
        return;
    }
    let Some(documents) = all() else { return };
    let yayi2: Yayi2 =
        toml::from_str("max_unfinished_line_fraction = 2.0\nmax_chars_per_mark = 1e9").expect("settings");
    let mut stages: [(&str, Judging); 4] = [
        ("roots", judging(Roots::default())),
        ("data_juicer", judging(DataJuicer::default())),
        ("polylm", judging(PolyLm::default())),
        ("yayi2", judging(yayi2)),
    ];
    let clean = |known: &&Known| is_clean(known) == Some(true) && known.text.chars().count() >= 100;
    for (name, stage) in &mut stages {
        for code in LANGUAGES {
            let chosen: Vec<&Known> =
                documents.iter().filter(clean).filter(|known| known.language.split('-').next() == Some(code)).collect();
            derive(name, code, stage, &chosen);
        }
    }
    for (category, files) in CATEGORIES {
        for code in ["zh", "other"] {
            let of = |known: &&Known| {
                files.contains(&known.file.as_str()) && (code == "zh") == known.language.starts_with("zh")
            };
            let chosen: Vec<&Known> = documents.iter().filter(clean).filter(of).collect();
            derive(&format!("yayi2 {category}"), code, &mut stages[3].1, &chosen);
        }
    }
}

/// Prints for each check the value that all but a few documents keep to: so few that 97.5 % keep to all of them.
fn derive(name: &str, code: &str, stage: &mut Judging, documents: &[&Known]) {
    let column = |known: &Known| if code == "other" { known.language.clone() } else { code.to_owned() };
    let all: Vec<_> = documents.iter().map(|known| stage(known, &column(known))).collect();
    let mut values: BTreeMap<&str, (bool, Vec<f64>)> = BTreeMap::new();
    for finding in all.iter().flatten() {
        values.entry(finding.rule).or_insert((finding.at_least, Vec::new())).1.push(finding.value);
    }
    values.values_mut().for_each(|(_, values)| values.sort_by(f64::total_cmp));
    for part in [0.99, 0.992, 0.994, 0.996, 0.997, 0.998, 0.999, 1.0] {
        let part_of = |rule: &str, at_least: bool| match at_least {
            false => part,
            // One document of fifty may be a table or a poem, without which the check would be off.
            true if rule == "too_few_stop_words" => 0.02,
            true => 1.0 - part,
        };
        let thresholds: BTreeMap<&str, f64> = values
            .iter()
            .map(|(rule, (at_least, values))| (*rule, quantile(values, part_of(rule, *at_least))))
            .collect();
        let fails = |finding: &Finding| {
            // These two are off by default, and on only for this.
            let is_off = matches!(finding.rule, "unfinished_lines" | "too_few_marks");
            let own = if is_off { f64::NEG_INFINITY } else { finding.threshold };
            let derived = thresholds[finding.rule];
            if finding.at_least { finding.value < own.min(derived) } else { finding.value > own.max(derived) }
        };
        let kept = all.iter().filter(|findings| !findings.iter().any(fails)).count();
        if kept as f64 >= 0.975 * all.len() as f64 || part == 1.0 {
            for (rule, value) in thresholds {
                println!("derived\t{name}\t{code}\t{rule}\t{}\t{value}\t{part}\t{}", values[rule].0, all.len());
            }
            return;
        }
    }
}

/// The quantiles of each measure, and how many documents each check drops.
fn tell(clean: &[Findings], other: &[Findings]) {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut drops: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (which, all) in [clean, other].into_iter().enumerate() {
        for &(rule, value, dropped) in all.iter().flatten() {
            drops.entry(rule).or_default()[which] += usize::from(dropped);
            if which == 0 {
                values.entry(rule).or_default().push(value);
            }
        }
    }
    for (rule, mut values) in values {
        values.sort_by(f64::total_cmp);
        let at =
            [0.0, 0.003, 0.01, 0.03, 0.5, 0.97, 0.99, 0.997, 1.0].map(|at| format!("{:.4}", quantile(&values, at)));
        println!("    {rule:28} {} drops {:?}", at.join(" "), drops[rule]);
    }
}
