//! What datatrove's `SentenceDedup` compares: sentences of spaCy's `sentencizer`, by `simplify_text`.
//!
//! Source: datatrove 0.10.1, `utils/text.py` and `pipeline/dedup/sentence_dedup.py`; spaCy 3.8, `sentencizer` on
//! `spacy.blank("en")`. Agreement: `tests/fixtures/dedup/MEASUREMENTS.md`.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use unicode_normalization::{UnicodeNormalization, is_nfd_quick};

use super::spacy::{Token, tokens};
use super::unit::Piece;

/// datatrove's `PUNCTUATION` but for control characters.
const PUNCTUATION: &str = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»";

fn category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

/// Whether the character is a decimal digit of any script.
pub(super) fn is_digit(character: char) -> bool {
    character.is_ascii_digit() || !character.is_ascii() && category(character) == GeneralCategory::DecimalNumber
}

/// Appends `simplify_text` of a text: lower case, numbers to 0, punctuation to spaces, white space collapsed, letters without
/// nonspacing marks.
pub(super) fn simplify(text: &str, out: &mut String) {
    let lower = text.to_lowercase();
    let mut plain = String::with_capacity(lower.len());
    let mut characters = lower.chars().peekable();
    let mut push = |character: char| {
        let is_control =
            matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}');
        let is_space = character.is_whitespace() || is_control || PUNCTUATION.contains(character);
        if !is_space {
            plain.push(character);
        } else if !plain.is_empty() && !plain.ends_with(' ') {
            plain.push(' ');
        }
    };
    while let Some(character) = characters.next() {
        if !is_digit(character) {
            push(character);
            continue;
        }
        while characters.next_if(|next| is_digit(*next)).is_some() {}
        // A separator belongs to the number only before another digit.
        let mut ahead = characters.clone();
        if ahead.next_if(|next| matches!(next, '.' | ',' | '،' | '٫' | '⎖' | '⎗' | '⎘')).is_some()
            && ahead.next_if(|next| is_digit(*next)).is_some()
        {
            while ahead.next_if(|next| is_digit(*next)).is_some() {}
            characters = ahead;
        }
        push('0');
    }
    let plain = plain.trim_end();
    if plain.is_ascii() {
        out.push_str(plain);
        return;
    }
    let start = out.len();
    let is_kept = |character: &char| category(*character) != GeneralCategory::NonspacingMark;
    if is_nfd_quick(plain.chars()) == unicode_normalization::IsNormalized::Yes {
        out.extend(plain.chars().filter(is_kept));
    } else {
        out.extend(plain.nfd().filter(is_kept));
    }
    let end = start + out[start..].trim_end().len();
    out.truncate(end);
    let spaces = out[start..].len() - out[start..].trim_start().len();
    out.replace_range(start..start + spaces, "");
}

/// Marks of one character that end a sentence for the `sentencizer`.
const SENTENCE_ENDS: &str = "!.?։؟۔܀܁܂߹।॥၊။።፧፨᙮᜵᜶᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫﹒﹖﹗！．？｡。";

fn is_punctuation(character: char) -> bool {
    use GeneralCategory as G;
    matches!(
        category(character),
        G::DashPunctuation
            | G::OpenPunctuation
            | G::ClosePunctuation
            | G::ConnectorPunctuation
            | G::OtherPunctuation
            | G::InitialPunctuation
            | G::FinalPunctuation
    )
}

/// Appends the sentences of a text: a piece begins where the one before ends, white space between them included.
pub(super) fn sentences(text: &str, pieces: &mut Vec<Piece>) {
    let (mut seen_end, mut start, mut end) = (false, 0, 0);
    let mut push = |start: usize, end: usize| {
        pieces.push(Piece { content: super::unit::trimmed(text, start..end), end });
    };
    tokens(text, |Token { start: at, end: after, .. }| {
        let token = &text[at..after];
        let mut characters = token.chars();
        let first = characters.next().unwrap_or(' ');
        let is_end = characters.next().is_none() && SENTENCE_ENDS.contains(first);
        if seen_end && !is_end && !token.chars().all(is_punctuation) {
            push(start, end);
            start = end;
            seen_end = false;
        } else if is_end {
            seen_end = true;
        }
        end = after;
    });
    if end > start {
        push(start, end);
    }
}

/// The number of words as datatrove counts them.
pub(super) fn words(text: &str) -> usize {
    let mut count = 0;
    tokens(text, |token| count += usize::from(!token.is_space));
    count
}

#[cfg(test)]
mod tests {
    use super::super::unit::Cutting;
    use super::*;

    #[test]
    fn simplified_text_is_datatroves() {
        // As datatrove 0.10.1 gives them.
        for (text, expected) in [
            ("  Hello,  World! ", "hello world"),
            ("3.5 and 1,000,000 or ٣٫٥.", "0 and 0 0 or 0"),
            ("naïve café ÉTÉ İ", "naive cafe ete i"),
            ("你好，世界。100％", "你好 世界 0"),
            ("a\u{85}b\tc\u{3000}d", "a b c d"),
            ("---", ""),
            ("か\u{3099}が 한국", "かか 한국"),
        ] {
            let mut found = String::new();
            simplify(text, &mut found);
            assert_eq!(found, expected.nfd().collect::<String>(), "{text}");
        }
    }

    #[test]
    fn sentences_are_the_sentencizers() {
        let sentences = |text| -> Vec<&str> {
            let mut start = 0;
            let pieces = Cutting::DatatroveSentences.pieces(text);
            pieces.iter().map(|piece| &text[std::mem::replace(&mut start, piece.end)..piece.end]).collect()
        };
        // As spaCy 3.8.18 gives them.
        assert_eq!(
            sentences("Mr. Smith went. He said: \"Go!\" Now.\nNext line... still (yes.) End"),
            ["Mr. Smith went.", " He said: \"Go!\"", " Now.", "\nNext line... still (yes.)", " End"]
        );
        assert_eq!(sentences("The U.S. is e.g. big. NASA. ok"), ["The U.S. is e.g. big.", " NASA.", " ok"]);
        assert_eq!(sentences("你好。世界！再见。 好"), ["你好。世界！再见。", " 好"]);
    }
    #[test]
    #[allow(clippy::print_stdout, reason = "agreement is told")]
    fn sentences_of_real_documents() {
        let decompressed = |path: &str| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            String::from_utf8(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()).unwrap()
        };
        let (corpus, golden) = (
            decompressed("../cli/demo/corpus.jsonl.zst"),
            decompressed("../tests/fixtures/dedup/repeats_datatrove.jsonl.zst"),
        );
        let (mut documents, mut same, mut ends, mut same_ends, mut missed) = (0, 0, 0, 0, 0);
        for (line, row) in corpus.lines().zip(golden.lines()) {
            let text = serde_json::from_str::<serde_json::Value>(line).unwrap();
            let text = text["text"].as_str().unwrap();
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            let mut at = 0;
            let sum = |length: &serde_json::Value| {
                at += length.as_u64().unwrap() as usize;
                at
            };
            let expected: Vec<usize> = row["ends"].as_array().unwrap().iter().map(sum).collect();
            let pieces = Cutting::DatatroveSentences.pieces(text);
            let found: Vec<usize> = pieces.iter().map(|piece| text[..piece.end].chars().count()).collect();
            let common = found.iter().filter(|end| expected.binary_search(end).is_ok()).count();
            documents += 1;
            same += usize::from(found == expected);
            ends += expected.len();
            same_ends += common;
            missed += found.len() - common;
        }
        println!("{same} of {documents} documents cut alike; {same_ends} of {ends} ends found, {missed} others");
        assert!(same as f64 > 0.99 * f64::from(documents), "{same} of {documents}");
        assert!(same_ends as f64 > 0.999 * ends as f64 && f64::from(missed as u32) < 0.001 * ends as f64);
    }
}
