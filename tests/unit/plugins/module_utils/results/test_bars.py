# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bars below the table of a run: as high as the figures, and none for a point that is not valid."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.results import bars

BENCHMARK = BENCHMARKS["sa-bench"]


def record(throughput, latency=10.0, valid=True):
    return {"output_tps_per_gpu": throughput, "mean_e2el_ms": latency, "valid": valid}


def test_a_bar_is_as_high_as_its_share_of_the_largest():
    records = [record(80.0, 40.0), record(40.0, 10.0), record(5.0, 20.0)]
    assert bars.lines(records, BENCHMARK) == ["out tok/s/GPU  █▅▁  best 80.0", "E2EL mean ms   █▃▅  best 10.0"]


def test_a_point_that_is_not_valid_has_no_bar_and_does_not_scale_the_others():
    records = [record(10.0), record(1000.0, valid=False), record(20.0), record(None)]
    assert bars.lines(records, BENCHMARK)[0] == "out tok/s/GPU  ▅×█·  best 20.0"


def test_a_point_that_was_not_measured_is_unknown():
    records = [record(10.0), record(None, None, valid=False), record(20.0)]
    assert bars.lines(records, BENCHMARK)[0] == "out tok/s/GPU  ▅·█  best 20.0"


def test_there_are_none_without_something_to_compare():
    invalid = record(5.0, valid=False)
    for records in ([], [record(1.0)], [invalid, invalid], [record(1.0), invalid], [record(1.0)] * 81):
        assert bars.lines(records, BENCHMARK) == []
