# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that no run acts on: each is refused with its reason, and none is passed over in silence."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import paths, unsupported
from ansible_collections.srt.slurm.plugins.module_utils.job.schema import JOB
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner

# A value for each key, and words of the reason.
GIVEN = {
    "reporting.ai_analysis.enabled": ({"reporting": {"ai_analysis": {"enabled": True}}}, "language model"),
    "benchmark.slow_down_sleep_time": ({"benchmark": {"slow_down_sleep_time": 1}}, "sleeps between its steps"),
    "benchmark.slow_down_wait_time": ({"benchmark": {"slow_down_wait_time": 5}}, "sleeps between its steps"),
}


def resolve(rehearse=False, **changes):
    """Return (spec, notes) of the test job with *changes*."""
    environment = paths.Environment(jobs.VARIABLES, ["/work"], False, rehearse)
    found = jobs.resolved(jobs.raw(**changes), environment=environment)
    return found.spec, found.notes


def test_every_key_is_tried_here():
    assert {".".join(path) for path in unsupported.NEVER} <= set(GIVEN)


def test_no_key_waits_to_be_built():
    words = ("not supported yet", "not used yet", "not used by this version")
    assert not [doc for doc in documentation(JOB) if any(word in doc.lower() for word in words)]


def documentation(section):
    """Yield the documentation of all keys of *section*."""
    for field in section.fields.values():
        yield field.doc
        inner = getattr(field.type, "section", field.type)
        yield from documentation(inner) if hasattr(inner, "fields") else ()


@pytest.mark.parametrize("path", GIVEN)
def test_what_is_refused_in_a_run_is_shown_with_its_reason_in_a_rehearsal(path):
    changes, reason = GIVEN[path]
    with pytest.raises(SpecError) as caught:
        resolve(**changes)
    (problem,) = caught.value.problems
    assert (problem["path"], problem["code"]) == (path, "not_supported")
    assert problem["remedy"].startswith("Leave it out")
    assert reason in problem["problem"]
    spec, notes = resolve(rehearse=True, **changes)
    assert len([note for note in notes if note.startswith(f"{path} ") and "shown anyway" in note]) == 1
    # The rest of the job is planned as ever.
    assert planner.build(spec, planner.imaginary_allocation(spec))["benchmark"]["points"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"observability": {"enabled": True, "scrape_metrics": False, "scrape_interval_seconds": 1}},
        {"telemetry": {"enabled": False}, "benchmark": {"export_node_metrics": False}},
        {"reporting": {"ai_analysis": {"enabled": False}}, "identity": {}},
    ],
)
def test_what_is_off_or_the_default_is_not_mentioned(changes):
    assert not [note for note in resolve(**changes)[1] if "yet" in note]


def test_slow_down_of_another_benchmark_is_that_ones_note():
    notes = resolve(benchmark={"type": "manual", "slow_down_sleep_time": 1})[1]
    assert any("slow_down_sleep_time: manual does not use it" in note for note in notes)
