"""Checkpoints as Megatron saves Yuan models, built from tiny weights under Hugging Face's names.

    python tests/oracle/megatron_checkpoint.py    # tests/fixtures/model/megatron/

Layouts are those of Yuan's Megatron: `tools/convert_hf_moe.py`, `tools/convert_hf.py`, `tools/split_tp_partitions.py` and
`core/transformer/moe/{experts,router}.py` of Yuan2.0-M32 and Yuan-2.0. Each folder has `config.json`, checkpoints for so
many tensor (t) and pipeline (p) ranks, and `golden.json` as in model_weights.py. `arguments` has no weights, only what
M32 was trained with. Versions: torch 2.15.0 (CPU).
"""

import argparse
import hashlib
import json
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parent.parent / "fixtures/model/megatron"
VOCAB, HIDDEN, LAYERS, HEADS, EXPERTS = 24, 8, 3, 2, 4
COMMON = {
    "model_type": "yuan", "architectures": ["YuanForCausalLM"], "vocab_size": VOCAB, "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "hidden_act": "silu", "max_position_embeddings": 32,
    "rms_norm_eps": 1e-6, "eod_token": 20, "sep_token": 21, "pad_token_id": 20, "eos_token_id": 20,
    "torch_dtype": "bfloat16", "rotary_base": 10000,
}
MOE = COMMON | {
    "attention_projection_size": 16, "intermediate_size": 6, "use_moe": True,
    "moe_config": {
        "moe_num_experts": EXPERTS, "moe_top_k": 2, "ffn_hidden_size": 6, "norm_topk_prob": True,
        "gated_linear_unit": True,
    },
}
DENSE = COMMON | {"intermediate_size": 12}


def weights(config):
    """Random weights under Hugging Face's names."""
    draw = lambda *shape: torch.randn(shape).to(torch.bfloat16)
    width = config.get("attention_projection_size", HIDDEN)
    yield "model.embed_tokens.weight", draw(VOCAB, HIDDEN)
    yield "lm_head.weight", None  # the embedding
    yield "model.norm.weight", draw(HIDDEN)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", draw(HIDDEN)
        yield prefix + "post_attention_layernorm.weight", draw(HIDDEN)
        for name in "qkv":
            yield prefix + f"self_attn.{name}_proj.weight", draw(width, HIDDEN)
        yield prefix + "self_attn.o_proj.weight", draw(HIDDEN, width)
        yield prefix + "self_attn.lf_gate.conv1.weight", draw(HIDDEN // 2, HIDDEN, 2, 1)
        yield prefix + "self_attn.lf_gate.conv1.bias", draw(HIDDEN // 2)
        yield prefix + "self_attn.lf_gate.conv2.weight", draw(HIDDEN, HIDDEN // 2, 2, 1)
        yield prefix + "self_attn.lf_gate.conv2.bias", draw(HIDDEN)
        yield prefix + "self_attn.lf_gate.output_layernorm.weight", draw(HIDDEN)
        if "moe_config" in config:
            for name in ["query", "key", "value"]:
                yield prefix + f"mlp.gate.{name}.weight", draw(EXPERTS, HIDDEN)
            for expert in range(EXPERTS):
                ffn = config["moe_config"]["ffn_hidden_size"]
                yield prefix + f"mlp.experts.{expert}.w1.weight", draw(2 * ffn, HIDDEN)
                yield prefix + f"mlp.experts.{expert}.w2.weight", draw(HIDDEN, ffn)
        else:
            ffn = config["intermediate_size"]
            yield prefix + "mlp.up_proj.weight", draw(ffn, HIDDEN)
            yield prefix + "mlp.gate_proj.weight", draw(ffn, HIDDEN)
            yield prefix + "mlp.down_proj.weight", draw(HIDDEN, ffn)


def layer_state(hf, layer, rank, ranks):
    """A layer's tensors on one of the tensor ranks."""
    own = lambda name: hf[f"model.layers.{layer}.{name}"]
    part = lambda tensor, axis: tensor.chunk(ranks, dim=axis)[rank].clone()
    yield "input_layernorm.weight", own("input_layernorm.weight")
    yield "self_attention.get_value.weight", part(own("self_attn.v_proj.weight"), 0)
    both = torch.cat([own("self_attn.q_proj.weight"), own("self_attn.k_proj.weight")])
    yield "self_attention.get_query_key.weight", part(both, 0)
    for name in ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "output_layernorm.weight"]:
        yield f"self_attention.lf_gate.{name}", own(f"self_attn.lf_gate.{name}")
    yield "self_attention.dense.weight", part(own("self_attn.o_proj.weight"), 1)
    yield "post_attention_layernorm.weight", own("post_attention_layernorm.weight")
    if f"model.layers.{layer}.mlp.up_proj.weight" in hf:
        halves = [part(own("mlp.up_proj.weight"), 0), part(own("mlp.gate_proj.weight"), 0)]
        yield "mlp.dense_h_to_4h.weight", torch.cat(halves)
        yield "mlp.dense_4h_to_h.weight", part(own("mlp.down_proj.weight"), 1)
        return
    router = torch.cat([own(f"mlp.gate.{name}.weight") for name in ["query", "key", "value"]])
    yield "mlp.router.attention_router.query_key_value.weight", part(router, 0)
    first, second = [], []
    for expert in range(EXPERTS):
        halves = own(f"mlp.experts.{expert}.w1.weight").chunk(2)
        first.append(torch.cat([part(half, 0) for half in halves]).T)
        second.append(part(own(f"mlp.experts.{expert}.w2.weight"), 1).T)
    first, second = torch.stack(first).contiguous(), torch.stack(second).contiguous()
    yield "mlp.experts.weight1", first.view(HIDDEN, -1)
    yield "mlp.experts.weight2", second.view(-1, HIDDEN)


def save(path, config, hf, ranks, stages):
    """One checkpoint; more stages than one number their layers from 0 each."""
    iteration = 7
    path.mkdir(parents=True)
    (path / "latest_checkpointed_iteration.txt").write_text(str(iteration))
    cuts = np.array_split(np.arange(LAYERS), stages)
    for stage, layers in enumerate(cuts):
        for rank in range(ranks):
            encoder = OrderedDict()
            for own, layer in enumerate(layers):
                for name, tensor in layer_state(hf, layer, rank, ranks):
                    encoder[f"layers.{own}.{name}"] = tensor
            language_model = {"encoder": encoder}
            embedding = hf["model.embed_tokens.weight"].chunk(ranks)[rank].clone()
            if stage == 0:
                language_model["embedding"] = {"word_embeddings": OrderedDict(weight=embedding)}
            model = {"language_model": language_model}
            if stage == stages - 1:
                encoder["final_layernorm.weight"] = hf["model.norm.weight"]
                if stages > 1:
                    model["word_embeddings_for_head"] = OrderedDict(weight=embedding.clone())
            state = {
                "args": arguments(config), "checkpoint_version": 3.0, "iteration": iteration, "model": model,
                "optimizer": {"param_groups": [{"lr": 1e-4}], "state": {0: torch.zeros(3)}},
                "rng_state": [{"random_rng_state": (3, tuple(range(5)), None), "np_rng_state": np.arange(6, dtype=np.uint32),
                               "torch_rng_state": torch.zeros(8, dtype=torch.uint8)}],
            }
            name = f"mp_rank_{rank:02d}" if stages == 1 else f"mp_rank_{rank:02d}_{stage:03d}"
            folder = path / f"iter_{iteration:07d}" / name
            folder.mkdir(parents=True)
            torch.save(state, folder / "model_optim_rng.pt")


def arguments(config):
    """The namespace of Megatron's arguments, as far as a configuration needs it, and some more."""
    moe = config.get("moe_config")
    return argparse.Namespace(
        num_layers=config["num_hidden_layers"], hidden_size=config["hidden_size"],
        ffn_hidden_size=moe["ffn_hidden_size"] if moe else config["intermediate_size"],
        num_attention_heads=config["num_attention_heads"],
        attention_projection_size=config.get("attention_projection_size"), kv_channels=None,
        max_position_embeddings=config["max_position_embeddings"], padded_vocab_size=config["vocab_size"],
        norm_epsilon=1e-6, layernorm_epsilon=1e-6, swiglu=True, rotary_percent=0.5, rotary_base=config["rotary_base"],
        num_experts=moe["moe_num_experts"] if moe else None, moe_router_topk=moe["moe_top_k"] if moe else 2,
        use_attention_router=moe is not None, use_lf_gate=True, add_bias_linear=False,
        untie_embeddings_and_output_weights=False, reset_position_ids=True, reset_attention_mask=False,
        params_dtype=torch.bfloat16, bf16=True, load=Path("somewhere").as_posix(), lr=1e-4,
    )


def main():
    torch.manual_seed(9)
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, config in [("moe", MOE), ("dense", DENSE)]:
        hf = dict(weights(config))
        hf["lm_head.weight"] = hf["model.embed_tokens.weight"]
        for ranks, stages in [(1, 1), (2, 1), (1, 2), (2, 3)]:
            save(FOLDER / name / f"t{ranks}p{stages}", config, hf, ranks, stages)
        (FOLDER / name / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        golden = {
            key: [list(value.shape), hashlib.sha256(value.float().contiguous().numpy().tobytes()).hexdigest()]
            for key, value in hf.items()
        }
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(fact)}" for key, fact in golden.items())
        (FOLDER / name / "golden.json").write_text("{\n" + lines + "\n}\n")
    m32 = MOE | {
        "vocab_size": 135040, "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16,
        "attention_projection_size": 4096, "max_position_embeddings": 4096, "rotary_base": 10000,
        "moe_config": {"moe_num_experts": 32, "moe_top_k": 2, "ffn_hidden_size": 8192},
    }
    path = FOLDER / "arguments/release/mp_rank_00"
    path.mkdir(parents=True)
    (path.parent.parent / "latest_checkpointed_iteration.txt").write_text("release\n")
    torch.save({"args": arguments(m32), "checkpoint_version": 3.0, "model": {}}, path / "model_optim_rng.pt")


main()
