//! `config.json`, Hugging Face's description of a model, to a configuration and back.

mod common;
mod fields;
mod qwen2_moe;
mod rope;
mod yuan;

use std::path::Path;

use fields::Fields;
use serde_json::{Map, Value, json};

use super::{Config, Description, Quantization};
use crate::{DType, Error, Result};

/// Reads a file's text.
pub(super) fn read(text: &str, path: &Path) -> Result<Description> {
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| Error::malformed(path, format!("it is no JSON object: {error}")))?;
    read_object(&object, path)
}

/// Reads an object.
pub(super) fn read_object(object: &Map<String, Value>, path: &Path) -> Result<Description> {
    let fields = Fields::new(path, object);
    let kind = fields.text("model_type")?.ok_or_else(|| fields.error("model_type", "is missing"))?;
    let mut warnings = Vec::new();
    let common = common::read(&fields)?;
    let config = match kind {
        "yuan" => Config::Yuan(yuan::read(&fields, &mut warnings)?),
        "qwen2_moe" => Config::Qwen2Moe(qwen2_moe::read(&fields)?),
        other => {
            return Err(fields.error("model_type", format!("is `{other}`, and `yuan` and `qwen2_moe` are implemented")));
        }
    };
    fields.finish()?;
    config.check(path)?;
    let common::Common { dtype, quantization, eos, pad } = common;
    Ok(Description { config, dtype, quantization, eos, pad, unused: Vec::new(), warnings })
}

/// The text of a file for a configuration.
pub(super) fn write(config: &Config, dtype: DType, quantization: Option<Quantization>) -> String {
    let mut object = match config {
        Config::Yuan(config) => yuan::write(config),
        Config::Qwen2Moe(config) => qwen2_moe::write(config),
    };
    object["torch_dtype"] = dtype.name().into();
    if let Some(Quantization { bits, group_size }) = quantization {
        object["quantization_config"] = json!({
            "quant_method": "gptq", "bits": bits, "group_size": group_size, "sym": true, "desc_act": false, "checkpoint_format": "gptq",
        });
    }
    let mut text = serde_json::to_string_pretty(&object).expect("an object with text keys can always be written");
    text.push('\n');
    text
}
