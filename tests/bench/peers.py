"""The peers of end_to_end.py, one per call, so that each is measured as a process of its own.

    python tests/bench/peers.py NAME INPUT OUTPUT [TOKENIZER]

NAME is one of PEERS below. INPUT is a folder of part-*.jsonl.zst; OUTPUT a new folder. Two workers. The last line printed is a JSON object
with what came out: {"documents": …} for clean and rules, {"kept": …} for dedup (the ids are in OUTPUT/kept.txt), {"tokens": …} for tokenize.
"""

import array
import functools
import glob
import io
import itertools
import json
import multiprocessing
import os
import re
import sys
from pathlib import Path

import zstandard

WORKERS = 2
MINHASH = {"n_grams": 5, "num_buckets": 14, "hashes_per_bucket": 8}
HAN = re.compile(r"[\u3400-\u9fff]")


def parts(folder):
    return sorted(glob.glob(f"{folder}/*.jsonl.zst"))


def lines(folder):
    for path in parts(folder):
        with open(path, "rb") as file:
            yield from io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding="utf-8", newline="\n")


def mixed_words():
    """Chinese by jieba where a fifth of the characters are Han, else the English rules: one tokenizer for a mixed corpus.

    The language is "cmn": in datatrove 0.10.1 "zh" and "zho" cut at spaces only.
    """
    from datatrove.utils.word_tokenizers import WordTokenizer, load_word_tokenizer

    class MixedTokenizer(WordTokenizer):
        def pick(self, text):
            chinese = len(HAN.findall(text)) * 5 > len(text)
            return load_word_tokenizer("cmn" if chinese else "eng")

        def word_tokenize(self, text):
            return self.pick(text).word_tokenize(text)

        def sent_tokenize(self, text):
            return self.pick(text).sent_tokenize(text)

        def span_tokenize(self, text):
            return self.pick(text).span_tokenize(text)

    return MixedTokenizer()


def whitespace_words():
    from datatrove.utils.word_tokenizers import WordTokenizer

    class PlainWhitespace(WordTokenizer):
        def word_tokenize(self, text):
            return text.split()

        def sent_tokenize(self, text):
            return text.split("\n")

        def span_tokenize(self, text):
            return [(match.start(), match.end()) for match in re.finditer(r"[^\n]+", text)]

    return PlainWhitespace()


def words_of(mode):
    return {"en": lambda: "eng", "whitespace": whitespace_words, "mixed": mixed_words}[mode]()


class Lazily:
    """Builds a step in the worker, because a tokenizer made here does not pickle."""

    def __init__(self, build):
        self.build = build

    def __call__(self, data, rank=0, world_size=1):
        return self.build().run(data, rank, world_size)


def repetition(mode):
    from datatrove.pipeline.filters import GopherRepetitionFilter

    return GopherRepetitionFilter(language=words_of(mode))


def quality(mode):
    from datatrove.pipeline.filters import GopherQualityFilter

    # English stop words and word lengths mean nothing in other languages.
    rules = {} if mode == "en" else {"min_stop_words": 0, "min_avg_word_length": 1}
    return GopherQualityFilter(language=words_of(mode), **rules)


def datatrove_clean(mode, source, out):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    pipeline = [
        JsonlReader(source, glob_pattern="*.jsonl.zst"),
        Lazily(functools.partial(repetition, mode)),
        Lazily(functools.partial(quality, mode)),
        JsonlWriter(f"{out}/kept", output_filename="${rank}.jsonl.zst", compression="zstd"),
    ]
    tasks = len(parts(source))
    LocalPipelineExecutor(pipeline, tasks=tasks, workers=WORKERS, logging_dir=f"{out}/logs").run()
    return {"documents": sum(1 for _ in lines(f"{out}/kept"))}


def every_document(build):
    """A filter that judges documents and keeps them all."""
    step = build()
    judge = step.filter
    step.filter = lambda document: judge(document) is not None
    return step


def datatrove_rules(language, source, out):
    """Gopher, FineWeb and C4 rules on documents of one language, each of them by every filter up to the first rule it breaks there."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    stop_words = {} if language == "eng" else {"min_stop_words": 0, "min_avg_word_length": 1}
    filters = [
        functools.partial(GopherQualityFilter, language=language, **stop_words),
        functools.partial(GopherRepetitionFilter, language=language),
        functools.partial(FineWebQualityFilter, language=language),
        functools.partial(C4QualityFilter, language=language, filter_no_terminal_punct=language == "eng"),
    ]
    pipeline = [
        JsonlReader(source, glob_pattern="*.jsonl.zst"),
        *(Lazily(functools.partial(every_document, build)) for build in filters),
        JsonlWriter(f"{out}/kept", output_filename="${rank}.jsonl.zst", compression="zstd"),
    ]
    tasks = len(parts(source))
    LocalPipelineExecutor(pipeline, tasks=tasks, workers=WORKERS, logging_dir=f"{out}/logs").run()
    return {"documents": sum(1 for _ in lines(f"{out}/kept"))}


def signatures(mode, out):
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig

    return MinhashDedupSignature(f"{out}/signatures", config=MinhashConfig(**MINHASH), language=words_of(mode))


def datatrove_minhash(mode, source, out):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    config, tasks = MinhashConfig(**MINHASH), len(parts(source))

    def run(step, pipeline, tasks):
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=WORKERS, logging_dir=f"{out}/logs/{step}").run()

    reader = functools.partial(JsonlReader, source, glob_pattern="*.jsonl.zst")
    run("signatures", [reader(), Lazily(functools.partial(signatures, mode, out))], tasks)
    run("buckets", [MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config)], config.num_buckets)
    run("clusters", [MinhashDedupCluster(f"{out}/buckets", f"{out}/remove", config=config)], 1)
    writer = JsonlWriter(f"{out}/kept", output_filename="${rank}.jsonl.zst", compression="zstd")
    run("filter", [reader(), MinhashDedupFilter(f"{out}/remove"), writer], tasks)
    return keep(out, (json.loads(line)["id"] for line in lines(f"{out}/kept")))


def keep(out, ids):
    ids = list(ids)
    (Path(out) / "kept.txt").write_text("".join(f"{name}\n" for name in ids))
    return {"kept": len(ids)}


def rensa_minhash(source, out):
    """In memory, in one thread, as its documentation shows; shingles as in mixed_corpus.py. Writes the kept lines."""
    import rensa

    from mixed_corpus import shingles

    rows = [json.loads(line) for line in lines(source)]
    permutations = MINHASH["num_buckets"] * MINHASH["hashes_per_bucket"]
    index = rensa.RMinHashLSH(threshold=0.8, num_perm=permutations, num_bands=MINHASH["num_buckets"])
    kept = []
    for number, row in enumerate(rows):
        sketch = rensa.RMinHash(num_perm=permutations, seed=42)
        sketch.update([" ".join(shingle) for shingle in shingles(row["text"])])
        if not index.query(sketch):
            index.insert(number, sketch)
            kept.append(row)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
    (Path(out) / "kept.jsonl.zst").write_bytes(zstandard.ZstdCompressor(level=3).compress(text.encode()))
    return keep(out, (row["id"] for row in kept))


def hf_loop(source, out, tokenizer):
    """The bare loop: batches of texts into Hugging Face tokenizers, tokens straight to a file."""
    os.environ["RAYON_NUM_THREADS"] = str(WORKERS)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    from tokenizers import Tokenizer

    model = Tokenizer.from_file(tokenizer)
    code = "H" if model.get_vocab_size() <= 1 << 16 else "I"
    texts, tokens = (json.loads(line)["text"] for line in lines(source)), 0
    with open(f"{out}/tokens.bin", "wb") as file:
        while batch := list(itertools.islice(texts, 512)):
            for encoding in model.encode_batch_fast(batch, add_special_tokens=False):
                ids = array.array(code, encoding.ids)
                tokens += len(ids)
                ids.tofile(file)
    return {"tokens": tokens}


def megatron_start(tokenizer):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer

    global MODEL
    MODEL = Tokenizer.from_file(tokenizer)


def megatron_encode(line):
    return MODEL.encode(json.loads(line)["text"], add_special_tokens=False).ids


def megatron_loop(source, out, tokenizer):
    """What Megatron-LM's preprocessing tool does: a pool encodes lines, one process writes .bin and .idx."""
    import numpy
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder
    from tokenizers import Tokenizer

    size = Tokenizer.from_file(tokenizer).get_vocab_size()
    end_of_document, tokens = size - 1, 0
    builder = IndexedDatasetBuilder(f"{out}/text.bin", dtype=numpy.uint16 if size <= 65500 else numpy.int32)
    with multiprocessing.Pool(WORKERS, initializer=megatron_start, initargs=(tokenizer,)) as pool:
        for ids in pool.imap(megatron_encode, lines(source), 32):
            ids.append(end_of_document)
            tokens += len(ids) - 1
            builder.add_document(torch.IntTensor(ids), [len(ids)])
        pool.close()
        pool.join()  # a pool that is terminated is not waited for, and its CPU time is lost
    builder.finalize(f"{out}/text.idx")
    return {"tokens": tokens}


PEERS = {
    "datatrove-clean-en": functools.partial(datatrove_clean, "en"),
    "datatrove-clean-whitespace": functools.partial(datatrove_clean, "whitespace"),
    "datatrove-clean-mixed": functools.partial(datatrove_clean, "mixed"),
    "datatrove-rules-en": functools.partial(datatrove_rules, "eng"),
    "datatrove-rules-zh": functools.partial(datatrove_rules, "cmn"),
    "datatrove-minhash-en": functools.partial(datatrove_minhash, "en"),
    "datatrove-minhash-mixed": functools.partial(datatrove_minhash, "mixed"),
    "rensa-minhash": rensa_minhash,
    "hf-loop": hf_loop,
    "megatron-loop": megatron_loop,
}


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    print(json.dumps(PEERS[name](*rest)))
