//! Encoding beside Hugging Face's library: vocabularies of every kind, added tokens with every flag, random texts.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail so, and says so when it skips")]

mod support;

use std::path::PathBuf;

use serde_json::{Value, json};
use support::{corpus, small_texts, train};
use tokenizers::Tokenizer as Library;
use yuan_tokenizer::{Scratch, Tokenizer, TrainTokenizerConfig};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn text(&mut self, snippets: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| snippets[self.below(snippets.len())]).collect()
    }
}

/// A small tokenizer of ours as a file to be changed.
fn trained(folder: &tempfile::TempDir, vocab_size: u32) -> Value {
    let config = TrainTokenizerConfig {
        vocab_size,
        reserved: 2,
        html_tags: false,
        punctuation: false,
        output: folder.path().join("trained.json"),
        ..TrainTokenizerConfig::default()
    };
    train(&config, &[&small_texts()], 1, 1 << 30).unwrap();
    serde_json::from_slice(&std::fs::read(&config.output).unwrap()).unwrap()
}

fn written(folder: &tempfile::TempDir, file: &Value) -> PathBuf {
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, file.to_string()).unwrap();
    path
}

fn split_by(pattern: &str) -> Value {
    json!({ "type": "Sequence", "pretokenizers": [
        { "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false },
        { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
    ] })
}

fn added(id: usize, content: &str, flags: usize) -> Value {
    let flag = |bit: usize| flags >> bit & 1 == 1;
    json!({ "id": id, "content": content, "single_word": flag(0), "lstrip": flag(1), "rstrip": flag(2),
        "normalized": flag(3), "special": flag(4) })
}

/// Ids, counts, offsets and streams of these texts are what they have to be.
fn assert_exact(path: &std::path::Path, texts: &[String]) {
    let mut library = Library::from_file(path).unwrap();
    for parse_special in [false, true] {
        library.set_encode_special_tokens(!parse_special);
        let ours = Tokenizer::load(path).unwrap().parsing_special(parse_special);
        assert!(ours.is_direct(), "{}", std::fs::read_to_string(path).unwrap().chars().take(400).collect::<String>());
        let mut scratch = Scratch::default();
        for text in texts {
            let theirs = library.encode_fast(&**text, false).unwrap();
            let mut ids = vec![7];
            ours.encode_into(text, &mut scratch, &mut ids).unwrap();
            assert_eq!(ids[1..], *theirs.get_ids(), "{text:?}");
            assert_eq!(ours.count(text, &mut scratch).unwrap(), ids.len() as u64 - 1);
            let (mut again, mut offsets) = (vec![7], Vec::new());
            ours.encode_with_offsets(text, &mut scratch, &mut again, &mut offsets).unwrap();
            assert_eq!(again, ids);
            assert_eq!(offsets.len() + 1, ids.len());
        }
    }
}

#[test]
fn merges_in_any_order_make_the_tokens_of_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let plain = trained(&folder, 700);
    let count = plain["model"]["merges"].as_array().unwrap().len();
    let mut numbers = Numbers(1);
    let snippets = [
        "天气", "公园", "今天", "的", "ab", "the", " quick", "aaaa", " ", "!!", "2024", "é", "😀", "气预", "fox", "\n",
    ];
    for round in 0..24 {
        let mut file = plain.clone();
        let merges = file["model"]["merges"].as_array_mut().unwrap();
        match round % 4 {
            // As trained, with every other rule of the same tokens; then out of order.
            0 => {}
            1 => merges.swap(numbers.below(count), numbers.below(count)),
            2 => (0..count / 8).for_each(|_| merges.swap(numbers.below(count), numbers.below(count))),
            _ => {
                // A pair that comes twice, and tokens that cannot be made.
                let again = merges[numbers.below(count)].clone();
                merges.push(again);
                merges.remove(numbers.below(count));
            }
        }
        file["model"]["ignore_merges"] = (round % 3 == 0).into();
        if round % 2 == 0 {
            file["pre_tokenizer"] = split_by([LLAMA3, GPT2][round / 2 % 2]);
        }
        let path = written(&folder, &file);
        let mut texts: Vec<String> = (0..300).map(|_| numbers.text(&snippets, 12)).collect();
        texts.extend(small_texts().into_iter().take(20));
        assert_exact(&path, &texts);
    }
}

#[test]
fn added_tokens_with_every_flag_are_found_as_by_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let plain = trained(&folder, 620);
    let first = plain["model"]["vocab"].as_object().unwrap().len();
    let specials = plain["added_tokens"].as_array().unwrap().clone();
    let contents = [
        "<x>",
        "<x",
        "x>y",
        "Xcat",
        "天气",
        "，",
        "a b",
        "\u{e9}a",
        "e\u{301}b",
        " q",
        "12",
        "Xca",
        "气预",
        "__",
        ">>",
        "\u{85}k",
    ];
    let mut numbers = Numbers(2);
    let mut snippets = contents.to_vec();
    snippets.extend([
        " ", "  ", "\n", "\u{3000}", "\u{a0}", "a", "天", "é", "e", "\u{301}", "b", "<", "Xcats", "cat", "_", "1", "2",
        ">", "<eod>", "\u{212b}", "̣",
    ]);
    for round in 0..60 {
        let mut file = plain.clone();
        let mut tokens = specials.clone();
        // With few first bytes and with many the search is another.
        let chosen: Vec<&str> = contents.iter().copied().filter(|_| numbers.below(3) < 1 + round % 2).collect();
        for (at, content) in chosen.iter().enumerate() {
            let flags = if round < 10 { numbers.below(2) << 4 } else { numbers.below(32) };
            tokens.push(added(first + at, content, flags));
        }
        file["added_tokens"] = tokens.into();
        match round % 3 {
            0 => {}
            1 => file["normalizer"] = json!({ "type": "NFC" }),
            _ => file["normalizer"] = json!({ "type": "Sequence", "normalizers": [] }),
        }
        match round % 5 {
            1 => file["pre_tokenizer"] = split_by(LLAMA3),
            2 | 3 => {
                let prefix = round % 5 == 2;
                file["pre_tokenizer"] =
                    json!({ "type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": true });
            }
            _ => {}
        }
        let path = written(&folder, &file);
        let texts: Vec<String> = (0..400).map(|_| numbers.text(&snippets, 14)).collect();
        assert_exact(&path, &texts);
    }
}

#[test]
fn offsets_say_what_each_token_stands_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = trained(&folder, 700);
    let first = file["model"]["vocab"].as_object().unwrap().len();
    file["added_tokens"].as_array_mut().unwrap().push(added(first, "，", 0b110));
    let tokenizer = Tokenizer::load(written(&folder, &file)).unwrap();
    let of = |tokenizer: &Tokenizer, text: &str| {
        let (mut ids, mut offsets) = (Vec::new(), Vec::new());
        tokenizer.encode_with_offsets(text, &mut Scratch::default(), &mut ids, &mut offsets).unwrap();
        (ids, offsets)
    };
    for text in small_texts() {
        let (ids, offsets) = of(&tokenizer, &text);
        // Together they are the text, and each decodes to its bytes where these are characters.
        let mut done = 0;
        for (id, (from, to)) in ids.iter().zip(offsets) {
            assert_eq!(from, done);
            done = to;
            if let Some(bytes) = text.get(from..to).filter(|bytes| !bytes.contains('，')) {
                assert_eq!(tokenizer.decode(&[*id]).unwrap(), bytes);
            }
        }
        assert_eq!(done, text.len());
    }
    assert_eq!(of(&tokenizer, "a \u{3000}， b").1, [(0, 1), (1, 9), (9, 10)], "the mark takes the spaces along");
    file["normalizer"] = json!({ "type": "NFC" });
    let tokenizer = Tokenizer::load(written(&folder, &file)).unwrap();
    // é, two characters of three bytes, stands in a token or two of its own: each is for all of it.
    let (_, offsets) = of(&tokenizer, "xe\u{301}x");
    assert_eq!((offsets[0], *offsets.last().unwrap()), ((0, 1), (4, 5)));
    assert!(offsets[1..offsets.len() - 1].iter().all(|offset| *offset == (1, 4)), "{offsets:?}");
}

#[test]
fn a_stream_gives_the_ids_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let plain = trained(&folder, 700);
    let first = plain["model"]["vocab"].as_object().unwrap().len();
    let mut numbers = Numbers(3);
    let words = small_texts().concat();
    for round in 0..6 {
        let mut file = plain.clone();
        if round % 2 == 1 {
            file["pre_tokenizer"] = split_by([GPT2, LLAMA3, r"\S+|\s"][round / 2]);
            let tokens = file["added_tokens"].as_array_mut().unwrap();
            tokens.push(added(first, "天 气", 0b110));
            tokens.push(added(first + 1, "quick brown", 0b001));
            tokens.push(added(first + 2, "the lazy", 0b101));
        }
        let tokenizer = Tokenizer::load(written(&folder, &file)).unwrap();
        assert!(tokenizer.is_direct());
        let text = words.repeat(12).replace("天气", "天 气");
        let mut stream = tokenizer.stream();
        for _ in 0..2 {
            let (mut ids, mut rest, mut early) = (Vec::new(), &*text, 0);
            while !rest.is_empty() {
                let (part, after) = rest.split_at(rest.ceil_char_boundary(numbers.below(9_000).min(rest.len())));
                stream.push(part, &mut ids).unwrap();
                early = ids.len();
                rest = after;
            }
            stream.finish(&mut ids).unwrap();
            assert_eq!(early > 0, round != 5, "round {round}: ids come before the end if the pattern is known");
            assert!(ids == tokenizer.encode(&text).unwrap());
        }
    }
}

#[test]
fn long_pieces_take_linear_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = trained(&folder, 900);
    let length = 4 << 20;
    let pieces = ["a", "天气预报", "ab", "aab", "quickfox"].map(|word| word.repeat(length / word.len()));
    let started = std::time::Instant::now();
    let tokenizer = Tokenizer::load(written(&folder, &file)).unwrap();
    for text in &pieces {
        let ids = tokenizer.encode(text).unwrap();
        assert!(tokenizer.decode(&ids).unwrap() == *text);
    }
    // White space that two tokens fight for.
    let first = file["model"]["vocab"].as_object().unwrap().len();
    file["added_tokens"].as_array_mut().unwrap().push(added(first, "\t", 0b110));
    file["added_tokens"].as_array_mut().unwrap().push(added(first + 1, " x", 0b110));
    let tokenizer = Tokenizer::load(written(&folder, &file)).unwrap();
    assert!(!tokenizer.encode(&" \t".repeat(length / 8)).unwrap().is_empty());
    assert!(!tokenizer.encode(&" ".repeat(length)).unwrap().is_empty());
    assert!(started.elapsed().as_secs() < 120, "{:?}", started.elapsed());
}

/// Files of well-known models where they are at hand: `YUAN_TOKENIZERS` names folders with a `tokenizer.json` each. On
/// the shared corpora and on random strings; `cargo test --release -p yuan-tokenizer -- --ignored`.
#[test]
#[ignore = "minutes, and needs tokenizers that are not ours to give"]
fn well_known_tokenizers_give_the_same() {
    let Ok(folders) = std::env::var("YUAN_TOKENIZERS") else {
        eprintln!("skipped: YUAN_TOKENIZERS is not set");
        return;
    };
    let names =
        ["docs/zh_lctt", "docs/zh_novels", "docs/en_peps", "docs/multi_otel", "docs/en_books", "docs/zh_wikiqa"];
    let mut texts: Vec<String> =
        names.iter().filter_map(|name| corpus(&format!("{name}.jsonl.zst"), 2 << 20)).flatten().collect();
    let mut numbers = Numbers(4);
    let snippets = [
        "a",
        "Z",
        "的",
        "天气",
        "气",
        "é",
        "e\u{301}",
        "ß",
        "か",
        "한국",
        "ไทย",
        "हि",
        "😀",
        "👍🏽",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\u{3000}",
        "'s",
        "'LL",
        "’",
        "1",
        "23",
        "½",
        "٣",
        ".",
        "，",
        "。",
        "<|im_start|>",
        "<|endoftext|>",
        "<",
        "|",
        "_",
        "\u{0}",
        "\u{ac00}\u{11a8}",
        "\u{85}",
    ];
    texts.extend((0..200_000).map(|_| numbers.text(&snippets, 10)));
    for folder in folders.split(':') {
        assert_exact(&PathBuf::from(folder).join("tokenizer.json"), &texts);
    }
}
