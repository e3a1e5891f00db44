"""Tokenizers that `train-tokenizer --extend` made, beside Hugging Face `tokenizers` and a slow trainer.

    python tests/oracle/extended_tokenizers.py ENCODE BINARY OLD/tokenizer.json NEW/tokenizer.json -- CORPUS.jsonl.zst…

Every old token must have its id, every old merge its rank; ids of ENCODE (the example `encode` of crate yuan-tokenizer) must be those of
`tokenizers` with the new file; no text may have more tokens than before, and the same ids must mean the same bytes. Then 40 tokens are
learnt by BINARY (yuan-data) from a few documents, and the same ones by counting all pairs anew for each, over the pieces and tokens that `tokenizers` gives
with the old file. Needs tokenizers and zstandard.
"""

import array
import collections
import io
import json
import pathlib
import subprocess
import sys
import tempfile

import tokenizers
import zstandard

LEARNT = 40


def read_texts(paths):
    for path in paths:
        with open(path, "rb") as file:
            lines = io.TextIOWrapper(zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file), encoding="utf-8")
            for line in lines:
                yield json.loads(line)["text"]


def pair(merge):
    return tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge)


def learn_slowly(old, file, documents):
    """The next merges: of all pairs the most frequent one, of equals that of the lowest ids."""
    library = tokenizers.Tokenizer.from_str(json.dumps(file))
    specials = sorted((token["content"] for token in file["added_tokens"]), key=len, reverse=True)
    normalize = library.normalizer.normalize_str if library.normalizer else lambda text: text
    pieces = collections.Counter()
    for text in documents:
        assert not any(token in text for token in specials), "documents without added tokens are asked for"
        pieces.update(piece for piece, _ in library.pre_tokenizer.pre_tokenize_str(normalize(text)))
    words = {}
    for piece, count in pieces.items():
        words[tuple(token.value for token in library.model.tokenize(piece))] = words.get(tuple(token.value for token in library.model.tokenize(piece)), 0) + count
    ids = dict(library.get_vocab())
    learnt = []
    while len(learnt) < LEARNT:
        counts = collections.Counter()
        for word, count in words.items():
            for two in zip(word, word[1:]):
                counts[two] += count
        best = min(counts, key=lambda two: (-counts[two], ids[two[0]], ids[two[1]]))
        product = "".join(best)
        if product in ids:
            raise SystemExit(f"{best} makes a token that is there already: choose other documents")
        learnt.append(best)
        ids[product] = len(ids)
        merged = collections.Counter()
        for word, count in words.items():
            out, at = [], 0
            while at < len(word):
                if word[at : at + 2] == best:
                    out.append(product)
                    at += 2
                else:
                    out.append(word[at])
                    at += 1
            merged[tuple(out)] += count
        words = merged
    return learnt


def main():
    cut = sys.argv.index("--")
    encode, binary, old_path, new_path = sys.argv[1:cut]
    texts = list(read_texts(sys.argv[cut + 1 :]))
    old_file, new_file = (json.loads(pathlib.Path(path).read_text()) for path in (old_path, new_path))
    old, new = (tokenizers.Tokenizer.from_file(path) for path in (old_path, new_path))
    vocab, more = old.get_vocab(with_added_tokens=True), new.get_vocab(with_added_tokens=True)
    assert all(more[token] == id for token, id in vocab.items())
    merges, all_merges = ([pair(merge) for merge in file["model"]["merges"]] for file in (old_file, new_file))
    assert all_merges[: len(merges)] == merges
    assert not set(all_merges[len(merges) :]) & set(merges)
    old.encode_special_tokens = new.encode_special_tokens = True
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with open(folder / "texts.jsonl", "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        subprocess.run([encode, new_path, "--ids", folder / "ids", folder / "texts.jsonl"], check=True, capture_output=True)
        ours, at, before, after = array.array("I", (folder / "ids").read_bytes()), 0, 0, 0
        for start in range(0, len(texts), 256):
            batch = texts[start : start + 256]
            both = zip(old.encode_batch_fast(batch, add_special_tokens=False), new.encode_batch_fast(batch, add_special_tokens=False))
            for text, (then, now) in zip(batch, both):
                assert ours[at + 1 : at + 1 + ours[at]].tolist() == now.ids, text[:200]
                at += 1 + ours[at]
                assert len(now.ids) <= len(then.ids), text[:200]
                assert new.decode(now.ids, skip_special_tokens=False) == old.decode(then.ids, skip_special_tokens=False)
                before, after = before + len(then.ids), after + len(now.ids)
        documents, size = [], 0
        names = [token["content"] for token in old_file["added_tokens"]]
        for text in texts:
            if size < 150_000 and not any(name in text for name in names):
                documents.append(text[:3000])
                size += len(documents[-1])
        with open(folder / "few.jsonl", "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in documents)
        last = max(vocab.values()) + 1
        (folder / "recipe.toml").write_text(
            f'[input]\npaths = ["{folder}/few.jsonl"]\n[output]\ndocuments = false\n[[stage]]\n'
            f'train_tokenizer = {{ extend = "{pathlib.Path(old_path).resolve()}", vocab_size = {last + LEARNT}, max_token_chars = 1000000, max_piece_bytes = 0 }}\n'
        )
        subprocess.run([binary, "run", folder / "recipe.toml", "-o", folder / "run", "--quiet"], check=True)
        learnt = json.loads((folder / "run/tokenizer.json").read_text())["model"]["merges"][len(merges) :]
        assert [pair(merge) for merge in learnt] == learn_slowly(old, old_file, documents), "the merges differ"
    print(
        f"{old_path}: {len(vocab)} to {len(more)} tokens, {len(texts)} texts, {sum(len(text.encode()) for text in texts) / 1e6:.1f} MB: old ids and merges stay, "
        f"ids of `tokenizers`, {before} to {after} tokens ({after / before - 1:+.1%}); {LEARNT} merges as slowly"
    )


if __name__ == "__main__":
    main()
