//! `model info`: what a model is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;
use yuan_model::weights::Weights;
use yuan_model::{Config, bundled};

use super::{describe, is_megatron};
use crate::Done;
use crate::args::Global;
use crate::commands::{print, say};

pub fn info(path: &Path, as_json: bool, global: &Global) -> anyhow::Result<Done> {
    let description = describe(path)?;
    let config = &description.config;
    // A name, or a file of configuration alone, has no weights.
    let has_weights =
        bundled::exists(path) && !is_megatron(path) && path.extension().is_none_or(|extension| extension != "json");
    let weights = if has_weights { Some(Weights::open(path)?) } else { None };
    let missing = weights.as_ref().map_or_else(Vec::new, |weights| weights.missing(config));
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for (_, tensor) in weights.iter().flat_map(Weights::tensors) {
        *kinds.entry(tensor.kind().to_string()).or_default() += (tensor.rows() * tensor.columns()) as u64;
    }
    let parameters = config.parameters();
    if as_json {
        let missing: Vec<_> = missing.iter().map(|(name, shape)| json!({ "name": name, "shape": shape })).collect();
        let config: serde_json::Value = serde_json::from_str(&config.to_json(description.dtype.unwrap_or_default()))?;
        print(
            &json!({
                "config": config, "parameters": parameters.total, "active_parameters": parameters.active,
                "weights": kinds, "missing": missing, "warnings": description.warnings,
            })
            .to_string(),
        )?;
    } else {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}", shape(config));
        let _ = writeln!(out, "parameters {}, {} see a token", count(parameters.total), count(parameters.active));
        let _ = writeln!(out, "positions  {}, rotary base {}", config.max_positions(), config.rope().base);
        for (kind, values) in &kinds {
            let _ = writeln!(out, "weights    {} {kind}", count(*values));
        }
        if let Some((name, _)) = missing.first() {
            let _ = writeln!(out, "missing    {} tensors: {name}…", missing.len());
        }
        print(&out)?;
        for warning in &description.warnings {
            say(global, &format!("warning: {warning}"));
        }
    }
    Ok(if missing.is_empty() { Done::All } else { Done::Unsound })
}

fn shape(config: &Config) -> String {
    match config {
        Config::Yuan(config) => {
            let kind = match &config.moe {
                Some(moe) => format!("{} experts of {}, {} see a token", moe.experts, moe.width, moe.top_k),
                None => format!("MLP of {}", config.intermediate_size),
            };
            format!(
                "Yuan, {} layers of {}, {} heads of {}, vocabulary {}; {kind}",
                config.layers,
                config.hidden_size,
                config.heads,
                config.head_dim(),
                config.vocab_size
            )
        }
        Config::Qwen2Moe(config) => format!(
            "Qwen2-MoE, {} layers of {}, {} heads of {} ({} of keys), vocabulary {}; {} experts of {}, {} see a token, one of {} all",
            config.layers,
            config.hidden_size,
            config.heads,
            config.head_dim,
            config.kv_heads,
            config.vocab_size,
            config.experts,
            config.expert_width,
            config.top_k,
            config.shared_expert_width
        ),
    }
}

/// A number of parameters as people say it: 40.1 B.
pub fn count(number: u64) -> String {
    match number as f64 {
        many if many >= 1e9 => format!("{:.1} B", many / 1e9),
        many if many >= 1e6 => format!("{:.1} M", many / 1e6),
        _ => number.to_string(),
    }
}
