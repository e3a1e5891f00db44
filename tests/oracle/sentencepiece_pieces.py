"""Compares SentencePiece's C++ library with yuan-sentencepiece, line by line.

    python tests/oracle/sentencepiece_pieces.py lines   CORPORA WORK
    python tests/oracle/sentencepiece_pieces.py train   WORK [NAME…]
    cargo build --release -p yuan-sentencepiece --examples
    python tests/oracle/sentencepiece_pieces.py compare WORK target/release/examples/encode [MODEL…]
    python tests/oracle/sentencepiece_pieces.py speed   CORPORA WORK target/release/examples/encode [MODEL…]
    python tests/oracle/sentencepiece_pieces.py fixtures CORPORA tests/fixtures/sentencepiece

Needs sentencepiece 0.2.3, protobuf, numpy and zstandard (PyPI). CORPORA holds `lang/*.txt.zst` (a sentence a line) and
`docs/*.jsonl.zst` (field `text`). `compare` looks at ids, pieces, the bytes of the text that each piece comes from, the
normalized text and what the ids decode to; its table is what tests/fixtures/sentencepiece/CONFORMANCE.md holds.
"""

import json
import pathlib
import random
import resource
import struct
import subprocess
import sys
import time

import sentencepiece
import zstandard
from sentencepiece import sentencepiece_model_pb2 as protos

SPACES = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u200b", "\ufeff", "\u2581", "\u2028", "\u0085", "\u00ad"]
EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🇨🇳", "❤️", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☺", "✈️", "🫠"]
ODD = [
    "", " ", "  ", "\t", "\n", "▁", "▁▁", " ▁ ", "a▁b", "▁a▁", "<s>", "</s>", "<unk>", "<0x41>", "a<s>b", "\x00", "a\x00b",
    "\x01\x02\x7f", "\ufffd", "a\ufffdb", "ﬁ ﬂ ㌔ ㍿ ① ½ ²", "ＡＢＣ　１２３！？，。", "ｶﾞｷﾞ ｶ ﾞ", "e\u0301 é ế", "가 각",
    "İ ı ẞ ß Σς ΑΣ", "﷽ ﷺ", "𠀀𪚥龘", "<mask><sep> <sep>x", "<sep", "foo<sep>bar <custom>baz 東京都京都", "  東京都  ",
    "a" * 300, " " * 50, "ab" * 200, "的" * 200, "1234567890 3.14 1,000", "http://example.com/a?b=c#d", "x\u0300\u0301\u0302y",
    "\u1100\u1161\u11a8", "\u0e33 \u0e4d\u0e32", "क्षि", "\U0010ffff\ue000", "a\u200db", "…‥ — – ―", "“quoted” ‘it’s’", "\u2126\u212b",
]


def read_lines(path):
    with open(path, "rb") as file:
        return zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file).read().decode().split("\n")


def read_documents(path):
    return [json.loads(line)["text"] for line in read_lines(path) if line]


def write_records(path, texts):
    with open(path, "wb") as file:
        for text in texts:
            data = text.encode()
            file.write(struct.pack("<I", len(data)) + data)


def read_records(path):
    data, at, texts = path.read_bytes(), 0, []
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        texts.append(data[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return texts


def damage(text, random):
    """A text with odd spaces, emoji, full-width letters or a piece of another alphabet put in."""
    parts = list(text[:200])
    for _ in range(random.randint(1, 6)):
        parts.insert(random.randint(0, len(parts)), random.choice(SPACES + EMOJI + ODD[:45]))
    return "".join(parts)


def lines(corpora, work):
    """WORK/lines.bin (what is compared) and WORK/train.txt (what models are trained on)."""
    generator = random.Random(20240607)
    by_language = {}
    for path in sorted((corpora / "lang").glob("*.txt.zst")):
        by_language[path.name.split(".")[0]] = [line for line in read_lines(path) if line]
    for name in ["zh_lctt", "zh_laws", "zh_novels", "zh_wikiqa", "en_peps", "en_nltk", "en_wikitext2", "en_books", "multi_otel"]:
        found = []
        for text in read_documents(corpora / "docs" / f"{name}.jsonl.zst"):
            found.extend(line for line in text.split("\n") if line)
        by_language[name] = found
    chosen, training = [], []
    for name, found in by_language.items():
        generator.shuffle(found)
        few = 2200 if name in {"zh", "en", "ja", "th", "ar", "zh_hant", "ko"} or "_" in name else 900
        chosen.extend(found[:few])
        training.extend(line for line in found[few // 2 :][: few * 2] if len(line.encode()) < 4000)
    mixed = [a[: generator.randint(1, 60)] + generator.choice(SPACES) + b[: generator.randint(1, 60)]
             for a, b in zip(generator.sample(chosen, 4000), generator.sample(chosen, 4000))]
    damaged = [damage(text, generator) for text in generator.sample(chosen, 6000)]
    texts = ODD + chosen + mixed + damaged
    write_records(work / "lines.bin", texts)
    generator.shuffle(training)
    (work / "train.txt").write_text("\n".join(training))
    print(f"{len(texts)} lines, {sum(len(text.encode()) for text in texts)} bytes; {len(training)} to train on")


SYMBOLS = ["<sep>", "<mask>", "<custom>", "東京都", "京都", "foo", " x", "ing", "▁the"]
MODELS = {
    "unigram-nmt_nfkc-8k": dict(vocab_size=8000),
    "unigram-nfkc-bytes-8k": dict(vocab_size=8000, normalization_rule_name="nfkc", byte_fallback=True),
    "unigram-nmt_nfkc_cf-2k": dict(vocab_size=2000, normalization_rule_name="nmt_nfkc_cf", character_coverage=0.98),
    "unigram-identity-spaces-4k": dict(vocab_size=4000, normalization_rule_name="identity", remove_extra_whitespaces=False, byte_fallback=True, character_coverage=0.98),
    "unigram-symbols-digits-4k": dict(vocab_size=4000, user_defined_symbols=SYMBOLS, control_symbols=["<ctl>"], split_digits=True, character_coverage=0.98),
    "unigram-suffix-4k": dict(vocab_size=4000, treat_whitespace_as_suffix=True, character_coverage=0.98),
    "unigram-bytes-500": dict(vocab_size=700, byte_fallback=True, character_coverage=0.98, add_dummy_prefix=False, normalization_rule_name="nfkc_cf"),
    "unigram-denormalized-3k": dict(vocab_size=3000, character_coverage=0.98, normalization_rule_tsv="rules.tsv", denormalization_rule_tsv="back.tsv", unk_surface=" <?> ", unk_id=3, bos_id=0, eos_id=1, pad_id=2),
    "unigram-32k": dict(vocab_size=32000),
    "unigram-whitespace-pieces-4k": dict(vocab_size=4000, character_coverage=0.98, allow_whitespace_only_pieces=True, remove_extra_whitespaces=False, split_by_whitespace=False, input_sentence_size=8000),
    "bpe-nmt_nfkc-8k": dict(model_type="bpe", vocab_size=8000),
    "bpe-nfkc-bytes-8k": dict(model_type="bpe", vocab_size=8000, normalization_rule_name="nfkc", byte_fallback=True, character_coverage=0.98),
    "bpe-nmt_nfkc_cf-2k": dict(model_type="bpe", vocab_size=2000, normalization_rule_name="nmt_nfkc_cf", character_coverage=0.98),
    "bpe-identity-spaces-4k": dict(model_type="bpe", vocab_size=4000, normalization_rule_name="identity", remove_extra_whitespaces=False, byte_fallback=True, character_coverage=0.98, allow_whitespace_only_pieces=True, split_digits=True),
    "bpe-symbols-digits-4k": dict(model_type="bpe", vocab_size=4000, user_defined_symbols=SYMBOLS, control_symbols=["<ctl>"], split_digits=True, character_coverage=0.98),
    "bpe-suffix-4k": dict(model_type="bpe", vocab_size=4000, treat_whitespace_as_suffix=True, character_coverage=0.98),
    "bpe-bytes-500": dict(model_type="bpe", vocab_size=700, byte_fallback=True, character_coverage=0.98, add_dummy_prefix=False, normalization_rule_name="nfkc_cf"),
    "bpe-32k": dict(model_type="bpe", vocab_size=32000),
    "bpe-across-spaces-4k": dict(model_type="bpe", vocab_size=4000, character_coverage=0.98, split_by_whitespace=False, split_by_unicode_script=False),
    "word-4k": dict(model_type="word", vocab_size=4000),
    "word-bytes-suffix-5k": dict(model_type="word", vocab_size=5000, byte_fallback=True, treat_whitespace_as_suffix=True),
    "char-4k": dict(model_type="char", vocab_size=4000, use_all_vocab=False),
    "char-bytes-symbols-1k": dict(model_type="char", vocab_size=1000, byte_fallback=True, user_defined_symbols=SYMBOLS, character_coverage=0.98),
}


def train(work, names):
    """WORK/NAME.model for each of MODELS, and edited ones that the trainer does not make."""
    (work / "rules.tsv").write_text("41\t61\n42\t62 62\n28 63 29\tA9\nFF01\t21\nFF0C\t2C\n3000\t20\n65 301\tE9\n")
    (work / "back.tsv").write_text("2C 20\tFF0C\n61\t41\n")
    texts = (work / "train.txt").read_text().split("\n")
    (work / "train-small.txt").write_text("\n".join(texts[:25_000]))
    alphabetic = [text for text in texts if not any("\u1100" <= letter <= "\ud7ff" for letter in text)]
    (work / "train-alphabetic.txt").write_text("\n".join(alphabetic[:12_000]))
    for name, options in MODELS.items():
        few = options["vocab_size"]
        source = "train.txt" if few > 8000 else "train-small.txt" if few >= 4000 else "train-alphabetic.txt"
        if (names and name not in names) or (work / f"{name}.model").exists():
            continue
        options = {key: str(work / value) if key.endswith("_tsv") else value for key, value in options.items()}
        start = time.time()
        try:
            sentencepiece.SentencePieceTrainer.train(
                input=str(work / source), model_prefix=str(work / name), num_threads=2, hard_vocab_limit=False,
                minloglevel=2, max_sentence_length=5000, seed_sentencepiece_size=200000, **options)
        except RuntimeError as error:
            print(name, error)
        print(name, f"{time.time() - start:.0f} s", flush=True)
    edit(work)


def edit(work):
    """Models with unused pieces, without escaped spaces, and with scores that make the score reset happen."""

    def change(source, target, how):
        if not (work / f"{source}.model").exists():
            return
        model = protos.ModelProto()
        model.ParseFromString((work / f"{source}.model").read_bytes())
        how(model, random.Random(7))
        (work / f"{target}.model").write_bytes(model.SerializeToString())

    def unused(model, generator):
        for piece in model.pieces:
            if piece.type == 1 and generator.random() < 0.3:
                piece.type = 5

    def plain_spaces(model, _):
        model.normalizer_spec.escape_whitespaces = False
        for piece in model.pieces:
            piece.piece = piece.piece.replace("▁", " ") if piece.piece.strip("▁") else piece.piece

    def large(model, _):
        for piece in model.pieces:
            piece.score *= 977.7

    def positive(model, _):
        for piece in model.pieces:
            piece.score = piece.score + 9000.5

    def equal(model, generator):
        for piece in model.pieces:
            piece.score = generator.choice([-1.0, -2.0, -2.0, 0.0, 1.0, -0.0])

    for kind in ["unigram", "bpe"]:
        change(f"{kind}-nmt_nfkc-8k", f"{kind}-unused-8k", unused)
        change(f"{kind}-nfkc-bytes-8k", f"{kind}-plain-spaces-8k", plain_spaces)
        change(f"{kind}-nmt_nfkc-8k", f"{kind}-equal-scores-8k", equal)
    change("unigram-nmt_nfkc-8k", "unigram-large-scores-8k", large)
    change("unigram-nfkc-bytes-8k", "unigram-positive-scores-8k", positive)
    change("word-4k", "word-unused-4k", unused)
    change("char-4k", "char-unused-4k", unused)


def read_answers(data):
    """What examples/encode.rs wrote: for each text five records."""
    at, answer = 0, []
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        answer.append(data[at + 4 : at + 4 + length])
        at += 4 + length
        if len(answer) == 5:
            yield answer
            answer = []


def compare(work, program, names):
    """A row for each model: texts, pieces, and on how many lines each sort of answer differs."""
    texts = read_records(work / "lines.bin")
    print("| model | vocabulary | lines | pieces | ids | pieces | places (lines) | normalized | decoded |")
    print("|---|---|---|---|---|---|---|---|---|")
    for path in sorted(work.glob("*.model")):
        if names and path.stem not in names:
            continue
        processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        answers = read_answers(subprocess.run([program, path, work / "lines.bin"], check=True, capture_output=True).stdout)
        wrong, shown, total, count, placed = [0] * 5, 0, 0, 0, 0
        for text, (ids, pieces, places, normalized, decoded) in zip(texts, answers, strict=True):
            expected_ids = processor.encode(text, return_type="numpy")
            expected_pieces = processor.encode(text, return_type=str)
            same = [
                ids == expected_ids.tobytes(),
                pieces == "\0".join(expected_pieces).encode(),
                True,
                normalized == processor.normalize(text).encode(),
                decoded == processor.decode(expected_ids.tolist()).encode(),
            ]
            # Python takes its time for these.
            if count < 200 or count % 4 == 0:
                proto = processor.encode(text, return_type="proto")
                expected = struct.pack(f"<{2 * len(proto.pieces)}I", *(x for piece in proto.pieces for x in (piece.begin, piece.end)))
                same[2] = places == expected and [piece.piece for piece in proto.pieces] == expected_pieces
                placed += 1
            total, count = total + len(expected_ids), count + 1
            wrong = [wrong + (not same) for wrong, same in zip(wrong, same)]
            if not all(same) and shown < 3:
                shown += 1
                print("differs:", path.stem, same, repr(text[:200]), file=sys.stderr)
                print("  ours", repr(pieces.decode().split("\0"))[:300], "theirs", repr(expected_pieces)[:300], file=sys.stderr)
        wrong[2] = f"{wrong[2]} ({placed})"
        print("|", path.stem, "|", processor.get_piece_size(), "|", count, "|", total, "|", " | ".join(map(str, wrong)), "|", flush=True)


def processor_seconds(command):
    """Processor time of a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def speed(corpora, work, program, names):
    """Processor seconds of both for the ids of whole documents, in turns; the least of five counts. Ours are those of nine
    rounds less those of one, so loading does not count; each round starts with nothing remembered."""
    print("| model | text | ours, MB/s | C++, MB/s | ratio |")
    print("|---|---|---|---|---|")
    for language, files in {"zh": ["zh_lctt", "zh_novels", "zh_laws"], "en": ["en_peps", "en_books", "en_cppdocs"]}.items():
        texts = []
        for name in files:
            found = [text for text in read_documents(corpora / "docs" / f"{name}.jsonl.zst") if len(text) < 200_000]
            size = 0
            for text in found:
                texts.append(text)
                size += len(text.encode())
                if size > 800_000:
                    break
        size = sum(len(text.encode()) for text in texts)
        path_of_texts = work / f"documents-{language}.bin"
        write_records(path_of_texts, texts)
        for path in sorted(work.glob("*.model")):
            if names and path.stem not in names:
                continue
            processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
            ours, theirs = [], []
            for _ in range(5):
                seconds = [processor_seconds([program, path, path_of_texts, "--time", rounds]) for rounds in ["1", "9"]]
                ours.append((seconds[1] - seconds[0]) / 8)
                start = time.process_time()
                for text in texts:
                    # A buffer of the ids, without a Python object for each.
                    processor.encode(text, return_type="numpy")
                theirs.append(time.process_time() - start)
            ours, theirs = min(ours), min(theirs)
            print(f"| {path.stem} | {language}, {len(texts)} documents, {size / 1e6:.1f} MB | {size / ours / 1e6:.1f} |"
                  f" {size / theirs / 1e6:.1f} | {theirs / ours:.1f} |", flush=True)


SMALL = ["<sep>", "<mask>", "宝玉", "宝玉道", "foo", " x", "▁the"]
FIXTURES = {
    "unigram": dict(vocab_size=2600),
    "unigram_symbols": dict(vocab_size=2400, user_defined_symbols=SMALL, control_symbols=["<ctl>"], split_digits=True, normalization_rule_tsv="rules.tsv", denormalization_rule_tsv="back.tsv", unk_surface=" <?> ", unk_id=3, bos_id=0, eos_id=1, pad_id=2),
    "unigram_bytes": dict(vocab_size=2500, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, treat_whitespace_as_suffix=True),
    "bpe": dict(model_type="bpe", vocab_size=3000, normalization_rule_tsv="rules.tsv"),
    "bpe_symbols": dict(model_type="bpe", vocab_size=2700, byte_fallback=True, user_defined_symbols=SMALL, normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True),
    "word": dict(model_type="word", vocab_size=2400, normalization_rule_name="identity"),
    "char": dict(model_type="char", vocab_size=2300, byte_fallback=True, user_defined_symbols=SMALL, normalization_rule_name="identity", add_dummy_prefix=False),
}


def fnv(data):
    """FNV-1a, 64 bits, in hexadecimal digits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def fixtures(corpora, folder):
    """Small models trained on public-domain books, and what the C++ library says about some texts."""
    generator = random.Random(11)
    texts = []
    for name in ["zh_novels", "en_books"]:
        found = [line for text in read_documents(corpora / "docs" / f"{name}.jsonl.zst") for line in text.split("\n") if 5 < len(line) < 120]
        texts.extend(generator.sample(found, 3000))
    folder.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path("/tmp") / "sentencepiece-fixtures"
    work.mkdir(exist_ok=True)
    (work / "train.txt").write_text("\n".join(texts))
    (work / "rules.tsv").write_text("41\t61\n42\t62 62\n28 63 29\tA9\nFF01\t21\nFF0C\t2C\n3000\t20\n9\t20\n65 301\tE9\n")
    (work / "back.tsv").write_text("2C 20\tFF0C\n61\t41\n")
    for name, options in FIXTURES.items():
        options = {key: str(work / value) if key.endswith("_tsv") else value for key, value in options.items()}
        sentencepiece.SentencePieceTrainer.train(
            input=str(work / "train.txt"), model_prefix=str(work / name), num_threads=1, hard_vocab_limit=False,
            character_coverage=0.98, minloglevel=2, **options)
        model = protos.ModelProto()
        model.ParseFromString((work / f"{name}.model").read_bytes())
        # Paths of this machine.
        model.trainer_spec.ClearField("input")
        model.trainer_spec.ClearField("model_prefix")
        model.normalizer_spec.ClearField("normalization_rule_tsv")
        model.denormalizer_spec.ClearField("normalization_rule_tsv")
        (folder / f"{name}.model").write_bytes(model.SerializeToString())
        if name in {"unigram_bytes", "bpe"}:
            for piece in model.pieces:
                if piece.type == 1 and generator.random() < 0.3:
                    piece.type = 5
            (folder / f"{name}_unused.model").write_bytes(model.SerializeToString())
    texts = [text for text in ODD if len(text) < 60] + generator.sample(texts, 3)
    texts += [damage(text, generator)[:60] for text in generator.sample(texts, 3)]
    texts += ["宝玉道：foo  宝玉笑道 x the cat<sep><mask>", "这是一个ไทย العربية 日本語テスト한국어 тест 😀👍🏽", "A B(c) Ｃ， e\u0301 ！"]
    answers = {}
    for path in sorted(folder.glob("*.model")):
        processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        answers[path.stem] = [
            {
                "ids": processor.encode(text),
                "pieces": processor.encode(text, return_type=str),
                "places": [place for piece in processor.encode(text, return_type="proto").pieces for place in (piece.begin, piece.end)],
                "normalized": processor.normalize(text),
                "decoded": processor.decode(processor.encode(text)),
            }
            for text in texts
        ]
        answers[path.stem + " special"] = [processor.unk_id(), processor.bos_id(), processor.eos_id(), processor.pad_id()]
        long = processor.encode(" ".join(f"{texts[at % len(texts)]}{at}" for at in range(3000)), return_type="numpy")
        answers[path.stem + " long"] = [len(long), fnv(long.tobytes())]
        sequences = [[generator.randrange(processor.vocab_size()) for _ in range(generator.randint(1, 12))] for _ in range(10)]
        answers[path.stem + " random"] = [[ids, processor.decode(ids)] for ids in sequences]
    (folder / "cases.json").write_text(json.dumps({"texts": texts, "answers": answers}, ensure_ascii=False, separators=(",", ":")))


def main():
    command, *arguments = sys.argv[1:]
    paths = [pathlib.Path(argument) for argument in arguments]
    if command == "lines":
        paths[1].mkdir(parents=True, exist_ok=True)
        lines(paths[0], paths[1])
    elif command == "train":
        train(paths[0], arguments[1:])
    elif command == "fixtures":
        fixtures(*paths)
    elif command == "compare":
        compare(paths[0], paths[1], arguments[2:])
    elif command == "speed":
        speed(paths[0], paths[1], paths[2], arguments[3:])


if __name__ == "__main__":
    main()
