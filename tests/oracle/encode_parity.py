"""Our ids beside those of `tokenizers` for the same tokenizer.json, of `sentencepiece` for the same .model (both pip), on real text and random
strings.

    python encode_parity.py ENCODE TOKENIZER… -- CORPUS.jsonl.zst… [--random 1000000]

ENCODE is the example `encode` of crate yuan-tokenizer (`cargo build --release -p yuan-tokenizer --example encode`).
Control tokens written out in a text are text (`encode_special_tokens`); for the random strings also parsed. Prints lines
for each tokenizer; exits 1 at the first difference. Needs `tokenizers`, `sentencepiece` and `zstandard`.
"""

import array
import io
import json
import random
import subprocess
import sys
import tempfile

import sentencepiece
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
    real = [text for path in corpora for text in texts_of(path)]
    made = list(random_texts(count))
    for path in tokenizers:
        for parse_special, name, texts in ((False, "real", real), (False, "random", made), (True, "random", made)):
            # A model file alone says nothing of control tokens written out.
            if texts and not (parse_special and path.endswith(".model")):
                compare(encode, path, parse_special, name, texts)


def oracle(path, parse_special):
    """A function from texts to their ids."""
    if path.endswith(".model"):
        model = sentencepiece.SentencePieceProcessor(model_file=path)
        return lambda texts: model.encode(texts, num_threads=2)
    library = Tokenizer.from_file(path)
    library.encode_special_tokens = not parse_special
    return lambda texts: [encoding.ids for encoding in library.encode_batch_fast(texts, add_special_tokens=False)]


def compare(encode, path, parse_special, name, texts):
    flags = ["--parse-special"] if parse_special else []
    size = sum(len(text.encode()) for text in texts)
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/texts.jsonl", "w", encoding="utf-8") as file:
            for text in texts:
                file.write(json.dumps({"text": text}) + "\n")
        run = [encode, path, *flags, "--ids", f"{folder}/ids", f"{folder}/texts.jsonl"]
        report = json.loads(subprocess.run(run, check=True, capture_output=True).stdout)
        ours = array.array("I", open(f"{folder}/ids", "rb").read())
    library = oracle(path, parse_special)
    at = 0
    for start in range(0, len(texts), 512):
        batch = texts[start : start + 512]
        for text, theirs in zip(batch, library(batch)):
            length = ours[at]
            if ours[at + 1 : at + 1 + length].tolist() != theirs:
                print(f"{path}: {text[:300]!r}\n  ours   {ours[at + 1:at + 1 + length].tolist()[:80]}\n  theirs {theirs[:80]}")
                sys.exit(1)
            at += 1 + length
    print(f"{path}: {name}, parse_special={parse_special}, direct={report['direct']}: {len(texts)} texts, {size} bytes, {report['tokens']} tokens, all equal", flush=True)


if __name__ == "__main__":
    main()
