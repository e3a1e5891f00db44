//! Which fields of an item hold its texts.

use serde_json::Value;

/// Questions, choices and answers by the names that published sets give them. Passages that a question is about are left out: they
/// are newspapers and books, which a corpus may well have.
const KNOWN: [&str; 36] = [
    "question",
    "query",
    "problem",
    "prompt",
    "instruction",
    "input",
    "goal",
    "sentence",
    "premise",
    "hypothesis",
    "statement",
    "stem",
    "ctx",
    "text",
    "options",
    "choices",
    "choice",
    "endings",
    "a",
    "b",
    "c",
    "d",
    "e",
    "answer",
    "answers",
    "best answer",
    "correct answers",
    "incorrect answers",
    "solution",
    "canonical_solution",
    "completion",
    "output",
    "response",
    "target",
    "targets",
    "ground_truth",
];

/// The fields that are looked at.
pub(super) struct Fields {
    named: Vec<String>,
}

impl Fields {
    /// These, or those that are known.
    pub(super) fn new(named: &[String]) -> Self {
        Self { named: named.iter().map(|name| name.to_lowercase()).collect() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let name = name.trim().to_lowercase();
        if self.named.is_empty() {
            let numbered = name.strip_prefix("ans").or_else(|| name.strip_prefix("option"));
            let is_numbered = numbered.is_some_and(|rest| rest.trim_matches('_').parse::<u32>().is_ok());
            KNOWN.contains(&name.as_str()) || is_numbered || name == "mc1_targets" || name == "mc2_targets"
        } else {
            self.named.contains(&name)
        }
    }

    /// Whether these are names of columns, one of which has texts; a row of a test may have the answer `B` in it.
    pub(super) fn are_in(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.has(name) && (name.trim().len() > 1 || !self.named.is_empty()))
    }

    /// The texts of an item, in the order of its fields. What lies in a field without such a name is searched too.
    pub(super) fn texts(&self, item: &Value) -> Vec<String> {
        let mut texts = Vec::new();
        match item {
            Value::String(text) if self.named.is_empty() => texts.push(text.clone()),
            item => self.search(item, &mut texts),
        }
        texts
    }

    fn search(&self, value: &Value, texts: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if self.has(name) { collect(value, texts) } else { self.search(value, texts) }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.search(value, texts)),
            _ => {}
        }
    }
}

/// All strings in a value; of an object that gives numbers or truth values to texts, the texts.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if value.is_number() || value.is_boolean() { texts.push(name.clone()) } else { collect(value, texts) }
            }
        }
        _ => {}
    }
}
