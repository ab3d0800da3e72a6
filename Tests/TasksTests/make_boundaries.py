#!/usr/bin/env python3
"""Writes Fixtures: how the Language Model Evaluation Harness cuts pairs into tokens (boundaries.json), what its filters
find in solutions, and what its tasks ask of a few items (authors/, asked.json).

    pip install lm-eval==0.4.13 transformers
    python3 Tests/TasksTests/make_boundaries.py
"""

import json
import pathlib
import random
import shutil
import sys
import tempfile
import types

import lm_eval
from lm_eval.api.model import LM
from lm_eval.filters.extraction import RegexFilter
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.models.huggingface import HFLM
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "checks"))
import check_tasks  # noqa: E402

MODELS = HERE.parent / "Fixtures" / "models"

PAIRS = [
    ["Question: the lamp\nAnswer:", " the light"],
    ["Question: the lamp\nAnswer: ", "the light"],
    ["a lamp \n\t ", "\nof light"],
    ["the la", "mp was lit"],
    ["", " the lamp"],
    ["", "lamp"],
    ["The lamp\u00a0", "was caf\u00e9"],
    ["naïve 🙂", " 🙂🙂 end"],
    ["x", "y"],
    ["The lamp\u3000\x1f ", " was"],
    ["1998 lamps and ", "42"],
]
SOLUTIONS = [
    ["He has 3 + 4 = 7 lamps.\n#### 7", "7 lamps\n#### 7"],
    ["#### -1,250.", "x #### -1,250"],
    ["The answer is $12.50.", "#### 12.50"],
    ["It is 8. Then 9 and - 10", "#### 10"],
    ["no number", "#### 3"],
    ["#### abc #### 5", "#### 5"],
    ["a .. b", "#### .."],
    ["#### 18\n\nQuestion", "#### 18"],
    ["so -5 or -$7, then", "#### -$7"],
]


def harness(folder):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    lm = HFLM.__new__(HFLM)
    lm.tokenizer, lm.backend, lm.add_bos_token, lm.custom_prefix_token_id = tokenizer, "causal", None, None
    lm.enable_thinking = None
    return lm


def cut(lm, context, continuation):
    found = []
    lm._loglikelihood_tokens = lambda requests, disable_tqdm: found.extend(requests)
    lm.loglikelihood([types.SimpleNamespace(args=(context, continuation))], disable_tqdm=True)
    return {"context": context, "continuation": continuation, "tokens": [found[0][1], found[0][2]]}


def solution(written, right):
    patterns = {"strict": (r"#### (\-?[0-9\.\,]+)", 0), "flexible": (r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1)}
    values = {"written": written, "right": right}
    for name, (pattern, group) in patterns.items():
        extracted = RegexFilter(regex_pattern=pattern, group_select=group).apply([[written]], [{}])
        extracted = [list(some) for some in extracted][0][0]
        score = exact_match_hf_evaluate(
            predictions=[extracted], references=[right], ignore_case=True, ignore_punctuation=False,
            regexes_to_ignore=[",", "\\$", "(?s).*#### ", "\\.$"])
        values[name] = {"extracted": extracted, "score": float(score["exact_match"])}
    return values


class Recorder(LM):
    """Says nothing, but remembers what it was asked."""

    def loglikelihood(self, requests, disable_tqdm=False):
        return [(-1.0, False) for _ in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        return [-1.0 for _ in requests]

    def generate_until(self, requests, disable_tqdm=False):
        return ["" for _ in requests]


def asked(folder):
    """What the tasks ask of a few items: pairs of texts, and the index of the right one; of GSM8K the prompts."""
    found = {}
    local = check_tasks.manager(folder, list(check_tasks.TASKS))
    for name in check_tasks.TASKS:
        result = lm_eval.simple_evaluate(
            model=Recorder(), tasks=[f"local_{name}"], task_manager=local, log_samples=True, bootstrap_iters=0)
        samples = sorted(result["samples"][f"local_{name}"], key=lambda s: s["doc_id"])
        samples = [s for s in samples if s["filter"] in ("none", "strict-match")]
        found[name] = [
            {"pairs": [[a[0], "" if name == "gsm8k" else a[1]] for a in s["arguments"]],
             "right": s["doc"]["answer"] if name == "winogrande" else s["target"]} for s in samples]
    return found


def main():
    models = ["llama-mha", "llama3-gqa", "qwen2-bias", "mistral-gqa"]
    cuts = {}
    for name in models:
        lm = harness(MODELS / name)
        cuts[name] = [cut(lm, *pair) for pair in PAIRS]
    samples = []
    for seed, count, wanted in [(1234, 7473, 5), (1234, 12, 5), (7, 100, 8), (0, 5, 5)]:
        generator = random.Random(seed)
        drawn = [generator.sample(range(count), wanted) for _ in range(3)]
        samples.append({"seed": seed, "count": count, "wanted": wanted, "drawn": drawn})
    document = {"cuts": cuts, "solutions": [solution(*pair) for pair in SOLUTIONS], "samples": samples}
    path = HERE / "Fixtures/boundaries.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        check_tasks.make(pathlib.Path(folder), 3)
        shutil.rmtree(HERE / "Fixtures/authors", ignore_errors=True)
        shutil.copytree(pathlib.Path(folder) / "authors", HERE / "Fixtures/authors")
        found = asked(pathlib.Path(folder))
    (HERE / "Fixtures/asked.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
