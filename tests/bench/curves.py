"""Recall and precision of near-duplicate removal against the Jaccard similarity of all pairs, thresholds 0.6 to 0.95.

    python tests/bench/curves.py [--corpora ../shared/corpora] [--binary target/release/yuan-data] [--work target/bench/curves] [--runs tests/bench/runs]

Documents: pages in several git revisions and product versions (`shared/corpora/neardup`), and the mixed corpus of this folder
(real documents, a third with an exact copy, a third with sentences dropped and swapped). The similarity of every pair is computed
here, by a product of sparse matrices over sets of 5 consecutive tokens (a CJK, kana or Hangul character, or a run of other word
characters, of the NFC, lower-case text): no LSH, nothing of ours. For each threshold and number of bands:

* resolved (recall): of the pairs as alike as the threshold, those of which not both documents stay;
* as alike (precision): of the documents that go, those as alike to the document kept for them as the threshold.

Writes `curves.md`, `curves.json` and `curves.svg` to `runs/<date>-<machine>/`. Needs numpy, scipy, pyarrow, zstandard, matplotlib.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import time
import unicodedata
from pathlib import Path

import mixed_corpus
import numpy
import pyarrow.parquet
import scipy.sparse
import zstandard

ROOT = Path(__file__).resolve().parents[2]
THRESHOLDS = [0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
BANDS = [(14, 8), (32, 4)]
FLOOR = 0.5  # pairs less alike are of no interest here


def documents(corpora):
    """(language, text) of all documents."""
    for name in ["revisions", "versions"]:
        for row in mixed_corpus.rows(corpora / f"neardup/{name}.jsonl.zst"):
            yield row["lang"], row["text"]
    for row in mixed_corpus.build(corpora, 100.0, 1)[0]:
        if row["lang"] in ("en", "zh"):
            yield row["lang"], row["text"]


def shingle_matrix(texts):
    """A row of ones for each text, over shingles that two texts have; and the number of distinct shingles of each."""
    numbers, indices, indptr, sizes = {}, [], [0], []
    for text in texts:
        tokens = mixed_corpus.TOKEN.findall(unicodedata.normalize("NFC", text).lower())
        found = {hash(tuple(tokens[i : i + 5])) for i in range(max(0, len(tokens) - 4))}
        sizes.append(len(found))
        indices.extend(numbers.setdefault(shingle, len(numbers)) for shingle in found)
        indptr.append(len(indices))
    indices = numpy.array(indices, dtype=numpy.int64)
    counts = numpy.bincount(indices, minlength=len(numbers))
    renumbered = numpy.cumsum(counts > 1) - 1
    keep = counts[indices] > 1
    kept_before = numpy.concatenate([[0], numpy.cumsum(keep)])
    indptr = kept_before[numpy.array(indptr)]
    indices = renumbered[indices[keep]].astype(numpy.int32)
    ones = numpy.ones(len(indices), dtype=numpy.int32)
    return scipy.sparse.csr_matrix((ones, indices, indptr), shape=(len(sizes), int((counts > 1).sum()))), numpy.array(sizes)


def all_pairs(matrix, sizes):
    """{(row, column): similarity} of all pairs as alike as FLOOR, rows before columns."""
    pairs, transposed, step = {}, matrix.T.tocsr(), 500
    for start in range(0, matrix.shape[0], step):
        common = (matrix[start : start + step] @ transposed).tocoo()
        rows, columns, common = common.row + start, common.col, common.data
        later = columns > rows
        rows, columns, common = rows[later], columns[later], common[later]
        similarity = common / (sizes[rows] + sizes[columns] - common)
        high = similarity >= FLOOR
        pairs.update(zip(zip(rows[high].tolist(), columns[high].tolist()), similarity[high].tolist()))
    return pairs


def dropped(binary, source, work, threshold, bands, rows):
    """{document that goes: document kept for it} of one run."""
    recipe = work / "recipe.toml"
    recipe.write_text(
        f'[input]\npaths = ["{source}"]\n[output]\ndocuments = false\n[[stage]]\n'
        f"minhash = {{ threshold = {threshold}, bands = {bands}, rows_per_band = {rows} }}\n"
    )
    out = work / "run"
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run([binary, "run", recipe, "-o", out, "--quiet"], check=True)
    table = pyarrow.parquet.read_table(next((out / "outcomes").glob("*/clusters.parquet"))).to_pydict()
    # One file: a document's id is its number.
    rows = zip(table["doc_id"], table["cluster"], table["kept"])
    return {document: keeper for document, keeper, kept in rows if not kept}


def chart(rows, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "curves"
    import matplotlib.pyplot as pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    for (bands, per_band), style in zip(BANDS, ["-", "--"]):
        for language, colour in [("en", "tab:blue"), ("zh", "tab:red")]:
            mine = [row for row in rows if (row["bands"], row["rows"], row["language"]) == (bands, per_band, language)]
            label = f"{language}, {bands} × {per_band}"
            for axis, key in zip(axes, ["recall", "precision"]):
                axis.plot([row["threshold"] for row in mine], [100 * row[key] for row in mine], style, color=colour, label=label)
    axes[0].set_ylabel("similar pairs resolved, %")
    axes[1].set_ylabel("dropped documents as alike to their keeper, %")
    axes[1].set_ylim(98.9, 100.1)
    for axis in axes:
        axis.set_xlabel("threshold (Jaccard)")
        axis.axvline(0.8, color="grey", linewidth=0.5)
        axis.grid(alpha=0.3)
    axes[0].legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=ROOT.parent / "shared/corpora")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/yuan-data")
    parser.add_argument("--work", type=Path, default=ROOT / "target/bench/curves")
    parser.add_argument("--runs", type=Path, default=ROOT / "tests/bench/runs")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    languages, texts = zip(*documents(arguments.corpora))
    source = (arguments.work / "documents.jsonl").resolve()
    with open(source, "w") as file:
        file.writelines(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    start = time.time()
    pairs = all_pairs(*shingle_matrix(texts))
    brute_force = time.time() - start
    rows = []
    for bands, per_band in BANDS:
        for threshold in THRESHOLDS:
            gone = dropped(arguments.binary.resolve(), source, arguments.work, threshold, bands, per_band)
            for language in ["en", "zh"]:
                similar = [pair for pair, value in pairs.items() if value >= threshold and languages[pair[0]] == language]
                resolved = sum(one in gone or other in gone for one, other in similar)
                mine = [(document, keeper) for document, keeper in gone.items() if languages[document] == language]
                short = [pair for pair in mine if len(texts[pair[0]]) < 60 and texts[pair[0]].split() == texts[pair[1]].split()]
                alike = sum(pairs.get((min(pair), max(pair)), 0.0) >= threshold or pair in short for pair in mine)
                rows.append({
                    "threshold": threshold, "bands": bands, "rows": per_band, "language": language, "similar_pairs": len(similar),
                    "resolved": resolved, "recall": resolved / len(similar), "dropped": len(mine), "precision": alike / len(mine),
                })  # fmt: skip
    count = {language: languages.count(language) for language in ("en", "zh")}
    machine = f"{platform.machine()}-{os.cpu_count()}cores"
    out = arguments.runs / f"{datetime.date.today()}-{machine}"
    out.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Near-duplicates against the similarity of all pairs",
        "",
        "`python tests/bench/curves.py`, which says what the columns are. "
        f"{count['en']} English and {count['zh']} Chinese documents, {sum(len(text.encode()) for text in texts) / 1e6:.0f} MB; "
        f"{len(pairs)} of their {len(texts) * (len(texts) - 1) // 2} pairs are as alike as {FLOOR} or more "
        f"(found by brute force in {brute_force:.0f} s).",
        "",
        "![recall and precision by threshold](curves.svg)",
        "",
        "| threshold | bands × rows | language | similar pairs | resolved | dropped | as alike to the keeper |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['threshold']} | {row['bands']} × {row['rows']} | {row['language']} | {row['similar_pairs']} | "
            f"{100 * row['recall']:.2f} % | {row['dropped']} | {100 * row['precision']:.2f} % |"
        )
    (out / "curves.md").write_text("\n".join(lines) + "\n")
    (out / "curves.json").write_text(json.dumps({"documents": count, "pairs": len(pairs), "rows": rows}, indent=1) + "\n")
    chart(rows, out / "curves.svg")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
