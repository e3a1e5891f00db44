"""What datatrove's SentenceDedup leaves of the demo corpus, and where its sentences end.

    python tests/oracle/repeats_datatrove.py cli/demo/corpus.jsonl.zst tests/fixtures/dedup/repeats_datatrove.jsonl.zst

Each document twice over: the corpus as it is, and behind it every fifth document again with its sentences in runs of nine from another
document in between, so that there are spans to find. All three steps run in one task. A row for each document: `id`, `ends` (where
its sentences end, in code points, differences), `left` (the first 16 hex digits of the SHA-256 of the kept text; null if dropped),
`words` (of the kept text, where something was cut). The documents themselves are made again by the test from the corpus.

Needs Python 3.11, datatrove 0.10.1 with spaCy 3.8, xxhash 3, zstandard.
"""

import hashlib
import io
import json
import logging
import sys
import tempfile
from pathlib import Path

import zstandard
from datatrove.data import Document
from datatrove.pipeline.dedup.sentence_dedup import SentDedupConfig, SentenceDedupFilter, SentenceDedupSignature, SentenceFindDedups
from datatrove.utils.word_tokenizers import load_word_tokenizer

STEP = 5


def documents(path):
    """The corpus, then mixtures: of every fifth document and the one two before it, nine lines of each in turn."""
    with open(path, "rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding="utf-8").read().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    mixed = []
    for number in range(STEP, len(texts), STEP):
        one, other = texts[number].split("\n"), texts[number - 2].split("\n")
        runs = [one[at:at + 9] + other[at:at + 9] for at in range(0, max(len(one), len(other)), 9)]
        mixed.append("\n".join(line for run in runs for line in run))
    return texts + mixed


def main():
    corpus, golden = map(Path, sys.argv[1:])
    logging.disable()
    texts = documents(corpus)
    config = SentDedupConfig()
    kept = {}
    with tempfile.TemporaryDirectory() as folder:
        data = lambda: (Document(text=text, id=str(number)) for number, text in enumerate(texts))
        SentenceDedupSignature(f"{folder}/signatures", config=config).run(data(), 0, 1)
        SentenceFindDedups(f"{folder}/signatures", f"{folder}/duplicates", config=config).run(None, 0, 1)
        for document in SentenceDedupFilter(f"{folder}/duplicates", config=config).run(data(), 0, 1):
            kept[int(document.id)] = document.text
    tokenizer = load_word_tokenizer("en")
    rows = []
    for number, text in enumerate(texts):
        ends = [end for _, end in tokenizer.span_tokenize(text)]
        row = {"ends": [end - start for start, end in zip([0] + ends, ends)], "left": None}
        if number in kept:
            row["left"] = hashlib.sha256(kept[number].encode()).hexdigest()[:16]
            if kept[number] != text:
                row["words"] = len(tokenizer.word_tokenize(kept[number]))
        rows.append(json.dumps(row, separators=(",", ":")))
    golden.write_bytes(zstandard.ZstdCompressor(level=19).compress(("\n".join(rows) + "\n").encode()))
    cut = sum(1 for number, text in kept.items() if text != texts[number])
    print(f"{len(texts)} documents, {len(kept)} kept, {cut} of them with something cut")


if __name__ == "__main__":
    main()
