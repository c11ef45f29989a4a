# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of a sweep: each shows its own results, and none of an older run."""

from __future__ import annotations

import json
import types

import pytest
from ansible_collections.srt.slurm.plugins.action import rollup as rollup_action
from ansible_collections.srt.slurm.plugins.action import sweep_run
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


def rollup_of(name, job_id, tps):
    point = {"label": "c=4", "concurrency": 4, "valid": True, "output_tps": tps, "mean_ttft_ms": 1.0, "more": 1}
    return {
        "job_name": name,
        "job_id": job_id,
        "benchmark_type": "sa-bench",
        "valid": True,
        "results": [point],
        "invalid_reasons": [],
    }


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """``call(*playbooks)`` runs the jobs a, b, ... with these in the playbook's place; an older run of a is there."""
    old = tmp_path / "outputs" / "1"
    old.mkdir(parents=True)
    (old / "rollup.json").write_text(json.dumps(rollup_of("a", "1", 9.0)))
    (old.parent / "latest").symlink_to("1")
    monkeypatch.setattr(sweep_run.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))

    def call(*playbooks, **params):
        left = list(playbooks)
        monkeypatch.setattr(sweep_run, "play", lambda _book, extra, _show: left.pop(0)(json.loads(extra[0])))
        jobs = [{"name": name, "output_dir": str(old.parent)} for name, _book in zip("abc", playbooks)]
        defaults = {"jobs": jobs, "origins": [], "secrets_path": None, "playbook": "b.yml", "stop_on_failure": False}
        try:
            return sweep_run.run(dict(defaults, **params), Context())["jobs"]
        except Error as error:
            return error.evidence["jobs"]

    return call


def hand_over(variables, result, check=False, monkeypatch=None):
    """The task rollup of the playbook, which the module's result comes from."""
    monkeypatch.setattr(StageAction, "run", lambda self, _tmp, _vars: result)
    action = object.__new__(rollup_action.ActionModule)
    action._task = types.SimpleNamespace(check_mode=check)
    return action.run(None, variables)


def test_a_job_that_failed_before_its_rollup_has_no_results_of_an_older_run(sweep):
    (record,) = sweep(lambda _variables: 2)
    assert (record["rc"], record["job_id"], record["path"], record["points"]) == (2, None, None, [])
    assert sweep_run.line(record) == "a: FAILED, no results"


@pytest.mark.parametrize("rc", [0, 2])
def test_the_rollup_of_the_run_is_shown(sweep, monkeypatch, rc):
    def playbook(variables):
        for job_id, tps in (("7", 1.0), ("8", 2.0)):  # a second attempt on other nodes
            result = {"rollup": rollup_of("a", job_id, tps), "path": f"/o/{job_id}/rollup.json", "changed": False}
            assert hand_over(variables, result, monkeypatch=monkeypatch) is result
        return rc

    first, second = sweep(playbook, lambda _variables: 0)
    assert (first["rc"], first["job_id"], first["path"], first["valid"]) == (rc, "8", "/o/8", True)
    (point,) = first["points"]
    assert point.items() >= {"label": "c=4", "concurrency": 4, "valid": True, "output_tps": 2.0}.items()
    assert "more" not in point
    assert second["job_id"] is None


def test_check_mode_and_a_rollup_that_failed_hand_nothing_over(sweep, monkeypatch):
    def checked(variables):
        hand_over(variables, {"rollup": rollup_of("a", "JOBID", 1.0), "path": "/o/x"}, True, monkeypatch)
        return 0

    def failed(variables):
        hand_over(variables, {"failed": True, "msg": "no plan"}, False, monkeypatch)
        return 2

    assert [record["verdict"] for record in sweep(checked, failed)] == [None, None]


def test_jobs_after_a_failure_are_left_out_on_demand(sweep):
    first, second = sweep(lambda _variables: 2, lambda _variables: 0, stop_on_failure=True)
    assert (first["rc"], second["rc"], second["job_id"]) == (2, None, None)
