# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Heterogeneous jobs: two parts for Slurm, one job for us."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder import slurm_calls
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands


def rows(*jobs):
    """Return a squeue that prints *jobs*, each (id, state, reason, nodes)."""
    lines = []
    for job_id, state, reason, nodes in jobs:
        values = dict.fromkeys(commands.JOB_FIELDS, "")
        values.update(id=job_id, state=state, reason=reason, name="n", nodelist=nodes)
        lines.append("\\037".join([*(values[key] for key in commands.JOB_FIELDS), job_id[0]]))
    return "printf '" + "\\n".join(lines) + "\\n'"


@pytest.mark.parametrize(
    "states, expected",
    [
        (("RUNNING", "RUNNING"), ("RUNNING", "None")),
        (("RUNNING", "PENDING"), ("PENDING", "Resources")),
        (("PENDING", "PENDING"), ("PENDING", "None")),
    ],
)
def test_parts_are_one_job(program, states, expected):
    reason = "Resources" if states[1] != states[0] else "None"
    second, first = ("5+1", states[1], reason, "n3"), ("5+0", states[0], "None", "n[1-2]")
    program("squeue", rows(("9", "RUNNING", "None", "n9"), second, first))
    found = {job["id"]: job for job in commands.jobs(user="me")}
    assert set(found) == {"9", "5"}
    assert (found["5"]["state"], found["5"]["reason"]) == expected
    assert found["5"]["nodelist"] == "n[1-2],n3"


def test_the_holder_asks_for_the_steps_of_all_components(program, monkeypatch, tmp_path):
    program("squeue", f'echo "$@" > {tmp_path}/asked; echo "5.1|prefill_0"; echo "6.2|decode_0"; echo "5.batch|batch"')
    monkeypatch.setenv("SLURM_HET_SIZE", "2")
    monkeypatch.setenv("SLURM_JOB_ID_HET_GROUP_0", "5")
    monkeypatch.setenv("SLURM_JOB_ID_HET_GROUP_1", "6")
    assert slurm_calls.Slurm("5").steps() == {"5.1": "prefill_0", "6.2": "decode_0"}
    assert "--jobs=5,6" in (tmp_path / "asked").read_text()
    monkeypatch.delenv("SLURM_HET_SIZE")
    assert slurm_calls.Slurm("5").jobs == "5"
