"""Hugging Face's logits processors as judge: writes tests/fixtures/model/generate/sampling.json.

    python tests/oracle/sampling.py --out tests/fixtures/model/generate/sampling.json

Needs a Python with transformers 5.23 and torch. Each case has settings, the number of a row of logits, earlier tokens,
and what RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper and TopPLogitsWarper, in this order
as `generate` runs them, leave: the kept tokens and their probabilities.
"""

import argparse
import json
import pathlib

import torch
from transformers.generation import logits_process

SETTINGS = [
    {},
    {"temperature": 0.7},
    {"temperature": 3.0, "top_k": 5},
    {"top_k": 50},
    {"top_k": 1000},
    {"top_p": 0.9},
    {"top_p": 0.05},
    {"temperature": 5.0, "top_p": 0.99},
    {"repetition_penalty": 1.2},
    {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "repetition_penalty": 1.1},
    {"temperature": 1.5, "top_k": 20, "top_p": 0.6, "repetition_penalty": 0.8},
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    torch.manual_seed(1)
    vocab = 200
    rows = torch.randn(4, vocab) * torch.tensor([[0.3], [1.0], [3.0], [8.0]])
    # Equal logits, at the border of top-k among others, and tokens that cannot be.
    rows[1] = (rows[1] * 4).round() / 4
    rows[2, 20:40] = float("-inf")
    cases = []
    for row in range(len(rows)):
        for settings in SETTINGS:
            if row == 1 and "top_p" in settings:
                continue  # Which of equal logits are kept at the border of top-p is left open by torch's sort.
            # Some twice, some of the likeliest.
            earlier = torch.cat([torch.randint(0, vocab, (30,)), rows[row].topk(5).indices, torch.tensor([3, 3])])
            processors = logits_process.LogitsProcessorList()
            if "repetition_penalty" in settings:
                processors.append(logits_process.RepetitionPenaltyLogitsProcessor(settings["repetition_penalty"]))
            if "temperature" in settings:
                processors.append(logits_process.TemperatureLogitsWarper(settings["temperature"]))
            if "top_k" in settings:
                processors.append(logits_process.TopKLogitsWarper(settings["top_k"]))
            if "top_p" in settings:
                processors.append(logits_process.TopPLogitsWarper(settings["top_p"]))
            scores = processors(earlier[None], rows[row : row + 1].clone())[0]
            probabilities = scores.double().softmax(-1)
            kept = (scores > float("-inf")).nonzero()[:, 0].tolist()
            cases.append(
                {
                    "settings": settings,
                    "row": row,
                    "earlier": earlier.tolist(),
                    "kept": kept,
                    "probabilities": [float(f"{probabilities[id]:.9g}") for id in kept],
                }
            )
    # Impossible tokens as null: JSON has no infinity.
    logits = [[None if x == float("-inf") else x for x in row] for row in rows.tolist()]
    text = json.dumps({"logits": logits, "cases": cases}).replace('{"settings"', '\n{"settings"')
    arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
