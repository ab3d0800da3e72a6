#!/usr/bin/env python3
"""Runs every command of README.md and docs/ in a fresh clone, on the fixtures.

    Tests/checks/check_docs.py [--nas-search .build/release/nas-search] [--only docs/guide/export.md]

A command is a line in a fenced block marked `sh`. The blocks of a page run in order in a clone of their own, where words in capital
letters stand for fixtures (WORDS below) and a study lies at STUDY. A block that cannot run here has an HTML comment above it,
`<!-- not run: the reason -->`; these are listed. Exits with 1 if a command fails.

Of every other Markdown file, and of the blocks that are not run, each command of nas-search is compared with the program's help: an
option or a command that it does not have is a failure, too. So is a link, or a path in backquotes, that leads to nothing.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = "Tests/Fixtures"
WORDS = {
    "MODEL": f"{FIXTURES}/models/llama3-gqa", "TEXT": "text.txt", "UNSEEN": "unseen.txt", "RECORDS": f"{FIXTURES}/text/notes.jsonl",
    "STUDY": "runs/study", "TASKS": "Tests/TasksTests/Fixtures/authors",
}
# Seconds that a block may take.
LIMIT = 120
REASON = re.compile(r"<!-- not run: (.+) -->")
# Pages whose commands take hours or other people's models: only their options are compared with the help.
OTHERS = ["results/**/*.md", "Benchmarks/**/*.md", "search-spaces/*.md", "Sources/**/*.md", "CHANGELOG.md"]


class Block:
    def __init__(self, page, line, reason):
        self.page, self.line, self.reason, self.lines = page, line, reason, []

    @property
    def text(self):
        return "\n".join(self.lines)

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks(page):
    """The `sh` blocks of a page."""
    found, reason, current = [], None, None
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        stripped = line.strip()
        if current is not None:
            if stripped.startswith("```"):
                found.append(current)
                current, reason = None, None
            else:
                current.lines.append(stripped)
        elif stripped == "```sh":
            current = Block(page, number + 1, reason)
        elif match := REASON.match(stripped):
            reason = match[1]
        elif stripped:
            reason = None
    return found


def with_fixtures(text):
    return re.sub(r"\b[A-Z]{4,}\b", lambda word: WORDS.get(word[0], word[0]), text)


def shell(text, folder, environment):
    """Output and exit code; all that a block started ends with it."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"set -euo pipefail\n{text}\n"], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            code = f"none after {LIMIT} s"
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        output.seek(0)
        return code, output.read()


def prepare(folder, environment):
    """A clone with texts and a study."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    # What is not committed yet counts, too.
    changed = subprocess.run(["git", "ls-files", "-mo", "--exclude-standard"], cwd=ROOT, text=True, capture_output=True, check=True)
    for name in changed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    story = (folder / FIXTURES / "text/lighthouse.txt").read_text(encoding="utf-8")
    half = story.index("\n\n", len(story) // 2)
    (folder / "text.txt").write_text(story[:half] * 12, encoding="utf-8")
    (folder / "unseen.txt").write_text(story[half:] * 4, encoding="utf-8")
    search = shell(with_fixtures("nas-search --model MODEL --budget 16 --calibration TEXT --study STUDY"), folder, environment)
    if search[0] != 0:
        sys.exit(f"the study for the pages could not be made:\n{search[1]}")


def run(page, template, work, environment):
    """Failures of a page, in words."""
    start, count = time.monotonic(), 0
    runnable = [block for block in blocks(page) if not block.reason]
    folder = work / re.sub(r"\W", "-", page)
    if runnable:
        shutil.copytree(template, folder, symlinks=True)
    for block in runnable:
        code, output = shell(with_fixtures(block.text), folder, environment)
        count += 1
        if code != 0:
            words = "\n    ".join([*block.lines, *output.strip().splitlines()[-6:]])
            return page, count, time.monotonic() - start, [f"{block}: exit code {code}\n    {words}"]
    return page, count, time.monotonic() - start, []


class Help:
    """What the program's help says of its commands."""

    def __init__(self, program):
        self.program, self.known = program, {}
        text = self.ask("--help")
        self.commands = set(re.findall(r"^  ([a-z]+)(?: \(default\))?(?:  |$)", text, re.MULTILINE))

    def ask(self, *words):
        return subprocess.run([self.program, *words], text=True, capture_output=True, check=True).stdout

    def options(self, command):
        if command not in self.known:
            self.known[command] = set(re.findall(r"(--[a-z][a-z0-9-]*)", self.ask(command, "--help")))
        return self.known[command]

    def problems(self, line):
        """What is wrong with a command line."""
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            return
        for place, word in enumerate(words):
            if os.path.basename(word) != "nas-search" or (place and not (words[place - 1] in ("do", "&&", "time", ";") or
                                                        "=" in words[place - 1] or "time" in " ".join(words[:place]))):
                continue
            rest = words[place + 1:]
            named = rest[0] if rest and not rest[0].startswith("-") else "search"
            if named not in self.commands:
                yield f"no command '{named}'"
                continue
            for option in (word.split("=")[0] for word in rest if word.startswith("--")):
                if option not in self.options(named) and option not in ("--help", "--version"):
                    yield f"{named} has no option {option}"


def link_failures(pages):
    """Links, and paths in backquotes, that lead to nothing."""
    for page in pages:
        text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            if not ((ROOT / page).parent / target).exists():
                yield f"{page}: the link {target} leads to nothing"
        for target in re.findall(r"`((?:Benchmarks|Deployment|Fuzz|Sources|Tests|docs|results|search-spaces)/[\w./-]+)`", text):
            if not (ROOT / target).exists():
                yield f"{page}: there is no {target}"


def option_failures(found, program):
    help = Help(program)
    for block in found:
        for line in re.sub(r"\\\n", " ", block.text).splitlines():
            for problem in help.problems(line):
                yield f"{block}: {problem}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nas-search", default=str(ROOT / ".build/release/nas-search"))
    parser.add_argument("--only", action="append", help="pages to run; default: all")
    options = parser.parse_args()
    program = pathlib.Path(options.nas_search).resolve()
    pages = options.only or ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]
    failures = []
    with tempfile.TemporaryDirectory(prefix="check-docs-") as name:
        work = pathlib.Path(name)
        (work / "bin").mkdir()
        (work / "bin/nas-search").symlink_to(program)
        environment = {**os.environ, "PATH": f"{work / 'bin'}:{os.environ['PATH']}", "NAS_SEARCH_CACHE": str(work / "cache"), "HOME": name}
        prepare(work / "clone", environment)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for page, count, seconds, failed in pool.map(lambda page: run(page, work / "clone", work, environment), pages):
                if count:
                    print(f"{page}: {count} blocks, {seconds:.1f} s{', FAILED' if failed else ''}", flush=True)
                failures += failed
        here = [block for page in pages for block in blocks(page)]
        there = [] if options.only else [
            block for pattern in OTHERS for path in sorted(ROOT.glob(pattern)) for block in blocks(str(path.relative_to(ROOT)))]
        failures += option_failures(here + there, program)
        failures += link_failures(pages if options.only else {*pages, *(
            str(path.relative_to(ROOT)) for pattern in OTHERS for path in ROOT.glob(pattern))})
    print()
    for block in here:
        if block.reason:
            print(f"not run: {block}: {block.reason}")
    print(f"{sum(not block.reason for block in here)} blocks run, {sum(bool(block.reason) for block in here)} not run, "
          f"{len(there)} only compared with the help, {len(failures)} failures")
    for failure in failures:
        print(failure)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
