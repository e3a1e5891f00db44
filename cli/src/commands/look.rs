//! `info`, `show`, `stages`, `report`, completions and manual: looking at things.

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory;
use indicatif::{HumanBytes, HumanCount};
use serde_json::json;
use yuan_pipeline::{Batch, Document, Input, Riders, Shard, Summary, Unit};

use super::{binidx, done_but, name_width, print};
use crate::Done;
use crate::args::{Cli, Global, InfoArgs, ReportArgs, ShowArgs, StagesArgs};
use crate::hints::{did_you_mean, usage};
use crate::{stages as catalogue, summary};

pub fn info(args: &InfoArgs) -> anyhow::Result<Done> {
    let path = &args.path;
    if path.join("manifest.sqlite").is_file() {
        let run = Summary::read(path)?;
        let state = if run.finished { "finished" } else { "not finished: the same command goes on" };
        print(&if args.json {
            summary::json(&run).to_string()
        } else {
            let origin = run.retuned_from.as_ref();
            let origin =
                origin.map_or_else(String::new, |origin| format!(", made by `retune` from the run in {origin}"));
            format!("a run, {state}{origin}\n{}", summary::text(&run))
        })?;
        return Ok(Done::All);
    }
    let is_tokens = ["bin", "idx"].iter().any(|suffix| path.extension().is_some_and(|known| known == *suffix));
    if is_tokens || super::beside(path, ".idx").is_file() {
        return binidx::info(path, args.json);
    }
    if path.extension().is_some_and(|suffix| ["json", "model", "tiktoken", "gguf"].iter().any(|known| suffix == *known))
        && let Ok(tokenizer) = yuan_tokenizer::Tokenizer::load(path)
    {
        let (vocab, special) = (tokenizer.vocab_size(), tokenizer.special_tokens());
        let slots = yuan_tokenizer::edit::slots(&tokenizer);
        print(&if args.json {
            let by_name = |(name, id): (&str, u32)| json!({ "name": name, "id": id });
            json!({
                "vocab_size": vocab,
                "special_tokens": special.iter().map(|(name, id)| by_name((name, *id))).collect::<Vec<_>>(),
                "reserved_slots": slots.iter().copied().map(by_name).collect::<Vec<_>>(),
                "is_direct": tokenizer.is_direct(),
            })
            .to_string()
        } else {
            let mut out = format!("a tokenizer of {} tokens", HumanCount(vocab as u64));
            let named: Vec<String> = special
                .iter()
                .filter(|(_, id)| slots.iter().all(|slot| slot.1 != *id))
                .map(|(name, id)| format!("{name} {id}"))
                .collect();
            let _ = write!(out, "\nspecial    {}", if named.is_empty() { "none".into() } else { named.join(", ") });
            if let [first, .., last] = slots[..] {
                let _ =
                    write!(out, "\nreserved   {} slots, {} {} to {} {}", slots.len(), first.0, first.1, last.0, last.1);
            }
            out
        })?;
        return Ok(Done::All);
    }
    documents_info(path, args.json)
}

fn documents_info(path: &Path, as_json: bool) -> anyhow::Result<Done> {
    let input = Input { paths: vec![path.to_string_lossy().into_owned()], ..Input::default() };
    let shards = input.shards()?;
    let (mut documents, mut text, mut chars) = (0u64, 0u64, 0u64);
    let mut columns = Vec::new();
    yuan_pipeline::for_each_batch(&input, &shards, &mut |_, batch| {
        if documents == 0 {
            columns = columns_of(&batch);
        }
        documents += batch.rows() as u64;
        text += batch.text_bytes();
        chars += batch.documents().map(|document| document.text().chars().count() as u64).sum::<u64>();
        Ok(true)
    })?;
    let bytes: u64 = shards.iter().map(|shard| shard.bytes).sum();
    if as_json {
        let value = json!({ "files": shards.len(), "bytes": bytes, "documents": documents, "text_bytes": text, "text_chars": chars, "fields": columns });
        print(&value.to_string())?;
        return Ok(Done::All);
    }
    let mut out = String::new();
    let _ = writeln!(
        out,
        "documents  {} in {} files ({})",
        HumanCount(documents),
        HumanCount(shards.len() as u64),
        HumanBytes(bytes)
    );
    let _ = writeln!(
        out,
        "text       {}, {} characters ({} a document)",
        HumanBytes(text),
        HumanCount(chars),
        HumanCount(chars / documents.max(1))
    );
    let _ = writeln!(out, "fields     {}", columns.join(", "));
    print(&out)?;
    Ok(Done::All)
}

/// The fields of a batch's first record.
fn columns_of(batch: &Batch) -> Vec<String> {
    match batch.riders() {
        Riders::None => vec!["text".into()],
        Riders::Columns(riders) => riders.schema.fields().iter().map(|field| field.name().clone()).collect(),
        Riders::Json(json) => {
            serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(json.envelope.value(0))
                .map(|record| record.keys().cloned().collect())
                .unwrap_or_default()
        }
    }
}

pub fn show(args: &ShowArgs, global: &Global) -> anyhow::Result<Done> {
    let input = args.input.input();
    let shards = input.shards()?;
    let mut conditions = Vec::new();
    for condition in &args.r#where {
        let (field, value) = condition.split_once('=').ok_or_else(|| {
            usage(format!("`--where {condition}` is not FIELD=VALUE"), "write `--where language=zh-Hans`".to_owned())
        })?;
        conditions.push((field, value));
    }
    let wanted = |document: &Document<'_>| {
        conditions.iter().all(|(field, value)| {
            let known = document.str(field).map(std::borrow::Cow::into_owned);
            known.or_else(|| document.f64(field).map(|number| number.to_string())).as_deref() == Some(*value)
        })
    };
    let limit = args.sample.unwrap_or(args.limit);
    // A sample is the documents whose ids hash lowest: the same ones every time.
    let mut shown: Vec<(u64, String)> = Vec::new();
    let passed_over = yuan_pipeline::for_each_batch(&input, &shards, &mut |shard, batch| {
        for document in batch.documents().filter(|document| wanted(document)) {
            let rank = if args.sample.is_some() { scatter(document.doc_id()) } else { document.doc_id() };
            if shown.len() < limit || shown.last().is_some_and(|(last, _)| rank < *last) {
                let at = shown.partition_point(|(other, _)| *other < rank);
                shown.insert(at, (rank, page(&batch, &document, shard, args)));
                shown.truncate(limit);
            }
        }
        Ok(args.sample.is_some() || shown.len() < limit)
    })?;
    if shown.is_empty() {
        return Err(usage(
            "no document to show",
            (!conditions.is_empty()).then(|| "no document matches `--where`".to_owned()),
        ));
    }
    shown.iter().try_for_each(|(_, page)| print(page))?;
    Ok(done_but(passed_over, global))
}

/// Spreads ids evenly over all numbers (SplitMix64's finaliser).
fn scatter(id: u64) -> u64 {
    let id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    id ^ (id >> 31)
}

fn page(batch: &Batch, document: &Document<'_>, shard: &Shard, args: &ShowArgs) -> String {
    let row = document.doc_id() & u64::from(u32::MAX);
    let mut out = format!("── {}:{row}", shard.path.display());
    for column in std::iter::once(&args.input.read.id_field).chain(&args.columns) {
        let value = document
            .str(column)
            .map(std::borrow::Cow::into_owned)
            .or_else(|| document.f64(column).map(|number| number.to_string()))
            .or_else(|| batch.riders().json_at(column, document.row()));
        if let Some(value) = value {
            let _ = write!(out, "  {column}={value}");
        }
    }
    out.push('\n');
    let text = document.text();
    match text.char_indices().nth(args.chars).filter(|_| args.chars > 0) {
        Some((end, _)) => {
            let left = text[end..].chars().count();
            let _ = write!(out, "{} … ({left} characters more)", &text[..end]);
        }
        None => out.push_str(text),
    }
    out
}

pub fn stages(args: &StagesArgs) -> anyhow::Result<Done> {
    if args.schema {
        print(&serde_json::to_string_pretty(&catalogue::schema())?)?;
        return Ok(Done::All);
    }
    let entries = catalogue::catalogue();
    let Some(name) = &args.name else {
        let mut out = String::new();
        let mut group = "";
        let width = name_width(entries.iter().map(|entry| entry.name));
        for entry in &entries {
            if entry.group != group {
                group = entry.group;
                let _ = writeln!(out, "{}{group}", if out.is_empty() { "" } else { "\n" });
            }
            let _ = writeln!(
                out,
                "  {:<width$} {}\n  {:<width$} {}; columns: {}",
                entry.name,
                entry.headline(),
                "",
                entry.kind,
                entry.columns
            );
        }
        out.push_str("\n`yuan-data stages NAME` tells all about one.\n");
        print(&out)?;
        return Ok(Done::All);
    };
    let wanted = name.to_lowercase().replace('-', "_");
    let Some(entry) = entries.iter().find(|entry| entry.name == wanted) else {
        let partly: Vec<_> = entries.iter().filter(|entry| entry.name.contains(&wanted)).collect();
        if !partly.is_empty() && !wanted.is_empty() {
            let width = name_width(partly.iter().map(|entry| entry.name));
            let lines = partly.iter().map(|entry| format!("  {:<width$} {}\n", entry.name, entry.headline()));
            return print(&lines.collect::<String>()).map(|()| Done::All);
        }
        let meant = did_you_mean(&wanted, entries.iter().map(|entry| entry.name));
        return Err(usage(
            format!("there is no stage `{name}`"),
            meant.map_or("`yuan-data stages` lists them all".to_owned(), |meant| format!("did you mean `{meant}`?")),
        ));
    };
    let mut out = format!(
        "{} ({}; columns: {})\n\n{}\n\n[[stage]]\n{} = {{ … }}\n",
        entry.name,
        entry.kind,
        entry.columns,
        entry.description(),
        entry.name
    );
    for setting in entry.settings() {
        let _ = write!(out, "\n  {} = {}\n", setting.name, setting.default);
        for line in setting.description.lines() {
            let _ = writeln!(out, "      {line}");
        }
    }
    if !entry.measures.is_empty() {
        out.push_str("\nMeasures (columns `STEP.MEASURE` of the sidecar, see `retune`)\n\n");
        for measured in entry.measures {
            let unit = match measured.unit {
                Unit::Count => "count",
                Unit::Fraction => "fraction",
                Unit::Ratio => "ratio",
            };
            let _ = writeln!(out, "  {:<36} {unit:<9} {}", measured.name, measured.about);
        }
    }
    print(&out)?;
    Ok(Done::All)
}

pub fn report(args: &ReportArgs) -> anyhow::Result<Done> {
    let run = Summary::read(&args.run)?;
    let path = args.out.clone().unwrap_or_else(|| args.run.join("report.html"));
    crate::report::write(&run, &path)?;
    print(&path.display().to_string())?;
    Ok(Done::All)
}

pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<Done> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "yuan-data", &mut out);
    print(&String::from_utf8(out)?)?;
    Ok(Done::All)
}

pub fn man() -> anyhow::Result<Done> {
    let mut out = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut out)?;
    print(&String::from_utf8(out)?)?;
    Ok(Done::All)
}
