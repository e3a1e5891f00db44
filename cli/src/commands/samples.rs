//! `binidx samples`: what a Megatron trainer reads, of which dataset, at which step.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::HumanCount;
use serde_json::{Value, json};
use yuan_binidx::gpt::{Blend, Flavour, Loss, NO_PAD, Piece, Rules, Sample, Sampling, Settings, TrainingData, cache};
use yuan_tokenizer::Tokenizer;

use super::binidx::token_id;
use super::print;
use crate::Done;
use crate::args::SamplesArgs;
use crate::hints::usage;

/// Epochs up to which repeated tokens teach about as much as new ones: Muennighoff et al. 2023, arXiv:2305.16264.
const USEFUL_EPOCHS: f64 = 4.0;

/// A dataset's part in the run.
struct Share {
    drawn: usize,
    tokens: u64,
    share: f64,
    epochs: f64,
}

/// A sample that is to be shown.
struct Read {
    place: usize,
    dataset: usize,
    dataset_sample: usize,
    pieces: Vec<Piece>,
    sample: Sample,
    text: Option<String>,
}

pub fn samples(args: &SamplesArgs) -> anyhow::Result<Done> {
    let tokenizer = args.tokenizer.as_ref().map(Tokenizer::load).transpose()?;
    let rules = rules(args, tokenizer.as_ref())?;
    let blend = match &args.blend {
        Some(blend) => Blend::parse(&blend.split_whitespace().collect::<Vec<_>>()),
        None => Blend::parse(&args.data),
    };
    let blend = blend.map_err(|error| usage(error.to_string(), None))?;
    let data = TrainingData::build(&blend, &settings(args))?;
    let shares = shares(&data);
    let places = places(args, &data)?;
    let read = places.into_iter().map(|place| read(&data, place, &rules, tokenizer.as_ref()));
    let read = read.collect::<anyhow::Result<Vec<_>>>()?;
    let cached = match (&args.cache, &args.tokenizer_identity) {
        (Some(folder), Some(identity)) => cache::write(&data, &identity_of(identity)?, folder)?,
        _ => Vec::new(),
    };
    print(&if args.json {
        as_json(args, &data, &shares, &read, &cached).to_string()
    } else if read.is_empty() {
        table(args, &data, &shares, &cached)
    } else {
        read.iter().map(|read| shown(read, &data)).collect()
    })?;
    Ok(Done::All)
}

fn settings(args: &SamplesArgs) -> Settings {
    Settings {
        sampling: Sampling {
            seed: args.seed,
            samples: args.samples,
            extra_token: !args.no_extra_token,
            keep_partial: args.keep_partial && args.part == yuan_binidx::gpt::Part::Valid,
            ..Sampling::new(args.sequence_length)
        },
        split: args.split.clone(),
        part: args.part,
        flavour: if args.yuan { Flavour::Yuan } else { Flavour::Core { surplus: args.surplus } },
    }
}

fn rules(args: &SamplesArgs, tokenizer: Option<&Tokenizer>) -> anyhow::Result<Rules> {
    let id =
        |token: &Option<String>| token.as_deref().map(|token| token_id(token, tokenizer).map(i64::from)).transpose();
    let (eod, sep) = (id(&args.eod)?, id(&args.sep)?);
    Ok(Rules {
        // Without an id no rule looks for the end: the flags ask for it.
        eod: eod.unwrap_or(NO_PAD),
        pad: id(&args.pad)?.unwrap_or(NO_PAD),
        reset_position_ids: args.reset_position_ids,
        reset_attention_mask: args.reset_attention_mask,
        loss: match sep {
            Some(sep) if args.sft => Loss::Answers { sep },
            _ if args.eod_mask_loss => Loss::NotAfterEod,
            _ => Loss::OnAll,
        },
    })
}

/// The identity of a tokenizer: JSON as it is, or from a file, which may be a whole description.
fn identity_of(identity: &str) -> anyhow::Result<Value> {
    let path = Path::new(identity);
    let text = if path.is_file() {
        std::fs::read_to_string(path).with_context(|| format!("cannot read `{identity}`"))?
    } else {
        identity.to_owned()
    };
    let value: Value = serde_json::from_str(&text).map_err(|error| {
        usage(
            format!("`{identity}` is neither JSON nor a file of it: {error}"),
            Some("give a description.txt that Megatron wrote with this tokenizer".to_owned()),
        )
    })?;
    Ok(value.get("tokenizer").cloned().unwrap_or(value))
}

fn shares(data: &TrainingData) -> Vec<Share> {
    let read = data.read();
    let drawn = data.drawn(read);
    let sequence_length = data.settings().sampling.sequence_length as u64;
    let share = |(drawn, dataset): (usize, &yuan_binidx::gpt::Dataset)| {
        let tokens = drawn as u64 * sequence_length;
        let epochs = tokens as f64 / dataset.indices().epoch_tokens as f64;
        Share { drawn, tokens, share: drawn as f64 / read.max(1) as f64, epochs }
    };
    drawn.into_iter().zip(data.datasets()).map(share).collect()
}

/// The places in the run that are asked for: those of a step, then single ones.
fn places(args: &SamplesArgs, data: &TrainingData) -> anyhow::Result<Vec<usize>> {
    let mut places = Vec::new();
    if let (Some(step), Some(batch)) = (args.step, args.global_batch_size) {
        let steps = data.read().checked_div(batch).unwrap_or(0);
        if !(1..=steps).contains(&step) {
            let problem = format!("there is no step {step}: {} samples make {steps} steps of {batch}", data.read());
            return Err(usage(problem, Some("steps are counted from 1".to_owned())));
        }
        places.extend((step - 1) * batch..step * batch);
    }
    if let Some(place) = args.sample.iter().find(|place| **place >= data.len()) {
        let problem = format!("there is no sample {place}: there are {}", data.len());
        return Err(usage(problem, Some("samples are counted from 0".to_owned())));
    }
    places.extend(&args.sample);
    Ok(places)
}

fn read(data: &TrainingData, place: usize, rules: &Rules, tokenizer: Option<&Tokenizer>) -> anyhow::Result<Read> {
    let (dataset, dataset_sample) = data.locate(place).with_context(|| format!("there is no sample {place}"))?;
    let from = &data.datasets()[dataset];
    let text = from.text(dataset_sample, rules.pad)?;
    let sample = rules.sample(&text, from.sampling().extra_token);
    let decoded = tokenizer.map(|tokenizer| {
        let ids = text[..sample.tokens.len()].iter().filter(|id| **id != rules.pad);
        let ids = ids.map(|id| u32::try_from(*id).with_context(|| format!("sample {place} holds the token {id}")));
        Ok::<_, anyhow::Error>(tokenizer.decode(&ids.collect::<anyhow::Result<Vec<_>>>()?)?)
    });
    let pieces = from.pieces(dataset_sample).with_context(|| format!("there is no sample {place}"))?;
    Ok(Read { place, dataset, dataset_sample, pieces, sample, text: decoded.transpose()? })
}

fn as_json(args: &SamplesArgs, data: &TrainingData, shares: &[Share], read: &[Read], cached: &[PathBuf]) -> Value {
    let datasets = data.datasets().iter().zip(shares).zip(data.prefixes()).map(|((dataset, share), prefix)| {
        let (sequences, indices) = (dataset.sequences(), dataset.indices());
        json!({
            "prefix": prefix, "sequences": [sequences.start, sequences.end], "tokens": indices.epoch_tokens,
            "asked_samples": dataset.sampling().samples, "built_samples": dataset.len(), "built_epochs": indices.epochs,
            "separate_final_epoch": indices.separate_final_epoch, "drawn_samples": share.drawn,
            "drawn_tokens": share.tokens, "share": share.share, "epochs": share.epochs,
        })
    });
    let read = read.iter().map(|read| {
        json!({
            "place": read.place, "dataset": read.dataset, "dataset_sample": read.dataset_sample, "pieces": read.pieces,
            "sample": read.sample, "text": read.text,
        })
    });
    json!({
        "part": args.part, "sequence_length": args.sequence_length, "built_samples": data.len(), "samples": data.read(),
        "steps": steps(args, data), "datasets": datasets.collect::<Value>(), "read": read.collect::<Value>(),
        "cached": cached,
    })
}

fn steps(args: &SamplesArgs, data: &TrainingData) -> Option<usize> {
    args.global_batch_size.and_then(|batch| data.read().checked_div(batch))
}

fn table(args: &SamplesArgs, data: &TrainingData, shares: &[Share], cached: &[PathBuf]) -> String {
    let mut out = String::new();
    let width = data.prefixes().iter().map(|prefix| prefix.chars().count()).max().unwrap_or(0).max(8);
    let read = data.read();
    let tokens: u64 = shares.iter().map(|share| share.tokens).sum();
    let _ = writeln!(
        out,
        "{}: {} samples of {} tokens, {} tokens{}",
        args.part.name(),
        HumanCount(read as u64),
        HumanCount(args.sequence_length as u64),
        HumanCount(tokens),
        steps(args, data).map_or_else(String::new, |steps| format!(", {} steps", HumanCount(steps as u64))),
    );
    let _ = writeln!(
        out,
        "{:width$}  {:>12}  {:>16}  {:>12}  {:>16}  {:>7}  {:>7}",
        "dataset", "sequences", "tokens", "samples", "tokens read", "share", "epochs"
    );
    for ((dataset, share), prefix) in data.datasets().iter().zip(shares).zip(data.prefixes()) {
        let _ = writeln!(
            out,
            "{prefix:width$}  {:>12}  {:>16}  {:>12}  {:>16}  {:>6.2}%  {:>7.2}",
            HumanCount(dataset.sequences().len() as u64).to_string(),
            HumanCount(dataset.indices().epoch_tokens).to_string(),
            HumanCount(share.drawn as u64).to_string(),
            HumanCount(share.tokens).to_string(),
            100.0 * share.share,
            share.epochs,
        );
    }
    for (share, prefix) in shares.iter().zip(data.prefixes()).filter(|(share, _)| share.epochs > USEFUL_EPOCHS) {
        let _ = writeln!(
            out,
            "warning: `{prefix}` is read {:.1} times: beyond {USEFUL_EPOCHS} epochs repeated tokens teach ever less (arXiv:2305.16264)",
            share.epochs
        );
    }
    for path in cached {
        let _ = writeln!(out, "wrote {}", path.display());
    }
    out
}

/// A sample for the eye: where it comes from, what the loss leaves out, its tokens or its text.
fn shown(read: &Read, data: &TrainingData) -> String {
    let Read { place, dataset, dataset_sample, pieces, sample, text } = read;
    let mut out = format!("── sample {place}: sample {dataset_sample} of `{}`\n", data.prefixes()[*dataset]);
    for Piece { sequence, offset, tokens } in pieces.iter().filter(|piece| piece.tokens > 0) {
        let _ = writeln!(out, "sequence {sequence}, tokens {offset} to {}", offset + tokens - 1);
    }
    let ranges = sample.masked_ranges();
    if !ranges.is_empty() {
        let ranges: Vec<String> = ranges.iter().map(|(first, last)| format!("{first} to {last}")).collect();
        let _ = writeln!(out, "no loss on labels {}", ranges.join(", "));
    }
    if sample.segment_starts.len() > 1 {
        let starts: Vec<String> = sample.segment_starts.iter().map(usize::to_string).collect();
        let _ = writeln!(out, "attention begins anew at {}", starts.join(", "));
    }
    match text {
        Some(text) => out + text + "\n",
        None => out + &sample.tokens.iter().map(i64::to_string).collect::<Vec<_>>().join(" ") + "\n",
    }
}
