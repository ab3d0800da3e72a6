"""Writes the fixtures of CheckpointsTests.

    pip install numpy gguf safetensors ml_dtypes
    python make_fixtures.py

Expected values come from the reference implementations: the dequantisation of the `gguf` package and the writers of
`gguf` and `safetensors`. The output is deterministic.
"""

import json
from pathlib import Path

import gguf
import ml_dtypes
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

folder = Path(__file__).parent / "Fixtures"
random = np.random.default_rng(20)

QUANTISED = [
    Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K,
]
# Where the binary16 scales and minima of a block stand.
HALVES = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}


def random_blocks(kind: Type, rows: int, row_length: int) -> np.ndarray:
    """Rows of blocks in which every bit is random but for the scales, which are finite; some are subnormal or zero."""
    block_size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    count = rows * row_length // block_size
    blocks = random.integers(0, 256, (count, block_bytes), dtype=np.uint8)
    for place in HALVES[kind]:
        halves = random.normal(0, 0.1, count).astype(np.float16)
        halves[0], halves[1] = 3e-6, 0
        blocks[:, place : place + 2] = halves.view(np.uint8).reshape(count, 2)
    return blocks.reshape(rows, -1)


def awkward(count: int) -> np.ndarray:
    """Floats over the whole range of binary16 and beyond: subnormals, halfway cases, signed zeros."""
    values = random.normal(0, 1, count) * 10.0 ** random.uniform(-9, 4, count)
    values[:8] = [0.0, -0.0, 65504, -65504, 2.0**-24, -(2.0**-24), 2.0**-14, 1 + 2.0**-11]
    return values.astype(np.float32)


def write_quantised() -> None:
    writer = gguf.GGUFWriter(folder / "quantised.gguf", "llama")
    expected = {}
    for kind in QUANTISED:
        blocks = random_blocks(kind, 3, 512 if gguf.GGML_QUANT_SIZES[kind][0] == 256 else 64)
        name = f"random.{kind.name}"
        writer.add_tensor(name, blocks, raw_dtype=kind)
        expected[name] = gguf.quants.dequantize(blocks, kind)
    plain = awkward(96).reshape(2, 3, 16)
    for name, values, kind in [
        ("plain.F32", plain, Type.F32),
        ("plain.F16", plain.astype(np.float16), Type.F16),
        ("plain.BF16", plain.astype(ml_dtypes.bfloat16).view(np.uint8), Type.BF16),
        ("plain.F64", plain.astype(np.float64), Type.F64),
        ("plain.I8", np.arange(-3, 3, dtype=np.int8), Type.I8),
        ("plain.I64", np.array([-(2**40), 0, 7], dtype=np.int64), Type.I64),
    ]:
        writer.add_tensor(name, values, raw_dtype=kind if kind == Type.BF16 else None)
    expected["plain.F32"] = expected["plain.F64"] = plain
    expected["plain.F16"] = plain.astype(np.float16).astype(np.float32)
    expected["plain.BF16"] = plain.astype(ml_dtypes.bfloat16).astype(np.float32)
    expected["plain.I8"] = np.arange(-3, 3, dtype=np.float32)
    expected["plain.I64"] = np.array([-(2**40), 0, 7], dtype=np.float32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file({name: np.ascontiguousarray(values) for name, values in expected.items()}, folder / "quantised.safetensors")


def write_tables() -> None:
    """The types that are looked up in a table or are ternary, each byte of a block random but for the scales."""
    random = np.random.default_rng(26)
    writer = gguf.GGUFWriter(folder / "tables.gguf", "llama")
    expected = {}
    for kind, scale in [(Type.IQ4_NL, 0), (Type.IQ4_XS, 0), (Type.MXFP4, None), (Type.TQ1_0, 52), (Type.TQ2_0, 64)]:
        size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        count = 6 if size == 256 else 48
        blocks = random.integers(0, 256, (count, block_bytes), dtype=np.uint8)
        if scale is None:
            # Exponents of eight bits: subnormal at 0 and 1, and no products beyond binary32.
            blocks[:, 0] = random.integers(0, 252, count)
            blocks[:3, 0] = [0, 1, 2]
        else:
            halves = random.normal(0, 0.1, count).astype(np.float16)
            halves[0], halves[1] = 3e-6, 0
            blocks[:, scale : scale + 2] = halves.view(np.uint8).reshape(count, 2)
        blocks = blocks.reshape(3, -1)
        writer.add_tensor(f"random.{kind.name}", blocks, raw_dtype=kind)
        expected[f"random.{kind.name}"] = gguf.quants.dequantize(blocks, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, folder / "tables.safetensors")
    # The numbers of all types that files may hold.
    numbers = {kind.name: int(kind) for kind in Type}
    (folder / "types.json").write_text(json.dumps(numbers, indent=1) + "\n")


def write_metadata() -> None:
    """Every type of metadata value, in version 3; and the same file relabelled as version 2, which has this layout."""
    writer = gguf.GGUFWriter(folder / "metadata-v3.gguf", "llama")
    writer.add_uint8("a.uint8", 200)
    writer.add_int8("a.int8", -100)
    writer.add_uint16("a.uint16", 60000)
    writer.add_int16("a.int16", -30000)
    writer.add_uint32("a.uint32", 4000000000)
    writer.add_int32("a.int32", -2000000000)
    writer.add_float32("a.float32", 1e-5)
    writer.add_bool("a.bool", True)
    writer.add_string("a.string", "Grüße, 世界")
    writer.add_uint64("a.uint64", 2**63 + 1)
    writer.add_int64("a.int64", -(2**62))
    writer.add_float64("a.float64", 1e300)
    writer.add_array("b.strings", ["<s>", "", "ĠÄ", "x" * 100])
    writer.add_array("b.integers", [1, -2, 3])
    writer.add_array("b.floats", [0.5, -1.5])
    writer.add_array("b.bools", [True, False])
    writer.add_array("b.nested", [[1, 2], [3]])
    writer.add_custom_alignment(64)
    writer.add_tensor("first", np.arange(6, dtype=np.float32).reshape(2, 3))
    writer.add_tensor("second", np.array([1.5], dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    data = bytearray((folder / "metadata-v3.gguf").read_bytes())
    data[4] = 2
    (folder / "metadata-v2.gguf").write_bytes(data)


def write_narrowing() -> None:
    """Inputs and what numpy and ml_dtypes round them to, as bit patterns."""
    values = random.integers(0, 2**32, 2000, dtype=np.uint32).view(np.float32)
    small = awkward(2000)
    halfway = np.arange(0, 2**15, 37, dtype=np.uint16).view(np.float16).astype(np.float32)
    halfway = halfway[np.isfinite(halfway)]
    halfway = (halfway.astype(np.float64) * (1 + 2.0**-11)).astype(np.float32)
    special = np.array([65519.996, 65520, 65536, -65520, 3.4e38, np.inf, -np.inf, np.nan, 2.0**-25, 2.0**-25 * 1.01,
                        3 * 2.0**-25, 0.0, -0.0, 1e-45], dtype=np.float32)
    values = np.concatenate([values, small, halfway, special])
    with np.errstate(over="ignore", invalid="ignore"):
        save_file(
            {
                "values": values,
                "f16": values.astype(np.float16).view(np.uint16),
                "bf16": values.astype(ml_dtypes.bfloat16).view(np.uint16),
            },
            folder / "narrowing.safetensors",
        )


def write_folders() -> None:
    tensors = {f"layer.{i}.weight": random.normal(size=(4, 3 + i)).astype(np.float32) for i in range(3)}
    tensors["norm"] = np.ones(5, dtype=np.float16)
    config = {
        "model_type": "llama", "hidden_size": 64, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
        "tie_word_embeddings": False, "sliding_window": None, "architectures": ["LlamaForCausalLM"],
        "eos_token_id": [1, 2], "rope_scaling": {"rope_type": "llama3", "factor": 8.0},
    }
    single = folder / "single"
    single.mkdir(exist_ok=True)
    save_file(tensors, single / "model.safetensors", metadata={"format": "pt"})
    (single / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    sharded = folder / "sharded"
    sharded.mkdir(exist_ok=True)
    weight_map = {}
    for number, names in enumerate([["layer.0.weight", "layer.2.weight"], ["layer.1.weight", "norm"]], start=1):
        shard = f"model-{number:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, sharded / shard, metadata={"format": "pt"})
        weight_map |= {name: shard for name in names}
    size = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


if __name__ == "__main__":
    folder.mkdir(exist_ok=True)
    write_quantised()
    write_metadata()
    write_narrowing()
    write_folders()
    write_tables()
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    print("total bytes:", sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
