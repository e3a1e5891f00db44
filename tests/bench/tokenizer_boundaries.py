"""What it costs to keep merges within Chinese words, or within scripts: tokenizers of one corpus, compared on held-out documents.

    python tests/bench/tokenizer_boundaries.py target/release/yuan-data zh=CORPUS.jsonl.zst… en=CORPUS.jsonl.zst… [--vocab-size 32000]

Needs a Python with zstandard. Every tenth document is held out.
"""

import argparse
import io
import json
import pathlib
import subprocess
import tempfile

import zstandard

TRAININGS = {
    "none": "",
    "jieba": ', words = "jieba"',
    "scripts": ", script_boundaries = true",
    "cl100k": ', pattern = "cl100k"',
    "cl100k-scripts": ', pattern = "cl100k", script_boundaries = true',
    "punctuation": ", punctuation = true",
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("corpora", nargs="+", metavar="LANGUAGE=FILE")
    parser.add_argument("--vocab-size", type=int, default=32_000)
    arguments = parser.parse_args()
    binary = arguments.binary.resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with open(folder / "train.jsonl", "w") as train, open(folder / "held.jsonl", "w") as held:
            number = 0
            for language, path in (corpus.split("=", 1) for corpus in arguments.corpora):
                with open(path, "rb") as file:
                    for line in io.TextIOWrapper(zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file), "utf-8"):
                        number += 1
                        row = {"text": json.loads(line)["text"], "language": language}
                        (train if number % 10 else held).write(json.dumps(row, ensure_ascii=False) + "\n")
        tokenizers = []
        for name, settings in TRAININGS.items():
            recipe = folder / f"{name}.toml"
            recipe.write_text(
                f'[input]\npaths = ["{folder}/train.jsonl"]\n[output]\ndocuments = false\n[[stage]]\n'
                f"train_tokenizer = {{ vocab_size = {arguments.vocab_size}, reserved = 0, html_tags = false{settings} }}\n"
            )
            subprocess.run([binary, "run", recipe, "-o", folder / name, "--quiet"], check=True)
            tokenizers += ["-t", f"{name}={folder / name / 'tokenizer.json'}"]
        subprocess.run([binary, "compression", folder / "held.jsonl", *tokenizers, "--group-by", "language"], check=True)


if __name__ == "__main__":
    main()
