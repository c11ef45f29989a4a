# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line after which a worker never becomes healthy ends the wait, although the worker's step still runs."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError, StepError
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner
from ansible_collections.srt.slurm.plugins.module_utils.stages.log_markers import Markers

FATAL = "[rank 3] Rank3 Task exit code: 137"


def watched(tmp_path, **health):
    """Return (the markers of a TensorRT-LLM job, the log of its first prefill worker)."""
    spec = jobs.spec_of(backend={"type": "trtllm"}, health_check=health)
    (tmp_path / "logs").mkdir(exist_ok=True)
    plan = planner.build(spec, jobs.allocation(2, run_dir=str(tmp_path)))
    log = tmp_path / jobs.step(plan, "prefill_0")["log"].replace("%N", "n1")
    return Markers(plan), log


def record(attempt=1, state="running"):
    return [{"name": "prefill_0", "attempt": attempt, "state": state}]


def test_the_line_is_named_with_its_step_and_log(tmp_path):
    markers, log = watched(tmp_path)
    markers.look(record())
    log.write_text("loading\nRank0 Task exit code: 0\n")
    markers.look([])
    log.write_text(f"{log.read_text()}{FATAL}\nmore\n")
    with pytest.raises(StepError) as caught:
        markers.look([])
    assert str(caught.value).startswith("Step prefill_0 on n1 runs, but will not become healthy")
    assert caught.value.evidence["fatal"] == FATAL and str(log) in str(caught.value)


def test_a_line_counts_once_it_is_whole(tmp_path):
    markers, log = watched(tmp_path)
    log.write_text("x\nFailed to initialize exec")
    markers.look(record())
    log.write_text("x\nFailed to initialize executor\n")
    with pytest.raises(StepError):
        markers.look([])


def test_lines_of_an_earlier_attempt_do_not_count(tmp_path):
    markers, log = watched(tmp_path)
    log.write_text(f"{FATAL}\n")
    markers.look(record(attempt=2))
    log.write_text(f"{FATAL}\nstarted again\n")
    markers.look([])
    markers.look(record(attempt=2, state="ended"))
    log.write_text(f"{FATAL}\nstarted again\n{FATAL}\n")
    markers.look([])


def test_a_job_may_add_patterns_and_turn_all_off(tmp_path):
    markers, log = watched(tmp_path, extra_fatal_log_patterns=["weights are (gone|lost)"])
    log.write_text("the weights are gone\n")
    with pytest.raises(StepError, match="weights are gone"):
        markers.look(record())
    markers, _log = watched(tmp_path, fatal_log_markers=False, extra_fatal_log_patterns=["weights"])
    markers.look(record())


@pytest.mark.parametrize("text, words", [("(", "is not a regular expression"), ("x*", "matches every line")])
def test_a_pattern_that_cannot_be_meant_is_refused(text, words):
    with pytest.raises(SpecError, match=words):
        jobs.spec_of(health_check={"extra_fatal_log_patterns": [text]})
