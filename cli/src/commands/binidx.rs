//! `binidx`: token datasets looked at and worked on.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use indicatif::{HumanBytes, HumanCount};
use serde_json::json;
use yuan_tokenizer::Tokenizer;

use super::print;
use crate::Done;
use crate::args::BinidxCommand;
use crate::hints::usage;

pub fn binidx(command: &BinidxCommand) -> anyhow::Result<Done> {
    match command {
        BinidxCommand::Info { prefix, json } => info(prefix, *json),
        BinidxCommand::Cat { prefix, tokenizer, from, limit } => cat(prefix, tokenizer.as_deref(), *from, *limit),
        BinidxCommand::Verify { prefix, tokenizer, eod } => verify(prefix, tokenizer.as_deref(), eod.as_deref()),
        BinidxCommand::Samples(args) => super::samples::samples(args),
    }
}

/// `tokens` from `tokens`, `tokens.bin` or `tokens.idx`.
pub fn prefix_of(path: &Path) -> std::path::PathBuf {
    match path.extension() {
        Some(suffix) if suffix == "bin" || suffix == "idx" => path.with_extension(""),
        _ => path.to_path_buf(),
    }
}

pub fn info(prefix: &Path, as_json: bool) -> anyhow::Result<Done> {
    let reader = yuan_binidx::Reader::open(prefix_of(prefix))?;
    let summary = reader.summary()?;
    let mean = summary.tokens as f64 / summary.documents.max(1) as f64;
    if as_json {
        let value = json!({
            "dtype": format!("{:?}", summary.dtype).to_lowercase(), "documents": summary.documents, "empty_documents": summary.empty_documents,
            "sequences": summary.sequences, "tokens": summary.tokens, "bin_bytes": summary.bin_bytes, "idx_bytes": summary.idx_bytes,
            "min_sequence_tokens": summary.min_sequence_tokens, "max_sequence_tokens": summary.max_sequence_tokens,
        });
        print(&value.to_string())?;
        return Ok(Done::All);
    }
    let mut out = String::new();
    let _ =
        writeln!(out, "documents  {} ({} empty)", HumanCount(summary.documents), HumanCount(summary.empty_documents));
    let _ = writeln!(
        out,
        "sequences  {}, of {} to {} tokens",
        HumanCount(summary.sequences),
        summary.min_sequence_tokens,
        summary.max_sequence_tokens
    );
    let _ = writeln!(out, "tokens     {} ({mean:.1} a document), {:?}", HumanCount(summary.tokens), summary.dtype);
    let _ = writeln!(out, "files      .bin {}, .idx {}", HumanBytes(summary.bin_bytes), HumanBytes(summary.idx_bytes));
    print(&out)?;
    Ok(Done::All)
}

fn cat(prefix: &Path, tokenizer: Option<&Path>, from: usize, limit: usize) -> anyhow::Result<Done> {
    let reader = yuan_binidx::Reader::open(prefix_of(prefix))?;
    let tokenizer = tokenizer.map(Tokenizer::load).transpose()?;
    for document in from..reader.document_count().min(from.saturating_add(limit)) {
        let mut ids = Vec::new();
        for sequence in reader.document(document)? {
            for id in sequence.ids() {
                ids.push(u32::try_from(id).with_context(|| format!("document {document} holds the token {id}"))?);
            }
        }
        match &tokenizer {
            Some(tokenizer) => {
                print(&format!("── document {document}, {} tokens\n{}", ids.len(), tokenizer.decode(&ids)?))?
            }
            None => print(&ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))?,
        }
    }
    Ok(Done::All)
}

fn verify(prefix: &Path, tokenizer: Option<&Path>, eod: Option<&str>) -> anyhow::Result<Done> {
    let tokenizer = tokenizer.map(Tokenizer::load).transpose()?;
    let mut expected = yuan_binidx::Expected::default();
    if let Some(tokenizer) = &tokenizer {
        expected.vocab_size = Some(tokenizer.vocab_size() as u64);
        expected.eod = match eod {
            None => None,
            Some(token) => Some(
                tokenizer
                    .token_to_id(token)
                    .ok_or_else(|| usage(format!("the tokenizer has no token `{token}`"), None))?,
            ),
        };
    }
    let verification = yuan_binidx::verify(prefix_of(prefix), expected)?;
    if verification.is_sound() {
        print(&format!("sound: {} documents, {} tokens", verification.documents, verification.tokens))?;
        return Ok(Done::All);
    }
    for problem in &verification.problems {
        print(&format!("{}: {}: {}", problem.path.display(), problem.field, problem.problem))?;
    }
    let more = verification.problem_count - verification.problems.len() as u64;
    if more > 0 {
        print(&format!("and {more} more"))?;
    }
    Ok(Done::Unsound)
}
