"""Megatron-Core and Hugging Face as judges of a dataset that yuan-data wrote.

Opens PREFIX.bin/.idx with megatron.core's IndexedDataset, encodes the documents anew with Hugging Face
`tokenizers`, compares the tokens one by one, decodes them and compares the texts. Ends with status 1 and
the place of the first difference.

    python tests/oracle/megatron_roundtrip.py --prefix out/tokens --tokenizer tokenizer.json \
        --documents out/ [--text-field text] [--eod '<eod>' | --no-eod]

Needs a Python with megatron-core, torch, tokenizers and zstandard installed (pyarrow for Parquet).
`--documents` are files or folders (walked in sorted order) of .jsonl, .jsonl.zst, .jsonl.gz or .parquet,
in the order in which yuan-data read them.
"""

import argparse
import contextlib
import gzip
import io
import itertools
import json
import pathlib
import sys
import warnings

SUFFIXES = (".jsonl", ".jsonl.zst", ".jsonl.gz", ".parquet")


def files(paths):
    """The document files among `paths`, those of a folder in sorted order."""
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES))
            if not found:
                sys.exit(f"error: no document file in `{path}`")
            yield from found
        else:
            yield path


def texts(path, field):
    """The texts of one file."""
    if path.name.endswith(".parquet"):
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(columns=[field]):
            yield from batch.column(0).to_pylist()
        return
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(open(path, "rb"))
        if path.name.endswith(".zst"):
            import zstandard

            decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
            raw = stack.enter_context(decompressor.stream_reader(raw, read_across_frames=True))
        elif path.name.endswith(".gz"):
            raw = stack.enter_context(gzip.open(raw))
        # Only "\n" ends a record: JSON strings may hold other line ends.
        for line in io.TextIOWrapper(raw, encoding="utf-8", newline="\n"):
            if line.strip():
                yield json.loads(line)[field]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--prefix", required=True, help="the dataset, without .bin and .idx")
    arguments.add_argument("--tokenizer", required=True, help="tokenizer.json")
    arguments.add_argument("--documents", required=True, nargs="+", help="files or folders")
    arguments.add_argument("--text-field", default="text")
    arguments.add_argument("--eod", default="<eod>", help="the token at each document's end")
    arguments.add_argument("--no-eod", action="store_true", help="documents end without a token")
    arguments.add_argument("--parse-special", action="store_true", help="control tokens in texts are such")
    options = arguments.parse_args()

    warnings.filterwarnings("ignore")
    from megatron.core.datasets.indexed_dataset import IndexedDataset
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(options.tokenizer)
    tokenizer.encode_special_tokens = not options.parse_special
    end = []
    if not options.no_eod:
        end = [tokenizer.token_to_id(options.eod)]
        if end == [None]:
            sys.exit(f"error: `{options.tokenizer}` has no token `{options.eod}`")
    dataset = IndexedDataset(options.prefix)
    bounds = dataset.document_indices
    documents = ((path, row, text) for path in files(options.documents)
                 for row, text in enumerate(texts(path, options.text_field)))
    compared = tokens = 0
    for number, document in enumerate(itertools.zip_longest(range(len(bounds) - 1), documents)):
        stored, source = document
        if source is None:
            sys.exit(f"error: `{options.prefix}` has {len(bounds) - 1} documents, the sources {number}")
        path, row, text = source
        place = f"document {number} (record {row} of `{path}`)"
        if stored is None:
            sys.exit(f"error: `{options.prefix}` ends before {place}")
        ours = [int(token) for sequence in range(bounds[number], bounds[number + 1])
                for token in dataset[sequence]]
        theirs = tokenizer.encode(text, add_special_tokens=False).ids
        theirs += end if theirs else []
        if ours != theirs:
            at = next((at for at, pair in enumerate(itertools.zip_longest(ours, theirs)) if pair[0] != pair[1]))
            sys.exit(f"error: {place} differs at token {at}: stored {ours[at:at + 8]}, expected {theirs[at:at + 8]}")
        decoded = tokenizer.decode(ours[:len(ours) - len(end)], skip_special_tokens=False)
        if decoded != text:
            at = next((at for at, pair in enumerate(itertools.zip_longest(decoded, text)) if pair[0] != pair[1]))
            sys.exit(f"error: {place} decodes differently at character {at}: "
                     f"{decoded[at:at + 40]!r}, not {text[at:at + 40]!r}")
        compared += 1
        tokens += len(ours)
    print(f"{compared} documents, {tokens} tokens: Megatron-Core reads what tokenizers encodes, "
          "and it decodes to the texts")


if __name__ == "__main__":
    main()
