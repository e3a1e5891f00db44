//! The order in which libstdc++ walks a `std::unordered_map` with integer keys.
//!
//! All nodes hang in one list. A new key goes to the list's head where its bucket is empty, else right behind the node before its
//! bucket; growing walks the list and hangs every node anew by the same rule. An integer hashes to itself, so a key's bucket is its
//! remainder.

/// The bucket counts a map of growing size goes through; more keys than the last one would need a matrix of terabytes.
const BUCKET_COUNTS: [usize; 27] = [
    13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043, 85229, 172933, 351061, 712697, 1447153, 2938679,
    5967347, 12117689, 24607243, 49969847, 101473717, 206062531, 418451333, 849749479, 1725587117,
];

/// The places, in `keys`, of the map's entries in the order it is walked, when the distinct keys are inserted in the order given.
/// Linear in time and memory.
pub(crate) fn walk_order(keys: &[u32]) -> Vec<usize> {
    let mut list = List::new(keys);
    for (size, bucket_count) in growth(keys.len()) {
        list.grow(bucket_count);
        list.insert_up_to(size);
    }
    list.walk().collect()
}

/// For each bucket count on the way to `count` keys: how many keys are in when the next growth comes.
fn growth(count: usize) -> impl Iterator<Item = (usize, usize)> {
    BUCKET_COUNTS.into_iter().scan(0, move |filled, bucket_count| {
        if *filled >= count {
            return None;
        }
        *filled = bucket_count.min(count);
        Some((*filled, bucket_count))
    })
}

/// No node.
const NONE: u32 = u32::MAX;

struct List<'a> {
    keys: &'a [u32],
    /// The node after each node; the entry past the last key stands for the head.
    next: Vec<u32>,
    /// The node before each bucket's first one, `NONE` where the bucket is empty.
    before_bucket: Vec<u32>,
    inserted: usize,
}

impl<'a> List<'a> {
    fn new(keys: &'a [u32]) -> Self {
        List { keys, next: vec![NONE; keys.len() + 1], before_bucket: Vec::new(), inserted: 0 }
    }

    fn head(&self) -> u32 {
        self.keys.len() as u32
    }

    fn bucket(&self, node: u32) -> usize {
        self.keys[node as usize] as usize % self.before_bucket.len()
    }

    /// Hangs one node into the list by the rule above.
    fn hang(&mut self, node: u32) {
        let (bucket, head) = (self.bucket(node), self.head());
        let before = self.before_bucket[bucket];
        if before != NONE {
            self.next[node as usize] = self.next[before as usize];
            self.next[before as usize] = node;
            return;
        }
        let first = self.next[head as usize];
        self.next[node as usize] = first;
        self.next[head as usize] = node;
        if first != NONE {
            let moved = self.bucket(first);
            self.before_bucket[moved] = node;
        }
        self.before_bucket[bucket] = head;
    }

    fn grow(&mut self, bucket_count: usize) {
        let head = self.head() as usize;
        self.before_bucket = vec![NONE; bucket_count];
        let mut node = std::mem::replace(&mut self.next[head], NONE);
        while node != NONE {
            let following = self.next[node as usize];
            self.hang(node);
            node = following;
        }
    }

    fn insert_up_to(&mut self, size: usize) {
        for node in self.inserted..size {
            self.hang(node as u32);
        }
        self.inserted = size;
    }

    fn walk(&self) -> impl Iterator<Item = usize> {
        let mut node = self.next[self.head() as usize];
        std::iter::from_fn(move || {
            let place = (node != NONE).then_some(node as usize)?;
            node = self.next[place];
            Some(place)
        })
    }
}
