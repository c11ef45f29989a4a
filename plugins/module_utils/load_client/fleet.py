# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes, of one or several nodes, that send one load together: each its share, all from one instant on.

The requests, their times and the requests in flight are those of one process; only who sends them is divided. The
processes are forked when the requests are ready. Each sends all its samples to this process in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import time
from argparse import Namespace
from array import array
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from .cache import CacheWatch
from .clocks import Conversion
from .load import TICK_S, State, Stop
from .nodes import SILENT_S, Leader, Link, lost
from .samples import Samples
from .sender import SIGNALS, Outcome, Sender, interrupted
from .wire import WireError
from .workload import Workload

LEVELS_EACH = 256  # requests in flight that one process should have at most
AHEAD_S, AHEAD_NODES_S = 0.25, 1.0  # from the word to begin to the begin
GRACE_S = 15.0  # for a process to hand over what it has
COUNTS = ("done", "errors", "running", "thinking", "tokens", "settled")


def number_of(clients: str, concurrency: int) -> int:
    """Return the number of processes for the option --clients: no more than requests in flight, or cores for auto."""
    if clients == "auto":
        return max(1, min(-(-concurrency // LEVELS_EACH), len(os.sched_getaffinity(0))))
    return min(int(clients), concurrency)


def number_on(nodes: int, concurrency: int) -> int:
    """Return the number of processes for --clients auto on so many *nodes*, each with the cores of this one."""
    cores = nodes * len(os.sched_getaffinity(0))
    return max(nodes, min(-(-concurrency // LEVELS_EACH), cores))


def numbers_of(node: int, nodes: int, clients: int) -> range:
    """Return which processes are those of the *node*, from 0."""
    return range(node, clients, nodes)


def share(count: int, concurrency: int, number: int, clients: int) -> array[int]:
    """Return which of *count* requests the process *number* sends: as many as its share of *concurrency*."""
    return array("L", (index for index in range(count) if index % concurrency % clients == number))


class Fleet:
    """Runs the *workload* in *clients* processes.

    :param state: gets the sums of the counts of all processes.
    :param tick: called about twice a second.
    :param numbers: which of the processes are of this node; default: all.
    :param links: to the load clients of other nodes, which have the others, see :mod:`.nodes`.
    :param leader: who says when to begin, if this is one of the others.
    """

    def __init__(
        self,
        options: Namespace,
        clients: int,
        state: State,
        tick: Callable[[], None],
        numbers: Sequence[int] | None = None,
        links: Sequence[Link] = (),
        leader: Leader | None = None,
    ) -> None:
        self._options, self._clients, self._state, self._tick = options, clients, state, tick
        self._numbers = range(clients) if numbers is None else numbers
        self._links, self._leader = links, leader
        self._stop: Stop | None = None
        self._members: list[Any] = []
        self._pipes: dict[Any, int | str] = {}
        self._counts: dict[int | str, dict[str, Any]] = {}
        self._outcomes: dict[int | str, Outcome] = {}
        self._waiting: set[int | str] = set()
        self._begin: float | None = None
        self._mark = ""

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
        self._mark = workload.mark() if self._links or self._leader else ""
        context = multiprocessing.get_context("fork")
        cache = CacheWatch(self._options.metrics_url) if self._options.metrics_url else None
        for number in self._numbers:
            ours, theirs = context.Pipe()
            arguments = (self._options, number, self._clients, workload, theirs, os.getpid())
            member = context.Process(target=_member, args=arguments, daemon=True)
            member.start()
            theirs.close()
            self._pipes[ours] = number
            self._members.append(member)
        self._attend(cache)
        for member in self._members:
            member.join(GRACE_S)
            if member.is_alive():
                member.kill()
        outcome = self._merged()
        if cache and not outcome.stop:
            outcome.facts.update(asyncio.run(cache.end(outcome.samples.sent_tokens())))
        return outcome

    def tell(self, leader: Leader) -> None:
        """Tell the first node how far this one is."""
        state = self._state
        with contextlib.suppress(WireError):
            leader.send("counts", {**{key: getattr(state, key) for key in COUNTS}, "phase": state.phase})

    def _attend(self, cache: CacheWatch | None) -> None:
        """Take the messages of all until each has handed over its outcome, or ended."""
        left: dict[Any, int | str] = {**self._pipes, **{link: link.name for link in self._links}}
        until, told = None, False
        while left:
            leader = self._leader
            ears: list[Any] = [*left, *([leader] if leader else [])]
            before = time.monotonic()
            ready: list[Any] = wait(ears, TICK_S)
            for link in self._links:
                link.waited(link in ready, time.monotonic() - before)
            for one in ready:
                if leader and one is leader:
                    self._heed(leader)
                else:
                    self._hear(one, left)
            self._maybe_begin(cache)
            self._show()
            for link in self._links:
                if link in left and link.silent():
                    self.stop(lost(link.name, f"no word for {SILENT_S:.0f} s"))
                    left.pop(link)
            if self._stop:
                if not told:
                    told = True
                    for link in self._links:
                        link.send("stop", self._stop.reason)
                until = until or time.monotonic() + GRACE_S
                if time.monotonic() > until:
                    return

    def _hear(self, one: Any, left: dict[Any, int | str]) -> None:
        """Take a message of a process, or of another node."""
        key = left[one]
        try:
            self._take(key, *one.recv())
        except (EOFError, OSError) as error:
            left.pop(one)
            if key not in self._outcomes:
                self.stop(lost(key, error) if isinstance(key, str) else self._ended(key))
        else:
            if key in self._outcomes:
                left.pop(one)

    def _ended(self, number: int) -> Stop:
        return Stop("failed", 1, f"client {number + 1} of {self._clients} ended without a result")

    def _heed(self, leader: Leader) -> None:
        """Do what the first node says."""
        try:
            message = leader.hear()
        except WireError as error:
            self._leader = None
            self.stop(Stop("failed", 1, f"the load client of the first node is gone: {error}"))
            return
        if message and message.kind == "begin" and self._begin is None:
            self._begin_at(float(message.content))
        elif message and message.kind in ("stop", "bye"):
            self.stop(Stop("failed", 1, f"stopped by the first node: {message.content}"))

    def _maybe_begin(self, cache: CacheWatch | None) -> None:
        """Begin once all are ready; on one of the other nodes, say so instead."""
        everybody = len(self._numbers) + len(self._links)
        if len(self._waiting) != everybody or self._begin is not None or self._stop:
            return
        if self._leader:
            if not self._state.waiting:
                self._state.waiting = True
                with contextlib.suppress(WireError):
                    self._leader.send("ready", self._mark)
            return
        if cache:
            asyncio.run(cache.begin())
        self._begin_at(time.perf_counter() + (AHEAD_NODES_S if self._links else AHEAD_S))

    def _begin_at(self, moment: float) -> None:
        self._begin = moment
        for link in self._links:
            link.begin(moment)
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.send(moment)

    def _take(self, key: int | str, kind: str, content: Any) -> None:
        if kind == "ready":
            self._waiting.add(key)
            if isinstance(key, str) and content != self._mark:
                reason = f"node {key} made other requests than the first node: their tokenizers or files differ"
                self.stop(Stop("failed", 1, reason))
        elif kind == "counts":
            self._counts[key] = content
        else:
            self._outcomes[key] = content
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
        outcomes = [one for _key, one in sorted(self._outcomes.items(), key=lambda item: (str(type(item[0])), item[0]))]
        health: list[Any] = []
        here = {"node": self._options.nodes[0][0]} if self._links else {}
        for one in outcomes:
            samples.add(one.samples)
            health += one.facts.get("each", [one.health and {**one.health, **here}])
        ends = [one.ended for one in outcomes if one.ended is not None]
        started = self._begin if any(one.started is not None for one in outcomes) else None
        facts: dict[str, Any] = {"clients_health": health}
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


def join_streams(path: str, clients: int, conversions: Sequence[Conversion | None] = (None,)) -> None:
    """Put the files of all processes together as *path*.

    :param conversions: from the clock of each node to that of the first; process N is of node N modulo their number.
    """
    with open(path, "wb") as whole:
        for number in range(clients):
            part, conversion = f"{path}.{number}", conversions[number % len(conversions)]
            with contextlib.suppress(FileNotFoundError), open(part, "rb") as stream:
                if conversion is None:
                    shutil.copyfileobj(stream, whole, 1 << 20)
                else:
                    for line in stream:
                        whole.write(_on_our_clock(line, conversion))
                os.unlink(part)


def _on_our_clock(line: bytes, conversion: Conversion) -> bytes:
    """Return the *line* of a request on another node with its begin on our clock; a line that is cut stays."""
    try:
        one = json.loads(line)
        one["start"] = None if one["start"] is None else conversion.ours(one["start"])
    except (ValueError, KeyError, TypeError):
        return line
    return json.dumps(one).encode() + b"\n"
