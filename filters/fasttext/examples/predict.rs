//! `predict MODEL FILE [K [THRESHOLD]] [--load] [--bits | --time N]`: the output of `fasttext predict-prob`.
//!
//! `--load` takes the model into memory instead of mapping it. `--bits` prints probabilities as the bits of the `f32`, to compare them exactly; `--time N` predicts all lines `N`
//! times and prints the shortest processor time.

use std::error::Error;
use std::io::{BufWriter, Write};
use std::time::Instant;

use yuan_fasttext::{ALL_LABELS, Model, Scratch};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let bits = take_flag(&mut arguments, "--bits");
    let load = take_flag(&mut arguments, "--load");
    let rounds = match arguments.iter().position(|argument| argument == "--time") {
        Some(at) => arguments.drain(at..).nth(1).ok_or("`--time` takes a number")?.parse()?,
        None => 0,
    };
    let [model, file, rest @ ..] = arguments.as_slice() else {
        return Err("usage: predict MODEL FILE [K [THRESHOLD]] [--load] [--bits | --time N]".into());
    };
    let k = match rest.first().map_or(Ok(1), |k| k.parse::<i64>())? {
        -1 => ALL_LABELS,
        k => usize::try_from(k)?,
    };
    let threshold = rest.get(1).map_or(Ok(0.0), |threshold| threshold.parse())?;
    let model = if load { Model::load(model)? } else { Model::open(model)? };
    let text = std::fs::read(file)?;
    let mut scratch = Scratch::new();

    if rounds > 0 {
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

    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut input = text.as_slice();
    while !input.is_empty() {
        let predictions = model.predict_line(&mut scratch, &mut input, k, threshold)?;
        for (place, prediction) in predictions.iter().enumerate() {
            out.write_all(if place > 0 { b" " } else { b"" })?;
            out.write_all(model.dictionary().label(prediction.label as usize))?;
            match bits {
                true => write!(out, " {:08x}", prediction.probability.to_bits())?,
                false => write!(out, " {}", six_digits(f64::from(prediction.probability)))?,
            }
        }
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
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
