//! Which language a file is written in: by its extension, else by its looks.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Source code.
    Source,
    /// HTML, XML and the like: text between tags.
    Markup,
    /// JSON, CSV and the like: values.
    Data,
    /// A Jupyter notebook.
    Notebook,
    /// Text for people, whatever its markup.
    Prose,
}

/// What is known of a file: its kind, how its comments begin, and how its block comments begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileLanguage {
    pub(super) kind: FileKind,
    pub(super) line_comments: &'static [&'static str],
    pub(super) block_comment: Option<(&'static str, &'static str)>,
}

const fn source(
    line_comments: &'static [&'static str],
    block_comment: Option<(&'static str, &'static str)>,
) -> FileLanguage {
    FileLanguage { kind: FileKind::Source, line_comments, block_comment }
}

const fn other(kind: FileKind) -> FileLanguage {
    FileLanguage { kind, line_comments: &[], block_comment: None }
}

const SLASHES: FileLanguage = source(&["//"], Some(("/*", "*/")));
const HASH: FileLanguage = source(&["#"], None);
const PYTHON: FileLanguage = source(&["#"], Some(("\"\"\"", "\"\"\"")));
const PHP: FileLanguage = source(&["//", "#"], Some(("/*", "*/")));
const DASHES: FileLanguage = source(&["--"], Some(("/*", "*/")));
const HASKELL: FileLanguage = source(&["--"], Some(("{-", "-}")));
const LUA: FileLanguage = source(&["--"], Some(("--[[", "]]")));
const SEMICOLON: FileLanguage = source(&[";"], None);
const PERCENT: FileLanguage = source(&["%"], None);
const QUOTE: FileLanguage = source(&["'", "REM "], None);
const FORTRAN: FileLanguage = source(&["!"], None);
const BATCH: FileLanguage = source(&["::", "rem ", "REM ", "@rem "], None);
const ML: FileLanguage = source(&[], Some(("(*", "*)")));
const CSS: FileLanguage = source(&["//"], Some(("/*", "*/")));
const MARKUP: FileLanguage =
    FileLanguage { kind: FileKind::Markup, line_comments: &[], block_comment: Some(("<!--", "-->")) };
const TAGGED_SOURCE: FileLanguage = source(&["//"], Some(("<!--", "-->")));
const DATA: FileLanguage = other(FileKind::Data);
const HASHED_DATA: FileLanguage = FileLanguage { kind: FileKind::Data, line_comments: &["#"], block_comment: None };
const NOTEBOOK: FileLanguage = other(FileKind::Notebook);
const PROSE: FileLanguage = other(FileKind::Prose);

/// Extensions, after one another by language.
const EXTENSIONS: [(&str, FileLanguage); 20] = [
    (
        "c h cc cpp cxx hpp hh hxx ino cu cuh java kt kts scala groovy gradle js jsx mjs cjs ts tsx go rs swift cs dart m mm d v sv zig proto thrift sol glsl hlsl",
        SLASHES,
    ),
    (
        "sh bash zsh fish rb pl pm r jl tcl ex exs nim cr mk makefile cmake dockerfile ps1 psm1 awk sed coffee gd conf",
        HASH,
    ),
    ("py pyi pyx pyw", PYTHON),
    ("php phtml", PHP),
    ("sql ada adb ads vhd vhdl", DASHES),
    ("hs lhs elm purs", HASKELL),
    ("lua", LUA),
    ("lisp lsp cl el clj cljs cljc scm ss rkt asm s ini ahk", SEMICOLON),
    ("erl hrl tex sty cls bib pro", PERCENT),
    ("vb vbs bas frm", QUOTE),
    ("f f77 f90 f95 f03 f08 for", FORTRAN),
    ("bat cmd", BATCH),
    ("ml mli fs fsi fsx pas pp dpr", ML),
    ("css scss sass less styl", CSS),
    ("html htm xhtml xml xsl xsd svg rss atom plist wsdl", MARKUP),
    ("vue svelte jsp asp aspx erb ejs hbs", TAGGED_SOURCE),
    ("json jsonl ndjson geojson csv tsv dat lock", DATA),
    ("yaml yml toml properties po pot", HASHED_DATA),
    ("ipynb", NOTEBOOK),
    ("txt md markdown rst adoc org log", PROSE),
];

impl FileLanguage {
    /// The language of a path's extension; `None` if it has none that is known.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        static BY_EXTENSION: LazyLock<BTreeMap<&'static str, FileLanguage>> = LazyLock::new(|| {
            let pairs = EXTENSIONS.iter();
            pairs.flat_map(|(extensions, language)| extensions.split(' ').map(|name| (name, *language))).collect()
        });
        let name = path.rsplit(['/', '\\']).next()?.to_ascii_lowercase();
        BY_EXTENSION.get(name.rsplit('.').next()?).copied()
    }

    /// The language a text looks like; `None` if it looks like prose.
    pub(super) fn of_looks(text: &str) -> Option<Self> {
        let begin = text.trim_start_matches('\u{feff}').trim_start();
        let head = &begin[..begin.floor_char_boundary(4096)];
        if head.starts_with("#!") {
            return Some(if head.lines().next()?.contains("python") { PYTHON } else { HASH });
        }
        let tag = head[..head.floor_char_boundary(16)].to_ascii_lowercase();
        if ["<?xml", "<!doctype", "<html", "<svg"].iter().any(|open| tag.starts_with(open)) {
            return Some(MARKUP);
        }
        if head.starts_with("<?php") {
            return Some(PHP);
        }
        if head.starts_with('{') && head.contains("\"cells\"") || head.contains("\"cell_type\"") {
            return Some(NOTEBOOK);
        }
        if head.starts_with("{\"") || head.starts_with("[{\"") || head.starts_with("{\n") && head.contains("\": ") {
            return Some(DATA);
        }
        Signs::of(head).language()
    }
}

/// How many lines look like code.
#[derive(Default)]
struct Signs {
    lines: usize,
    code: usize,
    braces: usize,
    hashes: usize,
}

/// What lines of code begin with.
const STARTS: [&str; 36] = [
    "import ",
    "from ",
    "def ",
    "class ",
    "#include",
    "#define",
    "#if",
    "using ",
    "namespace ",
    "package ",
    "public ",
    "private ",
    "protected ",
    "static ",
    "func ",
    "fn ",
    "let ",
    "const ",
    "var ",
    "return",
    "if (",
    "for (",
    "while (",
    "else",
    "elif ",
    "switch (",
    "try:",
    "try {",
    "except ",
    "with open",
    "//",
    "/*",
    "*/",
    "@Override",
    "end;",
    "print(",
];

impl Signs {
    fn of(head: &str) -> Self {
        let mut signs = Self::default();
        for line in head.lines().map(str::trim).filter(|line| !line.is_empty()) {
            signs.lines += 1;
            let listed = line.ends_with(';') || line.ends_with("),") || line.ends_with("):");
            let ends = line.ends_with(['{', '}', '[', '(']) || listed && !is_item(line);
            let assigns =
                line.contains(" = ") && !line.ends_with(['.', '。']) || line.contains(" := ") || line.contains("();");
            signs.braces += usize::from(line.ends_with(['{', '}', ';']) || line.starts_with("//"));
            signs.hashes += usize::from(line.starts_with('#') || line.starts_with("def ") || line.ends_with("):"));
            signs.code += usize::from(ends || assigns || STARTS.iter().any(|start| line.starts_with(start)));
        }
        signs
    }

    /// Code is where half the lines look like it.
    fn language(&self) -> Option<FileLanguage> {
        if self.lines < 3 || 2 * self.code < self.lines {
            return None;
        }
        Some(if self.hashes > self.braces { PYTHON } else { SLASHES })
    }
}

/// Whether a line is an item of a list in prose (`б) о гражданстве;`, `the right to vote (article 5);`): words in a
/// row, four of them or two where something else speaks for prose, and no assignment or call.
fn is_item(line: &str) -> bool {
    let mut before = ' ';
    let mut is_call = false;
    for character in line.chars() {
        is_call |= character == '=' || character == '(' && (before.is_alphanumeric() || before == '_');
        before = character;
    }
    // What a loop or a condition of Python looks like.
    let is_block = line.ends_with(':') && line.starts_with(|character: char| character.is_ascii_lowercase());
    if is_call || is_block {
        return false;
    }
    let marker = line.split(' ').next().unwrap_or_default();
    let is_marked = marker.chars().count() <= 5
        && (marker.ends_with([')', '.']) || ["-", "–", "—", "•", "·", "*"].contains(&marker));
    let speaks = is_marked
        || line.ends_with(" ;")
        || line.chars().any(|character| !character.is_ascii() && character.is_alphabetic());
    let (mut row, mut longest) = (0, 0);
    for word in line.split(' ') {
        let word = word.trim_end_matches([',', ';', ':', '.', ')']).trim_start_matches('(');
        let mut letters = word.chars().filter(|character| !matches!(character, '-' | '\'' | '’'));
        let goes_on =
            |character: char| !character.is_uppercase() && (character.is_alphabetic() || !character.is_ascii());
        let is_plain = letters.next().is_some_and(char::is_alphabetic) && letters.all(goes_on);
        row = if is_plain { row + 1 } else { 0 };
        longest = longest.max(row);
    }
    longest >= if speaks { 2 } else { 4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_and_looks_tell_what_a_file_is() {
        let kind = |path: &str| FileLanguage::of_path(path).map(|language| language.kind);
        assert_eq!(kind("src/Main.RS"), Some(FileKind::Source));
        assert_eq!(kind("Makefile"), Some(FileKind::Source));
        assert_eq!(kind("a/数据.json"), Some(FileKind::Data));
        assert_eq!(kind("README.md"), Some(FileKind::Prose));
        assert_eq!(kind("a.unknown"), None);
        let looks = |text: &str| FileLanguage::of_looks(text).map(|language| language.kind);
        assert_eq!(looks("fn main() {\n    let x = 1;\n    println!(\"你好\");\n}\n"), Some(FileKind::Source));
        assert_eq!(looks("import os\n\ndef f(x):\n    return x\n"), Some(FileKind::Source));
        assert_eq!(looks("<!DOCTYPE html><html></html>"), Some(FileKind::Markup));
        assert_eq!(looks("{\n \"cells\": [\n  {\"cell_type\": \"code\"}"), Some(FileKind::Notebook));
        assert_eq!(looks("{\"a\": 1}"), Some(FileKind::Data));
        assert_eq!(looks("struct s {\n  unsigned long long size;\n  char name;\n};"), Some(FileKind::Source));
        assert_eq!(looks("INSERT INTO a VALUES (1);\nDROP TABLE b;\nSELECT c FROM d;"), Some(FileKind::Source));
        assert_eq!(
            looks("Имя = Ввести();\nСообщить(\"Привет\");\nВозврат Истина;\nКонецПроцедуры"),
            Some(FileKind::Source)
        );
        for prose in [
            "This is prose.\nIt has lines; some end so.\nAnd a third one.",
            "从前有座山，\n山里有座庙，\n庙里有个老和尚。",
            "Граждане имеют право (далее - право):\nа) на труд;\nб) на отдых (ст. 5);\nв) на жилище.",
            "Sont punis :\n- les personnes physiques ;\n- les personnes morales ;\n- les associations (article 5) ;",
            "A person is one who:\n(a) is a citizen;\n(b) has the right to vote (article 5);\nresides in the country for a year;",
            "",
        ] {
            assert_eq!(looks(prose), None, "{prose}");
        }
    }
}
