//! The arguments that Megatron was called with, kept in its checkpoints, as a configuration.
//!
//! Source: `megatron/arguments.py` of Yuan2.0-M32, and its conversion of checkpoints to `config.json`.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use crate::config::from_object;
use crate::weights::pickle::{Id, Pickle, Value};
use crate::{Description, Error, Result};

/// Arguments and the fields that say the same.
const FIELDS: [(&str, &str); 7] = [
    ("padded_vocab_size", "vocab_size"),
    ("hidden_size", "hidden_size"),
    ("ffn_hidden_size", "intermediate_size"),
    ("num_layers", "num_hidden_layers"),
    ("num_attention_heads", "num_attention_heads"),
    ("max_position_embeddings", "max_position_embeddings"),
    ("rotary_base", "rotary_base"),
];
/// Ids in Yuan's tokenizer: the end of a document, and what parts a question from its answer.
const EOD: u32 = 77185;
const SEP: u32 = 77187;

/// Reads them.
pub(super) fn read(pickle: &Pickle, path: &Path) -> Result<Description> {
    let arguments = pickle.get(pickle.root(), "args");
    let arguments = arguments.ok_or_else(|| {
        Error::malformed(path, "it has no arguments to make a configuration of; name a `config.json`")
    })?;
    let arguments = Arguments { pickle, arguments };
    let mut object = Map::new();
    for (own, field) in FIELDS {
        if let Some(value) = arguments.number(own) {
            object.insert(field.into(), value);
        }
    }
    let heads = arguments.number("num_attention_heads").and_then(|heads| heads.as_u64());
    let head_dim = arguments.number("kv_channels").and_then(|head_dim| head_dim.as_u64());
    let product = heads.zip(head_dim).and_then(|(heads, head_dim)| heads.checked_mul(head_dim));
    let width = arguments.number("attention_projection_size").or(product.map(Json::from));
    let eps = arguments.number("norm_epsilon").or_else(|| arguments.number("layernorm_epsilon"));
    object.extend([
        ("model_type".to_owned(), "yuan".into()),
        ("attention_projection_size".to_owned(), width.into()),
        ("rms_norm_eps".to_owned(), eps.into()),
        ("tie_word_embeddings".to_owned(), (!arguments.is("untie_embeddings_and_output_weights")).into()),
        ("reset_position_ids".to_owned(), arguments.is("reset_position_ids").into()),
        ("reset_attention_mask".to_owned(), arguments.is("reset_attention_mask").into()),
        ("eod_token".to_owned(), EOD.into()),
        ("sep_token".to_owned(), SEP.into()),
        ("pad_token_id".to_owned(), EOD.into()),
        ("torch_dtype".to_owned(), arguments.dtype().into()),
    ]);
    if let Some(experts) = arguments.number("num_experts") {
        let is_attention = arguments.is("use_attention_router") || arguments.is("use_att_gating_method");
        object.insert("use_moe".into(), true.into());
        let moe = json!({
            "moe_num_experts": experts,
            "moe_top_k": arguments.number("moe_router_topk"),
            "ffn_hidden_size": arguments.number("ffn_hidden_size"),
            "norm_topk_prob": true,
            "gated_linear_unit": arguments.is("swiglu"),
            "router_type": if is_attention { "attn_router" } else { "linear" },
        });
        object.insert("moe_config".into(), moe);
    }
    from_object(&object, path).map_err(|error| match error {
        Error::Config { path, field, problem } => {
            let problem =
                format!("{problem} (of the arguments in the checkpoint; a `config.json` can be named instead)");
            Error::Config { path, field, problem }
        }
        other => other,
    })
}

struct Arguments<'a> {
    pickle: &'a Pickle,
    arguments: Id,
}

impl Arguments<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        Some(self.pickle.value(self.pickle.get(self.arguments, name)?))
    }

    fn number(&self, name: &str) -> Option<Json> {
        match self.value(name)? {
            Value::Int(number) => Some((*number).into()),
            Value::Float(number) => Some((*number).into()),
            _ => None,
        }
    }

    fn is(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    /// `params_dtype`, a constant of torch.
    fn dtype(&self) -> Option<&str> {
        match self.value("params_dtype")? {
            Value::Global(name) if name.0 == "torch" => Some(&name.1),
            _ => None,
        }
    }
}
