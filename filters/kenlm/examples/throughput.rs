//! Tokens per second of a model on a text: `throughput [-l lazy|populate|read] [-t threads] [-r repeats] MODEL TEXT`.
//! From text and from word numbers, word by word and batched; the best of the repeats, in seconds on the clock and, on
//! Linux, in seconds of the processor.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::Instant;

use yuan_kenlm::{Load, Model, Scorer, State};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut load, mut threads, mut repeats) = (Load::Populate, 1, 5);
    let mut positional = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} takes a value"));
        match argument.as_str() {
            "-l" => {
                load = match value()?.as_str() {
                    "lazy" => Load::Lazy,
                    "read" => Load::Read,
                    _ => Load::Populate,
                }
            }
            "-t" => threads = value()?.parse()?,
            "-r" => repeats = value()?.parse()?,
            _ => positional.push(argument),
        }
    }
    let [model, text] = &positional[..] else { return Err("expected MODEL TEXT".into()) };
    let opened = Instant::now();
    let model = Model::open_with(model, load)?;
    println!("opened in {:.3} s", opened.elapsed().as_secs_f64());
    let text = std::fs::read(text)?;
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let vocabulary = model.vocabulary();
    let numbers: Vec<Vec<u32>> = lines
        .iter()
        .map(|line| {
            let words = line.split(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).filter(|word| !word.is_empty());
            words.map(|word| vocabulary.index(word)).collect()
        })
        .collect();
    let tokens: usize = numbers.iter().map(|line| line.len() + 1).sum();
    let share = lines.len().div_ceil(threads);

    let report = |what: &str, run: &(dyn Fn(usize) -> f64 + Sync)| {
        let (mut best, mut best_cpu) = (f64::INFINITY, f64::INFINITY);
        let mut sum = 0.0;
        for _ in 0..repeats {
            let start = Instant::now();
            let timed = |worker| {
                let before = processor_seconds();
                (run(worker), processor_seconds() - before)
            };
            let results: Vec<(f64, f64)> = std::thread::scope(|scope| {
                let timed = &timed;
                let workers: Vec<_> = (0..threads).map(|worker| scope.spawn(move || timed(worker))).collect();
                workers.into_iter().map(|worker| worker.join().unwrap_or((f64::NAN, f64::NAN))).collect()
            });
            best = best.min(start.elapsed().as_secs_f64());
            best_cpu = best_cpu.min(results.iter().map(|(_, cpu)| cpu).sum());
            sum = results.iter().map(|(sum, _)| sum).sum();
        }
        let (wall, cpu) = (best * 1e9 / tokens as f64, best_cpu * 1e9 / tokens as f64);
        println!(
            "{what:24} {:7.3} million tokens/s, ns/token: {wall:6.1} wall {cpu:6.1} processor  sum {sum}",
            1e3 / wall
        );
    };
    let numbers_of = |worker: usize| numbers.iter().skip(worker * share).take(share);
    let lines_of = |worker: usize| lines.iter().skip(worker * share).take(share);
    report("numbers, word by word", &|worker| {
        numbers_of(worker).map(|line| f64::from(model.score_sentence(line, true, true).log10_prob)).sum()
    });
    report("numbers, batched", &|worker| {
        let scores = Scorer::new(&model).score_batch(numbers_of(worker).map(|line| &line[..]), true, true);
        scores.iter().map(|score| f64::from(score.log10_prob)).sum()
    });
    report("text, word by word", &|worker| {
        let mut sum = 0.0;
        for line in lines_of(worker) {
            let mut history = model.begin_sentence_state();
            let mut next = State::default();
            let mut total = 0.0f32;
            for word in line.split(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).filter(|word| !word.is_empty()) {
                total += model.full_score(&history, vocabulary.index(word), &mut next).log10_prob;
                std::mem::swap(&mut history, &mut next);
            }
            total += model.full_score(&history, vocabulary.end_sentence(), &mut next).log10_prob;
            sum += f64::from(total);
        }
        sum
    });
    report("text, batched", &|worker| {
        let scores = Scorer::new(&model).score_texts(lines_of(worker).copied(), true, true);
        scores.iter().map(|score| f64::from(score.log10_prob)).sum()
    });
    Ok(())
}

/// Time that this thread has run.
fn processor_seconds() -> f64 {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    statistics.split(' ').next().and_then(|first| first.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}
