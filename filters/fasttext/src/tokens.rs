//! Cutting text into fastText's tokens: white space is a set of bytes, the end of a line is a token.

/// The token that a line end stands for.
pub const END_OF_LINE: &[u8] = b"</s>";

/// The prefix that makes a token a label unless another is chosen in training. It is not stored in models.
pub const LABEL_PREFIX: &[u8] = b"__label__";

/// Tokens after which cbow and skipgram cut a line in training.
pub const MAX_LINE_SIZE: usize = 1024;

/// For each byte whether it separates tokens: space, line feed, carriage return, tab, vertical tab, form feed, NUL.
const SEPARATES: [bool; 256] = {
    let mut table = [false; 256];
    let separators = b" \n\r\t\x0b\x0c\0";
    let mut at = 0;
    while at < separators.len() {
        table[separators[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether a byte separates tokens.
#[inline(always)]
pub fn is_separator(byte: u8) -> bool {
    SEPARATES[byte as usize]
}

/// Takes the next token off the front of `input`; `None` at its end.
///
/// A line feed that no token stands directly before is the token [`END_OF_LINE`]; one that ends a token stays in `input`
/// and is the next token. This is fastText's reading from a stream.
#[inline]
pub fn next_token<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let bytes = *input;
    let mut start = 0;
    while start < bytes.len() && is_separator(bytes[start]) {
        start += 1;
        if bytes[start - 1] == b'\n' {
            *input = &bytes[start..];
            return Some(END_OF_LINE);
        }
    }
    if start == bytes.len() {
        *input = &[];
        return None;
    }
    let mut end = start + 1;
    while end < bytes.len() && !is_separator(bytes[end]) {
        end += 1;
    }
    // The separator is used up with the token, unless it is a line feed, which is a token itself.
    let rest = if end < bytes.len() && bytes[end] != b'\n' { end + 1 } else { end };
    *input = &bytes[rest..];
    Some(&bytes[start..end])
}

/// Takes the next token off the front of `text` where a line feed is a separator like any other; `None` at its end.
#[inline]
pub fn next_word<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    let bytes = *text;
    let start = bytes.iter().position(|&byte| !is_separator(byte)).unwrap_or(bytes.len());
    let rest = &bytes[start..];
    let (word, rest) = rest.split_at(rest.iter().position(|&byte| is_separator(byte)).unwrap_or(rest.len()));
    *text = rest;
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(mut text: &[u8]) -> Vec<String> {
        std::iter::from_fn(|| next_token(&mut text)).map(|token| String::from_utf8_lossy(token).into_owned()).collect()
    }

    #[test]
    fn a_line_feed_is_a_token() {
        assert_eq!(tokens(b"a b\nc"), ["a", "b", "</s>", "c"]);
        assert_eq!(tokens(b"\n \n\r\n"), ["</s>", "</s>", "</s>"]);
        assert_eq!(tokens(b"a \nb"), ["a", "</s>", "b"]);
    }

    #[test]
    fn without_line_ends() {
        let mut text = b"\n a\nb \0c".as_slice();
        let words: Vec<&[u8]> = std::iter::from_fn(|| next_word(&mut text)).collect();
        assert_eq!(words, [b"a", b"b", b"c"]);
    }

    #[test]
    fn seven_bytes_separate() {
        assert_eq!(tokens(b"a\tb\x0bc\x0cd\re\0f  g "), ["a", "b", "c", "d", "e", "f", "g"]);
        // The ideographic space and the no-break space do not.
        assert_eq!(tokens("中\u{3000}文\u{a0}x".as_bytes()), ["中\u{3000}文\u{a0}x"]);
        assert_eq!(tokens(b""), Vec::<String>::new());
        assert_eq!(tokens(b"  "), Vec::<String>::new());
    }
}
