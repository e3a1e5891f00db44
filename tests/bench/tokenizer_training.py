"""Trains tokenizers on one corpus, ours and the peers', and compares CPU time, memory and what they make of held-out text.

    python tests/bench/tokenizer_training.py target/release/yuan-data CORPUS.jsonl.zst... --vocab-size 81920

Needs a Python with tokenizers, sentencepiece and zstandard. Every tenth document is held out. Each training is a process of its own,
on all cores; CPU seconds are user and system together, memory is the peak. Held-out text is encoded by each one's own library, Chinese
documents (a fifth of the characters Han or more) and others apart.
"""

import argparse
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import zstandard

HAN = re.compile("[\u4e00-\u9fff]")


def documents(paths):
    for path in paths:
        with open(path, "rb") as file:
            for line in io.TextIOWrapper(zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file), "utf-8"):
                yield json.loads(line)["text"]


def train_tokenizers(corpus, out, vocab_size, pre_tokenizer):
    import tokenizers

    file = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "post_processor": None}
    file |= {"pre_tokenizer": json.loads(pre_tokenizer), "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}}
    file["model"] = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None}
    file["model"] |= {"fuse_unk": False, "byte_fallback": False, "vocab": {}, "merges": []}
    library = tokenizers.Tokenizer.from_str(json.dumps(file))
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, show_progress=False, max_token_length=16, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()
    )
    with open(corpus) as lines:
        library.train_from_iterator((json.loads(line)["text"] for line in lines), trainer)
    library.save(out)


def train_sentencepiece(corpus, out, vocab_size):
    import sentencepiece

    with open(corpus) as lines:
        texts = (part for line in lines for part in json.loads(line)["text"].split("\n") if part)
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=texts, model_prefix=out, vocab_size=vocab_size, model_type="bpe", byte_fallback=True, split_digits=True,
            normalization_rule_name="identity", remove_extra_whitespaces=False, max_sentence_length=1 << 20, num_threads=os.cpu_count(), minloglevel=2,
        )


def measured(command):
    before = time.time()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return {"wall_s": round(time.time() - before, 1), "cpu_s": round(usage.ru_utime + usage.ru_stime, 2), "rss_mb": round(usage.ru_maxrss * 1024 / 1e6)}


def lengths(kind, path, texts):
    if kind == "sentencepiece":
        import sentencepiece

        model = sentencepiece.SentencePieceProcessor(model_file=str(path) + ".model")
        # It takes lines; a line break is one byte piece.
        return [sum(len(model.encode(part)) for part in text.split("\n")) + text.count("\n") for text in texts]
    import tokenizers

    library = tokenizers.Tokenizer.from_file(str(path))
    return [len(encoding.ids) for encoding in library.encode_batch(texts, add_special_tokens=False)]


def main():
    if sys.argv[1] == "--train":
        kind, corpus, out, vocab_size, *rest = sys.argv[2:]
        return {"tokenizers": train_tokenizers, "sentencepiece": train_sentencepiece}[kind](corpus, out, int(vocab_size), *rest)
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("corpora", type=pathlib.Path, nargs="+")
    parser.add_argument("--vocab-size", type=int, default=81920)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/tokenizer-training"))
    parser.add_argument("--out", type=pathlib.Path, help="a Markdown file to write")
    arguments = parser.parse_args()
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    corpus, held_out, size = work / "train.jsonl", [], 0
    with open(corpus, "w") as file:
        for number, text in enumerate(documents(arguments.corpora)):
            if number % 10 == 9:
                held_out.append(text)
            else:
                size += len(text.encode())
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    size /= 1e6
    groups = {"zh": [], "other": []}
    for text in held_out:
        groups["zh" if len(HAN.findall(text)) * 5 >= len(text) else "other"].append(text)
    recipes = {
        # As it comes, and with nothing but merges, as the peers have it.
        "yuan-data": "",
        "yuan-data, merges alone": ", special_tokens = [], reserved = 0, html_tags = false, punctuation = false, han_characters = \"none\"",
        "yuan-data, sentencepiece_bpe": ", kind = \"sentencepiece_bpe\", special_tokens = [], reserved = 0, html_tags = false, han_characters = \"none\"",
    }
    runs = []
    for name, settings in recipes.items():
        recipe = work / "recipe.toml"
        recipe.write_text(f'[input]\npaths = ["{corpus}"]\n[output]\ndocuments = false\n[[stage]]\ntrain_tokenizer = {{ vocab_size = {arguments.vocab_size}{settings} }}\n')
        folder = work / name.replace(" ", "-").replace(",", "")
        subprocess.run(["rm", "-rf", folder], check=True)
        figures = measured([arguments.binary.resolve(), "run", recipe, "-o", folder, "--quiet"])
        if "sentencepiece" in name:
            runs.append((name, "sentencepiece", folder / "tokenizer", figures))
        else:
            runs.append((name, "tokenizers", folder / "tokenizer.json", figures))
    pre_tokenizer = json.dumps(json.loads(runs[0][2].read_text())["pre_tokenizer"])
    this = [sys.executable, __file__, "--train"]
    out = work / "huggingface.json"
    runs.append(("tokenizers", "tokenizers", out, measured([*this, "tokenizers", corpus, out, arguments.vocab_size, pre_tokenizer])))
    out = work / "sentencepiece"
    runs.append(("sentencepiece", "sentencepiece", out, measured([*this, "sentencepiece", corpus, out, arguments.vocab_size])))
    for name, _, _, figures in runs:
        print(name, figures, flush=True)
    lines = [
        f"{size:.1f} MB of text, {arguments.vocab_size} tokens; held out: {len(groups['zh'])} Chinese documents, {len(groups['other'])} others.",
        "",
        "| | CPU s | wall s | MB/CPU s | peak RSS MB | bytes per token, zh | bytes per token, others |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, kind, path, figures in runs:
        row = [name, figures["cpu_s"], figures["wall_s"], f"{size / figures['cpu_s']:.2f}", figures["rss_mb"]]
        for texts in groups.values():
            row.append(f"{sum(len(text.encode()) for text in texts) / max(sum(lengths(kind, path, texts)), 1):.4f}")
        lines.append("| " + " | ".join(str(cell) for cell in row) + " |")
    table = "\n".join(lines) + "\n"
    print(table)
    if arguments.out:
        arguments.out.write_text(table)


if __name__ == "__main__":
    main()
