# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says of a job that stays up when it is over, or was interrupted."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import types

import pytest
from ansible.parsing.splitter import parse_kv
from ansible_collections.srt.slurm.plugins.action.run_info import ActionModule as RunInfo
from ansible_collections.srt.slurm.plugins.action.slurm_job import ActionModule as SlurmJob
from ansible_collections.srt.slurm.plugins.action.slurm_job_info import ActionModule as SlurmJobInfo
from ansible_collections.srt.slurm.plugins.module_utils.allocation import detached
from ansible_collections.srt.slurm.plugins.plugin_utils import interrupt, kept_job_note, playbook
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction

LINE = "Job 7 stays up for its lease of 0:02:00. The same command continues it. To end it now: "


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Ansible's temporary directory of this run; the working directory is a checkout."""
    monkeypatch.setattr(kept_job_note.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(kept_job_note.context, "CLIARGS", {"inventory": ("/etc/two words",)})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "stop.yml").touch()
    return tmp_path


@pytest.mark.parametrize("run_dir", ["/out/7", '/o ut/it\'s "odd" $(x)/7', "/größe/7", "/a=b/7", "/back\\slash/7"])
def test_the_command_that_ends_it_survives_the_shell_and_ansible(run_dir):
    program, playbook, option, given = shlex.split(kept_job_note.stop_command(run_dir))
    assert (program, playbook, option) == ("ansible-playbook", "playbooks/stop.yml", "-e")
    assert (json.loads(given) if given.startswith("{") else parse_kv(given)) == {"run_dir": run_dir}
    assert kept_job_note.stop_command("/out/7") == "ansible-playbook playbooks/stop.yml -e run_dir=/out/7"


def test_the_command_is_for_where_it_is_read(temporary, monkeypatch):
    words = shlex.split(kept_job_note.stop_command("/out/7", "login"))
    assert words[2:] == ["-i", "/etc/two words", "-e", "run_dir=/out/7", "-e", "srt_slurm_submit_host=login"]
    (temporary / "playbooks" / "stop.yml").unlink()
    assert kept_job_note.stop_command("/out/7") == "ansible-playbook srt.slurm.stop -e run_dir=/out/7"
    monkeypatch.setenv(detached.MARK, "7")  # its log is read elsewhere
    assert "playbooks/stop.yml" in kept_job_note.stop_command("/out/7")


def service(**changes):
    """Return what run_info says of a job that stays up."""
    up = {"url": "http://10.1.0.1:8000", "planned": 7, "running": 7, "left_s": 3599.9, "ends_by": "lease"}
    return {"run_dir": "/out/7", "job": {"id": "7"}, "stage": "kept", "service": dict(up, **changes)}


def test_the_end_of_a_kept_run():
    assert kept_job_note.lines_of(service()) == [
        "The service of job 7 stays up at http://10.1.0.1:8000, for 1:00:00 "
        "(its lease: runs of bench.yml renew it, status.yml does not).",
        "To end it now: ansible-playbook playbooks/stop.yml -e run_dir=/out/7",
    ]
    part = kept_job_note.lines_of(service(url=None, running=3, left_s=61, ends_by="time_limit"))
    assert part[0] == "Job 7 stays up, with 3 of 7 steps of its service, for 0:01:01 (its time limit)."
    assert kept_job_note.lines_of(dict(service(), service=None)) == []


def test_a_note_is_reported_once():
    assert kept_job_note.take_line() is None
    kept_job_note.remember("7", "/out/7", 120.0)
    assert kept_job_note.take_line() == LINE + "ansible-playbook playbooks/stop.yml -e run_dir=/out/7"
    assert kept_job_note.take_line() is None
    kept_job_note.remember("7", "/out/7", waits=True)
    assert kept_job_note.take_line().startswith(
        "Job 7 stays in the queue, and once it has begun up for its lease. The same"
    )
    kept_job_note.remember("7", "/out/7")
    kept_job_note.forget("8")
    assert kept_job_note.take_line()
    kept_job_note.remember("7", "/out/7")
    kept_job_note.forget("7")
    assert kept_job_note.take_line() is None


@pytest.mark.parametrize("ends", ["sys.exit(99)", "os._exit(0)"])
def test_the_main_process_tells_it_at_its_exit(temporary, ends):
    """Its workers, which end in os._exit, do not."""
    kept_job_note.remember("7", "/out/7", 120.0)
    code = f"""
import os, sys
sys.path[:] = {sys.path!r}
from ansible import constants
constants.DEFAULT_LOCAL_TMP = {str(temporary)!r}
from ansible_collections.srt.slurm.plugins.plugin_utils import kept_job_note
{ends}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if line.startswith("Job 7")]
    assert len(told) == (ends != "os._exit(0)"), done.stderr
    assert done.stdout == ""


def test_a_playbook_that_another_one_runs_leaves_it_to_that_one(monkeypatch, temporary):
    """Its own last words would go into a pipe that nobody reads any more."""
    command = [
        sys.executable,
        "-c",
        f"""
import sys
sys.path[:] = {sys.path!r}
from ansible_collections.srt.slurm.plugins.plugin_utils import kept_job_note
kept_job_note.context.CLIARGS = {{}}
kept_job_note.remember("7", "/out/7", 120.0)
print("ended")
""",
    ]
    lines = []
    monkeypatch.setattr(playbook, "command", lambda name, extra: command)
    assert playbook.play("bench.yml", [], lines.append, kept_job_note.path()) == 0
    assert lines == ["ended"]
    assert kept_job_note.take_line().startswith(LINE)


def test_a_ctrl_c_that_was_lost_reports_it_too(monkeypatch, temporary):
    lines = []
    monkeypatch.setattr(interrupt.multiprocessing, "parent_process", lambda: types.SimpleNamespace(pid=1))
    monkeypatch.setattr(interrupt.os, "getppid", lambda: 1)
    monkeypatch.setattr(interrupt, "lost", lambda pid: True)
    monkeypatch.setattr(interrupt, "SHOWN_S", 0)
    monkeypatch.setattr(interrupt.os, "kill", lambda *signalled: None)
    monkeypatch.setattr(interrupt.constants, "DEFAULT_LOCAL_TMP", str(temporary))
    kept_job_note.remember("7", "/out/7", 120.0)
    with pytest.raises(interrupt.AnsibleError):
        interrupt.obey(lines.append)
    assert [line.partition(" -e")[0] for line in lines[1:]] == [LINE + "ansible-playbook playbooks/stop.yml"]


@pytest.fixture
def act(monkeypatch):
    """Return a function that runs an action with arguments; *result* is what its entry returns."""

    def call(kind, result, check_mode=False, during=None, **args):
        def run(self, tmp=None, task_vars=None):
            if during:
                during(self)
            return result

        monkeypatch.setattr(StageAction, "run", run)
        action = object.__new__(kind)
        action._task = types.SimpleNamespace(args=args, check_mode=check_mode)
        action._connection = types.SimpleNamespace(transport="local")
        return action.run(None, {}), action

    return call


RUNS = {"job": {"id": "7", "run_dir": "/out/7", "state": "RUNNING"}}


def test_who_has_a_job_leaves_a_note_and_who_ends_it_removes_it(act):
    noted = []
    act(
        SlurmJob,
        RUNS,
        during=lambda self: (self.holds("7", "/out/7"), noted.append(kept_job_note.read())),
        lease_s=3600,
    )
    assert noted[0]["waits"]
    assert (kept_job_note.read()["waits"], kept_job_note.read()["lease_s"]) == (False, 3600.0)
    act(SlurmJob, {}, state="absent", job_id=7, during=lambda self: noted.append(kept_job_note.read()))
    assert noted[1] is None, "it is ending while that is waited for"
    act(SlurmJobInfo, RUNS)
    assert kept_job_note.read()["lease_s"] is None, "the lease is as an earlier run made it"
    act(SlurmJob, dict(RUNS, failed=True), state="running")
    assert kept_job_note.read() is None


@pytest.mark.parametrize("args", [{"check_mode": True}, {"state": "present"}])
def test_what_only_looks_or_leaves_the_job_to_itself_leaves_no_note(act, args):
    act(SlurmJob, RUNS, **args)
    assert kept_job_note.read() is None


def test_the_playbook_inside_a_job_leaves_no_note(act, monkeypatch):
    monkeypatch.setenv(detached.MARK, "7")
    act(SlurmJob, RUNS)
    assert kept_job_note.read() is None


def test_the_last_task_tells_it_instead_of_the_note(act):
    for result, told, noted in (
        (service(), 2, False),
        (dict(service(), service=None), 0, False),
        ({"failed": True}, 0, True),
        (dict(service(), stage="unknown", service=None), 0, True),
    ):
        kept_job_note.remember("7", "/out/7", 120.0)
        _result, action = act(RunInfo, result, report="service", run_dir="/out/7")
        assert (len(action.shown(result)), bool(kept_job_note.read())) == (told, noted), result
    action._task.args = {"report": "status"}
    assert action.shown(dict(service(), text="one\ntwo")) == ["one", "two"]
