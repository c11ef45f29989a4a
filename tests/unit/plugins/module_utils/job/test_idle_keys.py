# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key that a job sets gets a note where no value of it changes anything."""

from __future__ import annotations

import copy
import json

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.idle_keys import RECORDED
from ansible_collections.srt.slurm.plugins.module_utils.job.schema import JOB
from ansible_collections.srt.slurm.plugins.module_utils.schema.section import Checker
from job_fields import at, changed, leaves, values

ONE_NODE = {"agg_nodes": 1, "agg_workers": 1, "gpus_per_node": 8}
COMBINATIONS = {
    "mocker": jobs.raw(),
    "trtllm_serve": jobs.raw(backend={"type": "trtllm"}, frontend={"type": "trtllm_serve"}),
    "trtllm_serve alone": jobs.raw(
        backend={"type": "trtllm"}, frontend={"type": "trtllm_serve"}, resources={**jobs.AGGREGATED, **ONE_NODE}
    ),
    "vllm": jobs.raw(backend={"type": "vllm"}, frontend={"type": "vllm"}, resources={**jobs.AGGREGATED, **ONE_NODE}),
    "manual": {**jobs.raw(model={"container": "img:1"}), "benchmark": {"type": "manual"}},
}
FIELDS = list(leaves(JOB))
OFF = (None, False, "none", [], {}, "", 0, "inf", "None")
# They say how several workers, nodes or GPUs are used, and hold where there is only one.
TRIVIAL = (
    ("resources", "spread_workers"),
    ("backend", "set_cuda_visible_devices"),
    ("health_check", "fatal_log_markers"),  # an engine may have none
)


def planned(job):
    """Return what *job* does, as text, and its notes; None if it is refused."""
    try:
        found = jobs.resolved(copy.deepcopy(job))
    except SpecError:
        return None, []
    plan = jobs.plan_of(found.spec)
    done = {key: value for key, value in plan.items() if key not in ("spec", "notes")}
    done["node_metrics.csv"] = found.spec["benchmark"].get("export_node_metrics")  # made at the end of the run
    done["reporting"] = {key: one for key, one in found.spec.get("reporting", {}).items() if key != "ai_analysis"}
    return json.dumps(done), [*found.notes, *plan["notes"]]


def choices(field):
    """Return values of *field*, its default last if that turns something on."""
    checker = Checker()
    tried = values(field.type, field.default)[:5]
    found = [one for one in tried if checker.check(field.type, copy.deepcopy(one)) is not None]
    return found + ([] if field.default in OFF else [field.default])


def silent(job, path, field, before):
    """Return the values of *field* that change nothing and get no note, although no value would change anything."""
    found = []
    for value in choices(field):
        after, notes = planned(changed(job, path, value))
        if after != before:
            return []  # it does something here, or is refused
        if value not in OFF and not any(".".join(path) in note for note in notes):
            found.append(f"{'.'.join(path)}={value}")
    return found


LATER = (("identity", "frameworks"),)  # is compared when results are rolled up
QUICK = ("mocker", "trtllm_serve")  # the others add little, and take as long


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in COMBINATIONS]
)
def test_a_key_without_effect_in_this_combination_gets_a_note(name):
    job, found = COMBINATIONS[name], []
    before, _notes = planned(job)
    assert before
    for path, field, chosen in FIELDS:
        another = any(str(at(job, where) or "") != word for where, word in chosen.items() if where != path)
        if not another and path not in (*RECORDED, *TRIVIAL, *LATER):
            found += silent(job, path, field, before)
    assert found == []
