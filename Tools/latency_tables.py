"""What the scripts that measure latency tables have in common: shapes, the files to time, and what their times mean.

Networks of one width in all layers are timed by turns:

    dense         n layers of all KV groups and all MLP channels
    few           the same with a quarter of the layers: dense less few is what whole layers take
    no attention  only the first layer has one: dense less this is what an attention takes
    KV groups g   every layer has g groups, for each g
    channels c    every layer has c channels, for several c

A round times every network once, in an order of its own. What a width saves is the median over the rounds of the difference
to the dense network in the same round, so that what slows the whole machine for a while falls out. The spread is half of the
range that the middle half of the rounds takes.
"""

import json
import os
import platform
import random
import statistics
import sys


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


def options(parser):
    """Those that all scripts have."""
    parser.add_argument("--model", required=True, help="GGUF file or Hugging Face folder whose shape is taken")
    parser.add_argument("--output", required=True, help="latency.json")
    parser.add_argument("--contexts", type=numbers, default=[128], help="tokens behind which a token is generated")
    parser.add_argument("--batches", type=numbers, default=[1], help="sequences that generate together")
    parser.add_argument("--prompts", type=numbers, default=[256], help="lengths of prompts")
    parser.add_argument("--widths", type=int, default=8, help="number of widths of the MLP")
    parser.add_argument("--rounds", type=int, default=15)


def workloads(arguments):
    """(kind, tokens, batch) of each."""
    found = [("generation", tokens, batch) for tokens in arguments.contexts for batch in arguments.batches]
    return found + [("prompt", tokens, 1) for tokens in arguments.prompts]


def channels(shape, count, step):
    """So many widths of the MLP, evenly spread, multiples of a step but for the last, which is all of it."""
    return sorted({max(step, round(shape.channels * k / count / step) * step) for k in range(1, count)} | {shape.channels})


def measure(subjects, shape, layers, many, count, machine, engine):
    """The table of subjects, which have a method `seconds(workload)`."""
    table = {"schema": "nas-search.latency", "version": 1, "machine": machine, "engine": engine, "shape": shape.json(),
             "workloads": []}
    for kind, tokens, batch in many:
        times = rounds(subjects, (kind, tokens, batch), count)
        found = derive(shape, layers, times)
        table["workloads"].append({"kind": kind, "tokens": tokens, "batch": batch, **found})
        for part in ["attention", "mlp"]:
            if found[part][-1]["seconds"] == 0:
                raise SystemExit(f"{kind}-{tokens}: the times say that the {part} takes none; measure on a quieter machine or "
                                 "with more --rounds")
        value, spread = middle(times["dense"])
        print(f"{kind}-{tokens}{'' if batch == 1 else f'x{batch}'}: {layers} dense layers {value * 1e3:.3f} ms "
              f"± {spread * 1e3:.3f}, rest {found['rest']['seconds'] * 1e3:.3f} ms, {count} rounds of "
              f"{len(subjects)} networks", file=sys.stderr)
    return table


def write_table(table, path):
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(table, file, indent=2, sort_keys=True)
        file.write("\n")
    os.replace(path + ".part", path)


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
