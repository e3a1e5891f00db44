//! Training SentencePiece models: BPE over characters, or a unigram model, with byte fallback.
//!
//! Texts are not normalized: a space is put in front (the dummy prefix), spaces become `▁`, all else stays. What is counted are the
//! parts that no piece lies across (`cut.rs`), in the same runs and the same memory as bytes are for byte-level BPE; then the
//! characters are chosen that have pieces of their own (`characters.rs`), and pieces learnt: by the same merges (`../merges.rs`),
//! or by `unigram.rs`. Ids are laid out as SentencePiece does: unknown, control, user-defined, bytes, learnt pieces by rank,
//! characters; reserved slots are control pieces.
//!
//! | file | what |
//! |---|---|
//! | `cut.rs` | where texts are cut |
//! | `characters.rs` | which characters have pieces |
//! | `unigram/` | pieces with probabilities |
//! | `domains.rs` | vocabularies of several domains put together |
//! | `write.rs` | `.model`, `.vocab` and `tokenizer.json` |

mod characters;
mod cut;
mod domains;
mod unigram;
mod write;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use yuan_pipeline::{Context, Error, Result};

use super::merges::{Merges, Wanted, train};
use super::pieces::{Budgeted, Pieces};
use super::runs::{self, Section};
use super::{NAME, TokenizerKind, TrainTokenizerConfig, Weighed};
use crate::Digits;
use crate::layout::{Layout, PUNCTUATION, html};
use characters::{Alphabet, CharacterCounts};
use cut::SPACE;
pub(super) use cut::cut;
pub use domains::DomainsConfig;
use domains::{Averaged, no_domains};
use unigram::{Asked, Parts};
use write::Files;

/// What stands for characters that are no pieces.
const UNKNOWN: &str = "<unk>";

/// How a SentencePiece model is trained.
pub(super) struct Plan {
    config: TrainTokenizerConfig,
    layout: Layout,
    /// Pieces in all.
    vocab_size: u32,
}

impl Plan {
    /// Lays out the ids.
    ///
    /// # Errors
    /// If a setting is for byte-level BPE only, a token cannot be one, or the vocabulary has no room for what is given.
    pub(super) fn new(config: &TrainTokenizerConfig) -> Result<Self> {
        let refuse = |problem: String| Err(Error::stage(NAME, problem));
        let kind = config.kind.name();
        if config.pattern != "yuan" {
            return refuse(format!(
                "`pattern` is for byte-level BPE: `kind = \"{kind}\"` cuts texts at spaces, scripts and digits"
            ));
        }
        if config.digits == Digits::Groups {
            return refuse(format!("`digits` is `groups`, but `kind = \"{kind}\"` knows `split` and `keep` only"));
        }
        if !(config.character_coverage > 0.0 && config.character_coverage <= 1.0) {
            return refuse(format!(
                "`character_coverage` is {}, it must be above 0 and at most 1",
                config.character_coverage
            ));
        }
        let html = config.html_tags.then(html).into_iter().flatten();
        let punctuation = PUNCTUATION.iter().filter(|_| config.punctuation).map(ToString::to_string);
        let added = html.chain(punctuation).chain(config.added_tokens.iter().cloned());
        let special: Vec<String> = match config.special_tokens.iter().any(|token| token == UNKNOWN) {
            true => config.special_tokens.clone(),
            false => std::iter::once(UNKNOWN.to_owned()).chain(config.special_tokens.iter().cloned()).collect(),
        };
        let layout = Layout::of_pieces(&special, (config.reserved, config.reserved_place), added)
            .map_err(|problem| Error::stage(NAME, problem))?;
        if config.domains.is_some() && (config.balance_by.is_empty() || config.kind != TokenizerKind::Unigram) {
            return Err(no_domains());
        }
        let vocab_size = config.vocab_size.checked_next_multiple_of(config.vocab_multiple).unwrap_or(config.vocab_size);
        if vocab_size <= layout.fixed() {
            return Err(too_small(&layout, vocab_size, 0));
        }
        Ok(Self { config: config.clone(), layout, vocab_size })
    }

    /// Tokens that are looked for in texts before these are cut.
    pub(super) fn names(&self) -> Vec<String> {
        self.layout.names().cloned().collect()
    }

    /// Learns from the counted parts of all sections, and writes the files; gives what the summary says of the model, with the
    /// bytes of the file that is its own.
    pub(super) fn reduce(
        &self,
        sections: Vec<Section>,
        groups: &BTreeMap<String, Weighed>,
        context: &Context<'_>,
    ) -> Result<(Value, Vec<u8>)> {
        let config = &self.config;
        let weighed = sections.into_iter().map(|section| {
            let weight = groups[&section.group.name].weight;
            (section, weight)
        });
        let weighed: Vec<(Section, u64)> = weighed.filter(|(_, weight)| *weight > 0).collect();
        let (files, mut summary) = match &config.domains {
            Some(domains) => self.of_domains(domains, weighed, groups, context)?,
            None => self.of_all(weighed, context)?,
        };
        let files =
            if config.join_to.as_os_str().is_empty() { files } else { files.joined_to(&config.join_to, config)? };
        let (path, bytes) = files.write(&config.output)?;
        summary["tokenizer"] = path.display().to_string().into();
        summary["vocab_size"] = files.vocab_size().into();
        Ok((summary, bytes))
    }

    /// Learns from all groups together.
    fn of_all(&self, sections: Vec<(Section, u64)>, context: &Context<'_>) -> Result<(Files, Value)> {
        let counted = self.count(sections, context)?;
        let characters = self.characters(&counted, &self.wanted_characters());
        let room = self.vocab_size.checked_sub(self.layout.fixed() + characters.len() as u32);
        let room = room.ok_or_else(|| too_small(&self.layout, self.vocab_size, characters.len() as u32))? as usize;
        let mut summary = json!({
            "characters": characters.len(),
            "distinct_pieces": counted.distinct,
            "kept_pieces": counted.pieces.len(),
            "least_exact_count": counted.threshold,
        });
        let files = if self.config.kind == TokenizerKind::Unigram {
            let learnt = self.unigram(&counted.pieces, &characters, room + characters.len(), context)?;
            summary["pieces"] = learnt.len().into();
            Files::of_probabilities(self, learnt)
        } else {
            let merges = self.merges(counted.pieces, &characters, room, context)?;
            summary["merges"] = (merges.tokens.len() - characters.len() - 1).into();
            Files::of_merges(self, &characters, &merges)
        };
        Ok((files, summary))
    }

    /// Learns of each group by itself, and puts together what was learnt.
    fn of_domains(
        &self,
        config: &DomainsConfig,
        sections: Vec<(Section, u64)>,
        groups: &BTreeMap<String, Weighed>,
        context: &Context<'_>,
    ) -> Result<(Files, Value)> {
        let mut by_group: BTreeMap<String, Vec<(Section, u64)>> = BTreeMap::new();
        for (section, _) in sections {
            by_group.entry(section.group.name.clone()).or_default().push((section, 1));
        }
        let mut all = CharacterCounts::new();
        let mut averaged = Averaged::default();
        let mut learnt_of = Vec::new();
        for (name, sections) in by_group {
            let counted = self.count(sections, context)?;
            all.add_all(&counted.characters);
            let characters = self.characters(&counted, &[]);
            let pieces = (config.vocab_size as usize).max(characters.len());
            let learnt = self.unigram(&counted.pieces, &characters, pieces, context)?;
            learnt_of.push(json!({ "name": name, "pieces": learnt.len(), "distinct_pieces": counted.distinct }));
            averaged.add(learnt, groups[&name].bytes as f64);
        }
        let characters = all.choose(1.0, &self.wanted_characters());
        let mut chosen = averaged.choose(config, &characters)?;
        chosen.retain(|(piece, _)| !self.layout.names().any(|name| spaced(name) == *piece));
        // Room for the space and what it is put in front of.
        chosen.truncate((self.vocab_size - self.layout.fixed()) as usize - 1);
        if !chosen.iter().any(|(piece, _)| piece == " ") {
            let lowest = chosen.last().map_or(0.0, |(_, score)| *score);
            chosen.push((" ".into(), lowest));
        }
        let summary = json!({ "pieces": chosen.len(), "domains": learnt_of });
        Ok((Files::of_probabilities(self, chosen), summary))
    }

    /// The characters that are pieces.
    fn characters(&self, counted: &Counted, wanted: &[char]) -> Vec<char> {
        let chosen = counted.characters.choose(self.config.character_coverage, wanted);
        chosen.into_iter().filter(|char| !self.is_named(*char)).collect()
    }

    /// Pieces of a unigram model with logarithms of probabilities, the likeliest first; the characters are among them.
    fn unigram(
        &self,
        pieces: &Pieces,
        characters: &[char],
        wanted: usize,
        context: &Context<'_>,
    ) -> Result<Vec<(String, f64)>> {
        let config = &self.config;
        let unit = if config.balance_by.is_empty() || config.domains.is_some() { 1.0 } else { super::WEIGHT_UNIT };
        let alphabet = Alphabet::new(characters, 0);
        let mut parts = Parts::new();
        let mut symbols = Vec::new();
        for (piece, count) in pieces.iter() {
            let text = String::from_utf8_lossy(piece);
            let mut push = |symbols: &mut Vec<u32>| {
                parts.push(symbols, count as f64 / unit);
                symbols.clear();
            };
            for char in text.chars() {
                match alphabet.token(char) {
                    Some(symbol) => symbols.push(symbol),
                    None => push(&mut symbols),
                }
            }
            push(&mut symbols);
        }
        let text = |symbols: &[u32]| symbols.iter().map(|symbol| characters[*symbol as usize]).collect::<String>();
        let names: HashSet<String> = self.layout.names().map(|name| spaced(name)).collect();
        let asked = Asked {
            pieces: wanted,
            max_symbols: config.max_token_chars as usize,
            alphabet: characters.len(),
            space: alphabet.token(' ').unwrap_or(u32::MAX),
            forbidden: &|symbols| names.contains(&text(symbols)),
            threads: context.threads,
        };
        let learnt = unigram::train(&parts, &asked, || context.check())?;
        Ok(learnt.into_iter().map(|piece| (text(&piece.symbols), piece.score)).collect())
    }

    /// Counts of all sections put together, within the memory, and of their characters.
    fn count(&self, sections: Vec<(Section, u64)>, context: &Context<'_>) -> Result<Counted> {
        let mut characters = CharacterCounts::new();
        let mut budgeted = Budgeted::new(context.memory.max(1 << 20));
        runs::merge(sections, context, |piece, hash, count| {
            characters.add(piece, count);
            budgeted.push(piece, hash, count);
        })?;
        let distinct = budgeted.seen;
        let (pieces, threshold) = budgeted.finish();
        Ok(Counted { characters, pieces, distinct, threshold })
    }

    /// Han characters that are pieces whatever the corpus.
    fn wanted_characters(&self) -> Vec<char> {
        self.config.han_characters.characters(self.vocab_size)
    }

    /// Whether a character is a token by its name already.
    fn is_named(&self, char: char) -> bool {
        self.layout.names().any(|name| name.chars().eq([char]))
    }

    /// Learns merges over characters: the token 0 has no bytes and stands for characters that are no pieces.
    fn merges(&self, pieces: Pieces, characters: &[char], room: usize, context: &Context<'_>) -> Result<Merges> {
        let config = &self.config;
        let unit = if config.balance_by.is_empty() { 1 } else { super::WEIGHT_UNIT as u64 };
        let forbidden: HashSet<Vec<u8>> = self.layout.names().map(|name| spaced(name).into_bytes()).collect();
        let wanted = Wanted {
            tokens: room,
            min_frequency: config.min_frequency.saturating_mul(unit),
            max_token_chars: config.max_token_chars,
            forbidden: &forbidden,
            spaces_in_front: true,
        };
        let tokens = std::iter::once(Vec::new()).chain(characters.iter().map(|char| char.to_string().into_bytes()));
        let start = Merges { tokens: tokens.collect(), rules: Vec::new() };
        let alphabet = Alphabet::new(characters, 1);
        let encode = |piece: &[u8], symbols: &mut Vec<u32>| {
            let text = String::from_utf8_lossy(piece);
            symbols.extend(text.chars().map(|char| alphabet.token(char).unwrap_or(0)));
        };
        train(pieces, start, encode, &wanted, || context.check())
    }
}

/// What was counted.
struct Counted {
    characters: CharacterCounts,
    pieces: Pieces,
    /// Parts before any were left out for want of memory.
    distinct: u64,
    threshold: u64,
}

/// A text as it is counted: with a space in front, and spaces for what SentencePiece writes for them.
pub(super) fn prepared(text: &str) -> String {
    let mut prepared = String::with_capacity(text.len() + 1);
    prepared.push(' ');
    match text.contains(SPACE) {
        true => prepared.extend(text.chars().map(|char| if char == SPACE { ' ' } else { char })),
        false => prepared.push_str(text),
    }
    prepared
}

/// A piece as in the file.
fn escaped(piece: &str) -> String {
    piece.replace(' ', "\u{2581}")
}

/// A piece as it is counted.
fn spaced(piece: &str) -> String {
    piece.replace(SPACE, " ")
}

fn too_small(layout: &Layout, vocab_size: u32, characters: u32) -> Error {
    let needed = layout.fixed() + characters;
    Error::Stage {
        stage: NAME.into(),
        problem: format!(
            "`vocab_size` is {vocab_size}, but {} control tokens and reserved slots, {} added tokens, 256 bytes and {characters} \
             characters need {needed}",
            layout.special.len() + layout.back.len(),
            layout.added.len(),
        ),
        hint: Some(format!(
            "set `vocab_size` to more than {needed}, or a lower `character_coverage`, or fewer `reserved`, `special_tokens` or \
             `added_tokens`, or `han_characters = \"none\"`"
        )),
    }
}

/// The model's path of an output's: `tokenizer.model` for `tokenizer.json` as for itself.
fn model_path(output: &Path) -> PathBuf {
    output.with_extension("model")
}

impl TokenizerKind {
    /// Its name in a recipe.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ByteLevelBpe => "byte_level_bpe",
            Self::SentencepieceBpe => "sentencepiece_bpe",
            Self::Unigram => "unigram",
        }
    }
}
