"""Token sets of other forms, read and written by their own packages.

    python tests/oracle/token_forms.py BINARY CORPUS.jsonl TOKENIZER.json [--dolma PYTHON]

Tokenizes the corpus as Megatron's set, converts it to `.ds`, `.npy` and Parquet with `binidx convert`, and reads these with datatrove
(DatatroveFileDataset, tokens and positions), numpy.memmap beside the table, and `datasets`; then writes the same documents with
datatrove's TokenizedFile and Dolma's MemmapWriter and has `binidx convert` read them. Tokens, document ends and ids are compared one by one,
datatrove's three files byte for byte. Ends with status 1 at the first difference. Needs datatrove, datasets, pyarrow, torch, numpy; dolma may
be in a Python of its own, as it wants older packages.
"""

import argparse
import csv
import gzip
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy

DOLMA = """
import json, sys
import numpy as np
from dolma.tokenizer.data_types import TokenizerOutput
from dolma.tokenizer.memmap_writer import MemmapWriter
documents = json.load(open(sys.argv[1]))
with MemmapWriter(path=sys.argv[2], dtype=np.dtype(sys.argv[3]), max_tokens=sum(map(len, (d["tokens"] for d in documents))) + 1) as out:
    for row, document in enumerate(documents):
        assert out.write(TokenizerOutput.from_tokens(id=document["id"], src="a.jsonl", loc=row + 1, tokens=document["tokens"]))
"""


def check(what, ours, theirs):
    if ours != theirs:
        sys.exit(f"{what} differs")
    print(f"equal: {what}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("binary", "corpus", "tokenizer"):
        parser.add_argument(name)
    parser.add_argument("--dolma")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())

    def run(*words):
        subprocess.run([arguments.binary, *map(str, words)], check=True, stderr=subprocess.DEVNULL)

    def cat(prefix):
        said = subprocess.run([arguments.binary, "binidx", "cat", str(prefix), "--limit", "100000000", "--json"], check=True, stdout=subprocess.PIPE)
        return [json.loads(line) for line in said.stdout.splitlines()]

    for dtype, width in (("u16", 2), ("i32", 4)):
        if dtype == "u16" and len(json.load(open(arguments.tokenizer))["model"]["vocab"]) >= 65_500:
            continue
        prefix = folder / dtype
        run("tokenize", arguments.corpus, "-o", prefix, "--tokenizer", arguments.tokenizer, "--dtype", dtype)
        documents = [document for document in cat(prefix) if document["tokens"]]
        tokens = [document["tokens"] for document in documents]
        flat = [token for document in tokens for token in document]
        ends = numpy.cumsum([len(document) for document in tokens]).tolist()
        for suffix in ("ds", "npy", "parquet"):
            run("binidx", "convert", prefix, "-o", f"{prefix}.{suffix}")

        from datatrove.io import get_datafolder
        from datatrove.pipeline.tokens.tokenizer import TokenizedFile
        from datatrove.utils.dataset import DatatroveFileDataset

        dataset = DatatroveFileDataset(f"{prefix}.ds", seq_len=256, token_size=width, return_positions=True)
        read, positions = [], []
        for place in range(len(dataset)):
            item = dataset[place]
            read += item["input_ids"].tolist()
            positions += item["positions"].tolist()
        check(f"{dtype}: tokens in datatrove", flat[: len(read)], read)
        # Its positions begin anew at each of its windows.
        starts = {0, *ends}
        expected, position = [], 0
        for place in range(len(read)):
            position = 0 if place in starts or place % 257 == 0 else position + 1
            expected.append(position)
        check(f"{dtype}: positions in datatrove", expected, positions)
        header = json.loads(subprocess.run([arguments.binary, "binidx", "info", str(prefix), "--json"], check=True, stdout=subprocess.PIPE).stdout)
        file = TokenizedFile(
            get_datafolder(str(folder)), f"theirs-{dtype}.ds", save_index=True, token_size=width,
            tokenizer_name_or_path=header["known"]["tokenizer"], save_final_metadata=True,
        )
        for document in cat(prefix):
            file.write(document["tokens"], None)
        file.close()
        for suffix in ("ds", "ds.index", "ds.metadata"):
            ours, theirs = ((folder / f"{name}.{suffix}").read_bytes() for name in (dtype, f"theirs-{dtype}"))
            check(f"{dtype}: {suffix}, the bytes datatrove writes", ours, theirs)
        run("binidx", "convert", f"{folder}/theirs-{dtype}.ds", "-o", f"{folder}/back-{dtype}.bin")
        check(f"{dtype}: datatrove's files", tokens, [document["tokens"] for document in cat(folder / f"back-{dtype}") if document["tokens"]])

        memory = numpy.memmap(f"{prefix}.npy", mode="r", dtype=numpy.uint16 if width == 2 else numpy.uint32)
        check(f"{dtype}: tokens in numpy.memmap", flat, memory.tolist())
        with gzip.open(f"{prefix}.csv.gz", "rt", newline="") as table:
            rows = [row for row in csv.reader(table) if row[0] != row[1]]
        check(f"{dtype}: document ends in the table", ends, [int(row[1]) for row in rows])
        check(f"{dtype}: ids in the table", [document["id"] for document in documents], [row[2] for row in rows])
        if arguments.dolma:
            (folder / "documents.json").write_text(json.dumps([{"id": document["id"], "tokens": document["tokens"]} for document in documents]))
            out = folder / f"dolma-{dtype}"
            command = [arguments.dolma, "-c", DOLMA, folder / "documents.json", f"{out}.npy", "uint16" if width == 2 else "uint32"]
            subprocess.run(list(map(str, command)), check=True, stderr=subprocess.DEVNULL)
            run("binidx", "convert", f"{out}.npy", "-o", f"{out}-back.bin", "--from-dtype", dtype)
            back = cat(f"{out}-back")
            check(f"{dtype}: Dolma's files", [(d["id"], d["tokens"]) for d in documents], [(d["id"], d["tokens"]) for d in back])

        from datasets import load_dataset

        table = load_dataset("parquet", data_files=f"{prefix}.parquet", split="train", cache_dir=str(folder / "cache"))
        check(f"{dtype}: tokens in datasets", tokens, [row for row in table["input_ids"] if row])
    print(f"{len(documents)} documents, {len(flat)} tokens")


if __name__ == "__main__":
    main()
