//! Numbers as ARPA files spell them.

/// The nearest single-precision number to a decimal one; `inf` is infinity. `None` for anything else.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<f32> {
    fast(text).or_else(|| slow(text))
}

/// Plain decimals of up to 18 digits, without an exponent: a quotient of two numbers that are exact in double
/// precision. It is rounded twice; where that could matter, the answer is left to [`slow`].
#[inline(always)]
fn fast(text: &[u8]) -> Option<f32> {
    const POWERS: [f64; 19] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    if digits.len() > 18 {
        return None;
    }
    let mut mantissa = 0u64;
    let mut count = 0;
    let mut decimals = None;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if decimals.is_none() => decimals = Some(count),
            _ => return None,
        }
    }
    if count == 0 || mantissa >= 1 << 53 {
        return None;
    }
    let double = mantissa as f64 / POWERS[count - decimals.unwrap_or(count)];
    // Single precision drops 29 bits. Halfway between two of its numbers, the first rounding decides wrongly.
    const DROPPED: u64 = (1 << 29) - 1;
    let dropped = double.to_bits() & DROPPED;
    if dropped.abs_diff(1 << 28) <= 1 || (double != 0.0 && double < f64::from(f32::MIN_POSITIVE)) {
        return None;
    }
    let single = double as f32;
    Some(if negative { -single } else { single })
}

fn slow(text: &[u8]) -> Option<f32> {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let spelt = match unsigned.first()? {
        b'0'..=b'9' | b'.' => true,
        _ => unsigned == b"inf",
    };
    if !spelt {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_way_agrees_with_the_slow_one() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 20
        };
        let mut fast_ones = 0;
        for _ in 0..200_000 {
            let digits = random() % 10u64.pow((random() % 14) as u32);
            let text = match random() % 4 {
                0 => format!("-{}.{digits}", random() % 10),
                1 => format!("-0.{:09}", digits % 1_000_000_000),
                2 => format!("{}", f32::from_bits(random() as u32)),
                // Halfway between two numbers of single precision.
                _ => format!("{}", (1u64 << 24) + 1 + 2 * (random() % (1 << 23))),
            };
            if let Some(value) = fast(text.as_bytes()) {
                assert_eq!(Some(value.to_bits()), text.parse::<f32>().ok().map(f32::to_bits), "{text}");
                fast_ones += 1;
            }
        }
        assert!(fast_ones > 50_000);
    }

    #[test]
    fn what_is_a_number() {
        let good =
            [("-1.5", -1.5), ("+2", 2.0), (".5", 0.5), ("5.", 5.0), ("1e-3", 0.001), ("-inf", f32::NEG_INFINITY)];
        for (text, value) in good {
            assert_eq!(parse(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["", "-", "nan", "NaN", "infinity", "1.2.3", "word", "1,5", "--1", "0x10", "1 "] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
