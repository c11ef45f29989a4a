# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Preflight: the real program on this host in place of each node, over a fake Slurm."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, StepError
from ansible_collections.srt.slurm.plugins.module_utils.runner import Context
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands, driver, preflight, preflight_node, srun
from fake_holder import FakeDriver, FakeSlurm, make_plan, make_step

NODES = ("node001", "node002")


class Nodes(FakeSlurm):
    """Runs the program of preflight once for each node, as srun would."""

    run_dir = lost = None

    def spawn(self, argv, env, err_path):
        if "--job-name=preflight" in argv and not self.outcomes.get("preflight"):
            program = argv[argv.index("python3") :]
            for node in NODES:
                done = subprocess.run(
                    [sys.executable, *program[1:]], env=dict(os.environ, SLURMD_NODENAME=node), capture_output=True,
                    text=True, check=True, timeout=60,
                )  # fmt: skip
                pathlib.Path(self.run_dir, "logs", f"{node}_preflight.out").write_text(done.stdout)
            self.outcomes["preflight"] = [(0, "")]
        return super().spawn(argv, env, err_path)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A plan of one worker on each of two nodes; returns (plan, driver, call)."""
    slurm = Nodes()
    run_dir = tmp_path / "out" / "42"
    run_dir.mkdir(parents=True)
    slurm.run_dir = str(run_dir)
    talk = FakeDriver(run_dir, slurm=slurm)
    steps = [make_step(f"w_{i}", node) for i, node in enumerate(NODES)]
    checks = [{"name": "w_0", "kind": "tcp", "host": "10.0.0.1", "port": 0, "steps": ["w_0"]}]
    nodes = [{"name": node, "address": f"10.0.0.{i + 1}", "gpus": 8} for i, node in enumerate(NODES)]
    plan = make_plan(run_dir, steps, checks=checks, nodes=nodes)
    monkeypatch.setattr(driver, "connect_plan", lambda _plan, _ctx: talk)
    monkeypatch.setattr(commands, "jobs", lambda **_limits: [{"id": "42"}])
    monkeypatch.setattr(commands, "cluster", lambda: "here@login")
    lines = []

    def call(check=False, **params):
        defaults = {key: option.get("default") for key, option in preflight.ARGUMENT_SPEC.items()}
        wanted = {"min_free_mib": 0, "min_shm_mib": 0, **params}
        return preflight.run(dict(defaults, plan=plan, **wanted), Context(check_mode=check, progress=lines.append))

    call.lines = lines
    return plan, talk, call


def test_nothing_is_wrong(made):
    plan, _talk, call = made
    result = call()
    assert [one["node"] for one in result["nodes"]] == list(NODES)
    assert (result["changed"], [p for p in result["problems"] if p["fatal"]]) == (False, [])
    assert call()["changed"] is False
    assert not pathlib.Path(plan["run_dir"], "evidence").exists()


def test_nothing_is_done_in_check_mode_or_when_all_runs(made):
    plan, talk, call = made
    assert call(check=True)["skipped_because"] == "check mode"
    asks = [srun.start_request(step, "42", plan["run_dir"]) for step in plan["steps"]]
    talk.request("start", steps=asks, wait_s=10)
    assert call()["skipped_because"] == "all steps run already"
    assert sorted(name for name, _argv, _env in talk.slurm.spawned) == ["w_0", "w_1"]


def test_a_port_of_a_stranger_names_node_step_and_port_and_can_be_cured_elsewhere(made):
    plan, _talk, call = made
    with socket.socket() as stranger:
        stranger.bind(("", 0))
        stranger.listen()
        plan["checks"][0]["port"] = port = stranger.getsockname()[1]
        with pytest.raises(Error, match=f"node001: port {port} of w_0 is taken by another process") as caught:
            call()
        assert (caught.value.evidence["bad_nodes"], caught.value.evidence["curable"]) == (["node001"], True)
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
    with pytest.raises(Error, match=r"node002: /no/such/model is to be mounted and does not exist") as caught:
        call()
    assert caught.value.evidence["bad_nodes"] == ["node002"]
    with pytest.raises(Error, match=r"MiB left, 1000000000 are needed") as caught:
        call(min_free_mib=1000000000)
    assert caught.value.evidence["curable"] is False  # all nodes say so


def test_a_clock_that_is_off_is_told(made, monkeypatch):
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
    assert (caught.value.evidence["bad_nodes"], caught.value.evidence["curable"]) == (["node002"], True)


def test_gpus_are_counted_and_must_be_idle(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\ncase \"$*\" in *compute-apps*) echo '4711, python, 7000';; *) echo '0, GPU-a, 7000';; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    problems, count = preflight_node.gpus(2, True)
    assert count == 1
    assert [p["text"] for p in problems] == [
        "1 of 2 GPUs are visible",
        "1 foreign processes use GPUs: 4711, python, 7000",
    ]
    assert preflight_node.gpus(1, False) == ([], 1)


def without_nvidia_smi(monkeypatch, tmp_path):
    """Let the PATH of the nodes have nothing but what the program needs."""
    folder = tmp_path / "bare"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))


def test_gpus_that_nobody_could_look_at_are_a_note(made, monkeypatch, tmp_path):
    plan, _talk, call = made
    without_nvidia_smi(monkeypatch, tmp_path)
    result = call()
    note = "gpu not checked on node001, node002: no nvidia-smi"
    assert result["notes"] == [note] and call.lines.count(note) == 1
    assert [one["gpus"] for one in result["nodes"]] == [None, None]
    assert call(ignore=["gpu"])["notes"] == []
    plan["nodes"] = [dict(node, gpus=0) for node in plan["nodes"]]
    assert call()["notes"] == []


def test_an_nvidia_smi_that_hangs_is_a_finding(program, monkeypatch):
    program("nvidia-smi", "case \"$*\" in *compute-apps*) exec sleep 60;; *) echo '0, GPU-a, 70';; esac\n")
    monkeypatch.setattr(preflight_node, "NVIDIA_SMI_S", 0.2)
    (problem,), count = preflight_node.gpus(1, True)
    assert (problem["check"], problem["fatal"], count) == ("gpu", True, 1)
    assert problem["text"].startswith("nvidia-smi does not say which processes use GPUs: ")
    assert "timed out" in problem["text"]
    program("nvidia-smi", "exec sleep 60\n")
    (problem,), count = preflight_node.gpus(1, True)
    assert (problem["text"].partition(":")[0], count) == ("nvidia-smi does not answer", None)


def make_run_dir(output, job_id, cluster="here@login"):
    """Make the run directory of a job as its submission does."""
    run_dir = output / job_id
    run_dir.mkdir(parents=True)
    (run_dir / f"{job_id}.json").write_text(json.dumps({"slurm_cluster": cluster}))
    return run_dir


def table_of(output, live=(), cluster="here@login"):
    """Return what a node of job 42 is told of jobs."""
    return {"output_dir": str(output), "job_id": "42", "live": list(live), "cluster": cluster}


@pytest.mark.parametrize(
    ("job", "there", "live", "here", "over"),
    [
        ("7", "here@login", (), "here@login", True),
        ("7", "here@login", ("7",), "here@login", False),
        ("7", "other@login", (), "here@login", False),  # another Slurm knows whether it lives
        ("7", None, (), "here@login", False),
        ("7", "here@login", (), None, False),  # Slurm did not say its name
        ("7", None, (), None, False),
        ("43", "here@login", (), "here@login", False),  # perhaps submitted after Slurm was asked
        ("42", "here@login", (), "here@login", False),
    ],
)
def test_what_is_not_certainly_over_is_left_alone(tmp_path, job, there, live, here, over):
    run_dir, uid = make_run_dir(tmp_path / "out", job, there), os.getuid()
    mark = hashlib.sha256(str(run_dir).encode()).hexdigest()[:8]
    stale = tmp_path / "tmp" / f"srt-{job}-{mark}-nats"
    stale.mkdir(parents=True)
    process = subprocess.Popen(["sleep", "60"], cwd=run_dir, env={"SLURM_JOB_ID": job, "PATH": os.environ["PATH"]})
    try:
        table = table_of(tmp_path / "out", live, here)
        found = preflight_node.stale(table, uid, str(tmp_path / "tmp"))
        assert found == (([str(stale)], [(process.pid, job)]) if over else ([], []))
        assert preflight_node.is_over(job, table, uid + 1) is False  # the run directory of somebody else
    finally:
        process.kill()
        process.wait()


def test_the_nodes_are_told_what_may_be_cleaned(made):
    plan, _talk, call = made
    call()
    table = json.loads(pathlib.Path(plan["run_dir"], preflight.TABLE).read_text())
    assert (table["job_id"], table["live"], table["cluster"]) == ("42", ["42"], "here@login")


def test_only_what_carries_our_mark_and_whose_job_is_over_is_stale(tmp_path):
    output, folder, uid = tmp_path / "out", tmp_path / "tmp", os.getuid()
    marks = {job: hashlib.sha256(str(output / job).encode()).hexdigest()[:8] for job in ("7", "8")}
    ours = [f"srt-7-{marks['7']}-nats", f"srt-{uid}-7-{marks['7']}"]
    for name in (*ours, f"srt-8-{marks['8']}-nats", "srt-7-00000000-x"):
        (folder / name).mkdir(parents=True)
    run_dir = make_run_dir(output, "7")
    ours = subprocess.Popen(["sleep", "60"], cwd=run_dir, env={"SLURM_JOB_ID": "7", "PATH": os.environ["PATH"]})
    other = subprocess.Popen(["sleep", "60"], cwd=run_dir)
    try:
        folders, processes = preflight_node.stale(table_of(output, live=["8"]), uid, str(folder))
        assert {os.path.basename(path) for path in folders} == {f"srt-{uid}-7-{marks['7']}", f"srt-7-{marks['7']}-nats"}
        assert processes == [(ours.pid, "7")]
        done = preflight_node.clean(folders, processes)
        assert ours.wait(timeout=10) == -9 and other.poll() is None
        assert len(done) == 3 and len(list(folder.iterdir())) == 2
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_the_report_is_one_line_of_json(tmp_path, capsys, monkeypatch):
    table = {
        **table_of(tmp_path / "out"), "run_dir": str(tmp_path), "clean": True, "nodes": {},
        "limits": {"free_mib": 0, "shm_mib": 0},
    }  # fmt: skip
    (tmp_path / "table.json").write_text(json.dumps(table))
    monkeypatch.setenv("SLURMD_NODENAME", "node009")
    preflight_node.main(str(tmp_path / "table.json"))
    assert json.loads(capsys.readouterr().out)["node"] == "node009"
