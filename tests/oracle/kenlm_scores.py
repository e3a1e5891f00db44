"""Compares yuan-kenlm with KenLM's own tools on much text: bytes of built models, output of `query`, and pip's kenlm
reading models that yuan-kenlm built.

    python tests/oracle/kenlm_scores.py --tools FOLDER --examples target/release/examples --work FOLDER \
        --shared ../shared [--lines 50000] [--train-bytes 8000000] [--orders 2 3 4 5 6]

TOOLS holds lmplz, build_binary and query; EXAMPLES what `cargo build --release -p yuan-kenlm --examples` made. Models
learn from some documents of SHARED and are asked about others: Chinese by character, English by word, lower case, a
sentence a line. Needs zstandard and kenlm (pip). Prints a row for each comparison; exits with 1 if any differs: the rows
of `tests/fixtures/kenlm/CONFORMANCE.md`.
"""

import argparse
import io
import json
import pathlib
import re
import subprocess
import sys

import kenlm
import zstandard

KINDS = {
    "probing": ["probing"],
    "trie": ["trie"],
    "trie -q 8 -b 8": ["-q", "8", "-b", "8", "trie"],
    "trie -a 22": ["-a", "22", "trie"],
    "trie -q 8 -b 6 -a 22": ["-q", "8", "-b", "6", "-a", "22", "trie"],
}
# Those that pip's kenlm reads, and that are also asked without sentence markers.
PIP_KINDS = ["probing", "trie -q 8 -b 6 -a 22"]
# Order, arguments of lmplz, kinds.
MODELS = [
    (2, [], ["probing", "trie"]),
    (3, [], list(KINDS)),
    (4, [], ["probing", "trie -q 8 -b 6 -a 22"]),
    (5, ["--prune", "0", "0", "1"], list(KINDS)),
    (6, [], list(KINDS)),
]
# What models learn from, and what they are asked.
TEXTS = {
    "zh": (["zh_lctt", "zh_laws"], ["zh_tidb", "zh_oiwiki", "zh_wikiqa", "zh_novels"]),
    "en": (["en_nltk", "en_books"], ["en_peps", "en_eips", "en_wikitext2"]),
}
UNIT = re.compile(r"[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+|\d+|[^\w\s]")


def sentences(shared, names):
    """Tokens with spaces between, of each line of the documents that has any."""
    for name in names:
        path = shared / "corpora/docs" / f"{name}.jsonl.zst"
        decoder = zstandard.ZstdDecompressor(max_window_size=2**31)
        for row in io.TextIOWrapper(decoder.stream_reader(path.open("rb")), encoding="utf-8"):
            for line in json.loads(row)["text"].splitlines():
                if tokens := UNIT.findall(line.lower()):
                    yield " ".join(tokens).encode() + b"\n"


def run(command, stdin=None, stdout=None):
    result = subprocess.run([str(part) for part in command], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
    if result.returncode:
        sys.exit(f"{command}: {result.stderr.decode(errors='replace')[-2000:]}")


def query(program, model, text, arguments, output):
    with open(text, "rb") as stdin, open(output, "wb") as stdout:
        run([program, *arguments, model], stdin, stdout)


def largest_difference(ours, theirs):
    """Over all word scores and totals of two outputs that differ."""
    number = re.compile(rb"[ :]\s?(-?[0-9.]+(?:e-?[0-9]+)?|-inf)[\t\n ]")
    largest = 0.0
    for left, right in zip(number.finditer(ours), number.finditer(theirs)):
        largest = max(largest, abs(float(left[1]) - float(right[1])))
    return largest


def check_pip(model, text, output):
    """Scores of pip's kenlm with a model that yuan-kenlm built, against the totals of `query`."""
    loaded = kenlm.Model(str(model))
    totals = re.findall(rb"Total: (\S+) OOV", output.read_bytes())
    compared, largest = 0, 0.0
    with open(text, encoding="utf-8") as lines:
        for line, total in zip(lines, totals):
            # pip's kenlm takes more characters for white space than `query` does.
            if any(character.isspace() and character not in " \t\n" for character in line):
                continue
            largest = max(largest, abs(loaded.score(line.strip("\n")) - float(total)))
            compared += 1
    return compared, largest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--examples", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--shared", type=pathlib.Path, required=True)
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--orders", type=int, nargs="*", default=[order for order, _, _ in MODELS])
    parser.add_argument("--train-bytes", type=int, default=8_000_000)
    options = parser.parse_args()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    failed = False
    print("| text | model | build | lines | words | `query` | largest difference | pip's kenlm: lines, largest difference |")
    print("|---|---|---|---|---|---|---|---|")
    for language, (train, held) in TEXTS.items():
        train_text, text = work / f"{language}.train.txt", work / f"{language}.query.txt"
        with train_text.open("wb") as out:
            for line in sentences(options.shared, train):
                out.write(line)
                if out.tell() >= options.train_bytes:
                    break
        lines = [line for _, line in zip(range(options.lines - 3), sentences(options.shared, held))]
        # An empty line, odd white space, markers within the text.
        odd = b"\n \t\x0b\x0c\r\n<s> <unk> </s> <UNK>\ta  b\r\n"
        text.write_bytes(odd + b"".join(lines))
        for order, arguments, kinds in MODELS:
            if order not in options.orders:
                continue
            arpa = work / f"{language}.o{order}.arpa"
            lmplz = [options.tools / "lmplz", "-o", order, "-S", "1G", "-T", work / "sort", "--discount_fallback"]
            run([*lmplz, *arguments, "--text", train_text, "--arpa", arpa])
            for kind in kinds:
                ours, theirs = work / "ours.bin", work / "theirs.bin"
                for program, output in [(options.tools, theirs), (options.examples, ours)]:
                    *flags, structure = KINDS[kind]
                    run([program / "build_binary", *flags, structure, arpa, output])
                same_bytes = ours.read_bytes() == theirs.read_bytes()
                without_markers = order == 5 and kind in PIP_KINDS
                for context in ([], ["-n"]) if without_markers else ([],):
                    query(options.tools / "query", theirs, text, context, work / "theirs.out")
                    query(options.examples / "query", ours, text, context, work / "ours.out")
                    found, expected = (work / "ours.out").read_bytes(), (work / "theirs.out").read_bytes()
                    equal = found == expected
                    pip = (0, 0.0)
                    if not context and kind in PIP_KINDS:
                        pip = check_pip(ours, text, work / "theirs.out")
                    failed |= not (same_bytes and equal and pip[1] <= 2e-3)
                    tokens = re.search(rb"Tokens:\t([0-9]+)", expected)[1].decode()
                    largest = 0.0 if equal else largest_difference(found, expected)
                    row = [
                        language,
                        f"order {order} {' '.join(arguments)} {kind} {' '.join(context)}",
                        "same bytes" if same_bytes else "DIFFERENT",
                        str(expected.count(b"Total: ")),
                        tokens,
                        "same bytes" if equal else "DIFFERENT",
                        f"{largest:g}",
                        f"{pip[0]}, {pip[1]:.2g}" if pip[0] else "",
                    ]
                    print("| " + " | ".join(" ".join(cell.split()) for cell in row) + " |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
