"""Speed of scoring on a CPU: `yuan-data model bench` beside PyTorch's Qwen2-MoE, in the same minutes.

    model_scoring.py YUAN_DATA [--threads 2] [--repeat 3] [--folder DIR]

Both score the same model (random weights, some 46 million parameters that see a token, documents of 1024 tokens): logits of all
tokens, log-softmax, the log-probabilities of the next tokens. First both score the same token set, and the sums are compared.
Needs torch, transformers and megatron-core.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--folder")
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import torch
import transformers
from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder
from transformers import Qwen2MoeConfig, Qwen2MoeForCausalLM

torch.set_num_threads(args.threads)
LENGTH, TOGETHER, TOKENS = 1024, 4, 8192
CONFIG = dict(
    vocab_size=32768, hidden_size=512, num_hidden_layers=6, num_attention_heads=8, num_key_value_heads=4,
    intermediate_size=2048, num_experts=16, num_experts_per_tok=2, moe_intermediate_size=768,
    shared_expert_intermediate_size=1024, max_position_embeddings=2048, tie_word_embeddings=False, bos_token_id=0,
    eos_token_id=0,
)


def peer(dtype: torch.dtype, attention: str, experts: str):
    torch.manual_seed(7)
    config = Qwen2MoeConfig(**CONFIG)
    model = Qwen2MoeForCausalLM._from_config(config, dtype=torch.float32, attn_implementation=attention)
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation(experts)
    return model.to(dtype).eval()


@torch.no_grad()
def score(model, ids: torch.Tensor) -> torch.Tensor:
    logits = model(input_ids=ids).logits[:, :-1].float()
    own = logits.gather(2, ids[:, 1:, None]).squeeze(2)
    return own - torch.logsumexp(logits, dim=2)


def timed(model, texts: torch.Tensor) -> float:
    start = time.perf_counter()
    for part in texts.split(TOGETHER):
        score(model, part)
    return texts.numel() / (time.perf_counter() - start)


def ours(folder: Path, *more: str) -> dict:
    command = [args.binary, "model", "bench", str(folder), "--tokens", str(TOKENS), "--length", str(LENGTH),
               "--batch-tokens", str(LENGTH * TOGETHER), "--threads", str(args.threads), "--device", "cpu", "--json", *more]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    folder = Path(args.folder or tempfile.mkdtemp())
    texts = torch.randint(1, CONFIG["vocab_size"], (TOKENS // LENGTH, LENGTH), generator=torch.Generator().manual_seed(3))
    reference = peer(torch.float32, "sdpa", "grouped_mm")
    reference.save_pretrained(folder)
    builder = IndexedDatasetBuilder(str(folder / "tokens.bin"), dtype="int32")
    for text in texts:
        builder.add_document(text.int(), [len(text)])
    builder.finalize(str(folder / "tokens.idx"))
    found = subprocess.run(
        [args.binary, "model", "perplexity", str(folder), "--tokens", str(folder / "tokens"), "--prefix", "none",
         "--window", str(LENGTH), "--device", "cpu", "--json"],
        check=True, capture_output=True, text=True)
    found = json.loads(found.stdout)[0]
    expected = sum(score(reference, part).double().sum().item() for part in texts.split(TOGETHER))
    print(f"log-probability of {found['tokens']} tokens: {found['log_prob']:.4f}, PyTorch {expected:.4f}")
    assert abs(found["log_prob"] - expected) < 1e-6 * abs(expected)
    rows: dict[str, list[float]] = {}
    peers = [(dtype, attention, experts) for dtype in (torch.float32, torch.bfloat16)
             for attention in ("sdpa", "eager") for experts in ("grouped_mm", "batched_mm", "eager")]
    peers = [one for one in peers if one[1] == "sdpa" or one[2] == "grouped_mm"]
    usable = []
    for one in peers:
        model = peer(*one)
        try:
            if one[2] == "batched_mm":
                # A copy of the experts' weights for each token: tried on a few tokens alone.
                continue
            score(model, texts[:1])
            usable.append((one, model))
        except Exception as error:
            print(f"{one}: {type(error).__name__}: {error}")
    for _ in range(args.repeat):
        for name, more in [("yuan-data fp32", []), ("yuan-data bf16 weights", ["--dtype", "bf16"]),
                           ("yuan-data bf16 products", ["--precision", "bf16"])]:
            result = ours(folder, *more)
            rows.setdefault(name, []).append(result["tokens_per_second"])
        for (dtype, attention, experts), model in usable:
            name = f"PyTorch {str(dtype)[6:]}, {attention}, {experts}"
            rows.setdefault(name, []).append(timed(model, texts))
    print(f"\ntorch {torch.__version__}, transformers {transformers.__version__}, {args.threads} threads, "
          f"{result['flop_per_token'] / 1e6:.0f} MFLOP a token\n")
    print("| | tokens/s, best | median | GFLOP/s, best |\n|---|--:|--:|--:|")
    for name, rates in rows.items():
        rates.sort()
        print(f"| {name} | {rates[-1]:.0f} | {rates[len(rates) // 2]:.0f} | {rates[-1] * result['flop_per_token'] / 1e9:.0f} |")


main()
