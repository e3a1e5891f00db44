//! Repeated substrings, against a map of all windows.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests")]

mod support;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::LargeListArray;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_schema::{DataType, Field};
use yuan_dedup::{CutAt, Remove, RepeatedSubstrings, SubstringUnit};
use yuan_pipeline::{Batch, Context, Pass, Stage};

const MEMORY: u64 = 1 << 28;

fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

/// Documents of few letters with copies of pieces of each other, runs and periods in them.
fn documents(seed: u64, count: usize, alphabet: &[char]) -> Vec<String> {
    let mut next = random(seed);
    let mut all: Vec<String> = Vec::new();
    for _ in 0..count {
        let mut text = String::new();
        for _ in 0..next() % 6 {
            let length = 1 + next() as usize % 80;
            match next() % 5 {
                0 => text.extend(std::iter::repeat_n(alphabet[next() as usize % alphabet.len()], length)),
                1 => {
                    let period: Vec<char> =
                        (0..2 + next() % 6).map(|_| alphabet[next() as usize % alphabet.len()]).collect();
                    text.extend(period.iter().cycle().take(length));
                }
                2 if !all.is_empty() => {
                    let from: Vec<char> = all[next() as usize % all.len()].chars().collect();
                    let start = next() as usize % (from.len() + 1);
                    text.extend(from[start..].iter().take(length));
                }
                _ => text.extend((0..length).map(|_| alphabet[next() as usize % alphabet.len()])),
            }
        }
        all.push(text);
    }
    all
}

/// For each document, which units go: by a map of all windows.
fn naive<T: Copy + Eq + std::hash::Hash>(documents: &[Vec<T>], length: usize, remove: Remove) -> Vec<Vec<bool>> {
    let mut seen: HashMap<&[T], (usize, usize, usize)> = HashMap::new();
    for (number, document) in documents.iter().enumerate() {
        for (start, window) in document.windows(length).enumerate() {
            seen.entry(window).or_insert((number, start, 0)).2 += 1;
        }
    }
    let goes = |number: usize, document: &Vec<T>| {
        let mut goes = vec![false; document.len()];
        for (start, window) in document.windows(length).enumerate() {
            let (first, at, count) = seen[window];
            let repeated = match remove {
                Remove::All => count > 1,
                Remove::Repeats => first != number || start >= at + length,
            };
            if repeated {
                goes[start..start + length].fill(true);
            }
        }
        goes
    };
    documents.iter().enumerate().map(|(number, document)| goes(number, document)).collect()
}

/// The stage that cuts.
fn stage(
    pass: &RepeatedSubstrings,
    batches: &dyn Fn() -> Vec<Batch>,
    memory: u64,
    threads: usize,
    folder: &Path,
) -> (Box<dyn Stage>, Vec<u8>) {
    let cancelled = AtomicBool::new(false);
    let put_together = |pass: &dyn Pass, name: &str| {
        let partials: Vec<_> = batches()
            .iter()
            .enumerate()
            .map(|(number, batch)| {
                let partial = folder.join(format!("{name}-{number}"));
                let mut scan = pass.scan(&partial).unwrap();
                scan.batch(batch).unwrap();
                scan.finish().unwrap();
                partial
            })
            .collect();
        let scratch = tempfile::tempdir_in(folder).unwrap();
        let outcome = folder.join(format!("{name}-outcome"));
        let context = Context::new(memory, threads, scratch.path().into(), &cancelled);
        pass.reduce(&partials, &outcome, &context).unwrap();
        outcome
    };
    let first = put_together(pass, "first");
    let second = pass.second(&first).unwrap().unwrap();
    let outcome = put_together(second.as_ref(), "second");
    (pass.stage(&outcome).unwrap().unwrap(), std::fs::read(&outcome).unwrap())
}

fn batches(texts: &[String], in_a_batch: usize) -> Vec<Batch> {
    let ids: Vec<(u64, &str)> = texts.iter().zip(0..).map(|(text, id)| (id, text.as_str())).collect();
    ids.chunks(in_a_batch).map(support::batch).collect()
}

/// The texts after the cut; `None` for those that are dropped.
fn cut(
    pass: &RepeatedSubstrings,
    texts: &[String],
    in_a_batch: usize,
    memory: u64,
    threads: usize,
) -> (Vec<Option<String>>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (stage, bytes) = stage(pass, &|| batches(texts, in_a_batch), memory, threads, folder.path());
    let mut left = Vec::new();
    for batch in batches(texts, 7) {
        let batch = stage.process(batch).unwrap();
        for row in 0..batch.rows() {
            assert!(batch.reason(row).is_none_or(|reason| reason.code == "too_little_left"));
            left.push(batch.reason(row).is_none().then(|| batch.document(row).text().to_owned()));
        }
    }
    (left, bytes)
}

fn plain(min_length: usize, unit: SubstringUnit, remove: Remove) -> RepeatedSubstrings {
    RepeatedSubstrings { min_length, unit, remove, min_left: 0, ..RepeatedSubstrings::default() }
}

#[test]
fn what_goes_is_what_a_map_of_all_windows_says() {
    let mut gone = 0;
    for seed in 0..12 {
        let alphabet: &[char] = if seed % 3 == 0 { &['a', 'b'] } else { &['a', 'b', 'c', '\n'] };
        let texts = documents(seed, 60, alphabet);
        let bytes: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        for length in [1, 2, 5, 12, 20, 33, 100] {
            for remove in [Remove::All, Remove::Repeats] {
                let goes = naive(&bytes, length, remove);
                let expected: Vec<Option<String>> = texts
                    .iter()
                    .zip(&goes)
                    .map(|(text, goes)| {
                        Some(text.chars().zip(goes).filter(|(_, goes)| !**goes).map(|(letter, _)| letter).collect())
                    })
                    .collect();
                gone += goes.iter().flatten().filter(|goes| **goes).count();
                let (left, _) = cut(&plain(length, SubstringUnit::Bytes, remove), &texts, 11, MEMORY, 2);
                assert!(left == expected, "seed {seed}, length {length}, {remove:?}");
            }
        }
    }
    assert!(gone > 50_000, "{gone}");
}

#[test]
fn characters_are_never_cut_in_two() {
    for seed in 20..26 {
        let texts = documents(seed, 50, &['中', 'a', 'é', '𠀀']);
        for (unit, length) in [(SubstringUnit::Bytes, 25), (SubstringUnit::Characters, 12)] {
            for remove in [Remove::All, Remove::Repeats] {
                let expected: Vec<Option<String>> = if unit == SubstringUnit::Bytes {
                    let bytes: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
                    let goes = naive(&bytes, length, remove);
                    // A character goes if all of its bytes do.
                    let left = |text: &String, goes: &[bool]| {
                        text.char_indices()
                            .filter(|(at, letter)| !goes[*at..at + letter.len_utf8()].iter().all(|goes| *goes))
                            .map(|(_, letter)| letter)
                            .collect()
                    };
                    texts.iter().zip(&goes).map(|(text, goes)| Some(left(text, goes))).collect()
                } else {
                    let characters: Vec<Vec<char>> = texts.iter().map(|text| text.chars().collect()).collect();
                    let goes = naive(&characters, length, remove);
                    let left = |(text, goes): (&Vec<char>, &Vec<bool>)| {
                        Some(text.iter().zip(goes).filter(|(_, goes)| !**goes).map(|(letter, _)| *letter).collect())
                    };
                    characters.iter().zip(&goes).map(left).collect()
                };
                assert!(cut(&plain(length, unit, remove), &texts, 9, MEMORY, 1).0 == expected, "{seed} {unit:?}");
            }
        }
    }
}

#[test]
fn the_outcome_depends_on_neither_units_nor_threads_nor_memory() {
    let texts = documents(7, 3_000, &['a', 'b', 'c', 'd', 'e']);
    for remove in [Remove::All, Remove::Repeats] {
        let pass = plain(24, SubstringUnit::Bytes, remove);
        let (_, expected) = cut(&pass, &texts, 3_000, MEMORY, 1);
        assert!(expected.len() > 10_000);
        for (in_a_batch, memory, threads) in [(3_000, MEMORY, 4), (100, 1, 1), (17, 600_000, 3), (500, MEMORY, 2)] {
            assert!(cut(&pass, &texts, in_a_batch, memory, threads).1 == expected, "{in_a_batch} {memory} {threads}");
        }
    }
}

#[test]
fn a_minimizer_that_fits_no_memory_is_followed_on_disk() {
    // The middle has the least minimizer of a long text, and what is around it differs.
    let mut next = random(3);
    let mut letters = |count: usize| (0..count).map(|_| char::from(b'a' + (next() % 20) as u8)).collect::<String>();
    let middle = letters(100);
    let texts: Vec<String> = (0..4_000).map(|_| format!("{}{middle}{}", letters(60), letters(60))).collect();
    let bytes: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    for remove in [Remove::All, Remove::Repeats] {
        let goes = naive(&bytes, 100, remove);
        let expected: usize = goes.iter().flatten().filter(|goes| **goes).count();
        // The least memory: records of 4000 contexts of 140 bytes do not fit.
        let (left, _) = cut(&plain(100, SubstringUnit::Bytes, remove), &texts, 500, 1, 1);
        let gone: usize = texts.iter().zip(&left).map(|(text, left)| text.len() - left.as_ref().unwrap().len()).sum();
        assert_eq!(gone, expected);
        assert!(left.iter().skip(1).all(|left| !left.as_ref().unwrap().contains(&middle)));
    }
}

#[test]
fn cutting_twice_is_cutting_once() {
    // Pieces end in letters of their own, so that no cut brings a new repetition about.
    let mut next = random(9);
    let pieces: Vec<String> =
        (0..40).map(|_| (0..50 + next() % 200).map(|_| char::from(b'a' + (next() % 26) as u8)).collect()).collect();
    let texts: Vec<String> = (0..300)
        .map(|document| {
            let chosen = (0..6).map(|at| format!("<{document}.{at}>{}", pieces[next() as usize % pieces.len()]));
            chosen.collect()
        })
        .collect();
    let pass = plain(40, SubstringUnit::Bytes, Remove::Repeats);
    let once: Vec<String> = cut(&pass, &texts, 30, MEMORY, 2).0.into_iter().map(Option::unwrap).collect();
    assert!(once.concat().len() < texts.concat().len() / 4);
    let twice: Vec<String> = cut(&pass, &once, 30, MEMORY, 2).0.into_iter().map(Option::unwrap).collect();
    assert!(once == twice);
    // Each piece is left once, whole.
    let left = once.concat();
    assert!(pieces.iter().all(|piece| left.matches(piece.as_str()).count() == 1));
}

#[test]
fn one_copy_of_a_run_stays_whole() {
    let run = |letter: &str, count: usize| letter.repeat(count);
    let texts = vec![run("a", 1000), run("xyz", 400), run("a", 100), run("a", 99)];
    let (left, _) = cut(&plain(100, SubstringUnit::Bytes, Remove::Repeats), &texts, 2, MEMORY, 1);
    let lengths: Vec<usize> = left.iter().map(|left| left.as_ref().unwrap().len()).collect();
    assert_eq!(lengths, [100, 102, 0, 99]);
    let (left, _) = cut(&plain(100, SubstringUnit::Bytes, Remove::All), &texts, 2, MEMORY, 1);
    let lengths: Vec<usize> = left.iter().map(|left| left.as_ref().unwrap().len()).collect();
    assert_eq!(lengths, [0, 0, 0, 99]);
}

#[test]
fn a_document_with_too_little_left_is_dropped() {
    let copy =
        "The very same words in both of these documents, and more than one hundred bytes of them in a row. ".repeat(2);
    let texts = vec![copy.clone(), format!("{copy}Short rest."), format!("{}{copy}", "Own text. ".repeat(10))];
    let pass = |min_left, min_left_fraction| RepeatedSubstrings {
        min_left,
        min_left_fraction,
        cut_at: CutAt::Sentence,
        ..RepeatedSubstrings::default()
    };
    let kept = |pass| cut(&pass, &texts, 3, MEMORY, 1).0;
    assert_eq!(kept(pass(50, 0.0))[1..], [None, Some("Own text. ".repeat(10))]);
    assert_eq!(kept(pass(9, 0.0))[1].as_deref(), Some("Short rest."));
    assert_eq!(kept(pass(0, 0.5))[1..], [None, None]);
}

#[test]
fn tokens_are_cut_instead_of_the_text() {
    let mut next = random(5);
    let lists: Vec<Vec<u32>> = {
        let mut lists: Vec<Vec<u32>> =
            (0..40).map(|_| (0..next() % 200).map(|_| (next() % 70_000) as u32).collect()).collect();
        let copies: Vec<Vec<u32>> =
            lists.iter().map(|list| list.iter().skip(20).take(100).copied().collect()).collect();
        lists.iter_mut().zip(copies.into_iter().rev()).for_each(|(list, copy)| list.extend(copy));
        lists
    };
    let item = || Arc::new(Field::new("item", DataType::UInt32, false));
    let batches = || {
        let texts: Vec<(u64, &str)> = (0..lists.len() as u64).map(|id| (id, "text")).collect();
        let column = LargeListArray::from_iter_primitive::<UInt32Type, _, _>(
            lists.iter().map(|list| Some(list.iter().map(|id| Some(*id)))),
        );
        let (_, offsets, values, nulls) = column.into_parts();
        let column = LargeListArray::try_new(item(), offsets, values, nulls).unwrap();
        let field = Field::new("tokens", DataType::LargeList(item()), false);
        vec![support::batch(&texts).annotate(field, Arc::new(column)).unwrap()]
    };
    let folder = tempfile::tempdir().unwrap();
    let pass = plain(50, SubstringUnit::Tokens, Remove::Repeats);
    let (stage, _) = stage(&pass, &batches, MEMORY, 2, folder.path());
    let goes = naive(&lists, 50, Remove::Repeats);
    let batch = stage.process(batches().remove(0)).unwrap();
    let column = batch.column("tokens").unwrap().as_list::<i64>().clone();
    let mut gone = 0;
    for (row, (list, goes)) in lists.iter().zip(&goes).enumerate() {
        let expected: Vec<u32> = list.iter().zip(goes).filter(|(_, goes)| !**goes).map(|(id, _)| *id).collect();
        assert_eq!(column.value(row).as_primitive::<UInt32Type>().values().to_vec(), expected);
        gone += list.len() - expected.len();
        assert_eq!(batch.document(row).text(), "text");
    }
    assert!(gone > 1_000);
    // Without the column it is said what is missing.
    let mut scan = pass.scan(&folder.path().join("none")).unwrap();
    let error = scan.batch(&support::batch(&[(0, "text")])).unwrap_err();
    assert!(error.to_string().contains("there is no column `tokens`") && error.hint().unwrap().contains("tokenize"));
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let message = |pass: RepeatedSubstrings| pass.validate().unwrap_err().to_string();
    let default = RepeatedSubstrings::default;
    assert!(default().validate().is_ok());
    assert!(message(RepeatedSubstrings { min_length: 0, ..default() }).contains("`min_length` is 0"));
    assert!(message(RepeatedSubstrings { min_left_fraction: 2.0, ..default() }).contains("`min_left_fraction` is 2"));
    let tokens = RepeatedSubstrings { unit: SubstringUnit::Tokens, cut_at: CutAt::Line, ..default() };
    assert!(message(tokens).contains("`cut_at` is for text"));
}

/// Texts from the front of a file, up to so many megabytes.
fn texts(path: &Path, megabytes: f64) -> Vec<String> {
    let file = std::fs::File::open(path).unwrap();
    let lines: Box<dyn BufRead> = if path.extension().is_some_and(|suffix| suffix == "zst") {
        let mut decoder = zstd::Decoder::new(file).unwrap();
        decoder.window_log_max(27).unwrap();
        Box::new(BufReader::new(decoder))
    } else {
        Box::new(BufReader::new(file))
    };
    let mut left = (megabytes * 1e6) as usize;
    let texts = lines.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        row["text"].as_str().unwrap().to_owned()
    });
    let fits = |text: &String| {
        let fits = text.len() <= left;
        left = left.saturating_sub(text.len());
        fits
    };
    texts.take_while(fits).collect()
}

#[test]
fn a_suffix_array_finds_the_same_spans() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let golden = std::fs::read_to_string(root.join("tests/fixtures/dedup/repeated_substrings.txt")).unwrap();
    let mut compared = 0;
    for line in golden.lines() {
        let [file, megabytes, length, remove, spans, bytes, hash] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let path = root.join(file);
        if !path.exists() {
            eprintln!("skipped: no {file}");
            continue;
        }
        let remove = if remove == "all" { Remove::All } else { Remove::Repeats };
        let texts = texts(&path, megabytes.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let pass = plain(length.parse().unwrap(), SubstringUnit::Bytes, remove);
        let (_, outcome) = stage(&pass, &|| batches(&texts, 200), MEMORY, 2, folder.path());
        // After a header: document, start, end.
        let found = &outcome[32..];
        let size: u64 = found
            .chunks_exact(24)
            .map(|span| {
                let word = |at: usize| u64::from_le_bytes(span[at..at + 8].try_into().unwrap());
                word(16) - word(8)
            })
            .sum();
        let found = (found.len() / 24, size, format!("{:016x}", xxhash_rust::xxh3::xxh3_64(found)));
        assert_eq!(found, (spans.parse().unwrap(), bytes.parse().unwrap(), hash.to_owned()), "{line}");
        compared += 1;
    }
    assert!(compared >= 6);
}
