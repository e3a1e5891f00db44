"""Asks datatrove's Gopher filters about real documents and writes down what they say.

Needs a Python with datatrove 0.10.1, spacy 3.8, jieba 0.42.1, xxhash and zstandard:

    python tests/oracle/gopher_datatrove.py SHARED tests/fixtures/gopher

SHARED is the folder that holds `corpora`. Writes `verdicts.jsonl.zst` (one line a document: where it
lies, the hash of its text, each filter's verdict, every check that fails by itself, and the words) and
`sample.jsonl.zst` (a few documents of permissive licence with their texts, the same fields).

Words are written by their lengths in bytes, a letter each: `a` to `z` for 1 to 26 bytes that follow the word
before at once, `A` to `Z` for those that follow one byte later, else `(skipped,length)`. Only white space is
ever skipped.
"""

import io
import json
import sys
import warnings
from pathlib import Path

import xxhash
import zstandard
from datatrove.data import Document
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.utils.text import split_into_words

warnings.filterwarnings("ignore")

PIECE_BYTES = 8_000

# File, documents taken (evenly over the file), language.
ENGLISH = [
    ("docs/en_books", 55, 40), ("docs/en_cppdocs", 700, 1), ("docs/en_d2l", 100, 2), ("docs/en_eips", 300, 1),
    ("docs/en_nltk", 900, 1), ("docs/en_peps", 400, 1), ("docs/en_powershell", 300, 1), ("docs/en_rustbook", 80, 2),
    ("docs/en_rustrfcs", 250, 1), ("docs/en_wikitext2", 97, 3), ("docs/multi_otel", 200, 1),
    ("quality/quality_en", 2200, 1), ("web/articles_zyte", 142, 1), ("web/newspaper_pages", 60, 1),
    ("web/noisy/en_davidson_tweets", 150, 1), ("web/noisy/en_sms_spam", 100, 1), ("docs/mix_webdata_samples", 18, 1),
]
CHINESE = [
    ("docs/zh_bitext", 100, 1), ("docs/zh_classical", 100, 1), ("docs/zh_d2l", 60, 1), ("docs/zh_laws", 250, 1),
    ("docs/zh_lctt", 350, 1), ("docs/zh_medqa", 250, 1), ("docs/zh_novels", 200, 1), ("docs/zh_oiwiki", 120, 1),
    ("docs/zh_paddle", 150, 1), ("docs/zh_poetry", 150, 1), ("docs/zh_pydocs", 100, 1), ("docs/zh_react", 80, 1),
    ("docs/zh_tidb", 200, 1), ("docs/zh_vue", 60, 1), ("docs/zh_wikiqa", 250, 1), ("quality/quality_zh", 600, 1),
    ("web/noisy/zh_cold_offensive", 80, 1), ("web/noisy/zh_hotel_reviews", 150, 1),
    ("web/noisy/zh_waimai_reviews", 60, 1), ("docs/multi_otel", 30, 1),
]
# Licences: public domain, CC0, CC-BY 4.0, MIT, Apache-2.0.
SAMPLE = {
    "docs/en_eips", "docs/en_peps", "docs/en_rustbook", "docs/en_cppdocs", "docs/zh_laws", "docs/zh_medqa",
    "docs/zh_novels", "docs/zh_pydocs", "docs/zh_react", "docs/zh_poetry",
}
SAMPLE_EVERY = 12
SAMPLE_BYTES = 2_500

# FineWeb-2, configs/cmn_Hani.yml.
ZH_STOP_WORDS = "的 年 在 月 是 和 日 了 於 · 為 有 被 人 中 为 他 與 後 也 而 由".split()
PROFILES = {
    "en": ("eng", {}, {}),
    "zh": (
        "cmn_Hani",
        dict(
            min_avg_word_length=1, max_avg_word_length=5, max_non_alpha_words_ratio=0.735, stop_words=ZH_STOP_WORDS,
        ),
        dict(
            dup_line_frac=0.287, dup_para_frac=0, dup_line_char_frac=0, dup_para_char_frac=0,
            top_n_grams=((2, 0.256), (3, 0.201), (4, 0.171)),
            dup_n_grams=((5, 0.198), (6, 0.182), (7, 0.167), (8, 0.154), (9, 0.14), (10, 0.127)),
        ),
    ),
}


def filters(language):
    """The filters as published, and one filter for each of their checks."""
    code, quality, repetition = PROFILES[language]
    whole = (
        GopherQualityFilter(language=code, **quality), GopherRepetitionFilter(language=code, **repetition),
    )
    defaults = dict(
        min_doc_words=50, max_doc_words=100000, min_avg_word_length=3, max_avg_word_length=10,
        max_symbol_word_ratio=0.1, max_bullet_lines_ratio=0.9, max_ellipsis_lines_ratio=0.3,
        max_non_alpha_words_ratio=0.8, min_stop_words=2,
    )
    defaults.update(quality)
    stop_words = defaults.pop("stop_words", None)
    off = {name: None for name in defaults}
    single = [
        GopherQualityFilter(language=code, stop_words=stop_words, **{**off, name: value})
        for name, value in defaults.items()
    ]
    defaults = dict(
        dup_line_frac=0.3, dup_para_frac=0.3, dup_line_char_frac=0.2, dup_para_char_frac=0.2,
        top_n_grams=((2, 0.2), (3, 0.18), (4, 0.16)),
        dup_n_grams=((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)),
    )
    defaults.update(repetition)
    off = dict(
        dup_line_frac=None, dup_para_frac=None, dup_line_char_frac=None, dup_para_char_frac=None, top_n_grams=(),
        dup_n_grams=(),
    )
    for name, value in defaults.items():
        for one in [(pair,) for pair in value] if isinstance(value, tuple) else [value]:
            single.append(GopherRepetitionFilter(language=code, **{**off, name: one}))
    return whole, single


def reason(judge, text):
    try:
        verdict = judge.filter(Document(text=text, id="0"))
    except ZeroDivisionError:
        return "ZeroDivisionError"
    return None if verdict is True else verdict[1]


def rows(path):
    with open(path, "rb") as file:
        stream = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file)
        for line in io.TextIOWrapper(stream, encoding="utf-8"):
            yield json.loads(line)


def cut(data, limit):
    """Pieces of whole lines, of at most `limit` bytes where lines allow it (a long line is cut hard)."""
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        if end < len(data):
            newline = data.rfind(b"\n", start + 1, end)
            if newline > start:
                end = newline
            while data[end] & 0xC0 == 0x80:
                end -= 1
        yield start, end
        start = end


def pieces(path, documents, per_document, language, limit):
    field = "html" if "articles_zyte" in path.name or "newspaper" in path.name else "text"
    wanted = [row for row in rows(path) if "multi" not in path.name or row["lang"] == language]
    if "mix_" in path.name:
        wanted = [row for row in wanted if row["lang"] == language]
    step = max(1, len(wanted) // documents)
    for row in wanted[::step][:documents]:
        data = row[field].encode()
        cuts = list(cut(data, limit))
        step = max(1, len(cuts) // per_document)
        # Begin somewhere in the document, so that not all pieces are openings.
        first = xxhash.xxh64_intdigest(row["id"].encode()) % step
        for start, end in cuts[first::step][:per_document]:
            yield row["id"], field, start, end, data[start:end].decode()


def spans(words, text):
    letters, at = [], 0
    for word in words:
        start = text.index(word, at)
        assert text[at:start].strip() == ""
        skipped, length = len(text[at:start].encode()), len(word.encode())
        short = skipped < 2 and length <= 26
        letters.append(chr(ord("aA"[skipped]) + length - 1) if short else f"({skipped},{length})")
        at = start + len(word)
    assert text[at:].strip() == ""
    return "".join(letters)


def record(name, identity, field, start, end, text, language, whole, single):
    words = split_into_words(text, PROFILES[language][0])
    return {
        "file": name, "id": identity, "field": field, "start": start, "end": end, "language": language,
        "hash": f"{xxhash.xxh64_intdigest(text.encode()):016x}",
        "quality": reason(whole[0], text), "repetition": reason(whole[1], text),
        "fails": sorted({found for judge in single if (found := reason(judge, text))}),
        "words": spans(words, text),
    }


def write(path, records):
    data = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in records).encode()
    path.write_bytes(zstandard.ZstdCompressor(level=19).compress(data))
    print(path, len(records), "records", path.stat().st_size, "bytes")


def main():
    shared, out = Path(sys.argv[1]) / "corpora", Path(sys.argv[2])
    verdicts, sample = [], []
    for language, sources in (("en", ENGLISH), ("zh", CHINESE)):
        whole, single = filters(language)
        for name, documents, per_document in sources:
            path = shared / f"{name}.jsonl.zst"
            for row in pieces(path, documents, per_document, language, PIECE_BYTES):
                if "IS_ALPHA" not in row[-1]:
                    verdicts.append(record(name, *row, language, whole, single))
            if name in SAMPLE:
                for row in pieces(path, max(10, documents // SAMPLE_EVERY), 1, language, SAMPLE_BYTES):
                    sample.append({**record(name, *row, language, whole, single), "text": row[-1]})
            print(name, len(verdicts), flush=True)
    # Three of four, to keep the file small.
    write(out / "verdicts.jsonl.zst", [row for number, row in enumerate(verdicts) if number % 4 != 3])
    write(out / "sample.jsonl.zst", sample)


if __name__ == "__main__":
    main()
