#!/usr/bin/env python3
"""Quantised exports of a model and of a subnet, in stock llama.cpp and beside its own quantiser.

    python check_quantised.py --program .build/release/nas-search --model MODEL.gguf --calibration CAL.txt --text EVAL.txt

For the dense model and for what `prune --keep SHARE` leaves, each type is written by `nas-search convert`, without and with
`--importance`. Every file must load in stock llama.cpp. Where weights are quantised llama.cpp rounds activations to 8 bits,
too, which `nas-search evaluate` does not: the column `differ` has what that does to perplexity, and is not judged. Judged is
the column `widened`: the file's weights as single values, `convert --dtype f32`, have the perplexity in llama.cpp that
`evaluate` has for the file (0.5 %).

The stock file is made from the same f32 export by llama.cpp's own encoder (the PyPI wheel exports it, but not
`llama_model_quantize`; the choice of types is written out here once more). The KL from the dense model of ours must not be
more than 1 % worse than that of the stock file.

Exit code 0: all hold. 1: some do not. 2: the check could not be made.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

import stock_llama_cpp
from check_export import TOLERANCE, CheckError, mean_nll, read_text, windows_of

KL_TOLERANCE = 0.01
TYPES = ["q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"]
BASE = {"q8_0": "Q8_0", "q6_k": "Q6_K", "q5_k_m": "Q5_K", "q4_k_m": "Q4_K", "q4_0": "Q4_0"}
FALLBACK = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
BLOCK = {"Q4_K": 256, "Q5_K": 256, "Q6_K": 256}


def run(arguments, *words):
    result = subprocess.run([arguments.program, *map(str, words)], capture_output=True, text=True)
    if result.returncode != 0:
        raise CheckError(f"nas-search {' '.join(map(str, words))}: {result.stderr.strip()[-500:]}")
    return result.stdout


def stock_type(name, columns, kind, layers, values, ties_head):
    """llama.cpp's choice for a dense llama: finer value and down projections, Q6_K for the head, fallbacks by row length."""

    def finer(place, count):
        return place < count // 8 or place >= 7 * count // 8 or (place - count // 8) % 3 == 2

    wanted = BASE[kind]
    layer = re.match(r"blk\.(\d+)\.", name)
    if name == "output.weight" or (ties_head and name == "token_embd.weight"):
        wanted = "Q8_0" if kind == "q8_0" or columns % BLOCK.get(wanted, 32) else "Q6_K"
    elif kind in ("q4_k_m", "q5_k_m") and layer:
        if "attn_v." in name and finer(values.index(int(layer[1])), len(values)):
            wanted = "Q6_K"
        if "ffn_down." in name and finer(int(layer[1]), layers):
            wanted = "Q6_K"
    if columns % BLOCK.get(wanted, 32):
        wanted = FALLBACK.get(wanted, "F16")
    return "F16" if columns % 32 else wanted


def write_stock(source, destination, kind):
    """The f32 file `source` with its matrices rounded by llama.cpp's own encoder."""
    import gguf
    from gguf import GGMLQuantizationType as Type

    reader = gguf.GGUFReader(source)
    architecture = reader.get_field("general.architecture").contents()
    writer = gguf.GGUFWriter(destination, architecture)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in ("general.architecture", "general.file_type"):
            continue
        types = field.types
        writer.add_key_value(key, field.contents(), types[0], types[-1] if len(types) > 1 else None)
    names = {tensor.name for tensor in reader.tensors}
    layers = reader.get_field(f"{architecture}.block_count").contents()
    values = sorted(int(name.split(".")[1]) for name in names if "attn_v.weight" in name)
    same = {}
    for tensor in reader.tensors:
        rows = np.array(tensor.data)
        if rows.ndim < 2:
            writer.add_tensor(tensor.name, rows)
            continue
        wanted = Type[stock_type(tensor.name, rows.shape[1], kind, layers, values, "output.weight" not in names)]
        blocks = rows.astype(np.float16) if wanted == Type.F16 else stock_llama_cpp.quantize(rows, wanted)
        same[tensor.name] = (wanted, blocks)
        writer.add_tensor(tensor.name, blocks, raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return same


def differing_tensors(path, stock):
    """Names of matrices whose type or bytes are not those of the stock quantiser."""
    import gguf

    return [tensor.name for tensor in gguf.GGUFReader(path).tensors if tensor.name in stock and (
        tensor.tensor_type != stock[tensor.name][0]
        or np.array(tensor.data).tobytes() != stock[tensor.name][1].tobytes())]


def log_softmax(logits):
    rows = logits[:-1] - logits[:-1].max(1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(1, keepdims=True, dtype=np.float64)).astype(np.float32)


class Reference:
    """The dense model's distributions of the next token, by llama.cpp."""

    def __init__(self, path, text, arguments):
        with stock_llama_cpp.LlamaCpp(path, arguments.window_length, arguments.threads) as model:
            tokens = model.tokenize(text, parse_special=True)
            self.windows = windows_of(tokens, arguments.window_length, arguments.windows, arguments.text)
            self.logs = [log_softmax(model.logits(window)) for window in self.windows]

    def measure(self, path, arguments):
        """Perplexity and KL from the dense model, in llama.cpp."""
        loss = divergence = 0.0
        with stock_llama_cpp.LlamaCpp(path, arguments.window_length, arguments.threads) as model:
            for window, logs in zip(self.windows, self.logs):
                logits = model.logits(window)
                loss += mean_nll(logits, np.array(window))
                own = log_softmax(logits)
                divergence += float((np.exp(logs) * (logs - own)).sum(1, dtype=np.float64).mean())
        return math.exp(loss / len(self.windows)), divergence / len(self.windows)


def evaluated(arguments, path):
    out = json.loads(run(
        arguments, "evaluate", "--model", path, "--text", arguments.text, "--window-length", arguments.window_length,
        "--windows", arguments.windows, "--json"))
    return out["measurements"][0]["perplexity"]


def check(arguments, folder):
    def place(name):
        return os.path.join(folder, name)

    if not os.path.exists(place("dense-f32.gguf")):
        run(arguments, "convert", "--model", arguments.model, "--dtype", "f32", "--output", place("dense-f32.gguf"))
    if not os.path.exists(place("subnet-f32.gguf")):
        run(arguments, "prune", "--model", arguments.model, "--method", arguments.method, "--keep", arguments.keep,
            "--calibration", arguments.calibration, "--calibration-windows", 24, "--fitness-windows", 6, "--dtype", "f32",
            "--output", place("subnet-f32.gguf"))
    reference = Reference(place("dense-f32.gguf"), read_text(arguments.text), arguments)
    good = True
    print(f"{stock_llama_cpp.version()}, {len(reference.windows)} windows of {arguments.window_length} tokens")
    print("model   type    importance     bytes   evaluate  llama.cpp   differ  widened   KL in llama.cpp   stock KL")

    def line(model, kind, weighted, path, measured, stock=None, same=None):
        nonlocal good
        own, (there, divergence) = evaluated(arguments, path), measured
        verdict, widened = [], ""
        if not weighted:
            wide = place("widened.gguf")
            run(arguments, "convert", "--model", path, "--dtype", "f32", "--output", wide, "--replace")
            difference = reference.measure(wide, arguments)[0] / own - 1
            widened = f"{100 * difference:.4f}%"
            if not abs(difference) <= TOLERANCE:
                verdict.append("PERPLEXITY DIFFERS")
        if stock is not None and not weighted and not divergence <= stock * (1 + KL_TOLERANCE):
            verdict.append("WORSE THAN STOCK")
        good &= not verdict
        told = "" if stock is None else f"{stock:12.5f}"
        if same is not None:
            told += "   same bytes" if not same else f"   {len(same)} matrices differ, such as {same[0]}"
        print(f"{model:7} {kind:7} {'yes' if weighted else 'no':10} {os.path.getsize(path):9} {own:10.4f} {there:10.4f} "
              f"{100 * (there / own - 1):7.3f}% {widened:>8} {divergence:14.5f} {told} {' '.join(verdict)}", flush=True)

    for model in ["dense", "subnet"]:
        source = place(f"{model}-f32.gguf")
        path = place(f"{model}-f16.gguf")
        run(arguments, "convert", "--model", source, "--dtype", "f16", "--output", path, "--replace")
        line(model, "f16", False, path, reference.measure(path, arguments))
        for kind in arguments.types:
            made = write_stock(source, place("stock.gguf"), kind)
            stock = None
            for weighted in [False, True] if kind != "q8_0" else [False]:
                path = place(f"{model}-{kind}{'-weighted' if weighted else ''}.gguf")
                words = ["--importance", arguments.calibration] if weighted else []
                run(arguments, "convert", "--model", source, "--dtype", kind, "--output", path, "--replace", *words)
                measured = reference.measure(path, arguments)
                different = None if weighted else differing_tensors(path, made)
                if not weighted:
                    # The same bytes have the same divergence.
                    stock = reference.measure(place("stock.gguf"), arguments)[1] if different else measured[1]
                line(model, kind, weighted, path, measured, stock, different)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="nas-search")
    parser.add_argument("--model", required=True, help="a dense Llama, folder or GGUF")
    parser.add_argument("--calibration", required=True, metavar="FILE")
    parser.add_argument("--text", required=True, metavar="FILE")
    parser.add_argument("--keep", default="0.8")
    parser.add_argument("--method", default="ours-fast")
    parser.add_argument("--types", default=",".join(TYPES), type=lambda text: text.split(","))
    parser.add_argument("--window-length", type=int, default=512)
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", help="keep the files here; the f32 files of an earlier check there are taken")
    arguments = parser.parse_args()
    try:
        if arguments.folder:
            sys.exit(0 if check(arguments, arguments.folder) else 1)
        with tempfile.TemporaryDirectory() as folder:
            sys.exit(0 if check(arguments, folder) else 1)
    except Exception as error:
        if not isinstance(error, (CheckError, OSError, ValueError)) and type(error).__name__ != "LlamaCppError":
            raise
        print(f"check_quantised.py: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
