//! Writing ARPA files, byte for byte as KenLM's `lmplz` does.

use std::io::{self, Write};

/// Writes an ARPA file: the counts, then the n-grams of each order.
pub struct ArpaWriter<W: Write> {
    out: W,
    orders: usize,
}

impl<W: Write> ArpaWriter<W> {
    /// Starts a file with `counts[n - 1]` n-grams of order `n`.
    ///
    /// # Errors
    /// What `out` gives.
    pub fn new(mut out: W, counts: &[u64]) -> io::Result<ArpaWriter<W>> {
        out.write_all(b"\\data\\\n")?;
        for (index, count) in counts.iter().enumerate() {
            writeln!(out, "ngram {}={count}", index + 1)?;
        }
        out.write_all(b"\n")?;
        Ok(ArpaWriter { out, orders: counts.len() })
    }

    /// Starts the n-grams of an order, from 1 on.
    ///
    /// # Errors
    /// What `out` gives.
    pub fn begin_order(&mut self, order: usize) -> io::Result<()> {
        if order > 1 {
            self.out.write_all(b"\n")?;
        }
        writeln!(self.out, "\\{order}-grams:")
    }

    /// Writes lines that [`push_ngram`] made.
    ///
    /// # Errors
    /// What `out` gives.
    pub fn write_lines(&mut self, lines: &[u8]) -> io::Result<()> {
        self.out.write_all(lines)
    }

    /// Ends the file and gives the output back.
    ///
    /// # Errors
    /// What `out` gives.
    pub fn finish(mut self) -> io::Result<W> {
        if self.orders > 0 {
            self.out.write_all(b"\n")?;
        }
        self.out.write_all(b"\\end\\\n")?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Appends the line of an n-gram: the logarithm (base 10) of its probability, its words, and the logarithm of its
/// back-off weight unless it is of the highest order.
pub fn push_ngram<'a>(
    line: &mut Vec<u8>,
    words: impl IntoIterator<Item = &'a [u8]>,
    log_probability: f32,
    log_backoff: Option<f32>,
) {
    push_float(line, log_probability);
    let mut before = b'\t';
    for word in words {
        line.push(before);
        line.extend_from_slice(word);
        before = b' ';
    }
    if let Some(log_backoff) = log_backoff {
        line.push(b'\t');
        push_float(line, log_backoff);
    }
    line.push(b'\n');
}

/// Appends a number in the fewest digits that read back as the same single-precision value, of those the nearest,
/// without an exponent from 1e-6 to 1e21: as `double-conversion`, which KenLM writes with, does.
pub fn push_float(text: &mut Vec<u8>, value: f32) {
    if value.is_sign_negative() && !value.is_nan() {
        text.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude == 0.0 {
        text.push(b'0');
    } else if !magnitude.is_finite() {
        text.extend_from_slice(if magnitude.is_nan() { b"NaN" } else { b"inf" });
    } else if !push_usual(text, magnitude) {
        let digits = if (1e-6..1e21).contains(&magnitude) { format!("{magnitude}") } else { format!("{magnitude:e}") };
        text.extend_from_slice(digits.as_bytes());
    }
}

/// Powers of ten, by exponent.
const POWERS: [f64; 12] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11];

/// From here on double-precision numbers are whole.
const WHOLE: f64 = (1u64 << 52) as f64;

/// Writes a value from 1e-3 to 100, where seven significant digits are further apart than single-precision values,
/// so that at most one number of seven digits reads as the value. Does nothing and gives false for other values.
///
/// The products below are exact: 24 bits times a power of five of at most 26 bits.
fn push_usual(text: &mut Vec<u8>, value: f32) -> bool {
    let power_of_two = value.to_bits() & 0x007f_ffff == 0;
    let decimals = match value {
        _ if power_of_two => return false,
        10.0..100.0 => 5,
        1.0..10.0 => 6,
        0.1..1.0 => 7,
        0.01..0.1 => 8,
        0.001..0.01 => 9,
        _ => return false,
    };
    for (decimals, power) in (decimals..).zip(&POWERS[decimals..decimals + 3]) {
        // To the nearest whole number, ties to even.
        let digits = f64::from(value) * power + WHOLE - WHOLE;
        if (digits / power) as f32 == value {
            push_decimal(text, digits as u64, decimals);
            return true;
        }
    }
    false
}

/// Writes `digits / 10^decimals` without zeros at the end.
fn push_decimal(text: &mut Vec<u8>, mut digits: u64, mut decimals: usize) {
    while decimals > 0 && digits.is_multiple_of(10) {
        digits /= 10;
        decimals -= 1;
    }
    let mut buffer = [b'0'; 16];
    let mut start = buffer.len();
    let mut written = 0;
    while digits > 0 || written <= decimals {
        if written == decimals && decimals > 0 {
            start -= 1;
            buffer[start] = b'.';
        }
        start -= 1;
        buffer[start] = b'0' + (digits % 10) as u8;
        digits /= 10;
        written += 1;
    }
    text.extend_from_slice(&buffer[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f32) -> String {
        let mut text = Vec::new();
        push_float(&mut text, value);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn numbers_read_as_those_of_the_original() {
        // From files that `lmplz` wrote, and the conventions of `double-conversion`.
        let numbers = ["-4.8101273", "-0.7393792", "-1.4649584", "-2.609463", "-1.868625", "-0.04151313", "-99", "0"];
        for number in
            numbers.into_iter().chain(["58.445312"]).chain(["-inf", "-0", "1e-7", "-2.5e-7", "0.000001", "0.00012345"])
        {
            assert_eq!(text(number.parse().unwrap()), number);
        }
    }

    #[test]
    fn the_fast_way_writes_what_the_standard_library_does() {
        let mut bits = 0.0005f32.to_bits();
        while bits < 200.0f32.to_bits() {
            let value = f32::from_bits(bits);
            let (ours, standard) = (text(value), format!("{value}"));
            // The two part where a value lies midway between two numbers of as many digits.
            let midway = ours.len() == standard.len() && standard.ends_with(['3', '8']);
            assert!(ours == standard || (midway && ours.parse() == Ok(value)), "{ours} {standard}");
            bits += 997;
        }
    }

    #[test]
    fn a_file_has_the_parts_of_an_arpa() {
        let mut writer = ArpaWriter::new(Vec::new(), &[2, 1]).unwrap();
        let mut lines = Vec::new();
        writer.begin_order(1).unwrap();
        push_ngram(&mut lines, [&b"a"[..]], -1.5, Some(-0.25));
        push_ngram(&mut lines, [&b"b"[..]], -2.0, Some(0.0));
        writer.write_lines(&lines).unwrap();
        writer.begin_order(2).unwrap();
        lines.clear();
        push_ngram(&mut lines, [&b"a"[..], b"b"], -0.125, None);
        writer.write_lines(&lines).unwrap();
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert_eq!(
            text,
            "\\data\\\nngram 1=2\nngram 2=1\n\n\\1-grams:\n-1.5\ta\t-0.25\n-2\tb\t0\n\n\\2-grams:\n-0.125\ta b\n\n\\end\\\n"
        );
    }
}
