//! Against KenLM's own tools: scores of every kind of model, and the bytes of built models.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use support::{assert_same, fixtures, query, read_query_output, shared_fixtures};
use yuan_kenlm::{BuildOptions, Load, Model, ModelKind, build_binary};

/// Every model in the folder scores its text as KenLM does.
fn check_queries(folder: &Path) -> (usize, usize) {
    let (mut models, mut lines) = (0, 0);
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let Some(stem) = name.strip_suffix(".bin") else { continue };
        let text = folder.join(format!("{}.query.txt", stem.split('.').next().unwrap()));
        let text = match std::fs::read(&text) {
            Ok(text) => text,
            Err(_) => std::fs::read(folder.join("blanks.query.txt")).unwrap(),
        };
        for (suffix, sentence_context) in [("query", true), ("query-n", false)] {
            let output = folder.join(format!("{stem}.{suffix}.out"));
            if output.exists() {
                let expected = read_query_output(&output);
                for load in [Load::Lazy, Load::Populate, Load::Read] {
                    let model = Model::open_with(&path, load).unwrap();
                    lines += assert_same(&query(&model, &text, sentence_context), &expected, &name);
                }
                models += 1;
            }
        }
    }
    (models, lines)
}

#[test]
fn scores_of_committed_models_are_those_of_kenlm() {
    let (models, lines) = check_queries(&fixtures());
    assert!(models >= 27 && lines > 2000, "{models} models, {lines} lines");
}

#[test]
fn scores_of_larger_models_are_those_of_kenlm() {
    if let Some(folder) = shared_fixtures() {
        let (models, lines) = check_queries(&folder);
        assert!(models >= 6 && lines > 10_000, "{models} models, {lines} lines");
    }
}

#[test]
fn words_come_in_the_order_of_their_numbers() {
    for name in ["tiny.o3.probing.bin", "tiny.o3.trie.bin", "tiny.o5.trie-q4b6a3.bin", "tiny.o3.arpa"] {
        let model = Model::open(fixtures().join(name)).unwrap();
        let vocabulary = model.vocabulary();
        let words: Vec<&[u8]> = vocabulary.words().unwrap().collect();
        assert_eq!(words.len(), vocabulary.bound() as usize, "{name}");
        for (index, word) in (0..).zip(&words) {
            assert_eq!(vocabulary.index(word), index, "{name}");
        }
    }
    let without = Model::open(fixtures().join("tiny.o3.trie-v.bin")).unwrap();
    assert!(without.vocabulary().words().is_none());
}

/// Builds what `build_binary` built, from the same ARPA file with the same options.
fn check_build(arpa: &Path, binary: &Path, options: &BuildOptions) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("built.bin");
    build_binary(arpa, &output, options).unwrap();
    let (found, expected) = (std::fs::read(&output).unwrap(), std::fs::read(binary).unwrap());
    let first = found.iter().zip(&expected).position(|(a, b)| a != b);
    assert!(
        found == expected,
        "{}: {} and {} bytes, first difference {first:?}",
        binary.display(),
        found.len(),
        expected.len()
    );
    let remaining: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(remaining.len(), 1, "no other file is left behind");
}

fn quantised(prob_bits: u8, backoff_bits: u8) -> BuildOptions {
    BuildOptions { kind: ModelKind::QuantisedTrie, prob_bits, backoff_bits, ..BuildOptions::default() }
}

fn trie() -> BuildOptions {
    BuildOptions { kind: ModelKind::Trie, ..BuildOptions::default() }
}

fn compressed(options: BuildOptions, pointer_bits: u8) -> BuildOptions {
    let kind = if options.kind.is_quantised() { ModelKind::QuantisedArrayTrie } else { ModelKind::ArrayTrie };
    BuildOptions { kind, pointer_bits, ..options }
}

#[test]
fn built_models_have_the_bytes_of_build_binary() {
    let probing = |multiplier| BuildOptions { probing_multiplier: multiplier, ..BuildOptions::default() };
    let folder = fixtures();
    for order in [2, 3, 5] {
        for (name, options) in [
            ("probing", probing(1.2)),
            ("trie", trie()),
            ("trie-q5b4", quantised(5, 4)),
            ("trie-a22", compressed(trie(), 22)),
            ("trie-q4b6a3", compressed(quantised(4, 6), 3)),
        ] {
            let arpa = folder.join(format!("tiny.o{order}.arpa"));
            let binary = folder.join(format!("tiny.o{order}.{name}.bin"));
            check_build(&arpa, &binary, &options);
            // All of it on disk.
            check_build(&arpa, &binary, &BuildOptions { memory: 0, ..options });
        }
    }
    let check = |arpa: &str, binary: &str, options| check_build(&folder.join(arpa), &folder.join(binary), &options);
    check("tiny.o3.arpa", "tiny.o3.trie-v.bin", BuildOptions { include_words: false, ..trie() });
    check("blanks.arpa", "blanks.probing.bin", probing(2.0));
    check("blanks.arpa", "blanks.trie.bin", trie());
    check("blanks.arpa", "blanks.trie-q3b2a22.bin", compressed(quantised(3, 2), 22));
    check("blanks.arpa", "blanks.trie-u7.bin", BuildOptions { unknown_log10_prob: -7.0, ..trie() });
    for (arpa, lenient) in [
        ("nomarkers", BuildOptions { allow_missing_sentence_markers: true, ..BuildOptions::default() }),
        ("positive", BuildOptions { allow_positive_probs: true, ..BuildOptions::default() }),
    ] {
        let multiplier = if arpa == "nomarkers" { 2.5 } else { 1.5 };
        let arpa_file = format!("{arpa}.arpa");
        let lenient_trie = BuildOptions { kind: ModelKind::Trie, ..lenient.clone() };
        check(&arpa_file, &format!("{arpa}.trie.bin"), lenient_trie);
        let lenient = BuildOptions { probing_multiplier: multiplier, ..lenient };
        check(&arpa_file, &format!("{arpa}.probing.bin"), lenient);
        let strict = build_binary(&folder.join(&arpa_file), Path::new("never-written.bin"), &trie()).unwrap_err();
        assert!(strict.to_string().contains("allow"), "{strict}");
    }
}

#[test]
fn larger_built_models_have_the_bytes_of_build_binary() {
    let Some(folder) = shared_fixtures() else { return };
    for language in ["en", "zh"] {
        let arpa = folder.join(format!("{language}.o3.arpa.zst"));
        for (name, options) in [
            ("probing", BuildOptions::default()),
            ("trie", trie()),
            ("trie", BuildOptions { memory: 0, ..trie() }),
            ("trie-q8b8a22", compressed(quantised(8, 8), 22)),
        ] {
            check_build(&arpa, &folder.join(format!("{language}.o3.{name}.bin")), &options);
        }
    }
}

#[test]
fn an_arpa_file_opens_as_a_probing_model() {
    let folder = fixtures();
    let text = std::fs::read(folder.join("tiny.query.txt")).unwrap();
    for order in [2, 3, 5] {
        let expected = read_query_output(&folder.join(format!("tiny.o{order}.probing.query.out")));
        let model = Model::open(folder.join(format!("tiny.o{order}.arpa"))).unwrap();
        assert_eq!((model.order(), model.kind()), (order, ModelKind::Probing));
        assert_same(&query(&model, &text, true), &expected, "ARPA");
    }
    let Some(folder) = shared_fixtures() else { return };
    for language in ["en", "zh"] {
        let text = std::fs::read(folder.join(format!("{language}.query.txt"))).unwrap();
        let expected = read_query_output(&folder.join(format!("{language}.o5.prune001.query.out")));
        let model = Model::open(folder.join(format!("{language}.o5.prune001.arpa.zst"))).unwrap();
        assert_same(&query(&model, &text, true), &expected, "ARPA of order 5");
        let options = BuildOptions { kind: ModelKind::Trie, ..BuildOptions::default() };
        let model = Model::from_arpa(folder.join(format!("{language}.o3.arpa.zst")), &options).unwrap();
        let expected = read_query_output(&folder.join(format!("{language}.o3.trie.query.out")));
        assert_same(&query(&model, &text, true), &expected, "trie in memory");
    }
}

#[test]
fn gzip_is_read_as_well() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.arpa.gz");
    let mut writer = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
    writer.write_all(&std::fs::read(fixtures().join("tiny.o3.arpa")).unwrap()).unwrap();
    writer.finish().unwrap();
    assert_eq!(Model::open(&path).unwrap().counts(), Model::open(fixtures().join("tiny.o3.arpa")).unwrap().counts());
}
