//! What a set holds.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use yuan_binidx::TokenSet;
use yuan_binidx::work::{Expected, Located, find, locate as document_of, verify as verify_set};
use yuan_tokenizer::Tokenizer;

use super::{job, prefix_of, read_ids, token_bytes};
use crate::Done;
use crate::args::Global;
use crate::commands::{print, say};
use crate::hints::usage;

pub fn info(prefix: &Path, as_json: bool) -> anyhow::Result<Done> {
    let set = TokenSet::open(prefix_of(prefix))?;
    let summary = set.reader().summary()?;
    let header = set.documents().map(yuan_binidx::Documents::header);
    if as_json {
        let mut value = json!(summary);
        // Names of old, and what the file of documents says of the set.
        value["dtype"] = summary.dtype.to_string().into();
        value["known"] = json!(header);
        print(&value.to_string())?;
        return Ok(Done::All);
    }
    let mean = summary.tokens as f64 / summary.documents.max(1) as f64;
    let mut out = String::new();
    let _ =
        writeln!(out, "documents  {} ({} empty)", HumanCount(summary.documents), HumanCount(summary.empty_documents));
    if !summary.marks_documents {
        let _ = writeln!(out, "           not marked in the index: each sequence is one");
    }
    let _ = writeln!(
        out,
        "sequences  {}, of {} to {} tokens{}",
        HumanCount(summary.sequences),
        HumanCount(summary.min_sequence_tokens),
        HumanCount(summary.max_sequence_tokens),
        if summary.multimodal { ", with modes" } else { "" }
    );
    let _ = writeln!(out, "tokens     {} ({mean:.1} a document), {}", HumanCount(summary.tokens), summary.dtype);
    let _ = writeln!(out, "files      .bin {}, .idx {}", HumanBytes(summary.bin_bytes), HumanBytes(summary.idx_bytes));
    let counted = summary.tokens * set.reader().index().dtype().bytes() as u64;
    if counted != summary.bin_bytes {
        let _ = writeln!(out, "damaged    the index counts {counted} bytes of tokens, there are {}", summary.bin_bytes);
    }
    match header {
        None => out.push_str("known      nothing of its documents: there is no .documents.parquet\n"),
        Some(header) => {
            let vocabulary = &header.vocabulary;
            let size = vocabulary.vocab_size.map_or_else(|| "unknown".into(), |size| HumanCount(size).to_string());
            let eod = vocabulary.eod.map_or_else(|| "none".into(), |eod| eod.to_string());
            let tokenizer = vocabulary.tokenizer.as_deref().unwrap_or("unknown");
            let _ = writeln!(out, "known      vocabulary {size}, end of document {eod}, tokenizer {tokenizer}");
            let _ = writeln!(out, "           documents {}", header.digest);
        }
    }
    print(&out)?;
    Ok(Done::All)
}

/// Documents held at a time by `cat`.
const CAT_DOCUMENTS: usize = 256;

pub fn cat(prefix: &Path, tokenizer: Option<&Path>, from: usize, limit: usize, as_json: bool) -> anyhow::Result<Done> {
    let set = TokenSet::open(prefix_of(prefix))?;
    let tokenizer = tokenizer.map(Tokenizer::load).transpose()?;
    let count = set.reader().document_count();
    if from > 0 && from >= count {
        let hint = "documents are counted from 0".to_owned();
        return Err(usage(format!("there is no document {from}, it has {count}"), hint));
    }
    let range = from..count.min(from.saturating_add(limit));
    for start in range.clone().step_by(CAT_DOCUMENTS) {
        let mut documents = Vec::new();
        set.for_each(start..range.end.min(start + CAT_DOCUMENTS), |number, document| {
            let about = &document.about;
            let known = json!({
                "id": about.id, "source": about.source, "file": about.file, "row": about.row, "language": about.language,
            });
            documents.push((number, document.ids(), known));
            Ok(())
        })?;
        for (number, tokens, known) in documents {
            let id = |token: &i64| {
                u32::try_from(*token).with_context(|| format!("document {number} holds the token {token}"))
            };
            let ids = tokens.iter().map(id).collect::<anyhow::Result<Vec<u32>>>()?;
            let text = tokenizer.as_ref().map(|tokenizer| tokenizer.decode(&ids)).transpose()?;
            if as_json {
                let mut line = json!({ "document": number, "tokens": ids, "text": text });
                if let (Some(line), Value::Object(known), Some(_)) = (line.as_object_mut(), known, set.documents()) {
                    line.extend(known);
                }
                print(&line.to_string())?;
            } else if let Some(text) = text {
                let id = known["id"].as_str().map_or_else(String::new, |id| format!(", {id}"));
                print(&format!("── document {number}, {} tokens{id}\n{text}", ids.len()))?;
            } else {
                print(&ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))?;
            }
        }
    }
    Ok(Done::All)
}

pub fn locate(
    prefix: &Path,
    tokens: &[u64],
    id: &[String],
    ids: Option<&Path>,
    as_json: bool,
    global: &Global,
) -> anyhow::Result<Done> {
    let set = TokenSet::open(prefix_of(prefix))?;
    let say_one = |located: &Located, token: Option<u64>| {
        if as_json {
            let mut line = json!(located);
            if let Some(token) = token {
                line["token"] = token.into();
            }
            return print(&line.to_string());
        }
        let mut line = match token {
            Some(token) => format!(
                "token {token} is token {} of {} of document {}",
                token - located.first_token,
                located.tokens,
                located.document
            ),
            None => format!(
                "document {}: {} tokens from token {} on",
                located.document, located.tokens, located.first_token
            ),
        };
        if let Some(id) = &located.id {
            let _ = write!(line, ", id {id}");
        }
        if let Some(language) = &located.language {
            let _ = write!(line, ", {language}");
        }
        let _ = write!(line, ", source {}, record {} of {}", located.source, located.row, located.file);
        print(&line)
    };
    for token in tokens {
        say_one(&document_of(&set, *token)?, Some(*token))?;
    }
    let mut wanted: HashSet<String> = id.iter().cloned().collect();
    if let Some(file) = ids {
        wanted.extend(read_ids(file)?);
    }
    if wanted.is_empty() {
        return Ok(Done::All);
    }
    let found = find(&set, &wanted)?;
    found.iter().try_for_each(|located| say_one(located, None))?;
    for located in &found {
        located.id.as_ref().map(|id| wanted.remove(id));
    }
    if wanted.is_empty() {
        return Ok(Done::All);
    }
    say(global, &missing(&wanted));
    Ok(Done::Unsound)
}

/// Which ids were not found, in words.
pub(super) fn missing(ids: &HashSet<String>) -> String {
    let mut some: Vec<&str> = ids.iter().map(String::as_str).collect();
    some.sort_unstable();
    let more = some.len().saturating_sub(10);
    some.truncate(10);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("not found: {}{more}", some.join(", "))
}

pub fn verify(
    prefixes: &[PathBuf],
    tokenizer: Option<&Path>,
    eod: Option<&str>,
    global: &Global,
) -> anyhow::Result<Done> {
    let tokenizer = tokenizer.map(Tokenizer::load).transpose()?;
    let expected = Expected {
        vocab_size: tokenizer.as_ref().map(|tokenizer| tokenizer.vocab_size() as u64),
        eod: eod.map(|eod| token_id(eod, tokenizer.as_ref())).transpose()?,
    };
    let mut sound = true;
    for prefix in prefixes {
        let prefix = prefix_of(prefix);
        let bytes = token_bytes(std::slice::from_ref(&prefix));
        let verification = job(global, "verify", bytes, |job| verify_set(&prefix, expected, job))?;
        let name = if prefixes.len() > 1 { format!("{}: ", prefix.display()) } else { String::new() };
        if verification.is_sound() {
            let hashed = match verification.checked_documents {
                0 if verification.documents > 0 => "; no hashes to hold them against".to_owned(),
                _ => String::new(),
            };
            print(&format!(
                "{name}sound: {} documents, {} tokens{hashed}",
                verification.documents, verification.tokens
            ))?;
            continue;
        }
        sound = false;
        for problem in &verification.problems {
            print(&format!("{}: {}: {}", problem.path.display(), problem.field, problem.problem))?;
        }
        let more = verification.problem_count - verification.problems.len() as u64;
        if more > 0 {
            print(&format!("{name}and {more} more"))?;
        }
    }
    Ok(if sound { Done::All } else { Done::Unsound })
}

/// A token's id, given as a number or as a name of the tokenizer's.
pub fn token_id(token: &str, tokenizer: Option<&Tokenizer>) -> anyhow::Result<u32> {
    if let Ok(id) = token.parse() {
        return Ok(id);
    }
    let named = tokenizer.and_then(|tokenizer| tokenizer.token_to_id(token));
    named.ok_or_else(|| match tokenizer {
        Some(_) => usage(format!("the tokenizer has no token `{token}`"), None),
        None => usage(
            format!("`{token}` is no token id"),
            "give its number, or its name with `--tokenizer FILE`".to_owned(),
        ),
    })
}
