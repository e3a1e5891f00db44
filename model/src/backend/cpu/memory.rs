//! What a layer remembers of a sequence.

use yuan_kernels::{Heads, Keys};

/// Keys and values of all tokens read, and the last rows that convolutions have read.
pub struct Memory {
    /// Tokens whose keys and values there is to be room for from the first one on.
    room: usize,
    pub(super) keys: Option<Keys>,
    /// `[tokens, heads * width]`.
    pub(super) values: Vec<f32>,
    /// How rows of values are cut.
    pub(super) heads: Option<Heads>,
    /// The last row that each of two convolutions has read.
    pub(super) before: [Vec<f32>; 2],
}

impl Memory {
    /// Of a sequence without tokens.
    pub fn new(room: usize) -> Self {
        Self { room, keys: None, values: Vec::new(), heads: None, before: [Vec::new(), Vec::new()] }
    }

    /// The keys; memory for the room is taken if none has been.
    pub fn begin(&mut self, keys: Heads, values: Heads) -> &mut Keys {
        if self.keys.is_none() {
            self.values.reserve_exact(self.room * values.count * values.width);
        }
        self.heads = Some(values);
        let room = self.room;
        self.keys.get_or_insert_with(|| Keys::with_room(keys.count, keys.width, room))
    }

    /// Remembers what another does. Nothing has been read of its own sequence.
    pub fn follow(&mut self, other: &Self) {
        if let (Some(keys), Some(heads)) = (&other.keys, other.heads) {
            self.begin(heads, heads).copy_from(keys);
            self.values.clear();
            self.values.extend_from_slice(&other.values);
        }
        self.before.clone_from(&other.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_once_and_by_copies_too() {
        let heads = Heads { first_column: 0, count: 2, width: 4 };
        let mut memory = Memory::new(100);
        let extend = |memory: &mut Memory, tokens: usize| {
            memory.begin(heads, heads).extend(&vec![1.0; tokens * 8], 8, 0);
            memory.values.extend(vec![1.0; tokens * 8]);
        };
        let room = |memory: &Memory| (memory.keys.as_ref().map(Keys::room), memory.values.capacity());
        extend(&mut memory, 3);
        // Keys lie in panels of 32.
        assert_eq!(room(&memory), (Some(128), 800));
        let mut copy = Memory::new(10);
        copy.follow(&memory);
        assert_eq!((room(&copy), copy.keys.as_ref().map(Keys::len), copy.values.len()), ((Some(32), 80), Some(3), 24));
        for _ in 3..100 {
            extend(&mut memory, 1);
        }
        assert_eq!(room(&memory), (Some(128), 800));
        extend(&mut memory, 1);
        assert!(memory.values.capacity() > 800);
    }
}
