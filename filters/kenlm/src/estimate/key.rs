//! N-gram contexts packed into integers that sort as the n-grams do.
//!
//! A context is written from its last word to its first, `bits` bits a word, the last word on top: comparing two
//! packed contexts compares them word by word from the end, which is the order of an ARPA file made by `lmplz`.

use super::options::{MAX_ORDER, SENTENCE_START};

/// How contexts of `words` words are packed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Words in a context: the order less one.
    pub words: usize,
    /// Bits for a word.
    pub bits: u32,
}

impl Layout {
    pub fn new(order: usize, vocabulary: usize) -> Layout {
        let highest = vocabulary.max(4) as u64 - 1;
        Layout { words: order - 1, bits: 64 - highest.leading_zeros() }
    }

    /// Bits for a whole context.
    pub fn total_bits(self) -> u32 {
        self.words as u32 * self.bits
    }
}

/// A packed context.
pub(crate) trait PackedContext: Copy + Ord + Default + Send + Sync {
    /// The context of a sentence's first word.
    fn sentence_start(layout: Layout) -> Self {
        let mut context = Self::default();
        for _ in 0..layout.words {
            context = context.followed_by(SENTENCE_START, layout);
        }
        context
    }

    /// The context after `word` was read: it becomes the last word, the first one is forgotten.
    fn followed_by(self, word: u32, layout: Layout) -> Self;

    /// The word at `index` from the end.
    fn word(self, index: usize, layout: Layout) -> u32;

    /// How many words from the end are the same.
    fn common(self, other: Self, layout: Layout) -> usize;
}

macro_rules! packed_context {
    ($integer:ty) => {
        impl PackedContext for $integer {
            #[inline]
            fn followed_by(self, word: u32, layout: Layout) -> Self {
                if layout.words == 0 {
                    return 0;
                }
                let top = layout.bits * (layout.words as u32 - 1);
                // With a single word the shift below would be by all of its bits.
                let kept = if layout.words == 1 { 0 } else { self >> layout.bits };
                kept | (<$integer>::from(word) << top)
            }

            #[inline]
            fn word(self, index: usize, layout: Layout) -> u32 {
                let shift = layout.bits * (layout.words - 1 - index) as u32;
                ((self >> shift) & ((1 << layout.bits) - 1)) as u32
            }

            #[inline]
            fn common(self, other: Self, layout: Layout) -> usize {
                let different = self ^ other;
                if different == 0 {
                    return layout.words;
                }
                let unused = <$integer>::BITS - layout.total_bits();
                ((different.leading_zeros() - unused) / layout.bits) as usize
            }
        }
    };
}

packed_context!(u64);
packed_context!(u128);

/// A context that is not packed, for what does not fit in 128 bits.
pub(crate) type WideContext = [u32; MAX_ORDER - 1];

impl PackedContext for WideContext {
    fn followed_by(self, word: u32, layout: Layout) -> Self {
        let mut context = self;
        if layout.words > 0 {
            context.copy_within(..layout.words - 1, 1);
            context[0] = word;
        }
        context
    }

    fn word(self, index: usize, _: Layout) -> u32 {
        self[index]
    }

    fn common(self, other: Self, layout: Layout) -> usize {
        (0..layout.words).take_while(|&index| self[index] == other[index]).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts<C: PackedContext>(layout: Layout) -> Vec<C> {
        let mut state = 7u64;
        let mut context = C::sentence_start(layout);
        let mut all = vec![context];
        for _ in 0..300 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            context = context.followed_by((state >> 33) as u32 % 4, layout);
            all.push(context);
        }
        all
    }

    fn agrees<C: PackedContext>(order: usize, vocabulary: usize) {
        let layout = Layout::new(order, vocabulary);
        let (packed, wide) = (contexts::<C>(layout), contexts::<WideContext>(layout));
        for (a, wide_a) in packed.iter().zip(&wide) {
            for (index, word) in wide_a[..layout.words].iter().enumerate() {
                assert_eq!(a.word(index, layout), *word);
            }
            for (b, wide_b) in packed.iter().zip(&wide).step_by(7) {
                assert_eq!(a.cmp(b), wide_a.cmp(wide_b));
                assert_eq!(a.common(*b, layout), wide_a.common(*wide_b, layout));
            }
        }
    }

    #[test]
    fn packed_contexts_sort_as_the_words_do() {
        agrees::<u64>(1, 9);
        agrees::<u64>(2, 9);
        agrees::<u64>(5, 65536);
        agrees::<u64>(2, u32::MAX as usize);
        agrees::<u128>(2, 9);
        agrees::<u128>(5, u32::MAX as usize);
        agrees::<u128>(6, 1 << 25);
    }
}
