"""The work of fastText and KenLM, ours beside the C++ tools, interleaved in one run.

    python tests/bench/models.py --fasttext fasttext --kenlm FOLDER_OF_TOOLS [--examples target/release/examples]
        [--corpora ../shared/corpora] [--rounds 3] [--megabytes 40] [--runs tests/bench/runs] [--work target/bench/models]

Needs Python 3.11, zstandard, fastText's command line, KenLM's `lmplz`, `build_binary` and `query`, and our examples:

    cargo build --release -p yuan-fasttext -p yuan-kenlm --examples

The text is documents of the corpora, Chinese by character and English by word, lower case. Every figure is the least of the rounds in
processor seconds (user and system) and in seconds on the clock; the programs take turns within a round. What a program needs to start and
to load its model (the same run on an empty text) is taken off predictions and queries. Outputs are compared before anything is timed:
predictions, scores and ARPA files must be equal.

The C++ programs query and predict with one thread. What they do with two is measured as two processes, each with half of
the text, started at once; their memory is the sum, though they share the pages of a mapped model.

Writes models.md and models.json.
"""

import argparse
import datetime
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path

import zstandard

ROOT = Path(__file__).resolve().parents[2]
UNIT = re.compile(r"[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+|\d+|[^\w\s]")


def documents(path):
    decoder = zstandard.ZstdDecompressor(max_window_size=2**27 + 1)
    for row in io.TextIOWrapper(decoder.stream_reader(path.open("rb")), encoding="utf-8"):
        if row.strip():
            yield json.loads(row)


def tokens(text):
    return [" ".join(UNIT.findall(line.lower())) for line in text.split("\n") if line.strip()]


def write_texts(corpora, work, megabytes):
    """zh.txt, en.txt (a sentence a line), train.txt and test.txt (labelled snippets)."""
    for language, files in {"zh": ["zh_lctt", "zh_laws", "zh_novels"], "en": ["en_nltk", "en_books", "en_peps"]}.items():
        with (work / f"{language}.txt").open("w", encoding="utf-8") as out:
            for name in files:
                left = megabytes * 1_000_000 // len(files)
                for document in documents(corpora / f"docs/{name}.jsonl.zst"):
                    lines = "\n".join(line for line in tokens(document["text"]) if line) + "\n"
                    out.write(lines)
                    left -= len(lines.encode())
                    if left < 0:
                        break
    with (work / "train.txt").open("w", encoding="utf-8") as train, (work / "test.txt").open("w", encoding="utf-8") as test:
        for language in ("zh", "en"):
            for document in documents(corpora / f"quality/quality_{language}.jsonl.zst"):
                line = f"__label__{document['label']} " + " ".join(tokens(document["text"])) + "\n"
                held = hashlib.md5(document["group"].encode()).digest()[0] < 50
                (test if held else train).write(line)
    # Predictions are of many lines, so that loading is little beside them.
    for language in ("zh", "en"):
        whole, size = megabytes * 500_000, 0
        parts = [(work / f"{language}.{name}").open("wb") for name in ("lines", "first", "second")]
        with (work / f"{language}.txt").open("rb") as text:
            for line in text:
                if size + len(line) > whole:
                    break
                parts[0].write(line)
                parts[1 if size < whole // 2 else 2].write(line)
                size += len(line)
        for part in parts:
            part.close()
    (work / "empty").write_bytes(b"")


def run(*commands, stdin=None, stdout=None):
    """Runs programs side by side: seconds of the processor, on the clock, and the greatest memory in MB, all in sum."""
    start = time.monotonic()
    processes = []
    for number, command in enumerate(commands):
        source = stdin[number] if isinstance(stdin, list) else stdin
        out = open(stdout, "wb") if stdout else subprocess.DEVNULL
        reader = open(source, "rb") if source else subprocess.DEVNULL
        processes.append((command, subprocess.Popen(command, stdin=reader, stdout=out, stderr=subprocess.DEVNULL)))
    cpu = memory = 0.0
    for command, process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command} ended with {process.returncode}")
        cpu += usage.ru_utime + usage.ru_stime
        memory += usage.ru_maxrss / 1024
    return {"cpu": cpu, "wall": time.monotonic() - start, "mb": memory}


def measure(rounds, programs):
    """Programs in turn; each a function from a round to figures. The least of each."""
    best = {}
    for _ in range(rounds):
        for name, program in programs.items():
            now = program()
            known = best.setdefault(name, now)
            best[name] = {key: max(known[key], now[key]) if key == "mb" else min(known[key], now[key]) for key in now}
    return best


def net(full, empty):
    """What is left of a run when what it takes on an empty text is taken off."""
    return {"cpu": max(full["cpu"] - empty["cpu"], 1e-3), "wall": max(full["wall"] - empty["wall"], 1e-3), "mb": full["mb"]}


def digest(path):
    # Never a file as a whole: the memory of this process when it starts a program counts as the program's.
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def same(one, other, what):
    if digest(one) != digest(other):
        raise SystemExit(f"{what}: the outputs differ: {one}, {other}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fasttext", default="fasttext")
    parser.add_argument("--kenlm", type=Path, required=True)
    parser.add_argument("--examples", type=Path, default=ROOT / "target/release/examples")
    parser.add_argument("--corpora", type=Path, default=ROOT / "../shared/corpora")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=40)
    parser.add_argument("--runs", type=Path, default=ROOT / "tests/bench/runs")
    parser.add_argument("--work", type=Path, default=ROOT / "target/bench/models")
    options = parser.parse_args()
    work, ours, theirs = options.work, options.examples, options.kenlm
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    write_texts(options.corpora, work, options.megabytes)
    rows = []

    def add(what, best, peer):
        for name, figures in best.items():
            ratio = {key: best[peer][key] / figures[key] for key in ("cpu", "wall")}
            rows.append({"task": what, "program": name, **figures, "ratio_cpu": ratio["cpu"], "ratio_wall": ratio["wall"]})
            print(what, name, {key: round(value, 3) for key, value in figures.items()}, f"{ratio['cpu']:.2f}x CPU, {ratio['wall']:.2f}x wall", flush=True)

    def compare(what, programs, on_nothing, speed, amount):
        full, empty = measure(options.rounds, programs), measure(options.rounds, on_nothing)
        best = {name: net(full[name], empty[name]) for name in full}
        for figures in best.values():
            figures[speed] = amount / figures["cpu"]
        names = list(best)
        for pair in (names[:2], names[2:]):
            add(what, {name: best[name] for name in pair}, pair[0])

    # fastText: train.
    common = ["-dim", "100", "-wordNgrams", "2", "-epoch", "10", "-bucket", "1000000", "-lr", "0.1"]

    def train(program, threads, model):
        return lambda: run([program, "supervised", "-input", work / "train.txt", "-output", work / model, "-thread", str(threads), *common])

    programs = {}
    for threads in (1, 2):
        programs[f"C++, {threads} threads"] = train(options.fasttext, threads, f"theirs{threads}")
        programs[f"ours, {threads} threads"] = train(ours / "train", threads, f"ours{threads}")
    best = measure(options.rounds, programs)
    same(work / "theirs1.bin", work / "ours1.bin", "training with one thread")
    for threads in (1, 2):
        add(f"fastText train, {threads} threads", {name: best[name] for name in best if f"{threads} threads" in name}, f"C++, {threads} threads")
    subprocess.run([options.fasttext, "quantize", "-input", work / "train.txt", "-output", work / "theirs1", "-qnorm"], check=True, capture_output=True)

    # fastText: predict.
    for kind in ("bin", "ftz"):
        model = work / f"theirs1.{kind}"
        for language in ("zh", "en"):
            lines = work / f"{language}.lines"
            run([options.fasttext, "predict-prob", model, lines, "1"], stdout=work / "theirs.out")
            run([ours / "predict", model, lines, "1"], stdout=work / "ours.out")
            same(work / "theirs.out", work / "ours.out", f"predictions of {model}")
            run([ours / "predict", model, lines, "1", "--threads", "2"], stdout=work / "ours.out")
            same(work / "theirs.out", work / "ours.out", f"predictions of {model} by two threads")

            def programs(first, second, whole):
                theirs = lambda text: [options.fasttext, "predict-prob", model, text, "1"]
                mine = lambda threads: [ours / "predict", model, whole, "1", "--threads", threads]
                return {
                    "C++": lambda: run(theirs(whole)), "ours": lambda: run(mine("1")),
                    "C++, 2 processes": lambda: run(theirs(first), theirs(second)), "ours, 2 threads": lambda: run(mine("2")),
                }  # fmt: skip

            megabytes = lines.stat().st_size / 1e6
            halves = work / f"{language}.first", work / f"{language}.second"
            compare(f"fastText predict, .{kind}, {language}", programs(*halves, lines), programs(*[work / "empty"] * 3), "mb_per_cpu_s", megabytes)

    # KenLM: estimate.
    for language in ("zh", "en"):
        text = work / f"{language}.txt"
        arpa = {"C++": work / "theirs.arpa", "ours, 1 thread": work / "ours1.arpa", "ours, 2 threads": work / "ours2.arpa"}
        common = ["-o", "5", "--prune", "0", "0", "1", "-S", "1G"]
        commands = {
            "C++": [theirs / "lmplz", *common, "-T", work / "tmp"],
            "ours, 1 thread": [ours / "lmplz", *common, "-T", work, "--threads", "1"],
            "ours, 2 threads": [ours / "lmplz", *common, "-T", work, "--threads", "2"],
        }
        best = measure(options.rounds, {name: lambda n=name, c=c: run(c, stdin=text, stdout=arpa[n]) for name, c in commands.items()})
        same(arpa["C++"], arpa["ours, 1 thread"], "the ARPA file")
        same(arpa["C++"], arpa["ours, 2 threads"], "the ARPA file")
        add(f"KenLM estimate, order 5, {language} ({text.stat().st_size / 1e6:.0f} MB)", best, "C++")

        # KenLM: build and query.
        queries = work / f"{language}.lines"
        for kind, flags in {"probing": ["probing"], "trie": ["trie"], "trie -q 8 -b 8 -a 22": ["-q", "8", "-b", "8", "-a", "22", "trie"]}.items():
            model = work / "model.bin"
            run([theirs / "build_binary", *flags, arpa["C++"], model])
            run([ours / "build_binary", *flags, arpa["C++"], work / "ours.bin"])
            same(model, work / "ours.bin", f"the {kind} model")
            run([theirs / "query", "-v", "sentence", model], stdin=queries, stdout=work / "theirs.out")
            run([ours / "query", "-v", "sentence", model], stdin=queries, stdout=work / "ours.out")
            same(work / "theirs.out", work / "ours.out", f"scores of {kind}")
            run([ours / "query", "-v", "sentence", "-t", "2", model], stdin=queries, stdout=work / "ours.out")
            same(work / "theirs.out", work / "ours.out", f"scores of {kind} by two threads")

            def programs(first, second, whole):
                program = [theirs / "query", "-v", "summary", model]
                mine = lambda threads: [ours / "query", "-v", "summary", "-t", threads, model]
                return {
                    "C++": lambda: run(program, stdin=whole), "ours": lambda: run(mine("1"), stdin=whole),
                    "C++, 2 processes": lambda: run(program, program, stdin=[first, second]),
                    "ours, 2 threads": lambda: run(mine("2"), stdin=whole),
                }  # fmt: skip

            with queries.open("rb") as text:
                count = sum(len(line.split()) + 1 for line in text)
            halves = work / f"{language}.first", work / f"{language}.second"
            compare(f"KenLM query, {kind}, {language}", programs(*halves, queries), programs(*[work / "empty"] * 3), "tokens_per_cpu_s", count)
        for path in arpa.values():
            path.unlink()

    date = datetime.date.today().isoformat()
    folder = options.runs / f"{date}-{platform.machine()}-{os.cpu_count()}cores"
    folder.mkdir(parents=True, exist_ok=True)
    record = {"date": date, "machine": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg(), "rounds": options.rounds, "rows": rows}
    (folder / "models.json").write_text(json.dumps(record, indent=1) + "\n")
    lines = ["# Models beside their C++ tools", "", *(__doc__.strip().split("\n")[9:-2]), ""]
    lines += [f"{date}; {platform.machine()}, {os.cpu_count()} cores; load at the end {os.getloadavg()[0]:.1f}; least of {options.rounds} rounds.", ""]
    lines += ["| task | program | CPU s | wall s | peak MB | | C++ ÷ it, CPU | wall |", "|---|---|---:|---:|---:|---:|---:|---:|"]
    for row in rows:
        speed = ""
        if "mb_per_cpu_s" in row:
            speed = f"{row['mb_per_cpu_s']:.1f} MB/CPU-s"
        if "tokens_per_cpu_s" in row:
            speed = f"{row['tokens_per_cpu_s'] / 1e6:.2f} M tokens/CPU-s"
        lines.append(
            f"| {row['task']} | {row['program']} | {row['cpu']:.2f} | {row['wall']:.2f} | {row['mb']:.0f} | {speed} | {row['ratio_cpu']:.2f} | {row['ratio_wall']:.2f} |"
        )
    (folder / "models.md").write_text("\n".join(lines) + "\n")
    print(folder / "models.md")


main()
