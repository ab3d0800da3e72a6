#!/usr/bin/env python3
"""Writes the seeds of the fuzzers that are no fixtures already: small ones, because a mutation of a large file says little.

usage: make_seeds.py [STUDY [STUDY_WITH_TASKS]]

With the folder of a study it also writes that study's rows; any small study will do, such as that of
    nas-search search --model Tests/Fixtures/models/llama-mha --space uniform --calibration Tests/Fixtures/text/lighthouse.txt \\
      --calibration-windows 8 --calibration-length 32 --fitness-windows 4 --fitness-length 32 --budget 3 --study STUDY
and, with a task, the same with
    --objectives piqa,params --task-data Tests/TasksTests/Fixtures/authors --task-items 4 --study STUDY_WITH_TASKS
"""

import json
import sqlite3
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "Tests"
PART = b"\x1e"  # between the files of one input


def write(reader, name, data):
    folder = HERE / "seeds" / reader
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


# ---- JSON ----

def json_seeds():
    text = '{"a": [1, -2.5e3, true, null, "x\\u00e9\\ud83d\\ude00\\n"], "b": {"c": {}, "d": []}, "": 18446744073709551616}'
    for reader in ("json", "tokenizer-json"):
        write(reader, "values.json", text)
        write(reader, "escapes.json", '["\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\ud800x", "e\u0301 \u00e9 \U0001F600", 0.1, 1E+2, -0]')
    write("json", "python.json", '\ufeff{"inf": Infinity, "ninf": -Infinity, "nan": NaN, "a": 1, "a": 2}')


# ---- tokenizers ----

def shrink(tokenizer, keep):
    """The first tokens and what merges they allow; ids without gaps."""
    model, added = tokenizer["model"], tokenizer["added_tokens"]
    special = {token["content"] for token in added}
    order = sorted(model["vocab"], key=model["vocab"].get)
    single = [t for t in order if t in special or len(t) == 1 or t.startswith("<0x")][:keep]
    merges, tokens = [], list(single)
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        if left in tokens and right in tokens and len(merges) < keep // 2:
            merges.append(merge)
            if left + right not in tokens:
                tokens.append(left + right)
    model["vocab"] = {token: number for number, token in enumerate(tokens)}
    model["merges"] = merges
    for token in added:
        if token["content"] in model["vocab"]:
            token["id"] = model["vocab"][token["content"]]
        else:
            token["id"] = len(tokens)
            tokens.append(token["content"])
    ids = {token["content"]: token["id"] for token in added}

    def renumber(value):
        if isinstance(value, dict):
            if "ids" in value and "tokens" in value:
                value["ids"] = [ids.get(token, 0) for token in value["tokens"]]
            for member in value.values():
                renumber(member)
        elif isinstance(value, list):
            for member in value:
                renumber(member)

    renumber(tokenizer.get("post_processor"))
    return tokenizer


def tokenizer_seeds():
    fixtures = TESTS / "TokenizersTests" / "Fixtures"
    for path in sorted(fixtures.glob("*/tokenizer.json")):
        tokenizer = shrink(json.loads(path.read_text()), 32)
        configuration = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "add_bos_token": False}
        data = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode()
        if path.parent.name in ("llama2", "metaspace"):
            data += PART + json.dumps(configuration).encode() + PART + b'{"unk_token": "<unk>"}'
        write("tokenizer", f"{path.parent.name}.json", data)


# ---- GGUF ----

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5


def gguf_string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_value(kind, value):
    if kind == STRING:
        return gguf_string(value)
    if kind == ARRAY:
        inner, values = value
        return struct.pack("<IQ", inner, len(values)) + b"".join(gguf_value(inner, v) for v in values)
    return struct.pack({U32: "<I", F32: "<f", BOOL: "<B", I32: "<i"}[kind], value)


def gguf(metadata, tensors):
    """`tensors`: name, dimensions from the innermost outwards, type, bytes."""
    data = struct.pack("<IIQQ", 0x46554747, 3, len(tensors), len(metadata))
    for key, kind, value in metadata:
        data += gguf_string(key) + struct.pack("<I", kind) + gguf_value(kind, value)
    offset = 0
    for name, dimensions, kind, values in tensors:
        data += gguf_string(name) + struct.pack("<I", len(dimensions))
        data += b"".join(struct.pack("<Q", d) for d in dimensions) + struct.pack("<IQ", kind, offset)
        offset += (len(values) + 31) // 32 * 32
    data += bytes(-len(data) % 32)
    for _, _, _, values in tensors:
        data += values + bytes(-len(values) % 32)
    return data


def pattern(count):
    return bytes((37 * i + 11) % 251 for i in range(count))


def gguf_model(vocabulary, extra=()):
    return [
        ("general.architecture", STRING, "llama"), ("llama.block_count", U32, 1), ("llama.context_length", U32, 64),
        ("llama.embedding_length", U32, 32), ("llama.feed_forward_length", U32, 32), ("llama.attention.head_count", U32, 4),
        ("llama.attention.head_count_kv", U32, 2), ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        ("llama.rope.dimension_count", U32, 8), ("llama.rope.freq_base", F32, 10000.0), *extra, *vocabulary,
    ]


def gguf_seeds():
    spm = ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "a", "b", "\u2581a", "ab", "\u2581ab"]
    sentencepiece = [
        ("tokenizer.ggml.model", STRING, "llama"), ("tokenizer.ggml.tokens", ARRAY, (STRING, spm)),
        ("tokenizer.ggml.scores", ARRAY, (F32, [float(-i) for i in range(len(spm))])),
        ("tokenizer.ggml.token_type", ARRAY, (I32, [2, 3, 3, 6, 1, 1, 1, 1, 1, 1])),
        ("tokenizer.ggml.bos_token_id", U32, 1), ("tokenizer.ggml.eos_token_id", U32, 2),
        ("tokenizer.ggml.unknown_token_id", U32, 0), ("tokenizer.ggml.add_bos_token", BOOL, 1),
        ("tokenizer.ggml.add_space_prefix", BOOL, 1),
    ]
    bytelevel = [
        ("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.pre", STRING, "llama-bpe"),
        ("tokenizer.ggml.tokens", ARRAY, (STRING, ["<s>", "\u0120", "a", "b", "\u0120a", "ab"])),
        ("tokenizer.ggml.token_type", ARRAY, (I32, [3, 1, 1, 1, 1, 1])),
        ("tokenizer.ggml.merges", ARRAY, (STRING, ["\u0120 a", "a b"])), ("tokenizer.ggml.bos_token_id", U32, 0),
    ]
    embedding = ("token_embd.weight", [32, 10], 8, pattern(10 * 34))  # Q8_0
    write("gguf", "sentencepiece.gguf", gguf(gguf_model(sentencepiece), [embedding]))
    yarn = [
        ("llama.rope.scaling.type", STRING, "yarn"), ("llama.rope.scaling.factor", F32, 4.0),
        ("llama.rope.scaling.original_context_length", U32, 16),
    ]
    small = ("token_embd.weight", [32, 6], 1, pattern(32 * 6 * 2))  # F16
    write("gguf", "byte-level.gguf", gguf(gguf_model(bytelevel, yarn), [small]))
    factors = ("rope_freqs.weight", [4], 0, struct.pack("<4f", 1, 1, 2, 8))
    head = ("output.weight", [32, 10], 2, pattern(10 * 18))  # Q4_0
    write("gguf", "factors.gguf", gguf(gguf_model([]), [embedding, factors, head]))
    split = [("split.no", U32, 0), ("split.count", U32, 1), ("split.tensors.count", I32, 1)]
    write("gguf", "split.gguf", gguf(gguf_model([], split), [embedding]))
    blocks = [  # every type of blocks, one block each: ggml's number, elements, bytes
        (2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34), (10, 256, 84), (11, 256, 110), (12, 256, 144),
        (13, 256, 176), (14, 256, 210), (20, 32, 18), (23, 256, 136), (30, 3, 6), (26, 2, 8), (28, 2, 16),
    ]
    for number in (20, 23):  # separately, so that the others are read where these are not
        kinds = [block for block in blocks if block[0] not in (20, 23) or block[0] == number]
        write("gguf", f"types-{number}.gguf", gguf([], [(f"t{k}", [n], k, pattern(size)) for k, n, size in kinds]))
    kinds = [block for block in blocks if block[0] not in (20, 23)]
    write("gguf", "types.gguf", gguf([], [(f"t{k}", [n], k, pattern(size)) for k, n, size in kinds]))
    nested = [
        ("a", ARRAY, (ARRAY, [(U32, [1, 2]), (STRING, ["x"]), (ARRAY, [(BOOL, [0, 1])])])), ("b", BOOL, 1),
        ("general.alignment", U32, 64), ("c", ARRAY, (F32, [])),
    ]
    write("gguf", "nested.gguf", gguf(nested, []))


# ---- safetensors ----

def safetensors_seeds():
    sizes = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2,
             "U8": 1, "BOOL": 1}
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for kind, size in sizes.items():
        header[kind.lower()] = {"dtype": kind, "shape": [3, 1], "data_offsets": [offset, offset + 3 * size]}
        offset += 3 * size
    text = json.dumps(header).encode()
    write("safetensors", "types.safetensors", struct.pack("<Q", len(text)) + text + pattern(offset))
    header = {"s": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}, "e": {"dtype": "F16", "shape": [2, 0], "data_offsets": [4, 4]}}
    text = json.dumps(header).encode()
    write("safetensors", "scalar.safetensors", struct.pack("<Q", len(text)) + text + pattern(4))
    scaled = {"w": {"dtype": "F8_E4M3", "shape": [2, 2], "data_offsets": [0, 4]},
              "w_scale_inv": {"dtype": "F32", "shape": [1, 1], "data_offsets": [4, 8]}}
    text = json.dumps(scaled).encode()
    write("safetensors", "scaled.safetensors", struct.pack("<Q", len(text)) + text + pattern(8))


# ---- configurations ----

def config_seeds():
    base = json.loads((TESTS / "Fixtures/models/llama3-gqa/config.json").read_text())
    base["num_hidden_layers"] = 2
    scalings = {
        "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 32.0, "beta_slow": 1.0,
                 "mscale": 1.0, "mscale_all_dim": 0.5, "truncate": False},
        "dynamic": {"rope_type": "dynamic", "factor": 2.0},
        "longrope": {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.0, 2.0, 4.0, 8.0],
                     "original_max_position_embeddings": 64, "attention_factor": 1.1},
        "linear": {"type": "linear", "factor": 2.0},
    }
    for name, scaling in scalings.items():
        write("config", f"{name}.json", json.dumps(base | {"rope_parameters": None, "rope_scaling": scaling, "rope_theta": 10000.0}))
    layers = {"0": {"num_attention_heads": 2, "num_key_value_heads": 1}, "1": {"intermediate_size": 0}}
    write("config", "per-layer.json", json.dumps(base | {"per_layer_config": layers, "qkv_bias": True, "output_bias": False}))
    write("config", "quantised.json", json.dumps(base | {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}))
    window = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "use_sliding_window": True, "sliding_window": 16,
              "max_window_layers": 0, "layer_types": ["sliding_attention", "sliding_attention"]}
    write("config", "window.json", json.dumps(base | window))


# ---- texts ----

def text_seeds():
    write("text", "lines.jsonl", '{"text": "A first line."}\n\n{"id": 2, "text": "A \\"second\\"\\nline."}\r\n{"text": ""}\n')
    write("text", "array.json", '[{"text": "one"}, {"text": "two", "x": NaN}]')
    write("text", "messages.jsonl", '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}\n')
    write("text", "prose.txt", "A lighthouse stood on the cliff.\n\nIts lamp, \u00e9t\u00e9, turned.\r\n\t\r\nThe end.\n")
    write("text", "marked.txt", b"\xef\xbb\xbfMarked text.\n")
    write("text", "utf16.txt", "Wide text.\n".encode("utf-16"))
    import gzip
    write("text", "lines.jsonl.gz", gzip.compress(b'{"text": "packed"}\n', mtime=0))
    # The frame that `zstd` makes of this line, without its checksum: header, one raw block.
    line = b'{"text": "packed"}\n'
    write("text", "lines.jsonl.zst", bytes.fromhex("28b52ffd20") + bytes([len(line)]) + struct.pack("<I", 1 | len(line) << 3)[:3] + line)


def calibration_seeds():
    def windows(name, **more):
        return {"name": name, "source": "self", "calibration_length": 4, "calibration_tokens": [1, 2, 3, 4, 5, 6, 7, 8],
                "fitness_length": 2, "fitness_tokens": [9, 10, 11, 12], "seed": 18446744073709551615} | more
    model = "161509be00b0218ab06eb47fa137b5dd"
    write("calibration", "one.json", json.dumps({"model": model, "sets": [windows("a")]}))
    write("calibration", "two.json", json.dumps({"model": model, "sets": [windows("a", subset=1), windows("b", subset=2, sha256="0" * 64)]}))


def address_seeds():
    for number, text in enumerate([
        "results/study", "postgresql://search:hunter2secret@localhost:5432/studies?sslmode=require#qwen",
        "postgres://search@db.example,other.example:5433/studies#a/b", "postgresql:///studies?host=/tmp&password=hunter2secret",
        "postgresql://search:hunter2%40secret@[::1]/studies", "sqlite:///study.db", "postgresql+psycopg2://u:hunter2secret@h/d",
        "host=localhost password=hunter2secret dbname=studies",
    ]):
        write("address", f"{number}.txt", text)


def study_seed(folder, name, first=None):
    rows = []
    with sqlite3.connect(Path(folder) / "study.db") as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        for table in tables:
            for row in database.execute(f"SELECT * FROM {table}"):
                rows.append("\t".join([table] + ["NULL" if value is None else str(value) for value in row]))
    write("study", name, "\n".join(rows) + "\n")
    # The trial's number is in the first column of its own table, and in the second one of the others.
    def is_first(row):
        table, *columns = row.split("\t")
        return not table.startswith("trial") or columns[0 if table == "trials" else 1] == "1"
    if first:
        write("study", first, "\n".join(filter(is_first, rows)) + "\n")


if __name__ == "__main__":
    for make in (json_seeds, tokenizer_seeds, gguf_seeds, safetensors_seeds, config_seeds, text_seeds, calibration_seeds, address_seeds):
        make()
    if len(sys.argv) > 1:
        study_seed(sys.argv[1], "whole.tsv", "one-trial.tsv")
    if len(sys.argv) > 2:
        study_seed(sys.argv[2], "tasks.tsv")
