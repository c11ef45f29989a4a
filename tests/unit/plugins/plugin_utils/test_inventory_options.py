# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of an inventory: with the prefix they set run options, without it they only get a note."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.srt.slurm.plugins.lookup import run_option
from ansible_collections.srt.slurm.plugins.module_utils import run_options
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import ExtraVars, effective, passed_on
from ansible_collections.srt.slurm.plugins.plugin_utils import inventory_options

JOB = {"name": "aa", "model": {"path": "/m"}, "resources": {"agg_nodes": 1}}


def host(**variables):
    return {"inventory_hostname": "localhost", "hostvars": {"localhost": variables}, **variables}


@pytest.mark.parametrize(
    ("extra", "variables", "option", "value"),
    [
        ({}, {"srt_slurm_keep": 30}, "keep", 30),
        ({"keep": 1}, {"srt_slurm_keep": 30}, "keep", 1),
        ({"srt_slurm_keep": 2}, {"srt_slurm_keep": 30}, "keep", 2),
        ({"keep": 1, "srt_slurm_keep": 2}, {}, "keep", 1),
        ({}, {"keep": 30}, "keep", None),
        ({}, {"srt_slurm_submit_host": "login"}, "srt_slurm_submit_host", None),
        ({"srt_slurm_submit_host": "login"}, {}, "srt_slurm_submit_host", "login"),
        ({}, {"srt_slurm_collection_dir": "/c"}, "srt_slurm_collection_dir", "/c"),
        (JOB, {"srt_slurm_job_file": "/j"}, "job_file", None),
        ({"job": JOB}, {"srt_slurm_job_file": "/j"}, "job_file", None),
        ({"job_file": "/k"}, {"srt_slurm_job": JOB}, "job", None),
        ({}, {"srt_slurm_job_file": "/j"}, "job_file", "/j"),
    ],
)
def test_what_sets_an_option(extra, variables, option, value):
    assert effective(extra, variables)[0].get(option) == value


def test_an_option_of_an_inventory_reaches_the_playbook_in_a_job():
    values, set_by = effective({}, {"srt_slurm_keep": 30, "srt_slurm_runtime_dir": "/r", "srt_slurm_job_file": "/j"})
    assert passed_on(values) == {"keep": 30} and set_by["keep"] == "srt_slurm_keep"
    assert passed_on({"srt_slurm_force": True, "srt_slurm_job_id": 1}) == {"srt_slurm_force": True}
    assert run_options.measures("srt_slurm_concurrencies") and not run_options.measures("srt_slurm_keep")


def test_a_wrong_value_is_said_with_the_variable_that_has_it():
    values, set_by = effective({}, {"srt_slurm_lease_s": 3})
    (problem,) = ExtraVars(values, lambda value: ("all.yml", 7), set_by=set_by).problems()
    assert (problem["file"], problem["line"], problem["path"]) == ("all.yml", 7, "srt_slurm_lease_s")


def test_a_misspelt_name_is_an_error():
    (problem,) = ExtraVars({"srt_slurm_ouput_dir": "/x"}, lambda value: (None, None)).problems()
    assert problem["remedy"] == "Did you mean srt_slurm_output_dir?"
    (problem,) = inventory_options.problems({}, host(srt_slurm_kep=1, srt_slurm_keep=1, srt_slurm_run={}, kep=1))
    assert (problem["path"], problem["remedy"]) == ("srt_slurm_kep", "Did you mean srt_slurm_keep?")
    assert inventory_options.problems({"srt_slurm_kep": 1}, host(srt_slurm_kep=1)) == []  # of the extra vars


def test_a_bare_name_gets_one_note():
    variables = host(keep=30, job_id=1, sandbox_nodes=3, ansible_user="me", srt_slurm_force=True)
    (note,) = inventory_options.notes({"job_id": 1}, variables, run_options.JOBS)
    assert note.startswith("Only -e sets keep: the inventory's value is not used.") and "srt_slurm_keep would" in note
    assert inventory_options.notes({"keep": 1, "job_id": 2}, variables, run_options.JOBS) == []
    assert inventory_options.notes({}, {}, run_options.JOBS) == []
    assert "srt_slurm_submit_host" in inventory_options.notes({}, host(srt_slurm_submit_host="x"), ("bench",))[0]


class Templar:
    def template(self, value):
        return value


def test_the_lookup(monkeypatch):
    monkeypatch.setattr(run_option, "load_extra_vars", lambda loader: {"lines": 0})
    lookup = run_option.LookupModule(loader=None, templar=Templar())
    assert lookup.run(["lines", "step"], {"srt_slurm_step": "nginx"}, default=20) == [0, "nginx"]
    assert lookup.run(["step"], {"step": "nginx"}) == [None]
    with pytest.raises(AnsibleLookupError, match="no run option kep"):
        lookup.run(["kep"], {})
