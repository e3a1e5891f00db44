//! Continuations whose contexts begin alike are read once as far as they do, and score as if each were read whole.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use yuan_model::backend::{Scored, Target};
use yuan_model::continuations::{Continuations, Continued};
use yuan_model::engine::{Activation, Engine, Session};
use yuan_model::{Batch, Model, Options, Place, Result};

fn model(name: &str, place: Place) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model").join(name);
    Model::open(&folder, Options { place, ..Options::default() }, &mut |_, _| {}).unwrap()
}

/// An engine that counts the tokens that it reads.
struct Counting<'e>(&'e dyn Engine, AtomicUsize);

struct Reading<'e>(Box<dyn Session + 'e>, &'e AtomicUsize);

impl Engine for Counting<'_> {
    fn score(&self, batch: &Batch, targets: &[Target]) -> Result<Vec<Scored>> {
        self.1.fetch_add(batch.len(), Ordering::Relaxed);
        self.0.score(batch, targets)
    }

    fn logits(&self, batch: &Batch, rows: &[u32]) -> Result<Vec<f32>> {
        self.0.logits(batch, rows)
    }

    fn activations(&self, batch: &Batch) -> Result<Vec<Activation>> {
        self.0.activations(batch)
    }

    fn session(&self, sequences: usize) -> Box<dyn Session + '_> {
        Box::new(Reading(self.0.session(sequences), &self.1))
    }

    fn free_memory(&self) -> Result<Option<u64>> {
        self.0.free_memory()
    }
}

impl Session for Reading<'_> {
    fn read(&mut self, tokens: &[&[u32]]) -> Result<Vec<f32>> {
        self.0.read(tokens)
    }

    fn read_from(
        &mut self,
        tokens: &[&[u32]],
        from: &[usize],
        take: &mut dyn FnMut(usize, usize, &mut [f32]),
    ) -> Result<()> {
        self.0.read_from(tokens, from, take)
    }

    fn score(&mut self, tokens: &[&[u32]], targets: &[Target]) -> Result<Vec<Scored>> {
        self.1.fetch_add(tokens.iter().map(|tokens| tokens.len()).sum(), Ordering::Relaxed);
        self.0.score(tokens, targets)
    }

    fn tokens(&self, sequence: usize) -> usize {
        self.0.tokens(sequence)
    }

    fn memory(&self, sequence: usize, layer: usize) -> Result<Vec<(&'static str, Vec<f32>)>> {
        self.0.memory(sequence, layer)
    }

    fn remove(&mut self, sequence: usize) {
        self.0.remove(sequence);
    }

    fn add(&mut self, room: usize) {
        self.0.add(room);
    }

    fn copy(&mut self, from: usize, to: usize) -> Result<()> {
        self.0.copy(from, to)
    }
}

/// Two subjects of eight questions with four options behind 90 and 50 tokens of examples, questions of 20 to 50 tokens of which some
/// begin as the one before, options of one to five tokens of which some are the same or begin alike; and a short text of another kind.
fn texts() -> Vec<(Vec<u32>, usize)> {
    let words = |seed: u32, count: u32| (0..count).map(move |place| (seed * 37 + place * place * 11 + place * 5) % 500);
    let mut texts = Vec::new();
    for (subject, examples) in [(1, 90), (2, 50)] {
        for question in 0..8 {
            let begins: Vec<u32> = words(subject, examples).chain(words(question / 3, 3 * question)).collect();
            let context: Vec<u32> = begins.into_iter().chain(words(100 + question, 20 + question)).collect();
            for option in 0..4 {
                let count = if question % 4 == 0 { 1 } else { 1 + option };
                let same: Vec<u32> = [7, 7, 8].into_iter().take(option as usize).chain(words(option, 2)).collect();
                texts.push(([&context[..], &same[..count as usize]].concat(), count as usize));
            }
        }
    }
    texts.push((vec![3, 4], 1));
    texts.push(texts[texts.len() - 2].clone());
    texts
}

fn scored(engine: &dyn Engine, texts: &[(Vec<u32>, usize)], batch_tokens: usize) -> Vec<Continued> {
    let mut continuations = Continuations::new(engine, batch_tokens);
    let mut found = Vec::new();
    for (ids, count) in texts {
        found.extend(continuations.push(ids.clone(), *count).unwrap());
    }
    found.extend(continuations.finish().unwrap());
    found
}

/// Each text read whole and alone.
fn alone(model: &Model, texts: &[(Vec<u32>, usize)]) -> Vec<Continued> {
    let of = |(ids, count): &(Vec<u32>, usize)| {
        let targets: Vec<Target> =
            (ids.len() - count..ids.len()).map(|place| Target { row: place as u32 - 1, id: ids[place] }).collect();
        let scored = model.engine().score(&Batch::of(&ids[..ids.len() - 1]), &targets).unwrap();
        Continued {
            log_prob: scored.iter().map(|scored| f64::from(scored.log_prob)).sum(),
            is_greedy: scored.iter().all(|scored| scored.is_greedy),
            tokens: *count,
        }
    };
    texts.iter().map(of).collect()
}

#[test]
fn what_is_shared_is_read_once_and_changes_no_bit() {
    let texts = texts();
    let all: usize = texts.iter().map(|(ids, _)| ids.len() - 1).sum();
    for name in ["yuan-moe-tiny", "yuan-dense-tiny", "qwen2moe-tiny"] {
        for place in [Place::Cpu, Place::Candle] {
            let model = model(name, place);
            let expected = alone(&model, &texts);
            for batch_tokens in [1, 60, 150, 400, 4096] {
                let counting = Counting(model.engine(), AtomicUsize::new(0));
                let found = scored(&counting, &texts, batch_tokens);
                assert_eq!(found.len(), texts.len());
                for (place_of, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let is_same = match place {
                        Place::Cpu => found == expected,
                        _ => (found.log_prob - expected.log_prob).abs() < 1e-4 && found.tokens == expected.tokens,
                    };
                    assert!(is_same, "{name} {place:?} {batch_tokens} {place_of}: {found:?} {expected:?}");
                }
                let read = counting.1.into_inner();
                // Questions and options but for the examples come to a fourth of all, and few options wait where there is little room.
                let most = if batch_tokens >= 150 { all / 4 } else { all / 2 };
                assert!(read <= most, "{name} {batch_tokens}: {read} of {all}");
            }
        }
    }
}

#[test]
fn what_cannot_be_scored_is_told() {
    let model = model("yuan-moe-tiny", Place::Cpu);
    let mut continuations = Continuations::new(model.engine(), 64);
    for (ids, count) in [(vec![1, 2], 0), (vec![1, 2], 2), (vec![], 0)] {
        assert!(continuations.push(ids, count).unwrap_err().to_string().contains("cannot be scored"));
    }
    continuations.push(vec![1, 1 << 30, 3], 1).unwrap();
    assert!(continuations.finish().unwrap_err().to_string().contains("is not in the model's vocabulary"));
    assert_eq!(Continuations::new(model.engine(), 64).finish().unwrap(), []);
}
