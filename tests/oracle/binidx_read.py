"""A dataset as others read it.

    python tests/oracle/binidx_read.py spec PREFIX
    python tests/oracle/binidx_read.py megatron PREFIX [SEQUENCE_LENGTH]

`spec` needs nothing but Python: it reads the format from its description (the table in binidx/src/lib.rs). `megatron` opens the
files with megatron-core's IndexedDataset and, if a sequence length is given, lays a GPTDataset over them. Both print one
JSON object: dtype, lengths and document array in full, and SHA-256 of all tokens as 64-bit numbers; `megatron` adds how many
samples there are and the tokens of the first.
"""

import array
import hashlib
import json
import struct
import sys

TYPES = {1: ("uint8", "B"), 2: ("int8", "b"), 3: ("int16", "h"), 4: ("int32", "i"), 5: ("int64", "q"), 8: ("uint16", "H")}


def described(dtype, lengths, documents, sequences):
    digest = hashlib.sha256()
    for tokens in sequences:
        digest.update(array.array("q", tokens).tobytes())
    return {"dtype": dtype, "lengths": lengths, "documents": documents, "tokens": digest.hexdigest()}


def spec(prefix):
    with open(prefix + ".idx", "rb") as file:
        index = file.read()
    assert index[:9] == b"MMIDIDX\0\0", "magic"
    version, code, count, boundaries = struct.unpack_from("<QBQQ", index, 9)
    assert version == 1, version
    lengths = list(struct.unpack_from(f"<{count}i", index, 34))
    pointers = struct.unpack_from(f"<{count}q", index, 34 + 4 * count)
    documents = list(struct.unpack_from(f"<{boundaries}q", index, 34 + 12 * count))
    assert len(index) == 34 + 12 * count + 8 * boundaries, "size"
    name, letter = TYPES[code]
    width = struct.calcsize(letter)
    with open(prefix + ".bin", "rb") as file:
        tokens = file.read()
    assert len(tokens) == width * sum(lengths), "bytes"
    assert documents[0] == 0 and documents[-1] == count, "documents"

    def sequences():
        for length, pointer in zip(lengths, pointers):
            yield struct.unpack_from(f"<{length}{letter}", tokens, pointer)

    return described(name, lengths, documents, sequences())


def megatron(prefix, sequence_length=None):
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    dataset = IndexedDataset(prefix, multimodal=False, mmap=True)
    sequences = (dataset.get(number).tolist() for number in range(len(dataset)))
    said = described(
        dataset.index.dtype.__name__, dataset.sequence_lengths.tolist(), dataset.document_indices.tolist(), sequences
    )
    if sequence_length:
        import tempfile

        import numpy
        from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
        from megatron.core.datasets.utils import Split

        class Tokenizer:
            eod, pad, vocab_size, unique_identifiers = 0, -1, None, {"class": "none"}

        config = GPTDatasetConfig(
            random_seed=1234, sequence_length=int(sequence_length), blend=([prefix], None), split="1",
            path_to_cache=tempfile.mkdtemp(), tokenizer=Tokenizer(), reset_position_ids=False,
            reset_attention_mask=False, eod_mask_loss=False, create_attention_mask=False,
        )
        documents = numpy.arange(len(dataset), dtype=numpy.int32)
        samples = GPTDataset(dataset, prefix, documents, None, Split.train, config)
        said["samples"] = len(samples)
        said["first"] = samples[0]["tokens"].tolist()
    return said


if __name__ == "__main__":
    reader, *arguments = sys.argv[1:]
    json.dump({"spec": spec, "megatron": megatron}[reader](*arguments), sys.stdout)
