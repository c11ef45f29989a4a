# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox, for real. Every test has its own instances; they may run beside or inside other sandboxes."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = str(ROOT / "bin" / "sandbox")
PMIX = r"""
import ctypes, os, sys
pmix = ctypes.CDLL("libpmix.so.2")
class Proc(ctypes.Structure):
    _fields_ = [("nspace", ctypes.c_char * 256), ("rank", ctypes.c_uint32)]
me = Proc()
code = pmix.PMIx_Init(ctypes.byref(me), None, 0)
everybody = Proc(me.nspace, 0xFFFFFFFE)
code = code or pmix.PMIx_Fence(ctypes.byref(everybody), ctypes.c_size_t(1), None, ctypes.c_size_t(0))
print(f"rank {me.rank} {os.uname().nodename} {code}", flush=True)
pmix.PMIx_Finalize(None, ctypes.c_size_t(0))
sys.exit(code != 0)
"""


class Instance:
    """One sandbox directory and the program that acts on it, as *user* (None: whoever runs the tests)."""

    def __init__(self, folder, user=None):
        self.dir = str(folder)
        self._user = {"user": user, "group": user, "extra_groups": []} if user else {}
        self._home = os.path.dirname(self.dir)
        self._python = "/usr/bin/python3" if user else sys.executable  # another user may not see ours

    def run(self, *argv, code=0, timeout=90):
        env = dict(os.environ, HOME=self._home) if self._user else None
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=timeout, check=False, cwd=self._home, env=env, **self._user
        )
        assert done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + (done.stderr if code else "")

    def do(self, command, *argv, **options):
        return self.run(self._python, PROGRAM, command, "--dir", self.dir, *argv, **options)

    def inside(self, *argv, **options):
        return self.run(self.dir + "/exec", *argv, **options)

    def status(self):
        return json.loads(self.do("status", "--json"))

    def pids(self):
        """All processes that carry this sandbox's token or live in a namespace of its own."""
        state = json.loads(pathlib.Path(self.dir, "sandbox.json").read_text())
        spaces = set()
        with contextlib.suppress(FileNotFoundError):
            record = json.loads(pathlib.Path(self.dir, "run", "anchor.json").read_text())
            spaces = {part["net"]["id"] for part in [record["control"], *record["nodes"].values()]}
        return _processes(state["token"], spaces), state["token"]


def _processes(token, spaces=()):
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            marked = token.encode() in pathlib.Path("/proc", name, "environ").read_bytes()
            if marked or os.stat(f"/proc/{name}/ns/net").st_ino in spaces:
                found.add(int(name))
    return found


def _until(condition, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="srt", dir="/tmp")
    yield pathlib.Path(path)
    for found in pathlib.Path(path).glob("*/sandbox.json"):
        subprocess.run([sys.executable, PROGRAM, "stop", "--dir", str(found.parent)], check=True, timeout=60)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def cluster():
    path = tempfile.mkdtemp(prefix="srt", dir="/tmp")
    instance = Instance(pathlib.Path(path, "sb"))
    instance.do("start", "--nodes", "3", "--gpus-per-node", "4")
    yield instance
    instance.do("stop")
    shutil.rmtree(path)


@pytest.fixture
def nobody(folder):
    if os.geteuid() != 0:
        pytest.skip("this is an ordinary user: all other tests show what this one is for")
    reads = ["test", "-r", str(ROOT / "plugins" / "module_utils" / "failures.py")]
    if subprocess.run(reads, user=65534, group=65534, extra_groups=[], check=False).returncode != 0:
        pytest.skip("this checkout is for root's eyes only")
    os.chown(folder, 65534, 65534)
    return Instance(folder / "sb", user=65534)


def test_steps_see_nodes_of_their_own(cluster):
    script = "echo $(hostname) $(hostname -i) $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES $PWD"
    out = cluster.inside("srun", "-N3", "--gpus-per-node=2", "sh", "-c", script).splitlines()
    where = os.path.dirname(cluster.dir)
    assert sorted(out) == [f"node00{i} 10.77.0.{10 + i} node00{i} 0,1 {where}" for i in (1, 2, 3)]


def test_a_batch_job_gets_its_devices(cluster):
    script = "echo $SLURM_JOB_GPUS $CUDA_VISIBLE_DEVICES"
    cluster.inside("sbatch", "-W", "--gpus-per-node=4", "-o", "out", "--wrap", script)
    assert pathlib.Path(cluster.dir).with_name("out").read_text() == "0,1,2,3 0,1,2,3\n"


def test_two_nodes_bind_one_port_and_meet_by_name(cluster):
    program = (
        "import os, socket\n"
        "mine, other = ('node001', 'node002')[:: 1 if os.uname().nodename == 'node001' else -1]\n"
        "server = socket.create_server(('0.0.0.0', 30000))\n"
        "while True:\n"
        "    try: client = socket.create_connection((other, 30000), 5); break\n"
        "    except ConnectionRefusedError: pass\n"
        "server.accept()[0].sendall(mine.encode())\n"
        "print(mine, client.recv(9).decode(), client.getpeername()[0])\n"
    )
    out = cluster.inside("srun", "-N2", "-w", "node001,node002", "/usr/bin/python3", "-c", program).splitlines()
    assert sorted(out) == ["node001 node002 10.77.0.12", "node002 node001 10.77.0.11"]


def test_pmix_works(cluster):
    out = cluster.inside("srun", "-N2", "-n2", "--mpi=pmix", "/usr/bin/python3", "-c", PMIX).splitlines()
    assert sorted(out) == ["rank 0 node001 0", "rank 1 node002 0"]


def test_exec_is_the_command(cluster):
    assert cluster.do("exec", "--", "sh", "-c", "echo $SRT_SANDBOX_DIR; exit 7", code=7) == f"{cluster.dir}\n"
    assert cluster.do("exec", "--node", "node002", "--", "hostname") == "node002\n"
    process = subprocess.Popen([cluster.dir + "/exec", "sh", "-c", "echo $$; exec sleep 60"], stdout=subprocess.PIPE)
    assert int(process.stdout.readline()) == process.pid
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM


def test_second_start_changes_nothing(cluster):
    before = cluster.status()
    assert "runs already" in cluster.do("start")
    assert cluster.status() == before


def test_a_lost_slurmd_is_put_back_while_a_step_goes_on(cluster):
    step = subprocess.Popen(
        [cluster.dir + "/exec", "srun", "-w", "node003", "sh", "-c", "read x; echo $x"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    _until(lambda: "RUNNING" in cluster.inside("squeue", "-h", "-w", "node003", "-o", "%T"))
    cluster.do("node", "node003", "stop")
    assert [node["slurmd"] is None for node in cluster.status()["nodes"]] == [False, False, True]
    assert "was repaired" in cluster.do("start")
    assert step.communicate("alive\n", timeout=20)[0] == "alive\n"


def test_slurmctld_stops_and_starts(cluster):
    cluster.do("slurmctld", "stop")
    assert {node["state"] for node in cluster.status()["nodes"]} == {"unknown"}
    cluster.do("slurmctld", "start")
    _until(lambda: {node["state"] for node in cluster.status()["nodes"]} == {"idle"})


def test_cut_and_heal(cluster):
    connect = ["timeout", "3", "bash", "-c", "echo > /dev/tcp/node002/6818"]
    cluster.do("exec", "--node", "node001", "--", *connect)
    cluster.do("node", "node002", "cut")
    cluster.do("exec", "--node", "node001", "--", *connect, code=124)
    cluster.do("node", "node002", "heal")
    cluster.do("exec", "--node", "node001", "--", *connect)


def test_two_at_once_and_nothing_left(folder):
    both = [Instance(folder / name) for name in ("one", "two")]
    links = sorted(os.listdir("/sys/class/net"))
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    for instance in both:
        instance.do("start", "--nodes", "2")
    assert sorted(os.listdir("/sys/class/net")) == links
    assert pathlib.Path("/proc/self/mountinfo").read_text() == mounts
    for instance in both:
        assert instance.inside("srun", "-N2", "hostname").count("node00") == 2
    both[0].inside("sbatch", "-N2", "-o", "/dev/null", "--wrap", "srun sleep 300")
    _until(lambda: "sleep" in both[0].do("exec", "--node", "node002", "--", "squeue", "-h", "-s", "-o", "%j"))
    pids, token = both[0].pids()
    assert len(pids) > 6
    both[0].do("stop")
    assert _processes(token) == set()
    assert not [pid for pid in pids if _alive(pid)]
    assert not (folder / "one").exists()
    assert "There was no sandbox" in both[0].do("stop")
    assert both[1].inside("srun", "-N2", "true") == ""


def _alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_other_settings_start_it_again(folder):
    instance = Instance(folder / "sb")
    instance.do("start", "--nodes", "1", "--gpus-per-node", "0")
    assert "started anew: 2 nodes" in instance.do("start", "--nodes", "2")
    assert instance.inside("sinfo", "-h", "-o", "%D %T %G").split() == ["2", "idle", "(null)"]


@pytest.mark.parametrize("user", [None, "nobody"])
def test_the_small_disk_is_one_for_all_nodes_and_can_be_full(folder, user, request):
    instance = request.getfixturevalue("nobody") if user else Instance(folder / "sb")
    instance.do("start", "--nodes", "2", "--small-disk-mb", "2")
    disk = f"{instance.dir}/disk"
    instance.inside("--node", "node001", "--", "sh", "-c", f"echo hello > {disk}/file")
    assert instance.inside("--node", "node002", "--", "cat", f"{disk}/file") == "hello\n"
    full = instance.inside("--node", "node002", "--", "dd", "if=/dev/zero", f"of={disk}/filler", "bs=1M", code=1)
    assert "No space left on device" in full
    assert "No space left" in instance.inside("sh", "-c", f"head -c 9999 /dev/zero > {disk}/more", code=1)
    assert os.listdir(disk) == []  # the machine itself sees nothing of it
    instance.do("stop")
    assert not pathlib.Path(instance.dir).exists()


def test_a_wrong_line_is_reported_and_leaves_no_process(folder):
    instance = Instance(folder / "sb")
    assert "unrecognized key: Nonsense" in instance.do("start", "--slurm-conf", "Nonsense=1", code=1)
    assert instance.pids()[0] == set()
    instance.do("stop")
    assert not (folder / "sb").exists()


@pytest.mark.parametrize("moment", ["sandbox.json", "lib/setup.json", "run/anchor.json", "run/slurmctld.pid"])
def test_a_start_killed_in_the_middle(folder, moment):
    instance = Instance(folder / "sb")
    for cure in ("stop", "start"):
        start = subprocess.Popen(
            [sys.executable, PROGRAM, "start", "--dir", instance.dir, "--nodes", "2"], stdout=subprocess.DEVNULL
        )
        while not (folder / "sb" / moment).exists():
            assert start.poll() is None
        start.kill()
        start.wait()
        token = instance.pids()[1]
        instance.do(cure)
        if cure == "stop":
            assert _processes(token) == set()
            assert not (folder / "sb").exists()
    assert len(instance.inside("srun", "-N2", "hostname").split()) == 2


def test_a_killed_anchor(folder):
    instance = Instance(folder / "sb")
    instance.do("start", "--nodes", "2")
    for cure in ("start", "stop"):
        pids, token = instance.pids()
        anchor = instance.status()["anchor"]
        os.kill(anchor, signal.SIGKILL)
        _until(lambda pid=anchor: not _alive(pid))
        assert "does not run" in instance.inside("true", code=125)
        instance.do(cure)
        assert not [pid for pid in pids if _alive(pid)]
    assert _processes(token) == set()
    assert os.listdir(folder) == []


def test_a_long_path(folder):
    long = folder / ("x" * 100)
    instance = Instance(long)
    instance.do("start", "--nodes", "2")
    short = json.loads((long / "sandbox.json").read_text())["run_folder"]
    assert "rank 1" in instance.inside("srun", "-N2", "-n2", "--mpi=pmix", "/usr/bin/python3", "-c", PMIX)
    instance.do("stop")
    assert not os.path.exists(short)


def test_an_ordinary_user(nobody, folder):
    nobody.do("start", "--nodes", "2")
    script = "id -u; echo $CUDA_VISIBLE_DEVICES"
    out = nobody.inside("srun", "-N2", "-n2", "--gpus-per-node=8", "--mpi=pmix", "sh", "-c", script)
    assert sorted(out.split()) == ["0,1,2,3,4,5,6,7"] * 2 + ["65534"] * 2
    nobody.do("node", "node002", "cut")
    assert "was repaired" in nobody.do("start")
    token = nobody.pids()[1]
    nobody.do("stop")
    assert _processes(token) == set()
    assert os.listdir(folder) == []


def test_sixteen_nodes_in_a_few_seconds(folder):
    instance = Instance(folder / "sb")
    began = time.monotonic()
    instance.do("start", "--nodes", "16")
    took = time.monotonic() - began
    assert len(instance.inside("srun", "-N16", "hostname").split()) == 16
    assert took < 10


def test_the_module(folder):
    playbook = ["ansible-playbook", str(ROOT / "playbooks" / "sandbox.yml"), "-e", f"sandbox_dir={folder}/sb"]
    env = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_FORCE_COLOR="0")

    def changed(*extra):
        done = subprocess.run([*playbook, *extra], capture_output=True, text=True, env=env, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return "changed=1" in done.stdout

    assert changed("-e", "sandbox_nodes=2", "--check")
    assert not (folder / "sb").exists()
    assert changed("-e", "sandbox_nodes=2")
    assert not changed("-e", "sandbox_nodes=2")
    assert changed("-e", "sandbox_state=absent")
    assert not changed("-e", "sandbox_state=absent")
