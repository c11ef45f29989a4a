# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order, concurrency and end of many requests, with a send function of our own: no server, no clock to wait for."""

from __future__ import annotations

import asyncio
import math
import random
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import load
from ansible_collections.srt.slurm.plugins.module_utils.load_client.request import Request


def state(concurrency=2, prompts=6, warmup=0):
    return load.State(types.SimpleNamespace(concurrency=concurrency, num_prompts=prompts, num_warmup=warmup))


def requests(count):
    return [Request(index, b'"text"', 3, 4) for index in range(count)]


class Sender:
    """Answers at once, after a turn of the loop; remembers what it saw."""

    def __init__(self, current, error=None, unreachable=False):
        self.state, self.error, self.unreachable = current, error, unreachable
        self.sent, self.most, self.flying, self.phases = [], 0, 0, []

    async def __call__(self, record):
        self.sent.append(record.request.number)
        self.phases.append(self.state.phase)
        self.flying += 1
        self.most = max(self.most, self.flying)
        record.start = 1.0
        await asyncio.sleep(0)
        record.end, record.error, record.unreachable = 2.0, self.error, self.unreachable
        record.tokens_out = 0 if self.error else 4
        self.flying -= 1


def run(made, warmup=(), measured=(), arrivals=None):
    return asyncio.run(made.run(list(warmup), list(measured), arrivals))


def test_requests_are_sent_in_order_and_never_more_than_allowed():
    current = state()
    sender = Sender(current)
    made = load.Load(current, sender)
    assert run(made, (), requests(6)) is None
    assert sender.sent == list(range(6))
    assert sender.most == 2
    assert [record.request.number for record in made.records] == list(range(6))
    assert (current.done, current.errors, current.running) == (6, 0, 0)
    assert made.ended >= current.started


def test_warm_up_comes_first_and_is_not_counted():
    current = state(warmup=3)
    sender = Sender(current)
    made = load.Load(current, sender)
    run(made, requests(3), requests(6))
    assert sender.phases == ["warmup"] * 3 + ["running"] * 6
    assert current.done == 6
    assert len(made.records) == 6
    assert current.expected_tokens == 24
    assert current.settled == 24


def test_failed_requests_do_not_end_the_run():
    current = state()
    made = load.Load(current, Sender(current, error="HTTP 500: x"))
    assert run(made, (), requests(6)) is None
    assert current.errors == 6


def test_nobody_there_ends_the_run_early():
    current = state(prompts=1000)
    sender = Sender(current, error="cannot connect: refused", unreachable=True)
    stop = run(load.Load(current, sender), (), requests(1000))
    assert (stop.phase, stop.exit_code) == ("failed", 1)
    assert "nothing could be sent: cannot connect" in stop.reason
    assert len(sender.sent) < 20


def test_nobody_there_is_found_also_with_few_requests():
    current = state(prompts=2)
    stop = run(load.Load(current, Sender(current, error="cannot connect: refused", unreachable=True)), (), requests(2))
    assert stop.exit_code == 1


def test_refusals_after_an_answer_are_failed_requests():
    current = state(prompts=100)
    current.answers = 1
    assert run(load.Load(current, Sender(current, error="cannot connect", unreachable=True)), (), requests(100)) is None
    assert current.errors == 100


def test_a_stop_from_outside_interrupts_what_is_in_flight():
    current = state()
    began = []

    async def send(record):
        record.start = 1.0
        began.append(record)
        if len(began) == 2:
            made.stop(load.Stop("interrupted", 143, "interrupted by SIGTERM"))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            record.error = "interrupted"
            raise

    made = load.Load(current, send)
    stop = run(made, (), requests(6))
    assert (stop.phase, stop.exit_code) == ("interrupted", 143)
    assert [record.error for record in made.records] == ["interrupted"] * 2
    assert current.running == 0


def test_a_second_stop_does_not_hurt():
    current = state()

    async def send(record):
        made.stop(load.Stop("interrupted", 143, "first"))
        made.stop(load.Stop("interrupted", 130, "second"))
        await asyncio.Event().wait()

    made = load.Load(current, send)
    assert run(made, (), requests(2)).reason == "first"


def test_silence_is_a_stall(monkeypatch):
    monkeypatch.setattr(load, "TICK_S", 0.001)
    current = state()

    async def send(record):
        record.start = 1.0
        await asyncio.Event().wait()

    made = load.Load(current, send, stall_timeout=0.01)
    stop = run(made, (), requests(6))
    assert (stop.phase, stop.exit_code) == ("failed", 1)
    assert "no progress" in stop.reason
    assert "2 requests wait" in stop.reason


def test_the_wait_for_the_next_arrival_is_no_stall(monkeypatch):
    monkeypatch.setattr(load, "TICK_S", 0.001)
    current = state(concurrency=1, prompts=2)

    async def send(record):
        record.start = record.end = made._clock()
        await asyncio.sleep(0.02)

    made = load.Load(current, send, stall_timeout=0.2)
    assert run(made, (), requests(2), [0.0, 0.4]) is None
    assert current.done == 2


def test_how_late_requests_are_sent_is_recorded():
    current = state(concurrency=2, prompts=6)
    made = load.Load(current, Sender(current))
    run(made, (), requests(6), [0.0, 0.001, 0.002, 0.003, 0.004, 0.005])
    assert len(made.health._send_lags) == 5
    closed = load.Load(current, Sender(current))
    run(closed, (), requests(6))
    assert len(closed.health._send_lags) == 4  # the first of each worker follows none


def test_an_error_in_the_sender_itself_is_not_swallowed():
    async def send(record):
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        run(load.Load(state(), send), (), requests(2))


def test_a_rate_of_inf_has_no_arrival_times():
    assert load.arrival_times(random.Random(0), 5, math.inf, 1.0) is None


def test_arrivals_are_poisson_with_the_right_rate_and_repeatable():
    times = load.arrival_times(random.Random(7), 20000, 50.0, 1.0)
    assert times[0] == 0.0
    assert times == sorted(times)
    assert times[-1] / len(times) == pytest.approx(1 / 50, rel=0.03)
    gaps = [after - before for before, after in zip(times, times[1:])]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert deviation == pytest.approx(mean, rel=0.05)  # that of an exponential distribution
    assert times == load.arrival_times(random.Random(7), 20000, 50.0, 1.0)


def test_burstiness_makes_the_gaps_even():
    times = load.arrival_times(random.Random(7), 5000, 50.0, 100.0)
    gaps = [after - before for before, after in zip(times, times[1:])]
    assert max(gaps) < 2 / 50


def test_requests_wait_for_their_time(monkeypatch):
    current = state(concurrency=4, prompts=3)
    waits = []

    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    clock = Clock()

    async def sleep(seconds, _real=asyncio.sleep):
        if seconds and seconds != load.TICK_S:
            waits.append(round(seconds, 6))
            clock.now += seconds
        await _real(0)

    sender = Sender(current)
    made = load.Load(current, sender, clock=clock)
    monkeypatch.setattr(load.asyncio, "sleep", sleep)
    run(made, (), requests(3), [0.0, 5.0, 6.0])
    assert sender.sent == [0, 1, 2]
    assert waits == [5.0, 1.0]
    assert current.last_arrival_s == 6.0
