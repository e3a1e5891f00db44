//! How many tokens a second does training read, and how does its time divide?
//!
//! `cargo run --release -p yuan-train --example training_throughput -- hidden=384 layers=10 precision=bf16 tokens=8192 batch=2048 length=1024`
//!
//! `tokens` are those of a step, in batches of `batch`, in sequences of `length` random ids: each a multiple of the next. The last line
//! is JSON.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use yuan_model::Config;
use yuan_model::config::{Rope, Yuan, YuanMoe};
use yuan_train::cpu::Options;
use yuan_train::{Batch, Cpu, Network, Precision, Update, initial};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let (mut vocab, mut hidden, mut layers, mut heads, mut experts, mut width) = (16384, 384, 8, 6, 8, 512);
    let (mut tokens, mut at_once, mut length, mut rounds, mut threads) = (8192_usize, 2048_usize, 1024, 3, 2);
    let mut precision = Cpu::fastest();
    for argument in std::env::args().skip(1) {
        let (key, value) = argument.split_once('=').ok_or_else(|| format!("`{argument}` is no key=value"))?;
        let number = match key {
            "vocab" => &mut vocab,
            "hidden" => &mut hidden,
            "layers" => &mut layers,
            "heads" => &mut heads,
            "experts" => &mut experts,
            "width" => &mut width,
            "tokens" => &mut tokens,
            "batch" => &mut at_once,
            "length" => &mut length,
            "rounds" => &mut rounds,
            "threads" => &mut threads,
            "precision" => {
                precision = match value {
                    "bf16" => Precision::Bf16,
                    "fp32" => Precision::F32,
                    _ => return Err(format!("`precision` is bf16 or fp32, not `{value}`").into()),
                };
                continue;
            }
            _ => return Err(format!("`{key}` is unknown").into()),
        };
        *number = value.parse()?;
    }
    if length == 0 || !at_once.is_multiple_of(length) || at_once == 0 || !tokens.is_multiple_of(at_once) {
        return Err(format!("{tokens} tokens are no batches of {at_once} in sequences of {length}").into());
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let config = shape(vocab, hidden, layers, heads, experts, width);
    let state = initial(&Config::Yuan(config.clone()), 1, yuan_train::DEVIATION);
    let count = Config::Yuan(config.clone()).parameters();
    let mut network = Cpu::new(&config, Options { precision, balance: 0.01 }, state)?;
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        (seed >> 12) % vocab as u32
    };
    let mut batches = Vec::new();
    for _ in 0..tokens / at_once {
        let mut batch = Batch::new();
        for _ in 0..at_once / length {
            let ids: Vec<u32> = (0..=length).map(|_| next()).collect();
            batch.push(&ids[..length], &ids[1..], &vec![1.0; length])?;
        }
        batches.push(batch);
    }
    let tokens: usize = batches.iter().map(Batch::len).sum();
    let (mut best, mut best_pass, mut mean) = (f64::INFINITY, 0.0, 0.0);
    for round in 0..=rounds {
        let start = Instant::now();
        let mut loss = yuan_train::Loss::default();
        for batch in &batches {
            loss.add(&network.accumulate(batch, 1.0 / tokens as f32)?);
        }
        let pass = start.elapsed().as_secs_f64();
        let updated = network.update(&Update::new(1e-3))?;
        let seconds = start.elapsed().as_secs_f64();
        mean = loss.mean();
        writeln!(
            out,
            "loss {mean:.4}, gradient {:.3}, {pass:.3} s there and back, {:.3} s a step",
            updated.gradient_norm, seconds
        )?;
        // The first round finds the room it needs.
        if round > 0 && seconds < best {
            (best, best_pass) = (seconds, pass);
        }
    }
    writeln!(
        out,
        "{{\"parameters\": {}, \"active\": {}, \"precision\": \"{precision:?}\", \"threads\": {threads}, \"tokens_per_second\": {:.1}, \
         \"update_seconds\": {:.4}, \"loss\": {mean:.6}}}",
        count.total,
        count.active,
        tokens as f64 / best,
        best - best_pass
    )?;
    Ok(())
}

/// The tiny model's shape with other numbers.
fn shape(vocab_size: usize, hidden_size: usize, layers: usize, heads: usize, experts: usize, width: usize) -> Yuan {
    let Some(Config::Yuan(tiny)) = Config::named("yuan-moe-tiny") else { unreachable!("it is one of the names") };
    let rope = Rope { width: hidden_size / heads, ..tiny.rope };
    let moe = tiny.moe.map(|moe| YuanMoe { experts, width, ..moe }).filter(|_| experts > 0);
    let (intermediate_size, attention_width) = (width, hidden_size);
    Yuan {
        vocab_size,
        hidden_size,
        intermediate_size,
        layers,
        heads,
        attention_width,
        rope,
        max_positions: 4096,
        moe,
        ..tiny
    }
}
