# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program: options in, result file out; signals and exit codes."""

from __future__ import annotations

import asyncio
import datetime
import gc
import json
import os
import random
import signal
import sys
import traceback
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from types import FrameType
from typing import Any

from . import open_files
from .load import Load, State, Stop, arrival_times
from .options import parse_options
from .progress import Progress, say, utc_now, write_atomic
from .prompts import PromptError, PromptMaker, load_around, load_tokenizer, sample_lengths
from .request import Client, Request
from .stats import build_result

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code (see ``--help``)."""
    options = parse_options(argv)
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
        self._load: Load | None = None
        self._client: Client | None = None
        self._facts: dict[str, Any] = {}

    def on_signal(self, number: int, _frame: FrameType | None = None) -> None:
        """End the run: at once while nothing is measured, else in order."""
        stop = Stop("interrupted", 128 + number, f"interrupted by {signal.Signals(number).name}")
        if self._load is None:
            raise stop
        self._load.stop(stop)

    def whole(self) -> int:
        """Prepare, measure, write; return the exit code."""
        self._progress.tick()
        options = self._options
        try:
            wanted = min(options.concurrency, max(options.num_prompts, options.num_warmup))
            why = open_files.too_few(wanted)
            if why:
                return self._refuse(why)
            warmup, requests, arrivals = self._prepare()
            stop = self._measure(warmup, requests, arrivals)
        except (PromptError, ImportError) as error:
            reason = str(error)
            if isinstance(error, ImportError):
                reason += f": the load client needs aiohttp and tokenizers for {sys.executable}"
            return self._refuse(reason)
        except Stop as early:
            stop = early
        except Exception as error:
            stop = _failure(error)
        return self._write(stop)

    def _refuse(self, reason: str) -> int:
        say(f"load_client: {reason}", sys.stderr)
        self._progress.final("failed", 2, reason)
        return 2

    def _prepare(self) -> tuple[list[Request], list[Request], list[float] | None]:
        """Return warm-up requests, measured requests and arrival times; the seed decides them all."""
        options = self._options
        maker = PromptMaker(load_tokenizer(options.tokenizer), options.seed, load_around(options.chat_template))
        maker.check(max(1, int(options.isl * options.random_range_ratio)))
        # Neither points nor attempts share prompts: the prefix cache of the server knows those that it has seen.
        seed = f"{options.seed}/{options.concurrency}" + (f"/{options.attempt}" if options.attempt else "")
        seed += f"/repeat{options.repeat}" if options.repeat != 1 else ""
        warmup = self._requests(maker, options.num_warmup, f"{seed}/warmup", 0)
        requests = self._requests(maker, options.num_prompts, f"{seed}/measured", 1)
        rng = random.Random(f"{seed}/arrivals")
        arrivals = arrival_times(rng, options.num_prompts, options.request_rate, options.burstiness)
        self._facts["inexact_prompts"] = maker.inexact
        self._facts["chat_template"] = bool(options.chat_template)
        return warmup, requests, arrivals

    def _requests(self, maker: PromptMaker, count: int, seed: str, half: int) -> list[Request]:
        options, rng = self._options, random.Random(f"{seed}/lengths")
        inputs = sample_lengths(rng, count, options.isl, options.random_range_ratio)
        outputs = sample_lengths(rng, count, options.osl, options.random_range_ratio)
        prompts = maker.make(inputs, f"{seed}/prompts", half)
        return [Request(index, *rest) for index, rest in enumerate(zip(prompts, inputs, outputs))]

    def _measure(self, warmup: list[Request], requests: list[Request], arrivals: list[float] | None) -> Stop | None:
        loop = _new_loop()
        try:
            asyncio.set_event_loop(loop)
            return loop.run_until_complete(self._run(loop, warmup, requests, arrivals))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            loop.close()

    async def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        warmup: list[Request],
        requests: list[Request],
        arrivals: list[float] | None,
    ) -> Stop | None:
        options = self._options
        async with Client(options, self._state.activity) as client:
            self._client = client
            load = Load(self._state, client.send, self._tick, options.stall_timeout)
            for number in SIGNALS:
                loop.add_signal_handler(number, self.on_signal, number)
            self._load = load
            gc.collect()
            gc.freeze()  # a full collection over all prompts would delay the TTFT of a request
            gc.disable()
            try:
                return await load.run(warmup, requests, arrivals)
            finally:
                gc.enable()
                gc.unfreeze()

    def _tick(self) -> None:
        if self._state.phase == "running":
            self._facts.setdefault("started_at", utc_now())
        if self._client:
            self._client.end_broken()
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
        options, state = self._options, self._state
        records = self._load.records if self._load else []
        ended = self._load.ended if self._load else None
        duration = 0.0 if state.started is None or ended is None else ended - state.started
        return build_result(
            options,
            records,
            duration,
            date=datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S"),
            started_at=self._facts.pop("started_at", None),
            ended_at=utc_now(),
            interrupted=stop is not None,
            reason=stop.reason if stop else None,
            failed_warmup=sum(record.error is not None for record in self._load.warmup) if self._load else None,
            client_health=self._load.health.summary() if self._load else None,
            **self._facts,
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
    counts = Counter(filter(None, result["errors"]))
    lines += [f"  {count} x {error}" for error, count in counts.most_common(5)]
    return "\n".join(lines)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
