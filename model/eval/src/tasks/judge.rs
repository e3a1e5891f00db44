//! Right or wrong: what a model wrote, by the rules of the task.

use crate::scorers::gsm8k::Ending;
use crate::scorers::{Scored, Version, clean, cloze, humaneval, letters, math, mathqa, truthfulqa};

/// A program that is judged by running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Whose rules take it out of the text.
    pub version: Version,
    /// A function `check` of the program's function.
    pub test: String,
    /// The name of the program's function.
    pub entry_point: String,
}

impl Program {
    /// What is run: the program, the test, and the call of the test.
    pub fn tested(&self, program: &str) -> String {
        format!("{program}\n{}\ncheck({})", self.test, self.entry_point)
    }
}

/// What is right.
#[derive(Clone, Debug, PartialEq)]
pub enum Judge {
    /// A number.
    Gsm8k {
        /// Whose rules.
        version: Version,
        /// The number.
        gold: String,
    },
    /// The letter of an option, in English.
    Letters {
        /// The letter.
        gold: String,
    },
    /// The letters of options, in Chinese.
    MathQa {
        /// The letters.
        gold: String,
    },
    /// What fills the blanks.
    Cloze {
        /// Their answers, separated by `;`.
        gold: String,
    },
    /// A number, a list, a word or an expression.
    Math {
        /// The answer.
        gold: String,
    },
    /// Option A, in set words.
    TruthfulQa,
    /// A program that passes its test.
    Program(Program),
    /// The most likely option.
    Choice {
        /// The right ones, from 0.
        gold: Vec<usize>,
    },
}

/// What was found in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The answer that was found, in a form that equal answers share; for a program the program.
    pub answer: Option<String>,
    /// Whether it is right; `None` where it must be run first.
    pub is_correct: Option<bool>,
}

impl Judge {
    /// The right answer, for results.
    pub fn gold(&self) -> String {
        match self {
            Self::Gsm8k { gold, .. }
            | Self::Letters { gold }
            | Self::MathQa { gold }
            | Self::Cloze { gold }
            | Self::Math { gold } => gold.clone(),
            Self::TruthfulQa => "A".to_owned(),
            Self::Program(program) => program.entry_point.clone(),
            Self::Choice { gold } => gold.iter().map(|option| letter(*option)).collect::<Vec<_>>().join(""),
        }
    }

    /// What is to be said of a text. What the published scorer fails on is wrong.
    pub fn judge(&self, prompt: &str, text: &str, has_ended: bool) -> Judged {
        let record = || clean::record(prompt, text, has_ended);
        let judged = |answer: Option<String>, is_correct: Scored<bool>| Judged {
            answer,
            is_correct: Some(is_correct.unwrap_or(false)),
        };
        let lettered = |answer: Scored<Option<String>>, gold: &String| {
            let answer = answer.unwrap_or(None);
            let is_correct = answer.as_ref() == Some(gold);
            judged(answer, Ok(is_correct))
        };
        match self {
            Self::Gsm8k { version, gold } => match Ending::of(*version, &record()) {
                Ok(ending) => judged(ending.answer(), ending.says(gold)),
                Err(error) => judged(None, Err(error)),
            },
            Self::Letters { gold } => lettered(letters::letters(clean::without_last_newlines(&record())), gold),
            Self::MathQa { gold } => lettered(mathqa::letters(&record()), gold),
            Self::Cloze { gold } => judged(cloze::vote(&record(), gold), cloze::is_correct(&record(), gold)),
            Self::Math { gold } => judged(math::vote(&record()), math::is_correct(&record(), gold)),
            Self::TruthfulQa => {
                let whole = [prompt, text].concat();
                judged(
                    Some(truthfulqa::sentence(&whole)).filter(|it| !it.is_empty()),
                    Ok(truthfulqa::is_correct(&whole)),
                )
            }
            Self::Program(program) => {
                let whole = [prompt, text].concat();
                let program = humaneval::program(humaneval::behind_fence(program.version, &whole));
                Judged { answer: Some(program), is_correct: None }
            }
            Self::Choice { .. } => Judged::default(),
        }
    }
}

/// The letter of an option.
pub(crate) fn letter(option: usize) -> String {
    u8::try_from(option)
        .ok()
        .filter(|option| *option < 26)
        .map_or_else(|| option.to_string(), |option| char::from(b'A' + option).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_judged_with_their_prompts() {
        let judge = |judge: Judge, prompt: &str, text: &str| {
            let judged = judge.judge(prompt, text, true);
            (judged.answer, judged.is_correct)
        };
        let gold = || "42".to_owned();
        let gsm8k = Judge::Gsm8k { version: Version::M32, gold: gold() };
        assert_eq!(judge(gsm8k.clone(), "Question:6*7?<sep>", "6*7 = 42.\n"), (Some("42".into()), Some(true)));
        assert_eq!(judge(gsm8k, "no separator", "42"), (None, Some(false)));
        let letters = Judge::Letters { gold: "B".into() };
        assert_eq!(judge(letters, "Which?\nA.x\nB.y<sep>", "The answer is B.\n"), (Some("B".into()), Some(true)));
        let (answer, right) = judge(Judge::TruthfulQa, "题\nA. 是<sep>", "正确答案是A选项。因为");
        assert_eq!((answer.as_deref(), right), (Some("正确答案是A选项。"), Some(true)));
        assert_eq!(judge(Judge::TruthfulQa, "题<sep>", "没有句号"), (None, Some(false)), "no sentence is no vote");
        let program = Program {
            version: Version::M32,
            test: "def check(f):\n    assert f() == 1\n".into(),
            entry_point: "f".into(),
        };
        let (answer, right) =
            judge(Judge::Program(program.clone()), "Say\n```python\ndef f():\n", "    return 1\n```\n");
        assert_eq!((answer.as_deref(), right), (Some("\ndef f():\n    return 1"), None));
        assert_eq!(program.tested("p"), "p\ndef check(f):\n    assert f() == 1\n\ncheck(f)");
    }
}
