# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules sync and publish: which runs are copied where, what is told, and that no failure is one of the run."""

from __future__ import annotations

import json
import os
import sys

import pytest
import run_results
import s3_server
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.secrets import references
from ansible_collections.srt.slurm.plugins.module_utils.stages import publish, rollup, sync

GOOD = '{"protocol_version": 1, "status": "published", "links": ["https://wiki/7"]}'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("s3") / "root"
    root.mkdir()
    with s3_server.serving(root) as one:
        yield one


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch):
    """Slurm does not answer, as on a machine without it."""

    def jobs(*_arguments, **_options):
        raise SlurmError("squeue does not answer.")

    monkeypatch.setattr(sync.ownership, "jobs", jobs)


@pytest.fixture
def bucket(request, server):
    name = f"b{abs(hash(request.node.name))}"
    server.settings(name)
    return name


@pytest.fixture
def outputs(tmp_path):
    """Two runs, one that has not finished, what is no run, and a sweep."""
    for run, name in (("7", "quick start"), ("8", "other"), ("7.earlier1", "quick start"), ("notes", "no run")):
        folder = tmp_path / "outputs" / run
        (folder / "logs").mkdir(parents=True)
        (folder / "logs" / "a.out").write_text(f"log of {run}\n")
        about = {"job_name": name, "submitted_at": f"2026-11-30T10:00:0{run[0] if run[0].isdigit() else 0}"}
        (folder / f"{run.partition('.')[0]}.json").write_text(json.dumps(about))
        if run != "8":
            (folder / "rollup.json").write_text("{}")
    (tmp_path / "outputs" / "latest").symlink_to("8")
    folder = tmp_path / "outputs" / "sweeps" / "nightly"
    (folder / "variants" / "a").mkdir(parents=True)
    (folder / "variants" / "a" / "rollup.json").write_text("{}")
    record = {"schema_version": 1, "name": "nightly", "state": "finished", "output_dir": "", "points": {}, "left": []}
    (folder / "sweep.json").write_text(json.dumps({**record, "allocation_names": [], "best": [], "jobs": []}))
    return tmp_path / "outputs"


def copied(server, bucket, outputs, check_mode=False, diff=False, storage=None, **params):
    defaults = {name: one.get("default") for name, one in sync.ARGUMENT_SPEC.items()}
    storage = {**server.settings(bucket), **(storage or {})}
    given = {**defaults, "output_dir": str(outputs), "storage": storage, **params}
    return sync.run(given, Context(check_mode=check_mode, diff=diff))


def test_a_run_is_copied_under_the_name_and_the_id_of_its_job(server, bucket, outputs):
    result = copied(server, bucket, outputs, job_id="7", storage={"prefix": "/my-team//x/"})
    (one,) = result["runs"]
    assert one["url"].startswith(f"s3://{bucket}/my-team/x/quick-start-") and one["url"].endswith("/7")
    assert (one["new"], one["changed"], one["finished"]) == (3, 0, True) and result["changed"]
    assert f"{outputs}/7: 3 new, 0 changed, 0 the same: " in result["text"]
    assert not copied(server, bucket, outputs, job_id="7", storage={"prefix": "my-team/x"})["changed"]


def test_the_newest_run_is_meant_by_default_and_one_that_has_not_finished_is_told(server, bucket, outputs):
    result = copied(server, bucket, outputs)
    assert result["runs"][0]["run_dir"] == f"{outputs}/8" and result["runs"][0]["finished"] is False
    assert "(the run has not finished: what it has now)" in result["text"]


def test_all_runs_and_sweeps_are_copied_and_nothing_else(server, bucket, outputs):
    result = copied(server, bucket, outputs, all_runs=True)
    assert [os.path.basename(one["run_dir"]) for one in result["runs"]] == ["7", "7.earlier1", "8", "nightly"]
    keys = server.objects(bucket)
    assert keys["sweeps/nightly/variants/a/rollup.json"] == b"{}"
    assert keys["other/8/logs/a.out"] == b"log of 8\n" and not any("notes" in key for key in keys)
    assert copied(server, bucket, outputs, all_runs=True)["changed"] is False
    with pytest.raises(Error, match="all_runs is set beside run_dir or job_id"):
        copied(server, bucket, outputs, all_runs=True, job_id="7")


def test_a_sweep_is_copied_by_its_directory(server, bucket, outputs):
    result = copied(server, bucket, outputs, run_dir=f"{outputs}/sweeps/nightly")
    assert result["runs"][0]["url"] == f"s3://{bucket}/sweeps/nightly" and result["runs"][0]["new"] == 2


@pytest.mark.parametrize(("ended_by", "finished"), [("the answer", True), (None, False)])
def test_a_comparison_in_turns_is_copied_too(server, bucket, outputs, ended_by, finished):
    folder = outputs / "sweeps" / "a-vs-b"
    (folder / "variants" / "baseline_01").mkdir(parents=True)
    (folder / "variants" / "baseline_01" / "rollup.json").write_text("{}")
    (folder / "ab.json").write_text(json.dumps({"schema_version": 1, "ended_by": ended_by}))
    (folder / ".lock-ab").write_text("")
    (outputs / "sweeps" / "notes").mkdir()
    runs = copied(server, bucket, outputs, all_runs=True)["runs"]
    found = {os.path.basename(one["run_dir"]): one["finished"] for one in runs}
    assert found["a-vs-b"] is finished and "notes" not in found
    keys = [key for key in server.objects(bucket) if "a-vs-b" in key and ".srt-sync" not in key]
    assert sorted(keys) == ["sweeps/a-vs-b/ab.json", "sweeps/a-vs-b/variants/baseline_01/rollup.json"]


def test_check_mode_lists_what_would_go(server, bucket, outputs):
    result = copied(server, bucket, outputs, check_mode=True, diff=True, run_dir=f"{outputs}/8")
    assert result["changed"] and server.objects(bucket) == {}
    lines = result["diff"]["after"].splitlines()
    assert "new other/8/logs/a.out (9 B)" in lines and len(lines) == 2 and "would go to" in result["text"]


def test_no_run_is_an_error(server, bucket, tmp_path):
    with pytest.raises(Error, match="There is no run below"):
        copied(server, bucket, tmp_path, all_runs=True)
    with pytest.raises(Error, match="storage is missing"):
        sync.run({"storage": None}, Context())


def test_keys_of_the_task_come_before_those_of_the_storage(server, bucket, outputs):
    wrong = {"access_key_id": "wrong", "secret_access_key": "wrong"}
    right = {"access_key_id": s3_server.KEY, "secret_access_key": s3_server.SECRET}
    with pytest.raises(Error, match="storage.bucket: .*does not accept the credentials"):
        copied(server, bucket, outputs, job_id="7", storage=wrong)
    assert copied(server, bucket, outputs, job_id="7", storage=wrong, **right)["runs"][0]["new"] == 3


# ---- publish ----


@pytest.fixture
def plan(tmp_path):
    """The plan of a run with results and a rollup."""
    folder = tmp_path / "out" / "7"
    folder.mkdir(parents=True)
    plan = run_results.make_plan(folder)
    (folder / "7.json").write_text('{"job_name": "quick", "submitted_at": "2026-11-30T10:00:00"}')
    rollup.run({"plan": plan, "failure": None, "concurrencies": []}, Context())
    return plan


def told(plan, check_mode=False, failed=False, secrets=None, **reporting):
    plan = {**plan, "spec": {**plan["spec"], "reporting": reporting}}
    return publish.run({"plan": plan, "failed": failed, "secrets": secrets}, Context(check_mode=check_mode))


def program(code, name="p"):
    return {"name": name, "command": [sys.executable, "-c", code], "timeout_seconds": 20}


def test_a_publisher_is_told_once_of_a_run_and_again_of_other_results(plan):
    code = f"import sys; open('heard', 'a').write(sys.stdin.read() + chr(10)); print({GOOD!r})"
    assert told(plan, publishers=[program(code)])["publishers"] == [
        {"name": "p", "status": "published", "links": ["https://wiki/7"], "problem": None}
    ]
    again = told(plan, publishers=[program(code)])
    assert (again["changed"], again["publishers"], again["warnings"]) == (False, [], [])
    told(plan, publishers=[program(code)], failed=True)
    path = f"{plan['run_dir']}/rollup.json"
    with open(path) as stream:
        known = json.load(stream)
    with open(path, "w") as stream:
        json.dump({**known, "generated_at": "2026-12-01T00:00:00Z"}, stream)
    told(plan, publishers=[program(code)], failed=True)
    with open(f"{plan['run_dir']}/heard") as stream:
        heard = [json.loads(line) for line in stream]
    assert [one["run_exit_code"] for one in heard] == [0, 2]
    assert {one["rollup_path"] for one in heard} == {path} and {one["job_id"] for one in heard} == {plan["job_id"]}


def test_a_failure_is_a_warning_and_the_others_are_told(plan):
    result = told(plan, publishers=[program("raise SystemExit(1)"), program(f"print({GOOD!r})", "q")])
    assert [one["status"] for one in result["publishers"]] == ["failed", "published"]
    assert result["exit_code"] == 0 and result["text"] == "publisher q: published"
    (warning,) = result["warnings"]
    assert warning.startswith("Publisher p failed: it ended with exit code 1. See ") and "p.json" in warning


def test_check_mode_tells_nobody(plan, server, bucket):
    code = "open('heard', 'a')"
    result = told(plan, check_mode=True, publishers=[program(code)], s3=server.settings(bucket))
    assert (result["publishers"], result["copy"], result["changed"]) == ([], None, False)
    assert server.objects(bucket) == {} and not os.path.exists(f"{plan['run_dir']}/heard")


def test_the_copy_has_the_receipts_and_needs_no_key_in_the_plan(plan, server, bucket):
    reference = references.reference("secret_access_key", s3_server.SECRET, b"k" * 32)
    settings = server.settings(bucket, secret_access_key=reference)
    result = told(plan, publishers=[program(f"print({GOOD!r})")], s3=settings, secrets={reference: s3_server.SECRET})
    assert result["warnings"] == [] and result["logs_url"] == f"s3://{bucket}/quick/7"
    objects = server.objects(bucket)
    assert b"published" in objects["quick/7/logs/publishers/p.json"] and "quick/7/rollup.json" in objects
    assert not any(s3_server.SECRET.encode() in data for data in objects.values())


@pytest.mark.parametrize("failed", [False, True])
def test_a_copy_that_fails_is_a_warning(plan, server, bucket, failed):
    result = told(plan, failed=failed, s3={**server.settings(bucket), "bucket": "nope"})
    (warning,) = result["warnings"]
    assert "The run was not copied" in warning and "reporting.s3.bucket: " in warning and "Create it" in warning
    assert (result["copy"], result["exit_code"]) == (None, 2 if failed else 0)


def test_the_job_of_a_sweep_is_copied_from_its_own_directory(plan, server, bucket, tmp_path):
    variant = tmp_path / "out" / "sweeps" / "nightly" / "variants" / "a"
    variant.mkdir(parents=True)
    (variant / "rollup.json").write_text("{}")
    spec = {**plan["spec"], "reporting": {"s3": server.settings(bucket)}}
    publish.run({"plan": {**plan, "spec": spec}, "variant_dir": str(variant)}, Context())
    assert "sweeps/nightly/variants/a/rollup.json" in server.objects(bucket)
