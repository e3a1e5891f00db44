"""Compares the `lmplz` example of `filters/kenlm` with KenLM's own lmplz, and makes the fixtures of its tests.

    python kenlm_estimate.py fixtures LMPLZ SHARED tests/fixtures/kenlm_estimate
    python kenlm_estimate.py compare LMPLZ OURS SHARED

LMPLZ: KenLM's program (0.3.0). OURS: `cargo build --release -p yuan-kenlm --example lmplz`. SHARED: the folder with
`corpora/docs` and `fixtures/kenlm`. `compare` prints a table in Markdown: whether the sets of n-grams are equal, the
greatest relative difference of probabilities and back-off weights, and whether the files are equal byte for byte.
Needs zstandard.
"""

import io
import json
import os
import re
import subprocess
import sys
import tempfile

import zstandard

WORD = re.compile(r"\w+|[^\w\s]")

CASES = [
    # name, text, options
    ("en.o1", "en.txt", "-o 1"),
    ("en.o2", "en.txt", "-o 2"),
    ("en.o3.prune01", "en.txt", "-o 3 --prune 0 1"),
    ("en.o3.uninterpolated", "en.txt", "-o 3 --interpolate_unigrams 0 --prune 0 0 1"),
    ("en.o4.pad", "en.txt", "-o 4 --vocab_pad 20000 --prune 0 1 2"),
    ("en.o3.limit", "en.txt", "-o 3 --limit_vocab_file vocabulary.txt"),
    ("en.o5.limit.prune", "en.txt", "-o 5 --limit_vocab_file vocabulary.txt --prune 0 0 1"),
    ("zh.o3", "zh.txt", "-o 3 --prune 0 0 1"),
    ("zh.o6", "zh.txt", "-o 6 --prune 0 1 1 2"),
    ("tiny.o3", "tiny.txt", "-o 3 --discount_fallback"),
    ("tiny.o9", "tiny.txt", "-o 9 --discount_fallback"),
    ("tiny.fallback", "tiny.txt", "-o 3 --discount_fallback 0.25 0.5"),
    ("tiny.zero", "tiny.txt", "-o 3 --discount_fallback 0 --interpolate_unigrams 0"),
    ("tiny.prune1", "tiny.txt", "-o 3 --discount_fallback --prune 1"),
    ("special.skip", "special.txt", "-o 3 --discount_fallback --skip_symbols"),
    ("one.o2", "one.txt", "-o 2 --discount_fallback"),
]

TEXTS = {
    "tiny.txt": "a b a b a b c a\nb c a b\n\nb a c c a\n  a\tb\r\n d a\x0bb a b\n",
    "special.txt": "a <s> b </s> a\nb <unk> <UNK>\n<s> </s>\nb a b\n",
    "one.txt": "x\n",
}


def fixtures(lmplz, shared, folder):
    os.makedirs(folder, exist_ok=True)
    for language, lines in (("en", 420), ("zh", 220)):
        with open(f"{shared}/fixtures/kenlm/{language}.train.txt", encoding="utf8") as source:
            text = "".join(line for _, line in zip(range(lines), source))
        with open(f"{folder}/{language}.txt", "w", encoding="utf8") as out:
            out.write(text)
        if language == "en":
            counts = {}
            for word in text.split():
                counts[word] = counts.get(word, 0) + 1
            kept = sorted(word for word, count in counts.items() if count > 2)
            with open(f"{folder}/vocabulary.txt", "w", encoding="utf8") as out:
                out.write("\n".join(kept) + "\nnot-in-the-text\n")
    for name, text in TEXTS.items():
        with open(f"{folder}/{name}", "w", newline="") as out:
            out.write(text)
    with open(f"{folder}/cases.tsv", "w") as table:
        for name, text, options in CASES:
            command = [lmplz, "-S", "100M", *options.split()]
            with open(f"{folder}/{text}", "rb") as source:
                done = subprocess.run(command, stdin=source, capture_output=True, cwd=folder, check=True)
            with open(f"{folder}/{name}.arpa.zst", "wb") as out:
                out.write(zstandard.ZstdCompressor(level=19).compress(done.stdout))
            table.write(f"{name}.arpa.zst\t{text}\t{options}\n")


def documents(path):
    with open(path, "rb") as raw:
        stream = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(raw)
        for line in io.TextIOWrapper(stream, encoding="utf8"):
            yield json.loads(line)["text"]


def corpus(shared, names, tokens, out):
    count = 0
    for name in names:
        for text in documents(f"{shared}/corpora/docs/{name}.jsonl.zst"):
            for line in text.lower().split("\n"):
                words = WORD.findall(line) if name.startswith("en") else [c for c in line if not c.isspace()]
                if words:
                    out.write(" ".join(words) + "\n")
                    count += len(words)
            if count > tokens:
                return count
    return count


def entries(path):
    """(words, log probability, back-off) of an ARPA file."""
    with open(path, encoding="utf8", errors="surrogateescape", newline="\n") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if len(fields) >= 2:
                yield fields[1], float(fields[0]), float(fields[2]) if len(fields) > 2 else 0.0


def relative(a, b):
    return 0.0 if a == b else abs(a - b) / max(abs(a), abs(b))


def compare_files(theirs, ours):
    expected = {words: values for words, *values in entries(theirs)}
    missing, worst, seen = 0, 0.0, 0
    for words, *values in entries(ours):
        other = expected.pop(words, None)
        seen += 1
        if other is None:
            missing += 1
        else:
            worst = max(worst, relative(values[0], other[0]), relative(values[1], other[1]))
    return seen, missing == 0 and not expected, worst


def compare(lmplz, ours, shared):
    corpora = {
        "en words": ["en_peps", "en_nltk"],
        "zh characters": ["zh_laws", "zh_lctt"],
    }
    print("| text | tokens | options | n-grams | sets equal | greatest relative difference | bytes equal |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for text, names in corpora.items():
            path = f"{folder}/text"
            with open(path, "w", encoding="utf8") as out:
                tokens = corpus(shared, names, 2_500_000, out)
            for options in [
                "-o 2",
                "-o 3",
                "-o 3 --prune 0 1 3",
                "-o 5",
                "-o 5 --prune 0 0 1",
                "-o 5 --prune 0 1 2 4 --interpolate_unigrams 0",
                "-o 6 --prune 0 0 0 1",
                "-o 6",
            ]:
                results = []
                for program, extra in ((lmplz, ["-S", "500M"]), (ours, ["-S", "20M", "--threads", "2"])):
                    results.append(f"{folder}/{len(results)}.arpa")
                    command = [program, *options.split(), *extra, "-T", folder, "--text", path, "--arpa", results[-1]]
                    subprocess.run(command, stderr=subprocess.DEVNULL, check=True)
                same = subprocess.run(["cmp", "-s", *results]).returncode == 0
                count, sets, worst = compare_files(*results)
                yes = {True: "yes", False: "no"}
                print(f"| {text} | {tokens} | `{options}` | {count} | {yes[sets]} | {worst:.1e} | {yes[same]} |", flush=True)


if __name__ == "__main__":
    {"fixtures": fixtures, "compare": compare}[sys.argv[1]](*sys.argv[2:])
