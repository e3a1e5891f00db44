"""Yuan 2.0's text preprocessing and fill-in-the-middle, read anew from its published procedure; holds `tokenize --compat yuan` against it.

    python yuan_preprocess.py texts CORPUS.jsonl.zst… -o FOLDER [--bytes N]     Yuan text files of real documents, with hostile lines between
    python yuan_preprocess.py check MODEL FOLDER WRITTEN [--index zero|documents] [--tokenizer transformers|sentencepiece]
                                    [--fim-rate R --fim-spm-rate R --fim-seed N] [--loss-mask]
    python yuan_preprocess.py golden MODEL CORPUS.jsonl.zst -o FILE             what FIM makes of the first 300 documents

`check` compares each .bin and .idx in WRITTEN byte by byte with what it makes of the file in FOLDER itself: text mode of Python, its `str`
methods, NumPy's RandomState, and either `LlamaTokenizer` (transformers 4.40.2, the slow one) or `sentencepiece` alone for what is between
control tokens. It exits 1 at the first difference. Needs `numpy`, `sentencepiece`, `xxhash`, `zstandard`.
"""

import argparse
import io
import itertools
import json
import multiprocessing
import os
import random
import re
import struct
import sys

import numpy as np
import sentencepiece
import xxhash
import zstandard

ADDED = (
    "<sep> <pad> <mask> <predict> <FIM_SUFFIX> <FIM_PREFIX> <FIM_MIDDLE> <commit_before> <commit_msg> <commit_after>"
    " <jupyter_start> <jupyter_text> <jupyter_code> <jupyter_output> <empty_output>"
).split()
SEED = 20261123


def documents(paths):
    for path in paths:
        with open(path, "rb") as file:
            stream = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file)
            for line in io.TextIOWrapper(stream, encoding="utf-8"):
                yield json.loads(line)["text"]


# --- texts ---------------------------------------------------------------------------------------------------------------------------

MARKS = ["<n>", "<n>", "▃", "[SEP]", "<sep>", " ", "  ", "\t", "\u3000", "\u2028", "\u0085", "\x0b", "\x0c", "\x1c", "\x1f", "\u00a0", "\u200b", "\ufeff"]
MARKS += ["<", "n>", "[SE", "P]", "<▃n>", "[S▃EP]", "<eod>", "</s>", "<s>", "<unk>", "<FIM_MIDDLE>", "<pad>", "\0", "▁", "<0x0A>", "😀", "汉字", "a1", "<n", "\U00020000"]
MARKS = [mark.encode() for mark in MARKS] + [b"\xff", b"\xe4\xb8", b"\xf0\x9f\x98", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80"]
ENDS = [b"\n"] * 12 + [b"\r\n", b"\r\n", b"\r", b"\r\r\n", b"\n\n", b"\r\xff\n"]


def write_texts(arguments):
    """Documents as lines, cut into files; one line in ten is hostile, some real ones are broken."""
    numbers = random.Random(SEED)
    os.makedirs(os.path.join(arguments.out, "deeper"), exist_ok=True)
    written, number, file = 0, 0, None
    for text in documents(arguments.corpora):
        if file is None or file.tell() > 24_000_000:
            if file:
                file.close()
            folder = os.path.join(arguments.out, "deeper") if number % 2 else arguments.out
            file = open(os.path.join(folder, f"part-{number}{['', '.txt', '.data'][number % 3]}"), "wb")
            number += 1
        line = bytearray(text.replace("\r", "").replace("\n", "<n>").encode())
        dice = numbers.random()
        if dice < 0.1:
            at = numbers.randrange(len(line) + 1)
            line[at:at] = numbers.choice(MARKS)
        elif dice < 0.15:
            middle = re.search("[。.?？]<n>".encode(), bytes(line))
            if middle:
                line[middle.end() : middle.end()] = numbers.choice([b"<sep>", b"[SEP]"])
        file.write(bytes(line) + numbers.choice(ENDS))
        if numbers.random() < 0.2:
            file.write(b"".join(numbers.choices(MARKS, k=numbers.randrange(9))) + numbers.choice(ENDS))
        written += len(line)
        if written > arguments.bytes:
            break
    file.close()
    with open(os.path.join(arguments.out, "left_out.py.txt"), "w") as other:
        other.write("no data\n")
    with open(os.path.join(arguments.out, ".only-returns"), "wb") as other:
        other.write(b"one\rtwo<n>\r\r\rthree")
    open(os.path.join(arguments.out, "empty"), "wb").close()
    print(f"{number + 2} files, {written} bytes of documents")


# --- the procedure -------------------------------------------------------------------------------------------------------------------


def sample_of(line):
    """The document of a line of a file in text mode; None where there is none."""
    if line == "\n":
        return None
    if line.startswith("<n>"):
        line = line[3:]
    text = line.strip().replace("\r", "").replace("\n", "")
    text = text.replace("<n>", "\n").replace("▃", "").replace("[SEP]", "<sep>")
    return text if text.strip("\n") else None


class Pieces:
    """The model, cut at control tokens."""

    def __init__(self, path):
        self.model = sentencepiece.SentencePieceProcessor(model_file=path)
        names = ["<unk>", "<s>", "<eod>"] + ADDED
        self.ids = {}
        for name in names:
            piece = self.model.piece_to_id(name)
            known = piece != self.model.unk_id() or name == self.model.id_to_piece(self.model.unk_id())
            self.ids[name] = piece if known else self.model.get_piece_size() + sum(id >= self.model.get_piece_size() for id in self.ids.values())
        self.cut = re.compile("(" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + ")")

    def encode(self, text):
        ids = []
        for part in self.cut.split(text):
            if part in self.ids:
                ids.append(self.ids[part])
            elif part:
                ids.extend(self.model.encode(part))
        return ids

    def decode(self, ids):
        """Control tokens by their names, without spaces of anybody's making."""
        names = {id: name for name, id in self.ids.items()}
        runs = [list(run) for _, run in itertools.groupby(ids, key=lambda id: names.get(id))]
        return "".join(names[run[0]] * len(run) if run[0] in names else self.model.decode(run) for run in runs)


class Transformers:
    """The tokenizer as Yuan's program loads it."""

    def __init__(self, path):
        import transformers

        assert transformers.__version__ == "4.40.2", transformers.__version__
        folder = os.path.dirname(path)
        self.library = transformers.LlamaTokenizer.from_pretrained(folder, add_eos_token=False, add_bos_token=False, eos_token="<eod>")
        self.library.add_tokens(ADDED, special_tokens=True)
        self.ids = {name: self.library.convert_tokens_to_ids(name) for name in ["<eod>"] + ADDED}

    def encode(self, text):
        return self.library.encode(text)


def turn_round(numbers, rate, spm_rate, ids, text_of, encode, names, length=None, pad=None):
    """A sample turned round; `text_of` gives its text if it is needed. With `length`, cut or padded to it."""
    if not numbers.binomial(1, rate):
        return None
    text = text_of()
    one, other = sorted(numbers.randint(0, len(text) + 1, size=2))
    prefix, middle, suffix = (encode(part) for part in (text[:one], text[one:other], text[other:]))
    if length is not None:
        excess = len(prefix) + len(middle) + len(suffix) + 3 - length
        if excess > 0:
            if len(suffix) <= excess:
                return None
            suffix = suffix[:-excess]
        else:
            suffix = suffix + [pad] * -excess
    before, behind, between = (names[name] for name in ("<FIM_PREFIX>", "<FIM_SUFFIX>", "<FIM_MIDDLE>"))
    if numbers.binomial(1, spm_rate):
        return [before, behind, *suffix, between, *prefix, *middle]
    return [before, *prefix, behind, *suffix, between, *middle]


# --- check ---------------------------------------------------------------------------------------------------------------------------


def start(model, which, fim):
    global TOKENIZER, FIM
    TOKENIZER = Transformers(model) if which == "transformers" else Pieces(model)
    FIM = fim


def encode_line(numbered):
    row, line = numbered
    text = sample_of(line)
    if text is None:
        return None
    turned = None
    if FIM:
        rate, spm_rate, seed = FIM
        numbers = np.random.RandomState(xxhash.xxh3_64_intdigest(struct.pack("<Q", row), seed=seed) & 0xFFFFFFFF)
        turned = turn_round(numbers, rate, spm_rate, None, lambda: text, TOKENIZER.encode, TOKENIZER.ids)
    ids = turned if turned is not None else TOKENIZER.encode(text)
    return np.array(ids + [TOKENIZER.ids["<eod>"]], dtype="<i4").tobytes()


def raw_rows(path):
    """The number, from 0, of each line of text mode among the lines of the bytes: they differ where bytes between `\\r` and `\\n` go."""
    data = open(path, "rb").read()
    starts = [0] + [end.end() for end in re.finditer(rb"\r\n|\r|\n", data)]
    rows = []
    for row, (first, end) in enumerate(zip(starts, starts[1:] + [len(data)])):
        joined = data[first - 1 : first] == b"\r" and end - first > 1 and data[first:end].decode("utf-8", "ignore") == "\n"
        if not joined:
            rows.append(row)
    return rows


def index_of(lengths, size, code, documents):
    lengths = np.array(lengths, dtype="<i4")
    pointers = np.zeros(len(lengths), dtype="<i8")
    np.cumsum(lengths[:-1].astype("<i8") * size, out=pointers[1:]) if len(lengths) else None
    bounds = np.arange(len(lengths) + 1, dtype="<i8") if documents else np.zeros(1, dtype="<i8")
    head = b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, code, len(lengths), len(bounds))
    return head + lengths.tobytes() + pointers.tobytes() + bounds.tobytes()


def check(arguments):
    fim = (arguments.fim_rate, arguments.fim_spm_rate, arguments.fim_seed) if arguments.fim_rate else None
    total = [0, 0, 0]
    paths = sorted(os.path.join(root, name) for root, _, names in os.walk(arguments.folder) for name in names if ".py" not in name)
    expected = set()
    with multiprocessing.Pool(2, start, (arguments.model, arguments.tokenizer, fim)) as pool:
        start(arguments.model, "sentencepiece", fim)
        sep = TOKENIZER.ids["<sep>"]
        for path in paths:
            with open(path, encoding="utf-8", errors="ignore") as file:
                lines = list(file)
            rows = raw_rows(path)
            assert len(rows) in (len(lines), len(lines) + 1), (path, len(rows), len(lines))
            found = [ids for ids in pool.imap(encode_line, zip(rows, lines), 30) if ids is not None]
            prefix = os.path.join(arguments.written, os.path.basename(path) + "_document_context")
            expected |= {prefix + ".bin", prefix + ".idx", prefix + ".json"}
            compare(prefix + ".bin", b"".join(found))
            compare(prefix + ".idx", index_of([len(ids) // 4 for ids in found], 4, 4, arguments.index == "documents"))
            if arguments.loss_mask:
                masks = []
                for ids in found:
                    ids = np.frombuffer(ids, dtype="<i4").tolist()
                    prompt = ids.index(sep) if sep in ids else 0
                    masks.append(bytes([0] * prompt + [1] * (len(ids) - prompt)))
                compare(prefix + "_loss_mask.bin", b"".join(masks))
                compare(prefix + "_loss_mask.idx", index_of([len(mask) for mask in masks], 1, 1, arguments.index == "documents"))
                expected |= {prefix + "_loss_mask.bin", prefix + "_loss_mask.idx"}
            total[0] += os.path.getsize(path)
            total[1] += len(found)
            total[2] += sum(map(len, found)) // 4
    others = {os.path.join(arguments.written, name) for name in os.listdir(arguments.written)} - expected
    if others:
        sys.exit(f"unexpected: {sorted(others)}")
    print(f"{len(paths)} files, {total[0]} bytes, {total[1]} documents, {total[2]} tokens: all bytes equal")


def compare(path, theirs):
    ours = open(path, "rb").read()
    if ours != theirs:
        at = next((at for at, (one, other) in enumerate(zip(ours, theirs)) if one != other), min(len(ours), len(theirs)))
        sys.exit(f"{path}: {len(ours)} bytes, expected {len(theirs)}; they differ from byte {at} on")


# --- golden --------------------------------------------------------------------------------------------------------------------------


def told(ids):
    """Tokens and their FNV-1a hash (64 bits, over the ids as u32)."""
    hashed = 0xCBF29CE484222325
    for byte in np.array(ids, dtype="<u4").tobytes():
        hashed = (hashed ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return [len(ids), f"{hashed:016x}"]


def golden(arguments):
    pieces = Pieces(arguments.model)
    rate, spm_rate, seed, length = 0.5, 0.5, 1234, 256
    eod, pad = pieces.ids["<eod>"], pieces.ids["<pad>"]
    texts = [text for _, text in zip(range(300), documents(arguments.corpora))]
    # As `decode` of a training step: what is a control token in a text is none here.
    encoded = [pieces.model.encode(text) for text in texts]
    permute = lambda numbers, ids, **more: turn_round(numbers, rate, spm_rate, ids, lambda: pieces.decode(ids), pieces.encode, pieces.ids, **more)
    numbers = np.random.RandomState(seed)
    free = [told(ids if (out := permute(numbers, ids)) is None else out) for ids in encoded]
    numbers = np.random.RandomState(seed)
    fixed = [told(ids if (out := permute(numbers, ids, length=len(ids), pad=pad)) is None else out) for ids in encoded]
    packed = [eod] + [id for ids in encoded for id in ids + [eod]]
    numbers = np.random.RandomState(seed)
    samples = []
    for first in range(0, len(packed), length):
        sample = packed[first : first + length]
        out = []
        bounds = [at for at, id in enumerate(sample) if id == eod]
        at = 0
        for bound in bounds + [None]:
            piece = sample[at:bound]
            if piece or bound is None:
                turned = permute(numbers, piece)
                out += piece if turned is None else turned
                out += [] if bound is None else [eod]
            at = None if bound is None else bound + 1
        out = out[: len(sample)] + [pad] * (len(sample) - len(out))
        samples.append(told(out))
    result = {"rate": rate, "spm_rate": spm_rate, "seed": seed, "sample_tokens": length, "ids": {name: pieces.ids[name] for name in ["<eod>"] + ADDED}}
    with open(arguments.out, "w") as file:
        rows = lambda values: "[\n  " + ",\n  ".join(json.dumps(value) for value in values) + "\n ]"
        head = json.dumps(result, indent=1)[:-2]
        file.write(f'{head},\n "free": {rows(free)},\n "to_length": {rows(fixed)},\n "samples": {rows(samples)}\n}}\n')


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("texts")
    command.add_argument("corpora", nargs="+")
    command.add_argument("-o", "--out", required=True)
    command.add_argument("--bytes", type=int, default=1 << 60)
    command.set_defaults(run=write_texts)
    command = commands.add_parser("check")
    for name in ("model", "folder", "written"):
        command.add_argument(name)
    command.add_argument("--index", default="zero", choices=["zero", "documents"])
    command.add_argument("--tokenizer", default="sentencepiece", choices=["sentencepiece", "transformers"])
    command.add_argument("--fim-rate", type=float, default=0)
    command.add_argument("--fim-spm-rate", type=float, default=0.5)
    command.add_argument("--fim-seed", type=int, default=1234)
    command.add_argument("--loss-mask", action="store_true")
    command.set_defaults(run=check)
    command = commands.add_parser("golden")
    command.add_argument("model")
    command.add_argument("corpora", nargs=1)
    command.add_argument("-o", "--out", required=True)
    command.set_defaults(run=golden)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
