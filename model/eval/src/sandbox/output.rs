//! What a program prints.

use std::collections::VecDeque;
use std::io::Read;
use std::thread::{JoinHandle, spawn};

/// Reads all that comes, and keeps the beginning and the end: so many bytes of each.
pub(super) fn keep(pipe: Option<impl Read + Send + 'static>, most: u64) -> JoinHandle<String> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    spawn(move || pipe.map(|pipe| ends(pipe, most)).unwrap_or_default())
}

fn ends(mut pipe: impl Read, most: usize) -> String {
    let (mut first, mut last) = (Vec::new(), VecDeque::<u8>::new());
    let mut part = [0; 1 << 14];
    // A pipe that breaks has given all it will.
    while let Ok(read @ 1..) = pipe.read(&mut part) {
        let (own, rest) = part[..read].split_at(read.min(most - first.len()));
        first.extend_from_slice(own);
        last.extend(rest);
        last.drain(..last.len().saturating_sub(most));
    }
    first.extend(last);
    String::from_utf8_lossy(&first).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_dropped() {
        assert_eq!(ends("abcdefgh".as_bytes(), 3), "abcfgh");
        assert_eq!(ends("abcd".as_bytes(), 3), "abcd");
        let long = "x".repeat(100_000) + "end";
        assert_eq!(ends(long.as_bytes(), 5), "xxxxxxxend");
    }
}
