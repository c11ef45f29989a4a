# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job at its time limit, and a signal of Slurm that comes before the holder can hear it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import job_end
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.holder import job_ends, job_watch
from ansible_collections.srt.slurm.plugins.module_utils.slurm import script

LINE = "slurmstepd-n1: error: *** JOB 42 ON n1 CANCELLED AT 2026-11-22T02:18:41 DUE TO TIME LIMIT ***\n"


@pytest.mark.parametrize(
    "shown",
    [
        "JobState=RUNNING Reason=None RunTime=00:00:10 EndTime=2999-01-01T00:00:00",
        "JobState=COMPLETING Reason=TimeLimit EndTime=2000-01-01T00:00:00",
        "JobState=TIMEOUT Reason=TimeLimit",
    ],
)
def test_the_limit_is_named(program, tmp_path, shown):
    program("scontrol", f"echo '{shown} TimeLimit=00:01:00'\n")
    job = job_watch.Job("42", str(tmp_path))
    assert (job.code_from_slurm(), job.reason_for("time_limit")) == (
        "time_limit",
        "its time limit of 00:01:00 is reached",
    )


def test_the_limit_is_known_when_slurm_is_no_longer_asked(program, tmp_path):
    program("scontrol", "echo 'JobState=RUNNING EndTime=2999-01-01T00:00:00 TimeLimit=01:00:00'\n")
    job = job_watch.Job("42", str(tmp_path))
    assert job.missed_end() is None
    (tmp_path / "slurm-42.out").write_text(LINE)
    assert (job.code_in_output(), job.reason_for("time_limit")) == (
        "time_limit",
        "its time limit of 01:00:00 is reached",
    )


def test_a_signal_that_hits_the_question_too_is_not_an_answer(program, tmp_path):
    once = f"[ -e {tmp_path}/hit ] || {{ touch {tmp_path}/hit; kill -TERM $$; }}"
    program("scontrol", f"{once}; echo 'JobState=RUNNING RunTime=00:00:10 TimeLimit=00:01:00'\n")
    job = job_watch.Job("42", str(tmp_path))
    assert (job.code_from_slurm(), job.reason_for("time_limit")) == (
        "time_limit",
        "its time limit of 00:01:00 is reached",
    )


@pytest.mark.parametrize(
    ("shown", "code", "why"),
    [
        # The signal for that is still to come.
        ("JobState=RUNNING RunTime=00:00:59 TimeLimit=00:01:00", None, ""),
        ("JobState=COMPLETING Reason=None", "cancelled", "cancelled"),
        (
            "JobState=COMPLETING Reason=TimeLimit TimeLimit=00:01:00",
            "time_limit",
            "its time limit of 00:01:00 is reached",
        ),
        ("JobState=FAILED Reason=None", "over", "it is FAILED"),
        ("", None, ""),
    ],
)
def test_what_happened_before_the_holder_could_hear_of_it_is_asked_for(program, fake, tmp_path, shown, code, why):
    program("scontrol", f"echo '{shown}'\n")
    fake.holder.job = job_watch.Job("42", str(tmp_path))
    fake.holder.check_missed_end()
    ending = {"code": code, "reason": f"signal 15: {why}"} if code else None
    assert fake.request("status")["ending"] == ending


def test_a_signal_before_the_holder_is_there_does_not_end_the_batch_script(program, tmp_path):
    text, _notes = script.render({"name": "n", "nodes": 1, "digest": "d"}, str(tmp_path), 120)
    began, heard = tmp_path / "began", tmp_path / "heard"
    code = (
        f"import pathlib, signal, sys, time; pathlib.Path('{began}').touch(); time.sleep(0.5); "
        f"signal.signal(15, lambda *rest: (pathlib.Path('{heard}').touch(), sys.exit(0))); time.sleep(20); sys.exit(3)"
    )
    program("python3", f'exec {sys.executable} -c "{code}"\n')
    process = subprocess.Popen(["bash", "-c", text], env=dict(os.environ, SLURM_JOB_ID="42"))
    try:
        while not began.exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        time.sleep(1.0)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)  # the next one is heard
        assert process.wait(timeout=10) == 0 and heard.exists()
    finally:
        process.kill()
        process.wait()


class Talk:
    """A driver whose holder says why only later."""

    job_id, run_dir = "42", "/nowhere"

    def __init__(self, *answers):
        self.answers = list(answers)

    def request(self, op, **fields):
        answer = self.answers.pop(0)
        if isinstance(answer, Error):
            raise answer
        return {"ending": answer}


def test_the_message_waits_until_the_holder_has_learned_why(monkeypatch):
    def look(job_id, run_dir, names):
        raise SlurmError("Slurm does not answer.")

    monkeypatch.setattr(job_end, "outcome", look)
    why, unknown = job_ends.job_end("time_limit", signal=15), job_ends.job_end("signal", signal=15)
    assert job_end.ending_error(Talk(unknown, why), unknown).msg == f"Job 42 is ending: {why['reason']}."
    assert job_end.ending_error(Talk(Error("gone")), unknown).msg == "Job 42 is ending: signal 15."
