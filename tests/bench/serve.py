"""Requests and tokens per second of `yuan-data serve`: many clients at once beside one at a time, on the same requests.

    serve.py YUAN_DATA MODEL [--clients 1 8 64] [--requests 64] [--tokens 64] [--prompt 32] [--threads N] [--out DIR]

MODEL is a folder with a tokenizer. Every request asks for the same number of tokens (what ends texts is held down), streams them, and the
time to the first token is taken. The server's own count of tokens must be what was asked for, answers of all numbers of clients the same.
Needs nothing but Python.
"""

import argparse
import atexit
import http.client
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("model")
parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
parser.add_argument("--requests", type=int, default=64)
parser.add_argument("--tokens", type=int, default=64)
parser.add_argument("--prompt", type=int, default=32)
parser.add_argument("--threads", type=int)
parser.add_argument("--ends", type=int, nargs="*", default=[0], help="ids that texts end with")
parser.add_argument("--note", help="what else is to be known of the figures")
parser.add_argument("--out", type=Path)
args = parser.parse_args()

threads = ["--threads", str(args.threads)] if args.threads else []
server = subprocess.Popen(
    [args.binary, "serve", args.model, "--port", "0", "--max-concurrent", "64", *threads], stderr=subprocess.PIPE, text=True
)
# Whatever fails, it does not stay behind.
atexit.register(server.kill)
for line in server.stderr:
    if "answers at http://" in line:
        host, port = line.split("http://")[1].split(" ")[0].rsplit(":", 1)
        break
else:
    sys.exit("the server does not start")
threading.Thread(target=server.stderr.read, daemon=True).start()


def body(number: int) -> str:
    # A prompt of ids: the same number of tokens whatever the tokenizer.
    prompt = [(number * 7919 + place * 104729) % 200 + 20 for place in range(args.prompt)]
    bias = {str(end): -100 for end in args.ends}
    return json.dumps(
        dict(
            prompt=prompt, max_tokens=args.tokens, temperature=1, seed=number, logit_bias=bias, stream=True,
            stream_options=dict(include_usage=True),
        )
    )


def ask(connection: http.client.HTTPConnection, number: int) -> tuple[str, float]:
    start, first, text, usage = time.perf_counter(), None, "", None
    connection.request("POST", "/v1/completions", body(number), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    for line in response:
        if line.startswith(b"data: {"):
            first = first or time.perf_counter() - start
            event = json.loads(line[6:])
            assert "error" not in event, event
            usage = event["usage"]
            text += "".join(choice["text"] for choice in event["choices"])
    assert usage and usage["completion_tokens"] == args.tokens, usage
    assert usage["prompt_tokens"] == args.prompt, usage
    return text, first


def cpu_seconds() -> float:
    """Of the server: what others do on the machine has less part in it."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(clients: int) -> tuple[dict, list[str]]:
    texts, firsts, waits = [""] * args.requests, [], []
    numbers = iter(range(args.requests))
    lock = threading.Lock()

    failures = []

    def client():
        try:
            answer_all()
        except BaseException as error:
            failures.append(error)

    def answer_all():
        connection = http.client.HTTPConnection(host, int(port), timeout=600)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            start = time.perf_counter()
            texts[number], first = ask(connection, number)
            firsts.append(first)
            waits.append(time.perf_counter() - start)

    start, cpu = time.perf_counter(), cpu_seconds()
    crowd = [threading.Thread(target=client) for _ in range(clients)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    seconds, cpu = time.perf_counter() - start, cpu_seconds() - cpu
    if failures:
        raise failures[0]
    firsts.sort()
    waits.sort()
    return {
        "clients": clients, "seconds": round(seconds, 3), "requests_per_second": round(args.requests / seconds, 2),
        "tokens_per_second": round(args.requests * args.tokens / seconds, 1),
        "tokens_per_cpu_second": round(args.requests * args.tokens / cpu, 1),
        "first_token_ms": {"median": round(firsts[len(firsts) // 2] * 1e3, 1), "p95": round(firsts[len(firsts) * 95 // 100] * 1e3, 1)},
        "answer_ms": {"median": round(waits[len(waits) // 2] * 1e3, 1), "p95": round(waits[len(waits) * 95 // 100] * 1e3, 1)},
    }, texts


ask(http.client.HTTPConnection(host, int(port)), 0)
rows, expected = [], None
for clients in args.clients:
    row, texts = run(clients)
    assert expected is None or texts == expected, "the answers differ"
    expected = texts
    rows.append(row)
    print(row)
server.send_signal(signal.SIGTERM)
assert server.wait(60) == 0
if args.out:
    args.out.mkdir(parents=True, exist_ok=True)
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    report = {
        "cpu": cpu, "cores": os.cpu_count(), "threads": args.threads, "model": Path(args.model).name, "note": args.note,
        "requests": args.requests, "prompt_tokens": args.prompt, "new_tokens": args.tokens, "rows": rows,
    }
    (args.out / "serve.json").write_text(json.dumps(report, indent=1) + "\n")
