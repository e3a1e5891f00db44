"""Compiles jieba's dictionary and HMM tables into `jieba.bin.zst`.

Needs a Python with jieba 0.42.1 and zstandard: `python filters/data/jieba_generate.py filters/data/jieba.bin.zst`

Layout, little-endian, in this order (see `filters/src/words/jieba/dictionary.rs`, which reads it):
  u32 x 4   characters with a code; nodes; weights; characters with emissions
  u32[]     characters by code: the character with code 1 first; frequent ones have small codes
  u64[]     double-array nodes: bits 0..24 base, 24..40 the code that leads here, 40..56 weight number; 0 = free
  f64[]     weights, log(frequency) - log(total); number 0 is that of a character no word is
  f64 x 4   start probabilities, states in the order B E M S
  f64 x 16  transitions, from (row) to (column), in that order
  u32[]     characters with emissions; then f64 x 4 for each of them
"""

import os
import re
import struct
import sys
from array import array
from math import log

import jieba
import zstandard
from jieba.finalseg import MIN_FLOAT, emit_P, start_P, trans_P

STATES = "BEMS"
# Only runs of these characters are looked up: `re_han_default` of jieba.
REACHABLE = re.compile(r"[\u4E00-\u9FD5a-zA-Z0-9+#&\._%\-]+\Z")


def read_words():
    words, total = {}, 0
    with open(os.path.join(os.path.dirname(jieba.__file__), "dict.txt"), encoding="utf-8") as file:
        for line in file:
            word, frequency = line.strip().split(" ")[:2]
            words[word] = int(frequency)
            total += int(frequency)
    return {word: count for word, count in words.items() if REACHABLE.match(word)}, total


def number_characters(words):
    counts = {}
    for word, frequency in words.items():
        for character in word:
            counts[character] = counts.get(character, 0) + frequency
    ordered = sorted(counts, key=lambda character: (-counts[character], character))
    return {character: code for code, character in enumerate(ordered, 1)}


def build_trie(words, codes):
    """Nodes as (children by code, weight key), as nested lists."""
    root = [{}, 0]
    for word, frequency in words.items():
        node = root
        for character in word:
            node = node[0].setdefault(codes[character], [{}, 0])
        node[1] = frequency
    return root


def lay_out(root, code_count, weight_of):
    size = 1 << 21
    nodes = array("Q", bytes(8 * size))
    free = bytearray(b"\x01") * size
    based = bytearray(size)
    next_free = array("L", range(1, size + 1))

    def first_free(at):
        path = []
        while not free[at]:
            path.append(at)
            at = next_free[at]
        for seen in path:
            next_free[seen] = at
        return at

    def entry(label, node):
        return label << 24 | weight_of[node[1]] << 40

    for code, node in root[0].items():
        nodes[code] = entry(code, node)
    for slot in range(code_count + 1):
        free[slot] = 0
        next_free[slot] = slot + 1
    queue = [(code, root[0][code]) for code in sorted(root[0])]
    # Nodes with many children first: they are the hardest to place, and the ones walked most.
    level = queue
    while level:
        level.sort(key=lambda item: -len(item[1][0]))
        following = []
        # Where the search begins for nodes of so many children: what did not fit one hardly fits the next.
        begins = {}
        for slot, node in level:
            children = sorted(node[0])
            if not children:
                continue
            candidate = first_free(begins.get(len(children), code_count + 1))
            while True:
                base = candidate - children[0]
                if base > 0 and not based[base] and all(free[base + code] for code in children):
                    break
                candidate = first_free(candidate + 1)
            begins[len(children)] = candidate
            based[base] = 1
            nodes[slot] |= base
            for code in children:
                child = base + code
                free[child] = 0
                next_free[child] = child + 1
                nodes[child] = entry(code, node[0][code])
                following.append((child, node[0][code]))
        level = following
    last = max(index for index in range(size) if nodes[index])
    return nodes[: last + 1]


def main():
    words, total = read_words()
    codes = number_characters(words)
    frequencies = sorted(set(words.values()) - {0})
    assert len(frequencies) < 65535
    # Number 0 marks prefixes, which weigh as jieba's `or 1` makes an unknown character weigh.
    weight_of = {0: 0, **{frequency: number for number, frequency in enumerate(frequencies, 1)}}
    log_total = log(total)
    weights = [log(1) - log_total] + [log(frequency) - log_total for frequency in frequencies]
    nodes = lay_out(build_trie(words, codes), len(codes), weight_of)
    assert len(nodes) < 1 << 24 and len(codes) < 1 << 16
    emitting = sorted({c for state in STATES for c in emit_P[state] if "\u4e00" <= c <= "\u9fd5"})
    out = struct.pack("<4I", len(codes), len(nodes), len(weights), len(emitting))
    out += array("I", map(ord, sorted(codes, key=codes.get))).tobytes()
    out += nodes.tobytes()
    out += array("d", weights).tobytes()
    out += array("d", [start_P[state] for state in STATES]).tobytes()
    out += array("d", [trans_P[a].get(b, MIN_FLOAT) for a in STATES for b in STATES]).tobytes()
    out += array("I", map(ord, emitting)).tobytes()
    out += array("d", [emit_P[state].get(c, MIN_FLOAT) for c in emitting for state in STATES]).tobytes()
    packed = zstandard.ZstdCompressor(level=19).compress(out)
    with open(sys.argv[1], "wb") as file:
        file.write(packed)
    print(len(words), "words,", len(nodes), "nodes,", len(out), "bytes,", len(packed), "packed")


if __name__ == "__main__":
    main()
