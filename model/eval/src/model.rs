//! What is evaluated.

use crate::Result;

/// How texts are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Writing {
    /// Most new tokens.
    pub max_new_tokens: usize,
    /// What logits are divided by; 0 always takes the likeliest token.
    pub temperature: f64,
    /// Choose among so many likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Choose among the likeliest tokens that make up this share.
    pub top_p: f64,
    /// Other seeds, other texts. The texts of one call differ.
    pub seed: u64,
    /// A text ends before these strings.
    pub stop: Vec<String>,
}

impl Writing {
    /// The likeliest token each time, at most so many.
    pub fn greedy(max_new_tokens: usize) -> Self {
        Self { max_new_tokens, temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0, stop: Vec::new() }
    }
}

/// A text that was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// What it says, without the prompt.
    pub text: String,
    /// Whether it ended by itself, at the end of a document or a string of [`Writing::stop`], and not at its greatest length.
    pub has_ended: bool,
    /// Tokens of the prompt that were read; 0 if it is not known.
    pub prompt_tokens: usize,
    /// Tokens of the text; 0 if it is not known.
    pub tokens: usize,
    /// Whether the prompt was longer than the model reads and lost its beginning.
    pub is_cut: bool,
}

/// How likely a continuation is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likelihood {
    /// Sum of the natural logarithms of its tokens' probabilities.
    pub log_prob: f64,
    /// Whether no other token was more likely at any place.
    pub is_greedy: bool,
    /// Its tokens.
    pub tokens: usize,
    /// Whether the context lost its beginning.
    pub is_cut: bool,
}

/// A text that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What stands before it.
    pub prompt: &'a str,
    /// How it is written.
    pub how: &'a Writing,
    /// Its number among those of the same prompt and [`Writing`], which differ if they are drawn.
    pub number: u64,
}

/// Takes results that became known together, each with the place of what was asked, in any order; tells whether to go on. One that
/// failed does not keep others from being told.
pub type Take<'t, T> = dyn FnMut(Vec<(usize, Result<T>)>) -> bool + 't;

/// A language model, here or elsewhere. What it is asked for it hands over as soon as it is known; after it was told not to go on, it
/// begins nothing more, and hands over what was under way.
pub trait LanguageModel {
    /// Continues prompts.
    fn write(&mut self, requests: &[Request<'_>], take: &mut Take<'_, Written>);

    /// How likely continuations are behind their contexts, as lm-eval has it: white space at a context's end belongs to the
    /// continuation; what continuation and context are cut into together is what counts; an empty context is the end of a document.
    fn likelihoods(&mut self, pairs: &[(&str, &str)], take: &mut Take<'_, Likelihood>);
}
