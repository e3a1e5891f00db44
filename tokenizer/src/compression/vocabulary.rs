//! What a vocabulary is made of, what a corpus uses of it, and which tokens nothing becomes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use yuan_pipeline::Result;

use super::figures::{Candidates, CrossScript, TokenFigure, VocabularyReport, ratio};
use super::scripts::Mix;
use super::subject::Subject;
use super::tokens::{Token, TokenKind};
use crate::Scratch;

/// Tokens listed of each of these kinds.
const LONGEST: usize = 20;
const EXAMPLES: usize = 5;
const CANDIDATES: usize = 50;
/// What a token's text is put behind, and in front of, to see whether it is ever that token: a text alone has spaces put before it
/// by some tokenizers, and is the beginning of a word. Nothing of these is usually joined to anything.
const SURROUNDINGS: [&str; 6] = ["\n", "1", "，", "a", "中", ","];

/// Looks at all tokens. `counts` are how often the corpus has them, by id.
///
/// Cost: each unused token is encoded up to 14 times, by `threads` threads.
///
/// # Errors
/// If the tokenizer cannot encode the text of one of its tokens.
pub(super) fn report(subject: &Subject, counts: &[u64], threads: usize) -> Result<VocabularyReport> {
    let tokens = &subject.tokens;
    let count = |token: &Token| counts.get(token.id as usize).copied().unwrap_or(0);
    let of_kind = |kind: TokenKind| tokens.iter().filter(move |token| token.kind == kind);
    let text: Vec<&Token> = of_kind(TokenKind::Text).collect();
    let text_tokens = text.len() as u64;
    let unused: Vec<&Token> = text.iter().copied().filter(|token| count(token) == 0).collect();
    let mixes: Vec<Mix> = text.iter().map(|token| token.text().map(Mix::of).unwrap_or_default()).collect();
    let chinese = |used: bool| {
        let chinese = text.iter().zip(&mixes).filter(|(_, mix)| mix.is_chinese());
        chinese.filter(|(token, _)| !used || count(token) > 0).count() as u64
    };
    let cross_script = cross_script(&text, &mixes, count);
    let cross_script_tokens = cross_script.iter().map(|mixed| mixed.tokens).sum();
    let unreachable: Vec<TokenFigure> =
        unreachable(subject, &unused, threads)?.into_iter().map(|token| figure(token, 0)).collect();
    Ok(VocabularyReport {
        size: u64::from(subject.size),
        text_tokens,
        byte_tokens: of_kind(TokenKind::Byte).count() as u64,
        special_tokens: of_kind(TokenKind::Special).count() as u64,
        reserved_tokens: of_kind(TokenKind::Reserved).count() as u64,
        unknown_tokens: of_kind(TokenKind::Unknown).count() as u64,
        missing_ids: u64::from(subject.size) - tokens.len() as u64,
        unused_text_tokens: unused.len() as u64,
        unused_text_fraction: ratio(unused.len() as u64, text_tokens),
        unused_byte_tokens: of_kind(TokenKind::Byte).filter(|token| count(token) == 0).count() as u64,
        incomplete_tokens: text.iter().filter(|token| token.text().is_none()).count() as u64,
        chinese_tokens: chinese(false),
        chinese_fraction: ratio(chinese(false), text_tokens),
        chinese_used_tokens: chinese(true),
        longest: longest(text.iter().copied(), count),
        longest_used: longest(text.iter().copied().filter(|token| count(token) > 0), count),
        cross_script_tokens,
        cross_script_fraction: ratio(cross_script_tokens, text_tokens),
        cross_script,
        unreachable: candidates(unreachable, text_tokens),
        never_used_though_parts_are: candidates(parted(tokens, &unused, count), text_tokens),
    })
}

fn figure(token: &Token, count: u64) -> TokenFigure {
    let text = String::from_utf8_lossy(&token.bytes).into_owned();
    let characters = text.chars().count() as u64;
    TokenFigure { id: token.id, text, characters, bytes: token.bytes.len() as u64, count, parts_count: None }
}

fn longest<'t>(tokens: impl Iterator<Item = &'t Token>, count: impl Fn(&Token) -> u64) -> Vec<TokenFigure> {
    let mut tokens: Vec<(Reverse<(usize, usize)>, &Token)> = tokens
        .map(|token| (Reverse((String::from_utf8_lossy(&token.bytes).chars().count(), token.bytes.len())), token))
        .collect();
    tokens.sort_by_key(|(length, token)| (*length, token.id));
    tokens.iter().take(LONGEST).map(|(_, token)| figure(token, count(token))).collect()
}

fn cross_script(text: &[&Token], mixes: &[Mix], count: impl Fn(&Token) -> u64) -> Vec<CrossScript> {
    let mut by_mix: BTreeMap<Mix, Vec<TokenFigure>> = BTreeMap::new();
    for (token, mix) in text.iter().zip(mixes).filter(|(_, mix)| mix.is_mixed()) {
        by_mix.entry(mix.without_spaces()).or_default().push(figure(token, count(token)));
    }
    let mut found: Vec<CrossScript> = by_mix
        .into_iter()
        .map(|(mix, mut tokens)| {
            tokens.sort_by_key(|token| (Reverse(token.count), token.id));
            CrossScript {
                kinds: mix.name(),
                tokens: tokens.len() as u64,
                used_tokens: tokens.iter().filter(|token| token.count > 0).count() as u64,
                count: tokens.iter().map(|token| token.count).sum(),
                examples: tokens.into_iter().take(EXAMPLES).collect(),
            }
        })
        .collect();
    found.sort_by(|one, other| other.tokens.cmp(&one.tokens).then_with(|| one.kinds.cmp(&other.kinds)));
    found
}

fn candidates(mut tokens: Vec<TokenFigure>, text_tokens: u64) -> Candidates {
    let count = tokens.len() as u64;
    tokens.truncate(CANDIDATES);
    Candidates { tokens: count, fraction: ratio(count, text_tokens), examples: tokens }
}

/// Tokens among `unused` that are two tokens that the corpus has, put together: those of most frequent parts first.
fn parted(tokens: &[Token], unused: &[&Token], count: impl Fn(&Token) -> u64) -> Vec<TokenFigure> {
    let mut used: HashMap<&[u8], u64> = HashMap::new();
    for token in tokens.iter().filter(|token| matches!(token.kind, TokenKind::Text | TokenKind::Byte)) {
        let known = used.entry(&token.bytes).or_default();
        *known = (*known).max(count(token));
    }
    let uses = |part: &[u8]| used.get(part).copied().unwrap_or(0);
    let mut found: Vec<TokenFigure> = Vec::new();
    for token in unused {
        let parts = (1..token.bytes.len()).map(|at| {
            let (left, right) = token.bytes.split_at(at);
            uses(left).min(uses(right))
        });
        if let Some(parts) = parts.max().filter(|parts| *parts > 0) {
            found.push(TokenFigure { parts_count: Some(parts), ..figure(token, 0) });
        }
    }
    found.sort_by_key(|token| (Reverse(token.parts_count), token.id));
    found
}

/// Tokens among `unused` that their own text never is, in their order.
fn unreachable<'t>(subject: &Subject, unused: &[&'t Token], threads: usize) -> Result<Vec<&'t Token>> {
    let surroundings = Surroundings::new(subject)?;
    let part = unused.len().div_ceil(threads.max(1)).max(1);
    let parts: Vec<Result<Vec<&Token>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = unused
            .chunks(part)
            .map(|tokens| {
                let surroundings = &surroundings;
                scope.spawn(move || {
                    let (mut scratch, mut ids) = (Scratch::default(), Vec::new());
                    let mut found = Vec::new();
                    for token in tokens {
                        // A part of a character is no text that could be encoded.
                        if let Some(text) = token.text()
                            && !surroundings.reach(subject, token.id, text, &mut scratch, &mut ids)?
                        {
                            found.push(*token);
                        }
                    }
                    Ok(found)
                })
            })
            .collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Result<Vec<&'t Token>>>| match worker.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().map(join).collect()
    });
    Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.concat())
}

/// [`SURROUNDINGS`] with their tokens.
struct Surroundings(Vec<(&'static str, Vec<u32>)>);

impl Surroundings {
    fn new(subject: &Subject) -> Result<Self> {
        let mut scratch = Scratch::default();
        let encoded = SURROUNDINGS.iter().map(|text| {
            let mut ids = Vec::new();
            subject.encode(text, &mut scratch, &mut ids)?;
            Ok((*text, ids))
        });
        Ok(Self(encoded.collect::<Result<_>>()?))
    }

    /// Whether `text` becomes the token `id` somewhere.
    fn reach(&self, subject: &Subject, id: u32, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) -> Result<bool> {
        // Alone; and without the spaces that the tokenizer puts there itself.
        for alone in [text, text.trim_matches(' ')] {
            subject.encode(alone, scratch, ids)?;
            if ids[..] == [id] {
                return Ok(true);
            }
        }
        let mut joined = String::new();
        for (beside, known) in &self.0 {
            joined.clear();
            joined.extend([beside, text]);
            subject.encode(&joined, scratch, ids)?;
            if ids.split_last().is_some_and(|(last, first)| *last == id && first == known) {
                return Ok(true);
            }
            joined.clear();
            joined.extend([text, beside]);
            subject.encode(&joined, scratch, ids)?;
            if ids.split_first().is_some_and(|(first, last)| *first == id && last == known) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
