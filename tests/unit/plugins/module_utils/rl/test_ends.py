# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a side is told to end, how it sees the other side's end, and how the next pair depends on this one."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder.slurm_calls import FINAL, LEAVING
from ansible_collections.srt.slurm.plugins.module_utils.rl import submission
from ansible_collections.srt.slurm.plugins.module_utils.rl.side import coord, ends, pair, peer, ray_nodes

LINE = "slurmstepd: error: *** JOB 7 ON node001 CANCELLED AT 2026-11-30T10:00:00 {}***\n"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A scontrol that prints what it is given."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    (tmp_path / "bin").mkdir()

    def says(text, code=0):
        (tmp_path / "bin" / "answer").write_text(text)
        scontrol = tmp_path / "bin" / "scontrol"
        scontrol.write_text(f"#!/bin/sh\ncat {tmp_path}/bin/answer\nexit {code}\n")
        scontrol.chmod(0o755)

    return says


def shown(state, **more):
    fields = {"Reason": "None", "PreemptTime": "None", **more}
    words = " ".join(f"{name}={value}" for name, value in fields.items())
    return f"JobId=7 JobName=skyrl-training UserId=a(1) JobState={state} {words} Comment=srt.slurm.rl:training:d\n"


@pytest.mark.parametrize(
    ("output", "answer", "state", "code"),
    [
        ("", shown("COMPLETING"), "cancelled", 143),
        (LINE.format(""), shown("COMPLETING"), "cancelled", 143),
        (LINE.format("DUE TO PREEMPTION "), shown("COMPLETING"), "preempted", 143),
        ("", shown("RUNNING", PreemptTime="2026-11-30T10:00:00"), "preempted", 143),
        ("", shown("PREEMPTED"), "preempted", 143),
        (LINE.format("DUE TO TIME LIMIT "), shown("COMPLETING"), "timeout", 124),
        ("", shown("COMPLETING", Reason="TimeLimit"), "timeout", 124),
        (LINE.format("DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS "), shown("COMPLETING"), "failed", 143),
        ("", None, "cancelled", 143),
    ],
)
def test_why_slurm_ends_a_job_is_read_from_its_output_or_asked(tmp_path, slurm, output, answer, state, code):
    slurm(answer or "slurmctld is away", 0 if answer else 1)
    folder = coord.Folder(str(tmp_path), coord.TRAINING)
    (tmp_path / "training_7.err").write_text(f"first words\n{output}")
    end = ends.told_to_end(folder)
    assert (end.state, end.code) == (state, code) and end.reason


@pytest.mark.parametrize(
    ("text", "code", "state"),
    [
        (shown("RUNNING"), 0, "RUNNING"),
        (shown("PENDING", Reason="TimeLimit"), 0, "PENDING"),
        ("slurm_load_jobs error: Invalid job id specified", 1, ""),
        ("Unable to contact slurm controller", 1, None),
    ],
)
def test_the_state_of_a_job(slurm, text, code, state):
    slurm(text, code)
    assert peer.job_state("7") == state


def test_the_end_of_the_other_side_is_that_of_its_own_job_alone(tmp_path, slurm):
    slurm(shown("RUNNING"))
    folder = coord.Folder(str(tmp_path), coord.TRAINING)
    other = peer.Peer(folder, coord.RUNTIME, "7")
    said = {"job_id": "6", "state": "preempted", "reason": ""}
    folder.put("runtime_state.json", json.dumps(said))
    assert (other.state(), other.end(), other.was_preempted()) == ("", "", False)
    folder.put("runtime_state.json", json.dumps({**said, "job_id": "7"}))
    assert (other.state(), other.end(), other.was_preempted()) == ("preempted", "preempted", True)


def scripts(path, *sides):
    for side in sides:
        (path / f"{side}.sbatch").write_text(f"#!/bin/bash\n#SBATCH --job-name={side}\necho\n")


def test_training_starts_after_the_runtime_and_a_next_pair_after_this_one(tmp_path):
    scripts(tmp_path, *submission.SIDES)
    jobs, sent, released = {}, [], []

    def hold(script):
        sent.append([line for line in script.splitlines() if "--dependency" in line])
        return str(len(sent))

    pair.submit(str(tmp_path), jobs, hold, released.append)
    assert jobs == {"runtime": "1", "training": "2"} and released == ["2", "1"]
    pair.submit(str(tmp_path), {}, hold, released.append, earlier=jobs)
    pair.submit(str(tmp_path), {}, hold, released.append, joined=False)
    assert sent == [
        [], ["#SBATCH --dependency=after:1"],
        ["#SBATCH --dependency=afterany:1"], ["#SBATCH --dependency=after:3,afterany:2"],
        [], [],
    ]  # fmt: skip
    assert json.loads((tmp_path / coord.JOBS).read_text()) == {"runtime": "5", "training": "6", "released": True}


def test_a_second_job_that_is_refused_leaves_word_of_the_first_and_releases_none(tmp_path):
    scripts(tmp_path, *submission.SIDES)
    jobs, released = {}, []

    def hold(script):
        if "job-name=training" in script:
            raise OSError("refused")
        return "1"

    with pytest.raises(OSError, match="refused"):
        pair.submit(str(tmp_path), jobs, hold, released.append)
    assert jobs == {"runtime": "1"} and released == []


def test_of_a_chain_the_pair_that_goes_on_is_found(tmp_path, monkeypatch):
    old, new = tmp_path / "a", tmp_path / "a_r1"
    for folder in (old, new):
        folder.mkdir()

    def job(number, folder):
        comment = f"{submission.scripts.TAG}training:d"
        return {"id": number, "name": "x-training", "state": "RUNNING", "comment": comment, "work_dir": str(folder)}

    monkeypatch.setattr(submission.commands, "jobs", lambda: [job("1", old), job("2", new)])
    with pytest.raises(submission.Error, match="two jobs x-training: 1 and 2"):
        submission.find("x")
    (old / "training_state.json").write_text(json.dumps({"job_id": "1", "state": "timeout"}))
    assert submission.find("x")["training"]["id"] == "2"


def test_ray_of_a_job_takes_no_port_and_no_processor_of_another():
    env = {"TRAINING_CPUS": "6", "GPUS_PER_NODE": "2"}
    first, second = (ray_nodes.command({"ray_command": ["uv", "ray"]}, env, ["--address=h:1"]) for _once in range(2))
    assert first[:5] == ["uv", "ray", "start", "--address=h:1", "--block"]
    assert {"--min-worker-port=0", "--max-worker-port=0", "--num-cpus=6", "--num-gpus=2"} <= set(first)
    ports = {word for words in (first, second) for word in words if word.startswith("--dashboard-agent-listen-port=")}
    assert len(ports) == 2


def test_nodes_of_ray_are_counted_in_what_its_status_says():
    text = "======== Autoscaler status ========\nActive:\n 1 node_0a1b\n 1 node_2c3d\nPending:\n (none)\n"
    assert len(ray_nodes.NODE.findall(text)) == 2


def test_the_states_in_which_a_job_is_over_are_those_that_all_others_go_by():
    """The program inside the jobs imports nothing from outside its folder."""
    assert set(peer.OVER) == {*FINAL, *LEAVING} - {"STAGE_OUT"}
