"""What published MinHash pipelines make of documents: the goldens of `minhash_datatrove`, `minhash_text_dedup` and
`minhash_data_juicer`.

    python tests/oracle/dedup_compat.py corpus FOLDER                                                (zstandard; the FILEs below)
    python tests/oracle/dedup_compat.py sets > tests/fixtures/dedup/python_sets.txt                  (CPython 3.11)
    python tests/oracle/dedup_compat.py parameters                                                   (scipy 1.17.1)
    python tests/oracle/dedup_compat.py datatrove LANGUAGE HASH PRECISION FILE...                    (datatrove 0.10.1, xxhash < 4)
    python tests/oracle/dedup_compat.py text-dedup HASH BITS SOURCES FILE...                         (text-dedup with 250 permutations and SHA-1 by default, in the folder SOURCES)
    python tests/oracle/dedup_compat.py data-juicer TOKENIZATION FILE...                             (Data-Juicer 1.6.1)

FILE is JSON lines, plain or .zst; each is a rank of datatrove. What is printed: a line for each kind of result, its name and the
SHA-256 of its bytes; at the end the number of documents kept. With KEEP=folder the files stay there.
"""

import hashlib
import io
import json
import os
import sys
import tempfile
import types
from pathlib import Path


def corpus(folder):
    """The demo corpus in three files; pages of `shared/corpora/neardup` of at most 8,000 characters, by language and file."""
    def rows(path):
        import zstandard

        data = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(io.BytesIO(path.read_bytes())).read()
        return [json.loads(line) for line in data.decode().split("\n") if line]

    def write(name, rows):
        lines = [json.dumps({"text": row["text"]}, ensure_ascii=False) for row in rows]
        (Path(folder) / f"{name}.jsonl").write_text("\n".join(lines) + "\n")

    root = Path(__file__).parents[2]
    demo = rows(root / "cli/demo/corpus.jsonl.zst")
    for number in range(3):
        write(f"demo{number}", demo[number * 1500:(number + 1) * 1500])
    for language in ("en", "zh"):
        for name in ("revisions", "versions"):
            pages = rows(root.parent / f"shared/corpora/neardup/{name}.jsonl.zst")
            write(f"{language}_{name}", [page for page in pages if page["lang"] == language and len(page["text"]) <= 8000])


def sets():
    def digest(order):
        return sum(member * place for place, member in enumerate(order, 1)) % 2**64

    lists = [[0, 1], [1, 5], [5, 13], [8, 16, 24], [7, 15, 23, 31], list(range(0, 40, 8)), list(range(6, 60, 8)),
             [3, 100, 1003, 10007, 100003], [2**32 + 1, 2**32 + 9, 2**33 + 1], list(range(1, 20)),
             [n * n for n in range(1, 30)], [n * 32 for n in range(19)], [n * 1024 + 5 for n in range(20)]]
    for step in range(1, 12):
        lists.append([100 + n * step * 37 for n in range(3 + step)])
    for members in lists:
        made = set()
        for member in members:
            made.add(member)
        print(" ".join(map(str, members)) + "\t" + " ".join(map(str, made)))
    for start, step, count in [(3, 1, 100), (0, 64, 500), (17, 4096, 3000), (5, 3, 20000), (1, 8, 49999), (1, 8, 60000),
                               (123, 77777, 120000), (0, 2**20, 30000)]:
        made = set()
        for n in range(count):
            made.add(start + n * step)
        print(f"{start} {step} {count}\tdigest {digest(made)}")


def parameters():
    from scipy.integrate import quad

    def chosen(threshold, permutations):
        least, best = float("inf"), (0, 0)
        for b in range(1, permutations + 1):
            for r in range(1, int(permutations / b) + 1):
                fp, _ = quad(lambda s: 1 - (1 - s ** float(r)) ** float(b), 0.0, threshold)
                fn, _ = quad(lambda s: 1 - (1 - (1 - s ** float(r)) ** float(b)), threshold, 1.0)
                if fp * 0.5 + fn * 0.5 < least:
                    least, best = fp * 0.5 + fn * 0.5, (b, r)
        return best

    rows = [(t, n, chosen(t, n)) for n in (64, 128, 240, 250, 256) for t in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)]
    print("[" + ", ".join(f"({t}, {n}, ({b}, {r}))" for t, n, (b, r) in rows) + "]")


def texts(path):
    data = Path(path).read_bytes()
    if path.endswith(".zst"):
        import zstandard

        data = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(io.BytesIO(data)).read()
    return [json.loads(line)["text"] for line in data.decode().split("\n") if line]


def digests(folder):
    """By kind: file names and bytes, in order of name."""
    kinds = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            kinds.setdefault(path.suffix, hashlib.sha256()).update(path.name.encode() + b"\n" + path.read_bytes())
    for kind, digest in sorted(kinds.items()):
        print(kind, digest.hexdigest())


def datatrove(language, hash_fc, precision, files):
    from datatrove.data import Document
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.hashing import HashConfig

    config = MinhashConfig(hash_config=HashConfig(precision=int(precision), hash_fc=hash_fc))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(os.environ.get("KEEP", made))
        signatures, duplicates, remove = (folder / name for name in ("signatures", "duplicates", "remove"))
        ranks = [[Document(text=text, id=str(n)) for n, text in enumerate(texts(file))] for file in files]
        for rank, documents in enumerate(ranks):
            stage = MinhashDedupSignature(str(signatures), config=config, language=language)
            stage.run(documents, rank, len(ranks))
        workers = int(os.environ.get("WORKERS", 1)) * config.num_buckets
        for rank in range(workers):
            MinhashDedupBuckets(str(signatures), str(duplicates), config=config).run(None, rank, workers)
        MinhashDedupCluster(str(duplicates), str(remove), config=config, save_cluster_id=True, save_cluster_size=True).run(None, 0, 1)
        digests(folder)
        kept = 0
        for rank, documents in enumerate(ranks):
            kept += sum(1 for _ in MinhashDedupFilter(str(remove)).run(documents, rank, len(ranks)))
        print("kept", kept, "of", sum(map(len, ranks)))


def numbered(kept, count):
    """Which documents are kept, as 32-bit numbers."""
    digest = hashlib.sha256(b"".join(number.to_bytes(4, "little") for number in kept))
    print("kept.numbers", digest.hexdigest())
    print("kept", len(kept), "of", count)


def text_dedup(hash_func, bits, sources, files):
    """The steps of `text_dedup/minhash.py` `main` over one list of texts, with its own functions."""
    from collections import defaultdict

    import numpy as np

    package = types.ModuleType("text_dedup")
    package.__path__ = [sources]
    sys.modules["text_dedup"] = package
    import importlib.util

    def module(name, path):
        spec = importlib.util.spec_from_file_location(name, path)
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return made

    utils = Path(sources) / "utils"
    ngrams = module("text_dedup_tokenization", utils / "tokenization.py").ngrams
    hashes = module("text_dedup_hashfunc", utils / "hashfunc.py")
    union_find = module("text_dedup_union_find", utils / "union_find.py").UnionFind()
    # `embed_func` alone of minhash.py: the module itself wants a command line and `datasets`.
    source = (Path(sources) / "minhash.py").read_text()
    body = source[source.index("def embed_func("):source.index("@click.command")]
    import re
    from typing import Any, Callable

    space = {"np": np, "ngrams": ngrams, "NON_ALPHA": re.compile(r"\W", re.UNICODE), "Any": Any, "Callable": Callable,
             "INDEX_COLUMN": "__index__", "SIGNATURE_COLUMN": "__signatures__"}
    exec("from __future__ import annotations\n" + body, space)
    embed_func, non_alpha = space["embed_func"], space["NON_ALPHA"]

    bits = int(bits)
    dtype, max_hash, prime = {64: (np.uint64, np.uint32((1 << 32) - 1), np.uint64((1 << 61) - 1)),
                              32: (np.uint32, np.uint32((1 << 32) - 1), np.uint32((1 << 32) - 5))}[bits]
    hash_function = hashes.xxh3_32hash if hash_func == "xxh3" else lambda data: hashes.sha1_hash(data, d=32)
    bands, rows = int(os.environ.get("BANDS", 25)), int(os.environ.get("ROWS", 10))
    permutations_count = int(os.environ.get("PERMUTATIONS", 250))
    random = np.random.RandomState(42)
    permutations = (random.randint(1, prime, size=(permutations_count,), dtype=dtype),
                    random.randint(0, prime, size=(permutations_count,), dtype=dtype))
    ranges = [(band * rows, (band + 1) * rows) for band in range(bands)]
    documents = [text for file in files for text in texts(file)]
    taken = [number for number, text in enumerate(documents) if len(non_alpha.split(text.lower())) >= 5]
    tables = [defaultdict(set) for _ in range(bands)]
    digest = hashlib.sha256()
    with np.errstate(over="ignore"):
        for number in taken:
            signature = embed_func(documents[number], number, num_perm=permutations_count, ngram_size=5, min_length=5,
                                   hashranges=ranges, permutations=permutations, hash_func=hash_function, dtype=dtype,
                                   max_hash=max_hash, modulo_prime=prime)["__signatures__"]
            for table, band in zip(tables, signature):
                digest.update(band)
                table[band].add(number)
    print("bands", digest.hexdigest())
    for table in tables:
        for cluster in table.values():
            if len(cluster) > 1:
                first = min(cluster)
                for member in cluster:
                    union_find.union(member, first)
    numbered([number for number in taken if union_find.find(number) == number], len(documents))


def data_juicer(tokenization, files):
    from datasets import Dataset

    # Without scipy the parameters for a threshold are given: those of `parameters`.
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator
    from data_juicer.utils.constant import HashKeys

    bands, rows = int(os.environ.get("BANDS", 25)), int(os.environ.get("ROWS", 10))
    operator = DocumentMinhashDeduplicator(tokenization=tokenization, num_bands=bands, num_rows_per_band=rows)
    documents = [text for file in files for text in texts(file)]
    samples, digest = [], hashlib.sha256()
    for number, text in enumerate(documents):
        sample = operator.compute_hash({"text": text, "number": number})
        for band in sample[HashKeys.minhash]:
            digest.update(band)
        samples.append(sample)
    print("bands", digest.hexdigest())
    kept, _ = operator.process(Dataset.from_list(samples))
    numbered([row["number"] for row in kept], len(documents))


if __name__ == "__main__":
    command, rest = sys.argv[1], sys.argv[2:]
    if command == "corpus":
        corpus(rest[0])
    elif command == "sets":
        sets()
    elif command == "parameters":
        parameters()
    elif command == "datatrove":
        datatrove(rest[0], rest[1], rest[2], rest[3:])
    elif command == "text-dedup":
        text_dedup(rest[0], rest[1], rest[2], rest[3:])
    elif command == "data-juicer":
        data_juicer(rest[0], rest[1:])
    else:
        sys.exit(__doc__)
