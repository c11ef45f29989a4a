# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""recipe.lock.yaml: a job with what it ran with, which can be run again and says what differs."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.results import recipe_lock

PLAN = {
    "job_id": "7",
    "inputs": {
        "model.path": {"path": "/m", "fingerprint": "aa"},
        "model.container": {"path": "/c", "fingerprint": None},
    },
    "digests": {"allocation": "x", "serving": "s1"},
}
PROVENANCE = {
    "collection": "0.2.0",
    "slurm": {"version": "24.11"},
    "engines": {"vllm": ["0.9"]},
    "facts": {"n1": {"before": {"gpus": [{"name": "H100", "driver": "570"}] * 8}}, "n2": {"before": {}}},
}
POINTS = [{"label": "c=4", "digest": "p1"}]
FACTS = {
    "collection": "0.2.0",
    "slurm": "24.11",
    "vllm": "0.9",
    "files of model.container": None,
    "files of model.path": "aa",
    "GPUs": "H100, driver 570",
    "digest of the service": "s1",
    "digest of c=4": "p1",
}


def lock(tmp_path):
    """Return the lock in the file of a run, as the next run of that file has it."""
    (tmp_path / "config.yaml").write_text("name: x\nmodel:\n  path: /m\n")
    rollup = {"job_id": "7", "valid": True, "provenance": PROVENANCE, "results": POINTS}
    found = yaml.safe_load(recipe_lock.text(rollup, {**PLAN, "run_dir": str(tmp_path)}))
    assert {key: value for key, value in found.items() if key != "lock"} == {"name": "x", "model": {"path": "/m"}}
    return found["lock"]


def test_the_file_is_the_job_with_what_it_ran_with(tmp_path):
    assert lock(tmp_path) == {"program": "srt.slurm", "job_id": "7", "valid": True, "facts": FACTS}


def test_a_run_without_a_stored_job_has_none(tmp_path):
    rollup = {"job_id": "7", "valid": True, "provenance": PROVENANCE, "results": POINTS}
    assert recipe_lock.text(rollup, {**PLAN, "run_dir": str(tmp_path)}) is None


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("vllm", "0.10", "vllm: 0.10, and 0.9 there."),
        ("files of model.path", "bb", "files of model.path: bb, and aa there."),
        ("files of model.container", "cc", "files of model.container: cc, and unknown there."),
        ("slurm", None, "slurm: unknown, and 24.11 there."),
        ("sglang", "1", "sglang: 1, and unknown there."),
        ("digest of c=8", "p2", "digest of c=8: p2, and unknown there."),
    ],
)
def test_each_difference_is_said(tmp_path, name, value, text):
    assert recipe_lock.differences(lock(tmp_path), {**FACTS, name: value}) == [
        f"Differs from job 7, whose recipe.lock.yaml was run: {text}"
    ]


def test_that_nothing_differs_is_said_and_nothing_of_a_job_without_a_lock(tmp_path):
    (said,) = recipe_lock.differences(lock(tmp_path), FACTS)
    assert said.startswith("Nothing that is known differs from job 7")
    assert recipe_lock.differences({}, FACTS) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"lock": 3}', '{"lock": {"facts": []}}'])
def test_a_damaged_record_is_none(tmp_path, content):
    (tmp_path / "7.json").write_text(content)
    assert recipe_lock.earlier({**PLAN, "run_dir": str(tmp_path)}) == {}
    (tmp_path / "7.json").write_text(json.dumps({"lock": {"facts": FACTS}}))
    assert recipe_lock.earlier({**PLAN, "run_dir": str(tmp_path)}) == {"facts": FACTS}
