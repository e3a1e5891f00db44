//! The `pre_tokenizer` of a `tokenizer.json`: steps each of which cuts the pieces of the one before.

use serde_json::Value;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::split::Split;
use tokenizers::tokenizer::PreTokenizer as _;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString};

use super::{Known, Splitter, regex};

/// What a `pre_tokenizer` that ends in bytes does.
pub(crate) struct PreTokenizer {
    /// Cuts the text, after the space is added.
    pub splitter: Splitter,
    /// A text between added tokens that does not start with a space gets one.
    pub add_prefix_space: bool,
}

impl PreTokenizer {
    /// From the value of `pre_tokenizer`: `Split`s, `Digits`, `Punctuation`, `UnicodeScripts`, last a `ByteLevel`.
    /// Nothing if it takes characters away or puts others in their place before it spells bytes.
    pub(crate) fn from_json(pre_tokenizer: &Value) -> Option<Self> {
        let mut values = Vec::new();
        flatten(pre_tokenizer, &mut values)?;
        let (byte_level, values) = values.split_last()?;
        if byte_level["type"] != "ByteLevel" {
            return None;
        }
        let add_prefix_space = byte_level["add_prefix_space"].as_bool()?;
        // Every piece of earlier steps would get one.
        if add_prefix_space && !values.is_empty() {
            return None;
        }
        let mut steps = Vec::new();
        let mut rest = values;
        while let Some((value, after)) = rest.split_first() {
            if let [first, second, third, after @ ..] = rest
                && let (Some(first), Some(second), Some(third)) = (isolated(first), isolated(second), isolated(third))
                && let Some(known) = Known::of_three([first, second, third])
            {
                steps.push(Step::Known(known));
                rest = after;
                continue;
            }
            steps.push(step(value)?);
            rest = after;
        }
        // Older files do not say it.
        if byte_level.get("use_regex").is_none_or(|says| says == true) {
            steps.push(Step::Known(Known::Gpt2));
        }
        Some(Self { splitter: Splitter::of_steps(steps), add_prefix_space })
    }
}

fn flatten<'v>(value: &'v Value, into: &mut Vec<&'v Value>) -> Option<()> {
    if value["type"] == "Sequence" {
        value["pretokenizers"].as_array()?.iter().try_for_each(|value| flatten(value, into))
    } else {
        into.push(value);
        Some(())
    }
}

/// The pattern of a `Split` that keeps matches and what lies between them as pieces.
fn isolated(value: &Value) -> Option<&str> {
    // With `invert` the two change places and both are kept all the same.
    let keeps = value["type"] == "Split" && value["behavior"] == "Isolated" && value["invert"].is_boolean();
    keeps.then(|| value["pattern"]["Regex"].as_str()).flatten()
}

fn step(value: &Value) -> Option<Step> {
    if let Some(pattern) = isolated(value) {
        return Step::of(pattern).ok();
    }
    let removes = value["behavior"] == "Removed";
    match value["type"].as_str()? {
        // What is not a match is taken away, of which there is nothing.
        "Split" if removes => {
            let known = Known::of(value["pattern"]["Regex"].as_str()?)?;
            (value["invert"] == true && known.is_total()).then_some(Step::Known(known))
        }
        "Digits" => Some(Step::Digits { each: value["individual_digits"].as_bool()? }),
        "Split" | "Punctuation" | "UnicodeScripts" if !removes => {
            let library = serde_json::from_value(value.clone()).ok()?;
            Some(Step::Library(Box::new(library)))
        }
        _ => None,
    }
}

/// One step.
pub(super) enum Step {
    /// A pattern written out.
    Known(Known),
    /// Any pattern; matches and what lies between them are pieces.
    Regex(Box<Split>),
    /// Runs of what Rust's library takes for numeric, or each such character.
    Digits { each: bool },
    /// What only the library does; it leaves all characters as they are.
    Library(Box<PreTokenizerWrapper>),
}

impl Step {
    /// By this pattern.
    pub(super) fn of(pattern: &str) -> tokenizers::Result<Self> {
        Ok(match Known::of(pattern) {
            Some(known) => Self::Known(known),
            None => Self::Regex(Box::new(regex(pattern)?)),
        })
    }

    pub(super) fn split<'t>(&self, text: &'t str, piece: &mut dyn FnMut(&'t str)) {
        match self {
            Self::Known(known) => known.split(text, piece),
            Self::Regex(split) => {
                let mut done = 0;
                for (start, end) in split.regex.find_iter(text) {
                    // What the pattern leaves out is a piece as well.
                    for (start, end) in [(done, start), (start, end)] {
                        if start < end {
                            piece(&text[start..end]);
                        }
                    }
                    done = end;
                }
                if done < text.len() {
                    piece(&text[done..]);
                }
            }
            Self::Digits { each } => {
                let mut start = 0;
                let mut numeric = false;
                for (at, char) in text.char_indices() {
                    let is_numeric = char.is_numeric();
                    if at > start && (is_numeric != numeric || (numeric && *each)) {
                        piece(&text[start..at]);
                        start = at;
                    }
                    numeric = is_numeric;
                }
                if start < text.len() {
                    piece(&text[start..]);
                }
            }
            Self::Library(library) => {
                let mut cut = PreTokenizedString::from(text);
                library.pre_tokenize(&mut cut).expect("it only looks for places");
                for (_, (start, end), _) in cut.get_splits(OffsetReferential::Original, OffsetType::Byte) {
                    if start < end {
                        piece(&text[start..end]);
                    }
                }
            }
        }
    }
}

/// Hands over the pieces of the last step in order.
pub(super) fn split<'t>(steps: &[Step], text: &'t str, piece: &mut dyn FnMut(&'t str)) {
    match steps.split_first() {
        None if text.is_empty() => {}
        None => piece(text),
        Some((step, rest)) => step.split(text, &mut |text| split(rest, text, piece)),
    }
}
