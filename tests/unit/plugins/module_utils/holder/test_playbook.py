# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook as a child of the holder: its lease, its end, its exit code."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import sys
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import detached
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder import playbook
from ansible_collections.srt.slurm.plugins.module_utils.holder.playbook import Play


def make(tmp_path, code, keep=False, argv=None):
    """Return (Play of the Python text *code*, what it told, how often it renewed)."""
    spec = {
        "argv": argv or [sys.executable, "-c", code],
        "env": {"MINE": "yes"},
        "cwd": str(tmp_path),
        "log": str(tmp_path / "playbook.log"),
        "keep": keep,
    }
    (tmp_path / "play.json").write_text(json.dumps(spec))
    told, renewed = [], []
    return Play(str(tmp_path), lambda: renewed.append(1), told.append), told, renewed


def test_its_end_comes_with_its_exit_code(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    code = "import os, sys; print(os.environ['MINE'], os.environ.get('SLURM_JOB_ID')); sys.exit(3)"
    play, told, renewed = make(tmp_path, code)
    play.start()
    play.join(20)
    assert play.code == 3
    assert not play.was_stopped
    assert told == ["its playbook ended with exit code 3"]
    assert renewed
    assert (tmp_path / "playbook.log").read_text() == "yes None\n"


def test_a_kept_service_is_not_ended_by_it(tmp_path):
    play, told, _renewed = make(tmp_path, "pass", keep=True)
    play.start()
    play.join(20)
    assert (play.code, told) == (0, [])
    assert (tmp_path / "stage.json").read_text() == '{"stage": "kept"}'


def test_the_stage_of_an_earlier_job_attempt_is_gone_when_it_starts(tmp_path):
    path = tmp_path / "stage.json"
    path.write_text('{"stage": "rollup"}')
    code = "import os; path = os.environ['SRT_SLURM_STAGE_FILE']; print(path, os.path.exists(path))"
    play, _told, _renewed = make(tmp_path, code)
    play.start()
    play.join(20)
    assert (tmp_path / "playbook.log").read_text() == f"{path} False\n"


def test_it_is_stopped_with_its_children(tmp_path):
    inner = "import time; print('up', flush=True); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    play, _told, _renewed = make(tmp_path, code)
    play.start()
    deadline = time.monotonic() + 20
    while not (tmp_path / "playbook.log").exists() or not (tmp_path / "playbook.log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    play.stop()
    assert play.was_stopped
    assert play.code in (130, 1)
    assert not play.is_alive()


def test_a_term_for_all_processes_of_the_job_does_not_end_it(tmp_path):
    play, _told, _renewed = make(tmp_path, "import os, signal; os.killpg(0, signal.SIGTERM); print('goes on')")
    play.start()
    play.join(20)
    assert play.code == 0
    assert (tmp_path / "playbook.log").read_text() == "goes on\n"


def test_it_may_write_its_rollup(tmp_path):
    code = "import pathlib, time; time.sleep(0.5); pathlib.Path('rollup.json').write_text('{}'); raise SystemExit(2)"
    play, _told, _renewed = make(tmp_path, code)
    play.start()
    play.stop(20.0)
    assert (play.code, play.was_stopped) == (2, False)
    assert (tmp_path / "rollup.json").exists()


def test_what_is_deaf_is_killed_with_all_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(playbook, "GRACE_S", 0.3)
    inner = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(60)"
    code = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"subprocess.run([sys.executable, '-c', {inner!r}])"
    )
    play, _told, _renewed = make(tmp_path, code)
    play.start()
    deadline = time.monotonic() + 20
    while not (tmp_path / "playbook.log").exists() or not (tmp_path / "playbook.log").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = int((tmp_path / "playbook.log").read_text())
    play.stop(0.1)
    assert play.was_stopped
    process = pathlib.Path(f"/proc/{pid}")
    while process.exists() and " Z " not in (process / "stat").read_text():
        assert time.monotonic() < deadline, "its child lives on"
        time.sleep(0.02)


@pytest.mark.parametrize("link", [False, True])
def test_a_python_that_is_not_there(tmp_path, link):
    python = "/no/such/python"
    if link:
        python = str(tmp_path / "python")
        pathlib.Path(python).symlink_to("/no/such/python")
    play, told, _renewed = make(tmp_path, "", argv=[python])
    play.start()
    play.join(20)
    assert play.code == 127
    assert "could not be started" in told[0]
    assert f"cannot run {python}{' (which is /no/such/python)' if link else ''}: No such file" in told[0]
    assert "setup.yml" in (tmp_path / "playbook.log").read_text()


def test_what_is_frozen(tmp_path):
    wanted = {"name": "bench", "job": {"name": "x"}, "extra_vars": {"force": True}, "keep": False}
    detached.check(wanted)
    detached.freeze(str(tmp_path / "7"), "7", wanted)
    copy = tmp_path / "7" / "programs" / "frozen" / "ansible_collections" / "srt" / "slurm"
    for path in ("playbooks/bench.yml", "plugins/action/job_spec.py", "roles/worker/tasks/start.yml", "ansible.cfg"):
        assert (copy / path).is_file()
    assert not list(copy.rglob("__pycache__"))
    play = json.loads((tmp_path / "7" / "play.json").read_text())
    assert play["env"]["SRT_SLURM_DETACHED"] == "7"
    variables = json.loads((tmp_path / "7" / "programs" / "frozen" / "vars.json").read_text())
    assert variables["job_id"] == "7"
    assert variables["force"] is True
    assert variables["output_dir"] == str(tmp_path)
    assert json.loads((tmp_path / "7" / "programs" / "frozen" / "job.json").read_text())["jobs"] == [{"name": "x"}]
    for name in ("vars.json", "job.json"):
        assert (tmp_path / "7" / "programs" / "frozen" / name).stat().st_mode & 0o777 == 0o600


def test_nobody_else_can_write_to_the_frozen_copy(tmp_path):
    source = tmp_path / "checkout"
    shutil.copytree(
        detached._collection({}), source, ignore=shutil.ignore_patterns(".*", "tests", "docs", "collections")
    )
    for path in (source, *source.rglob("*")):
        path.chmod(path.stat().st_mode | 0o066)
    wanted = {"name": "bench", "job": {"name": "x"}, "extra_vars": {}, "keep": False, "collection": str(source)}
    before = os.umask(0)
    try:
        detached.freeze(str(tmp_path / "7"), "7", wanted)
    finally:
        os.umask(before)
    writable = [path for path in (tmp_path / "7").rglob("*") if path.stat().st_mode & 0o022]
    assert writable == [tmp_path / "7" / "playbook.log"]  # nobody runs it, and the entry has set its umask


@pytest.mark.parametrize(
    ("says", "why"),
    [("exit 1", "has no ansible-core"), ("echo 2.16.3", "has ansible-core 2.16.3; 2.19 or newer"), ("echo 2.19.1", "")],
)
def test_an_environment_is_queried_for_its_ansible(tmp_path, says, why):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{says}\n")
    python.chmod(0o755)
    wanted = {"name": "bench", "job": {}, "python": str(python)}
    if why:
        with pytest.raises(Error, match=why):
            detached.check(wanted)
    else:
        detached.check(wanted)


@pytest.mark.parametrize("wrong", [{"name": "no-such"}, {"python": "/no/such"}, {"collection": "/no/such"}])
def test_what_cannot_work_is_said_before_the_submission(wrong):
    with pytest.raises(Error, match="playbook"):
        detached.check(dict({"name": "bench", "job": {}}, **wrong))
