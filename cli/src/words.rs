//! Words for crates that have no dictionaries: `filters` cuts what `dedup` compares and what a tokenizer learns from.

use std::ops::Range;

use yuan_dedup::{WordCutter, WordLanguage};
use yuan_filters::{EnglishWords, Language, Words};
use yuan_tokenizer::ChineseWords;

/// Words as datatrove has them: spaCy's English rules, jieba's Chinese words.
pub struct PublishedWords;

impl WordCutter for PublishedWords {
    fn cut(&self, text: &str, language: WordLanguage, words: &mut Vec<Range<usize>>) {
        let cut = match language {
            WordLanguage::En => EnglishWords::of_text(text).0,
            WordLanguage::Zh => Words::of_text(text, Language::CHINESE),
        };
        words.extend(cut.spans().iter().map(|span| span.range()));
    }
}

impl ChineseWords for PublishedWords {
    fn cut(&self, text: &str, words: &mut Vec<Range<usize>>) {
        words.extend(Words::of_text(text, Language::CHINESE).spans().iter().map(|span| span.range()));
    }
}
