//! Encodes texts for `tests/oracle/sentencepiece_pieces.py`, or times it.
//!
//!     encode MODEL RECORDS                 all that the model says about each text, to standard output
//!     encode MODEL RECORDS --time ROUNDS   the fastest round's seconds for the ids of all texts, and how many ids
//!
//! RECORDS: for each text its length in bytes (`u32`) and its bytes. The output, for each text five such records: the
//! ids (`u32`), the pieces with a zero byte between them, where each piece begins and ends in the text (`u32`), the
//! normalized text, and the decoded ids. Numbers are little-endian.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use yuan_sentencepiece::{Model, Scratch};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, records, options @ ..] = arguments.as_slice() else {
        return Err("encode MODEL RECORDS [--time ROUNDS]".into());
    };
    let model = Model::open(model)?;
    let bytes = std::fs::read(records)?;
    let mut texts = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (text, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        texts.push(std::str::from_utf8(text)?);
        rest = after;
    }
    if let [time_option, rounds] = options
        && time_option == "--time"
    {
        time(&model, &texts, rounds.parse()?);
        return Ok(());
    }
    let mut scratch = Scratch::default();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for text in texts {
        let mut ids = Vec::new();
        model.encode_ids(text, &mut scratch, &mut ids);
        let mut pieces = Vec::new();
        model.encode_pieces(text, &mut scratch, |piece| pieces.push(piece.to_owned()));
        let (mut placed, mut places) = (Vec::new(), Vec::new());
        model.encode_places(text, &mut scratch, |piece| {
            placed.push((piece.id, piece.piece.to_owned()));
            places.extend([piece.place.start as u32, piece.place.end as u32]);
        });
        assert!(ids.iter().zip(&pieces).eq(placed.iter().map(|(id, piece)| (id, piece))));
        let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let decoded = model.decode(&ids)?;
        let normalized = model.normalize(text);
        let (ids, places, pieces) = (numbers(&ids), numbers(&places), pieces.join("\0"));
        let records = [&ids, pieces.as_bytes(), &places, normalized.as_bytes(), decoded.as_bytes()];
        for record in records {
            out.write_all(&(record.len() as u32).to_le_bytes())?;
            out.write_all(record)?;
        }
    }
    Ok(())
}

fn time(model: &Model, texts: &[&str], rounds: usize) {
    let mut ids = Vec::new();
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let mut scratch = Scratch::default();
        let start = Instant::now();
        ids.clear();
        for text in texts {
            model.encode_ids(text, &mut scratch, &mut ids);
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{best} {}", ids.len());
}
