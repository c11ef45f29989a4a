# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs are over: only those of which Slurm says so, whatever their state and name, and however squeue is set."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver, ending, job_end, ownership, runs
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.holder import job_watch, slurm_calls
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands

STATES = [
    "PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "STOPPED", "SPECIAL_EXIT", "REQUEUED", "REQUEUE_HOLD",
    "REQUEUE_FED", "RESV_DEL_HOLD", "LAUNCH_FAILED", "SOMETHING_NEW",
]  # fmt: skip


def row(job_id="7", number=None, **fields):
    """Return what squeue prints of a job, for printf."""
    known = dict(dict.fromkeys(commands.JOB_FIELDS, ""), id=job_id, state="RUNNING", reason="None", name="x")
    known.update(fields)
    return "\\037".join([*known.values(), number or job_id]) + "\\n"


@pytest.mark.parametrize("state", STATES)
def test_a_job_is_live_unless_it_is_certainly_over(queue, do, state, monkeypatch):
    queue.reason = "Priority"
    do("present")
    queue.queue["8"]["state"] = state
    monkeypatch.setattr(ending, "RESUMED_S", 0.0)
    assert do("present")["job"]["id"] == "8"
    queue.ended = {"JobState": state}
    assert job_end.outcome("8", "/nowhere")["final"] is False
    assert runs.Run("/nowhere", "8", {"state": state}, True).live
    monkeypatch.setattr(commands, "resume", lambda job_id: "no")
    monkeypatch.setattr(commands, "go_on", lambda job_id: "no")
    assert do("absent")["changed"]
    assert queue.queue == {}


@pytest.mark.parametrize("state", slurm_calls.FINAL)
def test_final_states(queue, do, state):
    queue.reason = "Priority"
    do("present")
    queue.queue["8"]["state"] = state
    assert do.look()["job"] is None
    queue.ended = {"JobState": state}
    assert job_end.outcome("8", "/nowhere")["final"] is True


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "\n", "JobState=FAILED "])
@pytest.mark.parametrize("field", ["name", "comment"])
def test_no_name_hides_a_job(program, mark, field):
    text = f"a{mark}b"
    program("squeue", f"printf '{row('6')}{row(**{field: text})}{row('8')}'")
    found = {job["id"]: job for job in commands.jobs(user="me")}
    assert list(found) == ["6", "7", "8"]
    assert found["7"][field] == text
    before, after = (text, "") if field == "name" else ("x", text)
    shown = f"JobId=7 JobName={before} UserId=me(1) GroupId=me(1) MCS_label=N/A JobState=RUNNING Comment={after} "
    program("scontrol", f"echo '{shown}StdOut=/out/7/slurm-7.out Power='")
    assert commands.show_job("7")["JobState"] == "RUNNING"
    assert commands.output_folder("7") == "/out/7"


def test_a_job_that_is_called_like_nothing(program):
    program("squeue", f"printf '{row(name='N/A')}'")
    assert commands.jobs(job_id="7")[0]["name"] == "N/A"


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETING", "STOPPED"])
def test_a_job_that_squeue_hides_is_not_called_over(program, tmp_path, do, state, monkeypatch):
    monkeypatch.setattr(commands, "PATIENCE_S", 0.1)
    monkeypatch.setattr(commands, "RETRY_S", 0.05)
    program("squeue", "exit 0")
    program("scontrol", f"echo 'JobId=7 JobName=x JobState={state} Reason=None ExitCode=0:0'")
    program("sbatch", "exit 1")
    left = tmp_path / "out" / "7" / ".secrets"
    left.mkdir(parents=True)
    for wanted in ("absent", "running", "present"):
        with pytest.raises(
            commands.Unlisted, match=f"Job 7 is {state} according to scontrol .* but squeue does not list it"
        ):
            do(wanted, allocation=None, job_id="7")
    found = runs.find({"job_id": "7", "output_dir": str(tmp_path / "out")})
    assert found.describe()["state"] == "UNKNOWN"
    assert "squeue does not list it" in found.describe()["reason"]
    with pytest.raises(SlurmError) as caught:
        driver.connect("7", str(left.parent), "n1", patience_s=0.1).request("status")
    assert "is over" not in caught.value.msg
    assert left.exists()


def test_a_job_that_left_squeue_just_now_is_over(program, do):
    program("squeue", "exit 0")
    program("scontrol", "echo 'JobId=7 JobName=x JobState=COMPLETED Reason=None ExitCode=0:0'")
    assert commands.jobs(job_id="7") == []
    assert not do("absent", allocation=None, job_id="7")["changed"]


def test_a_slurmctld_that_falls_silent_says_nothing_of_a_job(program, monkeypatch, tmp_path):
    monkeypatch.setattr(commands, "PATIENCE_S", 0.1)
    monkeypatch.setattr(commands, "RETRY_S", 0.05)
    program("squeue", "exit 0")
    program("scontrol", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    for ask in (lambda: commands.jobs(job_id="7"), lambda: commands.show_job("7")):
        with pytest.raises(SlurmError, match="scontrol failed .* Unable to contact"):
            ask()
    assert runs.Run(str(tmp_path), "7", None, True).describe()["state"] == "UNKNOWN"


def test_a_job_that_goes_back_into_the_queue_is_waited_for_with_its_secrets(queue, do, tmp_path, monkeypatch):
    queue.reason = "Priority"
    do("present", secrets={"srt-secret:A": "a"})
    queue.ended = {"JobState": "PENDING", "Reason": "BeginTime"}
    jobs, lines = queue.jobs, []

    def look(job_id=None, **options):
        if job_id:  # it was found, and is waited for now
            queue.queue[job_id]["state"] = "COMPLETING"
        return jobs(job_id=job_id, **options)

    class Recorded(Context):
        def progress(self, line):
            lines.append(line)

    monkeypatch.setattr(commands, "jobs", look)
    with pytest.raises(Error, match="Job 8 is still unknown after 0.2 s"):
        do(wait_timeout_s=0.2, ctx=Recorded())
    assert "Job 8 is not over: it is PENDING according to scontrol. scancel 8 ends it." in lines
    assert (tmp_path / "out" / "8" / ".secrets").exists()


HIDING = {"SQUEUE_PARTITION": "other", "SCANCEL_STATE": "PENDING", "SCONTROL_ALL": "1", "SLURM_JOB_ID": "5"}


@pytest.mark.parametrize(
    "name, ask",
    [
        ("squeue", lambda: commands.jobs(user="me")),
        ("squeue", lambda: commands.step_names("7")),
        ("scontrol", lambda: commands.show_job("7")),
        ("scancel", lambda: commands.cancel("7")),
        ("squeue", lambda: slurm_calls.Slurm("7").steps()),
        ("scancel", lambda: slurm_calls.Slurm("7").signal(["7.1"], "TERM")),
        ("scontrol", lambda: job_watch.Job("7", "/nowhere").code_from_slurm()),
    ],
)
def test_a_users_options_for_the_commands_of_slurm_stay_out(program, monkeypatch, tmp_path, name, ask):
    for key, value in HIDING.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("SLURM_CONF", "/c")
    program(name, f"env > {tmp_path}/env")
    ask()
    seen = (tmp_path / "env").read_text()
    assert not [key for key in HIDING if f"{key}=" in seen]
    assert "SLURM_CONF=/c" in seen


def test_hidden_partitions_are_requested(program, tmp_path):
    program("squeue", f'echo "$@" >> {tmp_path}/asked')
    commands.jobs(user="me")
    commands.step_names("7")
    commands.part_ids("7")
    slurm_calls.Slurm("7").steps()
    assert [line.split()[0] for line in (tmp_path / "asked").read_text().splitlines()] == ["--all"] * 4


def test_a_stopped_job_goes_on_and_ends_in_order(queue, do, fake, monkeypatch):
    do()
    queue.queue["8"]["state"] = "STOPPED"

    def cancel(job_id, signal=None, full=False):
        queue.calls.append((job_id, signal, full))
        queue.queue[job_id]["state"] = "RUNNING"

    monkeypatch.setattr(commands, "cancel", cancel)
    assert do("absent")["actions"] == ["ended"]
    assert queue.calls[-2:] == [("8", "CONT", False), ("8", "CONT", True)]
    assert fake.holder.ending


@pytest.mark.parametrize("state, kept", [("SPECIAL_EXIT", True), ("STOPPED", True), ("", False), ("FAILED", False)])
def test_secrets_of_a_job_that_squeue_does_not_list(queue, do, tmp_path, state, kept):
    queue.reason = "Priority"
    do("present", secrets={"srt-secret:A": "a"})
    queue.queue.clear()
    queue.ended = {"JobState": state} if state else {}
    ownership.forget_dead(str(tmp_path / "out"))
    assert (tmp_path / "out" / "8" / ".secrets").exists() == kept


@pytest.mark.parametrize("state", ["SIGNALING", "RESIZING"])
def test_a_job_that_is_signalled_runs(program, state):
    program("squeue", f"printf '{row(state=state)}'")
    assert commands.jobs(job_id="7")[0]["state"] == "RUNNING"


def test_tasks_of_an_array_have_the_numbers_that_their_steps_know(program):
    program("squeue", f"printf '{row('4_[3-9%%1]', '4')}{row('4_1', '5')}{row('4_2', '6')}'")
    assert [job["id"] for job in commands.jobs(user="me")] == ["4", "5", "6"]
    for asked, number in (("4", "4"), ("5", "5"), ("4_2", "6")):
        assert [job["id"] for job in commands.jobs(job_id=asked)] == [number]


def test_the_first_of_several_tasks_that_scontrol_shows_is_not_taken_for_another(program):
    shown = "\n".join(f"JobId={number} ArrayJobId=4 JobName=x JobState={state}" for number, state in
                      (("6", "FAILED"), ("4", "RUNNING")))  # fmt: skip
    program("scontrol", f"echo '{shown}'")
    assert commands.show_job("4")["JobState"] == "RUNNING"
