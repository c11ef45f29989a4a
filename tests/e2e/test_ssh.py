# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller is another machine than the submit host: a real sshd on the sandbox's login node."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from cluster import ROOT, Cluster, wait_for

SSHD = """\
Port 2222
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
StrictModes no
PermitRootLogin yes
UsePAM no
PidFile none
Subsystem sftp internal-sftp
SetEnv SLURM_CONF={slurm_conf} PATH={path}
"""
HOST = {
    "ansible_host": "127.0.0.1",
    "ansible_port": 2222,
    "ansible_python_interpreter": sys.executable,
    "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
}


@contextlib.contextmanager
def login_node(cluster, folder):
    """An sshd on the login node of *cluster*, with its files in *folder*; yields the variables of the host."""
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    if os.getuid() == 0:
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    conf, path = cluster.run("printenv", "SLURM_CONF").strip(), cluster.run("printenv", "PATH").strip()
    (folder / "sshd_config").write_text(SSHD.format(folder=folder, slurm_conf=conf, path=path))
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    server = subprocess.Popen([*cluster.prefix(), sshd, "-D", "-e", "-f", str(folder / "sshd_config")],
                              stderr=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
    try:
        assert any("Server listening" in line for line in server.stderr)
        yield dict(HOST, ansible_ssh_private_key_file=str(folder / "key"))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 15)
        server.wait(timeout=20)
        server.stderr.close()


@pytest.fixture
def login(cluster, tmp_path):
    """Options of ansible-playbook with which everything of Slurm is done over ssh."""
    with login_node(cluster, tmp_path) as host:
        (tmp_path / "inventory.json").write_text(json.dumps({"all": {"hosts": {"login": host}}}))
        yield ["-i", str(tmp_path / "inventory.json"), "-e", "srt_slurm_submit_host=login"]


@pytest.mark.slow
def test_the_job_is_run_from_another_machine(cluster, login):
    job = cluster.job_file("far", python=sys.executable)
    played = cluster.playbook(job, *login, "-e", "keep=600")
    assert played.rc == 0, played.text
    assert "-> login(127.0.0.1)]" in played.text
    assert json.loads((cluster.latest / "rollup.json").read_text())["valid"] is True
    looked = cluster.playbook(job, *login, "-e", "keep=600", "--check")
    assert (looked.rc, looked.changed) == (0, 0), looked.text  # also a dry run asks the Slurm over there
    near = cluster.playbook(job, "-e", "keep=600")  # with the same directory, from the submit host itself
    assert (near.rc, near.changed) == (0, 0), near.text
    cluster.end(job)


def test_what_is_missing_on_the_submit_host_is_said_before_anything_is_submitted(cluster, login):
    job = cluster.job_file("far-missing", model={"path": "/no/such; model's", "precision": "fp16"}, nonsense=1)
    played = cluster.playbook(job, *login)
    text = " ".join(played.text.split())
    assert "model.path: is /no/such; model's, which does not exist on login." in text
    assert "nonsense: is not a known key" in text  # together with the other problems of the file
    assert cluster.jobs("far-missing") == []


@pytest.mark.slow
def test_a_job_is_submitted_from_another_machine_with_the_collection_there(cluster, login, tmp_path):
    there = tmp_path / "there"  # as it is installed
    for part in ("meta", "playbooks", "plugins", "roles"):
        shutil.copytree(ROOT / part, there / part, ignore=shutil.ignore_patterns("__pycache__"))
    job = cluster.job_file("far-away", python=sys.executable)
    argv = ["ansible-playbook", "playbooks/submit.yml", "-e", f"@{job}", "-e", f"output_dir={cluster.output}", *login]
    played = cluster.play([*cluster.prefix(), *argv])
    assert played.rc != 0
    assert "-e srt_slurm_collection_dir=DIR" in played.text
    version = there / "plugins" / "module_utils" / "collection_version.py"
    text = version.read_text()
    version.write_text(text.replace('VERSION = "', 'VERSION = "9'))
    played = cluster.play([*cluster.prefix(), *argv, "-e", f"srt_slurm_collection_dir={there}"])
    assert played.rc != 0 and "Install the same version there." in played.text, played.text
    assert cluster.jobs("far-away") == []
    version.write_text(text)
    text = cluster.run(*argv, "-e", f"srt_slurm_collection_dir={there}")
    assert "(far-away) was submitted" in text
    wait_for(lambda: cluster.jobs("far-away") == [], "the job", timeout_s=240)
    assert json.loads((cluster.latest / "rollup.json").read_text())["valid"] is True


@pytest.mark.slow
def test_a_sweep_is_run_from_another_machine(cluster, login):
    base = json.loads(cluster.job_file("far-sweep", python=sys.executable).read_text())["job"]
    path = cluster.folder / "far-sweep.yaml"
    longer = {"benchmark": {"osl": 12}}
    path.write_text(json.dumps({"base": base, "override_short": {}, "override_long": longer}))
    argv = ["ansible-playbook", "playbooks/sweep.yml", "-e", f"job_file={path}", "-e", f"output_dir={cluster.output}"]
    played = cluster.play([*cluster.prefix(), *argv, *login])
    assert played.rc == 0 and "2 of 2 points are valid." in played.text, played.text
    assert cluster.jobs() == [] and "[2/2]" in played.text
    made = json.loads((cluster.output / "sweeps" / "far-sweep" / "sweep.json").read_text())
    assert len({job["job_id"] for job in made["jobs"]}) == 1
    again = cluster.play([*cluster.prefix(), *argv, *login])
    assert (again.rc, again.changed) == (0, 0), again.text


@pytest.mark.slow
def test_one_controller_runs_jobs_on_two_clusters(cluster, tmp_path):
    """It is in neither of them: ssh reaches each login node by a way of its own."""
    (tmp_path / "west-cluster").mkdir()
    west = Cluster(tmp_path / "west-cluster", 4)
    with contextlib.ExitStack() as stack:
        stack.callback(west.close)
        hosts = {}
        for name, one in (("east", cluster), ("west", west)):
            folder = tmp_path / name
            folder.mkdir()
            way = folder / "ssh"
            way.write_text(f'#!/bin/sh\nexec {one.dir}/exec -- ssh "$@"\n')
            way.chmod(0o755)
            host = stack.enter_context(login_node(one, folder))
            more = {"ansible_ssh_executable": str(way), "ansible_ssh_transfer_method": "piped", "ansible_ssh_args": ""}
            more["srt_slurm_cluster_file"] = f"{one.dir}/etc/srtslurm.yaml"
            hosts[name] = {**host, **more, "srt_slurm_output_dir": str(folder / "outputs")}
        inventory = tmp_path / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        job = cluster.job_file("two-clusters", python=sys.executable)
        for name in hosts:
            argv = ["ansible-playbook", "-i", str(inventory), "bench.yml", "-e", f"@{job}"]
            done = subprocess.run(
                [*argv, "-e", f"srt_slurm_submit_host={name}", "-e", "wait_timeout_s=60"], cwd=ROOT,
                env=cluster.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            latest = tmp_path / name / "outputs" / "latest"
            assert json.loads((latest / "rollup.json").read_text())["valid"] is True
        assert cluster.jobs() == west.jobs() == []
