"""Tokens a second of training a Yuan MoE on the CPU: ours beside torch, in turns within one run.

    python tests/bench/model_training.py [--example target/release/examples/training_throughput] [--rounds 3] [--threads 2]
        [--hidden 384] [--layers 8] [--tokens 8192] [--runs tests/bench/runs]

Needs torch, and our example: cargo build --release -p yuan-train --example training_throughput

Both train the same shape (attention router, top 2 of 8 experts, localized filtering, tied embedding of 16384 tokens) on random ids: a step
is `--tokens` in batches of 2048, sequences of 1024, forward, backward, clipping and AdamW. torch's side is `yuan_torch.py`: fused
attention, experts by sorted tokens with index_add, fused AdamW; in fp32, and with autocast in bf16. The figure is the best round of each.

Writes model_training.md and model_training.json.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/oracle"))
from yuan_torch import Shape, head, hidden  # noqa: E402

VOCAB, EXPERTS, WIDTH, HEAD = 16384, 8, 512, 64
BATCH, LENGTH = 2048, 1024


def weights(shape):
    """As a network begins."""
    found = {"model.embed_tokens.weight": (VOCAB, shape.hidden), "model.norm.weight": (shape.hidden,)}
    for number in range(shape.layers):
        of = {name: (shape.hidden,) for name in ("input_layernorm.weight", "post_attention_layernorm.weight")}
        of |= {f"self_attn.{name}_proj.weight": (shape.hidden, shape.hidden) for name in "qkvo"}
        of["self_attn.lf_gate.conv1.weight"] = (shape.hidden // 2, shape.hidden, 2, 1)
        of["self_attn.lf_gate.conv2.weight"] = (shape.hidden, shape.hidden // 2, 2, 1)
        of |= {"self_attn.lf_gate.conv1.bias": (shape.hidden // 2,), "self_attn.lf_gate.conv2.bias": (shape.hidden,)}
        of["self_attn.lf_gate.output_layernorm.weight"] = (shape.hidden,)
        of |= {f"mlp.gate.{name}.weight": (EXPERTS, shape.hidden) for name in ("query", "key", "value")}
        for expert in range(EXPERTS):
            of[f"mlp.experts.{expert}.w1.weight"] = (2 * WIDTH, shape.hidden)
            of[f"mlp.experts.{expert}.w2.weight"] = (shape.hidden, WIDTH)
        found |= {f"model.layers.{number}.{name}": value for name, value in of.items()}
    torch.manual_seed(1)
    make = lambda size: torch.randn(size) * 0.02 if len(size) > 1 else torch.ones(size)  # noqa: E731
    return {name: make(size).requires_grad_() for name, size in found.items()}


class Torch:
    """A network in torch; `step` takes one and tells its seconds."""

    def __init__(self, config, dtype, tokens):
        self.shape = Shape(config)
        self.weights = weights(self.shape)
        self.dtype = dtype
        self.tokens = tokens
        self.adamw = torch.optim.AdamW(self.weights.values(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        self.positions = torch.arange(LENGTH).expand(BATCH // LENGTH, LENGTH)

    def step(self):
        batches = [torch.randint(VOCAB, (BATCH // LENGTH, LENGTH + 1)) for _ in range(self.tokens // BATCH)]
        start = time.perf_counter()
        for ids in batches:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.dtype == "bf16"):
                x = hidden(self.shape, self.weights, ids[:, :-1], self.positions)
                logits = x.reshape(-1, self.shape.hidden) @ head(self.shape, self.weights).T
            loss = torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:].reshape(-1), reduction="sum") / self.tokens
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        self.adamw.step()
        self.adamw.zero_grad()
        return time.perf_counter() - start


def ours(arguments, precision):
    shape = [f"hidden={arguments.hidden}", f"layers={arguments.layers}", f"heads={arguments.hidden // HEAD}"]
    step = [f"vocab={VOCAB}", f"tokens={arguments.tokens}", f"batch={BATCH}", f"length={LENGTH}", f"width={WIDTH}", "rounds=1"]
    command = [arguments.example, *shape, *step, f"threads={arguments.threads}", f"precision={precision}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return json.loads(lines[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--example", default=str(ROOT / "target/release/examples/training_throughput"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--runs", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = {
        "hidden_size": arguments.hidden, "num_hidden_layers": arguments.layers, "rms_norm_eps": 1e-6, "use_moe": True,
        "num_attention_heads": arguments.hidden // HEAD,
        "moe_config": {"moe_num_experts": EXPERTS, "moe_top_k": 2, "norm_topk_prob": True},
    }  # fmt: skip
    peers = {dtype: Torch(config, dtype, arguments.tokens) for dtype in ("fp32", "bf16")}
    for peer in peers.values():
        peer.step()
    speeds, told = {}, {}
    for number in range(arguments.rounds):
        for dtype, precision in (("fp32", "fp32"), ("bf16", "bf16")):
            told = ours(arguments, precision)
            for who, speed in (("ours", told["tokens_per_second"]), ("torch", arguments.tokens / peers[dtype].step())):
                speeds.setdefault((who, dtype), []).append(speed)
                print(f"round {number}: {who:5} {dtype} {speed:8.0f} tokens/s", flush=True)
    best = {f"{who} {dtype}": max(all) for (who, dtype), all in speeds.items()}
    ratios = {dtype: best[f"ours {dtype}"] / best[f"torch {dtype}"] for dtype in ("fp32", "bf16")}
    for dtype, ratio in ratios.items():
        print(f"{dtype}: ours {best[f'ours {dtype}']:.0f}, torch {best[f'torch {dtype}']:.0f} tokens/s, ratio {ratio:.2f}")
    print(f"ours in bf16 against torch in fp32: {best['ours bf16'] / best['torch fp32']:.2f}")
    if arguments.runs:
        folder = arguments.runs / f"{datetime.date.today()}-{platform.machine()}-{os.cpu_count()}cores"
        folder.mkdir(parents=True, exist_ok=True)
        every = {f"{who} {dtype}": all for (who, dtype), all in speeds.items()}
        facts = {"parameters": told["parameters"], "active": told["active"], "torch": torch.__version__}
        result = {"command": " ".join(sys.argv), **facts, "threads": arguments.threads, "tokens_per_second": every}
        (folder / "model_training.json").write_text(json.dumps(result, indent=1) + "\n")
        rows = "\n".join(f"| {name} | {speed:.0f} |" for name, speed in best.items())
        text = (
            f"# Training on the CPU\n\n`{' '.join(sys.argv)}`: {told['parameters'] / 1e6:.1f} M parameters, of which a token sees "
            f"{told['active'] / 1e6:.1f} M; {arguments.threads} threads; torch {torch.__version__}. Best of {arguments.rounds} rounds, in turns.\n\n"
            f"| | tokens/s |\n|---|---:|\n{rows}\n\n"
            f"Ratio: {ratios['fp32']:.2f} in fp32, {ratios['bf16']:.2f} in bf16.\n"
        )
        (folder / "model_training.md").write_text(text)


if __name__ == "__main__":
    main()
