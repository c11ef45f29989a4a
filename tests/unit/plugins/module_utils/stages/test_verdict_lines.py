# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line about a measured point, written and read again."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.stages.bench_run import read_verdict_line, verdict_line

FIGURES = {"output_tps": 1812.14, "mean_ttft_ms": 16.0, "completed": 40, "failed": 0}
ORIGIN = {"job_id": "3", "path": "/out/3/results/x.json", "measured_at": "2026-11-21T10:00:00Z"}


def record(**changes):
    known = {"label": "c=4", "action": "measured", "attempt": None, "origin": None, "valid": True, "reasons": []}
    return {**known, "doubts": [], "parts": [], "service_gaps": [], "metrics": FIGURES, **changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ("c=4", "measured", "out 1,812.1 tok/s")),
        ({"action": "taken_over", "origin": ORIGIN}, ("c=4", "taken over", "out 1,812.1 tok/s")),
        ({"action": "kept", "attempt": 2}, ("c=4", "kept", "out 1,812.1 tok/s")),
        ({"valid": False, "reasons": ["3 of 40 failed", "HTTP 500: no, never"]},
         ("c=4", "measured", "NOT valid: 3 of 40 failed; HTTP 500: no, never")),
        ({"valid": False, "doubts": ["nothing proves its figures"], "metrics": {}},
         ("c=4", "measured", "passed, not valid: nothing proves its figures")),
        ({"action": "not_measured", "valid": False, "reasons": ["was not measured: x"]},
         ("c=4", "not measured", "NOT valid: was not measured: x")),
    ],
)  # fmt: skip
def test_what_is_written_is_read(changes, said):
    line = verdict_line(record(**changes), BENCHMARKS["sa-bench"])
    assert read_verdict_line(line, ["c=40", "c=4"]) == said
    assert read_verdict_line(line, ["c=40", "c=44"]) is None


@pytest.mark.parametrize("line", ["c=4 20/40 requests, 812.1 tok/s", "c=4 waits for bench_c2, which is being measured"])
def test_a_line_about_progress_is_no_verdict(line):
    assert read_verdict_line(line, ["c=4"]) is None
