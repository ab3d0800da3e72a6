#!/usr/bin/env python3
"""Every family and format through search, report and export, against stock transformers and stock llama.cpp.

    python check_matrix.py --nas-search .build/release/nas-search --output results/formats

For each row: a tiny trained model (tiny_models.py) is written in the format; `nas-search evaluate` measures it; `search` with a
budget of 6, `report` and `export --point best` to a Hugging Face folder and a GGUF, in F32 and in F16, are run on it;
`evaluate` measures each export. Each figure has to agree with the reference's on the same weights and the same text:

* `evaluate` of the model: transformers, and llama.cpp, on the weights that the file means, in F32;
* the dense perplexity in `report`, and the one that `export` states: transformers on the fitness windows of the study;
* `evaluate` of an exported folder: transformers on the folder (with its remote code where layers differ);
* `evaluate` of an exported GGUF: llama.cpp on the file.

Token ids are the reference's own, from the tokenizer in the folder or the GGUF. For information only, `llama.cpp_file` is
llama.cpp's figure on a 16-bit or quantised input itself: it rounds activations to multiply them with such weights.

Exit code 0: every difference is at most 0.1 %. 1: some are larger. 2: a row could not be made or run.
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

import torch  # noqa: E402
import transformers  # noqa: E402

import tiny_models  # noqa: E402
from check_export import CheckError, measure_gguf, open_hugging_face, perplexity, read_text, windows_of  # noqa: E402
from stock_llama_cpp import LlamaCppError, version  # noqa: E402

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

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json"))

    def perplexity(self, model, window):
        """(perplexity, windows)"""
        line = self.json("evaluate", "--model", model, "--text", tiny_models.TEXT, "--window", window)["measurements"][0]
        return line["perplexity"], line["windows"]


class Row:
    """The figures of one row by their names in the table, and the pairs among them that have to agree."""

    def __init__(self, family, format):
        self.cells = {"family": family, "format": format}
        self.differences = {}

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
    def agrees(self):
        return all(difference <= TOLERANCE for difference in self.differences.values())  # false for NaN, too


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


def measure_dense(program, checkpoint, row):
    references = {"transformers": of_text(checkpoint.twin_folder, checkpoint.window)}
    if checkpoint.gguf_window == checkpoint.window:
        references["llama.cpp"] = of_gguf(checkpoint.twin_gguf, checkpoint.window)
    row.compare("dense", program.perplexity(checkpoint.path, checkpoint.window), references)
    if checkpoint.path.endswith(".gguf"):
        row.cells["llama.cpp_file"] = of_gguf(checkpoint.path, checkpoint.window)[0]


def measure_search(program, checkpoint, row, place):
    study = os.path.join(place, "study")
    length = max(FITNESS_LENGTH, checkpoint.window if checkpoint.gguf_window < checkpoint.window else 0)
    program.run("search", "--model", checkpoint.path, "--study", study, "--budget", 6, "--population", 4,
                "--calibration", tiny_models.TEXT, "--calibration-windows", 8, "--calibration-length", length,
                "--gradient-windows", 4, "--fitness-windows", 8, "--fitness-length", length,
                "--cache", os.path.join(place, "statistics"))
    report = program.json("report", study)
    with open(os.path.join(study, "calibration.json"), encoding="utf-8") as file:
        fitness = json.load(file)["sets"][0]
    windows = windows_of(fitness["fitnessTokens"], fitness["fitnessLength"], None, study)
    row.compare("report", (report["dense"]["perplexity"], report["fitness"]["windows"]),
                {"transformers": of_windows(checkpoint.twin_folder, windows)})
    return study, windows


def measure_exports(program, checkpoint, row, study, windows, dtype):
    folder, file = f"{study}-{dtype}", f"{study}-{dtype}.gguf"
    stated = program.json("export", study, "--point", "best", "--dtype", dtype, "--format", "hf", "--output", folder,
                          "--format", "gguf", "--output", file, "--cache", os.path.join(os.path.dirname(study), "statistics"))
    for form, written in zip(("hf", "gguf"), stated["checkpoints"]):
        row.cells[f"{form}_architecture"] = written["architecture"]
    if dtype == "f32":
        row.compare("export", (stated["perplexity"], len(windows)), {"transformers": of_windows(folder, windows)})
    row.compare(f"hf_{dtype}", program.perplexity(folder, checkpoint.window),
                {"transformers": of_text(folder, checkpoint.window)})
    row.compare(f"gguf_{dtype}", program.perplexity(file, checkpoint.gguf_window),
                {"llama.cpp": of_gguf(file, checkpoint.gguf_window)})


def measure(program, family, format, make, base):
    row = Row(family, format)
    with tempfile.TemporaryDirectory(dir=SCRATCH.name) as place:
        checkpoint = make(base, family, place)
        measure_dense(program, checkpoint, row)
        study, windows = measure_search(program, checkpoint, row, place)
        for dtype in ("f32", "f16"):
            measure_exports(program, checkpoint, row, study, windows, dtype)
    return row


def all_rows():
    """(family, format, maker), in the order of the table."""
    for family in tiny_models.FAMILIES:
        for format, make in tiny_models.FORMATS.items():
            yield family, format, make
    for format, (family, make) in tiny_models.VARIANTS.items():
        yield family, format, make


# ---- table

COLUMNS = {
    "dense": "dense", "dense_transformers": "transformers", "dense_llama.cpp": "llama.cpp",
    "hf_f32": "HF export", "hf_f32_transformers": "transformers", "gguf_f32": "GGUF export", "gguf_f32_llama.cpp": "llama.cpp",
}


def markdown(rows):
    yield "| family | format | " + " | ".join(COLUMNS.values()) + " | exported as | largest difference |"
    yield "| --- | --- |" + " --- |" * (len(COLUMNS) + 2)
    for row in rows:
        cells = row.cells
        figures = [f"{cells[name]:.4f}" if name in cells else "–" for name in COLUMNS]
        yield (f"| {cells['family']} | {cells['format']} | {' | '.join(figures)} | "
               f"{cells['hf_architecture']}, {cells['gguf_architecture']} | {100 * row.largest:.4f} % |")


def write_table(folder, rows):
    """matrix.csv with every figure, matrix.md with the main ones."""
    os.makedirs(folder, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row.cells)) + ["largest_difference_percent"]
    with open(os.path.join(folder, "matrix.csv"), "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            cells = {key: f"{value:.6f}" if isinstance(value, float) else value for key, value in row.cells.items()}
            writer.writerow({**cells, "largest_difference_percent": f"{100 * row.largest:.5f}"})
    with open(os.path.join(folder, "matrix.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(markdown(rows)) + "\n")


def run(program, wanted, output):
    began, bases, rows, failures = time.monotonic(), {}, [], 0
    for family, format, make in all_rows():
        if not all(word in f"{family}, {format}" for word in wanted):
            continue
        if family not in bases:
            bases[family] = os.path.join(SCRATCH.name, family)
            tiny_models.save(tiny_models.train(family), family, bases[family])
        try:
            row = measure(program, family, format, make, bases[family])
        except (CheckError, LlamaCppError, OSError, ValueError) as error:
            failures += 1
            print(f"{family}, {format}: FAILED: {error}", flush=True)
            continue
        rows.append(row)
        apart = [f"{name} {100 * value:.4f} %" for name, value in row.differences.items() if not value <= TOLERANCE]
        figures = " ".join(f"{name}={value:.4f}" for name, value in row.cells.items() if isinstance(value, float))
        print(f"{family}, {format}: {figures}; largest difference {100 * row.largest:.4f} %"
              + (f"; DIFFERS: {', '.join(apart)}" if apart else ""), flush=True)
    if output and rows:
        write_table(output, rows)
    apart = sum(not row.agrees for row in rows)
    print(f"{len(rows)} rows, {apart} differ, {failures} failed; {time.monotonic() - began:.0f} s; "
          f"transformers {transformers.__version__}, {version()}")
    return 2 if failures or not rows else 1 if apart else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nas-search", metavar="FILE", required=True, help="the program")
    parser.add_argument("--output", metavar="DIR", help="folder for matrix.csv and matrix.md")
    parser.add_argument("--only", metavar="WORD", action="append", default=[],
                        help="only rows whose family and format contain it, such as qwen2 or Q4_K; repeatable")
    arguments = parser.parse_args()
    if not os.access(arguments.nas_search, os.X_OK):
        parser.error(f"no program at {arguments.nas_search}")
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    sys.exit(run(Program(arguments.nas_search), arguments.only, arguments.output))


if __name__ == "__main__":
    main()
