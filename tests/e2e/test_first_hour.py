# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first hour on a new cluster: setup.yml, doctor.yml on broken clusters, the commands of the examples."""

from __future__ import annotations

import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import time

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The commands of own-site are run in its directory: test_own_site.py.
EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.yaml") if "own-site" not in path.parts)
SITE = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}


@pytest.fixture(scope="module")
def site(cluster):
    """A directory that setup.yml has prepared, and what the playbook said."""
    folder = cluster.folder / "site"
    folder.mkdir()
    return folder, play(cluster, "setup", folder)


def play(cluster, name, folder, *args, rc=0):
    """Run a playbook in *folder*, as a user has it: without the cluster file of the sandbox."""
    done = cluster.play([*in_folder(cluster, folder), "ansible-playbook", str(ROOT / f"playbooks/{name}.yml"), *args])
    assert done.rc == rc, done.text
    return done.text


def in_folder(cluster, folder):
    """Return the argv that runs a command in *folder* of the sandbox."""
    collections = f"ANSIBLE_COLLECTIONS_PATH={ROOT / 'collections'}"
    return [*cluster.prefix(), "env", "-u", "SRTSLURM_CONFIG", f"--chdir={folder}", collections,
            *(f"{name}={value}" for name, value in SITE.items())]  # fmt: skip


def lines(text):
    """Return {check: (mark, line)} of what doctor.yml says, the worst of several."""
    found = {}
    for mark, rest in re.findall(r"^  (ok  |WARN|BAD |--  ) (\S.*)$", text, re.M):
        name = rest[:12].strip()
        if name not in found or mark == "BAD ":
            found[name] = (mark.strip(), rest[13:])
    return found


def test_setup_prepares_a_cluster_and_doctor_finds_it_fine(cluster, site):
    folder, text = site
    written = yaml.safe_load((folder / "srtslurm.yaml").read_text())
    assert (written["default_partition"], written["gpus_per_node"], written["network_interface"]) == ("gpu", 8, "eth0")
    assert written["use_segment_sbatch_directive"] is False and written["use_gpus_per_node_directive"] is True
    assert written["srtctl_root"] == str(folder) and "default_account" not in written
    assert "accounting: none" in text and "ansible-playbook srt.slurm.doctor" in text
    for program in ("nats-server", "etcd"):
        subprocess.run([folder / "configs" / program, "--version"], check=True, env={"PATH": "/nowhere"})
    said = lines(play(cluster, "doctor", folder, "-e", f"job_file={cluster.job_file('fine')}"))
    assert {mark for mark, _text in said.values()} <= {"ok", "--"}, said
    assert said["shared disk"][1].startswith("8 nodes") and said["ports"][0] == said["files"][0] == "ok"
    assert cluster.jobs() == []


def test_setup_again_changes_nothing_and_keeps_what_a_person_wrote(cluster, site):
    folder, _text = site
    path = folder / "srtslurm.yaml"
    mine = path.read_text().replace("default_time_limit:", "default_time_limit: '00:30:00' # mine, not").replace(
        "data_dir:", "my_own_key: 1\n#"
    )  # fmt: skip
    before = path.read_text()
    path.write_text(mine)
    try:
        text = play(cluster, "setup", folder, "--check", "--diff")
        assert "+data_dir: " in text and path.read_text() == mine
        text = play(cluster, "setup", folder)
        assert path.read_text().startswith(mine) and "my_own_key is kept, but no job understands it" in text
        assert "default_time_limit stays 00:30:00" in text
        assert "changed=0" in play(cluster, "setup", folder)
    finally:
        path.write_text(before)


@pytest.mark.slow
def test_a_person_on_a_terminal_is_asked(cluster):
    folder = cluster.folder / "asked"
    folder.mkdir()
    argv = [*in_folder(cluster, folder), "make", "-C", str(ROOT), "cluster-setup",
            f"ARGS=-e shared_dir={folder} -e cluster_file={folder}/srtslurm.yaml --tags cluster"]  # fmt: skip
    answers = {"Partition of your jobs [gpu]": "", "Slurm account of your jobs [none]": "research",
               "GPUs of a node [8]": "4", "Time limit of a job that names none [04:00:00]": "",
               "Network interface whose address the services use [eth0]": "none"}  # fmt: skip
    text, rc = typed(argv, answers, cluster.environment, again=True)
    assert rc == 0, text
    written = yaml.safe_load((folder / "srtslurm.yaml").read_text())
    assert (written["default_account"], written["gpus_per_node"]) == ("research", 4)
    assert (written["default_partition"], written["default_time_limit"]) == ("gpu", "04:00:00")
    assert "network_interface" not in written


def typed(argv, answers, environment, again=False):
    """Run a command on a terminal of its own and type the answers to its questions; return (text, exit code).

    :param again: type an answer again if nothing follows: ansible.builtin.pause forgets what comes just when it asks.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe(argv[0], argv, environment)
    text, left, last, until = "", dict(answers), "", time.monotonic() + 240
    while time.monotonic() < until:
        if select.select([terminal], [], [], 1.0)[0]:
            try:
                piece = os.read(terminal, 65536).decode("utf-8", "replace")
            except OSError:
                break
            text += piece
            if piece.replace(last.strip(), "").strip():  # more than the echo
                last = ""
            flat = re.sub(r"\x1b\[[0-9;]*m", "", text)
            for question in [one for one in left if one in flat]:
                last = left.pop(question) + "\r"
                os.write(terminal, last.encode())
        elif again and last:
            os.write(terminal, last.encode())
    else:
        os.kill(pid, signal.SIGKILL)
    _pid, status = os.waitpid(pid, 0)
    assert not left, f"nobody asked {list(left)}: {text}"
    return text, os.waitstatus_to_exitcode(status)


@pytest.mark.slow
def test_a_job_is_changed_submitted_and_followed_in_a_conversation(cluster, site):
    """At a terminal of 80 columns, by interactive.yml."""
    folder, job = site[0], cluster.job_file("talked")
    argv = [*in_folder(cluster, folder), "ansible-playbook", str(ROOT / "playbooks" / "interactive.yml")]
    answers = {
        "1 runs, 2 jobs": "2", "Number of a job file": str(job),
        "behind dynamo, sa-bench 2": "benchmark.concurrencies=[3]", "behind dynamo, sa-bench 3": "s", "Type yes": "yes",
        "results: valid": "q\rq",  # the first one may end the following
    }  # fmt: skip
    text, rc = typed(argv, answers, cluster.environment)
    assert rc == 0, text
    assert "was submitted" in text and "changed=1" in text
    assert "concurrency" in (folder / "outputs" / "latest" / "rollup.txt").read_text()


# Broken clusters.


@pytest.mark.slow
def test_doctor_without_slurmctld(cluster, site):
    cluster.run(str(ROOT / "bin" / "sandbox"), "slurmctld", "stop", "--dir", cluster.dir)
    try:
        said = lines(play(cluster, "doctor", site[0], rc=2))
    finally:
        cluster.run(str(ROOT / "bin" / "sandbox"), "slurmctld", "start", "--dir", cluster.dir)
    assert said["Slurm"][0] == "BAD" and "DOWN" in said["Slurm"][1] and said["cluster file"][0] == "ok"
    assert said["shared disk"] == ("--", "Slurm does not answer") and said["programs"][0] == "ok"


@pytest.mark.slow
def test_doctor_with_nodes_that_cannot_run_jobs(cluster, site):
    cluster.run("scontrol", "update", "NodeName=node[001-008]", "State=DRAIN", "Reason=broken")
    try:
        said = lines(play(cluster, "doctor", site[0], rc=2))
    finally:
        cluster.run("scontrol", "update", "NodeName=node[001-008]", "State=RESUME")
    assert said["partition"][0] == "BAD" and "no node of gpu can run a job (8 drained)" in said["partition"][1]
    assert "sinfo --list-reasons" in said["partition"][1] and said["clocks"][0] == "--"


@pytest.mark.slow
def test_doctor_with_a_directory_that_nodes_do_not_see(cluster, site):
    own = "/dev/shm/srt-doctor"
    cluster.run("mkdir", "-p", own)
    try:
        said = lines(play(cluster, "doctor", site[0], "-e", f"shared_dir={own}", rc=2))
    finally:
        cluster.run("rm", "-rf", own)
    assert said["shared disk"][0] == "BAD" and f"Do the nodes see {own}" in said["shared disk"][1]


@pytest.mark.slow
def test_doctor_with_a_cluster_file_that_asks_for_what_is_not_there(cluster, site):
    folder = cluster.folder / "wrong"
    shutil.copytree(site[0], folder)
    path = folder / "srtslurm.yaml"
    text = path.read_text().replace("default_partition: gpu", "default_partition: gpus").replace("eth0", "ib0")
    path.write_text(text.replace("use_segment_sbatch_directive: false", "use_segment_sbatch_directive: true"))
    said = lines(play(cluster, "doctor", folder, rc=2))
    assert said["partition"][0] == "BAD" and "there is no partition gpus. Did you mean gpu?" not in said["Slurm"][1]
    assert "Did you mean gpu?" in said["partition"][1]
    assert said["versions"][0] == "BAD" and "use_segment_sbatch_directive: false" in said["versions"][1]
    assert said["sbatch"][0] == "BAD"
    path.write_text(path.read_text().replace("gpus\n", "gpu\n"))
    said = lines(play(cluster, "doctor", folder, rc=2))
    assert said["network"][0] == "BAD" and "network_interface is ib0; it has eth0" in said["network"][1]


@pytest.mark.slow
def test_doctor_with_a_job_whose_files_and_ports_are_not_there(cluster, site):
    job = cluster.job_file("lost", model={"path": "/no/such/model", "container": "/no/such.sqsh"})
    taken = subprocess.Popen([*cluster.prefix("node003"), "python3", "-m", "http.server", "8000"])
    try:
        text = play(cluster, "doctor", site[0], "-e", f"job_file={job}", "-e", "check_paths=false", rc=2)
        again = play(cluster, "doctor", site[0], "-e", f"job_file={job}", rc=2)
    finally:
        taken.kill()
        taken.wait()
    said = lines(text)
    assert said["files"][0] == "BAD" and "model /no/such/model does not exist there" in text
    assert said["images"][0] == "BAD" and "/no/such.sqsh" in said["images"][1]
    assert re.search(r"WARN ports +node003: port 8000 of the job is in use", text)
    assert lines(again)["job"][0] == "BAD" and "/no/such/model" in lines(again)["job"][1]


@pytest.mark.slow
def test_doctor_with_programs_for_another_architecture(cluster, site):
    folder = cluster.folder / "foreign"
    shutil.copytree(site[0], folder)
    path = folder / "srtslurm.yaml"
    path.write_text(path.read_text().replace(str(site[0]), str(folder)))
    program = folder / "configs" / "etcd"
    head = bytearray(program.read_bytes()[:64])
    head[18:20] = (0xB7 if head[18] == 0x3E else 0x3E).to_bytes(2, "little")
    program.write_bytes(bytes(head))
    said = lines(play(cluster, "doctor", folder))
    assert said["programs"][0] == "WARN" and re.search(r"etcd is for \w+, the nodes are \w+", said["programs"][1])


# Examples.


def command_of(path):
    """Return the command in the first comment of an example."""
    text = path.read_text(encoding="utf-8")
    whole = re.match(r"# ((?:.*\\\n#)*.*)", text)[1]
    return shlex.split(re.sub(r"\\\n# *", "", whole))


def run_command(cluster, path):
    """Run the command of an example from the root of the checkout, without a cluster file of the sandbox."""
    argv = [*cluster.prefix(), "env", "-u", "SRTSLURM_CONFIG", *command_of(path)]
    done = cluster.play(argv)
    if path.parent.name == "rl" and done.rc:  # its data are of a site: nothing else may be wrong
        wrong = re.findall(r"settings: (\w+): (.*)", done.text)
        assert wrong and all("/scratch/data/" in text and "does not exist" in text for _name, text in wrong), done.text
        return
    assert done.rc == 0 and "failed=0" in done.text, done.text


@pytest.mark.parametrize("name", ["quickstart.yaml", "gallery/sglang-dynamo-disagg.yaml"])
def test_the_command_of_an_example_works(cluster, name):
    run_command(cluster, ROOT / "examples" / name)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_command_of_every_example_works(cluster, path):
    run_command(cluster, path)
