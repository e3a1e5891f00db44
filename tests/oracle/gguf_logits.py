"""Logits of tiny Qwen2-MoE models in GGUF: transformers on the weights that ggml's own Python package reads back.

    python tests/oracle/gguf_logits.py             # tests/fixtures/model/gguf_logits

`float.gguf` has f32, and a tokenizer whose tokens are bytes, so that the ids are the text; `legacy.gguf` the kinds the package can quantise, another for each matrix; `k.gguf` blocks of random
bytes of the kinds it only reads, with scales that make weights of a usual size. `NAME.safetensors` has `seq0.input_ids`,
`seq0.logits` [tokens, every 4th of the vocabulary], `seq0.logprobs` of all tokens but the first, and the same of `seq1`.
Versions: gguf 0.19.0, numpy 2.4, torch 2.15 (CPU, fp32), transformers 5.23.0.
"""

import shutil
from itertools import cycle
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Kind
from safetensors.numpy import save_file
from transformers import Qwen2MoeConfig, Qwen2MoeForCausalLM

FOLDER = Path(__file__).parent.parent / "fixtures/model/gguf_logits"
STEP = 4
TEMPLATE = "{% for message in messages %}[{{ message.role }}] {{ message.content }}{% endfor %}"
TEXTS = ["The quick brown fox jumps over the lazy dog.", "def f(x):\n    return x * x + 1  # squared"]
LEGACY = [Kind.Q8_0, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.F16, Kind.BF16, Kind.MXFP4]
RANDOM = [Kind.Q4_K, Kind.Q5_K, Kind.Q6_K, Kind.Q3_K, Kind.Q4_K, Kind.Q6_K, Kind.Q2_K, Kind.IQ4_XS, Kind.IQ4_NL]
FILES = {
    "float": dict(hidden=64, width=64, shared=96, vocab=260, layers=1, experts=4, kinds=[Kind.F32]),
    "legacy": dict(hidden=64, width=64, shared=96, vocab=128, layers=2, experts=4, kinds=LEGACY),
    "k": dict(hidden=256, width=256, shared=256, vocab=64, layers=1, experts=3, kinds=RANDOM),
}
HEADS, KV_HEADS, TOP_K, POSITIONS = 4, 2, 2, 128

# Where a block has its f16 scales, and what they are multiplied with at most, roughly: scales inside the block and numbers.
SCALES = {
    Kind.Q2_K: [(80, 8 * 3), (82, 8 * 3)], Kind.Q3_K: [(108, 32 * 4)], Kind.Q4_K: [(0, 32 * 15), (2, 32 * 2)],
    Kind.Q5_K: [(0, 32 * 31), (2, 32 * 2)], Kind.Q6_K: [(208, 128 * 32)], Kind.IQ4_NL: [(0, 127)],
    Kind.IQ4_XS: [(0, 32 * 127)],
}  # fmt: skip


def bytes_to_unicode():
    """The character that stands for a byte, as in GPT-2's `encoder.py`."""
    printed = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printed]
    spelt = {byte: chr(byte) for byte in printed} | {byte: chr(256 + at) for at, byte in enumerate(others)}
    return dict(sorted(spelt.items()))


def blocks(random, shape, kind):
    """Random blocks of a matrix; weights are of about 0.1."""
    length, size = gguf.GGML_QUANT_SIZES[kind]
    count = int(np.prod(shape)) // length
    found = random.integers(0, 256, (count, size), dtype=np.uint8)
    for at, factor in SCALES[kind]:
        scales = (random.uniform(0.1, 0.3, (count, 1)) / factor).astype(np.float16)
        found[:, at : at + 2] = scales.view(np.uint8)
    return found.reshape(*shape[:-1], -1)


def tensors(config):
    """GGUF's names and shapes, rows first."""
    hidden, width, shared, vocab, experts = (config[key] for key in ["hidden", "width", "shared", "vocab", "experts"])
    keys = hidden // HEADS * KV_HEADS
    yield "token_embd.weight", (vocab, hidden)
    for layer in range(config["layers"]):
        for name, shape in {
            "attn_norm.weight": (hidden,), "attn_q.weight": (hidden, hidden), "attn_q.bias": (hidden,),
            "attn_k.weight": (keys, hidden), "attn_k.bias": (keys,), "attn_v.weight": (keys, hidden),
            "attn_v.bias": (keys,), "attn_output.weight": (hidden, hidden), "ffn_norm.weight": (hidden,),
            "ffn_gate_inp.weight": (experts, hidden), "ffn_gate_exps.weight": (experts, width, hidden),
            "ffn_up_exps.weight": (experts, width, hidden), "ffn_down_exps.weight": (experts, hidden, width),
            "ffn_gate_inp_shexp.weight": (hidden,), "ffn_gate_shexp.weight": (shared, hidden),
            "ffn_up_shexp.weight": (shared, hidden), "ffn_down_shexp.weight": (hidden, shared),
        }.items():  # fmt: skip
            yield f"blk.{layer}.{name}", shape
    yield "output_norm.weight", (hidden,)
    yield "output.weight", (vocab, hidden)


def reference(config, stored):
    """The model of transformers with these weights."""
    model = Qwen2MoeForCausalLM(
        Qwen2MoeConfig(
            vocab_size=config["vocab"], hidden_size=config["hidden"], intermediate_size=config["shared"],
            num_hidden_layers=config["layers"], num_attention_heads=HEADS, num_key_value_heads=KV_HEADS,
            max_position_embeddings=POSITIONS, rms_norm_eps=1e-6, tie_word_embeddings=False,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6}, moe_intermediate_size=config["width"],
            shared_expert_intermediate_size=config["shared"], num_experts=config["experts"],
            num_experts_per_tok=TOP_K, norm_topk_prob=False, decoder_sparse_step=1, qkv_bias=True,
        )
    )  # fmt: skip
    weights = {
        "model.embed_tokens.weight": stored["token_embd.weight"],
        "model.norm.weight": stored["output_norm.weight"],
        "lm_head.weight": stored["output.weight"],
    }
    for layer in range(config["layers"]):
        of = lambda name: stored[f"blk.{layer}.{name}"]
        prefix = f"model.layers.{layer}."
        weights |= {
            prefix + "input_layernorm.weight": of("attn_norm.weight"),
            prefix + "post_attention_layernorm.weight": of("ffn_norm.weight"),
            prefix + "self_attn.o_proj.weight": of("attn_output.weight"),
            prefix + "mlp.gate.weight": of("ffn_gate_inp.weight"),
            prefix + "mlp.experts.gate_up_proj": np.concatenate(
                [of("ffn_gate_exps.weight"), of("ffn_up_exps.weight")], axis=1
            ),
            prefix + "mlp.experts.down_proj": of("ffn_down_exps.weight"),
            prefix + "mlp.shared_expert_gate.weight": of("ffn_gate_inp_shexp.weight")[None],
        }
        for name in "qkv":
            for part in ["weight", "bias"]:
                weights[f"{prefix}self_attn.{name}_proj.{part}"] = of(f"attn_{name}.{part}")
        for name in ["gate", "up", "down"]:
            weights[f"{prefix}mlp.shared_expert.{name}_proj.weight"] = of(f"ffn_{name}_shexp.weight")
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=True)
    return model.eval().float()


def write(name, config, random):
    writer = gguf.GGUFWriter(FOLDER / f"{name}.gguf", "qwen2moe")
    writer.add_block_count(config["layers"])
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(config["hidden"])
    writer.add_feed_forward_length(config["shared"])
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_expert_count(config["experts"])
    writer.add_expert_used_count(TOP_K)
    writer.add_expert_feed_forward_length(config["width"])
    writer.add_expert_shared_feed_forward_length(config["shared"])
    writer.add_eos_token_id(config["vocab"] - 1)
    if config["vocab"] > 256:
        # Bytes in their order, spelt as GPT-2 spells them, and a merge that no text has.
        names = [*bytes_to_unicode().values()]
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        writer.add_token_list([*names, names[0] * 2, "<|a|>", "<|b|>", "<|c|>"])
        writer.add_token_types([gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.CONTROL] * 3)
        writer.add_token_merges([f"{names[0]} {names[0]}"])
        writer.add_chat_template(TEMPLATE)
    kinds = cycle(config["kinds"])
    stored = {}
    for tensor, shape in tensors(config):
        is_matrix = len(shape) > 1 and "ffn_gate_inp" not in tensor
        kind = next(kinds) if is_matrix else Kind.F32
        if kind in SCALES:
            data = blocks(random, shape, kind)
        else:
            centre, spread = (1.0, 0.2) if "norm" in tensor else (0.0, 0.02 if "bias" in tensor else 0.12)
            drawn = centre + spread * random.standard_normal(shape)
            data = gguf.quants.quantize(drawn.astype(np.float32), kind)
        stored[tensor] = gguf.quants.dequantize(data, kind).astype(np.float32).reshape(shape)
        assert np.isfinite(stored[tensor]).all(), tensor
        writer.add_tensor(tensor, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model = reference(config, stored)
    found = {}
    for number, text in enumerate(TEXTS):
        ids = np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64) % config["vocab"]
        with torch.no_grad():
            logits = model(torch.from_numpy(ids)[None]).logits[0]
        print(name, number, list(logits.shape), "greatest", logits.abs().max().item())
        found[f"seq{number}.input_ids"] = ids
        found[f"seq{number}.logits"] = logits[:, ::STEP].contiguous().numpy()
        behind = torch.from_numpy(ids[1:, None])
        found[f"seq{number}.logprobs"] = logits[:-1].log_softmax(-1).gather(1, behind)[:, 0].numpy()
    save_file(found, FOLDER / f"{name}.safetensors")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    random = np.random.default_rng(1)
    for name, config in FILES.items():
        write(name, config, random)


main()
