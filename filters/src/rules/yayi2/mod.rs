//! YAYI 2's heuristic cleaning: takes lines out that are no part of a text, and drops text that is garbled, confused,
//! advertising, or full of redundant, missing or misplaced characters.
//!
//! Source: Luo et al. 2023, arXiv:2312.14862, section 2.2, which names levels (document, line, word, character), faults
//! and categories of text, and gives no thresholds: these are measured
//! (`tests/fixtures/rules/THRESHOLDS_RATIOS.md`). Reads `text`, and `language` and `category` where they are there;
//! rewrites the text. Cost: a walk over the characters, another over the bytes, and two automata.

mod garbled;
mod lines;
mod triggers;

use std::cell::RefCell;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Check, Document, Measure, Measured, Rules};

use self::lines::LineRules;
use self::triggers::Trigger;
use super::per_language::{DocumentLanguage, PerLanguage};
use crate::shape::Shape;
use crate::words::Language;

/// What kind of text a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextCategory {
    /// Any page of the web.
    #[default]
    Web,
    /// Articles of an encyclopaedia.
    Encyclopaedia,
    /// Questions and answers.
    Qa,
    /// News.
    News,
    /// Books.
    Books,
    /// Source code and text about it.
    Code,
}

impl TextCategory {
    /// Every category with its name, and the stage its built-in values are listed under.
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Web, "web", "yayi2"),
        (Self::Encyclopaedia, "encyclopaedia", "yayi2 encyclopaedia"),
        (Self::Qa, "qa", "yayi2 qa"),
        (Self::News, "news", "yayi2 news"),
        (Self::Books, "books", "yayi2 books"),
        (Self::Code, "code", "yayi2 code"),
    ];

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, _)| *known == name).map(|(category, ..)| category)
    }

    fn stage(self) -> &'static str {
        Self::ALL.into_iter().find(|(category, ..)| *category == self).map_or("yayi2", |(_, _, stage)| stage)
    }
}

/// Thresholds of YAYI 2's rules; a threshold of 0 turns its check off.
///
/// A setting that is not its default holds for every language and category; those left at their defaults give way
/// to what is built in for a document's language and category, and all of them to `languages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Yayi2 {
    /// What kind of text the documents are, where they have no column or field `category` that says it: `web`,
    /// `encyclopaedia`, `qa`, `news`, `books`, `code`. Default `web`.
    pub category: TextCategory,
    /// Fewest characters, without white space, that must be left once bad lines are out. Default 30 (measured).
    pub min_chars: usize,
    /// Greatest fraction of characters, in [0, 1], that are garbled: replaced, unassigned, of private use, controls,
    /// or letters that come of the wrong encoding. Default 0.01 (measured).
    pub max_garbled_fraction: f64,
    /// Greatest fraction of characters, in [0, 1], that are marks of missing ones (`□`, `〓`, `????`). Default 0.01
    /// (measured).
    pub max_missing_fraction: f64,
    /// Greatest fraction of characters, in [0, 1], that only repeat those before: vowel signs and accents from the
    /// third, other marks from the fourth, letters from the fifth on. Default 0.1 (measured).
    pub max_redundant_fraction: f64,
    /// Greatest fraction of characters, in [0, 1], that are HTML, entities or escapes. Default 0.05 (measured).
    pub max_markup_fraction: f64,
    /// Most phrases of advertisements for 1000 characters. Default 20 (measured).
    pub max_advertising_density: f64,
    /// Greatest fraction of characters, in [0, 1], in lines that are taken out. Default 0.5 (measured).
    pub max_bad_line_fraction: f64,
    /// Greatest fraction of lines of 20 characters and more, in [0, 1], that end without punctuation. Default 0, off;
    /// measured ones for languages and categories.
    pub max_unfinished_line_fraction: f64,
    /// Most brackets and quotation marks without a partner for 1000 characters. `„`, `“` and `”` pair as in any
    /// language; `«` and `»`, which do so either way, are not counted. Default 15 (measured).
    pub max_unpaired_density: f64,
    /// Most characters for each punctuation mark. Default 0, off; measured ones for languages and categories.
    pub max_chars_per_mark: f64,
    /// Whether bad lines are taken out. Default true.
    pub remove_lines: bool,
    /// A line is bad if more than this fraction of its characters, in [0, 1], is garbled or missing. Default 0.1.
    pub line_faulty_fraction: f64,
    /// A line is bad if it holds more advertising phrases than this. Default 2.
    pub line_advertising_phrases: usize,
    /// A line with an advertising or page phrase (上一篇, read more) that no punctuation ends is bad up to this many
    /// characters. Default 20; 0 for no such lines.
    pub phrase_line_chars: usize,
    /// A line is bad if less than this fraction of its characters, in [0, 1], is letters. Default 0.3.
    pub line_letter_fraction: f64,
    /// Thresholds for documents of one language: `languages.zh = { min_chars = 50 }`. What is left out is the
    /// language's built-in value, else the value above. Default empty.
    pub languages: PerLanguage<Self>,
}

impl Default for Yayi2 {
    fn default() -> Self {
        Self {
            category: TextCategory::Web,
            min_chars: 30,
            max_garbled_fraction: 0.01,
            max_missing_fraction: 0.01,
            max_redundant_fraction: 0.1,
            max_markup_fraction: 0.05,
            max_advertising_density: 20.0,
            max_bad_line_fraction: 0.5,
            max_unfinished_line_fraction: 0.0,
            max_unpaired_density: 15.0,
            max_chars_per_mark: 0.0,
            remove_lines: true,
            line_faulty_fraction: 0.1,
            line_advertising_phrases: 2,
            phrase_line_chars: 20,
            line_letter_fraction: 0.3,
            languages: PerLanguage::default(),
        }
    }
}

// Places of the measures.
const CHARS: usize = 0;
const GARBLED: usize = 1;
const MISSING: usize = 2;
const REDUNDANT: usize = 3;
const MARKUP: usize = 4;
const ADVERTISING: usize = 5;
const BAD_LINES: usize = 6;
const UNFINISHED: usize = 7;
const UNPAIRED: usize = 8;
const CHARS_PER_MARK: usize = 9;

/// The checks of one language and category, and what lines are held to.
pub struct PreparedYayi2 {
    checks: Vec<Check>,
    lines: LineRules,
    remove_lines: bool,
}

/// The language of a document and the category its `category` column names: `zh`, `zh/news`.
struct Kind(String);

impl Measure for Kind {
    const NAME: &'static str = "category";

    fn of(document: &Document<'_>) -> Self {
        let language = document.measure::<DocumentLanguage>().0;
        let category = document.str("category").filter(|name| TextCategory::of_name(name).is_some());
        Self(category.map_or_else(|| language.code().to_owned(), |name| format!("{}/{name}", language.code())))
    }
}

/// What was found in a text, and where its bad lines lie.
type Scratch = (Vec<Trigger>, Vec<(usize, usize)>);

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Rules for Yayi2 {
    type Prepared = PreparedYayi2;

    const REWRITES: bool = true;

    const MEASURES: &'static [Measured] = &[
        Measured::count("chars", "Characters that are no white space and in no bad line."),
        Measured::fraction("garbled_fraction", "Characters that are garbled."),
        Measured::fraction("missing_fraction", "Marks of missing characters."),
        Measured::fraction("redundant_fraction", "Characters that only repeat those before."),
        Measured::fraction("markup_fraction", "Characters of HTML, entities or escapes."),
        Measured::ratio("advertising_density", "Phrases of advertisements for 1000 characters."),
        Measured::fraction("bad_line_fraction", "Characters in lines that are no part of the text."),
        Measured::fraction("unfinished_line_fraction", "Lines of 20 characters and more that end without punctuation."),
        Measured::ratio("unpaired_density", "Brackets and quotation marks without a partner for 1000 characters."),
        Measured::ratio("chars_per_mark", "Characters for each punctuation mark."),
    ];

    fn language<'a>(&self, document: &Document<'a>) -> &'a str {
        &document.measure::<Kind>().0
    }

    fn prepare(&self, language: &str) -> PreparedYayi2 {
        let (language, category) = language.split_once('/').unwrap_or((language, ""));
        let category = TextCategory::of_name(category).unwrap_or(self.category);
        let language = Language::of_name(language).unwrap_or(Language::UNKNOWN);
        let own = self.languages.effective(self, category.stage(), language);
        let checks = [
            Check::at_most("garbled_text", GARBLED, own.max_garbled_fraction),
            Check::at_most("missing_chars", MISSING, own.max_missing_fraction),
            Check::at_most("redundant_chars", REDUNDANT, own.max_redundant_fraction),
            Check::at_most("markup_left", MARKUP, own.max_markup_fraction),
            Check::at_most("advertising", ADVERTISING, own.max_advertising_density),
            Check::at_most("bad_lines", BAD_LINES, own.max_bad_line_fraction),
            Check::at_most("unfinished_lines", UNFINISHED, own.max_unfinished_line_fraction),
            Check::at_most("unpaired_marks", UNPAIRED, own.max_unpaired_density),
            Check::at_most("too_few_marks", CHARS_PER_MARK, own.max_chars_per_mark),
            Check::at_least("too_few_chars", CHARS, own.min_chars as f64),
        ];
        PreparedYayi2 {
            checks: checks.into_iter().filter(|check| check.threshold != 0.0).collect(),
            lines: LineRules {
                max_faulty_fraction: own.line_faulty_fraction,
                max_advertising_phrases: own.line_advertising_phrases,
                max_phrase_line_chars: own.phrase_line_chars,
                min_letter_fraction: own.line_letter_fraction,
            },
            remove_lines: own.remove_lines,
        }
    }

    fn checks<'p>(&self, prepared: &'p PreparedYayi2) -> &'p [Check] {
        &prepared.checks
    }

    fn measure(&self, prepared: &PreparedYayi2, document: &Document<'_>, values: &mut [f64]) -> Option<String> {
        let (text, shape) = (document.text(), document.measure::<Shape>());
        SCRATCH.with_borrow_mut(|(triggers, bad)| {
            triggers::find(text, shape, triggers);
            let counts = lines::walk(text, triggers, &prepared.lines, bad);
            let visible = counts.visible.max(1) as f64;
            let share = |count: usize| count as f64 / visible;
            values[CHARS] = (counts.visible - counts.bad_line_chars) as f64;
            values[GARBLED] = share(counts.garbled).min(1.0);
            values[MISSING] = share(counts.missing);
            values[REDUNDANT] = share(counts.redundant);
            values[MARKUP] = share(counts.markup).min(1.0);
            values[ADVERTISING] = 1000.0 * share(counts.advertising);
            values[BAD_LINES] = share(counts.bad_line_chars);
            values[UNPAIRED] = 1000.0 * share(counts.unpaired);
            values[CHARS_PER_MARK] = shape.word_chars() as f64 / (counts.marks + 1) as f64;
            if counts.long_lines > 0 {
                values[UNFINISHED] = counts.unfinished as f64 / counts.long_lines as f64;
            }
            (prepared.remove_lines && !bad.is_empty()).then(|| lines::without(text, bad))
        })
    }
}
