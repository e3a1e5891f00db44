"""What a suffix array says is repeated: the spans that `repeated_substrings` must find.

    python tests/oracle/substring_suffix_array.py FILE [--megabytes 40] [--length 100]

FILE is .jsonl or .jsonl.zst with a field `text`; documents are taken from its front up to so many megabytes. Needs numpy,
pydivsufsort (the C library libdivsufsort, and Kasai's LCP array), xxhash and zstandard. Prints for `all` and for `repeats`:
file, megabytes, length, which, number of spans, bytes in them, and the XXH3 of all spans as (document, start, end), each a
little-endian u64.

The documents' bytes are joined by the byte 0xff, which UTF-8 has not. A window is repeated if it has no 0xff in it and an
adjacent suffix shares its whole length; the windows of a run of such suffixes are equal, and the first of them in the text is
the one that `repeats` holds the others against.
"""

import argparse
import io
import json
import sys

import numpy as np
import xxhash
from pydivsufsort import divsufsort, kasai


def texts(path, limit):
    size = 0
    with open(path, "rb") as file:
        if path.endswith(".zst"):
            import zstandard

            file = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file)
        for line in io.TextIOWrapper(file, encoding="utf-8", newline="\n"):
            text = json.loads(line)["text"].encode()
            if size + len(text) > limit:
                return
            size += len(text)
            yield text


def spans(goes, length, starts):
    """The windows as disjoint spans of documents: (document, start, end)."""
    if len(goes) == 0:
        return np.zeros((0, 3), dtype="<u8")
    document = np.searchsorted(starts, goes, side="right") - 1
    new = np.ones(len(goes), dtype=bool)
    new[1:] = (goes[1:] > goes[:-1] + length) | (document[1:] != document[:-1])
    first = np.flatnonzero(new)
    last = np.append(first[1:] - 1, len(goes) - 1)
    of = document[first]
    return np.stack([of, goes[first] - starts[of], goes[last] + length - starts[of]], axis=1).astype("<u8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--megabytes", type=float, default=40.0)
    parser.add_argument("--length", type=int, default=100)
    options = parser.parse_args()
    length = options.length
    documents = list(texts(options.file, options.megabytes * 1e6))
    joined = b"\xff".join(documents) + b"\xff"
    lengths = np.array([len(document) + 1 for document in documents], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    ends = np.repeat(starts + lengths - 1, lengths)
    suffixes = divsufsort(joined)
    common = kasai(joined, suffixes)
    suffixes = suffixes.astype(np.int64)
    # common[i]: what suffixes i and i + 1 share.
    whole = ends[suffixes] - suffixes >= length
    shares = (common[:-1] >= length) & whole[:-1] & whole[1:]
    repeated = np.zeros(len(suffixes), dtype=bool)
    repeated[:-1] |= shares
    repeated[1:] |= shares
    # Runs of suffixes that share a window.
    run_starts = np.flatnonzero(np.concatenate([[True], ~shares]))
    firsts = np.repeat(np.minimum.reduceat(suffixes, run_starts), np.diff(np.append(run_starts, len(suffixes))))
    document = np.searchsorted(starts, suffixes, side="right") - 1
    apart = (np.searchsorted(starts, firsts, side="right") - 1 != document) | (suffixes - firsts >= length)
    for name, goes in ("all", repeated), ("repeats", repeated & apart):
        found = spans(np.sort(suffixes[goes]), length, starts)
        size = int((found[:, 2] - found[:, 1]).sum())
        print(f"{options.file} {options.megabytes:g} {length} {name} {len(found)} {size} {xxhash.xxh3_64_hexdigest(found.tobytes())}")


if __name__ == "__main__":
    sys.exit(main())
