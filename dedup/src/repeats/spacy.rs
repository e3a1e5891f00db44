//! Tokens as `spacy.blank("en")` cuts them, as far as sentences and the number of words depend on them: runs between white
//! space, from whose ends marks are cut off one by one, and which are cut at infixes. Abbreviations are known, emoticons and
//! contractions without an apostrophe are not.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// One token.
pub(super) struct Token {
    pub start: usize,
    pub end: usize,
    /// White space beyond the one space that ends a token.
    pub is_space: bool,
}

const PUNCTUATION: &str = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪";
const QUOTES: &str = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧";
const CURRENCY: &str = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿";

/// Abbreviations that keep their full stop.
const ABBREVIATIONS: [&str; 96] = [
    "a.m.", "p.m.", "Adm.", "Ak.", "Ala.", "Apr.", "Ariz.", "Ark.", "Aug.", "Bros.", "Calif.", "Co.", "Colo.", "Conn.",
    "Corp.", "D.C.", "Dec.", "Del.", "Dr.", "E.G.", "E.g.", "Feb.", "Fla.", "Ga.", "Gen.", "Gov.", "I.E.", "I.e.",
    "Ia.", "Id.", "Ill.", "Inc.", "Ind.", "Jan.", "Jr.", "Jul.", "Jun.", "Kan.", "Kans.", "Ky.", "La.", "Ltd.", "Mar.",
    "Mass.", "Md.", "Messrs.", "Mich.", "Minn.", "Miss.", "Mo.", "Mont.", "Mr.", "Mrs.", "Ms.", "Mt.", "N.C.", "N.D.",
    "N.H.", "N.J.", "N.M.", "N.Y.", "Neb.", "Nebr.", "Nev.", "Nov.", "Oct.", "Okla.", "Ore.", "Pa.", "Ph.D.", "Prof.",
    "Rep.", "Rev.", "S.C.", "Sen.", "Sep.", "Sept.", "St.", "Tenn.", "Va.", "Wash.", "Wis.", "co.", "e.g.", "i.e.",
    "v.s.", "vs.", "ä.", "ö.", "ü.", "o.0", "o.O", "O.o", "O.O", "0.o", "._.",
];

fn is_special(run: &str) -> bool {
    let bytes = run.as_bytes();
    bytes.len() == 2 && bytes[0].is_ascii_lowercase() && bytes[1] == b'.' || ABBREVIATIONS.contains(&run)
}

fn is_icon(character: char) -> bool {
    !character.is_ascii() && CodePointMapData::<GeneralCategory>::new().get(character) == GeneralCategory::OtherSymbol
}

/// A lower-case letter, or a character of the scripts without case that spaCy counts with them: not Thai.
fn is_lower(character: char) -> bool {
    character.is_lowercase()
        || matches!(character,
            '\u{591}'..='\u{5f4}' | '\u{620}'..='\u{64a}' | '\u{66e}'..='\u{6d5}' | '\u{6e5}'..='\u{6ff}' | '\u{750}'..='\u{77f}'
            | '\u{900}'..='\u{97f}' | '\u{980}'..='\u{9ff}' | '\u{b80}'..='\u{cff}' | '\u{d80}'..='\u{dff}' | '\u{1100}'..='\u{137f}'
            | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3038}'..='\u{318f}'
            | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{20000}'..='\u{2fa1f}')
}

/// Whether a run is an address, with a protocol or without: labels and dots, of which the last is lower-case letters alone.
fn is_address(run: &str) -> bool {
    let is_label = |one: char| one.is_ascii_alphanumeric() || ('\u{a1}'..='\u{ffff}').contains(&one);
    let rest = match run.split_once("://") {
        Some((protocol, rest))
            if protocol.len() > 1 && protocol.chars().all(|one| one.is_alphanumeric() || "_.+-".contains(one)) =>
        {
            rest
        }
        _ => run,
    };
    let end = rest.find(['/', '?', '#', ':']).unwrap_or(rest.len());
    let (host, behind) = rest.split_at(end);
    let behind = match behind.strip_prefix(':') {
        Some(port) => {
            let digits = port.len() - port.trim_start_matches(|one: char| one.is_ascii_digit()).len();
            if !(2..=5).contains(&digits) {
                return false;
            }
            &port[digits..]
        }
        None => behind,
    };
    let Some((labels, last)) = host.rsplit_once('.') else { return false };
    let is_name = |label: &str| {
        label.chars().count() <= 64
            && label.starts_with(is_label)
            && label.ends_with(is_label)
            && label.chars().all(|one| is_label(one) || matches!(one, '-' | '_'))
    };
    let letters = last.chars().count();
    labels.split('.').all(is_name)
        && (2..=63).contains(&letters)
        && last.chars().all(|one| one.is_ascii_lowercase() || !one.is_ascii() && is_label(one))
        && (behind.is_empty() || behind.starts_with(['/', '?', '#']))
}

/// Bytes of what is cut off the front.
fn prefix(run: &str) -> usize {
    let mut characters = run.chars();
    let Some(first) = characters.next() else { return 0 };
    let next = characters.next();
    match first {
        '.' => {
            let dots = run.len() - run.trim_start_matches('.').len();
            if dots > 1 { dots } else { 0 }
        }
        '§' | '%' | '=' | '—' | '–' => first.len_utf8(),
        '+' if !next.is_some_and(|next| next.is_ascii_digit()) => 1,
        _ if PUNCTUATION.contains(first) || QUOTES.contains(first) || CURRENCY.contains(first) || is_icon(first) => {
            first.len_utf8()
        }
        'U' if run.starts_with("US$") => 3,
        'A' | 'C' if next == Some('$') => 2,
        _ => 0,
    }
}

/// Bytes of what is cut off the end.
fn suffix(run: &str) -> usize {
    let mut characters = run.chars().rev();
    let Some(last) = characters.next() else { return 0 };
    let (before, earlier) = (characters.next(), characters.next());
    let is_digit = |character: Option<char>| character.is_some_and(|character| character.is_ascii_digit());
    match last {
        '.' => {
            let dots = run.len() - run.trim_end_matches('.').len();
            let Some(before) = before else { return 0 };
            let upper = |character: char| character.is_uppercase();
            if dots > 1 {
                dots
            } else if before.is_ascii_digit()
                || is_lower(before)
                || "%²-+".contains(before)
                || PUNCTUATION.contains(before)
                || QUOTES.contains(before)
                || upper(before) && earlier.is_some_and(upper)
                || "FfCcKk".contains(before) && earlier == Some('°')
            {
                1
            } else {
                0
            }
        }
        's' | 'S' if matches!(before, Some('\'' | '’')) => 1 + before.map_or(0, char::len_utf8),
        '—' | '–' => last.len_utf8(),
        '+' if is_digit(before) => 1,
        _ if CURRENCY.contains(last) && is_digit(before) => last.len_utf8(),
        _ if PUNCTUATION.contains(last) || QUOTES.contains(last) || is_icon(last) => last.len_utf8(),
        _ => 0,
    }
}

/// The first infix of a run: where it is and its bytes.
fn infix(run: &str) -> Option<(usize, usize)> {
    let mut before: Option<char> = None;
    for (at, character) in run.char_indices() {
        let rest = &run[at..];
        let next = rest.chars().nth(1);
        let is = |of: Option<char>, what: fn(char) -> bool| of.is_some_and(what);
        let found = match character {
            '.' if rest.starts_with("..") => rest.len() - rest.trim_start_matches('.').len(),
            '…' => character.len_utf8(),
            '.' if before.is_some_and(|before| is_lower(before) || QUOTES.contains(before))
                && next.is_some_and(|next| next.is_uppercase() || QUOTES.contains(next)) =>
            {
                1
            }
            ',' if is(before, char::is_alphabetic) && is(next, char::is_alphabetic) => 1,
            '+' | '-' | '*' | '^'
                if is(before, |before| before.is_ascii_digit())
                    && is(next, |next| next.is_ascii_digit() || next == '-') =>
            {
                1
            }
            '-' | '–' | '—' | '~' if is(before, char::is_alphabetic) => {
                let after = rest.trim_start_matches(character);
                let bytes = rest.len() - after.len();
                if after.starts_with(char::is_alphabetic) && bytes <= 6 { bytes } else { 0 }
            }
            ':' | '<' | '>' | '=' | '/'
                if is(before, |before| before.is_alphabetic() || before.is_ascii_digit())
                    && is(next, char::is_alphabetic) =>
            {
                1
            }
            _ if is_icon(character) => character.len_utf8(),
            _ => 0,
        };
        if found > 0 {
            return Some((at, found));
        }
        before = Some(character);
    }
    None
}

/// Hands the tokens of a text to `take`, in order.
pub(super) fn tokens(text: &str, mut take: impl FnMut(Token)) {
    let mut suffixes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let spaces = rest.len() - rest.trim_start().len();
        if spaces > 0 {
            take(Token { start: at, end: at + spaces, is_space: true });
            at += spaces;
            continue;
        }
        let end = at + rest.find(char::is_whitespace).unwrap_or(rest.len());
        cut(text, at, end, &mut suffixes, &mut take);
        // One space belongs to the token before it.
        at = if text[end..].starts_with(' ') { end + 1 } else { end };
    }
}

fn cut(text: &str, mut start: usize, mut end: usize, suffixes: &mut Vec<(usize, usize)>, take: &mut impl FnMut(Token)) {
    let mut push = |start, end| take(Token { start, end, is_space: false });
    if text[start..end].bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return push(start, end);
    }
    suffixes.clear();
    while start < end && !is_special(&text[start..end]) {
        let cut = prefix(&text[start..end]);
        if cut > 0 && is_special(&text[start + cut..end]) {
            push(start, start + cut);
            start += cut;
            break;
        }
        let back = suffix(&text[start + cut..end]);
        if cut + back == 0 {
            break;
        }
        if cut > 0 {
            push(start, start + cut);
            start += cut;
        }
        if back > 0 && start < end {
            suffixes.push((end - back, end));
            end -= back;
        }
    }
    if start < end {
        let run = &text[start..end];
        let is_whole = is_special(run) || is_address(run);
        let mut from = start;
        while let Some((at, length)) = (!is_whole).then(|| infix_from(text, start, from, end)).flatten() {
            if at > from {
                push(from, at);
            }
            push(at, at + length);
            from = at + length;
        }
        if from < end {
            push(from, end);
        }
    }
    while let Some((start, end)) = suffixes.pop() {
        push(start, end);
    }
}

/// The next infix at or after `from`, in the run from `start` to `end`.
fn infix_from(text: &str, start: usize, from: usize, end: usize) -> Option<(usize, usize)> {
    // What is before an infix counts: begin one character earlier.
    let begin = text[start..from].char_indices().next_back().map_or(start, |(at, _)| start + at);
    let (at, length) = infix(&text[begin..end])?;
    if begin + at >= from {
        return Some((begin + at, length));
    }
    let (at, length) = infix(&text[from..end])?;
    Some((from + at, length))
}
