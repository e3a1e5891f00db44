//! `tokenizer`: what is done to a tokenizer that is there already.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use indicatif::HumanCount;
use yuan_pipeline::Error;
use yuan_tokenizer::PruneTokenizerConfig;
use yuan_tokenizer::edit::{Assignment, Joined, assign_reserved, export_huggingface, export_tiktoken, join_models};

use super::binidx::prefix_of;
use super::say;
use super::tokens::towards;
use crate::Done;
use crate::args::{Global, PruneArgs, TokenizerCommand, TokenizerFormat};
use crate::hints::usage;
use crate::recipe::StageConfig;

pub fn tokenizer(command: &TokenizerCommand, global: &Global) -> anyhow::Result<Done> {
    match command {
        TokenizerCommand::AssignReserved { tokenizer, assignments, unless_in } => {
            assign(tokenizer, assignments, unless_in, global)
        }
        TokenizerCommand::Prune(args) => prune(args, global),
        TokenizerCommand::Export { tokenizer, format, out } => export(tokenizer, *format, out, global),
        TokenizerCommand::Join { models, out, vocab_multiple } => join(models, out, *vocab_multiple, global),
    }
}

fn join(models: &[PathBuf], out: &Path, vocab_multiple: u32, global: &Global) -> anyhow::Result<Done> {
    let Joined { vocab_size, added, unreachable } = join_models(models, out, vocab_multiple)?;
    let parts: Vec<String> =
        models.iter().zip(added).map(|(path, added)| format!("{added} of {}", path.display())).collect();
    say(global, &format!("{}: {} pieces: {}", out.display(), HumanCount(vocab_size as u64), parts.join(", ")));
    if unreachable > 0 {
        let lost = HumanCount(unreachable as u64);
        say(global, &format!("{lost} pieces are never given: no two pieces make them, or others are joined first"));
    }
    Ok(Done::All)
}

fn assign(path: &Path, assignments: &[Assignment], shards: &[PathBuf], global: &Global) -> anyhow::Result<Done> {
    for prefix in shards {
        refuse_if_used(prefix, assignments)?;
    }
    for changed in assign_reserved(path, assignments)? {
        say(global, &format!("{} written", changed.display()));
    }
    Ok(Done::All)
}

/// # Errors
/// If a token of these ids stands in the files.
fn refuse_if_used(prefix: &Path, assignments: &[Assignment]) -> anyhow::Result<()> {
    let names: HashMap<i64, &str> = assignments.iter().map(|it| (i64::from(it.id), it.name.as_str())).collect();
    let prefix = prefix_of(prefix);
    let reader = yuan_binidx::Reader::open(&prefix)?;
    for document in 0..reader.document_count() {
        for id in reader.document(document)?.iter().flat_map(|sequence| sequence.ids()) {
            if let Some(name) = names.get(&id) {
                let hint = "choose a slot that no text has: `yuan-data info` of the tokenizer lists them";
                let problem = format!(
                    "token {id}, to be named `{name}`, stands in document {document} of `{}`",
                    prefix.display()
                );
                return Err(usage(problem, Some(hint.into())));
            }
        }
    }
    Ok(())
}

fn export(from: &Path, format: TokenizerFormat, out: &Path, global: &Global) -> anyhow::Result<Done> {
    match format {
        TokenizerFormat::Tiktoken => {
            let written = export_tiktoken(from, out)?;
            let tokens = HumanCount(written.tokens as u64);
            say(global, &format!("{}, {}: {tokens} ranks", written.ranks.display(), written.companion.display()));
            if written.nfc {
                say(global, "texts have to be brought into normalisation form C before tiktoken gets them");
            }
        }
        TokenizerFormat::Huggingface => {
            for path in export_huggingface(from, out)? {
                say(global, &format!("{} written", path.display()));
            }
        }
    }
    Ok(Done::All)
}

fn prune(args: &PruneArgs, global: &Global) -> anyhow::Result<Done> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(Error::io("find", path));
    let config = PruneTokenizerConfig {
        tokenizer: absolute(&args.tokenizer)?,
        vocab_size: args.vocab_size,
        output: absolute(&args.out)?,
    };
    let (done, _) = towards(&args.out, vec![StageConfig::PruneTokenizer(config)], &args.input.input(), global)?;
    say(global, &format!("{}: {} tokens", args.out.display(), HumanCount(args.vocab_size.into())));
    Ok(done)
}
