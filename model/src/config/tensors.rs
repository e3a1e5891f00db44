//! The tensors of a model under Hugging Face's names, and how many numbers that makes.

use super::{Config, Qwen2Moe, Router, Yuan};

/// A tensor's name and shape.
type Named = (String, Vec<usize>);

/// Numbers of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// All.
    pub total: u64,
    /// Those that see a token: of each layer's experts only as many as a token is sent to.
    pub active: u64,
}

impl Config {
    /// Name and shape of every tensor, in the order of the layers. The output layer is left out where it is the
    /// embedding; checkpoints may have it all the same.
    pub fn tensors(&self) -> impl Iterator<Item = (String, Vec<usize>)> + '_ {
        let (vocab_size, hidden_size) = (self.vocab_size(), self.hidden_size());
        let before = std::iter::once(("model.embed_tokens.weight".into(), vec![vocab_size, hidden_size]));
        let layers = (0..self.layers()).flat_map(move |layer| {
            let mut tensors = Layer { prefix: format!("model.layers.{layer}."), tensors: Vec::new() };
            match self {
                Self::Yuan(config) => yuan(config, &mut tensors),
                Self::Qwen2Moe(config) => qwen2_moe(config, layer, &mut tensors),
            }
            tensors.tensors
        });
        let after = std::iter::once(("model.norm.weight".into(), vec![hidden_size]));
        let head = (!self.tied_embeddings()).then(|| ("lm_head.weight".into(), vec![vocab_size, hidden_size]));
        before.chain(layers).chain(after).chain(head)
    }

    /// How many parameters there are. An embedding that is the output layer too counts once.
    pub fn parameters(&self) -> Parameters {
        let total = self.tensors().map(|(_, shape)| shape.iter().map(|axis| *axis as u64).product::<u64>()).sum();
        let hidden_size = self.hidden_size() as u64;
        let idle = match self {
            Self::Yuan(config) => config.moe.as_ref().map_or(0, |moe| {
                let expert = hidden_size * moe.width as u64 * if moe.gated { 3 } else { 2 };
                config.layers as u64 * (moe.experts - moe.top_k) as u64 * expert
            }),
            Self::Qwen2Moe(config) => {
                let sparse = config.sparse.iter().filter(|sparse| **sparse).count() as u64;
                let expert = 3 * hidden_size * config.expert_width as u64;
                sparse * (config.experts.saturating_sub(config.top_k)) as u64 * expert
            }
        };
        Parameters { total, active: total - idle }
    }
}

struct Layer {
    prefix: String,
    tensors: Vec<Named>,
}

impl Layer {
    fn add(&mut self, name: &str, shape: &[usize]) {
        self.tensors.push((format!("{}{name}", self.prefix), shape.to_vec()));
    }

    /// Three matrices between a width and another.
    fn gated_mlp(&mut self, name: &str, hidden_size: usize, width: usize) {
        self.add(&format!("{name}.gate_proj.weight"), &[width, hidden_size]);
        self.add(&format!("{name}.up_proj.weight"), &[width, hidden_size]);
        self.add(&format!("{name}.down_proj.weight"), &[hidden_size, width]);
    }
}

fn yuan(config: &Yuan, layer: &mut Layer) {
    let (hidden_size, width) = (config.hidden_size, config.attention_width);
    layer.add("input_layernorm.weight", &[hidden_size]);
    layer.add("self_attn.v_proj.weight", &[width, hidden_size]);
    layer.add("self_attn.o_proj.weight", &[hidden_size, width]);
    if config.share_qk {
        layer.add("self_attn.qk_proj.weight", &[width, hidden_size]);
        layer.add("self_attn.qk_weight", &[2, width]);
        layer.add("self_attn.qk_bias", &[2, width]);
    } else {
        layer.add("self_attn.q_proj.weight", &[width, hidden_size]);
        layer.add("self_attn.k_proj.weight", &[width, hidden_size]);
        layer.add("self_attn.lf_gate.conv1.weight", &[hidden_size / 2, hidden_size, 2, 1]);
        layer.add("self_attn.lf_gate.conv1.bias", &[hidden_size / 2]);
        layer.add("self_attn.lf_gate.conv2.weight", &[hidden_size, hidden_size / 2, 2, 1]);
        layer.add("self_attn.lf_gate.conv2.bias", &[hidden_size]);
        layer.add("self_attn.lf_gate.output_layernorm.weight", &[hidden_size]);
    }
    layer.add("post_attention_layernorm.weight", &[hidden_size]);
    let Some(moe) = &config.moe else {
        return layer.gated_mlp("mlp", hidden_size, config.intermediate_size);
    };
    match moe.router {
        Router::Attention => ["query", "key", "value"]
            .iter()
            .for_each(|name| layer.add(&format!("mlp.gate.{name}.weight"), &[moe.experts, hidden_size])),
        Router::Classic => layer.add("mlp.gate.weight", &[moe.experts, hidden_size]),
    }
    for expert in 0..moe.experts {
        let rows = if moe.gated { 2 * moe.width } else { moe.width };
        layer.add(&format!("mlp.experts.{expert}.w1.weight"), &[rows, hidden_size]);
        layer.add(&format!("mlp.experts.{expert}.w2.weight"), &[hidden_size, moe.width]);
    }
}

fn qwen2_moe(config: &Qwen2Moe, number: usize, layer: &mut Layer) {
    let hidden_size = config.hidden_size;
    layer.add("input_layernorm.weight", &[hidden_size]);
    for (name, heads) in [("q", config.heads), ("k", config.kv_heads), ("v", config.kv_heads)] {
        layer.add(&format!("self_attn.{name}_proj.weight"), &[heads * config.head_dim, hidden_size]);
        if config.qkv_bias {
            layer.add(&format!("self_attn.{name}_proj.bias"), &[heads * config.head_dim]);
        }
    }
    layer.add("self_attn.o_proj.weight", &[hidden_size, config.heads * config.head_dim]);
    layer.add("post_attention_layernorm.weight", &[hidden_size]);
    if !config.sparse[number] {
        return layer.gated_mlp("mlp", hidden_size, config.intermediate_size);
    }
    layer.add("mlp.gate.weight", &[config.experts, hidden_size]);
    for expert in 0..config.experts {
        layer.gated_mlp(&format!("mlp.experts.{expert}"), hidden_size, config.expert_width);
    }
    layer.gated_mlp("mlp.shared_expert", hidden_size, config.shared_expert_width);
    layer.add("mlp.shared_expert_gate.weight", &[1, hidden_size]);
}
