"""Tokenizers in other files than tokenizer.json, beside the libraries that own these files: pip tiktoken, gguf, tokenizers.

    python tests/oracle/tokenizer_files.py fixtures tests/fixtures/tokenizer_files
    python tests/oracle/tokenizer_files.py parity ENCODE BINARY RANKS NPM CORPUS.jsonl.zst…

`fixtures` writes small vocabularies, learnt by the trainers of these libraries, and the ids that the libraries give for some texts.
    python tests/oracle/tokenizer_files.py transformers FOLDER… -- CORPUS.jsonl.zst…

`parity` compares ids on whole corpora: ENCODE is the example `encode` of crate yuan-tokenizer, BINARY is yuan-data, RANKS a folder with
{r50k_base,p50k_base,cl100k_base,o200k_base,llama3,qwen}.tiktoken, NPM one with the packages @lenml/tokenizer-{gpt2,llama3,qwen2_5,deepseek_v3}.
`transformers` loads folders of tokenizer.json with its companions: the ids must be those of `tokenizers`, and every reserved slot a special
token, one that text never becomes. Needs tiktoken, gguf, tokenizers, transformers and zstandard.
"""

import array
import base64
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unicodedata

import gguf
import sentencepiece
import tiktoken
import tokenizers
import zstandard
from tiktoken import _educational

TEXTS = [
    "",
    " ",
    "今天天气很好，我们一起去公园散步。\n",
    "“你吃饭了吗？”他问。《红楼梦》是一部小说……",
    "The quick brown fox jumps over the lazy dog; it's 2024 now, isn't it?  We'LL see 'static.",
    "fn main() {\n    println!(\"{}\", 1 + 22);\n}\n\n\n\ttabs\tand  spaces   ",
    "<p>第一段</p> a literal <|endoftext|> and <|tool|> in a text",
    "价格：￥12.50 ½ ² ①　全角空格\u00a0和 emoji 😀👍🏽 \u200b\ufeff",
    "हिन्दी ภาษาไทย العربية ελληνικά русский 日本語かな 한국어 二〇二四年 café",
    "\x00\x01\x7f\r\n\r\x85\u2028",
    "龘𠀀𪚥 人名·地名 aaaaaaaaa      b",
]
CL100K = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
QWEN = CL100K.replace(r"\p{N}{1,3}", r"\p{N}")
SPECIAL = {"<|endoftext|>": 700, "<|im_start|>": 705}


def write_ranks(path, ranks):
    lines = (base64.b64encode(token) + b" %d\n" % rank for token, rank in sorted(ranks.items(), key=lambda it: it[1]))
    path.write_bytes(b"".join(lines))


def byte_level(pattern):
    steps = [
        tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
    return tokenizers.pre_tokenizers.Sequence(steps)


def write_gguf(path, file, pre, model="gpt2"):
    """As llama.cpp's converter does: names, types, merges with spaces between."""
    names = {id: name for name, id in file["model"]["vocab"].items()}
    types = dict.fromkeys(names, gguf.TokenType.NORMAL)
    for token in file["added_tokens"]:
        names[token["id"]] = token["content"]
        types[token["id"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    size = max(names) + 1
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([names.get(id, f"[PAD{id}]") for id in range(size)])
    writer.add_token_types([types.get(id, gguf.TokenType.UNUSED) for id in range(size)])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in file["model"]["merges"]])
    writer.add_eos_token_id(size - 1)
    writer.add_tensor("token_embd.weight", __import__("numpy").zeros((2, 4), dtype="float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_llama_gguf(path, model):
    """As llama.cpp's converter does with a SentencePiece model: pieces, scores, kinds."""
    kinds = gguf.TokenType
    of = ((model.is_unknown, kinds.UNKNOWN), (model.is_control, kinds.CONTROL), (model.is_unused, kinds.UNUSED), (model.is_byte, kinds.BYTE))
    tokens = range(model.vocab_size())
    types = [next((kind for test, kind in of if test(id)), kinds.NORMAL) for id in tokens]
    # The library does not tell user-defined pieces.
    types[model.piece_to_id("<|tool|>")] = kinds.USER_DEFINED
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([model.id_to_piece(id) for id in tokens])
    writer.add_token_scores([model.get_score(id) for id in tokens])
    writer.add_token_types(types)
    writer.add_unk_token_id(model.unk_id())
    writer.add_bos_token_id(model.bos_id())
    writer.add_eos_token_id(model.eos_id())
    writer.add_add_space_prefix(True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def fixtures(folder):
    folder.mkdir(parents=True, exist_ok=True)
    learnt_from = "\n".join(TEXTS * 3) + (pathlib.Path(__file__).parents[2] / "LICENSE").read_text()
    # tiktoken's own trainer, which is slow.
    ranks = _educational.bpe_train(data=learnt_from, vocab_size=600, pat_str=CL100K, visualise=None)
    # Ids may leave gaps.
    ranks = {token: rank if rank < 400 else rank + 5 for token, rank in ranks.items()}
    write_ranks(folder / "educational.tiktoken", ranks)
    companion = {"pattern": "cl100k", "special_tokens": SPECIAL}
    (folder / "educational.tiktoken.json").write_text(json.dumps(companion) + "\n")
    encoding = tiktoken.Encoding("educational", pat_str=CL100K, mergeable_ranks=ranks, special_tokens=SPECIAL)
    plain = [encoding.encode_ordinary(text) for text in TEXTS]
    special = [encoding.encode(text, allowed_special="all") for text in TEXTS]
    # As in vocabularies put together of several: tokens come before what they are made of.
    longer = [token for token in ranks if len(token) > 3 and token[:2] in ranks][:60]
    for token in longer:
        first = token[:2]
        if ranks[first] < ranks[token]:
            ranks[first], ranks[token] = ranks[token], ranks[first]
    write_ranks(folder / "disordered.tiktoken", ranks)
    (folder / "disordered.tiktoken.json").write_text(json.dumps(companion) + "\n")
    encoding = tiktoken.Encoding("disordered", pat_str=CL100K, mergeable_ranks=ranks, special_tokens=SPECIAL)
    disordered = [{"text": text, "ids": encoding.encode_ordinary(text)} for text in TEXTS]
    library = tokenizers.Tokenizer(tokenizers.models.BPE())
    library.pre_tokenizer = byte_level(QWEN)
    library.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=640, min_frequency=2, show_progress=False, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()
    )
    library.train_from_iterator(TEXTS * 3 + [learnt_from], trainer)
    library.add_special_tokens(["<|endoftext|>"])
    library.add_tokens([tokenizers.AddedToken("<|tool|>", normalized=False)])
    write_gguf(folder / "qwen2.gguf", json.loads(library.to_str()), "qwen2")
    library.encode_special_tokens = True
    learnt = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3 + learnt_from.split("\n")), model_writer=learnt, model_type="bpe", vocab_size=640, byte_fallback=True,
        character_coverage=0.98, split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        user_defined_symbols=["<|tool|>"], minloglevel=2, num_threads=1,
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=learnt.getvalue())
    write_llama_gguf(folder / "llama.gguf", model)
    expected = {
        "sentencepiece": sentencepiece.__version__,
        "llama.gguf": [{"text": text, "ids": model.encode(text)} for text in TEXTS],
        "tiktoken": tiktoken.__version__,
        "tokenizers": tokenizers.__version__,
        "educational.tiktoken": [{"text": text, "ids": ids, "ids_with_special": more} for text, ids, more in zip(TEXTS, plain, special)],
        "disordered.tiktoken": disordered,
        "qwen2.gguf": [{"text": text, "ids": library.encode(text, add_special_tokens=False).ids} for text in TEXTS],
    }
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")


def read_texts(paths):
    for path in paths:
        with open(path, "rb") as file:
            lines = io.TextIOWrapper(zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file), encoding="utf-8")
            for line in lines:
                yield json.loads(line)["text"]


def read_ranks(path):
    rows = (line.split() for line in pathlib.Path(path).read_bytes().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in rows}


class Parity:
    def __init__(self, encode, texts, folder):
        self.encode, self.texts, self.folder, self.failed = encode, texts, pathlib.Path(folder), 0
        self.inputs = self.folder / "texts.jsonl"
        with open(self.inputs, "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        self.size = sum(len(text.encode()) for text in texts)

    def ours(self, path):
        out = self.folder / "ids"
        run = subprocess.run([self.encode, path, "--ids", out, self.inputs], check=True, capture_output=True)
        ids, at, found = array.array("I", out.read_bytes()), 0, []
        while at < len(ids):
            found.append(ids[at + 1 : at + 1 + ids[at]].tolist())
            at += 1 + ids[at]
        return found, json.loads(run.stdout)

    def compare(self, name, path, theirs):
        ours, report = self.ours(path)
        different = [at for at, (one, other) in enumerate(zip(ours, theirs)) if one != other]
        self.failed += bool(different) or len(ours) != len(theirs)
        tokens = sum(map(len, theirs))
        where = f"{len(different)} DIFFERENT, first {self.texts[different[0]][:80]!r}" if different else "all equal"
        print(f"{name}: {len(self.texts)} texts, {self.size / 1e6:.1f} MB, {tokens} tokens, direct {report['direct']}: {where}", flush=True)


def parity(encode, binary, ranks, npm, corpora):
    from tiktoken_ext import openai_public

    texts = list(read_texts(corpora)) + TEXTS

    def local(url, expected_hash=None):
        path = pathlib.Path(ranks) / os.path.basename(url)
        assert expected_hash is None or hashlib.sha256(path.read_bytes()).hexdigest() == expected_hash, path
        return read_ranks(path)

    openai_public.load_tiktoken_bpe = local
    with tempfile.TemporaryDirectory() as folder:
        check = Parity(encode, texts, folder)
        for name in ["r50k_base", "p50k_base", "cl100k_base", "o200k_base"]:
            encoding = tiktoken.Encoding(**openai_public.ENCODING_CONSTRUCTORS[name]())
            check.compare(f"{name}.tiktoken", f"{ranks}/{name}.tiktoken", encoding.encode_ordinary_batch(texts))
        for name, pattern in [("llama3", CL100K), ("qwen", QWEN)]:
            encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=read_ranks(f"{ranks}/{name}.tiktoken"), special_tokens={})
            normal = [unicodedata.normalize("NFC", text) for text in texts] if name == "qwen" else texts
            check.compare(f"{name}.tiktoken", f"{ranks}/{name}.tiktoken", encoding.encode_ordinary_batch(normal))
        for name, pre in [("gpt2", "gpt-2"), ("llama3", "llama-bpe"), ("qwen2_5", "qwen2"), ("deepseek_v3", "deepseek-v3")]:
            path = pathlib.Path(npm) / f"tokenizer-{name}/models/tokenizer.json"
            file = json.loads(path.read_text())
            write_gguf(check.folder / f"{name}.gguf", file, pre)
            # llama.cpp normalises nothing; added tokens are found in the text as it is.
            file["normalizer"] = None
            for token in file["added_tokens"]:
                token["normalized"] = False
            library = tokenizers.Tokenizer.from_str(json.dumps(file))
            library.encode_special_tokens = True
            theirs = [encoding.ids for encoding in library.encode_batch_fast(texts, add_special_tokens=False)]
            check.compare(f"{name}.gguf", check.folder / f"{name}.gguf", theirs)
            # And as ranks: tiktoken's ids of what we write.
            out = check.folder / f"{name}.tiktoken"
            run = subprocess.run([binary, "tokenizer", "export", path, "-o", out], capture_output=True, text=True)
            if run.returncode:
                print(f"{name} as ranks: refused: {run.stderr.strip()}")
                continue
            exported(check, name, path, out)
    raise SystemExit(check.failed > 0)


def exported(check, name, path, out):
    """tiktoken with the ranks and the companion that were written, beside `tokenizers` with the original."""
    companion = json.loads(pathlib.Path(f"{out}.json").read_text())
    added = companion.get("added_tokens", {})
    encoding = tiktoken.Encoding(
        name, pat_str=companion["pattern"], mergeable_ranks=read_ranks(out), special_tokens=companion["special_tokens"] | added
    )
    normal = [unicodedata.normalize("NFC", text) for text in check.texts] if companion.get("nfc") else check.texts
    library = tokenizers.Tokenizer.from_file(str(path))
    library.encode_special_tokens = True
    theirs = [encoding.ids for encoding in library.encode_batch_fast(check.texts, add_special_tokens=False)]
    found = encoding.encode_batch(normal, allowed_special=set(added), disallowed_special=())
    different = sum(one != other for one, other in zip(found, theirs))
    check.failed += different > 0
    print(f"{name} as ranks: tiktoken and tokenizers {'DIFFER in ' + str(different) if different else 'agree on all'}", flush=True)
    check.compare(f"{name} as ranks, read again", out, theirs)


def folders(paths, corpora):
    from transformers import AutoTokenizer

    texts = [text for text in list(read_texts(corpora)) + TEXTS if "<|" not in text]
    size = sum(len(text.encode()) for text in texts) / 1e6
    for path in map(pathlib.Path, paths):
        loaded = AutoTokenizer.from_pretrained(path)
        library = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))
        file = json.loads((path / "tokenizer.json").read_text())
        map_file = json.loads((path / "special_tokens_map.json").read_text())
        special = [token["content"] for token in file["added_tokens"] if token["special"]]
        assert set(special) == set(loaded.all_special_tokens), set(special) ^ set(loaded.all_special_tokens)
        assert all(loaded.convert_tokens_to_ids(token["content"]) == token["id"] for token in file["added_tokens"])
        slots = [token for token in special if "reserved" in token]
        assert all(token in map_file["additional_special_tokens"] for token in slots)
        for start in range(0, len(texts), 512):
            batch = texts[start : start + 512]
            theirs = [encoding.ids for encoding in library.encode_batch_fast(batch, add_special_tokens=False)]
            found = loaded(batch, add_special_tokens=False)["input_ids"]
            assert found == theirs, next(text for text, one, other in zip(batch, found, theirs) if one != other)[:200]
        print(f"{path}: {type(loaded).__name__}, {len(loaded)} tokens, {len(special)} special, {len(slots)} slots; {len(texts)} texts, {size:.1f} MB: all ids equal", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "transformers":
        cut = sys.argv.index("--")
        folders(sys.argv[2:cut], sys.argv[cut + 1 :])
    elif sys.argv[1] == "fixtures":
        fixtures(pathlib.Path(sys.argv[2]))
    else:
        parity(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5], sys.argv[6:])
