#!/usr/bin/env python3
"""Any task of the Language Model Evaluation Harness, asked by nas-search.

    python3 Tools/lm_eval_requests.py write --tasks copa,race --requests requests.jsonl
    nas-search evaluate --model MODEL --requests requests.jsonl --answers answers.jsonl
    python3 Tools/lm_eval_requests.py score --tasks copa,race --requests requests.jsonl --answers answers.jsonl

`write` has the harness make its prompts, and writes what it would ask a model; `score` has it make them again, gives it
the answers, and prints its own metrics. Both need the harness (pip install lm-eval) and the tasks' data sets, neither a
model. Tasks that ask for the likelihood of whole texts (`loglikelihood_rolling`) cannot be asked so.
"""

import argparse
import json
import sys

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

TOKENS = 256  # that the harness lets a model write where a task does not say


class RequestError(Exception):
    pass


def lines_of_pairs(requests):
    """A line for each run of pairs that have one context."""
    lines = []
    for context, continuation in (request.args[:2] for request in requests):
        if lines and lines[-1]["context"] == context:
            lines[-1]["continuations"].append(continuation)
        else:
            lines.append({"context": context, "continuations": [continuation]})
    return lines


def line_of_generation(request):
    context, settings = request.args[:2]
    if settings.get("do_sample") and settings.get("temperature", 1) > 0:
        raise RequestError(f"the task '{request.task_name}' draws its tokens; only the most likely ones can be asked for")
    until = settings.get("until") or []
    return {
        "context": context, "until": [until] if isinstance(until, str) else list(until),
        "max_tokens": settings.get("max_gen_toks", settings.get("max_new_tokens", TOKENS)),
    }


class Writer(LM):
    """Remembers what it is asked, and says nothing that counts."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def loglikelihood(self, requests, disable_tqdm=False):
        self.lines += lines_of_pairs(requests)
        return [(0.0, False) for _ in requests]

    def generate_until(self, requests, disable_tqdm=False):
        self.lines += [line_of_generation(request) for request in requests]
        return ["" for _ in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        raise RequestError(f"the task '{requests[0].task_name}' asks for the likelihood of whole texts")


class Reader(Writer):
    """Says what stands in a file with answers."""

    def __init__(self, lines, answers):
        super().__init__()
        self.expected, self.answers = lines, answers

    def taken(self, lines):
        """The answers to the next lines."""
        start = len(self.lines)
        self.lines += lines
        for number, line in enumerate(lines, start):
            if number >= len(self.expected) or any(self.expected[number].get(key) != line[key] for key in line):
                raise RequestError(
                    f"line {number + 1} of the requests is not what the harness asks now: give the options of 'write'")
        return self.answers[start:len(self.lines)]

    def loglikelihood(self, requests, disable_tqdm=False):
        return [
            pair for answer in self.taken(lines_of_pairs(requests))
            for pair in zip(answer["log_likelihoods"], answer["greedy"])]

    def generate_until(self, requests, disable_tqdm=False):
        return [answer["text"] for answer in self.taken([line_of_generation(request) for request in requests])]


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def read_answers(path, count):
    answers = read(path)
    tasks = {answer["task"] for answer in answers}
    if len(tasks) > 1:
        raise RequestError(f"{path}: it has answers of {len(tasks)} files or tasks: {', '.join(sorted(tasks))}")
    if [answer["item"] for answer in answers] != list(range(count)):
        raise RequestError(f"{path}: {len(answers)} answers to {count} requests")
    return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["write", "score"])
    parser.add_argument("--tasks", required=True, help="names, separated by commas")
    parser.add_argument("--requests", required=True, help="file with requests: 'write' makes it")
    parser.add_argument("--answers", help="file that nas-search wrote, for 'score'")
    parser.add_argument("--num-fewshot", type=int)
    parser.add_argument("--limit", type=int, help="items of each task")
    parser.add_argument("--include-path", help="folder with more task files")
    options = parser.parse_args()
    if (options.answers is None) == (options.what == "score"):
        parser.error("--answers is for 'score', which needs it")
    if options.what == "write":
        model = Writer()
    else:
        lines = read(options.requests)
        model = Reader(lines, read_answers(options.answers, len(lines)))
    result = simple_evaluate(
        model=model, tasks=options.tasks.split(","), num_fewshot=options.num_fewshot, limit=options.limit,
        task_manager=TaskManager(include_path=options.include_path), bootstrap_iters=0)
    if options.what == "write":
        with open(options.requests, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in model.lines)
        print(f"{options.requests}: {len(model.lines)} requests")
    else:
        print(json.dumps(result["results"], indent=1, sort_keys=True, default=str))


if __name__ == "__main__":
    try:
        main()
    except RequestError as error:
        sys.exit(f"{sys.argv[0]}: {error}")
