#!/usr/bin/env python3
"""Whether two builds of the program write the same checkpoints.

    python3 Tests/checks/check_same.py --before OLD/nas-search --after NEW/nas-search

Runs `prune` with several methods, in both formats, on fixtures of every container, and `search` with `export` of its best point, with
each program in a folder of its own, and compares the weight files byte by byte. The commands are those of today; a program of an earlier
day that has other option names is refused by itself. Needs only Python's own library.

Exit code 0: all files are equal. 1: some differ; each is named with the first byte that does. 2: a command failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile

FIXTURES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Fixtures")
TEXT = os.path.join(FIXTURES, "text", "lighthouse.txt")
MODELS = ["llama-mha", "llama3-gqa", "mistral-gqa", "qwen2-bias", "qwen3-tied"]
METHODS = ["ours-fast", "flap", "llm-pruner", "magnitude"]
CALIBRATION = ["--calibration", TEXT, "--calibration-windows", "8", "--calibration-length", "48", "--fitness-windows", "4",
               "--fitness-length", "48"]


def commands(model):
    """(name, words of the command, the file or folder that it writes)"""
    path = os.path.join(FIXTURES, "models", model)
    shared = ["--model", path, *CALIBRATION, "--cache", "cache"]
    for method in METHODS:
        for form, suffix in (("hf", ""), ("gguf", ".gguf")):
            output = f"{model}-{method}{suffix}"
            yield output, ["prune", *shared, "--method", method, "--keep", "0.7", "--format", form, "--dtype", "f32", "--output", output]
    study = f"{model}-study"
    yield None, ["search", *shared, "--study", study, "--keep", "0.8", "--budget", "8", "--population", "4", "--seed", "3"]
    output = f"{model}-searched"
    yield output, ["export", study, "--format", "hf", "--dtype", "f32", "--output", output]


def payload(folder, output, reader):
    """The bytes of the tensors. Those of a GGUF, whose record names commands and times, are converted to safetensors first."""
    path = os.path.join(folder, output)
    if output.endswith(".gguf"):
        path += "-folder"
        run(reader, ["convert", "--model", output, "--format", "hf", "--dtype", "f32", "--output", path], folder)
    with open(os.path.join(path, "model.safetensors"), "rb") as file:
        return file.read()


def run(program, words, folder):
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{' '.join(words)}: exit code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
        sys.exit(2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, metavar="PROGRAM")
    parser.add_argument("--after", required=True, metavar="PROGRAM")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME", help="fixtures; all by default")
    parser.add_argument("--prune-only", action="store_true", help="leave search and export out")
    arguments = parser.parse_args()
    programs = [os.path.abspath(arguments.before), os.path.abspath(arguments.after)]
    equal, different = 0, []
    with tempfile.TemporaryDirectory() as place:
        folders = [os.path.join(place, name) for name in ("before", "after")]
        for folder in folders:
            os.mkdir(folder)
        for model in arguments.models:
            for output, words in commands(model):
                if arguments.prune_only and words[0] != "prune":
                    continue
                for program, folder in zip(programs, folders):
                    run(program, words, folder)
                if output is None:
                    continue
                one, two = (payload(folder, output, programs[1]) for folder in folders)
                if one == two:
                    equal += 1
                else:
                    first = next((i for i, (a, b) in enumerate(zip(one, two)) if a != b), min(len(one), len(two)))
                    different.append(f"{output}: {len(one)} and {len(two)} bytes, the first that differs is {first}")
    for line in different:
        print(line)
    print(f"{equal} of {equal + len(different)} checkpoints are equal byte by byte")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
