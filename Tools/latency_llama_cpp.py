"""Measures a latency table (latency.json) with stock llama.cpp, for `nas-search search --latency-table`.

    python Tools/latency_llama_cpp.py --model MODEL.gguf --type q8_0 --output latency.json

Of the model only the shape is read. GGUFs of random weights in that shape, each with one width in all its layers, are timed
by turns (`latency_tables.py`). They are of Llama's form; other families with the same shape are close. On a machine that others
use, too, take `--threads 1 --busy`.

Needs: xllamacpp, gguf, numpy (Tests/checks/requirements.txt).
"""

import argparse
import ctypes as c
import os
import sys
import tempfile
import time

import latency_tables as tables
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "checks"))

import stock_llama_cpp as llama  # noqa: E402

STEPS = 16  # tokens generated between two looks at the clock
BYTES = 256 << 20  # weights of the layers of a file at least, so that no cache holds them


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

    def __init__(self, path, workloads, threads, clock=time.perf_counter, steps=STEPS):
        """`clock` is time.thread_time on a machine that others use, too: then with one thread. `steps` tokens are generated."""
        self.lib, self.path, self.clock, self.steps = llama.library(), path, clock, steps
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
        params.n_ctx = max(batch * (tokens + steps + 32) for _, tokens, batch in workloads)
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
        for step in range(self.steps):
            self.decode([(tokens + step, sequence) for sequence in range(batch)])
        found = (self.clock() - start) / self.steps
        for sequence in range(batch):
            self.lib.llama_memory_seq_rm(self.memory, sequence, tokens, -1)
        return found

    def close(self):
        self.lib.llama_batch_free(self.batch)
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)


def processor_options(parser):
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--busy", action="store_true",
                        help="count the time of the one thread, not that of the clock: for a machine that others use, too")


def clock(arguments):
    return time.thread_time if arguments.busy else time.perf_counter


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tables.options(parser)
    parser.add_argument("--type", default="q8_0", help="type of the weights of the layers, such as f16, q8_0, q4_k")
    processor_options(parser)
    arguments = parser.parse_args()
    if arguments.busy and arguments.threads != 1:
        parser.error("--busy goes with --threads 1")
    return arguments


def main():
    from gguf import GGML_QUANT_SIZES

    arguments = parse()
    shape = tables.Shape.read(arguments.model)
    encoder = Encoder(arguments.type.upper())
    size, block = GGML_QUANT_SIZES[encoder.fitting(encoder.type, shape.hidden)]
    layer_bytes = shape.parameters(shape.groups, shape.channels) * block // size
    layers = max(4, min(shape.layers, -(-BYTES // layer_bytes)))
    step = 256 if arguments.type.upper().endswith("_K") and shape.channels % 256 == 0 else 32
    workloads = tables.workloads(arguments)
    with tempfile.TemporaryDirectory() as folder:
        subjects = {}
        networks = tables.files(shape, layers, tables.channels(shape, arguments.widths, step))
        for number, (name, widths) in enumerate(networks.items()):
            path = os.path.join(folder, f"{number}.gguf")
            write(path, shape, widths, encoder)
            subjects[name] = Subject(path, workloads, arguments.threads, clock(arguments))
        engine = (f"llama.cpp ({llama.version()}), {arguments.type.lower()}, threads: {arguments.threads}"
                  + (", processor time" if arguments.busy else ""))
        table = tables.measure(subjects, shape, layers, workloads, arguments.rounds,
                               f"{tables.processor()}, {os.cpu_count()} cores", engine)
        for subject in subjects.values():
            subject.close()
    tables.write_table(table, arguments.output)


if __name__ == "__main__":
    main()
