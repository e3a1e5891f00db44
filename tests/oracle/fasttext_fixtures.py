"""Makes small fastText models of every kind with the C++ tool, and asks the C++ library about them.

Needs a Python (3.11 on) with zstandard, the tool `fasttext` (0.9.2) and a C++ compiler:

    python tests/oracle/fasttext_fixtures.py SHARED FASTTEXT tests/fixtures/fasttext

SHARED is the folder that holds `corpora`, FASTTEXT the folder `src` of fastText 0.9.3. All text is in the public domain
or CC0. Models are trained by one thread, so that they come out the same.
"""

import io
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import zstandard

SOURCES = [  # file, labels
    ("zh_pydocs", "zh modern"), ("zh_classical", "zh classical"), ("zh_novels", "zh novel"),
    ("en_peps", "en modern"), ("en_books", "en novel"),
]
ODD = [
    b"", b" ", b"</s>", b"the word </s> in the middle of a line", b"__label__zh", b"__label__zh the __label__nobody house",
    b"\t tabs\tand\x0bothers\x0cof \r white\x00space\x00", b"no utf-8: \xff\xfe \x80\x80abc \xe4\xb8 \xc3", b"a", "中".encode(),
    "　全角空格　不是空格\u00a0也不是".encode(), b"x" * 3000, ("很" * 700).encode(), b"<", b">", b"<>", b"__label__",
    "混合 mixed 文本 text，标点。Ünïcödé 😀 emoji".encode(), b"the of and " * 200,
]


def documents(shared, name):
    stream = open(shared / "corpora/docs" / f"{name}.jsonl.zst", "rb")
    reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(stream)
    for row in io.TextIOWrapper(reader, encoding="utf-8"):
        yield json.loads(row)


def lines(shared, name, wanted):
    """Lines of usual length, a few of each document. Every other Chinese line has its characters set apart."""
    found = []
    for document in documents(shared, name):
        usable = [line.strip() for line in document["text"].split("\n") if 30 <= len(line.strip()) <= 300]
        for line in usable[2:42:4]:
            apart = name.startswith("zh") and len(found) % 2 == 0
            found.append(" ".join(line) if apart else line)
        if len(found) >= wanted:
            break
    return found[:wanted]


def run(*command, stdout=None):
    return subprocess.run([str(part) for part in command], check=True, stdout=stdout, stderr=subprocess.DEVNULL).stdout


def compress(path, data):
    path.write_bytes(zstandard.ZstdCompressor(level=19).compress(data))


def main(shared, sources, out):
    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp())
    bits = work / "fasttext_bits"
    cc = [path for path in sorted(sources.glob("*.cc")) if path.name != "main.cc"]
    run("g++", "-std=c++17", "-O3", "-I", sources, Path(__file__).with_name("fasttext_bits.cc"), *cc, "-o", bits, "-pthread")

    train, many, test = [], [], []
    for name, labels in SOURCES:
        found = lines(shared, name, 460)
        prefix = " ".join(f"__label__{label}" for label in labels.split())
        train += [f"{prefix} {line}" for line in found[:400]]
        many += [f"__label__{name}_{number // 6} {line}" for number, line in enumerate(found[:400])]
        test += found[400:]
    train = [line for place in range(400) for line in train[place::400]]
    many = [line for place in range(400) for line in many[place::400]]
    (work / "train").write_text("\n".join(train) + "\n", encoding="utf-8")
    (work / "many").write_text("\n".join(many) + "\n", encoding="utf-8")
    test = b"\n".join(line.encode() for line in test) + b"\n" + b"\n".join(ODD) + b"\nthe last line has no end"
    test_file = work / "test"
    test_file.write_bytes(test)
    compress(out / "lines.txt.zst", test)
    # The library's own checks stop it where a label is taken as a word.
    words = {word for word in test.decode(errors="replace").split() if not word.startswith("__label__")}
    words = sorted(words)[::9] + ["the", "</s>", "中", "unseenword", "<"]
    words_file = work / "words"
    words_file.write_text("\n".join(words) + "\n", encoding="utf-8")
    compress(out / "words.txt.zst", words_file.read_bytes())
    unlabelled = work / "unlabelled"
    unlabelled.write_bytes(b"\n".join(line for line in test.split(b"\n") if b"__label__" not in line))

    single = ["-thread", "1", "-minCount", "4", "-epoch", "8", "-lr", "0.5"]
    trained = {
        "softmax": ["train", "supervised", "-dim", "6", "-minn", "2", "-maxn", "4", "-bucket", "1500", "-wordNgrams", "2"],
        "words": ["train", "supervised", "-dim", "5", "-wordNgrams", "1"],
        "hs": ["many", "supervised", "-dim", "5", "-loss", "hs", "-wordNgrams", "3", "-bucket", "1000", "-epoch", "40"],
        "ova": ["train", "supervised", "-dim", "7", "-loss", "ova", "-minn", "1", "-maxn", "3", "-bucket", "700"],
        "ns": ["train", "supervised", "-dim", "4", "-loss", "ns", "-wordNgrams", "2", "-bucket", "1000"],
        "many": ["many", "supervised", "-dim", "7", "-minn", "3", "-maxn", "3", "-bucket", "900", "-epoch", "40"],
        "wide": ["train", "supervised", "-dim", "68", "-minCount", "25", "-minn", "2", "-maxn", "2", "-bucket", "100"],
        "cbow": ["train", "cbow", "-dim", "6", "-minn", "3", "-maxn", "6", "-bucket", "800"],
        "skipgram": ["train", "skipgram", "-dim", "5", "-minn", "1", "-maxn", "2", "-bucket", "500", "-loss", "hs"],
    }
    quantised = {
        "plain": ("softmax", []),
        "pruned": ("softmax", ["-qnorm", "-cutoff", "900", "-retrain", "-epoch", "1"]),
        "pruned_words": ("words", ["-cutoff", "400"]),
        "qout": ("many", ["-qout"]),
        "qout_qnorm": ("hs", ["-qout", "-qnorm", "-dsub", "3"]),
        "wide_qnorm": ("wide", ["-qnorm", "-dsub", "8"]),
    }
    models = []
    for name, (text, kind, *options) in trained.items():
        run("fasttext", kind, "-input", work / text, "-output", work / name, *single, *options)
        models.append(f"{name}.bin")
    for name, (base, options) in quantised.items():
        (work / f"{name}.bin").write_bytes((work / f"{base}.bin").read_bytes())
        run("fasttext", "quantize", "-input", work / trained[base][0], "-output", work / name, "-thread", "1", *options)
        models.append(f"{name}.ftz")
    # Version 11 has the same bytes but the version; character n-grams are not made then.
    old = bytearray((work / "softmax.bin").read_bytes())
    old[4:8] = struct.pack("<i", 11)
    (work / "version11.bin").write_bytes(old)
    models.append("version11.bin")

    for model in models:
        path, stem = work / model, out / model
        compress(stem.with_name(model + ".zst"), path.read_bytes())
        run(bits, path, "save", work / "saved")
        # Kept buckets are written in the order of a hash map, which another load changes.
        if model not in ("version11.bin", "pruned.ftz"):
            assert (work / "saved").read_bytes() == path.read_bytes(), model
        answers = {}
        if model in ("cbow.bin", "skipgram.bin"):
            answers["words"] = run(bits, path, "words", words_file, stdout=subprocess.PIPE)
            answers["vectors"] = run(bits, path, "vectors", unlabelled, stdout=subprocess.PIPE)
        else:
            # Of hundreds of labels the ten best.
            k, threshold = (10, 0.02) if model in ("hs.bin", "many.bin", "qout.ftz", "qout_qnorm.ftz") else (-1, 0.3)
            answers["all"] = run(bits, path, "lines", test_file, k, 0, stdout=subprocess.PIPE)
            answers["best"] = run(bits, path, "lines", test_file, 2, threshold, stdout=subprocess.PIPE)
        for kind, answer in answers.items():
            compress(out / f"{model}.{kind}.zst", answer)
    for path in sorted(out.glob("*.zst")):
        print(path.stat().st_size, path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
