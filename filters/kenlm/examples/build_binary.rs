//! Builds a binary model as KenLM's `build_binary` does: `build_binary [-u log10_unknown] [-s] [-i] [-v] [-p multiplier]
//! [-S bytes] [-T folder] [-q bits] [-b bits] [-a bits] [probing|trie] INPUT OUTPUT`.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::Path;

use yuan_kenlm::{BuildOptions, ModelKind, build_binary};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = BuildOptions::default();
    let (mut quantised, mut backoff_bits, mut array) = (false, None, false);
    let mut positional = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} takes a value"));
        match argument.as_str() {
            "-u" => options.unknown_log10_prob = value()?.parse()?,
            "-s" => options.allow_missing_sentence_markers = true,
            "-i" => options.allow_positive_probs = true,
            "-v" => options.include_words = false,
            "-p" => options.probing_multiplier = value()?.parse()?,
            "-S" => options.memory = value()?.parse()?,
            "-T" => options.temporary_directory = Some(value()?.into()),
            "-q" => (quantised, options.prob_bits) = (true, value()?.parse()?),
            "-b" => backoff_bits = Some(value()?.parse()?),
            "-a" => (array, options.pointer_bits) = (true, value()?.parse()?),
            _ => positional.push(argument),
        }
    }
    options.backoff_bits = backoff_bits.unwrap_or(options.prob_bits);
    let (kind, input, output) = match &positional[..] {
        [input, output] => ("probing", input, output),
        [kind, input, output] => (kind.as_str(), input, output),
        _ => return Err("expected [probing|trie] INPUT OUTPUT".into()),
    };
    options.kind = match (kind, quantised, array) {
        ("probing", false, _) => ModelKind::Probing,
        ("trie", false, false) => ModelKind::Trie,
        ("trie", true, false) => ModelKind::QuantisedTrie,
        ("trie", false, true) => ModelKind::ArrayTrie,
        ("trie", true, true) => ModelKind::QuantisedArrayTrie,
        _ => return Err("the kind is probing or trie; only a trie is quantised".into()),
    };
    let report = build_binary(Path::new(input), Path::new(output), &options)?;
    eprintln!("{report:?}");
    Ok(())
}
