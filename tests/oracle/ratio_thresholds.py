"""Writes `filters/data/built_in_ratios.json` and the tables of `tests/fixtures/rules/THRESHOLDS_RATIOS.md`.

    python tests/oracle/ratio_thresholds.py

First ROOTS' own numbers are written, then the derived ones: a test prints, for each stage and language, the value that
99 % of the clean documents keep to for each check (or as many more as are needed for 97.5 % to keep to all of them
together). A published or default threshold gives way to that value where it is the stricter one. Needs the shared corpora.
"""

import json
import math
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "filters/data/built_in_ratios.json"
NOTES = ROOT / "tests/fixtures/rules/THRESHOLDS_RATIOS.md"

# parameters_filtering.py of bigscience-workshop/data-preparation, what differs from its default.
ROOTS = {
    "ar": dict(min_words=20, max_word_repetition=0.34, max_special_char_fraction=0.3, min_stop_word_fraction=0.07, max_flagged_word_fraction=0.03),
    "bn": dict(min_words=33, max_char_repetition=0.13, max_word_repetition=0.21, max_special_char_fraction=0.45, min_stop_word_fraction=0.002, max_flagged_word_fraction=0.001),
    "ca": dict(min_words=15, max_word_repetition=0.4, max_special_char_fraction=0.25, min_stop_word_fraction=0.25),
    "en": dict(min_words=20, max_char_repetition=0.106, max_word_repetition=0.19, min_stop_word_fraction=0.3, max_flagged_word_fraction=0.01),
    "es": dict(min_words=16, max_char_repetition=0.14, max_word_repetition=0.25, max_special_char_fraction=0.34, min_stop_word_fraction=0.4, max_flagged_word_fraction=0.01),
    "eu": dict(min_words=8, max_word_repetition=0.4, max_special_char_fraction=0.31, min_stop_word_fraction=0.05),
    "fr": dict(min_words=13, max_char_repetition=0.14, max_word_repetition=0.13, max_special_char_fraction=0.34, min_stop_word_fraction=0.27, max_flagged_word_fraction=0.008),
    "hi": dict(min_words=38, max_char_repetition=0.18, max_word_repetition=0.47, max_special_char_fraction=0.45, min_stop_word_fraction=0.01, max_flagged_word_fraction=0.005),
    "id": dict(min_words=15, max_char_repetition=0.15, max_word_repetition=0.2, max_special_char_fraction=0.34, min_stop_word_fraction=0.15, max_flagged_word_fraction=0.01),
    "pt": dict(min_words=19, max_char_repetition=0.25, max_word_repetition=0.98, max_special_char_fraction=0.35, min_stop_word_fraction=0.2, max_flagged_word_fraction=0.007),
    "ur": dict(min_words=25, max_char_repetition=0.19, word_repetition_words=7, max_word_repetition=0.5, max_special_char_fraction=0.25, min_stop_word_fraction=0.01, max_flagged_word_fraction=0.025),
    "vi": dict(min_words=30, max_char_repetition=0.15, max_word_repetition=0.2, max_special_char_fraction=0.34, min_stop_word_fraction=0.08, max_flagged_word_fraction=0.005),
    "zh": dict(min_words=1, max_words=1_000_000, char_repetition_chars=3, max_word_repetition=0.96, max_special_char_fraction=0.3, min_stop_word_fraction=0.1691, max_flagged_word_fraction=0.001),
}
# Reasons and the settings behind them, with their defaults.
SETTINGS = {
    "roots": {
        "too_few_words": ("min_words", 10), "repeated_chars": ("max_char_repetition", 0.2),
        "repeated_words": ("max_word_repetition", 0.3), "too_many_special_chars": ("max_special_char_fraction", 0.4),
        "too_few_stop_words": ("min_stop_word_fraction", 0.1), "too_many_flagged_words": ("max_flagged_word_fraction", 0.1),
    },
    "data_juicer": {
        "too_few_words": ("min_words", 10), "too_few_alphanumeric_chars": ("min_alphanumeric_fraction", 0.25),
        "too_many_special_chars": ("max_special_char_fraction", 0.25), "repeated_chars": ("max_char_repetition", 0.5),
        "repeated_words": ("max_word_repetition", 0.5), "short_lines": ("min_mean_line_chars", 10),
        "no_long_line": ("min_longest_line_chars", 10), "too_few_stop_words": ("min_stop_word_fraction", 0.3),
        "too_many_flagged_words": ("max_flagged_word_fraction", 0.045),
    },
    "polylm": {
        "too_few_words": ("min_words", 10), "repeated_sentences": ("max_duplicate_sentence_char_fraction", 0.3),
        "repeated_words": ("max_repeated_word_fraction", 0.1), "too_many_symbols": ("max_symbol_word_ratio", 0.25),
        "too_many_ellipses": ("max_ellipsis_sentence_ratio", 0.5),
        "too_many_invisible_chars": ("max_invisible_char_fraction", 0.01), "too_many_digits": ("max_digit_fraction", 0.2),
        "too_many_dates": ("max_date_fraction", 0.15), "too_many_urls": ("max_url_fraction", 0.2),
        "too_many_long_words": ("max_long_word_fraction", 0.03),
    },
    "yayi2": {
        "too_few_chars": ("min_chars", 30), "garbled_text": ("max_garbled_fraction", 0.01),
        "missing_chars": ("max_missing_fraction", 0.01), "redundant_chars": ("max_redundant_fraction", 0.1),
        "markup_left": ("max_markup_fraction", 0.05), "advertising": ("max_advertising_density", 20),
        "bad_lines": ("max_bad_line_fraction", 0.5), "unfinished_lines": ("max_unfinished_line_fraction", 0),
        "unpaired_marks": ("max_unpaired_density", 15), "too_few_marks": ("max_chars_per_mark", 0),
    },
}
CODE_LINES = dict(line_letter_fraction=0.0, phrase_line_chars=0)


def outwards(value, at_least):
    """Two significant digits, away from the documents."""
    if value == 0:
        return 0
    scale = 10 ** (math.floor(math.log10(abs(value))) - 1)
    rounded = (math.floor if at_least else math.ceil)(value / scale - (1e-9 if not at_least else -1e-9)) * scale
    return round(rounded, 6)


def write(table):
    TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")


def test(name, variable):
    command = ["cargo", "test", "--workspace", "--offline", "--test", "rules", name, "--", "--nocapture"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {variable: "1"}, capture_output=True, text=True)
    return done.stdout


def main():
    table = {code: {"roots": dict(own), "roots_compat": dict(own)} for code, own in ROOTS.items()}
    for code in ("ja", "ko"):
        table[code] = {"roots": dict(char_repetition_chars=3)}
    table.setdefault("other", {})["yayi2 code"] = dict(CODE_LINES)
    table["zh"]["yayi2 code"] = dict(CODE_LINES)
    write(table)
    lines = [line.split("\t")[1:] for line in test("thresholds_for", "DERIVE_RATIOS").splitlines() if line.startswith("derived\t")]
    notes = ["| stage | language | documents | each check keeps | thresholds |", "|---|---|---|---|---|"]
    loosest, groups = {}, {}
    for stage, code, reason, at_least, value, part, documents in lines:
        kind = stage.split(" ")[0]
        if reason not in SETTINGS[kind]:
            continue
        setting, default = SETTINGS[kind][reason]
        at_least, value = at_least == "true", float(value)
        given = table.setdefault(code, {}).setdefault(stage, {})
        base = given.get(setting, default)
        if setting in ("max_unfinished_line_fraction", "max_chars_per_mark"):
            # Pages and Thai go without punctuation as they like.
            if code == "th" or (setting == "max_unfinished_line_fraction" and value >= 1):
                continue
            chosen = outwards(value, False)
        elif at_least:
            chosen = min(base, outwards(value, True))
        else:
            chosen = max(base, outwards(value, False))
        if setting in ("min_words", "min_chars", "min_longest_line_chars"):
            chosen = int(chosen)
        if chosen != default or setting in given:
            given[setting] = chosen
        if " " not in stage and code not in ("zh", "ja", "th", "ko"):
            pick = min if at_least else max
            loosest.setdefault(stage, {}).setdefault(setting, []).append(chosen)
        groups.setdefault((stage, code, documents, part), given)
    for stage, settings in loosest.items():
        other = table["other"].setdefault(stage, {})
        for setting, values in settings.items():
            values.sort()
            middle = values[len(values) // 4 if setting.startswith("min_") else 3 * len(values) // 4]
            default = next(default for name, default in SETTINGS[stage].values() if name == setting)
            if middle != default and setting != "max_chars_per_mark":
                other[setting] = middle
    write(table)
    for (stage, code, documents, part), given in groups.items():
        told = ", ".join(f"{name} {value:g}" for name, value in sorted(given.items()))
        notes.append(f"| {stage} | {code} | {documents} | {part} | {told or 'the defaults'} |")
    shown = test("clean_documents", "SHOW_RATIOS")
    kept = ["| stage | language | clean documents | kept, % | others | dropped, % |", "|---|---|---|---|---|---|"]
    kept += [line for line in shown.splitlines() if line.startswith("| ")]
    text = NOTES.read_text()
    before, _, _ = text.partition("## Built-in thresholds")
    NOTES.write_text(before + "\n".join(["## Built-in thresholds", "", *notes, "", "## What they keep and drop", "", *kept, ""]))


if __name__ == "__main__":
    main()
