//! The files of a trained model: `.model` and `.vocab` of SentencePiece, `tokenizer.json` of Hugging Face.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use yuan_pipeline::Result;
use yuan_sentencepiece::{FilePiece, ModelFile, ModelKind, NormalizerSpec, PieceKind, TrainerSpec};

use super::{Plan, UNKNOWN, escaped, model_path};
use crate::Digits;
use crate::companions;
use crate::edit::join::{join, open};
use crate::hash::FixedHash;
use crate::train::{Merges, TrainTokenizerConfig, write_whole};

/// A trained model, ready to be written.
pub(super) struct Files {
    model: ModelFile,
    /// Of several: a `tokenizer.json` could not join pieces in the order of their scores.
    joined: bool,
}

impl Files {
    /// Of merged tokens, the best first, then characters; scores are minus the rank.
    pub(super) fn of_merges(plan: &Plan, characters: &[char], merges: &Merges) -> Self {
        let learnt = &merges.tokens[1 + characters.len()..];
        let learnt = learnt.iter().map(|token| String::from_utf8_lossy(token).into_owned());
        let pieces = learnt.chain(characters.iter().map(char::to_string));
        let scored = pieces.zip(0..).map(|(piece, rank)| (piece, -(rank as f32))).collect();
        Self::new(plan, ModelKind::Bpe, scored)
    }

    /// Of pieces of a unigram model with logarithms of probabilities.
    pub(super) fn of_probabilities(plan: &Plan, pieces: Vec<(String, f64)>) -> Self {
        Self::new(plan, ModelKind::Unigram, pieces.into_iter().map(|(piece, score)| (piece, score as f32)).collect())
    }

    /// With the pieces of another model in front, whose ids and scores stay.
    ///
    /// # Errors
    /// If that is no model.
    pub(super) fn joined_to(mut self, path: &Path, config: &TrainTokenizerConfig) -> Result<Self> {
        self.model = join(&[open(path)?, self.model], config.vocab_multiple);
        self.joined = true;
        Ok(self)
    }

    /// Of learnt pieces with their scores, in the order of their ids.
    fn new(plan: &Plan, kind: ModelKind, learnt: Vec<(String, f32)>) -> Self {
        let config = &plan.config;
        let mut layout = plan.layout.clone();
        // Of a model that is joined to another, only the two together are a multiple.
        layout.fill(learnt.len(), if config.join_to.as_os_str().is_empty() { config.vocab_multiple } else { 1 });
        let eod = |name: &str, default: &str| {
            let is_there = layout.special.iter().any(|token| token == name);
            if is_there { name.to_owned() } else { default.to_owned() }
        };
        let trainer = TrainerSpec {
            kind,
            special_pieces: [UNKNOWN.into(), "<s>".into(), eod("<eod>", "</s>"), "<pad>".into()],
            character_coverage: config.character_coverage as f32,
            max_piece_chars: config.max_token_chars,
            split_digits: config.digits == Digits::Split,
            allow_whitespace_only_pieces: true,
            ..TrainerSpec::default()
        };
        let mut model = ModelFile { trainer, normalizer: NormalizerSpec::identity(), ..ModelFile::default() };
        let piece = |text: &str, score: f32, kind| FilePiece { text: escaped(text), score, kind };
        let control =
            |text: &String| piece(text, 0.0, if text == UNKNOWN { PieceKind::Unknown } else { PieceKind::Control });
        model.pieces.extend(layout.special.iter().map(control));
        model.pieces.extend(layout.added.iter().map(|text| piece(text, 0.0, PieceKind::UserDefined)));
        model.push_bytes();
        model.pieces.extend(learnt.iter().map(|(text, score)| piece(text, *score, PieceKind::Normal)));
        model.pieces.extend(layout.back.iter().map(control));
        Self { model, joined: false }
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.model.pieces.len()
    }

    /// Writes all files; gives the path and the bytes of the one that `output` names: the `.model`, or `tokenizer.json` if its name
    /// ends in `.json`.
    pub(super) fn write(&self, output: &Path) -> Result<(PathBuf, Vec<u8>)> {
        let model = self.model.to_bytes();
        write_whole(&output.with_extension("vocab"), self.model.vocab_lines().as_bytes())?;
        write_whole(&model_path(output), &model)?;
        if self.joined {
            return Ok((model_path(output), model));
        }
        let json = self.json();
        let json_path = output.with_extension("json");
        companions::write(&json_path, &json, None)?;
        let json = companions::pretty(&json);
        let is_json = output.extension().is_some_and(|suffix| suffix == "json");
        Ok(if is_json { (json_path, json) } else { (model_path(output), model) })
    }

    /// The same as a `tokenizer.json`: a space in front of each text between control tokens, user-defined pieces cut out by a
    /// pattern, bytes for what is unknown.
    fn json(&self) -> Value {
        let pieces = &self.model.pieces;
        let added: Vec<Value> = (0_u32..)
            .zip(pieces)
            .filter(|(_, piece)| matches!(piece.kind, PieceKind::Control | PieceKind::Unknown))
            .map(|(id, piece)| {
                json!({
                    "id": id, "content": piece.text, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true,
                })
            })
            .collect();
        let mut symbols: Vec<&str> = self.of_kind(PieceKind::UserDefined).collect();
        // Of two that begin alike, a pattern takes the one that comes first.
        symbols.sort_by_key(|symbol| std::cmp::Reverse(symbol.len()));
        let symbols: Vec<String> = symbols.iter().map(|symbol| regex_syntax::escape(symbol)).collect();
        let pre_tokenizer = match symbols.is_empty() {
            true => Value::Null,
            false => json!({
                "type": "Split", "pattern": { "Regex": symbols.join("|") }, "behavior": "Isolated", "invert": false,
            }),
        };
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": { "type": "Sequence", "normalizers": [
                { "type": "Prepend", "prepend": "▁" },
                { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
            ] },
            "pre_tokenizer": pre_tokenizer,
            "post_processor": null,
            "decoder": { "type": "Sequence", "decoders": [
                { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
                { "type": "ByteFallback" },
                { "type": "Fuse" },
                { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
            ] },
            "model": if self.model.trainer.kind == ModelKind::Bpe { self.bpe_json() } else { self.unigram_json() },
        })
    }

    fn unigram_json(&self) -> Value {
        let lowest = self.model.pieces.iter().map(|piece| piece.score).fold(0.0, f32::min);
        let vocab: Vec<Value> = self
            .model
            .pieces
            .iter()
            .map(|piece| {
                let score = match piece.kind {
                    PieceKind::Normal => piece.score,
                    // Comes as a piece of its own, and is to be one.
                    PieceKind::UserDefined => 0.0,
                    // No text is to become it.
                    _ => lowest * 2.0 - 1000.0,
                };
                json!([piece.text, score])
            })
            .collect();
        json!({ "type": "Unigram", "unk_id": self.unknown(), "byte_fallback": true, "vocab": vocab })
    }

    fn unknown(&self) -> usize {
        self.model.pieces.iter().position(|piece| piece.kind == PieceKind::Unknown).unwrap_or_default()
    }

    fn of_kind(&self, kind: PieceKind) -> impl Iterator<Item = &str> {
        self.model.pieces.iter().filter(move |piece| piece.kind == kind).map(|piece| piece.text.as_str())
    }

    /// Merges of all two pieces that make a third, in the order of what they make: SentencePiece joins any two neighbours whose
    /// text together is a piece.
    fn bpe_json(&self) -> Value {
        let normal = (0_u32..).zip(&self.model.pieces).filter(|(_, piece)| piece.kind == PieceKind::Normal);
        let ids: HashMap<&str, u32, FixedHash> = normal.clone().map(|(id, piece)| (piece.text.as_str(), id)).collect();
        let mut merges: Vec<[&str; 2]> = Vec::new();
        for (_, piece) in normal {
            let text = piece.text.as_str();
            let halves = text.char_indices().skip(1).map(|(at, _)| text.split_at(at));
            let mut known: Vec<(u32, u32, [&str; 2])> =
                halves.filter_map(|(left, right)| Some((*ids.get(left)?, *ids.get(right)?, [left, right]))).collect();
            known.sort_unstable();
            merges.extend(known.into_iter().map(|(.., two)| two));
        }
        let vocab: Map<String, Value> =
            self.model.pieces.iter().zip(0_u32..).map(|(piece, id)| (piece.text.clone(), id.into())).collect();
        json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": UNKNOWN,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": true,
            "byte_fallback": true,
            // User-defined pieces come as pieces of their own, and are no merges.
            "ignore_merges": true,
            "vocab": vocab,
            "merges": merges,
        })
    }
}
