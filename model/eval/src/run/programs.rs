//! Programs are run against the set's tests, and chosen among by tests that the model writes itself.
//!
//! Yuan 2.0's paper chooses so (HumanEval 67.1 → 77.4) and publishes neither its prompt nor the numbers of samples; the prompt here
//! is our own.

use super::{Line, Settings};
use crate::sandbox::{Outcome, Sandbox};
use crate::tasks::Program;
use crate::{LanguageModel, Result, Writing};

/// New tokens of a text with tests.
const TOKENS_OF_TESTS: usize = 256;
/// Most tests that choose.
const MOST_TESTS: usize = 100;
/// What stands before the number of tests that a program passes.
const MARK: &str = "tests passed: ";

/// Judges the programs of a line.
pub(super) fn judge(
    line: &mut Line,
    prompt: &str,
    program: &Program,
    sandbox: &Sandbox,
    model: &mut dyn LanguageModel,
    settings: &Settings,
) -> Result<()> {
    for output in line.outputs.iter_mut().filter(|output| output.correct.is_none()) {
        let candidate = output.answer.as_deref().unwrap_or("");
        output.correct = Some(sandbox.run(&program.tested(candidate))?.outcome == Outcome::Passed);
    }
    let mut chosen = 0;
    if settings.tests > 0 {
        let tests = tests(prompt, program, model, settings)?;
        let mut most = None;
        for (place, output) in line.outputs.iter().enumerate() {
            let passed = passed(output.answer.as_deref().unwrap_or(""), &tests, sandbox)?;
            if most < Some(passed) {
                (most, chosen) = (Some(passed), place);
            }
        }
    }
    line.choose(chosen);
    Ok(())
}

/// Tests that the model writes: lines `assert NAME(…`.
fn tests(prompt: &str, program: &Program, model: &mut dyn LanguageModel, settings: &Settings) -> Result<Vec<String>> {
    let start = format!("assert {}(", program.entry_point);
    let prompt = format!(
        "{prompt}    pass\n```\n\nInstruction: Write assertions that test the function `{}`.\nResponse:\n```python\n{start}",
        program.entry_point
    );
    let how = Writing { stop: vec!["```".to_owned()], ..settings.writing(TOKENS_OF_TESTS) };
    let mut tests = Vec::new();
    for text in model.write(&vec![prompt.as_str(); settings.tests], &how)? {
        let lines = format!("{start}{}", text.text);
        // The last line of a text that ran into its length is torn.
        let whole = if text.has_ended { &*lines } else { lines.rsplit_once('\n').map_or("", |it| it.0) };
        for line in whole.lines().filter(|line| line.starts_with(&start)) {
            if !tests.iter().any(|known| known == line) && tests.len() < MOST_TESTS {
                tests.push(line.to_owned());
            }
        }
    }
    Ok(tests)
}

/// How many of the tests a program passes.
fn passed(candidate: &str, tests: &[String], sandbox: &Sandbox) -> Result<usize> {
    let list = serde_json::to_string(tests).expect("strings are JSON");
    let program = format!(
        "{candidate}\n
_passed = 0
for _test in {list}:
    try:
        exec(_test)
        _passed += 1
    except BaseException:
        pass
print(\"\\n{MARK}%d\" % _passed)"
    );
    let ran = sandbox.run(&program)?;
    let count = ran.output.rsplit(MARK).next().and_then(|count| count.trim().parse().ok());
    Ok(count.filter(|_| ran.outcome == Outcome::Passed).unwrap_or(0))
}
