# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are accepted and cannot be acted on yet: none of them is passed over in silence."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import paths, unsupported
from ansible_collections.srt.slurm.plugins.module_utils.job.schema import JOB
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner

EXPORTER = {"container_image": "img:1", "port": 9400}
# A value for each key, with what its section needs beside it.
GIVEN = {
    "telemetry.enabled": {"telemetry": {"enabled": True, "dcgm_exporter": EXPORTER}},
    "observability.scrape_metrics": {"observability": {"scrape_metrics": True}},
    "observability.tachometer.enabled": {"observability": {"enabled": True, "tachometer": {"enabled": True}}},
    "observability.scrape_interval_seconds": {"observability": {"scrape_interval_seconds": 3}},
    "observability.scrape_output": {"observability": {"scrape_output": "x.jsonl"}},
    "benchmark.export_node_metrics": {"benchmark": {"export_node_metrics": True}},
    "benchmark.slow_down_sleep_time": {"benchmark": {"slow_down_sleep_time": 1}},
    "benchmark.slow_down_wait_time": {"benchmark": {"slow_down_wait_time": 5}},
}


def resolve(rehearse=False, **changes):
    """Return (spec, notes) of the test job with *changes*."""
    environment = paths.Environment(jobs.VARIABLES, ["/work"], False, rehearse)
    found = jobs.resolved(jobs.raw(**changes), environment=environment)
    return found.spec, found.notes


def test_every_key_is_tried_here():
    assert {".".join(path) for path in unsupported.REFUSED_KEYS + unsupported.UNUSED_KEYS} == set(GIVEN)


@pytest.mark.parametrize("path", [".".join(path) for path in unsupported.REFUSED_KEYS])
def test_what_a_user_waits_for_is_refused_in_a_run_and_shown_in_a_rehearsal(path):
    with pytest.raises(SpecError) as caught:
        resolve(**GIVEN[path])
    (problem,) = caught.value.problems
    assert problem["path"] == path and problem["code"] == "not_supported" and problem["remedy"] == "Leave it out."
    spec, notes = resolve(rehearse=True, **GIVEN[path])
    assert len([note for note in notes if note.startswith(f"{path} ") and "shown anyway" in note]) == 1
    # The rest of the job is planned as ever.
    assert planner.build(spec, planner.imaginary_allocation(spec))["benchmark"]["points"]


@pytest.mark.parametrize("path", [".".join(path) for path in unsupported.UNUSED_KEYS])
@pytest.mark.parametrize("rehearse", [True, False])
def test_what_is_harmless_gets_one_note(path, rehearse):
    notes = resolve(rehearse=rehearse, **GIVEN[path])[1]
    assert [note for note in notes if "not used by this version" in note] == [
        f"{path}: accepted, but not used by this version."
    ]


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


@pytest.mark.parametrize("path", unsupported.REFUSED_KEYS + unsupported.UNUSED_KEYS, ids=".".join)
def test_the_reference_says_it(path):
    section = JOB
    for key in path[:-1]:
        type_ = section.fields[key].type
        section = getattr(type_, "section", type_)
    words = unsupported.REFUSED if path in unsupported.REFUSED_KEYS else unsupported.UNUSED
    assert section.fields[path[-1]].doc.endswith(words)
