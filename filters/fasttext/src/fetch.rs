//! Asking for memory ahead of time.

/// Asks for the cache line that a value begins in, so that it is there when it is needed.
#[inline(always)]
pub(crate) fn fetch<T>(value: &T) {
    fetch_at(value);
}

/// Asks for the cache line at an address, whether there is anything or not.
#[inline(always)]
pub(crate) fn fetch_at<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing, whatever the address, and every x86-64 processor has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Asks for all cache lines that some bytes lie in; bytes that are not aligned begin in the middle of one.
#[inline(always)]
pub(crate) fn fetch_range(address: *const u8, length: usize) {
    for line in (0..length).step_by(64) {
        fetch_at(address.wrapping_add(line));
    }
    fetch_at(address.wrapping_add(length.saturating_sub(1)));
}
