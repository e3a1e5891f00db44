//! The report as one HTML page that needs nothing else.

use std::fmt::Write as _;

use indicatif::{HumanBytes, HumanCount};
use yuan_tokenizer::compression::{Candidates, Figures, Report, TokenFigure, TokenizerReport};

use super::chart::{Row, STYLE as CHARTS, chart};
use super::{percent, places, shortened, spread, visible};
use crate::report::escape;

/// Groups drawn, and groups in the table; the JSON has all.
const DRAWN: usize = 12;
const LISTED: usize = 100;
const STYLE: &str = "
:root{color-scheme:light dark;--ink:#263238;--paper:#fff;--faint:#546e7a;--line:#cfd8dc;--bar:#7dbdb3}
@media (prefers-color-scheme:dark){:root{--ink:#e6edee;--paper:#14191b;--faint:#9fb3ba;--line:#37474f;--bar:#2f7d72}}
body{font:16px/1.5 system-ui,'Noto Sans','Noto Sans CJK SC',sans-serif;color:var(--ink);background:var(--paper);max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid var(--line)}h3{font-size:1rem;margin:1.2rem 0 .2rem}
table{border-collapse:collapse;width:100%;font-size:.88rem}th,td{text-align:left;padding:.2rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.lead{color:var(--faint)}.wide{overflow-x:auto}
code{font-size:.9em;overflow-wrap:anywhere;border:1px solid var(--line);border-radius:3px;padding:0 .2em}
details{margin:.4rem 0}summary{cursor:pointer}
@media print{body{margin:0;max-width:none;font-size:11px}h2{break-after:avoid}svg,tr{break-inside:avoid}}
";

/// The page.
pub fn html(report: &Report) -> anyhow::Result<String> {
    let mut out = String::new();
    let overall = &report.tokenizers[0].overall;
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Compression: yuan-data</title><style>{STYLE}{CHARTS}</style><h1>How well tokenizers compress</h1>\
         <p class=lead>{} documents, {} of text, {} characters; grouped by <code>{}</code>; yuan-data {}</p>",
        HumanCount(overall.documents),
        HumanBytes(overall.bytes),
        HumanCount(overall.characters),
        escape(&report.group_by),
        env!("CARGO_PKG_VERSION"),
    )?;
    write!(
        out,
        "<p>Tokens for each character and for each byte: fewer is better. Values with ± are mean and standard deviation of samples, \
         documents put together until they have {} tokens (YAYI 2). Relative: tokens beside those of <code>{}</code> over the same \
         texts (PolyLM). Single bytes: tokens that are one byte of a character of several.</p>",
        HumanCount(report.sample_tokens),
        escape(&report.baseline)
    )?;
    charts(&mut out, report)?;
    figures(&mut out, report)?;
    vocabularies(&mut out, report)?;
    for tokenizer in &report.tokenizers {
        tokens(&mut out, tokenizer)?;
    }
    out.push_str("</html>\n");
    Ok(out)
}

/// Of each tokenizer the figures at a place: of all documents, then of each group.
fn rows_of(report: &Report) -> Vec<(String, Vec<(&TokenizerReport, &Figures)>)> {
    let tokenizers = || report.tokenizers.iter();
    let overall = tokenizers().map(|tokenizer| (tokenizer, &tokenizer.overall)).collect();
    let mut rows = vec![("all documents".to_owned(), overall)];
    for (place, first) in report.tokenizers[0].groups.iter().enumerate() {
        let of_group = tokenizers().filter_map(|tokenizer| Some((tokenizer, tokenizer.groups.get(place)?)));
        rows.push((visible(&first.group), of_group.collect()));
    }
    rows
}

/// A value, how far it spreads, and both in words.
type Drawn = (Option<f64>, Option<f64>, String);

fn charts(out: &mut String, report: &Report) -> anyhow::Result<()> {
    let rows = rows_of(report);
    let draw = |value: fn(&Figures) -> Drawn| {
        let mut drawn = Vec::new();
        for (group, figures) in rows.iter().take(DRAWN + 1) {
            drawn.push(Row::Heading(shortened(group, 110)));
            for (tokenizer, figures) in figures {
                let (value, deviation, label) = value(figures);
                let name = shortened(&tokenizer.name, 28);
                drawn.push(Row::Bar { name, value: value.unwrap_or(0.0), deviation, label });
            }
        }
        drawn
    };
    out.push_str("<h2>Compression</h2>");
    let per_character = draw(|figures| {
        let ratio = &figures.tokens_per_character;
        (ratio.mean, ratio.standard_deviation, spread(ratio))
    });
    out.push_str(&chart("tokens for each character, mean ± standard deviation (shorter is better)", &per_character)?);
    let bytes = draw(|figures| (figures.bytes_per_token, None, places(figures.bytes_per_token)));
    out.push_str(&chart("bytes for each token (longer is better)", &bytes)?);
    if rows.len() > DRAWN + 1 {
        write!(out, "<p class=lead>The {DRAWN} groups of most text.</p>")?;
    }
    Ok(())
}

fn figures(out: &mut String, report: &Report) -> anyhow::Result<()> {
    out.push_str(
        "<h2>Figures</h2><div class=wide><table><tr><th>documents<th>tokenizer<th class=n>tokens<th class=n>tokens/character\
         <th class=n>tokens/byte<th class=n>bytes/token<th class=n>characters/token<th class=n>relative<th class=n>single bytes<th class=n>unknown</tr>",
    );
    let rows = rows_of(report);
    for (group, figures) in rows.iter().take(LISTED + 1) {
        for (place, (tokenizer, figures)) in figures.iter().enumerate() {
            let size = match place {
                0 => format!(
                    "{} <span class=lead>{} documents, {}</span>",
                    escape(group),
                    HumanCount(figures.documents),
                    HumanBytes(figures.bytes)
                ),
                _ => String::new(),
            };
            write!(
                out,
                "<tr><td>{size}<td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}</tr>",
                escape(&tokenizer.name),
                HumanCount(figures.tokens),
                spread(&figures.tokens_per_character),
                spread(&figures.tokens_per_byte),
                places(figures.bytes_per_token),
                places(figures.characters_per_token),
                places(figures.relative_tokens),
                percent(figures.fallback_fraction),
                percent(figures.unknown_fraction),
            )?;
        }
    }
    out.push_str("</table></div>");
    if rows.len() > LISTED + 1 {
        write!(out, "<p class=lead>{} more groups are in the JSON.</p>", rows.len() - LISTED - 1)?;
    }
    Ok(())
}

fn vocabularies(out: &mut String, report: &Report) -> anyhow::Result<()> {
    out.push_str("<h2>Vocabularies</h2>");
    let row = |tokenizer: &TokenizerReport| {
        let vocabulary = &tokenizer.vocabulary;
        let (text, unused) = (vocabulary.text_tokens, vocabulary.unused_text_tokens);
        let label = format!("{} of {}", HumanCount(text - unused), HumanCount(vocabulary.size));
        Row::Parts {
            name: shortened(&tokenizer.name, 28),
            full: (text - unused) as f64,
            empty: unused as f64,
            whole: vocabulary.size as f64,
            label,
        }
    };
    let rows: Vec<Row> = report.tokenizers.iter().map(row).collect();
    out.push_str(&chart(
        "tokens: used (full), text that never comes (empty, up to the mark), bytes and special (behind it)",
        &rows,
    )?);
    out.push_str(
        "<div class=wide><table><tr><th>tokenizer<th>kind<th class=n>ids<th class=n>text<th class=n>bytes<th class=n>special<th class=n>reserved<th class=n>missing\
         <th class=n>text unused<th class=n><th class=n>Chinese<th class=n>mixed scripts<th class=n>unreachable<th class=n>parts alone used</tr>",
    );
    for tokenizer in &report.tokenizers {
        let vocabulary = &tokenizer.vocabulary;
        write!(out, "<tr><td>{}<td>{}", escape(&tokenizer.name), escape(&tokenizer.kind))?;
        for count in [
            vocabulary.size,
            vocabulary.text_tokens,
            vocabulary.byte_tokens,
            vocabulary.special_tokens,
            vocabulary.reserved_tokens,
            vocabulary.missing_ids,
            vocabulary.unused_text_tokens,
        ] {
            write!(out, "<td class=n>{}", HumanCount(count))?;
        }
        for fraction in [vocabulary.unused_text_fraction, vocabulary.chinese_fraction, vocabulary.cross_script_fraction]
        {
            write!(out, "<td class=n>{}", percent(fraction))?;
        }
        for candidates in [&vocabulary.unreachable, &vocabulary.never_used_though_parts_are] {
            write!(out, "<td class=n>{}", HumanCount(candidates.tokens))?;
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div>");
    Ok(())
}

fn tokens(out: &mut String, tokenizer: &TokenizerReport) -> anyhow::Result<()> {
    let vocabulary = &tokenizer.vocabulary;
    write!(
        out,
        "<h2>Tokens of {}</h2><p class=lead>{}, <code>{}</code>, XXH3 {}</p>",
        escape(&tokenizer.name),
        escape(&tokenizer.kind),
        escape(&tokenizer.path),
        tokenizer.fingerprint
    )?;
    list(out, "Longest that the documents have", vocabulary.longest_used.len() as u64, &vocabulary.longest_used)?;
    list(out, "Longest of the vocabulary", vocabulary.longest.len() as u64, &vocabulary.longest)?;
    candidates(out, "Glitch-token candidates: never used, and their own text becomes others", &vocabulary.unreachable)?;
    candidates(
        out,
        "Never used though two parts of them are, by how often the rarer part comes",
        &vocabulary.never_used_though_parts_are,
    )?;
    if !vocabulary.cross_script.is_empty() {
        write!(
            out,
            "<details><summary>Tokens of several scripts: {}</summary><div class=wide><table><tr><th>of<th class=n>tokens<th class=n>used<th class=n>times<th>most often</tr>",
            HumanCount(vocabulary.cross_script_tokens)
        )?;
        for mixed in &vocabulary.cross_script {
            let examples: Vec<String> = mixed.examples.iter().map(shown).collect();
            write!(
                out,
                "<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td>{}</tr>",
                escape(&mixed.kinds),
                HumanCount(mixed.tokens),
                HumanCount(mixed.used_tokens),
                HumanCount(mixed.count),
                examples.join(" ")
            )?;
        }
        out.push_str("</table></div></details>");
    }
    Ok(())
}

fn shown(token: &TokenFigure) -> String {
    format!("<code>{}</code>", escape(&visible(&token.text)))
}

fn candidates(out: &mut String, what: &str, candidates: &Candidates) -> anyhow::Result<()> {
    list(out, what, candidates.tokens, &candidates.examples)
}

fn list(out: &mut String, what: &str, count: u64, tokens: &[TokenFigure]) -> anyhow::Result<()> {
    let more = if count > tokens.len() as u64 { format!(", {} shown", tokens.len()) } else { String::new() };
    write!(
        out,
        "<details><summary>{what}: {}{more}</summary><div class=wide><table><tr><th class=n>id<th>text<th class=n>characters<th class=n>bytes<th class=n>times<th class=n>parts</tr>",
        HumanCount(count)
    )?;
    for token in tokens {
        let parts = token.parts_count.map_or_else(String::new, |count| HumanCount(count).to_string());
        write!(
            out,
            "<tr><td class=n>{}<td dir=auto>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{parts}</tr>",
            token.id,
            shown(token),
            HumanCount(token.characters),
            HumanCount(token.bytes),
            HumanCount(token.count)
        )?;
    }
    out.push_str("</table></div></details>");
    Ok(())
}
