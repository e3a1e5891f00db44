//! A SentencePiece `.model` as a [`Tokenizer`](crate::Tokenizer): its pieces, and the tokens that files beside it add.
//!
//! A text is cut at added tokens, and each part between them encoded by itself, with a space put in front if the model says so
//! (the "legacy" way of `transformers`, in which Yuan 2.0 and LLaMA were trained; where a `tokenizer_config.json` has
//! `legacy = false`, only the first part has one).
//!
//! Added tokens come from `added_tokens.json` and from `tokenizer_config.json` and `special_tokens_map.json`, whose roles
//! (`eos_token`, `additional_special_tokens`, …) make tokens control tokens. One that is a piece has the piece's id; of the others
//! those without an id have the next free ones. The model's own control pieces and its unknown piece are control tokens too, but for
//! those whose role another token has taken over (Yuan's `</s>`, whose end of text is `<eod>`).

mod companions;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::OnceLock;

use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::Result;
use yuan_sentencepiece::{Model, ModelFile, ModelKind, PieceKind};

use crate::encode::added::{AddedTokens, Part};
use crate::encode::{Scratch, Sink};
use crate::files::no_tokenizer;
use companions::Companions;

/// Control tokens that a program gives a model, beside those of its files.
#[derive(Clone, Copy)]
pub(crate) struct ControlTokens {
    /// The token at the end of a text, in the place of the model's own.
    pub eos: &'static str,
    /// Others; those that are no pieces get the next free ids in this order.
    pub more: &'static [&'static str],
}

/// A model with its added tokens.
pub(crate) struct SentencePiece {
    model: Model,
    /// See [`Self::model_for`].
    variants: [OnceLock<Model>; 3],
    /// The file, of which variants are made.
    bytes: Vec<u8>,
    /// Control tokens and added ones; some are pieces.
    added: AddedTokens,
    /// Those by id: the name, and whether it is a control token.
    named: BTreeMap<u32, (String, bool)>,
    /// Control tokens that are pieces which a text can be cut into.
    findable: HashSet<u32>,
    /// Whether only a text's first part has a space put in front.
    prefixes_once: bool,
    fingerprint: u64,
}

impl SentencePiece {
    /// Of a file's bytes, with the files that lie beside it, and control tokens that a program adds itself.
    ///
    /// # Errors
    /// If a file is damaged, or gives a token an id that is not free.
    pub(crate) fn new(path: &Path, bytes: Vec<u8>, control: Option<ControlTokens>) -> Result<Self> {
        let no_tokenizer = |problem: &dyn std::fmt::Display| no_tokenizer(path, &format!("is no tokenizer: {problem}"));
        let model = Model::from_bytes(&bytes).map_err(|problem| no_tokenizer(&problem))?;
        let companions = Companions::beside(path)?;
        let companions = match control {
            Some(control) => companions.with_control_tokens(control.eos, control.more),
            None => companions,
        };
        let named = companions.named(&model).map_err(|problem| no_tokenizer(&problem))?;
        let tokens = named.values().cloned().collect();
        let added = AddedTokens::new(tokens).ok_or_else(|| no_tokenizer(&"it has too many added tokens"))?;
        let is_findable = |id: &u32| {
            matches!(model.piece_kind(*id), Some(PieceKind::Normal | PieceKind::UserDefined)) && named[id].special
        };
        let findable = named.keys().copied().filter(is_findable).collect();
        let mut hashed = xxh3_64(&bytes);
        if companions.any {
            let listed: Vec<String> =
                named.values().map(|token| format!("{token:?}, {}", companions.prefixes_once)).collect();
            hashed = xxh3_64(format!("{hashed:016x} {}", listed.join(" ")).as_bytes());
        }
        Ok(Self {
            prefixes_once: companions.prefixes_once,
            fingerprint: hashed,
            named: named.into_iter().map(|(id, token)| (id, (token.content, token.special))).collect(),
            variants: Default::default(),
            findable,
            added,
            bytes,
            model,
        })
    }

    /// The model itself.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// XXH3-64 of the file, and of the added tokens if other files have any.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{:016x}", self.fingerprint)
    }

    /// What the model's kind is called.
    pub(crate) fn kind(&self) -> &'static str {
        match self.model.kind() {
            ModelKind::Unigram => "SentencePiece unigram",
            ModelKind::Bpe => "SentencePiece BPE",
            ModelKind::Word => "SentencePiece words",
            ModelKind::Char => "SentencePiece characters",
        }
    }

    /// One more than the largest id.
    pub(crate) fn vocab_size(&self) -> u32 {
        let added = self.named.last_key_value().map_or(0, |(id, _)| id + 1);
        added.max(self.model.vocab_size() as u32)
    }

    pub(crate) fn token_to_id(&self, token: &str) -> Option<u32> {
        let added = || self.named.iter().find(|(_, (name, _))| name == token).map(|(id, _)| *id);
        self.model.id(token).or_else(added)
    }

    pub(crate) fn id_to_token(&self, id: u32) -> Option<&str> {
        self.named.get(&id).map(|(name, _)| name.as_str()).or_else(|| self.model.piece(id))
    }

    /// Whether a token beside the pieces, or a piece that has a role, is a control token.
    pub(crate) fn is_special(&self, id: u32) -> Option<bool> {
        self.named.get(&id).map(|(_, special)| *special)
    }

    /// Control tokens in the order of their ids.
    pub(crate) fn special_tokens(&self) -> Vec<(String, u32)> {
        let special = self.named.iter().filter(|(_, (_, special))| *special);
        special.map(|(id, (name, _))| (name.clone(), *id)).collect()
    }

    /// All tokens in the order of their ids.
    pub(crate) fn vocabulary(&self) -> Vec<(String, u32)> {
        (0..self.vocab_size()).filter_map(|id| Some((self.id_to_token(id)?.to_owned(), id))).collect()
    }

    /// Hands the ids of a text to a sink.
    pub(crate) fn encode(&self, text: &str, parse_special: bool, scratch: &mut Scratch, sink: &mut impl Sink) {
        let mut ids = std::mem::take(&mut scratch.piece_ids);
        self.added.split(text, parse_special, |part| match part {
            Part::Added { id, .. } => sink.take(&[id]),
            Part::Text { start, end } => {
                let text = &text[start..end];
                for plain in [false, true] {
                    ids.clear();
                    self.model_for(start, plain).encode_ids(text, &mut scratch.pieces, &mut ids);
                    if parse_special || !self.finds(&ids) {
                        break;
                    }
                }
                sink.take(&ids);
            }
        });
        scratch.piece_ids = ids;
    }

    /// Appends the ids of a text, and of each the bytes of the text it stands for.
    pub(crate) fn encode_with_offsets(
        &self,
        text: &str,
        parse_special: bool,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
        offsets: &mut Vec<(usize, usize)>,
    ) {
        self.added.split(text, parse_special, |part| match part {
            Part::Added { id, start, end } => {
                ids.push(id);
                offsets.push((start, end));
            }
            Part::Text { start, end } => {
                let (first, placed, text) = (ids.len(), offsets.len(), &text[start..end]);
                for plain in [false, true] {
                    ids.truncate(first);
                    offsets.truncate(placed);
                    self.model_for(start, plain).encode_places(text, &mut scratch.pieces, |piece| {
                        ids.push(piece.id);
                        offsets.push((start + piece.place.start, start + piece.place.end));
                    });
                    if parse_special || !self.finds(&ids[first..]) {
                        break;
                    }
                }
                self.place_bytes(&ids[first..], offsets);
            }
        });
    }

    /// Gives each byte piece of a character its own byte, where the character stands in the text as it is: of the library the last
    /// has them all.
    fn place_bytes(&self, ids: &[u32], offsets: &mut [(usize, usize)]) {
        let first = offsets.len() - ids.len();
        let offsets = &mut offsets[first..];
        let is_byte = |id: u32| self.model.piece_kind(id) == Some(PieceKind::Byte);
        let mut at = 0;
        while at < ids.len() {
            let run = ids[at..].iter().zip(&offsets[at..]);
            let empty = run.take_while(|(id, place)| is_byte(**id) && place.0 == place.1).count();
            let last = at + empty;
            if last < ids.len() && is_byte(ids[last]) {
                let (start, end) = offsets[last];
                if end - start == empty + 1 {
                    (at..=last).zip(start..).for_each(|(place, byte)| offsets[place] = (byte, byte + 1));
                }
            }
            at = last + 1;
        }
    }

    /// The text of these tokens: added and control tokens by their names, what is between them as the model decodes it.
    ///
    /// # Errors
    /// The id that no token has.
    pub(crate) fn decode(&self, ids: &[u32]) -> std::result::Result<String, u32> {
        if let Some(id) = ids.iter().find(|id| self.id_to_token(**id).is_none()) {
            return Err(*id);
        }
        let mut text = String::new();
        let mut start = 0;
        let push = |ids: &[u32], start: usize, text: &mut String| {
            if !ids.is_empty() {
                let decoded = self.model_for(start, false).decode(ids);
                text.push_str(&decoded.expect("all ids are those of pieces"));
            }
        };
        for (at, id) in ids.iter().enumerate() {
            if let Some((name, _)) = self.named.get(id) {
                push(&ids[start..at], start, &mut text);
                text.push_str(name);
                start = at + 1;
            }
        }
        push(&ids[start..], start, &mut text);
        Ok(text)
    }

    /// The bytes that a token of this name adds to a text, not to its beginning: there a space of the model's own is left out.
    pub(crate) fn token_bytes(&self, id: u32, name: &str) -> Vec<u8> {
        let hexadecimal = name.strip_prefix("<0x").and_then(|name| name.strip_suffix('>'));
        match hexadecimal.and_then(|byte| u8::from_str_radix(byte, 16).ok()) {
            Some(byte) if !self.named.contains_key(&id) => vec![byte],
            _ => name.replace('\u{2581}', " ").into_bytes(),
        }
    }

    fn finds(&self, ids: &[u32]) -> bool {
        !self.findable.is_empty() && ids.iter().any(|id| self.findable.contains(id))
    }

    /// The model for a part that begins at `start`. A `plain` one never gives a control token that is an ordinary piece (of Yuan's
    /// model `<eod>` is, and a text may spell it): such pieces count as unused, which SentencePiece joins and takes apart again.
    /// Variants are made when first needed.
    fn model_for(&self, start: usize, plain: bool) -> &Model {
        let unprefixed = start > 0 && self.prefixes_once;
        let variant = match (unprefixed, plain) {
            (false, false) => return &self.model,
            (false, true) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        self.variants[variant].get_or_init(|| {
            let mut file = ModelFile::from_bytes(&self.bytes).expect("it was read before");
            file.normalizer.add_dummy_prefix &= !unprefixed;
            for id in self.findable.iter().filter(|_| plain) {
                file.pieces[*id as usize].kind = PieceKind::Unused;
            }
            Model::from_bytes(&file.to_bytes()).expect("it is as sound as before")
        })
    }
}
