"""Log-likelihoods of texts by transformers' Qwen2-MoE, cut into windows by lm-eval and by Hugging Face's recipe.

    model_perplexity.py FIXTURES OUT.json

FIXTURES is the folder of `qwen2moe-tiny`, whose vocabulary of 512 has a token for every byte: texts are their bytes.
Needs torch, transformers and lm-eval.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import torch
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from transformers import Qwen2MoeForCausalLM

PREFIX = 511
TEXTS = [
    "A model that has read much is seldom surprised.",
    "知之为知之，不知为不知，是知也。学而不思则罔，思而不学则殆。",
    "",
    "x",
    "Die Grenzen meiner Sprache bedeuten die Grenzen meiner Welt. " * 5,
    "fn main() {\n    println!(\"{}\", (1..=10).product::<u64>());\n}\n" * 3,
    "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。寒来暑往，秋收冬藏。闰余成岁，律吕调阳。" * 3,
]


def log_probs(model, inputs: list[int]) -> torch.Tensor:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([inputs])).logits[0]
    return torch.log_softmax(logits.double(), dim=-1)


def rolling(model, tokens: list[int], length: int, context: int) -> list[float]:
    """lm-eval's rolling log-likelihood: every token, after a prefix."""
    found = []
    for before, predicted in map(make_disjoint_window, get_rolling_token_windows(tokens, PREFIX, length, context)):
        inputs = (before + predicted)[:-1]
        scores = log_probs(model, inputs)[-len(predicted):]
        found += [scores[place, token].item() for place, token in enumerate(predicted)]
    return found


def strided(model, tokens: list[int], max_length: int, stride: int) -> list[float]:
    """Hugging Face's recipe (transformers, "Perplexity of fixed-length models"): all tokens but the first."""
    found, previous = [], 0
    for begin in range(0, len(tokens), stride):
        end = min(begin + max_length, len(tokens))
        inputs = tokens[begin:end]
        predicted = end - max(previous, begin + 1)
        if predicted > 0:
            scores = log_probs(model, inputs)
            found += [scores[place, inputs[place + 1]].item() for place in range(len(inputs) - 1 - predicted, len(inputs) - 1)]
        previous = end
        if end == len(tokens):
            break
    return found


def main() -> None:
    model = Qwen2MoeForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="eager").eval()
    texts = [list(text.encode()) for text in TEXTS]
    cases = []
    for length, context in [(32, 1), (32, 17), (100, 1), (100, 100)]:
        scores = [rolling(model, tokens, length, context) for tokens in texts]
        cases.append({"by": "lm_eval", "length": length, "stride": length - context + 1, "log_probs": scores})
    for max_length, stride in [(33, 32), (33, 10), (101, 50)]:
        scores = [strided(model, tokens, max_length, stride) for tokens in texts]
        cases.append({"by": "hugging_face", "length": max_length - 1, "stride": stride, "log_probs": scores})
    for case in cases:
        case["log_probs"] = [[round(score, 7) for score in scores] for scores in case["log_probs"]]
    versions = {name: importlib.metadata.version(name) for name in ["torch", "transformers", "lm-eval"]}
    Path(sys.argv[2]).write_text(json.dumps({"versions": versions, "prefix": PREFIX, "texts": TEXTS, "cases": cases}) + "\n")


main()
