#!/usr/bin/env python3
"""Three checks of `nas-search serve`.

`--part harness`: the Language Model Evaluation Harness asks the server (`local-completions`, tokens and all from there) and
transformers (`hf`, single precision) the same questions, on the items that check_tasks.py makes. Log-likelihoods must agree
within a tolerance, and so must what every item counts for each metric; texts of gsm8k must be the same.

`--part clients`: a hundred clients at once, good ones and such that send no JSON, wrong fields, bodies too large, no HTTP, or a
byte now and then, or go away; several rounds. Every answer must be the right one, the server must be alive, and its memory must
stay in bounds.

`--part openai`: the client of the package openai asks for streams, several choices and log-probabilities, and gets what is answered
at once; the time to the first token of a long prompt is told.

    pip install lm-eval[api]==0.4.13 torch transformers openai
    python3 Tests/checks/check_serve.py --binary .build/release/nas-search --model MODEL.gguf --items 30
"""

import argparse
import collections
import json
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

import check_tasks


class Server:
    """A running server, until the end of the block."""

    def __init__(self, binary, model, *more):
        self.process = subprocess.Popen(
            [binary, "serve", "--model", model, "--name", "served", "--port", "0", *more], stdout=subprocess.PIPE, text=True)
        self.url = re.search(r"http://[^;]*", self.process.stdout.readline())[0]
        self.port = int(re.search(r":(\d+)/", self.url)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        print(f"ended with exit code {code}")

    def memory(self, key="VmRSS"):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{key}:\s+(\d+)", text)[1]) // 1024


def asked(url, folder, tasks, concurrent):
    """What the harness finds by asking the server, in the form of check_tasks.harness."""
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    lm = LocalCompletionsAPI(base_url=url, model="served", num_concurrent=concurrent, max_length=2048)
    return check_tasks.evaluated(lm, folder, tasks)


def compare(name, served, reference, tolerance):
    """The largest difference of log-likelihoods, and how many items differ in some way."""
    largest, wrong = 0.0, 0
    for own, other in zip(served["items"], reference["items"], strict=True):
        if name == "gsm8k":
            wrong += own["filter"] == "strict-match" and own["resps"] != other["resps"]
            continue
        mine, theirs = ([(float(r[0][0]), str(r[0][1]) == "True") for r in item["resps"]] for item in (own, other))
        distance = max(abs(a - b) for (a, _), (b, _) in zip(mine, theirs, strict=True))
        largest = max(largest, distance)
        same = {key: float(value) for key, value in own["values"].items() if key != "perplexity"} == {
            key: float(value) for key, value in other["values"].items() if key != "perplexity"}
        wrong += distance > tolerance or [g for _, g in mine] != [g for _, g in theirs] or not same
    return largest, wrong


def harness(options):
    tasks = options.tasks.split(",")
    folder = options.folder or pathlib.Path(tempfile.mkdtemp())
    if not (folder / "authors").exists():
        check_tasks.make(folder, options.items)
    converted = folder / "model"
    if not converted.exists():
        subprocess.run(
            [options.binary, "convert", "--model", options.model, "--output", converted, "--dtype", "f32"], check=True)
    record = folder / "harness.json"
    found = json.loads(record.read_text()) if record.exists() else {}
    missing = [name for name in tasks if name not in found]
    if missing:
        found |= check_tasks.harness(folder, converted, missing)
        record.write_text(json.dumps(found, default=str))
    failed = False
    with Server(options.binary, options.model) as server:
        served = asked(server.url, folder, tasks, options.concurrent)
        print(f"memory {server.memory()} MiB, at most {server.memory('VmHWM')} MiB")
    served = json.loads(json.dumps(served, default=str))
    for name in tasks:
        largest, wrong = compare(name, served[name], found[name], options.tolerance)
        failed |= wrong > 0
        print(f"{name}: {len(served[name]['items'])} items, largest difference {largest:.1e}, {wrong} differ; "
              f"{served[name]['seconds']:.1f} s served, {found[name]['seconds']:.1f} s there")
    return failed


GOOD = {"model": "served", "prompt": "The old bridge over the river", "max_tokens": 8, "temperature": 0}
SCORED = GOOD | {"max_tokens": 1, "echo": True, "logprobs": 1, "prompt": "The old bridge " * 20}


def post(body, length=None):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: here\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


# What a client sends, and the statuses that may come back; 0 is an end without an answer.
KINDS = {
    "good": (post(GOOD), {200, 503}),
    "scored": (post(SCORED), {200, 503}),
    "no JSON": (post(b'{"prompt": "The'), {400}),
    "nested": (post(b"[" * 200_000), {400}),
    "wrong field": (post(GOOD | {"best_of": 3}), {400}),
    "too long": (post(GOOD | {"max_tokens": 60_000}), {400, 503}),
    "other model": (post(GOOD | {"model": "other"}), {404}),
    "no HTTP": (b"\x16\x03\x01 hello\r\n\r\n", {400}),
    "huge, announced": (post(b"x" * (1 << 20), 1 << 40), {413}),
    "huge, sent": (post(b" " * (3 << 20)), {413}),
    "long head": (b"GET /health HTTP/1.1\r\n" + b"X-Long: " + b"x" * (1 << 20) + b"\r\n\r\n", {431, 0}),
    "gone": (post(GOOD | {"max_tokens": 500}), None),
    "slow": (post(GOOD), {408, 0}),
}


def client(port, kind, found):
    data, wanted = KINDS[kind]
    status = 0
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=300) as link:
            if kind == "slow":
                # A byte each second: later than the server waits.
                link.settimeout(1)
                for byte in data:
                    link.sendall(bytes([byte]))
                    try:
                        answer = link.recv(4096)
                        status = int(answer.split()[1]) if answer else 0
                        break
                    except TimeoutError:
                        pass
            else:
                try:
                    link.sendall(data)
                except OSError:
                    pass
                if wanted is not None:
                    answer = link.recv(4096)
                    status = int(answer.split()[1]) if answer else 0
    except OSError:
        pass
    found.append((kind, status))


def clients(options):
    failed = False
    with Server(options.binary, options.model) as server:
        found = []
        client(server.port, "scored", found)
        before = server.memory()
        print(f"memory before: {before} MiB")
        for number in range(options.rounds):
            found, kinds = [], list(KINDS)
            threads = [
                threading.Thread(target=client, args=(server.port, kinds[i % len(kinds)], found)) for i in range(100)]
            start = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            counts = collections.Counter(found)
            print(f"round {number}: {time.monotonic() - start:.1f} s, memory {server.memory()} MiB, at most "
                  f"{server.memory('VmHWM')} MiB")
            for (kind, status), count in sorted(counts.items()):
                right = KINDS[kind][1] is None or status in KINDS[kind][1]
                failed |= not right
                if number == 0 or not right:
                    print(f"  {kind}: {status or 'ended'} × {count}{'' if right else ', which is wrong'}")
            found = []
            client(server.port, "good", found)
            failed |= found != [("good", 200)] or server.process.poll() is not None
        growth = server.memory("VmHWM") - before
        print(f"memory grew by {growth} MiB at most; the limit is {options.growth}")
        failed |= growth > options.growth
    return failed


def ask(client, **request):
    """The choices of an answer, and those of the same request's stream put together; and what usage says."""
    whole = client.completions.create(model="served", **request)
    parts, usage, first = {}, None, None
    start = time.monotonic()
    for event in client.completions.create(
            model="served", stream=True, stream_options={"include_usage": True}, **request):
        first = first or time.monotonic() - start
        usage = event.usage or usage
        for choice in event.choices:
            parts.setdefault(choice.index, []).append(choice)
    streamed = []
    for _, own in sorted(parts.items()):
        told = [p.logprobs for p in own if p.logprobs]
        streamed.append((
            "".join(p.text for p in own), own[-1].finish_reason, [t for l in told for t in l.tokens],
            [v for l in told for v in l.token_logprobs], [o for l in told for o in l.text_offset]))
    answered = [
        (c.text, c.finish_reason, c.logprobs.tokens if c.logprobs else [], c.logprobs.token_logprobs if c.logprobs else [],
         c.logprobs.text_offset if c.logprobs else []) for c in whole.choices]
    return answered, streamed, (whole.usage, usage), sum(map(len, parts.values())), first


def openai_client(options):
    import openai

    failed = False
    with Server(options.binary, options.model) as server:
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0)
        for request in [
                {"prompt": "The old bridge", "max_tokens": 40, "temperature": 0},
                {"prompt": "The old bridge", "max_tokens": 40, "temperature": 1, "seed": 3, "n": 4, "logprobs": 3},
                {"prompt": ["Zürich, 北京 and", "One, two"], "max_tokens": 40, "seed": 5, "n": 2, "echo": True, "logprobs": 0},
                {"prompt": "Q: What?", "max_tokens": 60, "seed": 6, "n": 3, "stop": ["\n", ".", " the"]}]:
            answered, streamed, usages, events, _ = ask(client, **request)
            same = answered == streamed and usages[0] == usages[1]
            failed |= not same or len(answered) != request.get("n", 1) * (2 if isinstance(request["prompt"], list) else 1)
            print(f"{len(answered)} choices, {events} parts: {'the same' if same else 'DIFFERENT'} as at once")
        try:
            client.completions.create(model="served", prompt="x", max_tokens=10**6)
            failed = True
        except openai.BadRequestError as error:
            print(f"refused: {error.message[:80]}")
        long = "The old bridge over the river was built of stone. " * 80
        start = time.monotonic()
        *_, first = ask(client, prompt=long, max_tokens=2, temperature=0)
        print(f"a prompt of {len(long)} characters: first token after {first:.2f} s; twice in {time.monotonic() - start:.2f} s")
        print(f"memory {server.memory()} MiB, at most {server.memory('VmHWM')} MiB")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--part", choices=["harness", "clients", "openai", "all"], default="all")
    parser.add_argument("--items", type=int, default=30)
    parser.add_argument("--tasks", default=",".join(check_tasks.SEVEN + ["sciq", "lambada_openai"]))
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--concurrent", type=int, default=8)
    parser.add_argument("--folder", type=pathlib.Path, help="for the files; what the harness found there is used again")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", type=int, default=1024, help="MiB that the server's memory may grow by")
    options = parser.parse_args()
    failed = options.part in ("harness", "all") and harness(options)
    failed |= options.part in ("clients", "all") and clients(options)
    failed |= options.part in ("openai", "all") and openai_client(options)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
