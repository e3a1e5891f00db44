//! HumanEval: programs that are run.

use std::collections::HashMap;

use super::written::{NEW_TOKENS, item};
use super::{Items, Judge, Program, Shots};
use crate::Result;
use crate::data::Data;
use crate::scorers::Version;

/// New tokens of Yuan 2.0's driver: 512 less a batch of 1.
const NEW_TOKENS_OF_YUAN2: usize = 511;

pub(super) fn instructions(data: &Data, shots: &Shots) -> Result<Items> {
    programs(data, shots, "humaneval/yuan-m32-HumanEval-instructions.jsonl", Version::M32)
}

pub(super) fn examples(data: &Data, shots: &Shots) -> Result<Items> {
    let mut items = programs(data, shots, "humaneval/yuan-m32-HumanEval-instructions-fewshot.jsonl", Version::M32)?;
    items.examples = Some("14 of the file of prompts".to_owned());
    Ok(items)
}

pub(super) fn chinese(data: &Data, shots: &Shots) -> Result<Items> {
    programs(data, shots, "humaneval/yuan2-HumanEval-textprompts-zh.jsonl", Version::Yuan2)
}

/// The prompts of a file, which are given as they are, with the tests of HumanEval's own.
fn programs(data: &Data, shots: &Shots, prompts: &str, version: Version) -> Result<Items> {
    shots.none()?;
    let tests = data.file("humaneval/HumanEval.jsonl")?;
    let mut tested = HashMap::new();
    for (line, object) in tests.objects()? {
        let text = |field| tests.string(line, &object, field).map(str::to_owned);
        let program = Program { version, test: text("test")?, entry_point: text("entry_point")? };
        tested.insert(text("task_id")?, program);
    }
    let prompts = data.file(prompts)?;
    let max_new_tokens = if version == Version::M32 { NEW_TOKENS } else { NEW_TOKENS_OF_YUAN2 };
    let mut items = Vec::new();
    for (line, object) in prompts.objects()? {
        let id = prompts.string(line, &object, "task_id")?;
        let prompt = prompts.string(line, &object, "prompt")?.to_owned();
        let program = tested
            .get(id)
            .ok_or_else(|| prompts.wrong(line, format!("`{id}` is not in `{}`", tests.path.display())))?;
        items.push(item(id, prompt, max_new_tokens, Judge::Program(program.clone())));
    }
    Ok(Items { items, examples: None })
}
