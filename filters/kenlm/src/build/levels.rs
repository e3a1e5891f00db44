//! Writing the records of one order of a trie.

use crate::binary::trie::{ARRAY_VERSION, LevelLayout};
use crate::bytes::{put_bits, put_u64};

/// Writes records one after another into an image that is zero so far.
pub(super) struct LevelWriter<'l> {
    layout: &'l LevelLayout,
    /// Number of records so far.
    pub(super) records: u64,
    /// Numbers of the array of offsets so far; the first of them is zero.
    offsets: usize,
}

impl<'l> LevelWriter<'l> {
    pub(super) fn new(layout: &'l LevelLayout) -> LevelWriter<'l> {
        LevelWriter { layout, records: 0, offsets: 1 }
    }

    /// A record of the highest order: a value of the level's width.
    pub(super) fn longest(&mut self, image: &mut [u8], word: u32, value: u64) {
        let bit = self.start();
        self.put(image, bit, u64::from(word));
        self.put(image, bit + u64::from(self.layout.word_bits), value);
        self.records += 1;
    }

    /// A record of a middle order: a value of the level's width, in two fields, the second after `first_bits`; and the
    /// number of its first child.
    pub(super) fn middle(&mut self, image: &mut [u8], word: u32, values: [u64; 2], first_bits: u8, child: u64) {
        let bit = self.start();
        let value = bit + u64::from(self.layout.word_bits);
        self.put(image, bit, u64::from(word));
        self.put(image, value, values[0]);
        self.put(image, value + u64::from(first_bits), values[1]);
        self.put_child(image, child);
        self.records += 1;
    }

    /// Ends a middle order: behind its last record stands the number of all children.
    pub(super) fn finish(&mut self, image: &mut [u8], children: u64, pointer_bits: u8) {
        self.put_child(image, children);
        if let Some(array) = &self.layout.array {
            image[array.header] = ARRAY_VERSION;
            image[array.header + 1] = pointer_bits;
        }
    }

    fn put_child(&mut self, image: &mut [u8], child: u64) {
        if let Some(array) = &self.layout.array {
            while self.offsets as u64 <= child >> self.layout.next_bits {
                put_u64(image, array.offset + self.offsets * 8, self.records);
                self.offsets += 1;
            }
        }
        let bit = self.start() + u64::from(self.layout.word_bits) + u64::from(self.layout.value_bits);
        self.put(image, bit, child & self.layout.next_mask);
    }

    /// The first bit of the next record.
    fn start(&self) -> u64 {
        self.records * u64::from(self.layout.total_bits)
    }

    fn put(&self, image: &mut [u8], bit: u64, value: u64) {
        put_bits(&mut image[self.layout.offset..], bit, value);
    }
}
