"""Writes tests/fixtures/pretokenize/expected.json: how pip's `tokenizers` cuts real text and every character.

    python tests/oracle/huggingface_pieces.py tests/fixtures/pretokenize [../shared/corpora/web/FILE.jsonl.zst ...]

For every `pre_tokenizer` in kinds.json: over the bundled corpus (cli/demo/corpus.jsonl.zst, the first 120 texts) and
over every character in a context, the number of pieces and a sum of their ends in bytes from the start of the text
(FNV-1a, an end at a time). Texts of further files named are compared by their sums alone, printed.
"""

import json
import pathlib
import sys

import tokenizers
import zstandard


def ends(tokenizer, text):
    """Ends in bytes of the pieces of a text, from their offsets in characters."""
    pieces = tokenizer.pre_tokenize_str(text)
    places = [0]
    for char in text:
        places.append(places[-1] + len(char.encode()))
    # Bytes of one character may be pieces apart only where a pattern sees bytes, which none here does.
    return [places[end] for _, (start, end) in pieces if end > start]


def summed(tokenizer, texts):
    count, fnv = 0, 0xCBF29CE484222325
    for text in texts:
        for end in ends(tokenizer, text):
            count += 1
            fnv = ((fnv ^ end) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return {"pieces": count, "fnv": f"{fnv:016x}"}


def rows(path):
    data = zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read().decode()
    return [json.loads(line)["text"] for line in data.splitlines() if line]


def characters():
    chars = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    for first in range(0, 0x32000, 64):
        yield "".join(f"a{it}b 中{it}{it} {it}1 '{it}x\n  {it}A!{it}" for it in chars[first : first + 64])


def main():
    folder = pathlib.Path(sys.argv[1])
    kinds = json.loads((folder / "kinds.json").read_text())
    corpus = rows(pathlib.Path(__file__).parents[2] / "cli/demo/corpus.jsonl.zst")[:120]
    expected = {}
    for name, value in kinds.items():
        whole = {"version": "1.0", "pre_tokenizer": value, "model": {"type": "BPE", "vocab": {}, "merges": []}}
        cutter = tokenizers.Tokenizer.from_str(json.dumps(whole)).pre_tokenizer
        expected[name] = {"corpus": summed(cutter, corpus), "characters": summed(cutter, characters())}
        for path in sys.argv[2:]:
            print(name, path, summed(cutter, rows(pathlib.Path(path))))
    answer = {"tokenizers": tokenizers.__version__, "kinds": expected}
    (folder / "expected.json").write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
