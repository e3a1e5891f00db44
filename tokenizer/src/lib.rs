//! Which tokens a text is made of: training a byte-level BPE tokenizer, and encoding with it.
//!
//! A text becomes tokens in three steps. **Added tokens** (HTML tags, Chinese punctuation, and control
//! tokens if asked) are cut out wherever they stand; what lies between is cut into **pieces** by a
//! [pattern]; and each piece's bytes are merged two by two, the rule learnt first going first
//! (**byte-pair encoding**). Every text has tokens and decoding gives it back byte for byte.
//!
//! [`TrainTokenizer`] learns the merges and writes a `tokenizer.json` that Hugging Face `tokenizers` and
//! `transformers` load; [`Tokenizer`] loads any such file; [`Tokenize`] adds the column `tokens`;
//! [`Fim`] turns texts round for learning to fill in the middle.
//!
//! Ids of a tokenizer trained here, in this order: special tokens, reserved slots `<|reserved_0|>`… (or these at the end), added
//! tokens, the 256 byte symbols, merges, of which the first make Han characters. `vocab_size` counts them all.

mod bytes;
mod companions;
pub mod compression;
pub mod edit;
mod encode;
mod files;
mod fim;
mod han;
mod hash;
mod huggingface;
mod layout;
mod pretokenize;
mod sentencepiece;
mod stage;
mod tokenizer;
mod train;

pub use edit::PruneTokenizerConfig;
pub use encode::{Scratch, Stream};
pub use fim::Fim;
pub use han::HanCharacters;
pub use layout::{HTML_TAGS, PUNCTUATION, ReservedPlace, SPECIAL_TOKENS};
pub use pretokenize::{Digits, pattern};
pub use stage::{Tokenize, TokenizeCompat, TokenizeConfig};
pub use tokenizer::Tokenizer;
pub use train::{
    ChineseWords, DomainsConfig, TokenizerKind, TrainTokenizer, TrainTokenizerConfig, TrainerCompat, WordBoundaries,
};
