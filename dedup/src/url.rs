//! One spelling for all addresses of a page.
//!
//! Source: RFC 3986, section 6 (case, percent escapes, dot segments, default ports), the URL standard of WHATWG (what an
//! address means that is written with a space or a backslash), UTS 46 for names that are no ASCII. What RFC 3986 leaves to
//! convention (scheme, `www.`, fragment, order and kind of parameters) is a setting each. Pure string work: O(bytes).

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How addresses are compared. Always: host in lower case and as `xn--`, without user and default port; percent escapes in one
/// spelling; `.`, `..` and `;jsessionid=…` out of the path; empty parameters out of the query; `+`, `%20` and a space in the
/// query are one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UrlRules {
    /// The field or column with the document's URL. Default `url`.
    pub field: String,
    /// Whether `http` and `https` are the same. Default true.
    pub ignore_scheme: bool,
    /// Whether `www.` before the host does not count. Default true.
    pub ignore_www: bool,
    /// Whether what follows `#` does not count; `#!…` and `#/…` always do: they name pages. Default true.
    pub ignore_fragment: bool,
    /// Whether a slash at the end of the path does not count. Default true.
    pub ignore_trailing_slash: bool,
    /// Whether the order of parameters does not count. Default true.
    pub sort_parameters: bool,
    /// Whether nothing that follows `?` counts. Default false: on many sites it names the page.
    pub ignore_query: bool,
    /// Parameters that do not count, without case; `*` at the end stands for anything. Default: those of newsletters,
    /// advertisements and sessions (`utm_*`, `gclid`, `fbclid`, `phpsessid`…).
    pub ignore_parameters: Vec<String>,
}

/// Parameters that tell where a reader came from, not what is read.
const TRACKING: [&str; 34] = [
    "utm_*",
    "ga_*",
    "gclid",
    "gclsrc",
    "gbraid",
    "wbraid",
    "dclid",
    "_ga",
    "_gl",
    "fbclid",
    "fb_action_ids",
    "fb_action_types",
    "fb_ref",
    "fb_source",
    "msclkid",
    "yclid",
    "ysclid",
    "twclid",
    "ttclid",
    "igshid",
    "igsh",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "_hsenc",
    "_hsmi",
    "vero_id",
    "wickedid",
    "spm",
    "scm",
    "phpsessid",
    "jsessionid",
    "aspsessionid*",
];

impl Default for UrlRules {
    fn default() -> Self {
        Self {
            field: "url".into(),
            ignore_scheme: true,
            ignore_www: true,
            ignore_fragment: true,
            ignore_trailing_slash: true,
            sort_parameters: true,
            ignore_query: false,
            ignore_parameters: TRACKING.map(str::to_owned).into(),
        }
    }
}

impl UrlRules {
    /// The address in the spelling that it is compared by; empty if there is none. An address without a scheme is one of
    /// the web; one that has no host (`mailto:…`, `data:…`) stands for itself.
    pub fn normalize(&self, url: &str) -> String {
        // As browsers do: no white space around it, no line ends within.
        let url = url.trim_matches(|character: char| character <= ' ' || character.is_whitespace());
        let url: Cow<'_, str> =
            if url.contains(['\t', '\n', '\r']) { url.replace(['\t', '\n', '\r'], "").into() } else { url.into() };
        let (scheme, rest) = match parts(&url) {
            Parts::Opaque => return url.into_owned(),
            Parts::Hierarchical { scheme, rest } => (scheme, rest),
        };
        let is_web = matches!(scheme.as_str(), "http" | "https");
        let rest: Cow<'_, str> = match rest.find(['?', '#']) {
            _ if !is_web => rest.into(),
            end => {
                let (front, back) = rest.split_at(end.unwrap_or(rest.len()));
                if front.contains('\\') { (front.replace('\\', "/") + back).into() } else { rest.into() }
            }
        };
        let (rest, fragment) = rest.split_once('#').unwrap_or((&rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority, &scheme);
        if host.is_empty() && path.trim_matches('/').is_empty() {
            return String::new();
        }

        let mut normalized = String::with_capacity(url.len());
        if !(is_web && self.ignore_scheme) {
            normalized.push_str(&scheme);
            normalized.push(':');
        }
        normalized.push_str("//");
        let bare = host.strip_prefix("www.").filter(|bare| self.ignore_www && bare.contains('.'));
        normalized.push_str(bare.unwrap_or(&host));
        if let Some(port) = port {
            normalized.push(':');
            normalized.push_str(&port);
        }
        let path = self.path(path);
        normalized.push_str(&path);
        let query = if self.ignore_query { String::new() } else { self.query(query) };
        if !query.is_empty() {
            normalized.push('?');
            normalized.push_str(&query);
        }
        if !fragment.is_empty() && (!self.ignore_fragment || fragment.starts_with(['!', '/'])) {
            normalized.push('#');
            normalized.push_str(&escaped(fragment, false));
        }
        normalized
    }

    /// `/` for no path at all, or nothing if slashes at the end do not count.
    fn path(&self, path: &str) -> String {
        let path = without_session(path);
        let mut kept: Vec<String> = Vec::new();
        let mut ends_in_slash = true;
        for segment in path.strip_prefix('/').unwrap_or(&path).split('/') {
            let segment = escaped(segment, false);
            ends_in_slash = matches!(segment.as_str(), "." | ".." | "");
            match segment.as_str() {
                "." => {}
                ".." => drop(kept.pop()),
                _ => kept.push(segment),
            }
        }
        if ends_in_slash && kept.last().is_some_and(String::is_empty) {
            kept.pop();
        }
        let mut path: String = kept.iter().flat_map(|segment| ["/", segment]).collect();
        if ends_in_slash || path.is_empty() {
            path.push('/');
        }
        if self.ignore_trailing_slash {
            path.truncate(path.trim_end_matches('/').len());
        }
        path
    }

    fn query(&self, query: &str) -> String {
        let mut parameters: Vec<String> = query
            .split('&')
            .filter(|parameter| !parameter.trim_matches('=').is_empty())
            .map(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                let (name, value) = (escaped(name, true), escaped(value, true));
                if value.is_empty() { name } else { format!("{name}={value}") }
            })
            .filter(|parameter| !self.is_ignored(parameter.split_once('=').map_or(parameter.as_str(), |it| it.0)))
            .collect();
        if self.sort_parameters {
            parameters.sort();
        }
        parameters.join("&")
    }

    fn is_ignored(&self, name: &str) -> bool {
        self.ignore_parameters.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)),
            None => name.eq_ignore_ascii_case(pattern),
        })
    }
}

enum Parts<'a> {
    /// No host: `mailto:a@b.example`.
    Opaque,
    Hierarchical {
        scheme: String,
        rest: &'a str,
    },
}

fn parts(url: &str) -> Parts<'_> {
    let web = |rest| Parts::Hierarchical { scheme: "http".into(), rest };
    if let Some(rest) = url.strip_prefix("//") {
        return web(rest);
    }
    let Some((scheme, rest)) = url.split_once(':') else { return web(url) };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if !is_scheme {
        return web(url);
    }
    let scheme = scheme.to_ascii_lowercase();
    // Browsers take any number of slashes, either way, for the two.
    if matches!(scheme.as_str(), "http" | "https") {
        return Parts::Hierarchical { rest: rest.trim_start_matches(['/', '\\']), scheme };
    }
    if let Some(rest) = rest.strip_prefix("//") {
        return Parts::Hierarchical { scheme, rest };
    }
    let port = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if is_port && (scheme.contains('.') || scheme == "localhost") { web(url) } else { Parts::Opaque }
}

/// The host in its one spelling, and the port unless it is the scheme's own.
fn host_and_port(authority: &str, scheme: &str) -> (String, Option<String>) {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.find(']') {
        Some(end) if authority.starts_with('[') => {
            (authority[..=end].to_ascii_lowercase(), authority[end + 1..].strip_prefix(':'))
        }
        _ => {
            let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
            (ascii_host(host), port)
        }
    };
    let own = match scheme {
        "http" => "80",
        "https" => "443",
        "ftp" => "21",
        _ => "",
    };
    let port = port.map(|port| port.trim_start_matches('0')).filter(|port| !port.is_empty() && *port != own);
    (host, port.map(str::to_owned))
}

fn ascii_host(host: &str) -> String {
    let host = String::from_utf8_lossy(&unescaped(host)).into_owned();
    let ascii = idna::domain_to_ascii_cow(host.as_bytes(), idna::AsciiDenyList::EMPTY);
    let ascii = ascii.map_or_else(|_| host.to_lowercase(), Cow::into_owned);
    ascii.trim_matches(|character: char| character == '.' || character.is_whitespace()).to_owned()
}

/// The path without `;jsessionid=…` and the like.
fn without_session(path: &str) -> Cow<'_, str> {
    const SESSION: &str = ";jsessionid=";
    let start = path.char_indices().find(|(at, _)| {
        path.get(*at..*at + SESSION.len()).is_some_and(|parameter| parameter.eq_ignore_ascii_case(SESSION))
    });
    match start {
        Some((start, _)) => {
            let end = path[start + 1..].find([';', '/']).map_or(path.len(), |end| start + 1 + end);
            Cow::Owned(format!("{}{}", &path[..start], &path[end..]))
        }
        None => Cow::Borrowed(path),
    }
}

/// Bytes with percent escapes resolved; what is none stays.
fn unescaped(text: &str) -> Vec<u8> {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (bytes, mut at) = (text.as_bytes(), 0);
    let mut resolved = Vec::with_capacity(bytes.len());
    while at < bytes.len() {
        match (bytes[at], hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                resolved.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                resolved.push(byte);
                at += 1;
            }
        }
    }
    resolved
}

/// The text with escapes in one spelling: none for what RFC 3986 calls unreserved, `%XX` for every byte that may not stand
/// for itself; escaped delimiters stay escaped, as they mean something else without. In a query a space is `+`.
fn escaped(text: &str, in_query: bool) -> String {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (bytes, mut at) = (text.as_bytes(), 0);
    let mut escaped = String::with_capacity(text.len());
    while at < bytes.len() {
        let (byte, was_escaped) = match (bytes[at], hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                at += 3;
                ((high * 16 + low) as u8, true)
            }
            (byte, ..) => {
                at += 1;
                (byte, false)
            }
        };
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let delimiter = byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'%');
        if in_query && byte == b' ' {
            escaped.push('+');
        } else if unreserved || (delimiter && !was_escaped) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        for (url, expected) in [
            ("HTTPS://user:pw@WWW.Example.COM:443/a/./b/../c/?b=2&utm_source=x&a=1#top", "//example.com/a/c?a=1&b=2"),
            ("http://例え.テスト/パス", "//xn--r8jz45g.xn--zckzah/%E3%83%91%E3%82%B9"),
            ("example.com:8080", "//example.com:8080"),
            ("http://[2001:DB8::1]:80/", "//[2001:db8::1]"),
            ("ftp://example.com:21/a", "ftp://example.com/a"),
            ("mailto:a@example.com", "mailto:a@example.com"),
            ("http://www.com/", "//www.com"),
            ("http://example.com/#!/page", "//example.com#!/page"),
            ("http://example.com/%7Euser/%2fx%zz", "//example.com/~user/%2Fx%25zz"),
            ("  \n ", ""),
            ("http://", ""),
        ] {
            assert_eq!(UrlRules::default().normalize(url), expected, "{url}");
        }
    }

    #[test]
    fn each_setting_makes_a_difference() {
        let base = UrlRules::default();
        let exact = UrlRules {
            ignore_scheme: false,
            ignore_www: false,
            ignore_fragment: false,
            ignore_trailing_slash: false,
            sort_parameters: false,
            ignore_parameters: Vec::new(),
            ..base.clone()
        };
        let url = "http://www.example.com/a/?b=1&utm_source=x&a=2#top";
        assert_eq!(exact.normalize(url), "http://www.example.com/a/?b=1&utm_source=x&a=2#top");
        assert_eq!(exact.normalize("http://example.com"), "http://example.com/");
        assert_eq!(UrlRules { ignore_query: true, ..base }.normalize(url), "//example.com/a");
    }

    #[test]
    fn normalizing_twice_is_normalizing_once() {
        for line in include_str!("../../tests/fixtures/dedup/urls.tsv").lines().skip(1) {
            for url in line.split('\t').take(2) {
                let once = UrlRules::default().normalize(url);
                assert_eq!(UrlRules::default().normalize(&once), once, "{url}");
            }
        }
    }

    /// Pairs of addresses, and what w3lib, url-normalize and courlan say of them (`tests/oracle/dedup_urls.py`).
    #[test]
    fn addresses_of_one_page_are_the_same() {
        let table = include_str!("../../tests/fixtures/dedup/urls.tsv");
        let mut cases = 0;
        for line in table.lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let same = UrlRules::default().normalize(columns[0]) == UrlRules::default().normalize(columns[1]);
            assert_eq!(same, columns[2] == "same", "{line}");
            cases += 1;
        }
        assert!(cases >= 60, "{cases}");
    }
}
