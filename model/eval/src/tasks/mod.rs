//! What is asked: each task's files, prompts, examples and rules.
//!
//! | prompts and rules of | file |
//! |---|---|
//! | GSM8K, MATH, Gaokao mathematics, TruthfulQA (Yuan 2.0, M32) | `written.rs` |
//! | MMLU, ARC-C (M32) | `options.rs` |
//! | HumanEval (Yuan 2.0, M32) | `programs.rs` |
//! | multiple choice by log-likelihood (lm-eval) | `choices.rs` |
//! | examples before the question | `shots.rs` |
//! | right or wrong | `judge.rs` |

mod choices;
mod judge;
mod options;
mod programs;
mod shots;
mod written;

use std::fmt;
use std::sync::Arc;

pub use judge::{Judge, Judged, Program};
pub use shots::{Examples, Shots};

use crate::data::Data;
use crate::{Error, Result};

/// Whose prompts and rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Texts, as Yuan 2.0 was evaluated.
    Yuan,
    /// Texts, as Yuan2.0-M32 was evaluated.
    M32,
    /// Options by their log-likelihood, as lm-eval 0.4.13 has it.
    LogLikelihood,
}

impl Mode {
    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yuan => "yuan",
            Self::M32 => "m32",
            Self::LogLikelihood => "loglikelihood",
        }
    }

    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Yuan, Self::M32, Self::LogLikelihood].into_iter().find(|mode| mode.name() == name)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One option of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What stands before: options of one question share it.
    pub context: Arc<str>,
    /// What is scored, with the blank before it.
    pub continuation: String,
    /// The option itself, whose length the log-likelihood is divided by.
    pub text: String,
}

/// What is asked of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To go on with a prompt.
    Write {
        /// The prompt.
        prompt: String,
        /// Most new tokens.
        max_new_tokens: usize,
    },
    /// How likely each option is.
    Choose(Vec<Choice>),
}

/// A question with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its name within the task: the line of its file, or what the file calls it.
    pub id: String,
    /// What results are told apart by: a subject.
    pub group: Option<String>,
    /// What is asked.
    pub ask: Ask,
    /// What is right.
    pub judge: Judge,
}

/// What a task gives.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// The questions, in the order of the files.
    pub items: Vec<Item>,
    /// Examples before each question, and where they come from; `None` if there are none.
    pub examples: Option<String>,
}

/// Builds a task's items.
type Build = fn(&Data, &Shots) -> Result<Items>;

/// A task in one mode.
#[derive(Debug)]
pub struct Task {
    /// Its name.
    pub name: &'static str,
    /// Whose prompts and rules.
    pub mode: Mode,
    /// What it is.
    pub title: &'static str,
    /// Its files in the folder of evaluation sets, without endings of compression.
    pub files: &'static str,
    /// Examples before each question, unless another number is asked for.
    pub shots: usize,
    build: Build,
}

impl Task {
    /// The task of this name; without a mode in the one it was published in.
    ///
    /// # Errors
    /// If there is none, or none in this mode.
    pub fn find(name: &str, mode: Option<Mode>) -> Result<&'static Self> {
        let mut known = TASKS.iter().filter(|task| task.name == name).peekable();
        if known.peek().is_none() {
            let closest = TASKS.iter().map(|task| (strsim::damerau_levenshtein(name, task.name), task.name)).min();
            let problem = format!("there is no task `{name}`");
            let hint = match closest.filter(|(distance, _)| *distance <= 2) {
                Some((_, meant)) => format!("did you mean `{meant}`? `yuan-data eval list` tells all tasks"),
                None => "`yuan-data eval list` tells all tasks".to_owned(),
            };
            return Err(Error::Request { problem, hint: Some(hint) });
        }
        let modes: Vec<&str> = TASKS.iter().filter(|task| task.name == name).map(|task| task.mode.name()).collect();
        known.find(|task| mode.is_none_or(|mode| mode == task.mode)).ok_or_else(|| Error::Request {
            problem: format!("task `{name}` has no mode `{}`", mode.map_or("", Mode::name)),
            hint: Some(format!("it has {}", modes.join(", "))),
        })
    }

    /// All names, each once.
    pub fn names() -> Vec<&'static str> {
        let mut names: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
        names.dedup();
        names
    }

    /// Its questions.
    ///
    /// # Errors
    /// If a file is not there or is not what it should be, or there are not so many examples.
    pub fn items(&self, data: &Data, shots: &Shots) -> Result<Items> {
        let items = (self.build)(data, shots)?;
        if items.items.is_empty() {
            return Err(Error::request(format!("task `{}` has no items in these files", self.name), None));
        }
        Ok(items)
    }
}

/// The tasks, those of one name together, the published mode first.
pub static TASKS: &[Task] = &[
    Task {
        name: "gsm8k",
        mode: Mode::M32,
        title: "GSM8K in English",
        files: "gsm8k/yuan-m32-gsm8k.txt or test.jsonl; train.jsonl for examples",
        shots: 8,
        build: written::gsm8k,
    },
    Task {
        name: "gsm8k-zh",
        mode: Mode::Yuan,
        title: "GSM8K in Chinese",
        files: "gsm8k/yuan2-gsm8k_Cn.txt",
        shots: 0,
        build: written::gsm8k_zh,
    },
    Task {
        name: "math",
        mode: Mode::M32,
        title: "MATH, the part that M32 was evaluated on",
        files: "math/yuan-m32-math.txt; train.jsonl or test.jsonl for examples",
        shots: 4,
        build: written::math,
    },
    Task {
        name: "gaokao-mathqa",
        mode: Mode::Yuan,
        title: "AGIEval's Gaokao mathematics with options",
        files: "agieval/yuan2-mathqa.txt",
        shots: 0,
        build: written::mathqa,
    },
    Task {
        name: "gaokao-mathqa",
        mode: Mode::LogLikelihood,
        title: "AGIEval's Gaokao mathematics with options",
        files: "agieval/gaokao-mathqa.jsonl",
        shots: 0,
        build: choices::gaokao_mathqa,
    },
    Task {
        name: "gaokao-cloze",
        mode: Mode::Yuan,
        title: "AGIEval's Gaokao mathematics with blanks",
        files: "agieval/yuan2-mathcloze.txt",
        shots: 0,
        build: written::cloze,
    },
    Task {
        name: "agieval",
        mode: Mode::LogLikelihood,
        title: "all of AGIEval with options, by its parts",
        files: "agieval/*.jsonl",
        shots: 0,
        build: choices::agieval,
    },
    Task {
        name: "mmlu",
        mode: Mode::M32,
        title: "MMLU, by subjects",
        files: "mmlu/*.txt",
        shots: 0,
        build: options::mmlu,
    },
    Task {
        name: "mmlu",
        mode: Mode::LogLikelihood,
        title: "MMLU, by subjects",
        files: "mmlu/*.txt; mmlu/dev/*.txt for examples",
        shots: 0,
        build: choices::mmlu,
    },
    Task {
        name: "arc-c",
        mode: Mode::M32,
        title: "ARC, the challenge",
        files: "arc_c/ARC_challenge.txt; arc_c/train.txt for examples",
        shots: 25,
        build: options::arc,
    },
    Task {
        name: "arc-c",
        mode: Mode::LogLikelihood,
        title: "ARC, the challenge",
        files: "arc_c/ARC_challenge.txt; arc_c/train.txt for examples",
        shots: 0,
        build: choices::arc,
    },
    Task {
        name: "truthfulqa",
        mode: Mode::LogLikelihood,
        title: "TruthfulQA, MC1, in English",
        files: "truthfulqa/yuan2-TruthfulQA_EN.json",
        shots: 0,
        build: choices::truthfulqa,
    },
    Task {
        name: "truthfulqa-zh",
        mode: Mode::Yuan,
        title: "TruthfulQA, MC1, in Chinese",
        files: "truthfulqa/yuan2-TruthfulQA_CN.json",
        shots: 0,
        build: written::truthfulqa_zh,
    },
    Task {
        name: "truthfulqa-zh",
        mode: Mode::LogLikelihood,
        title: "TruthfulQA, MC1, in Chinese",
        files: "truthfulqa/yuan2-TruthfulQA_CN.json",
        shots: 0,
        build: choices::truthfulqa_zh,
    },
    Task {
        name: "humaneval",
        mode: Mode::M32,
        title: "HumanEval with M32's instructions",
        files: "humaneval/yuan-m32-HumanEval-instructions.jsonl, HumanEval.jsonl",
        shots: 0,
        build: programs::instructions,
    },
    Task {
        name: "humaneval-shots",
        mode: Mode::M32,
        title: "HumanEval with M32's 14 examples",
        files: "humaneval/yuan-m32-HumanEval-instructions-fewshot.jsonl, HumanEval.jsonl",
        shots: 14,
        build: programs::examples,
    },
    Task {
        name: "humaneval-zh",
        mode: Mode::Yuan,
        title: "HumanEval with prompts in Chinese",
        files: "humaneval/yuan2-HumanEval-textprompts-zh.jsonl, HumanEval.jsonl",
        shots: 0,
        build: programs::chinese,
    },
    Task {
        name: "ceval",
        mode: Mode::LogLikelihood,
        title: "C-Eval, by subjects",
        files: "ceval/val/*_val.csv; ceval/dev/*_dev.csv for examples",
        shots: 0,
        build: choices::ceval,
    },
    Task {
        name: "cmmlu",
        mode: Mode::LogLikelihood,
        title: "CMMLU, by subjects",
        files: "cmmlu/test/*.csv; cmmlu/dev/*.csv for examples",
        shots: 0,
        build: choices::cmmlu,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_found_by_name_and_mode() {
        let found = |name, mode| Task::find(name, mode).map(|task| task.mode);
        assert_eq!(found("mmlu", None).expect("published"), Mode::M32);
        assert_eq!(found("mmlu", Some(Mode::LogLikelihood)).expect("both"), Mode::LogLikelihood);
        let wrong = found("gsm8k", Some(Mode::Yuan)).expect_err("only M32's");
        assert_eq!(
            (wrong.to_string().as_str(), wrong.hint().as_deref()),
            ("task `gsm8k` has no mode `yuan`", Some("it has m32"))
        );
        assert!(found("gsm8", None).expect_err("a slip").hint().is_some_and(|hint| hint.contains("`gsm8k`")));
        let mut pairs: Vec<(&str, &str)> = TASKS.iter().map(|task| (task.name, task.mode.name())).collect();
        let count = pairs.len();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!((pairs.len(), Task::names().len()), (count, 15));
        for mode in [Mode::Yuan, Mode::M32, Mode::LogLikelihood] {
            assert_eq!(Mode::from_name(mode.name()), Some(mode));
        }
    }
}
