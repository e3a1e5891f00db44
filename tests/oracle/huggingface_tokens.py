"""Writes tests/fixtures/tokenizer/expected.json: the ids that Hugging Face gives for some texts.

    python tests/oracle/huggingface_tokens.py tests/fixtures/tokenizer

Needs a Python with tokenizers and transformers installed. Both libraries must agree, and decode to the text.
"""

import json
import pathlib
import sys

import tokenizers
import transformers

TEXTS = [
    "",
    " ",
    "今天天气很好，我们一起去公园散步。\n",
    "“你吃饭了吗？”他问。《红楼梦》是一部小说……",
    "The quick brown fox jumps over the lazy dog; it's 2024 now, isn't it?  We'LL see 'static.",
    "fn main() {\n    println!(\"{}\", 1 + 22);\n}\n\n\n\ttabs\tand  spaces   ",
    "<p>第一段</p>\n<p>second <b>paragraph</b></p><br/><br /><div class=\"x\">&nbsp;",
    "a literal <eod> and <reserved_7> and <|endoftext|> in a text",
    "价格：￥12.50 ½ ² ①　全角空格\u00a0和 emoji 😀👍🏽 \u200b\ufeff",
    "हिन्दी ภาษาไทย العربية ελληνικά русский 日本語かな 한국어 二〇二四年 café cafe\u0301",
    "\x00\x01\x7f\r\n\r\x85\u2028",
    "龘𠀀𪚥 人名·地名",
]


def main():
    folder = pathlib.Path(sys.argv[1])
    library = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.encode_special_tokens = True
    fast = transformers.AutoTokenizer.from_pretrained(folder)
    cases = []
    for text in TEXTS:
        ids = library.encode(text, add_special_tokens=False).ids
        assert library.decode(ids, skip_special_tokens=False) == text, text
        assert fast.decode(ids, skip_special_tokens=False) == text, text
        if "<eod>" not in text:
            assert fast.encode(text, add_special_tokens=False) == ids, text
        cases.append({"text": text, "ids": ids})
    assert len(fast) == library.get_vocab_size()
    assert fast.convert_tokens_to_ids("<reserved_7>") == library.token_to_id("<reserved_7>")
    assert fast.eos_token == "<eod>"
    expected = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__, "cases": cases}
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
