"""How many planted items `decontaminate` finds, and what else it takes for one, by the length of n-grams.

    python tests/bench/decontaminate.py BINARY [--corpora ../shared/corpora] [--work FOLDER] [--megabytes 40]

For Chinese and for English: documents of the shared corpora, up to so many megabytes; into every tenth the question of an item that
is long enough to be looked for is put, in its middle, every other time with other line breaks and punctuation (and case). Runs
BINARY with each length over both corpora, and prints: plants found (the document is matched with that item), documents matched
without a plant, and the pieces of text that most of these are matched by. Needs zstandard and pyarrow.
"""

import argparse
import io
import json
import random
import subprocess
from collections import Counter
from pathlib import Path

import pyarrow.parquet
import zstandard

FILES = {
    "zh": "zh_lctt zh_medqa zh_novels zh_oiwiki zh_paddle zh_pydocs zh_tidb zh_wikiqa zh_laws".split(),
    "en": "en_cppdocs en_d2l en_eips en_nltk en_peps en_rustrfcs en_wikitext2 en_books".split(),
}
SETS = {
    "zh": "agieval/gaokao-biology agieval/gaokao-chemistry agieval/gaokao-geography agieval/gaokao-history agieval/jec-qa-kd".split(),
    "en": "gsm8k/test math/math500_oai agieval/logiqa-en agieval/aqua-rat".split(),
}


def rows(path):
    with open(path, "rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file)
        for line in io.TextIOWrapper(reader, encoding="utf-8", newline="\n"):
            yield json.loads(line)


def corpus(options, language, dice):
    texts, size, share = [], 0, options.megabytes * 1e6 / len(FILES[language])
    for name in FILES[language]:
        of_file = 0
        for row in rows(options.corpora / "docs" / f"{name}.jsonl.zst"):
            if of_file > share:
                break
            texts.append(row["text"])
            of_file += len(row["text"].encode())
        size += of_file
    dice.shuffle(texts)
    items = []
    for name in SETS[language]:
        for number, row in enumerate(rows(options.corpora / "evals" / f"{name}.jsonl.zst")):
            question = row.get("question") or row.get("problem")
            long_enough = len(question) >= 40 if language == "zh" else len(question.split()) >= 16
            if long_enough:
                items.append((name, number, question))
    dice.shuffle(items)
    plants = {}
    for place in range(0, len(texts), 10):
        name, number, question = items[place // 10 % len(items)]
        if place % 20:
            question = question.replace("，", " ").replace("。", "\n").replace(", ", "\n").upper()
        middle = len(texts[place]) // 2
        texts[place] = texts[place][:middle] + "\n" + question + "\n" + texts[place][middle:]
        plants[place] = (name, number)
    return texts, plants, size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--corpora", type=Path, default=Path("../shared/corpora"))
    parser.add_argument("--work", type=Path, default=Path("/tmp/decontaminate"))
    parser.add_argument("--megabytes", type=float, default=40.0)
    parser.add_argument("--lengths-zh", default="10,13,16,18,20,25,30,40")
    parser.add_argument("--lengths-en", default="8,10,13,16,20")
    parser.add_argument("--shown", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for language, flag, lengths in [("zh", "--characters", options.lengths_zh), ("en", "--ngram", options.lengths_en)]:
        texts, plants, size = corpus(options, language, random.Random(1))
        path = options.work / f"{language}.jsonl"
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            for number, text in enumerate(texts):
                file.write(json.dumps({"id": number, "text": text}, ensure_ascii=False) + "\n")
        print(f"{language}: {len(texts)} documents, {size / 1e6:.0f} MB, {len(plants)} plants", flush=True)
        for length in lengths.split(","):
            out = options.work / f"run-{language}-{length}"
            subprocess.run(["rm", "-rf", out], check=True)
            command = [options.binary, "decontaminate", path, "-o", out, "--evals", options.corpora / "evals"]
            subprocess.run([*command, "--action", "report", "--quiet", flag, length], check=True)
            found = pyarrow.parquet.read_table(out / "outcomes/00-decontaminate/matches.parquet").to_pylist()
            matched = {(row["doc_id"], row["set"], row["item"]) for row in found}
            hits = sum((place, *item) in matched for place, item in plants.items())
            others = [row for row in found if row["doc_id"] not in plants]
            documents = {row["doc_id"] for row in others}
            print(f"  {flag} {length}: plants found {hits} of {len(plants)}, other documents {len(documents)}", flush=True)
            pieces = Counter((row["text"], row["set"]) for row in others)
            for (text, of_set), count in pieces.most_common(options.shown):
                print(f"      {count} × {of_set}: {text[:160]!r}")


if __name__ == "__main__":
    main()
