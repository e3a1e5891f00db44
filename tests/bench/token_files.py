"""From documents to token files, and work on token files, beside peers and the machine's own limits, in one run.

    python tests/bench/token_files.py --binary target/release/yuan-data --corpus corpus.jsonl --slow-corpus small.jsonl \
        --tokenizer tokenizer.json --work DIR [--peers-python PYTHON] [--repeat 3]

Documents are JSON lines with `id` and `text`, not compressed, so that everybody reads the same. Every row is the best of `--repeat` runs in
turn; MB are 10^6 bytes of text (or of tokens, where rows say so), seconds are CPU seconds of all processes. Each peer's
tokens are held against ours before its time counts. `--peers-python` has fastokens, tokenizers, megatron-core, datatrove.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

LOOPS = r'''
import json, sys, time, os
import numpy as np
name, source, out, file = sys.argv[1:5]
def texts():
    with open(source, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]
start = os.times()
if name in ("tokenizers-loop", "fastokens-loop"):
    if name == "tokenizers-loop":
        from tokenizers import Tokenizer
        tokenizer = Tokenizer.from_file(file)
        encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
        eod = tokenizer.token_to_id("<eod>")
    else:
        from fastokens import Tokenizer
        tokenizer = Tokenizer.from_file(file)
        encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
        eod = tokenizer.token_to_id("<eod>")
    with open(out + ".bin", "wb") as file_out:
        for text in texts():
            ids = encode(text)
            if len(ids):
                file_out.write(np.asarray(ids, dtype=np.int32).tobytes() + np.int32(eod).tobytes())
elif name == "megatron":
    # As tools/preprocess_data.py: a pool encodes lines with transformers' tokenizer, one process writes.
    import multiprocessing
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder
    def begin():
        global MODEL
        from transformers import PreTrainedTokenizerFast
        MODEL = PreTrainedTokenizerFast(tokenizer_file=file)
        MODEL.eod = MODEL.convert_tokens_to_ids("<eod>")
    def encode(line):
        ids = MODEL(json.loads(line)["text"], add_special_tokens=False).input_ids
        return ids + [MODEL.eod] if ids else []
    builder = IndexedDatasetBuilder(out + ".bin", dtype=np.int32)
    with multiprocessing.Pool(2, initializer=begin) as pool, open(source, encoding="utf-8") as lines:
        for ids in pool.imap(encode, lines, 32):
            if ids:
                builder.add_document(ids, [len(ids)])
        pool.close()
        pool.join()
    builder.finalize(out + ".idx")
'''


def run(command, **more):
    """CPU seconds, seconds and peak MB of a command."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)
    error = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command}: {error.decode(errors='replace')[-600:]}")
    return used.ru_utime + used.ru_stime, time.monotonic() - start, used.ru_maxrss / 1024


def digest(path):
    hashed = hashlib.blake2b()
    with open(path, "rb") as file:
        while block := file.read(1 << 24):
            hashed.update(block)
    return hashed.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--binary", "--corpus", "--slow-corpus", "--tokenizer", "--work"):
        parser.add_argument(name, required=True)
    parser.add_argument("--peers-python", default=sys.executable)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--token-megabytes", type=int, default=1000)
    arguments = parser.parse_args()
    work = pathlib.Path(arguments.work)
    work.mkdir(parents=True, exist_ok=True)
    script = work / "loops.py"
    script.write_text(LOOPS)
    binary = os.path.abspath(arguments.binary)

    def text_megabytes(path):
        return sum(len(json.loads(line)["text"].encode()) for line in open(path, encoding="utf-8")) / 1e6

    sizes = {path: text_megabytes(path) for path in (arguments.corpus, arguments.slow_corpus)}
    small = work / "empty.jsonl"
    small.write_text('{"id":"a","text":"a"}\n')

    def ours(corpus, out, *flags):
        shutil.rmtree(str(out) + ".run", ignore_errors=True)
        return [binary, "tokenize", str(corpus), "-o", str(out), "--tokenizer", arguments.tokenizer, "--dtype", "i32", "--quiet", *flags]

    def peer(name, corpus, out):
        return [arguments.peers_python, str(script), name, str(corpus), str(out), arguments.tokenizer]

    rows = []
    for threads in ("1", "2"):
        rows.append((f"yuan-data tokenize, {threads} threads", arguments.corpus, lambda c, o, t=threads: ours(c, o, "--threads", t)))
    rows.append(("yuan-data tokenize, 1 thread", arguments.slow_corpus, lambda c, o: ours(c, o, "--threads", "1")))
    rows.append(("fastokens, bare loop", arguments.corpus, lambda c, o: peer("fastokens-loop", c, o)))
    rows.append(("fastokens, bare loop", arguments.slow_corpus, lambda c, o: peer("fastokens-loop", c, o)))
    rows.append(("tokenizers, bare loop", arguments.slow_corpus, lambda c, o: peer("tokenizers-loop", c, o)))
    rows.append(("Megatron's preprocess_data.py, 2 workers", arguments.slow_corpus, lambda c, o: peer("megatron", c, o)))
    best, told = {}, []
    for _ in range(arguments.repeat):
        for name, corpus, command in rows:
            out = work / "out"
            try:
                seconds, wall, peak = run(command(corpus, out))
            except Exception as error:
                told.append(f"{name}: {error}")
                continue
            key = (name, corpus)
            start = run(command(small, work / "start"))[0] if key not in best else best[key][3]
            tokens = digest(str(out) + ".bin")
            if key not in best or seconds < best[key][0]:
                best[key] = (seconds, wall, peak, start, tokens)
    print("| | text | CPU s | MB/CPU s | without start-up | peak MB | same tokens |\n|---|---|---|---|---|---|---|")
    for name, corpus, _ in rows:
        if (name, corpus) not in best:
            continue
        seconds, wall, peak, start, tokens = best[(name, corpus)]
        own = best[("yuan-data tokenize, 1 threads" if corpus == arguments.corpus else "yuan-data tokenize, 1 thread", corpus)][4]
        size = sizes[corpus]
        same = "" if name.startswith("yuan") and tokens == own else ("yes" if tokens == own else "no")
        print(f"| {name} | {size:.1f} MB | {seconds:.2f} | {size / seconds:.1f} | {size / max(seconds - start, 1e-3):.1f} | {peak:.0f} | {same} |")
    for line in sorted(set(told)):
        print(f"- {line}")

    # Work on sets: of so many MB of tokens, made by joining what was just written.
    source = work / "out"
    run(ours(arguments.corpus, source))
    megabytes = os.path.getsize(str(source) + ".bin") / 1e6
    copies = max(1, round(arguments.token_megabytes / megabytes))
    large = work / "large"
    join = [binary, "binidx", "concat", *[str(source)] * copies, "-o", str(large), "--quiet"]
    run(join)
    size = os.path.getsize(str(large) + ".bin") / 1e6
    copy = work / "copy.bin"
    ids = work / "ids.txt"
    ids.write_text("".join(json.loads(line)["id"] + "\n" for number, line in enumerate(open(arguments.corpus)) if number % 100 == 0))
    merge = (
        "import sys; from megatron.core.datasets.indexed_dataset import IndexedDataset, IndexedDatasetBuilder; import numpy;"
        "b = IndexedDatasetBuilder(sys.argv[1] + '.bin', dtype=numpy.int32);"
        "[b.add_index(p) for p in sys.argv[2:]]; b.finalize(sys.argv[1] + '.idx')"
    )
    commands = [
        ("cp and sync (the disk)", ["sh", "-c", f"cp {large}.bin {copy} && sync {copy}"]),
        ("concat", join),
        ("Megatron's add_index (start-up included)", [arguments.peers_python, "-c", merge, str(work / "merged"), *[str(source)] * copies]),
        ("verify, 1 thread", [binary, "binidx", "verify", str(large), "--threads", "1"]),
        ("verify, 2 threads", [binary, "binidx", "verify", str(large), "--threads", "2"]),
        ("remove 1 % by id", [binary, "binidx", "remove", str(large), "--ids", str(ids), "-o", str(work / "removed"), "--quiet"]),
        ("shuffle, in memory", [binary, "binidx", "shuffle", str(large), "-o", str(work / "shuffled"), "--memory", "6GiB", "--quiet"]),
        ("shuffle, --memory 256MiB", [binary, "binidx", "shuffle", str(large), "-o", str(work / "shuffled"), "--memory", "256MiB", "--quiet"]),
        ("pack, best fit, 4,096", [binary, "binidx", "pack", str(large), "-o", str(work / "packed"), "--length", "4096", "--pad", "1", "--quiet"]),
        ("convert to .ds", [binary, "binidx", "convert", str(large), "-o", str(work / "converted.ds"), "--quiet"]),
    ]
    found = {}
    for _ in range(arguments.repeat):
        for name, command in commands:
            try:
                seconds, wall, peak = run(command)
            except Exception as error:
                print(f"- {name}: {error}")
                continue
            if name not in found or wall < found[name][1]:
                found[name] = (seconds, wall, peak)
    print(f"\n{size:.0f} MB of tokens, {copies} sets:\n\n| | CPU s | s | MB/CPU s | MB/s | peak MB |\n|---|---|---|---|---|---|")
    for name, _ in commands:
        if name in found:
            seconds, wall, peak = found[name]
            print(f"| {name} | {seconds:.2f} | {wall:.2f} | {size / seconds:.0f} | {size / wall:.0f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
