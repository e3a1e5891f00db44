//! How a text becomes the tokens that a model was trained on: spelling first, then words.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Error, Result};
use yuan_sentencepiece::{Model, Scratch};

use super::units::for_each_unit;
use crate::ccnet::CcNetText;
use crate::words::{Language, Words};

/// How a text is spelt before it is cut into tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spelling {
    /// As it is.
    #[default]
    Kept,
    /// In lower case, letter by letter; the few letters whose lower case is longer or shorter stay.
    LowerCase,
    /// As cc_net normalises, faults included: lower case, no accents, digits 0, punctuation of ASCII; line breaks vanish, so
    /// that a document is one sentence.
    #[serde(rename = "ccnet")]
    CcNet,
    /// As cc_net means to: the same without its faults; a line is a sentence.
    #[serde(rename = "ccnet_fixed")]
    CcNetFixed,
}

/// What a token is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tokens {
    /// In Chinese, Japanese, Thai and other scripts without spaces a character; elsewhere a run of letters; a run of digits; a
    /// punctuation mark.
    #[default]
    Units,
    /// What the rules count as words: Chinese as jieba cuts it, Japanese and Thai by dictionary, English as spaCy does.
    Words,
    /// What stands between white space: for text that is cut already, and as fastText itself does.
    WhiteSpace,
    /// Pieces of a SentencePiece model.
    #[serde(rename = "sentencepiece")]
    SentencePiece,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Makes tokens of texts.
#[derive(Clone)]
pub struct Preparation {
    spelling: Spelling,
    tokens: Tokens,
    pieces: Option<Arc<Model>>,
}

impl Preparation {
    /// Tokens of a kind; those of a SentencePiece model need its file.
    ///
    /// # Errors
    /// If the file cannot be read or is not named.
    pub fn new(spelling: Spelling, tokens: Tokens, sentencepiece: Option<&Path>) -> Result<Self> {
        let pieces = match (tokens, sentencepiece) {
            (Tokens::SentencePiece, Some(path)) => {
                let model = Model::open(path).map_err(|error| Error::stage("sentencepiece", error.to_string()))?;
                Some(Arc::new(model))
            }
            (Tokens::SentencePiece, None) => {
                let problem = "tokens of SentencePiece need its model";
                return Err(Error::stage("sentencepiece", problem));
            }
            _ => None,
        };
        Ok(Self { spelling, tokens, pieces })
    }

    /// Calls `sentence` with the tokens of each line that has any.
    ///
    /// `words` are those of the text as it is, if somebody has cut them.
    pub fn for_each_sentence(
        &self,
        text: &str,
        language: Language,
        words: Option<&Words>,
        mut sentence: impl FnMut(&[&str]),
    ) {
        let spelt = match self.spelling {
            Spelling::Kept => None,
            Spelling::LowerCase => Some(lower_case(text)),
            Spelling::CcNet => Some(CcNetText::default().normalize(text)),
            Spelling::CcNetFixed => Some(CcNetText { fixed: true, ..CcNetText::default() }.normalize(text)),
        };
        match (self.tokens, &self.pieces) {
            (Tokens::Words, _) => {
                // Lower case has its words where they are in the text as it is.
                let same_places = self.uses_words_of_the_text();
                let cut;
                let spelt = spelt.as_deref().unwrap_or(text);
                let words = match words.filter(|_| same_places) {
                    Some(words) => words,
                    None => {
                        cut = Words::of_text(if same_places { text } else { spelt }, language);
                        &cut
                    }
                };
                words_by_line(spelt, words, sentence);
            }
            (Tokens::SentencePiece, Some(model)) => SCRATCH.with_borrow_mut(|scratch| {
                let (mut pieces, mut ends) = (String::new(), Vec::new());
                for line in lines(spelt.as_deref().unwrap_or(text)) {
                    pieces.clear();
                    ends.clear();
                    model.encode_pieces(line, scratch, |piece| {
                        pieces.push_str(piece);
                        ends.push(pieces.len());
                    });
                    let starts = std::iter::once(0).chain(ends.iter().copied());
                    let tokens: Vec<&str> = starts.zip(&ends).map(|(start, end)| &pieces[start..*end]).collect();
                    if !tokens.is_empty() {
                        sentence(&tokens);
                    }
                }
            }),
            (kind, _) => {
                let text = spelt.as_deref().unwrap_or(text);
                let mut tokens = Vec::new();
                for line in lines(text) {
                    tokens.clear();
                    match kind {
                        Tokens::WhiteSpace => tokens.extend(line.split_whitespace()),
                        _ => for_each_unit(line, |unit| tokens.push(unit)),
                    }
                    if !tokens.is_empty() {
                        sentence(&tokens);
                    }
                }
            }
        }
    }

    /// Whether it cuts a text where the words are that the rules count.
    pub(super) fn uses_words_of_the_text(&self) -> bool {
        self.tokens == Tokens::Words && matches!(self.spelling, Spelling::Kept | Spelling::LowerCase)
    }

    /// All tokens of a text on one line, as fastText reads it.
    pub fn line(&self, text: &str, language: Language, words: Option<&Words>) -> String {
        let mut line = String::with_capacity(text.len() + text.len() / 4);
        self.for_each_sentence(text, language, words, |tokens| {
            for token in tokens {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(token);
            }
        });
        line
    }
}

/// The text in lower case, every letter in its old place.
fn lower_case(text: &str) -> String {
    let mut lower = String::with_capacity(text.len());
    for character in text.chars() {
        // Scripts from Thai to Hangul have no case.
        if character.is_ascii()
            || ('\u{e00}'..='\u{109f}').contains(&character)
            || ('\u{2e80}'..='\u{a63f}').contains(&character)
        {
            lower.push(character.to_ascii_lowercase());
            continue;
        }
        let mut letters = character.to_lowercase();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.len_utf8() == character.len_utf8() => lower.push(letter),
            _ => lower.push(character),
        }
    }
    lower
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r'])
}

/// Calls `sentence` with the words of each line.
fn words_by_line(text: &str, words: &Words, mut sentence: impl FnMut(&[&str])) {
    let mut tokens: Vec<&str> = Vec::new();
    let mut end = 0;
    for span in words.spans() {
        let range = span.range();
        if !tokens.is_empty() && text[end..range.start].contains(['\n', '\r']) {
            sentence(&tokens);
            tokens.clear();
        }
        end = range.end;
        // A word that is white space inside (a run of it can be one) would be two to whoever reads it.
        let word = text[range].trim();
        if !word.is_empty() && !word.contains(char::is_whitespace) {
            tokens.push(word);
        }
    }
    if !tokens.is_empty() {
        sentence(&tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(spelling: Spelling, tokens: Tokens, text: &str) -> Vec<String> {
        let preparation = Preparation::new(spelling, tokens, None).expect("no file needed");
        let mut sentences = Vec::new();
        let language = Language::of_name("zh").expect("a code");
        preparation.for_each_sentence(text, language, None, |tokens| sentences.push(tokens.join(" ")));
        sentences
    }

    #[test]
    fn a_line_is_a_sentence_of_tokens() {
        let text = "我爱自然语言处理。\r\n\n  GPT-4 用了１２天\n";
        assert_eq!(
            sentences(Spelling::Kept, Tokens::Units, text),
            ["我 爱 自 然 语 言 处 理 。", "GPT - 4 用 了 １２ 天"]
        );
        assert_eq!(
            sentences(Spelling::Kept, Tokens::Words, text),
            ["我 爱 自然语言 处理 。", "GPT - 4 用 了 １ ２ 天"]
        );
        assert_eq!(
            sentences(Spelling::LowerCase, Tokens::WhiteSpace, text),
            ["我爱自然语言处理。", "gpt-4 用了１２天"]
        );
        assert_eq!(
            sentences(Spelling::CcNetFixed, Tokens::Units, text),
            ["我 爱 自 然 语 言 处 理 .", "gpt - 0 用 了 00 天"]
        );
        // cc_net takes line breaks away.
        assert_eq!(sentences(Spelling::CcNet, Tokens::WhiteSpace, text), ["我爱自然语言处理. gpt-0 用了00天"]);
    }

    #[test]
    fn lower_case_keeps_every_letter_in_its_place() {
        let text = "Straße ÄÉ ДОМ İstanbul ΣΟΦΟΣ Ⱥ 中文 Ａ";
        assert_eq!(lower_case(text), "straße äé дом İstanbul σοφοσ Ⱥ 中文 ａ");
        let words = Words::of_text(text, Language::ENGLISH);
        let preparation = Preparation::new(Spelling::LowerCase, Tokens::Words, None).expect("no file needed");
        let line = preparation.line(text, Language::ENGLISH, Some(&words));
        assert_eq!(line, preparation.line(text, Language::ENGLISH, None));
        assert_eq!(line, "straße äé дом İstanbul σοφοσ Ⱥ 中文 ａ");
    }

    #[test]
    fn a_line_for_fasttext_has_no_line_break() {
        let preparation = Preparation::new(Spelling::Kept, Tokens::Units, None).expect("no file needed");
        assert_eq!(preparation.line("a b\n\u{2028}c", Language::ENGLISH, None), "a b c");
        assert!(Preparation::new(Spelling::Kept, Tokens::SentencePiece, None).is_err());
    }
}
