//! How fast is scoring with random weights of a published model's shape?
//!
//! `cargo run --release -p yuan-model --features cuda --example throughput -- model=yuan2-m32 device=cuda:0 dtype=bf16
//! tokens=16384 length=4096 peak=989`
//!
//! `tokens` are those of a batch, in documents of `length`; `layers` keeps only the first layers of the shape; `peak`, in
//! TFLOP/s, is what the device can do at most in the type, for the share of it that is used.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use yuan_model::backend::Target;
use yuan_model::{Batch, Config, DType, Model, Options, Place};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let (mut name, mut place, mut dtype) = ("yuan2-m32".to_owned(), Place::Auto, DType::BF16);
    let (mut tokens, mut length, mut layers, mut rounds, mut peak) = (16384, 4096, usize::MAX, 5, None);
    for argument in std::env::args().skip(1) {
        let (key, value) = argument.split_once('=').ok_or_else(|| format!("`{argument}` is no key=value"))?;
        match key {
            "model" => value.clone_into(&mut name),
            "device" => place = value.parse()?,
            "dtype" => dtype = DType::from_name(value).ok_or_else(|| format!("`{value}` is no type"))?,
            "tokens" => tokens = value.parse()?,
            "length" => length = value.parse::<usize>()?.max(2),
            "layers" => layers = value.parse()?,
            "rounds" => rounds = value.parse::<usize>()?.max(1),
            "peak" => peak = Some(value.parse::<f64>()? * 1e12),
            _ => {
                return Err(
                    format!("`{key}` is none of model, device, dtype, tokens, length, layers, rounds, peak").into()
                );
            }
        }
    }
    let mut config = Config::named(&name).ok_or_else(|| format!("`{name}` is none of {:?}", Config::NAMES))?;
    keep_layers(&mut config, layers);
    let parameters = config.parameters();
    writeln!(
        out,
        "{name}: {} layers, {:.2} GB of weights, {:.2} billion parameters see a token",
        config.layers(),
        parameters.total as f64 * dtype.bytes() as f64 / 1e9,
        parameters.active as f64 / 1e9
    )?;
    let start = Instant::now();
    let options = Options { place, dtype: Some(dtype), ..Options::default() };
    let model = Model::random(config.clone(), 1, options, &mut |_, _| {})?;
    writeln!(out, "on {}: weights after {:.1} s", model.place(), start.elapsed().as_secs_f64())?;

    let (batch, targets) = documents(tokens, length, config.vocab_size() as u32);
    let mut times = Vec::new();
    // The first round compiles kernels and finds the room it needs.
    for round in 0..=rounds {
        let start = Instant::now();
        let scored = model.engine().score(&batch, &targets)?;
        times.push(start.elapsed());
        let mean = scored.iter().map(|scored| f64::from(scored.log_prob)).sum::<f64>() / scored.len() as f64;
        writeln!(out, "round {round}: {:.3} s, mean log-probability {mean:.4}", times[round].as_secs_f64())?;
    }
    let mut times = times.split_off(1);
    times.sort();
    let median: Duration = times[times.len() / 2];
    let per_second = batch.len() as f64 / median.as_secs_f64();
    let flops = per_token(&config, length) * per_second;
    writeln!(out, "{per_second:.0} tokens/s, {:.1} TFLOP/s", flops / 1e12)?;
    if let Some(peak) = peak {
        writeln!(out, "{:.1} % of the peak", flops / peak * 100.0)?;
    }
    #[cfg(feature = "cuda")]
    if let Some(number) = model.place().strip_prefix("cuda:") {
        let gpu = yuan_model::backend::Nvidia::open(number.parse()?)?;
        let (free, all) = gpu.memory()?;
        writeln!(out, "{}: {:.1} of {:.1} GB in use", gpu.name()?, (all - free) as f64 / 1e9, all as f64 / 1e9)?;
    }
    Ok(())
}

/// The first layers only.
fn keep_layers(config: &mut Config, layers: usize) {
    match config {
        Config::Yuan(config) => config.layers = config.layers.min(layers),
        Config::Qwen2Moe(config) => {
            config.layers = config.layers.min(layers);
            config.sparse.truncate(layers);
        }
    }
}

/// Documents of one length, each token of which but the first is to be predicted.
fn documents(tokens: usize, length: usize, vocab_size: u32) -> (Batch, Vec<Target>) {
    let (mut batch, mut targets, mut state) = (Batch::new(), Vec::new(), 1_u64);
    for _ in 0..(tokens / length).max(1) {
        let ids: Vec<u32> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u32 % vocab_size
            })
            .collect();
        let first = batch.len() as u32;
        targets.extend(ids.iter().skip(1).zip(first..).map(|(id, row)| Target { row, id: *id }));
        batch.push(&ids);
    }
    (batch, targets)
}

/// Operations for each token: two for each parameter that sees it, the output layer among them and the embedding not, and
/// four for each value of a query and each key it sees.
fn per_token(config: &Config, length: usize) -> f64 {
    let embedding = (config.vocab_size() * config.hidden_size()) as u64;
    let unused = if config.tied_embeddings() { 0 } else { embedding };
    let width = match config {
        Config::Yuan(config) => config.attention_width,
        Config::Qwen2Moe(config) => config.heads * config.head_dim,
    };
    let keys = (length + 1) as f64 / 2.0;
    2.0 * (config.parameters().active - unused) as f64 + 4.0 * (width * config.layers()) as f64 * keys
}
