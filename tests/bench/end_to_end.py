"""Runs yuan-data and its peers on the same corpus in one go and writes what each needed.

    python tests/bench/end_to_end.py [--binary target/release/yuan-data] [--tokenizer tokenizer.json] [--megabytes 100]
        [--slow-megabytes 10] [--only NAME…] [--repeat 1] [--work target/bench] [--runs tests/bench/runs]

Needs Linux and a Python with zstandard, datatrove, spacy, jieba, rensa, tokenizers, megatron-core and torch installed; a peer that is not
installed is reported as such and the rest goes on. See README.md for what is compared and how it is measured.
"""

import argparse
import ctypes
import datetime
import glob
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

import zstandard

import mixed_corpus

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
THREADS = "2"

# How our binary is called: the only lines to change when a flag changes.
OURS = {
    "yuan-data clean": "{binary} clean {inputs} -o {out}/kept --threads " + THREADS,
    "yuan-data dedup": "{binary} dedup {inputs} -o {out}/kept --method minhash --threads " + THREADS,
    "yuan-data dedup, not verified": "{binary} dedup {inputs} -o {out}/kept --method minhash --threshold 0 --threads " + THREADS,
    # With measures every rule is asked about every document, also about those that another one drops; all are written.
    "yuan-data rules": "{binary} run {here}/all_rules.toml -o {out}/kept --quiet --threads " + THREADS
    + ' --set output.measures="sidecar" --set input.paths={paths}',
    "yuan-data tokenize": "{binary} tokenize {inputs} -o {out}/tokens --tokenizer {tokenizer} --threads " + THREADS,
}
# What runs, on which corpus ("slow": the small one, for peers that would take an hour; "zh" and "en": documents of one language).
RUNS = [
    ("clean", "yuan-data clean", "full"),
    ("clean", "yuan-data clean", "slow"),
    ("clean", "datatrove-clean-en", "slow"),
    ("clean", "datatrove-clean-whitespace", "slow"),
    ("clean", "datatrove-clean-mixed", "slow"),
    ("rules", "yuan-data rules", "full"),
    ("rules", "yuan-data rules", "full zh"),
    ("rules", "yuan-data rules", "full en"),
    ("rules", "yuan-data rules", "slow zh"),
    ("rules", "datatrove-rules-zh", "slow zh"),
    ("rules", "yuan-data rules", "slow en"),
    ("rules", "datatrove-rules-en", "slow en"),
    ("dedup", "yuan-data dedup", "full"),
    ("dedup", "yuan-data dedup, not verified", "full"),
    ("dedup", "rensa-minhash", "full"),
    ("dedup", "yuan-data dedup", "slow"),
    ("dedup", "rensa-minhash", "slow"),
    ("dedup", "datatrove-minhash-en", "slow"),
    ("dedup", "datatrove-minhash-mixed", "slow"),
    ("tokenize", "yuan-data tokenize", "full"),
    ("tokenize", "hf-loop", "full"),
    ("tokenize", "yuan-data tokenize", "slow"),
    ("tokenize", "hf-loop", "slow"),
    ("tokenize", "megatron-loop", "slow"),
]
PACKAGES = ("datatrove", "spacy", "jieba", "rensa", "tokenizers", "megatron-core", "torch", "zstandard")
PR_SET_CHILD_SUBREAPER = 36


def resident_bytes(root):
    """Resident memory of a process and all below it, shared pages counted once per process."""
    parents, page = {}, os.sysconf("SC_PAGE_SIZE")
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                with open(f"/proc/{entry.name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
                parents[int(entry.name)] = (int(fields[1]), int(fields[21]) * page)
            except OSError:
                pass  # it ended meanwhile
    total, inside = 0, {root}
    grew = True
    while grew:
        more = {pid for pid, (parent, _) in parents.items() if parent in inside} - inside
        grew = bool(more)
        inside |= more
    for pid in inside & parents.keys():
        total += parents[pid][1]
    return total


def measure(command, log):
    """Wall seconds, CPU seconds (user + system of every process it started), peak resident bytes and exit status."""
    peak, done = [0], threading.Event()
    with open(log, "wb") as file:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, cwd=HERE)

        def watch():
            while not done.is_set():
                peak[0] = max(peak[0], resident_bytes(process.pid))
                done.wait(0.1)

        watcher = threading.Thread(target=watch)
        watcher.start()
        output = process.stdout.read().decode(errors="replace")
        cpu, status = 0.0, 1
        # Processes whose parent is gone come to us (see main), so that a worker pool's time is counted to the end.
        while True:
            try:
                pid, ended, usage = os.wait4(-1, 0)
            except ChildProcessError:
                break
            cpu += usage.ru_utime + usage.ru_stime
            if pid == process.pid:
                status, process.returncode = os.waitstatus_to_exitcode(ended), os.waitstatus_to_exitcode(ended)
                wall = time.monotonic() - start
        done.set()
        watcher.join()
    return {"wall_s": wall, "cpu_s": cpu, "peak_rss_bytes": peak[0], "status": status, "output": output}


def parts(folder):
    return sorted(glob.glob(f"{folder}/*.jsonl.zst"))


def rows(paths):
    for path in paths:
        with open(path, "rb") as file:
            for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding="utf-8", newline="\n"):
                yield json.loads(line)


def kept_rows(out):
    return rows(sorted(path for path in glob.glob(f"{out}/kept/**/*.jsonl.zst", recursive=True) if "rejected" not in path))


def recall(corpus, kept):
    """What became of the planted pairs, given the ids that were kept."""
    counts = {name: [0, 0] for name in ("exact", "near_80", "near_below_60_removed")}
    lost = 0
    with open(f"{corpus}/truth.jsonl") as file:
        for pair in map(json.loads, file):
            alive = (pair["original"] in kept) + (pair["copy"] in kept)
            lost += alive == 0
            key = "exact" if pair["kind"] == "exact" else "near_80" if pair["jaccard"] >= 0.8 else "near_below_60_removed"
            if key == "near_below_60_removed" and pair["jaccard"] >= 0.6:
                continue
            counts[key][0] += alive < 2
            counts[key][1] += 1
    figures = {name: round(found / total, 4) if total else None for name, (found, total) in counts.items()}
    return {"recall_exact": figures["exact"], "recall_near_80": figures["near_80"],
            "removed_below_60": figures["near_below_60_removed"], "both_of_a_pair_lost": lost}


def token_count(prefix):
    """Tokens in a Megatron .bin, from its size and the type code in its index, less one end mark per document."""
    for index in sorted(glob.glob(f"{prefix}*.idx")):
        with open(index, "rb") as file:
            head = file.read(34)
        width = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 8: 2}[head[17]]
        documents = int.from_bytes(head[18:26], "little")
        yield os.path.getsize(index.removesuffix(".idx") + ".bin") // width - documents


def result_of(stage, ours, corpus, out, output):
    """What the run made, to see that it did the work."""
    if stage in ("clean", "rules"):
        return {"documents": sum(1 for _ in kept_rows(out))} if ours else json.loads(output.strip().splitlines()[-1])
    if stage == "dedup":
        kept = {row["id"] for row in kept_rows(out)} if ours else set((Path(out) / "kept.txt").read_text().split())
        return {"kept": len(kept), **recall(corpus, kept)}
    return {"tokens": sum(token_count(f"{out}/tokens"))} if ours else json.loads(output.strip().splitlines()[-1])


def command_for(name, corpus, out, arguments):
    if name in OURS:
        paths = json.dumps(parts(corpus), separators=(",", ":"))
        filled = {"binary": arguments.binary, "inputs": "\0".join(parts(corpus)), "paths": paths, "out": out, "here": HERE,
                  "tokenizer": arguments.tokenizer}
        return [word for piece in OURS[name].split(" ") for word in piece.format(**filled).split("\0")]
    peer = [sys.executable, str(HERE / "peers.py"), name, str(corpus), str(out)]
    return [*peer, str(arguments.tokenizer)] if name.endswith("-loop") else peer


def run(stage, name, corpus, arguments, label):
    out = arguments.work / "out" / f"{name.replace(' ', '-')}-{label}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    figures = measure(command_for(name, corpus, out, arguments), f"{out}.log")
    output = figures.pop("output")
    if figures["status"] == 0:
        figures["result"] = result_of(stage, name in OURS, corpus, out, output)
    else:
        figures["error"] = Path(f"{out}.log").read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
    shutil.rmtree(out, ignore_errors=True)
    return figures


def corpora(arguments):
    """The two corpora, those of one language, and one of a single document that shows what starting up costs."""
    made = {}
    for size, megabytes in (("full", arguments.megabytes), ("slow", arguments.slow_megabytes)):
        for language in ("", "zh", "en"):
            folder = arguments.work / f"corpus-{megabytes:g}mb{language and '-' + language}"
            made[f"{size} {language}".strip()] = folder
            if not (folder / "truth.jsonl").exists():
                # There is not twice as much of one language.
                wanted = min(megabytes, 50) if language else megabytes
                shares = {language: 1.0} if language else mixed_corpus.SHARES
                mixed_corpus.write(folder, *mixed_corpus.build(arguments.corpora, wanted, 1, shares), 4)
    made["one"] = arguments.work / "corpus-one"
    if not made["one"].exists():
        mixed_corpus.write(made["one"], [next(rows(parts(made["slow"])))], [], 1)
    return made


def train_tokenizer(corpus, path):
    """A byte-level BPE of 32,000 entries, by Hugging Face tokenizers, for want of a given one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=32000, special_tokens=["<eod>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator((row["text"] for row in rows(parts(corpus))), trainer)
    tokenizer.save(str(path))


def machine():
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) / 1e6
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "cpu": models[0] if models else platform.machine(), "cores": os.cpu_count(), "memory_gb": round(memory, 1),
        "load_before": round(os.getloadavg()[0], 1), "python": platform.python_version(), "packages": versions,
    }


def summary(record):
    machine_line = f"{record['machine']['cpu']}, {record['machine']['cores']} cores, {record['machine']['memory_gb']} GB"
    packages = ", ".join(f"{name} {version}" for name, version in record["machine"]["packages"].items())
    lines = [
        "# End to end: yuan-data and its peers",
        "",
        f"{record['date']}; {machine_line}; load before {record['machine']['load_before']}; Python {record['machine']['python']}; {packages}.",
        "MB is 10⁶ bytes of text. CPU s is user + system of all processes. Net leaves out what the same run on one document costs (start-up). "
        "Ratio: how many times ours, on the same corpus and by net MB per CPU second.",
        "",
    ]
    for stage in dict.fromkeys(row["stage"] for row in record["rows"]):
        lines += [f"## {stage}", "",
                  "| | corpus MB | wall s | CPU s | MB/CPU s | net MB/CPU s | peak RSS MB | ratio | result |",
                  "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
        for row in (row for row in record["rows"] if row["stage"] == stage):
            size = f"{row['bytes'] / 1e6:.1f}{row['corpus'].removeprefix('full').removeprefix('slow')}"
            if "error" in row:
                lines.append(f"| {row['name']} | {size} | | | | | | | not run: {row['error'][0]} |")
                continue
            result = ", ".join(f"{key} {value}" for key, value in row["result"].items())
            ratio = f"{row['ratio']:.1f}×" if row.get("ratio") else ""
            lines.append(
                f"| {row['name']} | {size} | {row['wall_s']:.1f} | {row['cpu_s']:.1f} | {row['mb_per_cpu_s']:.3f} | "
                f"{row['net_mb_per_cpu_s']:.3f} | {row['peak_rss_bytes'] / 1e6:.0f} | {ratio} | {result} |"
            )
        lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/yuan-data")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json; by default one is trained on the slow corpus")
    parser.add_argument("--megabytes", type=float, default=100.0)
    parser.add_argument("--slow-megabytes", type=float, default=10.0)
    parser.add_argument("--only", nargs="*", help="names of RUNS to run")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each, of which the one with the least CPU time counts")
    parser.add_argument("--work", type=Path, default=ROOT / "target/bench")
    parser.add_argument("--runs", type=Path, default=HERE / "runs")
    parser.add_argument("--corpora", type=Path, default=ROOT.parent / "shared/corpora")
    arguments = parser.parse_args()
    for name in ("binary", "work", "runs", "corpora"):
        setattr(arguments, name, getattr(arguments, name).resolve())
    arguments.work.mkdir(parents=True, exist_ok=True)
    # Orphans of a peer (a fork server's workers) become our children and are waited for.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    record = {"date": datetime.date.today().isoformat(), "machine": machine(), "rows": []}
    folders = corpora(arguments)
    if arguments.tokenizer is None:
        arguments.tokenizer = arguments.work / f"tokenizer-{arguments.slow_megabytes:g}mb.json"
        if not arguments.tokenizer.exists():
            train_tokenizer(folders["slow"], arguments.tokenizer)
    arguments.tokenizer = arguments.tokenizer.resolve()
    sizes = {label: sum(len(row["text"].encode()) for row in rows(parts(folder))) for label, folder in folders.items()}

    start_up = {}
    for stage, name, label in RUNS:
        if arguments.only and name not in arguments.only:
            continue
        row = {"stage": stage, "name": name, "corpus": label, "bytes": sizes[label]}
        record["rows"].append(row)
        if name in OURS and not arguments.binary.exists():
            row["error"] = ["the binary is not built"]
            continue
        if name not in start_up:
            start_up[name] = run(stage, name, folders["one"], arguments, "one")
        tries = [run(stage, name, folders[label], arguments, label) for _ in range(arguments.repeat)]
        row.update(min(tries, key=lambda figures: figures["cpu_s"]))
        if "error" not in row:
            net = max(row["cpu_s"] - start_up[name]["cpu_s"], 1e-3)
            row["start_up_cpu_s"] = start_up[name]["cpu_s"]
            row["mb_per_cpu_s"] = sizes[label] / 1e6 / row["cpu_s"]
            row["net_mb_per_cpu_s"] = sizes[label] / 1e6 / net
        print(f"{stage} {name} {label}: {json.dumps({key: value for key, value in row.items() if key not in ('stage', 'name', 'corpus')})}", flush=True)

    for row in record["rows"]:
        ours = [other for other in record["rows"]
                if other["name"] in OURS and (other["stage"], other["corpus"]) == (row["stage"], row["corpus"]) and "error" not in other]
        if ours and row["name"] not in OURS and "error" not in row:
            row["ratio"] = ours[0]["net_mb_per_cpu_s"] / row["net_mb_per_cpu_s"]
    folder = arguments.runs / f"{record['date']}-{platform.machine()}-{os.cpu_count()}cores"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "end_to_end.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    (folder / "end_to_end.md").write_text(summary(record) + "\n")
    print(folder / "end_to_end.md")


if __name__ == "__main__":
    main()
