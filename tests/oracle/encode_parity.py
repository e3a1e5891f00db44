"""Our ids beside those of Hugging Face `tokenizers` (pip) for the same tokenizer.json on real text and random strings.

    python encode_parity.py ENCODE TOKENIZER.json… -- CORPUS.jsonl.zst… [--random 1000000]

ENCODE is the example `encode` of crate yuan-tokenizer (`cargo build --release -p yuan-tokenizer --example encode`).
Control tokens written out in a text are text (`encode_special_tokens`) in one pass, parsed in the other. Prints a line
for each tokenizer; exits 1 at the first difference. Needs `tokenizers` and `zstandard`.
"""

import array
import io
import json
import random
import subprocess
import sys
import tempfile

import zstandard
from tokenizers import Tokenizer

SNIPPETS = (
    "a Z the The ing 的 天气 气 很 好 é e\u0301 ß Ω я привет か カタ 한국 한 ไทย हिन्दी العربية 😀 👍🏽 \u3000 \u00a0 \u0085 '"
    " 's 'LL ’ 1 23 2024 ½ ٣ . , ! ?! ， 。 “ ” 《 》 <|im_start|> <|endoftext|> <|eot_id|> <eod> <p> < | > _ \u0000 \ufeff"
    " \uac00\u11a8 \u1100\u1161 \ufb01 \u212b \U00020000 // == -> {} () https://www. .com/ \u200b \u0e33 \u0301 \u3099"
).split(" ") + [" ", "  ", "    ", "\n", "\n\n", "\r\n", "\t"]


def texts_of(path):
    with open(path, "rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file), encoding="utf-8")
        for line in lines:
            yield json.loads(line)["text"]


def random_texts(count):
    numbers = random.Random(20261122)
    for _ in range(count):
        if numbers.random() < 0.2:
            yield "".join(chr(numbers.choice((0x80, 0x800, 0xD800, 0x3100, 0x9FFF)) - 1 - numbers.randrange(0x80)) for _ in range(8))
        else:
            yield "".join(numbers.choices(SNIPPETS, k=numbers.randrange(12)))


def main():
    arguments = sys.argv[1:]
    count = 0
    if "--random" in arguments:
        at = arguments.index("--random")
        count = int(arguments[at + 1])
        del arguments[at : at + 2]
    cut = arguments.index("--")
    encode, tokenizers, corpora = arguments[0], arguments[1:cut], arguments[cut + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        texts = [text for path in corpora for text in texts_of(path)]
        texts += random_texts(count)
        with open(f"{folder}/texts.jsonl", "w", encoding="utf-8") as file:
            for text in texts:
                file.write(json.dumps({"text": text}) + "\n")
        size = sum(len(text.encode()) for text in texts)
        for path in tokenizers:
            for parse_special in (False, True):
                flags = ["--parse-special"] if parse_special else []
                run = [encode, path, *flags, "--ids", f"{folder}/ids", f"{folder}/texts.jsonl"]
                report = json.loads(subprocess.run(run, check=True, capture_output=True).stdout)
                library = Tokenizer.from_file(path)
                library.encode_special_tokens = not parse_special
                ours = array.array("I", open(f"{folder}/ids", "rb").read())
                at = 0
                for start in range(0, len(texts), 512):
                    batch = texts[start : start + 512]
                    for text, theirs in zip(batch, library.encode_batch_fast(batch, add_special_tokens=False)):
                        length = ours[at]
                        if ours[at + 1 : at + 1 + length].tolist() != theirs.ids:
                            print(f"{path}: {text[:300]!r}\n  ours   {ours[at + 1:at + 1 + length].tolist()[:80]}\n  theirs {theirs.ids[:80]}")
                            sys.exit(1)
                        at += 1 + length
                print(f"{path}: parse_special={parse_special}, direct={report['direct']}: {len(texts)} texts, {size} bytes, {report['tokens']} tokens, all equal", flush=True)


if __name__ == "__main__":
    main()
