//! Questions with options that M32 answers in words: MMLU and ARC-C.

use std::collections::HashSet;

use super::written::{NEW_TOKENS, item};
use super::{Items, Judge, Shots};
use crate::Result;
use crate::data::Data;
use crate::scorers::letters::gold;

/// What M32 puts before a question of MMLU.
const CHOOSE: &str = "Choose the correct answer from the options after each question.\n";

pub(super) fn mmlu(data: &Data, shots: &Shots) -> Result<Items> {
    shots.none()?;
    let mut items = Vec::new();
    for subject in data.names("mmlu", ".txt")? {
        let file = data.file(&format!("mmlu/{subject}.txt"))?;
        for (line, question, answer) in file.pairs()? {
            let prompt = format!("{CHOOSE}{question}<sep>").replace("<n>", "\n");
            let judge = Judge::Letters { gold: gold(answer) };
            let mut item = item(format!("{subject}/{line}"), prompt, NEW_TOKENS, judge);
            item.group = Some(subject.clone());
            items.push(item);
        }
    }
    Ok(Items { items, examples: None })
}

/// The lines of ARC's file, each once: the published file has every question twice.
pub(super) fn arc_lines(data: &Data) -> Result<Vec<(usize, String, String)>> {
    let file = data.file("arc_c/ARC_challenge.txt")?;
    let mut seen = HashSet::new();
    let lines = file.pairs()?.into_iter().map(|(line, question, answer)| (line, question.to_owned(), gold(answer)));
    Ok(lines.filter(|(_, question, answer)| seen.insert((question.clone(), answer.clone()))).collect())
}

pub(super) fn arc(data: &Data, shots: &Shots) -> Result<Items> {
    let mut lines = arc_lines(data)?;
    let examples = shots.pairs(25, |count| {
        let pair =
            |question: &str, gold: &str| (question.replace("<n>", "\n"), format!("The correct answer is {gold}."));
        if let Some(train) = data.find("arc_c/train.txt")? {
            let pairs =
                train.pairs()?.into_iter().take(count).map(|(_, question, answer)| pair(question, &gold(answer)));
            return Ok((pairs.collect(), format!("of the beginning of `{}`", train.path.display())));
        }
        let taken = lines.split_off(lines.len().saturating_sub(count));
        let pairs = taken.iter().map(|(_, question, gold)| pair(question, gold)).collect();
        Ok((pairs, "of the end of the set, which are not asked".to_owned()))
    })?;
    let items = lines.into_iter().map(|(line, question, gold)| {
        let prompt = format!("{}{question}<sep>", examples.text).replace("<n>", "\n");
        item(line, prompt, NEW_TOKENS, Judge::Letters { gold })
    });
    Ok(Items { items: items.collect(), examples: examples.source })
}
