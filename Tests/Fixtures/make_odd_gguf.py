"""Writes `odd-gguf/`: tiny GGUF files in odd but valid forms, and the logits that llama.cpp computes with them.

    pip install -r ../checks/requirements.txt
    python make_odd_gguf.py

`expected.json` holds for each file the tokens and the logits at every position. llama.cpp multiplies quantised weights with
rounded activations, so the logits of `quantised` are those of its twin whose weights are dequantised by the package gguf.
"""

import json
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "checks"))
from stock_llama_cpp import LlamaCpp  # noqa: E402

Type = gguf.GGMLQuantizationType
FOLDER = Path(__file__).resolve().parent / "odd-gguf"
VOCABULARY, TOKENS = 40, [1, 7, 39, 0, 7, 22, 13, 30, 5, 5, 18, 2]


def tensors(random, hidden, heads, groups, channels, dimension, tied=False):
    """All tensors of a network whose layers have these numbers of heads, KV heads and channels."""
    def matrix(rows, columns):
        return (random.normal(0, 1, (rows, columns)) / columns**0.5 * 1.5).astype(np.float32)

    def gain():
        return random.uniform(0.5, 1.5, hidden).astype(np.float32)

    result = {"token_embd.weight": matrix(VOCABULARY, hidden) * 4, "output_norm.weight": gain()}
    if not tied:
        result["output.weight"] = matrix(VOCABULARY, hidden)
    for i, (h, g, c) in enumerate(zip(heads, groups, channels)):
        if h:
            result |= {
                f"blk.{i}.attn_norm.weight": gain(),
                f"blk.{i}.attn_q.weight": matrix(h * dimension, hidden),
                f"blk.{i}.attn_k.weight": matrix(g * dimension, hidden),
                f"blk.{i}.attn_v.weight": matrix(g * dimension, hidden),
                f"blk.{i}.attn_output.weight": matrix(hidden, h * dimension),
            }
        if c:
            result |= {
                f"blk.{i}.ffn_norm.weight": gain(),
                f"blk.{i}.ffn_gate.weight": matrix(c, hidden),
                f"blk.{i}.ffn_up.weight": matrix(c, hidden),
                f"blk.{i}.ffn_down.weight": matrix(hidden, c),
            }
    return result


def write(path, keys, weights, architecture="llama", split=0, types=None):
    """`keys`: name without the architecture → number, text or list. `types`: tensor name → type of its blocks."""
    writer = gguf.GGUFWriter(path, architecture, split_max_tensors=split)
    writer.add_tokenizer_model("no_vocab")
    add = {float: writer.add_float32, int: writer.add_uint32, str: writer.add_string, list: writer.add_array,
           bool: writer.add_bool}
    for key, value in keys.items():
        add[type(value)](f"{architecture}.{key}", value)
    for name, values in weights.items():
        writer.add_tensor(name, values, raw_dtype=(types or {}).get(name))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def base(layers=2, **changes):
    keys = {
        "block_count": layers, "context_length": 512, "embedding_length": 16, "feed_forward_length": 24,
        "attention.head_count": 4, "attention.head_count_kv": 2, "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 100.0, "vocab_size": VOCABULARY,
    }
    keys.update({name.replace("__", "."): value for name, value in changes.items()})
    return keys


def standard(random, **more):
    return tensors(random, 16, [4, 4], [2, 2], [24, 24], 4, **more)


def make(folder):
    """Writes the files; returns for each the file from which llama.cpp computes the reference."""
    twins = Path(tempfile.mkdtemp())
    random = np.random.default_rng(26)

    # In one file and in three.
    weights = standard(random)
    write(folder / "whole.gguf", base(), weights)
    write(folder / "split.gguf", base(), weights, split=8)

    # Biases in some layers only, and of some projections only.
    weights = standard(random, tied=True)
    for name, count in [("blk.1.attn_q", 16), ("blk.0.attn_v", 8), ("blk.0.attn_output", 16), ("blk.1.ffn_up", 24)]:
        weights[f"{name}.bias"] = random.normal(0, 0.7, count).astype(np.float32)
    write(folder / "biases.gguf", base(), weights)

    # Query, key and value in one tensor, in one layer with biases in one, too, in the other with three.
    weights = standard(random, tied=True)
    for i in range(2):
        parts = [weights.pop(f"blk.{i}.attn_{part}.weight") for part in "qkv"]
        weights[f"blk.{i}.attn_qkv.weight"] = np.concatenate(parts)
    weights["blk.0.attn_qkv.bias"] = random.normal(0, 0.7, 32).astype(np.float32)
    for part, count in [("q", 16), ("k", 8), ("v", 8)]:
        weights[f"blk.1.attn_{part}.bias"] = random.normal(0, 0.7, count).astype(np.float32)
    write(folder / "joined.gguf", base(), weights)

    # Keys left to their defaults, old keys, settings of other networks that are off, and dimensions of one on the outside.
    weights = tensors(random, 16, [4, 4], [4, 4], [24, 24], 4)
    weights = {name: values[None, None] if "norm" in name else values for name, values in weights.items()}
    keys = base(tensor_data_layout="Meta AI original pth", attention__causal=True, expert_count=0, logit_scale=1.0)
    for key in ["attention.head_count_kv", "rope.freq_base"]:
        del keys[key]
    write(folder / "defaults.gguf", keys, weights)

    # Rope settings: the old key, a factor without a type, a factor that is not heeded, and divisors beside other scaling.
    weights = standard(random, tied=True)
    write(folder / "rope-old-key.gguf", base(rope__scale_linear=4.0), weights)
    write(folder / "rope-no-type.gguf", base(rope__scaling__factor=4.0, rope__scaling__attn_factor=1.25), weights)
    write(folder / "rope-none.gguf", base(rope__scaling__type="none", rope__scaling__factor=4.0), weights)
    divisors = {"rope_freqs.weight": np.array([1.5, 3.0], np.float32)}
    write(folder / "rope-freqs-linear.gguf", base(rope__scaling__type="linear", rope__scaling__factor=4.0),
          weights | divisors)
    yarn = {"rope.scaling.type": "yarn", "rope.scaling.factor": 8.0, "rope.scaling.original_context_length": 64}
    write(folder / "rope-yarn.gguf", base(**yarn), weights)
    write(folder / "rope-freqs-yarn.gguf", base(**yarn), weights | divisors)
    factors = {"rope_factors_short.weight": np.array([1.0, 1.5], np.float32),
               "rope_factors_long.weight": np.array([2.0, 9.0], np.float32)}
    write(folder / "rope-longrope.gguf",
          base(rope__scaling__type="longrope", rope__scaling__original_context_length=512,
               rope__scaling__attn_factor=1.19), weights | factors)

    # Layers of different widths, one of them without attention.
    heads, groups, channels = [4, 0, 2], [2, 0, 1], [24, 16, 32]
    keys = base(3, attention__head_count=heads, attention__head_count_kv=groups, feed_forward_length=channels,
                attention__key_length=4, attention__value_length=4)
    write(folder / "widths.gguf", keys, tensors(random, 16, heads, groups, channels, 4), "deci")

    # The types that are looked up in a table or are ternary.
    weights = tensors(random, 32, [4], [2], [256], 8)
    types = {"token_embd.weight": Type.IQ4_NL, "blk.0.attn_q.weight": Type.MXFP4, "blk.0.attn_k.weight": Type.IQ4_NL,
             "blk.0.ffn_gate.weight": Type.IQ4_NL, "blk.0.ffn_up.weight": Type.MXFP4,
             "blk.0.ffn_down.weight": Type.IQ4_XS, "output.weight": Type.Q8_0}
    stored, exact = dict(weights), dict(weights)
    for name, kind in types.items():
        stored[name] = blocks(random, kind, weights[name])
        exact[name] = gguf.quants.dequantize(stored[name], kind)
    keys = base(1, embedding_length=32, feed_forward_length=256)
    write(folder / "quantised.gguf", keys, stored, types=types)
    write(twins / "quantised.gguf", keys, exact)

    files = {path.stem: path for path in folder.glob("*.gguf") if "-of-" not in path.stem}
    return files | {"quantised": twins / "quantised.gguf"}


def blocks(random, kind, values):
    """Values in blocks; the package has no encoder of the IQ4 types, so their scales fit and their integers are random."""
    try:
        return gguf.quants.quantize(values, kind)
    except NotImplementedError:
        size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        result = random.integers(0, 256, (values.size // size, block_bytes), dtype=np.uint8)
        # The largest integer is 127, and IQ4_XS multiplies it with up to 32.
        scale = float(values.std()) / 60 / (1 if kind == Type.IQ4_NL else 18)
        halves = (scale * random.uniform(0.8, 1.2, len(result))).astype(np.float16)
        result[:, :2] = halves.view(np.uint8).reshape(-1, 2)
        return result.reshape(len(values), -1)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*"):
        old.unlink()
    expected = {}
    for name, path in sorted(make(FOLDER).items()):
        with LlamaCpp(path) as reference:
            rows = reference.logits(TOKENS)
        expected[name] = {"tokens": TOKENS, "logits": [[float(f"{value:.7g}") for value in row] for row in rows]}
    (FOLDER / "expected.json").write_text(json.dumps(expected) + "\n")
    print("bytes:", sum(path.stat().st_size for path in FOLDER.iterdir()))
