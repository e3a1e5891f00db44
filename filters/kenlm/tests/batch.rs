//! Batched scores are those of one sentence at a time, in every bit, for every kind of model and in any company.

#![allow(clippy::unwrap_used)]

mod support;

use support::{fixtures, shared_fixtures};
use yuan_kenlm::{FullScore, Model, Scorer, State};

/// Sentences of all lengths, empty ones among them, with numbers that no word has.
fn sentences(model: &Model, text: &[u8]) -> Vec<Vec<u32>> {
    let vocabulary = model.vocabulary();
    let mut sentences: Vec<Vec<u32>> = text
        .split(|&byte| byte == b'\n')
        .map(|line| {
            let words = line.split(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).filter(|word| !word.is_empty());
            words.map(|word| vocabulary.index(word)).collect()
        })
        .collect();
    let all: Vec<u32> = sentences.concat();
    sentences.push(all.clone());
    sentences.extend(all.chunks(1).take(70).map(<[u32]>::to_vec));
    sentences.push(vec![u32::MAX, vocabulary.bound(), 0, vocabulary.begin_sentence(), vocabulary.end_sentence()]);
    sentences.extend(vec![Vec::new(); 100]);
    sentences.push(all[..all.len().min(50)].to_vec());
    sentences
}

fn check(model: &Model, text: &[u8]) {
    let sentences = sentences(model, text);
    let mut scorer = Scorer::new(model);
    let (mut scores, mut next) = (Vec::new(), State::default());
    for (begin, end) in [(true, true), (true, false), (false, true), (false, false)] {
        let batch = scorer.score_batch(sentences.iter().map(|sentence| &sentence[..]), begin, end);
        assert_eq!(batch.len(), sentences.len());
        for (sentence, batched) in sentences.iter().zip(&batch) {
            let one = model.score_sentence(sentence, begin, end);
            assert_eq!(one.log10_prob.to_bits(), batched.log10_prob.to_bits(), "{:?} {sentence:?}", model.path());
            assert_eq!(one, *batched);
            scorer.full_scores(sentence, begin, end, &mut scores);
            let mut history = if begin { model.begin_sentence_state() } else { model.null_context_state() };
            let marker = end.then(|| model.vocabulary().end_sentence());
            let expected: Vec<FullScore> = sentence
                .iter()
                .copied()
                .chain(marker)
                .map(|word| {
                    let score = model.full_score(&history, word, &mut next);
                    history = next;
                    score
                })
                .collect();
            assert_eq!(scores, expected);
        }
        let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
        let from_text = scorer.score_texts(lines.iter().copied(), begin, end);
        assert_eq!(from_text[..], batch[..lines.len()]);
    }
}

fn check_folder(folder: &std::path::Path) -> usize {
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if name.ends_with(".bin") {
            let text = folder.join(format!("{}.query.txt", name.split('.').next().unwrap()));
            let text = std::fs::read(text).or_else(|_| std::fs::read(folder.join("blanks.query.txt"))).unwrap();
            check(&Model::open(&path).unwrap(), &text);
            checked += 1;
        }
    }
    checked
}

#[test]
fn batches_of_committed_models() {
    assert!(check_folder(&fixtures()) >= 24);
}

#[test]
fn batches_of_larger_models() {
    if let Some(folder) = shared_fixtures() {
        assert!(check_folder(&folder) >= 6);
    }
}

#[test]
fn threads_share_a_model() {
    let model = Model::open(fixtures().join("tiny.o5.trie.bin")).unwrap();
    let text = std::fs::read(fixtures().join("tiny.train.txt")).unwrap();
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    let alone = Scorer::new(&model).score_texts(lines.iter().copied(), true, true);
    for threads in [2, 8] {
        let share = lines.len().div_ceil(threads);
        let together: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = lines
                .chunks(share)
                .map(|lines| scope.spawn(|| Scorer::new(&model).score_texts(lines.iter().copied(), true, true)))
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        assert_eq!(alone, together);
    }
}
