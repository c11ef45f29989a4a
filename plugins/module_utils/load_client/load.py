# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many requests: warm-up, concurrency, arrival times, and when to give up. Independent of HTTP."""

from __future__ import annotations

import asyncio
import math
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

from .health import Health
from .request import Record, Request
from .sessions import NOT_SENT, Sessions, count_of
from .spool import Requests

TICK_S = 0.5
UNREACHABLE_MIN = 8  # this many refused connections without a response mean that there is no server


class State:
    """The live counts of a run.

    :ivar phase: preparing, warmup, running; then done, failed or interrupted.
    :ivar tokens: output tokens of finished requests, as the result counts them, and the chunks of running ones.
    :ivar began: monotonic, start of the warm-up; ``started`` and ``ended``, of the measurement, None before that.
    :ivar unreachable: why the last connection was refused.
    :ivar settled: output tokens that are no longer awaited: received, or of a finished request.
    :ivar thinking: sessions between two turns.
    """

    def __init__(self, options: Namespace) -> None:
        self.concurrency = options.concurrency
        self.total = options.num_prompts
        self.warmup_total = options.num_warmup
        self.phase = "preparing"
        self.started: float | None = None
        self.ended: float | None = None
        self.expected_tokens = 0
        self.last_arrival_s = 0.0
        self.unreachable: str | None = None
        self.waiting = False  # for the word to begin
        self.reset()

    def reset(self) -> None:
        """Reset the counts (the measurement after the warm-up)."""
        self.done = self.errors = self.running = self.thinking = self.tokens = self.settled = 0
        self.answers = getattr(self, "answers", 0)
        self.refused = getattr(self, "refused", 0)
        self.active_at = self.began = time.perf_counter()

    def activity(self, now: float, chunks: int) -> None:
        """Record that chunks of a response arrived."""
        self.active_at = now
        self.tokens += chunks
        self.settled += chunks

    def over(self, record: Record) -> None:
        """Record that a request finished."""
        self.done += 1
        self.settled += max(0, record.request.max_tokens - record.chunks)
        self.tokens += (0 if record.error else record.tokens_out) - record.chunks
        if record.error:
            self.errors += 1
        if record.unreachable:
            self.refused += 1
            self.unreachable = record.error
        else:
            self.answers += 1
            self.active_at = record.end

    def lost(self, record: Record) -> None:
        """Record a request that failed without being sent."""
        self.done, self.errors = self.done + 1, self.errors + 1
        self.settled += record.request.max_tokens


class Stop(Exception):
    """The run cannot or must not go on.

    :param phase: failed or interrupted.
    :param exit_code: of the program.
    """

    def __init__(self, phase: str, exit_code: int, reason: str) -> None:
        super().__init__(reason)
        self.phase, self.exit_code, self.reason = phase, exit_code, reason

    def __reduce__(self) -> tuple[Any, ...]:  # an exception with other arguments than its text is not copied else
        return (Stop, (self.phase, self.exit_code, self.reason))


def arrival_times(rng: Random, count: int, rate: float, burstiness: float) -> list[float] | None:
    """Return when to send each request, in seconds from the start, or None for at once (rate inf).

    The gaps are gamma distributed with mean 1/rate and shape *burstiness*; 1 is a Poisson process, inf equal gaps.
    """
    if math.isinf(rate):
        return None
    if math.isinf(burstiness):
        return [number / rate for number in range(count)]
    times: list[float] = []
    now = 0.0
    for _unused in range(count):
        times.append(now)
        now += rng.gammavariate(burstiness, 1.0 / (rate * burstiness))
    return times


class Kept(list):
    """All records of requests that have ended."""

    over = list.append


class Failures:
    """How many of the requests that have ended failed; nothing else of them is kept."""

    def __init__(self) -> None:
        self.count = 0

    def over(self, record: Record) -> None:
        """Take a request that has ended."""
        self.count += record.error is not None


class Load:
    """Sends requests with at most ``state.concurrency`` of them in flight.

    :param send: coroutine function that fills one :class:`~.request.Record`.
    :param tick: called without arguments about twice a second, and at changes of phase.
    :param stall_timeout: seconds without a token or the end of an answer after which the run has failed; 0: never.
    :param records: takes each measured :class:`~.request.Record` with its method ``over`` when the request has ended.
    :param cool_down: seconds after the last request was sent in which answers may end; None: any time.
    :param ready: awaited between warm-up and measurement; may return when (of the clock) to begin.
    """

    def __init__(
        self,
        state: State,
        send: Callable[[Record], Awaitable[None]],
        tick: Callable[[], None] = lambda: None,
        stall_timeout: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
        records: Any = None,
        ready: Callable[[], Awaitable[float | None]] | None = None,
        cool_down: float | None = None,
    ) -> None:
        self.state = state
        self.records: Any = Kept() if records is None else records
        self.warmup = Failures()
        self.health = Health()
        self.ended: float | None = None  # monotonic, end of the measurement
        self._send = send
        self._tick = tick
        self._stall_timeout = stall_timeout
        self._clock = clock
        self._ready = ready
        self._cool_down = cool_down
        self._cut = False
        self._stop: asyncio.Future[Stop] | None = None

    def stop(self, stop: Stop) -> None:
        """End the run from outside (signals) with :class:`Stop` *stop*."""
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(stop)

    async def run(
        self, warmup: Sequence[Request], requests: Sequence[Request], arrivals: Sequence[float] | None = None
    ) -> Stop | None:
        """Send *warmup*, then measure *requests*; return the :class:`Stop` that ended it early, or None.

        Records of the measured requests that have ended are in :attr:`records`, failures of others in :attr:`warmup`.
        """
        self._stop = stopped = asyncio.get_running_loop().create_future()
        work = asyncio.ensure_future(self._phases(warmup, requests, arrivals))
        watch = asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.ended = self.state.ended = self._clock()
            self.health.end()
            work.cancel()
            watch.cancel()
            outcomes = await asyncio.gather(work, watch, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        if stopped.done():
            return stopped.result()
        return self._nobody() if self.state.refused and not self.state.answers else None

    async def _phases(
        self, warmup: Sequence[Request], requests: Sequence[Request], arrivals: Sequence[float] | None
    ) -> None:
        state = self.state
        if warmup:
            state.phase = "warmup"
            state.reset()
            self._tick()
            await self._send_all(warmup, None, self.warmup)
        begin = await self._ready() if self._ready else None
        state.phase = "running"
        state.reset()
        state.expected_tokens = sum(
            requests.outputs() if isinstance(requests, (Requests, Sessions)) else (one.max_tokens for one in requests)
        )
        state.last_arrival_s = arrivals[-1] if arrivals else 0.0
        if begin is not None:
            await asyncio.sleep(max(0.0, begin - self._clock()))
        state.started = self._clock() if begin is None else begin
        self.health.begin()
        self._tick()
        await self._send_all(requests, arrivals, self.records, begin)

    async def _send_all(
        self,
        requests: Sequence[Request],
        arrivals: Sequence[float] | None,
        records: Any,
        begin: float | None = None,
    ) -> None:
        """Share *requests* among ``concurrency`` workers, in order; a late worker sends at once."""
        begin = self._clock() if begin is None else begin
        sending = _Sending(self, requests, arrivals, records, begin)
        places = range(min(self.state.concurrency, len(requests)))
        work = asyncio.gather(*(sending.worker() for _unused in places))
        await self._until_cool(work, sending.all_sent, records is self.records)

    async def _send_one(self, record: Record, over: Callable[[Record], Any]) -> None:
        """Send *record*, and hand it *over* when it has ended."""
        state = self.state
        if not state.running:
            state.active_at = self._clock()  # nothing was awaited before
        state.running += 1
        try:
            await self._send(record)
        except BaseException:
            state.tokens -= record.chunks
            if self._cut:
                record.error = f"not complete {self._cool_down:g} s after the last request was sent"
                state.done, state.errors = state.done + 1, state.errors + 1
            raise
        finally:
            state.running -= 1
            over(record)
        state.over(record)
        if record.unreachable and not state.answers and state.refused >= self._refusals_allowed():
            self.stop(self._nobody())

    async def _until_cool(self, work: asyncio.Future[Any], all_sent: asyncio.Event, measured: bool) -> None:
        """Wait for *work*, and no longer than the cool-down once all requests are sent."""
        if self._cool_down is None or not measured:
            await work
            return
        sent = asyncio.ensure_future(all_sent.wait())
        try:
            await asyncio.wait([work, sent], return_when=asyncio.FIRST_COMPLETED)
            done, _late = await asyncio.wait([work], timeout=self._cool_down)
            self._cut = not done
        finally:
            sent.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait([work])
        if not self._cut:
            await work

    async def _watch(self) -> None:
        state = self.state
        while True:
            await asyncio.sleep(TICK_S)
            self._tick()
            silent = self._clock() - state.active_at
            if self._stall_timeout and state.running and silent > self._stall_timeout:
                self.stop(
                    Stop(
                        "failed",
                        1,
                        f"no progress for {silent:.0f} s: {state.running} requests wait for a "
                        f"response, {state.done} have finished",
                    )
                )

    def _refusals_allowed(self) -> int:
        return max(UNREACHABLE_MIN, self.state.concurrency)

    def _nobody(self) -> Stop:
        return Stop("failed", 1, f"nothing could be sent: {self.state.unreachable}")


class _Sending:
    """The requests of the warm-up, or of the measurement, on their way."""

    def __init__(
        self, load: Load, requests: Sequence[Request], arrivals: Sequence[float] | None, records: Any, begin: float
    ) -> None:
        self._load, self._begin, self._over = load, begin, records.over
        self._queue = iter(zip(requests, arrivals) if arrivals else ((request, 0.0) for request in requests))
        self._unsent = count_of(requests)
        self.all_sent = asyncio.Event()

    async def worker(self) -> None:
        """Send one request after the other, or one session."""
        begin, clock = self._begin, self._load._clock
        ready = 0.0  # when its request before this one ended
        for request, due in self._queue:
            wait = begin + due - clock()
            if due and wait > 0:
                await asyncio.sleep(wait)
            record = await self._one(request, max(ready, begin + due) if ready or due else 0.0)
            if request.session is not None:
                record = await self._session(record)
            ready = record.end

    async def _one(self, request: Request, planned: float) -> Record:
        record = Record(request)
        self._gone(1)
        await self._load._send_one(record, self._over)
        if planned:
            self._load.health.sent(record.start - planned)
        return record

    async def _session(self, record: Record) -> Record:
        """Send the further turns of the session of *record*; return the last one that was sent."""
        session, state, clock = record.request.session, self._load.state, self._load._clock
        while True:
            following = session.following(record) if session else None
            if session is None or following is None:
                break
            due = record.end + following[0]
            state.thinking += 1
            try:
                await asyncio.sleep(max(0.0, due - clock()))
            finally:
                state.thinking -= 1
            record = await self._one(following[1], due)
        lost = session.unsent() if session else ()
        for request in lost:
            unsent = Record(request)
            unsent.error = NOT_SENT
            self._over(unsent)
            state.lost(unsent)
        self._gone(len(lost))
        return record

    def _gone(self, count: int) -> None:
        """Take note that *count* requests are sent, or never will be."""
        self._unsent -= count
        if not self._unsent:
            self.all_sent.set()
