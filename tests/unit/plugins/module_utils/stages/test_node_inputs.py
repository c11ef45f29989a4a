# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as the nodes see them: the real program in place of each node, over a fake Slurm."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job import inputs
from ansible_collections.srt.slurm.plugins.module_utils.plan_file import load_plan
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands, srun
from ansible_collections.srt.slurm.plugins.module_utils.stages import preflight, topology_plan
from fake_holder import FakeDriver, FakeSlurm

TEMPLATE = json.dumps({"chat_template": "<{{ messages[0].content }}>"})


class Nodes(FakeSlurm):
    """Runs the program of preflight for each node; *there* is {node: directory that it sees at the model's path}."""

    def __init__(self, run_dir, there, seen_at):
        super().__init__()
        self.run_dir, self.there, self.seen_at, self.looks = run_dir, there, seen_at, 0

    def spawn(self, argv, env, err_path):
        if "--job-name=preflight" in argv:
            self.looks += 1
            program = argv[argv.index("python3") :]
            table = pathlib.Path(program[-1]).read_text()
            for node, folder in self.there.items():
                pathlib.Path(program[-1]).write_text(table.replace(self.seen_at, str(folder)))
                done = subprocess.run(
                    [sys.executable, *program[1:]], env=dict(os.environ, SLURMD_NODENAME=node), capture_output=True,
                    text=True, check=True, timeout=60,
                )  # fmt: skip
                log = pathlib.Path(self.run_dir, "logs", f"{node}_preflight.out")
                log.write_text(done.stdout.replace(str(folder), self.seen_at))
            self.outcomes["preflight"] = [(0, "")]
        return super().spawn(argv, env, err_path)


def make_model(folder, weights="old weights"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "w.safetensors").write_text(weights)
    (folder / "tokenizer_config.json").write_text(TEMPLATE)
    (folder / "tokenizer.json").write_text("{}")
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A job on two nodes whose model is at *path*; the nodes see ``run.there`` in its place."""

    class Run:
        run_dir = tmp_path / "out" / "7"
        path, there, lines = "/only/on/nodes/m", {}, []

        def plan(self, **changes):
            spec = jobs.spec_of(**{"model": {"path": self.path}, "python": sys.executable, **changes})
            topology_plan.run({"spec": spec, "job": jobs.allocation(2, run_dir=str(self.run_dir))}, Context())
            return self.stored

        @property
        def stored(self):
            return load_plan(str(self.run_dir / "plan.json"))

        def check(self):
            params = {key: option.get("default") for key, option in preflight.ARGUMENT_SPEC.items()}
            params.update(plan_path=str(self.run_dir / "plan.json"), ignore=["port", "disk", "gpu", "shm", "limit"])
            return preflight.run(params, Context(progress=self.lines.append))

    made = Run()
    made.run_dir.mkdir(parents=True)
    made.there = {node: make_model(tmp_path / node / "m") for node in ("n1", "n2")}
    made.slurm = Nodes(str(made.run_dir), made.there, made.path)
    made.talk = FakeDriver(made.run_dir, slurm=made.slurm, job_id="7")
    monkeypatch.setattr(driver, "connect_plan", lambda _plan, _ctx: made.talk)
    monkeypatch.setattr(commands, "jobs", lambda **_limits: [{"id": "7"}])
    monkeypatch.setattr(commands, "cluster", lambda: "here@login")
    return made


def points(plan):
    return [point["digest"] for point in plan["benchmark"]["points"]]


def test_files_of_the_nodes_alone_become_part_of_the_plan_and_stay(run):
    before = run.plan()
    assert inputs.unknown(before["spec"]) == ["model.path"]
    result, after = run.check(), run.stored
    assert result["changed"] and inputs.unknown(after["spec"]) == [] and "fingerprint" in result["inputs"][0]
    assert not set(points(after)) & set(points(before))
    assert after["processes"] == before["processes"]
    (file,) = [one for one in after["files"] if one["path"] == "chat_template.json"]
    assert (run.run_dir / file["path"]).read_text() == file["content"]
    assert run.plan() == after, "planning again keeps what the nodes said"
    assert run.check()["changed"] is False and run.stored == after


def test_other_weights_on_the_nodes_are_seen_also_while_all_steps_run(run):
    run.plan()
    run.check()
    before = run.stored
    asks = [srun.start_request(step, "7", str(run.run_dir)) for step in before["steps"]]
    run.talk.request("start", steps=asks, wait_s=10)
    assert run.check()["changed"] is False
    for folder in run.there.values():
        make_model(folder, "new weights")
    assert run.check()["changed"] is True
    changed = {a["name"] for a, b in zip(run.stored["steps"], before["steps"]) if a["digest"] != b["digest"]}
    assert {"prefill_0", "decode_0"} <= changed and "nats" not in changed
    assert not set(points(run.stored)) & set(points(before))


def test_nodes_that_see_different_files_are_an_error_that_names_them(run):
    plan = run.plan()
    make_model(run.there["n2"], "older weights")
    words = "n2: model.path: it sees other files at /only/on/nodes/m than n1 (w.safetensors)"
    with pytest.raises(Error) as caught:
        run.check()
    assert words in caught.value.msg and caught.value.evidence["bad_nodes"] == ["n2"]
    assert run.stored == plan


def test_a_model_that_a_node_lacks_is_an_error_before_models_load(run):
    run.plan()
    run.there["n2"] = "/nowhere"
    with pytest.raises(Error, match=r"n2: model\.path: /only/on/nodes/m does not exist") as caught:
        run.check()
    assert (caught.value.evidence["bad_nodes"], caught.value.evidence["retryable"]) == (["n2"], True)


def test_a_model_without_a_tokenizer_is_an_error_before_models_load(run):
    run.plan()
    for folder in run.there.values():
        (folder / "tokenizer.json").unlink()
    with pytest.raises(Error, match=r"n1: model\.path: /only/on/nodes/m has no tokenizer\.json, with which prompts"):
        run.check()


def test_files_that_everybody_sees_change_nothing(run, tmp_path):
    run.path = run.slurm.seen_at = str(make_model(tmp_path / "shared" / "m"))
    run.slurm.there = dict.fromkeys(run.there, run.path)
    plan = run.plan()
    assert inputs.unknown(plan["spec"]) == [] and run.check()["changed"] is False and run.stored == plan


def test_nodes_with_other_files_than_the_host_of_the_plan_are_believed(run, tmp_path):
    run.path = run.slurm.seen_at = str(make_model(tmp_path / "mine" / "m", "of the login node"))
    plan = run.plan()
    result = run.check()
    assert result["changed"] and [note for note in result["notes"] if "theirs count" in note]
    theirs = run.stored
    assert not set(points(theirs)) & set(points(plan)) and run.plan() == theirs
    make_model(tmp_path / "mine" / "m", "another one")
    assert "nodes" not in run.plan()["spec"]["inputs"]["model.path"]


def test_the_time_to_become_healthy_survives_what_the_nodes_say(run):
    spec = jobs.spec_of(model={"path": run.path}, python=sys.executable)
    job = jobs.allocation(2, run_dir=str(run.run_dir))
    topology_plan.run({"spec": spec, "job": job, "health_timeout_s": 77.0}, Context())
    assert run.stored["health_timeout_s"] == 77.0
    run.check()
    assert run.stored["health_timeout_s"] == 77.0


def test_a_python_without_the_packages_of_the_load_client_is_an_error_before_models_load(run, tmp_path):
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\necho "ModuleNotFoundError: No module named aiohttp" >&2\nexit 1\n')
    python.chmod(0o755)
    run.plan(python=str(python))
    words = r"n1: the load client's Python .*/python3 cannot import aiohttp, tokenizers: .* No module named aiohttp\. "
    with pytest.raises(Error, match=words) as caught:
        run.check()
    assert caught.value.evidence["bad_nodes"] == ["n1"]
    run.plan(python="/no/such/python3")
    with pytest.raises(Error, match="/no/such/python3 cannot import .*: No such file or directory"):
        run.check()
