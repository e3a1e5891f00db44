//! Weights from one form to another: always to safetensors under Hugging Face's names, in the type asked for, or packed in few bits.
//!
//! Nothing is held but a few rows, or a matrix that is packed: a model larger than memory is converted all the same.

mod arguments;
mod layout;
mod megatron;

use std::fs;
use std::path::Path;

use crate::config::Quantization;
use crate::weights::quantised::round::Packing;
use crate::weights::{Form, Tensor, Weights, widest, write_safetensors, write_whole};
use crate::{Config, DType, Description, Error, Result, bundled};

/// Files beside the weights that go with them.
const COMPANIONS: [&str; 10] = [
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "LICENSE",
];

/// How to write.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The type of numbers; `None` for the one they have. Weights in few bits become what their configuration says, or
    /// bfloat16.
    pub dtype: Option<DType>,
    /// Rounds the matrices of layers to few bits, in GPTQ's packing. Default none. Matrices that do not fill whole integers, and
    /// everything else, have the type `dtype` says.
    pub packing: Option<Packing>,
    /// Packs the embedding and the output layer too, which others that read GPTQ's packing do not expect.
    pub packs_embeddings: bool,
    /// Bytes of a file. Default 5 GB, as of transformers.
    pub max_shard_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { dtype: None, packing: None, packs_embeddings: false, max_shard_bytes: 5_000_000_000 }
    }
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Report {
    /// The model.
    pub config: Config,
    /// The type of numbers.
    pub dtype: DType,
    /// Tensors written.
    pub tensors: usize,
    /// Tensors of the source that the model has no place for, and that were left out.
    pub unexpected: Vec<String>,
    /// What was guessed, and how to say it instead.
    pub warnings: Vec<String>,
}

/// Writes the weights in `from`, a directory or file that [`Weights::open`] reads, to the directory `out`. The
/// configuration is the given one, or that of `from`. Files of the tokenizer are copied.
///
/// # Errors
/// As of [`Weights::open`] and [`Description::read`]; [`Error::Tensor`] if tensors are missing; [`Error::Io`] if a file
/// cannot be written.
pub fn weights(from: &Path, config: Option<&Config>, out: &Path, options: Options) -> Result<Report> {
    refuse_used(from, out)?;
    let (config, said, warnings) = match config {
        Some(config) => (config.clone(), None, Vec::new()),
        None => {
            let description = Description::read(from)?;
            (description.config, description.dtype, description.warnings)
        }
    };
    let weights = Weights::open(from)?;
    let tensors = config.tensors().map(|(name, shape)| Ok((weights.get(&name, &shape)?, name)));
    let mut tensors: Vec<(String, Tensor)> =
        tensors.map(|found| found.map(|(tensor, name)| (name, tensor))).collect::<Result<_>>()?;
    // Stored beside the embedding that it is.
    if config.tied_embeddings()
        && let Some(head) = weights.try_get("lm_head.weight", &[config.vocab_size(), config.hidden_size()])?
    {
        tensors.push(("lm_head.weight".into(), head));
    }
    let unexpected = weights.unexpected().into_iter().map(str::to_owned).collect();
    let report = write(config, said, tensors, out, options)?;
    if bundled::is_folder(from) {
        for name in COMPANIONS {
            let (source, target) = (from.join(name), out.join(name));
            let copied = match bundled::file(&source) {
                Some(bytes) => fs::write(&target, bytes),
                None if source.is_file() => fs::copy(&source, &target).map(drop),
                None => continue,
            };
            copied.map_err(|error| Error::io("write", &target, error))?;
        }
    }
    Ok(Report { unexpected, warnings, ..report })
}

/// Writes a Yuan checkpoint of Megatron, the directory with `latest_checkpointed_iteration.txt`, to the directory `out`.
/// The ranks of tensor and pipeline parallelism become one model. The configuration is the given one, or that of the
/// checkpoint's arguments.
///
/// # Errors
/// If files, ranks, tensors or arguments are missing or damaged, or do not fit together.
pub fn megatron(from: &Path, config: Option<&Config>, out: &Path, options: Options) -> Result<Report> {
    refuse_used(from, out)?;
    let mut checkpoint = megatron::Checkpoint::open(from)?;
    let (config, warnings) = match config {
        Some(config) => (config.clone(), Vec::new()),
        None => {
            let description = arguments::read(checkpoint.first(), from)?;
            (description.config, description.warnings)
        }
    };
    let tensors = layout::tensors(&config, &mut checkpoint)?;
    let report = write(config, None, tensors, out, options)?;
    Ok(Report { unexpected: checkpoint.unused(), warnings, ..report })
}

/// What the arguments in a Megatron checkpoint say of its model.
///
/// # Errors
/// If there are none, or they contradict themselves; as of [`megatron()`].
pub fn megatron_description(from: &Path) -> Result<Description> {
    arguments::read(megatron::Checkpoint::open(from)?.first(), from)
}

/// Refuses a directory with weights: those left beside new ones would be read in their place.
fn refuse_used(from: &Path, out: &Path) -> Result<()> {
    let own = |path: &Path| fs::canonicalize(path).ok();
    let is_same = own(out).is_some_and(|out| own(from).is_some_and(|from| from == out || from.starts_with(&out)));
    if is_same {
        return Err(Error::request(format!("`{}` is where the weights are read from; name another", out.display())));
    }
    let is_weights = |name: &str| {
        let ends = [".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".gguf"];
        ends.iter().any(|end| name.ends_with(end))
    };
    let names = fs::read_dir(out).into_iter().flatten().flatten().map(|entry| entry.file_name());
    match names.filter_map(|name| name.into_string().ok()).find(|name| is_weights(name)) {
        Some(name) => {
            let out = out.display();
            Err(Error::request(format!("`{out}` has weights already, `{name}`; remove them or name another directory")))
        }
        None => Ok(()),
    }
}

fn write(
    config: Config,
    said: Option<DType>,
    tensors: Vec<(String, Tensor)>,
    out: &Path,
    options: Options,
) -> Result<Report> {
    let dtype = options
        .dtype
        .or_else(|| widest(tensors.iter().map(|(_, tensor)| tensor.kind().dtype())))
        .or(said)
        .unwrap_or(DType::BF16);
    let count = tensors.len();
    let form = |name: &str, tensor: &Tensor| {
        let is_embedding = !name.starts_with("model.layers.");
        // Which expert is best must not hang on a rounding; they are small, and GPTQModel leaves them as well.
        let is_router = name.contains(".mlp.gate.") || name.contains("_expert_gate.");
        match options.packing {
            Some(packing)
                if tensor.shape().len() == 2
                    && !is_router
                    && packing.fits(tensor.rows(), tensor.columns())
                    && (!is_embedding || options.packs_embeddings) =>
            {
                Form::Packed(packing)
            }
            _ => Form::Plain(dtype),
        }
    };
    let tensors = tensors.into_iter().map(|(name, tensor)| {
        let form = form(&name, &tensor);
        (name, tensor, form)
    });
    write_safetensors(out, tensors, options.max_shard_bytes)?;
    let text = match options.packing {
        None => config.to_json(dtype),
        Some(Packing { bits, group_size }) => {
            config.to_json_quantised(dtype, Quantization { bits: bits as usize, group_size })
        }
    };
    write_whole(&out.join("config.json"), text.as_bytes())?;
    Ok(Report { config, dtype, tensors: count, unexpected: Vec::new(), warnings: Vec::new() })
}
