#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast and how exact the load client is, against a small streaming server of our own on this machine.

Printed: the time from the start of the program to its first measured request, the time to make prompts, requests
and tokens per second, processor time per request, the memory at 1,000 and 100,000 requests, and how far its TTFT, ITL
and E2EL are from the truth: alone, in a burst of 32, and with 64 that begin one after the other. The truth is a plain
socket that reads the same paced server alone. Server and client share the machine's cores.

Beside it, on the same server: wrk, where it is installed (it only counts answers), aiperf of another environment, and
the load client of another checkout. Their figures are ratios to ours.

    .venv/bin/python tests/benchmarks/load_client.py [--runs N] [--many N] [--aiperf COMMAND] [--other FOLDER]

Exit code 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENT = ROOT / "plugins" / "module_utils" / "load_client"
SERVER = ROOT / "tests" / "support" / "sse_server.py"
PACE_MS = 10.0


@contextlib.contextmanager
def serving(folder, *argv):
    """Run the server as a program of its own; yields its port."""
    port_file = pathlib.Path(folder) / f"port{time.monotonic_ns()}"
    command = [sys.executable, str(SERVER), "--port-file", str(port_file), *argv]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while not port_file.exists():
                if process.poll() is not None:
                    raise SystemExit(f"the server ended with code {process.returncode}")
                time.sleep(0.01)
            yield int(port_file.read_text())
        finally:
            process.terminate()


def ran(command, **options):
    """Run *command*; return (processor seconds, largest resident memory in MB) of it."""
    with subprocess.Popen(command, **options) as process:
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with code {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(folder, port, isl, osl, concurrency, prompts, *argv, client=CLIENT):
    """Run the client; return its result with ``start_s`` (to the first measured request) and ``beside_s`` (no load).

    It also has ``cpu_us`` (processor time per request, all of the program's) and ``rss_mb``.
    """
    result = pathlib.Path(folder) / "result.json"
    command = [
        sys.executable, str(client), "--base-url", f"http://127.0.0.1:{port}", "--model", "m",
        "--tokenizer", str(pathlib.Path(folder) / "model"), "--isl", str(isl), "--osl", str(osl),
        "--concurrency", str(concurrency), "--num-prompts", str(prompts), "--result", str(result), *argv,
    ]  # fmt: skip
    began, clock = time.time(), time.monotonic()
    cpu, rss = ran(command, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - clock
    values = json.loads(result.read_text())
    first = datetime.datetime.fromisoformat(values["started_at"].replace("Z", "+00:00")).timestamp()
    if values["failed"] or values["input_token_mismatches"]:
        raise SystemExit(f"{values['failed']} failed, {values['input_token_mismatches']} prompts of another length")
    more = {"cpu_us": cpu / prompts * 1e6, "rss_mb": rss}
    return dict(values, start_s=first - began, beside_s=wall - values["duration"], **more)


def wrk(port, seconds=5):
    """Return the requests per second of wrk on 32 connections, or None where it is not installed."""
    program = shutil.which("wrk")
    if not program:
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        body = json.dumps({"prompt": "a b c", "max_tokens": 1, "stream": True})
        script.write(f"wrk.method = 'POST'\nwrk.body = '{body}'\n")
        script.flush()
        url = f"http://127.0.0.1:{port}/v1/completions"
        done = subprocess.run(
            [program, "-t1", "-c32", f"-d{seconds}s", "-s", script.name, url],
            capture_output=True,
            text=True,
            check=True,
        )
    return float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)[1])


def aiperf(program, folder, port, prompts=2000):
    """Return (requests per second, processor microseconds per request, memory in MB) of aiperf at concurrency 32."""
    out = pathlib.Path(folder) / "aiperf"
    command = [
        *shlex.split(program), "profile", "--model", "m", "--url", f"http://127.0.0.1:{port}",
        "--endpoint-type", "completions", "--streaming", "--tokenizer", str(pathlib.Path(folder) / "model"),
        "--concurrency", "32", "--request-count", str(prompts), "--isl", "256", "--osl", "1",
        "--artifact-dir", str(out), "--ui", "none",
        "--no-gpu-telemetry", "--no-server-metrics",
    ]  # fmt: skip
    cpu, rss = ran(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    values = json.loads((out / "profile_export_aiperf.json").read_text())
    return values["request_throughput"]["avg"], cpu / prompts * 1e6, rss


def beside(row, folder, port, options, ours):
    """Add the rows of other programs on the same server; *ours* is a result of the client."""
    rate = wrk(port)
    if rate:
        row("wrk, c 32 (counts answers only): ratio to ours", rate / ours["request_throughput"], "x")
    if options.aiperf:
        rate, cpu, rss = aiperf(options.aiperf, folder, port)
        row("aiperf, osl 1, c 32: ratio to ours", rate / ours["request_throughput"], "x")
        row("aiperf: processor time per request, ratio to ours", cpu / ours["cpu_us"], "x")
        row("aiperf: memory of its largest process", rss, "MB")
    if options.other:
        for osl, prompts, key in ((1, 4000, "request_throughput"), (256, 400, "output_throughput")):
            # Turn by turn, so that neither has the quieter machine.
            pairs = [
                [measure(folder, port, 256, osl, 32, prompts, client=one) for one in (CLIENT, options.other)]
                for _unused in range(options.runs)
            ]
            new, old = (max(pair[place][key] for pair in pairs) for place in (0, 1))
            row(f"ours / the other client, {key}, osl {osl}", new / old, "x")
            new, old = (min(pair[place]["cpu_us"] for pair in pairs) for place in (0, 1))
            row(f"ours / the other client, processor time, osl {osl}", new / old, "x")


def truth(port, osl, requests=20):
    """Return (TTFT, latency) medians in ms of a socket that does nothing but read."""
    body = json.dumps({"prompt": "a b c", "max_tokens": osl, "stream": True}).encode()
    head = b"POST /v1/completions HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    firsts, lasts = [], []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _unused in range(requests):
            began, first, data = time.perf_counter(), None, b""
            connection.sendall(head + body)
            while not data.endswith(b"\r\n0\r\n\r\n"):
                data += connection.recv(65536)
                first = first or (time.perf_counter() if b'"text": " tok"' in data else None)
            firsts.append((first - began) * 1000)
            lasts.append((time.perf_counter() - began) * 1000)
    return statistics.median(firsts), statistics.median(lasts)


def main():
    """Run all measurements and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--many", type=int, default=100_000, help="requests of the run whose memory is compared")
    parser.add_argument("--aiperf", help="its command line, in an environment of its own")
    parser.add_argument("--other", help="folder of another load client")
    options = parser.parse_args()
    missed = []

    def row(label, value, unit, goal=None, most=True):
        good = goal is None or (value <= goal if most else value >= goal)
        text = f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
        wanted = "" if goal is None else f"{'at most' if most else 'at least'} {goal:g}"
        print(f"{label:<50} {text:>9} {unit:<6} {wanted:<14} {'' if good else 'MISSED'}".rstrip(), flush=True)
        if not good:
            missed.append(label)

    def best(key, choose, *argv):
        return choose(measure(folder, port, *argv)[key] for _unused in range(options.runs))

    with tempfile.TemporaryDirectory(prefix="srt_load_") as folder:
        model = pathlib.Path(folder) / "model"
        subprocess.run(
            [sys.executable, str(ROOT / "bin" / "make-tiny-model"), str(model)], check=True, stdout=subprocess.DEVNULL
        )
        with serving(folder, "--tokenizer", str(model / "tokenizer.json")) as port:
            row("start to first measured request, 160 x 256 tokens", best("start_s", min, 256, 1, 16, 160), "s", 0.6)
            row("the same, 2000 x 1024 tokens", best("start_s", min, 1024, 1, 16, 2000), "s", 0.8)
        with serving(folder) as port:
            row("requests, osl 1, c 32", best("request_throughput", max, 256, 1, 32, 4000), "req/s", 1000, most=False)
            row("whole program beside the load, 4000 requests", best("beside_s", min, 256, 1, 32, 4000), "s", 2.0)
            few = measure(folder, port, 256, 1, 32, 1000)
            many = measure(folder, port, 256, 1, 32, options.many)
            row("processor time per request, osl 1", many["cpu_us"], "us")
            row("memory at 1,000 requests", few["rss_mb"], "MB")
            row(f"memory at {options.many:,} requests", many["rss_mb"], "MB", few["rss_mb"] + 100)
            beside(row, folder, port, options, many)
            row("tokens, osl 256, c 32", best("output_throughput", max, 256, 256, 32, 400), "tok/s", 50000, most=False)
        with serving(folder, "--ttft-ms", str(PACE_MS), "--itl-ms", str(PACE_MS)) as port:
            first, last = truth(port, 16)
            row("TTFT of a plain socket, c 1", first, "ms")
            alone = measure(folder, port, 64, 16, 1, 30, "--num-warmup", "2")
            row("TTFT error, c 1 (median)", abs(alone["median_ttft_ms"] - first), "ms", 1.5)
            row("latency error, c 1 (median)", abs(alone["median_e2el_ms"] - last), "ms", 3.0)
            burst = measure(folder, port, 64, 64, 32, 320, "--num-warmup", "32")
            row("TTFT error, c 32 (median)", abs(burst["median_ttft_ms"] - first), "ms", 8.0)
            staggered = measure(folder, port, 64, 64, 64, 320, "--request-rate", "80", "--burstiness", "inf")
            row("TTFT error, 64 staggered (median)", abs(staggered["median_ttft_ms"] - first), "ms", 8.0)
            row(
                "latency error, 64 staggered (median)", abs(staggered["median_e2el_ms"] - last - 48 * PACE_MS), "ms", 12
            )
            row("ITL error, c 32 (mean)", abs(burst["mean_itl_ms"] - PACE_MS) / PACE_MS * 100, "%", 3.0)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
