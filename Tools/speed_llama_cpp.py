"""Measures the speed of GGUF files in stock llama.cpp (speed.json), for `nas-search report STUDY --evidence speed.json`.

    python Tools/speed_llama_cpp.py dense.gguf point3-q4_k_m.gguf --threads 2 --output speed.json

All files are open in one process and have their turns in an order that changes from round to round, so that what slows the machine for
a while slows all of them. A round of a file reads a prompt and, behind one of the same length, writes an answer. Figures are medians
over the rounds; a spread is half of the range of the middle half of them. Resident memory is that of a process of its own, in which
llama.cpp has read a prompt and written an answer of the same lengths (without what the same process has with no file open).

What a file is comes from its record (`nas_search.record`), so that the report finds the point that it was exported from. On a machine
that others use, too, take `--threads 1 --busy`.

Needs: xllamacpp, gguf, numpy (Tests/checks/requirements.txt).
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys

import latency_tables as tables
from latency_llama_cpp import Subject, clock, llama, processor_options


# MARK: - What a file is


def origin(record):
    """What of an export's record tells where it comes from, as `evaluate --json` has it; None for no record."""
    if not isinstance(record, dict) or "parent" not in record:
        return None
    tokens = (record.get("vocabulary") or {}).get("tokens")
    if record.get("method") == "convert" and origin(record.get("earlier")):
        found = origin(record["earlier"])
    else:
        found = {key: record[key] for key in ["study", "trial", "repair", "method", "genome"] if record.get(key) is not None}
        found["parent_fingerprint"] = record["parent"].get("fingerprint")
    if tokens is not None:
        found["tokens"] = tokens
    return found


def identity(path):
    """Bytes, hash, type and origin of a file."""
    from gguf import GGUFReader

    reader = GGUFReader(path)

    def text(key):
        field = reader.fields.get(key)
        return None if field is None else field.contents()

    counts = {}
    for tensor in reader.tensors:
        if len(tensor.shape) > 1:
            name = tensor.tensor_type.name.lower()
            counts[name] = counts.get(name, 0) + int(tensor.n_elements)
    record = text("nas_search.record")
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    most = min(counts, key=lambda name: (-counts[name], name))
    return {"path": path, "bytes": os.path.getsize(path), "sha256": digest,
            "weights": text("nas_search.weights") or most, "origin": origin(json.loads(record)) if record else None}


# MARK: - Memory


def peak_resident():
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def show_resident(path, arguments):
    """Prints what a file adds to the resident memory of this process."""
    llama.library()
    before = peak_resident()
    subject = Subject(path, workloads(arguments), arguments.threads, steps=arguments.answer)
    for workload in workloads(arguments):
        subject.seconds(workload)
    print(peak_resident() - before)
    subject.close()


def resident(path, arguments):
    command = [sys.executable, os.path.abspath(__file__), "--resident", path, "--prompt", str(arguments.prompt),
               "--answer", str(arguments.answer), "--threads", str(arguments.threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{path}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'llama.cpp ended'}")
    return int(done.stdout)


# MARK: - Speed


def workloads(arguments):
    return [("prompt", arguments.prompt, 1), ("generation", arguments.prompt, 1)]


def measure(paths, arguments):
    """Tokens a second of each file and kind, with spreads: {path: {kind: (median, spread)}}."""
    found = {path: {} for path in paths}
    time = clock(arguments)
    subjects = {path: Subject(path, workloads(arguments), arguments.threads, time, arguments.answer) for path in paths}
    for workload in workloads(arguments):
        kind, tokens, _ = workload
        times = tables.rounds(subjects, workload, arguments.rounds)
        for path in paths:
            found[path][kind] = tables.middle([(tokens if kind == "prompt" else 1) / seconds for seconds in times[path]])
    for subject in subjects.values():
        subject.close()
    return found


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="GGUF files")
    parser.add_argument("--output", help="speed.json")
    parser.add_argument("--prompt", type=int, default=256, help="tokens of the prompt")
    parser.add_argument("--answer", type=int, default=32, help="tokens of the answer")
    parser.add_argument("--rounds", type=int, default=15)
    processor_options(parser)
    parser.add_argument("--resident", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.busy and arguments.threads != 1:
        parser.error("--busy goes with --threads 1")
    if arguments.prompt < 1 or arguments.answer < 1 or arguments.rounds < 1:
        parser.error("--prompt, --answer and --rounds are numbers above 0")
    if not arguments.resident and not (arguments.files and arguments.output):
        parser.error("give GGUF files and --output")
    if len(set(map(os.path.realpath, arguments.files))) < len(arguments.files):
        parser.error("a file is given twice")
    return arguments


def main():
    arguments = parse()
    if arguments.resident:
        return show_resident(arguments.resident, arguments)
    files = [identity(path) for path in arguments.files]
    for file in files:
        file["resident_bytes"] = resident(file["path"], arguments)
    speeds = measure(arguments.files, arguments)
    for file in files:
        for kind, name in [("prompt", "prompt"), ("generation", "generated")]:
            value, spread = speeds[file["path"]][kind]
            file[f"{name}_tokens_per_second"], file[f"{name}_spread"] = value, spread
        print(f"{file['path']} ({file['weights']}): prompt {file['prompt_tokens_per_second']:.1f} ± {file['prompt_spread']:.1f} "
              f"tokens/s, answer {file['generated_tokens_per_second']:.1f} ± {file['generated_spread']:.1f} tokens/s, "
              f"{file['resident_bytes'] / 1e6:.0f} MB resident", file=sys.stderr)
    engine = f"llama.cpp ({llama.version()})" + (", processor time" if arguments.busy else "")
    tables.write_table(
        {"schema": "nas-search.speed", "version": 1, "machine": f"{tables.processor()}, {os.cpu_count()} cores",
         "engine": engine, "threads": arguments.threads, "prompt_tokens": arguments.prompt,
         "generated_tokens": arguments.answer, "rounds": arguments.rounds, "files": files}, arguments.output)


if __name__ == "__main__":
    main()
