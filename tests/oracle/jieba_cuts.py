"""Hashes of the words that jieba makes of whole Chinese corpora.

Needs a Python with jieba 0.42.1, xxhash and zstandard:

    python tests/oracle/jieba_cuts.py SHARED > tests/fixtures/gopher/jieba_cuts.tsv

For each file: documents, bytes of text, words, xxh64 of the words (white space left out) with a newline
after each. Of large files the first documents up to 4 MB.
"""

import sys
from pathlib import Path

import jieba
import xxhash
from gopher_datatrove import rows

LIMIT = 4_000_000


def main():
    corpora = Path(sys.argv[1]) / "corpora"
    paths = sorted(corpora.glob("docs/zh_*")) + sorted(corpora.glob("web/noisy/zh_*"))
    for path in paths:
        documents = size = count = 0
        digest = xxhash.xxh64()
        for row in rows(path):
            for word in jieba.cut(row["text"], cut_all=False, HMM=True):
                if word.strip():
                    count += 1
                    digest.update(word.encode() + b"\n")
            documents += 1
            size += len(row["text"].encode())
            if size >= LIMIT:
                break
        print(path.relative_to(corpora), documents, size, count, digest.hexdigest(), sep="\t", flush=True)


if __name__ == "__main__":
    main()
