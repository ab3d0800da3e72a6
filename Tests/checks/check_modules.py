#!/usr/bin/env python3
"""Compares the table of modules in Sources/README.md with the folders of Sources and what their files import.

    Tests/checks/check_modules.py [--write]

Exits with 1 if a module is missing or has other imports; --write corrects the column of imports.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = ROOT / "Sources/README.md"
ROW = re.compile(r"^\| `([\w-]+)` \| (.*) \| ([^|]*) \|$", re.MULTILINE)


def imports(folder, modules):
    """The modules of this package that the files of a folder import, in the order of the table."""
    found = set()
    for path in folder.rglob("*.swift"):
        found |= set(re.findall(r"^(?:@\w+ )?(?:public )?import (?:\w+ )?(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    return [name for name in modules if name in found and name != folder.name]


def main():
    text = README.read_text(encoding="utf-8")
    rows = {match[1]: match for match in ROW.finditer(text)}
    folders = {path.name: path for path in (ROOT / "Sources").iterdir() if path.is_dir()}
    problems = [f"no row for {name}" for name in folders if name not in rows]
    problems += [f"no folder for {name}" for name in rows if name not in folders]

    def corrected(match):
        if match[1] not in folders:
            return match[0]
        wanted = ", ".join(imports(folders[match[1]], rows)) or "–"
        if wanted != match[3]:
            problems.append(f"{match[1]} imports {wanted}; the table says {match[3]}")
        return f"| `{match[1]}` | {match[2]} | {wanted} |"

    corrected_text = ROW.sub(corrected, text)
    if "--write" in sys.argv[1:]:
        README.write_text(corrected_text, encoding="utf-8")
        problems = [problem for problem in problems if problem.startswith("no ")]
    print("\n".join(problems) or f"{len(rows)} modules, as the table says")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
