"""Builds the bundled demo corpus: cli/demo/corpus.jsonl.zst and cli/demo/PROVENANCE.md.

    python tests/oracle/corpus_demo.py [--corpora ../shared/corpora] [--out cli/demo]

Needs `zstandard`. The same corpora and the same zstandard version give the same bytes: every pick and the final
order come from a hash of (SEED, document id). Only rows under a permissive licence are taken; which source is left
out, and why, stands in LEFT_OUT and goes into PROVENANCE.md.
"""

import argparse
import collections
import hashlib
import io
import json
import re
import sys
from pathlib import Path

import zstandard

ROOT = Path(__file__).resolve().parents[2]
SEED = "yuan-data demo 1"
LONGEST = 30_000  # bytes of text; longer documents are cut at a paragraph border
WINDOW_LOG = 23  # 8 MiB, the window every zstd decoder accepts without being asked

# (file under docs/, documents, label); the first filter that names a set decides which of its rows may be taken.
DOCUMENTS = [
    ("zh_laws", 60, "Chinese statutes and regulations"),
    ("zh_novels", 45, "Ming and Qing novels, one chapter each"),
    ("zh_classical", 22, "Chinese histories and essays"),
    ("zh_poetry", 420, "Tang and Song poems, mostly in traditional characters"),
    ("zh_wikiqa", 260, "Chinese Wikipedia paragraphs, simplified and traditional"),
    ("zh_pydocs", 26, "Python documentation in Chinese"),
    ("zh_paddle", 220, "PaddlePaddle documentation in Chinese"),
    ("zh_tidb", 55, "TiDB documentation in Chinese"),
    ("zh_react", 14, "React documentation in Chinese"),
    ("zh_vue", 25, "Vue documentation in Chinese"),
    ("en_books", 10, "English novels, the first 30 kB of each"),
    ("en_peps", 16, "Python enhancement proposals"),
    ("en_eips", 22, "Ethereum improvement proposals"),
    ("en_powershell", 36, "PowerShell documentation"),
    ("en_cppdocs", 60, "C++ documentation"),
    ("en_rustbook", 10, "The Rust book"),
    ("en_rustrfcs", 16, "Rust RFCs"),
    ("en_d2l", 8, "Dive into Deep Learning"),
    ("en_nltk", 10, "Speeches of presidents of the United States"),
    ("en_wikitext2", 8, "English Wikipedia articles, tokenised by WikiText-2"),
]
GUIDE_LANGUAGES = {  # documents taken per language of the open source guide
    **{"zh-hans": 6, "zh-hant": 6, "en": 3},
    **{code: 2 for code in ("ja", "ko", "es", "fr", "de", "ru", "ar")},
    **{code: 1 for code in ("pt", "it", "tr", "id", "hi", "fa", "pl", "nl", "el", "bn")},
}
TELEMETRY_LANGUAGES = {"en": 40, "ja": 50, "es": 30, "fr": 22, "bn": 5}
RIGHTS_LANGUAGES = "ar bn cs da de el en es fa fr he hi id it ja ko nl pl pt ru sv ta th tr uk vi zh zh_hant".split()
# Line files under lang/: (iso, source wanted, lines per document, documents). Lines of one source follow each other.
LINES = [
    ("th", "iapp-technology/iapp-wiki-qa-dataset", "MIT; Wikipedia text CC-BY-SA-3.0", 4, 70),
    ("th", "UniversalDependencies/UD_Thai-TUD", "CC-BY-SA-4.0", 15, 40),
    ("ar", "husseinmozannar/SOQAL", "MIT; Wikipedia text CC-BY-SA-3.0", 3, 110),
    ("ko", "UniversalDependencies/UD_Korean-Kaist", "CC-BY-SA-4.0", 15, 110),
    ("vi", "UniversalDependencies/UD_Vietnamese-VTB", "CC-BY-SA-4.0", 12, 80),
    ("ru", "UniversalDependencies/UD_Russian-GSD", "CC-BY-SA-4.0", 12, 70),
    ("de", "UniversalDependencies/UD_German-GSD", "CC-BY-SA-4.0", 12, 70),
]
REVISIONS, VERSIONS = 140, 76  # clusters of near-duplicates
PER_CLUSTER = 4
NEAR_LONGEST = 9_000
# Of the documents at the head of a repository, so many that a chosen revision or version repeats byte by byte.
REPEATED_HEADS = 60
SHORT = [("en_sms_spam", 260), ("ko_nsmc_reviews", 420), ("th_wisesight", 300)]
STUBS, REPETITIVE = 60, 30  # shortest pages, and pages most of whose lines repeat

TAKEN_NOVELS = {"西游记", "水浒传", "儒林外史", "东周列国志", "封神演义", "三侠五义", "儿女英雄传", "说岳全传", "聊斋志异"}
ADULT = re.compile(
    r"sex|xxx|porn|horn|nak[ei]d|nude|f[u*]ck|babe|dating|flirt|kiss|lover|cock|puss|dick|virgin|erotic|gay|lesb|bitch|"
    r"\bass|shit|cum|tits|boob|fetish|adult|18\+|dirty|strip|girl|hot|chat|fanc(y|ies)|single|see her|see him",
    re.I,
)
KOREAN_ABUSE = re.compile("시발|씨발|ㅅㅂ|ㅆㅂ|병신|ㅂㅅ|새끼|지랄|좆|존나|개년|미친|쓰레기|섹스|야동|죽여|년들|놈들|강간|창녀|장애|에로|발정|더러|변태|야한")
THAI_ABUSE = re.compile("เหี้ย|สัส|ควย|เย็ด|หี|กู|มึง|ไอ้|อี|ตอแหล|แม่ง|ระยำ|ชาติชั่ว|เงี่ยน")
ARABIC_ADULT = re.compile("جنسي|الجنس|جماع|اغتصاب")
PERSONAL = re.compile(r"@|https?:|www\.|\d[\d -]{6,}")
LEFT_OUT = """\
| left out | why |
|---|---|
| `docs/zh_oiwiki`, revisions of OI-wiki | an extra condition (SATA) beside CC-BY-SA |
| `docs/zh_d2l` | other versions of the repository are under a non-commercial licence |
| `docs/zh_lctt` | translations; the originals belong to their authors |
| `docs/zh_bitext`, `docs/zh_medqa`, `docs/mix_webdata_samples` | the licence is the collector's; the origin of the text is not stated |
| `docs/multi_yii2` | its own terms of use |
| `docs/en_nltk`: ABC news and film reviews | redistribution by permission; reviews belong to their authors |
| `web/*` pages and `web/page_lines`, page lines of `quality/*` | the pages belong to their publishers |
| hotel and takeaway reviews | no licence stated |
| `web/noisy/zh_cold_offensive`, `en_davidson_tweets`, offensive rows of the others | hateful or obscene |
| four story collections and two courtesan novels of `docs/zh_novels` | erotic passages |
"""


def rank(*parts):
    """The place of a document in every pick and in the final order."""
    return hashlib.blake2b("\0".join((SEED, *parts)).encode(), digest_size=16).digest()


def rows(path):
    with open(path, "rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file)
        for line in io.TextIOWrapper(reader, encoding="utf-8", newline="\n"):
            yield json.loads(line)


def size(text):
    return len(text.encode())


def cut(text):
    """At most LONGEST bytes, ending at the last paragraph border, else at the last line."""
    if size(text) <= LONGEST:
        return text
    head = text.encode()[:LONGEST].decode(errors="ignore")
    for border in ("\n\n", "\n"):
        end = head.rfind(border)
        if end > LONGEST // 6:
            return head[:end]
    return head


def pick(candidates, count, salt):
    """`count` rows in hash order; no text twice, so that repeats come only from other sources."""
    seen, taken = set(), []
    for row in sorted(candidates, key=lambda row: rank(salt, row["id"])):
        if len(taken) == count:
            break
        if row["text"].strip() and row["text"] not in seen:
            seen.add(row["text"])
            taken.append(row)
    return taken


def allowed(name, row):
    if name == "zh_novels":
        return row["group"] in TAKEN_NOVELS
    if name == "en_books":
        year = re.search(r"^## Year: (\d{4})", row["text"], re.M)
        return bool(year) and int(year[1]) < 1929
    if name == "en_nltk":
        return row["licence"] == "Public domain" and row["register"] == "speech"
    if "peps" in name:
        return re.search(r"public domain|CC0", row["text"], re.I) is not None
    return True


class Corpus:
    def __init__(self):
        self.rows = {}
        self.sets = []  # (label, set, rows, note)

    def add(self, label, taken, note=""):
        kept = []
        for row in taken:
            text = cut(row["text"])
            lone = {"id": row["id"], "text": text, "lang": row["lang"], "source": row["source"], "licence": row["licence"]}
            if row["id"] not in self.rows:
                self.rows[row["id"]] = lone
                kept.append((lone, text != row["text"]))
        self.sets.append((label, kept, note))


def near_duplicates(corpora):
    """Clusters of revisions and of versions, with the texts of all chosen members."""
    chosen = []
    for name, clusters, label in (
        ("revisions", REVISIONS, "Revisions of one page (near and exact duplicates)"),
        ("versions", VERSIONS, "One page in several product versions (near and exact duplicates)"),
    ):
        members = collections.defaultdict(list)
        for row in rows(corpora / f"neardup/{name}.jsonl.zst"):
            if "SATA" in row["licence"] or size(row["text"]) > NEAR_LONGEST or not row["text"].strip():
                continue
            if "peps" in row["cluster"] and not allowed("en_peps", row):
                continue
            members[row["cluster"]].append(row)
        several = sorted((key for key, group in members.items() if len(group) > 1), key=lambda key: rank(name, key))
        taken = []
        for key in several[:clusters]:
            group = sorted(members[key], key=lambda row: rank(name, row["id"]))
            taken.extend(group[:PER_CLUSTER])
        chosen.append((label, taken))
    return chosen


def lines_of(corpora, iso):
    with open(corpora / f"lang/{iso}.txt.zst", "rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read().decode().split("\n")[:-1]


def line_documents(corpora, iso, source, licence, per_document):
    """Consecutive lines of one source of a line file, joined; a line file keeps the order of its sources."""
    counts = list(source_counts(corpora, iso))
    total = sum(number for number, path in counts if path.startswith(source))
    start = block_start(iso, source, counts)
    lines = lines_of(corpora, iso)[start : start + total]
    commit = next(path for _, path in counts if path.startswith(source)).split(":")[0]
    for first in range(0, total - per_document + 1, per_document):
        text = "\n".join(lines[first : first + per_document])
        if ARABIC_ADULT.search(text):
            continue
        yield {
            "id": f"{iso}/{source.split('/')[1]}/{first:05}",
            "text": text,
            "lang": iso,
            "source": commit,
            "licence": licence,
        }


def source_counts(corpora, iso):
    plain, packed = (corpora / f"lang/sources/{iso}.sources.txt{end}" for end in ("", ".zst"))
    raw = plain.read_bytes() if plain.exists() else zstandard.ZstdDecompressor().stream_reader(open(packed, "rb")).read()
    for line in raw.decode().splitlines():
        number, path = line.split("\t")
        yield int(number), path


def block_start(iso, source, counts):
    """Where a source begins: treebanks come first, articles for question answering next."""
    treebanks = [(number, path) for number, path in counts if path.startswith("UniversalDependencies/")]
    if not source.startswith("UniversalDependencies/"):
        return sum(number for number, _ in treebanks)
    before = TREEBANK_ORDER.get(iso, [source])
    before = before[: before.index(source)]
    return sum(number for number, path in treebanks if path.split("@")[0] in before)


# The order in which the line files hold their treebanks, where there are two.
TREEBANK_ORDER = {
    "ko": ["UniversalDependencies/UD_Korean-Kaist", "UniversalDependencies/UD_Korean-GSD"],
    "ru": ["UniversalDependencies/UD_Russian-Taiga", "UniversalDependencies/UD_Russian-GSD"],
}


def short_rows(corpora, name):
    for row in rows(corpora / f"web/noisy/{name}.jsonl.zst"):
        text = row["text"]
        if name == "en_sms_spam" and (row["label"] != "spam" or ADULT.search(text)):
            continue
        if name == "ko_nsmc_reviews" and (KOREAN_ABUSE.search(text) or PERSONAL.search(text)):
            continue
        if name == "th_wisesight" and (row["label"] not in ("neu", "pos") or THAI_ABUSE.search(text) or PERSONAL.search(text)):
            continue
        yield row


def repeated_share(text):
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return 1 - len(set(lines)) / len(lines) if len(lines) >= 20 else 0.0


def build(corpora):
    corpus = Corpus()
    near = near_duplicates(corpora)
    near_texts = {row["text"] for _, taken in near for row in taken}
    documents = {name: [row for row in rows(corpora / f"docs/{name}.jsonl.zst") if allowed(name, row)] for name, _, _ in DOCUMENTS}
    for name, count, label in DOCUMENTS:
        corpus.add(label, pick(documents[name], count, name))
    for name, wanted, label in (
        ("multi_osguide", GUIDE_LANGUAGES, "The open source guide in 20 languages"),
        ("multi_otel", TELEMETRY_LANGUAGES, "OpenTelemetry documentation in 5 languages"),
    ):
        documents[name] = list(rows(corpora / f"docs/{name}.jsonl.zst"))
        taken = []
        for language in sorted(wanted):
            taken += pick((row for row in documents[name] if row["lang"] == language), wanted[language], name)
        corpus.add(label, taken)
    for label, taken in near:
        corpus.add(label, taken)
    heads = [row for name in sorted(documents) for row in documents[name] if row["text"] in near_texts]
    corpus.add(
        "Pages at the head of a repository that a revision or version above repeats (exact duplicates)",
        sorted(heads, key=lambda row: rank("heads", row["id"]))[:REPEATED_HEADS],
    )
    pages = [row for name in sorted(documents) for row in documents[name]
             if name in ("en_cppdocs", "en_powershell", "zh_paddle", "zh_tidb", "zh_vue", "en_eips", "multi_otel", "zh_laws")]
    contents = [row for name in sorted(documents) for row in documents[name]
                if re.search(r"(^|/)(TOC|SUMMARY|README|index|_index|toc)[^/]*$", row["source"])]
    corpus.add("Tables of contents and index pages (junk)", pick(contents, STUBS, "contents"))
    corpus.add("Stub pages of at most 400 bytes (junk)", pick((row for row in pages if size(row["text"]) <= 400), STUBS, "stubs"))
    corpus.add("Pages most of whose lines repeat (junk)",
               pick((row for row in pages if repeated_share(row["text"]) > 0.5), REPETITIVE, "repetitive"))
    for name, count in SHORT:
        label = {"en_sms_spam": "Advertising text messages (junk)", "ko_nsmc_reviews": "One-line film reviews in Korean (junk)",
                 "th_wisesight": "Short posts in Thai (junk)"}[name]
        corpus.add(label, pick(short_rows(corpora, name), count, name), "no offensive rows, no addresses or long numbers"
                   if name != "en_sms_spam" else "no adult offers")
    for iso, source, licence, per_document, count in LINES:
        corpus.add(f"{source.split('/')[1]} ({iso})", pick(line_documents(corpora, iso, source, licence, per_document), count, "lines"),
                   f"{per_document} consecutive lines joined to a document")
    rights = [document for iso in RIGHTS_LANGUAGES for document in rights_document(corpora, iso)]
    corpus.add("Universal Declaration of Human Rights", rights, "the lines of a language joined to a document")
    return corpus


def rights_document(corpora, iso):
    """The declaration in one language: the last lines of its file, where two versions stand the second."""
    parts = [(number, path) for number, path in source_counts(corpora, iso) if "udhr2" in path]
    for number, path in parts[-1:]:
        text = "\n".join(lines_of(corpora, iso)[-number:])
        yield {"id": f"udhr/{iso}", "text": text, "lang": iso, "source": path, "licence": "Public domain"}


def pack(corpus):
    """The rows in hash order, and their compressed lines."""
    ordered = sorted(corpus.rows.values(), key=lambda row: rank("order", row["id"]))
    plain = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in ordered).encode()
    parameters = zstandard.ZstdCompressionParameters.from_level(19, window_log=WINDOW_LOG, enable_ldm=True, write_checksum=True)
    return ordered, plain, zstandard.ZstdCompressor(compression_params=parameters).compress(plain)


def table(head, lines):
    rule = "|".join(" --- " for _ in head)
    return "\n".join(["| " + " | ".join(head) + " |", f"|{rule}|"] + ["| " + " | ".join(map(str, line)) + " |" for line in lines])


def provenance(corpus, ordered, plain, packed):
    texts = collections.Counter(row["text"] for row in ordered)
    repeats = sum(count - 1 for count in texts.values())
    languages = collections.defaultdict(list)
    for row in ordered:
        languages[row["lang"]].append(size(row["text"]))
    sources = collections.defaultdict(list)
    for row in ordered:
        sources[row["source"].split("@")[0], row["licence"]].append(row)
    source_lines = []
    for (repository, licence), group in sorted(sources.items()):
        commits = sorted({row["source"].split("@")[1].split(":")[0] for row in group})
        commit = commits[0] if len(commits) == 1 else f"{len(commits)} commits, in each row"
        source_lines.append((repository, commit, licence, len(group), sum(size(row["text"]) for row in group)))
    set_lines = []
    for label, kept, note in corpus.sets:
        shortened = sum(changed for _, changed in kept)
        notes = [note] if note else []
        notes += [f"{shortened} cut to 30 kB"] if shortened else []
        set_lines.append((label, len(kept), sum(size(row["text"]) for row, _ in kept), "; ".join(notes)))
    language_lines = [(language, len(sizes), sum(sizes)) for language, sizes in sorted(languages.items(), key=lambda item: -sum(item[1]))]
    return f"""# Where the demo corpus comes from

`corpus.jsonl.zst`: {len(ordered):,} documents, {sum(texts[text] * size(text) for text in texts):,} bytes of text, {len(plain):,} bytes of JSONL,
{len(packed):,} bytes compressed (zstd level 19, window 8 MiB). SHA-256 of the JSONL: `{hashlib.sha256(plain).hexdigest()}`.

Built by `python tests/oracle/corpus_demo.py` (Python 3, zstandard {zstandard.__version__}) from real documents of public GitHub repositories,
collected under `../shared/corpora`. Nothing was generated. Every row names its own source (`repository@commit:path`) and
licence; the notices that the licences ask for are in [LICENCES.md](LICENCES.md). Fields: `id`, `text`, `lang` (the source's label), `source`, `licence`.

What was changed: documents longer than 30,000 bytes end at the last paragraph border before that; lines of line-by-line
sources were joined to documents, as the second table says; the order of the documents is that of a hash of their ids. The texts themselves are
as the collection holds them (Markdown, reStructuredText or plain text, front matter removed), defects included: that is what the corpus is for.

{repeats} documents repeat the text of another byte by byte. None was repeated by hand: they are pages that did not
change between two versions, or that stand both in a revision and at the head of a repository.

## Sources

{table(("repository", "commit", "licence", "documents", "bytes"), source_lines)}

`LawRefBook/Laws` holds official texts of the People's Republic of China, outside copyright by article 5 of its Copyright Law. The
novels, histories and poems are in the public domain everywhere; the English novels (published before 1929) are in the United States.
Revisions of one page come from as many commits; PEPs are taken only where their text names the public domain or CC0.

## Sets

{table(("set", "documents", "bytes", "changed"), set_lines)}

## Languages

{table(("lang", "documents", "bytes"), language_lines)}

## Left out

{LEFT_OUT}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=ROOT.parent / "shared/corpora")
    parser.add_argument("--out", type=Path, default=ROOT / "cli/demo")
    arguments = parser.parse_args()
    corpus = build(arguments.corpora)
    ordered, plain, packed = pack(corpus)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "corpus.jsonl.zst").write_bytes(packed)
    (arguments.out / "PROVENANCE.md").write_text(provenance(corpus, ordered, plain, packed), encoding="utf-8")
    notices = ROOT / "cli/demo/LICENCES.md"
    known = notices.read_text(encoding="utf-8") if notices.exists() else ""
    missing = sorted({row["source"].split("@")[0] for row in ordered} - {name for name in re.findall(r"[\w.-]+/[\w.-]+", known)})
    print(f"{len(ordered)} documents, {len(plain)} bytes, {len(packed)} compressed")
    if missing:
        print("without a notice in LICENCES.md:", *missing, sep="\n  ")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
