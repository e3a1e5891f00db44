"""What scikit-learn says of random labels and scores.

    python tests/oracle/fasttext_evaluation.py tests/fixtures/fasttext_train/evaluation.tsv
"""

import sys

import numpy as np
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

random = np.random.default_rng(11)
rows = []


def put(*fields):
    rows.append("\t".join(f"{field:.17g}" if isinstance(field, float) else str(field) for field in fields))


# Labels: 400 examples with one or two of six labels, each given two.
actual, predicted = np.zeros((400, 6), int), np.zeros((400, 6), int)
for example in range(400):
    own = random.choice(6, size=random.integers(1, 3), replace=False, p=[0.4, 0.25, 0.15, 0.1, 0.07, 0.03])
    given = [int(own[0]) if random.random() < 0.6 else int(random.integers(5))]
    given.append(int(random.choice([label for label in range(5) if label != given[0]])))
    actual[example, own] = 1
    predicted[example, given] = 1
    put("example", ",".join(map(str, own)), ",".join(map(str, given)))
for average in ("micro", "macro"):
    put(average, float(precision_score(actual, predicted, average=average, zero_division=0)),
        float(recall_score(actual, predicted, average=average)), float(f1_score(actual, predicted, average=average)))
for label in range(6):
    put("label", label, float(precision_score(actual[:, label], predicted[:, label], zero_division=0)),
        float(recall_score(actual[:, label], predicted[:, label])), float(f1_score(actual[:, label], predicted[:, label])))

# Scores: 500 examples of two languages; rounded, so that there are ties.
positive = random.random(500) < 0.35
language = random.choice(["en", "zh"], size=500)
score = np.round(np.clip(random.normal(0.45 + 0.2 * positive, 0.2), 0, 1), 2).astype(np.float32)
for fields in zip(language, score, positive):
    put("score", fields[0], float(fields[1]), int(fields[2]))
for name, chosen in (("all", language != ""), ("en", language == "en"), ("zh", language == "zh")):
    put("auc", name, float(roc_auc_score(positive[chosen], score[chosen])))
    for threshold in (0.0, 0.3, 0.5, 0.62, 0.9, 1.5):
        kept = score[chosen] >= np.float32(threshold)
        put("threshold", name, threshold, int(kept.sum()), float(kept.mean()),
            float(precision_score(positive[chosen], kept, zero_division=0)), float(recall_score(positive[chosen], kept)))
open(sys.argv[1], "w").write("\n".join(rows) + "\n")
