"""Scores real documents as cc_net does, with its own text normaliser, SentencePiece and KenLM's Python module.

Needs Python 3.11, kenlm, sentencepiece, zstandard, KenLM's `lmplz` and `build_binary` on the path, and
`cc_net/text_normalizer.py` of facebookresearch/cc_net at 1341eec, which is not part of this repository:

    python tests/oracle/ccnet_perplexity.py TEXT_NORMALIZER SHARED tests/fixtures/ccnet

SHARED is the folder that holds `corpora`. Trains a SentencePiece model and a language model for zh and en, named as cc_net
names them, and writes `documents.jsonl` (language, text, perplexity): a document is normalised, cut into pieces, scored line
by line with `</s>`, and 10^(-score / length) rounded to tenths, as `cc_net/perplexity.py` (`DocLM`) does.
"""

import importlib.util
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import kenlm
import sentencepiece
import zstandard

# Language: where it is learnt, where documents are scored; public domain or CC0, MIT.
CORPORA = {"zh": ("zh_novels", ["zh_laws", "zh_pydocs", "zh_medqa"]), "en": ("en_books", ["en_peps", "en_eips"])}
LEARNT_CHARACTERS, DOCUMENTS, MOST_CHARACTERS = {"zh": 150_000, "en": 400_000}, 40, 1500


def load(path):
    spec = importlib.util.spec_from_file_location("text_normalizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(shared, name):
    decoder = zstandard.ZstdDecompressor(max_window_size=2**27 + 1)
    path = Path(shared) / f"corpora/docs/{name}.jsonl.zst"
    rows = io.TextIOWrapper(decoder.stream_reader(path.open("rb")), encoding="utf-8")
    return [json.loads(row)["text"] for row in rows if row.strip()]


def models(language, learnt, normalize, out):
    """Trains `LANGUAGE.sp.model` and `LANGUAGE.arpa.bin`."""
    documents = [normalize(text) for text in learnt]
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines.txt"
        pieces = [line for text in documents for line in (text[i:i + 1000] for i in range(0, len(text), 1000))]
        lines.write_text("\n".join(pieces), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(lines), model_prefix=str(Path(folder) / "sp"), vocab_size=4000, model_type="unigram",
            character_coverage=0.99, minloglevel=2, num_threads=1, hard_vocab_limit=False, max_sentence_length=20000,
        )
        (out / f"{language}.sp.model").write_bytes((Path(folder) / "sp.model").read_bytes())
        processor = sentencepiece.SentencePieceProcessor(str(Path(folder) / "sp.model"))
        tokens, arpa = Path(folder) / "tokens.txt", Path(folder) / "lm.arpa"
        tokens.write_text("\n".join(" ".join(processor.encode_as_pieces(text)) for text in pieces), encoding="utf-8")
        with tokens.open() as given, arpa.open("w") as made:
            options = ["lmplz", "-o", "3", "--prune", "0", "0", "1", "--discount_fallback", "-S", "20%"]
            subprocess.run(options, stdin=given, stdout=made, check=True, stderr=subprocess.DEVNULL)
        built = ["build_binary", "-q", "6", "-b", "6", "-a", "22", "trie", str(arpa), str(out / f"{language}.arpa.bin")]
        subprocess.run(built, check=True, stderr=subprocess.DEVNULL)


def perplexity(text, normalize, processor, model):
    tokenized = " ".join(processor.encode_as_pieces(normalize(text)))
    score, length = 0, 0
    for line in tokenized.split("\n"):
        score += model.score(line)
        length += len(line.split()) + 1
    return round(10.0 ** (-score / length), 1)


def main(normalizer, shared, out):
    normalize, out = load(normalizer).normalize, Path(out)
    with (out / "documents.jsonl").open("w", encoding="utf-8") as rows:
        for language, (learnt, scored) in CORPORA.items():
            sample, characters = [], 0
            for text in texts(shared, learnt):
                sample.append(text[:40_000])
                characters += len(sample[-1])
                if characters > LEARNT_CHARACTERS[language]:
                    break
            models(language, sample, normalize, out)
            processor = sentencepiece.SentencePieceProcessor(str(out / f"{language}.sp.model"))
            model = kenlm.Model(str(out / f"{language}.arpa.bin"))
            for name in scored:
                documents = texts(shared, name)
                for text in documents[:: max(1, len(documents) // DOCUMENTS)][:DOCUMENTS]:
                    text = text[:MOST_CHARACTERS]
                    found = perplexity(text, normalize, processor, model)
                    row = {"language": language, "source": name, "perplexity": found, "text": text}
                    rows.write(json.dumps(row, ensure_ascii=False) + "\n")


main(*sys.argv[1:])
