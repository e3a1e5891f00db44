//! ARPA files: a header of counts, then for each order its n-grams, a line each: probability, words, back-off.
//!
//! Read as KenLM reads them: probabilities above zero are refused unless allowed, back-offs may be missing, fields are
//! separated by tabs (words by spaces as well), lines may end as on Windows, empty lines may stand between n-grams.
//!
//! | file | what |
//! |---|---|
//! | `lines.rs` | lines of plain and compressed files |
//! | `number.rs` | decimal numbers |

mod lines;
mod number;

use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::state::{MAX_ORDER, NO_EXTENSION};
use lines::{Lines, first_line};

/// Most n-grams that are handed over at once.
pub(crate) const BATCH: usize = 256;

/// An ARPA file behind its header.
pub(crate) struct ArpaReader {
    lines: Lines,
    counts: Vec<u64>,
    allow_positive: bool,
    /// N-grams whose probability was above zero and taken for zero.
    positive: u64,
}

/// N-grams of one order, in the file's order.
pub(crate) struct Batch<'l> {
    pub(crate) ngrams: Vec<Ngram>,
    /// Of all n-grams, one after another, each from the first word to the last.
    pub(crate) words: Vec<&'l [u8]>,
    path: &'l Path,
}

/// An n-gram, but for its words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ngram {
    pub(crate) prob: f32,
    /// Negative zero if it is zero or missing.
    pub(crate) backoff: f32,
    line: u64,
}

impl Batch<'_> {
    /// An error about the n-gram at `at`.
    pub(crate) fn error(&self, at: usize, reason: impl Into<String>) -> Error {
        Error::Arpa { path: self.path.to_path_buf(), line: self.ngrams[at].line, reason: reason.into() }
    }
}

impl ArpaReader {
    /// Opens a file and reads the counts.
    pub(crate) fn open(path: &Path, allow_positive: bool) -> Result<ArpaReader> {
        ArpaReader::new(Lines::open(path)?, allow_positive)
    }

    /// Reads the counts of an uncompressed file that comes from elsewhere; errors call it `path`.
    pub(crate) fn from_source(source: Box<dyn Read>, path: &Path, allow_positive: bool) -> Result<ArpaReader> {
        ArpaReader::new(Lines::from_source(source, path), allow_positive)
    }

    fn new(mut lines: Lines, allow_positive: bool) -> Result<ArpaReader> {
        let counts = read_counts(&mut lines)?;
        Ok(ArpaReader { lines, counts, allow_positive, positive: 0 })
    }

    /// Number of n-grams for each n, from 1, as the header says.
    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// N-grams so far whose probability was above zero and taken for zero.
    pub(crate) fn positive(&self) -> u64 {
        self.positive
    }

    /// Reads the n-grams of `order`, which must be the next one, and hands them over in batches of up to [`BATCH`].
    pub(crate) fn section(&mut self, order: usize, mut each: impl FnMut(&Batch<'_>) -> Result<()>) -> Result<()> {
        self.section_header(order)?;
        let count = self.counts[order - 1];
        let highest = order == self.counts.len();
        let mut left = count;
        while left > 0 {
            let first_number = self.lines.line_number();
            let path = self.lines.path().to_path_buf();
            let run = self.lines.run()?;
            if run.is_empty() {
                let reason = format!("the file ends after {} of {count} {order}-grams", count - left);
                return Err(Error::Arpa { path, line: first_number, reason });
            }
            let (mut used, mut used_lines, mut positive) = (0, 0, 0);
            while used < run.len() && left > 0 {
                let words = Vec::with_capacity(BATCH * order);
                let mut batch = Batch { ngrams: Vec::with_capacity(BATCH), words, path: &path };
                while used < run.len() && (batch.ngrams.len() as u64) < left.min(BATCH as u64) {
                    let (line, length) = first_line(&run[used..]);
                    used += length;
                    used_lines += 1;
                    let number = first_number + used_lines - 1;
                    let parsed = parse_ngram(line, order, highest, &mut batch.words);
                    let Some((mut prob, backoff)) =
                        parsed.map_err(|reason| Error::Arpa { path: path.clone(), line: number, reason })?
                    else {
                        continue;
                    };
                    if prob > 0.0 {
                        if !self.allow_positive {
                            let reason = format!(
                                "the base-10 logarithm of a probability is {prob}, above zero (IRSTLM writes such \
                                 files): allow positive probabilities to take it for zero"
                            );
                            return Err(Error::Arpa { path: path.clone(), line: number, reason });
                        }
                        positive += 1;
                        prob = 0.0;
                    }
                    batch.ngrams.push(Ngram { prob, backoff, line: number });
                }
                each(&batch)?;
                left -= batch.ngrams.len() as u64;
            }
            self.positive += positive;
            self.lines.consume(used, used_lines);
        }
        Ok(())
    }

    /// Reads `\end\`, behind which nothing may stand.
    pub(crate) fn end(mut self) -> Result<()> {
        let line = self.next_filled_line("`\\end\\`")?;
        if line != b"\\end\\" {
            let highest = self.counts.len();
            let counted = format!("the {} {highest}-grams that the header counts", self.counts[highest - 1]);
            return Err(self.unexpected(&line, &format!("`\\end\\` after {counted}")));
        }
        while let Some(line) = self.lines.next_line()? {
            if !is_blank(&line) {
                return Err(self.unexpected(&line, "nothing after `\\end\\`"));
            }
        }
        Ok(())
    }

    fn section_header(&mut self, order: usize) -> Result<()> {
        let expected = format!("\\{order}-grams:");
        let line = self.next_filled_line(&format!("`{expected}`"))?;
        if line == expected.as_bytes() {
            return Ok(());
        }
        let behind = match order {
            1 => String::new(),
            _ => format!(" after the {} {}-grams that the header counts", self.counts[order - 2], order - 1),
        };
        Err(self.unexpected(&line, &format!("`{expected}`{behind}")))
    }

    fn next_filled_line(&mut self, expected: &str) -> Result<Vec<u8>> {
        loop {
            match self.lines.next_line()? {
                Some(line) if is_blank(&line) => {}
                Some(line) => return Ok(line),
                None => return Err(self.lines.error(0, format!("the file ends where {expected} was expected"))),
            }
        }
    }

    /// An error about the line that was just taken.
    fn unexpected(&self, line: &[u8], expected: &str) -> Error {
        unexpected(&self.lines, line, expected)
    }
}

fn unexpected(lines: &Lines, line: &[u8], expected: &str) -> Error {
    let path = lines.path().to_path_buf();
    let reason = format!("expected {expected}, found `{}`", shown(line));
    Error::Arpa { path, line: lines.line_number() - 1, reason }
}

/// The start of a line or word, for messages; a dot for what cannot be shown.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(400)]);
    let mut shown = String::new();
    for character in text.chars().take(60) {
        if character.is_control() && character != '\t' || character == char::REPLACEMENT_CHARACTER {
            shown.push('·');
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|&byte| is_space(byte))
}

/// What C's `isspace` takes for space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What separates words within a line. Vertical tabs and form feeds are parts of words.
#[inline(always)]
fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

fn read_counts(lines: &mut Lines) -> Result<Vec<u64>> {
    let missing = |lines: &Lines| lines.error(0, "the file ends where its header of counts was expected");
    let first = loop {
        let line = lines.next_line()?.ok_or_else(|| missing(lines))?;
        if !is_blank(&line) && !line.starts_with(b"#") {
            break line;
        }
    };
    if first != b"\\data\\" {
        return Err(unexpected(lines, &first, "`\\data\\` (an ARPA file) or a KenLM binary"));
    }
    let mut counts = Vec::new();
    loop {
        let line = lines.next_line()?.ok_or_else(|| missing(lines))?;
        if is_blank(&line) {
            break;
        }
        let next = counts.len() + 1;
        let count = line.strip_prefix(b"ngram ").and_then(|rest| parse_count(rest, next));
        let Some(count) = count else {
            return Err(unexpected(lines, &line, &format!("`ngram {next}=` and a count, or an empty line")));
        };
        counts.push(count);
    }
    let order = counts.len();
    if !(2..=MAX_ORDER).contains(&order) {
        let reason = format!("the model has order {order}, and 2 to {MAX_ORDER} are supported");
        return Err(lines.error(0, reason));
    }
    // A digit, then a separator and a byte for each word, and a line end.
    let least = counts.iter().zip(1u64..).map(|(&count, order)| count.saturating_mul(2 * order + 2));
    if least.fold(0, u64::saturating_add) > lines.most_bytes() {
        return Err(lines.error(0, "the header counts more n-grams than a file of this size can hold"));
    }
    Ok(counts)
}

/// `N=count`, with space before either number.
fn parse_count(text: &[u8], order: usize) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (length, count) = text.split_once('=')?;
    if length.trim_start().parse() != Ok(order) {
        return None;
    }
    count.trim().parse().ok()
}

/// Probability and back-off of a line, whose words are added to `words`; `None` for an empty line.
#[inline]
fn parse_ngram<'l>(
    line: &'l [u8],
    order: usize,
    highest: bool,
    words: &mut Vec<&'l [u8]>,
) -> std::result::Result<Option<(f32, f32)>, String> {
    let start = line.iter().take_while(|&&byte| is_space(byte)).count();
    if start == line.len() {
        return Ok(None);
    }
    let (prob, mut rest) = split(&line[start..]);
    let prob = number::parse(prob)
        .ok_or_else(|| format!("expected the base-10 logarithm of a probability, found `{}`", shown(prob)))?;
    if order == 1 && rest.first() != Some(&b'\t') {
        return Err("expected a tab behind the probability".into());
    }
    for found in 0..order {
        while let [byte, tail @ ..] = rest
            && is_separator(*byte)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Err(format!("expected {order} words behind the probability, found {found}"));
        }
        let (word, tail) = split(rest);
        words.push(word);
        rest = tail;
    }
    let backoff = match rest {
        [] => return Ok(Some((prob, NO_EXTENSION))),
        [b'\t', backoff @ ..] => backoff.trim_ascii_start(),
        _ => {
            return Err(format!("expected a tab or the end of the line behind {order} words, found `{}`", shown(rest)));
        }
    };
    let value = number::parse(backoff).filter(|value| value.is_finite());
    let value = value.ok_or_else(|| format!("expected a back-off behind {order} words, found `{}`", shown(backoff)))?;
    if highest && value != 0.0 {
        return Err(format!("the back-off of an n-gram of the highest order is {value}, and it can only be zero"));
    }
    Ok(Some((prob, if value == 0.0 { NO_EXTENSION } else { value })))
}

/// Up to the first separator, and from there.
#[inline(always)]
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| is_separator(byte)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(text: &[u8], allow_positive: bool) -> Result<Vec<(f32, f32, Vec<u8>)>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        let mut reader = ArpaReader::open(file.path(), allow_positive)?;
        let mut all = Vec::new();
        for order in 1..=reader.counts().len() {
            reader.section(order, |batch| {
                for (at, ngram) in batch.ngrams.iter().enumerate() {
                    let words = batch.words[at * order..(at + 1) * order].join(&b' ');
                    all.push((ngram.prob, ngram.backoff, words));
                }
                Ok(())
            })?;
        }
        reader.end()?;
        Ok(all)
    }

    const GOOD: &str = "# made by hand\n\n\\data\\\nngram 1=2\nngram 2=1\n\n\\1-grams:\n-1\ta\t-0.5\n\n-2\tb\n\n\
                        \\2-grams:\n-0.25\ta b\n\n\\end\\\n";

    #[test]
    fn a_file_reads_with_either_line_end() {
        for text in [GOOD.to_string(), GOOD.replace('\n', "\r\n")] {
            let all = read(text.as_bytes(), false).unwrap();
            assert_eq!(all.len(), 3);
            assert_eq!((all[0].0, all[0].1, &all[0].2[..]), (-1.0, -0.5, &b"a"[..]));
            assert_eq!(all[1].1.to_bits(), NO_EXTENSION.to_bits());
            assert_eq!((all[2].0, &all[2].2[..]), (-0.25, &b"a b"[..]));
        }
    }

    #[test]
    fn errors_name_the_line_and_what_was_expected() {
        let cases = [
            ("\\data\\", "data", "line 3: expected `\\data\\`"),
            ("ngram 2=1", "ngram 3=1", "line 5: expected `ngram 2=` and a count"),
            ("ngram 2=1", "ngram 2=x", "line 5: expected `ngram 2=` and a count"),
            ("ngram 1=2", "ngram 1=3", "line 12: expected the base-10 logarithm of a probability, found `\\2-grams:`"),
            ("ngram 1=2", "ngram 1=1", "line 10: expected `\\2-grams:` after the 1 1-grams"),
            ("ngram 2=1", "ngram 2=2", "line 15: expected the base-10 logarithm"),
            ("-1\ta", "0.5\ta", "line 8: the base-10 logarithm of a probability is 0.5, above zero"),
            ("-1\ta", "-1 a", "line 8: expected a tab behind the probability"),
            ("-2\tb", "-2\t", "line 10: expected 1 words behind the probability, found 0"),
            ("-0.5\n", "nan\n", "line 8: expected a back-off behind 1 words, found `nan`"),
            ("-0.5\n", "-inf\n", "line 8: expected a back-off"),
            ("-0.5\n", "-0.5\t1\n", "line 8: expected a back-off"),
            ("a b\n", "a b c\n", "line 13: expected a tab or the end of the line behind 2 words, found ` c`"),
            ("a b\n", "a b\t-1\n", "line 13: the back-off of an n-gram of the highest order is -1"),
            ("\\end\\\n", "", "line 15: the file ends where `\\end\\` was expected"),
            ("\\end\\\n", "\\end\\\nmore", "line 16: expected nothing after `\\end\\`, found `more`"),
        ];
        for (from, to, expected) in cases {
            let error = read(GOOD.replacen(from, to, 1).as_bytes(), false).unwrap_err().to_string();
            assert!(error.contains(expected), "{to:?}: {error}");
        }
    }

    #[test]
    fn positive_probabilities_are_zero_where_allowed() {
        let all = read(GOOD.replace("-1\ta", "0.5\ta").as_bytes(), true).unwrap();
        assert_eq!(all[0].0, 0.0);
    }
}
