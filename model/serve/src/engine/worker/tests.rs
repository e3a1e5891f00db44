//! The worker with an engine whose steps can be counted, and fail.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use yuan_model::backend::{Scored, Target};
use yuan_model::engine::Activation;
use yuan_model::generate::StopRules;
use yuan_model::{Batch, Error};

use super::super::{Event, Events, Job};
use super::*;
use crate::vocabulary::Spelt;

const VOCAB_SIZE: usize = 8;

/// What happens at the third call of `read_from`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Third {
    Works,
    Fails,
    Panics,
}

/// Behind each token the next id is the likeliest.
struct Counting {
    third: Third,
    calls: AtomicUsize,
    /// Tokens read.
    rows: AtomicUsize,
}

struct Sequences<'a> {
    engine: &'a Counting,
    /// Room and tokens of each.
    all: Vec<(usize, Vec<u32>)>,
}

impl Engine for Counting {
    fn score(&self, _: &Batch, _: &[Target]) -> yuan_model::Result<Vec<Scored>> {
        unreachable!("a server has sessions")
    }

    fn logits(&self, _: &Batch, _: &[u32]) -> yuan_model::Result<Vec<f32>> {
        unreachable!("a server has sessions")
    }

    fn activations(&self, _: &Batch) -> yuan_model::Result<Vec<Activation>> {
        unreachable!("a server has sessions")
    }

    fn session(&self, sequences: usize) -> Box<dyn Session + '_> {
        Box::new(Sequences { engine: self, all: vec![(0, Vec::new()); sequences] })
    }

    fn free_memory(&self) -> yuan_model::Result<Option<u64>> {
        Ok(None)
    }
}

impl Session for Sequences<'_> {
    fn read(&mut self, _: &[&[u32]]) -> yuan_model::Result<Vec<f32>> {
        unreachable!("a server asks for some logits")
    }

    fn read_from(
        &mut self,
        tokens: &[&[u32]],
        from: &[usize],
        take: &mut dyn FnMut(usize, usize, &mut [f32]),
    ) -> yuan_model::Result<()> {
        assert_eq!((tokens.len(), from.len()), (self.all.len(), self.all.len()));
        match (self.engine.calls.fetch_add(1, Relaxed), self.engine.third) {
            (2, Third::Panics) => panic!("out of paper"),
            (2, Third::Fails) => return Err(Error::Request { problem: "out of ink".into() }),
            _ => {}
        }
        assert!(tokens.iter().any(|tokens| !tokens.is_empty()), "an idle step");
        for (sequence, (tokens, from)) in tokens.iter().zip(from).enumerate() {
            self.engine.rows.fetch_add(tokens.len(), Relaxed);
            self.all[sequence].1.extend_from_slice(tokens);
            assert!(self.all[sequence].1.len() <= self.all[sequence].0, "more than was reserved");
            for (place, token) in tokens.iter().enumerate().skip(*from) {
                let mut logits = [0.0; VOCAB_SIZE];
                logits[(*token as usize + 1) % VOCAB_SIZE] = self.all[sequence].1[0] as f32 + 1.0;
                take(sequence, place, &mut logits);
            }
        }
        Ok(())
    }

    fn score(&mut self, _: &[&[u32]], _: &[Target]) -> yuan_model::Result<Vec<Scored>> {
        unreachable!("a server asks for some logits")
    }

    fn tokens(&self, sequence: usize) -> usize {
        self.all[sequence].1.len()
    }

    fn memory(&self, _: usize, _: usize) -> yuan_model::Result<Vec<(&'static str, Vec<f32>)>> {
        unreachable!("a server does not look inside")
    }

    fn remove(&mut self, sequence: usize) {
        self.all.remove(sequence);
    }

    fn add(&mut self, room: usize) {
        self.all.push((room, Vec::new()));
    }

    fn copy(&mut self, from: usize, to: usize) -> yuan_model::Result<()> {
        assert!(self.all[to].1.is_empty() && from != to);
        self.all[to].1 = self.all[from].1.clone();
        Ok(())
    }
}

struct Letters;

impl Vocabulary for Letters {
    fn encode(&self, _: &str) -> Result<Spelt, String> {
        unreachable!("a worker reads tokens")
    }

    fn piece(&self, id: u32) -> Option<Vec<u8>> {
        Some(vec![b'a' + id as u8])
    }
}

fn job(prompt: &Arc<[u32]>, new: usize) -> Job {
    Job {
        prompt: prompt.clone(),
        number: 0,
        sampling: Sampling::greedy(),
        adjust: Arc::default(),
        stop: (new > 0).then(|| Arc::new(StopRules { max_new_tokens: new, ..StopRules::default() })),
        top: Some(1),
        score_prompt: true,
    }
}

/// What is told of texts: for each the events one after the other, its letters joined.
fn told(events: &mut Events, texts: usize) -> Vec<(Vec<Event>, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut told = vec![(Vec::new(), String::new()); texts];
    let mut left = texts;
    while left > 0 {
        let (place, event) = runtime.block_on(events.next()).expect("they end");
        left -= usize::from(event.is_last());
        if let Event::Token { text, .. } = &event {
            told[place].1.push_str(text);
        }
        told[place].0.push(event);
    }
    told
}

/// Works beside something else, which stops the queue by its end.
fn beside<T>(engine: &Counting, limits: Limits, metrics: &Arc<Metrics>, ask: impl FnOnce(&Queue) -> T) -> T {
    struct Stop<'a>(&'a Queue);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    let queue = Queue::new(100, metrics.clone());
    std::thread::scope(|scope| {
        let stop = Stop(&queue);
        scope.spawn(|| work(engine, &queue, &Letters, &[], limits, metrics));
        let found = ask(&queue);
        drop(stop);
        found
    })
}

fn engine(third: Third) -> Counting {
    Counting { third, calls: AtomicUsize::new(0), rows: AtomicUsize::new(0) }
}

const LIMITS: Limits = Limits { texts: 64, cache_tokens: 10_000, batch_tokens: 4 };

#[test]
fn an_engine_that_fails_takes_the_texts_of_its_step_alone() {
    for (third, said) in [(Third::Fails, "out of ink"), (Third::Panics, "the model stopped with a panic: out of paper")]
    {
        let prompt: Arc<[u32]> = vec![0].into();
        beside(&engine(third), LIMITS, &Arc::default(), |queue| {
            let mut short = queue.submit(vec![job(&prompt, 2)]).unwrap();
            assert_eq!(told(&mut short, 1)[0].1, "bc");
            let mut long = queue.submit(vec![job(&prompt, 9), job(&prompt, 9)]).unwrap();
            for (events, _) in told(&mut long, 2) {
                assert!(matches!(events.last(), Some(Event::Failed(why)) if why == said), "{events:?}");
            }
            let mut after = queue.submit(vec![job(&prompt, 3)]).unwrap();
            assert_eq!(told(&mut after, 1)[0].1, "bcd");
        });
    }
}

#[test]
fn texts_of_one_prompt_read_it_once() {
    let prompt: Arc<[u32]> = vec![3, 1, 4, 1, 5, 2, 6, 5, 3, 5].into();
    let alone = beside(&engine(Third::Works), LIMITS, &Arc::default(), |queue| {
        told(&mut queue.submit(vec![job(&prompt, 6)]).unwrap(), 1).remove(0)
    });
    assert_eq!(alone.1, "ghabcd");
    let scores = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Prompt(_))).count();
    assert_eq!((scores(&alone.0), alone.0.len()), (1, 7));
    // An equal prompt that is another list is another one.
    let other: Arc<[u32]> = prompt.to_vec().into();
    for (texts, prompt_rows) in [(64, 9 + 5 + 10), (1, 6 * 10)] {
        let (engine, metrics) = (engine(Third::Works), Arc::default());
        let limits = Limits { texts, ..LIMITS };
        let found = beside(&engine, limits, &metrics, |queue| {
            let jobs = [&prompt, &prompt, &prompt, &other, &prompt, &prompt].map(|prompt| job(prompt, 6));
            told(&mut queue.submit(jobs.to_vec()).unwrap(), 6)
        });
        assert!(found.iter().all(|found| *found == alone), "{found:?}");
        assert_eq!(metrics.read.load(Relaxed), prompt_rows);
        assert_eq!(engine.rows.load(Relaxed) as u64, prompt_rows + 6 * 5, "the last token is not read");
    }
    // Nothing is to be made: the prompt is scored all the same.
    let scored = beside(&engine(Third::Works), LIMITS, &Arc::default(), |queue| {
        told(&mut queue.submit(vec![job(&prompt, 0), job(&prompt, 0)]).unwrap(), 2)
    });
    assert!(scored.iter().all(|(events, _)| *events == [alone.0[0].clone(), Event::Scored]), "{scored:?}");
}

#[test]
fn tokens_of_prompts_are_counted_one_by_one_too() {
    for batch_tokens in [1, 2, 3, 100] {
        let metrics = Arc::default();
        beside(&engine(Third::Works), Limits { batch_tokens, ..LIMITS }, &metrics, |queue| {
            let prompts: [Arc<[u32]>; 3] = [vec![1].into(), vec![1, 2].into(), vec![1, 2, 3, 4].into()];
            let jobs = prompts.iter().map(|prompt| job(prompt, 5)).collect();
            told(&mut queue.submit(jobs).unwrap(), 3);
        });
        assert_eq!((metrics.read.load(Relaxed), metrics.written.load(Relaxed)), (7, 15), "{batch_tokens}");
    }
}
