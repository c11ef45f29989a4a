# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What run_status says of a run, from its files."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.bench import status
from ansible_collections.srt.slurm.plugins.module_utils.slurm import runs


def step(name, tier, **fields):
    """Return an event of steps.jsonl about a step that ended."""
    known = {"name": name, "tier": tier, "state": "ended", "node": "node001", "exit_code": 0, "expected": False}
    return dict(known, reason="exited with code 0", log=f"logs/{name}.out", **fields)


@pytest.fixture
def look(tmp_path, monkeypatch):
    """Return a function that gives run_status of a run with the given events; over, unless *live*."""
    points = [
        {"name": f"bench_c{n}", "concurrency": n, "digest": "d", "result": f"results/c{n}.json",
         "progress": f"results/c{n}.progress.json", "step": {"name": f"bench_c{n}"}}
        for n in (2, 4)
    ]  # fmt: skip
    plan = {
        "run_dir": str(tmp_path),
        "steps": [{"name": "decode_0", "tier": "worker"}],
        "benchmark": {"points": points},
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))

    def call(*events, live=False, state="RUNNING"):
        (tmp_path / "steps.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        job = {"state": state, "nodelist": "", "name": "x", "reason": "", "started_at": "", "ends_at": None}
        found = runs.Run(str(tmp_path), "7", job if live else None, True)
        monkeypatch.setattr(runs, "find", lambda params: found)
        monkeypatch.setattr(runs.Run, "holder", lambda self: None)
        monkeypatch.setattr(runs.Run, "_end", lambda self: "FAILED (NonZeroExitCode), exit code 1:0")
        return status.run({"lines": 3}, None)

    return call


def test_steps_that_end_by_themselves_are_no_faults(look):
    text = look(
        step("preflight", "preflight"),
        step("bench_c2", "benchmark"),
        step("decode_0", "worker"),
        live=True,
    )["text"]
    assert "decode_0 on node001: exited with code 0" in text
    assert "preflight on" not in text
    assert "bench_c2 on" not in text


def test_a_preflight_that_failed_is_one(look):
    assert "preflight on node001" in look(dict(step("preflight", "preflight"), exit_code=1), live=True)["text"]


def test_points_of_a_run_that_is_over_do_not_wait(look):
    running = dict(step("bench_c2", "benchmark"), state="running", reason=None)
    before = look(running, live=True)
    assert [point["state"] for point in before["points"]] == ["running", "waiting"]
    after = look(running)
    assert [point["state"] for point in after["points"]] == ["not_measured", "not_measured"]
    assert "c=4 not measured" in after["text"]


def test_why_the_holder_ended_the_job_is_said(look):
    holder = [{"event": "holder", "reason": reason} for reason in (
        "begin", "end: signal 15: preempted", "ended", "begin", "end: signal 15: its time limit of 00:01:00 is reached",
        "ended",
    )]  # fmt: skip
    found = look(*holder)
    assert found["ending"] == "signal 15: its time limit of 00:01:00 is reached"
    assert "ended: signal 15: its time limit of 00:01:00 is reached" in found["text"]
    assert look(*holder[:4])["ending"] is None  # it has begun again and was killed


def test_a_suspended_job_stands_still_in_its_stage(look):
    running = dict(step("bench_c2", "benchmark"), state="running", reason=None)
    found = look(running, live=True, state="SUSPENDED")
    assert (found["stage"], found["job"]["state"]) == ("benchmark", "SUSPENDED")
    assert "SUSPENDED, in its stage benchmark" in found["text"].splitlines()[0].replace(" ()", "")
    assert look(live=True, state="PENDING")["stage"] == "allocation"


def test_a_job_that_began_again_is_in_the_stage_of_its_latest_playbook(look, tmp_path):
    log = tmp_path / "playbook.log"
    plays = ["PLAY [Find or get the nodes] ****", "TASK [srt.slurm.allocation : Get the nodes] ****"]
    plays += ["PLAY [Run the stages] ****", "TASK [srt.slurm.benchmark : Measure] ****"]
    stages = []
    again = "It begins again when it gets nodes, attempt 2 of 2."
    for line in [*plays, "PLAY RECAP ****", again, *plays, "PLAY RECAP ****"]:
        with log.open("a") as stream:
            stream.write(line + "\n")
        stages.append(look(live=True)["stage"])
    once = ["allocation", "allocation", "benchmark", "kept"]
    assert (stages[1:5], stages[7:]) == (once, once)
    assert stages[6] != "kept"
