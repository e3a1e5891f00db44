//! Text and counts in memory, and their n-grams in sorted order.

use super::key::{Layout, PackedContext};
use super::options::{SENTENCE_END, SENTENCE_START};

/// Words of one piece of the text. Pieces are filled one after the other so that nothing is ever copied.
const PIECE_WORDS: usize = 1 << 18;

/// Text as word ids and n-grams with counts, not sorted.
pub(crate) struct Block {
    order: usize,
    /// Sentences as ids, each as `<s> … </s>`.
    text: Vec<Vec<u32>>,
    text_words: usize,
    /// N-grams from the last word to the first, then the count's low half and its high half.
    counted: Vec<Vec<u32>>,
    counted_words: usize,
    /// How many n-grams end in each word.
    ends: Vec<u64>,
}

impl Block {
    pub fn new(order: usize) -> Block {
        Block { order, text: Vec::new(), text_words: 0, counted: Vec::new(), counted_words: 0, ends: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.text_words == 0 && self.counted_words == 0
    }

    /// Bytes held, beside what the vocabulary's size asks for.
    pub fn bytes(&self) -> u64 {
        4 * (self.text_words + self.counted_words) as u64
    }

    /// How many n-grams end in each word.
    pub fn ends(&self) -> &[u64] {
        &self.ends
    }

    /// Adds a sentence, without `<s>` and `</s>`.
    pub fn add_sentence(&mut self, words: &[u32]) {
        let length = words.len() + 2;
        self.text_words += length;
        let piece = room(&mut self.text, length);
        piece.push(SENTENCE_START);
        piece.extend_from_slice(words);
        piece.push(SENTENCE_END);
        for word in words.iter().chain([&SENTENCE_END]) {
            count_end(&mut self.ends, *word, 1);
        }
    }

    /// Adds an n-gram, from its last word to its first, that was seen `count` times.
    pub fn add_counted(&mut self, ngram: &[u32], count: u64) {
        let length = ngram.len() + 2;
        self.counted_words += length;
        let piece = room(&mut self.counted, length);
        piece.extend_from_slice(ngram);
        piece.extend_from_slice(&[count as u32, (count >> 32) as u32]);
        count_end(&mut self.ends, ngram[0], 1);
    }

    /// Calls `visit` with the n-grams whose last word is in `first..last`, each once, in sorted order, with: how many
    /// words from the end are those of the n-gram before, the last word, the context, the count.
    pub fn for_each<C: PackedContext, E>(
        &self,
        (first, last): (u32, u32),
        layout: Layout,
        mut visit: impl FnMut(usize, u32, C, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let groups = Groups::new(&self.ends, first, last);
        if self.counted_words == 0 {
            let mut contexts = self.text_contexts::<C>(&groups, layout);
            for word in first..last {
                let group = &mut contexts[groups.range(word)];
                group.sort_unstable();
                let runs = group.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64));
                visit_group(word, runs, layout, &mut visit)?;
            }
        } else {
            let mut entries = self.entries::<C>(&groups, layout);
            for word in first..last {
                let group = &mut entries[groups.range(word)];
                group.sort_unstable();
                let runs = group
                    .chunk_by(|a, b| a.0 == b.0)
                    .map(|run| (run[0].0, run.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.1))));
                visit_group(word, runs, layout, &mut visit)?;
            }
        }
        Ok(())
    }

    fn text_contexts<C: PackedContext>(&self, groups: &Groups, layout: Layout) -> Vec<C> {
        let mut contexts = vec![C::default(); groups.entries()];
        let mut next = groups.starts.clone();
        self.scan_text(groups, layout, |group, context| {
            contexts[next[group]] = context;
            next[group] += 1;
        });
        contexts
    }

    fn entries<C: PackedContext>(&self, groups: &Groups, layout: Layout) -> Vec<(C, u64)> {
        let mut entries = vec![(C::default(), 0u64); groups.entries()];
        let mut next = groups.starts.clone();
        self.scan_text(groups, layout, |group, context| {
            entries[next[group]] = (context, 1);
            next[group] += 1;
        });
        for record in self.counted.iter().flat_map(|piece| piece.chunks_exact(self.order + 2)) {
            let Some(group) = groups.index(record[0]) else { continue };
            let context = record[1..self.order].iter().rev();
            let context = context.fold(C::default(), |context, word| context.followed_by(*word, layout));
            let count = u64::from(record[self.order]) | u64::from(record[self.order + 1]) << 32;
            entries[next[group]] = (context, count);
            next[group] += 1;
        }
        entries
    }

    #[inline]
    fn scan_text<C: PackedContext>(&self, groups: &Groups, layout: Layout, mut found: impl FnMut(usize, C)) {
        let start = C::sentence_start(layout);
        let mut context = start;
        for word in self.text.iter().flatten().copied() {
            if word == SENTENCE_START {
                context = start;
                continue;
            }
            if let Some(group) = groups.index(word) {
                found(group, context);
            }
            context = context.followed_by(word, layout);
        }
    }
}

fn room(pieces: &mut Vec<Vec<u32>>, words: usize) -> &mut Vec<u32> {
    if pieces.last().is_none_or(|piece| piece.capacity() - piece.len() < words) {
        pieces.push(Vec::with_capacity(words.max(PIECE_WORDS)));
    }
    let last = pieces.len() - 1;
    &mut pieces[last]
}

#[inline]
fn count_end(ends: &mut Vec<u64>, word: u32, count: u64) {
    let index = word as usize;
    if index >= ends.len() {
        ends.resize((index + 1).max(ends.len() * 2), 0);
    }
    ends[index] += count;
}

fn visit_group<C: PackedContext, E>(
    word: u32,
    runs: impl Iterator<Item = (C, u64)>,
    layout: Layout,
    visit: &mut impl FnMut(usize, u32, C, u64) -> Result<(), E>,
) -> Result<(), E> {
    let mut previous: Option<C> = None;
    for (context, count) in runs {
        let common = previous.map_or(0, |previous| 1 + previous.common(context, layout));
        visit(common, word, context, count)?;
        previous = Some(context);
    }
    Ok(())
}

/// Where the n-grams that end in each word of a range stand.
struct Groups {
    first: u32,
    /// One more than there are words in the range.
    starts: Vec<usize>,
}

impl Groups {
    fn new(ends: &[u64], first: u32, last: u32) -> Groups {
        let mut starts = vec![0];
        let mut sum = 0;
        for word in first..last {
            sum += ends.get(word as usize).copied().unwrap_or(0) as usize;
            starts.push(sum);
        }
        Groups { first, starts }
    }

    fn entries(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    #[inline]
    fn index(&self, word: u32) -> Option<usize> {
        let index = word.wrapping_sub(self.first) as usize;
        (index + 1 < self.starts.len()).then_some(index)
    }

    fn range(&self, word: u32) -> std::ops::Range<usize> {
        let index = (word - self.first) as usize;
        self.starts[index]..self.starts[index + 1]
    }
}

/// Cuts the vocabulary into ranges with about `target` n-grams each, by how many end in each word.
pub(crate) fn segments(ends: &[u64], vocabulary: u32, target: u64) -> Vec<(u32, u32)> {
    let mut ranges = Vec::new();
    let (mut start, mut sum) = (0, 0u64);
    for word in 0..vocabulary {
        let count = ends.get(word as usize).copied().unwrap_or(0);
        if sum > 0 && sum + count > target {
            ranges.push((start, word));
            (start, sum) = (word, 0);
        }
        sum += count;
    }
    ranges.push((start, vocabulary));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ngrams_come_sorted_and_counted() {
        let mut block = Block::new(3);
        block.add_sentence(&[3, 4, 3, 4]);
        block.add_sentence(&[]);
        block.add_counted(&[4, 3, 1], 5);
        let layout = Layout::new(3, 5);
        let mut seen = Vec::new();
        for range in segments(block.ends(), 5, 2) {
            let visited: Result<(), ()> = block.for_each::<u64, ()>(range, layout, |common, word, context, count| {
                seen.push((common, [word, context.word(0, layout), context.word(1, layout)], count));
                Ok(())
            });
            visited.unwrap();
        }
        let expected = [
            (0, [2, 1, 1], 1),
            (1, [2, 4, 3], 1),
            (0, [3, 1, 1], 1),
            (1, [3, 4, 3], 1),
            (0, [4, 3, 1], 6),
            (2, [4, 3, 4], 1),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn segments_cover_the_vocabulary() {
        assert_eq!(segments(&[0, 0, 5, 1, 9, 1], 7, 6), [(0, 4), (4, 5), (5, 7)]);
        assert_eq!(segments(&[], 3, 6), [(0, 3)]);
    }
}
