"""Encoding speed beside other encoders with the same vocabulary: MB of text for each CPU second, one thread.

    python tokenizers.py ENCODE TOKENIZER.json OUT.md NAME=CORPUS_FOLDER…

ENCODE is the example `encode` of crate yuan-tokenizer; corpora are folders of `part-*.jsonl.zst` as `end_to_end.py` makes
them. Peers are what is installed of tokenizers, tiktoken, riptoken, fastokens, tokie, gigatok (pip). Each is loaded once
and encodes all documents one after the other, in this process, which is bound to one CPU; reading the corpus is not
counted. Their token counts stand in the table: where a peer's differs from ours, it does something else. tiktoken and
riptoken get the vocabulary's ranks and, as special tokens, its added tokens.
"""

import glob
import io
import json
import os
import subprocess
import sys
import time

# This file's own folder would hide the package of the same name.
sys.path.pop(0)

import zstandard  # noqa: E402


def documents(folder):
    texts = []
    for path in sorted(glob.glob(f"{folder}/part-*.jsonl.zst")):
        with open(path, "rb") as file:
            lines = io.TextIOWrapper(zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file), encoding="utf-8")
            texts += [json.loads(line)["text"] for line in lines]
    return texts


def byte_of():
    """GPT-2's characters for bytes, turned round."""
    known = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in known]
    return {chr(byte): byte for byte in known} | {chr(0x100 + at): byte for at, byte in enumerate(rest)}


def ranks(file):
    """The model's tokens by their bytes, the added tokens, the pattern."""
    bytes_of = byte_of()
    added = {token["content"]: token["id"] for token in file["added_tokens"]}
    vocab = {token: id for token, id in file["model"]["vocab"].items() if token not in added}
    encoder = {bytes(bytes_of[char] for char in token): id for token, id in vocab.items()}
    return encoder, added, file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]


def peer(name, path, file):
    """A function from a text to its ids."""
    allowed = {token["content"] for token in file["added_tokens"] if not token["special"]}
    if name == "tokenizers":
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(path)
        tokenizer.encode_special_tokens = True
        return lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    if name == "tiktoken":
        import tiktoken

        encoder, added, pattern = ranks(file)
        tokenizer = tiktoken.Encoding("bench", pat_str=pattern, mergeable_ranks=encoder, special_tokens=added)
        return lambda text: tokenizer.encode(text, allowed_special=allowed, disallowed_special=())
    if name == "riptoken":
        import riptoken

        encoder, added, pattern = ranks(file)
        tokenizer = riptoken.CoreBPE(encoder, {token: id for token, id in added.items() if token in allowed}, pattern)
        return lambda text: tokenizer.encode(text, allowed)
    if name == "fastokens":
        from fastokens import Tokenizer

        tokenizer = Tokenizer.from_file(path)
        return lambda text: tokenizer.encode(text, add_special_tokens=False)
    if name == "tokie":
        import tokie

        tokenizer = tokie.Tokenizer.from_json(path)
        return lambda text: tokenizer.encode(text, add_special_tokens=False)
    if name == "gigatok":
        import gigatok

        tokenizer = gigatok.Tokenizer(path)
        return tokenizer.encode
    raise ValueError(name)


def measure(encode, texts):
    started = time.process_time()
    tokens = sum(len(getattr(ids, "ids", ids)) for ids in map(encode, texts))
    return time.process_time() - started, tokens


def ours(binary, path, folder, threads, cpus):
    files = sorted(glob.glob(f"{folder}/part-*.jsonl.zst"))
    run = ["taskset", "-c", cpus, binary, path, "--rounds", "3", "--threads", str(threads), *files]
    return json.loads(subprocess.run(run, check=True, capture_output=True).stdout)


def main():
    binary, path, out, *corpora = sys.argv[1:]
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
    cpus = sorted(os.sched_getaffinity(0))
    file = json.load(open(path, encoding="utf-8"))
    rows = {}
    columns = []
    for corpus in corpora:
        name, folder = corpus.split("=")
        os.sched_setaffinity(0, cpus)
        texts = documents(folder)
        size = sum(len(text.encode()) for text in texts)
        columns.append(f"{name} ({size / 1e6:.0f} MB)")
        one = ours(binary, path, folder, 1, str(cpus[0]))
        two = ours(binary, path, folder, 2, f"{cpus[0]},{cpus[-1]}")
        rows.setdefault("yuan-tokenizer", []).append((one["mb_per_cpu_second"], one["tokens"]))
        rows.setdefault("yuan-tokenizer, two threads (MB per second)", []).append((two["mb_per_second"], two["tokens"]))
        rows.setdefault("yuan-tokenizer, one thread (MB per second)", []).append((one["mb_per_second"], one["tokens"]))
        os.sched_setaffinity(0, {cpus[0]})
        for peer_name in ("fastokens", "gigatok", "tokie", "riptoken", "tiktoken", "tokenizers"):
            try:
                encode = peer(peer_name, path, file)
                seconds, tokens = measure(encode, texts)
                rows.setdefault(peer_name, []).append((size / 1e6 / seconds, tokens))
            except Exception as problem:  # noqa: BLE001 — whatever a peer cannot do is a cell of the table
                rows.setdefault(peer_name, []).append((None, f"{type(problem).__name__}: {str(problem)[:60]}"))
            print(peer_name, name, rows[peer_name][-1], flush=True)
    lines = ["| MB of text for each CPU second | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for name, cells in rows.items():
        lines.append(f"| {name} | " + " | ".join(f"{speed:.1f} ({tokens:,} tokens)" if speed else str(tokens) for speed, tokens in cells) + " |")
    with open(out, "w", encoding="utf-8") as table:
        table.write("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
