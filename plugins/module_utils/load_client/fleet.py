# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes that send one load together: each its share of it, all from one instant on.

The requests, their times and the requests in flight are those of one process; only who sends them is divided. The
processes are forked when the requests are ready. Each sends all its samples to this process in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import signal
import time
from argparse import Namespace
from array import array
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from .cache import CacheWatch
from .load import TICK_S, State, Stop
from .samples import Samples
from .sender import SIGNALS, Outcome, Sender, interrupted
from .workload import Workload

LEVELS_EACH = 256  # requests in flight that one process should have at most
AHEAD_S = 0.25  # from the word to begin to the begin
GRACE_S = 15.0  # for a process to hand over what it has
COUNTS = ("done", "errors", "running", "thinking", "tokens", "settled")


def number_of(clients: str, concurrency: int) -> int:
    """Return the number of processes for the option --clients: no more than requests in flight, or cores for auto."""
    if clients == "auto":
        return max(1, min(-(-concurrency // LEVELS_EACH), len(os.sched_getaffinity(0))))
    return min(int(clients), concurrency)


def share(count: int, concurrency: int, number: int, clients: int) -> array[int]:
    """Return which of *count* requests the process *number* sends: as many as its share of *concurrency*."""
    return array("L", (index for index in range(count) if index % concurrency % clients == number))


class Fleet:
    """Runs the *workload* in *clients* processes.

    :param state: gets the sums of the counts of all processes.
    :param tick: called about twice a second.
    """

    def __init__(self, options: Namespace, clients: int, state: State, tick: Callable[[], None]) -> None:
        self._options, self._clients, self._state, self._tick = options, clients, state, tick
        self._stop: Stop | None = None
        self._members: list[Any] = []
        self._counts: dict[int, dict[str, Any]] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._waiting: set[int] = set()
        self._begin: float | None = None

    def stop(self, stop: Stop) -> None:
        """End all processes in order."""
        self._stop = self._stop or stop
        for member in self._members:
            with contextlib.suppress(OSError):
                os.kill(member.pid, signal.SIGTERM)

    def run(self, workload: Workload) -> Outcome:
        """Measure, and return what all processes measured, as one."""
        state = self._state
        state.expected_tokens = sum(workload.requests.outputs())
        state.last_arrival_s = workload.arrivals[-1] if workload.arrivals else 0.0
        context = multiprocessing.get_context("fork")
        cache = CacheWatch(self._options.metrics_url) if self._options.metrics_url else None
        pipes: dict[Any, int] = {}
        for number in range(self._clients):
            ours, theirs = context.Pipe()
            arguments = (self._options, number, self._clients, workload, theirs, os.getpid())
            member = context.Process(target=_member, args=arguments, daemon=True)
            member.start()
            theirs.close()
            pipes[ours] = number
            self._members.append(member)
        self._attend(pipes, cache)
        for member in self._members:
            member.join(GRACE_S)
            if member.is_alive():
                member.kill()
        outcome = self._merged()
        if cache and not outcome.stop:
            outcome.facts.update(asyncio.run(cache.end(outcome.samples.sent_tokens())))
        return outcome

    def _attend(self, pipes: dict[Any, int], cache: CacheWatch | None) -> None:
        """Take the messages of all processes until each has handed over its outcome, or ended."""
        left, until = dict(pipes), None
        while left:
            ready: list[Any] = wait(list(left), TICK_S)
            for pipe in ready:
                try:
                    self._take(left[pipe], *pipe.recv())
                except (EOFError, OSError):
                    number = left.pop(pipe)
                    if number not in self._outcomes:
                        self.stop(Stop("failed", 1, f"client {number + 1} of {self._clients} ended without a result"))
                else:
                    if left[pipe] in self._outcomes:
                        left.pop(pipe)
            if len(self._waiting) == self._clients and self._begin is None and not self._stop:
                if cache:
                    asyncio.run(cache.begin())
                self._begin = time.perf_counter() + AHEAD_S
                for pipe in pipes:
                    with contextlib.suppress(OSError):
                        pipe.send(self._begin)
            self._show()
            if self._stop:
                until = until or time.monotonic() + GRACE_S
                if time.monotonic() > until:
                    return

    def _take(self, number: int, kind: str, content: Any) -> None:
        if kind == "ready":
            self._waiting.add(number)
        elif kind == "counts":
            self._counts[number] = content
        else:
            self._outcomes[number] = content
            if content.stop:
                self.stop(content.stop)

    def _show(self) -> None:
        """Set the counts of the state to the sums of all processes."""
        state, counts = self._state, self._counts.values()
        phase = "running" if self._begin is not None else "warmup" if state.warmup_total and counts else "preparing"
        if phase == "running" and state.started is None:
            state.started = self._begin
        state.phase = phase
        for key in COUNTS:
            setattr(state, key, sum(one[key] for one in counts if one["phase"] == phase))
        self._tick()

    def _merged(self) -> Outcome:
        samples = Samples(texts=self._options.save_texts)
        outcomes = [one for _number, one in sorted(self._outcomes.items())]
        for one in outcomes:
            samples.add(one.samples)
        ends = [one.ended for one in outcomes if one.ended is not None]
        started = self._begin if any(one.started is not None for one in outcomes) else None
        facts: dict[str, Any] = {"clients_health": [one.health for one in outcomes]}
        self._state.ended = max(ends, default=None)
        failed = sum(one.failed_warmup for one in outcomes)
        return Outcome(self._stop, samples, failed, None, started, self._state.ended, facts)


def _member(options: Namespace, number: int, clients: int, workload: Workload, pipe: Connection, parent: int) -> None:
    """Send the share of process *number*, and hand over what it measured."""
    for one in SIGNALS:
        signal.signal(one, lambda number, _frame: _leave(interrupted(number), pipe))
    level = options.concurrency
    warmup, requests = (
        one.part(share(len(one), level, number, clients)) for one in (workload.warmup, workload.requests)
    )
    times = workload.arrivals
    chosen = share(len(workload.requests), level, number, clients)
    arrivals = None if times is None else array("d", (times[index] for index in chosen))
    own = argparse.Namespace(**vars(options))
    own.concurrency = len(range(number, level, clients))
    own.num_prompts, own.num_warmup, own.metrics_url = len(requests), len(warmup), []
    state = State(own)

    def tick() -> None:
        if os.getppid() != parent:
            os._exit(1)  # nobody would take the samples
        pipe.send(("counts", {**{key: getattr(state, key) for key in COUNTS}, "phase": state.phase}))

    async def ready() -> float:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[float] = loop.create_future()

        def hear() -> None:
            if not told.done():
                told.set_result(pipe.recv())

        loop.add_reader(pipe.fileno(), hear)
        pipe.send(("ready", None))
        try:
            return await told
        finally:
            loop.remove_reader(pipe.fileno())

    with open_stream(f"{options.save_requests}.{number}" if options.save_requests else None) as stream:
        outcome = Sender(own, state, tick, ready, stream).run(warmup, requests, arrivals)
    pipe.send(("outcome", outcome))


def _leave(stop: Stop, pipe: Connection) -> None:
    """End a process that has not begun."""
    pipe.send(("outcome", Outcome(stop, Samples(), 0, None, None, None, {})))
    os._exit(0)


def open_stream(path: str | None) -> Any:
    """Return a context with the file *path*, new and open for text; of None without one."""
    if path is None:
        return contextlib.nullcontext()
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    return open(path, "w", encoding="utf-8")


def join_streams(path: str, clients: int) -> None:
    """Put the files of all processes together as *path*."""
    with open(path, "wb") as whole:
        for number in range(clients):
            part = f"{path}.{number}"
            with contextlib.suppress(FileNotFoundError), open(part, "rb") as stream:
                while True:
                    data = stream.read(1 << 20)
                    if not data:
                        break
                    whole.write(data)
                os.unlink(part)
