//! What a server wants of a tokenizer.

/// The tokens of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spelt {
    /// Their ids.
    pub ids: Vec<u32>,
    /// Where each begins, in bytes of the text.
    pub starts: Vec<usize>,
}

/// A model's tokenizer. Control tokens written out in a text are control tokens.
pub trait Vocabulary: Send + Sync {
    /// The tokens of a text.
    ///
    /// # Errors
    /// What keeps the tokenizer from spelling it.
    fn encode(&self, text: &str) -> Result<Spelt, String>;

    /// The bytes that a token adds to a text, which may be a part of a character; `None` for an id that stands for no token.
    fn piece(&self, id: u32) -> Option<Vec<u8>>;
}
