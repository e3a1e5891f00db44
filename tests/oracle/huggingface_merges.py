"""Trains byte-level BPE with the binary and with Hugging Face's trainer on the same texts, and compares merge for merge.

    python tests/oracle/huggingface_merges.py target/release/yuan-data ../shared/corpora/docs/{zh_lctt,en_peps,multi_yii2}.jsonl.zst \
        --patterns yuan gpt2 qwen2 o200k --vocab-size 16000

Needs a Python with tokenizers and zstandard. Documents are read whole; the library gets the pre-tokenizer of the file that the binary wrote.
"""

import argparse
import io
import json
import pathlib
import subprocess
import tempfile

import tokenizers
import zstandard


def texts(path):
    with open(path, "rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file), "utf-8")
        return [json.loads(line)["text"] for line in lines]


def ours(binary, path, pattern, vocab_size, folder):
    recipe = folder / "recipe.toml"
    recipe.write_text(
        f'[input]\npaths = ["{path}"]\n[output]\ndocuments = false\n[[stage]]\n'
        f'train_tokenizer = {{ vocab_size = {vocab_size}, pattern = "{pattern}", special_tokens = [], reserved = 0, '
        'compat = "huggingface" }\n'
    )
    subprocess.run([binary, "run", recipe, "-o", folder / "run", "--quiet"], check=True)
    return json.loads((folder / "run" / "tokenizer.json").read_text())


def theirs(file, documents, vocab_size):
    file = json.loads(json.dumps(file))
    file["model"]["merges"] = []
    library = tokenizers.Tokenizer.from_str(json.dumps(file))
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    library.train_from_iterator(documents, trainer)
    return [tuple(merge) for merge in json.loads(library.to_str())["model"]["merges"]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("corpora", type=pathlib.Path, nargs="+")
    parser.add_argument("--patterns", nargs="+", default=["yuan", "gpt2", "qwen2"])
    parser.add_argument("--vocab-size", type=int, default=16000)
    arguments = parser.parse_args()
    differing = 0
    for path in arguments.corpora:
        documents = texts(path)
        size = sum(len(text.encode()) for text in documents)
        for pattern in arguments.patterns:
            with tempfile.TemporaryDirectory() as folder:
                file = ours(arguments.binary.resolve(), path.resolve(), pattern, arguments.vocab_size, pathlib.Path(folder))
            own = [tuple(merge) for merge in file["model"]["merges"]]
            library = theirs(file, documents, arguments.vocab_size)
            first = next((at for at, (one, other) in enumerate(zip(own, library)) if one != other), None)
            same = first is None and len(own) == len(library)
            differing += not same
            where = "" if same else f"; first at {first}: {own[first:first + 3]} against {library[first:first + 3]}" if first is not None else ""
            print(f"{path.name} {size} bytes, {pattern}: {len(own)} and {len(library)} merges, {'the same' if same else 'DIFFERENT'}{where}", flush=True)
    raise SystemExit(differing > 0)


if __name__ == "__main__":
    main()
