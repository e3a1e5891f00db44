//! Words of Japanese, Thai, Lao, Burmese and Khmer: ICU's dictionaries and models, as ICU4X carries them.

use std::ops::Range;
use std::sync::LazyLock;

use icu_segmenter::options::WordBreakInvariantOptions;
use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed};

use super::Span;

/// Appends the words of a run of characters that holds no white space.
pub(super) fn cut(text: &str, range: Range<usize>, words: &mut Vec<Span>) {
    static SEGMENTER: LazyLock<WordSegmenterBorrowed<'static>> =
        LazyLock::new(|| WordSegmenter::new_auto(WordBreakInvariantOptions::default()));
    let mut start = range.start;
    for end in SEGMENTER.segment_str(&text[range.clone()]).skip(1) {
        words.push(Span::new(start..range.start + end));
        start = range.start + end;
    }
}
