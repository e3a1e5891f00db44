"""How well KenLM, fastText, the neural model and all together tell good text from bad, and what each costs.

    python tests/bench/quality_scores.py --binary target/release/yuan-data --corpora ../shared/corpora [--moe bundled] [--out FILE.md]

The quality-labelled set: snippets of sources that are `high` (wiki, books, laws, manuals, news) or `low` (reviews, comments, spam, page
boilerplate), equally long: a proxy, not people's judgement. Two halves without a common kind of source, as in
tests/fixtures/scores/MEASUREMENTS.md. What learns from labels (fastText, the combination) learns from one half and is measured on the other;
KenLM and the neural model learn from no labels. The combination is a logistic regression over the three scores, each made a rank of its half
and language first; in its half, fastText's scores are those of a classifier that did not see the document.

Area under the curve: the probability that a high snippet has the better score than a low one, ties counting half (Mann and Whitney). Intervals:
95 %, by DeLong's variance. Cost: wall time of `score` on text of the set over and over, of two sizes, so that loading is taken out.
Needs numpy.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

HALF_A = {"classic novels", "technical", "wikipedia", "books", "hotel reviews", "takeaway reviews", "tweets (hate/offensive)"}
SCORES = {"kenlm": ("kenlm_bits_per_byte", -1), "moe": ("moe_bits_per_byte", -1), "fasttext": ("high", 1)}


def read(path):
    """The documents of a file."""
    text = subprocess.run(["zstd", "-dcq", "--long=27", path], check=True, capture_output=True).stdout if path.suffix == ".zst" else path.read_bytes()
    return [json.loads(line) for line in text.splitlines()]


def ranks(values):
    """Ranks from 1, the mean of those that are equal."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.searchsorted(ordered, ordered, side="left")
    last = np.searchsorted(ordered, ordered, side="right")
    found = np.empty(len(values))
    found[order] = (first + last + 1) / 2
    return found


def area(good, bad):
    """Area under the curve, and half of its interval."""
    both = ranks(np.concatenate([good, bad]))
    over_bad = (both[: len(good)] - ranks(good)) / len(bad)
    under_good = 1 - (both[len(good) :] - ranks(bad)) / len(good)
    variance = over_bad.var(ddof=1) / len(good) + under_good.var(ddof=1) / len(bad)
    return over_bad.mean(), 1.96 * np.sqrt(variance)


def fit(features, labels, steps=50):
    """Weights of a logistic regression with a constant, by Newton's method with a ridge of 1."""
    inputs = np.hstack([features, np.ones((len(features), 1))])
    weights = np.zeros(inputs.shape[1])
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        gradient = inputs.T @ (labels - chance) - weights
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def run(binary, *arguments):
    subprocess.run([binary, *map(str, arguments), "-q"], check=True)


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def scored(binary, folder, rows, name, *options):
    """The rows with the columns that `score` adds."""
    source = write(folder / f"{name}.jsonl", rows)
    run(binary, "score", source, "-o", folder / name, *options)
    found = [row for file in sorted((folder / name / "out").glob("*.zst")) for row in read(file)]
    return {row["id"]: row for row in found}


def classified(binary, folder, learn, rows, name):
    """fastText's probability of `high`, learnt from other rows."""
    source = write(folder / f"{name}-learn.jsonl", learn)
    model = folder / f"{name}.bin"
    run(binary, "train-fasttext", source, "--label-field", "label", "--group-field", "group", "-o", model, "--holdout", "0")
    return scored(binary, folder, rows, f"{name}-scored", "--fasttext", f"high={model}:__label__high")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/yuan-data")
    parser.add_argument("--corpora", type=Path, default=Path("../shared/corpora"))
    parser.add_argument("--moe", default="bundled")
    parser.add_argument("--examples", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="take every so manieth snippet, for a try")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [row for language in ("zh", "en") for row in read(options.corpora / "quality" / f"quality_{language}.jsonl.zst")[:: options.every]]
    half = {row["id"]: "A" if row["kind"] in HALF_A else "B" for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        plain = scored(options.binary, folder, rows, "plain", "--kenlm", "bundled", "--moe", options.moe)
        values = {id: {name: sign * row.get(column) for name, (column, sign) in SCORES.items() if row.get(column) is not None} for id, row in plain.items()}
        folds = {}
        for own, other in ("AB", "BA"):
            learn, test = ([row for row in rows if half[row["id"]] == it] for it in (own, other))
            for id, row in classified(options.binary, folder, learn, test, f"from{own}").items():
                values[id]["fasttext"] = row["high"]
            # In its own half: five parts by document, each scored by what the others teach.
            part = lambda row: sum(row["group"].encode()) % 5
            for fold in range(5):
                of, rest = ([row for row in learn if (part(row) == fold) == is_own] for is_own in (True, False))
                for id, row in classified(options.binary, folder, rest, of, f"fold{own}{fold}").items():
                    folds[id] = row["high"]
        lines = ["| | " + " | ".join(f"{language}, half {it}" for language in ("zh", "en") for it in "AB") + " |", "|---|---|---|---|---|"]
        table = {name: [] for name in (*SCORES, "cascade", "combination")}
        disagree, counts = [], []
        for language in ("zh", "en"):
            chosen = [row for row in rows if row["lang"] == language and len(values.get(row["id"], {})) == 3]
            by_half = {it: [row for row in chosen if half[row["id"]] == it] for it in "AB"}
            ranked = {}
            for it, members in by_half.items():
                columns = [np.array([values[row["id"]][name] for row in members]) for name in SCORES]
                ranked[it] = np.stack([ranks(column) / len(members) - 0.5 for column in columns], axis=1)
            for it, other in ("AB", "BA"):
                members, learn = by_half[it], by_half[other]
                good = np.array([row["label"] == "high" for row in members])
                for place, name in enumerate(SCORES):
                    table[name].append(area(ranked[it][good, place], ranked[it][~good, place]))
                # The neural model puts the middle half of KenLM's order in its own.
                fast, slow = ranked[it][:, 0], ranked[it][:, 1]
                zone = np.digitize(fast, [-0.25, 0.25])
                joined = 2 * zone + np.where(zone == 1, slow, fast)
                table["cascade"].append(area(joined[good], joined[~good]))
                counts.append(f"{good.sum()} and {(~good).sum()}")
                own = ranked[other].copy()
                own[:, list(SCORES).index("fasttext")] = ranks(np.array([folds[row["id"]] for row in learn])) / len(learn) - 0.5
                weights = fit(own, np.array([row["label"] == "high" for row in learn], dtype=float))
                joined = ranked[it] @ weights[:-1]
                table["combination"].append(area(joined[good], joined[~good]))
                gap = ranked[it][:, 0] - ranked[it][:, 1]
                # Hateful text is counted, not shown.
                shown = [place for place in np.argsort(gap) if not any(word in members[place]["kind"] for word in ("offensive", "hate"))]
                for place in shown[: options.examples] + shown[::-1][: options.examples]:
                    disagree.append((language, members[place], values[members[place]["id"]], gap[place]))
        names = {"kenlm": "KenLM, bits per byte", "moe": "neural model, bits per byte", "fasttext": "fastText, learnt from the other half", "cascade": "KenLM, its middle half by the neural model", "combination": "all three, weighed on the other half"}
        for name, found in table.items():
            lines.append(f"| {names[name]} | " + " | ".join(f"{mean:.3f} ± {wide:.3f}" for mean, wide in found) + " |")
        lines.append("| good and bad snippets | " + " | ".join(counts) + " |")
        lines += ["", "Where KenLM and the neural model differ most (ranks in their half; negative: the neural model likes it better):", "", "| language | label | kind | KenLM bits | neural bits | difference of ranks | text |", "|---|---|---|---|---|---|---|"]
        for language, row, value, gap in disagree:
            text = " ".join(row["text"].split())[:60].replace("|", "\\|")
            lines.append(f"| {language} | {row['label']} | {row['kind']} | {-value['kenlm']:.2f} | {-value['moe']:.2f} | {gap:+.2f} | {text} |")
        lines += ["", "| cost | s per GB of text |", "|---|---|"]
        bits = np.array([row["kenlm_bits_per_byte"] for row in plain.values() if row.get("kenlm_bits_per_byte") is not None])
        low, high = np.quantile(bits, [0.25, 0.75])
        neural = ["--moe", options.moe]
        ways = {
            "KenLM (bundled)": ["--kenlm", "bundled"],
            "fastText (bundled)": ["--fasttext", "bundled"],
            "neural model": neural,
            "neural model, products of bf16": [*neural, "--precision", "bf16"],
            "KenLM, its middle half by the neural model": ["--kenlm", "bundled", *neural, "--uncertain", f"kenlm_bits_per_byte={low}..{high}"],
        }
        for name, way in ways.items():
            seconds, sizes = [], []
            for times in (1, 3) if "neural" in name else (4, 20):
                many = [row | {"id": f"{copy}/{row['id']}"} for copy in range(times) for row in rows[::7 if "neural" in name else 1]]
                source = write(folder / f"cost{times}.jsonl", many)
                sizes.append(sum(len(row["text"].encode()) for row in many))
                start = time.monotonic()
                run(options.binary, "score", source, "-o", folder / f"cost-{list(ways).index(name)}-{times}", *way)
                seconds.append(time.monotonic() - start)
            lines.append(f"| {name} | {(seconds[1] - seconds[0]) / (sizes[1] - sizes[0]) * 1e9:,.0f} |")
    report = "\n".join(lines) + "\n"
    if options.out:
        options.out.write_text(report)
    print(report)


if __name__ == "__main__":
    main()
