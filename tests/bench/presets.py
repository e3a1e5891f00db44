"""How well presets tell good text from bad: precision and recall on labelled documents, Chinese and English apart.

    python tests/bench/presets.py [--binary target/release/yuan-data] [--corpora ../shared/corpora] [--half report]
        [--recipes recipes/gopher.toml …] [--runs tests/bench/runs] [--work target/bench/presets]

Sets, each split into two halves by a hash of the group a text is from (`tune` may be looked at while settings are chosen, `report` may not):

- documents: whole documents of docs/ (all good; books, laws, encyclopaedias, manuals, forums), at most 60 of a source and half, up to 20,000
  characters of each; only what is kept of the good is counted. The other sets hold no code blocks, tables and refrains.
- pages: bodies of web articles (good) against the boilerplate lines of the same and other pages, page by page (bad); English. The few pages
  whose HTML names another language have rows of their own (`other`).
- snippets: quality/quality_{en,zh}: sentences of encyclopaedias, textbooks, laws, books (good) against reviews, offensive comments, spam (bad).
- assembled: the same snippets put together, kind by kind, to documents of about 1,500 characters, as a page of reviews or a chapter has.
- noisy: the raw noisy sets (all bad), put together the same way; only recall of the bad is counted.

Left out of the report half: documents and snippets that thresholds of stages were derived from (tests/fixtures/rules/THRESHOLDS_RATIOS.md),
the labelled texts that the weights of toxic words were chosen on (tests/fixtures/lists/MEASUREMENTS.md), and the pages that patterns of
boilerplate were written from (tests/fixtures/repair/MEASUREMENTS.md).

`ccnet` and `polylm` ask the bundled models, which learnt from most of these very snippets and from documents of docs/: their figures flatter
them. What they make of sources they have not seen is in tests/fixtures/scores/MEASUREMENTS.md.

Undone, because no natural text has it: WikiText's tokenisation (`<unk>`, ` @-@ `, spaces around punctuation; each `<unk>` is a name in turn);
rows of prose that were cut where the lengths of good and bad were matched (left out); the half lines at both ends of a window of
boilerplate; bodies and boilerplate of pages below 300 characters (many are notes of the annotators: MISSED LAST PARAGRAPH); in `assembled`,
English technical and textbook rows that are one line of a hard-wrapped paragraph (the paragraph in their place). Stages that look for
copies (`exact`, `minhash`) are left out of the recipes: the sets hold the same sentences several times.

Labels are by source, a proxy for quality, and some are dubious:

- reviews (hotel, takeaway) are well-formed Chinese, many as good as a forum's prose: a rule cannot tell them from it, and need not.
- sms spam/chat: 86 % are ordinary messages (`ham`). They and what the annotators of tweets and comments called `ok` are low as prose, mostly
  not toxic; in `noisy`, `--kinds` counts them apart. Chinese offensive comments are so by their target (region, race, gender); many argue in
  ordinary words, without an insult that a list could hold.
- pages, boilerplate: all that is no body text of the article, also teasers and comments of readers, whole sentences. Good: a few bodies are
  lists (a diary of meetings, a table of figures). There are no Chinese pages: what menus and lists of headlines a preset finds in Chinese is
  not measured.
- documents: references of interfaces (en_cppdocs, zh_paddle, zh_react, zh_tidb) are half code, tables and lists; zh_lctt has the English
  originals beside the translations. Chinese fiction is classical throughout: modern novels have more ellipses and insults.
- assembled documents are sentences without context, one a line: rules that look at the order of lines see nothing true in them, and those
  that look for repetition see less of it than there is in a book.
- snippets: most rules are made for documents; the least number of words decides more here than all other rules.

Needs Python with zstandard. Sources of the sets: MANIFEST.md of the corpora.
"""

import argparse
import datetime
import hashlib
import io
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import zstandard

ROOT = Path(__file__).resolve().parents[2]
CHARS = 1500
SHORTEST_PAGE = 300
WHOLE, WHOLE_CHARS = 60, (500, 20000)
SETS = ("documents", "pages", "assembled", "noisy", "snippets")
PROSE = {"books", "news/speeches", "wikipedia", "classic novels", "law"}
SENTENCE_END = re.compile(r"[.!?。！？…：:；;．”’」』）)\"'\]]\s*$")
NAMES = ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Juniper", "Linden", "Maple", "Oak", "Poplar", "Rowan", "Willow")
HTML_LANGUAGE = re.compile(r"<html[^>]*?\blang=[\"']?([a-zA-Z]+)")


def rows(path):
    with open(path, "rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file)
        for line in io.TextIOWrapper(reader, encoding="utf-8"):
            yield json.loads(line)


def half(group):
    return "tune" if hashlib.sha256(group.encode()).digest()[0] < 128 else "report"


def assembled(texts, chars=CHARS):
    """Texts of one kind, one to a line, until a document is long enough; what is left over is one shorter document."""
    lines, length = [], 0
    for text in texts:
        lines.append(text.strip())
        length += len(text)
        if length >= chars:
            yield "\n".join(lines)
            lines, length = [], 0
    if length >= chars // 3:
        yield "\n".join(lines)


def without_tokenisation(text):
    """WikiText as it was before it was cut into tokens, with names for the words it left out."""
    names = itertools.cycle(NAMES)
    text = re.sub(r"<unk>", lambda _: next(names), text)
    text = re.sub(r" @([-,.])@ ", r"\1", text)
    text = re.sub(r'" ([^"]*) "', r'"\1"', text)
    text = re.sub(r" ('(?:s|t|re|ve|ll|d|m)\b|n't\b|[.,:;?!%)\]])", r"\1", text)
    return re.sub(r"([(\[$£]) ", r"\1", text)


def hard_wrapped(corpora):
    """Documents whose rows in the quality set are lines of paragraphs, by group."""
    return {
        f"{name}/{row['source'].split(':', 1)[1]}": row["text"]
        for name in ("en_peps", "en_d2l", "en_rustbook")
        for row in rows(corpora / f"docs/{name}.jsonl.zst")
    }


def paragraph(line, document):
    """The paragraph that a line is from, or nothing."""
    at = document.find(line.strip())
    if at < 0:
        return None
    end = document.find("\n\n", at)
    return document[document.rfind("\n\n", 0, at) + 1 : end if end >= 0 else None].strip()


def whole_documents(corpora, looked_at):
    """Documents of docs/, the same number of each source, in the order of a hash."""
    for path in sorted((corpora / "docs").glob("*.jsonl.zst")):
        name, found = path.name.removesuffix(".jsonl.zst"), defaultdict(list)
        if name.startswith("mix_"):
            continue
        for row in rows(path):
            language = "zh" if row["lang"].startswith("zh") else row["lang"]
            if language in ("en", "zh") and len(row["text"]) >= WHOLE_CHARS[0]:
                found[language, half(row.get("group") or row["id"])].append(row)
        for (language, where), some in found.items():
            some.sort(key=lambda row: hashlib.sha256(row["id"].encode()).digest())
            if where == "report":
                some = [row for row in some if (f"docs/{name}", row["id"]) not in looked_at]
            for row in some[:WHOLE]:
                text = without_tokenisation(row["text"]) if "wikitext" in name else row["text"]
                if len(text) > WHOLE_CHARS[1]:
                    text = text[: WHOLE_CHARS[1]].rpartition("\n")[0] or text[: WHOLE_CHARS[1]]
                yield "documents", language, where, True, name, text


def known_rows(corpora):
    """What defaults of stages were chosen on: documents by file and id, and texts of the labelled sets."""
    looked_at = {(row[0], row[1]) for row in rows(ROOT / "tests/fixtures/rules/documents.jsonl.zst")}
    texts = set()
    for name in ("en_davidson_tweets", "zh_cold_offensive", "en_sms_spam"):
        texts.update(row["text"] for row in itertools.islice(rows(corpora / f"web/noisy/{name}.jsonl.zst"), 0, None, 2))
    return looked_at, texts


def snippet(row):
    """The text of a quality row as it was before the corpus was cut; nothing where that cannot be had."""
    text = row["text"]
    if "en_wikitext2" in row["group"]:
        text = without_tokenisation(text)
    if row["kind"] in PROSE and not SENTENCE_END.search(text):
        return None
    if row["kind"] == "page boilerplate" and len(text) == 1200:
        text = text.partition("\n")[2].rpartition("\n")[0]
    return text or None


def documents(corpora):
    """(set, language, half, good, kind, text) of every labelled document."""
    looked_at, weighed = known_rows(corpora)
    yield from whole_documents(corpora, looked_at)
    held_out = set((ROOT / "tests/fixtures/repair/held_out_pages.txt").read_text(encoding="utf-8").split("\n"))
    pages = defaultdict(list)
    for row in rows(corpora / "web/page_lines.jsonl.zst"):
        if row["label"] == "boilerplate":
            pages[row["page"]].append(row["text"])
    for name in ("articles_zyte", "newspaper_pages"):
        for row in rows(corpora / f"web/{name}.jsonl.zst"):
            if half(row["id"]) == "report" and row["id"] not in held_out:
                continue
            where, named = half(row["id"]), HTML_LANGUAGE.search(row["html"])
            language = "other" if named and named[1].lower() != "en" else "en"
            if len(row["gold_text"] or "") > SHORTEST_PAGE:
                yield "pages", language, where, True, name, row["gold_text"]
            lines = pages.get(row["id"], [])
            if sum(map(len, lines)) > SHORTEST_PAGE:
                yield "pages", language, where, False, f"{name} boilerplate", "\n".join(lines)
    wrapped = hard_wrapped(corpora)
    for language in ("en", "zh"):
        kinds = defaultdict(dict)  # as an ordered set: several lines of one paragraph give it once
        for row in rows(corpora / f"quality/quality_{language}.jsonl.zst"):
            good, where, text = row["label"] == "high", half(row["group"]), snippet(row)
            known = (f"quality/quality_{language}", row["id"]) in looked_at or row["text"] in weighed
            if text is None or where == "report" and known:
                continue
            yield "snippets", language, where, good, row["kind"], text
            if row["group"] in wrapped:
                text = paragraph(text, wrapped[row["group"]])
            if text:
                kinds[where, good, row["kind"]][text] = None
        for (where, good, kind), texts in kinds.items():
            for text in assembled(texts):
                yield "assembled", language, where, good, kind, text
    for path in sorted((corpora / "web/noisy").glob("*.jsonl.zst")):
        language = path.name[:2]
        if language not in ("en", "zh"):
            continue
        kinds = defaultdict(list)
        for row in rows(path):
            if half(row["id"]) == "report" and row["text"] in weighed:
                continue
            harmless = {"ok": " ok", "ham": " ham"}.get(row["label"], "")
            kinds[half(row["id"]), path.name.removesuffix(".jsonl.zst") + harmless].append(row["text"])
        for (where, kind), texts in kinds.items():
            for text in assembled(texts):
                yield "noisy", language, where, False, kind, text


def kept_ids(binary, recipe, source, folder):
    shutil.rmtree(folder, ignore_errors=True)
    without_copies = folder.with_suffix(".toml")
    text = recipe.read_text(encoding="utf-8")
    without_copies.write_text(re.sub(r"\[\[stage\]\]\n(exact|minhash) = .*\n", "", text), encoding="utf-8")
    paths = f'input.paths=["{source}"]'
    subprocess.run(
        [binary, "run", without_copies, "-o", folder, "--quiet", "--set", paths, "--set", "output.documents=true",
         "--set", "output.format=\"jsonl\"", "--set", "rails.stop=false"],
        check=True,
    )
    kept = set()
    for path in sorted((folder / "out").glob("*.jsonl")):
        with open(path, encoding="utf-8") as file:
            kept.update(json.loads(line)["id"] for line in file)
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/yuan-data")
    parser.add_argument("--corpora", type=Path, default=ROOT / "../shared/corpora")
    parser.add_argument("--recipes", type=Path, nargs="*", default=None)
    parser.add_argument("--half", choices=("tune", "report", "both"), default="both")
    parser.add_argument("--kinds", action="store_true", help="a row for each kind of text as well")
    parser.add_argument("--runs", type=Path, default=None, help="folder to write presets.md and presets.json to")
    parser.add_argument("--work", type=Path, default=ROOT / "target/bench/presets")
    options = parser.parse_args()
    recipes = options.recipes or [
        path for path in sorted((ROOT / "recipes").glob("*.toml")) if path.stem not in ("demo", "code")
    ]
    options.work.mkdir(parents=True, exist_ok=True)
    halves = ("tune", "report") if options.half == "both" else (options.half,)
    found = [document for document in documents(options.corpora) if document[2] in halves]
    source = options.work / "labelled.jsonl"
    with open(source, "w", encoding="utf-8") as file:
        for number, (_, _, _, _, _, text) in enumerate(found):
            file.write(json.dumps({"id": str(number), "text": text}, ensure_ascii=False) + "\n")
    table = []
    for recipe in recipes:
        kept = kept_ids(options.binary, recipe, source.resolve(), options.work / recipe.stem)
        counts = defaultdict(lambda: [0, 0, 0, 0])  # good kept, good, bad kept, bad
        for number, (name, language, where, good, kind, _) in enumerate(found):
            for key in [(where, name, language, "")] + ([(where, name, language, kind)] if options.kinds else []):
                place = counts[key]
                place[0 if good else 2] += str(number) in kept
                place[1 if good else 3] += 1
        for (where, name, language, kind), (good_kept, good, bad_kept, bad) in sorted(counts.items()):
            table.append({
                "preset": recipe.stem, "half": where, "set": name, "language": language, "kind": kind, "good": good, "good_kept": good_kept,
                "bad": bad, "bad_dropped": bad - bad_kept,
                "precision": good_kept / (good_kept + bad_kept) if good and good_kept + bad_kept else None,
                "recall": good_kept / good if good else None,
            })
    percent = lambda part, whole: f"{100 * part / whole:.1f} %" if whole else "–"
    lines = ["| half | set | language | preset | good kept | bad dropped | precision of what is kept | documents (good + bad) |", "|---|---|---|---|---:|---:|---:|---:|"]
    for row in sorted(table, key=lambda row: (row["half"], SETS.index(row["set"]), row["language"], row["kind"], row["preset"])):
        precision = "–" if row["precision"] is None else f"{100 * row['precision']:.1f} %"
        name = row["set"] + (f" ({row['kind']})" if row["kind"] else "")
        lines.append(
            f"| {row['half']} | {name} | {row['language']} | {row['preset']} | {percent(row['good_kept'], row['good'])} | "
            f"{percent(row['bad_dropped'], row['bad'])} | {precision} | {row['good']} + {row['bad']} |"
        )
    text = "\n".join(lines)
    print(text)
    if options.runs:
        folder = options.runs / f"{datetime.date.today()}-{platform.machine()}-{os.cpu_count()}cores"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "presets.md").write_text(__doc__.split("\n\n", 2)[2].rsplit("\n\n", 1)[0] + "\n\n" + text + "\n", encoding="utf-8")
        (folder / "presets.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
