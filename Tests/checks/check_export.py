#!/usr/bin/env python3
"""Opens exported checkpoints with stock transformers and stock llama.cpp and compares perplexities with nas-search's.

    nas-search evaluate --model OUT --text FILE --window-length 512 --json > evaluate.json
    python check_export.py --hf OUT --text FILE --window-length 512 --evaluate-json evaluate.json
    python check_export.py --gguf OUT.gguf --text FILE --window-length 512 --windows 40 --evaluate-json evaluate.json

The protocol is that of the literature and of `nas-search evaluate`: the whole file is tokenised once (a BOS only at its
very start, and only if the tokenizer's own rule adds one), cut from token 0 into windows that do not overlap, the tail is
dropped, the first token of a window is context only; perplexity is exp of the mean over windows of the mean negative
log-likelihood. transformers runs in float32 with the tokenizer in the folder; llama.cpp with its own tokenizer, F32 cache.

Exit code 0: all figures agree within 0.5 %. 1: some do not. 2: the check could not be made.
"""

import argparse
import json
import math
import os
import sys

import numpy as np

TOLERANCE = 0.005  # relative difference of two perplexities


class CheckError(Exception):
    pass


def windows_of(tokens, window, limit, source):
    count = len(tokens) // window
    if count == 0:
        raise CheckError(f"{source}: the text has {len(tokens)} tokens, fewer than one window of {window}")
    count = min(count, limit) if limit else count
    return [tokens[i * window:(i + 1) * window] for i in range(count)]


def mean_nll(logits, tokens):
    """Mean over tokens 1… of −ln p(token | tokens before it), in nats; `logits` is float32 [len(tokens), vocabulary]."""
    rows = logits[:-1].astype(np.float64)
    highest = rows.max(1, keepdims=True)
    normaliser = highest[:, 0] + np.log(np.exp(rows - highest).sum(1))
    return float((normaliser - rows[np.arange(len(tokens) - 1), tokens[1:]]).mean())


def perplexity(logits_of, windows, label):
    total = 0.0
    for done, window in enumerate(windows, 1):
        total += mean_nll(logits_of(window), np.array(window))
        if sys.stderr.isatty():
            print(f"\r{label}: {done}/{len(windows)} windows", end="\n" if done == len(windows) else "", file=sys.stderr)
    return math.exp(total / len(windows))


def read_text(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def open_hugging_face(folder, threads):
    """(tokenizer, function from token ids to their logits) of stock transformers in float32."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if not os.path.isdir(folder):
        raise CheckError(f"{folder} is not a folder")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, loading = AutoModelForCausalLM.from_pretrained(
        folder, trust_remote_code=True, torch_dtype=torch.float32, output_loading_info=True)
    wrong = {kind: sorted(names) for kind, names in loading.items() if names}
    if wrong:  # transformers would go on with random numbers in the missing places
        raise CheckError(f"{folder}: transformers reports {wrong}")
    model.eval()

    @torch.inference_mode()
    def logits_of(tokens):
        return model(torch.tensor([tokens]), use_cache=False).logits[0].numpy()

    return tokenizer, logits_of


def measure_hugging_face(folder, text, window, limit, threads):
    import transformers

    tokenizer, logits_of = open_hugging_face(folder, threads)
    windows = windows_of(tokenizer(text).input_ids, window, limit, folder)
    label = f"transformers {transformers.__version__}"
    return label, len(windows), perplexity(logits_of, windows, label)


def measure_gguf(path, text, window, limit, threads):
    from stock_llama_cpp import LlamaCpp, version

    with LlamaCpp(path, context_length=window, threads=threads) as model:
        # Special tokens spelled out in the text are read as such, as a Hugging Face tokenizer does.
        windows = windows_of(model.tokenize(text, parse_special=True), window, limit, path)
        label = f"llama.cpp ({version()})"
        return label, len(windows), perplexity(model.logits, windows, label)


def measured_lines(value):
    """All objects with a perplexity, wherever the document lists them."""
    if isinstance(value, dict):
        if {"file", "window", "windows", "perplexity"} <= value.keys():
            return [value]
        return [line for entry in value.values() for line in measured_lines(entry)]
    if isinstance(value, list):
        return [line for entry in value for line in measured_lines(entry)]
    return []


def evaluated(path, text, window):
    """The line of `nas-search evaluate --json` that measured this file in this window."""
    with open(path, encoding="utf-8") as file:
        lines = measured_lines(json.load(file))
    name = os.path.basename(text)
    matching = [line for line in lines if line["window"] == window and os.path.basename(line["file"]) == name]
    if len(matching) != 1:
        found = ", ".join(f"{line['file']} at {line['window']}" for line in lines) or "none"
        raise CheckError(f"{path}: {len(matching)} lines measure {name} in windows of {window} (found: {found})")
    return matching[0]


def run(arguments):
    limit, reference = arguments.windows, None
    if arguments.evaluate_json:
        reference = evaluated(arguments.evaluate_json, arguments.text, arguments.window_length)
        if limit and limit != reference["windows"]:
            raise CheckError(f"{arguments.evaluate_json} measured {reference['windows']} windows; --windows is {limit}. "
                             "Give both commands the same limit, or this one none")
        if not isinstance(reference["perplexity"], (int, float)):
            raise CheckError(f"{arguments.evaluate_json}: the perplexity is {reference['perplexity']}")
        limit = reference["windows"]

    text = read_text(arguments.text)
    rows = []
    if reference:
        rows.append(("nas-search evaluate", reference["windows"], float(reference["perplexity"])))
    if arguments.hf:
        rows.append(measure_hugging_face(arguments.hf, text, arguments.window_length, limit, arguments.threads))
    if arguments.gguf:
        rows.append(measure_gguf(arguments.gguf, text, arguments.window_length, limit, arguments.threads))

    print(f"{os.path.basename(arguments.text)}, windows of {arguments.window_length} tokens")
    _, expected_windows, expected = rows[0]
    good = True
    for label, windows, value in rows:
        difference = abs(value / expected - 1)
        agrees = windows == expected_windows and difference <= TOLERANCE  # false for NaN, too
        good &= agrees
        verdict = "" if len(rows) == 1 else f"   {100 * difference:.4f} %   {'ok' if agrees else 'DIFFERS'}"
        print(f"  {label:34} {windows:6} windows   perplexity {value:12.5f}{verdict}")
    return good


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hf", metavar="DIR", help="exported Hugging Face folder")
    parser.add_argument("--gguf", metavar="FILE", help="exported GGUF")
    parser.add_argument("--text", metavar="FILE", required=True, help="UTF-8 text")
    parser.add_argument("--window-length", type=positive, default=512, metavar="N", help="tokens in a window (default: 512)")
    parser.add_argument("--windows", type=positive, metavar="N", help="measure only the first N windows")
    parser.add_argument("--evaluate-json", metavar="FILE", help="output of nas-search evaluate --json on the same text")
    parser.add_argument("--threads", type=positive, metavar="N", default=os.cpu_count() or 1,
                        help="processor threads (default: all; fewer on a busy machine)")
    arguments = parser.parse_args()
    if not (arguments.hf or arguments.gguf):
        parser.error("give --hf, --gguf or both")
    if arguments.window_length < 2:
        parser.error("a window needs at least 2 tokens, the first is not scored")
    try:
        sys.exit(0 if run(arguments) else 1)
    except Exception as error:
        if not isinstance(error, (CheckError, OSError, ValueError)) and type(error).__name__ != "LlamaCppError":
            raise
        print(f"check_export.py: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
