"""Multiple choice by lm-eval 0.4.13: the requests and figures of its own tasks on made-up documents.

    python tests/oracle/lm_eval_choices.py > tests/fixtures/eval/lm_eval.json

The documents are written for this file. The tasks' YAML is lm-eval's, with these documents in place of the data set; AGIEval's queries
are put together as its own loader does (`convert_zero_shot`). The model is a hash: a log-likelihood for each pair of context and
continuation. For each task the file holds the documents as `yuan-data eval` reads them, every request in order, and the figures.
Needs lm-eval and datasets.
"""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_DATASETS_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"

import lm_eval
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate
from lm_eval.tasks._yaml_loader import load_yaml

TASKS = Path(lm_eval.__file__).parent / "tasks"


class Hash(LM):
    """A log-likelihood in hundredths for each pair, the greater the longer the continuation."""

    def loglikelihood(self, requests, **_):
        return [(likelihood(*request.args), False) for request in requests]

    def loglikelihood_rolling(self, requests, **_):
        raise NotImplementedError

    def generate_until(self, requests, **_):
        raise NotImplementedError


def likelihood(context: str, continuation: str) -> float:
    digest = hashlib.sha256(f"{context}\0{continuation}".encode()).digest()
    return -(int.from_bytes(digest[:4], "big") % 900 + 100) * len(continuation) ** 0.5 / 100


ARC = [
    ("Which of these floats on water?", ["iron", "a dry log of pine wood", "granite"], "B"),
    ("Water boils at sea level at how many degrees Celsius?", ["10", "50", "100", "one thousand"], "C"),
    ("A plant takes in which gas?\nThink of leaves.", ["carbon dioxide", "helium", "argon", "neon", "xenon"], "A"),
    ("Which animal lays eggs?", ["dog", "cat", "a hen, which is a bird", "horse"], "C"),
    ("What pulls a stone down?", ["gravity", "light", "sound", "heat"], "A"),
    # Likeliest by characters, and by bytes.
    ("Which word means moon?", ["月亮", "moon", "la lune", "луна"], "B"),
    ("Which word means stone?", ["石头", "a stone on a hill", "pierre", "камень"], "D"),
]
MMLU = {
    "abstract_algebra": [
        (" What is the order of the trivial group? ", ["0", "1", "2", "infinite"], "B"),
        ("Is every cyclic group abelian?\nSay why.", ["Yes, powers commute", "No", "Only if finite", "Never"], "A"),
        ("How many units has Z_5?", ["1", "2", "3", "4"], "D"),
    ],
    "global_facts": [
        ("Which ocean is the largest?", ["Atlantic", "Indian", "Pacific", "Arctic"], "C"),
        ("How many continents are there by most counts?", ["5", "6", "7", "8"], "C"),
        ("Which is a planet?", ["Mars", "Sirius", "Moon", "Halley"], "A"),
    ],
}
TRUTHFUL = [
    ("What falls faster in a vacuum, a feather or a stone?", ["Neither, they fall alike", "The stone", "The feather"]),
    ("How many legs does a snake have?", ["None", "Two", "Four small ones, hidden", "A hundred"]),
]
AGIEVAL = {
    "aqua-rat": [
        ("", "What is 6 times 7?", ["(A)40", "(B)41", "(C)42", "(D)43", "(E)None of these"], "C"),
        ("A train leaves at noon. ", "When does it leave?", ["(A)at noon", "(B)at one", "(C)never"], "A"),
    ],
    "gaokao-mathqa": [
        ("", "若 $x+1=3$, 则 $x=$", ["(A)$1$", "(B)$2$", "(C)$3$", "(D)$4$"], "B"),
        ("", "下列为偶数的是", ["(A)一", "(B)二", "(C)三", "(D)四十四"], "BD"),
    ],
}
CEVAL = [
    ("下列关于水的说法正确的是", ["水是单质", "水是化合物", "水是混合物", "水是金属"], "B"),
    ("一年有几个月？", ["10", "11", "12", "13"], "C"),
    ("光在真空中的速度约为", ["30万千米每秒", "3万千米每秒", "3千米每秒", "300千米每秒"], "A"),
]


def lines(questions) -> str:
    """Questions as Yuan2.0-M32's files have them."""
    out = ""
    for question, options, gold in questions:
        text = question + "".join(f"\n{letter}.{option}" for letter, option in zip("ABCDE", options))
        out += text.replace("\n", "<n>") + f"[SEP]{gold}\n"
    return out


def table(questions) -> str:
    rows = [f"{i},{q},{','.join(options)},{gold}\n" for i, (q, options, gold) in enumerate(questions)]
    return "id,question,A,B,C,D,answer\n" + "".join(rows)


def index(gold: str) -> int:
    return "ABCDE".index(gold)


def evaluated(yaml: str, splits: dict, shots: int) -> dict:
    """What lm-eval asks and finds, document by document."""
    config = dict(load_yaml(TASKS / yaml, resolve_func=True))
    config.pop("tag", None)
    # No task lists it; AGIEval's have figures of their own, without it.
    config["metric_list"] = [*config["metric_list"], {"metric": "acc_bytes", "aggregation": "mean", "higher_is_better": True}]
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for split, documents in splits.items():
            files[split] = f"{folder}/{split}.jsonl"
            Path(files[split]).write_text("".join(json.dumps(it) + "\n" for it in documents))
        config |= {"dataset_path": "json", "dataset_name": None, "num_fewshot": shots}
        config["dataset_kwargs"] = {"data_files": files, "cache_dir": f"{folder}/cache"}
        task = ConfigurableTask(config=config)
        name = config["task"]
        found = evaluate(lm=Hash(), task_dict={name: task}, bootstrap_iters=0, log_samples=True)
    samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
    figures = {key.split(",")[0]: value for key, value in found["results"][name].items() if isinstance(value, float)}
    items = [
        {
            "requests": [list(it) for it in (s["arguments"] if isinstance(s["arguments"], list) else s["arguments"].values())],
            "acc": s["acc"],
            "acc_norm": s.get("acc_norm"),
            "acc_bytes": s.get("acc_bytes"),
        }
        for s in samples
    ]
    for item in items:
        item["requests"] = [list(it.values()) if isinstance(it, dict) else it for it in item["requests"]]
        item["log_likelihoods"] = [likelihood(*it) for it in item["requests"]]
    return {"items": items, "acc": figures["acc"], "acc_norm": figures.get("acc_norm"), "acc_bytes": figures.get("acc_bytes")}


def main() -> None:
    out = {"lm_eval": "0.4.13", "tasks": []}

    def put(task: str, shots: int, files: dict, parts: list) -> None:
        out["tasks"].append({"task": task, "shots": shots, "files": files, "parts": parts})

    arc = lambda documents: [
        {"question": q, "choices": {"text": o, "label": list("ABCDE")[: len(o)]}, "answerKey": g} for q, o, g in documents
    ]
    part = evaluated("arc/arc_challenge.yaml", {"train": arc(ARC[:1]), "validation": arc(ARC[:1]), "test": arc(ARC[1:])}, 0)
    put("arc-c", 0, {"arc_c/ARC_challenge.txt": lines(ARC[1:])}, [part])

    mmlu = lambda documents: [{"question": q, "choices": o, "answer": index(g)} for q, o, g in documents]
    for shots in (0, 2):
        files, parts = {}, []
        for subject, questions in MMLU.items():
            test, dev = questions[:2], questions[1:]
            parts.append(evaluated(f"mmlu/default/mmlu_{subject}.yaml", {"test": mmlu(test), "dev": mmlu(dev)}, shots))
            files |= {f"mmlu/{subject}.txt": lines(test), f"mmlu/dev/{subject}.txt": lines(dev)}
        put("mmlu", shots, files, parts)

    truthful = [
        {"question": q, "mc1_targets": {"choices": o, "labels": [1] + [0] * (len(o) - 1)}} for q, o in TRUTHFUL
    ]
    ours = [{"question": q, "mc1_targets": {text: int(i == 0) for i, text in enumerate(o)}} for q, o in TRUTHFUL]
    part = evaluated("truthfulqa/truthfulqa_mc1.yaml", {"validation": truthful}, 0)
    put("truthfulqa", 0, {"truthfulqa/yuan2-TruthfulQA_EN.json": json.dumps(ours, ensure_ascii=False)}, [part])

    files, parts = {}, []
    for name, questions in AGIEVAL.items():
        documents, ours = [], []
        for passage, question, options, gold in questions:
            last = "ABCDE"[len(options) - 1]
            if name.startswith("gaokao"):
                query = f"{passage}问题：{question} 选项：{' '.join(options)}\n答案：从A到{last}, 我们应选择"
            else:
                query = f"{passage}Q: {question} Answer Choices: {' '.join(options)}\nA: Among A through {last}, the answer is"
            documents.append({"query": query, "choices": options, "gold": [index(letter) for letter in gold]})
            ours.append({"passage": passage or None, "question": question, "options": options, "label": gold})
        parts.append(evaluated(f"agieval/{name}.yaml", {"test": documents}, 0))
        files[f"agieval/{name}.jsonl"] = "".join(json.dumps(it, ensure_ascii=False) + "\n" for it in ours)
    put("agieval", 0, files, parts)

    ceval = [dict(zip(["question", "A", "B", "C", "D", "answer"], [q, *o, g])) for q, o, g in CEVAL]
    for shots in (0, 1):
        part = evaluated("ceval/ceval-valid_high_school_chemistry.yaml", {"val": ceval[:2], "dev": ceval[2:]}, shots)
        files = {"ceval/val/high_school_chemistry_val.csv": table(CEVAL[:2])}
        files["ceval/dev/high_school_chemistry_dev.csv"] = table(CEVAL[2:])
        put("ceval", shots, files, [part])
    cmmlu = [dict(zip(["Question", "A", "B", "C", "D", "Answer"], [q, *o, g])) for q, o, g in CEVAL]
    yaml = next(TASKS.glob("cmmlu/*high_school_chemistry.yaml")).relative_to(TASKS)
    part = evaluated(str(yaml), {"test": cmmlu[:2], "dev": cmmlu[2:]}, 1)
    head = lambda text: text.replace("question", "Question").replace("answer", "Answer")
    files = {f"cmmlu/{split}/high_school_chemistry.csv": head(table(it)) for split, it in (("test", CEVAL[:2]), ("dev", CEVAL[2:]))}
    put("cmmlu", 1, files, [part])

    json.dump(out, sys.stdout, ensure_ascii=False, indent=1)
    print()


if __name__ == "__main__":
    main()
