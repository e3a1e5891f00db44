//! The library's pre-tokenisers are the oracle of the patterns written out.

mod real;

use serde_json::{Value, json};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::tokenizer::PreTokenizer as _;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString};

use super::*;

const CL100K: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|",
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
);
const CL100K_TIKTOKEN: &str = concat!(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|",
    r"\s++$|\s*[\r\n]|\s+(?!\S)|\s"
);
const O200K: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const QWEN35: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|",
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
);
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const GPT2_TIKTOKEN: &str = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s";
const LING: &str = concat!(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|",
    r"\s*[\r\n]|\s+(?!\S)|\s+"
);
const SEED: &str = concat!(
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|",
    "\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
);
/// Small letters, cut short: what the file lists of Latin, Greek and Cyrillic, and signs that hold letters.
const DEEPSEEK_LLM: [&str; 5] = [
    "[\r\n]",
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓͰ-ͳͻ-ͽΑ-ΡΣ-ϵЀ-ҁႠ-ჅＡ-Ｚａ-ｚ𐐀-𐑏]+",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s+$",
    "[一-龥ࠀ-一가-\u{d7ff}]+",
];

fn split(pattern: &str) -> Value {
    json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false })
}

fn byte_level(use_regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}

fn sequence(mut steps: Vec<Value>, last: Value) -> Value {
    steps.push(last);
    json!({ "type": "Sequence", "pretokenizers": steps })
}

/// Every kind of pre-tokeniser that is written out, by name.
pub(super) fn kinds() -> Vec<(&'static str, Value)> {
    let one = |pattern: &str| sequence(vec![split(pattern)], byte_level(false));
    let digits = |each: bool| json!({ "type": "Digits", "individual_digits": each });
    let deepseek_llm = DEEPSEEK_LLM.iter().map(|it| split(it)).chain([digits(true)]).collect();
    let inverted = json!({ "type": "Split", "pattern": { "Regex": CL100K }, "behavior": "Removed", "invert": true });
    vec![
        ("ours", one(&pattern(Digits::Split))),
        ("ours, digits in groups", one(&pattern(Digits::Groups))),
        ("ours, digits kept", one(&pattern(Digits::Keep))),
        ("gpt2", byte_level(true)),
        ("gpt2 as a split", one(GPT2)),
        ("gpt2 as of tiktoken", one(GPT2_TIKTOKEN)),
        ("cl100k, llama 3", one(CL100K)),
        ("cl100k, inverted", sequence(vec![inverted], byte_level(false))),
        ("cl100k as of tiktoken", one(CL100K_TIKTOKEN)),
        ("qwen 2", one(&CL100K.replace("{1,3}", ""))),
        ("qwen 3.5", one(QWEN35)),
        ("stablelm 2", one(&CL100K.replace("{1,3}", "+"))),
        ("ling", one(LING)),
        ("seed", one(SEED)),
        (
            "llama 3 as of llama.cpp",
            one(&CL100K
                .replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])")),
        ),
        ("o200k", one(O200K)),
        ("tekken", one(&O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace("{1,3}", ""))),
        ("deepseek 3", sequence(known::DEEPSEEK_3.iter().map(|it| split(it)).collect(), byte_level(false))),
        ("deepseek llm", sequence(deepseek_llm, byte_level(false))),
        ("starcoder", sequence(vec![digits(true)], byte_level(true))),
        ("digits in a run", sequence(vec![digits(false)], byte_level(true))),
        ("blank ends", one(r"\s+$")),
    ]
}

#[test]
fn patterns_have_names() {
    let qwen2 = CL100K.replace("{1,3}", "");
    let expected = [("gpt2", GPT2), ("cl100k", CL100K), ("llama3", CL100K), ("qwen2", &*qwen2), ("o200k", O200K)];
    for (name, pattern) in expected {
        assert_eq!(named(name).unwrap(), [pattern], "{name}");
    }
    assert_eq!(named("deepseek3").unwrap(), known::DEEPSEEK_3);
    for name in ["gpt2", "cl100k", "qwen2", "o200k", "deepseek3"] {
        let patterns: Vec<Value> = named(name).unwrap().iter().map(|it| split(it)).collect();
        let read = PreTokenizer::from_json(&sequence(patterns, byte_level(false))).unwrap();
        assert!(read.splitter.is_written_out() && !read.add_prefix_space, "{name}");
    }
    assert_eq!(named(r"\w+"), None);
}

/// Cut by the library.
pub(super) enum Oracle {
    /// Its regex engine, for one pattern.
    Regex(Splitter),
    /// Its pre-tokenisers.
    Steps(PreTokenizerWrapper),
}

impl Oracle {
    pub(super) fn new(value: &Value) -> Self {
        Self::Steps(serde_json::from_value(value.clone()).unwrap())
    }

    pub(super) fn pieces<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let library = match self {
            Self::Regex(splitter) => return pieces(splitter, text),
            Self::Steps(library) => library,
        };
        let mut cut = PreTokenizedString::from(text);
        library.pre_tokenize(&mut cut).unwrap();
        let places = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
        places.into_iter().map(|(_, (start, end), _)| &text[start..end]).filter(|it| !it.is_empty()).collect()
    }
}

pub(super) fn pieces<'t>(splitter: &Splitter, text: &'t str) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    splitter.split(text, |piece| pieces.push(piece));
    pieces
}

fn both(value: &Value) -> (Splitter, Oracle) {
    let ours = PreTokenizer::from_json(value).unwrap();
    assert!(ours.splitter.is_written_out(), "{value}");
    // Without the spelling of bytes, which moves no border and takes the library long.
    let mut value = value.clone();
    if let Some(steps) = value["pretokenizers"].as_array_mut()
        && steps.last().is_some_and(|last| last["use_regex"] == false)
    {
        steps.pop();
        if let [split] = steps.as_slice()
            && split["behavior"] == "Isolated"
        {
            let regex = regex(split["pattern"]["Regex"].as_str().unwrap()).unwrap();
            return (ours.splitter, Oracle::Regex(Splitter(Cut::One(Step::Regex(Box::new(regex))))));
        }
    }
    (ours.splitter, Oracle::new(&value))
}

const ALPHABET: [&str; 34] = [
    "a", "S", "l", "e", "É", "中", "〇", "龥", "龦", "か", "・", "ー", "1", "½", " ", "\t", "\n", "\r", "\u{3000}",
    "'", ".", "/", "，", "\u{301}", "\0", "😀", "ſ", "ǅ", "ʰ", "\u{ad}", "\u{85}", "\u{3097}", "ﬀ", "١",
];

fn same(name: &str, ours: &Splitter, oracle: &Oracle, text: &str) {
    let (ours, theirs) = (pieces(ours, text), oracle.pieces(text));
    if ours != theirs {
        let at = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs).unwrap_or(0);
        let near = |pieces: &[&str]| pieces[at.saturating_sub(3)..(at + 4).min(pieces.len())].join("|");
        panic!(
            "{name}: {:?} is cut {:?}, expected {:?}",
            text.chars().take(80).collect::<String>(),
            near(&ours),
            near(&theirs)
        );
    }
}

#[test]
fn what_becomes_a_piece() {
    for (text, expected) in [
        ("今天天气很好，我们去公园。\n", &["今天天气很好", "，", "我们去公园", "。\n"][..]),
        ("用Python写的3个脚本", &["用", "Python", "写的", "3", "个脚本"]),
        ("in 2024,  it's fine", &["in", " ", "2", "0", "2", "4", ",", " ", " it", "'s", " fine"]),
        ("'static don't", &["'static", " don", "'t"]),
        ("    return x\n\n  y", &["   ", " return", " x", "\n\n", " ", " y"]),
        ("हिन्दी ภาษาไทย", &["हिन्दी", " ภาษาไทย"]),
        ("二〇二四年", &["二〇二四年"]),
        ("  ", &["  "]),
    ] {
        assert_eq!(pieces(&Splitter::new(&pattern(Digits::Split)).unwrap(), text), expected);
    }
    assert_eq!(pieces(&Splitter::new(&pattern(Digits::Keep)).unwrap(), "a 12345"), ["a", " ", "12345"]);
    assert_eq!(pieces(&Splitter::new(&pattern(Digits::Groups)).unwrap(), "a 12345"), ["a", " ", "123", "45"]);
}

#[test]
fn patterns_are_known_again() {
    for (name, value) in kinds() {
        assert!(PreTokenizer::from_json(&value).unwrap().splitter.is_written_out(), "{name}");
    }
    assert!(Splitter::new(&pattern(Digits::Keep)).unwrap().is_written_out());
    assert!(!Splitter::new(r"\s+?").unwrap().is_written_out());
    assert!(Splitter::new("(").is_err());
    for other in [r"[^a]+", r"[a&&b]", r"[\p{L}a]+", "[a[b]]", "[b-a]", "[]", "[-a]", r"\p{P}+"] {
        assert!(Known::of(other).is_none(), "{other}");
    }
}

#[test]
fn what_is_not_exact_is_refused() {
    let prefix = json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true });
    assert!(PreTokenizer::from_json(&prefix).unwrap().add_prefix_space);
    assert!(!PreTokenizer::from_json(&byte_level(true)).unwrap().add_prefix_space);
    let removed = |pattern: &str, invert: bool| json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Removed", "invert": invert });
    for refused in [
        sequence(vec![split(CL100K)], prefix),
        sequence(vec![byte_level(true)], split(CL100K)),
        sequence(
            vec![json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always" })],
            byte_level(false),
        ),
        sequence(vec![json!({ "type": "Whitespace" })], byte_level(false)),
        sequence(vec![removed(CL100K, false)], byte_level(false)),
        sequence(vec![removed(r"\p{N}", true)], byte_level(false)),
        sequence(vec![split("(")], byte_level(false)),
        sequence(vec![], split(CL100K)),
        json!({ "type": "Sequence", "pretokenizers": [] }),
        Value::Null,
    ] {
        assert!(PreTokenizer::from_json(&refused).is_none(), "{refused}");
    }
}

/// What is not written out is done by the library.
#[test]
fn other_steps_are_the_librarys() {
    let text = "a, b!! c 12 「中文」かな-- \n x";
    let other = |behavior: &str, pattern: Value| json!({ "type": "Split", "pattern": pattern, "behavior": behavior, "invert": false });
    for steps in [
        vec![json!({ "type": "Punctuation", "behavior": "Contiguous" }), split(r"\w+")],
        vec![other("MergedWithNext", json!({ "Regex": r"\p{P}" }))],
        vec![other("Isolated", json!({ "String": "!" })), json!({ "type": "UnicodeScripts" })],
        vec![],
    ] {
        let value = sequence(steps, byte_level(false));
        let ours = PreTokenizer::from_json(&value).unwrap().splitter;
        same("other", &ours, &Oracle::new(&value), text);
        same("other", &ours, &Oracle::new(&value), "");
    }
}

/// All strings of up to three characters of a telling alphabet.
#[test]
fn short_strings() {
    strings_of(3);
}

#[test]
#[ignore = "minutes"]
fn strings_of_four() {
    strings_of(4);
}

fn strings_of(longest: u32) {
    for (name, value) in kinds() {
        let (ours, oracle) = both(&value);
        for length in 0..=longest {
            for number in 0..ALPHABET.len().pow(length) {
                let text: String =
                    (0..length).map(|place| ALPHABET[number / ALPHABET.len().pow(place) % ALPHABET.len()]).collect();
                same(name, &ours, &oracle, &text);
            }
        }
    }
}

/// Every character in some contexts, many of them in a text. For several patterns in a row, which the library takes
/// long for, few of the characters whose neighbours are the same.
#[test]
fn every_character() {
    for (name, value) in kinds() {
        // Others are made of the same classes.
        let alike = ["ours, digits in groups", "ours, digits kept", "gpt2 as a split", "cl100k, inverted", "tekken"];
        if alike.contains(&name) {
            continue;
        }
        let (ours, oracle) = both(&value);
        let few = matches!(oracle, Oracle::Steps(_));
        if few && cfg!(debug_assertions) && name != "deepseek 3" {
            continue;
        }
        let chars = ('\0'..=char::MAX).filter(|it| {
            let code = u32::from(*it);
            let alike = matches!(code, 0x3500..0x4d00 | 0x4f00..0x9e00 | 0xad00..0xd700 | 0xe100..0xf800 | 0x1_7000..);
            !(alike && (few || cfg!(debug_assertions))) || code.is_multiple_of(101)
        });
        let chars: Vec<char> = chars.collect();
        for chars in chars.chunks(16) {
            let text: String = chars.iter().map(|it| format!("a{it}b 中{it}{it} {it}1 '{it}x\n  {it}A!{it}")).collect();
            same(name, &ours, &oracle, &text);
        }
    }
}

/// What pip's `tokenizers` gave (`tests/oracle/huggingface_pieces.py`): counts of pieces and sums of their ends.
#[test]
fn the_python_library_cuts_the_same() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(root.join("tests/fixtures/pretokenize").join(name)).unwrap()).unwrap()
    };
    let known: serde_json::Map<String, Value> = kinds().into_iter().map(|(name, it)| (name.into(), it)).collect();
    assert_eq!(read("kinds.json"), Value::Object(known), "as write_the_kinds writes it");
    let packed = std::fs::read(root.join("cli/demo/corpus.jsonl.zst")).unwrap();
    let lines = String::from_utf8(zstd::decode_all(packed.as_slice()).unwrap()).unwrap();
    let rows = lines.lines().take(120).map(|line| serde_json::from_str::<Value>(line).unwrap()["text"].take());
    let corpus: Vec<String> = rows.map(|text| text.as_str().unwrap().to_owned()).collect();
    let chars: Vec<char> = ('\0'..=char::MAX).take(0x3_2000).collect();
    let context = |it: &char| format!("a{it}b 中{it}{it} {it}1 '{it}x\n  {it}A!{it}");
    let characters: Vec<String> = chars.chunks(64).map(|chars| chars.iter().map(context).collect()).collect();
    let expected = read("expected.json")["kinds"].take();
    for (name, value) in kinds() {
        let ours = PreTokenizer::from_json(&value).unwrap().splitter;
        for (what, texts) in [("corpus", &corpus), ("characters", &characters)] {
            let mut count = 0_u64;
            let mut sum = 0xcbf2_9ce4_8422_2325_u64;
            for text in texts {
                let mut end = 0_u32;
                ours.split(text, |piece| {
                    count += 1;
                    end += piece.len() as u32;
                    sum = (sum ^ u64::from(end)).wrapping_mul(0x0100_0000_01b3);
                });
            }
            assert_eq!(
                expected[name][what],
                json!({ "pieces": count, "fnv": format!("{sum:016x}") }),
                "{name}: {what}"
            );
        }
    }
}

#[test]
#[ignore = "writes the kinds"]
fn write_the_kinds() {
    let known: serde_json::Map<String, Value> = kinds().into_iter().map(|(name, it)| (name.into(), it)).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/pretokenize/kinds.json");
    std::fs::write(path, serde_json::to_string_pretty(&known).unwrap() + "\n").unwrap();
}

/// Random strings of characters near each other in kind.
fn random_strings(count: u64) {
    let kinds: Vec<_> = kinds().into_iter().map(|(name, value)| (name, both(&value))).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    for _ in 0..count {
        let length = random(24);
        let mut text = String::new();
        for _ in 0..length {
            match random(8) {
                0..4 => text.push_str(ALPHABET[random(ALPHABET.len())]),
                4 => text.extend((0..random(12)).map(|_| (b'a' + random(26) as u8) as char)),
                5 => text.extend((0..random(9)).map(|_| char::from_u32(0x4e00 + random(0x5200) as u32).unwrap())),
                6 => text.extend(char::from_u32(random(0x3_0000) as u32)),
                _ => text
                    .push_str(["    ", "\n\n", "'ll", "123456", "The ", "\r\n", "...", " 'Re", "ÀÉ", "Дж"][random(10)]),
            }
        }
        for (name, (ours, oracle)) in &kinds {
            same(name, ours, oracle, &text);
        }
    }
}

#[test]
fn some_random_strings() {
    random_strings(3_000);
}

#[test]
#[ignore = "minutes"]
fn a_million_random_strings() {
    random_strings(1_000_000);
}
