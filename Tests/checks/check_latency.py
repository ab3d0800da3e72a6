#!/usr/bin/env python3
"""Whether a latency table foretells the speed of subnets in stock llama.cpp, and whether a search by time pays.

    python check_latency.py --nas-search PROGRAM --model MODEL.gguf --type q8_0 --calibration TEXT [--threads 2]

1. `Tools/latency_llama_cpp.py` measures a table.
2. Subnets of random widths, none of them in the table: their predicted times against measured ones.
3. `search --objectives kl,latency` and `search --objectives kl,params`, otherwise alike (options that this script does
   not know go to both): every point of both fronts is timed by
   turns, and the times are compared at equal KL, between the points of each front along straight lines in log time over KL.

Timed are files of the points' shapes with random weights: what a weight's value is does not change a product's time. The time
is that of generating a token with the table's first workload, the median over rounds in which all files take turns.

Exit code 0: predictions err by at most 5 % in the median with a rank correlation of at least 0.95, and the points of the search
by time are faster at equal KL. 1: a miss. 2: the check could not be made.
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "Tools"))

import latency_llama_cpp as tool  # noqa: E402
import latency_tables as tables  # noqa: E402

ERROR, CORRELATION = 0.05, 0.95


def curve(times):
    """Seconds by width, as the program reads a table: never falling, straight lines between."""
    points = [(entry["width"], entry["seconds"]) for entry in times]
    if points[0][0]:
        points.insert(0, (0, 0.0))
    pools = []
    for _, value in points:
        pools.append([value, 1])
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] > pools[-1][0] * pools[-2][1]:
            last = pools.pop()
            pools[-1] = [pools[-1][0] + last[0], pools[-1][1] + last[1]]
    values = [total / count for total, count in pools for _ in range(count)]

    def seconds(width):
        for (low, _), (high, _), a, b in zip(points, points[1:], values, values[1:]):
            if low <= width <= high:
                return a + (b - a) * (width - low) / (high - low)
        raise ValueError(width)

    return seconds


def predicted(workload, widths):
    attention, mlp = curve(workload["attention"]), curve(workload["mlp"])
    return workload["rest"]["seconds"] + sum(attention(groups) + mlp(channels) for groups, channels in widths)


def measure(shape, encoder, many, workload, arguments):
    """Median seconds of each list of widths, by turns."""
    key = (workload["kind"], workload["tokens"], workload["batch"])
    clock = time.thread_time if arguments.busy else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        subjects = {}
        for number, widths in enumerate(many):
            path = os.path.join(folder, f"{number}.gguf")
            tool.write(path, shape, widths, encoder)
            subjects[number] = tool.Subject(path, [key], arguments.threads, clock)
        times = tables.rounds(subjects, key, arguments.rounds)
        for subject in subjects.values():
            subject.close()
    return [statistics.median(times[number]) for number in range(len(many))]


def ranks(values):
    order = sorted(range(len(values)), key=lambda place: values[place])
    result = [0] * len(values)
    for rank, place in enumerate(order):
        result[place] = rank
    return result


def correlation(a, b):
    return statistics.correlation(ranks(a), ranks(b))


def compare(name, foretold, measured):
    """The last of both is the dense model: a limit of time is a share of its."""
    shares = [abs(a / foretold[-1] * measured[-1] / b - 1) for a, b in zip(foretold[:-1], measured)]
    foretold, measured = foretold[:-1], measured[:-1]
    errors = [abs(a / b - 1) for a, b in zip(foretold, measured)]
    rank = correlation(foretold, measured)
    print(f"{name}: {len(errors)} subnets, predicted against measured: median error {statistics.median(errors):.1%}, "
          f"largest {max(errors):.1%}, as shares of the dense model {statistics.median(shares):.1%} and {max(shares):.1%}, "
          f"rank correlation {rank:.3f}")
    return statistics.median(errors) <= ERROR and rank >= CORRELATION


def random_widths(shape, count):
    """Subnets between a third of the model and all of it, each layer's own widths, on the grid of a search."""
    generator = random.Random(1)
    many = []
    for _ in range(count):
        share = generator.uniform(0.35, 1)
        many.append([(max(1, min(shape.groups, round(shape.groups * min(1, share * generator.uniform(0.6, 1.4))))),
                      max(32, min(shape.channels, round(shape.channels * share * generator.uniform(0.6, 1.4) / 32) * 32)))
                     for _ in range(shape.layers)])
    return many


def search(arguments, objectives, table, folder):
    study = os.path.join(folder, objectives.replace(",", "-"))
    command = [arguments.nas_search, "search", "--model", arguments.model, "--objectives", objectives, "--latency-table", table,
               "--calibration", arguments.calibration, "--budget", str(arguments.budget), "--study", study, "--json",
               *arguments.further]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{' '.join(command)}\n{done.stderr[-2000:]}", file=sys.stderr)
        raise SystemExit(2)
    found = json.loads(done.stdout)
    return [{"kl": point["kl"], "params": point["keep_ratio"], "latency": point["latency"] / 1e9,
             "widths": list(zip(point["widths"]["kv_groups"], point["widths"]["mlp_channels"]))}
            for point in found["front"]]


def envelope(points):
    """The points that no other is faster and nearer to the dense model than, by KL."""
    best, kept = math.inf, []
    for point in sorted(points, key=lambda point: (point["kl"], point["seconds"])):
        if point["seconds"] < best:
            best = point["seconds"]
            kept.append(point)
    return kept


def at(points, kl):
    """Seconds of a front at a KL; `None` outside of it."""
    for low, high in zip(points, points[1:]):
        if low["kl"] <= kl <= high["kl"] and high["kl"] > low["kl"]:
            share = (kl - low["kl"]) / (high["kl"] - low["kl"])
            return math.exp((1 - share) * math.log(low["seconds"]) + share * math.log(high["seconds"]))
    return None


def pays(arguments, shape, encoder, table, workload, folder):
    fronts = {name: search(arguments, name, table, folder) for name in ["kl,latency", "kl,params"]}
    points = [point for front in fronts.values() for point in front]
    dense = [(shape.groups, shape.channels)] * shape.layers
    times = measure(shape, encoder, [p["widths"] for p in points] + [dense], workload, arguments)
    for point, seconds in zip(points, times):
        point["seconds"] = seconds
    fits = compare("points of both fronts", [p["latency"] for p in points] + [predicted(workload, dense)], times)
    for name, front in fronts.items():
        for point in sorted(front, key=lambda p: p["kl"]):
            print(f"  {name}: KL {point['kl']:.4f}, keeps {point['params']:.3f}, predicted {point['latency'] * 1e3:.3f} ms, "
                  f"measured {point['seconds'] * 1e3:.3f} ms")
    mine, other = envelope(fronts["kl,latency"]), envelope(fronts["kl,params"])
    ratios = [point["seconds"] / at(other, point["kl"]) for point in mine if at(other, point["kl"])]
    if not ratios:
        print("the fronts have no KL in common")
        return False
    print(f"measured time by kl,latency over that by kl,params at equal KL: median {statistics.median(ratios):.3f}, "
          f"{min(ratios):.3f} to {max(ratios):.3f} at {len(ratios)} points")
    return fits and statistics.median(ratios) < 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nas-search", help="without it there is no search")
    parser.add_argument("--model", required=True)
    parser.add_argument("--type", default="q8_0")
    parser.add_argument("--table", help="a table that was measured before, with the same type and threads")
    parser.add_argument("--calibration")
    parser.add_argument("--budget", type=int, default=24)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--busy", action="store_true", help="as the tool takes it")
    arguments, arguments.further = parser.parse_known_args()
    shape, encoder = tables.Shape.read(arguments.model), tool.Encoder(arguments.type.upper())
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.table or os.path.join(folder, "latency.json")
        if not arguments.table:
            made = subprocess.run(
                [sys.executable, tool.__file__, "--model", arguments.model, "--type", arguments.type, "--threads",
                 str(arguments.threads), "--rounds", str(arguments.rounds), "--output", path]
                + (["--busy"] if arguments.busy else []), check=False)
            if made.returncode:
                return 2
        with open(path, encoding="utf-8") as file:
            workload = json.load(file)["workloads"][0]
        many = random_widths(shape, arguments.points) + [[(shape.groups, shape.channels)] * shape.layers]
        fits = compare("random widths", [predicted(workload, widths) for widths in many],
                       measure(shape, encoder, many, workload, arguments))
        if arguments.nas_search:
            fits = pays(arguments, shape, encoder, path, workload, folder) and fits
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
