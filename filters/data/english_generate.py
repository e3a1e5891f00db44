"""Writes down what spaCy's English tokenizer knows: `english_classes.txt` and `english_exceptions.txt`.

Needs a Python with spacy 3.8 and datatrove 0.10: `python filters/data/english_generate.py filters/data`

Classes: lines of first and last code point and the classes as bits, in hexadecimal (bits named in
`filters/src/words/classes.rs`). Exceptions: a line for each string that is cut in a set way, its pieces
separated by spaces; then, after an empty line, the units that are cut off numbers.
"""

import re
import sys
from pathlib import Path

import spacy
from datatrove.utils.text import PUNCTUATION_SET
from spacy.lang.char_classes import ALPHA, ALPHA_LOWER, ALPHA_UPPER, CONCAT_QUOTES, ICONS, LIST_UNITS, PUNCT
from spacy.symbols import ORTH


def classes(tokenizer):
    tests = [
        f"[{ALPHA}]", f"[{ALPHA_LOWER}]", f"[{ALPHA_UPPER}]",
        rf"[0-9{ALPHA_LOWER}%²\-\+{PUNCT}(?:{CONCAT_QUOTES})]", f"[{CONCAT_QUOTES}]", f"[{ICONS}]",
    ]
    tests = [re.compile(test).match for test in tests]
    tests += [tokenizer.prefix_search, tokenizer.suffix_search, str.isspace, str.isalpha, PUNCTUATION_SET.__contains__]
    ranges = []
    for point in range(0x110000):
        if 0xD800 <= point < 0xE000:
            continue
        bits = sum(1 << bit for bit, test in enumerate(tests) if test(chr(point)))
        if ranges and ranges[-1][2] == bits and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point, bits])
    return [f"{first:x} {last:x} {bits:x}" for first, last, bits in ranges if bits]


def main():
    tokenizer, out = spacy.blank("en").tokenizer, Path(sys.argv[1])
    exceptions = {text: [piece[ORTH] for piece in pieces] for text, pieces in tokenizer.rules.items()}
    lines = [" ".join(pieces) for text, pieces in sorted(exceptions.items()) if text.split() == [text]]
    units = sorted({unit.replace("\\", "") for unit in LIST_UNITS})
    (out / "english_classes.txt").write_text("\n".join(classes(tokenizer)) + "\n", encoding="utf-8")
    (out / "english_exceptions.txt").write_text("\n".join(lines + [""] + units) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
