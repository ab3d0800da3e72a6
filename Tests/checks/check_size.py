"""Whether the sources keep to their bounds of size.

    python3 Tests/checks/check_size.py [--limit-lines N]

Lists functions of more than 60 lines, signatures of more than 8 parameters, files of more than 300 lines, folders below
Sources/Pipeline of more than 12 files, and the total of Swift lines below Sources. Exits 1 if functions, signatures or folders
are beyond their bounds, or the total is beyond N; long files are only listed.

The Swift is read with a scanner of our own: comments and strings are blanked, then brackets are matched.
"""

import argparse
import os
import re
import sys

FUNCTION_LINES = 60
PARAMETERS = 8
FILE_LINES = 300
FOLDER_FILES = 12
FOLDERS = "Pipeline"

DECLARATION = re.compile(r"\b(?:func\s+(?:`?\w+`?|[^\s\w(]+)|init[?!]?|subscript)\s*(?:<[^>(]*>)?\s*(?=\()")
QUOTE = re.compile(r'(#*)("""|")')


def blanked(text):
    """The text with every comment and every string literal replaced by blanks, lines kept."""
    result = list(text)

    def blank(start, end):
        for place in range(start, end):
            if result[place] != "\n":
                result[place] = " "

    def string_end(place, hashes, quote):
        """The place behind a string literal whose text begins at `place`. Interpolations may hold further literals."""
        escape, close = "\\" + hashes, quote + hashes
        while place < len(text):
            if text.startswith(close, place):
                return place + len(close)
            if text.startswith(escape + "(", place):
                place, depth = place + len(escape) + 1, 1
                while depth and place < len(text):
                    inner = QUOTE.match(text, place)
                    if inner:
                        place = string_end(inner.end(), inner[1], inner[2])
                        continue
                    depth += {"(": 1, ")": -1}.get(text[place], 0)
                    place += 1
            elif text.startswith(escape, place):
                place += len(escape) + 1
            else:
                place += 1
        return place

    place = 0
    while place < len(text):
        quote = QUOTE.match(text, place)
        if text.startswith("//", place):
            end = text.find("\n", place)
            end = len(text) if end < 0 else end
        elif text.startswith("/*", place):
            end, depth = place + 2, 1
            while depth and end < len(text):
                step = {"/*": 1, "*/": -1}.get(text[end:end + 2], 0)
                depth += step
                end += 2 if step else 1
        elif quote:
            end = string_end(quote.end(), quote[1], quote[2])
        else:
            place += 1
            continue
        blank(place, end)
        place = end
    return "".join(result)


def matching(text, place):
    """The place of the bracket that closes the one at `place`."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    opening, depth = text[place], 0
    for index in range(place, len(text)):
        if text[index] == opening:
            depth += 1
        elif text[index] == pairs[opening]:
            depth -= 1
            if depth == 0:
                return index
    return len(text) - 1


def parameter_count(inside):
    """Number of parameters between the brackets of a signature."""
    if not inside.strip():
        return 0
    depth, commas = 0, 0
    for place, character in enumerate(inside):
        if character in "([{" or (character == "<" and inside[place - 1:place].isalnum()):
            depth += 1
        elif character in ")]}" or (character == ">" and inside[place - 1] != "-" and depth > 0):
            depth -= 1
        elif character == "," and depth == 0:
            commas += 1
    return commas + (0 if inside.rstrip().endswith(",") else 1)


def declarations(text):
    """Name, line, parameters and lines of each function with a body; 0 lines for a requirement of a protocol."""
    plain = blanked(text)
    for found in DECLARATION.finditer(plain):
        if plain[:found.start()].rstrip().endswith("."):
            continue  # A call such as `self.init(…)`.
        if found[0].startswith("init") and not is_declaration(plain, found.start()):
            continue
        close = matching(plain, found.end())
        line = plain.count("\n", 0, found.start()) + 1
        # A body opens before the next declaration or the end of the type.
        body = re.compile(r"[^{};]*?(?:->[^{};]*?)?\{").match(plain, close + 1)
        lines = 0
        if body and not re.search(r"\n\s*(?:@|public|private|static|func|init|var|let|case|mutating)\b",
                                  plain[close + 1:body.end()]):
            lines = plain.count("\n", found.start(), matching(plain, body.end() - 1)) + 1
        yield found[0].split("<")[0].strip(), line, parameter_count(plain[found.end() + 1:close]), lines


def is_declaration(plain, place):
    """Whether an `init` at a place begins a declaration: nothing but modifiers and attributes before it on its line."""
    before = plain[plain.rfind("\n", 0, place) + 1:place]
    return re.fullmatch(r"\s*(?:@\w+(?:\([^)]*\))?\s+|public\s+|private\s+|fileprivate\s+|internal\s+|convenience\s+|required\s+"
                        r"|override\s+|nonisolated\s+|package\s+)*", before) is not None


def report(title, lines):
    print(f"{title}: {len(lines) or 'none'}")
    for line in lines:
        print(f"  {line}")
    return bool(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", default="Sources", metavar="DIR")
    parser.add_argument("--limit-lines", type=int, metavar="N", help="bound of the total; none if not given")
    arguments = parser.parse_args()
    functions, signatures, files, counts, total = [], [], [], {}, 0
    for folder, folders, names in os.walk(arguments.sources):
        folders.sort()
        for name in sorted(names):
            if not name.endswith(".swift"):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            count = text.count("\n")
            total += count
            counts[folder] = counts.get(folder, 0) + 1
            if count > FILE_LINES:
                files.append(f"{path}: {count} lines")
            for word, line, parameters, lines in declarations(text):
                if lines > FUNCTION_LINES:
                    functions.append(f"{path}:{line}: {word} has {lines} lines")
                if parameters > PARAMETERS:
                    signatures.append(f"{path}:{line}: {word} has {parameters} parameters")
    root = os.path.join(arguments.sources, FOLDERS)
    crowded = [f"{folder}: {count} files" for folder, count in sorted(counts.items())
               if count > FOLDER_FILES and (folder + os.sep).startswith(root + os.sep)]
    failed = report(f"functions of more than {FUNCTION_LINES} lines", functions)
    failed |= report(f"signatures of more than {PARAMETERS} parameters", signatures)
    failed |= report(f"folders below {root} of more than {FOLDER_FILES} files", crowded)
    report(f"files of more than {FILE_LINES} lines (not judged)", files)
    limit = arguments.limit_lines
    print(f"Swift lines below {arguments.sources}: {total}" + (f" (at most {limit})" if limit else ""))
    sys.exit(failed or (limit is not None and total > limit))


if __name__ == "__main__":
    main()
