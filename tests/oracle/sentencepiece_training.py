"""Whether SentencePiece's C++ library and Hugging Face `tokenizers` give the ids that yuan-data gives, by models trained here.

    python tests/oracle/sentencepiece_training.py YUAN-DATA TEXTS.jsonl FOLDER...

Each FOLDER has `tokenizer.model` and perhaps `tokenizer.json`, as `train-tokenizer --kind sentencepiece_bpe` and `unigram` write them.
Needs sentencepiece 0.2.3 and tokenizers 0.23 (PyPI).
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import sentencepiece
import tokenizers


def ours(binary, tokenizer, texts):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([binary, "tokenize", texts, "-o", f"{folder}/t", "--tokenizer", tokenizer, "--no-eod", "--quiet"], check=True)
        printed = subprocess.run([binary, "binidx", "cat", f"{folder}/t", "--limit", "100000000"], check=True, capture_output=True)
        return [[int(id) for id in line.split()] for line in printed.stdout.decode().split("\n")[:-1]]


def main(binary, texts, *folders):
    documents = [json.loads(line)["text"] for line in open(texts, encoding="utf-8")]
    for folder in map(pathlib.Path, folders):
        ids = ours(binary, str(folder / "tokenizer.model"), texts)
        assert len(ids) == len(documents), (len(ids), len(documents))
        model = sentencepiece.SentencePieceProcessor(str(folder / "tokenizer.model"))
        tokens = sum(map(len, ids))
        differ = [at for at, text in enumerate(documents) if model.encode(text) != ids[at]]
        back = sum(model.decode(found) != text for found, text in zip(ids, documents))
        print(f"{folder}: {len(documents)} texts, {tokens} tokens; sentencepiece differs in {len(differ)}, {back} do not come back")
        if not (folder / "tokenizer.json").exists():
            continue
        fast = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        fast.encode_special_tokens = True
        differ = [at for at, text in enumerate(documents) if fast.encode(text, add_special_tokens=False).ids != ids[at]]
        back = sum(fast.decode(found, skip_special_tokens=False) != text for found, text in zip(ids, documents))
        print(f"{folder}: tokenizers differs in {len(differ)}, {back} do not come back", differ[:5])


if __name__ == "__main__":
    main(*sys.argv[1:])
