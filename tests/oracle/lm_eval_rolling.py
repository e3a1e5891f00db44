"""Rolling log-likelihoods of documents by lm-eval's own client (`local-completions`, 0.4.13) of a server.

    python tests/oracle/lm_eval_rolling.py http://127.0.0.1:8000/v1/completions TOKENIZER-FOLDER LENGTH DOCUMENTS.jsonl

Prints a JSON list, one number for each document. LENGTH is how many tokens the server reads. Needs lm-eval with aiohttp and tenacity.
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI


def main() -> None:
    url, folder, length, documents = sys.argv[1:]
    model = LocalCompletionsAPI(
        base_url=url, model="m", tokenizer=folder, tokenizer_backend="huggingface", max_length=int(length)
    )
    texts = [json.loads(line)["text"] for line in open(documents, encoding="utf-8")]
    requests = [Instance("loglikelihood_rolling", {}, (text,), number) for number, text in enumerate(texts)]
    print(json.dumps(model.loglikelihood_rolling(requests, disable_tqdm=True)))


if __name__ == "__main__":
    main()
