//! Where a piece can be cut because no token lies across: between two characters that no token holds side by side.
//!
//! A run of Han characters is one piece and mostly one of its kind. Cut wherever its two neighbours never meet inside
//! a token it falls into segments of a few characters that come again and again, and whose tokens can be remembered.
//! Only characters of three bytes (U+0800 to U+FFFF) are looked at. A set of bits answers: it may keep together what
//! could be cut, never the other way round.

/// Bits of the set of whole characters: 128 KiB, which the second cache holds.
const SET_BITS: u32 = 20;
/// Bits of the set of parts: 8 KiB.
const PARTIAL_BITS: u32 = 16;

/// Which characters may be neighbours inside a token.
pub(crate) struct Cuts {
    bits: Box<[u64]>,
    partial_bits: Box<[u64]>,
    /// What of the two characters tokens hold where they do not hold both, by the second one's first byte. Tokens with
    /// parts of characters are few, and mostly of a few scripts.
    partial: [Vec<Kind>; 16],
    /// Where there are any, a bit for each.
    partial_leads: u16,
}

/// The bytes of two characters, the first in the lowest byte, without some at the outer ends.
#[derive(Clone, Copy, PartialEq)]
struct Kind {
    before: u32,
    behind: u32,
}

const WHOLE: Kind = Kind { before: 0, behind: 0 };

impl Kind {
    /// The bit for the two characters in the lower six bytes of `both`, where these are not whole.
    #[inline]
    fn bit(self, both: u64) -> usize {
        let mask = u64::MAX >> (8 * (self.before + self.behind)) >> 16;
        let key = both >> (8 * self.before) & mask | u64::from(self.before * 3 + self.behind) << 48;
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PARTIAL_BITS)) as usize
    }
}

impl Cuts {
    /// From all tokens that merges can make.
    pub(crate) fn new<'t>(tokens: impl Iterator<Item = &'t [u8]>) -> Self {
        let set = |bits: u32| vec![0; 1 << (bits - 6)].into_boxed_slice();
        let mut cuts = Self {
            bits: set(SET_BITS),
            partial_bits: set(PARTIAL_BITS),
            partial: Default::default(),
            partial_leads: 0,
        };
        for token in tokens {
            for at in 1..token.len() {
                if is_lead(token[at]) {
                    cuts.join(&token[..at], &token[at..]);
                }
            }
        }
        cuts
    }

    /// Marks the border between two parts of a token.
    fn join(&mut self, left: &[u8], right: &[u8]) {
        // The last character on the left, as much of it as there is, and the first on the right.
        let Some(start) = (1..=left.len().min(3)).find(|back| !is_continuation(left[left.len() - back])) else {
            // Continuation bytes only: the end of a longer character.
            let before = 3_usize.saturating_sub(left.len());
            return self.mark(&left[left.len() - (3 - before)..], right);
        };
        let last = &left[left.len() - start..];
        // Of other lengths: such a border is never cut anyway.
        if start == 3 && is_lead(last[0]) {
            self.mark(last, right);
        }
    }

    /// `last` is the end of a character of three bytes, `right` begins with the start of one.
    fn mark(&mut self, last: &[u8], right: &[u8]) {
        let first = &right[..right.len().min(3)];
        if !first[1..].iter().all(|byte| is_continuation(*byte)) {
            return;
        }
        let kind = Kind { before: (3 - last.len()) as u32, behind: (3 - first.len()) as u32 };
        let mut both = [0; 8];
        both[3 - last.len()..3].copy_from_slice(last);
        both[3..3 + first.len()].copy_from_slice(first);
        let both = u64::from_le_bytes(both);
        if kind == WHOLE {
            let bit = (hash(codes(both)) >> (64 - SET_BITS)) as usize;
            self.bits[bit >> 6] |= 1 << (bit & 63);
            return;
        }
        let bit = kind.bit(both);
        self.partial_bits[bit >> 6] |= 1 << (bit & 63);
        let partial = &mut self.partial[usize::from(first[0] & 0xf)];
        if !partial.contains(&kind) {
            partial.push(kind);
            self.partial_leads |= 1 << (first[0] & 0xf);
        }
    }

    /// Whether a token may lie across the border between two characters of three bytes each, in the lower six bytes.
    #[inline]
    pub(crate) fn may_join(&self, both: u64) -> bool {
        self.may_join_whole(hash(codes(both))) || self.may_join_parts(both)
    }

    /// Whether a token with the whole of both may lie across, by the [`hash`] of their codes.
    #[inline]
    pub(crate) fn may_join_whole(&self, hash: u64) -> bool {
        let bit = (hash >> (64 - SET_BITS)) as usize;
        self.bits[bit >> 6] >> (bit & 63) & 1 == 1
    }

    /// Whether a token with a part of one may lie across.
    #[inline]
    pub(crate) fn may_join_parts(&self, both: u64) -> bool {
        let lead = (both >> 24) as usize & 0xf;
        self.partial_leads >> lead & 1 == 1 && self.partial[lead].iter().any(|kind| self.holds(*kind, both))
    }

    #[inline]
    fn holds(&self, kind: Kind, both: u64) -> bool {
        let bit = kind.bit(both);
        self.partial_bits[bit >> 6] >> (bit & 63) & 1 == 1
    }
}

/// The codes of two characters of three bytes each, the first in the upper half.
#[inline]
fn codes(both: u64) -> u32 {
    let code = |at: u32| (both >> at & 0xf) << 12 | (both >> (at + 8) & 0x3f) << 6 | both >> (at + 16) & 0x3f;
    (code(0) << 16 | code(24)) as u32
}

/// Of two characters' codes, the first in the upper half; its upper bits are taken.
#[inline]
pub(crate) fn hash(codes: u32) -> u64 {
    u64::from(codes).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Whether a character of three bytes begins with this one.
#[inline]
pub(crate) fn is_lead(byte: u8) -> bool {
    byte & 0xf0 == 0xe0
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Bytes of the UTF-8 character that begins with this one.
#[inline]
pub(crate) fn character_bytes(lead: u8) -> usize {
    match lead {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(cuts: &Cuts, text: &str) -> bool {
        let mut both = [0; 8];
        both[..6].copy_from_slice(text.as_bytes());
        cuts.may_join(u64::from_le_bytes(both))
    }

    #[test]
    fn only_borders_inside_tokens_are_kept() {
        let bytes = |text: &str, from: usize, to: usize| text.as_bytes()[from..to].to_vec();
        let tokens = [
            bytes("中文", 0, 6),
            bytes("今天气", 0, 9),
            // Ends and beginnings of characters.
            bytes("好人", 1, 6),
            bytes("山水", 2, 4),
            bytes("火车", 0, 5),
            bytes("a中 b", 0, 6),
        ];
        let cuts = Cuts::new(tokens.iter().map(|token| &**token));
        // "她" ends as "好" does not; "奼" begins as "好" does.
        for (text, expected) in [
            ("中文", true),
            ("文中", false),
            ("今天", true),
            ("天气", true),
            ("气今", false),
            ("好人", true),
            ("火车", true),
            ("火轩", true),
            ("火人", false),
            ("山水", true),
            ("水山", false),
        ] {
            assert_eq!(joined(&cuts, text), expected, "{text}");
        }
    }
}
