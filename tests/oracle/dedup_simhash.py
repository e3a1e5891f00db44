"""Fingerprints of the Python package `simhash` 2.1.2 (1e0ng) with its defaults: the first 600 documents of the demo corpus.
With numpy 1.26: with numpy 2 a shingle that a document has more than 255 times is an OverflowError.

python tests/oracle/dedup_simhash.py > tests/fixtures/dedup/simhash.txt         (simhash, zstandard, numpy < 2)
"""

import io
import json
from pathlib import Path

import zstandard
from simhash import Simhash

data = (Path(__file__).parents[2] / "cli/demo/corpus.jsonl.zst").read_bytes()
for number, line in enumerate(io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(data), encoding="utf-8", newline="\n")):
    if number == 600:
        break
    print(f"{Simhash(json.loads(line)['text']).value:016x}")
