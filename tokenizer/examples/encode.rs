//! Encodes the field `text` of JSONL files (`.zst` or plain), for measuring and for comparing with other tools.
//!
//! `encode TOKENIZER.json [--parse-special] [--threads N] [--rounds N] [--ids OUT] FILE…`: prints how it went as one
//! line of JSON; with `--ids` writes, for each text, the number of its ids and the ids, all as little-endian u32.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool of the tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Instant;

use yuan_tokenizer::{Scratch, Tokenizer};

fn texts(path: &str) -> Vec<String> {
    let file = std::fs::File::open(path).unwrap();
    let reader: Box<dyn Read> = if path.ends_with(".zst") {
        let mut decoder = zstd::Decoder::new(file).unwrap();
        decoder.window_log_max(31).unwrap();
        Box::new(decoder)
    } else {
        Box::new(file)
    };
    let lines = BufReader::with_capacity(1 << 20, reader).lines();
    lines
        .map(|line| match serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap()["text"].take() {
            serde_json::Value::String(text) => text,
            other => panic!("`text` is {other}"),
        })
        .collect()
}

/// Seconds this thread has run, where the system says so.
fn cpu_seconds() -> f64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    schedule.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap();
    let (mut parse_special, mut threads, mut rounds, mut out, mut files) = (false, 1, 1, None, Vec::new());
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap();
        match argument.as_str() {
            "--parse-special" => parse_special = true,
            "--threads" => threads = value().parse().unwrap(),
            "--rounds" => rounds = value().parse().unwrap(),
            "--ids" => out = Some(value()),
            _ => files.push(argument),
        }
    }
    let started = Instant::now();
    let tokenizer = Tokenizer::load(path).unwrap().parsing_special(parse_special);
    let load_seconds = started.elapsed().as_secs_f64();
    let texts: Vec<String> = files.iter().flat_map(|file| texts(file)).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    let (mut best, mut cpu_best, mut tokens) = (f64::INFINITY, f64::INFINITY, 0);
    for _ in 0..rounds {
        let started = Instant::now();
        let next = std::sync::atomic::AtomicUsize::new(0);
        let (sum, cpu) = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let (mut scratch, mut ids, mut tokens) = (Scratch::default(), Vec::new(), 0);
                        let started = cpu_seconds();
                        loop {
                            let first = next.fetch_add(16, std::sync::atomic::Ordering::Relaxed);
                            if first >= texts.len() {
                                return (tokens, cpu_seconds() - started);
                            }
                            for text in &texts[first..(first + 16).min(texts.len())] {
                                ids.clear();
                                tokenizer.encode_into(text, &mut scratch, &mut ids).unwrap();
                                tokens += ids.len();
                            }
                        }
                    })
                })
                .collect();
            let done = workers.into_iter().map(|worker| worker.join().unwrap());
            done.fold((0, 0.0), |(tokens, cpu), (more, longer)| (tokens + more, cpu + longer))
        });
        tokens = sum;
        cpu_best = cpu.min(cpu_best);
        best = started.elapsed().as_secs_f64().min(best);
    }
    if let Some(out) = out {
        let mut out = std::io::BufWriter::new(std::fs::File::create(out).unwrap());
        let (mut scratch, mut ids) = (Scratch::default(), Vec::new());
        for text in &texts {
            ids.clear();
            tokenizer.encode_into(text, &mut scratch, &mut ids).unwrap();
            out.write_all(&(ids.len() as u32).to_le_bytes()).unwrap();
            ids.iter().for_each(|id| out.write_all(&id.to_le_bytes()).unwrap());
        }
        out.flush().unwrap();
    }
    let report = serde_json::json!({
        "direct": tokenizer.is_direct(), "texts": texts.len(), "bytes": bytes, "tokens": tokens,
        "load_seconds": load_seconds, "seconds": best, "cpu_seconds": cpu_best, "mb_per_cpu_second": bytes as f64 / 1e6 / cpu_best, "mb_per_second": bytes as f64 / 1e6 / best,
    });
    println!("{report}");
}
