//! Fields that all models have in common.

use super::Fields;
use crate::config::Quantization;
use crate::{DType, Result};

/// Fields of Hugging Face's own bookkeeping, of training, and of what is returned beside the logits.
const HARMLESS: [&str; 30] = [
    "_from_model_config",
    "_name_or_path",
    "_attn_implementation",
    "_attn_implementation_autoset",
    "architectures",
    "attention_dropout",
    "auto_map",
    "chunk_size_feed_forward",
    "dropout",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "label2id",
    "name_or_path",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "pretraining_tp",
    "problem_type",
    "return_dict",
    "router_aux_loss_coef",
    "task_specific_params",
    "tokenizer_class",
    "torchscript",
    "transformers_version",
    "use_bfloat16",
    "use_cache",
    "use_flash_attention",
    "use_loss_mask",
    "vocab_file",
];

/// What they say.
pub(super) struct Common {
    pub(super) dtype: Option<DType>,
    pub(super) quantization: Option<Quantization>,
    pub(super) eos: Vec<u32>,
    pub(super) pad: Option<u32>,
}

/// Reads them.
pub(super) fn read(fields: &Fields) -> Result<Common> {
    fields.harmless(&HARMLESS);
    fields.only("hidden_act", "silu")?;
    fields.flag("is_decoder")?;
    fields.only("is_encoder_decoder", false)?;
    fields.only("add_cross_attention", false)?;
    Ok(Common {
        dtype: dtype(fields)?,
        quantization: quantization(fields)?,
        eos: fields.tokens("eos_token_id")?,
        pad: fields.token("pad_token_id")?,
    })
}

/// `torch_dtype`, which newer files call `dtype`.
fn dtype(fields: &Fields) -> Result<Option<DType>> {
    let mut found = None;
    for name in ["torch_dtype", "dtype"] {
        let Some(text) = fields.text(name)? else { continue };
        let dtype = DType::from_name(text)
            .ok_or_else(|| fields.error(name, format!("is `{text}`, and must be float32, float16 or bfloat16")))?;
        if found.is_some_and(|found| found != dtype) {
            return Err(fields.error(name, format!("is `{text}`, and `torch_dtype` says otherwise")));
        }
        found = Some(dtype);
    }
    Ok(found)
}

/// `quantization_config`, of which GPTQ's is read.
fn quantization(fields: &Fields) -> Result<Option<Quantization>> {
    let Some(fields) = fields.object("quantization_config")? else { return Ok(None) };
    fields.only("quant_method", "gptq")?;
    fields.only("sym", true)?;
    fields.only("desc_act", false)?;
    fields.only("checkpoint_format", "gptq")?;
    fields.only("is_marlin_format", false)?;
    fields.harmless(&[
        "backend",
        "batch_size",
        "block_name_to_quantize",
        "cache_block_outputs",
        "damp_percent",
        "dataset",
        "exllama_config",
        "max_input_length",
        "meta",
        "model_file_base_name",
        "model_name_or_path",
        "model_seqlen",
        "module_name_preceding_first_block",
        "modules_in_block_to_quantize",
        "pad_token_id",
        "static_groups",
        "tokenizer",
        "true_sequential",
        "use_cuda_fp16",
        "use_exllama",
    ]);
    let bits = fields.needed_size("bits")?;
    if !matches!(bits, 4 | 8) {
        return Err(fields.error("bits", format!("is {bits}, and must be 4 or 8")));
    }
    let group_size = fields.needed_size("group_size")?;
    if !matches!(group_size, 32 | 64 | 128) {
        return Err(fields.error("group_size", format!("is {group_size}, and must be 32, 64 or 128")));
    }
    fields.finish()?;
    Ok(Some(Quantization { bits, group_size }))
}
