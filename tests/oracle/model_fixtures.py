"""Cuts the fixtures of the reference models down to what the tests of `yuan-model` need.

    model_fixtures.py REFERENCE_FIXTURES OUT

Weights are copied; of logits every STEP-th column is kept where all of them are not needed, and what no test reads is
left out. `yuan-moe-classic-tiny` has the weights of `yuan-moe-tiny` but for the router: only that is kept.
"""

import json
import shutil
import sys
from pathlib import Path

from safetensors.numpy import load_file, save_file

STEP = 8
FULL = {"seq0.logits", "seq1.logits"}
VARIANTS = {
    "yuan-moe-tiny": {
        "rope_bf16": {"rope_bf16_compat": True},
        "rotary_base_40890": {"rotary_base": 40890},
        "norm_topk_false": {"moe_config.norm_topk_prob": False},
    }
}


def trimmed(path: Path, full: set[str]) -> dict:
    kept = {}
    for name, values in load_file(path).items():
        if name.endswith("loss_mask"):
            continue
        if "logits" in name and "router" not in name and values.shape[-1] > 64 and name not in full:
            values = values[..., ::STEP]
        kept[name] = values.copy()
    return kept


def main() -> None:
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    for folder in sorted(path for path in source.iterdir() if path.name.endswith(("-tiny", "-yarn"))):
        target = out / folder.name
        target.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("config*.json"):
            shutil.copyfile(path, target / path.name)
            (target / path.name).chmod(0o644)
        for path in folder.glob("fixtures*.safetensors"):
            is_main = path.stem == "fixtures"
            kept = trimmed(path, FULL if is_main else set())
            main = load_file(folder / "fixtures.safetensors")
            # Every fixture has the texts its values belong to.
            texts = {name for name in main if name.startswith("seq") and name.endswith("input_ids")}
            save_file(kept | {name: main[name] for name in texts}, target / path.name)
        config = json.loads((folder / "config.json").read_text())
        for variant, changes in VARIANTS.get(folder.name, {}).items():
            changed = json.loads(json.dumps(config))
            for field, value in changes.items():
                *path, last = field.split(".")
                inner = changed
                for part in path:
                    inner = inner[part]
                inner[last] = value
            (target / f"config_{variant}.json").write_text(json.dumps(changed, indent=2) + "\n")
        weights = load_file(folder / "model.safetensors")
        if folder.name == "yuan-moe-classic-tiny":
            base = load_file(source / "yuan-moe-tiny" / "model.safetensors")
            same = {name for name, values in weights.items() if name in base and (base[name] == values).all()}
            weights = {name: values for name, values in weights.items() if name not in same}
            save_file(weights, target / "router.safetensors")
        else:
            save_file(weights, target / "model.safetensors", metadata={"format": "pt"})


main()
