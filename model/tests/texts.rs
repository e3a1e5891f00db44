//! Texts made token by token.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::path::Path;

use yuan_model::Batch;
use yuan_model::backend::{LogProbs, Target};
use yuan_model::generate::{Generation, Sampling, StopRules, Stopped, generate};
use yuan_model::{Model, Options, Place};

fn model(name: &str, place: Place) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model").join(name);
    Model::open(&folder, Options { place, ..Options::default() }, &mut |_, _| {}).unwrap()
}

fn how(sampling: Sampling, max_new_tokens: usize) -> Generation {
    let stop = StopRules { ids: Vec::new(), strings: Vec::new(), max_new_tokens };
    Generation { sampling, stop, max_positions: 128, never: Vec::new() }
}

fn piece(id: u32) -> Vec<u8> {
    format!("<{id}>").into_bytes()
}

fn prompts() -> Vec<Vec<u32>> {
    vec![vec![1, 2, 3], (0..70).map(|place| place * 7 % 500).collect(), vec![42]]
}

/// What one pass over the whole text without any memory finds likeliest, token after token.
#[test]
fn greedy_texts_are_those_of_a_model_without_memory() {
    for name in ["yuan-moe-tiny", "yuan-dense-tiny", "qwen2moe-tiny"] {
        for place in [Place::Cpu, Place::Candle] {
            let model = model(name, place);
            let found =
                generate(model.engine(), &prompts(), 0, &how(Sampling::greedy(), 12), &piece, &mut |_, _| {}).unwrap();
            for (prompt, found) in prompts().iter().zip(&found) {
                let mut ids = prompt.clone();
                for id in &found.ids {
                    let last = ids.len() as u32 - 1;
                    let logits = model.engine().logits(&Batch::of(&ids), &[last]).unwrap();
                    let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
                    assert_eq!(*id as usize, best, "{name} {place:?}");
                    ids.push(*id);
                }
                assert_eq!((found.ids.len(), found.stopped), (12, Stopped::Length));
            }
        }
    }
}

#[test]
fn a_text_is_the_same_alone_and_in_company() {
    let model = model("yuan-moe-tiny", Place::Cpu);
    let sampling = Sampling { temperature: 1.5, top_p: 0.95, seed: 7, ..Sampling::default() };
    let mut said = vec![String::new(); 3];
    let together = generate(model.engine(), &prompts(), 0, &how(sampling.clone(), 20), &piece, &mut |number, text| {
        said[number].push_str(text);
    })
    .unwrap();
    let said_at_once: Vec<&str> = together.iter().map(|text| text.text.as_str()).collect();
    assert_eq!(said, said_at_once);
    for (number, expected) in together.iter().enumerate() {
        let alone = |first| {
            let prompt = &prompts()[number..=number];
            generate(model.engine(), prompt, first, &how(sampling.clone(), 20), &piece, &mut |told, _| {
                assert_eq!(told, first);
            })
            .unwrap()
        };
        assert_eq!(alone(number)[0], *expected);
        // By another number, other lots are drawn.
        assert_ne!(alone(number + 3)[0], *expected);
    }
}

/// Where a prompt is cut depends on what is read with it: that must not be seen.
#[test]
fn a_prompt_read_in_parts_has_the_same_bits() {
    let prompt: Vec<u32> = (0..100).map(|place| place * 13 % 500).collect();
    for name in ["yuan-moe-tiny", "yuan-dense-tiny", "qwen2moe-tiny"] {
        let model = model(name, Place::Cpu);
        let mut whole = model.engine().session(1);
        let expected = whole.read(&[&prompt]).unwrap();
        for cut in [1, 17, 64, 99] {
            let mut session = model.engine().session(2);
            session.read(&[&prompt[..cut], &[7, 8]]).unwrap();
            assert_eq!(session.read(&[&prompt[cut..], &[]]).unwrap(), expected, "{name} cut at {cut}");
        }
    }
}

/// Texts that join and leave between steps, of which some want all logits, see nothing of each other.
#[test]
fn sequences_join_and_leave() {
    let prompt: Vec<u32> = (0..100).map(|place| place * 13 % 500).collect();
    for name in ["yuan-moe-tiny", "yuan-dense-tiny", "qwen2moe-tiny"] {
        let model = model(name, Place::Cpu);
        let rows: Vec<u32> = (0..100).collect();
        let logits = model.engine().logits(&Batch::of(&prompt), &rows).unwrap();
        let vocab_size = logits.len() / 100;
        let mut found = Vec::new();
        let mut session = model.engine().session(1);
        session.read(&[&[5, 6, 7]]).unwrap();
        session.add(0);
        session
            .read_from(&[&[8], &prompt[..40]], &[1, 10], &mut |sequence, place, logits| {
                assert_eq!((sequence, place), (1, 10 + found.len() / vocab_size));
                found.extend_from_slice(logits);
                logits.fill(0.0);
            })
            .unwrap();
        session.remove(0);
        session.add(100);
        let mut last = Vec::new();
        session
            .read_from(&[&prompt[40..], &prompt], &[0, 99], &mut |sequence, place, logits| match sequence {
                0 => found.extend_from_slice(logits),
                _ => last.push((place, logits.to_vec())),
            })
            .unwrap();
        assert!(found == logits[10 * vocab_size..], "{name}");
        assert_eq!(last, [(99, logits[99 * vocab_size..].to_vec())]);
        assert!(session.read_from(&[&[1], &[1]], &[0], &mut |_, _, _| {}).is_err());
    }
}

/// What one sequence has read another need not read: both go on as one that has.
#[test]
fn a_sequence_goes_on_where_another_is() {
    let prompt: Vec<u32> = (0..50).map(|place| place * 13 % 500).collect();
    for name in ["yuan-moe-tiny", "yuan-dense-tiny", "qwen2moe-tiny"] {
        for place in [Place::Cpu, Place::Candle] {
            let model = model(name, place);
            let alone = |rest: &[u32]| {
                let mut session = model.engine().session(1);
                session.read(&[&prompt]).unwrap();
                session.read(&[rest]).unwrap()
            };
            let mut session = model.engine().session(1);
            session.read(&[&prompt]).unwrap();
            for room in [0, 60] {
                session.add(room);
            }
            session.copy(0, 1).unwrap();
            session.copy(1, 2).unwrap();
            // Those who are copied go on without their copies.
            let first = session.read(&[&[3, 4, 5], &[], &[]]).unwrap();
            let others = session.read(&[&[], &[7], &[8, 9]]).unwrap();
            let expected = [alone(&[3, 4, 5]), alone(&[7]), alone(&[8, 9])].concat();
            let found = [first, others].concat();
            let apart = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(found == expected || place == Place::Candle && apart < 1e-5, "{name} {place:?}: {apart}");
            assert_eq!((0..3).map(|place| session.tokens(place)).collect::<Vec<_>>(), [53, 51, 52]);
            for (from, to) in [(0, 0), (0, 3), (0, 1)] {
                let error = session.copy(from, to).unwrap_err().to_string();
                assert!(error.contains(&format!("sequence {to} cannot go on from {from}")), "{error}");
            }
        }
    }
}

#[test]
fn probabilities_are_those_of_a_score() {
    let model = model("yuan-moe-tiny", Place::Cpu);
    let ids: Vec<u32> = (0..60).map(|place| place * 31 % 500).collect();
    let targets: Vec<Target> = (0..59).map(|row| Target { row, id: ids[row as usize + 1] }).collect();
    let scored = model.engine().score(&Batch::of(&ids), &targets).unwrap();
    let rows: Vec<u32> = (0..59).collect();
    let logits = model.engine().logits(&Batch::of(&ids), &rows).unwrap();
    for ((target, scored), logits) in targets.iter().zip(&scored).zip(logits.chunks_exact(logits.len() / 59)) {
        assert_eq!(LogProbs::of(logits).log_prob(logits[target.id as usize]), scored.log_prob);
    }
}

#[test]
fn ids_that_stand_for_nothing_are_never_chosen() {
    let model = model("yuan-moe-tiny", Place::Cpu);
    // Nearly any token, by lot; the likeliest.
    for sampling in [Sampling { temperature: 1e4, ..Sampling::default() }, Sampling::greedy()] {
        let mut some = how(sampling, 30);
        some.never = (9..600).collect();
        let texts = generate(model.engine(), &prompts(), 0, &some, &piece, &mut |_, _| {}).unwrap();
        assert!(texts.iter().flat_map(|text| &text.ids).all(|id| *id < 9), "{texts:?}");
        some.never = (0..512).collect();
        let none = generate(model.engine(), &prompts(), 0, &some, &piece, &mut |_, _| {});
        assert_eq!(none.unwrap_err().to_string(), "none of 512 logits is above -inf");
    }
}

#[test]
fn texts_stop_one_by_one() {
    let model = model("yuan-moe-tiny", Place::Cpu);
    let free = generate(model.engine(), &prompts(), 0, &how(Sampling::greedy(), 12), &piece, &mut |_, _| {}).unwrap();
    let mut bound = how(Sampling::greedy(), 12);
    bound.stop.ids = vec![free[0].ids[4]];
    bound.stop.strings = vec![format!("<{}>", free[1].ids[7])];
    let stopped = generate(model.engine(), &prompts(), 0, &bound, &piece, &mut |_, _| {}).unwrap();
    for (free, stopped) in free.iter().zip(&stopped) {
        assert_eq!(free.ids[..stopped.ids.len()], stopped.ids);
        assert!(free.text.starts_with(&stopped.text));
    }
    assert!(matches!(stopped[0].stopped, Stopped::Id(_)) && stopped[0].ids.len() <= 5);
    assert!(stopped[1].stopped != Stopped::Length && stopped[1].ids.len() <= 8);
}

#[test]
fn prompts_that_cannot_be_continued_are_errors() {
    let model = model("yuan-moe-tiny", Place::Cpu);
    for prompt in [vec![], vec![1; 128], vec![1, 9999]] {
        let found = generate(model.engine(), &[prompt], 0, &how(Sampling::greedy(), 3), &piece, &mut |_, _| {});
        assert!(found.is_err());
    }
    let long = vec![1; 120];
    let found = generate(model.engine(), &[long], 0, &how(Sampling::greedy(), 50), &piece, &mut |_, _| {}).unwrap();
    assert_eq!((found[0].ids.len(), found[0].stopped), (8, Stopped::Length));
}
