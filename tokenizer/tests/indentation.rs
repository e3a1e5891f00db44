//! Code: runs of spaces and tabs are few tokens.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod support;

use std::path::Path;

use support::train;
use yuan_tokenizer::{HanCharacters, Tokenizer, TrainTokenizerConfig};

/// The project's own Python and Rust, once as it is and once indented by tabs, one for two spaces.
fn code() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for folder in ["../tests/oracle", "../tests/bench", "src", "src/train", "src/encode"] {
        let mut paths: Vec<_> =
            std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "py" || suffix == "rs"));
        texts.extend(paths.iter().map(|path| std::fs::read_to_string(path).unwrap()));
    }
    let tabbed: Vec<String> = texts
        .iter()
        .map(|text| {
            let line = |line: &str| {
                let code = line.trim_start_matches(' ');
                "\t".repeat((line.len() - code.len()) / 2) + code + "\n"
            };
            text.lines().map(line).collect()
        })
        .collect();
    texts.into_iter().chain(tabbed).collect()
}

#[test]
fn runs_of_spaces_and_tabs_are_few_tokens() {
    let texts = code();
    assert!(texts.iter().map(String::len).sum::<usize>() > 500_000);
    let folder = tempfile::tempdir().unwrap();
    for pattern in ["yuan", "gpt2", "cl100k", "qwen2", "o200k", "deepseek3"] {
        let config = TrainTokenizerConfig {
            vocab_size: 8_000,
            pattern: pattern.into(),
            han_characters: HanCharacters::None,
            output: folder.path().join("tokenizer.json"),
            ..TrainTokenizerConfig::default()
        };
        train(&config, &[&texts], 1, 1 << 30).unwrap();
        let tokenizer = Tokenizer::load(&config.output).unwrap();
        let tokens = |text: String| tokenizer.encode(&text).unwrap().len();
        let code = tokens("\nreturn".into());
        for length in 1..=64 {
            // A token has at most 16 characters; what 16 do not divide takes a few more. Runs of more than eight tabs are rare in code, and
            // so are tokens of more than two that no line break begins.
            for (white, most) in [(' ', length / 16 + 3), ('\t', length / 2 + 5)] {
                let run = white.to_string().repeat(length);
                let found = tokens(format!("\n{run}return"));
                assert!(found <= code + most, "{pattern}: {found} tokens for {length} of {white:?}");
            }
        }
        // What code is indented by is one token, with the line break before it or the space of the word behind it.
        for depth in 1..=4 {
            assert!(tokens(format!("\n{}return", " ".repeat(4 * depth))) <= code + 1, "{pattern}: depth {depth}");
            assert!(tokens(format!("\n{}return", "\t".repeat(depth))) <= code + 1, "{pattern}: {depth} tabs");
        }
    }
}
