//! Keys, laid out for products with queries.

/// Keys that lie side by side.
pub(super) const PANEL: usize = 32;

/// Keys of a sequence, head by head, 32 of them side by side: `[panels, heads, width, 32]`. It grows at the end, so it
/// is the cache of decoding as well.
#[derive(Clone, Debug)]
pub struct Keys {
    heads: usize,
    width: usize,
    count: usize,
    panels: Vec<f32>,
}

impl Keys {
    /// No keys, of `heads` heads of `width` values.
    pub fn new(heads: usize, width: usize) -> Self {
        Self::with_room(heads, width, 0)
    }

    /// No keys, with memory for so many.
    pub fn with_room(heads: usize, width: usize, keys: usize) -> Self {
        let mut panels = Vec::new();
        panels.reserve_exact(keys.div_ceil(PANEL) * heads * width * PANEL);
        Self { heads, width, count: 0, panels }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many keys there is memory for.
    pub fn room(&self) -> usize {
        self.panels.capacity() / (self.heads * self.width).max(1)
    }

    /// Forgets all keys; their memory stays for the next ones.
    pub fn clear(&mut self) {
        self.count = 0;
        self.panels.clear();
    }

    /// Appends rows of `columns` values, whose heads begin at `first_column`.
    ///
    /// # Panics
    /// If the heads do not lie in the rows.
    pub fn extend(&mut self, rows: &[f32], columns: usize, first_column: usize) {
        assert!(first_column + self.heads * self.width <= columns, "heads lie in rows");
        let panel = self.heads * self.width * PANEL;
        let count = self.count + rows.len() / columns;
        self.panels.resize(count.div_ceil(PANEL) * panel, 0.0);
        for (row, key) in rows.chunks_exact(columns).zip(self.count..) {
            let lane = &mut self.panels[key / PANEL * panel..][..panel];
            for (place, value) in lane[key % PANEL..].iter_mut().step_by(PANEL).zip(&row[first_column..]) {
                *place = *value;
            }
        }
        self.count = count;
    }

    /// Becomes what others are, in memory of its own.
    pub fn copy_from(&mut self, other: &Self) {
        (self.heads, self.width, self.count) = (other.heads, other.width, other.count);
        self.panels.clear();
        self.panels.extend_from_slice(&other.panels);
    }

    /// The values of a key of a head.
    ///
    /// # Panics
    /// If there is no such head or key.
    pub fn get(&self, head: usize, key: usize) -> impl Iterator<Item = f32> + '_ {
        self.panel(key / PANEL, head)[key % PANEL..].iter().step_by(PANEL).copied()
    }

    /// Keys `32 * panel` and following of a head: `[width, 32]`.
    pub(super) fn panel(&self, panel: usize, head: usize) -> &[f32] {
        &self.panels[(panel * self.heads + head) * self.width * PANEL..][..self.width * PANEL]
    }

    /// Heads of keys.
    pub(super) fn heads(&self) -> usize {
        self.heads
    }

    /// Values of a head.
    pub(super) fn width(&self) -> usize {
        self.width
    }
}
