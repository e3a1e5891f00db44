"""Lines that cc_net would take out of the demo corpus and of mixtures of its documents (those of repeats_datatrove.py).

    python tests/oracle/repeats_ccnet.py cli/demo/corpus.jsonl.zst tests/fixtures/dedup/repeats_ccnet.jsonl.zst

Written from what facebookresearch/cc_net does at 1341eec (`dedup.py`: `deduplicate` keeps the first occurrence, `deduplicate_two_pass`
none, as its paper and `mine.py`; `text_normalizer.py`: `normalize_for_dedup`), with a dict for its hash set. A row for each document: `one`
and `none`, XXH3-64 in hexadecimal of what is left, null if nothing is. Needs Python 3.11, xxhash and zstandard.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import xxhash
import zstandard

from repeats_mixtures import documents

PUNCTUATION = "，。、„”“«»１」「《》´∶：？！（）；–—．～’…━〈〉【】％►"
DIGIT = re.compile(r"\d")
REMOVED = re.compile("[" + PUNCTUATION + "".join(map(chr, [*range(32), *range(127, 160)])) + "]")


def key(line):
    line = DIGIT.sub("0", line.strip().lower()) if line.strip() else ""
    return hashlib.sha1(REMOVED.sub("", line).encode()).digest()[:8]


def kept(lines, duplicate):
    """The lines of one document that are not duplicates, each once; None if all of them are."""
    if all(duplicate):
        return None
    seen, left = set(), []
    for line, is_duplicate in zip(lines, duplicate):
        if not is_duplicate and key(line) not in seen:
            left.append(line)
        if not is_duplicate:
            seen.add(key(line))
    return "\n".join(left)


def digest(text):
    return None if text is None or not text.strip() else xxhash.xxh3_64_hexdigest(text.encode())


def main():
    corpus, golden = map(Path, sys.argv[1:])
    texts = [text.split("\n") for text in documents(corpus)]
    again = {}
    for lines in texts:
        keys = {key(line) for line in lines}
        for one in keys:
            again[one] = one in again
    seen, rows = set(), []
    for lines in texts:
        keys = [key(line) for line in lines]
        one = kept(lines, [each in seen for each in keys])
        seen.update(keys)
        none = kept(lines, [again[each] for each in keys])
        rows.append(json.dumps({"one": digest(one), "none": digest(none)}, separators=(",", ":")))
    golden.write_bytes(zstandard.ZstdCompressor(level=19).compress(("\n".join(rows) + "\n").encode()))
    print(len(rows), "documents,", sum('"none":null' in row for row in rows), "of which nothing is left")


if __name__ == "__main__":
    main()
