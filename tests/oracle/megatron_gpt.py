"""Megatron-Core as judge of what `yuan-data binidx samples` says that a trainer reads.

Writes token datasets of random documents, and of the bytes of real ones, and builds megatron.core's GPTDataset and
BlendedDataset over them with random settings. Compared are

- the files of the index cache: names (hashes), descriptions and arrays, byte by byte, ours against Megatron's;
- that Megatron, with its index builders taken away, loads ours;
- samples: dataset, sequences, tokens, labels, loss mask, position ids, attention mask;
- that both refuse, where one does.

Ends with status 1 and the settings of the first difference.

    python tests/oracle/megatron_gpt.py --yuan-data target/debug/yuan-data --cases 500 \
        --documents cli/demo/corpus.jsonl.zst --document-cases 50

Needs a Python with megatron-core, numpy, torch and zstandard installed.
"""

import argparse
import collections
import copy
import hashlib
import io
import json
import logging
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import warnings

import numpy

EOD, PAD, WORDS = 256, 257, 250
PARTS = ("train", "valid", "test")


class Tokenizer:
    """As much of a tokenizer as the datasets look at."""

    vocab_size, eod = 300, EOD
    unique_identifiers = collections.OrderedDict({"class": "oracle.Tokenizer", "tokenizer_path": ["语料/t.json"], "x": "1"})

    def __init__(self, pad):
        if pad is not None:
            self.pad = pad


def write_set(prefix, documents):
    """A .bin/.idx of one sequence for each document, by Megatron's builder."""
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=numpy.uint16)
    for document in documents:
        builder.add_item(torch.tensor(document, dtype=torch.int64))
        builder.end_document()
    builder.finalize(f"{prefix}.idx")


def random_documents(rng):
    """Documents of random tokens, the end-of-document token or some padding here and there; some are empty."""
    def document():
        length = rng.choice((0, 1, rng.randrange(12), rng.randrange(200)))
        tokens = [rng.choice((EOD, PAD)) if rng.random() < 0.03 else rng.randrange(WORDS) for _ in range(length)]
        return tokens + [EOD] if tokens and rng.random() < 0.9 else tokens

    return [document() for _ in range(rng.randrange(1, 60))] + [[1, 2, 3, EOD]]


def real_documents(path):
    """The bytes of the texts of JSON lines, each with the end-of-document token behind it."""
    import zstandard

    with open(path, "rb") as raw:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw), encoding="utf-8", newline="\n")
        return [[*json.loads(line)["text"].encode(), EOD] for line in lines if line.strip()]


def settings_with_tokens(rng, prefixes):
    """Settings of a run in which every dataset has tokens: without any, Megatron goes round for ever."""
    while True:
        settings = random_settings(rng, prefixes)
        if all(epoch_tokens(prefix, settings) for prefix in settings["prefixes"]):
            return settings


def random_settings(rng, prefixes):
    """Settings of a run, as both sides take them."""
    count = rng.randrange(1, len(prefixes) + 1)
    settings = {
        "prefixes": [str(prefix) for prefix in rng.choices(prefixes, k=count)],
        "weights": None,
        "sequence_length": rng.choice((1, 2, 7, 16, 33, 64, 100)),
        "seed": rng.randrange(2**32),
        "samples": rng.choice((None, rng.randrange(0, 20), rng.randrange(1, 400))),
        "split": rng.choice((None, "969,30,1", "90, 10", "1,1,1", "8/1.5/0.5", "0,1,1")),
        "part": rng.choice(PARTS),
        "extra_token": rng.random() < 0.8,
        "keep_partial": rng.random() < 0.4,
        "surplus": rng.choice((0.005, 0.005, 0.0, 0.1)),
        "pad": rng.choice((None, PAD, EOD)),
        "flags": {name: rng.random() < 0.5 for name in ("reset_position_ids", "reset_attention_mask", "eod_mask_loss")},
    }
    if settings["samples"] is not None and rng.random() < 0.6:
        settings["weights"] = [rng.choice((rng.random(), rng.randrange(1, 100), 1e-6, 0.3)) for _ in range(count)]
    return settings


def epoch_tokens(prefix, settings):
    """Tokens of the part of a dataset."""
    from megatron.core.datasets import blended_megatron_dataset_config as config
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    dataset = IndexedDataset(prefix)
    lengths = dataset.sequence_lengths
    bounds = (0.0, 1.0)
    if settings["split"] is not None:
        vector = config.parse_and_normalize_split(settings["split"])
        bounds = config.convert_split_vector_to_split_matrix(vector)[PARTS.index(settings["part"])]
        if bounds is None:
            return 0
    start, end = (int(round(bound * float(len(lengths)))) for bound in bounds)
    return int(lengths[start:end].sum())


def megatron(settings, cache):
    """The one dataset of the part, built or loaded by Megatron."""
    from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig

    at = PARTS.index(settings["part"])
    blend = (settings["prefixes"], settings["weights"])
    source = {"blend": blend, "split": settings["split"]} if settings["split"] is not None else {
        "blend_per_split": [blend if part == at else None for part in range(3)]}
    whole = GPTDatasetConfig(
        random_seed=settings["seed"], sequence_length=settings["sequence_length"], path_to_cache=str(cache),
        tokenizer=Tokenizer(settings["pad"]), mid_level_dataset_surplus=settings["surplus"],
        add_extra_token_to_sequence=settings["extra_token"],
        drop_last_partial_validation_sequence=not settings["keep_partial"], **settings["flags"], **source)

    class Builder(BlendedMegatronDatasetBuilder):
        """Builds the part alone, with the settings of all of them, which count for the hash."""

        @staticmethod
        def build_generic_dataset(cls, is_built_on_rank, synchronize_ranks, *arguments):
            return BlendedMegatronDatasetBuilder.build_generic_dataset(
                cls, is_built_on_rank, synchronize_ranks, *arguments[:-1], whole)

    alone = copy.copy(whole)
    if alone.split_matrix is not None:
        alone.split_matrix = [bounds if part == at else None for part, bounds in enumerate(alone.split_matrix)]
    return Builder(GPTDataset, [settings["samples"]] * 3, lambda: True, alone).build()[at]


def yuan_data(binary, settings, cache, places):
    """What we say of the same run, or None if we refuse."""
    words = []
    for number, prefix in enumerate(settings["prefixes"]):
        words += [repr(settings["weights"][number])] if settings["weights"] else []
        words.append(prefix)
    command = [binary, "binidx", "samples", "--json", *words, "--eod", EOD, "-L", settings["sequence_length"],
               "--seed", settings["seed"], "--part", settings["part"], "--surplus", settings["surplus"],
               "--cache", cache, "--tokenizer-identity", json.dumps(Tokenizer.unique_identifiers)]
    # A padding token that has another meaning is none for Megatron.
    command += ["--pad", PAD] if settings["pad"] == PAD else []
    command += ["--samples", settings["samples"]] if settings["samples"] is not None else []
    command += ["--split", settings["split"]] if settings["split"] is not None else []
    command += [] if settings["extra_token"] else ["--no-extra-token"]
    command += ["--keep-partial"] if settings["keep_partial"] else []
    command += [f"--{name.replace('_', '-')}" for name, on in settings["flags"].items() if on]
    command += [word for place in places for word in ("--sample", place)]
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    return json.loads(ran.stdout) if ran.returncode == 0 else ran.stderr


def digests(folder):
    """The files of a cache, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def same_sample(ours, dataset, place):
    """Whether a sample is Megatron's; if not, where it differs."""
    from megatron.core.datasets.blended_dataset import BlendedDataset

    number, inner, within = 0, dataset, place
    if isinstance(dataset, BlendedDataset):
        number, within = int(dataset.dataset_index[place]), int(dataset.dataset_sample_index[place])
        inner = dataset.datasets[number]
    # Without any of the three flags Megatron keeps the loss mask of its first sample for all others, padding included.
    inner.masks_and_position_ids_are_cached = False
    theirs = dataset[place]
    sequences = inner._query_document_sample_shuffle_indices(within)[1].tolist()
    sample = ours["sample"]
    length = len(sample["tokens"])
    columns = numpy.arange(length)
    starts = numpy.zeros(length, dtype=int)
    for start in sample["segment_starts"]:
        starts[start:] = start
    hidden = (columns[None, :] > columns[:, None]) | (columns[None, :] < starts[:, None])
    return {
        "dataset": (ours["dataset"], ours["dataset_sample"]) == (number, within),
        "sequences": [piece["sequence"] for piece in ours["pieces"]] == sequences,
        "tokens": sample["tokens"] == theirs["tokens"].tolist(),
        "labels": sample["labels"] == theirs["labels"].tolist(),
        "loss_mask": [float(counts) for counts in sample["loss_mask"]] == theirs["loss_mask"].tolist(),
        "position_ids": sample["position_ids"] == theirs["position_ids"].tolist(),
        "attention_mask": bool((hidden == theirs["attention_mask"][0].numpy()).all()),
    }


def without_builders(settings, cache):
    """Megatron's dataset with nothing left that could build an index."""
    from megatron.core.datasets import gpt_dataset, helpers

    def refuse(*_):
        raise RuntimeError("an index was built")

    taken = [(gpt_dataset, "_build_document_index"), (gpt_dataset, "_build_shuffle_index"), (helpers, "build_sample_idx"),
             (helpers, "build_blending_indices"), (helpers, "build_exhaustive_blending_indices")]
    kept = [getattr(module, name) for module, name in taken]
    for module, name in taken:
        setattr(module, name, refuse)
    try:
        return megatron(settings, cache)
    finally:
        for (module, name), function in zip(taken, kept):
            setattr(module, name, function)


def compare(binary, settings, folder, rng, counts):
    """One case; whatever differs ends the program."""
    theirs, ours = folder / "theirs", folder / "ours"
    for cache in (theirs, ours):
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir()
    try:
        dataset = megatron(settings, theirs)
    except (AssertionError, IndexError) as error:
        said = yuan_data(binary, settings, ours, [])
        if not isinstance(said, str):
            sys.exit(f"error: Megatron refuses ({error!r}), yuan-data does not: {settings}")
        counts[f"refused by both ({type(error).__name__})"] += 1
        return
    places = sorted(rng.sample(range(len(dataset)), min(8, len(dataset))))
    said = yuan_data(binary, settings, ours, places)
    if isinstance(said, str):
        sys.exit(f"error: yuan-data refuses ({said.strip()}), Megatron does not: {settings}")
    if digests(theirs) != digests(ours):
        sys.exit(f"error: other cache files: {sorted(set(digests(theirs).items()) ^ set(digests(ours).items()))}: {settings}")
    if said["built_samples"] != len(dataset):
        sys.exit(f"error: {said['built_samples']} samples, not {len(dataset)}: {settings}")
    loaded = without_builders(settings, ours)
    for read in said["read"]:
        same = same_sample(read, loaded, read["place"])
        if not all(same.values()):
            sys.exit(f"error: sample {read['place']} differs: {same}: {settings}")
    counts["equal"] += 1
    counts["blended"] += len(settings["prefixes"]) > 1
    counts["of several epochs"] += any(of["built_epochs"] > 1 for of in said["datasets"])
    counts["with a separate last epoch"] += any(of["separate_final_epoch"] for of in said["datasets"])
    counts["cache files"] += len(digests(ours))
    counts["samples"] += len(said["read"])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--yuan-data", required=True, help="the binary")
    arguments.add_argument("--cases", type=int, default=500, help="runs over random documents")
    arguments.add_argument("--documents", help=".jsonl.zst of documents with a `text`")
    arguments.add_argument("--document-cases", type=int, default=50, help="runs over these")
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    import torch

    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        counts = collections.Counter()
        for case in range(options.cases):
            prefixes = [folder / f"语{case}-{number}" for number in range(5)]
            for prefix in prefixes:
                write_set(prefix, random_documents(rng))
            compare(options.yuan_data, settings_with_tokens(rng, prefixes), folder, rng, counts)
            for prefix in prefixes:
                for suffix in (".bin", ".idx"):
                    pathlib.Path(f"{prefix}{suffix}").unlink()
        print("random documents:", ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
        if options.documents:
            documents = real_documents(options.documents)
            prefixes = [folder / f"text{number}" for number in range(4)]
            for number, prefix in enumerate(prefixes):
                write_set(prefix, documents[number::len(prefixes)])
            counts = collections.Counter()
            for _ in range(options.document_cases):
                settings = settings_with_tokens(rng, prefixes)
                settings["sequence_length"] = rng.choice((512, 1024, 2048))
                settings["samples"] = settings["samples"] and 10 * settings["samples"]
                compare(options.yuan_data, settings, folder, rng, counts)
            print(f"{len(documents)} real documents:", ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
