"""Tiny Qwen2-MoE models in GGUF as llama.cpp's Python package writes them, and what it reads back.

    python tests/oracle/model_gguf.py             # tests/fixtures/model/weights/gguf, gguf_split

Names are the package's own translation of Hugging Face's. `golden.json` as in model_weights.py. Versions: gguf 0.19.0,
numpy 2.4.
"""

import hashlib
import json
import shutil
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind

FOLDER = Path(__file__).parent.parent / "fixtures/model/weights"
LAYERS, HIDDEN, VOCAB, HEADS, KV_HEADS, EXPERTS, WIDTH, SHARED = 2, 64, 40, 4, 2, 3, 32, 96


def tensors(generator, tied):
    """Hugging Face's names, experts joined as llama.cpp's converter joins them, and numbers."""
    draw = lambda *shape: generator.standard_normal(shape, dtype=np.float32)
    head_dim = HIDDEN // HEADS
    yield "model.embed_tokens.weight", draw(VOCAB, HIDDEN)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", draw(HIDDEN)
        for name, heads in [("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)]:
            yield prefix + f"self_attn.{name}_proj.weight", draw(heads * head_dim, HIDDEN)
            yield prefix + f"self_attn.{name}_proj.bias", draw(heads * head_dim)
        yield prefix + "self_attn.o_proj.weight", draw(HIDDEN, HIDDEN)
        yield prefix + "post_attention_layernorm.weight", draw(HIDDEN)
        yield prefix + "mlp.gate.weight", draw(EXPERTS, HIDDEN)
        for name, shape in [("gate", (WIDTH, HIDDEN)), ("up", (WIDTH, HIDDEN)), ("down", (HIDDEN, WIDTH))]:
            yield prefix + f"mlp.experts.{name}_proj.weight", draw(EXPERTS, *shape)
        for name, shape in [("gate", (SHARED, HIDDEN)), ("up", (SHARED, HIDDEN)), ("down", (HIDDEN, SHARED))]:
            yield prefix + f"mlp.shared_expert.{name}_proj.weight", draw(*shape)
        yield prefix + "mlp.shared_expert_gate.weight", draw(HIDDEN)
    yield "model.norm.weight", draw(HIDDEN)
    if not tied:
        yield "lm_head.weight", draw(VOCAB, HIDDEN)


def write(folder, seed, tied, split):
    path = FOLDER / folder
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    writer = gguf.GGUFWriter(path / "tiny.gguf", "qwen2moe", split_max_tensors=split)
    writer.add_block_count(LAYERS)
    writer.add_context_length(256)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(SHARED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(2)
    writer.add_expert_feed_forward_length(WIDTH)
    writer.add_expert_shared_feed_forward_length(SHARED)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{token}" for token in range(VOCAB)])
    writer.add_bos_token_id(VOCAB - 2)
    writer.add_eos_token_id(VOCAB - 1)
    if split:
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(4.0)
        writer.add_rope_scaling_orig_ctx_len(64)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2MOE, LAYERS)
    kinds = [Kind.Q8_0, Kind.Q4_0, Kind.F16, Kind.Q5_1, Kind.F32]
    golden = {}
    for number, (name, value) in enumerate(tensors(np.random.default_rng(seed), tied)):
        kind = kinds[number % len(kinds)] if value.ndim > 1 and "gate.weight" not in name else Kind.F32
        data = gguf.quants.quantize(value, kind)
        stored = gguf.quants.dequantize(data, kind).astype("<f4").reshape(value.shape)
        stem, _, end = name.rpartition(".")
        writer.add_tensor(f"{names.get_name(stem)}.{end}", data, raw_dtype=kind)
        if ".experts." in name:
            before, _, after = name.partition(".experts.")
            golden |= {f"{before}.experts.{expert}.{after}": stored[expert] for expert in range(EXPERTS)}
        else:
            golden[name] = stored[None] if "shared_expert_gate" in name else stored
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    facts = {name: [list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()] for name, value in golden.items()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(fact)}" for name, fact in facts.items())
    (path / "golden.json").write_text("{\n" + lines + "\n}\n")


write("gguf", 1, tied=False, split=0)
write("gguf_split", 2, tied=True, split=20)
