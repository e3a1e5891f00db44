#!/usr/bin/env python3
"""Tokens per character by the packages `tokenizers` and `sentencepiece`, beside what `yuan-data compression` says.

    python tests/oracle/compression.py YUAN_DATA --limit BYTES --tokenizer NAME=PATH ... -- FILE.jsonl[.zst] ...

Takes the first documents of each file up to BYTES of text, writes them as one file with the file's name as `language`, runs the
command on it, encodes every document with the packages, and compares, for each tokenizer, group and overall: documents, bytes,
characters, tokens, tokens per character (total, mean and deviation of samples), relative tokens, fallbacks, and the number of
distinct text tokens used. Exit status 1 if anything differs. Needs pip `tokenizers`, `sentencepiece`, and `zstd` for .zst files.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile


def documents(path, limit):
    command = ["zstd", "-dc", "--long=27", path] if path.endswith(".zst") else ["cat", path]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE)
    read = 0
    for line in reader.stdout:
        text = json.loads(line)["text"]
        yield text
        read += len(text.encode())
        if read >= limit:
            break
    reader.stdout.close()
    reader.wait()


class HuggingFace:
    def __init__(self, path):
        import tokenizers

        self.tokenizer = tokenizers.Tokenizer.from_file(path)
        self.tokenizer.encode_special_tokens = True

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def is_fallback(self, id):
        name = self.tokenizer.id_to_token(id)
        byte = len(name) == 6 and name.startswith("<0x") and name[3] in "89ABCDEF"
        return byte or len(name) == 1 and self.tokenizer.decode([id], skip_special_tokens=False) == "\ufffd"


class SentencePiece:
    def __init__(self, path):
        import sentencepiece

        self.model = sentencepiece.SentencePieceProcessor(model_file=path)

    def encode(self, text):
        return self.model.encode(text)

    def is_fallback(self, id):
        return self.model.is_byte(id) and self.model.id_to_piece(id)[3] in "89ABCDEF"


def load(path):
    with open(path, "rb") as file:
        return HuggingFace(path) if file.read(1) == b"{" else SentencePiece(path)


def figures(encoded, sample_tokens):
    """Of (characters, bytes, tokens, fallbacks) of each document in order."""
    characters, size, tokens, fallbacks = (sum(column) for column in zip(*encoded))
    samples, sample = [], [0, 0]
    for document in encoded:
        sample = [sample[0] + document[2], sample[1] + document[0]]
        if sample[0] >= sample_tokens:
            samples.append(sample[0] / sample[1])
            sample = [0, 0]
    if not samples and sample[1]:
        samples = [sample[0] / sample[1]]
    return {
        "documents": len(encoded),
        "bytes": size,
        "characters": characters,
        "tokens": tokens,
        "fallback_tokens": fallbacks,
        "total": tokens / characters,
        "mean": statistics.mean(samples),
        "standard_deviation": statistics.stdev(samples) if len(samples) > 1 else None,
        "samples": len(samples),
    }


def differ(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return not math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return one != other


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--tokenizer", action="append", required=True)
    parser.add_argument("--limit", type=int, default=1_000_000)
    parser.add_argument("--sample-tokens", type=int, default=10_000)
    arguments = parser.parse_args()
    texts = [
        (os.path.basename(path).split(".")[0], text) for path in arguments.files for text in documents(path, arguments.limit)
    ]
    faults = checked = 0
    with tempfile.TemporaryDirectory() as folder:
        corpus, report = os.path.join(folder, "corpus.jsonl"), os.path.join(folder, "report.json")
        with open(corpus, "w", encoding="utf-8") as file:
            for group, text in texts:
                file.write(json.dumps({"text": text, "language": group}, ensure_ascii=False) + "\n")
        command = [arguments.binary, "compression", corpus, "--json", report]
        command += ["--sample-tokens", str(arguments.sample_tokens)]
        for tokenizer in arguments.tokenizer:
            command += ["--tokenizer", tokenizer]
        subprocess.run(command, check=True)
        with open(report, encoding="utf-8") as file:
            report = json.load(file)
    baseline = {}
    for wanted, found in zip(arguments.tokenizer, report["tokenizers"]):
        name, path = wanted.split("=", 1)
        tokenizer = load(path)
        known, used, encoded = {}, set(), []
        for group, text in texts:
            ids = tokenizer.encode(text)
            used.update(ids)
            for id in ids:
                if id not in known:
                    known[id] = tokenizer.is_fallback(id)
            fallbacks = sum(known[id] for id in ids)
            encoded.append((group, (len(text), len(text.encode()), len(ids), fallbacks)))
        groups = sorted({group for group, _ in texts})
        for group in [""] + groups:
            expected = figures([row for other, row in encoded if group in ("", other)], arguments.sample_tokens)
            baseline.setdefault(group, expected["tokens"])
            expected["relative_tokens"] = expected["tokens"] / baseline[group]
            told = found["overall"]
            if group:
                told = next(figures for figures in found["groups"] if figures["group"] == group)
            for field, value in expected.items():
                there = told["tokens_per_character"][field] if field in told["tokens_per_character"] else told[field]
                checked += 1
                if differ(value, there):
                    faults += 1
                    print(f"{name}, {group or 'all'}: {field}: {there}, the package says {value}")
        vocabulary = found["vocabulary"]
        text_and_bytes = vocabulary["text_tokens"] - vocabulary["unused_text_tokens"]
        text_and_bytes += vocabulary["byte_tokens"] - vocabulary["unused_byte_tokens"]
        unknown = found["overall"]["unknown_tokens"] > 0
        checked += 1
        if text_and_bytes + unknown != len(used):
            faults += 1
            print(f"{name}: {text_and_bytes} tokens used, the package has {len(used)}")
    print(f"{checked} figures of {len(report['tokenizers'])} tokenizers compared, {faults} differ")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
