#!/usr/bin/env python3
"""Every family and format through search, report and export, against stock transformers and stock llama.cpp.

    python check_matrix.py --nas-search .build/release/nas-search --output results/do-exports-open

For each row: a tiny trained model (tiny_models.py) is written in the format; `nas-search evaluate` measures it; `search` with a
budget of 6, `report` and `export --point best` to a Hugging Face folder and a GGUF, in F32 and in F16, are run on it;
`evaluate` measures each export. Each figure has to agree with the reference's on the same weights and the same text:

* `evaluate` of the model: transformers, and llama.cpp, on the weights that the file means, in F32;
* the dense perplexity in `report`, and the one that `export` states: transformers on the fitness windows of the study;
* `evaluate` of an exported folder: transformers on the folder (with its remote code where layers differ);
* `evaluate` of an exported GGUF: llama.cpp on the file;
* logits of the exports in F32: transformers on the folder and llama.cpp on the file, on one window of the text.

Where llama.cpp takes no layers of different widths for a family, such subnets are exported as folders only, and `export` has to
refuse the GGUF.

Token ids are the reference's own, from the tokenizer in the folder or the GGUF. For information only, `llama.cpp_file` is
llama.cpp's figure on a 16-bit or quantised input itself: it rounds activations to multiply them with such weights.

Exit code 0: every difference of perplexities is at most 0.1 %, every one of logits 1e-3 (of Gemma, whose GELU llama.cpp
looks up in half precision, 5e-3). 1: some are larger. 2: a row could not be made or run.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time

SCRATCH = tempfile.TemporaryDirectory()
# transformers copies remote code to its cache; nothing is fetched.
os.environ |= {"HF_HOME": os.path.join(SCRATCH.name, "cache"), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error",
               "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

import tiny_models  # noqa: E402  (it makes the modules of the fixtures known)
import expert_files  # noqa: E402
from check_export import CheckError, measure_gguf, open_hugging_face, perplexity, read_text, windows_of  # noqa: E402
from stock_llama_cpp import LlamaCpp, version  # noqa: E402

TOLERANCE = 0.001  # relative difference of two perplexities
FITNESS_LENGTH = 64


class Program:
    def __init__(self, path):
        self.path = os.path.abspath(path)

    def run(self, *arguments):
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise CheckError(f"nas-search {' '.join(map(str, arguments))}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def refuses(self, *arguments):
        """What the program says instead of doing it."""
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode == 0:
            raise CheckError(f"nas-search {' '.join(map(str, arguments))}: not refused")
        return done.stderr.strip()

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json"))

    def perplexity(self, model, window):
        """(perplexity, windows)"""
        line = self.json("evaluate", "--model", model, "--text", tiny_models.TEXT, "--window-length", window)["measurements"][0]
        return line["perplexity"], line["windows"]


class Row:
    """The figures of one row by their names in the table, and the pairs among them that have to agree."""

    def __init__(self, family, format):
        self.cells = {"family": family, "format": format}
        self.differences = {}
        self.failure = None

    def compare(self, name, ours, references):
        """`ours` and each reference: (perplexity, windows)."""
        self.cells[name] = ours[0]
        for label, reference in references.items():
            if ours[1] != reference[1]:
                raise CheckError(f"{name}: {ours[1]} windows, {label} has {reference[1]}")
            self.cells[f"{name}_{label}"] = reference[0]
            self.differences[f"{name}_{label}"] = abs(ours[0] / reference[0] - 1)

    @property
    def largest(self):
        return max(self.differences.values())

    @property
    def limit(self):
        """Of a difference of logits."""
        return 5e-3 if self.cells["family"].startswith("gemma") else 1e-3

    @property
    def agrees(self):
        return (all(difference <= TOLERANCE for difference in self.differences.values())  # false for NaN, too
                and self.cells.get("logits", 0.0) <= self.limit)

    def largest_of(self, form):
        """The largest difference of exports in a format; None without any."""
        return max((value for name, value in self.differences.items() if name.startswith(form)), default=None)


def of_text(folder, window):
    """transformers: (perplexity, windows) on the text."""
    tokenizer, logits_of = open_hugging_face(folder, 1)
    windows = windows_of(tokenizer(read_text(tiny_models.TEXT)).input_ids, window, None, folder)
    return perplexity(logits_of, windows, "transformers"), len(windows)


def of_windows(folder, windows):
    return perplexity(open_hugging_face(folder, 1)[1], windows, "transformers"), len(windows)


def of_gguf(path, window):
    _, windows, value = measure_gguf(path, read_text(tiny_models.TEXT), window, None, 1)
    return value, windows


def logits_apart(folder, path, window):
    """Largest difference between the logits of transformers and of llama.cpp on the first window of the text."""
    tokenizer, logits_of = open_hugging_face(folder, 1)
    tokens = tokenizer(read_text(tiny_models.TEXT)).input_ids[:window]
    with LlamaCpp(path, context_length=window, threads=1) as model:
        return float(np.abs(model.logits(tokens) - logits_of(tokens)).max())


def measure_dense(program, checkpoint, row):
    references = {"transformers": of_text(checkpoint.twin_folder, checkpoint.window)}
    if checkpoint.twin_gguf and checkpoint.gguf_window == checkpoint.window:
        references["llama.cpp"] = of_gguf(checkpoint.twin_gguf, checkpoint.window)
    row.compare("dense", program.perplexity(checkpoint.path, checkpoint.window), references)
    if checkpoint.path.endswith(".gguf"):
        row.cells["llama.cpp_file"] = of_gguf(checkpoint.path, checkpoint.window)[0]


def measure_search(program, checkpoint, row, place):
    study = os.path.join(place, "study")
    length = max(FITNESS_LENGTH, checkpoint.window if checkpoint.gguf_window < checkpoint.window else 0)
    program.run("search", "--model", checkpoint.path, "--study", study, "--budget", 6, "--population", 4,
                "--space", checkpoint.space,
                "--calibration", tiny_models.TEXT, "--calibration-windows", 8, "--calibration-length", length,
                "--gradient-windows", 4, "--fitness-windows", 8, "--fitness-length", length,
                "--cache", os.path.join(place, "statistics"))
    report = program.json("report", study)
    with open(os.path.join(study, "calibration.json"), encoding="utf-8") as file:
        fitness = json.load(file)["sets"][0]
    windows = windows_of(fitness["fitness_tokens"], fitness["fitness_length"], None, study)
    row.compare("report", (report["dense"]["perplexity"], report["fitness"]["windows"]),
                {"transformers": of_windows(checkpoint.twin_folder, windows)})
    return study, windows


def measure_exports(program, checkpoint, row, study, windows, dtype):
    folder, file = f"{study}-{dtype}", f"{study}-{dtype}.gguf"
    outputs = [word for form, place in (("hf", folder), ("gguf", file)) if form in checkpoint.formats
               for word in ("--format", form, "--output", place)]
    stated = program.json("export", study, "--point", "best", "--dtype", dtype, *outputs,
                          "--cache", os.path.join(os.path.dirname(study), "statistics"))
    for form, written in zip(checkpoint.formats, stated["checkpoints"]):
        row.cells[f"{form}_architecture"] = written["architecture"]
    if dtype == "f32":
        row.compare("export", (stated["perplexity"], len(windows)), {"transformers": of_windows(folder, windows)})
    row.compare(f"hf_{dtype}", program.perplexity(folder, checkpoint.window),
                {"transformers": of_text(folder, checkpoint.window)})
    if "gguf" not in checkpoint.formats:
        return
    row.compare(f"gguf_{dtype}", program.perplexity(file, checkpoint.gguf_window),
                {"llama.cpp": of_gguf(file, checkpoint.gguf_window)})
    if dtype == "f32":
        row.cells["logits"] = logits_apart(folder, file, checkpoint.gguf_window)


def settings(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        return json.load(file)


def check_experts(checkpoint, folder):
    """An exported mixture of experts has to have fewer or narrower ones, or the row would say nothing about them."""
    before, after = expert_files.experts(settings(checkpoint.twin_folder)), settings(folder)
    if before == 0:
        return
    layers = after.get("per_layer_config", {}).values()
    counts = [layer["num_experts"] for layer in layers] or [expert_files.experts(after)]
    channels = after.get("moe_intermediate_size") or after["intermediate_size"]
    whole = min(counts) >= before and channels >= tiny_models.EXPERT_CHANNELS
    if whole or channels != checkpoint.expert_channels:
        raise CheckError(f"the best point has {counts} of {before} experts, of {channels} channels")


def measure_refusal(program, checkpoint, row, study):
    """Of a GGUF of the subnet that `measure_exports` wrote as a folder, whose layers llama.cpp does not take."""
    layers = settings(f"{study}-f32").get("per_layer_config", {}).values()
    if len({json.dumps(layer, sort_keys=True) for layer in layers}) < 2:
        raise CheckError("the layers of the best point are alike: nothing to refuse")
    file = f"{study}-refused.gguf"
    said = program.refuses("export", study, "--point", "best", "--format", "gguf", "--output", file,
                           "--cache", os.path.join(os.path.dirname(study), "statistics"))
    if "has one width for all layers" not in said or os.path.exists(file):
        raise CheckError(f"the GGUF is not refused as it should be: {said}")
    row.cells["gguf_architecture"] = "refused"


def measure(program, make, base, row):
    with tempfile.TemporaryDirectory(dir=SCRATCH.name) as place:
        checkpoint = make(base, row.cells["family"], place)
        measure_dense(program, checkpoint, row)
        study, windows = measure_search(program, checkpoint, row, place)
        for dtype in ("f32", "f16"):
            measure_exports(program, checkpoint, row, study, windows, dtype)
        check_experts(checkpoint, f"{study}-f32")
        if "gguf" not in checkpoint.formats:
            measure_refusal(program, checkpoint, row, study)


def all_rows():
    """(family, format, maker), in the order of the table."""
    for family in tiny_models.FAMILIES:
        for format, make in tiny_models.FORMATS.items():
            if tiny_models.FAMILIES[family].architecture or format.startswith("HF"):
                yield family, format, make
    yield from tiny_models.VARIANTS


# ---- table

COLUMNS = {
    "dense": "dense", "dense_transformers": "transformers", "dense_llama.cpp": "llama.cpp",
    "hf_f32": "HF export", "hf_f32_transformers": "transformers", "gguf_f32": "GGUF export", "gguf_f32_llama.cpp": "llama.cpp",
}
README = """# Do exports open in stock loaders, with the same figures?

Every family and format goes through search, report and both exports. transformers and llama.cpp then open the exports.

**Answer:** yes. The table says how far perplexities differ.

```sh
python3 Tests/checks/check_matrix.py --nas-search .build/release/nas-search --output results/do-exports-open
```

The figures are perplexities of tiny trained models on `Tests/Fixtures/text/lighthouse.txt` in windows of 128 tokens. Each figure of
`nas-search evaluate` is followed by what the references compute from the same weights with tokenizers of their own. *dense* is the checkpoint
as it is given. The exports are the best point of a search of 6 evaluations, in F32; *refused*: llama.cpp has no form of it, and the
program has to say so. The largest difference is that of all pairs of figures in the row. `matrix.csv` has further pairs: exports in F16,
the dense perplexity in `report`, and the one that `export` states. The command fails if a difference is larger than 0.1 %. The head of
the script says what is compared with what.

A GGUF has no dynamic rope scaling: its context ends where the scaling would begin, so the row *128 of 64* measures the GGUF
export in windows of 64, and has no figure of llama.cpp for the dense model.

{table}

{summary}
"""


def markdown(rows):
    yield "| family | format | " + " | ".join(COLUMNS.values()) + " | exported as | largest difference |"
    yield "| --- | --- |" + " --- |" * (len(COLUMNS) + 2)
    for row in rows:
        cells = row.cells
        figures = [f"{cells[name]:.4f}" if name in cells else "–" for name in COLUMNS]
        exported = ", ".join(cells[name] for name in ("hf_architecture", "gguf_architecture") if name in cells)
        yield (f"| {cells['family']} | {cells['format']} | {' | '.join(figures)} | {exported or '–'} | "
               f"{'failed' if row.failure else f'{100 * row.largest:.4f} %'} |")


def write_table(folder, rows, summary):
    """matrix.csv with every figure, README.md with the main ones."""
    os.makedirs(folder, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row.cells)) + ["largest_difference_percent"]
    with open(os.path.join(folder, "matrix.csv"), "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            cells = {key: f"{value:.6f}" if isinstance(value, float) else value for key, value in row.cells.items()}
            largest = "failed" if row.failure else f"{100 * row.largest:.5f}"
            writer.writerow({**cells, "largest_difference_percent": largest})
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
        file.write(README.format(table="\n".join(markdown(rows)), summary=summary))


# The rows that stand for a family in docs/families.md, and what the widths of their subnets are.
WIDTHS = {"HF, one file": "a width for each layer", "HF, all layers alike": "one width"}


def families_table(rows):
    """Family by format and widths: the loader of the subnets of each family and the largest difference of their figures."""
    yield "| family | subnets | Hugging Face | perplexity | GGUF | perplexity | logits |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        widths = WIDTHS.get(row.cells["format"])
        if widths is None:
            continue
        cells = [row.cells["family"], widths]
        for form in ("hf", "gguf"):
            apart = row.largest_of(form)
            cells += [row.cells.get(f"{form}_architecture", "–"), "–" if apart is None else f"{100 * apart:.4f} %"]
        cells.append(f"{row.cells['logits']:.0e}" if "logits" in row.cells else "–")
        yield "| " + " | ".join(cells if not row.failure else cells[:2] + ["failed"] + ["–"] * 4) + " |"


def verdict(row):
    """What is printed of a row."""
    if row.failure:
        return f"FAILED: {row.failure}"
    figures = " ".join(f"{name}={value:.4f}" for name, value in row.cells.items() if isinstance(value, float))
    apart = [f"{name} {100 * value:.4f} %" for name, value in row.differences.items() if not value <= TOLERANCE]
    apart += [f"logits {row.cells['logits']:.1e}"] if not row.cells.get("logits", 0.0) <= row.limit else []
    return f"{figures}; largest difference {100 * row.largest:.4f} %" + (f"; DIFFERS: {', '.join(apart)}" if apart else "")


def run(program, wanted, output, formats=None):
    began, bases, rows = time.monotonic(), {}, []
    for family, format, make in all_rows():
        if not all(word in f"{family}, {format}" for word in wanted) or formats and format not in formats:
            continue
        if family not in bases:
            bases[family] = os.path.join(SCRATCH.name, family)
            tiny_models.save(tiny_models.train(family), family, bases[family])
        row = Row(family, format)
        try:
            measure(program, make, bases[family], row)
        except Exception as error:  # of the program, of transformers or of llama.cpp: the other rows still count
            row.failure = f"{type(error).__name__}: {error}"
        rows.append(row)
        print(f"{family}, {format}: {verdict(row)}", flush=True)
    print("\n".join(families_table(sorted(rows, key=lambda row: list(tiny_models.FAMILIES).index(row.cells["family"])))))
    failed = sum(row.failure is not None for row in rows)
    apart = sum(row.failure is None and not row.agrees for row in rows)
    summary = (f"{len(rows)} rows, {apart} with a difference above {100 * TOLERANCE:g} %, {failed} failed; transformers "
               f"{transformers.__version__}, llama.cpp of {version()}.")
    print(summary, f"{time.monotonic() - began:.0f} s")
    if output and rows:
        write_table(output, rows, summary)
    return 2 if failed or not rows else 1 if apart else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nas-search", metavar="FILE", required=True, help="the program")
    parser.add_argument("--output", metavar="DIR", help="folder for README.md and matrix.csv")
    parser.add_argument("--families", action="store_true", help="only the rows of the table in docs/families.md")
    parser.add_argument("--only", metavar="WORD", action="append", default=[],
                        help="only rows whose family and format contain it, such as qwen2 or Q4_K; repeatable")
    arguments = parser.parse_args()
    if not os.access(arguments.nas_search, os.X_OK):
        parser.error(f"no program at {arguments.nas_search}")
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    sys.exit(run(Program(arguments.nas_search), arguments.only, arguments.output, WIDTHS if arguments.families else None))


if __name__ == "__main__":
    main()
