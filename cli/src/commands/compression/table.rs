//! The report as plain text: groups, then vocabularies.

use std::fmt::Write as _;

use indicatif::{HumanBytes, HumanCount};
use yuan_tokenizer::compression::{Figures, Report};

use super::{has_unknown, percent, places, shortened, spread, visible};

/// Groups printed; the JSON has all.
const GROUPS: usize = 20;

/// The whole report.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let Some(first) = report.tokenizers.first() else { return out };
    let _ = writeln!(
        out,
        "tokens/character and tokens/byte: mean ± standard deviation of samples of {} tokens; relative: tokens beside `{}`",
        HumanCount(report.sample_tokens),
        report.baseline
    );
    let _ = writeln!(out, "\nall documents");
    group(&mut out, report, |tokenizer| Some(&report.tokenizers[tokenizer].overall));
    for (place, figures) in first.groups.iter().take(GROUPS).enumerate() {
        let _ = writeln!(out, "\n{}: {}", report.group_by, shortened(&visible(&figures.group), 100));
        group(&mut out, report, |tokenizer| report.tokenizers[tokenizer].groups.get(place));
    }
    if first.groups.len() > GROUPS {
        let _ = writeln!(out, "\n{} more groups: `--json` has them all", first.groups.len() - GROUPS);
    }
    out.push_str("\nvocabularies\n");
    let mut rows = vec![
        [
            "tokenizer",
            "tokens",
            "special",
            "reserved",
            "text, unused",
            "",
            "Chinese",
            "mixed scripts",
            "unreachable",
            "parts alone",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for tokenizer in &report.tokenizers {
        let vocabulary = &tokenizer.vocabulary;
        rows.push(vec![
            tokenizer.name.clone(),
            HumanCount(vocabulary.size).to_string(),
            HumanCount(vocabulary.special_tokens).to_string(),
            HumanCount(vocabulary.reserved_tokens).to_string(),
            HumanCount(vocabulary.unused_text_tokens).to_string(),
            percent(vocabulary.unused_text_fraction),
            percent(vocabulary.chinese_fraction),
            percent(vocabulary.cross_script_fraction),
            HumanCount(vocabulary.unreachable.tokens).to_string(),
            HumanCount(vocabulary.never_used_though_parts_are.tokens).to_string(),
        ]);
    }
    columns(&mut out, &rows);
    for tokenizer in &report.tokenizers {
        let longest: Vec<String> = tokenizer
            .vocabulary
            .longest_used
            .iter()
            .take(3)
            .map(|token| shortened(&visible(&token.text), 40))
            .collect();
        let _ = writeln!(out, "  longest tokens used, {}: {}", tokenizer.name, longest.join("  "));
    }
    if has_unknown(report) {
        out.push_str("\nnote: unknown tokens stand for text that is lost; a tokenizer with many compresses less well than it seems\n");
    }
    out
}

fn group<'r>(out: &mut String, report: &'r Report, figures: impl Fn(usize) -> Option<&'r Figures>) {
    let unknown = has_unknown(report);
    let mut rows = vec![
        [
            "tokenizer",
            "tokens",
            "tokens/character",
            "tokens/byte",
            "bytes/token",
            "characters/token",
            "relative",
            "single bytes",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    if unknown {
        rows[0].push("unknown".into());
    }
    for (place, tokenizer) in report.tokenizers.iter().enumerate() {
        let Some(figures) = figures(place) else { continue };
        if place == 0 {
            let _ = writeln!(
                out,
                "  {} documents, {}, {} characters",
                HumanCount(figures.documents),
                HumanBytes(figures.bytes),
                HumanCount(figures.characters)
            );
        }
        let mut row = vec![
            tokenizer.name.clone(),
            HumanCount(figures.tokens).to_string(),
            spread(&figures.tokens_per_character),
            spread(&figures.tokens_per_byte),
            places(figures.bytes_per_token),
            places(figures.characters_per_token),
            places(figures.relative_tokens),
            percent(figures.fallback_fraction),
        ];
        if unknown {
            row.push(percent(figures.unknown_fraction));
        }
        rows.push(row);
    }
    columns(out, &rows);
}

/// Rows in columns: names to the left, numbers to the right.
fn columns(out: &mut String, rows: &[Vec<String>]) {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    for row in rows {
        let mut line = format!("  {:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}
