"""The work of speed-benchmark in torch, transformers and llama.cpp, and ratios: above 1 where speed-benchmark is faster.

    python3 peers.py --ours .build/release/speed-benchmark --model MODEL.gguf [--gguf WIDENED.gguf --text FILE]
                     [--windows 2] [--threads N] [--only PART-OF-A-NAME]

Each part is measured in speed-benchmark and directly afterwards in the other program: the fastest of at least three runs after one
that does not count. transformers runs random weights in the shape of SmolLM2-135M (speed does not depend on the values), one
window of 1024 tokens at a time; llama.cpp a GGUF file, whose own type decides the precision. Needs torch and transformers; for
llama.cpp xllamacpp.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

WINDOW = 1024
UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def fastest(run, repeats=3):
    run()
    times = []
    while len(times) < repeats or sum(times) < 1:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(options, name):
    """What speed-benchmark says of a part: a rate and its unit."""
    command = [options.ours, "--model", options.model, "--only", name]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        found = re.fullmatch(r"(.*?)\s+([\d.]+) ([kMGT]?)(\S+/s)(\s+[\d.]+ %)?", line)
        if found and found[1] == name:
            return float(found[2]) * UNITS[found[3]], found[4]
    sys.exit(f"{options.ours} measures no '{name}'")


def products(torch):
    """Parts, and operations a second of torch."""
    order, tokens, threads = 1536, 512, torch.get_num_threads()

    def rate(operations, run):
        return lambda: operations / fastest(run)

    def product(dtype):
        a, b, c = (torch.full((order, order), 0.5, dtype=dtype) for _ in range(3))
        return rate(2 * order**3, lambda: torch.mm(a, b, out=c))

    for name, dtype in [("single", torch.float32), ("double", torch.float64), ("bfloat16", torch.bfloat16)]:
        yield f"GEMM peak, {name}", f"torch.mm, {threads} threads", product(dtype)
    x = torch.rand(tokens, order)
    yield "Gram, 512 tokens of 1536 inputs", "torch.mm of both triangles", rate(tokens * order**2, lambda: x.T @ x)
    gram = x.double().T @ x.double() + tokens * torch.eye(order)
    yield "Cholesky, order 1536", "torch.linalg.cholesky", rate(order**3 / 3, lambda: torch.linalg.cholesky(gram))
    factor, right = torch.linalg.cholesky(gram), torch.full((order, 576), 0.5, dtype=torch.float64)
    yield "triangular solve, order 1536, 576 columns", "torch.linalg.solve_triangular", rate(
        order**2 * 576, lambda: torch.linalg.solve_triangular(factor.T, right, upper=True))


def model_parts(torch, windows):
    """Parts, and tokens a second of transformers."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=True)
    tokens = torch.randint(0, config.vocab_size, (windows, 1, WINDOW))

    def forward(dtype):
        model = LlamaForCausalLM(config).to(dtype).eval()

        def run():
            with torch.inference_mode():
                for ids in tokens:
                    float(model(ids, labels=ids, use_cache=False).loss)

        return windows * WINDOW / fastest(run)

    def backward():
        model = LlamaForCausalLM(config)

        def run():
            for ids in tokens:
                model.zero_grad(set_to_none=True)
                model(ids, labels=ids, use_cache=False).loss.backward()

        return windows * WINDOW / fastest(run)

    yield "forward with loss", "transformers, float32", lambda: forward(torch.float32)
    yield "forward with loss, bfloat16", "transformers, bfloat16", lambda: forward(torch.bfloat16)
    yield "backward", "transformers, float32", backward


def llama_cpp_parts(options):
    import numpy as np

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Tests" / "checks"))
    import stock_llama_cpp

    def forward():
        with stock_llama_cpp.LlamaCpp(options.gguf, WINDOW, options.threads) as model:
            tokens = model.tokenize(open(options.text, encoding="utf-8").read())
            if len(tokens) < options.windows * WINDOW:
                sys.exit(f"{options.text}: fewer than {options.windows} windows of {WINDOW} tokens")

            def run():
                for start in range(0, options.windows * WINDOW, WINDOW):
                    ids = tokens[start:start + WINDOW]
                    logits = np.asarray(model.logits(ids))[:-1]
                    peak = logits.max(axis=1, keepdims=True)
                    loss = np.log(np.exp(logits - peak).sum(axis=1)) + peak[:, 0] - logits[np.arange(WINDOW - 1), ids[1:]]
                    float(loss.mean())

            return options.windows * WINDOW / fastest(run)

    yield "forward with loss", f"llama.cpp, {pathlib.Path(options.gguf).name}", forward


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--gguf")
    parser.add_argument("--text")
    parser.add_argument("--windows", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if options.gguf and not options.text:
        sys.exit("--gguf needs --text")
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    parts = [*products(torch), *model_parts(torch, options.windows)]
    if options.gguf:
        parts += llama_cpp_parts(options)
    for name, peer, measure in parts:
        if options.only not in name:
            continue
        mine, unit = ours(options, name)
        theirs = measure()
        scale, prefix = (1e9, "G") if unit == "FLOP/s" else (1, "")
        print(f"{name:<44}{mine / scale:9.1f} {prefix + unit:<9}{peer:<34}{theirs / scale:9.1f}{mine / theirs:9.2f} ×", flush=True)


main()
