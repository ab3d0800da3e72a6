"""Measures a latency table (latency.json) with stock llama.cpp, for `nas-search search --latency-table`.

    python Tools/latency_llama_cpp.py --model MODEL.gguf --type q8_0 --output latency.json

Of the model only the shape is read. Small GGUFs of random weights in that shape are written, each with one width in all
its layers, and are timed by turns:

    dense         n layers of all KV groups and all MLP channels
    few           the same with a quarter of the layers: dense less few is what whole layers take
    no attention  only the first layer has one: dense less this is what an attention takes
    KV groups g   every layer has g groups, for each g
    channels c    every layer has c channels, for several c

A round times every file once, in an order of its own. What a width saves is the median over the rounds of the difference
to the dense file in the same round, so that what slows the whole machine for a while falls out. The spread is half of the
range that the middle half of the rounds takes. Files are of Llama's form; other families with the same shape are close.

Needs: xllamacpp, gguf, numpy (Tests/checks/requirements.txt).
"""

import argparse
import ctypes as c
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "checks"))

import stock_llama_cpp as llama  # noqa: E402

STEPS = 16  # tokens generated between two looks at the clock
BYTES = 256 << 20  # weights of the layers of a file at least, so that no cache holds them


class Shape:
    """What a table's `shape` says, and what the times hardly depend on."""

    def __init__(self, layers, hidden, head, queries, groups, channels, vocabulary):
        self.layers, self.hidden, self.head, self.queries = layers, hidden, head, queries
        self.groups, self.channels, self.vocabulary = groups, channels, vocabulary

    @staticmethod
    def read(path):
        """From a GGUF file or a Hugging Face folder whose layers are alike."""
        if os.path.isdir(path):
            with open(os.path.join(path, "config.json"), encoding="utf-8") as file:
                config = json.load(file)
            heads = config["num_attention_heads"]
            groups = config.get("num_key_value_heads", heads)
            return Shape(config["num_hidden_layers"], config["hidden_size"],
                         config.get("head_dim") or config["hidden_size"] // heads, heads // groups, groups,
                         config["intermediate_size"], config["vocab_size"])
        from gguf import GGUFReader

        reader = GGUFReader(path)

        def value(key, default=None):
            field = reader.fields.get(key)
            if field is None:
                if default is None:
                    raise SystemExit(f"{path}: no key {key}")
                return default
            found = field.contents()
            if isinstance(found, list):
                if len(set(found)) != 1:
                    raise SystemExit(f"{path}: {key} differs between layers; a table is of a dense model")
                return found[0]
            return found

        name = value("general.architecture")
        if value(f"{name}.expert_count", 0):
            raise SystemExit(f"{path}: a mixture of experts has no latency table")
        heads, hidden = value(f"{name}.attention.head_count"), value(f"{name}.embedding_length")
        groups = value(f"{name}.attention.head_count_kv", heads)
        embedding = next(tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
        return Shape(value(f"{name}.block_count"), hidden, value(f"{name}.attention.key_length", hidden // heads),
                     heads // groups, groups, value(f"{name}.feed_forward_length"), int(embedding.shape[1]))

    def json(self):
        return {"layers": self.layers, "hidden_size": self.hidden, "head_dimension": self.head,
                "queries_per_group": self.queries, "kv_groups": self.groups, "mlp_channels": self.channels,
                "vocabulary_size": self.vocabulary}

    def parameters(self, groups, channels):
        """Of the matrices of one layer."""
        return self.hidden * (groups * self.head * 2 * (self.queries + 1) + 3 * channels)


# MARK: - Files


class Encoder:
    """Random matrices in blocks of a type, each shape made once."""

    # Blocks of 256 do not divide every row. These take their places, as in llama.cpp's own quantisation.
    NARROW = {"Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}

    def __init__(self, name):
        from gguf import GGMLQuantizationType

        self.types = GGMLQuantizationType
        if name not in self.types.__members__:
            raise SystemExit(f"--type {name.lower()} is no type of GGUF")
        self.type = self.types[name]
        # The head is kept finer than the layers.
        self.head = self.type if name in ("F32", "F16", "BF16", "Q8_0", "Q6_K") else self.types["Q6_K"]
        self.made = {}

    def fitting(self, kind, columns):
        from gguf import GGML_QUANT_SIZES

        while columns % GGML_QUANT_SIZES[kind][0]:
            kind = self.types[self.NARROW.get(kind.name, "F16")]
        return kind

    def matrix(self, rows, columns, kind=None):
        kind = self.fitting(kind or self.type, columns)
        if (rows, columns, kind) not in self.made:
            values = np.random.default_rng(rows * 7 + columns).standard_normal((rows, columns), np.float32) * 0.02
            if kind == self.types.F32:
                pass
            elif kind == self.types.F16:
                values = values.astype(np.float16)
            else:
                values = llama.quantize(values, kind)
            self.made[rows, columns, kind] = (values, kind)
        return self.made[rows, columns, kind]


def write(path, shape, widths, encoder):
    """A GGUF of Llama's form with (groups, channels) for each layer; where attentions differ it is of Deci's, as exports are."""
    from gguf import GGUFWriter

    architecture = "llama" if len(set(groups for groups, _ in widths)) == 1 else "deci"
    writer = GGUFWriter(path, architecture)
    writer.add_block_count(len(widths))
    writer.add_context_length(1 << 16)
    writer.add_embedding_length(shape.hidden)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_feed_forward_length([channels for _, channels in widths])
    writer.add_head_count([shape.queries * groups for groups, _ in widths])
    writer.add_head_count_kv([groups for groups, _ in widths])
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("no_vocab")
    gain = np.ones(shape.hidden, np.float32)

    def add(name, rows, columns, kind=None):
        values, found = encoder.matrix(rows, columns, kind)
        writer.add_tensor(name + ".weight", values, raw_dtype=found)

    add("token_embd", shape.vocabulary, shape.hidden, encoder.head)
    writer.add_tensor("output_norm.weight", gain)
    for index, (groups, channels) in enumerate(widths):
        block, key = f"blk.{index}.", groups * shape.head
        if groups:
            writer.add_tensor(block + "attn_norm.weight", gain)
            for name, rows in [("q", shape.queries * key), ("k", key), ("v", key)]:
                add(f"{block}attn_{name}", rows, shape.hidden)
            add(block + "attn_output", shape.hidden, shape.queries * key)
        writer.add_tensor(block + "ffn_norm.weight", gain)
        for name in ["gate", "up"]:
            add(f"{block}ffn_{name}", channels, shape.hidden)
        add(block + "ffn_down", shape.hidden, channels)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# MARK: - Clocks


class Subject:
    """A GGUF that llama.cpp has open, with the caches that workloads need."""

    def __init__(self, path, workloads, threads, clock=time.perf_counter):
        """`clock` is time.thread_time on a machine that others use, too: then with one thread."""
        self.lib, self.path, self.clock = llama.library(), path, clock
        for function, result, arguments in [
            ("llama_memory_seq_rm", c.c_bool, [c.c_void_p, c.c_int32, c.c_int32, c.c_int32]),
        ]:
            getattr(self.lib, function).restype = result
            getattr(self.lib, function).argtypes = arguments
        self.model = self.lib.llama_model_load_from_file(os.fsencode(path), self.lib.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llama.cpp does not load {path}: " + llama.LlamaCpp._last_errors())
        params = self.lib.llama_context_default_params()
        params.n_seq_max = max(batch for _, _, batch in workloads)
        params.n_ctx = max(batch * (tokens + STEPS + 32) for _, tokens, batch in workloads)
        params.n_batch = max([512] + [tokens * batch for _, tokens, batch in workloads])
        params.n_threads = params.n_threads_batch = threads
        self.context = self.lib.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit(f"llama.cpp makes no context for {path}: " + llama.LlamaCpp._last_errors())
        self.memory = self.lib.llama_get_memory(self.context)
        self.room = params.n_batch
        self.batch = self.lib.llama_batch_init(self.room, 0, 1)
        self.filled = None

    def decode(self, places):
        """One pass over tokens at (position, sequence); logits of the last of each sequence."""
        last = {sequence: index for index, (_, sequence) in enumerate(places)}
        self.batch.n_tokens = len(places)
        for index, (position, sequence) in enumerate(places):
            self.batch.token[index], self.batch.pos[index] = 100 + position % 97, position
            self.batch.n_seq_id[index], self.batch.seq_id[index][0] = 1, sequence
            self.batch.logits[index] = last[sequence] == index
        status = self.lib.llama_decode(self.context, self.batch)
        if status != 0:
            raise SystemExit(f"{self.path}: llama_decode failed with {status}: " + llama.LlamaCpp._last_errors())
        self.lib.llama_get_logits_ith(self.context, len(places) - 1)

    def seconds(self, workload):
        """Of a prompt, or of a generated token for each sequence."""
        kind, tokens, batch = workload
        prompt = [(position, sequence) for sequence in range(batch) for position in range(tokens)]
        if kind == "prompt" or self.filled != workload:
            self.lib.llama_memory_clear(self.memory, True)
            self.filled = None
            start = self.clock()
            self.decode(prompt)
            if kind == "prompt":
                return self.clock() - start
            self.filled = workload
        start = self.clock()
        for step in range(STEPS):
            self.decode([(tokens + step, sequence) for sequence in range(batch)])
        found = (self.clock() - start) / STEPS
        for sequence in range(batch):
            self.lib.llama_memory_seq_rm(self.memory, sequence, tokens, -1)
        return found

    def close(self):
        self.lib.llama_batch_free(self.batch)
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)


def rounds(subjects, workload, count):
    """Seconds of each subject in each round, by turns: {name: [seconds]}. A round that warms up is not counted."""
    times = {name: [] for name in subjects}
    order = random.Random(0)
    for number in range(count + 1):
        names = list(subjects)
        order.shuffle(names)
        for name in names:
            found = subjects[name].seconds(workload)
            if number:
                times[name].append(found)
    return times


def middle(values):
    """Median, and half of the range that the middle half takes."""
    if len(values) < 2:
        return values[0], 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return statistics.median(values), (high - low) / 2


# MARK: - The table


def files(shape, layers, channels):
    """The widths of every file: {name: [(groups, channels)]}."""
    whole = (shape.groups, shape.channels)
    result = {"dense": [whole] * layers, "few": [whole] * max(1, layers // 4),
              "no attention": [whole] + [(0, shape.channels)] * (layers - 1)}
    for groups in range(1, shape.groups):
        result["groups", groups] = [(groups, shape.channels)] * layers
    for width in channels[:-1]:
        result["channels", width] = [(shape.groups, width)] * layers
    return result


def derive(shape, layers, times):
    """`rest`, `attention` and `mlp` of a workload from the times of the files; the rest is that of the whole model."""
    def saving(name, count):
        value, spread = middle([(a - b) / count for a, b in zip(times["dense"], times[name])])
        return value, spread

    def entry(width, value, spread):
        return {"width": width, "seconds": max(0.0, value), "spread": spread}

    dense, dense_spread = middle(times["dense"])
    layer, layer_spread = saving("few", layers - max(1, layers // 4))
    layer = min(layer, dense / layers)  # what is left is the rest's, which is next to nothing for a prompt
    attention, attention_spread = saving("no attention", layers - 1)
    mlp, mlp_spread = layer - attention, (layer_spread**2 + attention_spread**2) ** 0.5
    groups, channels = [], []
    for name in times:
        if name[0] == "groups":
            value, spread = saving(name, layers)
            groups.append(entry(name[1], attention - value, spread))
        elif name[0] == "channels":
            value, spread = saving(name, layers)
            channels.append(entry(name[1], mlp - value, spread))
    groups.append(entry(shape.groups, attention, attention_spread))
    channels.append(entry(shape.channels, mlp, mlp_spread))
    rest = max(0.0, dense - layers * layer)
    return {"rest": {"seconds": rest, "spread": dense_spread}, "attention": groups, "mlp": channels}


def numbers(text):
    return [int(part) for part in text.split(",") if part]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="GGUF file or Hugging Face folder whose shape is taken")
    parser.add_argument("--type", default="q8_0", help="type of the weights of the layers, such as f16, q8_0, q4_k")
    parser.add_argument("--output", required=True, help="latency.json")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--contexts", type=numbers, default=[128], help="tokens behind which a token is generated")
    parser.add_argument("--batches", type=numbers, default=[1], help="sequences that generate together")
    parser.add_argument("--prompts", type=numbers, default=[256], help="lengths of prompts")
    parser.add_argument("--widths", type=int, default=8, help="number of widths of the MLP")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--busy", action="store_true",
                        help="count the time of the one thread, not that of the clock: for a machine that others use, too")
    arguments = parser.parse_args()
    if arguments.busy and arguments.threads != 1:
        parser.error("--busy goes with --threads 1")
    return arguments


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main():
    arguments = parse()
    shape = Shape.read(arguments.model)
    encoder = Encoder(arguments.type.upper())
    from gguf import GGML_QUANT_SIZES

    size, block = GGML_QUANT_SIZES[encoder.fitting(encoder.type, shape.hidden)]
    layer_bytes = shape.parameters(shape.groups, shape.channels) * block // size
    layers = max(4, min(shape.layers, -(-BYTES // layer_bytes)))
    step = 256 if arguments.type.upper().endswith("_K") and shape.channels % 256 == 0 else 32
    channels = sorted({max(step, round(shape.channels * k / arguments.widths / step) * step)
                       for k in range(1, arguments.widths)} | {shape.channels})
    workloads = [("generation", tokens, batch) for tokens in arguments.contexts for batch in arguments.batches]
    workloads += [("prompt", tokens, 1) for tokens in arguments.prompts]
    table = {
        "schema": "nas-search.latency", "version": 1, "machine": f"{processor()}, {os.cpu_count()} cores",
        "engine": f"llama.cpp ({llama.version()}), {arguments.type.lower()}, threads: {arguments.threads}"
                  + (", processor time" if arguments.busy else ""),
        "shape": shape.json(), "workloads": []}
    with tempfile.TemporaryDirectory() as folder:
        subjects = {}
        for number, (name, widths) in enumerate(files(shape, layers, channels).items()):
            path = os.path.join(folder, f"{number}.gguf")
            write(path, shape, widths, encoder)
            subjects[name] = Subject(
                path, workloads, arguments.threads, time.thread_time if arguments.busy else time.perf_counter)
        for kind, tokens, batch in workloads:
            times = rounds(subjects, (kind, tokens, batch), arguments.rounds)
            found = derive(shape, layers, times)
            table["workloads"].append({"kind": kind, "tokens": tokens, "batch": batch, **found})
            value, spread = middle(times["dense"])
            print(f"{kind}-{tokens}{'' if batch == 1 else f'x{batch}'}: {layers} dense layers {value * 1e3:.3f} ms "
                  f"± {spread * 1e3:.3f}, rest {found['rest']['seconds'] * 1e3:.3f} ms, {arguments.rounds} rounds of "
                  f"{len(subjects)} files", file=sys.stderr)
        for subject in subjects.values():
            subject.close()
    with open(arguments.output + ".part", "w", encoding="utf-8") as file:
        json.dump(table, file, indent=2, sort_keys=True)
        file.write("\n")
    os.replace(arguments.output + ".part", arguments.output)


if __name__ == "__main__":
    main()
