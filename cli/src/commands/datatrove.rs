//! `datatrove-minhash`: one step of datatrove's MinHash, its files in, its files out.

use std::path::Path;

use anyhow::Context as _;
use indicatif::HumanCount;
use yuan_dedup::{ClusterOptions, DatatroveStep, MinhashDatatrove, cluster_files, match_files};
use yuan_pipeline::{Error, Output};

use super::tokens::make;
use super::{memory, run, say, threads};
use crate::Done;
use crate::args::{DatatroveMinhashCommand, Global, SignatureArgs};
use crate::hints::usage;
use crate::recipe::{Recipe, StageConfig};

pub fn datatrove(command: &DatatroveMinhashCommand, global: &Global) -> anyhow::Result<Done> {
    match command {
        DatatroveMinhashCommand::Sign { input, out, ranks, signatures, language, ngram, seed, hash } => {
            let minhash = MinhashDatatrove {
                language: *language,
                ngram: *ngram,
                seed: *seed,
                hash: *hash,
                ranks: ranks.ranks,
                step: DatatroveStep::Sign,
                folder: std::path::absolute(out).map_err(Error::io("find", out))?,
                ..described(signatures)
            };
            let stages = vec![checked(minhash)?];
            let output = Output { documents: false, ..Output::default() };
            let recipe = Recipe { input: input.input(), output, stages, ..Recipe::default() };
            let (done, summary) = make(out, &recipe, global)?;
            say(global, &format!("{}: signatures of {} documents", out.display(), HumanCount(summary.kept.documents)));
            Ok(done)
        }
        DatatroveMinhashCommand::Match { signatures_folder, out, signatures, workers } => {
            let config = described(signatures);
            config.validate().map_err(|error| usage(error.to_string(), None))?;
            let pairs = match_files(&config, signatures_folder, out, *workers, memory(global), threads(global))?;
            say(global, &format!("{}: {} pairs", out.display(), HumanCount(pairs)));
            Ok(Done::All)
        }
        DatatroveMinhashCommand::Cluster { pairs, out, clusters, sizes, ignore_index_matches } => {
            let options = ClusterOptions { clusters: *clusters, sizes: *sizes, ignore_index: *ignore_index_matches };
            let (removed, found) = cluster_files(pairs, out, options, memory(global))?;
            let (removed, found) = (HumanCount(removed), HumanCount(found));
            say(global, &format!("{}: {removed} documents to remove, of {found} clusters", out.display()));
            Ok(Done::All)
        }
        DatatroveMinhashCommand::Filter { input, output, remove, ranks } => {
            let folder = std::fs::canonicalize(remove).map_err(Error::io("find", remove)).context("`--remove`")?;
            let step = DatatroveStep::Filter;
            let stages = vec![checked(MinhashDatatrove { ranks: ranks.ranks, step, folder, ..Default::default() })?];
            let recipe = Recipe { input: input.input(), output: output.output(), stages, ..Recipe::default() };
            run::execute(&recipe, Path::new(""), &output.out, &output.resume, global)
        }
    }
}

/// What the options say of signature files.
fn described(signatures: &SignatureArgs) -> MinhashDatatrove {
    let SignatureArgs { bands, rows_per_band, precision } = *signatures;
    MinhashDatatrove { bands, rows_per_band, precision, ..MinhashDatatrove::default() }
}

fn checked(minhash: MinhashDatatrove) -> anyhow::Result<StageConfig> {
    minhash.validate().map_err(|error| usage(error.to_string(), None))?;
    Ok(StageConfig::MinhashDatatrove(minhash))
}
