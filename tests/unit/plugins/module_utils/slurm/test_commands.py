# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm commands and the driver, with programs of our own in place of Slurm's."""

from __future__ import annotations

import os
import pathlib
import pwd
import time
from collections import Counter

import pytest
from ansible_collections.srt.slurm.plugins.module_utils import holder
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands


def test_a_command_that_hangs_is_given_up(program):
    program("squeue", "exec sleep 60")
    began = time.monotonic()
    with pytest.raises(SlurmError, match="squeue did not answer in 0.2 s"):
        commands.jobs(timeout_s=0.2, patience_s=0)
    assert time.monotonic() - began < 5


def test_a_command_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match="squeue is not on this machine's PATH"):
        commands.jobs()


@pytest.mark.parametrize("known", [True, False])
def test_jobs_are_those_of_the_account_whatever_the_shell_calls_it(program, monkeypatch, tmp_path, known):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):  # after su, they may be another user's
        monkeypatch.setenv(name, "somebody")
    wanted = pwd.getpwuid(os.getuid()).pw_name if known else str(os.getuid())
    if not known:
        monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    program("squeue", f'echo "$@" >{tmp_path}/asked')
    assert commands.jobs() == []
    assert f"--user={wanted}" in (tmp_path / "asked").read_text().split()


def test_jobs_are_read_with_any_name_in_it(program):
    fields = [
        "5",
        "RUNNING",
        "None",
        "a | b 'c'",
        "srt.slurm:x, y",
        "n[1-2]",
        "2026-01-01T00:00:00Z",
        "N/A",
        "N/A",
        "me",
        "n1",
        "/out, of me",
    ]
    program("squeue", "printf '%s' '" + "\x1f".join([*fields, "5"]).replace("'", "'\\''") + "'; echo")
    assert commands.jobs(job_id="5") == [dict(zip(commands.JOB_FIELDS, [v if v != "N/A" else "" for v in fields]))]


def test_a_forgotten_job_is_not_a_job_and_another_failure_is_one(program):
    program("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert commands.jobs(job_id="5") == []
    program("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1")
    with pytest.raises(SlurmError, match="Unable to contact"):
        commands.jobs(job_id="5", patience_s=0)


def test_what_belongs_to_another_job_stays_out(program, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_CONF", "/c")
    monkeypatch.setenv("SBATCH_PARTITION", "p")
    program("sbatch", 'test -z "$SLURM_JOB_ID$SBATCH_PARTITION" && test "$SLURM_CONF" = /c && echo "77;cluster"')
    assert commands.submit_held("#!/bin/sh") == "77"


def test_sbatch_says_no(program):
    program("sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    with pytest.raises(SlurmError, match="invalid partition specified: x"):
        commands.submit_held("#!/bin/sh")


@pytest.mark.parametrize(
    ("told", "job_id"),
    [
        ("Welcome to gpu\\n2026 is the year\\n77;gpu\\n", "77"),
        ("12\\n77\\n", "77"),
        ("77\\r\\n2 jobs of yours wait\\n", "77"),
    ],
)
def test_what_a_wrapper_of_sbatch_prints_is_not_a_job_id(program, told, job_id):
    program("sbatch", f"printf '{told}'")
    assert commands.submit_held("#!/bin/sh") == job_id


@pytest.mark.parametrize("says", ["echo Welcome", "echo 'Submitted batch job 7'; echo 'be nice' >&2", ""])
def test_an_sbatch_that_prints_no_job_id_may_have_been_heard(program, says):
    program("sbatch", says)
    with pytest.raises(commands.NoAnswer, match="sbatch printed no job id"):
        commands.submit_held("#!/bin/sh")


@pytest.mark.parametrize(
    "says",
    [
        "Batch job submission failed: Socket timed out on send/recv operation",
        "slurm_receive_msg: Zero Bytes were transmitted or received",
        "Unable to contact slurm controller (connect failure)\nsbatch: error: Socket timed out on send/recv operation",
    ],
)
def test_a_failure_that_leaves_open_whether_sbatch_was_received_is_not_an_answer(program, tmp_path, says):
    program("sbatch", f"echo asked >> {tmp_path}/asked; echo 'sbatch: error: {says}' >&2; exit 1")
    with pytest.raises(commands.NoAnswer, match="sbatch failed"):
        commands.submit_held("#!/bin/sh")
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_a_controller_that_cannot_be_reached_has_not_heard(program, monkeypatch):
    monkeypatch.setattr(commands, "PATIENCE_S", 0.0)
    program("sbatch", "echo 'sbatch: error: Unable to contact slurm controller (connect failure)' >&2; exit 1")
    with pytest.raises(SlurmError) as caught:
        commands.submit_held("#!/bin/sh")
    assert not isinstance(caught.value, commands.NoAnswer)


def test_driver_goes_through_slurm_and_tries_again(program, tmp_path):
    program("squeue", "printf '5\\037RUNNING\\037\\037\\037\\037\\037\\037\\037\\037\\037\\037\\0375\\n'")
    program(
        "srun",
        f'if [ -e {tmp_path}/second ]; then cat > {tmp_path}/asked; echo "$@" > {tmp_path}/line;'
        " echo '{\"ok\": true}';"
        f' else touch {tmp_path}/second; echo "srun: error: hiccup" >&2; exit 1; fi',
    )
    talk = driver.connect("5", "/out/5", "n1")
    assert talk.request("status", lease_s=5) == {"ok": True}
    assert '"op": "status"' in (tmp_path / "asked").read_text() and '"renew": true' in (tmp_path / "asked").read_text()
    line = (tmp_path / "line").read_text()
    assert (
        "--jobid=5 --overlap" in line
        and "--nodelist=n1" in line
        and "/out/5/programs/holder ctl --run-dir /out/5" in line
    )


@pytest.mark.parametrize(
    "printed",
    ["Welcome to n1\\n{\\n{}\\n{answer}\\n", "{answer}\\nbye\\n", "be nice\\000{answer}\\n", '\\303\\050{"\\n{answer}'],
)
def test_what_a_prolog_of_the_site_prints_is_not_an_answer(program, printed):
    program("srun", "printf '" + printed.replace("{answer}", '{"ok": true, "seq": 7}') + "'")
    assert driver.connect("5", "/out/5", "n1", patience_s=0.0).request("status") == {"ok": True, "seq": 7}


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("echo '{\"ok\": tr'", "srun ended with 0, it printed '{\"ok\": tr'"),
        ("echo '[1]'; exit 3", r"srun ended with 3, it printed '\[1\]'"),
        ("exit 3", "srun ended with 3, it printed nothing"),
        ("echo Welcome; echo 'no holder on n1' >&2; exit 3", "cannot be reached: no holder on n1"),
        ("""echo '{"ok": true}'; exit 1""", "srun ended with 1"),
    ],
)
def test_driver_says_what_it_got_in_place_of_an_answer(program, does, why):
    program("squeue", "printf '5\\037RUNNING\\037\\037\\037\\037\\037\\037\\037\\037\\037\\037\\n'")
    program("srun", does)
    with pytest.raises(driver.HolderGone, match=why):
        driver.connect("5", "/out/5", "n1", patience_s=0.0).request("status")


def test_driver_gives_up_at_once_when_the_job_is_over(program):
    program("squeue", "exit 0")
    program("srun", "echo 'srun: error: Invalid job id specified' >&2; exit 1")
    program("scontrol", "echo 'JobId=5 JobState=TIMEOUT Reason=TimeLimit ExitCode=0:15'")
    with pytest.raises(
        driver.HolderGone, match=r"Job 5 is over: TIMEOUT \(TimeLimit\), exit code 0:15.*/out/5/slurm-5.out"
    ):
        driver.connect("5", "/out/5", "n1").request("status")


def test_driver_says_what_the_holder_refused(program):
    program("srun", """echo '{"ok": false, "error": "because"}'""")
    with pytest.raises(Error, match="The holder of job 5 refused start: because"):
        driver.connect("5", "/out/5", "n1").request("start", steps=[])


def test_files_of_the_holder_are_whole():
    files = driver.holder_files()
    there = {path.name for path in pathlib.Path(holder.__file__).parent.glob("*.py")}
    assert {os.path.basename(name) for name in files} == there and "__main__.py" in there
    for name, text in files.items():
        compile(text, name, "exec")
        assert os.path.dirname(name) == "programs/holder" and text.endswith("\n")


def test_what_slurmctld_did_not_hear_is_said_again(program, monkeypatch, tmp_path):
    monkeypatch.setattr(commands.time, "sleep", lambda _seconds: None)
    text = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
    program("sbatch", f'mkdir {tmp_path}/once 2>/dev/null && {{ echo "{text}" >&2; exit 1; }}; echo 7')
    assert commands.submit_held("x") == "7"
    program("sbatch", 'echo "sbatch: error: invalid partition specified: x" >&2; exit 1')
    with pytest.raises(SlurmError, match="invalid partition"):
        commands.submit_held("x")


def once(tmp_path, then=""):
    """Return shell text that hangs the first time."""
    return f"mkdir {tmp_path}/once 2>/dev/null && exec sleep 60; {then}"


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("scontrol", lambda: commands.release("7")),
        ("scancel", lambda: commands.cancel("7")),
        ("squeue", lambda: commands.jobs(job_id="7")),
        ("squeue", lambda: commands.step_names("7")),
        ("scontrol", lambda: commands.show_job("7")),
        ("scontrol", lambda: commands.output_folder("7")),
        ("scontrol", lambda: commands.node_states(["n1"])),
        ("scontrol", lambda: commands.hostnames("n[1-2]")),
        ("scontrol", commands.cluster),
    ],
)
def test_what_hangs_once_is_asked_again(program, monkeypatch, tmp_path, name, ask):
    monkeypatch.setattr(commands, "CALL_S", 0.3)
    monkeypatch.setattr(commands, "PATIENCE_S", 5.0)
    program(name, once(tmp_path, f'echo "$@" >> {tmp_path}/asked'))
    ask()
    assert (tmp_path / "once").exists()
    # A thread of an earlier test may ask as well, for something else.
    assert set(Counter((tmp_path / "asked").read_text().splitlines()).values()) == {1}


def test_what_always_hangs_is_given_up_and_said(program, monkeypatch):
    monkeypatch.setattr(commands, "CALL_S", 0.2)
    monkeypatch.setattr(commands, "PATIENCE_S", 0.5)
    program("scontrol", "exec sleep 60")
    began = time.monotonic()
    with pytest.raises(commands.NoAnswer, match="scontrol did not answer in 0.2 s"):
        commands.release("7")
    assert 0.5 <= time.monotonic() - began < 5


def test_a_submission_that_hangs_is_not_repeated_blindly(program, monkeypatch, tmp_path):
    program("sbatch", once(tmp_path, "echo 7"))
    run = commands.run
    monkeypatch.setattr(commands, "run", lambda argv, timeout_s=None, **more: run(argv, timeout_s=0.3, **more))
    with pytest.raises(commands.NoAnswer):
        commands.submit_held("x")
    assert commands.submit_held("x") == "7"


def test_cancelling_what_is_over_is_done_and_what_fails_is_said(program):
    program("scancel", 'echo "scancel: error: Kill job error on job id 7: Invalid job id specified" >&2; exit 1')
    commands.cancel("7")
    program("scancel", 'echo "scancel: error: Job/step already completing or completed" >&2; exit 1')
    commands.cancel("7")
    program("scancel", 'echo "scancel: error: Access/permission denied" >&2; exit 1')
    with pytest.raises(SlurmError, match="permission denied"):
        commands.cancel("7")


def test_the_cluster_has_a_name(program):
    program("scontrol", "printf 'ClusterName             = gpu\\nSlurmctldHost[0]        = login1(10.0.0.1)\\n'")
    assert commands.cluster() == "gpu@login1"
    program("scontrol", "exit 1")
    assert commands.cluster() is None


def test_a_slurm_that_is_silent_does_not_say_that_nothing_runs(program, monkeypatch):
    monkeypatch.setattr(commands, "PATIENCE_S", 0.1)
    program("squeue", "echo 'slurm_load_job_steps error: Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SlurmError, match="squeue failed .*Unable to contact"):
        commands.step_names("7")
    program("squeue", "echo 'slurm_load_job_steps error: Invalid job id specified' >&2; exit 1")
    assert commands.step_names("7") == []
