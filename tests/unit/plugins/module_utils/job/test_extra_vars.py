# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import ExtraVars, in_clear, passed_on
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import parse_yaml


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


def test_how_numbers_are_written_and_where_mappings_are():
    values = tagged("model:\n  path: /m\nresources: {}\nenvironment:\n  A: x\n")
    values["dynamo"] = {"hash": 8, "version": 0.5}
    _job, source = ExtraVars(values, place, {8: "010"}.get).job()
    assert source.texts == {("dynamo", "hash"): "010"}
    assert source.where(("environment",)) == ("/job.yaml", 4)


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
        ExtraVars({"model": {"path": "/m"}}, place).problems()
    two = {**tagged("model: {path: /m}", "/a.yaml"), **tagged("resources: {agg_nodes: 1}", "/b.yaml")}
    with pytest.raises(Error, match="model comes from /a.yaml, resources from /b.yaml"):
        ExtraVars(two, place).job()


def test_no_job():
    extra = ExtraVars({"keep": "true"}, place)
    assert extra.form() is None and paths(extra) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("keep", value) for value in ("banana", 5, "14.9", "-20", "nan")],
        *[("lease_s", value) for value in (-1, "abc", 5, "14.9", "inf")],
        *[("wait_timeout_s", value) for value in ("soon", "-1", "nan", "inf")],
        *[("job_id", value) for value in ("", None, "3.0", "3;reboot", "abc", "1_2")],
        *[("concurrencies", value) for value in ("", "abc", "-4", "c2", "1e1", [2.5])],
        *[("job_retries", value) for value in (-1, "abc")],
        ("force", "maybe"),
        *[("output_dir", value) for value in ("", "/a\\b", "/a\nb")],
        ("cluster_file", ""),
    ],
)
def test_values_that_no_run_could_mean(name, value):
    found = ExtraVars({"job_file": "x", name: value}, lambda value: (None, None)).problems()
    assert [problem["path"] for problem in found] == [name]
    assert found[0]["remedy"]


def test_what_templates_make_of_a_value_counts():
    values = {"job_file": "x", "job_id": "{{ mine }}", "concurrencies": "{{ mine }}", "keep": "{{ mine }}"}
    made = ExtraVars(values, lambda value: (None, None), final=lambda value: value.replace("{{ mine }}", "31"))
    assert made.problems() == []


@pytest.mark.parametrize("value", [True, False, "yes", "no", 7200, "7200", 0, 1, "15", "on"])
def test_values_of_keep(value):
    assert ExtraVars({"job_file": "x", "keep": value}, lambda value: (None, None)).problems() == []


def test_a_base_with_overrides_is_read_from_a_file():
    extra = ExtraVars(tagged("base: {name: x}\noverride_a: {}\n", "/r/o.yaml"), place)
    with pytest.raises(Error, match="-e job_file=/r/o.yaml"):
        extra.form()
    assert ExtraVars({"base": 1, "keep": "true"}, place).form() is None, "somebody else's word"


def test_values_that_no_template_would_leave_as_they_are():
    job = tagged(FLAT)
    job["resources"]["odd"] = {"a", "b"}
    job["resources"]["list"] = [b"x"]
    extra = ExtraVars(job, place)
    extra.job()
    assert [(one["file"], one["path"]) for one in extra.unplain] == [
        ("/job.yaml", "resources.odd"),
        ("/job.yaml", "resources.list[0]"),
    ]
    assert "a set" in extra.unplain[0]["problem"] and "binary" in extra.unplain[1]["problem"]


USED = {"keep", "force", "concurrencies", "preflight_ignore", "worker_timeout_s"}


def test_what_means_something_inside_the_job_is_passed_on():
    values = {"keep": 60, "srt_x": 1, "output_dir": "/o", "model": {}, "ansible_user": "me", "benchmark_force": True}
    assert passed_on(values) == {"keep": 60, "srt_x": 1, "benchmark_force": True}


def test_secrets_are_not_passed_on_in_clear():
    values = {
        "keep": "600", "srt_hf_value": "from-the-vault", "worker_note": "has from-the-vault in it", "srt_token": "abc",
        "srt_pin": "1234", "srt_number": 42, "srt_nested": {"env": [{"API_KEY": "x"}]}, "srt_open": "yes it is",
    }  # fmt: skip
    kept, left_out = in_clear(values, {"from-the-vault", "1234", "600"}, {"srt_hf_value", "srt_pin", "keep"}, USED)
    assert kept == {"keep": "600", "srt_number": 42, "srt_open": "yes it is"}
    assert left_out == ["srt_hf_value", "worker_note", "srt_token", "srt_pin", "srt_nested"]


@pytest.mark.parametrize(
    ("values", "vaulted", "marked"),
    [
        ({"concurrencies": "4,16"}, {"4,16"}, {"concurrencies"}),
        ({"preflight_ignore": ["hidden-text"]}, {"hidden-text"}, set()),
        ({"preflight_ignore": ["clock"]}, set(), {"preflight_ignore"}),
        ({"concurrencies": "hf_abcdefghijklmnop"}, set(), set()),
    ],
)
def test_a_secret_that_is_needed_inside_is_an_error(values, vaulted, marked):
    (name,) = values
    with pytest.raises(SpecError, match=f"extra vars: {name}: is a secret or comes from a vault.*environment"):
        in_clear(values, vaulted, marked, USED)
    if marked:
        assert in_clear(values, set(), set(), USED) == (values, [])


def bomb(levels=9):
    value = ["x"] * 9
    for _level in range(levels):
        value = [value] * 9
    return value


def test_aliases_that_make_a_variable_larger_than_memory_are_an_error_before_anything_walks_it():
    with pytest.raises(SpecError, match="extra vars: theirs: expands to more than 500000 values. Use fewer aliases."):
        ExtraVars({"keep": "true", "theirs": {"deep": bomb()}}, place)
    with pytest.raises(Error, match="all extra vars expands to more than 500000 values"):
        ExtraVars({f"v{number}": bomb(4) for number in range(9)}, place)
    ExtraVars({"fine": bomb(4)}, place)


def test_a_variable_that_contains_itself_is_an_error():
    endless = []
    endless.append({"again": endless})
    with pytest.raises(SpecError, match="theirs: contains itself"):
        ExtraVars({"theirs": endless}, place)
