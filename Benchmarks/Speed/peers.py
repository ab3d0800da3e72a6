"""The forward pass with loss of speed-benchmark, in torch/transformers and in llama.cpp.

    python3 peers.py [--gguf MODEL.gguf --text FILE] [--window 1024] [--windows 4] [--threads N]

Prints tokens per second of `transformers` in float32 and bfloat16 on random weights in the shape of SmolLM2-135M (speed does
not depend on the values), and of llama.cpp on a GGUF file, whose own type decides the precision: the fastest of three runs each,
one window at a time. Needs torch and transformers; for llama.cpp xllamacpp.
"""

import argparse
import os
import pathlib
import sys
import time

import numpy as np


def fastest(run, repeats=3):
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_transformers(window, windows):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=True)
    tokens = torch.randint(0, config.vocab_size, (windows, 1, window))
    for dtype in [torch.float32, torch.bfloat16]:
        model = LlamaForCausalLM(config).to(dtype).eval()

        def run():
            with torch.inference_mode():
                for ids in tokens:
                    float(model(ids, labels=ids, use_cache=False).loss)

        print(f"transformers, {str(dtype)[6:]:<29} {windows * window / fastest(run):8.1f} tokens/s", flush=True)


def measure_llama_cpp(path, text, window, windows, threads):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Tests" / "checks"))
    import stock_llama_cpp

    with stock_llama_cpp.LlamaCpp(path, window, threads) as model:
        tokens = model.tokenize(open(text, encoding="utf-8").read())
        if len(tokens) < windows * window:
            sys.exit(f"{text}: fewer than {windows} windows of {window} tokens")

        def run():
            for start in range(0, windows * window, window):
                ids = tokens[start:start + window]
                logits = np.asarray(model.logits(ids))[:-1]
                peak = logits.max(axis=1, keepdims=True)
                loss = np.log(np.exp(logits - peak).sum(axis=1)) + peak[:, 0] - logits[np.arange(window - 1), ids[1:]]
                float(loss.mean())

        print(f"llama.cpp, {pathlib.Path(path).name:<32} {windows * window / fastest(run):8.1f} tokens/s", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf")
    parser.add_argument("--text")
    parser.add_argument("--window", type=int, default=1024)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    measure_transformers(options.window, options.windows)
    if options.gguf:
        if not options.text:
            sys.exit("--gguf needs --text")
        measure_llama_cpp(options.gguf, options.text, options.window, options.windows, options.threads)


main()
