# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a load client may be kept from running before its figures do not count."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.own_client.client_health import disturbances

GOOD = {
    "cpu_share": 0.3, "wait_share": 0.05, "mean_lag_ms": 0.4, "p99_lag_ms": 5.0, "max_lag_ms": 30.0, "gaps": 0,
    "gaps_s": 0.0, "max_gap_s": 0.0, "max_gap_at_s": None, "suspended_s": 0.0, "mean_send_lateness_ms": 0.1,
    "p99_send_lateness_ms": 2.0,
}  # fmt: skip
WAS = ": it was stopped, or its node is overloaded"


def judged(duration=100.0, ttft=100.0, e2el=1000.0, **change):
    return disturbances(
        {"duration": duration, "mean_ttft_ms": ttft, "mean_e2el_ms": e2el, "client_health": {**GOOD, **change}}
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"gaps": 3, "gaps_s": 0.6, "max_gap_s": 0.3, "max_gap_at_s": 1.0},
        {"duration": 1.0, "gaps": 1, "gaps_s": 0.12, "max_gap_s": 0.12, "max_gap_at_s": 0.1},
        {"cpu_share": 0.89},
        {"cpu_share": 0.9, "wait_share": None},
        {"cpu_share": 0.1, "wait_share": 0.9},
        {"mean_lag_ms": 9.0},
        {"mean_lag_ms": 4.0, "ttft": 10.0},
        {"mean_lag_ms": 40.0, "ttft": None},
        {"mean_send_lateness_ms": 40.0},
        {"mean_send_lateness_ms": None, "p99_send_lateness_ms": None},
    ],
)
def test_what_may_happen(change):
    assert judged(**change) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"gaps": 1, "gaps_s": 10.0, "max_gap_s": 10.0, "max_gap_at_s": 12.34, "mean_lag_ms": 500.0},
            f"the load client did not run for 10.0 s, 12.3 s after the measurement began{WAS}",
        ),
        (
            {"duration": 3600.0, "gaps": 1, "gaps_s": 1.0, "max_gap_s": 1.0, "max_gap_at_s": 0.0},
            f"the load client did not run for 1.0 s, 0.0 s after the measurement began{WAS}",
        ),
        (
            {"gaps": 30, "gaps_s": 9.0, "max_gap_s": 0.31, "max_gap_at_s": 5.0},
            "the load client did not run 30 times, for 9.0 of 100.0 s, the longest for 0.3 s, 5.0 s after the "
            f"measurement began{WAS}",
        ),
        ({"suspended_s": 60.0}, "the load client's node was suspended for 60.0 s"),
        ({"cpu_share": 0.99}, "the load client itself was the limit: it used 99 % of a core, and waited for one for "
                              "another 5 % of the time"),
        ({"cpu_share": 0.99, "wait_share": None}, "the load client itself was the limit: it used 99 % of a core"),
        ({"cpu_share": 0.5, "wait_share": 0.47}, "the load client itself was the limit: it used 50 % of a core, and "
                                                 "waited for one for another 47 % of the time"),
        ({"mean_lag_ms": 25.0}, "the load client noticed responses 25.0 ms late on average (99th percentile 5.0 ms), "
                                "the mean TTFT is 100.0 ms: its node is overloaded"),
        ({"mean_send_lateness_ms": 60.0}, "the load client sent requests 60.0 ms late on average (99th percentile "
                                          "2.0 ms), the mean E2EL is 1000.0 ms: its node is overloaded"),
    ],
)  # fmt: skip
def test_what_makes_the_point_invalid(change, reason):
    assert judged(**change) == [reason]


@pytest.mark.parametrize("raw", [{}, {"client_health": None}])
def test_files_of_other_clients_do_not_say(raw):
    assert disturbances(raw) == []
