# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process that sends requests: its event loop, its connections and its signals."""

from __future__ import annotations

import asyncio
import gc
import signal
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TextIO

from .cache import CacheWatch
from .load import Load, State, Stop
from .request import Client
from .samples import Samples
from .sessions import Sent

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Outcome(NamedTuple):
    """What one process measured.

    :ivar stop: why it ended early, or None.
    :ivar started, ended: of the measurement, on the monotonic clock; None if it did not come to it.
    :ivar health: see :meth:`~.health.Health.summary`.
    :ivar facts: further keys of the result.
    """

    stop: Stop | None
    samples: Samples
    failed_warmup: int
    health: dict[str, Any] | None
    started: float | None
    ended: float | None
    facts: dict[str, Any]


class Sender:
    """Sends requests in this process.

    :param tick: called about twice a second.
    :param ready: see :class:`~.load.Load`.
    :param stream: see :class:`~.samples.Samples`.
    """

    def __init__(
        self,
        options: Namespace,
        state: State,
        tick: Callable[[], None],
        ready: Callable[[], Awaitable[float | None]] | None = None,
        stream: TextIO | None = None,
    ) -> None:
        self._options, self._state, self._show, self._ready = options, state, tick, ready
        self._samples = Samples(stream, options.save_texts)
        self._load: Load | None = None
        self._client: Client | None = None
        self._early: Stop | None = None
        self._facts: dict[str, Any] = {}

    def stop(self, stop: Stop) -> None:
        """End it in order."""
        self._early = self._early or stop
        if self._load:
            self._load.stop(stop)

    def on_signal(self, number: int) -> None:
        """End it because of a signal."""
        self.stop(interrupted(number))

    def run(self, warmup: Sent, requests: Sent, arrivals: Sequence[float] | None) -> Outcome:
        """Send *warmup*, then measure *requests*."""
        loop = _new_loop()
        try:
            asyncio.set_event_loop(loop)
            stop = loop.run_until_complete(self._run(loop, warmup, requests, arrivals))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            loop.close()
        return self.outcome(stop)

    def outcome(self, stop: Stop | None) -> Outcome:
        """Return what there is so far."""
        load = self._load
        failed = load.warmup.count if load else 0
        health = load.health.summary() if load else None
        ended = load.ended if load else None
        return Outcome(stop, self._samples, failed, health, self._state.started, ended, self._facts)

    async def _run(
        self, loop: asyncio.AbstractEventLoop, warmup: Sent, requests: Sent, arrivals: Sequence[float] | None
    ) -> Stop | None:
        options = self._options
        async with Client(options, self._state.activity) as client:
            self._client = client
            cache = CacheWatch(options.metrics_url) if options.metrics_url else None
            ready = self._ready or (cache.begin if cache else None)
            load = Load(
                self._state,
                client.send,
                self._tick,
                options.stall_timeout,
                records=self._samples,
                ready=ready,
                cool_down=options.cool_down,
            )
            for number in SIGNALS:
                loop.add_signal_handler(number, self.on_signal, number)
            self._load = load
            gc.collect()
            gc.freeze()  # a full collection over what is prepared would delay the TTFT of a request
            gc.disable()
            try:
                stop = await load.run(warmup, requests, arrivals)
                if cache and not stop:
                    self._facts.update(await cache.end(self._samples.sent_tokens()))
                return stop
            finally:
                gc.enable()
                gc.unfreeze()

    def _tick(self) -> None:
        if self._early and self._load:  # it came before there was a load to stop
            self._load.stop(self._early)
        if self._client:
            self._client.end_broken()
        self._show()


def interrupted(number: int) -> Stop:
    """Return the end of a run by the signal *number*."""
    return Stop("interrupted", 128 + number, f"interrupted by {signal.Signals(number).name}")


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
