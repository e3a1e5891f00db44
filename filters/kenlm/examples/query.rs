//! Scores sentences from standard input as KenLM's `query` does, byte for byte: `query [-n] [-v word|sentence|summary]
//! [-l lazy|populate|read] [-t threads] MODEL < TEXT`. Words are scored by one thread.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{BufWriter, Read, Write};

use yuan_kenlm::{FullScore, Load, Model, Scorer, SentenceScore, State, UNKNOWN};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sentence_context = true;
    let mut load = Load::Populate;
    let (mut words, mut sentences, mut summary) = (false, false, false);
    let (mut threads, mut path) = (1, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-n" => sentence_context = false,
            "-b" => {}
            "-t" => threads = arguments.next().ok_or("-t takes a number")?.parse::<usize>()?.max(1),
            "-l" => {
                load = match arguments.next().as_deref() {
                    Some("lazy") => Load::Lazy,
                    Some("populate") => Load::Populate,
                    Some("read") => Load::Read,
                    _ => return Err("-l takes lazy, populate or read".into()),
                }
            }
            "-v" => match arguments.next().as_deref() {
                Some("2") => (words, sentences, summary) = (true, true, true),
                Some("1") => (words, sentences, summary) = (false, true, true),
                Some("0") => (words, sentences, summary) = (false, false, true),
                Some("word") => words = true,
                Some("sentence") => sentences = true,
                Some("summary") => summary = true,
                _ => return Err("-v takes word, sentence or summary".into()),
            },
            _ => path = Some(argument),
        }
    }
    if !(words || sentences || summary) {
        (words, sentences, summary) = (true, true, true);
    }
    let model = Model::open_with(path.ok_or("no model given")?, load)?;
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;
    if !words {
        let scores = score_sentences(&model, &text, sentence_context, threads);
        return Ok(print_sentences(&scores, sentences, summary)?);
    }
    let mut printer = Printer { out: BufWriter::with_capacity(1 << 16, std::io::stdout().lock()), words, sentences };
    let totals = query(&model, &text, sentence_context, &mut printer)?;
    if summary {
        totals.print(&mut printer.out)?;
    }
    printer.out.flush()?;
    Ok(())
}

#[derive(Default)]
struct Totals {
    log10_prob: f64,
    unknown_log10_prob: f64,
    unknown: u64,
    tokens: u64,
}

struct Printer<W> {
    out: W,
    words: bool,
    sentences: bool,
}

fn query<W: Write>(
    model: &Model,
    text: &[u8],
    sentence_context: bool,
    printer: &mut Printer<W>,
) -> std::io::Result<Totals> {
    let vocabulary = model.vocabulary();
    let mut totals = Totals::default();
    let mut next = State::default();
    let mut rest = text;
    loop {
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        let mut history = if sentence_context { model.begin_sentence_state() } else { model.null_context_state() };
        let mut total = 0.0f32;
        let mut unknown = 0;
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r');
        for word in line.split(is_space).filter(|word| !word.is_empty()) {
            let index = vocabulary.index(word);
            let score = model.full_score(&history, index, &mut next);
            if index == UNKNOWN {
                unknown += 1;
                totals.unknown_log10_prob += f64::from(score.log10_prob);
            }
            total += score.log10_prob;
            printer.word(word, index, score)?;
            totals.tokens += 1;
            history = next;
        }
        let Some(end) = end else { break };
        if sentence_context {
            let score = model.full_score(&history, vocabulary.end_sentence(), &mut next);
            total += score.log10_prob;
            totals.tokens += 1;
            printer.word(b"</s>", vocabulary.end_sentence(), score)?;
        }
        if printer.sentences {
            writeln!(printer.out, "Total: {} OOV: {unknown}", shortest(total))?;
        }
        totals.log10_prob += f64::from(total);
        totals.unknown += unknown;
        rest = &rest[end + 1..];
    }
    Ok(totals)
}

/// The scores of all lines, in the time of [`Scorer`], and then of what is behind the last line end: that has no `</s>`.
fn score_sentences(
    model: &Model,
    text: &[u8],
    sentence_context: bool,
    threads: usize,
) -> (Vec<SentenceScore>, SentenceScore) {
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let (lines, rest) = text.split_at(whole);
    let lines: Vec<&[u8]> = lines.split_inclusive(|&byte| byte == b'\n').collect();
    let score =
        |lines: &[&[u8]]| Scorer::new(model).score_texts(lines.iter().copied(), sentence_context, sentence_context);
    let scores = std::thread::scope(|scope| {
        let parts = lines.chunks(lines.len().div_ceil(threads).max(1));
        let workers: Vec<_> = parts.map(|part| scope.spawn(move || score(part))).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, _>| worker.join().unwrap_or_default();
        workers.into_iter().flat_map(join).collect()
    });
    let last = Scorer::new(model).score_texts([rest], sentence_context, false);
    (scores, last.into_iter().next().unwrap_or_default())
}

fn print_sentences(
    (scores, last): &(Vec<SentenceScore>, SentenceScore),
    sentences: bool,
    summary: bool,
) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut totals = Totals::default();
    for score in scores {
        if sentences {
            writeln!(out, "Total: {} OOV: {}", shortest(score.log10_prob), score.unknown)?;
        }
        totals.log10_prob += f64::from(score.log10_prob);
        totals.unknown_log10_prob += score.unknown_log10_prob;
        totals.unknown += u64::from(score.unknown);
        totals.tokens += u64::from(score.tokens);
    }
    totals.unknown_log10_prob += last.unknown_log10_prob;
    totals.tokens += u64::from(last.tokens);
    if summary {
        totals.print(&mut out)?;
    }
    out.flush()
}

impl<W: Write> Printer<W> {
    fn word(&mut self, word: &[u8], index: u32, score: FullScore) -> std::io::Result<()> {
        if self.words {
            self.out.write_all(word)?;
            write!(self.out, "={index} {} {}\t", score.ngram_length, shortest(score.log10_prob))?;
        }
        Ok(())
    }
}

impl Totals {
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let including = 10f64.powf(-(self.log10_prob / self.tokens as f64));
        let known = (self.log10_prob - self.unknown_log10_prob) / (self.tokens - self.unknown) as f64;
        let excluding = 10f64.powf(-known);
        writeln!(out, "Perplexity including OOVs:\t{}", shortest_double(including))?;
        writeln!(out, "Perplexity excluding OOVs:\t{}", shortest_double(excluding))?;
        writeln!(out, "OOVs:\t{}\nTokens:\t{}", self.unknown, self.tokens)
    }
}

/// The fewest digits that read back as the same number, the nearest of them, an even last digit where two are as near.
fn shortest(value: f32) -> String {
    let exponential = format!("{value:e}");
    let nearest = nearest(f64::from(value), &exponential, |text| text.parse() == Ok(value));
    nearest.unwrap_or_else(|| spell(f64::from(value), format!("{value}"), exponential))
}

fn shortest_double(value: f64) -> String {
    let exponential = format!("{value:e}");
    let nearest = nearest(value, &exponential, |text| text.parse() == Ok(value));
    nearest.unwrap_or_else(|| spell(value, format!("{value}"), exponential))
}

/// The value rounded to the digits that its shortest spelling has.
fn nearest(value: f64, shortest: &str, reads_back: impl Fn(&str) -> bool) -> Option<String> {
    let (mantissa, exponent) = shortest.split_once('e')?;
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let exponent: i32 = exponent.parse().ok()?;
    // Zeros fill a number whose digits do not reach the point; nothing is rounded there.
    let decimals = usize::try_from(digits as i32 - 1 - exponent).ok()?;
    let spelt = spell(value, format!("{value:.decimals$}"), format!("{value:.*e}", digits - 1));
    reads_back(&spelt).then_some(spelt)
}

fn spell(value: f64, plain: String, exponential: String) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    if value.is_infinite() || (1e-6..1e21).contains(&value.abs()) { plain } else { exponential }
}
