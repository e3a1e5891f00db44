//! Patterns with look-around, as the published scorers have them: leftmost, first alternative, backtracking.

use std::borrow::Cow;

use fancy_regex::Regex;

use super::{Scored, Unscorable};

/// Numbers: a fraction of decimals, a fraction, a decimal, with thousands separated, an integer. `sign` is the class of signs.
pub(super) fn numbers(sign: &str, more: &str) -> String {
    format!(
        r"(?:{sign}?\d+\.?\d+/\d+\.?\d+|{sign}?\d+/\d+|{sign}?\d+\.\d+|\d{{1,5}}(?:,\d{{3}})+(?:\.\d+)*?|{more}{sign}?\d+)"
    )
}

/// The members of a class, those that mean something there escaped.
pub(super) fn class(members: &str) -> String {
    let mut out = String::new();
    for member in members.chars() {
        if r"\]^[-&~".contains(member) {
            out.push('\\');
        }
        out.push(member);
    }
    out
}

/// A pattern of this crate.
pub(super) fn pattern(source: &str) -> Regex {
    Regex::new(source).unwrap_or_else(|error| panic!("`{source}` is written in this crate: {error}"))
}

/// All that match, front to back, without overlap.
pub(super) fn all<'t>(pattern: &Regex, text: &'t str) -> Scored<Vec<&'t str>> {
    pattern.find_iter(text).map(|found| found.map(|found| found.as_str()).map_err(|_| Unscorable)).collect()
}

/// The first group of all that match.
pub(super) fn all_groups<'t>(pattern: &Regex, text: &'t str) -> Scored<Vec<&'t str>> {
    let group = |found: fancy_regex::Captures<'t>| found.get(1).map_or("", |group| group.as_str());
    pattern.captures_iter(text).map(|found| found.map(group).map_err(|_| Unscorable)).collect()
}

/// Whether it matches somewhere.
pub(super) fn is_in(pattern: &Regex, text: &str) -> Scored<bool> {
    pattern.is_match(text).map_err(|_| Unscorable)
}

/// The text with all that match replaced; `$1` is the first group.
pub(super) fn replace<'t>(pattern: &Regex, text: &'t str, with: &str) -> Scored<Cow<'t, str>> {
    pattern.try_replacen(text, 0, with).map_err(|_| Unscorable)
}
