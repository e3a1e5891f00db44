//! Configurations: those of the references, those that transformers writes, and those that must be refused.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use yuan_model::config::{Blend, Quantization, RopePrecision, Router};
use yuan_model::{Config, DType, Description};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/model/config")
}

fn fixture(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixtures().join(format!("{name}.json"))).unwrap()).unwrap()
}

fn read(value: &Value) -> yuan_model::Result<Description> {
    Description::from_json(&value.to_string(), Path::new("config.json"))
}

/// A fixture with some fields changed; a dot leads into an object.
fn with(name: &str, changes: &[(&str, Value)]) -> Value {
    let mut value = fixture(name);
    for (field, to) in changes {
        let pointer = format!("/{}", field.replace('.', "/"));
        match value.pointer_mut(&pointer) {
            Some(place) => *place = to.clone(),
            None => {
                let (parent, own) = field.rsplit_once('.').unwrap_or(("", field));
                let pointer = if parent.is_empty() { String::new() } else { format!("/{}", parent.replace('.', "/")) };
                value.pointer_mut(&pointer).unwrap()[own] = to.clone();
            }
        }
    }
    value
}

#[test]
fn the_references_configurations_are_those_known_by_name() {
    for (file, name) in [
        ("yuan-moe-tiny", "yuan-moe-tiny"),
        ("yuan-dense-tiny", "yuan-dense-tiny"),
        ("qwen2moe-tiny", "qwen2-moe-tiny"),
    ] {
        let description = read(&fixture(file)).unwrap();
        assert_eq!(description.config, Config::named(name).unwrap());
        assert_eq!(description.dtype, Some(DType::F32));
    }
    let Config::Yuan(classic) = read(&fixture("yuan-moe-classic-tiny")).unwrap().config else { panic!() };
    assert_eq!(classic.moe.unwrap().router, Router::Classic);
    let Config::Yuan(shared) = read(&fixture("yuan-dense-shareqk-tiny")).unwrap().config else { panic!() };
    assert!(shared.share_qk);
    let Config::Qwen2Moe(yarn) = read(&fixture("qwen2moe-tiny-yarn")).unwrap().config else { panic!() };
    let stretched = yarn.rope.yarn.unwrap();
    assert_eq!((stretched.factor, stretched.original_positions), (4.0, 32));
    // `rope.attention_scaling` of the reference.
    assert!((stretched.attention_factor - 1.138_629_436).abs() < 1e-9);
}

#[test]
fn published_configurations_are_those_known_by_name() {
    // Fields and values of IEITYuan/Yuan2-M32-hf and Yuan2-2B-hf.
    let shared = json!({
        "architectures": ["YuanForCausalLM"], "model_type": "yuan", "hidden_size": 2048, "intermediate_size": 8192,
        "num_hidden_layers": 24, "hidden_act": "silu", "rms_norm_eps": 1e-6, "causal_mask": true,
        "use_flash_attention": true, "use_loss_mask": false, "eod_token": 77185, "sep_token": 77187, "eod_token_id": 77185,
        "bos_token_id": 77185, "eos_token_id": 77185, "pad_token_id": 77185, "mask_token_id": 77185,
        "sep_token_id": 77185, "vocab_size": 135040, "torch_dtype": "bfloat16", "initializer_range": 0.02,
        "reset_position_ids": true, "tokenizer_class": "YuanTokenizer", "transformers_version": "4.30.0.dev0",
        "auto_map": { "AutoConfig": "configuration_yuan.YuanConfig" }, "use_cache": true, "model_max_length": 8192,
    });
    let m32 = json!({
        "num_attention_heads": 16, "attention_projection_size": 4096, "max_position_embeddings": 4096,
        "reset_attention_mask": false, "use_moe": true, "output_router_logits": true, "dropout": 0,
        "moe_config": {
            "moe_num_experts": 32, "moe_top_k": 2, "ffn_hidden_size": 8192, "norm_topk_prob": true,
            "gated_linear_unit": true,
        },
    });
    let dense = json!({
        "num_attention_heads": 32, "max_position_embeddings": 8192, "reset_attention_mask": true, "dropout": 0.1,
        "tie_word_embeddings": true,
    });
    for (own, name) in [(m32, "yuan2-m32"), (dense, "yuan2-2b")] {
        let mut whole = shared.clone();
        whole.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        assert_eq!(read(&whole).unwrap().config, Config::named(name).unwrap());
    }
    // Qwen/Qwen1.5-MoE-A2.7B.
    let qwen = json!({
        "architectures": ["Qwen2MoeForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
        "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
        "intermediate_size": 5632, "max_position_embeddings": 8192, "max_window_layers": 21, "model_type": "qwen2_moe",
        "num_attention_heads": 16, "num_hidden_layers": 24, "num_key_value_heads": 16, "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
        "transformers_version": "4.39.0.dev0", "use_cache": true, "use_sliding_window": false, "vocab_size": 151936,
        "decoder_sparse_step": 1, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632,
        "num_experts_per_tok": 4, "num_experts": 60, "norm_topk_prob": false, "output_router_logits": false,
        "router_aux_loss_coef": 0.001,
    });
    assert_eq!(read(&qwen).unwrap().config, Config::named("qwen1.5-moe-a2.7b").unwrap());
}

#[test]
fn both_spellings_of_transformers_are_read() {
    let Config::Qwen2Moe(yarn) = read(&fixture("transformers5-yarn")).unwrap().config else { panic!() };
    assert_eq!((yarn.rope.base, yarn.rope.yarn.as_ref().unwrap().original_positions), (1e6, 32));
    let Config::Qwen2Moe(windows) = read(&fixture("transformers5-windows")).unwrap().config else { panic!() };
    let mut window = windows.sliding_window.clone().unwrap();
    assert_eq!((window.tokens, window.layers.as_slice()), (16, &[true, false, true, false][..]));
    // Without `layer_types`, as transformers 4 has it, the same follows from the other fields.
    let mut older = fixture("transformers5-windows");
    older.as_object_mut().unwrap().remove("layer_types");
    assert_eq!(read(&older).unwrap().config, Config::Qwen2Moe(windows));
    older["max_window_layers"] = 1.into();
    let Config::Qwen2Moe(windows) = read(&older).unwrap().config else { panic!() };
    window.layers = vec![true, false, false, false];
    assert_eq!(windows.sliding_window, Some(window));
    let Config::Qwen2Moe(mixed) = read(&fixture("transformers5-dense-layers")).unwrap().config else { panic!() };
    assert_eq!(mixed.sparse, [false, true, false, true]);
    assert!(!mixed.qkv_bias && mixed.tied_embeddings);
}

#[test]
fn what_is_written_is_read_again() {
    let mut configs: Vec<Config> = Config::NAMES.iter().map(|name| Config::named(name).unwrap()).collect();
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        configs.push(Config::read(&entry.unwrap().path()).unwrap());
    }
    let own = [("rope_bf16_compat", json!(true)), ("use_yarn", json!(true)), ("rotary_base", json!(40890))];
    configs.push(read(&with("yuan-moe-tiny", &own)).unwrap().config);
    for config in configs {
        for dtype in DType::ALL {
            let again = Description::from_json(&config.to_json(dtype), Path::new("config.json")).unwrap();
            assert_eq!((again.config, again.dtype), (config.clone(), Some(dtype)));
        }
    }
}

/// Yuan's own YaRN, whose two factors are kept as their product, and the general one.
#[test]
fn stretched_positions_of_yuan_are_read_again_as_they_were() {
    let again = |config: &Config| Config::from_json(&config.to_json(DType::BF16), Path::new("config.json")).unwrap();
    for factor in [1.0, 1.5, 2.0, 3.7, 4.0, 16.0, 40.0, 128.0] {
        for (longest, thousandths) in [(json!(512), 1..500), (json!(null), 500..3000)] {
            let mut fields = with("yuan-moe-tiny", &[("use_yarn", json!(true)), ("yarn_scale_factor", json!(factor))]);
            fields["scaled_max_position_embeddings"] = longest;
            for thousandths in thousandths {
                fields["attn_factor"] = json!(f64::from(thousandths) / 1000.0);
                let config = read(&fields).unwrap().config;
                assert_eq!(config.rope().yarn.as_ref().map(|yarn| yarn.blend), Some(Blend::WaveLengths));
                assert_eq!(again(&config), config, "{factor} {thousandths}");
            }
        }
        let general =
            json!({ "type": "yarn", "factor": factor, "beta_fast": 24, "beta_slow": 2, "attention_factor": 1.1 });
        let config = read(&with("yuan-moe-tiny", &[("rope_scaling", general)])).unwrap().config;
        assert_eq!(
            config.rope().yarn.as_ref().map(|yarn| (yarn.blend, yarn.beta_fast)),
            Some((Blend::Frequencies, 24.0))
        );
        assert_eq!(again(&config), config, "{factor}");
    }
}

/// For `tests/oracle/model_configs.py read`, which asks transformers what it makes of these files.
#[test]
#[ignore = "writes files for the oracle into the folder YUAN_CONFIGS"]
fn write_configurations_for_transformers() {
    let folder = PathBuf::from(std::env::var("YUAN_CONFIGS").unwrap());
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::write(folder.join(path.file_name().unwrap()), Config::read(&path).unwrap().to_json(DType::BF16))
            .unwrap();
    }
}

#[test]
fn parameters_are_those_published() {
    // The papers and model cards say 40B and 3.7B; 2.1B; 51B; 102.6B; 57B and 14B; 14.3B and 2.7B (without embeddings).
    for (name, total, active) in [
        ("yuan2-m32", 40.06, 3.70),
        ("yuan2-2b", 2.09, 2.09),
        ("yuan2-51b", 51.9, 51.9),
        ("yuan2-102b", 102.6, 102.6),
        ("qwen2-57b-a14b", 57.4, 14.2),
        ("qwen1.5-moe-a2.7b", 14.3, 2.7),
    ] {
        let parameters = Config::named(name).unwrap().parameters();
        let near = |number: u64, billions: f64| (number as f64 / 1e9 / billions - 1.0).abs() < 0.01;
        assert!(near(parameters.total, total) && near(parameters.active, active), "{name}: {parameters:?}");
    }
}

#[test]
fn a_missing_base_is_told() {
    assert_eq!(read(&fixture("yuan-dense-tiny")).unwrap().warnings, Vec::<String>::new());
    let warnings = read(&fixture("yuan-moe-tiny")).unwrap().warnings;
    assert!(warnings[0].starts_with("field `rotary_base` is missing, and 10000 is taken"), "{warnings:?}");
    let said = read(&with("yuan-moe-tiny", &[("rotary_base", json!(40890))])).unwrap();
    let Config::Yuan(config) = &said.config else { panic!() };
    assert_eq!((config.rope.base, said.warnings.len()), (40890.0, 0));
}

#[test]
fn fields_of_the_fork_and_of_gptq_are_read() {
    let changes = [
        ("use_yarn", json!(true)),
        ("yarn_scale_factor", json!(4)),
        ("attn_factor", json!(0.5)),
        ("scaled_max_position_embeddings", json!(512)),
        ("rope_bf16_compat", json!(true)),
        ("moe_config.router_type", json!("attn_router")),
        ("moe_config.per_layer_experts_blocks", json!([8, 8])),
        ("quantization_config", json!({ "bits": 4, "group_size": 128, "sym": true, "desc_act": false })),
        ("eos_token_id", json!([500, 501])),
    ];
    let description = read(&with("yuan-moe-tiny", &changes)).unwrap();
    assert_eq!(description.quantization, Some(Quantization { bits: 4, group_size: 128 }));
    assert_eq!((description.eos, description.pad), (vec![500, 501], Some(502)));
    let Config::Yuan(config) = description.config else { panic!() };
    assert_eq!((config.max_positions, config.rope.precision), (512, RopePrecision::Bf16));
    let yarn = config.rope.yarn.unwrap();
    assert_eq!((yarn.factor, yarn.original_positions), (4.0, 128));
    assert!((yarn.attention_factor - 0.5 * (0.1 * 4_f64.ln() + 1.0)).abs() < 1e-12);
}

#[test]
fn what_contradicts_itself_is_refused_by_name() {
    let refused = [
        ("yuan-moe-tiny", "model_type", json!("llama"), "is `llama`, and `yuan` and `qwen2_moe` are implemented"),
        ("yuan-moe-tiny", "frobnicate", json!(3), "is not known here (it is `3`)"),
        ("yuan-moe-tiny", "hidden_size", json!(0), "is `0`, and must be a whole number from 1 to"),
        ("yuan-moe-tiny", "hidden_size", json!("64"), "is `\"64\"`, and must be"),
        ("yuan-moe-tiny", "hidden_act", json!("gelu"), "is `\"gelu\"`, and only `\"silu\"` is implemented"),
        ("yuan-moe-tiny", "causal_mask", json!(false), "is `false`, and only `true` is implemented"),
        ("yuan-moe-tiny", "num_attention_heads", json!(6), "is 6, which does not divide the `hidden_size` 64"),
        (
            "yuan-moe-tiny",
            "attention_projection_size",
            json!(130),
            "does not divide the `attention_projection_size` 130",
        ),
        (
            "yuan-moe-tiny",
            "num_attention_heads",
            json!(64),
            "makes 1 values of each head turn, and an even number must",
        ),
        (
            "yuan-moe-tiny",
            "attention_projection_size",
            json!(32),
            "makes 16 values of each head turn, and a head has 8",
        ),
        ("yuan-moe-tiny", "moe_config.moe_top_k", json!(9), "is 9, and there are 8 experts"),
        (
            "yuan-moe-tiny",
            "moe_config.num_experts",
            json!(4),
            "is 4, and `moe_num_experts` is 8; leave one of them out",
        ),
        ("yuan-moe-tiny", "moe_config.router_type", json!("sinkhorn"), "is `sinkhorn`, and"),
        ("yuan-moe-tiny", "moe_config.shared", json!(1), "is not known here"),
        ("yuan-moe-tiny", "moe_config", json!(null), "is missing, and `use_moe` is true"),
        ("yuan-moe-tiny", "use_moe", json!(false), "is not true, and there is a `moe_config`"),
        ("yuan-moe-tiny", "sep_token", json!(512), "is 512, and `vocab_size` is 512"),
        ("yuan-moe-tiny", "torch_dtype", json!("int8"), "is `int8`, and must be float32, float16 or bfloat16"),
        ("yuan-moe-tiny", "num_hidden_layers", json!(2_000_000), "tensors; at most"),
        ("yuan-dense-shareqk-tiny", "attention_projection_size", json!(128), "is not `hidden_size`"),
        ("qwen2moe-tiny", "num_key_value_heads", json!(3), "is 3, which does not divide the `num_attention_heads` 4"),
        ("qwen2moe-tiny", "num_experts_per_tok", json!(9), "is 9, and there are 8 experts"),
        ("qwen2moe-tiny", "num_local_experts", json!(9), "is 9, and `num_experts` is 8"),
        ("qwen2moe-tiny", "mlp_only_layers", json!([2]), "has 2, and layers are 0 to 1"),
        ("qwen2moe-tiny", "layer_types", json!(["full_attention"]), "has 1 entries, and there are 2 layers"),
        ("qwen2moe-tiny", "layer_types", json!(["sliding_attention", "full_attention"]), "sliding window"),
        ("qwen2moe-tiny", "rope_theta", json!(-1), "is `-1`, and must be a positive number"),
        ("qwen2moe-tiny", "rope_scaling", json!({ "type": "linear", "factor": 2 }), "is `linear`, and"),
        ("qwen2moe-tiny", "rope_parameters", json!({ "rope_theta": 5 }), "has a `rope_theta` of 5"),
        ("qwen2moe-tiny", "quantization_config", json!({ "quant_method": "awq" }), "only `\"gptq\"` is implemented"),
        ("qwen2moe-tiny", "quantization_config", json!({ "bits": 3, "group_size": 128 }), "is 3, and must be 4 or 8"),
    ];
    for (name, field, value, said) in refused {
        let error = read(&with(name, &[(field, value.clone())])).unwrap_err().to_string();
        assert!(error.contains(said), "{field} = {value}: {error}");
    }
}

#[test]
fn products_that_overflow_are_refused() {
    let huge = 2_147_483_648_u64;
    let sizes = [("hidden_size", json!(huge)), ("intermediate_size", json!(huge)), ("vocab_size", json!(huge))];
    for name in ["yuan-dense-tiny", "qwen2moe-tiny"] {
        let error = read(&with(name, &sizes)).unwrap_err().to_string();
        assert!(error.contains("tensors of more than 2⁴⁶ numbers"), "{error}");
    }
    let heads = [("head_dim", json!(huge)), ("num_attention_heads", json!(huge)), ("num_key_value_heads", json!(huge))];
    assert!(read(&with("qwen2moe-tiny", &heads)).is_err());
}
