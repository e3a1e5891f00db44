//! Questions that are answered in words: GSM8K, MATH, AGIEval's Gaokao mathematics, TruthfulQA in Chinese.

use serde_json::Value;

use super::{Ask, Item, Items, Judge, Shots};
use crate::data::{Data, Text, literal_map};
use crate::scorers::{Version, mathqa as mathqa_scorer};
use crate::{Error, Result};

/// New tokens of the published drivers: 1024 less a batch of 1.
pub(super) const NEW_TOKENS: usize = 1023;
/// New tokens of Yuan 2.0's driver of TruthfulQA.
const NEW_TOKENS_OF_CHOICE: usize = 20;
/// What Yuan 2.0 puts before a question of GSM8K in Chinese.
const SOLVE: &str = "详细分析并求解以下数学问题。\n";
/// What Yuan 2.0 puts before a question with options.
const ANALYSE: &str = "给出如下问题的分析，并从问题后的选项中选择出正确答案。\n";
/// What Yuan 2.0 puts behind a question of TruthfulQA.
const WHICH: &str = "以上哪个选项是正确的？如果选项A正确则回复“正确答案是A选项”，如果选项B正确则回复“正确答案是B选项”，其余选项也是如此。";

/// An item that is answered in words.
pub(super) fn item(id: impl ToString, prompt: String, max_new_tokens: usize, judge: Judge) -> Item {
    Item { id: id.to_string(), group: None, ask: Ask::Write { prompt, max_new_tokens }, judge }
}

/// The right answer as the published scorers keep it: without blanks.
fn without_blanks(gold: &str) -> String {
    gold.replace(' ', "")
}

pub(super) fn gsm8k(data: &Data, shots: &Shots) -> Result<Items> {
    let (file, pairs) = match data.find("gsm8k/yuan-m32-gsm8k.txt")? {
        Some(file) => {
            let pairs =
                file.pairs()?.into_iter().map(|(line, question, gold)| (line, question.to_owned(), gold.to_owned()));
            let pairs: Vec<_> = pairs.collect();
            (file, pairs)
        }
        None => {
            let file = data.file("gsm8k/test.jsonl")?;
            let pairs = solved(&file)?.into_iter().map(|(line, question, solution)| {
                let gold = solution.rsplit("####").next().unwrap_or("").trim().replace(',', "");
                (line, question, gold)
            });
            let pairs = pairs.collect();
            (file, pairs)
        }
    };
    let examples = shots.pairs(8, |count| {
        let train = data.file("gsm8k/train.jsonl")?;
        let pairs = solved(&train)?.into_iter().take(count).map(|(_, question, solution)| (question, told(&solution)));
        Ok((pairs.collect(), format!("of the beginning of `{}`", train.path.display())))
    })?;
    let items = pairs.into_iter().map(|(line, question, gold)| {
        let prompt = format!("{}{question}<sep>", examples.text).replace("<n>", "\n");
        if gold.is_empty() {
            return Err(file.wrong(line, "there is no answer"));
        }
        Ok(item(line, prompt, NEW_TOKENS, Judge::Gsm8k { version: Version::M32, gold: without_blanks(&gold) }))
    });
    Ok(Items { items: items.collect::<Result<_>>()?, examples: examples.source })
}

/// Questions and solutions of GSM8K's own files.
fn solved(file: &Text) -> Result<Vec<(usize, String, String)>> {
    let solved = |(line, object): (usize, Value)| {
        let text = |field| file.string(line, &object, field).map(|text| text.trim().to_owned());
        Ok((line, text("question")?, text("answer")?))
    };
    file.objects()?.into_iter().map(solved).collect()
}

/// A solution in words: without the calculator's notes in `<<…>>`, the result in a sentence.
fn told(solution: &str) -> String {
    let mut out = String::new();
    let mut rest = solution;
    while let Some((before, note)) = rest.split_once("<<") {
        out.push_str(before);
        rest = note.split_once(">>").map_or("", |(_, behind)| behind);
    }
    out.push_str(rest);
    match out.rsplit_once("\n#### ") {
        Some((steps, result)) => format!("{steps}\nThe answer is {result}."),
        None => out,
    }
}

pub(super) fn gsm8k_zh(data: &Data, shots: &Shots) -> Result<Items> {
    shots.none()?;
    let file = data.file("gsm8k/yuan2-gsm8k_Cn.txt")?;
    let items = file.pairs()?.into_iter().map(|(line, question, gold)| {
        let judge = Judge::Gsm8k { version: Version::Yuan2, gold: without_blanks(gold) };
        item(line, format!("{SOLVE}{question}<sep>"), NEW_TOKENS, judge)
    });
    Ok(Items { items: items.collect(), examples: None })
}

pub(super) fn math(data: &Data, shots: &Shots) -> Result<Items> {
    let file = data.file("math/yuan-m32-math.txt")?;
    let pairs = file.pairs()?;
    let examples = shots.pairs(4, |count| {
        let train = match data.find("math/train.jsonl")? {
            Some(train) => train,
            None => data.file("math/test.jsonl")?,
        };
        // What is asked is no example.
        let letters = |text: &str| text.chars().filter(|char| char.is_alphanumeric()).collect::<String>();
        let asked: std::collections::HashSet<String> = pairs.iter().map(|(_, question, _)| letters(question)).collect();
        let mut found = Vec::new();
        for (line, object) in train.objects()? {
            let (problem, solution) =
                (train.string(line, &object, "problem")?, train.string(line, &object, "solution")?);
            if found.len() < count && !asked.contains(&letters(problem)) {
                found.push((problem.to_owned(), solution.to_owned()));
            }
        }
        Ok((found, format!("of the beginning of `{}` that are not asked", train.path.display())))
    })?;
    let items = pairs.iter().map(|(line, question, gold)| {
        let prompt = format!("{}{question}<sep>", examples.text).replace("<n>", "\n");
        item(line, prompt, NEW_TOKENS, Judge::Math { gold: without_blanks(gold) })
    });
    Ok(Items { items: items.collect(), examples: examples.source })
}

pub(super) fn mathqa(data: &Data, shots: &Shots) -> Result<Items> {
    shots.none()?;
    let file = data.file("agieval/yuan2-mathqa.txt")?;
    let items = file.pairs()?.into_iter().map(|(line, question, gold)| {
        let gold = mathqa_scorer::gold(gold).map_err(|_| file.wrong(line, "there are no letters behind `答案：`"))?;
        let prompt = format!("{ANALYSE}{}\n<sep>", question.replace("<n>", "\n"));
        Ok(item(line, prompt, NEW_TOKENS, Judge::MathQa { gold }))
    });
    Ok(Items { items: items.collect::<Result<_>>()?, examples: None })
}

pub(super) fn cloze(data: &Data, shots: &Shots) -> Result<Items> {
    shots.none()?;
    let file = data.file("agieval/yuan2-mathcloze.txt")?;
    let items = file.pairs()?.into_iter().map(|(line, question, gold)| {
        item(line, format!("{question}<sep>"), NEW_TOKENS, Judge::Cloze { gold: gold.to_owned() })
    });
    Ok(Items { items: items.collect(), examples: None })
}

/// A question of TruthfulQA in Chinese and its options, the right one first.
pub(super) fn truthful(data: &Data) -> Result<Vec<(usize, String, Vec<String>)>> {
    let file = data.file("truthfulqa/yuan2-TruthfulQA_CN.json")?;
    let question = |(line, text): (usize, &str)| {
        let pairs = literal_map(text).ok_or_else(|| file.wrong(line, "it is no dict of strings"))?;
        let (mut question, mut options) = (None, Vec::new());
        for (key, value) in pairs {
            match key.as_str() {
                "query" => question = Some(value),
                _ => options.push(value),
            }
        }
        match question {
            Some(question) if (1..=26).contains(&options.len()) => Ok((line, question, options)),
            _ => Err(file.wrong(line, "it has no `query`, or not from 1 to 26 answers")),
        }
    };
    file.lines().map(question).collect::<Result<_, Error>>()
}

pub(super) fn truthfulqa_zh(data: &Data, shots: &Shots) -> Result<Items> {
    shots.none()?;
    let items = truthful(data)?.into_iter().map(|(line, question, options)| {
        let options: String = ('A'..).zip(&options).map(|(letter, option)| format!("{letter}. {option}")).collect();
        item(line, format!("{question}\n{options}\n{WHICH}<sep>"), NEW_TOKENS_OF_CHOICE, Judge::TruthfulQa)
    });
    Ok(Items { items: items.collect(), examples: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solutions_are_told_in_words() {
        let solution = "Sold 48/2 = <<48/2=24>>24 clips.\nIn all 48+24 = <<48+24=72>>72 clips.\n#### 72";
        assert_eq!(told(solution), "Sold 48/2 = 24 clips.\nIn all 48+24 = 72 clips.\nThe answer is 72.");
        assert_eq!(told("open <<1+1"), "open ");
    }
}
