//! Rules for source code: drops generated, minified and encoded files, and data files with little text.
//!
//! Sources: BigCode's preprocessing for StarCoder (`bigcode-dataset/preprocessing/filtering.py`), Lozhkov et al. 2024,
//! arXiv:2402.19173, section 3 (StarCoder 2), and Dolma's code taggers. Reads `text` and the field that holds the path;
//! adds nothing; rewrites the text if asked. Prose is left alone. Cost: a few walks over the bytes of files of code.

mod encoded;
mod language;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Check, Document, Measured, Rules};

use self::encoded::Encoded;
use self::language::{FileKind, FileLanguage};
use super::per_language::{DocumentLanguage, PerLanguage};
use crate::shape::{Kind, Shape};
use crate::words::Language;

/// Thresholds of the rules for code; a threshold of 0 turns its check off.
///
/// A setting that is not its default holds for every language of comments and names; `languages` goes before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Code {
    /// The column or field that holds a file's path or extension; without it a file is what it looks like.
    /// Default `path`.
    pub path_field: String,
    /// Whether only code is judged: what is prose by its extension or looks stays as it is. Default true.
    pub only_code: bool,
    /// Fewest characters kept. Default 0, off.
    pub min_chars: usize,
    /// Most lines kept. Default 100000 (StarCoder 2).
    pub max_lines: usize,
    /// Most characters of the longest line of source code. Default 1000 (BigCode).
    pub max_longest_line_chars: usize,
    /// Most characters of the longest line of markup, data and notebooks. Default 100000 (StarCoder 2).
    pub max_longest_data_line_chars: usize,
    /// Greatest mean length of the lines of source code, in characters. Default 100 (BigCode).
    pub max_mean_line_chars: f64,
    /// Least fraction of characters, in [0, 1], that are letters or numbers of any script. Default 0.25 (BigCode).
    pub min_alphanumeric_fraction: f64,
    /// Least fraction of characters, in [0, 1], that are letters of any script. Default 0.25 (StarCoder 2).
    pub min_alphabetic_fraction: f64,
    /// Least fraction of lines of source code, in [0, 1], that are comments. Default 0, off (BigCode: 0.01).
    pub min_comment_line_fraction: f64,
    /// Greatest such fraction. Default 0.8 (BigCode).
    pub max_comment_line_fraction: f64,
    /// Whether generated files stay. They are known by what their first comments say: `@generated`, `DO NOT EDIT`,
    /// 自动生成. Default false (StarCoder 2).
    pub keep_generated: bool,
    /// Least fraction of characters of source code, in [0, 1], that are white space: less is minified. Chinese,
    /// Japanese, Thai and other text without spaces between words is left out. Default 0.05 (an estimate, not measured).
    pub min_white_space_fraction: f64,
    /// Greatest fraction of characters, in [0, 1], that are base64, hexadecimal bytes or escaped code points.
    /// Default 0.5 (StarCoder 2).
    pub max_encoded_fraction: f64,
    /// Most characters of such data in one piece. Default 1024 (StarCoder 2).
    pub max_encoded_chars: usize,
    /// Least fraction of characters of markup, in [0, 1], that a reader sees. Default 0.2 (BigCode).
    pub min_text_fraction: f64,
    /// Fewest characters of markup that a reader sees. Default 100 (BigCode).
    pub min_text_chars: usize,
    /// Most lines of data files such as JSON, CSV or YAML. Default 512 (StarCoder 2).
    pub max_data_lines: usize,
    /// Greatest fraction of a notebook, in [0, 1], that is no source of a cell: outputs, pictures, JSON. Default 0.9
    /// (an estimate, not measured).
    pub max_notebook_noise_fraction: f64,
    /// Whether a comment about copyright or licence at the top is taken out. Default false.
    pub remove_licence_header: bool,
    /// Thresholds for files whose comments and names are in one language: `languages.zh = { min_alphabetic_fraction
    /// = 0.2 }`. Default empty.
    pub languages: PerLanguage<Self>,
}

impl Default for Code {
    fn default() -> Self {
        Self {
            path_field: "path".to_owned(),
            only_code: true,
            min_chars: 0,
            max_lines: 100_000,
            max_longest_line_chars: 1000,
            max_longest_data_line_chars: 100_000,
            max_mean_line_chars: 100.0,
            min_alphanumeric_fraction: 0.25,
            min_alphabetic_fraction: 0.25,
            min_comment_line_fraction: 0.0,
            max_comment_line_fraction: 0.8,
            keep_generated: false,
            min_white_space_fraction: 0.05,
            max_encoded_fraction: 0.5,
            max_encoded_chars: 1024,
            min_text_fraction: 0.2,
            min_text_chars: 100,
            max_data_lines: 512,
            max_notebook_noise_fraction: 0.9,
            remove_licence_header: false,
            languages: PerLanguage::default(),
        }
    }
}

// Places of the measures.
const CHARS: usize = 0;
const LINES: usize = 1;
const LONGEST_LINE: usize = 2;
const LONGEST_DATA_LINE: usize = 3;
const MEAN_LINE: usize = 4;
const ALPHANUMERIC: usize = 5;
const ALPHABETIC: usize = 6;
const COMMENTS: usize = 7;
const GENERATED: usize = 8;
const WHITE_SPACE: usize = 9;
const ENCODED: usize = 10;
const LONGEST_ENCODED: usize = 11;
const TEXT: usize = 12;
const TEXT_CHARS: usize = 13;
const DATA_LINES: usize = 14;
const NOTEBOOK_NOISE: usize = 15;

/// Shorter files may well have no white space: one call, one number.
const MINIFIED_CHARS: usize = 500;
/// Text of scripts without spaces between words, which makes no file a minified one.
const UNSPACED: [Kind; 5] = [Kind::Han, Kind::Kana, Kind::Unspaced, Kind::Mark, Kind::WidePunctuation];

impl Code {
    /// What a document is; `None` for prose that is left alone.
    fn language_of(&self, document: &Document<'_>) -> Option<FileLanguage> {
        let by_path = document.str(&self.path_field).and_then(|path| FileLanguage::of_path(&path));
        let language = by_path.or_else(|| FileLanguage::of_looks(document.text()));
        match language {
            Some(language) if language.kind != FileKind::Prose => Some(language),
            _ if self.only_code => None,
            prose => {
                Some(prose.unwrap_or(FileLanguage { kind: FileKind::Prose, line_comments: &[], block_comment: None }))
            }
        }
    }
}

impl Rules for Code {
    type Prepared = Vec<Check>;

    const REWRITES: bool = true;

    const MEASURES: &'static [Measured] = &[
        Measured::count("chars", "Characters of the file."),
        Measured::count("lines", "Lines of the file."),
        Measured::count("longest_line_chars", "Characters of the longest line of source code."),
        Measured::count("longest_data_line_chars", "Characters of the longest line of other files."),
        Measured::ratio("mean_line_chars", "Mean length of the lines of source code."),
        Measured::fraction("alphanumeric_fraction", "Characters that are letters or numbers."),
        Measured::fraction("alphabetic_fraction", "Characters that are letters."),
        Measured::fraction("comment_line_fraction", "Lines of source code that are comments."),
        Measured::count("generated_signs", "Signs of a generator in the first comments."),
        Measured::fraction(
            "white_space_fraction",
            "White space among the characters of source code that are of no script without spaces.",
        ),
        Measured::fraction("encoded_fraction", "Characters of encoded data."),
        Measured::count("longest_encoded_chars", "Characters of the longest piece of encoded data."),
        Measured::fraction("text_fraction", "Characters of markup that a reader sees."),
        Measured::count("text_chars", "How many these are."),
        Measured::count("data_lines", "Lines of a data file."),
        Measured::fraction("notebook_noise_fraction", "Characters of a notebook that are no source of a cell."),
    ];

    fn language<'a>(&self, document: &Document<'a>) -> &'a str {
        document.measure::<DocumentLanguage>().0.code()
    }

    fn prepare(&self, language: &str) -> Vec<Check> {
        let language = Language::of_name(language).unwrap_or(Language::UNKNOWN);
        let own = self.languages.effective(self, "code", language);
        let checks = [
            Check::at_least("too_few_chars", CHARS, own.min_chars as f64),
            Check::at_most("too_many_lines", LINES, own.max_lines as f64),
            Check::at_most("generated_code", GENERATED, if own.keep_generated { 0.0 } else { 0.5 }),
            Check::at_most("encoded_data", ENCODED, own.max_encoded_fraction),
            Check::at_most("encoded_data", LONGEST_ENCODED, own.max_encoded_chars as f64),
            Check::at_least("minified_code", WHITE_SPACE, own.min_white_space_fraction),
            Check::at_most("long_line", LONGEST_LINE, own.max_longest_line_chars as f64),
            Check::at_most("long_line", LONGEST_DATA_LINE, own.max_longest_data_line_chars as f64),
            Check::at_most("long_lines", MEAN_LINE, own.max_mean_line_chars),
            Check::at_most("notebook_noise", NOTEBOOK_NOISE, own.max_notebook_noise_fraction),
            Check::at_most("too_much_data", DATA_LINES, own.max_data_lines as f64),
            Check::at_least("too_little_text", TEXT, own.min_text_fraction),
            Check::at_least("too_little_text", TEXT_CHARS, own.min_text_chars as f64),
            Check::at_least("too_few_alphanumeric_chars", ALPHANUMERIC, own.min_alphanumeric_fraction),
            Check::at_least("too_few_alphabetic_chars", ALPHABETIC, own.min_alphabetic_fraction),
            Check::at_least("too_few_comments", COMMENTS, own.min_comment_line_fraction),
            Check::at_most("too_many_comments", COMMENTS, own.max_comment_line_fraction),
        ];
        checks.into_iter().filter(|check| check.threshold != 0.0).collect()
    }

    fn checks<'p>(&self, prepared: &'p Vec<Check>) -> &'p [Check] {
        prepared
    }

    fn measure(&self, _: &Vec<Check>, document: &Document<'_>, values: &mut [f64]) -> Option<String> {
        let language = self.language_of(document)?;
        let (whole, shape) = (document.text(), document.measure::<Shape>());
        let (mark, text) = whole.split_at(if whole.starts_with('\u{feff}') { 3 } else { 0 });
        let encoded = Encoded::of(text);
        values[CHARS] = shape.chars as f64;
        values[LINES] = shape.lines as f64;
        values[ALPHANUMERIC] = shape.share(shape.alphanumeric() + shape.count(Kind::Mark));
        values[ALPHABETIC] = shape.share(shape.letters() + shape.count(Kind::Mark));
        values[GENERATED] = text::count_generated(text, &language) as f64;
        values[ENCODED] = shape.share(encoded.bytes);
        values[LONGEST_ENCODED] = encoded.longest as f64;
        match language.kind {
            FileKind::Source => {
                let (lines, comments) = text::count_comments(text, &language);
                values[LONGEST_LINE] = shape.longest_line as f64;
                values[MEAN_LINE] = shape.line_chars as f64 / shape.lines.max(1) as f64;
                values[COMMENTS] = comments as f64 / lines.max(1) as f64;
                let spaced = shape.chars - shape.count_of(&UNSPACED);
                if spaced >= MINIFIED_CHARS {
                    values[WHITE_SPACE] = shape.white_space() as f64 / spaced as f64;
                }
            }
            FileKind::Markup => {
                let visible = text::visible_chars(text);
                values[TEXT] = shape.share(visible);
                values[TEXT_CHARS] = visible as f64;
            }
            FileKind::Data => values[DATA_LINES] = shape.lines as f64,
            FileKind::Notebook => values[NOTEBOOK_NOISE] = text::notebook_noise(text),
            FileKind::Prose => {}
        }
        if language.kind != FileKind::Source {
            values[LONGEST_DATA_LINE] = shape.longest_line as f64;
        }
        let without = if self.remove_licence_header { text::without_licence(text, &language) } else { None };
        without.map(|text| format!("{mark}{text}"))
    }
}
