//! Estimated models against those of KenLM's `lmplz`, byte for byte; and the independence of the result from
//! threads, memory and the division of the text.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use yuan_kenlm::estimate::{
    DEFAULT_DISCOUNT_FALLBACK, Estimate, EstimateOptions, Estimator, SpecialSymbols, VocabularyOrder,
};
use yuan_kenlm::{BuildOptions, Error, ModelKind};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/kenlm_estimate").join(name)
}

fn read(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "zst") {
        zstd::Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    } else {
        (&file).read_to_end(&mut bytes).unwrap();
    }
    bytes
}

/// The options of a command line of `lmplz`.
fn options(line: &str) -> EstimateOptions {
    let mut options = EstimateOptions::default();
    for option in line.split(" -").filter(|option| !option.is_empty()) {
        let mut fields = option.trim_start_matches('-').split(' ');
        let (name, values) = (fields.next().unwrap(), fields.collect::<Vec<_>>());
        match name {
            "o" => options.order = values[0].parse().unwrap(),
            "-prune" | "prune" => options.prune = values.iter().map(|value| value.parse().unwrap()).collect(),
            "interpolate_unigrams" => options.interpolate_unigrams = values[0] == "1",
            "vocab_pad" => options.vocabulary_padding = values[0].parse().unwrap(),
            "skip_symbols" => options.special_symbols = SpecialSymbols::Skip,
            "limit_vocab_file" => {
                let words = read(&fixture(values[0]));
                options.limit_vocabulary = Some(words.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect());
            }
            "discount_fallback" => {
                let given: Vec<f32> = values.iter().map(|value| value.parse().unwrap()).collect();
                let nth = |index: usize| given.get(index).or(given.last()).copied();
                options.discount_fallback =
                    Some([0, 1, 2].map(|index| nth(index).unwrap_or(DEFAULT_DISCOUNT_FALLBACK[index])));
            }
            other => panic!("unknown option {other}"),
        }
    }
    options
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

fn estimate(options: EstimateOptions, text: &[u8]) -> Result<Estimate, Error> {
    let mut estimator = Estimator::new(options)?;
    lines(text).try_for_each(|line| estimator.add_line(line))?;
    estimator.finish()
}

fn arpa(estimate: &Estimate) -> String {
    let mut bytes = Vec::new();
    estimate.write_arpa(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn assert_same(ours: &str, theirs: &str, what: &str) {
    if ours != theirs {
        let different = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
        panic!("{what}: (ours, lmplz's) = {different:?}; {} and {} bytes", ours.len(), theirs.len());
    }
}

fn cases() -> Vec<(String, Vec<u8>, EstimateOptions)> {
    let table = String::from_utf8(read(&fixture("cases.tsv"))).unwrap();
    let case = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let expected = String::from_utf8(read(&fixture(fields[0]))).unwrap();
        (expected, read(&fixture(fields[1])), options(fields[2]))
    };
    table.lines().map(case).collect()
}

#[test]
fn models_are_those_of_lmplz() {
    for (expected, text, options) in cases() {
        let what = format!("{options:?}");
        assert_same(&arpa(&estimate(options, &text).unwrap()), &expected, &what);
    }
}

#[test]
fn threads_and_memory_change_nothing() {
    for (expected, text, options) in cases() {
        for (threads, memory_bytes) in [(3, 1 << 30), (1, 0), (2, 0), (4, 300 << 10)] {
            let options = EstimateOptions { threads, memory_bytes, ..options.clone() };
            let what = format!("{options:?}");
            let has_contexts = options.order > 1;
            let estimate = estimate(options, &text).unwrap();
            if text.len() > 10_000 && memory_bytes == 0 && has_contexts {
                assert!(estimate.statistics().temporary_bytes > 0, "{what} needed no temporary file");
            }
            assert_same(&arpa(&estimate), &expected, &what);
        }
    }
}

#[test]
fn the_division_into_parts_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (expected, text, options) in cases() {
        let all: Vec<&[u8]> = lines(&text).collect();
        let mut sorted = Vec::new();
        for (parts, memory_bytes) in [(1, 1 << 30), (2, 0), (7, 1 << 30)] {
            let options = EstimateOptions { memory_bytes, ..options.clone() };
            let what = format!("{parts} parts, {options:?}");
            let mut paths = Vec::new();
            for part in all.chunks(all.len().div_ceil(parts)) {
                let mut estimator = Estimator::new(options.clone()).unwrap();
                part.iter().for_each(|line| estimator.add_line(line).unwrap());
                paths.push(folder.path().join(format!("part{}", paths.len())));
                estimator.write_partial(paths.last().unwrap()).unwrap();
            }
            let merged = Estimator::merge(options.clone(), &paths, VocabularyOrder::FirstAppearance).unwrap();
            assert_same(&arpa(&merged.finish().unwrap()), &expected, &what);
            paths.reverse();
            let merged = Estimator::merge(options, &paths, VocabularyOrder::Sorted).unwrap();
            sorted.push(arpa(&merged.finish().unwrap()));
        }
        assert!(sorted.windows(2).all(|pair| pair[0] == pair[1]));
        // Values may differ in the last digits: `lmplz` counts the n-grams that come last in its order in another way.
        let ngrams = |arpa: &str| {
            let mut ngrams: Vec<String> =
                arpa.lines().filter_map(|line| Some(line.split('\t').nth(1)?.into())).collect();
            ngrams.sort_unstable();
            ngrams
        };
        assert_eq!(ngrams(&sorted[0]), ngrams(&expected));
    }
}

#[test]
fn counts_are_the_same_file_however_they_were_made() {
    let folder = tempfile::tempdir().unwrap();
    let text = read(&fixture("zh.txt"));
    let mut files = Vec::new();
    for (index, (threads, memory_bytes)) in [(1, 1 << 30), (3, 1 << 20), (1, 0)].into_iter().enumerate() {
        let options = EstimateOptions { threads, memory_bytes, order: 4, ..EstimateOptions::default() };
        let mut estimator = Estimator::new(options).unwrap();
        lines(&text).for_each(|line| estimator.add_line(line).unwrap());
        let path = folder.path().join(index.to_string());
        estimator.write_partial(&path).unwrap();
        files.push(fs::read(path).unwrap());
    }
    assert!(files[0] == files[1] && files[1] == files[2]);
}

#[test]
fn damaged_counts_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counts");
    let options =
        EstimateOptions { order: 3, discount_fallback: Some(DEFAULT_DISCOUNT_FALLBACK), ..EstimateOptions::default() };
    let mut estimator = Estimator::new(options.clone()).unwrap();
    lines(&read(&fixture("tiny.txt"))).for_each(|line| estimator.add_line(line).unwrap());
    estimator.write_partial(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let add = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Estimator::new(options.clone()).unwrap().add_partial(&path)
    };
    add(&whole).unwrap();
    for length in 0..whole.len() {
        assert!(matches!(add(&whole[..length]), Err(Error::Partial { .. })), "cut to {length}");
    }
    for index in 0..whole.len() {
        for bit in [1, 16, 128] {
            let mut bytes = whole.clone();
            bytes[index] ^= bit;
            assert!(add(&bytes).is_err(), "bit {bit} of byte {index}");
        }
    }
    let mut other = Estimator::new(EstimateOptions { order: 4, ..options }).unwrap();
    fs::write(&path, &whole).unwrap();
    let message = other.add_partial(&path).unwrap_err().to_string();
    assert!(message.contains("its order is 3, not 4"), "{message}");
}

#[test]
fn bad_texts_and_settings_are_refused() {
    let refuse = |options: EstimateOptions, text: &[u8], part: &str| {
        let message = match estimate(options, text) {
            Ok(_) => panic!("no error with {part:?}"),
            Err(error) => error.to_string(),
        };
        assert!(message.contains(part), "{message}");
    };
    let options = |order| EstimateOptions { order, ..EstimateOptions::default() };
    refuse(options(3), b"", "there is no sentence");
    refuse(options(0), b"a\n", "`order` must be from 1 to 16, not 0");
    refuse(options(17), b"a\n", "`order` must be from 1 to 16, not 17");
    refuse(options(2), b"a\n", "none has the adjusted count 2");
    refuse(options(3), b"a <s> b\n", "the word `<s>` is special");
    refuse(options(3), b"a <unk>\n", "--skip_symbols");
    refuse(EstimateOptions { prune: vec![0, 2, 1], ..options(3) }, b"a\n", "must not decrease");
    refuse(EstimateOptions { prune: vec![0; 4], ..options(3) }, b"a\n", "has 4 thresholds");
    refuse(EstimateOptions { threads: 0, ..options(3) }, b"a\n", "`threads` must be at least 1");
    let wrong = EstimateOptions { discount_fallback: Some([0.5, 2.5, 1.0]), ..options(3) };
    refuse(wrong, b"a\n", "for count 2 must be from 0 to 2, not 2.5");
    let padded = EstimateOptions { vocabulary_padding: 9, interpolate_unigrams: false, ..options(3) };
    refuse(padded, b"a\n", "needs `interpolate_unigrams`");
    let nowhere = EstimateOptions { memory_bytes: 0, temp_dir: PathBuf::from("/nowhere/at/all"), ..options(3) };
    refuse(nowhere, &read(&fixture("en.txt")), "/nowhere/at/all");
    let mut estimator = Estimator::new(options(3)).unwrap();
    assert!(estimator.add_sentence(["a b"]).unwrap_err().to_string().contains("white space"));
    assert!(estimator.add_sentence([""]).unwrap_err().to_string().contains("empty"));
    assert!(estimator.add_sentence_ids(&[77]).unwrap_err().to_string().contains("77"));
}

#[test]
fn a_full_disk_is_an_error() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        println!("skipped: there is no /dev/full");
        return;
    }
    let estimate = estimate(options("-o 3 --discount_fallback"), &read(&fixture("en.txt"))).unwrap();
    assert!(matches!(estimate.write_arpa_file(full), Err(Error::Io { .. })));
}

#[test]
fn ids_and_strings_count_alike() {
    let text = read(&fixture("zh.txt"));
    let mut by_ids = Estimator::new(options("-o 3")).unwrap();
    for line in lines(&text) {
        let words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let ids: Vec<u32> = words.map(|word| by_ids.word_id(word).unwrap().unwrap()).collect();
        by_ids.add_sentence_ids(&ids).unwrap();
    }
    let by_strings = estimate(options("-o 3"), &text).unwrap();
    assert!(arpa(&by_ids.finish().unwrap()) == arpa(&by_strings));
}

#[test]
fn probabilities_sum_to_one() {
    let estimate = estimate(options("-o 2 --prune 0 1"), &read(&fixture("en.txt"))).unwrap();
    let mut sum = 0.0;
    estimate
        .for_each(1, |ngram| {
            sum += if ngram.words == [1] { 0.0 } else { 10f64.powf(f64::from(ngram.log_probability)) };
            Ok(())
        })
        .unwrap();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
}

#[test]
fn binaries_are_those_of_the_arpa_file() {
    let folder = tempfile::tempdir().unwrap();
    let estimate = estimate(options("-o 3 --prune 0 0 1"), &read(&fixture("zh.txt"))).unwrap();
    let [arpa, from_arpa, direct] = ["arpa", "from_arpa", "direct"].map(|name| folder.path().join(name));
    estimate.write_arpa_file(&arpa).unwrap();
    for kind in [ModelKind::Probing, ModelKind::Trie, ModelKind::QuantisedArrayTrie] {
        let build = BuildOptions { kind, ..BuildOptions::default() };
        let expected = yuan_kenlm::build_binary(&arpa, &from_arpa, &build).unwrap();
        assert_eq!(estimate.build_binary(&direct, &build).unwrap(), expected);
        assert!(fs::read(&direct).unwrap() == fs::read(&from_arpa).unwrap(), "{kind:?}");
    }
    let model = estimate.to_model(&BuildOptions::default()).unwrap();
    assert_eq!(model.counts()[..2], estimate.counts()[..2]);
    let wrong = BuildOptions { probing_multiplier: 0.5, ..BuildOptions::default() };
    let message = estimate.build_binary(&direct, &wrong).unwrap_err().to_string();
    assert!(message.contains("probing_multiplier"), "{message}");
}

#[test]
fn models_of_larger_texts_are_those_of_lmplz() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/kenlm");
    if !folder.exists() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    for language in ["en", "zh"] {
        let text = read(&folder.join(format!("{language}.train.txt")));
        for (name, line) in [("o3", "-o 3"), ("o5.prune001", "-o 5 --prune 0 0 1")] {
            let expected = String::from_utf8(read(&folder.join(format!("{language}.{name}.arpa.zst")))).unwrap();
            let options = EstimateOptions { threads: 2, ..options(line) };
            assert_same(&arpa(&estimate(options, &text).unwrap()), &expected, &format!("{language} {name}"));
        }
    }
}
