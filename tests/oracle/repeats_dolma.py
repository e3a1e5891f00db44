"""Paragraphs that Dolma's deduper finds in the demo corpus and in mixtures of its documents (those of repeats_mixtures.py).

    /opt/dolma/bin/python tests/oracle/repeats_dolma.py cli/demo/corpus.jsonl.zst tests/fixtures/dedup/repeats_dolma.jsonl.zst

`dolma dedupe` 1.2.1 with one process, one file, blank paragraphs skipped, a filter large enough for one false positive in 10⁹, for three
kinds: n-grams of 13 at 0.8, n-grams of 5 with stride 3 at 0.5, and n-grams of 13 at 1. A row for each document and kind: the numbers of
the paragraphs whose spans it gives. Needs Python 3.11, dolma, zstandard, or their path in DOLMA.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import zstandard

from repeats_mixtures import documents

KINDS = [(13, 1, 0.8), (5, 3, 0.5), (13, 1, 1.0)]


def spans(texts, ngram, stride, threshold):
    """The spans that Dolma gives for each document."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "documents"
        place.mkdir()
        with gzip.open(place / "all.jsonl.gz", "wt", encoding="utf-8") as file:
            for number, text in enumerate(texts):
                file.write(json.dumps({"id": str(number), "text": text, "source": "x"}) + "\n")
        subprocess.run(
            [os.environ.get("DOLMA", str(Path(sys.executable).with_name("dolma"))), "dedupe", "--documents", f"{place}/*.gz",
             "--dedupe.paragraphs.attribute_name", "found", "--dedupe.skip_empty", "--dedupe.name", "found",
             "--dedupe.paragraphs.by_ngram.ngram_length", str(ngram), "--dedupe.paragraphs.by_ngram.stride", str(stride),
             "--dedupe.paragraphs.by_ngram.overlap_threshold", str(threshold), "--bloom_filter.file", f"{folder}/bloom.bin",
             "--bloom_filter.size_in_bytes", str(1 << 26), "--bloom_filter.estimated_doc_count", str(5_000_000),
             "--bloom_filter.desired_false_positive_rate", "1e-9", "--no-bloom_filter.read_only", "--processes", "1"],
            check=True, capture_output=True, stdin=subprocess.DEVNULL,
            # Else it looks for a machine of Amazon's before it reads a local file.
            env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1"},
        )
        with gzip.open(Path(folder) / "attributes/found/all.jsonl.gz", "rt", encoding="utf-8") as file:
            return [json.loads(line)["attributes"].get("found", []) for line in file]


def numbers(text, found):
    """Which paragraphs these spans are: Dolma counts characters, and a line end while it has not seen as many as there are bytes."""
    starts, offset = {}, 0
    for number, paragraph in enumerate(text.split("\n")):
        start = offset
        offset += len(paragraph)
        if offset < len(text.encode()) - 1:
            offset += 1
        starts.setdefault((start, offset), []).append(number)
    return sorted(starts[(start, end)][0] for start, end, _ in found)


def main():
    corpus, golden = map(Path, sys.argv[1:])
    texts = documents(corpus)
    rows = []
    for kind in KINDS:
        found = [numbers(text, spans) for text, spans in zip(texts, spans(texts, *kind))]
        print(kind, sum(map(len, found)), "paragraphs in", sum(map(bool, found)), "documents")
        rows += [json.dumps(paragraphs, separators=(",", ":")) for paragraphs in found]
    golden.write_bytes(zstandard.ZstdCompressor(level=19).compress(("\n".join(rows) + "\n").encode()))


if __name__ == "__main__":
    main()
