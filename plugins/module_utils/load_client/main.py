# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program: options in, result file out; signals and exit codes."""

from __future__ import annotations

import datetime
import json
import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from types import FrameType
from typing import Any

from . import open_files
from .dataset import DatasetError
from .fleet import Fleet, join_streams, number_of, number_on, numbers_of, open_stream
from .follower import follow
from .load import State, Stop
from .nodes import Link, about, gather, own_name
from .options import parse_options
from .progress import Progress, say, utc_now, write_atomic
from .prompts import PromptError
from .request_trace import kept_times
from .samples import Samples
from .sender import SIGNALS, Outcome, Sender, interrupted
from .stats import build_result
from .workload import Workload


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code (see ``--help``)."""
    options = parse_options(argv)
    if len(options.nodes) > 1:
        try:
            if own_name(options.nodes) != options.nodes[0][0]:
                return follow(options)
        except ValueError as error:
            say(f"load_client: {error}", sys.stderr)
            return 2
    state = State(options)
    progress = Progress(state, options.progress)
    run = Run(options, state, progress)
    handlers = {number: signal.signal(number, run.on_signal) for number in SIGNALS}
    try:
        return run.whole()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def partial_path(result: str) -> str:
    """Return the path of a partial result, beside *result*."""
    return os.path.splitext(result)[0] + ".partial.json"


class Run:
    """One run of the program."""

    def __init__(self, options: Namespace, state: State, progress: Progress) -> None:
        self._options = options
        self._state = state
        self._progress = progress
        self._clients = number_of(options.clients, options.concurrency)
        self._sender: Sender | Fleet | None = None
        self._outcome = Outcome(None, Samples(), 0, None, None, None, {})
        self._facts: dict[str, Any] = {"clients": self._clients}
        self._times: Sequence[float] | None = None
        self._links: list[Link] = []

    def on_signal(self, number: int, _frame: FrameType | None = None) -> None:
        """End the run: at once while nothing is measured, else in order."""
        stop = interrupted(number)
        if self._sender is None:
            raise stop
        self._sender.stop(stop)

    def whole(self) -> int:
        """Prepare, measure, write; return the exit code."""
        self._progress.tick()
        options = self._options
        try:
            if len(options.nodes) > 1:
                self._gather()
            wanted = min(options.concurrency, max(options.num_prompts, options.num_warmup))
            why = open_files.too_few(-(-wanted // self._clients))
            if why:
                return self._refuse(why)
            stop = self._measure(self._prepare())
        except (PromptError, DatasetError, ImportError) as error:
            reason = str(error)
            if isinstance(error, ImportError):
                reason += f": the load client needs aiohttp and tokenizers for {sys.executable}"
            return self._refuse(reason)
        except Stop as early:
            stop = early
        except Exception as error:
            stop = _failure(error)
        finally:
            for link in self._links:
                link.end()
        return self._write(stop)

    def _gather(self) -> None:
        """Wait for the load clients of the other nodes."""
        options = self._options
        self._links = gather(options, self._progress.tick)
        if options.clients == "auto":  # as if the other nodes had as many cores
            self._clients = number_on(len(options.nodes), options.concurrency)
            self._facts["clients"] = self._clients
        for link in self._links:
            link.send("go", self._clients)

    def _refuse(self, reason: str) -> int:
        say(f"load_client: {reason}", sys.stderr)
        self._progress.final("failed", 2, reason)
        return 2

    def _prepare(self) -> Workload:
        workload = Workload(self._options)
        self._facts.update(workload.facts)
        self._state.warmup_total, self._state.total = workload.counts
        self._times = None if self._options.trace_speedup is None else workload.arrivals
        return workload

    def _measure(self, workload: Workload) -> Stop | None:
        options = self._options
        if self._clients > 1:
            __import__("aiohttp")  # a missing package is told once
            numbers = numbers_of(0, len(self._links) + 1, self._clients)
            fleet = self._sender = Fleet(options, self._clients, self._state, self._tick, numbers, self._links)
            self._outcome = fleet.run(workload)
            if self._links:
                self._facts["client_nodes"] = about(options.nodes, self._links, self._clients)
            if options.save_requests:
                clocks = [None, *(link.conversion for link in self._links)]
                join_streams(options.save_requests, self._clients, clocks)
            return self._outcome.stop
        with open_stream(options.save_requests) as stream:
            sender = self._sender = Sender(options, self._state, self._tick, stream=stream)
            try:
                self._outcome = sender.run(workload.warmup, workload.requests, workload.arrivals)
            except Exception:
                self._outcome = sender.outcome(None)
                raise
        return self._outcome.stop

    def _tick(self) -> None:
        if self._state.phase == "running":
            self._facts.setdefault("started_at", utc_now())
        self._progress.tick()

    def _write(self, stop: Stop | None) -> int:
        """Write the result file, or the partial one after a *stop*; return the exit code."""
        options, partial = self._options, partial_path(self._options.result)
        try:
            result = self._result(stop)
        except Exception as error:
            stop = stop or _failure(error)
            told = {"max_concurrency": options.concurrency, "num_prompts": options.num_prompts}
            result = {**told, "interrupted": True, "reason": stop.reason}
        try:
            write_atomic(partial if stop else options.result, format_result(result))
        except (OSError, ValueError) as error:
            stop = Stop("failed", stop.exit_code if stop else 1, f"the result cannot be written: {error}")
            say(f"load_client: {stop.reason}", sys.stderr)
        else:
            if stop:
                say(f"load_client: {stop.reason}; the partial result is in {partial}", sys.stderr)
        if stop:
            self._progress.final(stop.phase, stop.exit_code, stop.reason)
            return stop.exit_code
        if os.path.exists(partial):
            os.unlink(partial)
        say(format_report(result), sys.stdout)
        self._progress.final("done", 0)
        return 0

    def _result(self, stop: Stop | None) -> dict[str, Any]:
        one = self._outcome
        duration = 0.0 if one.started is None or one.ended is None else one.ended - one.started
        if self._times is not None and one.started is not None:
            self._facts.update(kept_times(one.samples.start, one.started, self._times))
        return build_result(
            self._options,
            one.samples,
            duration,
            date=datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S"),
            started_at=self._facts.pop("started_at", None),
            ended_at=utc_now(),
            interrupted=stop is not None,
            reason=stop.reason if stop else None,
            failed_warmup=one.failed_warmup,
            client_health=one.health,
            **{**self._facts, **one.facts},
        )


def _failure(error: Exception) -> Stop:
    """Return the end of a run by an error in this program, and show where it is."""
    say("".join(traceback.format_exception(type(error), error, error.__traceback__)), sys.stderr)
    return Stop("failed", 1, f"the load client failed: {type(error).__name__}: {error}")


def format_result(result: dict[str, Any]) -> str:
    """Return the JSON text of a result: one key on a line, never NaN."""
    lines = (f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in result.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def format_report(result: dict[str, Any]) -> str:
    """Return the figures as text, in the words of sa-bench."""
    rows = [
        ("Successful requests:", result["completed"]),
        ("Failed requests:", result["failed"]),
        ("Benchmark duration (s):", result["duration"]),
        ("Total input tokens:", result["total_input_tokens"]),
        ("Total generated tokens:", result["total_output_tokens"]),
        ("Request throughput (req/s):", result["request_throughput"]),
        ("Output token throughput (tok/s):", result["output_throughput"]),
        ("Total Token throughput (tok/s):", result["total_token_throughput"]),
    ]
    for name in ("ttft", "tpot", "itl", "e2el"):
        for figure in ("mean", "median", "p99"):
            value = result.get(f"{figure}_{name}_ms")
            if value is not None:
                rows.append((f"{figure.capitalize()} {name.upper()} (ms):", value))
    lines = [f"{label:<34}{'-' if value is None else f'{value:,.2f}'.replace('.00', '')}" for label, value in rows]
    lines += [f"  {count} x {error}" for error, count in list(result["error_counts"].items())[:5]]
    return "\n".join(lines)
