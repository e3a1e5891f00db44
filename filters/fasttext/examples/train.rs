//! Trains and quantises with the options of fastText's command line, to compare the two.
//!
//! ```text
//! cargo run --release --example train -- supervised -input train.txt -output model -thread 1
//! cargo run --release --example train -- quantize -input train.txt -output model -qnorm -cutoff 8000 -retrain
//! ```

#![allow(clippy::print_stderr)]

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use yuan_fasttext::quantize::{QuantiseOptions, Retrain, quantise};
use yuan_fasttext::train::{LineFile, TrainOptions, train};
use yuan_fasttext::{Error, Loss, Model};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let (command, options) = arguments.split_first().ok_or("give `supervised` or `quantize`")?;
    let options = Options(options);
    match command.as_str() {
        "supervised" => supervised(&options),
        "quantize" => quantize(&options),
        other => Err(format!("`{other}` is not `supervised` or `quantize`")),
    }
}

fn supervised(options: &Options) -> Result<(), String> {
    let mut train_options = TrainOptions::default();
    let args = &mut train_options.args;
    for (name, field) in [
        ("-dim", &mut args.dim),
        ("-epoch", &mut args.epoch),
        ("-minCount", &mut args.min_count),
        ("-neg", &mut args.neg),
        ("-wordNgrams", &mut args.word_ngrams),
        ("-bucket", &mut args.bucket),
        ("-minn", &mut args.minn),
        ("-maxn", &mut args.maxn),
        ("-lrUpdateRate", &mut args.lr_update_rate),
        ("-seed", &mut train_options.seed),
    ] {
        options.set(name, field)?;
    }
    options.set("-minCountLabel", &mut train_options.min_count_label)?;
    options.set("-thread", &mut train_options.threads)?;
    options.set("-memory", &mut train_options.memory_bytes)?;
    // As fastText's command line: a 32-bit number, unless none is given.
    let mut rate = f32::NAN;
    options.set("-lr", &mut rate)?;
    if !rate.is_nan() {
        train_options.learning_rate = f64::from(rate);
    }
    if let Some(loss) = options.value("-loss")? {
        train_options.args.loss = match loss {
            "hs" => Loss::Hs,
            "ns" => Loss::Ns,
            "softmax" => Loss::Softmax,
            "ova" | "one-vs-all" => Loss::Ova,
            other => return Err(format!("`{other}` is no loss")),
        };
    }
    if let Some(prefix) = options.value("-label")? {
        train_options.label_prefix = prefix.into();
    }
    train_options.pretrained_vectors = options.value("-pretrainedVectors")?.map(Into::into);
    let source = LineFile::new(options.required("-input")?);
    let start = Instant::now();
    let model = train(source, &train_options, report, &AtomicBool::new(false)).map_err(describe)?;
    eprintln!("\ntrained in {:.3} s", start.elapsed().as_secs_f64());
    match options.value("-output")? {
        Some(output) => model.write(format!("{output}.bin")).map_err(describe),
        None => Ok(()),
    }
}

fn quantize(options: &Options) -> Result<(), String> {
    let mut quantise_options = QuantiseOptions {
        quantise_norms: options.flag("-qnorm"),
        quantise_output: options.flag("-qout"),
        ..QuantiseOptions::default()
    };
    options.set("-dsub", &mut quantise_options.piece_length)?;
    options.set("-thread", &mut quantise_options.threads)?;
    let mut cutoff = 0;
    options.set("-cutoff", &mut cutoff)?;
    quantise_options.cutoff = (cutoff > 0).then_some(cutoff);
    if options.flag("-retrain") {
        let mut retrain = Retrain { threads: quantise_options.threads, ..Retrain::default() };
        options.set("-epoch", &mut retrain.epoch)?;
        let mut rate = f32::NAN;
        options.set("-lr", &mut rate)?;
        if !rate.is_nan() {
            retrain.learning_rate = f64::from(rate);
        }
        quantise_options.retrain = Some(retrain);
    }
    let output = options.required("-output")?;
    let mut source = LineFile::new(options.required("-input")?);
    let model = Model::open(format!("{output}.bin")).map_err(describe)?;
    let start = Instant::now();
    let cancel = AtomicBool::new(false);
    let model = quantise(&model, &quantise_options, Some(&mut source), report, &cancel).map_err(describe)?;
    eprintln!("\nquantised in {:.3} s", start.elapsed().as_secs_f64());
    model.write(format!("{output}.ftz")).map_err(describe)
}

fn report(progress: &yuan_fasttext::train::Progress) {
    eprint!(
        "\r{:5.1}%  tokens/s: {:9.0}  lr: {:.6}  loss: {:.6}",
        progress.fraction * 100.0,
        progress.tokens_per_second,
        progress.learning_rate,
        progress.loss
    );
}

fn describe(error: Error) -> String {
    error.to_string()
}

/// Options as fastText has them: a name with a dash, then its value.
struct Options<'a>(&'a [String]);

impl Options<'_> {
    fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|argument| argument == name)
    }

    fn value(&self, name: &str) -> Result<Option<&str>, String> {
        let Some(at) = self.0.iter().position(|argument| argument == name) else { return Ok(None) };
        let value = self.0.get(at + 1).ok_or_else(|| format!("`{name}` has no value"))?;
        Ok(Some(value))
    }

    fn required(&self, name: &str) -> Result<&str, String> {
        self.value(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    fn set<T: std::str::FromStr>(&self, name: &str, field: &mut T) -> Result<(), String> {
        if let Some(value) = self.value(name)? {
            *field = value.parse().map_err(|_| format!("`{name}` cannot be {value}"))?;
        }
        Ok(())
    }
}
