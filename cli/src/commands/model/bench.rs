//! `model bench`: how fast a model scores.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::json;
use yuan_model::perplexity::{Resets, Scoring, Windows, score};
use yuan_model::{Config, Model};

use super::info::count;
use super::{loading, open};
use crate::Done;
use crate::args::{Global, ModelCommand};
use crate::commands::print;

pub fn bench(command: &ModelCommand, global: &Global) -> anyhow::Result<Done> {
    let ModelCommand::Bench { model, random_weights, run, tokens, length, batch_tokens, peak, json } = command else {
        unreachable!("it is called for this command alone")
    };
    let model = match (model, random_weights) {
        (Some(path), _) => open(path, run, global)?,
        (None, shape) => {
            let config = config(shape.as_deref().context("a model or `--random-weights`")?)?;
            loading(run, global, |on_layer| Model::random(config, 0, run.options(), on_layer))?
        }
    };
    let (config, length) = (model.config(), length.get());
    let documents = tokens.div_ceil(length).max(1);
    let texts: Vec<Vec<u32>> = (0..documents).map(|number| text(number, length, config.vocab_size())).collect();
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let (windows, resets) = (Windows::new(length, length)?, Resets::default());
    let scoring = Scoring { prefix: Some(0), windows, batch_tokens: *batch_tokens, resets };
    // What is made when it is first needed is made now.
    let first = *batch_tokens / length;
    score(model.engine(), &texts[..first.clamp(1, texts.len())], &scoring, None)?;
    let start = Instant::now();
    let scores = score(model.engine(), &texts, &scoring, None)?;
    let seconds = start.elapsed().as_secs_f64();
    let scored: u64 = scores.iter().map(|score| score.tokens).sum();
    let per_second = scored as f64 / seconds;
    let flops = flops_per_token(config, length);
    let rate = flops * per_second;
    if *json {
        print(
            &json!({
                "device": model.place(), "dtype": model.dtype().name(), "tokens": scored, "seconds": seconds,
                "tokens_per_second": per_second, "flop_per_token": flops, "tflops": rate / 1e12,
                "utilisation": peak.map(|peak| rate / 1e12 / peak),
            })
            .to_string(),
        )?;
    } else {
        let parameters = config.parameters();
        let (total, active) = (count(parameters.total), count(parameters.active));
        print(&format!(
            "model      {total} parameters, {active} see a token, {}, {}",
            model.dtype().name(),
            model.place()
        ))?;
        print(&format!(
            "scored     {scored} tokens in {seconds:.2} s, documents of {length}, {batch_tokens} together"
        ))?;
        print(&format!("speed      {per_second:.1} tokens/s, {:.3} TFLOP/s", rate / 1e12))?;
        if let Some(peak) = peak {
            print(&format!("use        {:.1} % of {peak} TFLOP/s", 100.0 * rate / 1e12 / peak))?;
        }
    }
    Ok(Done::All)
}

/// A file of configuration, its folder, or a name.
fn config(shape: &std::path::Path) -> anyhow::Result<Config> {
    Ok(super::describe(shape)?.config)
}

/// Tokens that look like nothing: experts are used evenly.
fn text(number: usize, length: usize, vocab_size: usize) -> Vec<u32> {
    let mix = |place: usize| {
        let mixed = ((number * length + place) as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
    };
    (0..length).map(|place| (mix(place) % vocab_size as u64) as u32).collect()
}

/// Additions and multiplications for a token of a text of `length`: two for each weight that sees it, of the embedding only the
/// output layer, and four for each value of a head and each key that it sees, half of them on average.
fn flops_per_token(config: &Config, length: usize) -> f64 {
    let embedding = (config.vocab_size() * config.hidden_size()) as u64;
    let tied = if config.tied_embeddings() { 0 } else { embedding };
    let weights = (config.parameters().active - tied) as f64;
    let (layers, width) = match config {
        Config::Yuan(config) => (config.layers, config.attention_width),
        Config::Qwen2Moe(config) => (config.layers, config.heads * config.head_dim),
    };
    2.0 * weights + 4.0 * (layers * width) as f64 * length as f64 / 2.0
}
