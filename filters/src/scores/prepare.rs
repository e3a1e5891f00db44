//! How a text becomes the tokens that a model was trained on: spelling first, then words.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Error, Result};
use yuan_sentencepiece::{Encoder, Model};

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
    /// In lower case.
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
            Spelling::LowerCase => Some(text.to_lowercase()),
            Spelling::CcNet => Some(CcNetText::default().normalize(text)),
            Spelling::CcNetFixed => Some(CcNetText { fixed: true, ..CcNetText::default() }.normalize(text)),
        };
        match (self.tokens, &self.pieces) {
            (Tokens::Words, _) => {
                let cut;
                let (text, words) = match (&spelt, words) {
                    (None, Some(words)) => (text, words),
                    (spelt, _) => {
                        let text = spelt.as_deref().unwrap_or(text);
                        cut = Words::of_text(text, language);
                        (text, &cut)
                    }
                };
                words_by_line(text, words, sentence);
            }
            (Tokens::SentencePiece, Some(model)) => {
                let mut encoder = Encoder::new(model);
                let mut ids = Vec::new();
                for line in lines(spelt.as_deref().unwrap_or(text)) {
                    ids.clear();
                    encoder.encode_ids(line, &mut ids);
                    let tokens: Vec<&str> = ids.iter().map(|id| model.piece(*id)).collect();
                    if !tokens.is_empty() {
                        sentence(&tokens);
                    }
                }
            }
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
        assert_eq!(sentences(Spelling::Kept, Tokens::Words, text), ["我 爱 自然语言 处理 。", "GPT - 4 用 了 １２ 天"]);
        assert_eq!(
            sentences(Spelling::LowerCase, Tokens::WhiteSpace, text),
            ["我爱自然语言处理。", "gpt-4 用了１２天"]
        );
        assert_eq!(
            sentences(Spelling::CcNetFixed, Tokens::Units, text),
            ["我 爱 自 然 语 言 处 理 .", "gpt - 0 用 了 00 天"]
        );
        // cc_net takes line breaks away and １ for a quotation mark.
        assert_eq!(sentences(Spelling::CcNet, Tokens::WhiteSpace, text), ["我爱自然语言处理. gpt-0 用了\"0天"]);
    }

    #[test]
    fn a_line_for_fasttext_has_no_line_break() {
        let preparation = Preparation::new(Spelling::Kept, Tokens::Units, None).expect("no file needed");
        assert_eq!(preparation.line("a b\n\u{2028}c", Language::ENGLISH, None), "a b c");
        assert!(Preparation::new(Spelling::Kept, Tokens::SentencePiece, None).is_err());
    }
}
