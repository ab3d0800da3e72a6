"""Prints the table of README.md from `*/held-out.json` and `*/front.csv`: one line a search, then medians over the seeds.

    python3 table.py
"""

import collections
import csv
import json
import pathlib
import statistics


def main():
    arms = collections.defaultdict(dict)
    for path in pathlib.Path(__file__).parent.glob("*/held-out.json"):
        arm, seed = path.parent.name.rsplit("-", 1)
        rows = list(csv.DictReader(open(path.with_name("front.csv"))))
        judged = next(float(row["kl"]) for row in rows if row["best"] == "true")
        texts = json.load(open(path))["measurements"]
        arms[arm][int(seed)] = [judged] + [text[key] for text in texts for key in ("perplexity", "kl")]
    print("| search | seed | KL judged | WikiText-2 | KL | C4 | KL |\n| --- |" + " --- |" * 6)

    def row(name, seed, values):
        cells = [f"{v:.2f}" if place in (1, 3) else f"{v:.4f}" for place, v in enumerate(values)]
        print(f"| {name} | {seed} | " + " | ".join(cells) + " |")

    for arm, seeds in sorted(arms.items()):
        for seed, values in sorted(seeds.items()):
            row(arm, seed, values)
    for arm, seeds in sorted(arms.items()):
        row(f"**{arm}**", f"median of {len(seeds)}", [statistics.median(v) for v in zip(*seeds.values())])


main()
