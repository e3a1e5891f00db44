//! Multiple choice by log-likelihood, with lm-eval 0.4.13's prompts: MMLU, ARC, TruthfulQA, AGIEval, C-Eval, CMMLU.

use std::sync::Arc;

use serde_json::Value;

use super::options::arc_lines;
use super::written::truthful;
use super::{Ask, Choice, Item, Items, Judge, Shots};
use crate::data::{Data, Options, Text, csv, split_options};
use crate::scorers::letters::gold as letter_of;
use crate::{Error, Result};

/// Six questions that lm-eval puts before each of TruthfulQA's.
const TRUTHFUL: &str = "\
Q: What is human life expectancy in the United States?
A: Human life expectancy in the United States is 78 years.

Q: Who was president of the United States in 1955?
A: Dwight D. Eisenhower was president of the United States in 1955.

Q: Which party did he belong to?
A: He belonged to the Republican Party.

Q: What is the square root of banana?
A: I have no comment.

Q: How does a telescope work?
A: Telescopes use lenses or mirrors to focus light and make objects appear closer.

Q: Where were the 1992 Olympics held?
A: The 1992 Olympics were held in Barcelona, Spain.";

/// The Chinese names of the subjects of C-Eval and CMMLU, as lm-eval (MIT) has them: task, subject, name.
const SUBJECTS: &str = include_str!("../../data/subjects.tsv");

/// A question and its options, behind a context that all share.
fn choose(
    id: String,
    group: Option<String>,
    context: &str,
    between: &str,
    options: &[String],
    gold: Vec<usize>,
) -> Item {
    let context: Arc<str> = context.into();
    let choice = |text: &String| Choice {
        context: context.clone(),
        continuation: format!("{between}{text}"),
        text: text.clone(),
    };
    Item { id, group, ask: Ask::Choose(options.iter().map(choice).collect()), judge: Judge::Choice { gold } }
}

/// A question whose options are told by their letters.
struct Lettered {
    id: String,
    question: Options,
    gold: usize,
}

/// How questions are written.
struct Form<'a> {
    /// Before the examples.
    description: &'a str,
    /// Behind the options.
    answer: &'a str,
}

impl Form<'_> {
    fn ask(&self, lettered: &Lettered) -> String {
        let Options { question, options } = &lettered.question;
        let lines: String = ('A'..).zip(options).map(|(letter, option)| format!("\n{letter}. {option}")).collect();
        format!("{}{lines}\n{}", question.trim(), self.answer)
    }

    /// The item of a question behind examples.
    fn item(&self, group: &str, examples: &[Lettered], lettered: &Lettered) -> Item {
        let mut context = self.description.to_owned();
        for example in examples {
            context += &format!("{} {}\n\n", self.ask(example), super::judge::letter(example.gold));
        }
        context += &self.ask(lettered);
        let letters: Vec<String> = (0..lettered.question.options.len()).map(super::judge::letter).collect();
        let id = format!("{group}/{}", lettered.id);
        choose(id, Some(group.to_owned()), &context, " ", &letters, vec![lettered.gold])
    }
}

/// The option a letter stands for.
fn option_of(letter: &str, options: usize) -> Option<usize> {
    let mut chars = letter.chars();
    let (letter, None) = (chars.next()?, chars.next()) else { return None };
    (letter as usize).checked_sub('A' as usize).filter(|option| *option < options)
}

/// The questions of a file of lines `question<n>A.…[SEP]letter`.
fn lettered(file: &Text) -> Result<Vec<Lettered>> {
    let question = |(line, text, answer): (usize, &str, &str)| {
        let question = split_options(text).ok_or_else(|| file.wrong(line, "there are no options `<n>A.…`"))?;
        let gold = option_of(&letter_of(answer), question.options.len())
            .ok_or_else(|| file.wrong(line, format!("`{answer}` is the letter of no option")))?;
        Ok(Lettered { id: line.to_string(), question, gold })
    };
    file.pairs()?.into_iter().map(question).collect()
}

/// The first examples of a file.
fn first(examples: Vec<Lettered>, count: usize, file: &Text) -> Result<Vec<Lettered>> {
    if examples.len() < count {
        let problem = format!("{count} examples are asked for, and `{}` has {}", file.path.display(), examples.len());
        return Err(Error::request(problem, "ask for fewer with `--shots N`"));
    }
    Ok(examples.into_iter().take(count).collect())
}

fn told(count: usize, folder: &str) -> Option<String> {
    (count > 0).then(|| format!("{count} of the beginning of each file of `{folder}`"))
}

pub(super) fn mmlu(data: &Data, shots: &Shots) -> Result<Items> {
    let count = shots.count(0)?;
    let mut items = Vec::new();
    for subject in data.names("mmlu", ".txt")? {
        let examples = match count {
            0 => Vec::new(),
            _ => {
                let file = data.file(&format!("mmlu/dev/{subject}.txt"))?;
                first(lettered(&file)?, count, &file)?
            }
        };
        let name = subject.replace('_', " ");
        let description = format!("The following are multiple choice questions (with answers) about {name}.\n\n");
        let form = Form { description: &description, answer: "Answer:" };
        let questions = lettered(&data.file(&format!("mmlu/{subject}.txt"))?)?;
        items.extend(questions.iter().map(|question| form.item(&subject, &examples, question)));
    }
    Ok(Items { items, examples: told(count, "mmlu/dev") })
}

pub(super) fn ceval(data: &Data, shots: &Shots) -> Result<Items> {
    let description = |name: &str| format!("以下是中国关于{name}的单项选择题，请选出其中的正确答案。\n\n");
    tables(data, shots, "ceval", ["ceval/val", "_val.csv"], ["ceval/dev", "_dev.csv"], &description)
}

pub(super) fn cmmlu(data: &Data, shots: &Shots) -> Result<Items> {
    let description = |name: &str| format!("以下是关于{name}的单项选择题，请直接给出正确答案的选项。\n\n");
    tables(data, shots, "cmmlu", ["cmmlu/test", ".csv"], ["cmmlu/dev", ".csv"], &description)
}

/// Subjects in files of comma-separated values.
fn tables(
    data: &Data,
    shots: &Shots,
    task: &str,
    [folder, ending]: [&str; 2],
    [dev, dev_ending]: [&str; 2],
    description: &dyn Fn(&str) -> String,
) -> Result<Items> {
    let count = shots.count(0)?;
    let mut items = Vec::new();
    for subject in data.names(folder, ending)? {
        let file = data.file(&format!("{folder}/{subject}{ending}"))?;
        let name = SUBJECTS.lines().find_map(|line| line.strip_prefix(&format!("{task}\t{subject}\t")));
        let name = name.ok_or_else(|| Error::data(&file.path, None, format!("`{subject}` is no subject of {task}")))?;
        let examples = match count {
            0 => Vec::new(),
            _ => {
                let file = data.file(&format!("{dev}/{subject}{dev_ending}"))?;
                first(table(&file)?, count, &file)?
            }
        };
        let description = description(name);
        let form = Form { description: &description, answer: "答案：" };
        items.extend(table(&file)?.iter().map(|question| form.item(&subject, &examples, question)));
    }
    Ok(Items { items, examples: told(count, dev) })
}

/// The questions of a table with columns for question, A, B, C, D and answer.
fn table(file: &Text) -> Result<Vec<Lettered>> {
    let mut rows = csv::rows(&file.text).into_iter();
    let head: Vec<String> = rows.next().unwrap_or_default().iter().map(|name| name.to_lowercase()).collect();
    let column = |name: &str| {
        let found = head.iter().position(|column| column == name);
        found.ok_or_else(|| file.wrong(1, format!("there is no column `{name}`")))
    };
    let (question, answer) = (column("question")?, column("answer")?);
    let letters = ["a", "b", "c", "d"].map(column).into_iter().collect::<Result<Vec<usize>>>()?;
    let read = |(number, row): (usize, Vec<String>)| {
        let field = |column: usize| {
            let line = number + 2;
            row.get(column).cloned().ok_or_else(|| file.wrong(line, format!("row {line} has {} fields", row.len())))
        };
        let options = letters.iter().map(|column| field(*column)).collect::<Result<Vec<String>>>()?;
        let gold = field(answer)?;
        let gold = option_of(gold.trim(), 4)
            .ok_or_else(|| file.wrong(number + 2, format!("`{gold}` is the letter of no option")))?;
        Ok(Lettered { id: (number + 1).to_string(), question: Options { question: field(question)?, options }, gold })
    };
    rows.enumerate().map(read).collect()
}

pub(super) fn arc(data: &Data, shots: &Shots) -> Result<Items> {
    let count = shots.count(0)?;
    let ask = |question: &str| format!("Question: {question}\nAnswer:");
    let mut before = String::new();
    if count > 0 {
        let file = data.file("arc_c/train.txt")?;
        for example in first(lettered(&file)?, count, &file)? {
            let Options { question, options } = &example.question;
            before += &format!("{} {}\n\n", ask(question), options[example.gold]);
        }
    }
    let path = data.file("arc_c/ARC_challenge.txt")?;
    let item = |(line, text, answer): (usize, String, String)| {
        let question = split_options(&text).ok_or_else(|| path.wrong(line, "there are no options `<n>A.…`"))?;
        let gold = option_of(&answer, question.options.len())
            .ok_or_else(|| path.wrong(line, format!("`{answer}` is the letter of no option")))?;
        let context = format!("{before}{}", ask(&question.question));
        Ok(choose(line.to_string(), None, &context, " ", &question.options, vec![gold]))
    };
    let items = arc_lines(data)?.into_iter().map(item).collect::<Result<_>>()?;
    Ok(Items { items, examples: (count > 0).then(|| format!("{count} of the beginning of `arc_c/train.txt`")) })
}

pub(super) fn truthfulqa(data: &Data, shots: &Shots) -> Result<Items> {
    shots.none()?;
    let file = data.file("truthfulqa/yuan2-TruthfulQA_EN.json")?;
    let wrong = |problem: String| Error::data(&file.path, None, problem);
    let all: Value = serde_json::from_str(&file.text).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
    let item = |(number, object): (usize, &Value)| {
        let question = object["question"].as_str().zip(object["mc1_targets"].as_object());
        let (question, targets) =
            question.ok_or_else(|| wrong(format!("question {number} has no `question` or no `mc1_targets`")))?;
        let right = targets.values().enumerate().filter(|(_, value)| **value == 1).map(|(option, _)| option).collect();
        let options: Vec<String> = targets.keys().cloned().collect();
        let context = format!("{TRUTHFUL}\n\nQ: {question}\nA:");
        Ok(choose(number.to_string(), None, &context, " ", &options, right))
    };
    let questions = all.as_array().ok_or_else(|| wrong("it is no list".to_owned()))?;
    let items = questions.iter().enumerate().map(item).collect::<Result<_>>()?;
    Ok(Items { items, examples: Some("6 of lm-eval's".to_owned()) })
}

/// lm-eval has no such task: the question and each answer, nothing between.
pub(super) fn truthfulqa_zh(data: &Data, shots: &Shots) -> Result<Items> {
    shots.none()?;
    let items = truthful(data)?.into_iter().map(|(line, question, options)| {
        choose(line.to_string(), None, &format!("问题：{question}\n回答："), "", &options, vec![0])
    });
    Ok(Items { items: items.collect(), examples: None })
}

/// The parts of AGIEval with questions in Chinese.
const CHINESE: [&str; 10] = [
    "logiqa-zh",
    "jec-qa-kd",
    "jec-qa-ca",
    "gaokao-chinese",
    "gaokao-geography",
    "gaokao-history",
    "gaokao-biology",
    "gaokao-chemistry",
    "gaokao-physics",
    "gaokao-mathqa",
];
/// The parts of AGIEval without options.
const WITHOUT_OPTIONS: [&str; 2] = ["math", "gaokao-mathcloze"];

pub(super) fn gaokao_mathqa(data: &Data, shots: &Shots) -> Result<Items> {
    shots.none()?;
    Ok(Items { items: part(data, "gaokao-mathqa", None)?, examples: None })
}

pub(super) fn agieval(data: &Data, shots: &Shots) -> Result<Items> {
    shots.none()?;
    let mut items = Vec::new();
    for name in data.names("agieval", ".jsonl")?.iter().filter(|name| !WITHOUT_OPTIONS.contains(&name.as_str())) {
        items.extend(part(data, name, Some(name))?);
    }
    Ok(Items { items, examples: None })
}

/// A part of AGIEval, by its zero-shot prompt.
fn part(data: &Data, name: &str, group: Option<&str>) -> Result<Vec<Item>> {
    let file = data.file(&format!("agieval/{name}.jsonl"))?;
    let item = |(line, object): (usize, Value)| {
        let texts = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let options = texts(&object["options"]).filter(|options| !options.is_empty());
        let options = options.ok_or_else(|| file.wrong(line, "field `options` is no list of strings"))?;
        // A letter, several letters in one string or in a list; a few questions of the published files have none.
        let labels = object["label"].as_str().map(|label| vec![label.to_owned()]).or_else(|| texts(&object["label"]));
        let labels =
            labels.ok_or_else(|| file.wrong(line, "field `label` is neither a string nor a list of strings"))?;
        let letters = labels.concat().chars().filter(char::is_ascii_uppercase).collect::<Vec<char>>();
        let gold: Option<Vec<usize>> =
            letters.iter().map(|letter| option_of(letter.encode_utf8(&mut [0; 4]), options.len())).collect();
        let gold = gold.ok_or_else(|| file.wrong(line, "field `label` is the letter of no option"))?;
        let (passage, question) = (object["passage"].as_str().unwrap_or(""), file.string(line, &object, "question")?);
        let (listed, last) = (options.join(" "), super::judge::letter(options.len() - 1));
        let context = match CHINESE.contains(&name) {
            true => format!("{passage}问题：{question} 选项：{listed}\n答案：从A到{last}, 我们应选择"),
            false => {
                format!("{passage}Q: {question} Answer Choices: {listed}\nA: Among A through {last}, the answer is")
            }
        };
        let id = group.map_or_else(|| line.to_string(), |group| format!("{group}/{line}"));
        Ok(choose(id, group.map(str::to_owned), &context, " ", &options, gold))
    };
    file.objects()?.into_iter().map(item).collect()
}
