#!/usr/bin/env python3
"""Writes a model with fewer tokens in both formats and opens them with stock transformers and stock llama.cpp.

    Tests/checks/check_vocabulary.py --nas-search .build/release/nas-search --model MODEL --text TEXT [--keep-tokens N]

Checked are, on texts of many scripts and on TEXT: transformers and llama.cpp make the same tokens, which decode to what the tokens of
the whole model decode to; perplexities agree with `nas-search evaluate` (0.5 %, as in check_export.py).

Exit code 0: all agree. 1: something does not. 2: the check could not be made.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import check_export
from stock_llama_cpp import LlamaCpp

TEXTS = [
    "The keeper of the lighthouse had twelve lamps.", "two  spaces   three", "tabs\tand\nlines\n\n\nand more", "1234567890 3.14159",
    "naïve façade, crème brûlée", "Ελληνικά κείμενα", "Съешь ещё этих мягких булок", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया",
    "สวัสดีชาวโลก", "こんにちは、世界", "你好，世界。今天天气很好", "안녕하세요 세계", "👩‍👩‍👧‍👦 🏳️‍🌈", "ᚠᛇᚻ ᛒᛦᚦ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "def f(x):\n    return x ** 2  # code\n",
    "<0x41><0xE2> <unk", "&nbsp;<b>html</b>",
]


def decoded(model, tokens):
    """The text of tokens, by llama.cpp."""
    import ctypes as c

    room = 64 * len(tokens) + 64
    buffer = c.create_string_buffer(room)
    count = model.lib.llama_detokenize(model.vocabulary, (c.c_int32 * len(tokens))(*tokens), len(tokens), buffer, room, False, True)
    return buffer.raw[:count].decode("utf-8", "replace")


def convert(program, model, output, options):
    command = [program, "convert", "--model", model, "--dtype", "f32", "--output", output, "--json", *options]
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode != 0:
        raise check_export.CheckError(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def tokens_agree(arguments, work, texts):
    """Compares the tokens of the small model in both formats, and with those of the whole one."""
    from transformers import AutoTokenizer

    good = True
    hugging_face = AutoTokenizer.from_pretrained(work / "small")
    whole = str(work / "whole.gguf")
    convert(arguments.nas_search, arguments.model, whole, [])
    with LlamaCpp(work / "small.gguf") as small, LlamaCpp(whole) as parent:
        growth = [0, 0]
        for name, text in texts:
            theirs = hugging_face(text, add_special_tokens=False).input_ids
            ours = small.tokenize(text, add_special=False, parse_special=True)
            before = parent.tokenize(text, add_special=False, parse_special=True)
            growth[0] += len(before)
            growth[1] += len(ours)
            problems = []
            if theirs != ours:
                problems.append(f"transformers {theirs[:12]} … ({len(theirs)}), llama.cpp {ours[:12]} … ({len(ours)})")
            if decoded(small, ours) != decoded(parent, before):
                problems.append(f"llama.cpp decodes {decoded(small, ours)[:60]!r}, before {decoded(parent, before)[:60]!r}")
            known = hugging_face.decode(theirs, clean_up_tokenization_spaces=False)
            if known.removeprefix(" ") != text.removeprefix(" "):
                problems.append(f"transformers decodes {known[:60]!r}")
            for problem in problems:
                print(f"  {name[:40]!r}: {problem}")
            good &= not problems
        print(f"  {len(texts)} texts: {growth[1]} tokens, {growth[0]} before: {'ok' if good else 'DIFFERENT'}")
    return good


def perplexities_agree(arguments, work):
    good = True
    length = str(arguments.window_length)
    for option, output in [("--hf", "small"), ("--gguf", "small.gguf")]:
        document = work / "evaluate.json"
        done = subprocess.run(
            [arguments.nas_search, "evaluate", "--model", str(work / output), "--text", arguments.text, "--window-length", length,
             "--windows", str(arguments.windows), "--json"], text=True, capture_output=True)
        if done.returncode != 0:
            raise check_export.CheckError(done.stderr)
        document.write_text(done.stdout, encoding="utf-8")
        request = argparse.Namespace(
            hf=None, gguf=None, text=arguments.text, window_length=arguments.window_length, windows=arguments.windows,
            evaluate_json=str(document), threads=os.cpu_count() or 1)
        setattr(request, option.lstrip("-"), str(work / output))
        good &= check_export.run(request)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nas-search", default=".build/release/nas-search", metavar="PROGRAM")
    parser.add_argument("--model", required=True, help="Hugging Face folder or GGUF")
    parser.add_argument("--text", required=True, metavar="FILE", help="plain text whose tokens are kept")
    parser.add_argument("--keep-tokens", type=int, metavar="N")
    parser.add_argument("--window-length", type=int, default=128, metavar="N")
    parser.add_argument("--windows", type=int, default=8, metavar="N")
    arguments = parser.parse_args()
    options = ["--vocabulary", arguments.text]
    if arguments.keep_tokens:
        options += ["--keep-tokens", str(arguments.keep_tokens)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            for output in ["small", "small.gguf"]:
                document = convert(arguments.nas_search, arguments.model, str(work / output), options)
                print(f"{output}: {json.dumps(document['vocabulary'])}")
            texts = [(text, text) for text in TEXTS] + [(arguments.text, check_export.read_text(arguments.text)[:20_000])]
            good = tokens_agree(arguments, work, texts)
            good &= perplexities_agree(arguments, work)
        sys.exit(0 if good else 1)
    except Exception as error:
        if not isinstance(error, (check_export.CheckError, OSError, ValueError)) and type(error).__name__ != "LlamaCppError":
            raise
        print(f"check_vocabulary.py: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
