"""Trains and quantises small models with the C++ tool, one thread, and keeps digests of the files it writes.

Needs a Python (3.11 on) with zstandard, the tool `fasttext` (0.9.2) and a C++ compiler:

    python tests/oracle/fasttext_train_fixtures.py SHARED FASTTEXT tests/fixtures/fasttext_train

SHARED is the folder that holds `corpora`, FASTTEXT the folder `src` of fastText 0.9.3. All text is in the public domain or CC0.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from fasttext_fixtures import SOURCES, compress, lines

ODD = [
    b"", b"__label__en", b"no label at all", b"__label__zh", b"words __label__en in front and __label__modern behind",
    b"__label__en the word </s> within a line", b"__label__never_again one", b"  \t __label__zh\xe4\xb8\xad \x00 nul\x0b",
    b"__label__en no utf-8 \xff\xfe \x80\x80abc \xe4\xb8 \xc3", b"__label__ the bare prefix", b"__label__en " + b"long " * 1500,
    b"__label__novel __label__en __label__en twice", "　__label__zh 全角".encode(), b"__label__en\r\n", b"</s> __label__en",
]

# Text, options of training, options of quantising what was trained.
MODELS = {
    "plain": ("train", "-dim 10 -epoch 3", ["", "-qnorm -dsub 3", "-cutoff 300 -retrain -epoch 2"]),
    "characters": ("train", "-dim 16 -minn 2 -maxn 4 -bucket 2000 -epoch 2", ["-qnorm -cutoff 1500 -retrain -epoch 1", "-cutoff 900"]),
    "both": ("train", "-dim 6 -minn 1 -maxn 3 -bucket 1500 -wordNgrams 3 -minCount 3 -seed 5 -epoch 2 -lr 0.5", ["-dsub 4 -cutoff 2000"]),
    "trigrams": ("train", "-dim 8 -wordNgrams 3 -bucket 3000 -minCount 2 -seed -3 -lrUpdateRate 1000 -epoch 2", []),
    "hs": ("train", "-dim 12 -loss hs -wordNgrams 2 -bucket 3000 -epoch 2", ["-qnorm"]),
    "hs_many": ("many", "-dim 9 -loss hs -epoch 4", ["-qout -qnorm -dsub 2"]),
    "ns": ("train", "-dim 7 -loss ns -neg 3 -epoch 2", []),
    "ns_many": ("many", "-dim 12 -loss ns -neg 20 -minn 2 -maxn 2 -bucket 500 -epoch 2", []),
    "ova": ("train", "-dim 33 -loss ova -minn 2 -maxn 3 -bucket 1000 -epoch 2 -lr 0.7", []),
    "ova_many": ("many", "-dim 5 -loss ova -epoch 2", []),
    "softmax_many": ("many", "-dim 20 -minCountLabel 2 -epoch 3 -lr 1.5", ["-qout -cutoff 1000 -retrain -epoch 1 -lr 0.3"]),
    "prefix": ("train", "-label __label__z -dim 5 -epoch 2", []),
    "pretrained": ("train", "-dim 8 -pretrainedVectors VECTORS -epoch 1", []),
    "pretrained_ngrams": ("train", "-dim 8 -pretrainedVectors VECTORS -epoch 1 -wordNgrams 2 -bucket 500 -minCount 5", []),
}


def digest(data):
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main(shared, sources, out):
    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp())
    train, many = [], []
    for name, labels in SOURCES:
        found = lines(shared, name, 130)
        prefix = " ".join(f"__label__{label}" for label in labels.split())
        train += [f"{prefix} {line}".encode() for line in found[:130 if name.startswith("en") else 90]]
        many += [f"__label__{name}_{number // 2} {line}".encode() for number, line in enumerate(found)]
    train = [line for place in range(97) for line in train[place::97]]
    # The last line has no end, which ends the line without `</s>`.
    (work / "train").write_bytes(b"\n".join(train[:200] + ODD + train[200:]))
    (work / "many").write_bytes(b"\n".join(line for place in range(101) for line in many[place::101]) + b"\n")
    run("fasttext", "skipgram", "-input", work / "many", "-output", work / "vectors", "-dim", 8, "-minCount", 6, "-thread", 1)
    vectors = (work / "vectors.vec").read_text(encoding="utf-8").splitlines()
    vectors = [line for line in vectors[1:] if not line.startswith("__label__")][:300]
    (work / "VECTORS").write_text("\n".join([f"{len(vectors)} 8"] + vectors) + "\n", encoding="utf-8")
    for name in ("train", "many", "VECTORS"):
        compress(out / f"{name.lower()}.txt.zst", (work / name).read_bytes())

    table = ["# model\ttext\toptions\tlength\tFNV-1a of the file that fastText writes"]
    for name, (text, options, quantised) in MODELS.items():
        options_here = options.replace("VECTORS", str(work / "VECTORS")).split()
        run("fasttext", "supervised", "-input", work / text, "-output", work / name, "-thread", 1, *options_here)
        data = (work / f"{name}.bin").read_bytes()
        table.append(f"{name}.bin\t{text}\t{options}\t{len(data)}\t{digest(data):016x}")
        for number, options in enumerate(quantised):
            run("fasttext", "quantize", "-input", work / text, "-output", work / name, "-thread", 1, *options.split())
            data = (work / f"{name}.ftz").read_bytes()
            table.append(f"{name}.{number}.ftz\t{text}\t{options}\t{len(data)}\t{digest(data):016x}")
    (out / "models.tsv").write_text("\n".join(table) + "\n", encoding="utf-8")
    small_room(work, sources, out)
    for path in sorted(out.iterdir()):
        print(path.stat().st_size, path.name)


def small_room(work, sources, out):
    """A build whose table has room for 2000 entries instead of 30 million, so that it throws out rare ones.

    Of 12 threads: with fewer than 11, fastText 0.9.3 leaves a part of the input matrix uninitialised and may meet NaN.
    """
    copy = work / "sources"
    copy.mkdir()
    for path in sources.iterdir():
        text = path.read_text(encoding="utf-8")
        (copy / path.name).write_text(re.sub(r"MAX_VOCAB_SIZE = 30000000", "MAX_VOCAB_SIZE = 2000", text), encoding="utf-8")
    run("g++", "-std=c++17", "-O2", "-pthread", *sorted(copy.glob("*.cc")), "-o", work / "small")
    run(work / "small", "supervised", "-input", work / "many", "-output", work / "small_room", "-dim", 2, "-epoch", 1, "-thread", 12)
    entries = subprocess.run(
        [work / "small", "dump", work / "small_room.bin", "dict"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ).stdout
    compress(out / "small_room.txt.zst", entries)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
