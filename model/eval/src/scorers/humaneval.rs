//! HumanEval: the program in what a model wrote, as Yuan 2.0's drivers take it out.

use super::Version;

/// What stands behind the fence that opens the program: the last one (M32) or the first one (Yuan 2.0) of prompt and text.
pub fn behind_fence(version: Version, whole: &str) -> &str {
    const FENCE: &str = "```python";
    let found = match version {
        Version::M32 => whole.rfind(FENCE),
        Version::Yuan2 => whole.find(FENCE),
    };
    // Where there is none the drivers count from -1.
    let start = found.map_or(FENCE.len() - 1, |start| start + FENCE.len());
    whole.get(start..).unwrap_or("")
}

/// The program in what stands behind the fence.
///
/// Blank lines are thinned, the first docstring is taken out, a second function after the first goes, and the text ends before
/// the first call to `print`, comment or `if` at the left margin.
pub fn program(text: &str) -> String {
    let mut text = text.to_owned();
    for (from, to) in [
        ("\nFIX = \"\"\"\nAdd more test cases.\n\"\"\"", ""),
        ("\n\n\ndef", "\ndef"),
        ("\n    \n\n    ", "\n    \n    "),
        ("\n\n    ", "\n    "),
        ("\n\n\n", "\n\n"),
        ("\"\"\"\n        ", "\"\"\"\n    "),
        ("\n```python", ""),
    ] {
        text = text.replace(from, to);
    }
    for quotes in ["\"\"\"", "'''"] {
        if let Some(docstring) = between(&text, quotes) {
            text = text.replace(&docstring, "");
            break;
        }
    }
    let mut program = match block(&text) {
        None => text,
        Some(block) => {
            let beginning: String = block.chars().take(10).collect();
            let before = match text.find(&beginning) {
                Some(at) => &text[..at],
                // Counted from -1 again.
                None => text.char_indices().next_back().map_or("", |(at, _)| &text[..at]),
            };
            format!("{before}{block}")
        }
    };
    let is_plain = ["\n```", "\n#", "\nif"].iter().all(|mark| !program.contains(mark));
    if is_plain && let Some((second, _)) = program.match_indices("\ndef").nth(1) {
        let rest = program[second..].to_owned();
        program = program.replace(&rest, "\n");
    }
    for mark in ["\nprint", "\n# 示例", "\n```", "\n# 测试", "\n# 单元测试", "\n#", "\nif"] {
        if let Some(at) = program.find(mark).filter(|at| *at > 0) {
            program.truncate(at);
        }
    }
    program
}

/// The first text in these quotes, with them.
fn between(text: &str, quotes: &str) -> Option<String> {
    let start = text.find(quotes)?;
    let end = start + 1 + text[start + 1..].find(quotes)? + quotes.len();
    // The quotes must be there twice, without overlap, for the drivers to look.
    (text.matches(quotes).count() >= 2).then(|| text[start..end].to_owned())
}

/// A fenced block, else the first function.
fn block(text: &str) -> Option<String> {
    const FENCE: &str = "```python\n";
    let fenced = text.match_indices(FENCE).find_map(|(at, _)| {
        let inside = &text[at + FENCE.len()..];
        inside.find("\n```").map(|end| inside[..end].to_owned())
    });
    fenced.or_else(|| first_function(text))
}

/// The first function that is not on the first line, to the first blank line behind it or the next function.
pub fn first_function(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.split('\n').collect();
    let (mut start, mut last) = (0, 0);
    for (number, line) in lines.iter().enumerate() {
        if line.starts_with("def ") {
            if start != 0 {
                break;
            }
            start = number;
        }
        if line.is_empty() && start != 0 {
            last = number;
            break;
        }
    }
    let last = if last == 0 { lines.len() - 1 } else { last };
    (start != 0).then(|| lines[start..=last].join("\n"))
}
