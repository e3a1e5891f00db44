"""Makes tests/fixtures/dedup/neardup_sample*.jsonl: short pages in several revisions, with exact Jaccard similarities.

usage: python dedup_sample.py NEARDUP_FOLDER FIXTURE_FOLDER        (needs zstandard; NEARDUP_FOLDER is shared/corpora/neardup)

The similarities are computed here once more, by the definition in the corpus' MANIFEST.md, and must agree with the corpus.
"""

import io
import itertools
import json
import re
import sys
import unicodedata
from pathlib import Path

import zstandard

SINGLE = "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
TOKEN = re.compile(rf"[{SINGLE}]|[^\W_{SINGLE}]+")
LICENCES = {"CC0-1.0": "en", "CC-BY-4.0": "zh"}  # Ethereum Improvement Proposals; the Chinese React documentation
DOCUMENTS, LONGEST = 36, 4_000


def rows(path):
    with open(path, "rb") as file:
        stream = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file)
        for line in io.TextIOWrapper(stream, "utf-8"):
            yield json.loads(line)


def shingles(text):
    tokens = TOKEN.findall(unicodedata.normalize("NFC", text).lower())
    return {tuple(tokens[at : at + 5]) for at in range(len(tokens) - 4)}


def main(corpus, fixtures):
    documents = {}
    for row in rows(corpus / "revisions.jsonl.zst"):
        if LICENCES.get(row["licence"]) == row["lang"] and 400 < len(row["text"].encode()) < LONGEST:
            documents[row["id"]] = row
    gold = {}
    for row in rows(corpus / "revisions_pairs.jsonl.zst"):
        if row["a"] in documents and row["b"] in documents:
            gold[row["a"], row["b"]] = row["jaccard5"]
    chosen = {}
    for language in LICENCES.values():
        taken = {}
        for pair in sorted(gold, key=lambda pair: pair):
            if all(documents[end]["lang"] == language for end in pair) and len(taken) < DOCUMENTS:
                taken |= {end: documents[end] for end in pair}
        chosen |= taken
    sets = {key: shingles(row["text"]) for key, row in chosen.items()}
    with open(fixtures / "neardup_sample.jsonl", "w", encoding="utf-8") as out:
        for key in sorted(chosen):
            row = {name: chosen[key][name] for name in ("id", "text", "lang", "source", "licence")}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    with open(fixtures / "neardup_sample_pairs.jsonl", "w", encoding="utf-8") as out:
        for a, b in itertools.combinations(sorted(chosen), 2):
            union = len(sets[a] | sets[b])
            jaccard = len(sets[a] & sets[b]) / union if union else 0.0
            if (a, b) in gold:
                assert abs(jaccard - gold[a, b]) < 1e-3, (a, b, jaccard, gold[a, b])
            if jaccard >= 0.1:
                out.write(json.dumps({"a": a, "b": b, "jaccard5": round(jaccard, 4)}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
