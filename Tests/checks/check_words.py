#!/usr/bin/env python3
"""Looks in the comments of the sources for what a script can see of the rules for plain English (Sources/README.md).

    Tests/checks/check_words.py [--list] [FOLDER …]

Without folders: those in DONE. Prints a count for each rule and folder; with --list also the lines. Exits with 1 if a folder breaks
a rule.
"""

import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Folders whose comments keep the rules.
DONE = [
    "Sources/CKernels", "Sources/Runtime", "Sources/LinearAlgebra", "Sources/Checkpoints", "Sources/Tokenizers", "Sources/Calibration",
    "Sources/Importance", "Sources/Search", "Sources/Studies", "Sources/Reformation", "Sources/Subnets",
    "Sources/Exports",
]
COLUMNS = 120
COMMENT = re.compile(r"^\s*(?:///?|\*|/\*)\s?(.*)$|^.*?\s//\s(.*)$")
# A note on a parameter: `- Parameter name: text` or `  - name: text`.
NOTE = r"^-\s+(?:Parameter\s+)?\w+:\s+"
RULES = {
    "longer than 120 columns": None,
    "whoever": re.compile(r"\bwhoever\b", re.IGNORECASE),
    "who, for code": re.compile(r"\bwho\b", re.IGNORECASE),
    "sentence that begins with Of": re.compile(r"(?:^|[.:;] )Of (?!course\b)"),
    # Only in the first line of a comment.
    "comment that begins with What": re.compile(r"^What\b"),
    "note that begins with no noun": re.compile(NOTE + r"(?:of|who|whose|what|told|by|how|that|which|where|from|with|for|in|on)\b"),
}
FIRST = "comment that begins with What"


def comments(path):
    """Number, whole line and text of every line with a comment."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = COMMENT.match(line)
        if match and "://" not in line.split("//")[0] + "//":
            yield number, line, (match[1] if match[1] is not None else match[2]).strip()


def findings(folder):
    """Rule, place and text of what breaks a rule."""
    files = sorted(path for ending in ("*.swift", "*.h", "*.c") for path in (ROOT / folder).rglob(ending))
    for path in files:
        last = 0
        for number, line, text in comments(path):
            opens, last = number != last + 1, number
            for rule, pattern in RULES.items():
                broken = len(line) > COLUMNS if pattern is None else pattern.search(text) and (opens or rule != FIRST)
                if broken:
                    yield rule, f"{path.relative_to(ROOT)}:{number}", text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", default=DONE)
    parser.add_argument("--list", action="store_true", help="print the lines, too")
    options = parser.parse_args()
    total = 0
    for folder in options.folders:
        found = list(findings(folder))
        total += len(found)
        counts = {rule: sum(name == rule for name, _, _ in found) for rule in RULES}
        print(f"{folder}: " + (", ".join(f"{count} {rule}" for rule, count in counts.items() if count) or "nothing"))
        if options.list:
            for rule, place, text in found:
                print(f"  {place}: {rule}: {text}")
    sys.exit(bool(total))


if __name__ == "__main__":
    main()
