# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the load client notices that it did not run, or ran late."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.own_client.client_health import disturbances
from ansible_collections.srt.slurm.plugins.module_utils.load_client import health
from ansible_collections.srt.slurm.plugins.module_utils.load_client.health import Health

pytest.importorskip("aiohttp")


class Clocks:
    """A clock and the processor time of the thread, which a test moves."""

    def __init__(self):
        self.now, self.used = 100.0, 5.0

    def stand(self, seconds):
        self.now += seconds

    def work(self, seconds):
        self.now, self.used = self.now + seconds, self.used + seconds


def watched(*deeds):
    """Return the summary after *deeds*, each before the next look of the timer."""
    clocks = Clocks()
    made = Health(clock=lambda: clocks.now, cpu=lambda: clocks.used)

    async def body():
        made.begin()
        for deed, seconds in deeds:
            getattr(clocks, deed)(seconds)
            made._timer.cancel()
            made._look()
        made.end()

    asyncio.run(body())
    return made.summary()


def test_a_loop_that_is_on_time_has_no_gaps():
    seen = watched(*[("stand", health.INTERVAL_S)] * 100)
    assert (seen["gaps"], seen["gaps_s"], seen["max_gap_at_s"]) == (0, 0.0, None)
    assert (seen["mean_lag_ms"], seen["max_lag_ms"], seen["cpu_share"]) == (0.0, pytest.approx(0, abs=0.001), 0.0)


def test_time_in_which_the_process_did_not_run_is_a_gap():
    seen = watched(*[("stand", health.INTERVAL_S)] * 100, ("stand", 10.01), ("stand", 0.31))
    assert (seen["gaps"], seen["max_gap_s"], seen["gaps_s"]) == (2, 10.0, 10.3)
    assert seen["max_gap_at_s"] == pytest.approx(1.01)
    # Half of the time that the loop stood still is how long an event in it waited on average.
    assert seen["mean_lag_ms"] == pytest.approx(1000 * (10.0**2 + 0.3**2) / 2 / 11.32, rel=0.001)


def test_time_in_which_the_loop_worked_is_lag_but_no_gap():
    seen = watched(("work", 0.51), ("stand", health.INTERVAL_S))
    assert (seen["gaps"], seen["max_lag_ms"]) == (0, 500.0)
    assert seen["cpu_share"] == pytest.approx(0.51 / 0.52, abs=0.001)


def test_a_gap_at_the_very_end_counts():
    clocks = Clocks()
    made = Health(clock=lambda: clocks.now, cpu=lambda: clocks.used)

    async def body():
        made.begin()
        clocks.stand(3.01)
        made.end()

    asyncio.run(body())
    assert made.summary()["max_gap_s"] == 3.0


def test_lateness_of_requests_is_summed_up():
    clocks = Clocks()
    made = Health(clock=lambda: clocks.now, cpu=lambda: clocks.used)

    async def body():
        made.begin()
        for late in (0.002, -0.001, 0.004):
            made.sent(late)
        clocks.stand(0.01)
        made.end()

    asyncio.run(body())
    assert made.summary()["mean_send_lateness_ms"] == pytest.approx(2.0)
    assert made.summary()["p99_send_lateness_ms"] == pytest.approx(4.0)


def test_without_a_measurement_there_is_nothing_to_say():
    made = Health()
    made.end()
    assert made.summary() is None


def test_without_a_count_of_the_kernel_the_share_is_unknown(monkeypatch):
    monkeypatch.setattr(health, "queued_s", lambda: None)
    assert watched(("stand", 1.0))["wait_share"] is None


@pytest.mark.parametrize(("stops", "seconds"), [(1, 1.5), (5, 0.3)])
def test_a_client_that_was_stopped_says_so(sse, client_argv, tmp_path, stops, seconds):
    with sse.running(sse.Behaviour(ttft_s=0.02, itl_s=0.01)) as server:
        argv = [*client_argv(server.url), "--num-prompts", "60", "--concurrency", "2"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
            for stop in range(1, stops + 1):
                until(lambda: len(server.requests) > 10 * stop)  # noqa: B023
                process.send_signal(signal.SIGSTOP)
                begin = time.monotonic()
                until(lambda: time.monotonic() > begin + seconds)  # noqa: B023
                process.send_signal(signal.SIGCONT)
    raw = json.loads((tmp_path / "x.json").read_text())
    assert raw["completed"] == 60
    assert raw["client_health"]["gaps_s"] >= 0.9 * stops * seconds
    (reason,) = disturbances(raw)
    assert reason.startswith("the load client did not run ")


def until(condition):
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_a_loss_of_the_processor_between_two_clocks_is_no_sleep_of_the_machine(monkeypatch):
    """The clocks are read one after the other, and each reading may come late."""
    now, late = [100.0], iter([0.2, 0.0, 0.0, 0.0, 0.3, 0.0] * 20)

    def clock(*_which):
        now[0] += next(late)
        return now[0]

    clocks = types.SimpleNamespace(monotonic=clock, clock_gettime=clock, CLOCK_BOOTTIME=7)
    monkeypatch.setattr(health, "time", clocks)
    assert abs(health.suspended_s() - health.suspended_s()) < 0.001
