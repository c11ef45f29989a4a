# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command on a node: its srun line, its environment, and what standard error tells of its end."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.slurm import remote_command
from ansible_collections.srt.slurm.plugins.module_utils.slurm.remote_command import Place, hear

PLACE = Place("7", "node001")


def run(command, mark="m", **env):
    """Run the script of a command here, as srun would on a node."""
    environment = {**remote_command.environment(command, mark), **env}
    return subprocess.run(["/bin/sh", "-c", remote_command.SCRIPT], env=environment, capture_output=True, check=False)


@pytest.mark.parametrize("code", [0, 1, 7, 126, 127, 255])
def test_the_exit_code_is_the_command_s(code):
    done = run(f"echo out; printf err >&2; exit {code}")
    heard = hear(done.stderr, "m")
    assert (heard.begun, heard.code, heard.errors, heard.said) == (True, code, b"err", "")
    assert (done.returncode, done.stdout) == (0, b"m begins\nout\n")


def test_a_command_that_is_killed_has_the_code_of_its_signal():
    assert hear(run("kill -9 $$").stderr, "m").code == 137


def test_what_srun_says_is_told_from_what_the_command_says():
    text = b"srun: warning\nm begins\nbad\n\nm 3\nsrun: error: late\n"
    heard = hear(text, "m")
    assert (heard.code, heard.errors, heard.said) == (3, b"bad\n", "srun: warning\nsrun: error: late")


def test_a_step_that_slurm_ended_has_no_code():
    text = b"m begins\nslurmstepd-n1: error: *** STEP 1.3 ON n1 CANCELLED AT 2026-11-30T20:16:22 ***\nKilled\n\nm %d\n"
    assert hear(text % 137, "m").code is None and "CANCELLED" in hear(text % 137, "m").said
    assert hear(text % 1, "m").code == 1  # a command that shows such a line


@pytest.mark.parametrize("text", [b"", b"srun: error: Unable to create step\n"])
def test_a_command_that_did_not_begin(text):
    heard = hear(text, "m")
    assert (heard.begun, heard.code, heard.errors) == (False, None, b"")
    assert heard.said == text.decode().strip()


@pytest.mark.parametrize(
    "rest", [b"", b"m 3", b"\nm x\n", b"m 0\n", b"\nother 0\n", b"srun: error: Node failure on node001\n"]
)
def test_a_command_without_a_complete_last_line_has_no_code(rest):
    heard = hear(b"m begins\n" + rest, "m")
    assert heard.begun and heard.code is None
    assert heard.said == rest.decode().strip()


def test_the_command_is_on_no_command_line_and_in_no_environment_of_its_own():
    secret = "TOKEN=hf_verysecret; tr '\\0' '\\n' </proc/self/environ; tr '\\0' ' ' </proc/$$/cmdline"
    argv = remote_command.argv(PLACE, "srun", "x", False)
    assert "verysecret" not in " ".join(argv)
    listed = run("env").stdout.decode()
    assert remote_command.COMMAND not in listed and remote_command.MARK not in listed
    assert "verysecret" in remote_command.environment(secret, "m")[remote_command.COMMAND]


def test_a_command_gets_a_login_s_environment(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("SLURM_JOB_ID", "99")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("TZ", "UTC")
    env = remote_command.environment("true", "m")
    assert not {"AWS_SECRET_ACCESS_KEY", "SLURM_JOB_ID", "PYTHONPATH"} & set(env)
    assert (env["TZ"], env["HOME"], env["PATH"]) == ("UTC", os.environ["HOME"], remote_command.PATH)


def test_a_command_starts_in_the_home_directory(tmp_path):
    assert run("pwd", HOME=str(tmp_path)).stdout == f"m begins\n{tmp_path}\n".encode()
    assert run("pwd", HOME="/no/such").stdout == b"m begins\n/\n"


def test_any_bytes_go_through_the_environment():
    text = os.fsdecode(b"printf %s '\xff\n:'")
    assert run(text).stdout == b"m begins\n\xff\n:"


def test_options_of_srun():
    argv = remote_command.argv(PLACE, "/opt/srun", "x", True)
    assert argv[0] == "/opt/srun" and argv[-3:-1] == ["/bin/sh", "-c"]
    assert {"--jobid=7", "--overlap", "--nodelist=node001", "--nodes=1", "--ntasks=1", "--job-name=x"} <= set(argv)
    assert "--input=none" not in argv
    assert "--input=none" in remote_command.argv(PLACE, "srun", "x", False)
    more = remote_command.argv(Place("7", "n", het_group="1", options={"mem": "0", "s": None}), "srun", "x", False)
    assert {"--het-group=1", "--mem=0"} <= set(more)


@pytest.mark.parametrize("name", ["nodelist", "w", "--jobid", "pty", "unbuffered", "u", "label", "output", "export"])
def test_options_that_would_break_it_are_refused(name):
    with pytest.raises(Error, match="is set by the connection"):
        remote_command.argv(Place("7", "n", options={name: "1"}), "srun", "x", False)


def test_containers():
    pyxis = Place("7", "n", image="/i.sqsh", container_name="c", mounts=["/a:/a", "/b:/c"])
    argv = remote_command.argv(pyxis, "srun", "x", False)
    assert {"--container-image=/i.sqsh", "--container-name=c", "--container-mounts=/a:/a,/b:/c"} <= set(argv)
    apptainer = remote_command.argv(Place("7", "n", image="/i.sif", runtime="apptainer"), "srun", "x", False)
    assert apptainer[apptainer.index("apptainer") :][:2] == ["apptainer", "exec"]
    assert apptainer[-4:-1] == ["/i.sif", "/bin/sh", "-c"]
