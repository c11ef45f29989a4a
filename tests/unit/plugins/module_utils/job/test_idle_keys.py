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
    "sglang": jobs.raw(backend={"type": "sglang"}, frontend={"type": "sglang"}, model={"container": "img:1"}),
    "manual": {**jobs.raw(model={"container": "img:1"}), "benchmark": {"type": "manual"}},
}
FIELDS = list(leaves(JOB))
ON = (None, False, "none", [], {}, "", 0, "inf", "None")


def planned(job):
    """Return what *job* does, as text, and its notes; None if it is refused."""
    try:
        found = jobs.resolved(copy.deepcopy(job))
    except SpecError:
        return None, []
    plan = jobs.plan_of(found.spec)
    done = {key: value for key, value in plan.items() if key not in ("spec", "notes")}
    return json.dumps(done), [*found.notes, *plan["notes"]]


def choices(field):
    """Return values of *field* that turn something on, the default among them."""
    checker = Checker()
    found = [*values(field.type)[:4], field.default]
    return [one for one in found if one not in ON and checker.check(field.type, copy.deepcopy(one)) is not None]


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_key_without_effect_in_this_combination_gets_a_note(name):
    job, silent = COMBINATIONS[name], []
    before, _notes = planned(job)
    assert before
    for path, field, chosen in FIELDS:
        if any(str(at(job, where) or "") != word for where, word in chosen.items() if where != path):
            continue  # of another engine
        tried = [(value, *planned(changed(job, path, value))) for value in choices(field)]
        tried = [one for one in tried if one[1]]  # not those that are refused
        if path in RECORDED or any(after != before for _value, after, _notes in tried):
            continue  # it does something here
        key = ".".join(path)
        silent += [f"{key}={value}" for value, _after, notes in tried if not any(key in note for note in notes)]
    assert silent == []
