# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run the extra vars of stop.yml, status.yml and logs.yml mean."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils import run_options
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import ExtraVars
from ansible_collections.srt.slurm.plugins.plugin_utils import runs

JOB = {"name": "aa", "model": {"path": "/m"}, "resources": {"agg_nodes": 1}}


def extra(**values):
    return ExtraVars(values, lambda value: (None, None), more=run_options.OF_RUNS_ALONE)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("jobid", "job_id"), ("job-id", "job_id"), ("id", "job_id"), ("jid", "job_id"), ("slurm_job_id", "job_id"),
        ("jobs_id", "job_id"), ("rundir", "run_dir"), ("outputdir", "output_dir"), ("steps", "step"),
        ("run_id", "run_dir"), ("nodes", "node"),
    ],
)  # fmt: skip
def test_typos_are_reported(name, hint):
    assert [one["remedy"] for one in runs.typos(extra(**{name: "31"}))] == [f"Did you mean {hint}?"]


@pytest.mark.parametrize(
    "values",
    [{"job_id": "31"}, {"run_dir": "/o/31", "lines": 20}, {"step": "nginx", "follow": "false", "node": "n1"}, JOB,
     {"srt_slurm_submit_host": "login", "ansible_user": "me", "site": "x"}, {"job": JOB, "keep": "true"}],
)  # fmt: skip
def test_what_is_right_is_left_alone(values):
    assert runs.typos(extra(**values)) == []


@pytest.mark.parametrize("name", ["job_id", "run_dir", "output_dir", "cluster_file", "job_file"])
def test_an_unset_variable_of_the_shell_is_not_a_run(name):
    assert [(one["path"], "is empty" in one["problem"]) for one in runs.typos(extra(**{name: ""}))] == [(name, True)]


def test_the_name_of_a_job_is_its_files_to_give():
    assert [one["path"] for one in runs.typos(extra(name="aa"))] == ["name"]
    assert "-e job_file=job.yaml" in runs.typos(extra(job_name="aa"))[0]["remedy"]


def test_a_number_is_not_a_job():
    assert runs.typos(extra(job="31"))[0]["remedy"] == "Did you mean job_id=31?"
    assert "job_id=N" in runs.typos(extra(job="job.yaml"))[0]["remedy"]


def test_the_names_of_the_jobs_that_are_given(tmp_path):
    assert runs.names_of(extra(job_id="31")) == ([], None)
    assert runs.names_of(extra(**JOB))[0] == ["aa"]
    assert runs.names_of(extra(job=dict(JOB, name="{{ x }}")), lambda name: name.replace("{{ x }}", "bb "))[0] == ["bb"]
    assert runs.names_of(ExtraVars({"job": "{{ x }}"}, lambda value: (None, None), final=lambda value: JOB))[0] == [
        "aa"
    ]
    path = tmp_path / "jobs.yaml"
    path.write_text(yaml.safe_dump({"base": JOB, "override_x": {"model": {"path": "/x"}}, "override_y": {"name": "y"}}))
    assert runs.names_of(extra(job_file=str(path)))[0] == ["aa_x", "y"]
    assert runs.names_of(extra(job_file=f"{path}:override_x"))[0] == ["aa_x"]


def test_a_job_by_which_no_run_can_be_found():
    with pytest.raises(Error, match="has no name.*job_id=N"):
        runs.names_of(extra(model={}, resources={}))


class Templar:
    def template(self, value):
        return value.replace("{{ here }}", "/here") if isinstance(value, str) else value


@pytest.fixture
def completed(monkeypatch, tmp_path):
    """What the action makes of its task's arguments, for given extra vars."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SRTSLURM_CONFIG", raising=False)

    def complete(args, **values):
        monkeypatch.setattr(runs, "load_extra_vars", lambda loader: values)
        action = object.__new__(runs.RunAction)
        action._loader, action._templar = None, Templar()
        return action._with_output_dir(args, {})

    return complete


def test_the_task_says_whether_extra_vars_count(completed):
    assert completed({"job_id": "5"}, jobid="31", **JOB) == {"job_id": "5"}
    assert completed({"extra_vars": True}, **JOB) == {"job_names": ["aa"]}
    with pytest.raises(SpecError, match="jobid: is not a variable of srt.slurm. Did you mean job_id"):
        completed({"extra_vars": True}, jobid="31")


def test_the_output_directory_is_that_of_the_cluster_file(completed, tmp_path):
    for name in ("srtslurm.yaml", "other.yaml"):
        (tmp_path / name).write_text(f"output_dir: /from/{name}\n")
    assert completed({})["output_dir"] == "/from/srtslurm.yaml"
    assert (
        completed({"extra_vars": True}, cluster_file=str(tmp_path / "other.yaml"))["output_dir"] == "/from/other.yaml"
    )
    here = {"run_dir": "/x", "job_names": []}  # the cluster file does not matter
    assert completed({"run_dir": "/x", "extra_vars": True}, cluster_file="/no/such") == here
