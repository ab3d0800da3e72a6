#!/usr/bin/env python3
"""Compares `nas-search evaluate --tasks` with the Language Model Evaluation Harness (model `hf`, single precision).

On a machine that others use, compare the processors' time of both, not the seconds.

The items are made here: texts of random words, in the forms of the tasks' authors for nas-search and of the Hugging Face
data sets for the harness, which reads them through its own task files. Log-likelihoods must agree within a tolerance,
and so must what every item counts for each metric.

    pip install lm-eval==0.4.13 torch transformers
    python3 Tests/checks/check_tasks.py --binary .build/release/nas-search --model MODEL.gguf --items 50
"""

import argparse
import csv
import json
import pathlib
import random
import resource
import subprocess
import tempfile
import time

SEVEN = ["boolq", "piqa", "hellaswag", "winogrande", "arc_easy", "arc_challenge", "openbookqa"]
MORE = ["sciq", "lambada_openai", "mmlu", "gsm8k"]
WORDS = """the a of and to in is was for on as with by at from it that his her they river stone window garden engine
letter number seven eleven quickly slowly red green bright old young winter summer Paris London Robert Maria village
teacher student bridge paper copper iron water light sound heavy small great under over between because although however
wrote built found carried opened closed measured painted sold bought machine forest mountain theory music kitchen bread
salt sugar metal glass café naïve Zürich don't it's 1998 42 3.5 left-handed""".split()


class Writer:
    """Random texts."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def words(self, least, most):
        return " ".join(self.random.choice(WORDS) for _ in range(self.random.randint(least, most)))

    def sentence(self, least=5, most=18):
        text = self.words(least, most)
        return text[0].upper() + text[1:] + self.random.choice([".", ".", ".", "!", ", too."])

    def passage(self, least, most):
        return " ".join(self.sentence() for _ in range(self.random.randint(least, most)))


def boolq(w):
    title, passage, question, answer = w.words(1, 3), w.passage(3, 9), w.words(4, 10), w.random.random() < 0.5
    own = {"question": question, "title": title, "answer": answer, "passage": passage}
    return own, {"question": question, "passage": f"{title} -- {passage}", "idx": 0, "label": int(answer)}


def piqa(w):
    own = {"goal": w.words(4, 14), "sol1": w.words(4, 25), "sol2": w.words(4, 25)}
    label = w.random.randrange(2)
    return own, own | {"label": label}


def hellaswag(w):
    marks = ["", "", " [title] How to", " [step] First", "  twice", " [substeps] then [header] all"]
    endings = [w.words(5, 22) + w.random.choice(marks) + "." for _ in range(4)]
    first, second = w.sentence() + w.random.choice(marks), w.random.choice(["", w.words(1, 6), "The " + w.words(2, 5)])
    own = {
        "ind": 1, "activity_label": w.words(1, 3), "ctx_a": first, "ctx_b": second, "ctx": first + " " + second,
        "split": "val", "split_type": "indomain", "label": w.random.randrange(4), "endings": endings,
        "source_id": "made",
    }
    return own, own | {"label": str(own["label"])}


def winogrande(w):
    own = {
        "qID": "made", "sentence": f"{w.words(4, 12)} _ {w.words(3, 9)}.", "option1": w.words(1, 2),
        "option2": w.words(1, 2), "answer": str(w.random.randint(1, 2)),
    }
    return own, own


def science(w, least, most, labels, stem_key):
    texts = [w.words(least, most) for _ in labels]
    stem, key = w.sentence(6, 20) if stem_key == "question" else w.words(6, 16), w.random.choice(labels)
    choices = [{"text": text, "label": label} for text, label in zip(texts, labels)]
    own = {"id": "made", "question": {"stem": stem, "choices": choices}, "answerKey": key}
    return own, {"id": "made", stem_key: stem, "choices": {"text": texts, "label": labels}, "answerKey": key}


def arc(w):
    return science(w, 1, 9, w.random.choice([list("ABCD"), list("ABCD"), list("1234"), list("ABC")]), "question")


def openbookqa(w):
    return science(w, 1, 6, list("ABCD"), "question_stem")


def sciq(w):
    own = {"question": w.sentence(), "support": w.random.choice(["", " "]) + w.passage(0, 4)}
    own |= {key: w.words(1, 3) for key in ["distractor1", "distractor2", "distractor3", "correct_answer"]}
    return own, own


def lambada(w):
    own = {"text": w.passage(3, 5) + " " + w.random.choice(["river", "stone", "letter"])}
    return own, own


def mmlu(w):
    question, choices, right = " " + w.sentence() + "\n" + w.words(3, 8), [w.words(1, 8) for _ in range(4)], 0
    right = w.random.randrange(4)
    return [question, *choices, "ABCD"[right]], {"question": question, "choices": choices, "answer": right}


def gsm8k(w):
    number = f"{w.random.randint(1, 4000):,}"
    own = {"question": w.sentence(8, 20), "answer": f"{w.sentence()} <<3*4=12>>12\n#### {number}"}
    return own, own


# How items are made, the split that the harness reads, the file for nas-search, the harness's task file.
TASKS = {
    "boolq": (boolq, "validation", "boolq/dev.jsonl", "super_glue/boolq/default.yaml"),
    "piqa": (piqa, "validation", "piqa/valid.jsonl", "piqa/piqa.yaml"),
    "hellaswag": (hellaswag, "validation", "hellaswag_val.jsonl", "hellaswag/hellaswag.yaml"),
    "winogrande": (winogrande, "validation", "winogrande_1.1/dev.jsonl", "winogrande/default.yaml"),
    "arc_easy": (arc, "test", "ARC-V1/ARC-Easy/ARC-Easy-Test.jsonl", "arc/arc_easy.yaml"),
    "arc_challenge": (arc, "test", "ARC-V1/ARC-Challenge/ARC-Challenge-Test.jsonl", "arc/arc_challenge.yaml"),
    "openbookqa": (openbookqa, "test", "OpenBookQA/Data/Main/test.jsonl", "openbookqa/openbookqa.yaml"),
    "sciq": (sciq, "test", "SciQ/test.json", "sciq/sciq.yaml"),
    "lambada_openai": (lambada, "test", "lambada_test.jsonl", "lambada/lambada_openai.yaml"),
    "mmlu": (mmlu, "test", "mmlu/test/abstract_algebra_test.csv", "mmlu/default/mmlu_abstract_algebra.yaml"),
    "gsm8k": (gsm8k, "test", "gsm8k/test.jsonl", "gsm8k/gsm8k.yaml"),
}


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make(folder, items):
    """Writes the items of every task in both forms."""
    for number, (name, (maker, _, place, _)) in enumerate(TASKS.items()):
        writer = Writer(number)
        own, other = zip(*[maker(writer) for _ in range(items)])
        path = folder / "authors" / place
        if name == "mmlu":
            path.parent.mkdir(parents=True)
            with open(path, "w", newline="") as file:
                csv.writer(file).writerows(own)
        else:
            write(path, json.dumps(own) if name == "sciq" else jsonl(own))
        if name == "piqa":
            write(path.with_name("valid-labels.lst"), "".join(f"{row['label']}\n" for row in other))
        write(folder / "harness" / f"{name}.jsonl", jsonl(other))
    training = jsonl([gsm8k(Writer(99 + i))[0] for i in range(40)])
    write(folder / "authors/gsm8k/train.jsonl", training)
    write(folder / "harness/gsm8k-train.jsonl", training)


def manager(folder, tasks):
    """The harness's own tasks, called `local_NAME`, on the files of a folder."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    tree = pathlib.Path(lm_eval.__file__).parent / "tasks"
    for name in tasks:
        _, split, _, yaml = TASKS[name]
        files = {split: str(folder / f"harness/{name}.jsonl")}
        if name == "gsm8k":
            files["train"] = str(folder / "harness/gsm8k-train.jsonl")
        lines = [f"include: {tree / yaml}", f"task: local_{name}", "dataset_path: json", "dataset_name: null"]
        lines += ["dataset_kwargs:", f"  data_files: {json.dumps(files)}"]
        lines += [f"{key}: null" for key in ["training_split", "fewshot_split"] if name != "gsm8k"]
        if split == "test":
            lines.append("validation_split: null")
        write(folder / f"yaml/{name}.yaml", "\n".join(lines) + "\n")
    return TaskManager(include_path=str(folder / "yaml"), include_defaults=False)


def harness(folder, model, tasks):
    """What the harness finds: for every task its items, and seconds. Only its evaluation is timed."""
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=str(model), dtype="float32", device="cpu", batch_size=8)
    return evaluated(lm, folder, tasks)


def evaluated(lm, folder, tasks):
    """What the harness finds with one of its models, in the form of `harness`."""
    import lm_eval

    local = manager(folder, tasks)
    found = {}
    for name in tasks:
        start, used = time.monotonic(), time.process_time()
        result = lm_eval.simple_evaluate(
            model=lm, tasks=[f"local_{name}"], task_manager=local, log_samples=True, bootstrap_iters=0)
        seconds, used = time.monotonic() - start, time.process_time() - used
        samples = sorted(result["samples"][f"local_{name}"], key=lambda s: s["doc_id"])
        metrics = {key.removesuffix(",none"): value for key, value in result["results"][f"local_{name}"].items()}
        found[name] = {"seconds": seconds, "processor": used, "metrics": metrics, "items": [
            {"filter": s["filter"], "resps": s["resps"], "values": {m: s[m] for m in s["metrics"]}} for s in samples]}
        print(f"harness: {name}: {seconds:.1f} s", flush=True)
    return found


def ours(binary, folder, model, tasks):
    answers = folder / f"answers-{tasks[0]}.jsonl"
    answers.unlink(missing_ok=True)
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    text = subprocess.run(
        [binary, "evaluate", "--model", model, "--tasks", ",".join(tasks), "--task-data", folder / "authors",
         "--answers", answers, "--json"], check=True, capture_output=True, text=True).stdout
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = [json.loads(line) for line in answers.read_text().splitlines()]
    return json.loads(text), lines, (seconds, used)


def compare(name, document, lines, found, tolerance):
    """The largest difference of log-likelihoods, and how many items differ in some way."""
    own = [line for line in lines if line["task"] == name]
    result = next(task for task in document["tasks"] if task["task"] == name)
    if name == "gsm8k":
        written = [s["resps"][0][0] for s in found["items"] if s["filter"] == "strict-match"]
        return 0.0, sum(line["text"] != text for line, text in zip(own, written, strict=True)), len(own)
    largest, wrong = 0.0, 0
    for line, item in zip(own, found["items"], strict=True):
        theirs = [(float(r[0][0]), str(r[0][1]) == "True") for r in item["resps"]]
        distance = max(abs(a - b) for a, (b, _) in zip(line["log_likelihoods"], theirs, strict=True))
        largest = max(largest, distance)
        wrong += distance > tolerance or line["greedy"] != [greedy for _, greedy in theirs]
    for metric in result["metrics"]:
        same = abs(metric["value"] - found["metrics"][metric["metric"]])
        if same > (1e-3 * metric["value"] if metric["metric"] == "perplexity" else 1e-9):
            print(f"{name} {metric['metric']}: {metric['value']} here, {found['metrics'][metric['metric']]} there")
            wrong += 1
    return largest, wrong, len(own)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--tasks", default=",".join(SEVEN))
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--folder", type=pathlib.Path, help="for the files; what the harness found there is used again")
    options = parser.parse_args()
    tasks = options.tasks.split(",")
    folder = options.folder or pathlib.Path(tempfile.mkdtemp())
    if not (folder / "authors").exists():
        make(folder, options.items)
    converted = folder / "model"
    if not converted.exists():
        subprocess.run(
            [options.binary, "convert", "--model", options.model, "--output", converted, "--dtype", "f32"], check=True)
    record = folder / "harness.json"
    found = json.loads(record.read_text()) if record.exists() else {}
    missing = [name for name in tasks if name not in found]
    if missing:
        found |= harness(folder, converted, missing)
        record.write_text(json.dumps(found, default=str))
    document, lines, (seconds, used) = ours(options.binary, folder, converted, tasks)
    failed = False
    for name in tasks:
        largest, wrong, count = compare(name, document, lines, found[name], options.tolerance)
        failed |= wrong > 0
        rate = next(task for task in document["tasks"] if task["task"] == name)["items_per_second"]
        print(f"{name}: {count} items, largest difference {largest:.1e}, {wrong} differ; "
              f"{rate:.1f} items/s here, {count / found[name]['seconds']:.1f} there")
    theirs = {key: sum(found[name].get(key, 0) for name in tasks) for key in ["seconds", "processor"]}
    print(f"all: {seconds:.1f} s here with reading the model, {theirs['seconds']:.1f} s there without; "
          f"of processors' time {used:.1f} s and {theirs['processor']:.1f} s")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
