//! Is this an address? As spaCy decides before it looks inside a word.
//!
//! Source: the language of `URL_PATTERN` in spaCy 3.8 `lang/tokenizer_exceptions.py`, matched by hand: an
//! optional scheme, an optional `user@`, an IPv4 address or dotted labels with a lower-case last label, an
//! optional port, an optional rest after `/`, `?` or `#`.

use super::classes::{Classes, LOWER};

/// Whether the whole of `text`, which holds no white space, reads as an address.
pub(super) fn is_url(classes: &Classes, text: &str) -> bool {
    if !text.contains('.') {
        return false;
    }
    let after_scheme = text.find("://").filter(|&at| {
        let scheme = &text[..at];
        let fits = |character: char| character.is_alphanumeric() || matches!(character, '_' | '+' | '-' | '.');
        scheme.chars().nth(1).is_some() && scheme.chars().all(fits)
    });
    after_scheme.is_some_and(|at| user_and_host(classes, &text[at + 3..])) || user_and_host(classes, text)
}

fn user_and_host(classes: &Classes, text: &str) -> bool {
    host(classes, text) || text.match_indices('@').any(|(at, _)| at > 0 && host(classes, &text[at + 1..]))
}

fn host(classes: &Classes, text: &str) -> bool {
    let end = text.find(|character| !(is_inside_label(character) || character == '.')).unwrap_or(text.len());
    port_and_path(&text[end..]) && (is_public_ipv4(&text[..end]) || is_domain(classes, &text[..end]))
}

fn is_label_edge(character: char) -> bool {
    character.is_ascii_alphanumeric() || ('\u{a1}'..='\u{ffff}').contains(&character)
}

fn is_inside_label(character: char) -> bool {
    is_label_edge(character) || matches!(character, '_' | '-')
}

fn is_domain(classes: &Classes, name: &str) -> bool {
    let Some((labels, last)) = name.rsplit_once('.') else { return false };
    let last_fits = (2..=63).contains(&last.chars().count()) && last.chars().all(|c| classes.of(c) & LOWER != 0);
    last_fits
        && labels.split('.').all(|label| {
            label.starts_with(is_label_edge) && label.ends_with(is_label_edge) && label.chars().count() <= 64
        })
}

fn is_public_ipv4(address: &str) -> bool {
    let parts: Vec<&str> = address.split('.').collect();
    let [a, b, c, d] = parts[..] else { return false };
    let number = |part: &str, digits: usize| {
        let fits = !part.is_empty() && part.len() <= digits && part.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| part.parse::<u32>().ok()).flatten()
    };
    let (Some(first), Some(second), Some(third), Some(fourth)) =
        (number(a, 3), number(b, 3), number(c, 3), number(d, 3))
    else {
        return false;
    };
    let plain = |part: &str| !part.starts_with('0');
    // A middle part of three digits begins with 1 or 2, so `007` is out and `07` is in.
    let middle = |part: &str, value: u32| value <= 255 && (part.len() < 3 || plain(part));
    let private = matches!(first, 10 | 127)
        || (first == 169 && second == 254)
        || (first == 192 && second == 168)
        || (first == 172 && (16..=31).contains(&second) && b.len() == 2);
    plain(a)
        && (1..=223).contains(&first)
        && middle(b, second)
        && middle(c, third)
        && plain(d)
        && (1..=254).contains(&fourth)
        && !private
}

fn port_and_path(rest: &str) -> bool {
    let is_path = |rest: &str| rest.is_empty() || rest.starts_with(['/', '?', '#']);
    if is_path(rest) {
        return true;
    }
    let Some(port) = rest.strip_prefix(':') else { return false };
    let digits = port.chars().take_while(|character| character.is_numeric()).count();
    let bytes = port.chars().take(digits).map(char::len_utf8).sum::<usize>();
    (2..=5).contains(&digits) && is_path(&port[bytes..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of `spacy.lang.tokenizer_exceptions.URL_MATCH`, spaCy 3.8.
    #[test]
    fn addresses_are_told_as_spacy_tells_them() {
        let yes = [
            "example.com",
            "www.example.com/a?b=c#d",
            "http://foo.bar",
            "user:pass@host.org:8080/x",
            "a.b.cd",
            "8.8.8.8",
            "ftp://1.2.3.4/file",
            "mailto:me@example.com",
            "x_y.example.io",
            "例子.测试",
            "a@b.co",
            "file.txt",
            "1.ab",
            "foo.bar@baz.qux",
        ];
        let no = [
            "example",
            "e.g",
            "U.S",
            "10.0.0.1",
            "192.168.1.1",
            "foo.Bar",
            "a..bc",
            "-a.bc",
            "a-.bc",
            "1.2",
            "example.com:1",
            "example.com,more",
            "http://foo",
            "3.14",
            "x.c",
            "300.1.1.1",
        ];
        for text in yes {
            assert!(is_url(Classes::get(), text), "{text}");
        }
        for text in no {
            assert!(!is_url(Classes::get(), text), "{text}");
        }
    }
}
