"""Funnels: what each step of each preset drops of a corpus, and for which reasons.

    python tests/bench/funnels.py [--binary target/release/yuan-data] [--corpora ../shared/corpora] [PATH …]
        [--recipes recipes/gopher.toml …] [--runs tests/bench/runs] [--work target/bench/funnels]

Paths are files or folders of documents, written down relative to the corpora; without any, `docs`: books, laws, articles, manuals and poems,
nearly all of it good text. What a preset drops there is mostly what it costs; how well it tells good from bad is what presets.py measures.
Every recipe of recipes/ but demo.toml runs on the same documents. recipes/code.toml is made for source code: here it shows what its rules do
to prose, which goes through untouched unless it is a copy.

Figures are those of `yuan-data info --json`. Documents are counted as they come into a step, in the order of the recipe; bytes are those of the
text as it was when it was dropped. The rails, which stop a run that drops too much, only warn.

Writes funnels.md and funnels.json. Needs Python 3.11 and nothing else.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What the papers tell of their own data, crawls of the web: not to be expected of books and manuals, and nothing is tuned to it.
PUBLISHED = {
    "yayi2": "100 → 88.9 → 39.6 → 12.6 → 3.3 % of 240 TB, raw to ready (Luo et al. 2023, arXiv:2312.14862), on crawled text, where copies and "
             "boilerplate are most of what there is. Here nearly every document is good and was collected once: what the steps drop is what they cost.",
    "ccnet": "paragraphs that come more than once are 70 % of the text of a snapshot of Common Crawl; of one shard 42 % of the characters are left "
             "when it is held against itself, 28 % against 100 shards of 1,600 (Wenzek et al. 2019, arXiv:1911.00359, sections 3.2 and 4.2): menus, "
             "footers, pages crawled twice. Here a line goes from all documents that share it: refrains, formulas of law and headings among them. "
             "By perplexity its authors cut each language in three equal parts and drop none of them; the recipe drops the last 40 %, the tail of "
             "their tool's cut-offs.",
    "c4": "`en.noclean`, the English pages before all other rules, has 1,063.8 million documents, 6,716 GB; C4 has 364.9 million, 829 GB: 34.3 % of "
          "the documents, 12.3 % of the bytes; without the list of bad words 393.4 million, 37.0 % (dataset card of allenai/c4, made by the code of "
          "Raffel et al. 2020, arXiv:1910.10683; bytes are those of texts, addresses and times). There lines without a full stop at their end are "
          "most of a page; here it is headings, verses and source code, and a poem seldom has five sentences.",
    "refinedweb": "48 % of the documents of Common Crawl are left after addresses, extraction and language, 23 % after the filters, and with the "
                  "copies nearly 90 % are gone (Penedo et al. 2023, arXiv:2306.01116). What spans of 50 tokens take by themselves is told for C4, "
                  "which had been cleaned before: 7.18 % of the tokens (Lee et al. 2022, arXiv:2107.06499). Here nothing was crawled twice: what is "
                  "cut is what good texts share, articles that statutes take from each other, the same answer to two questions, credits, licences and "
                  "quotations, and all copies of each go, the first as well.",
}


def funnel(binary, recipe, paths, folder):
    """One recipe's run: read, steps with what they dropped, kept, languages, warnings."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(
        [binary, "run", recipe, "-o", folder, "--quiet", "--set", f"input.paths={json.dumps([str(path) for path in paths])}",
         "--set", "output.documents=false", "--set", "output.keep_dropped=false", "--set", "rails.stop=false"],
        check=True,
    )
    info = json.loads(subprocess.run([binary, "info", folder, "--json"], check=True, capture_output=True).stdout)
    shutil.rmtree(folder)
    steps, left = [], info["read"]["documents"]
    for step in info["steps"]:
        reasons = sorted(step["dropped"].items(), key=lambda item: (-item[1]["documents"], item[0]))
        dropped = sum(count["documents"] for _, count in reasons)
        steps.append({
            "step": step["name"], "documents": left, "dropped": dropped, "bytes_dropped": sum(count["bytes"] for _, count in reasons),
            "reasons": {reason: count["documents"] for reason, count in reasons},
            "cut": {count["key"]: [count["documents"], count["bytes"]] for count in step["counts"] if count["kind"] == "cut"},
            "cut_out": next(([count["documents"], count["bytes"]] for count in step["counts"] if count["kind"] == "cut_out"), None),
        })
        left -= dropped
    languages = sorted(info["languages"].items(), key=lambda item: (-item[1]["documents"], item[0]))
    return {
        "preset": recipe.stem, "read": info["read"], "set_aside": info["set_aside"], "steps": steps, "kept": info["kept"],
        "languages": {language: count["documents"] for language, count in languages}, "warnings": info["warnings"],
        "seconds": round(sum(info["sweep_seconds"]), 1),
    }


def percent(part, whole):
    return f"{100 * part / whole:.2f} %" if whole else "–"


def table(found):
    read, kept = found["read"], found["kept"]
    lines = [
        f"## {found['preset']}", "",
        f"Kept {kept['documents']:,} of {read['documents']:,} documents ({percent(kept['documents'], read['documents'])}), "
        f"{kept['bytes'] / 1e6:,.1f} of {read['bytes'] / 1e6:,.1f} MB.", "",
        "| step | documents in | dropped | of these | MB dropped | reasons |", "|---|---:|---:|---:|---:|---|",
    ]
    for step in found["steps"]:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in step["reasons"].items())
        if step.get("cut"):
            (documents, _), (units, size) = step["cut"]["documents"], step["cut"]["units"]
            reasons += f"{'; ' if reasons else ''}{units:,} places, {size / 1e6:,.2f} MB, cut out of {documents:,} documents"
        if step.get("cut_out"):
            documents, size = step["cut_out"]
            reasons += f"{'; ' if reasons else ''}{size / 1e6:,.2f} MB cut out of {documents:,} documents"
        lines.append(
            f"| {step['step']} | {step['documents']:,} | {step['dropped']:,} | {percent(step['dropped'], step['documents'])} | "
            f"{step['bytes_dropped'] / 1e6:,.2f} | {reasons} |"
        )
    if found["preset"] in PUBLISHED:
        lines += ["", f"Published: {PUBLISHED[found['preset']]}"]
    if found["set_aside"]:
        lines += ["", f"Set aside, because they are no documents: {json.dumps(found['set_aside'], ensure_ascii=False)}"]
    if found["languages"]:
        lines += ["", "Kept by language: " + ", ".join(f"{language} {count:,}" for language, count in found["languages"].items())]
    if found["warnings"]:
        lines += ["", "Warnings of the rails:", ""] + [f"- {warning}" for warning in found["warnings"]]
    return lines + [""]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="*", help="files or folders of documents")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/yuan-data")
    parser.add_argument("--corpora", type=Path, default=ROOT / "../shared/corpora")
    parser.add_argument("--recipes", type=Path, nargs="*", default=None)
    parser.add_argument("--runs", type=Path, default=ROOT / "tests/bench/runs")
    parser.add_argument("--work", type=Path, default=ROOT / "target/bench/funnels")
    options = parser.parse_args()
    corpora = options.corpora.resolve()
    paths = [path.resolve() for path in options.paths] or [corpora / "docs"]
    named = [str(path.relative_to(corpora)) if path.is_relative_to(corpora) else path.name for path in paths]
    recipes = options.recipes or [path for path in sorted((ROOT / "recipes").glob("*.toml")) if path.stem != "demo"]
    options.work.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([options.binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    record = {
        "date": str(datetime.date.today()), "machine": f"{platform.machine()}, {os.cpu_count()} cores", "version": version, "paths": named,
        "funnels": [],
    }
    for recipe in recipes:
        print(recipe.stem, flush=True)
        record["funnels"].append(funnel(options.binary, recipe, paths, options.work / recipe.stem))
    folder = options.runs / f"{record['date']}-{platform.machine()}-{os.cpu_count()}cores"
    if options.recipes and (folder / "funnels.json").is_file():
        # Those of the day that were not run again stay.
        known = json.loads((folder / "funnels.json").read_text(encoding="utf-8"))["funnels"]
        again = {found["preset"]: found for found in record["funnels"]}
        record["funnels"] = [again.pop(found["preset"], found) for found in known] + list(again.values())
    lines = ["# Funnels", "", __doc__.split("\n\n", 2)[2].rsplit("\n\n", 1)[0], "",
             f"{record['date']}; {version}; {record['machine']}. Documents: {', '.join(f'`{name}`' for name in named)}.", ""]
    for found in record["funnels"]:
        lines += table(found)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "funnels.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    (folder / "funnels.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(folder / "funnels.md")


if __name__ == "__main__":
    main()
