"""Tiny weights as transformers and torch save them, and what torch reads back from them.

    python tests/oracle/model_weights.py          # tests/fixtures/model/weights/

Each folder has `golden.json`: for each tensor under Hugging Face's name its shape and the SHA-256 of its numbers as
little-endian f32, of what torch.load or safetensors give back. Versions: transformers 5.23.0, torch 2.15.0 (CPU).
"""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2MoeConfig, Qwen2MoeForCausalLM

FOLDER = Path(__file__).parent.parent / "fixtures/model/weights"
CONFIG = Qwen2MoeConfig(
    vocab_size=48, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
    intermediate_size=24, moe_intermediate_size=8, shared_expert_intermediate_size=16, num_experts=3,
    num_experts_per_tok=2, max_position_embeddings=64, mlp_only_layers=[0], bos_token_id=46, eos_token_id=47,
)


def golden(folder, tensors):
    """Notes what is to be read."""
    facts = {
        name: [list(tensor.shape), hashlib.sha256(tensor.detach().float().contiguous().numpy().tobytes()).hexdigest()]
        for name, tensor in sorted(tensors.items())
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(fact)}" for name, fact in facts.items())
    (FOLDER / folder / "golden.json").write_text("{\n" + lines + "\n}\n")


def fresh(folder):
    """An empty folder with the configuration."""
    path = FOLDER / folder
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    CONFIG.to_json_file(path / "config.json")
    return path


def main():
    torch.manual_seed(8)
    model = Qwen2MoeForCausalLM(CONFIG)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()

    # As transformers saves it, in shards of bf16.
    path = fresh("transformers_shards")
    model.to(torch.bfloat16).save_pretrained(path, max_shard_size="6KB")
    (path / "generation_config.json").unlink(missing_ok=True)
    shards = sorted(path.glob("*.safetensors"))
    named = {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    golden("transformers_shards", named)

    # The names of transformers 5 in memory: experts joined.
    path = fresh("joined_experts")
    state = {name: tensor.detach().half() for name, tensor in model.state_dict().items()}
    assert any("gate_up_proj" in name for name in state)
    save_file(state, path / "model.safetensors", metadata={"format": "pt"})
    golden("joined_experts", {name: tensor.half() for name, tensor in named.items()})

    # torch.save, in one file and in shards, with what such files can have: views, shared storage, parameters, integers.
    path = fresh("torch_single")
    state = {name: tensor.float() for name, tensor in named.items()}
    name = "model.layers.0.mlp.down_proj.weight"
    state[name] = state[name].t().contiguous().t()
    both = torch.stack([state["lm_head.weight"], state["model.embed_tokens.weight"]])
    state["lm_head.weight"], state["model.embed_tokens.weight"] = both[0], both[1]
    state["model.norm.weight"] = torch.nn.Parameter(state["model.norm.weight"])
    state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4, dtype=torch.float64) / 3
    torch.save({**state, "position_ids": torch.arange(5)}, path / "pytorch_model.bin")
    golden("torch_single", torch.load(path / "pytorch_model.bin") | {"position_ids": torch.zeros(0)})

    path = fresh("torch_shards")
    names = sorted(named)
    parts = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for number, (file, own) in enumerate(parts.items()):
        state = {name: named[name].to([torch.float16, torch.bfloat16][number]) for name in own}
        torch.save(torch.nn.Module().state_dict() | state, path / file)
    index = {"metadata": {"total_size": 0}, "weight_map": {name: file for file, own in parts.items() for name in own}}
    (path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    golden("torch_shards", {name: value for file in parts for name, value in torch.load(path / file).items()})

    # Stages of a pipeline, as Yuan's own conversion leaves them: layers numbered from 0 in each file, transposed views.
    path = fresh("stages")
    (path / "config.json").unlink()
    stages = [{}, {}, {}]
    whole = {}
    experts = torch.randn(4, 2, 6, 10)
    for layer, stage in enumerate([0, 0, 1, 2]):
        own = layer % 2 if stage == 0 else 0
        for expert in range(2):
            value = experts[layer, expert].T
            stages[stage][f"model.layers.{own}.mlp.experts.{expert}.w1.weight"] = value
            whole[f"model.layers.{layer}.mlp.experts.{expert}.w1.weight"] = value
    stages[0]["model.embed_tokens.weight"] = whole["model.embed_tokens.weight"] = torch.randn(12, 6)
    stages[2]["model.norm.weight"] = whole["model.norm.weight"] = torch.randn(6)
    stages[2]["lm_head.weight"] = whole["lm_head.weight"] = torch.randn(12, 6)
    for number, stage in enumerate(stages):
        torch.save(stage, path / f"pytorch_model_{number}.bin")
    golden("stages", whole)

    # The same archive as files of more than 4 GB are: all numbers in the fields of zip64.
    path = fresh("zip64")
    (path / "config.json").unlink()
    torch.save({"a.weight": torch.randn(3, 5), "a.bias": torch.randn(3)}, path / "plain.bin")
    zipfile.ZIP64_LIMIT = zipfile.ZIP_FILECOUNT_LIMIT = 1
    with zipfile.ZipFile(path / "plain.bin") as plain, zipfile.ZipFile(path / "pytorch_model.bin", "w") as wide:
        for entry in plain.infolist():
            wide.writestr(zipfile.ZipInfo(entry.filename), plain.read(entry))
    (path / "plain.bin").unlink()
    golden("zip64", torch.load(path / "pytorch_model.bin"))


main()
