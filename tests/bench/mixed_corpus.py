"""Builds the benchmark corpus: real documents in Chinese, English and others, with planted duplicates.

    python tests/bench/mixed_corpus.py OUT [--megabytes 100] [--seed 1] [--files 4] [--only zh|en|other] [--recombine] [--corpora ../shared/corpora]

Writes OUT/part-0.jsonl.zst … and OUT/truth.jsonl. Needs `zstandard`. Of the documents 60 % are real ones with no two texts the
same, 20 % repeat one of them byte by byte, and 20 % are a copy with sentences dropped and swapped; nothing
is copied twice. A line of truth.jsonl is one planted pair: {"original", "copy", "kind": "exact" | "near", "jaccard"}, where
jaccard is exact: over sets of 5 consecutive tokens of the NFC, lower-case text, a token being a CJK, kana or Hangul
character or a run of other word characters. The same seed and corpora give the same documents in the same order.
With --recombine, where the corpora end early the other documents are put together from paragraphs of theirs drawn at random, each
as long as some real one: for sizes at which memory is measured.
"""

import argparse
import hashlib
import io
import json
import random
import re
import unicodedata
from pathlib import Path

import zstandard

ROOT = Path(__file__).resolve().parents[2]
SHORTEST, LONGEST = 300, 60_000  # bytes of an original
SHARES = {"zh": 0.48, "en": 0.45, "other": 0.07}  # of the bytes of the originals
FILES = {
    "zh": "zh_laws zh_lctt zh_medqa zh_novels zh_oiwiki zh_paddle zh_pydocs zh_tidb zh_wikiqa".split(),
    "en": "en_books en_cppdocs en_d2l en_eips en_nltk en_peps en_rustrfcs en_wikitext2".split(),
    "other": "multi_osguide multi_otel multi_yii2".split(),
}
CHANGED_SHARES = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)  # of the sentences of a near-duplicate
SENTENCE = re.compile(r"[^。！？!?.\n]*[。！？!?.\n]+\s*|[^。！？!?.\n]+$")
TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]|"
                   r"(?:(?![\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff_])\w)+")


def rows(path):
    with open(path, "rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file)
        for line in io.TextIOWrapper(reader, encoding="utf-8", newline="\n"):
            yield json.loads(line)


def rank(*parts):
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).digest()


def shingles(text, width=5):
    tokens = TOKEN.findall(unicodedata.normalize("NFC", text).lower())
    return {tuple(tokens[i : i + width]) for i in range(max(1, len(tokens) - width + 1))}


def jaccard(one, other):
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


def vary(text, generator):
    """The text with some sentences dropped and some swapped with the next; never the text itself."""
    sentences = SENTENCE.findall(text)
    share = generator.choice(CHANGED_SHARES)
    changed, skip = [], False
    for index, sentence in enumerate(sentences):
        if skip:
            skip = False
        elif generator.random() >= share:
            changed.append(sentence)
        elif generator.random() < 0.5 and index + 1 < len(sentences):
            changed += [sentences[index + 1], sentence]
            skip = True
    result = "".join(changed)
    return result if result.strip() and result != text else "".join(sentences[:-1]).rstrip() or text[: len(text) * 9 // 10]


def recombined(pool, seed, group):
    """Documents without end of the paragraphs of a pool."""
    generator = random.Random(f"{seed} {group}")
    paragraphs = [line for row in pool for line in row[3].split("\n") if len(line.encode()) >= 40]
    while True:
        _, language, _, model = generator.choice(pool)
        chosen, left = [], len(model.encode())
        while left > 0:
            chosen.append(generator.choice(paragraphs))
            left -= len(chosen[-1].encode()) + 1
        yield language, "\n".join(chosen)


def originals(corpora, budget, seed, shares, recombine=False):
    """Real documents until each language group has its share of `budget` bytes; no text twice."""
    seen = set()
    for group, share in shares.items():
        pool = []
        for name in FILES[group]:
            for row in rows(corpora / f"docs/{name}.jsonl.zst"):
                if group == "other" and row["lang"] in ("en", "zh", "zh-hans", "zh-CN"):
                    continue
                text = row["text"].encode()[:LONGEST].decode(errors="ignore")
                if len(text.encode()) >= SHORTEST:
                    pool.append((rank(seed, row["id"]), row["lang"], row["source"], text))
        pool.sort()
        left = budget * share
        for _, language, source, text in pool:
            if left <= 0:
                break
            key = rank(text)
            if key not in seen:
                seen.add(key)
                left -= len(text.encode())
                yield language, source, text
        if recombine and left > 0:
            for language, text in recombined(pool, seed, group):
                left -= len(text.encode())
                yield language, "recombined", text
                if left <= 0:
                    break
        if left > 0:
            print(f"{group}: the corpora end {left / 1e6:.1f} MB early")


def build(corpora, megabytes, seed, shares=SHARES, recombine=False):
    """All documents in their final order, and the planted pairs."""
    documents, truth = [], []
    base = sorted(originals(corpora, megabytes * 1e6 * 0.6, seed, shares, recombine), key=lambda row: rank(seed, "plant", row[2]))
    third = len(base) // 3
    for index, (language, source, text) in enumerate(base):
        name = rank(seed, "original", index).hex()
        documents.append({"id": name, "text": text, "lang": language, "source": source})
        if index < 2 * third:
            copy = rank(seed, "copy", index).hex()
            kind = "exact" if index < third else "near"
            changed = text if kind == "exact" else vary(text, random.Random(f"{seed} {index}"))
            documents.append({"id": copy, "text": changed, "lang": language, "source": source})
            similarity = 1.0 if kind == "exact" else round(jaccard(text, changed), 4)
            truth.append({"original": name, "copy": copy, "kind": kind, "lang": language, "jaccard": similarity})
    documents.sort(key=lambda row: row["id"])  # ids are hashes: this mixes them
    return documents, truth


def write(out, documents, truth, files):
    out.mkdir(parents=True, exist_ok=True)
    for part in range(files):
        chosen = documents[len(documents) * part // files : len(documents) * (part + 1) // files]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in chosen)
        (out / f"part-{part}.jsonl.zst").write_bytes(zstandard.ZstdCompressor(level=3).compress(lines.encode()))
    (out / "truth.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in truth))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--only", choices=SHARES, help="documents of one group of languages")
    parser.add_argument("--recombine", action="store_true", help="make up for corpora that are too small")
    parser.add_argument("--corpora", type=Path, default=ROOT.parent / "shared/corpora")
    arguments = parser.parse_args()
    shares = {arguments.only: 1.0} if arguments.only else SHARES
    documents, truth = build(arguments.corpora, arguments.megabytes, arguments.seed, shares, arguments.recombine)
    write(arguments.out, documents, truth, arguments.files)
    near = [pair["jaccard"] for pair in truth if pair["kind"] == "near"]
    print(
        f"{len(documents)} documents, {sum(len(row['text'].encode()) for row in documents)} bytes of text, "
        f"{len(truth) - len(near)} exact and {len(near)} near pairs, {sum(value >= 0.8 for value in near)} of them at 0.8 or more, "
        f"{sum(value < 0.6 for value in near)} below 0.6"
    )


if __name__ == "__main__":
    main()
