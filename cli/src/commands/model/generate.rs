//! `model generate`: texts from prompts.

use std::borrow::Cow;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use yuan_model::generate::{
    ChatTemplate, Generated, Generation, RenderOptions, Sampler, Sampling, Stop, StopRules, Stopped, generate as run,
};
use yuan_model::{Config, Encode as _};

use crate::Done;
use crate::args::{GenerateArgs, Global};
use crate::commands::{print, say};
use crate::encoder::ModelTokenizer;
use crate::hints::usage;

pub fn generate(args: &GenerateArgs, global: &Global) -> anyhow::Result<Done> {
    // What can be wrong is told before the weights are read.
    let description = super::describe_files(&args.model)?;
    let config = &description.config;
    let mut how = Generation {
        sampling: Sampling {
            temperature: args.sampling.temperature,
            top_k: args.sampling.top_k,
            top_p: args.sampling.top_p,
            repetition_penalty: args.repetition_penalty,
            seed: args.sampling.seed,
        },
        stop: StopRules {
            ids: description.eos.clone(),
            strings: args.stop.clone(),
            max_new_tokens: args.max_new_tokens,
        },
        max_positions: args.max_positions.map_or(config.max_positions(), |most| most as usize),
        never: Vec::new(),
    };
    super::asked(Sampler::new(how.sampling.clone()), None)?;
    super::asked(Stop::new(how.stop.clone().into()), None)?;
    let path = super::tokenizer_file(&args.model, args.tokenizer.as_deref())?;
    let prompts = prompts(args)?;
    // Control tokens of a chat's template are control tokens.
    let tokenizer = ModelTokenizer::parsing_special(&path)?;
    how.never = super::never(&description, &tokenizer, &description.eos);
    let ids = ids(args, prompts, &tokenizer, &path, config, &how)?;
    let mut trained = Trained { positions: config.max_positions(), is_told: false };
    for (number, prompt) in ids.iter().enumerate() {
        trained.look_at(number, prompt.len(), global);
    }
    let model = super::open(&args.model, &args.run, global)?;
    let piece = |id: u32| tokenizer.tokenizer().token_bytes(id).unwrap_or_default();
    let is_streamed = ids.len() == 1 && !args.json;
    let mut out = std::io::stdout();
    for (batch, first) in ids.chunks(args.batch.get()).zip((0..).step_by(args.batch.get())) {
        let mut failed = None;
        let mut on_text = |_: usize, text: &str| {
            if is_streamed && let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                failed.get_or_insert(error);
            }
        };
        let texts = run(model.engine(), batch, first, &how, &piece, &mut on_text)?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        for (number, (text, prompt)) in (first..).zip(texts.iter().zip(batch)) {
            match (is_streamed, args.json) {
                (true, _) => print("")?,
                (_, true) => print(&json_line(number, prompt.len(), text, args))?,
                (_, false) => print(&format!("── prompt {number}\n{}", text.text))?,
            }
            trained.look_at(number, prompt.len() + text.ids.len(), global);
        }
    }
    Ok(Done::All)
}

fn json_line(number: usize, prompt_tokens: usize, text: &Generated, args: &GenerateArgs) -> String {
    let stopped = match text.stopped {
        Stopped::Id(id) => json!({ "id": id }),
        Stopped::String(string) => json!({ "string": args.stop.get(string) }),
        Stopped::Length => json!("length"),
    };
    let (text, tokens) = (&text.text, text.ids.len());
    json!({ "prompt": number, "text": text, "prompt_tokens": prompt_tokens, "tokens": tokens, "stopped": stopped })
        .to_string()
}

/// The positions a model was trained for, and whether it was told that a text goes on behind them.
struct Trained {
    positions: usize,
    is_told: bool,
}

impl Trained {
    /// Says so the first time that a prompt, or it and its text, has more tokens.
    fn look_at(&mut self, number: usize, tokens: usize, global: &Global) {
        if tokens > self.positions && !std::mem::replace(&mut self.is_told, true) {
            let trained = self.positions;
            let told =
                format!("warning: prompt {number} comes to {tokens} tokens, and the model was trained for {trained}");
            say(global, &format!("{told}: what comes later may make no sense"));
        }
    }
}

/// The tokens of all prompts, each of which can be continued.
fn ids(
    args: &GenerateArgs,
    prompts: Vec<Prompt>,
    tokenizer: &ModelTokenizer,
    path: &Path,
    config: &Config,
    how: &Generation,
) -> anyhow::Result<Vec<Vec<u32>>> {
    let template = if prompts.iter().any(|prompt| prompt.is_chat(args)) {
        super::template(&args.model, path, config)?
    } else {
        None
    };
    let mut all = Vec::with_capacity(prompts.len());
    for prompt in prompts {
        let mut ids = Vec::new();
        tokenizer.encode(&prompt.text(args, template.as_ref())?, &mut ids)?;
        let (name, vocab_size) = (&prompt.name, config.vocab_size());
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocab_size) {
            let problem = format!("{name} has the token {id}, and the model has {vocab_size}");
            return Err(usage(problem, "name the model's own tokenizer with `--tokenizer FILE`".to_owned()));
        }
        let longer = "`--max-positions N` gives room, behind what the model was trained for too";
        super::asked(how.check(name, &ids), (ids.len() >= how.max_positions).then_some(longer))?;
        all.push(ids);
    }
    Ok(all)
}

struct Prompt {
    /// Its number, and where it stands.
    name: String,
    given: Given,
}

/// A prompt as it was given.
enum Given {
    Text(String),
    Messages(Vec<Value>),
}

impl Prompt {
    fn is_chat(&self, args: &GenerateArgs) -> bool {
        args.chat || matches!(self.given, Given::Messages(_))
    }

    fn text<'p>(&'p self, args: &GenerateArgs, template: Option<&ChatTemplate>) -> anyhow::Result<Cow<'p, str>> {
        let messages = match &self.given {
            Given::Text(text) if !args.chat => return Ok(Cow::Borrowed(text)),
            Given::Text(text) => {
                let system = args.system.iter().map(|text| json!({ "role": "system", "content": text }));
                &system.chain([json!({ "role": "user", "content": text })]).collect()
            }
            Given::Messages(messages) => messages,
        };
        let name = &self.name;
        let template = template.ok_or_else(|| {
            let problem = format!("{name} is a chat, and the model has no chat template");
            usage(problem, "give prompts as texts and without `--chat`".to_owned())
        })?;
        let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        let text = template.render(messages, &options);
        Ok(Cow::Owned(text.with_context(|| format!("{name} cannot be written as a chat"))?))
    }
}

fn prompts(args: &GenerateArgs) -> anyhow::Result<Vec<Prompt>> {
    let given = args.prompt.iter().cloned().map(Given::Text).enumerate();
    let mut prompts: Vec<Prompt> =
        given.map(|(number, given)| Prompt { name: format!("prompt {number}"), given }).collect();
    if let Some(path) = &args.prompts {
        let bytes = if path == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
            bytes
        } else {
            fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?
        };
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        for (line_number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let place = format!("line {line_number} of `{}`", path.display());
            let line = str::from_utf8(line).with_context(|| format!("{place} is not UTF-8"))?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if !line.trim().is_empty() {
                prompts.push(Prompt {
                    name: format!("prompt {} ({place})", prompts.len()),
                    given: given_in(line, &place)?,
                });
            }
        }
    }
    if prompts.is_empty() {
        return Err(usage("there is no prompt".to_owned(), "give one with `--prompt TEXT`".to_owned()));
    }
    Ok(prompts)
}

/// The prompt in a line.
fn given_in(line: &str, place: &str) -> anyhow::Result<Given> {
    if !line.trim_start().starts_with('{') {
        return Ok(Given::Text(line.to_owned()));
    }
    let mut object: Value = serde_json::from_str(line).with_context(|| format!("{place} is no JSON object"))?;
    match (object["prompt"].take(), object["messages"].take()) {
        (Value::String(text), _) => Ok(Given::Text(text)),
        (_, Value::Array(messages)) => Ok(Given::Messages(messages)),
        _ => anyhow::bail!("{place} has neither `prompt`, a string, nor `messages`, a list"),
    }
}
