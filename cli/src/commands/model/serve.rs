//! `serve`: a model that others may ask.

use std::path::Path;
use std::sync::Arc;

use yuan_model::{Config, DType, Model};
use yuan_serve::{Options, Served, Server};

use crate::Done;
use crate::args::{Global, ServeArgs};
use crate::commands::{memory, say};
use crate::encoder::ModelTokenizer;
use crate::hints::usage;

pub fn serve(args: &ServeArgs, global: &Global) -> anyhow::Result<Done> {
    // What can be wrong is told before the weights are read.
    let description = super::describe_files(&args.model)?;
    let config = &description.config;
    let path = super::tokenizer_file(&args.model, args.tokenizer.as_deref())?;
    let tokenizer = ModelTokenizer::parsing_special(&path)?;
    let never = super::never(&description, &tokenizer, &description.eos);
    let max_positions = args.max_positions.map_or(config.max_positions(), |most| most as usize);
    let most = args.max_concurrent.get().saturating_mul(max_positions);
    let mut options = Options {
        key: args.api_key.clone(),
        max_body: usize::try_from(args.max_body).unwrap_or(usize::MAX),
        max_new_tokens: args.max_tokens.map(Into::into),
        max_texts: args.max_concurrent.get(),
        cache_tokens: args.cache_tokens.map_or(most, Into::into),
        batch_tokens: args.batch_tokens.get(),
        answer_bytes: usize::try_from(memory(global) / 8).unwrap_or(usize::MAX),
        queue: args.queue,
        timeout: args.timeout,
        client_timeout: args.client_timeout,
        grace: args.grace,
    };
    options.check().map_err(|error| usage(error.to_string(), None))?;
    let served = Served {
        name: args.name.clone().unwrap_or_else(|| name(&args.model)),
        template: super::template(&args.model, &path, config)?,
        vocabulary: Arc::new(tokenizer),
        max_positions,
        vocab_size: config.vocab_size(),
        ends: description.eos.clone(),
        never,
    };
    // Who cannot listen need not load.
    let server = Server::bind(&args.host, args.port)?;
    let model = super::open(&args.model, &args.run, global)?;
    if args.cache_tokens.is_none() {
        options.cache_tokens = most.min(cache_tokens(&model, global)?);
    }
    let room = options.cache_tokens;
    if !server.is_local() && options.key.is_none() {
        let told = "warning: other machines can reach this server, and it asks for no key: give one with `--api-key`";
        say(global, told);
    }
    if room < max_positions {
        let told = format!(
            "warning: there is memory for {room} tokens of keys and values, and a text may have {max_positions}"
        );
        let more = if model.engine().free_memory()?.is_some() { "`--cache-tokens`" } else { "`--memory`" };
        say(global, &format!("{told}: longer ones are refused; {more} gives more"));
    }
    let (name, address, place) = (&served.name, server.address(), model.place());
    say(global, &format!("`{name}` answers at http://{address} ({place}, {room} tokens at one time)"));
    let speaker = global.clone();
    server.run(&model, served, options, Arc::new(move |line| say(&speaker, line)))?;
    Ok(Done::All)
}

/// What requests call a model: the name of its folder or file.
fn name(model: &Path) -> String {
    let whole = model.canonicalize().unwrap_or_else(|_| model.to_path_buf());
    whole.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned())
}

/// Tokens whose keys and values half of the memory holds: of what the device has free beside the model, or of the budget on a CPU.
fn cache_tokens(model: &Model, global: &Global) -> anyhow::Result<usize> {
    let (bytes, dtype) = match model.engine().free_memory()? {
        Some(free) => (free, model.dtype()),
        None => (memory(global), DType::F32),
    };
    let tokens = bytes / 2 / bytes_per_token(model.config(), dtype).max(1);
    Ok(usize::try_from(tokens).unwrap_or(usize::MAX).max(1))
}

/// Bytes of a token's keys and values in all layers.
fn bytes_per_token(config: &Config, dtype: DType) -> u64 {
    let width = match config {
        Config::Yuan(config) => 2 * config.attention_width,
        Config::Qwen2Moe(config) => 2 * config.kv_heads * config.head_dim,
    };
    (config.layers() * width * dtype.bytes()) as u64
}
