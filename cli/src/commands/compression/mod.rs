//! `compression`: how well tokenizers compress documents, as a table, JSON and one HTML page.

mod chart;
mod page;
mod table;

use std::path::Path;
use std::time::Instant;

use indicatif::{HumanBytes, HumanCount};
use yuan_pipeline::Progress;
use yuan_tokenizer::compression::{Compression, Report, Resources, Subject};

use super::{done_but, memory, print, say, threads, write_whole};
use crate::Done;
use crate::args::{CompressionArgs, Global};
use crate::hints::usage;
use crate::progress::shown;

pub fn compression(args: &CompressionArgs, global: &Global) -> anyhow::Result<Done> {
    let config = Compression {
        sample_tokens: args.sample_tokens,
        group_by: args.group_by.clone(),
        baseline: args.baseline.clone(),
    };
    let subjects = args.tokenizers.iter().map(|wanted| subject(wanted)).collect::<anyhow::Result<Vec<_>>>()?;
    let resources = Resources { threads: threads(global), memory: memory(global) };
    let progress = Progress::default();
    let start = Instant::now();
    let input = args.input.input();
    let report = shown(global, &progress, || config.measure(&subjects, &input, resources, &progress))?;
    let seconds = start.elapsed().as_secs_f64();
    print(&table::text(&report))?;
    if let Some(path) = &args.json {
        write_whole(path, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    if let Some(path) = &args.html {
        write_whole(path, page::html(&report)?)?;
    }
    let overall = &report.tokenizers[0].overall;
    let speed = overall.bytes as f64 * subjects.len() as f64 / 1e6 / seconds.max(1e-3);
    let (documents, bytes) = (HumanCount(overall.documents), HumanBytes(overall.bytes));
    say(
        global,
        &format!(
            "{documents} documents, {bytes}, tokenizers: {}, in {seconds:.1} s ({speed:.1} MB of text/s)",
            subjects.len()
        ),
    );
    Ok(done_but(report.passed_over, global))
}

/// The tokenizer of `NAME=PATH`, or of a path that is named by its file or folder.
fn subject(wanted: &str) -> anyhow::Result<Subject> {
    let (name, path) = match wanted.split_once('=') {
        Some((name, path)) if !Path::new(wanted).exists() => (name.to_owned(), path),
        _ => (name_of(Path::new(wanted)), wanted),
    };
    if name.is_empty() || path.is_empty() {
        let hint = "write `--tokenizer NAME=PATH`: the name it is to have, and its file or folder".to_owned();
        return Err(usage(format!("`--tokenizer {wanted}` is not NAME=PATH"), hint));
    }
    Ok(Subject::load(name, path)?)
}

/// `qwen` of `qwen/tokenizer.json` and of `qwen.model`.
fn name_of(path: &Path) -> String {
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let own = stem(path);
    let folder = path.parent().map(stem).unwrap_or_default();
    if own == "tokenizer" && !folder.is_empty() { folder } else { own }
}

/// A token's text on one line: spaces as `␣`, control characters as escapes.
fn visible(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, character| {
        match character {
            ' ' => shown.push('␣'),
            other if other.is_control() || (other.is_whitespace() && other != '\u{3000}') => {
                shown.extend(other.escape_default());
            }
            other => shown.push(other),
        }
        shown
    })
}

/// The beginning of a text, with `…` where more is left out.
fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `12.3 %`, or `–` where there is nothing to be a part of.
fn percent(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| "–".to_owned(), |fraction| format!("{:.2} %", 100.0 * fraction))
}

/// A number with three places, or `–`.
fn places(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// `0.480 ± 0.209`.
fn spread(spread: &yuan_tokenizer::compression::Spread) -> String {
    match spread.standard_deviation {
        Some(deviation) => format!("{} ± {deviation:.3}", places(spread.mean)),
        None => places(spread.mean),
    }
}

/// Whether some tokenizer has unknown tokens.
fn has_unknown(report: &Report) -> bool {
    report.tokenizers.iter().any(|tokenizer| tokenizer.overall.unknown_tokens > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tokens_as_people_read_them() {
        assert_eq!(name_of(Path::new("models/qwen/tokenizer.json")), "qwen");
        assert_eq!(name_of(Path::new("ours-64k.json")), "ours-64k");
        assert_eq!(name_of(Path::new("tokenizer.json")), "tokenizer");
        assert_eq!(visible(" a\n\u{a0}中"), "␣a\\n\\u{a0}中");
        assert_eq!((percent(None), percent(Some(0.12345))), ("–".into(), "12.35 %".into()));
    }
}
