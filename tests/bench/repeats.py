"""Repeats across a corpus: ours beside datatrove's SentenceDedup and Dolma's deduper, whole commands from files to files.

    python tests/bench/repeats.py CORPUS SMALL [--binary target/release/yuan-data] [--datatrove PYTHON] [--dolma PYTHON] [--work FOLDER]

CORPUS and SMALL are folders of .jsonl.zst (mixed_corpus.py makes them); datatrove, which is too slow for the first, gets SMALL, ours both.
Each command is one process tree, waited for by a process of its own: CPU seconds are user + system of all of it, memory is the
largest of its processes. Prints a table in Markdown.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

OURS = {
    "lines": "repeated_text = {}",
    "lines, as cc_net": 'repeated_text = { compat = "ccnet" }',
    "sentences": 'repeated_text = { unit = "sentence" }',
    "spans of 3 sentences": 'repeated_text = { unit = "span" }',
    "spans of 3, as datatrove": 'repeated_text = { compat = "datatrove" }',
    "paragraphs alike": 'repeated_text = { unit = "paragraph", matching = "similar" }',
    "sentences by prefix and suffix": 'repeated_text = { unit = "sentence", matching = "prefix_and_suffix", affix_characters = 12 }',
    "13-grams": "repeated_ngrams = {}",
    "13-grams, as bff": 'repeated_ngrams = { compat = "dclm" }',
    "13-grams, as Dolma": 'repeated_ngrams = { compat = "dolma" }',
}

DATATROVE = """
import sys, logging
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.pipeline.dedup.sentence_dedup import *
corpus, folder = sys.argv[1:]
read = lambda: JsonlReader(corpus, glob_pattern="*.jsonl.zst", compression="zstd")
c = SentDedupConfig()
for n, steps in enumerate([[read(), SentenceDedupSignature(folder + "/s", config=c)], [SentenceFindDedups(folder + "/s", folder + "/d", config=c)],
                           [read(), SentenceDedupFilter(folder + "/d", config=c), JsonlWriter(folder + "/out", compression="zstd")]]):
    LocalPipelineExecutor(steps, tasks=1, logging_dir=f"{folder}/log{n}").run()
"""


def texts(folder):
    for path in sorted(Path(folder).glob("part-*.jsonl.zst")):
        lines = subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout.split(b"\n")
        yield from (json.loads(line)["text"] for line in lines if line)


def run(command, env=None):
    """CPU seconds, wall seconds and MiB of a command, in a process of its own, so that usage is that of the one tree."""
    code = (
        "import json,resource,subprocess,sys,time;s=time.time();"
        "d=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,stderr=open('/tmp/repeats-bench.log','ab'),stdin=subprocess.DEVNULL);"
        "u=resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(json.dumps([u.ru_utime+u.ru_stime,time.time()-s,u.ru_maxrss/1024,d.returncode]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, command)], check=True, capture_output=True, text=True, env=env)
    cpu, wall, memory, status = json.loads(done.stdout)
    if status:
        sys.exit(f"failed: {command[:3]}, see /tmp/repeats-bench.log")
    return cpu, wall, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("small", type=Path)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/yuan-data")
    parser.add_argument("--datatrove", type=Path)
    parser.add_argument("--dolma", type=Path)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "repeats-bench")
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    sizes = {folder: sum(len(text.encode()) for text in texts(folder)) / 1e6 for folder in (options.corpus, options.small)}
    rows = []

    def row(what, folder, command, env=None):
        cpu, wall, memory = run(command, env)
        rows.append(f"| {what} | {sizes[folder]:.1f} | {cpu:.1f} | {sizes[folder] / cpu:.1f} | {wall:.1f} | {memory:.0f} |")
        print(rows[-1], flush=True)

    print("| what | MB | CPU s | MB / CPU s | s | MiB |\n|---|---:|---:|---:|---:|---:|", flush=True)
    for name, stage in OURS.items():
        recipe = options.work / "recipe.toml"
        recipe.write_text(f"[input]\npaths = [{json.dumps(str(options.corpus))}]\n[[stage]]\n{stage}\n", encoding="utf-8")
        for folder in (options.corpus, options.small):
            if folder == options.small and "datatrove" not in name:
                continue
            paths = json.dumps([str(path) for path in sorted(folder.glob("part-*.jsonl.zst"))])
            out = options.work / "out"
            shutil.rmtree(out, ignore_errors=True)
            row(name, folder, [options.binary, "run", recipe, "-o", out, "--quiet", "--set", f"input.paths={paths}", "--set", "rails.stop=false"])
    if options.datatrove:
        script = options.work / "datatrove_run.py"
        script.write_text(DATATROVE, encoding="utf-8")
        one = options.work / "one"
        one.mkdir()
        for path in options.small.glob("part-*.jsonl.zst"):
            shutil.copy(path, one)
        row("datatrove SentenceDedup", options.small, [options.datatrove, script, one, options.work / "datatrove"])
    if options.dolma:
        place = options.work / "dolma/documents"
        place.mkdir(parents=True)
        with gzip.open(place / "all.jsonl.gz", "wt", encoding="utf-8", compresslevel=1) as file:
            for number, text in enumerate(texts(options.corpus)):
                file.write(json.dumps({"id": str(number), "text": text, "source": "x"}) + "\n")
        row("Dolma, 13-grams, marks only", options.corpus, [
            options.dolma.with_name("dolma"), "dedupe", "--documents", f"{place}/*.gz", "--dedupe.paragraphs.attribute_name", "found",
            "--dedupe.skip_empty", "--dedupe.name", "found", "--dedupe.paragraphs.by_ngram.ngram_length", "13",
            "--dedupe.paragraphs.by_ngram.stride", "1", "--dedupe.paragraphs.by_ngram.overlap_threshold", "0.8",
            "--bloom_filter.file", f"{options.work}/bloom.bin", "--bloom_filter.size_in_bytes", "0",
            "--bloom_filter.estimated_doc_count", "40000000", "--bloom_filter.desired_false_positive_rate", "0.01",
            "--no-bloom_filter.read_only", "--processes", "2",
        ], env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1"})


if __name__ == "__main__":
    main()
