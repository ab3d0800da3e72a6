"""Prints the reports of optimizer-benchmark and peers.py side by side: median [quartiles] of the hypervolume.

    python3 table.py reports/*.json
"""

import json
import statistics
import sys


def cell(values):
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else "–"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.3f} [{low:.3f} {high:.3f}]"


def main():
    reports = [json.load(open(path)) for path in sys.argv[1:]]
    for problem in sorted({r["problem"] for r in reports}):
        rows = [r for r in reports if r["problem"] == problem]
        stops = sorted({int(n) for r in rows for n in r["hypervolume"]})
        print(f"\n| {problem} | seeds | " + " | ".join(f"after {n}" for n in stops) + " | seconds a seed |")
        print("| --- |" + " --- |" * (len(stops) + 2))
        last = lambda r: statistics.median(r["hypervolume"][str(max(map(int, r["hypervolume"])))])
        for r in sorted(rows, key=last, reverse=True):
            cells = [cell(r["hypervolume"].get(str(n), [])) for n in stops]
            print(f"| {r['optimizer']} | {len(r['seeds'])} | " + " | ".join(cells)
                  + f" | {statistics.median(r['seconds']):.1f} |")


main()
