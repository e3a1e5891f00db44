//! `model generate`: texts from prompts.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use yuan_gguf::Header;
use yuan_model::generate::{
    ChatTemplate, Generation, RenderOptions, Sampler, Sampling, Stop, StopRules, Stopped, generate as run,
};
use yuan_model::{Config, Encode as _, tokenizer_of};

use crate::Done;
use crate::args::{GenerateArgs, Global};
use crate::commands::print;
use crate::encoder::ModelTokenizer;
use crate::hints::usage;

pub fn generate(args: &GenerateArgs, global: &Global) -> anyhow::Result<Done> {
    // What can be wrong is told before the weights are read.
    let description = super::describe_files(&args.model)?;
    let how = Generation {
        sampling: Sampling {
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
            repetition_penalty: args.repetition_penalty,
            seed: args.seed,
        },
        stop: StopRules {
            ids: description.eos.clone(),
            strings: args.stop.clone(),
            max_new_tokens: args.max_new_tokens,
        },
        max_positions: description.config.max_positions(),
    };
    super::asked(Sampler::new(how.sampling.clone()), None)?;
    super::asked(Stop::new(&how.stop), None)?;
    let path = args.tokenizer.clone().or_else(|| tokenizer_of(&args.model)).ok_or_else(|| {
        let problem = format!("there is no tokenizer in `{}`", args.model.display());
        usage(problem, "name the model's own with `--tokenizer FILE`".to_owned())
    })?;
    let prompts = prompts(args)?;
    // Control tokens of a chat's template are control tokens.
    let tokenizer = ModelTokenizer::parsing_special(&path)?;
    let template = template(&args.model, &description.config)?;
    let texts: Vec<String> =
        prompts.into_iter().map(|prompt| prompt.text(args, template.as_ref())).collect::<anyhow::Result<_>>()?;
    let mut ids = vec![Vec::new(); texts.len()];
    for (text, ids) in texts.iter().zip(&mut ids) {
        tokenizer.encode(text, ids)?;
    }
    let model = super::open(&args.model, &args.run, global)?;
    // An id beyond the tokenizer's, of a vocabulary that was rounded up, says nothing.
    let piece = |id: u32| tokenizer.tokenizer().token_bytes(id).unwrap_or_default();
    let is_streamed = texts.len() == 1 && !args.json;
    let mut out = std::io::stdout();
    let mut failed = None;
    let mut on_text = |_: usize, text: &str| {
        if is_streamed && let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            failed.get_or_insert(error);
        }
    };
    let found = run(model.engine(), &ids, &how, &piece, &mut on_text)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if is_streamed {
        print("")?;
    }
    for (number, (text, prompt)) in found.iter().zip(&ids).enumerate().filter(|_| !is_streamed) {
        if args.json {
            let stopped = match text.stopped {
                Stopped::Id(id) => json!({ "id": id }),
                Stopped::String(string) => json!({ "string": args.stop.get(string) }),
                Stopped::Length => json!("length"),
            };
            let (prompt_tokens, tokens) = (prompt.len(), text.ids.len());
            let line = json!({
                "prompt": number, "text": text.text, "prompt_tokens": prompt_tokens, "tokens": tokens, "stopped": stopped,
            });
            print(&line.to_string())?;
        } else {
            print(&format!("── prompt {number}\n{}", text.text))?;
        }
    }
    Ok(Done::All)
}

/// A prompt as it was given.
enum Prompt {
    Text(String),
    Messages(Vec<Value>),
}

impl Prompt {
    fn text(self, args: &GenerateArgs, template: Option<&ChatTemplate>) -> anyhow::Result<String> {
        let messages = match self {
            Self::Text(text) if !args.chat => return Ok(text),
            Self::Text(text) => {
                let system = args.system.iter().map(|text| json!({ "role": "system", "content": text }));
                system.chain([json!({ "role": "user", "content": text })]).collect()
            }
            Self::Messages(messages) => messages,
        };
        let template = template.context("the model has no chat template: give prompts without `--chat`")?;
        let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
        Ok(template.render(&messages, &options)?)
    }
}

fn prompts(args: &GenerateArgs) -> anyhow::Result<Vec<Prompt>> {
    let mut prompts: Vec<Prompt> = args.prompt.iter().cloned().map(Prompt::Text).collect();
    if let Some(path) = &args.prompts {
        let mut text = String::new();
        if path == Path::new("-") {
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        } else {
            text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        }
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = || format!("line {} of `{}`", number + 1, path.display());
            prompts.push(match line.trim_start().starts_with('{') {
                false => Prompt::Text(line.to_owned()),
                true => {
                    let mut object: Value =
                        serde_json::from_str(line).with_context(|| format!("{} is no JSON object", place()))?;
                    match (object["prompt"].take(), object["messages"].take()) {
                        (Value::String(text), _) => Prompt::Text(text),
                        (_, Value::Array(messages)) => Prompt::Messages(messages),
                        _ => anyhow::bail!("{} has neither `prompt`, a string, nor `messages`, a list", place()),
                    }
                }
            });
        }
    }
    if prompts.is_empty() {
        return Err(usage("there is no prompt".to_owned(), "give one with `--prompt TEXT`".to_owned()));
    }
    Ok(prompts)
}

/// The chat template that lies with a model, or the one of its kind.
fn template(model: &Path, config: &Config) -> anyhow::Result<Option<ChatTemplate>> {
    let of_kind = || matches!(config, Config::Qwen2Moe(_)).then(ChatTemplate::chatml);
    if let Some(file) = tokenizer_of(model).filter(|path| path.extension().is_some_and(|it| it == "gguf")) {
        let header = Header::read(fs::File::open(file)?)?;
        let source = header.get("tokenizer.chat_template").and_then(yuan_gguf::Value::as_str);
        return Ok(source.map(ChatTemplate::new).transpose()?.or_else(of_kind));
    }
    let (source, config) = (model.join("chat_template.jinja"), model.join("tokenizer_config.json"));
    if source.exists() {
        return Ok(Some(ChatTemplate::new(&fs::read_to_string(source)?)?));
    }
    if config.exists() {
        let found = ChatTemplate::from_tokenizer_config(&fs::read_to_string(&config)?, &config)?;
        return Ok(found.or_else(of_kind));
    }
    Ok(of_kind())
}
