//! Where the addresses of a text lie.

use std::ops::Range;

use crate::shape::{Kind, Kinds};

/// The addresses of a text, in order: `https://…` of any scheme and `www.…`, up to white space, a quotation mark,
/// a bracket, or punctuation that is not ASCII, without the punctuation that ends a sentence.
///
/// Letters of scripts with spaces are part of one (`https://президент.рф`, `…/wiki/Река`). Han, kana, Hangul, Thai and
/// their like end it, since there a text goes on without a space, and so do letters of full width.
pub(super) fn urls(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut schemes = memchr::memmem::find_iter(bytes, "://").peekable();
    let mut hosts = memchr::memmem::find_iter(bytes, "www.").peekable();
    let mut taken = 0;
    std::iter::from_fn(move || {
        loop {
            let start = match (schemes.peek().copied(), hosts.peek().copied()) {
                (Some(scheme), host) if host.is_none_or(|host| scheme < host) => {
                    schemes.next();
                    let letters = bytes[..scheme].iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
                    if letters == 0 { bytes.len() } else { scheme - letters }
                }
                (_, Some(host)) => {
                    hosts.next();
                    if host > 0 && bytes[host - 1].is_ascii_alphanumeric() { bytes.len() } else { host }
                }
                (_, None) => return None,
            };
            if start < taken || start == bytes.len() {
                continue;
            }
            let length = text[start..].find(|character| !is_url_char(character)).unwrap_or(text.len() - start);
            let ended =
                bytes[start..start + length].iter().rev().take_while(|byte| b".,;:!?'*_".contains(byte)).count();
            taken = start + length - ended;
            // A scheme or `www.` alone is no address.
            let name = text[start..taken].split_once("://").map_or(taken - start, |(_, name)| name.len());
            if taken - start > 7 && name > 0 {
                return Some(start..taken);
            }
        }
    })
}

fn is_url_char(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_graphic() && !"<>\"`{}|\\^()[]".contains(character);
    }
    let kind = Kinds::get().of(character);
    let is_word = (Kind::LatinLower as u8..=Kind::Digit as u8).contains(&kind);
    let goes_on = [Kind::Han, Kind::Kana, Kind::Hangul, Kind::Unspaced].iter().any(|&unspaced| kind == unspaced as u8);
    is_word && !goes_on && character < '\u{ff00}' || kind == Kind::Joiner as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_end_where_the_text_goes_on() {
        let cases: [(&str, &[&str]); 13] = [
            ("见https://example.com/路径。", &["https://example.com/"]),
            ("see http://a.example/b?c=d#e, or www.example.org.", &["http://a.example/b?c=d#e", "www.example.org"]),
            ("<ftp://x.example/a>(https://www.example.com)", &["ftp://x.example/a", "https://www.example.com"]),
            ("a :// b awww.what", &[]),
            ("访问www.example.cn查看", &["www.example.cn"]),
            ("", &[]),
            ("см. https://ru.wikipedia.org/wiki/Река.", &["https://ru.wikipedia.org/wiki/Река"]),
            ("https://президент.рф/новости, и", &["https://президент.рф/новости"]),
            ("https://fa.wikipedia.org/wiki/رود\u{200c}خانه، و", &["https://fa.wikipedia.org/wiki/رود\u{200c}خانه"]),
            ("«https://example.com/é» https://hi.example/नदी।", &["https://example.com/é", "https://hi.example/नदी"]),
            ("https://example.com을 보라 www.example.comแล้ว", &["https://example.com", "www.example.com"]),
            ("https://example.comＡ１ https://例子.测试", &["https://example.com"]),
            ("https:// и", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(urls(text).map(|range| &text[range]).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
