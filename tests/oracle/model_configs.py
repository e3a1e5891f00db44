"""Configurations of Qwen2-MoE as transformers writes them, and what transformers makes of ours.

    python tests/oracle/model_configs.py write    # tests/fixtures/model/config/transformers5-*.json
    python tests/oracle/model_configs.py read DIR # DIR/*.json as `Config::to_json` wrote them: prints what differs

Versions: transformers 5.23.0.
"""

import json
import sys
from pathlib import Path

from transformers import Qwen2MoeConfig

FOLDER = Path(__file__).parent.parent / "fixtures/model/config"
TINY = dict(
    vocab_size=512, hidden_size=64, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=160, moe_intermediate_size=48, shared_expert_intermediate_size=96, num_experts=8,
    num_experts_per_tok=2, max_position_embeddings=128, bos_token_id=510, eos_token_id=511,
)
YARN = dict(rope_type="yarn", rope_theta=1e6, factor=4.0, original_max_position_embeddings=32)
VARIANTS = {
    "plain": {},
    "yarn": dict(rope_parameters=YARN),
    "windows": dict(use_sliding_window=True, sliding_window=16, max_window_layers=3),
    "dense-layers": dict(mlp_only_layers=[0], decoder_sparse_step=2, qkv_bias=False, tie_word_embeddings=True),
}


def write():
    for name, more in VARIANTS.items():
        Qwen2MoeConfig(**TINY, **more, dtype="bfloat16").to_json_file(FOLDER / f"transformers5-{name}.json")


def sparse(config):
    """Whether each layer has experts."""
    layers = range(config.num_hidden_layers)
    return [it not in config.mlp_only_layers and (it + 1) % config.decoder_sparse_step == 0 for it in layers]


def read(folder):
    """Compares what both say, of every file that is Qwen's."""
    fields = [*TINY, "layer_types", "qkv_bias", "tie_word_embeddings", "rms_norm_eps", "norm_topk_prob", "sliding_window"]
    for path in sorted(Path(folder).glob("*.json")):
        if json.loads(path.read_text())["model_type"] != "qwen2_moe":
            continue
        ours = Qwen2MoeConfig.from_json_file(path)
        theirs = Qwen2MoeConfig.from_json_file(FOLDER / path.name)
        for field in fields:
            assert getattr(ours, field) == getattr(theirs, field), (path, field)
        assert sparse(ours) == sparse(theirs)
        for field, value in theirs.rope_parameters.items():
            assert ours.rope_parameters[field] == value, (path, field)
        print(path.name, "is the same")


write() if sys.argv[1] == "write" else read(sys.argv[2])
