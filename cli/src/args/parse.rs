//! Words of the command line → values.

use std::time::Duration;

use yuan_binidx::pack::Method;
use yuan_binidx::{DType, DTypeChoice, Form};
use yuan_dedup::{ShingleHash, WordLanguage};
use yuan_filters::{KenLmFormat, ThresholdMethod, Tokens};
use yuan_pipeline::{Format, Measures, OnBadRecord, OutputFormat};
use yuan_tokenizer::WordBoundaries;

use super::tokens::FileRange;
use crate::hints::did_you_mean;

/// Reads `512`, `64MiB`, `8GiB`, `1.5 GB`.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "ki" | "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mi" | "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gi" | "gib" => 1 << 30,
        "t" | "tb" => 1_000_000_000_000,
        "ti" | "tib" => 1 << 40,
        other => return Err(format!("`{other}` is no unit of bytes: use KiB, MiB, GiB or TiB")),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is no size: write 512MiB or 8GiB"))?;
    Ok((number * factor as f64) as u64)
}

/// Reads seconds, at least a thousandth of one, at most a year.
pub(super) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=31_536_000.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| format!("`{text}` is no number of seconds"))
}

pub(super) fn parse_threads(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|threads| *threads > 0).ok_or_else(|| "it takes at least 1 worker".to_owned())
}

/// Reads `3`, or `0-8`, which leaves 8 out.
pub(super) fn parse_file_range(text: &str) -> Result<FileRange, String> {
    let (from, to) = match text.split_once('-') {
        Some((from, to)) => (from.parse(), to.parse()),
        None => (text.parse(), text.parse().map(|file: usize| file.saturating_add(1))),
    };
    match (from, to) {
        (Ok(from), Ok(to)) if from < to => Ok(FileRange { from, to }),
        _ => Err("it is A-B with A below B, which leaves B out, or one number".into()),
    }
}

pub(super) fn parse_document_array(text: &str) -> Result<yuan_binidx::DocumentArray, String> {
    parse_name(text, "documents, zero")
}

pub(super) fn parse_tokenizer_kind(text: &str) -> Result<yuan_tokenizer::TokenizerKind, String> {
    parse_name(text, "byte_level_bpe, sentencepiece_bpe, unigram")
}

/// A name of a plain enum, through serde, with the names there are in the message.
fn parse_name<T: serde::de::DeserializeOwned>(text: &str, names: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::from(text)).map_err(|_| match did_you_mean(text, names.split(", ")) {
        Some(meant) => format!("did you mean `{meant}`? There are {names}"),
        None => format!("there are {names}"),
    })
}

pub(super) fn parse_format(text: &str) -> Result<Format, String> {
    parse_name(text, "jsonl, parquet, arrow, text, text-file, yuan, yuan-preprocess")
}

pub(super) fn parse_output_format(text: &str) -> Result<OutputFormat, String> {
    parse_name(text, "jsonl.zst, jsonl.gz, jsonl, parquet")
}

pub(super) fn parse_method(text: &str) -> Result<ThresholdMethod, String> {
    parse_name(text, "ten-tail, english, mean-std, quantile, median-ratio")
}

pub(super) fn parse_measures(text: &str) -> Result<Measures, String> {
    parse_name(text, "none, sidecar, columns")
}

pub(super) fn parse_tokens(text: &str) -> Result<Tokens, String> {
    parse_name(&text.replace('-', "_"), "words, units, white_space, sentencepiece")
}

pub(super) fn parse_kenlm_format(text: &str) -> Result<KenLmFormat, String> {
    parse_name(text, "trie, probing, arpa")
}

pub(super) fn parse_word_language(text: &str) -> Result<WordLanguage, String> {
    parse_name(text, "en, zh")
}

pub(super) fn parse_trainer_compat(text: &str) -> Result<yuan_tokenizer::TrainerCompat, String> {
    parse_name(text, "none, huggingface")
}

pub(super) fn parse_words(text: &str) -> Result<WordBoundaries, String> {
    parse_name(text, "none, jieba")
}

pub(super) fn parse_part(text: &str) -> Result<yuan_binidx::gpt::Part, String> {
    parse_name(text, "train, valid, test")
}

pub(super) fn parse_shingle_hash(text: &str) -> Result<ShingleHash, String> {
    parse_name(text, "xxhash, sha1")
}

pub(super) fn parse_on_bad_record(text: &str) -> Result<OnBadRecord, String> {
    parse_name(&text.replace('-', "_"), "stop, set-aside")
}

/// `u16`, `i32` or another number type of token sets.
pub(super) fn parse_dtype(text: &str) -> Result<DType, String> {
    DType::from_name(text).ok_or_else(|| "not one of u8, i8, i16, u16, i32, i64, f32, f64".to_owned())
}

pub(super) fn parse_dtype_choice(text: &str) -> Result<DTypeChoice, String> {
    parse_name(text, "auto, u16, i32")
}

pub(super) fn parse_form(text: &str) -> Result<Form, String> {
    parse_name(text, "megatron, datatrove, olmo, parquet")
}

pub(super) fn parse_packing(text: &str) -> Result<Method, String> {
    parse_name(&text.replace('-', "_"), "best_fit, next_fit, concat")
}

/// Reads `90s`, `40m`, `1h30m`.
pub(super) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("`{text}` is no time: write 90s, 40m or 1h30m");
    let mut seconds = 0.0;
    for part in text.trim().split_inclusive(['h', 'm', 's']) {
        let (number, unit) = part.split_at(part.len() - part.chars().next_back().map_or(0, char::len_utf8));
        let factor = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            _ => return Err(wrong()),
        };
        seconds += number.parse::<f64>().ok().filter(|number| *number >= 0.0).ok_or_else(wrong)? * factor;
    }
    std::time::Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(wrong)
}

/// The type of a model's weights.
pub fn parse_model_dtype(text: &str) -> Result<yuan_model::DType, String> {
    yuan_model::DType::from_name(text).ok_or_else(|| "it is fp32, bf16 or fp16".to_owned())
}

/// Where a model runs.
pub fn parse_place(text: &str) -> Result<yuan_model::Place, String> {
    text.parse().map_err(|error: yuan_model::Error| error.to_string())
}

/// What activations are rounded to.
pub fn parse_precision(text: &str) -> Result<yuan_model::Precision, String> {
    text.parse().map_err(|error: yuan_model::Error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_powers_of_two_and_of_ten() {
        assert_eq!(parse_bytes("8GiB"), Ok(8 << 30));
        assert_eq!(parse_bytes("1.5 kB"), Ok(1500));
        assert_eq!(parse_bytes("12"), Ok(12));
        assert!(parse_bytes("many").is_err() && parse_bytes("3 apples").is_err());
    }

    #[test]
    fn times_are_read_with_their_units() {
        let seconds = |text| parse_duration(text).map(|time| time.as_secs_f64());
        assert_eq!(seconds("90s"), Ok(90.0));
        assert_eq!(seconds("1h30m"), Ok(5400.0));
        assert_eq!(seconds("0.5m"), Ok(30.0));
        for wrong in ["", "40", "m", "-1s", "0s", "1d", "1h30", "infs", "1e300h", "五分"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
