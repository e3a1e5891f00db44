//! Fixtures, and the outputs of KenLM's `query`.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use yuan_kenlm::{Model, State};

/// The folder of committed fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/kenlm")
}

/// The folder of larger fixtures, where there is one; says so where there is none.
pub fn shared_fixtures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/kenlm");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no {}", folder.display());
    None
}

/// What `query` prints of a word.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: Vec<u8>,
    pub index: u32,
    pub length: u8,
    pub score: f32,
}

/// What `query` prints of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub words: Vec<Word>,
    /// Total and number of unknown words; the last line has none if it has no line end.
    pub total: Option<(f32, u64)>,
}

/// Reads what `query` printed, without the summary.
pub fn read_query_output(path: &Path) -> Vec<Line> {
    let text = std::fs::read(path).unwrap();
    let summary = text.windows(10).rposition(|window| window == b"Perplexity").unwrap();
    let summary = text[..summary].windows(10).rposition(|window| window == b"Perplexity").unwrap();
    let mut lines = Vec::new();
    for line in text[..summary].split_inclusive(|&byte| byte == b'\n') {
        let (line, ended) = match line.strip_suffix(b"\n") {
            Some(line) => (line, true),
            None => (line, false),
        };
        let mut fields: Vec<&[u8]> = line.split(|&byte| byte == b'\t').collect();
        let last = fields.pop().unwrap();
        let total = ended.then(|| {
            let last = std::str::from_utf8(last).unwrap();
            let (total, unknown) = last.strip_prefix("Total: ").unwrap().split_once(" OOV: ").unwrap();
            (total.parse().unwrap(), unknown.parse().unwrap())
        });
        lines.push(Line { words: fields.into_iter().map(read_word).collect(), total });
    }
    lines
}

fn read_word(field: &[u8]) -> Word {
    let equals = field.iter().rposition(|&byte| byte == b'=').unwrap();
    let numbers = std::str::from_utf8(&field[equals + 1..]).unwrap();
    let numbers: Vec<&str> = numbers.split(' ').collect();
    Word {
        text: field[..equals].to_vec(),
        index: numbers[0].parse().unwrap(),
        length: numbers[1].parse().unwrap(),
        score: numbers[2].parse().unwrap(),
    }
}

/// Scores a text as `query` does.
pub fn query(model: &Model, text: &[u8], sentence_context: bool) -> Vec<Line> {
    let vocabulary = model.vocabulary();
    let mut lines = Vec::new();
    let mut next = State::default();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let ended = line.ends_with(b"\n");
        let mut history = if sentence_context { model.begin_sentence_state() } else { model.null_context_state() };
        let mut words: Vec<(&[u8], u32)> = line
            .split(|byte| matches!(byte, b' ' | b'\t'..=b'\r'))
            .filter(|word| !word.is_empty())
            .map(|word| (word, vocabulary.index(word)))
            .collect();
        let unknown = words.iter().filter(|(_, index)| *index == 0).count() as u64;
        if ended && sentence_context {
            words.push((b"</s>", vocabulary.end_sentence()));
        }
        let mut total = 0.0;
        let words = words
            .into_iter()
            .map(|(text, index)| {
                let score = model.full_score(&history, index, &mut next);
                history = next;
                total += score.log10_prob;
                Word { text: text.to_vec(), index, length: score.ngram_length, score: score.log10_prob }
            })
            .collect();
        lines.push(Line { words, total: ended.then_some((total, unknown)) });
    }
    lines
}

/// That two outputs are equal in every bit; the number of lines.
pub fn assert_same(found: &[Line], expected: &[Line], what: &str) -> usize {
    assert_eq!(found.len(), expected.len(), "{what}: lines");
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.words.len(), expected.words.len(), "{what}: words of line {}", number + 1);
        for (found, expected) in found.words.iter().zip(&expected.words) {
            assert_eq!(found, expected, "{what}: line {}", number + 1);
            assert_eq!(found.score.to_bits(), expected.score.to_bits(), "{what}: line {}", number + 1);
        }
        assert_eq!(found.total, expected.total, "{what}: line {}", number + 1);
    }
    found.len()
}
