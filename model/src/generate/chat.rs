//! Chats written as prompts by Hugging Face's chat templates (Jinja).
//!
//! The environment is that of `apply_chat_template` (transformers 5.23): blocks trimmed, nothing escaped, Python's methods
//! of strings and dicts, `raise_exception`, `strftime_now`, `tojson` as `json.dumps`, `{% generation %}` read over. Names
//! that are not given are undefined and print nothing.

use std::borrow::Cow;
use std::fmt::Display;
use std::panic::resume_unwind;
use std::thread::Builder;
use std::time::SystemTime;

use chrono::format::StrftimeItems;
use chrono::{DateTime, Utc};
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, ErrorKind};
use serde::Serialize;
use serde_json::{Map, Value as JsonValue};

use super::python::{Json, print};
use crate::{Error, Result};

/// Instructions a template may take: a chat of ten thousand messages takes about a million.
const FUEL: u64 = 2_000_000;

/// Bytes a template may have; reading one takes time in the square of its longest expression.
const LONGEST_TEMPLATE: usize = 64 << 10;

/// Bytes of stack, in address space, for what a template can nest: its expressions are read, and its values freed,
/// recursively. The worst cases tried do not fill half of it.
const STACK: usize = 256 << 20;

/// Bytes a prompt may have.
const LONGEST: usize = 64 << 20;

/// Template of the Qwen2 chat models, "ChatML" with a system message if there is none.
const CHATML: &str = "\
{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}\
{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// A message of a chat. Templates for tools want more fields: any map can be rendered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// "system", "user" or "assistant".
    pub role: String,
    /// The text.
    pub content: String,
}

impl Message {
    /// A message of `role`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// What a template is given beside the messages.
#[derive(Clone, Debug, Default)]
pub struct RenderOptions {
    /// Whether the prompt ends where the model's answer begins.
    pub add_generation_prompt: bool,
    /// The time `strftime_now` writes, in UTC; `None` for the present.
    pub now: Option<SystemTime>,
    /// More names: `tools`, `documents`, `enable_thinking`…
    pub extra: Map<String, JsonValue>,
}

/// A template that has been read.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// `bos_token`, `eos_token`…
    tokens: Map<String, JsonValue>,
}

impl ChatTemplate {
    /// Reads a template, as `chat_template.jinja` and GGUF's `tokenizer.chat_template` hold it.
    ///
    /// # Errors
    /// A template that is no Jinja.
    pub fn new(source: &str) -> Result<Self> {
        Self::read(source).map_err(|problem| Error::request(format!("the chat template {problem}")))
    }

    /// Reads a template, or says what it is instead of one.
    pub(super) fn read(source: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_formatter(|out, _, value| {
            let mut text = String::new();
            print(&mut text, value)?;
            out.write_str(&text).map_err(minijinja::Error::from)
        });
        environment.add_filter("tojson", tojson);
        environment.add_function("raise_exception", |problem: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, problem))
        });
        if source.len() > LONGEST_TEMPLATE {
            return Err(format!("is longer than {LONGEST_TEMPLATE} bytes"));
        }
        let source = without_generation_tags(source).into_owned();
        let environment = with_deep_stack(move || {
            environment
                .add_template_owned("chat", source)
                .map_err(|error| format!("is no Jinja: {}", one_line(&error)))?;
            Ok(environment)
        })?;
        Ok(Self { environment, tokens: Map::new() })
    }

    /// Qwen2's, for models whose files hold none.
    pub fn chatml() -> Self {
        Self::new(CHATML).expect("the template is Jinja")
    }

    /// With a special token: `bos_token`, `eos_token`…
    pub fn with_token(mut self, name: &str, token: &str) -> Self {
        self.tokens.insert(name.into(), token.into());
        self
    }

    /// The prompt of a chat. `messages` are [`Message`]s or maps of any kind.
    ///
    /// # Errors
    /// What the template refuses by `raise_exception`, does wrong, or does without end; a prompt above 64 MiB. Fuel
    /// bounds a template's steps, not the length of strings it builds and does not print: take templates from where the
    /// weights come from.
    pub fn render<M: Serialize>(&self, messages: &[M], options: &RenderOptions) -> Result<String> {
        let mut environment = self.environment.clone();
        let now = DateTime::<Utc>::from(options.now.unwrap_or_else(SystemTime::now));
        environment.add_function("strftime_now", move |format: &str| strftime(now, format));
        let mut context: Map<String, JsonValue> = self.tokens.clone();
        // What is not given is none, as in Python's call.
        context.extend(["tools", "documents"].map(|name| (name.into(), JsonValue::Null)));
        context.insert("add_generation_prompt".into(), options.add_generation_prompt.into());
        context.extend(options.extra.clone());
        let context = minijinja::context! { messages => messages, ..Value::from_serialize(&context) };
        let written = with_deep_stack(move || {
            let mut prompt = Prompt(Vec::new());
            let template = environment.get_template("chat").expect("the template was added when it was read");
            template
                .render_captured_to(context, &mut prompt)
                .map_err(|error| format!("fails: {}", one_line(&error)))?;
            Ok(String::from_utf8(prompt.0).expect("templates write text"))
        });
        written.map_err(|problem| Error::request(format!("the chat template {problem}")))
    }
}

/// Runs `work`, which may nest as deep as a template can make it.
fn with_deep_stack<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    let thread = Builder::new().name("chat template".into()).stack_size(STACK).spawn(work);
    let thread = thread.map_err(|error| format!("gets no thread to run on: {error}"))?;
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// A prompt that does not grow without end.
struct Prompt(Vec<u8>);

impl std::io::Write for Prompt {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > LONGEST - self.0.len() {
            return Err(std::io::Error::other(format!("the prompt is longer than {LONGEST} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Python's `json.dumps` with the options that transformers hands on.
fn tojson(value: &Value, options: Kwargs) -> Result<String, minijinja::Error> {
    let indent = options.get::<Option<usize>>("indent")?;
    if indent.is_some_and(|indent| indent > 100) {
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, "`tojson` indents by at most 100"));
    }
    let separators = options.get::<Option<Vec<String>>>("separators")?;
    let (item, key) = match separators.as_deref() {
        None => (if indent.is_some() { "," } else { ", " }, ": "),
        Some([item, key]) => (item.as_str(), key.as_str()),
        Some(_) => return Err(minijinja::Error::new(ErrorKind::InvalidOperation, "`separators` are two strings")),
    };
    let json = Json {
        indent,
        separators: (item.into(), key.into()),
        ensure_ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    json.write(value)
}

/// Python's `strftime`.
fn strftime(now: DateTime<Utc>, format: &str) -> Result<String, minijinja::Error> {
    let items = StrftimeItems::new(format).parse().map_err(|_| {
        minijinja::Error::new(
            ErrorKind::InvalidOperation,
            format!("`strftime_now` does not know the format `{format}`"),
        )
    })?;
    Ok(now.format_with_items(items.iter()).to_string())
}

/// The template with `{% generation %}`, which marks what a model has written, as a block that is always taken.
fn without_generation_tags(source: &str) -> Cow<'_, str> {
    if !source.contains("generation") {
        return Cow::Borrowed(source);
    }
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let end = tag.find("%}").map_or(tag.len(), |end| end + 2);
        let inner = tag[2..end].trim_end_matches("%}");
        let word = inner.trim_matches(|char: char| char.is_ascii_whitespace() || matches!(char, '-' | '+'));
        match word {
            "generation" => out.push_str(&tag[..end].replacen(word, "if true", 1)),
            "endgeneration" => out.push_str(&tag[..end].replacen(word, "endif", 1)),
            _ => out.push_str(&tag[..end]),
        }
        rest = &tag[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// An error of the engine without the excerpt of the template.
fn one_line(error: &minijinja::Error) -> impl Display {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("{detail} (line {line})"),
        None => detail,
    }
}
