//! How fast is a token chosen? `cargo bench -p yuan-model --bench sample`
//!
//! From the logits of Yuan's whole vocabulary, 135,040 tokens, spread as a model's are.

use divan::Bencher;
use yuan_model::generate::{Sampler, Sampling};

const SETTINGS: [&str; 5] = ["greedy", "temperature", "top_k 50", "top_p 0.9", "all of them"];

fn main() {
    divan::main();
}

#[divan::bench(args = SETTINGS)]
fn next(bencher: Bencher<'_, '_>, name: &str) {
    let plain = Sampling { temperature: 0.8, ..Sampling::default() };
    let sampling = match name {
        "greedy" => Sampling::greedy(),
        "temperature" => plain,
        "top_k 50" => Sampling { top_k: 50, ..plain },
        "top_p 0.9" => Sampling { top_p: 0.9, ..plain },
        _ => Sampling { top_k: 50, top_p: 0.9, repetition_penalty: 1.1, ..plain },
    };
    let mut state = 1_u64;
    let logits: Vec<f32> = (0..135_040)
        .map(|_| {
            // Four uniform numbers summed: nearly normal, deviation 2.3.
            let mut uniform = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1 << 24) as f32
            };
            (uniform() + uniform() + uniform() + uniform() - 2.0) * 4.0
        })
        .collect();
    let earlier: Vec<u32> = (0..2000).map(|i| i * 61 % 135_040).collect();
    let mut sampler = Sampler::new(sampling).expect("settings in range");
    let mut position = 0;
    bencher.bench_local(|| {
        position += 1;
        sampler.next(&logits, &earlier, 0, position).expect("finite logits")
    });
}
