"""Transformers as judge of which chat template and special tokens a folder holds: writes special_tokens.json.

    python tests/oracle/special_tokens.py --out tests/fixtures/model/generate/special_tokens.json

Needs a Python with transformers 5.23 and tokenizers. Each case has the files of a folder, `tokenizer.json` aside, and the prompt that
`AutoTokenizer.from_pretrained(folder).apply_chat_template` makes of one message with them.
"""

import argparse
import json
import pathlib
import tempfile

import tokenizers
from transformers import AutoTokenizer

TEMPLATE = (
    "{% for name, token in [('bos', bos_token), ('eos', eos_token), ('unk', unk_token), ('pad', pad_token), ('sep', sep_token)] %}"
    "{{ name }}={{ token if token is defined else 'none' }} {% endfor %}{{ messages[0].content }}"
)
MESSAGES = [{"role": "user", "content": "Hi"}]
TOKENS = ["<s>", "</s>", "<unk>", "<pad>", "<t>", "<e>", "Hi"]


def token(text):
    return {"content": text, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}


def cases():
    """Files by name."""
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": {"__type": "AddedToken", **token("</s>")}, "unk_token": None}
    listed = {**config, "added_tokens_decoder": {"0": {**token("<s>"), "special": True}, "1": {**token("</s>"), "special": True}}}
    jinja = {"chat_template.jinja": TEMPLATE}
    map_ = {"special_tokens_map.json": {"eos_token": "<e>", "pad_token": token("<pad>")}}
    yield {"tokenizer_config.json": {**config, "chat_template": TEMPLATE}}
    yield {**jinja, "tokenizer_config.json": config}
    yield {**jinja, "tokenizer_config.json": {**config, "chat_template": "another"}}
    yield {**jinja, "tokenizer_config.json": config, **map_}
    yield {**jinja, "tokenizer_config.json": listed, **map_}
    yield {"tokenizer_config.json": {**config, "chat_template": TEMPLATE}, **map_}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    vocab = {name: number for number, name in enumerate(TOKENS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="<unk>"))
    out = []
    for files in cases():
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                text = content if isinstance(content, str) else json.dumps(content)
                pathlib.Path(folder, name).write_text(text, encoding="utf-8")
            tokenizer.save(str(pathlib.Path(folder, "tokenizer.json")))
            prompt = AutoTokenizer.from_pretrained(folder).apply_chat_template(MESSAGES, tokenize=False)
        out.append({"files": files, "messages": MESSAGES, "prompt": prompt})
    arguments.out.write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
