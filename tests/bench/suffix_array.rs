//! Repeated substrings by a suffix array: what `repeated_substrings` is measured beside.
//!
//! Not part of the workspace: put it into a package of its own (`src/main.rs`; dependencies libsais 0.2, serde_json 1, zstd 0.13) and run
//! `cargo run --release -- THREADS FILE.jsonl.zst…`. Prints times, the bytes covered by substrings of 100 bytes that occur twice, and the
//! peak memory. Documents are joined by 0xff, which UTF-8 has not.

use std::io::{BufRead, BufReader};
use std::time::Instant;
use libsais::{SuffixArrayConstruction, ThreadCount};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let threads: u16 = args[1].parse().unwrap();
    let length: i32 = 100;
    let start = Instant::now();
    let mut text: Vec<u8> = Vec::new();
    let mut ends: Vec<usize> = Vec::new();
    for path in &args[2..] {
        let mut decoder = zstd::Decoder::new(std::fs::File::open(path).unwrap()).unwrap();
        decoder.window_log_max(27).unwrap();
        for line in BufReader::with_capacity(1 << 20, decoder).lines() {
            let row: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            text.extend_from_slice(row["text"].as_str().unwrap().as_bytes());
            ends.push(text.len());
            text.push(0xff);
        }
    }
    text.shrink_to_fit();
    println!("{} bytes read in {:.2} s", text.len(), start.elapsed().as_secs_f64());
    let start = Instant::now();
    let count = ThreadCount::fixed(threads);
    let sa = SuffixArrayConstruction::for_text(&text[..]).in_owned_buffer32().multi_threaded(count).run().unwrap();
    println!("suffix array {:.2} s", start.elapsed().as_secs_f64());
    let plcp = sa.plcp_construction().multi_threaded(count).run().unwrap();
    println!("plcp {:.2} s", start.elapsed().as_secs_f64());
    let both = plcp.lcp_construction().multi_threaded(count).run().unwrap();
    let (suffixes, lcp) = (both.suffix_array(), both.lcp());
    let mut repeated = vec![false; text.len()];
    for at in 1..suffixes.len() {
        if lcp[at] >= length {
            repeated[suffixes[at] as usize] = true;
            repeated[suffixes[at - 1] as usize] = true;
        }
    }
    let (mut covered, mut spans, mut from) = (0_u64, 0_u64, 0);
    for end in ends {
        // Behind the last window of the document that is repeated.
        let mut to = None;
        for place in (from..(end + 1).saturating_sub(length as usize)).filter(|place| repeated[*place]) {
            let until = place + length as usize;
            spans += u64::from(to.is_none_or(|to| place > to));
            covered += (until - to.map_or(place, |to| place.max(to))) as u64;
            to = Some(until);
        }
        from = end + 1;
    }
    println!("all {:.2} s: {covered} bytes in {spans} spans", start.elapsed().as_secs_f64());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
}
