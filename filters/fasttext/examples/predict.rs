//! `predict MODEL FILE [K [THRESHOLD]] [--load] [--threads N] [--bits | --time N]`: the output of `fasttext predict-prob`.
//!
//! `--load` takes the model into memory instead of mapping it. `--bits` prints probabilities as the bits of the `f32`, to
//! compare them exactly; `--time N` predicts all lines `N` times and prints the shortest processor time of one thread.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use yuan_fasttext::{ALL_LABELS, Model, Scratch};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let bits = take_flag(&mut arguments, "--bits");
    let load = take_flag(&mut arguments, "--load");
    let rounds = take_number(&mut arguments, "--time")?.unwrap_or(0);
    let threads = take_number(&mut arguments, "--threads")?.unwrap_or(1).max(1);
    let [model, file, rest @ ..] = arguments.as_slice() else {
        return Err("usage: predict MODEL FILE [K [THRESHOLD]] [--load] [--threads N] [--bits | --time N]".into());
    };
    let k = match rest.first().map_or(Ok(1), |k| k.parse::<i64>())? {
        -1 => ALL_LABELS,
        k => usize::try_from(k)?,
    };
    let threshold = rest.get(1).map_or(Ok(0.0), |threshold| threshold.parse())?;
    let model = if load { Model::load(model)? } else { Model::open(model)? };
    let text = std::fs::read(file)?;

    if rounds > 0 {
        let mut scratch = Scratch::new();
        let mut best = f64::INFINITY;
        let (mut lines, mut sum) = (0, 0.0);
        for _ in 0..rounds {
            let start = processor_seconds();
            let mut input = text.as_slice();
            lines = 0;
            while !input.is_empty() {
                let predictions = model.predict_line(&mut scratch, &mut input, k, threshold)?;
                sum += predictions.first().map_or(0.0, |prediction| f64::from(prediction.probability));
                lines += 1;
            }
            best = best.min(processor_seconds() - start);
        }
        writeln!(std::io::stdout(), "{lines} lines {best:.4} s sum {sum:.6}")?;
        return Ok(());
    }

    let outputs = std::thread::scope(|scope| {
        let workers: Vec<_> = parts(&text, threads)
            .into_iter()
            .map(|part| scope.spawn(|| predictions(&model, part, k, threshold, bits)))
            .collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| "a thread failed")).collect::<Result<Vec<_>, _>>()
    })?;
    let mut out = std::io::stdout().lock();
    for output in outputs {
        out.write_all(&output?)?;
    }
    Ok(())
}

/// The text in as many parts as there are threads, cut behind line ends.
fn parts(mut text: &[u8], threads: usize) -> Vec<&[u8]> {
    let size = text.len() / threads;
    let mut parts = Vec::with_capacity(threads);
    for _ in 1..threads {
        let line_end = text.iter().skip(size).position(|&byte| byte == b'\n');
        let (part, rest) = text.split_at(line_end.map_or(text.len(), |at| size.min(text.len()) + at + 1));
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}

fn predictions(
    model: &Model,
    mut input: &[u8],
    k: usize,
    threshold: f32,
    bits: bool,
) -> Result<Vec<u8>, yuan_fasttext::Error> {
    let mut scratch = Scratch::new();
    let mut out = Vec::new();
    while !input.is_empty() {
        let predictions = model.predict_line(&mut scratch, &mut input, k, threshold)?;
        for (place, prediction) in predictions.iter().enumerate() {
            out.extend_from_slice(if place > 0 { b" " } else { b"" });
            out.extend_from_slice(model.dictionary().label(prediction.label as usize));
            let number = match bits {
                true => format!(" {:08x}", prediction.probability.to_bits()),
                false => format!(" {}", six_digits(f64::from(prediction.probability))),
            };
            out.extend_from_slice(number.as_bytes());
        }
        out.push(b'\n');
    }
    Ok(out)
}

/// Seconds that this thread has been running, from any point on; wall time where the system does not say.
fn processor_seconds() -> f64 {
    static BEGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let running = schedule.as_deref().and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    running.map_or_else(|| BEGIN.elapsed().as_secs_f64(), |nanoseconds| nanoseconds * 1e-9)
}

fn take_flag(arguments: &mut Vec<String>, flag: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|argument| argument != flag);
    arguments.len() < before
}

/// The number behind `flag`, both taken out.
fn take_number(arguments: &mut Vec<String>, flag: &str) -> Result<Option<usize>, Box<dyn Error>> {
    let Some(at) = arguments.iter().position(|argument| argument == flag) else { return Ok(None) };
    let number = arguments.drain(at..(at + 2).min(arguments.len())).nth(1);
    Ok(Some(number.ok_or(format!("`{flag}` takes a number"))?.parse()?))
}

/// A number as C++ streams print it: six significant digits, an exponent below -4 and from 6 on.
fn six_digits(number: f64) -> String {
    let scientific = format!("{number:.5e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |digits: &str| digits.trim_end_matches('0').trim_end_matches('.').to_owned();
    if (-4..6).contains(&exponent) {
        let fixed = format!("{number:.*}", (5 - exponent) as usize);
        if fixed.contains('.') { trimmed(&fixed) } else { fixed }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
    }
}
