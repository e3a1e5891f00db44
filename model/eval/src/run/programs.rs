//! Programs are run against the set's tests, and chosen among by tests that the model writes itself.
//!
//! Yuan 2.0's paper chooses so (HumanEval 67.1 → 77.4) and publishes neither its prompt nor the numbers of samples; the prompt here
//! is our own.

use serde_json::json;

use super::{Line, Settings};
use crate::sandbox::{Outcome, Sandbox};
use crate::tasks::Program;
use crate::{Result, Writing, Written};

/// New tokens of a text with tests, whatever those of programs are.
const TOKENS_OF_TESTS: usize = 256;
/// Most tests that choose.
const MOST_TESTS: usize = 100;
/// What stands before the number of tests that a program has passed so far.
const MARK: &str = "tests passed: ";

/// What verdicts on programs depend on beside them.
pub(super) fn judged_by(program: &Program, sandbox: &Sandbox) -> String {
    let all = json!([program.test, program.entry_point, sandbox.identity()]);
    blake3::hash(all.to_string().as_bytes()).to_hex()[..16].to_owned()
}

/// Judges the programs of a line, and chooses among them by its tests.
pub(super) fn judge(line: &mut Line, program: &Program, sandbox: &Sandbox) -> Result<()> {
    for output in &mut line.outputs {
        let candidate = output.answer.as_deref().unwrap_or("");
        output.correct = Some(sandbox.run(&program.tested(candidate))?.outcome == Outcome::Passed);
    }
    let (mut chosen, mut most) = (0, None);
    if !line.tests.is_empty() {
        for (place, output) in line.outputs.iter().enumerate() {
            let passed = passed(output.answer.as_deref().unwrap_or(""), &line.tests, sandbox)?;
            if most < Some(passed) {
                (most, chosen) = (Some(passed), place);
            }
        }
    }
    line.choose(chosen);
    line.judged_by = Some(judged_by(program, sandbox));
    Ok(())
}

/// What tests begin with.
fn start(program: &Program) -> String {
    format!("assert {}(", program.entry_point)
}

/// The prompt for tests.
pub(super) fn ask_for_tests(prompt: &str, program: &Program) -> String {
    let (name, start) = (&program.entry_point, start(program));
    format!(
        "{prompt}    pass\n```\n\nInstruction: Write assertions that test the function `{name}`.\nResponse:\n```python\n{start}"
    )
}

/// How tests are written.
pub(super) fn writing(settings: &Settings) -> Writing {
    Writing { max_new_tokens: TOKENS_OF_TESTS, stop: vec!["```".to_owned()], ..settings.writing(TOKENS_OF_TESTS) }
}

/// The tests in what the model wrote: lines `assert NAME(…`, each once.
pub(super) fn tests(program: &Program, texts: &[Written]) -> Vec<String> {
    let start = start(program);
    let mut tests: Vec<String> = Vec::new();
    for text in texts {
        let lines = format!("{start}{}", text.text);
        // The last line of a text that ran into its length is torn.
        let whole = if text.has_ended { &*lines } else { lines.rsplit_once('\n').map_or("", |it| it.0) };
        for line in whole.lines().filter(|line| line.starts_with(&start)) {
            if !tests.iter().any(|known| known == line) && tests.len() < MOST_TESTS {
                tests.push(line.to_owned());
            }
        }
    }
    tests
}

/// How many of the tests a program passes: of one that hangs in a test, those before it.
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
    print(\"\\n{MARK}%d\" % _passed, flush=True)"
    );
    let ran = sandbox.run(&program)?;
    // What a text that was cut off ends with is no number, or one too small.
    let count = |told: &str| told.lines().next().and_then(|count| count.trim().parse().ok());
    Ok(ran.output.split(MARK).skip(1).filter_map(count).last().unwrap_or(0))
}
