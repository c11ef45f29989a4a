# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The extra vars of the playbooks that look at the runs below an output directory."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.plugin_utils import below


def problems(playbook, **values):
    return below.problems_of(values, {}, playbook, lambda value: value)


@pytest.mark.parametrize(
    ("playbook", "name", "value", "words"),
    [
        ("compare", "threshold", "two", "not a difference"),
        ("compare", "threshold", "0", "not a difference"),
        ("compare", "threshold", "nan", "not a difference"),
        ("compare", "plan_difference", "-5", "not a difference"),
        ("runs", "valid", "perhaps", "Use true or false"),
        ("runs", "since", "last week", "how long ago"),
        ("runs", "since", "2026-13-01", "how long ago"),
        ("runs", "name", "", "is empty"),
        ("runs", "output_dir", "a\\b", "backslash"),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(playbook, name, value, words):
    (found,) = problems(playbook, **{name: value})
    assert found["path"] == name and words in f"{found['problem']} {found['remedy']}"


@pytest.mark.parametrize(
    ("playbook", "name", "meant"),
    [
        ("compare", "base_line", "baseline"),
        ("compare", "candidat", "candidate"),
        ("compare", "treshold", "threshold"),
        ("runs", "sinc", "since"),
        ("runs", "srt_slurm_outputdir", "srt_slurm_output_dir"),
    ],
)
def test_a_typo_is_an_error(playbook, name, meant):
    (found,) = problems(playbook, **{name: "x"})
    assert found["path"] == name and f"Did you mean {meant}?" in found["remedy"]


@pytest.mark.parametrize("value", ["5", 5, "5 %", "0.5%", 1e-3])
def test_what_is_right_has_no_problem(value):
    others = {"awx_job_id": 1, "ansible_user": "me", "keep": "true", "something": {}}
    assert problems("compare", threshold=value, baseline=7, candidate=["a", "b"], **others) == []
    assert problems("runs", tags="a,b", name="x*", model="y", valid=True, since="7d", **others) == []
