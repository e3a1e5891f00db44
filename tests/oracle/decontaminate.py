"""Documents with planted text of evaluation sets, and what a naive comparison of n-grams finds in them.

    python tests/oracle/decontaminate.py ../shared/corpora/evals tests/fixtures/dedup

Writes FIXTURES/decontaminate_evals/gsm8k.jsonl and gaokao.jsonl (the first items of GSM8K test, MIT, and of AGIEval gaokao-history, MIT),
FIXTURES/decontaminate_documents.jsonl (every other page of neardup_sample.jsonl, some with planted text, and pages made of items alone) and
FIXTURES/decontaminate_matches.jsonl: {"doc", "set", "item", "found", "ngrams"} for each contaminated document and item, by sets of
tuples of tokens. Needs Python 3 and zstandard. The same files give the same output.

Definition: tokens are single CJK, kana, Hangul characters, or runs of other letters, digits and marks, in form C and lower case. The
n-grams of a text (question, choices, answer) are its runs of 13 tokens, or of 25 if at least half of the tokens are such
characters; a shorter text of at least 8 (14) tokens is one n-gram; one without a letter is none. In more than 10 documents an n-gram
is common. A document is contaminated by an item if it has one of its n-grams that is not common, or half of them where the item has 13 or
more.
"""

import io
import json
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import zstandard

SINGLE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
TOKEN = re.compile(f"[{SINGLE}]|(?:(?![{SINGLE}_])\\w)+")
WORDS, CHARACTERS, MIN_WORDS, MIN_CHARACTERS, MAX_DOCUMENTS, HALF = 13, 25, 8, 14, 10, 0.5


def rows(path, limit=None):
    with open(path, "rb") as file:
        stream = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file) if path.suffix == ".zst" else file
        for number, line in enumerate(io.TextIOWrapper(stream, encoding="utf-8", newline="\n")):
            if number == limit:
                return
            yield json.loads(line)


def tokens(text):
    return TOKEN.findall(unicodedata.normalize("NFC", text).lower())


def ngrams(text):
    all_tokens = tokens(text)
    singles = sum(bool(re.fullmatch(f"[{SINGLE}]", token)) for token in all_tokens)
    length, least = (CHARACTERS, MIN_CHARACTERS) if 2 * singles >= len(all_tokens) else (WORDS, MIN_WORDS)
    length = min(length, len(all_tokens))
    if length < least:
        return set()
    found = {tuple(all_tokens[at : at + length]) for at in range(len(all_tokens) - length + 1)}
    return {ngram for ngram in found if any(letter.isalpha() for token in ngram for letter in token)}


def texts(item):
    known = (item.get(name) for name in ("question", "options", "answer"))
    return [text for value in known if value for text in ([value] if isinstance(value, str) else value)]


def write(path, all_rows):
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for row in all_rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main():
    evals, fixtures = Path(sys.argv[1]), Path(sys.argv[2])
    sets = {
        "gsm8k": list(rows(evals / "gsm8k/test.jsonl.zst", 30)),
        "gaokao": list(rows(evals / "agieval/gaokao-history.jsonl.zst", 20)),
    }
    pages = [row["text"] for row in rows(fixtures / "neardup_sample.jsonl")][::2]
    words = lambda text, start, count: " ".join(text.split()[start : start + count])
    english = [item["question"] for item in sets["gsm8k"]]
    answers = [item["answer"] for item in sets["gsm8k"]]
    chinese = [item["question"] for item in sets["gaokao"]]
    # Into every third page: whole items, changed in case, breaks and punctuation, pieces long enough and too short.
    plants = [
        english[0],
        english[1].upper().replace(" ", "\n"),
        words(english[2], 3, 15),
        words(english[3], 3, 12),
        answers[4],
        chinese[0],
        chinese[1].replace("，", "、").replace("。", "\n"),
        "".join(tokens(chinese[2]))[:31],
        "".join(tokens(chinese[3]))[2:26],
        chinese[4] + english[5],
        unicodedata.normalize("NFD", english[6] + " caf\u00e9"),
    ]
    documents = []
    for number, page in enumerate(pages):
        at = len(page) // 2
        plant = plants[number // 3 % len(plants)] if number % 3 == 0 else ""
        documents.append(page[:at] + "\n" + plant + "\n" + page[at:] if plant else page)
    # An item that many documents have is one; a phrase of an item that many have is not.
    documents += [f"Problem {number}.\n{english[7]}\n{answers[7]}" for number in range(14)]
    documents += [f"{number}: {words(english[8], 0, 14)} and so on" for number in range(14)]
    documents += [f"{words(english[9], 0, 14)} {number}" for number in range(10)]

    index, items = {}, {}
    for name, of_set in sets.items():
        for number, item in enumerate(of_set):
            items[name, number] = set().union(*(ngrams(text) for text in texts(item)))
            for ngram in items[name, number]:
                index.setdefault(ngram, []).append((name, number))
    lengths = {len(ngram) for ngram in index}
    found = []
    for document in documents:
        all_tokens = tokens(document)
        runs = {tuple(all_tokens[at : at + length]) for length in lengths for at in range(len(all_tokens) - length + 1)}
        found.append(runs & index.keys())
    counts = Counter(ngram for of_document in found for ngram in of_document)
    matches = []
    for number, of_document in enumerate(found):
        of_items = Counter(item for ngram in of_document for item in index[ngram])
        rare = {item for ngram in of_document if counts[ngram] <= MAX_DOCUMENTS for item in index[ngram]}
        for item, count in sorted(of_items.items()):
            size = len(items[item])
            if item in rare or (size >= WORDS and count >= HALF * size):
                matches.append({"doc": number, "set": item[0], "item": item[1], "found": count, "ngrams": size})
    for name, of_set in sets.items():
        write(fixtures / "decontaminate_evals" / f"{name}.jsonl", of_set)
    write(fixtures / "decontaminate_documents.jsonl", ({"id": number, "text": text} for number, text in enumerate(documents)))
    write(fixtures / "decontaminate_matches.jsonl", matches)
    print(len(documents), "documents,", len(matches), "matches,", len({match["doc"] for match in matches}), "contaminated")


if __name__ == "__main__":
    main()
