"""What `transformers` makes of a SentencePiece model with files beside it that name and add tokens.

    python tests/oracle/sentencepiece_companions.py tests/fixtures/sentencepiece/bpe_symbols.model tests/fixtures/sentencepiece/companions.json

Needs transformers 4.40.2 (the slow LlamaTokenizer, which encodes by the C++ library), sentencepiece and protobuf (PyPI).
"""

import json
import pathlib
import shutil
import sys
import tempfile

import transformers
from transformers import LlamaTokenizer

BARE = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
SETS = {
    "roles": {"special_tokens_map.json": BARE},
    # `</s>` gives up its role and becomes text; three are no pieces.
    "like Yuan": {
        "special_tokens_map.json": {**BARE, "eos_token": "<eod>", "additional_special_tokens": ["<sep>", "<mask>", "<FIM_PREFIX>"]},
    },
    "given ids": {
        "special_tokens_map.json": BARE,
        "added_tokens.json": {"<tool>": 3001, "<eod>": 3000},
    },
    "not legacy": {
        "tokenizer_config.json": {"legacy": False, "tokenizer_class": "LlamaTokenizer", "eos_token": "<eod>"},
    },
    "decoder": {
        "tokenizer_config.json": {
            "tokenizer_class": "LlamaTokenizer",
            "added_tokens_decoder": {
                "3000": {"content": "<tool>", "special": False, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False},
                "3001": {"content": "<end>", "special": True, "lstrip": True, "rstrip": True, "single_word": False, "normalized": False},
            },
        },
    },
}
TEXTS = [
    "Hello world", "", " ", "\n", "  two  spaces ", "宝玉道：“好。”", "a<eod>b", "<eod>", "<eod><eod> x", "x <eod> y", "</s> <s> <unk>",
    "<s>begin</s>", "<mask><sep> <sep>x", "<FIM_PREFIX>fn main() {<FIM_SUFFIX>}", "use <tool> now<tool>", "one <end>  two<end>three",
    "<sep", "foo<sep>bar <custom>baz", "1234 é 😀 <eod>\n\n", "林黛玉<eod>贾宝玉 <tool>12",
]


def main(model, out):
    answers = {}
    for name, files in SETS.items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(model, f"{folder}/tokenizer.model")
            for file, content in files.items():
                pathlib.Path(folder, file).write_text(json.dumps(content))
            tokenizer = LlamaTokenizer.from_pretrained(folder, add_bos_token=False, add_eos_token=False)
            answers[name] = {"files": files, "ids": [tokenizer.encode(text) for text in TEXTS]}
    result = {"transformers": transformers.__version__, "texts": TEXTS, "sets": answers}
    pathlib.Path(out).write_text(json.dumps(result, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
