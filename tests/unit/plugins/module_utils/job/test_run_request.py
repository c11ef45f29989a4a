# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run options are held against the job before anything is submitted."""

from __future__ import annotations

import json

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_spec


@pytest.fixture
def run(tmp_path):
    """The entry, for a job that has the points 4 and 16 unless *changes* say otherwise."""

    def call(cluster="{}", changes=None, beside=None, **params):
        (tmp_path / "cluster.yaml").write_text(cluster)
        given = {"job": jobs.raw(**(changes or {})), "cluster_file": str(tmp_path / "cluster.yaml"), **params}
        return job_spec.answer(dict(check_paths=False, **given), None, beside).result

    return call


@pytest.mark.parametrize(("value", "wanted"), [(None, []), ("16", [16]), ([16, 4], [16, 4]), ([], [])])
def test_points_that_the_job_has(run, value, wanted):
    assert run(concurrencies=value)["concurrencies"] == wanted


def test_a_point_that_the_job_does_not_have(run):
    told = (
        r"a\.yaml:7: concurrencies: has 5, 6, which the job does not measure\. Its benchmark\.concurrencies are 4, 16"
    )
    with pytest.raises(SpecError, match=told):
        run(concurrencies="5,4,6", beside=job_spec.Given(places={"concurrencies": ("a.yaml", 7)}))
    with pytest.raises(SpecError, match=r"selects points, but the job has none \(benchmark.type manual\)\. Leave it"):
        run(changes={"benchmark": {"type": "manual", "isl": None, "osl": None, "concurrencies": None}}, concurrencies=4)


def test_a_type_of_benchmark_says_which_points_it_has(run, monkeypatch):
    monkeypatch.setattr(BENCHMARKS["sa-bench"], "choices", lambda spec: {"concurrencies": [2]})
    assert run(concurrencies=2)["concurrencies"] == [2]
    with pytest.raises(SpecError, match=r"has 4, which the job does not measure"):
        run(concurrencies=4)


def test_what_cannot_be_read_is_reported_once(run):
    with pytest.raises(SpecError) as caught:
        run(concurrencies="c2", job_id="3;reboot", output_dir="/a\\b")
    assert [one["path"] for one in caught.value.problems] == ["concurrencies", "job_id", "output_dir"]
    known = [{"file": "extra vars", "line": None, "path": "concurrencies", "problem": "is bad.", "remedy": None}]
    with pytest.raises(SpecError) as caught:
        run(concurrencies="c2", beside=job_spec.Given(problems=known))
    assert caught.value.problems == known


def test_a_frozen_job_is_held_against_them_too(run, tmp_path):
    path = tmp_path / "frozen.json"
    path.write_text(json.dumps({"jobs": run()["jobs"], "notes": []}))
    assert job_spec.run({"frozen": str(path), "concurrencies": "16"}, None)["concurrencies"] == [16]
    for wrong in ("5", "c2"):
        with pytest.raises(SpecError, match="concurrencies"):
            job_spec.run({"frozen": str(path), "concurrencies": wrong}, None)


def test_of_several_jobs_those_without_the_point_are_named(tmp_path):
    several = {"base": jobs.raw(), "override_few": {"benchmark": {"concurrencies": [4]}}, "override_all": {"name": "b"}}
    (tmp_path / "jobs.yaml").write_text(yaml.safe_dump(several))
    with pytest.raises(SpecError, match="concurrencies: in test_few: has 16, which the job does not measure"):
        job_spec.run({"job_file": str(tmp_path / "jobs.yaml"), "check_paths": False, "concurrencies": "4,16"}, None)


def test_the_output_directory_of_the_cluster_file(run):
    assert run("output_dir: /shared/outputs\n")["jobs"][0]["output_dir"] == "/shared/outputs"
    with pytest.raises(SpecError, match=r"cluster.yaml:2: output_dir: is /shared\\x, with a backslash.*Choose"):
        run("cluster: c\noutput_dir: /shared\\x\n")
    assert run("output_dir: /shared\\x\n", output_dir="/elsewhere")


def test_a_working_directory_that_slurm_cannot_take(run, tmp_path, monkeypatch):
    (tmp_path / "odd\\place").mkdir()
    monkeypatch.chdir(tmp_path / "odd\\place")
    with pytest.raises(Error, match=r"output_dir is .*/odd\\place/outputs, with a backslash.* -e output_dir=DIR"):
        run()


@pytest.mark.parametrize(("lease", "told"), [("abc", "lease_s: is abc, not a time. Use seconds"), ("5", "15 or more")])
def test_an_invalid_lease(run, lease, told):
    with pytest.raises(SpecError, match=told):
        run(lease_s=lease)
    assert run(lease_s="60")["lease_s"] == 60.0


@pytest.mark.parametrize(
    ("keep", "lease_s", "wanted"),
    [
        (None, None, (False, 120.0)),
        ("false", None, (False, 120.0)),
        ("0", None, (False, 120.0)),
        ("True", None, (True, 3600.0)),
        ("1", None, (True, 3600.0)),
        ("7200", None, (True, 7200.0)),
        ("7200", 30, (True, 30.0)),
        ("15", None, (True, 15.0)),
        ("90.5", None, (True, 90.5)),
        ("no", 600.0, (False, 600.0)),
    ],
)
def test_keep_and_lease(run, keep, lease_s, wanted):
    answer = run(keep=keep, lease_s=lease_s)
    assert (answer["keep"], answer["lease_s"]) == wanted


@pytest.mark.parametrize(("keep", "lease_s", "told"), [("5", None, "keep: is 5 seconds"), ("true", 5, "lease_s: is 5")])
def test_a_lease_that_is_too_short_is_refused(run, keep, lease_s, told):
    with pytest.raises(SpecError, match=f"{told}.*Use 15 or more"):
        run(keep=keep, lease_s=lease_s)
