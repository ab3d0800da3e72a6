"""How time and memory of a search grow with layers, width, tokens and candidates.

    python3 scaling.py --tool .build/release/nas-search --text FILE --work FOLDER --output FOLDER

Synthesizes checkpoints around one base shape, runs one generation of a search on each, and reads the seconds of every stage and the
peak of memory that the study keeps. Writes table.csv, fits.csv (least squares of the logarithms: the exponent of every cost) and
scaling.svg. Sizes that are not varied are those of BASE.
"""

import argparse
import csv
import json
import math
import pathlib
import shutil
import sqlite3
import subprocess

BASE = {"layers": 8, "width": 3, "tokens": 4096, "candidates": 8}
SIZES = {
    "layers": [4, 8, 16, 32],
    # Multiples of three heads of 64 and 512 MLP channels: hidden size and channels grow together.
    "width": [2, 3, 4, 6],
    # Gradients take sixteen windows at most.
    "tokens": [1024, 2048, 4096, 8192],
    "candidates": [4, 8, 16, 32],
}
COSTS = ["statistics", "gradients", "error curves", "evaluations", "memory"]
COLOURS = ["#0b6e99", "#c8553d", "#588b3a", "#7a4fa3", "#333333"]


def run(command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(options, sizes):
    """Seconds of the stages and bytes at the peak."""
    work = pathlib.Path(options.work)
    heads, channels = 3 * sizes["width"], 512 * sizes["width"]
    model = work / f"model-{sizes['layers']}-{sizes['width']}"
    if not model.exists():
        run([options.tool, "synthesize", "--shape", "smollm2-135m", "--vocabulary", "4096", "--layers", str(sizes["layers"]),
             "--heads", str(heads), "--channels", str(channels), "--output", str(model)])
    study, cache = work / "study", work / "cache"
    for folder in [study, cache]:
        shutil.rmtree(folder, ignore_errors=True)
    run([options.tool, "--model", str(model), "--budget", str(sizes["candidates"]), "--population", str(sizes["candidates"]),
         "--optimizer", "random", "--scores", "obs-loss", "--keep", "0.8", "--calibration", options.text,
         "--calibration-windows", str(sizes["tokens"] // 512), "--calibration-length", "512", "--fitness-windows", "4",
         "--fitness-length", "256", "--damping", "0.01", "--study", str(study), "--cache", str(cache)])
    database = sqlite3.connect(study / "study.db")
    attributes = dict(database.execute("select key, value_json from study_user_attributes"))
    seconds = [json.loads(value) for (value,) in database.execute(
        "select value_json from trial_user_attributes where key like '%seconds'")]

    def attribute(name):
        key = next(key for key in attributes if key.split(":")[-1].split(".")[-1] == name)
        value = json.loads(attributes[key])
        return json.loads(value) if isinstance(value, str) else value

    stages = {name: 0.0 for name in COSTS}
    for stage in attribute("work")["stages"]:
        if stage["name"] in stages:
            stages[stage["name"]] += stage["seconds"]
    stages["evaluations"] = sum(float(value) for value in seconds)
    stages["memory"] = float(attribute("peak"))
    return stages


def exponent(points):
    """Slope of the least-squares line through the logarithms."""
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / sum((x - mean_x) ** 2 for x in xs)


def chart(rows, fits, path):
    """Four panels of logarithms, each cost relative to its value at the smallest size."""
    width, height, margin = 300, 260, 46
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * width}" height="{2 * height + 30}" '
             'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>']
    for number, axis in enumerate(SIZES):
        left, top = number % 2 * width, number // 2 * height
        points = [row for row in rows if row["axis"] == axis]
        sizes = [row["size"] for row in points]
        ratios = {cost: [row[cost] / points[0][cost] for row in points] for cost in COSTS}
        largest = max(2.0, max(max(values) for values in ratios.values()))
        smallest = min(1.0, min(min(values) for values in ratios.values()))

        def place(size, ratio):
            x = left + margin + (width - 2 * margin) * math.log(size / sizes[0]) / math.log(sizes[-1] / sizes[0])
            y = top + height - margin - (height - 2 * margin) * math.log(ratio / smallest) / math.log(largest / smallest)
            return x, y

        parts.append(f'<text x="{left + width / 2}" y="{top + 20}" text-anchor="middle" font-weight="bold">{axis}</text>')
        for size in sizes:
            x, _ = place(size, smallest)
            parts.append(f'<text x="{x:.1f}" y="{top + height - margin + 16}" text-anchor="middle">{size}</text>')
        tick = 1
        while tick <= largest:
            x, y = place(sizes[0], tick)
            parts.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{left + width - margin}" y2="{y:.1f}" stroke="#ddd"/>')
            parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{tick}×</text>')
            tick *= 2
        labels = []
        for cost, colour in zip(COSTS, COLOURS):
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, sizes, ratios[cost]))
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
            x, y = place(sizes[-1], ratios[cost][-1])
            labels.append((y + 4, x + 4, colour, f"{fits[axis][cost]:.2f}"))
        # From the lowest up, none nearer to the last than its height.
        free = math.inf
        for y, x, colour, label in sorted(labels, reverse=True):
            free = min(y, free)
            parts.append(f'<text x="{x:.1f}" y="{free:.1f}" fill="{colour}">{label}</text>')
            free -= 12
    for number, (cost, colour) in enumerate(zip(COSTS, COLOURS)):
        parts.append(f'<text x="{20 + 110 * number}" y="{2 * height + 18}" fill="{colour}">{cost}</text>')
    path.write_text("\n".join(parts + ["</svg>"]) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ["tool", "text", "work", "output"]:
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    pathlib.Path(options.work).mkdir(parents=True, exist_ok=True)
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for axis, sizes in SIZES.items():
        for size in sizes:
            rows.append({"axis": axis, "size": size} | measure(options, BASE | {axis: size}))
            print(rows[-1], flush=True)
    fits = {axis: {cost: exponent([(row["size"], row[cost]) for row in rows if row["axis"] == axis]) for cost in COSTS}
            for axis in SIZES}
    with open(output / "table.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["axis", "size"] + COSTS)
        writer.writeheader()
        writer.writerows({key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()}
                         for row in rows)
    with open(output / "fits.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["axis"] + COSTS)
        writer.writeheader()
        writer.writerows({"axis": axis} | {cost: f"{value:.2f}" for cost, value in costs.items()}
                         for axis, costs in fits.items())
    chart(rows, fits, output / "scaling.svg")


if __name__ == "__main__":
    main()
