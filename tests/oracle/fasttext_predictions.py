"""Trains models of every kind with fastText's command line, and compares the Python binding's labels on real lines with ours.

Needs a Python (3.11 on) with fasttext 0.9.3 and zstandard, `fasttext` 0.9.2 on the path (0.9.3 begins from memory as it
was, and often learns nothing), and our example:

    cargo build --release -p yuan-fasttext --examples
    python tests/oracle/fasttext_predictions.py SHARED target/release/examples/predict [LINES]

SHARED is the folder that holds `corpora`. LINES (60,000) lines, one half Chinese and one half English, are predicted by
each model. Prints a row of the table in `tests/fixtures/fasttext/CONFORMANCE.md` for each.
"""

import io
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import fasttext
import zstandard

ENGLISH = ["en_books", "en_peps", "en_nltk", "en_wikitext2", "en_cppdocs"]
CHINESE = ["zh_lctt", "zh_novels", "zh_wikiqa", "zh_laws", "zh_medqa"]
K = 5


def rows(path):
    reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(open(path, "rb"))
    return io.TextIOWrapper(reader, encoding="utf-8")


def test_lines(shared, names, wanted):
    for name in names:
        share = wanted // len(names)
        for row in rows(shared / "corpora/docs" / f"{name}.jsonl.zst"):
            for line in json.loads(row)["text"].splitlines():
                line = line.replace("\0", " ").strip()
                if line and share:
                    share -= 1
                    yield line[:2000]
            if not share:
                break


def training_text(shared, folder):
    languages, qualities, many = folder / "languages", folder / "qualities", folder / "many"
    with open(languages, "w", encoding="utf-8") as out:
        for path in sorted((shared / "corpora/lang").glob("*.txt.zst")):
            for number, line in enumerate(rows(path)):
                if number < 1200:
                    out.write(f"__label__{path.name[:-8]} {line.strip()}\n")
    with open(qualities, "w", encoding="utf-8") as out, open(many, "w", encoding="utf-8") as other:
        for language in ("en", "zh"):
            for number, row in enumerate(rows(shared / "corpora/quality" / f"quality_{language}.jsonl.zst")):
                row = json.loads(row)
                text = " ".join(row["text"].split())
                out.write(f"__label__{row['label']} __label__{language} {text}\n")
                other.write(f"__label__{language}{number % 300} {text}\n")
    return {"languages": str(languages), "qualities": str(qualities), "many": str(many)}


# Name, text, options of training, options of quantising.
MODELS = [
    ("softmax, minn 2 maxn 4, dim 16", "languages", "-dim 16 -minn 2 -maxn 4 -bucket 100000 -epoch 3", None),
    ("hs, wordNgrams 2, dim 20", "languages", "-dim 20 -wordNgrams 2 -bucket 100000 -loss hs -epoch 3", None),
    ("ova, two labels a line, minn 2 maxn 3", "qualities", "-dim 12 -minn 2 -maxn 3 -bucket 50000 -loss ova -epoch 3", None),
    ("ns, wordNgrams 3, dim 10", "qualities", "-dim 10 -wordNgrams 3 -bucket 100000 -loss ns -epoch 3", None),
    ("softmax, wordNgrams 2, dim 100", "qualities", "-dim 100 -wordNgrams 2 -bucket 20000 -epoch 2", None),
    ("ftz, defaults", "languages", "-dim 16 -minn 2 -maxn 4 -bucket 20000 -epoch 2 -minCount 3", ""),
    (
        "ftz, qnorm, cutoff 15,000, retrain, dim 15", "languages", "-dim 15 -minn 2 -maxn 4 -bucket 20000 -epoch 2 -minCount 3",
        "-qnorm -cutoff 15000 -retrain -epoch 1",
    ),
    ("ftz, qout, qnorm, 600 labels", "many", "-dim 16 -minn 1 -maxn 2 -bucket 20000 -epoch 2 -minCount 3", "-qnorm -qout"),
    (
        "ftz, hs, wordNgrams 2, dim 9 in pieces of 4, 600 labels", "many",
        "-dim 9 -wordNgrams 2 -bucket 20000 -epoch 2 -minCount 3 -loss hs", "-dsub 4",
    ),
]  # fmt: skip


def trained(text, folder, training, quantising):
    """The file of a model that the command line trained, and quantised if asked."""
    both = ["-input", text, "-output", folder / "model", "-thread", "2"]
    subprocess.run(["fasttext", "supervised", *both, *training.split()], check=True, capture_output=True)
    if quantising is None:
        return folder / "model.bin"
    subprocess.run(["fasttext", "quantize", *both, *quantising.split()], check=True, capture_output=True)
    return folder / "model.ftz"


def ours(binary, model, file):
    answer = subprocess.run([binary, model, file, str(K), "--bits"], check=True, stdout=subprocess.PIPE).stdout
    for line in answer.decode().split("\n")[:-1]:
        fields = line.split(" ") if line else []
        bits = b"".join(bytes.fromhex(field)[::-1] for field in fields[1::2])
        yield list(zip(fields[::2], struct.unpack(f"<{len(bits) // 4}f", bits)))


def main(shared, binary, wanted):
    folder = Path(tempfile.mkdtemp())
    text = training_text(shared, folder)
    lines = [*test_lines(shared, CHINESE, wanted // 2), *test_lines(shared, ENGLISH, wanted // 2)]
    file = folder / "lines"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    print("| model | lines | numbers | equal bits | greatest difference | labels in another order |\n|---|---|---|---|---|---|")
    for name, kind, training, quantising in MODELS:
        path = trained(text[kind], folder, training, quantising)
        model = fasttext.load_model(str(path))
        count = numbers = equal = swapped = 0
        greatest = 0.0
        answers = ours(binary, path, file)
        for start in range(0, len(lines), 5000):
            labels, probabilities = model.predict(lines[start:start + 5000], k=K)
            for their_labels, theirs, mine in zip(labels, probabilities, answers):
                count += 1
                assert len(their_labels) == len(mine), (name, count, their_labels, mine)
                # Where two labels are closer than the last digit, either may come first.
                for their_label, their, (label, probability) in zip(their_labels, theirs, mine):
                    numbers += 1
                    swapped += their_label != label
                    equal += float(their) == probability
                    greatest = max(greatest, abs(float(their) - probability))
        assert count == len(lines) and not list(answers), name
        assert greatest <= 1e-6, (name, greatest)
        print(f"| {name} | {count:,} | {numbers:,} | {equal:,} | {greatest:.1e} | {swapped} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 60_000)
