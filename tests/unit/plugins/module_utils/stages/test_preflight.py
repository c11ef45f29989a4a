# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight: the real program on this host in place of each node, over a fake Slurm."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import resource
import socket
import time

import checked_nodes
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, StepError
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from ansible_collections.srt.slurm.plugins.module_utils.stages import open_files, preflight
from checked_nodes import NODES
from fake_holder import make_step

POINT = {"name": "bench_c9", "label": "c=9", "result": "results/c9.json", "digest": "d"}


@pytest.fixture
def made(tmp_path, monkeypatch):
    return checked_nodes.make(tmp_path, monkeypatch)


def test_nothing_is_wrong(made):
    plan, _talk, call = made
    result = call()
    assert [one["node"] for one in result["nodes"]] == list(NODES)
    assert (result["changed"], [p for p in result["problems"] if p["fatal"]]) == (False, [])
    assert call()["changed"] is False
    assert not pathlib.Path(plan["run_dir"], "evidence").exists()


@pytest.mark.parametrize("printed", [b"Welcome\n{\n", b"K\xf6ln\n", b"be {nice}\0"])
def test_what_a_prolog_of_the_site_prints_is_no_report(made, monkeypatch, printed):
    _plan, talk, call = made
    monkeypatch.setattr(preflight, "SHARED_DISK_S", 0.0)
    talk.slurm.prolog = printed
    assert [one["node"] for one in call()["nodes"]] == list(NODES)


def test_nothing_is_done_in_check_mode_or_when_all_runs(made):
    plan, talk, call = made
    assert call(check=True)["skipped_because"] == "check mode"
    asks = [srun.start_request(step, "42", plan["run_dir"]) for step in plan["steps"]]
    talk.request("start", steps=asks, wait_s=10)
    assert call()["skipped_because"] == "all steps run already"
    assert sorted(name for name, _argv, _env in talk.slurm.spawned) == ["w_0", "w_1"]


def test_a_port_of_a_foreign_process_names_node_step_and_port_and_is_retryable_elsewhere(made):
    plan, _talk, call = made
    with socket.socket() as stranger:
        stranger.bind(("", 0))
        stranger.listen()
        plan["checks"][0]["port"] = port = stranger.getsockname()[1]
        with pytest.raises(Error, match=f"node001: port {port} of w_0 is in use by another process") as caught:
            call()
        assert (caught.value.evidence["bad_nodes"], caught.value.evidence["retryable"]) == (["node001"], True)
        assert call(ignore=["port"])["changed"] is False


def test_a_port_that_another_controller_s_step_took_meanwhile_is_fine(made, monkeypatch):
    plan, talk, call = made
    real = preflight._ask

    def ask(*args):
        talk.request("start", steps=[srun.start_request(plan["steps"][0], "42", plan["run_dir"])], wait_s=10)
        return real(*args)

    with socket.socket() as ours:
        ours.bind(("", 0))
        ours.listen()
        plan["checks"][0]["port"] = ours.getsockname()[1]
        monkeypatch.setattr(preflight, "_ask", ask)
        assert call()["problems"] == []


def test_too_little_space_and_missing_mounts(made):
    plan, _talk, call = made
    plan["steps"][1]["mounts"] = ["/no/such/model:/model"]
    with pytest.raises(Error, match=r"node002: /no/such/model is to be mounted but does not exist") as caught:
        call()
    assert caught.value.evidence["bad_nodes"] == ["node002"]
    with pytest.raises(Error, match=r"MiB left, but 1000000000 are needed") as caught:
        call(min_free_mib=1000000000)
    assert caught.value.evidence["retryable"] is False  # all nodes say so


def test_a_container_image_that_a_node_lacks(made, tmp_path):
    plan, _talk, call = made
    (tmp_path / "engine.sqsh").write_text("")
    plan["steps"][0]["container"] = {"runtime": "pyxis", "image": str(tmp_path / "engine.sqsh")}
    plan["steps"][1]["container"] = {"runtime": "pyxis", "image": "nvcr.io#team/engine:1"}
    assert not [problem for problem in call()["problems"] if problem["fatal"]]
    client = make_step("bench_c4", NODES[1], container={"runtime": "pyxis", "image": "/no/client.sqsh"})
    plan["benchmark"]["points"] = [{**POINT, "key": {}, "step": client}, {**POINT, "key": {}, "step": client}]
    with pytest.raises(
        Error, match=r": node002: the container image /no/client.sqsh does not exist\. playbooks/doctor"
    ):
        call()
    call(ignore=["image"])


def test_too_few_open_files_are_found_before_anything_starts(made):
    plan, _talk, call = made
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    step = make_step("bench_c9", NODES[1], kind="benchmark")
    plan["benchmark"] = {"type": "sa-bench", "points": [{**POINT, "key": {"concurrency": allowed}, "step": step}]}
    assert open_files.open_files(plan) == {"node001": 256, "node002": allowed + 128}
    with pytest.raises(Error, match=f"node002: a process may open {allowed} files .*, but {allowed + 128} are needed"):
        call()
    assert call(ignore=["limit"])["nodes"]


def test_a_clock_that_is_off_is_reported(made, monkeypatch):
    _plan, _talk, call = made
    real = preflight._ask

    def ask(*args):
        reports, sent, back = real(*args)
        return reports, sent + 60, back + 60

    monkeypatch.setattr(preflight, "_ask", ask)
    problems = call()["problems"]
    assert {(p["node"], p["check"], p["fatal"]) for p in problems} == {(node, "clock", False) for node in NODES}


def test_a_node_that_fails_is_named(made):
    _plan, talk, call = made
    talk.slurm.outcomes["preflight"] = [(0, "srun: error: Node failure on node002")]
    with pytest.raises(StepError, match="Step preflight on node002") as caught:
        call()
    assert (caught.value.evidence["bad_nodes"], caught.value.evidence["retryable"]) == (["node002"], True)


def test_gpus_that_nobody_could_look_at_are_a_note(made, monkeypatch, tmp_path):
    plan, _talk, call = made
    checked_nodes.without_nvidia_smi(monkeypatch, tmp_path)
    result = call()
    note = "gpu not checked on node001, node002: no nvidia-smi"
    assert result["notes"] == [note] and call.lines.count(note) == 1
    assert [one["gpus"] for one in result["nodes"]] == [None, None]
    assert call(ignore=["gpu"])["notes"] == []
    plan["nodes"] = [dict(node, gpus=0) for node in plan["nodes"]]
    assert call()["notes"] == []


def test_the_nodes_get_what_may_be_cleaned(made):
    plan, talk, call = made
    talk.request("start", steps=[srun.start_request(plan["steps"][0], "42", plan["run_dir"])], wait_s=10)
    call(timeout_s=60.0)
    (table,) = talk.slurm.tables
    assert (table["job_id"], table["live"], table["cluster"]) == ("42", ["42"], "here@login")
    assert (table["newest_step"], table["longest_s"]) == (0, 60.0)
    assert not list(pathlib.Path(plan["run_dir"]).glob(preflight.TABLE.format(nonce="*")))


def test_a_report_of_an_earlier_look_is_not_taken_for_one_of_today(made, monkeypatch):
    plan, talk, call = made
    call()
    log = pathlib.Path(plan["run_dir"], "logs", "node002_preflight.out")
    talk.slurm.cached["node002"] = log.read_text()
    monkeypatch.setattr(preflight, "SHARED_DISK_S", 0.0)
    with pytest.raises(Error, match=r"no report of node002 was found"):
        call()
    assert len({table["nonce"] for table in talk.slurm.tables}) == len(talk.slurm.tables) == 3  # it looks twice


def test_a_report_that_is_missing_once_is_not_a_failure(made, monkeypatch):
    plan, talk, call = made
    call()
    talk.slurm.cached["node002"] = pathlib.Path(plan["run_dir"], "logs", "node002_preflight.out").read_text()
    monkeypatch.setattr(preflight, "SHARED_DISK_S", 0.0)
    read = preflight._read

    def once(*args):
        found = read(*args)
        talk.slurm.cached.clear()
        return found

    monkeypatch.setattr(preflight, "_read", once)
    assert len(call()["nodes"]) == 2
    assert len(talk.slurm.tables) == 3


def test_tables_of_controllers_that_were_killed_are_removed(made):
    plan, talk, call = made
    old, new = (pathlib.Path(plan["run_dir"], preflight.TABLE.format(nonce=name)) for name in ("old", "new"))
    for path, age in ((old, 2 * preflight.OLD_S), (new, 0)):
        path.write_text("{}")
        os.utime(path, (time.time() - age, time.time() - age))
    call()
    assert list(pathlib.Path(plan["run_dir"]).glob(".preflight-*")) == [new]


def start_of_another(talk, plan):
    """Start the preflight of another controller, which runs until somebody ends it."""
    talk.slurm.held = 1
    steps = preflight._steps(plan, list(NODES), "/its/table.json")
    talk.request("start", steps=[srun.start_request(step, "42", plan["run_dir"]) for step in steps], wait_s=10)


def test_the_look_of_another_controller_is_waited_for_and_not_taken_for_ours(made):
    plan, talk, call = made
    start_of_another(talk, plan)
    call.heard = lambda line: talk.slurm.end("preflight") if "another controller" in line else None
    assert [one["nonce"] for one in call()["nodes"]] == [talk.slurm.tables[0]["nonce"]] * 2
    assert call.lines.count("another controller checks the nodes; waiting for it") == 1
    assert [name for name, _argv, _env in talk.slurm.spawned] == ["preflight", "preflight"]
    assert talk.slurm.signalled == []


def test_a_controller_that_is_a_moment_late_leaves_the_other_one_s_step_alone(made, monkeypatch):
    plan, talk, call = made
    real, looks = preflight._records, []

    def late(*args):
        looks.append(args)
        if len(looks) > 1:
            return real(*args)
        records = real(*args)
        start_of_another(talk, plan)
        return records

    monkeypatch.setattr(preflight, "_records", late)
    call.heard = lambda line: talk.slurm.end("preflight") if "another controller" in line else None
    assert [one["node"] for one in call()["nodes"]] == list(NODES)
    assert (len(looks), talk.slurm.signalled) == (2, [])
    assert not list(pathlib.Path(plan["run_dir"]).glob(preflight.TABLE.format(nonce="*")))


def test_reports_are_found_also_when_another_controller_looks_before_they_are_read(made, monkeypatch):
    _plan, talk, call = made
    real, inner = preflight._read, []

    def read(*args):
        if not inner:
            inner.append(None)
            inner.append(call())
        return real(*args)

    monkeypatch.setattr(preflight, "_read", read)
    outer, first = call(), talk.slurm.tables[0]["nonce"]
    assert [one["nonce"] for one in outer["nodes"]] == [first] * 2
    assert first not in [one["nonce"] for one in inner[1]["nodes"]]


def test_the_look_of_a_controller_that_is_gone_is_not_waited_for_for_ever(made):
    plan, talk, _call = made
    start_of_another(talk, plan)
    records = preflight._records(talk, time.monotonic(), Context())
    assert records["preflight"]["state"] == "ended"
    assert talk.slurm.signalled == [("TERM", ("42.0",))]


def test_what_is_left_is_reported_when_nothing_is_cleaned(made):
    plan, _talk, call = made
    run_dir = pathlib.Path(plan["run_dir"]).parent / "7"
    run_dir.mkdir()
    (run_dir / "7.json").write_text(json.dumps({"slurm_cluster": "here@login"}))
    mark = hashlib.sha256(str(run_dir).encode()).hexdigest()[:8]
    left = pathlib.Path(f"/tmp/srt-7-{mark}-nats")
    left.mkdir()
    try:
        result = call(clean=False)
        notes = [f"{node}: left behind and not removed: {left}" for node in NODES]
        assert [note for note in result["notes"] if "left behind" in note] == notes
        assert [line for line in call.lines if "left behind" in line] == notes
        assert left.exists() and result["changed"] is False
        result = call()
        assert not left.exists() and [note for note in result["notes"] if "left behind" in note] == []
    finally:
        left.rmdir() if left.exists() else None
