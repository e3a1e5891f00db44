//! Memory aligned to cache lines, and scratch that threads keep.

use std::cell::RefCell;
use std::mem::size_of;

/// 64 bytes.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; 64],
}

impl Line {
    const ZERO: Self = Self { _bytes: [0; 64] };
}

/// Numbers that any bits are a value of.
pub(super) trait Number: Copy + 'static {}
impl Number for f32 {}
impl Number for u16 {}

/// An array that starts on a cache line, its elements zero at first.
pub(super) struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// Room for `len` numbers, all zero.
    pub fn zeros<T: Number>(len: usize) -> Self {
        Self { lines: vec![Line::ZERO; (len * size_of::<T>()).div_ceil(64)] }
    }

    /// All of it as numbers.
    pub fn as_slice<T: Number>(&self) -> &[T] {
        // SAFETY: the lines are initialised, aligned for T and any bits are a T.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * (64 / size_of::<T>())) }
    }

    /// All of it as numbers to change.
    pub fn as_mut_slice<T: Number>(&mut self) -> &mut [T] {
        let len = self.lines.len() * (64 / size_of::<T>());
        // SAFETY: as above, and borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), len) }
    }

    /// At least `len` numbers, of any value.
    pub fn grow<T: Number>(&mut self, len: usize) -> &mut [T] {
        let lines = (len * size_of::<T>()).div_ceil(64);
        if self.lines.len() < lines {
            // Not `resize`: the old values are not worth a copy.
            self.lines = vec![Line::ZERO; lines];
        }
        &mut self.as_mut_slice()[..len]
    }
}

/// Most bytes of scratch a thread keeps after use.
const KEPT: usize = 32 << 20;

thread_local! {
    static KEPT_BUFFERS: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Gives `f` room for `len` numbers of any value, kept by this thread for its next use: fresh pages cost more than copies.
pub(super) fn scratch<T: Number, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    // Taken out while in use: `f` may call for scratch itself, or its thread steal a task that does.
    let mut buffer = KEPT_BUFFERS.with_borrow_mut(Vec::pop).unwrap_or(Buffer { lines: Vec::new() });
    let result = f(buffer.grow(len));
    if buffer.lines.len() * 64 <= KEPT {
        KEPT_BUFFERS.with_borrow_mut(|kept| {
            if kept.len() < 4 {
                kept.push(buffer);
            }
        });
    }
    result
}
