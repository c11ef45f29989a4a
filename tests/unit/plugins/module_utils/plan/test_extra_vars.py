# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.plan.extra_vars import ExtraVars
from ansible_collections.srt.slurm.plugins.module_utils.spec.source import parse_yaml


class Word(str):
    """Text that knows its place, as Ansible's tagged strings do."""

    where = (None, None)


def place(value):
    return getattr(value, "where", (None, None))


def tagged(text, file="/job.yaml"):
    """Return YAML *text* with the places of its keys."""
    document, source = parse_yaml(text, file)

    def walk(value, path):
        if isinstance(value, dict):
            return {word(key, source.where((*path, key), True)): walk(one, (*path, key)) for key, one in value.items()}
        if isinstance(value, list):
            return [walk(one, (*path, index)) for index, one in enumerate(value)]
        return word(value, source.where(path)) if isinstance(value, str) else value

    return walk(document, ())


def word(text, where):
    one = Word(text)
    one.where = where
    return one


FLAT = "name: x\nmodel:\n  path: /m\nresources:\n  agg_nodes: 1\nenvironment: {A: b}\ntags: [q]\n"


def paths(extra):
    return [(one["path"], one["remedy"]) for one in extra.problems()]


def test_flat_form():
    extra = ExtraVars({**tagged(FLAT), "keep": "true", "awx_id": 1, "theirs": 2}, place)
    assert extra.form() == "flat"
    job, source = extra.job()
    # tags is no key of a job, but it stands in the job's file: the schema will say so.
    assert set(job) == {"name", "model", "resources", "environment", "tags"}
    assert source.file == "/job.yaml"
    assert source.where(("model", "path")) == ("/job.yaml", 3)
    assert source.where(("resources",), on_key=True) == ("/job.yaml", 4)
    assert source.where(("environment", "A")) == ("/job.yaml", 6)
    assert paths(extra) == []


def test_command_line_replaces_a_key():
    extra = ExtraVars({**tagged(FLAT), "benchmark": {"type": "manual"}, "setup_script": "s.sh"}, place)
    job, _source = extra.job()
    assert job["benchmark"] == {"type": "manual"} and "setup_script" not in job


def test_form_job():
    nested = "job:\n" + "".join(f"  {line}\n" for line in FLAT.splitlines())
    extra = ExtraVars({**tagged(nested), "keep": "1"}, place)
    job, source = extra.job()
    assert extra.form() == "job" and set(job) == {"name", "model", "resources", "environment", "tags"}
    assert source.where(("model", "path")) == ("/job.yaml", 4)
    assert paths(extra) == []


def test_inline_form_has_no_file():
    extra = ExtraVars({"model": {"path": "/m"}, "resources": {}, "name": "x", "other": 1}, place)
    job, source = extra.job()
    assert set(job) == {"model", "resources", "name"} and source.file is None


@pytest.mark.parametrize(
    "name, hint",
    [
        ("kepp", "keep"),
        ("cluster_fil", "cluster_file"),
        ("job-id", "job_id"),
        ("lease", "lease_s"),
        ("benchmrk", "benchmark"),
    ],
)
def test_near_misses(name, hint):
    extra = ExtraVars({**tagged(FLAT), name: "1"}, place)
    assert paths(extra) == [(name, f"Did you mean {hint}?")]


@pytest.mark.parametrize(
    "name", ["ansible_user", "awx_job_id", "srt_slurm_x", "sandbox_nodes", "worker_plan", "my_thing", "site"]
)
def test_other_names_are_left_alone(name):
    assert paths(ExtraVars({**tagged(FLAT), name: "1"}, place)) == []
    assert paths(ExtraVars({"job_file": "x", name: "1"}, place)) == []


def test_job_keys_outside_of_the_job():
    extra = ExtraVars({"job_file": "x", "benchmark": {}, "setup_script": "s"}, place)
    assert [path for path, _remedy in paths(extra)] == ["benchmark"]


def test_errors():
    with pytest.raises(Error, match="given twice"):
        ExtraVars({"job": {"a": 1}, "job_file": "x"}, place).form()
    with pytest.raises(Error, match="given twice"):
        ExtraVars({**tagged(FLAT), "job_file": "x"}, place).form()
    with pytest.raises(Error, match="no resources"):
        ExtraVars(tagged("model: {path: /m}"), place).problems()
    two = {**tagged("model: {path: /m}", "/a.yaml"), **tagged("resources: {agg_nodes: 1}", "/b.yaml")}
    with pytest.raises(Error, match="model comes from /a.yaml, resources from /b.yaml"):
        ExtraVars(two, place).job()


def test_no_job():
    extra = ExtraVars({"keep": "true"}, place)
    assert extra.form() is None and paths(extra) == []


@pytest.mark.parametrize(
    ("name", "value"), [("keep", "banana"), ("lease_s", -1), ("lease_s", "abc"), ("wait_timeout_s", "soon")]
)
def test_values_that_no_run_could_mean(name, value):
    found = ExtraVars({"job_file": "x", name: value}, lambda value: (None, None)).problems()
    assert [problem["path"] for problem in found] == [name]


@pytest.mark.parametrize("value", [True, False, "yes", "no", 7200, "7200", 0, "on"])
def test_values_of_keep(value):
    assert ExtraVars({"job_file": "x", "keep": value}, lambda value: (None, None)).problems() == []
