# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin srun on a real Slurm: exact codes, files, deadlines, become, and nothing left behind."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pathlib
import signal
import stat
import subprocess
import threading
import time

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import become_loader
from ansible_collections.srt.slurm.plugins.connection import srun
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands

NAME = "srt.slurm.srun"
ODD = ["two words", "it's", 'a"b', "$HOME", "a\nb", "-n", ":", "é", os.fsdecode(b"\xff")]
# In place of sudo, which asks root for no password.
SUDO = """#!/bin/sh
while [ "$1" != /bin/sh ]; do [ "$1" != -p ] || prompt=$2; shift; done
printf %s "$prompt" >&2
read -r word
[ "$word" = "open; sesame" ] || { echo "Sorry, try again." >&2; exit 1; }
exec "$@"
"""


@pytest.fixture(scope="module")
def submit(_doorway):
    """A function that starts a job of so many nodes and returns (its id, its nodes); they end with the module."""
    env = dict(os.environ, PATH=f"{_doorway}:{os.environ['PATH']}") if _doorway else dict(os.environ)
    made = []

    def run(*argv):
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=True, cwd="/")
        return done.stdout.strip()

    def submit(nodes):
        job = ["--wrap", "sleep 900", "--output=/dev/null", "--job-name=connection", "--time=15"]
        job_id = run("sbatch", "--parsable", f"--nodes={nodes}", *job)
        made.append(job_id)
        until = time.monotonic() + 60
        while run("squeue", "--noheader", "--format=%T", f"--jobs={job_id}") != "RUNNING":
            assert time.monotonic() < until
            time.sleep(0.1)
        return job_id, run("scontrol", "show", "hostnames", run("squeue", "-h", "-o%N", f"-j{job_id}")).split()

    yield submit
    for job_id in made:
        run("scancel", job_id)


@pytest.fixture(scope="module")
def job(submit):
    return submit(2)


@pytest.fixture
def connect(cluster, job):
    """A function that makes a connection to the first node of the job, with these options."""
    options = yaml.safe_load(srun.DOCUMENTATION)["options"]
    constants.config.initialize_plugin_configuration_definitions("connection", NAME, options)

    def connect(become=None, **options):
        context = PlayContext()
        context.remote_addr = options.pop("host", job[1][0])
        made = srun.Connection(context, shell_type="sh")
        made._load_name = NAME
        made.set_options(direct={"job_id": job[0], **options})
        made.set_become_plugin(become)
        return made

    return connect


def left(job_id):
    """Return the names of the connection's steps that run in a job."""
    return [name for name in commands.step_names(job_id) if name.startswith("ansible_")]


def test_a_command_has_its_code_its_outputs_and_its_node(connect, job):
    for index, node in enumerate(job[1]):
        code, output, errors = connect(host=node).exec_command(f"hostname; printf oops >&2; exit {index}")
        assert (code, output, errors) == (index, f"{node}\n".encode(), b"oops")
    assert connect().exec_command("exit 255")[0] == 255
    assert connect().exec_command("kill -9 $$")[0] == 137
    assert connect().exec_command("cat; printf :")[:2] == (0, b":")  # no input is an empty one
    assert connect().exec_command("no-such-program")[0] == 127


def test_data_goes_in_and_out_unchanged(connect):
    data = os.urandom(3 << 20)
    code, output, errors = connect().exec_command("cat; cat /dev/null >&2", in_data=data)
    assert (code, errors) == (0, b"") and output == data
    assert connect().exec_command("exit 4", in_data=data)[0] == 4  # a command that does not read it


def test_files_of_any_name_and_content_go_there_and_back(connect, tmp_path):
    connection = connect()
    content = bytes(range(256)) * 41
    (tmp_path / "source").write_bytes(content)
    for number, name in enumerate(ODD):
        there, back = str(tmp_path / name), str(tmp_path / f"back{number}")
        connection.put_file(str(tmp_path / "source"), there)
        connection.fetch_file(there, back)
        assert pathlib.Path(there).read_bytes() == pathlib.Path(back).read_bytes() == content
    with pytest.raises(AnsibleFileNotFound):
        connection.put_file(str(tmp_path / "none"), str(tmp_path / "x"))
    with pytest.raises(AnsibleFileNotFound, match="no file /no/such"):
        connection.fetch_file("/no/such", str(tmp_path / "x"))
    with pytest.raises(AnsibleError, match="could not be copied"):
        connection.put_file(str(tmp_path / "source"), "/no/such/folder/x")
    assert not (tmp_path / "x").exists()


def test_a_large_file_goes_there_and_back(connect, tmp_path):
    with (tmp_path / "large").open("wb") as stream:
        for _piece in range(16):
            stream.write(os.urandom(1 << 20))
    connect().put_file(str(tmp_path / "large"), str(tmp_path / "there"))
    connect().fetch_file(str(tmp_path / "there"), str(tmp_path / "back"))
    sums = {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("large", "there", "back")}
    assert len(sums) == 1


def test_a_file_on_shared_disk_needs_no_step(connect, tmp_path):
    (tmp_path / "source").write_bytes(b"x")
    connection = connect(shared_paths=[str(tmp_path)], executable="/no/such/srun")
    connection.put_file(str(tmp_path / "source"), str(tmp_path / "there"))
    connection.fetch_file(str(tmp_path / "there"), str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"x"
    with pytest.raises(AnsibleError, match="/no/such/srun is not on this machine"):
        connection.fetch_file("/etc/hostname", str(tmp_path / "other"))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"job_id": "99999"}, AnsibleConnectionFailure, "does not know job 99999"),
        ({"job_id": "7+1"}, AnsibleError, "component of the heterogeneous job"),
        ({"job_id": None}, AnsibleError, "Set ansible_srun_job_id"),
        ({"host": "node00[1-2]"}, AnsibleError, "not the name of one node"),
        ({"host": "10.77.0.11"}, AnsibleConnectionFailure, "set ansible_srun_node to one of them"),
        ({"host": "node999"}, AnsibleConnectionFailure, "set ansible_srun_node to one of them"),
        ({"srun_options": {"nodelist": "x"}}, AnsibleError, "srun option nodelist"),
        ({"srun_options": {"no-such-option": "x"}}, AnsibleConnectionFailure, "unrecognized option"),
        ({"container_image": "/no/such.sqsh"}, AnsibleConnectionFailure, "lacks pyxis"),
    ],
)
def test_what_cannot_be_reached_is_said_with_its_remedy(connect, monkeypatch, options, error, text):
    for name in ("SLURM_JOB_ID", "SRT_SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(error, match=text.replace("+", "[+]")):
        connect(**options).exec_command("true")


def test_a_command_that_takes_too_long_is_ended_with_its_step(connect, job):
    began = time.monotonic()
    with pytest.raises(AnsibleConnectionFailure, match="took longer than 1 s"):
        connect(command_timeout=1.0).exec_command("sleep 500 & sleep 501")
    assert time.monotonic() - began < 25 and left(job[0]) == []


def test_an_exception_in_between_ends_the_step(connect, job):
    """As the timeout of a task does."""

    def ring(_number, _frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 1.5)
    try:
        with pytest.raises(TimeoutError):
            connect().exec_command("sleep 502")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert left(job[0]) == []


def test_the_step_of_a_killed_controller_ends(cluster, connect, job):
    worker = multiprocessing.get_context("fork").Process(target=lambda: connect().exec_command("sleep 503"))
    worker.start()
    cluster(lambda: left(job[0]))
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    cluster(lambda: left(job[0]) == [])


def test_a_step_that_somebody_ends_is_not_an_exit_code(cluster, connect, job):
    found = []

    def run():
        try:
            found.append(connect().exec_command("sleep 504"))
        except AnsibleConnectionFailure as error:
            found.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    cluster(lambda: left(job[0]))
    rows = commands.run(["squeue", "-h", "--steps", f"--jobs={job[0]}", "--format=%i|%j"]).stdout.split()
    step = next(row.split("|")[0] for row in rows if "|ansible_" in row)
    commands.run(["scancel", step])
    thread.join(60)
    assert "ended without an exit code" in found[0] and "The job is RUNNING" in found[0]


def test_async_is_refused(connect):
    with pytest.raises(AnsibleError, match="async does not work"):
        connect().exec_command("python3 /tmp/AnsiballZ_async_wrapper.py 1 2 3")


@pytest.fixture
def sudo(tmp_path):
    """A function that makes Ansible's plugin of sudo with this password."""
    path = tmp_path / "sudo"
    path.write_text(SUDO)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def sudo(password):
        made = become_loader.get("sudo")
        made.set_options(direct={"become_exe": str(path), "become_pass": password, "become_user": "root"})
        return made

    return sudo


def test_become_gets_its_password_and_the_command_its_input(connect, sudo):
    become = sudo("open; sesame")
    connection = connect(become)
    command = become.build_become_command("cat; echo err >&2; exit 5", connection._shell)
    assert connection.exec_command(command, in_data=b"data") == (5, b"data", b"err\n")
    command = become.build_become_command("cat; echo done", connection._shell)
    assert connection.exec_command(command) == (0, b"done\n", b"")


def test_a_wrong_password_of_become_is_said(connect, sudo, job):
    become = sudo("wrong")
    connection = connect(become)
    with pytest.raises(AnsibleError, match="password for sudo is wrong"):
        connection.exec_command(become.build_become_command("true", connection._shell), in_data=b"data")
    assert left(job[0]) == []


def test_the_log_has_no_secrets(connect, monkeypatch):
    shown = []
    monkeypatch.setattr(srun.display, "vvv", lambda text, host=None: shown.append(text))
    connection = connect()
    assert connection.exec_command("/bin/sh -c 'API_TOKEN=abcdef-123456 true && echo $HOME'")[0] == 0
    assert "abcdef" not in " ".join(shown) and "echo $HOME" in " ".join(shown)
    connection._play_context.no_log = True
    assert connection.exec_command("echo unheard")[0] == 0
    assert "unheard" not in " ".join(shown)


def test_a_cancelled_job_is_named(submit, connect, cluster):
    job_id, nodes = submit(1)
    connection = connect(host=nodes[0], job_id=job_id)
    threading.Timer(1.0, lambda: commands.run(["scancel", job_id])).start()
    with pytest.raises(AnsibleConnectionFailure, match="The job is over: CANCELLED"):
        connection.exec_command("sleep 505")
    with pytest.raises(AnsibleConnectionFailure, match="The job is over: CANCELLED"):
        connection.exec_command("true")


def test_a_lost_node_is_not_a_success(submit, connect, cluster):
    job_id, nodes = submit(1)

    def lose():
        cluster(lambda: left(job_id))
        commands.run(["scontrol", "update", f"nodename={nodes[0]}", "state=down", "reason=test"])

    thread = threading.Thread(target=lose)
    thread.start()
    try:
        with pytest.raises(AnsibleConnectionFailure, match="Node failure|NODE_FAIL"):
            connect(host=nodes[0], job_id=job_id).exec_command("sleep 506")
    finally:
        thread.join()
        commands.run(["scontrol", "update", f"nodename={nodes[0]}", "state=resume"], check=False)
