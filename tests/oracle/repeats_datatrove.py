"""What datatrove's SentenceDedup leaves of the demo corpus, and where its sentences end.

    python tests/oracle/repeats_datatrove.py cli/demo/corpus.jsonl.zst tests/fixtures/dedup/repeats_datatrove.jsonl.zst

And of mixtures of its documents (repeats_mixtures.py), so that there are spans to find. All three steps run in one task. A row for each document: `id`, `ends` (where
its sentences end, in code points, differences), `left` (XXH3-64 in hexadecimal of the kept text; null if dropped),
`words` (of the kept text, where something was cut). The texts are made again by the test.

Needs Python 3.11, datatrove 0.10.1 with spaCy 3.8, xxhash 3, zstandard.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path

import xxhash
import zstandard
from datatrove.data import Document
from datatrove.pipeline.dedup.sentence_dedup import SentDedupConfig, SentenceDedupFilter, SentenceDedupSignature, SentenceFindDedups
from datatrove.utils.word_tokenizers import load_word_tokenizer

from repeats_mixtures import documents

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
            row["left"] = xxhash.xxh3_64_hexdigest(kept[number].encode())
            if kept[number] != text:
                row["words"] = len(tokenizer.word_tokenize(kept[number]))
        rows.append(json.dumps(row, separators=(",", ":")))
    golden.write_bytes(zstandard.ZstdCompressor(level=19).compress(("\n".join(rows) + "\n").encode()))
    cut = sum(1 for number, text in kept.items() if text != texts[number])
    print(f"{len(texts)} documents, {len(kept)} kept, {cut} of them with something cut")


if __name__ == "__main__":
    main()
