//! What the word lists do to real text: `cargo test --release --test lists corpora -- --nocapture` prints the tables of
//! `tests/fixtures/lists/MEASUREMENTS.md`. Needs the shared corpora beside the project; says so without them.

use yuan_filters::{Advertising, BadWords, BadWordsConfig, Language, Toxicity, ToxicityConfig, Words};
use yuan_pipeline::{Batch, Stage};

use crate::support::unpack;

/// A labelled document.
struct Row {
    text: String,
    label: String,
}

fn corpus(name: &str) -> Option<Vec<Row>> {
    let text = unpack(&crate::support::corpora()?.join(name));
    let field = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = text.lines().map(|line| serde_json::from_str(line).expect("a record"));
    Some(rows.map(|row| Row { text: field(&row, "text"), label: field(&row, "label") }).collect())
}

/// The reason of each row, or none.
fn reasons(stage: &impl Stage, rows: &[&Row]) -> Vec<Option<&'static str>> {
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let batch = stage.process(Batch::of_texts(&texts)).expect("judged");
    (0..batch.rows()).map(|row| batch.reason(row).map(|reason| reason.code)).collect()
}

/// The stages at their defaults, or with the settings that `TOXICITY` and `BAD_WORDS` give as JSON.
fn stages() -> (Toxicity, BadWords) {
    let settings = |name: &str| std::env::var(name).unwrap_or_else(|_| "{}".into());
    let toxicity: ToxicityConfig = serde_json::from_str(&settings("TOXICITY")).expect("settings of toxicity");
    let bad_words: BadWordsConfig = serde_json::from_str(&settings("BAD_WORDS")).expect("settings of bad_words");
    (toxicity.build().expect("built"), bad_words.build().expect("built"))
}

const LABELLED: [(&str, &[&str]); 3] = [
    ("web/noisy/en_davidson_tweets.jsonl.zst", &["offensive", "hate"]),
    ("web/noisy/zh_cold_offensive.jsonl.zst", &["offensive"]),
    ("web/noisy/en_sms_spam.jsonl.zst", &["spam"]),
];

#[test]
fn labelled_sets() {
    let (toxicity, bad_words) = stages();
    for (name, bad) in LABELLED {
        let Some(rows) = corpus(name) else { return println!("no shared corpora: nothing measured") };
        // Thresholds and lists were tuned on even rows; odd rows are reported.
        for (half, parity) in [("tuned on", 0), ("held out", 1)] {
            let rows: Vec<&Row> = rows.iter().skip(parity).step_by(2).collect();
            for (stage, reasons) in [("toxicity", reasons(&toxicity, &rows)), ("bad_words", reasons(&bad_words, &rows))]
            {
                let is_bad = |row: &Row| bad.contains(&row.label.as_str());
                let all_bad = rows.iter().filter(|row| is_bad(row)).count();
                let dropped = reasons.iter().filter(|reason| reason.is_some()).count();
                let pairs = rows.iter().zip(&reasons);
                let right = pairs.filter(|(row, reason)| reason.is_some() && is_bad(row)).count();
                let (precision, recall) = (right as f64 / dropped.max(1) as f64, right as f64 / all_bad as f64);
                let mut wrong = std::collections::BTreeMap::new();
                let pairs = rows.iter().zip(&reasons).filter(|(row, _)| !is_bad(row));
                pairs.filter_map(|(_, reason)| *reason).for_each(|reason| *wrong.entry(reason).or_insert(0) += 1);
                let rows = rows.len();
                let counts = format!("{rows} | {all_bad} | {dropped} | {precision:.3} | {recall:.3} | {wrong:?}");
                println!("| {name} | {half} | {stage} | {counts} |");
            }
        }
    }
}

#[test]
fn clean_documents_stay() {
    let (toxicity, bad_words) = stages();
    let names = [
        "en_nltk",
        "en_books",
        "en_peps",
        "en_cppdocs",
        "en_wikitext2",
        "zh_laws",
        "zh_medqa",
        "zh_novels",
        "zh_lctt",
        "zh_wikiqa",
        "zh_poetry",
        "multi_otel",
        "multi_osguide",
        "multi_yii2",
    ];
    for name in names {
        let Some(rows) = corpus(&format!("docs/{name}.jsonl.zst")) else { return };
        let rows: Vec<&Row> = rows.iter().collect();
        for (stage, reasons) in [("toxicity", reasons(&toxicity, &rows)), ("bad_words", reasons(&bad_words, &rows))] {
            let mut counts = std::collections::BTreeMap::new();
            reasons.iter().flatten().for_each(|reason| *counts.entry(*reason).or_insert(0) += 1);
            let dropped = counts.values().sum::<usize>();
            let share = dropped as f64 / rows.len() as f64;
            println!("| {name} | {stage} | {} | {dropped} | {share:.4} | {counts:?} |", rows.len());
            assert!(share < 0.01, "{name}: {stage} drops {dropped} of {}", rows.len());
            if std::env::var_os("SHOW_DROPPED").is_some() {
                for (row, reason) in rows.iter().zip(&reasons).filter(|(_, reason)| reason.is_some()).take(3) {
                    println!("  {reason:?}: {:?}", row.text.chars().take(300).collect::<String>());
                }
            }
        }
    }
}

#[test]
fn good_snippets_stay() {
    let (toxicity, bad_words) = stages();
    for name in ["quality/quality_en", "quality/quality_zh"] {
        let Some(rows) = corpus(&format!("{name}.jsonl.zst")) else { return };
        for label in ["high", "low"] {
            let rows: Vec<&Row> = rows.iter().filter(|row| row.label == label).collect();
            let dropped = |stage: &dyn Fn(&[&Row]) -> Vec<Option<&'static str>>| stage(&rows).iter().flatten().count();
            let counts = [dropped(&|rows| reasons(&toxicity, rows)), dropped(&|rows| reasons(&bad_words, rows))];
            println!("| {name} | {label} | {} | {} | {} |", rows.len(), counts[0], counts[1]);
            assert!(label == "low" || counts.iter().all(|count| count * 200 < rows.len()), "{name}: {counts:?}");
        }
    }
}

#[test]
fn advertising_tells_notices_from_prose() {
    for name in ["docs/en_nltk", "docs/zh_lctt", "docs/zh_laws", "docs/zh_medqa", "web/noisy/zh_waimai_reviews"] {
        let Some(rows) = corpus(&format!("{name}.jsonl.zst")) else { return };
        let measured = rows.iter().map(|row| {
            let words = std::cell::OnceCell::new();
            let cut = || words.get_or_init(|| Words::of_text(&row.text, Language::guess(&row.text)));
            Advertising::of_text(&row.text, cut).total()
        });
        let dense = measured.filter(|total| *total > 6.0).count();
        println!("| {name} | {} | {dense} |", rows.len());
        assert!(dense * 100 < rows.len(), "{name}: {dense} of {} read like advertisements", rows.len());
    }
}
