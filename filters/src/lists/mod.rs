//! Word lists: where their entries occur in a text, and how densely.

mod built_in;
mod file;
mod fold;
mod measure;
mod word_list;

pub(crate) use built_in::{
    C4_ALLOWED, Category, advertising_phrases, bad_word_languages, bad_words, toxic_languages, toxic_phrases,
};

pub(crate) use file::open;
pub use file::{Entry, entries, read_entries};
pub use measure::{Cluster, Coverage, Density, words_in_entries};
pub use word_list::{Hit, Matching, WordList};
