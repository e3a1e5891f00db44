"""Training SentencePiece models: ours beside the C++ library, in one run.

    python tests/bench/sentencepiece_training.py YUAN-DATA CORPORA WORK [KIND [VOCAB_SIZE [MEGABYTES]]]

CORPORA is a folder with `docs/*.jsonl.zst`. Lines of Chinese and English documents become a text file for the library and a JSONL for
us, every tenth line is held out. Same settings: identity, every space kept, digits one by one, byte fallback, coverage 0.9995, 16
characters, two threads. Told: processor seconds, peak memory, pieces in common, tokens of the held-out lines by the C++ library.
Needs sentencepiece 0.2.3 and zstandard (PyPI).
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import time

import sentencepiece
import zstandard

SOURCES = ["zh_lctt", "en_peps", "zh_laws", "en_nltk", "zh_novels", "en_books", "zh_tidb", "en_cppdocs"]


def lines(corpora, megabytes):
    share = megabytes * 1_000_000 // len(SOURCES)
    for source in SOURCES:
        read = 0
        with open(corpora / "docs" / f"{source}.jsonl.zst", "rb") as file:
            data = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file).read().decode()
        for row in data.split("\n"):
            if not row or read > share:
                continue
            for line in json.loads(row)["text"].split("\n"):
                line = line.replace("\u2581", " ").replace("\t", " ").replace("\r", "")
                if line.strip() and "\x00" not in line and len(line.encode()) < 4000:
                    read += len(line.encode())
                    yield line


def run(command):
    began = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return usage.ru_utime + usage.ru_stime, time.time() - began, usage.ru_maxrss / 1024


def main(binary, corpora, work, kind="sentencepiece_bpe", size="32000", megabytes="40"):
    work = pathlib.Path(work)
    work.mkdir(parents=True, exist_ok=True)
    held, train = [], []
    for line in lines(pathlib.Path(corpora), int(megabytes)):
        (held if random.Random(line).random() < 0.1 else train).append(line)
    random.Random(1).shuffle(train)
    (work / "train.txt").write_text("\n".join(train) + "\n")
    (work / "train.jsonl").write_text("".join(json.dumps({"text": line}, ensure_ascii=False) + "\n" for line in train))
    mb = sum(len(line.encode()) for line in train) / 1e6
    script = f"""
import sentencepiece
sentencepiece.SentencePieceTrainer.train(input={str(work / 'train.txt')!r}, model_prefix={str(work / 'peer')!r}, vocab_size={size},
    model_type={'bpe' if kind == 'sentencepiece_bpe' else 'unigram'!r}, byte_fallback=True, split_digits=True,
    normalization_rule_name='identity', remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, character_coverage=0.9995,
    max_sentence_length=1 << 20, input_sentence_size=0, num_threads=2, minloglevel=2)
"""
    recipe = work / "train.toml"
    recipe.write_text(
        f"""[input]
paths = ["train.jsonl"]
[output]
documents = false
[[stage]]
train_tokenizer = {{ kind = "{kind}", vocab_size = {size}, special_tokens = ["<s>", "</s>"], reserved = 0, html_tags = false, \
punctuation = false, han_characters = "none", output = "ours.model" }}
"""
    )
    subprocess.run(["rm", "-rf", str(work / "run")], check=True)
    print(f"{kind}, {size} pieces, {len(train)} lines, {mb:.1f} MB")
    results = {}
    for name, command in [
        ("ours", [binary, "run", str(recipe), "-o", str(work / "run"), "--threads", "2", "--quiet"]),
        ("sentencepiece", [sys.executable, "-c", script]),
    ]:
        cpu, wall, rss = run(command)
        results[name] = cpu
        print(f"{name:14} {cpu:7.1f} CPU-s  {mb / cpu:6.2f} MB/CPU-s  {wall:6.1f} s  {rss:6.0f} MiB", flush=True)
    print(f"{results['sentencepiece'] / results['ours']:.1f} times as fast")
    models = {"ours": work / "run" / "ours.model", "sentencepiece": work / "peer.model"}
    pieces = {}
    for name, path in models.items():
        model = sentencepiece.SentencePieceProcessor(str(path))
        normal = lambda id: not (model.is_control(id) or model.is_byte(id) or model.is_unknown(id))
        pieces[name] = {model.id_to_piece(id) for id in range(model.get_piece_size()) if normal(id)}
        tokens = sum(map(len, model.encode(held)))
        size = sum(len(line.encode()) for line in held)
        print(f"{name:14} {len(pieces[name])} pieces; held out {size} bytes, {tokens} tokens, {size / tokens:.4f} bytes/token")
    both = pieces["ours"] & pieces["sentencepiece"]
    print(f"pieces in common: {len(both)} of {len(pieces['sentencepiece'])} ({len(both) / len(pieces['sentencepiece']):.2%})")


if __name__ == "__main__":
    main(*sys.argv[1:])
