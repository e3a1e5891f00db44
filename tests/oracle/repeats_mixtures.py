"""The documents of a corpus, and mixtures of them that repeat parts of each other; dedup/tests/repeats_peers.rs makes the same."""

import io
import json

import zstandard

STEP = 5


def documents(path):
    """The corpus, then mixtures: of every fifth document and the one two before it, nine lines of each in turn."""
    with open(path, "rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding="utf-8", newline="\n").read().split("\n")
    texts = [json.loads(line)["text"] for line in lines if line]
    mixed = []
    for number in range(STEP, len(texts), STEP):
        one, other = texts[number].split("\n"), texts[number - 2].split("\n")
        runs = [one[at:at + 9] + other[at:at + 9] for at in range(0, max(len(one), len(other)), 9)]
        mixed.append("\n".join(line for run in runs for line in run))
    return texts + mixed
