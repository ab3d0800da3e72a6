#!/usr/bin/env python3
"""A mixture of many experts, in the shape of Qwen3-30B-A3B, made smaller in every way and opened by stock loaders.

    python check_experts.py --nas-search .build/release/nas-search

`synthesize` makes a model of random weights: the parent's 128 experts of which a token takes 8, its heads of 128 numbers, its
norms, a head of its own, but 4 layers and narrower. Of the parameters in blocks 75 % are to stay, and attention whole, so that
about 75 % of the experts stay:

* `convert` writes the whole model as GGUF, and a subnet in F16;
* `search` finds one number of experts for all layers, and a number for each layer; `report` and `export` follow;
* `prune` takes the methods reap and ours-fast, and `compare` measures both side by side.

transformers opens every folder, llama.cpp every GGUF, each with the tokenizer that it finds there, and the perplexity on a text
of the fixtures has to be that of `evaluate`. Logits of transformers and llama.cpp on the first window have to agree, too. A
subnet whose layers differ has no GGUF: `export` has to refuse it. The figures of `report` and `compare` have to be those of the
models that were written. Random weights make any text as good as another, and perplexities large.

Exit code 0: every difference of perplexities is at most 0.1 %, every one of logits 1e-3, and as many experts stay as should.
1: a miss. 2: the check could not be made.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile

import check_matrix  # before torch and transformers: it keeps them from the network and from graphics cards
import torch
import transformers
from check_export import CheckError, windows_of
from check_matrix import TOLERANCE, Program
from tiny_models import NOTES, TEXT

import expert_files  # of the fixtures, which tiny_models makes known

SHAPE = ["--shape", "qwen3-30b-a3b", "--layers", 4, "--heads", 4, "--kv-heads", 2, "--channels", 96, "--vocabulary", 512]
EXPERTS, KEEP, MARGIN = 128, 0.75, 0.05  # so much more or less than KEEP of the experts may stay
WINDOW = 256
LOGITS = 1e-3
CALIBRATION = ["--calibration", NOTES, "--calibration-windows", 4, "--calibration-length", WINDOW,
               "--fitness-windows", 4, "--fitness-length", WINDOW]

# Attention stays whole, so that only experts go.
SPACE = """name: {name}
{layers}attention:
  minimum: 1.0
scores: [reap, wanda-sp]
"""


def experts(folder):
    """How many each layer of a Hugging Face folder has."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    per_layer = config.get("per_layer_config", {})
    return [per_layer.get(str(layer), {}).get("num_experts", expert_files.experts(config))
            for layer in range(config["num_hidden_layers"])]


class Check:
    def __init__(self, program, place):
        self.program, self.place, self.missed = program, place, 0
        self.dense = self.at("dense")
        print(f"{'what':30} {'experts':>11} {'nas-search':>11} {'reference':24} {'perplexity':>11} {'apart':>9}  logits",
              flush=True)

    def at(self, name):
        return os.path.join(self.place, name)

    def miss(self, text):
        self.missed += 1
        print(f"MISS: {text}", flush=True)

    def row(self, what, counts, ours, reference, theirs, logits=None):
        """`ours` and `theirs`: (perplexity, windows)."""
        apart = abs(ours[0] / theirs[0] - 1)
        spread = "–".join(str(count) for count in sorted({min(counts), max(counts)}))
        print(f"{what:30} {spread:>11} {ours[0]:11.4f} {reference:24} {theirs[0]:11.4f} {100 * apart:7.4f} %"
              f"{'' if logits is None else f'  {logits:.0e}'}", flush=True)
        if ours[1] != theirs[1] or not apart <= TOLERANCE or not (logits is None or logits <= LOGITS):
            self.miss(f"{what}: {ours[0]} of {ours[1]} windows, {reference} has {theirs[0]} of {theirs[1]}; logits {logits}")

    def folder(self, what, path):
        """The perplexity by `evaluate`."""
        ours = self.program.perplexity(path, WINDOW)
        self.row(f"{what}, folder", experts(path), ours, "transformers", check_matrix.of_text(path, WINDOW))
        return ours

    def file(self, what, path, folder, logits=True):
        """`folder`: the same network for transformers."""
        apart = check_matrix.logits_apart(folder, path, WINDOW) if logits else None
        self.row(f"{what}, GGUF", experts(folder), self.program.perplexity(path, WINDOW), "llama.cpp",
                 check_matrix.of_gguf(path, WINDOW), apart)

    def kept(self, what, path, alike):
        """Whether about as many experts stay as should, and all layers have the same number or not."""
        counts = experts(path)
        if abs(statistics.mean(counts) / EXPERTS - KEEP) > MARGIN:
            self.miss(f"{what}: {counts} of {EXPERTS} experts stay")
        if (len(set(counts)) == 1) != alike:
            self.miss(f"{what}: the layers have {counts} experts")

    def refused(self, what, output, *arguments):
        said = self.program.refuses(*arguments, "--format", "gguf", "--output", output)
        good = "has one width for all layers" in said and not os.path.exists(output)
        print(f"{what}, GGUF: {'refused' if good else said}", flush=True)
        if not good:
            self.miss(f"{what}: the GGUF is not refused as it should be")


def measure_dense(check):
    check.program.run("synthesize", *SHAPE, "--output", check.dense)
    file = check.at("dense.gguf")
    check.program.run("convert", "--model", check.dense, "--dtype", "f32", "--output", file)
    check.file("dense", file, check.dense)
    return check.folder("dense", check.dense)


def measure_search(check, what, alike):
    space, study = check.at(f"{what}.yaml"), check.at(what)
    with open(space, "w", encoding="utf-8") as file:
        file.write(SPACE.format(name=what, layers="layers: shared\n" if alike else ""))
    check.program.run("search", "--model", check.dense, "--space", space, "--study", study, "--keep", KEEP, "--budget", 6,
                      "--population", 4, "--gradient-windows", 2, *CALIBRATION)
    folder, file = f"{study}-hf", f"{study}.gguf"
    export = ["export", study, "--point", "best"]
    formats = ["--format", "hf", "--output", folder] + (["--format", "gguf", "--output", file] if alike else [])
    # The slower repair, layer by layer, once.
    stated = check.program.json(*export, "--dtype", "f32", "--repair", "sequential" if alike else "nested", *formats)
    check.kept(what, folder, alike)
    check.folder(what, folder)
    if alike:
        check.file(what, file, folder)
        check.program.run("convert", "--model", folder, "--dtype", "f16", "--output", f"{study}-16.gguf")
        check.file(f"{what}, to F16", f"{study}-16.gguf", folder, logits=False)
    else:
        check.refused(what, f"{study}-refused.gguf", *export)
    with open(os.path.join(study, "calibration.json"), encoding="utf-8") as handle:
        fitness = json.load(handle)["sets"][0]
    windows = windows_of(fitness["fitness_tokens"], fitness["fitness_length"], None, study)
    report = check.program.json("report", study)
    check.row(f"{what}, report, dense", experts(check.dense), (report["dense"]["perplexity"], report["fitness"]["windows"]),
              "transformers", check_matrix.of_windows(check.dense, windows))
    check.row(f"{what}, export says", experts(folder), (stated["perplexity"], len(windows)), "transformers",
              check_matrix.of_windows(folder, windows))


def measure_methods(check, dense):
    methods = {"reap": [], "ours-fast": ["gradient-windows=2"]}
    chosen = [word for method, settings in methods.items() for setting in settings for word in ("--set", f"{method}.{setting}")]
    compared = check.program.json("compare", "--model", check.dense, "--methods", ",".join(methods), *chosen, "--keep", KEEP,
                                  "--text", TEXT, "--window-length", WINDOW, "--windows", dense[1],
                                  "--output", check.at("compare"), *CALIBRATION)
    text = compared["texts"][0]
    check.row("compare, dense", experts(check.dense), (text["dense_perplexity"], text["windows"]), "evaluate", dense)
    for method, settings in methods.items():
        folder, file = check.at(method), check.at(f"{method}.gguf")
        prune = ["prune", "--model", check.dense, "--method", method, "--keep", KEEP, "--dtype", "f32", *CALIBRATION,
                 *(word for setting in settings for word in ("--set", setting))]
        check.program.run(*prune, "--output", folder)
        written = check.folder(method, folder)
        cell = next(cell for cell in compared["cells"] if cell["method"] == method)
        check.row(f"{method}, compare", experts(folder), (cell["perplexities"][0], text["windows"]), "evaluate of the folder",
                  written)
        if method == "reap":
            check.kept(method, folder, alike=True)
            check.program.run(*prune, "--output", file)
            check.file(method, file, folder)


def run(program):
    with tempfile.TemporaryDirectory() as place:
        os.environ["NAS_SEARCH_CACHE"] = os.path.join(place, "statistics")
        check = Check(program, place)
        dense = measure_dense(check)
        measure_search(check, "one-number", alike=True)
        measure_search(check, "by-layer", alike=False)
        measure_methods(check, dense)
    print(f"{check.missed} missed; transformers {transformers.__version__}, llama.cpp of {check_matrix.version()}")
    return 1 if check.missed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nas-search", metavar="FILE", required=True, help="the program")
    arguments = parser.parse_args()
    if not os.access(arguments.nas_search, os.X_OK):
        parser.error(f"no program at {arguments.nas_search}")
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    try:
        sys.exit(run(Program(arguments.nas_search)))
    except CheckError as error:
        print(f"check_experts.py: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
