//! What a model is made of: read from `config.json` or from a GGUF file's metadata, or known by name.

mod check;
mod gguf;
mod hugging_face;
mod named;
mod qwen2_moe;
mod rope;
mod tensors;
mod yuan;

use std::io::Read;
use std::path::Path;

pub use qwen2_moe::{Qwen2Moe, SlidingWindow};
pub use rope::{Blend, Rope, RopePrecision, Yarn};
pub use tensors::Parameters;
pub use yuan::{FILTER_EPS, Router, Yuan, YuanMoe};

use crate::{DType, Error, Result, bundled};

/// Longest text of a configuration that is read; published ones have 1 to 3 KB.
const MAX_BYTES: u64 = 8 << 20;

/// The shape of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    /// Yuan 2.0 (dense) and Yuan2.0-M32 (mixture of experts).
    Yuan(Yuan),
    /// Qwen1.5-MoE and Qwen2-MoE.
    Qwen2Moe(Qwen2Moe),
}

/// A configuration, and what its file says beside the shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The shape.
    pub config: Config,
    /// The type the weights are said to have.
    pub dtype: Option<DType>,
    /// How weights are said to be quantised.
    pub quantization: Option<Quantization>,
    /// The tokens a text ends with; Qwen's chat models have more than one, in `generation_config.json`.
    pub eos: Vec<u32>,
    /// The token batches are padded with.
    pub pad: Option<u32>,
    /// Tokens that no text has: GGUF files name the rows that pad a vocabulary, and call them unused.
    pub unused: Vec<u32>,
    /// What was guessed, and how to say it instead.
    pub warnings: Vec<String>,
}

/// GPTQ's groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantization {
    /// Bits of a weight: 4 or 8.
    pub bits: usize,
    /// Inputs that share a scale.
    pub group_size: usize,
}

impl Description {
    /// A shape of which no file says more.
    pub fn of(config: Config) -> Self {
        let eos = config.eod().into_iter().collect();
        Self { config, dtype: None, quantization: None, eos, pad: None, unused: Vec::new(), warnings: Vec::new() }
    }

    /// Reads `config.json`, the one in a directory or beside a file of weights, or the metadata of a GGUF file.
    /// `generation_config.json` beside it adds to `eos`.
    ///
    /// # Errors
    /// [`Error::Config`] names a field that is unknown, missing, contradictory or asks for what is not implemented;
    /// [`Error::Malformed`] if the file is no JSON object, or no GGUF file.
    pub fn read(path: &Path) -> Result<Self> {
        if path.extension().is_some_and(|extension| extension == "gguf") {
            return gguf::open(path);
        }
        let directory = bundled::is_folder(path).then_some(path);
        let path = match path.extension().and_then(|extension| extension.to_str()) {
            _ if directory.is_some() => path.join("config.json"),
            Some("safetensors" | "bin" | "pt" | "pth") => path.with_file_name("config.json"),
            // A list of shards.
            Some("json") if path.to_string_lossy().ends_with(".index.json") => path.with_file_name("config.json"),
            _ => path.to_path_buf(),
        };
        if let (false, Some(gguf)) = (bundled::exists(&path), directory.and_then(gguf::only_in)) {
            return gguf::open(&gguf);
        }
        let mut description = Self::from_json(&text(&path)?, &path)?;
        let generation = path.with_file_name("generation_config.json");
        if bundled::exists(&generation) {
            let object = json(&generation)?;
            let ids = object
                .get("eos_token_id")
                .map_or(&[][..], |ids| ids.as_array().map_or(std::slice::from_ref(ids), |it| it));
            let ids = ids.iter().filter_map(|id| id.as_u64()?.try_into().ok());
            let more: Vec<u32> = ids.filter(|id| !description.eos.contains(id)).collect();
            description.eos.extend(more);
        }
        Ok(description)
    }

    /// Reads the text of a `config.json`; `path` is named in errors.
    ///
    /// # Errors
    /// As of [`Description::read`].
    pub fn from_json(text: &str, path: &Path) -> Result<Self> {
        hugging_face::read(text, path)
    }

    /// Reads the metadata of a GGUF file; `path` is named in errors.
    ///
    /// # Errors
    /// As of [`Description::read`].
    pub fn from_gguf(header: &yuan_gguf::Header, path: &Path) -> Result<Self> {
        gguf::read(header, path)
    }
}

impl Config {
    /// The shape in `config.json`, the one in a directory, or the metadata of a GGUF file.
    ///
    /// # Errors
    /// As of [`Description::read`].
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Description::read(path)?.config)
    }

    /// The shape in the text of a `config.json`; `path` is named in errors.
    ///
    /// # Errors
    /// As of [`Description::read`].
    pub fn from_json(text: &str, path: &Path) -> Result<Self> {
        Ok(Description::from_json(text, path)?.config)
    }

    /// The text of a `config.json` that Hugging Face's class of this model reads, for weights of type `dtype`. Read
    /// again it gives the same shape.
    pub fn to_json(&self, dtype: DType) -> String {
        hugging_face::write(self, dtype, None)
    }

    /// [`to_json`](Self::to_json) of weights whose matrices are packed in few bits, as GPTQ's.
    pub fn to_json_quantised(&self, dtype: DType, quantization: Quantization) -> String {
        hugging_face::write(self, dtype, Some(quantization))
    }

    /// Layers.
    pub fn layers(&self) -> usize {
        match self {
            Self::Yuan(config) => config.layers,
            Self::Qwen2Moe(config) => config.layers,
        }
    }

    /// Rows of the embedding.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Yuan(config) => config.vocab_size,
            Self::Qwen2Moe(config) => config.vocab_size,
        }
    }

    /// Width of the residual stream.
    pub fn hidden_size(&self) -> usize {
        match self {
            Self::Yuan(config) => config.hidden_size,
            Self::Qwen2Moe(config) => config.hidden_size,
        }
    }

    /// What is added to the mean of squares in norms.
    pub fn rms_norm_eps(&self) -> f64 {
        match self {
            Self::Yuan(config) => config.rms_norm_eps,
            Self::Qwen2Moe(config) => config.rms_norm_eps,
        }
    }

    /// The rotary embedding.
    pub fn rope(&self) -> &Rope {
        match self {
            Self::Yuan(config) => &config.rope,
            Self::Qwen2Moe(config) => &config.rope,
        }
    }

    /// The token documents end with, if the configuration names it.
    pub fn eod(&self) -> Option<u32> {
        match self {
            Self::Yuan(config) => Some(config.eod),
            Self::Qwen2Moe(config) => config.eos.or(config.bos),
        }
    }

    /// Longest sequence the model was trained for.
    pub fn max_positions(&self) -> usize {
        match self {
            Self::Yuan(config) => config.max_positions,
            Self::Qwen2Moe(config) => config.max_positions,
        }
    }

    /// Whether the output layer is the embedding.
    pub fn tied_embeddings(&self) -> bool {
        match self {
            Self::Yuan(config) => config.tied_embeddings,
            Self::Qwen2Moe(config) => config.tied_embeddings,
        }
    }
}

/// The one GGUF file of a directory, or the first part of one that is split.
pub(crate) fn gguf_in(directory: &Path) -> Option<std::path::PathBuf> {
    gguf::only_in(directory)
}

/// The header of a GGUF file, which errors name.
pub(crate) fn gguf_header(path: &Path) -> Result<yuan_gguf::Header> {
    gguf::header(path)
}

/// Where the files lie that go with a model: its folder, or the one that its file of weights is in.
pub(crate) fn folder_of(model: &Path) -> &Path {
    if bundled::is_file(model) { model.parent().unwrap_or(model) } else { model }
}

/// Reads an object with the fields of a `config.json`; `path` is named in errors.
pub(crate) fn from_object(object: &serde_json::Map<String, serde_json::Value>, path: &Path) -> Result<Description> {
    hugging_face::read_object(object, path)
}

/// A text file of a bounded length.
pub(crate) fn text(path: &Path) -> Result<String> {
    let file = bundled::open(path).map_err(|source| Error::io("read", path, source))?;
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(|source| Error::io("read", path, source))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Error::malformed(path, format!("it has more than {MAX_BYTES} bytes")));
    }
    String::from_utf8(text).map_err(|_| Error::malformed(path, "it is not UTF-8"))
}

/// A JSON file of a bounded length.
pub(crate) fn json(path: &Path) -> Result<serde_json::Value> {
    serde_json::from_str(&text(path)?).map_err(|error| Error::malformed(path, format!("it is no JSON: {error}")))
}
