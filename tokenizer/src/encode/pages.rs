//! Tables that are looked up at random, on large pages where the system has them.
//!
//! Tables of megabytes on pages of 4 KiB cost a walk through the page tables at every other look-up; on pages of 2 MiB all
//! of an encoder's tables are a dozen pages.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// A large page of x86-64, and of aarch64 with small pages of 4 KiB. Elsewhere it is only rounded up to.
const LARGE_PAGE: usize = 1 << 21;
/// Smaller tables are rounded up to lines of the cache.
const LINE: usize = 64;

/// What a table can be made of.
///
/// # Safety
/// All zeros is a value, there is nothing to drop, and the alignment is no more than 64 bytes.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: numbers.
unsafe impl Plain for u32 {}
// SAFETY: numbers.
unsafe impl Plain for u64 {}

/// Values in a row that begin with a line of the cache, all zeros at first.
pub(crate) struct Table<T> {
    /// From the first value on.
    start: *mut T,
    length: usize,
    /// What `start` points into.
    _map: Option<MmapMut>,
}

// SAFETY: it owns what it points to, as a vector does.
unsafe impl<T: Plain + Send> Send for Table<T> {}
// SAFETY: as above; nothing changes behind a shared reference.
unsafe impl<T: Plain + Sync> Sync for Table<T> {}

impl<T: Plain> Table<T> {
    /// So many zeros. Memory is taken where they are first written.
    ///
    /// # Panics
    /// If there is no memory left, as a vector does.
    pub(crate) fn zeroed(length: usize) -> Self {
        if length == 0 {
            return Self::default();
        }
        let bytes = length * size_of::<T>();
        let large = bytes >= LARGE_PAGE / 2;
        let alignment = if large { LARGE_PAGE } else { LINE };
        let room = if large { bytes.next_multiple_of(LARGE_PAGE) + LARGE_PAGE } else { bytes + LINE };
        let mut map = MmapMut::map_anon(room).expect("memory for a table");
        #[cfg(target_os = "linux")]
        if large {
            // Only a hint: where the system refuses it, small pages do.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        let before = map.as_ptr().align_offset(alignment);
        assert!(before < alignment, "an address can be aligned");
        let start = map[before..before + bytes].as_mut_ptr().cast();
        Self { start, length, _map: Some(map) }
    }
}

impl<T> Table<T> {
    /// Asks for a place before it is needed.
    #[inline]
    pub(crate) fn prefetch(&self, place: usize) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint about an address, which is never read.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(self.start.wrapping_add(place).cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = place;
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { start: std::ptr::NonNull::dangling().as_ptr(), length: 0, _map: None }
    }
}

impl<T: Plain> From<&[T]> for Table<T> {
    fn from(values: &[T]) -> Self {
        let mut table = Self::zeroed(values.len());
        table.copy_from_slice(values);
        table
    }
}

impl<T: Plain> Deref for Table<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `length` values lie there from an aligned address on, in memory that is ours and was zeroed, which is a
        // value of every `Plain` type; or there are none.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

impl<T: Plain> DerefMut for Table<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and nobody else refers to it.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_hold_what_is_put_into_them() {
        for length in [0, 1, 7, 1 << 10, (1 << 18) + 3] {
            let values: Vec<u64> = (0..length).map(|value| value * 3 + 1).collect();
            let mut table = Table::from(&*values);
            assert!(table.as_ptr().align_offset(if length == 0 { 8 } else { LINE }) == 0);
            assert_eq!(*table, *values);
            table.reverse();
            assert!(table.iter().rev().eq(&values));
            assert!(Table::<u32>::zeroed(length as usize).iter().all(|value| *value == 0));
        }
    }
}
