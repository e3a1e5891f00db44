//! What a request says, field by field. `/v1/completions` and `/v1/chat/completions` share most of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::http::Problem;

/// A request. Every field may be left out or null.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    pub model: Option<String>,
    pub prompt: Option<Prompts>,
    pub messages: Option<Vec<Map<String, Value>>>,
    pub max_tokens: Option<u32>,
    pub max_completion_tokens: Option<u32>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub n: Option<u32>,
    pub best_of: Option<u32>,
    pub seed: Option<i64>,
    pub stop: Option<Stops>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub echo: Option<bool>,
    pub logprobs: Option<LogProbs>,
    pub top_logprobs: Option<u32>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// As vLLM has it.
    pub top_k: Option<i64>,
    /// As vLLM has it.
    pub repetition_penalty: Option<f64>,
    // What changes no text.
    user: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
    store: Option<IgnoredAny>,
    service_tier: Option<IgnoredAny>,
    safety_identifier: Option<IgnoredAny>,
    prompt_cache_key: Option<IgnoredAny>,
    parallel_tool_calls: Option<IgnoredAny>,
    // What is refused unless it asks for nothing.
    suffix: Option<Value>,
    tools: Option<Value>,
    tool_choice: Option<Value>,
    functions: Option<Value>,
    function_call: Option<Value>,
    response_format: Option<Value>,
    modalities: Option<Value>,
    audio: Option<Value>,
    prediction: Option<Value>,
    reasoning_effort: Option<Value>,
    verbosity: Option<Value>,
    web_search_options: Option<Value>,
}

impl Fields {
    /// Refuses what OpenAI's protocol has and this server does not do.
    ///
    /// # Errors
    /// Names the field.
    pub fn refuse_unsupported(&self) -> Result<(), Problem> {
        let asked: [(&str, &Option<Value>); 12] = [
            ("suffix", &self.suffix),
            ("tools", &self.tools),
            ("tool_choice", &self.tool_choice),
            ("functions", &self.functions),
            ("function_call", &self.function_call),
            ("response_format", &self.response_format),
            ("modalities", &self.modalities),
            ("audio", &self.audio),
            ("prediction", &self.prediction),
            ("reasoning_effort", &self.reasoning_effort),
            ("verbosity", &self.verbosity),
            ("web_search_options", &self.web_search_options),
        ];
        for (name, value) in asked {
            let is_nothing = match value {
                None | Some(Value::Null) => true,
                Some(Value::String(text)) => text.is_empty() || text == "none",
                Some(Value::Array(items)) => items.is_empty() || name == "modalities" && *items == ["text"],
                Some(Value::Object(object)) => object.get("type").is_some_and(|kind| kind == "text"),
                Some(_) => false,
            };
            if !is_nothing {
                return Err(unsupported(name));
            }
        }
        Ok(())
    }
}

/// A field that this server, or this path, does nothing with.
pub fn unsupported(name: &str) -> Problem {
    Problem::field(name, format!("`{name}` is not supported here")).code("unsupported_parameter")
}

/// What is told of streams.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamOptions {
    /// Whether a last event counts tokens.
    pub include_usage: Option<bool>,
    /// Padding against those who measure the length of events: there is none.
    include_obfuscation: Option<IgnoredAny>,
}

/// A number for completions, a switch for chats.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, expecting = "a number for completions, or true or false for chats, was expected")]
pub enum LogProbs {
    /// Of so many of the likeliest tokens.
    Count(u32),
    /// Whether any are told.
    Switch(bool),
}

/// What ends a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings was expected")]
pub enum Stops {
    /// One string.
    One(String),
    /// Any of some.
    Some(Vec<String>),
}

impl From<Stops> for Vec<String> {
    fn from(stops: Stops) -> Self {
        match stops {
            Stops::One(text) => vec![text],
            Stops::Some(texts) => texts,
        }
    }
}

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// As text.
    Text(String),
    /// As tokens.
    Ids(Vec<u32>),
}

/// A text, some texts, the tokens of one or of some.
#[derive(Debug, PartialEq, Eq)]
pub struct Prompts(pub Vec<Prompt>);

impl<'de> Deserialize<'de> for Prompts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PromptsVisitor)
    }
}

struct PromptsVisitor;

impl<'de> Visitor<'de> for PromptsVisitor {
    type Value = Prompts;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a list of texts, a list of token ids or a list of such lists")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Prompts, E> {
        Ok(Prompts(vec![Prompt::Text(text.to_owned())]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Prompts, A::Error> {
        let mut prompts = Vec::new();
        let mut ids = Vec::new();
        while let Some(item) = items.next_element::<Item>()? {
            match item {
                Item::Prompt(prompt) => prompts.push(prompt),
                Item::Id(id) => ids.push(id),
            }
            if !prompts.is_empty() && !ids.is_empty() {
                return Err(A::Error::custom("token ids stand beside prompts in one list"));
            }
        }
        if !ids.is_empty() {
            prompts.push(Prompt::Ids(ids));
        }
        Ok(Prompts(prompts))
    }
}

/// What a list has.
enum Item {
    Prompt(Prompt),
    Id(u32),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a token id or a list of token ids")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Prompt(Prompt::Text(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<Item, E> {
        u32::try_from(id).map(Item::Id).map_err(|_| E::custom(format!("{id} is no token id")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Item, A::Error> {
        let mut ids = Vec::new();
        while let Some(id) = items.next_element()? {
            ids.push(id);
        }
        Ok(Item::Prompt(Prompt::Ids(ids)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(json: &str) -> Result<Vec<Prompt>, String> {
        serde_json::from_str::<Prompts>(json).map(|prompts| prompts.0).map_err(|error| error.to_string())
    }

    #[test]
    fn prompts_of_every_kind() {
        let text = |text: &str| Prompt::Text(text.into());
        assert_eq!(prompts("\"a\""), Ok(vec![text("a")]));
        assert_eq!(prompts("[\"a\", \"\"]"), Ok(vec![text("a"), text("")]));
        assert_eq!(prompts("[1, 2]"), Ok(vec![Prompt::Ids(vec![1, 2])]));
        assert_eq!(prompts("[[1], [2, 3], \"a\"]"), Ok(vec![Prompt::Ids(vec![1]), Prompt::Ids(vec![2, 3]), text("a")]));
        assert_eq!(prompts("[]"), Ok(vec![]));
        assert!(prompts("[1, \"a\"]").unwrap_err().contains("token ids stand beside prompts"));
        assert!(prompts("[-1]").unwrap_err().contains("a token id"));
        assert!(prompts("[4294967296]").unwrap_err().contains("no token id"));
        assert!(prompts("{}").unwrap_err().contains("a list of texts"));
    }

    #[test]
    fn what_asks_for_nothing_is_taken() {
        let fields = |json: &str| serde_json::from_str::<Fields>(json).unwrap().refuse_unsupported();
        let nothing = r#"{"suffix": "", "tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "audio": null,
            "modalities": ["text"], "user": {"a": 1}}"#;
        assert!(fields(nothing).is_ok());
        for (name, value) in [("suffix", "\"x\""), ("tools", "[{}]"), ("response_format", r#"{"type": "json_object"}"#)]
        {
            let problem = fields(&format!("{{\"{name}\": {value}}}")).unwrap_err().json();
            assert_eq!(
                (&problem["error"]["param"], &problem["error"]["code"]),
                (&name.into(), &"unsupported_parameter".into())
            );
        }
    }
}
