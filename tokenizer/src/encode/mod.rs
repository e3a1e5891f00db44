//! Text to ids by a byte-level BPE vocabulary: the ids of `tokenizers`, without its machinery.
//!
//! [`Direct`] takes a text apart: added tokens ([`added`]), normalising ([`normalize`]), pieces (the splitter). [`Bpe`]
//! turns a piece into ids: a short one is looked up among those seen before ([`cache`]); a run of Han characters first
//! falls into segments where no token can lie across ([`cuts`]), which are merged by character ([`characters`]); what
//! is new is encoded from the left, the longest token first, in linear time ([`backtrack`], on [`tree`] and [`trie`]),
//! or merge by merge ([`merge`]) where a vocabulary's rules are out of order.

pub(crate) mod added;
mod backtrack;
mod cache;
mod characters;
mod cuts;
mod direct;
mod merge;
mod normalize;
mod output;
mod pages;
mod piece;
mod stream;
mod tree;
mod trie;

use cache::Cache;

pub(crate) use direct::Direct;
pub(crate) use normalize::nfc;
pub(crate) use output::Sink;
pub(crate) use piece::Bpe;
pub use stream::Stream;

/// What encoding needs beside the tokenizer: one for each thread, kept from text to text.
///
/// It remembers the tokens of pieces seen before (some 10 MiB once used); what it remembers changes the speed, never the ids.
/// It belongs to the tokenizer it was first used with, and begins anew with another.
#[derive(Default)]
pub struct Scratch {
    work: Work,
    buffer: output::Buffer,
    /// A section with a space put before it.
    prefixed: String,
    /// For SentencePiece models.
    pub(crate) pieces: yuan_sentencepiece::Scratch,
    pub(crate) piece_ids: Vec<u32>,
}

/// What pieces need.
#[derive(Default)]
pub(crate) struct Work {
    /// Which vocabulary the cache is of.
    owner: u64,
    cache: Cache,
    way: backtrack::Way,
    merging: merge::Merging,
    queue: piece::Queue,
    block: characters::Block,
}

impl Work {
    /// Makes it ready for a vocabulary.
    fn prepare(&mut self, owner: u64) {
        if self.owner != owner {
            self.cache = Cache::default();
            self.way.forget();
            self.owner = owner;
        }
        self.cache.prepare();
    }
}

/// Vocabularies that tests make up.
#[cfg(test)]
mod made_up {
    /// Bytes, and what rules make of them; an id is a place in `names`.
    pub(crate) struct Vocabulary {
        pub names: Vec<Vec<u8>>,
        pub merges: Vec<(u32, u32, u32)>,
    }

    impl Vocabulary {
        pub(crate) fn new() -> Self {
            Self { names: (0..=255).map(|byte| vec![byte]).collect(), merges: Vec::new() }
        }

        /// Adds the rule for two tokens, each pair once: of one token there may be several. What it makes.
        pub(crate) fn rule(&mut self, left: u32, right: u32) -> u32 {
            let name = [&*self.names[left as usize], &*self.names[right as usize]].concat();
            let product = self.names.iter().position(|known| *known == name).unwrap_or(self.names.len());
            if product == self.names.len() {
                self.names.push(name);
            }
            if !self.merges.iter().any(|(one, two, _)| (*one, *two) == (left, right)) {
                self.merges.push((left, right, product as u32));
            }
            product as u32
        }
    }
}
