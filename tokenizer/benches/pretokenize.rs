//! The patterns written out beside the regex engine (Oniguruma), on the same texts: MB/s of the cut alone.
//!
//! `cargo bench -p yuan-tokenizer --bench pretokenize`; with `../shared` real Chinese and English, else a small
//! stand-in.

// The module is the crate's own business.
#[path = "../src/pretokenize/mod.rs"]
#[allow(dead_code, unused_imports, missing_docs, reason = "a bench uses a part of it")]
mod pretokenize;
#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use pretokenize::{Digits, PreTokenizer, pattern};
use serde_json::{Value, json};
use support::{corpus, small_texts};
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

const LANGUAGES: [&str; 2] = ["zh", "en"];

static TEXTS: LazyLock<[Vec<String>; 2]> = LazyLock::new(|| {
    [["docs/zh_lctt", "docs/zh_novels"], ["docs/en_peps", "docs/en_books"]].map(|names| {
        let read = names.map(|name| corpus(&format!("{name}.jsonl.zst"), 2 << 20));
        read.into_iter().map(|texts| texts.unwrap_or_else(small_texts)).collect::<Vec<_>>().concat()
    })
});

/// By name: the regular expressions, each of which cuts the pieces of the one before.
fn patterns(name: &str) -> Vec<String> {
    let tail = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    let lead = r"[^\r\n\p{L}\p{N}]?";
    let (upper, lower) = (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]");
    let last_of_deepseek = concat!(
        r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##,
        r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    );
    match name {
        "ours" => vec![pattern(Digits::Split)],
        "gpt2" => vec![r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+".into()],
        "llama3" => vec![format!(r"{contractions}|{lead}\p{{L}}+|\p{{N}}{{1,3}}{tail}")],
        "qwen2" => vec![format!(r"{contractions}|{lead}\p{{L}}+|\p{{N}}{tail}")],
        "o200k" => vec![format!(
            r"{lead}{upper}*{lower}+{contractions}?|{lead}{upper}+{lower}*{contractions}?|\p{{N}}{{1,3}}{}",
            tail.replace(r"[\r\n]*", r"[\r\n/]*")
        )],
        "deepseek3" => vec![r"\p{N}{1,3}".into(), "[一-龥\u{3040}-ゟ゠-ヿ]+".into(), last_of_deepseek.into()],
        _ => unreachable!("no pattern `{name}`"),
    }
}

const PATTERNS: [&str; 6] = ["ours", "gpt2", "llama3", "qwen2", "o200k", "deepseek3"];

fn texts(language: &str) -> &'static [String] {
    &TEXTS[usize::from(language == LANGUAGES[1])]
}

fn bytes(language: &str) -> BytesCount {
    BytesCount::new(texts(language).iter().map(String::len).sum::<usize>())
}

fn regexes(name: &str) -> Vec<Split> {
    let regex = |it: String| Split::new(SplitPattern::Regex(it), SplitDelimiterBehavior::Isolated, false);
    patterns(name).into_iter().map(|it| regex(it).expect("a pattern")).collect()
}

fn split_by(regexes: &[Split], text: &str, piece: &mut dyn FnMut(&str)) {
    let Some((regex, rest)) = regexes.split_first() else {
        return piece(text);
    };
    let mut done = 0;
    for (start, end) in regex.regex.find_iter(text).chain([(text.len(), text.len())]) {
        for part in [&text[done..start], &text[start..end]] {
            if !part.is_empty() {
                split_by(rest, part, piece);
            }
        }
        done = end;
    }
}

fn written_out(name: &str) -> PreTokenizer {
    let split =
        |it: &String| json!({ "type": "Split", "pattern": { "Regex": it }, "behavior": "Isolated", "invert": false });
    let mut steps: Vec<Value> = patterns(name).iter().map(split).collect();
    steps.push(json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false }));
    let ours = PreTokenizer::from_json(&json!({ "type": "Sequence", "pretokenizers": steps })).expect("known");
    // The answer is checked before it is timed.
    let regexes = regexes(name);
    for text in LANGUAGES.iter().flat_map(|language| &texts(language)[..20]) {
        let (mut mine, mut theirs): (Vec<&str>, Vec<String>) = Default::default();
        ours.splitter.split(text, |piece| mine.push(piece));
        split_by(&regexes, text, &mut |piece| theirs.push(piece.to_owned()));
        assert!(mine == theirs, "{name}");
    }
    ours
}

fn main() {
    divan::main();
}

#[divan::bench(args = PATTERNS, consts = [0, 1], sample_count = 20)]
fn ours<const LANGUAGE: usize>(bencher: Bencher, name: &str) {
    let language = LANGUAGES[LANGUAGE];
    let ours = written_out(name).splitter;
    bencher.counter(bytes(language)).bench(|| {
        let mut count = 0_usize;
        for text in texts(language) {
            ours.split(text, |_| count += 1);
        }
        count
    });
}

#[divan::bench(args = PATTERNS, consts = [0, 1], sample_count = 2)]
fn regex_engine<const LANGUAGE: usize>(bencher: Bencher, name: &str) {
    let language = LANGUAGES[LANGUAGE];
    let regexes = regexes(name);
    bencher.counter(bytes(language)).bench(|| {
        let mut count = 0_usize;
        for text in texts(language) {
            split_by(&regexes, text, &mut |_| count += 1);
        }
        count
    });
}
