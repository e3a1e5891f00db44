//! Estimates a model from text on standard input, with the options of KenLM's `lmplz`:
//! `cargo run --release --example lmplz -- -o 5 --prune 0 0 1 -S 2G < text > model.arpa`
#![allow(clippy::print_stderr)]

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read};
use std::path::PathBuf;

use yuan_kenlm::estimate::{
    DEFAULT_DISCOUNT_FALLBACK, Estimate, EstimateOptions, Estimator, OrderStatistics, SpecialSymbols,
};

#[derive(Default)]
struct Arguments {
    options: EstimateOptions,
    text: Option<PathBuf>,
    arpa: Option<PathBuf>,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let Arguments { options, text, arpa } = arguments(std::env::args().skip(1).collect())?;
    let mut estimator = Estimator::new(options)?;
    let input: Box<dyn Read> = match text {
        Some(path) => Box::new(File::open(path)?),
        None => Box::new(io::stdin().lock()),
    };
    let mut input = BufReader::with_capacity(1 << 20, input);
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        estimator.add_line(&line)?;
        line.clear();
    }
    let estimate = estimator.finish()?;
    report(&estimate);
    match arpa {
        Some(path) => estimate.write_arpa_file(&path)?,
        None => estimate.write_arpa(BufWriter::with_capacity(1 << 20, io::stdout()))?,
    }
    Ok(())
}

fn report(estimate: &Estimate) {
    let statistics = estimate.statistics();
    eprintln!("Unigram tokens {} types {}", statistics.tokens, statistics.types);
    for (order, of_order) in (1..).zip(&statistics.orders) {
        let OrderStatistics { ngrams, kept, discounts: [one, two, three], fell_back, .. } = of_order;
        let all = if kept == ngrams { String::new() } else { format!("/{ngrams}") };
        let fallback = if *fell_back { " (fallback)" } else { "" };
        eprintln!("{order} {kept}{all} D1={one} D2={two} D3+={three}{fallback}");
    }
    eprintln!("Temporary bytes {}", statistics.temporary_bytes);
}

fn arguments(given: Vec<String>) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments::default();
    let mut order = None;
    let mut given = given.into_iter().peekable();
    while let Some(option) = given.next() {
        let mut values = Vec::new();
        while let Some(value) = given.next_if(|value| !value.starts_with('-')) {
            values.push(value);
        }
        let first = || values.first().cloned().ok_or(format!("`{option}` needs a value"));
        let options = &mut arguments.options;
        match option.as_str() {
            "-o" | "--order" => order = Some(first()?.parse()?),
            "-S" | "--memory" => options.memory_bytes = bytes(&first()?)?,
            "-T" | "--temp_prefix" => options.temp_dir = PathBuf::from(first()?),
            "--threads" => options.threads = first()?.parse()?,
            "--prune" => options.prune = values.iter().map(|value| value.parse()).collect::<Result<_, _>>()?,
            "--interpolate_unigrams" => options.interpolate_unigrams = values.first().is_none_or(|value| value != "0"),
            "--skip_symbols" => options.special_symbols = SpecialSymbols::Skip,
            "--vocab_pad" => options.vocabulary_padding = first()?.parse()?,
            "--limit_vocab_file" => options.limit_vocabulary = Some(words(&first()?)?),
            "--discount_fallback" => options.discount_fallback = Some(fallback(&values)?),
            "--text" => arguments.text = Some(PathBuf::from(first()?)),
            "--arpa" => arguments.arpa = Some(PathBuf::from(first()?)),
            _ => return Err(format!("unknown option `{option}`").into()),
        }
    }
    arguments.options.order = order.ok_or("`--order` is missing")?;
    Ok(arguments)
}

/// A number of bytes with a unit as in GNU sort; kibibytes without one.
fn bytes(value: &str) -> Result<u64, Box<dyn Error>> {
    let (number, unit) = match value.strip_suffix(|unit: char| unit.is_ascii_alphabetic()) {
        Some(number) => (number, &value[number.len()..]),
        None => (value, "K"),
    };
    let power = "bKMGT".find(unit).ok_or(format!("unknown unit in `{value}`"))?;
    Ok((number.parse::<f64>()? * 1024f64.powi(power as i32)) as u64)
}

fn words(path: &str) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let text = std::fs::read(path)?;
    let words = text.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0));
    Ok(words.filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect())
}

fn fallback(values: &[String]) -> Result<[f32; 3], Box<dyn Error>> {
    let mut discounts = DEFAULT_DISCOUNT_FALLBACK;
    if let Some(last) = values.len().checked_sub(1) {
        for (index, discount) in discounts.iter_mut().enumerate() {
            *discount = values[index.min(last)].parse()?;
        }
    }
    Ok(discounts)
}
