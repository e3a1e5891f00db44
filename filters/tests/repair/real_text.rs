//! Does garbled text come back, and does clean text stay as it is?
//!
//! `tests/fixtures/repair/damage.jsonl.zst` holds real text garbled by `tests/oracle/repair_damage.py`; the shared
//! corpora hold clean text, but for the documents in `tests/fixtures/repair/real_mojibake.tsv`.

use std::collections::BTreeMap;

use yuan_filters::RepairText;

/// Mojibake alone.
fn mojibake() -> RepairText {
    RepairText {
        html_entities: false,
        html_tags: false,
        remove_private_use: false,
        remove_boxes: false,
        ..RepairText::default()
    }
}

/// The part of the original that garbled text without all its bytes can give back: what is lost is U+FFFD.
fn is_restored_but_for_losses(restored: &str, original: &str) -> bool {
    let mut pieces = restored.split('\u{fffd}').filter(|piece| !piece.is_empty());
    let mut at = 0;
    pieces.all(|piece| match original[at..].find(piece) {
        Some(place) if original[at..at + place].chars().count() <= 3 => {
            at += place + piece.len();
            true
        }
        _ => false,
    })
}

#[test]
fn garbled_text_comes_back() {
    let lines = crate::support::unpack(&crate::support::root().join("tests/fixtures/repair/damage.jsonl.zst"));
    let mut table: BTreeMap<(String, String), [usize; 3]> = BTreeMap::new();
    let mut shown = BTreeMap::new();
    for record in crate::support::records(&lines) {
        let field = |name: &str| record[name].as_str().expect("a string");
        let lossless = record["lossless"].as_bool().expect("a flag");
        let corpus = if field("kind") == "utf8_as_gbk" { format!(", {}", field("corpus")) } else { String::new() };
        let kind = format!("{}{}{corpus}", field("kind"), if lossless { "" } else { " (bytes lost)" });
        let repaired = mojibake().repair(field("garbled"));
        let same = match lossless {
            true => repaired.text == field("original"),
            false => is_restored_but_for_losses(&repaired.text, field("original")),
        };
        let counts = table.entry((kind.clone(), field("scope").to_owned())).or_default();
        counts[0] += 1;
        counts[1] += usize::from(same);
        counts[2] += usize::from(record["ftfy"].as_bool().expect("a flag"));
        let examples: &mut usize = shown.entry((kind.clone(), field("scope").to_owned())).or_default();
        if !same && *examples < 3 && std::env::var_os("SHOW_DIFFERENCES").is_some() {
            *examples += 1;
            let place = repaired.text.chars().zip(field("original").chars()).take_while(|(a, b)| a == b).count();
            let near = |text: &str| text.chars().skip(place.saturating_sub(8)).take(40).collect::<String>();
            println!("{kind} {}: {:?} for {:?}", field("scope"), near(&repaired.text), near(field("original")));
        }
    }
    for ((kind, scope), [all, ours, ftfy]) in &table {
        let share = |count: &usize| *count as f64 / *all as f64;
        println!("| {kind} | {scope} | {all} | {:.3} | {:.3} |", share(ours), share(ftfy));
    }
    // Single letters of Latin alphabets that became Han characters are mostly left alone.
    for ((kind, scope), [all, ours, _]) in table.iter().filter(|((kind, _), _)| !kind.starts_with("utf8_as_gbk")) {
        assert!(ours * 10 >= all * 6, "{kind} {scope}: {ours} of {all}");
    }
}

#[test]
fn clean_text_stays_as_it_is() {
    let Some(corpora) = crate::support::corpora() else {
        println!("skipped: no shared corpora here");
        return;
    };
    let known = std::fs::read_to_string(crate::support::root().join("tests/fixtures/repair/real_mojibake.tsv"));
    let known = known.unwrap_or_default();
    let known: Vec<&str> = known.lines().filter_map(|line| line.split('\t').next()).collect();
    let repair = mojibake();
    let (mut documents, mut bytes, mut unexpected) = (0, 0, Vec::new());
    let mut check = |name: String, text: &str| {
        documents += 1;
        bytes += text.len();
        let repaired = repair.repair(text);
        if repaired.text != text && !known.contains(&name.as_str()) {
            let start = repaired.text.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
            let start = (0..=start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let before: String = text[start..].chars().take(24).collect();
            let at = (0..=start.min(repaired.text.len())).rev().find(|at| repaired.text.is_char_boundary(*at));
            let after: String = repaired.text[at.unwrap_or(0)..].chars().take(24).collect();
            unexpected.push(format!("{name}\t{}\t{before:?}\t{after:?}", repaired.kinds.join(",")));
        }
    };
    for folder in ["docs", "web", "web/noisy", "quality"] {
        for entry in std::fs::read_dir(corpora.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if !path.to_string_lossy().ends_with(".jsonl.zst") || path.ends_with("page_lines.jsonl.zst") {
                continue;
            }
            let name = format!(
                "{folder}/{}",
                path.file_stem().unwrap_or_default().to_string_lossy().trim_end_matches(".jsonl")
            );
            for (row, record) in crate::support::records(&crate::support::unpack(&path)).iter().enumerate() {
                if let Some(text) = record["text"].as_str() {
                    check(format!("{name}:{row}"), text);
                }
            }
        }
    }
    for entry in std::fs::read_dir(corpora.join("lang")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().ends_with(".txt.zst") {
            let text = crate::support::unpack(&path);
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            for (row, line) in text.lines().enumerate() {
                check(format!("lang/{name}:{row}"), line);
            }
        }
    }
    println!("{documents} documents, {} MB, {} changed", bytes / 1_000_000, unexpected.len());
    for line in &unexpected {
        println!("{line}");
    }
    assert!(unexpected.is_empty());
}
